package letter

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
	"rsc.io/qr"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

var update = flag.Bool("update", false, "write the goldens")

const (
	theLink      = "https://welcome.example.com/p#tok3n-c4n4ry-AAAAAAAA"
	theReference = "7K2M-9QXW-3F4A"
	theCode      = "204817"
)

func config(t *testing.T) Config {
	return Config{
		Folder: t.TempDir(), HTML: true, PDF: true, Organisation: "Larch & Sons", ReturnAddress: "Larch & Sons, Quay 4, 20457 Hamburg",
		Help: "Call the service desk: +49 30 5550 100, from 8 to 18 o'clock.",
		Now:  func() time.Time { return time.Date(2026, 2, 20, 23, 30, 0, 0, time.UTC) },
	}
}

func newChannel(t *testing.T, cfg Config) *Channel {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func message(kind jml.Message, locale string) channel.Message {
	m := channel.Message{
		Subject: "Larch & Sons: collect your pass", Locale: locale, Dir: "ltr",
		Text:   "Hello Robin,\n\nopen the link\n" + theLink + "\n",
		Fields: map[string]string{"until_text": "Monday 9 March 2026, 18:00 CET (Europe/Berlin)", "pickup_page": "https://welcome.example.com/p"},
		Notice: jml.Notice{
			Message: kind, GivenName: "Robin", FamilyName: "Vale", Site: "Harbour Depot 2", Zone: "Europe/Berlin", Reference: "q7k2m9", Handle: "handle",
			Start: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 9, 17, 0, 0, 0, time.UTC), Locale: locale,
		},
	}
	switch kind {
	case jml.MessageLink:
		m.Contents = secret.Contents{Link: secret.NewPasscode(theLink), PickupReference: secret.NewPasscode(theReference)}
	case jml.MessageCode:
		m.Contents = secret.Contents{Code: secret.NewPasscode(theCode)}
	case jml.MessageReminder:
		m.Text = "Hello Robin,\n\nnothing is registered yet.\n\n1. Find your letter.\n2. Scan the code.\n"
	}
	return m
}

func post(t *testing.T, c *Channel, m channel.Message) string {
	t.Helper()
	r, err := c.Post(t.Context(), "send message", m, false)
	if err != nil {
		t.Fatal(err)
	}
	return r.MessageID
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// samples are letters by the name of their golden.
func samples() map[string]channel.Message {
	out := map[string]channel.Message{}
	for _, l := range []string{"en", "de", "fr", "es", "nb"} {
		out["link."+l], out["code."+l] = message(jml.MessageLink, l), message(jml.MessageCode, l)
	}
	out["reminder.en"] = message(jml.MessageReminder, "en-GB")

	for _, k := range []jml.Kind{jml.KindMover, jml.KindRecovery} {
		m := message(jml.MessageLink, "en")
		m.Notice.Journey = k
		out["link."+string(k)] = m
	}

	least := message(jml.MessageLink, "")
	least.Subject, least.Text, least.Fields = "", "", nil
	least.Notice.GivenName, least.Notice.Site = "", ""
	out["least"] = least

	rtl := message(jml.MessageLink, "ar-EG")
	rtl.Dir, rtl.Subject, rtl.Text = "rtl", "استلام التصريح", "مرحبا،\n\nافتح الرابط أو امسح الرمز.\n"
	rtl.Notice.GivenName, rtl.Notice.FamilyName = "ليلى", "Vale"
	out["rtl"] = rtl
	return out
}

func TestGoldens(t *testing.T) {
	c := newChannel(t, config(t))
	for name, m := range samples() {
		files, err := c.files("op", m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		golden := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(golden, files[".html"], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(read(t, golden), string(files[".html"])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Both forms say the same, and each letter only what is its own.
func TestEachFormSaysIt(t *testing.T) {
	c := newChannel(t, config(t))
	for name, m := range samples() {
		files, err := c.files("op", m)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string]string{"html": html.UnescapeString(string(files[".html"])), "pdf": textOf(t, files[".pdf"])}
		if name == "rtl" {
			if files[".pdf"] != nil {
				t.Error("a PDF in a script it lacks")
			}
			delete(forms, "pdf")
		}
		for form, text := range forms {
			var want, never []string
			switch m.Notice.Message {
			case jml.MessageLink:
				want, never = []string{theReference, "https://welcome.example.com/p", "2026", "q7k2m9", "Vale"}, []string{theCode, "tok3n-c4n4ry", "handle"}
			case jml.MessageCode:
				want, never = []string{theCode, "Robin Vale", "Harbour Depot 2"}, []string{theReference, "tok3n", "welcome.example.com"}
			default:
				want, never = []string{"nothing is registered yet.", "1. Find your letter.", "2. Scan the code."}, []string{"QR", "svg"}
			}
			if form == "pdf" && m.Notice.Message == jml.MessageLink {
				never = append(never, "#")
			}
			for _, s := range want {
				if !strings.Contains(text, s) {
					t.Errorf("%s.%s lacks %q:\n%s", name, form, s, text)
				}
			}
			for _, s := range never {
				if m.Notice.Message == jml.MessageReminder && form == "html" {
					text = text[strings.Index(text, "<body>"):]
				}
				if strings.Contains(text, s) {
					t.Errorf("%s.%s holds %q", name, form, s)
				}
			}
		}
	}
}

// textOf returns the lines that a PDF of ours shows, in the order they are
// drawn.
func textOf(t *testing.T, pdf []byte) string {
	t.Helper()
	var out []string
	for _, content := range contents(t, pdf) {
		for _, m := range regexp.MustCompile(`(?s)\(((?:\\.|[^\\()])*)\) Tj`).FindAllStringSubmatch(content, -1) {
			raw := strings.NewReplacer(`\\`, `\`, `\(`, `(`, `\)`, `)`, `\r`, "\r").Replace(m[1])
			var units []uint16
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			out = append(out, string(utf16.Decode(units)))
		}
	}
	return strings.Join(out, "\n")
}

// contents returns the pages' drawing instructions.
func contents(t *testing.T, pdf []byte) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?s)stream\n(.*?)\nendstream`).FindAllSubmatch(pdf, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue
		}
		b, err := io.ReadAll(z)
		if err == nil && bytes.Contains(b, []byte(" Tj ET")) {
			out = append(out, string(b))
		}
	}
	return out
}

// What a camera sees is the link: module by module, in both forms.
func TestQRCode(t *testing.T) {
	want, err := qr.Encode(theLink, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	files, err := newChannel(t, config(t)).files("op", message(jml.MessageLink, "en"))
	if err != nil {
		t.Fatal(err)
	}
	type module struct{ x, y int }
	same := func(form string, got map[module]bool) {
		for y := range want.Size {
			for x := range want.Size {
				if got[module{x, y}] != want.Black(x, y) {
					t.Fatalf("%s: module %d,%d is wrong", form, x, y)
				}
				delete(got, module{x, y})
			}
		}
		if len(got) > 0 {
			t.Errorf("%s: black modules beyond the code, or in its border", form)
		}
	}
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}

	svg := map[module]bool{}
	if !strings.Contains(string(files[".html"]), fmt.Sprintf(`viewBox="0 0 %d %d"`, want.Size+8, want.Size+8)) {
		t.Error("no border of four modules")
	}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(string(files[".html"]), -1) {
		for i := range int(number(m[3])) {
			svg[module{int(number(m[1])) + i - 4, int(number(m[2])) - 4}] = true
		}
	}
	same("html", svg)

	rects := regexp.MustCompile(`([\d.]+) ([\d.]+) ([\d.]+) -([\d.]+) re f`).FindAllStringSubmatch(contents(t, files[".pdf"])[0], -1)
	size := qrWide / float64(want.Size+8) / point
	x0, y0 := number(rects[0][1]), number(rects[0][2]) // the finder pattern's corner is black
	pdf := map[module]bool{}
	for _, m := range rects {
		x, y := int((number(m[1])-x0)/size+0.5), int((y0-number(m[2]))/size+0.5)
		for i := range int(number(m[3])/size + 0.5) {
			pdf[module{x + i, y}] = true
		}
	}
	same("pdf", pdf)
}

func TestSameAgain(t *testing.T) {
	c := newChannel(t, config(t))
	fonts := sha256.Sum256(slices.Concat(goregular.TTF, gobold.TTF, gomonobold.TTF))
	defer func() {
		if sha256.Sum256(slices.Concat(goregular.TTF, gobold.TTF, gomonobold.TTF)) != fonts {
			t.Error("fpdf wrote into a font that all letters share")
		}
	}()
	for _, k := range []jml.Message{jml.MessageLink, jml.MessageCode} {
		a, err := c.files("op", message(k, "de"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.files("op", message(k, "de"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a[".pdf"], b[".pdf"]) || !bytes.Equal(a[".html"], b[".html"]) {
			t.Errorf("%s: the same letter is different", k)
		}
	}
}

func TestWrites(t *testing.T) {
	cfg := config(t)
	c := newChannel(t, cfg)
	m := message(jml.MessageLink, "en")
	name := post(t, c, m)
	if !regexp.MustCompile(`^2026-03-02-q7k2m9-link-[0-9a-f]{8}$`).MatchString(name) {
		t.Errorf("named %q", name)
	}
	want := []string{name + ".html", name + ".pdf"}
	if diff := cmp.Diff(want, names(t, cfg.Folder)); diff != "" {
		t.Fatal(diff)
	}
	for _, n := range want {
		info, err := os.Stat(filepath.Join(cfg.Folder, n))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", n, info.Mode(), err)
		}
	}

	// Again, a day later, under another handle, after a try that was killed.
	left := filepath.Join(cfg.Folder, "."+name+".pdf.123.tmp")
	if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Notice.Handle, m.Notice.FamilyName = "sealed anew", "Vale-Moor"
	cfg.Now = func() time.Time { return time.Date(2026, 2, 23, 9, 0, 0, 0, time.UTC) }
	post(t, newChannel(t, cfg), m)
	if diff := cmp.Diff(want, names(t, cfg.Folder)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(read(t, cfg.Folder, name+".html"), "Robin Vale-Moor") {
		t.Error("not replaced")
	}

	// Another link, another message: other names.
	m.Contents.Link = secret.NewPasscode(theLink + "x")
	other := post(t, c, m)
	codeName := post(t, c, message(jml.MessageCode, "en"))
	if other == name || codeName == name {
		t.Error("another message has the same name")
	}
	for _, s := range []string{name, other, codeName} {
		for _, part := range []string{theCode, "tok3n", "Robin", "Vale", theReference} {
			if strings.Contains(s, part) {
				t.Errorf("the name %q holds %q", s, part)
			}
		}
	}
}

func TestFormats(t *testing.T) {
	for ending, change := range map[string]func(*Config){
		".html": func(c *Config) { c.PDF = false },
		".pdf":  func(c *Config) { c.HTML = false },
	} {
		cfg := config(t)
		change(&cfg)
		name := post(t, newChannel(t, cfg), message(jml.MessageCode, "en"))
		if diff := cmp.Diff([]string{name + ending}, names(t, cfg.Folder)); diff != "" {
			t.Error(diff)
		}
	}
}

// A name in a script that the PDF lacks.
func TestScripts(t *testing.T) {
	for name, tt := range map[string]struct {
		given string
		pdf   bool
	}{
		"Latin":                 {"Łucja-Åse", true},
		"Greek":                 {"Ελένη", true},
		"Cyrillic":              {"Юлія", true},
		"in parts":              {"Ame\u0301lie", true},
		"Arabic":                {"ليلى", false},
		"Chinese":               {"王芳", false},
		"Thai":                  {"สมชาย", false},
		"beyond the basic plan": {"𐐀𐐁", false},
		"first beyond":          {"\U00010000", false},
		"emoji":                 {"🙂", false},
	} {
		cfg := config(t)
		m := message(jml.MessageLink, "en")
		before := post(t, newChannel(t, cfg), m)
		m.Notice.GivenName = tt.given
		c := newChannel(t, cfg)
		if after := post(t, c, m); after != before {
			t.Errorf("%s: another name", name)
		}
		want := []string{before + ".html"}
		if tt.pdf {
			want = append(want, before+".pdf")
		}
		if diff := cmp.Diff(want, names(t, cfg.Folder)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !strings.Contains(read(t, cfg.Folder, before+".html"), norm.NFC.String(tt.given)+" Vale") {
			t.Errorf("%s: the HTML lacks the name", name)
		}
		if tt.pdf && !strings.Contains(textOf(t, []byte(read(t, cfg.Folder, before+".pdf"))), norm.NFC.String(tt.given)+" Vale") {
			t.Errorf("%s: the PDF lacks the name", name)
		}

		cfg.HTML, cfg.Folder = false, t.TempDir()
		for _, dry := range []bool{true, false} {
			_, err := newChannel(t, cfg).Post(t.Context(), "send message", m, dry)
			if tt.pdf != (err == nil) {
				t.Errorf("%s: %v", name, err)
			}
			if !tt.pdf {
				checkFault(t, name, err, "scriptNotInPDF", jml.FaultRefused, jml.ReasonMessageRefused)
			}
		}
	}
}

func checkFault(t *testing.T, name string, err error, code string, kind jml.FaultKind, reason jml.BlockReason) {
	t.Helper()
	var f *jml.Fault
	if !errors.As(err, &f) || f.Code != code || f.Kind != kind || f.Reason != reason || f.System != "letter" || f.Op == "" {
		t.Errorf("%s: %v, want %s %s %s", name, err, kind, code, reason)
		return
	}
	for _, s := range []string{"Robin", "Vale", theCode, "tok3n", theReference, "/tmp", "Depot"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, *f), s) {
			t.Errorf("%s: the error holds %q", name, s)
		}
	}
}

func TestRefuses(t *testing.T) {
	link, code := secret.NewPasscode(theLink), secret.NewPasscode(theCode)
	for name, tt := range map[string]struct {
		kind   jml.Message
		change func(*channel.Message)
		code   string
	}{
		"pass":                  {jml.MessagePass, func(*channel.Message) {}, "notCarried"},
		"no message":            {"", func(*channel.Message) {}, "notCarried"},
		"issued":                {jml.MessageIssued, func(*channel.Message) {}, "notCarried"},
		"collected":             {jml.MessageCollected, func(*channel.Message) {}, "notCarried"},
		"attest":                {jml.MessageAttest, func(*channel.Message) {}, "notCarried"},
		"escalation":            {jml.MessageEscalation, func(*channel.Message) {}, "notCarried"},
		"alert":                 {jml.MessageAlert, func(*channel.Message) {}, "notCarried"},
		"passcode in a link":    {jml.MessageLink, func(m *channel.Message) { m.Contents.Passcode = secret.NewPasscode("x") }, "notCarried"},
		"passcode in reminder":  {jml.MessageReminder, func(m *channel.Message) { m.Contents.Passcode = secret.NewPasscode("x") }, "notCarried"},
		"code in a link letter": {jml.MessageLink, func(m *channel.Message) { m.Contents.Code = code }, "linkWithCode"},
		"link in a code letter": {jml.MessageCode, func(m *channel.Message) { m.Contents.Link = link }, "linkWithCode"},
		"reference with a code": {jml.MessageCode, func(m *channel.Message) { m.Contents.PickupReference = secret.NewPasscode(theReference) }, "linkWithCode"},
		"to a technician":       {jml.MessageLink, func(m *channel.Message) { m.Notice.To = jml.RecipientTechnician }, "notToTheEmployee"},
		"no link":               {jml.MessageLink, func(m *channel.Message) { m.Contents.Link = secret.Passcode{} }, "noLink"},
		"no reference":          {jml.MessageLink, func(m *channel.Message) { m.Contents.PickupReference = secret.Passcode{} }, "noLink"},
		"no code":               {jml.MessageCode, func(m *channel.Message) { m.Contents.Code = secret.Passcode{} }, "noCode"},
		"endless link":          {jml.MessageLink, func(m *channel.Message) { m.Contents.Link = secret.NewPasscode(strings.Repeat("x", 5000)) }, "linkTooLong"},
		"no zone":               {jml.MessageLink, func(m *channel.Message) { m.Notice.Zone = "" }, "zone"},
		"no reference of ours":  {jml.MessageLink, func(m *channel.Message) { m.Notice.Reference = "" }, "reference"},
		"path as a reference":   {jml.MessageLink, func(m *channel.Message) { m.Notice.Reference = "../../etc/x" }, "reference"},
		"dots":                  {jml.MessageLink, func(m *channel.Message) { m.Notice.Reference = ".." }, "reference"},
		"pattern":               {jml.MessageLink, func(m *channel.Message) { m.Notice.Reference = "q*" }, "reference"},
		"zero byte":             {jml.MessageLink, func(m *channel.Message) { m.Notice.Reference = "q\x00" }, "reference"},
		"long reference":        {jml.MessageLink, func(m *channel.Message) { m.Notice.Reference = strings.Repeat("q", 65) }, "reference"},
	} {
		cfg := config(t)
		c := newChannel(t, cfg)
		m := message(tt.kind, "en")
		tt.change(&m)
		_, err := c.Post(t.Context(), "send message", m, false)
		checkFault(t, name, err, tt.code, jml.FaultRefused, jml.ReasonMessageRefused)
		if got := names(t, cfg.Folder); len(got) > 0 {
			t.Errorf("%s: wrote %v", name, got)
		}
	}
	m := message(jml.MessageLink, "en")
	m.Notice.GivenName, m.Notice.FamilyName = " ", "\u202e"
	_, err := newChannel(t, config(t)).Post(t.Context(), "send message", m, false)
	checkFault(t, "no name", err, "noName", jml.FaultRefused, jml.ReasonNoRecipient)
}

func TestCarries(t *testing.T) {
	c := newChannel(t, config(t))
	want := []jml.Message{jml.MessageLink, jml.MessageCode, jml.MessageReminder}
	for _, m := range jml.Messages() {
		if c.Carries(m) != slices.Contains(want, m) {
			t.Errorf("%s: %v", m, c.Carries(m))
		}
	}
	if c.Address() != jml.AddressNone || c.Self() != "" {
		t.Error("a letter has no address")
	}
}

// A name lays out nothing: it adds no element and no line, and turns nothing
// around.
func TestHostileNames(t *testing.T) {
	c := newChannel(t, config(t))
	plain := string(must(c.files("op", message(jml.MessageLink, "en")))(t)[".html"])
	for name, s := range map[string]string{
		"script":     `<script>alert(1)</script>`,
		"attribute":  `" onload="alert(1)`,
		"comment":    `--><!--`,
		"template":   `{{.Panel.Reference}} {name} {org}`,
		"lines":      "Robin\r\nOtto\u2028Kim",
		"direction":  "Robin\u202e\u2067eel",
		"control":    "Robin\x00\x1b[31m\u009b",
		"long":       strings.Repeat("Robin ", 2000),
		"long word":  strings.Repeat("W", 10_000),
		"bad UTF-8":  "Robin\xff\xfe",
		"PDF string": `) Tj ET (x\\`,
		"blank":      "\u00a0",
		"long page":  "https://" + strings.Repeat("x", 500),
	} {
		m := message(jml.MessageLink, "en")
		m.Notice.GivenName, m.Notice.Site, m.Subject = s, s, s
		files := must(c.files("op", m))(t)
		page, text := string(files[".html"]), textOf(t, files[".pdf"])
		if strings.Count(page, "<") != strings.Count(plain, "<") || strings.Count(page, "\n") != strings.Count(plain, "\n") {
			t.Errorf("%s: changes the page", name)
		}
		if strings.ContainsAny(page+text, "\u202e\u2067\x00\x1b\u009b\u2028\r") || !utf8.ValidString(page) {
			t.Errorf("%s: gets through", name)
		}
		if len(contents(t, files[".pdf"])) != 1 {
			t.Errorf("%s: more than a page", name)
		}
		if !strings.Contains(text, theReference) || strings.Count(page, theReference) != 1 {
			t.Errorf("%s: the reference is gone, or there twice", name)
		}
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// No line of a PDF is wider than its place, nor lower than either paper.
func TestPDFStaysOnThePaper(t *testing.T) {
	c := newChannel(t, config(t))
	m := message(jml.MessageReminder, "en")
	m.Text = strings.Repeat("A paragraph of some words, and one-that-is-rather-long-"+strings.Repeat("m", 150)+".\n\n", 60)
	m.Notice.GivenName, m.Notice.Site = strings.Repeat("W", 119), strings.Repeat("Depot ", 30)
	pdf := must(c.files("op", m))(t)[".pdf"]
	pages := contents(t, pdf)
	if len(pages) < 3 {
		t.Fatalf("%d pages", len(pages))
	}
	for i, p := range pages {
		for _, at := range regexp.MustCompile(`BT ([\d.-]+) ([\d.-]+) Td`).FindAllStringSubmatch(p, -1) {
			x, _ := strconv.ParseFloat(at[1], 64)
			y, _ := strconv.ParseFloat(at[2], 64)
			if fromTop := 297 - y*point; fromTop > bottom+0.1 || fromTop < 10 || x*point < left-0.1 {
				t.Errorf("page %d: a line at %.1f mm", i+1, fromTop)
			}
		}
	}
	if got := strings.Count(textOf(t, pdf), "A paragraph"); got != 60 {
		t.Errorf("%d paragraphs of 60", got)
	}
	// The panel is not cut in two, wherever it comes to stand.
	for n := range 10 {
		m := message(jml.MessageLink, "pl")
		m.Text = strings.Repeat("Akapit.\n\n", 4*n)
		for i, p := range contents(t, must(c.files("op", m))(t)[".pdf"]) {
			for _, r := range regexp.MustCompile(`[\d.-]+ ([\d.-]+) [\d.]+ -([\d.]+) re f`).FindAllStringSubmatch(p, -1) {
				y, _ := strconv.ParseFloat(r[1], 64)
				if fromTop := 297 - y*point; fromTop > bottom {
					t.Fatalf("%d paragraphs, page %d: the square code at %.1f mm", n, i+1, fromTop)
				}
			}
		}
	}
	w := &writer{Fpdf: fpdf.New("P", "mm", "A4", ""), fonts: c.pdf.fonts}
	w.AddUTF8FontFromBytes(regular, "", c.pdf.fonts[regular].ttf)
	w.use(regular, 10)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(strings.Fields(strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-zäöß]{0,90}`), 0, 12).Draw(t, "words"), " ")), " ")
		limit := rapid.IntRange(0, 3).Draw(t, "limit")
		lines := w.wrap(s, 60, limit)
		for _, l := range lines {
			if w.GetStringWidth(l) > 60 {
				t.Fatalf("too wide: %q", l)
			}
		}
		if len(lines) == 0 || limit > 0 && len(lines) > limit {
			t.Fatalf("%d lines", len(lines))
		}
		if all := strings.Join(lines, ""); limit == 0 && strings.ReplaceAll(all, " ", "") != strings.ReplaceAll(s, " ", "") {
			t.Fatalf("%q became %q", s, all)
		}
	})
}

func TestDiskErrors(t *testing.T) {
	m := message(jml.MessageLink, "en")
	gone := config(t)
	gone.Folder = filepath.Join(gone.Folder, "gone")
	file := config(t)
	file.Folder = filepath.Join(file.Folder, "file")
	if err := os.WriteFile(file.Folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{"gone": gone, "a file": file} {
		for _, dry := range []bool{true, false} {
			_, err := newChannel(t, cfg).Post(t.Context(), "send message", m, dry)
			checkFault(t, name, err, "folderMissing", jml.FaultUnavailable, jml.ReasonChannelUnavailable)
		}
	}
	if os.Getuid() != 0 { // root writes everywhere
		cfg := config(t)
		if err := os.Chmod(cfg.Folder, 0o500); err != nil {
			t.Fatal(err)
		}
		_, err := newChannel(t, cfg).Post(t.Context(), "send message", m, true)
		checkFault(t, "not ours", err, "folderNotWritable", jml.FaultUnavailable, jml.ReasonChannelUnavailable)
	}

	// What has been written of a letter that can't get its name goes again.
	cfg := config(t)
	name := post(t, newChannel(t, cfg), m)
	for _, ending := range []string{".html", ".pdf"} {
		path := filepath.Join(cfg.Folder, name+ending)
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := newChannel(t, cfg).Post(t.Context(), "send message", m, false)
	checkFault(t, "name taken", err, "disk", jml.FaultUnavailable, jml.ReasonChannelUnavailable)
	if diff := cmp.Diff([]string{name + ".html", name + ".pdf"}, names(t, cfg.Folder)); diff != "" {
		t.Error(diff)
	}
	for want, err := range map[string]error{"diskFull": syscall.ENOSPC, "folderNotWritable": syscall.EROFS, "disk": syscall.EIO} {
		if got := code(&fs.PathError{Err: err}); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestDry(t *testing.T) {
	cfg := config(t)
	c := newChannel(t, cfg)
	probe := channel.Message{Notice: jml.Notice{Zone: "UTC"}} // of no message, as a channel is tried
	bare := message(jml.MessageLink, "en")
	bare.Contents = secret.Contents{}
	for name, m := range map[string]channel.Message{"probe": probe, "no contents yet": bare, "whole": message(jml.MessageCode, "en")} {
		if r, err := c.Post(t.Context(), "probe channel", m, true); err != nil || r.MessageID != "" {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	bad := message(jml.MessageCode, "en")
	bad.Contents.Link = secret.NewPasscode(theLink)
	_, err := c.Post(t.Context(), "probe channel", bad, true)
	checkFault(t, "dry", err, "linkWithCode", jml.FaultRefused, jml.ReasonMessageRefused)
	if got := names(t, cfg.Folder); len(got) > 0 {
		t.Errorf("left %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Post(ctx, "send message", message(jml.MessageCode, "en"), false)
	checkFault(t, "ended", err, "canceled", jml.FaultUnavailable, jml.ReasonChannelUnavailable)
}

// Many at once, some of them the same letter twice: every file is whole, and
// nothing else is left.
func TestConcurrency(t *testing.T) {
	cfg := config(t)
	c := newChannel(t, cfg)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			m := message(jml.MessageLink, "de")
			m.Notice.Reference = fmt.Sprintf("ref%d", i/2)
			if _, err := c.Post(t.Context(), "send message", m, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := names(t, cfg.Folder)
	if len(got) != 12 {
		t.Errorf("%d files: %v", len(got), got)
	}
	for _, n := range got {
		s := read(t, cfg.Folder, n)
		if strings.HasSuffix(n, ".html") && !strings.HasSuffix(s, "</html>\n") || strings.HasSuffix(n, ".pdf") && !strings.HasSuffix(s, "%%EOF\n") {
			t.Errorf("%s is not whole", n)
		}
	}
}

// Two tries at one letter don't take each other's files away.
func TestSameLetterAtOnce(t *testing.T) {
	f := &folder{path: t.TempDir()}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if err := f.write("op", "n", map[string][]byte{".html": []byte("x"), ".pdf": []byte("y")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{"n.html", "n.pdf"}, names(t, f.path)); diff != "" {
		t.Error(diff)
	}
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"right":           {func(*Config) {}, ""},
		"least":           {func(c *Config) { c.ReturnAddress, c.Help, c.PDF = "", "", false }, ""},
		"no folder":       {func(c *Config) { c.Folder = "" }, "folder"},
		"no format":       {func(c *Config) { c.HTML, c.PDF = false, false }, "format"},
		"no organisation": {func(c *Config) { c.Organisation = "" }, "organisation name"},
		"two lines":       {func(c *Config) { c.Organisation = "A\nB" }, "organisation name"},
		"two-line help":   {func(c *Config) { c.Help = "a\nb" }, "help"},
		"return address":  {func(c *Config) { c.ReturnAddress = "a\u202eb" }, "return address"},
		"endless":         {func(c *Config) { c.ReturnAddress = strings.Repeat("a", 301) }, "return address"},
		"no clock":        {func(c *Config) { c.Now = nil }, "clock"},
	} {
		cfg := config(t)
		tt.change(&cfg)
		_, err := New(cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v does not speak of %q", name, err, tt.want)
		}
	}
	if _, err := New(Config{}); err == nil || strings.Count(err.Error(), "letter:") != 4 {
		t.Errorf("not all at once: %v", err)
	}
}

func TestWordsFor(t *testing.T) {
	for tag, want := range map[string]string{
		"": "en", "en": "en", "en_GB": "en", "de-AT": "de", "DE": "de", "fr-CA": "fr", "es-419": "es", "nb-NO": "nb", "no": "nb", "nn-NO": "nb", "pl": "en", "-": "en", "dex": "en", "de\"><b>": "en", "de\xff": "en",
	} {
		w, own := wordsFor(language(tag))
		if w.Lang != want || own != (want != "en" || strings.HasPrefix(tag, "en")) {
			t.Errorf("%q: %s, %v", tag, w.Lang, own)
		}
	}
	for _, lang := range []string{"en", "de", "fr", "es", "nb"} {
		w, _ := wordsFor(lang)
		all := fmt.Sprintf("%#v", w.in("Larch", ""))
		if w.first == "" || strings.Contains(w.in("Larch", "").linkIntro, "{first}") || !strings.Contains(w.in("Larch", jml.KindJoiner).linkIntro, w.first) {
			t.Errorf("%s: the first day of a joiner", lang)
		}
		if lost := w.in("Larch", jml.KindRecovery); strings.Contains(lost.linkIntro, w.first) || !strings.HasPrefix(lost.codeIntro, w.lost) {
			t.Errorf("%s: %s", lang, lost.linkIntro)
		}
		v := reflect.ValueOf(w)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: no %s", lang, v.Type().Field(i).Name)
			}
		}
		if strings.Contains(all, "{org}") || len(w.linkSteps) != 3 || len(w.codeSteps) != 3 {
			t.Errorf("%s: %s", lang, all)
		}
	}
}

// A letter is printed by nothing but its forms.
func TestSheetDoesNotPrint(t *testing.T) {
	c := newChannel(t, config(t))
	s, err := c.compose("op", message(jml.MessageLink, "en"))
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %s %v %+v", s, s, s, s, s.Panel, &s); strings.Contains(all, "7K2M") || strings.Contains(all, "Vale") {
		t.Error(all)
	}
}

func FuzzLetter(f *testing.F) {
	f.Add("Robin", "Vale", "Depot", "Hello\n\nyou", "en")
	f.Add("<b>", "\u202e\U00010000", "\\) Tj", "\r\n\n\x00", "ar")
	f.Add(strings.Repeat("W", 300), "ế", "\u00ad\u200d", strings.Repeat("x", 400), "de-")
	c, err := New(Config{Folder: f.TempDir(), HTML: true, PDF: true, Organisation: "Larch & Sons", Now: func() time.Time { return time.Unix(1771600000, 0) }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, given, family, site, text, locale string) {
		for _, kind := range []jml.Message{jml.MessageLink, jml.MessageReminder} {
			m := message(kind, locale)
			m.Notice.GivenName, m.Notice.FamilyName, m.Notice.Site, m.Text = given, family, site, text
			s, err := c.compose("op", m)
			if err != nil {
				var f *jml.Fault
				if !errors.As(err, &f) || f.Code != "noName" {
					t.Fatal(err)
				}
				continue
			}
			page, err := c.html.render(s)
			if err != nil || !utf8.Valid(page) || bytes.ContainsAny(page, "\u202e\u2066\x00") {
				t.Errorf("gets through: %v", err)
			}
			if _, err := c.pdf.set(s); err != nil && !errors.Is(err, errScript) {
				t.Error(err)
			}
		}
	})
}
