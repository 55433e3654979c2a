package jml

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func weekdays(holidays ...Date) *Calendar {
	return &Calendar{Weekend: []time.Weekday{time.Saturday, time.Sunday}, Holidays: holidays}
}

func TestCalendarBefore(t *testing.T) {
	dec := func(d int) Date { return Date{2026, 12, d} }
	christmas := weekdays(dec(24), dec(25), dec(31))
	always := &Calendar{Weekend: []time.Weekday{0, 1, 2, 3, 4, 5, 6}}
	for _, tc := range []struct {
		name string
		c    *Calendar
		d    Date
		n    int
		want Date
	}{
		{"no calendar", nil, dec(7), 0, dec(7)},
		{"no calendar, two days", nil, dec(7), 2, dec(5)},
		{"a Monday", weekdays(), dec(7), 0, dec(7)},
		{"a Sunday is put back to Friday", weekdays(), dec(6), 0, dec(4)},
		{"one day before Monday", weekdays(), dec(7), 1, dec(4)},
		{"one day before Sunday", weekdays(), dec(6), 1, dec(4)},
		{"five days before Monday", weekdays(), dec(7), 5, Date{2026, 11, 30}},
		{"over Christmas", christmas, dec(28), 1, dec(23)},
		{"over the year", christmas, Date{2027, 1, 4}, 3, dec(29)},
		{"40 days, which are eight weeks", weekdays(), dec(7), 40, Date{2026, 10, 12}},
		{"no working day at all", always, dec(7), 3, dec(7)},
	} {
		if got := tc.c.Before(tc.d, tc.n); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestIssueAt(t *testing.T) {
	const berlin = "Europe/Berlin"
	in := func(zone, s string) time.Time {
		loc, err := LoadZone(zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, tc := range []struct {
		name        string
		p           Profile
		zone        string
		start, want string
	}{
		{"lead time", Profile{LeadTime: 48 * time.Hour}, berlin, "2026-12-07 09:00", "2026-12-05 09:00"},
		{"lead time that ends on a Saturday", Profile{LeadTime: 48 * time.Hour, Calendar: weekdays()}, berlin, "2026-12-07 09:00", "2026-12-04 09:00"},
		{"lead days", Profile{LeadDays: 2, Calendar: weekdays()}, berlin, "2026-12-07 09:00", "2026-12-03 09:00"},
		{"lead days go before lead time", Profile{LeadTime: time.Hour, LeadDays: 1}, berlin, "2026-12-07 09:00", "2026-12-06 09:00"},
		{"over the spring change the clock stays", Profile{LeadDays: 1, Calendar: weekdays()}, berlin, "2026-03-30 09:00", "2026-03-27 09:00"},
		{"over the autumn change too", Profile{LeadDays: 1, Calendar: weekdays()}, berlin, "2026-10-26 09:00", "2026-10-23 09:00"},
		{"into the hour that spring skips", Profile{LeadDays: 1}, berlin, "2026-03-30 02:30", "2026-03-29 03:00"},
		{"a lead time counts hours, not clocks", Profile{LeadTime: 24 * time.Hour}, berlin, "2026-03-29 09:00", "2026-03-28 08:00"},
		{"the day is the employee's", Profile{LeadDays: 1, Calendar: weekdays()}, "Asia/Tokyo", "2026-12-07 07:00", "2026-12-04 07:00"},
	} {
		if got := tc.p.IssueAt(in(tc.zone, tc.start), tc.zone); !got.Equal(in(tc.zone, tc.want)) {
			t.Errorf("%s: %s, want %s", tc.name, got.In(in(tc.zone, tc.want).Location()), tc.want)
		}
	}
}

// TestIssueAtIsAWorkingDay: never after the start; on a working day of the site,
// so many before; at the hour of the start.
func TestIssueAtIsAWorkingDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/Sao_Paulo", "Asia/Tokyo", "Pacific/Auckland", "America/Havana", "UTC"}).Draw(t, "zone")
		loc, err := LoadZone(zone)
		if err != nil {
			t.Fatal(err)
		}
		day := Date{2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day")}
		start := Instant(day, Clock{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: 30}, loc)
		p := Profile{LeadDays: rapid.IntRange(0, 20).Draw(t, "lead days"), Calendar: weekdays()}
		if rapid.Bool().Draw(t, "lead time") {
			p.LeadTime = time.Duration(rapid.IntRange(0, 500).Draw(t, "hours")) * time.Hour
		}
		for range rapid.IntRange(0, 6).Draw(t, "holidays") {
			p.Calendar.Holidays = append(p.Calendar.Holidays, day.AddDays(-rapid.IntRange(0, 30).Draw(t, "before")))
		}
		at := p.IssueAt(start, zone)
		if at.After(start) {
			t.Fatalf("%s is after %s", at, start)
		}
		if !p.Calendar.Working(dayOf(at.In(loc))) {
			t.Fatalf("%s is a day off", at.In(loc))
		}
		if p.LeadDays == 0 {
			if latest := start.Add(-p.LeadTime); at.After(latest) {
				t.Fatalf("%s is after %s", at, latest)
			}
			return
		}
		worked := 0
		for d := dayOf(at.In(loc)); d != day; d = d.AddDays(1) {
			if p.Calendar.Working(d) {
				worked++
			}
		}
		if worked != p.LeadDays {
			t.Fatalf("%d working days from %s to %s, want %d", worked, at, start, p.LeadDays)
		}
	})
}

// TestCalendarStays reads back what a journey carries.
func TestCalendarStays(t *testing.T) {
	raw, err := json.Marshal(weekdays(Date{2026, 12, 25}))
	if err != nil {
		t.Fatal(err)
	}
	var c Calendar
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if c.Working(Date{2026, 12, 25}) || c.Working(Date{2026, 12, 26}) || !c.Working(Date{2026, 12, 24}) {
		t.Errorf("%s", raw)
	}
}
