package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

type approveCmd struct {
	target
	Reason string `help:"Why; goes to the audit." placeholder:"TEXT"`
	Actor  string `help:"Who decides; goes to the audit. Not who asked. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (a *approveCmd) Run(ctx context.Context, env *environment) error {
	return a.settle(ctx, env, workflows.Decision{Approve: true, Actor: a.Actor, Reason: a.Reason})
}

type refuseCmd struct {
	target
	Reason string `help:"Why; goes to the audit." required:"" placeholder:"TEXT"`
	Actor  string `help:"Who decides; goes to the audit. Not who asked. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (r *refuseCmd) Run(ctx context.Context, env *environment) error {
	return r.settle(ctx, env, workflows.Decision{Actor: r.Actor, Reason: r.Reason})
}

// settle brings a decision to the journey that waits for it.
func (t *target) settle(ctx context.Context, env *environment, d workflows.Decision) error {
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	places, err := t.places(ctx, env, c, cfg)
	if err != nil {
		return err
	}
	id, err := waiting(ctx, c, places)
	if err != nil {
		return err
	}
	if d.Actor == "" {
		d.Actor = login()
	}
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var answer workflows.Answer
	if err := update(asking, c, id, workflows.UpdateDecide, d, &answer); err != nil {
		// Somebody else may have been faster: his name says more than a refusal.
		if v, again := ask(ctx, c, id); again == nil && v.Approval != nil && !v.Approval.Decided.IsZero() {
			return decidedAlready(id, *v.Approval)
		}
		return err
	}
	out := struct {
		WorkflowID string `json:"workflow_id"`
		Approved   bool   `json:"approved"`
		Actor      string `json:"actor"`
	}{id, d.Approve, d.Actor}
	return env.print(out, func(w io.Writer) {
		word := "refused; there will be no pass"
		if d.Approve {
			word = "approved; the journey goes on"
		}
		fmt.Fprintf(w, "%s  %s\nfollow it with: firstpass show %s\n", workflows.RefOf(id), word, id)
	})
}

// waiting returns the one of places that waits for a decision.
func waiting(ctx context.Context, c client.Client, places []place) (string, error) {
	var (
		found   []place
		decided *jml.Approval
		last    place
		running int
	)
	for _, p := range places {
		if !p.running() {
			last = p
			continue
		}
		running++
		v, err := ask(ctx, c, p.id)
		if err != nil {
			return "", err
		}
		switch a := v.Approval; {
		case a == nil:
			last = p
		case a.Decided.IsZero():
			found = append(found, p)
		default:
			decided, last = a, p
		}
	}
	switch {
	case len(found) == 1:
		return found[0].id, nil
	case len(found) > 1:
		return "", several("wait for approval", found)
	case decided != nil:
		return "", decidedAlready(last.id, *decided)
	case running == 0:
		return "", endedAlready(last.id)
	}
	return "", hinted{errors.New("this journey does not wait for approval"), "firstpass list --stage approval shows what does"}
}

func decidedAlready(id string, a jml.Approval) error {
	return hinted{fmt.Errorf("this was decided already: %s", decisionWords(a)), "firstpass show " + id + " tells how it goes on"}
}
