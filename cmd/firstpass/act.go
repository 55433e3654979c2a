package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/api"
	"firstpass.internal/workflows"
)

// decision is what acts of an operator share.
type decision struct {
	Reason string `help:"Why, in 5 characters or more; goes to the ledger." required:"" placeholder:"TEXT"`
	Actor  string `help:"Who asks, without a server; goes to the ledger. Your login if not given." placeholder:"NAME"`
}

func (d decision) actor() string {
	if d.Actor == "" {
		return login()
	}
	return d.Actor
}

// order is what acts on a journey share.
type order struct {
	target
	decision
}

// act does something with the journey that o means, as it was seen just before:
// if anything happens to it in between, the act is refused.
func (o *order) act(ctx context.Context, env *environment, a api.JourneyAction) error {
	a.Reason = o.Reason
	return env.api(ctx, o.Actor, func(c *api.ClientWithResponses) error {
		p, err := o.pick(ctx, c, a.Verb)
		if err != nil {
			return err
		}
		r, err := send(ctx, c, p, a)
		if err != nil {
			return err
		}
		return env.printReply(r.Body, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\nfollow it with: firstpass show %s\n", p.id(), r.JSON200.What, p.id())
		})
	})
}

// pick returns the journey that o means, which has to run. Of several that run,
// an approval means the one that waits for it.
func (o *order) pick(ctx context.Context, c *api.ClientWithResponses, v ops.Verb) (place, error) {
	var (
		p   place
		err error
	)
	if v == ops.VerbApprove || v == ops.VerbRefuse {
		p, err = o.waiting(ctx, c, v)
	} else {
		p, err = o.find(ctx, c)
	}
	switch {
	case err != nil:
		return p, err
	case !p.running():
		return p, endedAlready(p.id())
	}
	return p, p.silent()
}

// waiting returns the journey that waits for a decision.
func (o *order) waiting(ctx context.Context, c *api.ClientWithResponses, v ops.Verb) (place, error) {
	places, err := o.places(ctx, c)
	if err != nil {
		return place{}, err
	}
	running := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return !p.running() })
	asked := slices.DeleteFunc(slices.Clone(running), func(p place) bool { return p.Approval == nil && !p.Stale })
	open := slices.DeleteFunc(slices.Clone(asked), func(p place) bool { return p.Approval != nil && !p.Approval.Decided.IsZero() })
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return place{}, several("wait for approval", open)
	case len(asked) > 0:
		return asked[0], nil // decided: the service tells by whom
	case len(running) == 0:
		return places[0], nil
	}
	why := running[0].Cannot[string(v)]
	if why == "" {
		return running[0], nil // not for this role
	}
	return place{}, refusedError{hinted{fmt.Errorf("refused: %s", why), "firstpass list --stage approval shows what does"}}
}

// send does a to the journey as p shows it.
func send(ctx context.Context, c *api.ClientWithResponses, p place, a api.JourneyAction) (*api.ActOnJourneyResponse, error) {
	once := rand.Text() // names the act: sent twice, it is taken once
	r, err := c.ActOnJourneyWithResponse(ctx, p.Row.Kind, p.Row.Source, p.Row.Ref, &api.ActOnJourneyParams{IfMatch: &p.tag, IdempotencyKey: &once}, a)
	if answered(err, http.StatusPreconditionFailed) {
		return nil, quicker(ctx, c, p, err)
	}
	return r, err
}

// quicker adds to a refusal who has changed the journey meanwhile.
func quicker(ctx context.Context, c *api.ClientWithResponses, p place, err error) error {
	hint := "firstpass show " + p.id() + "; then decide again"
	r, unread := c.GetTimelineWithResponse(ctx, p.Row.Kind, p.Row.Source, p.Row.Ref)
	if unread != nil {
		return refusedError{hinted{err, hint}}
	}
	past := slices.DeleteFunc(r.JSON200.Items, func(m api.Moment) bool { return m.Ahead })
	if len(past) == 0 {
		return refusedError{hinted{err, hint}}
	}
	last := past[len(past)-1]
	who := last.Who
	if who == "" {
		who = "Firstpass itself"
	}
	return refusedError{hinted{fmt.Errorf("refused: somebody was quicker. The last that happened: %s, by %s, %s", last.What, who, stamp(last.At)), hint}}
}

type holdCmd struct{ order }

// Run implements the command.
func (h *holdCmd) Run(ctx context.Context, env *environment) error {
	return h.act(ctx, env, api.JourneyAction{Verb: ops.VerbHold})
}

type resumeCmd struct{ order }

// Run implements the command.
func (r *resumeCmd) Run(ctx context.Context, env *environment) error {
	return r.act(ctx, env, api.JourneyAction{Verb: ops.VerbResume})
}

type moveCmd struct {
	order
	Date  jml.Date  `help:"The new first day, YYYY-MM-DD." required:"" placeholder:"DATE"`
	Hour  jml.Clock `help:"Local time on that day, HH:MM. HR's, or else the profile's, if not given." placeholder:"TIME"`
	Until instant   `help:"HR's start counts again from then on, a day or a time; if not given, once HR says another one." placeholder:"WHEN"`
}

// Run implements the command.
func (m *moveCmd) Run(ctx context.Context, env *environment) error {
	return m.act(ctx, env, api.JourneyAction{Verb: ops.VerbMove, Start: m.Date, Hour: m.Hour, Until: m.Until.Time})
}

// instant is a time, or how far ahead it is.
type instant struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *instant) UnmarshalText(text []byte) error {
	var past ago
	if err := past.UnmarshalText(text); err != nil {
		return errors.New("want a day or time such as 2026-03-02 or 2026-03-02T09:00:00Z, or how far ahead, such as 8h or 14d")
	}
	if i.Time = past.Time; strings.ContainsAny(string(text), "dhms") {
		now := time.Now()
		i.Time = now.Add(now.Sub(past.Time)).Truncate(time.Second)
	}
	return nil
}

// by is the channel of a message.
type by struct {
	Channel string `help:"Send it by this one of the profile's channels; the first if not given." placeholder:"NAME"`
}

type resendCmd struct {
	order
	by
}

// Run implements the command.
func (r *resendCmd) Run(ctx context.Context, env *environment) error {
	return r.act(ctx, env, api.JourneyAction{Verb: ops.VerbResend, Channel: r.Channel})
}

type reissueCmd struct {
	order
	by
}

// Run implements the command.
func (r *reissueCmd) Run(ctx context.Context, env *environment) error {
	return r.act(ctx, env, api.JourneyAction{Verb: ops.VerbReissue, Channel: r.Channel})
}

type linkCmd struct {
	order
	User string `help:"Object id of the user in Entra." required:"" placeholder:"ID"`
}

// Run implements the command.
func (l *linkCmd) Run(ctx context.Context, env *environment) error {
	return l.act(ctx, env, api.JourneyAction{Verb: ops.VerbLink, UserID: l.User})
}

type approveCmd struct{ order }

// Run implements the command.
func (a *approveCmd) Run(ctx context.Context, env *environment) error {
	return a.act(ctx, env, api.JourneyAction{Verb: ops.VerbApprove})
}

type refuseCmd struct{ order }

// Run implements the command.
func (r *refuseCmd) Run(ctx context.Context, env *environment) error {
	return r.act(ctx, env, api.JourneyAction{Verb: ops.VerbRefuse})
}

type nudgeCmd struct{ order }

// Run implements the command.
func (n *nudgeCmd) Run(ctx context.Context, env *environment) error {
	return n.act(ctx, env, api.JourneyAction{Verb: ops.VerbNudge})
}

// ending is what acts share that end a journey.
type ending struct {
	order
	Wait time.Duration `help:"How long to wait for the pass to be confirmed gone." default:"2m"`
}

// end does a, and waits until the journey has ended. was is the journey as it
// was before.
func (e *ending) end(ctx context.Context, env *environment, a api.JourneyAction, was *place) error {
	a.Reason = e.Reason
	return env.api(ctx, e.Actor, func(c *api.ClientWithResponses) error {
		p, err := e.pick(ctx, c, a.Verb)
		if err != nil {
			return err
		}
		*was = p
		env.progress("asked %s to end; waiting until any pass is confirmed gone", p.id())
		began := time.Now()
		r, err := send(ctx, c, p, a)
		if err != nil {
			return err
		}
		if r.JSON200.Pending {
			return e.follow(ctx, env, c, p, e.Wait-time.Since(began))
		}
		return env.printReply(r.Body, func(w io.Writer) { doneText(w, p, *r.JSON200) })
	})
}

func doneText(w io.Writer, p place, d api.Done) {
	fmt.Fprintf(w, "%s  %s\n", p.id(), d.What)
	for _, m := range d.Removed {
		fmt.Fprintf(w, "removed: %s, registered %s\n", m.Label, stamp(m.Created))
	}
	if d.Outcome == jml.StageCompleted && workflows.KindOf(p.id()) == jml.KindStaging && len(d.Removed) == 0 {
		fmt.Fprintln(w, "nothing that was registered with it had to be removed")
	}
}

// lookEvery is the time between looks at a journey that is ending.
const lookEvery = time.Second

// follow waits for a journey that did not end while the service waited for it.
func (e *ending) follow(ctx context.Context, env *environment, c *api.ClientWithResponses, p place, within time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, max(within, 0))
	defer cancel()
	for {
		pause(waiting, lookEvery)
		if waiting.Err() != nil {
			return hinted{fmt.Errorf("not confirmed within %s; the journey goes on ending by itself", e.Wait),
				"firstpass show " + p.id() + " tells how far it is; if nothing moves, is firstpass serve running?"}
		}
		now, err := p.again(waiting, c)
		if err != nil {
			return err
		}
		if now.running() || now.Stale {
			continue
		}
		d := api.Done{What: "ended: " + string(now.Row.Stage) + "; there was no pass", Outcome: now.Row.Stage, Removed: now.Removed}
		if last := now.LastPass; last != nil && !last.Gone.IsZero() {
			d.What = "ended: " + string(now.Row.Stage) + "; the pass is confirmed gone, " + stamp(last.Gone)
			d.GoneAt = last.Gone
		}
		return env.print(d, func(w io.Writer) { doneText(w, p, d) })
	}
}

type cancelCmd struct{ ending }

// Run implements the command.
func (c *cancelCmd) Run(ctx context.Context, env *environment) error {
	return c.end(ctx, env, api.JourneyAction{Verb: ops.VerbCancel}, &place{})
}

type revokeCmd struct{ ending }

// Run implements the command.
func (r *revokeCmd) Run(ctx context.Context, env *environment) error {
	return r.end(ctx, env, api.JourneyAction{Verb: ops.VerbRevoke}, &place{})
}

type registeredCmd struct {
	ending
	Proof string `help:"What you looked at, in 5 characters or more; goes to the ledger." required:"" placeholder:"TEXT"`
}

// Run implements the command.
func (r *registeredCmd) Run(ctx context.Context, env *environment) error {
	return r.end(ctx, env, api.JourneyAction{Verb: ops.VerbRegistered, Proof: r.Proof}, &place{})
}

type haltCmd struct {
	Status bool   `help:"Only tell how it stands." xor:"what"`
	Lift   bool   `help:"Let passes be made again." xor:"what"`
	Reason string `help:"Why, in 5 characters or more; goes to the ledger." placeholder:"TEXT"`
	Actor  string `help:"Who asks, without a server; goes to the ledger. Your login if not given." placeholder:"NAME"`
}

// Run implements the command.
func (h *haltCmd) Run(ctx context.Context, env *environment) error {
	if h.Status == (h.Reason != "") {
		return usageError{hinted{errors.New("give --reason TEXT, or --status alone"), "firstpass halt --reason stops all new passes; with --lift, they go on"}}
	}
	return env.api(ctx, h.Actor, func(c *api.ClientWithResponses) error {
		if h.Status {
			r, err := c.GetHaltWithResponse(ctx)
			if err != nil {
				return err
			}
			return env.printReply(r.Body, func(w io.Writer) { fmt.Fprintln(w, haltWords(*r.JSON200)) })
		}
		r, err := c.SetHaltWithResponse(ctx, api.SetHalt{On: !h.Lift, Reason: h.Reason})
		if err != nil {
			return err
		}
		return env.printReply(r.Body, func(w io.Writer) { fmt.Fprintln(w, haltWords(*r.JSON200)) })
	})
}

func haltWords(h api.Halt) string {
	if !h.On {
		return "new passes are made as planned"
	}
	return "NO NEW PASSES since " + stamp(h.Since) + ", by " + h.Actor + ": " + h.Reason
}
