package ledger

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"firstpass.internal/internal/invitation"
)

var _ invitation.Store = (*Ledger)(nil)

func link(hash string, until time.Time) invitation.Link {
	return invitation.Link{Hash: hash, LinkHash: "l-" + hash, Kind: invitation.Collect, WorkflowID: "pass/1", Ref: "r1", Until: until}
}

func TestLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		later := noon.Add(time.Hour)
		find := func(hash string, want invitation.Link) {
			t.Helper()
			got, found, err := w.open().FindLink(ctx, hash) // by another process
			ok(t, err)
			same(t, got, want)
			same(t, found, want.Hash != "")
		}
		ok(t, l.PutLinks(ctx))
		ok(t, l.PutLinks(ctx, link("a", later), link("b", later.Add(time.Millisecond))))
		find("a", link("a", later))
		find("b", link("b", later.Add(time.Millisecond)))
		for _, unknown := range []string{"", "c", "A", "a ", "a' OR '1'='1", "%"} {
			find(unknown, invitation.Link{})
		}
		// Putting it again replaces all of it, and may shorten it.
		other := invitation.Link{Hash: "a", LinkHash: "x", Kind: invitation.Attest, WorkflowID: "pass/2", Ref: "r2", Until: later.Add(time.Hour)}
		ok(t, l.PutLinks(ctx, other))
		find("a", other)
		ok(t, l.PutLinks(ctx, link("a", later), link("a", later.Add(time.Minute)))) // twice in one call
		find("a", link("a", later.Add(time.Minute)))
		ok(t, l.PutLinks(ctx, link("a", noon)))
		find("a", invitation.Link{})
	})
}

func TestLinksLapse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		now := noon
		w.cfg.Now = func() time.Time { return now }
		l := w.open()
		ok(t, l.PutLinks(ctx, link("a", noon.Add(time.Hour)), link("b", noon.Add(time.Hour+time.Millisecond)), link("endless", time.Time{})))
		for _, tc := range []struct {
			at   time.Duration
			a, b bool
			kept int // after a purge
		}{
			{0, true, true, 2}, // no end is no link, and the first to go
			{time.Hour - time.Millisecond, true, true, 2},
			{time.Hour, false, true, 2},
			{time.Hour + time.Millisecond, false, false, 2},
			{keepLapsed + time.Hour, false, false, 2},
			{keepLapsed + time.Hour + time.Millisecond, false, false, 1},
			{keepLapsed + 2*time.Hour, false, false, 0},
		} {
			now = noon.Add(tc.at)
			for hash, want := range map[string]bool{"a": tc.a, "b": tc.b, "endless": false} {
				if got, found, err := l.FindLink(ctx, hash); found != want || err != nil || !found && got != (invitation.Link{}) {
					t.Errorf("%s after %v: %+v, %v, %v", hash, tc.at, got, found, err)
				}
			}
			_, err := l.Purge(ctx, Before{})
			ok(t, err)
			var n int
			ok(t, l.read.QueryRow(`SELECT COUNT(*) FROM links`).Scan(&n))
			if n != tc.kept {
				t.Errorf("after %v: %d links are kept, want %d", tc.at, n, tc.kept)
			}
		}
	})
}

func TestPurgeCountsLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		var list []invitation.Link
		for i := range purgeRows + 5 {
			list = append(list, link(fmt.Sprint("old", i), noon.Add(-keepLapsed-time.Hour)))
		}
		ok(t, l.PutLinks(ctx, append(list, link("new", noon.Add(time.Hour)))...))
		done, err := l.Purge(ctx, Before{})
		ok(t, err)
		same(t, done, Purged{Links: purgeRows + 5})
		if _, found, err := l.FindLink(ctx, "new"); !found || err != nil {
			t.Errorf("a new link: %v, %v", found, err)
		}
	})
}

// A link must not be sent before it is kept.
func TestLinksGoTheDurableWay(t *testing.T) {
	l := sqliteWorld(t).open()
	ok(t, l.fast.db.Close())
	ok(t, l.PutLinks(ctx, link("a", noon.Add(time.Hour))))
	ok(t, l.durable.db.Close())
	if err := l.PutLinks(ctx, link("b", noon.Add(time.Hour))); err == nil {
		t.Error("a link that is not kept is no error")
	}
	if _, found, err := l.FindLink(ctx, "a"); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
}

// All or none: half an invitation could be typed, but not clicked.
func TestLinksAreOneTransaction(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		_, err := l.durable.db.Exec(`CREATE UNIQUE INDEX one_ref ON links (ref)`) // makes the second fail
		ok(t, err)
		err = l.PutLinks(ctx, link("a", noon.Add(time.Hour)), link("b", noon.Add(time.Hour)))
		if err == nil || strings.Contains(err.Error(), "r1") {
			t.Errorf("%v", err)
		}
		if _, found, err := l.FindLink(ctx, "a"); found || err != nil {
			t.Errorf("half of it is there: %v", err)
		}
	})
}

func TestManyPutTheSameLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ls := []*Ledger{w.open(), w.open()}
		later := noon.Add(time.Hour)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				pair := []invitation.Link{link("a", later), link("b", later)}
				if i%4 < 2 { // the other way round, which a database may call a deadlock
					pair[0], pair[1] = pair[1], pair[0]
				}
				if err := ls[i%2].PutLinks(ctx, pair...); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, hash := range []string{"a", "b"} {
			got, found, err := ls[0].FindLink(ctx, hash)
			ok(t, err)
			same(t, found, true)
			same(t, got, link(hash, later))
		}
	})
}

// A ledger from before there were links keeps what it has.
func TestMigrateToLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		driver, source, dialect := "pgx", w.cfg.URL, goose.DialectPostgres
		if w.cfg.Driver == SQLite {
			driver, source, dialect = "sqlite", w.cfg.File, goose.DialectSQLite3
		}
		db, err := sql.Open(driver, source)
		ok(t, err)
		p, err := goose.NewProvider(dialect, db, os.DirFS("migrations"))
		ok(t, err)
		_, err = p.UpTo(ctx, 1)
		ok(t, err)
		_, err = db.Exec(`INSERT INTO deliveries (source, hash, at) VALUES ('hr', 'k', 1)`)
		ok(t, err)
		if _, err := db.Exec(`SELECT 1 FROM links`); err == nil {
			t.Fatal("version 1 has links")
		}
		ok(t, db.Close())
		l := w.open()
		if taken, err := l.Delivered(ctx, "hr", "k"); !taken || err != nil {
			t.Errorf("what was there: %v, %v", taken, err)
		}
		ok(t, l.PutLinks(ctx, link("a", noon.Add(time.Hour))))
	})
}

// What a book makes is found by token and by reference, until it lapses.
func TestBookOverALedger(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		now := noon
		w.cfg.Now = func() time.Time { return now }
		book, err := invitation.New(invitation.Config{URL: "https://pass.example.org", Key: make([]byte, 32), Store: w.open(), Sealer: ring(t)})
		ok(t, err)
		spec := invitation.Spec{Kind: invitation.Collect, WorkflowID: "pass/1", Invitation: "run1", Ref: "r1", Until: noon.Add(time.Hour)}
		made, err := book.Link(ctx, spec)
		ok(t, err)
		_, token, _ := strings.Cut(made.Link.Reveal(), "#")
		for _, typed := range []string{token, strings.ToLower(made.Reference.Reveal())} {
			got, found, err := book.Find(ctx, invitation.Collect, typed)
			ok(t, err)
			same(t, found, true)
			same(t, got, invitation.Link{Hash: got.Hash, LinkHash: made.Hash, Kind: spec.Kind, WorkflowID: spec.WorkflowID, Ref: spec.Ref, Until: spec.Until})
			_, found, err = book.Find(ctx, invitation.Attest, typed)
			ok(t, err)
			same(t, found, false)
		}
		now = spec.Until
		for _, typed := range []string{token, made.Reference.Reveal()} {
			_, found, err := book.Find(ctx, invitation.Collect, typed)
			ok(t, err)
			same(t, found, false)
		}
	})
}

// BenchmarkFindLink shows whether the time tells what there is.
func BenchmarkFindLink(b *testing.B) {
	eachBench(b, func(b *testing.B, l *Ledger) {
		var list []invitation.Link
		for i := range 20_000 {
			list = append(list, link(fmt.Sprintf("%032x", i), noon.Add(time.Hour)))
		}
		list = append(list, link("lapsed", noon.Add(-time.Hour)))
		ok(b, l.PutLinks(ctx, list...))
		for _, bc := range []struct{ name, hash string }{{"known", fmt.Sprintf("%032x", 777)}, {"unknown", fmt.Sprintf("%031xz", 777)}, {"lapsed", "lapsed"}} {
			b.Run(bc.name, func(b *testing.B) {
				for b.Loop() {
					_, found, err := l.FindLink(ctx, bc.hash)
					if err != nil || found != (bc.name == "known") {
						b.Fatal(found, err)
					}
				}
			})
		}
	})
}
