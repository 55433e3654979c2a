package entrasim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// AllUsers is the literal that stands for everybody in PassPolicy.IncludeTargets.
const AllUsers = "all_users"

// The state a PassPolicy may be in.
const (
	PolicyEnabled  = "enabled"
	PolicyDisabled = "disabled"
)

// PassPolicy is the tenant's TAP configuration. Lifetimes are minutes (10 to
// 43200), DefaultLength is characters (8 to 48). Targets are group ids; a user
// id works too.
//
// Source: learn.microsoft.com/graph/api/resources/temporaryaccesspassauthenticationmethodconfiguration
type PassPolicy struct {
	State                    string   `json:"state"`
	MinimumLifetimeInMinutes int      `json:"minimumLifetimeInMinutes"`
	DefaultLifetimeInMinutes int      `json:"defaultLifetimeInMinutes"`
	MaximumLifetimeInMinutes int      `json:"maximumLifetimeInMinutes"`
	DefaultLength            int      `json:"defaultLength"`
	IsUsableOnce             bool     `json:"isUsableOnce"` // true: every pass is one-time
	IncludeTargets           []string `json:"includeTargets"`
	ExcludeTargets           []string `json:"excludeTargets"`
}

// DefaultPassPolicy is what a tenant has when the method is switched on and
// nothing else is touched: one to eight hours, 8 characters, everybody.
func DefaultPassPolicy() PassPolicy {
	return PassPolicy{
		State:                    PolicyEnabled,
		MinimumLifetimeInMinutes: 60,
		DefaultLifetimeInMinutes: 60,
		MaximumLifetimeInMinutes: 480,
		DefaultLength:            8,
		IncludeTargets:           []string{AllUsers},
	}
}

const minLifetime, maxLifetime = 10, 43200 // minutes, whatever the policy says

func (p PassPolicy) check() error {
	switch {
	case p.State != PolicyEnabled && p.State != PolicyDisabled:
		return fmt.Errorf("entrasim: policy state %q", p.State)
	case p.MinimumLifetimeInMinutes < minLifetime, p.MaximumLifetimeInMinutes > maxLifetime,
		p.DefaultLifetimeInMinutes < p.MinimumLifetimeInMinutes, p.DefaultLifetimeInMinutes > p.MaximumLifetimeInMinutes:
		return fmt.Errorf("entrasim: policy lifetimes %d/%d/%d are not %d <= minimum <= default <= maximum <= %d",
			p.MinimumLifetimeInMinutes, p.DefaultLifetimeInMinutes, p.MaximumLifetimeInMinutes, minLifetime, maxLifetime)
	case p.DefaultLength < 8, p.DefaultLength > 48:
		return fmt.Errorf("entrasim: policy length %d is not 8 to 48", p.DefaultLength)
	}
	return nil
}

// Policy returns the TAP configuration in force.
func (t *Tenant) Policy() PassPolicy {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.st.Policy
	p.IncludeTargets, p.ExcludeTargets = slices.Clone(p.IncludeTargets), slices.Clone(p.ExcludeTargets)
	return p
}

// SetPolicy replaces the TAP configuration; existing passes feel it at once.
func (t *Tenant) SetPolicy(p PassPolicy) error {
	if err := p.check(); err != nil {
		return err
	}
	p.IncludeTargets, p.ExcludeTargets = slices.Clone(p.IncludeTargets), slices.Clone(p.ExcludeTargets)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.st.Policy = p
	return t.commit()
}

// inScope says whether the policy lets the user have a pass. Exclusion wins, as
// in all authentication-method policies; the TAP pages do not say it.
func (st *state) inScope(u *userRecord) bool {
	in := append(st.groupsOf(u, !st.Behaviour.DirectTargetsOnly), u.ID)
	hit := func(targets []string) bool {
		return slices.ContainsFunc(targets, func(id string) bool { return slices.Contains(in, id) })
	}
	p := st.Policy
	return p.State == PolicyEnabled && !hit(p.ExcludeTargets) &&
		(slices.Contains(p.IncludeTargets, AllUsers) || hit(p.IncludeTargets))
}

func (t *Tenant) getPolicy(c *call) reply {
	if !strings.EqualFold(c.arg("configurationId"), "TemporaryAccessPass") {
		return notFound(authService, "This tenant has no such authentication method configuration.")
	}
	p := t.st.Policy
	include, exclude := []any{}, []any{}
	for _, id := range p.IncludeTargets {
		include = append(include, object{"id": id, "targetType": t.targetType(id), "isRegistrationRequired": false})
	}
	for _, id := range p.ExcludeTargets {
		exclude = append(exclude, object{"id": id, "targetType": t.targetType(id)})
	}
	return reply{status: http.StatusOK, body: object{
		"@odata.context":           c.context("authenticationMethodConfigurations/$entity"),
		"@odata.type":              "#microsoft.graph.temporaryAccessPassAuthenticationMethodConfiguration",
		"id":                       "TemporaryAccessPass",
		"state":                    p.State,
		"defaultLifetimeInMinutes": p.DefaultLifetimeInMinutes,
		"defaultLength":            p.DefaultLength,
		"minimumLifetimeInMinutes": p.MinimumLifetimeInMinutes,
		"maximumLifetimeInMinutes": p.MaximumLifetimeInMinutes,
		"isUsableOnce":             p.IsUsableOnce,
		"includeTargets":           include,
		"excludeTargets":           exclude,
	}}
}

func (t *Tenant) targetType(id string) string {
	if t.st.user(id) != nil {
		return "user"
	}
	return "group"
}
