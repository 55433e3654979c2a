package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"firstpass.internal/internal/jml"
)

// system names this package in a Fault that no channel caused.
const system = "delivery"

// refuse is the Fault of a message that can't be sent as it is.
func refuse(op, code string, reason jml.BlockReason) *jml.Fault {
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultRefused, Code: code, Reason: reason}
}

// httpFault sorts a status of a channel that is not 2xx; 0 is no answer.
func httpFault(system, op string, status int) *jml.Fault {
	f := &jml.Fault{System: system, Op: op, Status: status}
	switch {
	case status == http.StatusTooManyRequests:
		f.Kind, f.Reason = jml.FaultThrottled, jml.ReasonChannelUnavailable
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		f.Kind, f.Reason = jml.FaultDenied, jml.ReasonMessageRefused
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		f.Kind, f.Reason = jml.FaultRefused, jml.ReasonMessageRefused
	default: // a redirect too: it is a proxy's, or the wrong endpoint
		f.Kind, f.Reason = jml.FaultUnavailable, jml.ReasonChannelUnavailable
	}
	return f
}

// transportCode says in one word why there was no answer; the error's own text
// quotes the URL.
func transportCode(err error) string {
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

// retryLimit keeps a mistaken header from parking a joiner for a year.
const retryLimit = 24 * time.Hour

// retryAfter reads Retry-After in both its forms (RFC 9110, 10.2.3), else
// SendGrid's X-RateLimit-Reset, which is the Unix time of the next quota.
func retryAfter(h http.Header, now time.Time) time.Duration {
	var d time.Duration
	raw := h.Get("Retry-After")
	if secs, err := strconv.ParseInt(raw, 10, 32); err == nil {
		d = time.Duration(secs) * time.Second
	} else if at, err := http.ParseTime(raw); err == nil {
		d = at.Sub(now)
	} else if secs, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		d = time.Unix(secs, 0).Sub(now)
	}
	return min(max(d, 0), retryLimit)
}

// abandoned is a Fault of a call whose caller stopped waiting. jml.Fault
// unwraps to nothing, and Temporal must be able to see the cancellation.
type abandoned struct {
	*jml.Fault
	cause error // context.Canceled or context.DeadlineExceeded, never more
}

func (a abandoned) Unwrap() []error { return []error{a.Fault, a.cause} }

func withContext(ctx context.Context, f *jml.Fault) error {
	if err := ctx.Err(); err != nil && f.Status == 0 {
		return abandoned{f, err}
	}
	return f
}
