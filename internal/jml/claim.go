package jml

import (
	"maps"
	"slices"
)

// Claim is what one of several sources of the same employees says of start and
// status, where a contradiction decides over a pass. Others of their facts may
// differ: the last word counts.
type Claim struct {
	Source    string `json:"source"`
	Status    Status `json:"status"`
	StartDate Date   `json:"start_date"`
	StartTime *Clock `json:"start_time,omitempty"`
	Zone      string `json:"zone,omitempty"`
}

func claimOf(s Snapshot, source string) Claim {
	return Claim{source, s.Status, s.StartDate, s.StartTime, s.Zone}
}

func (c Claim) gone() bool { return c.Status != StatusScheduled }

// agrees reports whether c and o come to the same, whoever says so. Of somebody
// who is gone the start does not matter.
func (c Claim) agrees(o Claim) bool {
	if c.gone() || o.gone() {
		return c.gone() == o.gone()
	}
	a := Snapshot{StartDate: c.StartDate, StartTime: c.StartTime, Zone: c.Zone}
	return !a.startMoved(Snapshot{StartDate: o.StartDate, StartTime: o.StartTime, Zone: o.Zone})
}

func (s Snapshot) withClaim(from Snapshot) Snapshot {
	s.Status, s.StartDate, s.StartTime, s.Zone, s.ZoneRule = from.Status, from.StartDate, from.StartTime, from.Zone, from.ZoneRule
	return s
}

// claimsKept is how many statements it takes to see that sources contradict each
// other: four, and some that agreed in between.
const claimsKept = 8

// hear notes who said what k.Said says. Repeats are one statement.
func (r Rules) hear(k Known) Known {
	if r.Source == "" {
		return k
	}
	c := claimOf(k.Said, r.Source)
	if n := len(k.Claims); n > 0 && k.Claims[n-1].Source == c.Source && k.Claims[n-1].agrees(c) || k.overruled(c) {
		return k
	}
	k.Claims = append(slices.Clone(k.Claims), c) // never into the array of another Known
	k.Claims = k.Claims[max(0, len(k.Claims)-claimsKept):]
	return k
}

// settle returns k without what its source may not decide. One source that says
// something else than another is news: a poll heals what webhooks lost. It is a
// contradiction once both have said theirs again, and neither has changed its
// mind. Then what was told stays, with a hold, until they agree or somebody
// decides.
//
// That an employee is gone is believed at once, and not taken back because a
// source that never heard of it repeats itself.
func (r Rules) settle(old, k Known) Known {
	if r.Source == "" {
		return k
	}
	says := claimOf(k.Said, r.Source)
	if k.overruled(says) {
		k.Told = k.Told.withClaim(old.Told)
		return k
	}
	var left []Claim
	for _, c := range k.Overruled {
		if c.Source != says.Source {
			left = append(left, c)
		}
	}
	k.Overruled = left
	k.Disputed = clash(k.Claims) || old.Disputed && !agreed(k.Claims)
	if !k.Disputed || says.gone() {
		return k
	}
	k.Told = k.Told.withClaim(old.Told)
	if k.Told.Status == StatusScheduled {
		k.Told.Hold = HoldContradiction
	}
	return k
}

// overruled reports whether an operator has decided against c.
func (k Known) overruled(c Claim) bool {
	return slices.ContainsFunc(k.Overruled, func(o Claim) bool { return o.Source == c.Source && o.agrees(c) })
}

// clash reports whether the last of claims repeats what another source has
// contradicted: its word that the employee is gone, or a word of its own that it
// had repeated.
func clash(claims []Claim) bool {
	return repeats(claims) && (repeats(claims[:len(claims)-1]) || claims[len(claims)-2].gone())
}

// repeats reports whether the last of claims is what its source said before, and
// not what another said in between.
func repeats(claims []Claim) bool {
	last := len(claims) - 1
	if last < 1 || claims[last-1].Source == claims[last].Source || claims[last-1].agrees(claims[last]) {
		return false
	}
	for _, c := range slices.Backward(claims[:last]) {
		if c.Source == claims[last].Source {
			return c.agrees(claims[last])
		}
	}
	return false
}

// agreed reports whether the last words of all sources are the same.
func agreed(claims []Claim) bool {
	last := map[string]Claim{}
	for _, c := range claims {
		last[c.Source] = c
	}
	for _, c := range last {
		if !c.agrees(claims[len(claims)-1]) {
			return false
		}
	}
	return true
}

// Settle returns what is known once somebody decided between sources that
// contradict each other: for what was said last, or for what the joiner was
// told. The others' words count again once they say something else.
func (k Known) Settle(last bool) Known {
	told := k.Told
	if last {
		told = told.withClaim(k.Said)
	}
	if told.Hold == HoldContradiction {
		told.Hold = ""
	}
	if k.Held {
		told.Hold = HoldContact
	}
	k.Told, k.Disputed, k.Overruled = told, false, nil
	if k.Twin == TwinHeld {
		k.Twin = TwinSettled
	}
	words := map[string]Claim{}
	var kept []Claim
	for _, c := range k.Claims {
		words[c.Source] = c
		if c.agrees(claimOf(told, "")) {
			kept = append(kept, c)
		}
	}
	k.Claims = kept
	for _, source := range slices.Sorted(maps.Keys(words)) {
		if c := words[source]; !c.agrees(claimOf(told, "")) {
			k.Overruled = append(k.Overruled, c)
		}
	}
	return k
}
