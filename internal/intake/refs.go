package intake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Refs derives the opaque references by which employees are known outside
// encryption: in workflow ids, logs and the audit. Without its key a reference
// can't be turned back into an employee id, nor an id be tried against it.
type Refs struct {
	key []byte
}

// minRefsKey is the size of the hash's output: a shorter key would be what
// limits it.
const minRefsKey = sha256.Size

// refLength gives 100 bits: no two employees of a source share a reference.
const refLength = 20

// NewRefs returns references derived by key, at least 32 bytes.
func NewRefs(key []byte) (Refs, error) {
	if len(key) < minRefsKey {
		return Refs{}, fmt.Errorf("refs: the key has %d bytes, want %d or more; make one with: openssl rand -base64 32", len(key), minRefsKey)
	}
	return Refs{bytes.Clone(key)}, nil
}

// LoadRefs reads the key from a file: base64 of at least 32 bytes, or else the
// bytes as they are.
func LoadRefs(path string) (Refs, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Refs{}, fmt.Errorf("refs: %w", err)
	}
	if key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(raw))); err == nil && len(key) >= minRefsKey {
		return NewRefs(key)
	}
	r, err := NewRefs(raw)
	if err != nil {
		return Refs{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Ref returns the reference of an employee: 20 characters, a to z and 2 to 7.
func (r Refs) Ref(source, employeeID string) string {
	return r.derive("employee", source, employeeID)
}

// Format keeps the key out of every print.
func (r Refs) Format(s fmt.State, _ rune) { fmt.Fprint(s, "refs") }

// derive hashes parts, which hold no NUL but perhaps the last.
func (r Refs) derive(parts ...string) string {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))[:refLength]
}

var errNoRefs = errors.New("refs: no key")

func (r Refs) check() error {
	if len(r.key) == 0 {
		return errNoRefs
	}
	return nil
}
