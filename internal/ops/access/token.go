package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	// leeway is how far the issuer's clock may be off.
	leeway = time.Minute
	// maxToken bounds a token, in bytes. One that names 200 groups, which is as
	// many as Entra writes, has about 12 KiB.
	maxToken = 16 << 10
	// maxName bounds what the ledger calls somebody, in runes.
	maxName = 256
	// Scope is what people grant to a program that acts for them, such as the
	// command line: the scope that the app registration exposes.
	Scope = "operate"
)

// denial says why somebody is not let in. It is safe to show and to write down:
// reason is one of ours, do is a sentence, and neither quotes a token.
type denial struct {
	reason string
	do     string
}

func (d *denial) Error() string { return d.reason + ": " + d.do }

// claims are what is read of an ID token or an access token of version 2.
//
// Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference
type claims struct {
	Subject    string            `json:"sub"`
	Object     string            `json:"oid"`
	UserName   string            `json:"preferred_username"`
	UPN        string            `json:"upn"`
	Name       string            `json:"name"`
	Party      string            `json:"azp"`
	Kind       string            `json:"idtyp"`
	Scopes     string            `json:"scp"`
	Version    string            `json:"ver"`
	Roles      []string          `json:"roles"`
	Groups     []string          `json:"groups"`
	Elsewhere  map[string]string `json:"_claim_names"`
	HasGroups  bool              `json:"hasgroups"`
	Expires    *float64          `json:"exp"`
	NotBefore  *float64          `json:"nbf"`
	IssuedAt   *float64          `json:"iat"`
	Nonce      string            `json:"nonce"`
	manyGroups bool
}

// signedIn checks an ID token. nonce is empty when roles are read again (OpenID
// Connect Core, 12.2).
func (p *provider) signedIn(ctx context.Context, m *metadata, raw, nonce string) (claims, error) {
	if raw == "" || len(raw) > maxToken {
		return claims{}, &denial{"badToken", "the identity provider sent no ID token, or one that is too long"}
	}
	token, err := m.people.Verify(ctx, raw)
	if err != nil {
		return claims{}, verifyFailed(err)
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return claims{}, &denial{"badToken", "the ID token's claims are not what they should be"}
	}
	if err := c.inTime(p.now()); err != nil {
		return claims{}, err
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1 {
		return claims{}, &denial{"badToken", "the ID token is of another sign-in"}
	}
	if c.Party != "" && c.Party != p.clientID || c.Party == "" && len(token.Audience) > 1 {
		return claims{}, &denial{"badToken", "the ID token is for another client too"}
	}
	if token.Subject == "" || len(token.Subject) > 255 { // OpenID Connect Core, 2
		return claims{}, &denial{"badToken", "the ID token names nobody"}
	}
	return c.read(), nil
}

// bearer checks an access token, of a person's program or of a machine.
//
// Our ID tokens have the same issuer, keys and, by default, audience; what tells
// an access token is that it grants a scope (scp) or calls itself an app's
// (idtyp, an optional claim that docs/access.md switches on).
func (p *provider) bearer(ctx context.Context, m *metadata, raw string) (claims, error) {
	if len(raw) > maxToken {
		return claims{}, &denial{"badToken", "the token is too long"}
	}
	token, err := m.bearers.Verify(ctx, raw)
	if err != nil {
		if version(raw) == "1.0" {
			return claims{}, &denial{"badToken", "the token is of version 1; set requestedAccessTokenVersion to 2 in the app's manifest"}
		}
		return claims{}, verifyFailed(err)
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return claims{}, &denial{"badToken", "the token's claims are not what they should be"}
	}
	if err := c.inTime(p.now()); err != nil {
		return claims{}, err
	}
	machine := c.Kind == "app"
	switch {
	case c.Version != "" && c.Version != "2.0":
		return claims{}, &denial{"badToken", "the token is not of version 2; set requestedAccessTokenVersion to 2 in the app's manifest"}
	case machine && c.Scopes != "", !machine && !slices.Contains(strings.Fields(c.Scopes), Scope):
		return claims{}, &denial{"badToken", "the token neither grants the scope " + Scope + " nor is an app's own; docs/access.md tells how to get one"}
	case machine && c.Party == "", c.Subject == "" || len(c.Subject) > 255:
		return claims{}, &denial{"badToken", "the token names nobody"}
	}
	return c.read(), nil
}

// read notes what the claims leave out.
func (c claims) read() claims {
	_, c.manyGroups = c.Elsewhere["groups"]
	c.manyGroups = c.manyGroups || c.HasGroups
	return c
}

func (c claims) inTime(now time.Time) error {
	at := func(s float64) time.Time { return time.Unix(int64(s), 0) }
	const most = float64(1 << 40) // seconds; far beyond any clock, and safe to convert
	for _, s := range []*float64{c.Expires, c.NotBefore, c.IssuedAt} {
		if s != nil && (*s < 0 || *s > most) {
			return &denial{"badToken", "a time in the token is none"}
		}
	}
	switch {
	case c.Expires == nil:
		return &denial{"badToken", "the token does not say when it expires"}
	case !now.Before(at(*c.Expires).Add(leeway)):
		return &denial{"expired", "the token has expired; get another"}
	case c.NotBefore != nil && now.Add(leeway).Before(at(*c.NotBefore)),
		c.IssuedAt != nil && now.Add(leeway).Before(at(*c.IssuedAt)):
		return &denial{"notYet", "the token is not valid yet; are the clocks right?"}
	}
	return nil
}

// identity says who the claims speak of, with the roles that they give by app
// roles and by groups.
func (c claims) identity(groups map[Role][]string) Identity {
	out := Identity{Subject: c.Object, Machine: c.Kind == "app"}
	if out.Subject == "" {
		out.Subject = c.Subject
	}
	names := []string{c.UserName, c.UPN, c.Name, out.Subject}
	if out.Machine {
		names = []string{c.Party}
	}
	for _, n := range names {
		if out.Name = plain(n); out.Name != "" {
			break
		}
	}
	for _, r := range Roles() {
		if slices.Contains(c.Roles, string(r)) || slices.ContainsFunc(groups[r], func(id string) bool { return slices.Contains(c.Groups, id) }) {
			out.Roles = append(out.Roles, r)
		}
	}
	return out
}

// plain keeps what a name may hold in a page's head and in the ledger.
func plain(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, name))
	if runes := []rune(name); len(runes) > maxName {
		name = string(runes[:maxName])
	}
	return name
}

// verifyFailed sorts an error of go-oidc's Verify by how its text begins; what
// follows may quote the token.
func verifyFailed(err error) error {
	text := err.Error()
	for _, known := range []struct {
		begins string
		as     error
	}{
		{"failed to verify signature: " + errKeysAway.Error(), fmt.Errorf("the identity provider: %w: its %w", errAway, errKeysAway)},
		{"failed to verify signature", &denial{"forged", "no key of the issuer signed the token"}},
		{"oidc: malformed jwt", &denial{"forged", "the token is none, or is not signed by RS256"}},
		{"oidc: id token issued by", &denial{"badToken", "the token is of another issuer"}},
		{"oidc: expected audience", &denial{"badToken", "the token is meant for somebody else"}},
	} {
		if strings.HasPrefix(text, known.begins) {
			return known.as
		}
	}
	return &denial{"badToken", "the token can't be read"}
}

// version peeks at a token that was refused, to say something helpful. Nothing
// in it is believed.
func version(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Version string `json:"ver"`
	}
	if err != nil || json.Unmarshal(body, &c) != nil {
		return ""
	}
	return c.Version
}
