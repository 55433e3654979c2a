package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/parsers/yaml"

	"firstpass.internal/internal/jml"
)

var update = flag.Bool("update", false, "write the golden files")

func noenv(string) string { return "" }

func envOf(m map[string]string) func(string) string {
	return func(k string) string { return m[k] }
}

func TestExample(t *testing.T) {
	c, err := Load("example.yaml", noenv)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(office(), c.Profile("default")); d != "" {
		t.Error(d)
	}
	remote := c.Profile("remote")
	if d := cmp.Diff([]jml.Proof{{Name: "eid", Kind: jml.ProofOIDC}}, remote.Proofs); d != "" || remote.Mode != jml.ModePickup {
		t.Errorf("remote: %s, mode %s", d, remote.Mode)
	}
	frontline := c.Profile("frontline")
	for _, r := range slices.Concat(frontline.LinkTo, frontline.CodeTo, frontline.NoticeTo) {
		if r.Recipient.Employee() {
			t.Errorf("frontline: %s needs what the employee does not have", r.Channel)
		}
	}
	if c.Intake.MaxBody != 256<<10 || c.Intake.LateLimit != 168*time.Hour {
		t.Errorf("intake = %+v", c.Intake)
	}
	if f := c.Sources[0].Verify.KeyFiles[0]; !filepath.IsAbs(f) || filepath.Base(f) != "bamboohr-key" {
		t.Errorf("key file %s is not absolute", f)
	}
	if c.Sources[1].Map != nil || c.Sources[1].Verify.Kind != VerifyStandardWebhooks {
		t.Error("a source without a map has one")
	}
}

// office is the profile default of the example.
func office() jml.Profile {
	sms := jml.Route{Channel: "sms", Recipient: jml.RecipientPersonalPhone}
	mail := jml.Route{Channel: "mail", Recipient: jml.RecipientPersonalMail}
	desk := jml.Route{Channel: "tenant-mail", Recipient: jml.RecipientDesk, Desk: "service-desk"}
	return jml.Profile{
		Name: "default", LeadTime: 48 * time.Hour, StartHour: jml.Clock{Hour: 9}, Lifetime: 8 * time.Hour,
		Mode:       jml.ModePickup,
		LinkTo:     []jml.Route{mail, {Channel: "relay", Recipient: jml.RecipientPersonalMail}},
		CodeTo:     []jml.Route{sms, desk},
		LinkValid:  7 * 24 * time.Hour,
		Proofs:     []jml.Proof{{Name: "hr-facts", Kind: jml.ProofFact}},
		Window:     15 * time.Minute,
		NoticeTo:   []jml.Route{sms, mail},
		AlertTo:    []jml.Route{{Channel: "teams", Recipient: jml.RecipientDesk}, {Channel: "relay", Recipient: jml.RecipientDesk, Desk: "service-desk"}},
		CompleteOn: jml.StrongMethods(), Settle: 15 * time.Minute, Timeout: 7 * 24 * time.Hour,
		Reminders: []jml.Reminder{
			{Anchor: jml.AnchorStart, Offset: -18 * time.Hour, To: []jml.Route{sms, mail}},
			{Anchor: jml.AnchorExpiry, Offset: -2 * time.Hour, To: []jml.Route{sms}},
			{Anchor: jml.AnchorStart, Offset: 4 * time.Hour, To: []jml.Route{{Channel: "tenant-mail", Recipient: jml.RecipientManager}}},
			{Anchor: jml.AnchorStart, Offset: 24 * time.Hour, To: []jml.Route{desk}},
		},
		ChangeTo: []jml.Route{mail, sms},
		MissedTo: []jml.Route{{Channel: "tenant-mail", Recipient: jml.RecipientManager},
			{Channel: "relay", Recipient: jml.RecipientDesk, Desk: "berlin-reception"}},
		Unfinished: jml.UnfinishedOffer, Devices: 1,
		Quiet:    &jml.QuietHours{From: jml.Clock{Hour: 20}, Until: jml.Clock{Hour: 7, Minute: 30}},
		Reissues: 2,
		Poll:     []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute},
		Recheck: []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
			15 * time.Minute, 30 * time.Minute, time.Hour},
	}
}

// withClassic puts the profile in force that text shows commented out: a blank
// behind # makes a line prose; none, or two, a part of the profile.
func withClassic(text string) string {
	return regexp.MustCompile(`(?m)^  #(\S|  )`).ReplaceAllString(text, "  $1")
}

func TestExampleClassic(t *testing.T) {
	raw, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := load([]byte(withClassic(string(raw))), "/etc/firstpass", noenv)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Profile("classic")
	if p.Mode != jml.ModeSend || len(p.PassTo) != 1 || len(p.RestTo) != 1 || p.LinkValid != 0 || p.Window != 0 {
		t.Errorf("classic = %+v", p)
	}
}

// exampleLines are the lines of the example, with single keys that are shown
// commented out put in force.
func exampleLines(t *testing.T) []string {
	raw, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^( +)# (secret_file|token_file|url_file|password_file|messaging_service): `)
	text := shown.ReplaceAllString(string(raw), "$1$2: ")
	return strings.Split(withClassic(text), "\n")
}

func TestExampleHasEveryKey(t *testing.T) {
	tree, err := yaml.Parser().Unmarshal([]byte(strings.Join(exampleLines(t), "\n")))
	if err != nil {
		t.Fatal(err)
	}
	// A section that occurs in several places is shown whole in one of them.
	have := map[reflect.Type]map[string]bool{}
	var walk func(typ reflect.Type, v any)
	walk = func(typ reflect.Type, v any) {
		switch {
		case typ.Kind() == reflect.Slice:
			list, _ := v.([]any)
			for _, e := range list {
				walk(typ.Elem(), e)
			}
		case typ.Kind() == reflect.Map:
			m, _ := v.(map[string]any)
			for _, e := range m {
				walk(typ.Elem(), e)
			}
		case typ.Kind() == reflect.Struct && isSection(typ):
			if have[typ] == nil {
				have[typ] = map[string]bool{}
			}
			m, _ := v.(map[string]any)
			for f := range fields(typ) {
				sub, ok := m[key(f)]
				have[typ][key(f)] = have[typ][key(f)] || ok
				walk(f.Type, sub)
			}
		}
	}
	walk(reflect.TypeFor[Config](), tree)
	for typ, keys := range have {
		for k, ok := range keys {
			if !ok {
				t.Errorf("example.yaml lacks %s of a %s", k, typ)
			}
		}
	}
}

func TestExampleExplainsEveryKey(t *testing.T) {
	keyLine := regexp.MustCompile(`^\s*(- )?[a-z_]+:`)
	seen := map[string]bool{}
	lines := exampleLines(t)
	for i, l := range lines {
		if !keyLine.MatchString(l) {
			continue
		}
		k := strings.TrimLeft(strings.SplitN(l, ":", 2)[0], " -")
		explained := strings.Contains(l, "# ") || i > 0 && strings.HasPrefix(strings.TrimSpace(lines[i-1]), "#")
		seen[k] = seen[k] || explained
	}
	// Fields of a mapping are explained where map is; the rest is said by kind.
	for _, k := range strings.Fields("employee_id status start_date start_time given_name family_name upn personal_mail phone manager_id department employee_type default secret_file token_file url_file password_file messaging_service Berlin zone") {
		delete(seen, k)
	}
	for k, ok := range seen {
		if !ok {
			t.Errorf("%s stands in the example without a comment", k)
		}
	}
}

// TestErrors loads each testdata/*.yaml and compares all that is wrong with it.
func TestErrors(t *testing.T) {
	list, _ := filepath.Glob("testdata/*.yaml")
	if len(list) < 8 {
		t.Fatalf("only %d cases", len(list))
	}
	for _, name := range list {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, err := Load(name, noenv)
			if err == nil {
				t.Fatal("loads")
			}
			if len(Errors(err)) == 0 {
				t.Errorf("%T holds no *Error", err)
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".err"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), noenv)
	if err == nil || !strings.Contains(err.Error(), "example.yaml") {
		t.Errorf("err = %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	c, err := Load("example.yaml", envOf(map[string]string{
		"FIRSTPASS_TEMPORAL__ADDRESS":      "temporal:7233",
		"FIRSTPASS_TEMPORAL__TLS__ENABLED": "true",
		"FIRSTPASS_INTAKE__MAX_BODY":       "1MiB",
		"FIRSTPASS_INTAKE__LATE_LIMIT":     "2d",
		"FIRSTPASS_AUDIT__FILE":            "/srv/audit.jsonl",

		"FIRSTPASS_PICKUP__TRIES_PER_MINUTE": "20",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Temporal.Address != "temporal:7233" || c.Intake.MaxBody != 1<<20 ||
		c.Intake.LateLimit != 48*time.Hour || c.Pickup.TriesPerMinute != 20 || c.Audit.File != "/srv/audit.jsonl" {
		t.Errorf("config = %+v", c)
	}
	for name, want := range map[string]string{
		"FIRSTPASS_TEMPORAL__TLS__ENABLED":   "temporal.tls.enabled: want true or false",
		"FIRSTPASS_PICKUP__TRIES_PER_MINUTE": "pickup.tries_per_minute: want a whole number",
	} {
		_, err = Load("example.yaml", envOf(map[string]string{name: "maybe"}))
		if err == nil || err.Error() != want {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestZeroIsNotAbsent(t *testing.T) {
	raw, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), "lead_time: 2d", "lead_time: 0s", 1)
	text = strings.Replace(text, "settle: 15m", "settle:", 1)
	c, err := load([]byte(text), "/etc/firstpass", noenv)
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Profile("default"); p.LeadTime != 0 || p.Settle != 15*time.Minute {
		t.Errorf("lead time %s, settle %s", p.LeadTime, p.Settle)
	}
}

func TestProfileUnknown(t *testing.T) {
	if d := cmp.Diff(jml.Profile{}, (&Config{}).Profile("x")); d != "" {
		t.Error(d)
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"2d": 48 * time.Hour, "0d": 0, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "-1d": -24 * time.Hour,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("%s = %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "2", "2d3h", "1w", "999999999d"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("%q = %s", in, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]Size{"1": 1, "256KiB": 256 << 10, "2 MiB": 2 << 20} {
		var got Size
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want {
			t.Errorf("%s = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "KiB", "-1", "1.5MiB", "9999999999999999MiB", "1KB"} {
		var got Size
		if err := got.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q = %d", in, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	list, _ := filepath.Glob("testdata/*.yaml")
	for _, name := range append(list, "example.yaml") {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := load(raw, "/etc/firstpass", noenv)
		if err != nil {
			if len(Errors(err)) == 0 {
				t.Fatalf("%T holds no *Error: %v", err, err)
			}
			return
		}
		for name := range c.Profiles {
			if p := c.Profile(name); p.Name == "" || p.Lifetime == 0 || len(p.Poll) == 0 {
				t.Fatalf("profile %+v", p)
			}
			// Whatever loads keeps link and code apart.
			for _, l := range c.Profile(name).LinkTo {
				both := func(r jml.Route) bool {
					// A technician's mailbox and phone are two.
					return r.Recipient == l.Recipient && (r.Recipient != jml.RecipientTechnician || r.Channel == l.Channel)
				}
				if l.Recipient != jml.RecipientDesk && slices.ContainsFunc(c.Profile(name).CodeTo, both) {
					t.Fatalf("profile %+v", c.Profile(name))
				}
			}
		}
		files(c, func(path, _ string, name *string) {
			if *name != "" && !filepath.IsAbs(*name) {
				t.Fatalf("%s is relative", path)
			}
		})
	})
}
