package intake

import (
	"context"
	"maps"
	"sync"
	"time"

	"firstpass.internal/internal/ledger"
)

// What is counted of each source, by the hour.
const (
	countTaken       = "taken"       // snapshots that were new
	countKnown       = "known"       // snapshots that said nothing new, or were outdated
	countQuarantined = "quarantined" // records that could not be read
	countPassedOver  = "passed_over" // items that the source's when leaves out
	countDuplicate   = "duplicate"   // deliveries that came again
	countRefused     = "refused"     // requests that did not prove their origin
	countFailed      = "failed"      // requests that were not taken and have to come again
	countHandshake   = "handshake"
	countLag         = "lag_ms" // sum of how long HR's facts were under way, over taken
)

// counts collects what happens until it is written: a write for each request
// would cost as much as the request.
type counts struct {
	mu   sync.Mutex
	by   map[string]map[string]int
	seen map[string]time.Time
	// observe is told of what is counted; nil: nobody wants to know.
	observe func(source, what string, n int)
}

func (c *counts) add(source, what string, n int) {
	if n == 0 {
		return
	}
	if c.observe != nil && what != countLag {
		c.observe(source, what, n)
	}
	c.keep(source, what, n)
}

// keep adds without telling.
func (c *counts) keep(source, what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]map[string]int{}
	}
	if c.by[source] == nil {
		c.by[source] = map[string]int{}
	}
	c.by[source][what] += n
}

// saw notes that the HR system itself was heard of.
func (c *counts) saw(source string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]time.Time{}
	}
	c.seen[source] = at
}

func (c *counts) take() (map[string]map[string]int, map[string]time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by, seen := c.by, c.seen
	c.by, c.seen = nil, nil
	return by, seen
}

// put brings back what could not be written.
func (c *counts) put(by map[string]map[string]int, seen map[string]time.Time) {
	for source, m := range by {
		for what, n := range m {
			c.keep(source, what, n)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]time.Time{}
	}
	for source, at := range seen {
		if at.After(c.seen[source]) {
			c.seen[source] = at
		}
	}
}

// FlushCounts writes what was counted to the ledger.
func (d *Desk) FlushCounts(ctx context.Context) error {
	by, seen := d.counts.take()
	hour := d.cfg.Now().UTC().Truncate(time.Hour)
	for source, m := range maps.Clone(by) {
		if err := d.cfg.Ledger.AddCounts(ctx, source, hour, m); err != nil {
			d.counts.put(by, seen)
			return err
		}
		delete(by, source)
	}
	for source, at := range maps.Clone(seen) {
		err := d.cfg.Ledger.UpdateFeed(ctx, source, func(f *ledger.FeedState) {
			if at.After(f.LastSeen) {
				f.LastSeen = at
			}
		})
		if err != nil {
			d.counts.put(by, seen)
			return err
		}
		delete(seen, source)
	}
	return nil
}

// flushEvery bounds what a crash leaves uncounted.
const flushEvery = 5 * time.Second

// Run writes counts, takes what was kept of sources that are not paused any more,
// and drops what has been kept long enough, until ctx ends.
func (d *Desk) Run(ctx context.Context, keep Keep) {
	flush, purge := time.NewTicker(flushEvery), time.NewTicker(time.Hour)
	defer flush.Stop()
	defer purge.Stop()
	d.purge(ctx, keep)
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := d.FlushCounts(last); err != nil {
				d.cfg.Logger.Warn("counts could not be written", "error", err)
			}
			return
		case <-flush.C:
			if err := d.FlushCounts(ctx); err != nil {
				d.cfg.Logger.Warn("counts could not be written", "error", err)
			}
			if err := d.resume(ctx); err != nil && ctx.Err() == nil {
				d.cfg.Logger.Warn("what was kept of a paused source could not be taken yet; trying again", "error", err)
			}
		case <-purge.C:
			d.purge(ctx, keep)
		}
	}
}

// Keep is how long things are kept.
type Keep struct {
	Quarantine, Deliveries time.Duration
}

// Counts, files and handshakes hold little; what they are kept for is fixed.
const (
	keepCounts     = 60 * 24 * time.Hour
	keepFiles      = 366 * 24 * time.Hour
	keepHandshakes = 24 * time.Hour
	keepAsked      = 366 * 24 * time.Hour // longer than any cap counts
)

func (d *Desk) purge(ctx context.Context, keep Keep) {
	now := d.cfg.Now()
	old := now.Add(-keep.Quarantine)
	kept, err := d.oldestKept(ctx)
	if err != nil {
		d.cfg.Logger.Warn("the ledger could not be tidied", "error", err)
		return
	}
	if !kept.IsZero() && kept.Before(old) {
		old = kept
	}
	purged, err := d.cfg.Ledger.Purge(ctx, ledger.Before{
		Quarantine: old, Deliveries: now.Add(-keep.Deliveries),
		Counts: now.Add(-keepCounts), Files: now.Add(-keepFiles), Handshakes: now.Add(-keepHandshakes),
		Asked: now.Add(-keepAsked),
	})
	if err != nil {
		d.cfg.Logger.Warn("the ledger could not be tidied", "error", err)
		return
	}
	if purged.Quarantine > 0 {
		d.cfg.Logger.Warn("quarantined records have expired", "records", purged.Quarantine)
	}
}
