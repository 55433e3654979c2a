package graph

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// The systems a Fault of this package may name.
const (
	system      = "graph"
	systemEntra = "entra"
)

// kindOf sorts a status that is not 2xx.
func kindOf(status int) jml.FaultKind {
	switch {
	case status == http.StatusTooManyRequests:
		return jml.FaultThrottled
	case status == http.StatusNotFound:
		return jml.FaultNotFound
	case status == http.StatusConflict:
		return jml.FaultConflict
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return jml.FaultDenied
	case status == http.StatusRequestTimeout:
		return jml.FaultUnavailable
	case status >= 400 && status < 500:
		return jml.FaultRefused
	}
	// 5xx; no answer; and a redirect, which is a proxy's doing, not Graph's.
	return jml.FaultUnavailable
}

// fault makes the Fault of an operation that failed. cause tells only what kind
// of failure a missing answer was; its text is dropped, as it quotes the URL.
func (ex *exchange) fault(cause error) *jml.Fault {
	f := &jml.Fault{System: system, Op: ex.op, Kind: kindOf(ex.status), Status: ex.status,
		Code: ex.code, RequestID: ex.requestID, RetryAfter: ex.retryAfter}
	switch {
	case f.Kind == jml.FaultDenied:
		f.Reason = jml.ReasonPermissionMissing
	case ex.status == 0:
		f.Code = outbound.NoAnswer(cause)
	case ex.status < 300:
		f.Code = "badReply"
	}
	return f
}

// hintOf guesses what a refusal means. Graph tells these refusals apart by their
// message only (its code is badRequest for all), so this is a hint: what it does
// not know stays unknown.
// Wordings: microsoft-graph-docs pull 12187, azure-docs issue 111778, and the
// page howto-authentication-temporary-access-pass; of deletions:
// microsoft-graph-docs issues 14470 and 18091.
func hintOf(message string) jml.BlockReason {
	m := strings.ToLower(message)
	for _, h := range []struct {
		part   string
		reason jml.BlockReason
	}{
		{"lifetimeinminutes", jml.ReasonLifetimeOutsidePolicy},
		{"isusableonce", jml.ReasonMultiUseNotAllowed},
		{"usercredentialpolicy", jml.ReasonOutOfScope},
		{"external guest", jml.ReasonUserExternal},
		{"cannot delete default method", jml.ReasonRemovalDenied},
		{"current default authentication method", jml.ReasonRemovalDenied},
	} {
		if strings.Contains(m, h.part) {
			return h.reason
		}
	}
	return jml.ReasonUnknownRefusal
}

// tokenFault turns an error of azidentity into a Fault of Entra's. Of the reply
// only the AADSTS code is kept: its description may name the tenant and more.
// learn.microsoft.com/entra/identity-platform/reference-error-codes
func tokenFault(ctx context.Context, err error, now time.Time) error {
	f := &jml.Fault{System: systemEntra, Kind: jml.FaultUnavailable, Code: outbound.NoAnswer(err)}
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) && failed.RawResponse != nil {
		res := failed.RawResponse
		f.Status, f.Code = res.StatusCode, ""
		f.RequestID = wordOrNothing(res.Header.Get("x-ms-request-id"))
		f.RetryAfter = outbound.RetryAfter(res.Header, now)
		switch res.StatusCode {
		case http.StatusTooManyRequests:
			f.Kind = jml.FaultThrottled
		case http.StatusBadRequest, http.StatusUnauthorized:
			f.Kind, f.Reason = jml.FaultDenied, jml.ReasonPermissionMissing
		}
		if body, err := runtime.Payload(res); err == nil {
			f.Code = aadsts(body)
		}
	}
	return outbound.Told(ctx, f)
}

// aadsts returns "AADSTS7000215" and the like from the reply of the token
// endpoint, or nothing.
func aadsts(body []byte) string {
	var reply struct {
		Codes []json.Number `json:"error_codes"`
	}
	dec := json.NewDecoder(io.LimitReader(strings.NewReader(string(body)), errorLimit))
	if dec.Decode(&reply) != nil || len(reply.Codes) == 0 {
		return ""
	}
	return wordOrNothing("AADSTS" + reply.Codes[0].String())
}
