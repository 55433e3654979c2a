package channel

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

type graphMail struct {
	From, To, ReplyTo, Subject, Text, HTML string
	Headers                                map[string]string
}

type mailer func(graphMail) error

func (f mailer) SendMail(_ context.Context, from, to, replyTo, subject, text, html string, headers map[string]string) error {
	return f(graphMail{from, to, replyTo, subject, text, html, headers})
}

type stuck struct{}

func (stuck) SendMail(ctx context.Context, _, _, _, _, _, _ string, _ map[string]string) error {
	<-ctx.Done()
	return ctx.Err()
}

func graphConfig() Config {
	return Config{Name: "out", Kind: KindGraph, From: "welcome@example.com", ReplyTo: "desk@example.com"}
}

func TestGraph(t *testing.T) {
	var sent []graphMail
	ch := opened(t, graphConfig(), Deps{Graph: mailer(func(m graphMail) error { sent = append(sent, m); return nil })})
	m := sample()
	for _, dry := range []bool{true, false} {
		if r, err := ch.Post(t.Context(), "send message", m, dry); err != nil || r != (jml.Receipt{}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	want := []graphMail{{"welcome@example.com", "robin.vale@example.org", "desk@example.com", m.Subject, m.Text, m.HTML, map[string]string{"X-Auto-Response-Suppress": "All"}}}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestGraphFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		theirs error
		want   jml.Fault
	}{
		"throttled": {&jml.Fault{System: "graph", Op: "send mail", Kind: jml.FaultThrottled, Status: 429, RetryAfter: time.Minute, RequestID: "a-b-c", Code: "ErrorServerBusy"},
			jml.Fault{Kind: jml.FaultThrottled, Status: 429, RetryAfter: time.Minute, RequestID: "a-b-c", Code: "ErrorServerBusy", Reason: jml.ReasonChannelUnavailable}},
		"unavailable": {&jml.Fault{Kind: jml.FaultUnavailable, Status: 503, Reason: jml.ReasonGraphUnavailable},
			jml.Fault{Kind: jml.FaultUnavailable, Status: 503, Reason: jml.ReasonChannelUnavailable}},
		"denied": {&jml.Fault{Kind: jml.FaultDenied, Status: 403, Code: "ErrorAccessDenied", Text: "echo " + canary},
			jml.Fault{Kind: jml.FaultDenied, Status: 403, Code: "ErrorAccessDenied", Reason: jml.ReasonPermissionMissing}},
		"refused": {&jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "ErrorInvalidArgument", Reason: jml.ReasonUnknownRefusal},
			jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "ErrorInvalidArgument", Reason: jml.ReasonMessageRefused}},
		"no recipient": {&jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "ErrorInvalidRecipients", Reason: jml.ReasonNoRecipient},
			jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "ErrorInvalidRecipients", Reason: jml.ReasonNoRecipient}},
		"no mailbox": {&jml.Fault{Kind: jml.FaultNotFound, Status: 404, Code: "ErrorInvalidUser"},
			jml.Fault{Kind: jml.FaultRefused, Status: 404, Code: "ErrorInvalidUser", Reason: jml.ReasonMessageRefused}},
		"echo": {&jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "x733221x", RequestID: "robin.vale"},
			jml.Fault{Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonMessageRefused}},
		"no Fault": {errors.New("echo " + canary), jml.Fault{Kind: jml.FaultUnavailable, Code: "connectionBroken", Reason: jml.ReasonChannelUnavailable}},
	} {
		ch := opened(t, graphConfig(), Deps{Graph: mailer(func(graphMail) error { return tt.theirs })})
		r, err := ch.Post(t.Context(), "send message", sample(), false)
		tt.want.System, tt.want.Op = "graph", "send message"
		if diff := cmp.Diff(&tt.want, faultOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		leaks(t, name, ch, r, err)
	}
}

// Exchange takes four requests of an app at once on one mailbox.
func TestGraphAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under := 0
		free := make(chan struct{})
		cfg := graphConfig()
		cfg.AtOnce = 20
		ch := opened(t, cfg, Deps{Graph: mailer(func(graphMail) error { under++; <-free; return nil })})
		for range 10 {
			go func() { _, _ = ch.Post(t.Context(), "send message", sample(), false) }()
		}
		synctest.Wait()
		if under != 4 {
			t.Errorf("%d under way", under)
		}
		close(free)
	})
}

func TestGraphHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, begin := opened(t, graphConfig(), Deps{Graph: stuck{}}), time.Now()
		_, err := ch.Post(t.Context(), "send message", sample(), false)
		if f := faultOf(t, err); f.Kind != jml.FaultUnavailable || f.Code != "timeout" || time.Since(begin) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the caller's time is not over, and it is told so")
		}
	})
}
