package jml

import (
	"strings"
	"testing"
	"time"
)

// moment is how far a journey has come when something happens to it.
type moment int

const (
	beforeIssue moment = iota
	issued             // the pass is out, nobody has it yet
	handedOver         // somebody has the code, or the link
	used               // somebody signed in
	registered         // what was wanted is registered, the pass is about to be revoked
	closed
)

func moments() []string {
	return []string{"before issue", "issued", "handed over", "used", "registered", "closed"}
}

// life is something that happens to a journey, and the story that follows at
// each moment. A story is what Decide says, step by step, until the journey
// waits, keeps its pass, makes one or has ended.
//
// Issued, handed over and used often read alike: the pass runs by itself, and
// Decide sees only that there is one. What differs is how it ends.
type life struct {
	name  string
	kind  Kind
	edit  func(*Situation) // what happens
	finds Verdict          // of preflight
	ends  EndedPass        // how a pass that is kept ends; without an End the story stops there
	block BlockReason      // what stands in the way of the next one
	want  [6]string        // by moment
}

func utc(month time.Month, day, hour int) time.Time {
	return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
}

func toChat() []Route { return []Route{{Channel: "chat", Recipient: RecipientDesk}} }

// usual is a profile with everything that the lives below leave alone.
func usual(kind Kind) Profile {
	p := Profile{
		Name: "usual", LeadTime: 48 * time.Hour, StartHour: Clock{Hour: 9}, Timeout: 7 * 24 * time.Hour,
		CompleteOn: []MethodKind{MethodAuthenticator, MethodFIDO2}, Recheck: []time.Duration{time.Hour},
		Approval: &ApprovalRule{To: toChat(), Within: 72 * time.Hour},
		AlertTo:  toChat(), ChangeTo: toChat(), MissedTo: toChat(),
	}
	switch kind {
	case KindMover:
		p.CompleteOn = []MethodKind{MethodFIDO2}
	case KindStaging:
		p.CompleteOn, p.Remove = nil, RemoveRegistered
	}
	return p
}

// at returns a journey of l at m, before anything happens to it: hired on 16
// November for 1 December 9:00 in Berlin; asked for on 20 November 12:00.
func (l life) at(m moment) Situation {
	s := Situation{Kind: l.kind, Profile: usual(l.kind), Facts: hire(), FirstSeen: monday, Now: utc(11, 20, 12)}
	out := []time.Time{utc(11, 20, 12), utc(11, 29, 9), utc(11, 30, 9), utc(12, 1, 10), utc(12, 1, 11), utc(12, 3, 9)}
	switch l.kind {
	case KindMover:
		s.Facts.EffectiveDate = s.Facts.StartDate
	case KindRecovery:
		s.Request = &Request{ID: "r", At: s.Now, Loss: LossLost}
	case KindStaging:
		s.Request = &Request{ID: "r", At: s.Now, Until: s.Now.Add(8 * time.Hour), Device: "SN1"}
	}
	if l.kind.Asked() {
		s.FirstSeen = s.Now
		for i := range out {
			out[i] = s.Now.Add(time.Duration(i) * time.Hour)
		}
	}
	s.Now = out[m]
	if m == beforeIssue {
		return s
	}
	if l.kind == KindStaging {
		s.Approval = Approval{AskedAt: s.Request.At, Until: s.Request.Until, Decided: s.Request.At, Approved: true}
	}
	if m == closed {
		s.Closed, s.Before = StageCompleted, s.Facts
		return s
	}
	s.Pass = &RunningPass{UserID: "u", Start: s.Start(), Match: s.Facts.UserMatch(), Require: s.Profile.Requirement()}
	return s
}

// story follows Decide from what happens at m.
func (l life) story(m moment) []Plan {
	s := l.at(m)
	was := s.Pass
	if l.edit != nil {
		l.edit(&s)
	}
	ended := func(e EndedPass) {
		e.Seen = m >= handedOver
		if e.Use == UseUnknown && m >= used {
			e.Use = UseYes
		}
		e.Require, e.Match, e.Moved = was.Require, was.Match, was.Moved(s.Start(), s.Now)
		if e.End == EndTimedOut {
			s.Now = s.Deadline()
		}
		s.Pass, s.Ended = nil, s.Ended.After(e)
		if b := Blocked(l.block, ""); l.block.NeedsSomebody() {
			s.Barred = b
		} else if l.block != "" {
			s.Block, s.Recheck = b, s.Now.Add(time.Hour)
		}
	}
	var plans []Plan
	for range 20 {
		p := Decide(s)
		plans = append(plans, p)
		switch p.Step {
		case StepKeep:
			switch {
			case m == registered && l.block != ReasonRepudiated:
				ended(EndedPass{End: EndRegistered})
			case l.ends.End != "":
				ended(l.ends)
			default:
				return plans
			}
		case StepWithdraw:
			end := EndedPass{End: EndCancelled}
			if m == registered {
				end.End = EndRegistered // that cuts the settling short
			}
			ended(end)
		case StepRequire:
			s.Pass.Require = s.Profile.Requirement()
		case StepAsk:
			s.Approval = Approval{AskedAt: s.Now, Until: s.AskUntil()}
		case StepPreflight:
			v := l.finds
			if v.Profile != nil {
				s.Profile = *v.Profile
			}
			if v.Block != nil {
				s.Block, s.Recheck = v.Block, s.Now.Add(time.Hour)
			} else {
				s.Verdict = &v
			}
		case StepRemove:
			s.Cleared, s.Tidied = s.Cleared || p.First, s.Tidied || !p.First
		case StepTell:
			s.Told = append(s.Told, p.Message)
		default:
			return plans
		}
	}
	return append(plans, Plan{Step: "no end"})
}

// short writes a plan as the table below does.
func short(p Plan) string {
	out := string(p.Step)
	switch p.Step {
	case StepWait:
		out += " " + string(p.Stage)
		if p.Block != nil {
			out += " " + string(p.Block.Reason)
		}
		out += " " + p.Until.UTC().Format("Jan 2 15:04")
	case StepRemove:
		if p.First {
			out += " first"
		}
	case StepTell:
		out += " " + string(p.Message)
	case StepClose:
		out += " " + string(p.Stage)
	}
	return out
}

func told(plans []Plan) string {
	var out []string
	for _, p := range plans {
		out = append(out, short(p))
	}
	return strings.Join(out, ", ")
}

// do joins edits.
func do(edits ...func(*Situation)) func(*Situation) {
	return func(s *Situation) {
		for _, e := range edits {
			e(s)
		}
	}
}

// hr is what HR says now.
func hr(edits ...func(*Snapshot)) func(*Situation) {
	return func(s *Situation) {
		s.Facts = hire(func(f *Snapshot) {
			*f = s.Facts
			f.ObservedAt = monday.Add(time.Hour)
			for _, e := range edits {
				e(f)
			}
		})
	}
}

func byRule(edit func(*Profile)) func(*Situation) { return func(s *Situation) { edit(&s.Profile) } }

// late moves first word of the employee, and all moments, behind the start.
func late(rule LateRule) func(*Situation) {
	return func(s *Situation) {
		s.Profile.Late, s.FirstSeen = rule, utc(12, 2, 12)
		if s.Now.Before(s.FirstSeen) {
			s.Now = s.FirstSeen
		}
	}
}

func stop(outcome Stage) func(*Situation) {
	return func(s *Situation) {
		if s.Closed == "" { // an update to a workflow that ended is refused
			s.Stop = &Stop{Outcome: outcome, Actor: "op", Reason: "asked to"}
		}
	}
}

func decided(yes bool) func(*Situation) {
	return func(s *Situation) {
		s.Profile.Approve = true
		if s.Pass != nil {
			return // decided long ago; it is not decided twice
		}
		s.Approval = Approval{AskedAt: utc(11, 17, 0), Until: utc(11, 25, 0), Decided: utc(11, 18, 0), Approved: yes, By: "second"}
	}
}

// lives returns the lives that practitioners name, and those that hide in them.
func lives() []life {
	key := Method{ID: "m", Kind: MethodFIDO2, CreatedAt: utc(11, 19, 0)}
	app := Method{ID: "a", Kind: MethodAuthenticator, CreatedAt: utc(6, 1, 0)}
	has := Verdict{Already: []Method{key}}
	position := func(f *Snapshot) { f.Department, f.JobTitle = "Towels", "Keeper" }
	effective := func(day int) func(*Snapshot) {
		return func(f *Snapshot) { f.EffectiveDate = Date{2026, 12, day} }
	}
	match := func(f *Snapshot) { f.Match = &Match{Attribute: "employeeId", Value: "4712"} }
	older := byRule(func(p *Profile) { p.Remove = RemoveOlder })
	keyOnly := byRule(func(p *Profile) { p.Name, p.CompleteOn = "keepers", []MethodKind{MethodFIDO2} })
	found := usual(KindJoiner)
	ended := func(e PassEnd) EndedPass { return EndedPass{End: e} }
	again := func(s *Situation) {
		if s.Pass != nil {
			s.Pass.Again = true
		}
	}
	onHold := func(s *Situation) { s.Held = true }
	moved := func(o Override) func(*Situation) { return func(s *Situation) { s.Override = &o } }
	linked := func(s *Situation) { s.Linked = "5f0c6c1e-0000-4000-8000-000000000001" }
	byHand := func(s *Situation) {
		if s.Closed == "" {
			s.Stop = &Stop{Outcome: StageCompleted, Actor: "op", Reason: "asked to", Proof: "saw the key"}
		}
	}
	return []life{
		// Joiner.
		{"nothing special", KindJoiner, nil, Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"start moved earlier", KindJoiner, hr(on(2026, 11, 27)), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 25 08:00",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"keep",
			"keep, close completed",
			"reopen",
		}},
		{"start moved later", KindJoiner, hr(on(2026, 12, 8)), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Dec 6 08:00",
			"withdraw, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, close completed",
			"reopen",
		}},
		{"start moved by a day", KindJoiner, hr(on(2026, 12, 2)), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 30 08:00",
			"withdraw, wait scheduled Nov 30 08:00",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, close completed",
			"reopen",
		}},
		{"hire rescinded", KindJoiner, hr(status(StatusCancelled)), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, tell alert, close cancelled",
			"withdraw, tell alert, close completed",
			"rest",
		}},
		{"employee left", KindJoiner, hr(status(StatusLeft)), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, tell alert, close cancelled",
			"withdraw, tell alert, close completed",
			"rest",
		}},
		{"no-show", KindJoiner, nil, Verdict{}, ended(EndTimedOut), "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep, tell missed, close timedOut",
			"keep, tell missed, close timedOut",
			"keep, tell missed, close timedOut",
			"keep, close completed",
			"rest",
		}},
		{"late hire, now", KindJoiner, late(LateNow), Verdict{}, EndedPass{}, "", [6]string{
			"preflight, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"late hire, ask", KindJoiner, late(LateAsk), Verdict{}, EndedPass{}, "", [6]string{
			"ask, wait approval Dec 5 12:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"late hire, block", KindJoiner, late(LateBlock), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked lateHire Dec 9 12:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"rehire, old methods kept", KindJoiner, do(due, rehired), Verdict{Already: []Method{app}}, EndedPass{}, "", [6]string{
			"preflight, close skipped",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"reopen",
		}},
		{"rehire, old methods removed", KindJoiner, do(due, older, rehired), Verdict{}, EndedPass{}, "", [6]string{
			"preflight, remove first, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"reopen",
		}},
		{"rehire, old methods removed, a new one is there", KindJoiner, do(due, older, rehired), has, EndedPass{}, "", [6]string{
			"preflight, remove first, close skipped",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"reopen",
		}},
		{"HR names another account", KindJoiner, hr(match), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"reopen",
		}},
		{"employee id changed, same account", KindJoiner, do(due, hr(match)), has, EndedPass{}, "", [6]string{
			"preflight, close skipped",
			"withdraw, preflight, close skipped",
			"withdraw, preflight, close skipped",
			"withdraw, preflight, close skipped",
			"withdraw, preflight, close skipped",
			"reopen",
		}},
		{"account recreated", KindJoiner, due, Verdict{}, ended(EndBlocked), ReasonUserReplaced, [6]string{
			"preflight, issue",
			"keep, wait blocked userReplaced Nov 29 10:00",
			"keep, wait blocked userReplaced Nov 30 10:00",
			"keep, wait blocked userReplaced Dec 1 11:00",
			"keep, close completed",
			"rest",
		}},
		{"registers before the start", KindJoiner, due, has, ended(EndAlready), "", [6]string{
			"preflight, close skipped",
			"keep, close skipped",
			"keep, close skipped",
			"keep, close skipped",
			"keep, close completed",
			"rest",
		}},
		{"used, nothing registered: another one", KindJoiner, nil, Verdict{}, EndedPass{End: EndAgain, Use: UseYes}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep, preflight, issue",
			"keep, preflight, issue",
			"keep, preflight, issue",
			"keep, close completed",
			"rest",
		}},
		{"used, nothing registered: cap reached", KindJoiner, nil, Verdict{}, EndedPass{End: EndAgain, Use: UseYes}, ReasonReissueCap, [6]string{
			"wait scheduled Nov 29 08:00",
			"keep, wait blocked reissueCap Dec 8 08:00",
			"keep, wait blocked reissueCap Dec 8 08:00",
			"keep, wait blocked reissueCap Dec 8 08:00",
			"keep, close completed",
			"rest",
		}},
		{"used, nothing registered: offered", KindJoiner, nil, Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"expired while waiting for Autopilot", KindJoiner, nil, Verdict{}, EndedPass{End: EndAgain, Use: UseNone}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep, preflight, issue",
			"keep, preflight, issue",
			"keep, preflight, issue",
			"keep, close completed",
			"rest",
		}},
		{"new position during the joiner, requirement raised", KindJoiner, do(hr(position), keyOnly), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"require, keep",
			"require, keep",
			"require, keep",
			"require, keep, close completed",
			"rest",
		}},
		{"new position during the joiner, requirement as before", KindJoiner, hr(position), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"missing from the feed", KindJoiner, do(due, hr(hold(HoldVanished))), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked vanished Dec 8 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"contact held", KindJoiner, do(due, hr(hold(HoldContact))), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked contactHeld Dec 8 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"two sources contradict", KindJoiner, do(due, hr(hold(HoldContradiction))), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked factsContradict Dec 8 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"no rule matches", KindJoiner, ruleless, Verdict{Block: Blocked(ReasonProfileMissing, "")}, EndedPass{}, "", [6]string{
			"preflight, wait blocked profileMissing Nov 20 13:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"two rules match", KindJoiner, ruleless, Verdict{Block: Blocked(ReasonProfileAmbiguous, "")}, EndedPass{}, "", [6]string{
			"preflight, wait blocked profileAmbiguous Nov 20 13:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"a rule is added later", KindJoiner, ruleless, Verdict{Profile: &found}, EndedPass{}, "", [6]string{
			"preflight, wait scheduled Nov 29 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"operator cancels", KindJoiner, stop(StageCancelled), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, close completed",
			"rest",
		}},
		{"operator revokes", KindJoiner, stop(StageRevoked), Verdict{}, EndedPass{}, "", [6]string{
			"close revoked",
			"withdraw, close revoked",
			"withdraw, close revoked",
			"withdraw, close revoked",
			"withdraw, close completed",
			"rest",
		}},
		{"operator wants another pass", KindJoiner, again, Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, close completed",
			"rest",
		}},
		{"somebody says not me, or guesses the code", KindJoiner, nil, Verdict{}, ended(EndBlocked), ReasonRepudiated, [6]string{
			"wait scheduled Nov 29 08:00",
			"keep, wait blocked repudiated Dec 8 08:00",
			"keep, wait blocked repudiated Dec 8 08:00",
			"keep, wait blocked repudiated Dec 8 08:00",
			"keep, wait blocked repudiated Dec 8 08:00",
			"rest",
		}},

		// An operator steers.
		{"held", KindJoiner, do(due, onHold), Verdict{}, ended(EndAgain), "", [6]string{
			"wait blocked held Dec 8 08:00",
			"keep, wait blocked held Dec 8 08:00",
			"keep, wait blocked held Dec 8 08:00",
			"keep, wait blocked held Dec 8 08:00",
			"keep, close completed",
			"rest",
		}},
		{"held, nobody resumes", KindJoiner, do(onHold, func(s *Situation) {
			if s.Pass == nil {
				s.Now = s.Deadline()
			}
		}), Verdict{}, ended(EndTimedOut), "", [6]string{
			"tell missed, close timedOut",
			"keep, tell missed, close timedOut",
			"keep, tell missed, close timedOut",
			"keep, tell missed, close timedOut",
			"keep, close completed",
			"rest",
		}},
		{"held, the employee leaves", KindJoiner, do(onHold, hr(status(StatusLeft))), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, tell alert, close cancelled",
			"withdraw, tell alert, close completed",
			"rest",
		}},
		{"held, the start moves later", KindJoiner, do(onHold, hr(on(2026, 12, 8))), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked held Dec 15 08:00",
			"withdraw, wait blocked held Dec 15 08:00",
			"withdraw, tell moved, wait blocked held Dec 15 08:00",
			"withdraw, tell moved, wait blocked held Dec 15 08:00",
			"withdraw, close completed",
			"reopen",
		}},
		{"held while approval is open", KindJoiner, do(lapsing, onHold, func(s *Situation) {
			if s.Pass == nil {
				s.Now = utc(11, 27, 0)
			}
		}), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked held Nov 29 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"held, and approval lapses", KindJoiner, do(closedAs(StageLapsed), lapsing, onHold), Verdict{}, EndedPass{}, "", [6]string{
			"close lapsed",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"an operator moves the start later", KindJoiner, moved(Override{Date: Date{2026, 12, 8}}), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Dec 6 08:00",
			"withdraw, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, close completed",
			"rest",
		}},
		{"an operator moves the start earlier", KindJoiner, moved(Override{Date: Date{2026, 11, 27}, Hour: Clock{Hour: 7}}), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 25 06:00",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"an operator moves the start for a while", KindJoiner, moved(Override{Date: Date{2026, 12, 8}, Until: utc(12, 3, 0)}), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Dec 3 00:00",
			"withdraw, wait scheduled Dec 3 00:00",
			"withdraw, tell moved, wait scheduled Dec 3 00:00",
			"withdraw, tell moved, wait scheduled Dec 3 00:00",
			"withdraw, close completed",
			"rest",
		}},
		{"an operator's start counts no longer", KindJoiner, moved(Override{Date: Date{2026, 12, 8}, Until: utc(11, 20, 12)}), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"an operator links another user", KindJoiner, do(due, linked), Verdict{}, EndedPass{}, "", [6]string{
			"preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"withdraw, preflight, issue",
			"rest",
		}},
		{"registered, proved by hand", KindJoiner, byHand, Verdict{}, EndedPass{}, "", [6]string{
			"close completed",
			"withdraw, close completed",
			"withdraw, close completed",
			"withdraw, close completed",
			"withdraw, close completed",
			"rest",
		}},

		// Approval.
		{"approval needed", KindJoiner, byRule(func(p *Profile) { p.Approve = true }), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 26 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"approval given", KindJoiner, do(due, decided(true)), Verdict{}, EndedPass{}, "", [6]string{
			"preflight, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"approval refused", KindJoiner, do(closedAs(StageRefused), decided(false)), Verdict{}, EndedPass{}, "", [6]string{
			"close refused",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"approval refused, then the department changes", KindJoiner, do(closedAs(StageRefused), decided(false), hr(position)), Verdict{}, EndedPass{}, "", [6]string{
			"close refused",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"approval lapsed", KindJoiner, do(closedAs(StageLapsed), lapsing), Verdict{}, EndedPass{}, "", [6]string{
			"close lapsed",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"start moved while approval is open", KindJoiner, do(closedAs(StageLapsed), lapsing, hr(on(2027, 1, 15))), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Jan 10 08:00",
			"withdraw, wait scheduled Jan 10 08:00",
			"withdraw, tell moved, wait scheduled Jan 10 08:00",
			"withdraw, tell moved, wait scheduled Jan 10 08:00",
			"withdraw, close completed",
			"reopen",
		}},
		{"refused while a pass is out that needs no yes", KindJoiner, func(s *Situation) {
			s.Approval = Approval{AskedAt: utc(11, 17, 0), Until: utc(11, 25, 0), Decided: utc(11, 18, 0)}
			closedAs(StageRefused)(s)
		}, Verdict{}, EndedPass{}, "", [6]string{
			"close refused",
			"withdraw, close refused",
			"withdraw, close refused",
			"withdraw, close refused",
			"withdraw, close completed",
			"rest",
		}},
		{"privileged, second approver", KindJoiner, do(due, byRule(func(p *Profile) { p.Privileged = true })), Verdict{Privileged: true}, EndedPass{}, "", [6]string{
			"preflight, ask, wait approval Dec 2 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"privileged, approved", KindJoiner, do(due, decided(true)), Verdict{Privileged: true}, EndedPass{}, "", [6]string{
			"preflight, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},

		// Mover.
		{"mover, requirement raised", KindMover, due, Verdict{Weaker: []Method{app}}, EndedPass{}, "", [6]string{
			"preflight, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"mover, requirement not raised", KindMover, due, has, ended(EndAlready), "", [6]string{
			"preflight, close skipped",
			"keep, close skipped",
			"keep, close skipped",
			"keep, close skipped",
			"keep, close completed",
			"rest",
		}},
		{"mover, older methods removed", KindMover, do(due, older), Verdict{Already: []Method{key}, Weaker: []Method{app}}, EndedPass{}, "", [6]string{
			"preflight, wait scheduled Dec 1 08:00",
			"keep",
			"keep",
			"keep",
			"keep, remove, close completed",
			"rest",
		}},
		{"mover, effective date moves", KindMover, hr(effective(8)), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Dec 6 08:00",
			"withdraw, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, close completed",
			"reopen",
		}},
		{"mover, another position", KindMover, do(hr(position), byRule(func(p *Profile) { p.Devices = 2 })), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Nov 29 08:00",
			"require, keep",
			"require, keep",
			"require, keep",
			"require, keep, close completed",
			"reopen",
		}},
		{"mover, no rule is for the new position", KindMover, ruleless, Verdict{Block: Blocked(ReasonProfileMissing, "")}, EndedPass{}, "", [6]string{
			"preflight, close skipped",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"mover, older methods removed, called off", KindMover, do(older, stop(StageCancelled)), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, close completed",
			"rest",
		}},
		{"mover, older methods removed, registers otherwise", KindMover, do(due, older), Verdict{Already: []Method{key}}, ended(EndAlready), "", [6]string{
			"preflight, close skipped",
			"keep, wait scheduled Dec 1 08:00",
			"keep, wait scheduled Dec 1 08:00",
			"keep, remove, close skipped",
			"keep, remove, close completed",
			"rest",
		}},
		{"mover leaves", KindMover, hr(status(StatusLeft)), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, tell alert, close cancelled",
			"withdraw, tell alert, close completed",
			"rest",
		}},
		{"mover, an operator moves the start", KindMover, moved(Override{Date: Date{2026, 12, 8}}), Verdict{}, EndedPass{}, "", [6]string{
			"wait scheduled Dec 6 08:00",
			"withdraw, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, tell moved, wait scheduled Dec 6 08:00",
			"withdraw, close completed",
			"rest",
		}},
		{"mover, held", KindMover, do(due, onHold), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked held Dec 8 08:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},

		// Recovery.
		{"recovery", KindRecovery, nil, Verdict{}, EndedPass{}, "", [6]string{
			"preflight, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"recovery, stolen key with sessions", KindRecovery, stolen, Verdict{}, EndedPass{}, "", [6]string{
			"preflight, remove first, issue",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"recovery, stolen key, new one is there", KindRecovery, stolen, has, EndedPass{}, "", [6]string{
			"preflight, remove first, close skipped",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"recovery of somebody privileged", KindRecovery, byRule(func(p *Profile) { p.Privileged = true }), Verdict{Privileged: true}, EndedPass{}, "", [6]string{
			"preflight, ask, wait approval Nov 23 12:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"recovery, employee leaves", KindRecovery, hr(status(StatusLeft)), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, close cancelled",
			"withdraw, tell alert, close cancelled",
			"withdraw, tell alert, close completed",
			"rest",
		}},
		{"recovery, held", KindRecovery, do(stolen, onHold), Verdict{}, EndedPass{}, "", [6]string{
			"wait blocked held Nov 27 12:00",
			"keep",
			"keep",
			"keep",
			"keep, close completed",
			"rest",
		}},
		{"recovery, registered, proved by hand", KindRecovery, byHand, Verdict{}, EndedPass{}, "", [6]string{
			"close completed",
			"withdraw, close completed",
			"withdraw, close completed",
			"withdraw, close completed",
			"withdraw, close completed",
			"rest",
		}},

		// Staging.
		{"staging", KindStaging, nil, Verdict{}, EndedPass{}, "", [6]string{
			"ask, wait approval Nov 20 20:00",
			"keep",
			"keep",
			"keep",
			"keep, remove, close completed",
			"rest",
		}},
		{"staging, the device is done", KindStaging, stop(StageCompleted), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close completed",
			"withdraw, remove, close completed",
			"withdraw, remove, close completed",
			"withdraw, remove, close completed",
			"rest",
		}},
		{"staging, the window is over", KindStaging, windowOver, Verdict{}, ended(EndTimedOut), "", [6]string{
			"close lapsed",
			"keep, tell missed, close timedOut",
			"keep, remove, tell missed, close timedOut",
			"keep, remove, tell missed, close timedOut",
			"keep, remove, close completed",
			"rest",
		}},
		{"staging refused", KindStaging, do(closedAs(StageRefused), func(s *Situation) {
			if s.Pass == nil {
				s.Approval = Approval{AskedAt: s.Request.At, Until: s.Request.Until, Decided: s.Now}
			}
		}), Verdict{}, EndedPass{}, "", [6]string{
			"close refused",
			"keep",
			"keep",
			"keep",
			"keep, remove, close completed",
			"rest",
		}},
		{"staging, the owner has a method", KindStaging, approvedNow, has, EndedPass{}, "", [6]string{
			"preflight, issue",
			"keep",
			"keep",
			"keep",
			"keep, remove, close completed",
			"rest",
		}},
		{"staging, held until the window is over", KindStaging, do(approvedNow, onHold), Verdict{}, ended(EndAgain), "", [6]string{
			"wait blocked held Nov 20 20:00",
			"keep, wait blocked held Nov 20 20:00",
			"keep, wait blocked held Nov 20 20:00",
			"keep, wait blocked held Nov 20 20:00",
			"keep, remove, close completed",
			"rest",
		}},
		{"staging, employee leaves", KindStaging, hr(status(StatusLeft)), Verdict{}, EndedPass{}, "", [6]string{
			"close cancelled",
			"withdraw, close cancelled",
			"withdraw, remove, close cancelled",
			"withdraw, remove, tell alert, close cancelled",
			"withdraw, remove, tell alert, close completed",
			"rest",
		}},
	}
}

// rehired is somebody who left, and comes back.
func rehired(s *Situation) {
	s.Before.Status = StatusLeft
	hr(func(f *Snapshot) { f.Rehire = true })(s)
}

// due moves what has not been issued to the time when it is to be.
func due(s *Situation) {
	if at := s.IssueAt(); s.Now.Before(at) {
		s.Now = at
	}
}

func closedAs(as Stage) func(*Situation) {
	return func(s *Situation) {
		if s.Closed != "" {
			s.Closed = as
		}
	}
}

// ruleless takes the profile away from who has no pass; a pass that is out keeps
// its own.
func ruleless(s *Situation) {
	if s.Pass == nil {
		s.Profile = Profile{}
	}
}

// lapsing: asked early enough, and nobody answered.
func lapsing(s *Situation) {
	s.Profile.Approve = true
	s.Approval = Approval{AskedAt: utc(11, 26, 8), Until: utc(11, 29, 8)}
	due(s)
}

func stolen(s *Situation) {
	s.Profile.Remove = RemoveLost
	s.Request.Loss, s.Request.Methods, s.Request.EndSessions = LossStolen, []string{"k"}, true
}

func windowOver(s *Situation) {
	if s.Pass == nil {
		s.Approval = Approval{AskedAt: s.Request.At, Until: s.Request.Until}
		s.Now = s.Request.Until
	}
}

func approvedNow(s *Situation) {
	s.Approval = Approval{AskedAt: s.Request.At, Until: s.Request.Until, Decided: s.Now, Approved: true}
}

func TestLives(t *testing.T) {
	n, named := 0, map[string]bool{}
	for _, l := range lives() {
		if named[l.name] {
			t.Errorf("%s: twice", l.name)
		}
		named[l.name] = true
		for m, want := range l.want {
			n++
			if got := told(l.story(moment(m))); got != want {
				t.Errorf("%s, %s:\n got %s\nwant %s", l.name, moments()[m], got, want)
			}
		}
	}
	t.Logf("%d cases", n)
	if n < 120 {
		t.Errorf("%d cases, want 120 at least", n)
	}
}
