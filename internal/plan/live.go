package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"firstpass.internal/activities"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// stepLimit ends a life that goes round in circles, which would be a mistake of
// ours.
const stepLimit = 100

// live steps one journey through its time until it is known what comes of it.
// What has to happen meanwhile is taken for granted: that who is asked approves
// at once, and that what has to be removed can be.
func (c Config) live(ctx context.Context, look Look, o *Outcome, p Person) {
	choice := c.Rules.Choose(jml.KindJoiner, p.Source, p.Facts, nil)
	s := jml.Situation{Now: c.Now, Kind: jml.KindJoiner, Profile: choice.Profile, Facts: p.Facts, FirstSeen: c.Now}
	if r := p.Running; r != nil {
		if r.Since.Before(c.Now) {
			s.FirstSeen = r.Since.UTC()
		}
		if r.Stage == jml.StagePass {
			o.when(s)
			o.Result = ResultPass
			return
		}
		if r.Reason == jml.ReasonHeld {
			s.Held = true
		} else if r.Reason.NeedsSomebody() && jml.HoldBlock(p.Facts.Hold) == nil {
			s.Barred = jml.Blocked(r.Reason, "")
		}
	}
	open := choice.Open || choice.Block != nil
	if choice.Block != nil && s.Facts.Status == jml.StatusScheduled {
		o.when(s)
		o.block(ResultBlocked, choice.Block)
		return
	}
	approval := false
	for range stepLimit {
		plan := jml.Decide(s)
		switch plan.Step {
		case jml.StepWait:
			switch plan.Stage {
			case jml.StageBlocked:
				o.when(s)
				o.stand(plan.Block)
				return
			case jml.StageApproval:
				s.Approval.Decided, s.Approval.Approved = s.Now, true
			default:
				s.Now = plan.Until
			}
			s.Verdict, s.Recheck = nil, time.Time{}
		case jml.StepAsk:
			approval = true
			s.Approval = jml.Approval{AskedAt: s.Now, Until: s.AskUntil()}
			o.AskAt, o.DecideBy = s.Now, s.Approval.Until
			s.Approval.Decided, s.Approval.Approved = s.Now, true
		case jml.StepPreflight:
			v, err := look.Preflight(ctx, preflightInput(s, p, open))
			o.userID, o.upn = v.User.ID, v.User.UPN
			if v.Profile != nil {
				s.Profile, open = *v.Profile, false
			}
			if err != nil || v.Block != nil {
				o.when(s)
				if err != nil {
					o.fail(ResultUnknown, CauseTenant, "", "")
					return
				}
				o.stand(v.Block)
				return
			}
			s.Verdict, s.Block = &v, nil
		case jml.StepRemove:
			if plan.First {
				s.Cleared = true
			} else {
				s.Tidied = true
			}
		case jml.StepTell:
			s.Told = append(s.Told, plan.Message)
		case jml.StepIssue:
			o.when(s)
			o.issue(s, approval)
			return
		default: // closed
			o.when(s)
			o.close(plan)
			return
		}
	}
	o.fail(ResultUnknown, Cause(jml.ReasonInternal), "no end was found", "Report it to us, with the profile and the row.")
}

// preflightInput is what a journey asks with, see journey.preflight in package
// workflows; a test holds the one against the other.
func preflightInput(s jml.Situation, p Person, open bool) workflows.PreflightInput {
	in := workflows.PreflightInput{Ref: p.Ref, Match: s.Match(), Profile: s.Profile, Kind: s.Kind, Source: p.Source, Open: open}
	if open {
		facts := s.Facts
		in.Facts = &facts
	}
	if s.Facts.Rehire && s.Profile.Remove == jml.RemoveOlder {
		in.Since = s.FirstSeen
	}
	return in
}

// when says when the journey is about.
func (o *Outcome) when(s jml.Situation) {
	if s.Facts.StartDate.IsZero() {
		return
	}
	o.Profile, o.Mode = s.Profile.Name, s.Profile.Mode
	o.Start, o.IssueAt = s.Start(), s.IssueAt()
	if s.Now.After(o.IssueAt) {
		o.IssueAt = s.Now
	}
	if !s.Profile.Chosen() { // there is no hour without a profile
		o.IssueAt = time.Time{}
	}
	o.Late = o.IssueAt.After(o.Start)
	zone, err := jml.LoadZone(s.Facts.Zone)
	if err != nil {
		zone = time.UTC
	}
	const local = "2006-01-02 15:04 MST"
	o.StartLocal = o.Start.In(zone).Format(local)
	if !o.IssueAt.IsZero() {
		o.IssueLocal = o.IssueAt.In(zone).Format(local)
	}
}

// stand says what keeps the journey.
func (o *Outcome) stand(b *jml.Block) {
	r := ResultBlocked
	switch b.Reason {
	case jml.ReasonHeld, jml.ReasonContactHeld, jml.ReasonVanished, jml.ReasonFactsContradict:
		r = ResultHeld
	}
	o.block(r, b)
	if away := o.IssueAt.Sub(o.now).Hours() / 24; b.Reason == jml.ReasonUserNotFound && away > 7 {
		o.Detail = fmt.Sprintf("not due for %.0f days", away) // many accounts are made in the last days
	}
}

func (o *Outcome) close(plan jml.Plan) {
	switch plan.Stage {
	case jml.StageTimedOut:
		o.fail(ResultBlocked, CauseTooLate, "the profile's timeout has passed", "The start, and the profile's timeout after it, lie in the past. Have HR correct the start.")
	default:
		o.Result, o.Detail = ResultNone, string(plan.Stage)
		if plan.Stage == jml.StageSkipped {
			o.Detail = "registered already"
		} else if plan.Why != "" {
			o.Detail = plan.Why
		}
	}
}

// hop is one message that must find a way.
type hop struct {
	message jml.Message
	half    int
	routes  []jml.Route
}

// issue says what goes out, as the pass's workflow sends it.
func (o *Outcome) issue(s jml.Situation, approval bool) {
	o.Result = ResultIssue
	if approval {
		o.Result = ResultApproval
	}
	p := s.Profile
	o.note = jml.Notice{
		GivenName: s.Facts.GivenName, FamilyName: s.Facts.FamilyName, Site: s.Facts.Site, Locale: s.Facts.Locale,
		SignInName: o.upn, Zone: s.Facts.Zone, Start: o.Start, OneTime: p.OneTime, Register: p.CompleteOn,
		Reference: o.Ref, Devices: p.Devices,
	}
	if p.Mode == jml.ModePickup {
		o.Until = o.IssueAt.Add(p.LinkValid)
		o.reach = []hop{{jml.MessageLink, 0, p.LinkTo}, {jml.MessageCode, 0, p.CodeTo}}
		return
	}
	from := o.Start
	if o.IssueAt.After(from) {
		from = o.IssueAt
	}
	o.Until = from.Add(p.Lifetime)
	o.reach = []hop{{jml.MessagePass, 0, p.PassRoutes()}}
	if len(p.RestTo) > 0 {
		o.reach = []hop{{jml.MessagePass, 1, p.PassRoutes()}, {jml.MessagePass, 2, p.RestTo}}
	}
}

// reach finds the way of each message, as it will be chosen. Without routes it
// is to be called again, once the tenant has been asked who stands near.
func reach(ctx context.Context, look Look, o *Outcome) {
	for _, h := range o.reach {
		n := o.note
		n.Message, n.Half = h.message, h.half
		n.From, n.Until = o.Start, o.Until
		route, block, err := look.Reach(ctx, activities.ReachInput{UserID: o.userID, Notice: n, Routes: h.routes, Contact: o.facts})
		switch {
		case errors.Is(err, errWanted()):
			o.Routes = nil
			return
		case err != nil:
			o.fail(ResultUnknown, CauseTenant, "the way of "+string(h.message)+" could not be told", "")
			return
		case block != nil:
			detail := "for the " + string(h.message)
			if block.Detail != "" && block.Reason != jml.ReasonNoRecipient { // that says it all
				detail += ": " + block.Detail
			}
			o.fail(ResultBlocked, Cause(block.Reason), detail, block.Advice)
			return
		}
		o.Routes = append(o.Routes, Route{h.message, route.Channel, route.Recipient})
	}
}
