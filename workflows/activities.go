package workflows

import (
	"context"
	"time"

	"firstpass.internal/internal/jml"
)

// Activities is the I/O the workflows ask for. It is declared here, by the
// consumer; package activities implements it. Struct in, struct out, so that
// fields can be added without breaking what runs.
//
// No input or output holds a passcode: an activity's result is written to
// history.
type Activities interface {
	// Preflight finds the user and decides whether a pass may be made. What
	// stands in the way is a Verdict, not an error. Reads only.
	Preflight(context.Context, PreflightInput) (jml.Verdict, error)
	// IssuePass makes the pass and hands its passcode to the channel.
	IssuePass(context.Context, IssueInput) (IssueResult, error)
	// LookForMethod looks whether a method that completes the journey is
	// registered. Reads only.
	LookForMethod(context.Context, LookInput) (LookResult, error)
	// RevokePass deletes the pass and reads back until it is gone.
	RevokePass(context.Context, RevokeInput) (RevokeResult, error)
	// SendMessage sends a message by the first route that takes it. It makes up
	// the link or code that the message carries.
	SendMessage(context.Context, MessageInput) (MessageResult, error)
	// RemoveMethods deletes methods of the user, reads back until they are gone,
	// and ends sessions if asked to.
	RemoveMethods(context.Context, RemoveInput) (RemoveResult, error)
	// RecordStep writes what somebody did to the audit.
	RecordStep(context.Context, StepInput) (StepResult, error)
	// RecordClose writes the end of a journey to the audit.
	RecordClose(context.Context, CloseInput) (CloseResult, error)
}

// PreflightInput names the employee and the rules.
type PreflightInput struct {
	Ref     string      `json:"ref"`
	Match   jml.Match   `json:"match"`
	Profile jml.Profile `json:"profile"`
	// Kind, Source, Facts and Open are what the rules are asked with, once more
	// and with the user, if Open.
	Kind   jml.Kind      `json:"kind,omitempty"`
	Source string        `json:"source,omitempty"`
	Facts  *jml.Snapshot `json:"facts,omitempty"`
	Open   bool          `json:"open,omitempty"`
	// Since is from when on a method counts as already there; zero: from ever.
	Since time.Time `json:"since,omitzero"`
	// Weaker asks for what no longer suffices.
	Weaker bool `json:"weaker,omitempty"`
}

// RemoveInput names the methods to delete. Nothing but what the journey was
// asked to remove is touched.
type RemoveInput struct {
	Ref    string         `json:"ref"`
	UserID string         `json:"user_id"`
	Rule   jml.RemoveRule `json:"rule"`
	// Methods are the ids, with RemoveLost.
	Methods []string `json:"methods,omitempty"`
	// Before bounds what is older, Since what was registered.
	Before time.Time `json:"before,omitzero"`
	Since  time.Time `json:"since,omitzero"`
	// Keep is what stays though it is older: what completes the journey.
	Keep        *jml.Requirement `json:"keep,omitempty"`
	EndSessions bool             `json:"end_sessions,omitempty"`
	Actor       string           `json:"actor,omitempty"`
}

// RemoveResult is the proof.
type RemoveResult struct {
	Removed      []jml.Method `json:"removed,omitempty"`
	GoneAt       time.Time    `json:"gone_at"` // when the tenant no longer listed them
	SessionsOver bool         `json:"sessions_over,omitempty"`
}

// IssueInput describes the pass and whom it goes to.
type IssueInput struct {
	Ref     string          `json:"ref"`
	UserID  string          `json:"user_id"`
	Request jml.PassRequest `json:"request"`
	// Notice is complete but for the address, and From and Until, which the
	// tenant decides. Mode send.
	Notice jml.Notice `json:"notice"`
	// Routes are tried in order until one can take the message; Rest is where
	// the second half goes, if the passcode is split. Empty in journeys that
	// began before there were routes: then Notice holds the address.
	Routes []jml.Route `json:"routes,omitempty"`
	Rest   []jml.Route `json:"rest,omitempty"`
	// Contact is where the employee can be reached.
	Contact jml.Snapshot `json:"contact,omitzero"`
	// WorkflowID, Invitation and N name the message in its provider's events.
	// The second half has N+1.
	WorkflowID string `json:"workflow_id,omitempty"`
	Invitation string `json:"invitation,omitempty"`
	N          int    `json:"n,omitempty"`
	// Technician is the object id of who sets up the device.
	Technician string `json:"technician,omitempty"`
	// Seal hands the passcode to a visitor of the pick-up page instead of a
	// channel.
	Seal *SealInput `json:"seal,omitempty"`
}

// SealInput is for whom the passcode is sealed.
type SealInput struct {
	Visit     string `json:"visit"`
	PublicKey []byte `json:"public_key"`
}

// IssueResult is the pass that was handed over.
type IssueResult struct {
	Pass         jml.Pass    `json:"pass"`
	Receipt      jml.Receipt `json:"receipt"`
	HandedOverAt time.Time   `json:"handed_over_at"`
	// Route is which of the routes took the message, Rest which took the second
	// half and its receipt.
	Route       int         `json:"route,omitempty"`
	Rest        int         `json:"rest,omitempty"`
	RestReceipt jml.Receipt `json:"rest_receipt,omitzero"`
	// Sealed is the passcode for the visitor.
	Sealed []byte `json:"sealed,omitempty"`
}

// IssueFailure is told with the block when IssuePass gives up.
type IssueFailure struct {
	Seen bool `json:"seen,omitempty"` // a message with the passcode may have got out all the same
}

// MessageInput is a message to send.
type MessageInput struct {
	Ref    string `json:"ref"`
	UserID string `json:"user_id"`
	// WorkflowID and Invitation name the pass that sends it. With Visit they
	// decide the secrets the message carries: sent again, it says the same. N
	// is the message's number within the pass.
	WorkflowID string       `json:"workflow_id"`
	Invitation string       `json:"invitation"`
	N          int          `json:"n"`
	Visit      string       `json:"visit,omitempty"` // MessageAttest: whom it is about
	Notice     jml.Notice   `json:"notice"`          // complete but for channel and address
	Routes     []jml.Route  `json:"routes"`
	Contact    jml.Snapshot `json:"contact"`
	Technician string       `json:"technician,omitempty"` // staging: object id
	LinkHash   string       `json:"link_hash,omitempty"`  // MessageCode: of the link it goes with
}

// MessageResult is the message that was sent.
type MessageResult struct {
	Receipt jml.Receipt `json:"receipt"`
	Route   int         `json:"route"` // which of the routes took it
	// Hash is the keyed hash of what the message carries: of the link's token,
	// or of the code.
	Hash string `json:"hash,omitempty"`
	// NumberHash, of MessageAttest, is the keyed hash of the number that the
	// visitor reads out.
	NumberHash string `json:"number_hash,omitempty"`
}

// StepInput is what somebody did.
type StepInput struct {
	Ref    string `json:"ref"`
	UserID string `json:"user_id,omitempty"`
	Event  Step   `json:"event"`
	Actor  string `json:"actor,omitempty"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Step names what somebody did. The words are audit events.
type Step string

// The steps.
const (
	StepVisitOpened  Step = "visit.opened"      // link and code were right
	StepVisitRefused Step = "visit.refused"     // a wrong code
	StepProofGiven   Step = "proof.given"       //
	StepProofRefused Step = "proof.refused"     //
	StepAttested     Step = "proof.attested"    // a manager said yes or no
	StepDeskChecked  Step = "proof.deskChecked" // an officer looked at a document
	StepLocked       Step = "pickup.locked"     //
	StepRepudiated   Step = "pass.repudiated"   //
	StepAskedAgain   Step = "pass.askedAgain"   // by the employee
	StepReissue      Step = "pass.reissue"      // by an operator
	StepBounced      Step = "message.failed"    //
	StepAsked        Step = "journey.asked"     // a recovery or a staging: who, why, how verified
	StepApproved     Step = "journey.approved"  //
	StepRefused      Step = "journey.refused"   //
	StepProfile      Step = "journey.profile"   // another profile from now on
	StepUsedUp       Step = "pass.usedUp"       // used or expired, with nothing registered
	StepHeld         Step = "journey.held"      // an operator lets nothing be issued
	StepResumed      Step = "journey.resumed"   // or lets it go on
	StepMoved        Step = "journey.moved"     // another start than HR's
	StepLinked       Step = "journey.linked"    // to a user whom HR's match does not find
	StepByHand       Step = "journey.attested"  // registered, as an operator saw: the proof is the detail
	StepResent       Step = "invitation.resent" // link and code again
)

// StepResult is empty; it leaves room.
type StepResult struct{}

// LookInput says what counts.
type LookInput struct {
	UserID     string           `json:"user_id"`
	CompleteOn []jml.MethodKind `json:"complete_on"`
	AAGUIDs    []string         `json:"aaguids,omitempty"`
	Devices    int              `json:"devices,omitempty"`
	UsableFrom time.Time        `json:"usable_from"`
	// Since is when the journey began to want a pass: what was registered
	// between it and UsableFrom came about without our pass. Zero: not asked.
	Since time.Time `json:"since,omitzero"`
	// MethodID is our pass, to see whether it has been used; empty: not asked.
	MethodID string `json:"method_id,omitempty"`
}

// LookResult is what was seen.
type LookResult struct {
	// Method is the method that completes the journey; the last of Methods.
	Method *jml.Method `json:"method,omitempty"`
	// Methods count, though they may not be enough.
	Methods []jml.Method `json:"methods,omitempty"`
	// Early says that what completes the journey was registered before the pass
	// could be used.
	Early bool `json:"early,omitempty"`
	// Missing says that the tenant does not know the user.
	Missing bool `json:"missing,omitempty"`
	// Pass is the usability reason of our pass; empty if it is not listed.
	Pass string `json:"pass,omitempty"`
}

// RevokeInput names the pass to end.
type RevokeInput struct {
	Ref    string `json:"ref"`
	UserID string `json:"user_id"`
	// MethodID is the pass; empty if a pass may have been made whose id nobody
	// knows. Then whatever matches Request goes.
	MethodID string          `json:"method_id,omitempty"`
	Request  jml.PassRequest `json:"request"`
	Reason   string          `json:"reason"`
	// Use asks, before the pass is gone, whether somebody signed in with it.
	Use        bool      `json:"use,omitempty"`
	UsableFrom time.Time `json:"usable_from,omitzero"`
}

// RevokeResult is the proof.
type RevokeResult struct {
	Use       jml.Use   `json:"use,omitempty"`
	MethodIDs []string  `json:"method_ids,omitempty"` // what was deleted
	GoneAt    time.Time `json:"gone_at"`              // when the tenant no longer listed it
}

// CloseInput is the end of a journey.
type CloseInput struct {
	Ref     string           `json:"ref"`
	UserID  string           `json:"user_id,omitempty"`
	Kind    jml.Kind         `json:"kind,omitempty"` // empty: joiner
	Outcome jml.Stage        `json:"outcome"`
	Actor   string           `json:"actor,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Block   *jml.BlockReason `json:"block,omitempty"`
	// Weaker are the kinds of methods that no longer suffice and were left.
	Weaker []jml.MethodKind `json:"weaker,omitempty"`
}

// CloseResult is empty; it leaves room.
type CloseResult struct{}
