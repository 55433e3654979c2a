package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

func date(t testing.TB, text string) jml.Date {
	t.Helper()
	d, err := jml.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ical is a calendar of events, each written as its lines with blanks between.
func ical(events ...string) string {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Holidays//EN\r\n")
	for i, e := range events {
		fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:%d@example.org\r\nSUMMARY:Day off\r\n%s\r\nEND:VEVENT\r\n", i, strings.ReplaceAll(e, " ", "\r\n"))
	}
	b.WriteString("END:VCALENDAR\r\n")
	return b.String()
}

func TestICal(t *testing.T) {
	for _, c := range []struct {
		name, event, from, to string
		want                  string // dates, or the error
	}{
		{"a day", "DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20261226", "2026-01-01", "2027-12-31", "2026-12-25"},
		{"a day without an end", "DTSTART;VALUE=DATE:20261225", "2026-01-01", "2027-12-31", "2026-12-25"},
		{"a day that ends on itself", "DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20261225", "2026-01-01", "2027-12-31", "2026-12-25"},
		{"some days, the end not among them", "DTSTART;VALUE=DATE:20261230 DTEND;VALUE=DATE:20270102", "2026-01-01", "2027-12-31", "2026-12-30 2026-12-31 2027-01-01"},
		{"days of which some are in the window", "DTSTART;VALUE=DATE:20261230 DTEND;VALUE=DATE:20270102", "2026-12-31", "2026-12-31", "2026-12-31"},
		{"a duration", "DTSTART;VALUE=DATE:20261230 DURATION:P2D", "2026-01-01", "2027-12-31", "2026-12-30 2026-12-31"},
		{"a duration in weeks", "DTSTART;VALUE=DATE:20261230 DURATION:P1W", "2027-01-04", "2027-12-31", "2027-01-04 2027-01-05"},
		{"long ago", "DTSTART;VALUE=DATE:20161225", "2026-01-01", "2027-12-31", ""},
		{"yearly", "DTSTART;VALUE=DATE:20161225 RRULE:FREQ=YEARLY", "2026-01-01", "2027-12-31", "2026-12-25 2027-12-25"},
		{"yearly, spelt out", "DTSTART;VALUE=DATE:20161225 RRULE:FREQ=YEARLY;INTERVAL=1;BYMONTH=12;BYMONTHDAY=25;WKST=MO", "2026-01-01", "2026-12-31", "2026-12-25"},
		{"every third year", "DTSTART;VALUE=DATE:20231225 RRULE:FREQ=YEARLY;INTERVAL=3", "2024-01-01", "2029-12-31", "2026-12-25 2029-12-25"},
		{"three times", "DTSTART;VALUE=DATE:20241225 RRULE:FREQ=YEARLY;COUNT=3", "2025-01-01", "2029-12-31", "2025-12-25 2026-12-25"},
		{"until", "DTSTART;VALUE=DATE:20241225 RRULE:FREQ=YEARLY;UNTIL=20261225", "2025-01-01", "2029-12-31", "2025-12-25 2026-12-25"},
		{"until a moment", "DTSTART;VALUE=DATE:20241225 RRULE:FREQ=YEARLY;UNTIL=20261224T235959Z", "2025-01-01", "2029-12-31", "2025-12-25"},
		{"a leap day", "DTSTART;VALUE=DATE:20240229 RRULE:FREQ=YEARLY;COUNT=2", "2025-01-01", "2036-12-31", "2028-02-29"},
		{"over the new year", "DTSTART;VALUE=DATE:20241231 DTEND;VALUE=DATE:20250102 RRULE:FREQ=YEARLY", "2026-01-01", "2026-12-31", "2026-01-01 2026-12-31"},
		{"cancelled", "DTSTART;VALUE=DATE:20261225 STATUS:CANCELLED", "2026-01-01", "2027-12-31", "holds no event"},
		{"a meeting", "DTSTART:20261225T090000Z", "", "", "the event in line 4 is not an all-day one (VALUE=DATE)"},
		{"a bare date", "DTSTART:20261225", "", "", "the event in line 4 is not an all-day one (VALUE=DATE)"},
		{"no start", "STATUS:CONFIRMED", "", "", "the event in line 4 has no DTSTART"},
		{"no date", "DTSTART;VALUE=DATE:20261325", "", "", "the event in line 4 has a date that is none"},
		{"backwards", "DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20261224", "", "", "the event in line 4 ends before it begins"},
		{"for ever", "DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20281224", "", "", "the event in line 4 lasts longer than a year"},
		{"many weeks", "DTSTART;VALUE=DATE:20261225 DURATION:P99W", "", "", "the event in line 4 lasts longer than a year"},
		{"hours", "DTSTART;VALUE=DATE:20261225 DURATION:PT1H", "", "", "the event in line 4 has a DURATION that is not in whole days"},
		{"monthly", "DTSTART;VALUE=DATE:20261225 RRULE:FREQ=MONTHLY", "", "", "the event in line 4 repeats otherwise than yearly on the same date, which is not read; write its days out"},
		{"the fourth Thursday", "DTSTART;VALUE=DATE:20261126 RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "", "", "the event in line 4 repeats otherwise than yearly on the same date, which is not read; write its days out"},
		{"another month", "DTSTART;VALUE=DATE:20261126 RRULE:FREQ=YEARLY;BYMONTH=12", "", "", "the event in line 4 repeats otherwise than yearly on the same date, which is not read; write its days out"},
		{"never again", "DTSTART;VALUE=DATE:20261126 RRULE:FREQ=YEARLY;INTERVAL=0", "", "", "the event in line 4 repeats otherwise than yearly on the same date, which is not read; write its days out"},
		{"two rules", "DTSTART;VALUE=DATE:20261126 RRULE:FREQ=YEARLY RRULE:FREQ=YEARLY", "", "", "the event in line 4 has more than one RRULE"},
		{"exceptions", "DTSTART;VALUE=DATE:20261126 RRULE:FREQ=YEARLY EXDATE;VALUE=DATE:20271126", "", "", "the event in line 4 has exceptions (EXDATE), which are not read; write its days out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			events, err := parseICal(strings.NewReader(ical(c.event)))
			if err != nil || c.from == "" {
				if err == nil || err.Error() != c.want {
					t.Fatalf("err = %v, want %s", err, c.want)
				}
				return
			}
			var got []string
			for _, d := range events[0].within(date(t, c.from), date(t, c.to)) {
				got = append(got, d.String())
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

func TestICalAsAWhole(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"the second event": {ical("DTSTART;VALUE=DATE:20261225", "DTSTART:20261226T000000Z"), "the event in line 9 is not"},
		"no calendar":      {"hello\r\n", "is no iCalendar file (RFC 5545)"},
		"nothing":          {"", "holds no event"},
		"cut off":          {"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261225\r\n", "is no iCalendar file (RFC 5545)"},
		"too large":        {strings.Repeat("X", maxICal+1), "is larger than 1 MiB"},
	} {
		if _, err := parseICal(strings.NewReader(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	// Folded lines and a time zone's definition, as calendars in the wild have.
	text := strings.Replace(ical("DTSTART;VALUE=DATE:20261225"), "SUMMARY:Day off", "DESCRIPTION:A long\r\n  text", 1)
	text = strings.Replace(text, "BEGIN:VEVENT", "BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT", 1)
	if events, err := parseICal(strings.NewReader(text)); err != nil || len(events) != 1 {
		t.Errorf("%v %v", events, err)
	}
}

func FuzzICal(f *testing.F) {
	f.Add(ical("DTSTART;VALUE=DATE:20161225 RRULE:FREQ=YEARLY;COUNT=3", "DTSTART;VALUE=DATE:20261230 DTEND;VALUE=DATE:20270102"))
	f.Add(ical("DTSTART;VALUE=DATE:20240229 DURATION:P2W RRULE:FREQ=YEARLY;UNTIL=20300101;INTERVAL=2"))
	f.Add(ical("DTSTART;VALUE=DATE:00010101 RRULE:FREQ=YEARLY"))
	from, to := jml.Date{Year: 2026, Month: 11, Day: 1}, jml.Date{Year: 2027, Month: 12, Day: 31}
	f.Fuzz(func(t *testing.T, text string) {
		events, err := parseICal(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range events {
			if e.days < 1 || e.days > maxSpan {
				t.Fatalf("%+v", e)
			}
			for _, d := range e.within(from, to) {
				if before(d, from) || before(to, d) || d != d.AddDays(0) {
					t.Fatalf("%+v gives %s", e, d)
				}
			}
		}
	})
}

// TestCalendars: whose calendar a profile takes along, and how much of it.
func TestCalendars(t *testing.T) {
	file := filepath.Join(t.TempDir(), "h.ics")
	if err := os.WriteFile(file, []byte(ical("DTSTART;VALUE=DATE:20161224 RRULE:FREQ=YEARLY", "DTSTART;VALUE=DATE:20261213")), 0o600); err != nil {
		t.Fatal(err)
	}
	clock := now()
	cfg := load(t, `
profiles: {default: {lead_days: 3, `+ways+`}}
calendars:
  - {name: berlin, sites: [Berlin], holidays: [2026-12-03, 2025-12-25, 2028-01-01, 2026-12-24], ical_file: `+file+`}
  - {name: de, countries: [DE]}
  - {name: gulf, countries: [AE], weekend: [friday, saturday]}
`+source(""))
	r, err := New(cfg, func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	choose := func(country, site string) jml.Profile {
		return r.Choose(jml.KindJoiner, "hr", somebody(func(s *jml.Snapshot) { s.Country, s.Site = country, site }), nil).Profile
	}
	days := func(p jml.Profile) string {
		var out []string
		for _, d := range p.Calendar.Holidays {
			out = append(out, d.String())
		}
		return strings.Join(out, " ")
	}
	// Dates once, in order, within the window, without those of a weekend.
	if got, want := days(choose("AE", "Berlin")), "2026-12-03 2026-12-24 2027-12-24"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := choose("DE", "Hamburg").Calendar; len(got.Holidays) > 0 || len(got.Weekend) != 2 {
		t.Errorf("%+v", got)
	}
	if got := choose("AE", "").Calendar; cmp.Diff([]time.Weekday{time.Friday, time.Saturday}, got.Weekend) != "" {
		t.Errorf("%+v", got)
	}
	if got := choose("FR", "Paris").Calendar; got != nil {
		t.Errorf("%+v", got)
	}
	// Three working days before Monday, 7 December: the 3rd is a holiday.
	p := choose("DE", "Berlin")
	start := time.Date(2026, 12, 7, 8, 0, 0, 0, time.UTC)
	if got, want := p.IssueAt(start, "Europe/Berlin"), time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("%s, want %s", got, want)
	}
	// Another year brings other days.
	clock = clock.AddDate(1, 0, 0)
	if got, want := days(choose("DE", "Berlin")), "2027-12-24"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := r.Check(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	if p := choose("DE", "Berlin"); p.Calendar != choose("DE", "Berlin").Calendar {
		t.Error("a calendar is made anew for each of two people of one day")
	}
}

func TestHolidaysRunOut(t *testing.T) {
	r := rules(t, `
profiles: {default: {`+ways+`}}
calendars:
  - {name: old, sites: [A], holidays: [2025-12-25, 2026-11-20]}
  - {name: new, sites: [B], holidays: [2026-11-20, 2026-12-25]}
  - {name: none, sites: [C]}
`+source(""))
	var got []string
	for _, f := range r.Check() {
		got = append(got, f.What)
	}
	if d := cmp.Diff([]string{"calendar old has no holiday from today on"}, got); d != "" {
		t.Error(d)
	}
}
