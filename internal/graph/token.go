package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	kiota "github.com/microsoft/kiota-abstractions-go"

	"firstpass.internal/internal/jml"
)

// token returns an access token for Graph; azidentity caches it until some
// minutes before its end. claims is what a revoked token's 401 demands of the
// next one (continuous access evaluation), normally empty.
func (c *Client) token(ctx context.Context, claims string) (string, error) {
	tok, err := c.cred.GetToken(ctx, policy.TokenRequestOptions{
		Scopes: []string{c.scope}, EnableCAE: true, Claims: claims,
	})
	if err != nil {
		return "", tokenFault(ctx, err, c.now())
	}
	return tok.Token, nil
}

// authenticator puts the token on a request. The provider that comes with kiota
// is not used: for a host that it does not know it sends the request without a
// token and says nothing.
type authenticator struct{ c *Client }

func (a authenticator) AuthenticateRequest(ctx context.Context, r *kiota.RequestInformation, extra map[string]any) error {
	u, err := r.GetUri()
	if err != nil {
		return &jml.Fault{System: system, Kind: jml.FaultRefused, Code: "badRequestURL"}
	}
	if u.Scheme != a.c.root.Scheme || u.Host != a.c.root.Host {
		return &jml.Fault{System: system, Kind: jml.FaultRefused, Code: "foreignHost"}
	}
	claims := ""
	if raw, _ := extra["claims"].(string); raw != "" {
		dec, err := base64.StdEncoding.DecodeString(raw)
		if err != nil {
			return &jml.Fault{System: systemEntra, Kind: jml.FaultUnavailable, Code: "badChallenge"}
		}
		claims = string(dec)
	}
	token, err := a.c.token(ctx, claims)
	if err != nil {
		return err
	}
	r.Headers.Remove("Authorization") // of the try that was answered 401
	r.Headers.Add("Authorization", "Bearer "+token)
	return nil
}

// Permissions returns the application permissions that our own access token
// carries, sorted: what Graph judges our calls by. A token lives for an hour or
// more and its permissions with it, so what an administrator grants now shows
// in a new process at once and in this one only with the next token.
//
// The token is decoded, not verified: it came over TLS from the authority, and
// nothing is decided by it. Graph calls access tokens opaque; one that can't be
// decoded is a refused Fault with Code opaqueToken.
func (c *Client) Permissions(ctx context.Context) ([]string, error) {
	const op = "read permissions"
	var roles []string
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		tok, err := c.token(ctx, "")
		if err != nil {
			return err
		}
		var ok bool
		if roles, ok = rolesOf(tok); !ok {
			return &jml.Fault{System: systemEntra, Kind: jml.FaultRefused, Code: "opaqueToken"}
		}
		return nil
	})
	return roles, err
}

func rolesOf(token string) ([]string, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, false
	}
	var claims struct {
		Roles []string `json:"roles"`
	}
	if json.Unmarshal(raw, &claims) != nil {
		return nil, false
	}
	slices.Sort(claims.Roles)
	return claims.Roles, true
}
