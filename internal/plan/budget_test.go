package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"firstpass.internal/internal/jml"
)

// crowd is n people who come due at a time, so long before their start.
func crowd(n int, at time.Time, lead time.Duration, m jml.Mode) []Outcome {
	out := make([]Outcome, n)
	for i := range out {
		out[i] = Outcome{Result: ResultIssue, Mode: m, Profile: "default", IssueAt: at, Start: at.Add(lead)}
	}
	return out
}

func TestPlanBudget(t *testing.T) {
	tests := []struct {
		name    string
		people  []Outcome
		share   float64
		clears  time.Duration
		through time.Duration // after the first is due, in waves
		late    int
		advice  string
	}{
		{"a few", crowd(10, now, 24*time.Hour, jml.ModeSend), 0.5, 10 * time.Second, 10 * time.Second, 0, ""},
		// 3,000 writes in the first 150 s, the rest after: at 8,000 units no 10 s
		// takes more than 1,333 passes.
		{"5,000 at once", crowd(5000, now, 24*time.Hour, jml.ModeSend), 1, 170 * time.Second, 170 * time.Second, 0, ""},
		{"5,000 at half", crowd(5000, now, 24*time.Hour, jml.ModeSend), 0.5, 170 * time.Second, 460 * time.Second, 0, ""},
		{"links need no writes", crowd(5000, now, 24*time.Hour, jml.ModePickup), 1, 0, 30 * time.Second, 0, ""},
		{"no lead", crowd(5000, now, time.Minute, jml.ModeSend), 0.5, 170 * time.Second, 460 * time.Second, 3500, "make lead_time longer by"},
		{"nobody", nil, 0.5, 0, 0, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := foresee(tt.people, load{}, tt.share)
			var through time.Duration
			late := 0
			for _, w := range b.Waves {
				through, late = max(through, w.Done.Sub(now)), late+w.Late
			}
			if tt.clears != 0 && b.Clears != tt.clears.Seconds() || through != tt.through || late != tt.late {
				t.Errorf("clears %vs, through %s, late %d; want %s, %s, %d", b.Clears, through, late, tt.clears, tt.through, tt.late)
			}
			if got := strings.Join(b.Advice, "; "); tt.advice == "" && got != "" || !strings.Contains(got, tt.advice) || b.Fits != (late == 0) {
				t.Errorf("advice %q, fits %t", got, b.Fits)
			}
		})
	}
}

// TestPlanWavesKeepToTheShare: whatever comes due, no window holds more than the
// share, nobody goes before time, and nobody is left out.
func TestPlanWavesKeepToTheShare(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var list []due
		at := now
		for i := range rapid.IntRange(1, 6).Draw(r, "groups") {
			at = at.Add(time.Duration(rapid.IntRange(0, 400).Draw(r, "gap")) * time.Second)
			m := rapid.SampledFrom([]jml.Mode{jml.ModeSend, jml.ModePickup}).Draw(r, "mode")
			for range rapid.IntRange(0, 1500).Draw(r, "people") {
				list = append(list, due{at, at.Add(time.Hour), fmt.Sprint(i), load{groups: true}.due(m)})
			}
		}
		share := rapid.Float64Range(0.05, 1).Draw(r, "share")
		b := Budget{UnitsLimit: unitsSmall, WritesLimit: writesMost}
		units, writes := map[int64]int{}, map[int64]int{}
		waves, _ := b.paceNoting(list, share, func(slot int64, c Cost) {
			units[slot] += c.Units
			writes[slot] += c.Writes
		})
		n := 0
		for _, w := range waves {
			n += w.People
			if w.From.Before(w.Due) || w.Done.Before(w.From) {
				r.Fatalf("%+v", w)
			}
		}
		if n != len(list) {
			r.Fatalf("%d of %d", n, len(list))
		}
		for s, u := range units {
			recent := 0
			for back := range slots {
				recent += writes[s-back]
			}
			if float64(u) > share*unitsSmall || float64(recent) > share*writesMost {
				r.Fatalf("window %d: %d units, %d writes, at %v", s, u, recent, share)
			}
		}
	})
}
