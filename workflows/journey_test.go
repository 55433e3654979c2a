package workflows_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// fake is a tenant of functions. A nil one answers with success.
type fake struct {
	preflight func(workflows.PreflightInput) (jml.Verdict, error)
	issue     func(context.Context, workflows.IssueInput) (workflows.IssueResult, error)
	look      func(workflows.LookInput) (workflows.LookResult, error)
	revoke    func(workflows.RevokeInput) (workflows.RevokeResult, error)
	now       func() time.Time

	issued  []workflows.IssueInput
	looked  []time.Time
	revoked []workflows.RevokeInput
	removed []workflows.RemoveInput
	remove  func(workflows.RemoveInput) (workflows.RemoveResult, error)
	closed  []workflows.CloseInput
	sent    []workflows.MessageInput
	steps   []workflows.StepInput

	send   func(workflows.MessageInput) (workflows.MessageResult, error)
	record func(workflows.StepInput) error
}

var user = jml.User{ID: "0b8d7a1e-5c1f-4a6e-9a57-1f0f4f1d2c11", UPN: "freja.lind@example.com", Enabled: true}

func (f *fake) Preflight(_ context.Context, in workflows.PreflightInput) (jml.Verdict, error) {
	if f.preflight != nil {
		return f.preflight(in)
	}
	return jml.Verdict{User: user}, nil
}

func (f *fake) IssuePass(ctx context.Context, in workflows.IssueInput) (workflows.IssueResult, error) {
	f.issued = append(f.issued, in)
	if f.issue != nil {
		return f.issue(ctx, in)
	}
	start := in.Request.StartAt
	if n := f.now(); n.After(start) {
		start = n
	}
	return workflows.IssueResult{Pass: jml.Pass{
		MethodID: "pass-1", CreatedAt: f.now(), StartAt: start, Lifetime: in.Request.Lifetime, OneTime: in.Request.OneTime,
	}}, nil
}

func (f *fake) LookForMethod(_ context.Context, in workflows.LookInput) (workflows.LookResult, error) {
	f.looked = append(f.looked, f.now())
	if f.look != nil {
		return f.look(in)
	}
	return workflows.LookResult{}, nil
}

func (f *fake) RevokePass(_ context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	f.revoked = append(f.revoked, in)
	if f.revoke != nil {
		return f.revoke(in)
	}
	return workflows.RevokeResult{GoneAt: f.now()}, nil
}

func (f *fake) SendMessage(_ context.Context, in workflows.MessageInput) (workflows.MessageResult, error) {
	f.sent = append(f.sent, in)
	if f.send != nil {
		return f.send(in)
	}
	return workflows.MessageResult{Hash: "hash of " + string(in.Notice.Message), NumberHash: "hash of the number"}, nil
}

func (f *fake) RecordStep(_ context.Context, in workflows.StepInput) (workflows.StepResult, error) {
	if f.record != nil {
		if err := f.record(in); err != nil {
			return workflows.StepResult{}, err
		}
	}
	f.steps = append(f.steps, in)
	return workflows.StepResult{}, nil
}

func (f *fake) RecordClose(_ context.Context, in workflows.CloseInput) (workflows.CloseResult, error) {
	f.closed = append(f.closed, in)
	return workflows.CloseResult{}, nil
}

func (f *fake) RemoveMethods(_ context.Context, in workflows.RemoveInput) (workflows.RemoveResult, error) {
	f.removed = append(f.removed, in)
	if f.remove != nil {
		return f.remove(in)
	}
	return workflows.RemoveResult{GoneAt: time.Now()}, nil
}

var _ workflows.Activities = (*fake)(nil)

func registered(time.Time) func(workflows.LookInput) (workflows.LookResult, error) {
	return func(in workflows.LookInput) (workflows.LookResult, error) {
		return workflows.LookResult{Method: &jml.Method{ID: "m", Kind: jml.MethodFIDO2, CreatedAt: in.UsableFrom}}, nil
	}
}

// begin is when every test begins: a fortnight before the start.
var (
	begin = time.Date(2026, 11, 17, 8, 0, 0, 0, time.UTC)
	first = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC) // 09:00 in Copenhagen
)

func profile() jml.Profile {
	return jml.Profile{
		Name: "default", LeadTime: 48 * time.Hour, StartHour: jml.Clock{Hour: 9}, Lifetime: 8 * time.Hour, OneTime: true,
		Mode: jml.ModeSend, Channel: "mail", Recipient: jml.RecipientPersonalMail, CompleteOn: []jml.MethodKind{jml.MethodFIDO2},
		Settle: 10 * time.Minute, Timeout: 24 * time.Hour,
		Poll:    []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute},
		Recheck: []time.Duration{time.Minute, 5 * time.Minute, time.Hour},
	}
}

func snapshot(change ...func(*jml.Snapshot)) jml.Snapshot {
	s := jml.Snapshot{
		EmployeeID: "4711", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 12, Day: 1}, Zone: "Europe/Copenhagen",
		GivenName: "Freja", PersonalMail: "freja@example.org", ObservedAt: begin,
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func seen(at time.Time) func(*jml.Snapshot) { return func(s *jml.Snapshot) { s.ObservedAt = at } }

type run struct {
	t    *testing.T
	env  *testsuite.TestWorkflowEnvironment
	fake *fake
	prof jml.Profile
}

func newRun(t *testing.T) *run {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet())
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartTime(begin)
	env.SetTestTimeout(30 * time.Second)
	f := &fake{now: func() time.Time { return env.Now().UTC() }}
	env.RegisterActivity(f)
	env.RegisterWorkflowWithOptions(workflows.Joiner, workflow.RegisterOptions{Name: workflows.TypeJoiner})
	env.RegisterWorkflowWithOptions(workflows.Pass, workflow.RegisterOptions{Name: workflows.TypePass})
	return &run{t: t, env: env, fake: f, prof: profile()}
}

// at does f at the given time of the test's clock.
func (r *run) at(when time.Time, f func()) { r.env.RegisterDelayedCallback(f, when.Sub(begin)) }

func (r *run) tell(when time.Time, s jml.Snapshot) {
	r.at(when, func() { r.env.SignalWorkflow(workflows.SignalFacts, s) })
}

func (r *run) view() workflows.JourneyView {
	r.t.Helper()
	v, err := r.env.QueryWorkflow(workflows.QueryJourney)
	if err != nil {
		r.t.Fatal(err)
	}
	var view workflows.JourneyView
	if err := v.Get(&view); err != nil {
		r.t.Fatal(err)
	}
	return view
}

func (r *run) finish() workflows.JourneyResult {
	r.t.Helper()
	r.tell(begin, snapshot())
	return r.finishWithoutFacts()
}

func (r *run) finishWithoutFacts() workflows.JourneyResult {
	r.t.Helper()
	r.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: r.prof})
	if !r.env.IsWorkflowCompleted() {
		r.t.Fatal("the workflow did not complete")
	}
	if err := r.env.GetWorkflowError(); err != nil {
		r.t.Fatal(err)
	}
	var res workflows.JourneyResult
	if err := r.env.GetWorkflowResult(&res); err != nil {
		r.t.Fatal(err)
	}
	return res
}

func (r *run) outcome(got workflows.JourneyResult, want jml.Stage) {
	r.t.Helper()
	if got.Outcome != want {
		r.t.Errorf("outcome %s, want %s", got.Outcome, want)
	}
	if len(r.fake.closed) != 1 || r.fake.closed[0].Outcome != want {
		r.t.Errorf("audit has %+v, want one %s", r.fake.closed, want)
	}
	if len(r.fake.issued) > 0 && len(r.fake.revoked) < len(r.fake.issued) {
		r.t.Errorf("%d passes issued, %d revoked", len(r.fake.issued), len(r.fake.revoked))
	}
}

func TestJoinerCompletes(t *testing.T) {
	r := newRun(t)
	registeredAt := first.Add(20 * time.Minute)
	var issuedAt time.Time
	r.fake.issue = nil
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if !in.UsableFrom.Equal(first) {
			t.Errorf("methods count from %s, want %s", in.UsableFrom, first)
		}
		if r.fake.now().Before(registeredAt) {
			return workflows.LookResult{}, nil
		}
		return registered(registeredAt)(in)
	}
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		issuedAt = r.fake.now()
		return jml.Verdict{User: user}, nil
	}
	r.outcome(r.finish(), jml.StageCompleted)
	if want := first.Add(-48 * time.Hour); !issuedAt.Equal(want) {
		t.Errorf("preflight at %s, want %s", issuedAt, want)
	}
	if got := r.fake.issued[0].Request.StartAt; !got.Equal(first) {
		t.Errorf("pass starts at %s, want %s", got, first)
	}
	want := []time.Duration{2 * time.Minute, 7 * time.Minute, 17 * time.Minute, 32 * time.Minute}
	var looks []time.Duration
	for _, at := range r.fake.looked {
		looks = append(looks, at.Sub(first))
	}
	if !slices.Equal(looks, want) {
		t.Errorf("looked at start+%s, want %s", looks, want)
	}
	if got := r.fake.revoked[0]; got.MethodID != "pass-1" || got.Reason != string(jml.EndRegistered) {
		t.Errorf("revoked %+v", got)
	}
}

// TestFirstFactsInTheStart: a joiner that is started with its facts waits for no
// signal, and takes later ones like any other.
func TestFirstFactsInTheStart(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	r.at(begin.Add(time.Minute), func() {
		if v := r.view(); v.Facts.EmployeeID != "4711" || v.Stage != jml.StageScheduled {
			t.Errorf("stage %s, facts %+v", v.Stage, v.Facts)
		}
	})
	r.tell(begin.Add(time.Hour), snapshot(func(s *jml.Snapshot) { s.GivenName = "Freia" }, seen(begin.Add(time.Hour))))
	facts := snapshot()
	r.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: r.prof, Facts: &facts})
	var got workflows.JourneyResult
	if err := r.env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	r.outcome(got, jml.StageCompleted)
	if len(r.fake.issued) != 1 || r.fake.issued[0].Notice.GivenName != "Freia" {
		t.Errorf("issued %+v", r.fake.issued)
	}
}

func TestNudge(t *testing.T) {
	r := newRun(t)
	r.prof.Poll = []time.Duration{24 * time.Hour}
	r.fake.look = registered(first)
	early, late := first.Add(-time.Hour), first.Add(3*time.Minute)
	nudge := func() {
		if err := r.env.SignalWorkflowByID(workflows.PassID(user.ID), workflows.SignalLook, nil); err != nil {
			t.Error(err)
		}
	}
	r.at(early, nudge)
	r.at(late, nudge)
	r.outcome(r.finish(), jml.StageCompleted)
	if len(r.fake.looked) != 1 || !r.fake.looked[0].Equal(late) {
		t.Errorf("looked at %s, want once, at %s: before the start nobody can have used the pass", r.fake.looked, late)
	}
}

func TestStartMovedBeforeIssue(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	r.tell(begin.Add(time.Hour), snapshot(seen(begin.Add(time.Hour)), func(s *jml.Snapshot) { s.StartDate.Day = 15 }))
	// An older one and a repeat come after it.
	r.tell(begin.Add(2*time.Hour), snapshot(seen(begin.Add(time.Minute)), func(s *jml.Snapshot) { s.StartDate.Day = 3 }))
	r.tell(begin.Add(3*time.Hour), snapshot(seen(begin.Add(3*time.Hour)), func(s *jml.Snapshot) { s.StartDate.Day = 15 }))
	r.at(begin.Add(4*time.Hour), func() {
		if v := r.view(); v.Outdated != 2 || v.Stage != jml.StageScheduled {
			t.Errorf("view %+v, want 2 outdated, scheduled", v)
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
	if got, want := r.fake.issued[0].Request.StartAt, first.AddDate(0, 0, 14); !got.Equal(want) {
		t.Errorf("pass starts at %s, want %s", got, want)
	}
}

func TestStartMovedAfterHandOver(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	r.tell(first.Add(-24*time.Hour), snapshot(seen(first.Add(-24*time.Hour)), func(s *jml.Snapshot) { s.StartDate.Day = 8 }))
	r.outcome(r.finish(), jml.StageCompleted)
	if len(r.fake.issued) != 2 || len(r.fake.revoked) != 2 {
		t.Fatalf("%d issued, %d revoked, want 2 and 2", len(r.fake.issued), len(r.fake.revoked))
	}
	if r.fake.issued[0].Notice.Replaces || !r.fake.issued[1].Notice.Replaces {
		t.Error("only the second message says that an earlier one no longer works")
	}
	if got, want := r.fake.issued[1].Request.StartAt, first.AddDate(0, 0, 7); !got.Equal(want) {
		t.Errorf("second pass starts at %s, want %s", got, want)
	}
}

func TestTimeout(t *testing.T) {
	r := newRun(t)
	res := r.finish()
	r.outcome(res, jml.StageTimedOut)
	if got, want := r.fake.looked[len(r.fake.looked)-1], first.Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("last look at %s, want %s", got, want)
	}
	if res.Pass.End != jml.EndTimedOut || res.Pass.Revoked == nil {
		t.Errorf("pass result %+v", res.Pass)
	}
}

func TestHRCancels(t *testing.T) {
	for name, when := range map[string]time.Time{"before issue": begin.Add(time.Hour), "after issue": first.Add(-time.Hour)} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			r.tell(when, snapshot(seen(when), func(s *jml.Snapshot) { s.Status = jml.StatusCancelled }))
			r.outcome(r.finish(), jml.StageCancelled)
			if when.After(first.Add(-48*time.Hour)) != (len(r.fake.issued) == 1) {
				t.Errorf("%d passes issued", len(r.fake.issued))
			}
		})
	}
}

// A cancellation that is the first HR says of an employee ends at once and keeps
// the facts: an older "scheduled" that comes later is compared with them.
func TestCancelledFromTheBeginning(t *testing.T) {
	r := newRun(t)
	r.tell(begin, jml.Snapshot{EmployeeID: "4711", Status: jml.StatusCancelled, ObservedAt: begin})
	res := r.finishWithoutFacts()
	r.outcome(res, jml.StageCancelled)
	if older := snapshot(seen(begin.Add(-time.Minute))); older.Supersedes(res.Facts) {
		t.Error("an older snapshot counts as news")
	}
}

func TestTemporalCancels(t *testing.T) {
	r := newRun(t)
	r.at(first.Add(-time.Hour), r.env.CancelWorkflow)
	r.outcome(r.finish(), jml.StageCancelled)
	if len(r.fake.revoked) != 1 || r.fake.revoked[0].MethodID != "pass-1" {
		t.Errorf("revoked %+v", r.fake.revoked)
	}
}

func TestCancelDuringSettleRevokesAtOnce(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	cancelAt := first.Add(3 * time.Minute)
	var revokedAt time.Time
	r.fake.revoke = func(workflows.RevokeInput) (workflows.RevokeResult, error) {
		revokedAt = r.fake.now()
		return workflows.RevokeResult{GoneAt: revokedAt}, nil
	}
	r.at(cancelAt, r.env.CancelWorkflow)
	res := r.finish()
	// The person had registered: that is the outcome, cancelled or not.
	r.outcome(res, jml.StageCompleted)
	if !revokedAt.Equal(cancelAt) {
		t.Errorf("revoked at %s, want %s", revokedAt, cancelAt)
	}
}

func TestStopUpdate(t *testing.T) {
	stop := func(outcome jml.Stage) jml.Stop {
		return jml.Stop{Outcome: outcome, Actor: "ops", Reason: "wrong person"}
	}
	tests := []struct {
		name    string
		when    time.Time
		req     jml.Stop
		refused bool
		outcome jml.Stage
	}{
		{"cancel before issue", begin.Add(time.Hour), stop(jml.StageCancelled), false, jml.StageCancelled},
		{"cancel a live pass", first, stop(jml.StageCancelled), false, jml.StageCancelled},
		{"revoke a live pass", first, stop(jml.StageRevoked), false, jml.StageRevoked},
		{"revoke without a pass", begin.Add(time.Hour), stop(jml.StageRevoked), true, jml.StageTimedOut},
		{"no reason", first, jml.Stop{Outcome: jml.StageCancelled, Actor: "ops"}, true, jml.StageTimedOut},
		{"no such outcome", first, stop(jml.StageCompleted), true, jml.StageTimedOut},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(t)
			var rejected error
			var answer *workflows.JourneyResult
			r.at(tt.when, func() {
				r.env.UpdateWorkflow(workflows.UpdateStop, "", &testsuite.TestUpdateCallback{
					OnAccept: func() {},
					OnReject: func(err error) { rejected = err },
					OnComplete: func(res any, err error) {
						if err == nil {
							v := res.(workflows.JourneyResult)
							answer = &v
						}
					},
				}, tt.req)
			})
			r.outcome(r.finish(), tt.outcome)
			if (rejected != nil) != tt.refused {
				t.Errorf("refusal %v, want one: %t", rejected, tt.refused)
			}
			if !tt.refused && (answer == nil || answer.Outcome != tt.outcome) {
				t.Errorf("answer %+v, want outcome %s", answer, tt.outcome)
			}
			if !tt.refused && r.fake.closed[0].Actor != "ops" {
				t.Errorf("audit %+v does not name the actor", r.fake.closed[0])
			}
		})
	}
}

func TestBlockedGoesOnWhenMended(t *testing.T) {
	r := newRun(t)
	issueAt := first.Add(-48 * time.Hour)
	mended := issueAt.Add(30 * time.Minute)
	r.fake.look = registered(first)
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		if r.fake.now().Before(mended) {
			return jml.Verdict{Block: jml.Blocked(jml.ReasonUserNotFound, "")}, nil
		}
		return jml.Verdict{User: user}, nil
	}
	r.at(issueAt.Add(20*time.Minute), func() {
		v := r.view()
		if v.Stage != jml.StageBlocked || v.Block == nil || v.Block.Reason != jml.ReasonUserNotFound || v.Recheck.IsZero() {
			t.Errorf("view %+v, want blocked with reason and next try", v)
		}
	})
	// Somebody made the account and does not want to wait for the next try.
	r.at(mended, func() { r.env.SignalWorkflow(workflows.SignalLook, nil) })
	r.outcome(r.finish(), jml.StageCompleted)
}

func TestBlockedTimesOutWithReason(t *testing.T) {
	r := newRun(t)
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		return jml.Verdict{User: user, Block: jml.Blocked(jml.ReasonUserPrivileged, "")}, nil
	}
	res := r.finish()
	r.outcome(res, jml.StageTimedOut)
	if res.Block == nil || res.Block.Reason != jml.ReasonUserPrivileged {
		t.Errorf("block %+v", res.Block)
	}
	if len(r.fake.issued) != 0 {
		t.Error("a privileged user got a pass")
	}
}

// HR corrects whom it means while preflight is looking for the wrong one: the
// pass goes to the right person, and to nobody else.
func TestMatchCorrectedDuringPreflight(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	wrong := jml.User{ID: "9c0f7a10-0000-4a6e-9a57-1f0f4f1d2c99", UPN: "someone.else@example.com", Enabled: true}
	r.fake.preflight = func(in workflows.PreflightInput) (jml.Verdict, error) {
		if in.Match.Attribute == "employeeId" {
			r.env.SignalWorkflow(workflows.SignalFacts, snapshot(seen(begin.Add(time.Hour)), func(s *jml.Snapshot) {
				s.Match = &jml.Match{Attribute: "userPrincipalName", Value: user.UPN}
			}))
			return jml.Verdict{User: wrong}, nil
		}
		return jml.Verdict{User: user}, nil
	}
	r.outcome(r.finish(), jml.StageCompleted)
	for _, in := range r.fake.issued {
		if in.UserID != user.ID {
			t.Errorf("a pass was issued to %s", in.Notice.SignInName)
		}
	}
}

func TestSkipped(t *testing.T) {
	r := newRun(t)
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		return jml.Verdict{User: user, Already: []jml.Method{{ID: "m", Kind: jml.MethodFIDO2}}}, nil
	}
	r.outcome(r.finish(), jml.StageSkipped)
	if len(r.fake.issued) != 0 {
		t.Error("a pass was issued")
	}
}

func TestLateStartIsNow(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(begin)
	r.tell(begin, snapshot(func(s *jml.Snapshot) { s.StartDate = jml.Date{Year: 2026, Month: 11, Day: 10} }))
	r.outcome(r.finishWithoutFacts(), jml.StageCompleted)
	if got, want := r.fake.looked[0], begin.Add(2*time.Minute); !got.Equal(want) {
		t.Errorf("first look at %s, want %s", got, want)
	}
}

func TestIssueThatFailsIsSweptAndTriedAgain(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	tries := 0
	r.fake.issue = func(_ context.Context, in workflows.IssueInput) (workflows.IssueResult, error) {
		if tries++; tries == 1 {
			return workflows.IssueResult{}, temporal.NewApplicationErrorWithOptions("mail refused", workflows.ErrorType, temporal.ApplicationErrorOptions{
				NonRetryable: true, Details: []any{*jml.Blocked(jml.ReasonMessageRefused, "status 400")},
			})
		}
		return workflows.IssueResult{Pass: jml.Pass{MethodID: "pass-2", CreatedAt: r.fake.now(), StartAt: in.Request.StartAt, Lifetime: in.Request.Lifetime}}, nil
	}
	r.at(first.Add(-48*time.Hour).Add(30*time.Second), func() {
		if v := r.view(); v.Block == nil || v.Block.Reason != jml.ReasonMessageRefused {
			t.Errorf("view %+v, want blocked by %s", v, jml.ReasonMessageRefused)
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
	if got := r.fake.revoked[0]; got.MethodID != "" || got.Request.Since.IsZero() {
		t.Errorf("first revocation %+v, want a sweep", got)
	}
}

// A pass workflow that is cancelled from outside revokes, and the joiner does
// not defy whoever did it by issuing another at once.
func TestPassCancelledFromOutside(t *testing.T) {
	r := newRun(t)
	r.fake.look = registered(first)
	r.at(first.Add(-time.Hour), func() {
		r.env.CancelWorkflowByID(workflows.PassID(user.ID), "")
	})
	r.at(first.Add(-time.Hour).Add(10*time.Second), func() {
		if v := r.view(); v.Block == nil || v.Block.Reason != jml.ReasonPassLost {
			t.Errorf("view %+v, want blocked by %s", v, jml.ReasonPassLost)
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
}

// A joiner that is blocked for months continues as new and keeps what it knows.
func TestLongBlockContinuesAsNew(t *testing.T) {
	late := func(s *jml.Snapshot) { s.StartDate = jml.Date{Year: 2026, Month: 11, Day: 18} }
	blocked := func(workflows.PreflightInput) (jml.Verdict, error) {
		return jml.Verdict{Block: jml.Blocked(jml.ReasonUserNotFound, "")}, nil
	}
	r := newRun(t)
	r.fake.preflight = blocked
	r.env.SetContinueAsNewSuggested(true)
	r.tell(begin, snapshot(late))
	r.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: r.prof})
	var again *workflow.ContinueAsNewError
	if err := r.env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	var in workflows.JourneyInput
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	next := newRun(t)
	next.fake.preflight = blocked
	next.env.ExecuteWorkflow(workflows.TypeJoiner, in)
	var res workflows.JourneyResult
	if err := next.env.GetWorkflowResult(&res); err != nil {
		t.Fatal(err)
	}
	next.outcome(res, jml.StageTimedOut)
	if !res.Facts.SameContent(snapshot(late)) || res.Block == nil {
		t.Errorf("result %+v", res)
	}
}
