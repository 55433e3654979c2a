package main

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const tinyType = "Tiny"

// tiny uses one of each kind of action that a journey uses.
func tiny(ctx workflow.Context) (string, error) {
	var name string
	workflow.GetSignalChannel(ctx, "name").Receive(ctx, &name)
	if err := workflow.Sleep(ctx, time.Second); err != nil {
		return "", err
	}
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: 10 * time.Second})
	for range 2 {
		if err := workflow.ExecuteLocalActivity(local, greet, name).Get(ctx, nil); err != nil {
			return "", err
		}
	}
	normal := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	var out string
	for range 2 {
		if err := workflow.ExecuteActivity(normal, "greet", name).Get(ctx, &out); err != nil {
			return "", err
		}
	}
	return out, nil
}

func greet(_ context.Context, name string) (string, error) { return "Good morning, " + name, nil }

func startTinyWorker(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, "tiny", worker.Options{})
	w.RegisterWorkflowWithOptions(tiny, workflow.RegisterOptions{Name: tinyType})
	w.RegisterActivityWithOptions(greet, activity.RegisterOptions{Name: "greet"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

func TestTemporalCountsActions(t *testing.T) {
	ctx := t.Context()
	s, err := startTemporal(ctx, temporalConfig{Dir: t.TempDir(), Namespaces: []string{"default", "other"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := s.Dial(ctx, "default", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	startTinyWorker(t, c)
	run, err := c.SignalWithStartWorkflow(ctx, "tiny-1", "name", "Ada", client.StartWorkflowOptions{TaskQueue: "tiny"}, tinyType)
	if err != nil {
		t.Fatal(err)
	}
	var out string
	if err := run.Get(ctx, &out); err != nil || out != "Good morning, Ada" {
		t.Fatalf("got %q, %v", out, err)
	}
	t.Log(s.ActionsByKind("default"))
	// Signal-with-start 1, timer 1, one batch of local activities 1 (both in
	// one task), activities 2.
	if got := s.Actions("default"); got != 5 {
		t.Errorf("actions: got %d, want 5: %v", got, s.ActionsByKind("default"))
	}
	if got := s.Actions("other"); got != 0 {
		t.Errorf("actions of an idle namespace: got %d, want 0", got)
	}
}
