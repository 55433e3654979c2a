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

	Held     bool      // an operator lets nothing be issued
	Override *Override // of HR's start, by an operator
	Linked   string    // object id of the user that an operator named; empty: as HR says

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
	Seen    bool        // its code or a link to it, or that of an earlier one, may be in somebody's hands
	Use     Use         // whether somebody signed in with it, or with an earlier one
	Require Requirement // what it waited for
	Match   Match       // whose it was; zero for passes that ended before this was noted
	Moved   bool        // the start had moved away from it, see RunningPass.Moved
}

// Moved reports whether a start moves away from p. Where the old one and the new
// one have both passed, the pass works now as it should: it stays.
func (p RunningPass) Moved(start, now time.Time) bool {
	return !start.Equal(p.Start) && (now.Before(start) || now.Before(p.Start))
}

// After returns e as the last pass after p, which is nil for none: what is in
// somebody's hands, and what was used, is not undone by another pass.
func (p *EndedPass) After(e EndedPass) *EndedPass {
	if p != nil {
		e.Seen = e.Seen || p.Seen
		if p.Use == UseYes {
			e.Use = UseYes
		}
	}
	return &e
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
	First   bool      // StepRemove: there is no pass until it is done; else it is at the end
	Why     string    // StepWithdraw, StepClose: for the audit; nothing personal
}

// Decide returns the next step of a journey. It is pure: the same situation
// gives the same plan, and it changes nothing.
//
// The order of the questions is the promise: what has been reached stands; then
// nobody who is to have no pass keeps one; then a pass that is out must be
// right; and only then is there another.
func Decide(s Situation) Plan {
	plan := s.next()
	if o := s.Override; plan.Step == StepWait && s.Overridden() && !o.Until.IsZero() {
		plan.Until = earlier(plan.Until, o.Until) // HR's start counts again from then on
	}
	return plan
}

func (s Situation) next() Plan {
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
	if s.over() {
		return s.missed()
	}
	plan := s.ahead()
	if plan.Step == StepClose && s.Kind == KindStaging && s.tidies() {
		return Plan{Step: StepRemove, Stage: StagePass} // however it closes, a technician keeps nothing
	}
	if plan.Step == StepWait && s.misled() {
		return Plan{Step: StepTell, Message: MessageMoved}
	}
	return plan
}

// closed decides about news of a journey that has ended. One that reached its
// goal is not gone through again because a department or a number changed, nor
// does that undo somebody's no. Who is not expected gets no journey.
func (s Situation) closed() Plan {
	news := s.Facts.Supersedes(s.Before) && !s.left()
	switch s.Closed {
	case StageTimedOut, StageLapsed: // anything may be what was missing
	default:
		news = news && s.restarts()
	}
	if !news || s.Kind.Asked() {
		return Plan{Step: StepRest, Stage: s.Closed}
	}
	return Plan{Step: StepReopen}
}

// restarts reports whether HR says what is reason for another journey: another
// start or user; to a mover, another position.
func (s Situation) restarts() bool {
	now, before := s.Facts, s.Before
	if s.Kind != KindMover {
		return now.Restarts(before)
	}
	return now.Status != before.Status || now.UserMatch() != before.UserMatch() ||
		now.position() != before.position() || now.EffectiveDate != before.EffectiveDate
}

// over reports whether time is up. A pass whose start has moved away did not
// time out for the new one.
func (s Situation) over() bool {
	if e := s.Ended; e != nil && e.End == EndTimedOut && !e.Moved {
		return true
	}
	return !s.Now.Before(s.Deadline())
}

// misled reports whether somebody holds what no longer works since the start
// moved, and was not told: the next pass is not due, or something stands in its
// way.
func (s Situation) misled() bool {
	return s.Ended != nil && s.Ended.Seen && s.Ended.Moved && s.tells(MessageMoved)
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
	other := s.Ended.Match != Match{} && s.Ended.Match != s.Match()
	raised := s.Profile.Chosen() && s.Profile.Requirement().Raises(s.Ended.Require)
	if other || raised {
		return Plan{}, false // preflight finds out what this user has, and whether it is enough now
	}
	if s.tidies() {
		if start := s.Start(); s.Kind == KindMover && s.Now.Before(start) {
			return Plan{Step: StepWait, Stage: StageScheduled, Until: start}, true // the old position still counts
		}
		return Plan{Step: StepRemove, Stage: StagePass}, true
	}
	if s.alerts() {
		return s.alert(), true
	}
	return Plan{Step: StepClose, Stage: outcome}, true
}

// tidies reports whether methods are yet to be removed at the end. What a
// technician registered goes however the journey ends; a mover's older methods
// stay if somebody called it off.
func (s Situation) tidies() bool {
	if s.Tidied {
		return false
	}
	switch s.Profile.Remove {
	case RemoveOlder:
		return s.Kind == KindMover && !s.ending()
	case RemoveRegistered:
		return s.Kind == KindStaging && s.Ended != nil && s.Ended.Seen
	}
	return false
}

// clears reports whether methods are yet to be removed, or sessions ended,
// before there is a pass.
func (s Situation) clears() bool {
	if s.Cleared {
		return false
	}
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
	return s.Stop != nil || s.Aborted || s.left()
}

// left reports whether HR no longer expects the employee.
func (s Situation) left() bool { return s.Facts.Status != "" && s.Facts.Status != StatusScheduled }

// alerts reports whether somebody has to hear that a pass was used in the name
// of an employee who never came, or has gone.
func (s Situation) alerts() bool {
	return s.left() && s.Ended != nil && s.Ended.Use == UseYes && s.tells(MessageAlert)
}

func (s Situation) alert() Plan {
	return Plan{Step: StepTell, Message: MessageAlert, Block: Blocked(ReasonUsedByLeaver, "")}
}

// end decides once the journey is to end.
func (s Situation) end() Plan {
	if s.Pass != nil {
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: s.whyEnd()}
	}
	if s.tidies() {
		return Plan{Step: StepRemove, Stage: StagePass}
	}
	if s.alerts() {
		return s.alert()
	}
	outcome := StageCancelled
	if s.Stop != nil {
		outcome = s.Stop.Outcome
	}
	if outcome == StageCompleted && s.Ended == nil && s.Stop.Proof == "" {
		outcome = StageCancelled // without a pass nobody has set up anything
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
	case s.Approval.refused():
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "refused"} // it had begun since nobody had to approve any more
	case p.Again:
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "another one was asked for"}
	case p.Moved(s.Start(), s.Now):
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "the start has moved"}
	case s.Match() != p.Match:
		return Plan{Step: StepWithdraw, Stage: StagePass, Why: "another user is named"}
	case s.Profile.Chosen() && !s.Profile.Requirement().Equal(p.Require):
		return Plan{Step: StepRequire, Stage: StagePass}
	}
	return Plan{Step: StepKeep, Stage: StagePass}
}

// missed decides when time is up.
func (s Situation) missed() Plan {
	if s.Kind == KindStaging && s.tidies() {
		return Plan{Step: StepRemove, Stage: StagePass}
	}
	if s.asks() && s.Approval.open() {
		return s.lapsed()
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
	if s.Kind == KindMover && s.Block != nil && s.Block.Reason == ReasonProfileMissing {
		// To join one has to have a profile; a position that no mover's rule is
		// for asks for nothing more.
		return Plan{Step: StepClose, Stage: StageSkipped, Why: "no profile asks more of this position"}
	}
	if s.Held {
		return s.held()
	}
	if !s.Profile.Chosen() {
		return s.unchosen()
	}
	if s.asks() && !s.Approval.given() {
		return s.asked()
	}
	if at := s.IssueAt(); s.Now.Before(at) {
		return Plan{Step: StepWait, Stage: StageScheduled, Until: at}
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

// held waits for an operator's word. Nobody is asked and nothing is looked up;
// but a request that is open already lapses when it would.
func (s Situation) held() Plan {
	until := s.Deadline()
	if s.asks() && s.Approval.open() && s.Approval.Until.After(s.askAt()) {
		if !s.Now.Before(s.Approval.Until) {
			return s.lapsed()
		}
		until = earlier(until, s.Approval.Until)
	}
	return Plan{Step: StepWait, Stage: StageBlocked, Block: Blocked(ReasonHeld, ""), Until: until}
}

// unchosen has the rules asked again. A verdict that brings no profile is a
// mistake of ours, and must not be asked for without end.
func (s Situation) unchosen() Plan {
	if s.Verdict == nil {
		return s.tries()
	}
	return Plan{Step: StepWait, Stage: StageBlocked, Block: Blocked(ReasonProfileMissing, ""), Until: earlier(s.Now.Add(askAgain), s.Deadline())}
}

// asked waits for a yes. A request that lapses before it is time to ask was for
// a start that has moved away since: it is asked for anew.
func (s Situation) asked() Plan {
	at := s.askAt()
	switch {
	case s.Approval.open() && s.Approval.Until.After(at):
		if !s.Now.Before(s.Approval.Until) {
			return s.lapsed()
		}
		return Plan{Step: StepWait, Stage: StageApproval, Until: earlier(s.Approval.Until, s.Deadline())}
	case s.Now.Before(at):
		return Plan{Step: StepWait, Stage: StageScheduled, Until: at}
	}
	return Plan{Step: StepAsk, Stage: StageApproval}
}

func (s Situation) lapsed() Plan {
	return Plan{Step: StepClose, Stage: StageLapsed, Why: "nobody approved in time"}
}

// tries asks the tenant, but no sooner than what stood in the way is worth
// another look.
func (s Situation) tries() Plan {
	if s.Block != nil && s.Now.Before(s.Recheck) {
		return Plan{Step: StepWait, Stage: StageBlocked, Block: s.Block, Until: earlier(s.Recheck, s.Deadline())}
	}
	return Plan{Step: StepPreflight}
}

// judged decides on a verdict that lets the journey go on. What must be gone
// before there is a pass goes even where another one is registered already: a
// stolen key is no less stolen.
func (s Situation) judged() Plan {
	if s.Verdict.Privileged && !s.Approval.given() {
		return s.asked()
	}
	if s.clears() {
		return Plan{Step: StepRemove, First: true}
	}
	// A device is not set up because its owner has a method.
	if len(s.Verdict.Already) > 0 && s.Kind != KindStaging {
		if len(s.Verdict.Weaker) > 0 && s.tidies() {
			if start := s.Start(); s.Now.Before(start) {
				return Plan{Step: StepWait, Stage: StageScheduled, Until: start} // the old position still counts
			}
			return Plan{Step: StepRemove}
		}
		return Plan{Step: StepClose, Stage: StageSkipped}
	}
	return Plan{Step: StepIssue, Stage: StagePass}
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

// askedFor is how long an approver has where the profile does not say.
const askedFor = 5 * 24 * time.Hour

// AskUntil returns when a request for approval made now lapses. A staging is
// not to be approved after its window.
func (s Situation) AskUntil() time.Time {
	within := askedFor
	if r := s.Profile.Approval; r != nil && r.Within > 0 {
		within = r.Within
	}
	until := s.Now.Add(within)
	if s.Kind == KindStaging {
		return earlier(until, s.Deadline())
	}
	return until
}

func (a Approval) open() bool    { return !a.AskedAt.IsZero() && a.Decided.IsZero() }
func (a Approval) given() bool   { return !a.Decided.IsZero() && a.Approved }
func (a Approval) refused() bool { return !a.Decided.IsZero() && !a.Approved }

// late reports whether we first heard of the employee after the start.
func (s Situation) late() bool {
	return s.Kind == KindJoiner && s.FirstSeen.After(s.Start())
}

// Override is another start than HR's, by an operator.
type Override struct {
	Date Date
	Hour Clock // zero: HR's time of day, else the profile's
	// Until is when HR's start counts again; zero: when HR says another one.
	Until time.Time
}

// Overridden reports whether an operator's start counts in place of HR's. What
// somebody asked for begins when he did.
func (s Situation) Overridden() bool {
	o := s.Override
	return o != nil && !s.Kind.Asked() && (o.Until.IsZero() || s.Now.Before(o.Until))
}

// MovesStart reports whether f says another start than the facts of s: an
// override was made against those, and ends.
func (s Situation) MovesStart(f Snapshot) bool {
	if s.Kind == KindMover {
		return f.EffectiveDate != s.Facts.EffectiveDate || f.Zone != s.Facts.Zone
	}
	return f.startMoved(s.Facts)
}

// Match returns how the user is found: by the object id that an operator named,
// else as HR says.
func (s Situation) Match() Match {
	if s.Linked != "" {
		return Match{Attribute: MatchObjectID, Value: s.Linked}
	}
	return s.Facts.UserMatch()
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
	case s.Overridden():
		f = s.Override.of(s.Kind, f)
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

// of returns f with the start of o.
func (o Override) of(kind Kind, f Snapshot) Snapshot {
	f.StartDate = o.Date
	if kind == KindMover {
		f.StartTime = nil
	}
	if o.Hour != (Clock{}) {
		f.StartTime = &o.Hour
	}
	return f
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

// noRule is how long a journey waits for a rule that is for it; askAgain is how
// long before the rules are asked again although they gave no answer at all.
const (
	noRule   = 30 * 24 * time.Hour
	askAgain = 15 * time.Minute
)

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
		return from.Add(noRule)
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
