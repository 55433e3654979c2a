package delivery

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
)

func overlay(files map[string]string) fstest.MapFS {
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return dir
}

// A template that is wrong is found when it is loaded, and its file is named.
func TestWrongTemplates(t *testing.T) {
	front := func(subject, sms string) string {
		return "---\nsubject: " + strconv.Quote(subject) + "\nsms: " + strconv.Quote(sms) + "\n---\n"
	}
	const handOn = "{{if .HandOn}}For {{.Employee}}.{{end}}"
	head := func(subject, sms string) string { return front(subject, handOn+sms) + handOn + "\n\n" }
	const pass, code, link, both = "{{.Passcode}}", "{{.Code}}", "{{.Link}}", "\n\n{{.Link}}\n\n{{.Reference}}\n"
	for name, tt := range map[string]struct {
		message jml.Message
		text    string
		want    string // part of the error; empty: none
	}{
		"right":                       {"pass", head("S", pass) + pass, ""},
		"carriage returns":            {"pass", strings.ReplaceAll(head("S", pass)+pass, "\n", "\r\n"), ""},
		"byte order mark":             {"pass", "\ufeff" + head("S", pass) + pass, ""},
		"no front matter":             {"pass", pass, "two lines of ---"},
		"front matter left open":      {"pass", "---\nsubject: S\nsms: x\n" + pass, "two lines of ---"},
		"no subject":                  {"pass", "---\nsms: \"" + pass + "\"\n---\n" + pass, "subject or sms is missing"},
		"no text message":             {"pass", "---\nsubject: S\n---\n" + pass, "subject or sms is missing"},
		"unknown key":                 {"pass", "---\nsubject: S\nsms: x\ntext: y\n---\n" + pass, "line 4: field text not found"},
		"not YAML":                    {"pass", "---\n{subject\n---\n" + pass, "yaml"},
		"no body":                     {"pass", front("S", pass), "body is missing"},
		"unknown name":                {"pass", head("S", pass) + pass + "\n\n{{.Pascode}}", "there is no {{.Pascode}}"},
		"unknown name in a branch":    {"pass", head("S", pass) + pass + "\n\n{{if .Replaces}}{{.Nope}}{{end}}", "there is no {{.Nope}}"},
		"unknown name in an else":     {"pass", head("S", pass) + pass + "\n\n{{if .GivenName}}{{else}}{{$.Nope}}{{end}}", "there is no {{.Nope}}"},
		"unknown name in a subject":   {"pass", head("{{.Nope}}", pass) + pass, "there is no {{.Nope}}"},
		"name of a text":              {"pass", head("S", pass) + pass + "\n\n{{with .GivenName}}{{.Help}}{{end}}", "Help"},
		"syntax, with its line":       {"pass", head("S", pass) + "\n\n{{if}}", "en/pass.md:9"},
		"unknown function":            {"pass", head("S", pass) + pass + "{{now}}", "now"},
		"empty subject":               {"pass", head("{{if .Replaces}}S{{end}}", pass) + pass, "empty"},
		"empty text message":          {"alert", head("S", "{{if .Reason}}x{{end}}") + "x", "sms: comes out empty"},
		"passcode in the subject":     {"pass", head(pass, pass) + pass, "holds a secret or a link"},
		"link in the subject":         {"pass", head("{{.SignInURL}}", pass) + pass, "holds a secret or a link"},
		"name in the subject":         {"pass", head("{{.GivenName}}", pass) + pass, "name nobody"},
		"name in a subject's branch":  {"pass", head("S{{if .OneTime}} {{.FamilyName}}{{end}}", pass) + pass, "name nobody"},
		"sign-in name in a text":      {"pass", head("S", "{{.Passcode}} {{.SignInName}}") + pass, "must not hold {{.SignInName}}"},
		"system in a text":            {"pass", head("S", "Microsoft {{.Passcode}}") + pass, "must not name the system"},
		"system in a subject":         {"pass", head("Your Temporary Access Pass", pass) + pass, "must not name the system"},
		"passcode missing":            {"pass", head("S", pass) + "x", "{{.Passcode}} stands there 0 times"},
		"passcode missing in a text":  {"pass", head("S", "x") + pass, "sms: {{.Passcode}} stands there 0 times"},
		"passcode twice":              {"pass", head("S", pass) + pass + "\n\n" + pass, "stands there 2 times"},
		"passcode in one branch":      {"pass", head("S", pass) + "x{{if .OneTime}}\n\n{{.Passcode}}{{end}}", "stands there 0 times"},
		"passcode in one half":        {"pass", head("S", pass) + pass + "{{if eq .Half 2}}\n\n{{.Passcode}}{{end}}", "stands there 2 times"},
		"passcode within a line":      {"pass", head("S", pass) + "Pass: " + pass, "paragraph of its own"},
		"passcode in emphasis":        {"pass", head("S", pass) + "**" + pass + "**", "paragraph of its own"},
		"passcode in a heading":       {"pass", head("S", pass) + "# " + pass, "paragraph of its own"},
		"passcode quoted":             {"pass", head("S", pass) + `{{printf "%q" .Passcode}}`, "stands there 0 times"},
		"link in a pass":              {"pass", head("S", pass) + pass + "\n\n{{.Link}}", "has no {{.Link}}"},
		"HTML":                        {"pass", head("S", pass) + pass + "\n\n<b>x</b>", "line 9: a message can't have HTML"},
		"HTML block":                  {"pass", head("S", pass) + "<div>\n\n" + pass, "can't have HTML"},
		"link of one's own":           {"pass", head("S", pass) + pass + "\n\n[x](https://example.com)", "link or image"},
		"sign-in page behind words":   {"pass", head("S", pass) + pass + "\n\n[x]({{.SignInURL}})", "link or image"},
		"image":                       {"pass", head("S", pass) + pass + "\n\n![x](https://example.com/x.png)", "link or image"},
		"autolink":                    {"pass", head("S", pass) + pass + "\n\n<https://example.com>", "link or image"},
		"code":                        {"pass", head("S", pass) + "x `{{.SignInName}}`\n\n" + pass, "code"},
		"indented":                    {"pass", head("S", pass) + "x\n\n    " + pass, "indented"},
		"mark":                        {"pass", head("S", pass) + pass + "\ue001", "private use"},
		"code without a code":         {"code", head("S", code) + "x", "{{.Code}} stands there 0 times"},
		"link without a reference":    {"link", head("S", link) + link, "{{.PickupReference}} stands there 0 times"},
		"link without a link":         {"link", head("S", link) + "{{.PickupReference}}", "{{.Link}} stands there 0 times"},
		"link, right":                 {"link", head("S", link) + link + "\n\n{{.PickupReference}}", ""},
		"issued, right":               {"issued", head("S", "{{.Link}} {{.Reference}}") + "x" + both, ""},
		"issued about nobody":         {"issued", front("S", handOn+"{{.Link}} {{.Reference}}") + "x" + both, "en/issued.md: {{.Employee}} is missing"},
		"collected about nobody":      {"collected", front("S", "{{.Link}} {{.Reference}}") + handOn + both, "sms: {{.Employee}} is missing"},
		"collected, asking, unlinked": {"collected", head("S", "{{.Link}} {{.Reference}}") + "{{if not .HandOn}}" + both + "{{end}}x", "{{.Link}} stands there 0 times"},
		"issued without a link":       {"issued", head("S", "{{.Link}} {{.Reference}}") + "{{.Reference}}", "{{.Link}} stands there 0 times"},
		"issued without a reference":  {"issued", head("S", "{{.Link}} {{.Reference}}") + "x\n\n{{.Link}}", "{{.Reference}} is missing"},
		"collected without one, text": {"collected", head("S", link) + "x" + both, "sms: {{.Reference}} is missing"},
		"reminder, right":             {"reminder", front("S", "x") + "x" + both, ""},
		"reminder, linked in a text":  {"reminder", front("S", "{{.Link}} {{.Reference}}") + "x" + both, ""},
		"reminder without a link":     {"reminder", front("S", "x") + "x", "{{.Link}} stands there 0 times"},
		"reminder without reference":  {"reminder", front("S", "x") + "x\n\n{{.Link}}", "{{.Reference}} is missing"},
		"reminder without one, text":  {"reminder", front("S", "{{.Link}}") + "x" + both, "sms: {{.Reference}} is missing"},
		"handed on to nobody":         {"pass", front("S", handOn+pass) + pass, "en/pass.md: {{.Employee}} is missing"},
		"handed on to nobody, text":   {"code", front("S", code) + handOn + "\n\n" + code, "sms: {{.Employee}} is missing"},
		"handed on without a link":    {"link", head("S", link) + "{{if not .HandOn}}" + link + "\n\n{{end}}{{.PickupReference}}", "{{.Link}} stands there 0 times"},
		"handed on by a subject":      {"pass", head("S{{if .HandOn}} for {{.Employee}}{{end}}", pass) + pass, "name nobody"},
		"handed on in a reminder":     {"reminder", front("S", "x") + "{{if .HandOn}}{{.Pascode}}{{end}}x" + both, "there is no {{.Pascode}}"},
		"attest without a link":       {"attest", head("S", link) + "x", "{{.Link}} stands there 0 times"},
		"too many conditions": {"alert", head("S", "x") + "{{if and .Help .Page .Addressee .GivenName .FamilyName .Employee .Site .SignInName .Start .CollectedAt .Half .Reason}}x{{end}}x",
			"too much to try"},
	} {
		file := "en/" + string(tt.message) + ".md"
		_, _, err := load(overlay(map[string]string{file: tt.text}))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file)):
			t.Errorf("%s: %v does not speak of %q and %s", name, err, tt.want, file)
		}
	}
}

func TestOverlayReplacesOneMessage(t *testing.T) {
	f := &fake{kind: jml.AddressMail}
	cfg := config(map[string]channel.Channel{"mail": f})
	cfg.Overlay = overlay(map[string]string{
		"de/code.md": "---\nsubject: Unser Code\nsms: \"{{if .HandOn}}{{.Employee}}: {{end}}Code {{.Code}}\"\n---\n{{if .HandOn}}Für {{.Employee}}: {{end}}Hier:\n\n{{.Code}}\n",
		".git/x":     "x", "README.md": "x", "de/.code.md.swp": "x",
	})
	s := newSender(t, cfg)
	n := notice(jml.MessageCode)
	n.Locale = "de"
	if m := send(t, s, f, n, contents()); m.Subject != "Unser Code" || m.Text != "Hier:\n\n    482915\n" || m.SMS != "Code 482915" {
		t.Errorf("%q %q %q", m.Subject, m.Text, m.SMS)
	}
	n.Message = jml.MessageLink
	if m := send(t, s, f, n, contents()); !strings.Contains(m.Subject, "So holen Sie") {
		t.Errorf("%q", m.Subject)
	}
}

func TestOverlayFolders(t *testing.T) {
	he := map[string]string{}
	for _, m := range append(jml.Messages(), "") {
		file := string(m) + ".md"
		if m == "" {
			file = locale.File
		}
		raw, err := os.ReadFile(filepath.Join("testdata", "overlay", "he", file))
		if err != nil {
			t.Fatal(err)
		}
		he[file] = string(raw)
	}
	raw, err := os.ReadFile("../locale/catalogues/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	english := string(raw)
	in := func(folder string, without ...string) map[string]string {
		out := map[string]string{}
		for name, text := range he {
			out[path.Join(folder, name)] = text
		}
		for _, name := range without {
			delete(out, path.Join(folder, name))
		}
		return out
	}
	and := func(files map[string]string, name, text string) map[string]string {
		out := map[string]string{}
		maps.Copy(out, files)
		out[name] = text
		return out
	}
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a whole locale":            {in("he"), ""},
		"in a region":               {in("he_il"), ""},
		"a message missing":         {in("he", "code.md"), "he/code.md: missing"},
		"no catalogue":              {in("he", locale.File), "he: no " + locale.File},
		"message misspelt":          {and(in("he"), "he/pas.md", "x"), "he/pas.md: means nothing"},
		"words of the page":         {and(in("he"), "he/page.yaml", "x"), ""},
		"words of the page alone":   {and(nil, "de/page.yaml", "x"), ""},
		"the same misspelt":         {and(nil, "de/pages.yaml", "x"), "de/pages.yaml: means nothing"},
		"both, of a locale of ours": {and(and(nil, "en/page.yaml", "x"), "en/"+locale.File, english), ""},
		"catalogue of ours alone":   {and(nil, "en/"+locale.File, english), ""},
		"words without a locale":    {and(nil, "he/page.yaml", "x"), "he: no " + locale.File},
		"catalogue and no message":  {and(and(nil, "he/page.yaml", "x"), "he/"+locale.File, he[locale.File]), "he/pass.md: missing"},
		"file beside the folders":   {and(nil, "pass.md", "x"), "pass.md: neither"},
		"no tag":                    {and(nil, "deutsch/pass.md", "x"), "deutsch: not named by"},
		"catalogue key missing":     {and(in("he"), "he/"+locale.File, "name: x\n"), "weekdays"},
		"layout":                    {and(nil, "layout.html", `<html lang="{{.Lang}}" dir="{{.Dir}}">{{.Body}}`), ""},
		"layout without a body":     {and(nil, "layout.html", `<html lang="{{.Lang}}" dir="{{.Dir}}">`), "layout.html: want {{.Body}} once"},
		"layout without dir":        {and(nil, "layout.html", `<html lang="{{.Lang}}">{{.Body}}`), "layout.html: want"},
		"layout with another key":   {and(nil, "layout.html", `<html lang="{{.Lang}}" dir="{{.Dir}}">{{.Body}}{{.Passcode}}`), "layout.html"},
		"layout that is broken":     {and(nil, "layout.html", `{{if}}`), "layout.html"},
	} {
		_, _, err := load(overlay(tt.files))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v does not speak of %q", name, err, tt.want)
		}
	}
}

// Kubernetes mounts a folder of links.
func TestOverlayOfLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "..data", "de"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "---\nsubject: Unser Code\nsms: \"{{if .HandOn}}{{.Employee}} {{end}}{{.Code}}\"\n---\n{{if .HandOn}}{{.Employee}}{{end}}\n\n{{.Code}}\n"
	if err := os.WriteFile(filepath.Join(dir, "..data", "de", "code.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..data", "de"), filepath.Join(dir, "de")); err != nil {
		t.Fatal(err)
	}
	f := &fake{kind: jml.AddressMail}
	cfg := config(map[string]channel.Channel{"mail": f})
	cfg.Overlay = os.DirFS(dir)
	n := notice(jml.MessageCode)
	n.Locale = "de"
	if m := send(t, newSender(t, cfg), f, n, contents()); m.Subject != "Unser Code" {
		t.Errorf("%q", m.Subject)
	}
}

func TestRightToLeft(t *testing.T) {
	f := &fake{kind: jml.AddressMail}
	cfg := config(map[string]channel.Channel{"mail": f})
	cfg.Overlay = os.DirFS(filepath.Join("testdata", "overlay"))
	s := newSender(t, cfg)
	for _, message := range jml.Messages() {
		n := notice(message)
		n.Locale = "he-IL"
		m := send(t, s, f, n, contents())
		if m.Dir != "rtl" || m.Locale != "he" || !strings.Contains(m.HTML, `<html lang="he" dir="rtl">`) {
			t.Errorf("%s: %s, %s", message, m.Dir, m.Locale)
		}
		if message == jml.MessagePass {
			golden(t, "he-pass.txt", all(m))
			if want := "יום שני, 2 במרץ 2026, 09:00 CET (Europe/Berlin)"; m.Fields["from_text"] != want || !strings.Contains(m.Text, want) {
				t.Errorf("from is %q", m.Fields["from_text"])
			}
			// A passcode's signs keep their order.
			if !strings.Contains(m.HTML, `<p class="secret passcode" dir="ltr"`) {
				t.Error("the passcode runs from right to left")
			}
		}
	}
	if len(s.Locales()) != 6 {
		t.Errorf("%v", s.Locales())
	}
}

// A missing overlay folder is a mistake in the configuration.
func TestOverlayFolderMissing(t *testing.T) {
	cfg := config(nil)
	cfg.Overlay = os.DirFS(filepath.Join(t.TempDir(), "nowhere"))
	if _, err := New(cfg); err == nil {
		t.Error("nothing is amiss")
	}
}

func FuzzTemplate(f *testing.F) {
	for _, m := range jml.Messages() {
		raw, err := shipped.ReadFile("templates/en/" + string(m) + ".md")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Add("---\nsubject: a\nsms: b\n---\n{{.Passcode}}")
	layout, err := loadLayout(overlay(map[string]string{"layout.html": `<html lang="{{.Lang}}" dir="{{.Dir}}">{{.Body}}`}), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		t, err := parseTemplate("x.md", []byte(text))
		if err != nil || len(text) > 4096 || strings.Contains(text, "printf") || strings.Contains(text, "template") {
			return // a format of a million digits, or a template that calls itself: not a mistake of ours
		}
		t.message, t.lang, t.layout, t.markdown = jml.MessagePass, "en", layout, newMarkdown("en")
		_, _ = t.fill(sample(jml.MessagePass))
	})
}
