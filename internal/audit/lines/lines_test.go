package lines

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t testing.TB, path string) *File {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func add(t testing.TB, l *File, line string) {
	t.Helper()
	if err := l.Append([]byte(line)); err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, path, text string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) != text {
		t.Errorf("%s = %q, want %q", filepath.Base(path), raw, text)
	}
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	l := open(t, path)
	add(t, l, "one")
	add(t, open(t, path), "two")
	add(t, l, "three")
	want(t, path, "one\ntwo\nthree\n")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	for _, line := range []string{"a\nb", "a\r"} {
		if l.Append([]byte(line)) == nil {
			t.Errorf("takes %q", line)
		}
	}
}

func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	put(t, path, "one\n{\"to")
	l := open(t, path)
	want(t, path, "one\n{\"to\n")
	add(t, l, "two")
	// Another process crashes in the middle of its line.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("{\"th"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	add(t, l, "four")
	want(t, path, "one\n{\"to\ntwo\n{\"th\nfour\n")
}

func TestMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	l := open(t, path)
	add(t, l, "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add(t, l, "two")
	want(t, path+".1", "one\n")
	want(t, path, "two\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	add(t, l, "three")
	want(t, path, "three\n")
	// Somebody put another file in its place.
	put(t, path+".new", "zero")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	add(t, l, "four")
	want(t, path, "zero\nfour\n")
	// The folder itself is gone: an error, and no recovery by guesswork.
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("five")); err == nil {
		t.Error("appends into a folder that is gone")
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil {
		t.Error("opens a folder")
	}
	if _, err := Open(filepath.Join(dir, "no", "x")); err == nil {
		t.Error("opens a file in a folder that is not there")
	}
	wide := filepath.Join(dir, "wide")
	put(t, wide, "")
	if err := os.Chmod(wide, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(wide); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("world-readable: %v", err)
	}
	l := open(t, filepath.Join(dir, "x"))
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if err := l.Append([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root writes anywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if _, err := Open(filepath.Join(dir, "x")); err == nil {
		t.Error("opens")
	}
}

func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	l := open(t, "/dev/full")
	if err := l.Append([]byte("x")); err == nil {
		t.Error("a full disk takes a line")
	}
}

// TestManyWriters lets goroutines append by two handles, as two processes do.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	handles := []*File{open(t, path), open(t, path)}
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				line := fmt.Sprintf("%d/%d %s", w, n, strings.Repeat("x", 100*(w+1)))
				if err := handles[w%2].Append([]byte(line)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(raw) {
		id, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if id == "" {
			continue // a writer that saw another's line half written ended it
		}
		var w, n int
		if _, err := fmt.Sscanf(id, "%d/%d", &w, &n); err != nil || rest != strings.Repeat("x", 100*(w+1)) {
			t.Fatalf("not whole: %.60s", line)
		}
		seen[id]++
	}
	if len(seen) != writers*each {
		t.Errorf("%d lines, want %d", len(seen), writers*each)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s stands there %d times", id, n)
		}
	}
}
