package config

import (
	"iter"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"firstpass.internal/internal/jml"
)

func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

func key(f reflect.StructField) string { return f.Tag.Get("mapstructure") }

// isSection tells structs that hold keys from those that are one value.
func isSection(t reflect.Type) bool {
	return t != reflect.TypeFor[jml.Clock]() && t != reflect.TypeFor[jml.Date]()
}

// files calls visit for every path of a file in c, set or not.
func files(c *Config, visit func(path, use string, name *string)) {
	walkFiles(reflect.ValueOf(c).Elem(), "", visit)
}

func walkFiles(v reflect.Value, path string, visit func(path, use string, name *string)) {
	for f := range fields(v.Type()) {
		at := path + key(f)
		fv := v.FieldByIndex(f.Index)
		use := f.Tag.Get("file")
		switch {
		case use != "" && fv.Kind() == reflect.String:
			visit(at, use, fv.Addr().Interface().(*string))
		case use != "":
			for i := range fv.Len() {
				visit(at+"["+strconv.Itoa(i)+"]", use, fv.Index(i).Addr().Interface().(*string))
			}
		case fv.Kind() == reflect.Struct && isSection(fv.Type()):
			walkFiles(fv, at+".", visit)
		case fv.Kind() == reflect.Slice && fv.Type().Elem().Kind() == reflect.Struct && isSection(fv.Type().Elem()):
			for i := range fv.Len() {
				walkFiles(fv.Index(i), at+"["+strconv.Itoa(i)+"].", visit)
			}
		case fv.Kind() == reflect.Map && fv.Type().Elem().Kind() == reflect.Struct:
			// What is in a map can't be set in place.
			for _, k := range fv.MapKeys() {
				item := reflect.New(fv.Type().Elem()).Elem()
				item.Set(fv.MapIndex(k))
				walkFiles(item, at+"."+k.String()+".", visit)
				fv.SetMapIndex(k, item)
			}
		}
	}
}

// absolute makes every file path of c absolute, starting from dir.
func absolute(c *Config, dir string) {
	files(c, func(_, _ string, name *string) {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	})
}

// sorted returns the keys of m in order, so that problems come in one order.
func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
