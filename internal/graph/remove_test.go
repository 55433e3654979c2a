package graph_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
)

func TestDeleteMethod(t *testing.T) {
	for _, kind := range jml.Removable() {
		tenant := startTenant(t)
		c := newClient(t, tenantConfig(t, tenant))
		user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
		kept := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: entrasim.KindEmail}))
		m := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: entrasim.MethodKind(kind)}))
		gone := jml.Method{ID: m.ID, Kind: kind}

		// What Firstpass has for its other work does not delete.
		err := c.DeleteMethod(t.Context(), user.ID, gone)
		var f *jml.Fault
		if !errors.As(err, &f) || f.Kind != jml.FaultDenied || f.Code != "accessDenied" || f.Reason != jml.ReasonPermissionMissing {
			t.Errorf("%s, not permitted: %v", kind, err)
		}
		needs := graph.Needs(graph.Uses{Remove: []jml.MethodKind{kind}})
		var granted []string
		for _, n := range needs {
			if !n.Optional {
				granted = append(granted, n.Permission)
			}
		}
		if err := tenant.SetPermissions("", granted...); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second finds nothing, which is as good
			if err := c.DeleteMethod(t.Context(), user.ID, gone); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if left := tenant.Methods(user.ID); len(left) != 1 || left[0].ID != kept.ID {
			t.Errorf("%s: left %+v", kind, left)
		}
		if err := c.DeleteMethod(t.Context(), userID, gone); err != nil {
			t.Errorf("%s of a user who is not there: %v", kind, err)
		}
	}
}

func TestDefaultMethodIsRefused(t *testing.T) {
	for _, kind := range []entrasim.MethodKind{entrasim.KindAuthenticator, entrasim.KindPhone} {
		tenant := startTenant(t)
		if err := tenant.SetPermissions("", "UserAuthenticationMethod.ReadWrite.All"); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, tenantConfig(t, tenant))
		user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
		m := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: kind, Default: true}))
		other := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: entrasim.KindSoftwareOath}))
		err := c.DeleteMethod(t.Context(), user.ID, jml.Method{ID: m.ID, Kind: jml.MethodKind(kind)})
		var f *jml.Fault
		if !errors.As(err, &f) || f.Kind != jml.FaultRefused || f.Code != "defaultMethod" || f.Reason != jml.ReasonRemovalDenied || strings.Contains(err.Error(), m.ID) {
			t.Errorf("%s: %v", kind, err)
		}
		for _, m := range []jml.Method{{ID: other.ID, Kind: "softwareOath"}, {ID: m.ID, Kind: jml.MethodKind(kind)}} {
			if err := c.DeleteMethod(t.Context(), user.ID, m); err != nil {
				t.Errorf("%s, in the right order: %v", kind, err)
			}
		}
	}
}

func TestEndSessions(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
	var f *jml.Fault
	if err := c.EndSessions(t.Context(), user.ID); !errors.As(err, &f) || f.Kind != jml.FaultDenied || f.Code != "Authorization_RequestDenied" {
		t.Errorf("not permitted: %v", err)
	}
	if err := tenant.SetPermissions("", "User.RevokeSessions.All"); err != nil {
		t.Fatal(err)
	}
	if err := c.EndSessions(t.Context(), user.ID); err != nil || len(tenant.SessionsRevoked(user.ID)) != 1 {
		t.Errorf("%v, revoked %v", err, tenant.SessionsRevoked(user.ID))
	}
	if err := c.EndSessions(t.Context(), userID); !errors.As(err, &f) || f.Kind != jml.FaultNotFound {
		t.Errorf("a user who is not there: %v", err)
	}
	srv := newServer(t, nil)
	srv.graph = serveJSON(200, `{"value":false}`)
	if err := newClient(t, srv.config(t)).EndSessions(t.Context(), userID); !errors.As(err, &f) || f.Code != "notRevoked" {
		t.Errorf("Graph says no: %v", err)
	}
}

func TestNeeds(t *testing.T) {
	names := func(u graph.Uses, optional bool) (out []string) {
		for _, n := range graph.Needs(u) {
			if n.Optional == optional {
				out = append(out, n.Permission)
			}
		}
		return out
	}
	// The simulated tenant grants what the product cannot do without.
	if diff := cmp.Diff(entrasim.DefaultPermissions(), names(graph.Uses{}, false)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Policy.Read.All", "Domain.Read.All"}, names(graph.Uses{}, true)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	all := names(graph.Uses{Mail: true, Remove: append(jml.Removable(), "password"), EndSessions: true}, false)
	if want := len(entrasim.DefaultPermissions()) + len(jml.Removable()) + 2; len(all) != want {
		t.Errorf("%d permissions, want %d: %v", len(all), want, all)
	}
	n := graph.Need{Permission: "a", Or: []string{"b"}}
	if !n.Met([]string{"a"}) || !n.Met([]string{"c", "b"}) || n.Met([]string{"c"}) || n.Met(nil) {
		t.Error("Met")
	}
}
