package intake

import (
	"context"
	"errors"
	"slices"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
)

// Held is a change of contact that waits for approval.
type Held struct {
	Source string    `json:"source"`
	Ref    string    `json:"ref"`
	Since  time.Time `json:"since"`
}

// HeldList returns what waits, oldest first.
func (d *Desk) HeldList(ctx context.Context) ([]Held, error) {
	list, err := d.cfg.Ledger.HeldList(ctx, "")
	if err != nil {
		return nil, err
	}
	out := make([]Held, 0, len(list))
	for _, h := range list {
		if h.Kind == string(jml.HoldContact) {
			out = append(out, Held{h.Source, h.Ref, h.Since})
		}
	}
	slices.SortFunc(out, func(a, b Held) int { return a.Since.Compare(b.Since) })
	return out, nil
}

// ErrNotHeld answers for an employee whose contact does not wait.
var ErrNotHeld = errors.New("no held change under this reference")

// HeldContact returns the contact that is in force and the one that waits:
// personal data.
func (d *Desk) HeldContact(ctx context.Context, ref string) (h Held, now, waiting jml.Snapshot, err error) {
	h, e, err := d.held(ctx, ref)
	if err != nil {
		return h, now, waiting, err
	}
	k, err := known(e)
	if err != nil {
		return h, now, waiting, err
	}
	return h, k.Told, k.Said, nil
}

func (d *Desk) held(ctx context.Context, ref string) (Held, ledger.Employee, error) {
	list, err := d.cfg.Ledger.HeldByRef(ctx, ref)
	if err != nil {
		return Held{}, ledger.Employee{}, err
	}
	for _, h := range list {
		if h.Kind != string(jml.HoldContact) {
			continue
		}
		e, found, err := d.cfg.Ledger.Employee(ctx, h.Source, h.Ref)
		if err != nil {
			return Held{}, e, err
		}
		if found {
			return Held{h.Source, h.Ref, h.Since}, e, nil
		}
	}
	return Held{}, ledger.Employee{}, ErrNotHeld
}

// Decide approves the held contact of an employee or refuses it, and tells the
// joiner, which goes on. It is written to the audit first.
//
// Crash: after the line and before the joiner hears, the change still waits and
// the operator decides again; the audit has two lines.
func (d *Desk) Decide(ctx context.Context, ref, actor, reason string, approve bool) (Taken, error) {
	h, _, err := d.held(ctx, ref)
	if err != nil {
		return Taken{}, err
	}
	s, err := d.source(h.Source)
	if err != nil {
		return Taken{}, err
	}
	unlock, err := d.lock(ctx, h.Source, h.Ref)
	if err != nil {
		return Taken{}, err
	}
	defer unlock()
	e, found, err := d.cfg.Ledger.Employee(ctx, h.Source, h.Ref)
	if err != nil {
		return Taken{}, err
	}
	if !found {
		return Taken{}, ErrNotHeld
	}
	old, err := known(e)
	if err != nil {
		return Taken{}, err
	}
	if !old.Held {
		// HR took it back meanwhile, or a crash came between the two writes.
		return Taken{}, errors.Join(ErrNotHeld, d.unlist(ctx, h.Source, h.Ref))
	}
	event, next := audit.EventContactRejected, old.Reject()
	if approve {
		event, next = audit.EventContactApproved, old.Approve()
	}
	err = d.cfg.Audit.Append(ctx, audit.Entry{Time: d.cfg.Now(), Event: event, Ref: ref, Actor: actor, Reason: reason})
	if err != nil {
		return Taken{}, err
	}
	if e.Missing > 0 {
		// Who is right about the address says nothing of whether HR still has the
		// employee.
		next.Told.Hold, next.Told.Status = old.Told.Hold, old.Told.Status
	}
	return d.apply(ctx, s, entry{h.Source, h.Ref, e.ObservedAt, e.SeenAt, e.Missing}, old, jml.Change{Known: next, Tell: true}, e.Digest)
}
