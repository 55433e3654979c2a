package pickup

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"firstpass.internal/internal/locale"
)

//go:embed words/*.yaml
var builtIn embed.FS

// WordsFile is what an overlay calls the page's words, in a locale's folder:
// de/page.yaml, beside the locale.File of the same language.
const WordsFile = "page.yaml"

// wording is the page's words in every language there are any in.
type wording struct {
	all     []*catalogue // in the order they are offered
	locales *locale.Set
}

// catalogue is the page's words in one language. Words in braces are filled.
type catalogue struct {
	tag    string
	locale locale.Locale
	text   map[string]string
}

// loadWords reads the built-in words and those of overlay, which may be nil.
// What one language lacks, or has beyond the built-in English, is an error; all
// are reported at once.
func loadWords(overlay fs.FS, locales *locale.Set) (*wording, error) {
	found := map[string]map[string]string{}
	var errs []error
	add := func(dir fs.FS, name, tag string) {
		raw, err := fs.ReadFile(dir, name)
		if err == nil {
			found[tag], err = parseWords(raw)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("pickup: words: %s: %w", name, err))
		}
	}
	names, err := fs.Glob(builtIn, "words/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("pickup: words: %w", err)
	}
	for _, name := range names {
		add(builtIn, name, strings.TrimSuffix(path.Base(name), ".yaml"))
	}
	want := found[locale.Fallback]
	if overlay != nil {
		names, err := fs.Glob(overlay, "*/"+WordsFile)
		if err != nil {
			return nil, fmt.Errorf("pickup: words: overlay: %w", err)
		}
		for _, name := range names {
			tag, err := locale.Tag(path.Dir(name))
			if err != nil {
				errs = append(errs, fmt.Errorf("pickup: words: %s: %w", name, err))
				continue
			}
			add(overlay, name, tag)
		}
	}
	w := &wording{locales: locales}
	for tag, text := range found {
		if err := compareWords(want, text); err != nil {
			errs = append(errs, fmt.Errorf("pickup: words of %s: %w", tag, err))
			continue
		}
		l, ok := locales.Find(tag)
		if !ok || l.Tag != tag {
			errs = append(errs, fmt.Errorf("pickup: words of %s: there is no %s of that language", tag, locale.File))
			continue
		}
		w.all = append(w.all, &catalogue{tag: tag, locale: l, text: text})
	}
	slices.SortFunc(w.all, func(a, b *catalogue) int { return strings.Compare(a.text["language"], b.text["language"]) })
	return w, errors.Join(errs...)
}

func parseWords(raw []byte) (map[string]string, error) {
	var text map[string]string
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&text); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("empty")
		}
		return nil, err
	}
	return text, nil
}

// compareWords reports keys that are missing, empty or unknown, and words in
// braces that are not those of want.
func compareWords(want, got map[string]string) error {
	var errs []error
	for key, s := range want {
		switch text, ok := got[key]; {
		case !ok || strings.TrimSpace(text) == "":
			errs = append(errs, fmt.Errorf("%s: missing", key))
		case !slices.Equal(braces(s), braces(text)):
			errs = append(errs, fmt.Errorf("%s: want these words in braces, each once: %s", key, strings.Join(braces(s), " ")))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			errs = append(errs, fmt.Errorf("%s: unknown", key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// braces returns the words in braces that s holds, sorted.
func braces(s string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(s, "{")
		if !ok {
			slices.Sort(out)
			return out
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return append(out, "{"+rest)
		}
		out, s = append(out, "{"+name+"}"), after
	}
}

// exact returns the words of exactly this tag.
func (w *wording) exact(tag string) (*catalogue, bool) {
	for _, c := range w.all {
		if c.tag == tag {
			return c, true
		}
	}
	return nil, false
}

// maxAccept bounds the header that names languages, in bytes.
const maxAccept = 200

// match returns the words for the first language of an Accept-Language header
// that there are words in, else for fallback, else English.
func (w *wording) match(accept, fallback string) *catalogue {
	var wanted []string
	if tags, _, err := language.ParseAcceptLanguage(accept[:min(len(accept), maxAccept)]); err == nil {
		for _, t := range tags {
			wanted = append(wanted, t.String())
		}
	}
	for _, tag := range append(wanted, fallback, locale.Fallback) {
		if l, ok := w.locales.Find(tag); ok {
			if c, ok := w.exact(l.Tag); ok {
				return c
			}
		}
	}
	return w.all[0] // not reached: the fallback is built in
}

// say words key, with pairs of name and value for what stands in braces.
func (c *catalogue) say(key string, pairs ...string) (string, error) {
	s, ok := c.text[key]
	if !ok {
		return "", fmt.Errorf("pickup: no words for %s", key)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(s), nil
}
