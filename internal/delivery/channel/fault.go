package channel

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// refuse is the Fault of a message that can't be sent as it is.
func refuse(kind Kind, op, code string, reason jml.BlockReason) *jml.Fault {
	return &jml.Fault{System: string(kind), Op: op, Kind: jml.FaultRefused, Code: code, Reason: reason}
}

// unavailable is the Fault of a service that gave no whole answer.
func unavailable(kind Kind, op, code string) *jml.Fault {
	return &jml.Fault{System: string(kind), Op: op, Kind: jml.FaultUnavailable, Code: code, Reason: jml.ReasonChannelUnavailable}
}

// httpFault sorts a status that is not 2xx.
func httpFault(kind Kind, op string, status int) *jml.Fault {
	f := &jml.Fault{System: string(kind), Op: op, Status: status}
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

// said passes an identifier of the service on and drops text, and whatever the
// service may have from m: it got the secrets and the address from us and may
// echo them, and what a Receipt or a Fault says is written down.
func said(m Message, s string) string {
	if !word.MatchString(s) {
		return ""
	}
	c := m.Contents
	low := strings.ToLower(s)
	for _, private := range []string{
		c.Passcode.Reveal(), c.Link.Reveal(), c.PickupReference.Reveal(), c.Code.Reveal(),
		m.To, m.Notice.Recipient, m.Notice.SignInName, m.Notice.GivenName, m.Notice.FamilyName,
	} {
		// A part is as bad as the whole: the token of a link, the local part of
		// an address.
		private = strings.ToLower(private)
		if low == private || telling(private) && strings.Contains(low, private) || telling(low) && strings.Contains(private, low) {
			return ""
		}
	}
	return s
}

// telling reports whether s is long enough not to stand in another word by
// chance.
func telling(s string) bool { return len(s) >= 4 }
