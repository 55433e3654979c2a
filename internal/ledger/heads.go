package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"time"

	"firstpass.internal/internal/audit"
)

// Head is a signed head, with the rows since the one before it.
type Head struct {
	First, Seq uint64 // of the rows, both in it
	Signed     []byte // as audit.SignedHead encodes it
	Exported   bool   // its rows are in the export folder
}

// AddHead has sign make a head of the chain as it is now, and keeps it; no rows
// come meanwhile. It does nothing if there is none to make: no row has come since
// the last head.
func (l *Ledger) AddHead(ctx context.Context, sign func(audit.Head) (audit.SignedHead, error)) error {
	return fault("add a head", l.durable.run(ctx, func(tx *sql.Tx) error {
		if err := l.lockChain(ctx, tx); err != nil {
			return err
		}
		h := audit.Head{Chain: l.chain.id, Time: l.now().UTC()}
		var hash []byte
		if err := tx.QueryRowContext(ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&h.Seq, &hash); err != nil {
			return err
		}
		h.Hash = hex.EncodeToString(hash)
		var first uint64
		var last []byte
		err := tx.QueryRowContext(ctx, `SELECT signed FROM audit_heads ORDER BY seq DESC LIMIT 1`).Scan(&last)
		if err != nil && !isNoRows(err) {
			return err
		}
		if err == nil {
			before, err := audit.ReadHead(last)
			if err != nil {
				return err
			}
			if before.Head.Seq >= h.Seq {
				return nil
			}
			first = before.Head.Seq + 1
			h.Previous = &audit.HeadRef{Seq: before.Head.Seq, Hash: before.Head.Hash}
		}
		signed, err := sign(h)
		if err != nil {
			return err
		}
		text, err := signed.Encode()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO audit_heads (seq, first, at, signed) VALUES ($1, $2, $3, $4)`,
			int64(h.Seq), int64(first), millis(h.Time), text)
		return err
	}))
}

// Heads returns all heads, oldest first.
func (l *Ledger) Heads(ctx context.Context) ([]Head, error) {
	rows, err := l.read.QueryContext(ctx, `SELECT first, seq, signed, exported FROM audit_heads ORDER BY seq`)
	if err != nil {
		return nil, fault("read heads", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Head
	for rows.Next() {
		var h Head
		var exported int64
		if err := rows.Scan(&h.First, &h.Seq, &h.Signed, &exported); err != nil {
			return nil, fault("read heads", err)
		}
		h.Exported = exported > 0
		list = append(list, h)
	}
	return list, fault("read heads", rows.Err())
}

// LastHead returns when the newest head was made; zero if there is none.
func (l *Ledger) LastHead(ctx context.Context) (time.Time, error) {
	var at int64
	err := l.read.QueryRowContext(ctx, `SELECT at FROM audit_heads ORDER BY seq DESC LIMIT 1`).Scan(&at)
	if isNoRows(err) {
		return time.Time{}, nil
	}
	return moment(at), fault("read the newest head", err)
}

// MarkExported notes that the rows of the head at seq are in the export folder.
func (l *Ledger) MarkExported(ctx context.Context, seq uint64) error {
	_, err := l.durable.exec(ctx, `UPDATE audit_heads SET exported = $2 WHERE seq = $1`, int64(seq), millis(l.now()))
	return fault("note an export", err)
}
