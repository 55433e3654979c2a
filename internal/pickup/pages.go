package pickup

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages are the templates by name: each has the layout around it.
type pages map[string]*template.Template

// usedWords finds the keys that a template names.
const usedWords = `\.T "([a-z0-9_.]+)"`

// loadPages parses the templates, and sees that every key they name has words.
func loadPages(words *wording) (pages, error) {
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("pickup: pages: %w", err)
	}
	english, _ := words.exact("en")
	used := regexp.MustCompile(usedWords)
	out := pages{}
	for _, file := range names {
		raw, err := pageFiles.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("pickup: pages: %w", err)
		}
		for _, m := range used.FindAllSubmatch(raw, -1) {
			if _, ok := english.text[string(m[1])]; !ok {
				return nil, fmt.Errorf("pickup: %s: no words for %s", file, m[1])
			}
		}
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		if _, ok := english.text[name+".title"]; !ok {
			return nil, fmt.Errorf("pickup: %s: no words for %s.title", file, name)
		}
		t, err := template.New("layout.html").ParseFS(pageFiles, "pages/layout.html", "pages/parts.html", file)
		if err != nil {
			return nil, fmt.Errorf("pickup: pages: %w", err)
		}
		out[name] = t
	}
	return out, nil
}

func (p pages) execute(w io.Writer, name string, v view) error {
	t, ok := p[name]
	if !ok {
		return fmt.Errorf("pickup: no page %s", name)
	}
	return t.Execute(w, v)
}
