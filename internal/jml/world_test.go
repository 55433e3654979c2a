package jml

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// world is what a journey meets, as far as Decide can tell: HR, a tenant,
// operators, the pass, and time. It does what the workflow does with a plan, and
// picks by chance what happens meanwhile.
type world struct {
	s       Situation
	pick    func(n int) int // 0 to n-1
	events  int             // how many more things happen
	stage   Stage
	changes map[[2]Stage]int // how often seen
	until   time.Time        // of the pass
	settles bool
	had     Profile // when the last pass ended, and what it was for
	was     *Match
	steps   int
	quick   int // steps since time went by or something happened
	trace   []string
}

func newWorld(kind Kind, pick func(n int) int) *world {
	w := &world{pick: pick, events: pick(12), stage: StageScheduled, changes: map[[2]Stage]int{}}
	p := w.profile(kind)
	w.s = Situation{Kind: kind, Profile: p, Facts: hire(), FirstSeen: monday, Now: monday}
	w.s.Facts.StartDate = dayOf(monday.Add(w.days(-3, 30)))
	w.s.Facts.Zone = "UTC" // others are slow to load, and tested with IssueAt
	w.s.Facts.Rehire = w.one(3)
	if kind == KindMover && w.one(2) {
		w.s.Facts.EffectiveDate = w.s.Facts.StartDate
	}
	if kind.Asked() {
		w.s.Request = &Request{ID: "r", At: monday, Until: monday.Add(w.days(1, 5)), EndSessions: w.one(2), Methods: []string{"k"}}
	}
	if w.one(8) {
		w.s.Profile = Profile{}
	}
	if w.events > 0 && w.one(20) {
		w.happen() // before the first step
	}
	return w
}

func (w *world) one(in int) bool { return w.pick(in) == 0 }

func (w *world) days(from, to int) time.Duration {
	return time.Duration(from*24+w.pick((to-from)*24)) * time.Hour
}

func (w *world) profile(kind Kind) Profile {
	p := usual(kind)
	p.Timeout = w.days(1, 6)
	p.Late = []LateRule{LateNow, LateAsk, LateBlock}[w.pick(3)]
	p.Approve, p.Privileged = w.one(3), w.one(2)
	p.Remove = []RemoveRule{RemoveNone, RemoveOlder, RemoveLost, RemoveRegistered}[w.pick(4)]
	if w.one(2) {
		p.LeadDays, p.Calendar = w.pick(5), &Calendar{Weekend: []time.Weekday{time.Saturday, time.Sunday}}
	}
	if w.one(3) {
		p.CompleteOn = []MethodKind{MethodFIDO2}
	}
	if w.one(4) {
		p.ChangeTo, p.MissedTo, p.AlertTo = nil, nil, nil
	}
	return p
}

// enter notes a change of stage.
func (w *world) enter(s Stage) {
	if s != w.stage {
		w.changes[[2]Stage{w.stage, s}]++
	}
	w.stage = s
}

// step takes one step, and reports whether the journey goes on, or what is wrong.
func (w *world) step() (bool, error) {
	s := &w.s
	p := Decide(*s)
	w.trace = append(w.trace, s.Now.Format("Jan 2 15:04 ")+short(p))
	w.steps, w.quick = w.steps+1, w.quick+1
	if err := w.check(p); err != nil {
		return false, err
	}
	switch p.Step {
	case StepWait:
		w.enter(p.Stage)
		w.pass(p.Until)
		s.Verdict, s.Recheck = nil, time.Time{}
	case StepAsk:
		s.Approval = Approval{AskedAt: s.Now, Until: s.AskUntil()}
	case StepPreflight:
		w.preflight()
	case StepRemove:
		switch {
		case !p.First:
			s.Tidied = true
		case w.events > 0 && w.one(4):
			w.stand(ReasonRemovalDenied)
		default:
			s.Cleared = true
		}
	case StepIssue:
		if w.events > 0 && w.one(6) {
			w.stand(ReasonPassHeldElsewhere)
			break
		}
		s.Verdict, s.Told = nil, nil
		s.Pass = &RunningPass{UserID: "u", Start: s.Start(), Match: s.Match(), Require: s.Profile.Requirement()}
		w.until, w.settles = s.Deadline(), false
		w.enter(StagePass)
	case StepKeep:
		w.keep()
	case StepRequire:
		s.Pass.Require = s.Profile.Requirement()
	case StepWithdraw:
		end := EndCancelled
		if w.settles {
			end = EndRegistered
		}
		w.ended(end)
	case StepTell:
		s.Told = append(s.Told, p.Message)
	case StepClose:
		w.enter(p.Stage)
		return false, nil
	default:
		return false, fmt.Errorf("%s is no step of a running journey", p.Step)
	}
	return true, nil
}

// check holds what Decide promises against one plan.
func (w *world) check(p Plan) error {
	s := w.s
	if again := Decide(s); !reflect.DeepEqual(p, again) {
		return fmt.Errorf("not pure: %+v, then %+v", p, again)
	}
	if w.quick > 15 {
		return fmt.Errorf("%d steps and no time went by", w.quick)
	}
	if w.steps > 500 {
		return fmt.Errorf("does not end")
	}
	if s.Pass != nil && s.ending() && p.Step != StepWithdraw {
		return fmt.Errorf("%s though a pass is out that nobody is to have", p.Step)
	}
	running := slices.Contains([]Step{StepKeep, StepRequire, StepWithdraw}, p.Step)
	if running != (s.Pass != nil) {
		return fmt.Errorf("%s with pass %+v", p.Step, s.Pass)
	}
	e := s.Ended
	switch p.Step {
	case StepWait:
		if !p.Until.After(s.Now) {
			return fmt.Errorf("waits until %s, which is not after %s", p.Until, s.Now)
		}
		if p.Stage == StageBlocked && p.Block == nil {
			return fmt.Errorf("blocked, and nobody knows why")
		}
		if e != nil && e.Seen && e.Moved && e.End != EndRegistered && e.End != EndAlready && s.tells(MessageMoved) {
			return fmt.Errorf("waits, and who holds a dead code was not told")
		}
		if s.Overridden() && !s.Override.Until.IsZero() && p.Until.After(s.Override.Until) {
			return fmt.Errorf("sleeps over the end of an override")
		}
	case StepAsk, StepPreflight:
		if s.Held {
			return fmt.Errorf("%s though an operator holds it", p.Step)
		}
	case StepIssue:
		return w.mayIssue()
	case StepKeep, StepRequire:
		if s.Approval.refused() {
			return fmt.Errorf("a pass stays out that was refused")
		}
	case StepRemove:
		if s.Kind == KindMover && (s.ending() || s.Now.Before(s.Start())) {
			return fmt.Errorf("removes what the old position needs")
		}
	case StepTell:
		if slices.Contains(s.Told, p.Message) || len(s.Profile.RoutesOf(p.Message)) == 0 {
			return fmt.Errorf("tells %s, again or to nobody", p.Message)
		}
	case StepClose:
		switch {
		case !p.Stage.Closed():
			return fmt.Errorf("closed as %q", p.Stage)
		case p.Stage == StageCompleted && s.Stop != nil && s.Stop.Proof != "":
			// somebody's word
		case p.Stage == StageCompleted && (e == nil || e.End != EndRegistered && s.Kind != KindStaging):
			return fmt.Errorf("completed, and nothing was registered with our pass")
		case p.Stage == StageSkipped && s.Kind == KindMover && s.Block != nil && s.Block.Reason == ReasonProfileMissing:
			// nothing more was to be registered
		case p.Stage == StageSkipped && (e == nil || e.End != EndAlready) && (s.Verdict == nil || len(s.Verdict.Already) == 0):
			return fmt.Errorf("skipped, and nothing was registered")
		case s.Kind == KindStaging && s.Profile.Remove == RemoveRegistered && e != nil && e.Seen && !s.Tidied:
			return fmt.Errorf("closed, and the technician keeps what he registered")
		case s.left() && e != nil && e.Use == UseYes && s.tells(MessageAlert):
			return fmt.Errorf("closed, and nobody heard that a leaver was in")
		}
	}
	return nil
}

func (w *world) mayIssue() error {
	s := w.s
	v := s.Verdict
	switch {
	case v == nil || v.Block != nil:
		return fmt.Errorf("a pass without a fresh verdict")
	case s.ending():
		return fmt.Errorf("a pass for a journey that ends")
	case s.Facts.Hold != "" || s.Barred != nil || s.Held:
		return fmt.Errorf("a pass though %s, %v, held %t", s.Facts.Hold, s.Barred, s.Held)
	case !s.Profile.Chosen():
		return fmt.Errorf("a pass without a profile")
	case s.Now.Before(s.IssueAt()) || !s.Now.Before(s.Deadline()):
		return fmt.Errorf("a pass at %s, not from %s to %s", s.Now, s.IssueAt(), s.Deadline())
	case s.Approval.refused():
		return fmt.Errorf("a pass that was refused")
	case (s.Kind == KindStaging || s.Profile.Approve || v.Privileged || s.late() && s.Profile.Late == LateAsk) && !s.Approval.given():
		return fmt.Errorf("a pass that nobody approved")
	case s.late() && s.Profile.Late == LateBlock:
		return fmt.Errorf("a pass for a late hire")
	case len(v.Already) > 0 && s.Kind != KindStaging:
		return fmt.Errorf("a pass for somebody who has what is wanted")
	case s.clears():
		return fmt.Errorf("a pass while what was lost still works")
	}
	return nil
}

// pass lets time go by until then, or until something happens.
func (w *world) pass(until time.Time) {
	w.quick = 0
	if w.events > 0 && w.one(2) {
		w.events--
		if gap := until.Sub(w.s.Now); gap > time.Hour {
			w.s.Now = w.s.Now.Add(time.Duration(w.pick(int(gap/time.Hour))) * time.Hour)
		}
		w.happen()
		return
	}
	w.s.Now = until
}

func (w *world) keep() {
	s := &w.s
	if o := s.Override; s.Overridden() && o.Until.After(s.Now) && o.Until.Before(w.until) {
		w.pass(o.Until)
		return
	}
	w.pass(w.until)
	switch {
	case !s.Now.Before(w.until):
		w.ended(EndTimedOut)
	case w.settles:
		w.ended(EndRegistered)
	case w.one(3):
		w.settles = true // the journey does not see this
		w.keep()
	case w.events > 0 && w.one(3):
		w.ended([]PassEnd{EndAlready, EndAgain, EndBlocked, EndCancelled}[w.pick(4)])
	}
}

func (w *world) ended(end PassEnd) {
	s := &w.s
	was := s.Pass
	w.had, w.was = s.Profile, &was.Match
	w.had.CompleteOn, w.had.Devices = was.Require.Kinds, was.Require.Devices
	e := EndedPass{End: end, Seen: w.one(2), Require: was.Require, Match: was.Match, Moved: was.Moved(s.Start(), s.Now)}
	if end == EndRegistered || w.one(3) {
		e.Use = UseYes
	}
	s.Ended, s.Pass = s.Ended.After(e), nil
	switch {
	case end == EndBlocked && w.one(2):
		s.Barred = Blocked(ReasonRepudiated, "")
	case end == EndBlocked:
		w.stand(ReasonGraphUnavailable)
	case end == EndAgain && w.one(3):
		s.Barred = Blocked(ReasonReissueCap, "")
	case end == EndCancelled && !s.ending() && !was.Again && s.Start().Equal(was.Start) && s.Match() == was.Match:
		w.stand(ReasonPassLost)
	}
}

func (w *world) stand(r BlockReason) {
	w.s.Verdict, w.s.Block = nil, Blocked(r, "")
	w.s.Recheck = w.s.Now.Add(12 * time.Hour)
}

func (w *world) preflight() {
	s := &w.s
	if w.events > 0 && w.one(4) {
		w.stand(ReasonUserNotFound)
		return
	}
	v := Verdict{User: User{ID: "u"}}
	if !s.Profile.Chosen() {
		switch w.pick(3) {
		case 0:
			w.stand(ReasonProfileMissing)
			return
		case 1:
			p := w.profile(s.Kind)
			v.Profile, s.Profile = &p, p
		}
	}
	v.Privileged = s.Profile.Privileged && w.one(2)
	if w.one(4) {
		v.Already = []Method{{ID: "m", Kind: MethodFIDO2}}
	}
	if s.Kind == KindMover && w.one(2) {
		v.Weaker = []Method{{ID: "a", Kind: MethodAuthenticator}}
	}
	s.Verdict, s.Block = &v, nil
}

// happen is something that HR, an operator, or nobody in particular does.
func (w *world) happen() {
	s := &w.s
	before := s.Facts
	said := func() {
		s.Facts.ObservedAt, s.Verdict = s.Facts.ObservedAt.Add(time.Second), nil
		if now := s.Facts; (Situation{Kind: s.Kind, Facts: before}).MovesStart(now) {
			s.Override = nil // so does the workflow
		}
		if s.Facts.UserMatch() != before.UserMatch() {
			s.Linked = ""
		}
	}
	switch w.pick(19) {
	case 0, 1:
		s.Facts.StartDate = dayOf(s.Now.Add(w.days(-4, 25)))
		said()
	case 2:
		s.Facts.EffectiveDate = dayOf(s.Now.Add(w.days(-4, 25)))
		said()
	case 3:
		s.Facts.Status = []Status{StatusLeft, StatusCancelled}[w.pick(2)]
		said()
	case 4, 5:
		s.Facts.Hold = []Hold{"", HoldContact, HoldVanished, HoldContradiction}[w.pick(4)]
		said()
	case 6:
		before := s.Facts.UserMatch()
		s.Facts.Match = []*Match{nil, {Attribute: "employeeId", Value: "4712"}}[w.pick(2)]
		if a := s.Approval; s.Facts.UserMatch() != before && !a.refused() {
			s.Approval = Approval{} // it was for another user; so does the workflow
		}
		said()
	case 7:
		switch {
		case !w.one(4):
			s.Profile = w.profile(s.Kind)
			if s.Approval.open() && w.one(2) {
				s.Profile.Approve, s.Profile.Late = false, LateNow
			}
			if e := s.Ended; e != nil && e.End == EndRegistered || s.Pass != nil && w.settles {
				s.Profile.Devices = w.pick(3)
			}
		case s.Pass == nil:
			s.Profile = Profile{}
			w.stand(ReasonProfileAmbiguous)
		}
		said()
	case 8:
		outcome := StageCancelled
		if s.Pass != nil {
			outcome = []Stage{StageCancelled, StageRevoked}[w.pick(2)]
			if s.Kind == KindStaging && w.one(2) {
				outcome = StageCompleted
			}
		}
		s.Stop = &Stop{Outcome: outcome, Actor: "op", Reason: "asked to"}
		if w.one(3) {
			s.Stop.Outcome, s.Stop.Proof = StageCompleted, "saw the key"
		}
	case 9:
		if s.Pass != nil {
			s.Pass.Again = true
		}
		s.Barred = nil
	case 10, 11, 12:
		if a := &s.Approval; a.open() && s.Now.Before(a.Until) && !s.ending() {
			a.Decided, a.Approved, a.By = s.Now, !w.one(4), "second"
		}
	case 13:
		s.Aborted = w.one(4)
	case 14:
		if s.Ended != nil { // taken back
			s.Profile, s.Linked = w.had, ""
			if w.was.Attribute == MatchObjectID {
				s.Linked = w.was.Value
			} else {
				s.Facts.Match = w.was
			}
			s.Facts.ObservedAt, s.Verdict = s.Facts.ObservedAt.Add(time.Second), nil
		}
	case 15, 16:
		s.Held = !s.Held && w.one(2)
	case 17:
		s.Override = nil
		if w.one(2) {
			s.Override = &Override{Date: dayOf(s.Now.Add(w.days(-2, 25))), Hour: Clock{Hour: w.pick(24)}}
			if w.one(2) {
				s.Override.Until = s.Now.Add(w.days(0, 10))
			}
		}
		s.Verdict = nil
	case 18:
		s.Linked = []string{"", "5f0c6c1e-0000-4000-8000-000000000001"}[w.pick(2)]
		if a := s.Approval; !a.refused() {
			s.Approval = Approval{}
		}
		s.Verdict = nil
	}
}

func dayOf(t time.Time) Date { return Date{t.Year(), t.Month(), t.Day()} }
