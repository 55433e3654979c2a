package jml

import (
	"slices"
	"strings"
	"time"
)

// MethodKind is a kind of authentication method: the Graph type name without
// "#microsoft.graph." and "AuthenticationMethod".
type MethodKind string

// The kinds Firstpass can tell apart.
// https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview
const (
	MethodFIDO2         MethodKind = "fido2"
	MethodWindowsHello  MethodKind = "windowsHelloForBusiness"
	MethodPlatform      MethodKind = "platformCredential"
	MethodAuthenticator MethodKind = "microsoftAuthenticator"
)

// StrongMethods lists the kinds a profile may complete on. A phone number, a
// mail address, a password or a code generator is not a strong method.
func StrongMethods() []MethodKind {
	return []MethodKind{MethodFIDO2, MethodWindowsHello, MethodPlatform, MethodAuthenticator}
}

// Label returns the words a person knows the kind by.
func (k MethodKind) Label() string {
	switch k {
	case MethodFIDO2:
		return "a passkey"
	case MethodWindowsHello:
		return "Windows Hello"
	case MethodPlatform:
		return "Platform SSO on a Mac"
	case MethodAuthenticator:
		return "the Microsoft Authenticator app"
	}
	return string(k)
}

// Method is one registered authentication method.
type Method struct {
	ID        string     `json:"id"`
	Kind      MethodKind `json:"kind"`
	CreatedAt time.Time  `json:"created_at,omitzero"` // zero if the tenant does not say
	AAGUID    string     `json:"aaguid,omitempty"`    // of a passkey: its make, in lower case
	// Reason is the usability reason of a temporary access pass.
	Reason string `json:"reason,omitempty"`
}

// MethodPass is the kind of a Temporary Access Pass, which is listed with the
// user's methods and counts as none.
const MethodPass MethodKind = "temporaryAccessPass"

// Removable lists the kinds that a journey may delete. Neither a password nor a
// pass is among them.
func Removable() []MethodKind {
	return []MethodKind{MethodFIDO2, MethodWindowsHello, MethodPlatform, MethodAuthenticator, "phone", "softwareOath"}
}

// Requirement is what has to be registered for a journey to be complete.
type Requirement struct {
	Kinds   []MethodKind `json:"kinds"`
	AAGUIDs []string     `json:"aaguids,omitempty"` // makes of passkeys; none: all
	Devices int          `json:"devices,omitempty"` // how many; 0 is 1
}

// Allows reports whether m is of the kind and make that r asks for.
func (r Requirement) Allows(m Method) bool {
	if !slices.Contains(r.Kinds, m.Kind) {
		return false
	}
	return m.Kind != MethodFIDO2 || len(r.AAGUIDs) == 0 || slices.ContainsFunc(r.AAGUIDs, func(a string) bool { return strings.EqualFold(a, m.AAGUID) })
}

// Count returns how many methods r asks for.
func (r Requirement) Count() int { return max(r.Devices, 1) }

// Met returns the methods that r allows and that were registered at since or
// later, and whether they are enough. With a zero since any time will do;
// otherwise one without a time does not count: it may be years old.
//
// Two devices are two methods. That two methods live on two pieces of hardware
// Graph does not tell.
func (r Requirement) Met(methods []Method, since time.Time) ([]Method, bool) {
	var out []Method
	for _, m := range methods {
		if r.Allows(m) && (since.IsZero() || !m.CreatedAt.IsZero() && !m.CreatedAt.Before(since)) {
			out = append(out, m)
		}
	}
	return out, len(out) >= r.Count()
}

// Weaker returns the methods, from before, that r does not allow. Neither
// password nor pass is among them.
func (r Requirement) Weaker(methods []Method) []Method {
	var out []Method
	for _, m := range methods {
		if slices.Contains(Removable(), m.Kind) && !r.Allows(m) {
			out = append(out, m)
		}
	}
	return out
}

// Raises reports whether r lets less pass than old did: somebody who has met old
// may lack what r asks for.
func (r Requirement) Raises(old Requirement) bool {
	if r.Count() > old.Count() {
		return true
	}
	for _, k := range old.Kinds {
		if !slices.Contains(r.Kinds, k) {
			return true
		}
	}
	if len(r.AAGUIDs) == 0 || !slices.Contains(old.Kinds, MethodFIDO2) {
		return false
	}
	return len(old.AAGUIDs) == 0 || slices.ContainsFunc(old.AAGUIDs, func(a string) bool {
		return !slices.ContainsFunc(r.AAGUIDs, func(b string) bool { return strings.EqualFold(a, b) })
	})
}

// Equal reports whether r and o ask for the same.
func (r Requirement) Equal(o Requirement) bool {
	return slices.Equal(r.Kinds, o.Kinds) && slices.Equal(r.AAGUIDs, o.AAGUIDs) && r.Count() == o.Count()
}
