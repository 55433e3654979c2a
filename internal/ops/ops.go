// Package ops is what operators do with Firstpass: see where everybody stands,
// why, and what to do, and steer. The API, the console and the CLI are three
// ways to it; rules about who may do what stand here, once.
package ops

import (
	"fmt"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

// Verb is what an operator does.
type Verb string

// The verbs. Those on journeys take the journey's workflow ID as their object,
// the others a quarantined record, a source or nothing.
const (
	VerbHold       Verb = "hold"       // nothing is issued until resumed
	VerbResume     Verb = "resume"     //
	VerbMove       Verb = "move"       // another start than HR's, until HR says another one or Until
	VerbResend     Verb = "resend"     // the invitation again, never a code that was shown; Channel: by that one
	VerbReissue    Verb = "reissue"    // another pass; Channel: by that one
	VerbRevoke     Verb = "revoke"     // the live pass at once; ends the journey
	VerbCancel     Verb = "cancel"     //
	VerbLink       Verb = "link"       // to the Entra user with the object id UserID
	VerbRegistered Verb = "registered" // completed after a proof by hand
	VerbApprove    Verb = "approve"    //
	VerbRefuse     Verb = "refuse"     //
	VerbNudge      Verb = "nudge"      // look now
	VerbDeviceDone Verb = "deviceDone" // of a staging

	VerbReplay  Verb = "replay" // a quarantined record
	VerbDrop    Verb = "drop"   // a quarantined record
	VerbPause   Verb = "pause"  // a source: what it sends is kept and not acted on
	VerbUnpause Verb = "unpause"
	VerbHalt    Verb = "halt"    // no new passes, anywhere, from now on
	VerbLift    Verb = "lift"    // the halt
	VerbRelease Verb = "release" // a source's brake: what it stopped goes through, once

	// A change that HR made shortly before a hand-over, or on which two sources
	// differ. The object is the employee's reference.
	VerbHeldApprove Verb = "heldApprove" // what was said last counts
	VerbHeldReject  Verb = "heldReject"  // what was in force before
)

// Verbs lists all of them.
func Verbs() []Verb {
	return append(journeyVerbs(), VerbReplay, VerbDrop, VerbPause, VerbUnpause, VerbRelease, VerbHeldApprove, VerbHeldReject, VerbHalt, VerbLift)
}

// journeyVerbs lists those on journeys.
func journeyVerbs() []Verb {
	return []Verb{
		VerbHold, VerbResume, VerbMove, VerbResend, VerbReissue, VerbRevoke, VerbCancel, VerbLink, VerbRegistered,
		VerbApprove, VerbRefuse, VerbNudge, VerbDeviceDone,
	}
}

// Allowed returns the roles of which one is needed.
func (v Verb) Allowed() []access.Role {
	switch v {
	case VerbApprove, VerbRefuse:
		return []access.Role{access.Approver}
	}
	return []access.Role{access.Operator}
}

// Action is one thing that somebody wants done.
type Action struct {
	Verb   Verb
	Object string // workflow ID, id of a quarantined record, name of a source; empty for the halt
	Reason string // why, in words; goes to the ledger
	// Version is the ETag of what the operator saw. Empty: whatever it is now.
	Version string
	// ID names the act: with the same one it is taken once. It becomes the update
	// ID in Temporal. Empty: a new one.
	ID string

	Start   jml.Date  // move
	Hour    jml.Clock // move; zero: the profile's
	Until   time.Time // move: the override ends then; zero: it stays until HR says another start
	UserID  string    // link: Entra object id
	Channel string    // resend, reissue: one of the profile's routes, by the name of its channel; empty: the first
	Proof   string    // registered: what was looked at
}

// Done is what came of an action.
type Done struct {
	What string // a sentence
	// Pending says that it is under way and was not confirmed in time. It goes
	// on by itself.
	Pending bool
	Replay  *intake.Replayed         // replay: what came of the record
	Result  *workflows.JourneyResult // revoke, cancel, deviceDone, registered: how the journey ended
	Version string
}

// RefusalKind says why something is not done.
type RefusalKind string

// The kinds. Each has its HTTP status in the API.
const (
	RefusedSignIn    RefusalKind = "signIn"    // 401: nobody knows who asks
	RefusedForbidden RefusalKind = "forbidden" // 403: another role is needed
	RefusedInvalid   RefusalKind = "invalid"   // 400: the request lacks something
	RefusedMissing   RefusalKind = "missing"   // 404: there is no such thing
	RefusedState     RefusalKind = "state"     // 409: not as things stand
	RefusedVersion   RefusalKind = "version"   // 412: somebody was quicker
	RefusedAway      RefusalKind = "away"      // 503: Temporal or the ledger does not answer
)

// Refusal says why something is not done, and what to do. Nothing in it is
// personal.
type Refusal struct {
	Kind RefusalKind
	What string // a sentence without a full stop
	Do   string // the next step; may be empty
}

func (r *Refusal) Error() string {
	if r.Do == "" {
		return r.What
	}
	return fmt.Sprintf("%s: %s", r.What, r.Do)
}

// Journey is one journey as an operator sees it. Personal data.
type Journey struct {
	Row      board.Row
	Version  string // ETag
	View     workflows.JourneyView
	Pass     *workflows.PassView // of a pass under way
	Timeline []Moment
	// Stale says that Temporal does not answer: View is empty and Row is what
	// was known last.
	Stale bool
	// Gaps says in sentences what could not be read, and why.
	Gaps []string
	// Can lists what this operator may do now. Cannot says why not, for the
	// verbs that their roles allow.
	Can    []Verb
	Cannot map[Verb]string
}

// Moment is one line of a timeline.
type Moment struct {
	At        time.Time
	What      string // in words
	Who       string // actor; empty: Firstpass
	Event     audit.Event
	Outcome   string
	Reason    string
	Detail    string
	RequestID string // Graph's or the channel's
	Seq       uint64 // of the ledger row; 0: not in the ledger
	Ahead     bool   // it has not happened yet
}

// Switch is the kill switch.
type Switch struct {
	On     bool
	Actor  string
	Reason string
	Since  time.Time
}
