package ledger

import "context"

// Everybody calls yield for up to limit employees of all sources, those first
// of whom a journey may still depend and who start last, and stops at its first
// error, which it returns. yield may use the ledger.
func (l *Ledger) Everybody(ctx context.Context, limit int, yield func(Employee) error) error {
	rows, err := l.read.QueryContext(ctx, `
		SELECT source, ref, digest, start_day, journey_open, observed_at, seen_at, missing, sealed
		FROM employees ORDER BY journey_open DESC, start_day DESC, source, ref LIMIT $1`, limit)
	if err != nil {
		return fault("read employees", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var e Employee
		var observed, seen int64
		var sealed []byte
		if err := rows.Scan(&e.Source, &e.Ref, &e.Digest, &e.Start, &e.Open, &observed, &seen, &e.Missing, &sealed); err != nil {
			return fault("read employees", err)
		}
		e.ObservedAt, e.SeenAt = moment(observed), moment(seen)
		if e.State, err = l.open(sealed, employeeLabel(e.Source, e.Ref)); err != nil {
			return err
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	return fault("read employees", rows.Err())
}
