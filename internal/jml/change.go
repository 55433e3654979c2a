package jml

import "time"

// Known is what intake knows of an employee.
type Known struct {
	Said Snapshot `json:"said"` // what HR said last
	// Told is what the joiner was told last: what HR said, less what is held.
	Told Snapshot `json:"told"`
	// Held says that Said has a contact that waits for approval.
	Held bool `json:"held,omitempty"`
	// Replaced is the contact that Told's took the place of, unseen by anybody
	// because the hand-over was far; nil if none.
	Replaced *Contact `json:"replaced,omitempty"`
}

// Contact is how to reach an employee in private.
type Contact struct {
	PersonalMail string    `json:"personal_mail,omitempty"`
	Phone        string    `json:"phone,omitempty"`
	Until        time.Time `json:"until"` // when it was replaced
}

// Rules are those by which a change is judged.
type Rules struct {
	Profile Profile
	// Guard is how long before the hand-over a changed contact is held.
	Guard time.Duration
	// LateLimit is how far a start may lie back for a joiner to be started.
	LateLimit time.Duration
}

// Change is what a snapshot comes to.
type Change struct {
	Facts []Fact
	Known Known // from now on
	// Tell says that the joiner has to hear of Known.Told.
	Tell bool
}

// Consider judges what HR says now, said, against what is known; old is nil if
// nothing is. It is pure: the same facts in any number give the same Known.
//
// said must be valid and not older than what is known.
func Consider(old *Known, said Snapshot, r Rules, now time.Time) Change {
	said.Hold = ""
	if old == nil {
		c := Change{Facts: said.Facts(nil, r.started(said, now)), Known: Known{Said: said, Told: said}}
		c.Tell = !r.over(said, now)
		return c
	}
	k := r.guarded(*old, said, now)
	c := Change{Known: k, Facts: k.Told.Facts(&old.Told, false)}
	if k.Told.SameContent(old.Told) {
		return c
	}
	// Nothing listens where the start is long past, before and after.
	c.Tell = !r.over(k.Told, now) || !r.over(old.Told, now)
	return c
}

// Approve returns what is known once somebody let the held contact through.
func (k Known) Approve() Known {
	told := k.Said
	if k.Told.ObservedAt.After(told.ObservedAt) {
		told.ObservedAt = k.Told.ObservedAt
	}
	return Known{Said: k.Said, Told: told}
}

// Reject returns what is known once somebody refused the held contact: the one
// from before stays, until HR gives yet another.
func (k Known) Reject() Known {
	k.Held = false
	if k.Told.Hold == HoldContact {
		k.Told.Hold = ""
	}
	return k
}

// Vanish returns what is known of an employee whom a full feed lacks, the last
// of many if confirmed.
func (k Known) Vanish(confirmed bool, at time.Time) Known {
	k.Told.Hold = HoldVanished
	if confirmed {
		k.Told.Hold, k.Told.Status = "", StatusCancelled
	}
	if at.After(k.Told.ObservedAt) {
		k.Told.ObservedAt = at
	}
	return k
}

// guarded returns what is known after said: with the contact from before, and
// held, if the contact changed too late to go unseen.
func (r Rules) guarded(old Known, said Snapshot, now time.Time) Known {
	told := said
	if old.Told.ObservedAt.After(said.ObservedAt) {
		// A full feed that lacked the employee told the joiner something later
		// than this. The joiner must not take what follows for outdated.
		told.ObservedAt = old.Told.ObservedAt
	}
	k := Known{Said: said, Told: told, Replaced: old.Replaced}
	switch before := old.Replaced; {
	case said.contact() == old.Told.contact():
		if before == nil || !r.guards(said, before.Until) {
			return k
		}
		// The start moved back towards a change of contact that nobody saw.
		told.PersonalMail, told.Phone, k.Held, k.Replaced = before.PersonalMail, before.Phone, true, nil
	case said.contact() == old.Said.contact():
		told, k.Held = told.WithContact(old.Told), old.Held // or refused before, and said again
	case before != nil && said.contact() == [2]string{before.PersonalMail, before.Phone}:
		k.Replaced = nil // taken back
		return k
	case !said.overwritesContact(old.Told):
		return k
	case !old.Held && !r.guards(said, now) && !r.guards(old.Told, now):
		k.Replaced = &Contact{old.Told.PersonalMail, old.Told.Phone, now}
		if before != nil && now.Sub(before.Until) < r.Guard {
			// The one in between was not there long enough to be believed.
			k.Replaced.PersonalMail, k.Replaced.Phone = before.PersonalMail, before.Phone
		}
		return k
	default:
		told, k.Held = told.WithContact(old.Told), true
	}
	if k.Held {
		told.Hold = HoldContact
	}
	k.Told = told
	return k
}

// overwritesContact reports whether s replaces an address or a number. One that
// was not there before takes nothing from anybody.
func (s Snapshot) overwritesContact(old Snapshot) bool {
	return old.PersonalMail != "" && s.PersonalMail != old.PersonalMail || old.Phone != "" && s.Phone != old.Phone
}

// guards reports whether a contact that changes at a given time is too late, for
// the hand-over of s, to go unseen.
func (r Rules) guards(s Snapshot, at time.Time) bool {
	if r.Guard <= 0 || s.Status != StatusScheduled || r.over(s, at) {
		return false
	}
	start, err := s.Start(r.Profile.StartHour)
	return err == nil && !at.Before(start.Add(-r.Profile.LeadTime-r.Guard))
}

// Ahead reports whether the employee has yet to start.
func (r Rules) Ahead(s Snapshot, now time.Time) bool {
	return !s.StartDate.IsZero() && !r.started(s, now)
}

// started reports whether the employee should have started by now.
func (r Rules) started(s Snapshot, now time.Time) bool {
	start, err := s.Start(r.Profile.StartHour)
	return err == nil && start.Before(now)
}

// over reports whether the start lies so far back that no journey runs and none
// is to be started: journeys end by their timeout, and begin within the late
// limit. Without a start, nothing is over.
func (r Rules) over(s Snapshot, now time.Time) bool {
	if s.StartDate.IsZero() {
		return false
	}
	start, err := s.Start(r.Profile.StartHour)
	if err != nil {
		// Leavers may come without a zone; a day makes no difference here.
		start = Instant(s.StartDate, r.Profile.StartHour, time.UTC)
	}
	return start.Before(now.Add(-r.LateLimit - r.Profile.Timeout))
}
