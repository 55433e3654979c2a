package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// TestKillAtPickup kills the shipped program with kill -9 at each step of a
// pick-up. The browser that was at the page gets a pass that works by going on,
// nobody else gets one, and newWorld checks that there were never two live ones
// and that nothing secret is left anywhere.
func TestKillAtPickup(t *testing.T) {
	hold := func(op string, at entrasim.Hold) *entrasim.Fault {
		return &entrasim.Fault{Match: entrasim.Match{Operation: op}, Hold: at}
	}
	tests := []struct {
		name string
		hold *entrasim.Fault // where the pass is being made when we die; nil: before
		gone bool            // the browser has gone away, and the pass is there
	}{
		{"after link and code", nil, false},
		{"during preflight", hold(entrasim.OpListRoleAssignments, entrasim.HoldBefore), false},
		{"while listing, before the create", hold(entrasim.OpListPasses, entrasim.HoldBefore), false},
		{"create sent, done after we are dead", hold(entrasim.OpCreatePass, entrasim.HoldBefore), false},
		{"create done, reply not read", hold(entrasim.OpCreatePass, entrasim.HoldAfter), false},
		{"result there, page not shown", hold(entrasim.OpCreatePass, entrasim.HoldAfter), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{Cohort: cohortPickup})
			id := w.Post(w.Joiner(w.Person, 5*time.Second))
			i := w.Invitation(w.Person, 1)
			v := w.Visit()
			w.must(nil, v.Enter(t.Context(), i))
			if tt.hold == nil {
				w.Restart()
				// For some seconds Temporal still asks the worker that is dead.
				w.Eventually(30*time.Second, "the visit goes on", func() error {
					if err := v.Open(t.Context(), "/p/next"); err != nil || !v.has("/p/fact") {
						return errors.Join(err, v.unexpected("the next proof"))
					}
					return nil
				})
				w.must(nil, v.Prove(t.Context(), w.Papers(w.Person, id)))
			} else {
				w.must(nil, v.Prove(t.Context(), w.Papers(w.Person, id)))
				w.dieWhileMaking(v, *tt.hold, tt.gone)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			code := w.Shown(v.Insist(ctx))
			other := w.Visit()
			w.must(nil, other.Enter(t.Context(), i))
			if other.Problem() == "" {
				t.Errorf("another browser got to %q", other.Title())
			}
			w.Use(w.Person, code)
			w.Completes(id)
		})
	}
}

// dieWhileMaking presses the button and kills Firstpass when the tenant holds a
// request; or, if the browser goes away then, when the workflow has the result.
func (w *testWorld) dieWhileMaking(v *visitor, hold entrasim.Fault, gone bool) {
	w.t.Helper()
	h := w.Tenant.MustInject(hold)
	ctx, leave := context.WithCancel(w.t.Context())
	defer leave()
	pressed := make(chan error, 1)
	go func() {
		_, err := v.Reveal(ctx)
		pressed <- err
	}()
	select {
	case <-h.Arrived():
	case <-time.After(time.Minute):
		w.t.Fatal("the point was not reached")
	}
	if gone {
		leave()
		<-pressed
		h.Release()
		w.Eventually(time.Minute, "the pass is there", func() error {
			// And its notice is out: one that dies with us is sent two minutes
			// later, and the joiner waits for that.
			p, err := w.PassView(w.Person)
			if err == nil && (p.Issued == nil || len(deliveredTo(p.Deliveries, jml.MessageCollected)) == 0) {
				err = errors.New("not yet")
			}
			return err
		})
		w.Restart()
		return
	}
	w.Kill()
	if err := <-pressed; err == nil {
		w.t.Error("the page came though its server was dead")
	}
	h.Release()
	w.Run()
}

// TestKillPage kills the process of the page alone, which holds no key but that
// of the visitors' cookies: the pass is made without it, and the browser that
// asked for it is shown it by the next process.
func TestKillPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup, Roles: "intake,work"})
	var page *child
	// Two processes of one machine need a listener for monitoring each.
	settings, err := os.ReadFile(w.Settings())
	w.must(nil, err)
	own := w.path("page.yaml")
	w.must(nil, os.WriteFile(own, []byte(strings.ReplaceAll(string(settings), loopback(w.Ports.Metrics), "127.0.0.1:0")), 0o600))
	start := func() {
		t.Helper()
		var err error
		page, err = startChild(w.cfg.Firstpass, []string{"serve", "--config", own, "--role", "pickup"}, w.path("page.log"))
		w.must(nil, err)
		w.Eventually(30*time.Second, "the page is up", func() error { return answersHTTP(t.Context(), w.PickupURL()+"/readyz") })
	}
	start()
	defer func() { w.must(nil, page.Stop(30*time.Second)) }()
	id := w.Post(w.Joiner(w.Person, 10*time.Second))
	v := w.Visit()
	w.must(nil, v.Enter(t.Context(), w.Invitation(w.Person, 1)))
	w.must(nil, v.Prove(t.Context(), w.Papers(w.Person, id)))
	h := w.Tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Hold: entrasim.HoldAfter})
	pressed := make(chan error, 1)
	go func() {
		_, err := v.Reveal(t.Context())
		pressed <- err
	}()
	<-h.Arrived()
	w.must(nil, page.Kill())
	if err := <-pressed; err == nil {
		t.Error("the page came though its process was dead")
	}
	h.Release()
	start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code := w.Shown(v.Insist(ctx))
	if n := len(w.Tenant.Passes(w.User(w.Person).ID)); n != 1 {
		t.Errorf("%d passes, want the one that was being made", n)
	}
	w.Use(w.Person, code)
	w.Completes(id)
}
