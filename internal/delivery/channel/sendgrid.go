package channel

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
	"firstpass.internal/internal/secret"
)

// sendGrid posts to /v3/mail/send.
// docs: www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
//
// Of sendgrid-go only the model is used. Its Client keeps the body of a message
// in a field of its own, so that two sends at once lose one mail and send
// another twice (seen), and it has no timeout.
type sendGrid struct {
	url       string
	key       secret.Passcode
	from      *mail.Email
	replyTo   *mail.Email // nil: none
	sandbox   bool
	templates map[string]string
	client    *rest.Client
	now       func() time.Time
}

func newSendGrid(cfg Config, now func() time.Time) (*sendGrid, error) {
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
		sandbox: cfg.Sandbox, templates: cfg.Templates, client: &rest.Client{HTTPClient: hc}, now: now,
	}
	if cfg.ReplyTo != "" {
		s.replyTo = mail.NewEmail("", cfg.ReplyTo)
	}
	return s, nil
}

func (*sendGrid) Address() jml.AddressKind { return jml.AddressMail }
func (*sendGrid) Carries(jml.Message) bool { return true }
func (s *sendGrid) Self() string           { return s.from.Address }

// Post with dry uses SendGrid's sandbox. It proves that the service answers,
// takes the key and accepts the sender and the form of the message; it does not
// look whether the recipient exists or is on a suppression list.
func (s *sendGrid) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	if f := mailable(KindSendGrid, op, m); f != nil {
		return jml.Receipt{}, f
	}
	// The helper that comes with the model logs a failed marshal and sends the
	// empty body.
	body, err := json.Marshal(s.mail(m, dry || s.sandbox))
	if err != nil {
		return jml.Receipt{}, refuse(KindSendGrid, op, "encoding", jml.ReasonMessageRefused)
	}
	res, err := s.client.SendWithContext(ctx, rest.Request{
		Method:  rest.Post,
		BaseURL: s.url,
		Headers: map[string]string{
			"Authorization": "Bearer " + s.key.Reveal(),
			"Content-Type":  jsonType,
			"User-Agent":    userAgent,
		},
		Body: body,
	})
	if res == nil {
		return jml.Receipt{}, outbound.Told(ctx, unavailable(KindSendGrid, op, outbound.NoAnswer(err)))
	}
	// An error beside a reply means that its body broke off. The status has
	// come and decides: a message that was taken must not be sent again.
	h := http.Header(res.Headers)
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return jml.Receipt{MessageID: said(m, h.Get("X-Message-Id"))}, nil
	}
	f := httpFault(KindSendGrid, op, res.StatusCode)
	f.RequestID = said(m, h.Get("X-Request-Id"))
	f.Code = wrongFields(m, res.Body)
	if f.Retryable() {
		f.RetryAfter = retryAfter(h, s.now())
	}
	return jml.Receipt{}, f
}

func (s *sendGrid) mail(m Message, sandbox bool) *mail.SGMailV3 {
	// No display name for the recipient: a name is no use to the person, and
	// it would be HR's text in a header.
	out := mail.NewV3MailInit(s.from, m.Subject, mail.NewEmail("", m.To))
	if id := s.templates[string(message(m))]; id != "" {
		out.SetTemplateID(id)
		for name, value := range m.Fields {
			out.Personalizations[0].SetDynamicTemplateData(name, value)
		}
	} else {
		out.AddContent(mail.NewContent("text/plain", m.Text), mail.NewContent("text/html", m.HTML))
	}
	if s.replyTo != nil {
		out.SetReplyTo(s.replyTo)
	}
	// Both come back in every event of the message. Opaque, nothing else.
	if m.Notice.Reference != "" {
		out.SetCustomArg("reference", m.Notice.Reference)
	}
	if m.Notice.Handle != "" {
		out.SetCustomArg("handle", m.Notice.Handle)
	}
	for name, value := range automatic() {
		out.SetHeader(name, value)
	}
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

// automatic are the headers that keep out-of-office replies away: one would
// quote the passcode into a mailbox of ours (RFC 3834; the second is what
// Exchange heeds).
func automatic() map[string]string {
	return map[string]string{"Auto-Submitted": "auto-generated", suppress: "All"}
}

const suppress = "X-Auto-Response-Suppress"

var fieldName = regexp.MustCompile(`^[a-zA-Z0-9_.]{1,80}$`)

// wrongFields returns which fields of the request SendGrid complains of, such as
// personalizations.0.to.0.email. Its messages are dropped: they quote values.
func wrongFields(m Message, body string) string {
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
		if fieldName.MatchString(e.Field) && said(m, e.Field) != "" && !slices.Contains(names, e.Field) && len(names) < 5 {
			names = append(names, e.Field)
		}
	}
	return strings.Join(names, ",")
}
