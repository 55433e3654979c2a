package channel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/secret"
)

// twilio sends text messages.
// docs: www.twilio.com/docs/messaging/api/message-resource
type twilio struct {
	account  string // URL of the account resource, without .json
	sid      string
	token    secret.Passcode
	from     string
	service  string
	segments int
	callback string
	client   *http.Client
	now      func() time.Time
}

func newTwilio(cfg Config, now func() time.Time) (*twilio, error) {
	token, err := readKey(cfg.AuthTokenFile)
	if err != nil {
		return nil, err
	}
	hc, err := newHTTPClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &twilio{
		account: cfg.Endpoint + "/2010-04-01/Accounts/" + cfg.AccountSID,
		sid:     cfg.AccountSID, token: token, from: cfg.From, service: cfg.MessagingService,
		segments: cfg.Segments, callback: cfg.StatusCallback, client: hc, now: now,
	}, nil
}

func (*twilio) Address() jml.AddressKind { return jml.AddressPhone }
func (*twilio) Carries(jml.Message) bool { return true }

// Self is the sender, if it is a number. Trying the channel needs none.
func (t *twilio) Self() string {
	if phoneNumber(t.from) {
		return t.from
	}
	return ""
}

// Post with dry looks at the text and fetches the account, which proves its SID
// and token and sends nothing.
func (t *twilio) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	text := foldGSM(m.SMS)
	switch n := segments(text); {
	case !phoneNumber(m.To) && (!dry || m.To != ""):
		return jml.Receipt{}, refuse(KindTwilio, op, "badNumber", jml.ReasonNoRecipient)
	case n == 0:
		return jml.Receipt{}, refuse(KindTwilio, op, "noText", jml.ReasonMessageRefused)
	case n > t.segments:
		return jml.Receipt{}, refuse(KindTwilio, op, fmt.Sprintf("tooLong:%dsegments", n), jml.ReasonMessageRefused)
	}
	headers := map[string]string{
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(t.sid+":"+t.token.Reveal())),
		"Accept":        jsonType,
	}
	method, target, body := http.MethodGet, t.account+".json", []byte(nil)
	if !dry {
		headers["Content-Type"] = "application/x-www-form-urlencoded"
		method, target, body = http.MethodPost, t.account+"/Messages.json", []byte(t.form(m, text).Encode())
	}
	r, err := call(ctx, t.client, method, target, body, headers)
	if err != nil {
		return jml.Receipt{}, outbound.Told(ctx, unavailable(KindTwilio, op, outbound.NoAnswer(err)))
	}
	if !r.ok() {
		return jml.Receipt{}, t.fault(op, r)
	}
	if dry {
		return jml.Receipt{}, asleep(op, r.body)
	}
	return jml.Receipt{MessageID: messageSID(r.body)}, nil
}

// asleep is the Fault of an account that is suspended or closed: it answers, and
// sends nothing.
func asleep(op string, account []byte) error {
	var reply struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(account, &reply) != nil || reply.Status == "" || reply.Status == "active" {
		return nil
	}
	return &jml.Fault{System: string(KindTwilio), Op: op, Kind: jml.FaultDenied, Code: "accountNotActive", Reason: jml.ReasonMessageRefused}
}

func (t *twilio) form(m Message, text string) url.Values {
	form := url.Values{"To": {m.To}, "Body": {text}}
	if t.service != "" {
		form.Set("MessagingServiceSid", t.service)
	} else {
		form.Set("From", t.from)
	}
	// A messaging service replaces characters by itself unless it is told not
	// to; what was counted is what must go out.
	form.Set("SmartEncoded", "false")
	if t.callback != "" && m.Notice.Handle != "" {
		form.Set("StatusCallback", t.callback+"?h="+url.QueryEscape(m.Notice.Handle))
	}
	if secs := t.validity(m.Notice); secs > 0 {
		form.Set("ValidityPeriod", strconv.Itoa(secs))
	}
	return form
}

// Twilio's own limit, in seconds, and the least that is any use.
const (
	longestValidity  = 14_400
	shortestValidity = 60
)

// validity returns how long, in seconds, a message may wait in Twilio's queue: a
// code that comes when it works no more only confuses. 0 is Twilio's own limit.
func (t *twilio) validity(n jml.Notice) int {
	if n.Until.IsZero() || !message(Message{Notice: n}).Secret() {
		return 0
	}
	left := n.Until.Sub(t.now())
	if left >= longestValidity*time.Second {
		return 0
	}
	return max(int(left/time.Second), shortestValidity)
}

// fault keeps only the number of Twilio's error: its text quotes the recipient.
func (t *twilio) fault(op string, r reply) *jml.Fault {
	f := httpFault(KindTwilio, op, r.status)
	if f.Retryable() {
		f.RetryAfter = retryAfter(r.header, t.now())
	}
	var their struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(r.body, &their) != nil || their.Code < 10_000 || their.Code > 99_999 {
		return f
	}
	f.Code = strconv.Itoa(their.Code)
	switch {
	case f.Kind == jml.FaultRefused && slices.Contains(badNumbers(), their.Code):
		f.Reason = jml.ReasonNoRecipient
	case their.Code == wrongCredentials:
		f.Kind, f.Reason, f.RetryAfter = jml.FaultDenied, jml.ReasonMessageRefused, 0
	}
	return f
}

// wrongCredentials comes with 401.
const wrongCredentials = 20003

// badNumbers lists the errors that say that this number gets no text message.
// Twilio splits codes up now and then: an unknown one is a refused message all
// the same. docs: www.twilio.com/docs/api/errors
func badNumbers() []int {
	return []int{
		21211, // not a valid number
		21214, // can't be reached
		21217, // does not look like a number
		21265, // a short code
		21604, // no number
		21610, // the person has answered STOP
		21614, // not a mobile number
		21635, // a landline
	}
}

var sidForm = regexp.MustCompile(`^(SM|MM)[0-9a-f]{32}$`)

// messageSID reads the id of an accepted message. A reply that can't be read
// does not make the message unsent.
func messageSID(body []byte) string {
	var reply struct {
		SID string `json:"sid"`
	}
	if json.Unmarshal(body, &reply) != nil || !sidForm.MatchString(reply.SID) {
		return ""
	}
	return reply.SID
}
