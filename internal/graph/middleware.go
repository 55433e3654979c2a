package graph

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"firstpass.internal/internal/graph/requests"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

const (
	errorLimit   = 64 << 10 // bytes read of an error's body; a real one has about 500
	successLimit = 8 << 20  // bytes of any other; a page of 999 objects has about 200 kB
)

// exchange is what an operation's last HTTP reply said about itself, kept
// beside the SDK, which hands some of it on and loses some. It never holds a
// body, nor the message of an error: those quote people.
type exchange struct {
	op         string
	status     int
	requestID  string
	code       string
	hint       jml.BlockReason // what the message seems to mean
	retryAfter time.Duration
	date       time.Time
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if ex, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return ex
	}
	return &exchange{}
}

// middleware is all that stands between the SDK and the network.
type middleware struct {
	next      http.RoundTripper
	userAgent string
	observe   func(Call)
	now       func() time.Time
}

// RoundTrip names the request, notes what came back, and swaps the body of an
// error for one that the SDK can read.
func (m *middleware) RoundTrip(r *http.Request) (*http.Response, error) {
	ex := exchangeOf(r.Context())
	// A second exchange (after a 401 with claims) must not be taken for the first.
	*ex = exchange{op: ex.op}
	r = r.Clone(r.Context())
	id := newGUID()
	r.Header.Set("client-request-id", id)
	r.Header.Set("User-Agent", m.userAgent)
	began := m.now()
	res, err := m.next.RoundTrip(r)
	if res != nil {
		ex.read(res, m.now())
		requests.Note(r.Context(), ex.requestID)
	}
	if m.observe != nil {
		m.observe(Call{Op: ex.op, Method: r.Method, Status: ex.status, Duration: m.now().Sub(began),
			Date: ex.date, RequestID: ex.requestID, ClientRequestID: id})
	}
	return res, err
}

// read takes from res what a Fault needs.
func (ex *exchange) read(res *http.Response, now time.Time) {
	ex.status = res.StatusCode
	ex.requestID = wordOrNothing(res.Header.Get("request-id"))
	ex.retryAfter = outbound.RetryAfter(res.Header, now)
	ex.date, _ = http.ParseTime(res.Header.Get("Date")) // zero: no date that can be read
	if res.StatusCode < 400 {
		// Its end is found by the parser: a cut reply is not JSON.
		res.Body = readCloser{io.LimitReader(res.Body, successLimit), res.Body}
		return
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, errorLimit)) // half of it is better than none
	_ = res.Body.Close()
	ex.readError(body)
	// The SDK gets the one body it can't fall over: with a message (it would
	// dereference nil), typed as JSON (it would lose the status), and with
	// nothing in it that a tracer could keep.
	const harmless = `{"error":{"code":"error","message":"error"}}`
	res.Body = io.NopCloser(bytes.NewReader([]byte(harmless)))
	res.ContentLength = int64(len(harmless))
	res.Uncompressed = false
	res.Header.Set("Content-Type", "application/json")
	res.Header.Set("Content-Length", strconv.Itoa(len(harmless)))
	res.Header.Del("Content-Encoding")
}

// readError reads an OData error; whatever else it is given, it reads nothing.
func (ex *exchange) readError(body []byte) {
	var odata struct {
		Error struct {
			Code       string
			Message    string
			InnerError struct {
				RequestID string `json:"request-id"`
			}
		}
	}
	// The fields before a wrong one are filled in, so the error is no reason to stop.
	_ = json.Unmarshal(body, &odata)
	ex.code = wordOrNothing(odata.Error.Code)
	ex.hint = hintOf(odata.Error.Message)
	if ex.requestID == "" {
		ex.requestID = wordOrNothing(odata.Error.InnerError.RequestID)
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}

var word = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)

// wordOrNothing passes identifiers on and drops text: what a Fault carries goes
// to logs and to Temporal, and an address or a sentence must not.
func wordOrNothing(s string) string {
	if !word.MatchString(s) {
		return ""
	}
	return s
}

// newGUID returns a random (version 4) GUID, the form Graph wants a
// client-request-id in.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
