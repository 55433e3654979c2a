package scim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"firstpass.internal/internal/ledger"
)

// canary must not be anywhere but in the Store and the Sink.
const canary = "Ottilie"

type clear struct{}

func (clear) Seal(plain []byte, label string) []byte { return append([]byte(label+"\n"), plain...) }

func (clear) Open(sealed []byte, label string) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(label+"\n"))
	if !ok {
		return nil, errors.New("sealed with another label")
	}
	return plain, nil
}

// told is what the Sink got.
type told struct {
	resource map[string]any
	deleted  bool
}

type sink struct {
	mu   sync.Mutex
	all  []told
	take func(resource map[string]any, deleted bool) error // nil: takes all
}

func (s *sink) Take(_ context.Context, resource map[string]any, deleted bool) error {
	s.mu.Lock()
	take := s.take
	s.mu.Unlock()
	if take != nil {
		if err := take(resource, deleted); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, told{resource, deleted})
	return nil
}

func (s *sink) last(t *testing.T) told {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		t.Fatal("the sink got nothing")
	}
	return s.all[len(s.all)-1]
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// store lets a test come between the handler and the ledger.
type store struct {
	*ledger.Ledger
	put  func(r ledger.Resource, expect int) error // nil or an error instead of the ledger's
	drop func() error
	away error // of all reads
}

func (s *store) Resource(ctx context.Context, source, id string) (ledger.Resource, error) {
	if s.away != nil {
		return ledger.Resource{}, s.away
	}
	if uuid.Validate(id) != nil {
		return ledger.Resource{}, errors.New("a text from outside reached the database")
	}
	return s.Ledger.Resource(ctx, source, id)
}

func (s *store) ResourceByKey(ctx context.Context, source, key string) (ledger.Resource, error) {
	if s.away != nil {
		return ledger.Resource{}, s.away
	}
	return s.Ledger.ResourceByKey(ctx, source, key)
}

func (s *store) Resources(ctx context.Context, source string, offset, limit int) ([]ledger.Resource, int, error) {
	if s.away != nil {
		return nil, 0, s.away
	}
	return s.Ledger.Resources(ctx, source, offset, limit)
}

func (s *store) PutResource(ctx context.Context, r ledger.Resource, expect int) error {
	if s.put != nil {
		if err := s.put(r, expect); err != nil {
			return err
		}
	}
	return s.Ledger.PutResource(ctx, r, expect)
}

func (s *store) DropResource(ctx context.Context, source, id string) error {
	if s.drop != nil {
		if err := s.drop(); err != nil {
			return err
		}
	}
	return s.Ledger.DropResource(ctx, source, id)
}

type world struct {
	*testing.T
	h     *Handler
	sink  *sink
	store *store
	file  string
	logs  *bytes.Buffer
	log   *slog.Logger // one for all handlers: it guards logs
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, sink: &sink{}, file: filepath.Join(t.TempDir(), "ledger.db"), logs: &bytes.Buffer{}}
	w.log = slog.New(slog.NewJSONHandler(w.logs, nil))
	l, err := ledger.Open(t.Context(), ledger.Config{Driver: ledger.SQLite, File: w.file, Sealer: clear{}})
	if err != nil {
		t.Fatal(err)
	}
	w.store = &store{Ledger: l}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(w.logs.String(), canary) {
			t.Errorf("the log has personal data: %s", w.logs)
		}
	})
	w.h = w.handler()
	return w
}

// handler is another process on the same store.
func (w *world) handler() *Handler {
	w.Helper()
	var tick sync.Mutex
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	h, err := New(Config{
		Source: "hr",
		Store:  w.store,
		Sink:   w.sink,
		Key: func(kind, value string) string {
			m := hmac.New(sha256.New, []byte("invented"))
			m.Write([]byte(kind + "\x00" + value))
			return hex.EncodeToString(m.Sum(nil))
		},
		Now: func() time.Time {
			tick.Lock()
			defer tick.Unlock()
			now = now.Add(time.Second)
			return now
		},
		MaxBody: 256 << 10,
		BaseURL: func(*http.Request) string { return "https://firstpass.example.org/v1/scim/hr" },
		Logger:  w.log,
	})
	if err != nil {
		w.Fatal(err)
	}
	return h
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// do sends one request; head are pairs of header names and values.
func (w *world) do(method, path, body string, head ...string) answer {
	w.Helper()
	return w.ask(w.h, method, path, body, head...)
}

func (w *world) ask(h http.Handler, method, path, body string, head ...string) answer {
	w.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header()}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
			w.Fatalf("%s %s: the answer is no JSON: %v", method, path, err)
		}
		if got := rec.Header().Get("Content-Type"); got != "application/scim+json" {
			w.Errorf("%s %s: content type %q", method, path, got)
		}
	}
	if a.status >= 400 {
		if strings.Contains(rec.Body.String(), canary) {
			w.Errorf("%s: the error quotes personal data: %s", method, rec.Body)
		}
		if a.body["status"] != itoa(a.status) || a.body["detail"] == "" {
			w.Errorf("%s %s: no error of RFC 7644 3.12: %v", method, path, a.body)
		}
	}
	return a
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func (a answer) want(t *testing.T, status int, kind string) answer {
	t.Helper()
	got, _ := a.body["scimType"].(string)
	if a.status != status || got != kind {
		t.Fatalf("status %d %q, want %d %q: %v", a.status, got, status, kind, a.body["detail"])
	}
	return a
}

func (a answer) id() string { id, _ := a.body["id"].(string); return id }

const ottilie = `{
	"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
	"externalId": "E-4711",
	"userName": "Ottilie.Brandt@example.com",
	"name": {"familyName": "Brandt", "givenName": "Ottilie"},
	"emails": [{"value": "ottilie@example.org", "type": "home", "primary": true}],
	"active": true,
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Bindery", "manager": {"value": "E-17"}}
}`

// created is a resource that exists.
func (w *world) created(body string) answer {
	w.Helper()
	return w.do("POST", "/Users", body).want(w.T, 201, "")
}

func patchOf(ops string) string {
	return `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": ` + ops + `}`
}

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	m, err := decodeStored([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
