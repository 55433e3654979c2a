package delivery

import (
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

func TestGolden(t *testing.T) {
	s := newSender(t, config(t, ""))
	bare := newSender(t, func() Config { c := config(t, ""); c.Organisation.Help = ""; return c }())
	again := notice()
	again.OneTime, again.Replaces = false, true
	least := jml.Notice{Channel: "mail", Recipient: "robin.vale@example.org", SignInName: "robin.vale@example.com", Zone: "UTC",
		From: notice().From, Until: notice().Until}
	for name, tt := range map[string]struct {
		sender *Sender
		notice jml.Notice
	}{"once": {s, notice()}, "again": {s, again}, "least": {bare, least}} {
		m, err := tt.sender.render("test", tt.notice, code())
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", "Subject: "+m.subject+"\n\n"+m.text)
		golden(t, name+".html", m.html)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

var codeInHTML = regexp.MustCompile(`user-select:all;">([^<]*)</p>`)

func TestPasscodeComesOutAsItIs(t *testing.T) {
	s := newSender(t, config(t, ""))
	for _, c := range []string{canary, "+drkzqAD", `"'<>&`, "</p><b>", "{{.Until}}", "&amp;", "a  b", strings.Repeat("W+", 24), "%41", `\u0041`} {
		m, err := s.render("test", notice(), secret.NewPasscode(c))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.text, "\n    "+c+"\n") {
			t.Errorf("%q is not in the text", c)
		}
		found := codeInHTML.FindStringSubmatch(m.html)
		if found == nil || html.UnescapeString(found[1]) != c {
			t.Errorf("%q is %q in the HTML", c, found)
		}
		if strings.Contains(m.subject, c) {
			t.Errorf("%q is in the subject", c)
		}
		if all := fmt.Sprintf("%v %+v %#v %s", m, m, &m, []message{m}); strings.Contains(all, c) {
			t.Errorf("%q shows in print: %s", c, all)
		}
		// The list of messages and the lock screen show how a mail begins.
		if at := strings.Index(m.text, c); at < 300 {
			t.Errorf("%q stands %d bytes into the text", c, at)
		}
	}
}

func TestTextFromOutsideStaysText(t *testing.T) {
	s := newSender(t, config(t, ""))
	n := notice()
	n.GivenName = "<script>alert(1)</script>\r\n\r\nYour pass is void,\u202e {{.Passcode}} " + strings.Repeat("x", 500)
	n.SignInName = `"><img src=x>@example.com`
	m, err := s.render("test", n, code())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.html, "<script") || strings.Contains(m.html, "<img") {
		t.Error("markup in a name is markup in the mail")
	}
	first, _, _ := strings.Cut(m.text, "\n")
	if want := "Hello <script>alert(1)</script> Your pass is void, {{.Passcode}} x,"; first != want {
		t.Errorf("the greeting is %q, want %q", first, want)
	}
	if strings.Count(m.text, canary) != 1 {
		t.Error("a name brings the passcode in")
	}
}

func TestTimesInTheirZone(t *testing.T) {
	utc := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	s := newSender(t, config(t, ""))
	for _, tt := range []struct{ zone, from, until, wantFrom, wantUntil string }{
		{"Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T01:30:00Z",
			"Sunday 29 March 2026, 00:30 CET (Europe/Berlin)", "Sunday 29 March 2026, 03:30 CEST (Europe/Berlin)"},
		{"Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z",
			"Sunday 25 October 2026, 02:30 CEST (Europe/Berlin)", "Sunday 25 October 2026, 02:30 CET (Europe/Berlin)"},
		{"America/New_York", "2026-03-02T02:00:00Z", "2026-03-02T10:00:00Z",
			"Sunday 1 March 2026, 21:00 EST (America/New York)", "Monday 2 March 2026, 05:00 EST (America/New York)"},
		{"America/Sao_Paulo", "2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z",
			"Monday 2 March 2026, 09:00 UTC-03 (America/Sao Paulo)", "Monday 2 March 2026, 10:00 UTC-03 (America/Sao Paulo)"},
		{"Asia/Kathmandu", "2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z",
			"Monday 2 March 2026, 17:45 UTC+0545 (Asia/Kathmandu)", "Monday 2 March 2026, 18:45 UTC+0545 (Asia/Kathmandu)"},
		{"UTC", "2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z", "Monday 2 March 2026, 12:00 UTC", "Monday 2 March 2026, 13:00 UTC"},
		{"UTC", "2026-03-02T12:00:00.3Z", "2026-03-02T13:00:59Z", "Monday 2 March 2026, 12:01 UTC", "Monday 2 March 2026, 13:00 UTC"},
	} {
		n := notice()
		n.Zone, n.From, n.Until = tt.zone, utc(tt.from), utc(tt.until)
		m, err := s.render("test", n, code())
		if err != nil {
			t.Fatal(err)
		}
		want := "It works from   " + tt.wantFrom + "\nuntil           " + tt.wantUntil + "\n"
		if !strings.Contains(m.text, want) {
			t.Errorf("%s: no %q in\n%s", tt.zone, want, m.text)
		}
		// html/template writes a plus sign as a reference.
		for _, w := range []string{tt.wantFrom, tt.wantUntil} {
			if !strings.Contains(html.UnescapeString(m.html), w) {
				t.Errorf("%s: no %q in the HTML", tt.zone, w)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	known := map[string]string{"en": "en", "de": "de", "pt-br": "pt-BR"}
	for tag, want := range map[string]string{
		"": "en", "en": "en", "EN_us": "en", "de-CH-1996": "de", "DE": "de", "pt-BR": "pt-BR", "pt_br": "pt-BR", "pt": "en",
		"fr-FR": "en", "-": "en", "--": "en", "not a tag": "en",
	} {
		if got := choose(known, tag); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
	}
}

func TestEitherEnglish(t *testing.T) {
	for want, kinds := range map[string][]jml.MethodKind{
		"whichever the page offers you": nil,
		"a passkey":                     {jml.MethodFIDO2},
		"a passkey or Windows Hello":    {jml.MethodFIDO2, jml.MethodWindowsHello},
		"a passkey, the Microsoft Authenticator app or Windows Hello": {jml.MethodFIDO2, jml.MethodAuthenticator, jml.MethodWindowsHello},
	} {
		if got := eitherEnglish(kinds); got != want {
			t.Errorf("%v: %q, want %q", kinds, got, want)
		}
	}
}

// A template that is wrong is found when it is loaded.
func TestWrongTemplates(t *testing.T) {
	const text, page = `{{define "subject"}}S{{end}}{{.Passcode.Reveal}}`, `<p>{{.Passcode.Reveal}}</p>`
	for name, tt := range map[string]struct {
		text, html string
		ok         bool
	}{
		"right":                   {text, page, true},
		"unknown key":             {text + `{{.Pascode}}`, page, false},
		"unknown key in a branch": {text, page + `{{if .Replaces}}{{.Nope}}{{end}}`, false},
		"unknown key in a with":   {text + `{{with .GivenName}}{{.Nope}}{{end}}`, page, false},
		"syntax":                  {text, page + `{{if}}`, false},
		"no subject":              {`{{.Passcode.Reveal}}`, page, false},
		"empty subject":           {`{{define "subject"}}{{end}}{{.Passcode.Reveal}}`, page, false},
		"two-line subject":        {"{{define \"subject\"}}S\nT{{end}}{{.Passcode.Reveal}}", page, false},
		"passcode in the subject": {`{{define "subject"}}{{.Passcode.Reveal}}{{end}}{{.Passcode.Reveal}}`, page, false},
		"redacted passcode":       {text, `<p>{{.Passcode}}</p>`, false},
		"passcode twice":          {text + `{{.Passcode.Reveal}}`, page, false},
		"once if one-time":        {text + `{{if .OneTime}}{{.Passcode.Reveal}}{{end}}`, page, false},
		"no HTML":                 {text, ``, false},
	} {
		dir := fstest.MapFS{"templates/en.txt": {Data: []byte(tt.text)}, "templates/en.html": {Data: []byte(tt.html)}}
		if _, err := loadLetters(dir, locales()); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := loadLetters(fstest.MapFS{}, locales()); err == nil {
		t.Error("missing templates are no error")
	}
}

func TestTemplatesRevealOnce(t *testing.T) {
	for _, name := range []string{"templates/en.txt", "templates/en.html"} {
		raw, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(raw), ".Reveal"); n != 1 {
			t.Errorf("%s reveals the passcode in %d places", name, n)
		}
	}
}

func TestCheck(t *testing.T) {
	s := newSender(t, config(t, ""))
	for name, tt := range map[string]struct {
		change func(*jml.Notice)
		want   jml.BlockReason
	}{
		"right":                 {func(*jml.Notice) {}, ""},
		"without times":         {func(n *jml.Notice) { n.From, n.Until = time.Time{}, time.Time{} }, ""},
		"without name":          {func(n *jml.Notice) { n.GivenName = "" }, ""},
		"plus in the address":   {func(n *jml.Notice) { n.Recipient = "robin+hr@example.org" }, ""},
		"apostrophe":            {func(n *jml.Notice) { n.Recipient = "o'vale@example.org" }, ""},
		"no channel":            {func(n *jml.Notice) { n.Channel = "" }, jml.ReasonMessageRefused},
		"other channel":         {func(n *jml.Notice) { n.Channel = "fax" }, jml.ReasonMessageRefused},
		"no address":            {func(n *jml.Notice) { n.Recipient = "" }, jml.ReasonNoRecipient},
		"no at sign":            {func(n *jml.Notice) { n.Recipient = "robin" }, jml.ReasonNoRecipient},
		"no domain":             {func(n *jml.Notice) { n.Recipient = "robin@" }, jml.ReasonNoRecipient},
		"local domain":          {func(n *jml.Notice) { n.Recipient = "robin@localhost" }, jml.ReasonNoRecipient},
		"domain literal":        {func(n *jml.Notice) { n.Recipient = "robin@[192.0.2.1]" }, jml.ReasonNoRecipient},
		"display name":          {func(n *jml.Notice) { n.Recipient = "Robin <robin@example.org>" }, jml.ReasonNoRecipient},
		"angle brackets":        {func(n *jml.Notice) { n.Recipient = "<robin@example.org>" }, jml.ReasonNoRecipient},
		"two addresses":         {func(n *jml.Notice) { n.Recipient = "robin@example.org, kim@example.org" }, jml.ReasonNoRecipient},
		"second header":         {func(n *jml.Notice) { n.Recipient = "robin@example.org\r\nBcc: kim@example.org" }, jml.ReasonNoRecipient},
		"line break behind":     {func(n *jml.Notice) { n.Recipient = "robin@example.org\n" }, jml.ReasonNoRecipient},
		"comment":               {func(n *jml.Notice) { n.Recipient = "robin@example.org (home)" }, jml.ReasonNoRecipient},
		"quoted local part":     {func(n *jml.Notice) { n.Recipient = `"ro bin"@example.org` }, jml.ReasonNoRecipient},
		"turned direction":      {func(n *jml.Notice) { n.Recipient = "robin\u202e@example.org" }, jml.ReasonNoRecipient},
		"endless":               {func(n *jml.Notice) { n.Recipient = strings.Repeat("r", 300) + "@example.org" }, jml.ReasonNoRecipient},
		"no zone":               {func(n *jml.Notice) { n.Zone = "" }, jml.ReasonMessageRefused},
		"unknown zone":          {func(n *jml.Notice) { n.Zone = "Mars/Olympus" }, jml.ReasonMessageRefused},
		"no sign-in name":       {func(n *jml.Notice) { n.SignInName = "" }, jml.ReasonMessageRefused},
		"two-line sign-in name": {func(n *jml.Notice) { n.SignInName = "a@example.com\nb" }, jml.ReasonMessageRefused},
		"reference is a text":   {func(n *jml.Notice) { n.Reference = "Robin Vale" }, jml.ReasonMessageRefused},
	} {
		n := notice()
		tt.change(&n)
		err := s.Check(t.Context(), n)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var f *jml.Fault
		if !errors.As(err, &f) || f.Kind != jml.FaultRefused || f.Reason != tt.want || f.Retryable() {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
			continue
		}
		if n.Recipient != "" && strings.Contains(fmt.Sprintf("%+v", *f), n.Recipient) || strings.Contains(err.Error(), "example") {
			t.Errorf("%s: the error is personal: %v", name, err)
		}
	}
}
