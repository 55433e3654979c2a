package jml

import "time"

// Kind names a journey by its reason.
type Kind string

// The kinds. Joiner and mover come from HR facts, recovery and staging from an
// operator. A leaver is no journey of its own: it ends all others.
const (
	KindJoiner   Kind = "joiner"   // somebody starts, or starts again
	KindMover    Kind = "mover"    // another position asks for another method
	KindRecovery Kind = "recovery" // a method was lost or broken
	KindStaging  Kind = "staging"  // a technician sets up a device in the employee's name
)

// Kinds lists all of them.
func Kinds() []Kind { return []Kind{KindJoiner, KindMover, KindRecovery, KindStaging} }

// Asked reports whether journeys of this kind are asked for by somebody, not
// begun by HR facts.
func (k Kind) Asked() bool { return k == KindRecovery || k == KindStaging }

// Stage is where a journey stands, or a pass.
type Stage string

// The stages of a journey, in order.
const (
	StageScheduled Stage = "scheduled" // waits for its time
	StageApproval  Stage = "approval"  // waits for somebody's yes
	StageBlocked   Stage = "blocked"   // waits for a cause to be mended
	StagePass      Stage = "pass"      // a pass is being issued, is live or is being revoked
)

// The outcomes of a journey. They are stages as well.
const (
	StageCompleted Stage = "completed" // what was wanted is registered, pass gone
	StageSkipped   Stage = "skipped"   // what is wanted was there already
	StageTimedOut  Stage = "timedOut"  // nothing registered in time, pass gone
	StageCancelled Stage = "cancelled" // ended by HR or an operator, pass gone
	StageRevoked   Stage = "revoked"   // ended by an operator who revoked the live pass
	StageRefused   Stage = "refused"   // an approver said no
	StageLapsed    Stage = "lapsed"    // nobody approved in time
)

// The stages of a pass, in order.
const (
	StageIssuing  Stage = "issuing"
	StageInvited  Stage = "invited"  // link and code are out, nothing collected yet
	StageWaiting  Stage = "waiting"  // handed over, nothing registered yet
	StageSettling Stage = "settling" // registered; sessions made with the pass are let finish
	StageRevoking Stage = "revoking"
	StageGone     Stage = "gone"
)

// Outcomes lists the stages that end a journey.
func Outcomes() []Stage {
	return []Stage{StageCompleted, StageSkipped, StageTimedOut, StageCancelled, StageRevoked, StageRefused, StageLapsed}
}

// Closed reports whether s is an outcome.
func (s Stage) Closed() bool {
	switch s {
	case StageCompleted, StageSkipped, StageTimedOut, StageCancelled, StageRevoked, StageRefused, StageLapsed:
		return true
	}
	return false
}

// Reached reports whether s is an outcome with what was wanted registered.
func (s Stage) Reached() bool { return s == StageCompleted || s == StageSkipped }

// Requester says in whose name somebody asks for a journey.
type Requester string

// The requesters.
const (
	RequesterOperator Requester = "operator" // the employee called, the operator checked
	RequesterManager  Requester = "manager"  // the employee's manager asks, and vouches
)

// LossReason says why a recovery is needed.
type LossReason string

// The reasons. A lost or stolen method may be in somebody else's hands.
const (
	LossLost     LossReason = "lost"
	LossStolen   LossReason = "stolen"
	LossBroken   LossReason = "broken"
	LossReplaced LossReason = "replaced" // another phone or key
)

// LossReasons lists all of them.
func LossReasons() []LossReason { return []LossReason{LossLost, LossStolen, LossBroken, LossReplaced} }

// Request is why somebody asks for a recovery or a staging. It is personal data.
type Request struct {
	ID       string    `json:"id"`                 // names it; opaque
	Actor    string    `json:"actor"`              // who asks; goes to the audit
	For      Requester `json:"for"`                //
	At       time.Time `json:"at"`                 //
	Ticket   string    `json:"ticket,omitempty"`   // of the service desk
	Verified string    `json:"verified,omitempty"` // how the caller was verified, as the configuration names it
	Note     string    `json:"note,omitempty"`     // in words; goes to the audit

	// Recovery.
	Loss        LossReason `json:"loss,omitempty"`
	Methods     []string   `json:"methods,omitempty"`      // ids of what was lost; to be removed before there is a pass
	EndSessions bool       `json:"end_sessions,omitempty"` // sign the user out everywhere, before there is a pass

	// Staging.
	Technician User      `json:"technician,omitzero"` // who gets the pass
	Device     string    `json:"device,omitempty"`    // serial number or name
	Until      time.Time `json:"until,omitzero"`      // end of the window
}

// ApprovalRule says who is asked before there is a pass, and how long he has.
type ApprovalRule struct {
	To     []Route       `json:"to,omitempty"` // who is told; anybody but the requester may decide
	Within time.Duration `json:"within"`       // from being asked until the request lapses
}

// Approval is where an approval stands.
type Approval struct {
	AskedAt  time.Time `json:"asked_at,omitzero"`
	Until    time.Time `json:"until,omitzero"`   // it lapses then
	Decided  time.Time `json:"decided,omitzero"` // zero: not yet
	Approved bool      `json:"approved,omitempty"`
	By       string    `json:"by,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

// Stop is somebody's wish to end a journey.
type Stop struct {
	Outcome Stage  `json:"outcome"`
	Actor   string `json:"actor"`
	Reason  string `json:"reason"`
	// Proof says what somebody looked at who says that what was wanted is
	// registered: with StageCompleted, of a journey of any kind.
	Proof string `json:"proof,omitempty"`
	// Version is that of the journey as who stops it saw it; 0: whatever it is.
	Version int `json:"version,omitempty"`
}

// PassEnd says why a pass ended.
type PassEnd string

// The ends.
const (
	EndRegistered PassEnd = "registered" // what was wanted is registered
	EndAlready    PassEnd = "already"    // it was registered without our pass
	EndTimedOut   PassEnd = "timedOut"
	EndCancelled  PassEnd = "cancelled" // the journey wanted it gone
	EndBlocked    PassEnd = "blocked"   // its Block says why
	EndAgain      PassEnd = "again"     // another one is wanted: the employee asked, or it was used up
)

// Use is what is known of whether a pass was used.
type Use string

// The uses. Graph v1.0 tells of one-time passes only; of others, a method that
// was registered meanwhile tells.
const (
	UseUnknown Use = ""
	UseNone    Use = "none"
	UseYes     Use = "used"
)
