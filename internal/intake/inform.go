package intake

import (
	"context"
	"time"

	"firstpass.internal/internal/jml"
)

// inform tells each journey of an employee what is news to it, and notes in
// c.Known what follows from the answers.
//
// Crash: whoever was told is told again when the snapshot comes again, which
// changes nothing the second time.
func (d *Desk) inform(ctx context.Context, s *Source, at entry, old *jml.Known, c *jml.Change) (Outcome, error) {
	out := Outcome{Kind: OutcomeSilent, Ref: at.ref}
	k := &c.Known
	e := Errand{Kind: jml.KindJoiner, Source: at.people, Ref: at.ref, Snapshot: k.Told}
	if old == nil {
		if !c.Tell {
			return out, nil
		}
		e.Choice = s.chosen(jml.KindJoiner, k.Told)
		return d.cfg.Starter.Introduce(ctx, e)
	}
	moved := k.Told.Moved(old.Told)
	later := moved && takesEffectLater(k.Told, d.cfg.Now())
	if c.Tell {
		position := k.Told
		if later {
			position = position.InPosition(old.Told)
		}
		e.Choice, e.Moved = s.chosen(jml.KindJoiner, position), moved && !later
		e.Back = old.Told.Status == jml.StatusLeft
		var err error
		if out, err = d.cfg.Starter.Deliver(ctx, e); err != nil {
			return out, err
		}
		if out.returned && k.Told.Status == jml.StatusScheduled {
			k.Returned, k.Told.Rehire = true, false
		}
	}
	has := c.Tell && !later && (out.Kind == OutcomeDelivered || out.Kind == OutcomeStarted)
	switch {
	case k.Told.Leaves(old.Told):
		return out, d.dismiss(ctx, at, k)
	case k.Told.Status != jml.StatusScheduled:
		return out, nil
	case moved && !has:
		return d.move(ctx, s, at, old, k, move{joiner: out, ask: !c.Tell && !later})
	case k.Moving && !k.Told.SameContent(old.Told):
		e.Kind, e.Moved = jml.KindMover, false
		got, err := d.cfg.Starter.Signal(ctx, e)
		k.Moving = got.Kind == OutcomeDelivered
		if !c.Tell {
			out = got
		}
		return out, err
	}
	return out, nil
}

// takesEffectLater reports whether the position of s lies ahead, beyond the
// start: what a joiner gets is for the position that the employee starts in.
func takesEffectLater(s jml.Snapshot, now time.Time) bool {
	if s.EffectiveDate.IsZero() || s.EffectiveDate.String() <= s.StartDate.String() {
		return false
	}
	s.StartDate, s.StartTime = s.EffectiveDate, nil
	at, err := s.Start(jml.Clock{})
	return err == nil && at.After(now)
}

// raised returns the profile of a mover for the position of now, and whether one
// has to begin: the position asks for more than what was asked of whoever joined
// in the one of old. Where only the tenant can tell, one begins and finds out.
func (s *Source) raised(old, now jml.Snapshot) (jml.Choice, bool) {
	need := s.chosen(jml.KindMover, now)
	if b := need.Block; b != nil {
		return need, b.Reason != jml.ReasonProfileMissing // the others are mistakes that somebody must see
	}
	before := s.chosen(jml.KindJoiner, old)
	return need, need.Open || before.Open || before.Block != nil || need.Profile.Requirement().Raises(before.Profile.Requirement())
}

// concerns reports whether journeys other than a joiner may have to hear of what
// is known now.
func (s *Source) concerns(old *jml.Known, k jml.Known) bool {
	if old == nil || k.Told.Status != jml.StatusScheduled {
		return false
	}
	if k.Moving && !k.Told.SameContent(old.Told) {
		return true
	}
	if !k.Told.Moved(old.Told) {
		return false
	}
	_, raised := s.raised(old.Told, k.Told)
	return raised
}

// move is what came of the joiner of somebody who has another position.
type move struct {
	joiner Outcome
	ask    bool // whether one runs: it was not told
}

// move brings another position to the mover that runs, to the joiner that still
// does, or begins a mover: there is one journey, and one pass.
func (d *Desk) move(ctx context.Context, s *Source, at entry, old, k *jml.Known, m move) (Outcome, error) {
	need, raised := s.raised(old.Told, k.Told)
	e := Errand{Kind: jml.KindMover, Source: at.people, Ref: at.ref, Snapshot: k.Told, Choice: need, Moved: true}
	if k.Moving {
		// Where no profile is for the new position, a pass that is out is let
		// finish; without one there is nothing left to do.
		out, err := d.cfg.Starter.Signal(ctx, e)
		if err != nil || out.Kind == OutcomeDelivered {
			return out, err
		}
		k.Moving = false
	}
	if !raised {
		if need.Block == nil {
			m.joiner.Why = "the position asks for no more than the one before"
		}
		return m.joiner, nil
	}
	if m.ask {
		joiner := e
		joiner.Kind, joiner.Choice = jml.KindJoiner, s.chosen(jml.KindJoiner, k.Told)
		out, err := d.cfg.Starter.Signal(ctx, joiner)
		if err != nil || out.Kind == OutcomeDelivered {
			return out, err
		}
	}
	out, err := d.cfg.Starter.Deliver(ctx, e)
	k.Moving = err == nil && out.Kind != OutcomeUnchanged
	return out, err
}

// dismiss has all journeys of somebody who is gone end but the joiner, which was
// told. It costs three requests, once for each who leaves.
func (d *Desk) dismiss(ctx context.Context, at entry, k *jml.Known) error {
	for _, kind := range []jml.Kind{jml.KindMover, jml.KindRecovery, jml.KindStaging} {
		if _, err := d.cfg.Starter.Signal(ctx, Errand{Kind: kind, Source: at.people, Ref: at.ref, Snapshot: k.Told}); err != nil {
			return err
		}
	}
	k.Moving = false
	return nil
}

// overtaking is how long after it was counted a journey that somebody asked for
// may still be beginning.
const overtaking = time.Hour

// overtaken looks again for journeys of somebody who is gone, once the ledger
// has it: another process may have begun one while dismiss found none. Whoever
// begins one reads the ledger afterwards; of the two, one sees the other.
func (d *Desk) overtaken(ctx context.Context, at entry, told jml.Snapshot) error {
	asked, err := d.cfg.Ledger.AskedSince(ctx, at.people, at.ref, "", d.cfg.Now().Add(-overtaking))
	if err != nil || len(asked) == 0 {
		return err
	}
	return d.dismiss(ctx, at, &jml.Known{Told: told})
}
