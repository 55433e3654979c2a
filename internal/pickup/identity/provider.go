package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"firstpass.internal/internal/outbound"
)

const (
	// callLimit bounds one call to a provider.
	callLimit = 10 * time.Second
	// maxReply bounds a reply, in bytes.
	maxReply = 1 << 20
	// discoverEvery is how long a discovery document is trusted to be current.
	discoverEvery = time.Hour
	// retryAfter is how long a failed discovery is not tried again, so that a
	// queue of visitors does not wait for one time limit after the other.
	retryAfter = 5 * time.Second
)

// provider is an OpenID provider. Nothing is asked of it before the first
// visitor.
type provider struct {
	name      string
	cfg       Proof
	scopes    []string
	match     *rule
	subject   *rule
	returnURL string
	now       func() time.Time
	client    *http.Client

	busy    chan struct{} // holds a token while somebody discovers; guards the rest
	known   *metadata
	tried   time.Time
	failure error // of the last try
}

// metadata is what discovery gave.
type metadata struct {
	provider    *oidc.Provider
	oauth       oauth2.Config
	verifier    *oidc.IDTokenVerifier
	namesItself bool // answers carry iss (RFC 9207)
}

// Origin is scheme and host of the page that Begin leads to, for a content
// security policy.
func (v *Verifier) Origin(ctx context.Context, name string) (string, error) {
	p, ok := v.providers[name]
	if !ok {
		return "", unknown(name)
	}
	m, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(m.oauth.Endpoint.AuthURL)
	if err != nil {
		return "", p.unavailable("its authorization_endpoint is no URL") // discover has checked it
	}
	return u.Scheme + "://" + u.Host, nil
}

// discover returns what is known of the provider, and asks when nothing is, or
// when it is old. An old document outlasts a provider that is down.
func (p *provider) discover(ctx context.Context) (*metadata, error) {
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	case <-ctx.Done():
		return nil, p.unavailable("nobody waited for it")
	}
	age := p.now().Sub(p.tried)
	fresh := p.known != nil && p.failure == nil && age < discoverEvery || p.failure != nil && age < retryAfter
	if !fresh || age < 0 {
		m, err := p.ask(ctx)
		if ctx.Err() != nil && err != nil {
			return nil, p.unavailable("nobody waited for it") // that says nothing of the provider
		}
		p.tried, p.failure = p.now(), err
		if err == nil {
			p.known = m
		}
	}
	if p.known == nil {
		return nil, p.failure
	}
	return p.known, nil
}

// ask fetches the discovery document.
func (p *provider) ask(ctx context.Context) (*metadata, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.cfg.Issuer)
	if err != nil {
		var (
			lost  *url.Error
			other *oidc.IssuerMismatchError
		)
		switch {
		case errors.As(err, &other):
			return nil, p.unavailable("it calls itself by another issuer; write proofs." + p.name + ".issuer as the provider does")
		case errors.As(err, &lost):
			return nil, p.unavailable("discovery: " + outbound.NoAnswer(err))
		}
		return nil, p.unavailable("its discovery document can't be read")
	}
	var doc struct {
		Auth        string   `json:"authorization_endpoint"`
		Token       string   `json:"token_endpoint"`
		Keys        string   `json:"jwks_uri"`
		UserInfo    string   `json:"userinfo_endpoint"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := found.Claims(&doc); err != nil {
		return nil, p.unavailable("its discovery document can't be read")
	}
	for key, address := range map[string]string{"authorization_endpoint": doc.Auth, "token_endpoint": doc.Token, "jwks_uri": doc.Keys, "userinfo_endpoint": doc.UserInfo} {
		if address == "" && key == "userinfo_endpoint" && !p.cfg.UserInfo {
			continue
		}
		if err := absolute(address); err != nil {
			return nil, p.unavailable("its " + key + " is " + err.Error())
		}
	}
	endpoint := oauth2.Endpoint{AuthURL: doc.Auth, TokenURL: doc.Token}
	// Said outright, since the library would else try one after the other and
	// send the code twice. The default is client_secret_basic (OpenID Connect
	// Discovery, 3).
	switch {
	case len(doc.AuthMethods) == 0, slices.Contains(doc.AuthMethods, "client_secret_basic"):
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	case slices.Contains(doc.AuthMethods, "client_secret_post"):
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	default:
		return nil, p.unavailable("it takes neither client_secret_basic nor client_secret_post")
	}
	return &metadata{
		provider: found,
		oauth: oauth2.Config{ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, Endpoint: endpoint,
			RedirectURL: p.returnURL, Scopes: p.scopes},
		// Only algorithms with a public key are ever taken, never none or HMAC.
		verifier:    found.Verifier(&oidc.Config{ClientID: p.cfg.ClientID, Now: p.now}),
		namesItself: doc.NamesItself,
	}, nil
}

// exchangeFailed sorts an error of the token endpoint.
func (p *provider) exchangeFailed(err error) error {
	var (
		lost *url.Error
		said *oauth2.RetrieveError
	)
	switch {
	case errors.As(err, &lost):
		return p.unavailable("token: " + outbound.NoAnswer(err))
	case !errors.As(err, &said):
		return p.unavailable("its token endpoint answered something else than a token")
	case said.Response != nil && (said.Response.StatusCode >= 500 || said.Response.StatusCode == http.StatusTooManyRequests):
		return p.unavailable(fmt.Sprintf("its token endpoint answered %d", said.Response.StatusCode))
	case said.ErrorCode == "invalid_client" || said.ErrorCode == "unauthorized_client":
		return p.unavailable("its token endpoint answered " + said.ErrorCode + "; check proofs." + p.name + ".client_id and client_secret_file")
	}
	return p.refused("its token endpoint answered " + knownCode(said.ErrorCode))
}

// tokenFailed sorts an error of go-oidc's Verify by how its text begins; what
// follows quotes the token.
func (p *provider) tokenFailed(err error) error {
	var expired *oidc.TokenExpiredError
	if errors.As(err, &expired) {
		return p.refused("the ID token has expired; are the clocks right?")
	}
	text := err.Error()
	for _, known := range []struct {
		begins string
		as     error
	}{
		{"failed to verify signature: fetching keys", p.unavailable("its keys can't be fetched")},
		{"failed to verify signature", p.refused("the ID token is signed by none of the provider's keys")},
		{"oidc: malformed jwt", p.refused("the ID token is none, or is signed by an algorithm that the provider does not announce")},
		{"oidc: id token issued by", p.refused("the ID token is of another issuer")},
		{"oidc: expected audience", p.refused("the ID token is for another client")},
		{"oidc: current time", p.refused("the ID token is not valid yet; are the clocks right?")},
	} {
		if strings.HasPrefix(text, known.begins) {
			return known.as
		}
	}
	return p.refused("the ID token can't be read")
}

func (p *provider) unavailable(why string) error {
	return fmt.Errorf("proofs.%s: %w: %s", p.name, ErrUnavailable, why)
}

func (p *provider) refused(why string) error {
	return fmt.Errorf("proofs.%s: %w: %s", p.name, ErrRefused, why)
}

// absolute accepts https URLs without user and fragment; on loopback http too.
func absolute(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("not an absolute https URL")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return errors.New("not https")
}
