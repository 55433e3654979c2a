package jml

import (
	"slices"
	"time"
)

// Situation is everything that the next step of a journey depends on. The
// workflow keeps it; Decide reads it.
type Situation struct {
	Now       time.Time
	Kind      Kind
	Profile   Profile
	Facts     Snapshot // what HR said last
	FirstSeen time.Time
	Request   *Request // recovery, staging
	Approval  Approval

	Stop    *Stop // somebody wants it to end
	Aborted bool  // Temporal cancelled it

	Verdict *Verdict  // of preflight, for the facts as they are; nil: to be asked for
	Block   *Block    // what stood in the way at the last try
	Recheck time.Time // no other try before; zero: at once
	Barred  *Block    // no pass until somebody has looked into this

	Pass    *RunningPass // under way; nil: none
	Ended   *EndedPass   // the last one; nil: none yet
	Cleared bool         // what had to be removed before the pass is
	Tidied  bool         // what had to be removed at the end is
	Told    []Message    // since the last pass ended
	Closed  Stage        // how it ended; empty: it has not
	Before  Snapshot     // what HR had said when it ended
}

// RunningPass is a pass under way, and what it was made for.
type RunningPass struct {
	UserID  string
	Start   time.Time
	Match   Match
	Require Requirement
	Again   bool // an operator wants another one instead
}

// EndedPass is how a pass ended.
type EndedPass struct {
	End     PassEnd
	Seen    bool        // its code, or a link to it, may be in somebody's hands
	Use     Use         // whether somebody signed in with it
	Require Requirement // what it waited for
	Moved   bool        // the start had moved away from it
}

// Step is what to do next.
type Step string

// The steps.
const (
	StepWait      Step = "wait"      // until Plan.Until, or news
	StepAsk       Step = "ask"       // for approval
	StepPreflight Step = "preflight" // find the user and look whether a pass may be made
	StepRemove    Step = "remove"    // delete methods, end sessions
	StepIssue     Step = "issue"     // begin a pass
	StepKeep      Step = "keep"      // let the pass go on, until news
	StepRequire   Step = "require"   // tell the pass what completes it now
	StepWithdraw  Step = "withdraw"  // end the pass
	StepTell      Step = "tell"      // send Plan.Message
	StepClose     Step = "close"     // with Plan.Stage
	StepRest      Step = "rest"      // it is closed, and stays so
	StepReopen    Step = "reopen"    // it is closed, and these facts want another one
)

// Plan is a step, where the journey stands while it is taken, and why.
type Plan struct {
	Step    Step
	Stage   Stage     // empty: unchanged
	Block   *Block    // with StageBlocked; with StageTimedOut, what stood in the way
	Until   time.Time // StepWait: at the latest
	Message Message   // StepTell
	Why     string    // StepWithdraw, StepClose: for the audit; nothing personal
}

// Decide returns the next step of a journey. It is pure: the same situation
// gives the same plan, and it changes nothing.
//
// The order of the questions is the promise: what has been reached stands; then
// nobody who is to have no pass keeps one; then a pass that is out must be
// right; and only then is there another.
func Decide(s Situation) Plan {
	if s.Closed != "" {
		return s.closed()
	}
	if plan, done := s.reached(); done {
		return plan
	}
	if s.ending() {
		return s.end()
	}
	if s.Pass != nil {
		return s.running()
	}
	if s.Ended != nil && s.Ended.End == EndTimedOut || !s.Now.Before(s.Deadline()) {
		return s.missed()
	}
	return s.ahead()
}

// closed decides about news of a journey that has ended. One that reached its
// goal is not gone through again because a department or a number changed, nor
// does that undo an approver's no.
func (s Situation) closed() Plan {
	news := s.Facts.Supersedes(s.Before)
	if settled := s.Closed.Reached() || s.Closed == StageRefused; settled {
		news = news && s.Facts.Restarts(s.Before)
	}
	if !news || s.Kind.Asked() {
		return Plan{Step: StepRest, Stage: s.Closed}
	}
	return Plan{Step: StepReopen}
}

// reached decides when what was wanted is registered: nothing that happens
// meanwhile takes that away.
func (s Situation) reached() (Plan, bool) {
	if s.Ended == nil || s.Pass != nil {
		return Plan{}, false
	}
	var outcome Stage
	switch s.Ended.End {
	case EndRegistered:
		outcome = StageCompleted
	case EndAlready:
		outcome = StageSkipped
	default:
		return Plan{}, false
	}
	if s.Profile.Chosen() && s.Profile.Requirement().Raises(s.Ended.Require) && !s.ending() {
		return Plan{}, false // another position asks for more than that pass waited for
	}
	if !s.Tidied && s.tidies() {
		return Plan{Step: StepRemove, Stage: StagePass}, true
	}
	return Plan{Step: StepClose, Stage: outcome}, true
}

// tidies reports whether methods are removed at the end.
func (s Situation) tidies() bool {
	switch s.Profile.Remove {
	case RemoveOlder:
		return s.Kind == KindMover
	case RemoveRegistered:
		return s.Kind == KindStaging && s.Ended != nil && s.Ended.Seen
	}
	return false
}

// clears reports whether methods are removed before there is a pass.
func (s Situation) clears() bool {
	switch s.Kind {
	case KindJoiner:
		return s.Profile.Remove == RemoveOlder && s.Facts.Rehire
	case KindRecovery:
		return s.Request != nil && (s.Profile.Remove == RemoveLost && len(s.Request.Methods) > 0 || s.Request.EndSessions)
	}
	return false
}

// ending reports whether the journey is to end: HR or an operator say so.
func (s Situation) ending() bool {
	return s.Stop != nil || s.Aborted || s.Facts.Status != "" && s.Facts.Status != StatusScheduled
}

// end decides once the journey is to end.
func (s Situation) end() Plan {
	if s.Pass != nil {
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: s.whyEnd()}
	}
	if !s.Tidied && s.Profile.Remove == RemoveRegistered && s.tidies() {
		return Plan{Step: StepRemove, Stage: StagePass}
	}
	hr := s.Stop == nil && !s.Aborted
	if hr && s.Ended != nil && s.Ended.Use == UseYes && s.tells(MessageAlert) {
		return Plan{Step: StepTell, Message: MessageAlert, Block: Blocked(ReasonUsedByLeaver, "")}
	}
	outcome := StageCancelled
	if s.Stop != nil {
		outcome = s.Stop.Outcome
	}
	return Plan{Step: StepClose, Stage: outcome, Why: s.whyEnd()}
}

func (s Situation) whyEnd() string {
	switch {
	case s.Stop != nil:
		return s.Stop.Reason
	case s.Aborted:
		return "workflow cancelled"
	}
	return "HR status " + string(s.Facts.Status)
}

// running decides while a pass is under way. It times out by itself.
func (s Situation) running() Plan {
	p := s.Pass
	switch {
	case p.Again:
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "another one was asked for"}
	case !s.Start().Equal(p.Start):
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "the start has moved"}
	case s.Facts.UserMatch() != p.Match:
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "HR names another user"}
	case s.Profile.Chosen() && !s.Profile.Requirement().Equal(p.Require):
		return Plan{Step: StepRequire, Stage: StagePass}
	}
	return Plan{Step: StepKeep, Stage: StagePass}
}

// missed decides when time is up.
func (s Situation) missed() Plan {
	if !s.Tidied && s.tidies() && s.Kind == KindStaging {
		return Plan{Step: StepRemove, Stage: StagePass}
	}
	if s.tells(MessageMissed) {
		return Plan{Step: StepTell, Message: MessageMissed}
	}
	return Plan{Step: StepClose, Stage: StageTimedOut, Block: s.Block}
}

// tells reports whether there is somebody to tell m to who has not been told.
func (s Situation) tells(m Message) bool {
	return len(s.Profile.RoutesOf(m)) > 0 && !slices.Contains(s.Told, m)
}

// ahead decides while there is no pass.
func (s Situation) ahead() Plan {
	deadline := s.Deadline()
	blocked := func(b *Block) Plan {
		return Plan{Step: StepWait, Stage: StageBlocked, Block: b, Until: deadline}
	}
	if s.Approval.refused() {
		return Plan{Step: StepClose, Stage: StageRefused, Why: s.Approval.Reason}
	}
	if s.Approval.open() {
		if !s.Now.Before(s.Approval.Until) {
			return Plan{Step: StepClose, Stage: StageLapsed, Why: "nobody approved in time"}
		}
		return Plan{Step: StepWait, Stage: StageApproval, Until: earlier(s.Approval.Until, deadline)}
	}
	if !s.Profile.Chosen() {
		return s.tries() // the rules are asked again
	}
	if s.asks() && !s.Approval.given() {
		if at := s.askAt(); s.Now.Before(at) {
			return s.scheduled(at)
		}
		return Plan{Step: StepAsk, Stage: StageApproval}
	}
	if at := s.IssueAt(); s.Now.Before(at) {
		return s.scheduled(at)
	}
	if s.late() && s.Profile.Late == LateBlock {
		return blocked(Blocked(ReasonLateHire, ""))
	}
	if b := HoldBlock(s.Facts.Hold); b != nil {
		return blocked(b) // only news lifts a hold
	}
	if s.Barred != nil {
		return blocked(s.Barred)
	}
	if s.Verdict == nil {
		return s.tries()
	}
	return s.judged()
}

// tries asks the tenant, but no sooner than what stood in the way is worth
// another look.
func (s Situation) tries() Plan {
	if s.Block != nil && s.Now.Before(s.Recheck) {
		return Plan{Step: StepWait, Stage: StageBlocked, Block: s.Block, Until: earlier(s.Recheck, s.Deadline())}
	}
	return Plan{Step: StepPreflight}
}

// judged decides on a verdict that lets the journey go on.
func (s Situation) judged() Plan {
	if s.Verdict.Privileged && !s.Approval.given() {
		return Plan{Step: StepAsk, Stage: StageApproval}
	}
	if len(s.Verdict.Already) > 0 {
		if s.Kind == KindMover && s.Profile.Remove == RemoveOlder && len(s.Verdict.Weaker) > 0 && !s.Tidied {
			return Plan{Step: StepRemove}
		}
		return Plan{Step: StepClose, Stage: StageSkipped}
	}
	if s.clears() && !s.Cleared {
		return Plan{Step: StepRemove}
	}
	return Plan{Step: StepIssue, Stage: StagePass}
}

// scheduled waits until at. Somebody who holds what no longer works is told
// first: the next pass may be weeks away.
func (s Situation) scheduled(at time.Time) Plan {
	if e := s.Ended; e != nil && e.Seen && e.Moved && s.tells(MessageMoved) {
		return Plan{Step: StepTell, Message: MessageMoved}
	}
	return Plan{Step: StepWait, Stage: StageScheduled, Until: at}
}

// asks reports whether somebody has to approve before there is a pass. Whether
// the user is privileged shows only in preflight.
func (s Situation) asks() bool {
	return s.Kind == KindStaging || s.Profile.Approve || s.late() && s.Profile.Late == LateAsk
}

// askAt is when approval is asked for: early enough for the approver to have
// his time.
func (s Situation) askAt() time.Time {
	if s.Profile.Approval == nil {
		return s.IssueAt()
	}
	return s.IssueAt().Add(-s.Profile.Approval.Within)
}

func (a Approval) open() bool    { return !a.AskedAt.IsZero() && a.Decided.IsZero() }
func (a Approval) given() bool   { return !a.Decided.IsZero() && a.Approved }
func (a Approval) refused() bool { return !a.Decided.IsZero() && !a.Approved }

// late reports whether we first heard of the employee after the start.
func (s Situation) late() bool {
	return s.Kind == KindJoiner && s.FirstSeen.After(s.Start())
}

// Start returns the first moment at which a pass of this journey may work. For a
// joiner that is the employee's start; for a mover, when the position takes
// effect; for what somebody asked for, when he did. Intake validated the
// snapshot; a zone this worker does not know is treated as UTC rather than
// failing the journey.
func (s Situation) Start() time.Time {
	f := s.Facts
	switch {
	case s.Kind.Asked() && s.Request != nil:
		return s.Request.At.UTC()
	case s.Kind == KindMover && f.EffectiveDate.IsZero():
		return s.FirstSeen.UTC()
	case s.Kind == KindMover:
		f.StartDate, f.StartTime = f.EffectiveDate, nil
	}
	t, err := f.Start(s.Profile.StartHour)
	if err != nil {
		t = Instant(f.StartDate, s.Profile.StartHour, time.UTC)
	}
	return t.UTC()
}

// IssueAt returns when the pass is to be issued, or the link sent: the lead time
// before the start, on a working day.
func (s Situation) IssueAt() time.Time {
	start := s.Start()
	if s.Kind.Asked() {
		return start
	}
	return s.Profile.IssueAt(start, s.Facts.Zone)
}

// IssueAt returns when to issue a pass for somebody who starts at start, in
// zone.
func (p Profile) IssueAt(start time.Time, zone string) time.Time {
	at := start.Add(-p.LeadTime)
	if p.LeadDays == 0 && p.Calendar == nil {
		return at
	}
	loc, err := LoadZone(zone)
	if err != nil {
		loc = time.UTC
	}
	if p.LeadDays > 0 {
		at = start
	}
	local := at.In(loc)
	day := p.Calendar.Before(Date{Year: local.Year(), Month: local.Month(), Day: local.Day()}, p.LeadDays)
	return Instant(day, Clock{Hour: local.Hour(), Minute: local.Minute(), Second: local.Second()}, loc).UTC()
}

// unchosen is how long a journey waits for a rule that is for it.
const unchosen = 30 * 24 * time.Hour

// Deadline returns when to give up: the timeout counts from the start; from when
// we first heard of the employee where that was later; and from the approval,
// which may take days.
func (s Situation) Deadline() time.Time {
	if s.Kind == KindStaging && s.Request != nil {
		return s.Request.Until.UTC()
	}
	from := s.Start()
	if s.FirstSeen.After(from) {
		from = s.FirstSeen
	}
	if s.Approval.given() && s.Approval.Decided.After(from) {
		from = s.Approval.Decided
	}
	if !s.Profile.Chosen() {
		return from.Add(unchosen)
	}
	if s.Approval.open() && s.Approval.Until.After(from) {
		from = s.Approval.Until
	}
	return from.Add(s.Profile.Timeout)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
