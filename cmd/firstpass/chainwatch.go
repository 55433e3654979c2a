package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/audit/chain"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/telemetry"
)

// chainWatch knows how the ledger's chain does.
type chainWatch struct {
	book    *ledger.Ledger
	exports bool // signed heads are to leave
	log     *slog.Logger

	mu       sync.Mutex
	verified time.Time
	broken   bool
}

const (
	// A million rows take half a minute of one core: not while everything
	// starts, and not more often than heads leave.
	verifyFirst = time.Minute
	verifyEvery = 24 * time.Hour
	verifyAgain = 10 * time.Minute // after the ledger did not answer
)

// run verifies the database once a day, until ctx ends.
func (c *chainWatch) run(ctx context.Context) {
	for wait := verifyFirst; ; {
		if pause(ctx, wait); ctx.Err() != nil {
			return
		}
		wait = c.verify(ctx)
	}
}

// verify returns when to do it again. Signatures are not looked at: keys may
// have changed, and firstpass ledger verify is told which count.
func (c *chainWatch) verify(ctx context.Context) time.Duration {
	report, err := chain.Database(ctx, c.book, chain.Options{})
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("the ledger's chain could not be verified; trying again", "error", err)
		}
		return verifyAgain
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken = !report.Good(); c.broken {
		c.log.Error("the ledger's chain does not verify; see firstpass ledger verify", "problems", len(report.Problems)+report.More)
		return verifyEvery
	}
	c.verified = time.Now()
	return verifyEvery
}

// tell is what metrics say.
func (c *chainWatch) tell(ctx context.Context) (telemetry.Chain, error) {
	newest, _, err := c.book.Newest(ctx)
	if err != nil {
		return telemetry.Chain{}, err
	}
	c.mu.Lock()
	out := telemetry.Chain{Rows: newest, Verified: c.verified, Broken: c.broken}
	c.mu.Unlock()
	if c.exports {
		out.Exported, err = c.left(ctx, newest)
	}
	return out, err
}

// left returns when the rows last were all in the export folder: now, if nothing
// has come since the last that left.
func (c *chainWatch) left(ctx context.Context, newest uint64) (time.Time, error) {
	heads, err := c.book.Heads(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for i := len(heads) - 1; i >= 0; i-- {
		if !heads[i].Exported {
			continue
		}
		if heads[i].Seq == newest {
			return time.Now(), nil
		}
		h, err := audit.ReadHead(heads[i].Signed)
		return h.Head.Time, err
	}
	// Nothing has left yet: as long as the chain has been there.
	rows, err := c.book.Rows(ctx, ledger.RowFilter{Limit: 1})
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	return rows[0].Time, nil
}
