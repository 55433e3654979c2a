package workflows

import (
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
func Joiner(ctx workflow.Context, in JourneyInput) (JourneyResult, error) {
	in.Kind = jml.KindJoiner
	return begin(ctx, in)
}

// Mover takes an employee whose position asks for more than he has registered to
// a method that suffices. There is one per employee and source. It ends like a
// joiner.
func Mover(ctx workflow.Context, in JourneyInput) (JourneyResult, error) {
	in.Kind = jml.KindMover
	return begin(ctx, in)
}

// Recovery takes an employee who lost a method to another one. An operator asks
// for it; there is one at a time.
func Recovery(ctx workflow.Context, in JourneyInput) (JourneyResult, error) {
	in.Kind = jml.KindRecovery
	return begin(ctx, in)
}

// Staging gives a technician a pass of the employee whose device he sets up, and
// takes it away when the device is done. An operator asks for it, another one
// approves; there is one at a time.
func Staging(ctx workflow.Context, in JourneyInput) (JourneyResult, error) {
	in.Kind = jml.KindStaging
	return begin(ctx, in)
}

// begin is what journeys of all kinds share: jml.Decide says what to do next,
// and run does it.
func begin(ctx workflow.Context, in JourneyInput) (JourneyResult, error) {
	info := workflow.GetInfo(ctx)
	j := &journey{
		in: in, id: info.WorkflowExecution.ID, first: info.FirstRunID,
		s:     jml.Situation{Kind: in.Kind, Profile: in.Profile, Request: in.Request, FirstSeen: workflow.Now(ctx), Block: in.Block},
		stage: jml.StageScheduled, since: workflow.Now(ctx), version: 1,
	}
	if in.Facts != nil {
		j.s.Facts, j.informed = *in.Facts, true
	}
	if c := in.Carried; c != nil {
		j.resume(*c)
	}
	if err := j.listen(ctx); err != nil {
		return JourneyResult{}, err
	}
	return j.run(ctx)
}

type journey struct {
	in    JourneyInput
	id    string // workflow ID
	first string // run ID of the first run

	s        jml.Situation
	informed bool // s.Facts hold a snapshot
	heard    int  // counts what may change the plan: snapshots that said something new, nudges, decisions
	planned  int  // heard, when the present plan was made
	outdated int
	shown    time.Time // the start instant in the search attributes

	stage    jml.Stage
	since    time.Time       // when stage or block became what they are
	version  int             // counts what an operator could care about
	block    *jml.Block      // as shown
	cause    jml.BlockReason // what stood in the way at the last try, shown or not
	rechecks int             // tries since cause appeared
	user     *jml.User
	pass     *running
	round    int // passes made so far
	skip     int // routes of the passcode that have shown not to work
	lastPass *PassResult
	staged   Staged // whose methods a technician may have registered
	removed  []jml.Method
	weaker   []jml.Method

	reissues  int         // passes asked for beyond the first
	renewing  bool        // an operator asked for one that has not begun yet
	contactAt time.Time   // when HR last changed an address
	chosen    *jml.Choice // by another position; not taken up yet

	held     *Word        // an operator's hold
	override *MoveRequest // of HR's start
	channel  string       // by which an operator wants the next pass to go
	saying   bool         // an operator's word is being written down

	post    outbox
	telling int
	result  *JourneyResult
}

// running is a pass under way.
type running struct {
	id     string
	in     PassInput
	child  workflow.ChildWorkflowFuture
	cancel workflow.CancelFunc
}

func (j *journey) run(ctx workflow.Context) (JourneyResult, error) {
	_ = workflow.Await(ctx, func() bool { return j.informed })
	if r := j.s.Request; r != nil && j.in.Carried == nil {
		if err := j.step(ctx, StepAsked, r.Actor, string(r.Loss)+" "+r.Note, "verified: "+r.Verified+", ticket: "+r.Ticket); err != nil {
			return JourneyResult{}, err
		}
	}
	for {
		// What comes in from here on, while activities run too, may change the
		// plan: the next wait returns at once.
		j.planned = j.heard
		if err := j.adopt(ctx); err != nil {
			return JourneyResult{}, err
		}
		j.s.Now, j.s.Aborted = workflow.Now(ctx), ctx.Err() != nil
		if j.s.Override != nil && !j.s.Overridden() {
			j.s.Override, j.override = nil, nil // HR's start counts again
			j.version++
		}
		plan := jml.Decide(j.s)
		if plan.Step != jml.StepClose && j.pass == nil {
			j.showStart(ctx)
		}
		switch plan.Step {
		case jml.StepClose:
			return j.close(ctx, plan)
		case jml.StepWait:
			if (j.s.Block != nil || j.s.Held) && plan.Stage == jml.StageBlocked && j.mayContinueAsNew(ctx) {
				return JourneyResult{}, j.carryOn(ctx, plan.Block)
			}
			j.wait(ctx, plan)
		case jml.StepAsk:
			j.ask(ctx)
		case jml.StepPreflight:
			j.preflight(ctx)
		case jml.StepRemove:
			j.remove(ctx, plan.First)
		case jml.StepIssue:
			j.issue(ctx)
		case jml.StepKeep:
			j.keep(ctx)
		case jml.StepRequire:
			j.require(ctx)
		case jml.StepWithdraw:
			j.pass.cancel()
			j.collect(ctx)
		case jml.StepTell:
			j.s.Told = append(j.s.Told, plan.Message)
			j.tell(ctx, plan.Message, plan.Block)
		}
	}
}

// adopt takes up the profile of another position. Without one for it, a pass
// that is out is let finish first, and what it reached is closed by its rules.
// Nor does a profile that may yet turn out another change what that pass waits
// for: the rules are asked again first.
func (j *journey) adopt(ctx workflow.Context) error {
	c := j.chosen
	if c == nil {
		return nil
	}
	if c.Open && j.pass != nil {
		now := j.choose(ctx)
		if now == nil || j.chosen != c {
			return nil // or there is news meanwhile
		}
		c = now
	}
	if e := j.s.Ended; c.Block != nil && (j.pass != nil || e != nil && (e.End == jml.EndRegistered || e.End == jml.EndAlready)) {
		return nil
	}
	j.chosen = nil
	j.version++
	j.s.Verdict, j.s.Block, j.in.Open = nil, nil, c.Open || c.Block != nil
	if c.Block != nil {
		j.s.Profile = jml.Profile{}
		j.stand(ctx, c.Block)
		return nil
	}
	was := j.s.Profile.Name
	j.s.Profile = c.Profile
	if was == c.Profile.Name {
		return nil
	}
	return j.step(ctx, StepProfile, j.in.Source, "", was+" to "+c.Profile.Name)
}

// choose asks the rules about the user there is a pass for; nil if nobody can
// say now. Then the next news, or the end of the pass, has them asked again.
func (j *journey) choose(ctx workflow.Context) *jml.Choice {
	facts := j.s.Facts
	verdict, err := callLocal(read(ctx), "Preflight", Activities.Preflight, PreflightInput{
		Ref: j.in.Ref, Match: j.s.Match(), Profile: j.chosen.Profile, Kind: j.s.Kind, Source: j.in.Source, Open: true, Facts: &facts,
	})
	if err != nil || verdict.Profile == nil {
		return nil
	}
	return &jml.Choice{Profile: *verdict.Profile}
}

// wait shows where the journey stands until it is time, or anything happened
// that may change the plan.
func (j *journey) wait(ctx workflow.Context, plan jml.Plan) {
	j.enter(ctx, plan.Stage, plan.Block)
	_, _ = workflow.AwaitWithTimeout(ctx, plan.Until.Sub(workflow.Now(ctx)), func() bool {
		return j.heard != j.planned || j.ending(ctx)
	})
	// Whatever was found out is old now, and worth another look.
	j.s.Verdict, j.s.Recheck = nil, time.Time{}
}

// stand takes note of what stands in the way, and when to try again. A pass
// that was tried and refused in between does not make the waits short again:
// each such try may make a pass.
func (j *journey) stand(ctx workflow.Context, b *jml.Block) {
	if j.cause != b.Reason {
		j.cause, j.rechecks = b.Reason, 0
	}
	waits := j.s.Profile.Recheck
	if !j.s.Profile.Chosen() {
		waits = []time.Duration{time.Minute, 15 * time.Minute, 15 * time.Minute, time.Hour}
	}
	j.s.Verdict, j.s.Block = nil, b
	j.s.Recheck = workflow.Now(ctx).Add(jml.Wait(waits, j.rechecks))
	j.rechecks++
}

func (j *journey) ask(ctx workflow.Context) {
	j.s.Approval = jml.Approval{AskedAt: j.s.Now, Until: j.s.AskUntil()}
	j.tell(ctx, jml.MessageApproval, nil)
}

func (j *journey) preflight(ctx workflow.Context) {
	match := j.s.Match()
	facts := j.s.Facts
	in := PreflightInput{
		Ref: j.in.Ref, Match: match, Profile: j.s.Profile,
		Kind: j.s.Kind, Source: j.in.Source, Open: j.in.Open, Weaker: j.s.Kind == jml.KindMover,
	}
	if in.Open {
		in.Facts = &facts
	}
	if j.s.Kind.Asked() || j.s.Kind == jml.KindJoiner && facts.Rehire && j.s.Profile.Remove == jml.RemoveOlder {
		in.Since = j.s.FirstSeen // what was there before is what was lost, or has to go
	}
	verdict, err := callLocal(read(ctx), "Preflight", Activities.Preflight, in)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		verdict.Block = blockOf(err)
	}
	if verdict.User.ID != "" {
		if j.user != nil && j.user.ID != verdict.User.ID {
			j.s.Cleared = false // that was somebody else, or an account that is gone
		}
		if j.user == nil || *j.user != verdict.User {
			j.version++
		}
		j.user = &verdict.User
	}
	if verdict.Profile != nil {
		j.s.Profile, j.in.Open = *verdict.Profile, false
	}
	j.weaker = verdict.Weaker
	if j.s.Match() != match {
		return // HR has corrected it meanwhile, or an operator
	}
	if verdict.Block != nil {
		j.stand(ctx, verdict.Block)
		return
	}
	j.s.Verdict, j.s.Block = &verdict, nil
}

// remove deletes what the profile says has to go. What must be gone before there
// is a pass keeps it from being made; at the end it is told to somebody instead:
// the journey can do no more.
func (j *journey) remove(ctx workflow.Context, first bool) {
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := RemoveInput{Ref: j.in.Ref, Rule: j.s.Profile.Remove, Before: j.s.FirstSeen}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	keep := j.s.Profile.Requirement()
	switch j.s.Kind {
	case jml.KindRecovery:
		in.Methods, in.EndSessions, in.Actor = j.s.Request.Methods, j.s.Request.EndSessions, j.s.Request.Actor
	case jml.KindMover:
		in.Keep = &keep
	case jml.KindStaging:
		in.UserID, in.Since = j.staged.UserID, j.staged.Since
	}
	r, err := call(removal(free), "RemoveMethods", Activities.RemoveMethods, in)
	if err == nil {
		j.removed, j.weaker = append(j.removed, r.Removed...), nil
		j.version++
	}
	switch {
	case !first:
		j.s.Tidied = true
		if err != nil {
			j.tell(free, jml.MessageAlert, jml.Blocked(jml.ReasonRemovalDenied, ""))
		}
	case err != nil:
		j.stand(ctx, blockOf(err))
	default:
		j.s.Cleared = true
	}
}

// issue begins a pass for the user that preflight found.
func (j *journey) issue(ctx workflow.Context) {
	in := PassInput{
		Kind: j.in.passKind(), Request: j.s.Request, Ref: j.in.Ref, UserID: j.user.ID, UPN: j.user.UPN, Profile: j.s.Profile, Facts: j.s.Facts,
		StartAt: j.s.Start(), Since: workflow.Now(ctx), Until: j.s.Deadline(), Round: j.round, Skip: j.skip,
		Approved: j.s.Approval.Approved, Linked: j.s.Linked != "", Channel: j.channel, Shows: j.in.Shows,
	}
	match := j.s.Match()
	childCtx, cancel := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            PassID(j.user.ID),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		// A terminated journey must not leave a pass behind: the pass is told to
		// end itself.
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation:   true,
		TypedSearchAttributes: j.passAttributes(ctx),
		StaticSummary:         "Pass for " + string(j.s.Kind) + " " + j.in.Ref,
	}))
	child := workflow.ExecuteChildWorkflow(childCtx, TypePass, in)
	var execution workflow.Execution
	if err := child.GetChildWorkflowExecution().Get(ctx, &execution); err != nil {
		cancel()
		switch {
		case temporal.IsWorkflowExecutionAlreadyStartedError(err):
			j.stand(ctx, jml.Blocked(jml.ReasonPassHeldElsewhere, ""))
		case ctx.Err() == nil:
			j.stand(ctx, jml.Blocked(jml.ReasonInternal, ""))
		}
		return
	}
	j.pass, j.renewing = &running{id: execution.ID, in: in, child: child, cancel: cancel}, false
	j.version++
	j.s.Verdict, j.s.Told = nil, nil
	j.s.Pass = &jml.RunningPass{UserID: in.UserID, Start: in.StartAt, Match: match, Require: in.Profile.Requirement()}
	j.enter(ctx, jml.StagePass, nil)
	if j.s.Held {
		j.passOnHold(ctx) // since the plan was made
	}
}

// keep returns when the pass has ended, or anything happened that may change the
// plan.
func (j *journey) keep(ctx workflow.Context) {
	news := func() bool { return j.pass.child.IsReady() || j.heard != j.planned || j.ending(ctx) }
	if o := j.s.Override; o != nil && !o.Until.IsZero() {
		_, _ = workflow.AwaitWithTimeout(ctx, o.Until.Sub(workflow.Now(ctx)), news) // HR's start counts again then
	} else {
		_ = workflow.Await(ctx, news)
	}
	if j.pass.child.IsReady() {
		j.collect(ctx)
	}
}

// require tells the pass what completes it from now on. One that has just ended
// is not told; what it ended with decides.
func (j *journey) require(ctx workflow.Context) {
	r := j.s.Profile.Requirement()
	_ = j.pass.child.SignalChildWorkflow(ctx, SignalRequire, r).Get(ctx, nil)
	j.s.Pass.Require = r
}

// collect waits for the end of the pass and takes note of it.
func (j *journey) collect(ctx workflow.Context) {
	p, was := j.pass, j.s.Pass
	var result PassResult
	err := p.child.Get(ctx, &result)
	p.cancel() // no effect on a pass that has ended
	j.pass, j.s.Pass = nil, nil
	j.version++
	if err != nil && !temporal.IsCanceledError(err) {
		workflow.GetLogger(ctx).Error("the pass workflow did not end by itself", "ref", j.in.Ref, "error", err)
		j.s.Ended = j.s.Ended.After(jml.EndedPass{End: jml.EndBlocked, Seen: true, Require: p.in.Profile.Requirement(), Match: was.Match})
		j.hold(p.in)
		j.stand(ctx, j.sweep(ctx, p.in))
		return
	}
	j.lastPass = &result
	if result.mayHaveBeenSeen() {
		j.round++
		j.hold(p.in)
	}
	if result.Issued != nil {
		j.cause = "" // it worked
	}
	required := p.in.Profile.Requirement()
	if result.Require != nil {
		required = *result.Require
	}
	j.s.Now, j.s.Aborted = workflow.Now(ctx), ctx.Err() != nil
	wanted := j.ending(ctx) || was.Again || !j.s.Start().Equal(was.Start) || j.s.Match() != was.Match
	j.s.Ended = j.s.Ended.After(jml.EndedPass{
		End: result.End, Seen: result.mayHaveBeenSeen(), Use: result.Use, Require: required,
		Match: was.Match, Moved: was.Moved(j.s.Start(), j.s.Now),
	})
	switch {
	case result.End == jml.EndAgain:
		if j.reissues++; j.reissues > j.s.Profile.Reissues {
			j.s.Barred = jml.Blocked(jml.ReasonReissueCap, "")
			j.tell(ctx, jml.MessageAlert, j.s.Barred)
		}
	case result.End == jml.EndBlocked:
		if b := j.bar(&result); b != nil {
			j.stand(ctx, b)
		}
	case result.End == jml.EndCancelled && !wanted:
		// Somebody cancelled the pass workflow itself. Its pass is gone, and a
		// new one at once would defy them.
		j.stand(ctx, jml.Blocked(jml.ReasonPassLost, ""))
	}
}

// hold takes note of whose methods a technician may have registered, and since
// when.
func (j *journey) hold(in PassInput) {
	if j.staged.UserID != in.UserID {
		j.staged = Staged{UserID: in.UserID, Since: in.Since}
	}
}

// bar keeps the journey from going on by itself where that would do harm. A
// passcode that came back goes out by the next route, if there is one.
func (j *journey) bar(result *PassResult) *jml.Block {
	b := result.Block
	if b == nil || !b.Reason.NeedsSomebody() {
		return b
	}
	if b.Reason == jml.ReasonUndeliverable && result.NextRoute > 0 && result.NextRoute < len(j.s.Profile.PassRoutes()) {
		j.skip = result.NextRoute
		return nil
	}
	j.s.Barred = b
	return nil
}

// sweep revokes what a pass workflow left behind that was terminated or failed:
// it can't do so itself any more.
func (j *journey) sweep(ctx workflow.Context, in PassInput) *jml.Block {
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

// passKind is empty for joiners: so were passes before there were others.
func (in JourneyInput) passKind() jml.Kind {
	if in.Kind == jml.KindJoiner {
		return ""
	}
	return in.Kind
}
