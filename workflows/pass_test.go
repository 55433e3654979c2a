package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// A cancellation that arrives while the pass is being made must wait for the
// outcome: the try under way may be the one that makes it.
func TestCancelDuringIssue(t *testing.T) {
	r := newRun(t)
	r.fake.issue = func(_ context.Context, in workflows.IssueInput) (workflows.IssueResult, error) {
		return workflows.IssueResult{Pass: jml.Pass{MethodID: "pass-1", CreatedAt: r.fake.now(), StartAt: in.Request.StartAt, Lifetime: in.Request.Lifetime}}, nil
	}
	r.at(first.Add(-48*time.Hour), r.env.CancelWorkflow)
	r.outcome(r.finish(), jml.StageCancelled)
	for _, in := range r.fake.revoked {
		if in.UserID != user.ID {
			t.Errorf("revoked %+v", in)
		}
	}
}

// Looks that fail are looks that found nothing: time runs out all the same, and
// the pass is revoked.
func TestGraphAwayWhileWatching(t *testing.T) {
	r := newRun(t)
	r.fake.look = func(workflows.LookInput) (workflows.LookResult, error) {
		return workflows.LookResult{}, &jml.Fault{System: "graph", Op: "list methods", Kind: jml.FaultUnavailable}
	}
	r.outcome(r.finish(), jml.StageTimedOut)
}

// After a nudge that found nothing the looks come close together again: somebody
// knows of a registration that Graph does not show yet.
func TestNudgeTooEarly(t *testing.T) {
	r := newRun(t)
	nudgedAt := first.Add(40 * time.Minute)
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if r.fake.now().After(nudgedAt) {
			return registered(nudgedAt)(in)
		}
		return workflows.LookResult{}, nil
	}
	r.at(nudgedAt, func() {
		if err := r.env.SignalWorkflowByID(workflows.PassID(user.ID), workflows.SignalLook, nil); err != nil {
			t.Error(err)
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
	if got, want := r.fake.looked[len(r.fake.looked)-1], nudgedAt.Add(2*time.Minute); !got.Equal(want) {
		t.Errorf("found at %s, want %s", got, want)
	}
}

// A watch that goes on for weeks continues as new, and neither issues again nor
// forgets which pass to revoke.
func TestLongWatchContinuesAsNew(t *testing.T) {
	in := workflows.PassInput{
		Ref: "ref", UserID: user.ID, UPN: user.UPN, Profile: profile(), Facts: snapshot(),
		StartAt: first, Since: begin, Until: first.Add(24 * time.Hour),
	}
	r := newRun(t)
	r.env.SetContinueAsNewSuggested(true)
	r.env.ExecuteWorkflow(workflows.TypePass, in)
	var again *workflow.ContinueAsNewError
	if err := r.env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	if len(r.fake.revoked) != 0 || in.State == nil || in.State.Issued == nil {
		t.Fatalf("revoked %v, carried %+v", r.fake.revoked, in.State)
	}
	next := newRun(t)
	next.fake.look = registered(first)
	next.env.ExecuteWorkflow(workflows.TypePass, in)
	if err := next.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if len(next.fake.issued) != 0 || len(next.fake.revoked) != 1 || next.fake.revoked[0].MethodID != "pass-1" {
		t.Errorf("second run: issued %v, revoked %+v", next.fake.issued, next.fake.revoked)
	}
}
