// Package requests collects the ids that Graph gives to requests, for whoever
// has to prove later what Graph was asked and answered. Microsoft's support finds
// a request by its id.
package requests

import (
	"context"
	"sync"
)

// IDs are the request ids of the calls made under a context.
type IDs struct {
	mu   sync.Mutex
	last string
}

type key struct{}

// Collect returns a context under which ids are collected.
func Collect(ctx context.Context) (context.Context, *IDs) {
	ids := new(IDs)
	return context.WithValue(ctx, key{}, ids), ids
}

// Note takes note of the id of a request made under ctx. Empty ones are dropped.
func Note(ctx context.Context, id string) {
	if ids, ok := ctx.Value(key{}).(*IDs); ok && id != "" {
		ids.mu.Lock()
		defer ids.mu.Unlock()
		ids.last = id
	}
}

// Last returns the id of the last request; empty if there was none.
func (i *IDs) Last() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}
