package intake

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// ImportConfig says what to read once, by hand.
type ImportConfig struct {
	Source   string
	File     string // .json, else CSV, unless the source reads files and says so itself
	Full     bool   // the file holds everybody
	DryRun   bool   // tell and keep nothing
	Compiler *mapping.Compiler
	Beat     func(read int) // progress; may be nil
}

// Planned is an employee of whom an import says something new, or whom it lacks.
type Planned struct {
	Where string     `json:"where"`
	Ref   string     `json:"ref"`
	Facts []jml.Fact `json:"facts"`
	Tells bool       `json:"tells"` // a joiner
}

// Imported says what an import came to, or would come to.
type Imported struct {
	workflows.FeedResult
	Changes []Planned `json:"changes"`
	Bad     []string  `json:"bad,omitempty"` // items that can't be read, and why
}

// Import reads a file as the source's own would be read. It is bound by the
// source's brake.
func (d *Desk) Import(ctx context.Context, in ImportConfig) (Imported, error) {
	s, err := d.source(in.Source)
	if err != nil {
		return Imported{}, err
	}
	f, err := s.fileOf(ctx, in)
	if err != nil {
		return Imported{}, err
	}
	r := reading{
		name: filepath.Base(in.File), full: in.Full, strict: s.cfg.File.BadRow != config.BadRowQuarantine,
		observedAt: f.ModTime, lastGood: f.ModTime, each: f.Each, beat: in.Beat,
	}
	p, err := d.plan(ctx, s, r)
	if err != nil {
		return Imported{}, err
	}
	out := Imported{FeedResult: p.result, Changes: []Planned{}}
	for _, c := range p.changes {
		out.Changes = append(out.Changes, Planned{c.where, c.ref, c.facts, c.tells})
	}
	for _, b := range p.bad {
		out.Bad = append(out.Bad, b.where+": "+b.why)
	}
	if in.DryRun || len(p.result.Refused) > 0 {
		return out, nil
	}
	if p.result.Braked != "" {
		return out, d.cfg.Ledger.UpdateFeed(ctx, s.name, func(f *ledger.FeedState) { d.noteBrake(f, p.result) })
	}
	err = d.carryOut(ctx, s, r, p)
	out.FeedResult = p.result
	return out, err
}

// fileOf makes a folder of one file.
func (s *Source) fileOf(ctx context.Context, in ImportConfig) (feed.File, error) {
	path, err := filepath.Abs(in.File)
	if err != nil {
		return feed.File{}, err
	}
	c := s.cfg.File
	if s.cfg.Kind != config.SourceFile {
		c = config.File{Format: config.FileCSV, Delimiter: "auto", Encoding: "utf-8"}
		if strings.EqualFold(filepath.Ext(path), ".json") {
			c = config.File{Format: config.FileJSON}
		}
	}
	c.SFTP, c.After, c.Archive, c.MaxSize = config.SFTP{}, config.AfterKeep, "", max(c.MaxSize, 256<<20)
	c.Directory, c.Pattern = filepath.Dir(path), escaped(filepath.Base(path))
	files, err := feed.NewFiles("source "+s.name, s.name, s.cfg.Settings, c, s.cfg.Split, in.Compiler)
	if err != nil {
		return feed.File{}, err
	}
	list, err := files.List(ctx)
	if err != nil {
		return feed.File{}, err
	}
	if len(list) != 1 {
		return feed.File{}, errors.New("there is no such file, or it is still being written")
	}
	return list[0], nil
}

// escaped is a pattern that matches name alone.
func escaped(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// Preview says what a snapshot would come to if it were taken now.
type Preview struct {
	Snapshot jml.Snapshot `json:"snapshot"`
	Ref      string       `json:"ref"`
	Outcome  OutcomeKind  `json:"outcome"` // delivered, known, outdated or silent
	Facts    []jml.Fact   `json:"facts"`
	Held     bool         `json:"held,omitempty"`
	// Before is what HR said last; nil if the employee is not known.
	Before *jml.Snapshot `json:"before,omitempty"`
}

// Preview compares a snapshot with what is known and does nothing.
func (d *Desk) Preview(ctx context.Context, source string, snap jml.Snapshot) (Preview, error) {
	s, err := d.source(source)
	if err != nil {
		return Preview{}, err
	}
	ref, before, err := d.references(ctx, s, snap)
	out := Preview{Snapshot: snap, Ref: ref, Outcome: OutcomeSilent, Facts: []jml.Fact{}}
	if err != nil {
		return out, err
	}
	e, found, err := d.cfg.Ledger.Employee(ctx, s.people, ref)
	if err != nil {
		return out, err
	}
	if !found && before != "" {
		if e, found, err = d.cfg.Ledger.Employee(ctx, s.people, before); err != nil {
			return out, err
		}
		if found {
			out.Ref = before
		}
	}
	var old *jml.Known
	if found {
		if old, err = known(e); err != nil {
			return out, err
		}
		out.Before = &old.Said
		said, current := old.Identified(snap)
		if snap.ObservedAt.Before(e.ObservedAt) || !current {
			out.Outcome = OutcomeOutdated
			return out, nil
		}
		snap = said
	}
	c := jml.Consider(old, snap, s.rulesFor(snap), d.cfg.Now())
	out.Facts, out.Held = c.Facts, len(waits(&c.Known)) > 0
	switch {
	case c.Tell || s.concerns(old, c.Known):
		out.Outcome = OutcomeDelivered
	case old != nil && c.Known.Told.SameContent(old.Told):
		out.Outcome = OutcomeKnown
	}
	return out, nil
}

// Handshake is a value that an HR system sent before anything else.
type Handshake struct {
	At    string `json:"at"`
	Value string `json:"value"`
}

// Handshakes returns the last values that source sent, newest first: secrets.
func (d *Desk) Handshakes(ctx context.Context, source string) ([]Handshake, error) {
	if _, err := d.source(source); err != nil {
		return nil, err
	}
	list, err := d.cfg.Ledger.Handshakes(ctx, source)
	out := []Handshake{}
	for _, h := range list {
		out = append(out, Handshake{h.At.UTC().Format("2006-01-02T15:04:05Z"), string(h.Value)})
	}
	return out, err
}

// Forget drops what is known of a source's employees, so that its next full feed
// is sent anew: for use after Temporal was restored from a backup.
func (d *Desk) Forget(ctx context.Context, source string) (int, error) {
	s, err := d.source(source)
	if err != nil {
		return 0, err
	}
	n, err := d.cfg.Ledger.Forget(ctx, s.people)
	if err != nil {
		return 0, err
	}
	held, err := d.cfg.Ledger.HeldList(ctx, s.people)
	if err != nil {
		return n, err
	}
	for _, h := range held {
		if err := d.unlist(ctx, s.people, h.Ref, jml.Hold(h.Kind)); err != nil {
			return n, err
		}
	}
	// The next poll has to be a full one.
	return n, d.cfg.Ledger.UpdateFeed(ctx, source, func(f *ledger.FeedState) { f.Cursor, f.LastFull = time.Time{}, time.Time{} })
}
