package intake

import (
	"context"

	"firstpass.internal/internal/jml"
)

// StartOneConfig says whom an operator starts.
type StartOneConfig struct {
	Source   string
	Snapshot jml.Snapshot // valid
	Choice   jml.Choice   // the profile, which may be another than the rules choose
	Again    bool         // as in Errand
}

// StartOne starts a joiner for an operator, or tells the one that runs. What it
// says is written down like HR's word: a recovery, or a leaver, finds it later.
//
// Crash: as in Take, the joiner hears of it first; doing it again changes
// nothing there and writes it down.
func (d *Desk) StartOne(ctx context.Context, in StartOneConfig) (Taken, error) {
	s, err := d.source(in.Source)
	if err != nil {
		return Taken{}, err
	}
	who, unlock, err := d.identify(ctx, s, in.Snapshot)
	if err != nil {
		return Taken{}, err
	}
	defer unlock()
	e, found, err := d.cfg.Ledger.Employee(ctx, s.people, who.ref)
	if err != nil {
		return Taken{}, err
	}
	var old *jml.Known
	if found {
		if old, err = known(e); err != nil {
			return Taken{}, err
		}
	}
	c := jml.Consider(old, in.Snapshot, s.rulesFor(in.Snapshot), d.cfg.Now())
	told, err := d.cfg.Starter.Deliver(ctx, Errand{
		Kind: jml.KindJoiner, Source: s.people, Ref: who.ref, Snapshot: c.Known.Told, Choice: in.Choice, Again: in.Again,
	})
	if err != nil {
		return Taken{}, err
	}
	return d.note(ctx, entry{people: s.people, ref: who.ref, seenAt: d.cfg.Now()}, old, c, d.digest(in.Snapshot), told)
}
