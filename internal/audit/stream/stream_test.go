package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/audit"
)

// book is a ledger in memory.
type book struct {
	mu   sync.Mutex
	rows []audit.Row
	fail error
	gap  bool // row 3 is missing
}

func (b *book) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		b.rows = append(b.rows, audit.Row{Seq: uint64(len(b.rows)), Hash: make([]byte, 32),
			Entry: audit.Entry{Time: time.Unix(0, 0).UTC(), Event: audit.EventPassGone, Ref: fmt.Sprint("r", len(b.rows))}})
	}
}

func (b *book) RowsFrom(_ context.Context, first uint64, limit int) ([]audit.Row, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, b.fail
	}
	var out []audit.Row
	for _, r := range b.rows {
		if r.Seq >= first && len(out) < limit && (!b.gap || r.Seq != 3) {
			out = append(out, r)
		}
	}
	return out, nil
}

// watched streams b to path; each pause calls step, which ends it by false.
func watched(t *testing.T, b *book, path string, step func(n int) bool) string {
	t.Helper()
	var log bytes.Buffer
	ctx, quit := context.WithCancel(t.Context())
	n := 0
	s, err := New(Config{Path: path, Rows: b, Logger: slog.New(slog.NewTextHandler(&log, nil)), Pause: func(context.Context, time.Duration) {
		if n++; !step(n) {
			quit()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Run(ctx)
	return log.String()
}

func once(int) bool { return false }

// seqsIn returns the seqs of the whole lines at path.
func seqsIn(t *testing.T, path string) []uint64 {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := []uint64{}
	for text := range bytes.Lines(raw) {
		var l audit.Line
		if err := json.Unmarshal(text, &l); err != nil || l.Hash == "" {
			continue
		}
		out = append(out, l.Seq)
	}
	return out
}

func upTo(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i)
	}
	return out
}

func want(t *testing.T, path string, list []uint64) {
	t.Helper()
	if got := seqsIn(t, path); !slices.Equal(got, list) {
		t.Errorf("%v, want %v", got, list)
	}
}

func TestStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	b := new(book)
	b.add(2)
	watched(t, b, path, func(n int) bool { b.add(batch); return n < 3 })
	want(t, path, upTo(2+3*batch)) // what came last is there as well
	b.add(3)
	watched(t, b, path, once)
	want(t, path, upTo(5+3*batch))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestGoesOnAfterACrash(t *testing.T) {
	for name, crash := range map[string]func(t *testing.T, path string){
		"after the lines, before the note": func(t *testing.T, path string) {
			edit(t, path+".lock", func([]byte) []byte { return []byte("00000000000000000003\n") })
		},
		"the note is gone":           func(t *testing.T, path string) { edit(t, path+".lock", func([]byte) []byte { return nil }) },
		"within a line":              func(t *testing.T, path string) { edit(t, path, func(raw []byte) []byte { return raw[:len(raw)-20] }) },
		"within a batch":             func(t *testing.T, path string) { edit(t, path, func(raw []byte) []byte { return raw[:len(raw)/2] }) },
		"at the beginning of a line": func(t *testing.T, path string) { edit(t, path, func(raw []byte) []byte { return append(raw, "{"...) }) },
	} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		b := new(book)
		b.add(10)
		watched(t, b, path, once)
		crash(t, path)
		b.add(5)
		watched(t, b, path, once)
		if got := seqsIn(t, path); !slices.Equal(got, upTo(15)) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Lines of before there was a chain stay, and the chain follows.
func TestFollowsAnOldAudit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	old := `{"time":"2026-03-02T12:00:00Z","event":"pass.gone"}` + "\n"
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	b := new(book)
	b.add(3)
	watched(t, b, path, once)
	want(t, path, upTo(3))
	if raw, _ := os.ReadFile(path); !strings.HasPrefix(string(raw), old) {
		t.Errorf("%s", raw)
	}
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	b := new(book)
	b.add(4)
	watched(t, b, path, func(n int) bool {
		if n == 1 { // while it runs
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			b.add(3)
		}
		return n < 2
	})
	want(t, path+".1", upTo(4))
	want(t, path, []uint64{4, 5, 6})
	// While nobody runs.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	b.add(2)
	watched(t, b, path, once)
	want(t, path, []uint64{7, 8})
}

func TestOneProcessWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	b := new(book)
	b.add(4)
	var log string
	watched(t, b, path, func(int) bool {
		b.add(1)
		log = watched(t, b, path, once) // another process, meanwhile
		return false
	})
	want(t, path, upTo(5))
	if log != "" {
		t.Errorf("whoever waits complains: %s", log)
	}
	// And the next takes over.
	b.add(1)
	watched(t, b, path, once)
	want(t, path, upTo(6))
}

func TestFaultsAreToldAndPass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	b := &book{fail: errors.New("away")}
	b.add(4)
	log := watched(t, b, path, func(n int) bool { b.fail = nil; return n < 2 })
	want(t, path, upTo(4))
	if !strings.Contains(log, "the rows stay in the ledger") || !strings.Contains(log, "away") {
		t.Errorf("log %q", log)
	}
	gap := &book{gap: true}
	gap.add(6)
	path = filepath.Join(t.TempDir(), "audit.jsonl")
	if log := watched(t, gap, path, once); log != "" {
		t.Log(log)
	}
	if log := watched(t, gap, path, func(n int) bool { return n < 3 }); !strings.Contains(log, "row 3 is missing") {
		t.Errorf("log %q", log)
	}
	if log := watched(t, b, filepath.Join(t.TempDir(), "none", "x"), once); log == "" {
		// The first pause ends it, so the fault is told before.
		t.Error("no folder, and nobody is told")
	}
}

func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	b := new(book)
	b.add(4)
	if log := watched(t, b, path, once); !strings.Contains(log, "no space left") {
		t.Errorf("log %q", log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	watched(t, b, path, once)
	want(t, path, upTo(4))
}

func TestNewRefuses(t *testing.T) {
	b, log, wait := new(book), slog.New(slog.NewTextHandler(io.Discard, nil)), func(context.Context, time.Duration) {}
	for i, cfg := range []Config{
		{Rows: b, Pause: wait, Logger: log}, {Path: "p", Pause: wait, Logger: log}, {Path: "p", Rows: b, Logger: log}, {Path: "p", Rows: b, Pause: wait},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%d: no error", i)
		}
	}
}
