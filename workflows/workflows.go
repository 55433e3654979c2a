// Package workflows holds the journeys: deterministic code that Temporal runs
// and replays. It imports the workflow SDK and internal/jml, nothing else.
//
// This file is the vocabulary. Whoever talks to a journey (intake, CLI, tests)
// takes names, IDs, inputs and outputs from here and spells none by hand.
package workflows

import (
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// TaskQueue is where Firstpass workers listen unless the configuration names
// another.
const TaskQueue = "firstpass"

// Workflow type names.
const (
	TypeJoiner   = "Joiner"
	TypeMover    = "Mover"
	TypeRecovery = "Recovery"
	TypeStaging  = "Staging"
	TypePass     = "Pass"
)

// Type returns the workflow type of journeys of a kind.
func Type(kind jml.Kind) string {
	switch kind {
	case jml.KindMover:
		return TypeMover
	case jml.KindRecovery:
		return TypeRecovery
	case jml.KindStaging:
		return TypeStaging
	}
	return TypeJoiner
}

// JourneyID returns the workflow ID of the journey of a kind of the employee
// that source knows by the opaque ref. Dates are not part of it: a moved date
// must reach the same workflow. Nor is a request: one of each kind is under way
// at a time, so that two operators can't start two.
func JourneyID(kind jml.Kind, source, ref string) string {
	return string(kind) + "/" + source + "/" + ref
}

// KindOf returns the kind of the journey with the given workflow ID; empty if
// it is none.
func KindOf(workflowID string) jml.Kind {
	kind, _, _ := strings.Cut(workflowID, "/")
	if slices.Contains(jml.Kinds(), jml.Kind(kind)) {
		return jml.Kind(kind)
	}
	return ""
}

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
	// SignalFacts brings Facts to a journey; to joiners and movers by
	// signal-with-start.
	SignalFacts = "facts"
	// SignalLook asks a blocked journey to try again, or a pass to look at the
	// registered methods now instead of at its next poll. No argument.
	SignalLook = "look"
	// SignalRequire tells a pass what completes it from now on: a
	// jml.Requirement. Sent by its journey.
	SignalRequire = "require"
	// SignalHold tells a pass whether an operator holds its journey: a bool. Sent
	// by its journey. While held, an invitation can't be collected.
	SignalHold = "hold"
)

// Facts are what HR says, and the profile that it brings.
type Facts struct {
	jml.Snapshot
	// Choice is set when the position has changed: another profile may be for
	// it.
	Choice *jml.Choice `json:"choice,omitempty"`
}

// Updates and queries.
const (
	// UpdateStop ends a journey: jml.Stop in, JourneyResult out, answered once
	// the pass is confirmed gone.
	UpdateStop = "stop"
	// UpdateDecide approves or refuses a journey that waits for it: Decision in,
	// Answer out.
	UpdateDecide = "decide"
	// QueryJourney answers a JourneyView. Personal data: operators only.
	QueryJourney = "journey"
	// QueryPass answers a PassView.
	QueryPass = "pass"
)

// Search attributes. They are stored in clear by Temporal and so carry no
// personal data. All are keywords but where a type is named. Those of a pass
// (workflow type Pass) are Stage, Source, Channel, Expires and Changed.
const (
	AttributeStage   = "FirstpassStage"       // a jml.Stage, of a journey or of a pass
	AttributeSource  = "FirstpassSource"      // name of the HR source
	AttributeReason  = "FirstpassReason"      // a jml.BlockReason while blocked, else empty
	AttributeStarts  = "FirstpassStarts"      // datetime: the start instant
	AttributeKind    = "FirstpassKind"        // a jml.Kind
	AttributeSite    = "FirstpassSite"        // as HR calls the place
	AttributeChannel = "FirstpassChannel"     // by which pass or link went last
	AttributeExpires = "FirstpassExpires"     // datetime: end of the live pass
	AttributeNeeds   = "FirstpassNeedsAction" // bool: nothing happens until somebody does something
	AttributeChanged = "FirstpassChanged"     // datetime: when Stage, Reason or Starts became what they are
)

// Decision is an approver's word.
type Decision struct {
	Approve bool   `json:"approve"`
	Actor   string `json:"actor"`  // who decides; not the requester
	Reason  string `json:"reason"` // needed for a no; goes to the audit
	// Version is as in Word.
	Version int `json:"version,omitempty"`
}

// JourneyInput starts a journey of any kind.
type JourneyInput struct {
	Kind    jml.Kind    `json:"kind,omitempty"` // empty: joiner
	Ref     string      `json:"ref"`
	Source  string      `json:"source"`
	Profile jml.Profile `json:"profile"`
	// Open says that the profile is chosen once there is a user, see
	// jml.Choice; Block why there is none.
	Open  bool       `json:"open,omitempty"`
	Block *jml.Block `json:"block,omitempty"`
	// Request is why a recovery or a staging is wanted.
	Request *jml.Request `json:"request,omitempty"`
	// Facts are the first snapshot; nil if it follows as a SignalFacts.
	Facts *jml.Snapshot `json:"facts,omitempty"`
	// Carried is set when a long-blocked journey continues as new.
	Carried *Carried `json:"carried,omitempty"`
	// Shows is what the namespace can show.
	Shows Shows `json:"shows,omitempty"`
}

// Carried is what one run of a journey leaves to the next.
type Carried struct {
	Facts     jml.Snapshot   `json:"facts"`
	FirstSeen time.Time      `json:"first_seen"`
	Rechecks  int            `json:"rechecks"`
	Round     int            `json:"round"`
	Reissues  int            `json:"reissues,omitempty"`
	Skip      int            `json:"skip,omitempty"`
	Barred    *jml.Block     `json:"barred,omitempty"`
	ContactAt time.Time      `json:"contact_at,omitzero"`
	Stage     jml.Stage      `json:"stage"`
	Block     *jml.Block     `json:"block,omitempty"`
	Approval  jml.Approval   `json:"approval,omitzero"`
	Cleared   bool           `json:"cleared,omitempty"`
	Ended     *jml.EndedPass `json:"ended,omitempty"`
	Told      []jml.Message  `json:"told,omitempty"`
	Pass      *PassResult    `json:"pass,omitempty"`
	User      *jml.User      `json:"user,omitempty"`
	Staged    Staged         `json:"staged,omitzero"`
	Removed   []jml.Method   `json:"removed,omitempty"`
	Outdated  int            `json:"outdated,omitempty"`
	Held      *Word          `json:"held,omitempty"`
	Override  *MoveRequest   `json:"override,omitempty"`
	Linked    string         `json:"linked,omitempty"`
	Channel   string         `json:"channel,omitempty"`
	Version   int            `json:"version,omitempty"`
	Since     time.Time      `json:"since,omitzero"` // when Stage or Block became what they are
	outbox
}

// Staged is whose pass a technician had last, and since when.
type Staged struct {
	UserID string    `json:"user_id"`
	Since  time.Time `json:"since"`
}

// JourneyResult is how a journey ended.
type JourneyResult struct {
	Outcome jml.Stage `json:"outcome"`
	// Facts are the last snapshot held. Intake compares what HR says later
	// with them, so that a repeat does not start a second journey.
	Facts jml.Snapshot `json:"facts"`
	Block *jml.Block   `json:"block,omitempty"` // what stood in the way when time ran out
	Pass  *PassResult  `json:"pass,omitempty"`  // of the last pass, if there was one
	// Removed are the methods that were deleted, Weaker those that no longer
	// suffice and were left.
	Removed []jml.Method `json:"removed,omitempty"`
	Weaker  []jml.Method `json:"weaker,omitempty"`
}

// JourneyView is what a journey shows to an operator.
type JourneyView struct {
	Kind       jml.Kind      `json:"kind"`
	Ref        string        `json:"ref"`
	Source     string        `json:"source"`
	Profile    string        `json:"profile"`
	Stage      jml.Stage     `json:"stage"`
	Facts      jml.Snapshot  `json:"facts"`
	Start      time.Time     `json:"start"`              // the start instant
	IssueAt    time.Time     `json:"issue_at"`           // the start less the lead time
	Deadline   time.Time     `json:"deadline"`           // when it gives up
	User       *jml.User     `json:"user,omitempty"`     // once found
	Block      *jml.Block    `json:"block,omitempty"`    // while blocked
	Recheck    time.Time     `json:"recheck,omitzero"`   // next try while blocked
	PassID     string        `json:"pass_id,omitempty"`  // workflow ID of the running pass
	Pass       *PassResult   `json:"pass,omitempty"`     // of the last pass that ended
	Stopping   *jml.Stop     `json:"stopping,omitempty"` // an operator's wish under way
	Request    *jml.Request  `json:"request,omitempty"`
	Approval   *jml.Approval `json:"approval,omitempty"` // once asked for
	Removed    []jml.Method  `json:"removed,omitempty"`
	Weaker     []jml.Method  `json:"weaker,omitempty"`
	Deliveries []Delivery    `json:"deliveries,omitempty"` // of the journey's own messages
	Outdated   int           `json:"outdated,omitempty"`   // snapshots dropped as older or the same
	Reissues   int           `json:"reissues,omitempty"`   // passes asked for beyond the first
	FirstSeen  time.Time     `json:"first_seen"`
	// Version counts what has changed, from 1; Word.Version is compared with it.
	// A journey that begins anew counts anew.
	Version  int          `json:"version,omitempty"`
	Since    time.Time    `json:"since,omitzero"`     // when Stage or Block became what they are
	Held     *Word        `json:"held,omitempty"`     // an operator's hold
	Override *MoveRequest `json:"override,omitempty"` // of HR's start
	Linked   string       `json:"linked,omitempty"`   // object id that an operator linked
}

// PassInput starts a pass: issue, hand over, watch, revoke.
type PassInput struct {
	Kind    jml.Kind     `json:"kind,omitempty"`    // of the journey that wants it; empty: joiner
	Request *jml.Request `json:"request,omitempty"` // of a recovery or a staging
	Ref     string       `json:"ref"`               //
	UserID  string       `json:"user_id"`
	Profile jml.Profile  `json:"profile"`
	Facts   jml.Snapshot `json:"facts"`
	UPN     string       `json:"upn"`
	// Linked says that an operator named UserID: HR's match finds somebody else,
	// or nobody.
	Linked bool `json:"linked,omitempty"`
	// Channel is by which an operator wants link and code to go; empty: in the
	// profile's order.
	Channel string    `json:"channel,omitempty"`
	Shows   Shows     `json:"shows,omitempty"` // as in JourneyInput
	StartAt time.Time `json:"start_at"`        // not before this
	Since   time.Time `json:"since"`           // see jml.PassRequest
	Until   time.Time `json:"until"`           // give up then
	// Skip is how many routes of the passcode have shown not to work.
	Skip int `json:"skip,omitempty"`
	// Approved says that somebody approved the journey: without it nobody who
	// holds roles gets a pass, whatever the profile allows.
	Approved bool `json:"approved,omitempty"`
	// State is set when a long watch continues as new. Issued is what there was
	// before.
	State  *PassState   `json:"state,omitempty"`
	Issued *IssueResult `json:"issued,omitempty"`
	// Round counts the passes of this journey from 0. From 1 on the message
	// says that an earlier one no longer works.
	Round int `json:"round"`
}

// PassResult is the receipt of a pass.
type PassResult struct {
	End   jml.PassEnd `json:"end"`
	Block *jml.Block  `json:"block,omitempty"` // with jml.EndBlocked
	// Invited says that a link went out, Seen that a passcode may have, though
	// the pass could not be issued.
	Invited bool `json:"invited,omitempty"`
	Seen    bool `json:"seen,omitempty"`
	// NextRoute, with ReasonUndeliverable, is the route of the passcode to try
	// next.
	NextRoute  int          `json:"next_route,omitempty"`
	Deliveries []Delivery   `json:"deliveries,omitempty"`
	Pickup     *PickupView  `json:"pickup,omitempty"`
	Issued     *IssueResult `json:"issued,omitempty"`
	// Registered is the first method that completes the journey, Methods are
	// all of them if more than one was asked for.
	Registered *jml.Method   `json:"registered,omitempty"`
	Methods    []jml.Method  `json:"methods,omitempty"`
	Revoked    *RevokeResult `json:"revoked,omitempty"`
	// Use is whether somebody signed in with it; Require what Registered
	// satisfies.
	Use     jml.Use          `json:"use,omitempty"`
	Require *jml.Requirement `json:"require,omitempty"`
}

// mayHaveBeenSeen reports whether a message with a passcode or a link may have
// gone out. Only a refusal tells for certain that none did.
func (r PassResult) mayHaveBeenSeen() bool {
	if r.Issued != nil || r.Invited || r.Seen || r.Block == nil {
		return true
	}
	switch r.Block.Reason {
	case jml.ReasonChannelUnavailable, jml.ReasonInternal, jml.ReasonHalted: // the last of which may follow a try that crashed
		return true
	}
	return false
}

// PassView is what a running pass shows to an operator.
type PassView struct {
	Stage      jml.Stage    `json:"stage"`
	Use        jml.Use      `json:"use,omitempty"`
	Issued     *IssueResult `json:"issued,omitempty"`
	Registered *jml.Method  `json:"registered,omitempty"`
	NextLook   time.Time    `json:"next_look,omitzero"`
	Looks      int          `json:"looks"`
	// Version counts what has changed, from 1; ResendRequest.Version is compared
	// with it.
	Version    int         `json:"version,omitempty"`
	Since      time.Time   `json:"since,omitzero"` // when Stage became what it is
	Held       bool        `json:"held,omitempty"` // by an operator: nothing is issued
	Deliveries []Delivery  `json:"deliveries,omitempty"`
	Pickup     *PickupView `json:"pickup,omitempty"`
}
