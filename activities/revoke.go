package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/graph/requests"
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
		use, err := a.use(ctx, in)
		if err != nil {
			return workflows.RevokeResult{}, err
		}
		result, err := a.end(ctx, ending{ref: in.Ref, userID: in.UserID, ids: []string{in.MethodID}, reason: in.Reason, used: use})
		result.Use = use
		return result, err
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
			return a.end(ctx, ending{ref: in.Ref, userID: in.UserID, ids: ids, reason: in.Reason, listed: true})
		}
	}
	return workflows.RevokeResult{GoneAt: a.now().UTC()}, nil
}

// use finds out, while it can still be found out, whether somebody signed in
// with the pass: it says so itself if it is a one-time pass, and a method that
// was registered since it works says so of any. A try after the deletion finds
// less; that is UseUnknown.
func (a *Activities) use(ctx context.Context, in workflows.RevokeInput) (jml.Use, error) {
	if !in.Use {
		return jml.UseUnknown, nil
	}
	methods, err := a.dir.Methods(ctx, in.UserID)
	if notFound(err) {
		return jml.UseUnknown, nil
	}
	if err != nil {
		return jml.UseUnknown, err
	}
	use := jml.UseUnknown
	for _, m := range methods {
		switch {
		case m.Kind == jml.MethodPass && m.ID == in.MethodID:
			p := jml.Pass{UsabilityReason: m.Reason}
			if p.Used() {
				return jml.UseYes, nil
			}
			// Whether one that was used and has expired is called used or
			// expired no page says.
			if in.Request.OneTime && !p.Dead() {
				use = jml.UseNone
			}
		case m.Kind != jml.MethodPass && !m.CreatedAt.IsZero() && !m.CreatedAt.Before(in.UsableFrom):
			return jml.UseYes, nil
		}
	}
	return use, nil
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

// ending is what passes end, and what is known of them for their receipts.
type ending struct {
	ref, userID string
	ids         []string // of the passes
	reason      string
	used        jml.Use
	listed      bool // the tenant has just listed them
}

// end announces, deletes, and reads back until the tenant no longer lists the
// passes. What Graph was asked goes to the ledger with the request ids, so that
// a receipt can be made of it.
func (a *Activities) end(ctx context.Context, e ending) (workflows.RevokeResult, error) {
	var none workflows.RevokeResult
	outcome := ""
	if e.listed {
		outcome = audit.Listed
	}
	deleted := map[string]string{}
	for _, id := range e.ids {
		if err := a.record(ctx, audit.Entry{Event: audit.EventPassRevoke, Ref: e.ref, UserID: e.userID, MethodID: id, Reason: e.reason, Outcome: outcome, Used: string(e.used)}); err != nil {
			return none, err
		}
		asking, request := requests.Collect(ctx)
		if err := a.dir.DeletePass(asking, e.userID, id); err != nil {
			return none, err
		}
		deleted[id] = request.Last()
	}
	var still []string
	var look string
	missing := 0
	for try := range readBacks {
		if try > 0 {
			a.pause(ctx, readBackPause)
		}
		asking, request := requests.Collect(ctx)
		listed, err := a.dir.Passes(asking, e.userID)
		look = request.Last()
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
		still = nil
		for _, p := range listed {
			if slices.Contains(e.ids, p.MethodID) {
				still = append(still, p.MethodID)
			}
		}
		if len(still) > 0 {
			continue
		}
		result := workflows.RevokeResult{MethodIDs: e.ids, GoneAt: a.now().UTC()}
		for _, id := range e.ids {
			if err := a.record(ctx, audit.Entry{Event: audit.EventPassGone, Ref: e.ref, UserID: e.userID, MethodID: id, RequestID: look, DeleteRequestID: deleted[id]}); err != nil {
				return none, err
			}
		}
		return result, nil
	}
	for _, id := range still {
		if err := a.record(ctx, audit.Entry{Event: audit.EventPassListed, Ref: e.ref, UserID: e.userID, MethodID: id, RequestID: look}); err != nil {
			return none, err
		}
	}
	return none, &jml.Fault{System: "graph", Op: "read back a deleted pass: still listed", Kind: jml.FaultConflict}
}
