package main

import (
	"context"
	"log/slog"
	"time"

	"firstpass.internal/internal/profile"
)

// watch looks whether the profiles and the tenant still go together, at the
// start and once a day: a policy is changed by somebody else, and the first to
// notice would be an employee on his first day. It only reads, so it does no
// harm that every process does it.
type watch struct {
	find func(context.Context) ([]profile.Finding, error)
	log  *slog.Logger
}

// How often it looks, and how soon again if the tenant did not answer.
const (
	watchEvery = 24 * time.Hour
	watchAgain = 15 * time.Minute
)

// run returns when ctx ends.
func (w watch) run(ctx context.Context) {
	var known []profile.Finding
	for ctx.Err() == nil {
		found, err := w.find(ctx)
		wait := watchEvery
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = watchAgain
			w.log.Warn("profiles could not be compared with the tenant; trying again", "wait", wait.String(), "error", err)
		default:
			w.tell(known, found)
			known = found
		}
		pause(ctx, wait)
	}
}

// tell logs what has changed since the last look.
func (w watch) tell(known, found []profile.Finding) {
	for _, f := range found {
		if !has(known, f) {
			level := slog.LevelWarn
			if f.Severity == profile.SeverityError {
				level = slog.LevelError
			}
			w.log.Log(context.Background(), level, "profile and tenant do not go together", "profile", f.Profile, "what", f.What, "do", f.Do)
		}
	}
	for _, f := range known {
		if !has(found, f) {
			w.log.Info("profile and tenant go together again", "profile", f.Profile, "what", f.What)
		}
	}
}

func has(list []profile.Finding, f profile.Finding) bool {
	for _, g := range list {
		if g == f {
			return true
		}
	}
	return false
}
