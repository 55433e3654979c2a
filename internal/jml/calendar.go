package jml

import (
	"slices"
	"time"
)

// Calendar tells working days. The zero Calendar has none but working days.
type Calendar struct {
	Weekend  []time.Weekday `json:"weekend,omitempty"`
	Holidays []Date         `json:"holidays,omitempty"`
}

// Working reports whether people work on d. A nil Calendar knows no day off.
func (c *Calendar) Working(d Date) bool {
	if c == nil {
		return true
	}
	return !slices.Contains(c.Weekend, d.Weekday()) && !slices.Contains(c.Holidays, d)
}

// farthest bounds, in days, how far one working day is looked for: a calendar
// without any is a mistake, and must not keep us searching.
const farthest = 60

// Before returns the n-th working day before d; n of 0 is d, or the last
// working day before it.
func (c *Calendar) Before(d Date, n int) Date {
	found := d
	if n > 0 {
		found, n = d.AddDays(-1), n-1
	}
	for range farthest * (n + 1) {
		if c.Working(found) {
			if n == 0 {
				return found
			}
			n--
		}
		found = found.AddDays(-1)
	}
	return d
}
