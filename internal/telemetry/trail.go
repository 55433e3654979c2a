package telemetry

import (
	"context"

	"firstpass.internal/internal/audit"
	"firstpass.internal/workflows"
)

// Auditor writes a row and returns once it is durable.
type Auditor interface {
	Append(context.Context, audit.Entry) error
}

// Trail counts what goes through it to next. Every act that a promise rests on
// is a row first, so nothing is forgotten.
func (t *Telemetry) Trail(next Auditor) Auditor { return trail{t, next} }

type trail struct {
	t    *Telemetry
	next Auditor
}

func (r trail) Append(ctx context.Context, e audit.Entry) error {
	err := r.next.Append(ctx, e)
	if err != nil {
		add(r.t.counters.appendFailed, 1)
		// Reading may go well all the same, as on a full disk.
		r.t.health.heard("ledger rows", "can't be written: nothing is issued until they can")
		return err
	}
	r.t.health.heard("ledger rows", "")
	add(r.t.counters.rows, 1, label("event", string(e.Event)))
	switch workflows.Step(e.Event) {
	case workflows.StepVisitOpened:
		r.t.Pickup("opened")
	case workflows.StepProofRefused:
		r.t.Pickup("proofRefused")
	case workflows.StepLocked:
		r.t.Pickup("locked")
	case workflows.StepRepudiated:
		r.t.Pickup("repudiated")
	}
	return nil
}
