package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/parsers/yaml"

	"firstpass.internal/config"
	"firstpass.internal/internal/delivery"
	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
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
				parser, err := newParser(&cmd, kong.Exit(func(int) {}))
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

// TestRunbookCommands: every command that the runbooks name in a sentence is
// there, with its options.
func TestRunbookCommands(t *testing.T) {
	var cmd commands
	parser, err := newParser(&cmd, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range regexp.MustCompile("`firstpass ([^`]+)`").FindAllStringSubmatch(pages(t)["../../docs/operations.md"], -1) {
		words := strings.Fields(m[1])
		node := parser.Model.Node
		for _, word := range words {
			i := slices.IndexFunc(node.Children, func(c *kong.Node) bool { return c.Name == word })
			if i < 0 {
				break
			}
			node = node.Children[i]
		}
		seen++
		if node == parser.Model.Node {
			t.Errorf("there is no command %q", m[1])
			continue
		}
		for _, word := range words {
			name, ok := strings.CutPrefix(word, "--")
			if !ok {
				continue
			}
			if !slices.ContainsFunc(node.AllFlags(false), func(list []*kong.Flag) bool {
				return slices.ContainsFunc(list, func(f *kong.Flag) bool { return f.Name == name })
			}) {
				t.Errorf("%q: there is no option --%s", m[1], name)
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d commands found: does the pattern still fit?", seen)
	}
}

// TestCommandsPage: docs/commands.md has an example of every command.
func TestCommandsPage(t *testing.T) {
	var cmd commands
	parser, err := newParser(&cmd, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	page := pages(t)["../../docs/commands.md"]
	for _, leaf := range parser.Model.Leaves(true) {
		if !regexp.MustCompile(`(?m)^\$ ` + leaf.FullPath() + `( |$)`).MatchString(page) {
			t.Errorf("docs/commands.md has no example of %s", leaf.FullPath())
		}
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
	all := &config.Config{
		Channels: []config.Channel{{Kind: config.ChannelGraph}},
		Profiles: map[string]config.ProfileKey{"lost": {For: []jml.Kind{jml.KindRecovery}, Remove: jml.RemoveLost}},
	}
	wanted := map[string]bool{}
	for _, n := range graph.Needs(uses(all)) {
		wanted[n.Permission] = true
		if !strings.Contains(readme, "| `"+n.Permission+"` |") {
			t.Errorf("README does not name %s", n.Permission)
		}
	}
	for _, m := range regexp.MustCompile("\\| `([A-Za-z-]+\\.[A-Za-z.]+)` \\|").FindAllStringSubmatch(readme, -1) {
		if !wanted[m[1]] {
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

// TestDeliverySnippets: each YAML block of docs/delivery.md is right as it
// stands, put into the configuration that describes every key.
func TestDeliverySnippets(t *testing.T) {
	example, err := os.ReadFile("../../config/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```\n").FindAllStringSubmatch(pages(t)["../../docs/delivery.md"], -1) {
		checked++
		whole := parse(t, string(example))
		for section, v := range parse(t, m[1]) {
			switch added := v.(type) {
			case []any:
				have, _ := whole[section].([]any)
				whole[section] = append(have, added...)
			case map[string]any:
				have, _ := whole[section].(map[string]any)
				for name, part := range added {
					have[name] = part
				}
			}
		}
		text, err := yaml.Parser().Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "firstpass.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(file, func(string) string { return "" })
		if err != nil {
			t.Errorf("%s\n%v", m[1], err)
			continue
		}
		// The rules, too. Their keys are not looked at.
		for name, p := range cfg.Proofs {
			p.ClientSecretFile, p.CAFile = file, ""
			cfg.Proofs[name] = p
		}
		if _, err := newIdentity(cfg); err != nil {
			t.Errorf("%s\n%v", m[1], err)
		}
	}
	if checked < 5 {
		t.Errorf("only %d blocks were checked", checked)
	}
}

// ear is a channel that keeps the names of the fields it is given.
type ear struct{ heard map[string]bool }

func (e ear) Post(_ context.Context, _ string, m channel.Message, _ bool) (jml.Receipt, error) {
	for name := range m.Fields {
		e.heard[name] = true
	}
	return jml.Receipt{}, nil
}
func (ear) Address() jml.AddressKind { return jml.AddressNone }
func (ear) Carries(jml.Message) bool { return true }
func (ear) Self() string             { return "" }

// TestDocumentedFields: the table of fields has those that messages have, and no
// others.
func TestDocumentedFields(t *testing.T) {
	heard := map[string]bool{}
	s, err := delivery.New(delivery.Config{
		Organisation: delivery.Organisation{Name: "Example Works", Help: "Ask."},
		PickupURL:    "https://pass.example.org",
		Channels:     map[string]channel.Channel{"ear": ear{heard}},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, m := range jml.Messages() {
		n := jml.Notice{
			Message: m, Channel: "ear", To: jml.RecipientManager, Addressee: "Kim", GivenName: "Robin", FamilyName: "Vale", Site: "Berlin",
			SignInName: "robin.vale@example.com", Zone: "Europe/Berlin", Start: at, From: at, Until: at.Add(time.Hour), CollectedAt: at,
			OneTime: true, Half: 1, Register: jml.StrongMethods(), Replaces: true, Collected: true,
			Reason: jml.ReasonRepudiated, Reference: "q7k2m9w4",
			Journey: jml.KindMover, Device: "LAP-0007", Devices: 2, Requester: "olga", Expired: true,
		}
		if _, err := s.Send(t.Context(), n, secret.Contents{
			Passcode: secret.NewPasscode("EXAMPLE"), Code: secret.NewPasscode("000000"), PickupReference: secret.NewPasscode("EXAM-P1EN-0REF"),
			Link: secret.NewPasscode("https://pass.example.org/p#EXAMPLE"),
		}); err != nil {
			t.Fatalf("%s: %v", m, err)
		}
	}
	_, table, _ := strings.Cut(pages(t)["../../docs/delivery.md"], "\n## Fields\n")
	table, _, _ = strings.Cut(table, "\n## ")
	told := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			told[name[1]] = true
		}
	}
	if diff := cmp.Diff(heard, told); diff != "" {
		t.Errorf("fields (-messages have +docs/delivery.md tells)\n%s", diff)
	}
}

// TestDocumentLinks: links among the documents lead to a page and a heading that
// are there.
func TestDocumentLinks(t *testing.T) {
	files, err := filepath.Glob("../../docs/adr/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := pages(t)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[f] = string(b)
	}
	anchors := func(text string) map[string]bool {
		out := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
			plain := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
			out[strings.ReplaceAll(plain, " ", "-")] = true
		}
		for _, m := range regexp.MustCompile(`(?m)^<a id="([^"]+)"></a>$`).FindAllStringSubmatch(text, -1) {
			out[m[1]] = true
		}
		return out
	}
	for file, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s:]+)\)`).FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: there is no %s", file, m[1])
				continue
			}
			if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s has no heading %s", file, target, anchor)
			}
		}
	}
}
