package scim

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestNewIncomplete(t *testing.T) {
	if _, err := New(Config{Source: "hr"}); err == nil {
		t.Fatal("New took an incomplete Config")
	}
}

func TestRFC7644_3_3_Create(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	if uuid.Validate(a.id()) != nil {
		t.Errorf("id %q is no UUID", a.id())
	}
	at := "https://firstpass.example.org/v1/scim/hr/Users/" + a.id()
	if got := a.header.Get("Location"); got != at {
		t.Errorf("Location %q, want %q", got, at)
	}
	meta, _ := a.body["meta"].(map[string]any)
	want := map[string]any{"resourceType": "User", "created": "2026-03-02T08:00:01Z", "lastModified": "2026-03-02T08:00:01Z", "version": `W/"1"`, "location": at}
	if d := cmp.Diff(want, meta); d != "" {
		t.Error(d)
	}
	if got := a.header.Get("ETag"); got != `W/"1"` {
		t.Errorf("ETag %q", got)
	}
	// The Sink has seen the same, without our address.
	delete(meta, "location")
	got := w.sink.last(t)
	if d := cmp.Diff(jsonOf(t, a.body), jsonOf(t, got.resource)); d != "" || got.deleted {
		t.Errorf("the sink got another resource, deleted %v: %s", got.deleted, d)
	}
	// And it can be read again.
	b := w.do("GET", "/Users/"+a.id(), "").want(t, 200, "")
	meta["location"] = at
	if d := cmp.Diff(a.body, b.body); d != "" {
		t.Error(d)
	}
}

func TestRFC7644_3_3_CreateRefused(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		kind       string
	}{
		{"nobody", `{"displayName": "Ottilie"}`, 400, "invalidValue"},
		{"blank identifiers", `{"externalId": " ", "userName": ""}`, 400, "invalidValue"},
		{"identifier is an object", `{"externalId": {"a": "Ottilie"}}`, 400, "invalidValue"},
		{"identifier is a fraction", `{"externalId": 1.5}`, 400, "invalidValue"},
		{"active is something else", `{"externalId": "1", "active": "Ottilie"}`, 400, "invalidValue"},
		{"name is a text", `{"externalId": "1", "name": "Ottilie"}`, 400, "invalidValue"},
		{"schemas is a text", `{"externalId": "1", "schemas": "Ottilie"}`, 400, "invalidValue"},
		{"schemas of numbers", `{"externalId": "1", "schemas": [1]}`, 400, "invalidValue"},
		{"one name twice", `{"externalId": "1", "externalId": "Ottilie"}`, 400, "invalidSyntax"},
		{"one name twice in another case", `{"externalId": "1", "EXTERNALID": "Ottilie"}`, 400, "invalidSyntax"},
		{"one name twice, below", `{"externalId": "1", "x": [{"a": 1, "A": "Ottilie"}]}`, 400, "invalidSyntax"},
		{"one name twice, in an extension", `{"externalId": "1", "urn:x:1.0:User": {"a": 1, "A": "Ottilie"}}`, 400, "invalidSyntax"},
		{"no JSON", `Ottilie`, 400, "invalidSyntax"},
		{"no object", `["Ottilie"]`, 400, "invalidSyntax"},
		{"nothing", ``, 400, "invalidSyntax"},
		{"no UTF-8", "{\"externalId\": \"\xff\"}", 400, "invalidSyntax"},
		{"too deep", `{"externalId": "1", "x": ` + strings.Repeat("[", 100_000) + `}`, 400, "invalidSyntax"},
		{"too many values", `{"externalId": "1", "x": [` + strings.Repeat("{},", 110_000) + `{}]}`, 400, "invalidSyntax"},
		{"too large", `{"externalId": "` + strings.Repeat("x", 256<<10) + `"}`, 413, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.name == "too many values" {
				w.h.cfg.MaxBody = 1 << 20
			}
			w.do("POST", "/Users", c.body).want(t, c.status, c.kind)
			if w.sink.count() != 0 {
				t.Error("the sink was told")
			}
		})
	}
}

func TestRFC7644_3_3_Uniqueness(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	for _, body := range []string{
		ottilie,
		`{"externalId": "E-4711"}`,
		`{"userName": "ottilie.brandt@EXAMPLE.com"}`, // userName is not case-exact
	} {
		w.do("POST", "/Users", body).want(t, 409, "uniqueness")
	}
	w.created(`{"externalId": "e-4711"}`) // externalId is
	if w.sink.count() != 2 {
		t.Errorf("the sink was told %d times, want 2", w.sink.count())
	}
	// The way out for one whose answer was lost.
	found := w.do("GET", "/Users?filter="+url.QueryEscape(`externalId eq "E-4711"`), "").want(t, 200, "")
	list, _ := found.body["Resources"].([]any)
	if len(list) != 1 || jsonOf(t, list[0]) != jsonOf(t, a.body) {
		t.Errorf("the filter finds %v", list)
	}
}

func TestRFC7643_Normal(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"2.1 names in any case",
			`{"USERNAME": "o@example.com", "EMAILS": [{"VALUE": "o@example.org", "Type": "home"}], "Name": {"GivenName": "O"}}`,
			`{"emails":[{"type":"home","value":"o@example.org"}],"name":{"givenName":"O"},"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"o@example.com"}`},
		{"3.3 extensions as they come, listed by what is there",
			`{"schemas": ["urn:example:hr:1.0:User", "urn:example:gone:1.0:User"], "externalId": "1", "urn:example:hr:1.0:User": {"HireDate": "2026-05-04", "onLeave": "False"}, "urn:IETF:params:scim:schemas:extension:Enterprise:2.0:user": {"COSTCENTER": "7"}}`,
			`{"externalId":"1","schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:example:hr:1.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"urn:example:hr:1.0:User":{"HireDate":"2026-05-04","onLeave":"False"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"costCenter":"7"}}`},
		{"2.5 null and empty are unassigned",
			`{"externalId": "1", "title": null, "emails": [], "name": {"givenName": null}, "x": {"y": null, "z": [null, 1]}}`,
			`{"externalId":"1","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"x":{"z":[1]}}`},
		{"3.1 id and meta are ours",
			`{"id": "mine", "Meta": {"version": "W/\"9\""}, "externalId": "1"}`,
			`{"externalId":"1","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
		{"numbers for texts", `{"externalId": 701984, "addresses": [{"postalCode": 10115}]}`,
			`{"addresses":[{"postalCode":"10115"}],"externalId":"701984","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
		{"ids are never rounded", `{"externalId": 12345678901234567890123}`,
			`{"externalId":"12345678901234567890123","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
		{"Entra booleans", `{"externalId": "1", "active": "False", "roles": [{"value": "a", "primary": "True"}]}`,
			`{"active":false,"externalId":"1","roles":[{"primary":true,"value":"a"}],"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
		{"a text for a manager", `{"externalId": "1", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": "E-17"}}`,
			`{"externalId":"1","schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"E-17"}}}`},
		{"one value for several", `{"externalId": "1", "emails": {"value": "o@example.org"}}`,
			`{"emails":[{"value":"o@example.org"}],"externalId":"1","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShapes()
			got, err := s.normal(parsed(t, c.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, jsonOf(t, got)); d != "" {
				t.Error(d)
			}
			again, err := s.normal(got)
			if err != nil || jsonOf(t, again) != jsonOf(t, got) {
				t.Errorf("normal of normal is another: %v %v", again, err)
			}
		})
	}
}

func TestPasswordsAreNeverStored(t *testing.T) {
	const secret = "correct-horse-battery"
	w := newWorld(t)
	body := `{"externalId": "1", "PassWord": "` + secret + `", "urn:x:1.0:User": {"password": "` + secret + `"}, "a": [{"b": {"Password": "` + secret + `"}}], "name": {"password": "` + secret + `"}, "emails": [{"value": "o@example.org", "password": "` + secret + `"}]}`
	a := w.created(body)
	at := "/Users/" + a.id()
	w.do("PUT", at, body).want(t, 200, "")
	for _, op := range []string{
		`{"op": "add", "path": "password", "value": "` + secret + `"}`,
		`{"op": "replace", "value": {"password": "` + secret + `", "urn:ietf:params:scim:schemas:core:2.0:User:PASSWORD": "` + secret + `"}}`,
		`{"op": "add", "path": "urn:x:1.0:User:password", "value": "` + secret + `"}`,
		`{"op": "add", "path": "emails[type eq \"work\"].password", "value": "` + secret + `"}`,
		`{"op": "add", "path": "emails[password eq \"` + secret + `\"].type", "value": "work"}`,
		`{"op": "add", "path": "pa\u017fsword", "value": "` + secret + `"}`,
	} {
		w.do("PATCH", at, patchOf("["+op+"]"))
	}
	w.do("POST", "/Bulk", `{"Operations": [{"method": "POST", "path": "/Users", "data": {"externalId": "2", "pa\u017fsword": "`+secret+`"}}]}`).want(t, 200, "")
	for _, told := range w.sink.all {
		if strings.Contains(jsonOf(t, told.resource), secret) {
			t.Errorf("the sink got it: %v", told.resource)
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(w.file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if suffix == "-wal" && !strings.Contains(string(b), "externalId") {
			t.Error("the test looks in the wrong place")
		}
		if strings.Contains(string(b), secret) {
			t.Errorf("the database%s has it", suffix)
		}
	}
}

func TestRFC7644_3_4_2_List(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for _, n := range []string{"1", "2", "3"} {
		ids = append(ids, w.created(`{"externalId": "`+n+`", "userName": "u`+n+`@example.com"}`).id())
	}
	for _, c := range []struct {
		query string
		total float64
		start float64
		want  []string
	}{
		{"", 3, 1, ids},
		{"startIndex=2", 3, 2, ids[1:]},
		{"startIndex=0&count=1", 3, 1, ids[:1]},
		{"startIndex=-4", 3, 1, ids},
		{"startIndex=3&count=5", 3, 3, ids[2:]},
		{"startIndex=9", 3, 9, nil},
		{"count=0", 3, 1, nil},
		{"count=-1", 3, 1, nil},
		{"attributes=userName", 3, 1, ids}, // ignored
		{`filter=externalId eq "2"`, 1, 1, ids[1:2]},
		{`filter=EXTERNALID EQ "2"`, 1, 1, ids[1:2]},
		{`filter=userName eq "U2@Example.com"`, 1, 1, ids[1:2]},
		{`filter=urn:ietf:params:scim:schemas:core:2.0:User:userName eq "u3@example.com"`, 1, 1, ids[2:]},
		{`filter=id eq "` + ids[0] + `"`, 1, 1, ids[:1]},
		{`filter=(id eq "` + ids[0] + `") and externalId eq "1" and userName eq "u1@example.com"`, 1, 1, ids[:1]},
		{`filter=id eq "` + ids[0] + `" and externalId eq "2"`, 0, 1, nil},
		{`filter=externalId eq "2" and userName eq "u3@example.com"`, 0, 1, nil},
		{`filter=externalId eq "2"&startIndex=2`, 1, 2, nil},
		{`filter=externalId eq "2"&count=0`, 1, 1, nil},
		{`filter=externalId eq "nobody"`, 0, 1, nil},
		{`filter=id eq "nobody"`, 0, 1, nil},
	} {
		t.Run(c.query, func(t *testing.T) {
			a := w.do("GET", "/Users?"+strings.NewReplacer(" ", "%20", `"`, "%22").Replace(c.query), "").want(t, 200, "")
			var got []string
			for _, r := range a.body["Resources"].([]any) {
				got = append(got, r.(map[string]any)["id"].(string))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if a.body["totalResults"] != c.total || a.body["startIndex"] != c.start || a.body["itemsPerPage"] != float64(len(c.want)) {
				t.Errorf("%v of %v from %v", a.body["itemsPerPage"], a.body["totalResults"], a.body["startIndex"])
			}
		})
	}
	for query, kind := range map[string]string{
		`filter=displayName eq "Ottilie"`:                          "invalidFilter",
		`filter=externalId co "Ottilie"`:                           "invalidFilter",
		`filter=externalId eq "Ottilie" or userName eq "Ottilie"`:  "invalidFilter",
		`filter=not (externalId eq "Ottilie")`:                     "invalidFilter",
		`filter=externalId eq 5`:                                   "invalidFilter",
		`filter=externalId eq "Ottilie`:                            "invalidFilter",
		`filter=emails[type eq "work"].value eq "Ottilie"`:         "invalidFilter",
		`filter=userName eq "Ottilie" and displayName eq "Brandt"`: "invalidFilter",
		`startIndex=Ottilie`:                                       "invalidValue",
	} {
		w.do("GET", "/Users?"+strings.NewReplacer(" ", "%20", `"`, "%22").Replace(query), "").want(t, 400, kind)
	}
}

func TestRFC7644_3_5_1_Replace(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	other := w.created(`{"externalId": "E-2", "userName": "two@example.com"}`)
	at := "/Users/" + a.id()
	b := w.do("PUT", at, `{"externalId": "E-4711", "active": false, "id": "mine"}`).want(t, 200, "")
	want := `{"active":false,"externalId":"E-4711","id":"` + a.id() + `","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`
	meta, _ := b.body["meta"].(map[string]any)
	if meta["version"] != `W/"2"` || meta["created"] != "2026-03-02T08:00:01Z" || meta["lastModified"] == meta["created"] {
		t.Errorf("meta %v", meta)
	}
	delete(b.body, "meta")
	if d := cmp.Diff(want, jsonOf(t, b.body)); d != "" {
		t.Error(d)
	}
	if got := w.sink.last(t); got.resource["active"] != false || got.deleted {
		t.Errorf("the sink got %v", got)
	}
	told := w.sink.count()
	w.do("PUT", at, `{"displayName": "Ottilie"}`).want(t, 400, "invalidValue")
	w.do("PUT", at, `{"externalId": "E-2"}`).want(t, 409, "uniqueness")
	w.do("PUT", at, `{"externalId": "E-4711", "userName": "TWO@example.com"}`).want(t, 409, "uniqueness")
	w.do("PUT", "/Users/"+uuid.NewString(), ottilie).want(t, 404, "")
	if w.sink.count() != told {
		t.Error("the sink was told of what was refused")
	}
	// An externalId that was given up may be taken.
	w.do("PUT", at, `{"externalId": "E-9"}`).want(t, 200, "")
	w.do("PUT", "/Users/"+other.id(), `{"externalId": "E-4711"}`).want(t, 200, "")
}

func TestRFC7644_3_5_2_NoChangeIsNoNewVersion(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	b := w.do("PATCH", "/Users/"+a.id(), patchOf(`[{"op": "add", "path": "emails", "value": [{"primary": true, "type": "home", "value": "ottilie@example.org"}]}]`)).want(t, 200, "")
	if d := cmp.Diff(a.body, b.body); d != "" {
		t.Error(d)
	}
	if w.sink.count() != 2 {
		t.Error("the sink was not told again") // it may have kept the first aside
	}
}

func TestRFC7644_3_6_Delete(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	at := "/Users/" + a.id()
	if b := w.do("DELETE", at, "").want(t, 204, ""); b.body != nil {
		t.Errorf("body %v", b.body)
	}
	got := w.sink.last(t)
	meta := got.resource["meta"].(map[string]any)
	if !got.deleted || got.resource["externalId"] != "E-4711" || meta["version"] != `W/"2"` || meta["lastModified"] == meta["created"] {
		t.Errorf("the sink got %v", got)
	}
	for _, method := range []string{"GET", "DELETE", "PUT", "PATCH"} {
		body := ""
		if method == "PUT" || method == "PATCH" {
			body = patchOf(`[{"op": "replace", "path": "title", "value": "x"}]`)[:1] + `"externalId": "E-4711", "Operations": [{"op": "replace", "path": "title", "value": "x"}]}`
		}
		w.do(method, at, body).want(t, 404, "")
	}
	if again := w.created(ottilie); again.id() == a.id() {
		t.Error("an id was given twice, RFC 7643 3.1")
	}
}

func TestRFC7644_3_14_Versions(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(ottilie).id()
	title := func(to string) string {
		return patchOf(`[{"op": "replace", "path": "title", "value": "` + to + `"}]`)
	}
	w.do("PATCH", at, title("a"), "If-Match", `W/"2"`).want(t, 412, "")
	w.do("PUT", at, ottilie, "If-Match", `W/"2"`).want(t, 412, "")
	w.do("DELETE", at, "", "If-Match", `W/"11"`).want(t, 412, "")
	if w.sink.count() != 1 {
		t.Error("the sink was told of what was refused")
	}
	w.do("PATCH", at, title("b"), "If-Match", `W/"7", W/"1"`).want(t, 200, "")
	w.do("PATCH", at, title("c"), "If-Match", `"2"`).want(t, 200, "")
	w.do("PATCH", at, title("d"), "If-Match", `*`).want(t, 200, "")
	a := w.do("GET", at, "", "If-None-Match", `W/"4"`).want(t, 304, "")
	if a.body != nil || a.header.Get("ETag") != `W/"4"` {
		t.Errorf("304 with %v %v", a.body, a.header)
	}
	w.do("GET", at, "", "If-None-Match", `W/"3"`).want(t, 200, "")
	w.do("DELETE", at, "", "If-Match", `W/"4"`).want(t, 204, "")
}

func TestRFC7644_3_12_Errors(t *testing.T) {
	w := newWorld(t)
	id := w.created(ottilie).id()
	for _, c := range []struct {
		method, path, body string
		head               []string
		status             int
	}{
		{"GET", "/", "", nil, 404},
		{"GET", "/v2", "", nil, 404},
		{"GET", "/Groups", "", nil, 404},
		{"GET", "/Me", "", nil, 404},
		{"GET", "/Users/" + id + "/name", "", nil, 404},
		{"GET", "/Users/nobody", "", nil, 404},
		{"GET", "/Users/%00%ff", "", nil, 404},
		{"GET", "/Users/urn:uuid:" + id, "", nil, 404},
		{"PUT", "/Users", ottilie, nil, 405},
		{"POST", "/Users/" + id, ottilie, nil, 405},
		{"GET", "/Bulk", "", nil, 405},
		{"POST", "/Schemas", "{}", nil, 405},
		{"POST", "/Users", "<x/>", []string{"Content-Type", "application/xml"}, 415},
		{"POST", "/Users", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"POST", "/Users", "{}", []string{"Content-Type", ";"}, 415},
	} {
		a := w.do(c.method, c.path, c.body, c.head...).want(t, c.status, "")
		if (a.header.Get("Allow") != "") != (c.status == 405) {
			t.Errorf("%s %s: Allow %q", c.method, c.path, a.header.Get("Allow"))
		}
		if d := cmp.Diff([]any{"urn:ietf:params:scim:api:messages:2.0:Error"}, a.body["schemas"]); d != "" {
			t.Error(d)
		}
	}
}

func TestPathsWithAndWithoutV2InAnyCase(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/v2/users", ottilie, "Content-Type", "application/json").want(t, 201, "")
	if got, want := a.header.Get("Location"), "https://firstpass.example.org/v1/scim/hr/v2/Users/"+a.id(); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	for _, path := range []string{"/Users/", "/users/", "/v2/Users/", "/V2/USERS/", "Users/"} {
		r, err := http.NewRequest("GET", "http://x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path = path + a.id()
		rep, err := w.h.route(nil, r)
		if err != nil || rep.status != 200 {
			t.Errorf("%s: %v %v", path, rep.status, err)
		}
	}
}

func TestRFC7644_4_Discovery(t *testing.T) {
	w := newWorld(t)
	config := w.do("GET", "/ServiceProviderConfig", "").want(t, 200, "").body
	for name, want := range map[string]any{
		"bulk":   map[string]any{"supported": true, "maxOperations": 1000.0, "maxPayloadSize": float64(256 << 10)},
		"patch":  map[string]any{"supported": true},
		"etag":   map[string]any{"supported": true},
		"filter": map[string]any{"supported": true, "maxResults": 100.0},
	} {
		if d := cmp.Diff(want, config[name]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for path, total := range map[string]float64{"/ResourceTypes": 1, "/v2/Schemas": 2} {
		a := w.do("GET", path, "").want(t, 200, "")
		if a.body["totalResults"] != total || len(a.body["Resources"].([]any)) != int(total) {
			t.Errorf("%s: %v", path, a.body)
		}
	}
	for path, id := range map[string]string{
		"/ResourceTypes/User":          "User",
		"/Schemas/" + schemaUser:       schemaUser,
		"/schemas/" + schemaEnterprise: schemaEnterprise,
		"/Schemas/" + fold(schemaUser): schemaUser,
	} {
		if a := w.do("GET", path, "").want(t, 200, ""); a.id() != id {
			t.Errorf("%s: %v", path, a.id())
		}
	}
	w.do("GET", "/Schemas/urn:x", "").want(t, 404, "")
	w.do("GET", "/ServiceProviderConfig/x", "").want(t, 404, "")
	w.do("GET", "/Schemas?filter=x", "").want(t, 403, "")
	if s := jsonOf(t, w.do("GET", "/Schemas", "").body); strings.Contains(s, "password") {
		t.Error("a schema offers to keep a password")
	}
}

func TestTimesOnlyGrow(t *testing.T) {
	h := Handler{cfg: Config{Now: func() time.Time { return time.Unix(100, 0) }}}
	if got, want := h.after(time.Unix(200, 0)), time.Unix(200, 0).Add(time.Millisecond); !got.Equal(want) {
		t.Errorf("after gives %v, want %v", got, want)
	}
	if got, want := h.after(time.Unix(99, 0)), time.Unix(100, 0); !got.Equal(want) {
		t.Errorf("after gives %v, want %v", got, want)
	}
}
