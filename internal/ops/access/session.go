package access

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
)

// Store keeps sessions: the ledger does. A hash is 64 hexadecimal digits; what is
// sealed opens only with the id that the browser holds, so a copy of the store
// opens nothing.
type Store interface {
	PutSession(ctx context.Context, hash string, sealed []byte, until time.Time) error
	Session(ctx context.Context, hash string) (sealed []byte, found bool, err error)
	DropSession(ctx context.Context, hash string) error
}

const (
	sessionCookie = "__Host-firstpass"
	// idLength is that of 32 random bytes in base64, which scs makes.
	idLength = 43
	// seenEvery is how often the use of a session is written down. A session may
	// end that much earlier than Idle says.
	seenEvery = time.Minute
	// backwards is how far our clock may jump back before sessions end: beyond
	// it nobody can tell how long one was idle.
	backwards = 5 * time.Minute
	// defaults of Config.
	defaultIdle    = 30 * time.Minute
	defaultLongest = 12 * time.Hour
)

// errNobody means that there is no session, or none any more.
var errNobody = errors.New("nobody has signed in")

// person is whom a session is of. It is written once: a request that was slow
// can't bring back a session that somebody else has ended meanwhile.
type person struct {
	Subject string    `json:"subject"`
	Name    string    `json:"name"`
	Begun   time.Time `json:"begun"`
}

// pulse is what changes in a session.
type pulse struct {
	Seen    time.Time `json:"seen"`    // used, to seenEvery
	Checked time.Time `json:"checked"` // roles read
	Roles   []Role    `json:"roles"`
	Refresh string    `json:"refresh"` // refresh token; empty: the provider gave none
}

// session is one that has been loaded.
type session struct {
	id string
	person
	pulse
	ends time.Time // whatever happens
}

func (s session) identity() Identity {
	return Identity{Subject: s.Subject, Name: s.Name, Roles: s.Roles}
}

// sessions keeps them at the server; scs makes the ids and the cookie.
type sessions struct {
	scs     *scs.SessionManager
	vault   vault
	idle    time.Duration
	longest time.Duration
	now     func() time.Time
}

func newSessions(store Store, idle, longest time.Duration, now func() time.Time) *sessions {
	s := &sessions{scs: scs.New(), vault: vault{store}, idle: idle, longest: longest, now: now}
	s.scs.Store = s.vault
	s.scs.Codec = codec{}
	s.scs.Lifetime = longest
	s.scs.Cookie.Name = sessionCookie // __Host-: no other host can set it (RFC 6265bis, 4.1.3.2)
	s.scs.Cookie.Secure = true
	s.scs.Cookie.HttpOnly = true
	// Not Strict: the way back from the identity provider is a chain of
	// redirects that another site began, and a browser sends no Strict cookie
	// along it. The page after signing in would see nobody and start over.
	s.scs.Cookie.SameSite = http.SameSiteLaxMode
	s.scs.Cookie.Persist = false // gone with the browser; the server has its own limits
	return s
}

// id returns the one session id that r carries; empty if there is none, or
// several, or one that is none of ours.
func (s *sessions) id(r *http.Request) string {
	all := r.CookiesNamed(sessionCookie)
	if len(all) != 1 || len(all[0].Value) != idLength {
		return ""
	}
	return all[0].Value
}

// start begins a session under a new id and ends the one that the browser had.
func (s *sessions) start(ctx context.Context, w http.ResponseWriter, r *http.Request, who Identity, refresh string) error {
	if old := s.id(r); old != "" {
		if err := s.end(ctx, old); err != nil {
			return err
		}
	}
	now := s.now()
	ctx, err := s.scs.Load(ctx, "")
	if err != nil {
		return storeFailed(err)
	}
	s.scs.Put(ctx, whoKey, person{Subject: who.Subject, Name: who.Name, Begun: now})
	s.scs.SetDeadline(ctx, now.Add(s.longest))
	id, deadline, err := s.scs.Commit(ctx)
	if err != nil {
		return storeFailed(err)
	}
	if err := s.put(ctx, session{id: id, ends: deadline, pulse: pulse{Seen: now, Checked: now, Roles: who.Roles, Refresh: refresh}}); err != nil {
		return err
	}
	s.scs.WriteSessionCookie(ctx, w, id, deadline)
	return nil
}

// load returns the session with the id.
func (s *sessions) load(ctx context.Context, id string) (session, error) {
	if id == "" {
		return session{}, errNobody
	}
	ctx, err := s.scs.Load(ctx, id)
	if err != nil {
		return session{}, storeFailed(err)
	}
	who, ok := s.scs.Get(ctx, whoKey).(person)
	if !ok {
		return session{}, errNobody
	}
	raw, ok, err := s.vault.FindCtx(ctx, pulseID(id))
	if err != nil {
		return session{}, storeFailed(err)
	}
	out := session{id: id, person: who, ends: s.scs.Deadline(ctx)}
	if !ok || json.Unmarshal(raw, &out.pulse) != nil {
		return session{}, errNobody
	}
	now := s.now()
	idle := now.Sub(out.Seen)
	if !now.Before(out.ends) || idle >= s.idle || idle < -backwards || now.Before(out.Begun.Add(-backwards)) {
		return session{}, errors.Join(errNobody, s.end(ctx, id))
	}
	return out, nil
}

// put writes what has changed.
func (s *sessions) put(ctx context.Context, of session) error {
	raw, err := json.Marshal(of.pulse)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return storeFailed(s.vault.CommitCtx(ctx, pulseID(of.id), raw, of.ends))
}

// end ends the session. There may be none.
func (s *sessions) end(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	return storeFailed(errors.Join(s.vault.DeleteCtx(ctx, id), s.vault.DeleteCtx(ctx, pulseID(id))))
}

// forget takes the cookie from the browser.
func (s *sessions) forget(w http.ResponseWriter) {
	s.scs.WriteSessionCookie(context.Background(), w, "", time.Time{})
}

// storeFailed hides what the database says, which may quote what it was given.
func storeFailed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the session store: %w", errAway)
}

const whoKey = "who"

// codec writes the one value that a session of ours has.
type codec struct{}

type stored struct {
	Until time.Time `json:"until"`
	Who   person    `json:"who"`
}

// Encode implements scs.Codec.
func (codec) Encode(until time.Time, values map[string]any) ([]byte, error) {
	who, ok := values[whoKey].(person)
	if !ok {
		return nil, errors.New("a session is of somebody")
	}
	return json.Marshal(stored{until, who})
}

// Decode implements scs.Codec.
func (codec) Decode(raw []byte) (time.Time, map[string]any, error) {
	var s stored
	if json.Unmarshal(raw, &s) != nil {
		return time.Time{}, map[string]any{}, nil // of another version: as if there were none
	}
	return s.Until, map[string]any{whoKey: s.Who}, nil
}

// vault seals what scs stores. Name and key derive from the id, which only the
// browser holds.
type vault struct{ store Store }

// pulseID names the second part of a session. An id has other characters.
func pulseID(id string) string { return "pulse:" + id }

func hashOf(id string) string {
	sum := sha256.Sum256([]byte("firstpass session " + id))
	return hex.EncodeToString(sum[:])
}

// FindCtx implements scs.CtxStore.
func (v vault) FindCtx(ctx context.Context, id string) ([]byte, bool, error) {
	sealed, ok, err := v.store.Session(ctx, hashOf(id))
	if err != nil || !ok {
		return nil, false, err
	}
	aead, err := sealer(id)
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil, false, err
	}
	raw, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return nil, false, nil //nolint:nilerr // somebody has changed it: it counts for nothing
	}
	return raw, true, nil
}

// CommitCtx implements scs.CtxStore.
func (v vault) CommitCtx(ctx context.Context, id string, raw []byte, until time.Time) error {
	aead, err := sealer(id)
	if err != nil {
		return err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	return v.store.PutSession(ctx, hashOf(id), aead.Seal(nonce, nonce, raw, nil), until)
}

// DeleteCtx implements scs.CtxStore.
func (v vault) DeleteCtx(ctx context.Context, id string) error {
	return v.store.DropSession(ctx, hashOf(id))
}

// Find, Commit and Delete are there for the interface; scs calls the others.
func (v vault) Find(id string) ([]byte, bool, error) { return v.FindCtx(context.Background(), id) }

// Commit implements scs.Store.
func (v vault) Commit(id string, raw []byte, until time.Time) error {
	return v.CommitCtx(context.Background(), id, raw, until)
}

// Delete implements scs.Store.
func (v vault) Delete(id string) error { return v.DeleteCtx(context.Background(), id) }

// sealer derives the key that seals what stands under the id.
func sealer(id string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(id), nil, "firstpass session content", 32)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return newAEAD(key)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return aead, nil
}
