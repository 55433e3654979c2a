package jml

import (
	"slices"
	"strings"
)

// TenantSetup is what, in the set-up of a tenant, can keep somebody who has a
// pass and nothing else from registering a method.
//
// What cannot be seen by Graph v1.0: whether self-service password reset or
// Identity Protection asks for registration at sign-in. Both put the user in an
// interrupt mode that registers no passkey.
// https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass
type TenantSetup struct {
	Policies       []AccessPolicy    `json:"policies,omitempty"`         // Conditional Access, on registering
	Domains        []FederatedDomain `json:"domains,omitempty"`          //
	OnPremisesSync bool              `json:"on_premises_sync,omitempty"` // users come from an on-premises directory
	Campaign       bool              `json:"campaign,omitempty"`         // users are nudged to set up the Authenticator app
	Skipped        []SkippedPart     `json:"skipped,omitempty"`          // not looked at
}

// SetupPart is a part of the set-up that is read by itself.
type SetupPart string

// The parts.
const (
	PartConditionalAccess SetupPart = "conditionalAccess"
	PartFederation        SetupPart = "federation"
	PartRegistration      SetupPart = "registration"
	PartOrganisation      SetupPart = "organisation"
)

// SkippedPart is a part that Graph did not let us look at.
type SkippedPart struct {
	Part       SetupPart `json:"part"`
	Permission string    `json:"permission"` // the application permission that opens it
}

// AccessPolicy is a Conditional Access policy on the user action of registering
// security information.
// https://learn.microsoft.com/graph/api/resources/conditionalaccesspolicy
type AccessPolicy struct {
	Name       string   `json:"name"`
	ReportOnly bool     `json:"report_only,omitempty"` // it locks nobody out yet
	Located    bool     `json:"located,omitempty"`     // it depends on where the user is
	All        bool     `json:"all,omitempty"`         // all controls are demanded, not any of them
	Controls   []string `json:"controls,omitempty"`    // builtInControls, as Graph writes them
	// Strength are the combinations that the demanded authentication strength
	// allows, as Graph writes them; nil if none is demanded.
	Strength []string `json:"strength,omitempty"`
}

// FederatedDomain is a domain whose users sign in elsewhere.
type FederatedDomain struct {
	Name string `json:"name"`
	// EnforcesMFA says that Entra sends its users to their identity provider for
	// a second factor, where a pass is unknown.
	EnforcesMFA bool `json:"enforces_mfa,omitempty"`
}

// SetupRisk is a way in which a set-up keeps somebody from registering.
type SetupRisk string

// The risks.
const (
	RiskBlocked     SetupRisk = "blocked"     // nobody may register
	RiskLocation    SetupRisk = "location"    // only from some places
	RiskDevice      SetupRisk = "device"      // only on a managed device
	RiskStrength    SetupRisk = "strength"    // a pass does not meet the authentication strength
	RiskOneTime     SetupRisk = "oneTime"     // a one-time pass does not
	RiskMultiUse    SetupRisk = "multiUse"    // a pass that works more than once does not
	RiskApplication SetupRisk = "application" // only by an approved or protected application
	RiskFederation  SetupRisk = "federation"  // the second factor is asked for elsewhere
	RiskHybrid      SetupRisk = "hybrid"      // hybrid joined devices
	RiskCampaign    SetupRisk = "campaign"    // another method is asked for first
)

// SetupWarning is a risk and where it is from.
type SetupWarning struct {
	Risk       SetupRisk `json:"risk"`
	Name       string    `json:"name,omitempty"`        // of the policy or the domain
	ReportOnly bool      `json:"report_only,omitempty"` // once the policy is switched on
}

// Warnings returns what may lock out holders of passes. Whom a policy excludes
// it does not weigh: that it may have been made with joiners in mind is for who
// reads the warning.
func (s TenantSetup) Warnings() []SetupWarning {
	var out []SetupWarning
	for _, p := range s.Policies {
		for _, r := range p.Risks() {
			out = append(out, SetupWarning{Risk: r, Name: p.Name, ReportOnly: p.ReportOnly})
		}
	}
	for _, d := range s.Domains {
		if d.EnforcesMFA {
			out = append(out, SetupWarning{Risk: RiskFederation, Name: d.Name})
		}
	}
	if s.OnPremisesSync {
		out = append(out, SetupWarning{Risk: RiskHybrid})
	}
	if s.Campaign {
		out = append(out, SetupWarning{Risk: RiskCampaign})
	}
	return out
}

// Risks returns why a pass may not be enough for p. A pass counts as multifactor
// authentication.
// https://learn.microsoft.com/entra/identity/authentication/concept-authentication-strengths
func (p AccessPolicy) Risks() []SetupRisk {
	if p.demands("block") {
		if p.Located {
			return []SetupRisk{RiskLocation}
		}
		return []SetupRisk{RiskBlocked}
	}
	once, more := p.Strength == nil || allows(p.Strength, "temporaryAccessPassOneTime"), p.Strength == nil || allows(p.Strength, "temporaryAccessPassMultiUse")
	if !p.All && (p.demands("mfa") || p.Strength != nil && once && more) {
		return nil // that alone is enough
	}
	var out []SetupRisk
	if p.demands("compliantDevice") || p.demands("domainJoinedDevice") {
		out = append(out, RiskDevice)
	}
	if p.demands("approvedApplication") || p.demands("compliantApplication") {
		out = append(out, RiskApplication)
	}
	switch {
	case !once && !more:
		out = append(out, RiskStrength)
	case !once:
		out = append(out, RiskOneTime)
	case !more:
		out = append(out, RiskMultiUse)
	}
	return out
}

func (p AccessPolicy) demands(control string) bool {
	return slices.ContainsFunc(p.Controls, func(c string) bool { return strings.EqualFold(c, control) })
}

// allows reports whether one of the combinations is method alone.
func allows(combinations []string, method string) bool {
	return slices.ContainsFunc(combinations, func(c string) bool { return strings.EqualFold(strings.TrimSpace(c), method) })
}

// Advice returns the sentence an operator acts on.
func (w SetupWarning) Advice() string {
	switch w.Risk {
	case RiskBlocked:
		return "This Conditional Access policy blocks registering security information. Exclude the people who get passes, or let it require multifactor authentication, which a pass is."
	case RiskLocation:
		return "This Conditional Access policy lets people register security information from some places only. Have them register there, or exclude those who get passes."
	case RiskDevice:
		return "This Conditional Access policy wants a compliant or hybrid joined device to register security information, which a new one is not yet. Let multifactor authentication do as well (require one of the selected controls), or exclude the people who get passes."
	case RiskStrength:
		return "This Conditional Access policy wants an authentication strength that no Temporary Access Pass meets. Use a custom strength that allows it for registering security information."
	case RiskOneTime:
		return "This Conditional Access policy wants an authentication strength that a one-time Temporary Access Pass does not meet. Add it to the custom strength, or set one_time: false."
	case RiskMultiUse:
		return "This Conditional Access policy wants an authentication strength that only a one-time Temporary Access Pass meets. Add the multi-use one to the custom strength, or set one_time: true."
	case RiskApplication:
		return "This Conditional Access policy wants an approved or protected application to register security information, which a browser is not. Exclude the people who get passes."
	case RiskFederation:
		return "Users of this domain are sent to their identity provider for a second factor, and setting up Windows Hello asks for no pass. Set federatedIdpMfaBehavior to acceptIfMfaDoneByFederatedIdp, or give them accounts of a managed domain."
	case RiskHybrid:
		return "Users are synchronised from an on-premises directory. On a hybrid joined device a pass does not set up Windows Hello: choose another method in complete_on for people who have such devices."
	case RiskCampaign:
		return "A registration campaign nudges people to set up the Authenticator app while they sign in. Exclude those who are to register something else."
	}
	return ""
}
