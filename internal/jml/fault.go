package jml

import (
	"fmt"
	"time"
)

// FaultKind says what can be done about a failed call to another system.
type FaultKind string

// The kinds.
const (
	FaultUnavailable FaultKind = "unavailable" // no answer, 5xx: try again
	FaultThrottled   FaultKind = "throttled"   // 429: try again after RetryAfter
	FaultNotFound    FaultKind = "notFound"    // 404
	FaultConflict    FaultKind = "conflict"    // 409: look again, then try again
	FaultDenied      FaultKind = "denied"      // 401, 403: a person must act
	FaultRefused     FaultKind = "refused"     // any other 4xx: a person must act
)

// Fault is a failed call to another system (Graph, a channel, HR), in the only
// words that may reach Temporal, a log or a person: never a body, an address or
// a URL.
type Fault struct {
	System     string        // "graph", "sendgrid", "hr"
	Op         string        // what was tried, in our words: "create pass"
	Kind       FaultKind     //
	Status     int           // HTTP status, 0 if there was no answer
	Code       string        // the system's own error code
	RequestID  string        // the system's id of the request
	RetryAfter time.Duration // 0 if the system did not say
	Text       string        // more, in words of ours; nothing foreign
	Reason     BlockReason   // what the refusal means, if it can be told; else empty
}

// Error implements error.
func (f *Fault) Error() string {
	s := f.System + ": " + f.Op + ": " + string(f.Kind)
	if f.Status != 0 {
		s += fmt.Sprintf(", status %d", f.Status)
	}
	if f.Code != "" {
		s += ", code " + f.Code
	}
	if f.RequestID != "" {
		s += ", request-id " + f.RequestID
	}
	if f.Text != "" {
		s += ": " + f.Text
	}
	return s
}

// Retryable reports whether trying again unchanged can help.
func (f *Fault) Retryable() bool {
	return f.Kind == FaultUnavailable || f.Kind == FaultThrottled || f.Kind == FaultConflict
}

// Block returns what stands in the way, for a journey that can't go on.
func (f *Fault) Block() *Block {
	reason := f.Reason
	if reason == "" {
		switch f.Kind {
		case FaultDenied:
			reason = ReasonPermissionMissing
		case FaultNotFound:
			reason = ReasonUserNotReady
		case FaultRefused:
			reason = ReasonUnknownRefusal
		default:
			reason = ReasonGraphUnavailable
		}
	}
	return Blocked(reason, f.Error())
}
