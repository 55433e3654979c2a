package intake

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGoldenBambooHR maps testdata/bamboohr.json, invented people in the shape
// of BambooHR's field-based webhook, by the mapping of config/example.yaml.
func TestGoldenBambooHR(t *testing.T) {
	body, err := os.ReadFile("testdata/bamboohr.json")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, exampleSources(t))
	if rec := w.do(bamboo(string(body), noon.Add(-time.Second), bambooKey)); rec.Code != 200 {
		t.Fatalf("status %d: %s", rec.Code, w.log.String())
	}
	got, err := json.MarshalIndent(w.delivered, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/bamboohr.golden.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}

// mapped is a source with the given mapping over the usual one.
func mapped(t testing.TB, split string, kv ...string) []config.Source {
	m := map[string]string{"employee_id": "item.id", "status": `"scheduled"`, "start_date": `"2026-04-01"`, "zone": `"Europe/Berlin"`}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return []config.Source{{Name: "bamboohr", Profile: "default", Split: split, Map: m,
		Verify: exampleSources(t)[0].Verify}}
}

func TestMapping(t *testing.T) {
	base := func(edit func(*jml.Snapshot)) jml.Snapshot {
		s := jml.Snapshot{EmployeeID: "7", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 4, Day: 1},
			Zone: "Europe/Berlin", ObservedAt: noon}
		edit(&s)
		return s
	}
	for _, tc := range []struct {
		name  string
		split string
		kv    []string
		body  string
		want  jml.Snapshot
	}{
		{"large ids stay exact", "", nil, `{"id":9223372036854775807}`, base(func(s *jml.Snapshot) { s.EmployeeID = "9223372036854775807" })},
		{"larger ones too", "", nil, `{"id":92233720368547758070}`, base(func(s *jml.Snapshot) { s.EmployeeID = "92233720368547758070" })},
		{"and through a split", "[body]", nil, `{"id":9007199254740993}`, base(func(s *jml.Snapshot) { s.EmployeeID = "9007199254740993" })},
		{"a split of one's own", `body.list.map(i, {"id": i})`, nil, `{"list":["7"]}`, base(func(*jml.Snapshot) {})},
		{"absent in four ways", "", []string{"upn", `item.?upn`, "phone", `item.phone`, "locale", `""`, "given_name", `item.?name.?first.orValue("")`},
			`{"id":"7","phone":null}`, base(func(*jml.Snapshot) {})},
		{"optional there", "", []string{"upn", `item.?upn`}, `{"id":"7","upn":"u@example.org"}`, base(func(s *jml.Snapshot) { s.UPN = "u@example.org" })},
		{"header and source", "", []string{"given_name", `header["x-bamboohr-timestamp"]`, "family_name", "source"}, `{"id":"7"}`,
			base(func(s *jml.Snapshot) { s.GivenName, s.FamilyName = "1772452800", "bamboohr" })},
		{"match", "", []string{"match_attribute", `"userPrincipalName"`, "match_value", "item.upn"}, `{"id":"7","upn":"u@example.org"}`,
			base(func(s *jml.Snapshot) { s.Match = &jml.Match{Attribute: "userPrincipalName", Value: "u@example.org"} })},
		{"layout", "", []string{"start_date", `localDate(item.d, "MM/DD/YYYY")`}, `{"id":"7","d":"04/01/2026"}`, base(func(*jml.Snapshot) {})},
		{"time of day", "", []string{"start_time", "item.t"}, `{"id":"7","t":"07:30"}`, base(func(s *jml.Snapshot) { s.StartTime = &jml.Clock{Hour: 7, Minute: 30} })},
		{"observed, unix", "", []string{"observed_at", "item.at"}, `{"id":"7","at":1772452700}`, base(func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-100 * time.Second) })},
		{"observed, ISO", "", []string{"observed_at", "item.at"}, `{"id":"7","at":"2026-03-02T11:00:00+0000"}`, base(func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-time.Hour) })},
		{"observed, timestamp", "", []string{"observed_at", "timestamp(item.at)"}, `{"id":"7","at":"2026-03-02T11:00:00Z"}`, base(func(s *jml.Snapshot) { s.ObservedAt = noon.Add(-time.Hour) })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, mapped(t, tc.split, tc.kv...))
			if rec := w.do(bamboo(tc.body, noon, bambooKey)); rec.Code != 200 {
				t.Fatalf("status %d", rec.Code)
			}
			if d := cmp.Diff([]jml.Snapshot{tc.want}, w.delivered); d != "" {
				t.Errorf("%s\n%s", d, w.log.String())
			}
		})
	}
}

func TestMappingRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		kv   []string
		body string
		want string
	}{
		{"future", []string{"observed_at", "item.at"}, `{"id":"7","at":"2026-03-02T12:05:01Z"}`, "observed_at: lies in the future"},
		{"odd moment", []string{"observed_at", "item.at"}, `{"id":"7","at":"` + canary + `"}`, "observed_at: not a moment"},
		{"unknown zone", []string{"zone", "item.z"}, `{"id":"7","z":"Mars/` + canary + `"}`, "zone: not an IANA time zone"},
		{"local zone", []string{"zone", "item.z"}, `{"id":"7","z":"Local"}`, "zone: no IANA time zone given"},
		{"odd status", []string{"status", "item.s"}, `{"id":"7","s":"` + canary + `"}`, "status: want scheduled or cancelled or left"},
		{"odd attribute", []string{"match_attribute", "item.a", "match_value", `"x"`}, `{"id":"7","a":"` + canary + `"}`, "match.attribute: want employeeId or"},
		{"half a match", []string{"match_value", "item.a"}, `{"id":"7","a":"` + canary + `"}`, "match.attribute: missing"},
		{"list", []string{"phone", "item.p"}, `{"id":"7","p":["` + canary + `"]}`, "phone: is not a text"},
		{"double", []string{"phone", "item.p"}, `{"id":"7","p":1.5}`, "phone: is not a text"},
		{"computed key", []string{"phone", "item[item.k]"}, `{"id":"7","k":"` + canary + `"}`, "phone: could not be evaluated: missing key"},
		{"conversion", []string{"phone", "string(int(item.k))"}, `{"id":"7","k":"` + canary + `"}`, "phone: could not be evaluated: wrong type"},
		{"out of range", []string{"phone", "item.k.substring(50)"}, `{"id":"7","k":"` + canary + `"}`, "phone: could not be evaluated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, mapped(t, "", tc.kv...))
			rec := w.do(bamboo(tc.body, noon, bambooKey))
			list, err := w.quarantine.List()
			if rec.Code != 200 || err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, tc.want) {
				t.Errorf("status %d, quarantine %v, %v, want %q", rec.Code, list, err, tc.want)
			}
			w.noCanary(t, rec.Body.String())
		})
	}
}

func TestHostileExpressionStops(t *testing.T) {
	loop := "[1,2,3,4,5,6,7,8,9,10]"
	deep := "string(" + strings.Repeat(loop+".map(x, ", 8) + "1" + strings.Repeat(")", 8) + ".size())"
	grow := `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"` + strings.Repeat(`.replace("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")`, 6)
	for name, expr := range map[string]string{"time": deep, "memory": grow} {
		w := newWorld(t, mapped(t, "", "phone", expr))
		w.do(bamboo(`{"id":"7"}`, noon, bambooKey))
		list, err := w.quarantine.List()
		if err != nil || len(list) != 1 || list[0].Reason != "phone: could not be evaluated: takes too long" {
			t.Errorf("%s: quarantine %v, %v", name, list, err)
		}
	}
}

// canonicalRequest signs body the Standard Webhooks way.
func canonicalRequest(t testing.TB, w *world, body string) int {
	t.Helper()
	oracle, err := standardwebhooks.NewWebhook(hookKey)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := oracle.Sign("msg_1", noon, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r := post("canonical", body)
	for k, v := range webhookRequest("msg_1", noon, sig) {
		r.Header[k] = v
	}
	return w.do(r).Code
}

func TestCanonical(t *testing.T) {
	const full = `{"employee_id":"7","status":"scheduled","start_date":"2026-04-01","start_time":"07:30","zone":"Europe/Berlin",
		"given_name":"Ada","family_name":"Muster","upn":"ada@example.org","match":{"attribute":"onPremisesImmutableId","value":"x=="},
		"personal_mail":"ada@example.net","phone":"+493055501","manager_id":"1","locale":"de-DE","observed_at":"2026-03-02T11:00:00Z"}`
	want := jml.Snapshot{EmployeeID: "7", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 4, Day: 1},
		StartTime: &jml.Clock{Hour: 7, Minute: 30}, Zone: "Europe/Berlin", GivenName: "Ada", FamilyName: "Muster",
		UPN: "ada@example.org", Match: &jml.Match{Attribute: "onPremisesImmutableId", Value: "x=="},
		PersonalMail: "ada@example.net", Phone: "+493055501", ManagerID: "1", Locale: "de-DE", ObservedAt: noon.Add(-time.Hour)}
	w := newWorld(t, exampleSources(t))
	for _, body := range []string{full, `{"employee_id":"7","status":"left","phone":null,"zone":""}`} {
		if code := canonicalRequest(t, w, body); code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if d := cmp.Diff([]jml.Snapshot{want, {EmployeeID: "7", Status: jml.StatusLeft, ObservedAt: noon}}, w.delivered); d != "" {
		t.Errorf("%s\n%s", d, w.log.String())
	}
}

// TestSchemaKnowsSnapshot holds the published form against jml.Snapshot: what
// we marshal must be what we take.
func TestSchemaKnowsSnapshot(t *testing.T) {
	s := jml.Snapshot{EmployeeID: "7", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 4, Day: 1},
		StartTime: &jml.Clock{Hour: 7}, Zone: "Europe/Berlin", GivenName: "a", FamilyName: "b", UPN: "c",
		Match: &jml.Match{Attribute: "employeeId", Value: "7"}, PersonalMail: "d", Phone: "e", ManagerID: "f", Locale: "g", ObservedAt: noon}
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, exampleSources(t))
	canonicalRequest(t, w, string(body))
	if d := cmp.Diff([]jml.Snapshot{s}, w.delivered); d != "" {
		t.Errorf("%s\n%s", d, w.log.String())
	}
	var published struct {
		Properties map[string]struct {
			Properties map[string]struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(schemaJSON, &published); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(jml.MatchAttributes(), published.Properties["match"].Properties["attribute"].Enum); d != "" {
		t.Error(d)
	}
	var have map[string]any
	if err := json.Unmarshal(body, &have); err != nil {
		t.Fatal(err)
	}
	for name := range published.Properties {
		if _, ok := have[name]; !ok {
			t.Errorf("the schema has %s, a snapshot has not", name)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for body, want := range map[string]string{
		`[]`:                                "want a JSON object",
		`"Ping test"`:                       "want a JSON object",
		`{}`:                                "employee_id: missing; status: missing",
		`{"employee_id":7,"status":"left"}`: "employee_id: want string",
		`{"employee_id":"7","status":"left","` + canary + `":1,"x":2}`:                               "unknown fields: 2",
		`{"employee_id":"7","status":"scheduled"}`:                                                   "start_date: missing; zone: missing",
		`{"employee_id":"7","status":"scheduled","start_date":"01/04/2026","zone":"Etc/UTC"}`:        "start_date: not of the right form",
		`{"employee_id":"7","status":"scheduled","start_date":"2026-02-30","zone":"Etc/UTC"}`:        "start_date: no such day",
		`{"employee_id":"7","status":"scheduled","start_date":"2026-04-01","zone":"` + canary + `"}`: "zone: not an IANA time zone",
		`{"employee_id":"7","status":"left","match":{"attribute":"mail","value":"` + canary + `"}}`:  "match.attribute: want employeeId",
		`{"employee_id":"7","status":"left","observed_at":"` + canary + `"}`:                         "observed_at: not a moment",
		`{"employee_id":"7","Status":"left"}`:                                                        "status: missing",
	} {
		w := newWorld(t, exampleSources(t))
		code := canonicalRequest(t, w, body)
		list, err := w.quarantine.List()
		if code != 200 || err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, want) {
			t.Errorf("%s: status %d, quarantine %v, %v, want %q", body, code, list, err, want)
		}
		w.noCanary(t, "")
	}
}

func FuzzMapping(f *testing.F) {
	w := newWorld(f, exampleSources(f))
	f.Add([]byte(employees(good("1"), employee("2", "Employee #", "2"))))
	f.Add([]byte(`{"employees":[[[]],1,null,"x",{"fields":{"Employee #":{"value":1e400}}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, name := range []string{"bamboohr", "canonical"} {
			for _, r := range w.sources[name].read(t.Context(), nil, body, noon, noon) {
				if r.err != nil {
					if strings.ContainsAny(r.err.Error(), "\r\n") || len(r.raw) == 0 && len(body) > 0 {
						t.Errorf("%v, raw %q", r.err, r.raw)
					}
					continue
				}
				if err := r.snapshot.Validate(); err != nil {
					t.Errorf("delivers %s", fmt.Sprint(err))
				}
			}
		}
	})
}
