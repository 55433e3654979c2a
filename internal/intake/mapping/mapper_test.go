package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

type object = map[string]any

// source maps an item's id; kv changes its map.
func source(kv ...string) config.Source {
	m := map[string]string{"employee_id": "item.id", "status": `"scheduled"`, "start_date": `"2026-04-01"`, "zone": `"Europe/Berlin"`}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return config.Source{Name: "hr", Map: m}
}

// want is what source gives for the id 7, changed by edit.
func want(edit func(*jml.Snapshot)) jml.Snapshot {
	s := jml.Snapshot{EmployeeID: "7", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 4, Day: 1},
		Zone: "Europe/Berlin", ZoneRule: jml.ZoneFromPayload, ObservedAt: noon}
	edit(&s)
	return s
}

func TestMapped(t *testing.T) {
	same := func(*jml.Snapshot) {}
	for _, tc := range []struct {
		name string
		kv   []string
		item object
		edit func(*jml.Snapshot)
	}{
		{"a text", nil, object{"id": "7"}, same},
		{"blanks around", nil, object{"id": " 7\u00a0"}, same},
		{"the same id as a number", nil, object{"id": int64(7)}, same},
		{"large ids stay exact", nil, object{"id": int64(9007199254740993)}, func(s *jml.Snapshot) { s.EmployeeID = "9007199254740993" }},
		{"leading zeros stay", nil, object{"id": "007"}, func(s *jml.Snapshot) { s.EmployeeID = "007" }},
		{"absent in four ways", []string{"upn", `item.?upn`, "phone", `item.phone`, "locale", `""`, "given_name", `item.?name.?first.orValue("")`, "site", ""},
			object{"id": "7", "phone": nil}, same},
		{"optional there", []string{"upn", `item.?upn`}, object{"id": "7", "upn": "u@example.org"}, func(s *jml.Snapshot) { s.UPN = "u@example.org" }},
		{"header, settings and source", []string{"given_name", `header["x-id"]`, "family_name", "source", "department", "settings.d"}, object{"id": "7"},
			func(s *jml.Snapshot) { s.GivenName, s.FamilyName, s.Department = "h", "hr", "IT" }},
		{"position", []string{"site", "item.site", "department", "item.dep", "employee_type", "item.type", "manager_id", "item.boss"},
			object{"id": "7", "site": "Fantasia", "dep": "Finance", "type": "Contractor", "boss": int64(12)},
			func(s *jml.Snapshot) {
				s.Site, s.Department, s.EmployeeType, s.ManagerID = "Fantasia", "Finance", "Contractor", "12"
			}},
		{"country in three letters", []string{"country", "item.c"}, object{"id": "7", "c": "DEU"}, func(s *jml.Snapshot) { s.Country = "DE" }},
		{"match", []string{"match_attribute", `"userPrincipalName"`, "match_value", "item.upn"}, object{"id": "7", "upn": "u@example.org"},
			func(s *jml.Snapshot) { s.Match = &jml.Match{Attribute: "userPrincipalName", Value: "u@example.org"} }},
		{"layout", []string{"start_date", `localDate(item.d, "MM/DD/YYYY")`}, object{"id": "7", "d": "04/01/2026"}, same},
		{"born", []string{"birth_date", `localDate(item.d, "DD.MM.YYYY")`}, object{"id": "7", "d": "17.05.1990"}, func(s *jml.Snapshot) { s.BirthDate = jml.Date{Year: 1990, Month: 5, Day: 17} }},
		{"born today", []string{"birth_date", "item.d"}, object{"id": "7", "d": "2026-03-02"}, func(s *jml.Snapshot) { s.BirthDate = jml.Date{Year: 2026, Month: 3, Day: 2} }},
		{"born nobody knows when", []string{"birth_date", "item.?d"}, object{"id": "7", "d": nil}, same},
		{"time of day", []string{"start_time", "item.t"}, object{"id": "7", "t": "07:30"}, func(s *jml.Snapshot) { s.StartTime = &jml.Clock{Hour: 7, Minute: 30} }},
		{"position", []string{"job_title", "item.j", "device", "item.?k", "effective_date", "localDate(item.e)"}, object{"id": "7", "j": " Potter ", "e": "2026-09-01T00:00:00Z"}, func(s *jml.Snapshot) {
			s.JobTitle, s.EffectiveDate = "Potter", jml.Date{Year: 2026, Month: 9, Day: 1}
		}},
		{"another id before", []string{"previous_id", "item.p"}, object{"id": "7", "p": int64(6)}, func(s *jml.Snapshot) { s.PreviousID = "6" }},
		{"the id itself before", []string{"previous_id", "item.p"}, object{"id": "7", "p": "7"}, same},
		{"worked here before", []string{"rehire", `item.r == "Y"`}, object{"id": "7", "r": "Y"}, func(s *jml.Snapshot) { s.Rehire = true }},
		{"never worked here", []string{"rehire", "item.r"}, object{"id": "7", "r": false}, same},
		{"nobody knows", []string{"rehire", "item.?r.orValue(false)"}, object{"id": "7", "r": nil}, same},
		{"observed, unix", []string{"observed_at", "item.at"}, object{"id": "7", "at": int64(1772452700)}, func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-100 * time.Second) }},
		{"observed, ISO", []string{"observed_at", "item.at"}, object{"id": "7", "at": "2026-03-02T12:00:00+0100"}, func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-time.Hour) }},
		{"observed, OData", []string{"observed_at", "item.at"}, object{"id": "7", "at": "/Date(1772449200000+0000)/"}, func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-time.Hour) }},
		{"observed, timestamp", []string{"observed_at", "timestamp(item.at)"}, object{"id": "7", "at": "2026-03-02T11:00:00Z"}, func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-time.Hour) }},
		{"their clock is ahead of ours", []string{"observed_at", "item.at"}, object{"id": "7", "at": "2026-03-02T12:05:00Z"}, same},
	} {
		t.Run(tc.name, func(t *testing.T) {
			vars := Vars{Source: "hr", Settings: map[string]string{"d": "IT"}, Header: map[string]string{"x-id": "h"}, Item: tc.item}
			got, err := newMapper(t, source(tc.kv...), ScopeItem).Snapshot(t.Context(), vars, noon, noon)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want(tc.edit), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMappedFromFetched(t *testing.T) {
	src := source("employee_id", "fetched.id", "start_date", "localDate(fetched.hired)")
	got, err := newMapper(t, src, ScopeHint).Snapshot(t.Context(), Vars{Item: object{"id": "1"}, Fetched: object{"id": "7", "hired": "2026-04-01"}}, noon.Add(time.Minute), noon)
	if d := cmp.Diff(want(func(*jml.Snapshot) {}), got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func TestMappedRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		kv   []string
		item object
		want string
	}{
		{"rehire by a word", []string{"rehire", "item.r"}, object{"r": canary}, "rehire: is not true or false"},
		{"no such day of effect", []string{"effective_date", "item.e"}, object{"e": "2026-02-30"}, "effective_date: no such day"},
		{"future", []string{"observed_at", "item.at"}, object{"at": "2026-03-02T12:05:01Z"}, "observed_at: lies in the future"},
		{"odd moment", []string{"observed_at", "item.at"}, object{"at": canary}, "observed_at: not a moment"},
		{"unknown zone", []string{"zone", "item.z"}, object{"z": "Mars/" + canary}, "zone: not an IANA time zone"},
		{"Windows zone", []string{"zone", "item.z"}, object{"z": "W. Europe Standard Time"}, "zone: not of the right form; want an IANA time zone"},
		{"local zone", []string{"zone", "item.z"}, object{"z": "Local"}, "zone: no IANA time zone given"},
		{"zone of somebody who left", []string{"zone", "item.z", "status", `"left"`}, object{"z": "Mars/" + canary}, "zone: not an IANA time zone"},
		{"zone like a path", []string{"zone", "item.z"}, object{"z": "../../etc/passwd"}, "zone: not of the right form"},
		{"name of a country", []string{"country", "item.c"}, object{"c": canary}, "country: want an ISO 3166 code"},
		{"no such country", []string{"country", "item.c"}, object{"c": "ZZ"}, "country: want an ISO 3166 code"},
		{"a continent", []string{"country", "item.c"}, object{"c": "150"}, "country: want an ISO 3166 code"},
		{"odd status", []string{"status", "item.s"}, object{"s": canary}, "status: want scheduled or cancelled or left"},
		{"odd attribute", []string{"match_attribute", "item.a", "match_value", `"x"`}, object{"a": canary}, "match.attribute: want employeeId or"},
		{"half a match", []string{"match_attribute", "item.?b", "match_value", "item.a"}, object{"a": canary}, "match.attribute: missing"},
		{"not a date", []string{"start_date", "item.d"}, object{"d": "04/01/2026 " + canary}, "start_date: not of the right form; want YYYY-MM-DD"},
		{"no such day", []string{"start_date", "item.d"}, object{"d": "2026-02-30"}, "start_date: no such day"},
		{"no start", []string{"start_date", "localDate(item.d)"}, object{"d": "9999-12-31"}, "start_date: missing"},
		{"start of long ago", []string{"start_date", "localDate(item.d)"}, object{"d": "0001-01-01"}, "start_date: no real start date"},
		{"born in another order", []string{"birth_date", "item.d"}, object{"d": "17.05.1990 " + canary}, "birth_date: not of the right form; want YYYY-MM-DD"},
		{"born on no day", []string{"birth_date", "item.d"}, object{"d": "1990-02-30"}, "birth_date: no such day"},
		{"born long ago", []string{"birth_date", "item.d"}, object{"d": "0001-01-01"}, "birth_date: no real date of birth"},
		{"not born yet", []string{"birth_date", "item.d"}, object{"d": "2026-03-03"}, "birth_date: lies in the future"},
		{"no hour", []string{"start_time", "item.d"}, object{"d": canary}, "start_time: not of the right form; want HH:MM"},
		{"list", []string{"phone", "item.p"}, object{"p": []any{canary}}, "phone: is not a text"},
		{"double", []string{"phone", "item.p"}, object{"p": 1.5}, "phone: is not a text"},
		{"id is a double", []string{"employee_id", "item.p"}, object{"p": 7.0}, "employee_id: is not a text"},
		{"id is true", []string{"employee_id", "item.p"}, object{"p": true}, "employee_id: is not a text"},
		{"id is an object", []string{"employee_id", "item.p"}, object{"p": object{canary: canary}}, "employee_id: is not a text"},
		{"id is empty", []string{"employee_id", "item.p"}, object{"p": " "}, "employee_id: missing"},
		{"id is long", []string{"employee_id", "item.p"}, object{"p": strings.Repeat("1", 257)}, "employee_id: longer than 256 characters"},
		{"line ends", []string{"given_name", "item.p"}, object{"p": canary + "\r\nBcc: x"}, "given_name: holds control characters"},
		{"computed key", []string{"phone", "item[item.k]"}, object{"k": canary}, "phone: could not be evaluated: missing key"},
		{"conversion", []string{"phone", "string(int(item.k))"}, object{"k": canary}, "phone: could not be evaluated: wrong type"},
		{"out of range", []string{"phone", "item.k.substring(50)"}, object{"k": canary}, "phone: could not be evaluated"},
		{"a moment for a date", []string{"start_date", "localDate(item.k)"}, object{"k": int64(1772452801)}, "start_date: is a moment, not a day"},
		{"all at once", []string{"start_date", "item.d", "country", "item.c", "zone", "item.?z"}, object{"d": "2026-02-30", "c": "QQQ"},
			"country: want an ISO 3166 code, such as DE, DEU or 276; map names with a CEL map; start_date: no such day; zone: unknown;"},
		{"both expressions", []string{"phone", "item.x", "upn", "item.y"}, object{}, `phone: could not be evaluated: missing key "x"; upn: could not be evaluated: missing key "y"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.item["id"] = "7"; tc.item["p"] != nil && tc.kv[0] == "employee_id" {
				delete(tc.item, "id")
			}
			got, err := newMapper(t, source(tc.kv...), ScopeItem).Snapshot(t.Context(), Vars{Item: tc.item}, noon, noon)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if d := cmp.Diff(jml.Snapshot{}, got); d != "" {
				t.Error("gives a part of a snapshot")
			}
		})
	}
}

func TestZoneRule(t *testing.T) {
	for _, tc := range []struct {
		name    string
		item    object
		site    string // configured: Berlin
		dflt    string
		zone    string
		rule    jml.ZoneRule
		problem string
	}{
		{"payload first", object{"zone": "Asia/Tokyo", "site": "Berlin", "country": "IT"}, "", "America/New_York", "Asia/Tokyo", jml.ZoneFromPayload, ""},
		{"then the site", object{"site": "Berlin", "country": "IT"}, "", "America/New_York", "Europe/Berlin", jml.ZoneFromSite, ""},
		{"then the country", object{"site": "Elsewhere", "country": "IT"}, "", "America/New_York", "Europe/Rome", jml.ZoneFromCountry, ""},
		{"then the default", object{"site": "Elsewhere", "country": "US"}, "", "America/New_York", "America/New_York", jml.ZoneFromDefault, ""},
		{"a wrong zone is not passed over", object{"zone": "Mars/" + canary, "site": "Berlin", "country": "IT"}, "", "Asia/Tokyo", "", "", "zone: not an IANA time zone"},
		{"an alias", object{"zone": "US/Eastern"}, "", "", "US/Eastern", jml.ZoneFromPayload, ""},
		{"nothing", object{}, "", "", "", "", "zone: unknown; the item gives none, it names no site, it names no country, and there is no default_zone"},
		{"unknown site, large country", object{"site": canary, "country": "US"}, "", "", "", "",
			"zone: unknown; the item gives none, its site is not under sites, its country is not one of a single zone, and there is no default_zone"},
		{"nothing is needed of who left", object{"status": "left"}, "", "", "", "", ""},
		{"nor of a cancelled hire", object{"status": "cancelled", "site": "Elsewhere"}, "", "", "", "", ""},
	} {
		for _, canonical := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, " canonical ", canonical), func(t *testing.T) {
				item := object{"employee_id": "7", "status": "scheduled", "start_date": "2026-04-01"}
				for k, v := range tc.item {
					item[k] = v
				}
				src := config.Source{Name: "hr", Sites: map[string]config.Site{"Berlin": {Zone: "Europe/Berlin"}}, DefaultZone: tc.dflt}
				if !canonical {
					src.Map = map[string]string{}
					for _, f := range []string{"employee_id", "status", "start_date", "zone", "site", "country"} {
						src.Map[f] = "item.?" + f
					}
				}
				got, err := newMapper(t, src, ScopeItem).Snapshot(t.Context(), Vars{Item: item}, noon, noon)
				if tc.problem != "" {
					if err == nil || err.Error() != tc.problem {
						t.Errorf("error %v, want %s", err, tc.problem)
					}
					return
				}
				if err != nil || got.Zone != tc.zone || got.ZoneRule != tc.rule {
					t.Errorf("zone %q by %q, %v, want %q by %q", got.Zone, got.ZoneRule, err, tc.zone, tc.rule)
				}
			})
		}
	}
}

func TestCountryCode(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "DE": "DE", "de": "DE", "DEU": "DE", "276": "DE", "GB": "GB", "GBR": "GB", "UK": "GB", "004": "AF", "XK": "XK", "TW": "TW", "PRI": "PR",
		"Germany": "!", "ZZ": "!", "150": "!", "001": "!", "EU": "!", "QO": "!", "AA": "!", "XX": "!", "D": "!", "DE-BY": "!", "999": "!", "0": "!", "1e1": "!",
	} {
		got, err := countryCode(in)
		checkDate(t, in, got, want, err)
	}
}

func TestMapperRefuses(t *testing.T) {
	full := func(kv ...string) map[string]string { return source(kv...).Map }
	for _, tc := range []struct {
		name  string
		src   config.Source
		scope Scope
		want  []string
	}{
		{"all at once", config.Source{Map: map[string]string{"employee_id": "body.", "hold": `"x"`, "zone_rule": `"x"`, "status": "true"},
			Sites: map[string]config.Site{"Mars": {Zone: "Mars/Base"}, "Void": {}}, DefaultZone: "CEST"}, ScopeItem, []string{
			"sources[3].default_zone: not an IANA time zone",
			"sources[3].map.employee_id: does not compile: line 1, column 6: Syntax error",
			"sources[3].map.hold: no field of a snapshot; fields: birth_date, country, department, device, effective_date, employee_id",
			"sources[3].map.start_date: missing",
			"sources[3].map.status: must give a text, not bool",
			"sources[3].map.zone_rule: no field of a snapshot",
			"sources[3].sites.Mars.zone: not an IANA time zone",
			"sources[3].sites.Void.zone: no IANA time zone given",
		}},
		{"empty map", config.Source{Map: map[string]string{}}, ScopeItem, []string{
			"sources[3].map.employee_id: missing", "sources[3].map.start_date: missing", "sources[3].map.status: missing",
			"sources[3].map.zone: missing; map zone, site (and name the sites) or country, or set default_zone"}},
		{"half a match", config.Source{Map: full("match_value", "item.x")}, ScopeItem, []string{"sources[3].map.match_attribute: missing; match_value needs"}},
		{"the other half", config.Source{Map: full("match_attribute", "item.x")}, ScopeItem, []string{"sources[3].map.match_value: missing"}},
		{"a hint", config.Source{Map: full()}, ScopeHint, []string{"sources[3].map.employee_id: does not compile: line 1, column 1: item is not known here (the signature does not cover the body"}},
		{"a canonical hint", config.Source{}, ScopeHint, []string{"sources[3].map: missing; the signature does not cover the body"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newCompiler(t).Mapper("sources[3]", tc.src, tc.scope)
			found := config.Errors(err)
			if len(found) != len(tc.want) {
				t.Fatalf("%d problems, want %d: %v", len(found), len(tc.want), err)
			}
			for i, e := range found {
				if !strings.HasPrefix(e.Error(), tc.want[i]) {
					t.Errorf("%v, want %s", e, tc.want[i])
				}
			}
		})
	}
	for _, zones := range []config.Source{
		{Map: full("zone", "", "site", "item.x")}, {Map: full("zone", "", "country", "item.x")}, {Map: full("zone", ""), DefaultZone: "Europe/Berlin"},
	} {
		if _, err := newCompiler(t).Mapper("s", zones, ScopeItem); err != nil {
			t.Error(err)
		}
	}
}

func TestCanonical(t *testing.T) {
	full := object{"employee_id": " 7 ", "status": "scheduled", "start_date": "2026-04-01", "start_time": "07:30", "zone": "Europe/Berlin",
		"given_name": "Ada", "family_name": "Muster", "upn": "ada@example.org", "match": object{"attribute": "onPremisesImmutableId", "value": "x=="},
		"personal_mail": "ada@example.com", "phone": "+493055501", "birth_date": "1990-05-17", "manager_id": "1", "locale": "de-DE", "department": "IT", "employee_type": "Intern",
		"site": "Berlin", "country": "DEU", "observed_at": "2026-03-02T11:00:00Z"}
	m := newMapper(t, config.Source{}, ScopeItem)
	got, err := m.Snapshot(t.Context(), Vars{Item: full}, noon, noon)
	if err != nil {
		t.Fatal(err)
	}
	exp := want(func(s *jml.Snapshot) {
		s.StartTime, s.Match = &jml.Clock{Hour: 7, Minute: 30}, &jml.Match{Attribute: "onPremisesImmutableId", Value: "x=="}
		s.GivenName, s.FamilyName, s.UPN, s.PersonalMail, s.Phone = "Ada", "Muster", "ada@example.org", "ada@example.com", "+493055501"
		s.BirthDate = jml.Date{Year: 1990, Month: 5, Day: 17}
		s.ManagerID, s.Locale, s.Department, s.EmployeeType, s.Site, s.Country = "1", "de-DE", "IT", "Intern", "Berlin", "DE"
		s.ObservedAt = noon.Add(-time.Hour)
	})
	if d := cmp.Diff(exp, got); d != "" {
		t.Error(d)
	}
	got, err = m.Snapshot(t.Context(), Vars{Item: object{"employee_id": "7", "status": "left", "phone": nil, "zone": "", "site": " "}}, noon, noon)
	if d := cmp.Diff(jml.Snapshot{EmployeeID: "7", Status: jml.StatusLeft, ObservedAt: noon}, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	m := newMapper(t, config.Source{}, ScopeItem)
	for _, tc := range []struct {
		item any
		want string
	}{
		{nil, "want a JSON object"},
		{[]any{}, "want a JSON object"},
		{"Ping test", "want a JSON object"},
		{object{}, "employee_id: missing; status: missing"},
		{object{"employee_id": int64(7), "status": "left"}, "employee_id: want string"},
		{object{"employee_id": 7.0, "status": "left"}, "employee_id: want string"},
		{object{"employee_id": []any{canary}, "status": "left"}, "employee_id: want string"},
		{object{"employee_id": " ", "status": "left"}, "employee_id: missing"},
		{object{"employee_id": "7", "status": "left", canary: int64(1), "x": int64(2)}, "unknown fields: 2"},
		{object{"employee_id": "7", "status": "left", "zone_rule": "payload"}, "unknown fields: 1"},
		{object{"employee_id": "7", "status": "left", "hold": "contact"}, "unknown fields: 1"},
		{object{"employee_id": "7", "status": "left", "match_value": "x"}, "unknown fields: 1"},
		{object{"employee_id": "7", "status": "scheduled"}, "start_date: missing"},
		{object{"employee_id": "7", "status": "scheduled", "start_date": "01/04/2026", "zone": "Etc/UTC"}, "start_date: not of the right form"},
		{object{"employee_id": "7", "status": "scheduled", "start_date": "2026-02-30", "zone": "Etc/UTC"}, "start_date: no such day"},
		{object{"employee_id": "7", "status": "scheduled", "start_date": "2026-04-01", "zone": canary}, "zone: not an IANA time zone"},
		{object{"employee_id": "7", "status": "scheduled", "start_date": "2026-04-01"}, "zone: unknown"},
		{object{"employee_id": "7", "status": "left", "country": canary}, "country: want an ISO 3166 code"},
		{object{"employee_id": "7", "status": "left", "match": object{"attribute": "mail", "value": canary}}, "match.attribute: want employeeId"},
		{object{"employee_id": "7", "status": "left", "match": object{"attribute": "employeeId", "value": " "}}, "match.value: missing"},
		{object{"employee_id": "7", "status": "left", "match": canary}, "match: want object"},
		{object{"employee_id": "7", "status": "left", "observed_at": canary}, "observed_at: not a moment"},
		{object{"employee_id": "7", "Status": "left"}, "status: missing"},
	} {
		_, err := m.Snapshot(t.Context(), Vars{Item: tc.item}, noon, noon)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%v: %v, want %q", tc.item, err, tc.want)
		}
	}
}

// TestSchemaKnowsSnapshot holds the published form, the fields of a map and
// jml.Snapshot against each other. The zone rule and the hold are ours.
func TestSchemaKnowsSnapshot(t *testing.T) {
	full := want(func(s *jml.Snapshot) {
		s.StartTime, s.Match = &jml.Clock{Hour: 7}, &jml.Match{Attribute: "employeeId", Value: "7"}
		s.GivenName, s.FamilyName, s.UPN, s.PersonalMail, s.Phone, s.ManagerID, s.Locale = "a", "b", "c", "d", "e", "f", "g"
		s.Department, s.EmployeeType, s.Site, s.Country = "h", "i", "j", "DE"
		s.JobTitle, s.Device, s.EffectiveDate, s.PreviousID, s.Rehire = "k", "l", jml.Date{Year: 2027, Month: 6, Day: 1}, "m", true
		s.BirthDate, s.Hold = jml.Date{Year: 1990, Month: 5, Day: 17}, jml.HoldContact
	})
	body, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var have object
	if err := json.Unmarshal(body, &have); err != nil {
		t.Fatal(err)
	}
	var published struct {
		Properties map[string]struct {
			Properties map[string]struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(SchemaJSON(), &published); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(jml.MatchAttributes(), published.Properties["match"].Properties["attribute"].Enum); d != "" {
		t.Error(d)
	}
	ours := []string{"zone_rule", "hold"}
	for name := range have {
		if _, ok := published.Properties[name]; ok == slices.Contains(ours, name) {
			t.Errorf("a snapshot has %s; the schema has it: %v", name, ok)
		}
		if mapped := slices.Contains(FieldNames(), name); name != "match" && mapped == slices.Contains(ours, name) {
			t.Errorf("a snapshot has %s; a map may: %v", name, mapped)
		}
	}
	if n := len(have) - len(ours); n != len(published.Properties) || n+1 != len(FieldNames()) || !slices.IsSorted(FieldNames()) {
		t.Errorf("%d fields of a snapshot, %d of the schema, %v of a map", n, len(published.Properties), FieldNames())
	}
	for _, name := range ours {
		delete(have, name)
	}
	got, err := newMapper(t, config.Source{}, ScopeItem).Snapshot(t.Context(), Vars{Item: have}, noon, noon)
	full.Hold = ""
	if d := cmp.Diff(full, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	SchemaJSON()[0] = 'x'
	if SchemaJSON()[0] != '{' {
		t.Error("a caller can change the schema")
	}
}

// One item must not hold up the others for as many limits as it has fields.
func TestOneTimeLimitForAnItem(t *testing.T) {
	src := source()
	for _, name := range []string{"upn", "phone", "locale", "site", "department", "given_name", "family_name", "manager_id"} {
		src.Map[name] = `string(item.l.exists(a, item.l.exists(b, item.l.exists(c, a == "x"))))`
	}
	list := make([]any, 3000)
	start := time.Now()
	_, err := newMapper(t, src, ScopeItem).Snapshot(t.Context(), Vars{Item: object{"id": "7", "l": list}}, noon, noon)
	if err == nil || !strings.Contains(err.Error(), "upn: "+errTooCostly.Error()) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > timeLimit+2*time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzSnapshot(f *testing.F) {
	src, item := bambooLike()
	src.Map["zone"], src.Map["observed_at"], src.Map["start_time"] = "item.?zone", "item.?at", "item.?time"
	src.Map["start_date"] = `localDate(item.fields["Hire Date"].value)`
	mappers := []*Mapper{newMapper(f, src, ScopeItem), newMapper(f, config.Source{DefaultZone: "Etc/UTC"}, ScopeItem)}
	seed, err := json.Marshal(item)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"employee_id":"7","status":"scheduled","start_date":"2026-04-01","zone":"Europe/Berlin","match":{"attribute":"employeeId","value":"c4n4ry"},"country":"276"}`))
	f.Add([]byte(`{"fields":{"Employee #":{"value":1e400},"Hire Date":{"value":253402214400000},"Country":{"value":[[]]}},"zone":{},"at":-1}`))
	f.Add([]byte(`[[[]],1,null,"x"]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !utf8.Valid(body) {
			t.Skip("no tree holds this")
		}
		var decoded any
		if json.Unmarshal(body, &decoded) != nil {
			return
		}
		for _, m := range mappers {
			got, err := m.Snapshot(t.Context(), Vars{Item: tree(decoded)}, noon, noon)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), canary) || errors.Unwrap(err) != nil {
					t.Errorf("error %v", err)
				}
				continue
			}
			if err := got.Validate(); err != nil || got.Hold != "" || (got.Zone == "") != (got.ZoneRule == "") || got.ObservedAt.After(noon) {
				t.Errorf("gives %+v: %v", got, err)
			}
		}
	})
}

// tree makes whole numbers int64, as trees have them.
func tree(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
	case []any:
		for i := range v {
			v[i] = tree(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = tree(v[k])
		}
	}
	return v
}
