package feed_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestCall(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		reply(w, fmt.Sprintf(`{"path":%q,"query":%q,"body":%q,"type":%q,"team":%q}`,
			r.URL.Path, r.URL.RawQuery, body, r.Header.Get("Content-Type"), r.Header.Get("X-Team")))
	})
	r := a.request("")
	r.Method, r.Headers = "POST", map[string]string{"X-Team": "it"}
	r.URL = `settings.base + "/staff?filter=start gt '" + since + "'&x=%20é"`
	r.Body = `"{\"now\":\"" + now + "\"}"`
	got, err := newCaller(t, r).Call(t.Context(), mapping.Vars{
		Settings: map[string]string{"base": a.URL}, Since: "2027-01-02T03:04:05Z", Now: "2027-02-02T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"path": "/staff", "query": "filter=start%20gt%20'2027-01-02T03:04:05Z'&x=%20%C3%A9",
		"body": `{"now":"2027-02-02T00:00:00Z"}`, "type": "application/json", "team": "it"}
	if d := cmp.Diff(want, got.Tree); d != "" {
		t.Error(d)
	}
	if got.Header["content-type"] != "application/json" {
		t.Errorf("got header %v", got.Header)
	}
}

func TestAnswers(t *testing.T) {
	gzipped := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return b.String()
	}
	type answer struct {
		status int
		header map[string]string
		body   string
	}
	js := map[string]string{"Content-Type": "application/json; charset=utf-8"}
	tests := map[string]struct {
		answer answer
		tree   any
		kind   jml.FaultKind
		text   string
	}{
		"json":                {answer: answer{200, js, `{"a":9007199254740993}`}, tree: map[string]any{"a": int64(9007199254740993)}},
		"problem json":        {answer: answer{200, map[string]string{"Content-Type": "application/vnd.hr+json"}, `[1]`}, tree: []any{int64(1)}},
		"xml":                 {answer: answer{200, map[string]string{"Content-Type": "text/xml"}, `<a><b>1</b></a>`}, tree: map[string]any{"a": map[string]any{"b": "1"}}},
		"nothing":             {answer: answer{204, nil, ""}},
		"packed":              {answer: answer{200, map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzipped(`[2]`)}, tree: []any{int64(2)}},
		"bomb":                {answer: answer{200, map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzipped(`"` + strings.Repeat("a", 2<<20) + `"`)}, kind: jml.FaultRefused, text: "larger than max_reply"},
		"huge":                {answer: answer{200, js, `"` + strings.Repeat("a", 1<<20) + `"`}, kind: jml.FaultRefused, text: "larger than max_reply"},
		"packed otherwise":    {answer: answer{200, map[string]string{"Content-Type": "application/json", "Content-Encoding": "br"}, `[2]`}, kind: jml.FaultRefused, text: "compression"},
		"sign-in page":        {answer: answer{200, map[string]string{"Content-Type": "text/html"}, `<html>Hello Jonas</html>`}, kind: jml.FaultRefused, text: "answered with text/html, a sign-in page perhaps"},
		"text":                {answer: answer{200, map[string]string{"Content-Type": "text/plain"}, `{}`}, kind: jml.FaultRefused, text: "neither JSON nor XML"},
		"malformed":           {answer: answer{200, js, `{"name":"Jonas`}, kind: jml.FaultRefused, text: "malformedReply"},
		"denied":              {answer: answer{403, js, `{"secret":1}`}, kind: jml.FaultDenied, text: "403"},
		"denied, no auth":     {answer: answer{401, js, `{}`}, kind: jml.FaultDenied, text: "401"},
		"absent":              {answer: answer{404, js, ""}, kind: jml.FaultNotFound},
		"gone":                {answer: answer{410, js, ""}, kind: jml.FaultNotFound},
		"bad request":         {answer: answer{400, js, ""}, kind: jml.FaultRefused},
		"down":                {answer: answer{502, js, ""}, kind: jml.FaultUnavailable},
		"redirect here":       {answer: answer{302, map[string]string{"Location": "/secret"}, ""}, kind: jml.FaultRefused, text: "redirect to the same host: fix the URL"},
		"redirect there":      {answer: answer{307, map[string]string{"Location": "https://hr.example.org/secret"}, ""}, kind: jml.FaultRefused, text: "redirect to another host: fix the URL"},
		"redirect, no target": {answer: answer{300, nil, ""}, kind: jml.FaultRefused, text: "redirect to nowhere"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tt.answer.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.answer.status)
				_, _ = io.WriteString(w, tt.answer.body)
			})
			got, err := newCaller(t, a.request("/")).Call(t.Context(), mapping.Vars{})
			if tt.kind != "" {
				wantFault(t, err, tt.kind, tt.text)
				if feed.Absent(err) != (tt.kind == jml.FaultNotFound) {
					t.Errorf("Absent: %t", feed.Absent(err))
				}
				if n := len(a.requests()); n != 1 {
					t.Errorf("%d requests", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.tree, got.Tree); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestThrottled(t *testing.T) {
	for _, status := range []int{429, 503} {
		a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(status)
		})
		_, err := newCaller(t, a.request("/")).Call(t.Context(), mapping.Vars{})
		if f := fault(t, err); f.Kind != jml.FaultThrottled || f.RetryAfter != 17*time.Second || !f.Retryable() {
			t.Errorf("got %+v", f)
		}
	}
}

func TestSlowReply(t *testing.T) {
	done := make(chan struct{})
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "[")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-done:
		}
	})
	t.Cleanup(func() { close(done) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := newCaller(t, a.request("/")).Call(ctx, mapping.Vars{})
	wantFault(t, err, jml.FaultUnavailable, "timeout")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the end of the context does not show")
	}
	r := a.request("/")
	r.Timeout = 50 * time.Millisecond
	_, err = newCaller(t, r).Call(t.Context(), mapping.Vars{})
	wantFault(t, err, jml.FaultUnavailable, "timeout")
}

func TestBrokenReply(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		reply(w, `[`)
	})
	_, err := newCaller(t, a.request("/")).Call(t.Context(), mapping.Vars{})
	wantFault(t, err, jml.FaultUnavailable, "connectionBroken")
}

func TestPerSecond(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	r := a.request("/")
	r.PerSecond = 1
	c := newCaller(t, r)
	if _, err := c.Call(t.Context(), mapping.Vars{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	// There is no time for the second call, and that is known at once.
	_, err := c.Call(ctx, mapping.Vars{})
	wantFault(t, err, jml.FaultThrottled, "per_second")
	if n := len(a.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// No secret may reach a host that is not named, whatever an expression says.
func TestAllowHosts(t *testing.T) {
	foreign := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	_, port, _ := net.SplitHostPort(a.host())
	for _, raw := range []string{
		foreign.URL,
		"https://localhost:" + port, // the same machine, another name
		"https://127.0.0.1",
		"https://user:pw@" + a.host(),
		"https://" + a.host() + "@" + foreign.host(),
		"https://" + a.host() + `\@` + foreign.host(),
		a.URL + "/#x",
		"http://" + a.host() + ".example.org",
		"http://hr.example.org",
		"ftp://" + a.host(),
		"//" + a.host(),
		"https:" + a.host(),
		"https://127.0.0.1.:" + port,
		"https://127.0.0.1:" + port + ":443",
		"https://１27.0.0.1:" + port, // net/http makes it a 1
		"/", "", "\n", "https://%31",
	} {
		r := a.request("")
		r.URL = "settings.url"
		r.Auth = config.Auth{Kind: config.AuthBearer, SecretFile: write(t, t.TempDir(), "key", "k-123\n")}
		_, err := newCaller(t, r).Call(t.Context(), mapping.Vars{Settings: map[string]string{"url": raw}})
		if err == nil {
			t.Errorf("%q was called", raw)
			continue
		}
		wantFault(t, err, jml.FaultRefused, "hostNotAllowed")
	}
	for _, x := range []*api{a, foreign} {
		if n := len(x.requests()); n != 0 {
			t.Errorf("%d requests went out", n)
		}
	}
}

func TestAllowHostsIgnoresCase(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	_, port, _ := net.SplitHostPort(a.host())
	r := a.request("")
	r.URL, r.AllowHosts = `"https://LocalHost:`+port+`/"`, []string{"localHOST:" + port}
	_, err := newCaller(t, r).Call(t.Context(), mapping.Vars{})
	// The certificate does not have that name: so it was called.
	wantFault(t, err, jml.FaultUnavailable, "another host")
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	foreign := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, foreign.URL, http.StatusFound) })
	r := a.request("/")
	r.AllowHosts = append(r.AllowHosts, foreign.host()) // not even there
	r.Auth = config.Auth{Kind: config.AuthBasic, User: "u", SecretFile: write(t, t.TempDir(), "key", "p")}
	_, err := newCaller(t, r).Call(t.Context(), mapping.Vars{})
	wantFault(t, err, jml.FaultRefused, "redirect to another host")
	if n := len(foreign.requests()); n != 0 {
		t.Errorf("%d requests went to the other host", n)
	}
}

func TestAuth(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	key := write(t, t.TempDir(), "key", "k-123\n")
	for want, auth := range map[string]config.Auth{
		"Basic aHI6ay0xMjM=": {Kind: config.AuthBasic, User: "hr", SecretFile: key},
		"Bearer k-123":       {Kind: config.AuthBearer, SecretFile: key},
		"k-123":              {Kind: config.AuthHeader, Header: "X-Api-Key", SecretFile: key},
	} {
		r := a.request("/")
		r.Auth = auth
		if _, err := newCaller(t, r).Call(t.Context(), mapping.Vars{}); err != nil {
			t.Fatal(err)
		}
		seen := a.requests()
		name := "Authorization"
		if auth.Header != "" {
			name = auth.Header
		}
		if got := seen[len(seen)-1].Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", auth.Kind, got, want)
		}
	}
}

// A secret that was replaced in its file is taken up at the first refusal.
func TestSecretRotation(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		reply(w, "[]")
	})
	dir := t.TempDir()
	r := a.request("/")
	r.Auth = config.Auth{Kind: config.AuthBearer, SecretFile: write(t, dir, "key", "old")}
	c := newCaller(t, r)
	_, err := c.Call(t.Context(), mapping.Vars{})
	wantFault(t, err, jml.FaultDenied)
	if n := len(a.requests()); n != 1 {
		t.Errorf("%d requests with a secret that did not change", n)
	}
	write(t, dir, "key", "new")
	if _, err := c.Call(t.Context(), mapping.Vars{}); err != nil {
		t.Error(err)
	}
}

// oauth is a token endpoint that knows one secret.
type oauth struct {
	*api
	secret  atomic.Value
	issued  atomic.Int64
	expires int
}

func newOAuth(t *testing.T, secret string, expires int) *oauth {
	o := &oauth{expires: expires}
	o.secret.Store(secret)
	o.api = newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		id, pw, _ := r.BasicAuth()
		if id != "client" || pw != o.secret.Load() || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "staff read" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			reply(w, `{"error":"invalid_client","error_description":"secret is wrong, Jonas"}`)
			return
		}
		reply(w, fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer","expires_in":%d}`, o.issued.Add(1), o.expires))
	})
	return o
}

func (o *oauth) auth(t *testing.T, dir string) config.Auth {
	return config.Auth{Kind: config.AuthOAuth2, User: "client", TokenURL: o.URL + "/token", Scope: "staff read",
		SecretFile: write(t, dir, "key", "s1")}
}

func TestOAuth2(t *testing.T) {
	for name, tt := range map[string]struct {
		expires, tokens int
	}{
		"kept":              {3600, 1},
		"renewed when over": {1, 3}, // the package renews ten seconds early
	} {
		t.Run(name, func(t *testing.T) {
			o := newOAuth(t, "s1", tt.expires)
			a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
			r := a.request("/")
			r.Auth = o.auth(t, t.TempDir())
			c := newCaller(t, r)
			for range 3 {
				if _, err := c.Call(t.Context(), mapping.Vars{}); err != nil {
					t.Fatal(err)
				}
			}
			if got := a.requests()[2].Header.Get("Authorization"); got != fmt.Sprintf("Bearer t%d", tt.tokens) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestOAuth2Refused(t *testing.T) {
	o := newOAuth(t, "s1", 3600)
	var good atomic.Value
	good.Store("Bearer t1")
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != good.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		reply(w, "[]")
	})
	dir := t.TempDir()
	r := a.request("/")
	r.Auth = o.auth(t, dir)
	c := newCaller(t, r)
	call := func() error {
		_, err := c.Call(t.Context(), mapping.Vars{})
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	good.Store("Bearer t2") // the first token was withdrawn
	if err := call(); err != nil {
		t.Errorf("a withdrawn token is not renewed: %v", err)
	}
	good.Store("none")
	before := o.issued.Load()
	wantFault(t, call(), jml.FaultDenied, "401")
	if n := o.issued.Load() - before; n != 1 {
		t.Errorf("%d new tokens for one call", n)
	}
	// The secret is another one now.
	o.secret.Store("s2")
	wantFault(t, call(), jml.FaultDenied, "get token", "invalid_client")
	write(t, dir, "key", "s2")
	good.Store(fmt.Sprintf("Bearer t%d", o.issued.Load()+1))
	if err := call(); err != nil {
		t.Errorf("a new secret is not taken up: %v", err)
	}
}

func TestOAuth2Faults(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		kind   jml.FaultKind
		text   string
	}{
		"down": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, jml.FaultUnavailable, "500"},
		"html": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>secret") }, jml.FaultRefused, "no token"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://x.example.org/", http.StatusFound)
		}, jml.FaultRefused, "redirect to another host"},
		"own code": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			reply(w, `{"error":"secret-Jonas"}`)
		}, jml.FaultRefused, "400"},
		"two lines": {func(w http.ResponseWriter, _ *http.Request) { reply(w, `{"access_token":"a\r\nX: y"}`) }, jml.FaultRefused, "header"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newAPI(t, tt.answer)
			a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
			r := a.request("/")
			r.Auth = config.Auth{Kind: config.AuthOAuth2, User: "client", TokenURL: o.URL, SecretFile: write(t, t.TempDir(), "key", "s1")}
			_, err := newCaller(t, r).Call(t.Context(), mapping.Vars{})
			wantFault(t, err, tt.kind, tt.text)
			if n := len(a.requests()); n != 0 {
				t.Errorf("%d calls without a token", n)
			}
		})
	}
}

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "invented authority"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, write(t, t.TempDir(), "ca.pem", pemText("CERTIFICATE", der))}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a authority) issue(t *testing.T, ip string, until time.Time) (certPEM, keyPEM string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.ParseIP(ip)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", raw)
}

func (a authority) serve(t *testing.T, ip string, until time.Time, clients *x509.CertPool) *httptest.Server {
	certPEM, keyPEM := a.issue(t, ip, until)
	cert, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") }))
	s.Config.ErrorLog = quiet()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: clients}
	if clients != nil {
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	for name, tt := range map[string]struct {
		server *httptest.Server
		text   string
	}{
		"expired":      {ca.serve(t, "127.0.0.1", time.Now().Add(-time.Hour), nil), "has expired"},
		"another host": {ca.serve(t, "127.0.0.9", time.Now().Add(time.Hour), nil), "is for another host"},
		"not trusted":  {other.serve(t, "127.0.0.1", time.Now().Add(time.Hour), nil), "set ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{Server: tt.server, ca: ca.file}
			_, err := newCaller(t, a.request("/")).Call(t.Context(), mapping.Vars{})
			wantFault(t, err, jml.FaultUnavailable, "code certificate", tt.text)
		})
	}
}

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	a := &api{Server: ca.serve(t, "127.0.0.1", time.Now().Add(time.Hour), clients), ca: ca.file}
	r := a.request("/")
	_, err := newCaller(t, r).Call(t.Context(), mapping.Vars{})
	wantFault(t, err, jml.FaultUnavailable)
	cert, key := ca.issue(t, "127.0.0.2", time.Now().Add(time.Hour))
	dir := t.TempDir()
	r.Auth.CertificateFile, r.Auth.KeyFile = write(t, dir, "cert", cert), write(t, dir, "key", key)
	if _, err := newCaller(t, r).Call(t.Context(), mapping.Vars{}); err != nil {
		t.Error(err)
	}
}

func TestNewCallerTellsAll(t *testing.T) {
	dir := t.TempDir()
	r := config.Request{URL: "1 +", Body: "item", Method: "POST", Headers: map[string]string{"Accept-Encoding": "gzip", "A B": "", "C": "x\ny"},
		Auth: config.Auth{Kind: config.AuthOAuth2, SecretFile: filepathMissing(dir), TokenURL: "http://hr.example.org/", CertificateFile: "x", KeyFile: "y"}}
	_, err := feed.NewCaller("r", r, compiler(t), mapping.ScopeRequest)
	got := map[string]bool{}
	for _, e := range config.Errors(err) {
		got[e.Path] = true
	}
	want := map[string]bool{"r.url": true, "r.body": true, "r.headers.Accept-Encoding": true, "r.headers.A B": true, "r.headers.C": true,
		"r.auth.secret_file": true, "r.auth.token_url": true, "r.auth.certificate_file": true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	r = config.Request{URL: `""`, CAFile: filepathMissing(dir), Auth: config.Auth{Kind: config.AuthHeader, Header: "a b", SecretFile: write(t, dir, "k", "a\nb")}}
	_, err = feed.NewCaller("r", r, compiler(t), mapping.ScopeRequest)
	if err == nil || !strings.Contains(err.Error(), "r.ca_file") {
		t.Errorf("got %v", err)
	}
	r.CAFile = ""
	_, err = feed.NewCaller("r", r, compiler(t), mapping.ScopeRequest)
	if n := len(config.Errors(err)); n != 2 {
		t.Errorf("%d errors: %v", n, err)
	}
}

func filepathMissing(dir string) string { return dir + "/missing" }
