package workflows

import (
	"time"

	"firstpass.internal/internal/jml"
)

// What the pick-up page, operators and delivery events tell a pass. Every
// secret a visitor types reaches a workflow as a keyed hash: history holds
// nothing that opens anything.

// Updates of a pass. A refusal by the validator means the same to the page as
// VisitView.Open false: there is nothing to see, for whatever reason.
const (
	// UpdateVisit opens a visit with link and code: VisitRequest, VisitView.
	UpdateVisit = "visit"
	// UpdateProve tells the result of a proof: ProveRequest, VisitView.
	UpdateProve = "prove"
	// UpdateReveal makes the pass and seals it for the visit: RevealRequest,
	// VisitView with Revealed.
	UpdateReveal = "reveal"
	// UpdateAttest is the manager's word: AttestRequest, Answer.
	UpdateAttest = "attest"
	// UpdateDesk is a desk officer's word: DeskRequest, Answer.
	UpdateDesk = "desk"
	// UpdateRepudiate says that it was not the employee: RepudiateRequest,
	// Answer, once the pass is confirmed gone.
	UpdateRepudiate = "repudiate"
	// UpdateAgain asks for another pass, by who has link and code: AgainRequest,
	// Answer.
	UpdateAgain = "again"
	// UpdateReissue, of a joiner, ends the pass it has and begins another:
	// ReissueRequest, Answer. Operators only.
	UpdateReissue = "reissue"
	// QueryVisit answers a VisitView for a visit's id.
	QueryVisit = "visit"
	// SignalDelivery brings a DeliveryNews to a pass.
	SignalDelivery = "delivery"
)

// Limits of a pick-up. They are part of the promise and so not configurable.
const (
	// WrongCodes locks the link.
	WrongCodes = 5
	// WrongProofs locks it too: a fact has far fewer values than a code.
	WrongProofs = 3
)

// VisitRequest opens a visit.
type VisitRequest struct {
	Visit     string `json:"visit"`      // random, 128 bit; names the visit from now on
	LinkHash  string `json:"link_hash"`  // of the token or of the typed reference
	CodeHash  string `json:"code_hash"`  //
	PublicKey []byte `json:"public_key"` // secret.VisitKey.Public
}

// VisitView is what a visitor may see.
type VisitView struct {
	// Open is false if link or code are wrong, used, lapsed or locked. The page
	// answers alike to all of these.
	Open bool `json:"open"`
	// Needed is the next proof; nil when all there are.
	Needed *jml.Proof `json:"needed,omitempty"`
	// Asked is when the manager was asked; Refused that he said no.
	Asked   time.Time `json:"asked,omitzero"`
	Refused bool      `json:"refused,omitempty"`
	// Employee is for the page to compare with what a proof says, not to show.
	// Only in answers to visit and prove.
	Employee *jml.Snapshot `json:"employee,omitempty"`
	Locale   string        `json:"locale,omitempty"`
	Zone     string        `json:"zone,omitempty"`
	Start    time.Time     `json:"start,omitzero"`
	// Minting says that the pass is being made.
	Minting bool `json:"minting,omitempty"`
	// Block says why it could not be made; Final that trying again in this
	// visit is no use.
	Block *jml.Block `json:"block,omitempty"`
	Final bool       `json:"final,omitempty"`
	// Journey says what the pass is for; empty: joiner.
	Journey jml.Kind `json:"journey,omitempty"`
	// Device and Owner are what a technician sets up, and whose it is, by name.
	// Only of a staging.
	Device string `json:"device,omitempty"`
	Owner  string `json:"owner,omitempty"`
	// Revealed is the pass, for this visit alone.
	Revealed *Revealed `json:"revealed,omitempty"`
}

// Revealed is a pass that was collected.
type Revealed struct {
	Pass       jml.Pass         `json:"pass"`
	Sealed     []byte           `json:"sealed"` // secret.Seal for the visit
	SignInName string           `json:"sign_in_name"`
	Register   []jml.MethodKind `json:"register"`
	At         time.Time        `json:"at"`
	Closes     time.Time        `json:"closes"` // when the page stops showing it
	Ref        string           `json:"ref"`
	Devices    int              `json:"devices,omitempty"` // how many are to be registered; 0 is 1
	Makes      bool             `json:"makes,omitempty"`   // not any make of passkey will do
}

// ProveRequest tells what came of a proof. The page has checked facts and
// claims; a desk's code is compared here.
type ProveRequest struct {
	Visit    string `json:"visit"`
	Proof    string `json:"proof"` // its name
	Passed   bool   `json:"passed"`
	Evidence string `json:"evidence,omitempty"`  // keyed hash of an identifier, level of assurance; nothing personal
	CodeHash string `json:"code_hash,omitempty"` // ProofDesk: of what was typed
}

// RevealRequest makes the pass.
type RevealRequest struct {
	Visit string `json:"visit"`
}

// AttestRequest is a manager's word about who is waiting at the page.
type AttestRequest struct {
	LinkHash   string `json:"link_hash"`
	NumberHash string `json:"number_hash"` // of the number the visitor was told to read out
	Vouches    bool   `json:"vouches"`     // false: it is not the employee
	How        string `json:"how"`         // one of AttestWays
}

// AttestWays lists how a manager may know who is waiting.
func AttestWays() []string { return []string{"in_person", "video", "call_back"} }

// DeskRequest is a desk officer's word. The code is given to the employee.
type DeskRequest struct {
	Officer  string        `json:"officer"`
	Document string        `json:"document"` // one of DeskDocuments, never its number
	CodeHash string        `json:"code_hash"`
	Valid    time.Duration `json:"valid"` // at most DeskCodeValid
}

// DeskCodeValid bounds how long a desk's code works.
const DeskCodeValid = 10 * time.Minute

// DeskDocuments lists what an officer may have looked at.
func DeskDocuments() []string {
	return []string{"passport", "identity_card", "residence_permit", "driving_licence", "company_badge"}
}

// RepudiateRequest says "not me".
type RepudiateRequest struct {
	LinkHash string `json:"link_hash"`
}

// AgainRequest asks for another pass.
type AgainRequest struct {
	LinkHash string `json:"link_hash"`
	CodeHash string `json:"code_hash"`
}

// ReissueRequest asks a joiner for another pass.
type ReissueRequest struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	// Channel is by which the passcode, or link and code, are to go; of the
	// profile's routes. Empty: the first.
	Channel string `json:"channel,omitempty"`
	// Version is as in Word.
	Version int `json:"version,omitempty"`
}

// Answer says whether what was asked for is done or under way.
type Answer struct {
	Done bool `json:"done"`
	// Version is that of the journey, or the pass, now. Answers to operators.
	Version int `json:"version,omitempty"`
}

// DeliveryNews is what a provider says of a message.
type DeliveryNews struct {
	Invitation string             `json:"invitation"` // of the pass that sent it
	N          int                `json:"n"`          // of the message
	Status     jml.DeliveryStatus `json:"status"`
	At         time.Time          `json:"at"`
	Detail     string             `json:"detail,omitempty"` // a code; no text of the provider's
}

// Delivery is a message and what became of it.
type Delivery struct {
	N         int                `json:"n"`
	Message   jml.Message        `json:"message"`
	Channel   string             `json:"channel"`
	To        jml.RecipientKind  `json:"to"`
	Status    jml.DeliveryStatus `json:"status"`
	At        time.Time          `json:"at"`
	Detail    string             `json:"detail,omitempty"`
	MessageID string             `json:"message_id,omitempty"`
}

// PickupView is where a pick-up stands, for operators.
type PickupView struct {
	LinkUntil   time.Time `json:"link_until"`
	WrongCodes  int       `json:"wrong_codes"`
	WrongProofs int       `json:"wrong_proofs"`
	Locked      bool      `json:"locked"`
	Visits      int       `json:"visits"`
	Proofs      []Proven  `json:"proofs,omitempty"` // of the last visit
	CollectedAt time.Time `json:"collected_at,omitzero"`
}

// Proven is a proof that was given. Only the result and a keyed hash are kept.
type Proven struct {
	Proof    string        `json:"proof"`
	Kind     jml.ProofKind `json:"kind"`
	At       time.Time     `json:"at"`
	Evidence string        `json:"evidence,omitempty"`
}
