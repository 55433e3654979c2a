package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/workflows"
)

// Schedules keeps one Temporal Schedule for each source that is read.
type Schedules struct {
	Client    client.ScheduleClient
	TaskQueue string
}

// Ensure makes the schedules of sources and removes those of sources that are
// gone. Doing it again changes nothing.
//
// Crash: what is done is done; the next start does the rest.
func (s Schedules) Ensure(ctx context.Context, sources []*Source) error {
	want := map[string]bool{}
	for _, src := range sources {
		if src.every() == 0 {
			continue
		}
		want[workflows.FeedID(src.name)] = true
		if err := s.ensure(ctx, src.name, src.every()); err != nil {
			return fmt.Errorf("schedule of source %s: %w", src.name, err)
		}
	}
	return s.prune(ctx, want)
}

func (s Schedules) ensure(ctx context.Context, source string, every time.Duration) error {
	id := workflows.FeedID(source)
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	action := &client.ScheduleWorkflowAction{
		ID: id, Workflow: workflows.TypeFeed, Args: []any{workflows.FeedInput{Source: source}}, TaskQueue: s.TaskQueue,
		StaticSummary: "Read source " + source,
	}
	_, err := s.Client.Create(ctx, client.ScheduleOptions{
		ID: id, Spec: spec, Action: action,
		// A read that takes longer than its interval is not joined by another.
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// Reads missed while Temporal was away would all say the same.
		CatchupWindow:      time.Minute,
		TriggerImmediately: true,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return s.Client.GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			out := in.Description.Schedule
			if same(out.Spec, every) && s.queued(out.Action) {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			out.Spec, out.Action = &spec, action
			return &client.ScheduleUpdate{Schedule: &out}, nil
		},
	})
}

func same(spec *client.ScheduleSpec, every time.Duration) bool {
	return spec != nil && len(spec.Intervals) == 1 && spec.Intervals[0].Every == every
}

func (s Schedules) prune(ctx context.Context, want map[string]bool) error {
	list, err := s.Client.List(ctx, client.ScheduleListOptions{PageSize: 100})
	if err != nil {
		return err
	}
	for list.HasNext() {
		e, err := list.Next()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(e.ID, workflows.FeedID("")) || want[e.ID] || !s.ours(ctx, e.ID) {
			continue
		}
		var gone *serviceerror.NotFound
		if err := s.Client.GetHandle(ctx, e.ID).Delete(ctx); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return nil
}

func (s Schedules) ours(ctx context.Context, id string) bool {
	d, err := s.Client.GetHandle(ctx, id).Describe(ctx)
	if err != nil {
		return false
	}
	return s.queued(d.Schedule.Action)
}

// queued reports whether what a schedule starts comes to our workers.
func (s Schedules) queued(action client.ScheduleAction) bool {
	a, ok := action.(*client.ScheduleWorkflowAction)
	return ok && a.TaskQueue == s.TaskQueue
}

// Trigger has a source read now.
func (s Schedules) Trigger(ctx context.Context, source string) error {
	return s.Client.GetHandle(ctx, workflows.FeedID(source)).Trigger(ctx, client.ScheduleTriggerOptions{
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
	})
}
