package locale

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

//go:embed catalogues
var shipped embed.FS

// File is what an overlay calls the catalogue of a locale, in the locale's
// folder: de/locale.yaml.
const File = "locale.yaml"

// Fallback is the locale for everybody whose own there is not. It is always
// among a Set.
const Fallback = "en"

// Set is the locales there are. It is safe for concurrent use.
type Set struct {
	locales []Locale // the fallback first, the others by tag
	matcher language.Matcher
}

// Load reads the shipped catalogues, and those of overlay, which may be nil: a
// folder per locale, named by its tag, with a File in it. One for a shipped
// locale replaces the shipped one whole. A missing or unknown key is an error.
func Load(overlay fs.FS) (*Set, error) {
	found := map[string]Locale{}
	entries, err := shipped.ReadDir("catalogues")
	if err != nil {
		return nil, fmt.Errorf("locale: %w", err)
	}
	for _, e := range entries {
		tag := strings.TrimSuffix(e.Name(), ".yaml")
		if err := add(found, shipped, path.Join("catalogues", e.Name()), tag); err != nil {
			return nil, err
		}
	}
	if overlay != nil {
		files, err := fs.Glob(overlay, "*/"+File)
		if err != nil {
			return nil, fmt.Errorf("locale: overlay: %w", err)
		}
		for _, name := range files {
			if err := add(found, overlay, name, path.Dir(name)); err != nil {
				return nil, err
			}
		}
	}
	return newSet(found)
}

func add(found map[string]Locale, dir fs.FS, name, folder string) error {
	tag, err := Tag(folder)
	if err != nil {
		return fmt.Errorf("locale: %s: %w", name, err)
	}
	raw, err := fs.ReadFile(dir, name)
	if err != nil {
		return fmt.Errorf("locale: %w", err)
	}
	words, err := parse(raw)
	if err != nil {
		return fmt.Errorf("locale: %s: %w", name, err)
	}
	found[tag] = Locale{Tag: tag, Name: words.Name, Dir: direction(language.Make(tag)), words: words}
	return nil
}

func newSet(found map[string]Locale) (*Set, error) {
	first, ok := found[Fallback]
	if !ok {
		return nil, errors.New("locale: no catalogue " + Fallback)
	}
	delete(found, Fallback)
	s := &Set{locales: []Locale{first}}
	for _, l := range found {
		s.locales = append(s.locales, l)
	}
	slices.SortFunc(s.locales[1:], func(a, b Locale) int { return strings.Compare(a.Tag, b.Tag) })
	var tags []language.Tag
	for _, l := range s.locales {
		tags = append(tags, language.Make(l.Tag))
	}
	s.matcher = language.NewMatcher(tags)
	return s, nil
}

// Tag returns a BCP 47 tag in its canonical form: de-CH for de_ch.
func Tag(s string) (string, error) {
	t, err := language.Parse(s)
	if err != nil || t == language.Und {
		return "", errors.New("not named by a BCP 47 tag")
	}
	return t.String(), nil
}

// Locales returns all there are, sorted by tag.
func (s *Set) Locales() []Locale {
	out := slices.Clone(s.locales)
	slices.SortFunc(out, func(a, b Locale) int { return strings.Compare(a.Tag, b.Tag) })
	return out
}

// Match returns the locale for the first of tags that there is one for, else
// the fallback. Tags are BCP 47, with hyphens or underscores, since HR systems
// write en_GB; empty and senseless ones are passed over.
func (s *Set) Match(tags ...string) Locale {
	for _, tag := range tags {
		if l, ok := s.Find(tag); ok {
			return l
		}
	}
	return s.locales[0]
}

// Find returns the locale for tag, and whether there is one in that language.
func (s *Set) Find(tag string) (Locale, bool) {
	want, err := language.Parse(strings.TrimSpace(tag))
	if err != nil || want == language.Und {
		return Locale{}, false
	}
	_, i, confidence := s.matcher.Match(want)
	base, _ := want.Base()
	found, _ := language.Make(s.locales[i].Tag).Base()
	// The matcher offers Danes Norwegian, and other scripts. There the
	// employer's default is the better guess.
	if base == found && confidence >= language.High {
		return s.locales[i], true
	}
	// Norwegian is one to its readers, whichever of its forms HR names.
	if base.String() == "nn" || base.String() == "no" {
		return s.Find("nb")
	}
	return Locale{}, false
}

// direction goes by the script, which a tag need not name: ar means Arab.
// https://www.unicode.org/iso15924/ and each script's bidi class.
func direction(t language.Tag) string {
	script, _ := t.Script()
	switch script.String() {
	case "Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi":
		return RightToLeft
	}
	return LeftToRight
}
