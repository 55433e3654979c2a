package scim

import (
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/ledger"
)

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "o@example.com"`, `not (a pr) and b.c ne 1.5 or (d sw "\u0041" and e eq true)`, `a eq null`, `emails[type eq "work"]`, `((((a pr`, `a eq "\`,
	} {
		f.Add(s)
	}
	element := map[string]any{"type": "work", "value": "x", "primary": true, "n": int64(1)}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseFilter(s)
		var bad *fault
		if err != nil {
			if !errors.As(err, &bad) || bad.kind != "invalidFilter" {
				t.Fatalf("error %v", err)
			}
			return
		}
		not := condition{op: "not", left: c}
		if c.matches(element) == not.matches(element) {
			t.Error("neither the filter nor its opposite holds")
		}
		c.matches("text")
		c.matches([]any{})
		if eq := c.equals(); eq != nil {
			if _, err := c.identifiers(); err != nil && !errors.As(err, &bad) {
				t.Errorf("error %v", err)
			}
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		"name.givenName", `emails[type eq "work"].value`, enterprise + ":manager.value", "urn:a:b:1.0:User", "urn:::", "urn:[", "$ref", "a[b pr]", "urn:x:1.0:User:a[b eq \"]\"].c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parsePath(s, []string{enterprise, schemaUser})
		if err != nil {
			var bad *fault
			if !errors.As(err, &bad) || bad.kind != "invalidPath" && bad.kind != "invalidFilter" {
				t.Fatalf("error %v", err)
			}
			return
		}
		if got.attr == "" && (got.urn == "" || got.filter != nil || got.sub != "") {
			t.Errorf("a path to nowhere: %+v", got)
		}
	})
}

// Whatever a PATCH says, the resource stays one: in normal form, with schemas
// that are its attributes', with id and meta, without a password, and what is
// stored reads back as what was told.
func FuzzPatch(f *testing.F) {
	f.Add(ottilie, `[{"op": "add", "path": "emails[type eq \"work\"].value", "value": "x"}]`)
	f.Add(ottilie, `[{"op": "Replace", "value": {"name.givenName": "x", "id": "y", "meta": 1, "schemas": []}}]`)
	f.Add(ottilie, `[{"op": "remove", "path": "`+enterprise+`"}, {"op": "remove", "path": "name"}]`)
	f.Add(`{"a": [1, [2], {"b": null}], "urn:x:1.0:User": {"c": ["d", {"value": {"e": 1}}]}}`, `[{"op": "add", "path": "urn:x:1.0:User:c", "value": {"value": {"e": 2}}}, {"op": "remove", "path": "a[value eq 1]"}]`)
	f.Add(`{"urn:x:1.0:User": "y", "m": {"value": {}}}`, `[{"op": "replace", "path": "m", "value": {"value": []}}, {"op": "add", "path": "urn:x:1.0:User", "value": {"z": 1}}]`)
	f.Add(`{}`, `[{"op": "add", "path": "a[password eq \"x\"].b", "value": {"PassWord": 1, "c": [{"password": 2}]}}]`)
	s := newShapes()
	f.Fuzz(func(t *testing.T, before, ops string) {
		in, ok := decoded(before).(map[string]any)
		if !ok {
			return
		}
		attrs, err := s.normal(in)
		if err != nil {
			return
		}
		doc, ok := decoded(`{"Operations": ` + ops + `}`).(map[string]any)
		if !ok {
			return
		}
		list, err := readPatch(doc)
		if err != nil {
			return
		}
		checkPatch(t, s, attrs, list)
	})
}

// The same with operations that mostly mean something.
func TestPatchProperties(t *testing.T) {
	names := []string{"title", "TITLE", "name", "name.givenName", "emails", "emails.value", "emails[type eq \"work\"]", "EMAILS[Type eq \"work\"].value",
		"roles[primary eq \"True\"].value", "roles[not (value pr)]", "x", "X.y", "x[value eq \"a\"].z", "x[z eq 1]", "password", "schemas", "active",
		"urn:x:1.0:User", "URN:x:1.0:user:a", "urn:x:1.0:User:a.b", "urn:x:1.0:User:a[value eq \"a\"]", "urn:y:a", enterprise, enterprise + ":manager", enterprise + ":manager.value"}
	var value *rapid.Generator[any]
	leaf := rapid.SampledFrom([]any{nil, true, "True", "", "a", "work", int64(1), 1.5, "bulkId:a"})
	object := rapid.Custom(func(t *rapid.T) any {
		m := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "size") {
			m[rapid.SampledFrom(append([]string{"value", "Value", "type", "primary", "a", "displayName", "Password"}, names...)).Draw(t, "name")] = value.Draw(t, "member")
		}
		return m
	})
	value = rapid.OneOf(leaf, leaf, rapid.Deferred(func() *rapid.Generator[any] { return object }), rapid.Custom(func(t *rapid.T) any {
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, value.Draw(t, "element"))
		}
		return list
	}))
	s := newShapes()
	applied := 0
	rapid.Check(t, func(rt *rapid.T) {
		attrs, err := s.normal(object.Draw(rt, "before").(map[string]any))
		if err != nil {
			rt.Skip()
		}
		var ops []operation
		for range rapid.IntRange(1, 4).Draw(rt, "operations") {
			ops = append(ops, operation{
				op:    rapid.SampledFrom([]string{"add", "replace", "remove"}).Draw(rt, "op"),
				path:  rapid.SampledFrom(append([]string{""}, names...)).Draw(rt, "path"),
				value: value.Draw(rt, "value"),
			})
		}
		if checkPatch(rt, s, attrs, ops) {
			applied++
		}
	})
	if applied == 0 {
		t.Error("no PATCH came through")
	}
}

// checkPatch applies list and reports whether that was possible.
func checkPatch(t rapid.TB, s shapes, attrs map[string]any, list []operation) bool {
	got, err := s.patch(attrs, list)
	if err != nil {
		var bad *fault
		if !errors.As(err, &bad) {
			t.Fatalf("error %v", err)
		}
		return false
	}
	body, err := encode(got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.normal(got)
	if err != nil {
		t.Fatalf("not in normal form: %v: %s", err, body)
	}
	if b, err := encode(again); err != nil || string(b) != string(body) {
		t.Fatalf("not in normal form: %s, but %s", body, b)
	}
	listed := map[string]bool{}
	for _, urn := range got["schemas"].([]any) {
		listed[fold(urn.(string))] = true
	}
	for name := range got {
		if extension(name) && !listed[fold(name)] {
			t.Errorf("schemas misses %s", name)
		}
		delete(listed, fold(name))
	}
	delete(listed, fold(schemaUser))
	if len(listed) > 0 {
		t.Errorf("schemas has too many: %v", listed)
	}
	if hasPassword(got) {
		t.Errorf("a password stayed: %s", body)
	}
	rec := record{Resource: ledger.Resource{ID: "it", Version: 7}, attrs: got}
	out := rec.render("")
	if meta, _ := out["meta"].(map[string]any); out["id"] != "it" || meta["version"] != etag(7) {
		t.Errorf("id and meta are lost: %v", out)
	}
	back, err := decodeStored(body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := encode(back); err != nil || string(b) != string(body) {
		t.Errorf("stored %s, read %s", body, b)
	}
	return true
}

// decoded reads what could have arrived; nil if it could not.
func decoded(s string) any {
	if !json.Valid([]byte(s)) {
		return nil
	}
	v, err := tree.Decode("", []byte(s), tree.DefaultLimits())
	if err != nil {
		return nil
	}
	return v
}

func hasPassword(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			if secret(name) || hasPassword(e) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if hasPassword(e) {
				return true
			}
		}
	}
	return false
}
