package entrasim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

const (
	recipient   = `{"emailAddress":{"address":"ines@example.org"}}`
	wholeMail   = `{"message":{"subject":"Your first day","body":{"contentType":"HTML","content":"<p>c4n4ry</p>"},"toRecipients":[` + recipient + `],"replyTo":[{"emailAddress":{"address":"desk@firstpass.example"}}],"internetMessageHeaders":[{"name":"x-firstpass","value":"7"}]},"saveToSentItems":false}`
	desk        = "/v1.0/users/desk@firstpass.example/sendMail"
	noRecipient = `{"message":{"body":{"contentType":"text","content":"x"},"toRecipients":[]}}`
)

// mailRig is a tenant with a mailbox to send from.
func mailRig(t *testing.T, options ...func(*entrasim.Config)) (*rig, entrasim.User) {
	t.Helper()
	r := newRig(t, append(options, func(c *entrasim.Config) { c.GrantedPermissions = append(entrasim.DefaultPermissions(), "Mail.Send") })...)
	return r, entrasimtest.User(t, r.tenant, entrasim.User{UPN: "desk@firstpass.example", Mail: "it-desk@firstpass.example"})
}

func TestSendMail(t *testing.T) {
	state := filepath.Join(t.TempDir(), "tenant.json")
	r, from := mailRig(t, func(c *entrasim.Config) { c.StateFile = state })
	for _, path := range []string{desk, "/v1.0/users/" + from.ID + "/sendMail"} {
		if a := r.do(202, "POST", path, wholeMail); len(a.raw) != 0 {
			t.Errorf("202 with a body: %s", a.raw)
		}
	}
	r.do(202, "POST", desk, `{"message":{"toRecipients":[`+recipient+`],"ccRecipients":[`+recipient+`],"bccRecipients":[`+recipient+`]}}`)
	r.do(202, "POST", desk, `{"message":{"toRecipients":[`+recipient+`],"body":{"contentType":"text","content":"`+strings.Repeat("x", 100<<10)+`"}}}`)
	out := r.tenant.Outbox()
	if len(out) != 4 {
		t.Fatalf("%d mails", len(out))
	}
	want := entrasim.SentMail{Time: r.clock.now(), RequestID: out[0].RequestID, FromID: from.ID, From: "it-desk@firstpass.example",
		To: []string{"ines@example.org"}, ReplyTo: []string{"desk@firstpass.example"}, Subject: "Your first day", ContentType: "html",
		Body: "<p>c4n4ry</p>", Headers: map[string]string{"x-firstpass": "7"}}
	if !reflect.DeepEqual(out[0], want) || out[0].RequestID == "" {
		t.Errorf("got  %+v\nwant %+v", out[0], want)
	}
	if m := out[2]; !m.SavedToSentItems || len(m.Cc) != 1 || len(m.Bcc) != 1 {
		t.Errorf("nothing said of Sent Items: %+v", m)
	}
	entrasimtest.NoViolations(t, r.tenant)

	// Nothing of it rests or shows.
	r.must(r.tenant.SetManager(r.user.ID, from.ID)) // writes the state
	raw, err := os.ReadFile(state)
	r.must(err)
	history, err := json.Marshal(r.tenant.Requests())
	r.must(err)
	pages := r.sim(200, "GET", "/", "").raw
	for name, text := range map[string][]byte{"state file": raw, "history": history, "page": pages, "state": r.sim(200, "GET", "/sim/state", "").raw} {
		if strings.Contains(string(text), "c4n4ry") || strings.Contains(string(text), "ines@example.org") {
			t.Errorf("the mail shows in the %s", name)
		}
	}
}

func TestSendMailRefuses(t *testing.T) {
	r, _ := mailRig(t, func(c *entrasim.Config) { c.Strict = false }) // a strict tenant refuses some of these sooner
	headers := func(n int, name string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"name":"%s%d","value":"v"}`, name, i))
		}
		return `{"message":{"toRecipients":[` + recipient + `],"internetMessageHeaders":[` + strings.Join(list, ",") + `]}}`
	}
	to := func(address string) string {
		return `{"message":{"toRecipients":[{"emailAddress":{"address":"` + address + `"}}]}}`
	}
	for name, tc := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"nobody's mailbox": {"/v1.0/users/nobody@firstpass.example/sendMail", wholeMail, 404, "ErrorInvalidUser"},
		"no mailbox":       {"/v1.0/users/joiner@firstpass.example/sendMail", wholeMail, 404, "MailboxNotEnabledForRESTAPI"},
		"no recipient":     {desk, noRecipient, 400, "ErrorInvalidRecipients"},
		"no address":       {desk, to("ines"), 400, "ErrorInvalidRecipients"},
		"two addresses":    {desk, to("a@example.org; b@example.org"), 400, "ErrorInvalidRecipients"},
		"a name":           {desk, to("Ines <ines@example.org>"), 400, "ErrorInvalidRecipients"},
		"bad reply-to":     {desk, strings.Replace(wholeMail, "desk@firstpass.example", "desk", 1), 400, "ErrorInvalidRecipients"},
		"five headers":     {desk, headers(5, "X-h"), 202, ""},
		"six headers":      {desk, headers(6, "x-h"), 400, "InvalidInternetMessageHeaderCollection"},
		"foreign header":   {desk, headers(1, "Auto-Submitted"), 400, "InvalidInternetMessageHeader"},
		"no message":       {desk, `{"saveToSentItems":false}`, 400, "ErrorInvalidRecipients"},
		"metadata's words": {desk, `{"Message":{"toRecipients":[` + recipient + `]},"SaveToSentItems":false}`, 202, ""},
		"unknown property": {desk, `{"message":{"toRecipients":[],"colour":"red"}}`, 400, "BadRequest"},
		"not JSON":         {desk, `x`, 400, "BadRequest"},
		"too long":         {desk, strings.Repeat(" ", 5<<20), 413, "RequestBodyTooLarge"},
	} {
		before := len(r.tenant.Outbox())
		a := r.do(tc.status, "POST", tc.path, tc.body)
		if sent := len(r.tenant.Outbox()) - before; a.text("error", "code") != tc.code || sent != 0 && tc.status != 202 {
			t.Errorf("%s: %d sent, %s", name, sent, a.raw)
		}
	}
	r.must(r.tenant.SetPermissions("", entrasim.DefaultPermissions()...))
	if a := r.do(403, "POST", desk, wholeMail); a.text("error", "code") != "ErrorAccessDenied" {
		t.Errorf("without Mail.Send: %s", a.raw)
	}
}

func TestSendMailFaults(t *testing.T) {
	r, _ := mailRig(t)
	match := entrasim.Match{Operation: entrasim.OpSendMail}
	r.tenant.MustInject(entrasim.Fault{Match: match, Status: 429, Code: "ApplicationThrottled"})
	r.tenant.MustInject(entrasim.Fault{Match: match, After: true, Drop: true}) // sent, and nobody knows
	if a := r.do(429, "POST", desk, wholeMail); a.text("error", "code") != "ApplicationThrottled" || a.header.Get("Retry-After") != "10" {
		t.Errorf("%s", a.raw)
	}
	if _, err := r.request("POST", desk, wholeMail); err == nil || len(r.tenant.Outbox()) != 1 {
		t.Errorf("%v, %d mails", err, len(r.tenant.Outbox()))
	}
	// A strict tenant holds a request against the contract.
	r.do(400, "POST", desk, `{"message":{"subject":"x"},"saveToSentItems":"no"}`)
	if v := r.tenant.ContractViolations(); len(v) != 2 || v[0].Side != "request" {
		t.Errorf("%+v", v)
	}
}
