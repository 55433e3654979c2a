package phone

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/cmd/dev/fault"
)

// Statuses that a text can go through.
//
// Source: www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
const (
	StatusAccepted    = "accepted"
	StatusQueued      = "queued"
	StatusSent        = "sent"
	StatusDelivered   = "delivered"
	StatusUndelivered = "undelivered"
	StatusFailed      = "failed"
)

// codeUnreachable is Twilio's for a handset that can't be reached.
const codeUnreachable = 30003

func failureCode(h *fault.Handle) int {
	if h != nil && h.Fault.Code != 0 {
		return h.Fault.Code
	}
	return codeUnreachable
}

// lost says which status, if any, keeps a text from its reader.
func lost(becomes []string) string {
	for _, status := range slices.Backward(becomes) {
		switch status {
		case StatusUndelivered, StatusFailed:
			return status
		case StatusDelivered:
			return ""
		}
	}
	return ""
}

// tell takes a text through its statuses and calls back at each.
func (p *Phones) tell(t Text, becomes []string, code int) {
	p.Go(func() {
		for _, status := range becomes {
			select {
			case <-time.After(p.cfg.Pace):
			case <-p.Context().Done():
				return
			}
			failed := 0
			if status == StatusUndelivered || status == StatusFailed {
				failed = code
			}
			p.texts.Change(is(t.SID), func(t *Text) { t.Status, t.Code = status, failed }) // Twilio's word is in the callback
			if t.Callback != "" {
				p.callBack(t, status, failed)
			}
		}
	})
}

// callBack posts a status once. Twilio tries again only if no connection came
// about, and only once.
//
// Source: www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
func (p *Phones) callBack(t Text, status string, code int) {
	form := url.Values{
		"SmsSid": {t.SID}, "SmsStatus": {status}, "MessageSid": {t.SID}, "MessageStatus": {status},
		"AccountSid": {p.cfg.AccountSID}, "ApiVersion": {apiVersion}, "To": {t.To}, "From": {t.From},
	}
	if t.Service != "" {
		form.Set("MessagingServiceSid", t.Service)
	}
	if code != 0 {
		form.Set("ErrorCode", strconv.Itoa(code))
	}
	if status == StatusDelivered {
		form.Set("RawDlrDoneDate", time.Now().UTC().Format("0601021504"))
	}
	for range 2 {
		if !p.postOnce(t.Callback, form) {
			return
		}
	}
}

func (p *Phones) postOnce(to string, form url.Values) (again bool) {
	req, err := http.NewRequestWithContext(p.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	req.Header.Set("X-Twilio-Signature", sign(p.cfg.AuthToken, to, form))
	res, err := p.cfg.CallbackClient.Do(req)
	if err != nil {
		var dial *net.OpError
		return errors.As(err, &dial) && dial.Op == "dial"
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16)) // nobody reads it
	_ = res.Body.Close()
	return false
}

// sign is Twilio's signature of a request: of its URL and every parameter, by
// name, in order, nothing between them.
//
// Source: www.twilio.com/docs/usage/security#validating-requests
func sign(token, to string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	_, _ = io.WriteString(mac, to) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(form)) {
		_, _ = io.WriteString(mac, name+form.Get(name))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
