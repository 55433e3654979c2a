package plan

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"firstpass.internal/activities"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/jml"
)

// TestPlanReadingAheadChangesNothing: in any tenant, what was read ahead leads to
// the same plan as a worker's own client, which is asked person by person.
func TestPlanReadingAheadChangesNothing(t *testing.T) {
	w := newWorld(t)
	group, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "staff"})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "inner", ParentIDs: []string{group.ID}})
	if err != nil {
		t.Fatal(err)
	}
	admins, err := w.tenant.AddGroup(entrasim.Group{DisplayName: "admins", RoleAssignable: true})
	if err != nil {
		t.Fatal(err)
	}
	boss := entrasimtest.User(t, w.tenant, entrasim.User{UPN: "boss@example.org", Mail: "boss@example.org"})
	number := 0
	rapid.Check(t, func(r *rapid.T) {
		policy := w.tenant.Policy()
		policy.State, policy.IncludeTargets, policy.ExcludeTargets = entrasim.PolicyEnabled, []string{entrasim.AllUsers}, nil
		switch rapid.SampledFrom([]string{"all", "in", "out", "off"}).Draw(r, "policy") {
		case "in":
			policy.IncludeTargets = []string{group.ID}
		case "out":
			policy.ExcludeTargets = []string{group.ID}
		case "off":
			policy.State = entrasim.PolicyDisabled
		}
		if err := w.tenant.SetPolicy(policy); err != nil {
			r.Fatal(err)
		}
		bit := func(of string) bool { return rapid.IntRange(0, 3).Draw(r, of) == 0 }
		var people []Person
		for range rapid.IntRange(1, 25).Draw(r, "people") {
			number++
			p := person(fmt.Sprint(number))
			if !bit("no account") {
				u := entrasim.User{EmployeeID: p.Facts.EmployeeID, UPN: fmt.Sprintf("u%d@example.org", number), Disabled: bit("disabled")}
				for name, id := range map[string]string{"group": group.ID, "inner": inner.ID, "admins": admins.ID} {
					if bit(name) {
						u.GroupIDs = append(u.GroupIDs, id)
					}
				}
				if bit("manager") {
					u.ManagerID = boss.ID
				}
				u = entrasimtest.User(t, w.tenant, u)
				if bit("method") {
					if _, err := w.tenant.AddMethod(u.ID, entrasim.Method{Kind: entrasim.KindFIDO2, Created: &now}); err != nil {
						r.Fatal(err)
					}
				}
				if bit("role") {
					if _, err := w.tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: u.ID}); err != nil {
						r.Fatal(err)
					}
				}
			}
			if bit("no mail") {
				p.Facts.PersonalMail = ""
			}
			p.Facts.Rehire = bit("rehire")
			p.Facts.StartDate = jml.Date{Year: 2026, Month: 3, Day: rapid.IntRange(1, 20).Draw(r, "start")}
			people = append(people, p)
		}
		profile := sends1()
		if bit("pickup") {
			profile = picks()
		}
		profile.Privileged = bit("privileged")
		profile.Approval = &jml.ApprovalRule{To: profile.PassTo, Within: profile.LeadTime}
		profile.Approve = bit("approve")
		if bit("remove") {
			profile.Remove = jml.RemoveOlder
		}
		open := bit("open")
		w.choose = func(jml.Snapshot) jml.Choice { return jml.Choice{Profile: profile, Open: open} }
		ahead := w.plan(people...)
		cfg := w.config(people)
		cfg.Look = func(activities.Directory) (Look, error) { return w.look(w.client) }
		alone, err := Make(context.Background(), cfg)
		if err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(alone.People, ahead.People, cmpopts.IgnoreUnexported(Outcome{})); d != "" {
			r.Fatal(d)
		}
	})
}
