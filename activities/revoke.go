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

// RevokePass implements workflows.Activities.
//
// Crash: deleting is idempotent, and a pass that is not there counts as
// deleted. Whatever a crash leaves, the next try deletes what is left and reads
// back; at worst the audit holds the announcement twice.
func (a *Activities) RevokePass(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	defer a.marks.Keep(ctx)()
	result, err := a.revoke(ctx, in)
	if err != nil {
		a.log.Warn("revoke failed", "ref", in.Ref, "error", err)
		var none workflows.RevokeResult
		return none, retryAlways(err)
	}
	return result, nil
}

func (a *Activities) revoke(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	if in.MethodID != "" {
		return a.end(ctx, in.Ref, in.UserID, []string{in.MethodID}, in.Reason)
	}
	// A pass whose reply was lost may not be listed at once, so an empty list
	// is read twice.
	for try := range 2 {
		if try > 0 {
			a.pause(ctx, readBackPause)
		}
		passes, err := a.dir.Passes(ctx, in.UserID)
		if err != nil && !notFound(err) {
			return workflows.RevokeResult{}, err
		}
		var ids []string
		for _, p := range passes {
			if in.Request.Matches(p) {
				ids = append(ids, p.MethodID)
			}
		}
		if len(ids) > 0 {
			return a.end(ctx, in.Ref, in.UserID, ids, in.Reason)
		}
	}
	return workflows.RevokeResult{GoneAt: a.now().UTC()}, nil
}

func notFound(err error) bool {
	var f *jml.Fault
	return errors.As(err, &f) && f.Kind == jml.FaultNotFound
}

// readBacks and readBackPause bound how long one try waits for a deletion to
// show: Graph's reads may lag behind its writes.
const (
	readBacks     = 5
	readBackPause = 2 * time.Second
)

// end announces, deletes, and reads back until the tenant no longer lists the
// passes called ids.
func (a *Activities) end(ctx context.Context, ref, userID string, ids []string, reason string) (workflows.RevokeResult, error) {
	var none workflows.RevokeResult
	for _, id := range ids {
		if err := a.record(ctx, audit.Entry{Event: audit.EventPassRevoke, Ref: ref, UserID: userID, MethodID: id, Reason: reason}); err != nil {
			return none, err
		}
		if err := a.dir.DeletePass(ctx, userID, id); err != nil {
			return none, err
		}
	}
	missing := 0
	for try := range readBacks {
		if try > 0 {
			a.pause(ctx, readBackPause)
		}
		listed, err := a.dir.Passes(ctx, userID)
		if notFound(err) {
			// The user is gone and his passes with him; or one replica does
			// not know him yet. Only every read in a row tells the first.
			if missing++; missing < readBacks {
				continue
			}
			err = nil
		}
		if err != nil {
			return none, err
		}
		if slices.ContainsFunc(listed, func(p jml.Pass) bool { return slices.Contains(ids, p.MethodID) }) {
			continue
		}
		result := workflows.RevokeResult{MethodIDs: ids, GoneAt: a.now().UTC()}
		for _, id := range ids {
			if err := a.record(ctx, audit.Entry{Event: audit.EventPassGone, Ref: ref, UserID: userID, MethodID: id}); err != nil {
				return none, err
			}
		}
		return result, nil
	}
	return none, &jml.Fault{System: "graph", Op: "read back a deleted pass: still listed", Kind: jml.FaultConflict}
}
