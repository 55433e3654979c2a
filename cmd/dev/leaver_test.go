package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// goneWithin is how long after HR's word a pass may still be there.
const goneWithin = 10 * time.Second

// TestLeaver: HR says that somebody has left while a recovery, a staging and a
// mover run. All of them end, and the pass goes, whichever of them has it. The
// longest time that took is printed.
func TestLeaver(t *testing.T) {
	for _, holder := range []jml.Kind{jml.KindRecovery, jml.KindStaging, jml.KindMover} {
		t.Run(string(holder), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			w.must(w.Tenant.AddUser(technician()))
			r := w.Employed("Sales", entrasim.KindAuthenticator)
			begin := map[jml.Kind]func(){
				jml.KindRecovery: func() { w.Recover("--loss", "lost") },
				jml.KindStaging: func() {
					w.stage("1h")
					w.Approve(w.Journey(jml.KindStaging))
				},
				jml.KindMover: func() {
					r.Department = "Treasury"
					w.Post(r)
				},
			}
			begin[holder]()
			i := map[jml.Kind]func() invitation{
				jml.KindRecovery: func() invitation { return w.Invitation(w.Person, 1) },
				jml.KindStaging:  func() invitation { return w.StagingInvitation(1) },
				jml.KindMover:    w.workInvitation,
			}[holder]()
			code, _ := w.Collect(w.Person, w.Journey(holder), i)
			w.SignIn(w.Person, code)
			// One at a time has a pass; the others wait for it.
			for kind, start := range begin {
				if kind != holder {
					start()
					w.Blocked(w.Journey(kind), jml.ReasonPassHeldElsewhere)
				}
			}
			r.Left = true
			said := time.Now()
			w.Post(r)
			var gone time.Duration
			w.Eventually(goneWithin, "the pass is gone", func() error {
				if n := len(w.Tenant.Passes(w.User(w.Person).ID)); n > 0 {
					return fmt.Errorf("%d passes", n)
				}
				gone = time.Since(said)
				return nil
			})
			if _, err := w.Tenant.SignIn(w.Person.UPN, code); !errors.Is(err, entrasim.RefusedDeleted) {
				t.Errorf("sign-in: %v", err)
			}
			for kind := range begin {
				if got := w.Result(w.Journey(kind)).Outcome; got != jml.StageCancelled {
					t.Errorf("%s: outcome %s, want %s", kind, got, jml.StageCancelled)
				}
			}
			t.Logf("pass of the %s gone %s, all journeys ended %s after HR said so", holder, gone.Round(10*time.Millisecond), time.Since(said).Round(10*time.Millisecond))
			if made := slices.DeleteFunc(w.Tenant.PassEvents(), func(e entrasim.PassEvent) bool { return e.Kind != entrasim.PassCreated }); len(made) != 1 {
				t.Errorf("%d passes were made, want 1", len(made))
			}
		})
	}
}

// TestLeaverBeforeWord: nobody who has left gets a recovery or a staging, and
// one that waits for approval when HR says so ends.
func TestLeaverBeforeWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	id := w.Stage("1h")
	w.Asked(id)
	r := w.Joiner(w.Person, -longAgo)
	r.Left = true
	w.Post(r)
	if got := w.Result(id).Outcome; got != jml.StageCancelled {
		t.Errorf("outcome %s, want %s", got, jml.StageCancelled)
	}
	if _, says, code := w.Command("approve", id, "--actor", approver, "--reason", "spoke to the team lead"); code == 0 {
		t.Errorf("approved though it has ended: %s", says)
	}
	if _, says, code := w.recovery("--loss", "lost"); code == 0 {
		t.Errorf("a recovery of somebody who has left: %s", says)
	}
	if n := len(slices.DeleteFunc(w.WorkflowIDs(), func(id string) bool { return workflows.KindOf(id) != jml.KindRecovery })); n > 0 {
		t.Errorf("%d recoveries", n)
	}
}
