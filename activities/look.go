package activities

import (
	"context"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// LookForMethod implements workflows.Activities.
//
// Crash: it only reads; the next try reads again.
func (a *Activities) LookForMethod(ctx context.Context, in workflows.LookInput) (workflows.LookResult, error) {
	methods, err := a.dir.Methods(ctx, in.UserID)
	if err != nil {
		a.log.Warn("look for a registered method failed", "error", err)
		return workflows.LookResult{}, toTemporal(err)
	}
	if m, ok := jml.Completing(methods, in.CompleteOn, in.UsableFrom); ok {
		return workflows.LookResult{Method: &m}, nil
	}
	return workflows.LookResult{}, nil
}

// RecordClose implements workflows.Activities.
//
// Crash: the line may stand twice in the audit.
func (a *Activities) RecordClose(ctx context.Context, in workflows.CloseInput) (workflows.CloseResult, error) {
	e := audit.Entry{
		Event: audit.EventJoinerClosed, Ref: in.Ref, UserID: in.UserID,
		Outcome: string(in.Outcome), Actor: in.Actor, Reason: in.Reason,
	}
	if in.Block != nil {
		e.Detail = "blocked: " + string(*in.Block)
	}
	return workflows.CloseResult{}, toTemporal(a.record(ctx, e))
}
