package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/text/language"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

const (
	// maxAge is how old a sign-in may be: asked for by max_age, checked by
	// auth_time.
	maxAge = 5 * time.Minute
	// skew is how far the provider's clock may be off.
	skew = time.Minute
	// flowValid is how long a visitor may take at the provider.
	flowValid = 15 * time.Minute
	// maxCode bounds an authorisation code, in bytes; Entra's are 1 to 2 KiB.
	maxCode = 8 << 10
)

// Flow is what has to be remembered of Begin until Finish. The page keeps it,
// as JSON, in the visitor's sealed cookie. It prints nothing.
type Flow struct {
	Proof    string    `json:"proof"`
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE
	Begun    time.Time `json:"begun"`
}

// Format prints [redacted] for every verb.
func (Flow) Format(s fmt.State, _ rune) { redact(s) }

// Reason says why a proof did not pass.
type Reason string

// The reasons.
const (
	ReasonDeclined Reason = "declined"  // the visitor gave up, or the provider did not let him in
	ReasonLevel    Reason = "level"     // signed in with another level of assurance than is asked for
	ReasonMismatch Reason = "mismatch"  // somebody else, as far as the rule can tell
	ReasonRule     Reason = "rule"      // the rule could not be evaluated; Detail says why
	ReasonNotReady Reason = "not_ready" // HR left out what the rule needs
)

// Result is what came of a sign-in. It prints nothing: Identifier is personal.
type Result struct {
	Passed bool
	// Identifier is the person's at this provider, if Passed. Only a keyed hash
	// of it may be kept.
	Identifier string
	// ACR is the level of assurance, if it is one of the proof's ACRValues.
	ACR string
	// Reason is set if not Passed. ReasonDeclined was no attempt to be somebody
	// else, and should not count as one.
	Reason Reason
	// Detail says more of ReasonRule: names of claims that the rule spells, and
	// nothing of their values.
	Detail string
}

// Format prints [redacted] for every verb.
func (Result) Format(s fmt.State, _ rune) { redact(s) }

// Begin starts a sign-in: the visitor goes to redirect, and comes back to the
// ReturnURL. locale is a BCP 47 tag for the provider's pages; one that is none
// is left out.
//
// The page should lead there by a link or a refresh, not by redirecting a form:
// Chromium applies form-action to every redirect after a form, and a broker's
// chain leads to hosts nobody can list (github.com/w3c/webappsec-csp/issues/8).
func (v *Verifier) Begin(ctx context.Context, name, locale string) (redirect string, f Flow, err error) {
	p, ok := v.providers[name]
	if !ok {
		return "", Flow{}, unknown(name)
	}
	m, err := p.discover(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	f = Flow{Proof: name, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Begun: p.now()}
	with := []oauth2.AuthCodeOption{
		oidc.Nonce(f.Nonce),
		oauth2.S256ChallengeOption(f.Verifier),
		oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(maxAge.Seconds()))),
	}
	if len(p.cfg.ACRValues) > 0 {
		with = append(with, oauth2.SetAuthURLParam("acr_values", strings.Join(p.cfg.ACRValues, " ")))
	}
	if tag, err := language.Parse(locale); err == nil && tag != language.Und {
		with = append(with, oauth2.SetAuthURLParam("ui_locales", tag.String()))
	}
	return m.oauth.AuthCodeURL(f.State, with...), f, nil
}

// Finish checks the answer that the visitor brought back in the query. The page
// forgets the flow before it calls Finish, whatever comes of it.
//
// An error means that nothing is known of the visitor, ErrRefused that the
// answer is not to be trusted. Otherwise Result says whether he is the employee.
func (v *Verifier) Finish(ctx context.Context, name string, f Flow, query url.Values, e jml.Snapshot) (Result, error) {
	p, ok := v.providers[name]
	if !ok {
		return Result{}, unknown(name)
	}
	if f.Proof != name || f.State == "" || f.Nonce == "" || f.Verifier == "" {
		return Result{}, p.refused("no sign-in was begun here for this proof")
	}
	if age := p.now().Sub(f.Begun); age < -skew || age > flowValid {
		return Result{}, p.refused("the sign-in took too long; start over")
	}
	for name := range query {
		if len(query[name]) != 1 {
			return Result{}, p.refused("a parameter is there twice")
		}
	}
	if same(query.Get("state"), f.State) != 1 {
		return Result{}, p.refused("state is another visit's")
	}
	m, err := p.discover(ctx)
	if err != nil {
		return Result{}, err
	}
	if query.Has("iss") && query.Get("iss") != p.cfg.Issuer || !query.Has("iss") && m.namesItself {
		return Result{}, p.refused("iss is not the issuer's (RFC 9207)")
	}
	if query.Has("error") {
		return p.declined(query.Get("error"))
	}
	token, accessToken, err := p.redeem(ctx, m, f, query.Get("code"))
	if err != nil {
		return Result{}, err
	}
	return p.judge(ctx, m, token, accessToken, e)
}

// declined sorts an error that the provider sent by the browser.
func (p *provider) declined(code string) (Result, error) {
	switch code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return Result{Reason: ReasonDeclined}, nil
	case "unmet_authentication_requirements": // OpenID Connect Core Unmet Authentication Requirements 1.0
		return Result{Reason: ReasonLevel}, nil
	case "server_error", "temporarily_unavailable":
		return Result{}, p.unavailable("it answered " + code)
	}
	return Result{}, p.refused("it answered " + knownCode(code))
}

// knownCode returns code if it is one of RFC 6749's (4.1.2.1, 5.2) or OpenID
// Connect Core's (3.1.2.6): anything else is the provider's own text, and the
// browser's to forge.
func knownCode(code string) string {
	known := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"unsupported_response_type", "invalid_scope", "access_denied", "server_error", "temporarily_unavailable",
		"invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported", "registration_not_supported"}
	if slices.Contains(known, code) {
		return code
	}
	return "an unknown error"
}

// redeem gets the ID token for a code and checks everything about it but whom it
// speaks of.
func (p *provider) redeem(ctx context.Context, m *metadata, f Flow, code string) (*oidc.IDToken, *oauth2.Token, error) {
	if code == "" || len(code) > maxCode {
		return nil, nil, p.refused("it has no code, or one that is too long")
	}
	ctx = oidc.ClientContext(ctx, p.client)
	tokens, err := m.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return nil, nil, p.exchangeFailed(err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, nil, p.refused("there is no ID token")
	}
	token, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, nil, p.tokenFailed(err)
	}
	if same(token.Nonce, f.Nonce) != 1 {
		return nil, nil, p.refused("nonce is another visit's")
	}
	if token.Subject == "" || len(token.Subject) > 255 {
		return nil, nil, p.refused("sub is empty, or too long") // OpenID Connect Core, 2
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(tokens.AccessToken) != nil {
		return nil, nil, p.refused("at_hash is of another access token")
	}
	return token, tokens, nil
}

// judge compares whom the token speaks of with the employee.
func (p *provider) judge(ctx context.Context, m *metadata, token *oidc.IDToken, tokens *oauth2.Token, e jml.Snapshot) (Result, error) {
	claims, err := claimsOf(token)
	if err != nil {
		return Result{}, p.refused(err.Error())
	}
	if err := p.checkSignIn(token, claims); err != nil {
		return Result{}, err
	}
	acr, _ := claims["acr"].(string)
	if !slices.Contains(p.cfg.ACRValues, acr) {
		if len(p.cfg.ACRValues) > 0 {
			return Result{Reason: ReasonLevel}, nil
		}
		acr = ""
	}
	if p.cfg.UserInfo {
		more, err := p.userInfo(ctx, m, token.Subject, tokens)
		if err != nil {
			return Result{}, err
		}
		claims = merge(claims, more)
	}
	known := employee(e)
	for _, field := range p.match.needs {
		if known[field] == "" {
			return Result{Reason: ReasonNotReady}, nil
		}
	}
	switch right, err := p.match.holds(ctx, claims, known); {
	case ctx.Err() != nil:
		return Result{}, fmt.Errorf("proofs.%s: %w", p.name, ctx.Err())
	case err != nil:
		return Result{Reason: ReasonRule, Detail: err.Error()}, nil
	case !right:
		return Result{Reason: ReasonMismatch}, nil
	}
	identifier, err := p.subject.text(ctx, claims)
	if err != nil {
		return Result{Reason: ReasonRule, Detail: "subject: " + err.Error()}, nil
	}
	return Result{Passed: true, Identifier: identifier, ACR: acr}, nil
}

// checkSignIn checks what go-oidc leaves to its caller: for whom the token is if
// it is for several (OpenID Connect Core, 3.1.3.7, 3 to 5), and when it and the
// sign-in were.
func (p *provider) checkSignIn(token *oidc.IDToken, claims map[string]any) error {
	azp, ok := claims["azp"]
	if ok && azp != p.cfg.ClientID || !ok && len(token.Audience) > 1 {
		return p.refused("the ID token is for another client too")
	}
	now := p.now()
	if iat, ok := seconds(claims["iat"]); !ok || time.Unix(iat, 0).After(now.Add(skew)) {
		return p.refused("iat is missing or ahead of our clock")
	}
	at, ok := seconds(claims["auth_time"])
	if !ok {
		return p.refused("auth_time is missing, though max_age asks for it (OpenID Connect Core, 3.1.2.1)")
	}
	if age := now.Sub(time.Unix(at, 0)); age < -skew || age > maxAge+skew {
		return p.refused("auth_time says that the sign-in is not fresh")
	}
	return nil
}

// userInfo gets the claims of the userinfo endpoint, which must be of the same
// subject (OpenID Connect Core, 5.3.2).
func (p *provider) userInfo(ctx context.Context, m *metadata, subject string, tokens *oauth2.Token) (map[string]any, error) {
	info, err := m.provider.UserInfo(oidc.ClientContext(ctx, p.client), oauth2.StaticTokenSource(tokens))
	if err != nil {
		var lost *url.Error
		if errors.As(err, &lost) {
			return nil, p.unavailable("userinfo: " + outbound.NoAnswer(err))
		}
		return nil, p.unavailable("its userinfo endpoint gave no claims")
	}
	if info.Subject != subject {
		return nil, p.refused("userinfo is of somebody else")
	}
	claims, err := claimsOf(info)
	if err != nil {
		return nil, p.refused("userinfo: " + err.Error())
	}
	return claims, nil
}

// claimsOf reads the claims of an ID token or of userinfo.
func claimsOf(from interface{ Claims(any) error }) (map[string]any, error) {
	var raw rawJSON
	if err := from.Claims(&raw); err != nil {
		return nil, errors.New("claims can't be read")
	}
	return decodeClaims(raw)
}

// rawJSON keeps JSON as it came.
type rawJSON []byte

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawJSON) UnmarshalJSON(b []byte) error {
	*r = append((*r)[:0], b...)
	return nil
}
