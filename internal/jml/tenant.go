package jml

import (
	"fmt"
	"strings"
	"time"
)

// User is the part of an Entra user object that decisions need.
type User struct {
	ID      string `json:"id"`
	UPN     string `json:"upn"`
	Enabled bool   `json:"enabled"`
	// External is a guest whose sign-in lives in another tenant. Entra refuses
	// passes for those, not for internal guests.
	// https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass
	External bool `json:"external"`

	// What rules may ask for, as Entra has it.
	Department   string `json:"department,omitempty"`
	JobTitle     string `json:"job_title,omitempty"`
	Country      string `json:"country,omitempty"`
	EmployeeType string `json:"employee_type,omitempty"`
	Company      string `json:"company,omitempty"`
	Guest        bool   `json:"guest,omitempty"` // userType is Guest
}

// Privilege says why a user counts as privileged. The zero value: he does not.
type Privilege struct {
	Roles      int `json:"roles"`       // directory roles held, scoped ones included
	RoleGroups int `json:"role_groups"` // role-assignable groups he is in
}

// Any reports whether there is any privilege.
func (p Privilege) Any() bool { return p.Roles+p.RoleGroups > 0 }

// PassPolicy is the tenant's configuration of the Temporary Access Pass method.
type PassPolicy struct {
	Enabled       bool          `json:"enabled"`
	Minimum       time.Duration `json:"minimum"`
	Default       time.Duration `json:"default"`
	Maximum       time.Duration `json:"maximum"`
	OneTimeOnly   bool          `json:"one_time_only"`
	AllUsers      bool          `json:"all_users"`
	IncludeGroups []string      `json:"include_groups,omitempty"`
	IncludeUsers  []string      `json:"include_users,omitempty"`
	ExcludeGroups []string      `json:"exclude_groups,omitempty"`
	ExcludeUsers  []string      `json:"exclude_users,omitempty"`
}

// Pass is a Temporary Access Pass without its passcode.
type Pass struct {
	MethodID        string        `json:"method_id"`
	CreatedAt       time.Time     `json:"created_at"`
	StartAt         time.Time     `json:"start_at"`
	Lifetime        time.Duration `json:"lifetime"`
	OneTime         bool          `json:"one_time"`
	UsabilityReason string        `json:"usability_reason"`
	RequestID       string        `json:"request_id,omitempty"` // Graph's, of the call that told us
}

// EndsAt returns when the pass expires.
func (p Pass) EndsAt() time.Time { return p.StartAt.Add(p.Lifetime) }

// UsableFrom returns the first moment the pass can work: its start, or its
// creation where that is later.
func (p Pass) UsableFrom() time.Time {
	if p.CreatedAt.After(p.StartAt) {
		return p.CreatedAt
	}
	return p.StartAt
}

// Used reports whether a one-time pass has been used up. For a multi-use pass
// Graph v1.0 does not tell.
func (p Pass) Used() bool { return strings.EqualFold(p.UsabilityReason, "OneTimeUsed") }

// Dead reports whether the pass can never work again. An unknown reason counts
// as alive.
func (p Pass) Dead() bool { return p.Used() || strings.EqualFold(p.UsabilityReason, "Expired") }

// OutOfPolicy reports whether the tenant made the pass but won't let it work.
func (p Pass) OutOfPolicy() bool { return strings.EqualFold(p.UsabilityReason, "DisabledByPolicy") }

// PassRequest is the pass a journey wants.
type PassRequest struct {
	StartAt  time.Time     `json:"start_at"`
	Lifetime time.Duration `json:"lifetime"`
	OneTime  bool          `json:"one_time"`
	// Since is when the journey began to want it. No pass of ours is older.
	Since time.Time `json:"since"`
}

// clockSkew bounds how far the tenant's clock may stand from ours.
const clockSkew = 2 * time.Minute

// Matches reports whether p looks like the answer to r: the only way to tell
// whose a pass is when the reply that would have named it was lost.
func (r PassRequest) Matches(p Pass) bool {
	if p.CreatedAt.Before(r.Since.Add(-clockSkew)) || p.Lifetime != r.Lifetime || p.OneTime != r.OneTime {
		return false
	}
	if p.StartAt.Truncate(time.Second).Equal(r.StartAt.Truncate(time.Second)) {
		return true
	}
	// A start that has come asks for a pass that is usable at once: Graph then
	// answers with its own clock as the start.
	return p.StartAt.After(r.StartAt) && p.StartAt.Sub(p.CreatedAt).Abs() < time.Minute
}

// Verdict is what preflight decided.
type Verdict struct {
	User    User     `json:"user"`
	Block   *Block   `json:"block,omitempty"`   // nil: go on
	Already []Method `json:"already,omitempty"` // what completes the journey is there: nothing to do
	// Profile is the one that the rules choose now that the user is known; nil
	// if the one that was asked with stays.
	Profile *Profile `json:"profile,omitempty"`
	// Privileged says that the user holds roles, which the profile lets pass
	// once somebody approves.
	Privileged bool `json:"privileged,omitempty"`
	// Weaker are methods from before that no longer suffice.
	Weaker []Method `json:"weaker,omitempty"`
}

// Choice is the profile that the rules choose for somebody.
type Choice struct {
	Profile Profile `json:"profile"`
	// Open says that a rule asks for what only the tenant knows: the profile is
	// the one with the longest lead, and the rules are asked again once there
	// is a user.
	Open bool `json:"open,omitempty"`
	// Block says why there is no profile.
	Block *Block `json:"block,omitempty"`
}

// CheckUser decides on the users found for an employee.
func CheckUser(found []User) *Block {
	switch {
	case len(found) == 0:
		return Blocked(ReasonUserNotFound, "")
	case len(found) > 1:
		return Blocked(ReasonUserAmbiguous, fmt.Sprintf("%d users match", len(found)))
	case found[0].External:
		return Blocked(ReasonUserExternal, "")
	case !found[0].Enabled:
		return Blocked(ReasonUserDisabled, "")
	}
	return nil
}

// CheckPolicy decides whether the tenant lets anybody have the pass p asks for.
func CheckPolicy(pol PassPolicy, p Profile) *Block {
	switch {
	case !pol.Enabled:
		return Blocked(ReasonPolicyDisabled, "")
	case p.Lifetime < pol.Minimum || p.Lifetime > pol.Maximum:
		return Blocked(ReasonLifetimeOutsidePolicy,
			fmt.Sprintf("profile %s asks %s, the tenant allows %s to %s", p.Name, p.Lifetime, pol.Minimum, pol.Maximum))
	case !p.OneTime && pol.OneTimeOnly:
		return Blocked(ReasonMultiUseNotAllowed, "")
	}
	return nil
}

// CheckScope decides whether the policy's targets take in the user, who is a
// member of inGroups. Exclusion wins.
func CheckScope(pol PassPolicy, userID string, inGroups []string) *Block {
	in := func(id string, list []string) bool {
		for _, v := range list {
			if strings.EqualFold(v, id) {
				return true
			}
		}
		return false
	}
	out := in(userID, pol.ExcludeUsers)
	for _, g := range pol.ExcludeGroups {
		out = out || in(g, inGroups)
	}
	included := pol.AllUsers || in(userID, pol.IncludeUsers)
	for _, g := range pol.IncludeGroups {
		included = included || in(g, inGroups)
	}
	if out || !included {
		return Blocked(ReasonOutOfScope, "")
	}
	return nil
}

// CheckPrivilege refuses holders of directory roles and of role-assignable
// groups: Graph's application permission would let us make them a pass.
func CheckPrivilege(p Privilege) *Block {
	if p.Any() {
		return Blocked(ReasonUserPrivileged, "")
	}
	return nil
}
