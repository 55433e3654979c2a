package entrasim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long things last at Entra. Codes: learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
// and v2-oauth2-device-code.
const (
	codeLifetime   = 10 * time.Minute
	deviceLifetime = 15 * time.Minute
)

// apiScope is the scope that the tenant's applications expose.
const apiScope = "operate"

// grant is what a code stands for.
type grant struct {
	client, redirect, challenge, nonce, scope string
	operator                                  string // id
	made                                      time.Time
	spent                                     bool
}

// device is a device authorization under way (RFC 8628).
type device struct {
	client, scope, userCode string
	made                    time.Time
	operator                string // id, once somebody has signed in
	declined, spent         bool
}

// inTenant reports whether the path is of this tenant.
func (t *Tenant) inTenant(c *call) bool {
	tenant, _, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/")
	return strings.EqualFold(tenant, t.cfg.TenantID)
}

func (t *Tenant) issuer(c *call) string { return c.base() + "/" + t.cfg.TenantID + "/v2.0" }

// authorise answers the authorisation request: the page on which a person picks
// who they are, or, with a login_hint that names an operator, the way back.
//
// Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow.
// Unlike Entra it insists on PKCE by S256, state and nonce.
func (t *Tenant) authorise(c *call) reply {
	q := c.query
	if !t.inTenant(c) {
		return problemPage(http.StatusBadRequest, "AADSTS90002: There is no such tenant.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[q.Get("client_id")]
	switch {
	case a == nil:
		return problemPage(http.StatusBadRequest, "AADSTS700016: The tenant has no such application.")
	case !slices.Contains(a.redirects, q.Get("redirect_uri")):
		return problemPage(http.StatusBadRequest, "AADSTS50011: The redirect URI of the request is none that the application has.")
	}
	back := func(answer url.Values) reply { return goBack(q.Get("redirect_uri"), q.Get("state"), answer) }
	switch {
	case q.Get("response_type") != "code":
		return back(url.Values{"error": {"unsupported_response_type"}, "error_description": {"AADSTS700054: Only response_type code is known here."}})
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return back(url.Values{"error": {"invalid_request"}, "error_description": {"AADSTS900144: The scope lacks openid."}})
	case q.Get("state") == "" || q.Get("nonce") == "" || len(q.Get("code_challenge")) != 43 || q.Get("code_challenge_method") != "S256":
		return back(url.Values{"error": {"invalid_request"}, "error_description": {"AADSTS900144: state, nonce and PKCE by S256 are required here."}})
	case q.Get("simulate") == "decline":
		return back(url.Values{"error": {"access_denied"}, "error_description": {"AADSTS65004: The user declined to consent."}})
	}
	o := t.st.operator(q.Get("login_hint"))
	switch {
	case o == nil && q.Get("prompt") == "none":
		return back(url.Values{"error": {"login_required"}, "error_description": {"AADSTS50058: Nobody is signed in."}})
	case o == nil:
		return t.pickPage("Who signs in?", "/"+t.cfg.TenantID+"/oauth2/v2.0/authorize", q)
	case o.Disabled:
		return problemPage(http.StatusForbidden, "AADSTS50057: The user account is disabled.")
	}
	sum := t.draw("code")
	code := "0." + base64.RawURLEncoding.EncodeToString(sum[:])
	t.codes[code] = &grant{client: q.Get("client_id"), redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		nonce: q.Get("nonce"), scope: q.Get("scope"), operator: o.ID, made: time.Now()}
	return back(url.Values{"code": {code}, "session_state": {traceID()}})
}

func goBack(redirect, state string, answer url.Values) reply {
	to, err := url.Parse(redirect)
	if err != nil {
		return problemPage(http.StatusBadRequest, "The redirect URI is none.")
	}
	q := to.Query()
	maps.Copy(q, answer)
	if state != "" {
		q.Set("state", state)
	}
	to.RawQuery = q.Encode()
	return reply{status: http.StatusFound, header: http.Header{"Location": {to.String()}, "Cache-Control": {"no-store"}}, raw: []byte{}}
}

// person answers the grants of people: a code, a device's code or a refresh
// token. t.mu must be held, and the client has been checked.
func (t *Tenant) person(c *call, form url.Values, clientID string, a *app) reply {
	invalid := func(aadsts int, why string) reply {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_grant", aadsts, why)
	}
	var operator, scope, nonce string
	switch form.Get("grant_type") {
	case "authorization_code":
		g := t.codes[form.Get("code")]
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		switch {
		case g == nil || g.client != clientID:
			return invalid(70000, "The provided code is not valid.")
		case g.spent:
			return invalid(54005, "The authorization code was already redeemed.")
		case time.Since(g.made) > codeLifetime:
			return invalid(70008, "The provided code has expired.")
		case g.redirect != form.Get("redirect_uri"):
			return invalid(500112, "The reply address does not match the one of the authorization request.")
		case subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.challenge)) != 1:
			return invalid(501481, "The code_verifier does not match the code_challenge of the authorization request.")
		}
		g.spent = true
		operator, scope, nonce = g.operator, g.scope, g.nonce
	case "urn:ietf:params:oauth:grant-type:device_code":
		d := t.devices[form.Get("device_code")]
		switch {
		case d == nil || d.client != clientID || d.spent:
			return c.tokenRefusal(http.StatusBadRequest, "bad_verification_code", 70018, "There is no such device code.")
		case d.declined:
			return c.tokenRefusal(http.StatusBadRequest, "authorization_declined", 70000, "The user declined.") // which number Entra gives is not documented
		case time.Since(d.made) > deviceLifetime:
			return c.tokenRefusal(http.StatusBadRequest, "expired_token", 70019, "The device code has expired.")
		case d.operator == "":
			return c.tokenRefusal(http.StatusBadRequest, "authorization_pending", 70016, "Authorization is pending. Continue polling.")
		}
		d.spent = true
		operator, scope = d.operator, d.scope
	case "refresh_token":
		r, ok := t.openRefresh(form.Get("refresh_token"))
		if !ok || r.Client != clientID {
			return invalid(9002313, "The refresh token is malformed or of another client.")
		}
		operator, scope = r.Operator, form.Get("scope")
		if scope == "" {
			// Seen with several clients: without scope the app's own API counts
			// as asked for by its URI.
			if api, _ := apiOf(r.Scope); api == clientID {
				return c.tokenRefusal(http.StatusBadRequest, "invalid_request", 90009, "The application is requesting a token for itself. This is supported only if the resource is specified by the GUID of the application.")
			}
			scope = r.Scope
		}
	}
	o := t.st.operatorByID(operator)
	if o == nil {
		return invalid(50034, "The user account does not exist in the tenant.")
	}
	if o.Disabled {
		return invalid(50057, "The user account is disabled.")
	}
	return t.tokensFor(c, o, clientID, a, scope, nonce)
}

// tokensFor mints what the scope asks for; t.mu must be held.
func (t *Tenant) tokensFor(c *call, o *Operator, clientID string, a *app, scope, nonce string) reply {
	fields := strings.Fields(scope)
	body := object{"token_type": "Bearer", "scope": scope, "expires_in": int(tokenLifetime.Seconds()), "ext_expires_in": int(tokenLifetime.Seconds())}
	api, byURI := apiOf(scope)
	var err error
	switch target := t.apps[api]; {
	case api == "":
		body["access_token"] = t.mint(c, clientID, "https://graph.microsoft.com") // no concern of this tenant's
	case target == nil:
		return c.tokenRefusal(http.StatusBadRequest, "invalid_resource", 500011, "The resource principal was not found in the tenant.")
	case api == clientID && byURI:
		return c.tokenRefusal(http.StatusBadRequest, "invalid_request", 90009, "The application is requesting a token for itself. This is supported only if the resource is specified by the GUID of the application.")
	default:
		claims := t.claimsOf(c, o, api, target.old)
		claims["scp"] = apiScope
		t.party(claims, clientID, target.old, a.public)
		if body["access_token"], err = t.issue(claims); err != nil {
			return internal()
		}
	}
	if slices.Contains(fields, "openid") {
		claims := t.claimsOf(c, o, clientID, false)
		if nonce != "" {
			claims["nonce"] = nonce
		}
		if body["id_token"], err = t.issue(claims); err != nil {
			return internal()
		}
	}
	if slices.Contains(fields, "offline_access") {
		body["refresh_token"] = t.sealRefresh(refreshToken{Client: clientID, Operator: o.ID, Scope: scope, UTI: traceID()})
	}
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store, no-cache"}}, body: body}
}

func internal() reply {
	return reply{status: http.StatusInternalServerError, header: http.Header{"Content-Type": {"application/json"}}, body: object{"error": "server_error"}}
}

// apiOf returns the application whose scope is asked for, and whether by its
// App ID URI; empty if only OpenID Connect's scopes are.
func apiOf(scope string) (id string, byURI bool) {
	for s := range strings.FieldsSeq(scope) {
		i := strings.LastIndex(s, "/")
		if i < 0 || strings.HasPrefix(s, "https://graph.microsoft.com/") {
			continue
		}
		id, byURI = strings.CutPrefix(s[:i], "api://")
		return id, byURI
	}
	return "", false
}

// claimsOf are those of a person, by the wall clock. With old the token is of
// version 1.
//
// Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference
// and id-token-claims-reference.
func (t *Tenant) claimsOf(c *call, o *Operator, audience string, old bool) object {
	now := time.Now()
	sub := sha256.Sum256([]byte("pairwise " + audience + " " + o.ID))
	claims := object{"aud": audience, "iss": t.issuer(c), "iat": now.Add(-5 * time.Minute).Unix(), "nbf": now.Add(-5 * time.Minute).Unix(),
		"exp": now.Add(tokenLifetime).Unix(), "aio": "A" + traceID(), "name": o.Name, "oid": o.ID, "preferred_username": o.UPN, "rh": "0." + traceID(),
		"sub": base64.RawURLEncoding.EncodeToString(sub[:]), "tid": t.cfg.TenantID, "uti": traceID(), "ver": "2.0"}
	if len(o.Roles) > 0 {
		claims["roles"] = o.Roles
	}
	switch {
	case o.ManyGroups:
		claims["_claim_names"] = object{"groups": "src1"}
		claims["_claim_sources"] = object{"src1": object{"endpoint": "https://graph.microsoft.com/v1.0/users/" + o.ID + "/getMemberObjects"}}
	case len(o.GroupIDs) > 0:
		claims["groups"] = o.GroupIDs
	}
	if old {
		t.toOld(claims)
		claims["upn"], claims["unique_name"] = o.UPN, o.UPN
	}
	return claims
}

// toOld makes claims those of version 1.
func (t *Tenant) toOld(claims object) {
	claims["iss"], claims["ver"] = "https://sts.windows.net/"+t.cfg.TenantID+"/", "1.0"
	delete(claims, "preferred_username")
}

func (t *Tenant) party(claims object, clientID string, old, public bool) {
	name, how := "azp", "1"
	if old {
		name = "appid"
	}
	if public {
		how = "0"
	}
	claims[name], claims[name+"acr"] = clientID, how
}

// forApp makes the access token that an app gets for an application of the
// tenant, with the app roles that it has there; t.mu must be held.
func (t *Tenant) forApp(c *call, clientID, api, asked string) (string, error) {
	now, a, target := time.Now(), t.apps[clientID], t.apps[api]
	oid := sha256.Sum256([]byte("service principal " + clientID))
	claims := object{"aud": api, "iss": t.issuer(c), "iat": now.Add(-5 * time.Minute).Unix(), "nbf": now.Add(-5 * time.Minute).Unix(),
		"exp": now.Add(tokenLifetime).Unix(), "aio": "A" + traceID(), "idtyp": "app", "oid": guid(oid[:16]), "sub": guid(oid[:16]), "rh": "0." + traceID(),
		"tid": t.cfg.TenantID, "uti": traceID(), "ver": "2.0"}
	if len(a.roles) > 0 {
		claims["roles"] = a.roles
	}
	if target.old {
		t.toOld(claims)
		claims["aud"] = asked
	}
	t.party(claims, clientID, target.old, false)
	return t.issue(claims)
}

// issue signs claims, with those that SetClaims puts over them.
func (t *Tenant) issue(claims object) (string, error) {
	for name, v := range t.forged {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	return t.signer.jwt(claims)
}

// refreshToken is sealed into the token itself, so that it outlasts a restart.
type refreshToken struct {
	Client, Operator, Scope, UTI string
}

func (t *Tenant) sealRefresh(r refreshToken) string {
	raw, _ := json.Marshal(r) // strings always can be
	b64 := base64.RawURLEncoding.EncodeToString
	signed := "1." + b64(raw)
	return signed + "." + b64(t.sign(signed))
}

func (t *Tenant) openRefresh(token string) (r refreshToken, ok bool) {
	i := strings.LastIndex(token, ".")
	if i < 0 {
		return r, false
	}
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || !hmac.Equal(sig, t.sign(token[:i])) {
		return r, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token[:i], "1."))
	return r, err == nil && json.Unmarshal(raw, &r) == nil
}

// deviceCode begins a device authorization.
//
// Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
func (t *Tenant) deviceCode(c *call) reply {
	form, err := url.ParseQuery(string(c.body))
	if err != nil || c.bodyProblem != nil || !t.inTenant(c) {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_request", 900144, "The request body is not a form, or there is no such tenant.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[form.Get("client_id")]
	if a == nil {
		return c.tokenRefusal(http.StatusBadRequest, "unauthorized_client", 700016, "The tenant has no such application.")
	}
	if !a.public {
		return c.tokenRefusal(http.StatusUnauthorized, "invalid_client", 7000218, "The application does not allow public client flows.")
	}
	sum := t.draw("device")
	code := base64.RawURLEncoding.EncodeToString(sum[:])
	user := strings.ToUpper(strings.NewReplacer("-", "X", "_", "Y").Replace(base64.RawURLEncoding.EncodeToString(sum[16:])))[:9]
	t.devices[code] = &device{client: form.Get("client_id"), scope: form.Get("scope"), userCode: user, made: time.Now()}
	at := c.base() + "/devicelogin"
	return plainJSON(object{"user_code": user, "device_code": code, "verification_uri": at, "expires_in": int(deviceLifetime.Seconds()),
		"interval": t.cfg.DeviceInterval, "message": "To sign in, use a web browser to open the page " + at + " and enter the code " + user + " to authenticate."})
}

// deviceLogin is the page where a person enters the code of a device. With code
// and login_hint in the address it asks nothing.
func (t *Tenant) deviceLogin(c *call) reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	user := strings.ToUpper(strings.TrimSpace(c.query.Get("code")))
	if user == "" {
		return htmlPage(http.StatusOK, pageOf{Title: "Enter the code of your device", Ask: "/devicelogin"})
	}
	for _, d := range t.devices {
		if d.userCode != user || d.spent || time.Since(d.made) > deviceLifetime {
			continue
		}
		if c.query.Get("simulate") == "decline" {
			d.declined = true
			return htmlPage(http.StatusOK, pageOf{Title: "Declined. Close this window."})
		}
		o := t.st.operator(c.query.Get("login_hint"))
		if o == nil {
			return t.pickPage("Who signs in on the device?", "/devicelogin", c.query)
		}
		d.operator = o.ID
		return htmlPage(http.StatusOK, pageOf{Title: "Signed in on the device. Close this window."})
	}
	return problemPage(http.StatusBadRequest, "AADSTS70018: There is no such code, or it has expired.")
}

// endSession is where people sign out of the tenant. It keeps no session of its
// own, so there is nothing to end.
func (t *Tenant) endSession(*call) reply {
	return htmlPage(http.StatusOK, pageOf{Title: "You signed out of the simulated tenant"})
}

// publishedKeys answers the key set.
func (t *Tenant) publishedKeys(c *call) reply {
	if !t.inTenant(c) {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_tenant", 90002, "There is no such tenant.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list, err := t.signer.published()
	if err != nil {
		return internal()
	}
	return plainJSON(object{"keys": list})
}

type pageOf struct {
	Title, Ask string
	People     []choice
}

type choice struct{ Name, UPN, Roles, To string }

// pickPage lists the operators; each is a link to the same place with a
// login_hint.
func (t *Tenant) pickPage(title, path string, q url.Values) reply {
	p := pageOf{Title: title}
	for _, o := range t.st.Operators {
		with := maps.Clone(q)
		with.Set("login_hint", o.UPN)
		roles := strings.Join(o.Roles, ", ")
		if roles == "" {
			roles = "no app role"
		}
		name := o.Name
		if name == "" {
			name = o.UPN
		}
		p.People = append(p.People, choice{name, o.UPN, roles, path + "?" + with.Encode()})
	}
	with := maps.Clone(q)
	with.Set("simulate", "decline")
	p.People = append(p.People, choice{"Nobody", "decline", "cancel the sign-in", path + "?" + with.Encode()})
	return htmlPage(http.StatusOK, p)
}

func problemPage(status int, text string) reply { return htmlPage(status, pageOf{Title: text}) }

func htmlPage(status int, p pageOf) reply {
	var out bytes.Buffer
	page, err := template.ParseFS(web, "web/signin.html")
	if err == nil {
		err = page.Execute(&out, p)
	}
	if err != nil {
		return internal()
	}
	return reply{status: status, raw: out.Bytes(), header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Cache-Control":           {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
		"X-Content-Type-Options":  {"nosniff"},
		"Referrer-Policy":         {"no-referrer"},
	}}
}
