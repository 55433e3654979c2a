package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

func profile(name string, kinds ...jml.MethodKind) jml.Profile {
	return jml.Profile{Name: name, Lifetime: time.Hour, CompleteOn: kinds}
}

// openTenant is a world whose policy lets everybody have a pass of an hour.
func openTenant() *world {
	w := newWorld()
	w.policy = jml.PassPolicy{Enabled: true, Minimum: time.Hour, Maximum: 8 * time.Hour, AllUsers: true}
	w.choose = func(jml.Kind, string, jml.Snapshot, *jml.User) jml.Choice { panic("nobody asked for the rules") }
	return w
}

func (w *world) preflight(t *testing.T, in workflows.PreflightInput) jml.Verdict {
	t.Helper()
	in.Ref, in.Match = "ref", jml.Match{Attribute: "employeeId", Value: "1"}
	v, err := w.activities(t).Preflight(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func reason(b *jml.Block) jml.BlockReason {
	if b == nil {
		return ""
	}
	return b.Reason
}

// The rules are asked again with the user, and what they choose is what the
// tenant is asked about.
func TestPreflightAsksTheRules(t *testing.T) {
	facts := &jml.Snapshot{EmployeeID: "1", Country: "NO"}
	day := profile("day", jml.MethodFIDO2)
	long := day
	long.Name, long.Lifetime = "long", 9*time.Hour
	for name, tt := range map[string]struct {
		open   bool
		choice jml.Choice
		want   *jml.Profile
		reason jml.BlockReason
	}{
		"settled":          {false, jml.Choice{}, nil, ""},
		"chosen":           {true, jml.Choice{Profile: day}, &day, ""},
		"no rule is true":  {true, jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}, nil, jml.ReasonProfileMissing},
		"more than one is": {true, jml.Choice{Block: jml.Blocked(jml.ReasonProfileAmbiguous, "a, b")}, nil, jml.ReasonProfileAmbiguous},
		"does not fit":     {true, jml.Choice{Profile: long}, &long, jml.ReasonLifetimeOutsidePolicy},
	} {
		w := openTenant()
		w.users[0].Department = "Nursing"
		if tt.open {
			w.choose = func(kind jml.Kind, source string, s jml.Snapshot, u *jml.User) jml.Choice {
				if kind != jml.KindMover || source != "hr" || s.Country != "NO" || u == nil || u.ID != userID || u.Department != "Nursing" {
					t.Errorf("%s: asked with %s, %s, %+v, %+v", name, kind, source, s, u)
				}
				return tt.choice
			}
		}
		v := w.preflight(t, workflows.PreflightInput{Profile: profile("asked with", jml.MethodFIDO2), Kind: jml.KindMover, Source: "hr", Facts: facts, Open: tt.open})
		if diff := cmp.Diff(tt.want, v.Profile); diff != "" || reason(v.Block) != tt.reason || v.User.ID != userID {
			t.Errorf("%s: %+v (-want +got)\n%s", name, v.Block, diff)
		}
	}
	// The profile that was chosen decides what is there already, not the one
	// that was asked with.
	w := openTenant()
	w.methods = []jml.Method{{ID: "key", Kind: jml.MethodFIDO2}}
	w.choose = func(jml.Kind, string, jml.Snapshot, *jml.User) jml.Choice {
		return jml.Choice{Profile: profile("strong", jml.MethodFIDO2)}
	}
	v := w.preflight(t, workflows.PreflightInput{Profile: profile("weak", jml.MethodAuthenticator), Facts: facts, Open: true})
	if len(v.Already) != 1 {
		t.Errorf("%+v", v)
	}
}

func TestPreflightOfPrivileged(t *testing.T) {
	for name, tt := range map[string]struct {
		privilege jml.Privilege
		allowed   bool
		block     jml.BlockReason
		said      bool
	}{
		"nobody special":     {jml.Privilege{}, true, "", false},
		"role":               {jml.Privilege{Roles: 1}, false, jml.ReasonUserPrivileged, true},
		"role, with profile": {jml.Privilege{Roles: 1}, true, "", true},
		"group":              {jml.Privilege{RoleGroups: 1}, false, jml.ReasonUserPrivileged, true},
	} {
		w := openTenant()
		w.privilege = tt.privilege
		p := profile("p", jml.MethodFIDO2)
		p.Privileged = tt.allowed
		v := w.preflight(t, workflows.PreflightInput{Profile: p})
		refused := len(w.lines) == 1 && w.lines[0].Event == audit.EventPreflightRefused
		if reason(v.Block) != tt.block || v.Privileged != tt.said || refused != (tt.block != "") {
			t.Errorf("%s: %+v, audit %+v", name, v, w.lines)
		}
	}
}

func TestPreflightOfMethods(t *testing.T) {
	at := func(d time.Duration) time.Time { return began.Add(d) }
	methods := []jml.Method{
		{ID: "password", Kind: "password"}, {ID: "phone", Kind: "phone", CreatedAt: at(-time.Hour)},
		{ID: "app", Kind: jml.MethodAuthenticator, CreatedAt: at(-time.Hour)},
		{ID: "lost", Kind: jml.MethodFIDO2, CreatedAt: at(-time.Hour), AAGUID: "a"}, {ID: "found", Kind: jml.MethodFIDO2, CreatedAt: at(time.Hour), AAGUID: "b"},
	}
	strong := profile("strong", jml.MethodFIDO2)
	two, make := strong, strong
	two.Devices, make.AAGUIDs = 2, []string{"B"}
	three := two
	three.Devices = 3
	for name, tt := range map[string]struct {
		profile jml.Profile
		since   time.Time
		weaker  bool
		already []string
		old     []string
	}{
		"from ever":         {strong, time.Time{}, false, []string{"lost", "found"}, nil},
		"since the loss":    {strong, began, false, []string{"found"}, nil},
		"since later":       {strong, at(2 * time.Hour), false, nil, nil},
		"two":               {two, time.Time{}, false, []string{"lost", "found"}, nil},
		"two since":         {two, began, false, nil, nil},
		"three":             {three, time.Time{}, false, nil, nil},
		"make":              {make, time.Time{}, false, []string{"found"}, nil},
		"weaker":            {strong, time.Time{}, true, []string{"lost", "found"}, []string{"phone", "app"}},
		"weaker, by make":   {make, time.Time{}, true, []string{"found"}, []string{"phone", "app", "lost"}},
		"weaker, not asked": {make, time.Time{}, false, []string{"found"}, nil},
	} {
		w := openTenant()
		w.methods = methods
		v := w.preflight(t, workflows.PreflightInput{Profile: tt.profile, Since: tt.since, Weaker: tt.weaker})
		if diff := cmp.Diff(tt.already, ids(v.Already)) + cmp.Diff(tt.old, ids(v.Weaker)); diff != "" || v.Block != nil {
			t.Errorf("%s: %+v (-want +got)\n%s", name, v.Block, diff)
		}
	}
}

func ids(methods []jml.Method) (out []string) {
	for _, m := range methods {
		out = append(out, m.ID)
	}
	return out
}
