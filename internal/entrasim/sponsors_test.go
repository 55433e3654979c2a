package entrasim_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestManagerAndSponsors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tenant.json")
	keep := func(c *entrasim.Config) { c.StateFile = file }
	r := newRig(t, keep, func(c *entrasim.Config) { c.PageSize = 2 })
	boss := entrasimtest.User(t, r.tenant, entrasim.User{UPN: "boss@firstpass.example", Mail: "boss@firstpass.example", MobilePhone: "+49 30 5550101", PreferredLanguage: "de-DE"})
	one := entrasimtest.User(t, r.tenant, entrasim.User{UPN: "one@firstpass.example", GivenName: "Oona", Mail: "one@firstpass.example", Disabled: true})
	two := entrasimtest.User(t, r.tenant, entrasim.User{UPN: "two@firstpass.example"})
	group, err := r.tenant.AddGroup(entrasim.Group{DisplayName: "hosts"})
	r.must(err)
	user := "/v1.0/users/" + r.user.ID
	expand := q("$select", "id,mail", "$expand", "manager($select=id,mail,mobilePhone,preferredLanguage)")
	if a := r.do(200, "GET", user+"/sponsors", ""); a.body["value"] == nil || len(a.list()) != 0 {
		t.Errorf("no sponsors: %s", a.raw)
	}

	r.must(r.tenant.SetManager(r.user.ID, boss.ID))
	for _, id := range []string{one.ID, group.ID, two.ID} {
		r.must(r.tenant.AddSponsor(r.user.ID, id))
	}
	a := r.do(200, "GET", user+expand, "")
	if a.text("manager", "mail") != boss.Mail || a.text("manager", "mobilePhone") != boss.MobilePhone || a.text("manager", "preferredLanguage") != "de-DE" {
		t.Errorf("%s", a.raw)
	}
	sponsors := func(query string) (got []map[string]any) {
		t.Helper()
		for next := user + "/sponsors" + query; next != ""; {
			a := r.do(200, "GET", next, "")
			for _, v := range a.list() {
				got = append(got, v.(map[string]any))
			}
			next = a.text("@odata.nextLink")
		}
		return got
	}
	all := sponsors(q("$select", "id,accountEnabled,givenName,mail"))
	if len(all) != 3 || all[0]["id"] != one.ID || all[0]["accountEnabled"] != false || all[0]["givenName"] != "Oona" ||
		all[1]["@odata.type"] != "#microsoft.graph.group" || all[1]["id"] != group.ID || all[2]["@odata.type"] != "#microsoft.graph.user" {
		t.Errorf("%v", all)
	}
	if _, there := all[1]["accountEnabled"]; there {
		t.Error("a group is enabled")
	}
	if all := sponsors(""); len(all) != 3 || all[1]["displayName"] != "hosts" {
		t.Errorf("without $select: %v", all)
	}

	// One relation a request; and none that is not known here.
	r.do(400, "GET", user+q("$expand", "manager,sponsors"), "")
	r.do(400, "GET", user+q("$expand", "manager($select=id,mail),sponsors($select=id)"), "")
	r.do(400, "GET", user+q("$expand", "sponsors"), "")
	r.do(400, "GET", user+"/sponsors"+q("$select", "nickname"), "")
	r.do(404, "GET", "/v1.0/users/nobody@firstpass.example/sponsors", "")
	r.do(405, "POST", user+"/sponsors", `{}`)

	// Without the groups' permission a group is an id.
	r.must(r.tenant.SetPermissions("", "User.Read.All"))
	if all := sponsors(""); len(all) != 3 || all[1]["displayName"] != nil || all[1]["id"] != group.ID {
		t.Errorf("%v", all)
	}
	r.must(r.tenant.SetPermissions("", "Directory.Read.All"))
	r.do(403, "GET", user+"/sponsors", "")
	r.must(r.tenant.SetPermissions("", entrasim.DefaultPermissions()...))

	if r.tenant.AddSponsor(r.user.ID, r.tenant.TenantID()) == nil || r.tenant.SetManager(r.user.ID, group.ID) == nil || r.tenant.AddSponsor("x", one.ID) == nil {
		t.Error("somebody who is not there became manager or sponsor")
	}
	again := entrasimtest.Start(t, keep)
	if u := again.Users()[0]; u.ManagerID != boss.ID || !slices.Equal(u.SponsorIDs, []string{one.ID, group.ID, two.ID}) {
		t.Errorf("after a restart: %+v", u)
	}
	r.must(r.tenant.RemoveUser(one.ID))
	r.must(r.tenant.SetManager(strings.ToUpper(r.user.ID), ""))
	if u := r.tenant.Users()[0]; u.ManagerID != "" || !slices.Equal(u.SponsorIDs, []string{group.ID, two.ID}) {
		t.Errorf("after they left: %+v", u)
	}
	for _, v := range r.tenant.ContractViolations() {
		if v.Side == "reply" {
			t.Errorf("%+v", v)
		}
	}
}
