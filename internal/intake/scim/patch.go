package scim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

const schemaPatch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// maxChanges bounds the attributes one PATCH changes. Entra sends one operation
// an attribute, some dozens at most.
const maxChanges = 500

// maxElements bounds the lists that filters go through, and with maxChanges what
// a hostile PATCH costs.
const maxElements = 1000

// operation is one of a PATCH, RFC 7644 3.5.2.
type operation struct {
	op    string // add | remove | replace
	path  string
	value any // nil if none was given: null is no value (RFC 7643 2.5)
}

// readPatch takes a PATCH apart. Its names may be in any case.
func readPatch(doc map[string]any) ([]operation, error) {
	if err := message(doc, schemaPatch); err != nil {
		return nil, err
	}
	list, ok := doc[key(doc, "Operations")].([]any)
	if !ok || len(list) == 0 {
		return nil, bad("invalidSyntax", "the request has no Operations")
	}
	var ops []operation
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, bad("invalidSyntax", "an operation is not an object")
		}
		if !distinct(m) {
			return nil, twice()
		}
		op := operation{value: m[key(m, "value")]}
		name, _ := m[key(m, "op")].(string)
		switch op.op = fold(name); op.op { // Entra sends Add, Replace and Remove
		case "add", "remove", "replace":
		default:
			return nil, bad("invalidSyntax", "an operation is none of add, remove and replace")
		}
		if path := m[key(m, "path")]; path != nil {
			if op.path, ok = path.(string); !ok {
				return nil, bad("invalidPath", "a path is not a text")
			}
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// message refuses a body that says it is another message than urn.
func message(doc map[string]any, urn string) error {
	if !distinct(doc) {
		return twice()
	}
	listed, err := listedSchemas(doc)
	if err != nil {
		return err
	}
	if len(listed) > 0 && !slices.ContainsFunc(listed, func(s string) bool { return fold(s) == fold(urn) }) {
		return bad("invalidSyntax", "schemas does not hold "+urn)
	}
	return nil
}

// patch applies ops to attrs, which it changes, and returns the resource in
// normal form. After an error attrs is to be thrown away: all of a PATCH counts
// or nothing.
func (s shapes) patch(attrs map[string]any, ops []operation) (map[string]any, error) {
	p := patcher{shapes: s, attrs: attrs}
	for _, op := range ops {
		if err := p.apply(op); err != nil {
			return nil, err
		}
	}
	return s.normal(p.attrs)
}

type patcher struct {
	shapes
	attrs   map[string]any
	changes int
}

func (p *patcher) apply(op operation) error {
	path := strings.Trim(op.path, " ")
	if path != "" {
		t, err := parsePath(path, p.known())
		if err != nil {
			return err
		}
		if t.urn == "" && (fold(t.attr) == "id" || fold(t.attr) == "meta") {
			return bad("mutability", "id and meta can't be changed")
		}
		return p.set(op.op, t, op.value)
	}
	if op.op == "remove" {
		return bad("noTarget", "a remove operation has no path")
	}
	m, ok := op.value.(map[string]any)
	if !ok {
		return bad("invalidValue", "an operation without a path has no object as its value")
	}
	if !distinct(m) {
		return twice()
	}
	// In order, so that "name" comes before "name.givenName".
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch fold(name) {
		case "id", "meta":
			continue // clients send back what they were given; as with PUT, it does not count
		}
		t, err := parsePath(name, p.known())
		if err != nil {
			return err
		}
		if err := p.set(op.op, t, m[name]); err != nil {
			return err
		}
	}
	return nil
}

// known lists the schemas whose names the paths of this resource may have.
func (p *patcher) known() []string {
	urns := []string{schemaUser, schemaEnterprise}
	for name := range p.attrs {
		if extension(name) {
			urns = append(urns, name)
		}
	}
	// Longer ones first: one may begin like another.
	slices.SortFunc(urns, func(a, b string) int { return len(b) - len(a) })
	return urns
}

// set brings one value to one place. add and replace differ for lists only: a
// complex attribute keeps the sub-attributes that are not named (RFC 7644
// 3.5.2.3).
func (p *patcher) set(op string, t target, value any) error {
	if p.changes++; p.changes > maxChanges {
		return &fault{status: http.StatusRequestEntityTooLarge, detail: "the request changes too many attributes; send several"}
	}
	if t.urn == "" && fold(t.attr) == "schemas" {
		return nil // they follow from the attributes
	}
	// null is unassigned, RFC 7643 2.5.
	switch {
	case value == nil && op == "add":
		return nil
	case value == nil && op == "replace":
		op = "remove"
	}
	if t.attr == "" {
		return p.setExtension(op, t.urn, value)
	}
	in := p.attrs
	if t.urn != "" {
		k := key(p.attrs, t.urn)
		ext, ok := p.attrs[k].(map[string]any)
		if !ok {
			if p.attrs[k] != nil {
				return bad("invalidPath", "a path leads through a value that has no attributes")
			}
			if op == "remove" {
				return nil
			}
			ext = map[string]any{}
			p.attrs[k] = ext
		}
		in = ext
	}
	if err := setAttribute(in, p.attribute(t.urn, t.attr), op, t, value); err != nil {
		return err
	}
	if t.urn != "" && len(in) == 0 {
		delete(p.attrs, key(p.attrs, t.urn))
	}
	return nil
}

func (p *patcher) setExtension(op, urn string, value any) error {
	if op == "remove" {
		delete(p.attrs, key(p.attrs, urn))
		return nil
	}
	m, ok := value.(map[string]any)
	if !ok {
		return bad("invalidValue", "a schema is given something other than an object")
	}
	if !distinct(m) {
		return twice()
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		t, err := parsePath(name, nil)
		if err != nil {
			return err
		}
		if t.urn != "" {
			return wrongPath("it names a schema within another")
		}
		t.urn = urn
		if err := p.set(op, t, m[name]); err != nil {
			return err
		}
	}
	return nil
}

// setAttribute changes the attribute of in that t names. a is what is known of
// it, or nil.
func setAttribute(in map[string]any, a *attribute, op string, t target, value any) error {
	name := key(in, t.attr)
	old := in[name]
	put := func(v any) {
		if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
			delete(in, name)
			return
		}
		in[name] = v
	}
	if t.filter == nil && t.sub == "" {
		v, err := normalFor(a, value)
		if err != nil {
			return err
		}
		switch op {
		case "add":
			put(add(a, old, v))
		case "replace":
			put(replace(a, old, v))
		case "remove":
			put(removeValues(old, v))
		}
		return nil
	}
	var v any
	if op != "remove" {
		var err error
		if v, err = normalPart(a, t, value); err != nil {
			return err
		}
		if v == nil && op == "add" {
			return nil
		}
		if v == nil {
			op = "remove"
		}
	}
	list, isList := old.([]any)
	if t.filter == nil && !isList && (a == nil || !a.multi) { // attr.sub of a complex attribute
		m, ok := old.(map[string]any)
		if !ok {
			if old != nil {
				return bad("invalidPath", "a path leads through a value that has no attributes")
			}
			m = map[string]any{}
		}
		setSub(m, op, t.sub, v)
		if len(m) == 0 {
			put(nil)
			return nil
		}
		put(m)
		return nil
	}
	if !isList && old != nil {
		list = []any{old}
	}
	list, err := setElements(a, list, op, t, v)
	if err != nil {
		return err
	}
	put(list)
	return nil
}

// normalPart is normalFor the element or sub-attribute that t names.
func normalPart(a *attribute, t target, value any) (any, error) {
	if t.sub != "" {
		if a != nil {
			a = find(a.subs, t.sub)
		}
		return normalFor(a, value)
	}
	v, err := normalFor(a, value)
	if list, ok := v.([]any); ok {
		if len(list) != 1 {
			return nil, bad("invalidValue", "one element of a list is given several values")
		}
		v = list[0]
	}
	return v, err
}

// setElements changes those elements of a multi-valued attribute that t's filter
// matches; all, if it has none.
func setElements(a *attribute, list []any, op string, t target, v any) ([]any, error) {
	if len(list) > maxElements {
		return nil, bad("tooMany", "an attribute has too many values to filter them")
	}
	out := make([]any, 0, len(list)+1)
	var hit []int // in out
	matched := false
	for _, e := range list {
		if t.filter != nil && !t.filter.matches(e) {
			out = append(out, e)
			continue
		}
		matched = true
		e, keep, err := setElement(a, e, op, t.sub, v)
		if err != nil {
			return nil, err
		}
		if keep {
			hit = append(hit, len(out))
			out = append(out, e)
		}
	}
	if !matched && op != "remove" {
		made := map[string]any{}
		if t.filter != nil {
			if made = t.filter.equals(); !plain(made) {
				return nil, bad("noTarget", "the filter of a path matches nothing")
			}
		}
		e, keep, err := setElement(a, made, "add", t.sub, v)
		if err != nil {
			return nil, err
		}
		if keep {
			hit = append(hit, len(out))
			out = append(out, e)
		}
	}
	if op != "remove" {
		onePrimary(out, hit)
	}
	return out, nil
}

// plain reports whether a filter's equals make an element.
func plain(equals map[string]any) bool {
	for name := range equals {
		if _, rest := takeName(name); rest != "" {
			return false
		}
	}
	return equals != nil
}

// setElement returns e as op makes it, and whether it stays at all.
func setElement(a *attribute, e any, op, sub string, v any) (any, bool, error) {
	m, isMap := e.(map[string]any)
	switch {
	case op == "remove" && sub == "":
		return nil, false, nil
	case sub == "": // the element as a whole
		if op == "add" && isMap {
			given, ok := v.(map[string]any)
			if !ok {
				given = map[string]any{"value": v}
			}
			e = merge(m, given)
		} else {
			e = v
		}
	case !isMap && fold(sub) == "value": // a simple element is its own value
		if op == "remove" {
			return nil, false, nil
		}
		e = v
	case !isMap:
		return nil, false, bad("invalidPath", "a path leads through a value that has no attributes")
	default:
		setSub(m, op, sub, v)
		e = m
	}
	var err error
	if a != nil {
		e, err = normalOne(a, e)
	} else {
		e, err = normalAny(e)
	}
	if m, ok := e.(map[string]any); ok && len(m) == 0 {
		e = nil
	}
	return e, e != nil, err
}

func setSub(m map[string]any, op, sub string, v any) {
	k := key(m, sub)
	switch {
	case op == "remove" || v == nil:
		delete(m, k)
	case op == "add":
		m[k] = add(nil, m[k], v)
	default:
		m[k] = v
	}
}

// normalFor is normalValue where something is known of the attribute. What a
// remove is to take away passes through it too.
func normalFor(a *attribute, v any) (any, error) {
	if a == nil {
		return normalAny(v)
	}
	return normalValue(a, v)
}

// add returns old with v added: new elements of a list, sub-attributes of an
// object, else v.
func add(a *attribute, old, v any) any {
	if v == nil { // an empty list
		return old
	}
	list, isList := old.([]any)
	more, areMore := v.([]any)
	if isList || areMore && old != nil || a != nil && a.multi {
		if !isList && old != nil {
			list = []any{old}
		}
		if !areMore {
			more = []any{v}
		}
		return union(list, more)
	}
	return replace(a, old, v)
}

// union appends to list what it does not hold yet.
func union(list, more []any) []any {
	out := slices.Clone(list)
	held := map[string]bool{}
	for _, e := range list {
		held[form(e)] = true
	}
	var hit []int
	for _, e := range more {
		if f := form(e); !held[f] {
			held[f] = true
			hit = append(hit, len(out))
			out = append(out, e)
		}
	}
	onePrimary(out, hit)
	return out
}

// form is equal for equal values.
func form(v any) string {
	b, err := encode(v)
	if err != nil {
		return "" // can't be: trees are JSON
	}
	return string(b)
}

// replace returns what stands in the place of old: sub-attributes that are not
// named stay, RFC 7644 3.5.2.3, unless the value is another one.
func replace(a *attribute, old, v any) any {
	was, ok := old.(map[string]any)
	now, both := v.(map[string]any)
	if !ok || !both || a != nil && a.multi {
		return v
	}
	if had, has := was["value"], now["value"]; had != nil && has != nil && form(had) != form(has) {
		return v // another manager: the name of the last one goes too
	}
	return merge(was, now)
}

// merge returns a new object: was, with the members of now.
func merge(was, now map[string]any) map[string]any {
	out := maps.Clone(was)
	for name, v := range now {
		out[key(out, name)] = v
	}
	return out
}

// removeValues takes the given elements from a list; everything if none are
// given. Entra removes single values like this, though RFC 7644 wants a filter.
func removeValues(old, given any) any {
	list, ok := old.([]any)
	if !ok || given == nil {
		return nil
	}
	gone, ok := given.([]any)
	if !ok {
		gone = []any{given}
	}
	forms := map[string]bool{}
	for _, g := range gone {
		forms[identity(g)] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(e any) bool {
		return forms[identity(e)] || forms[form(e)]
	})
}

// identity is what makes an element: its value, if it has one.
func identity(e any) string {
	if m, ok := e.(map[string]any); ok {
		if v, ok := m[key(m, "value")]; ok {
			return form(v)
		}
	}
	return form(e)
}

// onePrimary keeps at most one element primary: the last of those just set
// (RFC 7644 3.5.2).
func onePrimary(list []any, hit []int) {
	primary := -1
	for _, i := range hit {
		if m, ok := list[i].(map[string]any); ok && m[key(m, "primary")] == true {
			primary = i
		}
	}
	if primary < 0 {
		return
	}
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok || i == primary || m[key(m, "primary")] != true {
			continue
		}
		m = maps.Clone(m)
		m[key(m, "primary")] = false
		list[i] = m
	}
}
