package entrasim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// User is one object of the directory. JSON names are Graph's own.
//
// Source of the properties: learn.microsoft.com/graph/api/resources/user
type User struct {
	ID                    string            `json:"id,omitempty"` // drawn when empty
	EmployeeID            string            `json:"employeeId,omitempty"`
	UPN                   string            `json:"userPrincipalName"`
	DisplayName           string            `json:"displayName,omitempty"`
	GivenName             string            `json:"givenName,omitempty"`
	Surname               string            `json:"surname,omitempty"`
	Mail                  string            `json:"mail,omitempty"`
	OtherMails            []string          `json:"otherMails,omitempty"`
	MobilePhone           string            `json:"mobilePhone,omitempty"`
	JobTitle              string            `json:"jobTitle,omitempty"`
	Department            string            `json:"department,omitempty"`
	CompanyName           string            `json:"companyName,omitempty"`
	OfficeLocation        string            `json:"officeLocation,omitempty"`
	Country               string            `json:"country,omitempty"`
	UsageLocation         string            `json:"usageLocation,omitempty"`
	PreferredLanguage     string            `json:"preferredLanguage,omitempty"`
	EmployeeType          string            `json:"employeeType,omitempty"`
	EmployeeHireDate      *time.Time        `json:"employeeHireDate,omitempty"`
	OnPremisesImmutableID string            `json:"onPremisesImmutableId,omitempty"`
	OnPremisesSyncEnabled *bool             `json:"onPremisesSyncEnabled,omitempty"`
	ExtensionAttributes   map[string]string `json:"extensionAttributes,omitempty"` // keys extensionAttribute1 … 15

	UserType          string     `json:"userType,omitempty"` // default Member
	CreationType      string     `json:"creationType,omitempty"`
	ExternalUserState string     `json:"externalUserState,omitempty"`
	Identities        []Identity `json:"identities,omitempty"` // default: one userPrincipalName identity of this tenant

	// Disabled is the reverse of accountEnabled, so that the zero value is the
	// usual case.
	Disabled bool `json:"disabled,omitempty"`

	ManagerID  string   `json:"managerId,omitempty"`
	SponsorIDs []string `json:"sponsorIds,omitempty"` // users and groups
	GroupIDs   []string `json:"groupIds,omitempty"`   // direct memberships

	// VisibleIn is how long after AddUser the user stays unknown to /users;
	// AuthVisibleIn the same for the authentication endpoints, which are
	// another service and lag on their own.
	VisibleIn     time.Duration `json:"-"`
	AuthVisibleIn time.Duration `json:"-"`
}

// Identity is one way of signing in.
type Identity struct {
	SignInType       string `json:"signInType"`
	Issuer           string `json:"issuer"`
	IssuerAssignedID string `json:"issuerAssignedId"`
}

// Group may contain users (User.GroupIDs) and, by ParentIDs, be a member of
// other groups.
type Group struct {
	ID             string   `json:"id,omitempty"` // drawn when empty
	DisplayName    string   `json:"displayName"`
	RoleAssignable bool     `json:"isAssignableToRole,omitempty"`
	ParentIDs      []string `json:"parentIds,omitempty"`
}

// RoleAssignment gives a directory role to a user or a role-assignable group.
// Scope "/" (the default) is the whole tenant; with AdminUnitID it reaches one
// administrative unit only, and then transitiveMemberOf does not show it.
type RoleAssignment struct {
	ID          string `json:"id,omitempty"` // drawn when empty
	PrincipalID string `json:"principalId"`
	RoleName    string `json:"roleName"`
	RoleID      string `json:"roleDefinitionId,omitempty"` // drawn when empty; also the role's template id
	AdminUnitID string `json:"administrativeUnitId,omitempty"`
}

func (r RoleAssignment) scope() string {
	if r.AdminUnitID == "" {
		return "/"
	}
	return "/administrativeUnits/" + r.AdminUnitID
}

type userRecord struct {
	User
	Created       time.Time `json:"createdDateTime"`
	VisibleAt     time.Time `json:"visibleAt"`
	AuthVisibleAt time.Time `json:"authVisibleAt"`
	// SessionsRevoked is when somebody signed the user out everywhere.
	SessionsRevoked []time.Time `json:"sessionsRevoked,omitempty"`
}

// isExternalGuest follows what the TAP page means by an external guest: invited,
// or signing in with another tenant's or a federated identity. An internal
// guest (userType Guest with a password here) may have a pass.
func (u *userRecord) isExternalGuest() bool {
	return u.CreationType == "Invitation" || u.ExternalUserState != "" ||
		slices.ContainsFunc(u.Identities, func(i Identity) bool {
			return i.SignInType == "federated" || i.Issuer == "ExternalAzureAD"
		})
}

func (u User) check() error {
	if u.UPN == "" {
		return fmt.Errorf("entrasim: a user needs a userPrincipalName")
	}
	if u.ID != "" && !isGUID(u.ID) {
		return fmt.Errorf("entrasim: user id %q is not a GUID", u.ID)
	}
	for k := range u.ExtensionAttributes {
		if !isExtensionAttribute(k) {
			return fmt.Errorf("entrasim: %q is not extensionAttribute1 to 15", k)
		}
	}
	return nil
}

func (u User) clone() User {
	u.OtherMails, u.Identities = slices.Clone(u.OtherMails), slices.Clone(u.Identities)
	u.GroupIDs, u.SponsorIDs = slices.Clone(u.GroupIDs), slices.Clone(u.SponsorIDs)
	u.ExtensionAttributes = maps.Clone(u.ExtensionAttributes)
	u.EmployeeHireDate, u.OnPremisesSyncEnabled = clonePointer(u.EmployeeHireDate), clonePointer(u.OnPremisesSyncEnabled)
	return u
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// AddUser puts a user into the directory, filling ID, UserType, DisplayName and
// Identities when empty, and returns the result. A taken id or UPN, an unknown
// manager, sponsor or group is an error.
func (t *Tenant) AddUser(u User) (User, error) {
	if err := u.check(); err != nil {
		return User{}, err
	}
	u = u.clone()
	t.mu.Lock()
	defer t.mu.Unlock()
	if u.ID == "" {
		u.ID = t.newID("user")
	}
	u.ID = strings.ToLower(u.ID)
	if u.UserType == "" {
		u.UserType = "Member"
	}
	if u.DisplayName == "" {
		u.DisplayName = strings.TrimSpace(u.GivenName + " " + u.Surname)
	}
	if u.DisplayName == "" {
		u.DisplayName, _, _ = strings.Cut(u.UPN, "@")
	}
	if u.Identities == nil {
		u.Identities = []Identity{{SignInType: "userPrincipalName", Issuer: DefaultDomain, IssuerAssignedID: u.UPN}}
	}
	if err := t.checkLinks(u, ""); err != nil {
		return User{}, err
	}
	now := t.now()
	t.st.Users = append(t.st.Users, &userRecord{User: u, Created: now, VisibleAt: now.Add(u.VisibleIn), AuthVisibleAt: now.Add(max(u.VisibleIn, u.AuthVisibleIn))})
	return u.clone(), t.commit()
}

// checkLinks looks at what must be unique or exist; self is the id of the user
// that is being changed.
func (t *Tenant) checkLinks(u User, self string) error {
	for _, o := range t.st.Users {
		if o.ID != self && (o.ID == u.ID || strings.EqualFold(o.UPN, u.UPN)) {
			return fmt.Errorf("entrasim: user %s: id or userPrincipalName is taken", u.ID)
		}
	}
	if u.ManagerID != "" && t.st.user(u.ManagerID) == nil {
		return fmt.Errorf("entrasim: user %s: no manager %s", u.ID, u.ManagerID)
	}
	for _, s := range u.SponsorIDs {
		if t.st.user(s) == nil && t.st.group(s) == nil {
			return fmt.Errorf("entrasim: user %s: no sponsor %s", u.ID, s)
		}
	}
	for _, g := range u.GroupIDs {
		if t.st.group(g) == nil {
			return fmt.Errorf("entrasim: user %s: no group %s", u.ID, g)
		}
	}
	return nil
}

// UpdateUser hands the user to change and keeps what it leaves, except the id.
// VisibleIn and AuthVisibleIn have no effect here.
func (t *Tenant) UpdateUser(id string, change func(*User)) (User, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec := t.st.user(strings.ToLower(id))
	if rec == nil {
		return User{}, fmt.Errorf("entrasim: no user %s", id)
	}
	u := rec.User.clone()
	change(&u)
	u = u.clone()
	u.ID = rec.ID
	if err := u.check(); err != nil {
		return User{}, err
	}
	if err := t.checkLinks(u, u.ID); err != nil {
		return User{}, err
	}
	rec.User = u
	return u.clone(), t.commit()
}

// RemoveUser takes a user and all that hangs on it out of the directory.
func (t *Tenant) RemoveUser(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.st.Users)
	t.st.Users = slices.DeleteFunc(t.st.Users, func(u *userRecord) bool { return u.ID == id })
	if len(t.st.Users) == n {
		return fmt.Errorf("entrasim: no user %s", id)
	}
	delete(t.st.Passes, id)
	delete(t.st.Methods, id)
	t.st.Sessions = slices.DeleteFunc(t.st.Sessions, func(s *Session) bool { return s.UserID == id })
	for _, u := range t.st.Users {
		if u.ManagerID == id {
			u.ManagerID = ""
		}
		u.SponsorIDs = slices.DeleteFunc(u.SponsorIDs, func(s string) bool { return s == id })
	}
	return t.commit()
}

// Users returns all users in order of arrival, visible or not.
func (t *Tenant) Users() []User {
	t.mu.Lock()
	defer t.mu.Unlock()
	us := make([]User, 0, len(t.st.Users))
	for _, u := range t.st.Users {
		us = append(us, u.User.clone())
	}
	return us
}

// AddGroup puts a group into the directory; its parents must exist.
func (t *Tenant) AddGroup(g Group) (Group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.ID == "" {
		g.ID = t.newID("group")
	}
	g.ParentIDs = slices.Clone(g.ParentIDs)
	if !isGUID(g.ID) || t.st.group(g.ID) != nil {
		return Group{}, fmt.Errorf("entrasim: group id %q is taken or not a GUID", g.ID)
	}
	for _, p := range g.ParentIDs {
		if t.st.group(p) == nil {
			return Group{}, fmt.Errorf("entrasim: group %s: no parent %s", g.ID, p)
		}
	}
	t.st.Groups = append(t.st.Groups, &g)
	return g, t.commit()
}

// Groups returns all groups.
func (t *Tenant) Groups() []Group {
	t.mu.Lock()
	defer t.mu.Unlock()
	gs := make([]Group, 0, len(t.st.Groups))
	for _, g := range t.st.Groups {
		gs = append(gs, *g)
	}
	return gs
}

// AddRoleAssignment gives a role to an existing user or role-assignable group.
func (t *Tenant) AddRoleAssignment(r RoleAssignment) (RoleAssignment, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.st.group(r.PrincipalID); t.st.user(r.PrincipalID) == nil && (g == nil || !g.RoleAssignable) {
		return RoleAssignment{}, fmt.Errorf("entrasim: role assignment: %q is no user and no role-assignable group", r.PrincipalID)
	}
	if r.RoleName == "" {
		r.RoleName = "Helpdesk Administrator"
	}
	if r.ID == "" {
		r.ID = t.newID("roleAssignment")
	}
	if r.RoleID == "" {
		for _, o := range t.st.Roles { // the same role has one id
			if o.RoleName == r.RoleName {
				r.RoleID = o.RoleID
			}
		}
	}
	if r.RoleID == "" {
		r.RoleID = t.newID("role")
	}
	t.st.Roles = append(t.st.Roles, &r)
	return r, t.commit()
}

// RemoveRoleAssignment takes one away again.
func (t *Tenant) RemoveRoleAssignment(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.st.Roles)
	t.st.Roles = slices.DeleteFunc(t.st.Roles, func(r *RoleAssignment) bool { return r.ID == id })
	if len(t.st.Roles) == n {
		return fmt.Errorf("entrasim: no role assignment %s", id)
	}
	return t.commit()
}
