package profile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

const many = `
profiles:
  default: {` + ways + `}
  finance: {when: 'employee.department == "Finance"', lead_time: 5d, ` + ways + `}
  german:  {when: 'employee.country == "DE" && employee.department != "Finance" && user.guest == false', lead_time: 3d, ` + ways + `}
  guest:   {when: 'user.guest', lead_time: 1d, ` + ways + `}
  rehire:  {when: 'employee.rehire && !user.guest && employee.country != "DE"', lead_time: 4d, remove: older, ` + ways + `}
  mover:   {for: [mover], ` + ways + `}
  head:    {for: [mover], when: 'user.job_title.startsWith("Head")', ` + ways + `}
  lost:    {for: [recovery], when: 'journey == "recovery" && source == "hr"', ` + ways + `}
`

func TestChoose(t *testing.T) {
	r := rules(t, many+source(""))
	user := func(with func(*jml.User)) *jml.User {
		u := &jml.User{ID: "u", UPN: "ada@Example.org"}
		if with != nil {
			with(u)
		}
		return u
	}
	in := func(country, department string) jml.Snapshot {
		return somebody(func(s *jml.Snapshot) { s.Country, s.Department = country, department })
	}
	for _, c := range []struct {
		name   string
		kind   jml.Kind
		source string
		s      jml.Snapshot
		user   *jml.User
		want   string // profile, "open profile", or reason and detail
	}{
		{"no rule is true", jml.KindJoiner, "hr", in("FR", "Sales"), user(nil), "default"},
		{"one is", jml.KindJoiner, "hr", in("DE", "Sales"), user(nil), "german"},
		{"by the user", jml.KindJoiner, "hr", in("FR", "Sales"), user(func(u *jml.User) { u.Guest = true }), "guest"},
		{"two are", jml.KindJoiner, "hr", in("FR", "Finance"), user(func(u *jml.User) { u.Guest = true }), "profileAmbiguous (finance, guest)"},
		{"none, and no fallback", jml.KindJoiner, "other", in("FR", "Sales"), user(nil), "profileMissing (joiner, other)"},
		{"no source", jml.KindJoiner, "", in("FR", "Sales"), user(nil), "profileMissing (joiner, no source)"},
		{"no user: the longest lead of those that may be, german or guest or default", jml.KindJoiner, "hr", in("DE", "Sales"), nil, "open german"},
		{"no user: guest or default", jml.KindJoiner, "hr", in("FR", "Sales"), nil, "open default"},
		{"no user, one true: it or two", jml.KindJoiner, "hr", in("FR", "Finance"), nil, "open finance"},
		{"no user, a rule false already", jml.KindJoiner, "hr", somebody(func(s *jml.Snapshot) { s.Country, s.Rehire = "FR", true }), nil, "open rehire"},
		{"mover's own fallback", jml.KindMover, "hr", in("DE", "Finance"), user(nil), "mover"},
		{"mover by rule", jml.KindMover, "hr", in("DE", "Finance"), user(func(u *jml.User) { u.JobTitle = "Head of Sales" }), "head"},
		{"recovery by rule", jml.KindRecovery, "hr", in("DE", ""), nil, "lost"},
		{"recovery from elsewhere", jml.KindRecovery, "", in("DE", ""), nil, "profileMissing (recovery, no source)"},
		{"nothing for staging", jml.KindStaging, "hr", in("DE", ""), user(nil), "profileMissing (staging, hr)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.Choose(c.kind, c.source, c.s, c.user)
			text := got.Profile.Name
			if got.Open {
				text = "open " + text
			}
			if got.Block != nil {
				text += got.Block.String()
			}
			if text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
	if got := r.Check(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	for kind, want := range map[jml.Kind]bool{jml.KindJoiner: true, jml.KindMover: true, jml.KindRecovery: true, jml.KindStaging: false} {
		if r.For(kind) != want {
			t.Errorf("for %s: %t", kind, !want)
		}
	}
}

// TestFields: every field that rules see is the one that HR or Entra says.
func TestFields(t *testing.T) {
	s := somebody(func(s *jml.Snapshot) {
		s.UPN, s.Locale, s.EmployeeType, s.JobTitle, s.Device, s.ManagerID, s.Rehire, s.Phone = "ada@example.org", "de", "Permanent", "Clerk", "laptop", "E-1", true, "+4930555010"
	})
	u := &jml.User{UPN: "ada@Example.ORG", Department: "Sales (EU)", JobTitle: "Sales clerk", Country: "Germany", EmployeeType: "Employee", Company: "Example Works", Guest: true}
	want := map[string]string{
		"journey": `"joiner"`, "source": `"hr"`,
		"employee.employee_id": `"E-4711"`, "employee.upn": `"ada@example.org"`, "employee.country": `"DE"`, "employee.site": `"Berlin"`,
		"employee.zone": `"Europe/Berlin"`, "employee.locale": `"de"`, "employee.department": `"Sales"`, "employee.employee_type": `"Permanent"`,
		"employee.job_title": `"Clerk"`, "employee.device": `"laptop"`, "employee.manager_id": `"E-1"`, "employee.rehire": "true",
		"employee.has_mail": "true", "employee.has_phone": "true",
		"user.department": `"Sales (EU)"`, "user.job_title": `"Sales clerk"`, "user.country": `"Germany"`, "user.employee_type": `"Employee"`,
		"user.company": `"Example Works"`, "user.domain": `"example.org"`, "user.guest": "true",
	}
	if len(want) != len(variables()) {
		t.Errorf("%d variables, %d tested", len(variables()), len(want))
	}
	for name, value := range want {
		when := name + " == " + value
		r := rules(t, "\nprofiles:\n  x: {when: '"+when+"', "+ways+"}\n"+source("-"))
		if got := r.Choose(jml.KindJoiner, "hr", s, u); got.Profile.Name != "x" {
			t.Errorf("%s is not true: %v", when, got.Block)
		}
		wantOpen := strings.HasPrefix(name, "user.")
		if got := r.Choose(jml.KindJoiner, "hr", s, nil); got.Open != wantOpen {
			t.Errorf("%s: open is %t without a user", when, got.Open)
		}
		if got := r.Choose(jml.KindJoiner, "hr", jml.Snapshot{}, &jml.User{}); name != "journey" && name != "source" && got.Block == nil {
			t.Errorf("%s is true of nobody", when)
		}
	}
}

func TestBadRules(t *testing.T) {
	for when, want := range map[string]string{
		`employee.colour == "red"`:         `employee has no "colour"; it has country, department,`,
		`user.upn == "x"`:                  `user has no "upn"; it has company,`,
		`employee == user`:                 "must name fields, as in employee.country",
		`employee["country"] == "DE"`:      "must name fields, as in employee.country",
		`has(employee.site)`:               `has(employee.site) says nothing`,
		`employee.country`:                 "must give true or false, not string",
		`employee.rehire == "yes"`:         "does not compile: line 1, column 17: found no matching overload",
		`employee.country == `:             "does not compile: line 1, column",
		`item.country == "DE"`:             "undeclared reference to 'item.country'",
		`employee.site.matches("(")`:       "invalid matches argument",
		`employee.birth_date == "x"`:       `employee has no "birth_date"`,
		`employee.country == "DE" || true`: "",
	} {
		cfg := load(t, "\nprofiles:\n  default: {"+ways+"}\n  x: {when: '"+when+"', "+ways+"}\n"+source(""))
		_, err := New(cfg, now)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", when, err)
		case want == "":
		case err == nil:
			t.Errorf("%s compiles", when)
		default:
			e := config.Errors(err)
			if len(e) != 1 || e[0].Path != "profiles.x.when" || !strings.Contains(e[0].Problem, want) {
				t.Errorf("%s: %v, want %s", when, err, want)
			}
		}
	}
}

// TestAllAtOnce: everything that is wrong is told in one go.
func TestAllAtOnce(t *testing.T) {
	cfg := load(t, `
profiles: {default: {`+ways+`}, a: {when: 'x', `+ways+`}, b: {when: '1', `+ways+`}}
calendars: [{name: de, countries: [DE], ical_file: nosuch.ics}]
`+source(""))
	_, err := New(cfg, now)
	var paths []string
	for _, e := range config.Errors(err) {
		paths = append(paths, e.Path)
	}
	if d := cmp.Diff([]string{"profiles.a.when", "profiles.b.when", "calendars[0].ical_file"}, paths); d != "" {
		t.Error(d)
	}
}

// TestFailingRule: a rule that can't be told is false, and Check says so.
func TestFailingRule(t *testing.T) {
	const twenty = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"
	r := rules(t, strings.ReplaceAll(`
profiles:
  default: {`+ways+`}
  cut: {when: 'employee.site.substring(0, 3) == "BER"', `+ways+`}
  number: {when: 'int(employee.employee_id) > 7', `+ways+`}
  costly: {when: 'TWENTY.all(a, TWENTY.all(b, TWENTY.all(c, TWENTY.all(d, employee.country == "DE" && a*b*c*d > 0))))', `+ways+`}
`+source(""), "TWENTY", twenty))
	before := r.Choose(jml.KindJoiner, "hr", somebody(func(s *jml.Snapshot) { s.Site = "BERLIN" }), &jml.User{})
	if before.Profile.Name != "cut" {
		t.Errorf("%+v", before)
	}
	got := r.Choose(jml.KindJoiner, "hr", somebody(func(s *jml.Snapshot) { s.Site = "" }), &jml.User{})
	if got.Profile.Name != "default" {
		t.Errorf("%+v", got)
	}
	var text []string
	for _, f := range r.Check() {
		text = append(text, f.Profile+": "+f.What)
		if f.Do == "" || f.Severity != SeverityWarning || strings.Contains(f.What, "4711") {
			t.Errorf("%+v", f)
		}
	}
	want := []string{
		"costly: its rule fails for some people, and counts as false for them: the rule takes too long",
		"cut: its rule fails for some people, and counts as false for them: the rule can't be evaluated",
		"number: its rule fails for some people, and counts as false for them: a value is not what the rule takes it for",
	}
	if d := cmp.Diff(want, text); d != "" {
		t.Error(d)
	}
}

// TestOpenAsksInTime: an approver who may have to be asked counts as lead.
func TestOpenAsksInTime(t *testing.T) {
	r := rules(t, `
profiles:
  default: {lead_time: 2d, `+ways+`}
  asks: {when: user.guest, lead_time: 1d, approve: true, approval: {within: 2d}, `+ways+`}
`+source(""))
	if got := r.Choose(jml.KindJoiner, "hr", somebody(nil), nil); got.Profile.Name != "asks" || !got.Open {
		t.Errorf("%s, open %t", got.Profile.Name, got.Open)
	}
}

// TestNeverLate: whatever the user turns out to be, the profile that was begun
// with begins no later than the one that is chosen then.
func TestNeverLate(t *testing.T) {
	const text = `
calendars: [{name: de, countries: [DE], holidays: [2026-12-24, 2026-12-25]}]
profiles:
  default: {lead_time: 2d, start_hour: "07:00", ` + ways + `}
  long:  {when: 'user.department == "A"', lead_days: 5, ` + ways + `}
  short: {when: 'user.department == "B" && employee.country == "DE"', lead_time: 0s, ` + ways + `}
  asks:  {when: 'user.guest && user.department == "C"', lead_time: 1h, approve: true, approval: {within: 6d}, ` + ways + `}
  hr:    {when: 'employee.department == "D" && user.department == ""', lead_time: 9d, ` + ways + `}
`
	r := rules(t, text+source(""))
	rapid.Check(t, func(t *rapid.T) {
		one := func(label string, list ...string) string { return rapid.SampledFrom(list).Draw(t, label) }
		s := somebody(func(s *jml.Snapshot) {
			s.Country, s.Department = one("country", "DE", "FR", ""), one("department", "D", "E")
			s.StartDate = s.StartDate.AddDays(rapid.IntRange(0, 60).Draw(t, "days"))
		})
		u := &jml.User{Department: one("user", "A", "B", "C", ""), Guest: rapid.Bool().Draw(t, "guest")}
		first, then := r.Choose(jml.KindJoiner, "hr", s, nil), r.Choose(jml.KindJoiner, "hr", s, u)
		if !first.Open {
			if d := cmp.Diff(first, then); d != "" {
				t.Fatal(d)
			}
			return
		}
		if then.Block == nil && begins(jml.KindJoiner, then.Profile, s).Before(begins(jml.KindJoiner, first.Profile, s)) {
			t.Fatalf("begun with %s, chosen is %s, which begins before it", first.Profile.Name, then.Profile.Name)
		}
	})
}

func TestNamed(t *testing.T) {
	r := rules(t, many+"calendars: [{name: de, countries: [DE]}]\n"+source(""))
	if p, ok := r.Named("finance", somebody(nil)); !ok || p.Name != "finance" || p.Calendar == nil {
		t.Errorf("%t %+v", ok, p)
	}
	if p, ok := r.Named("nobody", somebody(nil)); ok || p.Chosen() {
		t.Errorf("%+v", p)
	}
}

// TestExample: the rules of config/example.yaml compile, and choose one profile.
func TestExample(t *testing.T) {
	cfg, err := config.Load("../../config/example.yaml", noenv)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Calendars[0].ICalFile = ""
	r, err := New(cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind                     jml.Kind
		site, device, department string
		want                     string
	}{
		{jml.KindJoiner, "Berlin", "laptop", "Sales", "default"},
		{jml.KindJoiner, "Remote", "laptop", "Finance", "remote"},
		{jml.KindJoiner, "Remote", "shared", "Sales", "frontline"},
		{jml.KindMover, "Berlin", "laptop", "Finance", "mover"},
		{jml.KindMover, "Berlin", "laptop", "Sales", ""},
		{jml.KindRecovery, "Berlin", "shared", "Sales", "recovery"},
		{jml.KindStaging, "Remote", "laptop", "Finance", "staging"},
	} {
		s := somebody(func(s *jml.Snapshot) { s.Site, s.Device, s.Department = c.site, c.device, c.department })
		if got := r.Choose(c.kind, "bamboohr", s, &jml.User{}); got.Profile.Name != c.want || got.Open {
			t.Errorf("%+v: %s %v", c, got.Profile.Name, got.Block)
		}
	}
	if found := r.Check(); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// BenchmarkChoose: 50 rules, two of which name the user.
func BenchmarkChoose(b *testing.B) {
	var text strings.Builder
	text.WriteString("\nprofiles:\n  default: {" + ways + "}\n")
	for i := range 50 {
		when := fmt.Sprintf(`employee.country == "C%d" && employee.department in ["Sales", "Finance"]`, i)
		if i%25 == 0 {
			when = fmt.Sprintf(`user.company == "Company %d" && employee.country == "DE"`, i)
		}
		fmt.Fprintf(&text, "  p%d: {when: '%s', %s}\n", i, when, ways)
	}
	r := rules(b, text.String()+"calendars: [{name: de, countries: [DE], holidays: [2026-12-25]}]\n"+source(""))
	for name, user := range map[string]*jml.User{"user": {}, "open": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := somebody(nil)
			begun := time.Now()
			for b.Loop() {
				if got := r.Choose(jml.KindJoiner, "hr", s, user); got.Open == (user != nil) {
					b.Fatal(got.Profile.Name)
				}
			}
			b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "people/s")
		})
	}
}
