package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/api"
)

type recoverCmd struct {
	person
	Loss         jml.LossReason `help:"What happened: ${enum}. With stolen, all sessions end." required:"" enum:"lost,stolen,broken,replaced"`
	Verified     string         `help:"How you verified who called, by one of the words of verifications in the configuration; goes to the ledger." required:"" placeholder:"HOW"`
	Ticket       string         `help:"Ticket of the service desk; goes to the ledger." required:"" placeholder:"T"`
	For          jml.Requester  `help:"Who asks: ${enum}. A manager vouches for the employee." enum:"operator,manager" default:"operator"`
	Method       []string       `help:"Id of a lost method, to be removed before there is a pass; may be repeated. firstpass methods lists them." placeholder:"ID"`
	EndSessions  bool           `help:"Sign the employee out everywhere, before there is a pass."`
	KeepSessions bool           `help:"Leave sessions alone although something was stolen."`
	Note         string         `help:"More in words; goes to the ledger." placeholder:"TEXT"`
	Actor        string         `help:"Who asks, without a server; goes to the ledger. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (r *recoverCmd) Run(ctx context.Context, env *environment) error {
	if r.EndSessions && r.KeepSessions {
		return usageError{errors.New("--end-sessions and --keep-sessions exclude each other")}
	}
	who, err := r.name()
	if err != nil {
		return err
	}
	return env.api(ctx, r.Actor, func(c *api.ClientWithResponses) error {
		reply, err := c.AskRecoveryWithResponse(ctx, api.RecoveryRequest{
			Employee: who, Source: r.Source, Loss: r.Loss, Verified: r.Verified, Ticket: r.Ticket, For: r.For,
			Methods: r.Method, EndSessions: r.EndSessions, KeepSessions: r.KeepSessions, Note: r.Note,
		})
		if err != nil {
			return err
		}
		var next []string
		if r.EndSessions || r.Loss == jml.LossStolen && !r.KeepSessions {
			next = append(next, "all sessions of the employee end")
		}
		if n := len(r.Method); n > 0 {
			next = append(next, fmt.Sprintf("%d of the employee's methods will be removed", n))
		}
		return env.printReply(reply.Body, func(w io.Writer) { begunText(w, *reply.JSON201, next) })
	})
}

// begunText tells that a journey has begun, and what comes before there is a
// pass.
func begunText(w io.Writer, b api.Begun, next []string) {
	fmt.Fprintf(w, "%s  asked for, by profile %s\n", b.WorkflowID, b.Profile)
	if b.Approval {
		fmt.Fprintln(w, "- somebody else has to approve: firstpass approve, or firstpass refuse")
	}
	for _, line := range next {
		fmt.Fprintf(w, "- %s\n", line)
	}
	fmt.Fprintf(w, "follow it with: firstpass show %s\n", b.WorkflowID)
}

type methodsCmd struct{ person }

// registered is one method, for choosing. There is no number or address in it.
type registered struct {
	ID         string         `json:"id"`
	Kind       jml.MethodKind `json:"kind"`
	Label      string         `json:"label"`
	AAGUID     string         `json:"aaguid,omitempty"`
	Registered time.Time      `json:"registered,omitzero"`
	Removable  bool           `json:"removable"`
}

// Run implements the command.
func (m *methodsCmd) Run(ctx context.Context, env *environment) error {
	who, err := m.name()
	if err != nil {
		return err
	}
	all, err := env.methods(ctx, "", ops.Whom{Name: who, Source: m.Source})
	if err != nil {
		return err
	}
	out := []registered{}
	for _, m := range all {
		out = append(out, registered{ID: m.ID, Kind: m.Kind, Label: m.Kind.Label(), AAGUID: m.AAGUID, Registered: m.CreatedAt, Removable: slices.Contains(jml.Removable(), m.Kind)})
	}
	return env.print(out, func(w io.Writer) { methodTable(w, out) })
}

// methods asks the service, which has no way over the network for it.
func (e *environment) methods(ctx context.Context, actor string, whom ops.Whom) (all []jml.Method, err error) {
	if e.server != "" {
		return nil, usageError{hinted{errors.New("methods are listed with the keys of the configuration, not over a server"), "run it where firstpass.yaml is, without --server"}}
	}
	err = e.operations(ctx, func(_ operationsParts, o *operations) error {
		who, err := localIdentity(actor)
		if err != nil {
			return err
		}
		if all, err = o.service.Methods(access.With(ctx, who), whom); err != nil {
			return refusal(err)
		}
		return nil
	})
	return all, err
}

// refusal is what the service refuses, as the API would have it.
func refusal(err error) error {
	var r *ops.Refusal
	if !errors.As(err, &r) {
		return err
	}
	said := hinted{errors.New(r.What), r.Do}
	switch r.Kind {
	case ops.RefusedInvalid:
		return usageError{said}
	case ops.RefusedMissing:
		return said
	case ops.RefusedAway:
		return awayError{said}
	}
	return refusedError{hinted{fmt.Errorf("refused: %s", r.What), r.Do}}
}

func methodTable(w io.Writer, list []registered) {
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing is registered but a password, if any")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "METHOD\tMAKE (AAGUID)\tREGISTERED (UTC)\tID")
	for _, m := range list {
		id := m.ID
		if !m.Removable {
			id = "not removed by Firstpass"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", m.Label, m.AAGUID, minute(m.Registered), id)
	}
	_ = tw.Flush()
}
