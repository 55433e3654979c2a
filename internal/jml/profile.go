package jml

import (
	"time"
)

// Mode says how a passcode reaches the person.
type Mode string

// ModeSend hands the passcode to a channel in the activity that issued it.
const ModeSend Mode = "send"

// RecipientKind names where a message goes.
type RecipientKind string

// RecipientPersonalMail is the private mail address that HR has.
const RecipientPersonalMail RecipientKind = "personal_mail"

// Profile is our rules for a cohort. It is copied into each journey when the
// journey starts: a changed configuration applies to journeys that start later,
// never to one half done.
//
// Every wait is here, none is a constant in a workflow, so that tests and the
// demo shorten time from outside.
type Profile struct {
	Name       string          `json:"name"`
	LeadTime   time.Duration   `json:"lead_time"`   // how long before the start the pass is issued
	StartHour  Clock           `json:"start_hour"`  // local time the pass becomes usable
	Lifetime   time.Duration   `json:"lifetime"`    // of the pass, whole minutes from its start
	OneTime    bool            `json:"one_time"`    // the pass works once
	Mode       Mode            `json:"mode"`        //
	Channel    string          `json:"channel"`     // a configured channel's name
	Recipient  RecipientKind   `json:"recipient"`   //
	CompleteOn []MethodKind    `json:"complete_on"` // methods that complete the journey
	Settle     time.Duration   `json:"settle"`      // from registration to revocation
	Timeout    time.Duration   `json:"timeout"`     // from the start until we give up
	Poll       []time.Duration `json:"poll"`        // waits between looks at the methods; the last repeats
	Recheck    []time.Duration `json:"recheck"`     // waits between tries while blocked; the last repeats
}

// Wait returns the n-th (from 0) of waits, the last one for ever after.
func Wait(waits []time.Duration, n int) time.Duration {
	if len(waits) == 0 {
		return time.Minute
	}
	return waits[min(n, len(waits)-1)]
}
