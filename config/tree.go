package config

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

// envPrefix begins the names of all our environment variables.
const envPrefix = "FIRSTPASS_"

// delim separates the parts of koanf's flat keys. YAML can't spell it, so a dot
// within a key (in a mapping, in a profile's name) stays part of that key.
const delim = "\x00"

// source hands koanf bytes. koanf's own file provider would do, but it brings a
// file watcher that nothing here wants.
type source []byte

func (s source) ReadBytes() ([]byte, error)    { return s, nil }
func (s source) Read() (map[string]any, error) { return nil, errors.ErrUnsupported }

// readTree merges the file and the environment.
func readTree(raw []byte, getenv func(string) string) (map[string]any, error) {
	if severalDocuments(raw) {
		// The parser would read the first and drop the others without a word.
		return nil, &Error{"", "more than one YAML document; Firstpass reads one"}
	}
	k := koanf.New(delim)
	if err := k.Load(source(raw), yaml.Parser()); err != nil {
		// The parser's text names lines and may quote a key, never a secret:
		// secrets live in files of their own.
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if strings.Contains(text, "into map[string]interface {}") {
			text = "the file must be a list of keys with values"
		}
		return nil, &Error{"", "not YAML as it should be: " + text}
	}
	if err := k.Load(environment(getenv), nil); err != nil {
		return nil, &Error{"", "environment: " + err.Error()}
	}
	return k.Raw(), nil
}

// severalDocuments reports whether a document marker follows content. A marker
// at the start of a line is one wherever it stands: YAML allows it in no
// scalar.
func severalDocuments(raw []byte) bool {
	content := false
	for line := range bytes.Lines(raw) {
		line = bytes.TrimRight(line, " \t\r\n")
		switch {
		case bytes.Equal(line, []byte("---")) || bytes.HasPrefix(line, []byte("--- ")):
			if content {
				return true
			}
			content = len(line) > 3
		case len(line) > 0 && line[0] != '#' && line[0] != '%':
			content = true
		}
	}
	return false
}

// environment provides the variables that name a key. There is no way to list
// an environment behind getenv, so each key is asked for; a misspelt variable
// is therefore not noticed.
func environment(getenv func(string) string) *env.Env {
	kinds := map[string]reflect.Kind{}
	keys := map[string]string{}
	var environ []string
	for _, l := range leaves(reflect.TypeFor[Config](), nil) {
		name := envPrefix + strings.ToUpper(strings.Join(l.path, "__"))
		if v := getenv(name); v != "" {
			environ = append(environ, name+"="+v)
			kinds[name], keys[name] = l.kind, strings.Join(l.path, delim)
		}
	}
	return env.Provider(delim, env.Opt{
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			switch kinds[name] {
			case reflect.Bool:
				if b, err := strconv.ParseBool(value); err == nil {
					return keys[name], b
				}
			case reflect.Int:
				if n, err := strconv.Atoi(value); err == nil {
					return keys[name], n
				}
			}
			return keys[name], value
		},
	})
}

type leaf struct {
	path []string
	kind reflect.Kind
}

// leaves lists the keys of t that hold a single value and have a fixed path.
func leaves(t reflect.Type, path []string) []leaf {
	var out []leaf
	for f := range fields(t) {
		at := append(path[:len(path):len(path)], key(f))
		switch {
		case f.Type.Kind() == reflect.Struct && isSection(f.Type):
			out = append(out, leaves(f.Type, at)...)
		case f.Type.Kind() != reflect.Slice && f.Type.Kind() != reflect.Map:
			out = append(out, leaf{at, f.Type.Kind()})
		}
	}
	return out
}
