package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/intake"
)

type heldCmd struct {
	List    heldListCmd    `cmd:"" default:"1" help:"List the changes that wait."`
	Show    heldShowCmd    `cmd:"" help:"Show the address in force and the one that waits. Personal data."`
	Approve heldApproveCmd `cmd:"" help:"Let the new address through; the joiner goes on with it."`
	Reject  heldRejectCmd  `cmd:"" help:"Keep the address from before; the joiner goes on with it."`
}

// decision is what acts of an operator share.
type decision struct {
	Reason string `help:"Why; goes to the audit." required:"" placeholder:"TEXT"`
	Actor  string `help:"Who asks; goes to the audit. Your login if not given." placeholder:"NAME"`
}

func (d decision) actor() string {
	if d.Actor == "" {
		return login()
	}
	return d.Actor
}

type heldListCmd struct{}

// Run implements the command.
func (*heldListCmd) Run(ctx context.Context, env *environment) error {
	return env.desk(ctx, func(d *intake.Desk) error {
		list, err := d.HeldList(ctx)
		if err != nil {
			return err
		}
		return env.print(list, func(w io.Writer) {
			if len(list) == 0 {
				fmt.Fprintln(w, "nothing waits for approval")
				return
			}
			tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "REF\tSOURCE\tSINCE (UTC)")
			for _, h := range list {
				fmt.Fprintf(tw, "%s\t%s\t%s\n", h.Ref, h.Source, h.Since.UTC().Format("2006-01-02 15:04"))
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
	return decide(ctx, env, c.Ref, c.decision, true)
}

type heldRejectCmd struct {
	Ref string `arg:"" help:"Reference as in firstpass held list."`
	decision
}

// Run implements the command.
func (c *heldRejectCmd) Run(ctx context.Context, env *environment) error {
	return decide(ctx, env, c.Ref, c.decision, false)
}

func decide(ctx context.Context, env *environment, ref string, why decision, approve bool) error {
	return env.connectedDesk(ctx, func(d *intake.Desk) error {
		got, err := d.Decide(ctx, ref, why.actor(), why.Reason, approve)
		if err != nil {
			return heldError(err)
		}
		return env.print(got, func(w io.Writer) {
			word := "rejected; the address from before stays"
			if approve {
				word = "approved"
			}
			fmt.Fprintf(w, "%s  %s\nfollow it with: firstpass show %s\n", ref, word, ref)
		})
	})
}

func heldError(err error) error {
	if errors.Is(err, intake.ErrNotHeld) {
		return hinted{err, "firstpass held list shows the references"}
	}
	return err
}
