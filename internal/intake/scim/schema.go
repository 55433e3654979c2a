package scim

import "strings"

const (
	schemaUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	schemaEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// attribute is what we know of an attribute, RFC 7643 section 7.
type attribute struct {
	name   string
	kind   string // string | boolean | complex | reference
	multi  bool
	exact  bool // caseExact
	unique bool // within the source
	subs   []attribute
}

type schema struct {
	urn, name, about string
	attributes       []attribute
}

// userSchema is the core User of RFC 7643 4.1. password is left out: it is
// never kept. It serves discovery and gives names their canonical case.
func userSchema() schema {
	s := schema{urn: schemaUser, name: "User", about: "An employee", attributes: []attribute{
		{name: "userName", kind: "string", unique: true},
		{name: "externalId", kind: "string", exact: true, unique: true},
		{name: "name", kind: "complex", subs: texts("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")},
		{name: "profileUrl", kind: "reference"},
		{name: "active", kind: "boolean"},
		values("emails"), values("phoneNumbers"), values("ims"), values("photos"),
		{name: "addresses", kind: "complex", multi: true, subs: append(
			texts("formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"),
			attribute{name: "primary", kind: "boolean"})},
		values("groups"), values("entitlements"), values("roles"), values("x509Certificates"),
	}}
	s.attributes = append(s.attributes, texts("displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone")...)
	return s
}

// enterpriseSchema is that of RFC 7643 4.3.
func enterpriseSchema() schema {
	return schema{urn: schemaEnterprise, name: "EnterpriseUser", about: "What an organisation knows of an employee",
		attributes: append(
			texts("employeeNumber", "costCenter", "organization", "division", "department"),
			attribute{name: "manager", kind: "complex", subs: []attribute{
				{name: "value", kind: "string"},
				{name: "$ref", kind: "reference", exact: true},
				{name: "displayName", kind: "string"},
			}})}
}

func texts(names ...string) []attribute {
	var as []attribute
	for _, n := range names {
		as = append(as, attribute{name: n, kind: "string"})
	}
	return as
}

// values is a multi-valued attribute with the sub-attributes of RFC 7643 2.4.
func values(name string) attribute {
	return attribute{name: name, kind: "complex", multi: true, subs: append(
		texts("value", "display", "type"),
		attribute{name: "primary", kind: "boolean"},
		attribute{name: "$ref", kind: "reference", exact: true})}
}

// fold gives two names one form if they differ in case only (RFC 7643 2.1:
// attribute names and schema URIs are case-insensitive).
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// find returns the attribute of as with this name, or nil.
func find(as []attribute, name string) *attribute {
	name = fold(name)
	for i := range as {
		if fold(as[i].name) == name {
			return &as[i]
		}
	}
	return nil
}

// extension says whether the name of an attribute is that of a schema: its
// value holds that schema's attributes (RFC 7643 3.3).
func extension(name string) bool { return strings.HasPrefix(fold(name), "urn:") }

// key returns the name under which m has the attribute, if in another case;
// name itself if m has it not.
func key(m map[string]any, name string) string {
	if _, ok := m[name]; ok {
		return name
	}
	want := fold(name)
	for k := range m {
		if fold(k) == want {
			return k
		}
	}
	return name
}
