package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// RemoveMethods implements workflows.Activities.
//
// Crash: which methods go is worked out anew from what the tenant lists, and
// deleting is idempotent, so the next try deletes what is left; at worst the
// audit holds an announcement twice. A method that a try deleted whose result
// was lost is not in the next one's result: the audit has it.
func (a *Activities) RemoveMethods(ctx context.Context, in workflows.RemoveInput) (workflows.RemoveResult, error) {
	result, err := a.remove(ctx, in)
	if err != nil {
		a.log.Warn("methods could not be removed", "ref", in.Ref, "error", err)
		return workflows.RemoveResult{}, toTemporal(err)
	}
	return result, nil
}

func (a *Activities) remove(ctx context.Context, in workflows.RemoveInput) (workflows.RemoveResult, error) {
	var result workflows.RemoveResult
	if in.EndSessions {
		// First: who has the stolen key is out while we go on.
		if err := a.record(ctx, audit.Entry{Event: audit.EventSessionsEnd, Ref: in.Ref, UserID: in.UserID, Actor: in.Actor}); err != nil {
			return result, err
		}
		if err := a.dir.EndSessions(ctx, in.UserID); err != nil {
			return result, removalFault(err)
		}
		result.SessionsOver = true
	}
	methods, err := a.dir.Methods(ctx, in.UserID)
	if notFound(err) {
		result.GoneAt = a.now().UTC() // the user is gone, and his methods with him
		return result, nil
	}
	if err != nil {
		return result, err
	}
	for _, m := range methods {
		if !goes(in, m) {
			continue
		}
		if err := a.record(ctx, audit.Entry{Event: audit.EventMethodRemove, Ref: in.Ref, UserID: in.UserID, MethodID: m.ID,
			Actor: in.Actor, Reason: string(in.Rule), Detail: string(m.Kind)}); err != nil {
			return result, err
		}
		if err := a.dir.DeleteMethod(ctx, in.UserID, m); err != nil {
			return result, removalFault(err)
		}
		result.Removed = append(result.Removed, m)
	}
	if len(result.Removed) == 0 {
		result.GoneAt = a.now().UTC()
		return result, nil
	}
	for try := range readBacks {
		if try > 0 {
			a.pause(ctx, readBackPause)
		}
		left, err := a.dir.Methods(ctx, in.UserID)
		if err != nil {
			return result, err
		}
		if slices.ContainsFunc(left, func(m jml.Method) bool {
			return slices.ContainsFunc(result.Removed, func(r jml.Method) bool { return r.ID == m.ID })
		}) {
			continue
		}
		result.GoneAt = a.now().UTC()
		for _, m := range result.Removed {
			if err := a.record(ctx, audit.Entry{Event: audit.EventMethodGone, Ref: in.Ref, UserID: in.UserID, MethodID: m.ID}); err != nil {
				return result, err
			}
		}
		return result, nil
	}
	return result, &jml.Fault{System: "graph", Op: "read back a removed method: still listed", Kind: jml.FaultConflict}
}

// goes reports whether the rule takes m. A method without a time is as old as
// can be.
func goes(in workflows.RemoveInput, m jml.Method) bool {
	if !slices.Contains(jml.Removable(), m.Kind) {
		return false
	}
	switch in.Rule {
	case jml.RemoveLost:
		return slices.Contains(in.Methods, m.ID)
	case jml.RemoveOlder:
		return (in.Before.IsZero() || m.CreatedAt.Before(in.Before)) && (in.Keep == nil || !in.Keep.Allows(m))
	case jml.RemoveRegistered:
		return !in.Since.IsZero() && !m.CreatedAt.Before(in.Since.Truncate(time.Second))
	}
	return false
}

// removalFault turns a denial into a Block that names what is missing.
func removalFault(err error) error {
	var f *jml.Fault
	if errors.As(err, &f) && f.Kind == jml.FaultDenied {
		return &blocked{jml.Blocked(jml.ReasonRemovalDenied, f.Code)}
	}
	return err
}
