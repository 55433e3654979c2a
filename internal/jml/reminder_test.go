package jml

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func zone(t interface {
	Helper()
	Fatal(...any)
}, name string) *time.Location {
	t.Helper()
	loc, err := LoadZone(name)
	if err != nil {
		t.Fatal(name, err)
	}
	return loc
}

func quiet(from, until string) *QuietHours {
	f, err := ParseClock(from)
	if err != nil {
		panic(err)
	}
	u, err := ParseClock(until)
	if err != nil {
		panic(err)
	}
	return &QuietHours{From: f, Until: u}
}

// instant reads 2006-01-02 15:04:05 -0700: in an hour that comes twice, only the
// offset says which is meant.
func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05 -0700", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestQuietHoursNext(t *testing.T) {
	night := quiet("20:00", "08:00")
	for _, tc := range []struct {
		name     string
		q        *QuietHours
		zone     string
		at, want string
	}{
		{"none", nil, "Europe/Berlin", "2026-11-16 03:00:00 +0100", "2026-11-16 03:00:00 +0100"},
		{"as long as nothing", quiet("08:00", "08:00"), "Europe/Berlin", "2026-11-16 08:00:00 +0100", "2026-11-16 08:00:00 +0100"},
		{"by day", night, "Europe/Berlin", "2026-11-16 12:00:00 +0100", "2026-11-16 12:00:00 +0100"},
		{"just before", night, "Europe/Berlin", "2026-11-16 19:59:59 +0100", "2026-11-16 19:59:59 +0100"},
		{"just begun", night, "Europe/Berlin", "2026-11-16 20:00:00 +0100", "2026-11-17 08:00:00 +0100"},
		{"after midnight", night, "Europe/Berlin", "2026-11-17 00:00:00 +0100", "2026-11-17 08:00:00 +0100"},
		{"nearly over", night, "Europe/Berlin", "2026-11-17 07:59:59 +0100", "2026-11-17 08:00:00 +0100"},
		{"over", night, "Europe/Berlin", "2026-11-17 08:00:00 +0100", "2026-11-17 08:00:00 +0100"},
		{"told in another zone", night, "Europe/Berlin", "2026-11-16 20:00:00 +0000", "2026-11-17 08:00:00 +0100"},
		{"quiet there, day here", night, "Asia/Tokyo", "2026-11-16 12:00:00 +0000", "2026-11-17 08:00:00 +0900"},
		{"at noon", quiet("12:00", "14:00"), "Europe/Berlin", "2026-11-16 13:30:00 +0100", "2026-11-16 14:00:00 +0100"},
		{"all but a minute", quiet("08:01", "08:00"), "Europe/Berlin", "2026-11-16 08:01:00 +0100", "2026-11-17 08:00:00 +0100"},

		{"short night", night, "Europe/Berlin", "2026-03-28 22:00:00 +0100", "2026-03-29 08:00:00 +0200"},
		{"long night", night, "Europe/Berlin", "2026-10-24 22:00:00 +0200", "2026-10-25 08:00:00 +0100"},
		{"ends in the gap", quiet("22:00", "02:30"), "Europe/Berlin", "2026-03-29 01:00:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"lies in the gap", quiet("02:10", "02:50"), "Europe/Berlin", "2026-03-29 01:59:59 +0100", "2026-03-29 01:59:59 +0100"},
		{"begins in the gap", quiet("02:30", "06:00"), "Europe/Berlin", "2026-03-29 03:00:00 +0200", "2026-03-29 06:00:00 +0200"},
		{"the gap leads past it", quiet("01:30", "03:00"), "Europe/Berlin", "2026-03-29 01:45:00 +0100", "2026-03-29 03:00:00 +0200"},
		{"ends in the hour that comes twice", quiet("22:00", "02:30"), "Europe/Berlin", "2026-10-25 01:00:00 +0200", "2026-10-25 02:30:00 +0200"},
		{"and begins anew in it", quiet("22:00", "02:30"), "Europe/Berlin", "2026-10-25 02:10:00 +0100", "2026-10-25 02:30:00 +0100"},
		{"begins in the hour that comes twice", quiet("02:30", "06:00"), "Europe/Berlin", "2026-10-25 02:45:00 +0200", "2026-10-25 02:00:00 +0100"},
		{"half an hour", quiet("01:00", "02:15"), "Australia/Lord_Howe", "2026-10-04 01:30:00 +1030", "2026-10-04 02:30:00 +1100"},
		{"midnight does not exist", quiet("22:00", "00:30"), "Asia/Beirut", "2026-03-28 23:00:00 +0200", "2026-03-29 01:00:00 +0300"},
		{"a whole day does not exist", night, "Pacific/Apia", "2011-12-29 21:00:00 -1000", "2011-12-31 08:00:00 +1400"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, want := tc.q.Next(instant(t, tc.at), zone(t, tc.zone)), instant(t, tc.want)
			if !got.Equal(want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	odd := instant(t, "2026-11-16 20:00:00 +0100").Add(time.Nanosecond)
	if got, want := night.Next(odd, zone(t, "Europe/Berlin")), instant(t, "2026-11-17 08:00:00 +0100"); !got.Equal(want) {
		t.Errorf("with a fraction of a second: got %s, want %s", got, want)
	}
}

// drawQuiet, drawZone and drawTime cover three years with their changes of the
// clock, by whole hours, by half an hour and at midnight.
func drawQuiet() *rapid.Generator[*QuietHours] {
	clock := rapid.Custom(func(t *rapid.T) Clock {
		return Clock{rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0}
	})
	return rapid.Custom(func(t *rapid.T) *QuietHours {
		return &QuietHours{From: clock.Draw(t, "from"), Until: clock.Draw(t, "until")}
	})
}

func drawZone() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana", "Asia/Kathmandu"})
}

func drawTime() *rapid.Generator[time.Time] {
	base := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	changes := []time.Time{
		time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
		time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC),
		time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC), time.Date(2026, 10, 3, 15, 30, 0, 0, time.UTC),
		time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC),
	}
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "near a change") {
			near := rapid.SampledFrom(changes).Draw(t, "change")
			return near.Add(time.Duration(rapid.IntRange(-36*3600, 36*3600).Draw(t, "off")) * time.Second)
		}
		return base.Add(time.Duration(rapid.IntRange(0, 3*365*24*3600).Draw(t, "seconds")) * time.Second)
	})
}

func TestQuietHoursNextIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, loc, at := drawQuiet().Draw(t, "quiet"), zone(t, drawZone().Draw(t, "zone")), drawTime().Draw(t, "at")
		got := q.Next(at, loc)
		if got.Before(at) {
			t.Fatalf("%s lies before %s", got, at)
		}
		if got.Sub(at) >= 25*time.Hour {
			t.Fatalf("put off by %s", got.Sub(at))
		}
		// quietAt is what is meant, said in another way.
		quietAt := func(at time.Time) bool {
			c := at.In(loc).Format("15:04:05")
			from, until := q.From.String(), q.Until.String()
			return from < until && from <= c && c < until || from > until && (from <= c || c < until)
		}
		if quietAt(got) {
			t.Fatalf("%s is quiet", got.In(loc))
		}
		for s := at; s.Before(got); s = s.Add(30 * time.Second) {
			if !quietAt(s) {
				t.Fatalf("%s would have been earlier than %s", s.In(loc), got.In(loc))
			}
		}
	})
}

func TestReminderTimes(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	start, expiry := time.Date(2026, 11, 16, 9, 0, 0, 0, berlin), time.Date(2026, 11, 16, 17, 0, 0, 0, berlin)
	p := Profile{
		Quiet: quiet("19:00", "07:00"),
		Reminders: []Reminder{
			{Anchor: AnchorStart, Offset: -26 * time.Hour},
			{Anchor: AnchorStart, Offset: -3 * time.Hour},
			{Anchor: AnchorStart, Offset: 4 * time.Hour},
			{Anchor: AnchorExpiry, Offset: -time.Hour},
			{Anchor: AnchorExpiry, Offset: 4 * time.Hour},
		},
	}
	want := []time.Time{
		time.Date(2026, 11, 15, 7, 0, 0, 0, berlin),
		time.Date(2026, 11, 16, 7, 0, 0, 0, berlin),
		time.Date(2026, 11, 16, 13, 0, 0, 0, berlin),
		time.Date(2026, 11, 16, 16, 0, 0, 0, berlin),
		time.Date(2026, 11, 17, 7, 0, 0, 0, berlin),
	}
	if d := cmp.Diff(want, p.ReminderTimes(start, expiry, berlin)); d != "" {
		t.Error(d)
	}
	if got := (Profile{}).ReminderTimes(start, expiry, berlin); len(got) != 0 {
		t.Errorf("no reminders, but %v", got)
	}
}

func TestReminderTimesKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, start := zone(t, drawZone().Draw(t, "zone")), drawTime().Draw(t, "start")
		expiry := start.Add(time.Duration(rapid.IntRange(0, 72).Draw(t, "lifetime")) * time.Hour)
		p := Profile{Quiet: drawQuiet().Draw(t, "quiet")}
		minutes := rapid.SliceOfN(rapid.IntRange(-60*24*60, 60*24*60), 1, 6).Draw(t, "minutes")
		for _, m := range minutes {
			p.Reminders = append(p.Reminders, Reminder{
				Anchor: rapid.SampledFrom([]Anchor{AnchorStart, AnchorExpiry}).Draw(t, "anchor"), Offset: time.Duration(m) * time.Minute,
			})
		}
		got := p.ReminderTimes(start, expiry, loc)
		if len(got) != len(p.Reminders) {
			t.Fatalf("%d reminders, %d times", len(p.Reminders), len(got))
		}
		for i, r := range p.Reminders {
			plain := start
			if r.Anchor == AnchorExpiry {
				plain = expiry
			}
			plain = plain.Add(r.Offset)
			if late := got[i].Sub(plain); late < 0 || late >= 25*time.Hour {
				t.Fatalf("reminder %d is put off by %s", i, late)
			}
			if !got[i].Equal(p.Quiet.Next(got[i], loc)) {
				t.Fatalf("reminder %d is at a quiet hour", i)
			}
			for j, o := range p.Reminders {
				if o.Anchor == r.Anchor && o.Offset <= r.Offset && got[j].After(got[i]) {
					t.Fatalf("reminder %d comes after %d", j, i)
				}
			}
		}
	})
}
