// Package proof tells whether a request is the HR system's own.
//
// A scheme is configuration: which bytes are signed, by which keys, how the
// signature is spelt and where it stands. Errors say what is wrong with a
// request and quote nothing of it. They are for the log; who asks learns only
// that the proof failed, or that it can't be judged now.
package proof

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"firstpass.internal/config"
)

// ErrUnavailable says that the proof can't be judged now, because the keys of
// the token's issuer can't be had. The sender should try again.
var ErrUnavailable = errors.New("the issuer's keys can't be had now")

var (
	errNotReady   = errors.New("there is no key yet to judge the request by")
	errHeader     = errors.New("a header that the proof needs is missing, empty or stands there twice")
	errField      = errors.New("the body lacks a field that the proof needs, or it holds no text or integer")
	errBody       = errors.New("the body is not JSON with one meaning, which the proof needs")
	errEncoding   = errors.New("the signature is not encoded as configured")
	errSignature  = errors.New("no key fits the signature")
	errTimestamp  = errors.New("the timestamp can't be read")
	errStale      = errors.New("the timestamp is too old")
	errFuture     = errors.New("the timestamp lies ahead of our clock")
	errCredential = errors.New("the credential is not one of ours")
	errToken      = errors.New("the token is malformed, expired, or not for us")
	errClaims     = errors.New("the token lacks a claim that is required")
)

// Request is what of a request may prove its origin.
type Request struct {
	Header    http.Header
	Body      []byte // as it came, before any decoding
	URLSecret string // last part of the path, unescaped; empty if there is none
}

// Verifier judges the requests of one source. It is safe for concurrent use.
type Verifier struct {
	scheme     scheme // nil while there is no key
	coversBody bool
}

// scheme is one way of proving an origin.
type scheme interface {
	// verify returns the signed time of the request, zero if it carries none.
	verify(ctx context.Context, r Request, now time.Time) (time.Time, error)
}

// New reads the keys of v and returns its verifier. It makes no request. All
// problems come at once, each a *config.Error with its path under at, such as
// "sources[0].verify".
//
// Without key files the verifier is not Ready and refuses every request: that
// is for sources that show their key in an unsigned handshake. Whether that is
// allowed, package config knows.
func New(at string, v config.Verify) (*Verifier, error) {
	b := builder{at: at, config: v}
	out := b.build()
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return out, nil
}

// Verify judges r by the clock reading now. It returns the time that the
// request was signed at; zero if the scheme has none. A token's times are those
// of the token, not of the request, and are not returned.
func (v *Verifier) Verify(ctx context.Context, r Request, now time.Time) (signed time.Time, err error) {
	if v.scheme == nil {
		return time.Time{}, errNotReady
	}
	return v.scheme.verify(ctx, r, now)
}

// CoversBody reports whether the proof says anything about the body. If not, a
// request is a hint that something changed and no more.
//
// A static credential or a token proves the sender inside TLS, and the body
// comes from the sender. A secret in the URL reaches logs and proxies, so it
// proves too little for that.
func (v *Verifier) CoversBody() bool { return v.coversBody }

// Ready reports whether there is a key to judge requests by.
func (v *Verifier) Ready() bool { return v.scheme != nil }

// builder turns configuration into a Verifier and collects what is wrong.
type builder struct {
	at     string
	config config.Verify
	errs   []error
}

func (b *builder) bad(key, problem string) {
	b.errs = append(b.errs, &config.Error{Path: b.at + "." + key, Problem: problem})
}

func (b *builder) build() *Verifier {
	switch b.config.Kind {
	case config.VerifyHMAC:
		keys := b.keys(textKey)
		h := b.hmac(keys)
		return ready(h, len(keys), h.message.has(wholeBody))
	case config.VerifyStandardWebhooks:
		keys := b.keys(webhookKey)
		return ready(standardWebhooks(b.config.Tolerance, keys), len(keys), true)
	case config.VerifyBearer:
		sums := sumsOf("", b.keys(textKey))
		return ready(&credential{given: bearer, sums: sums}, len(sums), true)
	case config.VerifyBasic:
		sums := sumsOf(b.user()+":", b.keys(textKey))
		return ready(&credential{given: basic, sums: sums}, len(sums), true)
	case config.VerifyURLSecret:
		sums := sumsOf("", b.keys(urlKey))
		return ready(&credential{given: urlSecret, sums: sums}, len(sums), false)
	case config.VerifyJWT:
		return ready(b.jwt(), 1, true)
	}
	b.bad("kind", "want hmac, standard_webhooks, bearer, basic, jwt or url_secret")
	return nil
}

func ready(s scheme, keys int, coversBody bool) *Verifier {
	if keys == 0 {
		s = nil
	}
	return &Verifier{scheme: s, coversBody: coversBody}
}

// sumsOf hashes what a sender of each key must show, so that comparing takes
// the same time whatever the length.
func sumsOf(prefix string, keys [][]byte) [][sha256.Size]byte {
	var out [][sha256.Size]byte
	for _, k := range keys {
		out = append(out, sha256.Sum256(append([]byte(prefix), k...)))
	}
	return out
}
