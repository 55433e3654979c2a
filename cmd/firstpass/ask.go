package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/profile"
	"firstpass.internal/workflows"
)

// asking is what commands share that ask for a journey of a known employee.
type asking struct {
	cfg       *config.Config
	temporal  client.Client
	desk      asker
	directory *graph.Client
	rules     *profile.Rules
}

// asker is the part of an intake desk that knows employees and begins journeys
// for them.
type asker interface {
	Employee(ctx context.Context, source, name string) ([]intake.Employee, error)
	Ask(ctx context.Context, kind jml.Kind, source, ref string, r jml.Request) (intake.Outcome, error)
}

func (e *environment) asks(ctx context.Context, do func(*asking) error) error {
	cfg, c, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	directory, err := newGraph(cfg)
	if err != nil {
		return err
	}
	rules, err := newRules(cfg)
	if err != nil {
		return err
	}
	return e.withDesk(ctx, cfg, c, func(d *intake.Desk) error {
		return do(&asking{cfg: cfg, temporal: c, desk: d, directory: directory, rules: rules})
	})
}

// employee finds whom a command line names, among those of whom HR has told.
func (a *asking) employee(ctx context.Context, p person) (intake.Employee, error) {
	if (p.Ref == "") == (p.EmployeeID == "") {
		return intake.Employee{}, usageError{errors.New("give a reference or --employee-id, one of them")}
	}
	source, who := p.Source, cmp.Or(p.Ref, p.EmployeeID)
	if strings.Contains(p.Ref, "/") {
		n, err := whole(p.Ref)
		if err != nil {
			return intake.Employee{}, err
		}
		source, who = n.source, n.ref
	}
	found, err := a.desk.Employee(ctx, source, who)
	switch {
	case errors.Is(err, intake.ErrNoSource):
		return intake.Employee{}, usageError{err}
	case err != nil:
		return intake.Employee{}, err
	case len(found) == 0:
		return intake.Employee{}, hinted{errors.New("HR has told of no such employee"), "firstpass list --all shows every reference; firstpass import reads somebody in from a file"}
	case len(found) > 1:
		var sources []string
		for _, e := range found {
			sources = append(sources, e.Source)
		}
		return intake.Employee{}, usageError{fmt.Errorf("several sources know this employee; say which with --source: %s", strings.Join(sources, ", "))}
	}
	return found[0], nil
}

// user finds the employee in Entra.
func (a *asking) user(ctx context.Context, who intake.Employee) (jml.User, error) {
	found, err := a.directory.FindUsers(ctx, who.Snapshot.UserMatch())
	if err != nil {
		return jml.User{}, directoryError(err)
	}
	if b := jml.CheckUser(found); b != nil && b.Reason != jml.ReasonUserDisabled {
		return jml.User{}, hinted{errors.New(b.String()), b.Advice}
	}
	return found[0], nil
}

// profile returns the profile by which the journey will go, as far as HR's facts
// tell.
func (a *asking) profile(kind jml.Kind, who intake.Employee) (jml.Profile, error) {
	choice := a.rules.Choose(kind, who.Source, who.Snapshot, nil)
	if b := choice.Block; b != nil {
		return jml.Profile{}, hinted{fmt.Errorf("no %s for this employee: %s", kind, b), b.Advice}
	}
	return choice.Profile, nil
}

// asked is a journey that has begun.
type asked struct {
	Ref        string   `json:"ref"`
	WorkflowID string   `json:"workflow_id"`
	Profile    string   `json:"profile"`
	Next       []string `json:"next"`
}

// ask begins the journey and tells what happens next.
func (a *asking) ask(ctx context.Context, env *environment, kind jml.Kind, who intake.Employee, p jml.Profile, r jml.Request) error {
	// Before the cap is asked, whose answer would hide that there is one: what
	// decides is the desk, which begins no second one.
	there, err := lookUp(ctx, a.temporal, []string{workflows.JourneyID(kind, who.Source, who.Ref)})
	if err != nil {
		return err
	}
	if len(there) > 0 && there[0].running() {
		return hinted{fmt.Errorf("refused: a %s of this employee is under way: %s", kind, there[0].id), "firstpass show " + there[0].id + " tells how far it is; firstpass cancel ends it"}
	}
	out, err := a.desk.Ask(ctx, kind, who.Source, who.Ref, r)
	if err != nil {
		return askError(err)
	}
	next := asked{out.Ref, out.WorkflowID, p.Name, ahead(kind, p, r)}
	return env.print(next, func(w io.Writer) {
		fmt.Fprintf(w, "%s  asked for, by profile %s\n", next.WorkflowID, next.Profile)
		for _, line := range next.Next {
			fmt.Fprintf(w, "- %s\n", line)
		}
		fmt.Fprintf(w, "follow it with: firstpass show %s\n", next.WorkflowID)
	})
}

// askError adds to a refusal what to do about it.
func askError(err error) error {
	var refusal *intake.Refusal
	if !errors.As(err, &refusal) {
		return temporalError("ask for the journey", err)
	}
	what := refusal.What
	if !refusal.Until.IsZero() {
		what += "; not before " + stamp(refusal.Until)
	}
	return hinted{fmt.Errorf("refused: %s", what), refusal.Do}
}

// ahead tells what happens before the employee or the technician has a pass, in
// order.
func ahead(kind jml.Kind, p jml.Profile, r jml.Request) []string {
	var out []string
	switch {
	case kind == jml.KindStaging || p.Approve:
		line := "somebody else has to approve: firstpass approve, or firstpass refuse"
		if p.Approval != nil && p.Approval.Within > 0 {
			line += ", within " + p.Approval.Within.String()
		}
		out = append(out, line)
	case p.Privileged:
		out = append(out, "somebody else has to approve if the employee holds a role in Entra")
	}
	if r.EndSessions {
		out = append(out, "all sessions of the employee end")
	}
	if n := len(r.Methods); n > 0 {
		out = append(out, fmt.Sprintf("%d of the employee's methods will be removed", n))
	}
	if p.Mode == jml.ModePickup {
		line := "a link goes to " + recipients(p.LinkTo) + ", and a code to " + recipients(p.CodeTo)
		if len(p.Proofs) > 0 {
			var names []string
			for _, proof := range p.Proofs {
				names = append(names, proof.Name)
			}
			line += "; the page asks for proof: " + strings.Join(names, ", then ")
		}
		out = append(out, line)
	} else {
		out = append(out, "the pass goes to "+recipients(p.PassRoutes()))
	}
	if kind == jml.KindStaging {
		out = append(out, "the pass ends at "+stamp(r.Until)+", or once the device is done: firstpass device-done")
	}
	return out
}

// recipients names who is told, and who is told instead.
func recipients(routes []jml.Route) string {
	var words []string
	for _, r := range routes {
		words = append(words, strings.ReplaceAll(cmp.Or(r.Desk, string(r.Recipient)), "_", " ")+" by "+r.Channel)
	}
	return strings.Join(words, ", else ")
}

// directoryError adds what to do about what Graph said.
func directoryError(err error) error {
	var fault *jml.Fault
	if errors.As(err, &fault) {
		return hinted{err, fault.Block().Advice}
	}
	return err
}

func requestID() string { return rand.Text() }

func actorOr(given string) string {
	if given != "" {
		return given
	}
	return login()
}
