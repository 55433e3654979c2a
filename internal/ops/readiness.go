package ops

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/board"
)

// Readiness counts, for one source, the starts that have passed since the
// service began to watch, by whether the person could sign in by then.
type Readiness struct {
	Source string
	Ready  uint64
	Late   uint64
}

// readiness is what was decided so far.
type readiness struct {
	mu      sync.Mutex
	counts  map[string]Readiness
	decided map[string]time.Time // start that was decided, by workflow ID
	looked  time.Time
}

const (
	lookEvery = 15 * time.Second
	// lookBack is how far a service that begins to watch looks back: a restart
	// must not lose the starts of its minutes.
	lookBack = time.Hour
	// lookAhead is how long after a start it is decided: visibility lags, and the
	// board reads every few seconds.
	lookAhead = 30 * time.Second
)

// Run watches whether people could sign in by their start, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	for {
		if s.cfg.Board.State().Fault == "" {
			s.watch(ctx)
		}
		if pause(ctx, lookEvery) != nil {
			return
		}
	}
}

// Readiness returns the counts, by source. They only grow while the service
// lives; a service that begins anew begins at zero, an hour back.
func (s *Service) Readiness() []Readiness {
	s.slo.mu.Lock()
	defer s.slo.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.slo.counts), func(a, b Readiness) int { return cmp.Compare(a.Source, b.Source) })
}

// watch decides on the starts that have passed since it last looked.
func (s *Service) watch(ctx context.Context) {
	w := &s.slo
	now := s.cfg.Now().Add(-lookAhead)
	w.mu.Lock()
	from := w.looked
	w.mu.Unlock()
	if from.IsZero() || from.Before(now.Add(-24*time.Hour)) {
		from = now.Add(-lookBack)
	}
	if !from.Before(now) {
		return // the clock was set back
	}
	// Somewhat further back, for starts that HR sets to a moment ago.
	rows := s.cfg.Board.Rows(board.Filter{Kinds: []jml.Kind{jml.KindJoiner}, Closed: true, From: from.Add(-lookBack), Until: now})
	for i := range rows {
		r := &rows[i]
		w.mu.Lock()
		done := w.decided[r.WorkflowID].Equal(r.Starts)
		w.mu.Unlock()
		if done || !expected(r) {
			continue
		}
		was, known := s.wasReady(ctx, r)
		if !known {
			continue // the ledger is away: at the next look
		}
		w.mu.Lock()
		if w.counts == nil {
			w.counts, w.decided = map[string]Readiness{}, map[string]time.Time{}
		}
		c := w.counts[r.Source]
		if c.Source = r.Source; was {
			c.Ready++
		} else {
			c.Late++
		}
		w.counts[r.Source], w.decided[r.WorkflowID] = c, r.Starts
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked = now
	maps.DeleteFunc(w.decided, func(_ string, start time.Time) bool { return start.Before(now.Add(-48 * time.Hour)) })
}

// expected reports whether the person is still expected to sign in: who was
// called off by HR or an operator is not.
func expected(r *board.Row) bool {
	return r.Stage != jml.StageCancelled && r.Stage != jml.StageRevoked
}

// ready reports whether the person could sign in now, as far as the board tells:
// what is wanted is registered, or a pass was handed over, or an invitation is
// out and has not failed. One that fails takes the journey out of its pass.
func ready(r *board.Row) bool {
	if r.Lost {
		return false
	}
	switch r.Stage {
	case jml.StageCompleted, jml.StageSkipped:
		return true
	case jml.StagePass:
	default:
		return false
	}
	switch r.Pass {
	case jml.StageInvited, jml.StageWaiting, jml.StageSettling:
		return true
	}
	return false
}

// wasReady tells whether the person could sign in at their start. Where the
// board's word is younger than that, the ledger is asked what came before.
func (s *Service) wasReady(ctx context.Context, r *board.Row) (was, known bool) {
	if !r.Changed.IsZero() && !r.Changed.After(r.Starts) {
		return ready(r), true
	}
	rows, err := s.cfg.Ledger.Rows(ctx, ledger.RowFilter{Ref: r.Ref, Until: r.Starts.Add(time.Millisecond), Newest: true, Limit: 50})
	if err != nil {
		return false, false
	}
	for _, row := range rows {
		switch row.Event {
		case audit.EventPassHandedOver:
			return true, true
		case audit.EventMessageSend:
			if isInvitation(row.Detail) {
				return true, true
			}
		case audit.EventJoinerClosed:
			return jml.Stage(row.Outcome).Reached(), true
		case audit.EventPassRevoke, audit.EventPassGone, audit.Event("message.failed"):
			return false, true
		}
	}
	return false, true
}
