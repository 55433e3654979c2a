package feed

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

const opToken = "get token"

// credentials prove to an HR system who we are.
type credentials struct {
	kind       config.AuthKind
	user, file string
	header     string // the header that carries the proof

	client *http.Client // for the token endpoint
	mu     sync.Mutex
	secret string
	oauth  *clientcredentials.Config // of oauth2
	token  *oauth2.Token             // nil for none yet
}

func newCredentials(p *problems, at string, a config.Auth, client *http.Client) *credentials {
	c := &credentials{kind: a.Kind, user: a.User, file: a.SecretFile, header: "Authorization", client: client}
	if a.Kind == config.AuthNone {
		return c
	}
	var err error
	c.secret, err = readSecret(a.SecretFile)
	p.addIf(at+".secret_file", err)
	switch a.Kind {
	case config.AuthHeader:
		c.header = a.Header
		if !token(a.Header) {
			p.add(at+".header", "not the name of a header")
		}
	case config.AuthOAuth2:
		u, err := url.Parse(a.TokenURL)
		if err != nil || u.User != nil || u.Fragment != "" || outbound.CheckRoot(u.Scheme+"://"+u.Host) != nil {
			p.add(at+".token_url", "not of the form https://host/path")
		}
		c.oauth = &clientcredentials.Config{ClientID: a.User, ClientSecret: c.secret, TokenURL: a.TokenURL,
			Scopes: strings.Fields(a.Scope)}
	}
	return c
}

// readSecret reads a secret that fits into a header.
func readSecret(file string) (string, error) {
	s, err := outbound.Secret(file)
	if err == nil && !oneLine(s) {
		return "", fmt.Errorf("%s holds more than one line", file)
	}
	return s, err
}

// proof returns the value of the header, or nothing if there is none to send.
func (c *credentials) proof(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kind != config.AuthOAuth2 {
		return c.static(), nil
	}
	if !c.token.Valid() {
		t, err := c.fetch(ctx)
		if err != nil {
			return "", err
		}
		c.token = t
	}
	return bearing(c.token), nil
}

func bearing(t *oauth2.Token) string { return t.Type() + " " + t.AccessToken }

func (c *credentials) static() string {
	switch c.kind {
	case config.AuthBasic:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+c.secret))
	case config.AuthBearer:
		return "Bearer " + c.secret
	case config.AuthHeader:
		return c.secret
	}
	return ""
}

// renew gets rid of a proof that was refused. It reports whether there may be a
// better one.
func (c *credentials) renew(refused string) bool {
	if c.kind == config.AuthNone {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reread()
	if c.kind != config.AuthOAuth2 {
		return c.static() != refused
	}
	if c.token != nil && bearing(c.token) == refused { // else another call was faster
		c.token = nil
	}
	return true
}

// reread reports whether the file holds another secret now. While it can't be
// read, the old one stays.
func (c *credentials) reread() bool {
	s, err := readSecret(c.file)
	if err != nil || s == c.secret {
		return false
	}
	c.secret = s
	if c.oauth != nil {
		c.oauth.ClientSecret = s
	}
	return true
}

// fetch asks the token endpoint. If it refuses, and there is a new secret, it
// asks again.
func (c *credentials) fetch(ctx context.Context) (*oauth2.Token, error) {
	ask := context.WithValue(ctx, oauth2.HTTPClient, c.client)
	t, err := c.oauth.Token(ask)
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) && c.reread() {
		t, err = c.oauth.Token(ask)
	}
	if err != nil {
		return nil, c.tokenFault(ctx, err)
	}
	if !oneLine(t.AccessToken) {
		return nil, refused(opToken, codeMalformed, "the token can't be sent in a header")
	}
	return t, nil
}

// tokenFault tells err, whose own text quotes the answer.
func (c *credentials) tokenFault(ctx context.Context, err error) error {
	var (
		answer *oauth2.RetrieveError
		call   *url.Error
	)
	switch {
	case errors.As(err, &answer):
		if s := answer.Response.StatusCode; s >= 300 && s < 400 {
			return redirected(opToken, answer.Response, answer.Response.Request.URL)
		}
		f := &jml.Fault{System: system, Op: opToken, Status: answer.Response.StatusCode,
			Kind: kindOf(answer.Response.StatusCode), RetryAfter: outbound.RetryAfter(answer.Response.Header, time.Now())}
		if known := oauthErrors(); slices.Contains(known, answer.ErrorCode) {
			f.Kind, f.Code = jml.FaultDenied, answer.ErrorCode
		}
		return f
	case errors.As(err, &call) || ctx.Err() != nil:
		return unanswered(ctx, opToken, err)
	}
	return refused(opToken, codeMalformed, "the answer of token_url holds no token")
}

// oauthErrors are the codes of RFC 6749, 5.2. Others are not repeated.
func oauthErrors() []string {
	return []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
		"unsupported_grant_type", "invalid_scope"}
}
