package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/board"
)

func rowsOf(n int) []board.Row {
	out := make([]board.Row, n)
	for i := range out {
		out[i] = board.Row{WorkflowID: fmt.Sprintf("joiner/hr/r%03d", i), Kind: jml.KindJoiner, Source: "hr", Ref: fmt.Sprintf("r%03d", i), Stage: jml.StageScheduled}
	}
	return out
}

func read[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// The board's filter is what the query says.
func TestFilter(t *testing.T) {
	s := willing()
	var got board.Filter
	s.board = func(_ context.Context, f board.Filter) ([]board.Row, board.State, error) {
		got = f
		return nil, board.State{}, nil
	}
	w := newWorld(t, s)
	if rec := w.ask("GET", calls()["listJourneys"][1], ""); rec.Code != 200 {
		t.Fatal(rec.Body)
	}
	want := board.Filter{
		Kinds: []jml.Kind{jml.KindJoiner, jml.KindMover}, Stages: []jml.Stage{jml.StageBlocked}, Reasons: []jml.BlockReason{jml.ReasonHeld},
		Source: "hr", Site: "Rotterdam", Channel: "mail", NeedsAction: true, Live: true, Closed: true, Lost: true,
		From: time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2031, 3, 20, 0, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Paging shows every journey once, also if the last of a page has gone
// meanwhile.
func TestPages(t *testing.T) {
	for _, n := range []int{0, 1, 3, 6, 7} {
		rows := rowsOf(n)
		s := willing()
		s.board = func(context.Context, board.Filter) ([]board.Row, board.State, error) { return rows, board.State{}, nil }
		w := newWorld(t, s)
		var seen []string
		cursor := ""
		for pages := 0; ; pages++ {
			if pages > 4 {
				t.Fatalf("%d journeys: the pages have no end", n)
			}
			rec := w.ask("GET", "/v1/journeys?limit=3&cursor="+cursor, "")
			if cursor == "" {
				rec = w.ask("GET", "/v1/journeys?limit=3", "")
			}
			p := read[JourneyPage](t, rec.Body.Bytes())
			if p.Total != n {
				t.Errorf("%d journeys: total %d", n, p.Total)
			}
			for _, r := range p.Items {
				seen = append(seen, r.Ref)
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		var want []string
		for _, r := range rows {
			want = append(want, r.Ref)
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("%d journeys (-want +got):\n%s", n, diff)
		}
	}

	rows := rowsOf(6)
	s := willing()
	s.board = func(context.Context, board.Filter) ([]board.Row, board.State, error) { return rows, board.State{}, nil }
	w := newWorld(t, s)
	first := read[JourneyPage](t, w.ask("GET", "/v1/journeys?limit=3", "").Body.Bytes())
	rows = append(rows[:2:2], rows[3:]...) // the third, where the page ended, is gone
	second := read[JourneyPage](t, w.ask("GET", "/v1/journeys?limit=3&cursor="+first.Next, "").Body.Bytes())
	if len(second.Items) != 2 || second.Items[0].Ref != "r004" {
		t.Errorf("after a row had gone: %+v", second.Items)
	}
}

// The ETag is of what the board says, not of when it was read.
func TestBoardETag(t *testing.T) {
	state := board.State{Read: noon, Rows: 2, Version: 1}
	rows := rowsOf(2)
	s := willing()
	s.board = func(context.Context, board.Filter) ([]board.Row, board.State, error) { return rows, state, nil }
	w := newWorld(t, s)
	tag := w.ask("GET", "/v1/journeys", "").Header().Get("ETag")
	state.Read = noon.Add(time.Minute)
	for _, have := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		rec := w.ask("GET", "/v1/journeys", "", "If-None-Match", have)
		if rec.Code != http.StatusNotModified || rec.Body.Len() != 0 || rec.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %s", have, rec.Code, rec.Body)
		}
	}
	for name, change := range map[string]func(){
		"a fault":  func() { state.Fault = "Temporal does not answer" },
		"a row":    func() { rows[0].Stage = jml.StageBlocked },
		"one more": func() { rows = rowsOf(3) },
	} {
		change()
		rec := w.ask("GET", "/v1/journeys", "", "If-None-Match", tag)
		if rec.Code != http.StatusOK || rec.Header().Get("ETag") == tag {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Header().Get("ETag"))
		}
		tag = rec.Header().Get("ETag")
	}
}

// wave is a board that changes when the test says.
type wave struct {
	state   board.State
	rows    []board.Row
	changed chan struct{}
	asked   int
}

func (b *wave) service() *fake {
	s := willing()
	s.board = func(context.Context, board.Filter) ([]board.Row, board.State, error) {
		b.asked++
		return b.rows, b.state, nil
	}
	s.wait = func(ctx context.Context, version uint64) (uint64, error) {
		for b.state.Version == version {
			select {
			case <-b.changed:
			case <-ctx.Done():
				return b.state.Version, nil
			}
		}
		return b.state.Version, nil
	}
	return s
}

func (b *wave) change(rows []board.Row) {
	b.rows, b.state.Version = rows, b.state.Version+1
	b.changed <- struct{}{}
}

// Somebody who watches hears at once of what concerns them, and of nothing else.
func TestWatch(t *testing.T) {
	b := &wave{rows: rowsOf(1), state: board.State{Version: 1}, changed: make(chan struct{})}
	w := newWorld(t, b.service())
	client, err := NewClientWithResponses("http://local", WithHTTPClient(Local(w.handler, noor)))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b.changed = make(chan struct{}) // of the bubble
		now, err := client.ListJourneysWithResponse(t.Context(), &ListJourneysParams{})
		if err != nil || now.StatusCode() != 200 {
			t.Fatalf("%v %s", err, now.Body)
		}
		tag := now.HTTPResponse.Header.Get("ETag")
		watch := func(wait string) (*ListJourneysResponse, time.Duration) {
			began := time.Now()
			p := &ListJourneysParams{Wait: &wait}
			if tag != "" {
				p.IfNoneMatch = &tag
			}
			r, err := client.ListJourneysWithResponse(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			return r, time.Since(began)
		}

		// Nothing happens.
		r, took := watch("30s")
		if r.StatusCode() != http.StatusNotModified || took != 30*time.Second {
			t.Errorf("nothing happens: %d after %s", r.StatusCode(), took)
		}
		// Something happens that the filter leaves out, and then something else.
		go func() {
			time.Sleep(5 * time.Second)
			b.change(rowsOf(1))
			time.Sleep(5 * time.Second)
			b.change(rowsOf(2))
		}()
		b.asked = 0
		r, took = watch("30s")
		if r.StatusCode() != 200 || took != 10*time.Second || len(r.JSON200.Items) != 2 {
			t.Errorf("a change: %d after %s", r.StatusCode(), took)
		}
		if b.asked != 3 {
			t.Errorf("the board was asked %d times, want once and after each change", b.asked)
		}
		// What the caller has is old already.
		if r, took = watch("30s"); r.StatusCode() != 200 || took != 0 {
			t.Errorf("an old tag: %d after %s", r.StatusCode(), took)
		}
		// Without a tag there is nothing to wait for.
		tag = ""
		if r, took = watch("30s"); r.StatusCode() != 200 || took != 0 {
			t.Errorf("no tag: %d after %s", r.StatusCode(), took)
		}
	})
}

// A journey's tag moves with its pass; an action looks at the version only.
func TestJourneyETag(t *testing.T) {
	j := someJourney()
	var acted ops.Action
	s := willing()
	s.journey = func(_ context.Context, id string) (ops.Journey, error) {
		if id != "joiner/hr/abc" {
			t.Errorf("asked for %q", id)
		}
		return j, nil
	}
	s.act = func(_ context.Context, a ops.Action) (ops.Done, error) { acted = a; return ops.Done{What: "done"}, nil }
	w := newWorld(t, s)
	const at = "/v1/journeys/joiner/hr/abc"
	tag := w.ask("GET", at, "").Header().Get("ETag")
	if !strings.HasPrefix(tag, `"0a1b2c3d-7.`) {
		t.Fatalf("ETag %s", tag)
	}
	if rec := w.ask("GET", at, "", "If-None-Match", tag); rec.Code != http.StatusNotModified {
		t.Errorf("unchanged: %d", rec.Code)
	}
	j.Pass.Looks++
	if rec := w.ask("GET", at, "", "If-None-Match", tag); rec.Code != http.StatusOK {
		t.Errorf("the pass has moved on: %d", rec.Code)
	}
	for have, want := range map[string]string{tag: "0a1b2c3d-7", `"0a1b2c3d-7"`: "0a1b2c3d-7", "*": "", "": ""} {
		header := []string{"Idempotency-Key", "12345678"}
		if have != "" {
			header = append(header, "If-Match", have)
		}
		if rec := w.ask("POST", at+"/actions", `{"verb":"hold","reason":"wait for it"}`, header...); rec.Code != 200 {
			t.Fatal(rec.Body)
		}
		if diff := cmp.Diff(ops.Action{Verb: ops.VerbHold, Object: "joiner/hr/abc", Reason: "wait for it", Version: want, ID: "12345678"}, acted); diff != "" {
			t.Errorf("If-Match %s:\n%s", have, diff)
		}
	}
}

// What an action says arrives.
func TestActions(t *testing.T) {
	var acted ops.Action
	s := willing()
	s.act = func(_ context.Context, a ops.Action) (ops.Done, error) { acted = a; return ops.Done{What: "done"}, nil }
	w := newWorld(t, s)
	const user = "7a3f9f60-5d6e-4f0f-9d59-b1f0c6d1a001"
	for _, c := range []struct {
		path, body string
		want       ops.Action
	}{
		{"journeys/mover/hr/abc", `{"verb":"move","reason":"laptop","start":"2031-03-17","hour":"09:30","until":"2031-04-01T00:00:00Z"}`,
			ops.Action{Verb: ops.VerbMove, Object: "mover/hr/abc", Reason: "laptop", Start: jml.Date{Year: 2031, Month: 3, Day: 17}, Hour: jml.Clock{Hour: 9, Minute: 30}, Until: time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC)}},
		{"journeys/joiner/hr/abc", `{"verb":"link","reason":"other id","user_id":"` + user + `"}`, ops.Action{Verb: ops.VerbLink, Object: "joiner/hr/abc", Reason: "other id", UserID: user}},
		{"journeys/joiner/hr/abc", `{"verb":"resend","reason":"bounced","channel":"sms"}`, ops.Action{Verb: ops.VerbResend, Object: "joiner/hr/abc", Reason: "bounced", Channel: "sms"}},
		{"journeys/joiner/hr/abc", `{"verb":"registered","reason":"seen it","proof":"the key in hand"}`, ops.Action{Verb: ops.VerbRegistered, Object: "joiner/hr/abc", Reason: "seen it", Proof: "the key in hand"}},
		{"feeds/hr", `{"verb":"release","reason":"it is right"}`, ops.Action{Verb: ops.VerbRelease, Object: "hr", Reason: "it is right"}},
		{"quarantine/q-1", `{"verb":"replay","reason":"mapped"}`, ops.Action{Verb: ops.VerbReplay, Object: "q-1", Reason: "mapped"}},
		{"held/abc", `{"verb":"heldReject","reason":"not his"}`, ops.Action{Verb: ops.VerbHeldReject, Object: "abc", Reason: "not his"}},
	} {
		if rec := w.ask("POST", "/v1/"+c.path+"/actions", c.body); rec.Code != 200 {
			t.Errorf("%s %s: %s", c.path, c.body, rec.Body)
		}
		if diff := cmp.Diff(c.want, acted); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
	for on, want := range map[string]ops.Verb{"true": ops.VerbHalt, "false": ops.VerbLift} {
		if w.ask("PUT", "/v1/halt", `{"on":`+on+`,"reason":"because"}`); acted.Verb != want {
			t.Errorf("on %s: %s", on, acted.Verb)
		}
	}
	// A field that the verb has no use for means that something else was meant.
	for body, path := range map[string]string{
		`{"verb":"hold","reason":"because","start":"2031-03-17"}`:           "body.start",
		`{"verb":"hold","reason":"because","hour":"09:00"}`:                 "body.hour",
		`{"verb":"link","reason":"because","until":"2031-04-01T00:00:00Z"}`: "body.until",
		`{"verb":"cancel","reason":"because","user_id":"` + user + `"}`:     "body.user_id",
		`{"verb":"revoke","reason":"because","channel":"sms"}`:              "body.channel",
		`{"verb":"approve","reason":"because","proof":"a key"}`:             "body.proof",
	} {
		rec := w.ask("POST", "/v1/journeys/joiner/hr/abc/actions", body)
		if p := problemIn(t, rec.Body.Bytes()); rec.Code != 400 || len(p.Errors) != 1 || p.Errors[0].Path != path {
			t.Errorf("%s: %d %+v", body, rec.Code, p)
		}
	}
}

// The wish for a recovery or a staging arrives, and the reply says where it is.
func TestRequests(t *testing.T) {
	s := willing()
	var recovery ops.Recovery
	var staging ops.Staging
	begun, stage := s.recover, s.stage
	s.recover = func(ctx context.Context, r ops.Recovery) (ops.Started, error) { recovery = r; return begun(ctx, r) }
	s.stage = func(ctx context.Context, r ops.Staging) (ops.Started, error) { staging = r; return stage(ctx, r) }
	w := newWorld(t, s)
	rec := w.ask("POST", "/v1/recoveries", `{"employee":"E-1","loss":"stolen","verified":"video","ticket":"T1","for":"manager","methods":["m1"],"keep_sessions":true,"note":"n"}`)
	if rec.Header().Get("Location") != "/v1/journeys/recovery/hr/abc" {
		t.Errorf("Location %s: %s", rec.Header().Get("Location"), rec.Body)
	}
	if got, want := read[Begun](t, rec.Body.Bytes()), (Begun{WorkflowID: "recovery/hr/abc", Kind: jml.KindRecovery, Source: "hr", Ref: "abc", Profile: "office"}); got != want {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(ops.Recovery{Whom: ops.Whom{Name: "E-1"}, Loss: jml.LossStolen, Verified: "video", Ticket: "T1", For: jml.RequesterManager, Methods: []string{"m1"}, KeepSessions: true, Note: "n"}, recovery); diff != "" {
		t.Error(diff)
	}
	w.ask("POST", "/v1/stagings", calls()["askStaging"][2])
	if diff := cmp.Diff(ops.Staging{Whom: ops.Whom{Name: "E-1", Source: "hr"}, Technician: "sam@example.com", Device: "L1", Window: time.Hour, Ticket: "T1"}, staging); diff != "" {
		t.Error(diff)
	}
}

// Of the ledger, a full page has a next one, but backwards.
func TestLedgerPages(t *testing.T) {
	var got ledger.RowFilter
	s := willing()
	s.ledger = func(_ context.Context, f ledger.RowFilter) ([]audit.Row, error) {
		got = f
		row := audit.Row{Seq: 11, Entry: audit.Entry{Time: noon, Event: "pass.issued"}}
		return []audit.Row{row, row}, nil
	}
	w := newWorld(t, s)
	for query, next := range map[string]uint64{"limit=2": 11, "limit=3": 0, "limit=2&newest=true": 0} {
		if p := read[LedgerPage](t, w.ask("GET", "/v1/ledger/rows?"+query, "").Body.Bytes()); p.Next != next {
			t.Errorf("%s: next %d, want %d", query, p.Next, next)
		}
	}
	w.ask("GET", "/v1/ledger/rows?"+url.Values{"actor": {"noor@example.com"}, "from": {"2031-03-01T00:00:00Z"}, "event": {"pass.issued", "pass.gone"}}.Encode(), "")
	want := ledger.RowFilter{Actor: "noor@example.com", From: time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC), Events: []audit.Event{"pass.issued", "pass.gone"}, Limit: 200}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(ledger.RowFilter{})); diff != "" {
		t.Error(diff)
	}
}

// What a journey knows of a passcode, sealed or not, and of evidence stays.
func TestNothingSecret(t *testing.T) {
	w := newWorld(t, willing())
	body := w.ask("GET", "/v1/journeys/joiner/hr/abc", "").Body.String()
	for _, secret := range []string{"sealed", "c2VhbGVk", "keyed hash", "evidence", "birth"} {
		if strings.Contains(body, secret) {
			t.Errorf("the reply holds %q: %s", secret, body)
		}
	}
	// It would have shown:
	raw, _ := json.Marshal(someJourney())
	if !strings.Contains(string(raw), "c2VhbGVk") {
		t.Error("the test journey has no sealed passcode")
	}
}

// While Temporal is away there is the row, and that it is old.
func TestStale(t *testing.T) {
	s := willing()
	s.journey = func(context.Context, string) (ops.Journey, error) {
		return ops.Journey{Row: someRow(), Stale: true, Gaps: []string{"the journey itself is missing"}}, nil
	}
	rec := newWorld(t, s).ask("GET", "/v1/journeys/joiner/hr/abc", "")
	if j := read[Journey](t, rec.Body.Bytes()); !j.Stale || j.Employee != nil || j.Row.Ref != "abc" || len(j.Gaps) != 1 {
		t.Errorf("%s", rec.Body)
	}
}
