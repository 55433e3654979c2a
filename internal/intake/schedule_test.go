package intake

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/config"
	"firstpass.internal/workflows"
)

// calendar is Temporal's schedules.
type calendar struct {
	client.ScheduleClient
	kept    map[string]*client.Schedule
	created []client.ScheduleOptions
	updated []string
	deleted []string
	fired   []string
	fail    func(op, id string) error
}

func (c *calendar) may(op, id string) error {
	if c.fail == nil {
		return nil
	}
	return c.fail(op, id)
}

func (c *calendar) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	if err := c.may("create", o.ID); err != nil {
		return nil, err
	}
	if c.kept[o.ID] != nil {
		return nil, temporal.ErrScheduleAlreadyRunning
	}
	c.created = append(c.created, o)
	c.kept[o.ID] = &client.Schedule{Spec: &o.Spec, Action: o.Action}
	return nil, nil
}

func (c *calendar) List(context.Context, client.ScheduleListOptions) (client.ScheduleListIterator, error) {
	return &pages{slices.Sorted(maps.Keys(c.kept))}, c.may("list", "")
}

type pages struct{ left []string }

func (p *pages) HasNext() bool { return len(p.left) > 0 }

func (p *pages) Next() (*client.ScheduleListEntry, error) {
	e := &client.ScheduleListEntry{ID: p.left[0]}
	p.left = p.left[1:]
	return e, nil
}

func (c *calendar) GetHandle(_ context.Context, id string) client.ScheduleHandle {
	return handle{id: id, c: c}
}

type handle struct {
	client.ScheduleHandle
	id string
	c  *calendar
}

func (h handle) Describe(context.Context) (*client.ScheduleDescription, error) {
	if h.c.kept[h.id] == nil {
		return nil, serviceerror.NewNotFound("gone")
	}
	return &client.ScheduleDescription{Schedule: *h.c.kept[h.id]}, h.c.may("describe", h.id)
}

func (h handle) Update(ctx context.Context, o client.ScheduleUpdateOptions) error {
	d, err := h.Describe(ctx)
	if err != nil {
		return err
	}
	u, err := o.DoUpdate(client.ScheduleUpdateInput{Description: *d})
	if errors.Is(err, temporal.ErrSkipScheduleUpdate) {
		return nil
	}
	if err != nil {
		return err
	}
	h.c.updated = append(h.c.updated, h.id)
	h.c.kept[h.id] = u.Schedule
	return nil
}

func (h handle) Delete(context.Context) error {
	if err := h.c.may("delete", h.id); err != nil {
		return err
	}
	h.c.deleted = append(h.c.deleted, h.id)
	delete(h.c.kept, h.id)
	return nil
}

func (h handle) Trigger(context.Context, client.ScheduleTriggerOptions) error {
	h.c.fired = append(h.c.fired, h.id)
	return nil
}

func TestSchedules(t *testing.T) {
	c := &calendar{kept: map[string]*client.Schedule{}}
	s := Schedules{Client: c, TaskQueue: "firstpass"}
	files, _ := folder(t)
	ensure := func(list ...config.Source) {
		t.Helper()
		c.created, c.updated, c.deleted = nil, nil, nil
		if err := s.Ensure(t.Context(), compiled(t, list, &world{})); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(created int, updated, deleted []string) {
		t.Helper()
		if len(c.created) != created || !slices.Equal(c.updated, updated) || !slices.Equal(c.deleted, deleted) {
			t.Errorf("created %d, updated %v, deleted %v", len(c.created), c.updated, c.deleted)
		}
	}
	ensure(hook(t, "hr"), tenant(), files) // a webhook has none
	expect(2, nil, nil)
	for i, want := range []string{"tenant", "files"} {
		o := c.created[i]
		a, _ := o.Action.(*client.ScheduleWorkflowAction)
		if o.ID != "feed/"+want || a.ID != o.ID || a.TaskQueue != "firstpass" || a.Workflow != workflows.TypeFeed || !o.TriggerImmediately || o.Spec.Intervals[0].Every != time.Hour {
			t.Errorf("%+v, %+v", o, a)
		}
		if d := cmp.Diff([]any{workflows.FeedInput{Source: want}}, a.Args); d != "" {
			t.Error(d)
		}
	}
	ensure(tenant(), files)
	expect(0, nil, nil)

	files.File.Every = 2 * time.Hour
	c.kept["feed/files"].State = &client.ScheduleState{Paused: true, Note: "by an operator"}
	ensure(tenant(), files)
	expect(0, []string{"feed/files"}, nil)
	k := c.kept["feed/files"]
	if k.Spec.Intervals[0].Every != 2*time.Hour || k.State == nil || !k.State.Paused || k.Action == nil {
		t.Errorf("%+v", k)
	}

	// Others' stay: of another installation, of another kind, and nothing of ours.
	theirs := func(queue string) *client.Schedule {
		return &client.Schedule{Action: &client.ScheduleWorkflowAction{TaskQueue: queue}}
	}
	c.kept["feed/elsewhere"], c.kept["nightly"], c.kept["feed/old"] = theirs("another"), theirs("firstpass"), theirs("firstpass")
	ensure(tenant())
	expect(0, nil, []string{"feed/files", "feed/old"})

	c.kept["feed/old"] = theirs("firstpass")
	c.fail = func(op, _ string) error {
		if op == "delete" {
			return serviceerror.NewNotFound("somebody else did it")
		}
		return nil
	}
	ensure(tenant())
	down := errors.New("away")
	for _, at := range []string{"create", "list", "delete"} {
		c.fail = func(op, _ string) error {
			if op == at {
				return down
			}
			return nil
		}
		if err := s.Ensure(t.Context(), compiled(t, []config.Source{tenant()}, &world{})); !errors.Is(err, down) {
			t.Errorf("%s: %v", at, err)
		}
	}
	c.fail = nil
	if err := s.Trigger(t.Context(), "tenant"); err != nil || !slices.Equal(c.fired, []string{"feed/tenant"}) {
		t.Errorf("%v, %v", c.fired, err)
	}
}
