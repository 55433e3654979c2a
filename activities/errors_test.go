package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

func TestToTemporal(t *testing.T) {
	fault := func(kind jml.FaultKind, reason jml.BlockReason) error {
		return fmt.Errorf("wrapped: %w", &jml.Fault{System: "graph", Op: "create pass", Kind: kind, Status: 499, RequestID: "r-1", RetryAfter: time.Minute, Reason: reason})
	}
	tests := []struct {
		name   string
		err    error
		final  bool
		delay  time.Duration
		reason jml.BlockReason
	}{
		{"throttled", fault(jml.FaultThrottled, ""), false, time.Minute, jml.ReasonGraphUnavailable},
		{"unavailable", fault(jml.FaultUnavailable, ""), false, time.Minute, jml.ReasonGraphUnavailable},
		{"channel unavailable", fault(jml.FaultUnavailable, jml.ReasonChannelUnavailable), false, time.Minute, jml.ReasonChannelUnavailable},
		{"conflict", fault(jml.FaultConflict, ""), false, time.Minute, jml.ReasonGraphUnavailable},
		{"not found", fault(jml.FaultNotFound, ""), false, time.Minute, jml.ReasonUserNotReady},
		{"denied", fault(jml.FaultDenied, ""), true, time.Minute, jml.ReasonPermissionMissing},
		{"refused", fault(jml.FaultRefused, ""), true, time.Minute, jml.ReasonUnknownRefusal},
		{"refused, reason known", fault(jml.FaultRefused, jml.ReasonOutOfScope), true, time.Minute, jml.ReasonOutOfScope},
		{"blocked", &blocked{jml.Blocked(jml.ReasonForeignPass, "")}, true, 0, jml.ReasonForeignPass},
		{"interrupted", context.Canceled, false, 0, jml.ReasonInternal},
		{"unforeseen", errors.New("POST https://graph.microsoft.com/users/freja@example.org: boom"), false, 0, jml.ReasonInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var app *temporal.ApplicationError
			if !errors.As(toTemporal(tt.err), &app) {
				t.Fatalf("got %v", toTemporal(tt.err))
			}
			if app.NonRetryable() != tt.final || app.NextRetryDelay() != tt.delay || app.Type() != workflows.ErrorType {
				t.Errorf("final %t, delay %s, type %s", app.NonRetryable(), app.NextRetryDelay(), app.Type())
			}
			var b jml.Block
			if err := app.Details(&b); err != nil || b.Reason != tt.reason || b.Advice == "" {
				t.Errorf("block %+v, %v; want %s, with advice", b, err, tt.reason)
			}
			if strings.Contains(app.Error(), "example.org") {
				t.Errorf("%q quotes a foreign text", app.Error())
			}
			// What must not be given up is tried again whatever it is.
			if errors.As(retryAlways(tt.err), &app); app.NonRetryable() {
				t.Error("retryAlways gives up")
			}
		})
	}
	if toTemporal(nil) != nil {
		t.Error("no error became one")
	}
}
