package activities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// RemoveMethods implements workflows.Activities. What can go goes, even if
// something else can't: a stolen key is not kept because of a phone number. Then
// the block says what was in the way.
//
// Crash: which methods go is worked out anew from what the tenant lists, and
// deleting is idempotent, so the next try deletes what is left; at worst the
// audit holds an announcement twice, and sessions are ended twice. A method that
// a try deleted whose result was lost is not in the next one's result: the audit
// has its announcement.
func (a *Activities) RemoveMethods(ctx context.Context, in workflows.RemoveInput) (workflows.RemoveResult, error) {
	defer a.marks.Keep(ctx)() // beats alone: the tenant says what is left
	result, err := a.remove(ctx, in)
	if err != nil {
		a.log.Warn("methods could not be removed", "ref", in.Ref, "error", err)
		return workflows.RemoveResult{}, toTemporal(err)
	}
	return result, nil
}

func (a *Activities) remove(ctx context.Context, in workflows.RemoveInput) (workflows.RemoveResult, error) {
	var result workflows.RemoveResult
	// First: who has the stolen key is out while we go on.
	ended, err := a.endSessions(ctx, in)
	if err != nil {
		return result, err
	}
	methods, gone, err := a.methods(ctx, in.UserID)
	if err != nil {
		return result, err
	}
	if gone {
		result.GoneAt = a.now().UTC() // the user, and his methods with him
		return result, nil
	}
	if in.EndSessions && !ended {
		return result, &jml.Fault{System: "graph", Op: "end sessions: the user is not known everywhere yet", Kind: jml.FaultUnavailable}
	}
	result.SessionsOver = ended
	var todo []jml.Method
	var stuck error
	for _, m := range methods {
		switch {
		case !goes(in, m):
		case slices.Contains(jml.Removable(), m.Kind):
			todo = append(todo, m)
		default:
			stuck = &blocked{jml.Blocked(jml.ReasonRemovalDenied, "Graph removes no method of kind "+string(m.Kind))}
		}
	}
	var denied error
	if result.Removed, denied, err = a.deleteMethods(ctx, in, todo); err != nil {
		return result, err
	}
	if len(result.Removed) > 0 {
		if err := a.readBackMethods(ctx, in, result.Removed); err != nil {
			return result, err
		}
	}
	result.GoneAt = a.now().UTC()
	return result, cmp.Or(denied, stuck)
}

// endSessions reports whether it signed the user out: not if nobody asked for
// it, nor if he is not there.
func (a *Activities) endSessions(ctx context.Context, in workflows.RemoveInput) (bool, error) {
	if !in.EndSessions {
		return false, nil
	}
	if err := a.record(ctx, audit.Entry{Event: audit.EventSessionsEnd, Ref: in.Ref, UserID: in.UserID, Actor: in.Actor}); err != nil {
		return false, err
	}
	err := a.dir.EndSessions(ctx, in.UserID)
	if notFound(err) {
		return false, nil
	}
	return err == nil, removalFault(err)
}

// methods lists the user's methods. That he is gone takes more than one read to
// tell: one replica may not know him.
func (a *Activities) methods(ctx context.Context, userID string) (methods []jml.Method, gone bool, err error) {
	for try := range readBacks {
		if try > 0 {
			a.pause(ctx, readBackPause)
		}
		if methods, err = a.dir.Methods(ctx, userID); !notFound(err) {
			return methods, false, err
		}
	}
	return nil, true, nil
}

// deleteMethods announces and deletes. Entra refuses to delete the default method
// while there is another, and does not tell which it is, so what it refuses is
// tried again after the others. denied is the first thing that can't be deleted.
func (a *Activities) deleteMethods(ctx context.Context, in workflows.RemoveInput, todo []jml.Method) (removed []jml.Method, denied, err error) {
	for round := range readBacks {
		if round > 0 {
			a.pause(ctx, readBackPause)
		}
		var later []jml.Method
		var refusal error
		for _, m := range todo {
			if round == 0 {
				if err := a.record(ctx, audit.Entry{Event: audit.EventMethodRemove, Ref: in.Ref, UserID: in.UserID, MethodID: m.ID,
					Actor: in.Actor, Reason: string(in.Rule), Detail: string(m.Kind)}); err != nil {
					return removed, nil, err
				}
			}
			err := a.dir.DeleteMethod(ctx, in.UserID, m)
			var f *jml.Fault
			switch {
			case err == nil:
				removed = append(removed, m)
			case errors.As(err, &f) && f.Kind == jml.FaultRefused:
				later, refusal = append(later, m), removalFault(err)
			case errors.As(err, &f) && f.Kind == jml.FaultDenied:
				denied = cmp.Or(denied, removalFault(err))
			default:
				return removed, nil, err
			}
		}
		if len(later) == 0 {
			return removed, denied, nil
		}
		if len(removed) == 0 || round == readBacks-1 {
			return removed, cmp.Or(denied, refusal), nil
		}
		todo = later
	}
	return removed, denied, nil
}

// readBackMethods reads until the tenant no longer lists the methods, and
// records that.
func (a *Activities) readBackMethods(ctx context.Context, in workflows.RemoveInput, removed []jml.Method) error {
	for try := range readBacks {
		if try > 0 {
			a.pause(ctx, readBackPause)
		}
		left, _, err := a.methods(ctx, in.UserID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(left, func(m jml.Method) bool {
			return slices.ContainsFunc(removed, func(r jml.Method) bool { return r.ID == m.ID })
		}) {
			continue
		}
		for _, m := range removed {
			if err := a.record(ctx, audit.Entry{Event: audit.EventMethodGone, Ref: in.Ref, UserID: in.UserID, MethodID: m.ID}); err != nil {
				return err
			}
		}
		return nil
	}
	return &jml.Fault{System: "graph", Op: "read back a removed method: still listed", Kind: jml.FaultConflict}
}

// goes reports whether the rule takes m. A method without a time is as old as
// can be. What somebody names goes whatever it is, or he is told.
func goes(in workflows.RemoveInput, m jml.Method) bool {
	if in.Rule == jml.RemoveLost {
		return slices.Contains(in.Methods, m.ID)
	}
	if !slices.Contains(jml.Removable(), m.Kind) {
		return false
	}
	switch in.Rule {
	case jml.RemoveOlder:
		return (in.Before.IsZero() || m.CreatedAt.Before(in.Before)) && (in.Keep == nil || !in.Keep.Allows(m))
	case jml.RemoveRegistered:
		return !in.Since.IsZero() && !m.CreatedAt.Before(in.Since.Truncate(time.Second))
	}
	return false
}

// removalFault turns a refusal for good into a Block that names it.
func removalFault(err error) error {
	var f *jml.Fault
	if errors.As(err, &f) && (f.Kind == jml.FaultDenied || f.Kind == jml.FaultRefused) {
		return &blocked{jml.Blocked(jml.ReasonRemovalDenied, f.Code)}
	}
	return err
}
