package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

const (
	headerLimit = 256 << 10 // bytes of a reply's header
	drainLimit  = 64 << 10  // bytes of a refusal that are read to keep the connection
	// nodeBytes is the least that a value takes in a reply that is written for
	// real. A reply of the largest size has room for no more values than that.
	nodeBytes = 8
)

// Caller calls an HR system. Several goroutines may use it; they share the rate.
//
// It reads the secret once, and again when the HR system answers 401, so that a
// secret can be replaced without a restart. A client certificate is read for
// every new connection.
type Caller struct {
	op        string
	at        string
	url, body *mapping.Expr // body is nil for none
	method    string
	header    http.Header
	hosts     map[string]bool
	limit     *rate.Limiter
	client    *http.Client
	auth      *credentials
	maxReply  int64
}

// Reply is what an HR system answered.
type Reply struct {
	URL    string            // that answered
	Header map[string]string // lower-case names
	Tree   any               // nil for status 204
}

// NewCaller compiles the expressions of r, which has passed config's validation,
// and reads its secrets. at is the path of r, as in sources[0].poll.request.
// scope is what the expressions may use: mapping.ScopeRequest or
// mapping.ScopeFetchRequest. Errors are *config.Error, all at once.
func NewCaller(at string, r config.Request, c *mapping.Compiler, scope mapping.Scope) (*Caller, error) {
	var p problems
	call := &Caller{op: "poll", at: at, method: r.Method, header: http.Header{}, hosts: map[string]bool{},
		limit: rate.NewLimiter(rate.Limit(r.PerSecond), 1), maxReply: int64(r.MaxReply)}
	if scope == mapping.ScopeFetchRequest {
		call.op = "fetch"
	}
	var err error
	call.url, err = c.Text(scope, r.URL)
	p.addIf(at+".url", err)
	if r.Body != "" {
		call.body, err = c.Text(scope, r.Body)
		p.addIf(at+".body", err)
	}
	for _, h := range r.AllowHosts {
		call.hosts[strings.ToLower(h)] = true
	}
	call.headers(&p, at, r)
	transport, err := outbound.Transport(r.CAFile)
	if err != nil {
		p.addIf(at+".ca_file", err)
		return nil, p.join()
	}
	transport.MaxResponseHeaderBytes = headerLimit
	clientCertificate(&p, at+".auth", r.Auth, transport.TLSClientConfig)
	call.client = outbound.Client(transport, r.Timeout)
	call.auth = newCredentials(&p, at+".auth", r.Auth, call.client)
	if err := p.join(); err != nil {
		return nil, err
	}
	return call, nil
}

func (c *Caller) headers(p *problems, at string, r config.Request) {
	c.header.Set("Accept", "application/json, application/xml;q=0.9, text/xml;q=0.9")
	c.header.Set("User-Agent", "firstpass")
	if r.Body != "" {
		c.header.Set("Content-Type", "application/json")
	}
	for name, value := range r.Headers {
		switch {
		case !token(name) || !oneLine(value):
			p.add(at+".headers."+name, "can't be sent as a header")
		case strings.EqualFold(name, "Accept-Encoding"):
			p.add(at+".headers."+name, "leave it out; replies are asked for with gzip")
		default:
			c.header.Set(name, value)
		}
	}
}

// clientCertificate makes every new connection read the certificate anew.
func clientCertificate(p *problems, at string, a config.Auth, t *tls.Config) {
	if a.CertificateFile == "" {
		return
	}
	if _, err := tls.LoadX509KeyPair(a.CertificateFile, a.KeyFile); err != nil {
		p.add(at+".certificate_file", "can't be used with key_file: "+err.Error())
		return
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(a.CertificateFile, a.KeyFile)
		return &pair, err
	}
}

// Call calls the HR system and returns its answer. It follows no redirect, and
// waits where calls are due too fast.
func (c *Caller) Call(ctx context.Context, v mapping.Vars) (Reply, error) {
	u, body, err := c.target(ctx, v)
	if err != nil {
		return Reply{}, err
	}
	return c.send(ctx, u, body)
}

// target returns where to call, and what to send there.
func (c *Caller) target(ctx context.Context, v mapping.Vars) (*url.URL, string, error) {
	raw, err := c.url.Text(ctx, v)
	if err != nil {
		return nil, "", fmt.Errorf("%s.url: %w", c.at, err)
	}
	u, err := c.parse(nil, raw)
	if err != nil {
		return nil, "", err
	}
	if c.body == nil {
		return u, "", nil
	}
	body, err := c.body.Text(ctx, v)
	if err != nil {
		return nil, "", fmt.Errorf("%s.body: %w", c.at, err)
	}
	return u, body, nil
}

// parse reads a URL, which may be relative to from.
func (c *Caller) parse(from *url.URL, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refused(c.op, codeHost, "what should be a URL is none") // err quotes it
	}
	if from != nil {
		u = from.ResolveReference(u)
	}
	// Operators write filters with spaces, and servers give links back as they
	// were written. net/http would send them as they stand.
	u.RawQuery = escaped(u.RawQuery)
	return u, c.allowed(u)
}

// escaped replaces what may not stand in a query (RFC 3986, 3.4), and leaves
// what is escaped already.
func escaped(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if ch := query[i]; ch <= ' ' || ch >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", ch) >= 0 {
			fmt.Fprintf(&b, "%%%02X", ch)
		} else {
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// allowed keeps secrets from travelling to a host that the operator did not
// name: expressions and next links are made of what others sent.
func (c *Caller) allowed(u *url.URL) error {
	switch {
	case u.User != nil:
		return refused(c.op, codeHost, "the URL holds a user; set auth instead")
	case u.Fragment != "" || u.RawFragment != "":
		return refused(c.op, codeHost, "the URL has a fragment")
	case u.Opaque != "" || outbound.CheckRoot(u.Scheme+"://"+u.Host) != nil:
		return refused(c.op, codeHost, "the URL is not https")
	case !ascii(u.Host) || !c.hosts[host(u)]:
		return refused(c.op, codeHost, "the URL's host is not in allow_hosts")
	}
	return nil
}

// host returns u's host in lower case, with the port unless it is the scheme's.
func host(u *url.URL) string {
	h := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(h, ":443")
	case "http":
		return strings.TrimSuffix(h, ":80")
	}
	return h
}

// ascii reports whether s is only that. U+0130 lower-cases to i, but net/http
// calls another host for it, whose name anybody could register.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func oneLine(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }

// token reports whether s is a header's name (RFC 9110, 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// send is the only way out: whatever made the URL, it is checked here.
func (c *Caller) send(ctx context.Context, u *url.URL, body string) (Reply, error) {
	if err := c.allowed(u); err != nil {
		return Reply{}, err
	}
	for again := false; ; again = true {
		proof, err := c.auth.proof(ctx)
		if err != nil {
			return Reply{}, err
		}
		reply, err := c.once(ctx, u, body, proof)
		var f *jml.Fault
		if errors.As(err, &f) && f.Status == http.StatusUnauthorized && !again && c.auth.renew(proof) {
			continue
		}
		return reply, err
	}
}

func (c *Caller) once(ctx context.Context, u *url.URL, body, proof string) (Reply, error) {
	if err := c.limit.Wait(ctx); err != nil {
		f := &jml.Fault{System: system, Op: c.op, Kind: jml.FaultThrottled, Code: "perSecond"}
		return Reply{}, fmt.Errorf("%w: per_second leaves no time for this call", outbound.Told(ctx, f))
	}
	brief, cancel := context.WithTimeout(ctx, c.client.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(brief, c.method, u.String(), strings.NewReader(body))
	if err != nil {
		return Reply{}, refused(c.op, codeHost, "what should be a URL is none")
	}
	req.Header = c.header.Clone()
	if proof != "" {
		req.Header.Set(c.auth.header, proof)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return Reply{}, unanswered(ctx, c.op, err)
	}
	defer res.Body.Close() //nolint:errcheck // what was read is judged, not how it ended
	t, err := c.read(ctx, res, u)
	if err != nil {
		return Reply{}, err
	}
	return Reply{URL: u.String(), Header: lower(res.Header), Tree: t}, nil
}

func lower(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return out
}

func (c *Caller) read(ctx context.Context, res *http.Response, u *url.URL) (any, error) {
	switch {
	case res.StatusCode == http.StatusNoContent:
		return nil, nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return nil, redirected(c.op, res, u)
	case res.StatusCode < 200 || res.StatusCode >= 300:
		_, _ = io.CopyN(io.Discard, res.Body, drainLimit)
		return nil, &jml.Fault{System: system, Op: c.op, Kind: kindOf(res.StatusCode), Status: res.StatusCode,
			RetryAfter: outbound.RetryAfter(res.Header, time.Now())}
	}
	contentType := res.Header.Get("Content-Type")
	if text := unreadable(contentType); text != "" {
		return nil, c.bad(res, codeMalformed, errors.New(text))
	}
	if res.Header.Get("Content-Encoding") != "" {
		return nil, c.bad(res, codeMalformed, errors.New("answered with a compression that was not asked for"))
	}
	// This counts what is left after unpacking.
	body, err := io.ReadAll(io.LimitReader(res.Body, c.maxReply+1))
	if err == nil {
		// A server that sees us go may still end a reply it has not finished, and
		// half a reply looks whole then.
		err = res.Request.Context().Err()
	}
	if err != nil {
		return nil, unanswered(ctx, c.op, err)
	}
	if int64(len(body)) > c.maxReply {
		return nil, c.bad(res, codeTooLarge, fmt.Errorf("the answer is larger than max_reply, %d bytes", c.maxReply))
	}
	t, err := tree.Decode(contentType, body, limits(c.maxReply))
	if err != nil {
		return nil, c.bad(res, codeMalformed, err)
	}
	return t, nil
}

func (c *Caller) bad(res *http.Response, code string, err error) error {
	return fmt.Errorf("%w: %w",
		&jml.Fault{System: system, Op: c.op, Kind: jml.FaultRefused, Status: res.StatusCode, Code: code}, err)
}

// limits lets a body of size bytes hold as many values as one written for real.
func limits(size int64) tree.Limits {
	l := tree.DefaultLimits()
	l.Nodes = max(l.Nodes, int(size/nodeBytes))
	return l
}

// unreadable says why a reply of that type is not read, or nothing. A reply
// without a type is tried as JSON.
func unreadable(contentType string) string {
	if contentType == "" {
		return ""
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case media == "text/html" || media == "application/xhtml+xml":
		return "answered with text/html, a sign-in page perhaps"
	case err != nil:
		return "answered with a Content-Type that can't be read"
	case media == "application/json", media == "text/json", strings.HasSuffix(media, "+json"),
		media == "application/xml", media == "text/xml", strings.HasSuffix(media, "+xml"):
		return ""
	}
	return "answered with neither JSON nor XML"
}
