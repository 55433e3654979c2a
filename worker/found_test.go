package worker_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// TestFound plays the lives that were found to break a promise, or that were
// judged to break one and did not.
func TestFound(t *testing.T) {
	k, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	staging := plain()
	staging.OneTime, staging.PassTo, staging.Remove = false, route("mail", jml.RecipientTechnician), jml.RemoveRegistered
	staging.Devices, staging.Approve = 2, true

	joiner := plain()
	labs := joiner
	labs.Name, labs.AAGUIDs = "labs", []string{keyB}

	tests := []struct {
		name string
		life life
		want jml.Stage
		kept []entrasim.MethodKind // that the employee has in the end
	}{
		{
			// No pass ever reached the technician, so what the employee added
			// meanwhile is his own.
			"staging, every pass refused by the channel, cancelled",
			life{Kind: jml.KindStaging, Profile: staging, DeleteLag: time.Minute, Events: []event{
				{0, "channel refuses", 3}, {4 * time.Minute, "somebody approves", 1}, {8*time.Minute + 27*time.Second, "somebody adds a phone", 1},
				{time.Hour + 3*time.Minute, "Temporal cancels", 1},
			}},
			jml.StageCancelled, []entrasim.MethodKind{entrasim.KindPhone},
		},
		{
			"staging, every pass refused by the channel, then the account is disabled",
			life{Kind: jml.KindStaging, Profile: staging, Events: []event{
				{0, "channel refuses", 4}, {time.Minute + 12*time.Second, "Graph is down", 1}, {16 * time.Minute, "somebody approves", 0},
				{59*time.Minute + 12*time.Second, "person needs no pass", 5}, {time.Hour, "account is disabled", 5},
				{62 * time.Minute, "person collects", 0}, {64 * time.Minute, "person registers", 0},
				{65 * time.Minute, "person adds another", 0}, {65 * time.Minute, "person adds another", 0},
			}},
			jml.StageTimedOut, []entrasim.MethodKind{entrasim.KindFIDO2},
		},
		{
			// The first message arrived, the second try was refused: the next pass
			// has to say that the first is dead.
			"joiner, the reply to the message lost, then refused",
			life{Kind: jml.KindJoiner, Profile: joiner, Events: []event{
				{23 * time.Hour, "channel loses replies", 0}, {23 * time.Hour, "channel refuses", 0},
				{50 * time.Hour, "person registers", 0},
			}},
			jml.StageCompleted, []entrasim.MethodKind{entrasim.KindFIDO2},
		},
		{
			// The technician has the code of a pass that is not to be, and uses it
			// while Graph refuses to delete it.
			"staging, the reply to the message lost, deletion denied, called off",
			life{Kind: jml.KindStaging, Profile: staging, Events: []event{
				{time.Minute, "somebody approves", 1}, {time.Minute, "channel loses replies", 0}, {time.Minute, "Graph denies deletion", 5},
				{time.Minute + 6*time.Second, "person registers", 2}, {3 * time.Hour, "operator cancels", 0},
			}},
			jml.StageCancelled, nil,
		},
		{
			// The technician's sessions ended with the pass.
			"staging, the employee adds a phone after the pass is gone",
			life{Kind: jml.KindStaging, Profile: staging, Events: []event{
				{time.Minute, "somebody approves", 1}, {2 * time.Minute, "person registers", 3}, {23*time.Hour + 59*time.Minute + 50*time.Second, "audit is down", 1},
				{24*time.Hour + 11*time.Second, "somebody adds a phone", 0},
			}},
			jml.StageTimedOut, []entrasim.MethodKind{entrasim.KindPhone},
		},
		{
			"joiner, the start moves while the no-show is told",
			life{Kind: jml.KindJoiner, Profile: joiner, Events: []event{
				{73 * time.Hour, "channel is down", 5}, {73*time.Hour + time.Minute, "HR moves the start", 3}, {(49+7*24)*time.Hour + time.Minute, "person registers", 0},
			}},
			jml.StageCompleted, []entrasim.MethodKind{entrasim.KindFIDO2},
		},
		{
			"mover, the position changes again while nothing to do is written down",
			life{Kind: jml.KindMover, Profile: joiner, Other: labs, Owned: []entrasim.MethodKind{entrasim.KindFIDO2}, Events: []event{
				{25 * time.Hour, "audit is down", 2}, {25*time.Hour + 30*time.Second, "HR changes the position", 0}, {49*time.Hour + time.Minute, "person registers", 1},
			}},
			jml.StageCompleted, []entrasim.MethodKind{entrasim.KindFIDO2, entrasim.KindFIDO2},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := play(tt.life, k)
			for _, p := range out.problems {
				t.Error(p)
			}
			if out.outcome != tt.want {
				t.Errorf("ended %s, want %s", out.outcome, tt.want)
			}
			if d := cmp.Diff(tt.kept, out.kept); d != "" {
				t.Error(d)
			}
			if t.Failed() {
				t.Log(out.account)
			}
		})
	}
}

// plain is a profile that asks for little.
func plain() jml.Profile {
	mail := route("mail", jml.RecipientPersonalMail)
	return jml.Profile{
		Name: "default", LeadTime: 24 * time.Hour, StartHour: jml.Clock{Hour: 9}, Lifetime: 8 * time.Hour, OneTime: true, Mode: jml.ModeSend, PassTo: mail,
		CompleteOn: []jml.MethodKind{jml.MethodFIDO2}, Timeout: 24 * time.Hour,
		Poll: []time.Duration{5 * time.Minute, time.Hour}, Recheck: []time.Duration{2 * time.Minute, 20 * time.Minute, time.Hour},
		Approval: &jml.ApprovalRule{To: route("mail", jml.RecipientDesk), Within: 24 * time.Hour},
		NoticeTo: mail, ChangeTo: mail, MissedTo: route("mail", jml.RecipientManager), AlertTo: route("mail", jml.RecipientDesk),
	}
}

// TestSameLife: a seed makes the same life whenever it is played. What failed in
// CI can be looked at anywhere.
func TestSameLife(t *testing.T) {
	k, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	chance := regexp.MustCompile("request-id [0-9a-f-]+")
	base, n := *livesSeed, 60
	if base == 0 {
		base = 1
	}
	if testing.Short() {
		n = 10
	}
	for seed := base; seed < base+uint64(n); seed++ {
		l := aLife.Example(int(seed))
		l.Seed = seed
		var accounts [2][]string
		for i := range accounts {
			accounts[i] = strings.Split(chance.ReplaceAllString(play(l, k).account, ""), "\n")
		}
		if d := cmp.Diff(accounts[0], accounts[1]); d != "" {
			t.Fatalf("%s\n%s", l, d)
		}
	}
}
