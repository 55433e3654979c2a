package ops

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
)

func heldWorld(t *testing.T) *world {
	w := newWorld(t)
	w.desk.kind = jml.HoldContact
	w.desk.inForce = jml.Snapshot{GivenName: "Ada", FamilyName: canary, PersonalMail: "ada@example.org", Department: "x"}
	w.desk.waiting = jml.Snapshot{GivenName: "Ada", FamilyName: canary, PersonalMail: "new@example.net", Department: "y"}
	return w
}

func TestHeldChange(t *testing.T) {
	w := heldWorld(t)
	s := w.service()
	got, err := s.HeldChange(as(t.Context(), access.Operator), "abc")
	if err != nil {
		t.Fatal(err)
	}
	if want := []Difference{{"Private mail", "ada@example.org", "new@example.net"}}; !slices.Equal(got.Differs, want) || got.Name != "Ada "+canary || got.Version == "" {
		t.Errorf("got %+v", got)
	}
	for _, r := range []access.Role{access.Viewer, access.Approver, access.Auditor} {
		got, err := s.HeldChange(as(t.Context(), r), "abc")
		if all := fmt.Sprintf("%+v", got); err != nil || strings.Contains(all, canary) || strings.Contains(all, "@") || len(got.Differs) != 1 || got.Version != "" {
			t.Errorf("%s sees %s, %v", r, all, err)
		}
	}
	if _, err := s.HeldChange(as(t.Context(), access.Desk), "abc"); kindOf(t, err) != RefusedForbidden {
		t.Errorf("desk: %v", err)
	}
	if _, err := s.HeldChange(as(t.Context(), access.Operator), "xyz"); kindOf(t, err) != RefusedMissing {
		t.Errorf("nothing held: %v", err)
	}
	w.desk.kind = jml.HoldContradiction
	if got, _ := s.HeldChange(as(t.Context(), access.Operator), "abc"); len(got.Differs) != 2 {
		t.Errorf("got %+v", got)
	}
	if rows := fmt.Sprint(w.rows) + w.log.String(); strings.Contains(rows, "@example.org") || strings.Contains(rows, "@example.net") {
		t.Error("a row or the log has an address")
	}
}

// Nobody approves an address that came after the one they looked at.
func TestHeldDecisionIsOnWhatWasSeen(t *testing.T) {
	w := heldWorld(t)
	s := w.service()
	ctx := as(t.Context(), access.Operator)
	seen, err := s.HeldChange(ctx, "abc")
	if err != nil {
		t.Fatal(err)
	}
	w.desk.waiting.PersonalMail = "third@example.net"
	a := Action{Verb: VerbHeldApprove, Object: "abc", Reason: "because of it", Version: seen.Version}
	if _, err := s.Act(ctx, a); kindOf(t, err) != RefusedVersion || len(w.calls) > 0 {
		t.Errorf("got %v, did %v", err, w.calls)
	}
	w.desk.waiting.PersonalMail = "new@example.net"
	if _, err := s.Act(ctx, a); err != nil || len(w.calls) != 1 {
		t.Errorf("got %v, did %v", err, w.calls)
	}
}

func TestFeedSteps(t *testing.T) {
	w := newWorld(t)
	w.desk.status = []intake.Status{
		{Source: "hr", Kind: config.SourceWebhook, LastSeen: noon, ErrorRate: 0.6}, {Source: "pull", Kind: config.SourcePoll}, {Source: "push", Kind: config.SourceWebhook},
		{Source: "quiet", Silent: true}, {Source: "busy", Kind: config.SourceWebhook, LastSeen: noon, ErrorRate: 0.2},
	}
	w.refused = map[string]int{"hr": 3, "busy": 3}
	s := w.service()
	ctx := as(t.Context(), access.Viewer)
	list, err := s.Feeds(ctx)
	if err != nil {
		t.Fatal(err)
	}
	since := noon.Add(-time.Hour).Truncate(time.Hour)
	for i, want := range []struct {
		Health
		do string
	}{
		{HealthFailing, "3 requests were refused since " + stamp(since)}, {HealthWaiting, "firstpass source run pull"}, {HealthWaiting, "firstpass source test push"},
		{HealthSilent, "firstpass source run quiet"}, {HealthOK, ""},
	} {
		if got := list[i]; got.Health != want.Health || !strings.Contains(got.Do, want.do) {
			t.Errorf("%s: %s, %s", got.Source, got.Health, got.Do)
		}
	}
	if sum, err := s.Summary(ctx); err != nil || !slices.Equal(sum.Silent, []string{"hr", "quiet"}) {
		t.Errorf("got %v, %v", sum.Silent, err)
	}
}
