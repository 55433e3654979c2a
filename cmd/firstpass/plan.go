package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"firstpass.internal/activities"
	"firstpass.internal/config"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/plan"
	"firstpass.internal/worker"
	"firstpass.internal/workflows"
)

type planCmd struct {
	Source   string  `help:"HR source of the employees; needed with --file where there are several." placeholder:"NAME"`
	File     string  `help:"Plan for everybody in this CSV or JSON file, written as the source's own." type:"existingfile" placeholder:"FILE"`
	From     string  `help:"Plan for those whom HR has told of and who start on this day or later. Today, if not given." placeholder:"DATE"`
	Until    string  `help:"And on this day or earlier. Two weeks after --from, if not given." placeholder:"DATE"`
	HTML     string  `help:"Write the plan as a page to this file as well." type:"path" placeholder:"FILE"`
	Names    bool    `help:"Say who people are. Without, there are references and lines of the file."`
	Share    float64 `help:"How much of Graph's budget waves may use, in per cent." default:"50" placeholder:"N"`
	Progress bool    `help:"Tell how far it is." default:"true" negatable:""`
}

// Run implements the command.
func (p *planCmd) Run(ctx context.Context, env *environment) error {
	from, until, err := p.days()
	if err != nil {
		return usageError{err}
	}
	cfg, err := env.load()
	if err != nil {
		return err
	}
	source := ""
	if p.File != "" || p.Source != "" {
		src, err := (&startCmd{Source: p.Source}).source(cfg)
		if err != nil {
			return usageError{err}
		}
		source = src.Name
	}
	temporal, err := connectLazily(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer temporal.Close()
	gauge := env.gauge("planned")
	tell := func(what string, done, total int) {
		if p.Progress {
			gauge.what = what
			gauge.at(done, total)
		}
	}
	var out *plan.Plan
	err = env.withParts(ctx, cfg, temporal, func(o operationsParts) error {
		var people []plan.Person
		if p.File != "" {
			people, err = p.rows(ctx, cfg, o.desk, source, tell)
		} else {
			people, err = known(ctx, o.desk, source, from, until)
		}
		if err != nil {
			return err
		}
		notes := []string{running(ctx, temporal, people), halted(ctx, o.ledger)}
		out, err = p.make(ctx, o, people, tell)
		if err == nil {
			out.Notes = slices.DeleteFunc(append(notes, out.Notes...), func(n string) bool { return n == "" })
		}
		return err
	})
	gauge.end()
	switch {
	case errors.Is(err, context.Canceled):
		return hinted{errors.New("interrupted: no plan was made"), "nothing was written; make it again"}
	case err != nil:
		return sourceError(err)
	}
	if p.HTML != "" {
		if err := p.page(out); err != nil {
			return err
		}
	}
	if err := env.print(out, func(w io.Writer) {
		plan.Text(w, out)
		if p.HTML != "" {
			fmt.Fprintf(w, "\nthe page: %s\n", p.HTML)
		}
	}); err != nil {
		return err
	}
	if n := out.Unreadable(); n > 0 && n == len(out.People) {
		return hinted{errors.New("no row could be read"), "are these the source's columns? firstpass source test NAME FILE shows what a row comes to"}
	}
	return nil
}

// ahead is how many days a plan holds if nobody says otherwise: what the board
// shows.
const ahead = 14

// days reads the range: from today if nobody says since when.
func (p *planCmd) days() (from, until jml.Date, err error) {
	if p.Share <= 0 || p.Share > 100 {
		return from, until, errors.New("--share: more than 0 and at most 100")
	}
	switch dated := p.From != "" || p.Until != ""; {
	case p.File != "" && dated:
		return from, until, hinted{errors.New("--file goes without --from and --until"), "firstpass plan --file plans for everybody in the file"}
	case p.File != "":
		return from, until, nil
	}
	now := time.Now().UTC()
	from = jml.Date{Year: now.Year(), Month: now.Month(), Day: now.Day()}
	if p.From != "" {
		if from, err = jml.ParseDate(p.From); err != nil {
			return from, until, fmt.Errorf("--from: %w", err)
		}
	}
	until = from.AddDays(ahead)
	if p.Until != "" {
		if until, err = jml.ParseDate(p.Until); err != nil {
			return from, until, fmt.Errorf("--until: %w", err)
		}
	}
	if until.String() < from.String() { // as they are written, dates sort
		return from, until, errors.New("--until lies before --from")
	}
	return from, until, nil
}

// rows reads the file.
func (p *planCmd) rows(ctx context.Context, cfg *config.Config, d *intake.Desk, source string, tell func(string, int, int)) ([]plan.Person, error) {
	x, err := newCompiler(cfg)
	if err != nil {
		return nil, err
	}
	list, err := d.Foresee(ctx, intake.CohortConfig{Source: source, File: p.File, Compiler: x, Beat: func(n int) { tell("read", n, 0) }})
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", p.File, err)}
	}
	var out []plan.Person
	for _, f := range list {
		person := plan.Person{Where: f.Where, Ref: f.Ref, Source: f.People, Facts: f.Told, Problem: f.Problem}
		if f.Silent {
			person.Problem, person.Cause = "the start lies far back", plan.CauseTooLate
		}
		out = append(out, person)
	}
	return out, nil
}

// everybody bounds whom a range can hold.
const everybody = 200_000

// known returns those whom HR has told of and who start from one day until
// another.
func known(ctx context.Context, d *intake.Desk, source string, from, until jml.Date) ([]plan.Person, error) {
	list, err := d.Everybody(ctx, everybody)
	if err != nil {
		return nil, err
	}
	out := []plan.Person{}
	for _, e := range list {
		start := e.Snapshot.StartDate
		if e.Snapshot.Status != jml.StatusScheduled || start.IsZero() || source != "" && e.Source != source ||
			start.String() < from.String() || start.String() > until.String() {
			continue
		}
		out = append(out, plan.Person{Ref: e.Ref, Source: e.Source, Facts: e.Snapshot})
	}
	return out, nil
}

// running takes note of the joiners that run already. What it returns is a note
// if nobody could say.
func running(ctx context.Context, c client.Client, people []plan.Person) string {
	byID := map[string]int{}
	for i, p := range people {
		if p.Ref != "" {
			byID[workflows.JourneyID(jml.KindJoiner, p.Source, p.Ref)] = i
		}
	}
	query := "WorkflowType = '" + workflows.Type(jml.KindJoiner) + "' AND ExecutionStatus = 'Running'"
	var page []byte
	for {
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		resp, err := c.ListWorkflow(asking, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000, NextPageToken: page})
		cancel()
		if err != nil {
			return "Temporal did not answer: the plan knows nothing of journeys that run already, and takes everybody as new"
		}
		for _, e := range resp.GetExecutions() {
			i, ok := byID[e.GetExecution().GetWorkflowId()]
			if !ok {
				continue
			}
			r := &plan.Running{Since: e.GetStartTime().AsTime()}
			fields := e.GetSearchAttributes().GetIndexedFields()
			// Search attributes stand in clear, so they don't go through the codec.
			_ = converter.GetDefaultDataConverter().FromPayload(fields[workflows.AttributeStage], &r.Stage)
			_ = converter.GetDefaultDataConverter().FromPayload(fields[workflows.AttributeReason], &r.Reason)
			people[i].Running = r
		}
		if page = resp.GetNextPageToken(); len(page) == 0 {
			return ""
		}
	}
}

// make has the parts of a worker look at the tenant, with nowhere to write.
func (p *planCmd) make(ctx context.Context, o operationsParts, people []plan.Person, tell func(string, int, int)) (*plan.Plan, error) {
	cfg, g, rules := o.cfg, o.directory, o.rules
	answered := newTally(func(n int) { tell("requests to Graph answered", n, 0) })
	return plan.Make(ctx, plan.Config{
		People: people, Rules: rules, Now: time.Now(), Names: p.Names, Share: p.Share / 100, Progress: tell,
		Tenant: plan.Reader{Client: g, Bulk: g.Bulk(graph.BulkConfig{Pause: patiently, Answered: answered})},
		Look: func(dir activities.Directory) (plan.Look, error) {
			sender, err := newSender(cfg, g)
			if err != nil {
				return nil, err
			}
			book, err := newBook(cfg, nil)
			if err != nil {
				return nil, err
			}
			return activities.New(activities.Config{
				Directory: dir, Sender: sender, Invitations: book, Profiles: rules, Desks: desks(cfg), Audit: nobody{},
				Checkpoints: worker.NewCheckpoints(o.temporal), Now: time.Now, Pause: pause, Logger: slog.New(slog.DiscardHandler),
			})
		},
	})
}

// patiently waits for d, or returns why not.
func patiently(ctx context.Context, d time.Duration) error {
	pause(ctx, d)
	return context.Cause(ctx)
}

// newTally sums up what it is told, one call at a time.
func newTally(tell func(sum int)) func(n int) {
	turn := make(chan int, 1)
	turn <- 0
	return func(n int) {
		sum := <-turn + n
		tell(sum)
		turn <- sum
	}
}

// page writes the plan as one file, for its owner alone: it may hold names.
func (p *planCmd) page(out *plan.Plan) error {
	f, err := os.OpenFile(p.HTML, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return usageError{fmt.Errorf("--html: %w", err)}
	}
	return errors.Join(plan.HTML(f, out), f.Close())
}

// halted says whether the kill switch is on.
func halted(ctx context.Context, l *ledger.Ledger) string {
	on, err := l.Halted(ctx)
	switch {
	case err != nil:
		return "the kill switch could not be read"
	case on:
		return "the kill switch is on: as long as it is, nobody gets a pass, whatever the plan says"
	}
	return ""
}
