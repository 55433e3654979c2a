package access

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"firstpass.internal/internal/outbound"
)

const (
	// keysEvery is how long keys are used before they are looked for again, so
	// that one that was withdrawn ends.
	keysEvery = time.Hour
	// unknownEvery is how often an unknown key id makes us look: anybody can
	// invent ids. Entra publishes keys long before it signs with them.
	unknownEvery = 30 * time.Second
	// smallestKey is in bits (RFC 7518, 3.3).
	smallestKey = 2048
)

// Why a signature does not count. go-oidc keeps their texts and nothing else,
// so verifyFailed knows them by those.
var (
	errKeysAway = errors.New("keys can't be fetched")
	errForged   = errors.New("no key of the issuer signed it")
)

// keys are the issuer's signing keys. Those that are known go on when their
// address does not answer. It takes RS256 and nothing else.
type keys struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu      sync.RWMutex // guards what follows
	known   map[string]*rsa.PublicKey
	fetched time.Time // when known came
	tried   time.Time
	failed  bool // the last try

	fetching sync.Mutex // held by whoever asks; verifying with known keys needs none
}

// VerifySignature implements oidc.KeySet.
func (k *keys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSigned(jwt, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errForged
	}
	key, err := k.find(ctx, jws.Signatures[0].Header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, errForged
	}
	return payload, nil
}

func (k *keys) find(ctx context.Context, id string) (*rsa.PublicKey, error) {
	if id == "" {
		return nil, errForged
	}
	key, due := k.look(id)
	if !due {
		return key, k.missing(key)
	}
	k.fetching.Lock()
	defer k.fetching.Unlock()
	if key, due = k.look(id); due { // somebody may have been quicker
		k.fetch(ctx)
		key, _ = k.look(id)
	}
	return key, k.missing(key)
}

// look returns the key and whether it is time to ask for keys.
func (k *keys) look(id string) (key *rsa.PublicKey, due bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key = k.known[id]
	now := k.now()
	wait := unknownEvery
	if k.failed {
		wait = retryAfter
	}
	if sinceTry := now.Sub(k.tried); sinceTry >= 0 && sinceTry < wait {
		return key, false
	}
	old := now.Sub(k.fetched)
	return key, key == nil || old >= keysEvery || old < 0
}

// missing says what a key that was not found means: that it is none of the
// issuer's, or that nobody could be asked.
func (k *keys) missing(key *rsa.PublicKey) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	switch {
	case key != nil:
		return nil
	case k.failed:
		return errKeysAway
	}
	return errForged
}

func (k *keys) fetch(ctx context.Context) {
	// Who asked may go away; others wait for the same answer.
	known, err := k.get(context.WithoutCancel(ctx))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried, k.failed = k.now(), err != nil
	if err == nil {
		k.known, k.fetched = known, k.tried
	}
}

func (k *keys) get(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, errors.New("its address is no URL")
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, errors.New(outbound.NoAnswer(err))
	}
	defer func() { _ = resp.Body.Close() }() // nothing is written
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("it answered something else than keys")
	}
	out := map[string]*rsa.PublicKey{}
	for _, one := range set.Keys {
		var key jose.JSONWebKey
		// A key of a kind that nobody knows yet spoils none of the others (RFC
		// 7517, 5).
		if json.Unmarshal(one, &key) != nil || key.KeyID == "" || key.Use != "" && key.Use != "sig" {
			continue
		}
		if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() >= smallestKey {
			out[key.KeyID] = public
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it has no key that signs by RS256")
	}
	return out, nil
}
