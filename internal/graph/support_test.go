package graph_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
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

	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
)

const (
	userID   = "3f6c1f0e-6d0b-4f3a-9a53-2d9c6a1b0c01"
	passID   = "7a0d9c55-1c2f-4d0e-8f5b-93d3f1a6be02"
	groupID  = "b1b6a1f0-33f5-4b4f-9d1e-0e6a8e2f4d03"
	passcode = "c4n4ry+Pa<&\"'"
)

var (
	now     = time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
	request = jml.PassRequest{StartAt: now.Add(24 * time.Hour), Lifetime: time.Hour, OneTime: true, Since: now}
	match   = jml.Match{Attribute: "employeeId", Value: "1001"}
)

// file writes content where a Config wants a path.
func file(t testing.TB, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// server is a Graph that says what a test tells it to, with a token endpoint
// that always works. It notes the requests to Graph.
type server struct {
	*httptest.Server
	graph http.HandlerFunc
	token http.HandlerFunc

	mu   sync.Mutex
	seen []*http.Request
}

func (s *server) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.seen...)
}

func newServer(t testing.TB, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{graph: answer}
	s.token = func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, `{"token_type":"Bearer","expires_in":3600,"access_token":"h.e30.s"}`)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			base := "https://" + r.Host + "/tenant"
			b, _ := json.Marshal(map[string]string{"issuer": base + "/v2.0", "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token"})
			writeJSON(w, 200, string(b))
		case strings.HasSuffix(r.URL.Path, "/token"):
			s.token(w, r)
		default:
			s.mu.Lock()
			s.seen = append(s.seen, r)
			s.mu.Unlock()
			s.graph(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are broken off on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func (s *server) config(t testing.TB) graph.Config {
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return graph.Config{
		Endpoint: s.URL, Authority: s.URL, TenantID: "tenant", ClientID: "client",
		CAFile:     file(t, "ca.pem", ca),
		Credential: graph.Credential{Kind: graph.ClientSecret, SecretFile: file(t, "secret", "s3cret-canary\n")},
	}
}

func newClient(t testing.TB, cfg graph.Config) *graph.Client {
	t.Helper()
	c, err := graph.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// operation calls one method and forgets its result.
type operation struct {
	name string
	call func(context.Context, *graph.Client) error
}

// operations are all methods that speak to Graph.
func operations() []operation {
	return []operation{
		{"find user", func(ctx context.Context, c *graph.Client) error { _, err := c.FindUsers(ctx, match); return err }},
		{"find user", func(ctx context.Context, c *graph.Client) error {
			_, err := c.FindUsers(ctx, jml.Match{Attribute: jml.MatchObjectID, Value: userID})
			return err
		}},
		{"read pass policy", func(ctx context.Context, c *graph.Client) error { _, err := c.PassPolicy(ctx); return err }},
		{"check groups", func(ctx context.Context, c *graph.Client) error {
			_, err := c.MemberOf(ctx, userID, []string{groupID})
			return err
		}},
		{"read roles", func(ctx context.Context, c *graph.Client) error { _, err := c.Privilege(ctx, userID); return err }},
		{"list methods", func(ctx context.Context, c *graph.Client) error { _, err := c.Methods(ctx, userID); return err }},
		{"list passes", func(ctx context.Context, c *graph.Client) error { _, err := c.Passes(ctx, userID); return err }},
		{"list hires", func(ctx context.Context, c *graph.Client) error {
			return c.Hires(ctx, now, now, func(map[string]any) error { return nil })
		}},
		{"create pass", func(ctx context.Context, c *graph.Client) error {
			_, _, err := c.CreatePass(ctx, userID, request, now)
			return err
		}},
		{"read addressees", func(ctx context.Context, c *graph.Client) error {
			_, err := c.Addressees(ctx, userID, true)
			return err
		}},
		{"send mail", func(ctx context.Context, c *graph.Client) error { return send(ctx, c, nil) }},
		{"delete method", func(ctx context.Context, c *graph.Client) error {
			return c.DeleteMethod(ctx, userID, jml.Method{ID: passID, Kind: jml.MethodFIDO2})
		}},
		{"end sessions", func(ctx context.Context, c *graph.Client) error { return c.EndSessions(ctx, userID) }},
		{"delete pass", func(ctx context.Context, c *graph.Client) error { return c.DeletePass(ctx, userID, passID) }},
	}
}
