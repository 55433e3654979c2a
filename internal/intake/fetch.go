package intake

import (
	"context"
	"fmt"
	"slices"

	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/workflows"
)

// Notice is an item that only says whom to ask for.
type Notice = workflows.Notice

// at opens a delivery again and goes to one of its items.
func (r *Reader) at(ctx context.Context, d Delivery, item int) (mapping.Vars, error) {
	vars, err := r.open(d)
	if err != nil {
		return vars, err
	}
	items, err := r.items(ctx, vars)
	if err != nil {
		return vars, err
	}
	if item < 0 || item >= len(items) {
		return vars, fmt.Errorf("there is no item %d any more; was split changed?", item+1)
	}
	vars.Item = items[item]
	return vars, nil
}

// unaskable says that an item does not tell where to ask. Nothing was asked, so
// it is the record that is bad.
type unaskable struct{ error }

func cantAsk(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // or an expression that was cut off would count as bad
	}
	return unaskable{fmt.Errorf("fetch.request.%s: %w", key, err)}
}

// notify has Temporal ask the HR system for an item of a delivery. Notices that
// would be answered alike meet in one workflow. It returns unaskable if the item
// has to be kept.
func (d *Desk) notify(ctx context.Context, s *Source, vars mapping.Vars, in Delivery, item int) error {
	items, err := s.items(ctx, vars)
	if err != nil {
		return err
	}
	vars.Item = items[item]
	url, err := s.fetch.URL(ctx, vars)
	if err != nil {
		return cantAsk(ctx, "url", err)
	}
	body := ""
	if s.fetchBody != nil {
		// Where the body says whom to ask for, the address is the same for all.
		if body, err = s.fetchBody.Text(ctx, vars); err != nil {
			return cantAsk(ctx, "body", err)
		}
	}
	return d.cfg.Notices.Notify(ctx, s.name, d.cfg.Refs.derive("fetch", s.name, url, body), Notice{
		Header: in.Header, ContentType: in.ContentType, Body: in.Body, Item: item, ReceivedAt: in.ReceivedAt,
	})
}

// FetchEmployee asks an HR system for what a webhook left out and takes the
// answer. It implements activities.Intake.
func (d *Desk) FetchEmployee(ctx context.Context, in workflows.FetchInput) (workflows.FetchResult, error) {
	s, err := d.source(in.Source)
	if err != nil {
		return workflows.FetchResult{}, err
	}
	n := in.Notice
	if n == nil || s.fetch == nil {
		return workflows.FetchResult{Outcome: "nothing to fetch"}, nil
	}
	if off, err := d.paused(ctx, s); err != nil {
		return workflows.FetchResult{}, err
	} else if off {
		return workflows.FetchResult{Outcome: reasonPaused}, d.putOff(ctx, s, parcel{Notice: n})
	}
	now := d.cfg.Now() // what comes back was so at this time or later
	delivery := Delivery{Header: n.Header, ContentType: n.ContentType, Body: n.Body, ReceivedAt: n.ReceivedAt}
	vars, err := s.at(ctx, delivery, n.Item)
	if err != nil {
		return d.unreadable(ctx, s, err.Error(), parcel{Notice: n})
	}
	reply, err := s.fetch.Call(ctx, vars)
	if feed.Absent(err) {
		return d.unreadable(ctx, s, "the HR system does not know the employee it sent a notice of", parcel{Notice: n})
	}
	if err != nil {
		d.counts.add(s.name, countFailed, 1)
		return workflows.FetchResult{}, err
	}
	if reply.Tree == nil {
		return d.unreadable(ctx, s, "the HR system answered with nothing", parcel{Notice: n})
	}
	r := s.record(ctx, vars, reply.Tree, now, d.cfg.Now())
	switch {
	case ctx.Err() != nil:
		return workflows.FetchResult{}, ctx.Err() // or an expression that was cut off would count as bad
	case r.Err != nil:
		raw, err := marshalTree(reply.Tree)
		if err != nil {
			return workflows.FetchResult{}, err
		}
		return d.unreadable(ctx, s, r.Err.Error(), parcel{Fetch: &fetched{delivery, n.Item, raw, now}})
	case r.PassedOver:
		return workflows.FetchResult{Outcome: "passed over"}, nil
	}
	if _, err := d.take(ctx, s, r.Snapshot); err != nil {
		return workflows.FetchResult{}, err
	}
	return workflows.FetchResult{Outcome: "taken"}, nil
}

func (d *Desk) unreadable(ctx context.Context, s *Source, reason string, p parcel) (workflows.FetchResult, error) {
	if err := d.keep(ctx, s, reason, 1, p); err != nil {
		return workflows.FetchResult{}, err
	}
	return workflows.FetchResult{Outcome: "quarantined"}, nil
}

// Sources lists the sources the desk has, by name.
func (d *Desk) Sources() []string {
	out := make([]string, 0, len(d.sources))
	for name := range d.sources {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
