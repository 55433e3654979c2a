package entrasim

import (
	_ "embed" // the contract itself
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

//go:embed testdata/contract.json
var contractJSON []byte

// Contract says for each operation what a request may hold and what a reply
// must. It is derived from Microsoft's OpenAPI description, and kept apart from
// the code that renders replies so that one can catch the other out.
//
// Types in it: guid, string, int, bool, time, null, enum(a,b), a list "[]X", a
// shape "@name", and several joined by "|". A shape has required and optional
// fields, or variants chosen by @odata.type.
type Contract struct {
	Operations []Operation      `json:"operations"`
	Shapes     map[string]Shape `json:"shapes"`
}

// Operation is one method on one path template.
type Operation struct {
	Name    string            `json:"name"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   []string          `json:"query"`
	Request string            `json:"request"` // shape of the body; empty: no body
	Replies map[string]string `json:"replies"` // success status to shape; empty: no body
	Errors  []int             `json:"errors"`
}

// Shape is an object.
type Shape struct {
	Required  map[string]string `json:"required"`
	Optional  map[string]string `json:"optional"`
	Variants  map[string]string `json:"variants"`  // @odata.type to shape name
	Otherwise string            `json:"otherwise"` // shape of a type that is not listed
}

// Violation is a request or reply that broke the contract. It names fields and
// types, never values.
type Violation struct {
	Time      time.Time `json:"time"`
	Side      string    `json:"side"` // request or reply
	Method    string    `json:"method"`
	Path      string    `json:"path"` // as in Request.Path
	RequestID string    `json:"requestId"`
	Problem   string    `json:"problem"`
}

// LoadContract reads the contract that is compiled in.
func LoadContract() (*Contract, error) {
	c := &Contract{}
	if err := strictJSON(contractJSON, c); err != nil {
		return nil, fmt.Errorf("entrasim: contract: %w", err)
	}
	return c, nil
}

// Find returns the operation for a method and an escaped path, or nil.
func (c *Contract) Find(method, escapedPath string) *Operation {
	for i, op := range c.Operations {
		if _, ok := matchTemplate(op.Path, escapedPath); ok && op.Method == method {
			return &c.Operations[i]
		}
	}
	return nil
}

// CheckRequest returns what is wrong with a request; nil means nothing. The URL
// needs path and query only.
func (c *Contract) CheckRequest(method string, u *url.URL, h http.Header, body []byte) []string {
	op := c.Find(method, u.EscapedPath())
	if op == nil {
		return []string{"the contract has no such operation"}
	}
	var p []string
	for name := range u.Query() {
		if !slices.Contains(op.Query, name) {
			p = append(p, "query parameter "+name+" is not one of this operation")
		}
	}
	if !strings.HasPrefix(h.Get("Authorization"), "Bearer ") {
		p = append(p, "no bearer token")
	}
	if op.Request == "" {
		if len(body) > 0 {
			p = append(p, "this operation takes no body")
		}
		return p
	}
	if mt, _, _ := mime.ParseMediaType(h.Get("Content-Type")); mt != "application/json" {
		p = append(p, "the body is not sent as application/json")
	}
	return append(p, c.checkBody("request", op.Request, body)...)
}

// CheckReply returns what is wrong with an answer to such a request.
func (c *Contract) CheckReply(method string, u *url.URL, status int, h http.Header, body []byte) []string {
	op := c.Find(method, u.EscapedPath())
	if op == nil {
		return []string{"the contract has no such operation"}
	}
	var p []string
	for _, name := range []string{"request-id", "client-request-id"} {
		if !isGUID(h.Get(name)) {
			p = append(p, "header "+name+" is not a GUID")
		}
	}
	shape, success := op.Replies[fmt.Sprint(status)]
	switch {
	case !success && !slices.Contains(op.Errors, status):
		return append(p, fmt.Sprintf("status %d is not one of this operation", status))
	case !success:
		shape = "@error"
	case shape == "":
		if len(body) > 0 {
			p = append(p, "an empty reply has a body")
		}
		return p
	}
	if mt, _, _ := mime.ParseMediaType(h.Get("Content-Type")); mt != "application/json" {
		p = append(p, "the reply is not application/json")
	}
	return append(p, c.checkBody("reply", shape, body)...)
}

func (c *Contract) checkBody(at, typ string, body []byte) []string {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return []string{at + " is not JSON"}
	}
	return c.check(at, typ, v)
}

// check compares v with a type; at names the place in the message.
func (c *Contract) check(at, typ string, v any) []string {
	var problems []string
	for alt := range strings.SplitSeq(typ, "|") {
		problems = c.checkOne(at, alt, v)
		if problems == nil {
			return nil
		}
	}
	if strings.Contains(typ, "|") && !strings.Contains(typ, "@") {
		return []string{at + " is not " + typ}
	}
	return problems
}

func (c *Contract) checkOne(at, typ string, v any) []string {
	if elem, ok := strings.CutPrefix(typ, "[]"); ok {
		list, ok := v.([]any)
		if !ok {
			return []string{at + " is not a list"}
		}
		var p []string
		for i, e := range list {
			p = append(p, c.checkOne(fmt.Sprintf("%s[%d]", at, i), elem, e)...)
		}
		return p
	}
	if name, ok := strings.CutPrefix(typ, "@"); ok {
		o, ok := v.(map[string]any)
		if !ok {
			return []string{at + " is not an object"}
		}
		return c.checkShape(at, name, o)
	}
	s, isString := v.(string)
	n, isNumber := v.(float64)
	ok := false
	switch enum, isEnum := strings.CutPrefix(typ, "enum("); {
	case isEnum:
		ok = isString && slices.Contains(strings.Split(strings.TrimSuffix(enum, ")"), ","), s)
	case typ == "guid":
		ok = isString && isGUID(s)
	case typ == "string":
		ok = isString
	case typ == "int":
		ok = isNumber && n == float64(int32(n))
	case typ == "bool":
		_, ok = v.(bool)
	case typ == "time":
		_, err := time.Parse(time.RFC3339Nano, s)
		ok = isString && err == nil
	case typ == "null":
		ok = v == nil
	}
	if !ok {
		return []string{at + " is not " + typ}
	}
	return nil
}

func (c *Contract) checkShape(at, name string, o map[string]any) []string {
	shape, ok := c.Shapes[name]
	if !ok {
		return []string{"the contract has no shape " + name}
	}
	if shape.Variants != nil {
		kind, _ := o["@odata.type"].(string)
		next, ok := shape.Variants[kind]
		if !ok {
			next = shape.Otherwise
		}
		if next == "" {
			return []string{at + " has an @odata.type that is not allowed here"}
		}
		return c.checkShape(at, next, o)
	}
	var p []string
	for _, f := range slices.Sorted(maps.Keys(shape.Required)) {
		if _, ok := o[f]; !ok {
			p = append(p, at+"."+f+" is missing")
		}
	}
	for _, f := range slices.Sorted(maps.Keys(o)) {
		typ, ok := shape.Required[f]
		if !ok {
			typ, ok = shape.Optional[f]
		}
		if !ok {
			p = append(p, at+"."+f+" is not a field of "+name)
			continue
		}
		p = append(p, c.check(at+"."+f, typ, o[f])...)
	}
	return p
}

// violate records problems; without Config.Strict nothing is recorded.
func (t *Tenant) violate(c *call, side string, problems ...string) {
	if !t.cfg.Strict {
		return
	}
	t.history.mu.Lock()
	defer t.history.mu.Unlock()
	for _, p := range problems {
		t.history.violations = append(t.history.violations, Violation{Time: c.now, Side: side, Method: c.r.Method, Path: c.r.URL.Path, RequestID: c.requestID, Problem: p})
		t.cfg.Logger.Warn("contract violation", "side", side, "method", c.r.Method, "problem", p, "request-id", c.requestID)
	}
}

// ContractViolations returns what broke the contract, oldest first. It stays
// empty unless Config.Strict is set.
func (t *Tenant) ContractViolations() []Violation {
	t.history.mu.Lock()
	defer t.history.mu.Unlock()
	return slices.Clone(t.history.violations)
}
