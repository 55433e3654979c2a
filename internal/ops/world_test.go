package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

// canary is a family name that must show in no refusal, row or log.
const canary = "Quxley-7f3a"

const (
	joinerID = "joiner/hr/abc"
	userID   = "0f8fad5b-d9cb-469f-a165-70867728950e"
)

var noon = time.Date(2030, 5, 6, 12, 0, 0, 0, time.UTC)

// fakeJourney answers for one workflow as workflows do.
type fakeJourney struct {
	run    string
	closed bool
	view   workflows.JourneyView
	pass   *workflows.PassView
	result workflows.JourneyResult
}

// call is one thing that Temporal was asked to do.
type call struct {
	what, id string
	request  any
}

// world is all that the service talks to.
type world struct {
	t  testing.TB
	mu sync.Mutex

	now      time.Time
	journeys map[string]*fakeJourney
	calls    []call
	away     error                                           // of Temporal
	onUpdate func(client.UpdateWorkflowOptions) (any, error) // nil: as a journey does
	onGet    func(context.Context) error

	rows      []audit.Row
	ledgerErr error
	halted    ledger.Halt
	pauses    []ledger.Pause
	refused   map[string]int // requests, by source

	table []board.Row
	state board.State

	desk *fakeDesk
	log  bytes.Buffer
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: noon, journeys: map[string]*fakeJourney{}, desk: &fakeDesk{}}
	w.desk.w = w
	w.add(joinerID, jml.StageScheduled)
	return w
}

// add puts a journey on the board and into Temporal.
func (w *world) add(id string, stage jml.Stage) *fakeJourney {
	kind := workflows.KindOf(id)
	parts := strings.Split(id, "/")
	j := &fakeJourney{run: "0123456789-" + id, view: workflows.JourneyView{
		Kind: kind, Ref: parts[2], Source: parts[1], Profile: "office", Stage: stage, Version: 3, FirstSeen: noon.Add(-24 * time.Hour),
		Start: noon.Add(48 * time.Hour), IssueAt: noon.Add(24 * time.Hour), Deadline: noon.Add(240 * time.Hour),
		Facts: jml.Snapshot{GivenName: "Ada", FamilyName: canary, PersonalMail: "ada@example.org", Phone: "+4915550100", BirthDate: jml.Date{Year: 1990, Month: 1, Day: 2}, Zone: "Europe/Berlin"},
	}}
	w.journeys[id] = j
	w.table = append(w.table, board.Row{WorkflowID: id, RunID: j.run, Kind: kind, Source: parts[1], Ref: parts[2], Stage: stage, Starts: j.view.Start, Changed: noon.Add(-time.Hour)})
	w.state.Rows++
	return j
}

// out gives a journey a pass.
func (w *world) out(id string, stage jml.Stage) *fakeJourney {
	j := w.journeys[id]
	j.view.Stage, j.view.PassID = jml.StagePass, "pass/"+userID
	j.pass = &workflows.PassView{Stage: stage, Version: 1, Pickup: &workflows.PickupView{LinkUntil: noon.Add(72 * time.Hour)}}
	w.journeys[j.view.PassID] = &fakeJourney{run: "pass-run", pass: j.pass}
	for i := range w.table {
		if w.table[i].WorkflowID == id {
			w.table[i].Stage, w.table[i].Pass, w.table[i].PassID = jml.StagePass, stage, j.view.PassID
		}
	}
	return j
}

func (w *world) service() *Service {
	w.t.Helper()
	s, err := New(Config{
		Temporal: (*fakeTemporal)(w), Ledger: (*fakeLedger)(w), Board: (*fakeBoard)(w), Desk: w.desk, Directory: w.desk, Profiles: w.desk,
		Verifications: []string{"video"}, Patience: 5 * time.Second,
		Profile: func(string) (jml.Profile, bool) {
			return jml.Profile{Name: "office", Reissues: 2, Reminders: []jml.Reminder{{Anchor: jml.AnchorStart, Offset: time.Hour}}}, true
		},
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

func (w *world) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.calls {
		out = append(out, c.what+" "+c.id)
	}
	return out
}

func (w *world) events() []audit.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []audit.Event
	for _, r := range w.rows {
		out = append(out, r.Event)
	}
	return out
}

func (w *world) last() call {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) == 0 {
		w.t.Fatal("Temporal was asked for nothing")
	}
	return w.calls[len(w.calls)-1]
}

func as(ctx context.Context, roles ...access.Role) context.Context {
	return access.With(ctx, access.Identity{Subject: "s", Name: "olga@example.com", Roles: roles})
}

type fakeTemporal world

func (f *fakeTemporal) get(id, run string) (*fakeJourney, error) {
	if f.away != nil {
		return nil, f.away
	}
	j, ok := f.journeys[id]
	if !ok || run != "" && run != j.run {
		return nil, serviceerror.NewNotFound("workflow not found for ID: " + id)
	}
	return j, nil
}

func (f *fakeTemporal) QueryWorkflow(ctx context.Context, id, run, name string, _ ...any) (converter.EncodedValue, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.get(id, run)
	if err != nil {
		return nil, err
	}
	if name == workflows.QueryPass {
		return encoded{j.pass}, nil
	}
	return encoded{j.view}, nil
}

// encoded is a value on its way through a converter.
type encoded struct{ v any }

func (e encoded) HasValue() bool { return true }

func (e encoded) Get(into any) error {
	raw, err := json.Marshal(e.v)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (f *fakeTemporal) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{o.UpdateName, o.WorkflowID, o.Args[0]})
	if f.onUpdate != nil {
		out, err := f.onUpdate(o)
		return handle{f, out, nil}, err
	}
	j, err := f.get(o.WorkflowID, o.RunID)
	switch {
	case err != nil:
		return nil, err
	case j.closed:
		return nil, serviceerror.NewNotFound("workflow execution already completed")
	}
	raw, _ := json.Marshal(o.Args[0])
	var word workflows.Word
	_ = json.Unmarshal(raw, &word)
	if word.Version != 0 && word.Version != j.view.Version {
		return handle{f, nil, temporal.NewApplicationError(workflows.Quicker+" this has changed", "")}, nil
	}
	j.view.Version++
	if o.UpdateName == workflows.UpdateStop {
		return handle{f, workflows.JourneyResult{Outcome: o.Args[0].(jml.Stop).Outcome}, nil}, nil
	}
	return handle{f, workflows.Answer{Done: true, Version: j.view.Version}, nil}, nil
}

type handle struct {
	f   *fakeTemporal
	out any
	err error
}

func (h handle) WorkflowID() string { return "" }
func (h handle) RunID() string      { return "" }
func (h handle) UpdateID() string   { return "" }

func (h handle) Get(ctx context.Context, into any) error {
	if h.f.onGet != nil {
		if err := h.f.onGet(ctx); err != nil {
			return err
		}
	}
	if h.err != nil {
		return h.err
	}
	return encoded{h.out}.Get(into)
}

func (f *fakeTemporal) SignalWorkflow(_ context.Context, id, run, name string, _ any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{"signal " + name, id, nil})
	_, err := f.get(id, run)
	return err
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.get(id, run)
	if err != nil {
		return nil, err
	}
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: j.run}, Type: &commonpb.WorkflowType{Name: workflows.Type(workflows.KindOf(id))},
		StartTime: timestamppb.New(noon.Add(-time.Hour)), Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}
	if j.closed {
		info.Status, info.CloseTime = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, timestamppb.New(noon)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

func (f *fakeTemporal) GetWorkflow(_ context.Context, id, run string) client.WorkflowRun {
	return result{f, id, run}
}

type result struct {
	f       *fakeTemporal
	id, run string
}

func (r result) GetID() string                  { return r.id }
func (r result) GetRunID() string               { return r.run }
func (r result) GetFirstExecutionRunID() string { return r.run }
func (r result) Get(_ context.Context, into any) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	j, err := r.f.get(r.id, r.run)
	if err != nil {
		return err
	}
	return encoded{j.result}.Get(into)
}

func (r result) GetWithOptions(ctx context.Context, into any, _ client.WorkflowRunGetOptions) error {
	return r.Get(ctx, into)
}

type fakeLedger world

func (f *fakeLedger) Append(_ context.Context, e audit.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ledgerErr != nil {
		return f.ledgerErr
	}
	if e.Time.IsZero() || e.Event == "" {
		return errors.New("a row without event or time")
	}
	f.rows = append(f.rows, audit.Row{Seq: uint64(len(f.rows) + 1), Entry: e})
	return nil
}

func (f *fakeLedger) Rows(_ context.Context, q ledger.RowFilter) ([]audit.Row, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ledgerErr != nil {
		return nil, f.ledgerErr
	}
	var out []audit.Row
	for _, r := range f.rows {
		if (q.Ref == "" || q.Ref == r.Ref) && (q.Until.IsZero() || r.Time.Before(q.Until)) {
			out = append(out, r)
		}
	}
	if q.Newest {
		slices.Reverse(out)
	}
	return out[:min(len(out), q.Limit)], nil
}

func (f *fakeLedger) Halt(context.Context) (ledger.Halt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.halted, f.ledgerErr
}

func (f *fakeLedger) SetHalt(_ context.Context, h ledger.Halt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{"setHalt", fmt.Sprint(h.On), nil})
	if f.ledgerErr == nil {
		f.halted = h
	}
	return f.ledgerErr
}

func (f *fakeLedger) Pauses(context.Context) ([]ledger.Pause, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pauses, f.ledgerErr
}

func (f *fakeLedger) Counts(_ context.Context, source string, since time.Time) (map[string]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ledgerErr != nil {
		return nil, f.ledgerErr
	}
	if since.After(f.now.Add(-time.Hour)) || since.Before(f.now.Add(-2*time.Hour)) {
		f.t.Errorf("counted since %v", since)
	}
	return map[string]int{"refused": f.refused[source]}, nil
}

func (f *fakeLedger) SetPause(_ context.Context, p ledger.Pause) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{"setPause", p.Source, nil})
	f.pauses = []ledger.Pause{p}
	return f.ledgerErr
}

type fakeBoard world

func (f *fakeBoard) Rows(q board.Filter) []board.Row {
	out := []board.Row{}
	f.Each(q, func(r *board.Row) bool { out = append(out, *r); return true })
	return out
}

func (f *fakeBoard) Each(q board.Filter, yield func(*board.Row) bool) {
	f.mu.Lock()
	rows := slices.Clone(f.table)
	f.mu.Unlock()
	for i := range rows {
		if q.Takes(rows[i]) && !yield(&rows[i]) {
			return
		}
	}
}

func (f *fakeBoard) Row(id string) (board.Row, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.table, func(r board.Row) bool { return r.WorkflowID == id })
	if i < 0 {
		return board.Row{}, false
	}
	return f.table[i], true
}

func (f *fakeBoard) State() board.State { f.mu.Lock(); defer f.mu.Unlock(); return f.state }

func (f *fakeBoard) Wait(_ context.Context, version uint64) uint64 { return version + 1 }

// fakeDesk is intake, the directory and the profiles.
type fakeDesk struct {
	w          *world
	quarantine []intake.Quarantined
	held       []intake.Held
	kind       jml.Hold // of what is held of abc
	inForce    jml.Snapshot
	waiting    jml.Snapshot
	people     []intake.Employee
	status     []intake.Status
	asked      int // of Status
	opened     int // of Everybody
	askErr     error
	profile    jml.Profile
	users      map[string][]jml.User // by value
	methods    []jml.Method
}

func (d *fakeDesk) note(what, id string) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.w.calls = append(d.w.calls, call{what, id, nil})
}

// row is what the real desk writes before it acts.
func (d *fakeDesk) row(ctx context.Context, e audit.Event, actor string) error {
	return (*fakeLedger)(d.w).Append(ctx, audit.Entry{Time: noon, Event: e, Actor: actor})
}

func (d *fakeDesk) Sources() []string { return []string{"hr"} }
func (d *fakeDesk) Status(context.Context) ([]intake.Status, error) {
	d.asked++
	return d.status, d.w.ledgerErr
}
func (d *fakeDesk) QuarantineList(context.Context, string) ([]intake.Quarantined, error) {
	return d.quarantine, d.w.ledgerErr
}
func (d *fakeDesk) QuarantineReplay(_ context.Context, id string) (intake.Replayed, error) {
	d.note("replay", id)
	return intake.Replayed{ID: id, Taken: []intake.Taken{{}}}, nil
}
func (d *fakeDesk) QuarantineDrop(ctx context.Context, id, actor, _ string) error {
	if id != "q1" {
		return intake.ErrNotQuarantined
	}
	if err := d.row(ctx, audit.EventQuarantineDropped, actor); err != nil {
		return err
	}
	d.note("drop", id)
	return nil
}
func (d *fakeDesk) HeldList(context.Context) ([]intake.Held, error) { return d.held, d.w.ledgerErr }
func (d *fakeDesk) HeldContact(_ context.Context, ref string) (h intake.Held, now, waiting jml.Snapshot, err error) {
	if ref != "abc" {
		return h, now, waiting, intake.ErrNotHeld
	}
	return intake.Held{Kind: d.kind, Source: "hr", Ref: ref}, d.inForce, d.waiting, d.w.ledgerErr
}
func (d *fakeDesk) Decide(ctx context.Context, ref, actor, _ string, approve bool) (intake.Taken, error) {
	if ref != "abc" {
		return intake.Taken{}, intake.ErrNotHeld
	}
	if err := d.row(ctx, audit.EventContactApproved, actor); err != nil {
		return intake.Taken{}, err
	}
	d.note("decide", fmt.Sprint(approve))
	return intake.Taken{}, nil
}
func (d *fakeDesk) Release(ctx context.Context, source, actor, _ string) (string, error) {
	if err := d.row(ctx, audit.EventBrakeReleased, actor); err != nil {
		return "", err
	}
	d.note("release", source)
	return "3 of 4 would go", nil
}
func (d *fakeDesk) Employee(_ context.Context, _, name string) ([]intake.Employee, error) {
	var out []intake.Employee
	for _, e := range d.people {
		if e.Ref == name || e.Snapshot.EmployeeID == name {
			out = append(out, e)
		}
	}
	return out, nil
}
func (d *fakeDesk) Everybody(_ context.Context, limit int) ([]intake.Employee, error) {
	d.opened++
	return d.people[:min(len(d.people), limit)], d.w.ledgerErr
}
func (d *fakeDesk) Ask(_ context.Context, kind jml.Kind, source, ref string, _ jml.Request) (intake.Outcome, error) {
	d.note("ask", string(kind))
	return intake.Outcome{Ref: ref, WorkflowID: workflows.JourneyID(kind, source, ref)}, d.askErr
}
func (d *fakeDesk) Choose(jml.Kind, string, jml.Snapshot, *jml.User) jml.Choice {
	return jml.Choice{Profile: d.profile}
}
func (d *fakeDesk) FindUsers(_ context.Context, m jml.Match) ([]jml.User, error) {
	return d.users[m.Value], nil
}
func (d *fakeDesk) Methods(context.Context, string) ([]jml.Method, error) { return d.methods, nil }
