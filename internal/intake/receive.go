package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
)

// Received says what a request came to.
type Received struct {
	Accepted    int  `json:"accepted"`
	Quarantined int  `json:"quarantined"`
	PassedOver  int  `json:"passed_over,omitempty"`
	Duplicate   bool `json:"duplicate,omitempty"`
}

// Receive brings every record of a delivery to Temporal or to the quarantine. It
// returns an error if it may not have: then all of it has to come again.
//
// Crash: the quarantine comes first, then the joiners, then the delivery's id.
// Whatever is done twice changes nothing the second time.
func (d *Desk) Receive(ctx context.Context, s *Source, in Delivery) (Received, error) {
	vars, err := s.open(in)
	if err != nil {
		return d.quarantined(ctx, s, in, []Record{{Err: err}})
	}
	key := ""
	if s.dedupe != nil {
		if id, err := s.dedupe.Text(ctx, vars); err == nil && id != "" {
			key = d.cfg.Refs.derive("delivery", s.name, id)
		}
	}
	if key != "" {
		taken, err := d.cfg.Ledger.Delivered(ctx, s.name, key)
		if err != nil {
			return Received{}, err
		}
		if taken {
			d.counts.add(s.name, countDuplicate, 1)
			return Received{Duplicate: true}, nil
		}
	}
	off, err := d.paused(ctx, s)
	if err != nil {
		return Received{}, err
	}
	var out Received
	if off {
		out, err = Received{Quarantined: 1}, d.putOff(ctx, s, parcel{Delivery: &in})
	} else {
		out, err = d.deliver(ctx, s, vars, in)
	}
	if err != nil {
		return out, err
	}
	if key != "" {
		if err := d.cfg.Ledger.MarkDelivery(ctx, s.name, key, d.cfg.Now()); err != nil {
			return out, err
		}
	}
	return out, nil
}

// deliver brings the records of an opened delivery to where they belong.
func (d *Desk) deliver(ctx context.Context, s *Source, vars mapping.Vars, in Delivery) (Received, error) {
	records := s.records(ctx, vars, in, nil)
	if err := ctx.Err(); err != nil {
		return Received{}, err // or an expression that was cut off would count as bad
	}
	out, err := d.quarantined(ctx, s, in, records)
	if err != nil {
		return out, err
	}
	for i, r := range records {
		switch {
		case r.Err != nil:
		case r.PassedOver:
			out.PassedOver++
		case r.Fetch:
			err := d.notify(ctx, s, vars, in, i)
			if bad := (unaskable{}); errors.As(err, &bad) {
				out.Quarantined++
				err = d.keep(ctx, s, fmt.Sprintf("item %d: %s", i+1, bad), 1, parcel{Delivery: &in})
			} else if err == nil {
				out.Accepted++
			}
			if err != nil {
				return out, err
			}
		default:
			if _, err := d.take(ctx, s, r.Snapshot); err != nil {
				return out, err
			}
			out.Accepted++
		}
	}
	d.counts.add(s.name, countPassedOver, out.PassedOver)
	return out, nil
}

// take is Take, counted and logged.
func (d *Desk) take(ctx context.Context, s *Source, snap jml.Snapshot) (Taken, error) {
	got, err := d.Take(ctx, s, snap)
	if err != nil {
		return got, err
	}
	if got.Kind == OutcomeKnown || got.Kind == OutcomeOutdated {
		d.counts.add(s.name, countKnown, 1)
	} else {
		d.counts.add(s.name, countTaken, 1)
		d.counts.add(s.name, countLag, int(max(0, d.cfg.Now().Sub(snap.ObservedAt).Milliseconds())))
	}
	d.cfg.Logger.Info("intake", "source", s.name, "ref", got.Ref, "outcome", string(got.Kind), "facts", words(got.Facts), "why", got.Why)
	return got, nil
}

// maxReasons bounds how many bad items one record names.
const maxReasons = 20

// quarantined keeps a delivery of which some records can't be read: once, and
// whole, so that all of it can be read again.
func (d *Desk) quarantined(ctx context.Context, s *Source, in Delivery, records []Record) (Received, error) {
	var out Received
	var reasons []string
	for i, r := range records {
		if r.Err == nil {
			continue
		}
		out.Quarantined++
		reason := r.Err.Error()
		if len(records) > 1 {
			reason = fmt.Sprintf("item %d: %s", i+1, reason)
		}
		reasons = append(reasons, reason)
	}
	if out.Quarantined == 0 {
		return out, nil
	}
	if n := len(reasons); n > maxReasons {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("and %d more", n-maxReasons))
	}
	return out, d.keep(ctx, s, strings.Join(reasons, "; "), out.Quarantined, parcel{Delivery: &in})
}

func words[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return strings.Join(out, " ")
}
