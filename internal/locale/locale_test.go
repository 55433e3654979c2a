package locale_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
)

func load(t testing.TB, overlay fs.FS) *locale.Set {
	t.Helper()
	s, err := locale.Load(overlay)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func english(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("catalogues/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestMatch(t *testing.T) {
	s := load(t, nil)
	for tag, want := range map[string]string{
		"en": "en", "EN_us": "en", "en-GB-oed": "en", "de-CH-1996": "de", "DE": "de", "de_AT": "de", "fr-CA": "fr", "es-419": "es", "es_MX": "es",
		"nb": "nb", "nb-NO": "nb", "no": "nb", "no_NO": "nb", "nn": "nb", "nn-NO": "nb", " de ": "de", "de-x-private": "de",
		// Nothing in these: the second tag, fr.
		"": "fr", "-": "fr", "--": "fr", "not a tag": "fr", "und": "fr", "mul": "fr", "pt": "fr", "de-Arab": "fr", "en-Shaw": "fr", "x-private": "fr",
		// What CLDR says their readers know, and an employer knows better.
		"da": "fr", "sv": "fr", "is": "fr", "gsw": "fr", "lb": "fr", "ca": "fr", "eu": "fr", "fy": "fr", "br": "fr",
	} {
		if got := s.Match(tag, "fr-BE").Tag; got != want {
			t.Errorf("%q: %s, want %s", tag, got, want)
		}
	}
	if got := s.Match("pt", "").Tag; got != "en" {
		t.Errorf("nothing fits: %s", got)
	}
	if got := s.Match().Tag; got != "en" {
		t.Errorf("no tag at all: %s", got)
	}
}

func TestMatchByScriptAndRegion(t *testing.T) {
	s := load(t, fstest.MapFS{
		"zh-Hant/locale.yaml": file(english(t)), "sr_latn/locale.yaml": file(english(t)),
		"de-CH/locale.yaml": file(english(t)), "nn/locale.yaml": file(english(t)),
	})
	for tag, want := range map[string]string{
		"zh-TW": "zh-Hant", "zh-Hant-HK": "zh-Hant", "zh-CN": "en", "zh": "en", "sr-Latn-RS": "sr-Latn", "sr": "en",
		"de-CH": "de-CH", "de-AT": "de", "nn-NO": "nn", "no": "nb",
	} {
		if got := s.Match(tag).Tag; got != want {
			t.Errorf("%q: %s, want %s", tag, got, want)
		}
	}
}

func TestLocales(t *testing.T) {
	var got []string
	for _, l := range load(t, nil).Locales() {
		got = append(got, l.Tag+" "+l.Dir+" "+l.Name)
	}
	if diff := cmp.Diff([]string{"de ltr Deutsch", "en ltr English", "es ltr Español", "fr ltr Français", "nb ltr Norsk bokmål"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDirection(t *testing.T) {
	overlay := fstest.MapFS{}
	want := map[string]string{
		"ar": "rtl", "he": "rtl", "fa": "rtl", "ur": "rtl", "yi": "rtl", "ckb": "rtl", "dv": "rtl", "ps": "rtl", "uz-Arab": "rtl",
		"uz": "ltr", "ja": "ltr", "el": "ltr", "ar-Latn": "ltr",
	}
	for tag := range want {
		overlay[tag+"/locale.yaml"] = file(english(t))
	}
	s := load(t, overlay)
	for tag, dir := range want {
		if l := s.Match(tag); l.Tag != tag || l.Dir != dir {
			t.Errorf("%s: %s, %s, want %s", tag, l.Tag, l.Dir, dir)
		}
	}
}

func TestMoment(t *testing.T) {
	s := load(t, nil)
	for _, tt := range []struct{ tag, zone, at, want, brief string }{
		{"en", "Europe/Berlin", "2026-03-28T23:30:00Z", "Sunday 29 March 2026, 00:30 CET (Europe/Berlin)", "29 March 2026, 00:30 CET"},
		{"en", "Europe/Berlin", "2026-03-29T01:30:00Z", "Sunday 29 March 2026, 03:30 CEST (Europe/Berlin)", "29 March 2026, 03:30 CEST"},
		// 02:30 comes twice in this night.
		{"en", "Europe/Berlin", "2026-10-25T00:30:00Z", "Sunday 25 October 2026, 02:30 CEST (Europe/Berlin)", "25 October 2026, 02:30 CEST"},
		{"en", "Europe/Berlin", "2026-10-25T01:30:00Z", "Sunday 25 October 2026, 02:30 CET (Europe/Berlin)", "25 October 2026, 02:30 CET"},
		{"en", "America/New_York", "2026-03-02T02:00:00Z", "Sunday 1 March 2026, 21:00 EST (America/New York)", "1 March 2026, 21:00 EST"},
		{"en", "America/Sao_Paulo", "2026-03-02T12:00:00Z", "Monday 2 March 2026, 09:00 UTC-03 (America/Sao Paulo)", "2 March 2026, 09:00 UTC-03"},
		{"en", "Asia/Kathmandu", "2026-03-02T12:00:00Z", "Monday 2 March 2026, 17:45 UTC+0545 (Asia/Kathmandu)", "2 March 2026, 17:45 UTC+0545"},
		{"en", "UTC", "2026-03-02T12:00:00Z", "Monday 2 March 2026, 12:00 UTC", "2 March 2026, 12:00 UTC"},
		{"de", "Europe/Berlin", "2026-03-02T08:00:00Z", "Montag, 2. März 2026, 09:00 Uhr MEZ (Europe/Berlin)", "2. März 2026, 09:00 Uhr MEZ"},
		{"de", "Europe/Vienna", "2026-07-01T08:00:00Z", "Mittwoch, 1. Juli 2026, 10:00 Uhr MESZ (Europe/Vienna)", "1. Juli 2026, 10:00 Uhr MESZ"},
		{"fr", "Europe/Paris", "2026-08-01T08:00:00Z", "samedi 1er août 2026 à 10:00 CEST (Europe/Paris)", "1er aout 2026 à 10:00 CEST"},
		{"fr", "Europe/Paris", "2026-02-21T08:00:00Z", "samedi 21 février 2026 à 09:00 CET (Europe/Paris)", "21 février 2026 à 09:00 CET"},
		{"es", "Europe/Madrid", "2026-03-04T08:00:00Z", "miércoles 4 de marzo de 2026, 09:00 CET (Europe/Madrid)", "4 de marzo de 2026, 09:00 CET"},
		{"nb", "Europe/Oslo", "2026-03-07T08:00:00Z", "lørdag 7. mars 2026 kl. 09:00 CET (Europe/Oslo)", "7. mars 2026 kl. 09:00 CET"},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := jml.LoadZone(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		l := s.Match(tt.tag)
		if got := l.Moment(at, zone); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.tag, got, tt.want)
		}
		if got := l.Brief(at, zone); got != tt.brief {
			t.Errorf("%s, brief: %q, want %q", tt.tag, got, tt.brief)
		}
	}
}

func TestEither(t *testing.T) {
	s := load(t, nil)
	three := []jml.MethodKind{jml.MethodFIDO2, jml.MethodAuthenticator, jml.MethodWindowsHello}
	for _, tt := range []struct {
		tag   string
		kinds []jml.MethodKind
		want  string
	}{
		{"en", nil, "whichever the page offers you"},
		{"en", three[:1], "a passkey"},
		{"en", three[1:], "the Microsoft Authenticator app or Windows Hello"},
		{"en", three, "a passkey, the Microsoft Authenticator app or Windows Hello"},
		{"en", []jml.MethodKind{"new", jml.MethodPlatform}, "new or Platform SSO on a Mac"},
		{"de", three, "Passkey, Microsoft Authenticator-App oder Windows Hello"},
		{"fr", three, "une clé d’accès, l’application Microsoft Authenticator ou Windows Hello"},
		{"es", three, "una clave de acceso, la aplicación Microsoft Authenticator o Windows Hello"},
		{"nb", three, "en passnøkkel, Microsoft Authenticator-appen eller Windows Hello"},
	} {
		if got := s.Match(tt.tag).Either(tt.kinds); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.tag, got, tt.want)
		}
	}
	// jml's own words are the English ones.
	for _, k := range jml.StrongMethods() {
		if got := s.Match("en").Method(k); got != k.Label() {
			t.Errorf("%s: %q, want %q", k, got, k.Label())
		}
	}
	if got := s.Match("en").Or(nil); got != "" {
		t.Errorf("nothing is %q", got)
	}
}

func TestCatalogueIsChecked(t *testing.T) {
	whole := english(t)
	for name, tt := range map[string]struct{ old, new, want string }{
		"as it is":               {"", "", ""},
		"unknown key":            {"name: English", "name: English\nnames: x", "field names not found"},
		"key twice":              {"name: English", "name: English\nname: x", "already defined"},
		"name missing":           {"name: English", "", "name: missing"},
		"six weekdays":           {"[Sunday, ", "[", "weekdays: 6 words, want 7"},
		"month empty":            {"months: [January, ", "months: [\"\", ", "months, number 1"},
		"thirteen months":        {"months: [January, ", "months: [January, January, ", "months: 13 words"},
		"moment without zone":    {"{year}, {clock} {zone}\"\nbrief", "{year}, {clock}\"\nbrief", "moment: want {zone} once"},
		"moment with a day more": {"moment: \"", "moment: \"{day} ", "moment: want {day} once"},
		"unknown part":           {"moment: \"", "moment: \"{era} ", "moment: holds a part"},
		"brief with a weekday":   {"brief: \"", "brief: \"{weekday} ", "brief: holds a part"},
		"two lines":              {"any_method: whichever", "any_method: \"a\\nb\" #", "any_method"},
		"no zones":               {"zones: {}", "", "zones: missing"},
		"no comma":               {"comma: \", \"", "", "comma: missing"},
		"method missing":         {"  fido2: a passkey\n", "", "methods.fido2: missing"},
		"method too many":        {"  fido2: a passkey\n", "  fido2: a passkey\n  sms: a text\n", "methods: holds one"},
		"sign-in words missing":  {"  use_pass: Use your Temporary Access Pass instead\n", "", "sign_in_page.use_pass: missing"},
		"unknown sign-in word":   {"  pass: Temporary", "  passport: x\n  pass: Temporary", "field passport not found"},
		"another document":       {"any_method:", "---\nany_method:", ""},
		"not YAML":               {"name: English", "{", "yaml"},
	} {
		text := strings.Replace(whole, tt.old, tt.new, 1)
		if name == "another document" {
			text, tt.want = whole+"---\nname: x\n", "more than one document"
		}
		_, err := locale.Load(fstest.MapFS{"pt-BR/locale.yaml": file(text)})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "pt-BR/locale.yaml")) {
			t.Errorf("%s: %v does not speak of %q", name, err, tt.want)
		}
	}
	for name, overlay := range map[string]fstest.MapFS{
		"empty":       {"pt/locale.yaml": file("")},
		"no tag":      {"brasileiro/locale.yaml": file(whole)},
		"no locale":   {"und/locale.yaml": file(whole)},
		"all at once": {"pt/locale.yaml": file("name: x\n")},
	} {
		_, err := locale.Load(overlay)
		if err == nil || name == "all at once" && !strings.Contains(err.Error(), "any_method") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOverlayReplaces(t *testing.T) {
	s := load(t, fstest.MapFS{"de/locale.yaml": file(strings.Replace(english(t), "name: English", "name: Hochdeutsch", 1))})
	if l := s.Match("de-AT"); l.Name != "Hochdeutsch" {
		t.Errorf("%q", l.Name)
	}
	if n := len(s.Locales()); n != 5 {
		t.Errorf("%d locales", n)
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"en", "de_CH", "no", "zh-Hant-TW", "-", "x-y", "\xff", "de-1996-1996", strings.Repeat("a-", 1000)} {
		f.Add(s)
	}
	s := load(f, nil)
	f.Fuzz(func(t *testing.T, tag string) {
		if l := s.Match(tag); l.Tag == "" || l.Moment(time.Unix(0, 0), time.UTC) == "" {
			t.Errorf("%q: no locale", tag)
		}
	})
}

func FuzzCatalogue(f *testing.F) {
	f.Add(english(f))
	f.Add("name: x\nmonths: {}\n")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := locale.Load(fstest.MapFS{"pt/locale.yaml": file(text)})
		if err != nil {
			return
		}
		l := s.Match("pt")
		if got := l.Moment(time.Unix(0, 0), time.UTC); !strings.Contains(got, "00:00") {
			t.Errorf("%q", got)
		}
	})
}

func TestSeveral(t *testing.T) {
	s := load(t, nil)
	kinds := []jml.MethodKind{jml.MethodFIDO2}
	for count, want := range map[int]string{0: "a passkey", 1: "a passkey", 2: "a passkey (2 in all, on different devices)"} {
		if got := s.Match("en").Several(kinds, count); got != want {
			t.Errorf("%d: %q", count, got)
		}
	}
	if got := s.Match("nb").Several(nil, 3); got != "den siden tilbyr deg (3 i alt, på forskjellige enheter)" {
		t.Errorf("%q", got)
	}
}
