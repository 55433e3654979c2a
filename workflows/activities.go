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
	LinkHash   string       `json:"link_hash,omitempty"` // MessageCode: of the link it goes with
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
)

// StepResult is empty; it leaves room.
type StepResult struct{}

// LookInput says what counts.
type LookInput struct {
	UserID     string           `json:"user_id"`
	CompleteOn []jml.MethodKind `json:"complete_on"`
	UsableFrom time.Time        `json:"usable_from"`
}

// LookResult holds the completing method, if there is one.
type LookResult struct {
	Method *jml.Method `json:"method,omitempty"`
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
}

// RevokeResult is the proof.
type RevokeResult struct {
	MethodIDs []string  `json:"method_ids,omitempty"` // what was deleted
	GoneAt    time.Time `json:"gone_at"`              // when the tenant no longer listed it
}

// CloseInput is the end of a journey.
type CloseInput struct {
	Ref     string           `json:"ref"`
	UserID  string           `json:"user_id,omitempty"`
	Outcome Stage            `json:"outcome"`
	Actor   string           `json:"actor,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Block   *jml.BlockReason `json:"block,omitempty"`
}

// CloseResult is empty; it leaves room.
type CloseResult struct{}
