package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"firstpass.internal/internal/outbound"
)

const (
	// issuerTimeout bounds a call to the issuer. HR systems wait for their answer
	// meanwhile, the strictest for 3 seconds.
	issuerTimeout = 2 * time.Second
	// issuerPause is the least time between two calls to the issuer that bad
	// requests can bring about.
	issuerPause = 10 * time.Second
	// issuerReply bounds what we read of a reply, in bytes.
	issuerReply = 1 << 20
	// maxToken bounds a token, in bytes.
	maxToken = 16 << 10
)

// jwtScheme checks a bearer token signed by an OIDC issuer.
type jwtScheme struct {
	issuer   *issuer
	audience string
	claims   map[string]string
}

func (b *builder) jwt() *jwtScheme {
	v := b.config
	if err := checkURL(v.Issuer); err != nil {
		b.bad("issuer", err.Error())
	}
	if v.Audience == "" {
		b.bad("audience", "missing; without it a token for another service would do")
	}
	transport, err := outbound.Transport(v.CAFile)
	if err != nil {
		b.bad("ca_file", err.Error())
	}
	return &jwtScheme{
		issuer:   newIssuer(v.Issuer, limited{transport}),
		audience: v.Audience,
		claims:   v.Claims,
	}
}

// checkURL accepts https, and on loopback plain http. Unlike other addresses of
// ours an issuer may have a path.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("not of the form https://host/path")
	}
	return outbound.CheckRoot(u.Scheme + "://" + u.Host)
}

func (s *jwtScheme) verify(ctx context.Context, r Request, now time.Time) (time.Time, error) {
	raw, err := bearer(r)
	if err != nil {
		return time.Time{}, err
	}
	// The compact form only (RFC 7519): the library would read others too.
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 || strings.Contains(raw, "{") {
		return time.Time{}, errToken
	}
	keys := &keySet{issuer: s.issuer, now: now}
	token, err := oidc.NewVerifier(s.issuer.url, keys, &oidc.Config{
		ClientID: s.audience,
		// Public keys only. With HS256 on the list a public key would do as a secret.
		SupportedSigningAlgs: []string{oidc.RS256, oidc.ES256, oidc.PS256},
		Now:                  func() time.Time { return now },
	}).Verify(ctx, raw)
	switch {
	case keys.err != nil:
		return time.Time{}, keys.err // the library's error hides it
	case err != nil:
		return time.Time{}, errToken // it may quote the token
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return time.Time{}, errToken
	}
	for name, want := range s.claims {
		if !claimHas(claims[name], want) {
			return time.Time{}, errClaims
		}
	}
	return time.Time{}, nil
}

// claimHas reports whether a claim is the text want or a list with it.
func claimHas(claim any, want string) bool {
	if list, ok := claim.([]any); ok {
		return slices.Contains(list, any(want))
	}
	return claim == any(want)
}

// keySet is the issuer's keys as one request sees them: the clock and the error
// are its own.
type keySet struct {
	issuer *issuer
	now    time.Time
	err    error
}

// VerifySignature implements oidc.KeySet. It is called once the token's
// algorithm is known to be one of ours, so that other rubbish costs no call.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.issuer.verify(ctx, jwt, k.now)
	k.err = err
	return payload, err
}

// issuer knows an OIDC issuer's keys once they are needed. What can't be had is
// asked for again, but not for every bad request. Where the keys are is asked
// once: issuers move them between addresses about never.
type issuer struct {
	url    string
	client *http.Client
	gate   *gate

	turn   chan struct{} // holds one token: whoever has it may touch what follows
	keys   *oidc.RemoteKeySet
	failed time.Time // of the last discovery
}

func newIssuer(root string, transport http.RoundTripper) *issuer {
	out := &issuer{
		url:    root,
		client: outbound.Client(transport, issuerTimeout),
		gate:   &gate{next: transport},
		turn:   make(chan struct{}, 1),
	}
	out.turn <- struct{}{}
	return out
}

func (i *issuer) verify(ctx context.Context, jwt string, now time.Time) ([]byte, error) {
	keys, err := i.discovered(ctx, now)
	if err != nil {
		return nil, err
	}
	i.gate.tick(now)
	payload, err := keys.VerifySignature(ctx, jwt)
	switch {
	case err == nil:
		return payload, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	case errors.Is(err, errPaused):
		// The keys we have don't fit, and the issuer was asked for others just now.
		if i.gate.broken() {
			return nil, ErrUnavailable
		}
		return nil, errSignature
	case errors.Unwrap(err) != nil:
		// The library wraps what went wrong in fetching, and only that.
		i.gate.ended(true)
		return nil, ErrUnavailable
	}
	return nil, errSignature
}

// discovered returns the issuer's key set, by discovery if need be.
func (i *issuer) discovered(ctx context.Context, now time.Time) (*oidc.RemoteKeySet, error) {
	select {
	case <-i.turn:
		defer func() { i.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	if i.keys != nil {
		return i.keys, nil
	}
	if !i.failed.IsZero() && now.Sub(i.failed).Abs() < issuerPause {
		return nil, ErrUnavailable
	}
	// Others wait for this, so it goes on if this request is given up.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), i.client)
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	provider, err := oidc.NewProvider(ctx, i.url)
	if err == nil {
		err = provider.Claims(&document)
	}
	if err == nil {
		err = checkKeysURL(document.Keys)
	}
	if err != nil {
		i.failed = now
		return nil, ErrUnavailable // the cause quotes the reply
	}
	i.keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), outbound.Client(i.gate, issuerTimeout)), document.Keys)
	return i.keys, nil
}

// checkKeysURL is checkURL for the address that discovery gives, which may have
// a query.
func checkKeysURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	u.RawQuery = ""
	return checkURL(u.String())
}

var errPaused = errors.New("the issuer was asked for its keys just now")

// gate lets one request for keys through in each pause. The library asks for
// keys whenever a signature doesn't fit, which any sender of rubbish can cause.
type gate struct {
	next http.RoundTripper

	mu     sync.Mutex
	now    time.Time // of the request that was judged last
	opened time.Time
	failed bool // the last request for keys
}

func (g *gate) tick(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = now
}

func (g *gate) ended(failed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = failed
}

func (g *gate) broken() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// enter reports whether a request for keys may be made now.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.opened.IsZero() && g.now.Sub(g.opened).Abs() < issuerPause {
		return false
	}
	g.opened = g.now
	g.failed = true // until a good reply is there
	return true
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.enter() {
		return nil, errPaused
	}
	resp, err := g.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK {
		g.ended(false)
	}
	return resp, err
}

// limited cuts replies off, because the library reads all there is.
type limited struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, issuerReply), resp.Body}
	return resp, nil
}
