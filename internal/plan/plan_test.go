package plan

import (
	"context"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/jml"
)

// TestPlanOutcomes has one employee for each thing that can come of one, in one
// cohort: nobody's trouble is anybody else's.
func TestPlanOutcomes(t *testing.T) {
	w := newWorld(t)
	admins, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "admins", RoleAssignable: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "out"})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "inner", ParentIDs: []string{out.ID}})
	if err != nil {
		t.Fatal(err)
	}
	policy := w.tenant.Policy()
	policy.ExcludeTargets = append(policy.ExcludeTargets, out.ID)
	if err := w.tenant.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	boss := entrasimtest.User(t, w.tenant, entrasim.User{EmployeeID: "900", UPN: "boss@example.org", Mail: "boss@example.org", GivenName: "Boss"})
	in := func(group string) func(*entrasim.User) {
		return func(u *entrasim.User) { u.GroupIDs = append(u.GroupIDs, group) }
	}
	owns := w.joiner("12")
	owner := w.tenant.Users()[len(w.tenant.Users())-1]
	if _, err := w.tenant.AddMethod(owner.ID, entrasim.Method{Kind: entrasim.KindFIDO2, Created: &now}); err != nil {
		t.Fatal(err)
	}
	role := w.joiner("15")
	if _, err := w.tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: w.tenant.Users()[len(w.tenant.Users())-1].ID, AdminUnitID: "3f6c1f0e-6d0b-4f3a-9a53-2d9c6a1b0c01"}); err != nil {
		t.Fatal(err)
	}
	with := func(p Person, change func(*Person)) Person {
		change(&p)
		return p
	}
	tests := []struct {
		name  string
		p     Person
		want  Result
		cause Cause
	}{
		{"all is well", w.joiner("1"), ResultIssue, ""},
		{"no account", person("2"), ResultBlocked, "userNotFound"},
		{"disabled", w.joiner("3", func(u *entrasim.User) { u.Disabled = true }), ResultBlocked, "userDisabled"},
		{"guest of elsewhere", w.joiner("4", func(u *entrasim.User) { u.CreationType = "Invitation" }), ResultBlocked, "userExternal"},
		{"two accounts", func() Person {
			w.joiner("5")
			return w.joiner("5", func(u *entrasim.User) { u.UPN = "again@example.org" })
		}(), ResultBlocked, "userAmbiguous"},
		{"in an excluded group, through another", w.joiner("6", in(inner.ID)), ResultBlocked, "outOfScope"},
		{"in a role-assignable group", w.joiner("7", in(admins.ID)), ResultBlocked, "userPrivileged"},
		{"a role in an administrative unit", role, ResultBlocked, "userPrivileged"},
		{"no private mail, and no manager", with(w.joiner("8"), func(p *Person) { p.Facts.PersonalMail = "" }), ResultBlocked, "noRecipient"},
		{"no private mail, but a manager", with(w.joiner("9", func(u *entrasim.User) { u.ManagerID = boss.ID }), func(p *Person) { p.Facts.PersonalMail = "" }), ResultIssue, ""},
		{"an unreadable row", Person{Where: "line 10", Source: "hr", Problem: "start_date: missing"}, ResultBlocked, CauseUnreadable},
		{"the address is held", with(w.joiner("11"), func(p *Person) { p.Facts.Hold = jml.HoldContact }), ResultHeld, "contactHeld"},
		{"registered already", owns, ResultNone, ""},
		{"one id, two people", w.joiner("13"), ResultBlocked, CauseDuplicate},
		{"one id, two people again", with(person("13"), func(p *Person) { p.Where = "line 99" }), ResultBlocked, CauseDuplicate},
		{"left", with(w.joiner("14"), func(p *Person) { p.Facts.Status = jml.StatusLeft }), ResultNone, ""},
		{"long ago", with(w.joiner("16"), func(p *Person) { p.Facts.StartDate = jml.Date{Year: 2026, Month: 2, Day: 2} }), ResultIssue, ""},
		{"not there for the authentication service", w.joiner("17", func(u *entrasim.User) { u.AuthVisibleIn = time.Hour }), ResultBlocked, "userNotReady"},
		{"a pass under way", with(w.joiner("18"), func(p *Person) { p.Running = &Running{Since: now.Add(-time.Hour), Stage: jml.StagePass} }), ResultPass, ""},
		{"an operator holds it", with(w.joiner("19"), func(p *Person) {
			p.Running = &Running{Since: now.Add(-time.Hour), Stage: jml.StageBlocked, Reason: jml.ReasonHeld}
		}), ResultHeld, "held"},
		{"locked", with(w.joiner("20"), func(p *Person) {
			p.Running = &Running{Since: now.Add(-time.Hour), Stage: jml.StageBlocked, Reason: jml.ReasonPickupLocked}
			p.Facts.StartDate = jml.Date{Year: 2026, Month: 3, Day: 2}
		}), ResultBlocked, "pickupLocked"},
		{"the user of another row", with(person("21"), func(p *Person) {
			p.Facts.Match = &jml.Match{Attribute: "userPrincipalName", Value: "U1@example.org"}
		}), ResultBlocked, "passHeldElsewhere"},
	}
	var people []Person
	for _, tt := range tests {
		people = append(people, tt.p)
	}
	got := w.plan(people...)
	byWhere := map[string]Outcome{}
	for _, o := range got.People {
		byWhere[o.Where] = o
	}
	for _, tt := range tests {
		o := byWhere[tt.p.Where]
		if o.Result != tt.want || o.Cause != tt.cause {
			t.Errorf("%s: %s %s (%s), want %s %s", tt.name, o.Result, o.Cause, o.Detail, tt.want, tt.cause)
		}
		if o.Result.trouble() && o.Advice == "" {
			t.Errorf("%s: no advice", tt.name)
		}
	}
	if o := byWhere["line 1"]; !o.IssueAt.Equal(time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)) || !o.Until.Equal(time.Date(2026, 3, 5, 16, 0, 0, 0, time.UTC)) ||
		o.StartLocal != "2026-03-05 09:00 CET" || len(o.Routes) != 1 || o.Routes[0].Recipient != jml.RecipientPersonalMail {
		t.Errorf("all is well: %+v", o)
	}
	if o := byWhere["line 9"]; len(o.Routes) != 1 || o.Routes[0].Recipient != jml.RecipientManager {
		t.Errorf("by the manager: %+v", o.Routes)
	}
	if o := byWhere["line 16"]; !o.Late {
		t.Error("who started long ago is not late")
	}
	if w.sent.n != 0 {
		t.Error("something was sent, or a channel was asked")
	}
	for _, r := range w.tenant.Requests() {
		if r.Method != http.MethodGet && r.Kind == entrasim.KindGraphRequest && r.Operation != entrasim.OpCheckMemberGroups {
			t.Errorf("a plan made %s %s", r.Method, r.Path)
		}
	}
	entrasimtest.NoViolations(t, w.tenant)
	for i := 1; i < len(got.People); i++ {
		if got.People[i-1].Result.rank() > got.People[i].Result.rank() {
			t.Error("who is in trouble does not come first")
		}
	}
}

// TestPlanApproval takes the yes for granted and says until when it is needed.
func TestPlanApproval(t *testing.T) {
	w := newWorld(t)
	p := picks()
	p.Approve, p.Approval = true, &jml.ApprovalRule{To: p.LinkTo, Within: 24 * time.Hour}
	w.choose = func(jml.Snapshot) jml.Choice { return jml.Choice{Profile: p} }
	got := w.plan(w.joiner("1")).People[0]
	if got.Result != ResultApproval || got.DecideBy.IsZero() || len(got.Routes) != 2 || got.Routes[1].Channel != "sms" {
		t.Errorf("%+v", got)
	}
	if want := got.IssueAt.Add(72 * time.Hour); !got.Until.Equal(want) {
		t.Errorf("link until %s, want %s", got.Until, want)
	}
}

// TestPlanRules chooses again once the user is known, as a journey does, and says
// which profile there is none of.
func TestPlanRules(t *testing.T) {
	w := newWorld(t)
	w.choose = func(s jml.Snapshot) jml.Choice {
		if s.EmployeeID == "2" {
			return jml.Choice{Block: jml.Blocked(jml.ReasonProfileAmbiguous, "a, b")}
		}
		return jml.Choice{Profile: picks(), Open: true}
	}
	got := w.plan(w.joiner("1"), w.joiner("2"))
	if o := got.People[0]; o.Result != ResultBlocked || o.Cause != "profileAmbiguous" {
		t.Errorf("%+v", o)
	}
	if o := got.People[1]; o.Result != ResultIssue || o.Profile != "pickup" {
		t.Errorf("%+v", o)
	}
}

// TestPlanThrottled waits as long as the part that has to wait longest, and asks
// for that part alone again.
func TestPlanThrottled(t *testing.T) {
	w := newWorld(t)
	var people []Person
	for i := range 5 {
		people = append(people, w.joiner(strconv.Itoa(i+1)))
	}
	w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpListMethods}, Status: 429, RetryAfter: "17", Times: 2})
	got := w.plan(people...)
	if got.Counts[ResultIssue] != 5 {
		t.Errorf("%v", got.Counts)
	}
	if len(w.pauses) != 1 || w.pauses[0] < 16*time.Second || w.pauses[0] > 17*time.Second {
		t.Errorf("waited %v", w.pauses)
	}
	if n := w.tenant.Counts().ByPath["GET /v1.0/users/{userId}/authentication/methods"]; n != 7 {
		t.Errorf("%d requests for methods, want 5 and 2 again", n)
	}
}

// TestPlanTenantAway makes a plan of what is known by then.
func TestPlanTenantAway(t *testing.T) {
	w := newWorld(t)
	a, b := w.joiner("1"), person("2")
	w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpListMethods}, Status: 503, Times: 1000})
	got := w.plan(a, b)
	if got.Counts[ResultUnknown] != 1 || got.Counts[ResultBlocked] != 1 {
		t.Errorf("%v %+v", got.Counts, got.People)
	}
}

// TestPlanDenied blocks all alike and says why once.
func TestPlanDenied(t *testing.T) {
	w := newWorld(t, func(c *entrasim.Config) {
		c.GrantedPermissions = []string{"User.Read.All", "GroupMember.Read.All", "Policy.Read.AuthenticationMethod", "UserAuthenticationMethod.Read.All"}
	})
	got := w.plan(w.joiner("1"), w.joiner("2"))
	if got.Counts[ResultBlocked] != 2 || got.Reasons[0].Cause != "permissionMissing" || len(got.Notes) != 1 {
		t.Errorf("%v %v %v", got.Counts, got.Reasons, got.Notes)
	}
}

// TestPlanInterrupted gives up.
func TestPlanInterrupted(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	cfg := w.config([]Person{w.joiner("1")})
	cancel()
	if _, err := Make(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestPlanNames keeps who people are out of the plan unless asked for.
func TestPlanNames(t *testing.T) {
	w := newWorld(t)
	cfg := w.config([]Person{w.joiner("77"), person("78")})
	for _, names := range []bool{false, true} {
		cfg.Names = names
		p, err := Make(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		Text(&b, p)
		if err := HTML(&b, p); err != nil {
			t.Fatal(err)
		}
		for _, personal := range []string{"Given77", "Family78", "p77@example.com"} {
			if got := strings.Contains(b.String(), personal); got != (names && !strings.Contains(personal, "@")) {
				t.Errorf("names %t: %s in the output: %t", names, personal, got)
			}
		}
	}
}

// TestPlanCosts holds what a journey is said to cost against what worker's test
// measures: the bounds there count two requests for a token as well.
func TestPlanCosts(t *testing.T) {
	text, err := os.ReadFile("../../worker/counts_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]jml.Mode{"joiner, sent": jml.ModeSend, "joiner, picked up": jml.ModePickup} {
		m := regexp.MustCompile(`\{"` + name + `", .*jml\.StageCompleted, (\d+), \d+\}`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("worker/counts_test.go does not count %q any more", name)
		}
		bound, _ := strconv.Atoi(string(m[1]))
		// Its counts are of a process that has just begun: it also asks for the
		// policy.
		if got := (load{}).journey(mode).Requests; got > bound || got < bound-2 {
			t.Errorf("%s costs %d here and at most %d there", name, got, bound)
		}
	}
}

// TestPlanFiveThousand counts before it times.
func TestPlanFiveThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	w := newWorld(t, func(c *entrasim.Config) { c.Strict = false })
	group, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "staff"})
	if err != nil {
		t.Fatal(err)
	}
	policy := w.tenant.Policy()
	policy.IncludeTargets = []string{group.ID}
	if err := w.tenant.SetPolicy(policy); err != nil {
		t.Fatal(err)
	}
	var people []Person
	for i := range 5000 {
		people = append(people, w.joiner(strconv.Itoa(10000+i), func(u *entrasim.User) { u.GroupIDs = []string{group.ID} }))
	}
	w.tenant.ResetRequests()
	began := time.Now()
	got := w.plan(people...)
	took := time.Since(began)
	seen := w.tenant.Counts()
	t.Logf("%d people: %d requests in %d exchanges, %s; alone %d; waves %+v, clears %v", len(people), seen.Graph, got.Reading.Exchanges, took, got.Reading.Alone, got.Budget.Waves, got.Budget.Clears)
	if got.Counts[ResultIssue] != 5000 {
		t.Fatalf("%v", got.Counts)
	}
	// 334 filters, 5,000 lists of methods, 6 pages of members, roles twice, the policy.
	if seen.Graph > 5400 || got.Reading.Exchanges > 300 || got.Reading.Alone < 20000 {
		t.Errorf("%d requests in %d exchanges, %d alone", seen.Graph, got.Reading.Exchanges, got.Reading.Alone)
	}
	if took > time.Minute {
		t.Errorf("took %s", took)
	}
}
