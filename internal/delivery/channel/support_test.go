package channel

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// canary holds what each layer would have to escape.
const canary = `c4n4ry+P<a&"s'`

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func file(t testing.TB, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// got is a request as a service saw it.
type got struct {
	method, path, query string
	header              http.Header
	body                string
}

// service is a provider behind TLS that answers as a test says and keeps what it
// got.
type service struct {
	*httptest.Server
	ca   string // file
	mu   sync.Mutex
	list []got
}

func (s *service) got() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]got(nil), s.list...)
}

// only returns the one request there was.
func (s *service) only(t testing.TB) got {
	t.Helper()
	list := s.got()
	if len(list) != 1 {
		t.Fatalf("%d requests, want 1", len(list))
	}
	return list[0]
}

func newService(t testing.TB, answer func(w http.ResponseWriter, g got)) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		g := got{r.Method, r.URL.Path, r.URL.RawQuery, r.Header, string(raw)}
		s.mu.Lock()
		s.list = append(s.list, g)
		s.mu.Unlock()
		answer(w, g)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	s.ca = file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func status(code int) func(http.ResponseWriter, got) {
	return func(w http.ResponseWriter, _ got) { w.WriteHeader(code) }
}

func opened(t testing.TB, cfg Config, deps Deps) Channel {
	t.Helper()
	if deps.Now == nil {
		deps.Now = func() time.Time { return noon }
	}
	ch, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// sample is a message with everything in it.
func sample() Message {
	link := "https://pickup.example.com/p#tok3nCANARYtok3nCANARY"
	return Message{
		To: "robin.vale@example.org", Subject: "Larch & Sons: your first sign-in", Text: "Hello Robin,\n\nyour code: " + canary + "\n",
		HTML: "<p>Hello Robin</p><p>c4n4ry+P&lt;a&amp;</p>", SMS: "Your code: " + canary, Locale: "en", Dir: "ltr",
		Fields:   map[string]string{"given_name": "Robin", "passcode": canary, "link": link},
		Contents: secret.Contents{Passcode: secret.NewPasscode(canary), Link: secret.NewPasscode(link), Code: secret.NewPasscode("733221"), PickupReference: secret.NewPasscode("R3FCANARY")},
		Notice: jml.Notice{
			Message: jml.MessagePass, Channel: "mail", Recipient: "robin.vale@example.org", To: jml.RecipientPersonalMail, GivenName: "Robin", FamilyName: "Vale",
			SignInName: "robin.vale@example.com", Zone: "Europe/Berlin", From: noon, Until: noon.Add(8 * time.Hour), Reference: "q7k2m9", ID: "message-1", Handle: "hAnd-le_1",
		},
	}
}

// public is a message that a chat room may see.
func public() Message {
	m := sample()
	m.Contents = secret.Contents{}
	m.To, m.Notice.Recipient = "", ""
	m.Notice.Message, m.Notice.To = jml.MessageAlert, jml.RecipientDesk
	m.Subject, m.Text = "Somebody needs help", "The pass of Robin is locked.\n\nReference: q7k2m9\n"
	return m
}

func texted() Message {
	m := sample()
	m.To = "+4915550001234"
	m.Notice.Recipient = m.To
	return m
}

func faultOf(t testing.TB, err error) *jml.Fault {
	t.Helper()
	var f *jml.Fault
	if !errors.As(err, &f) {
		t.Fatalf("%v is no Fault", err)
	}
	return f
}

// leaks looks for anything of sample, and of the keys, in whatever a caller gets
// to see.
func leaks(t testing.TB, what string, ch Channel, r jml.Receipt, err error) {
	t.Helper()
	out := fmt.Sprintf("%+v %#v %v %+v %#v %+v %#v %v %s", r, r, err, err, err, ch, ch, []any{ch}, struct{ c Channel }{ch})
	var f *jml.Fault
	if errors.As(err, &f) {
		out += fmt.Sprintf("%+v %+v", *f, f.Block())
	}
	for _, private := range []string{
		"c4n4ry", "canary", "tok3n", "733221", "robin", "vale", "15550001234", "127.0.0.1", "key-of", "example.org", "pickup", "echo",
	} {
		if strings.Contains(strings.ToLower(out), private) {
			t.Errorf("%s: %s shows in %s", what, private, out)
		}
	}
}

const (
	hookKey    = "whsec_aW52ZW50ZWQta2V5LW9mLTMyLWJ5dGVzLWZvci10ZXN0" // invented-key-of-32-bytes-for-test
	accountID  = "AC0123456789abcdef0123456789abcdef"
	messageID  = "SM0123456789abcdef0123456789abcdef"
	senderNo   = "+4915550009999"
	callbackTo = "https://intake.example.com/v1/delivery/text"
)

// configOf is a working Config of a kind that speaks HTTP.
func configOf(t testing.TB, kind Kind, s *service) Config {
	cfg := Config{Name: "out", Kind: kind, CAFile: s.ca}
	switch kind {
	case KindSendGrid:
		cfg.Endpoint, cfg.APIKeyFile = s.URL+"/", file(t, "key", "SG.key-of-sendgrid\n")
		cfg.From, cfg.FromName, cfg.ReplyTo = "welcome@example.com", "Larch & Sons", "desk@example.com"
	case KindTwilio:
		cfg.Endpoint, cfg.AuthTokenFile = s.URL, file(t, "token", "key-of-twilio\n")
		cfg.AccountSID, cfg.From, cfg.StatusCallback = accountID, senderNo, callbackTo
	case KindWebhook:
		cfg.URL, cfg.KeyFile = s.URL+"/hook?tenant=1", file(t, "key", hookKey+"\n")
	case KindTeams, KindSlack:
		cfg.URLFile = file(t, "url", s.URL+"/services/key-of-the-room\n")
	}
	return cfg
}

// messageOf is what a channel of the kind carries.
func messageOf(kind Kind) Message {
	switch kind {
	case KindTwilio:
		return texted()
	case KindTeams, KindSlack:
		return public()
	}
	return sample()
}

func httpKinds() []Kind { return []Kind{KindSendGrid, KindTwilio, KindWebhook, KindTeams, KindSlack} }
