package ledger

import (
	"context"
	"errors"
	"time"
)

// PutSession keeps the session of an operator by the hash of its token until a
// time. The caller seals it.
func (l *Ledger) PutSession(ctx context.Context, hash string, sealed []byte, until time.Time) error {
	_, err := l.fast.exec(ctx, `
		INSERT INTO sessions (hash, until, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (hash) DO UPDATE SET until = excluded.until, sealed = excluded.sealed`, hash, millis(until), notNull(sealed))
	return fault("keep a session", err)
}

// Session returns a session, or false if there is none or it has ended.
func (l *Ledger) Session(ctx context.Context, hash string) ([]byte, bool, error) {
	var sealed []byte
	err := fault("read a session", l.read.QueryRowContext(ctx, `
		SELECT sealed FROM sessions WHERE hash = $1 AND until > $2`, hash, millis(l.now())).Scan(&sealed))
	if errors.Is(err, ErrNotFound) {
		return nil, false, nil
	}
	return sealed, err == nil, err
}

// DropSession ends a session; that there is none is no error. It is on disk when
// the call returns: whoever signs out stays signed out.
func (l *Ledger) DropSession(ctx context.Context, hash string) error {
	_, err := l.durable.exec(ctx, `DELETE FROM sessions WHERE hash = $1`, hash)
	return fault("drop a session", err)
}
