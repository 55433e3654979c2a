package profile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

func policy(with func(*jml.PassPolicy)) jml.PassPolicy {
	p := jml.PassPolicy{Enabled: true, Minimum: time.Hour, Default: time.Hour, Maximum: 8 * time.Hour, AllUsers: true}
	if with != nil {
		with(&p)
	}
	return p
}

func TestConflicts(t *testing.T) {
	const one = "\nprofiles: {default: {lifetime: 8h, " + ways + "}}\n"
	const two = `
profiles:
  default: {one_time: true, lifetime: 30m, complete_on: [fido2], ` + ways + `}
  hello: {lifetime: 1h, complete_on: [windowsHelloForBusiness, microsoftAuthenticator], ` + ways + `}
`
	const staging = `
profiles:
  desk:
    for: [staging]
    approval: {within: 1d}
    link_to: [{channel: mail, recipient: technician}]
    code_to: [{channel: sms, recipient: technician}]
`
	for _, c := range []struct {
		name, profiles string
		policy         jml.PassPolicy
		setup          jml.TenantSetup
		want           []string // severity profile: what
	}{
		{"nothing", one, policy(nil), jml.TenantSetup{}, nil},
		{"off", two, policy(func(p *jml.PassPolicy) { p.Enabled, p.OneTimeOnly = false, true }), jml.TenantSetup{},
			[]string{"error : the tenant's Temporary Access Pass policy is off, so no pass can be made"}},
		{"too long", one, policy(func(p *jml.PassPolicy) { p.Maximum = 4 * time.Hour }), jml.TenantSetup{},
			[]string{"error default: lifetime is 8h, and the tenant allows 1h to 4h"}},
		{"too short", two, policy(nil), jml.TenantSetup{},
			[]string{"error default: lifetime is 30m, and the tenant allows 1h to 8h"}},
		{"one-time only", two, policy(func(p *jml.PassPolicy) { p.Minimum, p.OneTimeOnly = 10*time.Minute, true }), jml.TenantSetup{},
			[]string{"error hello: the pass works more than once, and the tenant allows one-time passes only"}},
		{"staging with one-time only", staging, policy(func(p *jml.PassPolicy) { p.OneTimeOnly = true }), jml.TenantSetup{},
			[]string{"error desk: staging needs a pass that works more than once, and the tenant allows one-time passes only"}},
		{"groups, and an error before it", one, policy(func(p *jml.PassPolicy) {
			p.AllUsers, p.IncludeGroups, p.Maximum = false, []string{"g"}, time.Hour
		}), jml.TenantSetup{}, []string{
			"error default: lifetime is 8h, and the tenant allows 1h",
			"warning : the tenant's Temporary Access Pass policy is not for all users",
		}},
		{"all users but some", one, policy(func(p *jml.PassPolicy) { p.ExcludeGroups = []string{"g"} }), jml.TenantSetup{},
			[]string{"warning : the tenant's Temporary Access Pass policy is not for all users"}},
		{"access", two, policy(func(p *jml.PassPolicy) { p.Minimum = 10 * time.Minute }), jml.TenantSetup{Policies: []jml.AccessPolicy{
			{Name: "Block", Controls: []string{"block"}},
			{Name: "Office", Controls: []string{"block"}, Located: true, ReportOnly: true},
			{Name: "Managed", Controls: []string{"compliantDevice"}},
			{Name: "Strong", Strength: []string{"fido2"}},
			{Name: "Once", Strength: []string{"temporaryAccessPassOneTime"}},
			{Name: "Often", Strength: []string{"temporaryAccessPassMultiUse"}},
			{Name: "MFA", Controls: []string{"mfa"}},
		}}, []string{
			`warning : policy "Block" blocks registering`,
			`warning : policy "Office" allows registering security information from some places only, once it is more than report-only`,
			`warning : policy "Managed" wants a managed device`,
			`warning : policy "Strong" wants an authentication strength that no pass meets`,
			`warning hello: policy "Once" wants an authentication strength that a pass which works more than once does not meet`,
			`warning default: policy "Often" wants an authentication strength that a one-time pass does not meet`,
		}},
		{"the rest", two, policy(func(p *jml.PassPolicy) { p.Minimum = 10 * time.Minute }), jml.TenantSetup{
			Domains:        []jml.FederatedDomain{{Name: "example.org", EnforcesMFA: true}, {Name: "example.com"}},
			OnPremisesSync: true, Campaign: true,
			Skipped: []jml.SkippedPart{{Part: jml.PartConditionalAccess, Permission: "Policy.Read.All"}},
		}, []string{
			`warning hello: domain "example.org" sends its users elsewhere for a second factor`,
			"warning hello: users come from an on-premises directory",
			"warning default: a registration campaign asks for the Authenticator app first",
			"warning : not looked at: Conditional Access policies on registering security information",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for i, f := range Conflicts(load(t, c.profiles), c.policy, c.setup) {
				text := string(f.Severity) + " " + f.Profile + ": " + f.What
				if i < len(c.want) && len(text) > len(c.want[i]) {
					text = text[:len(c.want[i])]
				}
				got = append(got, text)
				if f.Do == "" {
					t.Errorf("nothing to do about %s", f.What)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
