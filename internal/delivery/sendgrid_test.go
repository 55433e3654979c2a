package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

func TestSend(t *testing.T) {
	srv := newService(t, accept)
	s := newSender(t, config(t, srv.URL+"/"))
	receipt, err := s.Send(t.Context(), notice(), code())
	if err != nil || receipt.MessageID != "msg-1" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	got, head := srv.got()[0], srv.heads[0]
	if head.Method != "POST" || head.URL.Path != "/v3/mail/send" || head.Header.Get("Authorization") != "Bearer SG.key-canary" || head.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v", head.Method, head.URL, head.Header)
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
	m, _ := s.render("test", notice(), code())
	want := []struct{ Type, Value string }{{"text/plain", m.text}, {"text/html", m.html}}
	if diff := cmp.Diff(want, got.Content); diff != "" {
		t.Errorf("content (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"reference": "q7k2m9"}, got.CustomArgs); diff != "" {
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

func TestSandboxAndProbe(t *testing.T) {
	srv := newService(t, func(w http.ResponseWriter, _ posted) { w.WriteHeader(200) })
	cfg := config(t, srv.URL)
	sandboxed := cfg.Channels[0]
	sandboxed.Name, sandboxed.Sandbox = "sandbox", true
	cfg.Channels = append(cfg.Channels, sandboxed)
	s := newSender(t, cfg)
	if diff := cmp.Diff([]string{"mail", "sandbox"}, s.Channels()); diff != "" {
		t.Error(diff)
	}
	n, early := notice(), notice()
	n.Channel = "sandbox"
	early.From, early.Until = time.Time{}, time.Time{}
	_, err := s.Send(t.Context(), n, code())
	if err := errors.Join(err, s.Probe(t.Context(), "mail", &early), s.Probe(t.Context(), "mail", nil)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"robin.vale@example.org", "robin.vale@example.org", "welcome@example.com"} {
		m := srv.got()[i]
		if !m.MailSettings["sandbox_mode"]["enable"] || m.Personalizations[0].To[0].Email != want {
			t.Errorf("%d: to %v, settings %v", i, m.Personalizations, m.MailSettings)
		}
		if i > 0 && strings.Contains(m.Content[0].Value, canary) {
			t.Error("a probe holds a passcode")
		}
	}
	early.Recipient = "robin"
	for name, err := range map[string]error{
		"no such channel": s.Probe(t.Context(), "fax", nil),
		"bad address":     s.Probe(t.Context(), "mail", &early),
	} {
		if f := faultOf(err); f == nil || f.Kind != jml.FaultRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(srv.got()); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestSendNeedsPasscodeAndTimes(t *testing.T) {
	srv := newService(t, accept)
	s := newSender(t, config(t, srv.URL))
	early, reversed := notice(), notice()
	early.From = time.Time{}
	reversed.Until = reversed.From
	for name, tt := range map[string]struct {
		notice jml.Notice
		code   secret.Passcode
	}{"no passcode": {notice(), secret.Passcode{}}, "no start": {early, code()}, "no end": {reversed, code()}} {
		if _, err := s.Send(t.Context(), tt.notice, tt.code); faultOf(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(srv.got()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

const complaint = `{"errors":[
	{"message":"robin.vale@example.org is on a list","field":"personalizations.0.to.0.email","help":"x"},
	{"message":"again","field":"personalizations.0.to.0.email"},
	{"message":"no field","field":null},
	{"message":"not a name","field":"robin.vale@example.org"},
	{"message":"m","field":"from.email"}],"id":"e"}`

func TestStatuses(t *testing.T) {
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
		srv := newService(t, func(w http.ResponseWriter, _ posted) {
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		})
		s := newSender(t, config(t, srv.URL))
		_, err := s.Send(t.Context(), notice(), code())
		probe := s.Probe(t.Context(), "mail", nil)
		if tt.want == nil {
			if err != nil || probe != nil {
				t.Errorf("%d: %v, %v", tt.status, err, probe)
			}
			continue
		}
		tt.want.System, tt.want.Status = "sendgrid", tt.status
		for op, err := range map[string]error{"send message": err, "probe channel": probe} {
			tt.want.Op = op
			var f *jml.Fault
			if !errors.As(err, &f) {
				t.Fatalf("%d: %v", tt.status, err)
			}
			if diff := cmp.Diff(tt.want, f); diff != "" {
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

// The services of this test say the passcode back wherever they can.
func TestNobodySeesThePasscode(t *testing.T) {
	const word = "c4n4ryABCD" // passes for an identifier
	var seen []string
	see := func(s *Sender, n jml.Notice, c string) {
		receipt, err := s.Send(t.Context(), n, secret.NewPasscode(c))
		f := faultOf(err)
		seen = append(seen, fmt.Sprintf("%+v %#v %v %+v %#v %+v %+v %#v", receipt, receipt, err, err, err, f, s, s))
		if f != nil {
			seen = append(seen, fmt.Sprintf("%+v %+v", *f, f.Block()))
		}
	}
	for _, status := range []int{200, 202, 302, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504} {
		for _, c := range []string{canary, word} {
			srv := newService(t, func(w http.ResponseWriter, m posted) {
				for _, h := range []string{"X-Message-Id", "X-Request-Id", "Retry-After", "Location"} {
					w.Header().Set(h, c)
				}
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, `{"errors":[{"field":%q,"message":%q}]}`, c, m.Content[0].Value)
			})
			see(newSender(t, config(t, srv.URL)), notice(), c)
		}
	}
	broken := newService(t, func(http.ResponseWriter, posted) { panic(http.ErrAbortHandler) })
	see(newSender(t, config(t, broken.URL)), notice(), canary)
	cut := newService(t, func(w http.ResponseWriter, _ posted) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(503)
		_, _ = w.Write([]byte(canary))
	})
	see(newSender(t, config(t, cut.URL)), notice(), canary)
	bad := notice()
	bad.Recipient = canary
	see(newSender(t, config(t, cut.URL)), bad, canary)
	for _, s := range seen {
		for _, secret := range []string{"c4n4ry", "key-canary", "robin.vale", "127.0.0.1"} {
			if strings.Contains(s, secret) {
				t.Errorf("%s shows in %s", secret, s)
			}
		}
	}
}

func TestNoAnswer(t *testing.T) {
	broken := newService(t, func(http.ResponseWriter, posted) { panic(http.ErrAbortHandler) })
	closed := newService(t, accept)
	closed.Close()
	for endpoint, want := range map[string]string{broken.URL: "connectionBroken", closed.URL: "notReachable"} {
		_, err := newSender(t, config(t, endpoint)).Send(t.Context(), notice(), code())
		if diff := cmp.Diff(&jml.Fault{System: "sendgrid", Op: "send message", Kind: jml.FaultUnavailable, Code: want, Reason: jml.ReasonChannelUnavailable}, faultOf(err)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if n := len(broken.got()); n != 1 {
		t.Errorf("a mail whose answer is lost is posted %d times", n)
	}
}

// The status has come, its body has not: the mail was taken.
func TestCutReplyOfAMailThatWasTaken(t *testing.T) {
	srv := newService(t, func(w http.ResponseWriter, _ posted) {
		w.Header().Set("X-Message-Id", "msg-2")
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(202)
	})
	receipt, err := newSender(t, config(t, srv.URL)).Send(t.Context(), notice(), code())
	if err != nil || receipt.MessageID != "msg-2" {
		t.Errorf("%+v, %v", receipt, err)
	}
}

func TestCallerStopsWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	srv := newService(t, func(http.ResponseWriter, posted) { cancel(); <-gone })
	_, err := newSender(t, config(t, srv.URL)).Send(ctx, notice(), code())
	close(gone)
	var f *jml.Fault
	if !errors.Is(err, context.Canceled) || !errors.As(err, &f) || f.Kind != jml.FaultUnavailable {
		t.Errorf("%v, want a Fault that is context.Canceled", err)
	}
}

func TestParallelSends(t *testing.T) {
	srv := newService(t, func(w http.ResponseWriter, m posted) {
		w.Header().Set("X-Message-Id", m.CustomArgs["reference"])
		w.WriteHeader(202)
	})
	s := newSender(t, config(t, srv.URL))
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			n := notice()
			n.Recipient, n.Reference = fmt.Sprintf("p%d@example.org", i), fmt.Sprintf("ref%d", i)
			receipt, err := s.Send(t.Context(), n, secret.NewPasscode(fmt.Sprintf("code-of-%d.", i)))
			if err != nil || receipt.MessageID != n.Reference {
				t.Errorf("%d: %+v, %v", i, receipt, err)
			}
		})
	}
	wait.Wait()
	mails := map[string]int{}
	for _, m := range srv.got() {
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
