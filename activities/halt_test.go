package activities_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// blockedFor returns what an activity gave up for, and whether it is tried again.
func blockedFor(t *testing.T, err error) (reason jml.BlockReason, again bool) {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		t.Fatalf("error %v", err)
	}
	var b jml.Block
	if err := app.Details(&b); err != nil {
		t.Fatal(err)
	}
	return b.Reason, !app.NonRetryable()
}

// TestHaltAtAnyMoment throws the kill switch before every step of a try: up to
// the create call nothing is made, after it the pass is as any other.
func TestHaltAtAnyMoment(t *testing.T) {
	for name, shape := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			probe := newWorld()
			shape(probe)
			if _, err, _ := probe.attempt(t, 0, false); err != nil {
				t.Fatal(err)
			}
			create := slices.Index(probe.onStep, "create") + 1
			for at := 1; at <= probe.steps; at++ {
				w := newWorld()
				shape(w)
				w.haltAt = at
				res, err, _ := w.attempt(t, 0, false)
				if at > create {
					if err != nil {
						t.Fatalf("before step %d: %v", at, err)
					}
					w.checkIssued(t, res)
					continue
				}
				if reason, again := blockedFor(t, err); reason != jml.ReasonHalted || again {
					t.Errorf("before step %d: %v, tried again: %t", at, err, again)
				}
				if w.minted > 0 || len(w.mails) > 0 {
					t.Errorf("before step %d of %v: %d passes, %d mails", at, w.onStep, w.minted, len(w.mails))
				}
			}
		})
	}
}

// TestHaltAfterACrash kills a try at every step, and throws the kill switch
// before the next: nothing more is made, and what was is gone in the end. What
// somebody used before is still known to have been handed over.
func TestHaltAfterACrash(t *testing.T) {
	for name, shape := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			for at := 1; at < 16; at++ {
				for _, after := range []bool{false, true} {
					w := newWorld()
					shape(w)
					if _, _, died := w.attempt(t, at, after); !died {
						continue
					}
					minted := w.minted
					w.haltAt = 1
					_, err, _ := w.attempt(t, 0, false)
					if reason, again := blockedFor(t, err); reason != jml.ReasonHalted || again || w.minted != minted {
						t.Errorf("killed at %d (after: %t): %v, %d passes after %d", at, after, err, w.minted, minted)
					}
					if _, err := w.activities(t).RevokePass(context.Background(), workflows.RevokeInput{Ref: "ref", UserID: userID, Request: input.Request, Reason: "not handed over"}); err != nil {
						t.Fatal(err)
					}
					if len(w.passes) > 0 {
						t.Errorf("killed at %d (after: %t): left %v", at, after, w.passes)
					}
				}
			}
		})
	}
	w := newWorld()
	for at := 1; len(w.mails) == 0; at++ {
		w = newWorld()
		w.attempt(t, at, true) // until the crash is right behind the send
	}
	w.passes[0].UsabilityReason, w.haltAt = "OneTimeUsed", 1
	if res, err, _ := w.attempt(t, 0, false); err != nil || res.Pass.MethodID != "pass-1" {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestSwitchUnreadable: without knowing, nothing is issued, and it is tried
// again.
func TestSwitchUnreadable(t *testing.T) {
	w := openTenant()
	w.deaf = errors.New("the disk of freja@example.org is away")
	_, issue, _ := w.attempt(t, 0, false)
	_, preflight := w.activities(t).Preflight(context.Background(), workflows.PreflightInput{Ref: "ref", Profile: profile("p")})
	for name, err := range map[string]error{"issue": issue, "preflight": preflight} {
		if reason, again := blockedFor(t, err); reason != jml.ReasonAuditUnavailable || !again || strings.Contains(err.Error(), "freja") {
			t.Errorf("%s: %v, tried again: %t", name, err, again)
		}
	}
	if w.minted > 0 {
		t.Error("a pass was made all the same")
	}
}

// TestPreflightHalted: no question to the tenant while nobody gets a pass.
func TestPreflightHalted(t *testing.T) {
	w := openTenant()
	w.haltAt = 1
	if v := w.preflight(t, workflows.PreflightInput{Profile: profile("p")}); reason(v.Block) != jml.ReasonHalted || w.steps > 0 {
		t.Errorf("%+v after %v", v, w.onStep)
	}
	w.haltAt = 0
	if v := w.preflight(t, workflows.PreflightInput{Profile: profile("p")}); v.Block != nil {
		t.Errorf("lifted: %+v", v.Block)
	}
}
