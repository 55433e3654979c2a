package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"firstpass.internal/internal/entrasim"
)

// revealsCmd measures the pick-up page. Nothing else runs in its world.
type revealsCmd struct {
	Firstpass string        `help:"The product's binary." default:"bin/firstpass" placeholder:"FILE"`
	Count     int           `help:"How many passes are collected one after the other, and how many at once." default:"50"`
	Latency   time.Duration `help:"How long the tenant takes for a call." default:"200ms"`
}

// Run implements the command.
func (r *revealsCmd) Run(ctx context.Context, t terminal) (err error) {
	dir, err := os.MkdirTemp("", "firstpass-reveals-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := newProgress(t.out)
	w, err := openWorld(ctx, worldConfig{Dir: dir, Firstpass: r.Firstpass, Progress: p.part})
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
	run := reveals{world: w, out: t.out, count: r.Count, latency: r.Latency, target: 2 * time.Second}
	return interrupted(ctx, run.All(ctx))
}

// reveals measures, from the click on "Show my pass" to the passcode on the page.
type reveals struct {
	world   *world
	out     io.Writer
	count   int
	latency time.Duration
	target  time.Duration // p95 of one at a time

	ready []*readyVisitor
	slow  *entrasim.FaultHandle
}

// readyVisitor is somebody before whom nothing is left but the button.
type readyVisitor struct {
	employee employee
	user     entrasim.User
	visitor  *visitor
	took     time.Duration
	code     string
	err      error
}

// All collects count passes one after the other and count at once, and fails if
// one was not shown, if anybody has not exactly one pass, the one that was
// shown, or if one at a time takes longer than it may.
func (r *reveals) All(ctx context.Context) error {
	began := time.Now()
	if err := r.prepare(ctx, 2*r.count); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%d people have typed link, code and date of birth, after %.0f s. From now on the tenant takes %s for a call.\n\n",
		2*r.count, time.Since(began).Seconds(), r.latency)
	var err error
	if r.slow, err = r.world.Tenant.Inject(entrasim.Fault{Times: -1, Delay: r.latency}); err != nil {
		return err
	}
	defer r.slow.Remove()
	rows := [][]string{{"pick-ups", "shown", "seconds", "p50 ms", "p95 ms", "max ms", "Graph requests each", "actions each"}}
	var wrong []error
	measure := func(name string, list []*readyVisitor, run func()) *tally {
		graph, actions := r.world.Tenant.Counts().Graph, r.world.Temporal.Actions(r.world.cfg.Namespace)
		began := time.Now()
		run()
		t := &tally{took: time.Since(began)}
		for _, v := range list {
			if v.err != nil {
				wrong = append(wrong, fmt.Errorf("%s: employee %s: %w", name, v.employee.ID, v.err))
				continue
			}
			t.times = append(t.times, v.took)
		}
		each := func(n int) string { return fmt.Sprintf("%.1f", float64(n)/float64(len(list))) }
		rows = append(rows, []string{name, fmt.Sprint(len(t.times)), fmt.Sprintf("%.1f", t.took.Seconds()),
			milliseconds(t.Percentile(0.5)), milliseconds(t.Percentile(0.95)), milliseconds(t.Percentile(1)),
			each(r.world.Tenant.Counts().Graph - graph), each(r.world.Temporal.Actions(r.world.cfg.Namespace) - actions)})
		return t
	}
	first, rest := r.ready[:r.count], r.ready[r.count:]
	single := measure("one at a time", first, func() {
		for _, v := range first {
			v.press(ctx)
		}
	})
	measure(fmt.Sprintf("%d at once", len(rest)), rest, func() {
		var all sync.WaitGroup
		for _, v := range rest {
			all.Go(func() { v.press(ctx) })
		}
		all.Wait()
	})
	table(r.out, rows)
	for _, v := range r.ready {
		wrong = append(wrong, r.onePass(v))
	}
	if p95 := single.Percentile(0.95); p95 > r.target {
		wrong = append(wrong, fmt.Errorf("one at a time: p95 %s ms, want %s ms at most", milliseconds(p95), milliseconds(r.target)))
	}
	err = errors.Join(wrong...)
	if err == nil {
		fmt.Fprintf(r.out, "\nEach of %d people has exactly one live pass, the one that was shown.\n", len(r.ready))
	}
	return err
}

func (v *readyVisitor) press(ctx context.Context) {
	began := time.Now()
	v.code, v.err = v.visitor.Reveal(ctx)
	v.took = time.Since(began)
}

// onePass fails unless the pass that was shown is the only one the user ever
// had at a time.
func (r *reveals) onePass(v *readyVisitor) error {
	tenant := r.world.Tenant
	live, most := tenant.PassLive(v.user.ID), tenant.MaxLivePasses(v.user.ID)
	// The start is far away: the tenant knows the passcode, and says so.
	_, err := tenant.SignIn(v.employee.UPN, v.code)
	if live != 1 || most != 1 || !errors.Is(err, entrasim.RefusedNotYetValid) {
		return fmt.Errorf("employee %s: %d live passes, at most %d at a time, sign-in: %w", v.employee.ID, live, most, err)
	}
	return nil
}

// prepare brings n new employees to the button.
func (r *reveals) prepare(ctx context.Context, n int) error {
	place, err := findOffice("Copenhagen")
	if err != nil {
		return err
	}
	start := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	for i := range n {
		e := invented(fmt.Sprintf("3%05d", i), "Kim", fmt.Sprintf("Holt%05d", i))
		// Numbers that are made up of a hash may meet.
		e.Phone = fmt.Sprintf("+45551%05d", i)
		user, err := r.world.Hire(e)
		if err != nil {
			return err
		}
		status, answer, err := r.world.HR().Post(ctx, sourceBambooHR, record{employee: e, Start: start, Office: place}, time.Now())
		if err != nil || status != 200 {
			return fmt.Errorf("post: %d %s %w", status, answer, err)
		}
		r.ready = append(r.ready, &readyVisitor{employee: e, user: user})
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("waited two minutes for links and codes"))
	defer cancel()
	for chunk := range slices.Chunk(r.ready, 4) {
		var all sync.WaitGroup
		for _, v := range chunk {
			all.Go(func() { v.err = r.toTheButton(ctx, v) })
		}
		all.Wait()
		for _, v := range chunk {
			if v.err != nil {
				return fmt.Errorf("employee %s: %w", v.employee.ID, v.err)
			}
		}
	}
	return nil
}

func (r *reveals) toTheButton(ctx context.Context, v *readyVisitor) error {
	mail, err := r.world.Mailbox.WaitFor(ctx, v.employee.Mail, 1)
	if err != nil {
		return err
	}
	text, err := r.world.Phones.WaitFor(ctx, v.employee.Phone, 1)
	if err != nil {
		return err
	}
	if v.visitor, err = r.world.Visitor(); err != nil {
		return err
	}
	i := invitation{Token: linkIn(mail.Text, linkCollect), Code: firstIn(text.Body, codeText)}
	if err := v.visitor.EnterRight(ctx, i); err != nil {
		return err
	}
	return v.visitor.Prove(ctx, papers{Born: v.employee.Born})
}
