package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// ending is what cancel and revoke share.
type ending struct {
	target
	Reason string        `help:"Why; goes to the audit." required:"" placeholder:"TEXT"`
	Actor  string        `help:"Who asks; goes to the audit. Your login if not given." placeholder:"NAME"`
	Wait   time.Duration `help:"How long to wait for the pass to be confirmed gone." default:"2m"`
}

type cancelCmd struct{ ending }

// Run implements the command.
func (c *cancelCmd) Run(ctx context.Context, env *environment) error {
	return c.end(ctx, env, jml.StageCancelled)
}

type revokeCmd struct{ ending }

// Run implements the command.
func (c *revokeCmd) Run(ctx context.Context, env *environment) error {
	return c.end(ctx, env, jml.StageRevoked)
}

func (e *ending) end(ctx context.Context, env *environment, outcome jml.Stage) error {
	c, id, status, err := e.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	if status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return endedAlready(id)
	}
	if e.Actor == "" {
		e.Actor = login()
	}
	waiting, cancel := context.WithTimeout(ctx, e.Wait)
	defer cancel()
	env.progress("asked %s to end; waiting until any pass is confirmed gone", workflows.RefOf(id))
	var result workflows.JourneyResult
	err = update(waiting, c, id, workflows.UpdateStop, jml.Stop{Outcome: outcome, Actor: e.Actor, Reason: e.Reason}, &result)
	if errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return hinted{fmt.Errorf("not confirmed within %s; the joiner goes on ending by itself", e.Wait),
			"firstpass show " + workflows.RefOf(id) + " tells how far it is; if nothing moves, is firstpass serve running?"}
	}
	if err != nil {
		return err
	}
	return env.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", workflows.RefOf(id), result.Outcome)
		if p := result.Pass; p != nil && p.Revoked != nil {
			fmt.Fprintf(w, "pass confirmed gone: %s\n", stamp(p.Revoked.GoneAt))
		} else {
			fmt.Fprintln(w, "there was no pass")
		}
	})
}

// update asks a workflow for something and waits for its answer. A refusal is
// in the words of the validator: ours, and without personal data.
func update(ctx context.Context, c client.Client, id, name string, request, answer any) error {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, answer)
	}
	var refusal *temporal.ApplicationError
	if errors.As(err, &refusal) {
		return fmt.Errorf("refused: %s", refusal.Message())
	}
	if err != nil {
		return temporalError(name+" "+id, err)
	}
	return nil
}

type nudgeCmd struct{ target }

// Run implements the command.
func (n *nudgeCmd) Run(ctx context.Context, env *environment) error {
	c, id, status, err := n.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	if status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return endedAlready(id)
	}
	view, err := ask(ctx, c, id)
	if err != nil {
		return err
	}
	to := id
	if view.PassID != "" {
		to = view.PassID
	}
	if err := c.SignalWorkflow(ctx, to, "", workflows.SignalLook, nil); err != nil {
		return temporalError("nudge "+to, err)
	}
	return env.print(map[string]string{"nudged": to}, func(w io.Writer) { fmt.Fprintln(w, "nudged", to) })
}

func endedAlready(id string) error {
	return hinted{fmt.Errorf("%s has ended already", id), "firstpass show " + workflows.RefOf(id) + " tells how"}
}

// login is who runs the command; empty if the system does not tell.
func login() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
