package jml_test

import (
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func TestSupersedes(t *testing.T) {
	held := jml.Snapshot{EmployeeID: "1", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 12, Day: 1}, Zone: "UTC", ObservedAt: noon}
	with := func(f func(*jml.Snapshot)) jml.Snapshot { s := held; f(&s); return s }
	nine := jml.Clock{Hour: 9}
	tests := []struct {
		name string
		s    jml.Snapshot
		want bool
	}{
		{"the same again", held, false},
		{"the same, seen later", with(func(s *jml.Snapshot) { s.ObservedAt = noon.Add(time.Hour) }), false},
		{"older and different", with(func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-time.Second); s.Zone = "Asia/Tokyo" }), false},
		{"moved", with(func(s *jml.Snapshot) { s.StartDate.Day = 2; s.ObservedAt = noon.Add(time.Second) }), true},
		{"moved, same time stamp", with(func(s *jml.Snapshot) { s.StartDate.Day = 2 }), true},
		{"start time given", with(func(s *jml.Snapshot) { s.StartTime = &nine }), true},
		{"match said out loud", with(func(s *jml.Snapshot) { s.Match = &jml.Match{Attribute: "employeeId", Value: "1"} }), false},
		{"match changed", with(func(s *jml.Snapshot) { s.Match = &jml.Match{Attribute: "userPrincipalName", Value: "a@example.com"} }), true},
		{"cancelled", with(func(s *jml.Snapshot) { s.Status = jml.StatusCancelled }), true},
	}
	for _, tt := range tests {
		if got := tt.s.Supersedes(held); got != tt.want {
			t.Errorf("%s: Supersedes = %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestValidateNamesFieldsNotValues(t *testing.T) {
	s := jml.Snapshot{Status: "Marvin", StartDate: jml.Date{Year: 9999, Month: 12, Day: 31}, Zone: "Marvin/Marvin", Match: &jml.Match{Attribute: "displayName"}}
	err := s.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"employee_id", "status", "match.attribute", "match.value", "observed_at"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	s.Status = jml.StatusScheduled
	err = s.Validate()
	for _, want := range []string{"start_date", "zone"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "Marvin") {
		t.Errorf("%q quotes a value", err)
	}
}

func TestCheckUser(t *testing.T) {
	ok := jml.User{ID: "u", Enabled: true}
	tests := []struct {
		name  string
		users []jml.User
		want  jml.BlockReason
	}{
		{"one", []jml.User{ok}, ""},
		{"none", nil, jml.ReasonUserNotFound},
		{"two", []jml.User{ok, ok}, jml.ReasonUserAmbiguous},
		{"disabled", []jml.User{{ID: "u"}}, jml.ReasonUserDisabled},
		{"guest", []jml.User{{ID: "u", Enabled: true, External: true}}, jml.ReasonUserExternal},
	}
	for _, tt := range tests {
		check(t, tt.name, jml.CheckUser(tt.users), tt.want)
	}
}

func TestCheckPolicy(t *testing.T) {
	pol := jml.PassPolicy{Enabled: true, Minimum: time.Hour, Default: time.Hour, Maximum: 8 * time.Hour}
	ask := jml.Profile{Name: "default", Lifetime: 8 * time.Hour, OneTime: true}
	oneTime := pol
	oneTime.OneTimeOnly = true
	long, short, multi := ask, ask, ask
	long.Lifetime += time.Minute
	short.Lifetime = 59 * time.Minute
	multi.OneTime = false
	off := pol
	off.Enabled = false
	check(t, "fits", jml.CheckPolicy(pol, ask), "")
	check(t, "too long", jml.CheckPolicy(pol, long), jml.ReasonLifetimeOutsidePolicy)
	check(t, "too short", jml.CheckPolicy(pol, short), jml.ReasonLifetimeOutsidePolicy)
	check(t, "multi-use", jml.CheckPolicy(pol, multi), "")
	check(t, "multi-use where one-time only", jml.CheckPolicy(oneTime, multi), jml.ReasonMultiUseNotAllowed)
	check(t, "one-time where one-time only", jml.CheckPolicy(oneTime, ask), "")
	check(t, "off", jml.CheckPolicy(off, ask), jml.ReasonPolicyDisabled)
}

func TestCheckScope(t *testing.T) {
	tests := []struct {
		name   string
		policy jml.PassPolicy
		groups []string
		want   jml.BlockReason
	}{
		{"all users", jml.PassPolicy{AllUsers: true}, nil, ""},
		{"nobody", jml.PassPolicy{}, nil, jml.ReasonOutOfScope},
		{"in the group", jml.PassPolicy{IncludeGroups: []string{"G1"}}, []string{"g1"}, ""},
		{"not in the group", jml.PassPolicy{IncludeGroups: []string{"g1"}}, nil, jml.ReasonOutOfScope},
		{"exclusion wins", jml.PassPolicy{AllUsers: true, ExcludeGroups: []string{"g2"}}, []string{"g2"}, jml.ReasonOutOfScope},
		{"named", jml.PassPolicy{IncludeUsers: []string{"u"}}, nil, ""},
		{"named, but out", jml.PassPolicy{AllUsers: true, ExcludeUsers: []string{"u"}}, nil, jml.ReasonOutOfScope},
	}
	for _, tt := range tests {
		check(t, tt.name, jml.CheckScope(tt.policy, "u", tt.groups), tt.want)
	}
}

func check(t *testing.T, name string, got *jml.Block, want jml.BlockReason) {
	t.Helper()
	reason := jml.BlockReason("")
	if got != nil {
		reason = got.Reason
		if got.Advice == "" {
			t.Errorf("%s: block %s has no advice", name, reason)
		}
	}
	if reason != want {
		t.Errorf("%s: blocked by %q, want %q", name, reason, want)
	}
}

func TestCompleting(t *testing.T) {
	allowed := []jml.MethodKind{jml.MethodFIDO2}
	m := func(kind jml.MethodKind, created time.Time) jml.Method {
		return jml.Method{ID: "m", Kind: kind, CreatedAt: created}
	}
	tests := []struct {
		name    string
		methods []jml.Method
		want    bool
	}{
		{"nothing", nil, false},
		{"new and allowed", []jml.Method{m(jml.MethodFIDO2, noon)}, true},
		{"from before", []jml.Method{m(jml.MethodFIDO2, noon.Add(-time.Second))}, false},
		{"no creation time", []jml.Method{m(jml.MethodFIDO2, time.Time{})}, false},
		{"strong, not allowed", []jml.Method{m(jml.MethodAuthenticator, noon)}, false},
		{"a phone", []jml.Method{m("phone", noon)}, false},
		{"the pass itself", []jml.Method{m("temporaryAccessPass", noon)}, false},
	}
	for _, tt := range tests {
		if _, got := (jml.Requirement{Kinds: allowed}).Met(tt.methods, noon); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestRequestMatches(t *testing.T) {
	req := jml.PassRequest{StartAt: noon.Add(24 * time.Hour), Lifetime: time.Hour, OneTime: true, Since: noon}
	ours := jml.Pass{MethodID: "p", CreatedAt: noon.Add(time.Second), StartAt: noon.Add(24 * time.Hour), Lifetime: time.Hour, OneTime: true}
	with := func(f func(*jml.Pass)) jml.Pass { p := ours; f(&p); return p }
	tests := []struct {
		name string
		req  jml.PassRequest
		pass jml.Pass
		want bool
	}{
		{"ours", req, ours, true},
		{"made before we wanted one", req, with(func(p *jml.Pass) { p.CreatedAt = noon.Add(-time.Hour) }), false},
		{"another start", req, with(func(p *jml.Pass) { p.StartAt = p.StartAt.Add(time.Minute) }), false},
		{"another lifetime", req, with(func(p *jml.Pass) { p.Lifetime = 2 * time.Hour }), false},
		{"multi-use", req, with(func(p *jml.Pass) { p.OneTime = false }), false},
		{"usable at once", jml.PassRequest{StartAt: noon.Add(-time.Hour), Lifetime: time.Hour, OneTime: true, Since: noon},
			with(func(p *jml.Pass) { p.StartAt = p.CreatedAt }), true},
	}
	for _, tt := range tests {
		if got := tt.req.Matches(tt.pass); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
