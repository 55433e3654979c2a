package ops

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/workflows"
)

// Act does what a names, once, in the name of who asks, or says why not: its
// error is always a *Refusal.
//
// Every act is a row of the ledger before it happens. The workflow writes those
// of its journey; the others, and refusals by role, are written here.
func (s *Service) Act(ctx context.Context, a Action) (Done, error) {
	done, err := s.act(ctx, a)
	if err == nil {
		return done, nil
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		s.cfg.Log.Error("an act failed in an unforeseen way", "verb", string(a.Verb), "error", err)
		refusal = &Refusal{Kind: RefusedAway, What: "something unforeseen went wrong, and it may not have been done", Do: "look at the journey; the log has more"}
	}
	return done, refusal
}

func (s *Service) act(ctx context.Context, a Action) (Done, error) {
	if !slices.Contains(Verbs(), a.Verb) {
		if _, ok := access.From(ctx); !ok {
			return Done{}, &Refusal{Kind: RefusedSignIn, What: "nobody has signed in", Do: "sign in, or give a token"}
		}
		return Done{}, invalid("there is no such action")
	}
	who, err := s.need(ctx, string(a.Verb), refOf(a.Object), a.Verb.Allowed()...)
	if err != nil {
		return Done{}, err
	}
	if a.Reason, err = words("the reason", a.Reason, minReason, maxReason); err != nil {
		return Done{}, err
	}
	if slices.Contains(journeyVerbs(), a.Verb) {
		return s.steer(ctx, who, a)
	}
	switch a.Verb {
	case VerbHalt, VerbLift:
		return s.throw(ctx, who, a)
	case VerbPause, VerbUnpause, VerbRelease:
		return s.source(ctx, who, a)
	case VerbHeldApprove, VerbHeldReject:
		return s.held(ctx, who, a)
	}
	return s.quarantined(ctx, who, a)
}

func invalid(what string) *Refusal { return &Refusal{Kind: RefusedInvalid, What: what} }

// minReason and maxReason bound what goes to the ledger, in characters.
const (
	minReason = 5
	maxReason = 500
)

// words returns a text that people typed, if it is fit for the ledger: one line,
// without marks that make it read differently from what it says.
func words(what, s string, least, most int) (string, error) {
	s = strings.TrimSpace(s)
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
	}):
		return "", invalid(what + " holds characters that can't be shown: one line of text is wanted")
	case n < least:
		return "", invalid(fmt.Sprintf("%s is needed, %d characters at least: it goes to the ledger", what, least))
	case n > most:
		return "", invalid(fmt.Sprintf("%s is longer than %d characters", what, most))
	}
	return s, nil
}

// steer does something with a journey.
func (s *Service) steer(ctx context.Context, who access.Identity, a Action) (Done, error) {
	id, err := s.resolve(a.Object)
	if err != nil {
		return Done{}, err
	}
	to := target{id: id}
	word := workflows.Word{Actor: who.Name, Reason: a.Reason}
	if a.Version != "" {
		if to, err = s.pinned(ctx, id, a.Version); err != nil {
			return Done{}, err
		}
		word.Version = to.seen
	}
	to.word = wordOf(who, a)
	switch a.Verb {
	case VerbHold:
		return s.answered(ctx, to, workflows.UpdateHold, workflows.HoldRequest{Word: word, Hold: true}, "held: nothing is issued until somebody resumes it; a pass that is out stays")
	case VerbResume:
		return s.answered(ctx, to, workflows.UpdateHold, workflows.HoldRequest{Word: word}, "resumed: it goes on from here")
	case VerbMove:
		return s.move(ctx, to, word, a)
	case VerbLink:
		if !objectID().MatchString(a.UserID) {
			return Done{}, invalid("the user's object id is needed, as Entra shows it: 8-4-4-4-12 hexadecimal digits")
		}
		return s.answered(ctx, to, workflows.UpdateLink, workflows.LinkRequest{Word: word, UserID: strings.ToLower(a.UserID)}, "linked to this user from now on")
	case VerbResend:
		return s.resend(ctx, to, word, a)
	case VerbReissue:
		if err := channelName(a.Channel); err != nil {
			return Done{}, err
		}
		request := workflows.ReissueRequest{Actor: who.Name, Reason: a.Reason, Version: word.Version, Channel: a.Channel}
		return s.answered(ctx, to, workflows.UpdateReissue, request, "the pass or link there was is ended, and another one goes out")
	case VerbApprove, VerbRefuse:
		return s.decide(ctx, to, word, a)
	case VerbNudge:
		return s.nudge(ctx, who, to, a)
	}
	return s.end(ctx, to, word, a)
}

// objectID is the form of Entra's object ids.
func objectID() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
}

// channelName takes the name of a configured channel, or none.
func channelName(s string) error {
	if len(s) > maxID || !plain(s) {
		return invalid("this names no channel")
	}
	return nil
}

func (s *Service) move(ctx context.Context, to target, word workflows.Word, a Action) (Done, error) {
	now := s.cfg.Now()
	day := time.Date(a.Start.Year, a.Start.Month, a.Start.Day, 12, 0, 0, 0, time.UTC)
	h := a.Hour
	switch {
	case a.Start.IsZero():
		return Done{}, invalid("the new start is needed: YYYY-MM-DD")
	case day.Format(time.DateOnly) != a.Start.String():
		return Done{}, invalid("there is no such day")
	case day.After(now.Add(maxWindow)) || day.Before(now.Add(-maxWindow)):
		return Done{}, invalid("the new start is more than a year away: correct the year, or have HR set it")
	case h.Hour < 0 || h.Hour > 23 || h.Minute < 0 || h.Minute > 59 || h.Second < 0 || h.Second > 59:
		return Done{}, invalid("there is no such hour: HH:MM")
	case !a.Until.IsZero() && !a.Until.After(now):
		return Done{}, invalid("the end of the override has passed already")
	}
	request := workflows.MoveRequest{Word: word, Date: a.Start, Hour: a.Hour, Until: a.Until}
	what := "the start is " + a.Start.String() + " from now on, until HR says another one"
	if !a.Until.IsZero() {
		what = "the start is " + a.Start.String() + " until " + stamp(a.Until) + "; then HR's counts again"
	}
	return s.answered(ctx, to, workflows.UpdateMove, request, what)
}

// resend goes to the pass, which the journey names.
func (s *Service) resend(ctx context.Context, to target, word workflows.Word, a Action) (Done, error) {
	if err := channelName(a.Channel); err != nil {
		return Done{}, err
	}
	view, err := s.view(ctx, to.id)
	if err != nil {
		return Done{}, err
	}
	switch {
	case word.Version != 0 && view.Version != word.Version:
		return Done{}, quicker()
	case view.PassID == "":
		return Done{}, &Refusal{Kind: RefusedState, What: "no invitation is out", Do: "look what the journey waits for"}
	}
	word.Version = 0 // the journey's, of which the pass knows nothing
	done, err := s.answered(ctx, target{id: view.PassID, word: to.word}, workflows.UpdateResend, workflows.ResendRequest{Word: word, Channel: a.Channel},
		"the same link and code go out again")
	done.Version = ""
	return done, err
}

// view asks a journey what it holds.
func (s *Service) view(ctx context.Context, id string) (workflows.JourneyView, error) {
	ctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	var v workflows.JourneyView
	if err := s.query(ctx, id, workflows.QueryJourney, &v); err != nil {
		return v, err
	}
	return v, nil
}

func (s *Service) decide(ctx context.Context, to target, word workflows.Word, a Action) (Done, error) {
	request := workflows.Decision{Approve: a.Verb == VerbApprove, Actor: word.Actor, Reason: word.Reason, Version: word.Version}
	what := "refused: there will be no pass"
	if request.Approve {
		what = "approved: the journey goes on"
	}
	done, err := s.answered(ctx, to, workflows.UpdateDecide, request, what)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Kind != RefusedAway {
		// Somebody else may have been faster: their name says more than a refusal.
		if v, again := s.view(ctx, to.id); again == nil && v.Approval != nil && !v.Approval.Decided.IsZero() {
			word := "refused"
			if v.Approval.Approved {
				word = "approved"
			}
			refusal.What = "this was decided already: " + word + " by " + v.Approval.By + ", " + stamp(v.Approval.Decided)
		}
	}
	return done, err
}

// nudge has a journey look now: its pass, if there is one.
func (s *Service) nudge(ctx context.Context, who access.Identity, to target, a Action) (Done, error) {
	row, err := s.find(ctx, to.id)
	if err != nil {
		return Done{}, err
	}
	if !row.Closed.IsZero() {
		return Done{}, ended()
	}
	id := to.id
	if row.PassID != "" {
		id = row.PassID
	}
	if err := s.record(ctx, audit.Entry{Event: audit.EventJourneyNudged, Ref: row.Ref, Actor: who.Name, Reason: a.Reason}); err != nil {
		return Done{}, err
	}
	if err := s.signal(ctx, id); err != nil {
		return Done{}, err
	}
	return Done{What: "told to look now"}, nil
}

// end stops a journey, and waits a while for its pass to be confirmed gone.
func (s *Service) end(ctx context.Context, to target, word workflows.Word, a Action) (Done, error) {
	request := jml.Stop{Actor: word.Actor, Reason: word.Reason, Version: word.Version}
	var err error
	switch a.Verb {
	case VerbCancel:
		request.Outcome = jml.StageCancelled
	case VerbRevoke:
		request.Outcome = jml.StageRevoked
	case VerbDeviceDone:
		if workflows.KindOf(to.id) != jml.KindStaging {
			return Done{}, &Refusal{Kind: RefusedState, What: "only a staging has a device to be done"}
		}
		request.Outcome = jml.StageCompleted
	case VerbRegistered:
		request.Outcome = jml.StageCompleted
		if request.Proof, err = words("the proof, what was looked at,", a.Proof, minReason, maxReason); err != nil {
			return Done{}, err
		}
	}
	var result workflows.JourneyResult
	pending, err := s.update(ctx, to, workflows.UpdateStop, request, &result)
	switch {
	case err != nil:
		return Done{}, err
	case pending:
		return Done{Pending: true, What: "it is ending; that the pass is gone was not confirmed in time, and it goes on by itself"}, nil
	}
	done := Done{Result: &result, What: "ended: " + string(result.Outcome) + "; there was no pass"}
	if p := result.Pass; p != nil && p.Revoked != nil {
		done.What = "ended: " + string(result.Outcome) + "; the pass is confirmed gone, " + stamp(p.Revoked.GoneAt)
	}
	return done, nil
}

// held decides on a change that HR made late, or on which two sources differ.
func (s *Service) held(ctx context.Context, who access.Identity, a Action) (Done, error) {
	if s.cfg.Desk == nil {
		return Done{}, noDesk()
	}
	if a.Object == "" || len(a.Object) > maxID || !plain(a.Object) {
		return Done{}, invalid("this is no reference of an employee")
	}
	if a.Version != "" {
		// HR may have sent yet another address since somebody looked.
		c, err := s.heldChange(ctx, a.Object)
		if err != nil {
			return Done{}, err
		}
		if c.Version != a.Version {
			return Done{}, &Refusal{Kind: RefusedVersion, What: "what is held has changed since you looked", Do: "look at it again, then decide"}
		}
	}
	approve := a.Verb == VerbHeldApprove
	if _, err := s.cfg.Desk.Decide(ctx, a.Object, who.Name, a.Reason, approve); err != nil {
		if errors.Is(err, intake.ErrNotHeld) {
			return Done{}, notHeld()
		}
		return Done{}, s.deskFault(err)
	}
	if approve {
		return Done{What: "approved: the journey goes on with what was said last"}, nil
	}
	return Done{What: "rejected: what was in force before stays"}, nil
}

// quarantined replays or drops a record. A drop is written down by the desk.
func (s *Service) quarantined(ctx context.Context, who access.Identity, a Action) (Done, error) {
	if s.cfg.Desk == nil {
		return Done{}, noDesk()
	}
	if a.Object == "" || len(a.Object) > maxID || !plain(a.Object) {
		return Done{}, invalid("this is no id of a quarantined record")
	}
	if a.Verb == VerbDrop {
		if err := s.cfg.Desk.QuarantineDrop(ctx, a.Object, who.Name, a.Reason); err != nil {
			return Done{}, s.deskFault(err)
		}
		return Done{What: "dropped for good"}, nil
	}
	list, err := s.cfg.Desk.QuarantineList(ctx, "")
	if err != nil {
		return Done{}, s.unread("quarantine", err)
	}
	i := slices.IndexFunc(list, func(q intake.Quarantined) bool { return q.ID == a.Object })
	if i < 0 {
		return Done{}, s.deskFault(intake.ErrNotQuarantined)
	}
	if err := s.record(ctx, audit.Entry{Event: audit.EventQuarantineReplayed, Ref: a.Object, Actor: who.Name, Reason: a.Reason, Detail: "source " + list[i].Source}); err != nil {
		return Done{}, err
	}
	out, err := s.cfg.Desk.QuarantineReplay(ctx, a.Object)
	if err != nil {
		return Done{}, s.deskFault(err)
	}
	done := Done{Replay: &out, What: fmt.Sprintf("taken: %d, to be fetched: %d", len(out.Taken), out.Fetched)}
	if len(out.Still) > 0 {
		done.What = "it stays in the quarantine: " + plural(len(out.Still), "item can't", "items can't") + " be read yet"
	}
	return done, nil
}

// deskFault words what intake answers.
func (s *Service) deskFault(err error) error {
	var refusal *intake.Refusal
	switch {
	case errors.Is(err, intake.ErrNotQuarantined):
		return &Refusal{Kind: RefusedMissing, What: "there is no such record in the quarantine", Do: "it may have been replayed or dropped; look at the list again"}
	case errors.Is(err, intake.ErrNoSource):
		return &Refusal{Kind: RefusedMissing, What: "there is no such source", Do: "the list of feeds has their names"}
	case errors.Is(err, intake.ErrNotBraked):
		return &Refusal{Kind: RefusedState, What: "the brake does not hold this source", Do: "look at how the feed does"}
	case errors.As(err, &refusal):
		out := &Refusal{Kind: RefusedState, What: refusal.What, Do: refusal.Do}
		switch refusal.Kind {
		case intake.RefusedRequest:
			out.Kind = RefusedInvalid
		case intake.RefusedUnknown:
			out.Kind = RefusedMissing
		}
		if !refusal.Until.IsZero() {
			out.What += "; not before " + stamp(refusal.Until)
		}
		return out
	}
	s.cfg.Log.Error("intake failed", "error", err)
	return &Refusal{Kind: RefusedAway, What: "the ledger or Temporal can't be reached; it may not have been done", Do: "look again, then try again"}
}
