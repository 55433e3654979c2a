package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"firstpass.internal/activities"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// crash is what a killed process looks like from inside a test: the panic
// unwinds past all clean-up code of the activity.
type crash struct{}

// world is a tenant, a mailbox, an audit and Temporal's heartbeats, with a
// power switch: the process dies at the step called dieAt, before or after the
// step had its effect. What is in world survives.
type world struct {
	steps     int
	dieAt     int
	dieAfter  bool
	onStep    []string
	clock     time.Time
	minted    int
	passes    []jml.Pass
	codes     map[string]string // method id → passcode
	mails     []mail
	lines     []audit.Entry
	mark      activities.Checkpoint
	marked    bool
	violation string

	// loseReply makes Create do its work and report an unknown outcome.
	loseReply  bool
	refuseMail *jml.Fault
	listLag    int // reads that don't show a new pass yet
}

type mail struct {
	code     string
	replaces bool
}

const userID = "0b8d7a1e-5c1f-4a6e-9a57-1f0f4f1d2c11"

func newWorld() *world {
	return &world{clock: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC), codes: map[string]string{}}
}

// step does effect unless the process dies first, and dies after it if asked.
func (w *world) step(name string, effect func()) {
	w.steps++
	w.onStep = append(w.onStep, name)
	w.clock = w.clock.Add(time.Second)
	if w.steps == w.dieAt && !w.dieAfter {
		panic(crash{})
	}
	effect()
	if w.steps == w.dieAt {
		panic(crash{})
	}
}

func (w *world) FindUsers(context.Context, jml.Match) (users []jml.User, err error) {
	w.step("find", func() { users = []jml.User{{ID: userID, Enabled: true}} })
	return users, nil
}
func (w *world) PassPolicy(context.Context) (jml.PassPolicy, error)           { return jml.PassPolicy{}, nil }
func (w *world) MemberOf(context.Context, string, []string) ([]string, error) { return nil, nil }
func (w *world) Privilege(context.Context, string) (jml.Privilege, error) {
	return jml.Privilege{}, nil
}
func (w *world) Methods(context.Context, string) ([]jml.Method, error) { return nil, nil }
func (w *world) Check(context.Context, jml.Notice) error               { return nil }
func (w *world) Probe(context.Context, string, *jml.Notice) error      { return nil }
func (w *world) Keep(context.Context) func()                           { return func() {} }
func (w *world) Load(context.Context) (activities.Checkpoint, error)   { return w.mark, nil }

func (w *world) Passes(context.Context, string) (out []jml.Pass, err error) {
	w.step("list", func() {
		if w.listLag > 0 {
			w.listLag--
			return
		}
		out = append(out, w.passes...)
	})
	return out, nil
}

func (w *world) CreatePass(_ context.Context, _ string, r jml.PassRequest, now time.Time) (p jml.Pass, c secret.Passcode, err error) {
	w.step("create", func() {
		for _, old := range w.passes {
			if !old.Dead() {
				w.violation = "two live passes: " + old.MethodID + " was there at a create"
			}
		}
		w.minted++
		id := fmt.Sprintf("pass-%d", w.minted)
		code := fmt.Sprintf("C0de+%d-canary", w.minted)
		start := r.StartAt
		if now.After(start) {
			start = now
		}
		p = jml.Pass{MethodID: id, CreatedAt: w.clock, StartAt: start, Lifetime: r.Lifetime, OneTime: r.OneTime}
		w.passes = []jml.Pass{p}
		w.codes[id] = code
		c = secret.NewPasscode(code)
	})
	if w.loseReply {
		w.loseReply = false
		return jml.Pass{}, secret.Passcode{}, &jml.Fault{System: "graph", Op: "create pass", Kind: jml.FaultUnavailable}
	}
	return p, c, nil
}

func (w *world) DeletePass(_ context.Context, _, id string) error {
	w.step("delete", func() {
		var left []jml.Pass
		for _, p := range w.passes {
			if p.MethodID != id {
				left = append(left, p)
			}
		}
		w.passes = left
	})
	return nil
}

func (w *world) Send(_ context.Context, n jml.Notice, c secret.Passcode) (jml.Receipt, error) {
	if w.refuseMail != nil {
		return jml.Receipt{}, w.refuseMail
	}
	w.step("send", func() { w.mails = append(w.mails, mail{c.Reveal(), n.Replaces}) })
	return jml.Receipt{MessageID: "m"}, nil
}

func (w *world) Append(_ context.Context, e audit.Entry) error {
	w.step("audit "+string(e.Event), func() { w.lines = append(w.lines, e) })
	return nil
}

func (w *world) Save(_ context.Context, v activities.Checkpoint) error {
	w.step("checkpoint", func() { w.mark, w.marked = v, true })
	return nil
}

func (w *world) activities(t testing.TB) *activities.Activities {
	t.Helper()
	a, err := activities.New(activities.Config{
		Directory: w, Sender: w, Audit: w, Checkpoints: w,
		Now:    func() time.Time { return w.clock },
		Pause:  func(_ context.Context, d time.Duration) { w.clock = w.clock.Add(d) },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var input = workflows.IssueInput{
	Ref: "ref", UserID: userID,
	Request: jml.PassRequest{
		StartAt: time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC), Lifetime: 8 * time.Hour, OneTime: true,
		Since: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC),
	},
	Notice: jml.Notice{Channel: "mail", Recipient: "freja@example.org"},
}

// attempt runs one try of the activity; died reports a crash.
func (w *world) attempt(t testing.TB, dieAt int, after bool) (res workflows.IssueResult, err error, died bool) {
	w.steps, w.dieAt, w.dieAfter, w.onStep = 0, dieAt, after, nil
	defer func() {
		w.dieAt = 0
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			died = true
		}
	}()
	res, err = w.activities(t).IssuePass(context.Background(), input)
	return res, err, false
}

func (w *world) checkIssued(t *testing.T, res workflows.IssueResult) {
	t.Helper()
	if w.violation != "" {
		t.Error(w.violation)
	}
	if len(w.passes) != 1 || w.passes[0].MethodID != res.Pass.MethodID {
		t.Fatalf("the tenant holds %v, the result names %s", w.passes, res.Pass.MethodID)
	}
	last := w.mails[len(w.mails)-1]
	if last.code != w.codes[res.Pass.MethodID] {
		t.Errorf("the last mail holds another passcode than the live pass")
	}
	for i, m := range w.mails[1:] {
		if !m.replaces {
			t.Errorf("mail %d does not say that an earlier pass no longer works", i+2)
		}
	}
	if kept := fmt.Sprintf("%+v %+v %+v", w.lines, w.mark, res); strings.Contains(kept, "canary") {
		t.Errorf("a passcode rests in %s", kept)
	}
}

// TestCrashAnywhere kills the process at every step, before and after the step
// took effect, in the first try and again in the second.
func TestCrashAnywhere(t *testing.T) {
	probe := newWorld()
	if _, err, _ := probe.attempt(t, 0, false); err != nil {
		t.Fatal(err)
	}
	steps := probe.steps + 8 // later tries clean up first and so take more
	runs := 0
	for first := 1; first <= steps; first++ {
		for _, firstAfter := range []bool{false, true} {
			for second := 0; second <= steps; second++ {
				for _, secondAfter := range []bool{false, true} {
					w := newWorld()
					w.attempt(t, first, firstAfter)
					w.attempt(t, second, secondAfter)
					res, err, died := w.attempt(t, 0, false)
					if err != nil || died {
						t.Fatalf("killed at %d (after: %t), then %d (after: %t): the third try gave %v after %v",
							first, firstAfter, second, secondAfter, err, w.onStep)
					}
					w.checkIssued(t, res)
					if t.Failed() {
						t.Fatalf("killed at %d (after: %t), then %d (after: %t)", first, firstAfter, second, secondAfter)
					}
					runs++
				}
			}
		}
	}
	t.Logf("%d pairs of crashes, %d steps in a plain run", runs, probe.steps)
}

// TestCrashThenGiveUp kills the process at every step and then lets the workflow
// revoke what may be there: nothing may be left.
func TestCrashThenGiveUp(t *testing.T) {
	for at := 1; at < 20; at++ {
		for _, after := range []bool{false, true} {
			w := newWorld()
			w.attempt(t, at, after)
			w.listLag = 1 // the lost pass shows late
			res, err := w.activities(t).RevokePass(context.Background(), workflows.RevokeInput{
				Ref: "ref", UserID: userID, Request: input.Request, Reason: "not handed over",
			})
			if err != nil {
				t.Fatalf("killed at %d: %v", at, err)
			}
			if len(w.passes) != 0 || res.GoneAt.IsZero() {
				t.Errorf("killed at %d (after: %t): left %v", at, after, w.passes)
			}
		}
	}
}

func TestReplyLost(t *testing.T) {
	w := newWorld()
	w.loseReply = true
	if _, err, _ := w.attempt(t, 0, false); err == nil {
		t.Fatal("a lost reply gave no error")
	}
	res, err, _ := w.attempt(t, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	w.checkIssued(t, res)
	if len(w.mails) != 1 || w.mails[0].replaces {
		t.Errorf("mails %+v: nobody saw the first passcode, so there is one mail and nothing to explain", len(w.mails))
	}
}

func TestMailRefusedLeavesNoPass(t *testing.T) {
	w := newWorld()
	w.refuseMail = &jml.Fault{System: "sendgrid", Op: "send", Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonMessageRefused}
	_, err, _ := w.attempt(t, 0, false)
	if err == nil || !strings.Contains(err.Error(), string(jml.ReasonMessageRefused)) {
		t.Errorf("error %v, want %s", err, jml.ReasonMessageRefused)
	}
	if len(w.passes) != 0 {
		t.Errorf("left %v", w.passes)
	}
}

func TestForeignPassIsLeftAlone(t *testing.T) {
	for _, reason := range []string{"NotYetValid", "EnabledByPolicy", "somethingNew"} {
		w := newWorld()
		w.passes = []jml.Pass{{MethodID: "theirs", CreatedAt: w.clock.Add(-time.Hour), StartAt: w.clock, Lifetime: time.Hour, UsabilityReason: reason}}
		_, err, _ := w.attempt(t, 0, false)
		if err == nil || !strings.Contains(err.Error(), string(jml.ReasonForeignPass)) {
			t.Errorf("%s: error %v, want %s", reason, err, jml.ReasonForeignPass)
		}
		if len(w.passes) != 1 || w.minted != 0 {
			t.Errorf("%s: the pass of somebody else was touched", reason)
		}
	}
}

// A dead pass is in nobody's way: Graph keeps listing it until it is deleted.
func TestDeadPassIsCleared(t *testing.T) {
	for _, reason := range []string{"Expired", "oneTimeUsed"} {
		w := newWorld()
		w.passes = []jml.Pass{{MethodID: "old", CreatedAt: w.clock.AddDate(0, -1, 0), UsabilityReason: reason}}
		res, err, _ := w.attempt(t, 0, false)
		if err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		w.checkIssued(t, res)
	}
}

// A pass that was used was handed over, even if nobody could say so.
func TestUsedPassWasHandedOver(t *testing.T) {
	w := newWorld()
	for at := 1; len(w.mails) == 0; at++ {
		w = newWorld()
		w.attempt(t, at, true) // until the crash is right behind the send
	}
	w.passes[0].UsabilityReason = "OneTimeUsed"
	res, err, _ := w.attempt(t, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if res.Pass.MethodID != "pass-1" || w.minted != 1 || len(w.mails) != 1 {
		t.Errorf("result %+v after %d passes and %d mails", res, w.minted, len(w.mails))
	}
}

func TestNoAuditNoPass(t *testing.T) {
	w := newWorld()
	a, err := activities.New(activities.Config{
		Directory: w, Sender: w, Checkpoints: w, Audit: failingAudit{},
		Now: func() time.Time { return w.clock }, Pause: func(context.Context, time.Duration) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.IssuePass(context.Background(), input)
	if err == nil || !strings.Contains(err.Error(), string(jml.ReasonAuditUnavailable)) {
		t.Errorf("error %v, want %s", err, jml.ReasonAuditUnavailable)
	}
	if w.minted != 0 {
		t.Error("a pass was made without an audit line")
	}
}

type failingAudit struct{}

func (failingAudit) Append(context.Context, audit.Entry) error { return errors.New("disk full") }
