package intake

import (
	"errors"
	"net/http"
	"strings"
)

// message is what an HR system signs: parts of the request and literals in the
// order given.
type message []part

type part struct {
	kind partKind
	text string // literal, or a header's name
}

type partKind int

const (
	literal partKind = iota
	wholeBody
	headerValue
)

// parseMessage reads a template of {body}, {header:NAME} and literals. Braces
// have no other use: no vendor signs one.
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
		switch header, isHeader := strings.CutPrefix(name, "header:"); {
		case name == "body":
			out = append(out, part{kind: wholeBody})
		case isHeader && header != "" && !strings.ContainsAny(header, " :{"):
			out = append(out, part{headerValue, header})
		default:
			return nil, errors.New("knows {body} and {header:NAME} only")
		}
		s = after
	}
	for _, p := range out {
		if p.kind == wholeBody {
			return out, nil
		}
	}
	return nil, errors.New("lacks {body}")
}

// covers reports whether the value of header is part of the message.
func (m message) covers(header string) bool {
	for _, p := range m {
		if p.kind == headerValue && strings.EqualFold(p.text, header) {
			return true
		}
	}
	return false
}

func (m message) compose(h http.Header, body []byte) ([]byte, error) {
	var out []byte
	for _, p := range m {
		switch p.kind {
		case literal:
			out = append(out, p.text...)
		case wholeBody:
			out = append(out, body...)
		case headerValue:
			v, err := single(h, p.text)
			if err != nil {
				return nil, err
			}
			out = append(out, v...)
		}
	}
	return out, nil
}
