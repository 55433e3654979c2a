package entrasim_test

import (
	"fmt"
	"strings"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestBatch(t *testing.T) {
	r := newRig(t)
	methods := "/users/" + r.user.ID + "/authentication/methods"
	r.tenant.ResetRequests()
	r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpListMethods}, Status: 429, RetryAfter: "7"})
	a := r.do(200, "POST", "/v1.0/$batch", `{"requests":[{"id":"a","method":"GET","url":"`+methods+`"},{"id":"b","method":"GET","url":"`+methods+`"},`+
		`{"id":"c","method":"GET","url":"/nowhere"},{"id":"d","method":"POST","url":"/users/`+r.user.ID+`/checkMemberGroups","headers":{"Content-Type":"application/json"},"body":{"groupIds":["22222222-2222-4222-8222-222222222222"]}}]}`)
	got := map[string]string{}
	for _, v := range a.body["responses"].([]any) {
		m := v.(map[string]any)
		got[m["id"].(string)] = fmt.Sprint(m["status"], m["headers"].(map[string]any)["Retry-After"])
	}
	for id, want := range map[string]string{"a": "4297", "b": "200<nil>", "c": "404<nil>", "d": "200<nil>"} {
		if strings.ReplaceAll(got[id], " ", "") != want {
			t.Errorf("%s: %s, want %s", id, got[id], want)
		}
	}
	if n := r.tenant.Counts().Graph; n != 4 {
		t.Errorf("%d requests counted, want each part", n)
	}
	for _, body := range []string{`{"requests":[]}`, `{"requests":[{"id":"a","method":"GET","url":"/users"},{"id":"a","method":"GET","url":"/users"}]}`,
		`{"requests":[` + strings.TrimSuffix(strings.Repeat(`{"id":"%","method":"GET","url":"/users"},`, 21), ",") + `]}`} {
		for i := 0; strings.Contains(body, "%"); i++ {
			body = strings.Replace(body, "%", fmt.Sprint(i), 1)
		}
		r.do(400, "POST", "/v1.0/$batch", body)
	}
}

func TestFilterIn(t *testing.T) {
	r := newRig(t)
	entrasimtest.User(t, r.tenant, entrasim.User{EmployeeID: "o'2", UPN: "two@firstpass.example"})
	many := strings.TrimSuffix(strings.Repeat("'x',", 16), ",")
	for _, tc := range []struct {
		filter string
		status int
		found  int
	}{
		{"employeeId in ('1001','O''2','3')", 200, 2},
		{"userPrincipalName in ('TWO@firstpass.example')", 200, 1},
		{"employeeId in ('o'2')", 400, 0},
		{"employeeId in ('1' '2')", 400, 0},
		{"displayName in ('1')", 400, 0},
		{"employeeId in (" + many + ")", 400, 0},
	} {
		if a := r.do(tc.status, "GET", "/v1.0/users"+q("$filter", tc.filter), ""); len(a.list()) != tc.found {
			t.Errorf("%s: %s", tc.filter, a.raw)
		}
	}
}

func TestTransitiveMembers(t *testing.T) {
	r := newRig(t)
	outer, err := r.tenant.AddGroup(entrasim.Group{DisplayName: "outer", RoleAssignable: true})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := r.tenant.AddGroup(entrasim.Group{DisplayName: "inner", ParentIDs: []string{outer.ID}})
	if err != nil {
		t.Fatal(err)
	}
	entrasimtest.User(t, r.tenant, entrasim.User{UPN: "in@firstpass.example", GroupIDs: []string{inner.ID}})
	if a := r.do(200, "GET", "/v1.0/groups/"+outer.ID+"/transitiveMembers"+q("$select", "id", "$top", "999"), ""); len(a.list()) != 2 {
		t.Errorf("%s", a.raw)
	}
	if a := r.do(200, "GET", "/v1.0/groups"+q("$filter", "isAssignableToRole eq true", "$select", "id"), ""); len(a.list()) != 1 {
		t.Errorf("%s", a.raw)
	}
	r.do(404, "GET", "/v1.0/groups/22222222-2222-4222-8222-222222222222/transitiveMembers", "")
	entrasimtest.NoViolations(t, r.tenant)
}
