package workflows

import (
	"errors"
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
		stage:   jml.StageIssuing,
		since:   workflow.Now(ctx),
		wakes:   workflow.NewBufferedChannel(ctx, 1),
		state:   PassState{Began: workflow.Now(ctx), Issued: in.Issued},
	}
	if in.State != nil {
		p.state = *in.State
	}
	if p.state.Version == 0 {
		p.state.Version = 1
	}
	if p.state.Issued != nil {
		p.stage = jml.StageWaiting // an earlier run handed it over
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
	Began  time.Time    `json:"began"`
	Issued *IssueResult `json:"issued,omitempty"`
	outbox
	Reminded  int       `json:"reminded,omitempty"` // bits: reminder i is done with
	Pickup    pickup    `json:"pickup,omitzero"`
	Repudiate string    `json:"repudiate,omitempty"` // hash of the link to say "not me"
	UsedAt    time.Time `json:"used_at,omitzero"`    // when the pass was first seen used
	Offered   bool      `json:"offered,omitempty"`   // another one, since this can do no more
	Version   int       `json:"version,omitempty"`   // as in PassView
	Shown     jml.Stage `json:"shown,omitempty"`     // in the search attributes
	Held      bool      `json:"held,omitempty"`      // by an operator
	ResentAt  time.Time `json:"resent_at,omitzero"`  //
}

type pass struct {
	in         PassInput
	request    jml.PassRequest
	id         string // workflow ID
	invitation string
	state      PassState

	stage      jml.Stage
	since      time.Time // when stage became what it is
	registered *jml.Method
	methods    []jml.Method    // all that count
	met        jml.Requirement // what registered satisfies
	missing    int             // looks in a row at which the tenant did not know the user
	nextLook   time.Time
	looks      int
	lastLook   time.Time
	quick      int // looks since there was reason for one: the next wait

	wakes      workflow.Channel // something happened that attend deals with
	telling    int              // messages under way that nothing waits for
	wish       *visit           // who wants the pass
	again      bool             // the employee asks for another
	resending  bool
	repudiated bool
	failed     []int      // numbers of messages that will not arrive
	block      *jml.Block // with jml.EndBlocked
	nextRoute  int
	over       bool // what was made is gone
}

func (p *pass) run(ctx workflow.Context) (PassResult, error) {
	issued, err := p.begin(ctx)
	if err != nil {
		// The last try may have made a pass whose reply was lost.
		result := PassResult{End: jml.EndBlocked, Block: blockOf(err), Seen: mayBeSeen(err)}
		if ctx.Err() != nil {
			result = PassResult{End: jml.EndCancelled}
		}
		if issued {
			result.Revoked, err = p.revoke(ctx, "", "not handed over", false)
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
	if p.registered != nil {
		result.Methods, result.Require = p.methods, &p.met
	}
	if end == jml.EndRegistered && p.in.Profile.Settle > 0 && p.state.Issued != nil {
		// Deleting a pass ends the sessions made with it: the person may still
		// be setting up a device in one. Cancellation cuts this short, and so
		// does who says "not me".
		p.enter(ctx, jml.StageSettling)
		_, _ = workflow.AwaitWithTimeout(ctx, p.in.Profile.Settle, func() bool { return p.repudiated })
		if p.repudiated {
			result.End = p.bar(ctx, jml.ReasonRepudiated)
			result.Block = p.block
		}
	}
	if p.state.Issued != nil {
		// Who called it off wants to know whether somebody was in already.
		ask := result.End == jml.EndCancelled && p.state.UsedAt.IsZero() && !workflow.Now(ctx).Before(p.usable())
		result.Revoked, err = p.revoke(ctx, p.state.Issued.Pass.MethodID, p.why(result.End), ask)
		result.Use = p.use(result.Revoked)
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
	in.Notice, in.N = p.notice(jml.MessagePass), p.state.number()
	in.Routes, in.Rest = routes[min(p.in.Skip, len(routes)):], p.in.Profile.RestTo
	if len(in.Rest) > 0 {
		in.Notice.Half = 1
		p.state.number()
	}
	issued, err := call(issue(ctx), "IssuePass", Activities.IssuePass, in)
	if err != nil {
		return true, err
	}
	p.state.sent(ctx, jml.MessagePass, in.N, in.Routes, issued.Route, issued.Receipt)
	p.hold(ctx, issued)
	if len(in.Rest) > 0 {
		p.state.sent(ctx, jml.MessagePass, in.N+1, in.Rest, issued.Rest, issued.RestReceipt)
	}
	p.tell(ctx, jml.MessageIssued, p.in.Profile.NoticeTo)
	return true, nil
}

// hold takes note of a pass that is out.
func (p *pass) hold(ctx workflow.Context, issued IssueResult) {
	p.state.Issued = &issued
	p.lastLook, p.quick = time.Time{}, 0
	p.enter(ctx, jml.StageWaiting)
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
func (p *pass) watch(ctx workflow.Context) jml.PassEnd {
	nudges := workflow.GetSignalChannel(ctx, SignalLook)
	for {
		if end := p.attend(ctx); end != "" {
			return end
		}
		next, reminder := p.plan(ctx)
		p.explain(ctx)
		nudged, woken := p.waitUntil(ctx, next, p.usable(), nudges)
		if ctx.Err() != nil {
			return jml.EndCancelled
		}
		if woken {
			continue
		}
		now := workflow.Now(ctx)
		if p.state.Issued == nil || !now.Before(p.usable()) {
			if end := p.look(ctx); end != "" {
				return end
			}
		}
		p.lastLook = workflow.Now(ctx)
		if !p.lastLook.Before(p.in.Until) {
			return jml.EndTimedOut
		}
		if end := p.unfinished(ctx); end != "" {
			return end
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
		if t := p.lastLook.Add(jml.Wait(p.in.Profile.Poll, p.quick)); t.Before(next) && p.watches() {
			next = t
		}
		if t := p.spent(); !t.IsZero() && t.Before(next) {
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

// watches reports whether anything that is registered can complete the journey.
// A staging may end by the technician's word alone.
func (p *pass) watches() bool { return len(p.in.Profile.CompleteOn) > 0 }

// registerWithin is how long after its use a one-time pass lets somebody
// register. https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass
const registerWithin = 10 * time.Minute

// spent is when the pass can do no more: it has expired, or was used and what
// had to be registered with it had to be by then. Zero if nothing is to be done
// about that.
func (p *pass) spent() time.Time {
	if p.in.Profile.Unfinished == jml.UnfinishedWait || p.state.Offered || p.state.Issued == nil {
		return time.Time{}
	}
	t := p.state.Issued.Pass.EndsAt()
	if used := p.state.UsedAt; !used.IsZero() && used.Add(registerWithin).Before(t) {
		t = used.Add(registerWithin)
	}
	return t
}

// unfinished deals with a pass that can do no more while nothing is registered.
func (p *pass) unfinished(ctx workflow.Context) jml.PassEnd {
	if t := p.spent(); t.IsZero() || workflow.Now(ctx).Before(t) {
		return ""
	}
	p.state.Offered = true
	why := "expired"
	if !p.state.UsedAt.IsZero() {
		why = "used"
	}
	_ = p.step(ctx, StepUsedUp, "", why)
	if p.in.Profile.Unfinished == jml.UnfinishedReissue {
		return jml.EndAgain
	}
	p.tell(ctx, jml.MessageUnfinished, p.in.Profile.ChangeTo)
	p.tell(ctx, jml.MessageAlert, p.in.Profile.AlertTo)
	return ""
}

// goneAfter is at how many looks in a row the tenant must not know the user for
// us to believe that he is gone: one replica may lag.
const goneAfter = 3

// look returns how the pass ends if what completes the journey is registered, or
// if the user is gone. An error counts as nothing: there is another look, and
// time runs out whether Graph answers or not.
func (p *pass) look(ctx workflow.Context) jml.PassEnd {
	if !p.watches() {
		return ""
	}
	require := p.in.Profile.Requirement()
	in := LookInput{UserID: p.in.UserID, CompleteOn: require.Kinds, AAGUIDs: require.AAGUIDs, Devices: require.Devices, UsableFrom: p.usable()}
	if p.state.Issued != nil {
		in.MethodID, in.Since = p.state.Issued.Pass.MethodID, p.in.Since
	}
	found, err := callLocal(read(ctx), "LookForMethod", Activities.LookForMethod, in)
	p.looks++
	if err != nil {
		return ""
	}
	if used := (jml.Pass{UsabilityReason: found.Pass}).Used(); used && p.state.UsedAt.IsZero() {
		p.state.UsedAt = workflow.Now(ctx)
	}
	if !found.Missing {
		p.missing = 0
	} else if p.missing++; p.missing >= goneAfter {
		p.block = jml.Blocked(jml.ReasonUserReplaced, "")
		return jml.EndBlocked
	}
	if p.methods = found.Methods; found.Method == nil {
		return ""
	}
	p.registered, p.met = found.Method, require
	if found.Early || p.state.Issued == nil {
		return jml.EndAlready // not by a pass of ours
	}
	return jml.EndRegistered
}

// use returns whether somebody signed in with the pass, as far as that is known.
func (p *pass) use(gone *RevokeResult) jml.Use {
	switch {
	case !p.state.UsedAt.IsZero() || p.registered != nil:
		return jml.UseYes
	case gone != nil:
		return gone.Use
	}
	return jml.UseUnknown
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
func (p *pass) attend(ctx workflow.Context) jml.PassEnd {
	for {
		switch {
		case ctx.Err() != nil:
			return jml.EndCancelled
		case p.repudiated:
			return p.bar(ctx, jml.ReasonRepudiated)
		case p.state.Pickup.locked():
			return p.bar(ctx, jml.ReasonPickupLocked)
		case p.again:
			return jml.EndAgain
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
func (p *pass) bar(ctx workflow.Context, reason jml.BlockReason) jml.PassEnd {
	p.block = jml.Blocked(reason, "")
	p.tell(ctx, jml.MessageAlert, p.in.Profile.AlertTo)
	return jml.EndBlocked
}

func (p *pass) wake() { p.wakes.SendAsync(true) }

// why is what the audit says of a revocation.
func (p *pass) why(end jml.PassEnd) string {
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
//
// ask: the answer says whether it had been used.
func (p *pass) revoke(ctx workflow.Context, methodID, reason string, ask bool) (*RevokeResult, error) {
	p.enter(ctx, jml.StageRevoking)
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	gone, err := call(revoke(free), "RevokePass", Activities.RevokePass, RevokeInput{
		Ref: p.in.Ref, UserID: p.in.UserID, MethodID: methodID, Request: p.request, Reason: reason,
		Use: ask, UsableFrom: p.usable(),
	})
	if err != nil {
		return nil, err
	}
	p.enter(ctx, jml.StageGone)
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
	v := PassView{Version: p.state.Version, Since: p.since, Held: p.state.Held, Stage: p.stage, Use: p.use(nil), Issued: p.state.Issued, Registered: p.registered, NextLook: p.nextLook, Looks: p.looks, Pickup: p.pickupView(), Deliveries: p.state.deliveries()}
	if v.Issued != nil && v.Issued.Sealed != nil {
		open := *v.Issued
		open.Sealed = nil // for the visitor alone
		v.Issued = &open
	}
	return v
}

func (p *pass) issueInput() IssueInput {
	return IssueInput{
		Ref: p.in.Ref, UserID: p.in.UserID, Request: p.request,
		Contact: p.in.Facts, WorkflowID: p.id, Invitation: p.invitation, Technician: p.technician(),
	}
}

// technician is the object id of who gets the pass in the employee's stead.
func (p *pass) technician() string {
	if p.in.Request == nil {
		return ""
	}
	return p.in.Request.Technician.ID
}

// listen registers what others may ask and tell.
func (p *pass) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryPass, func() (PassView, error) { return p.view(), nil }); err != nil {
		return err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		require := workflow.GetSignalChannel(ctx, SignalRequire)
		for {
			var r jml.Requirement
			require.Receive(ctx, &r)
			p.in.Profile.CompleteOn, p.in.Profile.AAGUIDs, p.in.Profile.Devices = r.Kinds, r.AAGUIDs, r.Devices
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		news := workflow.GetSignalChannel(ctx, SignalDelivery)
		for {
			var d DeliveryNews
			news.Receive(ctx, &d)
			p.learn(d)
		}
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		holds := workflow.GetSignalChannel(ctx, SignalHold)
		for {
			holds.Receive(ctx, &p.state.Held)
			p.state.Version++
			p.explain(ctx)
		}
	})
	return errors.Join(p.listenToVisitors(ctx), update(ctx, UpdateResend, p.mayResend, p.onResend))
}
