package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Employee is what a source last said of an employee.
type Employee struct {
	Source, Ref string
	Digest      []byte
	State       []byte // clear in memory, sealed at rest
	Start       string // YYYY-MM-DD, or "" for none
	Open        bool   // a journey may still depend on it
	ObservedAt  time.Time
	SeenAt      time.Time
	Missing     int // full feeds in a row that lacked it
}

// Digest is an Employee without what is personal.
type Digest struct {
	Ref        string
	Digest     []byte
	Start      string // YYYY-MM-DD, or ""
	Open       bool
	ObservedAt time.Time
	Missing    int
}

// sealedEmployee is a row.
type sealedEmployee struct {
	digest         []byte
	start          string
	open           bool
	observed, seen int64
	missing        int
	sealed         []byte
}

func employeeLabel(source, ref string) string { return label("employees", source, ref) }

// Employee returns what source last said of ref, and whether it said anything.
func (l *Ledger) Employee(ctx context.Context, source, ref string) (Employee, bool, error) {
	e := Employee{Source: source, Ref: ref}
	var observed, seen int64
	var sealed []byte
	err := l.read.QueryRowContext(ctx, `
		SELECT digest, start_day, journey_open, observed_at, seen_at, missing, sealed
		FROM employees WHERE source = $1 AND ref = $2`, source, ref).
		Scan(&e.Digest, &e.Start, &e.Open, &observed, &seen, &e.Missing, &sealed)
	if isNoRows(err) {
		return Employee{}, false, nil
	}
	if err != nil {
		return Employee{}, false, fault("read an employee", err)
	}
	e.ObservedAt, e.SeenAt = moment(observed), moment(seen)
	if e.State, err = l.open(sealed, employeeLabel(source, ref)); err != nil {
		return Employee{}, false, err
	}
	return e, true, nil
}

// Digests calls yield for every employee of source, in no order, and stops at
// its first error, which it returns. yield may use the ledger.
func (l *Ledger) Digests(ctx context.Context, source string, yield func(Digest) error) error {
	rows, err := l.read.QueryContext(ctx, `
		SELECT ref, digest, start_day, journey_open, observed_at, missing
		FROM employees WHERE source = $1`, source)
	if err != nil {
		return fault("read digests", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var d Digest
		var observed int64
		if err := rows.Scan(&d.Ref, &d.Digest, &d.Start, &d.Open, &observed, &d.Missing); err != nil {
			return fault("read digests", err)
		}
		d.ObservedAt = moment(observed)
		if err := yield(d); err != nil {
			return err
		}
	}
	return fault("read digests", rows.Err())
}

// PutEmployees writes each employee as given, SeenAt and Missing included,
// unless the ledger holds a later ObservedAt for it. Of two with the same
// ObservedAt the last one stays.
//
// It returns once the change is committed. A power cut may take the last
// moments; the fact is then sent again.
func (l *Ledger) PutEmployees(ctx context.Context, list []Employee) error {
	if len(list) == 0 {
		return nil
	}
	all := newChange()
	for _, e := range list {
		one := change{employees: map[employeeKey]sealedEmployee{
			{e.Source, e.Ref}: {
				digest: notNull(e.Digest), start: e.Start, open: e.Open,
				observed: millis(e.ObservedAt), seen: millis(e.SeenAt), missing: e.Missing,
				sealed: l.sealer.Seal(e.State, employeeLabel(e.Source, e.Ref)),
			},
		}}
		all.add(one)
	}
	return fault("put employees", l.group.write(ctx, all))
}

func writeEmployees(ctx context.Context, tx *sql.Tx, list map[employeeKey]sealedEmployee) error {
	keys := slices.SortedFunc(maps.Keys(list), func(a, b employeeKey) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.ref, b.ref))
	})
	// An update locks rows in whatever order PostgreSQL finds them, so two
	// changes of the same employees would often end in a deadlock.
	for i, k := range keys {
		if i > 0 && k.source == keys[i-1].source {
			continue
		}
		if err := lockSource(ctx, tx, k.source); err != nil {
			return err
		}
	}
	return chunked(keys, func(keys []employeeKey) error {
		const columns = 9
		args := make([]any, 0, columns*len(keys))
		for _, k := range keys {
			e := list[k]
			args = append(args, k.source, k.ref, e.digest, e.start, e.open, e.observed, e.seen, e.missing, e.sealed)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO employees (source, ref, digest, start_day, journey_open, observed_at, seen_at, missing, sealed)
			VALUES `+places(1, len(keys), columns)+`
			ON CONFLICT (source, ref) DO UPDATE SET
				digest = excluded.digest, start_day = excluded.start_day, journey_open = excluded.journey_open,
				observed_at = excluded.observed_at, seen_at = excluded.seen_at, missing = excluded.missing,
				sealed = excluded.sealed
			WHERE employees.observed_at <= excluded.observed_at`, args...)
		return err
	})
}

// touchRows is how many rows a transaction of TouchFeed changes:
// others may write in between.
const touchRows = 1000

// TouchFeed notes that a feed of source held these refs at a time, unchanged:
// SeenAt is at, Missing is 0, and ObservedAt is no earlier than observed, so that
// what was so before and arrives late counts as old. A zero observed leaves
// ObservedAt alone. Refs that the ledger does not know are passed over. An
// error may leave some refs touched.
func (l *Ledger) TouchFeed(ctx context.Context, source string, seen []string, at, observed time.Time) error {
	return fault("touch employees", l.updateRefs(ctx, source, seen,
		`UPDATE employees SET missing = 0, seen_at = $1, observed_at = CASE WHEN observed_at < $2 THEN $2 ELSE observed_at END`,
		millis(at), millis(observed)))
}

// updateRefs runs update, whose parameters are values, on refs of source.
func (l *Ledger) updateRefs(ctx context.Context, source string, refs []string, update string, values ...any) error {
	for part := range slices.Chunk(refs, touchRows) {
		err := l.fast.run(ctx, func(tx *sql.Tx) error {
			if err := lockSource(ctx, tx, source); err != nil {
				return err
			}
			return chunked(part, func(refs []string) error {
				n := len(values)
				args := make([]any, 0, n+1+len(refs))
				args = append(append(args, values...), source)
				for _, ref := range refs {
					args = append(args, ref)
				}
				_, err := tx.ExecContext(ctx, fmt.Sprintf("%s WHERE source = $%d AND ref IN %s", update, n+1, places(n+2, 1, len(refs))), args...)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Forget drops what is known of the employees of source, so that its next feed
// sends everything again, and returns how many there were.
func (l *Ledger) Forget(ctx context.Context, source string) (int, error) {
	n, err := l.durable.exec(ctx, `DELETE FROM employees WHERE source = $1`, source)
	return n, fault("forget employees", err)
}

// CountEmployees returns how many employees of source are known, and how many
// of them are open and start on from (YYYY-MM-DD) or later.
func (l *Ledger) CountEmployees(ctx context.Context, source, from string) (known, preHires int, err error) {
	err = l.read.QueryRowContext(ctx, `
		SELECT COUNT(*), COUNT(CASE WHEN journey_open AND start_day >= $2 THEN 1 END)
		FROM employees WHERE source = $1`, source, from).Scan(&known, &preHires)
	return known, preHires, fault("count employees", err)
}
