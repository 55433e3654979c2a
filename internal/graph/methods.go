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

// DeleteMethod deletes a method. It returns nil if the method is not there.
// Permission: UserAuthenticationMethod.ReadWrite.All; or the ReadWrite.All of
// the kind, such as UserAuthMethod-Passkey.ReadWrite.All.
func (c *Client) DeleteMethod(ctx context.Context, userID string, m jml.Method) error {
	const op = "delete method"
	if !guid.MatchString(userID) || m.ID == "" {
		return refuse(op, "badUserID", "")
	}
	if !slices.Contains(jml.Removable(), m.Kind) {
		return refuse(op, "badMethodKind", "")
	}
	_, err := c.do(ctx, op, func(ctx context.Context) error {
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
	return err
}

// EndSessions signs the user out everywhere, within minutes: it invalidates the
// refresh tokens. Permission: User.RevokeSessions.All.
func (c *Client) EndSessions(ctx context.Context, userID string) error {
	const op = "end sessions"
	if !guid.MatchString(userID) {
		return refuse(op, "badUserID", "")
	}
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		_, err := c.users().ByUserId(userID).RevokeSignInSessions().PostAsRevokeSignInSessionsPostResponse(ctx, nil)
		return err
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
