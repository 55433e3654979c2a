package worker_test

import (
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// TestCounts prints and bounds what each journey costs: requests to Graph (token
// and metadata included, which a running worker asks for once an hour) and
// Temporal actions. A joiner costs what it did before there were other journeys, and
// for each pass what shows where it stands: that it was handed over and that it
// is being ended, before that that the invitation is out.
//
// Actions as Temporal's page counts them, at the most: activities, local
// activities (billed as one if several fall into one workflow task), timers,
// child starts, signals, search attribute upserts and updates; without the start
// itself.
// https://docs.temporal.io/cloud/actions
func TestCounts(t *testing.T) {
	k, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mail := route("mail", jml.RecipientPersonalMail)
	send := jml.Profile{
		Name: "default", LeadTime: 24 * time.Hour, StartHour: jml.Clock{Hour: 9}, Lifetime: 8 * time.Hour, OneTime: true, Mode: jml.ModeSend, PassTo: mail,
		CompleteOn: []jml.MethodKind{jml.MethodFIDO2}, Settle: 10 * time.Minute, Timeout: 24 * time.Hour,
		Poll: []time.Duration{5 * time.Minute, time.Hour}, Recheck: []time.Duration{time.Minute, time.Hour},
	}
	pickup := send
	pickup.Mode, pickup.PassTo, pickup.LinkTo, pickup.CodeTo = jml.ModePickup, nil, mail, route("sms", jml.RecipientPersonalPhone)
	pickup.LinkValid, pickup.Window, pickup.NoticeTo = 72*time.Hour, 30*time.Minute, mail
	mover := send
	mover.Remove = jml.RemoveOlder
	recovery := send
	recovery.Remove = jml.RemoveLost
	staging := send
	staging.OneTime, staging.CompleteOn, staging.PassTo, staging.Remove = false, nil, route("mail", jml.RecipientTechnician), jml.RemoveRegistered
	staging.Approval = &jml.ApprovalRule{To: route("mail", jml.RecipientManager), Within: 4 * time.Hour}
	missed := send
	missed.MissedTo = route("mail", jml.RecipientManager)

	start := first.Sub(begin)
	registers := []event{{start + time.Minute, "person collects", 0}, {start + 2*time.Minute, "person registers", 0}}
	now := []event{{2 * time.Minute, "person registers", 0}}
	tests := []struct {
		name           string
		life           life
		want           jml.Stage
		graph, actions int
	}{
		{"joiner, sent", life{Kind: jml.KindJoiner, Profile: send, Events: registers}, jml.StageCompleted, 10, 13},
		{"joiner, picked up", life{Kind: jml.KindJoiner, Profile: pickup, Events: registers}, jml.StageCompleted, 15, 22},
		{"mover", life{Kind: jml.KindMover, Profile: mover, Owned: []entrasim.MethodKind{entrasim.KindAuthenticator}, Events: registers}, jml.StageCompleted, 13, 14},
		{"recovery", life{Kind: jml.KindRecovery, Profile: recovery, Sees: true, Owned: []entrasim.MethodKind{entrasim.KindFIDO2}, Events: now}, jml.StageCompleted, 14, 14},
		{"staging", life{Kind: jml.KindStaging, Profile: staging, Events: []event{{time.Minute, "somebody approves", 0}, {2 * time.Hour, "device is done", 0}}}, jml.StageCompleted, 12, 18},
		{"leaver in flight", life{Kind: jml.KindJoiner, Profile: send, Events: []event{{start - time.Hour, "HR says left", 0}}}, jml.StageCancelled, 9, 12},
		{"no-show", life{Kind: jml.KindJoiner, Profile: missed}, jml.StageTimedOut, 35, 62},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := play(tt.life, k)
			for _, p := range out.problems {
				t.Error(p)
			}
			t.Logf("%d Graph requests, %d actions: %+v", out.requests, out.counts.actions(), out.counts)
			if out.outcome != tt.want {
				t.Errorf("ended %s, want %s\n%s", out.outcome, tt.want, out.account)
			}
			if out.requests > tt.graph {
				t.Errorf("%d Graph requests, want at most %d", out.requests, tt.graph)
			}
			if n := out.counts.actions(); n > tt.actions {
				t.Errorf("%d actions, want at most %d", n, tt.actions)
			}
		})
	}
}
