package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

// fake is a service of function fields. One that is nil must not be called.
type fake struct {
	board      func(context.Context, board.Filter) ([]board.Row, board.State, error)
	wait       func(context.Context, uint64) (uint64, error)
	journey    func(context.Context, string) (ops.Journey, error)
	act        func(context.Context, ops.Action) (ops.Done, error)
	recover    func(context.Context, ops.Recovery) (ops.Started, error)
	stage      func(context.Context, ops.Staging) (ops.Started, error)
	passes     func(context.Context) ([]board.Row, board.State, error)
	feeds      func(context.Context) ([]ops.Feed, error)
	quarantine func(context.Context) ([]intake.Quarantined, error)
	held       func(context.Context) ([]intake.Held, error)
	search     func(context.Context, string) ([]ops.Found, error)
	ledger     func(context.Context, ledger.RowFilter) ([]audit.Row, error)
	halt       func(context.Context) (ops.Switch, error)
	summary    func(context.Context) (ops.Summary, error)
}

func (f *fake) Board(ctx context.Context, b board.Filter) ([]board.Row, board.State, error) {
	return f.board(ctx, b)
}
func (f *fake) Wait(ctx context.Context, v uint64) (uint64, error) { return f.wait(ctx, v) }
func (f *fake) Journey(ctx context.Context, id string) (ops.Journey, error) {
	return f.journey(ctx, id)
}
func (f *fake) Act(ctx context.Context, a ops.Action) (ops.Done, error) { return f.act(ctx, a) }
func (f *fake) Recover(ctx context.Context, r ops.Recovery) (ops.Started, error) {
	return f.recover(ctx, r)
}
func (f *fake) StageDevice(ctx context.Context, s ops.Staging) (ops.Started, error) {
	return f.stage(ctx, s)
}
func (f *fake) Passes(ctx context.Context) ([]board.Row, board.State, error) { return f.passes(ctx) }
func (f *fake) Feeds(ctx context.Context) ([]ops.Feed, error)                { return f.feeds(ctx) }
func (f *fake) Quarantine(ctx context.Context) ([]intake.Quarantined, error) {
	return f.quarantine(ctx)
}
func (f *fake) Held(ctx context.Context) ([]intake.Held, error) { return f.held(ctx) }
func (f *fake) Search(ctx context.Context, q string) ([]ops.Found, error) {
	return f.search(ctx, q)
}
func (f *fake) Ledger(ctx context.Context, r ledger.RowFilter) ([]audit.Row, error) {
	return f.ledger(ctx, r)
}
func (f *fake) Switch(ctx context.Context) (ops.Switch, error)   { return f.halt(ctx) }
func (f *fake) Summary(ctx context.Context) (ops.Summary, error) { return f.summary(ctx) }

var (
	noon = time.Date(2031, 3, 3, 12, 0, 0, 0, time.UTC)
	noor = access.Identity{Subject: "11111111-2222-4333-8444-555555555555", Name: "noor@example.com", Roles: []access.Role{access.Operator}}
)

func someRow() board.Row {
	return board.Row{
		WorkflowID: "joiner/hr/abc", RunID: "0a1b2c3d-0000-4000-8000-000000000000", Kind: jml.KindJoiner, Source: "hr", Ref: "abc", Site: "Rotterdam",
		Stage: jml.StagePass, Pass: jml.StageWaiting, Channel: "mail", Starts: noon, Expires: noon.Add(time.Hour), PassID: "pass/x", Began: noon, Changed: noon,
	}
}

func someJourney() ops.Journey {
	issued := &workflows.IssueResult{
		Pass:         jml.Pass{MethodID: "m1", CreatedAt: noon, StartAt: noon, Lifetime: time.Hour, OneTime: true, RequestID: "rq1"},
		HandedOverAt: noon, Sealed: []byte("sealed passcode"),
	}
	hour := jml.Clock{Hour: 9}
	m := jml.Method{ID: "k1", Kind: jml.MethodFIDO2, CreatedAt: noon, AAGUID: "a"}
	delivery := workflows.Delivery{N: 1, Message: "pass", Channel: "mail", To: "personalMail", Status: jml.DeliveryDelivered, At: noon, MessageID: "mid"}
	view := &workflows.PickupView{LinkUntil: noon, Visits: 1, Proofs: []workflows.Proven{{Proof: "desk", Kind: "desk", At: noon, Evidence: "keyed hash"}}}
	return ops.Journey{
		Row: someRow(), Version: "0a1b2c3d-7", Gaps: []string{"the ledger can't be read"},
		View: workflows.JourneyView{
			Kind: jml.KindJoiner, Ref: "abc", Source: "hr", Profile: "office", Stage: jml.StagePass, Start: noon, IssueAt: noon, Deadline: noon, FirstSeen: noon,
			Facts: jml.Snapshot{EmployeeID: "E-1", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2031, Month: 3, Day: 3}, StartTime: &hour, Zone: "Europe/Amsterdam", GivenName: "Mila"},
			User:  &jml.User{ID: "u1", UPN: "mila@example.com", Enabled: true}, Block: jml.Blocked(jml.ReasonNoRecipient, "d"),
			Pass:       &workflows.PassResult{End: jml.EndTimedOut, Issued: issued, Pickup: view, Registered: &m, Revoked: &workflows.RevokeResult{MethodIDs: []string{"m0"}, GoneAt: noon}},
			Stopping:   &jml.Stop{Outcome: jml.StageCancelled, Actor: "noor@example.com", Reason: "asked"},
			Request:    &jml.Request{ID: "r1", Actor: "noor@example.com", For: jml.RequesterOperator, At: noon, Loss: jml.LossLost},
			Approval:   &jml.Approval{AskedAt: noon},
			Held:       &workflows.Word{Actor: "noor@example.com", Reason: "wait"},
			Override:   &workflows.MoveRequest{Word: workflows.Word{Actor: "noor@example.com", Reason: "late"}, Date: jml.Date{Year: 2031, Month: 3, Day: 4}, Hour: hour},
			Removed:    []jml.Method{m},
			Deliveries: []workflows.Delivery{delivery},
		},
		Pass:     &workflows.PassView{Stage: jml.StageWaiting, Issued: issued, Registered: &m, Pickup: view, Deliveries: []workflows.Delivery{delivery}},
		Timeline: []ops.Moment{{At: noon, What: "Entra made the pass", Event: audit.EventPassIssued, Seq: 7, RequestID: "rq1"}, {At: noon, What: "expires", Ahead: true}},
		Can:      []ops.Verb{ops.VerbHold}, Cannot: map[ops.Verb]string{ops.VerbRevoke: "there is no live pass"},
	}
}

// willing is a service that does everything.
func willing() *fake {
	state := board.State{Read: noon, Rows: 1, Version: 1}
	return &fake{
		board: func(context.Context, board.Filter) ([]board.Row, board.State, error) {
			return []board.Row{someRow()}, state, nil
		},
		wait:    func(ctx context.Context, v uint64) (uint64, error) { <-ctx.Done(); return v, nil },
		journey: func(context.Context, string) (ops.Journey, error) { return someJourney(), nil },
		act: func(context.Context, ops.Action) (ops.Done, error) {
			return ops.Done{What: "done", Version: "0a1b2c3d-8", Result: &workflows.JourneyResult{Outcome: jml.StageRevoked, Pass: &workflows.PassResult{Revoked: &workflows.RevokeResult{GoneAt: noon}}}, Replay: &intake.Replayed{Still: []string{"no"}}}, nil
		},
		recover: func(context.Context, ops.Recovery) (ops.Started, error) {
			return ops.Started{WorkflowID: "recovery/hr/abc", Ref: "abc", Profile: "office"}, nil
		},
		stage: func(context.Context, ops.Staging) (ops.Started, error) {
			return ops.Started{WorkflowID: "staging/hr/abc", Ref: "abc", Profile: "office", Approval: true}, nil
		},
		passes: func(context.Context) ([]board.Row, board.State, error) { return []board.Row{someRow()}, state, nil },
		feeds: func(context.Context) ([]ops.Feed, error) {
			return []ops.Feed{{Status: intake.Status{Source: "hr", LastSeen: noon, Counts: map[string]int{"received": 2}}, Health: ops.HealthPaused, Paused: &ledger.Pause{Actor: "noor@example.com", Reason: "test", Since: noon}}}, nil
		},
		quarantine: func(context.Context) ([]intake.Quarantined, error) {
			return []intake.Quarantined{{ID: "q1", Source: "hr", Reason: "start_date: missing", At: noon, Size: 3}}, nil
		},
		held: func(context.Context) ([]intake.Held, error) {
			return []intake.Held{{Kind: jml.HoldContact, Source: "hr", Ref: "abc", Since: noon}}, nil
		},
		search: func(context.Context, string) ([]ops.Found, error) {
			return []ops.Found{{Source: "hr", Ref: "abc", Name: "Mila Vos", Starts: jml.Date{Year: 2031, Month: 3, Day: 3}, Journeys: []board.Row{someRow()}}}, nil
		},
		ledger: func(context.Context, ledger.RowFilter) ([]audit.Row, error) {
			return []audit.Row{{Seq: 7, Entry: audit.Entry{Time: noon, Event: audit.EventPassIssued, Ref: "abc"}, Prev: []byte{1}, Hash: []byte{2}}}, nil
		},
		halt: func(context.Context) (ops.Switch, error) {
			return ops.Switch{On: true, Actor: "noor@example.com", Reason: "break-in", Since: noon}, nil
		},
		summary: func(context.Context) (ops.Summary, error) {
			return ops.Summary{State: state, Stages: map[jml.Stage]int{jml.StageBlocked: 1}, Silent: []string{"payroll"}, Gaps: []string{"feeds"}}, nil
		},
	}
}

// refusing is a service that answers everything with err.
func refusing(err error) *fake {
	return &fake{
		board:      func(context.Context, board.Filter) ([]board.Row, board.State, error) { return nil, board.State{}, err },
		wait:       func(context.Context, uint64) (uint64, error) { return 0, err },
		journey:    func(context.Context, string) (ops.Journey, error) { return ops.Journey{}, err },
		act:        func(context.Context, ops.Action) (ops.Done, error) { return ops.Done{}, err },
		recover:    func(context.Context, ops.Recovery) (ops.Started, error) { return ops.Started{}, err },
		stage:      func(context.Context, ops.Staging) (ops.Started, error) { return ops.Started{}, err },
		passes:     func(context.Context) ([]board.Row, board.State, error) { return nil, board.State{}, err },
		feeds:      func(context.Context) ([]ops.Feed, error) { return nil, err },
		quarantine: func(context.Context) ([]intake.Quarantined, error) { return nil, err },
		held:       func(context.Context) ([]intake.Held, error) { return nil, err },
		search:     func(context.Context, string) ([]ops.Found, error) { return nil, err },
		ledger:     func(context.Context, ledger.RowFilter) ([]audit.Row, error) { return nil, err },
		halt:       func(context.Context) (ops.Switch, error) { return ops.Switch{}, err },
		summary:    func(context.Context) (ops.Summary, error) { return ops.Summary{}, err },
	}
}

// world is a handler, and the description to hold its replies against.
type world struct {
	t       *testing.T
	doc     *openapi3.T
	handler http.Handler
	log     *bytes.Buffer
	id      *access.Identity // nil: nobody
}

func newWorld(t *testing.T, s *fake) *world {
	t.Helper()
	w := &world{t: t, doc: theDoc(t), log: &bytes.Buffer{}, id: &noor}
	var err error
	if w.handler, err = New(Config{Service: s, Logger: newLogger(w.log)}); err != nil {
		t.Fatal(err)
	}
	return w
}

func newLogger(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// theDoc is the description, read once for all tests, which only read it.
var theDoc = func() func(*testing.T) *openapi3.T {
	var once sync.Once
	var doc *openapi3.T
	return func(t *testing.T) *openapi3.T {
		once.Do(func() { doc = readDoc(t, description) })
		return doc
	}
}()

func readDoc(t *testing.T, raw []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func asking(t *testing.T, method, target, body string, header ...string) *http.Request {
	t.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, b)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// ask sends a request and holds the reply against the description.
func (w *world) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.send(asking(w.t, method, target, body, header...))
}

func (w *world) send(r *http.Request) *httptest.ResponseRecorder {
	w.t.Helper()
	if w.id != nil {
		r = r.WithContext(access.With(r.Context(), *w.id))
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	w.promised(r, rec)
	return rec
}

// promised fails the test if a reply is not as described.
func (w *world) promised(r *http.Request, rec *httptest.ResponseRecorder) {
	w.t.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"} {
		if got := rec.Header().Get(name); got != want {
			w.t.Errorf("%s %s: %s: %q, want %q", r.Method, r.URL.Path, name, got, want)
		}
	}
	if !regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`).MatchString(rec.Header().Get("X-Request-Id")) {
		w.t.Errorf("%s %s: X-Request-Id: %q", r.Method, r.URL.Path, rec.Header().Get("X-Request-Id"))
	}
	route := w.route(r)
	if route == nil {
		// No operation: the problem is all that is promised.
		route = &routers.Route{Spec: w.doc, Path: "/v1/me", PathItem: w.doc.Paths.Value("/v1/me"), Method: "GET", Operation: w.doc.Paths.Value("/v1/me").Get}
		if rec.Code < 400 {
			w.t.Fatalf("%s %s: %d, and no operation of the description", r.Method, r.URL.Path, rec.Code)
		}
	}
	err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route},
		Status:                 rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		w.t.Errorf("%s %s: %d: not as described: %v\n%s", r.Method, r.URL.Path, rec.Code, err, rec.Body)
	}
}

// route finds the operation of the description that a request is for.
func (w *world) route(r *http.Request) *routers.Route {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for at, item := range w.doc.Paths.Map() {
		form := "^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(at), "[^/]+") + "$"
		if op := item.GetOperation(method); op != nil && regexp.MustCompile(form).MatchString(r.URL.EscapedPath()) {
			return &routers.Route{Spec: w.doc, Path: at, PathItem: item, Method: method, Operation: op}
		}
	}
	return nil
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Config{Service: &fake{}, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			b.Fatal(err)
		}
	}
}
