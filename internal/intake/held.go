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

// Held is a change that waits for somebody's decision: of a contact, or which of
// two sources is right.
type Held struct {
	Kind   jml.Hold  `json:"kind"`
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
		if decidable(h.Kind) {
			out = append(out, Held{jml.Hold(h.Kind), h.Source, h.Ref, h.Since})
		}
	}
	slices.SortFunc(out, func(a, b Held) int { return a.Since.Compare(b.Since) })
	return out, nil
}

func decidable(kind string) bool {
	return kind == string(jml.HoldContact) || kind == string(jml.HoldContradiction)
}

// ErrNotHeld answers for an employee of whom nothing waits.
var ErrNotHeld = errors.New("no held change under this reference")

// HeldContact returns what is in force and what waits: personal data.
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
		if !decidable(h.Kind) {
			continue
		}
		e, found, err := d.cfg.Ledger.Employee(ctx, h.Source, h.Ref)
		if err != nil {
			return Held{}, e, err
		}
		if found {
			return Held{jml.Hold(h.Kind), h.Source, h.Ref, h.Since}, e, nil
		}
	}
	return Held{}, ledger.Employee{}, ErrNotHeld
}

// Decide approves what is held of an employee or refuses it, and tells the
// joiner, which goes on. It is written to the audit first. Of a contradiction,
// approving takes what was said last for true, and refusing what was in force.
// Where two changes are held, each takes a decision of its own, the older first.
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
	if !slices.Contains(waits(old), h.Kind) {
		// HR took it back meanwhile, or a crash came between the two writes.
		return Taken{}, errors.Join(ErrNotHeld, d.unlist(ctx, h.Source, h.Ref, h.Kind))
	}
	var (
		event audit.Event
		next  jml.Known
	)
	switch {
	case h.Kind == jml.HoldContradiction && approve:
		event, next = audit.EventFactsApproved, old.Settle(true)
	case h.Kind == jml.HoldContradiction:
		event, next = audit.EventFactsRejected, old.Settle(false)
	case approve:
		event, next = audit.EventContactApproved, old.Approve()
	default:
		event, next = audit.EventContactRejected, old.Reject()
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
