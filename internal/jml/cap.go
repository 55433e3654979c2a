package jml

import (
	"slices"
	"time"
)

// Room reports whether, by c, another journey may be asked for now, after those
// that were asked for at past. If not, it says when there may be one. A nil Cap
// has room for all. A count of 0 has room for none, ever: until is zero then.
func (c *Cap) Room(past []time.Time, now time.Time) (until time.Time, ok bool) {
	if c == nil {
		return time.Time{}, true
	}
	if c.Count <= 0 {
		return time.Time{}, false
	}
	list := slices.SortedFunc(slices.Values(past), time.Time.Compare)
	if n := len(list); n > 0 {
		until = list[n-1].Add(c.Rest)
	}
	if i := len(list) - c.Count; i >= 0 {
		// There is room once all but one less than Count lie far enough back.
		if full := list[i].Add(c.Per); full.After(until) {
			until = full
		}
	}
	if until.After(now) {
		return until, false
	}
	return time.Time{}, true
}
