package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// Pass owns one pass of one user from before it is made until it is proved
// gone. It always ends in a revocation, whatever happens: registration, time
// out, cancellation, a failed issue. Its workflow ID is the lock on the user.
//
// Cancelling it is the way to end the pass early. It never returns an error of
// its own: how it ended is in the result.
func Pass(ctx workflow.Context, in PassInput) (PassResult, error) {
	p := &pass{
		in:      in,
		request: jml.PassRequest{StartAt: in.StartAt, Lifetime: in.Profile.Lifetime, OneTime: in.Profile.OneTime, Since: in.Since},
		view:    PassView{Stage: StageIssuing},
	}
	if err := workflow.SetQueryHandler(ctx, QueryPass, func() (PassView, error) { return p.view, nil }); err != nil {
		return PassResult{}, err
	}
	return p.run(ctx)
}

type pass struct {
	in      PassInput
	request jml.PassRequest
	view    PassView
}

func (p *pass) run(ctx workflow.Context) (PassResult, error) {
	issued, err := p.issue(ctx)
	if err != nil {
		// The last try may have made a pass whose reply was lost.
		result := PassResult{End: EndBlocked, Block: blockOf(err)}
		if ctx.Err() != nil {
			result = PassResult{End: EndCancelled}
		}
		result.Revoked, err = p.revoke(ctx, "", "not handed over")
		return result, err
	}
	p.view.Issued = issued
	result := PassResult{Issued: issued}

	p.view.Stage = StageWaiting
	result.Registered, result.End = p.watch(ctx, issued.Pass.UsableFrom())
	if result.End == "" {
		next := p.in
		next.Issued = issued
		return PassResult{}, workflow.NewContinueAsNewError(ctx, TypePass, next)
	}
	p.view.Registered = result.Registered

	if result.End == EndRegistered && p.in.Profile.Settle > 0 {
		// Deleting a pass ends the sessions made with it: the person may still
		// be setting up a device in one. Cancellation cuts this short.
		p.view.Stage = StageSettling
		_ = workflow.Sleep(ctx, p.in.Profile.Settle)
	}
	result.Revoked, err = p.revoke(ctx, issued.Pass.MethodID, string(result.End))
	return result, err
}

// issue makes the pass, unless an earlier run has.
func (p *pass) issue(ctx workflow.Context) (*IssueResult, error) {
	if p.in.Issued != nil {
		return p.in.Issued, nil
	}
	issued, err := call(issue(ctx), "IssuePass", Activities.IssuePass, IssueInput{
		Ref:     p.in.Ref,
		UserID:  p.in.UserID,
		Request: p.request,
		Notice:  p.notice(),
	})
	return &issued, err
}

// watch waits until a method is registered that completes the journey. It
// returns no end if the history has grown so long that a new run must go on.
func (p *pass) watch(ctx workflow.Context, usable time.Time) (*jml.Method, PassEnd) {
	nudges := workflow.GetSignalChannel(ctx, SignalLook)
	// Nobody can have signed in with the pass before it is usable, so there is
	// no look before then.
	last, looks := usable, 0
	if now := workflow.Now(ctx); now.After(usable) {
		last = now
	}
	for {
		next := last.Add(jml.Wait(p.in.Profile.Poll, looks))
		if next.After(p.in.Until) {
			next = p.in.Until
		}
		p.view.NextLook = next
		nudged := p.waitUntil(ctx, next, usable, nudges)
		if ctx.Err() != nil {
			return nil, EndCancelled
		}
		// An error counts as nothing found: there is another look, and time
		// runs out whether Graph answers or not.
		found, err := callLocal(read(ctx), "LookForMethod", Activities.LookForMethod, LookInput{
			UserID: p.in.UserID, CompleteOn: p.in.Profile.CompleteOn, UsableFrom: usable,
		})
		p.view.Looks++
		if err == nil && found.Method != nil {
			return found.Method, EndRegistered
		}
		last = workflow.Now(ctx)
		if !last.Before(p.in.Until) {
			return nil, EndTimedOut
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return nil, ""
		}
		looks++
		if nudged {
			// Somebody knows of a registration that Graph does not show yet.
			looks = 0
		}
	}
}

// waitUntil returns at next, or earlier with true if nudged after usable, or
// when ctx is cancelled.
func (p *pass) waitUntil(ctx workflow.Context, next, usable time.Time, nudges workflow.ReceiveChannel) (nudged bool) {
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
	sel.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) { done = true })
	for !done && !nudged {
		sel.Select(ctx)
	}
	return nudged
}

// revoke ends the pass and proves it gone. It runs in a context of its own so
// that a cancelled journey revokes like any other.
func (p *pass) revoke(ctx workflow.Context, methodID, reason string) (*RevokeResult, error) {
	p.view.Stage = StageRevoking
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	gone, err := call(revoke(free), "RevokePass", Activities.RevokePass, RevokeInput{
		Ref: p.in.Ref, UserID: p.in.UserID, MethodID: methodID, Request: p.request, Reason: reason,
	})
	if err != nil {
		return nil, err
	}
	p.view.Stage = StageGone
	return &gone, nil
}

// notice returns the message to the person, but for what only the tenant knows.
func (p *pass) notice() jml.Notice {
	return jml.Notice{
		Channel:    p.in.Profile.Channel,
		Recipient:  p.in.Facts.Recipient(p.in.Profile.Recipient),
		GivenName:  p.in.Facts.GivenName,
		Locale:     p.in.Facts.Locale,
		SignInName: p.in.UPN,
		Zone:       p.in.Facts.Zone,
		OneTime:    p.in.Profile.OneTime,
		Register:   p.in.Profile.CompleteOn,
		Replaces:   p.in.Round > 0,
		Reference:  p.in.Ref,
	}
}
