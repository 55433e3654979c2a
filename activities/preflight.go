package activities

import (
	"context"
	"errors"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Preflight implements workflows.Activities. It reads only as far as the first
// fact that blocks.
//
// Crash: it only reads; the next try reads again. The line about a refusal may
// then stand twice in the audit.
func (a *Activities) Preflight(ctx context.Context, in workflows.PreflightInput) (jml.Verdict, error) {
	v, err := a.preflight(ctx, in)
	var (
		fault *jml.Fault
		stop  *blocked
	)
	if errors.As(err, &stop) {
		v.Block, err = stop.block, nil
	}
	if errors.As(err, &fault) && !fault.Retryable() {
		// A refusal or a user whom the authentication service does not know
		// yet: something to wait for, not to retry at once.
		v.Block, err = fault.Block(), nil
	}
	if err != nil {
		a.log.Warn("preflight failed", "ref", in.Ref, "error", err)
		return v, toTemporal(err)
	}
	return v, nil
}

func (a *Activities) preflight(ctx context.Context, in workflows.PreflightInput) (jml.Verdict, error) {
	var v jml.Verdict
	if err := a.halted(ctx); err != nil {
		return v, err
	}
	users, err := a.dir.FindUsers(ctx, in.Match)
	if err != nil {
		return v, err
	}
	if v.Block = jml.CheckUser(users); v.Block != nil {
		return v, a.refused(ctx, in, v)
	}
	v.User = users[0]
	if in.Open && in.Facts != nil {
		choice := a.profiles.Choose(in.Kind, in.Source, *in.Facts, &v.User)
		if v.Block = choice.Block; v.Block != nil {
			return v, nil
		}
		in.Profile, v.Profile = choice.Profile, &choice.Profile
	}

	policy, err := a.dir.PassPolicy(ctx)
	if err != nil {
		return v, err
	}
	if v.Block = jml.CheckPolicy(policy, in.Profile); v.Block != nil {
		return v, nil
	}
	var groups []string
	if named := append(append([]string(nil), policy.IncludeGroups...), policy.ExcludeGroups...); len(named) > 0 {
		if groups, err = a.dir.MemberOf(ctx, v.User.ID, named); err != nil {
			return v, err
		}
	}
	if v.Block = jml.CheckScope(policy, v.User.ID, groups); v.Block != nil {
		return v, nil
	}
	privilege, err := a.dir.Privilege(ctx, v.User.ID)
	if err != nil {
		return v, err
	}
	if v.Privileged = privilege.Any(); v.Privileged && !in.Profile.Privileged {
		v.Block = jml.CheckPrivilege(privilege)
		return v, a.refused(ctx, in, v)
	}
	methods, err := a.dir.Methods(ctx, v.User.ID)
	if err != nil {
		return v, err
	}
	require := in.Profile.Requirement()
	if met, enough := require.Met(methods, in.Since); enough {
		v.Already = met
	}
	if in.Weaker {
		v.Weaker = require.Weaker(methods)
	}
	return v, nil
}

// refused records that somebody was kept from getting a pass because of who he
// is. A user who is not there yet is no refusal.
func (a *Activities) refused(ctx context.Context, in workflows.PreflightInput, v jml.Verdict) error {
	if v.Block.Reason == jml.ReasonUserNotFound {
		return nil
	}
	return a.record(ctx, audit.Entry{
		Event: audit.EventPreflightRefused, Ref: in.Ref, UserID: v.User.ID, Reason: string(v.Block.Reason),
	})
}
