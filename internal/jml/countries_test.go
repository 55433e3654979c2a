package jml_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

var update = flag.Bool("update", false, "write the table of countries anew, from the zone files of this machine")

func TestSoleZone(t *testing.T) {
	for country, want := range map[string]string{
		"DE": "Europe/Berlin", // Büsingen has an entry of its own and the same time
		"DK": "Europe/Copenhagen", "GB": "Europe/London", "JP": "Asia/Tokyo", "IN": "Asia/Kolkata", "AR": "America/Argentina/Buenos_Aires",
		"SG": "Asia/Singapore", "ZA": "Africa/Johannesburg", "IL": "Asia/Jerusalem", "VN": "Asia/Ho_Chi_Minh",
		"US": "", "RU": "", "ES": "", "PT": "", "CA": "", "AU": "", "BR": "", "MX": "", "CN": "", "NZ": "", "CL": "", "ID": "", "FR": "Europe/Paris",
		"": "", "de": "", "DEU": "", "XX": "", "ZZ": "", "\nA": "", "D": "", "DE ": "", "E\n": "",
	} {
		if got, ok := jml.SoleZone(country); got != want || ok != (want != "") {
			t.Errorf("SoleZone(%q) = %q, %v, want %q", country, got, ok, want)
		}
	}
}

// TestCountriesTable makes the table anew and compares. Where the machine has
// another edition of the zone files it only looks whether the zones are there.
func TestCountriesTable(t *testing.T) {
	const file = "countries.go"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, old, found := strings.Cut(string(src), "// soleZones ")
	for line := range strings.Lines(old) {
		if m := regexp.MustCompile(`^([A-Z]{2}) (\S+)\n$`).FindStringSubmatch(line); m != nil {
			if _, err := jml.LoadZone(m[2]); err != nil {
				t.Errorf("%s: %v", m[1], err)
			}
		}
	}
	tab, err1 := os.ReadFile("/usr/share/zoneinfo/zone.tab")
	zi, err2 := os.ReadFile("/usr/share/zoneinfo/tzdata.zi")
	if err1 != nil || err2 != nil {
		t.Skip("this machine has no zone files")
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(string(zi), "# version "), "\n")
	made := `// soleZones has the countries with one time, made by go test -run Countries -update
// from zone.tab and the zones of tzdata ` + version + `. Zones are one if
// their clocks agree from 2024 to 2035; the first in zone.tab stands for them.
const soleZones = ` + "`\n" + soleZones(t, string(tab)) + "`\n"
	if *update {
		if err := os.WriteFile(file, []byte(head+made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !found || !strings.Contains(old, "tzdata "+version+".") {
		t.Skipf("this machine has tzdata %s, the table is of another", version)
	}
	if d := cmp.Diff(made, "// soleZones "+old); d != "" {
		t.Error(d)
	}
}

// soleZones gives a line for each country of tab that has one time.
func soleZones(t *testing.T, tab string) string {
	var order []string
	zones := map[string][]*time.Location{}
	for line := range strings.Lines(tab) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") || len(f) < 3 {
			continue
		}
		if zones[f[0]] == nil {
			order = append(order, f[0])
		}
		zones[f[0]] = append(zones[f[0]], zone(t, f[2]))
	}
	var out strings.Builder
	for _, country := range order {
		sole := true
		for _, other := range zones[country][1:] {
			sole = sole && agree(zones[country][0], other)
		}
		if sole {
			out.WriteString(country + " " + zones[country][0].String() + "\n")
		}
	}
	return out.String()
}

// agree reports whether two clocks show the same from 2024 to 2035.
func agree(a, b *time.Location) bool {
	end := time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); at.Before(end); {
		_, x := at.In(a).Zone()
		_, y := at.In(b).Zone()
		if x != y {
			return false
		}
		// The next moment at which one of them changes.
		next := end
		for _, loc := range []*time.Location{a, b} {
			if _, change := at.In(loc).ZoneBounds(); !change.IsZero() && change.Before(next) {
				next = change
			}
		}
		at = next
	}
	return true
}
