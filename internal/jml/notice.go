package jml

import "time"

// Message names what a message is about. Templates are named after it.
type Message string

// The messages.
const (
	// MessagePass carries the passcode, or one half of it. Mode send.
	MessagePass Message = "pass"
	// MessageLink carries the link to the pick-up page, and its reference.
	MessageLink Message = "link"
	// MessageCode carries the code that goes with the link.
	MessageCode Message = "code"
	// MessageIssued tells the employee, or who can ask him, that a pass was
	// sent; with a link to say "not me".
	MessageIssued Message = "issued"
	// MessageCollected tells the same that the pass was collected; with a link
	// to say "not me".
	MessageCollected Message = "collected"
	// MessageReminder tells the employee that nothing is registered yet.
	MessageReminder Message = "reminder"
	// MessageEscalation tells manager, sponsor or desk the same.
	MessageEscalation Message = "escalation"
	// MessageAttest asks the manager to vouch for who is at the pick-up page;
	// with a link.
	MessageAttest Message = "attest"
	// MessageAlert tells the desk that something is wrong; Notice.Reason says
	// what.
	MessageAlert Message = "alert"
	// MessageApproval asks somebody to approve a journey.
	MessageApproval Message = "approval"
	// MessageMoved tells the employee that the start has moved, and that what
	// was sent before no longer works.
	MessageMoved Message = "moved"
	// MessageUnfinished tells the employee that the pass is used up or has
	// expired with nothing registered, and how to get another.
	MessageUnfinished Message = "unfinished"
	// MessageMissed tells manager and HR that nothing was registered in time: a
	// no-show, or somebody who needs help.
	MessageMissed Message = "missed"
)

// Messages lists all of them.
func Messages() []Message {
	return []Message{MessagePass, MessageLink, MessageCode, MessageIssued, MessageCollected,
		MessageReminder, MessageEscalation, MessageAttest, MessageAlert,
		MessageApproval, MessageMoved, MessageUnfinished, MessageMissed}
}

// Secret reports whether a chat room, or anybody but the addressee, must not see
// the message: it holds a passcode, a link that works, or a code; or it speaks to
// the employee, and would tell a room about his start. An unknown message counts
// as secret: forgetting one must do no harm.
func (m Message) Secret() bool {
	switch m {
	case MessageEscalation, MessageAlert, MessageApproval, MessageMissed:
		return false
	}
	return true
}

// ToEmployee reports whether the message speaks to the employee.
func (m Message) ToEmployee() bool {
	switch m {
	case MessageEscalation, MessageAttest, MessageAlert, MessageApproval, MessageMissed:
		return false
	}
	return true
}

// Notice is everything a message says, but for what is secret. It is personal
// data.
type Notice struct {
	Message   Message       `json:"message,omitempty"`
	Channel   string        `json:"channel"`             // configured channel to send by
	Recipient string        `json:"recipient"`           // address; empty for channels that have their own
	To        RecipientKind `json:"to,omitempty"`        // who that is
	Addressee string        `json:"addressee,omitempty"` // given name of whom the message speaks to

	GivenName   string       `json:"given_name,omitempty"`  // the employee's
	FamilyName  string       `json:"family_name,omitempty"` // the employee's; for third parties and letters
	Site        string       `json:"site,omitempty"`        // the employee's; for letters
	Locale      string       `json:"locale,omitempty"`
	SignInName  string       `json:"sign_in_name"`          // the UPN
	Zone        string       `json:"zone"`                  // IANA name; times are told in it
	Start       time.Time    `json:"start,omitzero"`        // the employee's start
	From        time.Time    `json:"from"`                  // pass: usable from
	Until       time.Time    `json:"until"`                 // pass: expires; link and code: valid until; reminder: too late after
	CollectedAt time.Time    `json:"collected_at,omitzero"` // collected
	OneTime     bool         `json:"one_time"`
	Half        int          `json:"half,omitempty"`      // pass: 1 or 2 of two halves; 0 the whole
	Register    []MethodKind `json:"register"`            // any of these
	Replaces    bool         `json:"replaces"`            // an earlier message may carry what no longer works
	Collected   bool         `json:"collected,omitempty"` // reminder, escalation: a pass is out already
	Reason      BlockReason  `json:"reason,omitempty"`    // alert
	Reference   string       `json:"reference"`           // of the journey, opaque
	Journey     Kind         `json:"journey,omitempty"`   // empty: joiner
	Device      string       `json:"device,omitempty"`    // staging: what is set up
	Devices     int          `json:"devices,omitempty"`   // how many methods are to be registered; 0 is 1
	Requester   string       `json:"requester,omitempty"` // approval: who asks
	Expired     bool         `json:"expired,omitempty"`   // unfinished: expired, not used up
	// ID names the message. It is the same when the message is sent again.
	ID string `json:"id,omitempty"`
	// Handle comes back in the provider's events about this message. Opaque.
	Handle string `json:"handle,omitempty"`
}

// Receipt is a channel's word that it accepted a message: not that anybody got
// it.
type Receipt struct {
	MessageID string `json:"message_id,omitempty"` // the provider's
}

// DeliveryStatus is what became of a message that a channel accepted.
type DeliveryStatus string

// The statuses, by rank. Accepted is never called delivered.
const (
	DeliveryAccepted  DeliveryStatus = "accepted"  // the provider took it
	DeliveryDeferred  DeliveryStatus = "deferred"  // the receiving side asks for patience
	DeliveryDelivered DeliveryStatus = "delivered" // the receiving side took it
	DeliveryOpened    DeliveryStatus = "opened"    // somebody, or a scanner, looked at it
	DeliveryBlocked   DeliveryStatus = "blocked"   // the provider or the receiving side refuses it
	DeliveryBounced   DeliveryStatus = "bounced"   // there is no such address
)

// Failed reports whether the message will not arrive.
func (s DeliveryStatus) Failed() bool { return s == DeliveryBlocked || s == DeliveryBounced }

// Follows reports whether s is news after old: events come late and in any
// order. What failed after it was delivered counts: some hosts take a mail and
// bounce it later.
func (s DeliveryStatus) Follows(old DeliveryStatus) bool { return s.rank() > old.rank() }

func (s DeliveryStatus) rank() int {
	switch s {
	case DeliveryAccepted:
		return 1
	case DeliveryDeferred:
		return 2
	case DeliveryDelivered:
		return 3
	case DeliveryOpened:
		return 4
	case DeliveryBlocked, DeliveryBounced:
		return 5
	}
	return 0
}

// AddressKind is what a channel needs to know of a recipient.
type AddressKind string

// The kinds.
const (
	AddressMail  AddressKind = "mail"
	AddressPhone AddressKind = "phone" // E.164
	AddressNone  AddressKind = ""      // the channel is an address itself
)

// Addressee is somebody a message can go to who is not the employee: from the
// tenant or, for a desk, from the configuration.
type Addressee struct {
	GivenName string `json:"given_name,omitempty"`
	Mail      string `json:"mail,omitempty"`
	Phone     string `json:"phone,omitempty"` // E.164
	Locale    string `json:"locale,omitempty"`
	Zone      string `json:"zone,omitempty"`
}

// Addressees is what the tenant knows of a user and those around him.
type Addressees struct {
	WorkMail  string    `json:"work_mail,omitempty"`
	WorkPhone string    `json:"work_phone,omitempty"` // E.164; the mobile number that Entra has
	Manager   Addressee `json:"manager"`              // zero: there is none
	Sponsor   Addressee `json:"sponsor"`              // the first one
}
