package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"firstpass.internal/internal/outbound"
)

const (
	// callLimit bounds one call to the identity provider.
	callLimit = 5 * time.Second
	// maxReply bounds a reply, in bytes.
	maxReply = 1 << 20
	// discoverEvery is how long a discovery document is trusted to be current.
	discoverEvery = time.Hour
	// retryAfter is how long a failed discovery is not tried again, so that a
	// queue of people does not wait for one time limit after the other.
	retryAfter = 5 * time.Second
)

// errAway means that the identity provider or the session store does not answer.
// Nobody is let in, and nobody is told that they may not.
var errAway = errors.New("not available")

// errGrant means that the identity provider has answered, and will not give
// tokens for what it was shown.
var errGrant = errors.New("the identity provider gives no token for it")

// provider is the identity provider. Nothing is asked of it before somebody
// signs in or brings a token.
type provider struct {
	issuer       string
	clientID     string
	clientSecret string
	audience     string
	redirectURL  string
	now          func() time.Time
	client       *http.Client

	busy    chan struct{} // holds a token while somebody discovers; guards the rest
	known   *metadata
	tried   time.Time
	failure error
}

// metadata is what discovery gave.
type metadata struct {
	oauth       oauth2.Config
	people      *oidc.IDTokenVerifier // of ID tokens
	bearers     *oidc.IDTokenVerifier // of access tokens
	keys        *keys
	endSession  string // empty: it has none
	namesItself bool   // answers carry iss (RFC 9207)
}

// scopes are asked for at sign-in. offline_access brings the refresh token by
// which roles are read again while a session lasts.
func scopes() []string { return []string{oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess} }

// discover returns what is known of the provider, and asks when nothing is, or
// when it is old. An old document outlasts a provider that is down.
func (p *provider) discover(ctx context.Context) (*metadata, error) {
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	case <-ctx.Done():
		return nil, fmt.Errorf("the identity provider: %w: nobody waited for it", errAway)
	}
	age := p.now().Sub(p.tried)
	fresh := p.known != nil && p.failure == nil && age < discoverEvery || p.failure != nil && age < retryAfter
	if !fresh || age < 0 {
		m, err := p.ask(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("the identity provider: %w: nobody waited for it", errAway) // that says nothing of the provider
		}
		p.tried, p.failure = p.now(), err
		if err == nil {
			p.known = m
		}
	}
	if p.known == nil {
		return nil, p.failure
	}
	return p.known, nil
}

// ask fetches the discovery document. The issuer in it must be ours, letter for
// letter: Entra's documents for several tenants name a placeholder.
func (p *provider) ask(ctx context.Context) (*metadata, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.issuer)
	if err != nil {
		var (
			lost  *url.Error
			other *oidc.IssuerMismatchError
		)
		switch {
		case errors.As(err, &other):
			return nil, fmt.Errorf("the identity provider: %w: it calls itself by another issuer; write ops.sign_in.issuer as it does", errAway)
		case errors.As(err, &lost):
			return nil, fmt.Errorf("the identity provider: %w: discovery: %s", errAway, outbound.NoAnswer(err))
		}
		return nil, fmt.Errorf("the identity provider: %w: its discovery document can't be read", errAway)
	}
	var doc struct {
		Auth        string   `json:"authorization_endpoint"`
		Token       string   `json:"token_endpoint"`
		Keys        string   `json:"jwks_uri"`
		EndSession  string   `json:"end_session_endpoint"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := found.Claims(&doc); err != nil {
		return nil, fmt.Errorf("the identity provider: %w: its discovery document can't be read", errAway)
	}
	for _, address := range []string{doc.Auth, doc.Token, doc.Keys} {
		if !secure(address) {
			return nil, fmt.Errorf("the identity provider: %w: an address in its discovery document is not https", errAway)
		}
	}
	if !secure(doc.EndSession) {
		doc.EndSession = ""
	}
	endpoint := oauth2.Endpoint{AuthURL: doc.Auth, TokenURL: doc.Token, AuthStyle: oauth2.AuthStyleInParams}
	// Said outright, since the library would else try one after the other and
	// send the code twice. Without a word it is client_secret_basic (OpenID
	// Connect Discovery, 3).
	if len(doc.AuthMethods) == 0 || !slices.Contains(doc.AuthMethods, "client_secret_post") {
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	k := &keys{url: doc.Keys, client: p.client, now: p.now}
	if p.known != nil && p.known.keys.url == doc.Keys {
		k = p.known.keys // what is known outlasts a new document
	}
	checks := func(audience string) *oidc.IDTokenVerifier {
		return oidc.NewVerifier(p.issuer, k, &oidc.Config{
			ClientID:             audience,
			SupportedSigningAlgs: []string{oidc.RS256},
			SkipExpiryCheck:      true, // inTime does it, with a leeway of ours
		})
	}
	return &metadata{
		oauth: oauth2.Config{ClientID: p.clientID, ClientSecret: p.clientSecret, Endpoint: endpoint,
			RedirectURL: p.redirectURL, Scopes: scopes()},
		people:      checks(p.clientID),
		bearers:     checks(p.audience),
		keys:        k,
		endSession:  doc.EndSession,
		namesItself: doc.NamesItself,
	}, nil
}

// redeem gets the ID token and the refresh token for a code.
func (p *provider) redeem(ctx context.Context, m *metadata, code, verifier string) (id, refresh string, err error) {
	tokens, err := m.oauth.Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return "", "", grantFailed(err)
	}
	id, _ = tokens.Extra("id_token").(string)
	return id, tokens.RefreshToken, nil
}

// renew gets new tokens for a refresh token. The library sends no scope, and
// Entra then refuses an app that asks for a token to itself (AADSTS90009).
func renew(ctx context.Context, client *http.Client, o oauth2.Config, refresh string) (*tokenReply, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {strings.Join(o.Scopes, " ")}}
	if o.Endpoint.AuthStyle == oauth2.AuthStyleInParams || o.ClientSecret == "" {
		form.Set("client_id", o.ClientID)
		if o.ClientSecret != "" {
			form.Set("client_secret", o.ClientSecret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the token endpoint is no URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !form.Has("client_id") {
		req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the token endpoint: %w: %s", errAway, outbound.NoAnswer(err))
	}
	defer func() { _ = resp.Body.Close() }() // nothing is written
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("the token endpoint: %w: its answer broke off", errAway)
	}
	var got tokenReply
	badJSON := json.Unmarshal(raw, &got) != nil
	switch {
	case resp.StatusCode == http.StatusOK && !badJSON && got.Access != "":
		return &got, nil
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests && !badJSON && !ourFault(got.Error):
		return nil, fmt.Errorf("%w: %s", errGrant, knownCode(got.Error))
	}
	return nil, fmt.Errorf("the token endpoint: %w: it answered %d", errAway, resp.StatusCode)
}

type tokenReply struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Seconds int64  `json:"expires_in"`
	Error   string `json:"error"`
}

// grantFailed sorts an error of the token endpoint.
func grantFailed(err error) error {
	var (
		lost *url.Error
		said *oauth2.RetrieveError
	)
	switch {
	case errors.As(err, &lost):
		return fmt.Errorf("the token endpoint: %w: %s", errAway, outbound.NoAnswer(err))
	case !errors.As(err, &said):
		return fmt.Errorf("the token endpoint: %w: it answered something else than a token", errAway)
	case said.Response != nil && (said.Response.StatusCode >= 500 || said.Response.StatusCode == http.StatusTooManyRequests):
		return fmt.Errorf("the token endpoint: %w: it answered %d", errAway, said.Response.StatusCode)
	case ourFault(said.ErrorCode):
		return fmt.Errorf("the token endpoint: %w: it answered %s; check ops.sign_in.client_id and client_secret_file", errAway, said.ErrorCode)
	}
	return fmt.Errorf("%w: %s", errGrant, knownCode(said.ErrorCode))
}

// ourFault tells errors of the configuration from those of a person's grant.
func ourFault(code string) bool { return code == "invalid_client" || code == "unauthorized_client" }

// knownCode returns code if it is one of RFC 6749, RFC 8628, OpenID Connect Core
// or Entra's own: anything else is a foreign text.
func knownCode(code string) string {
	known := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"unsupported_response_type", "invalid_scope", "access_denied", "server_error", "temporarily_unavailable",
		"login_required", "interaction_required", "consent_required", "account_selection_required",
		"authorization_pending", "slow_down", "expired_token", "authorization_declined", "bad_verification_code"}
	if slices.Contains(known, code) {
		return code
	}
	return "an unknown error"
}

// secure accepts https URLs without user and fragment; on loopback http too.
func secure(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// newClient returns a client that follows no redirect, since secrets would go
// along, and reads no reply without end.
func newClient(caFile string) (*http.Client, error) {
	t, err := outbound.Transport(caFile)
	if err != nil {
		return nil, err
	}
	return outbound.Client(bounded{t}, callLimit), nil
}

type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxReply)
	return resp, nil
}
