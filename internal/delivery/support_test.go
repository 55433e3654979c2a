package delivery

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

// canary holds what each layer would have to escape.
const canary = `c4n4ry+P<a&"s'`

// fake is a channel that keeps what it is given.
type fake struct {
	kind    jml.AddressKind
	noSelf  bool
	refuses func(jml.Message) bool
	answer  func(channel.Message) (jml.Receipt, error)

	mu  sync.Mutex
	got []channel.Message
	dry []bool
}

func (f *fake) Post(_ context.Context, _ string, m channel.Message, dry bool) (jml.Receipt, error) {
	f.mu.Lock()
	f.got, f.dry = append(f.got, m), append(f.dry, dry)
	f.mu.Unlock()
	if f.answer == nil {
		return jml.Receipt{MessageID: "msg-1"}, nil
	}
	return f.answer(m)
}

func (f *fake) Address() jml.AddressKind   { return f.kind }
func (f *fake) Carries(m jml.Message) bool { return f.refuses == nil || !f.refuses(m) }

func (f *fake) Self() string {
	if f.noSelf {
		return ""
	}
	return map[jml.AddressKind]string{jml.AddressMail: "welcome@example.com", jml.AddressPhone: "+4930555010"}[f.kind]
}

func (f *fake) last(t testing.TB) channel.Message {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.got) == 0 {
		t.Fatal("nothing was posted")
	}
	return f.got[len(f.got)-1]
}

// start is the start of everybody in these tests; the clock stands a day before.
func start() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }

func config(channels map[string]channel.Channel) Config {
	return Config{
		Organisation: Organisation{Name: "Larch & Sons", Help: "Call the service desk: +49 30 5550 100, from 8 to 18 o'clock."},
		PickupURL:    "https://start.example.com/", Channels: channels,
		Now: func() time.Time { return start().Add(-24 * time.Hour) },
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

// mailer returns a Sender with one channel, mail.
func mailer(t testing.TB) (*Sender, *fake) {
	t.Helper()
	f := &fake{kind: jml.AddressMail}
	return newSender(t, config(map[string]channel.Channel{"mail": f})), f
}

func notice(m jml.Message) jml.Notice {
	n := jml.Notice{
		Message: m, Channel: "mail", Recipient: "robin.vale@example.org", Addressee: "Kim", GivenName: "Robin", FamilyName: "Vale",
		Locale: "en-GB", SignInName: "robin.vale@example.com", Zone: "Europe/Berlin",
		Start: start(), From: start(), Until: start().Add(8 * time.Hour), CollectedAt: start().Add(5 * time.Minute),
		OneTime: true, Register: []jml.MethodKind{jml.MethodFIDO2, jml.MethodAuthenticator, jml.MethodWindowsHello}, Reference: "q7k2m9w4",
	}
	if m == jml.MessageAlert {
		n.Reason = jml.ReasonPickupLocked
	}
	return n
}

// toManager is a notice of what the manager is to hand on.
func toManager(m jml.Message) jml.Notice {
	n := notice(m)
	n.To, n.Recipient = jml.RecipientManager, "kim.hale@example.com"
	return n
}

const token = "hGj3kQ-Zb_7TnX0pLw5RvA"

// contents are more than any one message holds.
func contents() secret.Contents {
	return secret.Contents{
		Passcode: secret.NewPasscode(canary), Link: secret.NewPasscode("https://start.example.com/p#" + token),
		PickupReference: secret.NewPasscode("7KQ2-M9X4-TB0C"), Code: secret.NewPasscode("482915"),
	}
}

// send returns the message that goes out.
func send(t testing.TB, s *Sender, f *fake, n jml.Notice, c secret.Contents) channel.Message {
	t.Helper()
	if _, err := s.Send(t.Context(), n, c); err != nil {
		t.Fatalf("%s, %s: %v", n.Message, n.Locale, err)
	}
	return f.last(t)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}
