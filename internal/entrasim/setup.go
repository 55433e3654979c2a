package entrasim

import (
	"net/http"
	"slices"
	"strings"
)

// Setup is how the tenant is set up, as far as that can lock out somebody who
// has a pass and nothing else. The tenant only tells of it; sign-ins do not feel
// it.
type Setup struct {
	AccessPolicies []AccessPolicy `json:"conditionalAccessPolicies,omitempty"`
	Domains        []Domain       `json:"domains,omitempty"` // none: DefaultDomain, managed
	// OnPremisesSync is whether users come from an on-premises directory.
	OnPremisesSync bool `json:"onPremisesSyncEnabled,omitempty"`
	// Campaign is whether the tenant nudges users to set up the Authenticator
	// app while they sign in.
	Campaign bool `json:"registrationCampaign,omitempty"`
}

// The states of an AccessPolicy.
const (
	AccessEnabled    = "enabled"
	AccessDisabled   = "disabled"
	AccessReportOnly = "enabledForReportingButNotEnforced"
)

// ActionRegister is the user action of registering security information.
const ActionRegister = "urn:user:registersecurityinfo"

// AccessPolicy is a Conditional Access policy. An empty State is enabled.
//
// Source: learn.microsoft.com/graph/api/resources/conditionalaccesspolicy
type AccessPolicy struct {
	ID           string   `json:"id,omitempty"` // drawn when empty
	Name         string   `json:"displayName"`
	State        string   `json:"state,omitempty"`
	UserActions  []string `json:"includeUserActions,omitempty"`
	Applications []string `json:"includeApplications,omitempty"` // "All" for all
	IncludeUsers []string `json:"includeUsers,omitempty"`        // default "All"
	ExcludeUsers []string `json:"excludeUsers,omitempty"`
	// IncludeLocations and ExcludeLocations: "All", "AllTrusted" or ids. With
	// neither, the condition is null.
	IncludeLocations []string `json:"includeLocations,omitempty"`
	ExcludeLocations []string `json:"excludeLocations,omitempty"`
	Operator         string   `json:"operator,omitempty"`        // default OR
	Controls         []string `json:"builtInControls,omitempty"` // "block", "mfa", "compliantDevice", "domainJoinedDevice" …
	// Strength is the allowedCombinations of an authentication strength; empty:
	// the policy demands none.
	Strength []string `json:"allowedCombinations,omitempty"`
}

// Domain is a domain of the tenant.
//
// Source: learn.microsoft.com/graph/api/resources/domain and
// learn.microsoft.com/graph/api/resources/internaldomainfederation
type Domain struct {
	Name      string `json:"id"`
	Federated bool   `json:"federated,omitempty"`
	// MFABehavior is federatedIdpMfaBehavior of a federated one; empty is null.
	MFABehavior string `json:"federatedIdpMfaBehavior,omitempty"`
}

func (s Setup) clone() Setup {
	s.AccessPolicies, s.Domains = slices.Clone(s.AccessPolicies), slices.Clone(s.Domains)
	return s
}

// Setup returns how the tenant is set up.
func (t *Tenant) Setup() Setup {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.st.Setup.clone()
}

// SetSetup replaces it.
func (t *Tenant) SetSetup(s Setup) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.st.Setup = s.clone()
	return t.commit()
}

// listAccessPolicies answers the policies with the properties that bear on
// registering; the rest is null, as for policies that don't use it.
//
// Source: learn.microsoft.com/graph/api/conditionalaccessroot-list-policies
func (t *Tenant) listAccessPolicies(c *call) reply {
	var all []any
	for i, p := range t.st.Setup.AccessPolicies {
		if p.ID == "" {
			p.ID = t.newID("accessPolicy")
			t.st.Setup.AccessPolicies[i].ID = p.ID
		}
		all = append(all, p.render())
	}
	rep := t.page(c, "identity/conditionalAccess/policies", all)
	rep.changed = true
	return rep
}

func (p AccessPolicy) render() object {
	or := func(list []string, otherwise ...string) []string {
		if list == nil {
			return orEmpty(otherwise)
		}
		return list
	}
	var locations, grant any
	if p.IncludeLocations != nil || p.ExcludeLocations != nil {
		locations = object{"includeLocations": or(p.IncludeLocations), "excludeLocations": or(p.ExcludeLocations)}
	}
	if p.Controls != nil || p.Strength != nil {
		g := object{"operator": "OR", "builtInControls": or(p.Controls), "customAuthenticationFactors": []string{}, "termsOfUse": []string{},
			"authenticationStrength": nil}
		if p.Operator != "" {
			g["operator"] = p.Operator
		}
		if p.Strength != nil {
			g["authenticationStrength"] = object{"id": "00000000-0000-0000-0000-000000000004", "displayName": "Strength", "policyType": "custom",
				"requirementsSatisfied": "mfa", "allowedCombinations": p.Strength}
		}
		grant = g
	}
	state := p.State
	if state == "" {
		state = AccessEnabled
	}
	return object{"id": p.ID, "displayName": p.Name, "state": state, "createdDateTime": "2026-01-05T08:00:00Z", "modifiedDateTime": nil,
		"conditions": object{
			"clientAppTypes": []string{"all"}, "locations": locations, "platforms": nil, "devices": nil,
			"applications": object{"includeApplications": or(p.Applications), "excludeApplications": []string{}, "includeUserActions": or(p.UserActions)},
			"users": object{"includeUsers": or(p.IncludeUsers, "All"), "excludeUsers": or(p.ExcludeUsers), "includeGroups": []string{},
				"excludeGroups": []string{}, "includeRoles": []string{}, "excludeRoles": []string{}},
		},
		"grantControls": grant, "sessionControls": nil}
}

func (st *state) domains() []Domain {
	if len(st.Setup.Domains) == 0 {
		return []Domain{{Name: DefaultDomain}}
	}
	return st.Setup.Domains
}

// listDomains answers the domains, the first as the default.
//
// Source: learn.microsoft.com/graph/api/domain-list
func (t *Tenant) listDomains(c *call) reply {
	var all []any
	for i, d := range t.st.domains() {
		kind := "Managed"
		if d.Federated {
			kind = "Federated"
		}
		all = append(all, object{"id": d.Name, "authenticationType": kind, "isDefault": i == 0, "isVerified": true, "isRoot": true})
	}
	return reply{status: http.StatusOK, body: object{"@odata.context": c.context("domains"), "value": all}}
}

// listFederation answers how a federated domain is set up; a managed one has
// nothing to tell.
//
// Source: learn.microsoft.com/graph/api/domain-list-federationconfiguration
func (t *Tenant) listFederation(c *call) reply {
	i := slices.IndexFunc(t.st.domains(), func(d Domain) bool { return strings.EqualFold(d.Name, c.arg("domainId")) })
	if i < 0 {
		return refusal(directory, http.StatusNotFound, "Request_ResourceNotFound", "The directory has no such domain.")
	}
	value := []any{}
	if d := t.st.domains()[i]; d.Federated {
		value = append(value, object{"@odata.type": "#microsoft.graph.internalDomainFederation", "id": t.newID("federation"),
			"displayName": d.Name, "issuerUri": "http://sts." + d.Name + "/adfs/services/trust", "federatedIdpMfaBehavior": orNull(d.MFABehavior)})
	}
	return reply{status: http.StatusOK, body: object{"@odata.context": c.context("domains('" + c.arg("domainId") + "')/federationConfiguration"), "value": value}}
}

// getMethodsPolicy answers the whole policy but for its configurations.
//
// Source: learn.microsoft.com/graph/api/authenticationmethodspolicy-get
func (t *Tenant) getMethodsPolicy(c *call) reply {
	state, include := "disabled", []any{}
	if t.st.Setup.Campaign {
		state = "enabled"
		include = append(include, object{"id": AllUsers, "targetType": "group", "targetedAuthenticationMethod": "microsoftAuthenticator"})
	}
	return reply{status: http.StatusOK, body: object{
		"@odata.context": c.context("authenticationMethodsPolicy"), "id": "authenticationMethodsPolicy",
		"displayName": "Authentication Methods Policy", "policyVersion": "1.5",
		"registrationEnforcement": object{"authenticationMethodsRegistrationCampaign": object{
			"state": state, "snoozeDurationInDays": 1, "includeTargets": include, "excludeTargets": []any{}}}}}
}

// listOrganization answers three properties to any app of the tenant. Which
// permission the real one wants for the first two is not settled by its page.
func (t *Tenant) listOrganization(c *call) reply {
	// Never synchronised is null there, not false.
	o := object{"id": t.cfg.TenantID, "displayName": "Firstpass simulated tenant", "onPremisesSyncEnabled": orNullBool(t.st.Setup.OnPremisesSync)}
	if s := c.query.Get("$select"); s != "" {
		for name := range o {
			if !slices.Contains(strings.Split(s, ","), name) {
				delete(o, name)
			}
		}
	}
	return reply{status: http.StatusOK, body: object{"@odata.context": c.context("organization"), "value": []any{o}}}
}
