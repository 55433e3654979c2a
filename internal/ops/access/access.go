// Package access knows who asks and what they may do: roles, identities, and in
// other files how people and machines sign in.
//
// No role reads a passcode: nothing that the operations service can reach holds
// one.
package access

import (
	"context"
	"slices"
)

// Role is an app role of the Entra application, in the words of its manifest.
type Role string

// The roles. They add up: somebody may have several.
const (
	Viewer   Role = "viewer"   // sees journeys, passes, feeds
	Operator Role = "operator" // sees and steers: everything but deciding, erasing and exporting
	Approver Role = "approver" // sees, and approves or refuses what others asked for
	Auditor  Role = "auditor"  // sees, reads and exports the ledger, erases personal data
	Desk     Role = "desk"     // vouches for employees in front of them; finds them by name
)

// Roles lists all of them.
func Roles() []Role { return []Role{Viewer, Operator, Approver, Auditor, Desk} }

// Identity is who asks.
type Identity struct {
	// Subject never changes: the object id of a person or a service principal.
	Subject string
	// Name is what the ledger calls the actor: the UPN of a person, the display
	// name or the app id of a machine. Personal data.
	Name    string
	Roles   []Role
	Machine bool
}

// Has reports whether i has any of the roles.
func (i Identity) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(i.Roles, r) })
}

type key struct{}

// With returns a context that carries who asks.
func With(ctx context.Context, i Identity) context.Context { return context.WithValue(ctx, key{}, i) }

// From returns who asks; false if nobody has signed in.
func From(ctx context.Context) (Identity, bool) {
	i, ok := ctx.Value(key{}).(Identity)
	return i, ok
}
