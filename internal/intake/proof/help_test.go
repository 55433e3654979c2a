package proof

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firstpass.internal/config"
)

// canary is part of keys and requests and must show in no error.
const canary = "Quxley-7f3a"

const (
	secret  = "invented-secret-key"
	old     = "invented-key-from-before-rotation"
	hookKey = "whsec_aW52ZW50ZWQta2V5LW9mLTMyLWJ5dGVzLWZvci10ZXN0" // invented-key-of-32-bytes-for-test
)

func header(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verifier makes a verifier of v with keys; the defaults are those of most
// vendors.
func verifier(t testing.TB, v config.Verify, keys ...string) *Verifier {
	t.Helper()
	if v.Kind == "" {
		v.Kind = config.VerifyHMAC
	}
	if v.Kind == config.VerifyHMAC {
		v.Algorithm = def(v.Algorithm, "sha256")
		v.Encoding = def(v.Encoding, "hex")
	}
	v.Tolerance = 5 * time.Minute
	for _, k := range keys {
		v.KeyFiles = append(v.KeyFiles, file(t, k))
	}
	out, err := New("sources[0].verify", v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func def(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// judge fails the test if the verdict is not want, or says more than it may.
func judge(t testing.TB, name string, v *Verifier, r Request, want error) time.Time {
	t.Helper()
	signed, err := v.Verify(context.Background(), r, noon)
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	if err != nil && (!signed.IsZero() || strings.Contains(err.Error(), "Quxley")) {
		t.Errorf("%s: %v at %s", name, err, signed)
	}
	return signed
}

func mac(h func() hash.Hash, key, msg string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(msg))
	return m.Sum(nil)
}

func hexMAC(h func() hash.Hash, key, msg string) string { return hex.EncodeToString(mac(h, key, msg)) }
