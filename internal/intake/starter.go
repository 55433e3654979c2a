package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// ErrUnavailable says that Temporal did not take a snapshot. Whatever the cause
// under it, the snapshot has to come again.
var ErrUnavailable = errors.New("not taken by Temporal")

// TemporalClient is what a Starter needs of client.Client.
type TemporalClient interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
}

// StarterConfig is what a Starter needs.
type StarterConfig struct {
	Client    TemporalClient
	Refs      Refs
	TaskQueue string
	// LateLimit is how far a start may lie in the past for a joiner to be
	// started. Without it the first full export would make a joiner of everybody
	// ever hired.
	LateLimit time.Duration
	Now       func() time.Time
}

// Starter brings snapshots to joiners and starts those that are not there.
type Starter struct {
	cfg StarterConfig
}

// NewStarter returns a Starter.
func NewStarter(cfg StarterConfig) (*Starter, error) {
	if cfg.Client == nil || cfg.TaskQueue == "" || cfg.Now == nil || cfg.LateLimit < 0 {
		return nil, errors.New("intake: a starter wants a client, a task queue, a clock and a late limit")
	}
	if err := cfg.Refs.check(); err != nil {
		return nil, err
	}
	return &Starter{cfg}, nil
}

// OutcomeKind says what became of a snapshot.
type OutcomeKind string

// The kinds.
const (
	// OutcomeDelivered: the joiner has it. Signal-with-start does not tell
	// whether the joiner ran before, and asking first would cost a request.
	OutcomeDelivered OutcomeKind = "delivered"
	OutcomeStarted   OutcomeKind = "started"   // of whom nothing was known, or anew after a journey that ended
	OutcomeUnchanged OutcomeKind = "unchanged" // says nothing that the ended journey did not know
	OutcomeIgnored   OutcomeKind = "ignored"   // no joiner runs, and it starts none
)

// Outcome says what became of a snapshot. Nothing in it is personal.
type Outcome struct {
	Kind       OutcomeKind `json:"outcome"`
	Ref        string      `json:"ref"`
	WorkflowID string      `json:"workflow_id"`
	Why        string      `json:"why,omitempty"`
}

// resultWait bounds the look at an ended journey's result. It is there or it is
// not; waiting means that a new run began meanwhile.
const resultWait = 3 * time.Second

// Deliver hands a valid snapshot to the joiner of its employee. Repeats do no
// harm. Errors are ErrUnavailable.
func (s *Starter) Deliver(ctx context.Context, source string, profile jml.Profile, snap jml.Snapshot) (Outcome, error) {
	return s.Start(ctx, source, profile, snap, false)
}

// Introduce is Deliver for an employee of whom nothing was ever said. There is no
// joiner to look for, and a plain start costs the engine a fifth less than a
// signal with start (measured, SQLite); where there is one all the same, it
// gets the snapshot.
func (s *Starter) Introduce(ctx context.Context, source string, profile jml.Profile, snap jml.Snapshot) (Outcome, error) {
	d := s.delivery(source, profile, snap)
	start, err := snap.Start(profile.StartHour)
	if err != nil || snap.StartDate.IsZero() || start.Before(s.cfg.Now().Add(-s.cfg.LateLimit)) {
		return s.Deliver(ctx, source, profile, snap)
	}
	options := d.options(start, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
	options.ID, options.WorkflowExecutionErrorWhenAlreadyStarted = d.id, true
	input := d.input()
	input.Facts = &snap
	_, err = s.cfg.Client.ExecuteWorkflow(ctx, options, workflows.TypeJoiner, input)
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &there):
		return s.Deliver(ctx, source, profile, snap)
	case err != nil:
		return Outcome{}, d.unavailable("start", err)
	}
	return d.outcome(OutcomeStarted, ""), nil
}

func (s *Starter) delivery(source string, profile jml.Profile, snap jml.Snapshot) delivery {
	ref := s.cfg.Refs.Ref(source, snap.EmployeeID)
	return delivery{s.cfg, source, profile, snap, ref, workflows.JourneyID(jml.KindJoiner, source, ref)}
}

// Start is Deliver for an operator. With again, a joiner is started even if one
// ended with the same facts, or if the start lies too far back; one that runs
// only gets the snapshot.
func (s *Starter) Start(ctx context.Context, source string, profile jml.Profile, snap jml.Snapshot, again bool) (Outcome, error) {
	d := s.delivery(source, profile, snap)
	// A cancelled hire goes the same way: where no joiner runs, one is started
	// that ends at once and keeps the facts. Without it, a "scheduled" that HR
	// sent earlier and that arrives later would start a joiner.
	start, err := snap.Start(profile.StartHour)
	if err != nil || snap.StartDate.IsZero() {
		if snap.Status == jml.StatusScheduled {
			return Outcome{}, fmt.Errorf("intake: %w", err)
		}
		start = s.cfg.Now() // a deletion may come without dates
	}
	if again {
		return d.start(ctx, start, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, OutcomeDelivered)
	}
	if start.Before(s.cfg.Now().Add(-s.cfg.LateLimit)) {
		return d.signal(ctx, "the start lies further back than intake.late_limit, and no joiner runs")
	}
	out, err := d.start(ctx, start, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, OutcomeDelivered)
	var closed *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &closed) {
		return out, err
	}
	news, err := d.isNews(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if !news {
		return d.outcome(OutcomeUnchanged, "the journey that ended knew as much"), nil
	}
	return d.start(ctx, start, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, OutcomeStarted)
}

// delivery is one snapshot on its way.
type delivery struct {
	cfg     StarterConfig
	source  string
	profile jml.Profile
	snap    jml.Snapshot
	ref     string
	id      string
}

func (d delivery) outcome(k OutcomeKind, why string) Outcome { return Outcome{k, d.ref, d.id, why} }

// Notify has an employee fetched: notices with one key meet in one workflow.
// Repeats do no harm. Errors are ErrUnavailable.
func (s *Starter) Notify(ctx context.Context, source, key string, n workflows.Notice) error {
	_, err := s.cfg.Client.SignalWithStartWorkflow(ctx, workflows.FetchID(source, key), workflows.SignalNotice, n,
		client.StartWorkflowOptions{
			TaskQueue: s.cfg.TaskQueue,
			// Each notice wants an answer of its own, whatever came of the last.
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			TypedSearchAttributes: temporal.NewSearchAttributes(
				temporal.NewSearchAttributeKeyKeyword(workflows.AttributeSource).ValueSet(source)),
			StaticSummary: "Fetch an employee of " + source,
		},
		workflows.TypeFetch, workflows.FetchInput{Source: source})
	if err != nil {
		return fmt.Errorf("%w: notice for source %s: %w", ErrUnavailable, source, err)
	}
	return nil
}

// signal brings the snapshot to a running joiner; absent says why there need
// not be one.
func (d delivery) signal(ctx context.Context, absent string) (Outcome, error) {
	err := d.cfg.Client.SignalWorkflow(ctx, d.id, "", workflows.SignalFacts, workflows.Facts{Snapshot: d.snap})
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return d.outcome(OutcomeIgnored, absent), nil
	case err != nil:
		return Outcome{}, d.unavailable("signal", err)
	}
	return d.outcome(OutcomeDelivered, ""), nil
}

// start brings the snapshot to the joiner, which is started if none runs and
// reuse allows it. The reuse policy is given every time: Temporal's default
// would start a second journey after each one that ended.
func (d delivery) start(ctx context.Context, at time.Time, reuse enumspb.WorkflowIdReusePolicy, as OutcomeKind) (Outcome, error) {
	_, err := d.cfg.Client.SignalWithStartWorkflow(ctx, d.id, workflows.SignalFacts, workflows.Facts{Snapshot: d.snap}, d.options(at, reuse), workflows.TypeJoiner, d.input())
	if err != nil {
		return Outcome{}, d.unavailable("signal with start", err)
	}
	return d.outcome(as, ""), nil
}

func (d delivery) input() workflows.JourneyInput {
	return workflows.JourneyInput{Ref: d.ref, Source: d.source, Profile: d.profile}
}

func (d delivery) options(at time.Time, reuse enumspb.WorkflowIdReusePolicy) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		TaskQueue:             d.cfg.TaskQueue,
		WorkflowIDReusePolicy: reuse,
		// Set here and not by the workflow: each change there is an action of its
		// own.
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeStage).ValueSet(string(jml.StageScheduled)),
			temporal.NewSearchAttributeKeyKeyword(workflows.AttributeSource).ValueSet(d.source),
			temporal.NewSearchAttributeKeyTime(workflows.AttributeStarts).ValueSet(at),
		),
		StaticSummary: "Joiner " + d.ref,
	}
}

// isNews reports whether the snapshot tells the journey that ended something
// new. One that left no result (it failed or was terminated) knew nothing.
func (d delivery) isNews(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, resultWait)
	defer cancel()
	var (
		last   workflows.JourneyResult
		failed *temporal.WorkflowExecutionError
		none   *serviceerror.NotFound
	)
	err := d.cfg.Client.GetWorkflow(ctx, d.id, "").Get(ctx, &last)
	switch {
	case errors.As(err, &failed), errors.As(err, &none):
		return true, nil
	case err != nil:
		return false, d.unavailable("read the last result", err)
	}
	if !d.snap.Supersedes(last.Facts) {
		return false, nil
	}
	// A journey that reached its goal is not gone through again because a
	// department or a number changed.
	return !last.Outcome.Reached() || d.snap.Restarts(last.Facts), nil
}

func (d delivery) unavailable(op string, err error) error {
	return fmt.Errorf("%w: %s of joiner %s: %w", ErrUnavailable, op, d.ref, err)
}
