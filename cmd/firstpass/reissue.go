package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"time"

	"firstpass.internal/workflows"
)

type reissueCmd struct {
	target
	Reason string `help:"Why, and how you know who asked; goes to the audit." required:"" placeholder:"TEXT"`
	Actor  string `help:"Who asks; goes to the audit. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (r *reissueCmd) Run(ctx context.Context, env *environment) error {
	c, id, err := r.openRunning(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	if r.Actor == "" {
		r.Actor = login()
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var answer workflows.Answer
	if err := update(ctx, c, id, workflows.UpdateReissue, workflows.ReissueRequest{Actor: r.Actor, Reason: r.Reason}, &answer); err != nil {
		return err
	}
	return env.print(answer, func(w io.Writer) {
		fmt.Fprintf(w, "%s: the pass or link there was is ended, another goes to the same addresses\n", workflows.RefOf(id))
	})
}

// answerWithin bounds how long a command waits for a worker's answer.
const answerWithin = 30 * time.Second

type deskCmd struct {
	target
	Document string        `help:"What you looked at: ${enum}." required:"" enum:"passport,identity_card,residence_permit,driving_licence,company_badge"`
	Officer  string        `help:"Who looked; goes to the audit. Your login if not given." placeholder:"NAME"`
	Valid    time.Duration `help:"How long the code works; 10 minutes at most." default:"10m"`
}

// Run implements the command. The officer sees a code, never the pass; Temporal
// sees its keyed hash.
func (d *deskCmd) Run(ctx context.Context, env *environment) error {
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	at, err := d.find(ctx, env, c, cfg)
	if err != nil {
		return err
	}
	if !at.running() {
		return endedAlready(at.id)
	}
	book, err := newBook(cfg, nil)
	if err != nil {
		return err
	}
	view, err := ask(ctx, c, at.id)
	if err != nil {
		return err
	}
	if view.PassID == "" {
		return hinted{fmt.Errorf("%s has no invitation to vouch for", view.Ref), "firstpass show " + at.id + " tells what it waits for"}
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
	var answer workflows.Answer
	if err := update(ctx, c, view.PassID, workflows.UpdateDesk, workflows.DeskRequest{
		Officer: d.Officer, Document: d.Document, CodeHash: book.HashDeskCode(view.Ref, code), Valid: d.Valid,
	}, &answer); err != nil {
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

// deskCode returns 8 random digits: the page lets nobody try more than a few.
func deskCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08d", n), nil
}
