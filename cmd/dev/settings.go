package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"

	"firstpass.internal/internal/jml"
)

//go:embed firstpass.yaml.tmpl
var settingsTemplate string

// The cohorts of a world, by the names of their profiles.
const (
	cohortPickup    = "default"   // link by mail, code by text message, date of birth
	cohortSend      = "send"      // passcode by mail
	cohortSplit     = "split"     // half by mail, half by text message
	cohortEID       = "eid"       // link, code, electronic identity
	cohortVouched   = "vouched"   // link, code, the manager's word
	cohortFrontline = "frontline" // letter, code at the desk, document at the desk
)

// The profiles that rules choose, whatever the cohort, and those of what is asked
// for.
const (
	profileOffice   = "office"   // joins Sales: Authenticator does, too
	profileRehire   = "rehire"   // was here before: older methods go
	profileTreasury = "treasury" // moves to Treasury: passkeys alone, weaker methods go
	profileRecovery = "recovery" // lost a method; role holders need a second yes
	profileStaging  = "staging"  // a technician sets up the device
)

// profileSettings are the rules that all profiles of a world share.
type profileSettings struct {
	LeadTime, Lifetime, Settle, Timeout time.Duration
	OneTime                             bool
	LinkValid, Window                   time.Duration // mode pickup
	CompleteOn                          []jml.MethodKind
	Poll, Recheck                       []time.Duration
	Reminders                           []string  // as the configuration writes one, on one line
	MoversAt                            jml.Clock // local time at which a new position takes effect
}

// quickProfile has waits that somebody can sit through.
func quickProfile() profileSettings {
	return profileSettings{
		LeadTime:   48 * time.Hour,
		Lifetime:   time.Hour,
		OneTime:    true,
		LinkValid:  7 * 24 * time.Hour,
		Window:     15 * time.Minute,
		CompleteOn: []jml.MethodKind{jml.MethodFIDO2, jml.MethodWindowsHello},
		Settle:     3 * time.Second,
		Timeout:    7 * 24 * time.Hour,
		Poll:       []time.Duration{10 * time.Second, 20 * time.Second, time.Minute},
		Recheck:    []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second},
	}
}

// office is a place of work. An HR system knows the place, not the time zone.
type office struct{ Name, Zone string }

func offices() []office {
	return []office{
		{"Copenhagen", "Europe/Copenhagen"},
		{"London", "Europe/London"},
		{"New York", "America/New_York"},
		{"Singapore", "Asia/Singapore"},
	}
}

// findOffice looks an office up by name, whatever its case.
func findOffice(name string) (office, error) {
	var names []string
	for _, o := range offices() {
		if strings.EqualFold(o.Name, name) {
			return o, nil
		}
		names = append(names, o.Name)
	}
	return office{}, fmt.Errorf("no office in %q; there are %s", name, strings.Join(names, ", "))
}

// settings is what the configuration file is written from.
type settings struct {
	Dir, Keys                  string // absolute folders
	TemporalAddress, Namespace string
	TenantURL, TenantID        string
	ClientID, TenantCA         string
	MailURL, MailCA            string
	MailEventKey               string // file
	TextURL, TextCA            string
	TextAccount, TextFrom      string
	Intake, Pickup             string // host:port
	EIDURL, EIDCA, EIDClient   string
	Ops, OpsURL                string // host:port; what browsers call
	OpsCertificate, OpsKey     string // files
	OpsClient                  string // of the console's registration in the tenant
	Metrics                    string // host:port
	WebUI                      string // of Temporal
	Letters                    string // folder
	Offices                    []office
	ExtraSources               string // YAML of further sources, each two blanks in
	Cohort                     string // the profile of all sources
	Profile                    profileSettings
}

// MoreSources are ExtraSources, in the cohort of the others.
func (s settings) MoreSources() string {
	return regexp.MustCompile(`(?m)^  - name: .*$`).ReplaceAllString(s.ExtraSources, "$0\n    profile: "+s.Cohort)
}

func (s settings) render() (string, error) {
	t, err := template.New("firstpass.yaml").Funcs(template.FuncMap{
		// A JSON string is a YAML string, whatever is in the path.
		"quote": func(parts ...string) (string, error) {
			raw, err := json.Marshal(filepath.FromSlash(strings.Join(parts, "")))
			return string(raw), err
		},
	}).Parse(settingsTemplate)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, s); err != nil {
		return "", err
	}
	return out.String(), nil
}
