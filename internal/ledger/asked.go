package ledger

import (
	"context"
	"time"
)

// Asked is a journey that somebody asked for. ID names the request.
type Asked struct {
	Source, Ref, Kind, ID string
	At                    time.Time
}

// PutAsked counts a journey; it is on disk when the call returns. The same
// request counts once.
func (l *Ledger) PutAsked(ctx context.Context, a Asked) error {
	_, err := l.durable.exec(ctx, `
		INSERT INTO asked (source, ref, kind, id, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (source, ref, kind, id) DO UPDATE SET at = asked.at`, a.Source, a.Ref, a.Kind, a.ID, millis(a.At))
	return fault("count a journey", err)
}

// DropAsked takes back what was counted of a journey that did not begin.
func (l *Ledger) DropAsked(ctx context.Context, a Asked) error {
	_, err := l.durable.exec(ctx, `DELETE FROM asked WHERE source = $1 AND ref = $2 AND kind = $3 AND id = $4`,
		a.Source, a.Ref, a.Kind, a.ID)
	return fault("take back a counted journey", err)
}

// AskedSince returns when journeys of a kind were asked for, of any if kind is
// empty, at since or later, oldest first.
func (l *Ledger) AskedSince(ctx context.Context, source, ref, kind string, since time.Time) ([]time.Time, error) {
	rows, err := l.read.QueryContext(ctx, `
		SELECT at FROM asked WHERE source = $1 AND ref = $2 AND (kind = $3 OR $3 = '') AND at >= $4 ORDER BY at`,
		source, ref, kind, millis(since))
	if err != nil {
		return nil, fault("read counted journeys", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var out []time.Time
	for rows.Next() {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return nil, fault("read counted journeys", err)
		}
		out = append(out, moment(at))
	}
	return out, fault("read counted journeys", rows.Err())
}
