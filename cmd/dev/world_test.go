package main

import (
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// The whole story in a quick form, as each of the sources tells it, within the
// limits that are promised.
func TestJoinerCompletes(t *testing.T) {
	for _, source := range []string{sourceBambooHR, sourceCanonical} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{Profile: func(p *profileSettings) { p.Poll = []time.Duration{time.Hour} }})
			id := w.PostAs(source, w.Joiner(w.Person, 4*time.Second))
			w.Onboard(w.Person)
			w.Nudge(w.Person)
			if got := w.Result(id).Outcome; got != jml.StageCompleted {
				t.Errorf("outcome: got %s, want %s", got, jml.StageCompleted)
			}
			user := w.User(w.Person)
			if got := w.Tenant.PassLive(user.ID); got != 0 {
				t.Errorf("live passes: got %d, want 0", got)
			}
			code := w.Passcode(w.Person, 1)
			if _, err := w.Tenant.SignIn(w.Person.UPN, code); err != entrasim.RefusedDeleted {
				t.Errorf("sign-in afterwards: got %v, want %v", err, entrasim.RefusedDeleted)
			}
			graph, actions, events := w.Tenant.Counts().Graph, w.Actions(), w.Events()
			t.Logf("%d Graph requests, %d Temporal actions %v, %d history events", graph, actions, w.Temporal.ActionsByKind(w.cfg.Namespace), events)
			if l := limitsOf(cohortSend); graph > l.graph || actions > l.actions || events > l.events {
				t.Errorf("over a limit: %d Graph requests (%d), %d actions (%d), %d events (%d)", graph, l.graph, actions, l.actions, events, l.events)
			}
		})
	}
}

// A world of its own goes on with what was under way, after its Temporal
// server and Firstpass went away.
func TestWorldGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{OwnTemporal: true})
	id := w.Post(w.Joiner(w.Person, 8*time.Second))
	w.Passcode(w.Person, 1)
	w.Kill()
	if err := w.StopTemporal(); err != nil {
		t.Fatal(err)
	}
	if err := w.StartTemporal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Run()
	w.Onboard(w.Person)
	w.Nudge(w.Person)
	if got := w.Result(id).Outcome; got != jml.StageCompleted {
		t.Errorf("outcome: got %s, want %s", got, jml.StageCompleted)
	}
}

func TestTwoWorldsCannotShareAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFolder(dir); err == nil {
		t.Error("a second lock was given")
	} else {
		t.Log(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFolder(dir)
	if err != nil {
		t.Fatalf("after the first was released: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}
