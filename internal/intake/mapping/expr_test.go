package mapping

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScopes(t *testing.T) {
	c := newCompiler(t)
	vars := Vars{Source: "s", Settings: map[string]string{"k": "v"}, Header: map[string]string{"x-id": "h"},
		Body: map[string]any{"a": "b"}, Item: map[string]any{"a": "i"}, Fetched: map[string]any{"a": "f"}, Since: "2026-03-01T00:00:00Z", Now: "2026-03-02T00:00:00Z"}
	exprs := map[string]struct{ expr, want string }{
		"source": {"source", "s"}, "settings": {"settings.k", "v"}, "header": {`header["x-id"]`, "h"}, "body": {"body.a", "b"},
		"item": {"item.a", "i"}, "fetched": {"fetched.a", "f"}, "since": {"since", vars.Since}, "now": {"now", vars.Now},
	}
	for scope, sees := range map[Scope]string{
		ScopeBody: "source settings header body", ScopeItem: "source settings header body item", ScopeFetched: "source settings header body item fetched",
		ScopeHint: "source settings fetched", ScopeRequest: "source settings since now", ScopeFetchRequest: "source settings header body item",
	} {
		for name, x := range exprs {
			e, err := c.Text(scope, x.expr)
			if !strings.Contains(" "+sees+" ", " "+name+" ") {
				if err == nil || !strings.Contains(err.Error(), name+" is not known here") {
					t.Errorf("scope %d takes %s: %v", scope, name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("scope %d, %s: %v", scope, name, err)
				continue
			}
			if got, err := e.Text(t.Context(), vars); got != x.want || err != nil {
				t.Errorf("scope %d, %s = %q, %v, want %q", scope, name, got, err, x.want)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	c := newCompiler(t)
	for _, tc := range []struct {
		compile func(Scope, string) (*Expr, error)
		scope   Scope
		expr    string
		want    string
	}{
		{c.Text, ScopeHint, "item.id", "line 1, column 1: item is not known here (the signature does not cover the body, so only fetched may be used); known are source, settings, fetched"},
		{c.Text, ScopeHint, "string(body.id)", "line 1, column 8: body is not known here (the signature does not cover the body"},
		{c.Text, ScopeHint, `header["x"]`, "header is not known here"},
		{c.Text, ScopeHint, `[1].map(item, item)[0] + item`, "item is not known here"},
		{c.Text, ScopeItem, "fetched.id", "only a source with fetch has fetched"},
		{c.List, ScopeBody, "item.list", "the body is not split into items yet"},
		{c.Text, ScopeRequest, "body.x", "there is no body before the request"},
		{c.Text, ScopeFetchRequest, "fetched.x", "the request is what gives fetched"},
		{c.Text, ScopeItem, "person.id", "undeclared reference to 'person'"},
		{c.Text, ScopeItem, "item.", "Syntax error"},
		{c.Text, ScopeItem, "", "Syntax error"},
		{c.Text, ScopeItem, "true", "must give a text, not bool"},
		{c.Text, ScopeItem, "1.5", "must give a text, not double"},
		{c.Text, ScopeItem, "[item.x]", "must give a text, not list(dyn)"},
		{c.Text, ScopeItem, "settings", "must give a text, not map(string, string)"},
		{c.Bool, ScopeItem, "source", "must give true or false, not string"},
		{c.List, ScopeItem, "source", "must give a list, not string"},
		{c.Text, ScopeItem, `localDate(item.d, "MM/DD/YY")`, "line 1, column 19: neither a layout"},
		{c.Text, ScopeItem, `localDate(item.d, "Europe/Atlantis")`, "neither a layout"},
		{c.Text, ScopeItem, `localDate(true)`, "no matching overload"},
		{c.Bool, ScopeItem, `item.x.matches("(")`, "invalid matches argument"},
		{c.Text, ScopeItem, `item.x.replace("a", item.x)`, "must be a literal"},
		{c.Text, ScopeItem, `item.x.replace("a", item.x, 3)`, "must be a literal"},
		{c.Text, Scope(0), "source", "no such scope"},
		{c.Text, ScopeItem, "item" + strings.Repeat(".a[item", 300), "does not compile"},
	} {
		_, err := tc.compile(tc.scope, tc.expr)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %v, want %q", tc.expr, err, tc.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	c := newCompiler(t)
	item := map[string]any{"date": "2026-03-02T10:00:00Z", "ms": int64(1772409600000), "moment": int64(1772406000), "empty": nil, "id": int64(7), "name": "a/b ?é&%.", "by": "D.M.YYYY",
		"one": map[string]any{"x": "1"}, "two": []any{map[string]any{"x": "1"}, map[string]any{"x": "2"}}, "none": []any{}, "dots": "..", "dot": ".", "bool": true, "long": strings.Repeat("a", 2049)}
	for expr, want := range map[string]string{
		`localDate(item.date)`:                                         "2026-03-02",
		`localDate(item.ms)`:                                           "2026-03-02",
		`localDate(item.empty)`:                                        "",
		`localDate(item.?absent.orValue(""))`:                          "",
		`localDate(item.empty, "MM/DD/YYYY")`:                          "",
		`localDate(item.empty, "Europe/Berlin")`:                       "",
		`localDate(item.moment, "Europe/Berlin")`:                      "2026-03-02",
		`localDate("4.5.2026", item.by)`:                               "2026-05-04",
		`localDate(20260302, "YYYYMMDD")`:                              "2026-03-02",
		`localDate(item.moment)`:                                       "!is a moment, not a day",
		`localDate(item.date, item.name)`:                              "!neither a layout",
		`localDate(item.bool)`:                                         "!wrong type",
		`urlEncode(item.name)`:                                         "a%2Fb%20%3F%C3%A9%26%25.",
		`urlEncode(item.id)`:                                           "7",
		`urlEncode("")`:                                                "",
		`urlEncode("-._~AZaz09")`:                                      "-._~AZaz09",
		`urlEncode("...")`:                                             "...",
		`urlEncode(item.dots)`:                                         "!another place in the URL",
		`urlEncode(item.dot)`:                                          "!another place in the URL",
		`urlEncode(item.long)`:                                         "!too long",
		`urlEncode(item.empty)`:                                        "!wrong type",
		`asList(item.one).map(i, i.x).join(",")`:                       "1",
		`asList(item.two).map(i, i.x).join(",")`:                       "1,2",
		`asList(item.none).map(i, i.x).join(",")`:                      "",
		`asList(item.empty).map(i, i.x).join(",")`:                     "",
		`asList(item.?absent).map(i, i.x).join(",")`:                   "",
		`asList(item.?one.?x).map(i, i).join(",")`:                     "1",
		`asList(item.id).size()`:                                       "1",
		`asList("text")[0]`:                                            "text",
		`{"Berlin": "Europe/Berlin"}[?item.name].orValue("elsewhere")`: "elsewhere",
		`item.name.replace("/", "-")`:                                  "a-b ?é&%.",
		`item.?absent`:                                                 "",
		`item.absent`:                                                  `!missing key "absent"`,
		`item[item.dots]`:                                              "!could not be evaluated: missing key",
		`item.two[5].x`:                                                "!no such position",
		`item.two`:                                                     "!is not a text",
		`item.bool`:                                                    "!is not a text",
		`timestamp(item.date)`:                                         "2026-03-02T10:00:00Z",
	} {
		e, err := c.Text(ScopeItem, expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got, err := e.Text(t.Context(), Vars{Item: item})
		checkDate(t, expr, got, want, err)
	}
}

// A missing key is named only if the expression spells it.
func TestMissingKeyIsNoValue(t *testing.T) {
	e, err := newCompiler(t).Text(ScopeItem, "item[item.key]")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Text(t.Context(), Vars{Item: map[string]any{"key": canary}}); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("the error shows the key: %v", err)
	}
}

// Whatever is put in between slashes stays there.
func FuzzURLEncode(f *testing.F) {
	for _, s := range []string{"", "..", "a/../b", "%2e%2e", "?x#y", "\x00\n", "é", "https://example.org/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := urlEncode(s)
		if err != nil {
			return
		}
		u, err := url.Parse("https://hr.example.com/employees/" + got + "/end?q=" + got)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path != "/employees/"+s+"/end" || u.Query().Get("q") != s || u.Host != "hr.example.com" || u.Fragment != "" {
			t.Errorf("%q became %q: %s", s, got, u)
		}
		if strings.Count(u.EscapedPath(), "/") != 3 {
			t.Errorf("%q became another path: %s", s, u.EscapedPath())
		}
	})
}

func TestBool(t *testing.T) {
	c := newCompiler(t)
	for expr, want := range map[string]string{
		`item.x`: "true", `item.s == "a"`: "true", `!item.x`: "false", `item.n`: "is not true or false", `item.s`: "is not true or false", `item.y`: "missing key",
	} {
		e, err := c.Bool(ScopeItem, expr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Bool(t.Context(), Vars{Item: map[string]any{"x": true, "s": "a", "n": nil}})
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", expr, err, want)
			}
		} else if fmt.Sprint(got) != want {
			t.Errorf("%s = %v, want %s", expr, got, want)
		}
	}
}

func TestList(t *testing.T) {
	c := newCompiler(t)
	body := map[string]any{"list": []any{map[string]any{"id": int64(9007199254740993)}, "x", nil, 1.5, true}, "one": map[string]any{"id": "1"}, "empty": nil}
	for expr, want := range map[string]any{
		`body.list`:          body["list"],
		`[body]`:             []any{body},
		`asList(body.one)`:   []any{body["one"]},
		`asList(body.empty)`: []any{},
		`body.list + [1]`:    append(append([]any{}, body["list"].([]any)...), int64(1)),
		`[{"id": body.one.id, "u": 18446744073709551615u, "v": 7u, "t": timestamp("2026-03-02T12:00:00Z"), "l": [1, [2]], "n": null, ?"o": body.?absent, "p": body.?one}]`: []any{map[string]any{
			"id": "1", "u": "18446744073709551615", "v": int64(7), "t": "2026-03-02T12:00:00Z", "l": []any{int64(1), []any{int64(2)}}, "n": nil, "p": body["one"]}},
		`body.empty`:  "is not a list",
		`body.one`:    "is not a list",
		`[{1: "a"}]`:  "holds what JSON can't",
		`[b"a"]`:      "holds what JSON can't",
		`[type(1)]`:   "holds what JSON can't",
		`[body.none]`: `missing key "none"`,
	} {
		e, err := c.List(ScopeBody, expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got, err := e.List(t.Context(), Vars{Body: body})
		if err != nil {
			if part, ok := want.(string); !ok || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %v", expr, err, want)
			}
		} else if d := cmp.Diff(want, any(got)); d != "" {
			t.Errorf("%s: %s", expr, d)
		}
	}
}

// What a real feed holds is within the limits: many members, deeply nested.
func TestLargeSplit(t *testing.T) {
	deep := any("x")
	for range 60 {
		deep = map[string]any{"d": deep}
	}
	list := make([]any, 30_000)
	for i := range list {
		list[i] = map[string]any{"id": int64(i), "type": "E", "name": map[string]any{"given": "Ada", "family": "Muster"}}
	}
	list[0].(map[string]any)["deep"] = deep
	c, err := NewCompiler(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]int{`body.list`: 30_000, `asList(body.list)`: 30_000, `body.list.filter(i, i.type == "E")`: 30_000, `body.list.map(i, i.type == "F", i)`: 0, `[body.list[0].deep]`: 1} {
		e, err := c.List(ScopeBody, expr)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.List(t.Context(), Vars{Body: map[string]any{"list": list}}); len(got) != want || err != nil {
			t.Errorf("%s gives %d, %v, want %d", expr, len(got), err, want)
		}
	}
}

func TestHostileExpressionStops(t *testing.T) {
	c := newCompiler(t)
	nums, texts := make([]any, 5000), make([]any, 5000)
	long := strings.Repeat("a", 60_000)
	for i := range nums {
		nums[i], texts[i] = int64(i), long
	}
	body := map[string]any{"nums": nums, "texts": texts, "long": long}
	loop := "[1,2,3,4,5,6,7,8,9,10]"
	for _, expr := range []string{
		`string(body.nums.filter(a, body.nums.all(b, body.nums.all(c, a + b + c >= 0))).size())`,
		`string(body.nums.map(a, body.nums.map(b, a)).size())`,
		`string(body.nums.exists(a, body.nums.exists(b, b == -1)))`,
		`string(body.nums.map(a, body.nums).size())`,
		"string(" + strings.Repeat(loop+".map(x, ", 8) + "1" + strings.Repeat(")", 8) + ".size())",
		`"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"` + strings.Repeat(`.replace("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")`, 6),
		`body.nums.map(x, body.long).join("")`,
		`body.texts.join("") + body.texts.join("")`,
		`string(body.nums.exists(x, body.long.matches("(a|aa)*b")))`,
	} {
		e, err := c.Text(ScopeBody, expr)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = e.Text(t.Context(), Vars{Body: body})
		if !errors.Is(err, errTooCostly) {
			t.Errorf("%.70s: %v", expr, err)
		}
		// Some 200 ms on a free machine; the bound leaves room for a busy one.
		took := time.Since(start)
		t.Logf("%4d ms %.70s", took.Milliseconds(), expr)
		if took > timeLimit+time.Second {
			t.Errorf("%.70s took %s", expr, took)
		}
	}
}

// An end of the caller's context is no fault of the item: it must not land in
// the quarantine.
func TestContextEnds(t *testing.T) {
	nums := make([]any, 20_000)
	e, err := newCompiler(t).Bool(ScopeBody, `body.all(a, body.all(b, a == b))`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Bool(ctx, Vars{Body: nums}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that wraps %v", err, context.Canceled)
	}
	src, item := bambooLike()
	if _, err := newMapper(t, src, ScopeItem).Snapshot(ctx, Vars{Item: item}, noon, noon); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that wraps %v", err, context.Canceled)
	}
}
