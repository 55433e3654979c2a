package deploy_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"

	"firstpass.internal/internal/jml"
)

// panel is what of a dashboard's panel can be wrong.
type panel struct {
	ID          int
	Title, Type string
	Datasource  struct{ UID string }
	FieldConfig struct{ Defaults struct{ Unit string } }
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		RefID, Expr string
		Datasource  struct{ UID string }
	}
}

func TestDashboards(t *testing.T) {
	files, err := filepath.Glob("grafana/*.json")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	uids := map[string]string{}
	for _, f := range files {
		var d struct {
			UID, Title string
			Templating struct {
				List []struct{ Name, Type, Query string }
			}
			Panels []panel
		}
		if err := json.Unmarshal([]byte(read(t, f)), &d); err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if other := uids[d.UID]; other != "" || d.UID == "" || d.Title == "" {
			t.Errorf("%s: uid %q, title %q, as in %q", f, d.UID, d.Title, other)
		}
		uids[d.UID] = f
		if !slices.ContainsFunc(d.Templating.List, func(v struct{ Name, Type, Query string }) bool {
			return v.Name == "datasource" && v.Type == "datasource" && v.Query == "prometheus"
		}) {
			t.Errorf("%s: there is no variable for the data source", f)
		}
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("%s: panel %q has the id of another", f, p.Title)
			}
			ids[p.ID] = true
			if p.Title == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q lacks a title, a unit or a query", f, p.ID, p.Title)
			}
			if p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: panel %q asks %q", f, p.Title, p.Datasource.UID)
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if q.Expr == "" || refs[q.RefID] || q.Datasource.UID != "${datasource}" {
					t.Errorf("%s: panel %q: query %s", f, p.Title, q.RefID)
				}
				refs[q.RefID] = true
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: panel %q lies on %q, or beyond the edge", f, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// alerts are the names of the rules, with where each says its runbook is.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	tree, err := yaml.Parser().Unmarshal([]byte(read(t, "prometheus/rules.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, g := range tree["groups"].([]any) {
		for _, r := range g.(map[string]any)["rules"].([]any) {
			rule := r.(map[string]any)
			out[rule["alert"].(string)] = rule["annotations"].(map[string]any)["runbook_url"].(string)
		}
	}
	return out
}

// TestRunbooks: every alert and every block reason has a section, every section
// has an alert or a reason, and each says what it must.
func TestRunbooks(t *testing.T) {
	text := read(t, "../docs/operations.md")
	want := map[string]bool{}
	for name, url := range alerts(t) {
		want["alert-"+name] = true
		if url != "docs/operations.md#alert-"+name {
			t.Errorf("%s: runbook_url is %s", name, url)
		}
	}
	for _, r := range jml.Reasons() {
		want["blocked-"+string(r)] = true
	}
	if len(want) < 50 {
		t.Fatalf("only %d runbooks are wanted", len(want))
	}
	seen := map[string]bool{}
	// An anchor stands over the heading of its section.
	anchors := regexp.MustCompile(`(?m)^<a id="((?:alert|blocked)-[A-Za-z]+)"></a>\n\n#### (.+)$`)
	at := anchors.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		name, end := text[m[2]:m[3]], len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		section := text[m[1]:end]
		if next := regexp.MustCompile(`(?m)^#{2,3} `).FindStringIndex(section); next != nil {
			section = section[:next[0]]
		}
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if !want[name] {
			t.Errorf("%s is the anchor of nothing", name)
		}
		for _, part := range []string{"See:", "Do:", "Over:", "Escalate:"} {
			if !strings.Contains(section, "\n- **"+part+"**") {
				t.Errorf("%s does not say %q", name, part)
			}
		}
		// Commands that are meant to be typed are tried by cmd/firstpass.
		if lead := strings.TrimSpace(section); strings.HasPrefix(lead, "- **") {
			t.Errorf("%s does not say what it means", name)
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s has no section", name)
		}
	}
	if all := regexp.MustCompile(`<a id="(?:alert|blocked)-`).FindAllString(text, -1); len(all) != len(at) {
		t.Errorf("%d anchors, %d of them with a heading under them", len(all), len(at))
	}
}

// TestProbes: each way of running it asks the program how it does.
func TestProbes(t *testing.T) {
	for _, f := range []string{"Dockerfile", "compose/compose.yaml"} {
		if !regexp.MustCompile(`"/firstpass", "probe", "readyz"`).MatchString(read(t, f)) {
			t.Errorf("%s does not probe", f)
		}
	}
	if !strings.Contains(read(t, "systemd/firstpass.service"), "ExecStartPost=-/usr/local/bin/firstpass probe startupz") {
		t.Error("the unit does not wait for the start")
	}
}
