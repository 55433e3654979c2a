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
		outcome workflows.Stage
	}{
		"completed": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: workflows.StageCompleted,
		},
		"user-late": {
			world: worldOptions{People: firstPeople()[1:2]}, // somebody else
			play: func(w *testWorld) string {
				w.Person = firstPeople()[0]
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.WaitFor(id, time.Minute, "blocked", func(v workflows.JoinerView) bool { return v.Block != nil })
				w.must(w.Hire(w.Person))
				w.Onboard(w.Person)
				return id
			},
			outcome: workflows.StageCompleted,
		},
		"create-reply-lost": {
			play: func(w *testWorld) string {
				w.Tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Drop: true})
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				return id
			},
			outcome: workflows.StageCompleted,
		},
		"mail-refused": {
			play: func(w *testWorld) string {
				w.Mailbox.Inject(mailFault{Status: http.StatusForbidden})
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				return id
			},
			outcome: workflows.StageCompleted,
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
			outcome: workflows.StageCompleted,
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
			outcome: workflows.StageCompleted,
		},
		"hr-cancelled": {
			play: func(w *testWorld) string {
				r := w.Joiner(w.Person, time.Hour)
				w.Post(r)
				w.Passcode(w.Person, 1)
				r.Left = true
				return w.Post(r)
			},
			outcome: workflows.StageCancelled,
		},
		"operator-revoked": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.WaitFor(id, time.Minute, "a pass", func(v workflows.JoinerView) bool { return v.PassID != "" })
				if _, says, code := w.Command("revoke", id, "--reason", "test", "--actor", "operator"); code != 0 {
					w.t.Fatal(says)
				}
				return id
			},
			outcome: workflows.StageRevoked,
		},
		"temporal-cancelled": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.Passcode(w.Person, 1)
				w.must(nil, w.Client.CancelWorkflow(w.t.Context(), id, ""))
				return id
			},
			outcome: workflows.StageCancelled,
		},
		"timed-out": {
			world: worldOptions{Profile: func(p *profileSettings) { p.Timeout = 5 * time.Second }},
			play: func(w *testWorld) string {
				return w.Post(w.Joiner(w.Person, 2*time.Second))
			},
			outcome: workflows.StageTimedOut,
		},
		"skipped": {
			play: func(w *testWorld) string {
				w.must(w.Tenant.AddMethod(w.User(w.Person).ID, entrasim.Method{Kind: entrasim.KindFIDO2}))
				return w.Post(w.Joiner(w.Person, time.Hour))
			},
			outcome: workflows.StageSkipped,
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
			}
		})
	}
}

// record writes a history, decrypted. Whoever ran it is taken out: the files are
// the same wherever they are made.
func (w *testWorld) record(journey, part, workflowID string) error {
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
	events := w.Client.GetWorkflowHistory(context.Background(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
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
