package pickup

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"firstpass.internal/internal/locale"
)

var tryField = regexp.MustCompile(`<input type="hidden" name="try" value="[0-9a-f]{32}" autocomplete="off">`)

// Every page, in every language, is built so that it can be used with a screen
// reader and by keyboard, as far as markup tells.
func TestMarkup(t *testing.T) {
	for _, lang := range []string{"en", "de", "fr", "es", "nb"} {
		_, names, all := scenes(t, lang)
		for _, name := range names {
			p := readPage(t, all[name])
			if p.lang != lang {
				t.Errorf("%s %s: language %q", lang, name, p.lang)
			}
			if p.count["h1"] != 1 || p.count["main"] != 1 || p.count["title"] != 1 || p.count["header"] != 1 || p.count["footer"] != 1 {
				t.Errorf("%s %s: landmarks or headings: %v", lang, name, p.count)
			}
			for _, e := range p.errors {
				t.Errorf("%s %s: %s", lang, name, e)
			}
		}
	}
}

type page struct {
	lang   string
	count  map[string]int
	errors []string
}

func readPage(t *testing.T, body string) page {
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	p := page{count: map[string]int{}}
	ids, labels := map[string]bool{}, map[string]bool{}
	type ref struct{ what, id string }
	var refs []ref
	var inputs []string
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			p.count[n.Data]++
			a := map[string]string{}
			for _, at := range n.Attr {
				a[at.Key] = at.Val
			}
			if id := a["id"]; id != "" {
				if ids[id] {
					p.errors = append(p.errors, "id twice: "+id)
				}
				ids[id] = true
			}
			for _, key := range []string{"aria-labelledby", "aria-describedby"} {
				for _, id := range strings.Fields(a[key]) {
					refs = append(refs, ref{key, id})
				}
			}
			switch n.Data {
			case "html":
				p.lang = a["lang"]
			case "label":
				labels[a["for"]] = true
			case "input":
				if a["type"] != "hidden" {
					inputs = append(inputs, a["id"])
				}
				if a["autocomplete"] == "" && a["type"] != "radio" {
					p.errors = append(p.errors, "input without autocomplete: "+a["id"])
				}
			case "a":
				if id, ok := strings.CutPrefix(a["href"], "#"); ok {
					refs = append(refs, ref{"link", id})
				}
				if strings.Contains(a["href"], "ZgotmplZ") {
					p.errors = append(p.errors, "a link that the template refused")
				}
			case "img":
				if _, ok := a["alt"]; !ok {
					p.errors = append(p.errors, "picture without alt")
				}
			case "form":
				if a["method"] != "post" || !strings.HasPrefix(a["action"], "/") {
					p.errors = append(p.errors, "form: "+a["method"]+" "+a["action"])
				}
			case "style", "iframe", "object":
				p.errors = append(p.errors, n.Data)
			}
			if _, ok := a["style"]; ok {
				p.errors = append(p.errors, "style attribute")
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	for _, r := range refs {
		if !ids[r.id] {
			p.errors = append(p.errors, r.what+" leads to no element: "+r.id)
		}
	}
	for _, id := range inputs {
		if id == "" || !labels[id] {
			p.errors = append(p.errors, "input without a label: "+id)
		}
	}
	return p
}

// Every word is used somewhere, so that nobody translates what nobody reads.
func TestEveryWordIsUsed(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"pages/*.html", "*.go"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(raw)
		}
	}
	w := newWorld(t)
	english, _ := mustWords(t, nil).exact("en")
	pages, err := loadPages(mustWords(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for key := range english.text {
		name, isTitle := strings.CutSuffix(key, ".title")
		if _, ok := pages[name]; ok && isTitle || strings.HasPrefix(key, "vouch.how.") {
			continue
		}
		if !strings.Contains(sources.String(), `"`+key+`"`) {
			t.Errorf("nobody says %s", key)
		}
	}
	for _, m := range regexp.MustCompile(`"(problem\.[a-z.]+)"`).FindAllStringSubmatch(sources.String(), -1) {
		if english.text[m[1]] == "" {
			t.Errorf("no words for %s", m[1])
		}
	}
	for _, way := range newVouching(entry{}, "", "").Ways {
		if english.text[way.Key] == "" {
			t.Errorf("no words for %s", way.Key)
		}
	}
	_ = w
}

func mustWords(t testing.TB, overlay fstest.MapFS) *wording {
	t.Helper()
	w, err := tryWords(overlay)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func tryWords(overlay fstest.MapFS) (*wording, error) {
	locales, err := locale.Load(nil)
	if err != nil {
		return nil, err
	}
	if overlay == nil {
		return loadWords(nil, locales)
	}
	return loadWords(overlay, locales)
}

func TestWordsOverlay(t *testing.T) {
	raw, err := builtIn.ReadFile("words/de.yaml")
	if err != nil {
		t.Fatal(err)
	}
	german := string(raw)
	file := func(s string) fstest.MapFS { return fstest.MapFS{"de/" + WordsFile: {Data: []byte(s)}} }
	w := mustWords(t, file(strings.Replace(german, "continue: Weiter", "continue: Los", 1)))
	if c, _ := w.exact("de"); c.text["continue"] != "Los" {
		t.Error("the overlay is not in force")
	}
	for name, tc := range map[string]struct{ words, want string }{
		"missing":    {strings.Replace(german, "continue: Weiter\n", "", 1), "continue: missing"},
		"empty":      {strings.Replace(german, "continue: Weiter", "continue: ''", 1), "continue: missing"},
		"unknown":    {german + "\nmore: x\n", "more: unknown"},
		"twice":      {german + "\ncontinue: x\n", "already defined"},
		"no braces":  {strings.Replace(german, "ab {from}", "ab", 1), "ready.from: want these words in braces"},
		"odd braces": {strings.Replace(german, "{from}", "{form}", 1), "ready.from: want these words in braces"},
		"no text":    {"", "empty"},
		"a list":     {strings.Replace(german, "continue: Weiter", "continue: [a]", 1), "de/page.yaml"},
	} {
		if _, err := tryWords(file(tc.words)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tryWords(fstest.MapFS{"he/" + WordsFile: {Data: raw}}); err == nil || !strings.Contains(err.Error(), "there is no locale.yaml") {
		t.Errorf("words without a locale: %v", err)
	}
}

func TestRightToLeft(t *testing.T) {
	raw, err := builtIn.ReadFile("words/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := os.ReadFile("../locale/catalogues/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	overlay := fstest.MapFS{
		"he/" + locale.File: {Data: []byte(strings.Replace(string(catalogue), "name: English", "name: עברית", 1))},
		"he/" + WordsFile:   {Data: []byte(strings.Replace(string(raw), "language: English", "language: עברית", 1))},
	}
	w := newWorld(t, func(w *world) {
		if w.cfg.Locales, err = locale.Load(overlay); err != nil {
			t.Fatal(err)
		}
		w.cfg.Words = overlay
	})
	b := w.browser()
	b.head.Set("Accept-Language", "he-IL,he;q=0.9")
	if a := b.get("/p"); !strings.Contains(a.body, `<html lang="he" dir="rtl">`) {
		t.Error("not from right to left")
	}
}

func TestLanguage(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Locale = "de" })
	for _, tc := range []struct{ path, accept, want string }{
		{"/p", "", "de"}, {"/p", "fr-CH, en;q=0.5", "fr"}, {"/p", "no", "nb"}, {"/p", "sv,es", "es"}, {"/p", "zh", "de"},
		{"/p?lang=nb", "fr", "nb"}, {"/p?lang=xx", "fr", "fr"}, {"/p?lang=de-AT", "fr", "fr"}, {"/p", strings.Repeat("x", 5000), "de"}, {"/p", "\xff", "de"},
	} {
		b := w.browser()
		b.head.Set("Accept-Language", tc.accept)
		if a := b.get(tc.path); !strings.Contains(a.body, `<html lang="`+tc.want+`"`) {
			t.Errorf("%+v: %s", tc, a.body[:60])
		}
	}
}

func TestContrast(t *testing.T) {
	for _, tc := range []struct {
		a, b colour
		want float64
	}{{colour{}, colour{255, 255, 255}, 21}, {colour{119, 119, 119}, colour{255, 255, 255}, 4.48}} {
		if got := contrast(tc.a, tc.b); got < tc.want-0.01 || got > tc.want+0.01 {
			t.Errorf("%v on %v: %.2f, want %.2f", tc.a, tc.b, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		c := colour{rapid.Byte().Draw(t, "r"), rapid.Byte().Draw(t, "g"), rapid.Byte().Draw(t, "b")}
		if got := contrast(c, c.ink()); got < 4.5 {
			t.Errorf("%v on %v: %.2f", c.ink(), c, got)
		}
		if back, err := parseColour(c.String()); err != nil || back != c {
			t.Errorf("%v: %v, %v", c, back, err)
		}
	})
	for _, bad := range []string{"#fff", "red", "#12345g", "#1234567", "123456", "#12345\""} {
		if _, err := parseColour(bad); err == nil {
			t.Errorf("%q is taken for a colour", bad)
		}
	}
}

// The stylesheet's own colours, light and dark: text 4.5, borders 3.
func TestStylesheetContrast(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/p.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	values := map[string]colour{}
	take := func(s string) {
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(s, -1) {
			c, err := parseColour(m[2])
			if err != nil {
				t.Fatal(err)
			}
			values[m[1]] = c
		}
	}
	for _, part := range []string{light, dark} {
		take(part)
		for _, tc := range []struct {
			front, back string
			least       float64
		}{
			{"text", "ground", 4.5}, {"soft", "ground", 4.5}, {"link", "ground", 4.5}, {"bad", "ground", 4.5},
			{"text", "panel", 4.5}, {"edge", "ground", 3}, {"bad", "ground", 3}, {"focus-text", "focus", 4.5},
		} {
			if got := contrast(values[tc.front], values[tc.back]); got < tc.least {
				t.Errorf("%s on %s: %.2f", tc.front, tc.back, got)
			}
		}
	}
}

func TestQR(t *testing.T) {
	svg, err := qrCode("https://mysignins.example.com/security-info")
	if err != nil || !strings.HasPrefix(string(svg), "<svg") || !regexp.MustCompile(`^[<>="/ a-zA-Z0-9#-]+$`).MatchString(string(svg)) {
		t.Errorf("%v: %.80s", err, svg)
	}
	if again, _ := qrCode("https://mysignins.example.com/security-infO"); again == svg {
		t.Error("another text, the same picture")
	}
	for _, bad := range []string{"", strings.Repeat("x", 4000)} {
		if _, err := qrCode(bad); err == nil {
			t.Error("drawn")
		}
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no book":    func(c *Config) { c.Book = nil },
		"no passes":  func(c *Config) { c.Passes = nil },
		"no sealer":  func(c *Config) { c.Sealer = nil },
		"no locales": func(c *Config) { c.Locales = nil },
		"no logger":  func(c *Config) { c.Logger = nil },
		"no URL":     func(c *Config) { c.URL = "" },
		"path":       func(c *Config) { c.URL = "https://start.example.com/x" },
		"scheme":     func(c *Config) { c.URL = "ftp://start.example.com" },
		"colour":     func(c *Config) { c.Organisation.Colour = "red;}" },
		"logo":       func(c *Config) { c.Organisation.Logo, c.Organisation.LogoType = []byte("x"), "text/html" },
	} {
		cfg := newWorld(t).cfg
		change(&cfg)
		if _, err := NewHandler(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestLogo(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.cfg.Organisation.Logo, w.cfg.Organisation.LogoType = []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg>`), "image/svg+xml"
	})
	a := w.browser().get("/assets/logo")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}
