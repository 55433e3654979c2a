package intake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/jml"
)

// canary is a value that must show nowhere.
const canary = "Quxley-7f3a"

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

const (
	bambooKey = "invented-private-key-of-a-webhook"
	oldKey    = "invented-key-from-before-rotation"
	hookKey   = "whsec_aW52ZW50ZWQta2V5LW9mLTMyLWJ5dGVzLWZvci10ZXN0" // invented-key-of-32-bytes-for-test
)

func refs(t testing.TB) Refs {
	t.Helper()
	r, err := NewRefs(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// exampleSources are the sources of config/example.yaml with invented keys, so
// that what the example shows is what these tests run.
func exampleSources(t testing.TB) []config.Source {
	t.Helper()
	c, err := config.Load("../../config/example.yaml", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	c.Sources[0].Verify.KeyFiles = []string{file(t, bambooKey+"\n"), file(t, oldKey)}
	c.Sources[1].Verify.KeyFiles = []string{file(t, hookKey)}
	return c.Sources
}

func profile(name string) jml.Profile {
	if name != "default" {
		return jml.Profile{}
	}
	return jml.Profile{Name: name, StartHour: jml.Clock{Hour: 9}}
}

type delivererFunc func(context.Context, string, jml.Profile, jml.Snapshot) (Outcome, error)

func (f delivererFunc) Deliver(ctx context.Context, source string, p jml.Profile, s jml.Snapshot) (Outcome, error) {
	return f(ctx, source, p, s)
}

// world is intake with everything around it faked but the quarantine.
type world struct {
	*Handler
	cfg        Config
	quarantine *Quarantine
	path       string // of the quarantine's file
	log        bytes.Buffer

	mu        sync.Mutex
	delivered []jml.Snapshot
	fail      error // what Deliver answers
}

func newWorld(t testing.TB, sources []config.Source, edit ...func(*Config)) *world {
	t.Helper()
	w := &world{path: filepath.Join(t.TempDir(), "quarantine.jsonl")}
	keys, err := codec.NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	w.quarantine, err = OpenQuarantine(QuarantineConfig{Path: w.path, Keyring: keys, Refs: refs(t), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.quarantine.Close() })
	w.cfg = Config{
		Sources: sources,
		Profile: profile,
		Starter: delivererFunc(func(_ context.Context, source string, _ jml.Profile, s jml.Snapshot) (Outcome, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fail != nil {
				return Outcome{}, w.fail
			}
			w.delivered = append(w.delivered, s)
			return Outcome{Kind: OutcomeDelivered, Ref: refs(t).Ref(source, s.EmployeeID)}, nil
		}),
		Quarantine: w.quarantine,
		Ready:      func(context.Context) error { return nil },
		MaxBody:    64 << 10,
		Now:        clock,
		Logger:     slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, e := range edit {
		e(&w.cfg)
	}
	w.Handler, err = New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

func post(source, body string) *http.Request {
	return httptest.NewRequest("POST", "/v1/intake/"+source, strings.NewReader(body))
}

func hexMAC(key, msg string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, msg)
	return hex.EncodeToString(mac.Sum(nil))
}

// bamboo makes a request the way BambooHR's documentation describes.
func bamboo(body string, at time.Time, key string) *http.Request {
	r := post("bamboohr", body)
	stamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("X-BambooHR-Timestamp", stamp)
	r.Header.Set("X-BambooHR-Signature", hexMAC(key, body+stamp))
	return r
}

// employee is one employee of a BambooHR body: names and values in turn.
func employee(id string, kv ...string) string {
	var f []string
	for i := 0; i < len(kv); i += 2 {
		f = append(f, strconv.Quote(kv[i])+`:{"value":`+strconv.Quote(kv[i+1])+`}`)
	}
	return `{"id":"` + id + `","changedFields":[],"fields":{` + strings.Join(f, ",") + `}}`
}

func employees(list ...string) string { return `{"employees":[` + strings.Join(list, ",") + `]}` }

// good is an employee that maps without a complaint.
func good(id string) string {
	return employee(id, "Employee #", id, "Hire Date", "2026-04-01", "Location", "Berlin")
}
