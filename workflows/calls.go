package workflows

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// Options are named by the nature of the call and stand here together: how
// long and how often to try is a design decision, not a detail of a call.

// read is for short reads of the tenant. They run as local activities, which
// cost a fraction of the events and actions of normal ones. Three quick tries;
// beyond that the journey itself waits, visibly blocked, instead of hiding in a
// retry loop.
func read(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 4 * time.Minute, // up to five Graph calls; Graph itself gives up after 60 s
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 3, MaximumAttempts: 3},
	})
}

// issue is for making a pass and handing it over. Each try may mint and destroy
// a pass, so tries are few; then the journey shows as blocked and comes back
// later. Cancelling waits for the try that is under way, as it may just be
// making the pass.
func issue(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Minute,
		// The heartbeat finds a dead worker; the activity beats three times as
		// often.
		HeartbeatTimeout:    15 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 6},
		Summary:             "Issue the pass and hand it over",
	})
}

// revoke is for ending a pass. It is tried until it works: a pass may not
// outlive its journey.
func revoke(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    15 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute},
		Summary:             "Revoke the pass and read back that it is gone",
	})
}

// removal is for deleting methods and ending sessions: idempotent, so tries are
// many, but a refusal shows within minutes.
func removal(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    15 * time.Second, // a stolen key does not wait for minutes because a worker died
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 8},
		Summary:             "Remove methods and read back that they are gone",
	})
}

// message is for a message that makes no pass. It is tried for some minutes:
// sent again, it says the same.
func message(ctx workflow.Context, m jml.Message) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		// A channel gives up after 30 s. A worker that dies is noticed no sooner
		// than this, and somebody may be waiting for the code.
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 8},
		Summary:             "Send the message: " + string(m),
	})
}

// record is for a line in the audit. Like a revocation it is tried until it
// works: a journey does not end unrecorded.
func record(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		// Without it the SDK takes the timeout of one try for that of all
		// (getValidatedLocalActivityOptions, SDK 1.50): a ledger that is away for
		// ten seconds would fail the journey.
		ScheduleToCloseTimeout: 10 * 365 * 24 * time.Hour,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute},
	})
}

// call runs an activity by name. f is not called: it makes a wrong input or
// output a compile error instead of a decoding error on the worker.
func call[A, I, O any](ctx workflow.Context, name string, _ func(A, context.Context, I) (O, error), in I) (O, error) {
	var out O
	err := workflow.ExecuteActivity(ctx, name, in).Get(ctx, &out)
	return out, err
}

// callLocal is call for a local activity.
func callLocal[A, I, O any](ctx workflow.Context, name string, _ func(A, context.Context, I) (O, error), in I) (O, error) {
	var out O
	err := workflow.ExecuteLocalActivity(ctx, name, in).Get(ctx, &out)
	return out, err
}

// ErrorType is the ApplicationError type of every error an activity returns on
// purpose; its details hold one jml.Block, and of IssuePass an IssueFailure.
const ErrorType = "blocked"

// blockOf returns what stands in the way, for an activity that gave up.
func blockOf(err error) *jml.Block {
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() == ErrorType && app.HasDetails() {
		var b jml.Block
		if app.Details(&b) == nil && b.Reason != "" {
			return &b
		}
	}
	return jml.Blocked(jml.ReasonInternal, "")
}

// mayBeSeen reports whether the passcode of a pass that could not be issued may
// be in somebody's hands.
func mayBeSeen(err error) bool {
	var app *temporal.ApplicationError
	var b jml.Block
	var f IssueFailure
	return errors.As(err, &app) && app.Type() == ErrorType && app.HasDetails() && app.Details(&b, &f) == nil && f.Seen
}
