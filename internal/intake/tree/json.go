package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errJSON      = errors.New("not JSON")
	errSurrogate = errors.New("half a character (a lone surrogate)")
)

// decodeJSON reads exactly one value (RFC 8259). Three things that encoding/json
// lets pass are refused: invalid UTF-8 and lone surrogates, which it replaces
// silently so that two names become one, and a key that an object has twice.
// Programs differ in which of the two they take, so whoever signed or checked
// the document may have read another one than we map.
func decodeJSON(body []byte, l Limits) (any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errEmpty
	}
	if !utf8.Valid(body) {
		return nil, errUTF8
	}
	if err := scanJSON(body, l); err != nil {
		return nil, err
	}
	if err := checkSyntax(body); err != nil {
		return nil, err
	}
	r := jsonReader{body: body}
	return r.value()
}

// scanJSON checks limits and surrogates in one pass that allocates nothing, so
// that a bomb costs no more than its bytes. What is no JSON it may take; that
// is found later.
func scanJSON(body []byte, l Limits) error {
	// Each comma parts two values and each bracket opens one that may hold one
	// more, so nodes is never below the true number.
	depth, nodes, quoted := 0, 1, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			n, err := escape(body[i:])
			if err != nil {
				return fmt.Errorf("%w at byte %d", err, i)
			}
			i += n - 1
		case quoted:
		case c == '{' || c == '[':
			depth++
			nodes++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			nodes++
		}
		if depth > l.Depth {
			return l.tooDeep()
		}
		if nodes > l.Nodes {
			return l.tooMany()
		}
	}
	return nil
}

// escape returns the length of the escape that s begins with, both halves of a
// surrogate pair included.
func escape(s []byte) (int, error) {
	r, ok := escapedRune(s)
	if !ok || !utf16.IsSurrogate(r) {
		return 2, nil // \uXXXX too: what follows are plain characters
	}
	low, ok := escapedRune(s[6:])
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return 0, errSurrogate
	}
	return 12, nil
}

// escapedRune reads \uXXXX.
func escapedRune(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	return rune(v), err == nil
}

func checkSyntax(body []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax): // its text quotes a character
		return fmt.Errorf("not JSON: wrong from byte %d on", syntax.Offset)
	case err != nil:
		return errJSON
	}
	return nil
}

// jsonReader builds the tree of a body whose syntax and limits are good. Reading
// it by json.Decoder's tokens, the only other way to see keys twice, takes ten
// times as long.
type jsonReader struct {
	body []byte
	at   int
}

// next passes over blanks, commas and colons, which good syntax has where they
// belong, and returns the byte it stands on.
func (r *jsonReader) next() byte {
	for {
		switch c := r.body[r.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			r.at++
		default:
			return c
		}
	}
}

func (r *jsonReader) value() (any, error) {
	switch r.next() {
	case '{':
		return r.object()
	case '[':
		return r.list()
	case '"':
		return r.text()
	case 't':
		r.at += len("true")
		return true, nil
	case 'f':
		r.at += len("false")
		return false, nil
	case 'n':
		r.at += len("null")
		return nil, nil
	}
	start := r.at
	for r.at < len(r.body) && strings.IndexByte("+-.0123456789eE", r.body[r.at]) >= 0 {
		r.at++
	}
	if r.at == start {
		return nil, errJSON // can't be, but would never end
	}
	return number(string(r.body[start:r.at])), nil
}

func (r *jsonReader) list() (any, error) {
	out := []any{}
	for r.at++; r.next() != ']'; {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	r.at++
	return out, nil
}

func (r *jsonReader) object() (any, error) {
	out := map[string]any{}
	for r.at++; r.next() != '}'; {
		at := r.at
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("an object has a key twice, the second time at byte %d", at)
		}
		if out[key], err = r.value(); err != nil {
			return nil, err
		}
	}
	r.at++
	return out, nil
}

func (r *jsonReader) text() (string, error) {
	start, escaped := r.at, false
	for r.at++; r.body[r.at] != '"'; r.at++ {
		if r.body[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	if !escaped {
		return string(r.body[start+1 : r.at-1]), nil
	}
	var s string
	if err := json.Unmarshal(r.body[start:r.at], &s); err != nil {
		return "", errJSON
	}
	return s, nil
}

// number returns an int64 where that is exact, the text of an integer that is
// too large for one, else a float64. Ids are thus never rounded.
func number(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if strings.ContainsAny(s, ".eE") {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return s
}
