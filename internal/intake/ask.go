package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// RefusalKind says why a journey that somebody asked for does not begin.
type RefusalKind string

// The kinds.
const (
	RefusedRequest RefusalKind = "request" // it lacks what it needs
	RefusedUnknown RefusalKind = "unknown" // no source knows the employee
	RefusedGone    RefusalKind = "gone"    // left, or the hire was called off
	RefusedProfile RefusalKind = "profile" // no profile is for it, or more than one; Block tells
	RefusedContact RefusalKind = "contact" // the address it would go to has just changed
	RefusedCap     RefusalKind = "cap"     // asked for too often; Until says when there may be another
	RefusedRunning RefusalKind = "running" // one is under way; WorkflowID names it
)

// Refusal is the error for a journey that somebody asked for and may not have.
// Nothing in it is personal.
type Refusal struct {
	Kind       RefusalKind `json:"refused"`
	Ref        string      `json:"ref,omitempty"`
	WorkflowID string      `json:"workflow_id,omitempty"`
	Until      time.Time   `json:"until,omitzero"` // ask again then; zero: that does not help
	Block      *jml.Block  `json:"block,omitempty"`
	What       string      `json:"what"` // happened
	Do         string      `json:"do"`   // about it
}

// Error gives what happened. What to do is in Do.
func (r *Refusal) Error() string { return r.What }

// Ask begins a recovery or a staging of an employee. kind says which, source
// whose employee it is, ref who. A zero req.At is now, an empty req.ID is made
// up. The error is a *Refusal, ErrNoSource, or one of ledger or Temporal.
//
// Crash: it is counted first and begun then. A crash in between costs one of the
// cap, and none is ever free.
func (d *Desk) Ask(ctx context.Context, kind jml.Kind, source, ref string, req jml.Request) (Outcome, error) {
	s, err := d.source(source)
	if err != nil {
		return Outcome{}, err
	}
	now := d.cfg.Now()
	if req.At.IsZero() {
		req.At = now.UTC()
	}
	if req.ID == "" {
		req.ID = strings.ToLower(rand.Text())
	}
	if why := lacks(kind, req, now); why != "" {
		return Outcome{}, &Refusal{Kind: RefusedRequest, Ref: ref, What: why, Do: "complete the request"}
	}
	if ref, err = d.canonical(ctx, s.people, ref); err != nil {
		return Outcome{}, err
	}
	unlock, err := d.lock(ctx, s.people, ref)
	if err != nil {
		return Outcome{}, err
	}
	defer unlock()
	k, err := d.employed(ctx, s, ref)
	if err != nil {
		return Outcome{}, err
	}
	choice, err := d.mayAsk(ctx, s, kind, ref, k, req, now)
	if err != nil {
		return Outcome{}, err
	}
	asked := ledger.Asked{Source: s.people, Ref: ref, Kind: string(kind), ID: req.ID, At: now}
	if err := d.cfg.Ledger.PutAsked(ctx, asked); err != nil {
		return Outcome{}, err
	}
	errand := Errand{Kind: kind, Source: s.people, Ref: ref, Snapshot: k.Told, Choice: choice, Request: &req}
	out, err := d.cfg.Starter.Begin(ctx, errand)
	if errors.Is(err, ErrRunning) {
		refused := &Refusal{
			Kind: RefusedRunning, Ref: ref, WorkflowID: out.WorkflowID,
			What: fmt.Sprintf("a %s of this employee is under way: %s", kind, out.WorkflowID),
			Do:   "see it with firstpass show " + out.WorkflowID + "; cancel it there if it is the wrong one",
		}
		return out, errors.Join(refused, d.cfg.Ledger.DropAsked(ctx, asked))
	}
	if err != nil {
		return out, err
	}
	d.cfg.Logger.Info("intake", "source", s.name, "ref", ref, "asked", string(kind), "outcome", string(out.Kind))
	return out, d.stillEmployed(ctx, s, errand)
}

// lacks returns what a request needs and does not have.
func lacks(kind jml.Kind, req jml.Request, now time.Time) string {
	switch {
	case !kind.Asked():
		return "only a recovery or a staging can be asked for"
	case req.Actor == "":
		return "the request does not say who asks: it goes to the audit"
	case kind == jml.KindRecovery && !slices.Contains(jml.LossReasons(), req.Loss):
		return "the request does not say what happened to the method: lost, stolen, broken or replaced"
	case kind == jml.KindStaging && req.Technician.ID == "":
		return "the request names no technician, who gets the pass"
	case kind == jml.KindStaging && req.Device == "":
		return "the request names no device"
	case kind == jml.KindStaging && !req.Until.After(now):
		return "the window of the request has no end, or it has passed"
	}
	return ""
}

// employed returns what is known of an employee who is expected, or here.
func (d *Desk) employed(ctx context.Context, s *Source, ref string) (*jml.Known, error) {
	e, found, err := d.cfg.Ledger.Employee(ctx, s.people, ref)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &Refusal{Kind: RefusedUnknown, Ref: ref,
			What: "source " + s.people + " has never told of this employee",
			Do:   "check the id and the source; if HR has the employee, see firstpass source status " + s.name}
	}
	k, err := known(e)
	if err != nil {
		return nil, err
	}
	if k.Told.Status != jml.StatusScheduled {
		return nil, &Refusal{Kind: RefusedGone, Ref: ref,
			What: "by HR's word this employee is " + string(k.Told.Status),
			Do:   "if that is wrong, have HR correct it: Firstpass makes no pass for somebody who is gone"}
	}
	return k, nil
}

// mayAsk returns the profile of a journey that may begin.
func (d *Desk) mayAsk(ctx context.Context, s *Source, kind jml.Kind, ref string, k *jml.Known, req jml.Request, now time.Time) (jml.Choice, error) {
	c := s.chosen(kind, k.Told)
	if c.Block != nil {
		return c, &Refusal{Kind: RefusedProfile, Ref: ref, Block: c.Block,
			What: "no one profile is for a " + string(kind) + " of this employee: " + c.Block.String(), Do: c.Block.Advice}
	}
	if limit := now.Add(c.Profile.Timeout); kind == jml.KindStaging && c.Profile.Timeout > 0 && req.Until.After(limit) {
		return c, &Refusal{Kind: RefusedRequest, Ref: ref,
			What: fmt.Sprintf("the window is longer than profile %s allows (timeout: %s)", c.Profile.Name, c.Profile.Timeout),
			Do:   "ask for a shorter window"}
	}
	// Another address and another pass, one after the other, are how accounts
	// are stolen.
	if r := k.Replaced; r != nil && toPrivate(c.Profile) && now.Before(r.Until.Add(s.rules.Guard)) {
		return c, &Refusal{Kind: RefusedContact, Ref: ref, Until: r.Until.Add(s.rules.Guard),
			What: "HR changed the private address or number of this employee less than contact_guard ago, and the profile sends there",
			Do:   "speak to the employee by a way you know of old; use a profile that hands over at a desk, or ask again later"}
	}
	if c.Profile.Cap == nil {
		return c, nil
	}
	past, err := d.cfg.Ledger.AskedSince(ctx, s.people, ref, string(kind), now.Add(-max(c.Profile.Cap.Per, c.Profile.Cap.Rest)))
	if err != nil {
		return c, err
	}
	if until, ok := c.Profile.Cap.Room(past, now); !ok {
		return c, &Refusal{Kind: RefusedCap, Ref: ref, Until: until,
			What: fmt.Sprintf("this employee has had as many journeys of this kind as profile %s allows (cap: %d in %s, %s apart)",
				c.Profile.Name, c.Profile.Cap.Count, config.Short(c.Profile.Cap.Per), config.Short(c.Profile.Cap.Rest)),
			Do: "find out why the last one did not help; ask again later, or see that nobody is collecting passes"}
	}
	return c, nil
}

// toPrivate reports whether a passcode, a link or a code goes to an address that
// HR gave.
func toPrivate(p jml.Profile) bool {
	return slices.ContainsFunc(slices.Concat(p.PassRoutes(), p.RestTo, p.LinkTo, p.CodeTo), func(r jml.Route) bool {
		return r.Recipient == jml.RecipientPersonalMail || r.Recipient == jml.RecipientPersonalPhone
	})
}

// stillEmployed tells a journey that has just begun if its employee has left
// meanwhile: whoever took that in may have looked for journeys just before.
func (d *Desk) stillEmployed(ctx context.Context, s *Source, e Errand) error {
	now, found, err := d.cfg.Ledger.Employee(ctx, s.people, e.Ref)
	if err != nil || !found {
		return err
	}
	k, err := known(now)
	if err != nil || k.Told.Status == jml.StatusScheduled {
		return err
	}
	e.Snapshot = k.Told
	_, err = d.cfg.Starter.Signal(ctx, e)
	return err
}

// Employee is somebody whom a source knows.
type Employee struct {
	Source   string       `json:"source"`   // whose employee it is
	Ref      string       `json:"ref"`      //
	Snapshot jml.Snapshot `json:"snapshot"` // what the joiner was told last; personal
}

// Employee finds those who go by a reference or an employee id, in one source or,
// if source is empty, in all.
func (d *Desk) Employee(ctx context.Context, source, name string) ([]Employee, error) {
	var people []string
	for _, s := range d.sources {
		if (source == "" || s.name == source) && !slices.Contains(people, s.people) {
			people = append(people, s.people)
		}
	}
	if len(people) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoSource, source)
	}
	slices.Sort(people)
	var out []Employee
	for _, p := range people {
		for _, ref := range []string{name, d.cfg.Refs.Ref(p, name)} {
			ref, err := d.canonical(ctx, p, ref)
			if err != nil {
				return nil, err
			}
			e, found, err := d.cfg.Ledger.Employee(ctx, p, ref)
			if err != nil {
				return nil, err
			}
			if !found {
				continue
			}
			k, err := known(e)
			if err != nil {
				return nil, err
			}
			out = append(out, Employee{Source: p, Ref: ref, Snapshot: k.Told})
			break
		}
	}
	return out, nil
}

// Journeys lists the workflow ids that journeys of an employee have.
func (e Employee) Journeys() []string {
	out := make([]string, 0, len(jml.Kinds()))
	for _, kind := range jml.Kinds() {
		out = append(out, workflows.JourneyID(kind, e.Source, e.Ref))
	}
	return out
}
