package console

import (
	"context"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/board"
)

// Service is what the console shows and asks for: ops.Service. It takes who asks
// from the context, and answers with an *ops.Refusal what it refuses.
type Service interface {
	Board(ctx context.Context, f board.Filter) ([]board.Row, board.State, error)
	Names(ctx context.Context, ids []string) map[string]string
	Journey(ctx context.Context, id string) (ops.Journey, error)
	Act(ctx context.Context, a ops.Action) (ops.Done, error)
	Passes(ctx context.Context) ([]board.Row, board.State, error)
	Feeds(ctx context.Context) ([]ops.Feed, error)
	Quarantine(ctx context.Context) ([]intake.Quarantined, error)
	Held(ctx context.Context) ([]intake.Held, error)
	HeldChange(ctx context.Context, ref string) (ops.HeldChange, error)
	Search(ctx context.Context, query string) ([]ops.Found, error)
	Ledger(ctx context.Context, f ledger.RowFilter) ([]audit.Row, error)
	Switch(ctx context.Context) (ops.Switch, error)
	Summary(ctx context.Context) (ops.Summary, error)
	Recover(ctx context.Context, r ops.Recovery) (ops.Started, error)
	StageDevice(ctx context.Context, r ops.Staging) (ops.Started, error)
}
