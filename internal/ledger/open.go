package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also registers the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// busyWait is how long SQLite waits for another process.
	busyWait = 10 * time.Second
	// busyPause is between tries at what SQLite does not wait for itself.
	busyPause = 20 * time.Millisecond
	// postgresConns bounds what one process takes of a server's connections,
	// of which PostgreSQL has 100 by default.
	postgresConns = 16
)

// openSQLite uses three pools: any number of readers and one connection for
// each kind of write. The writes take turns in the process, so that SQLite's
// busy handler, which sleeps and is not fair, only waits for other processes.
func (l *Ledger) openSQLite(ctx context.Context, path string) error {
	if path == "" {
		return errors.New("ledger: want the path of the SQLite file")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := create(path); err != nil {
		return err
	}
	turn := make(chan struct{}, 1)
	if l.durable, err = openWriter(path, "FULL", turn); err != nil {
		return err
	}
	if l.fast, err = openWriter(path, "NORMAL", turn); err != nil {
		return err
	}
	if l.read, err = openPool(path, url.Values{"_pragma": {busyPragma(), "query_only(1)"}}, max(4, runtime.NumCPU())); err != nil {
		return err
	}
	if err := useWAL(ctx, l.durable.db); err != nil {
		return fault("open the SQLite file", err)
	}
	return migrate(ctx, goose.DialectSQLite3, l.durable.db)
}

// create makes a missing file, so that its mode is ours; SQLite gives the same
// mode to the files beside it. A file that exists is not opened: closing it
// would drop the POSIX locks that another ledger of this process holds
// (https://www.sqlite.org/howtocorrupt.html, 2.2).
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ledger: make the SQLite file: %w", err)
	}
	return f.Close()
}

func busyPragma() string { return fmt.Sprintf("busy_timeout(%d)", busyWait.Milliseconds()) }

func openWriter(path, synchronous string, turn chan struct{}) (writer, error) {
	db, err := openPool(path, url.Values{
		"_pragma": {busyPragma(), "synchronous(" + synchronous + ")"},
		// Whoever has to wait for another process waits before the first
		// statement: one that reads first and writes later could not, and a
		// statement that fails means that its row is at fault.
		"_txlock": {"immediate"},
	}, 1)
	return writer{db, turn}, err
}

func openPool(path string, query url.Values, conns int) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("ledger: open the SQLite file: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// useWAL switches the file to WAL mode, where it stays. SQLite answers busy at
// once, whatever its timeout, while another process does the same.
func useWAL(ctx context.Context, db *sql.DB) error {
	end := time.Now().Add(busyWait)
	for {
		var mode string
		err := db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("journal mode is %s: the file system can't do WAL; use a local disk", mode)
		}
		if !isBusy(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isBusy: the low byte of an extended code is the primary one; 5 is SQLITE_BUSY.
func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == 5
}

func (l *Ledger) openPostgres(ctx context.Context, connString string) error {
	cfg, err := pgx.ParseConfig(connString)
	if err != nil {
		// The error of the parser quotes the URL.
		return errors.New("ledger: the PostgreSQL URL can't be read; want postgres://user:password@host:port/name")
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	w := writer{db, make(chan struct{}, postgresConns)}
	l.read, l.durable, l.fast = db, w, w
	if err := db.PingContext(ctx); err != nil {
		// Names host, user, database and what the server says; no password.
		return fmt.Errorf("ledger: connect to PostgreSQL: %w", err)
	}
	return migrate(ctx, goose.DialectPostgres, db)
}

// migrate brings the schema up to date.
//
// Processes that start together may run the same migration. Each runs in a
// transaction that waits for the other's, so the loser fails after the winner
// has committed: a failure that finds the schema further on than before only
// has to try again. That holds in both databases and needs no lock that a crash
// could leave behind.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("ledger: migrations: %w", err)
	}
	// A provider that is not verbose logs nothing.
	p, err := goose.NewProvider(dialect, db, dir, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(appendOnly(dialect)))
	if err != nil {
		return fmt.Errorf("ledger: migrations: %w", err)
	}
	for {
		before, known, err := p.GetVersions(ctx)
		if err != nil {
			return fault("read the version of the schema", err)
		}
		if before > known {
			return fmt.Errorf("ledger: the schema has version %d, this program knows %d; run the newer program", before, known)
		}
		_, failed := p.Up(ctx)
		if failed == nil {
			return nil
		}
		after, _, err := p.GetVersions(ctx)
		if err != nil || after == before {
			return fault("bring the schema up to date", errors.Join(failed, err))
		}
	}
}
