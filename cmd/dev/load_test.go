package main

import (
	"bytes"
	"testing"
	"time"
)

// These tests measure time, so they run by themselves: not in parallel, and
// before those that do.

// burstSize is how many new employees come at once: the whole of a company's
// intake season, sent by somebody's script.
const burstSize = 2000

func (w *testWorld) burst(halfWay func() error) {
	w.t.Helper()
	c, err := w.Crowd()
	w.must(nil, err)
	letters, err := c.Letters(burstSize)
	w.must(nil, err)
	got, err := c.Burst(w.t.Context(), letters, halfWay)
	w.t.Logf("%d requests, %d answered 200, %d answered 503, %d not answered, slowest %s, all in %s",
		got.tries, len(got.joiners), got.later, got.unanswered, got.Percentile(1), got.took)
	w.must(nil, err)
	if slowest := got.Percentile(1); slowest > answerLimit {
		w.t.Errorf("an answer took %s, want %s at most", slowest, answerLimit)
	}
	if halfWay == nil && got.unanswered > 0 {
		w.t.Errorf("%d requests were not answered", got.unanswered)
	}
	var want []string
	for _, l := range letters {
		want = append(want, l.Joiner)
	}
	w.must(nil, oneEach(w.t.Context(), w.Client, want))
	w.must(nil, describedAll(w.t.Context(), w.Client, want))
}

// TestBurst: whoever comes at once is answered in time, and nobody is lost or
// doubled.
func TestBurst(t *testing.T) {
	newWorld(t, worldOptions{}).burst(nil)
}

// TestBurstKilled: nor if Firstpass is killed half-way and started again.
func TestBurstKilled(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.burst(func() error {
		w.Kill()
		return w.StartFirstpass(t.Context())
	})
}

// TestBench runs the benchmark in short, so that it goes on working. What it
// measures says little here.
func TestBench(t *testing.T) {
	w := newWorld(t, worldOptions{})
	var out bytes.Buffer
	b := bench{
		world: w.world, out: &out,
		phases:  benchCmd{Bare: 4 * time.Second, Sustained: 3 * time.Second, Half: 3 * time.Second, Burst: 200, Concurrent: 64},
		targets: benchTargets{Ratio: 0.3, P99: 2 * time.Second, Slowest: answerLimit},
	}
	err := b.All(t.Context())
	t.Log("\n" + out.String())
	if err != nil {
		t.Error(err)
	}
	if len(b.rows) != 8 {
		t.Errorf("%d rows", len(b.rows))
	}
}
