package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

// Board returns the journeys that f chooses, in the board's order, and how fresh
// they are.
func (s *Service) Board(ctx context.Context, f board.Filter) ([]board.Row, board.State, error) {
	if _, err := s.need(ctx, "see the board", "", seers()...); err != nil {
		return nil, board.State{}, err
	}
	state := s.cfg.Board.State()
	return s.cfg.Board.Rows(f), state, nil
}

// Wait returns once the board has another version than the given one, or when
// ctx ends: pages that update themselves ask for nothing meanwhile.
func (s *Service) Wait(ctx context.Context, version uint64) (uint64, error) {
	if _, err := s.need(ctx, "watch the board", "", seers()...); err != nil {
		return 0, err
	}
	return s.cfg.Board.Wait(ctx, version), nil
}

// Passes returns the journeys with a pass that somebody may hold, what ends
// first before the rest. Those whose end is not known come first.
func (s *Service) Passes(ctx context.Context) ([]board.Row, board.State, error) {
	if _, err := s.need(ctx, "see live passes", "", seers()...); err != nil {
		return nil, board.State{}, err
	}
	state := s.cfg.Board.State()
	rows := s.cfg.Board.Rows(board.Filter{Live: true})
	slices.SortStableFunc(rows, func(a, b board.Row) int { return a.Expires.Compare(b.Expires) })
	return rows, state, nil
}

// Health is how a source does, in a word.
type Health string

// The words.
const (
	HealthOK      Health = "ok"
	HealthWaiting Health = "waiting" // it has said nothing yet
	HealthPaused  Health = "paused"  // by an operator
	HealthBraked  Health = "braked"  // what it wants to change was too much at once
	HealthFailing Health = "failing"
	HealthSilent  Health = "silent" // not read with success for twice its interval
)

// Feed is how one source does.
type Feed struct {
	intake.Status
	Health Health
	Do     string        // the next step; empty: nothing
	Paused *ledger.Pause // nil: it is not
	// Refused counts the requests since RefusedSince, an hour ago and up to one
	// more, that did not prove that they came from the HR system.
	Refused      int
	RefusedSince time.Time
}

// Feeds tells how each source does.
func (s *Service) Feeds(ctx context.Context) ([]Feed, error) {
	if _, err := s.need(ctx, "see feeds", "", seers()...); err != nil {
		return nil, err
	}
	return s.feeds(ctx)
}

func (s *Service) feeds(ctx context.Context) ([]Feed, error) {
	if s.cfg.Desk == nil {
		return []Feed{}, nil
	}
	list, err := s.cfg.Desk.Status(ctx)
	if err != nil {
		return nil, s.unread("feeds", err)
	}
	pauses, err := s.cfg.Ledger.Pauses(ctx)
	if err != nil {
		return nil, s.unread("pauses", err)
	}
	out := make([]Feed, 0, len(list))
	for _, st := range list {
		// The ledger counts by the hour.
		f := Feed{Status: st, RefusedSince: s.cfg.Now().UTC().Add(-time.Hour).Truncate(time.Hour)}
		counts, err := s.cfg.Ledger.Counts(ctx, st.Source, f.RefusedSince)
		if err != nil {
			return nil, s.unread("counts", err)
		}
		f.Refused = counts["refused"]
		if i := slices.IndexFunc(pauses, func(p ledger.Pause) bool { return p.Source == st.Source && p.On }); i >= 0 {
			f.Paused = &pauses[i]
		}
		f.Health, f.Do = health(f)
		out = append(out, f)
	}
	return out, nil
}

func health(f Feed) (Health, string) {
	switch {
	case f.Paused != nil:
		return HealthPaused, "Unpause it when the reason for the pause is gone; what it sent meanwhile is kept."
	case f.Braked != "":
		return HealthBraked, "Look at the feed; if it is right, release the brake."
	case f.Fault != "" || f.Counts["failed"] > 0 && f.ErrorRate > 0.5:
		return HealthFailing, "Mend what its fault names; it is read again by itself."
	// A few among many are a stranger's, or an old secret's last words.
	case f.Refused > 0 && f.ErrorRate >= 0.5:
		return HealthFailing, fmt.Sprintf("%s refused since %s: nothing proves that they come from the HR system. Compare the secret and the signature settings (header, algorithm) there with those of this source.",
			plural(f.Refused, "request was", "requests were"), stamp(f.RefusedSince))
	case f.Silent:
		return HealthSilent, "Ask the HR system's operator; firstpass source run " + f.Source + " reads it now."
	case f.LastSeen.IsZero() && pulled(f.Kind):
		return HealthWaiting, "It has said nothing yet. Read it now: firstpass source run " + f.Source
	case f.LastSeen.IsZero():
		return HealthWaiting, "It has said nothing yet. Set it up in the HR system; firstpass source test " + f.Source + " FILE shows what a sample of it comes to."
	case f.Waiting > 0:
		return HealthOK, "Records lie in the quarantine: look at them, then replay or drop them."
	}
	return HealthOK, ""
}

// pulled sources are read by a schedule; the others send by themselves.
func pulled(k config.SourceKind) bool {
	return k == config.SourcePoll || k == config.SourceFile || k == config.SourceEntra
}

// Quarantine returns the records that could not be read, oldest first. What HR
// sent is not among it.
func (s *Service) Quarantine(ctx context.Context) ([]intake.Quarantined, error) {
	if _, err := s.need(ctx, "see the quarantine", "", seers()...); err != nil {
		return nil, err
	}
	if s.cfg.Desk == nil {
		return []intake.Quarantined{}, nil
	}
	list, err := s.cfg.Desk.QuarantineList(ctx, "")
	if err != nil {
		return nil, s.unread("quarantine", err)
	}
	return list, nil
}

// Held returns the changes that wait for somebody's decision, oldest first.
func (s *Service) Held(ctx context.Context) ([]intake.Held, error) {
	if _, err := s.need(ctx, "see held changes", "", seers()...); err != nil {
		return nil, err
	}
	if s.cfg.Desk == nil {
		return []intake.Held{}, nil
	}
	list, err := s.cfg.Desk.HeldList(ctx)
	if err != nil {
		return nil, s.unread("held changes", err)
	}
	return list, nil
}

// maxRows bounds one answer of the ledger.
const maxRows = 1000

// Ledger returns rows of the ledger, at most maxRows: an auditor any, others
// those of one reference.
func (s *Service) Ledger(ctx context.Context, f ledger.RowFilter) ([]audit.Row, error) {
	roles := []access.Role{access.Auditor}
	if f.Ref != "" {
		roles = seers()
	}
	if _, err := s.need(ctx, "read the ledger", "", roles...); err != nil {
		return nil, err
	}
	if f.Limit <= 0 || f.Limit > maxRows {
		f.Limit = maxRows
	}
	rows, err := s.cfg.Ledger.Rows(ctx, f)
	if err != nil {
		return nil, s.unread("rows", err)
	}
	return rows, nil
}

// Switch tells how the kill switch stands.
func (s *Service) Switch(ctx context.Context) (Switch, error) {
	if _, err := s.need(ctx, "see the kill switch", "", append(seers(), access.Desk)...); err != nil {
		return Switch{}, err
	}
	return s.halt(ctx)
}

func (s *Service) halt(ctx context.Context) (Switch, error) {
	h, err := s.cfg.Ledger.Halt(ctx)
	if err != nil {
		return Switch{}, s.unread("kill switch", err)
	}
	return Switch(h), nil
}

// unread logs why the ledger could not be read; who asked is told that it could
// not.
func (s *Service) unread(what string, err error) error {
	if !errors.Is(err, context.Canceled) {
		s.cfg.Log.Error("the ledger could not be read", "what", what, "error", err)
	}
	return ledgerAway()
}
