package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var ctx = context.Background()

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error = %v, want %v", err, want)
	}
}

func same(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func employee(ref string, observed time.Time) Employee {
	return Employee{Source: "hr", Ref: ref, Digest: []byte("digest " + ref), State: []byte("state " + ref), Start: "2026-04-01", Open: true, ObservedAt: observed, SeenAt: observed}
}

func TestEmployees(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		a := Employee{"hr", "a", []byte{0, 1}, []byte("état"), "2026-04-01", true, noon, noon.Add(time.Millisecond), 2}
		b := Employee{Source: "hr", Ref: "b"}
		other := Employee{Source: "hr2", Ref: "a", Digest: []byte{9}, State: []byte("other"), ObservedAt: noon}
		ok(t, l.PutEmployees(ctx, nil))
		ok(t, l.PutEmployees(ctx, []Employee{a, b, other}))
		for _, want := range []Employee{a, b, other} {
			got, found, err := l.Employee(ctx, want.Source, want.Ref)
			ok(t, err)
			if !found {
				t.Fatalf("%s is not found", want.Ref)
			}
			same(t, got, want)
		}
		if _, found, err := l.Employee(ctx, "hr2", "b"); found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		var digests []Digest
		ok(t, l.Digests(ctx, "hr", func(d Digest) error { digests = append(digests, d); return nil }))
		slices.SortFunc(digests, func(a, b Digest) int { return slices.Compare([]byte(a.Ref), []byte(b.Ref)) })
		same(t, digests, []Digest{{"a", []byte{0, 1}, "2026-04-01", true, noon, 2}, {Ref: "b"}})

		n, err := l.Forget(ctx, "hr")
		ok(t, err)
		same(t, n, 2)
		if _, found, _ := l.Employee(ctx, "hr", "a"); found {
			t.Error("a forgotten employee is there")
		}
		if _, found, _ := l.Employee(ctx, "hr2", "a"); !found {
			t.Error("another source's employee was forgotten")
		}
	})
}

func TestPutEmployeesKeepsTheLatestObservation(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l, l2 := w.open(), w.open()
		put := func(l *Ledger, state string, at time.Time) Employee {
			e := employee("a", at)
			e.State = []byte(state)
			ok(t, l.PutEmployees(ctx, []Employee{e}))
			return e
		}
		is := func(want string) {
			t.Helper()
			e, _, err := l.Employee(ctx, "hr", "a")
			ok(t, err)
			same(t, string(e.State), want)
		}
		put(l, "first", noon)
		put(l2, "older", noon.Add(-time.Millisecond))
		is("first")
		put(l2, "same time", noon)
		is("same time")
		put(l, "newer", noon.Add(time.Millisecond))
		is("newer")
		// In one call as well.
		one, two, three := employee("a", noon.Add(time.Hour)), employee("a", noon.Add(2*time.Hour)), employee("a", noon.Add(time.Hour))
		two.State = []byte("latest of three")
		ok(t, l.PutEmployees(ctx, []Employee{one, two, three}))
		is("latest of three")
	})
}

func TestDigestsStopAndMayWrite(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		ok(t, l.PutEmployees(ctx, []Employee{employee("a", noon), employee("b", noon), employee("c", noon)}))
		stop := errors.New("stop")
		n := 0
		wants(t, l.Digests(ctx, "hr", func(Digest) error { n++; return stop }), stop)
		same(t, n, 1)
		ok(t, l.Digests(ctx, "hr", func(d Digest) error {
			if _, found, err := l.Employee(ctx, "hr", d.Ref); !found || err != nil {
				t.Errorf("found %v, %v", found, err)
			}
			return l.PutEmployees(ctx, []Employee{employee("new "+d.Ref, noon)})
		}))
		known, _, err := l.CountEmployees(ctx, "hr", "2026-01-01")
		ok(t, err)
		same(t, known, 6)
	})
}

func TestTouchFeed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		var list []Employee
		var refs []string
		for i := range touchRows + 123 {
			e := employee(fmt.Sprintf("r%05d", i), noon)
			e.Missing = 1
			list, refs = append(list, e), append(refs, e.Ref)
		}
		ok(t, l.PutEmployees(ctx, list))
		later := noon.Add(time.Hour)
		ok(t, l.TouchFeed(ctx, "hr", append([]string{"unknown"}, refs[1:]...), later, later))
		ok(t, l.TouchFeed(ctx, "hr", refs[2:3], later, noon))        // never back
		ok(t, l.TouchFeed(ctx, "hr", refs[3:4], later, time.Time{})) // nor blank
		ok(t, l.TouchFeed(ctx, "other", refs, later.Add(time.Hour), later.Add(time.Hour)))
		missing := map[int]int{}
		ok(t, l.Digests(ctx, "hr", func(d Digest) error { missing[d.Missing]++; return nil }))
		same(t, missing, map[int]int{0: len(list) - 1, 1: 1})
		for _, tc := range []struct {
			ref  string
			seen time.Time
		}{{refs[0], noon}, {refs[1], later}, {refs[2], later}, {refs[len(refs)-1], later}} {
			e, _, err := l.Employee(ctx, "hr", tc.ref)
			ok(t, err)
			same(t, e.SeenAt, tc.seen)
			same(t, e.ObservedAt, tc.seen)
		}
	})
}

func TestCountEmployees(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		put := func(ref, start string, open bool) {
			ok(t, l.PutEmployees(ctx, []Employee{{Source: "hr", Ref: ref, Start: start, Open: open}}))
		}
		put("before", "2026-03-01", true)
		put("that day", "2026-03-02", true)
		put("after", "2027-01-01", true)
		put("closed", "2027-01-01", false)
		put("no start", "", true)
		known, pre, err := l.CountEmployees(ctx, "hr", "2026-03-02")
		ok(t, err)
		same(t, [2]int{known, pre}, [2]int{5, 2})
		known, pre, err = l.CountEmployees(ctx, "none", "2026-03-02")
		ok(t, err)
		same(t, [2]int{known, pre}, [2]int{0, 0})
	})
}

func TestDeliveriesAndFiles(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		for _, tc := range []struct {
			name  string
			taken func(source, key string) (bool, error)
			mark  func(source, key string) error
		}{
			{"delivery",
				func(s, k string) (bool, error) { return l.Delivered(ctx, s, k) },
				func(s, k string) error { return l.MarkDelivery(ctx, s, k, noon) }},
			{"file",
				func(s, k string) (bool, error) { return l.FileTaken(ctx, s, k) },
				func(s, k string) error { return l.MarkFile(ctx, s, k, "applied\x00\xff", noon) }},
		} {
			if taken, err := tc.taken("hr", "k"); taken || err != nil {
				t.Errorf("%s: %v, %v before", tc.name, taken, err)
			}
			ok(t, tc.mark("hr", "k"))
			ok(t, tc.mark("hr", "k"))
			if taken, err := tc.taken("hr", "k"); !taken || err != nil {
				t.Errorf("%s: %v, %v after", tc.name, taken, err)
			}
			if taken, err := tc.taken("hr2", "k"); taken || err != nil {
				t.Errorf("%s: %v, %v at another source", tc.name, taken, err)
			}
		}
	})
}

func TestQuarantine(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		ok(t, l.Keep(ctx, Quarantined{ID: "2", Source: "hr", Reason: "no start date", Size: 99}, []byte("body 2"))) // at noon
		ok(t, l.Keep(ctx, Quarantined{ID: "1", Source: "hr2", Reason: "bad\x00 \xffreason", At: noon.Add(-time.Hour)}, nil))
		ok(t, l.Keep(ctx, Quarantined{ID: "2", Source: "other", Reason: "again"}, []byte("again")))
		two := Quarantined{"2", "hr", "no start date", noon, 6}
		one := Quarantined{"1", "hr2", "bad\ufffd \ufffdreason", noon.Add(-time.Hour), 0}
		for source, want := range map[string][]Quarantined{"": {one, two}, "hr": {two}, "none": nil} {
			list, err := l.Quarantine(ctx, source)
			ok(t, err)
			same(t, list, want)
		}
		q, body, err := l.QuarantinedBody(ctx, "2")
		ok(t, err)
		same(t, q, two)
		same(t, string(body), "body 2")
		ok(t, l.Drop(ctx, "2"))
		wants(t, l.Drop(ctx, "2"), ErrNotFound)
		_, _, err = l.QuarantinedBody(ctx, "2")
		wants(t, err, ErrNotFound)
	})
}

func TestHeld(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		later := noon.Add(time.Hour)
		ok(t, l.Hold(ctx, Held{Source: "hr", Ref: "a", Kind: "contact", State: []byte("one")})) // since noon
		ok(t, l.Hold(ctx, Held{"hr", "a", "contact", later, []byte("two")}))
		ok(t, l.Hold(ctx, Held{"hr", "a", "vanished", later, []byte("gone")}))
		ok(t, l.Hold(ctx, Held{"hr2", "b", "contact", later, nil}))
		list, err := l.HeldList(ctx, "hr")
		ok(t, err)
		same(t, list, []Held{{"hr", "a", "contact", noon, nil}, {"hr", "a", "vanished", later, nil}})
		list, err = l.HeldList(ctx, "")
		ok(t, err)
		same(t, len(list), 3)
		h, err := l.HeldState(ctx, "hr", "a", "contact")
		ok(t, err)
		same(t, h, Held{"hr", "a", "contact", noon, []byte("two")})
		list, err = l.HeldByRef(ctx, "a")
		ok(t, err)
		same(t, list, []Held{{"hr", "a", "contact", noon, []byte("two")}, {"hr", "a", "vanished", later, []byte("gone")}})
		ok(t, l.Release(ctx, "hr", "a", "contact"))
		wants(t, l.Release(ctx, "hr", "a", "contact"), ErrNotFound)
		_, err = l.HeldState(ctx, "hr", "a", "contact")
		wants(t, err, ErrNotFound)
	})
}

func TestFeed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		f, err := l.Feed(ctx, "hr")
		ok(t, err)
		same(t, f, FeedState{Source: "hr"})
		want := FeedState{"hr", noon, noon.Add(1e9), noon.Add(2e9), noon.Add(3e9), noon.Add(4e9), "status 503", noon.Add(5e9), "40 of 100", 40, 3}
		ok(t, l.UpdateFeed(ctx, "hr", func(f *FeedState) {
			same(t, *f, FeedState{Source: "hr"})
			*f = want
			f.Source = "ignored"
		}))
		ok(t, l.UpdateFeed(ctx, "hr", func(f *FeedState) { same(t, *f, want) }))
		f, err = l.Feed(ctx, "hr")
		ok(t, err)
		same(t, f, want)
	})
}

func TestHandshakes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		for i := range 5 { // two in the same millisecond
			ok(t, l.PutHandshake(ctx, "hr", fmt.Appendf(nil, "token %d", i), noon.Add(time.Duration(i/2)*time.Second)))
		}
		ok(t, l.PutHandshake(ctx, "hr2", nil, noon))
		list, err := l.Handshakes(ctx, "hr")
		ok(t, err)
		same(t, list, []Handshake{
			{noon.Add(2 * time.Second), []byte("token 4")},
			{noon.Add(time.Second), []byte("token 3")},
			{noon.Add(time.Second), []byte("token 2")}})
		list, err = l.Handshakes(ctx, "hr2")
		ok(t, err)
		same(t, len(list), 1)
	})
}

func TestCounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		ok(t, l.AddCounts(ctx, "hr", noon, nil))
		ok(t, l.AddCounts(ctx, "hr", noon.Add(-time.Hour), map[string]int{"ok": 100}))
		ok(t, l.AddCounts(ctx, "hr", noon.Add(59*time.Minute), map[string]int{"ok": 2, "bad": 1}))
		ok(t, l.AddCounts(ctx, "hr", noon, map[string]int{"ok": 3}))
		ok(t, l.AddCounts(ctx, "hr2", noon, map[string]int{"ok": 7}))
		for _, tc := range []struct {
			since time.Time
			want  map[string]int
		}{
			{noon.Add(10 * time.Minute), map[string]int{"ok": 5, "bad": 1}},
			{noon.Add(-time.Minute), map[string]int{"ok": 105, "bad": 1}},
			{time.Time{}, map[string]int{"ok": 105, "bad": 1}},
			{noon.Add(time.Hour), map[string]int{}},
		} {
			got, err := l.Counts(ctx, "hr", tc.since)
			ok(t, err)
			same(t, got, tc.want)
		}
	})
}

func TestResources(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		a := Resource{"hr", "a", "ka", "na", 1, noon, noon, []byte("body a")}
		b := Resource{"hr", "b", "kb", "nb", 1, noon, noon, []byte("body b")}
		bare := Resource{"hr", "c", "", "", 1, noon, noon.Add(-time.Hour), []byte("bare")}
		bare2 := Resource{"hr", "d", "", "", 1, noon, noon.Add(time.Hour), []byte("bare too")}
		elsewhere := Resource{"hr2", "a", "ka", "na", 1, noon, noon, []byte("elsewhere")}
		for _, r := range []Resource{a, b, bare, bare2, elsewhere} {
			ok(t, l.PutResource(ctx, r, 0))
		}
		with := func(r Resource, edit func(*Resource)) Resource { edit(&r); return r }
		for name, tc := range map[string]struct {
			r      Resource
			expect int
			want   error
		}{
			"exists":             {a, 0, ErrConflict},
			"key taken":          {Resource{Source: "hr", ID: "e", Key: "ka"}, 0, ErrConflict},
			"name taken":         {Resource{Source: "hr", ID: "e", NameKey: "nb"}, 0, ErrConflict},
			"other version":      {with(a, func(r *Resource) { r.Version = 3 }), 2, ErrConflict},
			"replace takes key":  {with(a, func(r *Resource) { r.Key = "kb"; r.Version = 2 }), 1, ErrConflict},
			"replace takes name": {with(a, func(r *Resource) { r.NameKey = "nb"; r.Version = 2 }), 1, ErrConflict},
			"replace gone":       {Resource{Source: "hr", ID: "z", Version: 2}, 1, ErrNotFound},
		} {
			if err := l.PutResource(ctx, tc.r, tc.expect); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		a2 := Resource{"hr", "a", "ka2", "na", 2, noon.Add(time.Minute), noon, []byte("body a2")}
		ok(t, l.PutResource(ctx, with(a2, func(r *Resource) { r.Created = noon.Add(time.Hour) }), 1))
		wants(t, l.PutResource(ctx, a2, 1), ErrConflict)

		for name, find := range map[string]func() (Resource, error){
			"id":   func() (Resource, error) { return l.Resource(ctx, "hr", "a") },
			"key":  func() (Resource, error) { return l.ResourceByKey(ctx, "hr", "ka2") },
			"name": func() (Resource, error) { return l.ResourceByNameKey(ctx, "hr", "na") },
		} {
			got, err := find()
			if err != nil {
				t.Errorf("by %s: %v", name, err)
			}
			same(t, got, a2)
		}
		for name, find := range map[string]func() (Resource, error){
			"id":         func() (Resource, error) { return l.Resource(ctx, "hr", "z") },
			"old key":    func() (Resource, error) { return l.ResourceByKey(ctx, "hr", "ka") },
			"empty key":  func() (Resource, error) { return l.ResourceByKey(ctx, "hr", "") },
			"empty name": func() (Resource, error) { return l.ResourceByNameKey(ctx, "hr", "") },
		} {
			if _, err := find(); !errors.Is(err, ErrNotFound) {
				t.Errorf("by %s: %v", name, err)
			}
		}
		for _, tc := range []struct {
			offset, limit int
			want          []Resource
		}{
			{0, 10, []Resource{bare, a2, b, bare2}}, {1, 2, []Resource{a2, b}}, {4, 10, nil}, {0, 0, nil}, {-1, 1, []Resource{bare}},
		} {
			list, total, err := l.Resources(ctx, "hr", tc.offset, tc.limit)
			ok(t, err)
			same(t, list, tc.want)
			same(t, total, 4)
		}
		ok(t, l.DropResource(ctx, "hr", "a"))
		wants(t, l.DropResource(ctx, "hr", "a"), ErrNotFound)
		ok(t, l.PutResource(ctx, a, 0))
	})
}

func TestPurge(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		l := w.open()
		old := noon.Add(-time.Hour)
		for i := range purgeRows + 5 {
			ok(t, l.AddCounts(ctx, fmt.Sprintf("s%d", i), old, map[string]int{"ok": 1}))
		}
		for _, at := range []time.Time{old, noon} {
			id := at.String()
			ok(t, l.Keep(ctx, Quarantined{ID: id, Source: "hr", At: at}, []byte("x")))
			ok(t, l.MarkDelivery(ctx, "hr", id, at))
			ok(t, l.AddCounts(ctx, "hr", at, map[string]int{"ok": 1}))
			ok(t, l.MarkFile(ctx, "hr", id, "applied", at))
			ok(t, l.PutHandshake(ctx, "hr", []byte("x"), at))
		}
		done, err := l.Purge(ctx, Before{})
		ok(t, err)
		same(t, done, Purged{})
		done, err = l.Purge(ctx, Before{noon, noon, noon, noon, noon, noon})
		ok(t, err)
		same(t, done, Purged{Quarantine: 1, Deliveries: 1, Counts: purgeRows + 6, Files: 1, Handshakes: 1})
		done, err = l.Purge(ctx, Before{noon, noon, noon, noon, noon, noon})
		ok(t, err)
		same(t, done, Purged{})
		if taken, err := l.Delivered(ctx, "hr", noon.String()); !taken || err != nil {
			t.Errorf("a new delivery is gone: %v", err)
		}
	})
}
