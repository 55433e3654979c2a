package entrasim_test

import (
	"reflect"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestSetup(t *testing.T) {
	r := newRig(t)
	r.must(r.tenant.SetSetup(entrasim.Setup{
		AccessPolicies: []entrasim.AccessPolicy{
			{Name: "Register at the office", UserActions: []string{entrasim.ActionRegister}, IncludeLocations: []string{"All"}, ExcludeLocations: []string{"AllTrusted"}, Controls: []string{"block"}},
			{Name: "Keys only", State: entrasim.AccessReportOnly, Applications: []string{"All"}, Strength: []string{"fido2"}},
			{Name: "Nothing", State: entrasim.AccessDisabled},
		},
		Domains:        []entrasim.Domain{{Name: "firstpass.example"}, {Name: "old.example", Federated: true, MFABehavior: "enforceMfaByFederatedIdp"}},
		OnPremisesSync: true, Campaign: true,
	}))
	const policies, domains = "/v1.0/identity/conditionalAccess/policies", "/v1.0/domains"
	for _, path := range []string{policies, domains, domains + "/old.example/federationConfiguration"} {
		if a := r.do(403, "GET", path, ""); a.text("error", "code") != "Authorization_RequestDenied" {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	r.permit("Policy.Read.All", "Domain.Read.All")
	list := r.do(200, "GET", policies+q("$top", "2"), "")
	first, _ := list.list()[0].(map[string]any)
	again, _ := r.do(200, "GET", policies, "").list()[0].(map[string]any)
	if len(list.list()) != 2 || list.text("@odata.nextLink") == "" || !reflect.DeepEqual(first, again) {
		t.Errorf("%s", list.raw)
	}
	conditions, _ := first["conditions"].(map[string]any)
	want := map[string]any{"includeLocations": []any{"All"}, "excludeLocations": []any{"AllTrusted"}}
	if !reflect.DeepEqual(want, conditions["locations"]) || first["state"] != entrasim.AccessEnabled {
		t.Error(first)
	}
	if a := r.do(200, "GET", domains, ""); len(a.list()) != 2 {
		t.Errorf("%s", a.raw)
	}
	if a := r.do(200, "GET", domains+"/firstpass.example/federationConfiguration", ""); len(a.list()) != 0 {
		t.Errorf("%s", a.raw)
	}
	federation, _ := r.do(200, "GET", domains+"/OLD.example/federationConfiguration", "").list()[0].(map[string]any)
	if federation["federatedIdpMfaBehavior"] != "enforceMfaByFederatedIdp" {
		t.Errorf("%v", federation)
	}
	r.do(404, "GET", domains+"/no.example/federationConfiguration", "")
	organisation, _ := r.do(200, "GET", "/v1.0/organization"+q("$select", "id,onPremisesSyncEnabled"), "").list()[0].(map[string]any)
	if !reflect.DeepEqual(map[string]any{"id": r.tenant.TenantID(), "onPremisesSyncEnabled": true}, organisation) {
		t.Error(organisation)
	}
	r.do(200, "GET", "/v1.0/policies/authenticationMethodsPolicy", "")
	r.permit()
	r.do(403, "GET", "/v1.0/policies/authenticationMethodsPolicy", "")
	entrasimtest.NoViolations(t, r.tenant)

	// Untouched, a tenant is plain.
	plain := newRig(t)
	plain.permit("Policy.Read.All", "Domain.Read.All")
	if a := plain.do(200, "GET", policies, ""); len(a.list()) != 0 {
		t.Errorf("%s", a.raw)
	}
	if a := plain.do(200, "GET", domains, ""); len(a.list()) != 1 {
		t.Errorf("%s", a.raw)
	}
}
