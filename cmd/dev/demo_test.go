package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// The stories as people see them, in a pipe. Each has a Temporal server of its
// own and tells by the clock: two at a time leave the other tests room.
func TestDemo(t *testing.T) {
	stories := [][]string{{"demo"}, {"demo", "--send"}}
	for name := range (&demo{}).tales(false) {
		if name != "joiner" {
			stories = append(stories, []string{"demo", "--journey", name})
		}
	}
	for lane := range 2 {
		t.Run(fmt.Sprint("lane", lane), func(t *testing.T) {
			t.Parallel()
			for i := lane; i < len(stories); i += 2 {
				t.Run(strings.Join(stories[i], " "), func(t *testing.T) { tellStory(t, stories[i]) })
			}
		})
	}
}

func tellStory(t *testing.T, args []string) {
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
		"no such story": {[]string{"demo", "--journey", "dance"}, exitUsage, "moved-date"},
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
