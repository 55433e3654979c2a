package ops

import (
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/workflows"
)

// may tells what somebody may do with a journey now, and why not the rest. What
// decides is the journey itself, which may have changed since.
func (s *Service) may(who access.Identity, j *Journey) ([]Verb, map[Verb]string) {
	var can []Verb
	cannot := map[Verb]string{}
	for _, v := range journeyVerbs() {
		if !who.Has(v.Allowed()...) {
			continue
		}
		if why := s.why(v, who, j); why != "" {
			cannot[v] = why
		} else {
			can = append(can, v)
		}
	}
	return can, cannot
}

// why says why a verb is of no use as things stand; empty: it is.
func (s *Service) why(v Verb, who access.Identity, j *Journey) string {
	view, pass := &j.View, j.View.PassID != ""
	switch {
	case !j.Row.Closed.IsZero() || view.Stage.Closed():
		return "this journey has ended"
	case j.Stale:
		return "the journey does not answer now"
	case view.Stopping != nil:
		return "this journey is ending already"
	}
	switch v {
	case VerbHold:
		if view.Held != nil {
			return "it is held already"
		}
	case VerbResume:
		if view.Held == nil {
			return "nobody holds it"
		}
	case VerbMove:
		if view.Kind.Asked() {
			return "somebody asked for this journey; it has no start that could move"
		}
	case VerbResend:
		return s.whyNotResend(j)
	case VerbReissue:
		return s.whyNotReissue(view, pass)
	case VerbRevoke:
		if !pass {
			return "there is no pass to revoke; cancel keeps it from getting one"
		}
	case VerbApprove, VerbRefuse:
		return s.whyNotDecide(view, who)
	case VerbDeviceDone:
		switch {
		case view.Kind != jml.KindStaging:
			return "only a staging has a device to be done"
		case !pass:
			return "no pass is out, so nobody can have set up the device"
		}
	}
	return ""
}

func (s *Service) whyNotResend(j *Journey) string {
	switch p := j.Pass; {
	case j.View.PassID == "":
		return "no invitation is out"
	case p == nil:
		return "the pass does not answer now"
	case p.Issued != nil && p.Pickup == nil:
		return "the passcode itself was sent, and is never sent twice; reissue makes another one"
	case p.Issued != nil:
		return "the invitation has been used; reissue makes another one"
	case p.Pickup == nil:
		return "no invitation is out"
	case p.Pickup.Locked:
		return "the link is locked: speak to the employee by a way you know of old, then reissue"
	case !s.cfg.Now().Before(p.Pickup.LinkUntil):
		return "the invitation has lapsed; reissue sends another one"
	case p.Held || j.View.Held != nil:
		return "it is held: resume it first"
	}
	return ""
}

// barring are the blocks after which an operator may have another pass made.
func barring() []jml.BlockReason {
	return []jml.BlockReason{jml.ReasonUndeliverable, jml.ReasonPickupLocked, jml.ReasonRepudiated, jml.ReasonReissueCap}
}

func (s *Service) whyNotReissue(view *workflows.JourneyView, pass bool) string {
	if !pass && (view.Block == nil || !slices.Contains(barring(), view.Block.Reason)) {
		return "there is no pass to replace yet"
	}
	if p, ok := s.profile(view.Profile); ok && view.Reissues >= p.Reissues {
		return "this employee has had as many passes as the profile allows (reissues)"
	}
	return ""
}

func (s *Service) profile(name string) (jml.Profile, bool) {
	if s.cfg.Profile == nil || name == "" {
		return jml.Profile{}, false
	}
	return s.cfg.Profile(name)
}

func (s *Service) whyNotDecide(view *workflows.JourneyView, who access.Identity) string {
	a, r := view.Approval, view.Request
	switch {
	case a == nil:
		return "this journey does not wait for approval"
	case !a.Decided.IsZero():
		return "this was decided already, " + stamp(a.Decided)
	case !s.cfg.Now().Before(a.Until):
		return "the request lapsed " + stamp(a.Until)
	case r != nil && (strings.EqualFold(r.Actor, who.Name) || strings.EqualFold(r.Technician.UPN, who.Name)):
		return "who asks for a pass, or gets it, can't approve it: have somebody else decide"
	}
	return ""
}

// maxWindow bounds how far an operator moves a start: a slip of the finger in
// the year would hide a journey for good.
const maxWindow = 366 * 24 * time.Hour
