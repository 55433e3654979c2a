package channel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

const evil = `Robin <!channel> <https://evil.example.net|click> [x](https://evil.example.net) **b** _i_ & :joy: {{DATE(2017-02-14T06:00:00Z)}}`

func TestTeams(t *testing.T) {
	srv := newService(t, status(202))
	m := public()
	m.Text = evil + "\n\nReference: q7k2m9\n"
	m.Dir, m.Locale = "rtl", "ar"
	if r, err := opened(t, configOf(t, KindTeams, srv), Deps{}).Post(t.Context(), "send message", m, false); err != nil || r != (jml.Receipt{}) {
		t.Fatalf("%+v, %v", r, err)
	}
	g := srv.only(t)
	if g.method != "POST" || g.path != "/services/key-of-the-room" || g.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v", g.method, g.path, g.header)
	}
	block := func(run map[string]any) any {
		run["type"] = "TextRun"
		return map[string]any{"type": "RichTextBlock", "inlines": []any{run}}
	}
	want := map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil,
		"content": map[string]any{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "lang": "ar", "rtl": true,
			"body": []any{
				block(map[string]any{"text": "Somebody needs help", "weight": "Bolder", "size": "Medium"}),
				block(map[string]any{"text": evil}),
				block(map[string]any{"text": "Reference: q7k2m9"}),
			},
		},
	}}}
	if diff := cmp.Diff(want, decoded(t, g.body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if strings.Contains(g.body, "TextBlock\"") && !strings.Contains(g.body, "RichTextBlock\"") {
		t.Error("a TextBlock reads Markdown")
	}
}

func TestSlack(t *testing.T) {
	srv := newService(t, func(w http.ResponseWriter, _ got) { fmt.Fprint(w, "ok") })
	m := public()
	m.Subject, m.Text = "Help <!here> & more", evil+"\n\nReference: q7k2m9\n"
	if r, err := opened(t, configOf(t, KindSlack, srv), Deps{}).Post(t.Context(), "send message", m, false); err != nil || r != (jml.Receipt{}) {
		t.Fatalf("%+v, %v", r, err)
	}
	g := srv.only(t)
	if g.method != "POST" || g.path != "/services/key-of-the-room" || g.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v", g.method, g.path, g.header)
	}
	block := func(kind, text string) any {
		return map[string]any{"type": kind, "text": map[string]any{"type": "plain_text", "text": text, "emoji": false}}
	}
	want := map[string]any{
		"text": "Help &lt;!here&gt; &amp; more", "mrkdwn": false, "unfurl_links": false, "unfurl_media": false,
		"blocks": []any{
			block("header", "Help &lt;!here&gt; &amp; more"),
			block("section", `Robin &lt;!channel&gt; &lt;https://evil.example.net|click&gt; [x](https://evil.example.net) **b** _i_ &amp; :joy: {{DATE(2017-02-14T06:00:00Z)}}`),
			block("section", "Reference: q7k2m9"),
		},
	}
	if diff := cmp.Diff(want, decoded(t, g.body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func decoded(t testing.TB, body string) any {
	t.Helper()
	var out any
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A room is public. What is secret does not get in, whoever asks for it.
func TestRoomsTakeNothingSecret(t *testing.T) {
	for _, kind := range []Kind{KindTeams, KindSlack} {
		srv := newService(t, status(200))
		ch := opened(t, configOf(t, kind, srv), Deps{})
		for name, bend := range map[string]func(*Message){
			"pass":      func(m *Message) { m.Notice.Message = jml.MessagePass },
			"unnamed":   func(m *Message) { m.Notice.Message = "" },
			"link":      func(m *Message) { m.Notice.Message = jml.MessageLink },
			"code":      func(m *Message) { m.Notice.Message = jml.MessageCode },
			"attest":    func(m *Message) { m.Notice.Message = jml.MessageAttest },
			"collected": func(m *Message) { m.Notice.Message = jml.MessageCollected },
			"moved":     func(m *Message) { m.Notice.Message = jml.MessageMoved },
			"used up":   func(m *Message) { m.Notice.Message = jml.MessageUnfinished },
			"passcode":  func(m *Message) { m.Contents.Passcode = secret.NewPasscode(canary) },
			"a link":    func(m *Message) { m.Contents.Link = secret.NewPasscode(canary) },
			"a code":    func(m *Message) { m.Contents.Code = secret.NewPasscode(canary) },
			"reference": func(m *Message) { m.Contents.PickupReference = secret.NewPasscode(canary) },
		} {
			m := public()
			bend(&m)
			r, err := ch.Post(t.Context(), "send message", m, false)
			if f := faultOf(t, err); f.Kind != jml.FaultRefused || f.Code != "secretMessage" {
				t.Errorf("%s, %s: %v", kind, name, f)
			}
			leaks(t, name, ch, r, err)
		}
		for _, message := range []jml.Message{jml.MessageAlert, jml.MessageApproval, jml.MessageEscalation, jml.MessageMissed} {
			if !ch.Carries(message) {
				t.Errorf("%s does not carry %s", kind, message)
			}
		}
		m := public()
		m.Text = strings.Repeat("x", 30_000)
		if _, err := ch.Post(t.Context(), "send message", m, false); faultOf(t, err).Code != "tooLong" {
			t.Errorf("%s: %v", kind, err)
		}
		if n := len(srv.got()); n != 0 {
			t.Errorf("%s: %d requests", kind, n)
		}
	}
}

func TestRoomsDry(t *testing.T) {
	srv := newService(t, status(500))
	if _, err := opened(t, configOf(t, KindTeams, srv), Deps{}).Post(t.Context(), "probe channel", sample(), true); err != nil || len(srv.got()) != 0 {
		t.Errorf("%v, %d requests", err, len(srv.got()))
	}
	for _, tt := range []struct {
		status int
		body   string
		want   *jml.Fault
	}{
		{400, "no_text", nil},
		{400, "missing_text_or_fallback_or_attachments\n", nil},
		{400, "invalid_payload", &jml.Fault{Kind: jml.FaultRefused, Code: "invalid_payload", Reason: jml.ReasonMessageRefused}},
		{404, "no_service", &jml.Fault{Kind: jml.FaultRefused, Code: "no_service", Reason: jml.ReasonMessageRefused}},
		{403, "invalid_token", &jml.Fault{Kind: jml.FaultDenied, Code: "invalid_token", Reason: jml.ReasonMessageRefused}},
		{410, "channel_is_archived", &jml.Fault{Kind: jml.FaultRefused, Code: "channel_is_archived", Reason: jml.ReasonMessageRefused}},
		{500, "rollup_error", &jml.Fault{Kind: jml.FaultUnavailable, Code: "rollup_error", Reason: jml.ReasonChannelUnavailable}},
		{400, "echo", &jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}},
	} {
		srv := newService(t, func(w http.ResponseWriter, _ got) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		_, err := opened(t, configOf(t, KindSlack, srv), Deps{}).Post(t.Context(), "probe channel", sample(), true)
		if g := srv.only(t); g.body != `{"text":""}` {
			t.Errorf("a probe holds %s", g.body)
		}
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.body, err)
			}
			continue
		}
		tt.want.System, tt.want.Op, tt.want.Status = "slack", "probe channel", tt.status
		if diff := cmp.Diff(tt.want, faultOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.body, diff)
		}
	}
}
