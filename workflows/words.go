package workflows

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// What operators say to a journey that goes on, and to its pass. Each word is a
// row in the ledger before it takes effect.

// Quicker begins the text of a refusal whose cause is that somebody else, or
// something, has changed what the operator saw.
const Quicker = "somebody was quicker:"

// unchanged refuses a word about a state that is no more.
func unchanged(now, seen int) error {
	if seen == 0 || seen == now {
		return nil
	}
	return errors.New(Quicker + " this has changed since you looked (version " + strconv.Itoa(seen) + ", now " + strconv.Itoa(now) + "); look again, then decide anew")
}

var (
	errUnsigned = errors.New("actor and reason are needed: both go to the ledger")
	errSaying   = errors.New(Quicker + " another operator's word is being written down at this moment; look again")
	errEnding   = errors.New("this journey is ending already")
)

// maySay is what all words have in common.
func (j *journey) maySay(ctx workflow.Context, w Word) error {
	switch {
	case w.Actor == "" || w.Reason == "":
		return errUnsigned
	case j.result != nil || j.ending(ctx):
		return errEnding
	case j.saying:
		return errSaying
	}
	return unchanged(j.version, w.Version)
}

// say writes an operator's word down, and then does what it says. Of two at
// once, the second is refused.
func (j *journey) say(ctx workflow.Context, s Step, w Word, detail string, then func()) (Answer, error) {
	j.saying = true
	err := j.step(ctx, s, w.Actor, w.Reason, detail)
	j.saying = false
	switch {
	case err != nil:
		return Answer{}, err
	case j.result != nil:
		return Answer{}, errEnding
	}
	then()
	j.news()
	j.explain(ctx)
	return Answer{Done: true, Version: j.version}, nil
}

// news has the plan made anew.
func (j *journey) news() {
	j.version++
	j.heard++
}

func (j *journey) mayHold(ctx workflow.Context, r HoldRequest) error {
	if err := j.maySay(ctx, r.Word); err != nil {
		return err
	}
	switch {
	case r.Hold && j.held != nil:
		return errors.New("this journey is held already; see who holds it and why")
	case !r.Hold && j.held == nil:
		return errors.New("nobody holds this journey; there is nothing to resume")
	}
	return nil
}

func (j *journey) onHold(ctx workflow.Context, r HoldRequest) (Answer, error) {
	step := StepResumed
	if r.Hold {
		step = StepHeld
	}
	a, err := j.say(ctx, step, r.Word, "", func() {
		j.s.Held, j.held = r.Hold, nil
		if r.Hold {
			j.held = &r.Word
		}
	})
	if err == nil {
		j.passOnHold(ctx)
	}
	return a, err
}

// passOnHold tells a pass whether it may be made: an invitation that is out can
// be collected for days.
func (j *journey) passOnHold(ctx workflow.Context) {
	if j.pass != nil {
		_ = j.pass.child.SignalChildWorkflow(ctx, SignalHold, j.s.Held).Get(ctx, nil)
	}
}

func (j *journey) mayMove(ctx workflow.Context, r MoveRequest) error {
	if err := j.maySay(ctx, r.Word); err != nil {
		return err
	}
	now := workflow.Now(ctx)
	switch {
	case j.s.Kind.Asked():
		return errors.New("what somebody asked for begins at once and has no start to move; cancel it, and ask anew")
	case !j.informed:
		return errors.New("nothing is known of this employee yet; try again in a moment")
	case r.Date.IsZero() || r.Date.Year < 1970 || r.Date.Year > 2199:
		return errors.New("the new start needs a real date")
	case !r.Until.IsZero() && !r.Until.After(now):
		return errors.New("the time from which HR's start counts again has passed already")
	}
	s := j.s
	s.Now, s.Override = now, r.override()
	switch {
	case !now.Before(s.Deadline()):
		return errors.New("with that start the journey would time out at once (" + s.Deadline().UTC().Format(time.RFC3339) + "); choose a later one, or cancel")
	case s.Start().Before(now.Add(-24 * time.Hour)):
		return errors.New("that start lies in the past; choose today or a later day")
	case s.Start().Equal(j.s.Start()):
		return errors.New("that is the start already")
	}
	return nil
}

func (r MoveRequest) override() *jml.Override {
	return &jml.Override{Date: r.Date, Hour: r.Hour, Until: r.Until}
}

func (j *journey) onMove(ctx workflow.Context, r MoveRequest) (Answer, error) {
	detail := "to " + r.Date.String()
	if r.Hour != (jml.Clock{}) {
		detail += " " + r.Hour.String()
	}
	if !r.Until.IsZero() {
		detail += ", until " + r.Until.UTC().Format(time.RFC3339)
	}
	return j.say(ctx, StepMoved, r.Word, detail, func() {
		j.s.Override, j.override, j.s.Verdict = r.override(), &r, nil
	})
}

func (j *journey) mayLink(ctx workflow.Context, r LinkRequest) error {
	if err := j.maySay(ctx, r.Word); err != nil {
		return err
	}
	switch {
	case !objectID(r.UserID):
		return errors.New("a user is linked by the object id that Entra shows (8-4-4-4-12 hexadecimal digits), not by a name or an address")
	case strings.EqualFold(r.UserID, j.s.Linked):
		return errors.New("this journey is linked to that user already")
	}
	return nil
}

// objectID reports whether s is written like an Entra object id.
func objectID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

func (j *journey) onLink(ctx workflow.Context, r LinkRequest) (Answer, error) {
	return j.say(ctx, StepLinked, r.Word, "to user "+strings.ToLower(r.UserID), func() {
		j.s.Linked, j.s.Verdict = strings.ToLower(r.UserID), nil
		j.forUser()
	})
}

// forUser takes back a yes that was for another user. A no stands.
func (j *journey) forUser() {
	if a := j.s.Approval; a.Decided.IsZero() || a.Approved {
		j.s.Approval = jml.Approval{}
	}
}

// resendRest is how long two resends lie apart at least: a message takes its
// time, and each costs somebody money and patience.
const resendRest = time.Minute

func (p *pass) mayResend(ctx workflow.Context, r ResendRequest) error {
	k := &p.state.Pickup
	now := workflow.Now(ctx)
	switch {
	case r.Actor == "" || r.Reason == "":
		return errUnsigned
	case p.over:
		return errors.New("this pass has ended")
	case p.in.Profile.Mode != jml.ModePickup:
		return errors.New("this profile sends the passcode itself, and a passcode goes out once: nobody has it any more. Reissue makes another pass")
	}
	if err := unchanged(p.state.Version, r.Version); err != nil {
		return err
	}
	switch {
	case p.resending:
		return errSaying
	case p.state.Issued != nil:
		return errors.New("the pass was collected, and the invitation opens nothing any more. Reissue makes another pass")
	case k.locked():
		return errors.New("the link is locked. Speak to the employee by a way you know of old, then reissue")
	case k.CodeHash == "":
		return errors.New("link and code are just going out; look again in a minute")
	case !now.Before(k.LinkUntil):
		return errors.New("the invitation lapsed at " + k.LinkUntil.UTC().Format(time.RFC3339) + ". Reissue sends another one")
	case p.state.Held:
		return errors.New("an operator holds this journey, so nothing could be collected; resume it first")
	case now.Before(p.state.ResentAt.Add(resendRest)):
		return errors.New("it was sent again less than a minute ago; give it time to arrive")
	}
	return offered(r.Channel, p.in.Profile.LinkTo, p.in.Profile.CodeTo)
}

// offered refuses a channel that none of routes goes by.
func offered(channel string, routes ...[]jml.Route) error {
	var names []string
	for _, r := range slices.Concat(routes...) {
		if !slices.Contains(names, r.Channel) {
			names = append(names, r.Channel)
		}
	}
	if channel == "" || slices.Contains(names, channel) {
		return nil
	}
	return errors.New("the profile has no route by that channel; it has: " + strings.Join(names, ", "))
}

// by returns routes with those by channel first.
func by(channel string, routes []jml.Route) []jml.Route {
	if channel == "" {
		return routes
	}
	var first, rest []jml.Route
	for _, r := range routes {
		if r.Channel == channel {
			first = append(first, r)
		} else {
			rest = append(rest, r)
		}
	}
	return append(first, rest...)
}

// onResend sends link and code again. Both derive from what they are about, so
// they say what the first ones said, and those still work. No passcode is near.
func (p *pass) onResend(ctx workflow.Context, r ResendRequest) (Answer, error) {
	p.resending = true
	defer func() { p.resending = false }()
	_, err := callLocal(record(ctx), "RecordStep", Activities.RecordStep, StepInput{
		Ref: p.in.Ref, UserID: p.in.UserID, Event: StepResent, Actor: r.Actor, Reason: r.Reason, Detail: r.Channel,
	})
	if err != nil {
		return Answer{}, err
	}
	if p.over || p.state.Issued != nil {
		return Answer{}, errors.New("the pass was collected or ended at this moment; nothing was sent")
	}
	was := p.state.channel()
	p.state.ResentAt = workflow.Now(ctx)
	for _, m := range []struct {
		message jml.Message
		routes  []jml.Route
	}{{jml.MessageLink, p.in.Profile.LinkTo}, {jml.MessageCode, p.in.Profile.CodeTo}} {
		if _, err := p.send(ctx, m.message, by(r.Channel, m.routes), nil); err != nil {
			b := blockOf(err)
			return Answer{}, errors.New("the " + string(m.message) + " could not be sent again: " + b.String() + ". " + b.Advice)
		}
	}
	p.state.Version++
	if p.stage == jml.StageInvited && p.state.channel() != was {
		p.state.Shown = "" // by another channel from now on
		p.enter(ctx, p.stage)
	}
	return Answer{Done: true, Version: p.state.Version}, nil
}
