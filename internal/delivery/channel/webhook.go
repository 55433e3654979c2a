package channel

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/secret"
)

// webhook hands messages to a program of the organisation: an ITSM system, a
// kiosk, a chat bot. It signs them by Standard Webhooks, version v1.
// docs: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type webhook struct {
	url    string
	key    secret.Passcode // raw bytes
	client *http.Client
	now    func() time.Time
}

func newWebhook(cfg Config, now func() time.Time) (*webhook, error) {
	key, err := readWebhookKey(cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	hc, err := newHTTPClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &webhook{url: cfg.URL, key: key, client: hc, now: now}, nil
}

// readWebhookKey reads whsec_ and base64 of 24 to 64 bytes, the sizes that
// Standard Webhooks allows.
func readWebhookKey(file string) (secret.Passcode, error) {
	text, err := outbound.Secret(file)
	if err != nil {
		return secret.Passcode{}, err
	}
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return secret.Passcode{}, fmt.Errorf("%s: want whsec_ followed by base64", file)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return secret.Passcode{}, fmt.Errorf("%s: what follows whsec_ is not base64", file)
	}
	if len(key) < 24 || len(key) > 64 {
		return secret.Passcode{}, fmt.Errorf("%s: the key must have 24 to 64 bytes; make one with: openssl rand -base64 32", file)
	}
	return secret.NewPasscode(string(key)), nil
}

func (*webhook) Address() jml.AddressKind { return jml.AddressNone }
func (*webhook) Carries(jml.Message) bool { return true }
func (*webhook) Self() string             { return "" }

// The types of what is posted.
const (
	typeMessage = "firstpass.message"
	typeCheck   = "firstpass.check"
)

// envelope is the body. Timestamp is when it was posted.
type envelope struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// hookData is the data of a message.
type hookData struct {
	To struct {
		Kind    jml.RecipientKind `json:"kind,omitempty"`
		Address string            `json:"address,omitempty"` // if the route has one
	} `json:"to"`
	Locale  string            `json:"locale"`
	Dir     string            `json:"dir"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	SMS     string            `json:"sms,omitempty"`
	Fields  map[string]string `json:"fields"`
}

// Post with dry posts a firstpass.check, which holds nothing personal.
func (w *webhook) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	at := w.now().UTC()
	id, body, err := w.encode(m, at, dry)
	if err != nil {
		return jml.Receipt{}, refuse(KindWebhook, op, "encoding", jml.ReasonMessageRefused)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	r, err := call(ctx, w.client, http.MethodPost, w.url, body, map[string]string{
		"Content-Type":      jsonType,
		"webhook-id":        id,
		"webhook-timestamp": stamp,
		"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(w.mac(id, ".", stamp, ".", string(body))),
	})
	if err != nil {
		return jml.Receipt{}, outbound.Told(ctx, unavailable(KindWebhook, op, outbound.NoAnswer(err)))
	}
	if r.ok() {
		if dry {
			return jml.Receipt{}, nil
		}
		return jml.Receipt{MessageID: id}, nil
	}
	f := httpFault(KindWebhook, op, r.status)
	if r.status == http.StatusGone {
		f.Code = "gone"
	}
	if f.Retryable() {
		f.RetryAfter = retryAfter(r.header, at)
	}
	return jml.Receipt{}, f
}

func (w *webhook) encode(m Message, at time.Time, dry bool) (id string, body []byte, err error) {
	e := envelope{Type: typeCheck, Timestamp: at, Data: json.RawMessage("{}")}
	if !dry {
		d := hookData{Locale: m.Locale, Dir: m.Dir, Subject: m.Subject, Text: m.Text, SMS: m.SMS, Fields: m.Fields}
		d.To.Kind, d.To.Address = m.Notice.To, cmp.Or(m.To, m.Notice.Recipient)
		e.Type = typeMessage
		if e.Data, err = json.Marshal(d); err != nil {
			return "", nil, errors.New("the message can't be encoded")
		}
	}
	body, err = json.Marshal(e)
	return w.id(m, dry), body, err
}

// id names a message. Receivers drop what they have seen, so the same message
// must have the same id when it is sent again, and one with another passcode
// must not: the id is a keyed hash of the message's own name and its secrets,
// which tells nothing of either.
func (w *webhook) id(m Message, dry bool) string {
	sum := make([]byte, 16)
	if m.Notice.ID == "" || dry {
		_, _ = rand.Read(sum) // never fails
	} else {
		c := m.Contents
		sum = w.mac("firstpass webhook-id v1", "\x00", m.Notice.ID, "\x00", c.Passcode.Reveal(), "\x00", c.Link.Reveal(), "\x00",
			c.PickupReference.Reveal(), "\x00", c.Code.Reveal())[:16]
	}
	return "msg_" + base64.RawURLEncoding.EncodeToString(sum)
}

func (w *webhook) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, []byte(w.key.Reveal()))
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
	}
	return h.Sum(nil)
}
