package profile

import (
	"fmt"
	"maps"
	"slices"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // no pass of this profile can be made
	SeverityWarning Severity = "warning" // somebody may be kept from using it
)

// Finding is something that profiles and tenant disagree about. Nothing in it is
// personal.
type Finding struct {
	Profile  string // empty: all of them
	Severity Severity
	What     string // what is so
	Do       string // what to do about it
}

// Conflicts returns what in the tenant keeps the profiles of cfg from working:
// the policy of the Temporary Access Pass, and a set-up that is known to lock out
// who has a pass and nothing else. Errors come first.
func Conflicts(cfg *config.Config, policy jml.PassPolicy, setup jml.TenantSetup) []Finding {
	var out []Finding
	for _, name := range slices.Sorted(maps.Keys(cfg.Profiles)) {
		out = append(out, ofPolicy(cfg.Profiles[name], name, policy)...)
	}
	out = append(tenantWide(policy), out...)
	for _, w := range setup.Warnings() {
		out = append(out, ofSetup(cfg, w)...)
	}
	for _, s := range setup.Skipped {
		out = append(out, Finding{
			Severity: SeverityWarning,
			What:     fmt.Sprintf("not looked at: %s", part(s.Part)),
			Do:       fmt.Sprintf("Grant the application permission %s, or look by hand whether it locks out who has nothing but a pass.", s.Permission),
		})
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return a.rank() - b.rank() })
	return out
}

func (f Finding) rank() int {
	if f.Severity == SeverityError {
		return 0
	}
	return 1
}

// tenantWide returns what the policy says to all profiles.
func tenantWide(policy jml.PassPolicy) []Finding {
	if !policy.Enabled {
		return []Finding{{
			Severity: SeverityError, What: "the tenant's Temporary Access Pass policy is off, so no pass can be made",
			Do: "Enable it under Entra, Authentication methods, Policies.",
		}}
	}
	targets := len(policy.IncludeGroups) + len(policy.IncludeUsers) + len(policy.ExcludeGroups) + len(policy.ExcludeUsers)
	if policy.AllUsers && targets == 0 {
		return nil
	}
	return []Finding{{
		Severity: SeverityWarning, What: "the tenant's Temporary Access Pass policy is not for all users; each person is checked before the pass, and who is not in its groups is blocked as outOfScope",
		Do: "Make sure that people are in the group before the lead time begins, or let the policy take in all users.",
	}}
}

// ofPolicy returns what the policy says to one profile.
func ofPolicy(p config.ProfileKey, name string, policy jml.PassPolicy) []Finding {
	if !policy.Enabled {
		return nil // said once, for all
	}
	var out []Finding
	bad := func(what, do string) {
		out = append(out, Finding{Profile: name, Severity: SeverityError, What: what, Do: do})
	}
	if p.Lifetime < policy.Minimum || p.Lifetime > policy.Maximum {
		bad(fmt.Sprintf("lifetime is %s, and the tenant allows %s to %s", config.Short(p.Lifetime), config.Short(policy.Minimum), config.Short(policy.Maximum)),
			fmt.Sprintf("Set profiles.%s.lifetime within that, or change the policy's minimum or maximum lifetime.", name))
	}
	switch {
	case p.OneTime || !policy.OneTimeOnly:
	case slices.Contains(p.For, jml.KindStaging):
		bad("staging needs a pass that works more than once, and the tenant allows one-time passes only",
			"Turn off one-time use in the policy. A device that restarts during Autopilot asks for the pass again, so one_time: true would not help.")
	default:
		bad("the pass works more than once, and the tenant allows one-time passes only",
			fmt.Sprintf("Set profiles.%s.one_time to true, or turn off one-time use in the policy.", name))
	}
	return out
}

// ofSetup returns what a warning says to the profiles that it is about.
func ofSetup(cfg *config.Config, w jml.SetupWarning) []Finding {
	about := func(config.ProfileKey) bool { return true }
	switch w.Risk {
	case jml.RiskOneTime:
		about = func(p config.ProfileKey) bool { return p.OneTime }
	case jml.RiskMultiUse:
		about = func(p config.ProfileKey) bool { return !p.OneTime }
	case jml.RiskFederation, jml.RiskHybrid:
		about = func(p config.ProfileKey) bool { return slices.Contains(p.CompleteOn, jml.MethodWindowsHello) }
	case jml.RiskCampaign:
		about = func(p config.ProfileKey) bool { return !slices.Contains(p.CompleteOn, jml.MethodAuthenticator) }
	}
	found := Finding{Severity: SeverityWarning, What: what(w), Do: w.Advice()}
	var of []string
	for _, name := range slices.Sorted(maps.Keys(cfg.Profiles)) {
		if about(cfg.Profiles[name]) {
			of = append(of, name)
		}
	}
	if len(of) == len(cfg.Profiles) {
		return []Finding{found}
	}
	var out []Finding
	for _, name := range of {
		found.Profile = name
		out = append(out, found)
	}
	return out
}

// what says what is so; Advice of the warning says what it means.
func what(w jml.SetupWarning) string {
	text := map[jml.SetupRisk]string{
		jml.RiskBlocked:     "policy %q blocks registering security information",
		jml.RiskLocation:    "policy %q allows registering security information from some places only",
		jml.RiskDevice:      "policy %q wants a managed device for registering security information",
		jml.RiskStrength:    "policy %q wants an authentication strength that no pass meets",
		jml.RiskOneTime:     "policy %q wants an authentication strength that a one-time pass does not meet",
		jml.RiskMultiUse:    "policy %q wants an authentication strength that a pass which works more than once does not meet",
		jml.RiskApplication: "policy %q wants an approved application for registering security information",
		jml.RiskFederation:  "domain %q sends its users elsewhere for a second factor",
	}[w.Risk]
	switch {
	case w.Risk == jml.RiskHybrid:
		return "users come from an on-premises directory, and a pass does not set up Windows Hello on a hybrid joined device"
	case w.Risk == jml.RiskCampaign:
		return "a registration campaign asks for the Authenticator app first, which does not complete a journey here"
	case text == "":
		text = "%q may keep people from registering (" + string(w.Risk) + ")"
	}
	text = fmt.Sprintf(text, w.Name)
	if w.ReportOnly {
		text += ", once it is more than report-only"
	}
	return text
}

func part(p jml.SetupPart) string {
	switch p {
	case jml.PartConditionalAccess:
		return "Conditional Access policies on registering security information"
	case jml.PartFederation:
		return "federated domains"
	case jml.PartRegistration:
		return "the registration campaign"
	case jml.PartOrganisation:
		return "whether users come from an on-premises directory"
	}
	return string(p)
}
