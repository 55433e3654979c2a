// Package workflows holds the journeys: deterministic code that Temporal runs
// and replays. It imports the workflow SDK and internal/jml, nothing else.
//
// This file is the vocabulary. Whoever talks to a journey (intake, CLI, tests)
// takes names, IDs, inputs and outputs from here and spells none by hand.
package workflows

import (
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// TaskQueue is where Firstpass workers listen unless the configuration names
// another.
const TaskQueue = "firstpass"

// Workflow type names.
const (
	TypeJoiner = "Joiner"
	TypePass   = "Pass"
)

// JoinerID returns the workflow ID of the joiner that source knows by the
// opaque ref. The start date is not part of it: a moved date must reach the
// same workflow.
func JoinerID(source, ref string) string { return "joiner/" + source + "/" + ref }

// PassID returns the workflow ID of the pass of an Entra user. There is one per
// user, whichever journey wants the pass, so that two journeys can't race. The
// user's object id is opaque by itself, and whoever watches the tenant's audit
// log can nudge the workflow without a key.
func PassID(userID string) string { return "pass/" + userID }

// RefOf returns the last part of a workflow ID: the reference people use.
func RefOf(workflowID string) string {
	return workflowID[strings.LastIndexByte(workflowID, '/')+1:]
}

// Signals.
const (
	// SignalFacts brings a jml.Snapshot to a joiner; sent by signal-with-start.
	SignalFacts = "facts"
	// SignalLook asks a blocked joiner to try again, or a pass to look at the
	// registered methods now instead of at its next poll. No argument.
	SignalLook = "look"
)

// Updates and queries.
const (
	// UpdateStop ends a joiner: StopRequest in, JoinerResult out, answered once
	// the pass is confirmed gone.
	UpdateStop = "stop"
	// QueryJoiner answers a JoinerView. Personal data: operators only.
	QueryJoiner = "joiner"
	// QueryPass answers a PassView.
	QueryPass = "pass"
)

// Search attributes. They are stored in clear by Temporal and so carry no
// personal data. All are keywords but Starts.
const (
	AttributeStage  = "FirstpassStage"  // a Stage
	AttributeSource = "FirstpassSource" // name of the HR source
	AttributeReason = "FirstpassReason" // a jml.BlockReason while blocked, else empty
	AttributeStarts = "FirstpassStarts" // datetime: the start instant
)

// Stage is where a journey stands.
type Stage string

// The stages of a joiner, in order. The last ones are outcomes as well.
const (
	StageScheduled Stage = "scheduled" // waits for the lead time
	StageBlocked   Stage = "blocked"   // waits for a cause to be mended
	StagePass      Stage = "pass"      // a pass is being issued, is live or is being revoked
	StageCompleted Stage = "completed" // strong method registered, pass gone
	StageSkipped   Stage = "skipped"   // a strong method was there already
	StageTimedOut  Stage = "timedOut"  // nothing registered in time, pass gone
	StageCancelled Stage = "cancelled" // ended by HR or an operator, pass gone
	StageRevoked   Stage = "revoked"   // ended by an operator who revoked the live pass
)

// Closed reports whether s is an outcome.
func (s Stage) Closed() bool {
	switch s {
	case StageCompleted, StageSkipped, StageTimedOut, StageCancelled, StageRevoked:
		return true
	}
	return false
}

// Reached reports whether s is an outcome with a strong method registered.
func (s Stage) Reached() bool { return s == StageCompleted || s == StageSkipped }

// The stages of a pass, in order.
const (
	StageIssuing  Stage = "issuing"
	StageInvited  Stage = "invited"  // link and code are out, nothing collected yet
	StageWaiting  Stage = "waiting"  // handed over, nothing registered yet
	StageSettling Stage = "settling" // registered; sessions made with the pass are let finish
	StageRevoking Stage = "revoking"
	StageGone     Stage = "gone"
)

// JoinerInput starts a joiner.
type JoinerInput struct {
	Ref     string      `json:"ref"`
	Source  string      `json:"source"`
	Profile jml.Profile `json:"profile"`
	// Facts are the first snapshot; nil if it follows as a SignalFacts.
	Facts *jml.Snapshot `json:"facts,omitempty"`
	// Carried is set when a long-blocked joiner continues as new.
	Carried *Carried `json:"carried,omitempty"`
}

// Carried is what one run of a joiner leaves to the next.
type Carried struct {
	Facts     jml.Snapshot `json:"facts"`
	FirstSeen time.Time    `json:"first_seen"`
	Rechecks  int          `json:"rechecks"`
	Round     int          `json:"round"`
	Reissues  int          `json:"reissues,omitempty"`
	Skip      int          `json:"skip,omitempty"`
	Barred    *jml.Block   `json:"barred,omitempty"`
	ContactAt time.Time    `json:"contact_at,omitzero"`
	Stage     Stage        `json:"stage"`
	Block     *jml.Block   `json:"block,omitempty"`
}

// JoinerResult is how a joiner ended.
type JoinerResult struct {
	Outcome Stage `json:"outcome"`
	// Facts are the last snapshot held. Intake compares what HR says later
	// with them, so that a repeat does not start a second journey.
	Facts jml.Snapshot `json:"facts"`
	Block *jml.Block   `json:"block,omitempty"` // what stood in the way when time ran out
	Pass  *PassResult  `json:"pass,omitempty"`  // of the last pass, if there was one
}

// JoinerView is what a joiner shows to an operator.
type JoinerView struct {
	Ref       string       `json:"ref"`
	Source    string       `json:"source"`
	Profile   string       `json:"profile"`
	Stage     Stage        `json:"stage"`
	Facts     jml.Snapshot `json:"facts"`
	Start     time.Time    `json:"start"`              // the start instant
	IssueAt   time.Time    `json:"issue_at"`           // the start less the lead time
	Deadline  time.Time    `json:"deadline"`           // when it gives up
	User      *jml.User    `json:"user,omitempty"`     // once found
	Block     *jml.Block   `json:"block,omitempty"`    // while blocked
	Recheck   time.Time    `json:"recheck,omitzero"`   // next try while blocked
	PassID    string       `json:"pass_id,omitempty"`  // workflow ID of the running pass
	Pass      *PassResult  `json:"pass,omitempty"`     // of the last pass that ended
	Stopping  *StopRequest `json:"stopping,omitempty"` // an operator's wish under way
	Outdated  int          `json:"outdated,omitempty"` // snapshots dropped as older or the same
	Reissues  int          `json:"reissues,omitempty"` // passes asked for beyond the first
	FirstSeen time.Time    `json:"first_seen"`
}

// StopRequest asks a joiner to end.
type StopRequest struct {
	// Outcome is StageCancelled or StageRevoked. The latter is refused where
	// there is no pass to revoke.
	Outcome Stage  `json:"outcome"`
	Actor   string `json:"actor"`  // who asks
	Reason  string `json:"reason"` // why; goes to the audit
}

// PassInput starts a pass: issue, hand over, watch, revoke.
type PassInput struct {
	Ref     string       `json:"ref"` // of the journey that wants it
	UserID  string       `json:"user_id"`
	Profile jml.Profile  `json:"profile"`
	Facts   jml.Snapshot `json:"facts"`
	UPN     string       `json:"upn"`
	StartAt time.Time    `json:"start_at"` // not before this
	Since   time.Time    `json:"since"`    // see jml.PassRequest
	Until   time.Time    `json:"until"`    // give up then
	// Skip is how many routes of the passcode have shown not to work.
	Skip int `json:"skip,omitempty"`
	// State is set when a long watch continues as new. Issued is what there was
	// before.
	State  *PassState   `json:"state,omitempty"`
	Issued *IssueResult `json:"issued,omitempty"`
	// Round counts the passes of this journey from 0. From 1 on the message
	// says that an earlier one no longer works.
	Round int `json:"round"`
}

// PassEnd says why a pass ended.
type PassEnd string

// The ends.
const (
	EndRegistered PassEnd = "registered" // an allowed method was registered
	EndTimedOut   PassEnd = "timedOut"
	EndCancelled  PassEnd = "cancelled" // the journey wanted it gone
	EndBlocked    PassEnd = "blocked"   // Block says why
	EndAgain      PassEnd = "again"     // the employee asked for another one
)

// PassResult is the receipt of a pass.
type PassResult struct {
	End   PassEnd    `json:"end"`
	Block *jml.Block `json:"block,omitempty"` // with EndBlocked
	// Invited says that a link went out.
	Invited bool `json:"invited,omitempty"`
	// NextRoute, with ReasonUndeliverable, is the route of the passcode to try
	// next.
	NextRoute  int           `json:"next_route,omitempty"`
	Deliveries []Delivery    `json:"deliveries,omitempty"`
	Pickup     *PickupView   `json:"pickup,omitempty"`
	Issued     *IssueResult  `json:"issued,omitempty"`
	Registered *jml.Method   `json:"registered,omitempty"`
	Revoked    *RevokeResult `json:"revoked,omitempty"`
}

// mayHaveBeenSeen reports whether a message with a passcode or a link may have
// gone out. Only a refusal tells for certain that none did.
func (r PassResult) mayHaveBeenSeen() bool {
	if r.Issued != nil || r.Invited || r.Block == nil {
		return true
	}
	switch r.Block.Reason {
	case jml.ReasonChannelUnavailable, jml.ReasonInternal:
		return true
	}
	return false
}

// PassView is what a running pass shows to an operator.
type PassView struct {
	Stage      Stage        `json:"stage"`
	Issued     *IssueResult `json:"issued,omitempty"`
	Registered *jml.Method  `json:"registered,omitempty"`
	NextLook   time.Time    `json:"next_look,omitzero"`
	Looks      int          `json:"looks"`
	Deliveries []Delivery   `json:"deliveries,omitempty"`
	Pickup     *PickupView  `json:"pickup,omitempty"`
}
