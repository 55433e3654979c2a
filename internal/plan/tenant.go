package plan

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// Tenant reads much at once; *graph.Bulk with its client is one. Every map has
// every key that was asked for.
type Tenant interface {
	PassPolicy(context.Context) (jml.PassPolicy, error)
	FindUsers(ctx context.Context, attribute string, values []string) map[string]graph.Of[[]jml.User]
	MemberOf(ctx context.Context, userIDs, groupIDs []string) map[string]graph.Of[[]string]
	Privileges(context.Context) (*graph.Privileges, error)
	Methods(ctx context.Context, userIDs []string) map[string]graph.Of[[]jml.Method]
	Addressees(ctx context.Context, userIDs []string) map[string]graph.Of[jml.Addressees]
	// Alone asks what is asked of so few that it is not read ahead.
	Alone() Alone
	Requests() int
	Exchanges() int
}

// Alone reads one user's sponsor; *graph.Client does.
type Alone interface {
	Addressees(ctx context.Context, userID string, sponsor bool) (jml.Addressees, error)
}

// ahead is a directory as it was read before anything was decided. It implements
// activities.Directory, and refuses what would change anything.
type ahead struct {
	tenant   Tenant
	progress func(what string, done, total int)

	users      map[jml.Match]graph.Of[[]jml.User]
	policy     graph.Of[jml.PassPolicy]
	groups     map[string]graph.Of[[]string]
	privileges graph.Of[*graph.Privileges]
	methods    map[string]graph.Of[[]jml.Method]
	around     map[string]graph.Of[jml.Addressees]

	mu     sync.Mutex
	wanted map[string]struct{} // user ids, of whom around is to have somebody

	apart int // requests that are not the tenant's to count
	alone int // requests that looking at each alone would take
}

func newAhead(t Tenant, progress func(string, int, int)) *ahead {
	return &ahead{tenant: t, progress: progress, users: map[jml.Match]graph.Of[[]jml.User]{}, wanted: map[string]struct{}{}}
}

// readUsers reads all that preflight asks of the users that matches find.
func (a *ahead) readUsers(ctx context.Context, matches []jml.Match) error {
	byAttribute := map[string][]string{}
	for _, m := range matches {
		byAttribute[m.Attribute] = append(byAttribute[m.Attribute], m.Value)
	}
	if len(matches) == 0 {
		return nil
	}
	for attribute, values := range byAttribute {
		for v, of := range a.tenant.FindUsers(ctx, attribute, values) {
			a.users[jml.Match{Attribute: attribute, Value: v}] = of
		}
	}
	var ids []string
	seen := map[string]bool{}
	for _, m := range matches {
		a.alone++
		if found := a.users[m].Value; jml.CheckUser(found) == nil && a.users[m].Err == nil && !seen[found[0].ID] {
			seen[found[0].ID] = true
			ids = append(ids, found[0].ID)
		}
	}
	a.policy.Value, a.policy.Err = a.tenant.PassPolicy(ctx)
	a.apart++
	a.groups, a.methods = map[string]graph.Of[[]string]{}, map[string]graph.Of[[]jml.Method]{}
	a.alone += 3 * len(ids) // transitiveMemberOf, roleAssignments, methods
	if len(ids) == 0 {
		return context.Cause(ctx)
	}
	if named := slices.Concat(a.policy.Value.IncludeGroups, a.policy.Value.ExcludeGroups); len(named) > 0 {
		a.groups = a.tenant.MemberOf(ctx, ids, named)
		a.alone += len(ids) * ((len(named) + 19) / 20)
	}
	a.privileges.Value, a.privileges.Err = a.tenant.Privileges(ctx)
	a.methods = a.tenant.Methods(ctx, ids)
	return context.Cause(ctx)
}

// readAddressees reads who stands near those about whom it was asked meanwhile.
func (a *ahead) readAddressees(ctx context.Context) error {
	if len(a.wanted) == 0 {
		return context.Cause(ctx)
	}
	ids := slices.Sorted(maps.Keys(a.wanted))
	a.around = a.tenant.Addressees(ctx, ids)
	a.alone, a.wanted = a.alone+len(ids), map[string]struct{}{}
	return context.Cause(ctx)
}

// notes says what holds for everybody.
func (a *ahead) notes() []string {
	var out []string
	for what, err := range map[string]error{"the pass policy": a.policy.Err, "roles and role-assignable groups": a.privileges.Err} {
		if err != nil {
			out = append(out, "Graph did not tell "+what+": "+strings.TrimSpace(err.Error()))
		}
	}
	slices.Sort(out)
	return out
}

// errUnread answers for what was not read ahead: a mistake of ours.
func errUnread(op string) error {
	return &jml.Fault{System: "plan", Op: op, Kind: jml.FaultUnavailable, Code: "notReadAhead"}
}

// FindUsers implements activities.Directory.
func (a *ahead) FindUsers(_ context.Context, m jml.Match) ([]jml.User, error) {
	of, ok := a.users[m]
	if !ok {
		return nil, errUnread("find user")
	}
	return of.Value, of.Err
}

// PassPolicy implements activities.Directory.
func (a *ahead) PassPolicy(context.Context) (jml.PassPolicy, error) {
	return a.policy.Value, a.policy.Err
}

// MemberOf implements activities.Directory.
func (a *ahead) MemberOf(_ context.Context, userID string, groupIDs []string) ([]string, error) {
	of, ok := a.groups[userID]
	if !ok {
		return nil, errUnread("check groups")
	}
	in := slices.DeleteFunc(slices.Clone(of.Value), func(g string) bool { return !slices.Contains(groupIDs, g) })
	return in, of.Err
}

// Privilege implements activities.Directory.
func (a *ahead) Privilege(_ context.Context, userID string) (jml.Privilege, error) {
	if a.privileges.Err != nil || a.privileges.Value == nil {
		return jml.Privilege{}, errors.Join(a.privileges.Err)
	}
	return a.privileges.Value.Of(userID), nil
}

// Methods implements activities.Directory.
func (a *ahead) Methods(_ context.Context, userID string) ([]jml.Method, error) {
	of, ok := a.methods[userID]
	if !ok {
		return nil, errUnread("list methods")
	}
	return of.Value, of.Err
}

// wants is the error of errWanted.
type wants struct{}

// Error implements error.
func (wants) Error() string { return "plan: who stands near is to be read yet" }

// errWanted answers for whom the tenant has not been asked yet.
func errWanted() error { return wants{} }

// Addressees implements activities.Directory: at first it takes note of whom it
// was asked about. Sponsors are asked for one by one then, as few profiles write
// to them.
func (a *ahead) Addressees(ctx context.Context, userID string, sponsor bool) (jml.Addressees, error) {
	of, ok := a.around[userID]
	switch {
	case !ok:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.wanted[userID] = struct{}{}
		return jml.Addressees{}, errWanted()
	case sponsor && of.Err == nil:
		return a.tenant.Alone().Addressees(ctx, userID, true)
	}
	return of.Value, of.Err
}

// errWrites answers for what a plan never does.
func errWrites() error {
	return errors.New("plan: a plan writes nothing")
}

// Passes implements activities.Directory.
func (a *ahead) Passes(context.Context, string) ([]jml.Pass, error) { return nil, errWrites() }

// CreatePass implements activities.Directory.
func (a *ahead) CreatePass(context.Context, string, jml.PassRequest, time.Time) (jml.Pass, secret.Passcode, error) {
	return jml.Pass{}, secret.Passcode{}, errWrites()
}

// DeletePass implements activities.Directory.
func (a *ahead) DeletePass(context.Context, string, string) error { return errWrites() }

// DeleteMethod implements activities.Directory.
func (a *ahead) DeleteMethod(context.Context, string, jml.Method) error { return errWrites() }

// EndSessions implements activities.Directory.
func (a *ahead) EndSessions(context.Context, string) error { return errWrites() }

// named reports whether the policy names groups, so that each preflight asks for
// membership as well.
func (a *ahead) named() bool {
	return len(a.policy.Value.IncludeGroups)+len(a.policy.Value.ExcludeGroups) > 0
}
