package intake

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// fakeClient is a Temporal with at most one joiner.
type fakeClient struct {
	running bool
	closed  bool                    // a run ended
	result  workflows.JourneyResult // of it
	getErr  error                   // what reading it answers
	fail    error                   // what everything answers
	calls   []string
	options client.StartWorkflowOptions
	input   workflows.JourneyInput
	args    []jml.Snapshot
	choices []*jml.Choice
}

func (f *fakeClient) told(arg any) {
	facts := arg.(workflows.Facts)
	f.args, f.choices = append(f.args, facts.Snapshot), append(f.choices, facts.Choice)
}

func (f *fakeClient) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	f.calls = append(f.calls, "introduce")
	if f.fail != nil {
		return nil, f.fail
	}
	if o.ID == "" || workflow != workflows.TypeJoiner || !o.WorkflowExecutionErrorWhenAlreadyStarted ||
		o.WorkflowIDReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE {
		return nil, errors.New("not how a joiner is introduced")
	}
	if f.running || f.closed {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", "")
	}
	f.running = true
	f.options, f.input = o, args[0].(workflows.JourneyInput)
	f.args = append(f.args, *f.input.Facts)
	return nil, nil
}

func (f *fakeClient) SignalWithStartWorkflow(_ context.Context, id, signal string, arg any,
	o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	f.calls = append(f.calls, "start")
	if f.fail != nil {
		return nil, f.fail
	}
	if id == "" || signal != workflows.SignalFacts || workflow != workflows.TypeJoiner {
		return nil, errors.New("not what a joiner is started with")
	}
	if !f.running && f.closed && o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("closed", "", "")
	}
	f.running = true
	f.options, f.input = o, args[0].(workflows.JourneyInput)
	f.told(arg)
	return nil, nil
}

func (f *fakeClient) SignalWorkflow(_ context.Context, _, _, signal string, arg any) error {
	f.calls = append(f.calls, "signal")
	if f.fail != nil {
		return f.fail
	}
	if !f.running || signal != workflows.SignalFacts {
		return serviceerror.NewNotFound("no running execution")
	}
	f.told(arg)
	return nil
}

func (f *fakeClient) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	f.calls = append(f.calls, "result")
	return fakeRun{f: f}
}

type fakeRun struct {
	client.WorkflowRun
	f *fakeClient
}

func (r fakeRun) Get(ctx context.Context, v any) error {
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("no deadline")
	}
	if r.f.getErr == nil {
		*v.(*workflows.JourneyResult) = r.f.result
	}
	return r.f.getErr
}

func facts(edit ...func(*jml.Snapshot)) jml.Snapshot {
	s := jml.Snapshot{EmployeeID: "E-1", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 4, Day: 1},
		Zone: "Europe/Berlin", ObservedAt: noon}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func starts(y int, m time.Month, d int) func(*jml.Snapshot) {
	return func(s *jml.Snapshot) { s.StartDate = jml.Date{Year: y, Month: m, Day: d} }
}

func is(st jml.Status) func(*jml.Snapshot) { return func(s *jml.Snapshot) { s.Status = st } }

func seen(at time.Duration) func(*jml.Snapshot) {
	return func(s *jml.Snapshot) { s.ObservedAt = noon.Add(at) }
}

// TestIntroduce: whoever is not known is started plainly, and where a joiner is
// there all the same, the snapshot goes the usual way.
func TestIntroduce(t *testing.T) {
	ended := fakeClient{closed: true, result: workflows.JourneyResult{Outcome: jml.StageCompleted, Facts: facts()}}
	for _, tc := range []struct {
		name  string
		c     fakeClient
		snap  jml.Snapshot
		want  OutcomeKind // empty: unavailable
		calls string
	}{
		{"new", fakeClient{}, facts(), OutcomeStarted, "introduce"},
		{"running", fakeClient{running: true}, facts(), OutcomeDelivered, "introduce start"},
		{"ended, the same", ended, facts(), OutcomeUnchanged, "introduce start result"},
		{"cancelled before anything", fakeClient{}, facts(is(jml.StatusCancelled)), OutcomeStarted, "introduce"},
		{"a deletion without a date", fakeClient{}, facts(is(jml.StatusCancelled), starts(0, 0, 0)), OutcomeDelivered, "start"},
		{"long past", fakeClient{}, facts(starts(2025, 1, 1)), OutcomeIgnored, "signal"},
		{"away", fakeClient{fail: serviceerror.NewUnavailable("no connection")}, facts(), "", "introduce"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.c
			s, err := NewStarter(StarterConfig{Client: &c, Refs: refs(t), TaskQueue: "firstpass", LateLimit: 7 * 24 * time.Hour, Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.Introduce(t.Context(), Errand{Source: "hr", Choice: jml.Choice{Profile: profile("default")}, Snapshot: tc.snap})
			if tc.want == "" != errors.Is(err, ErrUnavailable) || out.Kind != tc.want {
				t.Errorf("%+v, %v", out, err)
			}
			if got := strings.Join(c.calls, " "); got != tc.calls {
				t.Errorf("calls %q, want %q", got, tc.calls)
			}
		})
	}
}

func TestStarter(t *testing.T) {
	away := serviceerror.NewUnavailable("no connection")
	ended := func(s jml.Snapshot) fakeClient {
		return fakeClient{closed: true, result: workflows.JourneyResult{Outcome: jml.StageCompleted, Facts: s}}
	}
	failed := fakeClient{closed: true, getErr: &temporal.WorkflowExecutionError{}}
	for _, tc := range []struct {
		name  string
		c     fakeClient
		snap  jml.Snapshot
		again bool
		want  OutcomeKind // empty: unavailable
		calls string
	}{
		{"new", fakeClient{}, facts(), false, OutcomeDelivered, "start"},
		{"running", fakeClient{running: true}, facts(), false, OutcomeDelivered, "start"},
		{"ended, the same", ended(facts()), facts(seen(time.Hour)), false, OutcomeUnchanged, "start result"},
		{"ended, older news", ended(facts()), facts(starts(2026, 5, 1), seen(-time.Hour)), false, OutcomeUnchanged, "start result"},
		{"ended, news", ended(facts()), facts(starts(2026, 5, 1), seen(time.Hour)), false, OutcomeStarted, "start result start"},
		{"ended, the same, again", ended(facts()), facts(), true, OutcomeDelivered, "start"},
		{"failed", failed, facts(), false, OutcomeStarted, "start result start"},
		{"result past retention", fakeClient{closed: true, getErr: serviceerror.NewNotFound("gone")}, facts(), false, OutcomeStarted, "start result start"},
		{"result does not come", fakeClient{closed: true, getErr: context.DeadlineExceeded}, facts(), false, "", "start result"},
		{"cancelled, none runs: the facts are kept", fakeClient{}, facts(is(jml.StatusCancelled)), false, OutcomeDelivered, "start"},
		{"cancelled, one runs", fakeClient{running: true}, facts(is(jml.StatusCancelled)), false, OutcomeDelivered, "start"},
		{"cancelled, one ended", ended(facts()), facts(is(jml.StatusCancelled)), false, OutcomeUnchanged, "start result"},
		{"left, without date and zone", fakeClient{}, jml.Snapshot{EmployeeID: "E-1", Status: jml.StatusLeft, ObservedAt: noon}, false, OutcomeDelivered, "start"},
		{"left, again", fakeClient{}, facts(is(jml.StatusLeft)), true, OutcomeDelivered, "start"},
		{"late, none runs", fakeClient{}, facts(starts(2026, 2, 22)), false, OutcomeIgnored, "signal"},
		{"late, one runs", fakeClient{running: true}, facts(starts(2026, 2, 22)), false, OutcomeDelivered, "signal"},
		{"late, again", fakeClient{}, facts(starts(2026, 2, 22)), true, OutcomeDelivered, "start"},
		{"late, but within the limit", fakeClient{}, facts(starts(2026, 2, 24)), false, OutcomeDelivered, "start"},
		{"away", fakeClient{fail: away}, facts(), false, "", "start"},
		{"away, cancelled", fakeClient{fail: away}, facts(is(jml.StatusCancelled)), false, "", "start"},
		{"away, again", fakeClient{fail: away}, facts(), true, "", "start"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.c
			s, err := NewStarter(StarterConfig{Client: &c, Refs: refs(t), TaskQueue: "queue", LateLimit: 7 * 24 * time.Hour, Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			p := jml.Profile{Name: "default", StartHour: jml.Clock{Hour: 9}}
			out, err := s.Deliver(t.Context(), Errand{Source: "hr", Choice: jml.Choice{Profile: p}, Snapshot: tc.snap, Again: tc.again})
			if got := strings.Join(c.calls, " "); got != tc.calls {
				t.Errorf("calls %q, want %q", got, tc.calls)
			}
			if tc.want == "" {
				if !errors.Is(err, ErrUnavailable) {
					t.Errorf("err = %v", err)
				}
				return
			}
			ref := refs(t).Ref("hr", "E-1")
			if err != nil || out.Kind != tc.want || out.Ref != ref || out.WorkflowID != workflows.JourneyID(jml.KindJoiner, "hr", ref) {
				t.Fatalf("outcome %+v, %v", out, err)
			}
			if (tc.want == OutcomeIgnored || tc.want == OutcomeUnchanged) != (out.Why != "") {
				t.Errorf("why = %q", out.Why)
			}
			if strings.HasSuffix(tc.calls, "start") {
				if d := cmp.Diff(workflows.JourneyInput{Ref: ref, Source: "hr", Profile: p, Shows: workflows.ShowsAll}, c.input); d != "" {
					t.Error(d)
				}
				starts, _ := c.options.TypedSearchAttributes.GetTime(temporal.NewSearchAttributeKeyTime(workflows.AttributeStarts))
				want, _ := tc.snap.Start(p.StartHour)
				if tc.snap.StartDate.IsZero() {
					want = noon // without a date: now
				}
				if !starts.Equal(want) || c.options.TypedSearchAttributes.Size() != 6 || c.options.TaskQueue != "queue" {
					t.Errorf("options = %+v", c.options)
				}
			}
			if n := len(c.args); (n == 1) != (tc.want == OutcomeDelivered || tc.want == OutcomeStarted) {
				t.Errorf("%d snapshots arrived", n)
			}
		})
	}
}

func TestStarterConfig(t *testing.T) {
	good := StarterConfig{Client: &fakeClient{}, Refs: refs(t), TaskQueue: "q", Now: clock}
	for name, edit := range map[string]func(*StarterConfig){
		"client": func(c *StarterConfig) { c.Client = nil },
		"refs":   func(c *StarterConfig) { c.Refs = Refs{} },
		"queue":  func(c *StarterConfig) { c.TaskQueue = "" },
		"clock":  func(c *StarterConfig) { c.Now = nil },
		"limit":  func(c *StarterConfig) { c.LateLimit = -1 },
	} {
		bad := good
		edit(&bad)
		if _, err := NewStarter(bad); err == nil {
			t.Errorf("takes a Config without %s", name)
		}
	}
	if _, err := NewStarter(good); err != nil {
		t.Error(err)
	}
}

var (
	_ TemporalClient = client.Client(nil)
	_ Deliverer      = (*Starter)(nil)
)
