package activities

import (
	"context"
	"errors"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// IssuePass implements workflows.Activities: it makes the pass and hands its
// passcode to the channel, or seals it for a visitor of the pick-up page, in one
// activity, because the passcode may not cross into a result. Graph's create
// call has no idempotency key and answers with the passcode once, so everything
// rests on what a try finds when it begins.
//
// What a crash leaves behind, and what the next try does:
//
//   - before the create call: nothing. The next try starts afresh.
//   - during it, or before the reply is read: perhaps a pass whose code nobody
//     has seen. The next try lists the user's pass, knows it by what was asked
//     for (PassRequest.Matches), destroys it, reads back that it is gone, and
//     makes another.
//   - after the reply, before the hand-over: the same.
//   - during the hand-over to a channel, or before Temporal has the result: the
//     checkpoint names the pass, and its code may have been seen. It is never
//     replaced silently: if it has been used, it was handed over, and that is
//     the result. Otherwise it is destroyed, and the message about the next one
//     says that an earlier one no longer works.
//   - after sealing, before Temporal has the result: nobody has seen the code,
//     since the page shows what is in the result. As before the hand-over.
//   - in the end without success: the workflow revokes whatever matches.
//
// A pass on the user that is none of these is somebody else's. It is left
// alone, and the journey is blocked until it is gone.
//
// The kill switch is asked before anything else, unless an earlier try has to be
// cleared up after, and again right before the create call: one that is thrown in
// between is in time. A try that it stops has made nothing, but an earlier try
// may have: the workflow revokes whatever matches, as after any failure. Thrown
// after the create call has left, it comes too late for this one pass, which is
// live and shows as such.
//
// A worker that was frozen, not dead, may wake when another try is under way.
// It fails at its next checkpoint, which Temporal refuses for an old try, and
// destroys what it made.
func (a *Activities) IssuePass(ctx context.Context, in workflows.IssueInput) (workflows.IssueResult, error) {
	defer a.marks.Keep(ctx)()
	result, err := a.issue(ctx, in)
	if err != nil {
		a.log.Warn("issue failed", "ref", in.Ref, "error", err)
		var out *gotOut
		return workflows.IssueResult{}, toTemporal(err, workflows.IssueFailure{Seen: errors.As(err, &out)})
	}
	return result, nil
}

// gotOut is an error after which a message with a passcode, or half of one, may
// be in somebody's hands.
type gotOut struct{ error }

func (g *gotOut) Unwrap() error { return g.error }

func (a *Activities) issue(ctx context.Context, in workflows.IssueInput) (result workflows.IssueResult, err error) {
	var none workflows.IssueResult
	last, err := a.marks.Load(ctx)
	if err != nil {
		return none, err
	}
	defer func() {
		if err != nil && last.MethodID != "" {
			err = &gotOut{err} // that of an earlier try
		}
	}()
	if !last.Minting {
		if err := a.halted(ctx); err != nil {
			return none, err
		}
	}
	// A pass that can't be delivered is worse than none, so the message is
	// made ready before the pass is.
	way, err := a.handOverWay(ctx, in, last)
	if err != nil {
		return none, err
	}
	seen, err := a.clear(ctx, in, last)
	if err != nil {
		return none, err
	}
	if seen != nil {
		return workflows.IssueResult{Pass: *seen, HandedOverAt: a.now().UTC()}, nil
	}
	// Once a message may have gone out, the next one says so.
	way.replaces = last.MethodID != ""

	// The audit and the checkpoint stand before the act. Keeping the last
	// method id in the checkpoint keeps "may have been seen" true for all later
	// tries.
	if err := a.record(ctx, audit.Entry{Event: audit.EventPassIssue, Ref: in.Ref, UserID: in.UserID}); err != nil {
		return none, err
	}
	if err := a.marks.Save(ctx, Checkpoint{Minting: true, MethodID: last.MethodID}); err != nil {
		return none, err
	}
	if err := a.halted(ctx); err != nil {
		return none, err
	}
	pass, code, err := a.dir.CreatePass(ctx, in.UserID, in.Request, a.now())
	if err != nil {
		return none, err
	}
	result, err = a.handOver(ctx, in, pass, code, way)
	if err != nil {
		// Nobody needs this pass any more. If this fails too, the next try or
		// the workflow does it.
		a.destroy(context.WithoutCancel(ctx), in, pass.MethodID)
		return none, err
	}
	return result, nil
}

// way is how a passcode is handed over: each part to its own route.
type way struct {
	parts    []part
	replaces bool
}

// part is the whole passcode or half of it.
type part struct {
	notice jml.Notice
	router *router
	routes []jml.Route // all of them
	route  int         // of the one notice is for
}

// handOverWay finds how the passcode will get to the employee, before there is
// one. On later tries it asks the provider too: a channel that is down should
// not cost a pass per try.
func (a *Activities) handOverWay(ctx context.Context, in workflows.IssueInput, last Checkpoint) (way, error) {
	if in.Seal != nil {
		// A key that does not seal must not cost a pass.
		if _, err := secret.Seal(secret.NewPasscode("EXAMPLE-NOT-A-PASS"), in.Seal.PublicKey, in.Seal.Visit); err != nil {
			return way{}, &blocked{jml.Blocked(jml.ReasonInternal, "the visit's key does not seal")}
		}
		return way{}, nil
	}
	n := in.Notice
	n.From, n.Until = a.now(), a.now().Add(time.Hour) // only to render; the tenant decides
	a.name(&n, in.WorkflowID, in.Invitation, in.N)
	var w way
	if len(in.Routes) == 0 { // began before there were routes: n holds the address
		if err := a.send.Check(ctx, n); err != nil {
			return w, err
		}
		w.parts = []part{{notice: n}}
	}
	r := &router{a: a, userID: in.UserID, technician: in.Technician, contact: in.Contact}
	for i, routes := range [][]jml.Route{in.Routes, in.Rest} {
		if len(routes) == 0 {
			continue
		}
		if i == 1 {
			n.Half = 2
			a.name(&n, in.WorkflowID, in.Invitation, in.N+1)
		}
		to, route, err := r.pick(ctx, n, routes)
		if err != nil {
			return w, err
		}
		w.parts = append(w.parts, part{notice: to, router: r, routes: routes, route: route})
	}
	if !last.Minting {
		return w, nil
	}
	for _, p := range w.parts {
		if err := a.send.Probe(ctx, p.notice.Channel, &p.notice); err != nil {
			return w, err
		}
	}
	return w, nil
}

// clear makes sure that the user has no pass: it destroys what is ours and
// nobody can use. It returns the pass of an earlier try if that has been used,
// and so was handed over.
func (a *Activities) clear(ctx context.Context, in workflows.IssueInput, last Checkpoint) (used *jml.Pass, err error) {
	passes, err := a.dir.Passes(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	for _, p := range passes {
		handed := last.MethodID != "" && p.MethodID == last.MethodID
		switch {
		case handed && p.Used():
			return &p, nil
		case p.Dead(), handed, last.Minting && in.Request.Matches(p):
		default:
			return nil, &blocked{jml.Blocked(jml.ReasonForeignPass, "usable until "+p.EndsAt().UTC().Format(time.RFC3339))}
		}
		e := ending{ref: in.Ref, userID: in.UserID, ids: []string{p.MethodID}, reason: "left by an earlier try or dead", listed: true}
		if p.Used() {
			e.used = jml.UseYes
		}
		if _, err := a.end(ctx, e); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// handOver gives the passcode to the channels, or seals it. This function, give
// and CreatePass are the only places of the worker that hold it.
func (a *Activities) handOver(ctx context.Context, in workflows.IssueInput, pass jml.Pass, code secret.Passcode, w way) (workflows.IssueResult, error) {
	result := workflows.IssueResult{Pass: pass}
	if err := a.record(ctx, audit.Entry{Event: audit.EventPassIssued, Ref: in.Ref, UserID: in.UserID, MethodID: pass.MethodID, RequestID: pass.RequestID, UsableFrom: pass.UsableFrom(), UsableUntil: pass.EndsAt()}); err != nil {
		return result, err
	}
	if pass.OutOfPolicy() {
		// The tenant made a pass that will not work: the person would stand
		// before a closed door.
		return result, &blocked{jml.Blocked(jml.ReasonOutOfScope, "request-id "+pass.RequestID)}
	}
	if err := a.record(ctx, audit.Entry{Event: audit.EventPassHandover, Ref: in.Ref, UserID: in.UserID, MethodID: pass.MethodID}); err != nil {
		return result, err
	}
	var err error
	if in.Seal != nil {
		if result.Sealed, err = secret.Seal(code, in.Seal.PublicKey, in.Seal.Visit); err != nil {
			return result, &blocked{jml.Blocked(jml.ReasonInternal, "the visit's key does not seal")}
		}
	} else {
		if err := a.marks.Save(ctx, Checkpoint{Minting: true, MethodID: pass.MethodID}); err != nil {
			return result, err
		}
		codes := []secret.Passcode{code}
		if len(w.parts) == 2 {
			first, second := code.Halves()
			codes = []secret.Passcode{first, second}
		}
		for i := range w.parts {
			p := &w.parts[i]
			p.notice.From, p.notice.Until = pass.UsableFrom(), pass.EndsAt()
			p.notice.Replaces = p.notice.Replaces || w.replaces
			receipt, err := a.give(ctx, p, codes[i])
			if err != nil {
				if i > 0 || !refused(err) {
					err = &gotOut{err}
				}
				return result, err
			}
			if i == 0 {
				result.Route, result.Receipt = p.route, receipt
			} else {
				result.Rest, result.RestReceipt = p.route, receipt
			}
		}
	}
	// The act is done and was announced; a line about its success that can't be
	// written is no reason to take the pass away again. record has logged it.
	_ = a.record(ctx, audit.Entry{Event: audit.EventPassHandedOver, Ref: in.Ref, UserID: in.UserID, MethodID: pass.MethodID, RequestID: result.Receipt.MessageID})
	result.HandedOverAt = a.now().UTC()
	return result, nil
}

// give sends a part by its route. A channel that refuses it has not got it, so
// the next route may.
func (a *Activities) give(ctx context.Context, p *part, code secret.Passcode) (jml.Receipt, error) {
	for {
		receipt, err := a.send.Send(ctx, p.notice, secret.Contents{Passcode: code})
		if err == nil || !refused(err) || p.route+1 >= len(p.routes) {
			return receipt, err
		}
		n, next, picked := p.router.pick(ctx, p.notice, p.routes[p.route+1:])
		if picked != nil {
			return receipt, err
		}
		p.notice, p.route = n, p.route+1+next
	}
}

// destroy ends a pass that was not handed over, as well as it can.
func (a *Activities) destroy(ctx context.Context, in workflows.IssueInput, methodID string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if _, err := a.end(ctx, ending{ref: in.Ref, userID: in.UserID, ids: []string{methodID}, reason: "not handed over"}); err != nil && !errors.Is(err, context.Canceled) {
		a.log.Warn("a pass that was not handed over could not be destroyed yet; the next try or the workflow does it",
			"ref", in.Ref, "error", err)
	}
}
