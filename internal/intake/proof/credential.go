package proof

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

// credential checks something that the sender shows as it is.
type credential struct {
	given func(Request) (string, error)
	sums  [][sha256.Size]byte
}

func (c *credential) verify(_ context.Context, r Request, _ time.Time) (time.Time, error) {
	text, err := c.given(r)
	if err != nil {
		return time.Time{}, err
	}
	sum := sha256.Sum256([]byte(text))
	found := 0
	for _, want := range c.sums { // all of them, as with signatures
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if found == 0 {
		return time.Time{}, errCredential
	}
	return time.Time{}, nil
}

func bearer(r Request) (string, error) { return authorization(r.Header, "bearer") }

// basic returns user:password. RFC 7617 forbids the colon in the user, so that
// no other pair reads the same.
func basic(r Request) (string, error) {
	text, err := authorization(r.Header, "basic")
	if err != nil {
		return "", err
	}
	raw, err := decodeBase64(text)
	if err != nil {
		return "", errCredential
	}
	return string(raw), nil
}

func urlSecret(r Request) (string, error) { return r.URLSecret, nil }

// authorization returns the credential of the only Authorization header, whose
// scheme counts in any case (RFC 9110, 11.1).
func authorization(h http.Header, scheme string) (string, error) {
	v, err := single(h, "Authorization")
	if err != nil {
		return "", err
	}
	name, text, _ := strings.Cut(v, " ")
	if !strings.EqualFold(name, scheme) {
		return "", errCredential
	}
	return strings.TrimLeft(text, " "), nil
}

func (b *builder) user() string {
	if b.config.User == "" || strings.Contains(b.config.User, ":") {
		b.bad("user", "want a user without a colon")
	}
	return b.config.User
}
