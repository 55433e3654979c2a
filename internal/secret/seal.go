package secret

import (
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
)

// HPKE (RFC 9180) with DHKEM(X25519), HKDF-SHA256 and AES-256-GCM. A
// post-quantum KEM would buy nothing: a pass is worthless within hours.

// VisitKey opens what was sealed for one visit to the pick-up page. Only the
// visitor's cookie holds it.
type VisitKey struct {
	key hpke.PrivateKey
}

// NewVisitKey makes a key pair.
func NewVisitKey() (VisitKey, error) {
	k, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	return VisitKey{k}, err
}

// ParseVisitKey reads what Bytes wrote.
func ParseVisitKey(b []byte) (VisitKey, error) {
	k, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(b)
	return VisitKey{k}, err
}

// Bytes returns the private half, 32 bytes, for the visitor's cookie.
func (k VisitKey) Bytes() ([]byte, error) { return k.key.Bytes() }

// Public returns the half that goes to Temporal, 32 bytes.
func (k VisitKey) Public() []byte { return k.key.PublicKey().Bytes() }

// Seal encrypts p for the holder of the visit key whose public half is given.
// visit is the visit's id: what was sealed for one opens as no other. The
// result may rest in a workflow's history.
func Seal(p Passcode, public []byte, visit string) ([]byte, error) {
	if p.Empty() || visit == "" {
		return nil, errors.New("secret: nothing to seal, or no visit to seal it for")
	}
	k, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(public)
	if err != nil {
		return nil, errors.New("secret: not a visit's public key")
	}
	return hpke.Seal(k, hpke.HKDFSHA256(), hpke.AES256GCM(), info(visit), []byte(p.Reveal()))
}

// Open is the inverse of Seal.
func (k VisitKey) Open(sealed []byte, visit string) (Passcode, error) {
	if k.key == nil {
		return Passcode{}, errors.New("secret: no visit key")
	}
	plain, err := hpke.Open(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info(visit), sealed)
	if err != nil {
		return Passcode{}, errors.New("secret: not sealed for this visit")
	}
	return NewPasscode(string(plain)), nil
}

// info binds a ciphertext to its use (RFC 9180, section 5.1).
func info(visit string) []byte { return []byte("firstpass pick-up v1 " + visit) }
