package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// blocked stops an activity for good: trying again unchanged can't help.
type blocked struct{ block *jml.Block }

func (b *blocked) Error() string { return b.block.String() }

// toTemporal is the one place that turns an error into what Temporal sees. It
// decides about retries, and nothing else does: the SDKs' own retries are off.
// more is what the workflow needs to know beyond the block.
func toTemporal(err error, more ...any) error {
	if err == nil {
		return nil
	}
	b, final, delay := judge(err)
	return application(b, temporal.ApplicationErrorOptions{NonRetryable: final, NextRetryDelay: delay}, more...)
}

// retryAlways is toTemporal for what must not be given up: even a refusal is
// tried again, as nobody else ends the pass.
func retryAlways(err error) error {
	b, final, delay := judge(err)
	if final {
		delay = 0 // a refusal says nothing of when to come again
	}
	return application(b, temporal.ApplicationErrorOptions{NextRetryDelay: delay})
}

// judge says what stands in the way, whether trying again unchanged is of no
// use, and how long to wait if it is (0: as the retry policy says). The text of
// an error it does not know is dropped, as it may quote a foreign body or an
// address; the caller has logged it.
func judge(err error) (b *jml.Block, final bool, delay time.Duration) {
	var stop *blocked
	if errors.As(err, &stop) {
		return stop.block, true, 0
	}
	var fault *jml.Fault
	if errors.As(err, &fault) {
		// A user can be new enough for the authentication service not to know
		// him, so "not found" is worth a few tries.
		return fault.Block(), !fault.Retryable() && fault.Kind != jml.FaultNotFound, fault.RetryAfter
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return jml.Blocked(jml.ReasonInternal, "interrupted"), false, 0
	}
	return jml.Blocked(jml.ReasonInternal, ""), false, 0
}

func application(b *jml.Block, o temporal.ApplicationErrorOptions, more ...any) error {
	o.Details = append([]any{*b}, more...)
	return temporal.NewApplicationErrorWithOptions(b.String(), workflows.ErrorType, o)
}
