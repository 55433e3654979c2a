package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// tries bounds how often a transaction runs that PostgreSQL ends as a deadlock's
// victim, as it may when Purge meets others.
const tries = 5

// writer runs transactions, as many at once as turn has room for.
type writer struct {
	db   *sql.DB
	turn chan struct{}
}

// run commits what do writes, or nothing. do may run several times.
func (w writer) run(ctx context.Context, do func(*sql.Tx) error) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	for range tries {
		if err = w.once(ctx, do); !isDeadlock(err) {
			return err
		}
	}
	return err
}

func (w writer) once(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, ended(tx.Rollback()))
	}
	return tx.Commit()
}

// ended drops the error of a transaction that is over already, as it is once
// its context is done.
func ended(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// exec runs one statement in a transaction of its own and returns how many rows
// it changed.
func (w writer) exec(ctx context.Context, query string, args ...any) (int, error) {
	var n int
	err := w.run(ctx, func(tx *sql.Tx) error {
		var err error
		n, err = affect(ctx, tx, query, args...)
		return err
	})
	return n, err
}

// affect runs a statement and returns how many rows it changed.
func affect(ctx context.Context, tx *sql.Tx, query string, args ...any) (int, error) {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

func isDeadlock(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
}

// chunked hands list to do in pieces of few sizes, so that a driver that keeps
// prepared statements keeps few. The largest is measured: PostgreSQL gains from
// more, but SQLite looks each numbered parameter up in a list of all.
func chunked[T any](list []T, do func([]T) error) error {
	for _, size := range [...]int{50, 10, 1} {
		for len(list) >= size {
			if err := do(list[:size]); err != nil {
				return err
			}
			list = list[size:]
		}
	}
	return nil
}

// places is "($1,$2),($3,$4)" for two rows of two columns; first is the number
// of the first.
func places(first, rows, columns int) string {
	var b strings.Builder
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "$%d", first+r*columns+c)
		}
		b.WriteByte(')')
	}
	return b.String()
}
