// Package worker runs the journeys: it registers workflows and activities with
// a Temporal worker.
package worker

import (
	"errors"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Config is what a worker needs.
type Config struct {
	Client     client.Client // with the payload codec
	TaskQueue  string
	Activities workflows.Activities
	Intake     workflows.IntakeActivities
}

// New returns a worker that is ready to start.
func New(cfg Config) (sdkworker.Worker, error) {
	if cfg.Client == nil || cfg.TaskQueue == "" || cfg.Activities == nil || cfg.Intake == nil {
		return nil, errors.New("worker: Client, TaskQueue, Activities and Intake are required")
	}
	w := sdkworker.New(cfg.Client, cfg.TaskQueue, sdkworker.Options{
		// A try that is under way when the worker is told to stop gets this
		// long to finish; what does not is retried elsewhere.
		WorkerStopTimeout: 20 * time.Second,
	})
	Register(w, cfg.Activities)
	RegisterIntake(w, cfg.Intake)
	return w, nil
}

// Register registers everything under the names package workflows gives. Tests
// call it with a test environment, so that they run what production runs.
func Register(r sdkworker.Registry, a workflows.Activities) {
	for kind, journey := range map[jml.Kind]any{
		jml.KindJoiner: workflows.Joiner, jml.KindMover: workflows.Mover,
		jml.KindRecovery: workflows.Recovery, jml.KindStaging: workflows.Staging,
	} {
		r.RegisterWorkflowWithOptions(journey, workflow.RegisterOptions{Name: workflows.Type(kind)})
	}
	r.RegisterWorkflowWithOptions(workflows.Pass, workflow.RegisterOptions{Name: workflows.TypePass})
	// What else a has is no activity, and need not have the shape of one.
	r.RegisterActivity(&struct{ workflows.Activities }{a})
}

// RegisterIntake is Register for what brings HR facts to the joiners.
func RegisterIntake(r sdkworker.Registry, a workflows.IntakeActivities) {
	r.RegisterWorkflowWithOptions(workflows.Feed, workflow.RegisterOptions{Name: workflows.TypeFeed})
	r.RegisterWorkflowWithOptions(workflows.Fetch, workflow.RegisterOptions{Name: workflows.TypeFetch})
	r.RegisterActivity(a)
}
