package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// TestKillAtRemoval kills the shipped program with kill -9 at each step of a
// removal. What was lost goes, all of it and nothing else; the audit announces
// each before it goes; and there is no pass before it has.
func TestKillAtRemoval(t *testing.T) {
	tests := []struct {
		name  string
		fault entrasim.Fault
		gone  int // methods, when we die
	}{
		{"ending sessions, done after we are dead", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpRevokeSessions}, Hold: entrasim.HoldBefore}, 0},
		{"sessions ended, reply not read", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpRevokeSessions}, Hold: entrasim.HoldAfter}, 0},
		{"delete sent, done after we are dead", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeleteMethod}, Hold: entrasim.HoldBefore}, 0},
		{"delete done, reply not read", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeleteMethod}, Hold: entrasim.HoldAfter}, 1},
		{"between two deletes", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeleteMethod}, Skip: 1, Hold: entrasim.HoldBefore}, 1},
		{"both deleted, reply not read", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeleteMethod}, Skip: 1, Hold: entrasim.HoldAfter}, 2},
		// Preflight lists once, and so does the removal before it deletes; the
		// command line had its look before the fault was there.
		{"deleted, not read back", entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpListMethods}, Skip: 2, Hold: entrasim.HoldBefore}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			w.Employed("Sales", entrasim.KindFIDO2, entrasim.KindAuthenticator, entrasim.KindPhone)
			w.administers() // so that nothing happens before it is approved
			lost := []entrasim.Method{w.method(entrasim.KindFIDO2), w.method(entrasim.KindAuthenticator)}
			id := w.Recover("--loss", "stolen", "--method", lost[0].ID, "--method", lost[1].ID)
			w.Asked(id)
			h := w.Tenant.MustInject(tt.fault)
			w.Do("approve", id, "--actor", approver, "--reason", "spoke to the team lead")
			w.reached(h)
			w.Kill()
			if n := len(w.Tenant.MethodDeletions()); n != tt.gone {
				t.Errorf("%d methods were gone at this point, want %d", n, tt.gone)
			}
			w.announced()
			h.Release()
			w.Run()
			// That nobody beats any more is noticed after 15 s.
			i := w.Invitation(w.Person, 1)
			for _, m := range lost {
				if slices.ContainsFunc(w.Tenant.Methods(w.User(w.Person).ID), func(have entrasim.Method) bool { return have.ID == m.ID }) {
					t.Errorf("invited while %s is still registered", m.Kind)
				}
			}
			code, _ := w.Collect(w.Person, id, i)
			w.Use(w.Person, code)
			w.Completes(id)
			w.registered(entrasim.KindPhone, entrasim.KindFIDO2)
			if gone := w.Tenant.MethodDeletions(); len(gone) != len(lost) {
				t.Errorf("%d methods deleted, want %d", len(gone), len(lost))
			}
			if n := len(w.Tenant.SessionsRevoked(w.User(w.Person).ID)); n < 1 || n > 2 {
				t.Errorf("signed out everywhere %d times, want once or twice", n)
			}
		})
	}
}

// reached waits until a fault holds a request.
func (w *testWorld) reached(h *entrasim.FaultHandle) {
	w.t.Helper()
	select {
	case <-h.Arrived():
	case <-time.After(time.Minute):
		w.t.Fatal("the point was not reached")
	}
}

// announced fails the test if a method has gone that the audit does not name.
func (w *testWorld) announced() {
	w.t.Helper()
	audit := w.Audit()
	for _, gone := range w.Tenant.MethodDeletions() {
		if !strings.Contains(audit, gone.MethodID) {
			w.t.Errorf("%s has gone, and the audit does not say so", gone.Kind)
		}
	}
}

// TestKillAtTidying kills the shipped program while it takes away what a
// technician registered.
func TestKillAtTidying(t *testing.T) {
	for name, hold := range map[string]entrasim.Hold{"delete sent": entrasim.HoldBefore, "delete done": entrasim.HoldAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			id := w.Stage("1h")
			w.Approve(id)
			code, _ := w.Collect(w.Person, id, w.StagingInvitation(1))
			w.must(w.Tenant.Register(w.SignIn(w.Person, code), entrasim.Method{Kind: entrasim.KindAuthenticator}))
			h := w.Tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeleteMethod}, Hold: hold})
			done := make(chan int, 1)
			go func() {
				_, _, code := w.Command("device-done", id, "--reason", "handed over", "--actor", operator)
				done <- code
			}()
			w.reached(h)
			w.Kill()
			w.must(nil, w.noLivePass()) // it goes first
			h.Release()
			w.Run()
			if got := w.Result(id).Outcome; got != jml.StageCompleted {
				t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
			}
			w.registered()
			if code := <-done; code != 0 {
				t.Errorf("device-done, which waited all the time: exit status %d", code)
			}
		})
	}
}

// TestKillAtApproval: whoever approves while Firstpass is dead, or dies, is
// answered when it is back, or may do it again; it counts once.
func TestKillAtApproval(t *testing.T) {
	approve := func(w *testWorld, id string) (out, says string, code int) {
		return w.Command("approve", id, "--actor", approver, "--reason", "spoke to the team lead")
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		id := w.Stage("1h")
		w.Asked(id)
		// The command looks first; the worker dies between that and the update.
		done := make(chan int, 1)
		go func() {
			_, _, code := approve(w, id)
			done <- code
		}()
		w.killAtQuery()
		w.Run()
		<-done
		w.decided(id, approve)
	})
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond} {
		t.Run("killed "+after.String()+" after the word is written", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			id := w.Stage("1h")
			w.Asked(id)
			done := make(chan int, 1)
			go func() {
				_, _, code := approve(w, id)
				done <- code
			}()
			w.Eventually(time.Minute, "the audit has it", func() error {
				raw, err := os.ReadFile(w.path("audit.jsonl"))
				if err == nil && !strings.Contains(string(raw), approver) {
					err = errors.New("not yet")
				}
				return err
			})
			// Between the line in the audit and Temporal's word nothing shows that
			// could be waited for: the kill is to fall at several points of it.
			time.Sleep(after)
			w.Kill()
			w.Run()
			<-done
			w.decided(id, approve)
		})
	}
}

// killAtQuery kills Firstpass while a command is on its way to a journey: as
// soon as its look at it has been answered.
func (w *testWorld) killAtQuery() {
	w.t.Helper()
	before := w.Temporal.ActionsByKind(w.cfg.Namespace)
	w.Eventually(time.Minute, "the command looks", func() error {
		for kind, n := range w.Temporal.ActionsByKind(w.cfg.Namespace) {
			if isQuery(kind) && n > before[kind] {
				return nil
			}
		}
		return errors.New("not yet")
	})
	w.Kill()
}

// decided goes on from an approval that broke off, to a good end.
func (w *testWorld) decided(id string, approve func(*testWorld, string) (out, says string, code int)) {
	w.t.Helper()
	w.Eventually(time.Minute, "it can be asked", func() error {
		_, err := w.View(id)
		return err
	})
	if v, err := w.View(id); err != nil || v.Approval == nil {
		w.t.Fatalf("approval %+v, %v", v.Approval, err)
	} else if v.Approval.Decided.IsZero() {
		if _, says, code := approve(w, id); code != 0 {
			w.t.Fatalf("approving again: exit status %d\n%s", code, says)
		}
	}
	if _, says, code := approve(w, id); code == 0 || !strings.Contains(says, "decided already") {
		w.t.Errorf("approving once more: exit status %d\n%s", code, says)
	}
	v, err := w.View(id)
	w.must(nil, err)
	if !v.Approval.Approved || v.Approval.By != approver {
		w.t.Errorf("approval %+v", v.Approval)
	}
	code, _ := w.Collect(w.Person, id, w.StagingInvitation(1))
	w.SignIn(w.Person, code)
	w.onePass()
	w.Do("device-done", id, "--reason", "handed over", "--actor", operator)
	w.must(nil, w.noLivePass())
}

// TestKillAtRecovery kills the shipped program while the pass of a recovery is
// being made: whoever is at the page gets it by going on, and there was never
// another one live.
func TestKillAtRecovery(t *testing.T) {
	for name, f := range map[string]struct {
		hold entrasim.Hold
		gone bool
	}{
		"create sent, done after we are dead": {entrasim.HoldBefore, false},
		"create done, reply not read":         {entrasim.HoldAfter, false},
		"result there, page not shown":        {entrasim.HoldAfter, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			w.Employed("Sales", entrasim.KindFIDO2)
			id := w.Recover("--loss", "lost", "--method", w.method(entrasim.KindFIDO2).ID)
			v := w.Visit()
			w.must(nil, v.EnterRight(t.Context(), w.Invitation(w.Person, 1)))
			w.must(nil, v.Prove(t.Context(), w.Papers(w.Person, id)))
			w.dieWhileMaking(v, entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Hold: f.hold}, f.gone)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			w.Use(w.Person, w.Shown(v.Insist(ctx)))
			if r := w.Completes(id); len(r.Removed) != 1 || r.Removed[0].Kind != jml.MethodFIDO2 {
				t.Errorf("removed %+v", r.Removed)
			}
			w.registered(entrasim.KindFIDO2)
		})
	}
}
