package console

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

func lateChange() ops.HeldChange {
	return ops.HeldChange{
		Held: intake.Held{Kind: jml.HoldContact, Source: "hr", Ref: ref, Since: noon()}, Name: "Astrid Solbakken", Version: "5f1c",
		Differs: []ops.Difference{{What: "Private mail", InForce: "astrid@example.org", Waiting: "other@example.net"}},
	}
}

// Who decides on an address sees both, and decides on what they saw.
func TestHeldForm(t *testing.T) {
	var log bytes.Buffer
	f := &fake{heldOf: []intake.Held{lateChange().Held}, change: lateChange()}
	s := newSite(t, f, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	path := "/held/" + ref + "/heldApprove"
	a := s.get(path).status(200).has("Astrid Solbakken", "The link goes to other@example.net instead of astrid@example.org.",
		"Confirm that the employee said so, on a number from before the change.", `data-label="Waiting">other@example.net`)
	s.get("/held/"+ref+"/heldReject").has("The link goes to astrid@example.org as before", `data-label="Before">astrid@example.org`)
	s.get("/held").has("Private mail: astrid@example.org, waiting: other@example.net")
	s.post(path, "reason", "because of it", "version", a.fields()["version"]).status(303)
	if got := f.acted[0]; got.Version != "5f1c" || got.Object != ref {
		t.Errorf("%+v", got)
	}
	f.act = func(ops.Action) (ops.Done, error) {
		return ops.Done{}, &ops.Refusal{Kind: ops.RefusedVersion, What: "changed"}
	}
	f.change.Version, f.change.Differs[0].Waiting = "6a2d", "third@example.net"
	again := s.post(path, "reason", "because of it", "version", "5f1c").status(412).has("Somebody was quicker", "third@example.net").lacks("other@example.net")
	if got := again.fields()["version"]; got != "6a2d" {
		t.Errorf("the form has version %q", got)
	}
	f.err = &ops.Refusal{Kind: ops.RefusedMissing, What: "no change of this employee is held"}
	s.get(path).status(404)
	if strings.Contains(log.String(), "example.net") {
		t.Error("the log has an address")
	}
}

func TestHeldValuesAreForOperators(t *testing.T) {
	f := &fake{heldOf: []intake.Held{lateChange().Held}, change: lateChange()}
	s := newSite(t, f)
	s.get("/held").has("astrid@example.org")
	for _, role := range []access.Role{access.Viewer, access.Approver, access.Auditor} {
		s.who.Roles = []access.Role{role}
		s.get("/held").status(200).has("Private mail differs").lacks("example.org", "example.net")
		s.get("/held/"+ref+"/heldApprove").status(403).lacks("example.org", "example.net", "Astrid")
	}
}

// The page of a journey that waits for a decision leads to it.
func TestStepsLead(t *testing.T) {
	f := &fake{journey: func(string) (ops.Journey, error) {
		return oneJourney(func(j *ops.Journey) {
			j.Row.Stage, j.Row.Reason, j.Row.NeedsAction = jml.StageBlocked, jml.ReasonContactHeld, true
			j.View.Block = jml.Blocked(jml.ReasonContactHeld, "")
		}), nil
	}}
	s := newSite(t, f)
	approve, reject := `href="/held/`+ref+`/heldApprove"`, `href="/held/`+ref+`/heldReject"`
	s.get(here).has(approve, reject)
	s.get(here+"/live").has(approve, reject)
	s.who.Roles = []access.Role{access.Viewer}
	s.get(here).has("“Take HR&#39;s last word”").lacks(approve, reject)
}

func TestAfterReissue(t *testing.T) {
	f := &fake{journey: func(string) (ops.Journey, error) {
		return oneJourney(func(j *ops.Journey) { j.Row.NeedsAction, j.Row.Stage = true, jml.StageIssuing }), nil
	}}
	s := newSite(t, f)
	s.get(here).has("Being made; this page refreshes by itself.").lacks("Open it", "Waits for somebody")
	for name, c := range map[string]struct {
		passID string
		pass   *workflows.PassView
		want   string
	}{
		"none":    {"", nil, "There is no pass now."},
		"invited": {"pass/x", &workflows.PassView{Pickup: &workflows.PickupView{}}, "The link that is out stops working"},
		"making":  {"pass/x", &workflows.PassView{}, "What is being made now is ended"},
		"out":     {"pass/x", &workflows.PassView{Issued: &workflows.IssueResult{}}, "The present pass is deleted"},
	} {
		f.journey = func(string) (ops.Journey, error) {
			return oneJourney(func(j *ops.Journey) { j.View.PassID, j.Pass = c.passID, c.pass }), nil
		}
		if a := s.get(here + "/reissue").status(200); !strings.Contains(a.Body.String(), c.want) {
			t.Errorf("%s: lacks %q", name, c.want)
		}
	}
}

func TestStartedNotCollected(t *testing.T) {
	with := func(name string, start time.Duration, stage jml.Stage) board.Row {
		return oneRow(func(r *board.Row) {
			r.Ref, r.Stage, r.Pass, r.Starts = name, jml.StagePass, stage, noon().Add(start)
		})
	}
	s := newSite(t, &fake{rows: []board.Row{with("a", -25*time.Minute, jml.StageInvited), with("b", time.Hour, jml.StageInvited), with("c", -time.Hour, jml.StageWaiting)}})
	a := s.get("/board").has("Started 25 min ago, not collected", "Call, or send the invitation again.")
	if n := strings.Count(a.Body.String(), "not collected"); n != 1 {
		t.Errorf("%d rows are not collected", n)
	}
}

func TestLiftForm(t *testing.T) {
	s := newSite(t, &fake{sum: ops.Summary{
		Switch:  ops.Switch{On: true, Actor: "per@example.com", Reason: "Wrong policy", Since: noon()},
		Reasons: map[jml.BlockReason]int{jml.ReasonHalted: 3},
	}})
	const ask = "Ask per@example.com whether the cause is gone before you lift it."
	s.get("/halt").has(ask, "It holds 3 journeys now.", "looked at again", "another cause")
	s.get("/board").has(ask)
	s.svc.sum.Switch.Actor = s.who.Name
	s.get("/halt").has("You threw it")
	s.who.Roles = []access.Role{access.Viewer}
	s.get("/halt").lacks("It holds", "You threw it")
}
