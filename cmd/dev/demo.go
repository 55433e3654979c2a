package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/jml"
)

// logFiles are where to look when something does not come out.
const logFiles = firstpassLog + ", audit.jsonl, temporal/temporal.log"

// limits that a story has to keep to. They are what was measured when they were
// set, and what one more try of something costs.
type limits struct{ graph, actions, events int }

// limitTime is how long a demo may take from its first line to its last.
const limitTime = 2 * time.Minute

type demoCmd struct {
	Firstpass string `help:"The product's binary." default:"bin/firstpass" placeholder:"FILE"`
	Journey   string `help:"Whose story: ${enum}." default:"joiner" enum:"joiner,moved-date,rescinded,no-show,rehire,mover,recovery,staging" placeholder:"NAME"`
	Send      bool   `help:"Of the joiner, mode send: the passcode goes by mail. Default: the employee collects it at the pick-up page."`
	Keep      bool   `help:"Keep the folder with logs, database and audit."`
}

// Run implements the command.
func (d *demoCmd) Run(ctx context.Context, t terminal) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "firstpass-demo-")
	if err != nil {
		return err
	}
	demo := &demo{terminal: t, dir: dir, story: &story{out: t.out, style: t.style}, began: began}
	err = demo.play(ctx, d.Firstpass, demo.tales(d.Send)[d.Journey]())
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if failed := (*failure)(nil); errors.As(err, &failed) {
		fmt.Fprintln(t.out)
		return fmt.Errorf("%w\n  logs      %s in %s, which is kept", err, logFiles, dir)
	}
	if d.Keep {
		fmt.Fprintf(t.out, "\nKept: %s in %s\n", logFiles, dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// tales are the stories by name.
func (d *demo) tales(send bool) map[string]func() tale {
	joiner := d.joinerTale
	if send {
		joiner = d.sendTale
	}
	return map[string]func() tale{
		"joiner": joiner, "moved-date": d.movedTale, "rescinded": d.rescindedTale, "no-show": d.noShowTale,
		"rehire": d.rehireTale, "mover": d.moverTale, "recovery": d.recoveryTale, "staging": d.stagingTale,
	}
}

// tale is a story: the world it needs, what happens, and what it may cost.
type tale struct {
	cohort  string                 // default cohortPickup
	profile func(*profileSettings) // changes quickProfile; may be nil
	steps   []step
	leaves  []string // the kinds of workflows it leaves in Temporal, in order of their starts
	most    limits
}

// step is something that happens, or is checked.
type step func(context.Context) error

// demo is one story in a fresh world.
type demo struct {
	terminal
	tale
	dir   string
	story *story
	began time.Time

	world  *world
	client client.Client
	closed bool

	shown   []string // passcodes that pages showed
	actions int      // used by the namespace before the story
	spent   figures
}

// figures are what the story cost.
type figures struct {
	graph, tokens    int
	actions, queries int
	histories        []history
}

// history is one workflow's.
type history struct {
	kind   string // the first part of its workflow ID
	events int
}

func (f figures) events() (n int) {
	for _, h := range f.histories {
		n += h.events
	}
	return n
}

// failure is a step that did not come out.
type failure struct{ step, expected, seen string }

func (f *failure) Error() string {
	return fmt.Sprintf("this did not come out: %s\n  expected  %s\n  seen      %s", f.step, f.expected, f.seen)
}

func (d *demo) play(ctx context.Context, binary string, t tale) (err error) {
	d.tale = t
	if err := d.open(ctx, binary); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, step := range append(t.steps, d.readHistories, d.readMessages) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := d.close(); err != nil {
		return err
	}
	if err := d.scanFiles(); err != nil {
		return err
	}
	return d.account()
}

func (d *demo) open(ctx context.Context, binary string) (err error) {
	p := newProgress(d.out)
	defer func() {
		if err != nil {
			p.failed()
		}
	}()
	profile := quickProfile()
	if d.profile != nil {
		d.profile(&profile)
	}
	if d.world, err = openWorld(ctx, worldConfig{Dir: d.dir, Firstpass: binary, Cohort: d.cohort, Profile: &profile, Progress: p.part}); err != nil {
		return err
	}
	p.part("Firstpass")
	if err := d.world.StartFirstpass(ctx); err != nil {
		return errors.Join(&failure{"starting firstpass", "it answers on " + loopback(d.world.Ports.Intake), lastLines(d.world.path(firstpassLog), err)}, d.world.Close())
	}
	if d.client, err = d.world.Client(ctx); err != nil {
		return errors.Join(err, d.world.Close())
	}
	if err := d.settle(ctx); err != nil {
		return errors.Join(err, d.world.Close())
	}
	p.done()
	fmt.Fprintf(d.out, "While it runs: mailbox %s, phones %s, pick-up page %s/p\n\n", d.world.Mailbox.PageURL(), d.world.Phones.PageURL(), d.world.PickupURL())
	return nil
}

// settle waits until Firstpass has looked at the tenant, as it does when it
// starts and once a day: that is no part of any story.
func (d *demo) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("firstpass does not stop asking the tenant"))
	defer cancel()
	last := -1
	return poll(ctx, 500*time.Millisecond, func() error {
		before := last
		if last = d.world.Tenant.Counts().Graph; last != before {
			return errors.New("it still asks")
		}
		return nil
	})
}

func (d *demo) close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.client.Close()
	return d.world.Close()
}

// begin starts the story: from here on time is told, and everything counted.
func (d *demo) begin(context.Context) error {
	d.world.Tenant.ResetRequests()
	d.actions = d.world.Temporal.Actions("default")
	d.story.opened = time.Now()
	return nil
}

// expect checks until it comes out or time is up; check returns the detail to
// tell.
func (d *demo) expect(ctx context.Context, within time.Duration, what, expected string, check func() (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var detail string
	err := poll(ctx, 100*time.Millisecond, func() (err error) {
		if c := d.world.Firstpass(); c != nil {
			select {
			case <-c.Done():
				return giveUp{errors.New("firstpass has ended by itself")}
			default:
			}
		}
		detail, err = check()
		return err
	})
	if err != nil {
		seen := strings.TrimSuffix(err.Error(), "\n"+context.DeadlineExceeded.Error())
		return &failure{what, fmt.Sprintf("%s, within %s", expected, within), seen + d.stage()}
	}
	d.story.tell(what, detail)
	return nil
}

func (d *demo) account() error {
	f, most, took := d.spent, d.most, time.Since(d.began)
	var histories []string
	for _, h := range f.histories {
		histories = append(histories, fmt.Sprintf("%s %d", h.kind, h.events))
	}
	whose := "this story"
	if len(f.histories) == 2 && f.histories[0].kind == string(jml.KindJoiner) {
		whose = "this joiner"
	}
	fmt.Fprintln(d.out)
	tokens := fmt.Sprintf("and %d for a token", f.tokens)
	queries := "queries of the command line not counted"
	table(d.out, [][]string{
		{"", whose, "limit", ""},
		{"Graph requests", fmt.Sprint(f.graph), fmt.Sprint(most.graph), tokens},
		{"Temporal actions", fmt.Sprint(f.actions), fmt.Sprint(most.actions), fmt.Sprintf("%s: %d", queries, f.queries)},
		{"History events", fmt.Sprint(f.events()), fmt.Sprint(most.events), strings.Join(histories, ", ")},
		{"Seconds", fmt.Sprintf("%.0f", took.Seconds()), fmt.Sprintf("%.0f", limitTime.Seconds()), "from the first line to this one"},
	})
	if f.graph > most.graph || f.actions > most.actions || f.events() > most.events || took > limitTime {
		return &failure{"keeping to the limits", "nothing over its limit", "see the table"}
	}
	fmt.Fprintln(d.out, "\nEverything came out as it should.")
	return nil
}

// firstpass runs a command of the product as somebody at a terminal does.
func (d *demo) firstpass(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.world.cfg.Firstpass, append(args, "--config", d.world.Settings())...)
	cmd.Env = plainEnvironment(os.Environ())
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("firstpass %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(says.String()))
	}
	return out.Bytes(), nil
}

// lastLines returns err and the end of a log.
func lastLines(path string, err error) string {
	f, openErr := os.Open(filepath.Clean(path))
	if openErr != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	const tail = 2000
	if size, seekErr := f.Seek(0, io.SeekEnd); seekErr == nil {
		_, _ = f.Seek(max(0, size-tail), io.SeekStart)
	}
	raw, readErr := io.ReadAll(f)
	if readErr != nil {
		return err.Error()
	}
	return strings.TrimSpace(err.Error() + "\n" + string(raw))
}
