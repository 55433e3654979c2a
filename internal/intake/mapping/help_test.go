package mapping

import (
	"testing"
	"time"

	"firstpass.internal/config"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// canary stands for personal data: no error may show it.
const canary = "c4n4ry"

func newCompiler(t testing.TB) *Compiler {
	t.Helper()
	c, err := NewCompiler(256 << 10)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newMapper(t testing.TB, src config.Source, scope Scope) *Mapper {
	t.Helper()
	m, err := newCompiler(t).Mapper("sources[0]", src, scope)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
