package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"firstpass.internal/internal/intake/scim"
)

// reasonPaused is why the quarantine keeps what a paused source sent. It goes on
// by itself once the source is not paused any more.
const reasonPaused = "paused"

// paused reports whether somebody has paused a source. Who can't tell takes
// nothing: HR systems come again, polls are tried again.
func (d *Desk) paused(ctx context.Context, s *Source) (bool, error) {
	p, err := d.cfg.Ledger.Paused(ctx, s.name)
	return p.On, err
}

// putOff keeps a parcel of a paused source. If the source has been resumed just
// now, what was kept may have been gone through already: it is gone through
// again.
func (d *Desk) putOff(ctx context.Context, s *Source, p parcel) error {
	if err := d.keep(ctx, s, reasonPaused, 1, p); err != nil {
		return err
	}
	d.kept.Delete(s.name)
	return nil
}

// resume takes what was kept of sources that are not paused any more, in the
// order in which it came. What HR said since wins, by HR's own time.
//
// Crash: a record is dropped once all of it has been taken. What is taken twice
// changes nothing the second time; the next look finds the rest.
func (d *Desk) resume(ctx context.Context) error {
	pauses, err := d.cfg.Ledger.Pauses(ctx)
	if err != nil {
		return err
	}
	on := map[string]bool{}
	for _, p := range pauses {
		on[p.Source] = true
		d.kept.Delete(p.Source)
	}
	for _, name := range d.Sources() {
		if _, done := d.kept.Load(name); done || on[name] {
			continue
		}
		d.kept.Store(name, true) // before, so that what is put off meanwhile is found
		if err := d.takeKept(ctx, d.sources[name]); err != nil {
			d.kept.Delete(name)
			return err
		}
	}
	return nil
}

func (d *Desk) takeKept(ctx context.Context, s *Source) error {
	list, err := d.cfg.Ledger.Quarantine(ctx, s.name)
	if err != nil {
		return err
	}
	for _, q := range list {
		if q.Reason != reasonPaused {
			continue
		}
		if now, err := d.paused(ctx, s); err != nil || now {
			return err // paused again
		}
		if err := d.takeParcel(ctx, s, q.ID); err != nil {
			return err
		}
		d.cfg.Logger.Info("intake took what was kept of a paused source", "source", s.name, "id", q.ID)
	}
	return nil
}

// takeParcel does what would have been done with a parcel had the source not
// been paused. What can't be read goes to the quarantine under its own reason.
func (d *Desk) takeParcel(ctx context.Context, s *Source, id string) error {
	_, p, err := d.parcel(ctx, id)
	switch {
	case errors.Is(err, ErrNotQuarantined):
		return nil // somebody dropped or replayed it
	case err != nil:
		return err
	}
	switch {
	case p.Delivery != nil:
		vars, bad := s.open(*p.Delivery)
		if bad != nil {
			_, err = d.quarantined(ctx, s, *p.Delivery, []Record{{Err: bad}})
		} else {
			_, err = d.deliver(ctx, s, vars, *p.Delivery)
		}
	case p.Row != nil:
		var resource any
		if resource, err = decoded(p.Row.Item); err == nil {
			tree, _ := resource.(map[string]any)
			err = sink{desk: d, source: s, patience: time.Minute}.take(ctx, tree, p.Row.Deleted, p.Row.ObservedAt)
		}
		if errors.Is(err, scim.ErrUnprocessable) {
			err = nil // it is in the quarantine, under another reason
		}
	case p.Notice != nil:
		// Asking again does no harm, and tells whether the notice can be read.
		n := *p.Notice
		in := Delivery{Header: n.Header, ContentType: n.ContentType, Body: n.Body, ReceivedAt: n.ReceivedAt}
		vars, bad := s.at(ctx, in, n.Item)
		if bad == nil {
			err = d.notify(ctx, s, vars, in, n.Item)
		}
		if ask := (unaskable{}); errors.As(err, &ask) {
			bad, err = ask, nil
		}
		if bad != nil {
			err = d.keep(ctx, s, bad.Error(), 1, parcel{Delivery: &in})
		}
	}
	if err != nil {
		return fmt.Errorf("what was kept of source %s: %w", s.name, err)
	}
	return d.cfg.Ledger.Drop(ctx, id)
}

// oldestKept returns since when the quarantine holds what a paused source sent;
// zero if nothing. That does not expire: nobody has looked at it.
func (d *Desk) oldestKept(ctx context.Context) (time.Time, error) {
	list, err := d.cfg.Ledger.Quarantine(ctx, "")
	for _, q := range list {
		if q.Reason == reasonPaused {
			return q.At, nil
		}
	}
	return time.Time{}, err
}
