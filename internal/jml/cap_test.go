package jml

import (
	"testing"
	"time"
)

func TestCap(t *testing.T) {
	const day = 24 * time.Hour
	ago := func(list ...time.Duration) []time.Time {
		var out []time.Time
		for _, d := range list {
			out = append(out, monday.Add(-d))
		}
		return out
	}
	three := &Cap{Count: 3, Per: 30 * day, Rest: time.Hour}
	for _, tc := range []struct {
		name string
		cap  *Cap
		past []time.Time
		ok   bool
		in   time.Duration // until then
	}{
		{"no cap", nil, ago(0, 0, 0, 0), true, 0},
		{"the first", three, nil, true, 0},
		{"within the rest", three, ago(59 * time.Minute), false, time.Minute},
		{"just rested", three, ago(time.Hour), true, 0},
		{"the third", three, ago(2*day, 3*day), true, 0},
		{"the fourth", three, ago(2*day, 3*day, 29*day), false, day},
		{"in any order", three, ago(29*day, 2*day, 3*day), false, day},
		{"the oldest has just gone", three, ago(2*day, 3*day, 30*day), true, 0},
		{"more than the cap, as after it was lowered", three, ago(day, 2*day, 3*day, 4*day), false, 27 * day},
		{"full and not rested: the later of both", three, ago(time.Minute, 2*day, 30*day-time.Minute), false, 59 * time.Minute},
		{"of another clock, ahead", three, ago(-time.Minute), false, 61 * time.Minute},
		{"none at all", &Cap{Per: day}, nil, false, 0},
	} {
		until, ok := tc.cap.Room(tc.past, monday)
		want := time.Time{}
		if tc.in > 0 {
			want = monday.Add(tc.in)
		}
		if ok != tc.ok || !until.Equal(want) {
			t.Errorf("%s: %v until %v, want %v until %v", tc.name, ok, until, tc.ok, want)
		}
		if !ok && !until.IsZero() {
			if _, then := tc.cap.Room(tc.past, until); !then {
				t.Errorf("%s: none at %v either", tc.name, until)
			}
		}
	}
}
