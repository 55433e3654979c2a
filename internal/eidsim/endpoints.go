package eidsim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	codeValid  = time.Minute
	tokenValid = 5 * time.Minute
)

// request is an authorisation request that was found to be in order.
type request struct {
	state, nonce, challenge, scope, acr string
}

// grant is what a code stands for.
type grant struct {
	request
	persona  Persona
	made     time.Time
	spent    bool
	accesses []string // access tokens made of it
}

func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.at(Discovery, p.discovery))
	mux.HandleFunc("GET /keys", p.at(Keys, p.keys))
	mux.HandleFunc("GET /authorise", p.at(Authorisation, p.authorise))
	mux.HandleFunc("POST /authorise", p.at(Authorisation, p.picked))
	mux.HandleFunc("POST /token", p.at(Token, p.token))
	mux.HandleFunc("GET /userinfo", p.at(UserInfo, p.userinfo))
	return mux
}

// at counts the call and plays the faults of the network.
func (p *Provider) at(e Endpoint, next func(http.ResponseWriter, *http.Request, Faults)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.calls[e]++
		f := p.faults
		p.mu.Unlock()
		if f.Slow > 0 {
			select {
			case <-time.After(f.Slow):
			case <-r.Context().Done():
			case <-p.closing:
			}
		}
		if f.Down {
			panic(http.ErrAbortHandler) // net/http closes the connection, no byte is sent
		}
		w.Header().Set("Cache-Control", "no-store")
		if status := f.Status[e]; status != 0 {
			http.Error(w, f.Body[e], status)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		next(w, r, f)
		p.cfg.Logger.Info("request", "endpoint", e, "method", r.Method)
	}
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request, f Faults) {
	doc := map[string]any{
		"issuer":                                         p.url,
		"authorization_endpoint":                         p.url + "/authorise",
		"token_endpoint":                                 p.url + "/token",
		"userinfo_endpoint":                              p.url + "/userinfo",
		"jwks_uri":                                       p.url + "/keys",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"ES256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"scopes_supported":                               []string{"openid", "profile"},
		"acr_values_supported":                           []string{ACRLow, ACRHigh},
		"authorization_response_iss_parameter_supported": !f.NoIssuerSupport,
	}
	if f.OtherMetadataIssuer {
		doc["issuer"] = "https://other.example.org"
	}
	if f.PlainTokenEndpoint {
		doc["token_endpoint"] = "http://broker.example.org/token"
	}
	if f.OnlySecretPost {
		doc["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	}
	if f.NoClientSecret {
		doc["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"}
	}
	reply(w, http.StatusOK, doc)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request, _ Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{"keys": []any{p.key.jwk()}})
}

// authorise checks the request. What is wrong with the client is told to the
// person, not to the redirect URL (RFC 6749, 4.1.2.1).
func (p *Provider) authorise(w http.ResponseWriter, r *http.Request, f Faults) {
	q := r.URL.Query()
	for name, values := range q {
		if len(values) > 1 {
			http.Error(w, "simulation: parameter twice: "+name, http.StatusBadRequest)
			return
		}
	}
	if q.Get("client_id") != p.cfg.ClientID || q.Get("redirect_uri") != p.cfg.RedirectURL {
		http.Error(w, "simulation: unknown client_id, or redirect_uri that is not registered", http.StatusBadRequest)
		return
	}
	req := request{state: q.Get("state"), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), scope: q.Get("scope"), acr: q.Get("acr_values")}
	switch {
	case q.Get("response_type") != "code":
		p.back(w, r, req, f, url.Values{"error": {"unsupported_response_type"}})
		return
	case !slices.Contains(strings.Fields(req.scope), "openid"):
		p.back(w, r, req, f, url.Values{"error": {"invalid_scope"}})
		return
	case req.state == "" || req.nonce == "" || len(req.challenge) != 43 || q.Get("code_challenge_method") != "S256":
		p.back(w, r, req, f, url.Values{"error": {"invalid_request"}, "error_description": {"state, nonce and PKCE by S256 are required"}})
		return
	}
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	switch who, ok := p.persona(answer.Persona); {
	case answer.Error != "":
		p.back(w, r, req, f, url.Values{"error": {answer.Error}, "error_description": {"as the test asked"}})
	case ok:
		p.signedIn(w, r, req, f, who)
	default:
		p.show(w, req)
	}
}

// signedIn sends the browser back with a code.
func (p *Provider) signedIn(w http.ResponseWriter, r *http.Request, req request, f Faults, who Persona) {
	p.mu.Lock()
	code := p.draw("code")
	p.grants[code] = &grant{request: req, persona: who, made: p.cfg.Now()}
	p.mu.Unlock()
	p.back(w, r, req, f, url.Values{"code": {code}})
}

func (p *Provider) back(w http.ResponseWriter, r *http.Request, req request, f Faults, answer url.Values) {
	answer.Set("state", req.state)
	if f.OtherState {
		answer.Set("state", "somebody-elses")
	}
	answer.Set("iss", p.url)
	if f.OtherIssuer {
		answer.Set("iss", "https://other.example.org")
	}
	if f.NoIssuer {
		answer.Del("iss")
	}
	to, _ := url.Parse(p.cfg.RedirectURL) // Start parsed it
	q := to.Query()
	maps.Copy(q, answer)
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request, f Faults) {
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	if !p.clientIs(r) {
		w.Header().Set("WWW-Authenticate", "Basic")
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	g := p.grants[r.PostForm.Get("code")]
	if g == nil || now.Sub(g.made) > codeValid || r.PostForm.Get("redirect_uri") != p.cfg.RedirectURL || !g.proven(r.PostForm.Get("code_verifier")) {
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	if g.spent && !f.CodesForever {
		// Who comes second may be the right one: what the first got ends too
		// (RFC 6749, 4.1.2).
		for _, a := range g.accesses {
			delete(p.access, a)
		}
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	g.spent = true
	access := p.draw("access")
	g.accesses = append(g.accesses, access)
	p.access[access] = g.persona
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(tokenValid.Seconds()), "scope": g.scope}
	if !f.NoToken {
		id, err := p.idToken(g, f, access, now)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "server_error")
			return
		}
		answer["id_token"] = id
	}
	reply(w, http.StatusOK, answer)
}

// proven checks PKCE (RFC 7636, 4.6).
func (g *grant) proven(verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return verifier != "" && b64(sum[:]) == g.challenge
}

// clientIs takes client_secret_basic (form-encoded first: RFC 6749, 2.3.1) and
// client_secret_post, never both.
func (p *Provider) clientIs(r *http.Request) bool {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		if secret != "" {
			return false
		}
		var err1, err2 error
		id, err1 = url.QueryUnescape(user)
		secret, err2 = url.QueryUnescape(pass)
		if err1 != nil || err2 != nil {
			return false
		}
	}
	return id == p.cfg.ClientID && subtle.ConstantTimeCompare([]byte(secret), []byte(p.cfg.ClientSecret)) == 1
}

// idToken makes the token, with whatever is to be wrong with it; p.mu must be
// held.
func (p *Provider) idToken(g *grant, f Faults, access string, now time.Time) (string, error) {
	claims := g.persona.claims()
	maps.Copy(claims, map[string]any{
		"iss": p.url, "aud": p.cfg.ClientID, "nonce": g.nonce, "acr": g.persona.ACR,
		"iat": now.Unix(), "exp": now.Add(tokenValid).Unix(), "auth_time": g.made.Unix(), "at_hash": half(access),
	})
	for _, wrong := range []struct {
		on    bool
		claim string
		value any
	}{
		{f.OtherNonce, "nonce", "somebody-elses"},
		{f.NoNonce, "nonce", nil},
		{f.OtherAudience, "aud", "another-client"},
		{f.TwoAudiences, "aud", []string{p.cfg.ClientID, "another-client"}},
		{f.TwoAudiences, "azp", "another-client"},
		{f.OtherTokenIssuer, "iss", "https://other.example.org"},
		{f.Expired, "exp", now.Add(-time.Second).Unix()},
		{f.IssuedAhead, "iat", now.Add(10 * time.Minute).Unix()},
		{f.OldAuthTime, "auth_time", now.Add(-time.Hour).Unix()},
		{f.NoAuthTime, "auth_time", nil},
		{f.OtherHash, "at_hash", half("another")},
		{g.persona.ACR == "", "acr", nil},
	} {
		if wrong.on {
			claims[wrong.claim] = wrong.value
		}
	}
	maps.Copy(claims, f.Claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if f.RawPayload != "" {
		payload = []byte(f.RawPayload)
	}
	switch {
	case f.AlgNone:
		return unsigned(payload), nil
	case f.HMAC:
		return hmacSigned(p.cfg.ClientSecret, payload), nil
	case f.OtherKey:
		other, err := newSigningKey()
		if err != nil {
			return "", err
		}
		return other.sign(p.key.id, payload)
	}
	return p.key.sign(p.key.id, payload)
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request, f Faults) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	who, ok := p.access[bearer]
	p.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	claims := who.claims()
	claims["phone_number_verified"] = true // something the ID token does not have
	if f.OtherUser {
		claims["sub"] = "somebody-else"
	}
	reply(w, http.StatusOK, claims)
}

func refuse(w http.ResponseWriter, status int, code string) {
	reply(w, status, map[string]any{"error": code, "error_description": "the simulated broker says no"})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
