package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"firstpass.internal/internal/outbound"
)

// DeviceConfig says where people at a command line sign in. A server tells it at
// /sign-in/cli.
type DeviceConfig struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	Audience string `json:"audience"`
	CAFile   string `json:"-"` // authorities in PEM to trust beside the system's
}

// Token is what a person's program shows the server. It prints nothing.
type Token struct {
	Access  string       `json:"access"`
	Refresh string       `json:"refresh"`
	Expires time.Time    `json:"expires"`
	From    DeviceConfig `json:"from"`
}

// Format prints [redacted] for every verb.
func (Token) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[redacted]")) }

// scopes of a program: the API's, by the GUID form that Entra wants of an app
// that asks for a token to itself, the names of the person, and a refresh token.
func (c DeviceConfig) scopes() []string {
	return []string{c.Audience + "/" + Scope, oidc.ScopeOpenID, "profile", oidc.ScopeOfflineAccess}
}

// AskServer gets the DeviceConfig of the server at base, https://host.
func AskServer(ctx context.Context, base, caFile string) (DeviceConfig, error) {
	if !secure(base) {
		return DeviceConfig{}, errors.New("the server's address is not of the form https://host")
	}
	client, err := newClient(caFile)
	if err != nil {
		return DeviceConfig{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/sign-in/cli", nil)
	if err != nil {
		return DeviceConfig{}, errors.New("the server's address is no URL")
	}
	resp, err := client.Do(req)
	if err != nil {
		return DeviceConfig{}, fmt.Errorf("the server does not answer: %s", outbound.NoAnswer(err))
	}
	defer func() { _ = resp.Body.Close() }() // nothing is written
	var c DeviceConfig
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&c) != nil || !secure(c.Issuer) || c.ClientID == "" || c.Audience == "" {
		return DeviceConfig{}, errors.New("the server does not say how to sign in; is its address right?")
	}
	c.CAFile = caFile
	return c, nil
}

// DeviceLogin signs a person in at a command line (RFC 8628). show tells them to
// open the address in any browser and to enter the code there; DeviceLogin waits
// until they have, for as long as the code lasts (15 minutes at Entra).
func DeviceLogin(ctx context.Context, cfg DeviceConfig, show func(address, code string)) (Token, error) {
	client, err := newClient(cfg.CAFile)
	if err != nil {
		return Token{}, err
	}
	o, err := cfg.oauth(ctx, client)
	if err != nil {
		return Token{}, err
	}
	return cfg.login(ctx, client, o, show)
}

func (c DeviceConfig) login(ctx context.Context, client *http.Client, o oauth2.Config, show func(address, code string)) (Token, error) {
	ctx = oidc.ClientContext(ctx, client)
	asked, err := o.DeviceAuth(ctx)
	if err != nil {
		return Token{}, deviceFailed(ctx, err)
	}
	if !secure(asked.VerificationURI) {
		return Token{}, errors.New("the identity provider names no https address to sign in at")
	}
	show(asked.VerificationURI, asked.UserCode)
	got, err := o.DeviceAccessToken(ctx, asked)
	if err != nil {
		return Token{}, deviceFailed(ctx, err)
	}
	return Token{Access: got.AccessToken, Refresh: got.RefreshToken, Expires: got.Expiry, From: c}, nil
}

// Renew returns a token that is good at now: t itself, or a new one for its
// refresh token. An error that IsSignInNeeded means that the person has to sign
// in again.
func (t Token) Renew(ctx context.Context, now time.Time) (Token, error) {
	if now.Add(leeway).Before(t.Expires) {
		return t, nil
	}
	if t.Refresh == "" {
		return Token{}, errSignIn
	}
	client, err := newClient(t.From.CAFile)
	if err != nil {
		return Token{}, err
	}
	o, err := t.From.oauth(ctx, client)
	if err != nil {
		return Token{}, err
	}
	got, err := renew(ctx, client, o, t.Refresh)
	if errors.Is(err, errGrant) {
		return Token{}, errSignIn
	}
	if err != nil {
		return Token{}, err
	}
	t.Access, t.Expires = got.Access, now.Add(time.Duration(got.Seconds)*time.Second)
	if got.Refresh != "" {
		t.Refresh = got.Refresh
	}
	return t, nil
}

// errSignIn is returned where a person has to sign in again.
var errSignIn = errors.New("the sign-in is over; run firstpass login")

// IsSignInNeeded reports whether err means that a person has to sign in.
func IsSignInNeeded(err error) bool { return errors.Is(err, errSignIn) }

// oauth asks the issuer for its addresses. There is no secret: a program on
// somebody's machine could not keep one.
func (c DeviceConfig) oauth(ctx context.Context, client *http.Client) (oauth2.Config, error) {
	if !secure(c.Issuer) || ManyTenants(c.Issuer) {
		return oauth2.Config{}, errors.New("the issuer is not that of one tenant")
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, client), c.Issuer)
	if err != nil {
		var lost *url.Error
		if errors.As(err, &lost) {
			return oauth2.Config{}, fmt.Errorf("the identity provider: %w: %s", errAway, outbound.NoAnswer(err))
		}
		return oauth2.Config{}, errors.New("the identity provider's discovery document can't be read, or is another issuer's")
	}
	e := found.Endpoint()
	if !secure(e.DeviceAuthURL) || !secure(e.TokenURL) {
		return oauth2.Config{}, errors.New("the identity provider has no sign-in for devices")
	}
	e.AuthStyle = oauth2.AuthStyleInParams
	return oauth2.Config{ClientID: c.ClientID, Endpoint: e, Scopes: c.scopes()}, nil
}

func deviceFailed(ctx context.Context, err error) error {
	var said *oauth2.RetrieveError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("nobody entered the code in time; run firstpass login again")
	case !errors.As(err, &said):
		return fmt.Errorf("the identity provider: %w: %s", errAway, outbound.NoAnswer(err))
	case said.ErrorCode == "authorization_declined" || said.ErrorCode == "access_denied": // Entra's word, RFC 8628's word
		return errors.New("the sign-in was declined")
	case said.ErrorCode == "expired_token":
		return errors.New("nobody entered the code in time; run firstpass login again")
	case ourFault(said.ErrorCode):
		return fmt.Errorf("the identity provider answered %s; does the app registration allow public client flows?", said.ErrorCode)
	}
	return fmt.Errorf("the identity provider answered %s", knownCode(said.ErrorCode))
}
