package intake

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// plan is what a reading comes to.
type plan struct {
	result  workflows.FeedResult
	changes []change
	same    []string          // refs of whom it says nothing new
	dated   []string          // the same, where HR itself says since when
	missing []ledger.Employee // lacking once more, which no joiner need hear of
	bad     []bad
	// released says that the brake would have stopped it, had nobody let it
	// through.
	released bool
}

// seenRow is an employee as a reading has it.
type seenRow struct {
	nth    int
	where  string
	digest []byte
	snap   *jml.Snapshot // nil if it is known
	id     string        // by which the employee is in the reading
	names  string        // the id from before that it gives
}

// named reports whether the employee has to be identified by more than the id
// that the reading has, which quiet writing does not do.
func (r seenRow) named(ref string, refs Refs, people string) bool {
	return refs.Ref(people, r.id) != ref
}

// beatEvery is after how many items a sign of life is given.
const beatEvery = 1000

func (d *Desk) plan(ctx context.Context, s *Source, r reading) (*plan, error) {
	p := &plan{}
	last := map[string]ledger.Digest{}
	err := d.cfg.Ledger.Digests(ctx, s.people, func(g ledger.Digest) error {
		last[g.Ref] = g
		return nil
	})
	if err != nil {
		return p, err
	}
	ids, err := d.identities(ctx, s, last)
	if err != nil {
		return p, err
	}
	now := d.cfg.Now()
	vars := mapping.Vars{Source: s.name, Settings: s.cfg.Settings}
	rows := map[string]seenRow{}
	err = r.each(ctx, func(it feed.Item) error {
		p.result.Read++
		if r.beat != nil && p.result.Read%beatEvery == 0 {
			r.beat(p.result.Read)
		}
		vars.Body, vars.Item = it.Body, it.Value
		rec := s.record(ctx, vars, nil, r.observedAt, now)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case rec.Err != nil:
			p.bad = append(p.bad, bad{it.Where, rec.Err.Error(), it.Value})
			return nil
		case rec.PassedOver:
			p.result.PassedOver++
			return nil
		}
		id, names := rec.Snapshot.EmployeeID, rec.Snapshot.PreviousID
		ref, current, err := ids.of(ctx, &rec.Snapshot)
		if err != nil {
			return err
		}
		if !current {
			p.result.Outdated++
			return nil
		}
		digest := d.digest(rec.Snapshot)
		if first, twice := rows[ref]; twice {
			switch {
			case bytes.Equal(first.digest, digest):
				return nil
			case first.names != "" && first.names == id:
				return nil // by the id that HR has given up
			case names != "" && names == first.id:
			default:
				why := "the same employee_id as " + first.where + ", with other facts"
				p.bad = append(p.bad, bad{it.Where, why, it.Value})
				rows[ref] = seenRow{where: first.where} // neither is believed
				return nil
			}
		}
		row := seenRow{nth: p.result.Read, where: it.Where, digest: digest, id: id, names: names}
		g, found := last[ref]
		switch {
		case found && rec.Snapshot.ObservedAt.Before(g.ObservedAt):
			p.result.Outdated++
		case found && bytes.Equal(g.Digest, digest) && g.Missing == 0:
			p.result.Unchanged++
			if rec.Snapshot.ObservedAt.Equal(r.observedAt) {
				p.same = append(p.same, ref)
			} else {
				p.dated = append(p.dated, ref)
			}
		default:
			row.snap = &rec.Snapshot
		}
		rows[ref] = row
		return nil
	})
	if err != nil {
		return p, err
	}
	if r.strict && len(p.bad) > 0 {
		p.result.Refused = refusal(r.name, p.bad)
		return p, nil
	}
	if r.full && len(rows) == 0 && len(p.bad) == 0 && r.expectsAny(last, now) {
		// Nobody is left: an export that was cut off looks the same.
		p.result.Refused = []string{label(r.name) + "holds nobody, though employees are known; nothing was applied"}
		return p, nil
	}
	p.result.Quarantined = len(p.bad)
	for ref, row := range rows {
		if row.snap == nil {
			continue
		}
		var old *jml.Known
		if _, found := last[ref]; found {
			e, ok, err := d.cfg.Ledger.Employee(ctx, s.people, ref)
			if err != nil {
				return p, err
			}
			if ok {
				if old, err = known(e); err != nil {
					return p, err
				}
			}
		}
		c := jml.Consider(old, *row.snap, s.rulesFor(*row.snap), now)
		p.changes = append(p.changes, change{
			ref: ref, nth: row.nth, where: row.where, snap: row.snap, facts: c.Facts, next: c.Known, digest: row.digest,
			tells: c.Tell || len(waits(&c.Known)) > 0 || len(waits(old)) > 0 || s.concerns(old, c.Known) || row.named(ref, d.cfg.Refs, s.people),
		})
	}
	if r.full && s.cfg.VanishedAfter > 0 && len(p.bad) == 0 {
		if err := d.lacking(ctx, s, r, p, last, rows, now); err != nil {
			return p, err
		}
	}
	slices.SortFunc(p.changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.nth, b.nth), strings.Compare(a.ref, b.ref)) })
	p.result.Changed = len(p.changes)
	return p, d.brake(ctx, s, p, last, now)
}

// vanishedFor is the least time for which an employee must have been missing
// from all full feeds to count as cancelled: an HR system that is being mended
// may give several bad feeds within the hour.
const vanishedFor = 24 * time.Hour

// lacking finds the known employees whom a full reading lacks. Only those still
// to start count: others leave a feed for many good reasons.
func (d *Desk) lacking(ctx context.Context, s *Source, r reading, p *plan, last map[string]ledger.Digest, rows map[string]seenRow, now time.Time) error {
	for ref, g := range last {
		if _, there := rows[ref]; there || !r.expects(g, now) || g.ObservedAt.After(r.observedAt) {
			continue
		}
		e, ok, err := d.cfg.Ledger.Employee(ctx, s.people, ref)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		old, err := known(e)
		if err != nil {
			return err
		}
		p.result.Vanished++
		if g.Missing > 0 && r.counted(old.Told.ObservedAt) {
			continue
		}
		missing := g.Missing + 1
		confirmed := missing > 1 && missing >= s.cfg.VanishedAfter && now.Sub(e.SeenAt) >= vanishedFor
		k := old.Vanish(confirmed, r.observedAt)
		if missing > 1 && !confirmed {
			e, err = employee(entry{s.people, ref, e.ObservedAt, e.SeenAt, missing}, k, e.Digest)
			if err != nil {
				return err
			}
			p.missing = append(p.missing, e)
			continue
		}
		p.changes = append(p.changes, change{
			ref: ref, nth: math.MaxInt, where: "missing", missing: missing, facts: k.Told.Facts(&old.Told, false), tells: true, next: k, digest: e.Digest,
		})
	}
	return nil
}

// expects reports whether the reading has to hold an employee whose start is as
// known, or else HR no longer has them.
func (r reading) expects(g ledger.Digest, now time.Time) bool {
	today := now.UTC().Add(-24 * time.Hour).Format(time.DateOnly) // still today somewhere
	return g.Open && g.Start >= today && (r.until.IsZero() || g.Start <= r.until.UTC().Add(-24*time.Hour).Format(time.DateOnly))
}

// expectsAny reports whether the reading can't be empty. One of everybody holds
// those who started long ago, too.
func (r reading) expectsAny(last map[string]ledger.Digest, now time.Time) bool {
	if r.until.IsZero() {
		return len(last) > 0
	}
	for _, g := range last {
		if r.expects(g, now) {
			return true
		}
	}
	return false
}

// counted reports whether an employee who was found missing at a time was so by
// this reading, in a try of it that did not reach its end. One feed counts once,
// however often it is read.
func (r reading) counted(at time.Time) bool {
	return !r.observedAt.After(at) || r.lastGood.Before(at.Truncate(time.Millisecond)) // as the ledger keeps it
}

// brake stops a reading that would change or drop too many of those still to
// start, until an operator lets it through.
func (d *Desk) brake(ctx context.Context, s *Source, p *plan, last map[string]ledger.Digest, now time.Time) error {
	today := now.UTC().Add(-24 * time.Hour).Format(time.DateOnly)
	known, drastic := 0, 0
	for _, g := range last {
		if g.Open && g.Start >= today {
			known++
		}
	}
	for _, c := range p.changes {
		if g, found := last[c.ref]; found && g.Open && g.Start >= today && jml.Drastic(c.facts) {
			drastic++
		}
	}
	b := s.cfg.Brake
	if b.Share == 0 || drastic < b.Least || float64(drastic) <= b.Share*float64(known) {
		return nil
	}
	state, err := d.cfg.Ledger.Feed(ctx, s.name)
	if err != nil {
		return err
	}
	if drastic <= state.BrakeAllow {
		p.released = true
		return nil
	}
	p.result.Drastic = drastic
	p.result.Braked = fmt.Sprintf("%d of %d employees still to start would change or vanish", drastic, known)
	return nil
}

// refusal names the bad rows of a reading that is not applied.
func refusal(name string, list []bad) []string {
	var out []string
	for i, b := range list {
		if i == maxReasons {
			return append(out, fmt.Sprintf("%sand %d more; nothing was applied", label(name), len(list)-i))
		}
		out = append(out, label(name)+b.where+": "+b.why)
	}
	return out
}

func label(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}
