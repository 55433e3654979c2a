package intake

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strings"
	"time"

	"firstpass.internal/config"
)

// verifier tells whether a request is the HR system's own.
type verifier interface {
	// verify returns the signed time of the request; zero if it carries none.
	// Its errors say what is wrong and quote nothing.
	verify(h http.Header, body []byte, now time.Time) (time.Time, error)
}

var (
	errHeader    = errors.New("a header that the signature needs is missing or stands there twice")
	errEncoding  = errors.New("the signature is not encoded as configured")
	errSignature = errors.New("no key fits the signature")
	errTimestamp = errors.New("the timestamp can't be read")
	errStale     = errors.New("the timestamp is too old")
	errFuture    = errors.New("the timestamp lies ahead of our clock")
)

// minKey bounds a configured HMAC key, in bytes: vendors issue 16 and more, and
// less can be guessed.
const minKey = 16

// hmacVerifier checks an HMAC over a message composed of body and headers, by
// which most vendors' schemes can be spelt.
type hmacVerifier struct {
	hash      func() hash.Hash
	decode    func(string) ([]byte, error)
	message   message
	header    string // of the signature
	prefix    string
	timestamp string // header; empty for none
	tolerance time.Duration
	keys      [][]byte
}

func newHMAC(v config.Verify, keys [][]byte) (*hmacVerifier, error) {
	m, err := parseMessage(v.Message)
	if err != nil {
		return nil, &config.Error{Path: "message", Problem: err.Error()}
	}
	if v.TimestampHeader != "" && !m.covers(v.TimestampHeader) {
		return nil, &config.Error{Path: "timestamp_header", Problem: "is not part of message"}
	}
	out := &hmacVerifier{
		hash: sha256.New, decode: hex.DecodeString, message: m,
		header: v.SignatureHeader, prefix: v.SignaturePrefix,
		timestamp: v.TimestampHeader, tolerance: v.Tolerance, keys: keys,
	}
	if v.Algorithm == "sha512" {
		out.hash = sha512.New
	}
	if v.Encoding == "base64" {
		out.decode = base64.StdEncoding.DecodeString
	}
	return out, nil
}

func (v *hmacVerifier) verify(h http.Header, body []byte, now time.Time) (time.Time, error) {
	text, err := single(h, v.header)
	if err != nil {
		return time.Time{}, err
	}
	text, ok := strings.CutPrefix(text, v.prefix)
	if !ok {
		return time.Time{}, errEncoding
	}
	given, err := v.decode(text)
	if err != nil {
		return time.Time{}, errEncoding
	}
	msg, err := v.message.compose(h, body)
	if err != nil {
		return time.Time{}, err
	}
	if !anyKey(v.keys, v.hash, msg, given) {
		return time.Time{}, errSignature
	}
	if v.timestamp == "" {
		return time.Time{}, nil
	}
	// Read after the signature: only then is it the HR system's.
	value, err := single(h, v.timestamp)
	if err != nil {
		return time.Time{}, err
	}
	return fresh(value, now, v.tolerance)
}

// anyKey reports whether a key of keys signs msg as given. All keys are tried,
// so that the time taken does not tell which one fits.
func anyKey(keys [][]byte, h func() hash.Hash, msg, given []byte) bool {
	found := false
	for _, key := range keys {
		mac := hmac.New(h, key)
		mac.Write(msg)
		found = hmac.Equal(mac.Sum(nil), given) || found
	}
	return found
}

// single returns the value of a header that must be there once. A second one
// would let a proxy and us see different requests.
func single(h http.Header, name string) (string, error) {
	v := h.Values(name)
	if len(v) != 1 || v[0] == "" {
		return "", errHeader
	}
	return v[0], nil
}

func fresh(value string, now time.Time, tolerance time.Duration) (time.Time, error) {
	t, err := parseTimestamp(value)
	switch {
	case err != nil:
		return time.Time{}, errTimestamp
	case now.Sub(t) > tolerance:
		return time.Time{}, errStale
	case t.Sub(now) > tolerance:
		return time.Time{}, errFuture
	}
	return t, nil
}
