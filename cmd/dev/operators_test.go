package main

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// answer is what a command came to.
type answer struct {
	out, says string
	code      int
}

// atOnce runs commands at the same moment.
func (w *testWorld) atOnce(commands ...[]string) []answer {
	w.t.Helper()
	answers := make([]answer, len(commands))
	var all sync.WaitGroup
	for i, c := range commands {
		all.Go(func() { answers[i].out, answers[i].says, answers[i].code = w.Command(c...) })
	}
	all.Wait()
	return answers
}

// oneWins fails the test unless one command succeeded, and the others said why
// not.
func (w *testWorld) oneWins(answers []answer, says ...string) (winner int) {
	w.t.Helper()
	says = append(says, "somebody was quicker") // who looked before the other's word
	winner = slices.IndexFunc(answers, func(a answer) bool { return a.code == 0 })
	for i, a := range answers {
		if i != winner && (a.code == 0 || !slices.ContainsFunc(says, func(s string) bool { return strings.Contains(a.says, s) })) {
			w.t.Errorf("exit status %d\n%s%s", a.code, a.out, a.says)
		}
	}
	if winner < 0 {
		w.t.Fatal("nobody was let through")
	}
	return winner
}

// TestTwoOperators: two at once. One wins, the other is told.
func TestTwoOperators(t *testing.T) {
	t.Run("ask for a recovery", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		w.Employed("Sales", entrasim.KindFIDO2)
		ask := []string{"recover", "--source", sourceBambooHR, "--employee-id", w.Person.ID, "--verified", "callback", "--ticket", "INC-1", "--loss", "lost", "--actor"}
		w.oneWins(w.atOnce(append(slices.Clone(ask), operator), append(slices.Clone(ask), approver)), "under way", "too often", "as many", "cap")
		id := w.Journey(jml.KindRecovery)
		w.Invitation(w.Person, 1)
		if links := w.linkMails(w.Person.Mail, linkCollect); len(links) != 1 {
			t.Errorf("%d links, want 1", len(links))
		}
		// Who comes later is told, too, and of what.
		if _, says, code := w.Command(append(slices.Clone(ask), approver)...); code == 0 || !strings.Contains(says, id) {
			t.Errorf("a third: exit status %d\n%s", code, says)
		}
		w.oneWins(w.atOnce(
			[]string{"cancel", id, "--reason", "found it", "--actor", operator},
			[]string{"cancel", id, "--reason", "found it, too", "--actor", approver}), "ending already", "ended already")
		w.Result(id)
		w.AllClosed()
		if n := len(slices.DeleteFunc(w.WorkflowIDs(), func(id string) bool { return workflows.KindOf(id) != jml.KindRecovery })); n != 1 {
			t.Errorf("%d recoveries, want 1", n)
		}
	})
	t.Run("decide", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		id := w.Stage("1h")
		w.Asked(id)
		for name, actor := range map[string]string{"who asked": operator, "the technician": technician().UPN, "who asked, in capitals": strings.ToUpper(operator)} {
			if _, says, code := w.Command("approve", id, "--actor", actor, "--reason", "it is fine"); code == 0 || !strings.Contains(says, "have somebody else decide") {
				t.Errorf("%s approves: exit status %d\n%s", name, code, says)
			}
		}
		answers := w.atOnce(
			[]string{"approve", id, "--actor", approver, "--reason", "spoke to the team lead"},
			[]string{"refuse", id, "--actor", "petra.lund", "--reason", "not today"})
		winner := w.oneWins(answers, "decided already", "ended already")
		loser := answers[1-winner].says
		if winner == 0 {
			// The second is told who was faster.
			if !strings.Contains(loser, approver) {
				t.Errorf("the second is told: %s", loser)
			}
			w.StagingInvitation(1)
			w.Do("cancel", id, "--reason", "only a test")
		}
		want := []jml.Stage{jml.StageCancelled, jml.StageRefused}[winner]
		if got := w.Result(id).Outcome; got != want {
			t.Errorf("outcome %s, want %s", got, want)
		}
		// A word that Temporal dropped stands in the audit, before the one that
		// counts.
		steps := []workflows.Step{workflows.StepApproved, workflows.StepRefused}
		if audit := w.Audit(); strings.LastIndex(audit, string(steps[winner])) < strings.LastIndex(audit, string(steps[1-winner])) {
			t.Error("the last decision in the audit is not the one that counts")
		}
		w.must(nil, w.noLivePass())
	})
	t.Run("come too late", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		id := w.Stage("1m")
		if got := w.Result(id).Outcome; got != jml.StageLapsed {
			t.Errorf("outcome %s, want %s", got, jml.StageLapsed)
		}
		for _, late := range [][]string{
			{"approve", id, "--actor", approver, "--reason", "too late"}, {"refuse", id, "--actor", approver, "--reason", "too late"},
			{"cancel", id, "--reason", "too late"}, {"revoke", id, "--reason", "too late"}, {"reissue", id, "--reason", "too late"},
			{"device-done", id, "--reason", "too late"}, {"nudge", id, "--reason", "too late"},
		} {
			if _, says, code := w.Command(late...); code == 0 || !strings.Contains(says, "ended already") {
				t.Errorf("%s: exit status %d\n%s", late[0], code, says)
			}
		}
		if n := len(w.Tenant.PassEvents()); n != 0 {
			t.Errorf("%d things happened to passes", n)
		}
	})
}
