package eidsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
)

// signingKey signs ID tokens by ES256 (RFC 7518, 3.4).
type signingKey struct {
	private *ecdsa.PrivateKey
	point   []byte // 32 bytes of x, then 32 of y
	id      string
}

func newSigningKey() (*signingKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	raw, err := private.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return &signingKey{private: private, point: raw[1:], id: hex.EncodeToString(sum[:8])}, nil
}

func (k *signingKey) jwk() map[string]string {
	return map[string]string{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": k.id,
		"x": b64(k.point[:32]), "y": b64(k.point[32:]),
	}
}

// sign returns payload as a compact JWS under id.
func (k *signingKey) sign(id string, payload []byte) (string, error) {
	signed := protected(map[string]string{"alg": "ES256", "kid": id, "typ": "JWT"}) + "." + b64(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", err
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + b64(sig[:]), nil
}

// unsigned and hmacSigned are what a forger sends.
func unsigned(payload []byte) string {
	return protected(map[string]string{"alg": "none", "typ": "JWT"}) + "." + b64(payload) + "."
}

func hmacSigned(secret string, payload []byte) string {
	signed := protected(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + b64(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

func protected(header map[string]string) string {
	raw, _ := json.Marshal(header) // strings always can be
	return b64(raw)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// half is the left half of the SHA-256, as at_hash has it (OpenID Connect Core,
// 3.1.3.6).
func half(s string) string {
	sum := sha256.Sum256([]byte(s))
	return b64(sum[:16])
}
