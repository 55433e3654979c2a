package ledger

import (
	"context"
	"time"
)

// Held is a change that waits for an operator or for more feeds.
type Held struct {
	Source, Ref, Kind string
	Since             time.Time
	State             []byte // clear in memory, sealed at rest
}

func heldLabel(source, ref, kind string) string { return label("held", source, ref, kind) }

// Hold notes a held change; it is on disk when the call returns. A change of
// the same kind that is held already gets the new state and keeps its Since. A
// zero Since is now.
func (l *Ledger) Hold(ctx context.Context, h Held) error {
	if h.Since.IsZero() {
		h.Since = l.now()
	}
	_, err := l.durable.exec(ctx, `
		INSERT INTO held (source, ref, kind, since, sealed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (source, ref, kind) DO UPDATE SET sealed = excluded.sealed`,
		h.Source, h.Ref, h.Kind, millis(h.Since), l.sealer.Seal(h.State, heldLabel(h.Source, h.Ref, h.Kind)))
	return fault("hold a change", err)
}

// HeldList lists the held changes of source, or of all sources if source is
// empty, oldest first and without their State.
func (l *Ledger) HeldList(ctx context.Context, source string) ([]Held, error) {
	rows, err := l.read.QueryContext(ctx, `
		SELECT source, ref, kind, since FROM held
		WHERE source = $1 OR $1 = '' ORDER BY since, source, ref, kind`, source)
	if err != nil {
		return nil, fault("list held changes", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Held
	for rows.Next() {
		var h Held
		var since int64
		if err := rows.Scan(&h.Source, &h.Ref, &h.Kind, &since); err != nil {
			return nil, fault("list held changes", err)
		}
		h.Since = moment(since)
		list = append(list, h)
	}
	return list, fault("list held changes", rows.Err())
}

// HeldState returns a held change with its State, or ErrNotFound.
func (l *Ledger) HeldState(ctx context.Context, source, ref, kind string) (Held, error) {
	h := Held{Source: source, Ref: ref, Kind: kind}
	var since int64
	var sealed []byte
	err := l.read.QueryRowContext(ctx, `SELECT since, sealed FROM held WHERE source = $1 AND ref = $2 AND kind = $3`,
		source, ref, kind).Scan(&since, &sealed)
	if err != nil {
		return Held{}, fault("read a held change", err)
	}
	h.Since = moment(since)
	if h.State, err = l.open(sealed, heldLabel(source, ref, kind)); err != nil {
		return Held{}, err
	}
	return h, nil
}

// HeldByRef returns the held changes of an employee, whatever the source, with
// their State, oldest first.
func (l *Ledger) HeldByRef(ctx context.Context, ref string) ([]Held, error) {
	rows, err := l.read.QueryContext(ctx, `
		SELECT source, kind, since, sealed FROM held WHERE ref = $1 ORDER BY since, source, kind`, ref)
	if err != nil {
		return nil, fault("read held changes", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Held
	for rows.Next() {
		h := Held{Ref: ref}
		var since int64
		var sealed []byte
		if err := rows.Scan(&h.Source, &h.Kind, &since, &sealed); err != nil {
			return nil, fault("read held changes", err)
		}
		h.Since = moment(since)
		if h.State, err = l.open(sealed, heldLabel(h.Source, ref, h.Kind)); err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, fault("read held changes", rows.Err())
}

// Release drops a held change; ErrNotFound if there is none.
func (l *Ledger) Release(ctx context.Context, source, ref, kind string) error {
	n, err := l.durable.exec(ctx, `DELETE FROM held WHERE source = $1 AND ref = $2 AND kind = $3`, source, ref, kind)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return fault("release a held change", err)
}
