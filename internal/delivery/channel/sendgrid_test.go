package channel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

// posted is what SendGrid would read of a mail.
type posted struct {
	From             address
	ReplyTo          address `json:"reply_to"`
	Subject          string
	Personalizations []struct {
		To   []address
		Data map[string]any `json:"dynamic_template_data"`
	}
	Content          []struct{ Type, Value string }
	TemplateID       string                     `json:"template_id"`
	CustomArgs       map[string]string          `json:"custom_args"`
	Headers          map[string]string          `json:"headers"`
	MailSettings     map[string]map[string]bool `json:"mail_settings"`
	TrackingSettings map[string]map[string]bool `json:"tracking_settings"`
}

type address struct{ Name, Email string }

func (g got) mail(t testing.TB) posted {
	t.Helper()
	var m posted
	if err := json.Unmarshal([]byte(g.body), &m); err != nil {
		t.Errorf("the request is not JSON: %v", err)
	}
	return m
}

func accept(w http.ResponseWriter, _ got) {
	w.Header().Set("X-Message-Id", "msg-1")
	w.WriteHeader(202)
}

func TestSendGrid(t *testing.T) {
	srv := newService(t, accept)
	m := sample()
	receipt, err := opened(t, configOf(t, KindSendGrid, srv), Deps{}).Post(t.Context(), "send message", m, false)
	if err != nil || receipt.MessageID != "msg-1" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	head := srv.only(t)
	got := head.mail(t)
	if head.method != "POST" || head.path != "/v3/mail/send" || head.header.Get("Authorization") != "Bearer SG.key-of-sendgrid" || head.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v", head.method, head.path, head.header)
	}
	if got.From != (address{"Larch & Sons", "welcome@example.com"}) || got.ReplyTo.Email != "desk@example.com" {
		t.Errorf("from %+v, reply to %+v", got.From, got.ReplyTo)
	}
	if len(got.Personalizations) != 1 || len(got.Personalizations[0].To) != 1 || got.Personalizations[0].To[0] != (address{"", "robin.vale@example.org"}) {
		t.Errorf("to %+v", got.Personalizations)
	}
	if got.Subject != "Larch & Sons: your first sign-in" {
		t.Errorf("subject %q", got.Subject)
	}
	want := []struct{ Type, Value string }{{"text/plain", m.Text}, {"text/html", m.HTML}}
	if diff := cmp.Diff(want, got.Content); diff != "" {
		t.Errorf("content (-want +got)\n%s", diff)
	}
	if got.TemplateID != "" || len(got.Personalizations[0].Data) != 0 {
		t.Errorf("template %q, %v", got.TemplateID, got.Personalizations[0].Data)
	}
	if diff := cmp.Diff(map[string]string{"reference": "q7k2m9", "handle": "hAnd-le_1"}, got.CustomArgs); diff != "" {
		t.Errorf("custom args %s", diff)
	}
	if diff := cmp.Diff(map[string]string{"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}, got.Headers); diff != "" {
		t.Errorf("headers %s", diff)
	}
	tracking := map[string]map[string]bool{
		"click_tracking":        {"enable": false, "enable_text": false},
		"open_tracking":         {"enable": false},
		"subscription_tracking": {"enable": false},
		"ganalytics":            {"enable": false},
	}
	if diff := cmp.Diff(tracking, got.TrackingSettings); diff != "" {
		t.Errorf("tracking (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]map[string]bool{"sandbox_mode": {"enable": false}}, got.MailSettings); diff != "" {
		t.Errorf("settings (-want +got)\n%s", diff)
	}
}

func TestSendGridTemplates(t *testing.T) {
	srv := newService(t, accept)
	cfg := configOf(t, KindSendGrid, srv)
	cfg.Templates = map[string]string{"pass": "d-0123456789abcdef0123456789abcdef"}
	ch := opened(t, cfg, Deps{})
	unnamed, link := sample(), sample()
	unnamed.Notice.Message, link.Notice.Message = "", jml.MessageLink
	for _, m := range []Message{sample(), unnamed, link} {
		if _, err := ch.Post(t.Context(), "send message", m, false); err != nil {
			t.Fatal(err)
		}
	}
	for i, g := range srv.got() {
		if strings.Contains(g.body, `"content":`) != (i == 2) {
			t.Errorf("%d: content in %s", i, g.body)
		}
		m := g.mail(t)
		if i == 2 {
			if m.TemplateID != "" || len(m.Content) != 2 {
				t.Errorf("a message without a template: %+v", m)
			}
			continue
		}
		want := map[string]any{"given_name": "Robin", "passcode": canary, "link": sample().Fields["link"]}
		if diff := cmp.Diff(want, m.Personalizations[0].Data); diff != "" || m.TemplateID != "d-0123456789abcdef0123456789abcdef" || m.Subject == "" {
			t.Errorf("%d: template %q, %s", i, m.TemplateID, diff)
		}
	}
}

func TestSendGridSandbox(t *testing.T) {
	srv := newService(t, status(200))
	cfg := configOf(t, KindSendGrid, srv)
	plain := opened(t, cfg, Deps{})
	cfg.Sandbox = true
	sandbox := opened(t, cfg, Deps{})
	for i, post := range []struct {
		ch        Channel
		dry, want bool
	}{{plain, false, false}, {plain, true, true}, {sandbox, false, true}, {sandbox, true, true}} {
		if _, err := post.ch.Post(t.Context(), "probe channel", sample(), post.dry); err != nil {
			t.Fatal(err)
		}
		if got := srv.got()[i].mail(t).MailSettings["sandbox_mode"]["enable"]; got != post.want {
			t.Errorf("%d: sandbox %v", i, got)
		}
	}
}

func TestSendGridWithoutArgs(t *testing.T) {
	srv := newService(t, accept)
	m := sample()
	m.Notice.Reference, m.Notice.Handle = "", ""
	if _, err := opened(t, configOf(t, KindSendGrid, srv), Deps{}).Post(t.Context(), "send message", m, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(srv.only(t).body, "custom_args") {
		t.Error("empty custom args")
	}
}

const complaint = `{"errors":[
	{"message":"robin.vale@example.org is on a list","field":"personalizations.0.to.0.email","help":"x"},
	{"message":"again","field":"personalizations.0.to.0.email"},
	{"message":"no field","field":null},
	{"message":"not a name","field":"robin.vale@example.org"},
	{"message":"m","field":"from.email"}],"id":"e"}`

func TestSendGridStatuses(t *testing.T) {
	for _, tt := range []struct {
		status int
		header string // "Name: value"
		body   string
		want   *jml.Fault // nil: sent
	}{
		{200, "", "", nil}, {202, "", "", nil}, {204, "", "", nil},
		{301, "Location: https://example.com/", "", &jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable}},
		{400, "", complaint, &jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused, Code: "personalizations.0.to.0.email,from.email"}},
		{400, "", "<html>robin.vale@example.org", &jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{400, "", `{"errors":"robin.vale"}`, &jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{401, "", `{"errors":[{"message":"The provided authorization grant is invalid","field":null}]}`, &jml.Fault{Kind: jml.FaultDenied, Reason: jml.ReasonMessageRefused}},
		{403, "", complaint, &jml.Fault{Kind: jml.FaultDenied, Reason: jml.ReasonMessageRefused, Code: "personalizations.0.to.0.email,from.email"}},
		{404, "", "", &jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{408, "", "", &jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable}},
		{413, "", "", &jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
		{429, "Retry-After: 7", "", &jml.Fault{Kind: jml.FaultThrottled, Reason: jml.ReasonChannelUnavailable, RetryAfter: 7 * time.Second}},
		{429, "", "", &jml.Fault{Kind: jml.FaultThrottled, Reason: jml.ReasonChannelUnavailable}},
		{429, "X-RateLimit-Reset: 1000000", "", &jml.Fault{Kind: jml.FaultThrottled, Reason: jml.ReasonChannelUnavailable}},
		{500, "", "", &jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable}},
		{503, "Retry-After: 99999999", strings.Repeat("robin.vale ", 10_000), &jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable, RetryAfter: 24 * time.Hour}},
		{504, "", complaint, &jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable, Code: "personalizations.0.to.0.email,from.email"}},
	} {
		srv := newService(t, func(w http.ResponseWriter, _ got) {
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		})
		ch := opened(t, configOf(t, KindSendGrid, srv), Deps{})
		for op, dry := range map[string]bool{"send message": false, "probe channel": true} {
			_, err := ch.Post(t.Context(), op, sample(), dry)
			if tt.want == nil {
				if err != nil {
					t.Errorf("%d: %v", tt.status, err)
				}
				continue
			}
			tt.want.System, tt.want.Status, tt.want.Op = "sendgrid", tt.status, op
			if diff := cmp.Diff(tt.want, faultOf(t, err)); diff != "" {
				t.Errorf("%d, %s (-want +got)\n%s", tt.status, op, diff)
			}
		}
		if len(srv.got()) != 2 {
			t.Errorf("%d: %d requests for two calls", tt.status, len(srv.got()))
		}
	}
}

func TestRateLimitReset(t *testing.T) {
	at := time.Unix(1_772_000_000, 0)
	for _, tt := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{"X-Ratelimit-Reset": {"1772000042"}}, 42 * time.Second},
		{http.Header{"X-Ratelimit-Reset": {"1772000042"}, "Retry-After": {"3"}}, 3 * time.Second},
		{http.Header{"Retry-After": {at.Add(time.Minute).UTC().Format(http.TimeFormat)}}, time.Minute},
		{http.Header{"Retry-After": {"-5"}}, 0},
		{http.Header{"Retry-After": {"later"}}, 0},
	} {
		if got := retryAfter(tt.header, at); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.header, got, tt.want)
		}
	}
}

func TestSendGridNotReachable(t *testing.T) {
	srv := newService(t, accept)
	cfg := configOf(t, KindSendGrid, srv)
	srv.Close()
	_, err := opened(t, cfg, Deps{}).Post(t.Context(), "send message", sample(), false)
	if diff := cmp.Diff(&jml.Fault{System: "sendgrid", Op: "send message", Kind: jml.FaultUnavailable, Code: "notReachable", Reason: jml.ReasonChannelUnavailable}, faultOf(t, err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParallelSends(t *testing.T) {
	srv := newService(t, func(w http.ResponseWriter, g got) {
		w.Header().Set("X-Message-Id", g.mail(t).CustomArgs["reference"])
		w.WriteHeader(202)
	})
	ch := opened(t, configOf(t, KindSendGrid, srv), Deps{})
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			m := sample()
			m.To, m.Notice.Reference = fmt.Sprintf("p%d@example.org", i), fmt.Sprintf("ref%d", i)
			m.Text, m.HTML = fmt.Sprintf("code-of-%d.", i), fmt.Sprintf("<p>code-of-%d.", i)
			receipt, err := ch.Post(t.Context(), "send message", m, false)
			if err != nil || receipt.MessageID != m.Notice.Reference {
				t.Errorf("%d: %+v, %v", i, receipt, err)
			}
		})
	}
	wait.Wait()
	mails := map[string]int{}
	for _, g := range srv.got() {
		m := g.mail(t)
		to := m.Personalizations[0].To[0].Email
		mails[to]++
		var i int
		if _, err := fmt.Sscanf(to, "p%d@", &i); err != nil {
			t.Fatal(err)
		}
		for _, part := range m.Content {
			if !strings.Contains(part.Value, fmt.Sprintf("code-of-%d.", i)) || strings.Count(part.Value, "code-of-") != 1 {
				t.Errorf("%s got a message of somebody else", to)
			}
		}
	}
	if len(mails) != 200 || len(srv.got()) != 200 {
		t.Errorf("%d mails to %d people, want 200 to 200", len(srv.got()), len(mails))
	}
}
