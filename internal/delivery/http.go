package delivery

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"firstpass.internal/internal/outbound"
)

const (
	sendTimeout = 30 * time.Second
	replyLimit  = 64 << 10 // bytes; a reply has a few hundred
)

func newHTTPClient(caFile string) (*http.Client, error) {
	t, err := outbound.Transport(caFile)
	if err != nil {
		return nil, err
	}
	return outbound.Client(bounded{t}, sendTimeout), nil
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
