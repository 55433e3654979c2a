package entrasim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"firstpass.internal/internal/entrasim"
)

// sim calls the management listener.
func (r *rig) sim(want int, method, path, body string, header ...string) answer {
	r.Helper()
	return r.do(want, method, r.tenant.ManageURL()+path, body, header...)
}

func TestManagementPlaysTheStory(t *testing.T) {
	r := newRig(t)
	group := r.sim(201, "POST", "/sim/groups", `{"displayName":"joiners","isAssignableToRole":true}`)
	user := r.sim(201, "POST", "/sim/users", `{"userPrincipalName":"two@firstpass.example","employeeId":"1002","groupIds":["`+group.text("id")+`"],"visibleIn":"0s","authVisibleIn":"0s","extensionAttributes":{"extensionAttribute3":"x"}}`)
	id := user.text("id")
	r.sim(200, "PATCH", "/sim/users/"+id, `{"department":"Lab"}`)
	if u := r.sim(200, "GET", "/sim/users/"+id, ""); u.text("department") != "Lab" || u.text("employeeId") != "1002" {
		t.Errorf("%s", u.raw)
	}
	role := r.sim(201, "POST", "/sim/roleassignments", `{"principalId":"`+id+`","roleName":"Reports Reader"}`)
	r.sim(204, "DELETE", "/sim/roleassignments/"+role.text("id"), "")
	r.sim(200, "PUT", "/sim/policy", `{"maximumLifetimeInMinutes":1440}`)
	r.sim(200, "PUT", "/sim/behaviour", `{"usableLag":"0s","secondPass":"conflict"}`)
	if b := r.sim(200, "GET", "/sim/behaviour", ""); b.text("secondPass") != "conflict" || b.text("usableLag") != "0s" {
		t.Errorf("%s", b.raw)
	}
	r.passes = "/v1.0/users/" + id + "/authentication/temporaryAccessPassMethods"
	_, code := r.mint(`{"lifetimeInMinutes":1440}`)
	if a := r.sim(403, "POST", "/sim/signin", `{"userPrincipalName":"two@firstpass.example","passcode":"nope"}`); a.text("error", "code") != "wrongCode" {
		t.Errorf("%s", a.raw)
	}
	s := r.sim(200, "POST", "/sim/signin", `{"userPrincipalName":"two@firstpass.example","passcode":"`+code+`"}`)
	m := r.sim(201, "POST", "/sim/register", `{"sessionId":"`+s.text("id")+`","kind":"fido2","displayName":"blue key"}`)
	if m.text("aaguid") == "" {
		t.Errorf("%s", m.raw)
	}
	other := r.sim(201, "POST", "/sim/users/"+id+"/methods", `{"kind":"phone","phoneNumber":"+1 5555550100"}`)
	r.sim(204, "DELETE", "/sim/users/"+id+"/methods/"+other.text("id"), "")
	st := r.sim(200, "GET", "/sim/state", "")
	if st.body["users"] != 2.0 || st.body["livePasses"] != 1.0 || st.text("tenantId") != r.tenant.TenantID() {
		t.Errorf("%s", st.raw)
	}
	if a := r.sim(200, "GET", "/sim/requests?count=1", ""); a.body["graph"] != 1.0 || a.body["token"] != 1.0 {
		t.Errorf("%s", a.raw)
	}
	if a := r.sim(200, "GET", "/sim/requests", ""); len(a.body["requests"].([]any)) != 2 {
		t.Errorf("%s", a.raw)
	}
	r.sim(204, "DELETE", "/sim/requests", "")
	r.sim(200, "PUT", "/sim/permissions", `{"permissions":["User.Read.All"]}`)
	r.do(403, "GET", r.passes, "")
	if !strings.Contains(string(r.sim(200, "GET", "/sim/ca.pem", "").raw), "CERTIFICATE") {
		t.Error("no certificate")
	}
	r.sim(204, "DELETE", "/sim/users/"+id, "")
	r.sim(404, "GET", "/sim/users/"+id, "")
}

func TestManagementFaults(t *testing.T) {
	r := newRig(t)
	f := r.sim(201, "POST", "/sim/faults", `{"match":{"operation":"listPasses"},"hold":"before","delay":"1ms"}`)
	answered := make(chan int, 1)
	go func() {
		a, err := r.request("GET", r.passes, "")
		if err != nil {
			a.status = -1
		}
		answered <- a.status
	}()
	r.sim(200, "GET", "/sim/faults/"+f.text("id")+"/arrived", "")
	r.sim(204, "POST", "/sim/faults/"+f.text("id")+"/release", "")
	if s := <-answered; s != 200 {
		t.Errorf("status %d", s)
	}
	if a := r.sim(200, "GET", "/sim/faults/"+f.text("id"), ""); a.body["played"] != 1.0 || a.text("delay") != "1ms" {
		t.Errorf("%s", a.raw)
	}
	f = r.sim(201, "POST", "/sim/faults", `{"match":{"method":"GET"},"status":503,"times":-1}`)
	r.do(503, "GET", r.passes, "")
	r.sim(204, "DELETE", "/sim/faults/"+f.text("id"), "")
	r.do(200, "GET", r.passes, "")
	r.sim(200, "PUT", "/sim/faults/random", `{"throttle":1}`)
	r.do(429, "GET", r.passes, "")
	if a := r.sim(200, "GET", "/sim/faults", ""); len(a.body["played"].([]any)) != 3 {
		t.Errorf("%s", a.raw)
	}
	r.sim(204, "DELETE", "/sim/faults", "")
	r.do(200, "GET", r.passes, "")
	r.sim(404, "GET", "/sim/faults/none", "")
	r.sim(400, "POST", "/sim/faults", `{"status":1}`)
	r.sim(400, "POST", "/sim/faults", `{"stats":500}`)
}

func TestManagementRefuses(t *testing.T) {
	r := newRig(t)
	r.sim(403, "POST", "/sim/users", `{"userPrincipalName":"x@y"}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	r.sim(403, "PUT", "/sim/policy", `{}`, "Origin", "https://evil.example")
	r.sim(415, "POST", "/sim/users", `{"userPrincipalName":"x@y"}`, "Content-Type", "text/plain")
	r.sim(415, "POST", "/sim/users", "userPrincipalName=x", "Content-Type", "application/x-www-form-urlencoded")
	r.sim(400, "POST", "/sim/users", `{"upn":"x@y"}`)
	r.sim(400, "POST", "/sim/users", `{}`)
	r.sim(400, "PUT", "/sim/behaviour", `{"secondPass":"perhaps"}`)
	r.sim(400, "PUT", "/sim/policy", `{"defaultLength":4}`)
	r.sim(404, "GET", "/nothing", "")
	req, err := http.NewRequest("GET", r.tenant.ManageURL()+"/sim/users", nil)
	r.must(err)
	req.Host = "rebound.example"
	res, err := r.http.Do(req)
	r.must(err)
	if a := r.read(res); a.status != 421 || strings.Contains(string(a.raw), r.user.UPN) {
		t.Errorf("another host name: %d", a.status)
	}
}

func TestManagementPage(t *testing.T) {
	r := newRig(t)
	_, err := r.tenant.UpdateUser(r.user.ID, func(u *entrasim.User) { u.DisplayName = "<b>New</b>" })
	r.must(err)
	_, code := r.mint(`{}`)
	page := func(path string) string {
		t.Helper()
		a := r.sim(200, "GET", path, "")
		if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Error("no content security policy")
		}
		return string(a.raw)
	}
	post := func(path string, form url.Values) string {
		t.Helper()
		a := r.sim(303, "POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", r.tenant.ManageURL(), "Sec-Fetch-Site", "same-origin")
		return a.header.Get("Location")
	}
	html := page("/")
	for _, want := range []string{"&lt;b&gt;New", r.user.UPN, "EnabledByPolicy", "Nobody is signed in", `<label for="upn">`, `lang="en"`} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(html, "<b>New") || strings.Contains(html, code) {
		t.Error("the page shows what it must not")
	}
	if to := post("/sim/signin", url.Values{"userPrincipalName": {r.user.UPN}, "passcode": {"x"}}); to != "/?said=wrongCode" {
		t.Errorf("%s", to)
	}
	to := post("/sim/signin", url.Values{"userPrincipalName": {r.user.UPN}, "passcode": {code}})
	if html = page(to); !strings.Contains(html, "Signed in.") {
		t.Error("no word about the sign-in")
	}
	_, after, _ := strings.Cut(html, `<option value="`)
	_, after, _ = strings.Cut(after, `name="sessionId"><option value="`)
	session, _, _ := strings.Cut(after, `"`)
	to = post("/sim/register", url.Values{"sessionId": {session}, "kind": {"windowsHelloForBusiness"}})
	if html = page(to); !strings.Contains(html, "The method is registered.") || len(r.tenant.Methods(r.user.ID)) != 1 {
		t.Errorf("not registered: %s", to)
	}
	if !strings.Contains(page("/sim/page.css"), "color-scheme: light dark") {
		t.Error("no style")
	}
	if page("/?said=%3Cscript%3E"); strings.Contains(page("/?said=%3Cscript%3E"), "<script") {
		t.Error("the page echoes its address")
	}
}
