package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type object = map[string]any

type list = []any

// canary is part of every bad body and must show in no error.
const canary = "Quxley"

func small() Limits { return Limits{Depth: 4, Nodes: 20} }

// want holds the tree, or the start of an error's text behind a !.
func expect(t *testing.T, name string, got any, err error, want any) {
	t.Helper()
	if text, ok := want.(string); ok && strings.HasPrefix(text, "!") {
		switch {
		case err == nil:
			t.Errorf("%s = %v, want an error", name, got)
		case !strings.HasPrefix(err.Error(), text[1:]):
			t.Errorf("%s: %v, want %s", name, err, text[1:])
		case strings.Contains(err.Error(), canary):
			t.Errorf("%s: the error quotes the body: %v", name, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

func TestJSON(t *testing.T) {
	for in, want := range map[string]any{
		`{"a":{"b":[1,"x",null,true,2.5]}}`:    object{"a": object{"b": list{int64(1), "x", nil, true, 2.5}}},
		`"Ping test"`:                          "Ping test", // HiBob's handshake
		"\xef\xbb\xbf {} ":                     object{},
		`[]`:                                   list{},
		`9223372036854775807`:                  int64(math.MaxInt64),
		`9223372036854775808`:                  "9223372036854775808",
		`-9223372036854775809`:                 "-9223372036854775809",
		`300100177662371`:                      int64(300100177662371),
		`1e3`:                                  1000.0,
		`1e999`:                                "1e999",
		`1.0`:                                  1.0,
		`"\u00e9\ud83d\ude00\\ud800\/"`:        "é😀\\ud800/",
		`"�"`:                                  "�", // written out it is a character like any other
		`{"\ud83d\ude00":1}`:                   object{"😀": int64(1)},
		``:                                     "!the body is empty",
		" \n":                                  "!the body is empty",
		`{"Quxley":1,"Quxley":2}`:              "!an object has a key twice",
		`{"Quxley":1,"\u0051uxley":2}`:         "!an object has a key twice",
		`{"a":[{"Quxley":1,"Quxley":1}]}`:      "!an object has a key twice",
		`{"a":1} {"Quxley":1}`:                 "!not JSON: wrong from byte 9 on",
		`{"a":Quxley}`:                         "!not JSON: wrong from byte 6 on",
		`{"a":1,}`:                             "!not JSON",
		`[1 2]`:                                "!not JSON",
		`{"Quxley"`:                            "!not JSON",
		`[}`:                                   "!not JSON",
		`NaN`:                                  "!not JSON",
		`01`:                                   "!not JSON",
		`'Quxley'`:                             "!not JSON",
		"\"Quxley\n\"":                         "!not JSON",
		"<html>Quxley</html>":                  "!not JSON",
		"\"Quxley\xff\"":                       "!the body is not UTF-8",
		"\xff\xfe{\x00}\x00":                   "!the body is not UTF-8",
		`"Quxley\ud800"`:                       "!half a character",
		`"\ud800Quxley"`:                       "!half a character",
		`"\ud800\ud800"`:                       "!half a character",
		`"\udc00\ud800"`:                       "!half a character",
		`"\ud800\\udc00"`:                      "!half a character",
		`{"\uD800":1}`:                         "!half a character",
		`"\ud800`:                              "!half a character",
		`"\u12`:                                "!not JSON",
		`"\`:                                   "!not JSON",
		`[[[["Quxley"]]]]`:                     list{list{list{list{canary}}}},
		`[[[[["Quxley"]]]]]`:                   "!the body nests deeper than 4 levels",
		`{"a":{"a":{"a":{"a":{}}}}}`:           "!the body nests deeper than 4 levels",
		`["[[[[[[","\"[[[[[["]`:                list{"[[[[[[", `"[[[[[[`},
		`[` + strings.Repeat(`1,`, 18) + `1]`:  numbers(19),
		`[` + strings.Repeat(`1,`, 19) + `1]`:  "!the body holds more than 20 values",
		`[` + strings.Repeat(`{},`, 19) + `0]`: "!the body holds more than 20 values",
	} {
		got, err := Decode("application/json", []byte(in), small())
		expect(t, in, got, err, want)
	}
}

func numbers(n int) list {
	var out list
	for range n {
		out = append(out, int64(1))
	}
	return out
}

// A bomb must be found out before it is unfolded.
func TestBombsCostLittle(t *testing.T) {
	const size = 10 << 20
	for name, tc := range map[string]struct{ kind, body, want string }{
		"lists":      {"", strings.Repeat("[", size), "the body nests deeper"},
		"objects":    {"", strings.Repeat(`{"a":`, size/5), "the body nests deeper"},
		"empty":      {"", "[" + strings.Repeat("{},", size/3) + "{}]", "the body holds more"},
		"elements":   {"text/xml", "<a>" + strings.Repeat("<b/>", size/4) + "</a>", "the body holds more"},
		"nested":     {"text/xml", strings.Repeat("<b>", size/3), "the body holds more"},
		"attributes": {"text/xml", "<a" + strings.Repeat(` b=""`, size/5) + "/>", "the body holds more"},
		"keys":       {"application/x-www-form-urlencoded", strings.Repeat("a&", size/2), "the body holds more"},
	} {
		body := []byte(tc.body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(tc.kind, body, DefaultLimits())
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes to find out", name, n)
		}
	}
}

func TestMediaTypes(t *testing.T) {
	const form, xml = "a=1", "<a>1</a>"
	for kind, body := range map[string]string{
		"application/x-www-form-urlencoded":                form,
		"Application/X-WWW-Form-URLEncoded; charset=UTF-8": form,
		"application/xml":                                  xml,
		"text/xml; charset=utf-8":                          xml,
		"application/soap+xml;action=\"urn:x\"":            xml,
		"application/atom+xml":                             xml,
		"application/vnd.example.v2+xml":                   xml,
		"text/xml; charset":                                xml, // a broken parameter
		"":                                                 `{"a":"1"}`,
		"application/json":                                 `{"a":"1"}`,
		"application/vnd.example+json":                     `{"a":"1"}`,
		"text/plain":                                       `{"a":"1"}`,
		"a strange one":                                    `{"a":"1"}`,
		"application/cloudevents+json; x=\"\xff":           `{"a":"1"}`,
	} {
		for _, mark := range []string{"", "\xef\xbb\xbf"} {
			got, err := Decode(kind, []byte(mark+body), DefaultLimits())
			expect(t, kind, got, err, object{"a": "1"})
		}
	}
}

// TestUntypedXML: some HR systems send XML under no type that says so. A type
// that says JSON is believed.
func TestUntypedXML(t *testing.T) {
	for _, kind := range []string{"", "text/plain", "application/octet-stream", "a strange one"} {
		got, err := Decode(kind, []byte("\r\n <a>1</a>"), DefaultLimits())
		expect(t, kind, got, err, object{"a": "1"})
	}
	for _, kind := range []string{"application/json", "application/vnd.example+json"} {
		if got, err := Decode(kind, []byte("<a>1</a>"), DefaultLimits()); err == nil {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func TestForm(t *testing.T) {
	for in, want := range map[string]any{
		"a=1&b=two+words%21&a=3":          object{"a": list{"1", "3"}, "b": "two words!"},
		"a&b=":                            object{"a": "", "b": ""},
		"":                                object{},
		"user[name]=x&user%5Bid%5D=7":     object{"user[name]": "x", "user[id]": "7"},
		"payload=%7B%22a%22%3A1%7D":       object{"payload": `{"a":1}`},
		"n=007":                           object{"n": "007"},
		"name=%C3%A9":                     object{"name": "é"},
		"name=Quxley%E9":                  "!the body is not UTF-8",
		"Quxley%FF=1":                     "!the body is not UTF-8",
		"name=Quxley%4":                   "!not a form",
		"name=Quxley%zz":                  "!not a form",
		"Quxley=1;b=2":                    "!not a form",
		strings.Repeat("a=1&", 19) + "b=": object{"a": repeat("1", 19), "b": ""},
		strings.Repeat("a=1&", 20) + "b=": "!the body holds more than 20 values",
	} {
		got, err := Decode("application/x-www-form-urlencoded", []byte(in), small())
		expect(t, in, got, err, want)
	}
}

func repeat(s string, n int) list {
	var out list
	for range n {
		out = append(out, s)
	}
	return out
}

func TestXML(t *testing.T) {
	for in, want := range map[string]any{
		`<a/>`:        object{"a": ""},
		`<a> x </a>`:  object{"a": "x"},
		`<a><b/></a>`: object{"a": object{"b": ""}},
		`<?xml version="1.0" encoding="UTF-8"?><!-- c --><s:Envelope xmlns:s="urn:s" xmlns="urn:d"><s:Body>
			<worker id="7"><name>Ada</name></worker></s:Body></s:Envelope><!-- d -->`: object{"Envelope": object{"Body": object{"worker": object{"@id": "7", "name": "Ada"}}}},
		`<a><b>1</b><c/><b x="2">3</b><b/></a>`:                    object{"a": object{"b": list{"1", object{"@x": "2", "#text": "3"}, ""}, "c": ""}},
		`<a>one <b>two</b> three</a>`:                              object{"a": object{"b": "two", "#text": "one  three"}},
		`<a xsi:nil="true" xmlns:xsi="urn:x"/>`:                    object{"a": object{"@nil": "true"}},
		`<a>in<!-- Quxley -->side</a>`:                             object{"a": "inside"},
		`<a><![CDATA[<b>&]]></a>`:                                  object{"a": "<b>&"},
		`<a>&lt;&#233;&#x1F600;</a>`:                               object{"a": "<é😀"},
		`<x:a xmlns:x="urn:1"><x:b>1</x:b><b>2</b></x:a>`:          object{"a": object{"b": list{"1", "2"}}},
		"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>":   object{"a": "é"},
		"<?xml version='1.0' encoding='Windows-1252'?><a>\x80</a>": object{"a": "€"},
		``:                                "!the body is empty",
		`Quxley`:                          "!not XML: want exactly one root",
		`<a/><Quxley/>`:                   "!not XML: want exactly one root",
		`<a/>Quxley`:                      "!not XML: want exactly one root",
		`<!-- Quxley -->`:                 "!not XML: want exactly one root",
		`<a>`:                             "!not XML",
		"<a>\n<b></Quxley>":               "!not XML in UTF-8 or the declared charset: wrong on line 2",
		`<a Quxley="1" Quxley="2"/>`:      "!an XML element has two attributes of one name",
		`<a x:b="1" y:b="2"/>`:            "!an XML element has two attributes of one name",
		`<a b=Quxley/>`:                   "!not XML",
		`<a>&Quxley;</a>`:                 "!not XML",
		`<a>&nbsp;</a>`:                   "!not XML",
		"<a>Quxley\xff</a>":               "!not XML",
		"<a>\x00</a>":                     "!not XML",
		`<!DOCTYPE html><html/>`:          "!XML with a DTD",
		`<a><!DOCTYPE Quxley></a>`:        "!XML with a DTD",
		`<a><?php Quxley ?></a>`:          "!XML with a DTD",
		`<?xml-stylesheet href="Q"?><a/>`: "!XML with a DTD",
		`<a><?xml version="1.0"?></a>`:    "!XML with a DTD",
		// encoding/xml would change the charset in the middle.
		`<!-- c --><?xml version="1.0" encoding="iso-8859-1"?><a/>`:         "!XML with a DTD",
		`<a/><?xml version="1.0"?>`:                                         "!XML with a DTD",
		`<?xml version="1.0" encoding="utf-16"?><a/>`:                       "!XML in a charset",
		`<?xml version="1.0" encoding="utf-7"?><a/>`:                        "!XML in a charset",
		`<?xml version="1.1"?><a/>`:                                         "!not XML",
		`<a><a><a><a>x</a></a></a></a>`:                                     object{"a": object{"a": object{"a": object{"a": "x"}}}},
		`<a><a><a><a><a/></a></a></a></a>`:                                  "!the body nests deeper than 4 levels",
		`<a>` + strings.Repeat(`<b/>`, 19) + `</a>`:                         object{"a": object{"b": repeat("", 19)}},
		`<a>` + strings.Repeat(`<b/>`, 20) + `</a>`:                         "!the body holds more than 20 values",
		`<a ` + attrs(19) + `/>`:                                            object{"a": attrTree(19)},
		`<a ` + attrs(20) + `/>`:                                            "!the body holds more than 20 values",
		`<!DOCTYPE l [<!ENTITY a "Quxley"><!ENTITY b "&a;&a;">]><l>&b;</l>`: "!XML with a DTD",
		`<!DOCTYPE l SYSTEM "http://127.0.0.1/Quxley"><l/>`:                 "!XML with a DTD",
	} {
		got, err := Decode("text/xml", []byte(in), small())
		expect(t, in, got, err, want)
	}
}

func attrs(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, ` x%d="1"`, i)
	}
	return out.String()
}

func attrTree(n int) object {
	out := object{}
	for i := range n {
		out[fmt.Sprintf("@x%d", i)] = "1"
	}
	return out
}

// The media type's charset goes before the declaration, a byte order mark
// before both.
func TestXMLCharsets(t *testing.T) {
	const declared = "<?xml version='1.0' encoding='iso-8859-1'?>"
	for _, tc := range []struct {
		kind, body string
		want       any
	}{
		{"text/xml; charset=iso-8859-1", "<a>\xe9</a>", object{"a": "é"}},
		{"text/xml; charset=iso-8859-1", declared + "<a>\xe9</a>", object{"a": "é"}},
		{"text/xml; charset=utf-8", declared + "<a>é</a>", object{"a": "é"}},
		{"text/xml; charset=utf-8", declared + "<a>\xe9</a>", "!not XML"},
		{"text/xml", "\xef\xbb\xbf" + declared + "<a>é</a>", object{"a": "é"}},
		{"text/xml; charset=iso-8859-1", "\xef\xbb\xbf<a>é</a>", object{"a": "é"}},
		{"text/xml; charset=utf-16", "<a/>", "!XML in a charset"},
	} {
		got, err := Decode(tc.kind, []byte(tc.body), small())
		expect(t, tc.kind, got, err, tc.want)
	}
}

func TestLookup(t *testing.T) {
	tree := object{"a": object{"b": list{int64(1), object{"c": nil}}}, "": "empty"}
	for path, want := range map[string]any{
		"a.b.0": int64(1), "a.b.1.c": nil, "a.b": list{int64(1), object{"c": nil}}, "": "empty",
	} {
		if got, ok := Lookup(tree, path); !ok || !cmp.Equal(got, want) {
			t.Errorf("%s = %v, %t", path, got, ok)
		}
	}
	for _, path := range []string{"b", "a.b.2", "a.b.-1", "a.b.00", "a.b.+1", "a.b.x", "a.b.0.c", "a.b.1.c.d", "a.", ".a"} {
		if got, ok := Lookup(tree, path); ok {
			t.Errorf("%s = %v", path, got)
		}
	}
}

// value draws what JSON can hold.
func value(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(),
	}
	if depth > 0 {
		inner := rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) })
		leaves = append(leaves,
			rapid.SliceOfN(inner, 0, 4).AsAny(),
			rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

// What is written as JSON is read as it was.
func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := value(4).Draw(t, "tree")
		body, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode("", body, DefaultLimits())
		if err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%s = %v, %v", body, got, err)
		}
	})
}

// meaning converts what encoding/json reads to a tree.
func meaning(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			v[i] = meaning(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = meaning(v[k])
		}
	}
	return v
}

// measure returns depth and number of values of a tree.
func measure(v any) (depth, nodes int) {
	var inner []any
	switch v := v.(type) {
	case []any:
		inner = v
	case map[string]any:
		for _, e := range v {
			inner = append(inner, e)
		}
	default:
		return 0, 1
	}
	nodes = 1
	for _, e := range inner {
		d, n := measure(e)
		depth, nodes = max(depth, d), nodes+n
	}
	return depth + 1, nodes
}

func within(t *testing.T, v any, l Limits) {
	t.Helper()
	if depth, nodes := measure(v); depth > l.Depth || nodes > l.Nodes {
		t.Errorf("depth %d, %d nodes", depth, nodes)
	}
}

func fuzzLimits() Limits { return Limits{Depth: 8, Nodes: 100} }

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x",null,true]}`, `"\ud83d\ude00"`, `"\ud800\\u"`, `{"a":1,"a":2}`, `[[[[`, `12345678901234567890`, `[1 2]`, "\xef\xbb\xbf{}", `{"a":{}}}`, `1e999`, `-0`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeJSON(body, fuzzLimits())
		if err != nil {
			return
		}
		within(t, got, fuzzLimits())
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", body, err)
		}
		if !json.Valid(body) {
			t.Fatalf("%q is not one value", body)
		}
		if diff := cmp.Diff(meaning(want), got); diff != "" {
			t.Errorf("%q: %s", body, diff)
		}
	})
}

func FuzzForm(f *testing.F) {
	for _, s := range []string{"a=1&b=2&a=3", "%41=%c3%a9", "a[b]=1", "&&&", "a;b", "%"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeForm(body, fuzzLimits())
		if err != nil {
			return
		}
		// Written again and read again it is the same form.
		again := url.Values{}
		for k, v := range got.(object) {
			switch v := v.(type) {
			case string:
				again.Add(k, v)
			case list:
				for _, e := range v {
					again.Add(k, e.(string))
				}
			}
		}
		back, err := decodeForm([]byte(again.Encode()), fuzzLimits())
		if err != nil || !cmp.Equal(back, got) {
			t.Errorf("%q = %v, then %v, %v", body, got, back, err)
		}
	})
}

func FuzzXML(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0" encoding="iso-8859-1"?><a:b xmlns:a="u" c="d">t<e/><e>f</e></a:b>`,
		`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, `<a><![CDATA[x]]><!-- y --></a>`, `<a/><b/>`, "<a>\xff</a>", `<a b="1" b="2"/>`,
	} {
		f.Add("", []byte(s))
		f.Add("windows-1252", []byte(s))
	}
	f.Fuzz(func(t *testing.T, charset string, body []byte) {
		got, err := decodeXML(charset, body, fuzzLimits())
		if err != nil {
			return
		}
		root, ok := got.(object)
		if !ok || len(root) != 1 {
			t.Fatalf("%q has %d roots", body, len(root))
		}
		for _, v := range root {
			strict(t, v)
		}
		// What it says is UTF-8, so it can be written as JSON and read again.
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeJSON(text, DefaultLimits())
		if err != nil || !cmp.Equal(back, got) {
			t.Errorf("%q = %v, then %v, %v", body, got, back, err)
		}
	})
}

// strict checks the shape of an element's value.
func strict(t *testing.T, v any) {
	t.Helper()
	m, ok := v.(object)
	if !ok {
		if _, text := v.(string); !text {
			t.Errorf("an element is a %T", v)
		}
		return
	}
	for k, v := range m {
		switch v := v.(type) {
		case list:
			if len(v) < 2 {
				t.Errorf("%s is a list of %d", k, len(v))
			}
			for _, e := range v {
				strict(t, e)
			}
		default:
			strict(t, v)
		}
	}
	if len(m) == 0 {
		t.Error("an element without anything is no text")
	}
}

func BenchmarkJSON(b *testing.B) {
	var body bytes.Buffer
	body.WriteByte('[')
	for i := range 10_000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"id":"%d","fields":{"hireDate":"2026-04-01","name":"Ada","n":%d,"list":[true,null]}}`, i, i)
	}
	body.WriteByte(']')
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode("", body.Bytes(), DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
