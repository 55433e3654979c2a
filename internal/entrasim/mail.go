package entrasim

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

const (
	// mailLimit is what Graph takes of a mail with everything in it, in bytes.
	// learn.microsoft.com/graph/outlook-large-attachments
	mailLimit int64 = 4 << 20
	// outboxLimit bounds memory in a long demo.
	outboxLimit = 1000
	// mailHeaderLimit is how many headers a sender may set. No page of the
	// reference has it; learn.microsoft.com/answers/questions/762243 shows the
	// refusal.
	mailHeaderLimit = 5
)

// SentMail is a mail that was accepted. Its body may hold a passcode, so it is
// kept in memory only and no listener shows it.
type SentMail struct {
	Time             time.Time // tenant clock
	RequestID        string
	FromID           string // the sending user
	From             string // his mail address
	To, Cc, Bcc      []string
	ReplyTo          []string
	Subject          string
	ContentType      string // text or html
	Body             string
	Headers          map[string]string
	SavedToSentItems bool
}

// Outbox returns what was mailed, oldest first.
func (t *Tenant) Outbox() []SentMail {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.outbox)
}

type mailRecipient struct {
	EmailAddress struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"emailAddress"`
}

type mailRequest struct {
	Message struct {
		Type    string `json:"@odata.type"`
		Subject string `json:"subject"`
		Body    struct {
			ContentType string `json:"contentType"`
			Content     string `json:"content"`
		} `json:"body"`
		To      []mailRecipient `json:"toRecipients"`
		Cc      []mailRecipient `json:"ccRecipients"`
		Bcc     []mailRecipient `json:"bccRecipients"`
		ReplyTo []mailRecipient `json:"replyTo"`
		Headers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"internetMessageHeaders"`
	} `json:"message"`
	SaveToSentItems *bool `json:"saveToSentItems"`
}

// sendMail takes a mail from a user who has a mailbox, which here is who has a
// mail address. 202 says that it is accepted: an address that nobody has is
// found out later, by a mail that comes back.
//
// The reference writes message and saveToSentItems, the service's own metadata
// and so the SDKs Message and SaveToSentItems; both are taken
// (github.com/microsoftgraph/microsoft-graph-docs issue 10518).
//
// Source: learn.microsoft.com/graph/api/user-sendmail. Exchange's error codes
// are on no page of Graph's; they are as github.com/microsoftgraph issues quote
// them, ErrorInvalidUser and MailboxNotEnabledForRESTAPI among them.
func (t *Tenant) sendMail(c *call) reply {
	u := t.findUser(c.arg("userId"))
	if u == nil || c.now.Before(u.VisibleAt) {
		return refusal(exchange, http.StatusNotFound, "ErrorInvalidUser", "The requested user '"+c.arg("userId")+"' is invalid.")
	}
	if u.Mail == "" {
		return refusal(exchange, http.StatusNotFound, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
	}
	var in mailRequest
	if bad := c.decode(exchange, &in); bad != nil {
		return *bad
	}
	m := in.Message
	sent := SentMail{Time: c.now, RequestID: c.requestID, FromID: u.ID, From: u.Mail, Subject: m.Subject, Body: m.Body.Content,
		ContentType: strings.ToLower(m.Body.ContentType), Headers: map[string]string{},
		SavedToSentItems: in.SaveToSentItems == nil || *in.SaveToSentItems}
	for _, list := range []struct {
		from []mailRecipient
		to   *[]string
	}{{m.To, &sent.To}, {m.Cc, &sent.Cc}, {m.Bcc, &sent.Bcc}, {m.ReplyTo, &sent.ReplyTo}} {
		for _, r := range list.from {
			a, err := mail.ParseAddress(r.EmailAddress.Address)
			if err != nil || a.Address != r.EmailAddress.Address {
				return invalidRecipients("Recipient '" + r.EmailAddress.Address + "' is not resolved. All recipients must be resolved before a message can be submitted.")
			}
			*list.to = append(*list.to, a.Address)
		}
	}
	if len(sent.To)+len(sent.Cc)+len(sent.Bcc) == 0 {
		return invalidRecipients("A message can't be sent because it contains no recipients.")
	}
	if len(m.Headers) > mailHeaderLimit {
		return refusal(exchange, http.StatusBadRequest, "InvalidInternetMessageHeaderCollection", "Maximum number of headers in one message should be less than or equal to 5.")
	}
	for _, h := range m.Headers {
		if !strings.HasPrefix(strings.ToLower(h.Name), "x-") {
			return refusal(exchange, http.StatusBadRequest, "InvalidInternetMessageHeader", "The internet message header name '"+h.Name+"' should start with 'x-' or 'X-'.")
		}
		sent.Headers[h.Name] = h.Value
	}
	if len(t.outbox) >= outboxLimit {
		t.outbox = slices.Delete(t.outbox, 0, outboxLimit/2)
	}
	t.outbox = append(t.outbox, sent)
	return reply{status: http.StatusAccepted}
}

func invalidRecipients(why string) reply {
	return refusal(exchange, http.StatusBadRequest, "ErrorInvalidRecipients", "At least one recipient is not valid., "+why)
}
