package entrasim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"

	"firstpass.internal/internal/simulated"
)

// signer holds the keys that sign ID tokens and access tokens for other
// applications than Graph, by RS256. The last one signs; all are published.
// Tokens for Graph are between the tenant and itself and need none (see sign).
//
// A key takes a moment to make, so that there is none before it is needed. In
// CertDir it outlasts a restart.
type signer struct {
	dir  string
	keys []*rsa.PrivateKey
}

const signingFile = "entrasim-signing.pem"

func (s *signer) current() (*rsa.PrivateKey, error) {
	if len(s.keys) > 0 {
		return s.keys[len(s.keys)-1], nil
	}
	if key, err := s.read(); key != nil || err != nil {
		return key, err
	}
	return s.rotate(true)
}

func (s *signer) read() (*rsa.PrivateKey, error) {
	if s.dir == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, signingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("entrasim: signing key: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("entrasim: signing key: no PEM block in " + signingFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("entrasim: signing key: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("entrasim: signing key: not RSA")
	}
	s.keys = []*rsa.PrivateKey{private}
	return private, nil
}

// rotate makes another key. Without keep the old ones are published no more.
func (s *signer) rotate(keep bool) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("entrasim: signing key: %w", err)
	}
	if s.dir != "" {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("entrasim: signing key: %w", err)
		}
		raw := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if err := simulated.ReplaceFile(filepath.Join(s.dir, signingFile), raw); err != nil {
			return nil, fmt.Errorf("entrasim: signing key: %w", err)
		}
	}
	if !keep {
		s.keys = nil
	}
	s.keys = append(s.keys, key)
	return key, nil
}

// jwt signs the claims (RFC 7515, RFC 7518, 3.3).
func (s *signer) jwt(claims object) (string, error) {
	key, err := s.current()
	if err != nil {
		return "", err
	}
	head, err := json.Marshal(object{"typ": "JWT", "alg": "RS256", "kid": keyID(&key.PublicKey)})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64(head) + "." + b64(body)
	digest := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + b64(sig), nil
}

func (s *signer) published() ([]any, error) {
	if _, err := s.current(); err != nil {
		return nil, err
	}
	var out []any
	for _, k := range s.keys {
		id := keyID(&k.PublicKey)
		out = append(out, object{"kty": "RSA", "use": "sig", "kid": id, "x5t": id,
			"n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes())})
	}
	return out, nil
}

func keyID(k *rsa.PublicKey) string {
	sum := sha256.Sum256(k.N.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

// RotateKey makes another key to sign by. Without keepOld the older ones are
// withdrawn at once, and what they signed is worth nothing.
func (t *Tenant) RotateKey(keepOld bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.signer.current(); err != nil {
		return err
	}
	_, err := t.signer.rotate(keepOld)
	return err
}

// SignToken signs any claims by the tenant's key, as if it had issued them.
func (t *Tenant) SignToken(claims map[string]any) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.signer.jwt(claims)
}

// SetClaims puts claims into every ID token and every access token for other
// applications than Graph from now on, over those that belong there; nil as a
// value leaves one out. nil takes them back.
func (t *Tenant) SetClaims(claims map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forged = claims
}
