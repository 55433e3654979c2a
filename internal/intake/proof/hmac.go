package proof

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/intake/tree"
)

// maxSignatures bounds how many items of a signature list are looked at. More
// than one is for rotation on the sender's side; thousands are an attack on us.
const maxSignatures = 16

// hmacScheme checks an HMAC over a message composed of parts of the request, by
// which most vendors' schemes can be spelt.
type hmacScheme struct {
	hash    func() hash.Hash
	decode  func(string) ([]byte, error)
	message message

	signature place
	prefix    string // before each signature
	separator string // of the signatures; empty for one

	timestamp       place  // zero for none
	timestampPrefix string // of an item among the signatures; empty for none
	unixOnly        bool
	tolerance       time.Duration

	keys [][]byte
}

// place is where a text stands: a header or a field of the JSON body.
type place struct {
	header, field string
}

func (p place) zero() bool { return p == place{} }

func (b *builder) hmac(keys [][]byte) *hmacScheme {
	v := b.config
	m, err := parseMessage(v.Message)
	if err != nil {
		b.bad("message", err.Error())
	}
	out := &hmacScheme{
		message:         m,
		signature:       place{v.SignatureHeader, v.SignatureField},
		prefix:          v.SignaturePrefix,
		separator:       v.SignatureList,
		timestamp:       place{v.TimestampHeader, v.TimestampField},
		timestampPrefix: v.TimestampPrefix,
		tolerance:       v.Tolerance,
		keys:            keys,
	}
	switch v.Algorithm {
	case "sha256":
		out.hash = sha256.New
	case "sha512":
		out.hash = sha512.New
	default:
		b.bad("algorithm", "want sha256 or sha512")
	}
	switch v.Encoding {
	case "hex":
		out.decode = hex.DecodeString
	case "base64":
		out.decode = decodeBase64
	default:
		b.bad("encoding", "want hex or base64")
	}
	if (v.SignatureHeader == "") == (v.SignatureField == "") {
		b.bad("signature_header", "want either this or signature_field")
	}
	if v.SignatureField != "" && !goodPath(v.SignatureField) {
		b.bad("signature_field", "want a path such as a.b.c")
	}
	if v.SignatureField != "" && m.has(wholeBody) {
		b.bad("signature_field", "is part of the {body} in message, and nothing can sign itself")
	}
	if err == nil {
		b.signedTimestamp(m)
	}
	return out
}

// signedTimestamp checks that the timestamp is part of what is signed. One that
// is not could be made fresh by whoever replays a request.
func (b *builder) signedTimestamp(m message) {
	v := b.config
	count := 0
	source := func(key string, set, signed bool) {
		if !set {
			return
		}
		count++
		if !signed && !m.has(timestampText) {
			b.bad(key, "is not part of message, so anybody could change it")
		}
	}
	source("timestamp_header", v.TimestampHeader != "", m.hasHeader(v.TimestampHeader))
	source("timestamp_field", v.TimestampField != "", m.has(wholeBody) || m.hasField(v.TimestampField))
	source("timestamp_prefix", v.TimestampPrefix != "", false)
	switch {
	case count > 1:
		b.bad("timestamp_header", "want only one of this, timestamp_field and timestamp_prefix")
	case count == 0 && m.has(timestampText):
		b.bad("message", "has {timestamp}, but no timestamp_header, timestamp_field or timestamp_prefix says where it stands")
	}
	if v.TimestampPrefix != "" && (v.SignatureList == "" || v.SignatureHeader == "") {
		b.bad("timestamp_prefix", "needs signature_header and signature_list")
	}
	if v.TimestampField != "" && !goodPath(v.TimestampField) {
		b.bad("timestamp_field", "want a path such as a.b.c")
	}
}

// standardWebhooks is the Standard Webhooks scheme, version v1.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//
// The scheme's own Go library is not used: the only version published takes an
// empty secret for a key, and its clock and tolerance are fixed. Tests hold this
// one against it.
func standardWebhooks(tolerance time.Duration, keys [][]byte) *hmacScheme {
	return &hmacScheme{
		hash:   sha256.New,
		decode: decodeBase64,
		message: message{
			{headerValue, "webhook-id"}, {literal, "."}, {headerValue, "webhook-timestamp"}, {literal, "."}, {kind: wholeBody},
		},
		signature: place{header: "webhook-signature"},
		prefix:    "v1,",
		separator: " ",
		timestamp: place{header: "webhook-timestamp"},
		unixOnly:  true,
		tolerance: tolerance,
		keys:      keys,
	}
}

func (s *hmacScheme) verify(_ context.Context, req Request, now time.Time) (time.Time, error) {
	r := &reading{request: req}
	text, err := r.at(s.signature)
	if err != nil {
		return time.Time{}, err
	}
	items := s.items(text)
	if r.timestamp, err = s.stamp(r, items); err != nil {
		return time.Time{}, err
	}
	given := s.signatures(items)
	if len(given) == 0 {
		return time.Time{}, errEncoding
	}
	msg, err := s.message.compose(r)
	if err != nil {
		return time.Time{}, err
	}
	if !s.signed(msg, given) {
		return time.Time{}, errSignature
	}
	if s.timestamp.zero() && s.timestampPrefix == "" {
		return time.Time{}, nil
	}
	// Judged after the signature: only then is it the HR system's.
	return s.fresh(r.timestamp, now)
}

// items splits a list of signatures.
func (s *hmacScheme) items(text string) []string {
	if s.separator == "" {
		return []string{text}
	}
	var out []string
	for item := range strings.SplitSeq(text, s.separator) {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if out = append(out, item); len(out) == maxSignatures {
			break
		}
	}
	return out
}

// stamp returns the raw timestamp, empty if the scheme has none.
func (s *hmacScheme) stamp(r *reading, items []string) (string, error) {
	if s.timestampPrefix == "" {
		if s.timestamp.zero() {
			return "", nil
		}
		return r.at(s.timestamp)
	}
	found := ""
	for _, item := range items {
		text, ok := strings.CutPrefix(item, s.timestampPrefix)
		if !ok {
			continue
		}
		if found != "" {
			return "", errTimestamp // which one is meant?
		}
		found = text
	}
	if found == "" {
		return "", errTimestamp
	}
	return found, nil
}

// signatures decodes those items that can be signatures.
func (s *hmacScheme) signatures(items []string) [][]byte {
	size := s.hash().Size()
	var out [][]byte
	for _, item := range items {
		text, ok := strings.CutPrefix(item, s.prefix)
		if !ok {
			continue
		}
		if raw, err := s.decode(text); err == nil && len(raw) == size {
			out = append(out, raw)
		}
	}
	return out
}

// signed reports whether a key signs msg as given. All keys are tried, so that
// the time taken does not tell which one fits.
func (s *hmacScheme) signed(msg []byte, given [][]byte) bool {
	found := false
	for _, key := range s.keys {
		mac := hmac.New(s.hash, key)
		mac.Write(msg)
		want := mac.Sum(nil)
		for _, g := range given {
			found = hmac.Equal(want, g) || found
		}
	}
	return found
}

func (s *hmacScheme) fresh(value string, now time.Time) (time.Time, error) {
	if s.unixOnly && !digits(value) {
		return time.Time{}, errTimestamp
	}
	t, err := ParseTimestamp(value)
	switch {
	case err != nil:
		return time.Time{}, errTimestamp
	case now.Sub(t) > s.tolerance:
		return time.Time{}, errStale
	case t.Sub(now) > s.tolerance:
		return time.Time{}, errFuture
	}
	return t, nil
}

// reading is a request while it is judged. Its body is decoded at most once,
// and only where a part of it is needed.
type reading struct {
	request   Request
	timestamp string // raw
	decoded   bool
	body      any
}

func (r *reading) at(p place) (string, error) {
	if p.header != "" {
		return single(r.request.Header, p.header)
	}
	return r.field(p.field)
}

// field returns a text, or an integer as it is written. Other numbers have more
// than one spelling, and the one that was signed is lost in decoding.
func (r *reading) field(path string) (string, error) {
	if !r.decoded {
		v, err := tree.Decode("application/json", r.request.Body, tree.DefaultLimits())
		if err != nil {
			return "", errBody // the cause is of no use without the body
		}
		r.body, r.decoded = v, true
	}
	v, ok := tree.Lookup(r.body, path)
	if !ok {
		return "", errField
	}
	switch v := v.(type) {
	case string:
		if v != "" {
			return v, nil
		}
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return "", errField
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
