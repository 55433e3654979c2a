package graph_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

func TestSetup(t *testing.T) {
	register := []string{entrasim.ActionRegister}
	tenant := startTenant(t, func(c *entrasim.Config) {
		c.PageSize = 3
		c.Setup = entrasim.Setup{OnPremisesSync: true, Campaign: true,
			Domains: []entrasim.Domain{{Name: "firstpass.example"}, {Name: "soft.example", Federated: true, MFABehavior: "acceptIfMfaDoneByFederatedIdp"},
				{Name: "hard.example", Federated: true, MFABehavior: "enforceMfaByFederatedIdp"}, {Name: "silent.example", Federated: true}},
			AccessPolicies: []entrasim.AccessPolicy{
				{Name: "block", UserActions: register, Controls: []string{"block"}},
				{Name: "other action", UserActions: []string{"urn:user:registerdevice"}, Controls: []string{"block"}},
				{Name: "applications", Applications: []string{"All"}, Controls: []string{"compliantDevice"}},
				{Name: "off", State: entrasim.AccessDisabled, UserActions: register, Controls: []string{"block"}},
				{Name: "guests", UserActions: register, IncludeUsers: []string{"GuestsOrExternalUsers"}, Controls: []string{"block"}},
				{Name: "nobody", UserActions: register, IncludeUsers: []string{"None"}, Controls: []string{"block"}},
				{Name: "session only", UserActions: register},
				{Name: "office", UserActions: register, IncludeLocations: []string{"All"}, ExcludeLocations: []string{"AllTrusted"}, Controls: []string{"block"}},
				{Name: "anywhere", UserActions: register, IncludeLocations: []string{"All"}, Controls: []string{"block"}},
				{Name: "device", State: entrasim.AccessReportOnly, UserActions: register, Operator: "AND", Controls: []string{"compliantDevice", "mfa"}},
				{Name: "keys", UserActions: register, Strength: []string{"fido2", "windowsHelloForBusiness"}},
			}}
	})
	c := newClient(t, tenantConfig(t, tenant))

	// With what Firstpass has for its other work.
	got, err := c.Setup(t.Context())
	want := jml.TenantSetup{OnPremisesSync: true, Campaign: true, Skipped: []jml.SkippedPart{
		{Part: jml.PartConditionalAccess, Permission: "Policy.Read.All"}, {Part: jml.PartFederation, Permission: "Domain.Read.All"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("least privilege: %v (-want +got)\n%s", err, diff)
	}

	if err := tenant.SetPermissions("", "Policy.Read.All", "Domain.Read.All"); err != nil {
		t.Fatal(err)
	}
	got, err = c.Setup(t.Context())
	want = jml.TenantSetup{OnPremisesSync: true, Campaign: true,
		Policies: []jml.AccessPolicy{
			{Name: "block", Controls: []string{"block"}},
			{Name: "office", Located: true, Controls: []string{"block"}},
			{Name: "anywhere", Controls: []string{"block"}},
			{Name: "device", ReportOnly: true, All: true, Controls: []string{"compliantDevice", "mfa"}},
			{Name: "keys", Controls: []string{}, Strength: []string{"fido2", "windowsHelloForBusiness"}},
		},
		Domains: []jml.FederatedDomain{{Name: "soft.example"}, {Name: "hard.example", EnforcesMFA: true}, {Name: "silent.example"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	warnings := []jml.SetupWarning{{Risk: jml.RiskBlocked, Name: "block"}, {Risk: jml.RiskLocation, Name: "office"}, {Risk: jml.RiskBlocked, Name: "anywhere"},
		{Risk: jml.RiskDevice, Name: "device", ReportOnly: true}, {Risk: jml.RiskStrength, Name: "keys"}, {Risk: jml.RiskFederation, Name: "hard.example"},
		{Risk: jml.RiskHybrid}, {Risk: jml.RiskCampaign}}
	if diff := cmp.Diff(warnings, got.Warnings()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, w := range got.Warnings() {
		if w.Advice() == "" {
			t.Errorf("%s: no advice", w.Risk)
		}
	}
}

func TestPlainSetup(t *testing.T) {
	tenant := startTenant(t)
	if err := tenant.SetPermissions("", "Policy.Read.All", "Domain.Read.All"); err != nil {
		t.Fatal(err)
	}
	got, err := newClient(t, tenantConfig(t, tenant)).Setup(t.Context())
	if diff := cmp.Diff(jml.TenantSetup{}, got); err != nil || diff != "" || got.Warnings() != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestRisks(t *testing.T) {
	one, more := "temporaryAccessPassOneTime", "temporaryAccessPassMultiUse"
	for name, tt := range map[string]struct {
		policy jml.AccessPolicy
		want   []jml.SetupRisk
	}{
		"mfa":                        {jml.AccessPolicy{Controls: []string{"mfa"}}, nil},
		"mfa or device":              {jml.AccessPolicy{Controls: []string{"mfa", "compliantDevice"}}, nil},
		"device or hybrid":           {jml.AccessPolicy{Controls: []string{"compliantDevice", "domainJoinedDevice"}}, []jml.SetupRisk{jml.RiskDevice}},
		"mfa and application":        {jml.AccessPolicy{All: true, Controls: []string{"mfa", "compliantApplication"}}, []jml.SetupRisk{jml.RiskApplication}},
		"strength with both":         {jml.AccessPolicy{Strength: []string{"fido2", one, more}}, nil},
		"strength without multi-use": {jml.AccessPolicy{Strength: []string{"fido2", one}}, []jml.SetupRisk{jml.RiskMultiUse}},
		"strength without one-time":  {jml.AccessPolicy{Strength: []string{"password,sms", more}}, []jml.SetupRisk{jml.RiskOneTime}},
		"not alone":                  {jml.AccessPolicy{Strength: []string{one + ",fido2"}}, []jml.SetupRisk{jml.RiskStrength}},
		"strength of nothing":        {jml.AccessPolicy{Strength: []string{}}, []jml.SetupRisk{jml.RiskStrength}},
		"strength or device":         {jml.AccessPolicy{Strength: []string{one, more}, Controls: []string{"compliantDevice"}}, nil},
		"strength and device":        {jml.AccessPolicy{All: true, Strength: []string{"fido2"}, Controls: []string{"compliantDevice"}}, []jml.SetupRisk{jml.RiskDevice, jml.RiskStrength}},
		"nothing":                    {jml.AccessPolicy{}, nil},
	} {
		if diff := cmp.Diff(tt.want, tt.policy.Risks()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// One part that can't be read does not hide the others, and what is not said is
// not taken for safe.
func TestSetupThatCannotBeRead(t *testing.T) {
	good := map[string]string{
		"/policies":                    `{"value":[{"displayName":"block","state":"enabled","conditions":{"applications":{"includeUserActions":["urn:user:registersecurityinfo"]},"users":{"includeUsers":["All"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}]}`,
		"/domains":                     `{"value":[{"id":"x.example","authenticationType":"Federated","isRoot":true},{"id":"sub.x.example","authenticationType":"Federated","isRoot":false}]}`,
		"/federationConfiguration":     `{"value":[{"federatedIdpMfaBehavior":"enforceMfaByFederatedIdp"}]}`,
		"/authenticationMethodsPolicy": `{"registrationEnforcement":{"authenticationMethodsRegistrationCampaign":{"state":"enabled"}}}`,
		"/organization":                `{"value":[{"id":"x","onPremisesSyncEnabled":true}]}`,
	}
	for _, part := range []string{"", "/policies", "/domains", "/federationConfiguration", "/authenticationMethodsPolicy", "/organization"} {
		for _, reply := range []struct {
			status int
			body   string
		}{{503, `{}`}, {404, `{}`}, {204, ``}, {200, `{}`}, {200, `null`}, {200, `[]`}, {200, `{"value":{}}`}, {200, `{"value":[`}, {302, ``},
			{200, `{"value":[],"@odata.nextLink":"https://example.com/"}`}} {
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				for path, body := range good {
					if strings.HasSuffix(r.URL.Path, path) {
						if path == part {
							writeJSON(w, reply.status, reply.body)
							return
						}
						writeJSON(w, 200, body)
						return
					}
				}
				t.Errorf("asked for %s", r.URL.Path)
			})
			got, err := newClient(t, srv.config(t)).Setup(t.Context())
			var f *jml.Fault
			wanted := 4
			if part != "" {
				wanted = 3
				if !errors.As(err, &f) || strings.Contains(err.Error(), "127.0.0.1") {
					t.Errorf("%s, %d %q: %v", part, reply.status, reply.body, err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if w := got.Warnings(); len(w) != wanted || len(got.Skipped) != 0 {
				t.Errorf("%s, %d %q: %+v", part, reply.status, reply.body, got)
			}
			if part == "" {
				break
			}
		}
	}
}
