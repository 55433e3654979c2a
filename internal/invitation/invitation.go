// Package invitation makes what an invitation to the pick-up page consists of,
// and knows it again: links, references that can be typed, codes, and the
// handles by which providers tell what became of a message.
//
// All of it derives from one key and the pass it is for. A message that is sent
// again therefore says the same, and nothing that opens anything is stored:
// links are found by their keyed hash, and workflows hold keyed hashes only.
package invitation

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net/url"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/secret"
)

// Kind says what a link is good for. A link of one kind is no link of another.
type Kind string

// The kinds, and the paths of the pages they lead to.
const (
	Collect   Kind = "collect"   // the employee collects a pass
	Repudiate Kind = "repudiate" // the employee says "not me"
	Attest    Kind = "attest"    // the manager vouches
)

// Path returns the path of the page that k leads to.
func (k Kind) Path() string {
	switch k {
	case Collect:
		return "/p"
	case Repudiate:
		return "/not-me"
	case Attest:
		return "/vouch"
	}
	return "/"
}

// Link is what is stored of a link.
type Link struct {
	Hash       string // keyed hash of the token, or of the reference
	LinkHash   string // keyed hash of the token: what workflows know
	Kind       Kind
	WorkflowID string
	Ref        string // of the journey
	Until      time.Time
}

// Store keeps links. Putting one that is there replaces it.
type Store interface {
	PutLinks(context.Context, ...Link) error
	// FindLink returns false if there is no such link, or it has lapsed.
	FindLink(ctx context.Context, hash string) (Link, bool, error)
}

// Sealer encrypts handles; codec.Keyring is one.
type Sealer interface {
	Seal(plain []byte, label string) []byte
	Open(sealed []byte, label string) ([]byte, error)
}

// Config is what a Book needs.
type Config struct {
	Sealer Sealer
	// URL is what links begin with: https://host. Empty where there is no
	// pick-up page; then there are handles only, and no need of Key and Store.
	URL   string
	Key   []byte `json:"-"` // 32 bytes or more; ParseKey reads one
	Store Store
}

// Format prints no field: among them is the key.
func (Config) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("invitation.Config")) }

// Book makes invitations and knows them again. It is safe for concurrent use.
type Book struct {
	// mac makes a MAC with the key. The key sits in a closure, as a passcode
	// does: of a Book in somebody's unexported field fmt prints every field.
	mac    func() hash.Hash
	store  Store
	sealer Sealer
	url    string
}

// minKey is the least a key may have, in bytes.
const minKey = 32

// ParseKey reads a key file's content: base64, with or without padding.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(key) < minKey {
		return nil, fmt.Errorf("want %d or more random bytes in base64, as openssl rand -base64 %d makes them", minKey, minKey)
	}
	return key, nil
}

// New returns a Book.
func New(cfg Config) (*Book, error) {
	if cfg.Sealer == nil {
		return nil, errors.New("invitation: a sealer is required")
	}
	if cfg.URL != "" {
		if u, err := url.Parse(cfg.URL); err != nil || u.Host == "" || len(cfg.Key) < minKey || cfg.Store == nil {
			return nil, errors.New("invitation: links want a URL with a host, a key and a store")
		}
	}
	mac := func() hash.Hash { return hmac.New(sha256.New, cfg.Key) }
	return &Book{mac: mac, store: cfg.Store, sealer: cfg.Sealer, url: strings.TrimSuffix(cfg.URL, "/")}, nil
}

// Format prints no field.
func (Book) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("invitation.Book")) }

// Spec says which link to make. The same spec gives the same link.
type Spec struct {
	Kind       Kind
	WorkflowID string // of the pass
	Invitation string // of this run of the pass
	Visit      string // Attest: the visit it is about
	Ref        string // of the journey
	Until      time.Time
}

// Made is a link.
type Made struct {
	Link      secret.Passcode // the whole URL
	Reference secret.Passcode // the token to type, in groups
	Hash      string          // for the workflow
}

// Links reports whether there is a page that links can lead to.
func (b *Book) Links() bool { return b.url != "" }

// Link makes a link, and returns once it is stored. A token has 128 bits, a
// reference 55, to be typed together with a code of 20: NIST SP 800-63A-4 asks
// for 64 of a link.
func (b *Book) Link(ctx context.Context, s Spec) (Made, error) {
	if !b.Links() {
		return Made{}, errors.New("invitation: there is no pick-up page")
	}
	seed := b.derive("link", 32, string(s.Kind), s.WorkflowID, s.Invitation, s.Visit)
	token := base64.RawURLEncoding.EncodeToString(seed[:16])
	reference := encodeReference(seed[16:])
	l := Link{Hash: b.hashToken(s.Kind, token), Kind: s.Kind, WorkflowID: s.WorkflowID, Ref: s.Ref, Until: s.Until}
	l.LinkHash = l.Hash
	typed := l
	typed.Hash = b.hashReference(s.Kind, reference)
	if err := b.store.PutLinks(ctx, l, typed); err != nil {
		return Made{}, err
	}
	return Made{
		Link:      secret.NewPasscode(b.url + s.Kind.Path() + "#" + token),
		Reference: secret.NewPasscode(group(reference)),
		Hash:      l.Hash,
	}, nil
}

// Code returns the code that goes with a link, 6 digits, and its hash.
func (b *Book) Code(workflowID, invitation, linkHash string) (secret.Passcode, string) {
	code := digits(b.derive("code", 8, workflowID, invitation, linkHash), 6)
	return secret.NewPasscode(code), b.HashCode(linkHash, code)
}

// Find returns the link of a token, or of a reference as somebody typed it. It
// returns false if there is none of this kind, without saying why.
func (b *Book) Find(ctx context.Context, k Kind, typed string) (Link, bool, error) {
	if !b.Links() {
		return Link{}, false, nil
	}
	typed = strings.TrimSpace(typed)
	hash := b.hashToken(k, typed)
	if reference, err := parseReference(typed); err == nil {
		hash = b.hashReference(k, reference)
	}
	l, ok, err := b.store.FindLink(ctx, hash)
	if err != nil || !ok || l.Kind != k {
		return Link{}, false, err
	}
	return l, true, nil
}

// HashCode returns the keyed hash of a code as somebody typed it: blanks and
// hyphens don't count.
func (b *Book) HashCode(linkHash, typed string) string {
	return b.hash("code", linkHash, plainDigits(typed))
}

// Number returns the number that a visitor reads out to the manager, 4 digits.
func (b *Book) Number(visit string) string {
	return digits(b.derive("number", 8, visit), 4)
}

// HashNumber returns the keyed hash of a number as the manager typed it, for
// the link that the manager was sent.
func (b *Book) HashNumber(linkHash, typed string) string {
	return b.hash("number", linkHash, plainDigits(typed))
}

// HashDeskCode returns the keyed hash of the code that a desk officer gave to
// the employee of a journey.
func (b *Book) HashDeskCode(ref, typed string) string {
	return b.hash("desk", ref, plainDigits(typed))
}

// HashEvidence returns the keyed hash of an identifier that a proof showed, so
// that two visits by one identity can be seen to be that, and nobody can be
// looked up.
func (b *Book) HashEvidence(proof, identifier string) string {
	return b.hash("evidence", proof, identifier)
}

// Handle names a message in its provider's events.
type Handle struct {
	WorkflowID string `json:"w"`
	Invitation string `json:"i"`
	N          int    `json:"n"`
}

const handleLabel = "message handle"

// Handle seals h: a provider sees an opaque word, and can't make up another.
func (b *Book) Handle(h Handle) string {
	raw, err := json.Marshal(h)
	if err != nil { // strings and a number
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b.sealer.Seal(raw, handleLabel))
}

// MessageID names the message of h: the same each time it is sent, which a handle
// is not, and of no use to find anything by.
func (b *Book) MessageID(h Handle) string {
	return b.hash("message", h.WorkflowID, h.Invitation, strconv.Itoa(h.N))
}

// OpenHandle is the inverse of Handle.
func (b *Book) OpenHandle(s string) (Handle, error) {
	var h Handle
	sealed, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return h, errors.New("invitation: not a handle")
	}
	raw, err := b.sealer.Open(sealed, handleLabel)
	if err != nil {
		return h, errors.New("invitation: not a handle of ours")
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return h, errors.New("invitation: not a handle")
	}
	return h, nil
}

func (b *Book) hashToken(k Kind, token string) string { return b.hash("token", string(k), token) }

func (b *Book) hashReference(k Kind, reference string) string {
	return b.hash("reference", string(k), reference)
}

// hash returns 128 bits: enough against collisions among the links of a firm,
// and without the key they tell nothing of a code's 20 bits.
func (b *Book) hash(label string, parts ...string) string {
	return hex.EncodeToString(b.derive("hash "+label, 16, parts...))
}

// derive returns n bytes for a label and its parts. Each part is preceded by
// its length: no two lists of parts are the same bytes.
func (b *Book) derive(label string, n int, parts ...string) []byte {
	var in bytes.Buffer
	for _, p := range parts {
		_ = binary.Write(&in, binary.BigEndian, uint32(len(p)))
		in.WriteString(p)
	}
	mac := b.mac()
	mac.Write(in.Bytes())
	out, _ := hkdf.Expand(sha256.New, mac.Sum(nil), "firstpass invitation "+label, n) // fails beyond 255 hashes only
	return out
}
