package main

import (
	"context"
	"errors"
	"time"
)

// giveUp is an error that more patience won't mend.
type giveUp struct{ error }

func (g giveUp) Unwrap() error { return g.error }

// poll calls ready every so often until it returns nil or a giveUp, or ctx
// ends; then it returns what ready complained of last.
func poll(ctx context.Context, every time.Duration, ready func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ready()
		if lost := (giveUp{}); err == nil || errors.As(err, &lost) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
