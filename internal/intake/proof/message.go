package proof

import (
	"errors"
	"slices"
	"strings"
)

// message is what an HR system signs: parts of the request and literals in the
// order given.
type message []part

type part struct {
	kind partKind
	text string // literal, a header's name, or a path in the JSON body
}

type partKind int

const (
	literal partKind = iota
	wholeBody
	headerValue
	jsonValue
	timestampText
)

// parseMessage reads a template of {body}, {header:NAME}, {json:a.b.c},
// {timestamp} and literals. Braces have no other use: no vendor signs one.
func parseMessage(s string) (message, error) {
	var out message
	for s != "" {
		text, rest, braced := strings.Cut(s, "{")
		if strings.Contains(text, "}") {
			return nil, errors.New("has a } without its {")
		}
		if text != "" {
			out = append(out, part{literal, text})
		}
		if !braced {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("has a { without its }")
		}
		p, err := parsePart(name)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
		s = after
	}
	if !slices.ContainsFunc(out, func(p part) bool { return p.kind != literal }) {
		return nil, errors.New("has nothing of the request in it; most vendors sign {body}")
	}
	return out, nil
}

func parsePart(name string) (part, error) {
	switch kind, text, _ := strings.Cut(name, ":"); {
	case name == "body":
		return part{kind: wholeBody}, nil
	case name == "timestamp":
		return part{kind: timestampText}, nil
	case kind == "header" && text != "" && !strings.ContainsAny(text, " :{"):
		return part{headerValue, text}, nil
	case kind == "json" && goodPath(text):
		return part{jsonValue, text}, nil
	}
	return part{}, errors.New("knows {body}, {header:NAME}, {json:a.b.c} and {timestamp} only")
}

// goodPath reports whether s is a path for tree.Lookup.
func goodPath(s string) bool {
	return !slices.Contains(strings.Split(s, "."), "") && !strings.Contains(s, "{")
}

func (m message) has(kind partKind) bool {
	return slices.ContainsFunc(m, func(p part) bool { return p.kind == kind })
}

func (m message) hasHeader(name string) bool {
	return slices.ContainsFunc(m, func(p part) bool {
		return p.kind == headerValue && strings.EqualFold(p.text, name)
	})
}

func (m message) hasField(path string) bool {
	return slices.Contains(m, part{jsonValue, path})
}

// compose puts the parts of r together.
func (m message) compose(r *reading) ([]byte, error) {
	var out []byte
	for _, p := range m {
		text := p.text
		var err error
		switch p.kind {
		case literal:
		case wholeBody:
			out = append(out, r.request.Body...)
			continue
		case headerValue:
			text, err = single(r.request.Header, p.text)
		case jsonValue:
			text, err = r.field(p.text)
		case timestampText:
			text = r.timestamp
		}
		if err != nil {
			return nil, err
		}
		out = append(out, text...)
	}
	return out, nil
}
