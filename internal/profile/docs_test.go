package profile

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"firstpass.internal/internal/jml"
)

// TestDocumentedExamples runs docs/profiles.md: each example loads, and chooses
// for each line of the table behind it what the line says.
func TestDocumentedExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	const more = `  - {name: teams, kind: teams, url_file: key}
  - {name: letter, kind: letter, folder: /var/lib/letters}
`
	lines := 0
	for _, m := range regexp.MustCompile("(?s)<!-- run -->\n```yaml\n(.*?)```\n(.*?)\n(\\|.*?)\n\n").FindAllStringSubmatch(string(page), -1) {
		cfg := loadWhole(t, strings.Replace(base, "channels:\n", "channels:\n"+more, 1)+m[1])
		r, err := New(cfg, now)
		if err != nil {
			t.Fatal(err)
		}
		if found := r.Check(); len(found) > 0 {
			t.Errorf("%+v", found)
		}
		rows := strings.Split(m[3], "\n")
		for _, line := range rows[2:] {
			lines++
			row(t, r, cells(rows[0]), cells(line))
		}
	}
	if lines != 19 {
		t.Errorf("%d lines tested", lines)
	}
}

func cells(line string) []string {
	out := strings.Split(strings.Trim(line, "|"), "|")
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

// row checks one line of a table. A user's cell that is empty says that there is
// no user yet.
func row(t *testing.T, r *Rules, names, values []string) {
	t.Helper()
	kind, want, due := jml.KindJoiner, "", ""
	s, user := somebody(func(s *jml.Snapshot) { s.PersonalMail = "" }), &jml.User{}
	for i, name := range names {
		value := values[i]
		of, field, _ := strings.Cut(name, ".")
		switch {
		case name == "journey":
			kind = jml.Kind(value)
		case name == "profile":
			want = value
		case name == "due":
			due = value
		case name == "employee.has_mail" && value == "true":
			s.PersonalMail = "p@example.com"
		case name == "employee.has_phone" && value == "true":
			s.Phone = "+4930555010"
		case strings.HasPrefix(field, "has_"):
		case of == "user" && value == "":
			user = nil
		case of == "user":
			set(t, user, field, value)
		default:
			set(t, &s, field, value)
		}
	}
	got := r.Choose(kind, "hr", s, user)
	text := got.Profile.Name
	if got.Open {
		text = "open " + text
	}
	if got.Block != nil {
		text = string(got.Block.Reason)
	}
	if text != want {
		t.Errorf("%v: %s", values, text)
	}
	if due == "" {
		return
	}
	start, err := s.Start(got.Profile.StartHour)
	if err != nil {
		t.Fatal(err)
	}
	if at := got.Profile.IssueAt(start, s.Zone).Format("2006-01-02"); at != due {
		t.Errorf("%v: due %s", values, at)
	}
}

// set writes a field by the name that it has in JSON.
func set(t *testing.T, to any, name, value string) {
	t.Helper()
	v := reflect.ValueOf(to).Elem()
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag != name {
			continue
		}
		if f := v.Field(i); f.Kind() == reflect.Bool {
			f.SetBool(value == "true")
		} else {
			f.SetString(value)
		}
		return
	}
	t.Fatalf("no field %s", name)
}
