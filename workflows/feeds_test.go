package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// hr is an HR system of functions.
type hr struct {
	read    func(workflows.FeedInput) (workflows.FeedResult, error)
	fetch   func(workflows.Notice) (workflows.FetchResult, error)
	fetched []int // items of the notices asked for
}

func (h *hr) ReadFeed(_ context.Context, in workflows.FeedInput) (workflows.FeedResult, error) {
	return h.read(in)
}

func (h *hr) FetchEmployee(_ context.Context, in workflows.FetchInput) (workflows.FetchResult, error) {
	h.fetched = append(h.fetched, in.Notice.Item)
	if h.fetch != nil {
		return h.fetch(*in.Notice)
	}
	return workflows.FetchResult{Outcome: "taken"}, nil
}

func intakeRun(t *testing.T, h *hr) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet())
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartTime(begin)
	env.RegisterActivity(h)
	env.RegisterWorkflowWithOptions(workflows.Feed, workflow.RegisterOptions{Name: workflows.TypeFeed})
	env.RegisterWorkflowWithOptions(workflows.Fetch, workflow.RegisterOptions{Name: workflows.TypeFetch})
	return env
}

func TestFeed(t *testing.T) {
	tries := 0
	h := &hr{read: func(in workflows.FeedInput) (workflows.FeedResult, error) {
		if tries++; tries < 3 {
			return workflows.FeedResult{}, errors.New("away")
		}
		if in.Source != "payroll" {
			t.Errorf("reads %s", in.Source)
		}
		return workflows.FeedResult{Read: 7, Changed: 1}, nil
	}}
	env := intakeRun(t, h)
	env.ExecuteWorkflow(workflows.TypeFeed, workflows.FeedInput{Source: "payroll"})
	var got workflows.FeedResult
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(workflows.FeedResult{Read: 7, Changed: 1}, got); d != "" {
		t.Error(d)
	}
}

// TestFeedGivesUp: the next read comes by schedule, and a source that is away
// for a day must not leave a day's reads behind that all try.
func TestFeedGivesUp(t *testing.T) {
	env := intakeRun(t, &hr{read: func(workflows.FeedInput) (workflows.FeedResult, error) {
		return workflows.FeedResult{}, errors.New("away")
	}})
	env.ExecuteWorkflow(workflows.TypeFeed, workflows.FeedInput{Source: "payroll"})
	if !env.IsWorkflowCompleted() || env.GetWorkflowError() == nil {
		t.Error("goes on for ever")
	}
	if took := env.Now().Sub(begin); took > 15*time.Minute {
		t.Errorf("took %s", took)
	}
}

func notice(item int) workflows.Notice {
	return workflows.Notice{Body: []byte(`{}`), ContentType: "application/json", Item: item, ReceivedAt: begin}
}

// TestFetchAsksForTheNewest: notices that wait are one question; one that comes
// during the answer is another.
func TestFetchAsksForTheNewest(t *testing.T) {
	h := &hr{}
	env := intakeRun(t, h)
	h.fetch = func(n workflows.Notice) (workflows.FetchResult, error) {
		if n.Item == 2 {
			env.SignalWorkflow(workflows.SignalNotice, notice(3))
			env.SignalWorkflow(workflows.SignalNotice, notice(4))
		}
		return workflows.FetchResult{Outcome: "taken"}, nil
	}
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(workflows.SignalNotice, notice(1))
		env.SignalWorkflow(workflows.SignalNotice, notice(2))
	}, 0)
	env.ExecuteWorkflow(workflows.TypeFetch, workflows.FetchInput{Source: "hr"})
	var got workflows.FetchResult
	if err := env.GetWorkflowResult(&got); err != nil || got.Outcome != "taken" {
		t.Fatalf("%+v, %v", got, err)
	}
	if d := cmp.Diff([]int{2, 4}, h.fetched); d != "" {
		t.Error(d)
	}
}

// TestFetchDoesNotGiveUp: HR got its 200.
func TestFetchDoesNotGiveUp(t *testing.T) {
	h := &hr{}
	env := intakeRun(t, h)
	h.fetch = func(workflows.Notice) (workflows.FetchResult, error) {
		if env.Now().Sub(begin) < 8*time.Minute {
			return workflows.FetchResult{}, errors.New("denied")
		}
		return workflows.FetchResult{Outcome: "taken"}, nil
	}
	env.ExecuteWorkflow(workflows.TypeFetch, workflows.FetchInput{Source: "hr", Notice: &workflows.Notice{Item: 9}})
	if err := env.GetWorkflowError(); err != nil {
		t.Error(err)
	}
}

func held(h jml.Hold) func(*jml.Snapshot) { return func(s *jml.Snapshot) { s.Hold = h } }

// TestHeldUntilLifted: no pass is made while a hold stands, and nothing is asked
// meanwhile.
func TestHeldUntilLifted(t *testing.T) {
	for _, tc := range []struct {
		hold   jml.Hold
		reason jml.BlockReason
	}{{jml.HoldContact, jml.ReasonContactHeld}, {jml.HoldVanished, jml.ReasonVanished}} {
		t.Run(string(tc.hold), func(t *testing.T) {
			r := newRun(t)
			lifted := first.Add(-time.Hour)
			asked := 0
			r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
				asked++
				return jml.Verdict{User: user}, nil
			}
			r.fake.look = registered(first)
			r.tell(begin.Add(time.Hour), snapshot(held(tc.hold), seen(begin.Add(time.Hour))))
			r.at(lifted.Add(-time.Hour), func() {
				v := r.view()
				if v.Stage != jml.StageBlocked || v.Block == nil || v.Block.Reason != tc.reason || asked != 0 {
					t.Errorf("stage %s, block %v, asked %d", v.Stage, v.Block, asked)
				}
			})
			r.tell(lifted, snapshot(func(s *jml.Snapshot) { s.PersonalMail = "new@example.org" }, seen(begin.Add(time.Hour))))
			r.outcome(r.finish(), jml.StageCompleted)
			if len(r.fake.issued) != 1 || r.fake.issued[0].Contact.PersonalMail != "new@example.org" {
				t.Errorf("issued %+v", r.fake.issued)
			}
		})
	}
}

// TestHoldLeavesAPassAlone: what is out stays out; only a new one has to wait.
func TestHoldLeavesAPassAlone(t *testing.T) {
	r := newRun(t)
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if r.fake.now().Before(first.Add(time.Hour)) {
			return workflows.LookResult{}, nil
		}
		return registered(first)(in)
	}
	r.tell(first.Add(-time.Hour), snapshot(held(jml.HoldVanished), seen(first.Add(-time.Hour))))
	r.at(first.Add(30*time.Minute), func() {
		if v := r.view(); v.Stage != jml.StagePass || len(r.fake.revoked) != 0 {
			t.Errorf("stage %s, revoked %d", v.Stage, len(r.fake.revoked))
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
}

func TestHeldTimesOut(t *testing.T) {
	r := newRun(t)
	r.tell(begin.Add(time.Hour), snapshot(held(jml.HoldContact), seen(begin.Add(time.Hour))))
	got := r.finish()
	r.outcome(got, jml.StageTimedOut)
	if got.Block == nil || got.Block.Reason != jml.ReasonContactHeld || len(r.fake.issued) != 0 {
		t.Errorf("block %v, issued %d", got.Block, len(r.fake.issued))
	}
}
