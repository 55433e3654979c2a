package codec

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
)

func newRing(t testing.TB) *Keyring {
	t.Helper()
	k, err := NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func save(t testing.TB, k *Keyring, path string) {
	t.Helper()
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *Keyring {
	t.Helper()
	k, err := LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyringFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	k := newRing(t)
	save(t, k, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	sealed := k.Seal([]byte("x"), "l")
	again := open(t, path)
	if got, err := again.Open(sealed, "l"); err != nil || string(got) != "x" {
		t.Errorf("open = %q, %v", got, err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	for _, mode := range []os.FileMode{0o644, 0o660, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeyring(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%o: err = %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o440); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestKeyringRefuses(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, tc := range map[string]struct{ raw, want string }{
		"not JSON":   {`SGVsbG8`, "not a keyring"},
		"unknown":    {`{"primary":"a","keys":[],"extra":1}`, "not a keyring"},
		"no primary": {`{"primary":"b","keys":[{"id":"a","key":"` + key + `"}]}`, `"b" is not among`},
		"no keys":    {`{}`, "primary"},
		"short key":  {`{"primary":"a","keys":[{"id":"a","key":"SGVsbG8="}]}`, "has 5 bytes"},
		"twice":      {`{"primary":"a","keys":[{"id":"a","key":"` + key + `"},{"id":"a","key":"` + key + `"}]}`, "two keys"},
		"odd id":     {`{"primary":"a b","keys":[{"id":"a b","key":"` + key + `"}]}`, "letters, digits"},
		"long id":    {`{"primary":"a","keys":[{"id":"` + strings.Repeat("a", 65) + `","key":"` + key + `"}]}`, "1 to 64"},
	} {
		_, err := parseKeyring([]byte(tc.raw))
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "SGVsbG8") {
			t.Errorf("%s: err = %v, want %q", name, err, tc.want)
		}
	}
}

func TestKeyringPrintsNoKey(t *testing.T) {
	k := fixed(t)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", k, k, k, k), fmt.Sprintf("%v %#v %x", k.ring.Keys[0], k.ring.Keys, k.ring.Keys[0])} {
		if strings.Contains(s, "0x1, 0x2") || strings.Contains(s, "1 2 3") || strings.Contains(s, "010203") {
			t.Errorf("key in %s", s)
		}
	}
}

func TestConcurrentAddsLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	save(t, newRing(t), path)
	const n = 8
	ids := make([]string, n)
	rings := make([]*Keyring, n)
	for i := range rings {
		rings[i] = open(t, path) // all start from the same file
	}
	var wg sync.WaitGroup
	for i, k := range rings {
		wg.Go(func() {
			id, err := k.Add(noon.Add(time.Duration(i) * time.Hour))
			if err == nil {
				err = k.Save(path)
			}
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	k := open(t, path)
	if got := k.IDs(); len(got) != n+1 {
		t.Errorf("%d keys", len(got))
	}
	for _, id := range ids {
		if !slices.Contains(k.IDs(), id) {
			t.Errorf("lost %s", id)
		}
	}
	if !slices.Contains(ids, k.Primary()) {
		t.Errorf("primary %s is none of the new ones", k.Primary())
	}
}

func TestSaveKeepsAnUnreadableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	if err := os.WriteFile(path, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newRing(t).Save(path); err == nil {
		t.Fatal("overwrote it")
	}
	if raw, _ := os.ReadFile(path); string(raw) != "{torn" {
		t.Errorf("file = %s", raw)
	}
	if _, err := os.Stat(path + ".lock"); err == nil {
		t.Error("lock left behind")
	}
}

// TestReload plays a rotation under a running worker.
func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	save(t, newRing(t), path)
	now := noon
	worker := open(t, path)
	worker.now = func() time.Time { return now }
	encode := func() []*commonpb.Payload {
		t.Helper()
		operator := open(t, path)
		if _, err := operator.Add(noon); err != nil {
			t.Fatal(err)
		}
		enc, err := codecOf(t, operator, "default").Encode([]*commonpb.Payload{{Data: []byte("x")}})
		if err != nil {
			t.Fatal(err)
		}
		save(t, operator, path)
		return enc
	}
	c := codecOf(t, worker, "default")
	first := encode()
	if _, err := c.Decode(first); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if want := open(t, path).Primary(); worker.Primary() != want {
		t.Errorf("primary %s, want %s", worker.Primary(), want)
	}
	second := encode()
	now = now.Add(999 * time.Millisecond)
	if _, err := c.Decode(second); err == nil {
		t.Error("read the file twice in a second")
	}
	now = now.Add(time.Millisecond)
	if _, err := c.Decode(append(first, second...)); err != nil {
		t.Error(err)
	}

	// A file that went bad costs nothing that was known.
	third := encode()
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if _, err := c.Decode(third); err == nil || !strings.Contains(err.Error(), "could not be read again") {
		t.Errorf("err = %v", err)
	}
	if _, err := c.Decode(first); err != nil {
		t.Error(err)
	}
}

func TestSeal(t *testing.T) {
	k := fixed(t)
	sealed := k.Seal([]byte(canary), "quarantine/hr/1")
	if strings.Contains(string(sealed), canary) {
		t.Error("in clear")
	}
	if _, err := k.Open(sealed, "quarantine/hr/2"); err == nil {
		t.Error("opens under another label")
	}
	for n := range sealed {
		if _, err := k.Open(sealed[:n], "quarantine/hr/1"); err == nil {
			t.Fatalf("opens after %d bytes", n)
		}
		bad := slices.Clone(sealed)
		bad[n] ^= 1
		if _, err := k.Open(bad, "quarantine/hr/1"); err == nil {
			t.Fatalf("opens with byte %d changed", n)
		}
	}
}

func TestAdditionalIsUnambiguous(t *testing.T) {
	if string(additional("ab", "c")) == string(additional("a", "bc")) || string(additional("a")) == string(additional("a", "")) {
		t.Error("two lists give the same bytes")
	}
}
