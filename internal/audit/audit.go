// Package audit writes down what Firstpass does to whom, before it does it.
//
// The audit is an append-only file of JSON lines. It holds opaque references,
// ids and reasons; nothing personal and no passcode.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"firstpass.internal/internal/audit/lines"
)

// Event names what is about to happen or has happened. The words are part of
// the file's format.
type Event string

// The events. Those in the present tense are written before an act.
const (
	EventPreflightRefused Event = "preflight.refused" // no pass may be made
	EventPassIssue        Event = "pass.issue"        // a pass is about to be made
	EventPassIssued       Event = "pass.issued"       // Entra made it
	EventPassHandover     Event = "pass.handover"     // its passcode is about to go to a channel
	EventPassHandedOver   Event = "pass.handedOver"   // the channel took it
	EventPassRevoke       Event = "pass.revoke"       // a pass is about to be deleted
	EventPassGone         Event = "pass.gone"         // reading back showed it is gone
	EventMessageSend      Event = "message.send"      // a message without a passcode is about to go to a channel
	EventJoinerClosed     Event = "joiner.closed"     // a journey ended
	EventMoverClosed      Event = "mover.closed"      //
	EventRecoveryClosed   Event = "recovery.closed"   //
	EventStagingClosed    Event = "staging.closed"    //
	EventMethodRemove     Event = "method.remove"     // a method is about to be deleted
	EventMethodGone       Event = "method.gone"       // reading back showed it is gone
	EventSessionsEnd      Event = "sessions.end"      // a user is about to be signed out everywhere

	EventContactApproved   Event = "contact.approved"   // a changed address is about to be let through
	EventContactRejected   Event = "contact.rejected"   // or refused
	EventFactsApproved     Event = "facts.approved"     // of two sources that contradict each other, the last word is taken for true
	EventFactsRejected     Event = "facts.rejected"     // or what was in force before
	EventBrakeReleased     Event = "brake.released"     // a source may change more than its brake allows, once
	EventQuarantineDropped Event = "quarantine.dropped" // a record is about to be forgotten
)

// Entry is one line of the audit. Everything but Time and Event may be empty.
type Entry struct {
	Time      time.Time `json:"time"`
	Event     Event     `json:"event"`
	Ref       string    `json:"ref,omitempty"`        // of the journey
	UserID    string    `json:"user_id,omitempty"`    // Entra object id
	MethodID  string    `json:"method_id,omitempty"`  // of the pass
	RequestID string    `json:"request_id,omitempty"` // Graph's or the channel's
	Outcome   string    `json:"outcome,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Actor     string    `json:"actor,omitempty"` // operator, or empty for Firstpass itself
	Detail    string    `json:"detail,omitempty"`
}

// maxField bounds a field, in bytes. The longest we write ourselves are a
// fault's text and an operator's reason.
const maxField = 512

// cut marks a field that was too long.
const cut = "…[cut]"

// File is an audit file. It is safe for concurrent use, and several processes
// may append to one path.
type File struct {
	lines *lines.File
}

// Open opens the audit at path, or makes it, mode 0600. A line that a crash
// left torn is ended, never overwritten.
func Open(path string) (*File, error) {
	l, err := lines.Open(path)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return &File{l}, nil
}

// Close closes the file; later appends fail.
func (f *File) Close() error { return f.lines.Close() }

// Append writes e and returns once it is on disk. Callers act only after nil:
// whatever the error, the line may be missing.
//
// Control characters in fields become spaces and long fields are cut, with a
// mark, rather than refused: a strange reply of some other system must not keep
// a pass from being revoked.
func (f *File) Append(ctx context.Context, e Entry) error {
	// Looked at before the write only: giving up on a sync half done would
	// leave the caller not knowing.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if e.Event == "" || e.Time.IsZero() {
		return errors.New("audit: an entry needs an event and a time")
	}
	e.Time = e.Time.UTC()
	e.Event = Event(clean(string(e.Event)))
	for _, s := range []*string{&e.Ref, &e.UserID, &e.MethodID, &e.RequestID, &e.Outcome, &e.Reason, &e.Actor, &e.Detail} {
		*s = clean(*s)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := f.lines.Append(line); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// clean makes s fit for one line in a terminal or a log viewer. Direction marks
// go as well: they make a line read differently from what it says.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxField {
		return s
	}
	s = s[:maxField-len(cut)]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + cut
}
