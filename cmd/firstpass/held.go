package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/api"
)

type heldCmd struct {
	List    heldListCmd    `cmd:"" default:"1" help:"List the changes that wait."`
	Show    heldShowCmd    `cmd:"" help:"Show the address in force and the one that waits, with the keys of the configuration. Personal data."`
	Approve heldApproveCmd `cmd:"" help:"Let the new address through; the joiner goes on with it."`
	Reject  heldRejectCmd  `cmd:"" help:"Keep the address from before; the joiner goes on with it."`
}

type heldListCmd struct{}

// Run implements the command.
func (*heldListCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		r, err := c.ListHeldWithResponse(ctx)
		if err != nil {
			return err
		}
		list := r.JSON200.Items
		return env.print(list, func(w io.Writer) {
			if len(list) == 0 {
				fmt.Fprintln(w, "nothing waits for approval")
				return
			}
			tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "REF\tSOURCE\tKIND\tSINCE (UTC)")
			for _, h := range list {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", h.Ref, h.Source, h.Kind, minute(h.Since))
			}
			_ = tw.Flush()
		})
	})
}

type heldShowCmd struct {
	Ref string `arg:"" help:"Reference as in firstpass held list."`
}

// contact is where a message would go.
type contact struct {
	PersonalMail string `json:"personal_mail"`
	Phone        string `json:"phone"`
}

// Run implements the command.
func (s *heldShowCmd) Run(ctx context.Context, env *environment) error {
	return env.desk(ctx, func(d *intake.Desk) error {
		h, now, waiting, err := d.HeldContact(ctx, s.Ref)
		if err != nil {
			return heldError(err)
		}
		out := struct {
			intake.Held
			Name    string    `json:"name"`
			Starts  string    `json:"starts"`
			InForce contact   `json:"in_force"`
			Waiting contact   `json:"waiting"`
			Seen    time.Time `json:"seen"`
		}{h, now.GivenName + " " + now.FamilyName, now.StartDate.String(),
			contact{now.PersonalMail, now.Phone}, contact{waiting.PersonalMail, waiting.Phone}, waiting.ObservedAt}
		return env.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s  %s, starts %s\n\n", out.Ref, out.Source, out.Name, out.Starts)
			tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "\tMAIL\tPHONE")
			fmt.Fprintf(tw, "in force\t%s\t%s\n", out.InForce.PersonalMail, out.InForce.Phone)
			fmt.Fprintf(tw, "waiting\t%s\t%s\n", out.Waiting.PersonalMail, out.Waiting.Phone)
			_ = tw.Flush()
		})
	})
}

type heldApproveCmd struct {
	Ref string `arg:"" help:"Reference as in firstpass held list."`
	decision
}

// Run implements the command.
func (c *heldApproveCmd) Run(ctx context.Context, env *environment) error {
	return decide(ctx, env, c.Ref, c.decision, ops.VerbHeldApprove)
}

type heldRejectCmd struct {
	Ref string `arg:"" help:"Reference as in firstpass held list."`
	decision
}

// Run implements the command.
func (c *heldRejectCmd) Run(ctx context.Context, env *environment) error {
	return decide(ctx, env, c.Ref, c.decision, ops.VerbHeldReject)
}

func decide(ctx context.Context, env *environment, ref string, why decision, verb ops.Verb) error {
	return env.api(ctx, why.Actor, func(c *api.ClientWithResponses) error {
		r, err := c.ActOnHeldWithResponse(ctx, ref, api.HeldAction{Verb: verb, Reason: why.Reason})
		if err != nil {
			return err
		}
		return env.printReply(r.Body, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\nfollow it with: firstpass show %s\n", ref, r.JSON200.What, ref)
		})
	})
}

func heldError(err error) error {
	if errors.Is(err, intake.ErrNotHeld) {
		return hinted{err, "firstpass held list shows the references"}
	}
	return err
}
