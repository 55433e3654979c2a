package scim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func bulkOf(ops ...string) string {
	return `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "failOnErrors": null, "Operations": [` + strings.Join(ops, ",") + `]}`
}

// statuses of the operations of a bulk reply, each with its scimType.
func statuses(t *testing.T, a answer) []string {
	t.Helper()
	if d := cmp.Diff([]any{schemaBulkResponse}, a.body["schemas"]); d != "" {
		t.Error(d)
	}
	var got []string
	for _, o := range a.body["Operations"].([]any) {
		op := o.(map[string]any)
		s := op["status"].(string)
		if response, ok := op["response"].(map[string]any); ok {
			if kind, ok := response["scimType"].(string); ok {
				s += " " + kind
			}
		}
		got = append(got, s)
	}
	return got
}

// entraBulk has the shape of Microsoft's example for API-driven inbound
// provisioning: paths and a name in lower case, one bulkId twice, failOnErrors
// null.
const entraBulk = `{
	"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
	"Operations": [
		{"method": "POST", "bulkId": "b-1", "path": "/users", "data": {
			"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "urn:ietf:params:scim:schemas:extension:csv:1.0:User"],
			"id": "d1f5a8b2-8f0e-4b36-9a35-0d9f4ee1a0c1",
			"externalId": "700001", "userName": "obrandt@example.com",
			"name": {"familyName": "Brandt", "givenName": "Ottilie"},
			"active": true, "timezone": "Europe/Berlin",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "700001", "manager": {"value": "700017"}},
			"urn:ietf:params:scim:schemas:extension:csv:1.0:User": {"HireDate": "2026-05-04", "IsTerminated": "False", "TerminationDate": ""}}},
		{"method": "POST", "bulkId": "b-2", "path": "/users", "data": {
			"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
			"externalId": "700002", "resourceType": "User", "displayName": "Kern, Ruven", "active": true, "username": "KernR"}},
		{"method": "POST", "bulkId": "b-2", "path": "/users", "data": {
			"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
			"externalId": "700003", "resourceType": "User", "displayName": "Voss, Ida", "active": true, "username": "VossI"}}
	],
	"failOnErrors": null
}`

func TestEntraBulkUpload(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/bulkUpload", entraBulk).want(t, 202, "")
	if d := cmp.Diff([]string{"201", "201", "201"}, statuses(t, a)); d != "" {
		t.Fatal(d)
	}
	var got []string
	for _, told := range w.sink.all {
		got = append(got, text(told.resource, "externalId")+" "+text(told.resource, "userName"))
	}
	if d := cmp.Diff([]string{"700001 obrandt@example.com", "700002 KernR", "700003 VossI"}, got); d != "" {
		t.Error(d)
	}
	csv, _ := w.sink.all[0].resource["urn:ietf:params:scim:schemas:extension:csv:1.0:User"].(map[string]any)
	if csv["HireDate"] != "2026-05-04" || csv["TerminationDate"] != "" || csv["IsTerminated"] != "False" {
		t.Errorf("the extension has changed: %v", csv)
	}
	if id := w.sink.all[0].resource["id"]; id == "d1f5a8b2-8f0e-4b36-9a35-0d9f4ee1a0c1" {
		t.Error("the client chose the id")
	}
	// The next day the same comes again, with one change.
	a = w.do("POST", "/Bulk", strings.Replace(entraBulk, "2026-05-04", "2026-06-01", 1)).want(t, 200, "")
	if d := cmp.Diff([]string{"200", "200", "200"}, statuses(t, a)); d != "" {
		t.Fatal(d)
	}
	list := w.do("GET", "/Users", "").body
	if list["totalResults"] != 3.0 {
		t.Errorf("%v resources, want 3", list["totalResults"])
	}
	versions := ""
	for _, r := range list["Resources"].([]any) {
		versions += r.(map[string]any)["meta"].(map[string]any)["version"].(string)
	}
	if versions != `W/"2"W/"1"W/"1"` {
		t.Errorf("versions %s", versions)
	}
}

func TestRFC7644_3_7_Bulk(t *testing.T) {
	w := newWorld(t)
	id := w.created(`{"externalId": "E-1"}`).id()
	gone := w.created(`{"externalId": "E-2"}`).id()
	at := "https://firstpass.example.org/v1/scim/hr/Users/"
	a := w.do("POST", "/Bulk", bulkOf(
		`{"method": "put", "path": "/Users/`+id+`", "version": "W/\"1\"", "data": {"externalId": "E-1", "title": "x"}}`,
		`{"Method": "PATCH", "path": "/v2/Users/`+id+`", "data": {"Operations": [{"op": "remove", "path": "title"}]}}`,
		`{"method": "PATCH", "path": "/Users/`+id+`", "version": "W/\"1\"", "data": {"Operations": [{"op": "remove", "path": "title"}]}}`,
		`{"method": "DELETE", "path": "/Users/`+gone+`"}`,
		`{"method": "DELETE", "path": "/Users/`+gone+`"}`,
		`{"method": "POST", "path": "/Users", "bulkId": "q", "data": {"displayName": "Ottilie"}}`,
		`{"method": "GET", "path": "/Users/`+id+`", "data": {}}`,
		`{"method": "POST", "path": "/Users/`+id+`", "data": {}}`,
		`{"method": "POST", "path": "/Groups", "data": {}}`,
		`{"method": "PUT", "path": "/Users", "data": {}}`,
		`{"method": "POST", "path": "/Users", "data": "Ottilie"}`,
		`{"method": "POST", "METHOD": "DELETE", "path": "/Users", "data": {}}`,
		`"Ottilie"`,
		`{}`,
	)).want(t, 200, "")
	want := []string{"200", "200", "412", "204", "404", "400 invalidValue", "405", "400 invalidPath", "400 invalidPath", "400 invalidPath",
		"400 invalidSyntax", "400 invalidSyntax", "400 invalidSyntax", "400 invalidPath"}
	if d := cmp.Diff(want, statuses(t, a)); d != "" {
		t.Fatal(d)
	}
	ops := a.body["Operations"].([]any)
	if d := cmp.Diff(map[string]any{"method": "PUT", "status": "200", "location": at + id, "version": `W/"2"`}, ops[0]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"method": "DELETE", "status": "204", "location": at + gone}, ops[3]); d != "" {
		t.Error(d)
	}
	failed := ops[5].(map[string]any)
	if failed["location"] != nil || failed["bulkId"] != "q" {
		t.Errorf("a POST that failed: %v", failed)
	}
	if strings.Contains(jsonOf(t, a.body), canary) {
		t.Error("the reply quotes personal data")
	}
	if got := ops[2].(map[string]any)["location"]; got != at+id {
		t.Errorf("a PATCH that failed has location %v", got)
	}
}

func TestRFC7644_3_7_2_BulkID(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/Bulk", bulkOf(
		`{"method": "POST", "path": "/Users", "bulkId": "late", "data": {"externalId": "E-0", "`+enterprise+`": {"manager": {"value": "bulkId:boss"}}}}`,
		`{"method": "POST", "path": "/Users", "bulkId": "boss", "data": {"externalId": "E-1"}}`,
		`{"method": "POST", "path": "/Users", "bulkId": "a", "data": {"externalId": "E-2", "`+enterprise+`": {"manager": {"value": "bulkId:boss"}}, "list": ["bulkId:boss", null]}}`,
		`{"method": "PATCH", "path": "/Users/bulkId:a", "data": {"Operations": [{"op": "add", "path": "title", "value": "x"}]}}`,
		`{"method": "PATCH", "path": "/Users/bulkId:nobody", "data": {"Operations": [{"op": "add", "path": "title", "value": "x"}]}}`,
		`{"method": "POST", "path": "/Users", "data": {"externalId": "E-3", "list": ["bulkId:nobody"]}}`,
	)).want(t, 200, "")
	if d := cmp.Diff([]string{"409 invalidValue", "201", "201", "200", "409 invalidValue", "409 invalidValue"}, statuses(t, a)); d != "" {
		t.Fatal(d)
	}
	last := w.sink.last(t).resource
	manager := last[enterprise].(map[string]any)["manager"].(map[string]any)["value"]
	boss := w.sink.all[0].resource["id"]
	if uuid.Validate(fmt.Sprint(manager)) != nil || manager != boss || last["title"] != "x" {
		t.Errorf("manager %v, want %v: %v", manager, boss, last)
	}
}

func TestRFC7644_3_7_3_FailOnErrors(t *testing.T) {
	bad := `{"method": "POST", "path": "/Users", "data": {}}`
	good := `{"method": "POST", "path": "/Users", "data": {"externalId": "E-1"}}`
	for _, c := range []struct {
		most string
		want int
	}{{"1", 1}, {"2", 3}, {"9", 4}, {"0", 4}, {"null", 4}} {
		w := newWorld(t)
		body := `{"failOnErrors": ` + c.most + `, "Operations": [` + strings.Join([]string{bad, good, bad, good}, ",") + `]}`
		a := w.do("POST", "/Bulk", body).want(t, 200, "")
		if got := statuses(t, a); len(got) != c.want {
			t.Errorf("failOnErrors %s: %v", c.most, got)
		}
	}
}

func TestRFC7644_3_7_4_BulkLimits(t *testing.T) {
	w := newWorld(t)
	op := `{"method": "DELETE", "path": "/Users/x"}`
	many := strings.Repeat(op+",", maxOperations)
	w.do("POST", "/Bulk", bulkOf(many+op)).want(t, 413, "")
	a := w.do("POST", "/Bulk", bulkOf(strings.TrimSuffix(many, ","))).want(t, 200, "")
	if got := len(statuses(t, a)); got != maxOperations {
		t.Errorf("%d operations answered", got)
	}
	w.do("POST", "/Bulk", bulkOf(strings.Repeat(" ", 256<<10))).want(t, 413, "")
	w.do("POST", "/Bulk", `{"Operations": 1}`).want(t, 400, "invalidSyntax")
	w.do("POST", "/Bulk", patchOf(`[]`)).want(t, 400, "invalidSyntax")
}

func TestBulkWhileTheSinkIsAway(t *testing.T) {
	var ops []string
	for i := range 9 {
		ops = append(ops, fmt.Sprintf(`{"method": "POST", "path": "/Users", "data": {"externalId": "E-%d"}}`, i))
	}
	w := newWorld(t)
	calls := 0
	w.sink.take = func(r map[string]any, _ bool) error {
		if calls++; r["externalId"] == "E-0" {
			return nil
		}
		return errAway
	}
	a := w.do("POST", "/Bulk", bulkOf(ops...)).want(t, 200, "")
	if d := cmp.Diff([]string{"201", "503", "503", "503", "503", "503", "503", "503", "503"}, statuses(t, a)); d != "" {
		t.Error(d)
	}
	if a.header.Get("Retry-After") == "" || calls != 1+patience {
		t.Errorf("Retry-After %q after %d calls", a.header.Get("Retry-After"), calls)
	}
	// Nobody reads the body of a 202, so none is given.
	w.do("POST", "/bulkUpload", bulkOf(ops...)).want(t, 503, "")
	// One employee who fails holds up none of the others.
	w.sink.take = func(r map[string]any, _ bool) error {
		if r["externalId"] == "E-3" {
			return errAway
		}
		return nil
	}
	w.do("POST", "/bulkUpload", bulkOf(ops...)).want(t, 503, "")
	if got := w.do("GET", "/Users", "").body["totalResults"]; got != 8.0 {
		t.Errorf("%v resources, want 8", got)
	}
}

func TestBulkGoesOnPastScatteredFaults(t *testing.T) {
	w := newWorld(t)
	w.sink.take = func(r map[string]any, _ bool) error {
		if strings.HasPrefix(text(r, "externalId"), "bad") {
			return errAway
		}
		return nil
	}
	var ops, want []string
	for i := range 2 * patience {
		ops = append(ops,
			fmt.Sprintf(`{"method": "POST", "path": "/Users", "data": {"externalId": "bad-%d"}}`, i),
			fmt.Sprintf(`{"method": "POST", "path": "/Users", "data": {"externalId": "E-%d"}}`, i))
		want = append(want, "503", "201")
	}
	if d := cmp.Diff(want, statuses(t, w.do("POST", "/Bulk", bulkOf(ops...)))); d != "" {
		t.Error(d)
	}
}

func TestBulkReplaceRefusesAnothersUserName(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/Bulk", bulkOf(
		`{"method": "POST", "path": "/Users", "data": {"externalId": "E-1", "userName": "a@example.com"}}`,
		`{"method": "POST", "path": "/Users", "data": {"externalId": "E-2", "userName": "b@example.com"}}`,
		`{"method": "POST", "path": "/Users", "data": {"externalId": "E-2", "userName": "A@example.com"}}`,
	)).want(t, 200, "")
	if d := cmp.Diff([]string{"201", "201", "409 uniqueness"}, statuses(t, a)); d != "" {
		t.Error(d)
	}
}
