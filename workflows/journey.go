package workflows

import (
	"errors"
	"strings"
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
		stage: jml.StageScheduled,
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
	block    *jml.Block // as shown
	rechecks int        // tries since the present reason appeared
	user     *jml.User
	pass     *running
	round    int // passes made so far
	skip     int // routes of the passcode that have shown not to work
	lastPass *PassResult
	removed  []jml.Method
	weaker   []jml.Method

	reissues  int         // passes asked for beyond the first
	contactAt time.Time   // when HR last changed an address
	chosen    *jml.Choice // by another position; not taken up yet

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

// listen registers what others may ask and tell.
func (j *journey) listen(ctx workflow.Context) error {
	err := errors.Join(
		workflow.SetQueryHandler(ctx, QueryJourney, j.view),
		workflow.SetUpdateHandlerWithOptions(ctx, UpdateStop, j.onStop, workflow.UpdateHandlerOptions{
			Validator:   j.mayStop,
			Description: "End this journey: cancel it, revoke its live pass, or say that the device is done",
		}),
		update(ctx, UpdateReissue, j.mayReissue, j.onReissue),
		update(ctx, UpdateDecide, j.mayDecide, j.onDecide),
	)
	if err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		facts := workflow.GetSignalChannel(ctx, SignalFacts)
		for {
			var f Facts
			facts.Receive(ctx, &f)
			j.learn(ctx, f)
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		looks := workflow.GetSignalChannel(ctx, SignalLook)
		for {
			looks.Receive(ctx, nil)
			j.heard++
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		news := workflow.GetSignalChannel(ctx, SignalDelivery)
		for {
			var d DeliveryNews
			news.Receive(ctx, &d)
			if s := j.post.learn(d, j.first); s != nil && s.Status.Failed() {
				j.send(ctx, s.Message, s.Routes[s.Route+1:], nil)
			}
		}
	})
	return nil
}

// learn takes in a snapshot. What is older or says the same changes nothing.
func (j *journey) learn(ctx workflow.Context, f Facts) {
	if j.informed && !f.Supersedes(j.s.Facts) {
		j.outdated++
		return
	}
	if j.informed && f.ContactChanged(j.s.Facts) {
		j.contactAt, j.skip = workflow.Now(ctx), 0
		if j.s.Barred != nil && j.s.Barred.Reason == jml.ReasonUndeliverable {
			j.s.Barred = nil // another address, another try
		}
	}
	if f.Choice != nil {
		j.chosen = f.Choice
	}
	j.s.Facts, j.informed = f.Snapshot, true
	j.heard++
}

func (j *journey) mayStop(req jml.Stop) error {
	switch {
	case req.Outcome != jml.StageCancelled && req.Outcome != jml.StageRevoked && req.Outcome != jml.StageCompleted:
		return errors.New("the outcome must be cancelled or revoked; of a staging, also completed")
	case req.Outcome == jml.StageCompleted && j.s.Kind != jml.KindStaging:
		return errors.New("only a staging is completed by somebody's word; cancel this journey instead")
	case req.Actor == "" || req.Reason == "":
		return errors.New("actor and reason are needed: both go to the audit")
	case j.result != nil || j.s.Stop != nil:
		return errors.New("this journey is ending already")
	case req.Outcome == jml.StageRevoked && j.pass == nil:
		return errors.New("there is no pass to revoke; cancel the journey to keep it from getting one")
	case req.Outcome == jml.StageCompleted && j.pass == nil:
		return errors.New("no pass is out, so nobody can have set up the device; cancel the staging instead")
	}
	return nil
}

// onStop answers when the journey has ended, so that the operator who asked sees
// the pass proved gone, or that it is not yet.
func (j *journey) onStop(ctx workflow.Context, req jml.Stop) (JourneyResult, error) {
	j.s.Stop = &req
	if err := workflow.Await(ctx, func() bool { return j.result != nil }); err != nil {
		return JourneyResult{}, err
	}
	return *j.result, nil
}

// mayDecide: anybody but who asked, while there is something to decide.
func (j *journey) mayDecide(ctx workflow.Context, d Decision) error {
	a, r := j.s.Approval, j.s.Request
	switch {
	case d.Actor == "":
		return errors.New("actor is needed: it goes to the audit")
	case !d.Approve && d.Reason == "":
		return errors.New("a refusal needs a reason: it goes to the audit")
	case j.result != nil || j.ending(ctx):
		return errors.New("this journey is ending already; there is nothing to approve any more")
	case a.AskedAt.IsZero():
		return errors.New("this journey does not wait for approval")
	case !a.Decided.IsZero():
		return errors.New("this was decided already, at " + a.Decided.UTC().Format(time.RFC3339))
	case !workflow.Now(ctx).Before(a.Until):
		return errors.New("the request lapsed at " + a.Until.UTC().Format(time.RFC3339) + "; ask anew")
	case r != nil && (strings.EqualFold(r.Actor, d.Actor) || strings.EqualFold(r.Technician.UPN, d.Actor)):
		return errors.New("who asks for a pass, or gets it, can't approve it: have somebody else decide")
	}
	return nil
}

// onDecide decides before it waits for the audit: of two at once, the second is
// told that it was decided.
func (j *journey) onDecide(ctx workflow.Context, d Decision) (Answer, error) {
	a := &j.s.Approval
	a.Decided, a.Approved, a.By, a.Reason = workflow.Now(ctx), d.Approve, d.Actor, d.Reason
	step := StepApproved
	if !d.Approve {
		step = StepRefused
	}
	if err := j.step(ctx, step, d.Actor, d.Reason, ""); err != nil {
		return Answer{}, err
	}
	j.heard++
	return Answer{Done: true}, nil
}

// step writes to the audit what somebody did.
func (j *journey) step(ctx workflow.Context, s Step, actor, reason, detail string) error {
	in := StepInput{Ref: j.in.Ref, Event: s, Actor: actor, Reason: reason, Detail: detail}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	_, err := callLocal(record(ctx), "RecordStep", Activities.RecordStep, in)
	return err
}

// contactRest is how long HR's address must have stood before an operator may
// have a pass sent to it: a changed address and another pass, one after the
// other, are how accounts are stolen.
const contactRest = 24 * time.Hour

func (j *journey) mayReissue(ctx workflow.Context, req ReissueRequest) error {
	rested := j.contactAt.Add(contactRest)
	switch {
	case req.Actor == "" || req.Reason == "":
		return errors.New("actor and reason are needed: both go to the audit")
	case j.result != nil || j.ending(ctx):
		return errors.New("this journey is ending already")
	case j.pass == nil && j.s.Barred == nil:
		return errors.New("there is no pass to replace yet: see what it waits for")
	case j.reissues >= j.s.Profile.Reissues:
		return errors.New("this employee has had as many passes as the profile allows (reissues): cancel, and start anew")
	case !j.contactAt.IsZero() && workflow.Now(ctx).Before(rested):
		return errors.New("HR changed the private address or number less than a day ago; a pass is never reissued together with that. Ask again after " + rested.UTC().Format(time.RFC3339))
	}
	return nil
}

// onReissue answers when it is in the audit; the pass there is ends, and
// another one begins.
func (j *journey) onReissue(ctx workflow.Context, req ReissueRequest) (Answer, error) {
	j.reissues++
	if err := j.step(ctx, StepReissue, req.Actor, req.Reason, ""); err != nil {
		return Answer{}, err
	}
	j.s.Barred, j.skip = nil, 0
	if j.s.Pass != nil {
		j.s.Pass.Again = true
	}
	j.heard++
	return Answer{Done: true}, nil
}

// ending reports whether somebody wants the journey to end.
func (j *journey) ending(ctx workflow.Context) bool {
	return ctx.Err() != nil || j.s.Stop != nil || j.informed && j.s.Facts.Status != jml.StatusScheduled
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
		plan := jml.Decide(j.s)
		if plan.Step != jml.StepClose && j.pass == nil {
			j.showStart(ctx)
		}
		switch plan.Step {
		case jml.StepClose:
			return j.close(ctx, plan)
		case jml.StepWait:
			if j.s.Block != nil && plan.Stage == jml.StageBlocked && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
				return JourneyResult{}, j.carryOn(ctx, plan.Block)
			}
			j.wait(ctx, plan)
		case jml.StepAsk:
			j.ask(ctx)
		case jml.StepPreflight:
			j.preflight(ctx)
		case jml.StepRemove:
			j.remove(ctx)
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
			j.tell(ctx, plan.Message, plan.Block)
		}
	}
}

// adopt takes up the profile of another position. Without one for it, a pass
// that is out is let finish first.
func (j *journey) adopt(ctx workflow.Context) error {
	c := j.chosen
	if c == nil || c.Block != nil && j.pass != nil {
		return nil
	}
	j.chosen = nil
	j.s.Verdict, j.in.Open = nil, c.Open || c.Block != nil
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

// stand takes note of what stands in the way, and when to try again.
func (j *journey) stand(ctx workflow.Context, b *jml.Block) {
	if j.block == nil || j.block.Reason != b.Reason {
		j.rechecks = 0
	}
	waits := j.s.Profile.Recheck
	if !j.s.Profile.Chosen() {
		waits = []time.Duration{time.Minute, 15 * time.Minute}
	}
	j.s.Verdict, j.s.Block = nil, b
	j.s.Recheck = workflow.Now(ctx).Add(jml.Wait(waits, j.rechecks))
	j.rechecks++
}

// approvalWithin is how long an approver has where the profile does not say.
const approvalWithin = 5 * 24 * time.Hour

func (j *journey) ask(ctx workflow.Context) {
	within := approvalWithin
	if r := j.s.Profile.Approval; r != nil && r.Within > 0 {
		within = r.Within
	}
	now := workflow.Now(ctx)
	j.s.Approval = jml.Approval{AskedAt: now, Until: now.Add(within)}
	j.tell(ctx, jml.MessageApproval, nil)
}

func (j *journey) preflight(ctx workflow.Context) {
	match := j.s.Facts.UserMatch()
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
		j.user = &verdict.User
	}
	if verdict.Profile != nil {
		j.s.Profile, j.in.Open = *verdict.Profile, false
	}
	j.weaker = verdict.Weaker
	if j.s.Facts.UserMatch() != match {
		return // HR has corrected it meanwhile
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
func (j *journey) remove(ctx workflow.Context) {
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := RemoveInput{Ref: j.in.Ref, Rule: j.s.Profile.Remove, Before: j.s.FirstSeen}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	before := j.s.Verdict != nil && len(j.s.Verdict.Already) == 0
	keep := j.s.Profile.Requirement()
	switch j.s.Kind {
	case jml.KindRecovery:
		in.Methods, in.EndSessions, in.Actor = j.s.Request.Methods, j.s.Request.EndSessions, j.s.Request.Actor
	case jml.KindMover:
		in.Keep = &keep
	case jml.KindStaging:
		in.Since = j.s.FirstSeen
	}
	r, err := call(removal(free), "RemoveMethods", Activities.RemoveMethods, in)
	if err == nil {
		j.removed, j.weaker = append(j.removed, r.Removed...), nil
	}
	switch {
	case !before:
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
	}
	childCtx, cancel := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            PassID(j.user.ID),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		// A terminated journey must not leave a pass behind: the pass is told to
		// end itself.
		ParentClosePolicy:   enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation: true,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(AttributeSource).ValueSet(j.in.Source)),
		StaticSummary: "Pass for " + string(j.s.Kind) + " " + j.in.Ref,
	}))
	child := workflow.ExecuteChildWorkflow(childCtx, TypePass, in)
	var execution workflow.Execution
	if err := child.GetChildWorkflowExecution().Get(ctx, &execution); err != nil {
		cancel()
		if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			j.stand(ctx, jml.Blocked(jml.ReasonPassHeldElsewhere, ""))
		}
		return // or cancelled before it began
	}
	j.pass = &running{id: execution.ID, in: in, child: child, cancel: cancel}
	j.s.Verdict, j.s.Ended, j.s.Told = nil, nil, nil
	j.s.Pass = &jml.RunningPass{UserID: in.UserID, Start: in.StartAt, Match: in.Facts.UserMatch(), Require: in.Profile.Requirement()}
	j.enter(ctx, jml.StagePass, nil)
}

// keep returns when the pass has ended, or anything happened that may change the
// plan.
func (j *journey) keep(ctx workflow.Context) {
	_ = workflow.Await(ctx, func() bool {
		return j.pass.child.IsReady() || j.heard != j.planned || j.ending(ctx)
	})
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
	if err != nil && !temporal.IsCanceledError(err) {
		workflow.GetLogger(ctx).Error("the pass workflow did not end by itself", "ref", j.in.Ref, "error", err)
		j.stand(ctx, j.sweep(ctx, p.in))
		return
	}
	j.lastPass = &result
	if result.mayHaveBeenSeen() {
		j.round++
	}
	required := p.in.Profile.Requirement()
	if result.Require != nil {
		required = *result.Require
	}
	j.s.Now, j.s.Aborted = workflow.Now(ctx), ctx.Err() != nil
	wanted := j.ending(ctx) || was.Again || !j.s.Start().Equal(was.Start) || j.s.Facts.UserMatch() != was.Match
	j.s.Ended = &jml.EndedPass{
		End: result.End, Seen: result.mayHaveBeenSeen(), Use: result.Use, Require: required,
		Moved: result.End == jml.EndCancelled && !j.s.Start().Equal(was.Start),
	}
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

// tell sends a message of the journey's own that nothing waits for.
func (j *journey) tell(ctx workflow.Context, m jml.Message, b *jml.Block) {
	j.s.Told = append(j.s.Told, m)
	j.send(ctx, m, j.s.Profile.RoutesOf(m), b)
}

// send does so in a context of its own: it goes out though the journey ends.
func (j *journey) send(ctx workflow.Context, m jml.Message, routes []jml.Route, b *jml.Block) {
	if len(routes) == 0 {
		return
	}
	in := MessageInput{
		Ref: j.in.Ref, WorkflowID: j.id, Invitation: j.first, N: j.post.number(),
		Notice: j.notice(m, b), Routes: routes, Contact: j.s.Facts,
	}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	j.telling++
	free, cancel := workflow.NewDisconnectedContext(ctx)
	workflow.Go(free, func(ctx workflow.Context) {
		defer cancel()
		r, err := call(message(ctx), "SendMessage", Activities.SendMessage, in)
		if err == nil {
			j.post.sent(ctx, m, in.N, routes, r.Route, r.Receipt)
		}
		j.telling--
	})
}

// notice returns what a message of the journey's own says.
func (j *journey) notice(m jml.Message, b *jml.Block) jml.Notice {
	f := j.s.Facts
	n := jml.Notice{
		Message: m, GivenName: f.GivenName, FamilyName: f.FamilyName, Site: f.Site, Locale: f.Locale, Zone: f.Zone,
		Start: j.s.Start(), Until: j.s.Deadline(), Register: j.s.Profile.CompleteOn, Devices: j.s.Profile.Devices,
		Reference: j.in.Ref, Journey: j.s.Kind,
	}
	if j.user != nil {
		n.SignInName = j.user.UPN
	}
	if b != nil {
		n.Reason = b.Reason
	}
	if r := j.s.Request; r != nil {
		n.Requester, n.Device = r.Actor, r.Device
	}
	switch m {
	case jml.MessageApproval:
		n.Until = j.s.Approval.Until
	case jml.MessageMoved:
		n.From = j.s.IssueAt() // when the next one comes
	case jml.MessageMissed:
		n.Collected = j.lastPass != nil && j.lastPass.Issued != nil
	}
	return n
}

// close ends the journey. It runs in a context of its own, so that a cancelled
// journey closes like any other.
func (j *journey) close(ctx workflow.Context, plan jml.Plan) (JourneyResult, error) {
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	outcome := plan.Stage
	in := CloseInput{Kind: j.s.Kind, Ref: j.in.Ref, Outcome: outcome, Reason: plan.Why}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	for _, m := range j.weaker {
		in.Weaker = append(in.Weaker, m.Kind)
	}
	result := JourneyResult{Outcome: outcome, Facts: j.s.Facts, Pass: j.lastPass, Removed: j.removed, Weaker: j.weaker}
	if outcome == jml.StageTimedOut && j.block != nil {
		result.Block, in.Block = j.block, &j.block.Reason
	}
	switch {
	case j.s.Stop != nil:
		in.Actor, in.Reason = j.s.Stop.Actor, j.s.Stop.Reason
	case ctx.Err() != nil:
		in.Actor = "temporal"
	case outcome == jml.StageRefused:
		in.Actor = j.s.Approval.By
	case outcome == jml.StageCancelled:
		in.Actor = j.in.Source
	}
	if _, err := callLocal(record(free), "RecordClose", Activities.RecordClose, in); err != nil {
		return JourneyResult{}, err
	}
	j.enter(free, outcome, nil)
	j.result = &result
	_ = workflow.Await(free, func() bool { return workflow.AllHandlersFinished(free) })
	if j.telling > 0 {
		_, _ = workflow.AwaitWithTimeout(free, lastWords, func() bool { return j.telling == 0 })
	}
	return result, nil
}

// enter changes the stage, where it can be searched and read in Temporal's own
// UI too. Each upsert is an action that costs, so an unchanged stage makes none.
func (j *journey) enter(ctx workflow.Context, s jml.Stage, b *jml.Block) {
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
func (j *journey) showStart(ctx workflow.Context) {
	start := j.s.Start()
	if !j.shown.IsZero() && !j.shown.Equal(start) {
		_ = workflow.UpsertTypedSearchAttributes(ctx, temporal.NewSearchAttributeKeyTime(AttributeStarts).ValueSet(start))
	}
	j.shown = start
}

// carryOn starts a new run, when the history of a long-blocked journey has grown
// large.
func (j *journey) carryOn(ctx workflow.Context, b *jml.Block) error {
	next := j.in
	next.Facts, next.Profile = nil, j.s.Profile // carried, with what came since
	next.Carried = &Carried{
		Facts: j.s.Facts, FirstSeen: j.s.FirstSeen, Rechecks: j.rechecks, Round: j.round, Stage: jml.StageBlocked, Block: b,
		Reissues: j.reissues, Skip: j.skip, Barred: j.s.Barred, ContactAt: j.contactAt,
		Approval: j.s.Approval, Cleared: j.s.Cleared, Ended: j.s.Ended, Told: j.s.Told, Pass: j.lastPass, outbox: j.post,
	}
	return workflow.NewContinueAsNewError(ctx, Type(j.s.Kind), next)
}

// resume takes up where the last run left off.
func (j *journey) resume(c Carried) {
	j.s.Facts, j.informed, j.s.FirstSeen = c.Facts, true, c.FirstSeen
	j.stage, j.block, j.rechecks, j.round = c.Stage, c.Block, c.Rechecks, c.Round
	j.reissues, j.skip, j.s.Barred, j.contactAt = c.Reissues, c.Skip, c.Barred, c.ContactAt
	j.s.Approval, j.s.Cleared, j.s.Ended, j.s.Told = c.Approval, c.Cleared, c.Ended, c.Told
	j.lastPass, j.post = c.Pass, c.outbox
}

func (j *journey) view() (JourneyView, error) {
	v := JourneyView{
		Kind: j.s.Kind, Ref: j.in.Ref, Source: j.in.Source, Profile: j.s.Profile.Name,
		Stage: j.stage, Facts: j.s.Facts, User: j.user, Block: j.block, Recheck: j.s.Recheck,
		Pass: j.lastPass, Stopping: j.s.Stop, Outdated: j.outdated, Reissues: j.reissues, FirstSeen: j.s.FirstSeen,
		Request: j.s.Request, Removed: j.removed, Weaker: j.weaker, Deliveries: j.post.deliveries(),
	}
	if j.pass != nil {
		v.PassID = j.pass.id
	}
	if !j.s.Approval.AskedAt.IsZero() {
		approval := j.s.Approval
		v.Approval = &approval
	}
	if j.informed && (j.s.Kind != jml.KindJoiner || !j.s.Facts.StartDate.IsZero()) {
		v.Start, v.Deadline, v.IssueAt = j.s.Start(), j.s.Deadline(), j.s.IssueAt()
	}
	return v, nil
}

// passKind is empty for joiners: so were passes before there were others.
func (in JourneyInput) passKind() jml.Kind {
	if in.Kind == jml.KindJoiner {
		return ""
	}
	return in.Kind
}
