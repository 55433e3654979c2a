// Package outbound is what our calls to other systems have in common: which
// addresses they may go to, whom they trust, and how their failure is told.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// CheckRoot accepts scheme://host[:port] and nothing behind it. Only https, but
// on loopback plain http too.
func CheckRoot(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("not of the form https://host")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return errors.New("not https")
}

// Transport returns net/http's default transport (proxies by environment,
// HTTP/2, connections kept) that trusts the authorities in caFile too. An empty
// caFile adds none.
func Transport(caFile string) (*http.Transport, error) {
	def, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("http.DefaultTransport has been replaced")
	}
	t := def.Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a scratch image has no pool of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("CA file: no certificate in it")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// Secret reads a file that holds one secret. It drops one trailing line break,
// which every editor adds. Errors name the file, never what is in it.
func Secret(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if s == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return s, nil
}

// Client returns a client that follows no redirect: neither Graph nor a mail
// service has any, and what we send would go along. timeout bounds a call,
// reading the reply included.
func Client(t http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NoAnswer says in one word why there was no answer; the error's own text quotes
// the URL.
func NoAnswer(err error) string {
	var (
		timeout interface{ Timeout() bool }
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &cert):
		return "certificate"
	case errors.As(err, &dns):
		return "nameNotFound"
	case errors.As(err, &op) && op.Op == "dial":
		return "notReachable"
	}
	return "connectionBroken"
}

// waitLimit keeps a mistaken header from parking a joiner for a year.
const waitLimit = 24 * time.Hour

// RetryAfter reads the header in both its forms, seconds or an HTTP date (RFC
// 9110, 10.2.3), at most a day. What is in neither form, or past, is 0.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	raw := h.Get("Retry-After")
	if secs, err := strconv.ParseFloat(raw, 64); err == nil {
		return Bounded(time.Duration(min(secs, waitLimit.Seconds()) * float64(time.Second)))
	}
	if at, err := http.ParseTime(raw); err == nil {
		return Bounded(at.Sub(now))
	}
	return 0
}

// Bounded returns d, or the nearest wait that makes sense.
func Bounded(d time.Duration) time.Duration { return min(max(d, 0), waitLimit) }

// abandoned is a Fault of a call whose caller stopped waiting. jml.Fault unwraps
// to nothing, and Temporal must be able to see the cancellation.
type abandoned struct {
	*jml.Fault
	cause error // context.Canceled or context.DeadlineExceeded, never more
}

func (a abandoned) Unwrap() []error { return []error{a.Fault, a.cause} }

// Told returns f as an error. Where there was no whole answer and ctx has ended,
// errors.Is finds why.
func Told(ctx context.Context, f *jml.Fault) error {
	if err := ctx.Err(); err != nil && f.Status < 300 {
		return abandoned{f, err}
	}
	return f
}
