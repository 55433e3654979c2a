package intake

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firstpass.internal/internal/codec"
)

func openQuarantine(t testing.TB, path string, keys *codec.Keyring) *Quarantine {
	t.Helper()
	q, err := OpenQuarantine(QuarantineConfig{Path: path, Keyring: keys, Refs: refs(t), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func keep(t testing.TB, q *Quarantine, source, reason, body string) string {
	t.Helper()
	id, err := q.Keep(source, reason, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestQuarantine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.jsonl")
	keys, err := codec.NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	q := openQuarantine(t, path, keys)
	first := keep(t, q, "hr", "zone: missing", canary)
	if keep(t, q, "hr", "zone: missing", canary) != first {
		t.Error("a repeat gets another id")
	}
	second := keep(t, q, "other", "zone: missing", canary)
	if second == first {
		t.Error("two sources share an id")
	}
	// A restart, and a rotated key, lose nothing.
	if _, err := keys.Add(noon); err != nil {
		t.Fatal(err)
	}
	q = openQuarantine(t, path, keys)
	keep(t, q, "hr", "zone: missing", canary)
	list, err := q.List()
	if err != nil || len(list) != 2 || list[0].ID != first || list[1].ID != second {
		t.Fatalf("list = %v, %v", list, err)
	}
	got, body, err := q.Show(first)
	if err != nil || got != (Quarantined{first, noon, "hr", "zone: missing"}) || string(body) != canary {
		t.Errorf("show = %+v, %q, %v", got, body, err)
	}
	if _, _, err := q.Show("none"); !errors.Is(err, ErrNotQuarantined) {
		t.Errorf("show of none: %v", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), canary) || bytes.Count(raw, []byte("\n")) != 2 {
		t.Errorf("file = %s, %v", raw, err)
	}
	// A body moved to another record does not open there.
	swapped := strings.Replace(string(raw), first, strings.Repeat("a", refLength), 1)
	if err := os.WriteFile(path, []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := q.Show(strings.Repeat("a", refLength)); err == nil {
		t.Error("opens a body under another id")
	}
}

func TestQuarantineFileChangesUnderIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.jsonl")
	keys, err := codec.NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	q := openQuarantine(t, path, keys)
	id := keep(t, q, "hr", "r", canary)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	// What is acknowledged has to be in the file, repeat or not.
	keep(t, q, "hr", "r", canary)
	if _, _, err := q.Show(id); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":"torn","ti`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	keep(t, q, "hr", "r", "another")
	if list, err := q.List(); err != nil || len(list) != 2 {
		t.Errorf("after a torn line: %v, %v", list, err)
	}
}

func TestQuarantineConfig(t *testing.T) {
	keys, err := codec.NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "q.jsonl")
	for _, cfg := range []QuarantineConfig{
		{Path: path, Refs: refs(t), Now: clock},
		{Path: path, Keyring: keys, Now: clock},
		{Path: path, Keyring: keys, Refs: refs(t)},
		{Path: filepath.Join(path, "no", "folder"), Keyring: keys, Refs: refs(t), Now: clock},
	} {
		if _, err := OpenQuarantine(cfg); err == nil {
			t.Errorf("opens with %+v", cfg)
		}
	}
}
