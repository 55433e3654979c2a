package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

func word() workflows.Word { return workflows.Word{Actor: "op@example.com", Reason: "asked to"} }

func seenAs(version int) workflows.Word {
	w := word()
	w.Version = version
	return w
}

// says sends a word and wants it taken.
func (r *run) says(when time.Time, name string, req any) {
	r.ask(when, name, req, func(_ any, err error) {
		if err != nil {
			r.t.Errorf("%s at %s: %v", name, when.Format(time.RFC3339), err)
		}
	})
}

// refused sends a word and wants it refused with a text that holds why.
func (r *run) refused(when time.Time, name string, req any, why string) {
	r.ask(when, name, req, func(_ any, err error) {
		if err == nil || !strings.Contains(err.Error(), why) {
			r.t.Errorf("%s %+v: %v, want %q", name, req, err, why)
		}
	})
}

func (f *fake) wrote(s workflows.Step) (out []workflows.StepInput) {
	for _, e := range f.steps {
		if e.Event == s {
			out = append(out, e)
		}
	}
	return out
}

const otherUser = "5f0c6c1e-0000-4000-8000-000000000001"

// TestHoldAndResume: what an operator holds is not looked up and not issued, and
// goes on when he says so.
func TestHoldAndResume(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	asked := 0
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		asked++
		return jml.Verdict{User: user}, nil
	}
	due := first.Add(-48 * time.Hour)
	r.says(begin.Add(time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word(), Hold: true})
	r.refused(begin.Add(2*time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word(), Hold: true}, "held already")
	r.at(due.Add(time.Hour), func() {
		v := r.view()
		if v.Stage != jml.StageBlocked || v.Block == nil || v.Block.Reason != jml.ReasonHeld || v.Held == nil || v.Held.Actor != "op@example.com" {
			t.Errorf("view %+v", v)
		}
		if asked > 0 || len(r.fake.issued) > 0 {
			t.Errorf("%d preflights, %d passes of a held journey", asked, len(r.fake.issued))
		}
	})
	r.says(due.Add(2*time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word()})
	r.refused(due.Add(2*time.Hour+time.Minute), workflows.UpdateHold, workflows.HoldRequest{Word: word()}, "nobody holds")
	r.outcome(r.finish(), jml.StageCompleted)
	if h, g := r.fake.wrote(workflows.StepHeld), r.fake.wrote(workflows.StepResumed); len(h) != 1 || len(g) != 1 || h[0].Actor == "" || h[0].Reason == "" {
		t.Errorf("held %+v, resumed %+v", h, g)
	}
}

// TestWordIsWrittenFirst: a word takes no effect before it is in the ledger, and
// while it is being written nobody else's is taken.
func TestWordIsWrittenFirst(t *testing.T) {
	r := newRun(t)
	away := true
	r.fake.record = func(in workflows.StepInput) error {
		if away && in.Event == workflows.StepHeld {
			return errors.New("away")
		}
		return nil
	}
	at := begin.Add(time.Hour)
	r.says(at, workflows.UpdateHold, workflows.HoldRequest{Word: word(), Hold: true})
	r.refused(at.Add(time.Second), workflows.UpdateLink, workflows.LinkRequest{Word: word(), UserID: otherUser}, workflows.Quicker)
	r.at(at.Add(2*time.Second), func() {
		if v := r.view(); v.Held != nil {
			t.Error("held before that was written down")
		}
	})
	r.at(at.Add(time.Minute), func() { away = false })
	r.at(at.Add(time.Hour), func() {
		if v := r.view(); v.Held == nil {
			t.Error("not held though it was written down")
		}
	})
	r.tell(at.Add(2*time.Hour), snapshot(seen(at), func(s *jml.Snapshot) { s.Status = jml.StatusCancelled }))
	r.outcome(r.finish(), jml.StageCancelled)
}

// TestHoldKeepsAnInvitation: an invitation that is out can't be collected while
// the journey is held, and can afterwards.
func TestHoldKeepsAnInvitation(t *testing.T) {
	r := newRun(t)
	r.prof = pickupProfile()
	r.fake.look = registered(first)
	out := first.Add(-47 * time.Hour)
	r.says(out, workflows.UpdateHold, workflows.HoldRequest{Word: word(), Hold: true})
	r.updatePass(out.Add(time.Minute), workflows.UpdateVisit, workflows.VisitRequest{Visit: "v", LinkHash: linkHash, CodeHash: codeHash, PublicKey: []byte{1}})
	r.updatePass(out.Add(2*time.Minute), workflows.UpdateReveal, workflows.RevealRequest{Visit: "v"})
	r.at(out.Add(3*time.Minute), func() {
		if len(r.fake.issued) > 0 {
			t.Error("a pass though the journey is held")
		}
		if v := r.view(); v.PassID == "" || v.Held == nil {
			t.Errorf("view %+v", v)
		}
	})
	r.says(out.Add(time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word()})
	r.updatePass(out.Add(time.Hour+time.Minute), workflows.UpdateReveal, workflows.RevealRequest{Visit: "v"})
	r.outcome(r.finish(), jml.StageCompleted)
	if len(r.fake.issued) != 1 {
		t.Errorf("%d passes", len(r.fake.issued))
	}
}

// TestMove: an operator's start counts until HR says another one.
func TestMove(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	eighth := workflows.MoveRequest{Word: word(), Date: jml.Date{Year: 2026, Month: 12, Day: 8}, Hour: jml.Clock{Hour: 7, Minute: 30}}
	r.refused(begin.Add(time.Minute), workflows.UpdateMove, workflows.MoveRequest{Word: word()}, "real date")
	r.refused(begin.Add(time.Minute), workflows.UpdateMove, workflows.MoveRequest{Word: word(), Date: jml.Date{Year: 2026, Month: 12, Day: 1}}, "already")
	r.refused(begin.Add(time.Minute), workflows.UpdateMove, workflows.MoveRequest{Word: word(), Date: jml.Date{Year: 2026, Month: 11, Day: 3}}, "in the past")
	r.refused(first.Add(-24*time.Hour), workflows.UpdateMove, workflows.MoveRequest{Word: word(), Date: jml.Date{Year: 2026, Month: 11, Day: 29}}, "time out at once")
	r.refused(begin.Add(time.Minute), workflows.UpdateMove, workflows.MoveRequest{Word: word(), Date: eighth.Date, Until: begin}, "passed already")
	r.says(begin.Add(time.Hour), workflows.UpdateMove, eighth)
	r.at(begin.Add(2*time.Hour), func() {
		v := r.view()
		if want := time.Date(2026, 12, 8, 6, 30, 0, 0, time.UTC); !v.Start.Equal(want) || v.Override == nil || v.Override.Date != eighth.Date {
			t.Errorf("start %s, override %+v", v.Start, v.Override)
		}
	})
	// The same start again, with another name, is no other start.
	r.tell(begin.Add(3*time.Hour), snapshot(seen(begin.Add(time.Minute)), func(s *jml.Snapshot) { s.FamilyName = "Lind" }))
	r.at(begin.Add(4*time.Hour), func() {
		if v := r.view(); v.Override == nil {
			t.Error("the override went with a name")
		}
	})
	r.tell(begin.Add(5*time.Hour), snapshot(seen(begin.Add(time.Hour)), func(s *jml.Snapshot) { s.StartDate.Day = 3 }))
	r.at(begin.Add(6*time.Hour), func() {
		if v := r.view(); v.Override != nil || v.Start.Day() != 3 {
			t.Errorf("HR's newer word does not count: %s", v.Start)
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
	if got := r.fake.wrote(workflows.StepMoved); len(got) != 1 || got[0].Detail != "to 2026-12-08 07:30:00" {
		t.Errorf("%+v", got)
	}
	if got := r.fake.issued[0].Request.StartAt; got.Day() != 3 {
		t.Errorf("issued for %s", got)
	}
}

// TestMoveForAWhile: HR's start counts again by itself, also for a pass that is
// out.
func TestMoveForAWhile(t *testing.T) {
	r := newRun(t)
	until := begin.Add(4 * 24 * time.Hour)
	r.says(begin.Add(time.Hour), workflows.UpdateMove, workflows.MoveRequest{Word: word(), Date: jml.Date{Year: 2026, Month: 11, Day: 20}, Until: until})
	r.at(until.Add(-time.Hour), func() {
		if len(r.fake.issued) != 1 || r.view().PassID == "" {
			t.Errorf("%d passes", len(r.fake.issued))
		}
	})
	r.prof.Timeout = 10 * 24 * time.Hour
	r.at(until.Add(time.Hour), func() {
		if v := r.view(); v.Override != nil || !v.Start.Equal(first) || len(r.fake.revoked) != 1 {
			t.Errorf("start %s, %d revoked", v.Start, len(r.fake.revoked))
		}
	})
	r.outcome(r.finish(), jml.StageTimedOut)
	if len(r.fake.issued) != 2 {
		t.Errorf("%d passes", len(r.fake.issued))
	}
}

// TestLink: the user that an operator names is looked up by object id, until HR
// names another one.
func TestLink(t *testing.T) {
	r := newRun(t)
	r.prof.Reissues = 1
	var matches []jml.Match
	r.fake.preflight = func(in workflows.PreflightInput) (jml.Verdict, error) {
		matches = append(matches, in.Match)
		if in.Match.Attribute != jml.MatchObjectID {
			return jml.Verdict{Block: jml.Blocked(jml.ReasonUserNotFound, "")}, nil
		}
		return jml.Verdict{User: jml.User{ID: in.Match.Value, Enabled: true}}, nil
	}
	due := first.Add(-48 * time.Hour)
	r.refused(due.Add(time.Minute), workflows.UpdateLink, workflows.LinkRequest{Word: word(), UserID: "freja@example.com"}, "object id")
	r.says(due.Add(time.Hour), workflows.UpdateLink, workflows.LinkRequest{Word: word(), UserID: strings.ToUpper(otherUser)})
	r.refused(due.Add(time.Hour+time.Minute), workflows.UpdateLink, workflows.LinkRequest{Word: word(), UserID: otherUser}, "already")
	r.at(due.Add(2*time.Hour), func() {
		if v := r.view(); v.PassID != workflows.PassID(otherUser) || v.Linked != otherUser {
			t.Errorf("pass %s, linked %q", v.PassID, v.Linked)
		}
	})
	r.tell(due.Add(3*time.Hour), snapshot(seen(due), func(s *jml.Snapshot) { s.EmployeeID = "4712" }))
	r.at(due.Add(4*time.Hour), func() {
		if v := r.view(); v.Linked != "" || v.PassID != "" || v.Block == nil || v.Block.Reason != jml.ReasonUserNotFound {
			t.Errorf("HR's newer word does not count: %+v", v)
		}
	})
	r.outcome(r.finish(), jml.StageTimedOut)
	if !slices.Contains(matches, jml.Match{Attribute: jml.MatchObjectID, Value: otherUser}) {
		t.Errorf("looked up by %v", matches)
	}
	if got := r.fake.wrote(workflows.StepLinked); len(got) != 1 || !strings.Contains(got[0].Detail, otherUser) {
		t.Errorf("%+v", got)
	}
}

// TestLinkIsForOneUser: a yes that was for another user does not count for the
// one that is linked.
func TestLinkIsForOneUser(t *testing.T) {
	r := newRun(t)
	r.prof = approving(r.prof)
	r.prof.Approve = true
	asked := first.Add(-47 * time.Hour)
	r.ask(asked, workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "second"}, nil)
	r.says(asked.Add(time.Hour), workflows.UpdateLink, workflows.LinkRequest{Word: word(), UserID: otherUser})
	r.at(asked.Add(2*time.Hour), func() {
		if v := r.view(); v.Stage != jml.StageApproval {
			t.Errorf("stage %s", v.Stage)
		}
	})
	r.finish()
}

// TestRegisteredByHand: any journey completes by an operator's word, if he says
// what he saw.
func TestRegisteredByHand(t *testing.T) {
	byHand := jml.Stop{Outcome: jml.StageCompleted, Actor: "op@example.com", Reason: "asked to", Proof: "saw the key sign in"}
	for name, at := range map[string]time.Time{"before the pass": begin.Add(time.Hour), "with a pass": first.Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			wordless := byHand
			wordless.Proof = ""
			r.refused(at, workflows.UpdateStop, wordless, "proof")
			cancels := byHand
			cancels.Outcome = jml.StageCancelled
			r.refused(at, workflows.UpdateStop, cancels, "proof belongs")
			r.says(at.Add(time.Second), workflows.UpdateStop, byHand)
			res := r.finish()
			if res.Outcome != jml.StageCompleted || len(r.fake.revoked) != len(r.fake.issued) {
				t.Errorf("%s, %d issued, %d revoked", res.Outcome, len(r.fake.issued), len(r.fake.revoked))
			}
			if got := r.fake.wrote(workflows.StepByHand); len(got) != 1 || got[0].Detail != byHand.Proof || got[0].Actor != byHand.Actor {
				t.Errorf("%+v", got)
			}
			if c := r.fake.closed; len(c) != 1 || c[0].Actor != byHand.Actor {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestVersion: every word is refused that was said about a state that is no
// more, and each change counts.
func TestVersion(t *testing.T) {
	r := newRun(t)
	r.prof.Reissues = 3
	out := first.Add(time.Hour)
	var was int
	r.at(begin.Add(time.Hour), func() {
		if was = r.view().Version; was < 1 {
			t.Errorf("version %d", was)
		}
	})
	r.tell(begin.Add(2*time.Hour), snapshot(seen(begin.Add(time.Hour)), func(s *jml.Snapshot) { s.FamilyName = "Lind" }))
	r.at(begin.Add(3*time.Hour), func() {
		if now := r.view().Version; now == was {
			t.Error("HR's news does not count")
		}
	})
	for _, req := range []struct {
		name string
		req  any
	}{
		{workflows.UpdateHold, workflows.HoldRequest{Word: seenAs(1), Hold: true}},
		{workflows.UpdateMove, workflows.MoveRequest{Word: seenAs(1), Date: jml.Date{Year: 2026, Month: 12, Day: 8}}},
		{workflows.UpdateLink, workflows.LinkRequest{Word: seenAs(1), UserID: otherUser}},
		{workflows.UpdateStop, jml.Stop{Outcome: jml.StageCancelled, Actor: "op", Reason: "asked to", Version: 1}},
		{workflows.UpdateReissue, workflows.ReissueRequest{Actor: "op", Reason: "asked to", Version: 1}},
	} {
		r.refused(out, req.name, req.req, workflows.Quicker)
	}
	r.at(out.Add(time.Minute), func() {
		v := r.view()
		r.env.UpdateWorkflow(workflows.UpdateHold, "", taken(t, func(a workflows.Answer) {
			if a.Version != v.Version+1 {
				t.Errorf("answered version %d after %d", a.Version, v.Version)
			}
		}), workflows.HoldRequest{Word: seenAs(v.Version), Hold: true})
	})
	r.outcome(r.finish(), jml.StageTimedOut)
}

// TestWordsSurvive: what operators said is carried into the next run.
func TestWordsSurvive(t *testing.T) {
	r := newRun(t)
	r.env.SetContinueAsNewSuggested(true)
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		return jml.Verdict{Block: jml.Blocked(jml.ReasonUserNotFound, "")}, nil
	}
	r.says(begin.Add(time.Hour), workflows.UpdateMove, workflows.MoveRequest{Word: word(), Date: jml.Date{Year: 2026, Month: 12, Day: 8}})
	r.says(begin.Add(2*time.Hour), workflows.UpdateLink, workflows.LinkRequest{Word: word(), UserID: otherUser})
	var before workflows.JourneyView
	r.says(begin.Add(3*time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word(), Hold: true})
	r.tell(begin, snapshot())
	r.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: r.prof, Shows: workflows.ShowsAll})
	before = r.view()
	var again *workflow.ContinueAsNewError
	if err := r.env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	var in workflows.JourneyInput
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	next := newRun(t)
	next.at(begin.Add(time.Minute), func() {
		v := next.view()
		if v.Held == nil || v.Override == nil || v.Linked != otherUser || v.Start.Day() != 8 || v.Version < before.Version || v.Block == nil || v.Block.Reason != jml.ReasonHeld {
			t.Errorf("view %+v", v)
		}
	})
	if in.Shows != workflows.ShowsAll {
		t.Error("shows less than before")
	}
	next.env.ExecuteWorkflow(workflows.TypeJoiner, in)
	var res workflows.JourneyResult
	if err := next.env.GetWorkflowResult(&res); err != nil || res.Outcome != jml.StageTimedOut {
		t.Errorf("%v, %v", res.Outcome, err)
	}
}

// TestResend: link and code go out again, by another channel if wanted, and say
// what they said.
func TestResend(t *testing.T) {
	twoWays := func(p *jml.Profile) {
		p.LinkTo = []jml.Route{mailTo, {Channel: "chat", Recipient: jml.RecipientPersonalMail}}
	}
	r := newPassRun(t, twoWays)
	r.in.Shows = workflows.ShowsAll
	at := begin.Add(time.Hour)
	update(r, at, workflows.UpdateResend, workflows.ResendRequest{Word: word(), Channel: "chat"}, func(a workflows.Answer) {
		if !a.Done || a.Version < 2 {
			t.Errorf("%+v", a)
		}
	})
	r.refused(at.Add(10*time.Second), workflows.UpdateResend, workflows.ResendRequest{Word: word()}, "less than a minute")
	r.refused(at.Add(2*time.Minute), workflows.UpdateResend, workflows.ResendRequest{Word: word(), Channel: "pigeon"}, "it has: mail, chat, sms")
	r.refused(at.Add(2*time.Minute), workflows.UpdateResend, workflows.ResendRequest{Word: seenAs(1)}, workflows.Quicker)
	r.refused(at.Add(2*time.Minute), workflows.UpdateResend, workflows.ResendRequest{}, "actor and reason")
	// The first link comes back only now: the second may still arrive.
	r.news(at.Add(3*time.Minute), 1, jml.DeliveryBounced)
	r.at(at.Add(4*time.Minute), func() {
		if v := r.see("nobody"); v.Block != nil {
			t.Error("blocked")
		}
	})
	r.collect(at.Add(5 * time.Minute))
	r.refused(at.Add(6*time.Minute), workflows.UpdateResend, workflows.ResendRequest{Word: word()}, "collected")
	res := r.finish()
	if len(r.fake.issued) != 1 || res.Block != nil {
		t.Errorf("%d issued, %v", len(r.fake.issued), res.Block)
	}
	links, codes := r.message(jml.MessageLink), r.message(jml.MessageCode)
	if len(links) != 2 || len(codes) != 2 || links[1].Routes[0].Channel != "chat" || codes[1].Routes[0].Channel != "sms" || codes[1].LinkHash != codes[0].LinkHash {
		t.Errorf("links %+v, codes %+v", links, codes)
	}
	if got := r.fake.wrote(workflows.StepResent); len(got) != 1 || got[0].Detail != "chat" {
		t.Errorf("%+v", got)
	}
}

// TestNoResend: a passcode that was sent is never sent again, and what is of no
// use is not either.
func TestNoResend(t *testing.T) {
	send := func(p *jml.Profile) { *p = profile() }
	for name, tt := range map[string]struct {
		change func(*jml.Profile)
		before func(*passRun, time.Time)
		why    string
	}{
		"mode send": {send, func(*passRun, time.Time) {}, "Reissue"},
		"lapsed":    {func(p *jml.Profile) { p.LinkValid = time.Minute }, func(*passRun, time.Time) {}, "lapsed"},
		"held": {nil, func(r *passRun, at time.Time) {
			r.at(at.Add(-time.Minute), func() { r.env.SignalWorkflow(workflows.SignalHold, true) })
		}, "holds"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.change == nil {
				tt.change = func(*jml.Profile) {}
			}
			r := newPassRun(t, tt.change)
			at := begin.Add(time.Hour)
			tt.before(r, at)
			sent := 0
			r.at(at.Add(-time.Second), func() { sent = len(r.fake.sent) })
			r.refused(at, workflows.UpdateResend, workflows.ResendRequest{Word: word()}, tt.why)
			r.at(at.Add(time.Second), func() {
				if len(r.fake.sent) != sent {
					t.Error("sent all the same")
				}
			})
			r.finish()
		})
	}
}

// TestReissueByChannel: another pass goes the way the operator names.
func TestReissueByChannel(t *testing.T) {
	chat := jml.Route{Channel: "chat", Recipient: jml.RecipientPersonalMail}
	out := first.Add(-47 * time.Hour)
	t.Run("send", func(t *testing.T) {
		r := newRun(t)
		r.prof.Channel, r.prof.PassTo, r.prof.Reissues = "", []jml.Route{mailTo, chat}, 1
		r.refused(out, workflows.UpdateReissue, workflows.ReissueRequest{Actor: "op", Reason: "why", Channel: "pigeon"}, "it has: mail, chat")
		r.says(out.Add(time.Minute), workflows.UpdateReissue, workflows.ReissueRequest{Actor: "op", Reason: "why", Channel: "chat"})
		r.finish()
		if n := len(r.fake.issued); n != 2 || r.fake.issued[1].Routes[0] != chat {
			t.Errorf("%d issued: %+v", n, r.fake.issued)
		}
	})
	t.Run("pickup", func(t *testing.T) {
		r := newRun(t)
		r.prof = pickupProfile(func(p *jml.Profile) { p.LinkTo = []jml.Route{mailTo, chat} })
		r.says(out, workflows.UpdateReissue, workflows.ReissueRequest{Actor: "op", Reason: "why", Channel: "chat"})
		r.finish()
		if links := r.message(jml.MessageLink); len(links) != 2 || links[1].Routes[0] != chat || len(links[1].Routes) != 2 {
			t.Errorf("%+v", links)
		}
	})
}

// TestHalted: while the kill switch is on a journey stands still, a visitor is
// told that it is not possible now, and both go on when it is lifted.
func TestHalted(t *testing.T) {
	halted := true
	preflight := func(workflows.PreflightInput) (jml.Verdict, error) {
		if halted {
			return jml.Verdict{Block: jml.Blocked(jml.ReasonHalted, "")}, nil
		}
		return jml.Verdict{User: user}, nil
	}
	t.Run("journey", func(t *testing.T) {
		halted = true
		r := newRun(t)
		r.fake.preflight, r.fake.look = preflight, registered(first)
		due := first.Add(-48 * time.Hour)
		r.at(due.Add(time.Hour+30*time.Minute), func() {
			if v := r.view(); v.Block == nil || v.Block.Reason != jml.ReasonHalted || len(r.fake.issued) > 0 {
				t.Errorf("%+v", v.Block)
			}
			halted = false
			r.env.SignalWorkflow(workflows.SignalLook, nil)
		})
		r.at(due.Add(time.Hour+31*time.Minute), func() {
			if len(r.fake.issued) != 1 {
				t.Error("a nudge does not let it go on")
			}
		})
		r.outcome(r.finish(), jml.StageCompleted)
	})
	t.Run("visitor", func(t *testing.T) {
		halted = true
		r := newPassRun(t)
		r.fake.preflight = preflight
		at := begin.Add(time.Hour)
		r.collect(at)
		r.at(at.Add(time.Minute), func() {
			if v := r.see("v"); v.Block == nil || v.Block.Reason != jml.ReasonHalted || v.Final || !v.Open || len(r.fake.issued) > 0 {
				t.Errorf("%+v", v)
			}
			halted = false
		})
		r.reveal(at.Add(2*time.Minute), "v", func(v workflows.VisitView) {
			if v.Revealed == nil {
				t.Errorf("%+v", v)
			}
		})
		if r.finish(); len(r.fake.issued) != 1 {
			t.Errorf("%d passes", len(r.fake.issued))
		}
	})
}
