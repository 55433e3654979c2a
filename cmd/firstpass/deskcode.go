package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/ops/api"
	"firstpass.internal/workflows"
)

// answerWithin bounds how long a command waits for a worker's answer.
const answerWithin = 30 * time.Second

type deskCmd struct {
	target
	Document string        `help:"What you looked at: ${enum}." required:"" enum:"passport,identity_card,residence_permit,driving_licence,company_badge"`
	Officer  string        `help:"Who looked; goes to the audit. Your login if not given." placeholder:"NAME"`
	Valid    time.Duration `help:"How long the code works; 10 minutes at most." default:"10m"`
}

// Run implements the command. The officer sees a code, never the pass; Temporal
// sees its keyed hash, for which the key of the configuration is needed.
func (d *deskCmd) Run(ctx context.Context, env *environment) error {
	if env.server != "" {
		return usageError{hinted{errors.New("a code is made with the key of the configuration, not over a server"), "run it where firstpass.yaml is, without --server"}}
	}
	var at place
	err := env.api(ctx, d.Officer, func(c *api.ClientWithResponses) (err error) {
		at, err = d.find(ctx, c)
		return err
	})
	switch {
	case err != nil:
		return err
	case !at.running():
		return endedAlready(at.id())
	case at.Stale:
		return at.silent()
	case at.Row.PassID == "":
		return hinted{fmt.Errorf("%s has no invitation to vouch for", at.Row.Ref), "firstpass show " + at.id() + " tells what it waits for"}
	}
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	book, err := newBook(cfg, nil)
	if err != nil {
		return err
	}
	if d.Officer == "" {
		d.Officer = login()
	}
	code, err := deskCode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := vouch(ctx, c, at.Row.PassID, workflows.DeskRequest{
		Officer: d.Officer, Document: d.Document, CodeHash: book.HashDeskCode(at.Row.Ref, code), Valid: d.Valid,
	}); err != nil {
		return err
	}
	given := struct {
		Code  string    `json:"code"`
		Until time.Time `json:"until"`
	}{code, time.Now().Add(d.Valid)}
	return env.print(given, func(w io.Writer) {
		fmt.Fprintf(w, "Code for the employee to type at the pick-up page: %s %s\nIt works once, until %s.\n", code[:4], code[4:], stamp(given.Until))
	})
}

// vouch tells a pass that somebody at a desk has seen the employee. A refusal is
// in the words of the validator: ours, and without personal data.
func vouch(ctx context.Context, c client.Client, passID string, r workflows.DeskRequest) error {
	var answer workflows.Answer
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: passID, UpdateName: workflows.UpdateDesk, Args: []any{r}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &answer)
	}
	var refusal *temporal.ApplicationError
	if errors.As(err, &refusal) {
		return refusedError{fmt.Errorf("refused: %s", refusal.Message())}
	}
	if err != nil {
		return temporalError("vouch", err)
	}
	return nil
}

// deskCode returns 8 random digits: the page lets nobody try more than a few.
func deskCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08d", n), nil
}
