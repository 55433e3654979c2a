package main

import (
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// TestKillFirstpass kills the shipped program with kill -9 at each point of
// issuing, handing over and revoking, under a real Temporal server. Each joiner
// must complete, and newWorld checks the rest: never two live passes, and no
// passcode in any file or history.
func TestKillFirstpass(t *testing.T) {
	pass := func(op string, hold entrasim.Hold) func(*testWorld) (<-chan struct{}, func()) {
		return func(w *testWorld) (<-chan struct{}, func()) {
			h := w.Tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: op}, Hold: hold})
			return h.Arrived(), h.Release
		}
	}
	mail := func(f fault.Fault) func(*testWorld) (<-chan struct{}, func()) {
		return func(w *testWorld) (<-chan struct{}, func()) {
			h := w.Mailbox.Inject(f)
			return h.Arrived(), h.Release
		}
	}
	tests := []struct {
		name  string
		hold  func(*testWorld) (arrived <-chan struct{}, release func())
		mails int  // that reach the person in the end
		late  bool // the point lies behind the registration
	}{
		{"while listing, before the create", pass(entrasim.OpListPasses, entrasim.HoldBefore), 1, false},
		{"create sent, done after we are dead", pass(entrasim.OpCreatePass, entrasim.HoldBefore), 1, false},
		{"create done, reply not read", pass(entrasim.OpCreatePass, entrasim.HoldAfter), 1, false},
		{"mail sent, accepted after we are dead", mail(fault.Fault{Hold: true}), 2, false},
		{"mail accepted, answer not read", mail(fault.Fault{Hold: true, After: true}), 2, false},
		{"delete sent, done after we are dead", pass(entrasim.OpDeletePass, entrasim.HoldBefore), 1, true},
		{"delete done, reply not read", pass(entrasim.OpDeletePass, entrasim.HoldAfter), 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			arrived, release := tt.hold(w)
			id := w.Post(w.Joiner(w.Person, 3*time.Second))
			if tt.late {
				w.Onboard(w.Person)
				w.Nudge(w.Person)
			}
			select {
			case <-arrived:
			case <-time.After(time.Minute):
				t.Fatal("the point was not reached")
			}
			w.Kill()
			release()
			w.Run()
			if !tt.late {
				code := w.Passcode(w.Person, tt.mails)
				s := w.SignIn(w.Person, code)
				w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}))
				w.Nudge(w.Person)
			}
			if got := w.Result(id).Outcome; got != jml.StageCompleted {
				t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
			}
			if n := w.Tenant.PassLive(w.User(w.Person).ID); n != 0 {
				t.Errorf("%d passes are live", n)
			}
			mails := w.Mailbox.MailsTo(w.Person.Mail)
			if len(mails) != tt.mails {
				t.Fatalf("%d mails, want %d", len(mails), tt.mails)
			}
			if tt.mails > 1 && !strings.Contains(mails[len(mails)-1].Text, "no longer works") {
				t.Errorf("the last mail does not say that an earlier pass no longer works:\n%s", mails[len(mails)-1].Subject)
			}
		})
	}
}

// TestTerminated: whoever terminates a workflow by Temporal's own tools leaves
// no pass behind.
func TestTerminated(t *testing.T) {
	t.Run("joiner", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		id := w.Post(w.Joiner(w.Person, time.Hour))
		w.Passcode(w.Person, 1)
		w.WaitFor(id, time.Minute, "a pass", func(v workflows.JourneyView) bool { return v.PassID != "" })
		w.must(nil, w.Client.TerminateWorkflow(t.Context(), id, "", "test"))
		w.Eventually(time.Minute, "the pass is gone", w.noLivePass)
	})
	t.Run("pass", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		id := w.Post(w.Joiner(w.Person, 5*time.Second))
		w.Passcode(w.Person, 1)
		w.must(nil, w.Client.TerminateWorkflow(t.Context(), workflows.PassID(w.User(w.Person).ID), "", "test"))
		// The joiner revokes what was left and issues another.
		code := w.Passcode(w.Person, 2)
		s := w.SignIn(w.Person, code)
		w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}))
		if got := w.Result(id).Outcome; got != jml.StageCompleted {
			t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
		}
	})
}

// TestTwoSourcesOneUser: two HR systems know the same person. There is one pass
// at a time; the second joiner says why it waits, and then has nothing to do.
func TestTwoSourcesOneUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	first := w.Post(w.Joiner(w.Person, 6*time.Second))
	w.Passcode(w.Person, 1)
	second := w.PostAs(sourceCanonical, w.Joiner(w.Person, 6*time.Second))
	w.WaitFor(second, time.Minute, "blocked", func(v workflows.JourneyView) bool {
		return v.Block != nil && v.Block.Reason == jml.ReasonPassHeldElsewhere
	})
	w.Onboard(w.Person)
	if got := w.Result(first).Outcome; got != jml.StageCompleted {
		t.Errorf("first: %s, want %s", got, jml.StageCompleted)
	}
	if got := w.Result(second).Outcome; got != jml.StageSkipped {
		t.Errorf("second: %s, want %s", got, jml.StageSkipped)
	}
	if n := len(w.Mailbox.MailsTo(w.Person.Mail)); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}
