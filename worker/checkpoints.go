package worker

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"firstpass.internal/activities"
	"firstpass.internal/internal/jml"
)

// Heartbeater is the part of a Temporal client that keeps checkpoints.
type Heartbeater interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}

// Checkpoints keeps activities' checkpoints in their heartbeats.
//
// activity.RecordHeartbeat won't do: it batches, so that what it took may be
// lost with the process, and it reports no error. The client's call returns
// once the server has the details, and fails for a try that the server has
// given up.
type Checkpoints struct {
	beat Heartbeater

	mu      sync.Mutex
	running map[string]*checkpoint // by task token
}

type checkpoint struct {
	mu    sync.Mutex // held during a beat: a late beat must not undo a save
	value activities.Checkpoint
}

var _ activities.Checkpoints = (*Checkpoints)(nil)

// NewCheckpoints returns Checkpoints that beat through b.
func NewCheckpoints(b Heartbeater) *Checkpoints {
	return &Checkpoints{beat: b, running: map[string]*checkpoint{}}
}

// Keep implements activities.Checkpoints. Load and Save work between Keep and
// stop only.
func (c *Checkpoints) Keep(ctx context.Context) (stop func()) {
	info := activity.GetInfo(ctx)
	key := string(info.TaskToken)
	cp := &checkpoint{}
	if activity.HasHeartbeatDetails(ctx) {
		// Details that can't be read are reported by Load.
		_ = activity.GetHeartbeatDetails(ctx, &cp.value)
	}
	c.mu.Lock()
	c.running[key] = cp
	c.mu.Unlock()

	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		every := time.NewTicker(max(info.HeartbeatTimeout/3, time.Second))
		defer every.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-every.C:
				cp.mu.Lock()
				// A beat that fails is no harm: enough of them in a row and
				// the server gives this try up.
				_ = c.beat.RecordActivityHeartbeat(ctx, info.TaskToken, cp.value)
				cp.mu.Unlock()
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		c.mu.Lock()
		delete(c.running, key)
		c.mu.Unlock()
	}
}

// Load implements activities.Checkpoints.
func (c *Checkpoints) Load(ctx context.Context) (activities.Checkpoint, error) {
	var v activities.Checkpoint
	if !activity.HasHeartbeatDetails(ctx) {
		return v, nil
	}
	if err := activity.GetHeartbeatDetails(ctx, &v); err != nil {
		return v, &jml.Fault{System: "temporal", Op: "read the checkpoint", Kind: jml.FaultUnavailable, Reason: jml.ReasonInternal}
	}
	return v, nil
}

// Save implements activities.Checkpoints.
func (c *Checkpoints) Save(ctx context.Context, v activities.Checkpoint) error {
	token := activity.GetInfo(ctx).TaskToken
	c.mu.Lock()
	cp := c.running[string(token)]
	c.mu.Unlock()
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if err := c.beat.RecordActivityHeartbeat(ctx, token, v); err != nil {
		return &jml.Fault{System: "temporal", Op: "save the checkpoint", Kind: jml.FaultUnavailable, Reason: jml.ReasonInternal}
	}
	cp.value = v
	return nil
}
