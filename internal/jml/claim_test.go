package jml

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestContradiction: sources a and b speak in turn.
func TestContradiction(t *testing.T) {
	x, y, z := hire(), hire(on(2026, 12, 8)), hire(on(2026, 12, 15))
	left := hire(status(StatusLeft))
	by := func(source string, s Snapshot, tell Snapshot, hold bool) word { return word{source, s, tell, hold} }
	for _, tc := range []struct {
		name  string
		words []word
	}{
		{"one source changes its mind to and fro", []word{by("a", x, x, false), by("a", y, y, false), by("a", x, x, false), by("a", y, y, false)}},
		{"a poll heals", []word{by("a", x, x, false), by("b", y, y, false), by("b", y, y, false)}},
		{"it heals, and the start moves back", []word{by("a", x, x, false), by("b", y, y, false), by("a", x, x, false)}},
		{"both stay with theirs", []word{by("a", x, x, false), by("b", y, y, false), by("a", x, x, false), by("b", y, x, true), by("a", x, x, true)}},
		{"until one gives way", []word{by("a", x, x, false), by("b", y, y, false), by("a", x, x, false), by("b", y, x, true), by("a", y, y, false), by("b", y, y, false)}},
		{"a third date settles nothing", []word{by("a", x, x, false), by("b", y, y, false), by("a", x, x, false), by("b", y, x, true), by("a", z, x, true), by("b", z, z, false)}},
		{"gone is believed at once", []word{by("a", x, x, false), by("b", left, left, false), by("b", left, left, false)}},
		{"and stays so though the other repeats itself", []word{by("a", x, x, false), by("b", left, left, false), by("a", x, left, false), by("a", x, left, false)}},
		{"until the other says something new, and both do", []word{by("a", x, x, false), by("b", left, left, false), by("a", y, y, false)}},
		{"leaving ends a quarrel about the date", []word{by("a", x, x, false), by("b", y, y, false), by("a", x, x, false), by("b", y, x, true), by("a", left, left, false)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var old *Known
			for i, w := range tc.words {
				r := rules()
				r.Source = w.source
				s := w.says
				s.ObservedAt = monday.Add(time.Duration(i) * time.Minute)
				k := Consider(old, s, r, monday).Known
				if k.Told.Status != w.tell.Status || k.Told.StartDate != w.tell.StartDate || (k.Told.Hold == HoldContradiction) != w.hold {
					t.Fatalf("word %d: told %s %s hold %q, want %s %s %v", i+1, k.Told.Status, k.Told.StartDate, k.Told.Hold, w.tell.Status, w.tell.StartDate, w.hold)
				}
				old = &k
			}
		})
	}
}

type word struct {
	source string
	says   Snapshot
	tell   Snapshot
	hold   bool
}

func quarrel(t testing.TB) Known {
	t.Helper()
	var old *Known
	for i, w := range []word{{"a", hire(), Snapshot{}, false}, {"b", hire(on(2026, 12, 8)), Snapshot{}, false},
		{"a", hire(), Snapshot{}, false}, {"b", hire(on(2026, 12, 8)), Snapshot{}, false}} {
		r := rules()
		r.Source = w.source
		w.says.ObservedAt = monday.Add(time.Duration(i) * time.Minute)
		k := Consider(old, w.says, r, monday).Known
		old = &k
	}
	if !old.Contradicted() {
		t.Fatalf("%+v", old)
	}
	return *old
}

func TestSettle(t *testing.T) {
	say := func(k Known, source string, s Snapshot) Known {
		r := rules()
		r.Source = source
		s.ObservedAt = monday.Add(time.Hour)
		return Consider(&k, s, r, monday).Known
	}
	for _, last := range []bool{true, false} {
		k := quarrel(t).Settle(last)
		want, loser, lost := Date{2026, 12, 1}, "b", hire(on(2026, 12, 8))
		if last {
			want, loser, lost = Date{2026, 12, 8}, "a", hire()
		}
		if k.Told.StartDate != want || k.Told.Hold != "" || k.Contradicted() {
			t.Errorf("last %v: %+v", last, k.Told)
		}
		k = say(k, loser, lost)
		if k.Told.StartDate != want || k.Told.Hold != "" {
			t.Errorf("last %v: who was overruled says it again, and is told: %+v", last, k.Told)
		}
		if k = say(k, loser, hire(on(2027, 1, 4))); k.Told.StartDate != (Date{2027, 1, 4}) {
			t.Errorf("last %v: who was overruled says something new: %+v", last, k.Told)
		}
	}
}

// TestGoneStaysGone: whatever two sources say of somebody in whatever order, one
// that never changes its mind does not bring back whom the other has called gone
// since, and what is said of the start while they quarrel is held.
func TestGoneStaysGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules()
		r.Source = "a"
		k := Consider(nil, hire(), r, monday).Known
		gone := false
		for i := range rapid.IntRange(1, 12).Draw(t, "words") {
			s := hire(at(time.Duration(i+1) * time.Minute))
			r.Source = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "source")
			if r.Source == "b" {
				gone = gone || rapid.Bool().Draw(t, "gone")
				if gone {
					s.Status = StatusLeft
				}
			}
			k = Consider(&k, s, r, monday).Known
			if gone && k.Told.Status == StatusScheduled && k.Told.Hold == "" {
				t.Fatalf("back: %+v", k)
			}
			if len(k.Claims) > claimsKept {
				t.Fatalf("%d claims", len(k.Claims))
			}
		}
	})
}
