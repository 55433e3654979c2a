package api

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// diff compares a description with the one before, by oasdiff, and returns what
// it finds that breaks a client. make lint runs it; alone:
//
//	make bin/oasdiff && FIRSTPASS_OASDIFF=$PWD/bin/oasdiff go test ./internal/ops/api -run TestBreaking
func diff(t *testing.T, before, after string) string {
	t.Helper()
	tool := os.Getenv("FIRSTPASS_OASDIFF")
	if tool == "" {
		t.Skip("FIRSTPASS_OASDIFF does not say where oasdiff is")
	}
	out, err := exec.CommandContext(t.Context(), tool, "breaking", before, after, "--severity-levels", "breaking.levels", "--fail-on", "WARN", "--format", "singleline").CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return string(out)
	}
	t.Fatalf("%v: %s", err, out)
	return ""
}

// The description breaks no client of the last release.
func TestBreakingNothing(t *testing.T) {
	if found := diff(t, "released.yaml", "openapi.yaml"); found != "" {
		t.Errorf("this breaks clients of the last release:\n%s", found)
	}
}

// What breaks a client is found, and what does not is let through.
func TestBreaking(t *testing.T) {
	swap := func(old, by string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, by, 1) }
	}
	cut := func(form string) func(string) string {
		return func(s string) string { return regexp.MustCompile("(?s)"+form).ReplaceAllString(s, "") }
	}
	both := func(f, g func(string) string) func(string) string {
		return func(s string) string { return g(f(s)) }
	}
	for name, c := range map[string]struct {
		change func(string) string
		breaks bool
	}{
		"a path goes":                       {cut(`  /v1/me:\n.*?\n\n`), true},
		"an operation goes":                 {cut(`    put:\n      operationId: setHalt.*?\n\n`), true},
		"an optional field of a reply goes": {cut(`        pre_hires: \{type[^\n]*\n`), true},
		"a field of a reply goes":           {both(cut(`        total: \{type: integer, description: How many[^\n]*\n`), swap("required: [items, board, total]", "required: [items, board]")), true},
		"a field of a reply is retyped":     {swap("known: {type: integer", "known: {type: string"), true},
		"a list of a reply is retyped":      {swap("gaps: {type: array, items: {type: string}, ", "gaps: {type: string, "), true},
		"a field of a reply is optional":    {swap("required: [items, board, total]", "required: [items, board]"), true},
		"a field of a request is required":  {swap("required: [employee, loss, verified, ticket]", "required: [employee, loss, verified, ticket, note]"), true},
		"a field of a request goes":         {cut(`        keep_sessions: [^\n]*\n`), true},
		"a word of a request goes":          {swap("enum: [pause, unpause, release]", "enum: [pause, unpause]"), true},
		"a word of a parameter goes":        {swap("      enum: [joiner, mover, recovery, staging]\n", "      enum: [joiner, mover, recovery]\n"), true},
		"a parameter is required":           {swap("        - name: site\n          in: query\n", "        - name: site\n          in: query\n          required: true\n"), true},
		"a parameter goes":                  {cut(`        - name: site\n.*?schema[^\n]*\n`), true},
		"a text is shorter":                 {swap("minLength: 2, maxLength: 100", "minLength: 2, maxLength: 50"), true},
		"a number is smaller":               {swap("maximum: 2000", "maximum: 100"), true},
		"a pattern is narrower":             {swap("{8,64}", "{16,64}"), true},
		"an ETag goes":                      {cut(`          headers:\n            ETag: [^\n]*\n`), true},
		"a 304 goes":                        {cut(`        "304": [^\n]*\n`), true},
		"a way to sign in goes":             {swap("  - session: []\n", ""), true},

		"nothing":                        {func(s string) string { return s }, false},
		"a word of a reply comes":        {swap("[accepted, deferred,", "[lost, accepted, deferred,"), false},
		"a field of a reply comes":       {swap("        pre_hires: {type", "        post_hires: {type: integer}\n        pre_hires: {type"), false},
		"an optional request field":      {swap("        keep_sessions: {", "        keep_passes: {type: boolean}\n        keep_sessions: {"), false},
		"a word of a request comes":      {swap("enum: [pause, unpause, release]", "enum: [pause, unpause, release, forget]"), false},
		"an operation comes":             {swap("  /v1/me:\n", "  /v1/you:\n    get:\n      operationId: getYou\n      responses:\n        default: {$ref: \"#/components/responses/Problem\"}\n\n  /v1/me:\n"), false},
		"another description of a field": {swap("Employees.", "Employees, all of them."), false},
	} {
		t.Run(name, func(t *testing.T) {
			changed := c.change(string(description))
			if name != "nothing" && bytes.Equal([]byte(changed), description) {
				t.Fatal("the change changes nothing: it has to follow openapi.yaml")
			}
			after := filepath.Join(t.TempDir(), "openapi.yaml")
			if err := os.WriteFile(after, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			if found := diff(t, "openapi.yaml", after); (found != "") != c.breaks {
				t.Errorf("breaks: %t, want %t\n%s", found != "", c.breaks, found)
			}
		})
	}
}
