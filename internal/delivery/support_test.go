package delivery

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

// canary holds what each layer would have to escape.
const canary = `c4n4ry+P<a&"s'`

func file(t testing.TB, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// posted is what SendGrid would read of a mail.
type posted struct {
	From             address
	ReplyTo          address `json:"reply_to"`
	Subject          string
	Personalizations []struct{ To []address }
	Content          []struct{ Type, Value string }
	CustomArgs       map[string]string `json:"custom_args"`
	Headers          map[string]string
	MailSettings     map[string]map[string]bool `json:"mail_settings"`
	TrackingSettings map[string]map[string]bool `json:"tracking_settings"`
}

type address struct{ Name, Email string }

// service is a SendGrid that answers as a test says and keeps what it got.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	mails []posted
	heads []*http.Request
}

func (s *service) got() []posted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]posted(nil), s.mails...)
}

func accept(w http.ResponseWriter, _ posted) {
	w.Header().Set("X-Message-Id", "msg-1")
	w.WriteHeader(202)
}

func newService(t testing.TB, answer func(http.ResponseWriter, posted)) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var m posted
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		s.mu.Lock()
		s.mails, s.heads = append(s.mails, m), append(s.heads, r)
		s.mu.Unlock()
		answer(w, m)
	}))
	t.Cleanup(s.Close)
	return s
}

func config(t testing.TB, endpoint string) Config {
	return Config{
		Organisation: Organisation{Name: "Larch & Sons", Help: "Call the service desk: +49 30 5550 100, from 8 to 18 o'clock."},
		Channels: []ChannelConfig{{Name: "mail", Kind: KindSendGrid, Endpoint: endpoint, From: "welcome@example.com",
			FromName: "Larch & Sons", ReplyTo: "desk@example.com", APIKeyFile: file(t, "key", "SG.key-canary\n")}},
	}
}

func newSender(t testing.TB, cfg Config) *Sender {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func notice() jml.Notice {
	return jml.Notice{
		Channel: "mail", Recipient: "robin.vale@example.org", GivenName: "Robin", Locale: "en-GB", SignInName: "robin.vale@example.com",
		Zone: "Europe/Berlin", From: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Until: time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC),
		OneTime: true, Register: []jml.MethodKind{jml.MethodFIDO2, jml.MethodAuthenticator, jml.MethodWindowsHello}, Reference: "q7k2m9",
	}
}

func code() secret.Passcode { return secret.NewPasscode(canary) }
