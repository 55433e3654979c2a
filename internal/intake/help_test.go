package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// canary is a value that must show nowhere.
const canary = "Quxley-7f3a"

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

const (
	bambooKey = "invented-private-key-of-a-webhook"
	oldKey    = "invented-key-from-before-rotation"
	hookKey   = "whsec_aW52ZW50ZWQta2V5LW9mLTMyLWJ5dGVzLWZvci10ZXN0" // invented-key-of-32-bytes-for-test
)

func refs(t testing.TB) Refs {
	t.Helper()
	r, err := NewRefs(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// exampleSources are the sources of config/example.yaml with invented keys, so
// that what the example shows is what these tests run.
func exampleSources(t testing.TB) []config.Source {
	t.Helper()
	c, err := config.Load("../../config/example.yaml", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	c.Sources[0].Verify.KeyFiles = []string{file(t, bambooKey+"\n"), file(t, oldKey)}
	c.Sources[1].Verify.KeyFiles = []string{file(t, hookKey)}
	return c.Sources[:2]
}

func profile(name string) jml.Profile {
	if name != "default" {
		return jml.Profile{}
	}
	return jml.Profile{Name: name, StartHour: jml.Clock{Hour: 9}, LeadTime: 48 * time.Hour, Timeout: 7 * 24 * time.Hour}
}

// chooser stands for the rules.
type chooser func(kind jml.Kind, s jml.Snapshot) jml.Choice

func (w *world) Choose(kind jml.Kind, _ string, s jml.Snapshot, _ *jml.User) jml.Choice {
	if w.choose != nil {
		return w.choose(kind, s)
	}
	if kind != jml.KindJoiner {
		return jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}
	}
	return jml.Choice{Profile: profile("default")}
}

// world is intake with a real ledger and a faked Temporal.
type world struct {
	*Handler
	desk *Desk
	book *ledger.Ledger
	path string // of the ledger's file
	keys *codec.Keyring
	now  time.Time
	log  bytes.Buffer

	mu        sync.Mutex
	delivered []jml.Snapshot
	notices   []Notice
	acts      []audit.Entry
	fail      error         // what Temporal answers
	hang      chan struct{} // Temporal answers once it is closed; nil: at once
	at        []string      // keys of the notices

	errands []Errand   // joiners', as delivered
	others  []Errand   // movers', as delivered
	signals []Errand   // to journeys that may run
	runs    []jml.Kind // those that do
	begun   []Errand   // recoveries and stagings
	onBegin func(Errand) error
	joiner  OutcomeKind // what comes of a joiner; empty: delivered
	choose  chooser     // nil: profile "default" for joiners, none for others

	through   Deliverer                // what is behind it; nil: nothing
	onDeliver func(jml.Snapshot) error // what Temporal does before it takes a snapshot
	onAppend  func(audit.Entry) error  // what the audit does before it takes a line
	hires     []map[string]any         // what Entra holds
	onHires   func(n int) error        // what Entra does after n users
	hiresFrom [2]time.Time             // what it was asked for
}

func (w *world) quarantined(t *testing.T) []Quarantined {
	t.Helper()
	list, err := w.desk.QuarantineList(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// taken is what Temporal was told so far.
func (w *world) taken() []jml.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.delivered)
}

func (w *world) Deliver(ctx context.Context, e Errand) (Outcome, error) {
	if w.hang != nil {
		select {
		case <-w.hang:
		case <-ctx.Done():
			return Outcome{}, ErrUnavailable
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	if w.fail != nil {
		return Outcome{}, w.fail
	}
	if e.Kind != jml.KindJoiner {
		w.others = append(w.others, e)
		return w.outcome(e, OutcomeDelivered), nil
	}
	if w.onDeliver != nil {
		if err := w.onDeliver(e.Snapshot); err != nil {
			return Outcome{}, err
		}
	}
	w.delivered = append(w.delivered, e.Snapshot)
	w.errands = append(w.errands, e)
	if w.through != nil {
		return w.through.Deliver(ctx, e)
	}
	return w.outcome(e, cmp.Or(w.joiner, OutcomeDelivered)), nil
}

func (w *world) outcome(e Errand, kind OutcomeKind) Outcome {
	return Outcome{Kind: kind, Ref: e.Ref, WorkflowID: workflows.JourneyID(e.Kind, e.Source, e.Ref)}
}

func (w *world) Introduce(ctx context.Context, e Errand) (Outcome, error) { return w.Deliver(ctx, e) }

// Signal reaches the journeys in w.runs.
func (w *world) Signal(ctx context.Context, e Errand) (Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := cmp.Or(ctx.Err(), w.fail); err != nil {
		return Outcome{}, err
	}
	w.signals = append(w.signals, e)
	if !slices.Contains(w.runs, e.Kind) {
		return w.outcome(e, OutcomeIgnored), nil
	}
	return w.outcome(e, OutcomeDelivered), nil
}

func (w *world) Begin(ctx context.Context, e Errand) (Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onBegin != nil {
		if err := w.onBegin(e); err != nil {
			return w.outcome(e, OutcomeIgnored), err
		}
	}
	w.begun = append(w.begun, e)
	return w.outcome(e, OutcomeStarted), cmp.Or(ctx.Err(), w.fail)
}

func (w *world) Notify(_ context.Context, _, key string, n Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	w.notices, w.at = append(w.notices, n), append(w.at, key)
	return nil
}

func (w *world) Append(_ context.Context, e audit.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onAppend != nil {
		if err := w.onAppend(e); err != nil {
			return err
		}
	}
	w.acts = append(w.acts, e)
	return nil
}

// compiled makes sources of their configuration.
func compiled(t testing.TB, list []config.Source, by Profiles) []*Source {
	t.Helper()
	x, err := mapping.NewCompiler(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Source
	for i, c := range list {
		s, err := NewSource(SourceConfig{
			At: fmt.Sprintf("sources[%d]", i), Source: c, Profile: profile(c.Profile), Profiles: by, LateLimit: 7 * 24 * time.Hour, Compiler: x,
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func newWorld(t testing.TB, sources []config.Source, edit ...func(*HandlerConfig)) *world {
	t.Helper()
	w := &world{path: filepath.Join(t.TempDir(), "ledger.db"), now: noon}
	var err error
	if w.keys, err = codec.NewKeyring(noon); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.book.Close() })
	w.restart(t, sources, edit...)
	return w
}

// restart is what happens when the process ends and begins anew, perhaps with
// another configuration.
func (w *world) restart(t testing.TB, sources []config.Source, edit ...func(*HandlerConfig)) {
	t.Helper()
	clock := func() time.Time { return w.now }
	if w.book != nil {
		_ = w.book.Close()
	}
	var err error
	w.book, err = ledger.Open(t.Context(), ledger.Config{Driver: ledger.SQLite, File: w.path, Sealer: w.keys, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.desk, err = NewDesk(DeskConfig{
		Sources: compiled(t, sources, w), Ledger: w.book, Starter: w, Notices: w, Refs: refs(t), Audit: w, Hires: w, Now: clock, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := HandlerConfig{Desk: w.desk, Ready: func(context.Context) error { return nil }, MaxBody: 64 << 10, Now: clock, Logger: log}
	for _, e := range edit {
		e(&cfg)
	}
	if w.Handler, err = NewHandler(cfg); err != nil {
		t.Fatal(err)
	}
}

func (w *world) Hires(_ context.Context, from, to time.Time, yield func(map[string]any) error) error {
	w.hiresFrom = [2]time.Time{from, to}
	for i, h := range w.hires {
		if w.onHires != nil {
			if err := w.onHires(i); err != nil {
				return err
			}
		}
		if err := yield(h); err != nil {
			return err
		}
	}
	return nil
}

// hook is a webhook whose items are canonical snapshots.
func hook(t testing.TB, name string, edit ...func(*config.Source)) config.Source {
	t.Helper()
	c := config.Source{Name: name, Kind: config.SourceWebhook, Profile: "default",
		Verify: config.Verify{Kind: config.VerifyBearer, KeyFiles: []string{file(t, hookToken)}}}
	for _, e := range edit {
		e(&c)
	}
	return c
}

const hookToken = "invented-token-of-some-length"

// call is a request to a hook.
func call(source, body string) *http.Request {
	r := post(source, body)
	r.Header.Set("Authorization", "Bearer "+hookToken)
	return r
}

// tenant is a source that is read whole, whose items are canonical snapshots.
func tenant(edit ...func(*config.Source)) config.Source {
	c := config.Source{Name: "tenant", Kind: config.SourceEntra, Profile: "default", VanishedAfter: 3,
		Entra: config.Entra{Every: time.Hour, Ahead: 90 * 24 * time.Hour, Behind: 14 * 24 * time.Hour},
		Brake: config.Brake{Share: 1, Least: 1000}}
	for _, e := range edit {
		e(&c)
	}
	return c
}

// item is a canonical snapshot as a tree, undated.
func item(s jml.Snapshot) map[string]any {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a Snapshot always marshals
	}
	out := map[string]any{}
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	for _, ours := range []string{"observed_at", "zone_rule", "hold"} {
		delete(out, ours)
	}
	return out
}

// feed reads the tenant, which holds list at a time.
func (w *world) feed(t testing.TB, at time.Duration, list ...jml.Snapshot) workflows.FeedResult {
	t.Helper()
	out, err := w.tryFeed(t, at, list...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) tryFeed(t testing.TB, at time.Duration, list ...jml.Snapshot) (workflows.FeedResult, error) {
	t.Helper()
	w.now, w.hires = noon.Add(at), nil
	for _, s := range list {
		w.hires = append(w.hires, item(s))
	}
	return w.desk.ReadFeed(t.Context(), workflows.FeedInput{Source: "tenant"}, nil)
}

// last is what Temporal was told last; it forgets all of it.
func (w *world) last(t testing.TB) jml.Snapshot {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.delivered) != 1 {
		t.Fatalf("Temporal was told %d times, want once", len(w.delivered))
	}
	s := w.delivered[0]
	w.delivered = nil
	return s
}

// known is what the ledger holds of an employee.
func (w *world) known(t testing.TB, people, id string) (ledger.Employee, jml.Known) {
	t.Helper()
	e, found, err := w.book.Employee(t.Context(), people, refs(t).Ref(people, id))
	if err != nil || !found {
		t.Fatalf("employee %s: found %v, %v", id, found, err)
	}
	k, err := known(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, *k
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

func post(source, body string) *http.Request {
	return httptest.NewRequest("POST", "/v1/intake/"+source, strings.NewReader(body))
}

func hexMAC(key, msg string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, msg)
	return hex.EncodeToString(mac.Sum(nil))
}

// bamboo makes a request the way BambooHR's documentation describes.
func bamboo(body string, at time.Time, key string) *http.Request {
	r := post("bamboohr", body)
	stamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("X-BambooHR-Timestamp", stamp)
	r.Header.Set("X-BambooHR-Signature", hexMAC(key, body+stamp))
	return r
}

// bambooEmployee is one employee of a BambooHR body: names and values in turn.
func bambooEmployee(id string, kv ...string) string {
	var names, f []string
	last := map[string]string{} // of a name given twice, the later value
	for i := 0; i < len(kv); i += 2 {
		if _, twice := last[kv[i]]; !twice {
			names = append(names, kv[i])
		}
		last[kv[i]] = kv[i+1]
	}
	for _, n := range names {
		f = append(f, strconv.Quote(n)+`:{"value":`+strconv.Quote(last[n])+`}`)
	}
	return `{"id":"` + id + `","changedFields":[],"fields":{` + strings.Join(f, ",") + `}}`
}

func employees(list ...string) string { return `{"employees":[` + strings.Join(list, ",") + `]}` }

// good is an employee that maps without a complaint.
func good(id string) string {
	return bambooEmployee(id, "Employee #", id, "Hire Date", "2026-04-01", "Location", "Berlin")
}

// api is an invented HR system that we call.
type api struct {
	*httptest.Server
	ca string // file
}

func newAPI(t testing.TB, h http.HandlerFunc) *api {
	t.Helper()
	a := &api{Server: httptest.NewTLSServer(h)}
	t.Cleanup(a.Close)
	a.ca = file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})))
	return a
}

// request calls a; path is an expression for what follows the host.
func (a *api) request(path string) config.Request {
	return config.Request{
		URL: `"` + a.URL + `" + ` + path, Method: "GET", Auth: config.Auth{Kind: config.AuthNone}, CAFile: a.ca,
		AllowHosts: []string{strings.TrimPrefix(a.URL, "https://")}, PerSecond: 1000, Timeout: 10 * time.Second, MaxReply: 1 << 20,
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func compilerOf(t testing.TB) *mapping.Compiler {
	t.Helper()
	x, err := mapping.NewCompiler(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
