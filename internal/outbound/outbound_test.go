package outbound_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

func TestCheckRoot(t *testing.T) {
	for _, good := range []string{"https://graph.microsoft.com", "https://127.0.0.1:8443", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"} {
		if err := outbound.CheckRoot(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "graph.microsoft.com", "http://graph.microsoft.com", "https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/",
		"https://user:pw@graph.microsoft.com", "https://graph.microsoft.com?x=1", "ftp://localhost", "http://127.0.0.1.example.com",
	} {
		if outbound.CheckRoot(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"":                              0,
		"30":                            30 * time.Second,
		"0.5":                           500 * time.Millisecond,
		"-5":                            0,
		"99999999999":                   24 * time.Hour,
		"soon":                          0,
		"NaN":                           0,
		"Tue, 01 Dec 2026 08:01:00 GMT": time.Minute,
		"Tue, 01 Dec 2026 07:00:00 GMT": 0,
	} {
		h := http.Header{}
		h.Set("Retry-After", in)
		if got := outbound.RetryAfter(h, now); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// A cancelled call must show as one, and as the Fault that it is.
func TestTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &jml.Fault{System: "graph", Op: "list passes", Kind: jml.FaultUnavailable}
	if err := outbound.Told(ctx, f); err != error(f) {
		t.Errorf("got %v", err)
	}
	cancel()
	var fault *jml.Fault
	if err := outbound.Told(ctx, f); !errors.Is(err, context.Canceled) || !errors.As(err, &fault) {
		t.Errorf("got %v", err)
	}
	answered := &jml.Fault{Status: 503}
	if err := outbound.Told(ctx, answered); errors.Is(err, context.Canceled) {
		t.Error("a call that was answered counts as cancelled")
	}
}
