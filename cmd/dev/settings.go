package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"firstpass.internal/internal/jml"
)

//go:embed firstpass.yaml.tmpl
var settingsTemplate string

// profileSettings is the default profile of a world.
type profileSettings struct {
	LeadTime, Lifetime, Settle, Timeout time.Duration
	OneTime                             bool
	CompleteOn                          []jml.MethodKind
	Poll, Recheck                       []time.Duration
}

// quickProfile has waits that somebody can sit through.
func quickProfile() profileSettings {
	return profileSettings{
		LeadTime:   48 * time.Hour,
		Lifetime:   time.Hour,
		OneTime:    true,
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
	Intake                     string
	Offices                    []office
	ExtraSources               string // YAML of further sources, each two blanks in
	Profile                    profileSettings
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
