package intake

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
)

// CohortConfig says whom to start.
type CohortConfig struct {
	Source   string
	File     string // as in ImportConfig
	Compiler *mapping.Compiler
	Beat     func(read int)  // while the file is read; may be nil
	Row      func(CohortRow) // what came of each row; may be nil. Never two at a time
}

// CohortRow says what came of one row of a cohort. Nothing in it is personal.
type CohortRow struct {
	Where   string      `json:"where"` // "line 7"
	Ref     string      `json:"ref,omitempty"`
	Outcome OutcomeKind `json:"outcome,omitempty"`
	Refused string      `json:"refused,omitempty"` // why nothing was started
	Held    bool        `json:"held,omitempty"`
	Done    int         `json:"-"` // rows that are through, this one included
	Total   int         `json:"-"` // rows to go through; those that are known already are not among them
}

// Cohort counts what came of all rows.
type Cohort struct {
	Read       int `json:"read"`
	Told       int `json:"told"`  // joiners that were started or told something new
	Known      int `json:"known"` // said nothing new: of a cohort that is started again, who was before
	PassedOver int `json:"passed_over,omitempty"`
	Refused    int `json:"refused"`
	Held       int `json:"held,omitempty"`
}

// ErrBraked answers for a cohort that would change too many employees who are
// known already.
var ErrBraked = errors.New("stopped by the brake")

// StartAll starts the joiners of everybody in a file, some at a time. It is
// Import for operators: a row that can't be started is refused alone, and told;
// nothing goes to the quarantine; and nobody is begun for whom no profile is.
//
// Crash: as of a feed, what was told is written down row by row. Doing it again
// does the rest.
func (d *Desk) StartAll(ctx context.Context, in CohortConfig) (Cohort, error) {
	s, err := d.source(in.Source)
	if err != nil {
		return Cohort{}, err
	}
	f, err := s.fileOf(ctx, ImportConfig{Source: in.Source, File: in.File, Compiler: in.Compiler})
	if err != nil {
		return Cohort{}, err
	}
	r := reading{name: filepath.Base(in.File), observedAt: f.ModTime, lastGood: f.ModTime, each: f.Each, beat: in.Beat}
	p, err := d.plan(ctx, s, r)
	if err != nil {
		return Cohort{}, err
	}
	if p.result.Braked != "" {
		return Cohort{Read: p.result.Read}, fmt.Errorf("%w: %s", ErrBraked, p.result.Braked)
	}
	out := Cohort{Read: p.result.Read, Known: p.result.Unchanged + p.result.Outdated, PassedOver: p.result.PassedOver}
	total, done := len(p.bad)+len(p.changes), 0
	tell := func(row CohortRow) {
		done++
		row.Done, row.Total = done, total
		if row.Refused != "" {
			out.Refused++
		}
		if in.Row != nil {
			in.Row(row)
		}
	}
	for _, b := range p.bad {
		tell(CohortRow{Where: b.where, Refused: b.why})
	}
	if err := d.touch(ctx, s, r, p); err != nil {
		return out, err
	}
	var list []change
	for _, c := range p.changes {
		if why := s.unstartable(c); why != "" {
			tell(CohortRow{Where: c.where, Ref: c.ref, Refused: why})
			continue
		}
		list = append(list, c)
	}
	r.told = func(c change, got Taken) {
		if got.Kind == OutcomeKnown || got.Kind == OutcomeOutdated {
			out.Known++ // somebody else was faster
		}
		tell(CohortRow{Where: c.where, Ref: got.Ref, Outcome: got.Kind, Held: got.Held})
	}
	err = d.tellAll(ctx, s, r, p, list)
	out.Told, out.Held = p.result.Delivered, p.result.Held
	return out, err
}

// unstartable returns why a row of a cohort starts nobody.
func (s *Source) unstartable(c change) string {
	if c.next.Told.Status != jml.StatusScheduled {
		return ""
	}
	if b := s.chosen(jml.KindJoiner, c.next.Told).Block; b != nil {
		return b.String()
	}
	if !c.tells {
		return "the start lies further back than intake.late_limit"
	}
	return ""
}
