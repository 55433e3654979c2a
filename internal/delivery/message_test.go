package delivery

import (
	"fmt"
	"html"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	nethtml "golang.org/x/net/html"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// inner cuts the layout off.
func inner(page string) string {
	_, page, _ = strings.Cut(page, "overflow-wrap:anywhere;\">\n")
	page, _, _ = strings.Cut(page, "</div>\n</td></tr></table>")
	return page
}

func all(m channel.Message) string {
	return "Subject: " + m.Subject + "\n\n== text message\n" + m.SMS + "\n\n== text\n" + m.Text + "\n== HTML\n" + inner(m.HTML)
}

func TestGolden(t *testing.T) {
	s, f := mailer(t)
	for _, locale := range s.Locales() {
		for _, message := range jml.Messages() {
			n := notice(message)
			n.Locale = locale
			m := send(t, s, f, n, contents())
			if m.Locale != locale || m.Dir != "ltr" {
				t.Errorf("%s: came out as %s, %s", locale, m.Locale, m.Dir)
			}
			golden(t, locale+"/"+string(message)+".txt", all(m))
			if locale == "en" && message == jml.MessagePass {
				golden(t, "pass.html", m.HTML)
			}
			if mayHandOn(message) {
				n := toManager(message)
				n.Locale = locale
				golden(t, locale+"/"+string(message)+"-hand-on.txt", all(send(t, s, f, n, contents())))
			}
		}
	}
}

// journeys are the messages that say something else if nobody starts.
func journeys() []jml.Notice {
	var out []jml.Notice
	add := func(k jml.Kind, to jml.RecipientKind, messages ...jml.Message) {
		for _, m := range messages {
			n := notice(m)
			n.Journey, n.To = k, to
			switch k {
			case jml.KindStaging:
				n.Device, n.OneTime, n.Requester = "LT-20871", false, "desk-07"
			case jml.KindRecovery:
				n.Requester = "desk-07"
			default:
				n.Devices = 2
			}
			if to == jml.RecipientTechnician {
				n.Addressee = ""
			}
			out = append(out, n)
		}
	}
	toEmployee := []jml.Message{jml.MessagePass, jml.MessageLink, jml.MessageCode, jml.MessageIssued, jml.MessageCollected, jml.MessageReminder, jml.MessageUnfinished}
	others := []jml.Message{jml.MessageApproval, jml.MessageEscalation, jml.MessageAttest, jml.MessageMissed}
	add(jml.KindMover, jml.RecipientWorkMail, append(toEmployee, jml.MessageMoved)...)
	add(jml.KindRecovery, jml.RecipientPersonalMail, toEmployee...)
	add(jml.KindStaging, jml.RecipientTechnician, jml.MessagePass, jml.MessageLink, jml.MessageCode)
	add(jml.KindStaging, jml.RecipientWorkMail, jml.MessageIssued, jml.MessageCollected)
	for _, k := range []jml.Kind{jml.KindMover, jml.KindRecovery, jml.KindStaging} {
		add(k, jml.RecipientManager, others...)
	}
	return out
}

func TestJourneys(t *testing.T) {
	s, f := mailer(t)
	for _, n := range journeys() {
		golden(t, "journeys/"+string(n.Journey)+"-"+string(n.Message)+".txt", all(send(t, s, f, n, contents())))
	}
}

// firstDay finds, per locale, what only somebody who starts may be told.
func firstDay() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"en": regexp.MustCompile(`(?i)first sign-in|first day|welcome|new colleague`),
		"de": regexp.MustCompile(`(?i)erste[nr]? Anmeldung|erster Arbeitstag|willkommen|neue[rs]? Kolleg|neues Team|Ihr Start`),
		"fr": regexp.MustCompile(`(?i)première\s+connexion|bienvenue|nouvelle personne|arrivée`),
		"es": regexp.MustCompile(`(?i)primer\s+inicio|primera vez|bienvenid|primer día|persona nueva`),
		"nb": regexp.MustCompile(`(?i)første\s+pålogging|første gang|velkommen|første arbeidsdag|ny kollega|nye kolleg`),
	}
}

// Who lost a key has had his first day.
func TestOtherJourneysSpeakOfNoFirstDay(t *testing.T) {
	s, f := mailer(t)
	for locale, words := range firstDay() {
		for _, message := range jml.Messages() {
			n := notice(message)
			n.Locale = locale
			if m := send(t, s, f, n, contents()); message == jml.MessagePass && !words.MatchString(all(m)) {
				t.Errorf("%s: a joiner's pass does not speak of it either", locale)
			}
			for _, k := range []jml.Kind{jml.KindMover, jml.KindRecovery, jml.KindStaging} {
				for _, to := range jml.Recipients() {
					for _, collected := range []bool{false, true} {
						n.Journey, n.To, n.Collected, n.Device, n.Reason = k, to, collected, "LT-20871", jml.ReasonUsedUp
						if found := words.FindString(all(send(t, s, f, n, contents()))); found != "" {
							t.Errorf("%s/%s of a %s to %q: %q", locale, message, k, to, found)
						}
					}
				}
			}
		}
	}
}

// A recovery that nobody asked for is an attack, and the employee may be the
// first to see it.
func TestRecoverySaysWhatToDoIfNotAskedFor(t *testing.T) {
	s, f := mailer(t)
	for locale, want := range map[string]string{"en": "tell us at once", "de": "sagen Sie es uns sofort", "fr": "dites-le-nous immédiatement", "es": "díganoslo de inmediato", "nb": "si fra med en gang"} {
		for _, message := range []jml.Message{jml.MessagePass, jml.MessageLink, jml.MessageCode, jml.MessageReminder, jml.MessageUnfinished} {
			n := notice(message)
			n.Locale, n.Journey = locale, jml.KindRecovery
			m := send(t, s, f, n, contents())
			if at := strings.Index(m.Text, want); at < 0 || at > 500 || !strings.Contains(m.HTML, "<strong>") {
				t.Errorf("%s/%s: it stands at %d", locale, message, at)
			}
		}
	}
}

// The technician uses the pass, and nothing else of the employee's.
func TestTechnician(t *testing.T) {
	s, f := mailer(t)
	for locale, want := range map[string][]string{
		"en": {"Register nothing of your own", "taken away"}, "de": {"Registrieren Sie damit nichts Eigenes", "eingezogen"},
		"fr": {"N’enregistrez rien qui soit à vous", "supprimé"}, "es": {"No registre nada suyo", "se retira"}, "nb": {"Ikke registrer noe eget", "trukket tilbake"},
	} {
		for _, message := range []jml.Message{jml.MessagePass, jml.MessageLink, jml.MessageCode} {
			n := notice(message)
			n.Locale, n.Journey, n.To, n.Device, n.Addressee = locale, jml.KindStaging, jml.RecipientTechnician, "LT-20871", ""
			m := send(t, s, f, n, contents())
			for _, w := range append(want, "Robin Vale", "LT-20871") {
				if !strings.Contains(m.Text, w) {
					t.Errorf("%s/%s: no %q", locale, message, w)
				}
			}
			if !strings.Contains(m.SMS, "Robin Vale") || m.Fields["journey"] != "staging" || m.Fields["device"] != "LT-20871" || m.Fields["hand_on"] != "true" {
				t.Errorf("%s/%s: %q, %v", locale, message, m.SMS, m.Fields["journey"])
			}
		}
	}
}

func TestVariants(t *testing.T) {
	s, f := mailer(t)
	bareConfig := config(map[string]channel.Channel{"mail": f})
	bareConfig.Organisation.Help, bareConfig.PickupURL = "", ""
	bare := newSender(t, bareConfig)
	for name, tt := range map[string]struct {
		sender  *Sender
		message jml.Message
		change  func(*jml.Notice)
		without bool // a link
	}{
		"first-half":      {s, jml.MessagePass, func(n *jml.Notice) { n.Half = 1 }, false},
		"second-half":     {s, jml.MessagePass, func(n *jml.Notice) { n.Half = 2 }, false},
		"again":           {s, jml.MessagePass, func(n *jml.Notice) { n.OneTime, n.Replaces = false, true }, false},
		"least":           {bare, jml.MessagePass, func(n *jml.Notice) { n.GivenName, n.Reference, n.Zone, n.Register = "", "", "UTC", nil }, false},
		"link-least":      {bare, jml.MessageLink, func(n *jml.Notice) { n.GivenName, n.Reference = "", "" }, false},
		"issued-least":    {bare, jml.MessageIssued, func(n *jml.Notice) { n.From, n.Until = time.Time{}, time.Time{} }, true},
		"collected-help":  {s, jml.MessageCollected, func(*jml.Notice) {}, true},
		"reminder-late":   {s, jml.MessageReminder, func(n *jml.Notice) { n.Start = start().Add(-30 * time.Hour) }, true},
		"reminder-not-me": {s, jml.MessageReminder, func(n *jml.Notice) { n.Collected = true }, false},
		"reminder-out":    {s, jml.MessageReminder, func(n *jml.Notice) { n.Collected = true }, true},
		"hand-on-half": {s, jml.MessagePass, func(n *jml.Notice) {
			n.To, n.Half, n.OneTime, n.Replaces = jml.RecipientDesk, 1, false, true
		}, false},
		"hand-on-least": {bare, jml.MessageLink, func(n *jml.Notice) {
			n.To, n.Addressee, n.GivenName, n.FamilyName, n.Reference, n.Start = jml.RecipientDesk, "", "", "", "", time.Time{}
		}, false},
		"collected-hand-on-help": {s, jml.MessageCollected, func(n *jml.Notice) { n.To = jml.RecipientSponsor }, true},
		"issued-hand-on-least": {bare, jml.MessageIssued, func(n *jml.Notice) {
			n.To, n.Addressee, n.GivenName, n.FamilyName, n.From, n.Until = jml.RecipientDesk, "", "", "", time.Time{}, time.Time{}
		}, true},
		"escalation-out":  {s, jml.MessageEscalation, func(n *jml.Notice) { n.Collected = true }, true},
		"escalation-late": {bare, jml.MessageEscalation, func(n *jml.Notice) { n.Start, n.GivenName = start().Add(-30*time.Hour), "" }, true},
		"attest-least":    {bare, jml.MessageAttest, func(n *jml.Notice) { n.Addressee, n.Until = "", time.Time{} }, true},
		"alert-repudiated": {s, jml.MessageAlert, func(n *jml.Notice) {
			n.Reason = jml.ReasonRepudiated
		}, true},
		"alert-undeliverable": {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonUndeliverable }, true},
		"alert-other":         {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonGraphUnavailable }, true},
		"alert-usedup":        {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonUsedUp }, true},
		"alert-leaver":        {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonUsedByLeaver }, true},
		"alert-cap":           {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonReissueCap }, true},
		"alert-late":          {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonLateHire }, true},
		"alert-replaced":      {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonUserReplaced }, true},
		"alert-removal":       {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonRemovalDenied }, true},
		"alert-contradict":    {s, jml.MessageAlert, func(n *jml.Notice) { n.Reason = jml.ReasonFactsContradict }, true},
		"unfinished-expired":  {s, jml.MessageUnfinished, func(n *jml.Notice) { n.Expired = true }, true},
		"unfinished-least":    {bare, jml.MessageUnfinished, func(n *jml.Notice) { n.GivenName, n.Reference = "", "" }, true},
		"missed-collected":    {s, jml.MessageMissed, func(n *jml.Notice) { n.Collected = true }, true},
		"missed-least":        {bare, jml.MessageMissed, func(n *jml.Notice) { n.GivenName, n.FamilyName, n.Start, n.Reference = "", "", time.Time{}, "" }, true},
		"moved-least":         {bare, jml.MessageMoved, func(n *jml.Notice) { n.Start, n.From = time.Time{}, time.Time{} }, true},
		"approval-least":      {bare, jml.MessageApproval, func(n *jml.Notice) { n.Addressee, n.Reference, n.Until = "", "", time.Time{} }, true},
	} {
		n, c := notice(tt.message), contents()
		tt.change(&n)
		if tt.without {
			c = secret.Contents{}
		}
		golden(t, "variants/"+name+".txt", all(send(t, tt.sender, f, n, c)))
	}
}

// New tries only what comes from an overlay; here is the trial of what is
// shipped, in every combination.
func TestShippedTemplates(t *testing.T) {
	_, books, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for tag, b := range books {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			for m, tmpl := range b.templates {
				if err := tmpl.try(); err != nil {
					t.Errorf("%s: %v", m, err)
				}
			}
		})
	}
	if len(books) != 5 {
		t.Errorf("%d locales", len(books))
	}
}

// TestEnglishWordsAreTranslated finds templates that were copied and forgotten.
func TestEnglishWordsAreTranslated(t *testing.T) {
	err := fs.WalkDir(shipped, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".md") || strings.HasPrefix(name, "templates/en/") {
			return err
		}
		raw, err := fs.ReadFile(shipped, name)
		text := regexp.MustCompile(`\{\{.*?\}\}|(?m:^# (Text|without|On).*$)`).ReplaceAllString(string(raw), "")
		if w := regexp.MustCompile(`\b(the|your|you|and|with|please)\b`).FindString(text); w != "" {
			t.Errorf("%s holds %q", name, w)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// gsm7 counts s in septets of GSM 03.38, or returns false if it does not fit.
func gsm7(s string) (int, bool) {
	const basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	n := 0
	for _, r := range s {
		switch {
		case strings.ContainsRune(basic, r):
			n++
		case strings.ContainsRune("^{}\\[~]|€", r):
			n += 2
		default:
			return 0, false
		}
	}
	return n, true
}

// Two text messages joined hold 306 septets. The data here are long ones.
func TestTextMessagesFitInTwo(t *testing.T) {
	f := &fake{kind: jml.AddressPhone}
	cfg := config(map[string]channel.Channel{"sms": f})
	cfg.Organisation.Name, cfg.Organisation.Help = strings.Repeat("L", 28), ""
	s := newSender(t, cfg)
	long := secret.Contents{
		Passcode: secret.NewPasscode(strings.Repeat("W", 48)), Link: secret.NewPasscode("https://firstday.larch-and-sons.example.com/not-me#" + token),
		PickupReference: contents().PickupReference, Code: contents().Code,
	}
	for _, locale := range s.Locales() {
		for _, message := range jml.Messages() {
			for month := time.January; month <= time.December; month++ {
				for i := range 16 {
					n := notice(message)
					at := time.Date(2026, month, 28, 8, 0, 0, 0, time.UTC)
					n.Channel, n.Recipient, n.Locale, n.Zone = "sms", "+4915550100200", locale, "Asia/Kathmandu"
					n.Start, n.From, n.Until, n.CollectedAt = at, at, at.Add(time.Hour), at
					n.GivenName, n.FamilyName, n.Reference = strings.Repeat("G", 15), strings.Repeat("F", 15), "q7k2m9w4x8v3t6r5p2n0"
					n.Half, n.Collected, n.Expired = i%3, i%8 > 3, i%4 > 1
					n.Journey, n.Device, n.Requester = jml.Kinds()[(i+int(month))%len(jml.Kinds())], "LT-0123456789-ABCDEF", "kim.hale@example.com"
					c := long
					if n.Half > 0 {
						c.Passcode, _ = long.Passcode.Halves()
					}
					if i > 7 {
						n.To = jml.RecipientManager
					}
					if message == jml.MessageAlert {
						n.Reason = jml.Reasons()[(i+16*int(month))%len(jml.Reasons())]
					}
					m := send(t, s, f, n, c)
					if septets, ok := gsm7(m.SMS); !ok || septets > 306 {
						t.Fatalf("%s/%s: %d septets, GSM-7 %v:\n%s", locale, message, septets, ok, m.SMS)
					}
				}
			}
		}
	}
}

var passcodeInHTML = regexp.MustCompile(`<p class="secret passcode"[^>]*>([^<]*)</p>`)

func TestSecretsComeOutAsTheyAre(t *testing.T) {
	s, f := mailer(t)
	for _, p := range []string{canary, "+drkzqAD", `"'<>&`, "</p><b>", "{{.Until}}", "&amp;", "a  b", strings.Repeat("W+", 24), "%41", `\u0041`,
		"*a*", "_a_", "`a`", "1. a", "# a", "> a", "\\a", "[a](b)", "a\\*", "  a ", "---", "\u00e5\u00e4"} {
		c := contents()
		c.Passcode = secret.NewPasscode(p)
		m := send(t, s, f, notice(jml.MessagePass), c)
		if !strings.Contains(m.Text, "\n    "+p+"\n") {
			t.Errorf("%q is not in the text", p)
		}
		found := passcodeInHTML.FindStringSubmatch(m.HTML)
		if found == nil || html.UnescapeString(found[1]) != p {
			t.Errorf("%q is %q in the HTML", p, found)
		}
		if !strings.Contains(m.SMS, "\n"+p+"\n") {
			t.Errorf("%q is not in the text message", p)
		}
		if m.Fields["passcode"] != p || strings.Contains(m.Subject, p) {
			t.Errorf("%q: field %q, subject %q", p, m.Fields["passcode"], m.Subject)
		}
		if got := fmt.Sprintf("%v %+v %#v %s", m, m, &m, []channel.Message{m}); strings.Contains(got, p) {
			t.Errorf("%q shows in print", p)
		}
	}
}

// The list of messages and the lock screen show how a mail begins.
func TestSecretsStandBelowTheFold(t *testing.T) {
	s, f := mailer(t)
	for message, p := range map[jml.Message]secret.Passcode{
		jml.MessagePass: contents().Passcode, jml.MessageLink: contents().Link, jml.MessageCode: contents().Code,
	} {
		for _, locale := range s.Locales() {
			for _, n := range []jml.Notice{notice(message), toManager(message)} {
				n.Locale = locale
				if at := strings.Index(send(t, s, f, n, contents()).Text, p.Reveal()); at < 200 {
					t.Errorf("%s/%s: %d bytes into the text", locale, message, at)
				}
			}
		}
	}
}

func TestLinks(t *testing.T) {
	s, f := mailer(t)
	for _, message := range jml.Messages() {
		m := send(t, s, f, notice(message), contents())
		for _, found := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(m.HTML, -1) {
			switch found[1] {
			case "https://mysignins.microsoft.com/security-info", "https://start.example.com/p", "https://start.example.com/p/again", contents().Link.Reveal():
			default:
				t.Errorf("%s links to %s", message, found[1])
			}
		}
	}
	cfg := config(map[string]channel.Channel{"mail": f})
	cfg.Organisation.SignInURL = "https://login.example.com/?a=1&b=<2>"
	m := send(t, newSender(t, cfg), f, notice(jml.MessagePass), contents())
	if !strings.Contains(m.Text, cfg.Organisation.SignInURL) || !strings.Contains(html.UnescapeString(m.HTML), `href="`+cfg.Organisation.SignInURL+`"`) {
		t.Error("an address with an ampersand does not come out as it is")
	}
}

func TestPageToTypeTheReference(t *testing.T) {
	s, f := mailer(t)
	for message, want := range map[jml.Message]string{
		jml.MessageLink: "https://start.example.com/p", jml.MessageIssued: "https://start.example.com/not-me",
		jml.MessageCollected: "https://start.example.com/not-me", jml.MessageAttest: "https://start.example.com/vouch",
		jml.MessageReminder: "https://start.example.com/not-me",
	} {
		if got := send(t, s, f, notice(message), contents()).Fields["pickup_page"]; got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

func TestTextFromOutsideStaysText(t *testing.T) {
	s, f := mailer(t)
	n := notice(jml.MessagePass)
	n.GivenName = "<script>alert(1)</script>\r\n\r\nYour pass is void,\u202e {{.Passcode}} " + strings.Repeat("x", 10_000)
	n.SignInName = `"><img_src=x>*a*@example.com`
	m := send(t, s, f, n, contents())
	if strings.Contains(m.HTML, "<script") || strings.Contains(m.HTML, "<img") {
		t.Error("markup in a name is markup in the mail")
	}
	if want := "Hello <script>alert(1)</script> Your pass is void, {{.Passcode}} x,\n"; !strings.Contains(m.Text, want) {
		t.Errorf("no %q in\n%s", want, m.Text)
	}
	if strings.Count(m.Text, canary) != 1 || !strings.Contains(m.Text, n.SignInName) {
		t.Error("a name brings the passcode in, or a sign-in name changes")
	}
	if !strings.Contains(html.UnescapeString(m.HTML), n.SignInName) {
		t.Error("a sign-in name changes in the HTML")
	}
}

// hostile are names as somebody may type them into an HR system.
func hostile() []string {
	return []string{
		"", "Robin", "*Robin*", "**", "_a_", "`a`", "# Robin", "> a", "- a", "1. a", "1) a", "[a](https://evil.example)", "<https://evil.example>",
		"![a](b)", "&lt;b&gt;", "&#60;b&#62;", "\\", "a\\", "<b>", "<!--", "]]>", "{{.Passcode}}", "{{", "\ue000", "\ue001\ue002\ue003", "a\nb", "a\r\n\r\n# b",
		"a\u2028b", "\u202eabc", "\u200b", "\x00", "\xff", "  ", "\t", "---", "***", "===", "~~~", "|a|b|", "Zoë", "王小明", "محمد", "O'Neil", "D’Arcy",
		strings.Repeat("x", 10_000), "a\u00a0b", "Bcc: x@example.org", "%0d%0aBcc: x", "https://evil.example", "a  ", "    a", "\u0301",
	}
}

// shape is the elements and attributes of a page, without its text.
func shape(t testing.TB, page string) string {
	root, err := nethtml.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case nethtml.ElementNode:
			fmt.Fprintln(&b, n.Data, n.Attr)
		case nethtml.CommentNode:
			fmt.Fprintln(&b, "comment")
		}
	}
	return b.String()
}

// FuzzNames: whatever a name, the mail has no element and no attribute that it
// does not have for a plain name, and the text no line more.
func FuzzNames(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, "Vale", "Kim")
		f.Add("Robin", s, s)
	}
	s, ch := mailer(f)
	f.Fuzz(func(t *testing.T, given, family, addressee string) {
		for i, message := range append(jml.Messages(), jml.MessagePass, jml.MessageLink, jml.MessageCode, jml.MessageIssued, jml.MessageCollected) {
			n, plain := notice(message), notice(message)
			handOn := i >= len(jml.Messages())
			if handOn {
				n, plain = toManager(message), toManager(message)
			}
			n.GivenName, n.FamilyName, n.Addressee = given, family, addressee
			// An empty name is another branch of the template.
			same := func(field *string, name string) {
				if plainName(name) == "" {
					*field = ""
				}
			}
			same(&plain.GivenName, given)
			same(&plain.FamilyName, family)
			same(&plain.Addressee, addressee)
			m, want := send(t, s, ch, n, contents()), send(t, s, ch, plain, contents())
			if diff := cmp.Diff(shape(t, want.HTML), shape(t, m.HTML)); diff != "" {
				t.Errorf("%s: %q %q %q change the page (-want +got)\n%s", message, given, family, addressee, diff)
			}
			if strings.Count(m.Text, "\n") != strings.Count(want.Text, "\n") || strings.Count(m.SMS, "\n") != strings.Count(want.SMS, "\n") {
				t.Errorf("%s: %q %q %q change the lines", message, given, family, addressee)
			}
			if m.Subject != want.Subject {
				t.Errorf("%s: %q %q %q reach the subject", message, given, family, addressee)
			}
			if name := plainName(given); name != "" && message.ToEmployee() && !handOn {
				if !strings.Contains(m.Text, " "+name) || !strings.Contains(html.UnescapeString(m.HTML), " "+name) {
					t.Errorf("%s: %q does not come out as it is", message, name)
				}
			}
			if name := plainName(plainName(given) + " " + plainName(family)); name != "" && handOn {
				for part, s := range map[string]string{"text": m.Text, "HTML": html.UnescapeString(m.HTML), "text message": m.SMS} {
					if !strings.Contains(s, name) {
						t.Errorf("%s, %s: %q is not named", message, part, name)
					}
				}
			}
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	m := newMarkdown("en")
	f.Fuzz(func(t *testing.T, s string) {
		s = plainName(s)
		if s == "" {
			return
		}
		page, text, err := m.render(escape(s))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := "<p>" + html.EscapeString(s) + "</p>\n"; html.UnescapeString(page) != html.UnescapeString(want) || text != s+"\n" {
			t.Errorf("%q becomes %q and %q", s, page, text)
		}
	})
}

func TestMinutesNeverWiderThanTheTruth(t *testing.T) {
	s, f := mailer(t)
	n := notice(jml.MessagePass)
	n.Zone = "America/New_York"
	n.From, n.Until = start().Add(300*time.Millisecond), start().Add(time.Hour+59*time.Second)
	m := send(t, s, f, n, contents())
	for name, want := range map[string]string{
		"from": "2026-03-02T03:01:00-05:00", "until": "2026-03-02T04:00:00-05:00",
		"from_text": "Monday 2 March 2026, 03:01 EST (America/New York)", "until_text": "Monday 2 March 2026, 04:00 EST (America/New York)",
	} {
		if m.Fields[name] != want {
			t.Errorf("%s is %q, want %q", name, m.Fields[name], want)
		}
	}
	if !strings.Contains(m.Text, m.Fields["from_text"]) || !strings.Contains(html.UnescapeString(m.HTML), m.Fields["until_text"]) {
		t.Error("the message tells other times")
	}
}

func TestFields(t *testing.T) {
	s, f := mailer(t)
	n := notice(jml.MessageLink)
	n.Site = "Leipzig"
	want := map[string]string{
		"message": "link", "locale": "en", "organisation": "Larch & Sons", "help": "Call the service desk: +49 30 5550 100, from 8 to 18 o'clock.",
		"sign_in_url": "https://mysignins.microsoft.com/security-info", "pickup_page": "https://start.example.com/p", "addressee": "Kim",
		"given_name": "Robin", "family_name": "Vale", "site": "Leipzig", "sign_in_name": "robin.vale@example.com",
		"from": "2026-03-02T09:00:00+01:00", "until": "2026-03-02T17:00:00+01:00", "start": "2026-03-02T09:00:00+01:00", "collected_at": "2026-03-02T09:05:00+01:00",
		"from_text":         "Monday 2 March 2026, 09:00 CET (Europe/Berlin)",
		"until_text":        "Monday 2 March 2026, 17:00 CET (Europe/Berlin)",
		"start_text":        "Monday 2 March 2026, 09:00 CET (Europe/Berlin)",
		"collected_at_text": "Monday 2 March 2026, 09:05 CET (Europe/Berlin)",
		"methods":           "a passkey, the Microsoft Authenticator app or Windows Hello", "reference": "q7k2m9w4", "one_time": "true", "journey": "joiner",
		"link": contents().Link.Reveal(), "pickup_reference": contents().PickupReference.Reveal(),
	}
	if diff := cmp.Diff(want, send(t, s, f, n, contents()).Fields); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	n = notice(jml.MessagePass)
	n.Half = 2
	m := send(t, s, f, n, contents())
	if m.Fields["half"] != "2" || m.Fields["hand_on"] != "" {
		t.Errorf("half is %q, hand_on %q", m.Fields["half"], m.Fields["hand_on"])
	}
	if got := send(t, s, f, toManager(jml.MessagePass), contents()).Fields["hand_on"]; got != "true" {
		t.Errorf("hand_on is %q", got)
	}
}

// What another gets in the employee's place speaks to him, and not of a pass of
// his.
func TestWhoHandsOnIsSpokenTo(t *testing.T) {
	s, f := mailer(t)
	letters := &fake{}
	cfg := config(map[string]channel.Channel{"mail": letters})
	cfg.Direct = []string{"mail"}
	byPost := newSender(t, cfg)
	for _, message := range jml.Messages() {
		for _, to := range append(jml.Recipients(), "") {
			n := notice(message)
			n.To = to
			handOn := mayHandOn(message) && to != "" && !to.Employee()
			m := send(t, s, f, n, contents())
			spoken := handOn || !message.ToEmployee()
			if message != jml.MessageAlert && (strings.Contains(m.Text, "Hello Kim,") != spoken || strings.Contains(m.Text, "Hello Robin,") == spoken) {
				t.Errorf("%s to %q greets somebody else", message, to)
			}
			for part, text := range map[string]string{"subject": m.Subject, "text": m.Text, "HTML": m.HTML, "text message": m.SMS} {
				for phrase, want := range map[string]bool{"please hand ": handOn && brings(message), "please ask ": handOn && !brings(message)} {
					if strings.Contains(strings.ToLower(text), phrase) != want {
						t.Errorf("%s to %q, %s: holds %q: %v", message, to, part, phrase, !want)
					}
				}
				if part != "subject" && handOn && !strings.Contains(text, "Robin Vale") {
					t.Errorf("%s to %q, %s: does not say whom it is about", message, to, part)
				}
				for _, word := range []string{"your pass", "your link", "your code", "your first sign-in"} {
					if handOn && strings.Contains(strings.ToLower(text), word) {
						t.Errorf("%s to %q, %s: %q is not theirs", message, to, part, word)
					}
				}
			}
			if got := send(t, byPost, letters, n, contents()); mayHandOn(message) && to != jml.RecipientTechnician && (!strings.Contains(got.Text, "Hello Robin,") || got.Fields["hand_on"] != "") {
				t.Errorf("%s to %q, by a letter to the employee: %q", message, to, got.Subject)
			}
		}
	}
}

// What a message has no business with reaches no channel.
func TestOtherSecretsAreDropped(t *testing.T) {
	s, f := mailer(t)
	c := contents()
	whole := map[string]string{"passcode": c.Passcode.Reveal(), "link": c.Link.Reveal(), "token": token, "reference": c.PickupReference.Reveal(), "code": c.Code.Reveal()}
	for _, message := range jml.Messages() {
		m := send(t, s, f, notice(message), c)
		own := only(message, c)
		text := html.UnescapeString(fmt.Sprint(m.Subject, m.Text, m.HTML, m.SMS, m.Fields)) +
			m.Contents.Passcode.Reveal() + m.Contents.Link.Reveal() + m.Contents.PickupReference.Reveal() + m.Contents.Code.Reveal()
		for name, s := range whole {
			held := s == own.Passcode.Reveal() || s == own.Code.Reveal() || s == own.PickupReference.Reveal() || strings.Contains(own.Link.Reveal(), s)
			if strings.Contains(text, s) != held {
				t.Errorf("%s: %s is there: %v, want %v", message, name, !held, held)
			}
		}
		if strings.Contains(html.UnescapeString(m.Subject), token) {
			t.Errorf("%s: the subject holds the token", message)
		}
	}
}

func TestSubjectsNameNobody(t *testing.T) {
	s, f := mailer(t)
	for _, locale := range s.Locales() {
		for i, message := range append(jml.Messages(), jml.MessagePass, jml.MessageLink, jml.MessageCode, jml.MessageIssued, jml.MessageCollected) {
			n := notice(message)
			if i >= len(jml.Messages()) {
				n = toManager(message)
			}
			n.Locale = locale
			n.GivenName, n.FamilyName, n.Addressee = "Gwendolen\r\nBcc: x@example.org", "Featherstone", "Archibald"
			m := send(t, s, f, n, contents())
			for _, w := range []string{"Gwendolen", "Featherstone", "Archibald", "robin.vale", "Bcc", "q7k2m9w4"} {
				if strings.Contains(m.Subject, w) {
					t.Errorf("%s/%s: %q", locale, message, m.Subject)
				}
			}
			if !oneLine(m.Subject) || len([]rune(m.Subject)) > 100 {
				t.Errorf("%s/%s: %q", locale, message, m.Subject)
			}
		}
	}
}
