package graph

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
)

// newTransport returns net/http's default transport (proxies by environment,
// HTTP/2, connections kept) that trusts the authorities in caFile too.
func newTransport(caFile string) (*http.Transport, error) {
	def, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("graph: http.DefaultTransport has been replaced")
	}
	t := def.Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("graph: CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a scratch image has no pool of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("graph: CA file: no certificate in it")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}
