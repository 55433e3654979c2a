// Package pages is the pick-up page as people and bots meet it: the real
// handler, the real links in a real ledger, over TLS, in a real Chromium. Of
// the pass's workflow there is a stand-in (pass_test.go); workflows' own tests,
// and those of the development world, are about the real one.
//
// Pictures of all pages go to the folder that SHOTS names.
package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/eidsim"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/pickup"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

const (
	round    = "run-1"
	passcode = "Wq7-kX2p+9Zd"
	desk     = "987654"
)

func noon() time.Time { return time.Date(2031, 3, 3, 12, 0, 5, 0, time.UTC) }

// clock is everybody's but the browser's.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a page with everything around it.
type world struct {
	t       *testing.T
	browser *browser.Browser
	url     string
	cfg     pickup.Config
	pass    *pass
	clock   *clock
	eid     *eidsim.Provider
	// naked takes away what keeps the page out of frames.
	naked bool

	token, reference, code, notMe string

	mu    sync.Mutex
	heard []heard
}

// heard is a request as the server had it.
type heard struct {
	method, uri, head, body string
}

// link makes a link and returns its token and what the workflow knows of it.
func link(book *invitation.Book, s invitation.Spec) (token, hash string, err error) {
	made, err := book.Link(context.Background(), s)
	if err != nil {
		return "", "", err
	}
	_, token, _ = strings.Cut(made.Link.Reveal(), "#")
	return token, made.Hash, nil
}

func newWorld(t *testing.T, b *browser.Browser, change ...func(*world)) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, browser: b, clock: &clock{t: noon()}}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	// By a name: to the provider and to attackers at 127.0.0.1 it is another
	// site, not only another origin.
	w.url = "https://localhost:" + port

	ring, err := codec.NewKeyring(noon())
	must(err)
	store, err := ledger.Open(t.Context(), ledger.Config{Driver: ledger.SQLite, File: filepath.Join(t.TempDir(), "ledger.db"), Sealer: ring, Now: w.clock.now})
	must(err)
	t.Cleanup(func() { _ = store.Close() })
	book, err := invitation.New(invitation.Config{Key: []byte(strings.Repeat("k", 32)), Store: store, Sealer: ring, URL: w.url})
	must(err)
	w.pass = &pass{
		now: w.clock.now, book: book, id: workflows.PassID("3f1c"), ref: "a91b77c04f7a", window: 15 * time.Minute,
		facts: jml.Snapshot{
			EmployeeID: "E-1042", GivenName: "Astrid Marie", FamilyName: "Solbakken", BirthDate: jml.Date{Year: 1994, Month: 3, Day: 17},
		},
		upn: "astrid.solbakken@example.com", code: secret.NewPasscode(passcode), startAt: noon().Add(-time.Hour),
		linkUntil: noon().Add(24 * time.Hour), answers: map[string]json.RawMessage{},
	}
	w.pass.deskHash = book.HashDeskCode(w.pass.ref, desk)
	made, err := book.Link(t.Context(), invitation.Spec{Kind: invitation.Collect, WorkflowID: w.pass.id, Invitation: round, Ref: w.pass.ref, Until: w.pass.linkUntil})
	must(err)
	_, w.token, _ = strings.Cut(made.Link.Reveal(), "#")
	w.reference, w.pass.linkHash = made.Reference.Reveal(), made.Hash
	code, hash := book.Code(w.pass.id, round, made.Hash)
	w.code, w.pass.codeHash = code.Reveal(), hash
	w.notMe, w.pass.repudiate, err = link(book, invitation.Spec{Kind: invitation.Repudiate, WorkflowID: w.pass.id, Invitation: round, Ref: w.pass.ref, Until: w.pass.linkUntil})
	must(err)

	locales, err := locale.Load(nil)
	must(err)
	w.cfg = pickup.Config{
		Book: book, Passes: w.pass, Sealer: ring, Locales: locales, Locale: "en",
		Asks:         map[string][]string{"facts": {identity.FactBirthDate, identity.FactEmployeeID}},
		Organisation: pickup.Organisation{Name: "Fjordlys Example", Help: "Call the service desk on 22 00 00 00.", SignInURL: "https://mysignins.example.com/security-info", Colour: "#0a5c3a"},
		URL:          w.url, TriesPerMinute: 100000, Floor: 20 * time.Millisecond, Now: w.clock.now, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(w)
	}
	proofs := map[string]identity.Proof{"facts": {Kind: jml.ProofFact, Ask: w.cfg.Asks["facts"]}}
	if w.needs(jml.ProofOIDC) {
		w.eid, err = eidsim.Start(eidsim.Config{RedirectURL: w.url + "/p/eid/return", Now: w.clock.now})
		must(err)
		t.Cleanup(func() { _ = w.eid.Close() })
		ca := filepath.Join(t.TempDir(), "ca.pem")
		must(os.WriteFile(ca, w.eid.CAPEM(), 0o600))
		proofs["eid"] = identity.Proof{
			Kind: jml.ProofOIDC, Issuer: w.eid.URL(), ClientID: eidsim.DefaultClientID, ClientSecret: eidsim.DefaultClientSecret, CAFile: ca,
			Match: `claims.birthdate == employee.birth_date && sameName(claims.family_name, employee.family_name)`,
		}
	}
	if w.cfg.Identity == nil {
		w.cfg.Identity, err = identity.New(identity.Config{Proofs: proofs, ReturnURL: w.url + "/p/eid/return", Now: w.clock.now})
		must(err)
	}
	h, err := pickup.NewHandler(w.cfg)
	must(err)
	srv.Config.Handler = w.record(h)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return w
}

func (w *world) needs(k jml.ProofKind) bool {
	for _, p := range w.pass.proofs {
		if p.Kind == k {
			return true
		}
	}
	return false
}

// proofs makes the pass ask for them, in order.
func proofs(kinds ...jml.ProofKind) func(*world) {
	return func(w *world) {
		for _, k := range kinds {
			name := map[jml.ProofKind]string{jml.ProofFact: "facts", jml.ProofOIDC: "eid", jml.ProofManager: "manager", jml.ProofDesk: "desk"}[k]
			w.pass.proofs = append(w.pass.proofs, jml.Proof{Name: name, Kind: k})
		}
	}
}

// record notes what reaches the server.
func (w *world) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		r.Body = io.NopCloser(bytes.NewReader(body))
		var head strings.Builder
		for name, values := range r.Header {
			if name != "Cookie" {
				fmt.Fprintf(&head, "%s: %s\n", name, strings.Join(values, ", "))
			}
		}
		w.mu.Lock()
		w.heard = append(w.heard, heard{r.Method, r.RequestURI, head.String(), string(body)})
		naked := w.naked
		w.mu.Unlock()
		if naked {
			rw = undressed{rw}
		}
		next.ServeHTTP(rw, r)
	})
}

// undressed leaves out what keeps a page out of frames.
type undressed struct{ http.ResponseWriter }

func (u undressed) WriteHeader(status int) {
	u.Header().Del("Content-Security-Policy")
	u.Header().Del("X-Frame-Options")
	u.ResponseWriter.WriteHeader(status)
}

func (w *world) requests() []heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]heard(nil), w.heard...)
}

// secrets are what no address, header or history may hold, by name.
func (w *world) secrets() map[string]string {
	out := map[string]string{"token": w.token, "reference": w.reference, "token of not me": w.notMe, "code": w.code, "passcode": passcode}
	w.pass.is(func(p *pass) {
		for i, token := range p.asked {
			out[fmt.Sprint("token of manager ", i)] = token
		}
	})
	return out
}

// check is what has to hold whatever a test does: no secret reaches the server
// but in the body of a form, no browser keeps one in its history, and no page
// asks anybody else for anything, or breaks its own policy.
func (d *device) check() {
	holds := func(text string) string {
		for name, s := range d.w.secrets() {
			if strings.Contains(text, s) {
				return name
			}
		}
		return ""
	}
	for _, q := range d.w.requests() {
		if name := holds(q.uri + "\n" + q.head); name != "" {
			d.t.Errorf("%s: the %s stands in the address or a header", q.method, name)
		}
		if strings.Contains(q.head, "Referer: "+d.w.url) {
			d.t.Errorf("%s %s: with a Referer", q.method, q.uri)
		}
	}
	history, err := d.History(context.Background())
	if err != nil {
		d.t.Error(err)
	}
	for _, at := range history {
		if name := holds(at); name != "" {
			d.t.Errorf("the %s stands in the browser's history", name)
		}
	}
	for _, q := range d.Requests() {
		if !slices.ContainsFunc(append(d.elsewhere, d.w.url+"/", "about:", "data:"), func(s string) bool { return strings.HasPrefix(q.URL, s) }) {
			d.t.Errorf("a page asked for %s", q.URL)
		}
	}
	told := false
	for _, red := range d.Trouble() {
		switch {
		case strings.Contains(red, "the server responded with a status of"): // 4xx
		case d.refused && strings.Contains(red, "frame-ancestors 'none'"):
			told = true
		default:
			d.t.Errorf("in red: %s", red)
		}
	}
	if d.refused && !told {
		d.t.Error("the page was not kept out of the frame")
	}
}

// device is a browser that somebody sits at.
type device struct {
	*browser.Tab
	w         *world
	t         *testing.T
	elsewhere []string // where it may go beside our pages
	refused   bool     // it has to be told that a page does not show in a frame
}

func (w *world) device(v browser.View) *device {
	w.t.Helper()
	return w.with(w.browser.Tab(w.t, v))
}

func (w *world) with(tab *browser.Tab) *device {
	d := &device{Tab: tab, w: w, t: w.t}
	if w.eid != nil {
		d.elsewhere = append(d.elsewhere, w.eid.URL()+"/")
	}
	w.t.Cleanup(d.check) // before the tab closes
	return d
}

func (d *device) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// open goes to one of our pages.
func (d *device) open(path string) *device {
	d.t.Helper()
	// A fragment alone would not load the page again.
	d.must(d.Open(d.t.Context(), "about:blank"))
	d.must(d.Open(d.t.Context(), d.w.url+path))
	d.must(d.Settle(d.t.Context()))
	return d
}

// fill types into fields: selector, text, selector, text.
func (d *device) fill(pairs ...string) *device {
	d.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		d.must(d.Type(d.t.Context(), pairs[i], pairs[i+1]))
	}
	return d
}

const button = "main form button[type=submit]"

// send presses the form's button.
func (d *device) send() *device { d.t.Helper(); return d.follow(button) }

func (d *device) follow(selector string) *device {
	d.t.Helper()
	d.must(d.Follow(d.t.Context(), selector))
	d.must(d.Settle(d.t.Context()))
	return d
}

// enter opens a visit.
func (d *device) enter() *device {
	d.t.Helper()
	return d.open("/p#"+d.w.token).fill("#code", d.w.code).send()
}

// collect opens a visit and has the pass shown; there must be no proof left.
func (d *device) collect() *device {
	d.t.Helper()
	return d.enter().send().want("Your pass")
}

func eval[T any](d *device, script string) T {
	d.t.Helper()
	v, err := browser.Eval[T](d.t.Context(), d.Tab, script)
	d.must(err)
	return v
}

// h1 is the page's heading; empty between two pages.
func (d *device) h1() string {
	s, err := browser.Eval[string](d.t.Context(), d.Tab, `document.querySelector("h1")?.innerText ?? ""`)
	if err != nil {
		return ""
	}
	return s
}

// want waits for a page by its heading.
func (d *device) want(h1 string) *device {
	d.t.Helper()
	var got string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if got = d.h1(); got == h1 {
			return d
		}
		d.must(d.Settle(d.t.Context()))
	}
	text, _ := d.Text(d.t.Context())
	d.t.Fatalf("the page is %q, want %q:\n%s", got, h1, text)
	return d
}

// shows tells whether a page has the pass anywhere, be it hidden.
func (d *device) shows() bool {
	d.t.Helper()
	return strings.Contains(eval[string](d, `document.documentElement.outerHTML.replace(/<\/?span>/g, "")`), passcode)
}
