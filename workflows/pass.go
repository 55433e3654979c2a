package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// Pass owns one pass of one user from before it is made until it is proved
// gone: it issues it, or invites the employee to collect it, watches, reminds
// and revokes. It always ends in a revocation of what was made, whatever
// happens. Its workflow ID is the lock on the user.
//
// Cancelling it is the way to end the pass early. It never returns an error of
// its own: how it ended is in the result.
func Pass(ctx workflow.Context, in PassInput) (PassResult, error) {
	p := &pass{
		in:      in,
		request: jml.PassRequest{StartAt: in.StartAt, Lifetime: in.Profile.Lifetime, OneTime: in.Profile.OneTime, Since: in.Since},
		stage:   StageIssuing,
		wakes:   workflow.NewBufferedChannel(ctx, 1),
		state:   PassState{Began: workflow.Now(ctx), Issued: in.Issued},
	}
	if in.State != nil {
		p.state = *in.State
	}
	info := workflow.GetInfo(ctx)
	p.id, p.invitation = info.WorkflowExecution.ID, info.FirstRunID
	if err := p.listen(ctx); err != nil {
		return PassResult{}, err
	}
	return p.run(ctx)
}

// PassState is what one run of a pass leaves to the next.
type PassState struct {
	Began     time.Time    `json:"began"`
	Issued    *IssueResult `json:"issued,omitempty"`
	Messages  int          `json:"messages,omitempty"` // numbers given out
	Sent      []sent       `json:"sent,omitempty"`
	Reminded  int          `json:"reminded,omitempty"` // bits: reminder i is done with
	Pickup    pickup       `json:"pickup,omitzero"`
	Repudiate string       `json:"repudiate,omitempty"` // hash of the link to say "not me"
}

type pass struct {
	in         PassInput
	request    jml.PassRequest
	id         string // workflow ID
	invitation string
	state      PassState

	stage      Stage
	registered *jml.Method
	nextLook   time.Time
	looks      int
	lastLook   time.Time
	quick      int // looks since there was reason for one: the next wait

	wakes      workflow.Channel // something happened that attend deals with
	telling    int              // messages under way that nothing waits for
	wish       *visit           // who wants the pass
	again      bool             // the employee asks for another
	repudiated bool
	failed     []int      // numbers of messages that will not arrive
	block      *jml.Block // with EndBlocked
	nextRoute  int
	over       bool // what was made is gone
}

func (p *pass) run(ctx workflow.Context) (PassResult, error) {
	issued, err := p.begin(ctx)
	if err != nil {
		// The last try may have made a pass whose reply was lost.
		result := PassResult{End: EndBlocked, Block: blockOf(err)}
		if ctx.Err() != nil {
			result = PassResult{End: EndCancelled}
		}
		if issued {
			result.Revoked, err = p.revoke(ctx, "", "not handed over")
		} else {
			err = nil
		}
		p.finish(ctx, &result)
		return result, err
	}
	end := p.watch(ctx)
	if end == "" {
		next := p.in
		next.Issued, next.State = nil, &p.state
		return PassResult{}, workflow.NewContinueAsNewError(ctx, TypePass, next)
	}
	result := PassResult{End: end, Issued: p.state.Issued, Registered: p.registered, Block: p.block, NextRoute: p.nextRoute}
	if end == EndRegistered && p.in.Profile.Settle > 0 && p.state.Issued != nil {
		// Deleting a pass ends the sessions made with it: the person may still
		// be setting up a device in one. Cancellation cuts this short, and so
		// does who says "not me".
		p.stage = StageSettling
		_, _ = workflow.AwaitWithTimeout(ctx, p.in.Profile.Settle, func() bool { return p.repudiated })
		if p.repudiated {
			result.End = p.bar(ctx, jml.ReasonRepudiated)
			result.Block = p.block
		}
	}
	if p.state.Issued != nil {
		result.Revoked, err = p.revoke(ctx, p.state.Issued.Pass.MethodID, p.why(result.End))
	}
	p.finish(ctx, &result)
	return result, err
}

// begin hands the pass over or invites to collect it, unless an earlier run
// has. It reports whether a pass may have been made.
func (p *pass) begin(ctx workflow.Context) (made bool, err error) {
	if p.in.Profile.Mode == jml.ModePickup {
		return false, p.invite(ctx)
	}
	if p.state.Issued != nil {
		return true, nil
	}
	routes := p.in.Profile.PassRoutes()
	in := p.issueInput()
	in.Notice, in.N = p.notice(jml.MessagePass), p.number()
	in.Routes, in.Rest = routes[min(p.in.Skip, len(routes)):], p.in.Profile.RestTo
	if len(in.Rest) > 0 {
		in.Notice.Half = 1
		p.number()
	}
	issued, err := call(issue(ctx), "IssuePass", Activities.IssuePass, in)
	if err != nil {
		return true, err
	}
	p.hold(issued)
	p.sent(ctx, jml.MessagePass, in.N, in.Routes, issued.Route, issued.Receipt)
	if len(in.Rest) > 0 {
		p.sent(ctx, jml.MessagePass, in.N+1, in.Rest, issued.Rest, issued.RestReceipt)
	}
	p.tell(ctx, jml.MessageIssued, p.in.Profile.NoticeTo)
	return true, nil
}

// hold takes note of a pass that is out.
func (p *pass) hold(issued IssueResult) {
	p.state.Issued = &issued
	p.lastLook, p.quick = time.Time{}, 0
	p.stage = StageWaiting
}

// usable is the first moment at which a method can count as the work of this
// journey: nobody can have signed in with the pass before it works.
func (p *pass) usable() time.Time {
	if p.state.Issued != nil {
		return p.state.Issued.Pass.UsableFrom()
	}
	return p.in.Since
}

// watch waits until a method is registered that completes the journey, and
// attends to whatever happens until then. It returns no end if the history has
// grown so long that a new run must go on.
func (p *pass) watch(ctx workflow.Context) PassEnd {
	nudges := workflow.GetSignalChannel(ctx, SignalLook)
	for {
		if end := p.attend(ctx); end != "" {
			return end
		}
		next, reminder := p.plan(ctx)
		nudged, woken := p.waitUntil(ctx, next, p.usable(), nudges)
		if ctx.Err() != nil {
			return EndCancelled
		}
		if woken {
			continue
		}
		now := workflow.Now(ctx)
		if p.state.Issued == nil || !now.Before(p.usable()) {
			if p.look(ctx) {
				return EndRegistered
			}
		}
		p.lastLook = workflow.Now(ctx)
		if !p.lastLook.Before(p.in.Until) {
			return EndTimedOut
		}
		if reminder >= 0 && !nudged {
			p.remind(ctx, reminder)
		}
		if p.mayContinueAsNew(ctx) {
			return ""
		}
		p.quick++
		if nudged {
			// Somebody knows of a registration that Graph does not show yet.
			p.quick = 0
		}
	}
}

// plan returns when to wake: for the next look, the next reminder (and which),
// or the end. There is no look before the pass is usable.
func (p *pass) plan(ctx workflow.Context) (next time.Time, reminder int) {
	next = p.in.Until
	if p.state.Issued != nil {
		if p.lastLook.IsZero() {
			p.lastLook = p.usable()
			if now := workflow.Now(ctx); now.After(p.lastLook) {
				p.lastLook = now
			}
		}
		if t := p.lastLook.Add(jml.Wait(p.in.Profile.Poll, p.quick)); t.Before(next) {
			next = t
		}
		p.nextLook = next
	}
	due, reminder := p.nextReminder(ctx)
	if reminder < 0 || !due.Before(next) {
		return next, -1
	}
	return due, reminder
}

// look reports whether a completing method is registered. An error counts as
// none: there is another look, and time runs out whether Graph answers or not.
func (p *pass) look(ctx workflow.Context) bool {
	found, err := callLocal(read(ctx), "LookForMethod", Activities.LookForMethod, LookInput{
		UserID: p.in.UserID, CompleteOn: p.in.Profile.CompleteOn, UsableFrom: p.usable(),
	})
	p.looks++
	if err != nil || found.Method == nil {
		return false
	}
	p.registered = found.Method
	return true
}

// waitUntil returns at next; or earlier if nudged after usable, if woken, or
// when ctx is cancelled.
func (p *pass) waitUntil(ctx workflow.Context, next, usable time.Time, nudges workflow.ReceiveChannel) (nudged, woken bool) {
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timerCtx, next.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: "Next look at the registered methods"})
	done := false
	sel := workflow.NewSelector(ctx)
	sel.AddFuture(timer, func(workflow.Future) { done = true })
	sel.AddReceive(nudges, func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		nudged = !workflow.Now(ctx).Before(usable)
	})
	sel.AddReceive(p.wakes, func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		woken = true
	})
	sel.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) { done = true })
	for !done && !nudged && !woken {
		sel.Select(ctx)
	}
	return nudged, woken
}

// attend deals with what the handlers took in.
func (p *pass) attend(ctx workflow.Context) PassEnd {
	for {
		switch {
		case ctx.Err() != nil:
			return EndCancelled
		case p.repudiated:
			return p.bar(ctx, jml.ReasonRepudiated)
		case p.state.Pickup.locked():
			return p.bar(ctx, jml.ReasonPickupLocked)
		case p.again:
			return EndAgain
		case len(p.failed) > 0:
			n := p.failed[0]
			p.failed = p.failed[1:]
			if end := p.redirect(ctx, n); end != "" {
				return end
			}
		case p.wish != nil:
			if end := p.mint(ctx); end != "" {
				return end
			}
		default:
			return ""
		}
	}
}

// bar ends the pass for a reason that somebody has to look into.
func (p *pass) bar(ctx workflow.Context, reason jml.BlockReason) PassEnd {
	p.block = jml.Blocked(reason, "")
	p.tell(ctx, jml.MessageAlert, p.in.Profile.AlertTo)
	return EndBlocked
}

func (p *pass) wake() { p.wakes.SendAsync(true) }

// why is what the audit says of a revocation.
func (p *pass) why(end PassEnd) string {
	if p.block != nil {
		return string(p.block.Reason)
	}
	return string(end)
}

// mayContinueAsNew: what handlers took in and attend has not dealt with would be
// forgotten.
func (p *pass) mayContinueAsNew(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(ctx) &&
		p.telling == 0 && !p.again && len(p.failed) == 0
}

// revoke ends the pass and proves it gone. It runs in a context of its own so
// that a cancelled journey revokes like any other.
func (p *pass) revoke(ctx workflow.Context, methodID, reason string) (*RevokeResult, error) {
	p.stage = StageRevoking
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	gone, err := call(revoke(free), "RevokePass", Activities.RevokePass, RevokeInput{
		Ref: p.in.Ref, UserID: p.in.UserID, MethodID: methodID, Request: p.request, Reason: reason,
	})
	if err != nil {
		return nil, err
	}
	p.stage = StageGone
	return &gone, nil
}

// lastWords bounds how long the end of a pass waits for messages about it that
// are under way.
const lastWords = 2 * time.Minute

// finish lets those who wait for an answer have it, and messages go out.
func (p *pass) finish(ctx workflow.Context, result *PassResult) {
	p.over = true
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	_ = workflow.Await(free, func() bool { return workflow.AllHandlersFinished(free) })
	if p.telling > 0 {
		_, _ = workflow.AwaitWithTimeout(free, lastWords, func() bool { return p.telling == 0 })
	}
	view := p.view()
	result.Invited = p.state.Pickup.LinkHash != ""
	result.Deliveries, result.Pickup = view.Deliveries, view.Pickup
}

func (p *pass) view() PassView {
	v := PassView{Stage: p.stage, Issued: p.state.Issued, Registered: p.registered, NextLook: p.nextLook, Looks: p.looks, Pickup: p.pickupView()}
	if v.Issued != nil && v.Issued.Sealed != nil {
		open := *v.Issued
		open.Sealed = nil // for the visitor alone
		v.Issued = &open
	}
	for _, s := range p.state.Sent {
		v.Deliveries = append(v.Deliveries, s.Delivery)
	}
	return v
}

func (p *pass) issueInput() IssueInput {
	return IssueInput{
		Ref: p.in.Ref, UserID: p.in.UserID, Request: p.request,
		Contact: p.in.Facts, WorkflowID: p.id, Invitation: p.invitation,
	}
}

// listen registers what others may ask and tell.
func (p *pass) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryPass, func() (PassView, error) { return p.view(), nil }); err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		news := workflow.GetSignalChannel(ctx, SignalDelivery)
		for {
			var d DeliveryNews
			news.Receive(ctx, &d)
			p.learn(d)
		}
	})
	return p.listenToVisitors(ctx)
}
