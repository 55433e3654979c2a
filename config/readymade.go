package config

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
)

//go:embed sources/*.yaml
var readyMade embed.FS

// ReadyMade lists the sources that come with Firstpass, by the names that use
// takes.
func ReadyMade() []string {
	list, err := fs.Glob(readyMade, "sources/*.yaml")
	if err != nil {
		return nil // only a malformed pattern fails
	}
	for i, name := range list {
		list[i] = strings.TrimSuffix(filepath.Base(name), ".yaml")
	}
	slices.Sort(list)
	return list
}

// ReadyMadeText returns a ready-made source as it is written, with its
// comments: they tell what to do in the HR system.
func ReadyMadeText(name string) ([]byte, error) {
	if !slices.Contains(ReadyMade(), name) {
		return nil, fmt.Errorf("there is no ready-made source %q; there are %s", name, strings.Join(ReadyMade(), ", "))
	}
	return readyMade.ReadFile("sources/" + name + ".yaml")
}

// withReadyMade fills each source that names one with the keys it lacks. A name
// that ends in .yaml is a file of the user's own, taken from dir.
func withReadyMade(tree map[string]any, dir string) (map[string]any, problems) {
	list, ok := tree["sources"].([]any)
	if !ok {
		return tree, nil
	}
	var found problems
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
		s, ok := v.(map[string]any)
		if !ok {
			continue
		}
		name, ok := s["use"].(string)
		if !ok || name == "" {
			continue
		}
		base, err := readSource(name, dir)
		if err != nil {
			found.add(fmt.Sprintf("sources[%d].use", i), err.Error())
			continue
		}
		delete(base, "name")
		delete(base, "use") // one level: what a source is stands in one file
		out[i] = fill(s, base)
	}
	tree["sources"] = out
	return tree, found
}

func readSource(name, dir string) (map[string]any, error) {
	raw, err := sourceText(name, dir)
	if err != nil {
		return nil, err
	}
	tree, err := yaml.Parser().Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is not YAML as it should be: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return tree, nil
}

func sourceText(name, dir string) ([]byte, error) {
	if !strings.HasSuffix(name, ".yaml") {
		return ReadyMadeText(name)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	raw, err := os.ReadFile(path)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return nil, fmt.Errorf("can't read %s, looked for from the folder of the configuration: %w", name, pe.Err)
	}
	return raw, err
}
