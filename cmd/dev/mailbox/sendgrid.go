package mailbox

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/local"
)

// The SendGrid side: what Firstpass uses of the v3 API, with replies of the
// real shape.
//
// Source: www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send

const mailLimit = 1 << 20 // far below SendGrid's 30 MB: no attachment is sent here

type sendRequest struct {
	Personalizations []personalization `json:"personalizations"`
	From             *Address          `json:"from"`
	ReplyTo          *Address          `json:"reply_to"`
	ReplyToList      []Address         `json:"reply_to_list"`
	Subject          string            `json:"subject"`
	Content          []mailPart        `json:"content"`
	Attachments      []json.RawMessage `json:"attachments"`
	TemplateID       string            `json:"template_id"`
	Headers          map[string]string `json:"headers"`
	Categories       []string          `json:"categories"`
	CustomArgs       map[string]string `json:"custom_args"`
	SendAt           int64             `json:"send_at"`
	BatchID          string            `json:"batch_id"`
	ASM              json.RawMessage   `json:"asm"`
	IPPoolName       string            `json:"ip_pool_name"`
	MailSettings     struct {
		BypassListManagement        onOff           `json:"bypass_list_management"`
		BypassSpamManagement        onOff           `json:"bypass_spam_management"`
		BypassBounceManagement      onOff           `json:"bypass_bounce_management"`
		BypassUnsubscribeManagement onOff           `json:"bypass_unsubscribe_management"`
		Footer                      json.RawMessage `json:"footer"`
		SandboxMode                 onOff           `json:"sandbox_mode"`
	} `json:"mail_settings"`
	TrackingSettings struct {
		ClickTracking        onOff           `json:"click_tracking"`
		OpenTracking         onOff           `json:"open_tracking"`
		SubscriptionTracking json.RawMessage `json:"subscription_tracking"`
		GoogleAnalytics      json.RawMessage `json:"ganalytics"`
	} `json:"tracking_settings"`
}

type personalization struct {
	From                *Address          `json:"from"`
	To                  []Address         `json:"to"`
	CC                  []Address         `json:"cc"`
	BCC                 []Address         `json:"bcc"`
	Subject             string            `json:"subject"`
	Headers             map[string]string `json:"headers"`
	Substitutions       map[string]string `json:"substitutions"`
	DynamicTemplateData json.RawMessage   `json:"dynamic_template_data"`
	CustomArgs          map[string]string `json:"custom_args"`
	SendAt              int64             `json:"send_at"`
}

type mailPart struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type onOff struct {
	Enable          *bool  `json:"enable"`
	EnableText      *bool  `json:"enable_text"`
	SubstitutionTag string `json:"substitution_tag"`
}

func (o onOff) or(unset bool) bool {
	if o.Enable == nil {
		return unset
	}
	return *o.Enable
}

// sendError is one entry of SendGrid's error list.
type sendError struct {
	Message string  `json:"message"`
	Field   *string `json:"field"`
	Help    *string `json:"help"`
}

func (b *Mailbox) apiHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/mail/send", b.send)
	mux.HandleFunc("GET /v3/scopes", func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusOK, map[string][]string{"scopes": {"mail.send"}})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, sendError{Message: "there is no such resource here"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok:
			refuse(w, http.StatusUnauthorized, sendError{Message: "an authorization header is required"})
		case subtle.ConstantTimeCompare([]byte(key), []byte(b.cfg.Key)) != 1:
			refuse(w, http.StatusUnauthorized, sendError{Message: "this key is not valid, has expired or was revoked"})
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func (b *Mailbox) send(w http.ResponseWriter, r *http.Request) {
	if mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, sendError{Message: "the Content-Type must be application/json"})
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mailLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, sendError{Message: "the message is too large"})
		return
	}
	if err != nil {
		return // the sender is gone
	}
	var req sendRequest
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil || dec.More() {
		refuse(w, http.StatusBadRequest, sendError{Message: "the body is not the JSON that was expected"})
		return
	}
	if problems := req.problems(); len(problems) > 0 {
		refuse(w, http.StatusBadRequest, problems...)
		return
	}
	mails := req.mails(time.Now())
	probe := req.MailSettings.SandboxMode.or(false)
	trouble := b.faults.Take(probe, addresses(mails[0].To)...)
	if trouble.Strike(false) {
		panic(http.ErrAbortHandler) // closes the connection, no byte is sent
	}
	if trouble.Answers(false) {
		reply(w, trouble.Fault)
		return
	}
	if probe {
		w.WriteHeader(http.StatusOK)
		return
	}
	becomes := trouble.Events(EventProcessed, EventDelivered)
	for _, m := range mails {
		m.Lost = lost(becomes)
		if err := b.mails.Add(m); err != nil {
			refuse(w, http.StatusInternalServerError, sendError{Message: "the mailbox can't be written: " + err.Error()})
			return
		}
		b.tell(m, becomes)
	}
	if trouble.Strike(true) {
		panic(http.ErrAbortHandler)
	}
	if trouble.Answers(true) {
		reply(w, trouble.Fault)
		return
	}
	w.Header().Set("X-Message-Id", mails[0].ID)
	w.WriteHeader(http.StatusAccepted)
}

// problems lists everything SendGrid would refuse, each with its field.
func (q sendRequest) problems() (list []sendError) {
	bad := func(field, format string, args ...any) {
		list = append(list, sendError{Message: fmt.Sprintf(format, args...), Field: &field})
	}
	validAddress := func(field string, a *Address) {
		if a == nil {
			bad(field, "an address is required")
		} else if _, err := netmail.ParseAddress(a.Email); err != nil || strings.ContainsAny(a.Email, "<> \r\n") {
			bad(field+".email", "not a valid mail address")
		}
	}
	validAddress("from", q.From)
	if q.ReplyTo != nil {
		validAddress("reply_to", q.ReplyTo)
	}
	if len(q.Personalizations) == 0 {
		bad("personalizations", "at least one is required")
	}
	for i, p := range q.Personalizations {
		at := "personalizations." + strconv.Itoa(i)
		if len(p.To) == 0 {
			bad(at+".to", "at least one recipient is required")
		}
		for j := range p.To {
			validAddress(fmt.Sprintf("%s.to.%d", at, j), &p.To[j])
		}
		if p.Subject == "" && q.Subject == "" && q.TemplateID == "" {
			bad("subject", "a subject is required")
		}
	}
	if len(q.Content) == 0 && q.TemplateID == "" {
		bad("content", "at least one part is required")
	}
	for i, c := range q.Content {
		at := "content." + strconv.Itoa(i)
		if c.Value == "" {
			bad(at+".value", "may not be empty")
		}
		if c.Type == "" {
			bad(at+".type", "may not be empty")
		}
		if c.Type == "text/plain" && i > 0 {
			bad(at+".type", "text/plain must come first")
		}
	}
	if ahead := time.Until(time.Unix(q.SendAt, 0)); q.SendAt != 0 && ahead > 72*time.Hour {
		bad("send_at", "more than 72 hours ahead")
	}
	return list
}

// mails returns one mail per personalization. The request must be valid.
func (q sendRequest) mails(now time.Time) []Mail {
	var out []Mail
	for _, p := range q.Personalizations {
		m := Mail{
			ID: local.Random(), Received: now.UTC(), From: *q.From, ReplyTo: q.ReplyTo, To: p.To, Subject: q.Subject,
			Headers: q.Headers, Categories: q.Categories, CustomArgs: q.CustomArgs,
			TemplateID: q.TemplateID, TemplateData: p.DynamicTemplateData,
			ClickTracking: q.TrackingSettings.ClickTracking.or(true),
			OpenTracking:  q.TrackingSettings.OpenTracking.or(true),
		}
		if p.From != nil {
			m.From = *p.From
		}
		if p.Subject != "" {
			m.Subject = p.Subject
		}
		m.Headers = over(m.Headers, p.Headers)
		m.CustomArgs = over(m.CustomArgs, p.CustomArgs)
		for _, c := range q.Content {
			switch c.Type {
			case "text/plain":
				m.Text = c.Value
			case "text/html":
				m.HTML = c.Value
			}
		}
		out = append(out, m)
	}
	return out
}

func over(all, one map[string]string) map[string]string {
	if len(one) == 0 {
		return all
	}
	out := map[string]string{}
	for k, v := range all {
		out[k] = v
	}
	for k, v := range one {
		out[k] = v
	}
	return out
}

func reply(w http.ResponseWriter, f fault.Fault) {
	if f.Status == http.StatusTooManyRequests {
		w.Header().Set("X-RateLimit-Limit", "600")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(f.Reset).Unix(), 10))
	}
	refuse(w, f.Status, sendError{Message: "a fault that was asked for"})
}

func refuse(w http.ResponseWriter, status int, errs ...sendError) {
	sendJSON(w, status, map[string][]sendError{"errors": errs})
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
