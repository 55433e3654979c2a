package entrasim_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

// methodPaths are the paths of the kinds that can be deleted, and the middle of
// the permission for each.
var methodPaths = map[entrasim.MethodKind]struct{ path, permission string }{
	entrasim.KindFIDO2:         {"fido2Methods", "UserAuthMethod-Passkey"},
	entrasim.KindWindowsHello:  {"windowsHelloForBusinessMethods", "UserAuthMethod-WindowsHello"},
	entrasim.KindPlatform:      {"platformCredentialMethods", "UserAuthMethod-PlatformCred"},
	entrasim.KindAuthenticator: {"microsoftAuthenticatorMethods", "UserAuthMethod-MicrosoftAuthApp"},
	entrasim.KindPhone:         {"phoneMethods", "UserAuthMethod-Phone"},
	entrasim.KindSoftwareOath:  {"softwareOathMethods", "UserAuthMethod-SoftwareOATH"},
}

func (r *rig) method(m entrasim.Method) (entrasim.Method, string) {
	r.Helper()
	m, err := r.tenant.AddMethod(r.user.ID, m)
	r.must(err)
	return m, "/v1.0/users/" + r.user.ID + "/authentication/" + methodPaths[m.Kind].path + "/" + m.ID
}

// permit replaces what the app may do; the methods are always readable.
func (r *rig) permit(more ...string) {
	r.Helper()
	r.must(r.tenant.SetPermissions("", append(more, "User.Read.All")...))
}

// kinds lists what Graph says the user has.
func (r *rig) kinds() []string {
	r.Helper()
	var out []string
	for _, v := range r.do(200, "GET", strings.Replace(r.passes, "temporaryAccessPassMethods", "methods", 1), "").list() {
		m, _ := v.(map[string]any)
		kind, _ := m["@odata.type"].(string)
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(kind, "#microsoft.graph."), "AuthenticationMethod"))
	}
	return out
}

func TestDeleteMethod(t *testing.T) {
	for kind, p := range methodPaths {
		r := newRig(t)
		m, path := r.method(entrasim.Method{Kind: kind, AAGUID: "2fc0579f-8113-47ea-b116-bb5a8db9202a", Model: "Key"})
		got := r.do(200, "GET", path, "")
		if got.text("id") != m.ID || got.body["@odata.type"] != nil || kind == entrasim.KindFIDO2 && (got.text("aaGuid") != m.AAGUID || got.text("model") != "Key") {
			t.Errorf("%s: %s", kind, got.raw)
		}
		// What suffices to read does not suffice to delete, nor does the
		// permission of a pass or of another kind.
		r.permit("UserAuthenticationMethod.Read.All", "UserAuthMethod-TAP.ReadWrite.All", p.permission+".Read.All", "UserAuthMethod-Email.ReadWrite.All")
		if a := r.do(403, "DELETE", path, ""); a.text("error", "code") != "accessDenied" {
			t.Errorf("%s: %s", kind, a.raw)
		}
		r.permit("UserAuthenticationMethod.Read.All", p.permission+".ReadWrite.All")
		for other, o := range methodPaths {
			if other != kind {
				r.permit("UserAuthenticationMethod.ReadWrite.All")
				r.do(404, "DELETE", strings.Replace(path, p.path, o.path, 1), "") // the id is of another kind
			}
		}
		r.permit("UserAuthenticationMethod.Read.All", p.permission+".ReadWrite.All")
		r.do(204, "DELETE", path, "")
		r.do(404, "DELETE", path, "")
		r.do(404, "GET", path, "")
		if k := r.kinds(); !slices.Equal(k, []string{"password"}) || len(r.tenant.Methods(r.user.ID)) != 0 {
			t.Errorf("%s: left %v", kind, k)
		}
		if d := r.tenant.MethodDeletions(); len(d) != 1 || d[0].MethodID != m.ID || d[0].Kind != kind || !d[0].Time.Equal(r.clock.now()) {
			t.Errorf("%s: %+v", kind, d)
		}
		entrasimtest.NoViolations(t, r.tenant)
	}
}

func TestDefaultMethodGoesLast(t *testing.T) {
	r := newRig(t)
	r.permit("UserAuthenticationMethod.ReadWrite.All")
	_, app := r.method(entrasim.Method{Kind: entrasim.KindAuthenticator, Default: true})
	_, phone := r.method(entrasim.Method{Kind: entrasim.KindPhone, PhoneNumber: "+1 5550100"})
	_, key := r.method(entrasim.Method{Kind: entrasim.KindFIDO2})
	if a := r.do(400, "DELETE", app, ""); a.text("error", "code") != "badRequest" || !strings.Contains(a.text("error", "message"), "default method") {
		t.Errorf("%s", a.raw)
	}
	r.do(204, "DELETE", phone, "")
	r.do(204, "DELETE", app, "") // a key can't be the default
	r.do(204, "DELETE", key, "")
	_, phone = r.method(entrasim.Method{Kind: entrasim.KindPhone, Default: true})
	_, _ = r.method(entrasim.Method{Kind: entrasim.KindSoftwareOath})
	if a := r.do(400, "DELETE", phone, ""); !strings.Contains(a.text("error", "message"), "default authentication method") {
		t.Errorf("%s", a.raw)
	}
}

func TestMethodsLag(t *testing.T) {
	r := newRig(t)
	r.permit("UserAuthenticationMethod.ReadWrite.All", "UserAuthMethod-TAP.ReadWrite.All")
	r.behave(entrasim.Behaviour{MethodCreateLag: time.Minute, MethodDeleteLag: 30 * time.Second})
	_, old := r.method(entrasim.Method{Kind: entrasim.KindPhone})
	_, code := r.mint(`{}`)
	s, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	_, err = r.tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2})
	r.must(err)
	if k := r.kinds(); !slices.Equal(k, []string{"password", "phone", "temporaryAccessPass"}) {
		t.Errorf("just registered: %v", k)
	}
	r.do(204, "DELETE", old, "")
	if k := r.kinds(); !slices.Contains(k, "phone") {
		t.Errorf("just deleted: %v", k)
	}
	r.do(200, "GET", old, "")
	r.do(404, "DELETE", old, "")
	r.clock.forward(time.Minute)
	if k := r.kinds(); !slices.Equal(k, []string{"password", "fido2", "temporaryAccessPass"}) {
		t.Errorf("a minute later: %v", k)
	}
}

func TestPassInTheListOfMethods(t *testing.T) {
	r := newRig(t)
	_, code := r.mint(`{"isUsableOnce":true}`)
	_, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	list := r.do(200, "GET", strings.Replace(r.passes, "temporaryAccessPassMethods", "methods", 1), "").list()
	pass, _ := list[len(list)-1].(map[string]any)
	if pass["methodUsabilityReason"] != "OneTimeUsed" || pass["isUsable"] != false || pass["isUsableOnce"] != true || pass["temporaryAccessPass"] != nil {
		t.Errorf("%v", pass)
	}
}

func TestRevokeSignInSessions(t *testing.T) {
	r := newRig(t)
	path := "/v1.0/users/" + r.user.ID + "/revokeSignInSessions"
	if a := r.do(403, "POST", path, ""); a.text("error", "code") != "Authorization_RequestDenied" {
		t.Errorf("%s", a.raw)
	}
	_, code := r.mint(`{}`)
	s, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	r.permit("User.RevokeSessions.All")
	if a := r.do(200, "POST", path, ""); a.body["value"] != true {
		t.Errorf("%s", a.raw)
	}
	if _, err := r.tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}); !errors.Is(err, entrasim.RefusedSessionEnded) {
		t.Errorf("%v", err)
	}
	if _, err := r.tenant.SignIn(r.user.UPN, code); err != nil {
		t.Errorf("the pass itself is not revoked: %v", err)
	}
	if at := r.tenant.SessionsRevoked(r.user.ID); len(at) != 1 || !at[0].Equal(r.clock.now()) {
		t.Errorf("%v", at)
	}
	r.do(404, "POST", strings.Replace(path, r.user.ID, "44444444-4444-4444-8444-444444444444", 1), "")
	entrasimtest.NoViolations(t, r.tenant)
}

// A deletion whose answer is lost has been done all the same.
func TestFaultsStrikeNewOperations(t *testing.T) {
	r := newRig(t)
	r.permit("UserAuthenticationMethod.ReadWrite.All", "User.RevokeSessions.All")
	_, phone := r.method(entrasim.Method{Kind: entrasim.KindPhone})
	_, key := r.method(entrasim.Method{Kind: entrasim.KindFIDO2})
	r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeleteMethod, Path: "phoneMethods"}, After: true, Drop: true})
	r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpRevokeSessions}, Status: http.StatusServiceUnavailable})
	if _, err := r.request("DELETE", phone, ""); err == nil {
		t.Error("an answer was to be lost")
	}
	r.do(204, "DELETE", key, "")
	r.do(503, "POST", "/v1.0/users/"+r.user.ID+"/revokeSignInSessions", "")
	if len(r.tenant.Methods(r.user.ID)) != 0 || len(r.tenant.SessionsRevoked(r.user.ID)) != 0 {
		t.Errorf("left %+v", r.tenant.Methods(r.user.ID))
	}
}
