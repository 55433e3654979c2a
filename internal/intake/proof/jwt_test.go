package proof

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"firstpass.internal/config"
)

type claims = map[string]any

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token puts a JWT together by hand (RFC 7515), so that nothing but the library
// under test reads it.
func token(t testing.TB, head, body claims, sign func(string) []byte) string {
	t.Helper()
	h, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	input := b64(h) + "." + b64(b)
	return input + "." + b64(sign(input))
}

// world is an issuer on loopback.
type world struct {
	*httptest.Server
	rsa, other *rsa.PrivateKey
	ec         *ecdsa.PrivateKey

	discoveries, fetches atomic.Int32
	mu                   sync.Mutex
	keys                 []claims
	discovery, jwks      http.HandlerFunc // instead of what is right
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{}
	var err error
	if w.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if w.other, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if w.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	point, err := w.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	w.keys = []claims{rsaJWK("r", &w.rsa.PublicKey), {"kty": "EC", "kid": "e", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}}
	mux := http.NewServeMux()
	mux.HandleFunc("/tenant/.well-known/openid-configuration", func(rw http.ResponseWriter, r *http.Request) {
		w.discoveries.Add(1)
		w.mu.Lock()
		instead := w.discovery
		w.mu.Unlock()
		if instead != nil {
			instead(rw, r)
			return
		}
		reply(rw, claims{"issuer": w.issuer(), "jwks_uri": w.URL + "/keys?tenant=1", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	})
	mux.HandleFunc("/keys", func(rw http.ResponseWriter, r *http.Request) {
		w.fetches.Add(1)
		w.mu.Lock()
		instead, keys := w.jwks, w.keys
		w.mu.Unlock()
		if instead != nil {
			instead(rw, r)
			return
		}
		reply(rw, claims{"keys": keys})
	})
	w.Server = httptest.NewServer(mux)
	t.Cleanup(w.Close)
	return w
}

func reply(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v)
}

func rsaJWK(kid string, k *rsa.PublicKey) claims {
	return claims{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func (w *world) issuer() string { return w.URL + "/tenant" }

func (w *world) set(edit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edit()
}

func (w *world) verifier(t testing.TB, must map[string]string) *Verifier {
	return verifier(t, config.Verify{Kind: config.VerifyJWT, Issuer: w.issuer(), Audience: "api://firstpass", Claims: must})
}

// claims are good ones, changed by pairs of name and value; nil removes one.
func (w *world) claims(kv ...any) claims {
	out := claims{"iss": w.issuer(), "aud": "api://firstpass", "exp": noon.Add(time.Hour).Unix(), "nbf": noon.Unix(),
		"sub": canary, "roles": []string{"Reader", "Intake.Write"}, "azp": "hr-app"}
	for i := 0; i < len(kv); i += 2 {
		name, ok := kv[i].(string)
		if !ok {
			panic("a name is no text")
		}
		if out[name] = kv[i+1]; kv[i+1] == nil {
			delete(out, name)
		}
	}
	return out
}

func digest(s string) []byte {
	d := sha256.Sum256([]byte(s))
	return d[:]
}

func rs256(t testing.TB, k *rsa.PrivateKey) func(string) []byte {
	return func(s string) []byte {
		sig, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest(s))
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

func (w *world) rs(t testing.TB, c claims) string {
	return token(t, claims{"alg": "RS256", "kid": "r", "typ": "JWT"}, c, rs256(t, w.rsa))
}

func carrying(token string) Request {
	return Request{Header: header("Authorization", "Bearer "+token), Body: []byte("{}")}
}

func TestJWT(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t, map[string]string{"roles": "Intake.Write", "azp": "hr-app"})
	if w.discoveries.Load() != 0 {
		t.Error("New asks the issuer")
	}
	if !v.Ready() || !v.CoversBody() {
		t.Error("not ready, or covers no body")
	}
	es256 := func(s string) []byte {
		r, s2, err := ecdsa.Sign(rand.Reader, w.ec, digest(s))
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s2.FillBytes(make([]byte, 32))...)
	}
	ps256 := func(s string) []byte {
		sig, err := rsa.SignPSS(rand.Reader, w.rsa, crypto.SHA256, digest(s), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	// The public key as everybody can write it, taken for an HMAC secret.
	der, err := x509.MarshalPKIXPublicKey(&w.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	hs256 := func(s string) []byte { return mac(sha256.New, public, s) }
	none := func(string) []byte { return nil }
	good := w.rs(t, w.claims())
	parts := strings.Split(good, ".")
	full, err := json.Marshal(map[string]any{"payload": parts[1], "signatures": []any{map[string]any{"protected": parts[0], "signature": parts[2]}}, "x": ".."})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, token string
		want        error
	}{
		{"RS256", good, nil},
		{"ES256", token(t, claims{"alg": "ES256", "kid": "e"}, w.claims(), es256), nil},
		{"PS256", token(t, claims{"alg": "PS256", "kid": "r"}, w.claims(), ps256), nil},
		{"no kid", token(t, claims{"alg": "RS256"}, w.claims(), rs256(t, w.rsa)), nil},
		{"audience in a list", w.rs(t, w.claims("aud", []string{"x", "api://firstpass"})), nil},
		{"claim as text", w.rs(t, w.claims("roles", "Intake.Write")), nil},
		{"nbf a little ahead", w.rs(t, w.claims("nbf", noon.Add(time.Minute).Unix())), nil},
		{"expires now", w.rs(t, w.claims("exp", noon.Unix())), nil},

		{"none", token(t, claims{"alg": "none"}, w.claims(), none), errToken},
		{"None", token(t, claims{"alg": "None"}, w.claims(), none), errToken},
		{"none with the signature", token(t, claims{"alg": "none", "kid": "r"}, w.claims(), rs256(t, w.rsa)), errToken},
		{"HS256 by the public key", token(t, claims{"alg": "HS256", "kid": "r"}, w.claims(), hs256), errToken},
		{"RS256 that is HS256", token(t, claims{"alg": "RS256", "kid": "r"}, w.claims(), hs256), errSignature},
		{"RS384", token(t, claims{"alg": "RS384", "kid": "r"}, w.claims(), rs256(t, w.rsa)), errToken},
		{"another key under our kid", token(t, claims{"alg": "RS256", "kid": "r"}, w.claims(), rs256(t, w.other)), errSignature},
		{"a key it brings along", token(t, claims{"alg": "RS256", "kid": "r", "jwk": rsaJWK("r", &w.other.PublicKey)}, w.claims(), rs256(t, w.other)), errSignature},
		{"a place of keys it brings along", token(t, claims{"alg": "RS256", "kid": "x", "jku": w.URL + "/evil"}, w.claims(), rs256(t, w.other)), errSignature},
		{"unknown critical header", token(t, claims{"alg": "RS256", "kid": "r", "crit": []string{"x"}, "x": 1}, w.claims(), rs256(t, w.rsa)), errSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", errSignature},
		{"changed claims", parts[0] + "." + b64([]byte(`{"iss":"x"}`)) + "." + parts[2], errSignature},
		{"other issuer", w.rs(t, w.claims("iss", w.URL)), errToken},
		{"issuer with a slash", w.rs(t, w.claims("iss", w.issuer()+"/")), errToken},
		{"no issuer", w.rs(t, w.claims("iss", nil)), errToken},
		{"other audience", w.rs(t, w.claims("aud", "api://other")), errToken},
		{"no audience", w.rs(t, w.claims("aud", nil)), errToken},
		{"expired", w.rs(t, w.claims("exp", noon.Add(-time.Second).Unix())), errToken},
		{"never expires", w.rs(t, w.claims("exp", nil)), errToken},
		{"not yet", w.rs(t, w.claims("nbf", noon.Add(time.Hour).Unix())), errToken},
		{"other role", w.rs(t, w.claims("roles", []string{"Intake.Write2"})), errClaims},
		{"role within a text", w.rs(t, w.claims("roles", "Reader Intake.Write")), errClaims},
		{"role in a map", w.rs(t, w.claims("roles", claims{"Intake.Write": true})), errClaims},
		{"no role", w.rs(t, w.claims("roles", nil)), errClaims},
		{"other app", w.rs(t, w.claims("azp", "x")), errClaims},
		{"JSON form", string(full), errToken},
		{"two parts", parts[0] + "." + parts[1], errToken},
		{"huge", w.rs(t, w.claims("x", strings.Repeat("x", maxToken))), errToken},
		{"rubbish", canary + "." + canary + "." + canary, errToken},
		{"empty", "", errToken},
	} {
		if signed := judge(t, tc.name, v, carrying(tc.token), tc.want); !signed.IsZero() {
			t.Errorf("%s: signed at %s", tc.name, signed)
		}
	}
	judge(t, "twice", v, Request{Header: header("Authorization", "Bearer "+good, "Authorization", "Bearer "+good)}, errHeader)
	if d, f := w.discoveries.Load(), w.fetches.Load(); d != 1 || f != 1 {
		t.Errorf("%d discoveries and %d fetches of keys within a moment", d, f)
	}
}

// at judges at a time later than noon.
func (w *world) at(t *testing.T, v *Verifier, name string, later time.Duration, token string, want error) {
	t.Helper()
	if _, err := v.Verify(context.Background(), carrying(token), noon.Add(later)); !errors.Is(err, want) || err != nil && strings.Contains(err.Error(), "Quxley") {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
}

// fetch judges until the issuer has been asked for its keys once more. The
// library may hand out the last answer again for the moment in which it puts a
// request away, so the first judgement can come too early.
func (w *world) fetch(t *testing.T, v *Verifier, name string, later time.Duration, token string, want error) {
	t.Helper()
	before := w.fetches.Load()
	var err error
	for range 100_000 {
		if _, err = v.Verify(context.Background(), carrying(token), noon.Add(later)); w.fetches.Load() > before {
			break
		}
		runtime.Gosched()
	}
	if n := w.fetches.Load(); n != before+1 {
		t.Errorf("%s: asked %d times more", name, n-before)
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
}

func failing(status int, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
	}
}

// An issuer that was away is asked again, but not by every request.
func TestIssuerAway(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t, nil)
	good := w.rs(t, w.claims())
	for i, instead := range []http.HandlerFunc{
		failing(500, canary),
		failing(200, "<html>"+canary),
		failing(302, ""),
		func(rw http.ResponseWriter, _ *http.Request) {
			reply(rw, claims{"issuer": "https://evil.example.com", "jwks_uri": w.URL + "/keys"})
		},
		func(rw http.ResponseWriter, _ *http.Request) {
			reply(rw, claims{"issuer": w.issuer(), "jwks_uri": "http://evil.example.com/keys"})
		},
		func(rw http.ResponseWriter, _ *http.Request) { reply(rw, claims{"issuer": w.issuer()}) },
		func(rw http.ResponseWriter, _ *http.Request) {
			reply(rw, claims{"issuer": w.issuer(), "jwks_uri": w.URL + "/keys", "x": strings.Repeat("x", issuerReply)})
		},
	} {
		w.set(func() { w.discovery = instead })
		later := time.Duration(i) * issuerPause
		for range 5 {
			w.at(t, v, "away", later, good, ErrUnavailable)
		}
		if n := w.discoveries.Load(); n != int32(i)+1 {
			t.Errorf("%d discoveries, want %d", n, i+1)
		}
	}
	w.set(func() { w.discovery = nil })
	w.at(t, v, "still in the pause", 7*issuerPause-time.Second, good, ErrUnavailable)
	w.at(t, v, "a token that is wrong in itself", 7*issuerPause-time.Second, token(t, claims{"alg": "none"}, w.claims(), func(string) []byte { return nil }), errToken)
	w.at(t, v, "back", 7*issuerPause, good, nil)
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches of keys", n)
	}
}

func TestKeysAway(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t, nil)
	good := w.rs(t, w.claims())
	for i, instead := range []http.HandlerFunc{
		failing(503, canary),
		failing(200, "<html>"+canary),
		failing(200, `{"keys":[{"kty":"RSA","kid":"r","n":"`+canary+`!","e":"AQAB"}]}`),
		failing(302, ""),
	} {
		w.set(func() { w.jwks = instead })
		w.fetch(t, v, "away", time.Duration(i)*issuerPause, good, ErrUnavailable)
		for range 5 {
			w.at(t, v, "away", time.Duration(i)*issuerPause, good, ErrUnavailable)
		}
		if n := w.fetches.Load(); n != int32(i)+1 {
			t.Errorf("%d fetches, want %d", n, i+1)
		}
	}
	w.set(func() { w.jwks = nil })
	w.at(t, v, "still in the pause", 4*issuerPause-time.Second, good, ErrUnavailable)
	w.fetch(t, v, "back", 4*issuerPause, good, nil)

	// Keys that are known go on working while the issuer is away.
	w.set(func() { w.jwks = failing(503, "") })
	forged := token(t, claims{"alg": "RS256", "kid": "new"}, w.claims(), rs256(t, w.other))
	w.fetch(t, v, "forged, keys away", 5*issuerPause, forged, ErrUnavailable)
	w.at(t, v, "forged, keys away", 5*issuerPause, forged, ErrUnavailable)
	w.at(t, v, "known key, keys away", 5*issuerPause, good, nil)
	if n := w.discoveries.Load(); n != 1 {
		t.Errorf("%d discoveries", n)
	}
}

// Bad tokens must not make us call the issuer each time, and a key that is new
// at the issuer must be found out.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t, nil)
	w.at(t, v, "old key", 0, w.rs(t, w.claims()), nil)
	forged := token(t, claims{"alg": "RS256", "kid": "new"}, w.claims(), rs256(t, w.other))
	w.fetch(t, v, "not published", issuerPause, forged, errSignature)
	for range 50 {
		w.at(t, v, "not published", issuerPause, forged, errSignature)
	}
	if n := w.fetches.Load(); n != 2 {
		t.Errorf("%d fetches by 50 bad tokens, want 2 in all", n)
	}
	w.set(func() { w.keys = append(w.keys, rsaJWK("new", &w.other.PublicKey)) })
	w.fetch(t, v, "published", 2*issuerPause, forged, nil)
	w.at(t, v, "old key still", 2*issuerPause, w.rs(t, w.claims()), nil)
	w.set(func() { w.keys = w.keys[2:] })
	// A withdrawn key stays known until there is a reason to ask.
	w.fetch(t, v, "unknown", 3*issuerPause, token(t, claims{"alg": "RS256", "kid": "?"}, w.claims(), rs256(t, w.rsa)), errSignature)
	w.fetch(t, v, "withdrawn", 4*issuerPause, w.rs(t, w.claims()), errSignature)
}

// Many requests at once share one discovery, and one that is given up harms no
// other.
func TestIssuerTogether(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t, nil)
	good := w.rs(t, w.claims())
	arrived, release := make(chan struct{}), make(chan struct{})
	w.set(func() {
		w.discovery = func(rw http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-release
			reply(rw, claims{"issuer": w.issuer(), "jwks_uri": w.URL + "/keys"})
		}
	})
	var wg sync.WaitGroup
	leader, leave := context.WithCancel(context.Background())
	wg.Go(func() {
		if _, err := v.Verify(leader, carrying(good), noon); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("given up by the first: %v", err)
		}
	})
	<-arrived
	for range 20 {
		wg.Go(func() {
			if _, err := v.Verify(context.Background(), carrying(good), noon); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	if _, err := v.Verify(leader, carrying(good), noon); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up while waiting: %v", err)
	}
	close(release)
	wg.Wait()
	if d, f := w.discoveries.Load(), w.fetches.Load(); d != 1 || f != 1 {
		t.Errorf("%d discoveries, %d fetches", d, f)
	}
}
