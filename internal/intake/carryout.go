package intake

import (
	"context"
	"slices"
	"sync"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
)

// atOnce is how many employees are delivered at a time. Temporal takes more;
// intake's webhooks are to have their share.
const atOnce = 8

// carryOut quarantines, tells and writes down what a plan holds.
func (d *Desk) carryOut(ctx context.Context, s *Source, r reading, p *plan) error {
	for _, b := range p.bad {
		raw, err := marshalTree(b.item)
		if err != nil {
			return err
		}
		if err := d.keep(ctx, s, label(r.name)+b.where+": "+b.why, 1, parcel{Row: &row{Where: b.where, Item: raw, ObservedAt: r.observedAt}}); err != nil {
			return err
		}
	}
	if err := d.touch(ctx, s, r, p); err != nil {
		return err
	}
	for chunk := range slices.Chunk(p.missing, 500) {
		if err := d.cfg.Ledger.PutEmployees(ctx, chunk); err != nil {
			return err
		}
	}
	d.counts.add(s.name, countKnown, p.result.Unchanged+p.result.Outdated)
	d.counts.add(s.name, countPassedOver, p.result.PassedOver)
	tell, quiet := split(p.changes)
	if err := d.write(ctx, s, quiet); err != nil {
		return err
	}
	d.counts.add(s.name, countTaken, len(quiet))
	if err := d.tellAll(ctx, s, r, p, tell); err != nil || !p.released {
		return err
	}
	return d.cfg.Ledger.UpdateFeed(ctx, s.name, func(f *ledger.FeedState) { f.BrakeAllow = 0 })
}

// touch notes who was seen unchanged. Where HR itself dates what it says, that
// date stays: a change that it dates back and shows late must not look older.
func (d *Desk) touch(ctx context.Context, s *Source, r reading, p *plan) error {
	if err := d.cfg.Ledger.TouchFeed(ctx, s.people, p.same, r.observedAt, r.observedAt); err != nil {
		return err
	}
	return d.cfg.Ledger.TouchFeed(ctx, s.people, p.dated, r.observedAt, time.Time{})
}

func split(list []change) (tell, quiet []change) {
	for _, c := range list {
		if c.tells {
			tell = append(tell, c)
		} else {
			quiet = append(quiet, c)
		}
	}
	return tell, quiet
}

// write puts down changes that no joiner need hear of: most of a first feed are
// people who started long ago.
func (d *Desk) write(ctx context.Context, s *Source, list []change) error {
	for chunk := range slices.Chunk(list, 500) {
		rows := make([]ledger.Employee, 0, len(chunk))
		for _, c := range chunk {
			e, err := employee(entry{people: s.people, ref: c.ref, seenAt: d.cfg.Now()}, c.next, c.digest)
			if err != nil {
				return err
			}
			rows = append(rows, e)
		}
		if err := d.cfg.Ledger.PutEmployees(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

// tellAll brings changes to the journeys, some at a time. Each is judged once
// more under the employee's lock: a webhook may have come in since.
func (d *Desk) tellAll(ctx context.Context, s *Source, r reading, p *plan, list []change) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		turn = make(chan struct{}, atOnce)
	)
	for i, c := range list {
		if r.beat != nil && i%beatEvery == 0 {
			r.beat(p.result.Read)
		}
		turn <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-turn }()
			var (
				got Taken
				err error
			)
			if c.snap != nil {
				got, err = d.take(ctx, s, *c.snap)
			} else {
				got, err = d.takeLacking(ctx, s, r, c)
			}
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if got.Kind == OutcomeDelivered || got.Kind == OutcomeStarted {
				p.result.Delivered++
			}
			if got.Held {
				p.result.Held++
			}
			if r.told != nil {
				r.told(c, got)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// takeLacking tells the joiner of an employee whom a full feed lacks.
func (d *Desk) takeLacking(ctx context.Context, s *Source, r reading, c change) (Taken, error) {
	unlock, err := d.lock(ctx, s.people, c.ref)
	if err != nil {
		return Taken{}, err
	}
	defer unlock()
	e, found, err := d.cfg.Ledger.Employee(ctx, s.people, c.ref)
	if err != nil || !found {
		return Taken{}, err
	}
	old, err := known(e)
	if err != nil {
		return Taken{}, err
	}
	if e.ObservedAt.After(r.observedAt) || !old.Said.ObservedAt.Equal(c.next.Said.ObservedAt) {
		return Taken{}, nil // HR has spoken since
	}
	d.counts.add(s.name, countTaken, 1)
	got, err := d.apply(ctx, s, entry{s.people, c.ref, e.ObservedAt, e.SeenAt, c.missing}, old, jml.Change{Facts: c.facts, Known: c.next, Tell: true}, c.digest)
	if err == nil {
		d.cfg.Logger.Info("intake", "source", s.name, "ref", c.ref, "outcome", string(got.Kind), "facts", words(c.facts))
	}
	return got, err
}
