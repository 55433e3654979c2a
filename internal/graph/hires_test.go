package graph_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
)

var (
	hiresFrom = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	hiresTo   = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
)

// hires reads the window and returns what was handed over, also before an error.
func hires(t *testing.T, c *graph.Client) ([]map[string]any, error) {
	t.Helper()
	var got []map[string]any
	err := c.Hires(t.Context(), hiresFrom, hiresTo, func(u map[string]any) error {
		got = append(got, u)
		return nil
	})
	return got, err
}

// addHires adds n users who start within the window.
func addHires(t *testing.T, tenant *entrasim.Tenant, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		at := hiresFrom.AddDate(0, 0, i%28)
		ids = append(ids, entrasimtest.User(t, tenant, entrasim.User{
			EmployeeID: fmt.Sprint(i), UPN: fmt.Sprintf("h%d@firstpass.example", i), EmployeeHireDate: &at}).ID)
	}
	return ids
}

func idsOf(users []map[string]any) []string {
	var ids []string
	for _, u := range users {
		id, _ := u["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

func TestHiresComeAsGraphWroteThem(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	day := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	full := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "E-7", UPN: "ines.okafor@firstpass.example", DisplayName: "Ines Okafor",
		GivenName: "Ines", Surname: "Okafor", OtherMails: []string{"ines@example.org"}, MobilePhone: "+49 30 5550101", Department: "Glass",
		CompanyName: "Example GmbH", OfficeLocation: "Berlin", Country: "Germany", UsageLocation: "DE", PreferredLanguage: "de-DE",
		EmployeeType: "Contractor", EmployeeHireDate: &day, OnPremisesImmutableID: "aB+/c==", Disabled: true})
	bare := entrasimtest.User(t, tenant, entrasim.User{UPN: "bare@firstpass.example", EmployeeHireDate: &day})
	entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "E-8", UPN: "undated@firstpass.example"})
	want := []map[string]any{
		{"id": full.ID, "accountEnabled": false, "userType": "Member", "displayName": "Ines Okafor", "givenName": "Ines", "surname": "Okafor",
			"userPrincipalName": full.UPN, "employeeId": "E-7", "employeeHireDate": "2026-03-09T00:00:00Z", "employeeType": "Contractor", "jobTitle": nil,
			"department": "Glass", "companyName": "Example GmbH", "officeLocation": "Berlin", "country": "Germany", "usageLocation": "DE",
			"preferredLanguage": "de-DE", "mobilePhone": "+49 30 5550101", "otherMails": []any{"ines@example.org"},
			"onPremisesImmutableId": "aB+/c==", "createdDateTime": "2026-03-02T07:00:00Z"},
		{"id": bare.ID, "accountEnabled": true, "userType": "Member", "displayName": "bare", "givenName": nil, "surname": nil,
			"userPrincipalName": bare.UPN, "employeeId": nil, "employeeHireDate": "2026-03-09T00:00:00Z", "employeeType": nil, "jobTitle": nil,
			"department": nil, "companyName": nil, "officeLocation": nil, "country": nil, "usageLocation": nil,
			"preferredLanguage": nil, "mobilePhone": nil, "otherMails": []any{},
			"onPremisesImmutableId": nil, "createdDateTime": "2026-03-02T07:00:00Z"},
	}
	got, err := hires(t, c)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestHiresWindow(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	for name, at := range map[string]time.Time{
		"before": hiresFrom.Add(-time.Second), "first": hiresFrom, "last": hiresTo, "after": hiresTo.Add(time.Second),
	} {
		entrasimtest.User(t, tenant, entrasim.User{EmployeeID: name, UPN: name + "@firstpass.example", EmployeeHireDate: &at})
	}
	read := func(from, to time.Time) map[string]bool {
		t.Helper()
		got := map[string]bool{}
		err := c.Hires(t.Context(), from, to, func(u map[string]any) error { got[u["employeeId"].(string)] = true; return nil })
		if err != nil {
			t.Error(err)
		}
		return got
	}
	east := time.FixedZone("", 9*60*60)
	for _, tt := range []struct {
		name     string
		from, to time.Time
		want     map[string]bool
	}{
		{"both ends are in", hiresFrom, hiresTo, map[string]bool{"first": true, "last": true}},
		{"zone of the bounds", hiresFrom.In(east), hiresTo.In(east), map[string]bool{"first": true, "last": true}},
		{"fractions are dropped", hiresFrom.Add(time.Second / 2), hiresTo.Add(time.Second / 2), map[string]bool{"first": true, "last": true}},
		{"one instant", hiresTo, hiresTo, map[string]bool{"last": true}},
		{"inside", hiresFrom.Add(time.Second), hiresTo.Add(-time.Second), map[string]bool{}},
	} {
		if diff := cmp.Diff(tt.want, read(tt.from, tt.to)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
	tenant.ResetRequests()
	err := c.Hires(t.Context(), hiresTo, hiresFrom, func(map[string]any) error { return nil })
	if f, _ := err.(*jml.Fault); f == nil || f.Kind != jml.FaultRefused || f.Code != "badWindow" || tenant.Counts().Graph != 0 {
		t.Errorf("a window that ends before it begins: %v", err)
	}
}

func TestHiresOnThreePages(t *testing.T) {
	tenant := startTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	want := addHires(t, tenant, 2000) // 999 to a page
	got, err := hires(t, c)
	if diff := cmp.Diff(want, idsOf(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if n := tenant.Counts().Graph; n != 3 {
		t.Errorf("%d requests, want 3", n)
	}

	// Throttled at the second page: the first is handed over, and nothing is
	// tried again.
	tenant.ResetRequests()
	tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpListUsers}, Skip: 1, Status: http.StatusTooManyRequests})
	got, err = hires(t, c)
	var f *jml.Fault
	if !errors.As(err, &f) || f.Kind != jml.FaultThrottled || f.RetryAfter != 10*time.Second || f.Op != "list hires" {
		t.Errorf("throttled: %v", err)
	}
	if n := tenant.Counts().Graph; n != 2 || len(got) != 999 {
		t.Errorf("throttled: %d users after %d requests", len(got), n)
	}
	if got, err = hires(t, c); err != nil || len(got) != 2000 {
		t.Errorf("after throttling: %d users, %v", len(got), err)
	}

	// Whoever has seen enough ends it, in his own words.
	enough := errors.New("enough")
	n := 0
	tenant.ResetRequests()
	err = c.Hires(t.Context(), hiresFrom, hiresTo, func(map[string]any) error {
		if n++; n == 1000 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 1000 || tenant.Counts().Graph != 2 {
		t.Errorf("stopped: %v after %d users and %d requests", err, n, tenant.Counts().Graph)
	}
}

func TestNobodyIsHired(t *testing.T) {
	tenant := startTenant(t)
	entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "1001", UPN: "u@firstpass.example"})
	got, err := hires(t, newClient(t, tenantConfig(t, tenant)))
	if err != nil || len(got) != 0 || tenant.Counts().Graph != 1 {
		t.Errorf("%d users, %v", len(got), err)
	}
}

func TestHiresRequest(t *testing.T) {
	const hire = `{"id":"` + userID + `","employeeHireDate":"2026-03-09T00:00:00.0000000+01:00"}`
	var srv *server
	srv = newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("$skiptoken") == "" {
			writeJSON(w, 200, `{"value":[`+hire+`],"@odata.nextLink":"`+srv.URL+`/v1.0/users?$count=true&$skiptoken=a%2Bb"}`)
			return
		}
		writeJSON(w, 200, `{"value":[`+hire+`]}`)
	})
	var got []map[string]any
	east := time.FixedZone("", 9*60*60)
	err := newClient(t, srv.config(t)).Hires(t.Context(), hiresFrom.In(east), hiresTo.In(east), func(u map[string]any) error {
		got = append(got, u)
		return nil
	})
	if err != nil || len(got) != 2 || got[0]["employeeHireDate"] != "2026-03-09T00:00:00.0000000+01:00" {
		t.Errorf("%v, %v", got, err)
	}
	seen := srv.requests()
	if len(seen) != 2 {
		t.Fatalf("%d requests", len(seen))
	}
	for i, r := range seen {
		if r.Method != http.MethodGet || r.URL.Path != "/v1.0/users" || r.Header.Get("ConsistencyLevel") != "eventual" ||
			!strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			t.Errorf("request %d: %s %s %v", i, r.Method, r.URL, r.Header)
		}
	}
	q := seen[0].URL.Query()
	if got, want := q.Get("$filter"), "employeeHireDate ge 2026-03-01T00:00:00Z and employeeHireDate le 2026-04-01T00:00:00Z"; got != want {
		t.Errorf("filter %q", got)
	}
	if q.Get("$top") != "999" || q.Get("$count") != "true" || q.Has("$expand") || strings.Contains(q.Get("$select"), "manager") {
		t.Errorf("%v", q)
	}
	if got := seen[1].URL.RawQuery; got != "$count=true&$skiptoken=a%2Bb" {
		t.Errorf("the link is changed: %s", got)
	}
}

func TestHiresThatLeadElsewhere(t *testing.T) {
	for name, tt := range map[string]struct {
		link     func(base string) string
		code     string
		requests int
	}{
		"another host":    {func(string) string { return "https://graph.example.com/v1.0/users" }, "foreignLink", 1},
		"another port":    {func(string) string { return "https://127.0.0.1:1/v1.0/users" }, "foreignLink", 1},
		"plain http":      {func(base string) string { return "http" + base[len("https"):] + "/v1.0/users" }, "foreignLink", 1},
		"a path":          {func(string) string { return "/v1.0/users" }, "foreignLink", 1},
		"user in front":   {func(base string) string { return "https://graph@example.com/" + base }, "foreignLink", 1},
		"no URL":          {func(string) string { return "https://%zz/" }, "foreignLink", 1},
		"round in circle": {func(base string) string { return base + "/v1.0/users" }, "endlessPages", 1000},
	} {
		srv := newServer(t, nil)
		srv.graph = serveJSON(200, fmt.Sprintf(`{"value":[{"id":%q,"employeeHireDate":"2026-03-09T00:00:00Z"}],"@odata.nextLink":%q}`, userID, tt.link(srv.URL)))
		got, err := hires(t, newClient(t, srv.config(t)))
		var f *jml.Fault
		if !errors.As(err, &f) || f.Code != tt.code || f.Kind != jml.FaultUnavailable || f.Op != "list hires" {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(srv.requests()); n != tt.requests || len(got) != tt.requests && len(got) != 0 || tt.code == "foreignLink" && len(got) != 0 {
			t.Errorf("%s: %d requests, %d users", name, n, len(got))
		}
	}
}

func TestHiresBadReplies(t *testing.T) {
	const good = `{"id":"` + userID + `","employeeHireDate":"2026-03-09T00:00:00Z"}`
	for name, tt := range map[string]struct {
		status     int
		body, code string
		kind       jml.FaultKind
	}{
		"a page of HTML":     {200, `<html>Robin</html>`, "badReply", jml.FaultUnavailable},
		"cut":                {200, `{"value":[` + good, "badReply", jml.FaultUnavailable},
		"something behind":   {200, `{"value":[]}{}`, "badReply", jml.FaultUnavailable},
		"another shape":      {200, `{"value":{"Robin":1}}`, "badReply", jml.FaultUnavailable},
		"a list":             {200, `[` + good + `]`, "badReply", jml.FaultUnavailable},
		"link is a number":   {200, `{"value":[],"@odata.nextLink":7}`, "badReply", jml.FaultUnavailable},
		"nothing":            {200, ``, "emptyReply", jml.FaultUnavailable},
		"null":               {200, `null`, "emptyReply", jml.FaultUnavailable},
		"no value":           {200, `{}`, "emptyReply", jml.FaultUnavailable},
		"value null":         {200, `{"value":null}`, "emptyReply", jml.FaultUnavailable},
		"user null":          {200, `{"value":[` + good + `,null]}`, "badUserID", jml.FaultUnavailable},
		"id no GUID":         {200, `{"value":[` + good + `,{"id":"../me","employeeHireDate":"2026-03-09T00:00:00Z"}]}`, "badUserID", jml.FaultUnavailable},
		"id a number":        {200, `{"value":[{"id":7,"employeeHireDate":"2026-03-09T00:00:00Z"}]}`, "badUserID", jml.FaultUnavailable},
		"filter passed over": {200, `{"value":[` + good + `,{"id":"` + userID + `","employeeHireDate":null}]}`, "noHireDate", jml.FaultUnavailable},
		"filter refused":     {400, `{"error":{"code":"Request_UnsupportedQuery","message":"Robin"}}`, "Request_UnsupportedQuery", jml.FaultRefused},
		"no permission":      {403, `{"error":{"code":"Authorization_RequestDenied","message":"Robin"}}`, "Authorization_RequestDenied", jml.FaultDenied},
		"unavailable":        {503, `{"error":{"code":"serviceNotAvailable","message":"Robin"}}`, "serviceNotAvailable", jml.FaultUnavailable},
		"redirect":           {302, ``, "", jml.FaultUnavailable},
	} {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://example.com/")
			writeJSON(w, tt.status, tt.body)
		})
		got, err := hires(t, newClient(t, srv.config(t)))
		var f *jml.Fault
		if !errors.As(err, &f) || f.Kind != tt.kind || f.Op != "list hires" || f.Status != tt.status || tt.code != "" && f.Code != tt.code {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, f), "Robin") || len(got) != 0 || len(srv.requests()) != 1 {
			t.Errorf("%s: %v, %d users, %d requests", name, err, len(got), len(srv.requests()))
		}
	}
}

// FuzzHires wants any page either refused by a Fault, with nobody handed over,
// or handed over with an id and a hire date each.
func FuzzHires(f *testing.F) {
	for _, seed := range []string{`{"value":[{"id":"` + userID + `","employeeHireDate":"2026-03-09T00:00:00Z","otherMails":["a@example.org"]}]}`,
		`{"value":[]}`, `{"value":[null]}`, `{"value":null}`, `{"value":[],"@odata.nextLink":"https://example.com/"}`, `[]`, `{"VALUE":[{}]}`,
		strings.Repeat(`{"value":[`, 9), "\xff\xfe", ``} {
		f.Add([]byte(seed))
	}
	var body []byte
	srv := newServer(f, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, string(body)) })
	c := newClient(f, srv.config(f))
	f.Fuzz(func(t *testing.T, page []byte) {
		body = page
		n := 0
		err := c.Hires(t.Context(), hiresFrom, hiresTo, func(u map[string]any) error {
			if id, _ := u["id"].(string); len(id) != 36 || u["employeeHireDate"] == nil {
				t.Errorf("handed over: %v", u)
			}
			n++
			return nil
		})
		var fault *jml.Fault
		if err != nil && (!errors.As(err, &fault) || n != 0) {
			t.Errorf("%v after %d users", err, n)
		}
		if err == nil && !json.Valid(page) {
			t.Errorf("%q is taken", page)
		}
		srv.mu.Lock()
		srv.seen = nil // they would pile up
		srv.mu.Unlock()
	})
}

func TestHiresPanicIsTheCallers(t *testing.T) {
	srv := newServer(t, serveJSON(200, `{"value":[{"id":"`+userID+`","employeeHireDate":"2026-03-09T00:00:00Z"}]}`))
	c := newClient(t, srv.config(t))
	defer func() {
		if got := recover(); got != "mine" {
			t.Errorf("recovered %v", got)
		}
	}()
	err := c.Hires(t.Context(), hiresFrom, hiresTo, func(map[string]any) error { panic("mine") })
	t.Errorf("the panic is swallowed: %v", err)
}
