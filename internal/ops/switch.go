package ops

import (
	"context"
	"slices"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

// throw switches the kill switch.
//
// Crash: after the row and before the switch, the ledger names who wanted it and
// the switch stands as it was; whoever asked has no answer and asks again.
func (s *Service) throw(ctx context.Context, who access.Identity, a Action) (Done, error) {
	now, err := s.halt(ctx)
	on := a.Verb == VerbHalt
	switch {
	case err != nil:
		return Done{}, err
	case now.On && on:
		return Done{}, &Refusal{Kind: RefusedState, What: "the kill switch is on already, since " + stamp(now.Since)}
	case !now.On && !on:
		return Done{}, &Refusal{Kind: RefusedState, What: "the kill switch is off"}
	}
	event := audit.EventHaltOff
	if on {
		event = audit.EventHaltOn
	}
	if err := s.record(ctx, audit.Entry{Event: event, Actor: who.Name, Reason: a.Reason}); err != nil {
		return Done{}, err
	}
	if err := s.cfg.Ledger.SetHalt(ctx, ledger.Halt{On: on, Actor: who.Name, Reason: a.Reason, Since: s.cfg.Now()}); err != nil {
		s.cfg.Log.Error("the kill switch could not be set", "on", on)
		return Done{}, ledgerAway()
	}
	if on {
		return Done{What: "no new pass is made anywhere from now on; those that are out stay"}, nil
	}
	s.work.Go(func() { s.wake(s.life) })
	return Done{What: "passes are made again; whoever was stopped is told to go on now"}, nil
}

const (
	// wakeEvery is the pace at which journeys are woken: 200 a second is what a
	// small Temporal takes beside its other work.
	wakeEvery = 5 * time.Millisecond
	// wakeAgain is how long the board may be behind: whoever ran into the halt
	// just before it was lifted shows on it later.
	wakeAgain = 3 * time.Second
	wakeTimes = 10
)

// wake nudges every journey that the halt stopped.
//
// Crash: those that are left look again by themselves, later.
func (s *Service) wake(ctx context.Context) {
	woken := map[string]bool{}
	for range wakeTimes {
		if h, err := s.cfg.Ledger.Halt(ctx); err == nil && h.On {
			return // thrown again
		}
		for _, r := range s.cfg.Board.Rows(board.Filter{Reasons: []jml.BlockReason{jml.ReasonHalted}}) {
			if woken[r.WorkflowID] {
				continue
			}
			if s.signal(ctx, r.WorkflowID) == nil {
				woken[r.WorkflowID] = true
			}
			if pause(ctx, wakeEvery) != nil {
				return
			}
		}
		if pause(ctx, wakeAgain) != nil {
			return
		}
	}
	s.cfg.Log.Info("the halt was lifted", "woken", len(woken))
}

// source pauses a source, lets it go on, or releases its brake. What the brake
// lets through is written down by the desk.
func (s *Service) source(ctx context.Context, who access.Identity, a Action) (Done, error) {
	if s.cfg.Desk == nil {
		return Done{}, noDesk()
	}
	if !slices.Contains(s.cfg.Desk.Sources(), a.Object) {
		return Done{}, &Refusal{Kind: RefusedMissing, What: "there is no such source", Do: "the list of feeds has their names"}
	}
	if a.Verb == VerbRelease {
		detail, err := s.cfg.Desk.Release(ctx, a.Object, who.Name, a.Reason)
		if err != nil {
			return Done{}, s.deskFault(err)
		}
		return Done{What: "released: " + detail + "; the next read applies it"}, nil
	}
	pauses, err := s.cfg.Ledger.Pauses(ctx)
	if err != nil {
		return Done{}, s.unread("pauses", err)
	}
	on := a.Verb == VerbPause
	switch paused := slices.ContainsFunc(pauses, func(p ledger.Pause) bool { return p.Source == a.Object && p.On }); {
	case paused && on:
		return Done{}, &Refusal{Kind: RefusedState, What: "this source is paused already"}
	case !paused && !on:
		return Done{}, &Refusal{Kind: RefusedState, What: "this source is not paused"}
	}
	event, what := audit.EventSourceResumed, "what this source sent meanwhile, and sends from now on, is acted on"
	if on {
		event, what = audit.EventSourcePaused, "what this source sends is kept and not acted on"
	}
	if err := s.record(ctx, audit.Entry{Event: event, Actor: who.Name, Reason: a.Reason, Detail: "source " + a.Object}); err != nil {
		return Done{}, err
	}
	if err := s.cfg.Ledger.SetPause(ctx, ledger.Pause{Source: a.Object, On: on, Actor: who.Name, Reason: a.Reason, Since: s.cfg.Now()}); err != nil {
		s.cfg.Log.Error("a source could not be paused or resumed", "source", a.Object)
		return Done{}, ledgerAway()
	}
	return Done{What: what}, nil
}
