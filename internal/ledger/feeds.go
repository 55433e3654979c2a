package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"
)

// FeedState is what is known of a source's feed. Zero times are never.
type FeedState struct {
	Source      string
	Cursor      time.Time // up to where it was read
	LastTry     time.Time
	LastGood    time.Time
	LastFull    time.Time
	LastSeen    time.Time
	LastFault   string
	Braked      time.Time
	BrakeDetail string
	BrakeCount  int // drastic changes that it was stopped for
	BrakeAllow  int // drastic changes that an operator lets through once
}

// queryer is a pool or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readFeed(ctx context.Context, q queryer, source string) (FeedState, error) {
	f := FeedState{Source: source}
	var cursor, try, good, full, seen, braked int64
	err := q.QueryRowContext(ctx, `
		SELECT position, last_try, last_good, last_full, last_seen, last_fault, braked, brake_detail, brake_count, brake_allow
		FROM feeds WHERE source = $1`, source).
		Scan(&cursor, &try, &good, &full, &seen, &f.LastFault, &braked, &f.BrakeDetail, &f.BrakeCount, &f.BrakeAllow)
	if err != nil {
		return FeedState{}, err
	}
	f.Cursor, f.LastTry, f.LastGood = moment(cursor), moment(try), moment(good)
	f.LastFull, f.LastSeen, f.Braked = moment(full), moment(seen), moment(braked)
	return f, nil
}

// Feed returns the state of a source's feed, with nothing but its name if it
// never had one.
func (l *Ledger) Feed(ctx context.Context, source string) (FeedState, error) {
	f, err := readFeed(ctx, l.read, source)
	if isNoRows(err) {
		return FeedState{Source: source}, nil
	}
	return f, fault("read the state of a feed", err)
}

// lockSource keeps other transactions that do the same waiting until this one
// ends. Writing a row locks it in PostgreSQL; SQLite, which has one writer
// anyway, knows no SELECT FOR UPDATE.
func lockSource(ctx context.Context, tx *sql.Tx, source string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO feeds (source) VALUES ($1)
		ON CONFLICT (source) DO UPDATE SET source = excluded.source`, source)
	return err
}

// UpdateFeed reads the state of a source's feed, lets change alter it and writes
// it; nobody else writes it meanwhile, in this process or another, and it is on
// disk when the call returns. change may run several times, must not use the
// ledger, and cannot change Source.
func (l *Ledger) UpdateFeed(ctx context.Context, source string, change func(*FeedState)) error {
	return fault("update the state of a feed", l.durable.run(ctx, func(tx *sql.Tx) error {
		if err := lockSource(ctx, tx, source); err != nil {
			return err
		}
		f, err := readFeed(ctx, tx, source)
		if err != nil {
			return err
		}
		change(&f)
		_, err = tx.ExecContext(ctx, `
			UPDATE feeds SET position = $2, last_try = $3, last_good = $4, last_full = $5, last_seen = $6,
				last_fault = $7, braked = $8, brake_detail = $9, brake_count = $10, brake_allow = $11
			WHERE source = $1`,
			source, millis(f.Cursor), millis(f.LastTry), millis(f.LastGood), millis(f.LastFull), millis(f.LastSeen),
			text(f.LastFault), millis(f.Braked), text(f.BrakeDetail), f.BrakeCount, f.BrakeAllow)
		return err
	}))
}

// handshakesKept is how many handshakes of a source are kept.
const handshakesKept = 3

// Handshake is a value that a sender wants shown to the operator.
type Handshake struct {
	At    time.Time
	Value []byte
}

// PutHandshake keeps a value, sealed, and drops all but the latest three of the
// source; it is on disk when the call returns.
func (l *Ledger) PutHandshake(ctx context.Context, source string, value []byte, at time.Time) error {
	// Version 7 ids grow with time, so they order what came in the same millisecond.
	id, err := uuid.NewV7()
	if err != nil {
		return fault("name a handshake", err)
	}
	sealed := l.sealer.Seal(value, label("handshakes", source, id.String()))
	return fault("put a handshake", l.durable.run(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO handshakes (source, id, at, sealed) VALUES ($1, $2, $3, $4)`,
			source, id.String(), millis(at), sealed); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			DELETE FROM handshakes WHERE source = $1 AND id NOT IN
				(SELECT id FROM handshakes WHERE source = $1 ORDER BY at DESC, id DESC LIMIT $2)`,
			source, handshakesKept)
		return err
	}))
}

// Handshakes returns the values kept of a source, latest first.
func (l *Ledger) Handshakes(ctx context.Context, source string) ([]Handshake, error) {
	rows, err := l.read.QueryContext(ctx, `
		SELECT id, at, sealed FROM handshakes WHERE source = $1 ORDER BY at DESC, id DESC`, source)
	if err != nil {
		return nil, fault("read handshakes", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Handshake
	for rows.Next() {
		var id string
		var at int64
		var sealed []byte
		if err := rows.Scan(&id, &at, &sealed); err != nil {
			return nil, fault("read handshakes", err)
		}
		value, err := l.open(sealed, label("handshakes", source, id))
		if err != nil {
			return nil, err
		}
		list = append(list, Handshake{moment(at), value})
	}
	return list, fault("read handshakes", rows.Err())
}
