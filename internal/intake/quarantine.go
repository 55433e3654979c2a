package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/ledger"
)

// parcel is what the quarantine keeps of what could not be read, sealed: one of
// its fields.
type parcel struct {
	Delivery *Delivery `json:"delivery,omitempty"`
	Notice   *Notice   `json:"notice,omitempty"` // whose answer is missing
	Row      *row      `json:"row,omitempty"`
	Fetch    *fetched  `json:"fetch,omitempty"`
}

// row is an item of a feed.
type row struct {
	Where      string          `json:"where"`
	Item       json.RawMessage `json:"item"`
	ObservedAt time.Time       `json:"observed_at"`
	Deleted    bool            `json:"deleted,omitempty"` // SCIM: the resource is gone
}

// fetched is an HR system's answer about an employee.
type fetched struct {
	Delivery   Delivery        `json:"delivery"`
	Item       int             `json:"item"`
	Answer     json.RawMessage `json:"answer"`
	ObservedAt time.Time       `json:"observed_at"`
}

// keep puts a parcel into the quarantine and returns once it is there. Its id
// follows from what is in it, so that what HR repeats is kept once.
func (d *Desk) keep(ctx context.Context, s *Source, reason string, records int, p parcel) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("intake: quarantine: %w", err)
	}
	content := string(p.content())
	switch {
	case reason != reasonPaused:
	case p.Delivery != nil:
		// What says the same may have said something else in between.
		content = fmt.Sprintf("paused %d %s", p.Delivery.ReceivedAt.UnixNano(), content)
	case p.Row != nil:
		content = fmt.Sprintf("paused %d %s", p.Row.ObservedAt.UnixNano(), content)
	}
	if n := p.Notice; n != nil {
		// Each asking is a record of its own: one that is asked anew may fail
		// again before its old record is dropped.
		content = fmt.Sprintf("%d %d %s", n.ReceivedAt.UnixNano(), n.Item, n.Body)
	}
	id := d.cfg.Refs.derive("quarantine", s.name, content)
	err = d.cfg.Ledger.Keep(ctx, ledger.Quarantined{ID: id, Source: s.name, Reason: reason, At: d.cfg.Now(), Size: len(raw)}, raw)
	if err != nil {
		return err
	}
	d.counts.add(s.name, countQuarantined, records)
	d.cfg.Logger.Warn("intake quarantined a record", "source", s.name, "id", id, "why", reason)
	return nil
}

// content is what an operator gets to see, and what of most parcels stays the
// same when HR repeats it.
func (p parcel) content() []byte {
	switch {
	case p.Delivery != nil:
		return p.Delivery.Body
	case p.Notice != nil:
		return p.Notice.Body
	case p.Row != nil:
		return p.Row.Item
	case p.Fetch != nil:
		return p.Fetch.Answer
	}
	return nil
}

// Quarantined is the open part of a record: Reason names fields, never values.
type Quarantined = ledger.Quarantined

// ErrNotQuarantined answers for an id that the quarantine does not hold.
var ErrNotQuarantined = errors.New("no such record in the quarantine")

// QuarantineList returns the records of a source, of all if it is empty, oldest
// first.
func (d *Desk) QuarantineList(ctx context.Context, source string) ([]Quarantined, error) {
	return d.cfg.Ledger.Quarantine(ctx, source)
}

// QuarantineShow returns a record and what HR sent: personal data.
func (d *Desk) QuarantineShow(ctx context.Context, id string) (Quarantined, []byte, error) {
	q, p, err := d.parcel(ctx, id)
	return q, p.content(), err
}

func (d *Desk) parcel(ctx context.Context, id string) (Quarantined, parcel, error) {
	q, raw, err := d.cfg.Ledger.QuarantinedBody(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return q, parcel{}, ErrNotQuarantined
	}
	if err != nil {
		return q, parcel{}, err
	}
	var p parcel
	if err := json.Unmarshal(raw, &p); err != nil {
		return q, p, fmt.Errorf("intake: record %s of the quarantine can't be read", id)
	}
	return q, p, nil
}

// QuarantineDrop forgets a record for good. It is written to the audit first.
func (d *Desk) QuarantineDrop(ctx context.Context, id, actor, reason string) error {
	q, _, err := d.parcel(ctx, id)
	if err != nil {
		return err
	}
	err = d.cfg.Audit.Append(ctx, audit.Entry{Time: d.cfg.Now(), Event: audit.EventQuarantineDropped, Ref: id, Actor: actor, Reason: reason, Detail: "source " + q.Source})
	if err != nil {
		return err
	}
	return d.cfg.Ledger.Drop(ctx, id)
}

// Replayed says what a record came to that was read again.
type Replayed struct {
	ID      string   `json:"id"`
	Source  string   `json:"source"`
	Taken   []Taken  `json:"taken"`
	Fetched int      `json:"fetched,omitempty"` // employees the HR system is asked for
	Still   []string `json:"still,omitempty"`   // reasons why it stays in the quarantine
}

// QuarantineReplay reads a record again, as the source is configured now, and
// drops it once all of it has been taken. HR's own time of it still counts: what
// it said since wins.
//
// Crash: what was delivered before it is delivered again by the next replay and
// changes nothing.
func (d *Desk) QuarantineReplay(ctx context.Context, id string) (Replayed, error) {
	q, p, err := d.parcel(ctx, id)
	if err != nil {
		return Replayed{}, err
	}
	out := Replayed{ID: id, Source: q.Source, Taken: []Taken{}}
	s, err := d.source(q.Source)
	if err != nil {
		return out, err
	}
	records, vars, in := d.reread(ctx, s, p)
	for i, r := range records {
		switch {
		case r.Err != nil:
			out.Still = append(out.Still, fmt.Sprintf("item %d: %s", i+1, r.Err))
		case r.PassedOver:
		case r.Fetch:
			err := d.notify(ctx, s, vars, in, i)
			if bad := (unaskable{}); errors.As(err, &bad) {
				out.Still = append(out.Still, fmt.Sprintf("item %d: %s", i+1, bad))
				continue
			}
			if err != nil {
				return out, err
			}
			out.Fetched++
		default:
			t, err := d.Take(ctx, s, r.Snapshot)
			if err != nil {
				return out, err
			}
			out.Taken = append(out.Taken, t)
		}
	}
	if len(out.Still) > 0 {
		return out, nil
	}
	return out, d.cfg.Ledger.Drop(ctx, id)
}

func (d *Desk) reread(ctx context.Context, s *Source, p parcel) ([]Record, mapping.Vars, Delivery) {
	bad := func(err error) []Record { return []Record{{Err: err}} }
	now := d.cfg.Now()
	switch {
	case p.Row != nil:
		item, err := decoded(p.Row.Item)
		if err != nil {
			return bad(err), mapping.Vars{}, Delivery{}
		}
		vars := mapping.Vars{Source: s.name, Settings: s.cfg.Settings, Item: item}
		if s.cfg.Kind == config.SourceSCIM {
			vars.Body = item // as it was when the resource came
		}
		return []Record{s.record(ctx, vars, nil, p.Row.ObservedAt, now)}, vars, Delivery{}
	case p.Notice != nil:
		n := p.Notice
		in := Delivery{Header: n.Header, ContentType: n.ContentType, Body: n.Body, ReceivedAt: now}
		vars, err := s.open(in)
		if err != nil {
			return bad(err), vars, in
		}
		list := s.records(ctx, vars, in, nil)
		for i := range list {
			if i != n.Item && len(list) > n.Item {
				list[i] = Record{PassedOver: true} // taken when it came
			}
		}
		return list, vars, in
	case p.Fetch != nil:
		vars, err := s.at(ctx, p.Fetch.Delivery, p.Fetch.Item)
		if err != nil {
			return bad(err), vars, Delivery{}
		}
		answer, err := decoded(p.Fetch.Answer)
		if err != nil {
			return bad(err), vars, Delivery{}
		}
		return []Record{s.record(ctx, vars, answer, p.Fetch.ObservedAt, now)}, vars, p.Fetch.Delivery
	case p.Delivery != nil:
		vars, err := s.open(*p.Delivery)
		if err != nil {
			return bad(err), vars, *p.Delivery
		}
		return s.records(ctx, vars, *p.Delivery, nil), vars, *p.Delivery
	}
	return bad(errors.New("the record is empty")), mapping.Vars{}, Delivery{}
}

// marshalTree keeps a tree.
func marshalTree(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	return raw, nil
}

// decoded is a tree as it was before it was kept: ids are not rounded.
func decoded(raw json.RawMessage) (any, error) {
	return tree.Decode("application/json", raw, tree.DefaultLimits())
}
