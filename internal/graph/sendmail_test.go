package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
)

// letter is a mail to be sent.
type letter struct {
	from, to, replyTo, subject, text, html string
	headers                                map[string]string
}

// send sends a proper mail, changed.
func send(ctx context.Context, c *graph.Client, change func(*letter)) error {
	l := letter{from: "desk@firstpass.example", to: "ines@example.org", replyTo: "help@firstpass.example", subject: "Your first day",
		text: "text " + passcode, html: "<p>html " + passcode + "</p>", headers: map[string]string{"x-firstpass-reference": "7f3a", "X-Auto-Response-Suppress": "All"}}
	if change != nil {
		change(&l)
	}
	return c.SendMail(ctx, l.from, l.to, l.replyTo, l.subject, l.text, l.html, l.headers)
}

// mailTenant is a tenant with a mailbox to send from.
func mailTenant(t *testing.T) (*entrasim.Tenant, entrasim.User) {
	t.Helper()
	tenant := startTenant(t, func(c *entrasim.Config) { c.GrantedPermissions = append(entrasim.DefaultPermissions(), "Mail.Send") })
	return tenant, entrasimtest.User(t, tenant, entrasim.User{UPN: "desk@firstpass.example", Mail: "it-desk@firstpass.example"})
}

func TestSendMail(t *testing.T) {
	tenant, from := mailTenant(t)
	c := newClient(t, tenantConfig(t, tenant))
	for _, change := range []func(*letter){
		nil,
		func(l *letter) { l.from = from.ID },
		func(l *letter) { l.html, l.replyTo, l.headers = "", "", nil },
		func(l *letter) {
			l.subject = "Größe, 日本, \u202b\"quoted\"\\"
			l.html = strings.Repeat("<p>long</p>", 20_000)
		},
	} {
		if err := send(t.Context(), c, change); err != nil {
			t.Fatal(err)
		}
	}
	html := entrasim.SentMail{Time: now, FromID: from.ID, From: from.Mail, To: []string{"ines@example.org"}, ReplyTo: []string{"help@firstpass.example"},
		Subject: "Your first day", ContentType: "html", Body: "<p>html " + passcode + "</p>",
		Headers: map[string]string{"x-firstpass-reference": "7f3a", "X-Auto-Response-Suppress": "All"}}
	text, long := html, html
	text.ContentType, text.Body, text.ReplyTo, text.Headers = "text", "text "+passcode, nil, nil
	long.Subject, long.Body = "Größe, 日本, \u202b\"quoted\"\\", strings.Repeat("<p>long</p>", 20_000)
	got := tenant.Outbox()
	if diff := cmp.Diff([]entrasim.SentMail{html, html, text, long}, got, cmpopts.IgnoreFields(entrasim.SentMail{}, "RequestID"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSendMailRequest(t *testing.T) {
	var body []byte
	srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	if err := send(t.Context(), newClient(t, srv.config(t)), nil); err != nil {
		t.Fatal(err)
	}
	r := srv.requests()[0]
	if r.Method != http.MethodPost || r.URL.Path != "/v1.0/users/desk@firstpass.example/sendMail" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("%s %s %v", r.Method, r.URL.Path, r.Header)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if keep, said := got["SaveToSentItems"].(bool); keep || !said {
		t.Errorf("SaveToSentItems is not false: %v", got["SaveToSentItems"])
	}
	if strings.Contains(string(body), "text "+passcode[:6]) {
		t.Error("a second body goes out")
	}
}

func TestSendMailFaults(t *testing.T) {
	status := func(status int, code string) func(*entrasim.Tenant) {
		return func(tn *entrasim.Tenant) {
			tn.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpSendMail}, Status: status, Code: code})
		}
	}
	for name, tt := range map[string]struct {
		tenant func(*entrasim.Tenant)
		change func(*letter)
		want   jml.Fault
	}{
		"no such recipient": {nil, func(l *letter) { l.to = "ines@exam ple.org" }, jml.Fault{Kind: jml.FaultRefused, Code: "badRecipient", Reason: jml.ReasonNoRecipient}},
		"recipient refused": {nil, func(l *letter) { l.to = "ines@@example.org" }, jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "ErrorInvalidRecipients", Reason: jml.ReasonNoRecipient}},
		"not granted":       {func(tn *entrasim.Tenant) { _ = tn.SetPermissions("", entrasim.DefaultPermissions()...) }, nil, jml.Fault{Kind: jml.FaultDenied, Status: 403, Code: "ErrorAccessDenied", Reason: jml.ReasonPermissionMissing}},
		"send-as denied":    {status(403, "ErrorSendAsDenied"), nil, jml.Fault{Kind: jml.FaultDenied, Status: 403, Code: "ErrorSendAsDenied", Reason: jml.ReasonPermissionMissing}},
		"no such sender":    {nil, func(l *letter) { l.from = "nobody@firstpass.example" }, jml.Fault{Kind: jml.FaultNotFound, Status: 404, Code: "ErrorInvalidUser", Reason: jml.ReasonMessageRefused}},
		"no mailbox":        {nil, func(l *letter) { l.from = "plain@firstpass.example" }, jml.Fault{Kind: jml.FaultNotFound, Status: 404, Code: "MailboxNotEnabledForRESTAPI", Reason: jml.ReasonMessageRefused}},
		"throttled":         {status(429, "ApplicationThrottled"), nil, jml.Fault{Kind: jml.FaultThrottled, Status: 429, Code: "ApplicationThrottled", RetryAfter: 10 * time.Second, Reason: jml.ReasonChannelUnavailable}},
		"unavailable":       {status(503, "ErrorServerBusy"), nil, jml.Fault{Kind: jml.FaultUnavailable, Status: 503, Code: "ErrorServerBusy", RetryAfter: 10 * time.Second, Reason: jml.ReasonChannelUnavailable}},
		"answer lost": {func(tn *entrasim.Tenant) {
			tn.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpSendMail}, After: true, Drop: true})
		}, nil, jml.Fault{Kind: jml.FaultUnavailable, Code: "connectionBroken", Reason: jml.ReasonChannelUnavailable}},
		"anything else": {status(400, "ErrorMessageSubmissionBlocked"), nil, jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "ErrorMessageSubmissionBlocked", Reason: jml.ReasonMessageRefused}},
	} {
		tenant, _ := mailTenant(t)
		entrasimtest.User(t, tenant, entrasim.User{UPN: "plain@firstpass.example"})
		if tt.tenant != nil {
			tt.tenant(tenant)
		}
		err := send(t.Context(), newClient(t, tenantConfig(t, tenant)), tt.change)
		var f *jml.Fault
		if !errors.As(err, &f) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tt.want.System, tt.want.Op = "graph", "send mail"
		if diff := cmp.Diff(tt.want, *f, cmpopts.IgnoreFields(jml.Fault{}, "RequestID")); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if n := tenant.Counts().Graph; n > 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
		for _, leak := range []string{"example.org", "firstpass.example", "c4n4ry", "first day"} {
			if all := fmt.Sprintf("%v %+v %#v", err, err, f); strings.Contains(all, leak) {
				t.Errorf("%s: %q shows in %s", name, leak, all)
			}
		}
	}
}

func TestSendMailWithoutToken(t *testing.T) {
	for status, want := range map[int]jml.BlockReason{401: jml.ReasonPermissionMissing, 503: jml.ReasonChannelUnavailable} {
		srv := newServer(t, nil)
		srv.token = func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, status, `{"error":"invalid_client","error_codes":[7000215]}`)
		}
		err := send(t.Context(), newClient(t, srv.config(t)), nil)
		var f *jml.Fault
		if !errors.As(err, &f) || f.System != "entra" || f.Reason != want {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// Only Graph's own words for success count: a proxy's page is none.
func TestSendMailSuccess(t *testing.T) {
	for status, ok := range map[int]bool{200: false, 201: false, 202: true, 204: true, 206: false, 302: false} {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if err := send(t.Context(), newClient(t, srv.config(t)), nil); (err == nil) != ok {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// What comes from HR must not become a header, a second recipient or a path.
func TestSendMailIsRefusedUnsent(t *testing.T) {
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	c := newClient(t, srv.config(t))
	for name, change := range map[string]func(*letter){
		"path in the sender":     func(l *letter) { l.from = "../me" },
		"dots":                   func(l *letter) { l.from = ".." },
		"no sender":              func(l *letter) { l.from = "" },
		"slash in the sender":    func(l *letter) { l.from = "a/b@firstpass.example" },
		"query in the sender":    func(l *letter) { l.from = "a@firstpass.example?x" },
		"sender begins with dot": func(l *letter) { l.from = "..@firstpass.example" },
		"no recipient":           func(l *letter) { l.to = "" },
		"two recipients":         func(l *letter) { l.to = "a@example.org,b@example.org" },
		"two by semicolon":       func(l *letter) { l.to = "a@example.org;b@example.org" },
		"name and address":       func(l *letter) { l.to = "A <a@example.org>" },
		"Bcc in the recipient":   func(l *letter) { l.to = "a@example.org\r\nBcc: b@example.org" },
		"Bcc in the reply-to":    func(l *letter) { l.replyTo = "a@example.org\nBcc: b@example.org" },
		"reply-to no address":    func(l *letter) { l.replyTo = "desk" },
		"Bcc in the subject":     func(l *letter) { l.subject = "x\r\nBcc: b@example.org" },
		"NUL in the subject":     func(l *letter) { l.subject = "x\x00" },
		"line separator":         func(l *letter) { l.subject = "x\u2028Bcc: b@example.org" },
		"nothing to say":         func(l *letter) { l.text, l.html = "", "" },
		"foreign header":         func(l *letter) { l.headers = map[string]string{"Auto-Submitted": "auto-generated"} },
		"header with a colon":    func(l *letter) { l.headers = map[string]string{"x-a: b": "c"} },
		"line in a header":       func(l *letter) { l.headers = map[string]string{"x-a": "b\r\nBcc: b@example.org"} },
		"six headers": func(l *letter) {
			l.headers = map[string]string{"x-1": "", "x-2": "", "x-3": "", "x-4": "", "x-5": "", "x-6": ""}
		},
	} {
		var f *jml.Fault
		if err := send(t.Context(), c, change); !errors.As(err, &f) || f.Kind != jml.FaultRefused || f.Status != 0 || f.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(srv.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
