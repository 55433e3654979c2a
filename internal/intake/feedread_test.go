package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

const day = 24 * time.Hour

// prehires is n employees still to start.
func prehires(n int, edit ...func(*jml.Snapshot)) []jml.Snapshot {
	var out []jml.Snapshot
	for i := range n {
		out = append(out, facts(append([]func(*jml.Snapshot){id(fmt.Sprintf("C-%d", i))}, edit...)...))
	}
	return out
}

func TestFeedFirstRead(t *testing.T) {
	w := newWorld(t, []config.Source{tenant()})
	list := append(prehires(3), facts(id("old"), starts(2020, 1, 1)), facts(id("gone"), starts(2024, 1, 1), is(jml.StatusLeft)))
	out := w.feed(t, 0, list...)
	if d := cmp.Diff(workflows.FeedResult{Read: 5, Changed: 5, Delivered: 3}, out); d != "" || len(w.delivered) != 3 {
		t.Errorf("told %d\n%s", len(w.delivered), d)
	}
	if d := cmp.Diff([2]time.Time{noon.Add(-14 * day), noon.Add(90 * day)}, w.hiresFrom); d != "" {
		t.Error(d)
	}
	w.delivered = nil
	list[0].Department = "Mines"
	list[3].Department = "Mines"
	out = w.feed(t, time.Hour, list...)
	if d := cmp.Diff(workflows.FeedResult{Read: 5, Changed: 2, Unchanged: 3, Delivered: 1}, out); d != "" || w.last(t).EmployeeID != "C-0" {
		t.Error(d)
	}
}

// TestLateWebhookAfterFeed: what a feed saw unchanged is not undone by what HR
// said before.
func TestLateWebhookAfterFeed(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr"), tenant(func(c *config.Source) { c.EmployeesOf = "hr" })})
	w.take(t, facts())
	w.feed(t, 2*time.Hour, facts())
	if got := w.take(t, facts(starts(2026, 5, 1), seen(time.Hour))); got.Kind != OutcomeOutdated {
		t.Errorf("%+v", got)
	}
}

func TestVanished(t *testing.T) {
	x, other := facts(), facts(id("E-2"))
	type look struct {
		at      time.Duration
		there   bool
		told    string // facts, empty: nothing
		missing int
	}
	for _, tc := range []struct {
		name  string
		looks []look
		edit  func(*config.Source)
	}{
		{"held, then cancelled", []look{{1 * day, false, "vanished", 1}, {2 * day, false, "", 2}, {3 * day, false, "cancelled returned", 3}, {4 * day, false, "", 3}}, nil},
		{"several feeds within the hour", []look{
			{time.Hour, false, "vanished", 1}, {2 * time.Hour, false, "", 2}, {3 * time.Hour, false, "", 3}, {4 * time.Hour, false, "", 4}, {day, false, "cancelled returned", 5},
		}, nil},
		{"comes back while held", []look{{1 * day, false, "vanished", 1}, {2 * day, true, "returned", 0}, {3 * day, false, "vanished", 1}, {4 * day, false, "", 2}}, nil},
		{"comes back after it was held twice", []look{{1 * day, false, "vanished", 1}, {2 * day, false, "", 2}, {3 * day, true, "returned", 0}}, nil},
		{"comes back after it was cancelled", []look{{1 * day, false, "vanished", 1}, {2 * day, false, "", 2}, {3 * day, false, "cancelled returned", 3}, {4 * day, true, "rehired", 0}, {5 * day, true, "", 0}}, nil},
		{"never on one feed", []look{{5 * day, false, "vanished", 1}, {6 * day, false, "cancelled returned", 2}}, func(c *config.Source) { c.VanishedAfter = 1 }},
		{"absence means nothing", []look{{1 * day, false, "", 0}, {2 * day, false, "", 0}, {3 * day, false, "", 0}}, func(c *config.Source) { c.VanishedAfter = 0 }},
		{"started meanwhile", []look{{60 * day, false, "", 0}, {61 * day, false, "", 0}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{tenant(func(c *config.Source) {
				if tc.edit != nil {
					tc.edit(c)
				}
			})})
			w.feed(t, 0, x, other)
			before := w.delivered[0]
			if before.EmployeeID != "E-1" {
				before = w.delivered[1]
			}
			for i, l := range tc.looks {
				w.delivered = nil
				list := []jml.Snapshot{other}
				if l.there {
					list = append(list, x)
				}
				w.feed(t, l.at, list...)
				told := ""
				if len(w.delivered) > 0 {
					now := w.last(t)
					told = words(now.Facts(&before, false))
					before = now
				}
				if e, _ := w.known(t, "tenant", "E-1"); told != l.told || e.Missing != l.missing {
					t.Errorf("%d: told %q, missing %d; want %q, %d", i+1, told, e.Missing, l.told, l.missing)
				}
			}
		})
	}
}

func TestVanishedNotWithABadRow(t *testing.T) {
	w := newWorld(t, []config.Source{tenant()})
	list := prehires(3)
	w.feed(t, 0, list...)
	w.delivered = nil
	broken := list[2]
	broken.Zone = "Nowhere/Else"
	out := w.feed(t, day, list[0], broken)
	if out.Vanished != 0 || out.Quarantined != 1 || len(w.delivered) != 0 {
		t.Errorf("%+v, told %v", out, w.delivered)
	}
}

// TestVanishedCountsFeedsNotTries: Temporal repeats a read that failed. The same
// look at HR must not count several times.
func TestVanishedCountsFeedsNotTries(t *testing.T) {
	w := newWorld(t, []config.Source{tenant()})
	list := prehires(3)
	w.feed(t, 0, list...)
	missing := func() int {
		e, _ := w.known(t, "tenant", "C-0")
		return e.Missing
	}
	moved := facts(id("C-2"), department("Mines"))
	w.onDeliver = func(s jml.Snapshot) error {
		if s.EmployeeID == "C-2" {
			return ErrUnavailable
		}
		return nil
	}
	for i := range 4 {
		if _, err := w.tryFeed(t, 30*time.Hour+time.Duration(i)*time.Minute, list[1], moved); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		// Which of several goes first is nobody's promise.
		if n := missing(); n > 1 {
			t.Errorf("try %d: missing %d", i+1, n)
		}
	}
	w.onDeliver = nil
	w.feed(t, 31*time.Hour, list[1], moved)
	if missing() != 1 {
		t.Errorf("after the feed that went through: %d", missing())
	}
	w.feed(t, 32*time.Hour, list[1], moved)
	w.feed(t, 33*time.Hour, list[1], moved)
	if _, k := w.known(t, "tenant", "C-0"); missing() != 3 || k.Told.Status != jml.StatusCancelled {
		t.Errorf("missing %d, %s", missing(), k.Told.Status)
	}
}

// TestSpokenSince: a webhook between the look at a feed and its carrying out
// wins over the feed's silence.
func TestSpokenSince(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr"), tenant(func(c *config.Source) { c.EmployeesOf = "hr" })})
	w.take(t, facts())
	w.take(t, facts(id("E-2")))
	w.delivered = nil
	s := w.desk.sources["tenant"]
	w.now = noon.Add(day)
	r := reading{full: true, observedAt: w.now, lastGood: w.now, each: func(_ context.Context, yield func(feed.Item) error) error {
		return yield(feed.Item{Value: item(facts(id("E-2")))})
	}}
	p, err := w.desk.plan(t.Context(), s, r)
	if err != nil || p.result.Vanished != 1 {
		t.Fatalf("%+v, %v", p.result, err)
	}
	w.take(t, facts(seen(day+time.Minute)))
	if err := w.desk.carryOut(t.Context(), s, r, p); err != nil || len(w.delivered) != 0 {
		t.Errorf("%v, told %v", err, w.delivered)
	}
	if e, k := w.known(t, "hr", "E-1"); e.Missing != 0 || k.Told.Hold != "" {
		t.Errorf("missing %d, hold %q", e.Missing, k.Told.Hold)
	}
}

func TestEmptyFeed(t *testing.T) {
	w := newWorld(t, []config.Source{tenant()})
	if out := w.feed(t, 0); len(out.Refused) != 0 {
		t.Errorf("nobody known, and nobody there: %v", out.Refused)
	}
	w.feed(t, time.Hour, prehires(2)...)
	w.delivered = nil
	out := w.feed(t, day)
	if len(out.Refused) != 1 || out.Vanished != 0 || len(w.delivered) != 0 {
		t.Errorf("%+v", out)
	}
	list, err := w.desk.Status(t.Context())
	if err != nil || !strings.Contains(list[0].Fault, "holds nobody") || !list[0].LastGood.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestWindow: a source that looks at those who start soon says nothing of others.
func TestWindow(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr"), tenant(func(c *config.Source) { c.EmployeesOf = "hr" })})
	w.take(t, facts(starts(2026, 9, 1)))
	if out := w.feed(t, day); len(out.Refused) != 0 || out.Vanished != 0 {
		t.Errorf("nobody starts soon: %+v", out)
	}
	soon := facts(id("E-2"), seen(day))
	w.take(t, soon)
	w.delivered = nil
	if out := w.feed(t, 2*day, facts(id("E-3"))); out.Vanished != 1 {
		t.Errorf("%+v", out)
	}
	if e, k := w.known(t, "hr", "E-1"); e.Missing != 0 || k.Told.Hold != "" {
		t.Errorf("who starts in September is held: %+v", k.Told)
	}
	if _, k := w.known(t, "hr", "E-2"); k.Told.Hold != jml.HoldVanished {
		t.Errorf("who starts soon is not held: %+v", k.Told)
	}
	if out := w.feed(t, 3*day); len(out.Refused) != 1 {
		t.Errorf("somebody starts soon, and nobody is there: %+v", out)
	}
}

func TestBrake(t *testing.T) {
	w := newWorld(t, []config.Source{tenant(func(c *config.Source) { c.Brake = config.Brake{Share: 0.2, Least: 3} })})
	list := prehires(20)
	w.feed(t, 0, list...)
	move := func(n int, m time.Month) {
		for i := range n {
			list[i].StartDate = jml.Date{Year: 2026, Month: m, Day: 1}
		}
	}
	status := func() Status {
		s, err := w.desk.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s[0]
	}
	try := func(at time.Duration, braked bool, told int) {
		t.Helper()
		w.delivered = nil
		out := w.feed(t, at, list...)
		if (out.Braked != "") != braked || len(w.delivered) != told || (status().Braked != "") != braked {
			t.Errorf("after %v: braked %q, told %d; want %v, %d", at, out.Braked, len(w.delivered), braked, told)
		}
	}
	if _, err := w.desk.Release(t.Context(), "tenant", "operator", "x"); !errors.Is(err, ErrNotBraked) {
		t.Error(err)
	}
	move(4, 5)
	try(1*time.Hour, false, 4) // a fifth, and no more
	move(5, 6)
	try(2*time.Hour, true, 0)
	try(3*time.Hour, true, 0)
	if _, err := w.desk.Release(t.Context(), "tenant", "operator", "HR confirms"); err != nil || len(w.acts) != 1 || w.acts[0].Event != audit.EventBrakeReleased {
		t.Errorf("%v, %v", err, w.acts)
	}
	move(6, 6)
	try(4*time.Hour, true, 0) // more than was let through
	if _, err := w.desk.Release(t.Context(), "tenant", "operator", "HR confirms"); err != nil {
		t.Error(err)
	}
	try(5*time.Hour, false, 6)
	move(5, 7)
	try(6*time.Hour, true, 0) // it was let through once
	w.onAppend = func(audit.Entry) error { return errors.New("no space") }
	if _, err := w.desk.Release(t.Context(), "tenant", "operator", "x"); err == nil {
		t.Error("let through without a line in the audit")
	}
	try(7*time.Hour, true, 0)
	// Those who vanish count, and so does the least.
	move(5, 6)
	list = list[:15]
	try(8*time.Hour, true, 0)
	list = append(list, prehires(20)[15:]...)
	try(9*time.Hour, false, 0)
	// New employees are no reason to brake.
	list = append(list, prehires(60)[20:]...)
	try(10*time.Hour, false, 40)
}

func TestBrakeLeast(t *testing.T) {
	w := newWorld(t, []config.Source{tenant(func(c *config.Source) { c.Brake = config.Brake{Share: 0.1, Least: 3} })})
	list := prehires(3)
	w.feed(t, 0, list...)
	list[0].Status, list[1].Status = jml.StatusCancelled, jml.StatusCancelled
	if out := w.feed(t, 1, list...); out.Braked != "" || out.Delivered != 2 {
		t.Errorf("%+v", out)
	}
}

func TestTwins(t *testing.T) {
	for _, tc := range []struct {
		name             string
		second           jml.Snapshot
		told, bad, known int
	}{
		{"the same twice", facts(), 1, 0, 1},
		{"with other facts", facts(department("Mines")), 0, 1, 0},
	} {
		w := newWorld(t, []config.Source{tenant()})
		out := w.feed(t, 0, facts(), tc.second)
		if len(w.delivered) != tc.told || out.Quarantined != tc.bad {
			t.Errorf("%s: told %d, %+v", tc.name, len(w.delivered), out)
		}
		if tc.bad > 0 && !strings.Contains(w.quarantined(t)[0].Reason, "user 2: the same employee_id as user 1") {
			t.Errorf("%s: %v", tc.name, w.quarantined(t))
		}
	}
}

// folder is a source that reads files of people in a folder.
func folder(t testing.TB, edit ...func(*config.Source)) (config.Source, string) {
	t.Helper()
	dir := t.TempDir()
	c := config.Source{Name: "files", Kind: config.SourceFile, Profile: "default", VanishedAfter: 3, DefaultZone: "Europe/Berlin",
		Brake: config.Brake{Share: 1, Least: 1000},
		Map: map[string]string{
			"employee_id": "item.id", "status": `"scheduled"`, "start_date": "localDate(item.start)", "department": "item.department",
			"personal_mail": "item.mail",
		},
		File: config.File{Every: time.Hour, Directory: dir, Pattern: "*.csv", Format: config.FileCSV, Delimiter: "auto", Encoding: "utf-8",
			Full: true, MaxSize: 64 << 20, BadRow: config.BadRowRefuse, After: config.AfterKeep},
	}
	for _, e := range edit {
		e(&c)
	}
	return c, dir
}

const head = "id,start,department,mail\n"

// put writes a file that is as old as it claims.
func put(t testing.TB, dir, name, text string, at time.Time) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func (w *world) look(t testing.TB, at time.Duration) workflows.FeedResult {
	t.Helper()
	w.now = noon.Add(at)
	out, err := w.desk.ReadFeed(t.Context(), workflows.FeedInput{Source: "files"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFilesOldestFirst(t *testing.T) {
	c, dir := folder(t, func(c *config.Source) { c.File.After = config.AfterDelete })
	w := newWorld(t, []config.Source{c})
	put(t, dir, "a.csv", head+"1,2026-06-01,Third,\n", noon.Add(-1*time.Hour))
	put(t, dir, "b.csv", head+"1,2026-04-01,First,\n", noon.Add(-3*time.Hour))
	put(t, dir, "c.csv", head+"1,2026-05-01,Second,\n", noon.Add(-2*time.Hour))
	out := w.look(t, 0)
	var got []string
	for _, s := range w.delivered {
		got = append(got, s.Department)
	}
	if d := cmp.Diff([]string{"First", "Second", "Third"}, got); d != "" || out.Read != 3 {
		t.Error(d)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestBrokenRow(t *testing.T) {
	rows := []string{"1,2026-04-01,A,", "2,2026-04-01,B,", "3,2026-04-01,C,"}
	for _, tc := range []struct{ name, row, want string }{
		{"too few fields", "2,2026-04-01", "f.csv: line 3: 2 fields, the header has 4"},
		{"a quote that never ends", `2,2026-04-01,"B,`, "f.csv: line 3: "},
		{"no date", "2,soon,B,", "f.csv: line 3: start_date: "},
		{"not UTF-8", "2,2026-04-01,\xff,", "f.csv: line 3: "},
		{"twins", "1,2026-04-01,B,", "f.csv: line 3: the same employee_id as line 2, with other facts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, dir := folder(t, func(c *config.Source) { c.File.After = config.AfterDelete })
			w := newWorld(t, []config.Source{c})
			put(t, dir, "f.csv", head+rows[0]+"\n"+tc.row+"\n"+rows[2]+"\n", noon)
			for range 2 { // it is named for as long as it is there
				out := w.look(t, time.Hour)
				if len(out.Refused) != 1 || !strings.HasPrefix(out.Refused[0], tc.want) || len(w.delivered) != 0 || len(w.quarantined(t)) != 0 {
					t.Errorf("%q, told %d; want %q", out.Refused, len(w.delivered), tc.want)
				}
				if s, err := w.desk.Status(t.Context()); err != nil || !strings.HasPrefix(s[0].Fault, tc.want) || s[0].Known != 0 {
					t.Errorf("%+v, %v", s, err)
				}
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Error("the file is gone, which somebody has to mend")
			}
			put(t, dir, "f.csv", head+strings.Join(rows, "\n")+"\n", noon.Add(time.Hour))
			if out := w.look(t, 2*time.Hour); out.Delivered != 3 || len(out.Refused) != 0 {
				t.Errorf("mended: %+v", out)
			}
		})
	}
}

func TestBrokenRowQuarantined(t *testing.T) {
	c, dir := folder(t, func(c *config.Source) { c.File.BadRow = config.BadRowQuarantine })
	w := newWorld(t, []config.Source{c})
	put(t, dir, "f.csv", head+"1,2026-04-01,A,\n2,soon,B,\n3,2026-04-01,C,\n", noon)
	if out := w.look(t, 0); out.Delivered != 2 || out.Quarantined != 1 || len(out.Refused) != 0 {
		t.Errorf("%+v", out)
	}
	if list := w.quarantined(t); len(list) != 1 || !strings.HasPrefix(list[0].Reason, "f.csv: line 3: start_date: ") {
		t.Errorf("%v", list)
	}
	if out := w.look(t, time.Hour); out.Read != 0 {
		t.Errorf("read again: %+v", out)
	}
}

// TestFileComesBack: a later file may be the same as an earlier one, byte by
// byte: HR took something back.
func TestFileComesBack(t *testing.T) {
	c, dir := folder(t)
	w := newWorld(t, []config.Source{c})
	for i, month := range []string{"04", "05", "04"} {
		put(t, dir, fmt.Sprintf("%d.csv", i), head+"1,2026-"+month+"-01,A,\n", noon.Add(time.Duration(i)*day))
		w.look(t, time.Duration(i)*day)
	}
	if n := len(w.delivered); n != 3 || w.delivered[n-1].StartDate.Month != 4 {
		t.Errorf("told %v", w.delivered)
	}
}

// TestSameFileEveryDay: a full file that never changes still says every day who
// is missing.
func TestSameFileEveryDay(t *testing.T) {
	c, dir := folder(t)
	w := newWorld(t, []config.Source{c})
	put(t, dir, "0.csv", head+"1,2026-04-01,A,\n2,2026-04-01,A,\n", noon)
	w.look(t, 0)
	for i := 1; i <= 3; i++ {
		put(t, dir, fmt.Sprintf("%d.csv", i), head+"1,2026-04-01,A,\n", noon.Add(time.Duration(i)*day))
		for range 3 { // a file counts once, however often it is looked at
			w.look(t, time.Duration(i)*day)
		}
		if e, _ := w.known(t, "files", "2"); e.Missing != i {
			t.Errorf("day %d: missing %d", i, e.Missing)
		}
	}
	if _, k := w.known(t, "files", "2"); k.Told.Status != jml.StatusCancelled {
		t.Errorf("%+v", k.Told)
	}
}

// TestCrashBeforeMark: a file is read again that was carried out but not marked.
// Nobody is told again, and nobody counts as missing once more.
func TestCrashBeforeMark(t *testing.T) {
	c, dir := folder(t)
	w := newWorld(t, []config.Source{c})
	put(t, dir, "0.csv", head+"1,2026-04-01,A,\n2,2026-04-01,A,\n", noon)
	w.look(t, 0)
	put(t, dir, "1.csv", head+"1,2026-05-01,A,\n", noon.Add(2*day))
	w.delivered = nil
	s := w.desk.sources["files"]
	for i := range 4 {
		w.now = noon.Add(2*day + time.Duration(i)*time.Hour)
		list, err := s.files.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f := list[1]
		if _, err := w.desk.read(t.Context(), s, reading{name: f.Name, full: true, strict: true, observedAt: f.ModTime, lastGood: f.ModTime, each: f.Each}); err != nil {
			t.Fatal(err)
		}
	}
	if out := w.look(t, 3*day); out.Changed != 0 || len(w.delivered) != 2 {
		t.Errorf("%+v, told %d", out, len(w.delivered))
	}
	if e, _ := w.known(t, "files", "2"); e.Missing != 1 {
		t.Errorf("missing %d", e.Missing)
	}
}

// TestCrashBeforeDone: what was taken is put away by the next look.
func TestCrashBeforeDone(t *testing.T) {
	c, dir := folder(t)
	w := newWorld(t, []config.Source{c})
	put(t, dir, "0.csv", head+"1,2026-04-01,A,\n", noon)
	w.look(t, 0)
	w.last(t)
	c.File.After = config.AfterDelete
	w.restart(t, []config.Source{c})
	if out := w.look(t, time.Hour); out.Read != 0 || len(w.delivered) != 0 {
		t.Errorf("%+v", out)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// TestBrakeOnFiles: what is let through is one file, not those behind it.
func TestBrakeOnFiles(t *testing.T) {
	c, dir := folder(t, func(c *config.Source) { c.Brake = config.Brake{Share: 0.2, Least: 2} })
	w := newWorld(t, []config.Source{c})
	text := func(month string) string {
		out := head
		for i := range 5 {
			out += fmt.Sprintf("%d,2026-%s-01,A,\n", i, month)
		}
		return out
	}
	put(t, dir, "0.csv", text("04"), noon)
	w.look(t, 0)
	put(t, dir, "1.csv", text("05"), noon.Add(time.Hour))
	put(t, dir, "2.csv", text("06"), noon.Add(2*time.Hour))
	w.delivered = nil
	if out := w.look(t, 3*time.Hour); out.Braked == "" || len(w.delivered) != 0 {
		t.Fatalf("%+v", out)
	}
	if _, err := w.desk.Release(t.Context(), "files", "operator", "x"); err != nil {
		t.Fatal(err)
	}
	if out := w.look(t, 4*time.Hour); out.Braked == "" || len(w.delivered) != 5 {
		t.Errorf("%+v, told %d", out, len(w.delivered))
	}
	for _, s := range w.delivered {
		if s.StartDate.Month != 5 {
			t.Errorf("told %v", s.StartDate)
		}
	}
}

// TestImportBrake: an operator can let an import through, too, and a source
// without a brake has none.
func TestImportBrake(t *testing.T) {
	c, _ := folder(t, func(c *config.Source) { c.Brake = config.Brake{Share: 0.2, Least: 2} })
	elsewhere := t.TempDir()
	bare := c
	bare.Kind, bare.Name, bare.File, bare.Brake, bare.VanishedAfter = config.SourceWebhook, "hook", config.File{}, config.Brake{}, 0
	bare.Verify = hook(t, "x").Verify
	w := newWorld(t, []config.Source{c, bare})
	x, err := mapping.NewCompiler(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	load := func(source, month string, at time.Duration) Imported {
		t.Helper()
		w.now = noon.Add(at)
		put(t, elsewhere, "f.csv", head+"1,2026-"+month+"-01,A,\n2,2026-"+month+"-01,A,\n", w.now)
		out, err := w.desk.Import(t.Context(), ImportConfig{Source: source, File: filepath.Join(elsewhere, "f.csv"), Compiler: x})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	load("files", "04", 0)
	if out := load("files", "05", time.Hour); out.Braked == "" || out.Delivered != 0 {
		t.Fatalf("%+v", out)
	}
	if _, err := w.desk.Release(t.Context(), "files", "operator", "x"); err != nil {
		t.Fatal(err)
	}
	if out := load("files", "05", 2*time.Hour); out.Braked != "" || out.Delivered != 2 {
		t.Errorf("%+v", out)
	}
	if out := load("files", "06", 3*time.Hour); out.Braked == "" {
		t.Errorf("let through twice: %+v", out)
	}
	load("hook", "04", 4*time.Hour)
	if out := load("hook", "05", 5*time.Hour); out.Braked != "" || out.Delivered != 2 {
		t.Errorf("%+v", out)
	}
}

// TestPollSince: what a poll asks for, by what was read before.
func TestPollSince(t *testing.T) {
	var asked []string
	page := `[]`
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("since"))
		reply(w, 200, page)
	})
	source := func(fullEvery time.Duration) config.Source {
		c := config.Source{Name: "poll", Kind: config.SourcePoll, Profile: "default", VanishedAfter: 1, Brake: config.Brake{Share: 1, Least: 100}}
		c.Poll = config.Poll{Every: time.Hour, Full: true, FullEvery: fullEvery, Overlap: 10 * time.Minute, Page: config.Page{Kind: config.PageNone, Most: 1}, Request: api.request(`"/employees?since=" + since`)}
		return c
	}
	everybody := `[{"employee_id":"1","status":"scheduled","start_date":"2026-04-01","zone":"Europe/Berlin"},{"employee_id":"2","status":"scheduled","start_date":"2026-04-01","zone":"Europe/Berlin"}]`
	one := `[{"employee_id":"1","status":"scheduled","start_date":"2026-04-01","zone":"Europe/Berlin"}]`
	type step struct {
		at       time.Duration
		page     string
		full     bool // by hand
		since    string
		vanished int
		fails    bool
	}
	for _, tc := range []struct {
		name  string
		every time.Duration
		steps []step
	}{
		{"always full", 0, []step{{0, everybody, false, "", 0, false}, {time.Hour, everybody, false, "", 0, false}, {2 * time.Hour, one, false, "", 1, false}}},
		{"full now and then", 3 * time.Hour, []step{
			{0, everybody, false, "", 0, false},
			{1 * time.Hour, `[]`, false, "2026-03-02T11:50:00Z", 0, false}, // nobody changed, and nobody vanished
			{2 * time.Hour, one, false, "2026-03-02T12:50:00Z", 0, false},
			{3 * time.Hour, one, false, "", 1, false},
			{4 * time.Hour, one, true, "", 1, false},
			{5 * time.Hour, `[]`, false, "2026-03-02T15:50:00Z", 0, false},
		}},
		{"a failed poll moves nothing", 3 * time.Hour, []step{
			{0, everybody, false, "", 0, false},
			{1 * time.Hour, `<html>`, false, "2026-03-02T11:50:00Z", 0, true},
			{2 * time.Hour, `[]`, false, "2026-03-02T11:50:00Z", 0, false},
			{3 * time.Hour, `<html>`, false, "", 0, true},
			{4 * time.Hour, everybody, false, "", 0, false},
		}},
		{"never read", 3 * time.Hour, []step{{0, `<html>`, false, "", 0, true}, {time.Hour, everybody, false, "", 0, false}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{source(tc.every)})
			for i, s := range tc.steps {
				w.now, asked, page = noon.Add(s.at), nil, s.page
				out, err := w.desk.ReadFeed(t.Context(), workflows.FeedInput{Source: "poll", Full: s.full}, nil)
				if (err != nil) != s.fails || len(asked) != 1 || asked[0] != s.since || out.Vanished != s.vanished {
					t.Errorf("%d: asked %q, vanished %d, %v; want %q, %d", i+1, asked, out.Vanished, err, s.since, s.vanished)
				}
			}
		})
	}
}

// TestLargeFile: 50,000 rows of which 20 changed tell Temporal 20 times, within
// 20 s and 300 MB.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 50,000 rows twice")
	}
	const rows, changed = 50_000, 20
	c, dir := folder(t, func(c *config.Source) { c.Brake = config.Brake{Share: 0.2, Least: 10} })
	w := newWorld(t, []config.Source{c})
	text := func(second bool) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range rows {
			start, dep := "2019-02-01", "Mines"
			if i%50 == 0 {
				start = "2026-04-01" // a thousand are still to start
			}
			if second && i%(rows/changed) == 0 {
				dep = "Quarry"
			}
			fmt.Fprintf(&b, "%06d,%s,%s,p%d@example.org\n", i, start, dep, i)
		}
		return b.String()
	}
	var peak atomic.Uint64
	stop := make(chan struct{})
	go func() {
		var m runtime.MemStats
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapInuse+m.StackInuse))
			}
		}
	}()
	defer close(stop)
	runtime.GC()
	put(t, dir, "1.csv", text(false), noon)
	began := time.Now()
	out := w.look(t, 0)
	first := time.Since(began)
	if d := cmp.Diff(workflows.FeedResult{Read: rows, Changed: rows, Delivered: rows / 50}, out); d != "" || len(w.delivered) != rows/50 {
		t.Errorf("told %d\n%s", len(w.delivered), d)
	}
	firstPeak := peak.Swap(0)
	w.delivered = nil
	runtime.GC()
	put(t, dir, "2.csv", text(true), noon.Add(day))
	began = time.Now()
	out = w.look(t, day)
	second := time.Since(began)
	if d := cmp.Diff(workflows.FeedResult{Read: rows, Changed: changed, Unchanged: rows - changed, Delivered: changed}, out); d != "" || len(w.delivered) != changed {
		t.Errorf("told %d\n%s", len(w.delivered), d)
	}
	t.Logf("%d rows: first read %.1fs, heap peak %d MB; with %d changed %.1fs, heap peak %d MB",
		rows, first.Seconds(), firstPeak>>20, changed, second.Seconds(), peak.Load()>>20)
	if second > 20*time.Second || peak.Load() > 300<<20 {
		t.Errorf("took %v and %d MB", second, peak.Load()>>20)
	}
}
