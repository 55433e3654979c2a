package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	enums "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// emptyQueue is the task queue of the bare engine's empty workflow.
const emptyQueue = "empty"

// engine is a Temporal namespace by itself, without Firstpass.
type engine struct {
	client    client.Client
	namespace string
}

// Starts counts how many empty workflows the engine starts in a time, so many at
// once, while a worker of this process completes them.
func (e engine) Starts(ctx context.Context, round string, concurrent int, d time.Duration) (starts int, took time.Duration, err error) {
	w := worker.New(e.client, emptyQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { return nil }, workflow.RegisterOptions{Name: "Empty"})
	if err := w.Start(); err != nil {
		return 0, 0, err
	}
	defer w.Stop()
	var n atomic.Int64
	began := time.Now()
	err = closedLoop(concurrent, d, func() error {
		id := fmt.Sprintf("empty/%s/%d", round, n.Add(1))
		_, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: emptyQueue}, "Empty")
		return err
	})
	took = time.Since(began)
	return int(n.Load()), took, errors.Join(err, e.Drained(ctx, emptyQueue))
}

// Drained waits until the workers of a queue have nothing left to do, so that
// what one phase left behind does not burden the next.
func (e engine) Drained(ctx context.Context, queue string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("waited 2 minutes"))
	defer cancel()
	err := poll(ctx, 200*time.Millisecond, func() error {
		n, err := e.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: "TaskQueue = '" + queue + "' AND WorkflowType = 'Empty' AND ExecutionStatus = 'Running'",
		})
		if err == nil && n.GetCount() > 0 {
			err = fmt.Errorf("%d empty workflows are open", n.GetCount())
		}
		if err != nil {
			return err
		}
		res, err := e.client.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: e.namespace, ReportStats: true,
			TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
		})
		if err == nil && res.GetStats().GetApproximateBacklogCount() > 0 {
			err = fmt.Errorf("%d tasks wait", res.GetStats().GetApproximateBacklogCount())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", queue, err)
	}
	return nil
}
