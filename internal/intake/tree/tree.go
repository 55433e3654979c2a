// Package tree turns what HR systems write into trees of one shape: nil, bool,
// string, int64, float64, []any and map[string]any. Expressions see the same
// tree whatever the body was written in.
//
// Every decoder is strict: a text with two readings is refused, because what
// was checked and what is mapped must be the same. Errors say what is wrong and
// where, and quote nothing: they reach logs.
package tree

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
)

// Limits bound what a body may unfold to.
type Limits struct {
	Depth int // of nesting
	Nodes int // values, keyed or listed, attributes included
}

// DefaultLimits returns limits that no page of an HR system comes near: depth
// 64 and 200 000 nodes.
func DefaultLimits() Limits { return Limits{Depth: 64, Nodes: 200_000} }

var (
	errEmpty = errors.New("the body is empty")
	errUTF8  = errors.New("the body is not UTF-8")
)

func (l Limits) tooDeep() error {
	return fmt.Errorf("the body nests deeper than %d levels", l.Depth)
}

func (l Limits) tooMany() error {
	return fmt.Errorf("the body holds more than %d values", l.Nodes)
}

// Decode reads a body as its media type says: a form, XML, and JSON. HR systems
// send both under many names and under none: a body whose type says neither is
// XML if it begins like it, else JSON. A byte order mark is dropped.
func Decode(contentType string, body []byte, l Limits) (any, error) {
	body, marked := bytes.CutPrefix(body, []byte("\xef\xbb\xbf"))
	// A broken parameter leaves the type readable, and a broken type is unknown.
	kind, params, _ := mime.ParseMediaType(contentType)
	switch {
	case kind == "application/x-www-form-urlencoded":
		return decodeForm(body, l)
	case kind == "application/xml", kind == "text/xml", strings.HasSuffix(kind, "+xml"):
		charset := params["charset"]
		if marked {
			charset = "utf-8" // goes before all else (RFC 7303, 3)
		}
		return decodeXML(charset, body, l)
	}
	if !strings.HasSuffix(kind, "json") && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("<")) {
		return decodeXML(params["charset"], body, l)
	}
	return decodeJSON(body, l)
}

// Lookup follows a path such as a.b.0.c through maps and lists. Keys that have
// a dot themselves can't be reached.
func Lookup(tree any, path string) (any, bool) {
	for step := range strings.SplitSeq(path, ".") {
		switch t := tree.(type) {
		case map[string]any:
			v, ok := t[step]
			if !ok {
				return nil, false
			}
			tree = v
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || strconv.Itoa(i) != step || i < 0 || i >= len(t) {
				return nil, false
			}
			tree = t[i]
		default:
			return nil, false
		}
	}
	return tree, true
}
