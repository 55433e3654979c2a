package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// base opens a database of the ledger beside Firstpass, as an attacker or a fault
// may.
func (w *testWorld) base(file string) *sql.DB {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	w.must(nil, err)
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// monitored is what monitoring reads.
func (w *testWorld) monitored(path string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+loopback(w.Ports.Metrics)+path, nil)
	w.must(nil, err)
	res, err := http.DefaultClient.Do(req)
	w.must(nil, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	w.must(nil, err)
	return string(raw)
}

// TestLedgerProves: a journey's rows are exported and verified with nothing but
// the public key, and each kind of tampering is found, in the export and in the
// database.
func TestLedgerProves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	id := w.Post(w.Joiner(w.Person, 3*time.Second))
	w.Onboard(w.Person)
	w.Completes(id)
	w.Do("ledger", "export")
	w.must(nil, w.StopFirstpass())
	public := w.Keys.file(ledgerKey) + ".pub"
	export := w.path(exportFolder)
	if _, says, code := w.Command("ledger", "verify", export, "--public-key", public); code != 0 {
		t.Fatalf("what is right: %d %s", code, says)
	}
	if out := w.Do("ledger", "receipt", workflows.RefOf(id)); !strings.Contains(out, "proven") && !strings.Contains(out, "gone") {
		t.Errorf("receipt:\n%s", out)
	}
	files := filesIn(t, export)
	biggest := ""
	for _, name := range files {
		if raw, err := os.ReadFile(filepath.Join(export, name)); err == nil && strings.Contains(string(raw), "pass.issued") {
			biggest = name
		}
	}
	lines := func(dir string) (string, []string) {
		name := filepath.Join(dir, biggest)
		raw, err := os.ReadFile(name)
		w.must(nil, err)
		return name, strings.SplitAfter(string(raw), "\n")
	}
	found := func(out, says string, code int) {
		t.Helper()
		t.Logf("exit status %d: %.200s", code, strings.ReplaceAll(strings.TrimSpace(out+says), "\n", " | "))
		if code == 0 {
			t.Error("not found")
		}
	}
	for name, tamper := range map[string]func(rows []string) []string{
		"a word changed": func(rows []string) []string {
			for i := range rows {
				rows[i] = strings.Replace(rows[i], "pass.issued", "pass.listed", 1)
			}
			return rows
		},
		"a row taken out": func(rows []string) []string { return append(rows[:2:2], rows[3:]...) },
		"two rows swapped": func(rows []string) []string {
			rows[2], rows[3] = rows[3], rows[2]
			return rows
		},
		"a row twice":    func(rows []string) []string { return append(rows[:3:3], rows[2:]...) },
		"the end gone":   func(rows []string) []string { return rows[:len(rows)/2] },
		"half a row":     func(rows []string) []string { return append(rows[:2:2], rows[2][:20]) },
		"no rows at all": func([]string) []string { return nil },
	} {
		t.Run("export, "+name, func(t *testing.T) {
			w := w.In(t)
			dir := filepath.Join(t.TempDir(), "export")
			w.must(nil, os.CopyFS(dir, os.DirFS(export)))
			file, rows := lines(dir)
			w.must(nil, os.Chmod(file, 0o600))
			w.must(nil, os.WriteFile(file, []byte(strings.Join(tamper(rows), "")), 0o600))
			out, says, code := w.Command("ledger", "verify", dir, "--public-key", public)
			found(out, says, code)
		})
	}
	// Whoever has the database drops the triggers first.
	for name, tamper := range map[string]string{
		"an event changed": `UPDATE audit SET body = CAST(REPLACE(CAST(body AS TEXT), 'pass.issued', 'pass.listed') AS BLOB), event = 'pass.listed' WHERE event = 'pass.issued'`,
		"a column changed": `UPDATE audit SET ref = 'another' WHERE event = 'pass.issued'`,
		"a row deleted":    `DELETE FROM audit WHERE seq = 3`,
		"a row renumbered": `UPDATE audit SET seq = 100000 WHERE seq = 3`,
		"two swapped":      `UPDATE audit SET seq = CASE seq WHEN 3 THEN -3 WHEN 4 THEN -4 END WHERE seq IN (3, 4); UPDATE audit SET seq = CASE seq WHEN -3 THEN 4 ELSE 3 END WHERE seq < 0`,
		"the hash changed": `UPDATE audit SET hash = zeroblob(32) WHERE seq = 3`,
		"the end cut off":  `DELETE FROM audit WHERE seq > (SELECT MAX(seq) FROM audit_heads) - 2`,
	} {
		t.Run("database, "+name, func(t *testing.T) {
			w := w.In(t)
			dir := t.TempDir()
			for _, suffix := range []string{"", "-wal", "-shm"} {
				raw, err := os.ReadFile(w.path(ledgerFile) + suffix)
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				w.must(nil, err)
				w.must(nil, os.WriteFile(filepath.Join(dir, ledgerFile+suffix), raw, 0o600))
			}
			db := w.base(filepath.Join(dir, ledgerFile))
			for _, trigger := range []string{"audit_no_update", "audit_no_delete", "audit_no_replace"} {
				w.must(db.ExecContext(t.Context(), `DROP TRIGGER `+trigger))
			}
			w.must(db.ExecContext(t.Context(), tamper))
			w.must(nil, db.Close())
			settings, err := os.ReadFile(w.Settings())
			w.must(nil, err)
			other := filepath.Join(dir, "firstpass.yaml")
			w.must(nil, os.WriteFile(other, []byte(strings.ReplaceAll(string(settings), w.path(ledgerFile), filepath.Join(dir, ledgerFile))), 0o600))
			out, says, code := w.CommandWith(other, "ledger", "verify", "--public-key", public)
			found(out, says, code)
		})
	}
	w.must(nil, w.StartFirstpass(t.Context()))
}

// TestLedgerFull: while no row can be written, nothing is issued, monitoring and
// console say so, and all goes on by itself once one can be.
func TestLedgerFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	ines := w.As(opsOperator)
	w.Post(w.Joiner(w.Person, 40*time.Minute))
	w.Passcode(w.Person, 1)
	other := firstPeople()[1]
	w.must(w.Hire(other))
	later := w.Post(w.Joiner(other, 30*24*time.Hour))
	w.WaitFor(later, time.Minute, "scheduled", func(v workflows.JourneyView) bool { return v.Stage == jml.StageScheduled })
	db := w.base(w.path(ledgerFile))
	w.must(db.ExecContext(t.Context(), `CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`))
	// It may be told, and comes due; that is not in the chain.
	w.Post(w.Joiner(other, 30*time.Minute))
	made := len(w.issues())
	w.Eventually(time.Minute, "monitoring says so", func() error {
		if s := w.monitored("/statusz"); !strings.Contains(s, `"ledger rows","needed":false,"state":"degraded"`) {
			return errors.New(s)
		}
		return nil
	})
	if r := ines.Send(http.MethodPut, "/v1/halt", map[string]any{"on": true, "reason": "to see whether it does"}, nil); r.status != http.StatusServiceUnavailable {
		t.Errorf("an act without a row: %s", r)
	}
	if got := len(w.issues()); got != made {
		t.Errorf("%d passes without a row", got-made)
	}
	w.must(db.ExecContext(t.Context(), `DROP TRIGGER full`))
	w.Eventually(2*time.Minute, "it goes on", func() error {
		if n := len(w.Mailbox.MailsTo(other.Mail)); n == 0 {
			return fmt.Errorf("%d mails", n)
		}
		return nil
	})
	if _, says, code := w.Command("ledger", "verify"); code != 0 {
		t.Errorf("the chain afterwards: %s", says)
	}
}
