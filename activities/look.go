package activities

import (
	"context"
	"fmt"
	"strings"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// LookForMethod implements workflows.Activities.
//
// Crash: it only reads; the next try reads again.
func (a *Activities) LookForMethod(ctx context.Context, in workflows.LookInput) (workflows.LookResult, error) {
	var r workflows.LookResult
	methods, err := a.dir.Methods(ctx, in.UserID)
	if notFound(err) {
		r.Missing = true
		return r, nil
	}
	if err != nil {
		a.log.Warn("look for a registered method failed", "error", err)
		return r, toTemporal(err)
	}
	for _, m := range methods {
		if m.Kind == jml.MethodPass && m.ID == in.MethodID {
			r.Pass = m.Reason
		}
	}
	require := jml.Requirement{Kinds: in.CompleteOn, AAGUIDs: in.AAGUIDs, Devices: in.Devices}
	met, enough := require.Met(methods, in.UsableFrom)
	if !enough && !in.Since.IsZero() {
		// Registered while our pass could not be used yet: not by our pass, but
		// nothing is left to do.
		if early, all := require.Met(methods, in.Since); all {
			met, enough, r.Early = early, true, true
		}
	}
	r.Methods = met
	if enough {
		r.Method = &met[len(met)-1]
	}
	return r, nil
}

// RecordClose implements workflows.Activities.
//
// Crash: the line may stand twice in the audit.
func (a *Activities) RecordClose(ctx context.Context, in workflows.CloseInput) (workflows.CloseResult, error) {
	e := audit.Entry{
		Event: closed(in.Kind), Ref: in.Ref, UserID: in.UserID,
		Outcome: string(in.Outcome), Actor: in.Actor, Reason: in.Reason,
	}
	if in.Block != nil {
		e.Detail = "blocked: " + string(*in.Block)
	}
	if len(in.Weaker) > 0 {
		e.Detail = strings.TrimPrefix(e.Detail+"; left: "+fmt.Sprint(in.Weaker), "; ")
	}
	return workflows.CloseResult{}, toTemporal(a.record(ctx, e))
}

func closed(kind jml.Kind) audit.Event {
	switch kind {
	case jml.KindMover:
		return audit.EventMoverClosed
	case jml.KindRecovery:
		return audit.EventRecoveryClosed
	case jml.KindStaging:
		return audit.EventStagingClosed
	}
	return audit.EventJoinerClosed
}
