package workflows

import (
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// Joiner takes one employee from an HR start date to a strong method and a
// revoked pass. There is one per employee and source; HR facts reach it as
// snapshots, compared with what it holds.
//
// It ends well with an outcome, whatever the outcome: what HR says later is
// compared with the result.
func Joiner(ctx workflow.Context, in JoinerInput) (JoinerResult, error) {
	j := &joiner{in: in, stage: StageScheduled, firstSeen: workflow.Now(ctx)}
	if in.Facts != nil {
		j.facts, j.informed = *in.Facts, true
	}
	if c := in.Carried; c != nil {
		j.facts, j.informed, j.firstSeen = c.Facts, true, c.FirstSeen
		j.stage, j.block, j.rechecks, j.round = c.Stage, c.Block, c.Rechecks, c.Round
		j.reissues, j.skip, j.barred, j.contactAt = c.Reissues, c.Skip, c.Barred, c.ContactAt
	}
	if err := j.listen(ctx); err != nil {
		return JoinerResult{}, err
	}
	return j.run(ctx)
}

type joiner struct {
	in        JoinerInput
	facts     jml.Snapshot
	informed  bool // facts hold a snapshot
	heard     int  // counts snapshots that said something new, and nudges
	planned   int  // heard, when the present plan was made
	outdated  int
	firstSeen time.Time
	shown     time.Time // the start instant in the search attributes

	stage    Stage
	block    *jml.Block
	recheck  time.Time
	rechecks int // tries since the present reason appeared
	user     *jml.User
	passID   string
	round    int // passes made so far
	skip     int // routes of the passcode that have shown not to work
	lastPass *PassResult

	reissues  int        // passes asked for beyond the first
	reissue   bool       // one is asked for now
	barred    *jml.Block // no pass until somebody has looked into this
	contactAt time.Time  // when HR last changed an address

	stop   *StopRequest
	result *JoinerResult
}

// listen registers what others may ask and tell.
func (j *joiner) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryJoiner, j.view); err != nil {
		return err
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateStop, j.onStop, workflow.UpdateHandlerOptions{
		Validator:   j.mayStop,
		Description: "End this joiner: cancel it, or revoke its live pass",
	})
	if err != nil {
		return err
	}
	if err := update(ctx, UpdateReissue, j.mayReissue, j.onReissue); err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		facts := workflow.GetSignalChannel(ctx, SignalFacts)
		for {
			var s jml.Snapshot
			facts.Receive(ctx, &s)
			j.learn(ctx, s)
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		looks := workflow.GetSignalChannel(ctx, SignalLook)
		for {
			looks.Receive(ctx, nil)
			j.heard++
		}
	})
	return nil
}

// learn takes in a snapshot. What is older or says the same changes nothing.
func (j *joiner) learn(ctx workflow.Context, s jml.Snapshot) {
	if j.informed && !s.Supersedes(j.facts) {
		j.outdated++
		return
	}
	if j.informed && (s.PersonalMail != j.facts.PersonalMail || s.Phone != j.facts.Phone) {
		j.contactAt, j.skip = workflow.Now(ctx), 0
		if j.barred != nil && j.barred.Reason == jml.ReasonUndeliverable {
			j.barred = nil // another address, another try
		}
	}
	j.facts, j.informed = s, true
	j.heard++
}

func (j *joiner) mayStop(req StopRequest) error {
	switch {
	case req.Outcome != StageCancelled && req.Outcome != StageRevoked:
		return errors.New("the outcome must be cancelled or revoked")
	case req.Actor == "" || req.Reason == "":
		return errors.New("actor and reason are needed: both go to the audit")
	case j.result != nil || j.stop != nil:
		return errors.New("this joiner is ending already")
	case req.Outcome == StageRevoked && j.passID == "":
		return errors.New("there is no pass to revoke; cancel the joiner to keep it from getting one")
	}
	return nil
}

// onStop answers when the joiner has ended, so that the operator who asked sees
// the pass proved gone, or that it is not yet.
func (j *joiner) onStop(ctx workflow.Context, req StopRequest) (JoinerResult, error) {
	j.stop = &req
	if err := workflow.Await(ctx, func() bool { return j.result != nil }); err != nil {
		return JoinerResult{}, err
	}
	return *j.result, nil
}

// contactRest is how long HR's address must have stood before an operator may
// have a pass sent to it: a changed address and another pass, one after the
// other, are how accounts are stolen.
const contactRest = 24 * time.Hour

func (j *joiner) mayReissue(ctx workflow.Context, req ReissueRequest) error {
	rested := j.contactAt.Add(contactRest)
	switch {
	case req.Actor == "" || req.Reason == "":
		return errors.New("actor and reason are needed: both go to the audit")
	case j.result != nil || j.ending(ctx):
		return errors.New("this joiner is ending already")
	case j.passID == "" && j.barred == nil:
		return errors.New("there is no pass to replace yet: see what it waits for")
	case j.reissues >= j.in.Profile.Reissues:
		return errors.New("this employee has had as many passes as the profile allows (reissues): cancel, and start anew")
	case !j.contactAt.IsZero() && workflow.Now(ctx).Before(rested):
		return errors.New("HR changed the private address or number less than a day ago; a pass is never reissued together with that. Ask again after " + rested.UTC().Format(time.RFC3339))
	}
	return nil
}

// onReissue answers when it is in the audit; the pass there is ends, and
// another begins.
func (j *joiner) onReissue(ctx workflow.Context, req ReissueRequest) (Answer, error) {
	j.reissues++
	if _, err := callLocal(record(ctx), "RecordStep", Activities.RecordStep, StepInput{
		Ref: j.in.Ref, Event: StepReissue, Actor: req.Actor, Reason: req.Reason,
	}); err != nil {
		return Answer{}, err
	}
	j.barred, j.skip = nil, 0
	j.reissue = j.passID != ""
	j.heard++
	return Answer{Done: true}, nil
}

// ending reports whether somebody wants the journey to end.
func (j *joiner) ending(ctx workflow.Context) bool {
	return ctx.Err() != nil || j.stop != nil || j.informed && j.facts.Status != jml.StatusScheduled
}

// start returns the start instant. Intake validated the snapshot; a zone this
// worker does not know is treated as UTC rather than failing the workflow.
func (j *joiner) start() time.Time {
	t, err := j.facts.Start(j.in.Profile.StartHour)
	if err != nil {
		t = jml.Instant(j.facts.StartDate, j.in.Profile.StartHour, time.UTC)
	}
	return t.UTC()
}

// deadline returns when to give up: the timeout counts from the start, or from
// when we first heard of the employee where that was later.
func (j *joiner) deadline() time.Time {
	from := j.start()
	if j.firstSeen.After(from) {
		from = j.firstSeen
	}
	return from.Add(j.in.Profile.Timeout)
}

func (j *joiner) run(ctx workflow.Context) (JoinerResult, error) {
	_ = workflow.Await(ctx, func() bool { return j.informed })
	for {
		// What comes in from here on, while activities run too, may change the
		// plan: the next wait returns at once.
		j.planned = j.heard
		now := workflow.Now(ctx)
		if j.ending(ctx) {
			return j.close(ctx, j.stopOutcome())
		}
		if !now.Before(j.deadline()) {
			return j.close(ctx, StageTimedOut)
		}
		j.showStart(ctx)
		if issueAt := j.start().Add(-j.in.Profile.LeadTime); now.Before(issueAt) {
			j.enter(ctx, StageScheduled, nil)
			j.sleepUntil(ctx, issueAt)
			continue
		}
		if b := jml.HoldBlock(j.facts.Hold); b != nil {
			// Only news lifts a hold, so there is nothing to look at again.
			j.enter(ctx, StageBlocked, b)
			j.sleepUntil(ctx, j.deadline())
			continue
		}
		if j.barred != nil {
			j.enter(ctx, StageBlocked, j.barred)
			j.sleepUntil(ctx, j.deadline())
			continue
		}
		match := j.facts.UserMatch()
		verdict, err := callLocal(read(ctx), "Preflight", Activities.Preflight, PreflightInput{
			Ref: j.in.Ref, Match: match, Profile: j.in.Profile,
		})
		if ctx.Err() != nil {
			continue
		}
		if err != nil {
			verdict.Block = blockOf(err)
		}
		if verdict.User.ID != "" {
			j.user = &verdict.User
		}
		if verdict.Block == nil && len(verdict.Already) > 0 {
			return j.close(ctx, StageSkipped)
		}
		if verdict.Block == nil {
			var closed Stage
			if closed, verdict.Block = j.pass(ctx, match); closed != "" {
				return j.close(ctx, closed)
			}
		}
		if verdict.Block != nil {
			if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
				return JoinerResult{}, j.carryOn(ctx, verdict.Block)
			}
			j.wait(ctx, verdict.Block)
		}
	}
}

// sleepUntil returns at t, or when anything happened that may change the plan.
func (j *joiner) sleepUntil(ctx workflow.Context, t time.Time) {
	_, _ = workflow.AwaitWithTimeout(ctx, t.Sub(workflow.Now(ctx)), func() bool {
		return j.heard != j.planned || j.ending(ctx)
	})
}

// wait shows what stands in the way until it is time to try again.
func (j *joiner) wait(ctx workflow.Context, b *jml.Block) {
	if j.block == nil || j.block.Reason != b.Reason {
		j.rechecks = 0
	}
	j.enter(ctx, StageBlocked, b)
	j.recheck = workflow.Now(ctx).Add(jml.Wait(j.in.Profile.Recheck, j.rechecks))
	j.rechecks++
	until := j.recheck
	if d := j.deadline(); d.Before(until) {
		until = d
	}
	j.sleepUntil(ctx, until)
	j.recheck = time.Time{}
}

// pass runs one pass to its end, for the user that was found by match. It
// returns the outcome that closes the joiner, or what stands in the way, or
// neither: then the plan has changed.
//
// HR may have corrected match while preflight ran; then there is none.
func (j *joiner) pass(ctx workflow.Context, match jml.Match) (Stage, *jml.Block) {
	if j.facts.UserMatch() != match {
		return "", nil
	}
	start := j.start()
	in := PassInput{
		Ref: j.in.Ref, UserID: j.user.ID, UPN: j.user.UPN, Profile: j.in.Profile, Facts: j.facts,
		StartAt: start, Since: workflow.Now(ctx), Until: j.deadline(), Round: j.round, Skip: j.skip,
	}
	j.reissue = false
	childCtx, cancel := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            PassID(j.user.ID),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		// A terminated joiner must not leave a pass behind: the pass is told to
		// end itself.
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation: true,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(AttributeSource).ValueSet(j.in.Source)),
		StaticSummary: "Pass for joiner " + j.in.Ref,
	}))
	defer cancel()
	child := workflow.ExecuteChildWorkflow(childCtx, TypePass, in)
	var execution workflow.Execution
	if err := child.GetChildWorkflowExecution().Get(ctx, &execution); err != nil {
		if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return "", jml.Blocked(jml.ReasonPassHeldElsewhere, "")
		}
		return "", nil // cancelled before it began
	}
	j.passID = execution.ID
	j.enter(ctx, StagePass, nil)

	_ = workflow.Await(ctx, func() bool {
		return child.IsReady() || j.ending(ctx) || j.reissue || !j.start().Equal(start) || j.facts.UserMatch() != match
	})
	cancel() // no effect on a pass that has ended
	var result PassResult
	err := child.Get(ctx, &result)
	j.passID = ""
	if err != nil && !temporal.IsCanceledError(err) {
		workflow.GetLogger(ctx).Error("the pass workflow did not end by itself", "ref", j.in.Ref, "error", err)
		return "", j.sweep(ctx, in)
	}
	j.lastPass = &result
	if result.mayHaveBeenSeen() {
		j.round++
	}
	switch result.End {
	case EndRegistered:
		return StageCompleted, nil
	case EndTimedOut:
		return StageTimedOut, nil
	case EndAgain:
		if j.reissues++; j.reissues > j.in.Profile.Reissues {
			j.barred = jml.Blocked(jml.ReasonReissueCap, "")
		}
		return "", nil
	case EndBlocked:
		return "", j.bar(&result)
	}
	if !j.ending(ctx) && !j.reissue && j.start().Equal(start) && j.facts.UserMatch() == match {
		// Somebody cancelled the pass workflow itself. Its pass is gone, and a
		// new one at once would defy them.
		return "", jml.Blocked(jml.ReasonPassLost, "")
	}
	return "", nil
}

// bar keeps the journey from going on by itself where that would do harm. A
// passcode that came back goes out by the next route, if there is one.
func (j *joiner) bar(result *PassResult) *jml.Block {
	b := result.Block
	if b == nil || !b.Reason.NeedsSomebody() {
		return b
	}
	if b.Reason == jml.ReasonUndeliverable && result.NextRoute > 0 && result.NextRoute < len(j.in.Profile.PassRoutes()) {
		j.skip = result.NextRoute
		return nil
	}
	j.barred = b
	return nil
}

// sweep revokes what a pass workflow left behind that was terminated or failed:
// it can't do so itself any more.
func (j *joiner) sweep(ctx workflow.Context, in PassInput) *jml.Block {
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	j.round++
	_, err := call(revoke(free), "RevokePass", Activities.RevokePass, RevokeInput{
		Ref: in.Ref, UserID: in.UserID, Reason: "pass workflow lost",
		Request: jml.PassRequest{StartAt: in.StartAt, Lifetime: in.Profile.Lifetime, OneTime: in.Profile.OneTime, Since: in.Since},
	})
	if err != nil {
		return blockOf(err)
	}
	return jml.Blocked(jml.ReasonPassLost, "")
}

// stopOutcome returns what a wish to end amounts to.
func (j *joiner) stopOutcome() Stage {
	if j.stop != nil {
		return j.stop.Outcome
	}
	return StageCancelled
}

// close ends the joiner. It runs in a context of its own, so that a cancelled
// journey closes like any other.
func (j *joiner) close(ctx workflow.Context, outcome Stage) (JoinerResult, error) {
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := CloseInput{Ref: j.in.Ref, Outcome: outcome}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	result := JoinerResult{Outcome: outcome, Facts: j.facts, Pass: j.lastPass}
	if outcome == StageTimedOut && j.block != nil {
		result.Block, in.Block = j.block, &j.block.Reason
	}
	switch {
	case j.stop != nil:
		in.Actor, in.Reason = j.stop.Actor, j.stop.Reason
	case ctx.Err() != nil:
		in.Actor, in.Reason = "temporal", "workflow cancelled"
	case outcome == StageCancelled:
		in.Actor, in.Reason = j.in.Source, "HR status "+string(j.facts.Status)
	}
	if _, err := callLocal(record(free), "RecordClose", Activities.RecordClose, in); err != nil {
		return JoinerResult{}, err
	}
	j.enter(free, outcome, nil)
	j.result = &result
	_ = workflow.Await(free, func() bool { return workflow.AllHandlersFinished(free) })
	return result, nil
}

// enter changes the stage, where it can be searched and read in Temporal's own
// UI too. Each upsert is an action that costs, so an unchanged stage makes none.
func (j *joiner) enter(ctx workflow.Context, s Stage, b *jml.Block) {
	reason, was := "", ""
	if b != nil {
		reason = string(b.Reason)
	}
	if j.block != nil {
		was = string(j.block.Reason)
	}
	changed := s != j.stage || reason != was
	j.stage, j.block = s, b
	if !changed {
		return
	}
	updates := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttributeStage).ValueSet(string(s)),
	}
	if reason != was {
		updates = append(updates, temporal.NewSearchAttributeKeyKeyword(AttributeReason).ValueSet(reason))
	}
	// Without the attributes the journey still goes on; firstpass check tells
	// what to register.
	_ = workflow.UpsertTypedSearchAttributes(ctx, updates...)
	details := "Stage: " + string(s)
	if b != nil {
		details += "\n\n" + b.String() + "\n\n" + b.Advice
	}
	workflow.SetCurrentDetails(ctx, details)
}

// showStart keeps the start instant in the search attributes true. Intake set
// it when it started the workflow.
func (j *joiner) showStart(ctx workflow.Context) {
	start := j.start()
	if !j.shown.IsZero() && !j.shown.Equal(start) {
		_ = workflow.UpsertTypedSearchAttributes(ctx, temporal.NewSearchAttributeKeyTime(AttributeStarts).ValueSet(start))
	}
	j.shown = start
}

// carryOn starts a new run, when the history of a long-blocked joiner has grown
// large.
func (j *joiner) carryOn(ctx workflow.Context, b *jml.Block) error {
	next := j.in
	next.Facts = nil // carried, with what came since
	next.Carried = &Carried{Facts: j.facts, FirstSeen: j.firstSeen, Rechecks: j.rechecks, Round: j.round, Stage: StageBlocked, Block: b,
		Reissues: j.reissues, Skip: j.skip, Barred: j.barred, ContactAt: j.contactAt}
	return workflow.NewContinueAsNewError(ctx, TypeJoiner, next)
}

func (j *joiner) view() (JoinerView, error) {
	v := JoinerView{
		Ref: j.in.Ref, Source: j.in.Source, Profile: j.in.Profile.Name,
		Stage: j.stage, Facts: j.facts, User: j.user, Block: j.block, Recheck: j.recheck,
		PassID: j.passID, Pass: j.lastPass, Stopping: j.stop, Outdated: j.outdated, Reissues: j.reissues, FirstSeen: j.firstSeen,
	}
	if !j.facts.StartDate.IsZero() {
		v.Start, v.Deadline = j.start(), j.deadline()
		v.IssueAt = v.Start.Add(-j.in.Profile.LeadTime)
	}
	return v, nil
}
