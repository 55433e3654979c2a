package tracking

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"firstpass.internal/internal/jml"
)

const (
	// sendGridLimit is far above what SendGrid sends at once; its documentation
	// gives no bound.
	sendGridLimit = 4 << 20
	// freshness is how old a signed time may be, skew how far ahead. SendGrid
	// reports again for 24 hours while we don't answer, and says nowhere whether
	// it signs anew. An old report that is played again does no harm: a message's
	// status only goes forward.
	freshness = 25 * time.Hour
	skew      = 10 * time.Minute
	// handleArg is the custom argument that messages carry their handle in. It
	// stands among an event's own fields.
	handleArg = "handle"
)

type sendGrid struct {
	key *ecdsa.PublicKey
	// enhanced finds RFC 3463's status behind RFC 5321's reply code, at the
	// start of what a mail server said and nowhere else: an IP address looks
	// the same.
	enhanced *regexp.Regexp
}

func newSendGrid(key string) (*sendGrid, error) {
	const want = "the event key is not the base64 of an ECDSA public key, as SendGrid's Event Webhook settings show it"
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		return nil, errors.New(want)
	}
	// SendGrid's own helper panics if the key is another algorithm's.
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New(want)
	}
	k, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New(want)
	}
	return &sendGrid{key: k, enhanced: regexp.MustCompile(`^\s*([245]\d\d)?[ -]*([245]\.\d{1,3}\.\d{1,3})?(?:[^\d.]|$)`)}, nil
}

func (*sendGrid) limit() int64 { return sendGridLimit }

func (s *sendGrid) read(r *http.Request, body []byte, now time.Time) ([]report, error) {
	stamp := r.Header.Get(eventwebhook.TimestampHTTPHeader)
	ok, err := eventwebhook.VerifySignature(s.key, body, r.Header.Get(eventwebhook.VerificationHTTPHeader), stamp)
	if err != nil || !ok {
		return nil, errUnsigned
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if age := now.Sub(time.Unix(seconds, 0)); err != nil || age > freshness || age < -skew {
		return nil, errStale
	}
	return s.parse(body, now)
}

// parse reads an array of events. One that is not as documented is passed over:
// the others are about other people.
func (s *sendGrid) parse(body []byte, now time.Time) ([]report, error) {
	var events []json.RawMessage
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, errForm
	}
	var out []report
	for _, raw := range events {
		// A map, since a struct would take "Event" for "event".
		var e event
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		r := report{handle: e.text(handleArg), news: News{Status: e.status(), At: e.at(now), Detail: s.detail(e)}}
		if r.handle != "" && r.news.Status != "" {
			out = append(out, r)
		}
	}
	return out, nil
}

// event has the fields of
// https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
// and, beside them, a message's custom arguments.
type event map[string]json.RawMessage

// text returns a field that is a string; else nothing.
func (e event) text(field string) string {
	var s string
	if json.Unmarshal(e[field], &s) != nil {
		return ""
	}
	return s
}

// status returns nothing for events that say nothing of the delivery. Whoever
// marks a message as spam has got it.
func (e event) status() jml.DeliveryStatus {
	switch e.text("event") {
	case "processed":
		return jml.DeliveryAccepted
	case "deferred":
		return jml.DeliveryDeferred
	case "delivered":
		return jml.DeliveryDelivered
	case "open":
		return jml.DeliveryOpened
	case "dropped":
		return jml.DeliveryBlocked
	case "bounce":
		if e.text("type") == "blocked" {
			return jml.DeliveryBlocked
		}
		return jml.DeliveryBounced
	}
	return ""
}

// at is when it happened, in whole seconds. An event's clock is SendGrid's; one
// that is plainly wrong is not taken.
func (e event) at(now time.Time) time.Time {
	var seconds int64
	if json.Unmarshal(e["timestamp"], &seconds) != nil {
		return now
	}
	t := time.Unix(seconds, 0).UTC()
	if t.After(now) || now.Sub(t) > 30*24*time.Hour {
		return now
	}
	return t
}

// detail puts the reason in codes: nothing of what a mail server or SendGrid
// worded, since both quote addresses.
func (s *sendGrid) detail(e event) string {
	switch e.text("event") {
	case "dropped":
		return dropCode(e.text("reason"))
	case "deferred":
		return s.code(e.text("response"))
	case "bounce":
		code := s.code(e.text("status"))
		if code == "" {
			code = s.code(e.text("reason"))
		}
		return strings.TrimSpace(code + " " + bounceCode(e.text("bounce_classification")))
	}
	return ""
}

// code returns the enhanced status code a reply starts with, else its reply
// code, else nothing.
func (s *sendGrid) code(reply string) string {
	m := s.enhanced.FindStringSubmatch(reply)
	if m == nil {
		return ""
	}
	if m[2] != "" {
		return m[2]
	}
	return m[1]
}

// bounceCode folds SendGrid's classes. Its pages word them in more than one way
// ("Invalid", "Invalid Address"), so their beginnings count.
// https://www.twilio.com/docs/sendgrid/ui/sending-email/bounce-and-block-classifications
func bounceCode(class string) string {
	return fold(class, []prefix{
		{"invalid", "invalidAddress"},
		{"technical", "technical"},
		{"content", "content"},
		{"reputation", "reputation"},
		{"frequency", "volume"},
		{"mailbox unavailable", "mailboxUnavailable"},
	}, "")
}

// dropCode folds the reasons that SendGrid gives for not even trying. The first
// three are its suppression lists, which an operator can clear.
func dropCode(reason string) string {
	return fold(reason, []prefix{
		{"bounced address", "suppressedBounce"},
		{"spam reporting address", "suppressedSpamReport"},
		{"unsubscribed address", "suppressedUnsubscribe"},
		{"invalid", "invalid"},
		{"spam content", "spamContent"},
		{"recipient list over package quota", "quota"},
	}, "dropped")
}

type prefix struct{ begins, code string }

func fold(s string, known []prefix, other string) string {
	s = strings.ToLower(s)
	for _, k := range known {
		if strings.HasPrefix(s, k.begins) {
			return k.code
		}
	}
	return other
}
