package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Head says how far a chain had gone at a time. Whoever keeps one somewhere else
// can tell later that no row up to it was changed or taken away.
type Head struct {
	Chain    string    `json:"chain"`
	Seq      uint64    `json:"seq"`  // of the newest row
	Hash     string    `json:"hash"` // its hash, hex
	Time     time.Time `json:"time"`
	Previous *HeadRef  `json:"previous,omitempty"` // the head before; nil: it is the first
}

// HeadRef names a head.
type HeadRef struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// SignedHead is a head with an Ed25519 signature (RFC 8032).
type SignedHead struct {
	Head      Head   `json:"head"`
	Key       string `json:"key"`       // KeyID of who signed
	Signature []byte `json:"signature"` // base64 in JSON
}

// domain keeps a signature of a head from being one of anything else.
const domain = "firstpass ledger head 1\n"

// Sign signs h.
func Sign(h Head, key ed25519.PrivateKey) (SignedHead, error) {
	text, err := canonical(h)
	if err != nil {
		return SignedHead{}, err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	return SignedHead{h, KeyID(public), ed25519.Sign(key, append([]byte(domain), text...))}, nil
}

// SignedBy reports whether one of keys signed s.
func (s SignedHead) SignedBy(keys []ed25519.PublicKey) bool {
	text, err := canonical(s.Head)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool {
		return KeyID(k) == s.Key && ed25519.Verify(k, append([]byte(domain), text...), s.Signature)
	})
}

// Encode returns the one line that stands for s in an export.
func (s SignedHead) Encode() ([]byte, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return raw, nil
}

// ReadHead reads what Encode wrote, and nothing else.
func ReadHead(line []byte) (SignedHead, error) {
	var s SignedHead
	if err := json.Unmarshal(line, &s); err != nil {
		return s, errors.New("no signed head")
	}
	if again, err := s.Encode(); err != nil || !bytes.Equal(again, line) {
		return s, errors.New("no signed head as Firstpass writes it")
	}
	return s, nil
}

// KeyID is short for a public key: the first 16 hex digits of its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// NewKey makes a key pair, as PEM: PKCS #8 and PKIX.
func NewKey() (private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("audit: make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("audit: make a key: %w", err)
	}
	public, err = PublicPEM(pub)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), public, err
}

// PublicPEM is key as PEM, PKIX.
func PublicPEM(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ParsePrivate reads an Ed25519 key in PKCS #8, PEM. Its errors quote nothing.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("want PEM with a PRIVATE KEY (PKCS #8)")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, is := k.(ed25519.PrivateKey)
	if err != nil || !is {
		return nil, errors.New("want an Ed25519 private key in PKCS #8")
	}
	return key, nil
}

// ParsePublic reads an Ed25519 key in PKIX, PEM.
func ParsePublic(text []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("want PEM with a PUBLIC KEY")
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, is := k.(ed25519.PublicKey)
	if err != nil || !is {
		return nil, errors.New("want an Ed25519 public key")
	}
	return key, nil
}
