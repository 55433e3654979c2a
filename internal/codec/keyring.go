package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// keySize is that of AES-256.
const keySize = 32

// maxID bounds a key id, which is stored in clear with every ciphertext.
const maxID = 64

// Key is one key of a ring.
type Key struct {
	ID      string    `json:"id"`
	Key     []byte    `json:"key"` // 32 bytes, in base64
	Created time.Time `json:"created"`
}

// Format keeps key material out of every print, by any verb.
func (k Key) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "key %s", k.ID) }

// ring is what a keyring file holds.
type ring struct {
	Primary string `json:"primary"`
	Keys    []Key  `json:"keys"`
}

// Keyring holds keys by id. It is safe for concurrent use.
type Keyring struct {
	path string           // of the file it came from; empty for a ring in memory
	now  func() time.Time // for the limit on re-reading; replaced by tests

	mu     sync.Mutex
	ring   ring
	aeads  map[string]cipher.AEAD
	reread time.Time // when path was last read for a key that was not there
}

// Format keeps key material out of every print, by any verb.
func (k *Keyring) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "keyring %v", k.IDs()) }

// NewKeyring returns a ring with one new random key, made at now. It is in
// memory only until Save.
func NewKeyring(now time.Time) (*Keyring, error) {
	k := &Keyring{now: time.Now}
	if _, err := k.Add(now); err != nil {
		return nil, err
	}
	return k, nil
}

// parseKeyring reads the contents of a keyring file. Its errors quote ids only.
func parseKeyring(raw []byte) (*Keyring, error) {
	var r ring
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		// The cause may quote what it stumbled over: a key.
		return nil, errors.New("not a keyring: want JSON with primary and keys, each with id, key and created")
	}
	k := &Keyring{now: time.Now}
	if err := k.set(r); err != nil {
		return nil, err
	}
	return k, nil
}

// set replaces the ring. It leaves k as it was if r is no good.
func (k *Keyring) set(r ring) error {
	aeads := make(map[string]cipher.AEAD, len(r.Keys))
	for i, key := range r.Keys {
		if err := checkID(key.ID); err != nil {
			return fmt.Errorf("keyring: key %d: %w", i, err)
		}
		if len(key.Key) != keySize {
			return fmt.Errorf("keyring: key %s has %d bytes, want %d", key.ID, len(key.Key), keySize)
		}
		if _, ok := aeads[key.ID]; ok {
			return fmt.Errorf("keyring: two keys have the id %s", key.ID)
		}
		aead, err := newAEAD(key.Key)
		if err != nil {
			return fmt.Errorf("keyring: key %s: %w", key.ID, err)
		}
		aeads[key.ID] = aead
	}
	if _, ok := aeads[r.Primary]; !ok {
		return fmt.Errorf("keyring: the primary key %q is not among the keys", r.Primary)
	}
	k.ring, k.aeads = r, aeads
	return nil
}

// newAEAD returns AES-256-GCM that draws a random nonce for each message and
// puts it in front. Random 96-bit nonces are good for 2^32 messages under one
// key (NIST SP 800-38D 8.3): at 50 payloads a joiner, some eighty million
// joiners before a rotation is due.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func checkID(id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("want an id of 1 to %d characters", maxID)
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c) {
			return errors.New("an id holds letters, digits, dots, hyphens and underscores only")
		}
	}
	return nil
}

// Add puts a new random key, made at now, into the ring and makes it the
// primary. It returns its id. The file follows with Save.
func (k *Keyring) Add(now time.Time) (string, error) {
	key := make([]byte, keySize)
	rand.Read(key)
	tag := make([]byte, 4)
	rand.Read(tag)
	// The date is for people; the random part keeps apart two keys added on one
	// day by two processes.
	id := fmt.Sprintf("%s-%x", now.UTC().Format("20060102"), tag)
	k.mu.Lock()
	defer k.mu.Unlock()
	r := ring{Primary: id, Keys: append(k.ring.Keys[:len(k.ring.Keys):len(k.ring.Keys)],
		Key{ID: id, Key: key, Created: now.UTC().Truncate(time.Second)})}
	if err := k.set(r); err != nil {
		return "", err
	}
	return id, nil
}

// Primary returns the id of the key that encrypts.
func (k *Keyring) Primary() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring.Primary
}

// IDs returns the ids of all keys, oldest first.
func (k *Keyring) IDs() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]string, len(k.ring.Keys))
	for i, key := range k.ring.Keys {
		out[i] = key.ID
	}
	return out
}

// primary returns the key that encrypts.
func (k *Keyring) primary() (string, cipher.AEAD) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring.Primary, k.aeads[k.ring.Primary]
}

// byID returns the key called id. If there is none, the file is read again, at
// most once a second: another process may have added the key since, and a
// rotation is to need no restart.
//
// This may happen within a workflow task, where network I/O is out of bounds
// because the deadlock detector gives a task one second. Reading a local file
// of some hundred bytes takes well under a millisecond, happens once for each
// rotation, and can't change what a workflow decides: either the payload opens
// or the task fails and is tried again.
func (k *Keyring) byID(id string) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if aead, ok := k.aeads[id]; ok {
		return aead, nil
	}
	var why error
	if now := k.now(); k.path != "" && (now.Sub(k.reread) >= time.Second || now.Before(k.reread)) {
		k.reread = now
		fresh, err := readKeyring(k.path)
		if err == nil {
			var merged ring
			if merged, err = merge(fresh.ring, k.ring); err == nil {
				err = k.set(merged)
			}
		}
		if err != nil {
			why = fmt.Errorf(" (and the file could not be read again: %w)", err)
		}
		if aead, ok := k.aeads[id]; ok {
			return aead, nil
		}
	}
	if checkID(id) != nil {
		return nil, errors.New("codec: the key id is malformed")
	}
	if why != nil {
		return nil, fmt.Errorf("codec: no key %s in the keyring%w", id, why)
	}
	return nil, fmt.Errorf("codec: no key %s in the keyring; put back the keyring file that had it", id)
}

// merge returns first with the keys of second that it lacks. The primary is
// first's.
func merge(first, second ring) (ring, error) {
	out := ring{Primary: first.Primary, Keys: append([]Key(nil), first.Keys...)}
	have := map[string]Key{}
	for _, k := range first.Keys {
		have[k.ID] = k
	}
	for _, k := range second.Keys {
		old, ok := have[k.ID]
		switch {
		case !ok:
			out.Keys = append(out.Keys, k)
		case string(old.Key) != string(k.Key):
			return ring{}, fmt.Errorf("keyring: two different keys have the id %s", k.ID)
		}
	}
	return out, nil
}
