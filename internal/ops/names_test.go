package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

// slowDesk opens everybody as slowly as a test wants.
type slowDesk struct {
	*fakeDesk
	takes  time.Duration
	opened atomic.Int64
	err    atomic.Pointer[error]
}

func (d *slowDesk) Everybody(ctx context.Context, limit int) ([]intake.Employee, error) {
	d.opened.Add(1)
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := d.err.Load(); err != nil {
		return nil, *err
	}
	return d.people[:min(len(d.people), limit)], nil
}

func newSlow(t *testing.T, takes time.Duration) (*world, *slowDesk, *Service) {
	t.Helper()
	w := newWorld(t)
	w.desk.people = people(100)
	d := &slowDesk{fakeDesk: w.desk, takes: takes}
	s, err := New(Config{Temporal: (*fakeTemporal)(w), Ledger: (*fakeLedger)(w), Board: (*fakeBoard)(w), Desk: d, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return w, d, s
}

// Only who speaks with people gets names, and what the others wanted is no
// attempt at anything: they look at the same pages.
func TestNamesAreForSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, s := newSlow(t, 0)
		defer s.Close()
		ids := []string{joinerID, "recovery/hr/def", "joiner/hr/unknown", "pass/hr/abc/1", "nonsense", ""}
		s.Names(as(t.Context(), access.Operator), ids)
		synctest.Wait()
		for role, want := range map[access.Role]int{access.Operator: 2, access.Approver: 2, access.Desk: 2, access.Viewer: 0, access.Auditor: 0, "": 0, "admin": 0} {
			got := s.Names(as(t.Context(), role), ids)
			if len(got) != want {
				t.Errorf("%s: %v", role, got)
			}
			if want > 0 && (got[joinerID] != "José Müller-"+canary || got["recovery/hr/def"] != "Ada Muller") {
				t.Errorf("%s: %v", role, got)
			}
		}
		if got := s.Names(t.Context(), ids); len(got) != 0 {
			t.Errorf("nobody: %v", got)
		}
		if len(w.rows) != 0 || w.log.Len() != 0 {
			t.Errorf("rows %v, log %s", w.rows, w.log.String())
		}
	})
}

// Nobody waits for names; they are opened once, anew at most every minute, and
// the more seldom the longer it takes; and forgotten once nobody looks.
func TestNamesAreOpenedBehindThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 2 * time.Second
		_, d, s := newSlow(t, takes)
		defer s.Close()
		ctx, ids := as(t.Context(), access.Operator), []string{joinerID}
		look := func() int {
			began := time.Now()
			got := len(s.Names(ctx, ids))
			if time.Since(began) != 0 {
				t.Errorf("it waited %s", time.Since(began))
			}
			return got
		}
		for range 50 {
			if look() != 0 {
				t.Error("names from nowhere")
			}
		}
		time.Sleep(takes + time.Second)
		if look() != 1 || d.opened.Load() != 1 {
			t.Errorf("opened %d times", d.opened.Load())
		}
		// Fifty operators for an hour, every five seconds.
		for range 720 {
			time.Sleep(5 * time.Second)
			if look() != 1 {
				t.Fatal("the names are gone while somebody looks")
			}
		}
		if n := d.opened.Load(); n < 10 || n > 3600/(namesShare*2)+1 {
			t.Errorf("opened %d times in an hour", n)
		}
		// A search wants them fresher, and waits; the next one does not.
		time.Sleep(namesValid - 10*time.Second)
		look()
		time.Sleep(namesValid - 10*time.Second)
		for range 2 {
			before := d.opened.Load()
			if found, err := s.Search(ctx, "ada"); err != nil || len(found) != 1 {
				t.Errorf("found %v, %v", found, err)
			}
			if s.names.at.Before(time.Now().Add(-namesValid)) || d.opened.Load() > before+1 {
				t.Errorf("names of %s, opened %d times", s.names.at, d.opened.Load()-before)
			}
		}
		time.Sleep(namesValid + time.Second)
		s.names.mu.Lock()
		if s.names.list != nil || s.names.byKey != nil {
			t.Error("the names are still open")
		}
		s.names.mu.Unlock()
	})
}

// A ledger that is away leaves pages without names, is not asked all the time,
// and gives them again once it is back.
func TestNamesWithoutALedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d, s := newSlow(t, 0)
		defer s.Close()
		ctx, ids := as(t.Context(), access.Operator), []string{joinerID}
		look := func() int {
			s.Names(ctx, ids)
			synctest.Wait()
			return len(s.Names(ctx, ids))
		}
		if look() != 1 {
			t.Fatal("no names")
		}
		err := errors.New("disk full at " + canary)
		d.err.Store(&err)
		for range 24 {
			time.Sleep(5 * time.Second)
			look()
		}
		if look() != 0 {
			t.Error("names that can't be read are shown on")
		}
		if n := d.opened.Load(); n > 4 {
			t.Errorf("asked %d times in two minutes", n)
		}
		d.err.Store(nil)
		time.Sleep(namesValid)
		if look() != 1 {
			t.Error("no names after the ledger came back")
		}
		if strings.Contains(w.log.String(), "José") {
			t.Error("the log has a name")
		}
	})
}

// Closing the service ends an opening.
func TestNamesEndWithTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, s := newSlow(t, time.Hour)
		began := time.Now()
		s.Names(as(t.Context(), access.Operator), nil)
		s.Close()
		if time.Since(began) != 0 {
			t.Errorf("it took %s", time.Since(began))
		}
		s.Names(as(t.Context(), access.Operator), nil)
		if s.names.forget != nil {
			s.names.forget.Stop()
		}
	})
}

func TestFailedAndAtRisk(t *testing.T) {
	row := func(change func(*board.Row)) board.Row {
		r := board.Row{Kind: jml.KindJoiner, Stage: jml.StageScheduled, Starts: noon.Add(48 * time.Hour)}
		change(&r)
		return r
	}
	closed := func(stage jml.Stage, ago time.Duration, lost bool) board.Row {
		return row(func(r *board.Row) { r.Stage, r.Closed, r.Lost = stage, noon.Add(-ago), lost })
	}
	for name, c := range map[string]struct {
		row          board.Row
		failed, risk bool
	}{
		"scheduled":       {row(func(*board.Row) {}), false, false},
		"blocked":         {row(func(r *board.Row) { r.Stage = jml.StageBlocked }), false, true},
		"needs somebody":  {row(func(r *board.Row) { r.NeedsAction = true }), false, true},
		"blocked, later":  {row(func(r *board.Row) { r.Stage, r.Starts = jml.StageBlocked, noon.Add(8*24*time.Hour) }), false, false},
		"blocked mover":   {row(func(r *board.Row) { r.Kind, r.Stage = jml.KindMover, jml.StageBlocked }), false, false},
		"timed out":       {closed(jml.StageTimedOut, 23*time.Hour, false), true, true},
		"long ago":        {closed(jml.StageTimedOut, 24*time.Hour, false), false, true},
		"lost":            {closed(jml.StageScheduled, time.Hour, true), true, true},
		"lost yesterday":  {closed(jml.StageScheduled, 25*time.Hour, true), false, true},
		"completed":       {closed(jml.StageCompleted, time.Hour, false), false, false},
		"cancelled":       {closed(jml.StageCancelled, time.Hour, false), false, false},
		"lost in a while": {row(func(r *board.Row) { r.Lost = true }), false, true},
	} {
		if got := Failed(&c.row, noon); got != c.failed {
			t.Errorf("%s: failed %t", name, got)
		}
		if got := AtRisk(&c.row, noon, 7*24*time.Hour); got != c.risk {
			t.Errorf("%s: at risk %t", name, got)
		}
	}
	w := newWorld(t)
	w.table = append(w.table, closed(jml.StageTimedOut, time.Hour, false), closed(jml.StageScheduled, 2*time.Hour, true), closed(jml.StageTimedOut, 30*time.Hour, false), closed(jml.StageCompleted, time.Hour, false))
	sum, err := w.service().Summary(as(t.Context(), access.Viewer))
	if err != nil || sum.Failed != 2 || sum.Lost != 1 {
		t.Errorf("failed %d, lost %d, %v", sum.Failed, sum.Lost, err)
	}
	if len(w.rows) != 0 {
		t.Errorf("rows %v", w.rows)
	}
}

// What a page costs once the names are open.
func BenchmarkNames(b *testing.B) {
	w := newWorld(b)
	w.desk.people = people(maxScan)
	s := w.service()
	ctx := as(b.Context(), access.Operator)
	ids := make([]string, 200)
	for i := range ids {
		ids[i] = fmt.Sprint("joiner/hr/r", i)
	}
	if _, err := s.Search(ctx, "ada"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if len(s.Names(ctx, ids)) != len(ids) {
			b.Fatal("names lack")
		}
	}
}
