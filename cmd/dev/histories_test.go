package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/temporalproto"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/phone"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// life is one way a journey can go.
type life struct {
	world   worldOptions
	play    func(*testWorld) (id string) // of the journey whose outcome counts
	outcome jml.Stage
	check   func(workflows.JourneyResult) error // beyond the outcome; may be nil
	most    limits                              // that it may cost; zero: not asserted
}

// TestJourneys runs each way a journey can go on the real server. With
// FIRSTPASS_RECORD=1 (make histories) it writes the histories, decrypted, where
// the replay tests of package workflows read them. A history that is recorded
// stays: it stands for the journeys that run somewhere when a new version
// starts.
//
// At the end it prints what each cost. The limits are what was measured when
// they were set, and what one more try of something costs.
func TestJourneys(t *testing.T) {
	journeys := firstLives()
	maps.Copy(journeys, lives())
	maps.Copy(journeys, steeredLives())
	var costs costs
	t.Cleanup(func() { t.Log(costs.table()) })
	for name, j := range journeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, j.world)
			id := j.play(w)
			r := w.Result(id)
			if r.Outcome != j.outcome {
				t.Errorf("outcome %s, want %s", r.Outcome, j.outcome)
			}
			if j.check != nil {
				w.must(nil, j.check(r))
			}
			w.must(nil, w.noLivePass())
			events := w.AllClosed()
			got := limits{w.Tenant.Counts().Graph, w.Actions() - w.uncounted, events}
			costs.add(name, got)
			if m := j.most; m != (limits{}) && (got.graph > m.graph || got.actions > m.actions || got.events > m.events) {
				t.Errorf("it cost %+v, at most %+v was expected; actions %v", got, m, w.Temporal.ActionsByKind(w.cfg.Namespace))
			}
			if os.Getenv("FIRSTPASS_RECORD") != "" && !t.Failed() {
				w.must(nil, w.recordAll(name))
				if again := recordedName(name); again != "" {
					w.must(nil, w.recordAll(again))
				}
			}
		})
	}
}

// costs are what journeys cost.
type costs struct {
	mu   sync.Mutex
	rows map[string]limits
}

func (c *costs) add(name string, l limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil {
		c.rows = map[string]limits{}
	}
	c.rows[name] = l
}

func (c *costs) table() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := [][]string{{"journey", "Graph requests", "Temporal actions", "history events"}}
	for _, name := range slices.Sorted(maps.Keys(c.rows)) {
		l := c.rows[name]
		rows = append(rows, []string{name, fmt.Sprint(l.graph), fmt.Sprint(l.actions), fmt.Sprint(l.events)})
	}
	var out strings.Builder
	out.WriteString("\n")
	table(&out, rows)
	return out.String()
}

// firstLives are those of joiners that there have been longest.
func firstLives() map[string]life {
	return map[string]life{
		"completed": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
			most:    limitsOf(cohortSend),
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
				if _, says, code := w.Command("revoke", id, "--reason", "only a test", "--actor", "operator"); code != 0 {
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
			most:    limitsOf(cohortPickup),
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
				w.Do("cancel", workflows.RefOf(id), "--reason", "only a test")
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
				w.Do("cancel", ref, "--reason", "only a test")
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
				w.Do("cancel", workflows.RefOf(id), "--reason", "only a test")
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
				w.Do("reissue", workflows.RefOf(id), "--reason", "lost it", "--actor", "olga")
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
}

// runs are all runs of journeys and passes in the world, oldest first.
func (w *testWorld) runs() (out []*workflowpb.WorkflowExecutionInfo, err error) {
	res, err := w.Client.ListWorkflow(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100})
	if err != nil {
		return nil, err
	}
	for _, e := range res.GetExecutions() {
		if id := e.GetExecution().GetWorkflowId(); workflows.KindOf(id) != "" || strings.HasPrefix(id, workflows.PassID("")) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime())
	})
	return out, nil
}

// AllClosed waits until nothing runs any more, in what can be listed, too. It
// counts the events in all histories.
func (w *testWorld) AllClosed() (events int) {
	w.t.Helper()
	w.Eventually(time.Minute, "all ended", func() error {
		runs, err := w.runs()
		if err != nil || len(runs) == 0 {
			return errors.Join(err, errors.New("nothing is listed"))
		}
		events = 0
		for _, r := range runs {
			if r.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return errors.New(r.GetExecution().GetWorkflowId() + " runs")
			}
			events += int(r.GetHistoryLength())
		}
		return nil
	})
	return events
}

// recordAll writes the history of every journey and pass of the world, unless
// there are some of that name. The newest has a plain name; those of its kind
// before it are numbered.
func (w *testWorld) recordAll(name string) error {
	if there, err := filepath.Glob(historyFile(name, "*")); err != nil || len(there) > 0 {
		return err
	}
	runs, err := w.runs()
	if err != nil {
		return err
	}
	left := map[string]int{}
	kind := func(r *workflowpb.WorkflowExecutionInfo) string {
		kind, _, _ := strings.Cut(r.GetExecution().GetWorkflowId(), "/")
		return kind
	}
	for _, r := range runs {
		left[kind(r)]++
	}
	for n := map[string]int{}; len(runs) > 0; runs = runs[1:] {
		k, e := kind(runs[0]), runs[0].GetExecution()
		n[k]++
		part := k
		if left[k]--; left[k] > 0 {
			part = fmt.Sprintf("%s-%d", k, n[k])
		}
		if err := w.recordRun(name, part, e.GetWorkflowId(), e.GetRunId()); err != nil {
			return err
		}
	}
	return nil
}

func historyFile(journey, part string) string {
	return filepath.Join("..", "..", "workflows", "testdata", "history", journey+"."+part+".json")
}

// record writes the newest history of a workflow ID.
func (w *testWorld) record(journey, part, workflowID string) error {
	return w.recordRun(journey, part, workflowID, "")
}

// recordRun writes a history, decrypted, unless there is one. Whoever ran it is
// taken out: the files are the same wherever they are made.
func (w *testWorld) recordRun(journey, part, workflowID, run string) error {
	name := historyFile(journey, part)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
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
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, append(raw, '\n'), 0o644)
}
