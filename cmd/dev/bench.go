package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"firstpass.internal/workflows"
)

type benchCmd struct {
	Firstpass  string        `help:"The product's binary." default:"bin/firstpass" placeholder:"FILE"`
	Bare       time.Duration `help:"How long to start empty workflows." default:"20s"`
	Sustained  time.Duration `help:"How long to post as fast as answers come." default:"60s"`
	Half       time.Duration `help:"How long to post at half the bare rate." default:"30s"`
	Burst      int           `help:"How many to post at the same moment." default:"2000"`
	Concurrent int           `help:"How many at once, but in a burst." default:"64"`
}

// Run implements the command.
func (b *benchCmd) Run(ctx context.Context, t terminal) (err error) {
	dir, err := os.MkdirTemp("", "firstpass-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := newProgress(t.out)
	w, err := openWorld(ctx, worldConfig{Dir: dir, Firstpass: b.Firstpass, Progress: p.part})
	if err != nil {
		p.failed()
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	p.part("Firstpass")
	if err := w.StartFirstpass(ctx); err != nil {
		p.failed()
		return interrupted(ctx, err)
	}
	p.done()
	run := bench{world: w, out: t.out, phases: *b, targets: benchTargets{Ratio: 0.8, P99: 500 * time.Millisecond, Slowest: answerLimit}}
	return interrupted(ctx, run.All(ctx))
}

// benchTargets are what has to be kept.
type benchTargets struct {
	Ratio   float64       // of sustained webhooks to bare starts
	P99     time.Duration // of answers at half the bare rate
	Slowest time.Duration // answer in a burst
}

// bench measures a running world.
type bench struct {
	world   *world
	out     io.Writer
	phases  benchCmd
	targets benchTargets

	engine  engine
	crowd   *crowd
	joiners []string // workflow IDs of those answered 200
	rows    [][]string
	missed  []error
}

// All runs every phase, prints the table and complains of each target that was
// missed. A joiner that is lost or doubled counts as missed.
func (b *bench) All(ctx context.Context) error {
	client, err := b.world.Client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	b.engine = engine{client, b.world.cfg.Namespace}
	if b.crowd, err = b.world.Crowd(); err != nil {
		return err
	}
	b.rows = [][]string{{"phase", "requests", "starts", "503", "no answer", "seconds", "a second", "p50 ms", "p99 ms", "max ms"}}
	// Connections, caches and the first pages of the databases.
	if _, _, err := b.engine.Starts(ctx, "warm", b.phases.Concurrent, b.phases.Bare/10); err != nil {
		return err
	}
	b.phase(ctx, "warm-up", func() (*tally, error) {
		return b.crowd.Closed(ctx, b.phases.Concurrent, b.phases.Sustained/20)
	})
	// Half of it before the webhooks and half after, so that a database that
	// grows, or a machine with other things to do, weighs on both alike.
	before, err := b.bare(ctx, "bare engine, before")
	if err != nil {
		return err
	}
	// Whatever goes wrong from here on, the others are measured too.
	sustained := b.phase(ctx, "webhooks", func() (*tally, error) {
		return b.crowd.Closed(ctx, b.phases.Concurrent, b.phases.Sustained)
	})
	after, err := b.bare(ctx, "bare engine, after")
	if err != nil {
		return err
	}
	bare := (before + after) / 2
	half := b.phase(ctx, "half the bare rate", func() (*tally, error) {
		return b.crowd.Open(ctx, bare/2, b.phases.Half)
	})
	burst := b.burst(ctx, "burst", nil)
	killed := b.burst(ctx, "burst, kill -9 half-way", func() error {
		if err := b.world.KillFirstpass(); err != nil {
			return err
		}
		return b.world.StartFirstpass(ctx)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	table(b.out, b.rows)
	fmt.Fprintln(b.out)
	ratio := sustained.Rate() / bare
	b.target(ratio >= b.targets.Ratio, "webhooks to bare engine", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("at least %.2f", b.targets.Ratio))
	for _, t := range []struct {
		what      string
		got, most time.Duration
	}{
		{"p99 at half the bare rate", half.Percentile(0.99), b.targets.P99},
		{"slowest answer of the burst", burst.Percentile(1), b.targets.Slowest},
		{"slowest answer of the burst with kill -9", killed.Percentile(1), b.targets.Slowest},
	} {
		b.target(t.got < t.most, t.what, milliseconds(t.got)+" ms", "under "+milliseconds(t.most)+" ms")
	}
	err = oneEach(ctx, client, b.joiners)
	b.target(err == nil, "joiners lost or doubled", fmt.Sprintf("of %d: %s", len(b.joiners), orNone(err)), "none")
	return errors.Join(b.missed...)
}

// bare measures for half of its time how many a second the bare engine starts.
func (b *bench) bare(ctx context.Context, name string) (rate float64, err error) {
	starts, took, err := b.engine.Starts(ctx, name, b.phases.Concurrent, b.phases.Bare/2)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	rate = float64(starts) / took.Seconds()
	b.rows = append(b.rows, []string{name, "", fmt.Sprint(starts), "", "", fmt.Sprintf("%.1f", took.Seconds()), fmt.Sprintf("%.0f", rate)})
	return rate, nil
}

func (b *bench) target(kept bool, what, got, want string) {
	word := "ok"
	if !kept {
		word = "MISSED"
		b.missed = append(b.missed, fmt.Errorf("%s: %s, want %s", what, got, want))
	}
	fmt.Fprintf(b.out, "%-6s  %s: %s (%s)\n", word, what, got, want)
}

// phase runs a phase of webhooks, waits until the joiners have settled and adds
// a row.
func (b *bench) phase(ctx context.Context, name string, do func() (*tally, error)) *tally {
	t, err := do()
	err = errors.Join(err, b.engine.Drained(ctx, workflows.TaskQueue))
	if err != nil {
		b.missed = append(b.missed, fmt.Errorf("%s: %w", name, err))
	}
	b.joiners = append(b.joiners, t.joiners...)
	b.rows = append(b.rows, []string{
		name, fmt.Sprint(t.tries), fmt.Sprint(len(t.joiners)), fmt.Sprint(t.later), fmt.Sprint(t.unanswered),
		fmt.Sprintf("%.1f", t.took.Seconds()), fmt.Sprintf("%.0f", t.Rate()),
		milliseconds(t.Percentile(0.5)), milliseconds(t.Percentile(0.99)), milliseconds(t.Percentile(1)),
	})
	return t
}

func (b *bench) burst(ctx context.Context, name string, halfWay func() error) *tally {
	return b.phase(ctx, name, func() (*tally, error) {
		letters, err := b.crowd.Letters(b.phases.Burst)
		if err != nil {
			return &tally{}, err
		}
		t, err := b.crowd.Burst(ctx, letters, halfWay)
		return t, errors.Join(err, describedAll(ctx, b.engine.client, t.joiners))
	})
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

func orNone(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
