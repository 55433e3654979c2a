package delivery

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
)

//go:embed templates
var shipped embed.FS

const (
	layoutFile = "layout.html"
	// pageFile holds the words of the pick-up page, which has its own reader.
	pageFile = "page.yaml"
)

// book is all templates of one locale.
type book struct {
	locale    locale.Locale
	templates map[jml.Message]*template
}

// load reads the shipped templates and those of overlay, which may be nil, and
// tries the latter out; a test does so for ours. It reports everything that is
// wrong at once.
func load(overlay fs.FS) (*locale.Set, map[string]book, error) {
	own, err := fs.Sub(shipped, "templates")
	if err != nil {
		return nil, nil, fmt.Errorf("delivery: templates: %w", err)
	}
	set, err := locale.Load(overlay)
	if err != nil {
		return nil, nil, err
	}
	if err := checkOverlay(overlay, set); err != nil {
		return nil, nil, err
	}
	layout, err := loadLayout(own, overlay)
	if err != nil {
		return nil, nil, err
	}
	books := map[string]book{}
	var errs []error
	for _, l := range set.Locales() {
		b := book{locale: l, templates: map[jml.Message]*template{}}
		for _, m := range jml.Messages() {
			t, err := loadTemplate(own, overlay, l, m, layout)
			if err != nil {
				errs = append(errs, fmt.Errorf("delivery: templates: %w", err))
				continue
			}
			b.templates[m] = t
		}
		books[l.Tag] = b
	}
	return set, books, errors.Join(errs...)
}

func loadTemplate(own, overlay fs.FS, l locale.Locale, m jml.Message, layout *htmltemplate.Template) (*template, error) {
	name := path.Join(l.Tag, string(m)+".md")
	raw, foreign, err := read(own, overlay, l.Tag, string(m)+".md")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: missing; a locale needs every message", name)
	}
	if err != nil {
		return nil, err
	}
	t, err := parseTemplate(name, raw)
	if err != nil {
		return nil, err
	}
	t.message, t.lang, t.dir, t.layout, t.markdown = m, l.Tag, l.Dir, layout, newMarkdown(l.Tag)
	if foreign {
		err = t.try()
	}
	return t, err
}

// read takes a file of a locale from the overlay, else from our own, and says
// whether it is foreign. The overlay may spell the tag its own way.
func read(own, overlay fs.FS, tag, file string) (raw []byte, foreign bool, err error) {
	if overlay != nil {
		folders, err := fs.ReadDir(overlay, ".")
		if err != nil {
			return nil, true, err
		}
		for _, f := range folders {
			if t, err := locale.Tag(f.Name()); err == nil && t == tag {
				raw, err := fs.ReadFile(overlay, path.Join(f.Name(), file))
				if !errors.Is(err, fs.ErrNotExist) {
					return raw, true, err
				}
			}
		}
	}
	raw, err = fs.ReadFile(own, path.Join(tag, file))
	return raw, false, err
}

// checkOverlay finds files that mean nothing: most likely a misspelt name, and
// then the shipped text would go out instead.
func checkOverlay(overlay fs.FS, set *locale.Set) error {
	if overlay == nil {
		return nil
	}
	files := []string{locale.File, pageFile}
	for _, m := range jml.Messages() {
		files = append(files, string(m)+".md")
	}
	entries, err := fs.ReadDir(overlay, ".")
	if err != nil {
		return fmt.Errorf("delivery: templates folder: %w", err)
	}
	var errs []error
	bad := func(name, what string) {
		errs = append(errs, fmt.Errorf("delivery: templates folder: %s: %s", name, what))
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || name == layoutFile || name == "README.md" {
			continue // what begins with a dot belongs to the file system, or to Kubernetes
		}
		info, err := fs.Stat(overlay, name) // follows links
		if err != nil || !info.IsDir() {
			bad(name, "neither "+layoutFile+" nor the folder of a locale")
			continue
		}
		tag, err := locale.Tag(name)
		if err != nil {
			bad(name, err.Error())
			continue
		}
		if !slices.ContainsFunc(set.Locales(), func(l locale.Locale) bool { return l.Tag == tag }) {
			bad(name, "no "+locale.File+" there; a locale that is not shipped needs one")
		}
		inside, err := fs.ReadDir(overlay, name)
		if err != nil {
			bad(name, "can't be read")
		}
		for _, f := range inside {
			if !strings.HasPrefix(f.Name(), ".") && !slices.Contains(files, f.Name()) {
				bad(path.Join(name, f.Name()), "means nothing here; want one of "+strings.Join(files, ", "))
			}
		}
	}
	return errors.Join(errs...)
}

func loadLayout(own, overlay fs.FS) (*htmltemplate.Template, error) {
	dir := own
	if overlay != nil {
		if _, err := fs.Stat(overlay, layoutFile); err == nil {
			dir = overlay
		}
	}
	raw, err := fs.ReadFile(dir, layoutFile)
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	t, err := htmltemplate.New(layoutFile).Option("missingkey=error").Parse(string(raw))
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	var b strings.Builder
	const body = "<p>samplebody</p>"
	if err := t.Execute(&b, sheet{Lang: "xx", Dir: locale.RightToLeft, Subject: "s", Body: body}); err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	if s := b.String(); strings.Count(s, body) != 1 || !strings.Contains(s, `lang="xx"`) || !strings.Contains(s, `dir="rtl"`) {
		return nil, fmt.Errorf(`delivery: %s: want {{.Body}} once, lang="{{.Lang}}" and dir="{{.Dir}}"`, layoutFile)
	}
	return t, nil
}
