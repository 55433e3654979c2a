package access_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/ops/access"
)

const (
	consoleApp = "aaaaaaaa-0000-4000-8000-000000000001"
	robotApp   = "aaaaaaaa-0000-4000-8000-000000000002"
	approvers  = "bbbbbbbb-0000-4000-8000-000000000001" // a group
)

// certDir holds one authority and one signing key for all tenants of a run: they
// take longer to make than anything else here.
var certDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "access")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		certDir = dir
		return m.Run()
	}())
}

// memory is a session store.
type memory struct {
	mu   sync.Mutex
	rows map[string][]byte
	puts int
	fail error
}

func (m *memory) PutSession(_ context.Context, hash string, sealed []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.rows == nil {
		m.rows = map[string][]byte{}
	}
	m.rows[hash] = slices.Clone(sealed)
	m.puts++
	return nil
}

func (m *memory) Session(_ context.Context, hash string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[hash]
	return slices.Clone(row), ok, m.fail
}

func (m *memory) DropSession(_ context.Context, hash string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		delete(m.rows, hash)
	}
	return m.fail
}

func (m *memory) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) count() (rows, puts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows), m.puts
}

func (m *memory) copy() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.rows)
}

// rows is a ledger.
type rows struct {
	mu   sync.Mutex
	all  []audit.Entry
	fail error
}

func (l *rows) Append(_ context.Context, e audit.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.all = append(l.all, e)
	}
	return l.fail
}

func (l *rows) set(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// take returns the rows since the last call.
func (l *rows) take() []audit.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.all
	l.all = nil
	return out
}

// clock runs with the wall clock, which tokens go by, and can be turned.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// world is a tenant, and a gate before a handler that says who asks.
type world struct {
	testing.TB
	tenant *entrasim.Tenant
	server *httptest.Server
	gate   *access.Gate
	cfg    access.Config
	store  *memory
	ledger *rows
	clock  *clock
	logs   *logs
}

// logs keeps what is logged, to look whether it tells too much.
type logs struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func newWorld(t testing.TB, change ...func(*access.Config)) *world {
	t.Helper()
	w := &world{TB: t, store: &memory{}, ledger: &rows{}, clock: &clock{}, logs: &logs{}}
	w.server = httptest.NewUnstartedServer(http.NotFoundHandler())
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.tenant = entrasimtest.Start(t, func(c *entrasim.Config) {
		c.DeviceInterval, c.CertDir = 1, certDir
		c.Apps = []entrasim.App{
			{ClientID: consoleApp, Secret: "console-secret", RedirectURIs: []string{w.server.URL + "/sign-in/callback"}, PublicClient: true},
			{ClientID: robotApp, Secret: "robot-secret", Roles: []string{"operator"}},
		}
		c.Operators = []entrasim.Operator{
			{UPN: "noor@example.com", Name: "Noor Sample", Roles: []string{"viewer", "operator"}},
			{UPN: "guest@example.com", Name: "Guest Sample"},
			{UPN: "amal@example.com", GroupIDs: []string{approvers, "cccccccc-0000-4000-8000-000000000001"}},
			{UPN: "many@example.com", ManyGroups: true},
		}
	})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	w.must(os.WriteFile(ca, w.tenant.CAPEM(), 0o600))
	w.cfg = access.Config{
		URL: w.server.URL, Issuer: w.issuer(), ClientID: consoleApp, ClientSecret: "console-secret", CAFile: ca,
		Groups:   map[string][]string{"approver": {approvers}},
		Sessions: w.store, Audit: w.ledger, Now: w.clock.now, Organisation: "Example Works", Help: "the service desk",
		Log: newLog(w.logs),
	}
	for _, f := range change {
		f(&w.cfg)
	}
	w.gate = w.newGate()
	w.server.Config.Handler = w.gate.Handler(http.HandlerFunc(whoAsks))
	return w
}

func (w *world) issuer() string { return w.tenant.URL() + "/" + w.tenant.TenantID() + "/v2.0" }

func (w *world) newGate() *access.Gate {
	w.Helper()
	g, err := access.New(w.cfg)
	w.must(err)
	return g
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// whoAsks answers the identity as JSON, and streams at /stream.
func whoAsks(w http.ResponseWriter, r *http.Request) {
	who, ok := access.From(r.Context())
	if r.URL.Path == "/stream" {
		deadline, has := r.Context().Deadline()
		_ = json.NewEncoder(w).Encode(map[string]any{"has": has, "left": time.Until(deadline).Seconds()})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"path": r.URL.RequestURI(), "known": ok, "name": who.Name, "subject": who.Subject, "roles": who.Roles, "machine": who.Machine})
}

// browser keeps cookies and follows no redirect.
type browser struct {
	*world
	jar    *cookiejar.Jar
	client *http.Client
}

func (w *world) browser() *browser {
	w.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	pool := x509.NewCertPool()
	pool.AddCert(w.server.Certificate())
	pool.AppendCertsFromPEM(w.tenant.CAPEM())
	return &browser{w, jar, &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	text   string
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(a.text), &out); err != nil {
		t.Fatalf("%d %s", a.status, a.text)
	}
	return out
}

func (a answer) location() string { return a.header.Get("Location") }

func (b *browser) do(method, address string, header ...string) answer {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.server.URL + address
	}
	req, err := http.NewRequest(method, address, nil)
	b.must(err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := b.client.Do(req)
	b.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.must(err)
	return answer{res.StatusCode, res.Header, string(text)}
}

func (b *browser) get(address string, header ...string) answer {
	b.Helper()
	return b.do("GET", address, header...)
}

// toProvider begins to sign in and returns the address at the provider.
func (b *browser) toProvider(to string) *url.URL {
	b.Helper()
	a := b.get("/sign-in?to=" + url.QueryEscape(to))
	u, err := url.Parse(a.location())
	if err != nil || a.status != 303 || !strings.HasPrefix(a.location(), b.tenant.URL()) {
		b.Fatalf("%d %q %s", a.status, a.location(), a.text)
	}
	return u
}

// pick signs in at the provider and returns the way back.
func (b *browser) pick(at *url.URL, upn string) string {
	b.Helper()
	q := at.Query()
	q.Set("login_hint", upn)
	at.RawQuery = q.Encode()
	a := b.get(at.String())
	if a.status != 302 {
		b.Fatalf("%d %s", a.status, a.text)
	}
	return a.location()
}

func (b *browser) signIn(upn, to string) answer {
	b.Helper()
	return b.get(b.pick(b.toProvider(to), upn))
}

// in signs in and fails the test if that does not work.
func (b *browser) in(upn string) {
	b.Helper()
	if a := b.signIn(upn, "/"); a.status != 303 || a.location() != "/" {
		b.Fatalf("%d %q %s", a.status, a.location(), a.text)
	}
}

// who asks the handler behind the gate.
func (b *browser) who(header ...string) map[string]any {
	b.Helper()
	a := b.get("/", header...)
	if a.status != 200 {
		b.Fatalf("%d %s", a.status, a.text)
	}
	return a.json(b)
}

func (b *browser) cookie(name string) *http.Cookie {
	u, err := url.Parse(b.server.URL)
	b.must(err)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// robot returns the access token of a machine, from the provider.
func (b *browser) robot() string {
	b.Helper()
	res, err := b.client.PostForm(b.tenant.URL()+"/"+b.tenant.TenantID()+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {robotApp}, "client_secret": {"robot-secret"}, "scope": {"api://" + consoleApp + "/.default"}})
	b.must(err)
	defer res.Body.Close()
	var out struct {
		Access string `json:"access_token"`
	}
	b.must(json.NewDecoder(res.Body).Decode(&out))
	return out.Access
}

// machine are the claims of a token that is in order.
func (w *world) machine() map[string]any {
	now := time.Now()
	return map[string]any{"aud": consoleApp, "iss": w.issuer(), "iat": now.Add(-time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
		"azp": robotApp, "idtyp": "app", "oid": "dddddddd-0000-4000-8000-000000000001", "sub": "dddddddd-0000-4000-8000-000000000001", "roles": []string{"operator"}, "ver": "2.0"}
}

// with returns claims with some changed; nil leaves one out.
func with(claims map[string]any, change map[string]any) map[string]any {
	out := maps.Clone(claims)
	for k, v := range change {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func (w *world) sign(claims map[string]any) string {
	w.Helper()
	t, err := w.tenant.SignToken(claims)
	w.must(err)
	return t
}

func (b *browser) api(token string, header ...string) answer {
	b.Helper()
	return b.get("/v1/me", append([]string{"Authorization", "Bearer " + token}, header...)...)
}

func events(list []audit.Entry) string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s %s %s", e.Event, e.Actor, e.Reason))
	}
	return strings.Join(out, "\n")
}

var errDown = errors.New("down")

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// call asks a handler without a network.
func call(h http.Handler, path, authorization, cookie string) (int, http.Header) {
	r := httptest.NewRequest("GET", path, nil)
	if authorization != "" {
		r.Header["Authorization"] = []string{authorization}
	}
	if cookie != "" {
		r.Header["Cookie"] = []string{cookie}
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Header()
}
