package entrasim_test

import (
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
)

func TestSignIn(t *testing.T) {
	cases := map[string]struct {
		body  string
		setup func(*rig)
		upn   string
		wrong bool
		want  error
	}{
		"let in":       {body: `{}`},
		"wrong code":   {body: `{}`, wrong: true, want: entrasim.RefusedWrongCode},
		"unknown user": {body: `{}`, upn: "x@firstpass.example", want: entrasim.RefusedUnknownUser},
		"too early":    {body: `{"startDateTime":"2026-03-02T08:00:00Z"}`, want: entrasim.RefusedNotYetValid},
		"expired":      {body: `{}`, setup: func(r *rig) { r.clock.forward(time.Hour) }, want: entrasim.RefusedExpired},
		"disabled": {body: `{}`, setup: func(r *rig) {
			_, err := r.tenant.UpdateUser(r.user.ID, func(u *entrasim.User) { u.Disabled = true })
			r.must(err)
		}, want: entrasim.RefusedDisabled},
		"policy off":                      {body: `{}`, setup: func(r *rig) { r.setPolicy(func(p *entrasim.PassPolicy) { p.State = entrasim.PolicyDisabled }) }, want: entrasim.RefusedByPolicy},
		"multi-use under one-time policy": {body: `{}`, setup: func(r *rig) { r.setPolicy(func(p *entrasim.PassPolicy) { p.IsUsableOnce = true }) }, want: entrasim.RefusedByPolicy},
		"replaced":                        {body: `{}`, setup: func(r *rig) { r.mint(`{}`) }, want: entrasim.RefusedDeleted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, code := r.mint(tc.body)
			if tc.setup != nil {
				tc.setup(r)
			}
			if tc.wrong {
				code += "x"
			}
			upn := r.user.UPN
			if tc.upn != "" {
				upn = tc.upn
			}
			if _, err := r.tenant.SignIn(upn, code); err != tc.want {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestOneTimePass(t *testing.T) {
	r := newRig(t)
	_, code := r.mint(`{"isUsableOnce":true}`)
	s, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	if _, err := r.tenant.SignIn(r.user.UPN, code); err != entrasim.RefusedUsed {
		t.Errorf("second sign-in: %v", err)
	}
	if p := r.tenant.Passes(r.user.ID)[0]; p.Reason != entrasim.ReasonOneTimeUsed || p.Live {
		t.Errorf("%+v", p)
	}
	r.clock.forward(10 * time.Minute)
	_, err = r.tenant.Register(s, entrasim.Method{Kind: entrasim.KindWindowsHello})
	r.must(err)
	r.clock.forward(time.Second)
	if _, err := r.tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}); err != entrasim.RefusedTooLate {
		t.Errorf("register after ten minutes: %v", err)
	}
}

func TestSessionEndsWithItsPass(t *testing.T) {
	for name, tc := range map[string]struct {
		behaviour entrasim.Behaviour
		end       func(r *rig, id string)
		want      error
	}{
		"still good":   {end: func(r *rig, _ string) { r.clock.forward(59 * time.Minute) }},
		"expired":      {end: func(r *rig, _ string) { r.clock.forward(time.Hour) }, want: entrasim.RefusedSessionEnded},
		"deleted":      {end: func(r *rig, id string) { r.do(204, "DELETE", r.passes+"/"+id, "") }, want: entrasim.RefusedSessionEnded},
		"deleted, but": {behaviour: entrasim.Behaviour{KeepSessionsOnDelete: true}, end: func(r *rig, id string) { r.do(204, "DELETE", r.passes+"/"+id, "") }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.behave(tc.behaviour)
			id, code := r.mint(`{}`)
			s, err := r.tenant.SignIn(r.user.UPN, code)
			r.must(err)
			tc.end(r, id)
			if _, err := r.tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}); err != tc.want {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
	r := newRig(t)
	if _, err := r.tenant.Register(entrasim.Session{ID: "none"}, entrasim.Method{Kind: entrasim.KindFIDO2}); err != entrasim.RefusedNoSession {
		t.Errorf("%v", err)
	}
}

func TestPassEvents(t *testing.T) {
	r := newRig(t)
	first, code := r.mint(`{}`)
	_, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	second, _ := r.mint(`{}`)
	r.do(204, "DELETE", r.passes+"/"+second, "")
	at := r.clock.now()
	want := []entrasim.PassEvent{
		{Time: at, Kind: entrasim.PassCreated, UserID: r.user.ID, MethodID: first, Live: true},
		{Time: at, Kind: entrasim.PassUsed, UserID: r.user.ID, MethodID: first, Live: true},
		{Time: at, Kind: entrasim.PassReplaced, UserID: r.user.ID, MethodID: first, Live: true},
		{Time: at, Kind: entrasim.PassCreated, UserID: r.user.ID, MethodID: second, Live: true},
		{Time: at, Kind: entrasim.PassDeleted, UserID: r.user.ID, MethodID: second, Live: true},
	}
	got := r.tenant.PassEvents()
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("event %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}
