package entrasim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func hiredOn(t *testing.T, r *rig, name, at string) entrasim.User {
	t.Helper()
	when, err := time.Parse(time.RFC3339, at)
	r.must(err)
	return entrasimtest.User(t, r.tenant, entrasim.User{EmployeeID: name, UPN: name + "@firstpass.example", EmployeeHireDate: &when})
}

func TestHireDateFilter(t *testing.T) {
	r := newRig(t) // its user has no hire date
	hiredOn(t, r, "a", "2026-03-01T00:00:00Z")
	hiredOn(t, r, "b", "2026-03-09T00:00:00Z")
	hiredOn(t, r, "c", "2026-03-09T08:30:00Z")
	for filter, want := range map[string]string{
		"employeeHireDate ge 2026-03-09T00:00:00Z":                                                  "b c",
		"employeeHireDate gt 2026-03-09T00:00:00Z":                                                  "c",
		"employeeHireDate le 2026-03-09T00:00:00Z":                                                  "a b",
		"employeeHireDate lt 2026-03-09T00:00:00Z":                                                  "a",
		"employeeHireDate eq 2026-03-09T00:00:00Z":                                                  "b",
		"employeeHireDate eq 2026-03-09T01:00:00+01:00":                                             "b",
		"employeeHireDate ge 2026-03-01T00:00:00Z and employeeHireDate lt 2026-03-09T00:00:00Z":     "a",
		" employeeHireDate  gt 2026-03-01T00:00:00Z  and employeeHireDate lt 2027-01-01T00:00:00Z ": "b c",
		"employeeHireDate lt 2027-01-01T00:00Z":                                                     "BadRequest",
		"employeeHireDate gt 2026-03-01T00:00:00Z and employeeHireDate lt 2026-03-01T00:00:01Z":     "",
		"employeeHireDate ge '2026-03-09T00:00:00Z'":                                                "BadRequest",
		"employeeHireDate ge 2026-03-09":                                                            "BadRequest",
		"employeeHireDate ge null":                                                                  "BadRequest",
		"employeeHireDate ge":                                                                       "BadRequest",
		"employeeHireDate ge 2026-03-01T00:00:00Z or employeeHireDate ge 2026-03-01T00:00:00Z":      "BadRequest",
		"employeeHireDate ge 2026-03-01T00:00:00Z and ":                                             "BadRequest",
		"employeeHireDate startsWith 2026-03-01T00:00:00Z":                                          "Request_UnsupportedQuery",
		"employeeHireDate GE 2026-03-01T00:00:00Z":                                                  "Request_UnsupportedQuery",
		"employeeHireDate ge 2026-03-01T00:00:00Z and createdDateTime ge 2026-03-01T00:00:00Z":      "Request_UnsupportedQuery",
		"employeeHireDates ge 2026-03-01T00:00:00Z":                                                 "BadRequest",
	} {
		path := "/v1.0/users" + q("$filter", filter, "$select", "id,employeeId,employeeHireDate", "$count", "true")
		a, err := r.request("GET", path, "", "ConsistencyLevel", "eventual")
		r.must(err)
		if a.status == 400 {
			if got := a.text("error", "code"); got != want {
				t.Errorf("%s: %s", filter, a.raw)
			}
			continue
		}
		var got []string
		for _, u := range a.list() {
			got = append(got, u.(map[string]any)["employeeId"].(string))
		}
		if strings.Join(got, " ") != want || a.body["@odata.count"] != float64(len(got)) {
			t.Errorf("%s: %d %s", filter, a.status, a.raw)
		}
	}
	entrasimtest.NoViolations(t, r.tenant)
}

func TestHireDateNeedsAnAdvancedQuery(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		hiredOn(t, r, fmt.Sprint("h", i), "2026-03-09T00:00:00Z")
	}
	const filter = "employeeHireDate ge 2026-03-09T00:00:00Z"
	advanced := []string{"ConsistencyLevel", "eventual"}
	for name, tt := range map[string]struct {
		query  string
		header []string
	}{
		"no header":     {q("$filter", filter, "$count", "true"), nil},
		"no count":      {q("$filter", filter), advanced},
		"count false":   {q("$filter", filter, "$count", "false"), advanced},
		"other header":  {q("$filter", filter, "$count", "true"), []string{"ConsistencyLevel", "session"}},
		"expand beside": {q("$filter", filter, "$count", "true", "$expand", "manager($select=id,employeeId)"), advanced},
	} {
		a := r.do(400, "GET", "/v1.0/users"+tt.query, "", tt.header...)
		if a.text("error", "code") != "Request_UnsupportedQuery" {
			t.Errorf("%s: %s", name, a.raw)
		}
	}

	// The hire date shows on $select only; the count on the first page only.
	a := r.do(200, "GET", "/v1.0/users"+q("$filter", filter, "$count", "true"), "", advanced...)
	if strings.Contains(string(a.raw), `"employeeHireDate"`) || len(a.list()) != 5 {
		t.Errorf("%s", a.raw)
	}
	first := r.do(200, "GET", "/v1.0/users"+q("$filter", filter, "$count", "true", "$select", "id,employeeHireDate", "$top", "3"), "", advanced...)
	next := first.text("@odata.nextLink")
	if first.body["@odata.count"] != 5.0 || len(first.list()) != 3 || first.list()[0].(map[string]any)["employeeHireDate"] != "2026-03-09T00:00:00Z" {
		t.Errorf("%s", first.raw)
	}
	r.do(400, "GET", next, "") // the header is wanted again
	last := r.do(200, "GET", next, "", advanced...)
	if _, counted := last.body["@odata.count"]; counted || len(last.list()) != 2 || last.text("@odata.nextLink") != "" {
		t.Errorf("%s", last.raw)
	}
	// Without the header the count is passed over, as Graph does.
	if a := r.do(200, "GET", "/v1.0/users"+q("$count", "true", "$select", "id"), ""); a.body["@odata.count"] != nil {
		t.Errorf("%s", a.raw)
	}
	entrasimtest.NoViolations(t, r.tenant)
}

func TestHireIsSetByManagement(t *testing.T) {
	r := newRig(t)
	a := r.sim(201, "POST", "/sim/users", `{"userPrincipalName":"new@firstpass.example","employeeId":"77","employeeHireDate":"2026-03-09T00:00:00Z",
		"department":"Glass","employeeType":"Contractor","companyName":"Example GmbH","officeLocation":"Berlin","country":"Germany","usageLocation":"DE",
		"preferredLanguage":"de-DE","otherMails":["new@example.org"],"mobilePhone":"+49 30 5550101"}`)
	id := a.text("id")
	read := func() map[string]any {
		return r.do(200, "GET", "/v1.0/users/"+id+q("$select", "employeeHireDate,department,employeeType,companyName,officeLocation,country,usageLocation,preferredLanguage,otherMails,mobilePhone"), "").body
	}
	got := read()
	if got["department"] != "Glass" || got["employeeType"] != "Contractor" || got["companyName"] != "Example GmbH" || got["officeLocation"] != "Berlin" ||
		got["country"] != "Germany" || got["usageLocation"] != "DE" || got["preferredLanguage"] != "de-DE" || got["mobilePhone"] != "+49 30 5550101" ||
		got["employeeHireDate"] != "2026-03-09T00:00:00Z" || len(got["otherMails"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	r.sim(200, "PATCH", "/sim/users/"+id, `{"employeeHireDate":"2026-03-16T00:00:00Z"}`)
	if got := read(); got["employeeHireDate"] != "2026-03-16T00:00:00Z" || got["department"] != "Glass" {
		t.Errorf("%v", got)
	}
	// A patch that is refused changes nothing.
	r.sim(400, "PATCH", "/sim/users/"+id, `{"employeeHireDate":"2026-04-01T00:00:00Z","managerId":"nobody"}`)
	if got := read(); got["employeeHireDate"] != "2026-03-16T00:00:00Z" {
		t.Errorf("%v", got)
	}
	r.sim(200, "PATCH", "/sim/users/"+id, `{"employeeHireDate":null}`)
	if got := read(); got["employeeHireDate"] != nil {
		t.Errorf("%v", got)
	}
	users := r.tenant.Users()
	if !slices.ContainsFunc(users, func(u entrasim.User) bool { return u.ID == id && u.EmployeeHireDate == nil }) {
		t.Error("the tenant's own list differs")
	}
}
