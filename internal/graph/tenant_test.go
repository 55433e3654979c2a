package graph_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// The tests in this file run against the simulated tenant, which checks each
// request and reply against the published contract.

func startTenant(t *testing.T, options ...func(*entrasim.Config)) *entrasim.Tenant {
	t.Helper()
	options = append([]func(*entrasim.Config){func(c *entrasim.Config) { c.Now = func() time.Time { return now } }}, options...)
	tenant := entrasimtest.Start(t, options...)
	t.Cleanup(func() { entrasimtest.NoViolations(t, tenant) })
	return tenant
}

func tenantConfig(t *testing.T, tenant *entrasim.Tenant) graph.Config {
	return graph.Config{
		Endpoint: tenant.URL(), Authority: tenant.URL(), TenantID: tenant.TenantID(), ClientID: tenant.ClientID(),
		CAFile:     file(t, "ca.pem", string(tenant.CAPEM())),
		Credential: graph.Credential{Kind: graph.ClientSecret, SecretFile: file(t, "secret", tenant.ClientSecret()+"\r\n")},
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestFindUsers(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	plain := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "o'brien & co/1", UPN: "pat.o'brien+x@firstpass.example", OnPremisesImmutableID: "aB+/c=="})
	off := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "off", UPN: "off@firstpass.example", Disabled: true})
	inner := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "inner", UPN: "inner@firstpass.example", UserType: "Guest"})
	invited := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "invited", UPN: "i@firstpass.example", UserType: "Guest", CreationType: "Invitation"})
	state := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "state", UPN: "s@firstpass.example", ExternalUserState: "Accepted"})
	fed := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "fed", UPN: "f@firstpass.example",
		Identities: []entrasim.Identity{{SignInType: "federated", Issuer: "ExternalAzureAD", IssuerAssignedID: "x"}}})
	placed := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "placed", UPN: "p@firstpass.example",
		Department: "Nursing", JobTitle: "Ward sister", Country: "NO", EmployeeType: "Temp", CompanyName: "Example Care"})
	for i := range 3 {
		entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "many", UPN: fmt.Sprintf("m%d@firstpass.example", i)})
	}
	for _, tt := range []struct {
		match jml.Match
		want  []jml.User
	}{
		{jml.Match{Attribute: "employeeId", Value: "o'brien & co/1"}, []jml.User{{ID: plain.ID, UPN: plain.UPN, Enabled: true}}},
		{jml.Match{Attribute: "userPrincipalName", Value: plain.UPN}, []jml.User{{ID: plain.ID, UPN: plain.UPN, Enabled: true}}},
		{jml.Match{Attribute: "onPremisesImmutableId", Value: "aB+/c=="}, []jml.User{{ID: plain.ID, UPN: plain.UPN, Enabled: true}}},
		{jml.Match{Attribute: "employeeId", Value: "off"}, []jml.User{{ID: off.ID, UPN: off.UPN}}},
		{jml.Match{Attribute: "employeeId", Value: "inner"}, []jml.User{{ID: inner.ID, UPN: inner.UPN, Enabled: true, Guest: true}}},
		{jml.Match{Attribute: "employeeId", Value: "invited"}, []jml.User{{ID: invited.ID, UPN: invited.UPN, Enabled: true, External: true, Guest: true}}},
		{jml.Match{Attribute: "employeeId", Value: "state"}, []jml.User{{ID: state.ID, UPN: state.UPN, Enabled: true, External: true}}},
		{jml.Match{Attribute: "employeeId", Value: "fed"}, []jml.User{{ID: fed.ID, UPN: fed.UPN, Enabled: true, External: true}}},
		{jml.Match{Attribute: "employeeId", Value: "placed"}, []jml.User{{ID: placed.ID, UPN: placed.UPN, Enabled: true,
			Department: "Nursing", JobTitle: "Ward sister", Country: "NO", EmployeeType: "Temp", Company: "Example Care"}}},
		{jml.Match{Attribute: jml.MatchObjectID, Value: strings.ToUpper(placed.ID)}, []jml.User{{ID: placed.ID, UPN: placed.UPN, Enabled: true,
			Department: "Nursing", JobTitle: "Ward sister", Country: "NO", EmployeeType: "Temp", Company: "Example Care"}}},
		{jml.Match{Attribute: jml.MatchObjectID, Value: invited.ID}, []jml.User{{ID: invited.ID, UPN: invited.UPN, Enabled: true, External: true, Guest: true}}},
		{jml.Match{Attribute: jml.MatchObjectID, Value: "00000000-0000-4000-8000-00000000dead"}, []jml.User{}},
		{jml.Match{Attribute: "employeeId", Value: "nobody"}, []jml.User{}},
		{jml.Match{Attribute: "employeeId", Value: "' or employeeId ne '"}, []jml.User{}},
	} {
		got, err := c.FindUsers(t.Context(), tt.match)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v (-want +got)\n%s", tt.match, err, diff)
		}
	}
	if got, err := c.FindUsers(t.Context(), jml.Match{Attribute: "employeeId", Value: "many"}); err != nil || len(got) != 2 {
		t.Errorf("three users with one employee id come back as %d, %v", len(got), err)
	}
}

func TestPassPolicy(t *testing.T) {
	tenant := startTenant(t)
	cfg := tenantConfig(t, tenant)
	c := newClient(t, cfg)
	user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
	g1, g2 := must(tenant.AddGroup(entrasim.Group{DisplayName: "in"})), must(tenant.AddGroup(entrasim.Group{DisplayName: "out"}))
	pol := entrasim.DefaultPassPolicy()
	pol.IncludeTargets, pol.ExcludeTargets = []string{entrasim.AllUsers, g1.ID, user.ID}, []string{g2.ID, user.ID}
	pol.IsUsableOnce = true
	if err := tenant.SetPolicy(pol); err != nil {
		t.Fatal(err)
	}
	want := jml.PassPolicy{Enabled: true, Minimum: time.Hour, Default: time.Hour, Maximum: 8 * time.Hour, OneTimeOnly: true, AllUsers: true,
		IncludeGroups: []string{g1.ID}, IncludeUsers: []string{user.ID}, ExcludeGroups: []string{g2.ID}, ExcludeUsers: []string{user.ID}}
	first, err := c.PassPolicy(t.Context())
	if diff := cmp.Diff(want, first); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%s", err, diff)
	}
	first.IncludeGroups[0] = "scribbled over"
	pol.State = entrasim.PolicyDisabled
	if err := tenant.SetPolicy(pol); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if p, err := c.PassPolicy(t.Context()); err != nil || !cmp.Equal(want, p) {
				t.Errorf("from the cache: %+v, %v", p, err)
			}
		})
	}
	wait.Wait()
	// A refusal for a reason of policy shows that the cache is wrong.
	if _, _, err := c.CreatePass(t.Context(), user.ID, request, now); err == nil {
		t.Fatal("a pass is made under a policy that is off")
	}
	if p, err := c.PassPolicy(t.Context()); err != nil || p.Enabled {
		t.Errorf("after the refusal: %+v, %v", p, err)
	}
	n := 0
	for _, r := range tenant.Requests() {
		if r.Operation == entrasim.OpGetPolicy {
			n++
		}
	}
	if n != 2 {
		t.Errorf("the policy is read %d times, want 2", n)
	}
	// Fetched by twenty at once on an empty cache: once.
	c = newClient(t, cfg)
	for range 20 {
		wait.Go(func() { _ = must(c.PassPolicy(t.Context())) })
	}
	wait.Wait()
	cfg.CacheFor = time.Nanosecond
	c = newClient(t, cfg)
	_, _ = must(c.PassPolicy(t.Context())), must(c.PassPolicy(t.Context()))
	total := 0
	for _, r := range tenant.Requests() {
		if r.Operation == entrasim.OpGetPolicy {
			total++
		}
	}
	if total != 2+1+2 {
		t.Errorf("the policy is read %d times in all, want 5", total)
	}
}

func TestMemberOf(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	var groups, mine []string
	for i := range 45 {
		g := must(tenant.AddGroup(entrasim.Group{DisplayName: fmt.Sprint("g", i)}))
		groups = append(groups, g.ID)
		if i%22 == 0 {
			mine = append(mine, g.ID)
		}
	}
	child := must(tenant.AddGroup(entrasim.Group{DisplayName: "child", ParentIDs: []string{groups[44]}}))
	user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example", GroupIDs: []string{groups[0], groups[22], child.ID}})
	got, err := c.MemberOf(t.Context(), user.ID, groups)
	if diff := cmp.Diff(mine, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if n := tenant.Counts().Graph; n != 3 {
		t.Errorf("%d requests for 45 groups, want 3", n)
	}
	if got, err := c.MemberOf(t.Context(), user.ID, nil); err != nil || len(got) != 0 || tenant.Counts().Graph != 3 {
		t.Errorf("no groups: %v, %v", got, err)
	}
}

func TestPrivilege(t *testing.T) {
	// Five to a page, so that what matters stands on a later one.
	tenant := startTenant(t, func(c *entrasim.Config) { c.PageSize = 5 })
	c := newClient(t, tenantConfig(t, tenant))
	var plain []string
	for i := range 12 {
		plain = append(plain, must(tenant.AddGroup(entrasim.Group{DisplayName: fmt.Sprint("g", i)})).ID)
	}
	roleGroup := must(tenant.AddGroup(entrasim.Group{DisplayName: "role group", RoleAssignable: true})).ID
	empty := must(tenant.AddGroup(entrasim.Group{DisplayName: "role group without role", RoleAssignable: true})).ID
	nested := must(tenant.AddGroup(entrasim.Group{DisplayName: "inside", ParentIDs: []string{empty}})).ID
	must(tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: roleGroup, RoleName: "Helpdesk Administrator"}))
	user := func(name string, groups ...string) string {
		return entrasimtest.User(t, tenant, entrasim.User{UPN: name + "@firstpass.example", GroupIDs: groups}).ID
	}
	role := func(who, unit string) string {
		must(tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: who, RoleName: "User Administrator", AdminUnitID: unit}))
		return who
	}
	for name, tt := range map[string]struct {
		user string
		want jml.Privilege
	}{
		"nobody":            {user("nobody"), jml.Privilege{}},
		"plain groups":      {user("plain", plain...), jml.Privilege{}},
		"direct role":       {role(user("direct"), ""), jml.Privilege{Roles: 1}},
		"scoped role":       {role(user("scoped", plain...), "5c3a1f0e-0000-4000-8000-000000000001"), jml.Privilege{Roles: 1}},
		"role by group":     {user("bygroup", append(plain, roleGroup)...), jml.Privilege{Roles: 1, RoleGroups: 1}},
		"nested role group": {user("nested", nested), jml.Privilege{RoleGroups: 1}},
	} {
		got, err := c.Privilege(t.Context(), tt.user)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}

	// Without GroupMember.Read.All groups come with all properties null.
	if err := tenant.SetPermissions("", "User.Read.All", "RoleManagement.Read.Directory"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Privilege(t.Context(), user("unreadable", empty))
	if f, _ := err.(*jml.Fault); f == nil || f.Kind != jml.FaultDenied || f.Reason != jml.ReasonPermissionMissing {
		t.Errorf("groups that may not be read: %v", err)
	}
}

func TestMethods(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
	at := now.Add(-time.Hour)
	var want []jml.Method
	for _, k := range []entrasim.MethodKind{entrasim.KindFIDO2, entrasim.KindWindowsHello, entrasim.KindPlatform, entrasim.KindAuthenticator,
		entrasim.KindPhone, entrasim.KindSoftwareOath, entrasim.KindEmail, entrasim.KindExternal, entrasim.KindQRCodePin, "newerThanTheSDK"} {
		m := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: k, Created: &at}))
		want = append(want, jml.Method{ID: m.ID, Kind: jml.MethodKind(k), CreatedAt: at, AAGUID: m.AAGUID})
	}
	old := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: entrasim.KindFIDO2}))
	want = append(want, jml.Method{ID: old.ID, Kind: jml.MethodFIDO2, AAGUID: old.AAGUID})
	shouted := must(tenant.AddMethod(user.ID, entrasim.Method{Kind: entrasim.KindFIDO2, AAGUID: "2FC0579F-8113-47EA-B116-BB5A8DB9202A"}))
	want = append(want, jml.Method{ID: shouted.ID, Kind: jml.MethodFIDO2, AAGUID: "2fc0579f-8113-47ea-b116-bb5a8db9202a"})
	p, _, err := c.CreatePass(t.Context(), user.ID, request, now)
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, jml.Method{ID: p.MethodID, Kind: "temporaryAccessPass", CreatedAt: now, Reason: "NotYetValid"})
	got, err := c.Methods(t.Context(), user.ID)
	if err != nil || len(got) == 0 || got[0].Kind != "password" {
		t.Fatalf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCreationDateTimeIsRead(t *testing.T) {
	srv := newServer(t, nil)
	srv.graph = serveJSON(200, `{"value":[{"@odata.type":"#microsoft.graph.fido2AuthenticationMethod","id":"k","creationDateTime":"2026-03-02T06:00:00Z"},{"id":"bare"}]}`)
	got, err := newClient(t, srv.config(t)).Methods(t.Context(), userID)
	want := []jml.Method{{ID: "k", Kind: jml.MethodFIDO2, CreatedAt: now.Add(-time.Hour)}, {ID: "bare"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestPassLifeCycle(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
	ctx := t.Context()

	future, code, err := c.CreatePass(ctx, user.ID, request, now)
	if err != nil {
		t.Fatal(err)
	}
	want := jml.Pass{MethodID: future.MethodID, CreatedAt: now, StartAt: request.StartAt, Lifetime: time.Hour, OneTime: true,
		UsabilityReason: "NotYetValid", RequestID: future.RequestID}
	if diff := cmp.Diff(want, future); diff != "" || future.RequestID == "" || code.Empty() {
		t.Errorf("a pass for tomorrow (-want +got)\n%s", diff)
	}
	if _, err := tenant.SignIn(user.UPN, code.Reveal()); !errors.Is(err, entrasim.RefusedNotYetValid) {
		t.Errorf("the passcode is not the pass's: %v", err)
	}

	listed, err := c.Passes(ctx, user.ID)
	if err != nil || len(listed) != 1 || !request.Matches(listed[0]) || listed[0].RequestID == "" || listed[0].MethodID != future.MethodID {
		t.Errorf("listed: %+v, %v", listed, err)
	}

	// A start that has come is left out: the tenant refuses one in the past.
	late := jml.PassRequest{StartAt: now.Add(-time.Minute), Lifetime: 2 * time.Hour, Since: now}
	today, code, err := c.CreatePass(ctx, user.ID, late, now)
	if err != nil || !today.StartAt.Equal(now) || today.OneTime || today.MethodID == future.MethodID || !late.Matches(today) {
		t.Errorf("a pass for at once: %+v, %v", today, err)
	}
	if _, err := tenant.SignIn(user.UPN, code.Reveal()); err != nil {
		t.Errorf("sign in: %v", err)
	}

	for range 2 { // the second finds nothing, which is as good
		if err := c.DeletePass(ctx, user.ID, today.MethodID); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if listed, err := c.Passes(ctx, user.ID); err != nil || listed == nil || len(listed) != 0 {
		t.Errorf("after the delete: %+v, %v", listed, err)
	}
}

func TestPassRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		tenant func(*entrasim.Tenant)
		user   entrasim.User
		want   jml.Fault // Kind, Status, Reason
	}{
		"too long":        {func(tn *entrasim.Tenant) {}, entrasim.User{}, jml.Fault{Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonLifetimeOutsidePolicy}},
		"one-time only":   {policy(func(p *entrasim.PassPolicy) { p.IsUsableOnce = true }), entrasim.User{}, jml.Fault{Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonMultiUseNotAllowed}},
		"out of scope":    {policy(func(p *entrasim.PassPolicy) { p.IncludeTargets = nil }), entrasim.User{}, jml.Fault{Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonOutOfScope}},
		"out, 404":        {outOfScope(entrasim.OutOfScope404), entrasim.User{}, jml.Fault{Kind: jml.FaultNotFound, Status: 404}},
		"out, 405":        {outOfScope(entrasim.OutOfScope405), entrasim.User{}, jml.Fault{Kind: jml.FaultRefused, Status: 405, Reason: jml.ReasonOutOfScope}},
		"external":        {nil, entrasim.User{CreationType: "Invitation"}, jml.Fault{Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonUserExternal}},
		"not ready yet":   {nil, entrasim.User{AuthVisibleIn: time.Minute}, jml.Fault{Kind: jml.FaultNotFound, Status: 404}},
		"second, refused": {second(entrasim.SecondPassRefused), entrasim.User{}, jml.Fault{Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonUnknownRefusal}},
		"second, 409":     {second(entrasim.SecondPassConflict), entrasim.User{}, jml.Fault{Kind: jml.FaultConflict, Status: 409}},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := startTenant(t)
			c := newClient(t, tenantConfig(t, tenant))
			tt.user.UPN = "u@firstpass.example"
			user := entrasimtest.User(t, tenant, tt.user)
			req := jml.PassRequest{StartAt: now, Lifetime: time.Hour, Since: now}
			if name == "too long" {
				req.Lifetime = 9 * time.Hour
			}
			if strings.HasPrefix(name, "second") {
				if _, _, err := c.CreatePass(t.Context(), user.ID, req, now); err != nil {
					t.Fatal(err)
				}
			}
			if tt.tenant != nil {
				tt.tenant(tenant)
			}
			_, code, err := c.CreatePass(t.Context(), user.ID, req, now)
			var f *jml.Fault
			if !errors.As(err, &f) || !code.Empty() {
				t.Fatalf("%v", err)
			}
			got := jml.Fault{Kind: f.Kind, Status: f.Status, Reason: f.Reason}
			if diff := cmp.Diff(tt.want, got); diff != "" || f.RequestID == "" || f.Code == "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

func policy(change func(*entrasim.PassPolicy)) func(*entrasim.Tenant) {
	return func(t *entrasim.Tenant) {
		p := t.Policy()
		change(&p)
		if err := t.SetPolicy(p); err != nil {
			panic(err)
		}
	}
}

func outOfScope(how entrasim.OutOfScope) func(*entrasim.Tenant) {
	return func(t *entrasim.Tenant) {
		policy(func(p *entrasim.PassPolicy) { p.IncludeTargets = nil })(t)
		b := t.Behaviour()
		b.OutOfScope = how
		if err := t.SetBehaviour(b); err != nil {
			panic(err)
		}
	}
}

func second(how entrasim.SecondPass) func(*entrasim.Tenant) {
	return func(t *entrasim.Tenant) {
		b := t.Behaviour()
		b.SecondPass = how
		if err := t.SetBehaviour(b); err != nil {
			panic(err)
		}
	}
}

// A pass that was made and whose answer was lost: nobody knows, and nothing is
// sent again behind our back.
func TestLostAnswer(t *testing.T) {
	for name, fault := range map[string]entrasim.Fault{
		"dropped": {After: true, Drop: true},
		"504":     {After: true, Status: 504},
		"no code": {After: true, Status: 201, Body: `{"@odata.type":"#microsoft.graph.temporaryAccessPassAuthenticationMethod","id":"x","temporaryAccessPass":null}`},
		"no id":   {After: true, Status: 201, Body: `{"temporaryAccessPass":"abcd"}`},
		"cut":     {After: true, Status: 201, Body: `{"id":"x","temporaryAccessPass":"ab`},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := entrasimtest.Start(t, func(c *entrasim.Config) { c.Now = func() time.Time { return now } })
			c := newClient(t, tenantConfig(t, tenant))
			user := entrasimtest.User(t, tenant, entrasim.User{UPN: "u@firstpass.example"})
			fault.Match.Operation = entrasim.OpCreatePass
			tenant.MustInject(fault)
			_, code, err := c.CreatePass(t.Context(), user.ID, request, now)
			var f *jml.Fault
			if !errors.As(err, &f) || f.Kind != jml.FaultUnavailable || !f.Retryable() || !code.Empty() {
				t.Errorf("%v", err)
			}
			if n := tenant.PassLive(user.ID); n != 1 || tenant.Counts().Graph != 1 {
				t.Errorf("%d passes by %d requests, want one of each", n, tenant.Counts().Graph)
			}
			listed, err := c.Passes(t.Context(), user.ID)
			if err != nil || len(listed) != 1 || !request.Matches(listed[0]) {
				t.Errorf("the pass is not found again: %+v, %v", listed, err)
			}
		})
	}
}

func TestNothingIsTriedAgain(t *testing.T) {
	tenant := startTenant(t)
	user := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "1001", UPN: "u@firstpass.example"})
	c := newClient(t, tenantConfig(t, tenant))
	if _, err := c.Passes(t.Context(), user.ID); err != nil { // for the token
		t.Fatal(err)
	}
	for _, status := range []int{429, 503, 504} {
		for _, op := range operations() {
			tenant.MustInject(entrasim.Fault{Status: status})
			tenant.ResetRequests()
			var f *jml.Fault
			if err := op.call(t.Context(), c); !errors.As(err, &f) || f.Status != status || !f.Retryable() {
				t.Errorf("%s, %d: %v", op.name, status, err)
			}
			if status != 504 && f.RetryAfter != 10*time.Second {
				t.Errorf("%s, %d: retry after %v", op.name, status, f.RetryAfter)
			}
			if n := tenant.Counts(); n.Graph != 1 || n.Token != 0 {
				t.Errorf("%s, %d: %d requests", op.name, status, n.Graph)
			}
		}
	}
}

func TestEveryCallIsNamed(t *testing.T) {
	tenant := startTenant(t, func(c *entrasim.Config) { c.PageSize = 1 })
	cfg := tenantConfig(t, tenant)
	var (
		mu    sync.Mutex
		calls []graph.Call
	)
	cfg.Observe = func(c graph.Call) { mu.Lock(); defer mu.Unlock(); calls = append(calls, c) }
	c := newClient(t, cfg)
	g := must(tenant.AddGroup(entrasim.Group{DisplayName: "a"})).ID
	h := must(tenant.AddGroup(entrasim.Group{DisplayName: "b"})).ID
	user := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "1001", UPN: "u@firstpass.example", GroupIDs: []string{g, h}})
	for _, err := range []error{
		errOf(c.FindUsers(t.Context(), match)), errOf(c.PassPolicy(t.Context())), errOf(c.MemberOf(t.Context(), user.ID, []string{g})),
		errOf(c.Privilege(t.Context(), user.ID)), errOf(c.Methods(t.Context(), user.ID)), errOf(c.Passes(t.Context(), user.ID)),
		errOf(c.Permissions(t.Context())), c.DeletePass(t.Context(), user.ID, passID),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, _, err := c.CreatePass(t.Context(), user.ID, request, now); err != nil {
		t.Error(err)
	}
	guid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	lines := slices.DeleteFunc(tenant.Requests(), func(r entrasim.Request) bool { return r.Kind != entrasim.KindGraphRequest })
	if len(lines) != len(calls) {
		t.Fatalf("%d requests, %d calls observed", len(lines), len(calls))
	}
	ops := map[string]int{}
	for i, r := range lines {
		got := calls[i]
		if !guid.MatchString(r.ClientRequestID) || seen[r.ClientRequestID] {
			t.Errorf("%s: client-request-id %q", r.Operation, r.ClientRequestID)
		}
		seen[r.ClientRequestID] = true
		ops[got.Op]++
		want := graph.Call{Op: got.Op, Method: r.Method, Status: r.Status, Duration: got.Duration, Date: got.Date, RequestID: r.RequestID, ClientRequestID: r.ClientRequestID}
		if got.Date.IsZero() {
			t.Errorf("%s: the tenant's clock was not read", r.Operation)
		}
		if diff := cmp.Diff(want, got); diff != "" || got.Op == "" || got.Duration <= 0 {
			t.Errorf("%s (-want +got)\n%s", r.Operation, diff)
		}
	}
	want := map[string]int{"find user": 1, "read pass policy": 1, "check groups": 1, "read roles": 3, "list methods": 1, "list passes": 1, "create pass": 1, "delete pass": 1}
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if all := fmt.Sprintf("%+v %#v", calls, calls); strings.Contains(all, user.ID) || strings.Contains(all, "firstpass.example") || strings.Contains(all, "1001") {
		t.Errorf("an observed call tells whom it is about: %s", all)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestPermissionMissing(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	if err := tenant.SetPermissions(""); err != nil {
		t.Fatal(err)
	}
	for _, op := range operations() {
		err := op.call(t.Context(), c)
		var f *jml.Fault
		if !errors.As(err, &f) || f.Kind != jml.FaultDenied || f.Status != 403 || f.Reason != jml.ReasonPermissionMissing || f.Code == "" {
			t.Errorf("%s: %v", op.name, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	tenant := startTenant(t)
	if err := tenant.AddFederatedToken("", "federated-canary"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("IDENTITY_ENDPOINT", tenant.ManageURL()+"/msi/token")
	t.Setenv("IDENTITY_HEADER", entrasim.DefaultIdentityHeader)
	want := entrasim.DefaultPermissions()
	slices.Sort(want)
	for _, cred := range []graph.Credential{
		{Kind: graph.ClientSecret, SecretFile: file(t, "s", tenant.ClientSecret())},
		{Kind: graph.WorkloadIdentity, TokenFile: file(t, "t", "federated-canary")},
		{Kind: graph.ManagedIdentity},
	} {
		cfg := tenantConfig(t, tenant)
		cfg.Credential = cred
		c := newClient(t, cfg)
		got, err := c.Permissions(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", cred.Kind, err, diff)
			continue
		}
		if _, err := c.FindUsers(t.Context(), match); err != nil {
			t.Errorf("%s: %v", cred.Kind, err)
		}
	}
	cfg := tenantConfig(t, tenant)
	cfg.Credential.SecretFile = file(t, "wrong", "wrong-canary")
	_, err := newClient(t, cfg).FindUsers(t.Context(), match)
	var f *jml.Fault
	if !errors.As(err, &f) || f.System != "entra" || f.Kind != jml.FaultDenied || f.Code != "AADSTS7000215" || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
		t.Errorf("wrong secret: %+v", err)
	}
}

func TestPermissionsOfAnOpaqueToken(t *testing.T) {
	srv := newServer(t, nil)
	srv.token = serveJSON(200, `{"token_type":"Bearer","expires_in":3600,"access_token":"opaque"}`)
	_, err := newClient(t, srv.config(t)).Permissions(t.Context())
	var f *jml.Fault
	if !errors.As(err, &f) || f.Code != "opaqueToken" {
		t.Errorf("%v", err)
	}
}

func TestNobodySeesThePasscode(t *testing.T) {
	var seen []string
	for _, reply := range []struct {
		status int
		body   string
	}{
		{201, `{"id":"` + passID + `","temporaryAccessPass":` + fmt.Sprintf("%q", passcode) + `}`},
		{201, `{"temporaryAccessPass":` + fmt.Sprintf("%q", passcode) + `}`},
		{201, `{"id":"` + passID + `","temporaryAccessPass":` + fmt.Sprintf("%q", passcode) + `,"lifetimeInMinutes":"x"}`},
		{201, `{"id":"` + passID + `","temporaryAccessPass":` + fmt.Sprintf("%q", passcode)},
		{400, fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"request-id":%q}}}`, passcode, passcode, passcode)},
	} {
		srv := newServer(t, nil)
		srv.graph = serveJSON(reply.status, reply.body)
		cfg := srv.config(t)
		cfg.Observe = func(c graph.Call) { seen = append(seen, fmt.Sprintf("%+v %#v", c, c)) }
		c := newClient(t, cfg)
		p, code, err := c.CreatePass(t.Context(), userID, request, now)
		if reply.status == 201 && err == nil && code.Reveal() != passcode {
			t.Errorf("the passcode came out as %q", code.Reveal())
		}
		if err == nil && (!p.StartAt.Equal(request.StartAt) || p.Lifetime != request.Lifetime) {
			t.Errorf("what the reply leaves out is not as asked: %+v", p)
		}
		for _, v := range []any{p, code, err, c, []any{c}, struct {
			c *graph.Client
			s secret.Passcode
		}{c, code}} {
			seen = append(seen, fmt.Sprintf("%v %+v %#v", v, v, v))
		}
		var f *jml.Fault
		if errors.As(err, &f) {
			seen = append(seen, fmt.Sprintf("%+v %+v", *f, f.Block()))
		}
	}
	for _, s := range seen {
		if strings.Contains(s, "c4n4ry") || strings.Contains(s, "s3cret-canary") {
			t.Errorf("a secret shows in %s", s)
		}
	}
}

func TestParallelCalls(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	var wait sync.WaitGroup
	for i := range 40 {
		user := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: fmt.Sprint(i), UPN: fmt.Sprintf("u%d@firstpass.example", i)})
		wait.Go(func() {
			found, err := c.FindUsers(t.Context(), jml.Match{Attribute: "employeeId", Value: fmt.Sprint(i)})
			if err != nil || len(found) != 1 || found[0].ID != user.ID {
				t.Errorf("%d: %+v, %v", i, found, err)
			}
			_, code, err := c.CreatePass(t.Context(), user.ID, jml.PassRequest{StartAt: now, Lifetime: time.Hour}, now)
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
			if _, err := tenant.SignIn(user.UPN, code.Reveal()); err != nil {
				t.Errorf("%d got the passcode of somebody else: %v", i, err)
			}
			_, privilege := c.Privilege(t.Context(), user.ID)
			_, pol := c.PassPolicy(t.Context())
			if err := errors.Join(privilege, pol); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wait.Wait()
	if n := tenant.Counts(); n.Token != 1 {
		t.Errorf("%d tokens for one client", n.Token)
	}
}
