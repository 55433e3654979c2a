package ledger

import (
	"context"
	"time"
)

// Before says up to when each kind of record is old; a zero time keeps all.
type Before struct{ Quarantine, Deliveries, Counts, Files, Handshakes, Asked time.Time }

// Purged says how many records Purge removed.
type Purged struct{ Quarantine, Deliveries, Counts, Files, Handshakes, Asked, Links, Sessions int }

// purgeRows is how many rows a transaction of Purge removes: others may write
// in between.
const purgeRows = 1000

// Purge removes what is older than before, links that lapsed a month ago, and
// sessions that have ended.
// After an error it says what it removed until then.
func (l *Ledger) Purge(ctx context.Context, before Before) (Purged, error) {
	var done Purged
	for _, p := range []struct {
		table, key, time string
		before           time.Time
		count            *int
	}{
		{"quarantine", "id", "at", before.Quarantine, &done.Quarantine},
		{"deliveries", "source, hash", "at", before.Deliveries, &done.Deliveries},
		{"counts", "source, hour, name", "hour", before.Counts, &done.Counts},
		{"files", "source, digest", "at", before.Files, &done.Files},
		{"handshakes", "source, id", "at", before.Handshakes, &done.Handshakes},
		{"asked", "source, ref, kind, id", "at", before.Asked, &done.Asked},
		{"links", "hash", "until", l.now().Add(-keepLapsed), &done.Links},
		{"sessions", "hash", "until", l.now(), &done.Sessions},
	} {
		if p.before.IsZero() {
			continue
		}
		query := `DELETE FROM ` + p.table + ` WHERE (` + p.key + `) IN
			(SELECT ` + p.key + ` FROM ` + p.table + ` WHERE ` + p.time + ` < $1 LIMIT $2)`
		for {
			n, err := l.durable.exec(ctx, query, millis(p.before), purgeRows)
			*p.count += n
			if err != nil {
				return done, fault("purge "+p.table, err)
			}
			if n < purgeRows {
				break
			}
		}
	}
	return done, nil
}
