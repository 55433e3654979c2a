package jml

import (
	"time"
)

// Mode says how a passcode reaches the person.
type Mode string

// The modes.
const (
	// ModeSend hands the passcode to a channel in the activity that issued it.
	ModeSend Mode = "send"
	// ModePickup sends a link and, by another channel, a code; the pass is made
	// when both are typed into the pick-up page, and shown there.
	ModePickup Mode = "pickup"
)

// RecipientKind names whom a message goes to.
type RecipientKind string

// The recipients.
const (
	RecipientPersonalMail  RecipientKind = "personal_mail"  // the private mail address that HR has
	RecipientPersonalPhone RecipientKind = "personal_phone" // the private number that HR has
	RecipientWorkMail      RecipientKind = "work_mail"      // the user's own mailbox, from Entra
	RecipientManager       RecipientKind = "manager"        // from Entra
	RecipientSponsor       RecipientKind = "sponsor"        // from Entra, the first one
	RecipientDesk          RecipientKind = "desk"           // a desk of the configuration, or a channel that is one
	RecipientTechnician    RecipientKind = "technician"     // who sets up the device, from Entra; staging only
)

// Recipients lists all of them.
func Recipients() []RecipientKind {
	return []RecipientKind{RecipientPersonalMail, RecipientPersonalPhone, RecipientWorkMail,
		RecipientManager, RecipientSponsor, RecipientDesk, RecipientTechnician}
}

// Employee reports whether k is the employee himself.
func (k RecipientKind) Employee() bool {
	return k == RecipientPersonalMail || k == RecipientPersonalPhone || k == RecipientWorkMail
}

// InTenant reports whether only the tenant knows the address.
func (k RecipientKind) InTenant() bool {
	return k == RecipientWorkMail || k == RecipientManager || k == RecipientSponsor || k == RecipientTechnician
}

// Route is one way of getting a message to somebody. Routes come in lists: the
// first that works is taken, the next one when it turns out that it did not.
type Route struct {
	Channel   string        `json:"channel"`        // a configured channel's name
	Recipient RecipientKind `json:"recipient"`      //
	Desk      string        `json:"desk,omitempty"` // a configured desk's name, with RecipientDesk
}

// ProofKind names how a visitor of the pick-up page shows who he is, beyond
// holding link and code.
type ProofKind string

// The kinds.
const (
	ProofFact    ProofKind = "fact"    // tells what HR knows and no message holds
	ProofOIDC    ProofKind = "oidc"    // signs in at an identity provider whose claims match
	ProofManager ProofKind = "manager" // the manager vouches, while the visitor waits
	ProofDesk    ProofKind = "desk"    // an officer looked at a document, and gave a one-time code
)

// Proof is one step of a profile's proof. How it is checked stays in the
// configuration of the pick-up page, under its name.
type Proof struct {
	Name string    `json:"name"`
	Kind ProofKind `json:"kind"`
	To   []Route   `json:"to,omitempty"` // ProofManager: how the manager is asked
}

// Anchor is a moment that reminders count from.
type Anchor string

// The anchors.
const (
	AnchorStart  Anchor = "start"  // the employee's start
	AnchorExpiry Anchor = "expiry" // the end of the pass; of the wait, while there is none
)

// Reminder is a message that goes out while nothing is registered.
type Reminder struct {
	Anchor Anchor        `json:"anchor"`
	Offset time.Duration `json:"offset"` // negative: before
	To     []Route       `json:"to"`     // an employee is reminded; for anybody else it is an escalation
}

// QuietHours is a span of the local day in which nobody is reminded. From may
// be later than Until: then it goes over midnight. Equal means none.
type QuietHours struct {
	From  Clock `json:"from"`
	Until Clock `json:"until"`
}

// LateRule says what to do about somebody of whom we first hear after the start.
type LateRule string

// The rules.
const (
	LateNow   LateRule = ""      // a pass at once
	LateAsk   LateRule = "ask"   // a pass once somebody approves
	LateBlock LateRule = "block" // none until HR moves the start
)

// UnfinishedRule says what to do when a pass is used up or expires and nothing
// is registered.
type UnfinishedRule string

// The rules.
const (
	UnfinishedWait    UnfinishedRule = ""        // nothing, until time runs out
	UnfinishedOffer   UnfinishedRule = "offer"   // the employee is told how to get another one
	UnfinishedReissue UnfinishedRule = "reissue" // another one, at once
)

// RemoveRule says which of the user's methods a journey deletes.
type RemoveRule string

// The rules.
const (
	RemoveNone       RemoveRule = ""           // none; older ones are reported
	RemoveOlder      RemoveRule = "older"      // joiner: of a rehire, before the pass; mover: what no longer suffices, at the end
	RemoveLost       RemoveRule = "lost"       // recovery: those that the request names, before the pass
	RemoveRegistered RemoveRule = "registered" // staging: what was registered with the pass, at the end
)

// Cap bounds how often something may be asked for.
type Cap struct {
	Count int           `json:"count"` // at most so many
	Per   time.Duration `json:"per"`   // within so long
	Rest  time.Duration `json:"rest"`  // and never two within so long
}

// Profile is our rules for a cohort. It is copied into each journey when the
// journey starts: a changed configuration applies to journeys that start later,
// never to one half done. Another position may bring another profile.
//
// Every wait is here, none is a constant in a workflow, so that tests and the
// demo shorten time from outside.
type Profile struct {
	Name       string          `json:"name"`
	LeadTime   time.Duration   `json:"lead_time"`         // how long before the start the pass is issued, or the link sent
	StartHour  Clock           `json:"start_hour"`        // local time the pass becomes usable
	Lifetime   time.Duration   `json:"lifetime"`          // of the pass, whole minutes from its start
	OneTime    bool            `json:"one_time"`          // the pass works once
	Mode       Mode            `json:"mode"`              //
	CompleteOn []MethodKind    `json:"complete_on"`       // kinds of methods that complete the journey
	AAGUIDs    []string        `json:"aaguids,omitempty"` // makes of passkeys that do; none: all
	Devices    int             `json:"devices,omitempty"` // how many methods complete it; 0 is 1
	Settle     time.Duration   `json:"settle"`            // from registration to revocation
	Timeout    time.Duration   `json:"timeout"`           // from the start until we give up
	Poll       []time.Duration `json:"poll"`              // waits between looks at the methods; the last repeats
	Recheck    []time.Duration `json:"recheck"`           // waits between tries while blocked; the last repeats

	// When.
	LeadDays int       `json:"lead_days,omitempty"` // working days before the start, instead of LeadTime
	Calendar *Calendar `json:"calendar,omitempty"`  // of the employee's site; nil: every day is one

	// Who decides, and what else is done.
	Late       LateRule       `json:"late,omitempty"`       // joiner
	Approval   *ApprovalRule  `json:"approval,omitempty"`   // whom the rules below ask
	Approve    bool           `json:"approve,omitempty"`    // every journey of this profile needs a yes
	Privileged bool           `json:"privileged,omitempty"` // holders of roles may have a pass, once somebody approves
	Unfinished UnfinishedRule `json:"unfinished,omitempty"` //
	Remove     RemoveRule     `json:"remove,omitempty"`     //
	Cap        *Cap           `json:"cap,omitempty"`        // recovery, staging

	// Mode send.
	PassTo []Route `json:"pass_to,omitempty"` // the passcode, or its first half
	RestTo []Route `json:"rest_to,omitempty"` // the second half, if it is split

	// Mode pickup.
	LinkTo    []Route       `json:"link_to,omitempty"`    //
	CodeTo    []Route       `json:"code_to,omitempty"`    // nobody who is among LinkTo
	LinkValid time.Duration `json:"link_valid,omitempty"` // of link and code
	Proofs    []Proof       `json:"proofs,omitempty"`     // beyond link and code, in order
	Window    time.Duration `json:"window,omitempty"`     // how long the page shows the pass again

	// Both.
	NoticeTo  []Route     `json:"notice_to,omitempty"` // told of every issue or collection
	AlertTo   []Route     `json:"alert_to,omitempty"`  // told when something is wrong
	ChangeTo  []Route     `json:"change_to,omitempty"` // the employee: told when the start moves or a pass is used up
	MissedTo  []Route     `json:"missed_to,omitempty"` // manager, HR: told when nothing was registered in time
	Reminders []Reminder  `json:"reminders,omitempty"` //
	Quiet     *QuietHours `json:"quiet,omitempty"`     // in the employee's zone
	Reissues  int         `json:"reissues,omitempty"`  // how many passes may follow the first

	// Channel and Recipient are PassTo of journeys that started before there
	// was more than one.
	Channel   string        `json:"channel,omitempty"`
	Recipient RecipientKind `json:"recipient,omitempty"`
}

// PassRoutes returns where the passcode goes in mode send.
func (p Profile) PassRoutes() []Route {
	if len(p.PassTo) == 0 && p.Channel != "" {
		return []Route{{Channel: p.Channel, Recipient: p.Recipient}}
	}
	return p.PassTo
}

// Requirement returns what completes a journey of this profile.
func (p Profile) Requirement() Requirement {
	return Requirement{Kinds: p.CompleteOn, AAGUIDs: p.AAGUIDs, Devices: p.Devices}
}

// Chosen reports whether p is a profile at all: a journey that no rule is for
// has none.
func (p Profile) Chosen() bool { return p.Name != "" }

// RoutesOf returns where a message of a journey goes that no pass sends.
func (p Profile) RoutesOf(m Message) []Route {
	switch m {
	case MessageApproval:
		if p.Approval != nil {
			return p.Approval.To
		}
	case MessageMoved, MessageUnfinished:
		return p.ChangeTo
	case MessageMissed:
		return p.MissedTo
	case MessageAlert:
		return p.AlertTo
	}
	return nil
}

// Wait returns the n-th (from 0) of waits, the last one for ever after.
func Wait(waits []time.Duration, n int) time.Duration {
	if len(waits) == 0 {
		return time.Minute
	}
	return waits[min(n, len(waits)-1)]
}
