package main

import (
	"bytes"
	"strings"
	"testing"
)

// The demo as people see it, in a pipe.
func TestDemo(t *testing.T) {
	for name, args := range map[string][]string{"pick-up": {"demo"}, "send": {"demo", "--send"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shared.use(t)
			var out, says bytes.Buffer
			if code := run(t.Context(), append(args, "--firstpass", s.binary), terminal{out: &out, err: &says}); code != 0 {
				t.Fatalf("exit status %d\n%s%s", code, out.String(), says.String())
			}
			t.Log("\n" + out.String())
			if strings.Contains(out.String(), "\x1b") {
				t.Error("terminal codes in a pipe")
			}
			if !strings.HasSuffix(out.String(), "Everything came out as it should.\n") {
				t.Error("the end is missing")
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nothing":       {nil, 0, ""},
		"unknown":       {[]string{"dance"}, exitUsage, "hint: firstpass-dev --help"},
		"no employee":   {[]string{"post"}, exitUsage, "--employee"},
		"no product":    {[]string{"run", "--dir", t.TempDir(), "--firstpass", "missing"}, exitFailed, "make build"},
		"no world":      {[]string{"post", "--dir", t.TempDir(), "--employee", "1"}, exitFailed, "firstpass-dev run"},
		"nobody's mail": {[]string{"person", "--dir", t.TempDir(), "--employee", "1"}, exitFailed, "firstpass-dev run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, says bytes.Buffer
			if code := run(t.Context(), c.args, terminal{out: &out, err: &says}); code != c.code || !strings.Contains(says.String(), c.says) {
				t.Errorf("exit status %d, want %d; %s", code, c.code, says.String())
			}
		})
	}
}
