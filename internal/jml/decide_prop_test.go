package jml

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDecideKeepsItsPromises runs journeys of all kinds through a world of
// chance; world.check holds each plan against what is promised.
func TestDecideKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(Kinds()).Draw(t, "kind")
		w := newWorld(kind, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		for {
			on, err := w.step()
			if err != nil {
				t.Fatalf("%s: %v\n%s", kind, err, strings.Join(w.trace, "\n"))
			}
			if !on {
				break
			}
		}
		table := map[[2]Stage]bool{}
		for _, c := range Transitions(kind) {
			table[[2]Stage{c.From, c.To}] = true
		}
		for c := range w.changes {
			if !table[c] {
				t.Fatalf("%s: %s to %s is not in Transitions\n%s", kind, c[0], c[1], strings.Join(w.trace, "\n"))
			}
		}
	})
}

// TestClosedStaysClosed: what HR says is held against how the journey ended.
func TestClosedStaysClosed(t *testing.T) {
	moved, dept := on(2026, 12, 8), func(f *Snapshot) { f.Department = "Towels" }
	effective := func(f *Snapshot) { f.EffectiveDate = Date{2026, 12, 8} }
	match := func(f *Snapshot) { f.Match = &Match{Attribute: "employeeId", Value: "4712"} }
	type news struct {
		name   string
		before Snapshot
		now    Snapshot
	}
	said := func(name string, edits ...func(*Snapshot)) news {
		return news{name, hire(), hire(append(edits, at(time.Hour))...)}
	}
	nothing, older := said("nothing new"), news{"older", hire(at(time.Hour)), hire(moved)}
	back := news{"back", hire(status(StatusLeft)), hire(at(time.Hour))}
	leaves, leavesLater := said("leaves", status(StatusLeft)), news{"left, leaves another day", hire(status(StatusLeft)), hire(status(StatusLeft), moved, at(time.Hour))}
	start, position, account, contact := said("start", moved), said("position", dept), said("account", match), said("contact", phone("+4930666"))
	begins := said("effective date", effective)
	for _, tc := range []struct {
		kind   Kind
		closed []Stage
		news   []news
		want   Step
	}{
		{KindJoiner, Outcomes(), []news{nothing, older, leaves, leavesLater}, StepRest},
		{KindJoiner, Outcomes(), []news{start, account, back}, StepReopen},
		{KindJoiner, []Stage{StageCompleted, StageSkipped, StageRefused, StageCancelled, StageRevoked}, []news{position, contact, begins}, StepRest},
		{KindJoiner, []Stage{StageTimedOut, StageLapsed}, []news{position, contact}, StepReopen},
		{KindMover, Outcomes(), []news{nothing, older, leaves, leavesLater}, StepRest},
		{KindMover, Outcomes(), []news{position, begins, account, back}, StepReopen},
		{KindMover, []Stage{StageCompleted, StageSkipped, StageRefused, StageCancelled, StageRevoked}, []news{contact, start}, StepRest},
		{KindRecovery, Outcomes(), []news{nothing, start, position, account, back, leaves}, StepRest},
		{KindStaging, Outcomes(), []news{nothing, start, position, account, back, leaves}, StepRest},
	} {
		for _, c := range tc.closed {
			for _, n := range tc.news {
				if got := Decide(Situation{Now: monday, Kind: tc.kind, Closed: c, Before: n.before, Facts: n.now}); got.Step != tc.want {
					t.Errorf("%s, %s, %s: %s, want %s", tc.kind, c, n.name, got.Step, tc.want)
				}
			}
		}
	}
}

// TestCorners are situations that no single life leads to.
func TestCorners(t *testing.T) {
	base := life{kind: KindJoiner}.at(beforeIssue)
	staging := life{kind: KindStaging}.at(beforeIssue)
	for _, tc := range []struct {
		name string
		s    Situation
		edit func(*Situation)
		want string
	}{
		{"the start moves while the pass times out", base, func(s *Situation) {
			s.Now, s.Ended = utc(12, 8, 8), &EndedPass{End: EndTimedOut, Moved: true}
			hr(on(2027, 1, 15))(s)
		}, "wait scheduled Jan 13 08:00"},
		{"the pass times out by another clock", base, func(s *Situation) {
			s.Now, s.Ended = utc(12, 8, 8).Add(-time.Second), &EndedPass{End: EndTimedOut}
		}, "tell missed"},
		{"approved after the deadline that was", base, func(s *Situation) {
			s.Now, s.Verdict, s.Profile.Approve = utc(12, 10, 0), &Verdict{}, true
			s.Approval = Approval{AskedAt: utc(12, 7, 0), Until: utc(12, 10, 0), Decided: utc(12, 9, 12), Approved: true}
		}, "issue"},
		{"asked for after the start, nobody has answered yet", base, func(s *Situation) {
			s.Now, s.Profile.Approve = utc(12, 9, 0), true
			s.Approval = Approval{AskedAt: utc(12, 7, 0), Until: utc(12, 10, 0)}
		}, "wait approval Dec 10 00:00"},
		{"a hold while approval is open", base, func(s *Situation) {
			s.Now, s.Profile.Approve = utc(11, 27, 0), true
			s.Approval = Approval{AskedAt: utc(11, 26, 8), Until: utc(11, 29, 8)}
			hr(hold(HoldContact))(s)
		}, "wait approval Nov 29 08:00"},
		{"a late hire is not late any more, and the yes not needed", base, func(s *Situation) {
			late(LateAsk)(s)
			s.Approval = Approval{AskedAt: s.Now, Until: s.Now.Add(72 * time.Hour)}
			hr(on(2026, 12, 20))(s)
		}, "wait scheduled Dec 18 08:00"},
		{"what was registered with the first of two passes", staging, func(s *Situation) {
			s.Stop = &Stop{Outcome: StageCancelled}
			s.Ended = (&EndedPass{End: EndAgain, Seen: true}).After(EndedPass{End: EndBlocked})
		}, "remove"},
		{"the requirement is raised, and the employee leaves", base, func(s *Situation) {
			s.Now, s.Profile.Devices = utc(12, 1, 12), 2
			s.Ended = &EndedPass{End: EndRegistered, Require: Requirement{Kinds: s.Profile.CompleteOn}}
			s.Profile.AlertTo = nil
			hr(status(StatusLeft))(s)
		}, "close cancelled"},
		{"a pass that ended before users were noted", base, func(s *Situation) {
			s.Ended = &EndedPass{End: EndRegistered, Require: s.Profile.Requirement()}
		}, "close completed"},
		{"nobody to tell", base, func(s *Situation) {
			s.Now, s.Profile.MissedTo = utc(12, 8, 8), nil
		}, "close timedOut"},
		{"a try that is not worth repeating yet", base, func(s *Situation) {
			s.Now, s.Block, s.Recheck = utc(11, 29, 9), Blocked(ReasonUserDisabled, ""), utc(11, 29, 10)
		}, "wait blocked userDisabled Nov 29 10:00"},
	} {
		tc.edit(&tc.s)
		if got := short(Decide(tc.s)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if until := staging.AskUntil(); !until.Equal(staging.Request.Until) {
		t.Errorf("a staging may be approved until %s, its window ends %s", until, staging.Request.Until)
	}
	base.Profile.Approval = nil
	if within := base.AskUntil().Sub(base.Now); within != askedFor {
		t.Errorf("without a rule, an approver has %s", within)
	}
}

// TestUnchosenWithoutAnswer: a verdict that brings no profile is our mistake, and
// must not become a loop.
func TestUnchosenWithoutAnswer(t *testing.T) {
	p := Decide(Situation{Now: monday, FirstSeen: monday, Kind: KindJoiner, Facts: hire(), Verdict: &Verdict{}})
	if p.Step != StepWait || p.Block == nil || p.Block.Reason != ReasonProfileMissing || p.Until.Sub(monday) != askAgain {
		t.Errorf("%+v", p)
	}
}

// TestAfter: what an earlier pass left behind is not forgotten with the next.
func TestAfter(t *testing.T) {
	first := (*EndedPass)(nil).After(EndedPass{End: EndAgain, Seen: true, Use: UseYes})
	got := first.After(EndedPass{End: EndCancelled, Use: UseNone})
	if !got.Seen || got.Use != UseYes || got.End != EndCancelled {
		t.Errorf("%+v", got)
	}
	if first.End != EndAgain {
		t.Error("the earlier one was changed")
	}
	if got := first.After(EndedPass{}); got.Moved {
		t.Errorf("%+v", got)
	}
}
