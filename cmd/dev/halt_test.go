package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// issues are the times at which the tenant made a pass.
func (w *testWorld) issues() (at []time.Time) {
	for _, r := range w.Tenant.Requests() {
		if r.Operation == entrasim.OpCreatePass && r.WorkStatus/100 == 2 {
			at = append(at, r.Time)
		}
	}
	return at
}

// TestKillSwitch: thrown while twenty joiners come due, it keeps everybody
// without a pass who has none yet, over a crash, until it is lifted.
func TestKillSwitch(t *testing.T) {
	t.Parallel()
	const n = 20
	var people []employee
	for i := range n {
		people = append(people, invented(fmt.Sprint(5001+i), "Halt", fmt.Sprint("Number", i)))
	}
	const lead = 10 * time.Second
	w := newWorld(t, worldOptions{People: people, Profile: func(p *profileSettings) { p.LeadTime = lead }})
	ines := w.As(opsOperator)

	// They come due a second apart, from when all are posted on.
	first := time.Now().Add(12 * time.Second)
	var ids []string
	for i, e := range people {
		ids = append(ids, w.Post(w.Joiner(e, time.Until(first.Add(lead+time.Duration(i)*500*time.Millisecond)))))
	}
	w.Eventually(time.Minute, "some have a pass", func() error {
		if got := len(w.issues()); got < 5 {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
	put := time.Now()
	if r := ines.Send(http.MethodPut, "/v1/halt", map[string]any{"on": true, "reason": "the mail provider reports a break-in"}, nil); r.status != http.StatusOK {
		t.Fatalf("%s", r)
	}
	answered := time.Since(put)
	halted := func() (halted []string) {
		for _, id := range ids {
			if v, err := w.View(id); err == nil && v.Block != nil && v.Block.Reason == jml.ReasonHalted {
				halted = append(halted, id)
			}
		}
		return halted
	}
	all := func() error {
		if has, waits := len(w.issues()), len(halted()); has+waits != n {
			return fmt.Errorf("%d have a pass, %d say that they are halted", has, waits)
		}
		return nil
	}
	w.Eventually(time.Minute, "all are due", all)
	made := w.issues()
	last := made[len(made)-1].Sub(put)
	t.Logf("answered after %s; the last of %d passes %s after the PUT", answered.Round(time.Millisecond), len(made), last.Round(time.Millisecond))
	if last > answered || len(made) >= n {
		t.Errorf("a pass %s after the switch, which answered after %s; %d in all", last, answered, len(made))
	}
	w.Restart()
	robot := w.Machine()
	for _, id := range halted() {
		robot.Act(id, act{"verb": "nudge", "reason": "look again"})
	}
	w.Eventually(time.Minute, "still halted", all)
	if got := len(w.issues()); got != len(made) {
		t.Errorf("%d passes after a restart, %d before", got, len(made))
	}
	ines = w.As(opsOperator)
	if page := string(ines.Get("/").raw); !strings.Contains(page, "the mail provider reports a break-in") {
		t.Error("the board does not say so")
	}
	if r := ines.Send(http.MethodPut, "/v1/halt", map[string]any{"on": false, "reason": "it was a false alarm"}, nil); r.status != http.StatusOK {
		t.Fatalf("%s", r)
	}
	lifted := time.Now()
	w.Eventually(90*time.Second, "all go on", func() error {
		if got := len(w.issues()); got != n {
			return fmt.Errorf("%d of %d have a pass", got, n)
		}
		return nil
	})
	t.Logf("all had a pass %s after it was lifted", time.Since(lifted).Round(time.Millisecond))
	for _, e := range people {
		if w.Tenant.PassLive(w.User(e).ID) != 1 {
			t.Errorf("%s has no pass", e.ID)
		}
	}
	aksel := w.As(opsAuditor)
	aksel.Told(opsOperator, "halt.on", "", "the mail provider reports a break-in")
	aksel.Told(opsOperator, "halt.off", "", "it was a false alarm")
	w.Eventually(time.Minute, "all mails", func() error {
		for _, e := range people {
			if len(w.Mailbox.MailsTo(e.Mail)) == 0 {
				return errors.New("none to " + e.ID)
			}
		}
		return nil
	})
}
