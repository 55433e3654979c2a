package intake

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

func (w *world) pause(t *testing.T, source string, on bool) {
	t.Helper()
	if err := w.book.SetPause(t.Context(), ledger.Pause{Source: source, On: on, Actor: "op", Reason: "asked to"}); err != nil {
		t.Fatal(err)
	}
}

func starting(id, day string) string { return fmt.Sprintf(`{"id":%s,"begin":"%s"}`, id, day) }

// TestPauseKeepsWebhooks: what a paused source sends is acknowledged, kept, and
// taken in the order in which it came once it is resumed.
func TestPauseKeepsWebhooks(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.begin"))})
	w.pause(t, "hr", true)
	// The last says what the first said: both count.
	for i, body := range []string{starting("7", "2026-04-01"), starting("7", "2026-04-08"), starting("7", "2026-04-01"), `{"begin":"nonsense"}`} {
		w.now = noon.Add(time.Duration(i) * time.Second)
		if rec := w.do(call("hr", body)); rec.Code != 200 {
			t.Fatalf("%d: %d %s", i, rec.Code, rec.Body)
		}
	}
	unsigned := call("hr", "{}")
	unsigned.Header.Set("Authorization", "Bearer wrong")
	if rec := w.do(unsigned); rec.Code != 401 {
		t.Errorf("unsigned: %d", rec.Code)
	}
	if list := w.quarantined(t); len(list) != 4 || list[0].Reason != reasonPaused || len(w.taken()) > 0 {
		t.Fatalf("%d kept, %d told", len(list), len(w.taken()))
	}
	status, err := w.desk.Status(t.Context())
	if err != nil || status[0].Paused.IsZero() || status[0].Kept != 4 {
		t.Errorf("%+v, %v", status, err)
	}
	if err := w.desk.resume(t.Context()); err != nil || len(w.taken()) > 0 {
		t.Fatalf("resumed though paused: %v", err)
	}
	w.pause(t, "hr", false)
	w.fail = errors.New("away")
	if err := w.desk.resume(t.Context()); err == nil {
		t.Error("Temporal is away, and nobody hears")
	}
	w.fail = nil
	if err := w.desk.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	var days []int
	for _, s := range w.taken() {
		days = append(days, s.StartDate.Day)
	}
	if got := fmt.Sprint(days); got != "[1 8 1]" && got != "[1 1 8 1]" { // the first twice, as Temporal may have had it
		t.Errorf("told of %s", got)
	}
	if q := w.only(t); q.Reason == reasonPaused || !strings.Contains(q.Reason, "employee_id") && !strings.Contains(q.Reason, "start_date") {
		t.Errorf("%+v", q)
	}
	if status, _ = w.desk.Status(t.Context()); !status[0].Paused.IsZero() || status[0].Kept > 0 {
		t.Errorf("%+v", status)
	}
}

// TestPauseOvertaken: what came while paused does not undo what came since.
func TestPauseOvertaken(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.begin"))})
	w.pause(t, "hr", true)
	w.do(call("hr", starting("7", "2026-04-01")))
	w.pause(t, "hr", false)
	w.now = noon.Add(time.Second)
	w.do(call("hr", starting("7", "2026-04-08")))
	if err := w.desk.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.last(t); s.StartDate.Day != 8 || len(w.quarantined(t)) > 0 {
		t.Errorf("told last of day %d", s.StartDate.Day)
	}
	// Kept at the moment of resuming, after it had been gone through.
	if err := w.desk.putOff(t.Context(), w.desk.sources["hr"], parcel{Delivery: &Delivery{
		ContentType: "application/json", Body: []byte(starting("8", "2026-04-09")), ReceivedAt: w.now,
	}}); err != nil {
		t.Fatal(err)
	}
	if err := w.desk.resume(t.Context()); err != nil || w.last(t).EmployeeID != "8" {
		t.Errorf("%v, told of %s", err, w.last(t).EmployeeID)
	}
}

// TestPauseSurvives: another process finds what was kept, and nothing of it
// expires.
func TestPauseSurvives(t *testing.T) {
	sources := []config.Source{hook(t, "hr", startsAs("item.begin"))}
	w := newWorld(t, sources)
	w.pause(t, "hr", true)
	w.do(call("hr", starting("7", "2026-04-01")))
	w.now = noon.Add(90 * 24 * time.Hour)
	w.restart(t, sources)
	w.desk.purge(t.Context(), Keep{Quarantine: 24 * time.Hour, Deliveries: time.Hour})
	w.pause(t, "hr", false)
	if err := w.desk.resume(t.Context()); err != nil || len(w.quarantined(t)) > 0 {
		t.Fatal(err)
	}
	// Late though it is: the ledger knows.
	if _, k := w.known(t, "hr", "7"); k.Said.StartDate.Day != 1 {
		t.Errorf("%+v", k)
	}
}

// TestPauseUnknown: who can't tell whether a source is paused takes nothing.
func TestPauseUnknown(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.begin"))})
	if err := w.book.Close(); err != nil {
		t.Fatal(err)
	}
	if rec := w.do(call("hr", starting("7", "2026-04-01"))); rec.Code != 503 || len(w.taken()) > 0 {
		t.Errorf("%d", rec.Code)
	}
}

// TestPauseOfAPoll: a paused source is not read, and that is no fault.
func TestPauseOfAPoll(t *testing.T) {
	w := newWorld(t, []config.Source{tenant()})
	name := w.desk.Sources()[0]
	w.pause(t, name, true)
	asked := 0
	w.onHires = func(int) error { asked++; return nil }
	out, err := w.desk.ReadFeed(t.Context(), workflows.FeedInput{Source: name}, func(int) {})
	if err != nil || !out.Paused || asked > 0 {
		t.Errorf("%+v, %v, asked %d", out, err, asked)
	}
	status, err := w.desk.Status(t.Context())
	if err != nil || status[0].Silent || status[0].Fault != "" || status[0].Paused.IsZero() {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestPauseOfProvisioning: the client is told that all is well, and a deletion
// is still one when it is taken.
func TestPauseOfProvisioning(t *testing.T) {
	w := newWorld(t, []config.Source{provisioned(t)})
	w.pause(t, "scim", true)
	code, id := w.scim(t, "POST", "/Users", hookToken, resource)
	if code != 201 || len(w.taken()) > 0 {
		t.Fatalf("%d, %d told", code, len(w.taken()))
	}
	w.now = noon.Add(time.Minute)
	if code, _ := w.scim(t, "DELETE", "/Users/"+id, hookToken, ""); code != 204 {
		t.Fatal(code)
	}
	w.pause(t, "scim", false)
	w.now = noon.Add(time.Hour)
	if err := w.desk.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := w.taken()
	if len(got) != 2 || got[0].Status != jml.StatusScheduled || got[1].Status != jml.StatusCancelled || !got[0].ObservedAt.Equal(noon) || len(w.quarantined(t)) > 0 {
		t.Errorf("told %+v", got)
	}
}

// TestPauseOfANotice: an employee is not asked for while the source is paused,
// and is afterwards.
func TestPauseOfANotice(t *testing.T) {
	a := newAPI(t, func(http.ResponseWriter, *http.Request) { t.Error("asked though paused") })
	w := newWorld(t, []config.Source{asks(t, a)})
	w.do(call("hr", events(event(1, "created"))))
	w.pause(t, "hr", true)
	if out, err := w.fetch(t, w.notices[0]); err != nil || out.Outcome != reasonPaused {
		t.Errorf("%+v, %v", out, err)
	}
	w.pause(t, "hr", false)
	if err := w.desk.resume(t.Context()); err != nil || len(w.notices) != 2 || w.at[0] != w.at[1] || len(w.quarantined(t)) > 0 {
		t.Errorf("%v, asked %v", err, w.at)
	}
}
