package workflows

import (
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// tell sends a message of the journey's own that nothing waits for. That nobody
// came, manager and HR are both to know: of its routes, those to the same
// recipient stand in for each other, and every recipient is told.
func (j *journey) tell(ctx workflow.Context, m jml.Message, b *jml.Block) {
	routes := j.s.Profile.RoutesOf(m)
	if m != jml.MessageMissed {
		j.send(ctx, m, routes, b)
		return
	}
	for len(routes) > 0 {
		var same, others []jml.Route
		for _, r := range routes {
			if r.Recipient == routes[0].Recipient && r.Desk == routes[0].Desk {
				same = append(same, r)
			} else {
				others = append(others, r)
			}
		}
		j.send(ctx, m, same, b)
		routes = others
	}
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
		r, err := call(message(ctx, m), "SendMessage", Activities.SendMessage, in)
		if err == nil {
			j.post.sent(ctx, m, in.N, routes, r.Route, r.Receipt)
			j.post.because(in.N, in.Notice.Reason)
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
	case j.s.Stop != nil && j.s.Stop.Outcome == outcome:
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
	if jml.Decide(jml.Situation{Kind: j.s.Kind, Closed: outcome, Before: result.Facts, Facts: j.s.Facts}).Step == jml.StepReopen {
		return JourneyResult{}, j.anew(free, result)
	}
	return result, nil
}

// anew begins another journey for what HR said while this one was closing.
// Intake found it running, so nobody else would: this is what intake does when a
// journey has ended. What was handed out is still in somebody's hands, so the
// messages of the next one count on.
func (j *journey) anew(ctx workflow.Context, last JourneyResult) error {
	facts := j.s.Facts
	if last.Outcome.Reached() && last.Facts.Rehire {
		facts.Rehire = false // or it would remove what this one had registered
	}
	next := j.in
	next.Facts, next.Block, next.Profile, next.Open = nil, nil, j.s.Profile, true
	if c := j.chosen; c != nil {
		next.Block, next.Profile, next.Open = c.Block, c.Profile, c.Open || c.Block != nil
	}
	j.s.Override = nil // somebody's word about the one that ended
	j.showStart(ctx)
	j.enter(ctx, jml.StageScheduled, nil)
	next.Carried = &Carried{
		Facts: facts, FirstSeen: workflow.Now(ctx), Stage: j.stage, Round: j.round, ContactAt: j.contactAt,
		Version: j.version, Since: j.since, outbox: j.post,
	}
	return workflow.NewContinueAsNewError(ctx, Type(j.s.Kind), next)
}

// mayContinueAsNew: neither a message that is under way nor what somebody is
// being answered would outlive the run.
func (j *journey) mayContinueAsNew(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && j.telling == 0 && workflow.AllHandlersFinished(ctx)
}

// carryOn starts a new run, when the history of a long-blocked journey has grown
// large.
func (j *journey) carryOn(ctx workflow.Context, b *jml.Block) error {
	next := j.in
	next.Facts, next.Profile = nil, j.s.Profile // carried, with what came since
	next.Carried = &Carried{
		Facts: j.s.Facts, FirstSeen: j.s.FirstSeen, Rechecks: j.rechecks, Round: j.round, Stage: jml.StageBlocked, Block: b,
		Reissues: j.reissues, Skip: j.skip, Barred: j.s.Barred, ContactAt: j.contactAt,
		Approval: j.s.Approval, Cleared: j.s.Cleared, Ended: j.s.Ended, Told: j.s.Told, Pass: j.lastPass,
		User: j.user, Staged: j.staged, Removed: j.removed, Outdated: j.outdated, outbox: j.post,
		Held: j.held, Override: j.override, Linked: j.s.Linked, Channel: j.channel, Version: j.version, Since: j.since,
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
	j.user, j.staged, j.removed, j.outdated = c.User, c.Staged, c.Removed, c.Outdated
	j.held, j.s.Held, j.s.Linked, j.channel = c.Held, c.Held != nil, c.Linked, c.Channel
	if c.Override != nil {
		j.override, j.s.Override = c.Override, c.Override.override()
	}
	if c.Version > 0 {
		j.version, j.since = c.Version, c.Since
	}
	if c.Block != nil {
		j.cause = c.Block.Reason
	}
}
