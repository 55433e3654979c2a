package graph

import (
	"context"
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
			out = append(out, jml.Method{ID: deref(m.GetId()), Kind: methodKind(deref(m.GetOdataType())), CreatedAt: created(m)})
		}
		return nil
	})
	return out, err
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
