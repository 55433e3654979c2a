package delivery

import (
	"fmt"
	"io"
	"net/http"
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

// readKey reads an API key. A key of more than one line would break the header
// it is sent in.
func readKey(file string) (string, error) {
	key, err := outbound.Secret(file)
	if err == nil && !oneLine(key) {
		return "", fmt.Errorf("%s holds more than one line", file)
	}
	return key, err
}
