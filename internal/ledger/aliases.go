package ledger

import (
	"context"
	"errors"
	"time"
)

// PutAlias notes that the employee whom source knows by ref is the one that it
// knew by first before; it is on disk when the call returns. An alias that is
// there stays as it is: journeys are named after it.
//
// It returns ErrConflict if source has said something of ref itself: then they
// are two employees, as far as anybody can tell.
func (l *Ledger) PutAlias(ctx context.Context, source, ref, first string, at time.Time) error {
	n, err := l.durable.exec(ctx, `
		INSERT INTO aliases (source, ref, first_ref, at)
		SELECT $1, $2, $3, CAST($4 AS BIGINT)
		WHERE NOT EXISTS (SELECT 1 FROM employees WHERE source = $1 AND ref = $2)
		ON CONFLICT (source, ref) DO UPDATE SET at = aliases.at`, source, ref, first, millis(at))
	if err == nil && n == 0 {
		return ErrConflict
	}
	return fault("note an alias", err)
}

// Alias returns the reference by which source first knew the employee of ref, or
// false if ref is no alias.
func (l *Ledger) Alias(ctx context.Context, source, ref string) (string, bool, error) {
	var first string
	err := l.read.QueryRowContext(ctx, `SELECT first_ref FROM aliases WHERE source = $1 AND ref = $2`, source, ref).Scan(&first)
	if err = fault("read an alias", err); errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	return first, err == nil, err
}

// Aliases returns the first references of all employees of source who have had
// more than one, by the later ones.
func (l *Ledger) Aliases(ctx context.Context, source string) (map[string]string, error) {
	rows, err := l.read.QueryContext(ctx, `SELECT ref, first_ref FROM aliases WHERE source = $1`, source)
	if err != nil {
		return nil, fault("read aliases", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := map[string]string{}
	for rows.Next() {
		var ref, first string
		if err := rows.Scan(&ref, &first); err != nil {
			return nil, fault("read aliases", err)
		}
		out[ref] = first
	}
	return out, fault("read aliases", rows.Err())
}
