package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
)

func mail(s string) func(*jml.Snapshot) { return func(f *jml.Snapshot) { f.PersonalMail = s } }

func id(s string) func(*jml.Snapshot) { return func(f *jml.Snapshot) { f.EmployeeID = s } }

func department(s string) func(*jml.Snapshot) { return func(f *jml.Snapshot) { f.Department = s } }

func guard(c *config.Source) { c.ContactGuard = 72 * time.Hour }

// guarded is within the guard window of facts(): the hand-over is on 30 March,
// 9:00 in Berlin.
const guarded = 27 * 24 * time.Hour

func TestTake(t *testing.T) {
	cancelled, left := is(jml.StatusCancelled), is(jml.StatusLeft)
	type said struct {
		at    time.Duration // our clock, after noon
		snap  jml.Snapshot
		want  OutcomeKind
		facts string
	}
	for _, tc := range []struct {
		name string
		said []said
		told int
	}{
		{"new", []said{{0, facts(), OutcomeDelivered, "scheduled"}}, 1},
		{"unchanged", []said{{0, facts(), OutcomeDelivered, "scheduled"}, {1, facts(), OutcomeKnown, ""}, {2, facts(seen(2)), OutcomeKnown, ""}}, 1},
		{"outdated", []said{{0, facts(), OutcomeDelivered, "scheduled"}, {1, facts(starts(2026, 5, 1), seen(-time.Hour)), OutcomeOutdated, ""}}, 1},
		{"older than what was said again", []said{
			{0, facts(), OutcomeDelivered, "scheduled"}, {5, facts(seen(5 * time.Hour)), OutcomeKnown, ""},
			{6, facts(starts(2026, 5, 1), seen(3*time.Hour)), OutcomeOutdated, ""},
		}, 1},
		{"moved start", []said{{0, facts(), OutcomeDelivered, "scheduled"}, {1, facts(starts(2026, 5, 1), seen(1)), OutcomeDelivered, "startMoved"}}, 2},
		{"moved to another department", []said{{0, facts(), OutcomeDelivered, "scheduled"}, {1, facts(department("Mines"), seen(1)), OutcomeDelivered, "moved"}}, 2},
		{"cancelled and rehired", []said{
			{0, facts(), OutcomeDelivered, "scheduled"}, {1, facts(cancelled, seen(1)), OutcomeDelivered, "cancelled"},
			{2, facts(starts(2026, 6, 1), seen(2)), OutcomeDelivered, "rehired startMoved"},
		}, 3},
		{"cancelled before anybody knew", []said{{0, facts(cancelled), OutcomeDelivered, "cancelled"}, {1, facts(seen(-1)), OutcomeOutdated, ""}}, 1},
		{"late", []said{{0, facts(starts(2026, 2, 27)), OutcomeDelivered, "scheduled late"}}, 1},
		{"long started", []said{{0, facts(starts(2025, 2, 27)), OutcomeSilent, "scheduled late"}, {1, facts(starts(2025, 2, 27), department("x"), seen(1)), OutcomeSilent, "moved"}}, 0},
		{"long started, then left", []said{{0, facts(starts(2025, 2, 27)), OutcomeSilent, "scheduled late"}, {1, facts(starts(2025, 2, 27), left, seen(1)), OutcomeDelivered, "left"}}, 1},
		{"long started, then moved ahead", []said{{0, facts(starts(2025, 2, 27)), OutcomeSilent, "scheduled late"}, {1, facts(seen(1)), OutcomeDelivered, "startMoved"}}, 1},
		{"contact in time", []said{{0, facts(mail("a@example.org")), OutcomeDelivered, "scheduled"}, {1, facts(mail("b@example.org"), seen(1)), OutcomeDelivered, "contactChanged"}}, 2},
		{"contact in the guard", []said{
			{0, facts(mail("a@example.org")), OutcomeDelivered, "scheduled"},
			{guarded, facts(mail("b@example.org"), seen(guarded)), OutcomeDelivered, "contactChanged"},
			{guarded, facts(mail("b@example.org"), seen(guarded)), OutcomeKnown, ""},
			{guarded, facts(mail("a@example.org"), seen(guarded)), OutcomeDelivered, "corrected"}, // taken back
		}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{hook(t, "hr", guard)})
			for i, s := range tc.said {
				w.now = noon.Add(s.at)
				before, err := w.desk.Preview(t.Context(), "hr", s.snap)
				if err != nil || before.Outcome != s.want || words(before.Facts) != s.facts {
					t.Errorf("%d: preview %s %q, %v; want %s %q", i+1, before.Outcome, words(before.Facts), err, s.want, s.facts)
				}
				got, err := w.desk.Take(t.Context(), w.desk.sources["hr"], s.snap)
				if got.Held != before.Held && got.Kind != OutcomeKnown {
					t.Errorf("%d: held %v, preview %v", i+1, got.Held, before.Held)
				}
				if err != nil || got.Kind != s.want || words(got.Facts) != s.facts {
					t.Errorf("%d: %s %q, %v; want %s %q", i+1, got.Kind, words(got.Facts), err, s.want, s.facts)
				}
			}
			if len(w.delivered) != tc.told {
				t.Errorf("told %d times, want %d", len(w.delivered), tc.told)
			}
		})
	}
}

// held is a world in which a contact waits.
func held(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t, []config.Source{hook(t, "hr", guard), tenant(guard, func(c *config.Source) { c.EmployeesOf = "hr" })})
	w.take(t, facts(mail("a@example.org")))
	w.now = noon.Add(guarded)
	if got := w.take(t, facts(mail("b@example.org"), seen(guarded))); !got.Held {
		t.Fatalf("%+v", got)
	}
	if s := w.delivered[1]; s.Hold != jml.HoldContact || s.PersonalMail != "a@example.org" {
		t.Fatalf("told %+v", s)
	}
	w.delivered = nil
	list, err := w.desk.HeldList(t.Context())
	if err != nil || len(list) != 1 || list[0].Ref != refs(t).Ref("hr", "E-1") {
		t.Fatalf("%v, %v", list, err)
	}
	return w, list[0].Ref
}

func (w *world) take(t testing.TB, s jml.Snapshot) Taken {
	t.Helper()
	got, err := w.desk.Take(t.Context(), w.desk.sources["hr"], s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (w *world) holds(t testing.TB) int {
	t.Helper()
	list, err := w.desk.HeldList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestDecide(t *testing.T) {
	for _, tc := range []struct {
		name    string
		approve bool
		want    string
		event   audit.Event
	}{
		{"approved", true, "b@example.org", audit.EventContactApproved},
		{"rejected", false, "a@example.org", audit.EventContactRejected},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, ref := held(t)
			// HR says the same again, later: the ledger's time moves on.
			w.take(t, facts(mail("b@example.org"), seen(guarded-time.Minute)))
			w.now = noon.Add(guarded + time.Hour)
			w.take(t, facts(mail("b@example.org"), seen(guarded+time.Hour)))
			if _, now, waits, err := w.desk.HeldContact(t.Context(), ref); err != nil || now.PersonalMail != "a@example.org" || waits.PersonalMail != "b@example.org" {
				t.Errorf("in force %q, waiting %q, %v", now.PersonalMail, waits.PersonalMail, err)
			}
			w.onDeliver = func(jml.Snapshot) error {
				if len(w.acts) != 1 || w.acts[0].Event != tc.event {
					t.Errorf("the audit has %v when the joiner is told", w.acts)
				}
				return nil
			}
			if _, err := w.desk.Decide(t.Context(), ref, "operator", "called back", tc.approve); err != nil {
				t.Fatal(err)
			}
			if s := w.last(t); s.PersonalMail != tc.want || s.Hold != "" {
				t.Errorf("told %+v", s)
			}
			if _, k := w.known(t, "hr", "E-1"); k.Held || k.Told.PersonalMail != tc.want || k.Told.Hold != "" {
				t.Errorf("the ledger has %+v", k)
			}
			if n := w.holds(t); n != 0 {
				t.Errorf("%d still wait", n)
			}
			if got := w.take(t, facts(mail("b@example.org"), seen(guarded+time.Hour))); got.Kind != OutcomeKnown {
				t.Errorf("said again: %+v", got)
			}
			if _, err := w.desk.Decide(t.Context(), ref, "operator", "again", tc.approve); !errors.Is(err, ErrNotHeld) {
				t.Errorf("decided twice: %v", err)
			}
		})
	}
}

func TestDecideWithoutAudit(t *testing.T) {
	w, ref := held(t)
	full := errors.New("no space left")
	w.onAppend = func(audit.Entry) error { return full }
	if _, err := w.desk.Decide(t.Context(), ref, "operator", "x", true); !errors.Is(err, full) || len(w.delivered) != 0 || w.holds(t) != 1 {
		t.Errorf("%v, told %d", err, len(w.delivered))
	}
	w.onAppend = nil
	w.fail = ErrUnavailable
	if _, err := w.desk.Decide(t.Context(), ref, "operator", "x", true); !errors.Is(err, ErrUnavailable) || w.holds(t) != 1 {
		t.Errorf("%v, %d wait", err, w.holds(t))
	}
	w.fail = nil
	if _, err := w.desk.Decide(t.Context(), ref, "operator", "x", true); err != nil || w.last(t).PersonalMail != "b@example.org" {
		t.Error(err)
	}
}

// TestHeldWithoutLine: a crash between the two writes may leave the list of what
// is held and the ledger apart. Neither may stay so.
func TestHeldWithoutLine(t *testing.T) {
	w, ref := held(t)
	if err := w.book.Release(t.Context(), "hr", ref, string(jml.HoldContact)); err != nil {
		t.Fatal(err)
	}
	w.take(t, facts(mail("a@example.org"), seen(guarded+1)))
	if _, k := w.known(t, "hr", "E-1"); k.Held || w.last(t).Hold != "" {
		t.Errorf("still held: %+v", k)
	}

	if err := w.book.Hold(t.Context(), ledger.Held{Source: "hr", Ref: ref, Kind: string(jml.HoldContact), Since: noon}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Decide(t.Context(), ref, "operator", "x", true); !errors.Is(err, ErrNotHeld) || len(w.acts) != 0 || len(w.delivered) != 0 || w.holds(t) != 0 {
		t.Errorf("%v; %d lines, told %d, %d wait", err, len(w.acts), len(w.delivered), w.holds(t))
	}

	w, ref = held(t)
	if _, err := w.desk.Forget(t.Context(), "hr"); err != nil || w.holds(t) != 0 {
		t.Errorf("after forget %d wait, %v", w.holds(t), err)
	}
	if _, err := w.desk.Decide(t.Context(), ref, "operator", "x", true); !errors.Is(err, ErrNotHeld) {
		t.Error(err)
	}
}

// TestApprovalDoesNotBringBack: an approved address says nothing of an employee
// whom the feeds lack.
func TestApprovalDoesNotBringBack(t *testing.T) {
	w, ref := held(t)
	other := facts(id("E-2"))
	w.feed(t, guarded+time.Hour, other)
	w.delivered = nil
	if _, err := w.desk.Decide(t.Context(), ref, "operator", "x", true); err != nil {
		t.Fatal(err)
	}
	if s := w.last(t); s.Hold != jml.HoldVanished || s.PersonalMail != "b@example.org" {
		t.Errorf("told %+v", s)
	}
	if e, _ := w.known(t, "hr", "E-1"); e.Missing != 1 {
		t.Errorf("missing %d", e.Missing)
	}
	w.feed(t, guarded+2*time.Hour, other, facts(mail("b@example.org")))
	if s := w.last(t); s.Hold != "" || s.PersonalMail != "b@example.org" {
		t.Errorf("back: %+v", s)
	}
}

// TestToldFirst: whoever is in the ledger has been told.
func TestToldFirst(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	ref := refs(t).Ref("hr", "E-1")
	w.onDeliver = func(jml.Snapshot) error {
		if _, found, err := w.book.Employee(t.Context(), "hr", ref); found || err != nil {
			t.Errorf("in the ledger before Temporal has it: %v, %v", found, err)
		}
		return nil
	}
	w.take(t, facts())
	w.last(t)
}

func TestCrashes(t *testing.T) {
	sources := []config.Source{hook(t, "hr")}
	moved := facts(starts(2026, 5, 1), seen(1))
	for _, first := range []bool{true, false} { // of the employee's snapshots, or a later one
		for _, tc := range []struct {
			name  string
			crash func(*world) error
			told  int // in the try that fails
		}{
			{"Temporal away", func(*world) error { return ErrUnavailable }, 0},
			{"killed before the ledger has it", func(w *world) error { return w.book.Close() }, 1},
		} {
			t.Run(fmt.Sprint(tc.name, first), func(t *testing.T) {
				w := newWorld(t, sources)
				if !first {
					w.take(t, facts())
					w.delivered = nil
				}
				w.onDeliver = func(jml.Snapshot) error { return tc.crash(w) }
				if _, err := w.desk.Take(t.Context(), w.desk.sources["hr"], moved); err == nil || len(w.delivered) != tc.told {
					t.Fatalf("%v, told %d", err, len(w.delivered))
				}
				w.onDeliver, w.delivered = nil, nil
				w.restart(t, sources)
				if got := w.take(t, moved); got.Kind != OutcomeDelivered || !w.last(t).SameContent(moved) {
					t.Errorf("the repeat: %+v", got)
				}
				if got := w.take(t, moved); got.Kind != OutcomeKnown || len(w.delivered) != 0 {
					t.Errorf("the third: %+v", got)
				}
			})
		}
	}
}

func TestSourcesShareEmployees(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", guard), tenant(func(c *config.Source) { c.EmployeesOf = "hr" })})
	w.take(t, facts(mail("a@example.org")))
	w.last(t)
	if out := w.feed(t, time.Hour, facts(mail("a@example.org"))); out.Unchanged != 1 || len(w.delivered) != 0 {
		t.Errorf("%+v", out)
	}
	// The guard of the other source holds here, too.
	if out := w.feed(t, guarded, facts(mail("b@example.org"))); out.Held != 1 || w.last(t).Hold != jml.HoldContact {
		t.Errorf("%+v", out)
	}

	// One lock for both.
	unlock, err := w.desk.lock(t.Context(), "hr", refs(t).Ref("hr", "E-1"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.desk.Take(ctx, w.desk.sources["tenant"], facts(seen(guarded+1))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("taken beside the lock: %v", err)
	}
	unlock()
	if _, err := w.desk.Take(t.Context(), w.desk.sources["tenant"], facts(mail("b@example.org"), seen(guarded+1))); err != nil {
		t.Error(err)
	}
}

// TestAtOnce: whatever comes in whatever order, at once, ends with the newest in
// the ledger, and the same in Temporal.
func TestAtOnce(t *testing.T) {
	const employees, versions, callers = 8, 10, 64
	w := newWorld(t, []config.Source{hook(t, "hr")})
	var all []jml.Snapshot
	for e := range employees {
		for v := range versions {
			all = append(all, facts(id(fmt.Sprint(e)), department(fmt.Sprint(v)), seen(time.Duration(v)*time.Minute)))
			// Two that claim the same moment: any may win, but the same everywhere.
			all = append(all, facts(id(fmt.Sprint(e)), department(fmt.Sprint(v, "again")), seen(time.Duration(v)*time.Minute)))
		}
	}
	w.now = noon.Add(time.Hour)
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			list := slices.Clone(all)
			rand.New(rand.NewPCG(uint64(n), 1)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			for _, s := range list {
				if _, err := w.desk.Take(t.Context(), w.desk.sources["hr"], s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := map[string]jml.Snapshot{}
	for _, s := range w.taken() {
		if before, ok := last[s.EmployeeID]; ok && s.ObservedAt.Before(before.ObservedAt) {
			t.Errorf("%s was told something older after something newer", s.EmployeeID)
		}
		last[s.EmployeeID] = s
	}
	newest := noon.Add((versions - 1) * time.Minute)
	for e := range employees {
		name := fmt.Sprint(e)
		entry, k := w.known(t, "hr", name)
		if d := cmp.Diff(last[name], k.Told); d != "" || !k.Told.ObservedAt.Equal(newest) || !entry.ObservedAt.Equal(newest) {
			t.Errorf("employee %s (-Temporal +ledger):\n%s", name, d)
		}
	}
}

func TestRun(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", startsAs("item.start"))})
	w.do(call("hr", unread))
	w.now = noon.Add(31 * day)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.desk.Run(ctx, Keep{Quarantine: 30 * day, Deliveries: 14 * day}) // the context has ended: nothing is purged, and the counts are kept
	w.only(t)
	s, err := w.desk.Status(t.Context())
	if err != nil || s[0].Counts[countQuarantined] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
