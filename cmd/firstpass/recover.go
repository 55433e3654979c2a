package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
)

type recoverCmd struct {
	person
	Loss         jml.LossReason `help:"What happened: ${enum}. With stolen, all sessions end." required:"" enum:"lost,stolen,broken,replaced"`
	Verified     string         `help:"How you verified who called, by one of the words of verifications in the configuration; goes to the audit." required:"" placeholder:"HOW"`
	Ticket       string         `help:"Ticket of the service desk; goes to the audit." required:"" placeholder:"T"`
	For          jml.Requester  `help:"Who asks: ${enum}. A manager vouches for the employee." enum:"operator,manager" default:"operator"`
	Method       []string       `help:"Id of a lost method, to be removed before there is a pass; may be repeated. firstpass methods lists them." placeholder:"ID"`
	EndSessions  bool           `help:"Sign the employee out everywhere, before there is a pass."`
	KeepSessions bool           `help:"Leave sessions alone although something was stolen."`
	Note         string         `help:"More in words; goes to the audit." placeholder:"TEXT"`
	Actor        string         `help:"Who asks; goes to the audit. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (r *recoverCmd) Run(ctx context.Context, env *environment) error {
	if r.EndSessions && r.KeepSessions {
		return usageError{errors.New("--end-sessions and --keep-sessions exclude each other")}
	}
	return env.asks(ctx, func(a *asking) error {
		if !slices.Contains(a.cfg.Verifications, r.Verified) {
			return usageError{hinted{fmt.Errorf("--verified: want one of %s", strings.Join(a.cfg.Verifications, ", ")), "verifications in the configuration lists how callers may be verified"}}
		}
		who, err := a.employee(ctx, r.person)
		if err != nil {
			return err
		}
		p, err := a.profile(jml.KindRecovery, who)
		if err != nil {
			return err
		}
		if len(r.Method) > 0 {
			lost, err := r.lost(ctx, a, who)
			if err != nil {
				return err
			}
			if p.Remove != jml.RemoveLost {
				return usageError{hinted{fmt.Errorf("--method: profile %s removes nothing", p.Name), "set remove: lost on the profile; or leave --method out, and remove by hand what was lost"}}
			}
			for _, m := range lost {
				env.progress("to be removed: %s, registered %s", m.Kind.Label(), stamp(m.CreatedAt))
			}
		}
		return a.ask(ctx, env, jml.KindRecovery, who, p, jml.Request{
			ID: requestID(), Actor: actorOr(r.Actor), For: r.For, At: time.Now().UTC(), Ticket: r.Ticket, Verified: r.Verified, Note: r.Note,
			Loss: r.Loss, Methods: r.Method, EndSessions: r.EndSessions || r.Loss == jml.LossStolen && !r.KeepSessions,
		})
	})
}

// lost returns the methods that the command line names. All of them must be the
// user's: a slip of the hand would otherwise leave the stolen key in place.
func (r *recoverCmd) lost(ctx context.Context, a *asking, who intake.Employee) ([]jml.Method, error) {
	user, err := a.user(ctx, who)
	if err != nil {
		return nil, err
	}
	all, err := a.directory.Methods(ctx, user.ID)
	if err != nil {
		return nil, directoryError(err)
	}
	var out []jml.Method
	for _, id := range r.Method {
		i := slices.IndexFunc(all, func(m jml.Method) bool { return m.ID == id })
		if i < 0 {
			return nil, usageError{hinted{fmt.Errorf("--method %s: the employee has no such method", id), "firstpass methods " + who.Ref + " lists them"}}
		}
		if !slices.Contains(jml.Removable(), all[i].Kind) {
			return nil, usageError{fmt.Errorf("--method %s: %s is no method that Firstpass removes", id, all[i].Kind.Label())}
		}
		out = append(out, all[i])
	}
	return out, nil
}

type methodsCmd struct{ person }

// registered is one method, for choosing. There is no number or address in it.
type registered struct {
	ID         string         `json:"id"`
	Kind       jml.MethodKind `json:"kind"`
	Label      string         `json:"label"`
	AAGUID     string         `json:"aaguid,omitempty"`
	Registered *time.Time     `json:"registered,omitempty"`
	Removable  bool           `json:"removable"`
}

// Run implements the command.
func (m *methodsCmd) Run(ctx context.Context, env *environment) error {
	return env.asks(ctx, func(a *asking) error {
		who, err := a.employee(ctx, m.person)
		if err != nil {
			return err
		}
		user, err := a.user(ctx, who)
		if err != nil {
			return err
		}
		all, err := a.directory.Methods(ctx, user.ID)
		if err != nil {
			return directoryError(err)
		}
		out := []registered{}
		for _, m := range all {
			if m.Kind == jml.MethodPass || m.Kind == "password" {
				continue
			}
			r := registered{ID: m.ID, Kind: m.Kind, Label: m.Kind.Label(), AAGUID: m.AAGUID, Removable: slices.Contains(jml.Removable(), m.Kind)}
			if !m.CreatedAt.IsZero() {
				r.Registered = &m.CreatedAt
			}
			out = append(out, r)
		}
		return env.print(out, func(w io.Writer) { methodTable(w, out) })
	})
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
