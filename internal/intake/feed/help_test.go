package feed_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
)

func compiler(t testing.TB) *mapping.Compiler {
	t.Helper()
	c, err := mapping.NewCompiler(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// api is an invented HR system.
type api struct {
	*httptest.Server
	ca string // file
	mu sync.Mutex
	// seen are the requests, in order.
	seen []*http.Request
}

func newAPI(t testing.TB, h http.HandlerFunc) *api {
	t.Helper()
	a := &api{}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r.Clone(context.WithoutCancel(r.Context())))
		a.mu.Unlock()
		h(w, r)
	}))
	a.Config.ErrorLog = quiet()
	a.StartTLS()
	t.Cleanup(a.Close)
	a.ca = write(t, t.TempDir(), "ca.pem",
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})))
	return a
}

func (a *api) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request{}, a.seen...)
}

func (a *api) host() string { return strings.TrimPrefix(a.URL, "https://") }

// request calls a at a path.
func (a *api) request(path string) config.Request {
	return config.Request{
		URL: `"` + a.URL + path + `"`, Method: "GET", Auth: config.Auth{Kind: config.AuthNone}, CAFile: a.ca,
		AllowHosts: []string{a.host()}, PerSecond: 1000, Timeout: 10 * time.Second, MaxReply: 1 << 20,
	}
}

func reply(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(body))
}

func newCaller(t testing.TB, r config.Request) *feed.Caller {
	t.Helper()
	c, err := feed.NewCaller("sources[0].poll.request", r, compiler(t), mapping.ScopeRequest)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fault returns the Fault in err, after a look at its text: nothing of ours to
// tell may name an address.
func fault(t testing.TB, err error) *jml.Fault {
	t.Helper()
	var f *jml.Fault
	if !errors.As(err, &f) {
		t.Fatalf("no fault: %v", err)
	}
	for _, no := range []string{"127.0.0.1", "https://", "secret", "Jonas", ".csv"} {
		if strings.Contains(err.Error(), no) {
			t.Errorf("the error quotes %q: %v", no, err)
		}
	}
	if f.System != "hr" || f.Op == "" {
		t.Errorf("got %+v", f)
	}
	return f
}

func wantFault(t testing.TB, err error, kind jml.FaultKind, texts ...string) {
	t.Helper()
	if f := fault(t, err); f.Kind != kind {
		t.Errorf("kind %s, want %s: %v", f.Kind, kind, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q misses %q", err, text)
		}
	}
}
