package graph

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// mailHeaders is how many headers of his own a sender may set.
// learn.microsoft.com/answers/questions/762243
const mailHeaders = 5

var (
	// signInName is a user principal name with nothing in it that a path could
	// be changed with.
	signInName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}@[0-9A-Za-z.-]{1,255}$`)
	// ownHeader is a header that Graph lets a sender set.
	// learn.microsoft.com/graph/api/resources/internetmessageheader
	ownHeader = regexp.MustCompile(`^[Xx]-[0-9A-Za-z-]{1,74}$`)
)

// SendMail sends a mail from the mailbox of the user from, an object id or
// sign-in name, to one address. It is not kept in Sent Items, where a secret
// would lie for years. Graph takes one body: html, or text if html is empty.
// replyTo and headers may be empty; headers are at most 5, each named x- or X-.
//
// A nil error means that Exchange took the mail, not that anybody got it. After
// an unavailable Fault nobody knows whether it did: sent again, it may come
// twice.
//
// Faults carry a Reason: noRecipient for an address that can't be one,
// permissionMissing for what is denied, be it for want of Mail.Send or because
// Exchange keeps the app from this mailbox, channelUnavailable for what passes,
// messageRefused for the rest.
//
// Exchange takes 4 requests of an app at once on one mailbox, and 30 mails a
// minute from it. learn.microsoft.com/graph/throttling-limits and Exchange
// Online's own page of limits.
//
// Permission: Mail.Send, which is for all mailboxes of the tenant unless
// Exchange confines the app.
// learn.microsoft.com/graph/api/user-sendmail
func (c *Client) SendMail(ctx context.Context, from, to, replyTo, subject, text, html string, headers map[string]string) error {
	const op = "send mail"
	if !guid.MatchString(from) && !signInName.MatchString(from) {
		return refuse(op, "badSender", jml.ReasonMessageRefused)
	}
	if !address(to) {
		return refuse(op, "badRecipient", jml.ReasonNoRecipient)
	}
	if replyTo != "" && !address(replyTo) {
		return refuse(op, "badReplyTo", jml.ReasonMessageRefused)
	}
	if !oneLine(subject) {
		return refuse(op, "badSubject", jml.ReasonMessageRefused)
	}
	if text == "" && html == "" {
		return refuse(op, "emptyMessage", jml.ReasonMessageRefused)
	}
	if len(headers) > mailHeaders {
		return refuse(op, "tooManyHeaders", jml.ReasonMessageRefused)
	}
	for name, value := range headers {
		if !ownHeader.MatchString(name) || !oneLine(value) {
			return refuse(op, "badHeader", jml.ReasonMessageRefused)
		}
	}
	ex, err := c.do(ctx, op, func(ctx context.Context) error {
		return c.users().ByUserId(from).SendMail().Post(ctx, mail(to, replyTo, subject, text, html, headers), nil)
	})
	// 202 by the documentation, 204 by the OpenAPI description. Any other
	// success is not Graph's.
	if err == nil && ex.status != http.StatusAccepted && ex.status != http.StatusNoContent {
		err = outbound.Told(ctx, ex.fault(nil))
	}
	return mailFault(err)
}

// mail makes the request's body.
func mail(to, replyTo, subject, text, html string, headers map[string]string) users.ItemSendMailPostRequestBodyable {
	kind, content := models.HTML_BODYTYPE, html
	if html == "" {
		kind, content = models.TEXT_BODYTYPE, text
	}
	words := models.NewItemBody()
	words.SetContentType(&kind)
	words.SetContent(&content)
	m := models.NewMessage()
	m.SetSubject(&subject)
	m.SetBody(words)
	m.SetToRecipients([]models.Recipientable{recipient(to)})
	if replyTo != "" {
		m.SetReplyTo([]models.Recipientable{recipient(replyTo)})
	}
	var own []models.InternetMessageHeaderable
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		h := models.NewInternetMessageHeader()
		h.SetName(&name)
		h.SetValue(&value)
		own = append(own, h)
	}
	if own != nil {
		m.SetInternetMessageHeaders(own)
	}
	body := users.NewItemSendMailPostRequestBody()
	body.SetMessage(m)
	keep := false // said outright, since the default is true
	body.SetSaveToSentItems(&keep)
	return body
}

func recipient(address string) models.Recipientable {
	a := models.NewEmailAddress()
	a.SetAddress(&address)
	r := models.NewRecipient()
	r.SetEmailAddress(a)
	return r
}

// mailFault says what a failure means to whoever sends a mail.
func mailFault(err error) error {
	var f *jml.Fault
	if !errors.As(err, &f) {
		return err
	}
	switch {
	case f.Retryable():
		f.Reason = jml.ReasonChannelUnavailable
	case f.Kind == jml.FaultDenied:
		// As with every call of Graph: a permission is missing.
	case f.Code == "ErrorInvalidRecipients":
		f.Reason = jml.ReasonNoRecipient
	default:
		f.Reason = jml.ReasonMessageRefused
	}
	return err
}

// address reports whether s may be one mail address. Exchange knows better, but
// must not be handed two.
func address(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && oneLine(s) && !strings.ContainsAny(s, " ,;<>")
}

// oneLine reports whether s can stand in a header and end nothing there.
func oneLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
