package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// positions chooses by department: Sales join with an app; IT needs a passkey,
// and so do those who move there.
func positions(kind jml.Kind, s jml.Snapshot) jml.Choice {
	p := profile("default")
	p.Cap = &jml.Cap{Count: 2, Per: 30 * day, Rest: time.Hour}
	p.Name, p.CompleteOn = s.Department+"-"+string(kind), []jml.MethodKind{jml.MethodAuthenticator}
	switch {
	case s.Department == "Both":
		return jml.Choice{Block: jml.Blocked(jml.ReasonProfileAmbiguous, "one, two")}
	case s.Department == "Nobody":
		return jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}
	case s.Department == "IT":
		p.CompleteOn = []jml.MethodKind{jml.MethodFIDO2}
	case kind == jml.KindMover && s.Department == "Field":
	case kind == jml.KindMover:
		return jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}
	}
	return jml.Choice{Profile: p}
}

func effective(y int, m time.Month, d int) func(*jml.Snapshot) {
	return func(s *jml.Snapshot) { s.EffectiveDate = jml.Date{Year: y, Month: m, Day: d} }
}

func was(id string) func(*jml.Snapshot) { return func(s *jml.Snapshot) { s.PreviousID = id } }

func kinds(list []Errand) string {
	var out []string
	for _, e := range list {
		out = append(out, string(e.Kind))
	}
	return strings.Join(out, " ")
}

func TestMover(t *testing.T) {
	sales, it, field := department("Sales"), department("IT"), department("Field")
	long := starts(2025, 2, 1)
	for _, tc := range []struct {
		name    string
		old     []func(*jml.Snapshot)
		now     []func(*jml.Snapshot)
		joiner  OutcomeKind // what comes of the joiner
		runs    []jml.Kind
		movers  int    // told to begin
		signals string // to what may run
		choice  bool   // the joiner is told of another profile
		profile string // of the mover, or of the joiner that is told
	}{
		{"long started, needs more", []func(*jml.Snapshot){long, sales}, []func(*jml.Snapshot){long, it}, "", nil, 1, "joiner", false, "IT-mover"},
		{"long started, and the joiner still runs", []func(*jml.Snapshot){long, sales}, []func(*jml.Snapshot){long, it}, "", []jml.Kind{jml.KindJoiner}, 0, "joiner", false, ""},
		{"long started, needs no more", []func(*jml.Snapshot){long, sales}, []func(*jml.Snapshot){long, field}, "", nil, 0, "", false, ""},
		{"long started, no mover is for him", []func(*jml.Snapshot){long, it}, []func(*jml.Snapshot){long, sales}, "", nil, 0, "", false, ""},
		{"two rules are: somebody must see", []func(*jml.Snapshot){long, it}, []func(*jml.Snapshot){long, department("Both")}, "", nil, 1, "joiner", false, ""},
		{"joins, and moves meanwhile", []func(*jml.Snapshot){sales}, []func(*jml.Snapshot){it}, OutcomeDelivered, nil, 0, "", true, "IT-joiner"},
		{"has joined early", []func(*jml.Snapshot){sales}, []func(*jml.Snapshot){it}, OutcomeUnchanged, nil, 1, "", true, "IT-mover"},
		{"joins, and will move after the start", []func(*jml.Snapshot){sales}, []func(*jml.Snapshot){it, effective(2026, 9, 1)}, OutcomeDelivered, nil, 1, "", false, "IT-mover"},
		{"joins in the new position", []func(*jml.Snapshot){sales}, []func(*jml.Snapshot){it, effective(2026, 4, 1)}, OutcomeDelivered, nil, 0, "", true, "IT-joiner"},
		{"not the position", []func(*jml.Snapshot){long, it}, []func(*jml.Snapshot){long, it, mail("x@example.org")}, "", nil, 0, "", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{hook(t, "hr")})
			w.choose, w.joiner, w.runs = positions, tc.joiner, tc.runs
			w.take(t, facts(tc.old...))
			w.errands, w.delivered = nil, nil
			now := facts(append(tc.now, seen(1))...)
			before, err := w.desk.Preview(t.Context(), "hr", now)
			if err != nil {
				t.Fatal(err)
			}
			got := w.take(t, now)
			if kinds(w.signals) != tc.signals || len(w.others) != tc.movers {
				t.Errorf("%+v; signals %q, want %q; %d movers, want %d", got, kinds(w.signals), tc.signals, len(w.others), tc.movers)
			}
			if told := len(w.errands)+len(w.others)+len(w.signals) > 0; told != (before.Outcome == OutcomeDelivered) {
				t.Errorf("told %v, preview %s", told, before.Outcome)
			}
			if len(w.errands) > 0 && w.errands[0].Moved != tc.choice {
				t.Errorf("the joiner's profile changes: %v", w.errands[0].Moved)
			}
			switch {
			case tc.movers > 0:
				m := w.others[0]
				if m.Kind != jml.KindMover || m.Choice.Profile.Name != tc.profile || m.Ref != got.Ref || !m.Moved || got.WorkflowID != workflows.JourneyID(jml.KindMover, "hr", got.Ref) {
					t.Errorf("mover %+v, taken %+v", m, got)
				}
			case len(w.errands) > 0 && w.errands[0].Choice.Profile.Name != tc.profile:
				t.Errorf("joiner %+v", w.errands[0])
			}
			// Said again, it changes nothing.
			w.signals, w.others, w.errands = nil, nil, nil
			if again := w.take(t, now); again.Kind != OutcomeKnown || len(w.signals)+len(w.others)+len(w.errands) > 0 {
				t.Errorf("said again: %+v", again)
			}
		})
	}
}

// TestRunningMover: a mover hears of whatever HR says while it runs, and nobody
// is asked for it once it has ended.
func TestRunningMover(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	w.choose = positions
	long := starts(2025, 2, 1)
	w.take(t, facts(long, department("Sales")))
	w.take(t, facts(long, department("IT"), effective(2026, 6, 1), seen(1)))
	if len(w.others) != 1 {
		t.Fatalf("%d movers", len(w.others))
	}
	w.runs, w.signals = []jml.Kind{jml.KindMover}, nil
	w.take(t, facts(long, department("IT"), effective(2026, 7, 1), seen(2)))
	if kinds(w.signals) != "mover" || w.signals[0].Moved || w.signals[0].Snapshot.EffectiveDate.Month != 7 {
		t.Errorf("%+v", w.signals)
	}
	w.signals = nil
	w.take(t, facts(long, department("Field"), effective(2026, 7, 1), seen(3)))
	if kinds(w.signals) != "mover" || !w.signals[0].Moved || w.signals[0].Choice.Profile.Name != "Field-mover" {
		t.Errorf("another position: %+v", w.signals)
	}
	w.signals, w.runs = nil, nil
	w.take(t, facts(long, department("Field"), mail("x@example.org"), seen(4)))
	w.take(t, facts(long, department("Field"), mail("y@example.org"), seen(5)))
	if kinds(w.signals) != "mover" {
		t.Errorf("after it has ended: %q", kinds(w.signals))
	}
	w.take(t, facts(long, department("IT"), seen(6)))
	if len(w.others) != 2 {
		t.Errorf("%d movers, want another one", len(w.others))
	}
}

// TestLeaver: whatever runs hears of it at once, once, and at the price of three
// requests.
func TestLeaver(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status jml.Status
		start  func(*jml.Snapshot)
	}{
		{"left", jml.StatusLeft, starts(2025, 2, 1)}, {"called off", jml.StatusCancelled, starts(2026, 4, 1)}, {"left without a date", jml.StatusLeft, starts(0, 0, 0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{hook(t, "hr")})
			w.take(t, facts(starts(2025, 2, 1)))
			w.delivered, w.runs = nil, []jml.Kind{jml.KindRecovery}
			gone := facts(tc.start, is(tc.status), seen(1))
			w.take(t, gone)
			if kinds(w.signals) != "mover recovery staging" || w.last(t).Status != tc.status {
				t.Errorf("signals %q", kinds(w.signals))
			}
			for _, e := range w.signals {
				if e.Snapshot.Status != tc.status || e.Choice.Block != nil || e.Moved {
					t.Errorf("%+v", e)
				}
			}
			w.signals = nil
			w.take(t, gone)
			gone.Department, gone.ObservedAt = "x", noon.Add(2)
			w.take(t, gone)
			if len(w.signals) != 0 {
				t.Errorf("told again: %q", kinds(w.signals))
			}
		})
	}
	t.Run("vanished for good", func(t *testing.T) {
		w := newWorld(t, []config.Source{tenant()})
		w.feed(t, 0, facts(), facts(id("E-2")))
		for i := range 3 {
			w.feed(t, time.Duration(i+1)*13*time.Hour, facts(id("E-2")))
		}
		if kinds(w.signals) != "mover recovery staging" {
			t.Errorf("signals %q", kinds(w.signals))
		}
	})
	t.Run("Temporal away", func(t *testing.T) {
		w := newWorld(t, []config.Source{hook(t, "hr")})
		w.take(t, facts())
		w.fail = ErrUnavailable
		if _, err := w.desk.Take(t.Context(), w.desk.sources["hr"], facts(is(jml.StatusLeft), seen(1))); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		w.fail = nil
		w.take(t, facts(is(jml.StatusLeft), seen(1)))
		if kinds(w.signals) != "mover recovery staging" {
			t.Errorf("the repeat: signals %q", kinds(w.signals))
		}
	})
}

func TestRehire(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	w.take(t, facts(starts(2025, 2, 1)))
	w.take(t, facts(starts(2025, 2, 1), is(jml.StatusLeft), seen(1)))
	w.errands, w.delivered = nil, nil
	w.take(t, facts(seen(2)))
	if e := w.errands[0]; !e.Snapshot.Rehire || !e.Back {
		t.Errorf("%+v", e)
	}
	w.take(t, facts(department("x"), seen(3)))
	if e := w.errands[1]; !e.Snapshot.Rehire || e.Back {
		t.Errorf("later: %+v", e)
	}
	// The starter finds that the journey has reached its goal.
	c := &fakeClient{closed: true, result: workflows.JourneyResult{Outcome: jml.StageCompleted, Facts: w.errands[1].Snapshot}}
	s, err := NewStarter(StarterConfig{Client: c, Refs: refs(t), TaskQueue: "q", LateLimit: 7 * day, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	w.through = s
	w.take(t, facts(department("y"), seen(4)))
	_, k := w.known(t, "hr", "E-1")
	if !k.Returned || k.Told.Rehire || c.running {
		t.Errorf("after its goal: %+v", k)
	}
	w.take(t, facts(department("y"), starts(2026, 5, 1), seen(5)))
	if len(c.args) != 1 || c.args[0].Rehire {
		t.Errorf("the start moves after that: %+v", c.args)
	}
}

func TestEmployeeIDChanges(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr"), tenant()})
	first := w.take(t, facts(id("A"))).Ref
	for i, s := range []jml.Snapshot{
		facts(id("B"), was("A"), seen(1)), facts(id("B"), department("x"), seen(2)), // HR says it once
		facts(id("C"), was("B"), department("x"), seen(3)), facts(id("C"), starts(2026, 5, 1), seen(4)),
	} {
		if got := w.take(t, s); got.Ref != first || w.delivered[len(w.delivered)-1].EmployeeID != s.EmployeeID {
			t.Errorf("%d: %+v", i, got)
		}
	}
	told := len(w.delivered)
	// An id that HR has given up says nothing of who has it no more.
	if got := w.take(t, facts(id("A"), is(jml.StatusLeft), seen(5))); got.Kind != OutcomeOutdated || got.Ref != first {
		t.Errorf("the old id ends: %+v", got)
	}
	if got := w.take(t, facts(id("B"), starts(2026, 5, 1), seen(6))); got.Kind != OutcomeKnown {
		t.Errorf("the old id says the same: %+v", got)
	}
	if len(w.delivered) != told {
		t.Errorf("told %d times more", len(w.delivered)-told)
	}
	if got := w.take(t, facts(id("C"), starts(2026, 5, 1), is(jml.StatusLeft), seen(7))); got.Ref != first || got.Kind != OutcomeDelivered {
		t.Errorf("the new id ends: %+v", got)
	}
	for _, name := range []string{first, "A", "B", "C"} {
		if list, err := w.desk.Employee(t.Context(), "hr", name); err != nil || len(list) != 1 || list[0].Ref != first || list[0].Source != "hr" {
			t.Errorf("find %s: %+v, %v", name, list, err)
		}
	}
	if list, err := w.desk.Employee(t.Context(), "", "Z"); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := w.desk.Employee(t.Context(), "no", "A"); !errors.Is(err, ErrNoSource) {
		t.Error(err)
	}
	if got := w.take(t, facts(id("N"), was("nobody"))); got.Ref != refs(t).Ref("hr", "N") || got.Kind != OutcomeDelivered {
		t.Errorf("an id from before that nobody knows: %+v", got)
	}
}

func TestEmployeeIDChangesInAFeed(t *testing.T) {
	w := newWorld(t, []config.Source{tenant()})
	w.feed(t, 0, facts(id("A")), facts(id("E-2")))
	// The old record is still there, ended; whichever comes first.
	for i, list := range [][]jml.Snapshot{
		{facts(id("A"), is(jml.StatusLeft)), facts(id("B"), was("A")), facts(id("E-2"))},
		{facts(id("B"), was("A")), facts(id("A"), is(jml.StatusLeft)), facts(id("E-2"))},
	} {
		w.delivered = nil
		out := w.feed(t, time.Duration(i+1)*time.Hour, list...)
		if out.Quarantined != 0 || out.Vanished != 0 || len(w.delivered) != 1-i {
			t.Errorf("%d: %+v, told %d", i, out, len(w.delivered))
		}
		if _, k := w.known(t, "tenant", "A"); k.Told.EmployeeID != "B" || k.Told.Status != jml.StatusScheduled {
			t.Errorf("%d: %+v", i, k.Told)
		}
	}
}

// TestTwoPeopleStayTwo: who has facts of his own is not made one with another.
func TestTwoPeopleStayTwo(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	a, b := w.take(t, facts(id("A"))), w.take(t, facts(id("B")))
	w.delivered = nil
	got := w.take(t, facts(id("B"), was("A"), seen(1)))
	if got.Ref != b.Ref || got.Ref == a.Ref || !got.Held || w.last(t).Hold != jml.HoldContradiction {
		t.Fatalf("%+v", got)
	}
	list, err := w.desk.HeldList(t.Context())
	if err != nil || len(list) != 1 || list[0].Kind != jml.HoldContradiction || list[0].Ref != b.Ref {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := w.desk.Decide(t.Context(), b.Ref, "operator", "two people", true); err != nil || w.last(t).Hold != "" {
		t.Error(err)
	}
	if got := w.take(t, facts(id("B"), was("A"), department("x"), seen(2))); got.Held || w.last(t).Hold != "" {
		t.Errorf("held again: %+v", got)
	}
	if w.holds(t) != 0 || len(w.acts) != 1 || w.acts[0].Event != audit.EventFactsApproved {
		t.Errorf("%+v", w.acts)
	}
	// Of somebody who is gone no journey is in the way.
	w.take(t, facts(id("C")))
	w.take(t, facts(id("A"), is(jml.StatusLeft), seen(2)))
	if got := w.take(t, facts(id("C"), was("A"), seen(3))); got.Held {
		t.Errorf("%+v", got)
	}
}

func TestContradiction(t *testing.T) {
	sources := []config.Source{hook(t, "hr"), tenant(func(c *config.Source) { c.EmployeesOf, c.VanishedAfter = "hr", 0 })}
	april, may := facts(), facts(starts(2026, 5, 1))
	for _, approve := range []bool{true, false} {
		w := newWorld(t, sources)
		hr := func(at time.Duration, s jml.Snapshot) Taken {
			w.now = noon.Add(at)
			s.ObservedAt = w.now
			return w.take(t, s)
		}
		hr(0, april)
		w.feed(t, time.Hour, may)
		hr(2*time.Hour, april)
		w.delivered = nil
		if out := w.feed(t, 3*time.Hour, may); out.Held != 1 {
			t.Fatalf("%+v", out)
		}
		if s := w.last(t); s.Hold != jml.HoldContradiction || s.StartDate != april.StartDate {
			t.Errorf("told %+v", s)
		}
		w.feed(t, 4*time.Hour, may)
		if len(w.delivered) != 0 {
			t.Errorf("told again: %+v", w.delivered)
		}
		ref := refs(t).Ref("hr", "E-1")
		if _, err := w.desk.Decide(t.Context(), ref, "operator", "asked HR", approve); err != nil {
			t.Fatal(err)
		}
		want := april.StartDate
		if approve {
			want = may.StartDate
		}
		if s := w.last(t); s.Hold != "" || s.StartDate != want || w.holds(t) != 0 {
			t.Errorf("decided: told %+v", s)
		}
		hr(5*time.Hour, april)
		w.feed(t, 6*time.Hour, may)
		for _, s := range w.taken() {
			if s.StartDate != want || s.Hold != "" {
				t.Errorf("who was overruled is heard: %+v", s)
			}
		}
	}
}

func ask(kind jml.Kind, edit ...func(*jml.Request)) jml.Request {
	r := jml.Request{ID: "r1", Actor: "ada@example.org", Loss: jml.LossLost}
	if kind == jml.KindStaging {
		r = jml.Request{ID: "r1", Actor: "ada@example.org", Technician: jml.User{ID: "t-1", UPN: "tech@example.org"}, Device: "SN-1", Until: noon.Add(4 * time.Hour)}
	}
	for _, e := range edit {
		e(&r)
	}
	return r
}

func TestAsk(t *testing.T) {
	ref := refs(t).Ref("hr", "E-1")
	long := starts(2025, 2, 1)
	it := department("IT")
	private := func(kind jml.Kind, s jml.Snapshot) jml.Choice {
		c := positions(kind, s)
		c.Profile.PassTo = []jml.Route{{Channel: "mail", Recipient: jml.RecipientPersonalMail}}
		return c
	}
	for _, tc := range []struct {
		name   string
		kind   jml.Kind
		said   []jml.Snapshot
		req    jml.Request
		choose chooser
		begin  error
		want   RefusalKind // empty: begins
	}{
		{"recovery", jml.KindRecovery, []jml.Snapshot{facts(long, it)}, ask(jml.KindRecovery), nil, nil, ""},
		{"staging", jml.KindStaging, []jml.Snapshot{facts(it)}, ask(jml.KindStaging), nil, nil, ""},
		{"unknown", jml.KindRecovery, nil, ask(jml.KindRecovery), nil, nil, RefusedUnknown},
		{"left", jml.KindRecovery, []jml.Snapshot{facts(long, is(jml.StatusLeft))}, ask(jml.KindRecovery), nil, nil, RefusedGone},
		{"called off", jml.KindStaging, []jml.Snapshot{facts(is(jml.StatusCancelled))}, ask(jml.KindStaging), nil, nil, RefusedGone},
		{"no profile", jml.KindRecovery, []jml.Snapshot{facts(department("Nobody"))}, ask(jml.KindRecovery), nil, nil, RefusedProfile},
		{"two profiles", jml.KindRecovery, []jml.Snapshot{facts(department("Both"))}, ask(jml.KindRecovery), nil, nil, RefusedProfile},
		{"one is under way", jml.KindRecovery, []jml.Snapshot{facts(it)}, ask(jml.KindRecovery), nil, ErrRunning, RefusedRunning},
		{"the address has just changed", jml.KindRecovery, []jml.Snapshot{facts(long, mail("a@example.org")), facts(long, mail("b@example.org"), seen(1))}, ask(jml.KindRecovery), private, nil, RefusedContact},
		{"it has, but the pass goes elsewhere", jml.KindRecovery, []jml.Snapshot{facts(long, mail("a@example.org")), facts(long, mail("b@example.org"), seen(1))}, ask(jml.KindRecovery), nil, nil, ""},
		{"a joiner", jml.KindJoiner, []jml.Snapshot{facts()}, ask(jml.KindRecovery), nil, nil, RefusedRequest},
		{"no actor", jml.KindRecovery, []jml.Snapshot{facts()}, ask(jml.KindRecovery, func(r *jml.Request) { r.Actor = "" }), nil, nil, RefusedRequest},
		{"no loss", jml.KindRecovery, []jml.Snapshot{facts()}, ask(jml.KindRecovery, func(r *jml.Request) { r.Loss = "eaten" }), nil, nil, RefusedRequest},
		{"no technician", jml.KindStaging, []jml.Snapshot{facts()}, ask(jml.KindStaging, func(r *jml.Request) { r.Technician = jml.User{} }), nil, nil, RefusedRequest},
		{"no device", jml.KindStaging, []jml.Snapshot{facts()}, ask(jml.KindStaging, func(r *jml.Request) { r.Device = "" }), nil, nil, RefusedRequest},
		{"no window", jml.KindStaging, []jml.Snapshot{facts()}, ask(jml.KindStaging, func(r *jml.Request) { r.Until = noon }), nil, nil, RefusedRequest},
		{"window too long", jml.KindStaging, []jml.Snapshot{facts()}, ask(jml.KindStaging, func(r *jml.Request) { r.Until = noon.Add(8 * day) }), nil, nil, RefusedRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{hook(t, "hr", guard)})
			w.choose = tc.choose
			if w.choose == nil {
				w.choose = positions
			}
			w.onBegin = func(Errand) error { return tc.begin }
			for _, s := range tc.said {
				w.take(t, s)
			}
			out, err := w.desk.Ask(t.Context(), tc.kind, "hr", ref, tc.req)
			var refused *Refusal
			if errors.As(err, &refused) != (tc.want != "") || tc.want == "" && err != nil {
				t.Fatalf("%+v, %v", out, err)
			}
			asked, errBook := w.book.AskedSince(t.Context(), "hr", ref, string(tc.kind), noon)
			if errBook != nil {
				t.Fatal(errBook)
			}
			if tc.want != "" {
				if refused.Kind != tc.want || refused.What == "" || refused.Do == "" || len(w.begun) != 0 || len(asked) != 0 {
					t.Errorf("%+v; begun %d, counted %d", refused, len(w.begun), len(asked))
				}
				if tc.want == RefusedRunning && refused.WorkflowID != workflows.JourneyID(tc.kind, "hr", ref) {
					t.Errorf("%+v", refused)
				}
				return
			}
			if out.Kind != OutcomeStarted || len(w.begun) != 1 || len(asked) != 1 {
				t.Fatalf("%+v; begun %d, counted %d", out, len(w.begun), len(asked))
			}
			if e := w.begun[0]; e.Kind != tc.kind || e.Ref != ref || e.Request.ID != "r1" || !e.Request.At.Equal(noon) || e.Snapshot.EmployeeID != "E-1" || !e.Choice.Profile.Chosen() {
				t.Errorf("%+v", e)
			}
		})
	}
	t.Run("no source", func(t *testing.T) {
		w := newWorld(t, []config.Source{hook(t, "hr")})
		if _, err := w.desk.Ask(t.Context(), jml.KindRecovery, "no", ref, ask(jml.KindRecovery)); !errors.Is(err, ErrNoSource) {
			t.Error(err)
		}
	})
}

func TestAskCap(t *testing.T) {
	ref := refs(t).Ref("hr", "E-1")
	w := newWorld(t, []config.Source{hook(t, "hr")})
	w.choose = positions
	w.take(t, facts(starts(2025, 2, 1), department("IT")))
	try := func(at time.Duration) *Refusal {
		t.Helper()
		w.now = noon.Add(at)
		_, err := w.desk.Ask(t.Context(), jml.KindRecovery, "hr", ref, ask(jml.KindRecovery, func(r *jml.Request) { r.ID = "" }))
		var refused *Refusal
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return refused
	}
	if r := try(0); r != nil {
		t.Fatal(r)
	}
	if r := try(59 * time.Minute); r == nil || r.Kind != RefusedCap || !r.Until.Equal(noon.Add(time.Hour)) {
		t.Fatalf("rest: %+v", r)
	}
	if r := try(time.Hour); r != nil {
		t.Fatal(r)
	}
	if r := try(2 * time.Hour); r == nil || r.Kind != RefusedCap || !r.Until.Equal(noon.Add(30*day)) {
		t.Fatalf("count: %+v", r)
	}
	// Another kind has a cap of its own, and forgetting employees frees nobody.
	if _, err := w.desk.Ask(t.Context(), jml.KindStaging, "hr", ref, ask(jml.KindStaging, func(r *jml.Request) { r.Until = w.now.Add(time.Hour) })); err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.Forget(t.Context(), "hr"); err != nil {
		t.Fatal(err)
	}
	w.take(t, facts(starts(2025, 2, 1), department("IT")))
	if r := try(3 * time.Hour); r == nil || r.Kind != RefusedCap {
		t.Fatalf("forgotten: %+v", r)
	}
	if r := try(30 * day); r != nil {
		t.Fatal(r)
	}
}

// TestAskCrash: between the count and the start. It costs one of the cap; the
// other way round, whoever can make the start fail would have as many as he
// likes.
func TestAskCrash(t *testing.T) {
	ref := refs(t).Ref("hr", "E-1")
	sources := []config.Source{hook(t, "hr")}
	w := newWorld(t, sources)
	w.choose = positions
	w.take(t, facts(starts(2025, 2, 1), department("IT")))
	killed := errors.New("killed")
	w.onBegin = func(Errand) error { return errors.Join(killed, w.book.Close()) }
	if _, err := w.desk.Ask(t.Context(), jml.KindRecovery, "hr", ref, ask(jml.KindRecovery)); !errors.Is(err, killed) || len(w.begun) != 0 {
		t.Fatalf("%v, begun %d", err, len(w.begun))
	}
	w.onBegin = nil
	w.restart(t, sources)
	var refused *Refusal
	if _, err := w.desk.Ask(t.Context(), jml.KindRecovery, "hr", ref, ask(jml.KindRecovery)); !errors.As(err, &refused) || refused.Kind != RefusedCap {
		t.Fatalf("it was free: %v", err)
	}
	w.now = noon.Add(time.Hour)
	if _, err := w.desk.Ask(t.Context(), jml.KindRecovery, "hr", ref, ask(jml.KindRecovery, func(r *jml.Request) { r.ID = "r2" })); err != nil || len(w.begun) != 1 {
		t.Fatal(err)
	}
}

// TestAskAndLeave: in two processes, whichever comes first, a journey that
// somebody asked for hears that its employee has left.
func TestAskAndLeave(t *testing.T) {
	ref := refs(t).Ref("hr", "E-1")
	left := facts(starts(2025, 2, 1), is(jml.StatusLeft), seen(1))
	other := func(t *testing.T, w *world) *Desk { // another process with the same ledger
		d, err := NewDesk(w.desk.cfg)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Run("left while it begins", func(t *testing.T) {
		w := newWorld(t, []config.Source{hook(t, "hr")})
		w.choose = positions
		w.take(t, facts(starts(2025, 2, 1), department("IT")))
		d := other(t, w)
		w.onBegin = func(Errand) error {
			w.mu.Unlock()
			defer w.mu.Lock()
			_, err := d.Take(t.Context(), d.sources["hr"], left)
			return err
		}
		if _, err := w.desk.Ask(t.Context(), jml.KindRecovery, "hr", ref, ask(jml.KindRecovery)); err != nil {
			t.Fatal(err)
		}
		if last := w.signals[len(w.signals)-1]; last.Kind != jml.KindRecovery || last.Snapshot.Status != jml.StatusLeft {
			t.Errorf("the recovery goes on: %q", kinds(w.signals))
		}
	})
	t.Run("begun while it is written that he left", func(t *testing.T) {
		w := newWorld(t, []config.Source{hook(t, "hr")})
		w.choose = positions
		w.take(t, facts(starts(2025, 2, 1), department("IT")))
		d := other(t, w)
		w.onDeliver = func(s jml.Snapshot) error { // before dismiss, as bad as after it: the ledger does not know yet
			if s.Status != jml.StatusLeft {
				return nil
			}
			w.mu.Unlock()
			defer w.mu.Lock()
			_, err := d.Ask(t.Context(), jml.KindRecovery, "hr", ref, ask(jml.KindRecovery))
			return err
		}
		w.take(t, left)
		if kinds(w.signals) != "mover recovery staging mover recovery staging" {
			t.Errorf("signals %q", kinds(w.signals))
		}
	})
}

// TestJourneyWithoutProfile: HR's facts are kept though no rule is for somebody.
func TestJourneyWithoutProfile(t *testing.T) {
	for _, department := range []string{"Nobody", "Both"} {
		c := &fakeClient{}
		s, err := NewStarter(StarterConfig{Client: c, Refs: refs(t), TaskQueue: "q", LateLimit: 7 * day, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, []config.Source{hook(t, "hr")})
		w.choose, w.through = positions, s
		snap := facts()
		snap.Department = department
		if got := w.take(t, snap); got.Kind == OutcomeIgnored || !c.running {
			t.Fatalf("%+v", got)
		}
		if in := c.input; in.Block == nil || !in.Open || in.Profile.Chosen() {
			t.Errorf("%+v", in)
		}
		// HR mends it: the joiner that waits gets the profile.
		snap.Department, snap.ObservedAt = "IT", noon.Add(1)
		w.take(t, snap)
		if got := c.choices[len(c.choices)-1]; got == nil || got.Profile.Name != "IT-joiner" {
			t.Errorf("%+v", got)
		}
	}
}

func cohort(t testing.TB, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("WorkerID,WorkerStatus,HireDate,Department,CountryCode\n")
	for i := range n {
		fmt.Fprintf(&b, "E-%d,Active,2026-04-01,Sales,DE\n", i)
	}
	path := filepath.Join(t.TempDir(), "cohort.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	old := noon.Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	return path
}

func cohortSource(t testing.TB) config.Source {
	t.Helper()
	return config.Source{Name: "hr", Kind: config.SourceFile, Profile: "default",
		File:  config.File{Directory: t.TempDir(), Pattern: "*", Format: config.FileCSV, Delimiter: ",", Encoding: "utf-8", Every: time.Hour, BadRow: config.BadRowRefuse, MaxSize: 1 << 20, After: config.AfterKeep},
		Brake: config.Brake{Share: 1, Least: 100000},
		Map: map[string]string{"employee_id": "item.WorkerID", "start_date": "localDate(item.HireDate)", "department": "item.Department", "country": "item.CountryCode",
			"status": `item.WorkerStatus == "Active" ? "scheduled" : "unknown"`}}
}

func TestStartAll(t *testing.T) {
	w := newWorld(t, []config.Source{cohortSource(t)})
	w.choose = positions
	path := cohort(t, 40)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw) + "X-1,Sabbatical,2026-04-01,Sales,DE\nX-2,Active,2026-04-01,Both,DE\nX-3,Active,2025-04-01,Sales,DE\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	old := noon.Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	run := func() (Cohort, []CohortRow, error) {
		var rows []CohortRow
		var busy sync.Mutex
		out, err := w.desk.StartAll(t.Context(), CohortConfig{Source: "hr", File: path, Compiler: compilerOf(t), Row: func(r CohortRow) {
			if !busy.TryLock() {
				t.Error("two rows at a time")
				return
			}
			defer busy.Unlock()
			rows = append(rows, r)
		}})
		return out, rows, err
	}
	// Temporal goes away half way.
	n := 0
	w.onDeliver = func(jml.Snapshot) error {
		if n++; n > 20 {
			return ErrUnavailable
		}
		return nil
	}
	first, _, err := run()
	if !errors.Is(err, ErrUnavailable) || first.Told > 20 {
		t.Fatalf("%+v, %v", first, err)
	}
	w.onDeliver = nil
	out, rows, err := run()
	if err != nil || out.Told+out.Known != 40 || out.Refused != 3 || out.Told > 40-first.Told || first.Told < 20-atOnce {
		t.Fatalf("first %+v, then %+v, %v", first, out, err)
	}
	refused := map[string]string{}
	for i, r := range rows {
		if r.Done != i+1 || r.Total > 43-first.Told {
			t.Errorf("%d: %+v", i, r)
		}
		if r.Refused != "" {
			refused[r.Where] = r.Refused
		}
		if strings.Contains(r.Refused, "X-") || strings.Contains(r.Refused, "Sabbatical") {
			t.Errorf("quotes the row: %q", r.Refused)
		}
	}
	if !strings.HasPrefix(refused["line 42"], "status:") || !strings.HasPrefix(refused["line 43"], "profileAmbiguous") || !strings.Contains(refused["line 44"], "late_limit") {
		t.Errorf("%v", refused)
	}
	if out, _, err = run(); err != nil || out != (Cohort{Read: 43, Known: 40, Refused: 3}) || len(w.quarantined(t)) != 0 {
		t.Errorf("a third time: %+v, %v", out, err)
	}
	if ids := slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, s := range w.delivered {
			if !yield(s.EmployeeID) {
				return
			}
		}
	})); len(ids) != 40 {
		t.Errorf("%d people", len(ids))
	}
}

func BenchmarkStartAll(b *testing.B) {
	const rows = 5000
	path := cohort(b, rows)
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, []config.Source{cohortSource(b)})
		b.StartTimer()
		out, err := w.desk.StartAll(context.Background(), CohortConfig{Source: "hr", File: path, Compiler: compilerOf(b)})
		if err != nil || out.Told != rows {
			b.Fatal(out, err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// beginner is a Temporal that looks at how a journey is begun.
type beginner struct {
	fakeClient
	answer  error
	options client.StartWorkflowOptions
	kind    any
	input   workflows.JourneyInput
}

func (b *beginner) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, kind any, args ...any) (client.WorkflowRun, error) {
	b.options, b.kind, b.input = o, kind, args[0].(workflows.JourneyInput)
	return nil, b.answer
}

func TestBegin(t *testing.T) {
	for _, tc := range []struct {
		answer, want error
	}{
		{nil, nil},
		{serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", ""), ErrRunning},
		{serviceerror.NewUnavailable("away"), ErrUnavailable},
	} {
		for _, kind := range []jml.Kind{jml.KindRecovery, jml.KindStaging} {
			c := &beginner{answer: tc.answer}
			s, err := NewStarter(StarterConfig{Client: c, Refs: refs(t), TaskQueue: "q", Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			req := ask(kind)
			req.At = noon
			out, err := s.Begin(t.Context(), Errand{Kind: kind, Source: "hr", Ref: "r", Snapshot: facts(), Choice: jml.Choice{Profile: profile("default"), Open: true}, Request: &req})
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", kind, err, tc.want)
			}
			if tc.want == nil && (out.Kind != OutcomeStarted || out.WorkflowID != string(kind)+"/hr/r") {
				t.Errorf("%+v", out)
			}
			o := c.options
			if o.ID != workflows.JourneyID(kind, "hr", "r") || c.kind != workflows.Type(kind) || !o.WorkflowExecutionErrorWhenAlreadyStarted ||
				o.WorkflowIDConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL || o.WorkflowIDReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE {
				t.Errorf("%+v", o)
			}
			if in := c.input; in.Kind != kind || in.Request.ID != "r1" || in.Facts.EmployeeID != "E-1" || !in.Open || in.Profile.Name != "default" {
				t.Errorf("%+v", in)
			}
			at, _ := o.TypedSearchAttributes.GetTime(temporal.NewSearchAttributeKeyTime(workflows.AttributeStarts))
			if !at.Equal(noon) {
				t.Errorf("starts %v", at)
			}
		}
	}
}
