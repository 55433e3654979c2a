package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"firstpass.internal/activities"
	"firstpass.internal/worker"
)

// beats is a server that takes heartbeats, or refuses them.
type beats struct {
	mu   sync.Mutex
	fail error
	got  []any
}

func (b *beats) RecordActivityHeartbeat(_ context.Context, _ []byte, details ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		b.got = append(b.got, details...)
	}
	return b.fail
}

// inActivity runs f as an activity whose last try left the given checkpoint.
func inActivity(t *testing.T, last *activities.Checkpoint, f func(context.Context) error) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	if last != nil {
		env.SetHeartbeatDetails(*last)
	}
	env.RegisterActivity(f)
	_, err := env.ExecuteActivity(f)
	return err
}

func TestCheckpoints(t *testing.T) {
	last := activities.Checkpoint{Minting: true, MethodID: "pass-1"}
	next := activities.Checkpoint{Minting: true, MethodID: "pass-2"}
	server := &beats{}
	marks := worker.NewCheckpoints(server)

	var first, again activities.Checkpoint
	err := inActivity(t, nil, func(ctx context.Context) (err error) {
		defer marks.Keep(ctx)()
		if first, err = marks.Load(ctx); err != nil {
			return err
		}
		return marks.Save(ctx, next)
	})
	if err != nil || first != (activities.Checkpoint{}) {
		t.Errorf("first try: %+v, %v", first, err)
	}
	if d := cmp.Diff([]any{next}, server.got); d != "" {
		t.Error(d)
	}
	err = inActivity(t, &last, func(ctx context.Context) (err error) {
		defer marks.Keep(ctx)()
		again, err = marks.Load(ctx)
		return err
	})
	if err != nil || again != last {
		t.Errorf("second try: %+v, %v", again, err)
	}
}

// A try that the server has given up must learn it before it acts.
func TestCheckpointRefused(t *testing.T) {
	marks := worker.NewCheckpoints(&beats{fail: errors.New("activity not found")})
	err := inActivity(t, nil, func(ctx context.Context) error {
		defer marks.Keep(ctx)()
		return marks.Save(ctx, activities.Checkpoint{MethodID: "pass-1"})
	})
	if err == nil {
		t.Error("a checkpoint that the server refused counts as saved")
	}
}
