package scim

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	filterLength = 1024 // bytes
	filterDepth  = 16   // of parentheses and not
)

// condition is a node of a filter, RFC 7644 3.4.2.2: and, or and not over
// comparisons.
type condition struct {
	op          string // and or not eq ne co sw ew pr
	left, right *condition
	attr        string
	value       any // text, float64, bool or nil
}

// parseFilter reads a filter of RFC 7644. gt, ge, lt, le and filters within
// filters are refused: no client of ours needs them.
func parseFilter(s string) (*condition, error) {
	p, err := newFilterParser(s)
	if err != nil {
		return nil, err
	}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.rest != "" {
		return nil, p.wrong("something follows its end")
	}
	return c, nil
}

// filterParser descends over what is left of a filter.
type filterParser struct {
	rest  string
	depth int
}

func newFilterParser(s string) (*filterParser, error) {
	p := &filterParser{rest: s}
	if len(s) > filterLength {
		return nil, p.wrong("it is too long")
	}
	if !utf8.ValidString(s) {
		return nil, p.wrong("it is not UTF-8")
	}
	return p, nil
}

func (p *filterParser) wrong(why string) error {
	return bad("invalidFilter", "the filter can't be read: "+why)
}

func (p *filterParser) blanks() { p.rest = strings.TrimLeft(p.rest, " ") }

// word takes the characters of an attribute path, an operator or a number.
func (p *filterParser) word() string {
	p.blanks()
	n := 0
	for n < len(p.rest) && isWord(p.rest[n]) {
		n++
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("._-:$+", c) >= 0
}

// keyword takes w if it is next.
func (p *filterParser) keyword(w string) bool {
	before := p.rest
	if strings.EqualFold(p.word(), w) {
		return true
	}
	p.rest = before
	return false
}

func (p *filterParser) sign(c byte) bool {
	p.blanks()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *filterParser) or() (*condition, error) { return p.chain("or", p.and) }

func (p *filterParser) and() (*condition, error) { return p.chain("and", p.one) }

func (p *filterParser) chain(op string, next func() (*condition, error)) (*condition, error) {
	c, err := next()
	for err == nil && p.keyword(op) {
		var right *condition
		right, err = next()
		c = &condition{op: op, left: c, right: right}
	}
	return c, err
}

func (p *filterParser) one() (*condition, error) {
	if p.depth++; p.depth > filterDepth {
		return nil, p.wrong("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.sign('(') {
		c, err := p.or()
		if err == nil && !p.sign(')') {
			err = p.wrong("a parenthesis is missing")
		}
		return c, err
	}
	attr := p.word()
	if strings.EqualFold(attr, "not") {
		c, err := p.one()
		return &condition{op: "not", left: c}, err
	}
	if attr == "" {
		return nil, p.wrong("an attribute is missing")
	}
	c := &condition{attr: coreName(attr), op: strings.ToLower(p.word())}
	switch c.op {
	case "pr":
		return c, nil
	case "eq", "ne", "co", "sw", "ew":
		var err error
		c.value, err = p.value()
		return c, err
	}
	return nil, p.wrong("it has an operator other than eq, ne, co, sw, ew and pr")
}

// value takes a JSON text, number or literal.
func (p *filterParser) value() (any, error) {
	p.blanks()
	if strings.HasPrefix(p.rest, `"`) {
		end := 1
		for end < len(p.rest) && p.rest[end] != '"' {
			if p.rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(p.rest) {
			return nil, p.wrong("a text has no end")
		}
		var text string
		if json.Unmarshal([]byte(p.rest[:end+1]), &text) != nil {
			return nil, p.wrong("a text is no JSON")
		}
		p.rest = p.rest[end+1:]
		return text, nil
	}
	switch w := p.word(); strings.ToLower(w) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	default:
		f, err := strconv.ParseFloat(w, 64)
		if err != nil || w[0] > '9' || w[0] == '+' {
			return nil, p.wrong("a value is missing or has no quotes")
		}
		return f, nil
	}
}

// coreName takes the URN of the core schema off a name: both forms name the
// same attribute (RFC 7644 3.10).
func coreName(name string) string {
	if n := len(schemaUser); len(name) > n+1 && strings.EqualFold(name[:n], schemaUser) && name[n] == ':' {
		return name[n+1:]
	}
	return name
}

// matches reports whether an element of a multi-valued attribute meets c. A
// simple element is its own value (RFC 7644 3.5.2).
func (c *condition) matches(element any) bool {
	switch c.op {
	case "and":
		return c.left.matches(element) && c.right.matches(element)
	case "or":
		return c.left.matches(element) || c.right.matches(element)
	case "not":
		return !c.left.matches(element)
	}
	v := element
	if m, ok := element.(map[string]any); ok {
		v = m[key(m, c.attr)]
	} else if fold(c.attr) != "value" {
		v = nil
	}
	switch c.op {
	case "pr":
		return v != nil && v != ""
	case "eq":
		return sameValue(v, c.value)
	case "ne":
		return !sameValue(v, c.value)
	}
	have, ok := v.(string)
	want, wanted := c.value.(string)
	if !ok || !wanted {
		return false
	}
	have, want = fold(have), fold(want)
	switch c.op {
	case "co":
		return strings.Contains(have, want)
	case "sw":
		return strings.HasPrefix(have, want)
	case "ew":
		return strings.HasSuffix(have, want)
	}
	return false
}

// sameValue compares as RFC 7643 2.2 does for what no schema calls case-exact.
// A text may stand for a boolean: Entra asks for roles[primary eq "True"].
func sameValue(have, want any) bool {
	switch w := want.(type) {
	case nil:
		return have == nil
	case bool:
		if t, ok := have.(string); ok {
			return fold(t) == strconv.FormatBool(w)
		}
		return have == w
	case string:
		switch h := have.(type) {
		case string:
			return fold(h) == fold(w)
		case bool:
			return fold(w) == strconv.FormatBool(h)
		}
	case float64:
		switch h := have.(type) {
		case int64:
			return float64(h) == w
		case float64:
			return h == w
		}
	}
	return false
}

// equals returns the attributes and values that c asks for if it consists of
// eq and and alone; else nil.
func (c *condition) equals() map[string]any {
	switch c.op {
	case "eq":
		return map[string]any{c.attr: c.value}
	case "and":
		left, right := c.left.equals(), c.right.equals()
		if left == nil || right == nil {
			return nil
		}
		for name, v := range right {
			if had, ok := left[key(left, name)]; ok && !sameValue(had, v) {
				return nil // nothing is equal to both
			}
			left[key(left, name)] = v
		}
		return left
	}
	return nil
}
