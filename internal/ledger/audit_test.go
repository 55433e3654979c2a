package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/audit"
)

func entry(event audit.Event, ref string) audit.Entry {
	return audit.Entry{Time: noon, Event: event, Ref: ref}
}

func told(event audit.Event, ref, actor, reason string) audit.Entry {
	e := entry(event, ref)
	e.Actor, e.Reason = actor, reason
	return e
}

// rowsOf returns all rows and fails if they are no chain.
func rowsOf(t *testing.T, l *Ledger) []audit.Row {
	t.Helper()
	prev := audit.Genesis()
	ok(t, l.EachRow(ctx, 0, 0, func(s audit.Stored) error {
		if !bytes.Equal(s.Prev, prev) || !bytes.Equal(s.Hash, audit.Link(prev, s.Body)) {
			t.Errorf("row %d does not follow the one before", s.Seq)
		}
		prev = s.Hash
		return nil
	}))
	rows, err := l.Rows(ctx, RowFilter{})
	ok(t, err)
	for i, r := range rows {
		if r.Seq != uint64(i) {
			t.Errorf("row %d stands at %d", r.Seq, i)
		}
	}
	return rows
}

func seqs(rows []audit.Row) string {
	var out []uint64
	for _, r := range rows {
		out = append(out, r.Seq)
	}
	return fmt.Sprint(out)
}

func TestAppend(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		full := audit.Entry{Time: noon.Add(1234567), Event: audit.EventPassIssued, Ref: "ref", UserID: "user", MethodID: "method", RequestID: "request",
			Outcome: "ok", Reason: "why", Actor: "who", Detail: "more", UsableFrom: noon, UsableUntil: noon.Add(time.Hour), Used: "none", DeleteRequestID: "d"}
		ok(t, l.Append(ctx, full))
		ok(t, l.Append(ctx, entry(audit.EventPassGone, "ref")))
		rows := rowsOf(t, l)
		if len(rows) != 3 || rows[0].Event != audit.EventLedgerOpened || len(rows[0].Chain) != 32 || rows[0].Chain != l.Chain() {
			t.Fatalf("%+v", rows)
		}
		if d := cmp.Diff(full, rows[1].Entry); d != "" {
			t.Error(d)
		}
		// Another process goes on with the same chain.
		ok(t, w.open().Append(ctx, entry(audit.EventPassGone, "other")))
		same(t, len(rowsOf(t, l)), 4)
	})
}

func TestAppendRefuses(t *testing.T) {
	l := sqliteWorld(t).open()
	if l.Append(ctx, audit.Entry{Time: noon}) == nil || l.Append(ctx, audit.Entry{Event: audit.EventPassGone}) == nil {
		t.Error("takes an entry without event or time")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	wants(t, l.Append(done, entry(audit.EventPassGone, "a")), context.Canceled)
	same(t, len(rowsOf(t, l)), 1)
	ok(t, l.Close())
	wants(t, l.Append(ctx, entry(audit.EventPassGone, "a")), ErrClosed)
}

func TestTheDatabaseRefusesChanges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		ok(t, l.Append(ctx, entry(audit.EventPassGone, "a")))
		statements := []string{
			`UPDATE audit SET ref = 'b' WHERE seq = 1`,
			`UPDATE audit SET seq = 9 WHERE seq = 1`,
			`DELETE FROM audit WHERE seq = 1`,
			`DELETE FROM audit`,
		}
		if w.cfg.Driver == Postgres {
			statements = append(statements, `TRUNCATE audit`)
		} else {
			statements = append(statements,
				`INSERT OR REPLACE INTO audit (seq, at, event, ref, method_id, body, hash) VALUES (1, 0, '', '', '', x'00', x'00')`,
				`REPLACE INTO audit (seq, at, event, ref, method_id, body, hash) VALUES (1, 0, '', '', '', x'00', x'00')`)
		}
		for _, s := range statements {
			if _, err := l.durable.db.Exec(s); err == nil {
				t.Errorf("takes %s", s)
			}
		}
		same(t, seqs(rowsOf(t, l)), "[0 1]")
	})
}

func TestManyProcessesAppend(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const handles, each, at = 3, 40, 8
		var wg sync.WaitGroup
		for h := range handles {
			l := w.open()
			for g := range at {
				wg.Go(func() {
					for i := range each / at {
						if err := l.Append(ctx, told(audit.EventPassIssue, fmt.Sprintf("%d/%d/%d", h, g, i), "who", "why")); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		seen := map[string]bool{}
		for _, r := range rowsOf(t, w.open()) {
			seen[r.Ref] = true
		}
		same(t, len(seen), handles*each+1)
	})
}

func TestRowFilter(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		at := func(e audit.Entry, hours int) audit.Entry {
			e.Time = noon.Add(time.Duration(hours) * time.Hour)
			return e
		}
		pass := entry(audit.EventPassGone, "a")
		pass.MethodID = "m"
		for _, e := range []audit.Entry{
			at(told(audit.EventPassIssue, "a", "ann", "x"), 1),    // 1
			at(told(audit.EventJoinerClosed, "b", "bob", "y"), 2), // 2
			at(told(audit.EventPassRevoke, "a", "ann", "z"), 3),   // 3
			at(pass, 4), // 4
		} {
			ok(t, l.Append(ctx, e))
		}
		for _, tc := range []struct {
			f    RowFilter
			want string
		}{
			{RowFilter{}, "[0 1 2 3 4]"},
			{RowFilter{Newest: true}, "[4 3 2 1 0]"},
			{RowFilter{Newest: true, Limit: 2}, "[4 3]"},
			{RowFilter{Limit: 2}, "[0 1]"},
			{RowFilter{After: 2}, "[3 4]"},
			{RowFilter{Ref: "a"}, "[1 3 4]"},
			{RowFilter{Ref: "a", After: 1, Limit: 1}, "[3]"},
			{RowFilter{Actor: "ann"}, "[1 3]"},
			{RowFilter{Actor: "Ann"}, "[]"},
			{RowFilter{Actor: "ann", Ref: "b"}, "[]"},
			{RowFilter{MethodID: "m"}, "[4]"},
			{RowFilter{Events: []audit.Event{audit.EventPassGone, audit.EventPassIssue}}, "[1 4]"},
			{RowFilter{From: noon.Add(2 * time.Hour), Until: noon.Add(4 * time.Hour)}, "[2 3]"},
			{RowFilter{Ref: "' OR 1=1 --"}, "[]"},
		} {
			rows, err := l.Rows(ctx, tc.f)
			ok(t, err)
			if got := seqs(rows); got != tc.want {
				t.Errorf("%+v: %s, want %s", tc.f, got, tc.want)
			}
		}
		for first, want := range map[uint64]string{0: "[0 1]", 1: "[1 2]", 4: "[4]", 5: "[]"} {
			rows, err := l.RowsFrom(ctx, first, 2)
			ok(t, err)
			same(t, seqs(rows), want)
		}
	})
}

func TestWhatIsPersonalIsSealed(t *testing.T) {
	w := sqliteWorld(t)
	l := w.open()
	ok(t, l.Append(ctx, told(audit.EventPassIssue, "ref", canary, canary)))
	ok(t, l.SetHalt(ctx, Halt{On: true, Actor: canary, Reason: canary}))
	ok(t, l.SetPause(ctx, Pause{Source: "hr", On: true, Actor: canary, Reason: canary}))
	ok(t, l.Close())
	for _, raw := range filesUnder(t, strings.TrimSuffix(w.cfg.File, "ledger.db")) {
		if bytes.Contains(raw, []byte(canary)) {
			t.Error("who or why stands in clear")
		}
	}
}

func TestErase(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		for _, e := range []audit.Entry{
			told(audit.EventPassIssue, "a", "ann", canary), told(audit.EventPassIssue, "b", "ann", "y"),
			told(audit.EventPassRevoke, "a", "bob", canary), told(audit.EventPassRevoke, "a2", "bob", "later id"),
		} {
			ok(t, l.Append(ctx, e))
		}
		ok(t, l.PutEmployees(ctx, []Employee{employee("a", noon), employee("b", noon)}))
		open := employee("a", noon.Add(time.Hour))
		open.Open = true
		ok(t, l.PutEmployees(ctx, []Employee{open}))
		ok(t, l.PutAlias(ctx, "hr", "a2", "a", noon))
		ok(t, l.Hold(ctx, Held{Source: "hr", Ref: "a", Kind: "contact"}))

		if _, err := l.Erase(ctx, "a", "dora", "asked"); !errors.Is(err, ErrJourneyOpen) {
			t.Fatalf("erases while a journey runs: %v", err)
		}
		same(t, len(rowsOf(t, l)), 5)
		closed := employee("a", noon.Add(2*time.Hour))
		closed.Open = false
		ok(t, l.PutEmployees(ctx, []Employee{closed}))
		n, err := l.Erase(ctx, "a2", "dora", "asked") // by either reference
		ok(t, err)
		same(t, n, 3)
		rows := rowsOf(t, l)
		for _, r := range rows[1:] {
			gone := r.Ref != "b" && r.Event != audit.EventPersonalErased
			if r.Erased != gone || gone != (r.Actor == "") || r.Ref == "" {
				t.Errorf("row %d: %+v", r.Seq, r)
			}
		}
		last := rows[len(rows)-1]
		if last.Event != audit.EventPersonalErased || last.Ref != "a" || last.Actor != "dora" || fmt.Sprint(last.Cleared) != "[[1 1] [3 4]]" {
			t.Errorf("%+v", last)
		}
		if _, found, err := l.Employee(ctx, "hr", "a"); found || err != nil {
			t.Errorf("the employee stays: %v", err)
		}
		if _, found, err := l.Employee(ctx, "hr", "b"); !found || err != nil {
			t.Errorf("another employee goes: %v", err)
		}
		if held, err := l.HeldByRef(ctx, "a"); len(held) != 0 || err != nil {
			t.Errorf("held: %v, %v", held, err)
		}
		if _, found, err := l.Alias(ctx, "hr", "a2"); found || err != nil {
			t.Errorf("the alias stays: %v", err)
		}

		n, err = l.EraseActor(ctx, "ann", "dora", "left")
		ok(t, err)
		same(t, n, 1)
		if rows := rowsOf(t, l); !rows[2].Erased || rows[len(rows)-1].Erased {
			t.Errorf("%+v", rows)
		}
		if n, err := l.EraseActor(ctx, "nobody", "dora", "left"); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := l.Erase(ctx, "", "dora", "x"); err == nil {
			t.Error("erases everybody")
		}
		if _, err := l.EraseActor(ctx, "", "dora", "x"); err == nil {
			t.Error("erases Firstpass")
		}
	})
}

func TestEraseIsOneTransaction(t *testing.T) {
	w := sqliteWorld(t)
	l := w.open()
	ok(t, l.Append(ctx, told(audit.EventPassIssue, "a", "ann", "x")))
	_, err := l.durable.db.Exec(`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END`)
	ok(t, err)
	if _, err := l.Erase(ctx, "a", "dora", "asked"); err == nil {
		t.Fatal("no error")
	}
	if rows := rowsOf(t, l); rows[1].Erased {
		t.Error("erased without a row that says so")
	}
}

func TestDiskFull(t *testing.T) {
	w := sqliteWorld(t)
	l := w.open()
	var pages int
	ok(t, l.durable.db.QueryRow(`PRAGMA page_count`).Scan(&pages))
	_, err := l.durable.db.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+4))
	ok(t, err)
	written, failed := 0, 0
	for i := range 200 {
		if err := l.Append(ctx, told(audit.EventPassIssue, fmt.Sprint(i), "who", strings.Repeat("x", 400))); err != nil {
			failed++
			if strings.Contains(err.Error(), "xxx") {
				t.Errorf("the error quotes what was written: %v", err)
			}
			continue
		}
		written++
	}
	if failed == 0 || written == 0 {
		t.Fatalf("%d written, %d failed", written, failed)
	}
	// Nothing that was confirmed is lost, and nothing else is there.
	same(t, len(rowsOf(t, l)), written+1)
	_, err = l.durable.db.Exec(`PRAGMA max_page_count = 1000000`)
	ok(t, err)
	ok(t, l.Append(ctx, entry(audit.EventPassIssue, "after")))
	same(t, len(rowsOf(t, l)), written+2)
}

func TestDatabaseAway(t *testing.T) {
	w := postgresWorld(t)
	l := w.open()
	ok(t, l.Append(ctx, entry(audit.EventPassIssue, "a")))
	admin, err := sql.Open("pgx", server.url)
	ok(t, err)
	defer admin.Close()
	name := strings.TrimPrefix(w.database(), "/")
	_, err = admin.Exec(`ALTER DATABASE ` + name + ` WITH ALLOW_CONNECTIONS false`)
	ok(t, err)
	_, err = admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
	ok(t, err)
	for range 3 {
		if err := l.Append(ctx, entry(audit.EventPassIssue, "b")); err == nil {
			t.Fatal("appends without a database")
		}
	}
	_, err = admin.Exec(`ALTER DATABASE ` + name + ` WITH ALLOW_CONNECTIONS true`)
	ok(t, err)
	ok(t, l.Append(ctx, entry(audit.EventPassIssue, "c")))
	same(t, len(rowsOf(t, l)), 3)
}

// The database refuses one row of a group: the others get in, in one chain.
func TestOneBadRowFailsOneCaller(t *testing.T) {
	w := sqliteWorld(t)
	l := w.open()
	_, err := l.durable.db.Exec(`CREATE TRIGGER picky BEFORE INSERT ON audit WHEN NEW.ref = 'bad' BEGIN SELECT RAISE(ABORT, 'bad'); END`)
	ok(t, err)
	tx, err := l.durable.db.Begin() // holds the only connection until all have queued
	ok(t, err)
	var wg sync.WaitGroup
	for i := range 20 {
		ref := fmt.Sprint(i)
		if i == 7 {
			ref = "bad"
		}
		wg.Go(func() {
			if err := l.Append(ctx, entry(audit.EventPassIssue, ref)); (err != nil) != (ref == "bad") {
				t.Errorf("%s: %v", ref, err)
			}
		})
	}
	ok(t, tx.Rollback())
	wg.Wait()
	same(t, len(rowsOf(t, l)), 20)
}

func TestSwitches(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		h, err := l.Halt(ctx)
		ok(t, err)
		same(t, h, Halt{})
		want := Halt{On: true, Actor: "ann", Reason: "theft", Since: noon}
		ok(t, l.SetHalt(ctx, Halt{On: true, Actor: "ann", Reason: "theft"}))
		other := w.open()
		h, err = other.Halt(ctx)
		ok(t, err)
		same(t, h, want)
		on, err := other.Halted(ctx)
		ok(t, err)
		same(t, on, true)
		ok(t, other.SetHalt(ctx, Halt{Actor: "bob", Reason: "found"}))
		on, err = l.Halted(ctx)
		ok(t, err)
		same(t, on, false)

		p, err := l.Paused(ctx, "hr")
		ok(t, err)
		same(t, p, Pause{Source: "hr"})
		paused := Pause{Source: "hr", On: true, Actor: "ann", Reason: "strange", Since: noon.Add(time.Hour)}
		ok(t, l.SetPause(ctx, paused))
		ok(t, l.SetPause(ctx, Pause{Source: "halt", On: true}))
		ok(t, l.SetPause(ctx, Pause{Source: "csv", On: false}))
		p, err = l.Paused(ctx, "hr")
		ok(t, err)
		same(t, p, paused)
		list, err := l.Pauses(ctx)
		ok(t, err)
		if len(list) != 2 || list[0].Source != "halt" || list[1] != paused {
			t.Errorf("%+v", list)
		}
		on, err = l.Halted(ctx)
		ok(t, err)
		same(t, on, false) // a source may be called halt
		if l.SetPause(ctx, Pause{On: true}) == nil {
			t.Error("pauses nothing")
		}
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		now := noon
		w.cfg.Now = func() time.Time { return now }
		l := w.open()
		ok(t, l.PutSession(ctx, "h", []byte("sealed"), noon.Add(time.Hour)))
		ok(t, l.PutSession(ctx, "h", []byte("again"), noon.Add(2*time.Hour)))
		ok(t, l.PutSession(ctx, "i", []byte("other"), noon.Add(time.Hour)))
		got, found, err := w.open().Session(ctx, "h")
		if string(got) != "again" || !found || err != nil {
			t.Errorf("%q, %v, %v", got, found, err)
		}
		ok(t, l.DropSession(ctx, "i"))
		ok(t, l.DropSession(ctx, "i"))
		if _, found, err = l.Session(ctx, "i"); found || err != nil {
			t.Errorf("%v, %v", found, err)
		}
		now = noon.Add(2 * time.Hour)
		if _, found, err = l.Session(ctx, "h"); found || err != nil {
			t.Errorf("a session that has ended: %v, %v", found, err)
		}
		now = now.Add(time.Minute)
		done, err := l.Purge(ctx, Before{})
		ok(t, err)
		same(t, done.Sessions, 1)
	})
}

func BenchmarkAppend64(b *testing.B) {
	eachBench(b, func(b *testing.B, l *Ledger) {
		b.SetParallelism(32) // times two processors
		e := told(audit.EventPassIssue, "0123456789abcdef0123456789abcdef", "ann@example.org", "a reason of some length, as people type them")
		e.UserID, e.MethodID, e.RequestID = "00000000-0000-0000-0000-000000000000", "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000"
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := l.Append(ctx, e); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(b.N)/float64(l.rows.transactions.Load()), "rows/commit")
	})
}
