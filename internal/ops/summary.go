package ops

import (
	"context"
	"sync"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/board"
)

// Summary is the head of the board.
type Summary struct {
	State   board.State
	Stages  map[jml.Stage]int       // journeys that run; of one with a pass, the stage of the pass
	Reasons map[jml.BlockReason]int // of those that are blocked
	Needs   int                     // nothing happens to them until somebody does something
	Live    int                     // passes that somebody may hold
	Lost    int                     // ended without an outcome
	Failed  int                     // in the last 24 hours, as Failed says
	Day     Starting                // who starts in the next 24 hours
	Week    Starting                // who starts in the next 7 days

	Feeds      int
	Silent     []string // sources that are silent, failing or braked
	Paused     []string
	Quarantine int // records
	Held       int // changes that wait for a decision
	Switch     Switch
	Gaps       []string // what could not be read, in sentences
}

// Starting counts joiners by whether they could sign in by their start.
type Starting struct {
	Total  int
	Ready  int // what is wanted is registered, or a pass or an invitation is out
	AtRisk int // blocked, or waiting for somebody
}

// headValid is how long what the ledger says of feeds is shown again: some
// queries for each source, and operators are many.
const headValid = 10 * time.Second

// head is what of the summary comes from the ledger.
type head struct {
	mu sync.Mutex
	at time.Time
	Summary
}

// Summary counts what the board and the feeds say.
func (s *Service) Summary(ctx context.Context) (Summary, error) {
	if _, err := s.need(ctx, "see the summary", "", seers()...); err != nil {
		return Summary{}, err
	}
	out := s.feedHead(ctx)
	// The kill switch is never shown as it was a moment ago.
	h, err := s.halt(ctx)
	if err != nil {
		out.Gaps = append(out.Gaps, "how the kill switch stands: the ledger can't be read")
	}
	out.Switch = h
	s.count(&out)
	return out, nil
}

func (s *Service) count(out *Summary) {
	now := s.cfg.Now()
	out.State = s.cfg.Board.State()
	out.Stages, out.Reasons = map[jml.Stage]int{}, map[jml.BlockReason]int{}
	s.cfg.Board.Each(board.Filter{Closed: true}, func(r *board.Row) bool {
		out.Day.add(r, now, 24*time.Hour)
		out.Week.add(r, now, 7*24*time.Hour)
		if r.Lost {
			out.Lost++
		}
		if Failed(r, now) {
			out.Failed++
		}
		if !r.Closed.IsZero() {
			return true
		}
		stage := r.Stage
		if stage == jml.StagePass && r.Pass != "" {
			stage = r.Pass
		}
		out.Stages[stage]++
		if r.Stage == jml.StageBlocked {
			out.Reasons[r.Reason]++
		}
		if r.NeedsAction {
			out.Needs++
		}
		if r.Live() {
			out.Live++
		}
		return true
	})
}

func (c *Starting) add(r *board.Row, now time.Time, within time.Duration) {
	if !starts(r, now, within) {
		return
	}
	c.Total++
	switch {
	case ready(r):
		c.Ready++
	case atRisk(r):
		c.AtRisk++
	}
}

// starts reports whether r is that of a joiner who is to start within the given
// time.
func starts(r *board.Row, now time.Time, within time.Duration) bool {
	return r.Kind == jml.KindJoiner && !r.Starts.Before(now) && r.Starts.Before(now.Add(within)) && expected(r)
}

func atRisk(r *board.Row) bool {
	return !ready(r) && (r.NeedsAction || r.Lost || r.Stage == jml.StageBlocked || r.Stage == jml.StageApproval || r.Stage.Closed())
}

// AtRisk reports whether r is one of those that Starting.AtRisk counts: of the
// joiners who start within the given time, one who may not be able to sign in by
// then unless somebody helps.
func AtRisk(r *board.Row, now time.Time, within time.Duration) bool {
	return starts(r, now, within) && atRisk(r)
}

// failedWithin is how far back Summary.Failed looks. It is no calendar day: those
// who come in the morning want to see what failed in the night, wherever they are.
const failedWithin = 24 * time.Hour

// Failed reports whether a journey has ended in the last 24 hours without what it
// was for: its time ran out, or its workflow ended without an outcome.
func Failed(r *board.Row, now time.Time) bool {
	return (r.Lost || r.Stage == jml.StageTimedOut) && !r.Closed.IsZero() && now.Sub(r.Closed) < failedWithin
}

// feedHead reads what the ledger says of feeds, at most every headValid.
func (s *Service) feedHead(ctx context.Context) Summary {
	h := &s.head
	h.mu.Lock()
	defer h.mu.Unlock()
	now := s.cfg.Now()
	if age := now.Sub(h.at); !h.at.IsZero() && age >= 0 && age < headValid {
		return h.copy()
	}
	// One reading for all who ask: that one of them leaves must not spoil it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryWithin)
	defer cancel()
	h.Summary = Summary{}
	feeds, err := s.feeds(ctx)
	if err != nil {
		h.Gaps = append(h.Gaps, "how the feeds do: the ledger can't be read")
	}
	h.Feeds = len(feeds)
	for _, f := range feeds {
		h.Quarantine += f.Waiting
		switch f.Health {
		case HealthPaused:
			h.Paused = append(h.Paused, f.Source)
		case HealthBraked, HealthFailing, HealthSilent:
			h.Silent = append(h.Silent, f.Source)
		}
	}
	if s.cfg.Desk != nil {
		held, err := s.cfg.Desk.HeldList(ctx)
		if err != nil {
			h.Gaps = append(h.Gaps, "which changes are held: the ledger can't be read")
		}
		h.Held = len(held)
	}
	h.at = now
	return h.copy()
}

func (h *head) copy() Summary {
	out := h.Summary
	out.Gaps = append([]string(nil), h.Gaps...)
	return out
}
