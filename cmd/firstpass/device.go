package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/api"
)

type stageDeviceCmd struct {
	person
	Technician string        `help:"Who sets up the device and gets the pass: sign-in name in Entra." required:"" placeholder:"UPN"`
	Device     string        `help:"Serial number or name of the device." required:"" placeholder:"SERIAL"`
	Window     time.Duration `help:"How long the technician has, in whole minutes; the pass is revoked then. Not longer than the profile's timeout." required:"" placeholder:"4h"`
	Ticket     string        `help:"Ticket of the service desk; goes to the ledger." required:"" placeholder:"T"`
	Note       string        `help:"Why; goes to the ledger." placeholder:"TEXT"`
	Actor      string        `help:"Who asks, without a server; goes to the ledger. Somebody else has to approve. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (s *stageDeviceCmd) Run(ctx context.Context, env *environment) error {
	who, err := s.name()
	if err != nil {
		return err
	}
	if s.Window < time.Minute {
		return usageError{errors.New("--window: give a time, such as 4h")}
	}
	return env.api(ctx, s.Actor, func(c *api.ClientWithResponses) error {
		r, err := c.AskStagingWithResponse(ctx, api.StagingRequest{
			Employee: who, Source: s.Source, Technician: s.Technician, Device: s.Device,
			WindowMinutes: int(s.Window / time.Minute), Ticket: s.Ticket, Note: s.Note,
		})
		if err != nil {
			return err
		}
		ends := "the pass ends " + s.Window.Truncate(time.Minute).String() + " from now, or once the device is done: firstpass device-done"
		return env.printReply(r.Body, func(w io.Writer) { begunText(w, *r.JSON201, []string{ends}) })
	})
}

type deviceDoneCmd struct {
	person
	decision
	Wait time.Duration `help:"How long to wait for the pass to be confirmed gone." default:"2m"`
}

// Run implements the command. Without a server it ends well only once the tenant
// lists nothing that was registered with the pass: the technician would keep a
// way in.
func (d *deviceDoneCmd) Run(ctx context.Context, env *environment) error {
	e := ending{order{target{d.person, string(jml.KindStaging)}, d.decision}, d.Wait}
	var was place
	if err := e.end(ctx, env, api.JourneyAction{Verb: ops.VerbDeviceDone}, &was); err != nil {
		return err
	}
	if env.server != "" {
		return nil
	}
	all, err := env.methods(ctx, d.Actor, ops.Whom{Name: was.id()})
	if err != nil {
		return hinted{fmt.Errorf("the staging has ended, but whether anything is left could not be looked at: %w", err), "firstpass methods " + was.id() + " looks again"}
	}
	left := registeredSince(all, was.FirstSeen)
	for _, m := range left {
		env.progress("STILL THERE: %s, registered %s", m.Kind.Label(), stamp(m.CreatedAt))
	}
	if len(left) > 0 {
		return hinted{errors.New("what was registered during the staging is still there"), jml.Blocked(jml.ReasonRemovalDenied, "").Advice}
	}
	return nil
}

// registeredSince returns the methods that were registered at since or later,
// of those that a journey may remove.
func registeredSince(all []jml.Method, since time.Time) []jml.Method {
	return slices.DeleteFunc(slices.Clone(all), func(m jml.Method) bool {
		return !slices.Contains(jml.Removable(), m.Kind) || m.CreatedAt.Before(since.Truncate(time.Second))
	})
}
