package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"firstpass.internal/internal/jml"
)

// Limits that Microsoft documents for one app in one tenant, of the identity and
// access service: resource units by the tenant's size, and writes.
// learn.microsoft.com/graph/throttling-limits
const (
	window      = 10 * time.Second // of units
	writeWindow = 150 * time.Second
	writesMost  = 3000
	unitsSmall  = 3500 // tenants of fewer than 50 users
	unitsMedium = 5000
	unitsLarge  = 8000 // of more than 500
	slots       = int64(writeWindow / window)
)

// Cost is what one journey asks of Graph at one moment. A request for groups
// costs 4 units; all others that are made cost 1 (learn.microsoft.com/graph/throttling-limits).
type Cost struct {
	Requests int `json:"requests"`
	Units    int `json:"units"`
	Writes   int `json:"writes"`
}

func (c Cost) plus(o Cost) Cost {
	return Cost{c.Requests + o.Requests, c.Units + o.Units, c.Writes + o.Writes}
}

// load knows what journeys cost.
type load struct {
	groups bool // the pass policy names groups
}

// preflight is what each look before a pass costs: user, roles twice, methods.
// The policy is kept for minutes.
func (l load) preflight() Cost {
	c := Cost{Requests: 4, Units: 4}
	if l.groups {
		c = c.plus(Cost{Requests: 1, Units: 4}) // checkMemberGroups
	}
	return c
}

// make is what making a pass costs: list those there are, make one.
func (load) make() Cost { return Cost{Requests: 2, Units: 2, Writes: 1} }

// due is what is asked when the pass, or link and code, are due.
func (l load) due(m jml.Mode) Cost {
	if m == jml.ModePickup {
		return l.preflight()
	}
	return l.preflight().plus(l.make())
}

// start is what is asked when the employee comes for it.
func (l load) start(m jml.Mode) Cost {
	if m == jml.ModePickup {
		return l.preflight().plus(l.make())
	}
	return Cost{}
}

// end is what is asked once something is registered: look, delete, look again.
func (load) end() Cost { return Cost{Requests: 3, Units: 3, Writes: 1} }

// journey returns what one journey that goes well costs in all.
func (l load) journey(m jml.Mode) Cost { return l.due(m).plus(l.start(m)).plus(l.end()) }

// Window is what comes due within ten seconds.
type Window struct {
	At     time.Time `json:"at"`
	People int       `json:"people"`
	// Collecting are those who come for their pass, if all do at their start.
	Collecting int `json:"collecting,omitempty"`
	Requests   int `json:"requests"`
	Units      int `json:"units"`
	Writes     int `json:"writes"`
	// UnitShare is of the units of this window, WriteShare of the writes of the
	// 150 s that end with it: 1 is all that Graph allows.
	UnitShare  float64 `json:"unit_share"`
	WriteShare float64 `json:"write_share"`
}

// share is that of the two which is used up first.
func (w Window) share() float64 { return max(w.UnitShare, w.WriteShare) }

// Wave is a number of people who come due at one time, and when they are through
// if no window may use more than the share.
type Wave struct {
	Due    time.Time `json:"due"`
	From   time.Time `json:"from"` // later than Due where the wave before is not through
	Done   time.Time `json:"done"`
	People int       `json:"people"`
	// Late counts those whose start comes before their pass does.
	Late int `json:"late,omitempty"`
}

// Budget is what the plan's people will ask of Graph, and when.
type Budget struct {
	UnitsLimit  int     `json:"units_limit"`  // in 10 s, for a tenant of at least as many users
	WritesLimit int     `json:"writes_limit"` // in 150 s
	Share       float64 `json:"share"`        // that waves may use
	Total       Cost    `json:"total"`        // all journeys to their end, if all goes well
	// Windows are those in which something comes due, if nothing is held back.
	Windows []Window `json:"windows"`
	// Busiest is the window that asks most; Clears how long after it everybody
	// is through at the full budget. Nil: nobody comes due.
	Busiest *Window  `json:"busiest,omitempty"`
	Clears  float64  `json:"clears_seconds"`
	Waves   []Wave   `json:"waves"`
	Fits    bool     `json:"fits"` // everybody has a pass before the start
	Advice  []string `json:"advice,omitempty"`
}

// foresee works out the budget of those who get something.
func foresee(people []Outcome, l load, share float64) Budget {
	b := Budget{UnitsLimit: unitsSmall, WritesLimit: writesMost, Share: share, Windows: []Window{}, Waves: []Wave{}, Fits: true}
	switch n := len(people); {
	case n > 500:
		b.UnitsLimit = unitsLarge
	case n >= 50:
		b.UnitsLimit = unitsMedium
	}
	var list []due
	windows := map[int64]*Window{}
	add := func(at time.Time, people, collecting int, c Cost) {
		w := windows[slot(at)]
		if w == nil {
			w = &Window{At: time.Unix(slot(at)*int64(window/time.Second), 0).UTC()}
			windows[slot(at)] = w
		}
		w.People, w.Collecting = w.People+people, w.Collecting+collecting
		w.Requests, w.Units, w.Writes = w.Requests+c.Requests, w.Units+c.Units, w.Writes+c.Writes
	}
	for i := range people {
		o := &people[i]
		if o.Result != ResultIssue && o.Result != ResultApproval {
			continue
		}
		b.Total = b.Total.plus(l.journey(o.Mode))
		add(o.IssueAt, 1, 0, l.due(o.Mode))
		if c := l.start(o.Mode); c.Requests > 0 {
			add(later(o.Start, o.IssueAt), 0, 1, c)
		}
		list = append(list, due{o.IssueAt, o.Start, o.Profile, l.due(o.Mode)})
	}
	for _, k := range slices.Sorted(maps.Keys(windows)) {
		w := windows[k]
		w.UnitShare = float64(w.Units) / float64(b.UnitsLimit)
		writes := 0
		for back := range slots {
			if before := windows[k-back]; before != nil {
				writes += before.Writes
			}
		}
		w.WriteShare = float64(writes) / float64(b.WritesLimit)
		b.Windows = append(b.Windows, *w)
		if b.Busiest == nil || w.share() > b.Busiest.share() {
			b.Busiest = w
		}
	}
	slices.SortStableFunc(list, func(a, b due) int { return cmp.Or(a.at.Compare(b.at), a.start.Compare(b.start)) })
	full, _ := b.pace(list, 1)
	for _, w := range full {
		if b.Busiest != nil && !w.Due.After(b.Busiest.At.Add(window)) && w.Done.After(b.Busiest.At) {
			b.Clears = max(b.Clears, w.Done.Sub(b.Busiest.At).Seconds())
		}
	}
	var over map[string]time.Duration
	b.Waves, over = b.pace(list, share)
	for _, w := range b.Waves {
		b.Fits = b.Fits && w.Late == 0
	}
	for _, name := range slices.Sorted(maps.Keys(over)) {
		d := over[name].Round(time.Minute)
		if d < over[name] {
			d += time.Minute
		}
		b.Advice = append(b.Advice, fmt.Sprintf("profile %s: make lead_time longer by %s at least, or spread the start hours over as long", name, d))
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func slot(t time.Time) int64 { return t.Unix() / int64(window/time.Second) }

// due is one person who comes due.
type due struct {
	at, start time.Time
	profile   string
	cost      Cost
}

// pace has list, which is sorted, go out as early as it can with no window above
// the share. It returns the waves and, by profile, by how much passes come after
// a start that they were due before.
func (b Budget) pace(list []due, share float64) ([]Wave, map[string]time.Duration) {
	return b.paceNoting(list, share, func(int64, Cost) {})
}

// paceNoting is pace that tells in which window everybody goes.
func (b Budget) paceNoting(list []due, share float64, goes func(slot int64, c Cost)) ([]Wave, map[string]time.Duration) {
	waves, over := []Wave{}, map[string]time.Duration{}
	units, writes := map[int64]int{}, map[int64]int{}
	recent := func(at int64) (n int) {
		for back := range slots {
			n += writes[at-back]
		}
		return n
	}
	unitsMost, writesMost := share*float64(b.UnitsLimit), share*float64(b.WritesLimit)
	at := int64(0)
	for _, d := range list {
		at = max(at, slot(d.at))
		// One journey that alone is more than the share goes all the same.
		for units[at] > 0 && (float64(units[at]+d.cost.Units) > unitsMost || d.cost.Writes > 0 && float64(recent(at)+d.cost.Writes) > writesMost) ||
			units[at] == 0 && d.cost.Writes > 0 && recent(at) > 0 && float64(recent(at)+d.cost.Writes) > writesMost {
			at++
		}
		units[at] += d.cost.Units
		writes[at] += d.cost.Writes
		goes(at, d.cost)
		from := later(d.at, time.Unix(at*int64(window/time.Second), 0).UTC())
		done := time.Unix((at+1)*int64(window/time.Second), 0).UTC()
		if n := len(waves); n == 0 || !waves[n-1].Due.Equal(d.at) {
			waves = append(waves, Wave{Due: d.at, From: from})
		}
		w := &waves[len(waves)-1]
		w.People++
		w.Done = done
		// Who is due in time and through only after the start waits at a closed door.
		if !d.at.After(d.start) && d.start.Before(from) {
			w.Late++
			over[d.profile] = max(over[d.profile], done.Sub(d.start))
		}
	}
	return waves, over
}
