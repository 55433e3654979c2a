package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type runCmd struct {
	Dir       string `help:"State folder. What is in it survives Ctrl-C and kill -9." default:".dev" placeholder:"FOLDER"`
	Firstpass string `help:"The product's binary." default:"bin/firstpass" placeholder:"FILE"`
	Profile   string `help:"How those whom HR sends get their pass: ${enum}." default:"default" enum:"default,send,split,eid,vouched,frontline"`
}

// Run implements the command.
func (r *runCmd) Run(ctx context.Context, t terminal) (err error) {
	p := newProgress(t.out)
	w, err := openWorld(ctx, worldConfig{Dir: r.Dir, Firstpass: r.Firstpass, Cohort: r.Profile, Progress: p.part})
	if err != nil {
		p.failed()
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.populate(); err != nil {
		return err
	}
	p.part("Firstpass")
	if err := w.StartFirstpass(ctx); err != nil {
		p.failed()
		return interrupted(ctx, err)
	}
	p.done()
	r.welcome(t, w)
	w.tend(ctx, func(line string) { fmt.Fprintln(t.err, line) })
	fmt.Fprintln(t.out, "\nStopping; start again with the same folder to go on.")
	return nil
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

func (r *runCmd) welcome(t terminal, w *world) {
	table(t.out, [][]string{
		{"Console", w.OpsURL() + " (its certificate is " + r.shown(w.opsCA) + ")"},
		{"Temporal Web UI", w.ui.url},
		{"Mailbox", w.Mailbox.PageURL()},
		{"Phones", w.Phones.PageURL()},
		{"Pick-up page", w.PickupURL() + "/p"},
		{"Simulated eID", w.EID.URL() + " (a page of the pick-up leads there)"},
		{"Letters", r.shown(w.path(lettersFolder))},
		{"Simulated tenant", w.Tenant.ManageURL()},
		{"Intake", w.IntakeURL(sourceBambooHR) + " and /" + sourceCanonical},
		{"Configuration", r.shown(w.Settings()) + " (written anew at every start)"},
		{"Log of Firstpass", r.shown(w.path(firstpassLog))},
		{"Metrics and health", "http://" + loopback(w.Ports.Metrics) + "/metrics and /statusz"},
	})
	fmt.Fprintln(t.out, "\nWho can sign in to the console, by choosing a name:")
	var who [][]string
	for _, o := range operators() {
		who = append(who, []string{o.UPN, cmp.Or(strings.Join(o.Roles, ", "), "no role: is let in nowhere")})
	}
	table(t.out, who)
	self, flag, id := r.shown(os.Args[0]), r.flag(), firstPeople()[0].ID
	firstpass := r.shown(r.Firstpass)
	of := fmt.Sprintf("--config %s --source %s --employee-id %s", r.shown(w.Settings()), sourceBambooHR, id)
	fmt.Fprintf(t.out, "\nTry, in another terminal:\n"+
		"  %s post%s --employee %s --starts-in 90s\n"+
		"  %s person%s --employee %s\n"+
		"  %s show %s\n\n"+
		"Then, for somebody whom HR has told of:\n"+
		"  %s methods %s\n"+
		"  %s recover %s --loss lost --verified callback --ticket T-1\n"+
		"  %s stage-device %s --technician %s --device SN-1 --window 1h --ticket T-2\n\n"+
		"Ctrl-C stops everything; what is under way goes on at the next start.\n",
		self, flag, id, self, flag, id,
		firstpass, of, firstpass, of, firstpass, of, firstpass, of, technician().UPN)
}

func (r *runCmd) flag() string {
	if r.Dir == ".dev" {
		return ""
	}
	return " --dir " + r.Dir
}

// shown shortens a path to what works from here.
func (r *runCmd) shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, whole)
	if err != nil || len(short) > len(path) || !filepath.IsLocal(short) {
		return path
	}
	return short
}

// tend starts Firstpass again whenever it ends by itself, until ctx ends.
func (w *world) tend(ctx context.Context, say func(string)) {
	const pauseAtMost = 15 * time.Second
	pause := time.Second
	for {
		c := w.Firstpass()
		up := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-c.Done():
		}
		if time.Since(up) > time.Minute {
			pause = time.Second
		}
		say(fmt.Sprintf("firstpass has ended (%v), see %s; starting it again in %s", c.cmd.ProcessState, w.path(firstpassLog), pause))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, pauseAtMost)
		if err := w.StartFirstpass(ctx); err != nil && ctx.Err() == nil {
			say(err.Error())
		}
	}
}
