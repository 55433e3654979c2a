package intake

import (
	"context"
	"errors"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
)

// identity says which of the known employees a snapshot is of.
type identity struct {
	ref string // names the journeys
	// twin says that HR names as the id from before that of another employee,
	// who has facts of his own: two people are never made one.
	twin bool
}

// identify finds the employee of a snapshot and waits for his turn. Where HR has
// given another id, that is written down first: whatever comes by either id goes
// to the same journeys.
//
// Crash: after the alias and before the snapshot is told, the snapshot comes
// again and finds the alias.
func (d *Desk) identify(ctx context.Context, s *Source, snap jml.Snapshot) (identity, func(), error) {
	own := d.cfg.Refs.Ref(s.people, snap.EmployeeID)
	unlock, err := d.lock(ctx, s.people, own)
	if err != nil {
		return identity{}, nil, err
	}
	ref, before, err := d.references(ctx, s, snap)
	if err == nil && ref == own && before == "" {
		return identity{ref: own}, unlock, nil
	}
	unlock()
	if err != nil {
		return identity{}, nil, err
	}
	if before == "" {
		unlock, err = d.lock(ctx, s.people, own, ref) // an alias stays what it is
		return identity{ref: ref}, unlock, err
	}
	if unlock, err = d.lock(ctx, s.people, own, before); err != nil {
		return identity{}, nil, err
	}
	who, err := d.rename(ctx, s, own, before)
	if err != nil {
		unlock()
		return identity{}, nil, err
	}
	return who, unlock, nil
}

// references returns the reference that names the journeys of a snapshot's
// employee and, unless that is settled, the one of the id that HR gives as that
// from before.
func (d *Desk) references(ctx context.Context, s *Source, snap jml.Snapshot) (ref, before string, err error) {
	own := d.cfg.Refs.Ref(s.people, snap.EmployeeID)
	if ref, err = d.canonical(ctx, s.people, own); err != nil || ref != own || snap.PreviousID == "" {
		return ref, "", err
	}
	if before, err = d.canonical(ctx, s.people, d.cfg.Refs.Ref(s.people, snap.PreviousID)); before == own {
		before = ""
	}
	return ref, before, err
}

// canonical returns the reference that names the journeys of ref's employee.
func (d *Desk) canonical(ctx context.Context, people, ref string) (string, error) {
	first, is, err := d.cfg.Ledger.Alias(ctx, people, ref)
	if err != nil || !is {
		return ref, err
	}
	return first, nil
}

// rename makes own an alias of before, if before is somebody and own is nobody
// yet.
func (d *Desk) rename(ctx context.Context, s *Source, own, before string) (identity, error) {
	e, found, err := d.cfg.Ledger.Employee(ctx, s.people, before)
	if err != nil || !found {
		return identity{ref: own}, err // HR names an id that nobody knows
	}
	_, twin, err := d.cfg.Ledger.Employee(ctx, s.people, own)
	if err != nil {
		return identity{}, err
	}
	if !twin {
		err = d.cfg.Ledger.PutAlias(ctx, s.people, own, before, d.cfg.Now())
		if !errors.Is(err, ledger.ErrConflict) { // another process was faster
			return identity{ref: before}, err
		}
	}
	k, err := known(e)
	if err != nil {
		return identity{}, err
	}
	// Of somebody who is gone, or has long started, no journey runs that could
	// be in the way.
	return identity{ref: own, twin: s.rulesFor(k.Told).Awaits(k.Told, d.cfg.Now())}, nil
}

// identities are the references of all employees of a source, for a reading.
type identities struct {
	desk    *Desk
	source  *Source
	known   map[string]ledger.Digest
	aliases map[string]string
	firsts  map[string]bool // references of those who have had another id
}

func (d *Desk) identities(ctx context.Context, s *Source, known map[string]ledger.Digest) (identities, error) {
	aliases, err := d.cfg.Ledger.Aliases(ctx, s.people)
	i := identities{d, s, known, aliases, map[string]bool{}}
	for _, first := range aliases {
		i.firsts[first] = true
	}
	return i, err
}

// of returns the reference of a snapshot's employee and whether it says anything
// of him, and has the snapshot speak of him by the id that HR uses now.
func (i identities) of(ctx context.Context, snap *jml.Snapshot) (ref string, current bool, err error) {
	ref = i.reference(snap.EmployeeID)
	if _, found := i.known[ref]; !found && snap.PreviousID != "" {
		if before := i.reference(snap.PreviousID); i.known[before].Ref != "" {
			ref = before
		}
	}
	if !i.firsts[ref] {
		return ref, true, nil
	}
	e, found, err := i.desk.cfg.Ledger.Employee(ctx, i.source.people, ref)
	if err != nil || !found {
		return ref, true, err
	}
	k, err := known(e)
	if err != nil {
		return ref, true, err
	}
	*snap, current = k.Identified(*snap)
	return ref, current, nil
}

func (i identities) reference(id string) string {
	own := i.desk.cfg.Refs.Ref(i.source.people, id)
	if first, is := i.aliases[own]; is {
		return first
	}
	return own
}
