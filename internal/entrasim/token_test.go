package entrasim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestTokenRefusals(t *testing.T) {
	r := newRig(t)
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {r.tenant.ClientID()}, "client_secret": {r.tenant.ClientSecret()}, "scope": {"https://graph.microsoft.com/.default"}}
	cases := map[string]struct {
		tenant string
		change url.Values
		status int
		code   string
		aadsts string
	}{
		"wrong secret":   {change: url.Values{"client_secret": {"guess"}}, status: 401, code: "invalid_client", aadsts: "AADSTS7000215"},
		"no credential":  {change: url.Values{"client_secret": nil}, status: 401, code: "invalid_client", aadsts: "AADSTS7000216"},
		"unknown client": {change: url.Values{"client_id": {"nobody"}}, status: 400, code: "unauthorized_client", aadsts: "AADSTS700016"},
		"no client":      {change: url.Values{"client_id": nil}, status: 400, code: "unauthorized_client", aadsts: "AADSTS700016"},
		"scope":          {change: url.Values{"scope": {"User.Read"}}, status: 400, code: "invalid_scope", aadsts: "AADSTS1002012"},
		"grant":          {change: url.Values{"grant_type": {"password"}}, status: 400, code: "unsupported_grant_type", aadsts: "AADSTS70003"},
		"tenant":         {tenant: "other", status: 400, code: "invalid_request", aadsts: "AADSTS90002"},
		"assertion":      {change: url.Values{"client_assertion": {"a.b.c"}, "client_assertion_type": {assertionType}}, status: 401, code: "invalid_client", aadsts: "AADSTS700027"},
		"assertion type": {change: url.Values{"client_assertion": {"a.b.c"}}, status: 400, code: "invalid_request", aadsts: "AADSTS900144"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			form := url.Values{}
			for k, v := range good {
				form[k] = v
			}
			for k, v := range tc.change {
				if form[k] = v; v == nil {
					form.Del(k)
				}
			}
			tenant := tc.tenant
			if tenant == "" {
				tenant = r.tenant.TenantID()
			}
			a := r.form(tenant, form)
			codes, _ := a.body["error_codes"].([]any)
			if a.status != tc.status || a.text("error") != tc.code || len(codes) != 1 || !strings.HasPrefix(a.text("error_description"), tc.aadsts+":") || a.text("trace_id") == "" || a.text("correlation_id") == "" {
				t.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func TestClientAssertions(t *testing.T) {
	r := newRig(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	r.must(err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	r.must(err)
	cert, err := x509.ParseCertificate(der)
	r.must(err)
	audience := r.tenant.URL() + "/" + r.tenant.TenantID() + "/oauth2/v2.0/token"
	thumbprint := base64.StdEncoding // as MSAL for Go writes it
	sign := func(alg, sub, aud string, exp time.Time) string {
		x5t := sha256.Sum256(der)
		b64 := base64.RawURLEncoding.EncodeToString
		head, err := json.Marshal(map[string]any{"alg": alg, "typ": "JWT", "x5t#S256": thumbprint.EncodeToString(x5t[:])})
		r.must(err)
		body, err := json.Marshal(map[string]any{"aud": aud, "iss": sub, "sub": sub, "exp": exp.Unix(), "nbf": time.Now().Add(-time.Minute).Unix()})
		r.must(err)
		signed := b64(head) + "." + b64(body)
		digest := sha256.Sum256([]byte(signed))
		var sig []byte
		if alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		}
		r.must(err)
		return signed + "." + b64(sig)
	}
	ask := func(want int, assertion string) {
		t.Helper()
		a := r.form(r.tenant.TenantID(), url.Values{"grant_type": {"client_credentials"}, "client_id": {r.tenant.ClientID()}, "scope": {"https://graph.microsoft.com/.default"},
			"client_assertion_type": {assertionType}, "client_assertion": {assertion}})
		if a.status != want {
			t.Errorf("status %d, want %d: %s", a.status, want, a.raw)
		}
	}
	soon, past := time.Now().Add(5*time.Minute), time.Now().Add(-time.Minute)
	ask(401, sign("PS256", r.tenant.ClientID(), audience, soon)) // not registered yet
	r.must(r.tenant.AddClientCertificate("", cert))
	ask(200, sign("PS256", r.tenant.ClientID(), audience, soon))
	thumbprint = base64.RawURLEncoding // as RFC 7515 wants it
	ask(200, sign("PS256", r.tenant.ClientID(), audience, soon))
	ask(200, sign("RS256", r.tenant.ClientID(), audience, soon))
	ask(401, sign("PS256", "somebody-else", audience, soon))
	ask(401, sign("PS256", r.tenant.ClientID(), "https://elsewhere", soon))
	ask(401, sign("PS256", r.tenant.ClientID(), audience, past))
	ask(401, sign("none", r.tenant.ClientID(), audience, soon))

	ask(401, "workload.identity.token")
	r.must(r.tenant.AddFederatedToken("", "workload.identity.token"))
	ask(200, "workload.identity.token")
}

func TestDiscovery(t *testing.T) {
	r := newRig(t)
	a := r.do(200, "GET", "/"+r.tenant.TenantID()+"/v2.0/.well-known/openid-configuration", "")
	if a.text("issuer") != r.tenant.URL()+"/"+r.tenant.TenantID()+"/v2.0" || !strings.HasPrefix(a.text("token_endpoint"), r.tenant.URL()) {
		t.Errorf("%s", a.raw)
	}
	a = r.do(200, "GET", "/common/discovery/instance?api-version=1.1&authorization_endpoint=x", "")
	if !strings.HasPrefix(a.text("tenant_discovery_endpoint"), r.tenant.URL()) {
		t.Errorf("%s", a.raw)
	}
}

func TestTokenPayload(t *testing.T) {
	r := newRig(t)
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(r.bearer, ".")[1])
	r.must(err)
	var claims struct {
		Roles           []string
		Aud, Tid, Appid string
		Exp             int64
	}
	r.must(json.Unmarshal(raw, &claims))
	if !slices.Equal(claims.Roles, entrasim.DefaultPermissions()) || claims.Aud != "https://graph.microsoft.com" || claims.Tid != r.tenant.TenantID() ||
		claims.Appid != r.tenant.ClientID() || claims.Exp <= time.Now().Unix() {
		t.Errorf("%s", raw)
	}
}

func TestBearerIsNeeded(t *testing.T) {
	r := newRig(t, func(c *entrasim.Config) { c.Strict = false })
	good := r.bearer
	parts := strings.Split(good, ".")
	foreign := r.form(r.tenant.TenantID(), url.Values{"grant_type": {"client_credentials"}, "client_id": {r.tenant.ClientID()},
		"client_secret": {r.tenant.ClientSecret()}, "scope": {"https://vault.azure.net/.default"}}).text("access_token")
	for name, bearer := range map[string]string{"none": "", "basic": "Basic eDp5", "garbage": "Bearer x", "forged": parts[0] + "." + parts[1] + ".AAAA", "other audience": "Bearer " + foreign} {
		r.bearer = bearer
		a := r.do(401, "GET", "/v1.0/users", "")
		if a.text("error", "code") != "InvalidAuthenticationToken" || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
}

func TestPermissions(t *testing.T) {
	group := "11111111-1111-4111-8111-111111111111"
	calls := []struct{ method, path, body, permission, code string }{
		{"GET", "/v1.0/users", "", "User.Read.All", "Authorization_RequestDenied"},
		{"GET", "/v1.0/users/{id}", "", "User.Read.All", "Authorization_RequestDenied"},
		{"GET", "/v1.0/users/{id}/transitiveMemberOf", "", "User.Read.All", "Authorization_RequestDenied"},
		{"POST", "/v1.0/users/{id}/checkMemberGroups", `{"groupIds":["` + group + `"]}`, "GroupMember.Read.All", "Authorization_RequestDenied"},
		{"GET", "/v1.0/roleManagement/directory/roleAssignments" + q("$filter", "principalId eq 'x'"), "", "RoleManagement.Read.Directory", "Authorization_RequestDenied"},
		{"GET", "/v1.0/users/{id}/authentication/methods", "", "UserAuthenticationMethod.Read.All", "accessDenied"},
		{"POST", "/v1.0/users/{id}/authentication/temporaryAccessPassMethods", "{}", "UserAuthMethod-TAP.ReadWrite.All", "accessDenied"},
		{"GET", "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/TemporaryAccessPass", "", "Policy.Read.AuthenticationMethod", "accessDenied"},
	}
	r := newRig(t)
	for _, c := range calls {
		c.path = strings.ReplaceAll(c.path, "{id}", r.user.ID)
		left := slices.DeleteFunc(entrasim.DefaultPermissions(), func(p string) bool { return p == c.permission })
		r.must(r.tenant.SetPermissions("", left...))
		if a := r.do(403, c.method, c.path, c.body); a.text("error", "code") != c.code {
			t.Errorf("%s %s: %s", c.method, c.path, a.raw)
		}
		r.must(r.tenant.SetPermissions("", entrasim.DefaultPermissions()...))
		if a, err := r.request(c.method, c.path, c.body); err != nil || a.status >= 300 {
			t.Errorf("%s %s: %d %v", c.method, c.path, a.status, err)
		}
	}
	// As in Graph, a grant can be made to show in new tokens only.
	r.behave(entrasim.Behaviour{PermissionsFromToken: true})
	r.must(r.tenant.SetPermissions(""))
	r.do(200, "GET", "/v1.0/users", "")
	r.bearer = "Bearer " + r.token()
	r.do(403, "GET", "/v1.0/users", "")
}

func TestManagedIdentity(t *testing.T) {
	r := newRig(t)
	ask := func(header string) answer {
		req, err := http.NewRequest("GET", r.tenant.ManageURL()+"/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fgraph.microsoft.com", nil)
		r.must(err)
		req.Header.Set("X-IDENTITY-HEADER", header)
		res, err := r.http.Do(req)
		r.must(err)
		return r.read(res)
	}
	if a := ask("guess"); a.status != 401 {
		t.Errorf("%d", a.status)
	}
	a := ask(entrasim.DefaultIdentityHeader)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	r.bearer = "Bearer " + a.text("access_token")
	r.do(200, "GET", "/v1.0/users", "")
}

func TestSecondApp(t *testing.T) {
	r := newRig(t)
	r.must(r.tenant.AddApp(entrasim.App{ClientID: "reader", Secret: "s", Permissions: []string{"User.Read.All"}}))
	a := r.form(r.tenant.TenantID(), url.Values{"grant_type": {"client_credentials"}, "client_id": {"reader"}, "client_secret": {"s"}, "scope": {"https://graph.microsoft.com/.default"}})
	r.bearer = "Bearer " + a.text("access_token")
	r.do(200, "GET", "/v1.0/users", "")
	r.do(403, "GET", r.passes, "")
	entrasimtest.NoViolations(t, r.tenant)
}
