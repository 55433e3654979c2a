package intake

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// startsAs has a map that finds the start where it says.
func startsAs(expr string) func(*config.Source) {
	return func(c *config.Source) {
		c.DefaultZone = "Europe/Berlin"
		c.Map = map[string]string{"employee_id": "string(item.id)", "status": `"scheduled"`, "start_date": "localDate(" + expr + ")", "given_name": `item.?name.orValue("")`}
	}
}

const unread = `{"id":9007199254740993,"begin":"2026-04-01","name":"` + canary + `"}`

func (w *world) only(t *testing.T) Quarantined {
	t.Helper()
	list := w.quarantined(t)
	if len(list) != 1 {
		t.Fatalf("%d records in the quarantine, want one: %v", len(list), list)
	}
	return list[0]
}

func (w *world) replay(t *testing.T, id string) Replayed {
	t.Helper()
	out, err := w.desk.QuarantineReplay(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestQuarantineKeepsOnce(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.start"))})
	for i := range 3 {
		w.now = noon.Add(time.Duration(i) * time.Minute)
		r := call("hr", unread)
		r.Header.Set("Cookie", "session=invented-session")
		r.Header.Set("Proxy-Authorization", "Basic invented-proxy")
		r.Header.Set("X-Event", "employee.created")
		if rec := w.do(r); rec.Code != 200 {
			t.Fatal(rec.Code)
		}
	}
	q := w.only(t)
	if !q.At.Equal(noon) || q.Source != "hr" || !strings.Contains(q.Reason, "start_date: ") {
		t.Errorf("%+v", q)
	}
	w.do(call("hr", strings.Replace(unread, "04-01", "04-02", 1)))
	if n := len(w.quarantined(t)); n != 2 {
		t.Errorf("%d records of two bodies", n)
	}
	_, raw, err := w.book.QuarantinedBody(t.Context(), q.ID)
	if err != nil || !bytes.Contains(raw, []byte("employee.created")) {
		t.Errorf("%v: %s", err, raw)
	}
	for _, secret := range []string{hookToken, "invented-session", "invented-proxy"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the quarantine keeps %s", secret)
		}
	}
	w.noCanary(t, "")
}

func TestReplayDelivery(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.start"))})
	w.do(call("hr", unread))
	q := w.only(t)
	w.now = noon.Add(time.Hour)
	if out := w.replay(t, q.ID); len(out.Still) != 1 || !strings.HasPrefix(out.Still[0], "item 1: start_date: ") || len(out.Taken) != 0 {
		t.Errorf("%+v", out)
	}
	w.only(t)

	w.restart(t, []config.Source{hook(t, "hr", startsAs("item.begin"))})
	w.fail = ErrUnavailable
	if _, err := w.desk.QuarantineReplay(t.Context(), q.ID); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	w.only(t) // nothing is lost to a Temporal that is away
	w.fail = nil
	if out := w.replay(t, q.ID); len(out.Still) != 0 || len(out.Taken) != 1 || out.Taken[0].Kind != OutcomeDelivered {
		t.Errorf("%+v", out)
	}
	if s := w.last(t); s.EmployeeID != "9007199254740993" || !s.ObservedAt.Equal(noon) {
		t.Errorf("told %+v", s)
	}
	if n := len(w.quarantined(t)); n != 0 {
		t.Errorf("%d records left", n)
	}
	if _, err := w.desk.QuarantineReplay(t.Context(), q.ID); !errors.Is(err, ErrNotQuarantined) {
		t.Error(err)
	}
}

func TestReplayRow(t *testing.T) {
	w := newWorld(t, []config.Source{tenant(startsAs("item.start"))})
	row := map[string]any{"id": int64(9007199254740993), "begin": "2026-04-01", "name": canary}
	read := func(at time.Duration) workflows.FeedResult {
		w.now, w.hires = noon.Add(at), []map[string]any{row}
		out, err := w.desk.ReadFeed(t.Context(), workflows.FeedInput{Source: "tenant"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	read(0)
	if out := read(time.Hour); out.Quarantined != 1 {
		t.Errorf("%+v", out)
	}
	q := w.only(t)
	_, shown, err := w.desk.QuarantineShow(t.Context(), q.ID)
	if err != nil || !bytes.Contains(shown, []byte("9007199254740993")) {
		t.Errorf("%s, %v", shown, err)
	}
	w.restart(t, []config.Source{tenant(startsAs("item.begin"))})
	w.replay(t, q.ID)
	if s := w.last(t); s.EmployeeID != "9007199254740993" || !s.ObservedAt.Equal(noon) {
		t.Errorf("told %+v", s)
	}
	w.noCanary(t, "")
}

// TestReplayIsNotNews: what was set aside does not undo what HR said since.
func TestReplayIsNotNews(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.start"))})
	w.do(call("hr", unread))
	q := w.only(t)
	w.now = noon.Add(time.Hour)
	w.do(call("hr", `{"id":9007199254740993,"start":"2026-05-01"}`))
	if s := w.last(t); s.StartDate.Month != 5 {
		t.Errorf("told %+v", s)
	}
	w.restart(t, []config.Source{hook(t, "hr", startsAs("item.begin"))})
	if out := w.replay(t, q.ID); len(out.Taken) != 1 || out.Taken[0].Kind != OutcomeOutdated || len(w.delivered) != 0 {
		t.Errorf("%+v, told %v", out, w.delivered)
	}
	if n := len(w.quarantined(t)); n != 0 {
		t.Errorf("%d records left", n)
	}
}

func TestQuarantineDrop(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.start"))})
	w.do(call("hr", unread))
	q := w.only(t)
	w.onAppend = func(audit.Entry) error {
		w.only(t) // the line comes first
		return errors.New("no space left")
	}
	if err := w.desk.QuarantineDrop(t.Context(), q.ID, "operator", "a test"); err == nil {
		t.Error("dropped without a line in the audit")
	}
	w.only(t)
	w.onAppend = nil
	if err := w.desk.QuarantineDrop(t.Context(), q.ID, "operator", "a test"); err != nil {
		t.Fatal(err)
	}
	want := audit.Entry{Time: noon, Event: audit.EventQuarantineDropped, Ref: q.ID, Actor: "operator", Reason: "a test", Detail: "source hr"}
	if d := cmp.Diff([]audit.Entry{want}, w.acts); d != "" || len(w.quarantined(t)) != 0 {
		t.Error(d)
	}
	if err := w.desk.QuarantineDrop(t.Context(), q.ID, "operator", "again"); !errors.Is(err, ErrNotQuarantined) || len(w.acts) != 1 {
		t.Errorf("%v, %v", err, w.acts)
	}
}

func TestQuarantineExpires(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.start"), func(c *config.Source) { c.Dedupe = `header[?"x-id"].orValue("")` })})
	deliver := func() string {
		r := call("hr", unread)
		r.Header.Set("X-Id", "1")
		return strings.TrimSpace(w.do(r).Body.String())
	}
	deliver()
	keep := Keep{Quarantine: 30 * day, Deliveries: 14 * day}
	for _, tc := range []struct {
		at    time.Duration
		left  int
		reply string
	}{
		{14*day - time.Second, 1, `{"accepted":0,"quarantined":0,"duplicate":true}`},
		{14*day + time.Second, 1, `{"accepted":0,"quarantined":1}`}, // an id that is forgotten, a body that is there
		{30*day - time.Second, 1, ""},
		{30*day + time.Second, 0, ""},
	} {
		w.now = noon.Add(tc.at)
		w.desk.purge(t.Context(), keep)
		if n := len(w.quarantined(t)); n != tc.left {
			t.Errorf("after %v: %d records, want %d", tc.at, n, tc.left)
		}
		if tc.reply != "" {
			if got := deliver(); got != tc.reply {
				t.Errorf("after %v: %s", tc.at, got)
			}
		}
	}
	if !strings.Contains(w.log.String(), "quarantined records have expired") {
		t.Error("nobody is told that records expired")
	}
}

func TestQuarantineOfAnotherKey(t *testing.T) {
	w := newWorld(t, nil)
	err := w.book.Keep(t.Context(), ledger.Quarantined{ID: "x", Source: "gone"}, []byte(`{"row":{"item":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.QuarantineReplay(t.Context(), "x"); !errors.Is(err, ErrNoSource) {
		t.Error(err)
	}
	if err := w.desk.QuarantineDrop(t.Context(), "x", "operator", "its source is gone"); err != nil {
		t.Error(err)
	}
}
