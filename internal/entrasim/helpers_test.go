package entrasim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

// clock is a tenant clock that moves when told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 2, 7, 30, 0, 250_000_000, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a tenant with one user and a client that has a token.
type rig struct {
	*testing.T
	tenant *entrasim.Tenant
	clock  *clock
	http   *http.Client
	bearer string
	user   entrasim.User
	passes string // URL of the user's passes
}

func newRig(t *testing.T, options ...func(*entrasim.Config)) *rig {
	t.Helper()
	r := &rig{T: t, clock: newClock()}
	r.tenant = entrasimtest.Start(t, append([]func(*entrasim.Config){func(c *entrasim.Config) { c.Now = r.clock.now }}, options...)...)
	r.http = entrasimtest.Client(r.tenant)
	r.user = entrasimtest.User(t, r.tenant, entrasim.User{EmployeeID: "1001", UPN: "joiner@firstpass.example", GivenName: "New", Surname: "Joiner"})
	r.passes = "/v1.0/users/" + r.user.ID + "/authentication/temporaryAccessPassMethods"
	r.bearer = "Bearer " + r.token()
	return r
}

type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (a answer) text(path ...string) string {
	var v any = a.body
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

func (a answer) list() []any {
	l, _ := a.body["value"].([]any)
	return l
}

func (r *rig) form(tenant string, form url.Values) answer {
	r.Helper()
	res, err := r.http.PostForm(r.tenant.URL()+"/"+tenant+"/oauth2/v2.0/token", form)
	if err != nil {
		r.Fatal(err)
	}
	return r.read(res)
}

func (r *rig) token() string {
	r.Helper()
	a := r.form(r.tenant.TenantID(), url.Values{"grant_type": {"client_credentials"}, "client_id": {r.tenant.ClientID()},
		"client_secret": {r.tenant.ClientSecret()}, "scope": {"https://graph.microsoft.com/.default openid offline_access profile"}})
	if a.status != 200 {
		r.Fatalf("token: %d %s", a.status, a.raw)
	}
	return a.text("access_token")
}

func (r *rig) read(res *http.Response) answer {
	r.Helper()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		r.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: raw}
	_ = json.Unmarshal(raw, &a.body) // not every answer is JSON
	return a
}

// request sends with the rig's token; an error means there was no answer.
func (r *rig) request(method, path, body string, header ...string) (answer, error) {
	u := path
	if strings.HasPrefix(path, "/") {
		u = r.tenant.URL() + path
	}
	req, err := http.NewRequest(method, u, bytes.NewReader([]byte(body)))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", r.bearer)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	return r.read(res), nil
}

func (r *rig) do(want int, method, path, body string, header ...string) answer {
	r.Helper()
	a, err := r.request(method, path, body, header...)
	if err != nil {
		r.Fatal(err)
	}
	if a.status != want {
		r.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, want, a.raw)
	}
	return a
}

// mint creates a pass and returns its id and code.
func (r *rig) mint(body string) (id, code string) {
	r.Helper()
	a := r.do(201, "POST", r.passes, body)
	return a.text("id"), a.text("temporaryAccessPass")
}

func (r *rig) setPolicy(change func(*entrasim.PassPolicy)) {
	r.Helper()
	p := r.tenant.Policy()
	change(&p)
	r.must(r.tenant.SetPolicy(p))
}

func (r *rig) behave(b entrasim.Behaviour) {
	r.Helper()
	r.must(r.tenant.SetBehaviour(b))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func q(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "?" + v.Encode()
}
