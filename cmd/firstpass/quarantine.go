package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/intake"
)

type quarantineCmd struct {
	List   quarantineListCmd   `cmd:"" default:"1" help:"List the records: when, from where, and what is wrong."`
	Show   quarantineShowCmd   `cmd:"" help:"Show one record with its body. Personal data."`
	Replay quarantineReplayCmd `cmd:"" help:"Read records again, as the sources are configured now. What can be read is taken and leaves the quarantine."`
	Drop   quarantineDropCmd   `cmd:"" help:"Forget a record for good."`
}

// quarantined is a record as --json has it.
type quarantined struct {
	ID     string    `json:"id"`
	Source string    `json:"source"`
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
	Size   int       `json:"size"` // bytes
}

func describe(q intake.Quarantined) quarantined {
	return quarantined{ID: q.ID, Source: q.Source, Reason: q.Reason, Time: q.At, Size: q.Size}
}

type quarantineListCmd struct {
	Source string `help:"Only records of this source." placeholder:"NAME"`
}

// Run implements the command.
func (q *quarantineListCmd) Run(ctx context.Context, env *environment) error {
	return env.desk(ctx, func(d *intake.Desk) error {
		records, err := d.QuarantineList(ctx, q.Source)
		if err != nil {
			return err
		}
		out := make([]quarantined, len(records))
		for i, r := range records {
			out[i] = describe(r)
		}
		return env.print(out, func(w io.Writer) {
			if len(records) == 0 {
				fmt.Fprintln(w, "the quarantine is empty")
				return
			}
			tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tWHEN (UTC)\tSOURCE\tREASON")
			for _, r := range records {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.ID, r.At.UTC().Format("2006-01-02 15:04:05"), r.Source, r.Reason)
			}
			_ = tw.Flush()
		})
	})
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
			quarantined
			Body string `json:"body"`
		}{describe(record), string(body)}
		return env.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s  %s\n%s\n\n%s\n", record.ID, stamp(record.At), record.Source, record.Reason, body)
		})
	})
}

type quarantineReplayCmd struct {
	ID     []string `arg:"" optional:"" help:"Ids as in firstpass quarantine list."`
	All    bool     `help:"All records, oldest first."`
	Source string   `help:"With --all: only records of this source." placeholder:"NAME"`
}

// Run implements the command.
func (r *quarantineReplayCmd) Run(ctx context.Context, env *environment) error {
	if r.All == (len(r.ID) > 0) {
		return usageError{errors.New("name records by id, or give --all")}
	}
	return env.connectedDesk(ctx, func(d *intake.Desk) error {
		ids := r.ID
		if r.All {
			list, err := d.QuarantineList(ctx, r.Source)
			if err != nil {
				return err
			}
			for _, q := range list {
				ids = append(ids, q.ID)
			}
		}
		done := []intake.Replayed{}
		still := 0
		for _, id := range ids {
			out, err := d.QuarantineReplay(ctx, id)
			if err != nil {
				return quarantineError(err)
			}
			done = append(done, out)
			if len(out.Still) > 0 {
				still++
			}
		}
		err := env.print(done, func(w io.Writer) {
			for _, out := range done {
				if len(out.Still) > 0 {
					fmt.Fprintf(w, "%s  still unreadable: %s\n", out.ID, strings.Join(out.Still, "; "))
					continue
				}
				fmt.Fprintf(w, "%s  taken: %d, to be fetched: %d\n", out.ID, len(out.Taken), out.Fetched)
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
	return env.desk(ctx, func(d *intake.Desk) error {
		if err := d.QuarantineDrop(ctx, q.ID, q.actor(), q.Reason); err != nil {
			return quarantineError(err)
		}
		return env.print(map[string]string{"dropped": q.ID}, func(w io.Writer) { fmt.Fprintf(w, "%s  dropped\n", q.ID) })
	})
}

func quarantineError(err error) error {
	if errors.Is(err, intake.ErrNotQuarantined) {
		return hinted{err, "firstpass quarantine list shows the ids"}
	}
	return err
}
