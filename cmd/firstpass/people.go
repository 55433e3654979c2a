package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/activities"
	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/worker"
	"firstpass.internal/workflows"
)

// This file looks at journeys that run: whether their profiles are still there,
// and whether the employees could have a pass if it were made now.

// sampled is how many journeys are asked for their profile by a check that does
// not look at people: each costs a worker a query.
const sampled = 200

// atOnce is how many journeys are asked, or employees looked up, at a time.
const atOnce = 8

// underWay is a journey that runs, and what it says of itself.
type underWay struct {
	board.Row
	view workflows.JourneyView
	err  error
}

// rows reads the board once.
func rows(ctx context.Context, c client.Client, f board.Filter) ([]board.Row, error) {
	b, err := board.New(board.Config{Client: c, Now: time.Now})
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() { b.Run(reading) })
	b.Wait(reading, 0)
	if s := b.State(); s.Read.IsZero() {
		return nil, awayError{errors.New(s.Fault)}
	}
	return b.Rows(f), nil
}

// askAll asks journeys what they hold.
func askAll(ctx context.Context, c client.Client, list []board.Row) []underWay {
	out := make([]underWay, len(list))
	each(ctx, len(list), func(i int) {
		out[i].Row = list[i]
		out[i].view, out[i].err = ask(ctx, c, list[i].WorkflowID)
	})
	return out
}

// ask queries a journey: a worker with the key must answer.
func ask(ctx context.Context, c client.Client, id string) (workflows.JourneyView, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var v workflows.JourneyView
	answer, err := c.QueryWorkflow(ctx, id, "", workflows.QueryJourney)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return v, hinted{errors.New("no worker answered for " + id), "is firstpass serve running?"}
		}
		return v, temporalError("ask "+id, err)
	}
	if err := answer.Get(&v); err != nil {
		return v, hinted{errors.New("the answer of " + id + " can't be decrypted"), "temporal.keyring_file must hold the key that firstpass serve uses"}
	}
	return v, nil
}

// each calls do for 0 to n-1, some at a time, and returns when all are done or
// ctx has ended.
func each(ctx context.Context, n int, do func(int)) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for i := range n {
		turn <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-turn }()
			do(i)
		})
	}
	wg.Wait()
}

// checkGone finds profiles that journeys still go by and the configuration no
// longer has. Such a journey goes on by the copy it has; nobody can tell from
// the configuration what that says.
func checkGone(ctx context.Context, cfg *config.Config, c client.Client) []finding {
	f := finding{What: "profiles of running journeys are in the configuration", OK: true}
	running, err := rows(ctx, c, board.Filter{})
	if err != nil {
		f.OK, f.Note = false, err.Error()
		return []finding{f}
	}
	list := askAll(ctx, c, running[:min(len(running), sampled)])
	gone, silent := map[string]int{}, 0
	for _, u := range list {
		switch _, there := cfg.Profiles[u.view.Profile]; {
		case u.err != nil:
			silent++
		case !there && u.view.Profile != "":
			gone[u.view.Profile]++
		}
	}
	f.Note = fmt.Sprintf("%d looked at", len(list)-silent)
	if len(running) > len(list) {
		f.Note += fmt.Sprintf(" of %d", len(running))
	}
	if silent > 0 {
		f.Warn, f.Run = true, "firstpass serve"
		f.Note += fmt.Sprintf(", %d did not answer", silent)
	}
	found := []finding{f}
	for _, name := range sortedKeys(gone) {
		found = append(found, finding{
			What: "profile " + name, OK: true, Warn: true,
			Note: fmt.Sprintf("%d running journeys go by it, and the configuration has no such profile: they go on by the copy they have", gone[name]),
			Run:  "put it back until they have ended, or cancel them and start them anew: firstpass list",
		})
	}
	return found
}

func sortedKeys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// soon is how long before the pass an account that is not there yet is a fault:
// many are made in the last days.
const soon = 7 * 24 * time.Hour

// checkPeople tries, for each journey that has no pass yet, what it will try
// when its time comes. It writes nothing: not even the audit.
func checkPeople(ctx context.Context, env *environment, cfg *config.Config) []finding {
	bad := func(err error) []finding {
		f := finding{What: "people", Note: strings.ReplaceAll(err.Error(), "\n", "; ")}
		var h hinted
		if errors.As(err, &h) {
			f.Run = h.hint
		}
		return []finding{f}
	}
	c, err := connect(ctx, cfg)
	if err != nil {
		return bad(err)
	}
	defer c.Close()
	try, err := newPreflight(cfg, c)
	if err != nil {
		return bad(err)
	}
	without, err := rows(ctx, c, board.Filter{Stages: []jml.Stage{jml.StageScheduled, jml.StageApproval, jml.StageBlocked}})
	if err != nil {
		return bad(err)
	}
	list := askAll(ctx, c, without)
	slices.SortFunc(list, func(a, b underWay) int { return a.view.IssueAt.Compare(b.view.IssueAt) })
	found := make([]finding, len(list))
	var mu sync.Mutex
	done := 0
	each(ctx, len(list), func(i int) {
		found[i] = tryOne(ctx, cfg, try, list[i], time.Now())
		mu.Lock()
		defer mu.Unlock()
		if done++; done%100 == 0 {
			env.progress("looked at %d of %d people", done, len(list))
		}
	})
	blocked := slices.DeleteFunc(found, func(f finding) bool { return f.OK && !f.Warn })
	summary := finding{What: "people who have no pass yet", OK: true, Note: fmt.Sprintf("%d looked at, %d would be blocked", len(list), len(blocked))}
	return append([]finding{summary}, blocked...)
}

// preflight is what a journey tries before it makes a pass.
type preflight interface {
	Preflight(context.Context, workflows.PreflightInput) (jml.Verdict, error)
}

// newPreflight returns the activity's own preflight, with nowhere to write.
func newPreflight(cfg *config.Config, c client.Client) (preflight, error) {
	g, err := newGraph(cfg)
	if err != nil {
		return nil, err
	}
	sender, err := newSender(cfg, g)
	if err != nil {
		return nil, err
	}
	book, err := newBook(cfg, nil)
	if err != nil {
		return nil, err
	}
	rules, err := newRules(cfg)
	if err != nil {
		return nil, err
	}
	return activities.New(activities.Config{
		Directory: g, Sender: sender, Invitations: book, Profiles: rules, Desks: desks(cfg), Audit: nobody{},
		Checkpoints: worker.NewCheckpoints(c), Now: time.Now, Pause: pause, Logger: slog.New(slog.DiscardHandler),
	})
}

// nobody takes audit lines of what is only tried.
type nobody struct{}

// Append implements activities.Auditor.
func (nobody) Append(context.Context, audit.Entry) error { return nil }

// tryOne tells whether the employee of a journey could have a pass.
func tryOne(ctx context.Context, cfg *config.Config, try preflight, u underWay, now time.Time) finding {
	f := finding{What: u.WorkflowID}
	if !u.view.IssueAt.IsZero() {
		f.What += ", pass due " + stamp(u.view.IssueAt)
	}
	if u.err != nil {
		f.Note, f.Run = u.err.Error(), "firstpass serve"
		return f
	}
	v := u.view
	in := workflows.PreflightInput{Ref: v.Ref, Match: v.Facts.UserMatch(), Profile: cfg.Profile(v.Profile), Kind: v.Kind, Source: v.Source, Facts: &v.Facts}
	in.Open = in.Profile.Name == ""
	verdict, err := try.Preflight(ctx, in)
	if err != nil {
		f.Note, f.Run = "could not be looked at: "+err.Error(), "try again; see the checks of Graph above"
		return f
	}
	b := verdict.Block
	if b == nil && v.Block != nil && v.Block.Reason.NeedsSomebody() {
		b = v.Block // the tenant is fine with him, and the journey waits all the same
	}
	if b == nil {
		f.OK = true
		return f
	}
	f.Note, f.Run = b.String(), b.Advice
	if b.Reason == jml.ReasonUserNotFound && v.IssueAt.Sub(now) > soon {
		f.OK, f.Warn = true, true
	}
	return f
}
