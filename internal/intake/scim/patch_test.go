package scim

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// Each case gives what the resource is before and after, without schemas.
func TestRFC7644_3_5_2_Patch(t *testing.T) {
	for _, c := range []struct{ name, before, ops, after string }{
		{"add an attribute",
			`{}`, `[{"op": "add", "path": "title", "value": "Binder"}]`, `{"title":"Binder"}`},
		{"add to a list, without duplicates",
			`{"emails": [{"type": "home", "value": "o@example.org"}]}`,
			`[{"op": "add", "path": "emails", "value": [{"value": "o@example.org", "TYPE": "home"}, {"value": "o@example.com", "type": "work"}]}]`,
			`{"emails":[{"type":"home","value":"o@example.org"},{"type":"work","value":"o@example.com"}]}`},
		{"add one value to a list",
			`{"emails": [{"value": "o@example.org"}]}`, `[{"op": "add", "path": "emails", "value": {"value": "o@example.com"}}]`,
			`{"emails":[{"value":"o@example.org"},{"value":"o@example.com"}]}`},
		{"add to a list of an extension",
			`{"urn:example:hr:1.0:User": {"units": ["a"]}}`, `[{"op": "add", "path": "urn:example:hr:1.0:User:Units", "value": ["a", "b"]}]`,
			`{"urn:example:hr:1.0:User":{"units":["a","b"]}}`},
		{"add a second value to a single one of an extension, as a list",
			`{"urn:example:hr:1.0:User": {"units": "a"}}`, `[{"op": "add", "path": "urn:example:hr:1.0:User:units", "value": ["b"]}]`,
			`{"urn:example:hr:1.0:User":{"units":["a","b"]}}`},
		{"a new primary takes over",
			`{"emails": [{"value": "o@example.org", "primary": true}]}`, `[{"op": "add", "path": "emails", "value": [{"value": "o@example.com", "primary": "True"}]}]`,
			`{"emails":[{"primary":false,"value":"o@example.org"},{"primary":true,"value":"o@example.com"}]}`},
		{"add a sub-attribute",
			`{"name": {"givenName": "O"}}`, `[{"op": "add", "path": "Name.FamilyName", "value": "Brandt"}]`,
			`{"name":{"familyName":"Brandt","givenName":"O"}}`},
		{"add a sub-attribute of what is not there",
			`{}`, `[{"op": "add", "path": "name.familyName", "value": "Brandt"}]`, `{"name":{"familyName":"Brandt"}}`},
		{"add a sub-attribute to every value of a list",
			`{"emails": [{"value": "a@example.org"}, {"value": "b@example.org"}]}`, `[{"op": "add", "path": "emails.type", "value": "home"}]`,
			`{"emails":[{"type":"home","value":"a@example.org"},{"type":"home","value":"b@example.org"}]}`},
		{"add merges a complex attribute",
			`{"name": {"givenName": "O", "familyName": "B"}}`, `[{"op": "add", "path": "name", "value": {"familyName": "Brandt"}}]`,
			`{"name":{"familyName":"Brandt","givenName":"O"}}`},
		{"replace keeps the sub-attributes that are not named",
			`{"name": {"givenName": "O", "familyName": "B"}}`, `[{"op": "replace", "path": "name", "value": {"FAMILYNAME": "Brandt"}}]`,
			`{"name":{"familyName":"Brandt","givenName":"O"}}`},
		{"replace a list",
			`{"emails": [{"value": "a@example.org"}, {"value": "b@example.org"}]}`, `[{"op": "replace", "path": "emails", "value": [{"value": "c@example.org"}]}]`,
			`{"emails":[{"value":"c@example.org"}]}`},
		{"replace by an empty list",
			`{"title": "x", "emails": [{"value": "a@example.org"}]}`, `[{"op": "replace", "path": "emails", "value": []}]`, `{"title":"x"}`},
		{"replace by null",
			`{"title": "x"}`, `[{"op": "replace", "path": "title", "value": null}]`, `{}`},
		{"add null",
			`{"title": "x"}`, `[{"op": "add", "path": "title", "value": null}, {"op": "add", "path": "emails[type eq \"work\"].value"}]`, `{"title":"x"}`},
		{"replace what a filter finds",
			`{"emails": [{"type": "work", "value": "a@example.org"}, {"type": "home", "value": "b@example.org"}]}`,
			`[{"op": "replace", "path": "emails[TYPE eq \"Work\"].value", "value": "c@example.org"}]`,
			`{"emails":[{"type":"work","value":"c@example.org"},{"type":"home","value":"b@example.org"}]}`},
		{"replace a whole value that a filter finds",
			`{"emails": [{"type": "work", "value": "a@example.org", "primary": true}]}`,
			`[{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"type": "home", "value": "c@example.org"}}]`,
			`{"emails":[{"type":"home","value":"c@example.org"}]}`},
		{"add to a whole value that a filter finds",
			`{"emails": [{"type": "work", "value": "a@example.org"}]}`,
			`[{"op": "add", "path": "emails[type eq \"work\"]", "value": [{"DISPLAY": "x"}]}]`,
			`{"emails":[{"display":"x","type":"work","value":"a@example.org"}]}`},
		{"make primary by a filter",
			`{"emails": [{"type": "work", "primary": true}, {"type": "home"}]}`,
			`[{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]`,
			`{"emails":[{"primary":false,"type":"work"},{"primary":true,"type":"home"}]}`},
		{"remove an attribute", `{"title": "x", "nickName": "y"}`, `[{"op": "remove", "path": "TITLE"}]`, `{"nickName":"y"}`},
		{"remove what is not there", `{"title": "x"}`, `[{"op": "remove", "path": "nickName"}, {"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "urn:x:1.0:User:a"}]`, `{"title":"x"}`},
		{"remove a sub-attribute", `{"name": {"givenName": "O", "familyName": "B"}}`, `[{"op": "remove", "path": "name.givenName"}]`, `{"name":{"familyName":"B"}}`},
		{"remove the last sub-attribute", `{"name": {"givenName": "O"}}`, `[{"op": "remove", "path": "name.givenName"}]`, `{}`},
		{"remove what a filter finds",
			`{"emails": [{"type": "work", "value": "a@example.org"}, {"type": "home", "value": "b@example.org"}]}`,
			`[{"op": "remove", "path": "emails[type eq \"work\" and value ew \"EXAMPLE.org\"]"}]`,
			`{"emails":[{"type":"home","value":"b@example.org"}]}`},
		{"remove all that a filter finds",
			`{"emails": [{"type": "work"}]}`, `[{"op": "remove", "path": "emails[not (type eq \"home\") and (type pr or value pr)]"}]`, `{}`},
		{"remove a sub-attribute of what a filter finds",
			`{"emails": [{"type": "work", "value": "a@example.org"}]}`, `[{"op": "remove", "path": "emails[value sw \"A@\"].type"}]`,
			`{"emails":[{"value":"a@example.org"}]}`},
		{"remove from a list of texts",
			`{"urn:example:hr:1.0:User": {"units": ["a", "b"]}}`, `[{"op": "remove", "path": "urn:example:hr:1.0:User:units[value eq \"a\"]"}]`,
			`{"urn:example:hr:1.0:User":{"units":["b"]}}`},
		{"replace in a list of texts",
			`{"urn:example:hr:1.0:User": {"units": ["a", "b"], "sites": ["a"]}}`,
			`[{"op": "replace", "path": "urn:example:hr:1.0:User:units[value eq \"a\"]", "value": "c"}, {"op": "replace", "path": "urn:example:hr:1.0:User:units[value eq \"b\"].value", "value": "d"}, {"op": "remove", "path": "urn:example:hr:1.0:User:sites.value"}]`,
			`{"urn:example:hr:1.0:User":{"units":["c","d"]}}`},
		{"remove texts by naming them",
			`{"urn:example:hr:1.0:User": {"units": ["a", "b"]}}`, `[{"op": "remove", "path": "urn:example:hr:1.0:User:units", "value": "a"}]`,
			`{"urn:example:hr:1.0:User":{"units":["b"]}}`},
		{"add a text to what a filter finds",
			`{"x": [{"type": "a"}]}`, `[{"op": "add", "path": "x[type eq \"a\"]", "value": "b"}]`, `{"x":[{"type":"a","value":"b"}]}`},
		{"the last sub-attribute of the only value",
			`{"emails": [{"value": "a@example.org"}]}`, `[{"op": "remove", "path": "emails.value"}]`, `{}`},
		{"replace by what says nothing",
			`{"title": "x", "emails": [{"type": "work"}]}`, `[{"op": "replace", "path": "emails[type eq \"work\"]", "value": {}}]`, `{"title":"x"}`},
		{"extension attribute",
			`{"` + enterprise + `": {"department": "a"}}`, `[{"op": "replace", "path": "` + enterprise + `:Department", "value": "b"}]`,
			`{"` + enterprise + `":{"department":"b"}}`},
		{"extension that is not there yet, in another case",
			`{}`, `[{"op": "add", "path": "` + strings.ToUpper(enterprise) + `:department", "value": "b"}]`,
			`{"` + enterprise + `":{"department":"b"}}`},
		{"unknown extension, known by its version",
			`{}`, `[{"op": "add", "path": "urn:example:hr:1.0:User", "value": {"hireDate": "2026-05-04"}}, {"op": "replace", "path": "URN:example:hr:1.0:user:HIREDATE", "value": "2026-06-01"}]`,
			`{"urn:example:hr:1.0:User":{"hireDate":"2026-06-01"}}`},
		{"remove an extension",
			`{"title": "x", "` + enterprise + `": {"department": "a"}}`, `[{"op": "remove", "path": "` + enterprise + `"}]`, `{"title":"x"}`},
		{"remove the last attribute of an extension",
			`{"title": "x", "` + enterprise + `": {"department": "a"}}`, `[{"op": "remove", "path": "` + enterprise + `:department"}]`, `{"title":"x"}`},
		{"core schema before the name",
			`{}`, `[{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "value": "O"}]`, `{"name":{"givenName":"O"}}`},
		{"several operations, in order",
			`{"title": "a"}`, `[{"op": "replace", "path": "title", "value": "b"}, {"op": "remove", "path": "title"}, {"op": "add", "path": "title", "value": "c"}]`, `{"title":"c"}`},
		{"no path, id and meta are passed over",
			`{"title": "a"}`, `[{"op": "replace", "value": {"id": "x", "META": {"version": "9"}, "schemas": ["y"], "title": "b"}}]`, `{"title":"b"}`},
		{"schemas follow from the attributes",
			`{"title": "a"}`, `[{"op": "remove", "path": "schemas"}, {"op": "add", "path": "schemas", "value": ["urn:x:1.0:User"]}]`, `{"title":"a"}`},

		// Microsoft Entra.
		{"Entra: op in capitals, active as a text",
			`{"active": true}`, `[{"op": "Replace", "path": "active", "value": "False"}]`, `{"active":false}`},
		{"Entra: active without a path",
			`{"active": true}`, `[{"op": "replace", "value": {"active": "False"}}]`, `{"active":false}`},
		{"Entra: add by a filter that finds nothing",
			`{}`, `[{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "o@example.com"}, {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "DE"}]`,
			`{"addresses":[{"country":"DE","type":"work"}],"emails":[{"type":"work","value":"o@example.com"}]}`},
		{"Entra: replace by a filter that finds nothing, beside another value",
			`{"emails": [{"type": "home", "value": "o@example.org"}]}`, `[{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "o@example.com"}]`,
			`{"emails":[{"type":"home","value":"o@example.org"},{"type":"work","value":"o@example.com"}]}`},
		{"Entra: roles by primary as a text",
			`{"roles": [{"primary": true, "value": "a"}]}`,
			`[{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "b"}, {"op": "Add", "path": "roles[primary eq \"False\"].value", "value": "c"}]`,
			`{"roles":[{"primary":true,"value":"b"},{"primary":false,"value":"c"}]}`},
		{"Entra: dotted and URN names without a path",
			`{"name": {"givenName": "O"}}`,
			`[{"op": "Add", "value": {"displayName": "OB", "name.familyName": "Brandt", "emails[type eq \"work\"].value": "o@example.com", "` + enterprise + `:department": "Bindery", "` + enterprise + `:manager.value": "E-17", "` + enterprise + `": {"costCenter": "7", "manager.displayName": "R"}}}]`,
			`{"displayName":"OB","emails":[{"type":"work","value":"o@example.com"}],"name":{"familyName":"Brandt","givenName":"O"},"` + enterprise + `":{"costCenter":"7","department":"Bindery","manager":{"displayName":"R","value":"E-17"}}}`},
		{"Entra: a manager as a text, with the old one's name",
			`{"` + enterprise + `": {"manager": {"value": "E-17", "displayName": "R"}}}`, `[{"op": "Add", "path": "` + enterprise + `:manager", "value": "E-18"}]`,
			`{"` + enterprise + `":{"manager":{"value":"E-18"}}}`},
		{"Entra: a manager taken away by an empty text",
			`{"title": "x", "` + enterprise + `": {"manager": {"value": "E-17"}}}`, `[{"op": "Replace", "path": "` + enterprise + `:manager", "value": ""}]`,
			`{"title":"x"}`},
		{"Entra: remove one value by naming it",
			`{"roles": [{"value": "a", "display": "A"}, {"value": "b"}]}`, `[{"op": "Remove", "path": "roles", "value": [{"value": "a"}]}]`, `{"roles":[{"value":"b"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := patched(t, c.before, c.ops)
			if err != nil {
				t.Fatal(err)
			}
			schemas := jsonOf(t, got["schemas"])
			if d := cmp.Diff(jsonOf(t, schemasOf(nil, got)), schemas); d != "" {
				t.Errorf("schemas: %s", d)
			}
			delete(got, "schemas")
			if d := cmp.Diff(c.after, jsonOf(t, got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func patched(t *testing.T, before, ops string) (map[string]any, error) {
	t.Helper()
	s := newShapes()
	attrs, err := s.normal(parsed(t, before))
	if err != nil {
		t.Fatal(err)
	}
	list, err := readPatch(parsed(t, patchOf(ops)))
	if err != nil {
		return nil, err
	}
	return s.patch(attrs, list)
}

func TestRFC7644_3_5_2_PatchRefused(t *testing.T) {
	const before = `{"title": "x", "l": ["y"], "emails": [{"type": "home", "value": "o@example.org"}], "urn:x:1.0:User": {"a": "b"}}`
	many := strings.TrimSuffix(strings.Repeat(`{"op": "add", "path": "title", "value": "Ottilie"},`, maxChanges+1), ",")
	for _, c := range []struct{ name, ops, kind string }{
		{"no operations", `[]`, "invalidSyntax"},
		{"operations of another type", `"Ottilie"`, "invalidSyntax"},
		{"operation of another type", `["Ottilie"]`, "invalidSyntax"},
		{"op missing", `[{"path": "title", "value": "Ottilie"}]`, "invalidSyntax"},
		{"op unknown", `[{"op": "move", "path": "title"}]`, "invalidSyntax"},
		{"op twice", `[{"op": "add", "OP": "remove", "path": "title"}]`, "invalidSyntax"},
		{"path of another type", `[{"op": "add", "path": 1, "value": "Ottilie"}]`, "invalidPath"},
		{"id", `[{"op": "replace", "path": "ID", "value": "Ottilie"}]`, "mutability"},
		{"meta", `[{"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:User:meta.version"}]`, "mutability"},
		{"remove without path", `[{"op": "remove", "value": {"title": "Ottilie"}}]`, "noTarget"},
		{"no path and no object", `[{"op": "add", "value": "Ottilie"}]`, "invalidValue"},
		{"one name twice", `[{"op": "add", "value": {"title": "Ottilie", "Title": "y"}}]`, "invalidSyntax"},
		{"one name twice in an extension", `[{"op": "add", "path": "urn:x:1.0:User", "value": {"a": "Ottilie", "A": "y"}}]`, "invalidSyntax"},
		{"one name twice in a value", `[{"op": "add", "path": "emails[type eq \"home\"]", "value": {"display": "Ottilie", "Display": "y"}}]`, "invalidSyntax"},
		{"filter finds nothing and makes nothing", `[{"op": "replace", "path": "emails[type ne \"home\"].value", "value": "Ottilie"}]`, "noTarget"},
		{"filter finds nothing and can't hold", `[{"op": "add", "path": "emails[type eq \"a\" and type eq \"b\"].value", "value": "Ottilie"}]`, "noTarget"},
		{"filter on a name within", `[{"op": "add", "path": "emails[type.x eq \"a\"].value", "value": "Ottilie"}]`, "noTarget"},
		{"through a text", `[{"op": "add", "path": "urn:x:1.0:User:a.b", "value": "Ottilie"}]`, "invalidPath"},
		{"through a text in a list", `[{"op": "add", "path": "l.b", "value": "Ottilie"}]`, "invalidPath"},
		{"core schema as a whole", `[{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User", "value": {}}]`, "invalidPath"},
		{"extension is a text", `[{"op": "add", "path": "urn:x:1.0:User", "value": "Ottilie"}]`, "invalidValue"},
		{"schema within a schema", `[{"op": "add", "path": "urn:x:1.0:User", "value": {"urn:y:1.0:User": {"a": "Ottilie"}}}]`, "invalidPath"},
		{"wrong type", `[{"op": "add", "path": "active", "value": "Ottilie"}]`, "invalidValue"},
		{"several for one", `[{"op": "replace", "path": "emails[type eq \"home\"]", "value": [{"value": "Ottilie"}, {"value": "y"}]}]`, "invalidValue"},
		{"unfinished path", `[{"op": "add", "path": "emails[type eq \"Ottilie\"", "value": "y"}]`, "invalidPath"},
		{"too many changes", "[" + many + "]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := patched(t, before, c.ops)
			var f *fault
			if !errors.As(err, &f) || f.kind != c.kind {
				t.Fatalf("error %v, want %s", err, c.kind)
			}
			if strings.Contains(f.detail, canary) {
				t.Errorf("the detail quotes the request: %s", f.detail)
			}
		})
	}
}

func TestPatchIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	at := "/Users/" + a.id()
	w.do("PATCH", at, patchOf(`[{"op": "replace", "path": "active", "value": false}, {"op": "replace", "path": "id", "value": "x"}]`)).want(t, 400, "mutability")
	w.do("PATCH", at, patchOf(`[{"op": "remove", "path": "userName"}, {"op": "remove", "path": "externalId"}]`)).want(t, 400, "invalidValue")
	w.do("PATCH", at, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": []}`).want(t, 400, "invalidSyntax")
	w.do("PATCH", at, `{"Operations": [{"op": "remove", "path": "userName"}], "operations": [{"op": "remove", "path": "title"}]}`).want(t, 400, "invalidSyntax")
	if b := w.do("GET", at, ""); cmp.Diff(a.body, b.body) != "" || w.sink.count() != 1 {
		t.Errorf("something of a refused PATCH stayed, or was told: %v", b.body)
	}
}

func TestPatchKeepsKeysInStep(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	w.do("PATCH", "/Users/"+a.id(), patchOf(`[{"op": "Replace", "path": "username", "value": "new@example.com"}, {"op": "Add", "path": "ExternalID", "value": "E-5"}]`)).want(t, 200, "")
	for filter, want := range map[string]float64{
		`externalId%20eq%20%22E-5%22`:                      1,
		`externalId%20eq%20%22E-4711%22`:                   0,
		`userName%20eq%20%22NEW@example.com%22`:            1,
		`userName%20eq%20%22ottilie.brandt@example.com%22`: 0,
	} {
		if got := w.do("GET", "/Users?filter="+filter, "").body["totalResults"]; got != want {
			t.Errorf("%s: %v, want %v", filter, got, want)
		}
	}
}

// What a PATCH may cost is bounded, whatever is stored.
func TestPatchOfALongList(t *testing.T) {
	var list []string
	for i := range maxElements + 1 {
		list = append(list, fmt.Sprintf(`{"value": "%d"}`, i))
	}
	_, err := patched(t, `{"emails": [`+strings.Join(list, ",")+`]}`, `[{"op": "remove", "path": "emails[value eq \"1\"]"}]`)
	var f *fault
	if !errors.As(err, &f) || f.kind != "tooMany" {
		t.Errorf("error %v, want tooMany", err)
	}
}

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		path                   string
		urn, attr, filter, sub string
	}{
		{"title", "", "title", "", ""},
		{" name.givenName ", "", "name", "", "givenName"},
		{`members[value eq "a]b\"c"].$ref`, "", "members", `a]b"c`, "$ref"},
		{`emails[type eq "x" and (primary eq "y")]`, "", "emails", "x", ""},
		{enterprise, enterprise, "", "", ""},
		{enterprise + ":manager.value", enterprise, "manager", "", "value"},
		{strings.ToLower(enterprise) + ":manager", enterprise, "manager", "", ""},
		{"urn:ietf:params:scim:schemas:core:2.0:User:userName", "", "userName", "", ""},
		{"urn:a:b:1.0:User", "urn:a:b:1.0:User", "", "", ""},
		{"urn:a:b:1.0:User:c_d-e", "urn:a:b:1.0:User", "c_d-e", "", ""},
		{`urn:a:b:1.0:User:list[x eq "urn:y:2.0:z"].w`, "urn:a:b:1.0:User", "list", "urn:y:2.0:z", "w"},
		{"urn:known", "urn:known", "", "", ""},
		{"urn:known:x", "urn:known", "x", "", ""},
		{"urn:a:b", "urn:a", "b", "", ""},
	} {
		got, err := parsePath(c.path, []string{enterprise, schemaUser, "urn:known"})
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		filter := ""
		for f := got.filter; f != nil; f = f.left {
			filter, _ = f.value.(string)
		}
		if got.urn != c.urn || got.attr != c.attr || filter != c.filter || got.sub != c.sub {
			t.Errorf("%s: %+v with filter %q", c.path, got, filter)
		}
	}
	for _, path := range []string{
		"", " ", ".", "a.", ".a", "a.b.c", "a[", "a[]", "a[b]", `a[b eq "c"`, `a[b eq "c"]d`, `a[b eq "c"].`, "a b", "1a", "a[b eq c]",
		"ä", "urn:", "urn:a:", "urn:a:1b", schemaUser, strings.Repeat("a", pathLength+1), "a[b eq \"\xff\"]",
	} {
		if got, err := parsePath(path, nil); err == nil {
			t.Errorf("%q is a path: %+v", path, got)
		}
	}
}
