package profile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// now is a Monday.
func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func noenv(string) string { return "" }

// base is a configuration without sources, profiles and calendars.
const base = `
temporal: {keyring_file: keyring.json}
graph: {tenant_id: example.org, client_id: app, credential: {kind: managed_identity}}
ledger: {file: l.db}
organisation: {name: Example, help: the service desk}
pickup: {url: "https://pass.example.org", key_file: key}
desks: [{name: it, mail: it@example.org, phone: "+4930555010"}]
channels:
  - {name: mail, api_key_file: key, from: it@example.org}
  - {name: sms, kind: twilio, account_sid: AC0123456789abcdef0123456789abcdef, auth_token_file: key, from: "+4930555010"}
proofs: {officer: {kind: desk}}
refs: {key_file: refs}
audit: {file: audit.jsonl}
`

const hr = "\nsources: [{name: hr, use: canonical, PROFILE verify: {key_files: [k]}}]\n"

// source is a source whose fallback is profile; empty for none.
func source(profile string) string {
	if profile == "-" {
		return strings.Replace(hr, "PROFILE", `profile: "",`, 1)
	}
	if profile == "" {
		return strings.Replace(hr, "PROFILE ", "", 1)
	}
	return strings.Replace(hr, "PROFILE", "profile: "+profile+",", 1)
}

const ways = "link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: sms, recipient: personal_phone}]"

// load reads a configuration of base and text.
func load(t testing.TB, text string) *config.Config {
	t.Helper()
	return loadWhole(t, base+text)
}

func loadWhole(t testing.TB, text string) *config.Config {
	t.Helper()
	name := filepath.Join(t.TempDir(), "firstpass.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(name, noenv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func rules(t testing.TB, text string) *Rules {
	t.Helper()
	r, err := New(load(t, text), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// somebody starts on Monday, 7 December.
func somebody(with func(*jml.Snapshot)) jml.Snapshot {
	s := jml.Snapshot{
		EmployeeID: "E-4711", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 12, Day: 7}, Zone: "Europe/Berlin",
		Country: "DE", Site: "Berlin", Department: "Sales", PersonalMail: "p@example.com", ObservedAt: now(),
	}
	if with != nil {
		with(&s)
	}
	return s
}
