package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// reading is one read of a source: a poll, a file, a look at Entra.
type reading struct {
	name       string    // of the file; empty for others
	full       bool      // holds everybody
	until      time.Time // who starts later is not in it; zero: there is no such limit
	strict     bool      // nothing of it is applied if an item is bad
	observedAt time.Time
	lastGood   time.Time // when the last read began that went through; of a file its own time
	each       func(ctx context.Context, yield func(feed.Item) error) error
	beat       func(read int)
	told       func(c change, got Taken) // one at a time; nil: nobody wants to know
}

// change is an employee of whom a reading says something new, or whom it lacks.
type change struct {
	ref     string
	nth     int // item of the reading; those it lacks come last
	where   string
	snap    *jml.Snapshot // nil: lacking
	missing int           // full feeds in a row that lack the employee
	facts   []jml.Fact
	tells   bool // the joiner
	next    jml.Known
	digest  []byte
}

// bad is an item that can't be read.
type bad struct {
	where, why string
	item       any
}

// ReadFeed reads a source once and delivers what is new. It implements
// activities.Intake.
func (d *Desk) ReadFeed(ctx context.Context, in workflows.FeedInput, beat func(read int)) (workflows.FeedResult, error) {
	s, err := d.source(in.Source)
	if err != nil {
		return workflows.FeedResult{}, err
	}
	if off, err := d.paused(ctx, s); err != nil || off {
		return workflows.FeedResult{Paused: off}, err
	}
	began := d.cfg.Now()
	state, err := d.cfg.Ledger.Feed(ctx, s.name)
	if err != nil {
		return workflows.FeedResult{}, err
	}
	var out workflows.FeedResult
	full := true
	switch s.cfg.Kind {
	case config.SourcePoll:
		var since time.Time
		if p := s.cfg.Poll; p.FullEvery > 0 && !in.Full && !state.Cursor.IsZero() && began.Sub(state.LastFull) < p.FullEvery {
			full, since = false, state.Cursor.Add(-p.Overlap)
		}
		out, err = d.read(ctx, s, reading{
			full: full && s.cfg.Poll.Full, observedAt: began, lastGood: state.LastGood, beat: beat,
			each: func(ctx context.Context, yield func(feed.Item) error) error {
				return s.poll.Each(ctx, since, began, yield)
			},
		})
	case config.SourceEntra:
		e := s.cfg.Entra
		out, err = d.read(ctx, s, reading{
			full: true, until: began.Add(e.Ahead), observedAt: began, lastGood: state.LastGood, beat: beat,
			each: func(ctx context.Context, yield func(feed.Item) error) error {
				n := 0
				return d.cfg.Hires.Hires(ctx, began.Add(-e.Behind), began.Add(e.Ahead), func(user map[string]any) error {
					n++
					return yield(feed.Item{Where: fmt.Sprintf("user %d", n), Value: user})
				})
			},
		})
	case config.SourceFile:
		out, err = d.readFiles(ctx, s, beat)
	default:
		return out, fmt.Errorf("intake: source %s calls us and is not read", s.name)
	}
	return out, errors.Join(err, d.noteRead(ctx, s, began, full, out, err))
}

// noteRead keeps how a read went where firstpass source status finds it.
func (d *Desk) noteRead(ctx context.Context, s *Source, began time.Time, full bool, out workflows.FeedResult, failed error) error {
	if failed != nil {
		d.counts.add(s.name, countFailed, 1)
	}
	// The activity may be ending because its time is up; the note still counts.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return d.cfg.Ledger.UpdateFeed(ctx, s.name, func(f *ledger.FeedState) {
		f.LastTry = began
		switch {
		case failed != nil:
			f.LastFault = faultText(failed)
		case out.Paused:
			f.LastFault = "" // nothing was applied, and nothing is wrong
		case out.Braked != "":
			f.LastFault = "stopped by the brake: " + out.Braked
			d.noteBrake(f, out)
		case len(out.Refused) > 0:
			f.LastFault = strings.Join(out.Refused, "; ")
		default:
			f.LastFault, f.LastGood, f.Cursor = "", began, began
			f.Braked, f.BrakeDetail, f.BrakeCount, f.BrakeAllow = time.Time{}, "", 0, 0
			if full {
				f.LastFull = began
			}
			if out.Read > 0 {
				f.LastSeen = began
			}
		}
	})
}

// noteBrake keeps what the brake stopped, for an operator to let through.
func (d *Desk) noteBrake(f *ledger.FeedState, out workflows.FeedResult) {
	if f.Braked.IsZero() {
		f.Braked = d.cfg.Now()
	}
	f.BrakeDetail, f.BrakeCount = out.Braked, out.Drastic
}

// hrSystem is the system of the faults of package feed. What it says beside them
// quotes nothing foreign either, and tells what to do.
const hrSystem = "hr"

// faultText is what of an error may be shown: only faults have a text that
// quotes nothing foreign.
func faultText(err error) string {
	var fault *jml.Fault
	if errors.As(err, &fault) {
		if fault.System == hrSystem {
			return err.Error()
		}
		return fault.Error()
	}
	if errors.Is(err, ErrUnavailable) {
		return "Temporal did not take what was new"
	}
	return "intake failed; the log of firstpass serve tells why"
}

// readFiles takes the files of a folder that were not taken before, oldest
// first. One that is refused is read again at each look, and named again: it
// may be the configuration that is mended. It is done with once a newer whole
// file has been taken.
//
// Crash: a file is marked after all of it was delivered, and moved away after
// that. What is read twice is found unchanged.
func (d *Desk) readFiles(ctx context.Context, s *Source, beat func(int)) (workflows.FeedResult, error) {
	var (
		sum     workflows.FeedResult
		refused []string // keys of those that come before
		left    error    // why what was taken could not be put away
	)
	list, err := s.files.List(ctx)
	if err != nil {
		return sum, err
	}
	for _, f := range list {
		key := d.cfg.Refs.derive("file", s.name, fileKey(f))
		taken, err := d.cfg.Ledger.FileTaken(ctx, s.name, key)
		if err != nil {
			return sum, err
		}
		if taken {
			left = errors.Join(left, f.Done(ctx)) // unless a crash came before, it is a file that is kept
			continue
		}
		old := d.cfg.Refs.derive("refused file", s.name, fileKey(f))
		if taken, err = d.cfg.Ledger.FileTaken(ctx, s.name, old); err != nil {
			return sum, err
		}
		if taken {
			continue
		}
		out, err := d.read(ctx, s, reading{
			name: f.Name, full: s.cfg.File.Full, strict: s.cfg.File.BadRow == config.BadRowRefuse,
			observedAt: f.ModTime, lastGood: f.ModTime, beat: beat,
			each: func(ctx context.Context, yield func(feed.Item) error) error {
				return ofContent(ctx, f.Each(ctx, yield))
			},
		})
		if why, is := fileRefusal(err); is {
			out.Refused, err = []string{label(f.Name) + why}, nil
		}
		add(&sum, out)
		if err != nil || out.Braked != "" || out.Paused {
			return sum, err // what comes after it is newer, and must not go first
		}
		if len(out.Refused) > 0 {
			refused = append(refused, old)
			continue // it stays where it is, for whoever mends it
		}
		if s.cfg.File.Full {
			for _, old := range refused {
				if err := d.cfg.Ledger.MarkFile(ctx, s.name, old, "refused", d.cfg.Now()); err != nil {
					return sum, err
				}
			}
			refused, sum.Refused = nil, nil
		}
		if err := d.cfg.Ledger.MarkFile(ctx, s.name, key, "taken", d.cfg.Now()); err != nil {
			return sum, err
		}
		if err := f.Done(ctx); err != nil {
			return sum, err
		}
	}
	return sum, left
}

// fileKey tells a file from any other. What is in it is not enough: today's file
// may be the same as an earlier one, because HR took something back, and says
// again who is missing.
func fileKey(f feed.File) string {
	return fmt.Sprintf("%s %d %d %s", f.Name, f.Size, f.ModTime.UnixNano(), f.Digest)
}

// broken is what is wrong with the content of a file. Its text names a line or
// an item and quotes nothing.
type broken struct{ error }

// ofContent tells what is wrong with a file's content from what is wrong with
// the folder, which is a fault.
func ofContent(ctx context.Context, err error) error {
	var fault *jml.Fault
	if err == nil || ctx.Err() != nil || errors.As(err, &fault) {
		return err
	}
	return broken{err}
}

// fileRefusal reports whether a file can't be read as it is, now or later, and
// why: a row is broken, or it is too large.
func fileRefusal(err error) (why string, is bool) {
	var (
		bad   broken
		fault *jml.Fault
	)
	switch {
	case errors.As(err, &bad):
		return bad.Error(), true
	case errors.As(err, &fault):
		return faultText(err), fault.Kind == jml.FaultRefused
	}
	return "", false
}

func add(sum *workflows.FeedResult, out workflows.FeedResult) {
	sum.Read += out.Read
	sum.Unchanged += out.Unchanged
	sum.Changed += out.Changed
	sum.Delivered += out.Delivered
	sum.Outdated += out.Outdated
	sum.Held += out.Held
	sum.Vanished += out.Vanished
	sum.Quarantined += out.Quarantined
	sum.PassedOver += out.PassedOver
	sum.Refused = append(sum.Refused, out.Refused...)
	sum.Braked, sum.Drastic, sum.Paused = out.Braked, out.Drastic, out.Paused
}

// read compares all of a reading with the ledger first and applies it then:
// whether it changes too much is known only at its end.
//
// Crash: each change is told and then written down, one after the other. The
// next read finds the rest.
func (d *Desk) read(ctx context.Context, s *Source, r reading) (workflows.FeedResult, error) {
	p, err := d.plan(ctx, s, r)
	if err != nil {
		return p.result, err
	}
	if len(p.result.Refused) > 0 || p.result.Braked != "" {
		return p.result, nil
	}
	if off, err := d.paused(ctx, s); err != nil || off {
		p.result.Paused = off
		return p.result, err // while it was read; the next read finds the same
	}
	return p.result, d.carryOut(ctx, s, r, p)
}

// Release lets the changes through that the brake stopped, up to the number it
// named, at the next read.
func (d *Desk) Release(ctx context.Context, source, actor, reason string) (string, error) {
	s, err := d.source(source)
	if err != nil {
		return "", err
	}
	state, err := d.cfg.Ledger.Feed(ctx, s.name)
	if err != nil {
		return "", err
	}
	if state.Braked.IsZero() {
		return "", ErrNotBraked
	}
	err = d.cfg.Audit.Append(ctx, audit.Entry{
		Time: d.cfg.Now(), Event: audit.EventBrakeReleased, Actor: actor, Reason: reason,
		Detail: "source " + s.name + ": " + state.BrakeDetail,
	})
	if err != nil {
		return "", err
	}
	return state.BrakeDetail, d.cfg.Ledger.UpdateFeed(ctx, s.name, func(f *ledger.FeedState) { f.BrakeAllow = f.BrakeCount })
}

// ErrNotBraked answers for a source that the brake does not hold.
var ErrNotBraked = errors.New("the brake does not hold this source")
