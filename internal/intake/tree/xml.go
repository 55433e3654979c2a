package tree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/charmap"
)

var (
	errXML       = errors.New("not XML")
	errDirective = errors.New("XML with a DTD, entities or processing instructions is refused")
	errCharset   = errors.New("XML in a charset other than UTF-8, ISO-8859-1 and windows-1252 is refused")
	errAttribute = errors.New("an XML element has two attributes of one name")
	errRoot      = errors.New("not XML: want exactly one root element")
)

// decodeXML turns elements into maps, so that <a><b x="1">t</b></a> is
// {"a": {"b": {"@x": "1", "#text": "t"}}}:
//
//   - children go by their local name, attributes by @ and their local name;
//     namespaces and their declarations are dropped;
//   - an element with nothing but text is that text, without the blanks around
//     it that indenting leaves; an empty one is "";
//   - the text of an element that has attributes or children is its #text;
//   - children of one name are a list. One alone is no list, since nothing in
//     XML says that there may be more; expressions that expect several write
//     type(item.a) == list ? item.a : [item.a].
//
// charset is the media type's and goes before the declaration (RFC 7303, 3.2).
func decodeXML(charset string, body []byte, l Limits) (any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errEmpty
	}
	// encoding/xml reads a whole tag at once, so the number of attributes has to
	// be bounded before.
	if bytes.Count(body, []byte("<"))/2 > l.Nodes || bytes.Count(body, []byte("=")) > l.Nodes {
		return nil, l.tooMany()
	}
	var in io.Reader = bytes.NewReader(body)
	if charset != "" {
		var err error
		if in, err = toUTF8(charset, in); err != nil {
			return nil, err
		}
	}
	x := &xmlReader{limits: l, decoder: xml.NewDecoder(in)}
	x.decoder.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if charset == "" {
			return toUTF8(label, in)
		}
		return in, nil
	}
	return x.document()
}

func toUTF8(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "utf-8", "utf8", "us-ascii":
		return in, nil
	case "iso-8859-1", "latin1", "latin-1":
		return charmap.ISO8859_1.NewDecoder().Reader(in), nil
	case "windows-1252", "cp1252":
		return charmap.Windows1252.NewDecoder().Reader(in), nil
	}
	return nil, errCharset
}

type xmlReader struct {
	limits  Limits
	nodes   int
	decoder *xml.Decoder
}

// document reads the root element and nothing but comments around it.
func (x *xmlReader) document() (any, error) {
	var root map[string]any
	for first := true; ; first = false {
		t, err := x.decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && root != nil:
			return root, nil
		case errors.Is(err, io.EOF):
			return nil, errRoot
		case err != nil:
			return nil, xmlError(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errRoot
			}
			v, err := x.element(t, 1)
			if err != nil {
				return nil, err
			}
			root = map[string]any{t.Name.Local: v}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errRoot
			}
		case xml.ProcInst:
			if t.Target != "xml" || !first {
				return nil, errDirective
			}
		case xml.Directive:
			return nil, errDirective
		}
	}
}

func (x *xmlReader) element(start xml.StartElement, depth int) (any, error) {
	x.nodes += 1 + len(start.Attr)
	switch {
	case depth > x.limits.Depth:
		return nil, x.limits.tooDeep()
	case x.nodes > x.limits.Nodes:
		return nil, x.limits.tooMany()
	}
	out, err := attributes(start)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for {
		t, err := x.decoder.Token()
		if err != nil {
			return nil, xmlError(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			v, err := x.element(t, depth+1)
			if err != nil {
				return nil, err
			}
			add(out, t.Name.Local, v)
		case xml.CharData: // comments between two of them part nothing
			text.Write(t)
		case xml.EndElement:
			content := strings.Trim(text.String(), " \t\r\n")
			if len(out) == 0 {
				return content, nil
			}
			if content != "" {
				out["#text"] = content
			}
			return out, nil
		case xml.ProcInst, xml.Directive:
			return nil, errDirective
		}
	}
}

func attributes(start xml.StartElement) (map[string]any, error) {
	out := map[string]any{}
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		name := "@" + a.Name.Local
		if _, twice := out[name]; twice {
			return nil, errAttribute
		}
		out[name] = a.Value
	}
	return out, nil
}

// add gives an element one more child. No child is a list itself, so a list is
// always several children.
func add(out map[string]any, name string, v any) {
	switch old := out[name].(type) {
	case nil:
		out[name] = v
	case []any:
		out[name] = append(old, v)
	default:
		out[name] = []any{old, v}
	}
}

// xmlError drops what encoding/xml says, because it quotes the document.
func xmlError(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errCharset):
		return errCharset
	case errors.As(err, &syntax):
		return fmt.Errorf("not XML in UTF-8 or the declared charset: wrong on line %d", syntax.Line)
	}
	return errXML
}
