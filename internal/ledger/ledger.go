// Package ledger is the database of what intake has seen: the last state of
// every employee, deliveries, quarantined bodies, held changes, feeds and SCIM
// resources; of the links that invitations lead by; and of the journeys that
// somebody asked for. It stores and finds; it decides nothing.
//
// The database is a SQLite file or PostgreSQL, with one schema and one dialect.
// Whatever may be personal is sealed, with a label that names its table and
// primary key, so that a row copied onto another key does not open. Refs,
// source names, digests, times, counts and reasons stand in clear, and so do
// links: they are keyed hashes and opaque ids.
//
// SQLite wants a local disk: WAL mode shares memory between the processes that
// have the file open, which network file systems do not offer
// (https://www.sqlite.org/wal.html).
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The drivers.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// ErrNotFound says that there is no such record.
var ErrNotFound = errors.New("ledger: no such record")

// ErrConflict says that a resource exists, has another version than expected,
// or that another resource has one of its keys.
var ErrConflict = errors.New("ledger: the resource exists, has changed meanwhile, or one of its keys is taken")

// ErrClosed says that the ledger was closed.
var ErrClosed = errors.New("the ledger is closed")

// Sealer encrypts what is stored. What Seal made opens only with the same
// label. Both must be safe for concurrent use.
type Sealer interface {
	Seal(plain []byte, label string) []byte
	Open(sealed []byte, label string) ([]byte, error)
}

// Config is what a ledger needs.
type Config struct {
	Driver string // SQLite or Postgres
	File   string // SQLite: path of the file; made with mode 0600 if missing, in a directory that exists
	URL    string // Postgres: postgres://user:password@host/name, or any connection string of libpq
	Sealer Sealer
	Now    func() time.Time // stamps what is kept or held without a time; nil: time.Now
}

// Ledger is an open database. It is safe for concurrent use, and several
// processes may have the same database open.
//
// Times are kept to the millisecond, in UTC.
type Ledger struct {
	read    *sql.DB
	durable writer // returns once the commit is on disk
	fast    writer // a power cut may take the last moments; a crash of the process takes nothing
	group   *group[change]
	rows    *group[[]pending] // of the audit
	chain   chain
	driver  string
	sealer  Sealer
	now     func() time.Time
}

// Open opens the database, makes it if need be, and brings its schema up to
// date. Several processes may do so at once.
//
// Errors hold neither the URL nor its password.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	if cfg.Sealer == nil {
		return nil, errors.New("ledger: want a sealer")
	}
	l := &Ledger{sealer: cfg.Sealer, now: cfg.Now, driver: cfg.Driver}
	if l.now == nil {
		l.now = time.Now
	}
	var err error
	switch cfg.Driver {
	case SQLite:
		err = l.openSQLite(ctx, cfg.File)
	case Postgres:
		err = l.openPostgres(ctx, cfg.URL)
	default:
		err = fmt.Errorf("ledger: the driver must be %s or %s", SQLite, Postgres)
	}
	if err != nil {
		return nil, errors.Join(err, l.closePools())
	}
	l.group = newGroup(joined, l.commit)
	l.rows = newGroup(func(list [][]pending) []pending { return slices.Concat(list...) }, l.commitRows)
	if err = l.openChain(ctx); err == nil {
		err = l.Ping(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close commits what callers wait for and closes the database. Calls that come
// later fail. Closing twice does no harm.
func (l *Ledger) Close() error {
	l.group.close()
	l.rows.close()
	return l.closePools()
}

func (l *Ledger) closePools() error {
	var errs []error
	// The pool that may not write goes first: SQLite's last connection tidies
	// the WAL away, and only one that may write can.
	for _, db := range []*sql.DB{l.read, l.fast.db, l.durable.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Ping reads from the database.
func (l *Ledger) Ping(ctx context.Context) error {
	var n int
	return fault("ping", l.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM feeds WHERE source = ''`).Scan(&n))
}

// label names the place of a sealed value. Quoting keeps apart what joining
// would not.
func label(table string, key ...string) string {
	var b strings.Builder
	b.WriteString("firstpass/ledger/1/")
	b.WriteString(table)
	for _, k := range key {
		b.WriteByte('/')
		b.WriteString(strconv.Quote(k))
	}
	return b.String()
}

func (l *Ledger) open(sealed []byte, label string) ([]byte, error) {
	plain, err := l.sealer.Open(sealed, label)
	if err != nil {
		return nil, fmt.Errorf("ledger: a record does not open; check the keyring: %w", err)
	}
	return plain, nil
}

// fault says what failed. The text of a PostgreSQL error may quote values, so
// only its code is passed on (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func fault(doing string, err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pg):
		return fmt.Errorf("ledger: %s: postgres refused it, SQLSTATE %s", doing, pg.Code)
	case isNoRows(err):
		return ErrNotFound
	}
	return fmt.Errorf("ledger: %s: %w", doing, err)
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// millis is 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// notNull is never nil: nil would be NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// text is what both databases take: PostgreSQL refuses NUL and broken UTF-8,
// and a reason must not keep a body out of quarantine.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
