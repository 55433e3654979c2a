package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"firstpass.internal/internal/jml"
)

// pages returns the documents an operator reads.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range append(files, "../../README.md") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[f] = string(b)
	}
	return out
}

// TestDocumentedCommands: every command line in the documents is one that the
// program takes, and every make target is there.
func TestDocumentedCommands(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	all := pages(t)
	t.Chdir(t.TempDir()) // for the files that the commands name
	seen := 0
	for file, text := range all {
		for _, line := range regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(text, -1) {
			command := regexp.MustCompile(` (#|\||&&|>) .*`).ReplaceAllString(line[1], "")
			words := split(strings.TrimSpace(command))
			for _, word := range words {
				if ext := filepath.Ext(word); ext == ".json" || ext == ".csv" || ext == ".xml" {
					if err := os.WriteFile(filepath.Base(word), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			switch words[0] {
			case "make":
				if !strings.Contains(string(makefile), "\n"+words[1]+":") {
					t.Errorf("%s: no target for %q", file, command)
				}
			case "firstpass":
				var cmd commands
				parser, err := kong.New(&cmd, kong.Vars{"version": "test"}, kong.Exit(func(int) {}))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parser.Parse(words[1:]); err != nil {
					t.Errorf("%s: %q: %v", file, command, err)
				}
			}
			seen++
		}
	}
	if seen < 10 {
		t.Errorf("only %d commands found: does the pattern still fit?", seen)
	}
}

// split splits a command line at blanks outside double quotes.
func split(line string) (words []string) {
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	return words
}

// TestDocumentedPermissions: the README names the permissions that check looks
// for, and no others.
func TestDocumentedPermissions(t *testing.T) {
	readme := pages(t)["../../README.md"]
	for p := range needs() {
		if !strings.Contains(readme, "| `"+p+"` |") {
			t.Errorf("README does not name %s", p)
		}
	}
	for _, m := range regexp.MustCompile("\\| `([A-Za-z-]+\\.[A-Za-z.]+)` \\|").FindAllStringSubmatch(readme, -1) {
		if needs()[m[1]] == "" {
			t.Errorf("README names %s, which check does not look for", m[1])
		}
	}
}

// TestDocumentedReasons: the operator's page has every reason a joiner may be
// blocked by.
func TestDocumentedReasons(t *testing.T) {
	page := pages(t)["../../docs/operations.md"]
	for _, r := range jml.Reasons() {
		if !strings.Contains(page, "`"+string(r)+"`") {
			t.Errorf("docs/operations.md does not name %s", r)
		}
	}
}
