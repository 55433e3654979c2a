package access_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/ops/access"
)

// forge makes a token as an attacker would, with any header and key.
func forge(t testing.TB, head, claims map[string]any, sign func(string) []byte) string {
	t.Helper()
	h, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64(h) + "." + b64(c)
	return signed + "." + b64(sign(signed))
}

func byRSA(t testing.TB, key *rsa.PrivateKey) func(string) []byte {
	return func(s string) []byte {
		sum := sha256.Sum256([]byte(s))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

func byHMAC(key []byte) func(string) []byte {
	return func(s string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(s))
		return m.Sum(nil)
	}
}

func nothing(string) []byte { return nil }

// published returns the provider's first key as it publishes it.
func (b *browser) published() (kid, n string) {
	b.Helper()
	var set struct {
		Keys []struct{ Kid, N string } `json:"keys"`
	}
	a := b.get(b.tenant.URL() + "/" + b.tenant.TenantID() + "/discovery/v2.0/keys")
	b.must(json.Unmarshal([]byte(a.text), &set))
	return set.Keys[0].Kid, set.Keys[0].N
}

// TestForgedTokens: a bearer token is wrong in one way, and is answered 401, by
// problem+json, with a challenge and a row.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	good := w.machine()
	kid, n := b.published()
	mine, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	w.must(err)
	e := base64.RawURLEncoding.EncodeToString(big.NewInt(int64(mine.E)).Bytes())
	myKey := map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(mine.N.Bytes()), "e": e}
	parts := strings.Split(w.sign(good), ".")
	more, err := json.Marshal(with(good, map[string]any{"roles": []string{"operator", "auditor"}}))
	w.must(err)
	now := time.Now()

	for name, tc := range map[string]struct{ token, reason string }{
		"nothing signs it":             {forge(t, map[string]any{"alg": "none", "kid": kid}, good, nothing), "forged"},
		"nothing signs it, None":       {forge(t, map[string]any{"alg": "None", "kid": kid}, good, nothing), "forged"},
		"no algorithm":                 {forge(t, map[string]any{"kid": kid}, good, nothing), "forged"},
		"HMAC by the public key":       {forge(t, map[string]any{"alg": "HS256", "kid": kid}, good, byHMAC(modulus)), "forged"},
		"HMAC by the key's text":       {forge(t, map[string]any{"alg": "HS256", "kid": kid}, good, byHMAC([]byte(n))), "forged"},
		"HMAC by the client secret":    {forge(t, map[string]any{"alg": "HS256", "kid": kid}, good, byHMAC([]byte("console-secret"))), "forged"},
		"another algorithm's name":     {forge(t, map[string]any{"alg": "PS256", "kid": kid}, good, byRSA(t, mine)), "forged"},
		"another key":                  {forge(t, map[string]any{"alg": "RS256", "kid": kid}, good, byRSA(t, mine)), "forged"},
		"another key, in its header":   {forge(t, map[string]any{"alg": "RS256", "kid": kid, "jwk": myKey}, good, byRSA(t, mine)), "forged"},
		"another key, by address":      {forge(t, map[string]any{"alg": "RS256", "kid": "mine", "jku": "https://evil.example/keys"}, good, byRSA(t, mine)), "forged"},
		"unknown kid":                  {forge(t, map[string]any{"alg": "RS256", "kid": "../../etc/passwd"}, good, byRSA(t, mine)), "forged"},
		"no kid":                       {forge(t, map[string]any{"alg": "RS256"}, good, byRSA(t, mine)), "forged"},
		"the signature cut":            {parts[0] + "." + parts[1] + ".", "forged"},
		"the claims exchanged":         {parts[0] + "." + base64.RawURLEncoding.EncodeToString(more) + "." + parts[2], "forged"},
		"expired":                      {w.sign(with(good, map[string]any{"exp": now.Add(-2 * time.Minute).Unix()})), "expired"},
		"not yet":                      {w.sign(with(good, map[string]any{"nbf": now.Add(2 * time.Minute).Unix()})), "notYet"},
		"issued ahead":                 {w.sign(with(good, map[string]any{"iat": now.Add(2 * time.Minute).Unix()})), "notYet"},
		"no end":                       {w.sign(with(good, map[string]any{"exp": nil})), "badToken"},
		"an end beyond all":            {w.sign(with(good, map[string]any{"exp": 1e300})), "badToken"},
		"a negative time":              {w.sign(with(good, map[string]any{"nbf": -1})), "badToken"},
		"another tenant":               {w.sign(with(good, map[string]any{"iss": strings.Replace(w.issuer(), w.tenant.TenantID(), robotApp, 1)})), "badToken"},
		"the issuer with a slash":      {w.sign(with(good, map[string]any{"iss": w.issuer() + "/"})), "badToken"},
		"no issuer":                    {w.sign(with(good, map[string]any{"iss": nil})), "badToken"},
		"version 1":                    {w.sign(with(good, map[string]any{"iss": "https://sts.windows.net/" + w.tenant.TenantID() + "/", "ver": "1.0"})), "badToken"},
		"for Graph":                    {w.sign(with(good, map[string]any{"aud": "https://graph.microsoft.com"})), "badToken"},
		"for nobody":                   {w.sign(with(good, map[string]any{"aud": nil})), "badToken"},
		"by App ID URI":                {w.sign(with(good, map[string]any{"aud": "api://" + consoleApp})), "badToken"},
		"an ID token":                  {w.sign(with(good, map[string]any{"idtyp": nil, "azp": nil, "nonce": "x", "preferred_username": "noor@example.com"})), "badToken"},
		"another scope":                {w.sign(with(good, map[string]any{"idtyp": nil, "scp": "operate.read offline"})), "badToken"},
		"an app's that grants a scope": {w.sign(with(good, map[string]any{"scp": "operate"})), "badToken"},
		"an app's without a name":      {w.sign(with(good, map[string]any{"azp": nil})), "badToken"},
		"no subject":                   {w.sign(with(good, map[string]any{"sub": nil})), "badToken"},
		"roles as a text":              {w.sign(with(good, map[string]any{"roles": "operator"})), "badToken"},
		"huge":                         {w.sign(with(good, map[string]any{"x": strings.Repeat("x", 17<<10)})), "badToken"},
		"garbage":                      {"a.b.c", "forged"},
		"a JSON serialisation":         {`{"payload":"e30","signatures":[]}`, "forged"},
	} {
		t.Run(name, func(t *testing.T) {
			w.ledger.take()
			a := b.api(tc.token)
			p := a.json(t)
			if a.status != 401 || a.header.Get("Content-Type") != "application/problem+json" || p["status"] != 401.0 || p["title"] == "" ||
				!strings.HasPrefix(a.header.Get("WWW-Authenticate"), `Bearer realm="firstpass", error="invalid_token", error_description="`) {
				t.Errorf("%d %v %s", a.status, a.header, a.text)
			}
			if got := w.ledger.take(); len(got) != 1 || got[0].Event != access.EventRefused || got[0].Reason != tc.reason || got[0].Actor != "" {
				t.Errorf("%s", events(got))
			}
			if len(tc.token) > 10 && (strings.Contains(a.text, tc.token) || strings.Contains(w.logs.String(), tc.token)) {
				t.Error("the token is repeated")
			}
		})
	}
	if a := b.api(w.sign(good)); a.status != 200 {
		t.Errorf("the one that is in order: %d %s", a.status, a.text)
	}
}

// TestTokensInOrder are taken, and say who asks.
func TestTokensInOrder(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	now := time.Now()
	person := with(w.machine(), map[string]any{"idtyp": nil, "scp": "operate", "preferred_username": "noor@example.com", "sub": "pairwise"})
	for name, tc := range map[string]struct {
		token   string
		name    string
		roles   []any
		machine bool
	}{
		"from the provider": {b.robot(), robotApp, []any{"operator"}, true},
		"a machine":         {w.sign(w.machine()), robotApp, []any{"operator"}, true},
		"just expired":      {w.sign(with(w.machine(), map[string]any{"exp": now.Add(-30 * time.Second).Unix()})), robotApp, []any{"operator"}, true},
		"just ahead":        {w.sign(with(w.machine(), map[string]any{"nbf": now.Add(30 * time.Second).Unix()})), robotApp, []any{"operator"}, true},
		"a person":          {w.sign(person), "noor@example.com", []any{"operator"}, false},
		"several scopes":    {w.sign(with(person, map[string]any{"scp": "other operate"})), "noor@example.com", []any{"operator"}, false},
		"idtyp user":        {w.sign(with(person, map[string]any{"idtyp": "user"})), "noor@example.com", []any{"operator"}, false},
		"by group":          {w.sign(with(person, map[string]any{"roles": nil, "groups": []string{approvers}})), "noor@example.com", []any{"approver"}, false},
		"unknown roles":     {w.sign(with(person, map[string]any{"roles": []string{"admin", "Operator", "viewer"}})), "noor@example.com", []any{"viewer"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := b.api(tc.token)
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.text)
			}
			if got := a.json(t); got["name"] != tc.name || !slices.Equal(got["roles"].([]any), tc.roles) || got["machine"] != tc.machine {
				t.Errorf("%v", got)
			}
		})
	}
	for name, change := range map[string]map[string]any{"no roles": {"roles": nil}, "roles of others": {"roles": []string{"User.Read.All"}}} {
		if a := b.api(w.sign(with(w.machine(), change))); a.status != 403 || a.json(t)["title"] != "No role" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
}

// TestWhoeverSaysSo: nothing but the token or the session says who asks.
func TestWhoeverSaysSo(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	smuggled := []string{"X-Forwarded-User", "root@example.com", "X-Forwarded-Email", "root@example.com", "X-Remote-User", "root", "Remote-User", "root",
		"X-Auth-Request-User", "root", "X-Ms-Client-Principal", "eyJyb2xlcyI6WyJhdWRpdG9yIl19", "X-Ms-Client-Principal-Name", "root@example.com",
		"X-Roles", "auditor", "X-Original-Url", "/assets/x", "X-Rewrite-Url", "/assets/x"}
	if a := b.get("/?roles=auditor&role=auditor", smuggled...); a.status != 303 {
		t.Errorf("without a session: %d", a.status)
	}
	if a := b.get("/v1/me?access_token="+url.QueryEscape(w.sign(w.machine())), smuggled...); a.status != 401 {
		t.Errorf("a token in the query: %d", a.status)
	}
	b.in("noor@example.com")
	who := b.who(append(smuggled, "Cookie", "roles=auditor; firstpass=x")...)
	if who["name"] != "noor@example.com" || !slices.Equal(who["roles"].([]any), []any{"viewer", "operator"}) {
		t.Errorf("%v", who)
	}
	req, err := http.NewRequest("POST", w.server.URL+"/x", strings.NewReader("roles=auditor&role=auditor&name=root"))
	w.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.client.Do(req)
	w.must(err)
	var got map[string]any
	w.must(json.NewDecoder(res.Body).Decode(&got))
	w.must(res.Body.Close())
	if got["name"] != "noor@example.com" || !slices.Equal(got["roles"].([]any), []any{"viewer", "operator"}) {
		t.Errorf("%v", got)
	}
	// A token that is refused is not mended by a session beside it, and a page
	// takes no token.
	if a := b.api("a.b.c"); a.status != 401 {
		t.Errorf("a bad token beside a session: %d", a.status)
	}
	if a := b.get("/v1/me"); a.status != 200 {
		t.Errorf("the API with a session: %d", a.status)
	}
	if a := b.get("/v1/me", "Authorization", "Bearer "+w.sign(w.machine()), "Authorization", "Bearer x"); a.status != 401 {
		t.Errorf("two tokens: %d", a.status)
	}
	for _, other := range []string{"Basic eDp5", "Bearer", "Bearer ", "bearer", "Negotiate x"} {
		if a := b.get("/v1/me", "Authorization", other); a.status != 401 {
			t.Errorf("%s: %d", other, a.status)
		}
	}
	if a := w.browser().get("/", "Authorization", "Bearer "+w.sign(w.machine())); a.status != 303 {
		t.Errorf("a page by token: %d", a.status)
	}
}

// TestReturnPaths: after signing in people land on our own pages only.
func TestReturnPaths(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for to, want := range map[string]string{
		"/":                              "/",
		"":                               "/",
		"/journeys/joiner/hr/x?a=b%20c":  "/journeys/joiner/hr/x?a=b%20c",
		"/ledger?next=https://x.example": "/ledger?next=https://x.example",
		"//evil.example":                 "/",
		"///evil.example":                "/",
		"/\\evil.example":                "/",
		"\\\\evil.example":               "/",
		"/%2f%2fevil.example":            "/",
		"/%2fevil.example":               "/",
		"%2f%2fevil.example":             "/",
		"/%5cevil.example":               "/",
		"/%252f%252fevil.example":        "/",
		"/.//evil.example":               "/",
		"/..//evil.example":              "/",
		"/../../etc/passwd":              "/",
		"/assets/../ledger":              "/",
		"/a/%2e%2e/%2e%2e/b":             "/",
		"/a/%252e%252e/b":                "/",
		"javascript:alert(1)":            "/",
		"JaVaScRiPt:alert(1)":            "/",
		"data:text/html,x":               "/",
		"https://evil.example/":          "/",
		"https:evil.example":             "/",
		"http:///evil.example":           "/",
		"evil.example":                   "/",
		"@evil.example":                  "/",
		"/\r\nSet-Cookie: a=b":           "/",
		"/%0d%0aSet-Cookie:%20a=b":       "/",
		"/\t/evil.example":               "/",
		"/%09/evil.example":              "/",
		" //evil.example":                "/",
		"/\u2028/evil.example":           "/",
		"/％2f":                           "/",
		"/sign-out":                      "/",
		"/sign-in?to=/x":                 "/",
		"/%73ign-out":                    "/",
		"/x#fragment":                    "/",
		"/" + strings.Repeat("x", 3000):  "/",
		"/%zz":                           "/",
		"/x?next=\\\\evil.example":       "/",
	} {
		t.Run(to[:min(len(to), 30)], func(t *testing.T) {
			b := w.browser()
			a := b.signIn("noor@example.com", to)
			if a.status != 303 || a.location() != want || len(a.header.Values("Set-Cookie")) > 2 {
				t.Errorf("%q leads to %q, want %q", to, a.location(), want)
			}
		})
	}
	if a := b.get("/sign-in?to=/a&to=//evil.example"); a.status != 303 {
		t.Errorf("%d", a.status)
	}
	// Neither does the page that sends to sign-in.
	for _, path := range []string{"//evil.example/", "/%2f%2fevil.example", "/%5c%5cevil.example"} {
		if a := b.get(w.server.URL + path); strings.Contains(a.location(), "evil") && strings.HasPrefix(a.location(), "//") || a.status == 200 {
			t.Errorf("%s: %d %q", path, a.status, a.location())
		}
	}
}

// TestPublicFolderHasNoWayOut: what is open to everybody leads to nothing else.
func TestPublicFolderHasNoWayOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, path := range []string{"/assets/../", "/assets/../ledger", "/assets/%2e%2e/ledger", "/assets/..%2fledger", "/assets/..%5cledger", "/assets/x/..%2f..%2fv1/me",
		"/assets//ledger", "/sign-in/../ledger", "/sign-in/..%2fledger", "/sign-in%2f..%2fledger", "/ASSETS/x", "/assets;/ledger", "/assets%2fx", "/assets%2f..%2fledger"} {
		a := b.get(w.server.URL + path)
		if a.status == 200 {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	// And nothing but reading.
	if a := b.do("POST", "/assets/x"); a.status == 200 {
		t.Errorf("%d", a.status)
	}
}

// TestSessionFixation: an id that somebody planted is worth nothing, before and
// after signing in.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	attacker := w.browser()
	attacker.in("noor@example.com")
	planted := attacker.cookie("__Host-firstpass").Value

	victim := w.browser()
	u, err := url.Parse(w.server.URL)
	w.must(err)
	victim.jar.SetCookies(u, []*http.Cookie{{Name: "__Host-firstpass", Value: planted, Path: "/", Secure: true}})
	victim.in("amal@example.com")
	if id := victim.cookie("__Host-firstpass").Value; id == planted {
		t.Error("the id is the planted one")
	}
	if a := attacker.get("/"); a.status != 303 {
		t.Errorf("the planted session goes on: %d", a.status)
	}
	if victim.who()["name"] != "amal@example.com" {
		t.Error("not the victim")
	}
	// An id that nobody has is not taken up.
	other := w.browser()
	made := strings.Repeat("A", 43)
	other.jar.SetCookies(u, []*http.Cookie{{Name: "__Host-firstpass", Value: made, Path: "/", Secure: true}})
	other.in("noor@example.com")
	if other.cookie("__Host-firstpass").Value == made {
		t.Error("the id is one that somebody made up")
	}
	// Every sign-in has its own.
	first := other.cookie("__Host-firstpass").Value
	other.in("noor@example.com")
	if other.cookie("__Host-firstpass").Value == first || w.browser().get("/", "Cookie", "__Host-firstpass="+first).status != 303 {
		t.Error("the old id goes on")
	}
}

// TestCookieTossing: cookies that another host of the domain may set count for
// nothing, and two of the same name neither.
func TestCookieTossing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	id := b.cookie("__Host-firstpass").Value
	stranger := w.browser()
	for name, cookie := range map[string]string{
		"without the prefix":    "firstpass=" + id,
		"another prefix":        "__Secure-firstpass=" + id,
		"two":                   "__Host-firstpass=" + id + "; __Host-firstpass=" + strings.Repeat("A", 43),
		"in other letters":      "__host-firstpass=" + id,
		"the store's name":      "__Host-firstpass=pulse:" + id,
		"cut":                   "__Host-firstpass=" + id[:42],
		"longer":                "__Host-firstpass=" + id + "A",
		"huge":                  "__Host-firstpass=" + strings.Repeat("A", 8000),
		"with a quote in front": `__Host-firstpass="` + id,
	} {
		if a := stranger.get("/", "Cookie", cookie); a.status != 303 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := stranger.get("/", "Cookie", "__Host-firstpass="+id); a.status != 200 {
		t.Errorf("the right one: %d", a.status)
	}
}

// TestLoginCSRF: an answer of the provider counts in the browser that asked.
func TestLoginCSRF(t *testing.T) {
	w := newWorld(t)
	attacker, victim := w.browser(), w.browser()
	back := attacker.pick(attacker.toProvider("/"), "noor@example.com")
	a := victim.get(back)
	if a.status != 403 || victim.cookie("__Host-firstpass") != nil || !strings.Contains(a.text, "start again") {
		t.Errorf("%d %s", a.status, a.text)
	}
	// Not even if the victim is signing in.
	victim.toProvider("/")
	if a := victim.get(back); a.status != 403 || victim.cookie("__Host-firstpass") != nil {
		t.Errorf("%d", a.status)
	}
	// Nor with another code in the victim's own answer: PKCE and the nonce are
	// of another sign-in.
	mine, err := url.Parse(victim.pick(victim.toProvider("/"), "amal@example.com"))
	w.must(err)
	theirs, err := url.Parse(back)
	w.must(err)
	q := mine.Query()
	q.Set("code", theirs.Query().Get("code"))
	mine.RawQuery = q.Encode()
	if a := victim.get(mine.String()); a.status != 403 || victim.cookie("__Host-firstpass") != nil {
		t.Errorf("an injected code: %d", a.status)
	}
}

// TestReplayedAnswers: state and code work once, within ten minutes.
func TestReplayedAnswers(t *testing.T) {
	t.Run("again", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		at := b.toProvider("/")
		u, err := url.Parse(w.server.URL)
		w.must(err)
		kept := b.jar.Cookies(u)
		back := b.pick(at, "noor@example.com")
		if a := b.get(back); a.status != 303 {
			t.Fatalf("%d", a.status)
		}
		thief := w.browser()
		thief.jar.SetCookies(u, kept) // a stolen cookie of the sign-in under way
		if a := thief.get(back); a.status != 403 || thief.cookie("__Host-firstpass") != nil {
			t.Errorf("%d", a.status)
		}
		// A new code does not mend a state that was used.
		thief.jar.SetCookies(u, kept)
		if a := thief.get(thief.pick(at, "noor@example.com")); a.status != 403 || thief.cookie("__Host-firstpass") != nil {
			t.Errorf("%d", a.status)
		}
	})
	for name, turn := range map[string]time.Duration{"late": 10 * time.Minute, "before it began": -2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			back := b.pick(b.toProvider("/"), "noor@example.com")
			w.clock.turn(turn)
			if a := b.get(back); a.status != 403 || b.cookie("__Host-firstpass") != nil {
				t.Errorf("%d", a.status)
			}
		})
	}
	for name, change := range map[string]func(url.Values){
		"no state":      func(q url.Values) { q.Del("state") },
		"another state": func(q url.Values) { q.Set("state", "ABCDEFGHIJKLMNOPQRSTUVWXYZ") },
		"two states":    func(q url.Values) { q.Add("state", q.Get("state")) },
		"no code":       func(q url.Values) { q.Del("code") },
		"two codes":     func(q url.Values) { q.Add("code", "x") },
		"another code":  func(q url.Values) { q.Set("code", "x") },
		"a huge code":   func(q url.Values) { q.Set("code", strings.Repeat("x", 9000)) },
		"other issuer":  func(q url.Values) { q.Set("iss", "https://evil.example") },
		"an error":      func(q url.Values) { q.Set("error", "access_denied") },
		"a hostile one": func(q url.Values) { q.Set("error", "<script>"); q.Set("error_description", "<script>") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			back, err := url.Parse(b.pick(b.toProvider("/"), "noor@example.com"))
			w.must(err)
			q := back.Query()
			change(q)
			back.RawQuery = q.Encode()
			a := b.get(back.String())
			if a.status != 403 || b.cookie("__Host-firstpass") != nil || strings.Contains(a.text, "<script") {
				t.Errorf("%d %s", a.status, a.text)
			}
			if got := w.ledger.take(); len(got) != 1 || got[0].Event != access.EventRefused {
				t.Errorf("%s", events(got))
			}
		})
	}
}

// TestForgedIDTokens: what comes from the token endpoint is checked all the same.
func TestForgedIDTokens(t *testing.T) {
	now := time.Now()
	for name, claims := range map[string]map[string]any{
		"issuer":         {"iss": "https://login.example.org/v2.0"},
		"audience":       {"aud": robotApp},
		"two audiences":  {"aud": []string{consoleApp, robotApp}},
		"party":          {"azp": robotApp},
		"expired":        {"exp": now.Add(-2 * time.Minute).Unix()},
		"not yet":        {"nbf": now.Add(2 * time.Minute).Unix()},
		"no expiry":      {"exp": nil},
		"nonce":          {"nonce": "another"},
		"no nonce":       {"nonce": nil},
		"no subject":     {"sub": nil},
		"roles no list":  {"roles": "operator"},
		"groups no list": {"groups": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.SetClaims(claims)
			b := w.browser()
			if a := b.signIn("noor@example.com", "/"); a.status != 403 || b.cookie("__Host-firstpass") != nil {
				t.Errorf("%d %s", a.status, a.text)
			}
			if n, _ := w.store.count(); n != 0 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// TestOtherSites: a page of another site can't make a browser change anything.
func TestOtherSites(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	for name, tc := range map[string]struct {
		header []string
		status int
	}{
		"another site":                   {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"another host of the domain":     {[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://x.example.org"}, 403},
		"an old browser":                 {[]string{"Origin", "https://evil.example"}, 403},
		"a sandbox":                      {[]string{"Origin", "null"}, 403},
		"another port":                   {[]string{"Origin", "https://127.0.0.1:1"}, 403},
		"plain http":                     {[]string{"Origin", strings.Replace(w.server.URL, "https", "http", 1), "Sec-Fetch-Site", "cross-site"}, 403},
		"our own page":                   {[]string{"Sec-Fetch-Site", "same-origin", "Origin", w.server.URL}, 200},
		"our own page in an old browser": {[]string{"Origin", w.server.URL}, 200},
		"typed by hand":                  {[]string{"Sec-Fetch-Site", "none"}, 200},
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			for _, path := range []string{"/halt", "/v1/halt"} {
				if a := b.do(method, path, tc.header...); a.status != tc.status {
					t.Errorf("%s: %s %s: %d", name, method, path, a.status)
				}
			}
		}
		want := 403
		if tc.status == 200 {
			want = 303
		}
		if a := b.do("POST", "/sign-out", tc.header...); a.status != want {
			t.Errorf("%s: signing out: %d", name, a.status)
		} else if want == 303 {
			b.in("noor@example.com")
		}
	}
	if a := b.do("POST", "/v1/halt", "Sec-Fetch-Site", "cross-site"); a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v", a.header)
	}
}

// TestKeysRotate: new keys are found, and those that are withdrawn end.
func TestKeysRotate(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	old := w.sign(w.machine())
	if a := b.api(old); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	w.must(w.tenant.RotateKey(true))
	w.clock.turn(31 * time.Second)
	if a := b.api(w.sign(w.machine())); a.status != 200 {
		t.Errorf("the new key: %d", a.status)
	}
	if a := b.api(old); a.status != 200 {
		t.Errorf("the old key: %d", a.status)
	}
	w.must(w.tenant.RotateKey(false))
	w.clock.turn(31 * time.Second)
	if a := b.api(w.sign(w.machine())); a.status != 200 {
		t.Errorf("the newest key: %d", a.status)
	}
	if a := b.api(old); a.status != 401 {
		t.Errorf("a key that was withdrawn: %d", a.status)
	}
}

// TestUnknownKeysAskRarely: ids that somebody makes up cost the provider nothing.
func TestUnknownKeysAskRarely(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	mine, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	b.api(w.sign(w.machine()))
	w.tenant.ResetRequests()
	for i := range 50 {
		b.api(forge(t, map[string]any{"alg": "RS256", "kid": fmt.Sprint(i)}, w.machine(), byRSA(t, mine)))
	}
	if n := w.tenant.Counts().Metadata; n != 0 {
		t.Errorf("%d questions within the first half minute", n)
	}
	w.clock.turn(31 * time.Second)
	for i := range 50 {
		b.api(forge(t, map[string]any{"alg": "RS256", "kid": fmt.Sprint(i)}, w.machine(), byRSA(t, mine)))
	}
	if n := w.tenant.Counts().Metadata; n != 1 {
		t.Errorf("%d questions after it", n)
	}
}

// TestKeysAway: known keys go on; an unknown one is 503, since nobody can tell.
func TestKeysAway(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	known := w.sign(w.machine())
	if a := b.api(known); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	for name, f := range map[string]entrasim.Fault{
		"down":    {Drop: true, Times: -1},
		"500":     {Status: 500, Times: -1},
		"no keys": {Status: 200, Body: `{"keys":[]}`, Times: -1},
		"garbage": {Status: 200, Body: `<html>`, Times: -1},
	} {
		f.Match.Operation = entrasim.OpKeys
		w.tenant.MustInject(f)
		w.must(w.tenant.RotateKey(true))
		w.clock.turn(31 * time.Second)
		a := b.api(w.sign(w.machine()))
		if a.status != 503 || a.header.Get("Retry-After") == "" || a.header.Get("WWW-Authenticate") != "" || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: an unknown key: %d %s", name, a.status, a.text)
		}
		if a := b.api(known); a.status != 200 {
			t.Errorf("%s: a known key: %d", name, a.status)
		}
		w.tenant.ClearFaults()
		w.clock.turn(6 * time.Second)
		if a := b.api(w.sign(w.machine())); a.status != 200 {
			t.Errorf("%s: back again: %d", name, a.status)
		}
	}
}

// TestProviderAway: nobody signs in, whoever is in goes on, and nobody is told
// that they may not.
func TestProviderAway(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	for name, f := range map[string]entrasim.Fault{
		"token 500":        {Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 500, Times: -1},
		"token 429":        {Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 429, Times: -1},
		"token drops":      {Match: entrasim.Match{Operation: entrasim.OpToken}, Drop: true, Times: -1},
		"token no JSON":    {Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 200, Body: "hello", Times: -1},
		"secret not known": {Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 401, Body: `{"error":"invalid_client"}`, Times: -1},
	} {
		w.tenant.MustInject(f)
		other := w.browser()
		if a := other.signIn("noor@example.com", "/"); a.status != 503 || a.header.Get("Retry-After") == "" || other.cookie("__Host-firstpass") != nil {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		w.tenant.ClearFaults()
	}
	// Somebody starts while it is down.
	w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpMetadata}, Drop: true, Times: -1})
	w.server.Config.Handler = w.newGate().Handler(http.HandlerFunc(whoAsks))
	if a := w.browser().get("/sign-in"); a.status != 503 {
		t.Errorf("%d", a.status)
	}
	if a := w.browser().api(w.sign(w.machine())); a.status != 503 {
		t.Errorf("%d", a.status)
	}
	if b.who()["name"] != "noor@example.com" {
		t.Error("a session needs no provider")
	}
	w.tenant.ClearFaults()
	w.clock.turn(6 * time.Second)
	w.browser().in("noor@example.com")
}

// TestOtherIssuer: a discovery document of another issuer, or of many tenants,
// is not gone by.
func TestOtherIssuer(t *testing.T) {
	for name, body := range map[string]string{
		"placeholder": `{"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0","authorization_endpoint":"https://x.example/a","token_endpoint":"https://x.example/t","jwks_uri":"https://x.example/k"}`,
		"plain token": `{"issuer":"ISSUER","authorization_endpoint":"https://x.example/a","token_endpoint":"http://x.example/t","jwks_uri":"https://x.example/k"}`,
		"plain keys":  `{"issuer":"ISSUER","authorization_endpoint":"https://x.example/a","token_endpoint":"https://x.example/t","jwks_uri":"http://x.example/k"}`,
		"script":      `{"issuer":"ISSUER","authorization_endpoint":"javascript:alert(1)","token_endpoint":"https://x.example/t","jwks_uri":"https://x.example/k"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpMetadata}, Status: 200, Body: strings.Replace(body, "ISSUER", w.issuer(), 1), Times: -1})
			if a := w.browser().get("/sign-in"); a.status != 503 {
				t.Errorf("%d %q", a.status, a.location())
			}
		})
	}
}

// TestStoreAway: without the session store nobody is in.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	other := w.browser()
	back := other.pick(other.toProvider("/"), "noor@example.com")
	w.store.set(errDown)
	if a := b.get("/"); a.status != 503 || !strings.Contains(a.text, "nobody is let in") {
		t.Errorf("a page: %d", a.status)
	}
	if a := b.get("/v1/me"); a.status != 503 || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the API: %d", a.status)
	}
	if a := other.get(back); a.status != 503 || other.cookie("__Host-firstpass") != nil {
		t.Errorf("signing in: %d", a.status)
	}
	if a := b.do("POST", "/sign-out", "Sec-Fetch-Site", "same-origin"); a.status != 503 || b.cookie("__Host-firstpass") == nil {
		t.Errorf("signing out: %d", a.status)
	}
	if a := b.api(w.sign(w.machine())); a.status != 200 {
		t.Errorf("a token needs no session: %d", a.status)
	}
	w.store.set(nil)
	if b.who()["name"] != "noor@example.com" {
		t.Error("not known again")
	}
}

// TestLedgerAway: nobody is let in without a row, and everybody is let out.
func TestLedgerAway(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	w.ledger.set(errDown)
	other := w.browser()
	if a := other.signIn("amal@example.com", "/"); a.status != 503 || other.cookie("__Host-firstpass") != nil {
		t.Errorf("signing in: %d", a.status)
	}
	if a := other.api("a.b.c"); a.status != 401 {
		t.Errorf("a bad token: %d", a.status)
	}
	if a := b.do("POST", "/sign-out", "Sec-Fetch-Site", "same-origin"); a.status != 303 {
		t.Errorf("signing out: %d", a.status)
	}
	if n, _ := w.store.count(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestCopiedStore: who has the store, or changes it, gets nowhere.
func TestCopiedStore(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	id := b.cookie("__Host-firstpass").Value
	all := w.store.copy()
	if len(all) != 2 {
		t.Fatalf("%d rows", len(all))
	}
	for hash, sealed := range all {
		if len(hash) != 64 || strings.Contains(hash, id) || bytes.Contains(sealed, []byte("noor")) || bytes.Contains(sealed, []byte("operator")) || bytes.Contains(sealed, []byte(id)) {
			t.Error("a row can be read")
		}
		if a := w.browser().get("/", "Cookie", "__Host-firstpass="+hash[:43]); a.status != 303 {
			t.Errorf("%d", a.status)
		}
	}
	for hash, sealed := range all {
		for name, changed := range map[string][]byte{"changed": append(slices.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), "cut": sealed[:5], "empty": {}} {
			w.must(w.store.PutSession(t.Context(), hash, changed, time.Time{}))
			if a := w.browser().get("/", "Cookie", "__Host-firstpass="+id); a.status != 303 {
				t.Errorf("%s: %d", name, a.status)
			}
		}
		w.must(w.store.PutSession(t.Context(), hash, sealed, time.Time{}))
	}
	// Rows of others under this name do not open.
	other := w.browser()
	other.in("amal@example.com")
	for hash := range all {
		for theirs, sealed := range w.store.copy() {
			if _, ok := all[theirs]; !ok {
				w.must(w.store.PutSession(t.Context(), hash, sealed, time.Time{}))
			}
		}
	}
	if a := w.browser().get("/", "Cookie", "__Host-firstpass="+id); a.status != 303 {
		t.Errorf("%d", a.status)
	}
}

// TestSlowRequestBringsNothingBack: what a request writes late does not undo a
// sign-out.
func TestSlowRequestBringsNothingBack(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	id := b.cookie("__Host-firstpass").Value
	before := w.store.copy()
	w.clock.turn(2 * time.Minute)
	b.who() // writes that the session was used
	var late []string
	for hash, sealed := range w.store.copy() {
		if !bytes.Equal(before[hash], sealed) {
			late = append(late, hash)
		}
	}
	after := w.store.copy()
	if a := b.do("POST", "/sign-out", "Sec-Fetch-Site", "same-origin"); a.status != 303 || len(late) != 1 {
		t.Fatalf("%d, %d writes", a.status, len(late))
	}
	w.must(w.store.PutSession(t.Context(), late[0], after[late[0]], time.Time{})) // the slow one
	if a := w.browser().get("/", "Cookie", "__Host-firstpass="+id); a.status != 303 {
		t.Errorf("the session is back: %d", a.status)
	}
}

// TestStrangersFillNothing: rows and memory stay bounded whatever they send.
func TestStrangersFillNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for range 200 {
		b.api("a.b.c")
		b.get("/sign-in/callback?state=x")
	}
	if got := w.ledger.take(); len(got) == 0 || len(got) > 70 {
		t.Errorf("%d rows", len(got))
	}
	w.clock.turn(5 * time.Second)
	b.api("a.b.c")
	got := w.ledger.take()
	if len(got) != 1 || !strings.HasPrefix(got[0].Detail, "and ") {
		t.Errorf("%+v", got)
	}
	if n, _ := w.store.count(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// TestHandlerKeepsNothing: the gate itself, without a network, for what a
// client library would not send.
func TestRawRequests(t *testing.T) {
	w := newWorld(t)
	h := w.gate.Handler(http.HandlerFunc(whoAsks))
	for _, target := range []string{"//evil.example/x", "/\\evil.example", "/%2e%2e/x", "http://evil.example/x", "*"} {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := url.Parse(target)
		if err != nil {
			continue
		}
		r.URL, r.RequestURI = u, target
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if to := rec.Header().Get("Location"); rec.Code == 200 || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "http") || strings.HasPrefix(to, "/\\") {
			t.Errorf("%s: %d %q", target, rec.Code, to)
		}
	}
}
