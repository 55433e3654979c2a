package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// blocked stops an activity for good: trying again unchanged can't help.
type blocked struct{ block *jml.Block }

func (b *blocked) Error() string { return b.block.String() }

// toTemporal is the one place that turns an error into what Temporal sees. It
// decides about retries, and nothing else does: the SDKs' own retries are off.
// The text of an error it does not know is dropped, as it may quote a foreign
// body or an address; the caller has logged it.
func toTemporal(err error) error {
	if err == nil {
		return nil
	}
	var stop *blocked
	if errors.As(err, &stop) {
		return application(stop.block, temporal.ApplicationErrorOptions{NonRetryable: true})
	}
	var fault *jml.Fault
	if errors.As(err, &fault) {
		return application(fault.Block(), temporal.ApplicationErrorOptions{
			// A user can be new enough for the authentication service not to
			// know him, so "not found" is worth a few tries.
			NonRetryable:   !fault.Retryable() && fault.Kind != jml.FaultNotFound,
			NextRetryDelay: fault.RetryAfter,
		})
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return application(jml.Blocked(jml.ReasonInternal, "interrupted"), temporal.ApplicationErrorOptions{})
	}
	return application(jml.Blocked(jml.ReasonInternal, ""), temporal.ApplicationErrorOptions{})
}

func application(b *jml.Block, o temporal.ApplicationErrorOptions) error {
	o.Details = []any{*b}
	return temporal.NewApplicationErrorWithOptions(b.String(), workflows.ErrorType, o)
}

// retryAlways is toTemporal for what must not be given up: even a refusal is
// tried again, as nobody else ends the pass.
func retryAlways(err error) error {
	var app *temporal.ApplicationError
	mapped := toTemporal(err)
	if !errors.As(mapped, &app) || !app.NonRetryable() {
		return mapped
	}
	var b jml.Block
	_ = app.Details(&b)
	return application(&b, temporal.ApplicationErrorOptions{})
}
