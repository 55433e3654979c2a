package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"
)

// Delivered says whether MarkDelivery was called for key, a keyed hash.
func (l *Ledger) Delivered(ctx context.Context, source, key string) (bool, error) {
	var n int
	err := l.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM deliveries WHERE source = $1 AND hash = $2`, source, key).Scan(&n)
	return n > 0, fault("look up a delivery", err)
}

// MarkDelivery notes that a delivery was taken. A power cut may lose the last
// moments, like those of employees: the delivery is taken again then, and says
// nothing new. The first time given stays.
func (l *Ledger) MarkDelivery(ctx context.Context, source, key string, at time.Time) error {
	c := change{deliveries: map[deliveryKey]int64{{source, key}: millis(at)}}
	return fault("mark a delivery", l.group.write(ctx, c))
}

func writeDeliveries(ctx context.Context, tx *sql.Tx, list map[deliveryKey]int64) error {
	keys := slices.SortedFunc(maps.Keys(list), func(a, b deliveryKey) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.hash, b.hash))
	})
	return chunked(keys, func(keys []deliveryKey) error {
		const columns = 3
		args := make([]any, 0, columns*len(keys))
		for _, k := range keys {
			args = append(args, k.source, k.hash, list[k])
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (source, hash, at) VALUES `+
			places(1, len(keys), columns)+` ON CONFLICT (source, hash) DO NOTHING`, args...)
		return err
	})
}

// FileTaken says whether a file with this digest was marked, whatever its
// outcome.
func (l *Ledger) FileTaken(ctx context.Context, source, digest string) (bool, error) {
	var n int
	err := l.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM files WHERE source = $1 AND digest = $2`, source, digest).Scan(&n)
	return n > 0, fault("look up a file", err)
}

// MarkFile notes what became of a file; it is on disk when the call returns. A
// later outcome replaces an earlier one.
func (l *Ledger) MarkFile(ctx context.Context, source, digest, outcome string, at time.Time) error {
	_, err := l.durable.exec(ctx, `
		INSERT INTO files (source, digest, outcome, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (source, digest) DO UPDATE SET outcome = excluded.outcome, at = excluded.at`,
		source, digest, text(outcome), millis(at))
	return fault("mark a file", err)
}
