package ledger

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"firstpass.internal/internal/audit"
)

// auditLock keeps two processes from writing to the chain at once in
// PostgreSQL; SQLite's transactions take turns anyway. The number is arbitrary:
// "fp audit" in ASCII.
const auditLock int64 = 0x6670206175646974

// chain is what a ledger has to know of its chain to write to it.
type chain struct {
	id    string
	actor []byte // key of the hashes by which the rows of an actor are found
}

// pending is an entry on its way into the chain.
type pending struct {
	body     audit.Body // without seq
	personal *audit.Salted
}

// Append makes e a row of the chain and returns once it is on disk. Callers act
// only after nil: whatever the error, the row may be missing.
func (l *Ledger) Append(ctx context.Context, e audit.Entry) error {
	// Looked at before the write only: what is committed stays.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ledger: append: %w", err)
	}
	p, err := prepare(e)
	if err != nil {
		return err
	}
	return fault("append to the audit", l.rows.write(ctx, []pending{p}))
}

func prepare(e audit.Entry) (pending, error) {
	e, err := e.Cleaned()
	if err != nil {
		return pending{}, err
	}
	entry, personal := audit.Split(e)
	return pending{audit.Body{Entry: entry}, personal}, nil
}

// commitRows appends list in one transaction.
func (l *Ledger) commitRows(ctx context.Context, list []pending) error {
	return l.durable.run(ctx, func(tx *sql.Tx) error {
		return l.appendRows(ctx, tx, list)
	})
}

// lockChain keeps others from writing to the chain until tx ends.
func (l *Ledger) lockChain(ctx context.Context, tx *sql.Tx) error {
	if l.driver != Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, auditLock)
	return err
}

func (l *Ledger) appendRows(ctx context.Context, tx *sql.Tx, list []pending) error {
	if err := l.lockChain(ctx, tx); err != nil {
		return err
	}
	var seq uint64
	prev := audit.Genesis()
	err := tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&seq, &prev)
	switch {
	case isNoRows(err):
	case err != nil:
		return err
	default:
		seq++
	}
	rows := make([]storedRow, len(list))
	var side []storedPersonal
	for i, p := range list {
		p.body.Seq = seq + uint64(i)
		if p.personal != nil {
			if p.body.Personal, err = p.personal.Commitment(); err != nil {
				return refused{err}
			}
			plain, err := json.Marshal(p.personal)
			if err != nil {
				return refused{err}
			}
			side = append(side, storedPersonal{p.body.Seq, l.actorKey(p.personal.Actor), l.sealer.Seal(plain, personalLabel(p.body.Seq))})
		}
		r := storedRow{body: p.body}
		if r.text, err = p.body.Encode(); err != nil {
			return refused{err}
		}
		r.hash = audit.Link(prev, r.text)
		rows[i], prev = r, r.hash
	}
	if err := insertRows(ctx, tx, rows); err != nil {
		return refused{err}
	}
	if err := insertPersonal(ctx, tx, side); err != nil {
		return refused{err}
	}
	return nil
}

type storedRow struct {
	body       audit.Body
	text, hash []byte
}

type storedPersonal struct {
	seq      uint64
	actorKey string
	sealed   []byte
}

func insertRows(ctx context.Context, tx *sql.Tx, list []storedRow) error {
	return chunked(list, func(list []storedRow) error {
		const columns = 7
		args := make([]any, 0, columns*len(list))
		for _, r := range list {
			args = append(args, int64(r.body.Seq), millis(r.body.Time), string(r.body.Event), r.body.Ref, r.body.MethodID, r.text, r.hash)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO audit (seq, at, event, ref, method_id, body, hash) VALUES `+places(1, len(list), columns), args...)
		return err
	})
}

func insertPersonal(ctx context.Context, tx *sql.Tx, list []storedPersonal) error {
	return chunked(list, func(list []storedPersonal) error {
		const columns = 3
		args := make([]any, 0, columns*len(list))
		for _, p := range list {
			args = append(args, int64(p.seq), p.actorKey, p.sealed)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO audit_personal (seq, actor_key, sealed) VALUES `+places(1, len(list), columns), args...)
		return err
	})
}

func personalLabel(seq uint64) string {
	return label("audit_personal", strconv.FormatUint(seq, 10))
}

// actorKey is what the rows of an actor are found by; empty for Firstpass.
func (l *Ledger) actorKey(actor string) string {
	if actor == "" {
		return ""
	}
	h := hmac.New(sha256.New, l.chain.actor)
	h.Write([]byte(actor))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// openChain reads the chain's id and key, and begins a chain if there is none.
func (l *Ledger) openChain(ctx context.Context) error {
	err := l.readChain(ctx)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails since Go 1.24
	err = l.durable.run(ctx, func(tx *sql.Tx) error {
		if err := l.lockChain(ctx, tx); err != nil {
			return err
		}
		n, err := affect(ctx, tx, `INSERT INTO audit_keys (name, sealed) VALUES ('actor', $1) ON CONFLICT (name) DO NOTHING`,
			l.sealer.Seal(key, label("audit_keys", "actor")))
		if err != nil || n == 0 {
			return err // another process was quicker
		}
		return l.appendRows(ctx, tx, []pending{{body: audit.Body{
			Entry: audit.Entry{Time: l.now().UTC(), Event: audit.EventLedgerOpened}, Chain: audit.NewChain(),
		}}})
	})
	if err != nil {
		return fault("begin the audit", err)
	}
	return l.readChain(ctx)
}

func (l *Ledger) readChain(ctx context.Context) error {
	var sealed, body []byte
	err := l.read.QueryRowContext(ctx, `
		SELECT k.sealed, a.body FROM audit_keys k, audit a WHERE k.name = 'actor' AND a.seq = 0`).Scan(&sealed, &body)
	if err != nil {
		return fault("read the audit's first row", err)
	}
	first, err := audit.Stored{Body: body}.Row()
	if err != nil {
		return err
	}
	key, err := l.open(sealed, label("audit_keys", "actor"))
	if err != nil {
		return err
	}
	l.chain = chain{first.Chain, key}
	return nil
}

// Chain is the random id of the chain of rows.
func (l *Ledger) Chain() string { return l.chain.id }

// RowFilter says which rows are wanted; what is zero does not matter.
type RowFilter struct {
	Ref, Actor, MethodID string
	Events               []audit.Event
	From, Until          time.Time // of the entry's time: from From on, before Until
	After                uint64    // only rows with a larger Seq; 0: row 0 as well
	Newest               bool      // newest first
	Limit                int       // 0: all

	first, end uint64 // from first on, before end; 0: no end
}

// Rows returns the rows that f asks for, oldest first if it does not say
// otherwise.
func (l *Ledger) Rows(ctx context.Context, f RowFilter) ([]audit.Row, error) {
	var out []audit.Row
	err := l.eachRow(ctx, f, func(r audit.Stored) error {
		row, err := r.Row()
		out = append(out, row)
		return err
	})
	return out, err
}

func (l *Ledger) eachRow(ctx context.Context, f RowFilter, yield func(audit.Stored) error) error {
	if f.After > 0 {
		f.first = max(f.first, f.After+1)
	}
	where := `a.seq >= $1`
	args := []any{int64(f.first)}
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if f.Ref != "" {
		// The constant comparison lets both databases use the index on refs.
		where += ` AND a.ref <> '' AND a.ref = ` + arg(f.Ref)
	}
	if f.MethodID != "" {
		where += ` AND a.method_id <> '' AND a.method_id = ` + arg(f.MethodID)
	}
	if f.Actor != "" {
		where += ` AND p.actor_key <> '' AND p.actor_key = ` + arg(l.actorKey(f.Actor))
	}
	if len(f.Events) > 0 {
		where += ` AND a.event IN ` + places(len(args)+1, 1, len(f.Events))
		for _, e := range f.Events {
			args = append(args, string(e))
		}
	}
	if f.end > 0 {
		where += ` AND a.seq < ` + arg(int64(f.end))
	}
	if !f.From.IsZero() {
		where += ` AND a.at >= ` + arg(millis(f.From))
	}
	if !f.Until.IsZero() {
		where += ` AND a.at < ` + arg(millis(f.Until))
	}
	query := `SELECT a.seq, a.at, a.event, a.ref, a.method_id, a.body, b.hash, a.hash, p.sealed FROM audit a
		LEFT JOIN audit b ON b.seq = a.seq - 1
		LEFT JOIN audit_personal p ON p.seq = a.seq WHERE ` + where + ` ORDER BY a.seq`
	if f.Newest {
		query += ` DESC`
	}
	if f.Limit > 0 {
		query += ` LIMIT ` + arg(f.Limit)
	}
	rows, err := l.read.QueryContext(ctx, query, args...)
	if err != nil {
		return fault("read the audit", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var r audit.Stored
		var at int64
		var sealed []byte
		if err := rows.Scan(&r.Seq, &at, &r.Event, &r.Ref, &r.MethodID, &r.Body, &r.Prev, &r.Hash, &sealed); err != nil {
			return fault("read the audit", err)
		}
		r.At = moment(at)
		if r.Seq == 0 {
			r.Prev = audit.Genesis()
		}
		if sealed != nil {
			if r.Personal, err = l.openPersonal(r.Seq, sealed); err != nil {
				return err
			}
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return fault("read the audit", rows.Err())
}

func (l *Ledger) openPersonal(seq uint64, sealed []byte) (*audit.Salted, error) {
	plain, err := l.open(sealed, personalLabel(seq))
	if err != nil {
		return nil, err
	}
	p := new(audit.Salted)
	if err := json.Unmarshal(plain, p); err != nil {
		return nil, errors.New("ledger: the personal part of a row is no JSON")
	}
	return p, nil
}

// RowsFrom returns at most limit rows from seq first on, oldest first.
func (l *Ledger) RowsFrom(ctx context.Context, first uint64, limit int) ([]audit.Row, error) {
	return l.Rows(ctx, RowFilter{first: first, Limit: limit})
}

// EachRow calls yield for the rows from seq first to before end, oldest first,
// and stops at its first error, which it returns. An end of 0 is none. yield may
// use the ledger.
func (l *Ledger) EachRow(ctx context.Context, first, end uint64, yield func(audit.Stored) error) error {
	return l.eachRow(ctx, RowFilter{first: first, end: end}, yield)
}

// Newest returns the seq and hash of the newest row.
func (l *Ledger) Newest(ctx context.Context) (seq uint64, hash []byte, err error) {
	err = l.read.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&seq, &hash)
	return seq, hash, fault("read the audit's newest row", err)
}

// ErrJourneyOpen says that an employee still has a journey under way.
var ErrJourneyOpen = errors.New("ledger: a journey of the employee is under way; end it first")

// Erase deletes what is personal about the employee of ref: who and why in the
// rows about ref, what the sources said, what is held, and other references. It
// is itself a row, written by actor with a reason. It returns how many rows of
// the audit lost their personal part.
//
// Refs and the ids of Entra stay: they are pseudonyms. ErrJourneyOpen if a
// journey may still depend on what would be deleted.
func (l *Ledger) Erase(ctx context.Context, ref, actor, reason string) (int, error) {
	if ref == "" {
		return 0, errors.New("ledger: erase whom?")
	}
	// Of the references that HR gave one employee, journeys know the first.
	err := l.read.QueryRowContext(ctx, `SELECT first_ref FROM aliases WHERE ref = $1 LIMIT 1`, ref).Scan(&ref)
	if err != nil && !isNoRows(err) {
		return 0, fault("read an alias", err)
	}
	const same = `(ref = $1 OR ref IN (SELECT ref FROM aliases WHERE first_ref = $1))`
	e := audit.Entry{Event: audit.EventPersonalErased, Ref: ref, Actor: actor, Reason: reason}
	return l.erase(ctx, e, `seq IN (SELECT seq FROM audit WHERE ref <> '' AND `+same+`)`, ref, func(tx *sql.Tx) error {
		var open bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM employees WHERE journey_open AND `+same+`)`, ref).Scan(&open); err != nil {
			return err
		}
		if open {
			return ErrJourneyOpen
		}
		for _, statement := range []string{
			`DELETE FROM employees WHERE ` + same,
			`DELETE FROM held WHERE ` + same,
			`DELETE FROM aliases WHERE first_ref = $1`,
		} {
			if _, err := tx.ExecContext(ctx, statement, ref); err != nil {
				return err
			}
		}
		return nil
	})
}

// EraseActor deletes who and why in all rows that operator wrote. It is itself a
// row, written by actor with a reason, and returns how many rows lost their
// personal part.
func (l *Ledger) EraseActor(ctx context.Context, operator, actor, reason string) (int, error) {
	if operator == "" {
		return 0, errors.New("ledger: erase whom?")
	}
	e := audit.Entry{Event: audit.EventPersonalErased, Outcome: "operator", Actor: actor, Reason: reason}
	return l.erase(ctx, e, `actor_key <> '' AND actor_key = $1`, l.actorKey(operator), func(*sql.Tx) error { return nil })
}

func (l *Ledger) erase(ctx context.Context, e audit.Entry, where, of string, also func(*sql.Tx) error) (int, error) {
	e.Time = l.now()
	p, err := prepare(e)
	if err != nil {
		return 0, err
	}
	n := 0
	err = l.durable.run(ctx, func(tx *sql.Tx) error {
		n = 0
		if err := l.lockChain(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `DELETE FROM audit_personal WHERE `+where+` RETURNING seq`, of)
		if err != nil {
			return err
		}
		var gone []uint64
		for rows.Next() {
			var seq uint64
			if err := rows.Scan(&seq); err != nil {
				return errors.Join(err, rows.Close())
			}
			gone = append(gone, seq)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if err := also(tx); err != nil {
			return err
		}
		n = len(gone)
		p.body.Cleared = ranges(gone)
		return l.appendRows(ctx, tx, []pending{p})
	})
	if errors.Is(err, ErrJourneyOpen) {
		return 0, ErrJourneyOpen
	}
	return n, fault("erase", err)
}

// ranges says seqs shortly: each pair is the first and last of a run.
func ranges(seqs []uint64) [][2]uint64 {
	slices.Sort(seqs)
	var out [][2]uint64
	for _, s := range seqs {
		if n := len(out); n > 0 && out[n-1][1]+1 == s {
			out[n-1][1] = s
			continue
		}
		out = append(out, [2]uint64{s, s})
	}
	return out
}
