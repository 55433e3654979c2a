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
	// Claims are the last statements, in turn, of sources that share employees.
	Claims []Claim `json:"claims,omitempty"`
	// Disputed says that they contradict each other and nobody has decided.
	Disputed bool `json:"disputed,omitempty"`
	// Overruled are the statements that an operator decided against.
	Overruled []Claim `json:"overruled,omitempty"`
	// Returned says that the journey of a rehire has reached its goal: what was
	// registered with it is not of the time before.
	Returned bool `json:"returned,omitempty"`
	// Moving says that a mover began and may still run.
	Moving bool `json:"moving,omitempty"`
	// Twin says that HR names the id of another known employee as that from
	// before, and whether somebody has decided that they are two.
	Twin TwinState `json:"twin,omitempty"`
}

// TwinState says where it stands with two employees whom HR says to be one.
type TwinState string

// The states.
const (
	TwinHeld    TwinState = "held"
	TwinSettled TwinState = "settled"
)

// Beside returns k with or without a twin.
func (k Known) Beside(twin bool) Known {
	switch {
	case !twin:
		k.Twin = ""
	case k.Twin == "":
		k.Twin = TwinHeld
	}
	return k
}

// Contradicted reports whether somebody has to decide what is true.
func (k Known) Contradicted() bool { return k.Disputed || k.Twin == TwinHeld }

// Identified returns said by the id that HR uses now, and whether it says
// anything: the end of an id that HR has given up is not that of the employee.
func (k Known) Identified(said Snapshot) (Snapshot, bool) {
	now := k.Said
	if said.EmployeeID == now.EmployeeID || said.PreviousID == now.EmployeeID || now.EmployeeID == "" {
		return said, true
	}
	if said.Status != StatusScheduled && now.Status == StatusScheduled {
		return said, false
	}
	said.EmployeeID, said.PreviousID, said.Match = now.EmployeeID, now.PreviousID, now.Match
	return said, true
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
	// Source is which of several sources of the same employees speaks; empty
	// where there is but one.
	Source string
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
		c := Change{Facts: said.Facts(nil, r.started(said, now)), Known: r.hear(Known{Said: said, Told: said})}
		c.Tell = !r.over(said, now)
		return c
	}
	k := r.settle(*old, r.hear(r.guarded(*old, said, now)))
	k = k.back(*old, r)
	if k.Twin == TwinHeld && k.Told.Status == StatusScheduled {
		k.Told.Hold = HoldContradiction
	}
	c := Change{Known: k, Facts: k.Told.Facts(&old.Told, false)}
	if k.Told.SameContent(old.Told) {
		return c
	}
	// Nothing listens where the start is long past, before and after. Somebody
	// who leaves is told of all the same: his joiner may have waited for months.
	c.Tell = !r.over(k.Told, now) || !r.over(old.Told, now) || k.Told.Leaves(old.Told)
	return c
}

// Approve returns what is known once somebody let the held contact through.
func (k Known) Approve() Known {
	told := k.Told.WithContact(k.Said)
	if !k.Contradicted() {
		told = k.Said
		told.Rehire = k.Told.Rehire
	}
	if k.Told.ObservedAt.After(told.ObservedAt) {
		told.ObservedAt = k.Told.ObservedAt
	}
	k.Told, k.Held, k.Replaced = told, false, nil
	return k
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

// back returns k with what is known of whether the employee worked here before.
// It holds until the journey of the rehire has reached its goal, or HR says that
// the employee left again. Somebody whose hire was rescinded never worked here,
// nor has who is said to have left before the start.
func (k Known) back(old Known, r Rules) Known {
	returns := old.Told.Status == StatusLeft && k.Told.Status == StatusScheduled &&
		(old.Told.StartDate.IsZero() || r.started(old.Told, old.Told.ObservedAt))
	if k.Told.Status == StatusLeft {
		k.Returned = false
	}
	k.Told.Rehire = !k.Returned && (k.Said.Rehire || old.Told.Rehire || returns)
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
	k := old
	k.Said, k.Told, k.Held = said, told, false
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
	return err == nil && !at.Before(r.Profile.IssueAt(start, s.Zone).Add(-r.Guard))
}

// Ahead reports whether the employee has yet to start.
func (r Rules) Ahead(s Snapshot, now time.Time) bool {
	return !s.StartDate.IsZero() && !r.started(s, now)
}

// Awaits reports whether the employee is expected and a journey of his may run.
func (r Rules) Awaits(s Snapshot, now time.Time) bool {
	return s.Status == StatusScheduled && !r.over(s, now)
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
