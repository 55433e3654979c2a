package scim

import "strings"

// target is where a PATCH operation points.
type target struct {
	urn    string     // of the extension; empty for the core
	attr   string     // empty for the extension as a whole
	filter *condition // or nil
	sub    string     // or empty
}

const pathLength = 2048 // bytes

// parsePath reads a path of RFC 7644 3.5.2: attr, attr.sub, attr[filter],
// attr[filter].sub, each with or without the URN of a schema before it, or a URN
// alone. The URNs in known are recognised; of others the last colon ends the
// URN, unless it stands after a version number, as in …:2.0:User.
func parsePath(s string, known []string) (target, error) {
	var t target
	if len(s) > pathLength {
		return t, wrongPath("it is too long")
	}
	s = strings.Trim(s, " ")
	if whole := s; extension(s) {
		t.urn, s = splitURN(s, known)
		if strings.EqualFold(t.urn, schemaUser) {
			t.urn = ""
			if s == "" {
				return t, wrongPath("it names the core schema as a whole")
			}
		}
		if t.urn != "" && s == "" && !strings.HasSuffix(whole, ":") {
			return t, nil
		}
	}
	t.attr, s = takeName(s)
	if t.attr == "" {
		return t, wrongPath("an attribute is missing")
	}
	if strings.HasPrefix(s, "[") {
		p, err := newFilterParser(s[1:])
		if err != nil {
			return t, err
		}
		if t.filter, err = p.or(); err != nil {
			return t, err
		}
		if !p.sign(']') {
			return t, wrongPath("a bracket is missing")
		}
		s = p.rest
	}
	if strings.HasPrefix(s, ".") {
		t.sub, s = takeName(s[1:])
		if t.sub == "" {
			return t, wrongPath("a sub-attribute is missing")
		}
	}
	if s != "" {
		return t, wrongPath("something follows its end")
	}
	return t, nil
}

func wrongPath(why string) error { return bad("invalidPath", "a path can't be read: "+why) }

// takeName takes an attribute name, RFC 7643 2.1, or $ref.
func takeName(s string) (name, rest string) {
	n := 0
	for n < len(s) {
		c := s[n]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (n != 0 || c != '$' && c != '_') && (n == 0 || (c < '0' || c > '9') && strings.IndexByte("$-_", c) < 0) {
			break
		}
		n++
	}
	return s[:n], s[n:]
}

// splitURN parts the URN of a schema from the path after it.
func splitURN(s string, known []string) (urn, rest string) {
	head, _, _ := strings.Cut(s, "[")
	for _, k := range known {
		if strings.EqualFold(head, k) {
			return k, s[len(head):]
		}
		if n := len(k); len(head) > n && head[n] == ':' && strings.EqualFold(head[:n], k) {
			return k, s[n+1:]
		}
	}
	last := strings.LastIndexByte(head, ':')
	if before := head[:last]; version(before[strings.LastIndexByte(before, ':')+1:]) {
		return head, s[len(head):]
	}
	return s[:last], s[last+1:]
}

// version reports whether s is like 2.0.
func version(s string) bool {
	major, minor, ok := strings.Cut(s, ".")
	return ok && digits(major) && digits(minor)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
