package jml

import (
	"errors"
	"fmt"
	"time"
)

// Status says whether the HR system still expects the employee to start.
type Status string

// The statuses a Snapshot may carry.
const (
	StatusScheduled Status = "scheduled" // hired, will start or has started
	StatusCancelled Status = "cancelled" // the hire was rescinded before the start
	StatusLeft      Status = "left"      // no longer employed
)

// Snapshot is what an HR system says of one employee at one moment: state, not
// an event. Two snapshots are compared, so repeats, replays and reordering do
// no harm. It is personal data and travels only inside encrypted payloads.
type Snapshot struct {
	EmployeeID   string `json:"employee_id"`             // stable id in the HR system
	Status       Status `json:"status"`                  //
	StartDate    Date   `json:"start_date"`              // civil date, in Zone
	StartTime    *Clock `json:"start_time,omitempty"`    // overrides the profile's start hour
	Zone         string `json:"zone"`                    // IANA name
	GivenName    string `json:"given_name,omitempty"`    //
	FamilyName   string `json:"family_name,omitempty"`   //
	UPN          string `json:"upn,omitempty"`           // user principal name, if HR knows it
	Match        *Match `json:"match,omitempty"`         // how to find the user; default by employee id
	PersonalMail string `json:"personal_mail,omitempty"` //
	Phone        string `json:"phone,omitempty"`         // E.164
	BirthDate    Date   `json:"birth_date,omitzero"`     // if a proof needs it
	ManagerID    string `json:"manager_id,omitempty"`    // employee id of the manager
	Locale       string `json:"locale,omitempty"`        // BCP 47
	Department   string `json:"department,omitempty"`    //
	EmployeeType string `json:"employee_type,omitempty"` // as HR calls it
	JobTitle     string `json:"job_title,omitempty"`     // the role, as HR calls it
	Device       string `json:"device,omitempty"`        // class of device, as HR calls it
	// EffectiveDate is when department, role, country or device take effect, in
	// Zone; zero: at once.
	EffectiveDate Date `json:"effective_date,omitzero"`
	// PreviousID is the employee id until HR gave another one.
	PreviousID string `json:"previous_id,omitempty"`
	// Rehire says that this employee worked here before.
	Rehire     bool      `json:"rehire,omitempty"`
	Site       string    `json:"site,omitempty"`      // place of work, as HR calls it
	Country    string    `json:"country,omitempty"`   // ISO 3166-1 alpha-2
	ObservedAt time.Time `json:"observed_at"`         // when the HR system says this was so
	ZoneRule   ZoneRule  `json:"zone_rule,omitempty"` // where Zone is from
	Hold       Hold      `json:"hold,omitempty"`      // set by intake, never by HR
}

// ZoneRule says where the zone of a snapshot is from.
type ZoneRule string

// The rules, in order of precedence.
const (
	ZoneFromPayload ZoneRule = "payload" // HR names it
	ZoneFromSite    ZoneRule = "site"    // the configured site has it
	ZoneFromCountry ZoneRule = "country" // the country has no other
	ZoneFromDefault ZoneRule = "default" // the source's default
)

// Hold keeps a joiner from making a pass until it is lifted. A pass that is out
// stays.
type Hold string

// The holds.
const (
	HoldContact  Hold = "contact"  // the private address changed late; somebody has to approve
	HoldVanished Hold = "vanished" // missing from the last full feed
	// HoldContradiction: two sources say different things of one employee.
	HoldContradiction Hold = "contradiction"
)

// Match names the Entra user attribute that identifies an employee.
type Match struct {
	Attribute string `json:"attribute"` // one of MatchAttributes, or MatchObjectID
	Value     string `json:"value"`
}

// MatchObjectID finds a user by the object id, which an operator named. HR does
// not name object ids, so it is none of MatchAttributes.
const MatchObjectID = "id"

// MatchAttributes lists the user attributes an employee may be matched by.
// Names and mail addresses of people are left out: they are not unique and
// they change.
func MatchAttributes() []string {
	return []string{"employeeId", "userPrincipalName", "onPremisesImmutableId"}
}

// UserMatch returns how to find the user of s: as it says, else by employee id.
func (s Snapshot) UserMatch() Match {
	if s.Match != nil {
		return *s.Match
	}
	return Match{Attribute: "employeeId", Value: s.EmployeeID}
}

// Validate reports everything that is wrong with s, naming fields and never
// values: the text goes to logs and to the quarantine's open part.
func (s Snapshot) Validate() error {
	var errs []error
	bad := func(field, what string) { errs = append(errs, fmt.Errorf("%s: %s", field, what)) }
	if s.EmployeeID == "" {
		bad("employee_id", "missing")
	}
	switch s.Status {
	case StatusScheduled, StatusCancelled, StatusLeft:
	default:
		bad("status", "not scheduled, cancelled or left")
	}
	if s.Status == StatusScheduled {
		if s.StartDate.IsZero() {
			bad("start_date", "missing")
		} else if s.StartDate.Year < 1970 || s.StartDate.Year > 2199 {
			// HR systems spell "open" as 9999 or 4712.
			bad("start_date", "no real start date")
		}
		if _, err := LoadZone(s.Zone); err != nil {
			bad("zone", err.Error())
		}
	}
	if s.Match != nil {
		known := false
		for _, a := range MatchAttributes() {
			known = known || a == s.Match.Attribute
		}
		if !known {
			bad("match.attribute", "not an attribute a user may be matched by")
		}
		if s.Match.Value == "" {
			bad("match.value", "missing")
		}
	}
	if s.ObservedAt.IsZero() {
		bad("observed_at", "missing")
	}
	return errors.Join(errs...)
}

// Supersedes reports whether s is news to someone who holds old: it is not
// older, and says something else.
func (s Snapshot) Supersedes(old Snapshot) bool {
	return !s.ObservedAt.Before(old.ObservedAt) && !s.SameContent(old)
}

// SameContent reports whether s and o say the same, whenever they were seen.
func (s Snapshot) SameContent(o Snapshot) bool {
	if s.UserMatch() != o.UserMatch() || (s.StartTime == nil) != (o.StartTime == nil) {
		return false
	}
	if s.StartTime != nil && *s.StartTime != *o.StartTime {
		return false
	}
	s.Match, o.Match, s.StartTime, o.StartTime = nil, nil, nil, nil
	s.ObservedAt, o.ObservedAt = time.Time{}, time.Time{}
	s.ZoneRule, o.ZoneRule = "", "" // another way to the same zone
	return s == o
}

// Start returns the instant at which the employee starts: the civil date and
// zone of s at its own start time, else at hour. s must be valid.
func (s Snapshot) Start(hour Clock) (time.Time, error) {
	loc, err := LoadZone(s.Zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("zone: %w", err)
	}
	if s.StartTime != nil {
		hour = *s.StartTime
	}
	return Instant(s.StartDate, hour, loc), nil
}

// Recipient returns the address that HR gave for the kind a profile asks for;
// empty if it gave none, or if the address is not HR's to give.
func (s Snapshot) Recipient(kind RecipientKind) string {
	switch kind {
	case RecipientPersonalMail:
		return s.PersonalMail
	case RecipientPersonalPhone:
		return s.Phone
	}
	return ""
}
