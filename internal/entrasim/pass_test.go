package entrasim_test

import (
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestCreatePassRules(t *testing.T) {
	oneTime := func(p *entrasim.PassPolicy) { p.IsUsableOnce = true }
	off := func(p *entrasim.PassPolicy) { p.State = entrasim.PolicyDisabled }
	cases := map[string]struct {
		policy    func(*entrasim.PassPolicy)
		behaviour entrasim.Behaviour
		body      string
		status    int
		message   string // part of error.message
		check     map[string]any
	}{
		"empty object takes the defaults":           {body: `{}`, status: 201, check: map[string]any{"lifetimeInMinutes": 60.0, "isUsableOnce": false, "isUsable": true, "methodUsabilityReason": "EnabledByPolicy"}},
		"nulls are as good as nothing":              {body: `{"lifetimeInMinutes":null,"startDateTime":null,"isUsableOnce":null}`, status: 201, check: map[string]any{"lifetimeInMinutes": 60.0}},
		"delayed start":                             {body: `{"startDateTime":"2026-03-05T08:00:00.000Z","lifetimeInMinutes":480}`, status: 201, check: map[string]any{"startDateTime": "2026-03-05T08:00:00Z", "isUsable": false, "methodUsabilityReason": "NotYetValid"}},
		"one-time omitted under a one-time policy":  {policy: oneTime, body: `{}`, status: 201, check: map[string]any{"isUsableOnce": true}},
		"multi-use refused under a one-time policy": {policy: oneTime, body: `{"isUsableOnce":false}`, status: 400, message: "IsUsableOnce"},
		"lifetime below the policy":                 {body: `{"lifetimeInMinutes":59}`, status: 400, message: "LifetimeInMinutes"},
		"lifetime above the policy":                 {body: `{"lifetimeInMinutes":481}`, status: 400, message: "LifetimeInMinutes"},
		"start in the past":                         {body: `{"startDateTime":"2026-03-02T07:29:59Z"}`, status: 400, message: "StartDateTime"},
		"start in the past, clamped":                {behaviour: entrasim.Behaviour{PastStart: entrasim.PastStartClamped}, body: `{"startDateTime":"2026-03-02T07:29:59Z"}`, status: 201, check: map[string]any{"startDateTime": "2026-03-02T07:30:00.25Z"}},
		"start in the past, kept":                   {behaviour: entrasim.Behaviour{PastStart: entrasim.PastStartKept}, body: `{"startDateTime":"2026-03-02T01:00:00Z"}`, status: 201, check: map[string]any{"methodUsabilityReason": "Expired"}},
		"policy off":                                {policy: off, body: `{}`, status: 400, message: "UserCredentialPolicy"},
		"policy off, 404":                           {policy: off, behaviour: entrasim.Behaviour{OutOfScope: entrasim.OutOfScope404}, body: `{}`, status: 404, message: "UserCredentialPolicy"},
		"policy off, 405":                           {policy: off, behaviour: entrasim.Behaviour{OutOfScope: entrasim.OutOfScope405}, body: `{}`, status: 405},
		"policy off, made but useless":              {policy: off, behaviour: entrasim.Behaviour{OutOfScope: entrasim.OutOfScopeDisabled201}, body: `{}`, status: 201, check: map[string]any{"isUsable": false, "methodUsabilityReason": "DisabledByPolicy"}},
		"unknown field":                             {body: `{"lifetime":60}`, status: 400},
		"wrong type":                                {body: `{"lifetimeInMinutes":"60"}`, status: 400},
		"not an object":                             {body: `[]`, status: 400},
		"two objects":                               {body: `{}{}`, status: 400},
		"another @odata.type":                       {body: `{"@odata.type":"#microsoft.graph.phoneAuthenticationMethod"}`, status: 400},
		"the SDK's @odata.type":                     {body: `{"@odata.type":"#microsoft.graph.temporaryAccessPassAuthenticationMethod"}`, status: 201},
		"too long":                                  {body: `{"x":"` + strings.Repeat("x", 70<<10) + `"}`, status: 413},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.behave(tc.behaviour)
			if tc.policy != nil {
				r.setPolicy(tc.policy)
			}
			a := r.do(tc.status, "POST", r.passes, tc.body)
			if tc.status >= 400 {
				message := a.text("error", "message")
				if message == "" || !strings.Contains(message, tc.message) || a.text("error", "innerError", "message") != message {
					t.Errorf("error body %s", a.raw)
				}
				if got := len(r.do(200, "GET", r.passes, "").list()); got != 0 {
					t.Errorf("%d passes after a refusal", got)
				}
			}
			for k, want := range tc.check {
				if a.body[k] != want {
					t.Errorf("%s = %v, want %v", k, a.body[k], want)
				}
			}
		})
	}
}

func TestPassScopeFollowsGroups(t *testing.T) {
	r := newRig(t)
	add := func(g entrasim.Group) entrasim.Group {
		g, err := r.tenant.AddGroup(g)
		r.must(err)
		return g
	}
	joiners := add(entrasim.Group{DisplayName: "joiners"})
	site := add(entrasim.Group{DisplayName: "site", ParentIDs: []string{joiners.ID}})
	barred := add(entrasim.Group{DisplayName: "barred"})
	r.setPolicy(func(p *entrasim.PassPolicy) {
		p.IncludeTargets, p.ExcludeTargets = []string{joiners.ID}, []string{barred.ID}
	})
	in := func(groups ...string) {
		_, err := r.tenant.UpdateUser(r.user.ID, func(u *entrasim.User) { u.GroupIDs = groups })
		r.must(err)
	}
	r.do(400, "POST", r.passes, `{}`)
	in(site.ID) // nested
	r.do(201, "POST", r.passes, `{}`)
	r.behave(entrasim.Behaviour{DirectTargetsOnly: true})
	r.do(400, "POST", r.passes, `{}`)
	in(joiners.ID)
	r.do(201, "POST", r.passes, `{}`)
	in(joiners.ID, barred.ID) // exclusion wins, and an existing pass feels it
	r.do(400, "POST", r.passes, `{}`)
	if got := r.tenant.Passes(r.user.ID)[0].Reason; got != entrasim.ReasonDisabled {
		t.Errorf("reason %s", got)
	}
}

func TestExternalGuestHasNoPass(t *testing.T) {
	for name, u := range map[string]entrasim.User{
		"invited":   {CreationType: "Invitation"},
		"state":     {ExternalUserState: "Accepted"},
		"federated": {Identities: []entrasim.Identity{{SignInType: "federated", Issuer: "mail"}}},
		"foreign":   {Identities: []entrasim.Identity{{SignInType: "federated", Issuer: "ExternalAzureAD"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u.UPN, u.UserType = "guest@firstpass.example", "Guest"
			guest := entrasimtest.User(t, r.tenant, u)
			a := r.do(400, "POST", "/v1.0/users/"+guest.ID+"/authentication/temporaryAccessPassMethods", `{}`)
			if !strings.Contains(a.text("error", "message"), "external guest") {
				t.Errorf("%s", a.raw)
			}
		})
	}
	r := newRig(t)
	internal := entrasimtest.User(t, r.tenant, entrasim.User{UPN: "inside@firstpass.example", UserType: "Guest"})
	r.do(201, "POST", "/v1.0/users/"+internal.ID+"/authentication/temporaryAccessPassMethods", `{}`)
}

func TestPasscodeIsInThePostReplyOnly(t *testing.T) {
	r := newRig(t)
	r.setPolicy(func(p *entrasim.PassPolicy) { p.DefaultLength = 12 })
	id, code := r.mint(`{}`)
	if len(code) != 12 || !strings.ContainsAny(code, "+&=%#/?<>!*") {
		t.Errorf("code of %d characters without a special one", len(code))
	}
	for _, path := range []string{r.passes, r.passes + "/" + id, "/v1.0/users/" + r.user.ID + "/authentication/methods"} {
		if a := r.do(200, "GET", path, ""); strings.Contains(string(a.raw), code) {
			t.Errorf("GET %s answers the code", path)
		}
	}
}

func TestUsabilityOverTime(t *testing.T) {
	r := newRig(t)
	r.mint(`{"startDateTime":"2026-03-02T08:00:00Z","lifetimeInMinutes":60}`)
	reason := func(want string) {
		t.Helper()
		p := r.do(200, "GET", r.passes, "").list()[0].(map[string]any)
		if p["methodUsabilityReason"] != want || p["isUsable"] != (want == entrasim.ReasonEnabled) {
			t.Errorf("%v, usable %v; want %s", p["methodUsabilityReason"], p["isUsable"], want)
		}
	}
	reason(entrasim.ReasonNotYetValid)
	r.clock.forward(30 * time.Minute)
	reason(entrasim.ReasonEnabled)
	r.setPolicy(func(p *entrasim.PassPolicy) { p.State = entrasim.PolicyDisabled })
	reason(entrasim.ReasonDisabled)
	r.setPolicy(func(p *entrasim.PassPolicy) { p.State, p.IsUsableOnce = entrasim.PolicyEnabled, true })
	reason(entrasim.ReasonDisabled) // a multi-use pass under a one-time policy
	r.setPolicy(func(p *entrasim.PassPolicy) { p.IsUsableOnce = false })
	if r.tenant.PassLive(r.user.ID) != 1 {
		t.Error("not live")
	}
	r.clock.forward(time.Hour)
	reason(entrasim.ReasonExpired) // and still listed
	if r.tenant.PassLive(r.user.ID) != 0 {
		t.Error("an expired pass counts as live")
	}
	old := r.tenant.Passes(r.user.ID)[0].ID
	r.do(201, "POST", r.passes, `{}`) // overwrites it
	if ps := r.tenant.Passes(r.user.ID); len(ps) != 1 || ps[0].ID == old {
		t.Errorf("passes %v", ps)
	}
}

func TestSecondPass(t *testing.T) {
	cases := map[entrasim.SecondPass]struct{ status, listed, maxLive int }{
		"":                                    {201, 1, 1},
		entrasim.SecondPassReplaces:           {201, 1, 1},
		entrasim.SecondPassReplacesAndRevokes: {201, 1, 1},
		entrasim.SecondPassConflict:           {409, 1, 1},
		entrasim.SecondPassRefused:            {400, 1, 1},
		entrasim.SecondPassKeepsBoth:          {201, 2, 2},
	}
	for how, want := range cases {
		t.Run(string(how), func(t *testing.T) {
			r := newRig(t)
			r.behave(entrasim.Behaviour{SecondPass: how})
			first, code := r.mint(`{}`)
			session, err := r.tenant.SignIn(r.user.UPN, code)
			r.must(err)
			a := r.do(want.status, "POST", r.passes, `{}`)
			if got := len(r.do(200, "GET", r.passes, "").list()); got != want.listed {
				t.Errorf("%d listed, want %d", got, want.listed)
			}
			if got := r.tenant.MaxLivePasses(r.user.ID); got != want.maxLive {
				t.Errorf("at most %d live, want %d", got, want.maxLive)
			}
			replaced := 0
			for _, e := range r.tenant.PassEvents() {
				if e.Kind == entrasim.PassReplaced && e.MethodID == first && e.Live {
					replaced++
				}
			}
			if gone := want.status == 201 && want.listed == 1; gone != (replaced == 1) || gone && a.text("id") == first {
				t.Errorf("%d replacements", replaced)
			}
			_, err = r.tenant.Register(session, entrasim.Method{Kind: entrasim.KindFIDO2})
			if revoked := err == entrasim.RefusedSessionEnded; revoked != (how == entrasim.SecondPassReplacesAndRevokes) {
				t.Errorf("register in the old session: %v", err)
			}
		})
	}
}

func TestDeletePass(t *testing.T) {
	r := newRig(t)
	id, code := r.mint(`{}`)
	r.do(404, "DELETE", r.passes+"/"+r.user.ID, "")
	r.do(204, "DELETE", r.passes+"/"+id, "")
	r.do(404, "DELETE", r.passes+"/"+id, "")
	r.do(404, "GET", r.passes+"/"+id, "")
	if _, err := r.tenant.SignIn(r.user.UPN, code); err != entrasim.RefusedDeleted {
		t.Errorf("sign-in: %v", err)
	}
}

func TestReplicationLags(t *testing.T) {
	r := newRig(t)
	r.behave(entrasim.Behaviour{CreateLag: 5 * time.Second, DeleteLag: 10 * time.Second, UsableLag: 8 * time.Second})
	listed := func(want int) {
		t.Helper()
		if got := len(r.do(200, "GET", r.passes, "").list()); got != want {
			t.Errorf("%d listed, want %d", got, want)
		}
	}
	id, code := r.mint(`{}`)
	listed(0)
	r.clock.forward(5 * time.Second)
	listed(1)
	if _, err := r.tenant.SignIn(r.user.UPN, code); err != entrasim.RefusedNotReady {
		t.Errorf("sign-in too early: %v", err)
	}
	r.clock.forward(3 * time.Second)
	_, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	r.do(204, "DELETE", r.passes+"/"+id, "")
	listed(1)
	r.do(200, "GET", r.passes+"/"+id, "")
	r.do(404, "DELETE", r.passes+"/"+id, "")
	if r.tenant.PassLive(r.user.ID) != 0 {
		t.Error("a deleted pass that lags in lists counts as live")
	}
	r.clock.forward(10 * time.Second)
	listed(0)
}

func TestAuthenticationServiceLagsBehindTheDirectory(t *testing.T) {
	r := newRig(t)
	late := entrasimtest.User(t, r.tenant, entrasim.User{UPN: "late@firstpass.example", VisibleIn: time.Minute, AuthVisibleIn: 2 * time.Minute})
	user, passes := "/v1.0/users/"+late.ID, "/v1.0/users/"+late.ID+"/authentication/temporaryAccessPassMethods"
	a := r.do(404, "GET", user, "")
	if a.text("error", "code") != "Request_ResourceNotFound" {
		t.Errorf("%s", a.raw)
	}
	r.clock.forward(time.Minute)
	r.do(200, "GET", user, "")
	for _, path := range []string{passes, "/v1.0/users/" + late.ID + "/authentication/methods"} {
		if a := r.do(404, "GET", path, ""); a.text("error", "code") != "resourceNotFound" {
			t.Errorf("%s", a.raw)
		}
	}
	r.do(404, "POST", passes, `{}`)
	r.clock.forward(time.Minute)
	r.do(201, "POST", passes, `{}`)
}
