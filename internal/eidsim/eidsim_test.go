package eidsim_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"firstpass.internal/internal/eidsim"
)

const (
	back     = "https://pickup.example.org/p/eid/return"
	verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"
)

// world is a provider and go-oidc as its client.
type world struct {
	broker *eidsim.Provider
	client *http.Client
	ctx    context.Context // with client, as go-oidc takes it
	oidc   *oidc.Provider
	oauth  oauth2.Config
}

func start(t *testing.T, cfg eidsim.Config) *world {
	t.Helper()
	cfg.RedirectURL = back
	broker, err := eidsim.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(broker.CAPEM()) {
		t.Fatal("no certificate")
	}
	w := &world{broker: broker, client: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(w.client.CloseIdleConnections)
	w.ctx = oidc.ClientContext(t.Context(), w.client)
	if w.oidc, err = oidc.NewProvider(w.ctx, broker.URL()); err != nil {
		t.Fatal(err)
	}
	w.oauth = oauth2.Config{ClientID: eidsim.DefaultClientID, ClientSecret: eidsim.DefaultClientSecret, Endpoint: w.oidc.Endpoint(), RedirectURL: back, Scopes: []string{"openid"}}
	w.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	return w
}

func (w *world) authURL(change func(url.Values)) string {
	u, _ := url.Parse(w.oauth.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(verifier)))
	q := u.Query()
	if change != nil {
		change(q)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// answer asks and returns what the browser is sent back with.
func (w *world) answer(t *testing.T, change func(url.Values)) url.Values {
	t.Helper()
	resp, err := w.client.Get(w.authURL(change))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		t.Fatalf("answered %s", resp.Status)
	}
	if !strings.HasPrefix(to.String(), back+"?") {
		t.Fatalf("sent to %s", to)
	}
	return to.Query()
}

func TestSignInWithGoOIDC(t *testing.T) {
	for name, style := range map[string]oauth2.AuthStyle{"basic": oauth2.AuthStyleInHeader, "post": oauth2.AuthStyleInParams} {
		w := start(t, eidsim.Config{ClientID: "client:1", ClientSecret: "s%cr t&+"})
		w.oauth.ClientID, w.oauth.ClientSecret, w.oauth.Endpoint.AuthStyle = "client:1", "s%cr t&+", style
		w.broker.SetAnswer(eidsim.Answer{Persona: "jonas"})
		q := w.answer(t, nil)
		if q.Get("state") != "state-1" || q.Get("iss") != w.broker.URL() {
			t.Errorf("%s: state or iss is wrong", name)
		}
		tokens, err := w.oauth.Exchange(w.ctx, q.Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		raw, _ := tokens.Extra("id_token").(string)
		token, err := w.oidc.Verifier(&oidc.Config{ClientID: "client:1"}).Verify(w.ctx, raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var claims struct {
			Nonce     string `json:"nonce"`
			Family    string `json:"family_name"`
			Birthdate string `json:"birthdate"`
			ACR       string `json:"acr"`
			AuthTime  int64  `json:"auth_time"`
		}
		if err := token.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if claims.Nonce != "nonce-1" || claims.Family != "Öberg" || claims.Birthdate != "1988-07-30" || claims.ACR != eidsim.ACRHigh || time.Now().Unix()-claims.AuthTime > 60 {
			t.Errorf("%s: claims are %+v", name, claims)
		}
		if err := token.VerifyAccessToken(tokens.AccessToken); err != nil {
			t.Error(err)
		}
		info, err := w.oidc.UserInfo(w.ctx, oauth2.StaticTokenSource(tokens))
		if err != nil || info.Subject != token.Subject {
			t.Errorf("%s: userinfo: %v", name, err)
		}
	}
}

func TestTokenEndpointIsStrict(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*oauth2.Config)
		proof  string
		wait   time.Duration
		want   string
	}{
		"no verifier":           {nil, "", 0, "invalid_grant"},
		"other verifier":        {nil, strings.Repeat("x", 43), 0, "invalid_grant"},
		"other secret":          {func(c *oauth2.Config) { c.ClientSecret = "guessed" }, verifier, 0, "invalid_client"},
		"other client":          {func(c *oauth2.Config) { c.ClientID = "guessed" }, verifier, 0, "invalid_client"},
		"other redirect":        {func(c *oauth2.Config) { c.RedirectURL = back + "/" }, verifier, 0, "invalid_grant"},
		"after two minutes":     {nil, verifier, 2 * time.Minute, "invalid_grant"},
		"nothing is the matter": {nil, verifier, 0, ""},
	} {
		now := time.Now()
		w := start(t, eidsim.Config{Now: func() time.Time { return now }})
		w.broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
		code := w.answer(t, nil).Get("code")
		now = now.Add(tc.wait)
		client := w.oauth
		if tc.change != nil {
			tc.change(&client)
		}
		_, err := client.Exchange(w.ctx, code, oauth2.VerifierOption(tc.proof))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCodeWorksOnceAndTakesItsTokensAlong(t *testing.T) {
	w := start(t, eidsim.Config{})
	w.broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
	code := w.answer(t, nil).Get("code")
	tokens, err := w.oauth.Exchange(w.ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.oidc.UserInfo(w.ctx, oauth2.StaticTokenSource(tokens)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.oauth.Exchange(w.ctx, code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("the code works twice")
	}
	if _, err := w.oidc.UserInfo(w.ctx, oauth2.StaticTokenSource(tokens)); err == nil {
		t.Error("the first one's access token still works")
	}
}

func TestAuthorisationIsStrict(t *testing.T) {
	w := start(t, eidsim.Config{})
	w.broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
	for name, tc := range map[string]struct {
		change func(url.Values)
		want   string // the error that goes back; none: a 400 for the person
	}{
		"other client":     {func(q url.Values) { q.Set("client_id", "guessed") }, ""},
		"other redirect":   {func(q url.Values) { q.Set("redirect_uri", "https://evil.example.org/") }, ""},
		"redirect, longer": {func(q url.Values) { q.Set("redirect_uri", back+"/x") }, ""},
		"state twice":      {func(q url.Values) { q.Add("state", "two") }, ""},
		"no PKCE":          {func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		"PKCE plain":       {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		"no nonce":         {func(q url.Values) { q.Del("nonce") }, "invalid_request"},
		"no state":         {func(q url.Values) { q.Del("state") }, "invalid_request"},
		"implicit":         {func(q url.Values) { q.Set("response_type", "id_token") }, "unsupported_response_type"},
		"no openid":        {func(q url.Values) { q.Set("scope", "profile") }, "invalid_scope"},
	} {
		resp, err := w.client.Get(w.authURL(tc.change))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		to, err := resp.Location()
		if tc.want == "" && (err == nil || resp.StatusCode != http.StatusBadRequest) {
			t.Errorf("%s: %s", name, resp.Status)
		}
		if tc.want != "" && (err != nil || to.Query().Get("error") != tc.want || to.Query().Has("code")) {
			t.Errorf("%s: sent to %s", name, to)
		}
	}
}

func TestPage(t *testing.T) {
	w := start(t, eidsim.Config{Personas: []eidsim.Persona{{Key: "x", Sub: "1", GivenName: "<script>alert(1)</script>", FamilyName: "Moe", Birthdate: "1990-01-01", ACR: "a"}}})
	open := func() string {
		resp, err := w.client.Get(w.authURL(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		for header, want := range map[string]string{"Content-Security-Policy": "form-action 'self' https://pickup.example.org", "Cache-Control": "no-store"} {
			if !strings.Contains(resp.Header.Get(header), want) {
				t.Errorf("%s is %q", header, resp.Header.Get(header))
			}
		}
		for _, want := range []string{"<title>Simulated eID", `<html lang="en">`, "This is a simulation", "<legend>", `for="persona-0"`} {
			if !strings.Contains(string(body), want) {
				t.Errorf("the page has no %s", want)
			}
		}
		if strings.Contains(string(body), "<script") {
			t.Error("a persona's name is markup")
		}
		return regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(string(body))[1]
	}
	post := func(form url.Values) (*http.Response, url.Values) {
		resp, err := w.client.PostForm(w.broker.URL()+"/authorise", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			return resp, nil
		}
		return resp, to.Query()
	}
	id := open()
	_, q := post(url.Values{"request": {id}, "persona": {"x"}, "do": {"sign-in"}})
	if q.Get("code") == "" || q.Get("state") != "state-1" {
		t.Errorf("sent back with %v", q)
	}
	if resp, q := post(url.Values{"request": {id}, "persona": {"x"}}); q != nil || resp.StatusCode != http.StatusBadRequest {
		t.Error("a page can be answered twice")
	}
	if _, q := post(url.Values{"request": {open()}, "do": {"cancel"}}); q.Get("error") != "access_denied" || q.Get("state") != "state-1" {
		t.Errorf("cancel went back with %v", q)
	}
	if resp, q := post(url.Values{"request": {open()}, "persona": {"nobody"}}); q != nil || resp.StatusCode != http.StatusBadRequest {
		t.Error("nobody could sign in")
	}
}

func TestStartRefuses(t *testing.T) {
	for name, cfg := range map[string]eidsim.Config{
		"every interface":  {Addr: "0.0.0.0:0", RedirectURL: back},
		"no host":          {Addr: ":0", RedirectURL: back},
		"a name":           {Addr: "localhost:0", RedirectURL: back},
		"another machine":  {Addr: "192.0.2.1:0", RedirectURL: back},
		"no redirect":      {},
		"relative":         {RedirectURL: "/p/eid/return"},
		"fragment":         {RedirectURL: back + "#x"},
		"two of one key":   {RedirectURL: back, Personas: []eidsim.Persona{{Key: "a", Sub: "1"}, {Key: "a", Sub: "2"}}},
		"a persona no sub": {RedirectURL: back, Personas: []eidsim.Persona{{Key: "a"}}},
	} {
		if p, err := eidsim.Start(cfg); err == nil {
			_ = p.Close()
			t.Errorf("%s: started", name)
		}
	}
}

func TestCertificateAuthorityIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first := start(t, eidsim.Config{CertDir: dir}).broker.CAPEM()
	second := start(t, eidsim.Config{CertDir: dir}).broker.CAPEM()
	if string(first) != string(second) {
		t.Error("another authority after a restart")
	}
	if info, err := os.Stat(filepath.Join(dir, "eidsim-ca-key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v", err)
	}
}

func TestSeedRepeatsCodes(t *testing.T) {
	code := func(seed uint64) string {
		w := start(t, eidsim.Config{Seed: seed})
		w.broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
		return w.answer(t, nil).Get("code")
	}
	if a, b, c := code(7), code(7), code(8); a != b || a == c {
		t.Error("codes don't depend on the seed alone")
	}
}

func TestFaultsOfTheNetwork(t *testing.T) {
	w := start(t, eidsim.Config{})
	get := func(ctx context.Context) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.broker.URL()+"/keys", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.client.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	w.broker.SetFaults(eidsim.Faults{Down: true})
	if _, err := get(t.Context()); err == nil {
		t.Error("down, and answers")
	}
	w.broker.SetFaults(eidsim.Faults{Slow: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := get(ctx); err == nil {
		t.Error("slow, and answers at once")
	}
	w.broker.SetFaults(eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Keys: 503}})
	if resp, err := get(t.Context()); err != nil || resp.StatusCode != 503 {
		t.Errorf("%v", err)
	}
	w.broker.SetFaults(eidsim.Faults{})
	if resp, err := get(t.Context()); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v", err)
	}
	if n := w.broker.Calls(eidsim.Keys); n < 3 {
		t.Errorf("%d calls were counted", n)
	}
}

// TestForgedTokens: each token is wrong in the one way its fault says, and
// go-oidc sees it.
func TestForgedTokens(t *testing.T) {
	for name, f := range map[string]eidsim.Faults{
		"alg none": {AlgNone: true}, "HMAC": {HMAC: true}, "other key": {OtherKey: true},
		"audience": {OtherAudience: true}, "issuer": {OtherTokenIssuer: true}, "expired": {Expired: true},
		"payload": {RawPayload: "[]"},
	} {
		w := start(t, eidsim.Config{})
		w.broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
		verify := func() error {
			tokens, err := w.oauth.Exchange(w.ctx, w.answer(t, nil).Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := tokens.Extra("id_token").(string)
			_, err = w.oidc.Verifier(&oidc.Config{ClientID: eidsim.DefaultClientID}).Verify(w.ctx, raw)
			return err
		}
		if err := verify(); err != nil {
			t.Fatalf("%s: without the fault: %v", name, err)
		}
		w.broker.SetFaults(f)
		if err := verify(); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

// TestPKCEVector is RFC 7636, appendix B, through the whole provider.
func TestPKCEVector(t *testing.T) {
	const rfcVerifier, rfcChallenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	sum := sha256.Sum256([]byte(rfcVerifier))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != rfcChallenge {
		t.Fatal("the vector is copied wrong")
	}
	w := start(t, eidsim.Config{})
	w.broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
	code := w.answer(t, func(q url.Values) { q.Set("code_challenge", rfcChallenge) }).Get("code")
	if _, err := w.oauth.Exchange(w.ctx, code, oauth2.VerifierOption(rfcVerifier)); err != nil {
		t.Error(err)
	}
}
