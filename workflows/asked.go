package workflows

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

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
		update(ctx, UpdateHold, j.mayHold, j.onHold),
		update(ctx, UpdateMove, j.mayMove, j.onMove),
		update(ctx, UpdateLink, j.mayLink, j.onLink),
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
				j.send(ctx, s.Message, s.Routes[s.Route+1:], s.about())
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
		j.contactAt, j.skip, j.channel = workflow.Now(ctx), 0, ""
		if j.s.Barred != nil && j.s.Barred.Reason == jml.ReasonUndeliverable {
			j.s.Barred = nil // another address, another try
		}
	}
	if j.informed && f.UserMatch() != j.s.Facts.UserMatch() {
		j.s.Linked = "" // HR's newer word
		j.forUser()
	}
	if j.informed && j.s.MovesStart(f.Snapshot) {
		j.s.Override, j.override = nil, nil
	}
	if f.Choice != nil && !j.s.Kind.Asked() {
		j.chosen = f.Choice // what was asked for, and approved, keeps its rules
	}
	j.s.Facts, j.informed = f.Snapshot, true
	j.news()
}

func (j *journey) mayStop(req jml.Stop) error {
	switch {
	case req.Outcome != jml.StageCancelled && req.Outcome != jml.StageRevoked && req.Outcome != jml.StageCompleted:
		return errors.New("the outcome must be cancelled or revoked; of a staging, also completed")
	case req.Outcome == jml.StageCompleted && j.s.Kind != jml.KindStaging && req.Proof == "":
		return errors.New("only a staging is completed by somebody's word alone: say what proof you saw that a method is registered, or cancel this journey")
	case req.Outcome != jml.StageCompleted && req.Proof != "":
		return errors.New("a proof belongs to the outcome completed; give the reason as reason")
	case req.Actor == "" || req.Reason == "":
		return errUnsigned
	case j.result != nil || j.s.Stop != nil:
		return errEnding
	case req.Proof != "" && j.saying:
		return errSaying
	case req.Outcome == jml.StageRevoked && j.pass == nil:
		return errors.New("there is no pass to revoke; cancel the journey to keep it from getting one")
	case req.Outcome == jml.StageCompleted && j.pass == nil && req.Proof == "":
		return errors.New("no pass is out, so nobody can have set up the device; cancel the staging instead")
	}
	return unchanged(j.version, req.Version)
}

// onStop answers when the journey has ended, so that the operator who asked sees
// the pass proved gone, or that it is not yet.
func (j *journey) onStop(ctx workflow.Context, req jml.Stop) (JourneyResult, error) {
	if req.Proof != "" {
		j.saying = true
		err := j.step(ctx, StepByHand, req.Actor, req.Reason, req.Proof)
		j.saying = false
		if err != nil {
			return JourneyResult{}, err
		}
	}
	if j.s.Stop == nil { // or somebody cancelled it meanwhile: that stands
		j.s.Stop = &req
		j.version++
	}
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
	return unchanged(j.version, d.Version)
}

// onDecide decides before it waits for the audit: of two at once, the second is
// told that it was decided.
func (j *journey) onDecide(ctx workflow.Context, d Decision) (Answer, error) {
	a := &j.s.Approval
	a.Decided, a.Approved, a.By, a.Reason = workflow.Now(ctx), d.Approve, d.Actor, d.Reason
	j.version++
	step := StepApproved
	if !d.Approve {
		step = StepRefused
	}
	if err := j.step(ctx, step, d.Actor, d.Reason, ""); err != nil {
		return Answer{}, err
	}
	j.heard++
	return Answer{Done: true, Version: j.version}, nil
}

// step writes to the audit what somebody did, in a context of its own: a
// cancelled journey has to go on to its end.
func (j *journey) step(ctx workflow.Context, s Step, actor, reason, detail string) error {
	free, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := StepInput{Ref: j.in.Ref, Event: s, Actor: actor, Reason: reason, Detail: detail}
	if j.user != nil {
		in.UserID = j.user.ID
	}
	_, err := callLocal(record(free), "RecordStep", Activities.RecordStep, in)
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
		return errUnsigned
	case j.result != nil || j.ending(ctx):
		return errEnding
	case j.renewing && j.pass != nil:
		return errors.New("another pass is on its way already: somebody asked a moment ago")
	case j.pass == nil && j.s.Barred == nil:
		return errors.New("there is no pass to replace yet: see what it waits for")
	case j.reissues >= j.s.Profile.Reissues:
		return errors.New("this employee has had as many passes as the profile allows (reissues): cancel, and start anew")
	case !j.contactAt.IsZero() && workflow.Now(ctx).Before(rested):
		return errors.New("HR changed the private address or number less than a day ago; a pass is never reissued together with that. Ask again after " + rested.UTC().Format(time.RFC3339))
	}
	if err := unchanged(j.version, req.Version); err != nil {
		return err
	}
	return offered(req.Channel, j.passRoutes())
}

// passRoutes are those that a pass can go by: with its passcode, or with link and
// code.
func (j *journey) passRoutes() []jml.Route {
	p := j.s.Profile
	if p.Mode == jml.ModePickup {
		return slices.Concat(p.LinkTo, p.CodeTo)
	}
	return p.PassRoutes()
}

// onReissue answers when it is in the audit; the pass there is ends, and
// another one begins.
func (j *journey) onReissue(ctx workflow.Context, req ReissueRequest) (Answer, error) {
	j.reissues++
	j.renewing = true
	j.version++
	detail := ""
	if req.Channel != "" {
		detail = "by " + req.Channel
	}
	if err := j.step(ctx, StepReissue, req.Actor, req.Reason, detail); err != nil {
		return Answer{}, err
	}
	j.s.Barred, j.skip, j.channel = nil, 0, req.Channel
	if i := slices.IndexFunc(j.passRoutes(), func(r jml.Route) bool { return r.Channel == req.Channel }); i > 0 && j.s.Profile.Mode != jml.ModePickup {
		j.skip = i // those before it are not wanted
	}
	if j.s.Pass != nil {
		j.s.Pass.Again = true
	}
	j.heard++
	return Answer{Done: true, Version: j.version}, nil
}

// ending reports whether somebody wants the journey to end.
func (j *journey) ending(ctx workflow.Context) bool {
	return ctx.Err() != nil || j.s.Stop != nil || j.informed && j.s.Facts.Status != jml.StatusScheduled
}

func (j *journey) view() (JourneyView, error) {
	v := JourneyView{
		Kind: j.s.Kind, Ref: j.in.Ref, Source: j.in.Source, Profile: j.s.Profile.Name,
		Stage: j.stage, Facts: j.s.Facts, User: j.user, Block: j.block, Recheck: j.s.Recheck,
		Pass: j.lastPass, Stopping: j.s.Stop, Outdated: j.outdated, Reissues: j.reissues, FirstSeen: j.s.FirstSeen,
		Request: j.s.Request, Removed: j.removed, Weaker: j.weaker, Deliveries: j.post.deliveries(),
		Version: j.version, Since: j.since, Held: j.held, Override: j.override, Linked: j.s.Linked,
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
