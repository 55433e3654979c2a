package jml

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func statuses() []DeliveryStatus {
	return []DeliveryStatus{DeliveryAccepted, DeliveryDeferred, DeliveryDelivered, DeliveryOpened, DeliveryBlocked, DeliveryBounced}
}

func TestDeliveryStatusFollows(t *testing.T) {
	for _, tc := range []struct {
		name      string
		old, news DeliveryStatus
		want      bool
	}{
		{"the first word", "", DeliveryAccepted, true},
		{"delivered", DeliveryAccepted, DeliveryDelivered, true},
		{"opened", DeliveryDelivered, DeliveryOpened, true},
		{"accepted comes late", DeliveryDelivered, DeliveryAccepted, false},
		{"deferred comes late", DeliveryDelivered, DeliveryDeferred, false},
		{"delivered comes late", DeliveryOpened, DeliveryDelivered, false},
		{"bounced after it was delivered", DeliveryDelivered, DeliveryBounced, true},
		{"bounced although a scanner opened it", DeliveryOpened, DeliveryBounced, true},
		{"delivered after all", DeliveryBounced, DeliveryDelivered, false},
		{"bounced and blocked", DeliveryBounced, DeliveryBlocked, false},
		{"twice", DeliveryDeferred, DeliveryDeferred, false},
		{"a word of tomorrow", DeliveryAccepted, "teleported", false},
	} {
		if got := tc.news.Follows(tc.old); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.name, got, tc.want)
		}
	}
}

// TestDeliveryStatusInAnyOrder: whatever comes how often and in which order, the
// outcome is the same.
func TestDeliveryStatusInAnyOrder(t *testing.T) {
	fold := func(events []DeliveryStatus) DeliveryStatus {
		var now DeliveryStatus
		for _, e := range events {
			if e.Follows(now) {
				now = e
			}
		}
		return now
	}
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.SampledFrom(statuses()), 1, 8).Draw(t, "events")
		turned := rapid.Permutation(events).Draw(t, "in another order")
		a, b := fold(events), fold(turned)
		// Blocked and bounced rank alike: the first stays.
		if a != b && (!a.Failed() || !b.Failed()) {
			t.Fatalf("%v gives %s, %v gives %s", events, a, turned, b)
		}
		if a.Failed() != slices.ContainsFunc(events, DeliveryStatus.Failed) {
			t.Fatalf("%v gives %s", events, a)
		}
	})
}

func TestDeliveryStatusFailed(t *testing.T) {
	for _, s := range statuses() {
		if got, want := s.Failed(), s == DeliveryBlocked || s == DeliveryBounced; got != want {
			t.Errorf("%s: %t", s, got)
		}
	}
	if DeliveryStatus("").Failed() {
		t.Error("nothing heard counts as failed")
	}
}

func TestMessage(t *testing.T) {
	// Each message is decided here by hand: one that is forgotten must not pass
	// for harmless.
	want := map[Message]struct{ secret, employee bool }{
		MessagePass:       {true, true},
		MessageLink:       {true, true},
		MessageCode:       {true, true},
		MessageIssued:     {true, true},
		MessageCollected:  {true, true},
		MessageReminder:   {true, true},
		MessageEscalation: {false, false},
		MessageAttest:     {true, false},
		MessageAlert:      {false, false},
		MessageApproval:   {false, false},
		MessageMoved:      {true, true}, // holds no secret, but is nobody else's business
		MessageUnfinished: {true, true},
		MessageMissed:     {false, false},
	}
	if !Message("nothing we know").Secret() {
		t.Error("a message of tomorrow would go to a chat room")
	}
	if len(want) != len(Messages()) {
		t.Errorf("%d messages, %d looked at", len(Messages()), len(want))
	}
	for _, m := range Messages() {
		w, ok := want[m]
		if !ok {
			t.Errorf("%s: say here whether it is secret", m)
		}
		if m.Secret() != w.secret || m.ToEmployee() != w.employee {
			t.Errorf("%s: secret %t, to the employee %t", m, m.Secret(), m.ToEmployee())
		}
	}
}
