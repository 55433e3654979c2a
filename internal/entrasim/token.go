package entrasim

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	graphAppID    = "00000003-0000-0000-c000-000000000000"
	tokenLifetime = time.Hour
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// app is a client of the tenant. Secrets and federated tokens are kept hashed,
// as a matter of habit.
type app struct {
	secret    [32]byte
	federated [][32]byte
	certs     []*x509.Certificate
	redirects []string
	roles     []string
	public    bool
	old       bool
}

func newApp(secret string) *app { return &app{secret: sha256.Sum256([]byte(secret))} }

// App is a client of the tenant besides the one in Config.
type App struct {
	ClientID    string   `json:"clientId"`
	Secret      string   `json:"secret"`
	Permissions []string `json:"permissions,omitempty"` // of Graph
	// RedirectURIs are where people who sign in to it are sent back to.
	RedirectURIs []string `json:"redirectUris,omitempty"`
	// Roles are the app roles that it has on the tenant's other applications.
	Roles []string `json:"appRoles,omitempty"`
	// PublicClient allows flows without a secret: devices, the command line.
	PublicClient bool `json:"allowPublicClient,omitempty"`
	// OldTokens has access tokens for it made in version 1, as the manifest
	// says by default (requestedAccessTokenVersion).
	OldTokens bool `json:"oldTokens,omitempty"`
}

// AddApp registers one more client, or replaces it. It does not outlast a
// restart.
func (t *Tenant) AddApp(a App) error {
	if a.ClientID == "" || a.Secret == "" {
		return errors.New("entrasim: an app needs a client id and a secret")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addApp(a)
	t.st.Permissions[a.ClientID] = slices.Clone(a.Permissions)
	return t.commit()
}

func (t *Tenant) addApp(a App) {
	kept := newApp(a.Secret)
	kept.redirects, kept.roles, kept.public, kept.old = slices.Clone(a.RedirectURIs), slices.Clone(a.Roles), a.PublicClient, a.OldTokens
	t.apps[a.ClientID] = kept
}

// SetPermissions replaces what the app is granted; an empty clientID is the app
// in Config. Cached tokens feel it at once unless
// Behaviour.PermissionsFromToken is set.
func (t *Tenant) SetPermissions(clientID string, permissions ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, _, err := t.app(clientID)
	if err != nil {
		return err
	}
	t.st.Permissions[id] = slices.Clone(permissions)
	return t.commit()
}

// Permissions returns what the app is granted.
func (t *Tenant) Permissions(clientID string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if clientID == "" {
		clientID = t.cfg.ClientID
	}
	return orEmpty(slices.Clone(t.st.Permissions[clientID]))
}

// AddClientCertificate lets the app authenticate with assertions signed by this
// certificate's RSA key. An empty clientID is the app in Config.
func (t *Tenant) AddClientCertificate(clientID string, cert *x509.Certificate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
		return errors.New("entrasim: only RSA client certificates are known here")
	}
	_, a, err := t.app(clientID)
	if err == nil {
		a.certs = append(a.certs, cert)
	}
	return err
}

// AddFederatedToken lets the app authenticate with exactly this token as its
// assertion, as a workload identity does. Who issued it is not looked at.
func (t *Tenant) AddFederatedToken(clientID, token string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, a, err := t.app(clientID)
	if err == nil {
		a.federated = append(a.federated, sha256.Sum256([]byte(token)))
	}
	return err
}

func (t *Tenant) app(clientID string) (string, *app, error) {
	if clientID == "" {
		clientID = t.cfg.ClientID
	}
	if a := t.apps[clientID]; a != nil {
		return clientID, a, nil
	}
	return "", nil, fmt.Errorf("entrasim: no app %s", clientID)
}

// tokenRefusal is the OAuth error with Entra's extra fields.
//
// Source: learn.microsoft.com/entra/identity-platform/reference-error-codes
func (c *call) tokenRefusal(status int, code string, aadsts int, message string) reply {
	return reply{
		status: status,
		header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store, no-cache"}},
		body: object{
			"error":             code,
			"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", aadsts, message, c.requestID, c.clientID, c.now.Format("2006-01-02 15:04:05Z")),
			"error_codes":       []int{aadsts},
			"timestamp":         c.now.Format("2006-01-02 15:04:05Z"),
			"trace_id":          c.requestID,
			"correlation_id":    c.clientID,
			"error_uri":         fmt.Sprintf("%s/error?code=%d", c.base(), aadsts),
		},
	}
}

// token answers the client-credentials grant and those of people (see person).
//
// Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (t *Tenant) token(c *call) reply {
	if tenant, _, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/"); !strings.EqualFold(tenant, t.cfg.TenantID) {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_request", 90002, "There is no such tenant.")
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil || c.bodyProblem != nil {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_request", 900144, "The request body is not a form.")
	}
	ofPeople := []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
	forPerson := slices.Contains(ofPeople, form.Get("grant_type"))
	if form.Get("grant_type") != "client_credentials" && !forPerson {
		return c.tokenRefusal(http.StatusBadRequest, "unsupported_grant_type", 70003, "That grant type is not known here.")
	}
	var resource string
	for s := range strings.FieldsSeq(form.Get("scope")) { // MSAL adds openid and the like
		if r, ok := strings.CutSuffix(s, "/.default"); ok {
			resource = r
		}
	}
	if resource == "" && !forPerson {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_scope", 1002012, "The scope of a client-credentials request ends in /.default.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id, a, err := t.app(form.Get("client_id"))
	if err != nil || form.Get("client_id") == "" {
		return c.tokenRefusal(http.StatusBadRequest, "unauthorized_client", 700016, "The tenant has no such application.")
	}
	switch {
	case form.Has("client_assertion"):
		if form.Get("client_assertion_type") != assertionType {
			return c.tokenRefusal(http.StatusBadRequest, "invalid_request", 900144, "The client_assertion_type is not the JWT bearer one.")
		}
		if err := a.checkAssertion(form.Get("client_assertion"), id, t.tokenAudiences(c)); err != nil {
			return c.tokenRefusal(http.StatusUnauthorized, "invalid_client", 700027, "The client assertion was not accepted: "+err.Error()+".")
		}
	case form.Has("client_secret"):
		if got := sha256.Sum256([]byte(form.Get("client_secret"))); subtle.ConstantTimeCompare(got[:], a.secret[:]) != 1 {
			return c.tokenRefusal(http.StatusUnauthorized, "invalid_client", 7000215, "The client secret is not the right one.")
		}
	case a.public && forPerson && form.Get("grant_type") != "authorization_code":
	default:
		return c.tokenRefusal(http.StatusUnauthorized, "invalid_client", 7000216, "A client_secret or client_assertion is needed.")
	}
	if forPerson {
		return t.person(c, form, id, a)
	}
	access := ""
	if api := strings.TrimPrefix(resource, "api://"); t.apps[api] != nil {
		if access, err = t.forApp(c, id, api, resource); err != nil {
			return internal()
		}
	} else {
		access = t.mint(c, id, resource)
	}
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store, no-cache"}},
		body: object{"token_type": "Bearer", "expires_in": int(tokenLifetime.Seconds()), "ext_expires_in": int(tokenLifetime.Seconds()),
			"access_token": access}}
}

func (t *Tenant) tokenAudiences(c *call) []string {
	base := c.base() + "/" + t.cfg.TenantID
	return []string{base + "/oauth2/v2.0/token", base + "/v2.0"}
}

// checkAssertion accepts a registered federated token, or a JWT signed by a
// registered certificate. Its times are read on the wall clock: the client that
// signed it knows no other.
func (a *app) checkAssertion(jwt, clientID string, audiences []string) error {
	sum := sha256.Sum256([]byte(jwt))
	for _, f := range a.federated {
		if subtle.ConstantTimeCompare(f[:], sum[:]) == 1 {
			return nil
		}
	}
	var head struct {
		Alg     string `json:"alg"`
		X5T     string `json:"x5t"`
		X5TS256 string `json:"x5t#S256"`
	}
	var body struct {
		Aud string `json:"aud"`
		Iss string `json:"iss"`
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
		Nbf int64  `json:"nbf"`
	}
	signed, sig, err := openJWT(jwt, &head, &body)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(signed))
	verified := slices.ContainsFunc(a.certs, func(cert *x509.Certificate) bool {
		s1, s256 := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
		if !sameThumbprint(head.X5T, s1[:]) && !sameThumbprint(head.X5TS256, s256[:]) {
			return false
		}
		key := cert.PublicKey.(*rsa.PublicKey) // AddClientCertificate took no other
		switch head.Alg {
		case "PS256":
			return rsa.VerifyPSS(key, crypto.SHA256, digest[:], sig, nil) == nil
		case "RS256":
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) == nil
		}
		return false
	})
	now := time.Now().Unix()
	switch {
	case !verified:
		return errors.New("no registered certificate verifies it")
	case body.Iss != clientID || body.Sub != clientID:
		return errors.New("issuer and subject are not the client")
	case !slices.Contains(audiences, body.Aud):
		return errors.New("it is meant for another audience")
	case body.Exp <= now || body.Nbf > now+300:
		return errors.New("it is not valid at this time")
	}
	return nil
}

// sameThumbprint reads base64 of either alphabet, padded or not: MSAL for Go
// 1.10.1 writes the standard one with padding where RFC 7515 wants the other.
func sameThumbprint(text string, sum []byte) bool {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	return text == base64.RawURLEncoding.EncodeToString(sum)
}

func openJWT(jwt string, head, body any) (signed string, sig []byte, err error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return "", nil, errors.New("it is not a JWT")
	}
	for i, v := range []any{head, body} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, v)
		}
		if err != nil {
			return "", nil, errors.New("it is not a JWT")
		}
	}
	sig, err = base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return "", nil, errors.New("it is not a JWT")
	}
	return parts[0] + "." + parts[1], sig, nil
}

type accessToken struct {
	Aud   string   `json:"aud"`
	Iss   string   `json:"iss"`
	Iat   int64    `json:"iat"`
	Nbf   int64    `json:"nbf"`
	Exp   int64    `json:"exp"`
	AppID string   `json:"appid"`
	IDTyp string   `json:"idtyp"`
	OID   string   `json:"oid"`
	Roles []string `json:"roles"`
	TID   string   `json:"tid"`
	UTI   string   `json:"uti"`
	Ver   string   `json:"ver"`
}

// mint makes an access token. Its times are wall-clock ones, see Config.Now.
func (t *Tenant) mint(c *call, clientID, resource string) string {
	now := time.Now()
	oid := sha256.Sum256([]byte("service principal " + clientID))
	head, _ := json.Marshal(object{"typ": "JWT", "alg": "HS256"})
	body, _ := json.Marshal(accessToken{ // neither can fail
		Aud: resource, Iss: "https://sts.windows.net/" + t.cfg.TenantID + "/", Iat: now.Unix(), Nbf: now.Add(-5 * time.Minute).Unix(),
		Exp: now.Add(tokenLifetime).Unix(), AppID: clientID, IDTyp: "app", OID: guid(oid[:16]), Roles: orEmpty(t.st.Permissions[clientID]),
		TID: t.cfg.TenantID, UTI: c.requestID, Ver: "1.0"})
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64(head) + "." + b64(body)
	return signed + "." + b64(t.sign(signed))
}

// sign uses a key made of the configuration, so that tokens a client has cached
// stay good when the tenant is restarted.
func (t *Tenant) sign(s string) []byte {
	key := sha256.Sum256([]byte("entrasim token key " + t.cfg.TenantID + " " + t.cfg.ClientSecret))
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte(s))
	return m.Sum(nil)
}

// authorize checks the bearer token and returns its roles.
func (t *Tenant) authorize(c *call) ([]string, *reply) {
	refuse := func(why string) ([]string, *reply) {
		r := unauthorized(why)
		return nil, &r
	}
	jwt, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok || jwt == "" {
		return refuse("Access token is empty.")
	}
	var head struct{}
	var tok accessToken
	signed, sig, err := openJWT(jwt, &head, &tok)
	switch {
	case err != nil:
		return refuse("The access token cannot be read.")
	case !hmac.Equal(sig, t.sign(signed)):
		return refuse("The access token's signature is not this tenant's.")
	case tok.Exp <= time.Now().Unix():
		return refuse("Lifetime validation failed, the token is expired.")
	case tok.TID != t.cfg.TenantID || !slices.Contains(graphAudiences(c), strings.TrimSuffix(tok.Aud, "/")):
		return refuse("The access token is meant for another audience.")
	}
	c.appID = tok.AppID
	return tok.Roles, nil
}

// graphAudiences are Graph's names in the clouds that know passes, its app id,
// and this tenant's own base.
func graphAudiences(c *call) []string {
	return []string{"https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us", graphAppID, c.base()}
}

// openIDConfiguration is what MSAL reads first; the issuer must carry the host
// it was asked on.
func (t *Tenant) openIDConfiguration(c *call) reply {
	tenant, _, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/")
	if !strings.EqualFold(tenant, t.cfg.TenantID) {
		return c.tokenRefusal(http.StatusBadRequest, "invalid_tenant", 90002, "There is no such tenant.")
	}
	base := c.base() + "/" + t.cfg.TenantID
	return plainJSON(object{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"device_authorization_endpoint":         base + "/oauth2/v2.0/devicecode",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"end_session_endpoint":                  base + "/oauth2/v2.0/logout",
		"response_modes_supported":              []string{"query"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (t *Tenant) instanceDiscovery(c *call) reply {
	host := c.r.Host
	return plainJSON(object{
		"tenant_discovery_endpoint": c.base() + "/" + t.cfg.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{object{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}

func plainJSON(body object) reply {
	return reply{status: http.StatusOK, body: body, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
}

// managedIdentity plays App Service's token endpoint.
//
// Source: learn.microsoft.com/azure/app-service/overview-managed-identity
func (t *Tenant) managedIdentity(c *call) reply {
	if subtle.ConstantTimeCompare([]byte(c.r.Header.Get("X-IDENTITY-HEADER")), []byte(t.cfg.IdentityHeader)) != 1 {
		return reply{status: http.StatusUnauthorized, header: http.Header{"Content-Type": {"application/json"}},
			body: object{"statusCode": 401, "message": "The X-IDENTITY-HEADER is not the right one."}}
	}
	resource := strings.TrimSuffix(c.query.Get("resource"), "/.default")
	if resource == "" {
		return reply{status: http.StatusBadRequest, header: http.Header{"Content-Type": {"application/json"}},
			body: object{"statusCode": 400, "message": "The resource is missing."}}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return plainJSON(object{
		"access_token": t.mint(c, t.cfg.ClientID, resource),
		"expires_on":   fmt.Sprint(time.Now().Add(tokenLifetime).Unix()),
		"resource":     resource,
		"token_type":   "Bearer",
		"client_id":    t.cfg.ClientID,
	})
}
