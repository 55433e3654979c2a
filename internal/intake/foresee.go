package intake

import (
	"context"
	"errors"

	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
)

// Foreseen is a row of a file, and what it would come to.
type Foreseen struct {
	Where   string // "line 7"
	Ref     string
	People  string // the source whose employee it is
	Told    jml.Snapshot
	Problem string // why it can't be read; empty: it can
	Silent  bool   // it starts nobody: the start lies further back than intake.late_limit
}

// Foresee reads a file as StartAll would, and tells of every row that means
// somebody what its joiner would be told. It keeps nothing. Rows of whom nothing
// new is said are there as well; those that say the same as a row before are not.
func (d *Desk) Foresee(ctx context.Context, in CohortConfig) ([]Foreseen, error) {
	s, err := d.source(in.Source)
	if err != nil {
		return nil, err
	}
	f, err := s.fileOf(ctx, ImportConfig{Source: in.Source, File: in.File, Compiler: in.Compiler})
	if err != nil {
		return nil, err
	}
	now := d.cfg.Now()
	vars := mapping.Vars{Source: s.name, Settings: s.cfg.Settings}
	var out []Foreseen
	said := map[string][]byte{}
	read := 0
	err = f.Each(ctx, func(it feed.Item) error {
		read++
		if in.Beat != nil && read%beatEvery == 0 {
			in.Beat(read)
		}
		vars.Body, vars.Item = it.Body, it.Value
		rec := s.record(ctx, vars, nil, f.ModTime, now)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case rec.Err != nil:
			out = append(out, Foreseen{Where: it.Where, People: s.people, Problem: rec.Err.Error()})
			return nil
		case rec.PassedOver:
			return nil
		}
		digest := string(d.digest(rec.Snapshot))
		if before, twice := said[rec.Snapshot.EmployeeID]; twice && string(before) == digest {
			return nil
		}
		said[rec.Snapshot.EmployeeID] = []byte(digest)
		p, err := d.Preview(ctx, in.Source, rec.Snapshot)
		if err != nil {
			return err
		}
		told := p.Snapshot
		if p.Held && told.Hold == "" {
			told.Hold = jml.HoldContact
		}
		out = append(out, Foreseen{Where: it.Where, Ref: p.Ref, People: s.people, Told: told, Silent: p.Outcome == OutcomeSilent && p.Before == nil})
		return nil
	})
	if err == nil && read == 0 {
		err = errors.New("the file holds no rows")
	}
	return out, err
}
