package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// store is a visibility store that understands the board's two queries.
type store struct {
	mu       sync.Mutex
	runs     map[string]*workflowpb.WorkflowExecutionInfo // by run ID
	fail     func(query string) error
	queries  []string
	requests int
	returned int
}

func newStore() *store { return &store{runs: map[string]*workflowpb.WorkflowExecutionInfo{}} }

func (s *store) put(info *workflowpb.WorkflowExecutionInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[info.GetExecution().GetRunId()] = info
}

func (s *store) drop(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, run)
}

func (s *store) failing(f func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *store) counts() (requests, returned int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.returned
}

func (s *store) ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.queries = append(s.queries, r.GetQuery())
	if s.fail != nil {
		if err := s.fail(r.GetQuery()); err != nil {
			return nil, err
		}
	}
	var since time.Time
	full := strings.Contains(r.GetQuery(), "ExecutionStatus = 'Running'")
	_, rest, ok := strings.Cut(r.GetQuery(), ">= '")
	when, _, _ := strings.Cut(rest, "'")
	since, err := time.Parse(time.RFC3339Nano, when)
	if !ok || err != nil {
		return nil, serviceerror.NewInvalidArgument("the query has no time: " + r.GetQuery())
	}
	var hits []*workflowpb.WorkflowExecutionInfo
	for _, info := range s.runs {
		closed := info.GetCloseTime().AsTime()
		running := info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		late := !running && !closed.Before(since)
		if !full {
			late = late || !info.GetStartTime().AsTime().Before(since) || !moment(info.GetSearchAttributes().GetIndexedFields(), workflows.AttributeChanged).Before(since)
		}
		if late || full && running {
			hits = append(hits, info)
		}
	}
	slices.SortFunc(hits, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return strings.Compare(a.GetExecution().GetRunId(), b.GetExecution().GetRunId())
	})
	from := 0
	if t := r.GetNextPageToken(); len(t) > 0 {
		_, _ = fmt.Sscan(string(t), &from)
	}
	hits = hits[min(from, len(hits)):]
	resp := &workflowservice.ListWorkflowExecutionsResponse{}
	if n := int(r.GetPageSize()); len(hits) > n {
		hits = hits[:n]
		resp.NextPageToken = fmt.Appendf(nil, "%d", from+n)
	}
	resp.Executions = hits
	s.returned += len(hits)
	return resp, nil
}

// run is one line of the store.
type run struct {
	id, run, parent string
	typ             string
	began, closed   time.Time
	status          enums.WorkflowExecutionStatus
	attributes      map[string]any
}

func info(t testing.TB, r run) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	fields := map[string]*commonpb.Payload{}
	for name, v := range r.attributes {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		if err != nil {
			t.Fatal(err)
		}
		fields[name] = p
	}
	if r.typ == "" {
		r.typ = workflows.Type(workflows.KindOf(r.id))
	}
	if r.status == 0 {
		r.status = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		if !r.closed.IsZero() {
			r.status = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
		}
	}
	out := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: r.id, RunId: r.run}, Type: &commonpb.WorkflowType{Name: r.typ},
		StartTime: timestamppb.New(r.began), Status: r.status, SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields},
	}
	if !r.closed.IsZero() {
		out.CloseTime = timestamppb.New(r.closed)
	}
	if r.parent != "" {
		out.ParentExecution = &commonpb.WorkflowExecution{WorkflowId: r.parent, RunId: "x"}
	}
	return out
}

// journey is a run in a stage since a time.
func journey(t testing.TB, id string, stage jml.Stage, since time.Time, more ...any) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	r := run{id: id, run: "run-" + id, began: since, attributes: map[string]any{workflows.AttributeStage: string(stage), workflows.AttributeChanged: since}}
	for i := 0; i+1 < len(more); i += 2 {
		r.attributes[more[i].(string)] = more[i+1]
	}
	return info(t, r)
}

func pass(t testing.TB, id, parent string, stage jml.Stage, since, expires time.Time) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	a := map[string]any{workflows.AttributeStage: string(stage), workflows.AttributeChanged: since, workflows.AttributeChannel: "sms"}
	if !expires.IsZero() {
		a[workflows.AttributeExpires] = expires
	}
	return info(t, run{id: id, run: "run-" + id, parent: parent, typ: workflows.TypePass, began: since, attributes: a})
}

// started runs a board within a bubble until the test ends.
func started(t *testing.T, s *store) *Board {
	t.Helper()
	b, err := New(Config{Client: s})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func ids(rows []Row) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, r.WorkflowID)
	}
	return out
}

func TestOrderAndJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := newStore(), time.Now().UTC()
		s.put(journey(t, "joiner/hr/late", jml.StageScheduled, now, workflows.AttributeStarts, now.Add(48*time.Hour)))
		s.put(journey(t, "joiner/hr/soon", jml.StagePass, now, workflows.AttributeStarts, now.Add(time.Hour)))
		s.put(pass(t, "pass/u1", "joiner/hr/soon", jml.StageInvited, now, time.Time{}))
		s.put(journey(t, "joiner/hr/waits", jml.StageBlocked, now, workflows.AttributeReason, "graphUnavailable", workflows.AttributeNeeds, false))
		s.put(journey(t, "mover/hr/needs", jml.StageBlocked, now, workflows.AttributeReason, "contactHeld", workflows.AttributeNeeds, true))
		s.put(info(t, run{id: "joiner/hr/over", run: "r9", began: now, closed: now, attributes: map[string]any{workflows.AttributeStage: "completed"}}))
		s.put(info(t, run{id: "joiner/hr/killed", run: "r8", began: now, closed: now, status: enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, attributes: map[string]any{workflows.AttributeStage: "pass"}}))
		s.put(info(t, run{id: "feed/hr", run: "f", typ: workflows.TypeFeed, began: now}))
		b := started(t, s)
		synctest.Wait()
		if got, want := ids(b.Rows(Filter{})), []string{"mover/hr/needs", "joiner/hr/waits", "joiner/hr/soon", "joiner/hr/late"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		soon, _ := b.Row("joiner/hr/soon")
		if soon.Pass != jml.StageInvited || soon.PassID != "pass/u1" || soon.Channel != "sms" || soon.Live() || soon.Source != "hr" || soon.Ref != "soon" {
			t.Errorf("the pass is not joined: %+v", soon)
		}
		if lost := b.Rows(Filter{Lost: true}); len(lost) != 1 || lost[0].WorkflowID != "joiner/hr/killed" {
			t.Errorf("lost: %v", ids(lost))
		}
		if all := b.Rows(Filter{Closed: true}); len(all) != 6 {
			t.Errorf("got %d with closed ones", len(all))
		}

		// The pass is handed over, ends, and the journey with it.
		time.Sleep(time.Minute)
		at := time.Now().UTC()
		s.put(pass(t, "pass/u1", "joiner/hr/soon", jml.StageWaiting, at, at.Add(time.Hour)))
		time.Sleep(3 * time.Second)
		soon, _ = b.Row("joiner/hr/soon")
		if !soon.Live() || !soon.Expires.Equal(at.Add(time.Hour)) || !soon.Changed.Equal(at) {
			t.Errorf("not live: %+v", soon)
		}
		gone := pass(t, "pass/u1", "joiner/hr/soon", jml.StageGone, at, at.Add(time.Hour))
		gone.Status, gone.CloseTime = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, timestamppb.New(time.Now())
		s.put(gone)
		time.Sleep(3 * time.Second)
		if soon, _ = b.Row("joiner/hr/soon"); soon.PassID != "" || soon.Pass != "" || !soon.Expires.IsZero() || soon.Live() {
			t.Errorf("the pass is not gone: %+v", soon)
		}
	})
}

func TestIncrementsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newStore(), time.Now().UTC()
		for i := range 2500 {
			s.put(journey(t, fmt.Sprintf("joiner/hr/%04d", i), jml.StageScheduled, began))
		}
		time.Sleep(time.Hour)
		s.put(journey(t, "joiner/hr/new", jml.StageScheduled, time.Now().UTC()))
		b := started(t, s)
		synctest.Wait()
		if n, rows := s.counts(); n != 3 || rows != 2501 {
			t.Fatalf("the first listing took %d requests of %d rows", n, rows)
		}
		version := b.State().Version
		time.Sleep(5 * time.Minute)
		n, rows := s.counts()
		if n -= 3; n < 149 || n > 151 {
			t.Errorf("%d requests in 5 minutes", n)
		}
		if rows -= 2501; rows > 40 {
			t.Errorf("%d rows were read though nothing changed", rows)
		}
		if b.State().Version != version {
			t.Error("the version grew though nothing changed")
		}
	})
}

func TestWaitersSleepUntilSomethingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.put(journey(t, "joiner/hr/a", jml.StageScheduled, time.Now().UTC()))
		b := started(t, s)
		synctest.Wait()
		version := b.State().Version
		var mu sync.Mutex
		woken := 0
		for range 50 {
			go func() {
				b.Wait(t.Context(), version)
				mu.Lock()
				defer mu.Unlock()
				woken++
			}()
		}
		count := func() int { mu.Lock(); defer mu.Unlock(); return woken }
		time.Sleep(20 * time.Minute) // two full listings
		if synctest.Wait(); count() != 0 {
			t.Fatalf("%d were woken for nothing", count())
		}
		s.put(journey(t, "joiner/hr/a", jml.StageBlocked, time.Now().UTC()))
		time.Sleep(3 * time.Second)
		if synctest.Wait(); count() != 50 {
			t.Errorf("%d were woken", count())
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := b.Wait(short, b.State().Version); got != b.State().Version {
			t.Error("who gives up hears another version")
		}
	})
}

func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.put(journey(t, "joiner/hr/a", jml.StageScheduled, time.Now().UTC()))
		b := started(t, s)
		synctest.Wait()
		read := b.State().Read
		s.failing(func(string) error { return serviceerror.NewUnavailable("10.1.2.3: secret detail of somebody's") })
		time.Sleep(time.Minute)
		st := b.State()
		if st.Fault == "" || strings.Contains(st.Fault, "secret") || strings.Contains(st.Fault, "10.1.2.3") {
			t.Errorf("fault %q", st.Fault)
		}
		if st.Read.Sub(read) > 3*time.Second || len(b.Rows(Filter{})) != 1 {
			t.Errorf("what was known last is gone: %+v", st)
		}
		n, _ := s.counts()
		time.Sleep(time.Hour)
		if m, _ := s.counts(); m-n > 250 {
			t.Errorf("%d requests in an hour without Temporal", m-n)
		}
		// While it was away somebody changed without a word of when, as old
		// workers do, and somebody else went.
		old := journey(t, "joiner/hr/b", jml.StageBlocked, time.Now().Add(-30*time.Minute).UTC())
		delete(old.SearchAttributes.IndexedFields, workflows.AttributeChanged)
		s.put(old)
		s.drop("run-joiner/hr/a")
		s.failing(nil)
		time.Sleep(20 * time.Second)
		if st = b.State(); st.Fault != "" || !slices.Equal(ids(b.Rows(Filter{})), []string{"joiner/hr/b"}) {
			t.Errorf("after the outage: %+v, %v", st, ids(b.Rows(Filter{})))
		}
	})
}

func TestWithoutTheSearchAttribute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.failing(func(query string) error {
			if strings.Contains(query, workflows.AttributeChanged) {
				return serviceerror.NewInvalidArgument("invalid search attribute")
			}
			return nil
		})
		s.put(journey(t, "joiner/hr/a", jml.StageScheduled, time.Now().UTC()))
		b := started(t, s)
		time.Sleep(5 * time.Second)
		if f := b.State().Fault; !strings.Contains(f, "firstpass setup") {
			t.Errorf("fault %q", f)
		}
		version := b.State().Version
		s.put(journey(t, "joiner/hr/b", jml.StageScheduled, time.Now().UTC()))
		time.Sleep(time.Minute)
		if len(b.Rows(Filter{})) != 2 {
			t.Error("no full listing without increments")
		}
		if n, _ := s.counts(); n > 10 {
			t.Errorf("%d requests in a minute", n)
		}
		if v := b.State().Version; v > version+1 {
			t.Errorf("the version grew by %d for one change", v-version)
		}
		s.failing(nil)
		time.Sleep(time.Minute)
		if f := b.State().Fault; f != "" {
			t.Errorf("fault %q after setup", f)
		}
	})
}

// Temporal's clock and ours may differ, and ours may jump: no change is missed
// for longer than a full listing takes to come.
func TestClocks(t *testing.T) {
	for _, skew := range []time.Duration{-2 * time.Hour, 0, 2 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				var mu sync.Mutex
				jump := time.Duration(0)
				b, err := New(Config{Client: s, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(jump).Round(0) }})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				server := func() time.Time { return time.Now().Add(skew).UTC() }
				s.put(journey(t, "joiner/hr/a", jml.StageScheduled, server()))
				go b.Run(ctx)
				for i, j := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour} {
					mu.Lock()
					jump = j
					mu.Unlock()
					time.Sleep(time.Minute)
					id := fmt.Sprintf("joiner/hr/n%d", i)
					s.put(journey(t, id, jml.StageScheduled, server()))
					time.Sleep(5 * time.Second)
					if _, ok := b.Row(id); !ok && i == 0 {
						t.Errorf("%s was missed", id)
					}
					time.Sleep(11 * time.Minute)
					if _, ok := b.Row(id); !ok {
						t.Errorf("%s was missed for 11 minutes after a jump by %s", id, j)
					}
				}
				cancel()
			})
		})
	}
}

func TestContinuedAndStale(t *testing.T) {
	now := time.Date(2030, 5, 6, 7, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	stage := func(s jml.Stage) map[string]any { return map[string]any{workflows.AttributeStage: string(s)} }
	one := run{id: "joiner/hr/a", run: "r1", began: now, attributes: stage(jml.StageBlocked)}
	continued := one
	continued.closed, continued.status = at(time.Hour), enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
	two := run{id: "joiner/hr/a", run: "r2", began: at(time.Hour), attributes: stage(jml.StageScheduled)}
	ended := two
	ended.closed, ended.attributes = at(2*time.Hour), stage(jml.StageCompleted)
	for name, c := range map[string]struct {
		seen  []run
		run   string
		stage jml.Stage
		open  bool
	}{
		"next run listed first":      {[]run{two, continued}, "r2", jml.StageScheduled, true},
		"next run not listed yet":    {[]run{one, continued}, "r1", jml.StageBlocked, true},
		"an old page comes late":     {[]run{ended, two, continued, one}, "r2", jml.StageCompleted, false},
		"in order":                   {[]run{one, continued, two, ended}, "r2", jml.StageCompleted, false},
		"begun anew after its close": {[]run{ended, {id: "joiner/hr/a", run: "r3", began: at(3 * time.Hour), attributes: stage(jml.StageScheduled)}}, "r3", jml.StageScheduled, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSheet()
			for _, r := range c.seen {
				v, ok := decode(info(t, r))
				if !ok {
					t.Fatal("not decoded")
				}
				s.add(v)
			}
			got, ok := s.joined("joiner/hr/a")
			if !ok || got.RunID != c.run || got.Stage != c.stage || got.Closed.IsZero() != c.open {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What stands in search attributes could be anything.
func TestForeignWords(t *testing.T) {
	now := time.Date(2030, 5, 6, 7, 0, 0, 0, time.UTC)
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		info *workflowpb.WorkflowExecutionInfo
		want func(Row) bool
		none bool
	}{
		"newer stage":    {info: journey(t, "joiner/hr/a", "dreaming", now), want: func(r Row) bool { return r.Stage == "dreaming" }},
		"markup":         {info: journey(t, "joiner/hr/a", "<script>", now), want: func(r Row) bool { return r.Stage == "unknown" }},
		"long":           {info: journey(t, "joiner/hr/a", jml.Stage(long), now), want: func(r Row) bool { return len(r.Stage) <= maxText }},
		"another type":   {info: journey(t, "joiner/hr/a", jml.StagePass, now, workflows.AttributeNeeds, "yes", workflows.AttributeStarts, 7), want: func(r Row) bool { return !r.NeedsAction && r.Starts.IsZero() }},
		"site":           {info: journey(t, "joiner/hr/a", jml.StagePass, now, workflows.AttributeSite, "A\u202eB\n"), want: func(r Row) bool { return r.Site == "A B " }},
		"old worker":     {info: journey(t, "joiner/hr/a", jml.StageApproval, now), want: func(r Row) bool { return r.NeedsAction }},
		"old reason":     {info: journey(t, "joiner/hr/a", jml.StagePass, now, workflows.AttributeReason, "held"), want: func(r Row) bool { return r.Reason == "" }},
		"foreign kind":   {info: info(t, run{id: "intruder/hr/a", run: "r", began: now}), none: true},
		"too many parts": {info: info(t, run{id: "joiner/hr/a/b", run: "r", began: now}), none: true},
		"no id":          {info: info(t, run{id: "", run: "r", began: now}), none: true},
		"nothing":        {info: &workflowpb.WorkflowExecutionInfo{}, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Decode(c.info)
			if ok == c.none || ok && !c.want(got) {
				t.Errorf("got %t, %+v", ok, got)
			}
		})
	}
}

func TestClosedOnesLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		now := time.Now().UTC()
		s.put(info(t, run{id: "joiner/hr/a", run: "r", began: now, closed: now, attributes: map[string]any{workflows.AttributeStage: "completed"}}))
		b, err := New(Config{Client: s, Every: time.Hour, Full: 100 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Run(ctx)
		time.Sleep(13 * 24 * time.Hour)
		if len(b.Rows(Filter{Closed: true})) != 1 {
			t.Error("left too early")
		}
		time.Sleep(2 * 24 * time.Hour)
		if len(b.Rows(Filter{Closed: true})) != 0 {
			t.Error("stays for ever")
		}
	})
}

func TestFilters(t *testing.T) {
	at := time.Date(2030, 5, 6, 7, 0, 0, 0, time.UTC)
	r := Row{Kind: jml.KindJoiner, Source: "hr", Site: "Ulm", Channel: "sms", Stage: jml.StagePass, Pass: jml.StageInvited, PassID: "pass/u", Starts: at}
	for name, c := range map[string]struct {
		f    Filter
		want bool
	}{
		"none":           {Filter{}, true},
		"kind":           {Filter{Kinds: []jml.Kind{jml.KindMover, jml.KindJoiner}}, true},
		"other kind":     {Filter{Kinds: []jml.Kind{jml.KindMover}}, false},
		"stage":          {Filter{Stages: []jml.Stage{jml.StagePass}}, true},
		"pass stage":     {Filter{Stages: []jml.Stage{jml.StageInvited}}, true},
		"other stage":    {Filter{Stages: []jml.Stage{jml.StageWaiting}}, false},
		"reason":         {Filter{Reasons: []jml.BlockReason{jml.ReasonHeld}}, false},
		"source":         {Filter{Source: "hr2"}, false},
		"site":           {Filter{Site: "Ulm"}, true},
		"channel":        {Filter{Channel: "mail"}, false},
		"needs":          {Filter{NeedsAction: true}, false},
		"live":           {Filter{Live: true}, false}, // invited: nobody holds it yet
		"from":           {Filter{From: at}, true},
		"until":          {Filter{Until: at}, false},
		"until later":    {Filter{From: at.Add(-time.Hour), Until: at.Add(time.Second)}, true},
		"lost only":      {Filter{Lost: true}, false},
		"closed as well": {Filter{Closed: true}, true},
	} {
		if got := c.f.takes(&r); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	r.Starts = time.Time{}
	if f := (Filter{Until: at}); f.takes(&r) {
		t.Error("a start that nobody knows is before none")
	}
}

func TestFaults(t *testing.T) {
	for _, err := range []error{
		errors.New("quoted by nobody"), serviceerror.NewNamespaceNotFound("x"), serviceerror.NewPermissionDenied("x", ""),
		serviceerror.NewInvalidArgument("x"), serviceerror.NewResourceExhausted(0, "x"), context.DeadlineExceeded,
	} {
		if f := fault(err); f == "" || strings.Contains(f, "quoted") {
			t.Errorf("%T: %q", err, f)
		}
	}
}

// twenty is a board of 20,000 journeys, a tenth of them with passes.
func twenty(t testing.TB) (*store, *Board) {
	s, now := newStore(), time.Now().UTC()
	for i := range 20000 {
		id := fmt.Sprintf("joiner/hr/%05d", i)
		stage := []jml.Stage{jml.StageScheduled, jml.StageScheduled, jml.StageBlocked, jml.StagePass}[i%4]
		s.put(journey(t, id, stage, now.Add(-time.Duration(i)*time.Minute), workflows.AttributeStarts, now.Add(time.Duration(i)*time.Minute), workflows.AttributeSite, fmt.Sprint("site ", i%20)))
		if stage == jml.StagePass && i%10 == 3 {
			s.put(pass(t, fmt.Sprintf("pass/%05d", i), id, jml.StageWaiting, now, now.Add(time.Hour)))
		}
	}
	b, err := New(Config{Client: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, b
}

func BenchmarkRows(b *testing.B) {
	_, board := twenty(b)
	f := Filter{Stages: []jml.Stage{jml.StageBlocked}, From: time.Now(), Until: time.Now().Add(14 * 24 * time.Hour)}
	for name, f := range map[string]Filter{"all": {}, "filtered": f} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = len(board.Rows(f))
			}
			b.ReportMetric(float64(n), "rows")
		})
	}
}

// BenchmarkFull leaves out the store's own work as far as it can: the pages are
// ready.
func BenchmarkFull(b *testing.B) {
	s, board := twenty(b)
	pages := &ready{}
	for token := []byte(nil); ; {
		r, err := s.ListWorkflow(b.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "ExecutionStatus = 'Running' >= '2000-01-01T00:00:00Z'", PageSize: pageSize, NextPageToken: token})
		if err != nil {
			b.Fatal(err)
		}
		pages.all = append(pages.all, r)
		if token = r.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	board.cfg.Client = pages
	b.ReportAllocs()
	for b.Loop() {
		if err := board.full(b.Context(), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(pages.all)), "requests")
	b.ReportMetric(float64(board.State().Rows), "rows")
}

type ready struct {
	all  []*workflowservice.ListWorkflowExecutionsResponse
	next int
}

func (r *ready) ListWorkflow(_ context.Context, req *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if len(req.GetNextPageToken()) == 0 {
		r.next = 0
	}
	r.next++
	return r.all[r.next-1], nil
}

// BenchmarkIncrement takes in one change among 20,000.
func BenchmarkIncrement(b *testing.B) {
	_, board := twenty(b)
	one := &ready{all: []*workflowservice.ListWorkflowExecutionsResponse{{}}}
	board.cfg.Client = one
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		stage := []jml.Stage{jml.StageBlocked, jml.StageScheduled}[n%2]
		one.all[0].Executions = []*workflowpb.WorkflowExecutionInfo{journey(b, "joiner/hr/10000", stage, time.Now())}
		if err := board.increment(b.Context(), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1, "requests")
}

// However short an outage was, all is read after it.
func TestShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.put(journey(t, "joiner/hr/a", jml.StageScheduled, time.Now().UTC()))
		s.put(journey(t, "joiner/hr/gone", jml.StageScheduled, time.Now().UTC()))
		b := started(t, s)
		time.Sleep(3 * time.Minute)
		s.failing(func(string) error { return context.DeadlineExceeded })
		time.Sleep(3 * time.Second)
		s.drop("run-joiner/hr/gone")
		s.failing(nil)
		time.Sleep(10 * time.Second)
		if got := ids(b.Rows(Filter{})); !slices.Equal(got, []string{"joiner/hr/a"}) {
			t.Errorf("got %v", got)
		}
	})
}
