package ledger

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/invitation"
)

// keepLapsed is how long a link is kept after it lapsed. It is not found any
// more, but looking for it goes on taking as long as before: somebody who asks
// day after day does not see it being removed.
const keepLapsed = 30 * 24 * time.Hour

// PutLinks notes links, all or none; they are on disk when the call returns: a
// link must not reach anybody before it is known here. One that is there
// already is replaced.
func (l *Ledger) PutLinks(ctx context.Context, links ...invitation.Link) error {
	// In one order, so that two calls with the same links don't lock each other
	// out; stable, so that the later of two with the same hash stays.
	sorted := slices.SortedStableFunc(slices.Values(links), func(a, b invitation.Link) int { return strings.Compare(a.Hash, b.Hash) })
	return fault("note a link", l.durable.run(ctx, func(tx *sql.Tx) error {
		for _, link := range sorted {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO links (hash, link_hash, kind, workflow_id, ref, until) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (hash) DO UPDATE SET link_hash = excluded.link_hash, kind = excluded.kind,
					workflow_id = excluded.workflow_id, ref = excluded.ref, until = excluded.until`,
				link.Hash, link.LinkHash, string(link.Kind), link.WorkflowID, link.Ref, millis(link.Until)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// FindLink returns a link, or false if there is none or it has lapsed: it is
// good before Until, by the ledger's clock.
//
// The query has one row of one shape whether the link is known, lapsed or
// unknown, so that all three take the same path and about the same time.
func (l *Ledger) FindLink(ctx context.Context, hash string) (invitation.Link, bool, error) {
	var n int
	var kind string
	var until int64
	link := invitation.Link{Hash: hash}
	err := l.read.QueryRowContext(ctx, `
		SELECT COUNT(*), COALESCE(MAX(link_hash), ''), COALESCE(MAX(kind), ''), COALESCE(MAX(workflow_id), ''),
			COALESCE(MAX(ref), ''), COALESCE(MAX(until), 0)
		FROM links WHERE hash = $1 AND until > $2`, hash, millis(l.now())).
		Scan(&n, &link.LinkHash, &kind, &link.WorkflowID, &link.Ref, &until)
	if err != nil {
		return invitation.Link{}, false, fault("find a link", err)
	}
	link.Kind, link.Until = invitation.Kind(kind), moment(until)
	if n == 0 {
		return invitation.Link{}, false, nil
	}
	return link, true, nil
}
