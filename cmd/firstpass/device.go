package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

type stageDeviceCmd struct {
	person
	Technician string        `help:"Who sets up the device and gets the pass: sign-in name in Entra." required:"" placeholder:"UPN"`
	Device     string        `help:"Serial number or name of the device." required:"" placeholder:"SERIAL"`
	Window     time.Duration `help:"How long the technician has; the pass is revoked then. Not longer than the profile's timeout." required:"" placeholder:"4h"`
	Ticket     string        `help:"Ticket of the service desk; goes to the audit." required:"" placeholder:"T"`
	Note       string        `help:"Why; goes to the audit." placeholder:"TEXT"`
	Actor      string        `help:"Who asks; goes to the audit. Somebody else has to approve. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (s *stageDeviceCmd) Run(ctx context.Context, env *environment) error {
	return env.asks(ctx, func(a *asking) error {
		who, err := a.employee(ctx, s.person)
		if err != nil {
			return err
		}
		technician, err := s.technician(ctx, a, who)
		if err != nil {
			return err
		}
		p, err := a.profile(jml.KindStaging, who)
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		switch {
		case s.Window <= 0:
			return usageError{errors.New("--window: give a time, such as 4h")}
		case p.Timeout > 0 && s.Window > p.Timeout:
			return usageError{fmt.Errorf("--window: profile %s allows %s at most (timeout)", p.Name, p.Timeout)}
		}
		return a.ask(ctx, env, jml.KindStaging, who, p, jml.Request{
			ID: requestID(), Actor: actorOr(s.Actor), For: jml.RequesterOperator, At: now, Ticket: s.Ticket, Note: s.Note,
			Technician: technician, Device: s.Device, Until: now.Add(s.Window),
		})
	})
}

// technician finds who sets up the device. The employee himself gets a pass of
// his own: a staging is about somebody else's hands.
func (s *stageDeviceCmd) technician(ctx context.Context, a *asking, who intake.Employee) (jml.User, error) {
	if !strings.Contains(s.Technician, "@") {
		return jml.User{}, usageError{errors.New("--technician: give the sign-in name, such as sam@example.com")}
	}
	found, err := a.directory.FindUsers(ctx, jml.Match{Attribute: "userPrincipalName", Value: s.Technician})
	if err != nil {
		return jml.User{}, directoryError(err)
	}
	if b := jml.CheckUser(found); b != nil {
		return jml.User{}, technicianError(b.Reason)
	}
	user, err := a.user(ctx, who)
	if err != nil {
		return jml.User{}, err
	}
	if found[0].ID == user.ID {
		return jml.User{}, usageError{hinted{errors.New("--technician: this is the employee himself"), "name who sets up the device; the employee gets a pass of his own later"}}
	}
	return found[0], nil
}

func technicianError(r jml.BlockReason) error {
	switch r {
	case jml.ReasonUserDisabled:
		return errors.New("the technician's account is disabled")
	case jml.ReasonUserExternal:
		return errors.New("the technician is a guest from another tenant")
	}
	return hinted{errors.New("no user of the tenant has the technician's sign-in name"), "--technician wants the user principal name, as Entra has it"}
}

type deviceDoneCmd struct {
	person
	Reason string        `help:"What was done; goes to the audit." required:"" placeholder:"TEXT"`
	Actor  string        `help:"Who says so; goes to the audit. Your login if not given." placeholder:"NAME"`
	Wait   time.Duration `help:"How long to wait for the pass to be confirmed gone." default:"2m"`
}

// deviceDone is how a staging ended.
type deviceDone struct {
	workflows.JourneyResult
	// Left are methods registered since the staging began that are still there.
	Left []jml.Method `json:"left,omitempty"`
}

// Run implements the command. It ends well only once the tenant lists neither
// the pass nor what was registered with it: the technician would keep a way in.
func (d *deviceDoneCmd) Run(ctx context.Context, env *environment) error {
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	t := target{person: d.person, Kind: string(jml.KindStaging)}
	at, err := t.find(ctx, env, c, cfg)
	if err != nil {
		return err
	}
	if !at.running() {
		return endedAlready(at.id)
	}
	view, err := ask(ctx, c, at.id)
	if err != nil {
		return err
	}
	if d.Actor == "" {
		d.Actor = login()
	}
	env.progress("asked %s to end; waiting until the pass and what was registered with it are confirmed gone", at.id)
	result, err := stop(ctx, c, at.id, jml.Stop{Outcome: jml.StageCompleted, Actor: d.Actor, Reason: d.Reason}, d.Wait)
	if err != nil {
		return err
	}
	out := deviceDone{JourneyResult: result}
	var unseen error
	if view.User != nil {
		g, err := newGraph(cfg)
		if err != nil {
			return err
		}
		out.Left, unseen = registeredSince(ctx, g, view.User.ID, view.FirstSeen)
	}
	err = env.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", workflows.RefOf(at.id), result.Outcome)
		passEnd(w, result)
		for _, m := range result.Removed {
			fmt.Fprintf(w, "removed: %s, registered %s\n", m.Kind.Label(), stamp(m.CreatedAt))
		}
		if len(result.Removed)+len(out.Left) == 0 && unseen == nil {
			fmt.Fprintln(w, "nothing was registered with it")
		}
		for _, m := range out.Left {
			fmt.Fprintf(w, "STILL THERE: %s, registered %s\n", m.Kind.Label(), stamp(m.CreatedAt))
		}
	})
	switch {
	case err != nil:
		return err
	case unseen != nil:
		return hinted{fmt.Errorf("the staging has ended, but whether anything is left could not be looked at: %w", unseen), "firstpass methods " + at.id + " looks again"}
	case len(out.Left) > 0:
		return hinted{errors.New("what was registered during the staging is still there"), jml.Blocked(jml.ReasonRemovalDenied, "").Advice}
	}
	return nil
}

// lister tells a user's methods.
type lister interface {
	Methods(ctx context.Context, userID string) ([]jml.Method, error)
}

// registeredSince returns the methods that were registered at since or later,
// of those that a journey may remove.
func registeredSince(ctx context.Context, l lister, userID string, since time.Time) ([]jml.Method, error) {
	all, err := l.Methods(ctx, userID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m jml.Method) bool {
		return !slices.Contains(jml.Removable(), m.Kind) || m.CreatedAt.Before(since.Truncate(time.Second))
	}), nil
}
