package pickup

import (
	"context"
	"errors"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/workflows"
)

// fakeTemporal answers updates and queries; everything else it lacks.
type fakeTemporal struct {
	client.Client
	update func(client.UpdateWorkflowOptions) error
	get    error
	query  func(id, kind string, args []any) (any, error)
}

func (f fakeTemporal) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	if err := f.update(o); err != nil {
		return nil, err
	}
	return fakeHandle{err: f.get}, nil
}

func (f fakeTemporal) QueryWorkflow(_ context.Context, id, _, kind string, args ...any) (converter.EncodedValue, error) {
	v, err := f.query(id, kind, args)
	return fakeValue{v}, err
}

type fakeHandle struct {
	client.WorkflowUpdateHandle
	err error
}

func (h fakeHandle) Get(_ context.Context, answer any) error {
	if h.err == nil {
		*answer.(*workflows.Answer) = workflows.Answer{Done: true}
	}
	return h.err
}

type fakeValue struct{ v any }

func (v fakeValue) HasValue() bool { return true }
func (v fakeValue) Get(out any) error {
	*out.(*workflows.VisitView) = v.v.(workflows.VisitView)
	return nil
}

func TestUpdate(t *testing.T) {
	var got client.UpdateWorkflowOptions
	p := NewPasses(fakeTemporal{update: func(o client.UpdateWorkflowOptions) error { got = o; return nil }})
	var answer workflows.Answer
	if err := p.Update(context.Background(), "pass/x", "again", "again-1", workflows.AgainRequest{}, &answer); err != nil || !answer.Done {
		t.Fatal(err)
	}
	if got.WorkflowID != "pass/x" || got.UpdateName != "again" || got.UpdateID != "again-1" || got.WaitForStage != client.WorkflowUpdateStageCompleted || len(got.Args) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestErrorsOfTemporal(t *testing.T) {
	late := client.NewWorkflowUpdateServiceTimeoutOrCanceledError(context.DeadlineExceeded)
	for _, tc := range []struct {
		name string
		err  error
		want error // nil: none of ours
	}{
		{"no such workflow", serviceerror.NewNotFound("x"), ErrNothing},
		{"validator", temporal.NewApplicationError("no", "refused"), ErrNothing},
		{"query refused", serviceerror.NewQueryFailed("no visit"), ErrNothing},
		{"late", late, ErrLate},
		{"away", serviceerror.NewUnavailable("x"), nil},
		{"no such namespace", serviceerror.NewNamespaceNotFound("x"), nil},
		{"throttled", serviceerror.NewResourceExhausted(0, "x"), nil},
	} {
		check := func(how string, err error) {
			if tc.want != nil && !errors.Is(err, tc.want) || tc.want == nil && (err == nil || errors.Is(err, ErrNothing) || errors.Is(err, ErrLate)) {
				t.Errorf("%s, %s: %v", tc.name, how, err)
			}
		}
		var answer workflows.Answer
		p := NewPasses(fakeTemporal{update: func(client.UpdateWorkflowOptions) error { return tc.err }})
		check("sent", p.Update(context.Background(), "pass/x", "again", "1", nil, &answer))
		p = NewPasses(fakeTemporal{update: func(client.UpdateWorkflowOptions) error { return nil }, get: tc.err})
		check("answered", p.Update(context.Background(), "pass/x", "again", "1", nil, &answer))
		p = NewPasses(fakeTemporal{query: func(string, string, []any) (any, error) { return nil, tc.err }})
		_, err := p.Visit(context.Background(), "pass/x", "v")
		check("asked", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := NewPasses(fakeTemporal{query: func(string, string, []any) (any, error) { return nil, serviceerror.NewDeadlineExceeded("x") }})
	if _, err := p.Visit(ctx, "pass/x", "v"); !errors.Is(err, ErrLate) {
		t.Errorf("out of time: %v", err)
	}
}

func TestVisitAsksByItsID(t *testing.T) {
	p := NewPasses(fakeTemporal{query: func(id, kind string, args []any) (any, error) {
		if id != "pass/x" || kind != workflows.QueryVisit || len(args) != 1 || args[0] != "v-1" {
			t.Errorf("%s %s %v", id, kind, args)
		}
		return workflows.VisitView{Open: true}, nil
	}})
	if v, err := p.Visit(context.Background(), "pass/x", "v-1"); err != nil || !v.Open {
		t.Error(err)
	}
}
