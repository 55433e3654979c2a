package workflows

import (
	"time"

	"firstpass.internal/internal/jml"
)

// Updates by which an operator steers a journey that goes on. UpdateResend goes
// to the pass, the others to the journey.
const (
	UpdateHold   = "hold"   // HoldRequest in, Answer out
	UpdateMove   = "move"   // MoveRequest in, Answer out
	UpdateLink   = "link"   // LinkRequest in, Answer out
	UpdateResend = "resend" // ResendRequest in, Answer out
)

// Word is who says something, why, and what they saw when they said it.
type Word struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	// Version is JourneyView.Version as the operator saw it: if the journey has
	// changed since, the word is refused with a text that begins with Quicker. 0:
	// whatever it is.
	Version int `json:"version,omitempty"`
}

// HoldRequest stops a journey from getting a pass, or lets it go on. A pass that
// is out already stays.
type HoldRequest struct {
	Word
	Hold bool `json:"hold"`
}

// MoveRequest gives a journey another start than HR's.
type MoveRequest struct {
	Word
	Date jml.Date  `json:"date"`
	Hour jml.Clock `json:"hour,omitzero"` // zero: HR's time of day, else the profile's
	// Until is when HR's start counts again at the latest. It does so before if
	// HR says another start than the one that was moved. Zero: only then.
	Until time.Time `json:"until,omitzero"`
}

// LinkRequest names the Entra user of an employee whom no rule finds, until HR
// itself names another one.
type LinkRequest struct {
	Word
	UserID string `json:"user_id"` // object id
}

// ResendRequest sends the invitation again: link and code, never a passcode. Its
// Version is that of the PassView.
type ResendRequest struct {
	Word
	// Channel is the one to use, of the profile's routes; empty: the first.
	Channel string `json:"channel,omitempty"`
}
