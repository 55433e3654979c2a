package channel

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

func created(w http.ResponseWriter, _ got) {
	w.WriteHeader(201)
	fmt.Fprintf(w, `{"sid":%q,"status":"queued","body":"x"}`, messageID)
}

func TestTwilio(t *testing.T) {
	service := "MG0123456789abcdef0123456789abcdef"
	for name, tt := range map[string]struct {
		bend func(*Config, *Message)
		want url.Values
	}{
		"by number": {nil, url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {"Your code: " + canary}, "SmartEncoded": {"false"},
			"StatusCallback": {callbackTo + "?h=hAnd-le_1"}}},
		"by service": {func(c *Config, _ *Message) { c.From, c.MessagingService = "", service },
			url.Values{"To": {"+4915550001234"}, "MessagingServiceSid": {service}, "Body": {"Your code: " + canary}, "SmartEncoded": {"false"},
				"StatusCallback": {callbackTo + "?h=hAnd-le_1"}}},
		"no callback": {func(c *Config, _ *Message) { c.StatusCallback = "" },
			url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {"Your code: " + canary}, "SmartEncoded": {"false"}}},
		"no handle": {func(_ *Config, m *Message) { m.Notice.Handle = "" },
			url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {"Your code: " + canary}, "SmartEncoded": {"false"}}},
		"handle and body are escaped": {func(_ *Config, m *Message) { m.Notice.Handle, m.SMS = "a&b=c", "a&To=+1555&Body=b" },
			url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {"a&To=+1555&Body=b"}, "SmartEncoded": {"false"},
				"StatusCallback": {callbackTo + "?h=a%26b%3Dc"}}},
		"valid for ten minutes": {func(_ *Config, m *Message) { m.Notice.Until = noon.Add(10 * time.Minute) },
			url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {"Your code: " + canary}, "SmartEncoded": {"false"},
				"StatusCallback": {callbackTo + "?h=hAnd-le_1"}, "ValidityPeriod": {"600"}}},
		"valid no more": {func(_ *Config, m *Message) { m.Notice.Until = noon.Add(-time.Minute) },
			url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {"Your code: " + canary}, "SmartEncoded": {"false"},
				"StatusCallback": {callbackTo + "?h=hAnd-le_1"}, "ValidityPeriod": {"60"}}},
		"an escalation may come late": {func(_ *Config, m *Message) {
			m.Notice.Message, m.Notice.Until, m.SMS = jml.MessageEscalation, noon.Add(time.Minute), "it’s “time” – now"
		},
			url.Values{"To": {"+4915550001234"}, "From": {senderNo}, "Body": {`it's "time" - now`}, "SmartEncoded": {"false"},
				"StatusCallback": {callbackTo + "?h=hAnd-le_1"}}},
	} {
		srv := newService(t, created)
		cfg, m := configOf(t, KindTwilio, srv), texted()
		if tt.bend != nil {
			tt.bend(&cfg, &m)
		}
		receipt, err := opened(t, cfg, Deps{}).Post(t.Context(), "send message", m, false)
		if err != nil || receipt.MessageID != messageID {
			t.Fatalf("%s: %+v, %v", name, receipt, err)
		}
		g := srv.only(t)
		form, err := url.ParseQuery(g.body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, form); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		user, password, _ := (&http.Request{Header: g.header}).BasicAuth()
		if g.method != "POST" || g.path != "/2010-04-01/Accounts/"+accountID+"/Messages.json" || user != accountID || password != "key-of-twilio" ||
			g.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s: %s %s %v", name, g.method, g.path, g.header)
		}
	}
}

func TestTwilioDry(t *testing.T) {
	account := "active"
	srv := newService(t, func(w http.ResponseWriter, _ got) { fmt.Fprintf(w, `{"sid":%q,"status":%q}`, accountID, account) })
	ch := opened(t, configOf(t, KindTwilio, srv), Deps{})
	nobody := texted()
	nobody.To = ""
	for _, m := range []Message{texted(), nobody} {
		if r, err := ch.Post(t.Context(), "probe channel", m, true); err != nil || r != (jml.Receipt{}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	for _, g := range srv.got() {
		if g.method != "GET" || g.path != "/2010-04-01/Accounts/"+accountID+".json" || g.query != "" || g.body != "" {
			t.Errorf("%s %s?%s %q", g.method, g.path, g.query, g.body)
		}
	}
	account = "suspended"
	_, err := ch.Post(t.Context(), "probe channel", texted(), true)
	if f := faultOf(t, err); f.Kind != jml.FaultDenied || f.Code != "accountNotActive" {
		t.Errorf("a suspended account: %v", f)
	}
}

func TestTwilioLooksFirst(t *testing.T) {
	srv := newService(t, created)
	ch := opened(t, configOf(t, KindTwilio, srv), Deps{})
	for name, tt := range map[string]struct {
		bend   func(*Message)
		code   string
		reason jml.BlockReason
	}{
		"no number":        {func(m *Message) { m.To = "" }, "badNumber", jml.ReasonNoRecipient},
		"not E.164":        {func(m *Message) { m.To = "015550001234" }, "badNumber", jml.ReasonNoRecipient},
		"another protocol": {func(m *Message) { m.To = "whatsapp:+4915550001234" }, "badNumber", jml.ReasonNoRecipient},
		"with a space":     {func(m *Message) { m.To = "+49 15550001234" }, "badNumber", jml.ReasonNoRecipient},
		"two lines":        {func(m *Message) { m.To = "+4915550001234\n" }, "badNumber", jml.ReasonNoRecipient},
		"no text":          {func(m *Message) { m.SMS = "" }, "noText", jml.ReasonMessageRefused},
		"too long":         {func(m *Message) { m.SMS = strings.Repeat("x", 307) }, "tooLong:3segments", jml.ReasonMessageRefused},
		"UCS-2":            {func(m *Message) { m.SMS = "á" + strings.Repeat("x", 134) }, "tooLong:3segments", jml.ReasonMessageRefused},
	} {
		m := texted()
		tt.bend(&m)
		r, err := ch.Post(t.Context(), "send message", m, false)
		want := &jml.Fault{System: "twilio", Op: "send message", Kind: jml.FaultRefused, Code: tt.code, Reason: tt.reason}
		if diff := cmp.Diff(want, faultOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		leaks(t, name, ch, r, err)
	}
	if n := len(srv.got()); n != 0 {
		t.Errorf("%d requests", n)
	}
	m := texted()
	m.SMS = "“" + strings.Repeat("x", 304) + "”" // folded, they fit
	if _, err := ch.Post(t.Context(), "send message", m, false); err != nil {
		t.Error(err)
	}
}

func TestTwilioErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   jml.Fault
	}{
		{400, `{"code":21211,"message":"The 'To' number +4915550001234 is not valid","status":400}`, jml.Fault{Kind: jml.FaultRefused, Code: "21211", Reason: jml.ReasonNoRecipient}},
		{400, `{"code":21614}`, jml.Fault{Kind: jml.FaultRefused, Code: "21614", Reason: jml.ReasonNoRecipient}},
		{400, `{"code":21610}`, jml.Fault{Kind: jml.FaultRefused, Code: "21610", Reason: jml.ReasonNoRecipient}},
		{400, `{"code":21408}`, jml.Fault{Kind: jml.FaultRefused, Code: "21408", Reason: jml.ReasonMessageRefused}},
		{400, `{"code":21606}`, jml.Fault{Kind: jml.FaultRefused, Code: "21606", Reason: jml.ReasonMessageRefused}},
		{401, `{"code":20003}`, jml.Fault{Kind: jml.FaultDenied, Code: "20003", Reason: jml.ReasonMessageRefused}},
		{400, `{"code":20003}`, jml.Fault{Kind: jml.FaultDenied, Code: "20003", Reason: jml.ReasonMessageRefused}},
		{404, `{"code":20404}`, jml.Fault{Kind: jml.FaultRefused, Code: "20404", Reason: jml.ReasonMessageRefused}},
		{429, `{"code":20429}`, jml.Fault{Kind: jml.FaultThrottled, Code: "20429", Reason: jml.ReasonChannelUnavailable}},
		{500, `{"code":20500}`, jml.Fault{Kind: jml.FaultUnavailable, Code: "20500", Reason: jml.ReasonChannelUnavailable}},
		{503, `{"code":21211}`, jml.Fault{Kind: jml.FaultUnavailable, Code: "21211", Reason: jml.ReasonChannelUnavailable}},
		{400, `{"code":733221}`, jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{400, `{"code":"21211"}`, jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{400, `{"code":1e400}`, jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{400, `<html>`, jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
	} {
		srv := newService(t, func(w http.ResponseWriter, _ got) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		_, err := opened(t, configOf(t, KindTwilio, srv), Deps{}).Post(t.Context(), "send message", texted(), false)
		tt.want.System, tt.want.Op, tt.want.Status = "twilio", "send message", tt.status
		if diff := cmp.Diff(&tt.want, faultOf(t, err)); diff != "" {
			t.Errorf("%d %s (-want +got)\n%s", tt.status, tt.body, diff)
		}
	}
}
