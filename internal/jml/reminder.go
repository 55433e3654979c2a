package jml

import "time"

// Next returns t unless it lies in quiet hours by the clock of loc; then it
// returns the first instant after t that does not. A nil q is never quiet, and
// neither is one that ends where it begins.
//
// An hour that the clock shows twice (autumn) is quiet both times, or neither
// time; where the end falls into hours that the clock skips (spring), the end of
// the gap counts.
func (q *QuietHours) Next(t time.Time, loc *time.Location) time.Time {
	if q == nil || q.From == q.Until {
		return t
	}
	for q.holds(t.In(loc)) {
		local := t.In(loc)
		t = local.Add(q.left(local))
		// If the clock is set before the quiet hours are over, they end at
		// another moment: look again from there.
		if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(t) {
			t = change
		}
	}
	return t
}

// holds reports whether the clock of local shows quiet hours.
func (q *QuietHours) holds(local time.Time) bool {
	from, until, now := q.From.seconds(), q.Until.seconds(), clockOf(local).seconds()
	if from < until {
		return from <= now && now < until
	}
	return from <= now || now < until
}

// left returns how long the quiet hours that hold at local last if nobody sets
// the clock meanwhile: more than 0, at most a day.
func (q *QuietHours) left(local time.Time) time.Duration {
	seconds := q.Until.seconds() - clockOf(local).seconds()
	if seconds <= 0 {
		seconds += 24 * 60 * 60
	}
	return time.Duration(seconds)*time.Second - time.Duration(local.Nanosecond())
}

func clockOf(t time.Time) Clock { return Clock{t.Hour(), t.Minute(), t.Second()} }

// seconds since local midnight, as the clock counts them.
func (c Clock) seconds() int { return c.Hour*60*60 + c.Minute*60 + c.Second }

// ReminderTimes returns when each of p.Reminders is due, in their order: its
// offset from start or expiry, put off to the end of the quiet hours in loc, the
// employee's zone. Those that fall before now or after expiry are listed too.
func (p Profile) ReminderTimes(start, expiry time.Time, loc *time.Location) []time.Time {
	var out []time.Time
	for _, r := range p.Reminders {
		anchor := start
		if r.Anchor == AnchorExpiry {
			anchor = expiry
		}
		out = append(out, p.Quiet.Next(anchor.Add(r.Offset), loc))
	}
	return out
}
