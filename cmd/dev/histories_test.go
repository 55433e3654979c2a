package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/phone"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// TestJourneys runs each way a journey can go on the real server. With
// FIRSTPASS_RECORD=1 (make histories) it writes the histories, decrypted, where
// the replay tests of package workflows read them. A history that is recorded
// stays: it stands for the journeys that run somewhere when a new version
// starts.
func TestJourneys(t *testing.T) {
	journeys := map[string]struct {
		world   worldOptions
		play    func(*testWorld) (joiner string)
		outcome jml.Stage
	}{
		"completed": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"user-late": {
			world: worldOptions{People: firstPeople()[1:2]}, // somebody else
			play: func(w *testWorld) string {
				w.Person = firstPeople()[0]
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.WaitFor(id, time.Minute, "blocked", func(v workflows.JourneyView) bool { return v.Block != nil })
				w.must(w.Hire(w.Person))
				w.Onboard(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"create-reply-lost": {
			play: func(w *testWorld) string {
				w.Tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Drop: true})
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"mail-refused": {
			play: func(w *testWorld) string {
				w.Mailbox.Inject(fault.Fault{Status: http.StatusForbidden})
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"start-moved": {
			play: func(w *testWorld) string {
				w.Post(w.Joiner(w.Person, 30*24*time.Hour)) // waits for the lead time
				w.Post(w.Joiner(w.Person, time.Hour))       // is issued at once
				w.Passcode(w.Person, 1)
				id := w.Post(w.Joiner(w.Person, 3*time.Second)) // and anew
				code := w.Passcode(w.Person, 2)
				s := w.SignIn(w.Person, code)
				w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}))
				return id
			},
			outcome: jml.StageCompleted,
		},
		"contact-held": {
			play: func(w *testWorld) string {
				w.Post(w.Joiner(w.Person, 30*24*time.Hour))
				r := w.Joiner(w.Person, 3*time.Second)
				r.Mail = "moved-" + r.Mail
				id := w.Post(r)
				w.Blocked(id, jml.ReasonContactHeld)
				w.Do("held", "reject", workflows.RefOf(id), "--reason", "asked by telephone")
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"hr-cancelled": {
			play: func(w *testWorld) string {
				r := w.Joiner(w.Person, time.Hour)
				w.Post(r)
				w.Passcode(w.Person, 1)
				r.Left = true
				return w.Post(r)
			},
			outcome: jml.StageCancelled,
		},
		"operator-revoked": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.WaitFor(id, time.Minute, "a pass", func(v workflows.JourneyView) bool { return v.PassID != "" })
				if _, says, code := w.Command("revoke", id, "--reason", "test", "--actor", "operator"); code != 0 {
					w.t.Fatal(says)
				}
				return id
			},
			outcome: jml.StageRevoked,
		},
		"temporal-cancelled": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.Passcode(w.Person, 1)
				w.must(nil, w.Client.CancelWorkflow(w.t.Context(), id, ""))
				return id
			},
			outcome: jml.StageCancelled,
		},
		"timed-out": {
			world: worldOptions{Profile: func(p *profileSettings) { p.Timeout = 5 * time.Second }},
			play: func(w *testWorld) string {
				return w.Post(w.Joiner(w.Person, 2*time.Second))
			},
			outcome: jml.StageTimedOut,
		},
		"collected": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				w.collectAndUse(id, 1)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"vouched": {
			world: worldOptions{Cohort: cohortVouched},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				w.collectAndUse(id, 1)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"locked": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.lock(id, w.Invitation(w.Person, 1))
				w.Do("cancel", workflows.RefOf(id), "--reason", "test")
				return id
			},
			outcome: jml.StageCancelled,
		},
		"repudiated": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.Collect(w.Person, id, w.Invitation(w.Person, 1))
				ref := workflows.RefOf(id)
				w.must(nil, w.Visit().NotMe(w.t.Context(), w.Noticed(w.Person), ref[len(ref)-4:]))
				w.Blocked(id, jml.ReasonRepudiated)
				w.Do("cancel", ref, "--reason", "test")
				return id
			},
			outcome: jml.StageCancelled,
		},
		"undeliverable": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				w.bounces(w.Person.Mail)
				w.bounces(boss().Mail)
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.Blocked(id, jml.ReasonUndeliverable)
				w.Do("cancel", workflows.RefOf(id), "--reason", "test")
				return id
			},
			outcome: jml.StageCancelled,
		},
		// The page closed and the pass was not used: the employee asks for
		// another one.
		"again": {
			world: worldOptions{Cohort: cohortPickup, Profile: func(p *profileSettings) { p.Window = time.Minute }},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 80*time.Second))
				i := w.Invitation(w.Person, 1)
				_, v := w.Collect(w.Person, id, i)
				// A minute is the shortest window there is.
				w.must(nil, poll(w.t.Context(), time.Second, func() error {
					if err := v.Open(w.t.Context(), "/p/pass"); err != nil {
						return giveUp{err}
					}
					if _, err := v.Passcode(); err == nil {
						return errors.New("the pass is still shown")
					}
					return nil
				}))
				w.must(nil, v.Again(w.t.Context(), i))
				w.collectAndUse(id, 2)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"reissued": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 8*time.Second))
				w.Collect(w.Person, id, w.Invitation(w.Person, 1))
				w.Do("reissue", workflows.RefOf(id), "--reason", "lost", "--actor", "olga")
				w.collectAndUse(id, 2)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"sms-bounced": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				w.Phones.Inject(fault.Fault{To: w.Person.Phone, Becomes: []string{phone.StatusQueued, phone.StatusUndelivered}})
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				i := invitation{Token: w.Link(w.Person.Mail, linkCollect, 1), Code: w.DesksCode()}
				w.Invited(w.Person)
				code, _ := w.Collect(w.Person, id, i)
				w.Use(w.Person, code)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"split": {
			world: worldOptions{Cohort: cohortSplit},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				first, second := w.Halves(w.Person)
				w.Use(w.Person, first+second)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"reminded": {
			world: worldOptions{Cohort: cohortPickup, Profile: func(p *profileSettings) {
				p.Reminders = []string{"{after: 1s, of: start, to: [{channel: sms, recipient: personal_phone}]}", "{after: 2s, of: start, to: [{channel: mail, recipient: manager}]}"}
			}},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 2*time.Second))
				w.Link(w.Person.Mail, linkCollect, 1)
				w.Eventually(time.Minute, "word to the manager", func() error {
					if len(w.Mailbox.MailsTo(boss().Mail)) == 0 {
						return errors.New("no mail")
					}
					return nil
				})
				w.collectAndUse(id, 1)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"skipped": {
			play: func(w *testWorld) string {
				w.must(w.Tenant.AddMethod(w.User(w.Person).ID, entrasim.Method{Kind: entrasim.KindFIDO2}))
				return w.Post(w.Joiner(w.Person, time.Hour))
			},
			outcome: jml.StageSkipped,
		},
	}
	for name, j := range journeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, j.world)
			id := j.play(w)
			if got := w.Result(id).Outcome; got != j.outcome {
				t.Errorf("outcome %s, want %s", got, j.outcome)
			}
			w.must(nil, w.noLivePass())
			if os.Getenv("FIRSTPASS_RECORD") != "" {
				w.must(nil, w.record(name, "joiner", id))
				if name != "skipped" {
					w.must(nil, w.record(name, "pass", workflows.PassID(w.User(w.Person).ID)))
				}
				if name == "again" || name == "reissued" {
					// The pass that was replaced.
					w.must(nil, w.recordRun(name, "first-pass", workflows.PassID(w.User(w.Person).ID), w.firstRun(workflows.PassID(w.User(w.Person).ID))))
				}
			}
		})
	}
}

// firstRun returns the oldest run of a workflow ID.
func (w *testWorld) firstRun(workflowID string) (run string) {
	w.t.Helper()
	w.Eventually(30*time.Second, "two runs", func() error {
		res, err := w.Client.ListWorkflow(w.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = '" + workflowID + "'"})
		if err != nil {
			return err
		}
		var oldest time.Time
		for _, e := range res.GetExecutions() {
			if at := e.GetStartTime().AsTime(); oldest.IsZero() || at.Before(oldest) {
				oldest, run = at, e.GetExecution().GetRunId()
			}
		}
		if n := len(res.GetExecutions()); n < 2 {
			return fmt.Errorf("%d runs", n)
		}
		return nil
	})
	return run
}

// record writes the newest history of a workflow ID.
func (w *testWorld) record(journey, part, workflowID string) error {
	return w.recordRun(journey, part, workflowID, "")
}

// recordRun writes a history, decrypted. Whoever ran it is taken out: the files are
// the same wherever they are made.
func (w *testWorld) recordRun(journey, part, workflowID, run string) error {
	payloads, err := codec.New(codec.Config{Keyring: w.Keys.Payloads, Namespace: w.cfg.Namespace})
	if err != nil {
		return err
	}
	visit := proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, list []*commonpb.Payload) ([]*commonpb.Payload, error) {
			return payloads.Decode(list)
		},
	}
	var history historypb.History
	events := w.Client.GetWorkflowHistory(context.Background(), workflowID, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		if err := proxy.VisitPayloads(context.Background(), event, visit); err != nil {
			return fmt.Errorf("event %d: %w", event.GetEventId(), err)
		}
		history.Events = append(history.Events, event)
	}
	if len(history.Events) == 0 {
		return errors.New("an empty history")
	}
	raw, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(&history)
	if err != nil {
		return err
	}
	raw = regexp.MustCompile(`("identity":\s*)"[^"]*"`).ReplaceAll(raw, []byte(`$1"worker"`))
	dir := filepath.Join("..", "..", "workflows", "testdata", "history")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, journey+"."+part+".json"), append(raw, '\n'), 0o644)
}
