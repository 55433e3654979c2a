package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/api"
)

type quarantineCmd struct {
	List   quarantineListCmd   `cmd:"" default:"1" help:"List the records: when, from where, and what is wrong."`
	Show   quarantineShowCmd   `cmd:"" help:"Show one record with its body, with the keys of the configuration. Personal data."`
	Replay quarantineReplayCmd `cmd:"" help:"Read records again, as the sources are configured now. What can be read is taken and leaves the quarantine."`
	Drop   quarantineDropCmd   `cmd:"" help:"Forget a record for good."`
}

type quarantineListCmd struct {
	Source string `help:"Only records of this source." placeholder:"NAME"`
}

// Run implements the command.
func (q *quarantineListCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		list, err := inQuarantine(ctx, c, q.Source)
		if err != nil {
			return err
		}
		return env.print(list, func(w io.Writer) {
			if len(list) == 0 {
				fmt.Fprintln(w, "the quarantine is empty")
				return
			}
			tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tWHEN (UTC)\tSOURCE\tREASON")
			for _, r := range list {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.ID, r.At.UTC().Format("2006-01-02 15:04:05"), r.Source, r.Reason)
			}
			_ = tw.Flush()
		})
	})
}

// inQuarantine returns the records, oldest first; of one source if it is named.
func inQuarantine(ctx context.Context, c *api.ClientWithResponses, source string) ([]api.Quarantined, error) {
	r, err := c.ListQuarantineWithResponse(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(r.JSON200.Items, func(q api.Quarantined) bool { return source != "" && q.Source != source }), nil
}

type quarantineShowCmd struct {
	ID string `arg:"" help:"Id as in firstpass quarantine list."`
}

// Run implements the command.
func (s *quarantineShowCmd) Run(ctx context.Context, env *environment) error {
	return env.desk(ctx, func(d *intake.Desk) error {
		record, body, err := d.QuarantineShow(ctx, s.ID)
		if err != nil {
			return quarantineError(err)
		}
		out := struct {
			api.Quarantined
			Body string `json:"body"`
		}{api.Quarantined{ID: record.ID, Source: record.Source, Reason: record.Reason, At: record.At, Size: record.Size}, string(body)}
		return env.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s  %s\n%s\n\n%s\n", record.ID, stamp(record.At), record.Source, record.Reason, body)
		})
	})
}

type quarantineReplayCmd struct {
	ID     []string `arg:"" optional:"" help:"Ids as in firstpass quarantine list."`
	All    bool     `help:"All records, oldest first."`
	Source string   `help:"With --all: only records of this source." placeholder:"NAME"`
	decision
}

// replayed is what came of one record.
type replayed struct {
	ID string `json:"id"`
	api.Done
}

// Run implements the command.
func (r *quarantineReplayCmd) Run(ctx context.Context, env *environment) error {
	if r.All == (len(r.ID) > 0) {
		return usageError{errors.New("name records by id, or give --all")}
	}
	return env.api(ctx, r.Actor, func(c *api.ClientWithResponses) error {
		ids := r.ID
		if r.All {
			list, err := inQuarantine(ctx, c, r.Source)
			if err != nil {
				return err
			}
			for _, q := range list {
				ids = append(ids, q.ID)
			}
		}
		done := []replayed{}
		still := 0
		for _, id := range ids {
			out, err := c.ActOnQuarantinedWithResponse(ctx, id, api.QuarantineAction{Verb: ops.VerbReplay, Reason: r.Reason})
			if err != nil {
				return quarantineError(err)
			}
			done = append(done, replayed{id, *out.JSON200})
			if len(out.JSON200.Still) > 0 {
				still++
			}
		}
		err := env.print(done, func(w io.Writer) {
			for _, out := range done {
				if len(out.Still) > 0 {
					fmt.Fprintf(w, "%s  still unreadable: %s\n", out.ID, strings.Join(out.Still, "; "))
					continue
				}
				fmt.Fprintf(w, "%s  %s\n", out.ID, out.What)
			}
		})
		if err == nil && still > 0 {
			err = hinted{fmt.Errorf("%d of %d records stay in the quarantine", still, len(ids)), "correct the source's map and try it with: firstpass source test NAME SAMPLE"}
		}
		return err
	})
}

type quarantineDropCmd struct {
	ID string `arg:"" help:"Id as in firstpass quarantine list."`
	decision
}

// Run implements the command.
func (q *quarantineDropCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, q.Actor, func(c *api.ClientWithResponses) error {
		r, err := c.ActOnQuarantinedWithResponse(ctx, q.ID, api.QuarantineAction{Verb: ops.VerbDrop, Reason: q.Reason})
		if err != nil {
			return quarantineError(err)
		}
		return env.printReply(r.Body, func(w io.Writer) { fmt.Fprintf(w, "%s  %s\n", q.ID, r.JSON200.What) })
	})
}

func quarantineError(err error) error {
	if errors.Is(err, intake.ErrNotQuarantined) || answered(err, http.StatusNotFound) {
		return hinted{err, "firstpass quarantine list shows the ids"}
	}
	return err
}
