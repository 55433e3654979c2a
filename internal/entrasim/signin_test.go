package entrasim_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

const (
	consoleApp = "aaaaaaaa-0000-4000-8000-000000000001"
	robotApp   = "aaaaaaaa-0000-4000-8000-000000000002"
	consoleURL = "https://ops.example.org/sign-in/callback"
)

// lobby is a tenant with an application, a robot and two operators, and a client
// that shares nothing with it.
type lobby struct {
	testing.TB
	tenant *entrasim.Tenant
	http   *http.Client
	oauth  oauth2.Config
	oidc   *oidc.Provider
}

func newLobby(t *testing.T, change ...func(*entrasim.Config)) *lobby {
	t.Helper()
	tenant := entrasimtest.Start(t, append([]func(*entrasim.Config){func(c *entrasim.Config) {
		c.DeviceInterval = 1
		c.Apps = []entrasim.App{
			{ClientID: consoleApp, Secret: "console-secret", RedirectURIs: []string{consoleURL}, PublicClient: true},
			{ClientID: robotApp, Secret: "robot-secret", Roles: []string{"operator"}},
		}
		c.Operators = []entrasim.Operator{
			{UPN: "noor@example.com", Name: "Noor Sample", Roles: []string{"operator", "viewer"}, GroupIDs: []string{"g-1"}},
			{UPN: "many@example.com", ManyGroups: true},
		}
	}}, change...)...)
	d := &lobby{TB: t, tenant: tenant, http: entrasimtest.Client(tenant)}
	ctx := oidc.ClientContext(context.Background(), d.http)
	var err error
	d.oidc, err = oidc.NewProvider(ctx, tenant.URL()+"/"+tenant.TenantID()+"/v2.0")
	d.must(err)
	e := d.oidc.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInParams
	d.oauth = oauth2.Config{ClientID: consoleApp, ClientSecret: "console-secret", Endpoint: e, RedirectURL: consoleURL,
		Scopes: []string{"openid", "profile", "offline_access"}}
	return d
}

func (d *lobby) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *lobby) ctx() context.Context { return oidc.ClientContext(context.Background(), d.http) }

// ask sends a browser to the tenant and returns what it comes back with.
func (d *lobby) ask(change url.Values) (status int, back url.Values) {
	d.Helper()
	u, err := url.Parse(d.oauth.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(strings.Repeat("v", 43)), oauth2.SetAuthURLParam("login_hint", "noor@example.com")))
	d.must(err)
	q := u.Query()
	for k, v := range change {
		if q[k] = v; v == nil {
			q.Del(k)
		}
	}
	u.RawQuery = q.Encode()
	res, err := d.http.Get(u.String())
	d.must(err)
	d.must(res.Body.Close())
	if res.StatusCode != http.StatusFound {
		return res.StatusCode, nil
	}
	to, err := res.Location()
	d.must(err)
	if !strings.HasPrefix(to.String(), consoleURL+"?") {
		d.Errorf("sent to %s", to)
	}
	return res.StatusCode, to.Query()
}

func (d *lobby) redeem(code, verifier string) (*oauth2.Token, error) {
	return d.oauth.Exchange(d.ctx(), code, oauth2.VerifierOption(verifier))
}

func payload(t testing.TB, jwt string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSignInWithGoOIDC(t *testing.T) {
	d := newLobby(t)
	_, back := d.ask(nil)
	if back.Get("state") != "state-1" || back.Get("session_state") == "" {
		t.Errorf("%v", back)
	}
	got, err := d.redeem(back.Get("code"), strings.Repeat("v", 43))
	d.must(err)
	id, err := d.oidc.Verifier(&oidc.Config{ClientID: consoleApp}).Verify(d.ctx(), got.Extra("id_token").(string))
	d.must(err)
	c := payload(t, got.Extra("id_token").(string))
	want := map[string]any{"aud": consoleApp, "iss": d.tenant.URL() + "/" + d.tenant.TenantID() + "/v2.0", "tid": d.tenant.TenantID(),
		"preferred_username": "noor@example.com", "name": "Noor Sample", "roles": []any{"operator", "viewer"}, "groups": []any{"g-1"}, "ver": "2.0", "nonce": "nonce-1"}
	for k, v := range want {
		if d := cmp.Diff(v, c[k]); d != "" {
			t.Errorf("%s: %s", k, d)
		}
	}
	if id.Nonce != "nonce-1" || c["oid"] == "" || c["sub"] == c["oid"] || got.RefreshToken == "" {
		t.Errorf("%v", c)
	}
	// The code works once.
	if _, err := d.redeem(back.Get("code"), strings.Repeat("v", 43)); err == nil || !strings.Contains(err.Error(), "AADSTS54005") || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code worked twice: %v", err)
	}
}

func TestAuthoriseRefuses(t *testing.T) {
	d := newLobby(t)
	_, err := d.tenant.SetOperator(entrasim.Operator{UPN: "gone@example.com", Disabled: true})
	d.must(err)
	for name, tc := range map[string]struct {
		change url.Values
		status int
		err    string
	}{
		"client":      {url.Values{"client_id": {"nobody"}}, 400, ""},
		"redirect":    {url.Values{"redirect_uri": {"https://ops.example.org/other"}}, 400, ""},
		"type":        {url.Values{"response_type": {"token"}}, 302, "unsupported_response_type"},
		"no PKCE":     {url.Values{"code_challenge": nil}, 302, "invalid_request"},
		"plain PKCE":  {url.Values{"code_challenge_method": {"plain"}}, 302, "invalid_request"},
		"no nonce":    {url.Values{"nonce": nil}, 302, "invalid_request"},
		"no openid":   {url.Values{"scope": {"profile"}}, 302, "invalid_request"},
		"silent":      {url.Values{"login_hint": nil, "prompt": {"none"}}, 302, "login_required"},
		"declined":    {url.Values{"simulate": {"decline"}}, 302, "access_denied"},
		"disabled":    {url.Values{"login_hint": {"gone@example.com"}}, 403, ""},
		"nobody said": {url.Values{"login_hint": nil}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, back := d.ask(tc.change)
			if status != tc.status || back.Get("error") != tc.err || back.Has("code") {
				t.Errorf("%d %v", status, back)
			}
		})
	}
}

func TestPickPage(t *testing.T) {
	r := newRig(t, func(c *entrasim.Config) {
		c.Apps = []entrasim.App{{ClientID: consoleApp, Secret: "s", RedirectURIs: []string{consoleURL}}}
		c.Operators = []entrasim.Operator{{UPN: "noor@example.com", Name: "<b>Noor</b>", Roles: []string{"operator"}}}
	})
	sum := sha256.Sum256([]byte("v"))
	q := url.Values{"client_id": {consoleApp}, "redirect_uri": {consoleURL}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	a := r.do(200, "GET", "/"+r.tenant.TenantID()+"/oauth2/v2.0/authorize?"+q.Encode(), "")
	html := string(a.raw)
	for _, want := range []string{"&lt;b&gt;Noor", "noor@example.com: operator", "login_hint=noor%40example.com", "simulate=decline"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("no content security policy")
	}
}

func TestRedeemRefuses(t *testing.T) {
	d := newLobby(t)
	code := func() string { _, back := d.ask(nil); return back.Get("code") }
	other := d.oauth
	other.RedirectURL = "https://ops.example.org/other"
	wrongSecret := d.oauth
	wrongSecret.ClientSecret = "guess"
	noSecret := d.oauth
	noSecret.ClientSecret = ""
	robot := d.oauth
	robot.ClientID, robot.ClientSecret = robotApp, "robot-secret"
	for name, tc := range map[string]struct {
		oauth    oauth2.Config
		code     string
		verifier string
		want     string
	}{
		"verifier":    {d.oauth, code(), strings.Repeat("w", 43), "AADSTS501481"},
		"no verifier": {d.oauth, code(), "", "AADSTS501481"},
		"code":        {d.oauth, "made-up", strings.Repeat("v", 43), "AADSTS70000"},
		"redirect":    {other, code(), strings.Repeat("v", 43), "AADSTS500112"},
		"secret":      {wrongSecret, code(), strings.Repeat("v", 43), "AADSTS7000215"},
		"no secret":   {noSecret, code(), strings.Repeat("v", 43), "AADSTS7000216"},
		"client":      {robot, code(), strings.Repeat("v", 43), "AADSTS70000"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tc.oauth.Exchange(d.ctx(), tc.code, oauth2.VerifierOption(tc.verifier)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func (d *lobby) refresh(token string, change url.Values) (map[string]any, int) {
	d.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {consoleApp}, "client_secret": {"console-secret"}, "refresh_token": {token}, "scope": {"openid profile offline_access"}}
	for k, v := range change {
		if form[k] = v; v == nil {
			form.Del(k)
		}
	}
	res, err := d.http.PostForm(d.oauth.Endpoint.TokenURL, form)
	d.must(err)
	defer res.Body.Close()
	out := map[string]any{}
	d.must(json.NewDecoder(res.Body).Decode(&out))
	return out, res.StatusCode
}

func TestRefresh(t *testing.T) {
	d := newLobby(t)
	_, back := d.ask(nil)
	got, err := d.redeem(back.Get("code"), strings.Repeat("v", 43))
	d.must(err)
	_, err = d.tenant.SetOperator(entrasim.Operator{UPN: "noor@example.com", Roles: []string{"viewer"}})
	d.must(err)
	out, status := d.refresh(got.RefreshToken, nil)
	if status != 200 || !slices.Equal(payload(t, out["id_token"].(string))["roles"].([]any), []any{"viewer"}) {
		t.Errorf("%d %v", status, out)
	}
	if out, status = d.refresh(got.RefreshToken, url.Values{"client_secret": {"guess"}}); status != 401 {
		t.Errorf("%d %v", status, out)
	}
	if out, status = d.refresh(got.RefreshToken+"x", nil); status != 400 || out["error"] != "invalid_grant" {
		t.Errorf("%d %v", status, out)
	}
	_, err = d.tenant.SetOperator(entrasim.Operator{UPN: "noor@example.com", Disabled: true})
	d.must(err)
	if out, status = d.refresh(got.RefreshToken, nil); status != 400 || out["error"] != "invalid_grant" || !strings.Contains(out["error_description"].(string), "AADSTS50057") {
		t.Errorf("%d %v", status, out)
	}
	d.must(d.tenant.RemoveOperator("noor@example.com"))
	if out, status = d.refresh(got.RefreshToken, nil); status != 400 || !strings.Contains(out["error_description"].(string), "AADSTS50034") {
		t.Errorf("%d %v", status, out)
	}
}

func TestDevice(t *testing.T) {
	d := newLobby(t)
	o := d.oauth
	o.ClientSecret = ""
	o.Scopes = []string{consoleApp + "/operate", "openid", "profile", "offline_access"}
	visit := func(query string) int {
		res, err := d.http.Get(d.tenant.URL() + "/devicelogin" + query)
		d.must(err)
		d.must(res.Body.Close())
		return res.StatusCode
	}
	asked, err := o.DeviceAuth(d.ctx())
	d.must(err)
	poll := func(code string) (map[string]any, int) {
		res, err := d.http.PostForm(o.Endpoint.TokenURL, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {consoleApp}, "device_code": {code}})
		d.must(err)
		defer res.Body.Close()
		out := map[string]any{}
		d.must(json.NewDecoder(res.Body).Decode(&out))
		return out, res.StatusCode
	}
	if out, status := poll(asked.DeviceCode); status != 400 || out["error"] != "authorization_pending" {
		t.Errorf("%d %v", status, out)
	}
	if visit("") != 200 || visit("?code=WRONG") != 400 || visit("?code="+asked.UserCode) != 200 || visit("?code="+asked.UserCode+"&login_hint=noor@example.com") != 200 {
		t.Error("the page of devices")
	}
	out, status := poll(asked.DeviceCode)
	if status != 200 {
		t.Fatalf("%d %v", status, out)
	}
	c := payload(t, out["access_token"].(string))
	if c["scp"] != "operate" || c["aud"] != consoleApp || c["azp"] != consoleApp || c["azpacr"] != "0" || c["idtyp"] != nil || c["preferred_username"] != "noor@example.com" {
		t.Errorf("%v", c)
	}
	if out, status := poll(asked.DeviceCode); status != 400 || out["error"] != "bad_verification_code" {
		t.Errorf("twice: %d %v", status, out)
	}
	// A token to itself is renewed with its scope only.
	if out, status := d.refresh(out["refresh_token"].(string), url.Values{"client_secret": nil, "scope": nil}); status != 400 || !strings.Contains(out["error_description"].(string), "AADSTS90009") {
		t.Errorf("%d %v", status, out)
	}
	if again, status := d.refresh(out["refresh_token"].(string), url.Values{"client_secret": nil, "scope": {strings.Join(o.Scopes, " ")}}); status != 200 || payload(t, again["access_token"].(string))["aud"] != consoleApp {
		t.Errorf("%d %v", status, again)
	}

	asked, err = o.DeviceAuth(d.ctx())
	d.must(err)
	visit("?code=" + asked.UserCode + "&simulate=decline")
	if out, status := poll(asked.DeviceCode); status != 400 || out["error"] != "authorization_declined" {
		t.Errorf("%d %v", status, out)
	}
	o.ClientID = robotApp
	if _, err := o.DeviceAuth(d.ctx()); err == nil || !strings.Contains(err.Error(), "AADSTS7000218") {
		t.Errorf("%v", err)
	}
}

func TestTokensOfMachines(t *testing.T) {
	d := newLobby(t)
	ask := func(resource string) map[string]any {
		res, err := d.http.PostForm(d.oauth.Endpoint.TokenURL, url.Values{"grant_type": {"client_credentials"}, "client_id": {robotApp}, "client_secret": {"robot-secret"}, "scope": {resource + "/.default"}})
		d.must(err)
		defer res.Body.Close()
		out := map[string]any{}
		d.must(json.NewDecoder(res.Body).Decode(&out))
		return payload(t, out["access_token"].(string))
	}
	for _, resource := range []string{consoleApp, "api://" + consoleApp} {
		c := ask(resource)
		if c["aud"] != consoleApp || c["azp"] != robotApp || c["idtyp"] != "app" || c["ver"] != "2.0" || c["scp"] != nil || c["oid"] != c["sub"] ||
			!slices.Equal(c["roles"].([]any), []any{"operator"}) || c["iss"] != d.tenant.URL()+"/"+d.tenant.TenantID()+"/v2.0" {
			t.Errorf("%v", c)
		}
	}
	d.must(d.tenant.AddApp(entrasim.App{ClientID: consoleApp, Secret: "console-secret", OldTokens: true}))
	if c := ask("api://" + consoleApp); c["aud"] != "api://"+consoleApp || c["appid"] != robotApp || c["ver"] != "1.0" || c["iss"] != "https://sts.windows.net/"+d.tenant.TenantID()+"/" {
		t.Errorf("%v", c)
	}
}

func TestKeysRotateAndLast(t *testing.T) {
	dir := t.TempDir()
	keep := func(c *entrasim.Config) { c.CertDir = dir }
	d := newLobby(t, keep)
	jwks := func(d *lobby) []string {
		res, err := d.http.Get(d.tenant.URL() + "/" + d.tenant.TenantID() + "/discovery/v2.0/keys")
		d.must(err)
		defer res.Body.Close()
		var set struct{ Keys []struct{ Kid string } }
		d.must(json.NewDecoder(res.Body).Decode(&set))
		var out []string
		for _, k := range set.Keys {
			out = append(out, k.Kid)
		}
		return out
	}
	first := jwks(d)
	d.must(d.tenant.RotateKey(true))
	both := jwks(d)
	if len(first) != 1 || len(both) != 2 || both[0] != first[0] {
		t.Errorf("%v, then %v", first, both)
	}
	d.must(d.tenant.RotateKey(false))
	last := jwks(d)
	if len(last) != 1 || slices.Contains(both, last[0]) {
		t.Errorf("%v", last)
	}
	d.must(d.tenant.Close())
	if again := jwks(newLobby(t, keep)); !slices.Equal(again, last) {
		t.Errorf("after a restart %v, before it %v", again, last)
	}
}

func TestSetClaims(t *testing.T) {
	d := newLobby(t)
	d.tenant.SetClaims(map[string]any{"nonce": nil, "aud": "another", "exp": time.Now().Add(-time.Hour).Unix()})
	_, back := d.ask(nil)
	got, err := d.redeem(back.Get("code"), strings.Repeat("v", 43))
	d.must(err)
	if c := payload(t, got.Extra("id_token").(string)); c["aud"] != "another" || c["nonce"] != nil {
		t.Errorf("%v", c)
	}
}

func TestManageOperators(t *testing.T) {
	r := newRig(t)
	o := r.sim(200, "PUT", "/sim/operators", `{"userPrincipalName":"Noor@example.com","appRoles":["viewer"]}`)
	if o.text("id") == "" {
		t.Errorf("%s", o.raw)
	}
	again := r.sim(200, "PUT", "/sim/operators", `{"userPrincipalName":"noor@example.com","appRoles":["approver"]}`)
	if again.text("id") != o.text("id") || len(r.sim(200, "GET", "/sim/operators", "").body["operators"].([]any)) != 1 {
		t.Errorf("%s", again.raw)
	}
	r.sim(400, "PUT", "/sim/operators", `{"userPrincipalName":"nobody"}`)
	r.sim(204, "POST", "/sim/apps", `{"clientId":"c","secret":"s","redirectUris":["https://x.example.org/"],"appRoles":["viewer"]}`)
	r.sim(400, "POST", "/sim/apps", `{"clientId":"c"}`)
	r.sim(204, "POST", "/sim/keys/rotate?keep=0", "{}")
	r.sim(204, "DELETE", "/sim/operators/noor@example.com", "")
	if got := r.tenant.Operators(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestOperatorsLast(t *testing.T) {
	file := t.TempDir() + "/state.json"
	with := func(c *entrasim.Config) {
		c.StateFile = file
		c.Operators = []entrasim.Operator{{UPN: "a@example.com"}}
	}
	first := entrasimtest.Start(t, with)
	if _, err := first.SetOperator(entrasim.Operator{UPN: "b@example.com", Roles: []string{"desk"}}); err != nil {
		t.Fatal(err)
	}
	before := first.Operators()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, entrasimtest.Start(t, with).Operators()); d != "" {
		t.Error(d)
	}
}
