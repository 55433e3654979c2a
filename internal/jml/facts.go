package jml

import "slices"

// Fact is what a snapshot says that was not known before.
type Fact string

// The facts.
const (
	FactScheduled      Fact = "scheduled"      // an employee nobody knew will start
	FactStartMoved     Fact = "startMoved"     // date, time or zone of the start
	FactCancelled      Fact = "cancelled"      // the hire was rescinded
	FactLeft           Fact = "left"           // no longer employed
	FactRehired        Fact = "rehired"        // expected again after cancelled or left
	FactContactChanged Fact = "contactChanged" // private mail address or phone
	FactMoved          Fact = "moved"          // department, manager, country, site, role, device or type of employment
	FactCorrected      Fact = "corrected"      // anything else: names, locale, how to find the user
	FactLate           Fact = "late"           // first heard of after the start
	FactVanished       Fact = "vanished"       // missing from a feed that holds everybody
	FactReturned       Fact = "returned"       // there again after it had vanished
	FactDisputed       Fact = "disputed"       // two sources keep saying different things
)

// Facts compares s with old, the last snapshot of the same employee, nil if
// there is none. late says that the start has passed. No facts: nothing new.
func (s Snapshot) Facts(old *Snapshot, late bool) []Fact {
	var out []Fact
	add := func(f Fact, holds bool) {
		if holds {
			out = append(out, f)
		}
	}
	if old == nil {
		switch s.Status {
		case StatusScheduled:
			add(FactScheduled, true)
			add(FactLate, late)
		case StatusCancelled:
			add(FactCancelled, true)
		case StatusLeft:
			add(FactLeft, true)
		}
		return out
	}
	if s.SameContent(*old) {
		return nil
	}
	gone := s.Status != StatusScheduled
	add(FactCancelled, s.Status == StatusCancelled && old.Status != s.Status)
	add(FactLeft, s.Status == StatusLeft && old.Status != s.Status)
	add(FactRehired, !gone && old.Status != StatusScheduled)
	add(FactStartMoved, s.startMoved(*old))
	add(FactVanished, s.Hold == HoldVanished && old.Hold != HoldVanished)
	add(FactReturned, s.Hold != HoldVanished && old.Hold == HoldVanished)
	add(FactContactChanged, s.contact() != old.contact() || s.Hold == HoldContact && old.Hold != HoldContact)
	add(FactMoved, s.Moved(*old))
	add(FactDisputed, s.Hold == HoldContradiction && old.Hold != HoldContradiction)
	if len(out) == 0 {
		add(FactCorrected, true)
	}
	return out
}

func (s Snapshot) startMoved(old Snapshot) bool {
	same := s.StartDate == old.StartDate && s.Zone == old.Zone && (s.StartTime == nil) == (old.StartTime == nil)
	return !same || s.StartTime != nil && *s.StartTime != *old.StartTime
}

// Restarts reports whether s is reason for another journey after one that
// reached its goal with old: another start, or another user.
func (s Snapshot) Restarts(old Snapshot) bool {
	return s.startMoved(old) || s.Status != old.Status || s.UserMatch() != old.UserMatch() && !s.renames(old)
}

// renames reports whether s is of the same employee as old, to whom HR gave
// another id. That makes him no other user.
func (s Snapshot) renames(old Snapshot) bool {
	return s.Match == nil && old.Match == nil && s.PreviousID != "" && s.PreviousID == old.EmployeeID
}

// Leaves reports whether s says of an employee who was expected, or here, that
// he is not any more.
func (s Snapshot) Leaves(old Snapshot) bool {
	return s.Status != StatusScheduled && old.Status == StatusScheduled
}

// Moved reports whether s gives the employee another position than old did.
func (s Snapshot) Moved(old Snapshot) bool { return s.position() != old.position() }

// InPosition returns s with the position of from: what s was, or is, while that
// position lasts.
func (s Snapshot) InPosition(from Snapshot) Snapshot {
	s.Department, s.ManagerID, s.Country, s.Site = from.Department, from.ManagerID, from.Country, from.Site
	s.EmployeeType, s.JobTitle, s.Device = from.EmployeeType, from.JobTitle, from.Device
	return s
}

func (s Snapshot) contact() [2]string { return [2]string{s.PersonalMail, s.Phone} }

func (s Snapshot) position() [7]string {
	return [7]string{s.Department, s.ManagerID, s.Country, s.Site, s.EmployeeType, s.JobTitle, s.Device}
}

// ContactChanged reports whether s gives another private address or number than
// old did.
func (s Snapshot) ContactChanged(old Snapshot) bool { return s.contact() != old.contact() }

// WithContact returns s with the private address and number of from.
func (s Snapshot) WithContact(from Snapshot) Snapshot {
	s.PersonalMail, s.Phone = from.PersonalMail, from.Phone
	return s
}

// Drastic reports whether facts change or end a journey that is known: what a
// brake counts.
func Drastic(facts []Fact) bool {
	return slices.ContainsFunc(facts, func(f Fact) bool {
		switch f {
		case FactStartMoved, FactCancelled, FactLeft, FactContactChanged, FactVanished:
			return true
		}
		return false
	})
}
