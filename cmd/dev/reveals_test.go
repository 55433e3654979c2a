package main

import (
	"bytes"
	"testing"
	"time"
)

// TestReveals runs the measurement of the pick-up page in short, so that it goes
// on working: everybody must get one pass. The time says little here, where the
// slowest of eight counts and the machine has other things to do; make bench has
// the target.
func TestReveals(t *testing.T) {
	w := newWorld(t, worldOptions{Cohort: cohortPickup, People: []employee{}})
	var out bytes.Buffer
	run := reveals{world: w.world, out: &out, count: 8, latency: 200 * time.Millisecond, target: 5 * time.Second}
	err := run.All(t.Context())
	t.Log("\n" + out.String())
	for _, v := range run.ready {
		w.shown.add(v.code)
	}
	if err != nil {
		t.Error(err)
	}
}
