package intake

import (
	"context"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/ledger"
)

// Status is how a source does.
type Status struct {
	Source string            `json:"source"`
	Kind   config.SourceKind `json:"kind"`
	// LastSeen is when the HR system was last heard of, or last read with at
	// least one employee.
	LastSeen time.Time `json:"last_seen,omitzero"`
	LastGood time.Time `json:"last_good,omitzero"` // of a source that is read
	NextRead time.Time `json:"next_read,omitzero"`
	Fault    string    `json:"fault,omitempty"` // why the last read failed
	Braked   string    `json:"braked,omitempty"`
	// Paused is since when somebody has what it sends kept and not acted on, and
	// Kept how many records that are.
	Paused time.Time `json:"paused,omitzero"`
	Kept   int       `json:"kept,omitempty"`
	// Lag is how long HR's facts of the last 24 hours were under way on average,
	// in seconds.
	Lag float64 `json:"lag_seconds"`
	// Counts are those of the last 24 hours.
	Counts    map[string]int `json:"counts"`
	ErrorRate float64        `json:"error_rate"` // of what came in the last 24 hours, 0 to 1
	Known     int            `json:"known"`      // employees
	PreHires  int            `json:"pre_hires"`  // of them still to start
	Waiting   int            `json:"quarantined"`
	Silent    bool           `json:"silent"` // read without success for twice its interval
}

// Status tells how each source does.
func (d *Desk) Status(ctx context.Context) ([]Status, error) {
	out := []Status{}
	now := d.cfg.Now()
	for _, name := range d.Sources() {
		s := d.sources[name]
		f, err := d.cfg.Ledger.Feed(ctx, name)
		if err != nil {
			return nil, err
		}
		counts, err := d.cfg.Ledger.Counts(ctx, name, now.Add(-24*time.Hour))
		if err != nil {
			return nil, err
		}
		known, pre, err := d.cfg.Ledger.CountEmployees(ctx, s.people, now.UTC().Format(time.DateOnly))
		if err != nil {
			return nil, err
		}
		waiting, err := d.cfg.Ledger.Quarantine(ctx, name)
		if err != nil {
			return nil, err
		}
		st := status(s, f, counts, now, known, pre, len(waiting))
		for _, q := range waiting {
			if q.Reason == reasonPaused {
				st.Kept++
			}
		}
		pause, err := d.cfg.Ledger.Paused(ctx, name)
		if err != nil {
			return nil, err
		}
		if pause.On {
			st.Paused, st.Silent = pause.Since, false
		}
		out = append(out, st)
	}
	return out, nil
}

func status(s *Source, f ledger.FeedState, counts map[string]int, now time.Time, known, pre, waiting int) Status {
	out := Status{
		Source: s.name, Kind: s.cfg.Kind, LastSeen: f.LastSeen, LastGood: f.LastGood, Fault: f.LastFault,
		Known: known, PreHires: pre, Waiting: waiting, Counts: counts,
	}
	if !f.Braked.IsZero() {
		out.Braked = f.BrakeDetail
	}
	if n := counts[countTaken]; n > 0 {
		out.Lag = float64(counts[countLag]) / float64(n) / 1000
	}
	delete(counts, countLag)
	bad := counts[countQuarantined] + counts[countRefused] + counts[countFailed]
	if all := bad + counts[countTaken] + counts[countKnown] + counts[countDuplicate] + counts[countPassedOver]; all > 0 {
		out.ErrorRate = float64(bad) / float64(all)
	}
	if every := s.every(); every > 0 {
		if !f.LastTry.IsZero() {
			out.NextRead = f.LastTry.Add(every)
		}
		out.Silent = !f.LastGood.IsZero() && now.Sub(f.LastGood) > 2*every || f.LastGood.IsZero() && !f.LastTry.IsZero()
	}
	return out
}
