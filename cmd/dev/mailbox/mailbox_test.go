package mailbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/internal/codec"
)

const testMailKey = "SG.test"

func newMailbox(t *testing.T, change func(*Config)) *Mailbox {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), Key: testMailKey}
	if change != nil {
		change(&cfg)
	}
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// sender is a client that trusts the mailbox and nothing else.
func sender(t *testing.T, b *Mailbox) *http.Client {
	t.Helper()
	raw, err := os.ReadFile(b.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
}

// goodMail is a request that is accepted, as changed.
func goodMail(change func(m map[string]any)) string {
	m := map[string]any{
		"personalizations":  []any{map[string]any{"to": []any{map[string]any{"email": "signe@example.org"}}}},
		"from":              map[string]any{"email": "welcome@example.com", "name": "Example Works"},
		"subject":           "Your first day",
		"content":           []any{map[string]any{"type": "text/plain", "value": "Hello\n\n    k9+Qq<7z\n"}, map[string]any{"type": "text/html", "value": "<p>Hello"}},
		"tracking_settings": map[string]any{"click_tracking": map[string]any{"enable": false, "enable_text": false}, "open_tracking": map[string]any{"enable": false}},
	}
	if change != nil {
		change(m)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func send(t *testing.T, b *Mailbox, body string, change func(*http.Request)) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL()+"/v3/mail/send", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testMailKey)
	req.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(req)
	}
	res, err := sender(t, b).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res, string(raw), err
}

func TestMailboxSpeaksSendGrid(t *testing.T) {
	t.Parallel()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	drop := func(key string) func(map[string]any) { return func(m map[string]any) { delete(m, key) } }
	to := func(list ...any) func(map[string]any) {
		return func(m map[string]any) { m["personalizations"] = []any{map[string]any{"to": list}} }
	}
	for name, c := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		field  string // of the first error
		kept   int
	}{
		"good": {body: goodMail(nil), status: 202, kept: 1},
		"sandbox": {body: goodMail(func(m map[string]any) {
			m["mail_settings"] = map[string]any{"sandbox_mode": map[string]any{"enable": true}}
		}), status: 200},
		"sandbox, but bad": {body: goodMail(func(m map[string]any) {
			m["mail_settings"] = map[string]any{"sandbox_mode": map[string]any{"enable": true}}
			delete(m, "from")
		}), status: 400, field: "from"},
		"no key":             {body: goodMail(nil), change: func(r *http.Request) { r.Header.Del("Authorization") }, status: 401},
		"wrong key":          {body: goodMail(nil), change: header("Authorization", "Bearer SG.other"), status: 401},
		"not JSON by header": {body: goodMail(nil), change: header("Content-Type", "text/plain"), status: 415},
		"not JSON":           {body: "{", status: 400},
		"empty":              {body: "", status: 400},
		"two values":         {body: goodMail(nil) + "{}", status: 400},
		"unknown field":      {body: goodMail(func(m map[string]any) { m["subjekt"] = "x" }), status: 400},
		"too large":          {body: goodMail(func(m map[string]any) { m["subject"] = strings.Repeat("x", mailLimit) }), status: 413},
		"no from":            {body: goodMail(drop("from")), status: 400, field: "from"},
		"bad from":           {body: goodMail(func(m map[string]any) { m["from"] = map[string]any{"email": "nobody"} }), status: 400, field: "from.email"},
		"no recipient list":  {body: goodMail(drop("personalizations")), status: 400, field: "personalizations"},
		"no recipient":       {body: goodMail(to()), status: 400, field: "personalizations.0.to"},
		"bad recipient":      {body: goodMail(to(map[string]any{"email": "a b@example.org"})), status: 400, field: "personalizations.0.to.0.email"},
		"no subject":         {body: goodMail(drop("subject")), status: 400, field: "subject"},
		"no content":         {body: goodMail(drop("content")), status: 400, field: "content"},
		"empty part": {body: goodMail(func(m map[string]any) {
			m["content"] = []any{map[string]any{"type": "text/plain", "value": ""}}
		}), status: 400, field: "content.0.value"},
		"text last": {body: goodMail(func(m map[string]any) {
			m["content"] = []any{map[string]any{"type": "text/html", "value": "<p>"}, map[string]any{"type": "text/plain", "value": "x"}}
		}), status: 400, field: "content.1.type"},
		"too far ahead": {body: goodMail(func(m map[string]any) { m["send_at"] = time.Now().Add(100 * time.Hour).Unix() }), status: 400, field: "send_at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newMailbox(t, nil)
			res, raw, err := send(t, b, c.body, c.change)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status {
				t.Errorf("status: got %d, want %d; %s", res.StatusCode, c.status, raw)
			}
			if got := len(b.Mails()); got != c.kept {
				t.Errorf("kept: got %d, want %d", got, c.kept)
			}
			if c.status == 202 && (res.Header.Get("X-Message-Id") == "" || raw != "") {
				t.Errorf("want a message id and no body, got %q and %q", res.Header.Get("X-Message-Id"), raw)
			}
			if c.status < 300 {
				return
			}
			var reply struct {
				Errors []struct {
					Message string
					Field   *string
				}
			}
			if err := json.Unmarshal([]byte(raw), &reply); err != nil || len(reply.Errors) == 0 || reply.Errors[0].Message == "" {
				t.Fatalf("not SendGrid's error list: %s", raw)
			}
			got := ""
			if f := reply.Errors[0].Field; f != nil {
				got = *f
			}
			if got != c.field {
				t.Errorf("field: got %q, want %q", got, c.field)
			}
		})
	}
}

func TestMailboxKeepsWhatWasSent(t *testing.T) {
	t.Parallel()
	b := newMailbox(t, nil)
	if _, _, err := send(t, b, goodMail(nil), nil); err != nil {
		t.Fatal(err)
	}
	m, err := b.WaitFor(t.Context(), "SIGNE@example.org", 1)
	if err != nil {
		t.Fatal(err)
	}
	if m.ClickTracking || m.OpenTracking || m.Subject != "Your first day" || m.Text != "Hello\n\n    k9+Qq<7z\n" || m.HTML != "<p>Hello" || m.From.String() != "Example Works <welcome@example.com>" {
		t.Errorf("got %+v", m)
	}
	if _, _, err := send(t, b, goodMail(func(m map[string]any) { delete(m, "tracking_settings") }), nil); err != nil {
		t.Fatal(err)
	}
	if m := b.Mails()[1]; !m.ClickTracking || !m.OpenTracking {
		t.Error("tracking that is not turned off is on, as in a new account")
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.WaitFor(short, "nobody@example.org", 1); err == nil {
		t.Error("waited for a mail that does not come, and got one")
	}
}

func TestMailboxScopes(t *testing.T) {
	t.Parallel()
	b := newMailbox(t, nil)
	for key, want := range map[string]int{testMailKey: 200, "other": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL()+"/v3/scopes", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := sender(t, b).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("key %q: got %d, want %d", key, res.StatusCode, want)
		}
	}
}

func TestMailboxFaults(t *testing.T) {
	t.Parallel()
	sandbox := goodMail(func(m map[string]any) {
		m["mail_settings"] = map[string]any{"sandbox_mode": map[string]any{"enable": true}}
	})
	t.Run("429 says when to come again", func(t *testing.T) {
		t.Parallel()
		b := newMailbox(t, nil)
		f := b.Inject(fault.Fault{Status: 429, Reset: time.Minute})
		res, _, err := send(t, b, goodMail(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		reset, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64)
		if res.StatusCode != 429 || err != nil || time.Until(time.Unix(reset, 0)) < 50*time.Second {
			t.Errorf("got %d, reset %q", res.StatusCode, res.Header.Get("X-RateLimit-Reset"))
		}
		if res, _, err = send(t, b, goodMail(nil), nil); err != nil || res.StatusCode != 202 {
			t.Errorf("the second send: %v %v", res, err)
		}
		if f.Played() != 1 || len(b.Mails()) != 1 {
			t.Errorf("played %d, kept %d", f.Played(), len(b.Mails()))
		}
	})
	t.Run("probes pass unless meant", func(t *testing.T) {
		t.Parallel()
		b := newMailbox(t, nil)
		f := b.Inject(fault.Fault{Status: 500, Times: -1})
		if res, _, err := send(t, b, sandbox, nil); err != nil || res.StatusCode != 200 {
			t.Errorf("probe: %v %v", res, err)
		}
		f.Remove()
		b.Inject(fault.Fault{Status: 503, Probes: true})
		if res, _, err := send(t, b, sandbox, nil); err != nil || res.StatusCode != 503 {
			t.Errorf("probe that was meant: %v %v", res, err)
		}
	})
	t.Run("only mails to one address", func(t *testing.T) {
		t.Parallel()
		b := newMailbox(t, nil)
		b.Inject(fault.Fault{To: "other@example.org", Status: 500})
		if res, _, err := send(t, b, goodMail(nil), nil); err != nil || res.StatusCode != 202 {
			t.Errorf("got %v %v", res, err)
		}
	})
	t.Run("answer lost after acceptance", func(t *testing.T) {
		t.Parallel()
		b := newMailbox(t, nil)
		b.Inject(fault.Fault{After: true})
		if _, _, err := send(t, b, goodMail(nil), nil); err == nil {
			t.Error("there was an answer")
		}
		if got := len(b.Mails()); got != 1 {
			t.Errorf("kept: got %d, want 1", got)
		}
	})
	t.Run("dropped before acceptance", func(t *testing.T) {
		t.Parallel()
		b := newMailbox(t, nil)
		b.Inject(fault.Fault{Drop: true})
		if _, _, err := send(t, b, goodMail(nil), nil); err == nil {
			t.Error("there was an answer")
		}
		if got := len(b.Mails()); got != 0 {
			t.Errorf("kept: got %d, want 0", got)
		}
	})
	for _, after := range []bool{false, true} {
		t.Run("held, after="+strconv.FormatBool(after), func(t *testing.T) {
			t.Parallel()
			b := newMailbox(t, nil)
			f := b.Inject(fault.Fault{Hold: true, After: after})
			status := make(chan int, 1)
			go func() {
				res, _, err := send(t, b, goodMail(nil), nil)
				if err != nil {
					t.Error(err)
					status <- 0
					return
				}
				status <- res.StatusCode
			}()
			<-f.Arrived()
			want := 0
			if after {
				want = 1
			}
			if got := len(b.Mails()); got != want {
				t.Errorf("kept while held: got %d, want %d", got, want)
			}
			f.Release()
			if got := <-status; got != 202 || len(b.Mails()) != 1 {
				t.Errorf("after release: got %d and %d mails", got, len(b.Mails()))
			}
		})
	}
}

// What is kept over a restart is not readable without the key, and no temporary
// file is left.
func TestMailboxSealsWhatItKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, err := codec.NewKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	open := func(k *codec.Keyring) (*Mailbox, error) {
		return Start(Config{Dir: dir, Key: testMailKey, Keys: k})
	}
	b, err := open(keys)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := send(t, b, goodMail(nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	want := b.Mails()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 5 { // the certificate, its key, the mails, the key of events, its public half
		t.Errorf("files: got %v, %v", names, err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil || bytes.Contains(raw, []byte("example.org")) || bytes.Contains(raw, []byte("k9+Qq")) {
			t.Errorf("an address or a passcode stands in %s in clear (%v)", filepath.Base(name), err)
		}
	}
	again, err := open(keys)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Mails(); len(got) != len(want) || got[0].ID != want[0].ID || got[2].Text != want[2].Text {
		t.Errorf("after a restart: got %+v, want %+v", got, want)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := codec.NewKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := open(other); err == nil {
		_ = b.Close()
		t.Error("opened with another key")
	}
}

func TestMailboxRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:0", "example.com:80", "nonsense"} {
		if b, err := Start(Config{Dir: t.TempDir(), Key: "k", PageAddr: addr}); err == nil {
			_ = b.Close()
			t.Errorf("%s: it listens there", addr)
		}
	}
}
