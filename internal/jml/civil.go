package jml

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // a scratch image has no zone files
)

// Date is a day in a calendar, without a zone: what an HR record means by a
// start date. It is never derived from an instant, which would move it by a day
// for half the world.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads an ISO 8601 calendar date, YYYY-MM-DD, and refuses days that
// do not exist.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		// The cause is dropped on purpose: it quotes s, and what arrives here
		// may be any field of an HR record.
		return Date{}, errors.New("not a calendar date of the form YYYY-MM-DD")
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
}

// AddDays returns the date n days later; earlier if n is negative.
func (d Date) AddDays(n int) Date {
	t := time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC)
	return Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
}

// IsZero reports whether d is unset.
func (d Date) IsZero() bool { return d == Date{} }

// String formats d as YYYY-MM-DD.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// MarshalText implements encoding.TextMarshaler; the zero Date is empty.
func (d Date) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Date{}
		return nil
	}
	v, err := ParseDate(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// Clock is a local time of day. The zero Clock is midnight.
type Clock struct {
	Hour, Minute, Second int
}

// ParseClock reads HH:MM or HH:MM:SS on a 24-hour clock.
func ParseClock(s string) (Clock, error) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return Clock{t.Hour(), t.Minute(), t.Second()}, nil
		}
	}
	return Clock{}, errors.New("not a time of day of the form HH:MM or HH:MM:SS")
}

// String formats c as HH:MM:SS.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d:%02d", c.Hour, c.Minute, c.Second) }

// MarshalText implements encoding.TextMarshaler.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Clock) UnmarshalText(b []byte) error {
	v, err := ParseClock(string(b))
	if err != nil {
		return err
	}
	*c = v
	return nil
}

// LoadZone returns the IANA time zone called name. It refuses the empty name
// and "Local", which time.LoadLocation would take to mean something.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("no IANA time zone given")
	}
	// The zone database is part of the binary; where the machine has a newer
	// one, that one is read.
	loc, err := time.LoadLocation(name) //workflowcheck:ignore
	if err != nil {
		return nil, errors.New("not an IANA time zone")
	}
	return loc, nil
}

// Instant returns the moment at which the local clock of loc shows d and c. If
// the clock skips that time (spring), it returns the first moment after the
// gap; if the clock shows it twice (autumn), the first of the two.
func Instant(d Date, c Clock, loc *time.Location) time.Time {
	// time.Date uses one of the two offsets in a gap or an overlap and does
	// not say which, so both are tried.
	wall := time.Date(d.Year, d.Month, d.Day, c.Hour, c.Minute, c.Second, 0, time.UTC)
	_, before := wall.Add(-24 * time.Hour).In(loc).Zone()
	_, after := wall.Add(24 * time.Hour).In(loc).Zone()
	early := wall.Add(-time.Duration(max(before, after)) * time.Second).In(loc)
	late := wall.Add(-time.Duration(min(before, after)) * time.Second).In(loc)
	shows := func(t time.Time) bool {
		y, m, day := t.Date()
		return Date{y, m, day} == d && Clock{t.Hour(), t.Minute(), t.Second()} == c
	}
	switch {
	case shows(early):
		return early
	case shows(late):
		return late
	}
	// In a gap: early stands before the change and late after it; the clock
	// jumps at the moment between them where the offset changes.
	lo, hi := early, late
	_, from := lo.Zone()
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2).Truncate(time.Second)
		if _, off := mid.Zone(); off == from {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
