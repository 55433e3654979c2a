package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"pgregory.net/rapid"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/worker"
	"firstpass.internal/workflows"
)

// tenantless is where nothing happens: no journey of this test comes so far. The
// embedded interface would answer with a panic.
type tenantless struct{ workflows.Activities }

func (tenantless) RecordClose(context.Context, workflows.CloseInput) (workflows.CloseResult, error) {
	return workflows.CloseResult{}, nil
}

// occurrence is a call of HR, or a poll of it, at a time.
type occurrence struct {
	at    time.Duration // after noon
	state jml.Snapshot
	poll  bool
}

// story runs occurrences through a Handler, a Desk, a Starter and the joiners
// that they lead to, one after the other, on the clock of the joiner that runs.
type story struct {
	t       *testing.T
	w       *world
	list    []occurrence
	next    int
	env     *testsuite.TestWorkflowEnvironment // of the joiner that runs; nil: none
	start   *jml.Snapshot                      // what a new one begins with
	input   workflows.JourneyInput
	runs    int
	result  *workflows.JourneyResult // of the last one that ended
	outcome ending
}

// ending is what a story comes to.
type ending struct {
	Running bool
	Stage   jml.Stage
	Facts   jml.Snapshot
	Start   time.Time
}

// tell has all of it happen to an employee of the given number.
func (w *world) tell(t *testing.T, number int, list []occurrence) ending {
	t.Helper()
	for i := range list {
		list[i].state.EmployeeID = strconv.Itoa(number)
	}
	s := &story{t: t, w: w, list: list}
	starter, err := NewStarter(StarterConfig{Client: s, Refs: refs(t), TaskQueue: "firstpass", LateLimit: 7 * day, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.through = starter
	for s.next < len(s.list) {
		s.happen()
		if s.start != nil {
			s.run()
		}
	}
	s.outcome.Facts.ObservedAt, s.outcome.Facts.EmployeeID = time.Time{}, ""
	if f := s.outcome.Facts; f.Status != jml.StatusScheduled {
		// What HR goes on saying of who is gone begins no journey that would keep
		// it.
		s.outcome.Facts, s.outcome.Start = jml.Snapshot{Status: f.Status}, time.Time{}
	}
	return s.outcome
}

// happen is one occurrence.
func (s *story) happen() {
	o := s.list[s.next]
	s.next++
	s.w.now = noon.Add(o.at)
	if o.poll {
		s.w.feed(s.t, o.at, o.state)
		return
	}
	body := item(o.state)
	body["observed_at"] = o.state.ObservedAt.Format(time.RFC3339)
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	if rec := s.w.do(call("hr", string(raw))); rec.Code != 200 || len(s.w.quarantined(s.t)) != 0 {
		s.t.Fatalf("answered %d; quarantined %v", rec.Code, s.w.quarantined(s.t))
	}
}

// run is a joiner, from its first facts to its end or that of the story.
func (s *story) run() {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	worker.Register(env, &tenantless{})
	began, first := s.w.now, *s.start
	s.env, s.start, s.result = env, nil, nil
	s.runs++
	env.SetStartTime(began)
	if s.input.Facts == nil {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalFacts, first) }, 0)
	}
	for _, o := range s.list[s.next:] {
		env.RegisterDelayedCallback(s.happen, noon.Add(o.at).Sub(began))
	}
	over := false
	env.RegisterDelayedCallback(func() {
		over = true
		v, err := env.QueryWorkflow(workflows.QueryJourney)
		if err != nil {
			s.t.Fatal(err)
		}
		var view workflows.JourneyView
		if err := v.Get(&view); err != nil {
			s.t.Fatal(err)
		}
		s.outcome = ending{true, view.Stage, view.Facts, view.Start}
		env.CancelWorkflow()
	}, noon.Add(s.list[len(s.list)-1].at).Sub(began)+time.Minute)
	env.ExecuteWorkflow(workflows.TypeJoiner, s.input)
	s.env = nil
	if over {
		return
	}
	var result workflows.JourneyResult
	if err := env.GetWorkflowResult(&result); err != nil {
		s.t.Fatal(err)
	}
	s.result = &result
	s.outcome = ending{Stage: result.Outcome, Facts: result.Facts}
}

func (s *story) ExecuteWorkflow(_ context.Context, _ client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if s.env != nil || s.runs > 0 || s.start != nil {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", "")
	}
	s.input = args[0].(workflows.JourneyInput)
	s.start = s.input.Facts
	return nil, nil
}

func (s *story) SignalWithStartWorkflow(_ context.Context, _, _ string, arg any, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	snap := arg.(workflows.Facts).Snapshot
	switch {
	case s.env != nil && !s.env.IsWorkflowCompleted():
		s.env.SignalWorkflow(workflows.SignalFacts, arg)
	case s.runs > 0 && o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("closed", "", "")
	default:
		s.start, s.input = &snap, args[0].(workflows.JourneyInput)
	}
	return nil, nil
}

func (s *story) SignalWorkflow(_ context.Context, _, _, _ string, arg any) error {
	if s.env == nil || s.env.IsWorkflowCompleted() {
		return serviceerror.NewNotFound("no running execution")
	}
	s.env.SignalWorkflow(workflows.SignalFacts, arg)
	return nil
}

func (s *story) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return ended{result: s.result}
}

type ended struct {
	client.WorkflowRun
	result *workflows.JourneyResult
}

func (e ended) Get(_ context.Context, v any) error {
	*v.(*workflows.JourneyResult) = *e.result
	return nil
}

// history draws what is true of one employee, from one moment to the next. It
// ends weeks before any start: from the hand-over on, what a joiner has done
// depends on when it heard, as it must.
//
// Where two sources tell of it, no start comes back that was given up: with the
// right calls lost, that can't be told from two sources that contradict each
// other, see TestContradiction.
func history(t *rapid.T, shared bool) []jml.Snapshot {
	s := facts(mail("a@example.org"))
	list := []jml.Snapshot{s}
	at := time.Duration(0)
	for _, what := range rapid.SliceOfN(rapid.SampledFrom([]string{"move", "cancel", "rehire", "contact", "department", "back"}), 0, 8).Draw(t, "history") {
		at += time.Duration(rapid.IntRange(1, 20).Draw(t, "after")) * time.Hour
		switch what {
		case "move":
			s.StartDate.Month = time.Month(rapid.IntRange(4, 7).Draw(t, "month"))
			if shared {
				s.StartDate.Day = len(list) + 1
			}
		case "cancel":
			s.Status = jml.StatusCancelled
		case "rehire":
			s.Status = jml.StatusScheduled
			if shared {
				s.StartDate.Day = len(list) + 1
			}
		case "contact":
			s.PersonalMail = rapid.SampledFrom([]string{"a@example.org", "b@example.org", ""}).Draw(t, "mail")
		case "department":
			s.Department = rapid.SampledFrom([]string{"", "Mines", "Quarry"}).Draw(t, "department")
		case "back": // to what was so before
			claim := s
			s = list[rapid.IntRange(0, len(list)-1).Draw(t, "to")]
			if shared {
				s.Status, s.StartDate = claim.Status, claim.StartDate
			}
		}
		s.ObservedAt = noon.Add(at)
		list = append(list, s)
	}
	return list
}

// TestSameStateHoweverTold: whatever of HR's calls is lost, doubled or late, and
// whenever polls come in between, the truth leads to the joiner that a sender
// leads to who says everything once and in order. It comes by a poll at the end,
// or by a call that is not lost, with late ones behind it.
//
// The contact guard is off: whether a change came too late to go unseen depends
// on when it came.
func TestSameStateHoweverTold(t *testing.T) {
	// Nobody of another history has vanished.
	w := newWorld(t, []config.Source{hook(t, "hr"), tenant(func(c *config.Source) { c.EmployeesOf, c.VanishedAfter = "hr", 0 })})
	number, running, gone := 0, 0, 0
	rapid.Check(t, func(r *rapid.T) {
		shared := rapid.Bool().Draw(r, "polls as well")
		truth := history(r, shared)
		end := truth[len(truth)-1].ObservedAt.Sub(noon) + 48*time.Hour
		var ordered []occurrence
		messy := map[time.Duration]occurrence{} // one at a time, as on any clock
		put := func(at time.Duration, o occurrence) {
			for ; messy[at].at != 0; at += time.Second {
			}
			o.at = at
			messy[at] = o
		}
		healed := shared && rapid.Bool().Draw(r, "healed by a poll")
		for i, s := range truth {
			at := s.ObservedAt.Sub(noon) + time.Second
			ordered = append(ordered, occurrence{at: at, state: s})
			copies := rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3}).Draw(r, "copies")
			if !healed && i == len(truth)-1 {
				copies = max(copies, 1)
			}
			for range copies {
				put(at+time.Duration(rapid.IntRange(0, 47*3600).Draw(r, "late"))*time.Second, occurrence{state: s})
			}
		}
		most := 0
		if shared {
			most = 4
		}
		for _, h := range rapid.SliceOfN(rapid.IntRange(1, int(end/time.Hour)-1), 0, most).Draw(r, "polls") {
			at := time.Duration(h)*time.Hour + 30*time.Minute
			now := truth[0]
			for _, s := range truth {
				if !s.ObservedAt.After(noon.Add(at)) {
					now = s
				}
			}
			put(at, occurrence{state: now, poll: true})
		}
		late := slices.SortedFunc(maps.Values(messy), func(a, b occurrence) int { return cmp.Compare(a.at, b.at) })
		if healed {
			late = append(late, occurrence{at: end, state: truth[len(truth)-1], poll: true})
		}
		number += 2
		want := w.tell(t, number, ordered)
		got := w.tell(t, number+1, late)
		if d := gocmp.Diff(want, got); d != "" {
			r.Fatalf("(-in order +as it came):\n%s", d)
		}
		// So that the test says something: the truth is what it ended with.
		final := truth[len(truth)-1]
		if want.Running != (final.Status == jml.StatusScheduled) || want.Facts.Status != final.Status {
			r.Fatalf("ended with %+v, the truth is %+v", want, final)
		}
		if want.Running && (want.Facts.StartDate != final.StartDate || want.Facts.PersonalMail != final.PersonalMail) {
			r.Fatalf("ended with %+v, the truth is %+v", want, final)
		}
		if want.Running {
			running++
		} else {
			gone++
		}
	})
	if !t.Failed() && (running < 5 || gone < 5) {
		t.Errorf("%d histories ended with a joiner and %d without", running, gone)
	}
}
