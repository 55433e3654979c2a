package ledger

import (
	"context"
	"time"
)

// Quarantined describes a body that could not be taken.
type Quarantined struct {
	ID, Source, Reason string
	At                 time.Time
	Size               int // of the body, in bytes
}

// Keep puts a body into quarantine, sealed; it is on disk when the call
// returns. Size is the body's, whatever q says, and a zero At is now. If the ID
// is there already, what is there stays and that is no error.
func (l *Ledger) Keep(ctx context.Context, q Quarantined, body []byte) error {
	if q.At.IsZero() {
		q.At = l.now()
	}
	_, err := l.durable.exec(ctx, `
		INSERT INTO quarantine (id, source, reason, at, size, sealed) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO NOTHING`,
		q.ID, q.Source, text(q.Reason), millis(q.At), len(body), l.sealer.Seal(body, label("quarantine", q.ID)))
	return fault("keep a body in quarantine", err)
}

// Quarantine lists what source has in quarantine, or all sources if source is
// empty, oldest first.
func (l *Ledger) Quarantine(ctx context.Context, source string) ([]Quarantined, error) {
	rows, err := l.read.QueryContext(ctx, `
		SELECT id, source, reason, at, size FROM quarantine
		WHERE source = $1 OR $1 = '' ORDER BY at, id`, source)
	if err != nil {
		return nil, fault("list the quarantine", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Quarantined
	for rows.Next() {
		var q Quarantined
		var at int64
		if err := rows.Scan(&q.ID, &q.Source, &q.Reason, &at, &q.Size); err != nil {
			return nil, fault("list the quarantine", err)
		}
		q.At = moment(at)
		list = append(list, q)
	}
	return list, fault("list the quarantine", rows.Err())
}

// QuarantinedBody returns what Keep was given, or ErrNotFound.
func (l *Ledger) QuarantinedBody(ctx context.Context, id string) (Quarantined, []byte, error) {
	q := Quarantined{ID: id}
	var at int64
	var sealed []byte
	err := l.read.QueryRowContext(ctx, `SELECT source, reason, at, size, sealed FROM quarantine WHERE id = $1`, id).
		Scan(&q.Source, &q.Reason, &at, &q.Size, &sealed)
	if err != nil {
		return Quarantined{}, nil, fault("read a quarantined body", err)
	}
	q.At = moment(at)
	body, err := l.open(sealed, label("quarantine", id))
	if err != nil {
		return Quarantined{}, nil, err
	}
	return q, body, nil
}

// Drop removes a body from quarantine; ErrNotFound if it is not there.
func (l *Ledger) Drop(ctx context.Context, id string) error {
	n, err := l.durable.exec(ctx, `DELETE FROM quarantine WHERE id = $1`, id)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return fault("drop a quarantined body", err)
}
