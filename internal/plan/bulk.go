package plan

import (
	"context"

	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
)

// Reader is a Graph client as a plan uses it.
type Reader struct {
	*graph.Bulk
	Client *graph.Client
}

var _ Tenant = Reader{}

// PassPolicy implements Tenant.
func (r Reader) PassPolicy(ctx context.Context) (jml.PassPolicy, error) {
	return r.Client.PassPolicy(ctx)
}

// Alone implements Tenant.
func (r Reader) Alone() Alone { return r.Client }
