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
	// Shows tells which search attributes journeys may set; nil: all.
	Shows func(context.Context) workflows.Shows
	Now   func() time.Time
}

// Starter brings snapshots to journeys and starts those that are not there.
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
	if cfg.Shows == nil {
		cfg.Shows = func(context.Context) workflows.Shows { return workflows.ShowsAll }
	}
	return &Starter{cfg}, nil
}

// OutcomeKind says what became of a snapshot.
type OutcomeKind string

// The kinds.
const (
	// OutcomeDelivered: the journey has it. Signal-with-start does not tell
	// whether it ran before, and asking first would cost a request.
	OutcomeDelivered OutcomeKind = "delivered"
	OutcomeStarted   OutcomeKind = "started"   // of whom nothing was known, or anew after a journey that ended
	OutcomeUnchanged OutcomeKind = "unchanged" // says nothing that the ended journey did not know
	OutcomeIgnored   OutcomeKind = "ignored"   // no journey runs, and it starts none
)

// Outcome says what became of a snapshot. Nothing in it is personal.
type Outcome struct {
	Kind       OutcomeKind `json:"outcome"`
	Ref        string      `json:"ref"`
	WorkflowID string      `json:"workflow_id"`
	Why        string      `json:"why,omitempty"`
	// returned says that the journey that ended was a rehire's, and reached its
	// goal.
	returned bool
}

// Errand is what a journey is told, or begins with.
type Errand struct {
	Kind     jml.Kind // empty: joiner
	Source   string   // whose employee it is
	Ref      string   // empty: that of the employee id
	Snapshot jml.Snapshot
	Choice   jml.Choice // the profile of a journey that begins
	Moved    bool       // one that runs takes up Choice, too: the position has changed
	Back     bool       // the employee had left, and is expected again
	// Again begins one even if one ended with the same facts, or if the start
	// lies too far back; one that runs only gets the snapshot.
	Again   bool
	Request *jml.Request // recovery and staging
}

// resultWait bounds the look at an ended journey's result. It is there or it is
// not; waiting means that a new run began meanwhile.
const resultWait = 3 * time.Second

// Introduce is Deliver for an employee of whom nothing was ever said. There is no
// joiner to look for, and a plain start costs the engine a fifth less than a
// signal with start (measured, SQLite); where there is one all the same, it
// gets the snapshot.
func (s *Starter) Introduce(ctx context.Context, e Errand) (Outcome, error) {
	d := s.delivery(ctx, e)
	start, err := e.Snapshot.Start(e.Choice.Profile.StartHour)
	if err != nil || e.Snapshot.StartDate.IsZero() || start.Before(s.cfg.Now().Add(-s.cfg.LateLimit)) {
		return s.Deliver(ctx, e)
	}
	options := d.options(start, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
	options.ID, options.WorkflowExecutionErrorWhenAlreadyStarted = d.id, true
	input := d.input()
	input.Facts = &e.Snapshot
	_, err = s.cfg.Client.ExecuteWorkflow(ctx, options, workflows.Type(d.Kind), input)
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &there):
		return s.Deliver(ctx, e)
	case err != nil:
		return Outcome{}, d.unavailable("start", err)
	}
	return d.outcome(OutcomeStarted, ""), nil
}

func (s *Starter) delivery(ctx context.Context, e Errand) delivery {
	if e.Ref == "" {
		e.Ref = s.cfg.Refs.Ref(e.Source, e.Snapshot.EmployeeID)
	}
	if e.Kind == "" {
		e.Kind = jml.KindJoiner
	}
	return delivery{e, s.cfg, workflows.JourneyID(e.Kind, e.Source, e.Ref), s.cfg.Shows(ctx)}
}

// Deliver hands a valid snapshot to the joiner or the mover of its employee,
// which begins if there is none. Repeats do no harm. Errors are ErrUnavailable.
func (s *Starter) Deliver(ctx context.Context, e Errand) (Outcome, error) {
	d := s.delivery(ctx, e)
	// A cancelled hire goes the same way: where no joiner runs, one is started
	// that ends at once and keeps the facts. Without it, a "scheduled" that HR
	// sent earlier and that arrives later would start a joiner.
	start, err := d.starts()
	if err != nil {
		return Outcome{}, err
	}
	if e.Again {
		return d.start(ctx, start, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, OutcomeDelivered)
	}
	if d.Kind == jml.KindJoiner && start.Before(s.cfg.Now().Add(-s.cfg.LateLimit)) {
		return d.signal(ctx, "the start lies further back than intake.late_limit, and no joiner runs")
	}
	out, err := d.start(ctx, start, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, OutcomeDelivered)
	var closed *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &closed) {
		return out, err
	}
	last, err := d.last(ctx)
	if err != nil {
		return Outcome{}, err
	}
	returned := last.Outcome.Reached() && last.Facts.Rehire && !d.Back
	if !d.reopens(last) {
		out = d.outcome(OutcomeUnchanged, "the journey that ended knew as much")
		out.returned = returned
		return out, nil
	}
	if returned && d.Snapshot.Status == jml.StatusScheduled {
		d.Snapshot.Rehire = false // or it would remove what the one before had registered
	}
	out, err = d.start(ctx, start, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, OutcomeStarted)
	out.returned = returned
	return out, err
}

// Signal hands a snapshot to a journey that runs, and begins none. Errors are
// ErrUnavailable.
func (s *Starter) Signal(ctx context.Context, e Errand) (Outcome, error) {
	d := s.delivery(ctx, e)
	return d.signal(ctx, "no "+string(d.Kind)+" runs")
}

// ErrRunning says that there is such a journey already.
var ErrRunning = errors.New("a journey of this kind is under way")

// Begin begins the recovery or the staging that somebody asked for. It returns
// ErrRunning if one is under way; other errors are ErrUnavailable, and then it
// may have begun all the same.
func (s *Starter) Begin(ctx context.Context, e Errand) (Outcome, error) {
	d := s.delivery(ctx, e)
	start, err := d.starts()
	if err != nil {
		return Outcome{}, err
	}
	options := d.options(start, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE)
	options.ID, options.WorkflowExecutionErrorWhenAlreadyStarted = d.id, true
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	input := d.input()
	input.Facts, input.Request = &e.Snapshot, e.Request
	_, err = s.cfg.Client.ExecuteWorkflow(ctx, options, workflows.Type(d.Kind), input)
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &there):
		return d.outcome(OutcomeIgnored, "one is under way"), ErrRunning
	case err != nil:
		return Outcome{}, d.unavailable("start", err)
	}
	return d.outcome(OutcomeStarted, ""), nil
}

// delivery is an errand on its way.
type delivery struct {
	Errand
	cfg   StarterConfig
	id    string
	shows workflows.Shows
}

func (d delivery) outcome(k OutcomeKind, why string) Outcome {
	return Outcome{Kind: k, Ref: d.Ref, WorkflowID: d.id, Why: why}
}

// starts returns the instant that the search attributes show.
func (d delivery) starts() (time.Time, error) {
	now := d.cfg.Now()
	if d.Kind != jml.KindJoiner {
		s := jml.Situation{Kind: d.Kind, Profile: d.Choice.Profile, Facts: d.Snapshot, Request: d.Request, FirstSeen: now}
		return s.Start(), nil
	}
	start, err := d.Snapshot.Start(d.Choice.Profile.StartHour)
	if err == nil && !d.Snapshot.StartDate.IsZero() {
		return start, nil
	}
	if d.Snapshot.Status == jml.StatusScheduled {
		return start, fmt.Errorf("intake: %w", err)
	}
	return now, nil // a deletion may come without dates
}

// Notify has an employee fetched: notices with one key meet in one workflow.
// Repeats do no harm. Errors are ErrUnavailable.
func (s *Starter) Notify(ctx context.Context, source, key string, n workflows.Notice) error {
	var shown []temporal.SearchAttributeUpdate
	if s.cfg.Shows(ctx) >= workflows.ShowsFirst {
		shown = append(shown, temporal.NewSearchAttributeKeyKeyword(workflows.AttributeSource).ValueSet(source))
	}
	_, err := s.cfg.Client.SignalWithStartWorkflow(ctx, workflows.FetchID(source, key), workflows.SignalNotice, n,
		client.StartWorkflowOptions{
			TaskQueue: s.cfg.TaskQueue,
			// Each notice wants an answer of its own, whatever came of the last.
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			TypedSearchAttributes: temporal.NewSearchAttributes(shown...),
			StaticSummary:         "Fetch an employee of " + source,
		},
		workflows.TypeFetch, workflows.FetchInput{Source: source})
	if err != nil {
		return fmt.Errorf("%w: notice for source %s: %w", ErrUnavailable, source, err)
	}
	return nil
}

// signal brings the snapshot to a running journey; absent says why there need
// not be one.
func (d delivery) signal(ctx context.Context, absent string) (Outcome, error) {
	err := d.cfg.Client.SignalWorkflow(ctx, d.id, "", workflows.SignalFacts, d.facts())
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return d.outcome(OutcomeIgnored, absent), nil
	case err != nil:
		return Outcome{}, d.unavailable("signal", err)
	}
	return d.outcome(OutcomeDelivered, ""), nil
}

// start brings the snapshot to the journey, which is started if none runs and
// reuse allows it. The reuse policy is given every time: Temporal's default
// would start a second journey after each one that ended.
func (d delivery) start(ctx context.Context, at time.Time, reuse enumspb.WorkflowIdReusePolicy, as OutcomeKind) (Outcome, error) {
	_, err := d.cfg.Client.SignalWithStartWorkflow(ctx, d.id, workflows.SignalFacts, d.facts(), d.options(at, reuse), workflows.Type(d.Kind), d.input())
	if err != nil {
		return Outcome{}, d.unavailable("signal with start", err)
	}
	return d.outcome(as, ""), nil
}

func (d delivery) facts() workflows.Facts {
	out := workflows.Facts{Snapshot: d.Snapshot}
	if d.Moved {
		out.Choice = &d.Choice
	}
	return out
}

// input is that of a journey that begins. One without a profile begins all the
// same, blocked: what HR said is kept, and the rules are asked again.
func (d delivery) input() workflows.JourneyInput {
	in := workflows.JourneyInput{
		Ref: d.Ref, Source: d.Source, Profile: d.Choice.Profile,
		Open: d.Choice.Open || d.Choice.Block != nil, Block: d.Choice.Block, Shows: d.shows,
	}
	if d.Kind != jml.KindJoiner {
		in.Kind = d.Kind
	}
	return in
}

func (d delivery) options(at time.Time, reuse enumspb.WorkflowIdReusePolicy) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		TaskQueue:             d.cfg.TaskQueue,
		WorkflowIDReusePolicy: reuse,
		// Set here and not by the workflow: each change there is an action of its
		// own.
		TypedSearchAttributes: workflows.StartAttributes(d.shows, d.Kind, d.Source, d.Snapshot.Site, at, d.cfg.Now()),
		StaticSummary:         workflows.Type(d.Kind) + " `" + d.Ref + "` of source " + d.Source,
		StaticDetails:         "Everything about this journey: `firstpass show " + d.Ref + "`",
	}
}

// last returns the result of the journey that ended; zero for one that left none
// (it failed or was terminated).
func (d delivery) last(ctx context.Context) (workflows.JourneyResult, error) {
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
		return workflows.JourneyResult{}, nil
	case err != nil:
		return last, d.unavailable("read the last result", err)
	}
	return last, nil
}

// reopens reports whether the snapshot is reason for another journey after last.
// One that left no result knew nothing.
func (d delivery) reopens(last workflows.JourneyResult) bool {
	if last.Outcome == "" {
		return true
	}
	return jml.Decide(jml.Situation{Kind: d.Kind, Closed: last.Outcome, Before: last.Facts, Facts: d.Snapshot}).Step == jml.StepReopen
}

func (d delivery) unavailable(op string, err error) error {
	return fmt.Errorf("%w: %s of %s %s: %w", ErrUnavailable, op, d.Kind, d.Ref, err)
}
