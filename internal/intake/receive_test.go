package intake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

func TestReceive(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped, func(c *config.Source) { c.When = `item.?kind.orValue("hire") == "hire"` })})
	list := []string{`{"id":1,"start":"2026-04-01"}`, `{"id":2,"start":"soon"}`, `{"kind":"holiday"}`, `{"id":3,"start":"2026-04-01"}`, `null`}
	w.now = noon.Add(10 * time.Second)
	for range 2 {
		rec := w.do(call("hr", `{"list":[`+strings.Join(list, ",")+`]}`))
		if got := rec.Body.String(); rec.Code != 200 || got != `{"accepted":2,"quarantined":2,"passed_over":1}`+"\n" {
			t.Errorf("%d %s", rec.Code, got)
		}
	}
	if len(w.delivered) != 2 {
		t.Errorf("told %d", len(w.delivered))
	}
	if q := w.only(t); !strings.HasPrefix(q.Reason, "item 2: start_date: ") || !strings.Contains(q.Reason, "; item 5: ") {
		t.Errorf("%+v", q)
	}
	if err := w.desk.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.desk.FlushCounts(t.Context()); err != nil { // once is enough
		t.Fatal(err)
	}
	status, err := w.desk.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Status{Source: "hr", Kind: config.SourceWebhook, LastSeen: w.now, Known: 2, PreHires: 2, Waiting: 1, ErrorRate: 0.4,
		Counts: map[string]int{countTaken: 2, countKnown: 2, countPassedOver: 2, countQuarantined: 4}}
	if d := cmp.Diff([]Status{want}, status); d != "" {
		t.Error(d)
	}
}

// TestReasonsAreBounded: a thousand bad items make one line that can be read.
func TestReasonsAreBounded(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped)})
	w.do(call("hr", `{"list":[`+strings.TrimSuffix(strings.Repeat(`{},`, 1000), ",")+`]}`))
	if q := w.only(t); len(q.Reason) > 10_000 || !strings.HasSuffix(q.Reason, fmt.Sprintf("; and %d more", 1000-maxReasons)) {
		t.Errorf("%d bytes: %s", len(q.Reason), q.Reason)
	}
}

// TestHalfTaken: what a delivery says of the first is not lost when the second
// can't be told, and is not told again when it comes again.
func TestHalfTaken(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped)})
	body := `{"list":[{"id":1,"start":"2026-04-01"},{"id":2,"start":"2026-04-01"},{"id":3,"start":"2026-04-01"}]}`
	w.onDeliver = func(s jml.Snapshot) error {
		if s.EmployeeID == "2" {
			return ErrUnavailable
		}
		return nil
	}
	if rec := w.do(call("hr", body)); rec.Code != 503 {
		t.Error(rec.Code)
	}
	w.onDeliver = nil
	w.now = noon.Add(time.Minute)
	if rec := w.do(call("hr", body)); rec.Code != 200 {
		t.Error(rec.Code)
	}
	var got []string
	for _, s := range w.delivered {
		got = append(got, s.EmployeeID)
	}
	if d := cmp.Diff([]string{"1", "2", "3"}, got); d != "" {
		t.Error(d)
	}
}

// TestCountsSurviveTheLedger: what can't be written is counted at the next try.
func TestCountsSurviveTheLedger(t *testing.T) {
	c := []config.Source{hook(t, "hr", mapped)}
	w := newWorld(t, c)
	w.do(call("hr", `{"id":1,"start":"2026-04-01"}`))
	book := w.desk.cfg.Ledger
	_ = book.Close()
	if err := w.desk.FlushCounts(t.Context()); err == nil {
		t.Fatal("written into a ledger that is closed")
	}
	before := w.desk
	w.restart(t, c)
	before.cfg.Ledger = w.book
	w.desk = before
	if err := w.desk.FlushCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := w.desk.Status(t.Context())
	if err != nil || s[0].Counts[countTaken] != 1 || !s[0].LastSeen.Equal(noon) {
		t.Errorf("%+v, %v", s, err)
	}
}
