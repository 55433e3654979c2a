package mailbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/simulated"
)

// Events that a fault can make of a mail. EventBlocked is what SendGrid calls a
// bounce of type blocked.
//
// Source: www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
const (
	EventProcessed = "processed"
	EventDeferred  = "deferred"
	EventDelivered = "delivered"
	EventBounce    = "bounce"
	EventBlocked   = "blocked"
	EventDropped   = "dropped"
	EventOpen      = "open"
)

// eventTries bounds how often a post is tried. SendGrid goes on for 24 hours.
const eventTries = 8

// EventKey is what SendGrid's settings page shows as the verification key: the
// public key in base64 of its DER form.
func (b *Mailbox) EventKey() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(b.eventKey.Public())
	return base64.StdEncoding.EncodeToString(der), err
}

// EventKeyFile holds EventKey, for channels[].event_key_file.
func (b *Mailbox) EventKeyFile() string { return filepath.Join(b.cfg.Dir, "event-key.pub") }

func keptEventKey(dir string) (*ecdsa.PrivateKey, error) {
	der, err := local.KeptFile(filepath.Join(dir, "event-key.der"), func() ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS8PrivateKey(key)
	})
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a %T is no ECDSA key; remove event-key.der to have another drawn", any)
	}
	return key, nil
}

func (b *Mailbox) writeEventKey() error {
	text, err := b.EventKey()
	if err != nil {
		return err
	}
	return simulated.ReplaceFile(b.EventKeyFile(), []byte(text+"\n"))
}

// lost says which event, if any, keeps a mail from its reader: the last word
// counts.
func lost(becomes []string) string {
	for _, event := range slices.Backward(becomes) {
		switch event {
		case EventBounce, EventBlocked, EventDropped:
			return event
		case EventDelivered, EventOpen:
			return ""
		}
	}
	return ""
}

// tell posts the events of a mail, one after the other, for each recipient.
func (b *Mailbox) tell(m Mail, becomes []string) {
	if b.cfg.EventURL == "" {
		return
	}
	b.Go(func() {
		for i, event := range becomes {
			if !b.pause(b.cfg.Pace) {
				return
			}
			var batch []map[string]any
			for _, to := range m.To {
				batch = append(batch, m.event(event, to.Email, i, time.Now()))
			}
			b.postEvents(batch)
		}
	})
}

// event is one entry of a post. The custom arguments stand among SendGrid's own
// fields, which win.
func (m Mail) event(name, to string, n int, now time.Time) map[string]any {
	e := map[string]any{}
	for k, v := range m.CustomArgs {
		e[k] = v
	}
	e["email"] = to
	e["timestamp"] = now.Unix()
	e["event"] = name
	e["smtp-id"] = "<" + m.ID + "@geopod-ismtpd-0>"
	e["sg_event_id"] = local.Random()
	e["sg_message_id"] = m.ID + ".recvd-7d9c-1-0.0"
	if len(m.Categories) > 0 {
		e["category"] = m.Categories
	}
	switch name {
	case EventDeferred:
		e["response"], e["attempt"] = "451 4.7.1 "+to+": try again later", strconv.Itoa(n)
	case EventDelivered:
		e["response"], e["ip"], e["tls"] = "250 OK", "192.0.2.10", 1
	case EventBounce:
		e["reason"], e["status"], e["type"] = "550 5.1.1 "+to+": no such mailbox", "5.1.1", "bounce"
		e["bounce_classification"] = "Invalid Address"
	case EventBlocked:
		e["event"] = EventBounce
		e["reason"], e["status"], e["type"] = "554 5.7.1 "+to+": refused by policy", "5.7.1", "blocked"
		e["bounce_classification"] = "Reputation"
	case EventDropped:
		e["reason"], e["status"] = "Bounced Address", "5.0.0"
	case EventOpen:
		e["useragent"], e["ip"] = "Mozilla/5.0", "192.0.2.20"
	}
	return e
}

// postEvents posts a batch until it is taken. What is refused is sent again, as
// SendGrid does it.
func (b *Mailbox) postEvents(batch []map[string]any) {
	raw, err := json.Marshal(batch)
	if err != nil {
		return // nothing in a batch can't be written
	}
	for try := range eventTries {
		if b.postOnce(raw) || !b.pause(b.cfg.Pace<<try) {
			return
		}
	}
}

func (b *Mailbox) postOnce(raw []byte) (taken bool) {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	digest := sha256.Sum256(append([]byte(stamp), raw...))
	signature, err := ecdsa.SignASN1(rand.Reader, b.eventKey, digest[:])
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.cfg.EventURL, bytes.NewReader(raw))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "SendGrid Event API")
	req.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
	req.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	res, err := b.cfg.EventClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16)) // only the status counts
	_ = res.Body.Close()
	return res.StatusCode < 300
}

// pause returns false if the mailbox closes meanwhile.
func (b *Mailbox) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-b.Context().Done():
		return false
	}
}
