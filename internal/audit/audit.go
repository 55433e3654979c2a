// Package audit says what is written down of what Firstpass does to whom: the
// entries, the rows of the chain that they become, the signed heads of that
// chain, and what the rows prove of each pass.
//
// A row holds opaque references, ids and words of the program. Who did
// something and why is personal: it stands beside the row, which holds only its
// salted hash, so that it can be erased and the chain stays valid.
package audit

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Event names what is about to happen or has happened. The words are part of
// the format of rows.
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

	EventPassListed     Event = "pass.listed"     // the tenant still lists a pass whose deletion it took
	EventLedgerOpened   Event = "ledger.opened"   // row 0 of a chain
	EventPersonalErased Event = "personal.erased" // what was personal in earlier rows is gone
)

// Listed is the Outcome of a pass.revoke whose pass the tenant has just listed.
const Listed = "listed"

// Entry is what is written down of one act. Everything but Time and Event may be
// empty.
type Entry struct {
	Time      time.Time `json:"time"`
	Event     Event     `json:"event"`
	Ref       string    `json:"ref,omitempty"`        // of the journey
	UserID    string    `json:"user_id,omitempty"`    // Entra object id
	MethodID  string    `json:"method_id,omitempty"`  // of the pass
	RequestID string    `json:"request_id,omitempty"` // Graph's or the channel's; of pass.gone, that of the look
	Outcome   string    `json:"outcome,omitempty"`
	Reason    string    `json:"reason,omitempty"` // personal, as people type it
	Actor     string    `json:"actor,omitempty"`  // operator, or empty for Firstpass itself; personal
	Detail    string    `json:"detail,omitempty"` // personal, as people type it

	// For receipts.
	UsableFrom      time.Time `json:"usable_from,omitzero"`        // pass.issued: when the pass begins to work
	UsableUntil     time.Time `json:"usable_until,omitzero"`       // pass.issued: when it ends by itself
	Used            string    `json:"used,omitempty"`              // pass.revoke: "used" or "none"; empty: not known
	DeleteRequestID string    `json:"delete_request_id,omitempty"` // pass.gone: Graph's, of the deletion
}

// maxField bounds a field, in bytes. The longest we write ourselves are a
// fault's text and an operator's reason.
const maxField = 512

// cut marks a field that was too long.
const cut = "…[cut]"

// Cleaned returns e as it goes into a row.
//
// Control characters in fields become spaces and long fields are cut, with a
// mark, rather than refused: a strange reply of some other system must not keep
// a pass from being revoked. It fails if e has no event or no time.
func (e Entry) Cleaned() (Entry, error) {
	if e.Event == "" || e.Time.IsZero() {
		return e, errors.New("audit: an entry needs an event and a time")
	}
	e.Time, e.UsableFrom, e.UsableUntil = e.Time.UTC(), e.UsableFrom.UTC(), e.UsableUntil.UTC()
	e.Event = Event(clean(string(e.Event)))
	for _, s := range []*string{&e.Ref, &e.UserID, &e.MethodID, &e.RequestID, &e.Outcome, &e.Reason, &e.Actor, &e.Detail, &e.Used, &e.DeleteRequestID} {
		*s = clean(*s)
	}
	return e, nil
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
