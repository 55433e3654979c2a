package tracking

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

const (
	twilioLimit = 64 << 10 // bytes; a callback has a few hundred
	// handleQuery is the query parameter of a status callback that holds the
	// handle. The signature covers it.
	handleQuery = "h"
)

// twilio reads status callbacks. They hold no time: one that is sent again
// tells nothing new, since a message's status only ranks up.
type twilio struct {
	token secret.Passcode
	// urls are the forms of the public URL that Twilio may have signed. Its own
	// libraries try with and without the port, since its servers differ.
	urls   []string
	number *regexp.Regexp
}

func newTwilio(token secret.Passcode, public string) (*twilio, error) {
	if token.Empty() {
		return nil, errors.New("no auth token")
	}
	u, err := url.Parse(public)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the status callback is not a URL of the form https://host/path")
	}
	t := &twilio{token: token, urls: []string{public}, number: regexp.MustCompile(`^\d{4,6}$`)}
	other := *u
	if port := u.Port(); port != "" {
		other.Host = strings.TrimSuffix(u.Host, ":"+port)
	} else if u.Scheme == "https" {
		other.Host += ":443"
	} else {
		other.Host += ":80"
	}
	t.urls = append(t.urls, other.String())
	return t, nil
}

func (*twilio) limit() int64 { return twilioLimit }

func (t *twilio) read(r *http.Request, body []byte, now time.Time) ([]report, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errUnsigned // what can't be read can't be verified
	}
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Signature"))
	if err != nil || !t.signed(r.URL.RawQuery, form, given) {
		return nil, errUnsigned
	}
	handle := r.URL.Query().Get(handleQuery)
	status, detail := t.status(form.Get("MessageStatus"), form.Get("ErrorCode"))
	if handle == "" || status == "" {
		return nil, nil
	}
	return []report{{handle, News{Status: status, At: now, Detail: detail}}}, nil
}

// signed computes the signature, HMAC-SHA1 of the account's token, over the whole URL and the form's names and
// values in the order of the names; of a name that comes twice, its different
// values in their order.
// https://www.twilio.com/docs/usage/webhooks/webhooks-security
func (t *twilio) signed(query string, form url.Values, given []byte) bool {
	if query != "" {
		query = "?" + query
	}
	ok := false
	for _, u := range t.urls {
		mac := hmac.New(sha1.New, []byte(t.token.Reveal()))
		write := func(s string) { _, _ = io.WriteString(mac, s) } // a hash takes everything
		write(u + query)
		for _, name := range slices.Sorted(maps.Keys(form)) {
			values := slices.Sorted(slices.Values(form[name]))
			for _, v := range slices.Compact(values) {
				write(name + v)
			}
		}
		if hmac.Equal(mac.Sum(nil), given) {
			ok = true
		}
	}
	return ok
}

// status sorts the statuses of
// https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
// It returns nothing for those of messages that come in.
func (t *twilio) status(status, code string) (jml.DeliveryStatus, string) {
	if !t.number.MatchString(code) {
		code = ""
	}
	switch status {
	case "accepted", "scheduled", "queued", "sending", "sent":
		return jml.DeliveryAccepted, ""
	case "delivered":
		return jml.DeliveryDelivered, ""
	case "read":
		return jml.DeliveryOpened, ""
	case "canceled":
		return jml.DeliveryBlocked, "canceled"
	case "undelivered", "failed":
		if unreachable(code) {
			return jml.DeliveryBounced, code
		}
		return jml.DeliveryBlocked, code
	}
	return "", ""
}

// unreachable reports whether an error code says that the number takes no text
// messages. All others say that somebody refuses this one: 30004 blocked, 30007
// filtered, 21610 opted out, 30034 sender not registered.
// https://www.twilio.com/docs/api/errors
func unreachable(code string) bool {
	switch code {
	case "30003", // handset unreachable
		"30005", // unknown number
		"30006", // landline, or carrier unreachable
		"21211", // not a number
		"21217", // not a number
		"21614": // not a mobile number
		return true
	}
	return false
}
