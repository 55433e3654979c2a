package jml

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func key(aaguid string, hours int) Method {
	return Method{ID: "k", Kind: MethodFIDO2, AAGUID: aaguid, CreatedAt: monday.Add(time.Duration(hours) * time.Hour)}
}

func app(hours int) Method {
	return Method{ID: "a", Kind: MethodAuthenticator, CreatedAt: monday.Add(time.Duration(hours) * time.Hour)}
}

func want(devices int, aaguids []string, kinds ...MethodKind) Requirement {
	return Requirement{Kinds: kinds, AAGUIDs: aaguids, Devices: devices}
}

func TestMet(t *testing.T) {
	one, makes := want(0, nil, MethodFIDO2), []string{"AA"}
	undated := Method{ID: "k", Kind: MethodFIDO2}
	for _, tc := range []struct {
		name    string
		r       Requirement
		methods []Method
		since   time.Time
		counts  int
		met     bool
	}{
		{"nothing", one, nil, monday, 0, false},
		{"one", one, []Method{key("", 1)}, monday, 1, true},
		{"another kind", one, []Method{app(1)}, monday, 0, false},
		{"from before", one, []Method{key("", -1)}, monday, 0, false},
		{"from before, any time will do", one, []Method{key("", -1)}, time.Time{}, 1, true},
		{"without a time", one, []Method{undated}, monday, 0, false},
		{"without a time, any time will do", one, []Method{undated}, time.Time{}, 1, true},
		{"one of two", want(2, nil, MethodFIDO2), []Method{key("", 1)}, monday, 1, false},
		{"two", want(2, nil, MethodFIDO2), []Method{key("", 1), key("", 2)}, monday, 2, true},
		{"two of two kinds", want(2, nil, MethodFIDO2, MethodAuthenticator), []Method{key("", 1), app(2)}, monday, 2, true},
		{"the right make, in small letters", want(0, makes, MethodFIDO2), []Method{key("aa", 1)}, monday, 1, true},
		{"another make", want(0, makes, MethodFIDO2), []Method{key("bb", 1)}, monday, 0, false},
		{"a make unknown", want(0, makes, MethodFIDO2), []Method{key("", 1)}, monday, 0, false},
		{"makes are of passkeys", want(0, makes, MethodFIDO2, MethodAuthenticator), []Method{app(1)}, monday, 1, true},
		{"nothing is asked for, so nothing completes it", want(0, nil), []Method{key("", 1), app(1)}, monday, 0, false},
	} {
		got, met := tc.r.Met(tc.methods, tc.since)
		if len(got) != tc.counts || met != tc.met {
			t.Errorf("%s: %d count, met %t", tc.name, len(got), met)
		}
	}
}

func TestWeaker(t *testing.T) {
	r := want(0, []string{"aa"}, MethodFIDO2)
	pass, password := Method{Kind: MethodPass}, Method{Kind: "password"}
	got := r.Weaker([]Method{key("aa", 0), key("bb", 0), app(0), {Kind: "phone"}, {Kind: "email"}, pass, password})
	if len(got) != 3 || got[0].AAGUID != "bb" || got[1].Kind != MethodAuthenticator || got[2].Kind != "phone" {
		t.Errorf("%+v", got)
	}
}

func TestRaises(t *testing.T) {
	both, fido := want(0, nil, MethodFIDO2, MethodAuthenticator), want(0, nil, MethodFIDO2)
	for _, tc := range []struct {
		name     string
		now, old Requirement
		want     bool
	}{
		{"the same", fido, fido, false},
		{"from app to passkey", fido, both, true},
		{"from passkey to either", both, fido, false},
		{"another kind altogether", want(0, nil, MethodWindowsHello), fido, true},
		{"two instead of one", want(2, nil, MethodFIDO2), fido, true},
		{"one instead of two", fido, want(2, nil, MethodFIDO2), false},
		{"one, spelled out", want(1, nil, MethodFIDO2), fido, false},
		{"any make to one", want(0, []string{"aa"}, MethodFIDO2), fido, true},
		{"one make to any", fido, want(0, []string{"aa"}, MethodFIDO2), false},
		{"one make to two", want(0, []string{"aa", "bb"}, MethodFIDO2), want(0, []string{"AA"}, MethodFIDO2), false},
		{"two makes to one", want(0, []string{"aa"}, MethodFIDO2), want(0, []string{"aa", "bb"}, MethodFIDO2), true},
		{"makes of what was not asked for", want(0, []string{"aa"}, MethodFIDO2, MethodAuthenticator), want(0, nil, MethodAuthenticator), false},
		{"from the technician's word", fido, want(0, nil), false},
	} {
		if got := tc.now.Raises(tc.old); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

// TestRaisesMeansWhatItSays: where nothing is raised, whatever met the old
// requirement meets the new one.
func TestRaisesMeansWhatItSays(t *testing.T) {
	kinds := []MethodKind{MethodFIDO2, MethodAuthenticator, MethodWindowsHello}
	makes := []string{"aa", "bb"}
	requirement := rapid.Custom(func(t *rapid.T) Requirement {
		return Requirement{
			Kinds:   rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 1, 3, rapid.ID[MethodKind]).Draw(t, "kinds"),
			AAGUIDs: rapid.SliceOfNDistinct(rapid.SampledFrom(makes), 0, 2, rapid.ID[string]).Draw(t, "makes"),
			Devices: rapid.IntRange(0, 3).Draw(t, "devices"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		now, old := requirement.Draw(t, "now"), requirement.Draw(t, "old")
		methods := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Method {
			return Method{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), AAGUID: rapid.SampledFrom(append(makes, "")).Draw(t, "make")}
		}), 0, 4).Draw(t, "methods")
		_, metOld := old.Met(methods, time.Time{})
		_, metNow := now.Met(methods, time.Time{})
		if metOld && !metNow && !now.Raises(old) {
			t.Fatalf("%+v raises nothing over %+v, but %+v meets only the old one", now, old, methods)
		}
		if now.Equal(old) && (now.Raises(old) || metOld != metNow) {
			t.Fatalf("equal, and not the same: %+v, %+v", now, old)
		}
		weaker := now.Weaker(methods)
		for _, m := range methods {
			if now.Allows(m) == slices.Contains(weaker, m) {
				t.Fatalf("%+v: allowed and weaker, or neither", m)
			}
		}
	})
}
