package chain

import (
	"context"
	"log/slog"
	"time"
)

// Daily exports once a day, UTC.
type Daily struct {
	Exporter
	Now    func() time.Time
	Pause  func(ctx context.Context, d time.Duration) // waits for d or until ctx ends
	Logger *slog.Logger
}

const (
	// glance bounds how long it waits: a clock that jumps, or a machine that
	// slept, costs that much at the most.
	glance = time.Hour
	// again is between two tries.
	again = 10 * time.Minute
)

// Run exports, at once if the last head is not of today, and then when each day
// begins, until ctx ends.
func (d *Daily) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := d.once(ctx)
		if err != nil && ctx.Err() == nil {
			d.Logger.Error("the ledger can't be exported; trying again", "folder", d.Folder, "wait", again.String(), "error", err)
			wait = again
		}
		d.Pause(ctx, wait)
	}
}

// once exports if it is time, and returns how long there is nothing to do.
func (d *Daily) once(ctx context.Context) (time.Duration, error) {
	last, err := d.Book.LastHead(ctx)
	if err != nil {
		return 0, err
	}
	today := d.Now().UTC().Truncate(24 * time.Hour)
	if !last.Before(today) {
		// A file that a crash kept from being written waits for no other day.
		heads, err := d.Book.Heads(ctx)
		if err != nil || len(heads) == 0 || heads[len(heads)-1].Exported {
			return min(glance, today.Add(24*time.Hour).Sub(d.Now())), err
		}
	}
	paths, err := d.Export(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range paths {
		d.Logger.Info("ledger exported", "file", p)
	}
	return min(glance, today.Add(24*time.Hour).Sub(d.Now())), nil
}
