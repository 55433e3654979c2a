package activities_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Whether a pass was used is asked while it can still be found out, and only if
// somebody wants to know.
func TestRevokeTellsUse(t *testing.T) {
	pass := func(why string) jml.Method {
		return jml.Method{ID: "p", Kind: jml.MethodPass, CreatedAt: began, Reason: why}
	}
	later := jml.Method{ID: "k", Kind: jml.MethodAuthenticator, CreatedAt: began.Add(2 * time.Hour)}
	before := jml.Method{ID: "o", Kind: "phone", CreatedAt: began.Add(-time.Hour)}
	ageless := jml.Method{ID: "a", Kind: "phone"}
	for name, tt := range map[string]struct {
		methods []jml.Method
		oneTime bool
		ask     bool
		gone    bool
		want    jml.Use
	}{
		"one-time, used":               {[]jml.Method{before, pass("OneTimeUsed")}, true, true, false, jml.UseYes},
		"one-time, used, lower case":   {[]jml.Method{pass("oneTimeUsed")}, true, true, false, jml.UseYes},
		"one-time, unused":             {[]jml.Method{before, ageless, pass("EnabledByPolicy")}, true, true, false, jml.UseNone},
		"one-time, not yet":            {[]jml.Method{pass("NotYetValid")}, true, true, false, jml.UseNone},
		"one-time, expired":            {[]jml.Method{pass("Expired")}, true, true, false, jml.UseUnknown},
		"one-time, another registered": {[]jml.Method{pass("EnabledByPolicy"), later}, true, true, false, jml.UseYes},
		"one-time, no longer listed":   {[]jml.Method{before}, true, true, false, jml.UseUnknown},
		"multi-use, registered since":  {[]jml.Method{pass("EnabledByPolicy"), later}, false, true, false, jml.UseYes},
		"multi-use, nothing since":     {[]jml.Method{pass("EnabledByPolicy"), before, ageless}, false, true, false, jml.UseUnknown},
		"user gone":                    {nil, true, true, true, jml.UseUnknown},
		"not asked":                    {[]jml.Method{pass("OneTimeUsed"), later}, true, false, false, jml.UseUnknown},
	} {
		w := newWorld()
		w.methods, w.gone = tt.methods, tt.gone
		w.passes = []jml.Pass{{MethodID: "p", CreatedAt: began}}
		res, err := w.activities(t).RevokePass(context.Background(), workflows.RevokeInput{
			Ref: "ref", UserID: userID, MethodID: "p", Request: jml.PassRequest{OneTime: tt.oneTime}, Reason: "left", Use: tt.ask, UsableFrom: began,
		})
		if err != nil || res.Use != tt.want || len(w.passes) != 0 || res.GoneAt.IsZero() {
			t.Errorf("%s: %v, %+v", name, err, res)
		}
		asked := slices.Index(w.onStep, "list methods")
		if (asked >= 0) != tt.ask || asked > slices.Index(w.onStep, "delete") {
			t.Errorf("%s: %v", name, w.onStep)
		}
	}
}

// A pass whose user can't be looked at is revoked later, not never: the next try
// asks again.
func TestRevokeAsksAgain(t *testing.T) {
	w := newWorld()
	w.passes = []jml.Pass{{MethodID: "p", CreatedAt: began}}
	in := workflows.RevokeInput{Ref: "ref", UserID: userID, MethodID: "p", Use: true, UsableFrom: began, Reason: "left"}
	for at := 1; at < 8; at++ {
		for _, after := range []bool{false, true} {
			w := newWorld()
			w.methods = []jml.Method{{ID: "p", Kind: jml.MethodPass, Reason: "OneTimeUsed"}}
			w.passes = []jml.Pass{{MethodID: "p", CreatedAt: began}}
			func() {
				defer func() { _ = recover(); w.dieAt = 0 }()
				w.dieAt, w.dieAfter = at, after
				_, _ = w.activities(t).RevokePass(context.Background(), in)
			}()
			res, err := w.activities(t).RevokePass(context.Background(), in)
			if err != nil || len(w.passes) != 0 || res.GoneAt.IsZero() || res.Use == jml.UseNone {
				t.Errorf("killed at %d (after: %t): %v, %+v", at, after, err, res)
			}
		}
	}
	res, err := w.activities(t).RevokePass(context.Background(), in)
	if err != nil || res.Use != jml.UseUnknown {
		t.Errorf("%v, %+v", err, res)
	}
}
