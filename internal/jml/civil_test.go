package jml_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"firstpass.internal/internal/jml"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := jml.LoadZone(name)
	if err != nil {
		t.Fatalf("zone %s: %v", name, err)
	}
	return loc
}

func date(t testing.TB, s string) jml.Date {
	t.Helper()
	d, err := jml.ParseDate(s)
	if err != nil {
		t.Fatalf("date %s: %v", s, err)
	}
	return d
}

func TestInstant(t *testing.T) {
	tests := []struct {
		name, zone, date string
		clock            jml.Clock
		want             string
	}{
		{"plain day", "Europe/Copenhagen", "2026-12-01", jml.Clock{Hour: 9}, "2026-12-01T08:00:00Z"},
		{"summer", "Europe/Copenhagen", "2026-07-01", jml.Clock{Hour: 9}, "2026-07-01T07:00:00Z"},
		{"the day before in UTC", "Asia/Tokyo", "2026-12-01", jml.Clock{Hour: 7}, "2026-11-30T22:00:00Z"},
		{"the day after in UTC", "Pacific/Honolulu", "2026-12-01", jml.Clock{Hour: 18}, "2026-12-02T04:00:00Z"},
		{"in the spring gap", "Europe/Copenhagen", "2026-03-29", jml.Clock{Hour: 2, Minute: 30}, "2026-03-29T01:00:00Z"},
		{"at the end of the gap", "Europe/Copenhagen", "2026-03-29", jml.Clock{Hour: 3}, "2026-03-29T01:00:00Z"},
		{"in the autumn overlap", "Europe/Copenhagen", "2026-10-25", jml.Clock{Hour: 2, Minute: 30}, "2026-10-25T00:30:00Z"},
		{"midnight that is skipped", "America/Santiago", "2026-09-06", jml.Clock{}, "2026-09-06T04:00:00Z"},
		{"half-hour gap", "Australia/Lord_Howe", "2026-10-04", jml.Clock{Hour: 2, Minute: 15}, "2026-10-03T15:30:00Z"},
		{"a day that was skipped", "Pacific/Apia", "2011-12-30", jml.Clock{Hour: 9}, "2011-12-30T10:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := jml.Instant(date(t, tt.date), tt.clock, zone(t, tt.zone)).UTC().Format(time.RFC3339)
			if got != tt.want {
				t.Errorf("Instant(%s, %s, %s) = %s, want %s", tt.date, tt.clock, tt.zone, got, tt.want)
			}
		})
	}
}

// Instant gives the first moment at which the local clock shows the wanted time
// or, in a gap, more than it.
func TestInstantProperties(t *testing.T) {
	zones := []string{"Europe/Copenhagen", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "America/Santiago", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := jml.LoadZone(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 5000).Draw(t, "day"))
		d := jml.Date{Year: day.Year(), Month: day.Month(), Day: day.Day()}
		c := jml.Clock{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.IntRange(0, 59).Draw(t, "minute")}
		wanted := d.String() + " " + c.String()
		shown := func(x time.Time) string { return x.In(loc).Format("2006-01-02 15:04:05") }
		got := jml.Instant(d, c, loc)
		if shown(got) < wanted {
			t.Fatalf("the clock shows %s at the instant for %s", shown(got), wanted)
		}
		if before := got.Add(-time.Second); shown(before) >= wanted && shown(got) != wanted {
			t.Fatalf("a second before, the clock shows %s already; wanted the first moment of %s", shown(before), wanted)
		}
		if other := got.Add(-2 * time.Hour); shown(got) == wanted {
			for ; other.Before(got); other = other.Add(30 * time.Minute) {
				if shown(other) == wanted {
					t.Fatalf("%s shows %s too, earlier", other, wanted)
				}
			}
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "2026-02-30", "2026-13-01", "01/02/2026", "2026-1-2", "2026-12-01T00:00:00Z", "tomorrow"} {
		if d, err := jml.ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q) = %s", s, d)
		}
	}
	for _, s := range []string{"", "9", "24:00", "09:60", "9 am"} {
		if c, err := jml.ParseClock(s); err == nil {
			t.Errorf("ParseClock(%q) = %s", s, c)
		}
	}
	for _, s := range []string{"", "Local", "CEST", "Europe/Atlantis", "../etc/passwd"} {
		if _, err := jml.LoadZone(s); err == nil {
			t.Errorf("LoadZone(%q) succeeded", s)
		}
	}
}

func TestSnapshotJSONRoundTrip(t *testing.T) {
	at := jml.Clock{Hour: 22, Minute: 30}
	in := jml.Snapshot{
		EmployeeID: "4711", Status: jml.StatusScheduled, StartDate: date(t, "2026-12-01"), StartTime: &at,
		Zone: "Europe/Oslo", ObservedAt: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC),
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out jml.Snapshot
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if !out.SameContent(in) || !out.ObservedAt.Equal(in.ObservedAt) {
		t.Errorf("round trip gave %+v from %s", out, b)
	}
}
