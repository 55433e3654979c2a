package graph

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"firstpass.internal/internal/jml"
)

// Methods returns the user's authentication methods of all kinds, password and
// pass included. A kind that this SDK does not know keeps Graph's name. It is
// not there for a user so new that the authentication service does not know
// him: that is a notFound Fault. Permission: UserAuthenticationMethod.Read.All.
func (c *Client) Methods(ctx context.Context, userID string) ([]jml.Method, error) {
	const op = "list methods"
	if !guid.MatchString(userID) {
		return nil, refuse(op, "badUserID", "")
	}
	var out []jml.Method
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		list, err := all(ctx, c.root, func(ctx context.Context, link string) (models.AuthenticationMethodCollectionResponseable, error) {
			b := c.users().ByUserId(userID).Authentication().Methods()
			if link != "" {
				b = b.WithUrl(link)
			}
			return b.Get(ctx, nil)
		})
		if err != nil {
			return err
		}
		out = make([]jml.Method, 0, len(list))
		for _, m := range list {
			if m == nil {
				return bad("emptyReply")
			}
			out = append(out, method(m))
		}
		return nil
	})
	return out, err
}

func method(m models.AuthenticationMethodable) jml.Method {
	out := jml.Method{ID: deref(m.GetId()), Kind: methodKind(deref(m.GetOdataType())), CreatedAt: created(m)}
	switch v := m.(type) {
	case models.Fido2AuthenticationMethodable:
		out.AAGUID = strings.ToLower(deref(v.GetAaGuid()))
	case models.TemporaryAccessPassAuthenticationMethodable:
		out.Reason = deref(v.GetMethodUsabilityReason())
	}
	return out
}

// DeleteMethod deletes a method. That it is not there is no error, nor is a user
// that is not there, as with DeletePass.
//
// Entra refuses to delete the user's default method while he has another one
// that could be it: a refused Fault with Reason removalDenied and Code
// defaultMethod. v1.0 does not tell which one that is, nor change it.
// learn.microsoft.com/graph/api/phoneauthenticationmethod-delete,
// github.com/microsoftgraph/microsoft-graph-docs issues 14470 and 18091
//
// Permission: the ReadWrite.All of the kind, as Needs lists them, or
// UserAuthenticationMethod.ReadWrite.All for all kinds.
func (c *Client) DeleteMethod(ctx context.Context, userID string, m jml.Method) error {
	const op = "delete method"
	if !guid.MatchString(userID) {
		return refuse(op, "badUserID", "")
	}
	if !methodID.MatchString(m.ID) {
		return refuse(op, "badMethodID", "")
	}
	if !slices.Contains(jml.Removable(), m.Kind) {
		return refuse(op, "badMethodKind", "")
	}
	ex, err := c.do(ctx, op, func(ctx context.Context) error {
		b := c.users().ByUserId(userID).Authentication()
		switch m.Kind {
		case jml.MethodFIDO2:
			return b.Fido2Methods().ByFido2AuthenticationMethodId(m.ID).Delete(ctx, nil)
		case jml.MethodWindowsHello:
			return b.WindowsHelloForBusinessMethods().ByWindowsHelloForBusinessAuthenticationMethodId(m.ID).Delete(ctx, nil)
		case jml.MethodPlatform:
			return b.PlatformCredentialMethods().ByPlatformCredentialAuthenticationMethodId(m.ID).Delete(ctx, nil)
		case jml.MethodAuthenticator:
			return b.MicrosoftAuthenticatorMethods().ByMicrosoftAuthenticatorAuthenticationMethodId(m.ID).Delete(ctx, nil)
		case "phone":
			return b.PhoneMethods().ByPhoneAuthenticationMethodId(m.ID).Delete(ctx, nil)
		}
		return b.SoftwareOathMethods().BySoftwareOathAuthenticationMethodId(m.ID).Delete(ctx, nil)
	})
	var f *jml.Fault
	if errors.As(err, &f) && f.Kind == jml.FaultNotFound {
		return nil
	}
	if f != nil && f.Kind == jml.FaultRefused && ex.hint == jml.ReasonRemovalDenied {
		f.Code, f.Reason = "defaultMethod", jml.ReasonRemovalDenied
	}
	return err
}

// EndSessions signs the user out everywhere: it invalidates the refresh tokens,
// which takes some minutes to be felt, and access tokens live on for up to an
// hour where continuous access evaluation is not done.
// Permission: User.RevokeSessions.All.
// learn.microsoft.com/graph/api/user-revokesigninsessions
func (c *Client) EndSessions(ctx context.Context, userID string) error {
	const op = "end sessions"
	if !guid.MatchString(userID) {
		return refuse(op, "badUserID", "")
	}
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		res, err := c.users().ByUserId(userID).RevokeSignInSessions().PostAsRevokeSignInSessionsPostResponse(ctx, nil)
		if err != nil {
			return err
		}
		if res == nil || !deref(res.GetValue()) {
			return bad("notRevoked")
		}
		return nil
	})
	return err
}

func methodKind(odataType string) jml.MethodKind {
	return jml.MethodKind(strings.TrimSuffix(strings.TrimPrefix(odataType, "#microsoft.graph."), "AuthenticationMethod"))
}

// created returns when the method was registered, zero if Graph does not say.
// One of Microsoft's examples for fido2 spells it creationDateTime.
func created(m models.AuthenticationMethodable) time.Time {
	if t := m.GetCreatedDateTime(); t != nil {
		return t.UTC()
	}
	switch v := m.GetAdditionalData()["creationDateTime"].(type) {
	case *time.Time:
		return utc(v)
	case *string:
		t, _ := time.Parse(time.RFC3339, deref(v))
		return t.UTC()
	}
	return time.Time{}
}
