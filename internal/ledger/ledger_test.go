package ledger

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"pgregory.net/rapid"
)

const canary = "canary-5e1d"

func TestOpenRefuses(t *testing.T) {
	keys := ring(t)
	dir := t.TempDir()
	for name, cfg := range map[string]Config{
		"nothing":        {},
		"no sealer":      {Driver: SQLite, File: filepath.Join(dir, "x.db")},
		"no driver":      {Sealer: keys},
		"no file":        {Driver: SQLite, Sealer: keys},
		"no directory":   {Driver: SQLite, File: filepath.Join(dir, "none", "x.db"), Sealer: keys},
		"directory":      {Driver: SQLite, File: dir, Sealer: keys},
		"bad url":        {Driver: Postgres, URL: "postgres://u:" + canary + "@host:port/%zz", Sealer: keys},
		"bad words":      {Driver: Postgres, URL: "host=h password='" + canary + " port", Sealer: keys},
		"nobody there":   {Driver: Postgres, URL: "postgres://u:" + canary + "@127.0.0.1:1/x", Sealer: keys},
		"no such socket": {Driver: Postgres, URL: "postgres://u:" + canary + "@/x?host=" + dir, Sealer: keys},
	} {
		l, err := Open(ctx, cfg)
		if err == nil {
			t.Errorf("%s: opens", name)
			l.Close()
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestOpenRefusesAFileThatIsNoDatabase(t *testing.T) {
	w := sqliteWorld(t)
	ok(t, os.WriteFile(w.cfg.File, []byte(strings.Repeat(canary, 200)), 0o600))
	_, err := Open(ctx, w.cfg)
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error = %v", err)
	}
}

func TestSQLiteFiles(t *testing.T) {
	w := sqliteWorld(t)
	w.cfg.File = filepath.Join(t.TempDir(), "a b?#%41ü.db")
	l := w.open()
	ok(t, l.PutEmployees(ctx, []Employee{employee("a", noon)}))
	entries, err := os.ReadDir(filepath.Dir(w.cfg.File))
	ok(t, err)
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		ok(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		names = append(names, e.Name())
	}
	base := filepath.Base(w.cfg.File)
	same(t, names, []string{base, base + "-shm", base + "-wal"})
}

func TestSQLitePragmas(t *testing.T) {
	l := sqliteWorld(t).open()
	for _, tc := range []struct{ name, pool, pragma, want string }{
		{"durable", "durable", "synchronous", "2"},
		{"fast", "fast", "synchronous", "1"},
		{"durable", "durable", "journal_mode", "wal"},
		{"read", "read", "query_only", "1"},
		{"read", "read", "busy_timeout", "10000"},
		{"fast", "fast", "busy_timeout", "10000"},
		{"durable", "durable", "busy_timeout", "10000"},
	} {
		db := l.read
		switch tc.pool {
		case "durable":
			db = l.durable.db
		case "fast":
			db = l.fast.db
		}
		var got string
		ok(t, db.QueryRow("PRAGMA "+tc.pragma).Scan(&got))
		if got != tc.want {
			t.Errorf("%s %s = %s, want %s", tc.name, tc.pragma, got, tc.want)
		}
	}
	// What waits for somebody goes the durable way; what may come again does not.
	ok(t, l.fast.db.Close())
	ok(t, l.Hold(ctx, Held{Source: "hr", Ref: "r", Kind: "contact"}))
	if err := l.AddCounts(ctx, "hr", noon, map[string]int{"n": 1}); err == nil {
		t.Error("counts went the durable way")
	}
	if err := l.MarkDelivery(ctx, "hr", "k", noon); err == nil {
		t.Error("a delivery went the durable way")
	}
}

func TestMigrate(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		ok(t, l.PutEmployees(ctx, []Employee{employee("a", noon)}))
		ok(t, l.Close())
		ok(t, l.Close())
		l = w.open()
		if _, found, err := l.Employee(ctx, "hr", "a"); !found || err != nil {
			t.Errorf("after opening again: %v, %v", found, err)
		}
		_, err := l.durable.db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`)
		ok(t, err)
		if newer, err := Open(ctx, w.cfg); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("a newer schema: %v", err)
			if err == nil {
				newer.Close()
			}
		}
	})
}

func TestManyOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := Open(ctx, w.cfg)
				if err != nil {
					t.Error(err)
					return
				}
				if err := l.PutEmployees(ctx, []Employee{employee("a", noon)}); err != nil {
					t.Error(err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var n int
		ok(t, w.open().read.QueryRow(`SELECT COUNT(*) FROM goose_db_version WHERE version_id = 1`).Scan(&n))
		same(t, n, 1)
	})
}

func TestUseWALWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	one, err := openWriter(path, "FULL", nil)
	ok(t, err)
	defer one.db.Close()
	two, err := openWriter(path, "FULL", nil)
	ok(t, err)
	defer two.db.Close()
	tx, err := one.db.Begin()
	ok(t, err)
	short, cancel := context.WithTimeout(ctx, 3*busyPause)
	defer cancel()
	wants(t, useWAL(short, two.db), context.DeadlineExceeded)
	ok(t, tx.Rollback())
	ok(t, useWAL(ctx, two.db))
	ok(t, useWAL(ctx, one.db))
}

// Another process does the first migration between this one's look at the
// version and its try.
func TestMigrateLosesARace(t *testing.T) {
	w := postgresWorld(t)
	db, err := sql.Open("pgx", w.cfg.URL)
	ok(t, err)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	ok(t, err)
	_, err = p.GetDBVersion(ctx) // makes the table of versions
	ok(t, err)
	winner, err := db.Begin()
	ok(t, err)
	_, err = winner.Exec(`CREATE TABLE employees (x BIGINT)`)
	ok(t, err)
	_, err = winner.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)`)
	ok(t, err)
	loser := make(chan error)
	go func() { loser <- migrate(ctx, goose.DialectPostgres, db) }()
	eventually(t, func() bool {
		var n int
		ok(t, db.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n))
		return n == 1
	})
	ok(t, winner.Commit())
	ok(t, <-loser)
}

func TestMigrateFailsForGood(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		_, err := l.durable.db.Exec(`DELETE FROM goose_db_version WHERE version_id = 1`)
		ok(t, err)
		if l, err := Open(ctx, w.cfg); err == nil {
			l.Close()
			t.Error("a table that is in the way is no error")
		}
	})
}

func TestManyProcessesOpenAnEmptyFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	keys := ring(t)
	var wg sync.WaitGroup
	for range 6 {
		cmd := childOf(t, "open", path, keys)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
}

func TestKeepSurvivesKill(t *testing.T) {
	w := sqliteWorld(t)
	keys := ring(t)
	w.cfg.Sealer = keys
	cmd := childOf(t, "keep", w.cfg.File, keys)
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	var ids []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		ids = append(ids, lines.Text())
		if len(ids) == 50 {
			ok(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
	if len(ids) < 50 {
		t.Fatalf("the child says %q", ids)
	}
	l := w.open()
	for _, id := range ids {
		_, body, err := l.QuarantinedBody(ctx, id)
		ok(t, err)
		same(t, string(body), "body of "+id)
	}
}

// fill writes one of everything that is sealed, with s in it, under key.
func fill(t *testing.T, l *Ledger, key, s string) {
	t.Helper()
	e := employee(key, noon)
	e.State = []byte(s)
	ok(t, l.PutEmployees(ctx, []Employee{e}))
	ok(t, l.Keep(ctx, Quarantined{ID: key, Source: "hr", At: noon}, []byte(s)))
	ok(t, l.Hold(ctx, Held{"hr", key, "contact", noon, []byte(s)}))
	ok(t, l.PutResource(ctx, Resource{"hr", key, "", "", 1, noon, noon, []byte(s)}, 0))
	ok(t, l.PutHandshake(ctx, "hr-"+key, []byte(s), noon))
}

func TestSealedAtRest(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		fill(t, l, "clear-ref-77", canary+" of a person")
		dir := server.dir
		if w.cfg.Driver == SQLite {
			dir = filepath.Dir(w.cfg.File)
		}
		if dir == "" {
			t.Skip("the files of a foreign PostgreSQL are out of reach")
		}
		scan := func() {
			t.Helper()
			found := false
			for _, raw := range filesUnder(t, dir) {
				found = found || bytes.Contains(raw, []byte("clear-ref-77"))
				if bytes.Contains(raw, []byte(canary)) {
					t.Error("a file holds what should be sealed")
				}
			}
			if !found {
				t.Error("no file holds the ref: the test looks at the wrong files")
			}
		}
		scan()
		if w.cfg.Driver == SQLite { // the file itself once more, without the WAL
			_, err := l.durable.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
			ok(t, err)
			scan()
		}
	})
}

func TestMovedRowsDoNotOpen(t *testing.T) {
	reads := map[string]func(l *Ledger) error{
		"employees":  func(l *Ledger) error { _, _, err := l.Employee(ctx, "hr", "a"); return err },
		"quarantine": func(l *Ledger) error { _, _, err := l.QuarantinedBody(ctx, "a"); return err },
		"held": func(l *Ledger) error {
			_, err := l.HeldState(ctx, "hr", "a", "contact")
			_, err2 := l.HeldByRef(ctx, "a")
			if (err == nil) != (err2 == nil) {
				return nil
			}
			return err
		},
		"resources":  func(l *Ledger) error { _, err := l.Resource(ctx, "hr", "a"); return err },
		"handshakes": func(l *Ledger) error { _, err := l.Handshakes(ctx, "hr-a"); return err },
	}
	where := map[string]string{
		"employees": "ref = '%s'", "quarantine": "id = '%s'", "held": "ref = '%s'", "resources": "id = '%s'", "handshakes": "source = 'hr-%s'",
	}
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		fill(t, l, "a", "of a")
		fill(t, l, "b", "of b "+canary)
		for table, read := range reads {
			ok(t, read(l))
			for from := range where {
				_, err := l.durable.db.Exec(fmt.Sprintf(`UPDATE %s SET sealed = (SELECT sealed FROM %s WHERE %s) WHERE %s`,
					table, from, fmt.Sprintf(where[from], "b"), fmt.Sprintf(where[table], "a")))
				ok(t, err)
				if err := read(l); err == nil || strings.Contains(err.Error(), canary) {
					t.Errorf("%s of b opens as %s of a: %v", from, table, err)
				}
			}
		}
	})
}

// With another keyring nothing that is there could be read, and what is written
// would be lost to everybody else.
func TestAnotherKeyringDoesNotOpen(t *testing.T) {
	w := sqliteWorld(t)
	fill(t, w.open(), "a", canary)
	w.cfg.Sealer = ring(t)
	l, err := Open(ctx, w.cfg)
	if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "check the keyring") {
		t.Errorf("error = %v", err)
	}
	if err == nil {
		l.Close()
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		refuse(t, w, l)
		for name, err := range map[string]error{
			"poison": l.AddCounts(ctx, canary, noon, map[string]int{"poison": 1}),
			"nul":    l.MarkFile(ctx, canary+"\x00", "d", "ok", noon),
			"taken":  l.PutResource(ctx, Resource{Source: canary, ID: canary}, 3),
		} {
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// refuse makes the database refuse the counter called poison.
func refuse(t *testing.T, w *world, l *Ledger) {
	t.Helper()
	query := `ALTER TABLE counts ADD CHECK (name <> 'poison')`
	if w.cfg.Driver == SQLite {
		query = `CREATE TRIGGER refuse BEFORE INSERT ON counts WHEN NEW.name = 'poison' BEGIN SELECT RAISE(ABORT, 'refused'); END`
	}
	_, err := l.durable.db.Exec(query)
	ok(t, err)
}

// stall stops all writes, with the group's writer in the middle of a batch of
// one delivery, until the function it returns is called. What is called
// meanwhile makes up the next batch.
func stall(t *testing.T, l *Ledger) (release func()) {
	t.Helper()
	turn := l.durable.turn
	for range cap(turn) {
		turn <- struct{}{}
	}
	first := make(chan error, 1)
	go func() { first <- l.MarkDelivery(ctx, "stall", "first", noon) }()
	eventually(t, func() bool { return l.group.transactions.Load() == 1 })
	return func() {
		t.Helper()
		for range cap(turn) {
			<-turn
		}
		ok(t, <-first)
	}
}

// queued waits until n calls wait for the next batch.
func queued(t *testing.T, l *Ledger, n int) {
	t.Helper()
	eventually(t, func() bool { return len(l.group.queue) == n })
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
	}
}

func TestGroupCommit(t *testing.T) {
	const calls = 300
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		release := stall(t, l)
		errs := make([]error, calls)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				switch i % 3 {
				case 0:
					errs[i] = l.PutEmployees(ctx, []Employee{employee(fmt.Sprint(i), noon)})
				case 1:
					errs[i] = l.MarkDelivery(ctx, "hr", fmt.Sprint(i), noon)
				case 2:
					errs[i] = l.AddCounts(ctx, "hr", noon, map[string]int{"ok": 1})
				}
			})
		}
		queued(t, l, calls)
		release()
		wg.Wait()
		ok(t, errors.Join(errs...))
		same(t, l.group.transactions.Load(), int64(2))
		known, _, err := l.CountEmployees(ctx, "hr", "")
		ok(t, err)
		same(t, known, calls/3)
		counts, err := l.Counts(ctx, "hr", noon)
		ok(t, err)
		same(t, counts, map[string]int{"ok": calls / 3})
		for i := 1; i < calls; i += 3 {
			if taken, err := l.Delivered(ctx, "hr", fmt.Sprint(i)); !taken || err != nil {
				t.Errorf("delivery %d: %v, %v", i, taken, err)
			}
		}
	})
}

func TestOneRefusedRowFailsOneCaller(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		refuse(t, w, l)
		release := stall(t, l)
		var wg sync.WaitGroup
		var good [20]error
		var bad error
		wg.Go(func() { bad = l.AddCounts(ctx, "hr", noon, map[string]int{"poison": 1, "ok": 1000}) })
		for i := range good {
			wg.Go(func() { good[i] = l.AddCounts(ctx, "hr", noon, map[string]int{"ok": 1}) })
		}
		queued(t, l, len(good)+1)
		release()
		wg.Wait()
		ok(t, errors.Join(good[:]...))
		if bad == nil {
			t.Error("the refused row has no error")
		}
		counts, err := l.Counts(ctx, "hr", noon)
		ok(t, err)
		same(t, counts, map[string]int{"ok": len(good)})
	})
}

func TestCallersThatLeftAreNotServed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		release := stall(t, l)
		gone, cancel := context.WithCancel(ctx)
		left := make(chan error)
		go func() { left <- l.AddCounts(gone, "hr", noon, map[string]int{"left": 1}) }()
		queued(t, l, 1)
		cancel()
		wants(t, <-left, context.Canceled)
		release()
		ok(t, l.AddCounts(ctx, "hr", noon, map[string]int{"stayed": 1}))
		counts, err := l.Counts(ctx, "hr", noon)
		ok(t, err)
		same(t, counts, map[string]int{"stayed": 1})
	})
}

func TestCloseDrains(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		release := stall(t, l)
		const calls = 40
		errs := make(chan error, calls)
		for range calls {
			go func() { errs <- l.AddCounts(ctx, "hr", noon, map[string]int{"ok": 1}) }()
		}
		queued(t, l, calls)
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		eventually(t, func() bool {
			l.group.mu.RLock()
			defer l.group.mu.RUnlock()
			return l.group.closed
		})
		wants(t, l.AddCounts(ctx, "hr", noon, map[string]int{"late": 1}), ErrClosed)
		release()
		ok(t, <-closed)
		for range calls {
			ok(t, <-errs)
		}
		counts, err := w.open().Counts(ctx, "hr", noon)
		ok(t, err)
		same(t, counts, map[string]int{"ok": calls})
	})
}

func TestTwoHandlesLoseNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		handles := []*Ledger{w.open(), w.open()}
		const writers, rounds = 8, 5
		var refs []string
		for i := range 200 {
			refs = append(refs, fmt.Sprint(i))
		}
		var wg sync.WaitGroup
		for _, l := range handles {
			for i := range writers {
				wg.Go(func() {
					for r := range rounds {
						var list []Employee
						for _, ref := range refs {
							list = append(list, employee(ref, noon.Add(time.Duration(r)*time.Second)))
						}
						if i%2 == 1 {
							slices.Reverse(list)
						}
						err := errors.Join(
							l.UpdateFeed(ctx, "hr", func(f *FeedState) { f.BrakeAllow++ }),
							l.AddCounts(ctx, "hr", noon, map[string]int{"a": 1, "b": 2}),
							l.PutEmployees(ctx, list),
							l.TouchFeed(ctx, "hr", refs, noon, noon),
						)
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		f, err := handles[0].Feed(ctx, "hr")
		ok(t, err)
		same(t, f.BrakeAllow, 2*writers*rounds)
		counts, err := handles[1].Counts(ctx, "hr", noon)
		ok(t, err)
		same(t, counts, map[string]int{"a": 2 * writers * rounds, "b": 4 * writers * rounds})
	})
}

func TestOneWinsAResource(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		handles := []*Ledger{w.open(), w.open()}
		race := func(put func(i int) error) (won int) {
			errs := make([]error, 16)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { errs[i] = put(i) })
			}
			wg.Wait()
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					wants(t, err, ErrConflict)
				}
			}
			return won
		}
		same(t, race(func(i int) error {
			return handles[i%2].PutResource(ctx, Resource{Source: "hr", ID: fmt.Sprint(i), Key: "same", Version: 1}, 0)
		}), 1)
		r, err := handles[0].ResourceByKey(ctx, "hr", "same")
		ok(t, err)
		same(t, race(func(i int) error {
			return handles[i%2].PutResource(ctx, Resource{Source: "hr", ID: r.ID, Key: "same", Version: 2}, 1)
		}), 1)
	})
}

func TestReadsDoNotWaitForWrites(t *testing.T) {
	l := sqliteWorld(t).open()
	tx, err := l.durable.db.Begin()
	ok(t, err)
	defer tx.Rollback()
	_, err = tx.Exec(`INSERT INTO deliveries (source, hash, at) VALUES ('hr', 'k', 1)`)
	ok(t, err)
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	taken, err := l.Delivered(short, "hr", "k")
	ok(t, err)
	same(t, taken, false)
}

func TestWritesWaitAtTheirStart(t *testing.T) {
	w := sqliteWorld(t)
	l, other := w.open(), w.open()
	tx, err := other.fast.db.Begin()
	ok(t, err)
	defer tx.Rollback()
	for _, db := range []*sql.DB{l.durable.db, l.fast.db} {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		tx, err := db.BeginTx(short, nil)
		wants(t, err, context.DeadlineExceeded)
		if err == nil {
			tx.Rollback()
		}
	}
}

func TestWritesEndWithTheirContext(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		release := stall(t, l)
		defer release()
		gone, cancel := context.WithCancel(ctx)
		cancel()
		wants(t, l.Keep(gone, Quarantined{ID: "1"}, nil), context.Canceled)
		wants(t, l.MarkDelivery(gone, "hr", "k", noon), context.Canceled)
	})
}

// Any order of observations, in any grouping, leaves the latest.
func TestPropertyLatestObservationStays(t *testing.T) {
	l := sqliteWorld(t).open()
	var n int
	rapid.Check(t, func(t *rapid.T) {
		n++
		source := fmt.Sprint("s", n)
		latest := map[string]int{}
		for range rapid.IntRange(1, 5).Draw(t, "calls") {
			var list []Employee
			for range rapid.IntRange(1, 5).Draw(t, "employees") {
				ref := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "ref")
				at := rapid.IntRange(1, 9).Draw(t, "at")
				latest[ref] = max(latest[ref], at)
				list = append(list, Employee{Source: source, Ref: ref, State: fmt.Append(nil, at), ObservedAt: time.UnixMilli(int64(at))})
			}
			if err := l.PutEmployees(ctx, list); err != nil {
				t.Fatal(err)
			}
		}
		for ref, at := range latest {
			e, _, err := l.Employee(ctx, source, ref)
			if err != nil || string(e.State) != fmt.Sprint(at) || e.ObservedAt.UnixMilli() != int64(at) {
				t.Fatalf("%s = %s at %v, %v; want %d", ref, e.State, e.ObservedAt, err, at)
			}
		}
	})
}

func TestPropertyLabelsAreUnambiguous(t *testing.T) {
	part := rapid.StringOf(rapid.SampledFrom([]rune{'a', '/', '"', '\\', 0}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(part, 0, 3).Draw(t, "a"), rapid.SliceOfN(part, 0, 3).Draw(t, "b")
		if (label("t", a...) == label("t", b...)) != slices.Equal(a, b) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestPropertyChunkedKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int(), 0, 350).Draw(t, "list")
		var got []int
		if err := chunked(list, func(part []int) error { got = append(got, part...); return nil }); err != nil || !slices.Equal(got, list) {
			t.Fatalf("got %v, %v", got, err)
		}
	})
}

func TestPlaces(t *testing.T) {
	same(t, places(1, 2, 3), "($1,$2,$3),($4,$5,$6)")
	same(t, places(3, 1, 2), "($3,$4)")
}
