package activities

import (
	"context"
	"errors"

	"firstpass.internal/internal/jml"
)

// ReachInput asks which of an employee's routes could take a message.
type ReachInput struct {
	UserID  string       // empty: nobody in the tenant can be found by it
	Notice  jml.Notice   // complete but for channel and address
	Routes  []jml.Route  // in order
	Contact jml.Snapshot // where the employee can be reached
}

// Reach returns the first route that could take the message, chosen and checked
// as SendMessage and IssuePass do it; or what stands in the way. It sends
// nothing and makes no secret: whether a channel's service answers, nobody has
// asked. An error means that it could not be told.
func (a *Activities) Reach(ctx context.Context, in ReachInput) (jml.Route, *jml.Block, error) {
	a.name(&in.Notice, "reach", "reach", 0)
	r := &router{a: a, userID: in.UserID, contact: in.Contact}
	_, i, err := r.pick(ctx, in.Notice, in.Routes)
	var (
		fault *jml.Fault
		stop  *blocked
	)
	switch {
	case err == nil:
		return in.Routes[i], nil, nil
	case errors.As(err, &stop):
		return jml.Route{}, stop.block, nil
	case errors.As(err, &fault) && !fault.Retryable():
		return jml.Route{}, fault.Block(), nil
	}
	return jml.Route{}, nil, err
}
