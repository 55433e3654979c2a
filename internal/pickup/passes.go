package pickup

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/workflows"
)

// ErrNothing says that there is nothing to see: no such pass, or the pass
// refuses. Why, nobody is told.
var ErrNothing = errors.New("pickup: nothing to see")

// ErrLate says that an update was sent, and its answer did not come in time: it may
// still be carried out.
var ErrLate = errors.New("pickup: the pass did not answer in time")

// temporalPasses are the workflows of a namespace.
type temporalPasses struct{ client client.Client }

// NewPasses returns the Passes of a Temporal client.
func NewPasses(c client.Client) Passes { return temporalPasses{c} }

func (p temporalPasses) Update(ctx context.Context, workflowID, update, id string, request, answer any) error {
	handle, err := p.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID:     id,
		WorkflowID:   workflowID,
		UpdateName:   update,
		Args:         []any{request},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, answer)
	}
	return translate(ctx, err)
}

func (p temporalPasses) Visit(ctx context.Context, workflowID, visit string) (workflows.VisitView, error) {
	var v workflows.VisitView
	value, err := p.client.QueryWorkflow(ctx, workflowID, "", workflows.QueryVisit, visit)
	if err == nil {
		err = value.Get(&v)
	}
	return v, translate(ctx, err)
}

// translate tells refusals from trouble. A refusal is the workflow's word, or
// that there is no workflow.
func translate(ctx context.Context, err error) error {
	var (
		missing *serviceerror.NotFound
		query   *serviceerror.QueryFailed
		refusal *temporal.ApplicationError
		late    *client.WorkflowUpdateServiceTimeoutOrCanceledError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing), errors.As(err, &query), errors.As(err, &refusal):
		return ErrNothing
	case errors.As(err, &late), ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrLate, err)
	}
	return err
}
