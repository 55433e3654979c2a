package ops

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/workflows"
)

// maxMoments bounds a timeline: the newest rows stay.
const maxMoments = 500

// fill puts up the timeline of a journey: the rows of the employee's reference,
// what became of messages, and what lies ahead.
func (s *Service) fill(ctx context.Context, j *Journey) {
	ctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	rows, err := s.cfg.Ledger.Rows(ctx, ledger.RowFilter{Ref: j.Row.Ref, Newest: true, Limit: maxMoments})
	if err != nil {
		s.cfg.Log.Error("the ledger could not be read", "what", "timeline", "error", err)
		j.Gaps = append(j.Gaps, "what was written down is missing: the ledger can't be read")
	}
	for _, r := range rows {
		j.Timeline = append(j.Timeline, moment(r))
	}
	if !j.View.FirstSeen.IsZero() {
		j.Timeline = append(j.Timeline, Moment{At: j.View.FirstSeen, What: began(j.View.Kind)})
	}
	deliveries := slices.Clone(j.View.Deliveries)
	switch {
	case j.Pass != nil:
		deliveries = append(deliveries, j.Pass.Deliveries...)
	case j.View.Pass != nil:
		deliveries = append(deliveries, j.View.Pass.Deliveries...)
	}
	for _, d := range deliveries {
		if m, ok := delivered(d); ok {
			j.Timeline = append(j.Timeline, m)
		}
	}
	if j.Row.Closed.IsZero() && !j.Stale {
		j.Timeline = append(j.Timeline, s.ahead(j)...)
	}
	slices.SortStableFunc(j.Timeline, func(a, b Moment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
}

func began(k jml.Kind) string {
	switch k {
	case jml.KindMover:
		return "HR said that another position asks for a stronger method"
	case jml.KindRecovery:
		return "The recovery began"
	case jml.KindStaging:
		return "The staging began"
	}
	return "HR told of the start"
}

func moment(r audit.Row) Moment {
	m := Moment{
		At: r.Time, What: Words(r.Event), Who: r.Actor, Event: r.Event, Outcome: r.Outcome, Reason: r.Reason,
		Detail: r.Detail, RequestID: r.RequestID, Seq: r.Seq,
	}
	if r.Erased {
		m.Detail = "who and why have been erased"
	}
	return m
}

// delivered tells what became of a message once the channel had taken it; that
// it was sent, and that it came back, is in the ledger.
func delivered(d workflows.Delivery) (Moment, bool) {
	m := Moment{At: d.At, Detail: d.Detail, RequestID: d.MessageID}
	what := "message " + string(d.Message) + " to " + addressee(d.To) + " by " + d.Channel
	switch d.Status {
	case jml.DeliveryDelivered:
		m.What = "Arrived: " + what
	case jml.DeliveryOpened:
		m.What = "Opened, by somebody or by a scanner: " + what
	case jml.DeliveryDeferred:
		m.What = "Put off by the receiving side: " + what
	default:
		return m, false
	}
	return m, true
}

func addressee(k jml.RecipientKind) string { return strings.ReplaceAll(string(k), "_", " ") }

// ahead tells what has not happened yet. What was due before now is left out: it
// shows as a row once it has happened.
func (s *Service) ahead(j *Journey) []Moment {
	v, now := &j.View, s.cfg.Now()
	var out []Moment
	add := func(at time.Time, what string) {
		if at.After(now) {
			out = append(out, Moment{At: at, What: what, Ahead: true})
		}
	}
	if v.Stage == jml.StageScheduled || v.Stage == jml.StageBlocked || v.Stage == jml.StageApproval {
		add(v.IssueAt, "The pass or the invitation is due")
	}
	add(v.Start, "The start")
	add(v.Deadline, "Firstpass gives up, if nothing is registered by then")
	if v.Block != nil {
		add(v.Recheck, "The next try")
	}
	if a := v.Approval; a != nil && a.Decided.IsZero() {
		add(a.Until, "The request lapses, if nobody decides")
	}
	if o := v.Override; o != nil {
		add(o.Until, "HR's start counts again")
	}
	expiry := j.Row.Expires
	if p := j.Pass; p != nil {
		if p.Issued != nil {
			expiry = p.Issued.Pass.EndsAt()
			add(p.Issued.Pass.UsableFrom(), "The pass becomes usable")
		}
		if p.Pickup != nil && p.Issued == nil {
			add(p.Pickup.LinkUntil, "The link lapses")
		}
		add(p.NextLook, "The next look at the registered methods")
	}
	add(expiry, "The pass expires")
	if j.Pass == nil {
		return out
	}
	if p, ok := s.profile(v.Profile); ok {
		loc, err := jml.LoadZone(v.Facts.Zone)
		if err != nil {
			loc = time.UTC
		}
		if expiry.IsZero() {
			expiry = v.Deadline
		}
		for i, at := range p.ReminderTimes(v.Start, expiry, loc) {
			what := "A reminder, if nothing is registered by then"
			if len(p.Reminders[i].To) > 0 && !p.Reminders[i].To[0].Recipient.Employee() {
				what = "An escalation, if nothing is registered by then"
			}
			add(at, what)
		}
	}
	return out
}

// isInvitation reports whether the detail of a message.send row is about the
// link of an invitation.
func isInvitation(detail string) bool {
	message, _, _ := strings.Cut(detail, " ")
	return message == string(jml.MessageLink)
}

// Words says in plain words what an event is. One that a newer Firstpass wrote
// stands as it is.
func Words(e audit.Event) string {
	switch e {
	case audit.EventPreflightRefused:
		return "Entra was looked at; no pass may be made yet"
	case audit.EventPassIssue:
		return "About to ask Entra for a pass"
	case audit.EventPassIssued:
		return "Entra made the pass"
	case audit.EventPassHandover:
		return "About to hand the passcode over"
	case audit.EventPassHandedOver:
		return "The passcode was handed over"
	case audit.EventPassRevoke:
		return "About to delete the pass"
	case audit.EventPassGone:
		return "The pass is gone: Entra no longer lists it"
	case audit.EventPassListed:
		return "Entra still lists the pass, although it took the deletion"
	case audit.EventMessageSend:
		return "About to send a message"
	case audit.EventJoinerClosed, audit.EventMoverClosed, audit.EventRecoveryClosed, audit.EventStagingClosed:
		return "The journey ended"
	case audit.EventMethodRemove:
		return "About to remove a method"
	case audit.EventMethodGone:
		return "The method is gone: Entra no longer lists it"
	case audit.EventSessionsEnd:
		return "About to sign the user out everywhere"
	case audit.EventContactApproved:
		return "The changed address was let through"
	case audit.EventContactRejected:
		return "The changed address was rejected"
	case audit.EventFactsApproved:
		return "Of two sources that differ, the last word was taken for true"
	case audit.EventFactsRejected:
		return "Of two sources that differ, what was in force before stayed"
	case audit.EventBrakeReleased:
		return "The source's brake was released, once"
	case audit.EventQuarantineDropped:
		return "A quarantined record was dropped"
	case audit.EventQuarantineReplayed:
		return "A quarantined record was read again"
	case audit.EventLedgerOpened:
		return "The ledger began"
	case audit.EventPersonalErased:
		return "Who and why of earlier rows were erased"
	case audit.EventAccessDenied:
		return "Somebody asked for what their roles do not allow"
	case audit.EventAccessSearched:
		return "Somebody looked for an employee by name or id"
	case audit.EventHaltOn:
		return "The kill switch was thrown: no new passes"
	case audit.EventHaltOff:
		return "The kill switch was lifted"
	case audit.EventSourcePaused:
		return "The source was paused"
	case audit.EventSourceResumed:
		return "The source goes on"
	case audit.EventJourneyNudged:
		return "Somebody had the journey look at once"
	}
	return stepWords(workflows.Step(e))
}

func stepWords(step workflows.Step) string {
	switch step {
	case workflows.StepVisitOpened:
		return "The pick-up page was opened with the right link and code"
	case workflows.StepVisitRefused:
		return "Somebody with the link typed a wrong code"
	case workflows.StepProofGiven:
		return "A proof of identity was given"
	case workflows.StepProofRefused:
		return "A proof of identity was wrong"
	case workflows.StepAttested:
		return "The manager answered whether it is the employee"
	case workflows.StepDeskChecked:
		return "An officer looked at a document"
	case workflows.StepLocked:
		return "The link was locked: too many wrong tries"
	case workflows.StepRepudiated:
		return "The employee said: it was not me"
	case workflows.StepAskedAgain:
		return "The employee asked for another pass"
	case workflows.StepReissue:
		return "An operator had another pass made"
	case workflows.StepBounced:
		return "A message came back"
	case workflows.StepAsked:
		return "The journey was asked for"
	case workflows.StepApproved:
		return "The request was approved"
	case workflows.StepRefused:
		return "The request was refused"
	case workflows.StepProfile:
		return "Another profile is for it from now on"
	case workflows.StepUsedUp:
		return "The pass was used up or expired with nothing registered"
	case workflows.StepHeld:
		return "An operator holds it: nothing is issued"
	case workflows.StepResumed:
		return "An operator lets it go on"
	case workflows.StepMoved:
		return "An operator moved the start"
	case workflows.StepLinked:
		return "An operator linked it to a user"
	case workflows.StepByHand:
		return "An operator said that a method is registered, and what they saw"
	case workflows.StepResent:
		return "An operator had the invitation sent again"
	}
	return string(step)
}
