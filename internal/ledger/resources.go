package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// Resource is a SCIM resource.
type Resource struct {
	Source, ID string
	Key        string // keyed hash of externalId, or "" for none
	NameKey    string // keyed hash of userName in lower case, or "" for none
	Version    int
	Modified   time.Time
	Created    time.Time
	Body       []byte // clear in memory, sealed at rest
}

func resourceLabel(source, id string) string { return label("resources", source, id) }

// PutResource writes a resource; it is on disk when the call returns.
// expectVersion is the version that the ledger must hold, 0 if there must be
// none. Replacing leaves Created as it was. ErrConflict says that the resource
// exists, has another version, or that another one of the source has Key or
// NameKey; ErrNotFound that the one to replace is gone.
func (l *Ledger) PutResource(ctx context.Context, r Resource, expectVersion int) error {
	sealed := l.sealer.Seal(r.Body, resourceLabel(r.Source, r.ID))
	err := l.durable.run(ctx, func(tx *sql.Tx) error {
		if expectVersion == 0 {
			n, err := affect(ctx, tx, `
				INSERT INTO resources (source, id, key_hash, name_key, version, created, modified, sealed)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
				r.Source, r.ID, r.Key, r.NameKey, r.Version, millis(r.Created), millis(r.Modified), sealed)
			if err == nil && n == 0 {
				return ErrConflict
			}
			return err
		}
		n, err := affect(ctx, tx, `
			UPDATE resources SET key_hash = $4, name_key = $5, version = $6, modified = $7, sealed = $8
			WHERE source = $1 AND id = $2 AND version = $3`,
			r.Source, r.ID, expectVersion, r.Key, r.NameKey, r.Version, millis(r.Modified), sealed)
		if err != nil || n > 0 {
			return err
		}
		var there int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM resources WHERE source = $1 AND id = $2`,
			r.Source, r.ID).Scan(&there); err != nil {
			return err
		}
		if there == 0 {
			return ErrNotFound
		}
		return ErrConflict
	})
	switch {
	case isDuplicate(err), errors.Is(err, ErrConflict):
		return ErrConflict
	case errors.Is(err, ErrNotFound):
		return ErrNotFound
	}
	return fault("put a resource", err)
}

// isDuplicate: 2067 is SQLITE_CONSTRAINT_UNIQUE (https://www.sqlite.org/rescode.html).
func isDuplicate(err error) bool {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	return errors.As(err, &pg) && pg.Code == "23505" || errors.As(err, &lite) && lite.Code() == 2067
}

const selectResource = `SELECT id, key_hash, name_key, version, created, modified, sealed FROM resources WHERE source = $1`

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

func (l *Ledger) scanResource(source string, row scanner) (Resource, error) {
	r := Resource{Source: source}
	var created, modified int64
	var sealed []byte
	err := row.Scan(&r.ID, &r.Key, &r.NameKey, &r.Version, &created, &modified, &sealed)
	if err != nil {
		return Resource{}, fault("read a resource", err)
	}
	r.Created, r.Modified = moment(created), moment(modified)
	if r.Body, err = l.open(sealed, resourceLabel(source, r.ID)); err != nil {
		return Resource{}, err
	}
	return r, nil
}

// Resource returns the resource with this id, or ErrNotFound.
func (l *Ledger) Resource(ctx context.Context, source, id string) (Resource, error) {
	return l.scanResource(source, l.read.QueryRowContext(ctx, selectResource+` AND id = $2`, source, id))
}

// ResourceByKey returns the resource with this Key, or ErrNotFound. No resource
// has the empty one.
func (l *Ledger) ResourceByKey(ctx context.Context, source, key string) (Resource, error) {
	return l.scanResource(source, l.read.QueryRowContext(ctx, selectResource+` AND key_hash = $2 AND key_hash <> ''`, source, key))
}

// ResourceByNameKey returns the resource with this NameKey, or ErrNotFound. No
// resource has the empty one.
func (l *Ledger) ResourceByNameKey(ctx context.Context, source, nameKey string) (Resource, error) {
	return l.scanResource(source, l.read.QueryRowContext(ctx, selectResource+` AND name_key = $2 AND name_key <> ''`, source, nameKey))
}

// Resources returns at most limit resources of source from offset (0 is the
// first) on, ordered by Created and ID, and how many there are in all.
func (l *Ledger) Resources(ctx context.Context, source string, offset, limit int) ([]Resource, int, error) {
	var total int
	if err := l.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM resources WHERE source = $1`, source).Scan(&total); err != nil {
		return nil, 0, fault("count resources", err)
	}
	rows, err := l.read.QueryContext(ctx, selectResource+` ORDER BY created, id LIMIT $2 OFFSET $3`, source, max(limit, 0), max(offset, 0))
	if err != nil {
		return nil, 0, fault("list resources", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Resource
	for rows.Next() {
		r, err := l.scanResource(source, rows)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, r)
	}
	return list, total, fault("list resources", rows.Err())
}

// DropResource removes a resource; ErrNotFound if there is none.
func (l *Ledger) DropResource(ctx context.Context, source, id string) error {
	n, err := l.durable.exec(ctx, `DELETE FROM resources WHERE source = $1 AND id = $2`, source, id)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return fault("drop a resource", err)
}
