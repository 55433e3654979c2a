package workflows_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// start runs a journey of any kind.
func (r *run) start(in workflows.JourneyInput) workflows.JourneyResult {
	r.t.Helper()
	for kind, f := range map[jml.Kind]any{jml.KindMover: workflows.Mover, jml.KindRecovery: workflows.Recovery, jml.KindStaging: workflows.Staging} {
		r.env.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: workflows.Type(kind)})
	}
	in.Ref, in.Source = "ref", "hr"
	if in.Profile.Name == "" && in.Block == nil {
		in.Profile = r.prof
	}
	if in.Facts == nil {
		s := snapshot()
		in.Facts = &s
	}
	r.env.ExecuteWorkflow(workflows.Type(in.Kind), in)
	if err := r.env.GetWorkflowError(); err != nil {
		r.t.Fatal(err)
	}
	var res workflows.JourneyResult
	if err := r.env.GetWorkflowResult(&res); err != nil {
		r.t.Fatal(err)
	}
	return res
}

// ask sends an update to the journey; then gets the answer or the refusal.
func (r *run) ask(when time.Time, name string, req any, then func(any, error)) {
	if then == nil {
		then = func(any, error) {}
	}
	r.at(when, func() {
		r.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { then(nil, err) }, OnComplete: then,
		}, req)
	})
}

func (r *run) sent(m jml.Message) (n int) {
	for _, s := range r.fake.sent {
		if s.Notice.Message == m {
			n++
		}
	}
	return n
}

func to(kind jml.RecipientKind) []jml.Route { return []jml.Route{{Channel: "mail", Recipient: kind}} }

func approving(p jml.Profile) jml.Profile {
	p.Approve, p.Approval = true, &jml.ApprovalRule{To: to(jml.RecipientManager), Within: 24 * time.Hour}
	return p
}

func recoveryRequest() *jml.Request {
	return &jml.Request{ID: "r", Actor: "op@example.com", For: jml.RequesterOperator, At: begin, Ticket: "T-1", Verified: "call back", Loss: jml.LossStolen}
}

func stagingRequest() *jml.Request {
	r := recoveryRequest()
	r.Loss, r.Device, r.Until = "", "PC-1", begin.Add(8*time.Hour)
	r.Technician = jml.User{ID: "5b8d7a1e-5c1f-4a6e-9a57-1f0f4f1d2c99", UPN: "tech@example.com", Enabled: true}
	return r
}

// The approver is asked so early that he has his time; anybody but the requester
// decides, once, and in time.
func TestApproval(t *testing.T) {
	asked := first.Add(-72 * time.Hour) // lead of 48 hours, and 24 to decide
	yes := func(actor string) workflows.Decision { return workflows.Decision{Approve: true, Actor: actor} }
	no := workflows.Decision{Actor: "lead@example.com", Reason: "nobody told me"}
	tests := []struct {
		name     string
		play     func(*run, func(any, error))
		want     jml.Stage
		issued   int
		refusals string // words of them, in order
	}{
		{"approved", func(r *run, then func(any, error)) {
			r.ask(asked.Add(time.Hour), workflows.UpdateDecide, yes("lead@example.com"), then)
		}, jml.StageTimedOut, 1, ""},
		{"refused", func(r *run, then func(any, error)) { r.ask(asked.Add(time.Hour), workflows.UpdateDecide, no, then) }, jml.StageRefused, 0, ""},
		{"nobody answers", func(*run, func(any, error)) {}, jml.StageLapsed, 0, ""},
		{"before anybody asks", func(r *run, then func(any, error)) {
			r.ask(asked.Add(-time.Hour), workflows.UpdateDecide, yes("lead@example.com"), then)
		}, jml.StageLapsed, 0, "does not wait"},
		{"two at once", func(r *run, then func(any, error)) {
			r.ask(asked.Add(time.Hour), workflows.UpdateDecide, yes("lead@example.com"), then)
			r.ask(asked.Add(time.Hour), workflows.UpdateDecide, no, then)
		}, jml.StageTimedOut, 1, "decided already"},
		{"while it ends", func(r *run, then func(any, error)) {
			r.tell(asked.Add(time.Hour), snapshot(func(s *jml.Snapshot) { s.Status, s.ObservedAt = jml.StatusLeft, asked }))
			r.ask(asked.Add(time.Hour), workflows.UpdateDecide, yes("lead@example.com"), then)
		}, jml.StageCancelled, 0, "ending already"},
		{"a no without a reason", func(r *run, then func(any, error)) {
			r.ask(asked.Add(time.Hour), workflows.UpdateDecide, workflows.Decision{Actor: "lead@example.com"}, then)
		}, jml.StageLapsed, 0, "reason"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(t)
			r.prof = approving(profile())
			var refusals []string
			tt.play(r, func(_ any, err error) {
				if err != nil {
					refusals = append(refusals, err.Error())
				}
			})
			var when time.Time
			r.fake.send = func(in workflows.MessageInput) (workflows.MessageResult, error) {
				if in.Notice.Message == jml.MessageApproval {
					when = r.fake.now()
				}
				return workflows.MessageResult{}, nil
			}
			r.outcome(r.start(workflows.JourneyInput{}), tt.want)
			if !when.Equal(asked) || r.sent(jml.MessageApproval) != 1 {
				t.Errorf("asked %d times, last at %s, want once at %s", r.sent(jml.MessageApproval), when, asked)
			}
			if len(r.fake.issued) != tt.issued {
				t.Errorf("%d passes, want %d", len(r.fake.issued), tt.issued)
			}
			if got := strings.Join(refusals, ";"); !strings.Contains(got, tt.refusals) || (got == "") != (tt.refusals == "") {
				t.Errorf("refused %q, want %q", got, tt.refusals)
			}
		})
	}
}

// Neither who asks nor who gets the pass approves it, however he spells himself.
func TestRequesterCannotApprove(t *testing.T) {
	r := newRun(t)
	p := profile()
	p.OneTime, p.CompleteOn = false, nil
	var refused []error
	note := func(_ any, err error) { refused = append(refused, err) }
	r.ask(begin.Add(time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "OP@example.com"}, note)
	r.ask(begin.Add(2*time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "Tech@Example.com"}, note)
	r.ask(begin.Add(3*time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, note)
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindStaging, Profile: p, Request: stagingRequest()}), jml.StageTimedOut)
	if len(refused) != 3 || refused[0] == nil || refused[1] == nil || refused[2] != nil {
		t.Errorf("%v", refused)
	}
}

// What was approved was approved for the user of then.
func TestApprovalIsForOneUser(t *testing.T) {
	r := newRun(t)
	p := approving(profile())
	r.ask(first.Add(-71*time.Hour), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
	r.tell(first.Add(-60*time.Hour), snapshot(func(s *jml.Snapshot) {
		s.Match, s.ObservedAt = &jml.Match{Attribute: "userPrincipalName", Value: "admin@example.com"}, first.Add(-60*time.Hour)
	}))
	r.outcome(r.start(workflows.JourneyInput{Profile: p}), jml.StageLapsed)
	if len(r.fake.issued) != 0 || r.sent(jml.MessageApproval) != 2 {
		t.Errorf("%d passes, asked %d times", len(r.fake.issued), r.sent(jml.MessageApproval))
	}
}

// The same of a staging whose pass is out: it ends, somebody is asked anew, and
// what the technician registered goes though nobody answers.
func TestStagingOfAnotherUser(t *testing.T) {
	r := newRun(t)
	p := approving(profile())
	p.OneTime, p.CompleteOn, p.Remove, p.Approval.Within = false, nil, jml.RemoveRegistered, time.Hour
	p.Approval.To = to(jml.RecipientManager)
	r.ask(begin.Add(time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
	when := begin.Add(2 * time.Hour)
	r.tell(when, snapshot(func(s *jml.Snapshot) {
		s.Match, s.ObservedAt = &jml.Match{Attribute: "userPrincipalName", Value: "other@example.com"}, when
	}))
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindStaging, Profile: p, Request: stagingRequest()}), jml.StageLapsed)
	if len(r.fake.issued) != 1 || len(r.fake.removed) != 1 || r.fake.removed[0].UserID != user.ID {
		t.Errorf("%d passes, removed %+v", len(r.fake.issued), r.fake.removed)
	}
}

// A staging ends by somebody's word, and what was registered with its pass goes,
// of the user who had it.
func TestStaging(t *testing.T) {
	r := newRun(t)
	p := profile()
	p.OneTime, p.CompleteOn, p.Remove = false, nil, jml.RemoveRegistered
	r.ask(begin.Add(time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
	r.tell(begin.Add(2*time.Hour), snapshot(seen(begin.Add(2*time.Hour)))) // nothing new
	var answer workflows.JourneyResult
	r.ask(begin.Add(3*time.Hour), workflows.UpdateStop, jml.Stop{Outcome: jml.StageCompleted, Actor: "op@example.com", Reason: "done"}, func(v any, err error) {
		if err != nil {
			t.Error(err)
			return
		}
		answer = v.(workflows.JourneyResult)
	})
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindStaging, Profile: p, Request: stagingRequest()}), jml.StageCompleted)
	if answer.Outcome != jml.StageCompleted || len(r.fake.removed) != 1 {
		t.Fatalf("answer %+v, removed %+v", answer, r.fake.removed)
	}
	if in := r.fake.removed[0]; in.UserID != user.ID || in.Rule != jml.RemoveRegistered || !in.Since.After(begin) {
		t.Errorf("removed %+v", in)
	}
}

// Another position changes nothing about what was asked for: the technician keeps
// nothing, though no profile is for the position.
func TestStagingKeepsItsRules(t *testing.T) {
	r := newRun(t)
	p := profile()
	p.OneTime, p.Remove = false, jml.RemoveRegistered
	r.ask(begin.Add(time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
	when := begin.Add(30 * time.Minute)
	r.at(when, func() {
		r.env.SignalWorkflow(workflows.SignalFacts, workflows.Facts{
			Snapshot: snapshot(func(s *jml.Snapshot) { s.Department, s.ObservedAt = "yard", when }),
			Choice:   &jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}})
	})
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if r.fake.now().Before(when.Add(time.Minute)) {
			return workflows.LookResult{}, nil
		}
		return registered(first)(in)
	}
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindStaging, Profile: p, Request: stagingRequest()}), jml.StageCompleted)
	if len(r.fake.removed) != 1 {
		t.Errorf("removed %+v", r.fake.removed)
	}
}

// HR says left while preflight runs: what a technician registered is removed
// once, of the user who had the pass, and the journey ends.
func TestStagingOfALeaver(t *testing.T) {
	r := newRun(t)
	p := profile()
	p.OneTime, p.CompleteOn, p.Remove = false, nil, jml.RemoveRegistered
	other := jml.User{ID: "9b8d7a1e-5c1f-4a6e-9a57-1f0f4f1d2c77", UPN: "other@example.com", Enabled: true}
	match := &jml.Match{Attribute: "userPrincipalName", Value: other.UPN}
	r.ask(begin.Add(time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
	r.ask(begin.Add(3*time.Hour), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
	r.tell(begin.Add(2*time.Hour), snapshot(func(s *jml.Snapshot) { s.Match, s.ObservedAt = match, begin.Add(2*time.Hour) }))
	r.fake.preflight = func(in workflows.PreflightInput) (jml.Verdict, error) {
		if in.Match != *match {
			return jml.Verdict{User: user}, nil
		}
		if r.fake.now().After(begin.Add(150 * time.Minute)) {
			r.env.SignalWorkflow(workflows.SignalFacts, snapshot(func(s *jml.Snapshot) {
				s.Match, s.Status, s.ObservedAt = match, jml.StatusLeft, begin.Add(3*time.Hour)
			}))
		}
		return jml.Verdict{User: other}, nil
	}
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindStaging, Profile: p, Request: stagingRequest()}), jml.StageCancelled)
	if len(r.fake.removed) == 0 || len(r.fake.removed) > 2 || r.fake.removed[0].UserID != user.ID {
		t.Errorf("removed %+v", r.fake.removed)
	}
}

// What was lost is gone before there is a pass; until then there is none.
func TestRecoveryWaitsForRemoval(t *testing.T) {
	r := newRun(t)
	p := profile()
	p.Remove = jml.RemoveLost
	req := recoveryRequest()
	req.Methods, req.EndSessions = []string{"lost-key"}, true
	r.fake.remove = func(workflows.RemoveInput) (workflows.RemoveResult, error) {
		if len(r.fake.issued) > 0 {
			t.Error("removed after the pass was made")
		}
		if len(r.fake.removed) < 3 {
			return workflows.RemoveResult{}, temporal.NewNonRetryableApplicationError("denied", workflows.ErrorType, nil, *jml.Blocked(jml.ReasonRemovalDenied, ""))
		}
		return workflows.RemoveResult{Removed: []jml.Method{{ID: "lost-key"}}}, nil
	}
	r.fake.look = registered(begin)
	res := r.start(workflows.JourneyInput{Kind: jml.KindRecovery, Profile: p, Request: req})
	r.outcome(res, jml.StageCompleted)
	if len(r.fake.removed) != 3 || len(r.fake.issued) != 1 || len(res.Removed) != 1 {
		t.Errorf("removed %+v, issued %d, result %+v", r.fake.removed, len(r.fake.issued), res.Removed)
	}
}

// At the end a removal that is denied is told, and the journey closes.
func TestRemovalDeniedAtTheEnd(t *testing.T) {
	r := newRun(t)
	p := profile()
	p.Remove, p.AlertTo = jml.RemoveOlder, to(jml.RecipientDesk)
	s := snapshot(func(s *jml.Snapshot) { s.EffectiveDate = s.StartDate })
	r.fake.remove = func(workflows.RemoveInput) (workflows.RemoveResult, error) {
		return workflows.RemoveResult{}, temporal.NewNonRetryableApplicationError("denied", workflows.ErrorType, nil, *jml.Blocked(jml.ReasonRemovalDenied, ""))
	}
	r.fake.look = registered(first)
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindMover, Profile: p, Facts: &s}), jml.StageCompleted)
	if len(r.fake.removed) != 1 || r.sent(jml.MessageAlert) != 1 {
		t.Errorf("removed %d times, %d alerts", len(r.fake.removed), r.sent(jml.MessageAlert))
	}
}

// A mover during an unfinished joiner is one journey with one pass, which the
// new requirement completes.
func TestMoverDuringAJoiner(t *testing.T) {
	r := newRun(t)
	labs := profile()
	labs.Name, labs.CompleteOn = "labs", []jml.MethodKind{jml.MethodWindowsHello}
	moved := first.Add(-time.Hour)
	r.at(moved, func() {
		r.env.SignalWorkflow(workflows.SignalFacts, workflows.Facts{
			Snapshot: snapshot(func(s *jml.Snapshot) { s.Department, s.ObservedAt = "labs", moved }), Choice: &jml.Choice{Profile: labs},
		})
	})
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		m := jml.Method{ID: "m", Kind: in.CompleteOn[0], CreatedAt: in.UsableFrom}
		return workflows.LookResult{Method: &m, Methods: []jml.Method{m}}, nil
	}
	res := r.start(workflows.JourneyInput{})
	r.outcome(res, jml.StageCompleted)
	if len(r.fake.issued) != 1 || res.Pass.Require == nil || res.Pass.Require.Kinds[0] != jml.MethodWindowsHello {
		t.Errorf("%d passes, required %+v", len(r.fake.issued), res.Pass.Require)
	}
}

// A position without a profile lets the pass that is out finish; without one it
// stands still until a rule is there.
func TestPositionWithoutAProfile(t *testing.T) {
	none := &jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}
	say := func(r *run, when time.Time) {
		r.at(when, func() {
			r.env.SignalWorkflow(workflows.SignalFacts, workflows.Facts{
				Snapshot: snapshot(func(s *jml.Snapshot) { s.Department, s.ObservedAt = "yard", when }), Choice: none})
		})
	}
	t.Run("while a pass is out", func(t *testing.T) {
		r := newRun(t)
		say(r, first.Add(-time.Hour))
		r.fake.look = registered(first)
		r.outcome(r.start(workflows.JourneyInput{}), jml.StageCompleted)
	})
	t.Run("before", func(t *testing.T) {
		r := newRun(t)
		say(r, first.Add(-100*time.Hour))
		found := profile()
		r.fake.preflight = func(in workflows.PreflightInput) (jml.Verdict, error) {
			if !in.Open || in.Facts == nil {
				t.Errorf("the rules are not asked: %+v", in)
			}
			if r.fake.now().Before(first.Add(-90 * time.Hour)) {
				return jml.Verdict{User: user, Block: none.Block}, nil
			}
			r.fake.preflight = nil
			return jml.Verdict{User: user, Profile: &found}, nil
		}
		var view workflows.JourneyView
		r.at(first.Add(-95*time.Hour), func() { view = r.view() })
		r.fake.look = registered(first)
		r.outcome(r.start(workflows.JourneyInput{}), jml.StageCompleted)
		if view.Stage != jml.StageBlocked || view.Block == nil || view.Block.Reason != jml.ReasonProfileMissing {
			t.Errorf("%s %+v", view.Stage, view.Block)
		}
	})
}

// While a pass is out, a choice that is not certain yet is made certain before it
// changes what the pass waits for.
func TestOpenChoiceWhileAPassIsOut(t *testing.T) {
	r := newRun(t)
	guess, labs := profile(), profile()
	guess.Name, guess.CompleteOn = "longest", []jml.MethodKind{jml.MethodAuthenticator}
	labs.Name, labs.CompleteOn = "labs", []jml.MethodKind{jml.MethodWindowsHello}
	when := first.Add(-time.Hour)
	r.at(when, func() {
		r.fake.preflight = func(in workflows.PreflightInput) (jml.Verdict, error) {
			if !in.Open {
				t.Error("the rules are not asked")
			}
			return jml.Verdict{User: user, Profile: &labs}, nil
		}
		r.env.SignalWorkflow(workflows.SignalFacts, workflows.Facts{
			Snapshot: snapshot(func(s *jml.Snapshot) { s.Department, s.ObservedAt = "labs", when }), Choice: &jml.Choice{Profile: guess, Open: true}})
	})
	var asked []jml.MethodKind
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		asked = in.CompleteOn
		return registered(first)(in)
	}
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageCompleted)
	if len(asked) != 1 || asked[0] != jml.MethodWindowsHello {
		t.Errorf("the pass waits for %v", asked)
	}
}

// Who got a role after the invitation gets no pass that nobody approved.
func TestRoleSinceTheInvitation(t *testing.T) {
	for _, approved := range []bool{false, true} {
		r := newPassRun(t)
		r.in.Approved = approved
		r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
			return jml.Verdict{User: user, Privileged: true}, nil
		}
		r.collect(begin.Add(time.Hour))
		res := r.finish()
		if (len(r.fake.issued) == 1) != approved || !approved && (res.Block == nil || res.Block.Reason != jml.ReasonUserPrivileged) {
			t.Errorf("approved %t: %d passes, %+v", approved, len(r.fake.issued), res.Block)
		}
	}
}

// Time runs out: manager and HR are told, once, before the journey closes.
func TestMissedIsTold(t *testing.T) {
	r := newRun(t)
	r.prof.MissedTo = to(jml.RecipientManager)
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageTimedOut)
	if n := r.sent(jml.MessageMissed); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Manager and HR are both to know, each by the first way that works.
func TestMissedIsToldToEach(t *testing.T) {
	r := newRun(t)
	r.prof.MissedTo = []jml.Route{
		{Channel: "teams", Recipient: jml.RecipientManager}, {Channel: "mail", Recipient: jml.RecipientManager},
		{Channel: "mail", Recipient: jml.RecipientDesk, Desk: "hr"},
	}
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageTimedOut)
	var ways []int
	for _, s := range r.fake.sent {
		if s.Notice.Message == jml.MessageMissed {
			ways = append(ways, len(s.Routes))
		}
	}
	slices.Sort(ways) // they go out side by side
	if !slices.Equal(ways, []int{1, 2}) {
		t.Errorf("ways of each message: %v", ways)
	}
}

// What was approved and removed stays so in the run that follows: nobody is
// asked twice, and nothing is deleted twice.
func TestContinuedRecovery(t *testing.T) {
	r := newRun(t)
	r.prof = approving(r.prof)
	r.prof.Remove = jml.RemoveLost
	req := recoveryRequest()
	req.Methods = []string{"key"}
	approved := jml.Approval{AskedAt: begin, Until: begin.Add(time.Hour), Decided: begin.Add(time.Minute), Approved: true, By: "lead"}
	facts := snapshot()
	res := r.start(workflows.JourneyInput{Kind: jml.KindRecovery, Request: req, Carried: &workflows.Carried{
		Facts: facts, FirstSeen: begin, Stage: jml.StageBlocked, Block: jml.Blocked(jml.ReasonGraphUnavailable, ""),
		Approval: approved, Cleared: true, Removed: []jml.Method{{ID: "key", Kind: jml.MethodFIDO2}},
	}})
	if n := r.sent(jml.MessageApproval); n != 0 || len(r.fake.removed) != 0 {
		t.Errorf("asked %d times, removed %v", n, r.fake.removed)
	}
	if len(r.fake.issued) != 1 || len(res.Removed) != 1 {
		t.Errorf("%d passes, removed %v", len(r.fake.issued), res.Removed)
	}
}

// Whoever holds what no longer works since the start moved is told, once; not if
// the next one follows at once and says so itself.
func TestMovedIsToldOnce(t *testing.T) {
	for days, want := range map[int]int{30: 1, 1: 0} {
		r := newRun(t)
		r.prof.ChangeTo = to(jml.RecipientPersonalMail)
		when := first.Add(-time.Hour)
		r.tell(when, snapshot(func(s *jml.Snapshot) { s.StartDate, s.ObservedAt = s.StartDate.AddDays(days), when }))
		r.tell(when.Add(time.Hour), snapshot(func(s *jml.Snapshot) {
			s.StartDate, s.Locale, s.ObservedAt = s.StartDate.AddDays(days), "de", when.Add(time.Hour)
		}))
		r.outcome(r.start(workflows.JourneyInput{}), jml.StageTimedOut)
		if n := r.sent(jml.MessageMoved); n != want || len(r.fake.issued) != 2 {
			t.Errorf("%d days: told %d times, %d passes", days, n, len(r.fake.issued))
		}
	}
}

// HR calls the hire off after somebody signed in: the desk hears of it.
func TestUsedByALeaver(t *testing.T) {
	r := newRun(t)
	r.prof.AlertTo = to(jml.RecipientDesk)
	r.fake.look = func(workflows.LookInput) (workflows.LookResult, error) {
		return workflows.LookResult{Pass: "OneTimeUsed"}, nil
	}
	when := first.Add(time.Hour)
	r.tell(when, snapshot(func(s *jml.Snapshot) { s.Status, s.ObservedAt = jml.StatusCancelled, when }))
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageCancelled)
	if r.sent(jml.MessageAlert) != 1 || r.fake.sent[len(r.fake.sent)-1].Notice.Reason != jml.ReasonUsedByLeaver {
		t.Errorf("sent %+v", r.fake.sent)
	}
}

// A pass that can do no more: nothing, an offer, or another one, up to the cap.
func TestUnfinished(t *testing.T) {
	for rule, want := range map[jml.UnfinishedRule]struct{ offers, passes int }{
		jml.UnfinishedWait: {0, 1}, jml.UnfinishedOffer: {1, 1}, jml.UnfinishedReissue: {0, 3},
	} {
		r := newRun(t)
		r.prof.Unfinished, r.prof.ChangeTo, r.prof.Reissues = rule, to(jml.RecipientPersonalMail), 2
		r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
			return workflows.LookResult{Pass: "OneTimeUsed"}, nil
		}
		r.outcome(r.start(workflows.JourneyInput{}), jml.StageTimedOut)
		if r.sent(jml.MessageUnfinished) != want.offers || len(r.fake.issued) != want.passes {
			t.Errorf("%q: %d offers, %d passes", rule, r.sent(jml.MessageUnfinished), len(r.fake.issued))
		}
	}
}

// An account that is gone at three looks in a row is gone; one replica that lags
// is not believed.
func TestUserGone(t *testing.T) {
	r := newRun(t)
	looks := 0
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if looks++; looks == 3 {
			return registered(first)(in)
		}
		return workflows.LookResult{Missing: true}, nil
	}
	res := r.start(workflows.JourneyInput{})
	r.outcome(res, jml.StageCompleted)
	if looks != 3 || len(r.fake.issued) != 1 {
		t.Errorf("%d looks, %d passes", looks, len(r.fake.issued))
	}
	r = newRun(t)
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if len(r.fake.issued) > 1 {
			return registered(first)(in)
		}
		return workflows.LookResult{Missing: true}, nil
	}
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageCompleted)
	if len(r.fake.issued) != 2 || len(r.fake.looked) != 4 {
		t.Errorf("%d passes, %d looks", len(r.fake.issued), len(r.fake.looked))
	}
}

// A leaver ends what somebody asked for, too.
func TestLeaverEndsWhatWasAskedFor(t *testing.T) {
	for _, kind := range []jml.Kind{jml.KindRecovery, jml.KindStaging} {
		r := newRun(t)
		p := profile()
		p.OneTime = false
		req := recoveryRequest()
		if kind == jml.KindStaging {
			req = stagingRequest()
			r.ask(begin.Add(time.Minute), workflows.UpdateDecide, workflows.Decision{Approve: true, Actor: "lead@example.com"}, nil)
		}
		when := begin.Add(time.Hour)
		r.tell(when, snapshot(func(s *jml.Snapshot) { s.Status, s.ObservedAt = jml.StatusLeft, when }))
		r.outcome(r.start(workflows.JourneyInput{Kind: kind, Profile: p, Request: req}), jml.StageCancelled)
		if len(r.fake.issued) != 1 || len(r.fake.revoked) != 1 {
			t.Errorf("%s: %d passes, %d revoked", kind, len(r.fake.issued), len(r.fake.revoked))
		}
	}
}

// Only a staging is completed by somebody's word.
func TestCompletedByWord(t *testing.T) {
	r := newRun(t)
	var refused error
	r.ask(first.Add(time.Hour), workflows.UpdateStop, jml.Stop{Outcome: jml.StageCompleted, Actor: "op@example.com", Reason: "done"}, func(_ any, err error) { refused = err })
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageTimedOut)
	if refused == nil {
		t.Error("a joiner was completed by word")
	}
}

// Temporal cancels before anything is written down: the journey ends like any
// other.
func TestCancelledAtOnce(t *testing.T) {
	r := newRun(t)
	r.at(begin, func() { r.env.CancelWorkflow() })
	r.outcome(r.start(workflows.JourneyInput{Kind: jml.KindRecovery, Request: recoveryRequest()}), jml.StageCancelled)
	if len(r.fake.steps) != 1 || r.fake.steps[0].Event != workflows.StepAsked {
		t.Errorf("audit has %+v", r.fake.steps)
	}
}

// A pass that is refused each time it is made is not tried every minute.
func TestRefusedPassIsTriedEverMoreSeldom(t *testing.T) {
	r := newRun(t)
	r.prof.Recheck = []time.Duration{time.Minute, time.Hour, 12 * time.Hour}
	r.fake.issue = func(_ context.Context, _ workflows.IssueInput) (workflows.IssueResult, error) {
		return workflows.IssueResult{}, temporal.NewNonRetryableApplicationError("no", workflows.ErrorType, nil, *jml.Blocked(jml.ReasonOutOfScope, ""))
	}
	r.outcome(r.start(workflows.JourneyInput{}), jml.StageTimedOut)
	if n := len(r.fake.issued); n < 3 || n > 12 {
		t.Errorf("%d tries", n)
	}
}

// Signals from before another position could bring a profile were bare snapshots.
func TestFactsOfOldDecode(t *testing.T) {
	old, err := converter.GetDefaultDataConverter().ToPayload(snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var f workflows.Facts
	if err := converter.GetDefaultDataConverter().FromPayload(old, &f); err != nil || !f.SameContent(snapshot()) || f.Choice != nil {
		t.Errorf("%v: %+v", err, f)
	}
}
