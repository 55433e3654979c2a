// Package stream writes the rows of the ledger to a file for a SIEM, one JSON
// line each, in the order of the chain.
//
// The rows come out of the database, never from who appends them: what is on the
// stream is in the ledger, whichever process wrote it, and a process that dies
// leaves nothing out. One process at a time writes a file; the others wait to
// take over.
package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/audit/lines"
)

// Rows reads the ledger.
type Rows interface {
	// RowsFrom returns at most limit rows from seq first on, oldest first.
	RowsFrom(ctx context.Context, first uint64, limit int) ([]audit.Row, error)
}

// Config is what a stream needs. All fields are required.
type Config struct {
	Path   string
	Rows   Rows
	Pause  func(ctx context.Context, d time.Duration) // waits for d or until ctx ends
	Logger *slog.Logger
}

// Stream writes rows to a file.
type Stream struct{ Config }

// New checks cfg.
func New(cfg Config) (*Stream, error) {
	if cfg.Path == "" || cfg.Rows == nil || cfg.Pause == nil || cfg.Logger == nil {
		return nil, errors.New("stream: every field of Config is required")
	}
	return &Stream{cfg}, nil
}

const (
	// every is how often the ledger is asked for new rows.
	every = 250 * time.Millisecond
	// patience is how long a fault lasts before it is tried again, and how often
	// another process looks whether the file is free.
	patience = 5 * time.Second
	// batch bounds what is written and synced at once.
	batch = 500
	// lastly bounds the last look when a process ends.
	lastly = 5 * time.Second
	// maxLine bounds how far back the last line is looked for, in bytes: a row's
	// fields have some 6 kB at the most, and ranges of cleared rows come on top.
	maxLine = 1 << 20
)

// Run writes rows until ctx ends, and then what there is until then.
func (s *Stream) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.hold(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errLocked) {
			s.Logger.Error("the stream of the ledger can't be written; the rows stay in the ledger and follow", "file", s.Path, "error", err)
		}
		s.Pause(ctx, patience)
	}
}

// errLocked says that another process writes the stream.
var errLocked = errors.New("another process writes the stream")

// hold writes rows for as long as this process holds the file.
func (s *Stream) hold(ctx context.Context) (err error) {
	place, err := take(s.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.free()) }()
	out, err := lines.Open(s.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	next, err := place.next(s.Path)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if next, err = s.drain(ctx, out, place, next); err != nil {
			break
		}
		s.Pause(ctx, every)
	}
	if ctx.Err() == nil {
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastly)
	defer cancel()
	// The last write may have been cut off by the end of ctx: what is there says
	// where to go on.
	if next, err = place.next(s.Path); err == nil {
		_, err = s.drain(ending, out, place, next)
	}
	return err
}

// drain writes all rows from next on and returns what comes after them.
func (s *Stream) drain(ctx context.Context, out *lines.File, at *place, next uint64) (uint64, error) {
	for {
		rows, err := s.Rows.RowsFrom(ctx, next, batch)
		if err != nil || len(rows) == 0 {
			return next, err
		}
		text := make([][]byte, len(rows))
		for i, r := range rows {
			if r.Seq != next+uint64(i) {
				return next, fmt.Errorf("row %d is missing in the ledger; run: firstpass ledger verify", next+uint64(i))
			}
			if text[i], err = json.Marshal(r); err != nil {
				return next, err
			}
		}
		if err := out.Append(text...); err != nil {
			return next, err
		}
		next += uint64(len(rows))
		// Crash: the lines are on disk and the place is not. The last line says
		// where to go on, unless the file is moved away before that.
		if err := at.set(next); err != nil {
			return next, err
		}
	}
}

// place is a lock on a stream, in a file beside it that outlives rotation. It
// holds the seq that comes next, for when the stream's file is new and empty.
type place struct{ f *os.File }

func take(path string) (*place, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &place{f}, nil
}

func (p *place) free() error { return p.f.Close() }

// set notes next. It is not synced: it may be behind, never ahead, and the last
// line knows better.
func (p *place) set(next uint64) error {
	_, err := p.f.WriteAt(fmt.Appendf(nil, "%020d\n", next), 0)
	return err
}

// next finds out where to go on: after the last whole line at path, or if there
// is none, where the note says.
func (p *place) next(path string) (uint64, error) {
	last, found, err := lastSeq(path)
	if err != nil {
		return 0, err
	}
	if found {
		return last + 1, nil
	}
	raw, err := io.ReadAll(io.NewSectionReader(p.f, 0, 32))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 64)
	if err != nil {
		return 0, nil // new, or torn: everything again is better than a gap
	}
	return n, nil
}

// lastSeq returns the seq of the last line at path that is a row of the chain.
func lastSeq(path string) (uint64, bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = f.Close() }() // read only
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, false, err
	}
	from := max(0, info.Size()-maxLine)
	tail, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return 0, false, err
	}
	for end := len(tail); end > 0; {
		start := bytes.LastIndexByte(tail[:end-1], '\n') + 1
		var l struct {
			Seq  *uint64 `json:"seq"`
			Hash string  `json:"hash"`
		}
		// Lines of before there was a chain have no seq, and torn ones are no JSON.
		if json.Unmarshal(tail[start:end], &l) == nil && l.Seq != nil && l.Hash != "" {
			return *l.Seq, true, nil
		}
		end = start
	}
	return 0, false, nil
}
