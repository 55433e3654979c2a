package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/user"
	"time"

	"go.temporal.io/api/serviceerror"
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
	c, id, err := e.openRunning(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	if e.Actor == "" {
		e.Actor = login()
	}
	env.progress("asked %s to end; waiting until any pass is confirmed gone", workflows.RefOf(id))
	result, err := stop(ctx, c, id, jml.Stop{Outcome: outcome, Actor: e.Actor, Reason: e.Reason}, e.Wait)
	if err != nil {
		return err
	}
	return env.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", workflows.RefOf(id), result.Outcome)
		passEnd(w, result)
	})
}

func passEnd(w io.Writer, result workflows.JourneyResult) {
	if p := result.Pass; p != nil && p.Revoked != nil {
		fmt.Fprintf(w, "pass confirmed gone: %s\n", stamp(p.Revoked.GoneAt))
	} else {
		fmt.Fprintln(w, "there was no pass")
	}
}

// stop ends a journey and waits until it has.
func stop(ctx context.Context, c client.Client, id string, as jml.Stop, within time.Duration) (workflows.JourneyResult, error) {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var result workflows.JourneyResult
	err := update(waiting, c, id, workflows.UpdateStop, as, &result)
	if errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return result, hinted{fmt.Errorf("not confirmed within %s; the journey goes on ending by itself", within),
			"firstpass show " + id + " tells how far it is; if nothing moves, is firstpass serve running?"}
	}
	return result, err
}

// update asks a workflow for something and waits for its answer. A refusal is
// in the words of the validator: ours, and without personal data.
func update(ctx context.Context, c client.Client, id, name string, request, answer any) error {
	options := client.UpdateWorkflowOptions{
		UpdateID:   rand.Text(), // the same at each try: it is taken once
		WorkflowID: id, UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
	}
	err := once(ctx, c, options, answer)
	// Temporal drops what comes at the moment at which another's word is taken in
	// and ends the journey; it says then that nobody has seen it.
	for dropped := (*serviceerror.WorkflowNotReady)(nil); errors.As(err, &dropped) && ctx.Err() == nil; {
		pause(ctx, 200*time.Millisecond)
		err = once(ctx, c, options, answer)
	}
	var refusal *temporal.ApplicationError
	if errors.As(err, &refusal) {
		return fmt.Errorf("refused: %s", refusal.Message())
	}
	var closed *serviceerror.NotFound
	if errors.As(err, &closed) {
		return endedAlready(id) // while we asked
	}
	if err != nil {
		return temporalError(name+" "+id, err)
	}
	return nil
}

func once(ctx context.Context, c client.Client, options client.UpdateWorkflowOptions, answer any) error {
	handle, err := c.UpdateWorkflow(ctx, options)
	if err != nil {
		return err
	}
	return handle.Get(ctx, answer)
}

type nudgeCmd struct{ target }

// Run implements the command.
func (n *nudgeCmd) Run(ctx context.Context, env *environment) error {
	c, id, err := n.openRunning(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
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
	return hinted{fmt.Errorf("%s has ended already", id), "firstpass show " + id + " tells how"}
}

// login is who runs the command; empty if the system does not tell.
func login() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
