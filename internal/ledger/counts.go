package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"
)

// AddCounts adds to the counters of source in the hour that the time falls in.
//
// If the connection to PostgreSQL breaks during a commit, the caller gets an
// error and cannot know whether the counts were added.
func (l *Ledger) AddCounts(ctx context.Context, source string, hour time.Time, counts map[string]int) error {
	if len(counts) == 0 {
		return nil
	}
	c := change{counts: make(map[countKey]int64, len(counts))}
	for name, n := range counts {
		c.counts[countKey{source, millis(hour.UTC().Truncate(time.Hour)), name}] = int64(n)
	}
	return fault("add counts", l.group.write(ctx, c))
}

func writeCounts(ctx context.Context, tx *sql.Tx, list map[countKey]int64) error {
	keys := slices.SortedFunc(maps.Keys(list), func(a, b countKey) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.hour, b.hour), cmp.Compare(a.name, b.name))
	})
	return chunked(keys, func(keys []countKey) error {
		const columns = 4
		args := make([]any, 0, columns*len(keys))
		for _, k := range keys {
			args = append(args, k.source, k.hour, k.name, list[k])
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO counts (source, hour, name, n) VALUES `+
			places(1, len(keys), columns)+`
			ON CONFLICT (source, hour, name) DO UPDATE SET n = counts.n + excluded.n`, args...)
		return err
	})
}

// Counts returns the sums of the counters of source over the hours from since's
// on.
func (l *Ledger) Counts(ctx context.Context, source string, since time.Time) (map[string]int, error) {
	// The sum of BIGINTs is no BIGINT in PostgreSQL.
	rows, err := l.read.QueryContext(ctx, `
		SELECT name, CAST(SUM(n) AS BIGINT) FROM counts
		WHERE source = $1 AND hour >= $2 GROUP BY name`, source, millis(since.UTC().Truncate(time.Hour)))
	if err != nil {
		return nil, fault("read counts", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	counts := map[string]int{}
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fault("read counts", err)
		}
		counts[name] = n
	}
	return counts, fault("read counts", rows.Err())
}
