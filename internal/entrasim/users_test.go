package entrasim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestUserFilters(t *testing.T) {
	r := newRig(t)
	odd := entrasimtest.User(t, r.tenant, entrasim.User{EmployeeID: "A'1", UPN: "odd@firstpass.example", Mail: "odd.mail@firstpass.example",
		OnPremisesImmutableID: "aGVsbG8=", ExtensionAttributes: map[string]string{"extensionAttribute7": "x7", "extensionAttribute15": "x15"}})
	for filter, want := range map[string]int{
		"employeeId eq 'A''1'":                                        1,
		"employeeId eq 'a''1'":                                        1, // no case
		"employeeId eq ''":                                            0,
		"userPrincipalName eq 'ODD@firstpass.example'":                1,
		"mail eq 'odd.mail@firstpass.example'":                        1,
		"onPremisesImmutableId eq 'aGVsbG8='":                         1,
		"onPremisesImmutableId eq 'AGVSBG8='":                         0,
		"onPremisesExtensionAttributes/extensionAttribute7 eq 'x7'":   1,
		"onPremisesExtensionAttributes/extensionAttribute15 eq 'x15'": 1,
		"onPremisesExtensionAttributes/extensionAttribute1 eq 'x15'":  0,
		"onPremisesExtensionAttributes/extensionAttribute16 eq 'x'":   -1,
		"employeeId eq 'A'1'":                                         -1,
		"employeeId eq A1":                                            -1,
		"employeeId ne 'A'":                                           -1,
		"displayName eq 'odd'":                                        -1,
		"employeeId eq '1001' or userPrincipalName eq 'x'":            -1,
		"employeeId": -1,
		"onPremisesExtensionAttributes/extensionAttribute07 eq 'x7'":    -1,
		"userPrincipalName eq '' or true or userPrincipalName eq 'odd'": -1,
	} {
		path := "/v1.0/users" + q("$filter", filter, "$select", "id,employeeId")
		if want < 0 {
			r.do(400, "GET", path, "")
			continue
		}
		a := r.do(200, "GET", path, "")
		if len(a.list()) != want {
			t.Errorf("%s: %s", filter, a.raw)
		} else if want == 1 && a.list()[0].(map[string]any)["id"] != odd.ID {
			t.Errorf("%s found somebody else", filter)
		}
	}
	entrasimtest.NoViolations(t, r.tenant)
}

func TestUserSelectAndExpand(t *testing.T) {
	r := newRig(t)
	boss := entrasimtest.User(t, r.tenant, entrasim.User{UPN: "manager@firstpass.example", Mail: "manager@firstpass.example"})
	path := "/v1.0/users/" + r.user.ID
	keys := func(a answer) string {
		var ks []string
		for k := range a.body {
			ks = append(ks, k)
		}
		slices.Sort(ks)
		return strings.Join(ks, " ")
	}
	if got := keys(r.do(200, "GET", path, "")); strings.Contains(got, "employeeId") || strings.Contains(got, "accountEnabled") {
		t.Errorf("without $select: %s", got)
	}
	expand := q("$select", "id,accountEnabled", "$expand", "manager($select=id,mail)")
	if got := keys(r.do(200, "GET", path+expand, "")); got != "@odata.context accountEnabled id" {
		t.Errorf("no manager: %s", got)
	}
	_, err := r.tenant.UpdateUser(r.user.ID, func(u *entrasim.User) { u.ManagerID, u.Disabled = boss.ID, true })
	r.must(err)
	a := r.do(200, "GET", path+expand, "")
	if a.body["accountEnabled"] != false || a.text("manager", "@odata.type") != "#microsoft.graph.user" || a.text("manager", "mail") != boss.Mail {
		t.Errorf("%s", a.raw)
	}
	r.do(200, "GET", "/v1.0/users/joiner@firstpass.example", "")
	r.do(400, "GET", path+q("$select", "id,nickname"), "")
	r.do(400, "GET", path+q("$expand", "memberOf"), "")
	r.do(404, "GET", "/v1.0/users/nobody@firstpass.example", "")
	all := "id,userPrincipalName,displayName,givenName,surname,mail,otherMails,mobilePhone,businessPhones,jobTitle,department,companyName,officeLocation,country,usageLocation,preferredLanguage,employeeId,employeeType,employeeHireDate,createdDateTime,accountEnabled,userType,creationType,externalUserState,identities,onPremisesImmutableId,onPremisesSyncEnabled,onPremisesExtensionAttributes"
	r.do(200, "GET", path+q("$select", all), "")
	entrasimtest.NoViolations(t, r.tenant)
}

func TestPaging(t *testing.T) {
	r := newRig(t, func(c *entrasim.Config) { c.PageSize = 7 })
	for i := range 16 {
		entrasimtest.User(t, r.tenant, entrasim.User{UPN: fmt.Sprintf("u%d@firstpass.example", i)})
	}
	for query, wantPages := range map[string]int{"": 3, q("$top", "5", "$select", "id"): 4, q("$top", "17"): 1} {
		seen, pages := map[any]bool{}, 0
		for next := "/v1.0/users" + query; next != ""; pages++ {
			a := r.do(200, "GET", next, "")
			for _, u := range a.list() {
				seen[u.(map[string]any)["id"]] = true
			}
			next = a.text("@odata.nextLink")
		}
		if len(seen) != 17 || pages != wantPages {
			t.Errorf("%q: %d users on %d pages", query, len(seen), pages)
		}
	}
	for _, bad := range []string{q("$top", "0"), q("$top", "1000"), q("$top", "x"), q("$skiptoken", "x")} {
		r.do(400, "GET", "/v1.0/users"+bad, "")
	}
	entrasimtest.NoViolations(t, r.tenant)
}

func TestMembershipAndRoles(t *testing.T) {
	r := newRig(t)
	group := func(g entrasim.Group) entrasim.Group {
		g, err := r.tenant.AddGroup(g)
		r.must(err)
		return g
	}
	outer := group(entrasim.Group{DisplayName: "outer", RoleAssignable: true})
	inner := group(entrasim.Group{DisplayName: "inner", ParentIDs: []string{outer.ID}})
	other := group(entrasim.Group{DisplayName: "other"})
	_, err := r.tenant.UpdateUser(r.user.ID, func(u *entrasim.User) { u.GroupIDs = []string{inner.ID} })
	r.must(err)
	role := func(a entrasim.RoleAssignment) {
		_, err := r.tenant.AddRoleAssignment(a)
		r.must(err)
	}
	role(entrasim.RoleAssignment{PrincipalID: r.user.ID, RoleName: "Reports Reader"})
	role(entrasim.RoleAssignment{PrincipalID: outer.ID, RoleName: "Groups Administrator"})
	role(entrasim.RoleAssignment{PrincipalID: r.user.ID, RoleName: "User Administrator", AdminUnitID: "22222222-2222-4222-8222-222222222222"})

	check := "/v1.0/users/" + r.user.ID + "/checkMemberGroups"
	a := r.do(200, "POST", check, fmt.Sprintf(`{"groupIds":[%q,%q,%q]}`, outer.ID, other.ID, inner.ID))
	if got := a.list(); len(got) != 2 || got[0] != outer.ID || got[1] != inner.ID {
		t.Errorf("%s", a.raw)
	}
	r.do(400, "POST", check, `{"groupIds":[`+strings.TrimSuffix(strings.Repeat(`"`+outer.ID+`",`, 21), ",")+`]}`)
	r.do(200, "POST", check, `{"groupIds":[`+strings.TrimSuffix(strings.Repeat(`"`+outer.ID+`",`, 20), ",")+`]}`)
	r.do(400, "POST", check, `{"groupIds":[]}`)
	r.do(400, "POST", check, `{"groupIds":["x"]}`)
	if n := len(r.tenant.ContractViolations()); n != 1 { // the id that is no GUID
		t.Errorf("%d violations", n)
	}

	kinds := func(query string) (got []string) {
		for next := "/v1.0/users/" + r.user.ID + "/transitiveMemberOf" + query; next != ""; {
			a := r.do(200, "GET", next, "")
			for _, v := range a.list() {
				o := v.(map[string]any)
				got = append(got, fmt.Sprint(strings.TrimPrefix(o["@odata.type"].(string), "#microsoft.graph."), " ", o["displayName"], " ", o["isAssignableToRole"]))
			}
			next = a.text("@odata.nextLink")
		}
		return got
	}
	want := []string{"group inner <nil>", "group outer true", "directoryRole Reports Reader <nil>", "directoryRole Groups Administrator <nil>"}
	for _, query := range []string{"", q("$top", "1"), q("$select", "id,displayName,isAssignableToRole", "$top", "3")} {
		if got := kinds(query); !slices.Equal(got, want) {
			t.Errorf("%s: %q", query, got)
		}
	}
	// What the app may not read comes with its id alone.
	r.must(r.tenant.SetPermissions("", "User.Read.All"))
	if got := kinds(""); !slices.Equal(got, []string{"group <nil> <nil>", "group <nil> <nil>", "directoryRole <nil> <nil>", "directoryRole <nil> <nil>"}) {
		t.Errorf("%q", got)
	}
	r.must(r.tenant.SetPermissions("", entrasim.DefaultPermissions()...))

	a = r.do(200, "GET", "/v1.0/roleManagement/directory/roleAssignments"+q("$filter", "principalId eq '"+r.user.ID+"'"), "")
	scopes := []string{}
	for _, v := range a.list() {
		scopes = append(scopes, v.(map[string]any)["directoryScopeId"].(string))
	}
	if !slices.Equal(scopes, []string{"/", "/administrativeUnits/22222222-2222-4222-8222-222222222222"}) {
		t.Errorf("%s", a.raw)
	}
	if a = r.do(200, "GET", "/v1.0/roleManagement/directory/roleAssignments", ""); len(a.list()) <= len(scopes) {
		t.Errorf("not everybody's: %s", a.raw)
	}
	r.do(400, "GET", "/v1.0/roleManagement/directory/roleAssignments"+q("$filter", "roleDefinitionId eq 'x'"), "")
}

func TestMethodsList(t *testing.T) {
	r := newRig(t)
	kinds := []entrasim.MethodKind{entrasim.KindFIDO2, entrasim.KindWindowsHello, entrasim.KindAuthenticator, entrasim.KindPlatform, entrasim.KindPhone,
		entrasim.KindSoftwareOath, entrasim.KindEmail, entrasim.KindExternal, entrasim.KindQRCodePin, "brandNew"}
	for _, k := range kinds {
		_, err := r.tenant.AddMethod(r.user.ID, entrasim.Method{Kind: k})
		r.must(err)
	}
	_, code := r.mint(`{}`)
	session, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	_, err = r.tenant.Register(session, entrasim.Method{Kind: entrasim.KindFIDO2, Synced: true, AAGUID: "33333333-3333-4333-8333-333333333333"})
	r.must(err)
	path := "/v1.0/users/" + r.user.ID + "/authentication/methods"
	list := r.do(200, "GET", path, "").list()
	if len(list) != len(kinds)+3 { // password, the registered key, the pass
		t.Errorf("%d methods", len(list))
	}
	key := list[len(list)-2].(map[string]any)
	if key["passkeyType"] != "synced" || key["createdDateTime"] != "2026-03-02T07:30:00.25Z" || key["aaGuid"] != "33333333-3333-4333-8333-333333333333" {
		t.Errorf("%v", key)
	}
	r.behave(entrasim.Behaviour{NullMethodCreated: true})
	list = r.do(200, "GET", path, "").list()
	if key := list[len(list)-2].(map[string]any); key["createdDateTime"] != nil {
		t.Errorf("%v", key)
	}
	if pass := list[len(list)-1].(map[string]any); pass["createdDateTime"] == nil {
		t.Errorf("%v", pass)
	}
	entrasimtest.NoViolations(t, r.tenant)
}

func TestPolicyAndOrganization(t *testing.T) {
	r := newRig(t)
	base := "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/"
	for _, name := range []string{"temporaryAccessPass", "TemporaryAccessPass"} {
		a := r.do(200, "GET", base+name, "")
		if a.text("id") != "TemporaryAccessPass" || a.body["maximumLifetimeInMinutes"] != 480.0 {
			t.Errorf("%s", a.raw)
		}
	}
	r.do(404, "GET", base+"fido2", "")
	a := r.do(200, "GET", "/v1.0/organization"+q("$select", "id,displayName"), "")
	if a.list()[0].(map[string]any)["id"] != r.tenant.TenantID() {
		t.Errorf("%s", a.raw)
	}
	entrasimtest.NoViolations(t, r.tenant)
}
