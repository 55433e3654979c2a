package feed

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

const system = "hr"

// Codes of faults that have no status to tell them by.
const (
	codeHost      = "hostNotAllowed"
	codeRedirect  = "redirect"
	codeMalformed = "malformedReply"
	codeTooLarge  = "replyTooLarge"
	codePages     = "pages"
	codeHostKey   = "hostKey"
)

// Absent reports whether err says that what was asked for does not exist: status
// 404 or 410, a folder or a file that is gone.
func Absent(err error) bool {
	var f *jml.Fault
	return errors.As(err, &f) && f.Kind == jml.FaultNotFound
}

// refused is a fault that a person must see to.
func refused(op, code, text string) error {
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultRefused, Code: code, Text: text}
}

// unanswered is the fault of a call without a whole answer. err's own text
// quotes the URL.
func unanswered(ctx context.Context, op string, err error) error {
	return outbound.Told(ctx, &jml.Fault{
		System: system, Op: op, Kind: jml.FaultUnavailable, Code: outbound.NoAnswer(err), Text: distrust(err),
	})
}

// distrust says what is wrong with a server's certificate.
func distrust(err error) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet; its owner must renew it"
	case errors.As(err, &unknown):
		return "the server's certificate is from an authority that is not trusted; set ca_file"
	case errors.As(err, &name):
		return "the server's certificate is for another host"
	}
	return ""
}

func kindOf(status int) jml.FaultKind {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return jml.FaultDenied
	case status == http.StatusNotFound || status == http.StatusGone:
		return jml.FaultNotFound
	case status == http.StatusConflict:
		return jml.FaultConflict
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return jml.FaultThrottled
	case status >= 500 || status == http.StatusRequestTimeout:
		return jml.FaultUnavailable
	}
	return jml.FaultRefused
}

// redirected says where a redirect would have led, and no more than that.
func redirected(op string, res *http.Response, from *url.URL) error {
	where := "the same host"
	to, err := res.Location()
	if err != nil {
		where = "nowhere"
	} else if host(to) != host(from) || to.Scheme != from.Scheme {
		where = "another host"
	}
	return &jml.Fault{
		System: system, Op: op, Kind: jml.FaultRefused, Status: res.StatusCode, Code: codeRedirect,
		Text: "answers with a redirect to " + where + ": fix the URL",
	}
}
