package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gowebpki/jcs"
)

// Row is an entry in its place in a chain.
type Row struct {
	Seq uint64
	Entry
	// Erased: who and why were written down and are gone.
	Erased bool
	// Chain is the random id of the chain; only row 0 has it.
	Chain string
	// Cleared are the rows whose personal part a row personal.erased says is
	// gone, as ranges with both ends in them.
	Cleared    [][2]uint64
	Prev, Hash []byte // SHA-256
}

// Body is what a row's hash is about, as canonical JSON (RFC 8785). The row's
// hash is SHA-256(hash of the row before || this JSON); before row 0 stand 32
// zero bytes.
type Body struct {
	Seq uint64 `json:"seq"`
	Entry
	// Personal is the hex SHA-256(salt || canonical JSON of Personal), if there
	// was anything personal.
	Personal string      `json:"personal,omitempty"`
	Chain    string      `json:"chain,omitempty"`
	Cleared  [][2]uint64 `json:"cleared,omitempty"`
}

// Personal is what is personal of an entry: who and why.
type Personal struct {
	Actor  string `json:"actor,omitempty"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// SaltSize is how many random bytes keep a personal part from being guessed by
// its hash.
const SaltSize = 32

// Salted is a personal part with its salt.
type Salted struct {
	Salt     []byte `json:"salt"`
	Personal `json:"personal"`
}

// Split takes what is personal out of e. The second is nil if there is nothing.
func Split(e Entry) (Entry, *Salted) {
	p := Personal{e.Actor, e.Reason, e.Detail}
	if p == (Personal{}) {
		return e, nil
	}
	e.Actor, e.Reason, e.Detail = "", "", ""
	s := &Salted{Salt: make([]byte, SaltSize), Personal: p}
	_, _ = rand.Read(s.Salt) // never fails since Go 1.24
	return e, s
}

// Commitment is what a row holds of its personal part.
func (s *Salted) Commitment() (string, error) {
	text, err := canonical(s.Personal)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(bytes.Clone(s.Salt), text...))
	return hex.EncodeToString(sum[:]), nil
}

// Matches reports whether s is the personal part that commitment is about.
func (s *Salted) Matches(commitment string) bool {
	own, err := s.Commitment()
	return err == nil && len(s.Salt) == SaltSize && subtle.ConstantTimeCompare([]byte(own), []byte(commitment)) == 1
}

// Encode returns the canonical JSON of b. Its entry must have been split.
func (b Body) Encode() ([]byte, error) {
	if b.Actor != "" || b.Reason != "" || b.Detail != "" {
		return nil, errors.New("audit: a row must not hold what is personal")
	}
	return canonical(b)
}

// Stored is a row as it is stored.
type Stored struct {
	Seq        uint64
	Body       []byte // canonical JSON
	Prev, Hash []byte // of the row before, and its own
	Personal   *Salted

	// Copies out of the body, by which rows are found. At is to the millisecond.
	At       time.Time
	Event    Event
	Ref      string
	MethodID string
}

// Copied reports whether the copies are what the body says.
func (s Stored) Copied() bool {
	var b Body
	if err := json.Unmarshal(s.Body, &b); err != nil {
		return false
	}
	return s.Seq == b.Seq && s.At.Equal(b.Time.Truncate(time.Millisecond)) && s.Event == b.Event && s.Ref == b.Ref && s.MethodID == b.MethodID
}

// Row reads s. It does not look whether body, hashes and personal part fit.
func (s Stored) Row() (Row, error) {
	var b Body
	if err := json.Unmarshal(s.Body, &b); err != nil {
		return Row{}, errors.New("audit: a row is no JSON")
	}
	r := Row{Seq: b.Seq, Entry: b.Entry, Chain: b.Chain, Cleared: b.Cleared, Prev: s.Prev, Hash: s.Hash}
	if s.Personal != nil {
		r.Actor, r.Reason, r.Detail = s.Personal.Actor, s.Personal.Reason, s.Personal.Detail
	}
	r.Erased = b.Personal != "" && s.Personal == nil
	return r, nil
}

// Genesis stands before row 0.
func Genesis() []byte { return make([]byte, sha256.Size) }

// Link returns the hash of a row.
func Link(prev, body []byte) []byte {
	h := sha256.New()
	h.Write(prev)
	h.Write(body)
	return h.Sum(nil)
}

// NewChain returns a random id.
func NewChain() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	return hex.EncodeToString(id[:])
}

func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err == nil {
		raw, err = jcs.Transform(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("audit: canonical JSON: %w", err)
	}
	return raw, nil
}
