package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 2, 13, 0, 0, 0, time.FixedZone("", 3600))

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func read(t testing.TB, path string) []Entry {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []Entry
	for line := range bytes.Lines(raw) {
		var e Entry
		if err := json.Unmarshal(line, &e); err == nil {
			out = append(out, e)
		}
	}
	return out
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f := open(t, path)
	full := Entry{Time: noon, Event: EventPassIssued, Ref: "ref", UserID: "user", MethodID: "method",
		RequestID: "request", Outcome: "ok", Reason: "start", Actor: "ops", Detail: "lifetime 8h"}
	for _, e := range []Entry{{Time: noon, Event: EventPassIssue}, full} {
		if err := f.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-03-02T12:00:00Z","event":"pass.issue"}
{"time":"2026-03-02T12:00:00Z","event":"pass.issued","ref":"ref","user_id":"user","method_id":"method","request_id":"request","outcome":"ok","reason":"start","actor":"ops","detail":"lifetime 8h"}
`
	if d := cmp.Diff(want, string(raw)); d != "" {
		t.Error(d)
	}
}

func TestAppendRefuses(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	for _, e := range []Entry{{}, {Time: noon}, {Event: EventPassGone}} {
		if f.Append(t.Context(), e) == nil {
			t.Errorf("takes %+v", e)
		}
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if f.Append(done, Entry{Time: noon, Event: EventPassGone}) == nil {
		t.Error("appends after the caller gave up")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f.Append(t.Context(), Entry{Time: noon, Event: EventPassGone}) == nil {
		t.Error("appends to a closed file")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none", "audit.jsonl")); err == nil {
		t.Error("opens in a folder that is not there")
	}
}

func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	if open(t, "/dev/full").Append(t.Context(), Entry{Time: noon, Event: EventPassIssue}) == nil {
		t.Error("a full disk takes an entry")
	}
}

func TestFieldsAreCleaned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f := open(t, path)
	e := Entry{Time: noon, Event: EventPassRevoke,
		Ref:    "a\nb\x00c\x1b[31m\u2028d\u202ee",
		Reason: strings.Repeat("ü", 600),
		Detail: "bad \xff byte",
		Actor:  strings.Repeat("x", maxField),
	}
	if err := f.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)[0]
	if got.Ref != "a b c [31m d e" || got.Detail != "bad \uFFFD byte" || len(got.Actor) != maxField {
		t.Errorf("got %+q", got)
	}
	if len(got.Reason) > maxField || !strings.HasSuffix(got.Reason, "ü"+cut) || !utf8.ValidString(got.Reason) {
		t.Errorf("reason = %d bytes, %q", len(got.Reason), got.Reason[len(got.Reason)-16:])
	}
	if raw, _ := os.ReadFile(path); bytes.Count(raw, []byte("\n")) != 1 {
		t.Errorf("more than one line: %q", raw)
	}
}

func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	torn := `{"time":"2026-03-02T12:00:00Z","event":"pass.is`
	if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Append(t.Context(), Entry{Time: noon, Event: EventPassRevoke}); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	if !bytes.HasPrefix(raw, []byte(torn+"\n")) || len(read(t, path)) != 1 {
		t.Errorf("file = %s", raw)
	}
}

func TestConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	files := []*File{open(t, path), open(t, path)}
	const n = 100
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			e := Entry{Time: noon, Event: EventPassIssue, Ref: fmt.Sprint(i), Detail: strings.Repeat("x", 4*i)}
			if err := files[i%2].Append(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, e := range read(t, path) {
		seen[e.Ref] = true
	}
	if len(seen) != n {
		t.Errorf("%d whole entries, want %d", len(seen), n)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add(strings.Repeat("é", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > maxField || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x1b") {
			t.Errorf("%q", got)
		}
	})
}
