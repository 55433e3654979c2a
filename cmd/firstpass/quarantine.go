package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"firstpass.internal/internal/intake"
)

type quarantineCmd struct {
	List quarantineListCmd `cmd:"" default:"1" help:"List the records: when, from where, and what is wrong."`
	Show quarantineShowCmd `cmd:"" help:"Show one record with its body. Personal data."`
}

type quarantineListCmd struct{}

// Run implements the command.
func (*quarantineListCmd) Run(_ context.Context, env *environment) error {
	q, err := env.quarantine()
	if err != nil {
		return err
	}
	defer q.Close() //nolint:errcheck // nothing was written
	records, err := q.List()
	if err != nil {
		return err
	}
	if records == nil {
		records = []intake.Quarantined{}
	}
	return env.print(records, func(w io.Writer) {
		if len(records) == 0 {
			fmt.Fprintln(w, "the quarantine is empty")
			return
		}
		tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "ID\tWHEN (UTC)\tSOURCE\tREASON")
		for _, r := range records {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.ID, r.Time.UTC().Format("2006-01-02 15:04:05"), r.Source, r.Reason)
		}
		_ = tw.Flush()
	})
}

type quarantineShowCmd struct {
	ID string `arg:"" help:"Id as in firstpass quarantine list."`
}

// Run implements the command.
func (s *quarantineShowCmd) Run(_ context.Context, env *environment) error {
	q, err := env.quarantine()
	if err != nil {
		return err
	}
	defer q.Close() //nolint:errcheck // nothing was written
	record, body, err := q.Show(s.ID)
	if errors.Is(err, intake.ErrNotQuarantined) {
		return hinted{err, "firstpass quarantine list shows the ids"}
	}
	if err != nil {
		return err
	}
	out := struct {
		intake.Quarantined
		Body string `json:"body"`
	}{record, string(body)}
	return env.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s  %s\n%s\n\n%s\n", record.ID, stamp(record.Time), record.Source, record.Reason, body)
	})
}

func (e *environment) quarantine() (*intake.Quarantine, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	return openQuarantine(cfg)
}
