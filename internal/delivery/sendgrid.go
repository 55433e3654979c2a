package delivery

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// sendGrid posts to /v3/mail/send.
// docs: www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
//
// Of sendgrid-go only the model is used. Its Client keeps the body of a message
// in a field of its own, so that two sends at once lose one mail and send
// another twice (seen), and it has no timeout.
type sendGrid struct {
	url     string
	key     string
	from    *mail.Email
	replyTo *mail.Email // nil: none
	sandbox bool
	client  *rest.Client
}

func newSendGrid(cfg ChannelConfig) (*sendGrid, error) {
	key, err := readKey(cfg.APIKeyFile)
	if err != nil {
		return nil, err
	}
	hc, err := newHTTPClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	s := &sendGrid{
		url: cfg.Endpoint + "/v3/mail/send", key: key, from: mail.NewEmail(cfg.FromName, cfg.From),
		sandbox: cfg.Sandbox, client: &rest.Client{HTTPClient: hc},
	}
	if cfg.ReplyTo != "" {
		s.replyTo = mail.NewEmail("", cfg.ReplyTo)
	}
	return s, nil
}

func (s *sendGrid) self() string { return s.from.Address }

func (s *sendGrid) post(ctx context.Context, op string, m message, dry bool) (jml.Receipt, error) {
	// The helper that comes with the model logs a failed marshal and sends the
	// empty body.
	body, err := json.Marshal(s.mail(m, dry || s.sandbox))
	if err != nil {
		return jml.Receipt{}, refuse(op, "encoding", jml.ReasonMessageRefused)
	}
	res, err := s.client.SendWithContext(ctx, rest.Request{
		Method:  rest.Post,
		BaseURL: s.url,
		Headers: map[string]string{
			"Authorization": "Bearer " + s.key,
			"Content-Type":  "application/json",
			"User-Agent":    "firstpass",
		},
		Body: body,
	})
	if res == nil {
		f := httpFault(KindSendGrid, op, 0)
		f.Code = outbound.NoAnswer(err)
		return jml.Receipt{}, outbound.Told(ctx, f)
	}
	// An error beside a reply means that its body broke off. The status has
	// come and decides: a message that was taken must not be sent again.
	h := http.Header(res.Headers)
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return jml.Receipt{MessageID: wordOrNothing(h.Get("X-Message-Id"))}, nil
	}
	f := httpFault(KindSendGrid, op, res.StatusCode)
	f.RequestID = wordOrNothing(h.Get("X-Request-Id"))
	f.Code = wrongFields(res.Body)
	if f.Retryable() {
		f.RetryAfter = retryAfter(h, time.Now())
	}
	return jml.Receipt{}, f
}

func (s *sendGrid) mail(m message, sandbox bool) *mail.SGMailV3 {
	// No display name for the recipient: a name is no use to the person, and
	// it would be HR's text in a header.
	out := mail.NewSingleEmail(s.from, m.subject, mail.NewEmail("", m.to), m.text, m.html)
	if s.replyTo != nil {
		out.SetReplyTo(s.replyTo)
	}
	if m.reference != "" {
		// Comes back in every event of the message. Opaque, nothing else.
		out.SetCustomArg("reference", m.reference)
	}
	// An out-of-office reply would quote the passcode into a mailbox of ours
	// (RFC 3834; the second is what Exchange heeds).
	out.SetHeader("Auto-Submitted", "auto-generated")
	out.SetHeader("X-Auto-Response-Suppress", "All")
	// Each is named: left out, the account's default holds, and click tracking
	// would rewrite the link and keep the mail's text.
	tracking := mail.NewTrackingSettings()
	tracking.SetClickTracking(mail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false))
	tracking.SetOpenTracking(mail.NewOpenTrackingSetting().SetEnable(false))
	tracking.SetSubscriptionTracking(mail.NewSubscriptionTrackingSetting().SetEnable(false))
	tracking.SetGoogleAnalytics(mail.NewGaSetting().SetEnable(false))
	out.SetTrackingSettings(tracking)
	out.SetMailSettings(mail.NewMailSettings().SetSandboxMode(mail.NewSetting(sandbox)))
	return out
}

var fieldName = regexp.MustCompile(`^[a-zA-Z0-9_.]{1,80}$`)

// wrongFields returns which fields of the request SendGrid complains of, such as
// personalizations.0.to.0.email. Its messages are dropped: they quote values.
func wrongFields(body string) string {
	var reply struct {
		Errors []struct {
			Field string `json:"field"`
		} `json:"errors"`
	}
	if json.Unmarshal([]byte(body), &reply) != nil {
		return ""
	}
	var names []string
	for _, e := range reply.Errors {
		if fieldName.MatchString(e.Field) && !slices.Contains(names, e.Field) && len(names) < 5 {
			names = append(names, e.Field)
		}
	}
	return strings.Join(names, ",")
}
