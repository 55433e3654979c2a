package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
)

const (
	// maxBody is more than the longest body that the description allows, with
	// every character escaped.
	maxBody = 64 << 10
	// maxDepth is more than any body has.
	maxDepth = 8
)

// check holds requests against one operation of the description.
type check struct {
	params []parameter
	body   *jsonschema.Schema // nil: there is none
}

// parameter is one parameter of an operation.
type parameter struct {
	in, name string
	required bool
	kind     string // array, boolean, integer or string
	schema   *jsonschema.Schema
}

// spec is the description, read. A schema of OpenAPI 3.1 is one of JSON Schema
// 2020-12, so that the validator of those does.
type spec struct {
	tree     map[string]any
	compiler *jsonschema.Compiler
}

// specURL is only a name: nothing is fetched.
const specURL = "https://firstpass.invalid/openapi.yaml"

func readSpec(raw []byte) (*spec, error) {
	var read any
	if err := yaml.Unmarshal(raw, &read); err != nil {
		return nil, err
	}
	// By way of JSON: the validator wants its numbers.
	asJSON, err := json.Marshal(read)
	if err != nil {
		return nil, err
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	s := &spec{compiler: jsonschema.NewCompiler()}
	s.tree, _ = tree.(map[string]any)
	s.compiler.AssertFormat()
	return s, s.compiler.AddResource(specURL, tree)
}

// at returns what is at path, and where that is: a reference is followed.
func (s *spec) at(path ...string) (any, []string) {
	var here any = s.tree
	for i, name := range path {
		if index, err := strconv.Atoi(name); err == nil {
			if list, ok := here.([]any); ok && index < len(list) {
				here = list[index]
			}
		} else {
			object, _ := here.(map[string]any)
			here = object[name]
		}
		if object, ok := here.(map[string]any); ok {
			if ref, ok := object["$ref"].(string); ok {
				to := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
				return s.at(append(to, path[i+1:]...)...)
			}
		}
	}
	return here, path
}

func (s *spec) compile(path ...string) (*jsonschema.Schema, error) {
	var pointer strings.Builder
	for _, name := range path {
		pointer.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name)))
	}
	return s.compiler.Compile(specURL + "#" + pointer.String())
}

// operation returns the check for an operation.
func (s *spec) operation(method, at string) (*check, error) {
	method = strings.ToLower(method)
	if op, _ := s.at("paths", at, method); op == nil {
		return nil, fmt.Errorf("%s %s is not in the description: run make generate", method, at)
	}
	c := &check{}
	for _, list := range [][]string{{"paths", at, "parameters"}, {"paths", at, method, "parameters"}} {
		found, _ := s.at(list...)
		all, _ := found.([]any)
		for i := range all {
			p, err := s.parameter(append(list, strconv.Itoa(i))...)
			if err != nil {
				return nil, err
			}
			c.params = append(c.params, p)
		}
	}
	if schema, path := s.at("paths", at, method, "requestBody", "content", "application/json", "schema"); schema != nil {
		var err error
		if c.body, err = s.compile(path...); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (s *spec) parameter(path ...string) (parameter, error) {
	found, path := s.at(path...)
	said, _ := found.(map[string]any)
	var p parameter
	p.in, _ = said["in"].(string)
	p.name, _ = said["name"].(string)
	p.required, _ = said["required"].(bool)
	kind, _ := s.at(append(slices.Clone(path), "schema", "type")...)
	p.kind, _ = kind.(string)
	var err error
	p.schema, err = s.compile(append(slices.Clone(path), "schema")...)
	return p, err
}

// request returns a *problem if r does not fit. It reads the body and puts it
// back.
func (c *check) request(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return unfit(wrong{"query", "it can't be read"})
	}
	var bad []wrong
	for name := range query {
		if !slices.ContainsFunc(c.params, func(p parameter) bool { return p.in == "query" && p.name == name }) {
			bad = append(bad, wrong{"query." + shown(name), "there is no such parameter"})
		}
	}
	for _, p := range c.params {
		bad = append(bad, p.check(p.values(r, query))...)
	}
	if c.body != nil {
		more, err := c.readBody(w, r)
		if err != nil {
			return err
		}
		bad = append(bad, more...)
	}
	if len(bad) > 0 {
		slices.SortFunc(bad, func(a, b wrong) int { return strings.Compare(a.path, b.path) })
		return unfit(bad...)
	}
	return nil
}

func (p parameter) values(r *http.Request, query url.Values) []string {
	switch p.in {
	case "path":
		return []string{r.PathValue(p.name)}
	case "header":
		return r.Header.Values(p.name)
	}
	return query[p.name]
}

func (p parameter) check(given []string) []wrong {
	at := p.in + "." + p.name
	switch {
	case len(given) == 0 && p.required:
		return []wrong{{at, "it is missing"}}
	case len(given) == 0:
		return nil
	case p.kind == "array":
		list := make([]any, len(given))
		for i, s := range given {
			list[i] = s
		}
		return fit(p.schema, list, at)
	case len(given) > 1:
		return []wrong{{at, "it is there more than once"}}
	}
	var v any = given[0]
	switch p.kind {
	case "boolean":
		if given[0] != "true" && given[0] != "false" {
			return []wrong{{at, "want true or false"}}
		}
		v = given[0] == "true"
	case "integer":
		n, err := strconv.ParseInt(given[0], 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != given[0] {
			return []wrong{{at, "want a whole number"}}
		}
		v = n
	}
	return fit(p.schema, v, at)
}

// readBody returns what is wrong with the body of r, and puts it back.
func (c *check) readBody(w http.ResponseWriter, r *http.Request) ([]wrong, error) {
	// Nothing but JSON: a form that a foreign page posts is none.
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset, ok := params["charset"]; ok && strings.EqualFold(charset, "utf-8") {
		delete(params, "charset")
	}
	if err != nil || media != "application/json" || len(params) > 0 || len(r.Header.Values("Content-Type")) > 1 || r.Header.Get("Content-Encoding") != "" {
		return nil, &problem{kind: kindMedia, detail: "the body is of another type than application/json, or packed", do: "send it with Content-Type: application/json"}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{kind: kindTooLarge, detail: fmt.Sprintf("the body is longer than %d bytes", maxBody)}
	case err != nil:
		return nil, unfit(wrong{"body", "it can't be read"})
	}
	tree, bad := parse(raw)
	if bad != nil {
		return []wrong{*bad}, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return fit(c.body, tree, "body"), nil
}

// parse reads one JSON value and nothing after it. Unlike encoding/json it
// refuses names that are there twice, of which another reader may take the other,
// and text that is no UTF-8.
func parse(raw []byte) (any, *wrong) {
	if !utf8.Valid(raw) {
		return nil, &wrong{"body", "it is not UTF-8"}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	tree, bad := value(dec, "body", 0)
	if bad != nil {
		return nil, bad
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &wrong{"body", "there is something after the end"}
	}
	return tree, nil
}

func value(dec *json.Decoder, at string, depth int) (any, *wrong) {
	if depth > maxDepth {
		return nil, &wrong{"body", "it is nested too deep"}
	}
	token, err := dec.Token()
	if err != nil {
		return nil, &wrong{"body", "it is not JSON"}
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, bad := value(dec, at+"."+strconv.Itoa(len(list)), depth+1)
			if bad != nil {
				return nil, bad
			}
			list = append(list, v)
		}
		return list, closing(dec)
	case json.Delim('{'):
		object := map[string]any{}
		for dec.More() {
			token, err := dec.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return nil, &wrong{"body", "it is not JSON"}
			}
			if _, twice := object[name]; twice {
				return nil, &wrong{at + "." + shown(name), "it is there more than once"}
			}
			v, bad := value(dec, at+"."+shown(name), depth+1)
			if bad != nil {
				return nil, bad
			}
			object[name] = v
		}
		return object, closing(dec)
	}
	return token, nil
}

func closing(dec *json.Decoder) *wrong {
	if _, err := dec.Token(); err != nil {
		return &wrong{"body", "it is not JSON"}
	}
	return nil
}

// harmless is a name that may be told again.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// shown returns a name that a request brought, if it can't be anything else.
func shown(name string) string {
	if harmless.MatchString(name) {
		return name
	}
	return "?"
}

// fit returns where v does not fit schema.
func fit(schema *jsonschema.Schema, v any, at string) []wrong {
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(v); errors.As(err, &invalid) {
		return faults(invalid, at)
	} else if err != nil {
		return []wrong{{at, "it is not as described"}}
	}
	return nil
}

// faults returns the leaves of e in words of ours: its own hold values.
func faults(e *jsonschema.ValidationError, at string) []wrong {
	if len(e.Causes) > 0 {
		var out []wrong
		for _, cause := range e.Causes {
			out = append(out, faults(cause, at)...)
		}
		return out
	}
	for _, name := range e.InstanceLocation {
		at += "." + shown(name)
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return each(k.Missing, at, "it is missing")
	case *kind.AdditionalProperties:
		return each(k.Properties, at, "there is no such field")
	}
	return []wrong{{at, words(e.ErrorKind)}}
}

func each(names []string, at, what string) []wrong {
	var out []wrong
	for _, name := range names {
		out = append(out, wrong{at + "." + shown(name), what})
	}
	return out
}

// words says which keyword failed.
func words(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "want a value of type " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		var all []string
		for _, v := range k.Want {
			all = append(all, fmt.Sprint(v))
		}
		return "want one of " + strings.Join(all, ", ")
	case *kind.MinLength:
		return fmt.Sprintf("want %d characters or more", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("want %d characters or fewer", k.Want)
	case *kind.Minimum:
		return "want " + k.Want.RatString() + " or more"
	case *kind.Maximum:
		return "want " + k.Want.RatString() + " or less"
	case *kind.MaxItems:
		return fmt.Sprintf("want %d of them or fewer", k.Want)
	case *kind.Pattern:
		return "want it like " + k.Want
	case *kind.Format:
		return "want a " + k.Want
	}
	return "it is not as described"
}
