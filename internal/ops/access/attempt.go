package access

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	// attemptValid is how long somebody may take at the identity provider.
	attemptValid = 10 * time.Minute
	// attemptsAtOnce is how many tabs of one browser may be signing in.
	attemptsAtOnce = 8
	attemptPrefix  = "__Host-firstpass-in-"
	maxAttempt     = 3500 // bytes; browsers keep cookies of up to 4096
)

// attempt is a sign-in under way. It is sealed into a cookie of the browser that
// began it: nobody else can end it (login CSRF), and strangers fill no database.
type attempt struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"` // of PKCE
	To       string    `json:"t"` // the page they wanted
	Begun    time.Time `json:"b"`
}

// attempts makes and ends sign-ins. Each ends once: what was spent is remembered
// for as long as its cookie would be good.
type attempts struct {
	key []byte
	now func() time.Time

	mu    sync.Mutex
	spent map[string]time.Time // by state
}

// newAttempts derives the key from the client secret, which all processes of one
// configuration share: the answer may reach another than the question left.
func newAttempts(clientSecret string, now func() time.Time) (*attempts, error) {
	key, err := hkdf.Key(sha256.New, []byte(clientSecret), nil, "firstpass sign-in under way", 32)
	if err != nil {
		return nil, err
	}
	return &attempts{key: key, now: now, spent: map[string]time.Time{}}, nil
}

// begin starts one and leaves its cookie. There is one for each tab, named by
// its state, so that two tabs do not end each other's.
func (a *attempts) begin(w http.ResponseWriter, r *http.Request, to string) (attempt, error) {
	at := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: to, Begun: a.now()}
	sealed, err := a.seal(at)
	if err != nil {
		return attempt{}, err
	}
	if len(sealed) > maxAttempt {
		at.To = "/"
		if sealed, err = a.seal(at); err != nil {
			return attempt{}, err
		}
	}
	var others []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, attemptPrefix) {
			others = append(others, c.Name)
		}
	}
	if len(others) >= attemptsAtOnce {
		for _, name := range others {
			dropCookie(w, name)
		}
	}
	setCookie(w, attemptName(at.State), sealed, int(attemptValid.Seconds()))
	return at, nil
}

// end returns the attempt that state is of, and takes its cookie away whatever
// comes of it.
func (a *attempts) end(w http.ResponseWriter, r *http.Request, state string) (attempt, error) {
	stale := &denial{"staleSignIn", "this sign-in was not begun in this browser, is over, or took longer than ten minutes; start again"}
	if state == "" || len(state) > 64 {
		return attempt{}, stale
	}
	name := attemptName(state)
	cookies := r.CookiesNamed(name)
	if len(cookies) != 1 {
		return attempt{}, stale
	}
	dropCookie(w, name)
	at, ok := a.open(cookies[0].Value)
	if !ok || subtle.ConstantTimeCompare([]byte(at.State), []byte(state)) != 1 {
		return attempt{}, stale
	}
	if age := a.now().Sub(at.Begun); age < -leeway || age >= attemptValid {
		return attempt{}, stale
	}
	if !a.spend(state) {
		return attempt{}, stale
	}
	return at, nil
}

// spend reports whether state is used for the first time.
func (a *attempts) spend(state string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for s, at := range a.spent {
		if now.Sub(at) > attemptValid+leeway {
			delete(a.spent, s)
		}
	}
	if _, ok := a.spent[state]; ok {
		return false
	}
	a.spent[state] = now
	return true
}

func (a *attempts) seal(at attempt) (string, error) {
	raw, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	aead, err := newAEAD(a.key)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, raw, nil)), nil
}

func (a *attempts) open(sealed string) (at attempt, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return attempt{}, false
	}
	aead, err := newAEAD(a.key)
	if err != nil || len(raw) < aead.NonceSize() {
		return attempt{}, false
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], nil)
	if err != nil || json.Unmarshal(plain, &at) != nil {
		return attempt{}, false
	}
	return at, true
}

func attemptName(state string) string {
	sum := sha256.Sum256([]byte(state))
	return attemptPrefix + hex.EncodeToString(sum[:8])
}

func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func dropCookie(w http.ResponseWriter, name string) { setCookie(w, name, "", -1) }
