package entrasim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"firstpass.internal/internal/entrasim"
)

func TestContractNamesEveryOperation(t *testing.T) {
	c, err := entrasim.LoadContract()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{entrasim.OpListUsers, entrasim.OpGetUser, entrasim.OpListSponsors, entrasim.OpSendMail, entrasim.OpCheckMemberGroups, entrasim.OpTransitiveMemberOf, entrasim.OpListRoleAssignments,
		entrasim.OpListMethods, entrasim.OpListPasses, entrasim.OpCreatePass, entrasim.OpGetPass, entrasim.OpDeletePass, entrasim.OpGetPolicy, entrasim.OpListOrganization,
		entrasim.OpRevokeSessions, entrasim.OpListAccessPolicies, entrasim.OpListDomains, entrasim.OpListFederation, entrasim.OpGetMethodsPolicy,
		entrasim.OpListGroups, entrasim.OpTransitiveMembers}
	for range 6 {
		want = append(want, entrasim.OpGetMethod, entrasim.OpDeleteMethod)
	}
	if len(c.Operations) != len(want) {
		t.Errorf("%d operations", len(c.Operations))
	}
	for i, op := range c.Operations {
		if op.Name != want[i] {
			t.Errorf("operation %d is %s, want %s", i, op.Name, want[i])
		}
		for _, shape := range op.Replies {
			if name := strings.TrimPrefix(shape, "@"); shape != "" {
				if _, ok := c.Shapes[name]; !ok {
					t.Errorf("%s: no shape %s", op.Name, name)
				}
			}
		}
	}
}

func TestContractChecksRequests(t *testing.T) {
	c, err := entrasim.LoadContract()
	if err != nil {
		t.Fatal(err)
	}
	passes := "/v1.0/users/u/authentication/temporaryAccessPassMethods"
	good := http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/json; charset=utf-8"}}
	for _, tc := range []struct {
		method, path, body string
		header             http.Header
		problem            string // empty: none
	}{
		{"POST", passes, `{"startDateTime":"2026-03-02T08:00:00Z","lifetimeInMinutes":60,"isUsableOnce":true}`, good, ""},
		{"POST", passes, `{"lifetimeInMinutes":null}`, good, ""},
		{"GET", passes, "", good, ""},
		{"GET", "/v1.0/users?$filter=x&$select=id", "", good, ""},
		{"POST", passes, `{"lifetimeInMinutes":60.5}`, good, "lifetimeInMinutes"},
		{"POST", passes, `{"startDateTime":"tomorrow"}`, good, "startDateTime"},
		{"POST", passes, `{"isUsable":true}`, good, "isUsable is not a field"},
		{"POST", passes, ``, good, "not JSON"},
		{"POST", passes, `{}`, http.Header{"Authorization": {"Bearer x"}}, "application/json"},
		{"GET", passes, "", http.Header{}, "bearer"},
		{"GET", passes, "{}", good, "no body"},
		{"GET", passes + "?$select=id", "", good, "$select"},
		{"PATCH", passes, "{}", good, "no such operation"},
		{"GET", "/v1.0/me", "", good, "no such operation"},
	} {
		u, err := url.Parse(tc.path)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(c.CheckRequest(tc.method, u, tc.header, []byte(tc.body)), "; ")
		if (tc.problem == "") != (got == "") || !strings.Contains(got, tc.problem) {
			t.Errorf("%s %s %s: %q, want %q", tc.method, tc.path, tc.body, got, tc.problem)
		}
	}
}

func TestContractChecksReplies(t *testing.T) {
	c, err := entrasim.LoadContract()
	if err != nil {
		t.Fatal(err)
	}
	const id = "44444444-4444-4444-8444-444444444444"
	h := http.Header{"Request-Id": {id}, "Client-Request-Id": {id}, "Content-Type": {"application/json"}}
	pass := `"id":"` + id + `","createdDateTime":"2026-03-02T08:00:00Z","startDateTime":"2026-03-02T08:00:00Z","lifetimeInMinutes":60,"isUsableOnce":false,"isUsable":true,"methodUsabilityReason":"EnabledByPolicy"`
	u := &url.URL{Path: "/v1.0/users/u/authentication/temporaryAccessPassMethods"}
	for _, tc := range []struct {
		status        int
		body, problem string
	}{
		{200, `{"@odata.context":"x","value":[{` + pass + `,"temporaryAccessPass":null}]}`, ""},
		{200, `{"@odata.context":"x","value":[{` + pass + `,"temporaryAccessPass":"shown"}]}`, "value[0].temporaryAccessPass is not null"},
		{200, `{"@odata.context":"x","value":[{` + pass + `}]}`, "value[0].temporaryAccessPass is missing"},
		{200, `{"value":{}}`, "not a list"},
		{201, `{}`, "status 201"},
		{404, `{"error":{"code":"c","message":"m","innerError":{"date":"d","request-id":"` + id + `","client-request-id":"` + id + `"}}}`, ""},
		{404, `{"error":{"code":"c"}}`, "message is missing"},
	} {
		got := strings.Join(c.CheckReply("GET", u, tc.status, h, []byte(tc.body)), "; ")
		if (tc.problem == "") != (got == "") || !strings.Contains(got, tc.problem) {
			t.Errorf("%d %s: %q, want %q", tc.status, tc.body, got, tc.problem)
		}
	}
	if got := c.CheckReply("GET", u, 200, http.Header{}, []byte(`{"@odata.context":"x","value":[]}`)); len(got) != 3 {
		t.Errorf("headers: %q", got)
	}
}

func TestStrictTenantRecordsViolations(t *testing.T) {
	r := newRig(t)
	r.do(400, "GET", r.passes+q("$select", "id"), "")
	r.do(404, "GET", "/v1.0/me", "")
	v := r.tenant.ContractViolations()
	if len(v) != 2 || v[0].Side != "request" || !strings.Contains(v[0].Problem, "$select") || v[0].RequestID == "" {
		t.Errorf("%+v", v)
	}
	lax := newRig(t, func(c *entrasim.Config) { c.Strict = false })
	lax.do(200, "GET", lax.passes+q("$select", "id"), "")
	if len(lax.tenant.ContractViolations()) != 0 {
		t.Error("a lax tenant recorded violations")
	}
}
