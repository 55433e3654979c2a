package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"firstpass.internal/workflows"
)

// tally counts what a crowd was answered. It is safe for concurrent use.
type tally struct {
	mu         sync.Mutex
	joiners    []string // workflow IDs of those answered 200
	tries      int
	later      int // 503
	unanswered int
	times      []time.Duration // of answers, sorted by Slowest and Percentile
	wrong      error           // the first answer that is neither 200 nor 503
	took       time.Duration
}

func (t *tally) add(l letter, r reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries++
	switch {
	case r.Taken:
		t.joiners = append(t.joiners, l.Joiner)
	case r.Later:
		t.later++
	case r.Status == 0:
		t.unanswered++
		return
	case t.wrong == nil:
		t.wrong = r.Err
	}
	t.times = append(t.times, r.Took)
}

func (t *tally) taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.joiners)
}

// Rate is how many a second were answered 200.
func (t *tally) Rate() float64 {
	if t.took == 0 {
		return 0
	}
	return float64(len(t.joiners)) / t.took.Seconds()
}

// Percentile of the answers' times, share from 0 to 1.
func (t *tally) Percentile(share float64) time.Duration {
	if len(t.times) == 0 {
		return 0
	}
	slices.Sort(t.times)
	return t.times[int(share*float64(len(t.times)-1)+0.5)]
}

// ownWait is the crowd's wait before it sends again, whatever Retry-After says:
// from about 1 s, twice as long each time, to about 8 s.
func ownWait(tries int) time.Duration {
	wait := time.Second << min(tries, 3)
	return wait/2 + rand.N(wait)
}

// deliver sends a letter until it is answered 200.
func (c *crowd) deliver(ctx context.Context, l letter, t *tally) {
	for tries := 0; ; tries++ {
		r := c.Send(ctx, l)
		if ctx.Err() != nil {
			return
		}
		t.add(l, r)
		if r.Taken {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(ownWait(tries)):
		}
	}
}

// Burst sends all letters at the same moment, each on a connection of its own,
// and each again until it is answered 200. halfWay is called once half of them
// are; nil for nothing.
func (c *crowd) Burst(ctx context.Context, letters []letter, halfWay func() error) (*tally, error) {
	t := &tally{}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not all were answered 200 within 2 minutes"))
	defer cancel()
	var all sync.WaitGroup
	gate := make(chan struct{})
	for _, l := range letters {
		all.Go(func() {
			<-gate
			c.deliver(ctx, l, t)
		})
	}
	began := time.Now()
	close(gate)
	var failed error
	if halfWay != nil {
		if failed = poll(ctx, time.Millisecond, func() error {
			if n := t.taken(); n < len(letters)/2 {
				return fmt.Errorf("%d answered 200", n)
			}
			return nil
		}); failed == nil {
			failed = halfWay()
		}
		if failed != nil {
			cancel()
		}
	}
	all.Wait()
	t.took = time.Since(began)
	if failed == nil && len(t.joiners) != len(letters) {
		failed = fmt.Errorf("%d of %d answered 200: %w", len(t.joiners), len(letters), context.Cause(ctx))
	}
	return t, errors.Join(failed, t.wrong)
}

// Closed sends for so long, so many at once, each a new one as soon as the last
// is answered.
func (c *crowd) Closed(ctx context.Context, concurrent int, d time.Duration) (*tally, error) {
	t := &tally{}
	began := time.Now()
	err := closedLoop(concurrent, d, func() error {
		l, err := c.Next()
		if err == nil {
			c.deliver(ctx, l, t)
			err = ctx.Err()
		}
		return err
	})
	t.took = time.Since(began)
	return t, errors.Join(err, t.wrong)
}

// Open sends at a rate, whether or not it is answered. Answers are timed from
// when the letter was due, so that a slow sender hides nothing.
func (c *crowd) Open(ctx context.Context, perSecond float64, d time.Duration) (*tally, error) {
	t := &tally{}
	letters, err := c.Letters(int(perSecond * d.Seconds()))
	if err != nil {
		return t, err
	}
	var all sync.WaitGroup
	began := time.Now()
	for i, l := range letters {
		due := began.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
		time.Sleep(time.Until(due))
		all.Go(func() {
			late := time.Since(due)
			r := c.Send(ctx, l)
			r.Took += late
			t.add(l, r)
			if !r.Taken {
				c.deliver(ctx, l, t)
			}
		})
	}
	all.Wait()
	t.took = time.Since(began)
	return t, errors.Join(ctx.Err(), t.wrong)
}

// closedLoop calls do for so long, so many at once, until one fails.
func closedLoop(concurrent int, d time.Duration, do func() error) error {
	var all sync.WaitGroup
	failed := make(chan error, concurrent)
	until := time.Now().Add(d)
	for range concurrent {
		all.Go(func() {
			for len(failed) == 0 && time.Now().Before(until) {
				if err := do(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// runsOf counts the runs of every joiner in the namespace by workflow ID, closed
// ones too.
func runsOf(ctx context.Context, c client.Client) (map[string]int, error) {
	runs := map[string]int{}
	var page []byte
	for {
		res, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: 1000, NextPageToken: page, Query: "WorkflowType = '" + workflows.TypeJoiner + "'",
		})
		if err != nil {
			return nil, err
		}
		for _, e := range res.GetExecutions() {
			runs[e.GetExecution().GetWorkflowId()]++
		}
		if page = res.GetNextPageToken(); len(page) == 0 {
			return runs, nil
		}
	}
}

// oneEach complains unless there is exactly one run of each of these joiners, by
// the list, which comes a moment later than the joiners, and of no others.
func oneEach(ctx context.Context, c client.Client, joiners []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("waited 1 minute"))
	defer cancel()
	return poll(ctx, 200*time.Millisecond, func() error {
		runs, err := runsOf(ctx, c)
		if err != nil {
			return err
		}
		lost := 0
		for _, id := range joiners {
			if runs[id] == 0 {
				lost++
			}
		}
		for id, n := range runs {
			if n > 1 {
				return giveUp{fmt.Errorf("%s has %d runs", id, n)}
			}
		}
		switch {
		case lost > 0:
			return fmt.Errorf("%d of %d answered 200 have no joiner", lost, len(joiners))
		case len(runs) != len(joiners):
			return fmt.Errorf("%d joiners, %d were answered 200", len(runs), len(joiners))
		}
		return nil
	})
}

// describedAll asks Temporal for each joiner by itself, past the list.
func describedAll(ctx context.Context, c client.Client, joiners []string) error {
	next := make(chan string, len(joiners))
	for _, id := range joiners {
		next <- id
	}
	close(next)
	var all sync.WaitGroup
	failed := make(chan error, 1)
	for range 16 {
		all.Go(func() {
			for id := range next {
				d, err := c.DescribeWorkflowExecution(ctx, id, "")
				info := d.GetWorkflowExecutionInfo()
				if err == nil && info.GetExecution().GetRunId() != info.GetFirstRunId() {
					err = errors.New("a second run")
				}
				if err != nil {
					select {
					case failed <- fmt.Errorf("%s: %w", id, err):
					default:
					}
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
