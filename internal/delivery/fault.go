package delivery

import (
	"net/http"
	"strconv"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
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

// retryAfter reads Retry-After, else SendGrid's X-RateLimit-Reset, which is the
// Unix time of the next quota.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if d := outbound.RetryAfter(h, now); d > 0 {
		return d
	}
	if secs, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		return outbound.Bounded(time.Unix(secs, 0).Sub(now))
	}
	return 0
}
