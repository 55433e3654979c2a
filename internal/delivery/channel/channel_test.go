package channel

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

// The services of this test say back whatever they got, wherever they can.
func TestNobodySeesSecrets(t *testing.T) {
	for _, kind := range httpKinds() {
		for _, code := range []int{200, 202, 302, 400, 401, 403, 404, 408, 410, 413, 429, 500, 502, 503, 504} {
			for _, echo := range []string{canary, "tok3nCANARYtok3nCANARY", "R3FCANARY", "733221", "robin.vale", "SMrobin.vale"} {
				srv := newService(t, func(w http.ResponseWriter, g got) {
					for _, h := range []string{"X-Message-Id", "X-Request-Id", "Twilio-Request-Id", "Retry-After", "Location", "webhook-id"} {
						w.Header().Set(h, echo)
					}
					w.WriteHeader(code)
					fmt.Fprintf(w, `{"errors":[{"field":%q,"message":%q}],"sid":%q,"code":%q,"message":%q,"status":%q}`, echo, g.body, echo, echo, g.body, echo)
				})
				ch := opened(t, configOf(t, kind, srv), Deps{})
				for _, dry := range []bool{false, true} {
					r, err := ch.Post(t.Context(), "send message", messageOf(kind), dry)
					leaks(t, fmt.Sprintf("%s, %d, dry %v", kind, code, dry), ch, r, err)
				}
			}
		}
		// The bare body, as Slack's words are.
		srv := newService(t, func(w http.ResponseWriter, g got) {
			w.WriteHeader(400)
			fmt.Fprint(w, canary, g.body)
		})
		ch := opened(t, configOf(t, kind, srv), Deps{})
		r, err := ch.Post(t.Context(), "send message", messageOf(kind), false)
		leaks(t, string(kind), ch, r, err)
		// No answer at all.
		broken := newService(t, func(http.ResponseWriter, got) { panic(http.ErrAbortHandler) })
		ch = opened(t, configOf(t, kind, broken), Deps{})
		r, err = ch.Post(t.Context(), "send message", messageOf(kind), false)
		leaks(t, string(kind), ch, r, err)
		if f := faultOf(t, err); f.Kind != jml.FaultUnavailable || f.Code != "connectionBroken" || f.System != string(kind) || f.Op != "send message" {
			t.Errorf("%s: %v", kind, f)
		}
		if n := len(broken.got()); n != 1 {
			t.Errorf("%s: a message whose answer is lost is posted %d times", kind, n)
		}
	}
}

func TestStatuses(t *testing.T) {
	unavailable := jml.Fault{Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable}
	refused := jml.Fault{Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}
	denied := jml.Fault{Kind: jml.FaultDenied, Reason: jml.ReasonMessageRefused}
	throttled := jml.Fault{Kind: jml.FaultThrottled, Reason: jml.ReasonChannelUnavailable}
	for status, want := range map[int]jml.Fault{
		301: unavailable, 302: unavailable, 307: unavailable, 308: unavailable, 400: refused, 401: denied, 403: denied, 404: refused,
		408: unavailable, 410: refused, 413: refused, 422: refused, 429: throttled, 500: unavailable, 502: unavailable, 503: unavailable,
	} {
		for _, kind := range httpKinds() {
			elsewhere := 0
			srv := newService(t, nil)
			srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					elsewhere++
				}
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
			})
			_, err := opened(t, configOf(t, kind, srv), Deps{}).Post(t.Context(), "send message", messageOf(kind), false)
			want := want
			want.System, want.Op, want.Status = string(kind), "send message", status
			if want.Kind == jml.FaultThrottled || want.Kind == jml.FaultUnavailable {
				want.RetryAfter = 7 * time.Second
			}
			if kind == KindWebhook && status == 410 {
				want.Code = "gone"
			}
			if diff := cmp.Diff(&want, faultOf(t, err)); diff != "" {
				t.Errorf("%s, %d (-want +got)\n%s", kind, status, diff)
			}
			if elsewhere != 0 {
				t.Errorf("%s, %d: the redirect is followed", kind, status)
			}
		}
	}
}

func TestHugeReply(t *testing.T) {
	for _, kind := range httpKinds() {
		var wrote int
		gone := make(chan struct{})
		srv := newService(t, func(w http.ResponseWriter, _ got) {
			defer close(gone)
			w.WriteHeader(400)
			for chunk := make([]byte, 64<<10); wrote < 256<<20; wrote += len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		_, err := opened(t, configOf(t, kind, srv), Deps{}).Post(t.Context(), "send message", messageOf(kind), false)
		if f := faultOf(t, err); f.Status != 400 {
			t.Errorf("%s: %v", kind, f)
		}
		<-gone
		if wrote >= 64<<20 {
			t.Errorf("%s: %d bytes of the reply were taken", kind, wrote)
		}
	}
}

// The status has come, its body has not: the message was taken.
func TestCutReplyOfAMessageThatWasTaken(t *testing.T) {
	for _, kind := range httpKinds() {
		srv := newService(t, func(w http.ResponseWriter, _ got) {
			w.Header().Set("X-Message-Id", "msg-2")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(202)
		})
		r, err := opened(t, configOf(t, kind, srv), Deps{}).Post(t.Context(), "send message", messageOf(kind), false)
		if err != nil || kind == KindSendGrid && r.MessageID != "msg-2" {
			t.Errorf("%s: %+v, %v", kind, r, err)
		}
	}
}

func TestCallerStopsWaiting(t *testing.T) {
	for _, kind := range httpKinds() {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		srv := newService(t, func(http.ResponseWriter, got) { cancel(); <-gone })
		_, err := opened(t, configOf(t, kind, srv), Deps{}).Post(ctx, "send message", messageOf(kind), false)
		close(gone)
		if f := faultOf(t, err); !errors.Is(err, context.Canceled) || f.Kind != jml.FaultUnavailable {
			t.Errorf("%s: %v, want a Fault that is context.Canceled", kind, err)
		}
	}
}

func TestClientGivesUpAfterHalfAMinute(t *testing.T) {
	c, err := newHTTPClient("")
	if err != nil || c.Timeout != 30*time.Second {
		t.Errorf("%v, %v", c.Timeout, err)
	}
}

func TestForeignCertificate(t *testing.T) {
	for _, kind := range httpKinds() {
		srv := newService(t, status(200))
		cfg := configOf(t, kind, srv)
		cfg.CAFile = ""
		_, err := opened(t, cfg, Deps{}).Post(t.Context(), "send message", messageOf(kind), false)
		if f := faultOf(t, err); f.Code != "certificate" || f.Kind != jml.FaultUnavailable {
			t.Errorf("%s: %v", kind, f)
		}
		if n := len(srv.got()); n != 0 {
			t.Errorf("%s: a server nobody vouches for got %d requests", kind, n)
		}
	}
}

func TestMailHeadersCannotBeInjected(t *testing.T) {
	srv := newService(t, status(202))
	mail := opened(t, configOf(t, KindSendGrid, srv), Deps{})
	sent := 0
	viaGraph := opened(t, graphConfig(), Deps{Graph: mailer(func(graphMail) error { sent++; return nil })})
	relay := newRelay(t, nil)
	viaSMTP := opened(t, relay.config(t), Deps{})
	for name, bend := range map[string]func(*Message){
		"subject, CRLF":      func(m *Message) { m.Subject = "Hi\r\nBcc: eve@example.org" },
		"subject, LF":        func(m *Message) { m.Subject = "Hi\nBcc: eve@example.org" },
		"subject, NEL":       func(m *Message) { m.Subject = "Hi\u0085Bcc: eve@example.org" },
		"subject, LS":        func(m *Message) { m.Subject = "Hi\u2028Bcc: eve@example.org" },
		"subject, bidi":      func(m *Message) { m.Subject = "Hi \u202egnihtyna" },
		"subject, NUL":       func(m *Message) { m.Subject = "Hi\x00" },
		"subject, too long":  func(m *Message) { m.Subject = strings.Repeat("x", 501) },
		"subject, none":      func(m *Message) { m.Subject = "" },
		"to, CRLF":           func(m *Message) { m.To = "robin.vale@example.org\r\nRCPT TO:<eve@example.org>" },
		"to, two":            func(m *Message) { m.To = "robin.vale@example.org,eve@example.org" },
		"to, with a name":    func(m *Message) { m.To = "Robin <robin.vale@example.org>" },
		"to, in brackets":    func(m *Message) { m.To = "<robin.vale@example.org>" },
		"to, with a comment": func(m *Message) { m.To = "robin.vale@example.org (x)" },
		"to, an option":      func(m *Message) { m.To = "robin.vale@example.org> NOTIFY=SUCCESS" },
		"to, no dot":         func(m *Message) { m.To = "robin.vale@localhost" },
		"to, none":           func(m *Message) { m.To = "" },
		"no text":            func(m *Message) { m.Text = "" },
		"no HTML":            func(m *Message) { m.HTML = "" },
	} {
		m := sample()
		bend(&m)
		want := jml.ReasonMessageRefused
		if strings.HasPrefix(name, "to,") {
			want = jml.ReasonNoRecipient
		}
		for _, ch := range []Channel{mail, viaGraph, viaSMTP} {
			for _, dry := range []bool{false, true} {
				r, err := ch.Post(t.Context(), "send message", m, dry)
				if f := faultOf(t, err); f.Kind != jml.FaultRefused || f.Reason != want {
					t.Errorf("%s, %v: %v", name, ch, f)
				}
				leaks(t, name, ch, r, err)
			}
		}
	}
	if n := len(srv.got()) + sent + len(relay.talks()); n != 0 {
		t.Errorf("%d of them went out", n)
	}
}

func TestWhatChannelsAre(t *testing.T) {
	srv := newService(t, status(202))
	secrets := []jml.Message{"", jml.MessagePass, jml.MessageLink, jml.MessageCode, jml.MessageIssued, jml.MessageCollected, jml.MessageAttest, jml.MessageReminder}
	for kind, want := range map[Kind]struct {
		address jml.AddressKind
		self    string
		secrets bool
	}{
		KindSendGrid: {jml.AddressMail, "welcome@example.com", true}, KindSMTP: {jml.AddressMail, "welcome@example.com", true},
		KindGraph: {jml.AddressMail, "welcome@example.com", true}, KindTwilio: {jml.AddressPhone, senderNo, true},
		KindWebhook: {jml.AddressNone, "", true}, KindTeams: {jml.AddressNone, "", false}, KindSlack: {jml.AddressNone, "", false},
	} {
		cfg := configOf(t, kind, srv)
		switch kind {
		case KindGraph:
			cfg = graphConfig()
		case KindSMTP:
			cfg.From, cfg.Server = "welcome@example.com", "mail.example.com:587"
		}
		ch := opened(t, cfg, Deps{Graph: mailer(nil)})
		if ch.Address() != want.address || ch.Self() != want.self {
			t.Errorf("%s: %q, %q", kind, ch.Address(), ch.Self())
		}
		for _, m := range secrets {
			if ch.Carries(m) != want.secrets {
				t.Errorf("%s carries %q: %v", kind, m, ch.Carries(m))
			}
		}
		for _, m := range []jml.Message{jml.MessageEscalation, jml.MessageAlert} {
			if !ch.Carries(m) {
				t.Errorf("%s does not carry %q", kind, m)
			}
		}
	}
	cfg := configOf(t, KindTwilio, srv)
	cfg.From, cfg.MessagingService = "", "MG0123456789abcdef0123456789abcdef"
	if self := opened(t, cfg, Deps{}).Self(); self != "" {
		t.Errorf("a messaging service is no number: %q", self)
	}
}

func TestConfig(t *testing.T) {
	key, long := file(t, "key", "k\n"), base64.StdEncoding.EncodeToString(make([]byte, 65))
	mail := Config{Name: "m", Kind: KindSendGrid, APIKeyFile: key, From: "welcome@example.com"}
	text := Config{Name: "t", Kind: KindTwilio, AuthTokenFile: key, AccountSID: accountID, From: senderNo}
	hook := Config{Name: "h", Kind: KindWebhook, URL: "https://hooks.example.com/x", KeyFile: file(t, "hook", hookKey)}
	relay := Config{Name: "r", Kind: KindSMTP, Server: "mail.example.com:587", From: "welcome@example.com"}
	room := Config{Name: "s", Kind: KindSlack, URLFile: file(t, "url", "https://hooks.example.com/s\n")}
	for name, tt := range map[string]struct {
		base Config
		bend func(*Config)
		want []string // in the error; none: fine
	}{
		"sendgrid":              {mail, nil, nil},
		"all at once":           {Config{Kind: KindSendGrid, Endpoint: "http://example.com/x", From: "Robin <r@example.com>", FromName: "a\nb", ReplyTo: "desk", AtOnce: -1}, nil, []string{"name", "at_once", "from", "from_name", "reply_to", "endpoint", "api_key_file"}},
		"no such kind":          {mail, func(c *Config) { c.Kind = "fax" }, []string{"kind"}},
		"letters are not here":  {mail, func(c *Config) { c.Kind = "letter" }, []string{"kind"}},
		"template":              {mail, func(c *Config) { c.Templates = map[string]string{"link": "d-0123456789abcdef0123456789abcdef"} }, nil},
		"template of nothing":   {mail, func(c *Config) { c.Templates = map[string]string{"welcome": "d-01"} }, []string{"templates"}},
		"template, no id":       {mail, func(c *Config) { c.Templates = map[string]string{"link": "welcome"} }, []string{"templates.link"}},
		"no such file":          {mail, func(c *Config) { c.APIKeyFile = "/nowhere/key" }, []string{`channel "m"`, "/nowhere/key"}},
		"key of two lines":      {mail, func(c *Config) { c.APIKeyFile = file(t, "two", "a\nb\n") }, []string{"more than one line"}},
		"no CA":                 {mail, func(c *Config) { c.CAFile = key }, []string{"CA file"}},
		"twilio":                {text, nil, nil},
		"sender name":           {text, func(c *Config) { c.From = "Larch Sons" }, nil},
		"short code":            {text, func(c *Config) { c.From = "12345" }, nil},
		"sender name, long":     {text, func(c *Config) { c.From = "Larch and Sons" }, []string{"from"}},
		"no sender":             {text, func(c *Config) { c.From = "" }, []string{"from"}},
		"two senders":           {text, func(c *Config) { c.MessagingService = "MG0123456789abcdef0123456789abcdef" }, []string{"from"}},
		"messaging service":     {text, func(c *Config) { c.From, c.MessagingService = "", "XX1" }, []string{"messaging_service"}},
		"sid into the path":     {text, func(c *Config) { c.AccountSID = "AC0123456789abcdef01234567/../../" }, []string{"account_sid"}},
		"segments":              {text, func(c *Config) { c.Segments = 11 }, []string{"segments"}},
		"callback":              {text, func(c *Config) { c.StatusCallback = callbackTo }, nil},
		"callback, query":       {text, func(c *Config) { c.StatusCallback = callbackTo + "?h=1" }, []string{"status_callback"}},
		"callback, plain":       {text, func(c *Config) { c.StatusCallback = "http://intake.example.com/" }, []string{"status_callback"}},
		"webhook":               {hook, nil, nil},
		"webhook on loopback":   {hook, func(c *Config) { c.URL = "http://127.0.0.1:8080/x" }, nil},
		"webhook, plain":        {hook, func(c *Config) { c.URL = "http://hooks.example.com/x" }, []string{"url", "not https"}},
		"webhook, password":     {hook, func(c *Config) { c.URL = "https://me:echo@hooks.example.com/x" }, []string{"url"}},
		"webhook, ftp":          {hook, func(c *Config) { c.URL = "ftp://hooks.example.com/x" }, []string{"url"}},
		"webhook, no host":      {hook, func(c *Config) { c.URL = "https://:443/x" }, []string{"url"}},
		"webhook, no key":       {hook, func(c *Config) { c.KeyFile = "" }, []string{"key_file"}},
		"webhook, no whsec":     {hook, func(c *Config) { c.KeyFile = key }, []string{"whsec_"}},
		"webhook, no base64":    {hook, func(c *Config) { c.KeyFile = file(t, "k", "whsec_???") }, []string{"base64"}},
		"webhook, empty key":    {hook, func(c *Config) { c.KeyFile = file(t, "k", "whsec_") }, []string{"24 to 64"}},
		"webhook, 21 bytes":     {hook, func(c *Config) { c.KeyFile = file(t, "k", "whsec_"+strings.Repeat("AAAA", 7)) }, []string{"24 to 64"}},
		"webhook, 65 bytes":     {hook, func(c *Config) { c.KeyFile = file(t, "k", "whsec_"+long) }, []string{"24 to 64"}},
		"smtp":                  {relay, nil, nil},
		"smtp, no port":         {relay, func(c *Config) { c.Server = "mail.example.com" }, []string{"server"}},
		"smtp, port 0":          {relay, func(c *Config) { c.Server = "mail.example.com:0" }, []string{"server"}},
		"smtp, named port":      {relay, func(c *Config) { c.Server = "mail.example.com:smtp" }, []string{"server"}},
		"smtp, no password":     {relay, func(c *Config) { c.Username = "u" }, []string{"password_file"}},
		"smtp, foreign sender":  {relay, func(c *Config) { c.From = "søren@example.com" }, []string{"from"}},
		"slack":                 {room, nil, nil},
		"slack, no file":        {room, func(c *Config) { c.URLFile = "" }, []string{"url_file"}},
		"slack, plain":          {room, func(c *Config) { c.URLFile = file(t, "u", "http://hooks.example.com/echo") }, []string{"not https"}},
		"slack, not a URL":      {room, func(c *Config) { c.URLFile = file(t, "u", "echo") }, []string{"https://host"}},
		"graph without a Graph": {graphConfig(), nil, []string{"Graph"}},
	} {
		cfg := tt.base
		if tt.bend != nil {
			tt.bend(&cfg)
		}
		ch, err := New(cfg, Deps{})
		if (err == nil) != (len(tt.want) == 0) || (ch == nil) != (err != nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s in it", name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "echo") {
			t.Errorf("%s: quoted in %v", name, err)
		}
	}
}

// hangs is a channel whose service never answers.
type hangs struct {
	Channel
	under int
	free  chan struct{}
}

func (h *hangs) Post(ctx context.Context, _ string, _ Message, _ bool) (jml.Receipt, error) {
	h.under++
	<-h.free
	return jml.Receipt{MessageID: "late"}, nil
}

func TestAChannelThatHangsKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hangs{free: make(chan struct{})}
		hung, other := AtMost(2, "slow", h), AtMost(1, "quick", &hangs{free: closed()})
		for range 2 {
			go func() { _, _ = hung.Post(t.Context(), "op", Message{}, false) }()
		}
		synctest.Wait()
		begin := time.Now()
		if r, err := other.Post(t.Context(), "op", Message{}, false); err != nil || r.MessageID != "late" || time.Since(begin) != 0 {
			t.Errorf("another channel: %v after %s", err, time.Since(begin))
		}
		_, err := hung.Post(t.Context(), "op", Message{}, false)
		want := &jml.Fault{System: "slow", Op: "op", Kind: jml.FaultUnavailable, Code: "busy", Reason: jml.ReasonChannelUnavailable}
		if diff := cmp.Diff(want, faultOf(t, err)); diff != "" || time.Since(begin) != 5*time.Second {
			t.Errorf("after %s: %s", time.Since(begin), diff)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		if _, err := hung.Post(ctx, "op", Message{}, false); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("who stops waiting got %v after %s", err, time.Since(begin))
		}
		if h.under != 2 {
			t.Errorf("%d were under way, want 2", h.under)
		}
		// A slot that comes free within the time is taken.
		go func() {
			time.Sleep(4 * time.Second)
			close(h.free)
		}()
		if r, err := hung.Post(t.Context(), "op", Message{}, false); err != nil || r.MessageID != "late" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestSaid(t *testing.T) {
	m := sample()
	m.Notice.GivenName = "Ed"
	for in, want := range map[string]string{
		"msg-1": "msg-1", "": "", "two words": "", "a\nb": "", strings.Repeat("a", 81): "",
		"ErrorAccessDenied": "ErrorAccessDenied", // Ed is in it by chance
		"Ed":                "", "ROBIN.VALE": "", "x-robin.vale.x": "", "733221": "", "id-733221": "",
		"tok3nCANARYtok3nCANARY": "", "r3fcanary": "", "x.R3FCANARY.y": "",
	} {
		if got := said(m, in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
