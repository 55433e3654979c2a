package pickup

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

const (
	canary   = "Wq7-kX2p+9Zd"
	workflow = "pass/3f1c"
	round    = "run-1"
	journey  = "a91b77c04f7a"
)

// call is what a page told or asked a pass.
type call struct {
	Workflow, Update, ID string
	Request              any
}

// fakePass is a pass with the rules of the real one, as far as pages see them.
type fakePass struct {
	mu     sync.Mutex
	calls  []call
	asked  int
	update func(ctx context.Context, c call) (any, error) // nil: as the real one

	book   *invitation.Book
	hash   string // of the link
	code   string // its hash
	vouch  string // hash of the manager's link
	number string // its hash
	me     string // hash of the link to repudiate
	proofs []jml.Proof
	desk   string // hash of the desk's code

	now     func() time.Time
	wrong   int
	bad     int
	proven  int
	visits  map[string][]byte // public keys
	refused bool
	asks    time.Time
	minting bool
	block   *jml.Block
	final   bool
	pass    jml.Pass
	shown   map[string]*workflows.Revealed
	ended   bool
	start   time.Time
	facts   jml.Snapshot
	journey jml.Kind
	device  string
	devices int
	makes   bool
}

func (f *fakePass) Update(ctx context.Context, id, update, updateID string, request, answer any) error {
	f.mu.Lock()
	c := call{id, update, updateID, request}
	f.calls = append(f.calls, c)
	serve := f.update
	f.mu.Unlock()
	if serve == nil {
		serve = f.serve
	}
	out, err := serve(ctx, c)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, answer)
}

func (f *fakePass) Visit(_ context.Context, id, visit string) (workflows.VisitView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if id != workflow || f.visits[visit] == nil {
		return workflows.VisitView{}, ErrNothing
	}
	v := f.view(visit)
	v.Employee = nil
	return v, nil
}

func (f *fakePass) view(visit string) workflows.VisitView {
	v := workflows.VisitView{
		Open: !f.ended && f.bad < workflows.WrongProofs, Locale: "en", Zone: "Europe/Oslo", Start: f.start,
		Minting: f.minting, Block: f.block, Final: f.final, Asked: f.asks, Refused: f.refused, Revealed: f.shown[visit],
		Journey: f.journey, Device: f.device,
	}
	if f.journey == jml.KindStaging {
		v.Owner = f.facts.GivenName + " " + f.facts.FamilyName
	}
	if f.proven < len(f.proofs) {
		v.Needed = &f.proofs[f.proven]
	}
	e := f.facts
	v.Employee = &e
	return v
}

func (f *fakePass) serve(_ context.Context, c call) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Workflow != workflow {
		return nil, ErrNothing
	}
	switch r := c.Request.(type) {
	case workflows.VisitRequest:
		if f.ended || f.wrong >= workflows.WrongCodes {
			return nil, ErrNothing
		}
		if r.LinkHash != f.hash || r.CodeHash != f.code {
			f.wrong++
			return workflows.VisitView{}, nil
		}
		f.visits[r.Visit] = r.PublicKey
		return f.view(r.Visit), nil
	case workflows.ProveRequest:
		if f.visits[r.Visit] == nil {
			return nil, ErrNothing
		}
		need := f.proofs[f.proven]
		if need.Name == r.Proof && (r.Passed || need.Kind == jml.ProofDesk && r.CodeHash == f.desk) {
			f.proven++
		} else {
			f.bad++
		}
		return f.view(r.Visit), nil
	case workflows.RevealRequest:
		public := f.visits[r.Visit]
		if public == nil || f.ended {
			return nil, ErrNothing
		}
		if f.block == nil && !f.minting && f.proven == len(f.proofs) && f.shown[r.Visit] == nil {
			sealed, err := secret.Seal(secret.NewPasscode(canary), public, r.Visit)
			if err != nil {
				return nil, err
			}
			p := f.pass
			p.CreatedAt = f.now()
			f.shown = map[string]*workflows.Revealed{r.Visit: {
				Pass: p, Sealed: sealed, SignInName: "kari.lund@example.com", Register: []jml.MethodKind{jml.MethodFIDO2, jml.MethodAuthenticator},
				At: f.now(), Closes: f.now().Add(15 * time.Minute), Ref: journey,
				Devices: f.devices, Makes: f.makes,
			}}
		}
		return f.view(r.Visit), nil
	case workflows.RepudiateRequest:
		if r.LinkHash != f.me {
			return nil, ErrNothing
		}
		f.ended = true
		return workflows.Answer{Done: true}, nil
	case workflows.AttestRequest:
		if r.LinkHash != f.vouch || r.NumberHash != f.number {
			return workflows.Answer{}, nil
		}
		f.refused = !r.Vouches
		if r.Vouches {
			f.proven++
		}
		return workflows.Answer{Done: true}, nil
	case workflows.AgainRequest:
		if r.LinkHash != f.hash || r.CodeHash != f.code {
			return nil, ErrNothing
		}
		return workflows.Answer{Done: true}, nil
	}
	return nil, ErrNothing
}

func (f *fakePass) updates() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]call(nil), f.calls...)
}

// fakeIdentity has function fields; nil ones agree.
type fakeIdentity struct {
	ready  func(name string) error
	fact   func(got identity.Fact, e jml.Snapshot) bool
	begin  func(name, locale string) (string, identity.Flow, error)
	finish func(flow identity.Flow, query url.Values, e jml.Snapshot) (identity.Result, error)
}

func (f *fakeIdentity) Ready(name string, _ jml.Snapshot) error {
	if f.ready == nil {
		return nil
	}
	return f.ready(name)
}

func (f *fakeIdentity) CheckFact(_ string, got identity.Fact, e jml.Snapshot) bool {
	if f.fact == nil {
		return got.BirthDate == e.BirthDate && got.EmployeeID == e.EmployeeID
	}
	return f.fact(got, e)
}

func (f *fakeIdentity) Begin(_ context.Context, name, locale string) (string, identity.Flow, error) {
	if f.begin == nil {
		return "https://eid.example.org/authorize?state=s-1&nonce=n", identity.Flow{Proof: name, State: "s-1", Nonce: "n", Verifier: "v"}, nil
	}
	return f.begin(name, locale)
}

func (f *fakeIdentity) Finish(_ context.Context, _ string, flow identity.Flow, query url.Values, e jml.Snapshot) (identity.Result, error) {
	if f.finish == nil {
		return identity.Result{Passed: query.Get("state") == flow.State, Identifier: "person-1", ACR: "urn:example:high"}, nil
	}
	return f.finish(flow, query, e)
}

// memory is a store of links.
type memory struct {
	mu    sync.Mutex
	links map[string]invitation.Link
	fail  error
}

func (m *memory) PutLinks(_ context.Context, links ...invitation.Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range links {
		m.links[l.Hash] = l
	}
	return nil
}

func (m *memory) FindLink(_ context.Context, hash string) (invitation.Link, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.links[hash]
	return l, ok, m.fail
}

// world is a page with everything around it.
type world struct {
	t         testing.TB
	h         http.Handler
	cfg       Config
	pass      *fakePass
	identity  *fakeIdentity
	store     *memory
	book      *invitation.Book
	ring      *codec.Keyring
	logs      *strings.Builder
	clock     time.Time
	token     string
	reference string
	code      string
	attest    string
	notMe     string
}

// lockedWriter lets a handler's goroutines log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func noon() time.Time { return time.Date(2031, 3, 3, 12, 0, 5, 0, time.UTC) }

func newWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	ring, err := codec.NewKeyring(noon())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: &memory{links: map[string]invitation.Link{}}, ring: ring, clock: noon(), identity: &fakeIdentity{}, logs: &strings.Builder{}}
	w.book, err = invitation.New(invitation.Config{Key: []byte(strings.Repeat("k", 32)), Store: w.store, Sealer: ring, URL: "https://start.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	locales, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.pass = &fakePass{
		book: w.book, visits: map[string][]byte{}, shown: map[string]*workflows.Revealed{}, now: func() time.Time { return w.clock },
		start: noon().Add(-time.Hour), facts: jml.Snapshot{
			EmployeeID: "E-1042", GivenName: "Kari", FamilyName: "Lund", BirthDate: jml.Date{Year: 2001, Month: 3, Day: 27}, Phone: "+4791234567",
		},
		pass: jml.Pass{StartAt: noon().Add(-time.Minute), Lifetime: 8 * time.Hour},
	}
	w.token, w.reference, w.pass.hash = w.link(invitation.Collect, "")
	code, hash := w.book.Code(workflow, round, w.pass.hash)
	w.code, w.pass.code = code.Reveal(), hash
	w.notMe, _, w.pass.me = w.link(invitation.Repudiate, "")
	w.attest, _, w.pass.vouch = w.link(invitation.Attest, "visit-x")
	w.pass.number = w.book.HashNumber(w.pass.vouch, "4711")
	w.cfg = Config{
		Book: w.book, Passes: w.pass, Identity: w.identity, Sealer: ring, Locales: locales, Locale: "en",
		Asks:         map[string][]string{"facts": {"birth_date", "employee_id"}, "birthday": {"birth_date"}, "number": {"employee_id"}},
		Organisation: Organisation{Name: "Fjordkraft Demo", Help: "Call the service desk on 22 00 00 00.", SignInURL: "https://mysignins.example.com/security-info", Colour: "#0a5c3a"},
		URL:          "https://start.example.com", TriesPerMinute: 1000, Floor: 20 * time.Millisecond,
		Now:    func() time.Time { return w.clock },
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: w.logs}, nil)),
	}
	for _, f := range change {
		f(w)
	}
	w.h, err = NewHandler(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func proofs(kinds ...jml.ProofKind) func(*world) {
	return func(w *world) {
		for _, k := range kinds {
			name := map[jml.ProofKind]string{jml.ProofFact: "facts", jml.ProofOIDC: "eid", jml.ProofManager: "manager", jml.ProofDesk: "desk"}[k]
			w.pass.proofs = append(w.pass.proofs, jml.Proof{Name: name, Kind: k})
		}
		w.pass.desk = w.book.HashDeskCode(journey, "987654")
		w.pass.asks = noon()
	}
}

func (w *world) link(k invitation.Kind, visit string) (token, reference, hash string) {
	made, err := w.book.Link(context.Background(), invitation.Spec{Kind: k, WorkflowID: workflow, Invitation: round, Visit: visit, Ref: journey, Until: noon().Add(time.Hour)})
	if err != nil {
		w.t.Fatal(err)
	}
	_, token, _ = strings.Cut(made.Link.Reveal(), "#")
	return token, made.Reference.Reveal(), made.Hash
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

// browser keeps cookies as one does, and follows nothing.
type browser struct {
	w      *world
	cookie map[string]string
	head   http.Header
	remote string
}

func (w *world) browser() *browser {
	return &browser{w: w, cookie: map[string]string{}, head: http.Header{"Sec-Fetch-Site": {"same-origin"}}, remote: "192.0.2.1:4444"}
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, "https://start.example.com"+path, body)
	for k, v := range b.head {
		r.Header[k] = v
	}
	r.RemoteAddr = b.remote
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range b.cookie {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	rec := httptest.NewRecorder()
	b.w.h.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookie, c.Name)
			continue
		}
		b.cookie[c.Name] = c.Value
	}
	return answer{res, rec.Body.String()}
}

func (b *browser) get(path string) answer { b.w.t.Helper(); return b.do("GET", path, nil) }
func (b *browser) post(path string, pairs ...string) answer {
	b.w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, form)
}

// follow gets where an answer leads, as often as it does.
func (b *browser) follow(a answer) answer {
	b.w.t.Helper()
	for range 5 {
		if a.StatusCode != http.StatusSeeOther {
			return a
		}
		path, _, _ := strings.Cut(a.Header.Get("Location"), "#")
		a = b.get(path)
	}
	b.w.t.Fatal("led in a circle")
	return a
}

// enter opens a visit.
func (b *browser) enter() answer {
	b.w.t.Helper()
	a := b.post("/p", "token", b.w.token, "code", b.w.code)
	if a.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("link and code gave %d", a.StatusCode)
	}
	return b.follow(a)
}

// reveal goes all the way.
func (b *browser) reveal() answer {
	b.w.t.Helper()
	b.enter()
	return b.follow(b.post("/p/reveal", "try", random()))
}

var heading = regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)

func (a answer) h1() string {
	if m := heading.FindStringSubmatch(a.body); m != nil {
		return m[1]
	}
	return ""
}

// want fails unless the answer has a status and a heading.
func (a answer) want(t testing.TB, status int, h1 string) {
	t.Helper()
	if a.StatusCode != status || a.h1() != h1 {
		t.Errorf("got %d %q, want %d %q", a.StatusCode, a.h1(), status, h1)
	}
}

// plainText is what is read: without markup, and as the clipboard has it.
func plainText(page string) string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, ""))
}

// visitFields lets tests see what a cookie holds.
func (b *browser) visit() visit {
	b.w.t.Helper()
	x := &exchange{h: &handler{cfg: b.w.cfg, https: true}, r: httptest.NewRequest("GET", "/", nil)}
	for k, v := range b.cookie {
		x.r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	v, ok := x.visit()
	if !ok {
		b.w.t.Fatal("no visit in the browser")
	}
	return v
}
