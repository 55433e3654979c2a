package plan

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"firstpass.internal/activities"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// asks takes note of what a journey asks with, and lets nobody through.
type asks struct {
	workflows.Activities
	in []workflows.PreflightInput
}

// Preflight implements workflows.Activities.
func (a *asks) Preflight(_ context.Context, in workflows.PreflightInput) (jml.Verdict, error) {
	a.in = append(a.in, in)
	return jml.Verdict{Block: jml.Blocked(jml.ReasonUserNotFound, "")}, nil
}

// RecordStep implements workflows.Activities.
func (*asks) RecordStep(context.Context, workflows.StepInput) (workflows.StepResult, error) {
	return workflows.StepResult{}, nil
}

// RecordClose implements workflows.Activities.
func (*asks) RecordClose(context.Context, workflows.CloseInput) (workflows.CloseResult, error) {
	return workflows.CloseResult{}, nil
}

// TestPlanAsksAsAJourney holds preflightInput against the workflow's own.
func TestPlanAsksAsAJourney(t *testing.T) {
	for _, open := range []bool{false, true} {
		for _, rehire := range []bool{false, true} {
			profile := sends1()
			profile.Remove = jml.RemoveOlder
			facts := person("1").Facts
			facts.Rehire = rehire
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			env := suite.NewTestWorkflowEnvironment()
			env.SetStartTime(now)
			journey := &asks{}
			env.RegisterActivity(journey)
			env.RegisterDelayedCallback(env.CancelWorkflow, 60*time.Hour)
			env.ExecuteWorkflow(workflows.Joiner, workflows.JourneyInput{Ref: "ref1", Source: "hr", Profile: profile, Open: open, Facts: &facts})
			if len(journey.in) == 0 {
				t.Fatalf("the journey asked nothing: %v", env.GetWorkflowError())
			}
			ahead := &asks{}
			o := Outcome{now: now}
			Config{Now: now, Rules: &world{choose: func(jml.Snapshot) jml.Choice { return jml.Choice{Profile: profile, Open: open} }}}.
				live(context.Background(), looking{ahead}, &o, Person{Ref: "ref1", Source: "hr", Facts: facts})
			if o.Cause != Cause(jml.ReasonUserNotFound) || len(ahead.in) != 1 {
				t.Fatalf("%+v %d", o, len(ahead.in))
			}
			if d := cmp.Diff(journey.in[0], ahead.in[0]); d != "" {
				t.Errorf("open %t, rehire %t: %s", open, rehire, d)
			}
		}
	}
}

// looking is a Look of which nobody gets as far as a route.
type looking struct{ *asks }

// Reach implements Look.
func (looking) Reach(context.Context, activities.ReachInput) (jml.Route, *jml.Block, error) {
	return jml.Route{}, nil, errors.New("not asked")
}
