package ledger

import (
	"errors"
	"testing"
	"time"
)

func TestAliases(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, l := t.Context(), w.open()
		ok(t, l.PutAlias(ctx, "hr", "b", "a", noon))
		ok(t, l.PutAlias(ctx, "hr", "c", "a", noon))
		ok(t, l.PutAlias(ctx, "hr", "b", "z", noon)) // stays what it is
		for _, tc := range []struct {
			source, ref, want string
		}{{"hr", "b", "a"}, {"hr", "c", "a"}, {"hr", "a", ""}, {"other", "b", ""}} {
			first, is, err := l.Alias(ctx, tc.source, tc.ref)
			if err != nil || first != tc.want || is != (tc.want != "") {
				t.Errorf("%s %s: %q %v %v", tc.source, tc.ref, first, is, err)
			}
		}
		all, err := l.Aliases(ctx, "hr")
		ok(t, err)
		same(t, all, map[string]string{"b": "a", "c": "a"})
		ok(t, l.PutEmployees(ctx, []Employee{{Source: "hr", Ref: "d", ObservedAt: noon, SeenAt: noon}}))
		if err := l.PutAlias(ctx, "hr", "d", "a", noon); !errors.Is(err, ErrConflict) {
			t.Errorf("made one of two: %v", err)
		}
		if _, err := l.Forget(ctx, "hr"); err != nil {
			t.Error(err)
		}
		if first, is, err := l.Alias(ctx, "hr", "b"); err != nil || !is || first != "a" {
			t.Errorf("after forget: %q %v %v", first, is, err)
		}
	})
}

func TestAsked(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, l := t.Context(), w.open()
		put := func(ref, kind, id string, at time.Duration) Asked {
			a := Asked{"hr", ref, kind, id, noon.Add(at)}
			ok(t, l.PutAsked(ctx, a))
			return a
		}
		put("a", "recovery", "2", 2*time.Hour)
		put("a", "recovery", "1", time.Hour)
		put("a", "recovery", "1", 5*time.Hour) // counts once
		put("a", "staging", "1", 3*time.Hour)
		put("b", "recovery", "1", time.Hour)
		dropped := put("a", "recovery", "3", 4*time.Hour)
		ok(t, l.DropAsked(ctx, dropped))
		ok(t, l.DropAsked(ctx, dropped))
		for _, tc := range []struct {
			kind  string
			since time.Duration
			want  []time.Time
		}{
			{"recovery", 0, []time.Time{noon.Add(time.Hour), noon.Add(2 * time.Hour)}},
			{"recovery", 2 * time.Hour, []time.Time{noon.Add(2 * time.Hour)}},
			{"", 0, []time.Time{noon.Add(time.Hour), noon.Add(2 * time.Hour), noon.Add(3 * time.Hour)}},
			{"mover", 0, nil},
		} {
			got, err := l.AskedSince(ctx, "hr", "a", tc.kind, noon.Add(tc.since))
			ok(t, err)
			same(t, got, tc.want)
		}
		done, err := l.Purge(ctx, Before{Asked: noon.Add(2 * time.Hour)})
		ok(t, err)
		same(t, done, Purged{Asked: 2})
	})
}
