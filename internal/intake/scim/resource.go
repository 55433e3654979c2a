package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/ledger"
)

// record is a resource with its attributes at hand. The attributes hold
// neither id nor meta: those are ours, and no client reaches them.
type record struct {
	ledger.Resource
	attrs map[string]any
}

// shapes knows the attributes of RFC 7643. All others are kept as they come.
type shapes struct {
	user, enterprise schema
}

func newShapes() shapes { return shapes{user: userSchema(), enterprise: enterpriseSchema()} }

// attribute returns what is known of an attribute; urn is empty for the core.
func (s shapes) attribute(urn, name string) *attribute {
	switch {
	case urn == "":
		return find(s.user.attributes, name)
	case fold(urn) == fold(schemaEnterprise):
		return find(s.enterprise.attributes, name)
	}
	return nil
}

// normal returns a resource in the form that is kept: known attributes in
// their canonical case and type, nothing unassigned (RFC 7643 2.5: null), no
// password, no id and meta, and schemas as the attributes are. Normal of
// normal changes nothing. Its errors are faults.
func (s shapes) normal(in map[string]any) (map[string]any, error) {
	if !distinct(in) {
		return nil, twice()
	}
	listed, err := listedSchemas(in)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, v := range in {
		switch fold(name) {
		case "id", "meta", "schemas":
			continue
		case fold(schemaEnterprise):
			name = schemaEnterprise
		}
		var a *attribute
		if extension(name) {
			v, err = s.normalExtension(name, v)
		} else if a = s.attribute("", name); a != nil {
			name = a.name
			v, err = normalValue(a, v)
		} else {
			v, err = normalAny(v)
		}
		if err != nil {
			return nil, err
		}
		if v != nil && !secret(name) {
			out[name] = v
		}
	}
	for _, name := range []string{"userName", "externalId"} {
		if err := identifier(out, name); err != nil {
			return nil, err
		}
	}
	out["schemas"] = schemasOf(listed, out)
	return out, nil
}

func (s shapes) normalExtension(urn string, v any) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return normalAny(v)
	}
	return normalMembers(m, func(name string) *attribute { return s.attribute(urn, name) })
}

// normalMembers is normal for the members of an extension or a complex value.
// known finds the attribute of a name, nil for none. nil means unassigned.
func normalMembers(m map[string]any, known func(name string) *attribute) (any, error) {
	if !distinct(m) {
		return nil, twice()
	}
	out := map[string]any{}
	for name, v := range m {
		var err error
		if a := known(name); a != nil {
			name = a.name
			v, err = normalValue(a, v)
		} else {
			v, err = normalAny(v)
		}
		if err != nil {
			return nil, err
		}
		if v != nil && !secret(name) {
			out[name] = v
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// normalValue is normal for the value of a known attribute. nil means
// unassigned.
func normalValue(a *attribute, v any) (any, error) {
	if !a.multi {
		return normalOne(a, v)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := []any{}
	for _, e := range list {
		e, err := normalOne(a, e)
		if err != nil {
			return nil, err
		}
		if e != nil {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func normalOne(a *attribute, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		switch {
		case a.kind == "boolean":
			// Entra sends "True" and "False" unless told not to
			// (learn.microsoft.com, application-provisioning-config-problem-scim-compatibility).
			switch fold(v) {
			case "true":
				return true, nil
			case "false":
				return false, nil
			case "":
				return nil, nil
			}
		case a.kind == "complex" && v == "":
			return nil, nil // Entra takes a manager away like this
		case a.kind == "complex" && find(a.subs, "value") != nil:
			return map[string]any{"value": v}, nil // and names one like this
		case a.kind != "complex":
			return v, nil
		}
		return nil, bad("invalidValue", a.name+" has a value of another type")
	case bool:
		if a.kind == "boolean" {
			return v, nil
		}
	case map[string]any:
		if a.kind != "complex" {
			break
		}
		return normalMembers(v, func(name string) *attribute { return find(a.subs, name) })
	case int64:
		if a.kind == "string" {
			return strconv.FormatInt(v, 10), nil // a number where RFC 7643 has a text: ids, postal codes
		}
	}
	return nil, bad("invalidValue", a.name+" has a value of another type")
}

// normalAny is normal for what no schema of ours describes: names and values
// stay, but for what is unassigned, and passwords.
func normalAny(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if !distinct(v) {
			return nil, twice()
		}
		out := map[string]any{}
		for name, v := range v {
			v, err := normalAny(v)
			if err != nil {
				return nil, err
			}
			if v != nil && !secret(name) {
				out[name] = v
			}
		}
		return out, nil
	case []any:
		out := []any{}
		for _, e := range v {
			e, err := normalAny(e)
			if err != nil {
				return nil, err
			}
			if e != nil {
				out = append(out, e)
			}
		}
		return out, nil
	}
	return v, nil
}

// distinct reports whether the names of m differ in more than case.
func distinct(m map[string]any) bool {
	seen := make(map[string]bool, len(m))
	for name := range m {
		seen[fold(name)] = true
	}
	return len(seen) == len(m)
}

func secret(name string) bool { return fold(name) == "password" }

// twice refuses an object with one attribute in two cases: which of them
// counts would depend on who reads it.
func twice() *fault {
	return bad("invalidSyntax", "an object names one attribute twice, in different case")
}

// identifier drops an empty identifier: it identifies nobody.
func identifier(attrs map[string]any, name string) error {
	v, ok := attrs[name]
	if !ok {
		return nil
	}
	if text, ok := v.(string); !ok {
		return bad("invalidValue", name+" is not a text")
	} else if strings.TrimSpace(text) == "" {
		delete(attrs, name)
	}
	return nil
}

func listedSchemas(in map[string]any) ([]string, error) {
	v := in[key(in, "schemas")]
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, bad("invalidValue", "schemas is not a list")
	}
	var out []string
	for _, e := range list {
		text, ok := e.(string)
		if !ok {
			return nil, bad("invalidValue", "schemas holds something other than texts")
		}
		out = append(out, text)
	}
	return out, nil
}

// schemasOf gives the schemas that define the attributes present (RFC 7643 3):
// the core, those of listed whose attributes are there, in their order, and
// what the client forgot to list. The name of an extension is spelt as its key.
func schemasOf(listed []string, attrs map[string]any) []any {
	out := []any{schemaUser}
	done := map[string]bool{fold(schemaUser): true}
	add := func(urn string) {
		k := key(attrs, urn)
		if _, ok := attrs[k]; ok && !done[fold(k)] {
			done[fold(k)] = true
			out = append(out, k)
		}
	}
	for _, urn := range listed {
		if extension(urn) {
			add(urn)
		}
	}
	var rest []string
	for k := range attrs {
		if extension(k) {
			rest = append(rest, k)
		}
	}
	slices.Sort(rest)
	for _, urn := range rest {
		add(urn)
	}
	return out
}

// identified refuses a resource that nobody could find again.
func identified(attrs map[string]any) error {
	if text(attrs, "externalId") == "" && text(attrs, "userName") == "" {
		return bad("invalidValue", "the resource has neither externalId nor userName")
	}
	return nil
}

func text(attrs map[string]any, name string) string {
	t, _ := attrs[name].(string)
	return t
}

// etag is the weak version of RFC 7644 3.14.
func etag(version int) string { return `W/"` + strconv.Itoa(version) + `"` }

// render returns the resource as clients and the Sink see it; without a
// location if that is empty.
func (r record) render(location string) map[string]any {
	out := make(map[string]any, len(r.attrs)+2)
	for k, v := range r.attrs {
		out[k] = v
	}
	out["id"] = r.ID
	meta := map[string]any{
		"resourceType": "User",
		"created":      r.Created.UTC().Format(time.RFC3339Nano),
		"lastModified": r.Modified.UTC().Format(time.RFC3339Nano),
		"version":      etag(r.Version),
	}
	if location != "" {
		meta["location"] = location
	}
	out["meta"] = meta
	return out
}

// encode is JSON with the keys in order, so that equal trees give equal bytes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("scim: the resource can't be written: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// decodeStored reads what encode wrote. Its limits are wider than those for
// what arrives, since a PATCH may put a value some levels deeper than it came.
func decodeStored(body []byte) (map[string]any, error) {
	v, err := tree.Decode("application/json", body, tree.Limits{Depth: 1000, Nodes: len(body) + 1})
	if err != nil {
		return nil, fmt.Errorf("scim: a stored resource can't be read: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("scim: a stored resource is no object")
	}
	return m, nil
}
