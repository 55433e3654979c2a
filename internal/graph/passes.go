package graph

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// Passes returns the passes Graph lists for the user, normally one or none;
// expired and used ones stay listed until they are deleted or replaced.
// Permission: UserAuthMethod-TAP.ReadWrite.All.
func (c *Client) Passes(ctx context.Context, userID string) ([]jml.Pass, error) {
	const op = "list passes"
	if !guid.MatchString(userID) {
		return nil, refuse(op, "badUserID", "")
	}
	var out []jml.Pass
	ex, err := c.do(ctx, op, func(ctx context.Context) error {
		list, err := all(ctx, c.root, func(ctx context.Context, link string) (models.TemporaryAccessPassAuthenticationMethodCollectionResponseable, error) {
			b := c.users().ByUserId(userID).Authentication().TemporaryAccessPassMethods()
			if link != "" {
				b = b.WithUrl(link)
			}
			return b.Get(ctx, nil)
		})
		if err != nil {
			return err
		}
		out = make([]jml.Pass, 0, len(list))
		for _, m := range list {
			if m == nil || deref(m.GetId()) == "" {
				return bad("emptyReply")
			}
			out = append(out, pass(m))
		}
		return nil
	})
	for i := range out {
		out[i].RequestID = ex.requestID
	}
	return out, err
}

func pass(m models.TemporaryAccessPassAuthenticationMethodable) jml.Pass {
	return jml.Pass{
		MethodID:        deref(m.GetId()),
		CreatedAt:       created(m),
		StartAt:         utc(m.GetStartDateTime()),
		Lifetime:        minutes(m.GetLifetimeInMinutes()),
		OneTime:         deref(m.GetIsUsableOnce()),
		UsabilityReason: deref(m.GetMethodUsabilityReason()),
	}
}

// CreatePass makes a pass. Graph says its code in this one reply and never
// again; what can happen:
//
//   - the pass and its passcode;
//   - an unavailable Fault, which takes in no answer and a reply without code
//     or id: nobody knows. There may be a pass whose code nobody has. List,
//     delete, then try again;
//   - any other Fault: there is no new pass.
//
// A pass that exists already is replaced, or the call is refused (conflict, or
// a 400 of unknown reason): Microsoft's pages say both.
//
// The start goes out in whole seconds and only if it lies ahead of now: what
// Graph makes of one that has passed is documented nowhere. The lifetime must
// be whole minutes. Permission: UserAuthMethod-TAP.ReadWrite.All.
func (c *Client) CreatePass(ctx context.Context, userID string, req jml.PassRequest, now time.Time) (jml.Pass, secret.Passcode, error) {
	const op = "create pass"
	if !guid.MatchString(userID) {
		return jml.Pass{}, secret.Passcode{}, refuse(op, "badUserID", "")
	}
	if req.Lifetime < time.Minute || req.Lifetime%time.Minute != 0 || req.Lifetime > maxLifetime {
		return jml.Pass{}, secret.Passcode{}, refuse(op, "badLifetime", jml.ReasonLifetimeOutsidePolicy)
	}
	body := models.NewTemporaryAccessPassAuthenticationMethod()
	life, once := int32(req.Lifetime/time.Minute), req.OneTime
	body.SetLifetimeInMinutes(&life)
	body.SetIsUsableOnce(&once)
	if start := req.StartAt.UTC().Truncate(time.Second); start.After(now) {
		body.SetStartDateTime(&start)
	}
	var (
		made jml.Pass
		code secret.Passcode
	)
	ex, err := c.do(ctx, op, func(ctx context.Context) error {
		m, err := c.users().ByUserId(userID).Authentication().TemporaryAccessPassMethods().Post(ctx, body, nil)
		if err != nil {
			return err
		}
		if m == nil {
			return bad("noPasscode")
		}
		code = secret.NewPasscode(deref(m.GetTemporaryAccessPass()))
		m.SetTemporaryAccessPass(nil) // the model's only copy
		made = pass(m)
		if code.Empty() || made.MethodID == "" {
			return bad("noPasscode")
		}
		return nil
	})
	if err != nil {
		return jml.Pass{}, secret.Passcode{}, c.createFault(err, ex)
	}
	made.RequestID = ex.requestID
	// A reply that leaves these out has done as it was told.
	made.StartAt = later(made.StartAt, body.GetStartDateTime(), now)
	made.Lifetime = cmp.Or(made.Lifetime, req.Lifetime)
	return made, code, nil
}

// maxLifetime is the most Graph ever allows, whatever the policy: 43,200
// minutes.
const maxLifetime = 30 * 24 * time.Hour

func later(said time.Time, asked *time.Time, now time.Time) time.Time {
	switch {
	case !said.IsZero():
		return said
	case asked != nil:
		return *asked
	}
	return now.UTC()
}

// createFault adds to a refused pass what the refusal may mean.
func (c *Client) createFault(err error, ex *exchange) error {
	var f *jml.Fault
	if !errors.As(err, &f) || f.System != system || f.Reason != "" {
		return err
	}
	switch {
	case ex.status == http.StatusMethodNotAllowed:
		// Reported for users outside the policy; and nothing else is known to
		// answer 405 here. A 404 was reported for them too, but that is what a
		// new user gets, so it stays notFound and is tried again.
		f.Reason = jml.ReasonOutOfScope
	case f.Kind == jml.FaultRefused:
		f.Reason = ex.hint
	}
	switch f.Reason {
	case jml.ReasonOutOfScope, jml.ReasonLifetimeOutsidePolicy, jml.ReasonMultiUseNotAllowed:
		// The policy we know let it through: it has changed.
		c.policy.set(nil, time.Time{})
	}
	return err
}

// DeletePass deletes a pass. That there is none is no error: a deletion whose
// answer was lost is repeated. A user that is not there is no error either, as
// Graph answers the same. Permission: UserAuthMethod-TAP.ReadWrite.All.
func (c *Client) DeletePass(ctx context.Context, userID, passID string) error {
	const op = "delete pass"
	if !guid.MatchString(userID) {
		return refuse(op, "badUserID", "")
	}
	if !methodID.MatchString(passID) {
		return refuse(op, "badMethodID", "")
	}
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		return c.users().ByUserId(userID).Authentication().TemporaryAccessPassMethods().
			ByTemporaryAccessPassAuthenticationMethodId(passID).Delete(ctx, nil)
	})
	var f *jml.Fault
	if errors.As(err, &f) && f.Kind == jml.FaultNotFound {
		return nil
	}
	return err
}
