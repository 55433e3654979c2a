package jml

import (
	"slices"
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
}

// Strong returns the methods of allowed kinds, in the order given.
func Strong(methods []Method, allowed []MethodKind) []Method {
	var out []Method
	for _, m := range methods {
		if slices.Contains(allowed, m.Kind) {
			out = append(out, m)
		}
	}
	return out
}

// Completing returns the first method that completes a journey whose pass
// became usable at usable: of an allowed kind, and created no earlier. A method
// without a creation time does not count; it may be years old.
func Completing(methods []Method, allowed []MethodKind, usable time.Time) (Method, bool) {
	for _, m := range Strong(methods, allowed) {
		if !m.CreatedAt.IsZero() && !m.CreatedAt.Before(usable) {
			return m, true
		}
	}
	return Method{}, false
}
