package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	sendTimeout = 30 * time.Second
	replyLimit  = 64 << 10 // bytes; a reply has a few hundred
)

// newHTTPClient trusts the authorities in caFile beside the system's, and
// follows no redirect: the message would go along.
func newHTTPClient(caFile string) (*http.Client, error) {
	def, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("http.DefaultTransport has been replaced")
	}
	t := def.Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
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
	}
	return &http.Client{
		Transport:     bounded{t},
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// bounded cuts replies off: the rest package reads them whole into memory.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, replyLimit), res.Body}
	}
	return res, err
}

// readSecret drops one trailing line break, which every editor adds.
func readSecret(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if s == "" || !oneLine(s) {
		return "", fmt.Errorf("%s is empty or more than one line", file)
	}
	return s, nil
}
