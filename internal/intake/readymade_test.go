package intake

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/parsers/yaml"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/jml"
)

// expected is what one item of a sample comes to.
type expected struct {
	Snapshot    map[string]any `json:"snapshot,omitempty"`
	Quarantined string         `json:"quarantined,omitempty"` // part of the reason
	PassedOver  bool           `json:"passed_over,omitempty"`
	Handshake   bool           `json:"handshake,omitempty"`
	Fetch       bool           `json:"fetch,omitempty"`
}

var samplesAt = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// TestReadyMadeSources reads every sample of every source that comes with
// Firstpass. A sample is what the HR system sends, whole; beside it may stand
// its headers, what fetch returns, and another way to configure the source.
func TestReadyMadeSources(t *testing.T) {
	root := "../../config/sources/testdata"
	for _, name := range config.ReadyMade() {
		goldens, _ := filepath.Glob(filepath.Join(root, name, "*.golden.json"))
		if len(goldens) < 3 {
			t.Errorf("%s has %d samples, want 3 or more", name, len(goldens))
		}
		for _, golden := range goldens {
			base := strings.TrimSuffix(golden, ".golden.json")
			t.Run(name+"/"+filepath.Base(base), func(t *testing.T) {
				var want []expected
				readJSON(t, golden, &want)
				sourceFile := base + ".source.yaml"
				if _, err := os.Stat(sourceFile); err != nil {
					sourceFile = filepath.Join(root, name, "source.yaml")
				}
				c := loadSource(t, sourceFile)
				var got []expected
				if c.Kind == config.SourceSCIM {
					got = provision(t, c, sampleOf(t, base))
				} else {
					got = readSample(t, c, base)
				}
				if len(got) != len(want) {
					t.Fatalf("%d items, want %d: %+v", len(got), len(want), got)
				}
				for i := range want {
					if w := want[i].Quarantined; w != "" && strings.Contains(got[i].Quarantined, w) {
						continue
					}
					delete(got[i].Snapshot, "observed_at")
					if d := cmp.Diff(normal(want[i]), normal(got[i])); d != "" {
						t.Errorf("item %d (-want +got):\n%s", i+1, d)
					}
				}
			})
		}
	}
}

// normal drops what golden files may leave out.
func normal(e expected) expected {
	e.Snapshot = maps.Clone(e.Snapshot)
	delete(e.Snapshot, "observed_at")
	for _, k := range []string{"start_date", "zone"} {
		if e.Snapshot[k] == "" {
			delete(e.Snapshot, k)
		}
	}
	return e
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func sampleOf(t *testing.T, base string) string {
	t.Helper()
	for _, ext := range []string{".json", ".xml", ".csv", ".form"} {
		if _, err := os.Stat(base + ext); err == nil {
			return base + ext
		}
	}
	t.Fatalf("no sample beside %s", base)
	return ""
}

// loadSource loads a configuration of one source, with stand-ins for the keys
// and secrets it lacks.
func loadSource(t *testing.T, path string) config.Source {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	src, err := yaml.Parser().Unmarshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	secret := file(t, "invented-secret-of-some-length")
	hook := file(t, hookKey)
	for range 5 {
		c, err := loadWith(t, src)
		if err == nil {
			return c
		}
		for _, e := range config.Errors(err) {
			at := strings.Split(strings.TrimPrefix(e.Path, "sources[0]."), ".")
			switch at[len(at)-1] {
			case "key_files":
				key := secret
				if strings.Contains(string(raw), "use: canonical") {
					key = hook
				}
				set(src, at, []any{key})
			case "secret_file":
				set(src, at, secret)
			case "user":
				set(src, at, "firstpass")
			case "allow_hosts":
				set(src, at, []any{"hr.example.com"})
			default:
				if strings.HasSuffix(e.Path, "verify.kind") { // entra-inbound leaves the choice
					set(src, []string{"verify", "kind"}, "bearer")
					continue
				}
				t.Fatal(err)
			}
		}
	}
	t.Fatal("the source wants ever more keys")
	return config.Source{}
}

func set(tree map[string]any, path []string, v any) {
	for _, p := range path[:len(path)-1] {
		sub, ok := tree[p].(map[string]any)
		if !ok {
			sub = map[string]any{}
			tree[p] = sub
		}
		tree = sub
	}
	tree[path[len(path)-1]] = v
}

func loadWith(t *testing.T, src map[string]any) (config.Source, error) {
	t.Helper()
	whole, err := yaml.Parser().Marshal(map[string]any{
		"temporal": map[string]any{"keyring_file": "k"}, "graph": map[string]any{"tenant_id": "example.org", "credential": map[string]any{"kind": "managed_identity"}},
		"organisation": map[string]any{"name": "x", "help": "x"}, "channels": []any{map[string]any{"name": "mail", "api_key_file": "k", "from": "it@example.org"}},
		"profiles": map[string]any{"default": map[string]any{
			"mode": "send", "pass_to": []any{map[string]any{"channel": "mail", "recipient": "personal_mail"}},
		}}, "refs": map[string]any{"key_file": "k"},
		"audit": map[string]any{"file": "a"}, "ledger": map[string]any{"file": "l"}, "sources": []any{src},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file(t, string(whole)), func(string) string { return "" })
	if err != nil {
		return config.Source{}, err
	}
	return c.Sources[0], nil
}

func reader(t *testing.T, c config.Source) *Reader {
	t.Helper()
	x, err := mapping.NewCompiler(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader("sources[0]", c, x)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readSample reads what a webhook, a page, a file or Graph brings.
func readSample(t *testing.T, c config.Source, base string) []expected {
	t.Helper()
	r, sample := reader(t, c), sampleOf(t, base)
	body, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set("Content-Type", map[string]string{
		".json": "application/json", ".xml": "application/xml", ".form": "application/x-www-form-urlencoded", ".csv": "text/csv",
	}[filepath.Ext(sample)])
	if _, err := os.Stat(base + ".headers.json"); err == nil {
		more := map[string]string{}
		readJSON(t, base+".headers.json", &more)
		for k, v := range more {
			h.Set(k, v)
		}
	}
	var fetched any
	if raw, err := os.ReadFile(base + ".fetched.json"); err == nil {
		if fetched, err = tree.Decode("application/json", raw, tree.DefaultLimits()); err != nil {
			t.Fatal(err)
		}
	}
	d := NewDelivery(h, body, time.Time{}, samplesAt)
	if is, _, _ := r.Handshake(t.Context(), d); is {
		return []expected{{Handshake: true}}
	}
	var records []Record
	switch {
	case filepath.Ext(sample) == ".csv":
		if records, err = r.Rows(t.Context(), body, c.File, samplesAt); err != nil {
			t.Fatal(err)
		}
	case c.Kind == config.SourceEntra:
		users, err := tree.Decode("application/json", body, tree.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		list, ok := tree.Lookup(users, "value")
		if !ok {
			list = users
		}
		if _, ok := list.([]any); !ok {
			list = []any{list}
		}
		for _, u := range list.([]any) {
			records = append(records, r.record(t.Context(), mapping.Vars{Source: c.Name, Settings: c.Settings, Item: u}, nil, samplesAt, samplesAt))
		}
	default:
		records = r.Records(t.Context(), d, fetched)
	}
	var out []expected
	for _, rec := range records {
		e := expected{PassedOver: rec.PassedOver, Fetch: rec.Fetch}
		switch {
		case rec.Err != nil:
			e.Quarantined = rec.Err.Error()
		case !rec.PassedOver && !rec.Fetch:
			e.Snapshot = asMap(t, rec.Snapshot)
		}
		out = append(out, e)
	}
	return out
}

func asMap(t *testing.T, s jml.Snapshot) map[string]any {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// provision sends a sample the way SCIM clients do.
func provision(t *testing.T, c config.Source, sample string) []expected {
	t.Helper()
	w := newWorld(t, []config.Source{c})
	w.now = samplesAt
	w.desk.sources[c.Name].rules.LateLimit = 100 * 366 * 24 * time.Hour // so that leavers are told, too
	body, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	path := "/v1/scim/" + c.Name + "/Users"
	if strings.Contains(string(body), "BulkRequest") {
		path = "/v1/scim/" + c.Name + "/bulkUpload"
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/scim+json")
	r.Header.Set("Authorization", "Bearer invented-secret-of-some-length")
	rec := w.do(r)
	if rec.Code >= 300 {
		t.Fatalf("answered %d: %s", rec.Code, rec.Body)
	}
	var out []expected
	for _, s := range w.taken() {
		out = append(out, expected{Snapshot: asMap(t, s)})
	}
	list, err := w.desk.QuarantineList(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range list {
		out = append(out, expected{Quarantined: q.Reason})
	}
	return out
}

// TestExpressionsCompileAtLoad: what is wrong with a source shows before it is
// needed.
func TestExpressionsCompileAtLoad(t *testing.T) {
	for _, name := range config.ReadyMade() {
		text, err := config.ReadyMadeText(name)
		if err != nil {
			t.Fatal(err)
		}
		src, err := yaml.Parser().Unmarshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := src["name"]; ok {
			t.Errorf("%s has a name, which is the user's to give", name)
		}
	}
	c := loadSource(t, "../../config/sources/testdata/bamboohr/source.yaml")
	c.Map["zone"], c.When, c.Dedupe = "item.", "item.x + ", "fetched.id"
	x, err := mapping.NewCompiler(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewReader("sources[0]", c, x)
	var got []string
	for _, e := range config.Errors(err) {
		got = append(got, e.Path)
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"sources[0].dedupe", "sources[0].map.zone", "sources[0].when"}, got); d != "" {
		t.Error(d, errors.Unwrap(err))
	}
}
