package config

import (
	"encoding"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"

	"firstpass.internal/internal/jml"
)

// decode turns a tree into a Config and says what does not fit: keys nobody
// knows and values of the wrong type. The Config holds whatever did fit.
func decode(tree map[string]any) (*Config, problems) {
	var (
		c     Config
		found problems
		meta  mapstructure.Metadata
	)
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:   &c,
		Metadata: &meta,
		// Without it "Listen" would pass for "listen", and two spellings of a
		// key could stand side by side.
		MatchName:  func(key, field string) bool { return key == field },
		DecodeHook: mapstructure.ComposeDecodeHookFunc(stringsOnly, durations, texts),
	})
	if err != nil {
		found.add("", err.Error())
		return &c, found
	}
	if err := d.Decode(tree); err != nil {
		typeProblems(err, &found)
	}
	half(meta.Unset, &found)
	// Metadata.Unused says the same as ErrorUnused does, but gives each key its
	// whole path.
	for _, key := range meta.Unused {
		found.add(plainPath(key), "unknown key; config/example.yaml has all there are")
	}
	return &c, found
}

// half complains of quiet hours that only begin or only end: once decoded, an
// absent time of day is midnight.
func half(unset []string, found *problems) {
	for _, key := range unset {
		if strings.HasSuffix(key, ".quiet_hours.from") || strings.HasSuffix(key, ".quiet_hours.until") {
			found.add(plainPath(key), "missing; quiet hours need from and until")
		}
	}
}

// valueError is a problem of our own wording with a value.
type valueError string

func (e valueError) Error() string { return string(e) }

// stringsOnly refuses what mapstructure would bend into another type.
func stringsOnly(from, to reflect.Value) (any, error) {
	for from.Kind() == reflect.Interface {
		from = from.Elem()
	}
	if !from.IsValid() {
		return nil, nil
	}
	k := from.Kind()
	number := k == reflect.Int || k == reflect.Int64 || k == reflect.Uint64 || k == reflect.Float64
	want := ""
	switch {
	case to.Type() == reflect.TypeFor[jml.Date]() && from.Type() == reflect.TypeFor[time.Time]():
		// YAML takes a bare 2026-12-25 for a moment, midnight UTC.
		return from.Interface().(time.Time).Format(time.DateOnly), nil
	case to.Type() == reflect.TypeFor[time.Duration]() && k != reflect.String:
		want = "a duration; write 15m, 48h or 2d"
	case to.Type() == reflect.TypeFor[Size]() && (k == reflect.Float64 || k != reflect.String && !number):
		want = "a size; write bytes, or 256KiB, or 1MiB"
	case reflect.PointerTo(to.Type()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) && k != reflect.String && to.Type() != reflect.TypeFor[Size]():
		want = "a text in quotes"
	case to.Kind() == reflect.String && k != reflect.String:
		want = "a text; put it in quotes"
	case to.Kind() == reflect.Int && k != reflect.Int && k != reflect.Int64:
		want = "a whole number"
	case to.Kind() == reflect.Bool && k != reflect.Bool:
		want = "true or false"
	case to.Kind() == reflect.Slice && k != reflect.Slice:
		want = "a list"
	case (to.Kind() == reflect.Map || to.Kind() == reflect.Struct) && isSection(to.Type()) && k != reflect.Map:
		want = "a section with keys of its own"
	}
	if want != "" {
		return nil, valueError("want " + want)
	}
	return from.Interface(), nil
}

func durations(from, to reflect.Type, v any) (any, error) {
	if s, ok := v.(string); ok && to == reflect.TypeFor[time.Duration]() {
		d, err := parseDuration(s)
		if err != nil {
			return nil, valueError(err.Error())
		}
		return d, nil
	}
	return v, nil
}

func texts(from, to reflect.Type, v any) (any, error) {
	s, ok := v.(string)
	if !ok || !reflect.PointerTo(to).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return v, nil
	}
	p := reflect.New(to)
	if err := p.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		return nil, valueError(err.Error())
	}
	return p.Elem().Interface(), nil
}

// typeProblems takes the innermost named errors out of what mapstructure
// returns: they have the whole path.
func typeProblems(err error, found *problems) {
	switch e := err.(type) { //nolint:errorlint // takes the tree of errors apart, level by level
	case interface{ Unwrap() []error }:
		for _, sub := range e.Unwrap() {
			typeProblems(sub, found)
		}
	case *mapstructure.DecodeError:
		var deeper *mapstructure.DecodeError
		if errors.As(e.Unwrap(), &deeper) {
			typeProblems(e.Unwrap(), found)
			return
		}
		var ours valueError
		if errors.As(e, &ours) {
			found.add(plainPath(e.Name()), ours.Error())
			return
		}
		found.add(plainPath(e.Name()), e.Unwrap().Error())
	default:
		if sub := errors.Unwrap(err); sub != nil {
			typeProblems(sub, found)
			return
		}
		found.add("", err.Error())
	}
}

// plainPath writes profiles[default].lifetime as profiles.default.lifetime, and
// leaves the numbers of list items in their brackets.
func plainPath(p string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(p, "[")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		inside, after, _ := strings.Cut(rest, "]")
		if strings.Trim(inside, "0123456789") == "" {
			out.WriteString("[" + inside + "]")
		} else {
			out.WriteString("." + inside)
		}
		p = after
	}
}

// covers reports whether there is a problem at path, around it or inside it.
func (p problems) covers(path string) bool {
	for _, e := range p {
		short, long := e.Path, path
		if len(short) > len(long) {
			short, long = long, short
		}
		if short != "" && strings.HasPrefix(long, short) &&
			(len(long) == len(short) || long[len(short)] == '.' || long[len(short)] == '[') {
			return true
		}
	}
	return false
}
