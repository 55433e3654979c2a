package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

func noon() time.Time { return time.Date(2031, 3, 3, 12, 0, 0, 0, time.UTC) }

const (
	ref  = "a91b77c04f7a"
	here = "/journeys/joiner/hr/" + ref
)

// fake is a service whose answers tests choose.
type fake struct {
	rows    []board.Row
	state   board.State
	sum     ops.Summary
	journey func(id string) (ops.Journey, error)
	act     func(a ops.Action) (ops.Done, error)
	found   []ops.Found
	names   map[string]string // for operators only
	ledger  func(f ledger.RowFilter) ([]audit.Row, error)
	feedsOf []ops.Feed
	kept    []intake.Quarantined
	heldOf  []intake.Held
	change  ops.HeldChange
	recover func(ops.Recovery) (ops.Started, error)
	staging func(ops.Staging) (ops.Started, error)
	err     error // of everything that is only looked at
	asked   atomic.Int64
	acted   []ops.Action
	filters []board.Filter
}

func (f *fake) Board(_ context.Context, filter board.Filter) ([]board.Row, board.State, error) {
	f.asked.Add(1)
	f.filters = append(f.filters, filter)
	return f.rows, f.state, f.err
}
func (f *fake) Passes(context.Context) ([]board.Row, board.State, error) {
	return f.rows, f.state, f.err
}
func (f *fake) Names(ctx context.Context, ids []string) map[string]string {
	out := map[string]string{}
	if who, _ := access.From(ctx); who.Has(access.Operator) {
		for _, id := range ids {
			if name := f.names[id]; name != "" {
				out[id] = name
			}
		}
	}
	return out
}
func (f *fake) Summary(context.Context) (ops.Summary, error)             { return f.sum, f.err }
func (f *fake) Switch(context.Context) (ops.Switch, error)               { return f.sum.Switch, f.err }
func (f *fake) Feeds(context.Context) ([]ops.Feed, error)                { return f.feedsOf, f.err }
func (f *fake) Quarantine(context.Context) ([]intake.Quarantined, error) { return f.kept, f.err }
func (f *fake) Held(context.Context) ([]intake.Held, error)              { return f.heldOf, f.err }
func (f *fake) HeldChange(ctx context.Context, _ string) (ops.HeldChange, error) {
	out := f.change
	if who, _ := access.From(ctx); !who.Has(access.Operator) {
		out.Name, out.Version = "", ""
		out.Differs = nil
		for _, d := range f.change.Differs {
			out.Differs = append(out.Differs, ops.Difference{What: d.What})
		}
	}
	return out, f.err
}
func (f *fake) Search(context.Context, string) ([]ops.Found, error) { return f.found, f.err }
func (f *fake) Recover(_ context.Context, r ops.Recovery) (ops.Started, error) {
	return f.recover(r)
}
func (f *fake) StageDevice(_ context.Context, r ops.Staging) (ops.Started, error) {
	return f.staging(r)
}
func (f *fake) Ledger(_ context.Context, q ledger.RowFilter) ([]audit.Row, error) {
	if f.ledger == nil {
		return nil, f.err
	}
	return f.ledger(q)
}
func (f *fake) Journey(_ context.Context, id string) (ops.Journey, error) {
	if f.err != nil {
		return ops.Journey{}, f.err
	}
	if f.journey == nil {
		return oneJourney(), nil
	}
	return f.journey(id)
}
func (f *fake) Act(_ context.Context, a ops.Action) (ops.Done, error) {
	f.acted = append(f.acted, a)
	if f.act == nil {
		return ops.Done{What: "it is done"}, nil
	}
	return f.act(a)
}

func oneRow(change ...func(*board.Row)) board.Row {
	r := board.Row{
		WorkflowID: "joiner/hr/" + ref, RunID: "7f3c2b1e-0d4a", Kind: jml.KindJoiner, Source: "hr", Ref: ref, Site: "Oslo", Stage: jml.StageScheduled,
		Starts: noon().Add(20 * time.Hour), Changed: noon().Add(-90 * time.Minute), Began: noon().Add(-48 * time.Hour),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func oneJourney(change ...func(*ops.Journey)) ops.Journey {
	j := ops.Journey{Row: oneRow(), Version: "7f3c2b1e-4", Can: verbs(), View: workflows.JourneyView{
		Kind: jml.KindJoiner, Ref: ref, Source: "hr", Profile: "standard", Stage: jml.StageScheduled, Start: noon().Add(20 * time.Hour),
		Facts: jml.Snapshot{EmployeeID: "E-1042", GivenName: "Astrid", FamilyName: "Solbakken", Zone: "America/New_York"},
	}}
	for _, c := range change {
		c(&j)
	}
	return j
}

type site struct {
	t   *testing.T
	h   http.Handler
	svc *fake
	now time.Time
	who *access.Identity
}

func newSite(t *testing.T, svc *fake, change ...func(*Config)) *site {
	t.Helper()
	s := &site{t: t, svc: svc, now: noon(), who: &access.Identity{
		Subject: "3f1c", Name: "ida@example.com", Roles: []access.Role{access.Viewer, access.Operator, access.Approver, access.Auditor},
	}}
	if svc.state.Read.IsZero() {
		svc.state.Read = noon()
	}
	cfg := Config{
		Service: svc, Organisation: "Nordlys", TemporalUI: "https://temporal.example.com/ui/", Namespace: "first pass",
		Runbooks: "# Operations\n\n## Blocked\n\n<a id=\"blocked-userNotFound\"></a>\n### userNotFound\n\nText\n", Verifications: []string{"callback"},
		Now: func() time.Time { return s.now },
	}
	for _, c := range change {
		c(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.h = h
	return s
}

type answer struct {
	*httptest.ResponseRecorder
	t *testing.T
}

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	if s.who != nil {
		r = r.WithContext(access.With(r.Context(), *s.who))
	}
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return answer{ResponseRecorder: w, t: s.t}
}

func (s *site) get(path string, head ...string) answer {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://ops.example.com"+path, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	return s.do(r)
}

func (s *site) post(path string, pairs ...string) answer {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "https://ops.example.com"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

func (a answer) status(want int) answer {
	a.t.Helper()
	if a.Code != want {
		a.t.Fatalf("status %d, want %d: %s", a.Code, want, firstWords(a.Body.String()))
	}
	return a
}

func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, want := range texts {
		if !strings.Contains(a.Body.String(), want) {
			a.t.Errorf("the page lacks %q", want)
		}
	}
	return a
}

func (a answer) lacks(texts ...string) answer {
	a.t.Helper()
	for _, not := range texts {
		if strings.Contains(a.Body.String(), not) {
			a.t.Errorf("the page has %q", not)
		}
	}
	return a
}

// elements calls f for each of the page.
func (a answer) elements(f func(*html.Node)) {
	a.t.Helper()
	doc, err := html.Parse(strings.NewReader(a.Body.String()))
	if err != nil {
		a.t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			f(n)
		}
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func firstWords(s string) string { return s[:min(len(s), 600)] }

// fields is what the page's form to do something would send.
func (a answer) fields() map[string]string {
	out := map[string]string{}
	a.elements(func(n *html.Node) {
		if n.Data == "input" && attribute(n, "name") != "" {
			out[attribute(n, "name")] = attribute(n, "value")
		}
	})
	return out
}
