package channel

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/secret"
)

const (
	postTimeout = 30 * time.Second
	replyLimit  = 64 << 10 // bytes; a reply has a few hundred
	userAgent   = "firstpass"
	jsonType    = "application/json"
)

func newHTTPClient(caFile string) (*http.Client, error) {
	t, err := outbound.Transport(caFile)
	if err != nil {
		return nil, err
	}
	return outbound.Client(bounded{t}, postTimeout), nil
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

// readKey reads a file that holds one secret of one line: more lines would break
// the header it is sent in.
func readKey(file string) (secret.Passcode, error) {
	key, err := outbound.Secret(file)
	if err != nil {
		return secret.Passcode{}, err
	}
	if !oneLine(key) {
		return secret.Passcode{}, fmt.Errorf("%s holds more than one line", file)
	}
	return secret.NewPasscode(key), nil
}

// reply is what is read of an answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) ok() bool { return r.status >= 200 && r.status < 300 }

// call sends a request and reads the answer, as much of it as comes: the status
// decides, and a message that was taken must not be sent again because the body
// behind the status broke off. Nothing of an error's text may be shown: it
// quotes the URL.
func call(ctx context.Context, c *http.Client, method, url string, body []byte, headers map[string]string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("User-Agent", userAgent)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := c.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, _ := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, raw}, nil
}
