package worker_test

import (
	"reflect"
	"testing"

	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// TestNoPasscodeCrossesAnActivity: what an activity takes and gives is written
// to history. A passcode there would fail to encode, but only after the act.
func TestNoPasscodeCrossesAnActivity(t *testing.T) {
	all := reflect.TypeFor[workflows.Activities]()
	for i := range all.NumMethod() {
		m := all.Method(i)
		for in := range m.Type.NumIn() {
			noPasscode(t, m.Name, m.Type.In(in), map[reflect.Type]bool{})
		}
		for out := range m.Type.NumOut() {
			noPasscode(t, m.Name, m.Type.Out(out), map[reflect.Type]bool{})
		}
	}
	for _, v := range []any{workflows.JourneyInput{}, workflows.JourneyResult{}, workflows.JourneyView{}, workflows.PassInput{}, workflows.PassResult{}, workflows.PassView{}} {
		noPasscode(t, reflect.TypeOf(v).Name(), reflect.TypeOf(v), map[reflect.Type]bool{})
	}
}

func noPasscode(t *testing.T, where string, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	if seen[typ] {
		return
	}
	seen[typ] = true
	if typ == reflect.TypeFor[secret.Passcode]() {
		t.Errorf("%s holds a passcode", where)
		return
	}
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		noPasscode(t, where, typ.Elem(), seen)
	case reflect.Map:
		noPasscode(t, where, typ.Key(), seen)
		noPasscode(t, where, typ.Elem(), seen)
	case reflect.Struct:
		for i := range typ.NumField() {
			noPasscode(t, where+"."+typ.Field(i).Name, typ.Field(i).Type, seen)
		}
	}
}
