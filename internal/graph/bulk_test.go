package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
)

func at(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

// TestPlanBulkSaysTheSame reads the same tenant in bulk and one by one.
func TestPlanBulkSaysTheSame(t *testing.T) {
	tenant := entrasimtest.Start(t)
	group := must(tenant.AddGroup(entrasim.Group{DisplayName: "all"}))
	inner := must(tenant.AddGroup(entrasim.Group{DisplayName: "inner", ParentIDs: []string{group.ID}}))
	admins := must(tenant.AddGroup(entrasim.Group{DisplayName: "admins", RoleAssignable: true}))
	must(tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: admins.ID, RoleName: "Helpdesk Administrator"}))
	var ids, numbers []string
	for i := range 45 {
		u := entrasim.User{EmployeeID: strconv.Itoa(i), UPN: fmt.Sprintf("u%d@example.org", i), Mail: "m@example.org", Department: "d'Arc"}
		switch i % 5 {
		case 1:
			u.EmployeeID = "o'" + u.EmployeeID
		case 2:
			u.GroupIDs, u.Disabled = []string{inner.ID}, true
		case 3:
			u.GroupIDs, u.ManagerID = []string{admins.ID}, ids[0]
		}
		u = entrasimtest.User(t, tenant, u)
		if i%7 == 0 {
			must(tenant.AddMethod(u.ID, entrasim.Method{Kind: entrasim.KindFIDO2}))
			must(tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: u.ID, AdminUnitID: "22222222-2222-4222-8222-222222222222"}))
		}
		ids, numbers = append(ids, u.ID), append(numbers, strings.ToUpper(u.EmployeeID))
	}
	for i := range 3 {
		entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "7", UPN: fmt.Sprintf("twin%d@example.org", i)})
	}
	numbers = append(numbers, "nobody", "")
	ids = append(ids, "22222222-2222-4222-8222-222222222222", "no-id")
	c := newClient(t, tenantConfig(t, tenant))
	b := c.Bulk(graph.BulkConfig{Pause: at})
	ctx := context.Background()
	same := func(what string, got, want any, gotErr, wantErr error) {
		t.Helper()
		if (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, alone %v", what, gotErr, wantErr)
		}
		if d := cmp.Diff(want, got); wantErr == nil && d != "" {
			t.Errorf("%s: %s", what, d)
		}
		var f, g *jml.Fault
		if errors.As(gotErr, &f) && errors.As(wantErr, &g) && (f.Kind != g.Kind || f.Code != g.Code || f.Status != g.Status) {
			t.Errorf("%s: %v, alone %v", what, f, g)
		}
	}
	users := b.FindUsers(ctx, "employeeId", numbers)
	for _, n := range numbers {
		want, err := c.FindUsers(ctx, jml.Match{Attribute: "employeeId", Value: n})
		got := users[n]
		if len(got.Value) == 0 && len(want) == 0 {
			got.Value = want
		}
		same("user "+n, got.Value, want, got.Err, err)
	}
	methods, around := b.Methods(ctx, ids), b.Addressees(ctx, ids)
	groups, privileges := b.MemberOf(ctx, ids, []string{group.ID, admins.ID}), must(b.Privileges(ctx))
	for _, id := range ids {
		m, err := c.Methods(ctx, id)
		same("methods", methods[id].Value, m, methods[id].Err, err)
		a, err := c.Addressees(ctx, id, false)
		same("addressees", around[id].Value, a, around[id].Err, err)
		g, err := c.MemberOf(ctx, id, []string{group.ID, admins.ID})
		slices.Sort(g)
		slices.Sort(groups[id].Value)
		same("groups", groups[id].Value, g, groups[id].Err, err)
		if p, err := c.Privilege(ctx, id); err == nil && p.Any() != privileges.Of(id).Any() {
			t.Errorf("privilege of %s: %+v, alone %+v", id, privileges.Of(id), p)
		}
	}
	entrasimtest.NoViolations(t, tenant)
}

// TestPlanBulkReplies gives answers that no batch should have.
func TestPlanBulkReplies(t *testing.T) {
	tests := []struct {
		name, responses string
		status          int
		kind            jml.FaultKind
		code            string
	}{
		{"a part is missing", `[]`, 200, jml.FaultUnavailable, "noAnswer"},
		{"another part", `[{"id":"9","status":200,"body":{"value":[]}}]`, 200, jml.FaultUnavailable, "noAnswer"},
		{"no responses", `null`, 200, jml.FaultUnavailable, "badReply"},
		{"no value", `[{"id":"0","status":200,"body":{}}]`, 200, jml.FaultUnavailable, "emptyReply"},
		{"null among the methods", `[{"id":"0","status":200,"body":{"value":[null]}}]`, 200, jml.FaultUnavailable, "emptyReply"},
		{"no JSON object", `[{"id":"0","status":200,"body":"x"}]`, 200, jml.FaultUnavailable, "emptyReply"},
		{"denied", `[{"id":"0","status":403,"body":{"error":{"code":"accessDenied","message":"x y"}}}]`, 200, jml.FaultDenied, "accessDenied"},
		{"not found", `[{"id":"0","status":404,"body":{"error":{"code":"resourceNotFound"}}}]`, 200, jml.FaultNotFound, "resourceNotFound"},
		{"throttled for ever", `[{"id":"0","status":429,"headers":{"retry-after":"3"},"body":null}]`, 200, jml.FaultThrottled, ""},
		{"all refused", ``, 400, jml.FaultRefused, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, tt.status, `{"responses":`+tt.responses+`}`)
			})
			b := newClient(t, s.config(t)).Bulk(graph.BulkConfig{Pause: at})
			got := b.Methods(context.Background(), []string{userID})[userID]
			var f *jml.Fault
			if !errors.As(got.Err, &f) || f.Kind != tt.kind || f.Code != tt.code || f.Op != "list methods" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestPlanBulkWaits asks again for the part that was throttled, and for no other,
// once the wait it was told is over.
func TestPlanBulkWaits(t *testing.T) {
	var batches [][]string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Requests []struct{ ID string } }
		_ = json.NewDecoder(r.Body).Decode(&in)
		var asked, out []string
		for _, p := range in.Requests {
			asked = append(asked, p.ID)
			if p.ID == "1" && len(batches) == 0 {
				out = append(out, `{"id":"1","status":429,"headers":{"Retry-After":"21"}}`)
				continue
			}
			out = append(out, `{"id":"`+p.ID+`","status":200,"body":{"value":[]}}`)
		}
		batches = append(batches, asked)
		writeJSON(w, 200, `{"responses":[`+strings.Join(out, ",")+`]}`)
	})
	var waited []time.Duration
	b := newClient(t, s.config(t)).Bulk(graph.BulkConfig{Pause: func(_ context.Context, d time.Duration) error {
		waited = append(waited, d.Round(time.Second))
		return nil
	}})
	other := strings.Replace(userID, "3f6c", "3f6d", 1)
	for id, of := range b.Methods(context.Background(), []string{userID, other}) {
		if of.Err != nil {
			t.Errorf("%s: %v", id, of.Err)
		}
	}
	if d := cmp.Diff([][]string{{"0", "1"}, {"1"}}, batches); d != "" {
		t.Error(d)
	}
	if !slices.Equal(waited, []time.Duration{21 * time.Second}) {
		t.Errorf("waited %v", waited)
	}
}
