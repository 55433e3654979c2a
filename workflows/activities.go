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
	// Notice is complete but for From and Until, which the tenant decides.
	Notice jml.Notice `json:"notice"`
}

// IssueResult is the pass that was handed over.
type IssueResult struct {
	Pass         jml.Pass    `json:"pass"`
	Receipt      jml.Receipt `json:"receipt"`
	HandedOverAt time.Time   `json:"handed_over_at"`
}

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
