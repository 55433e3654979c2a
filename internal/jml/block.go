package jml

// BlockReason says why a journey stands still. The words are part of the API:
// they show in search attributes, so they carry nothing personal.
type BlockReason string

// The reasons.
const (
	ReasonUserNotFound          BlockReason = "userNotFound"
	ReasonUserNotReady          BlockReason = "userNotReady"
	ReasonUserAmbiguous         BlockReason = "userAmbiguous"
	ReasonUserDisabled          BlockReason = "userDisabled"
	ReasonUserExternal          BlockReason = "userExternal"
	ReasonUserPrivileged        BlockReason = "userPrivileged"
	ReasonPolicyDisabled        BlockReason = "policyDisabled"
	ReasonLifetimeOutsidePolicy BlockReason = "lifetimeOutsidePolicy"
	ReasonMultiUseNotAllowed    BlockReason = "multiUseNotAllowed"
	ReasonOutOfScope            BlockReason = "outOfScope"
	ReasonForeignPass           BlockReason = "foreignPass"
	ReasonPassHeldElsewhere     BlockReason = "passHeldElsewhere"
	ReasonNoRecipient           BlockReason = "noRecipient"
	ReasonMessageRefused        BlockReason = "messageRefused"
	ReasonChannelUnavailable    BlockReason = "channelUnavailable"
	ReasonPermissionMissing     BlockReason = "permissionMissing"
	ReasonGraphUnavailable      BlockReason = "graphUnavailable"
	ReasonAuditUnavailable      BlockReason = "auditUnavailable"
	ReasonUnknownRefusal        BlockReason = "unknownRefusal"
	ReasonPassLost              BlockReason = "passLost"
	ReasonContactHeld           BlockReason = "contactHeld"
	ReasonVanished              BlockReason = "vanished"
	ReasonUndeliverable         BlockReason = "undeliverable"
	ReasonPickupLocked          BlockReason = "pickupLocked"
	ReasonRepudiated            BlockReason = "repudiated"
	ReasonReissueCap            BlockReason = "reissueCap"
	ReasonProfileMissing        BlockReason = "profileMissing"
	ReasonProfileAmbiguous      BlockReason = "profileAmbiguous"
	ReasonFactsContradict       BlockReason = "factsContradict"
	ReasonLateHire              BlockReason = "lateHire"
	ReasonUserReplaced          BlockReason = "userReplaced"
	ReasonUsedUp                BlockReason = "usedUp"
	ReasonUsedByLeaver          BlockReason = "usedByLeaver"
	ReasonRemovalDenied         BlockReason = "removalDenied"
	ReasonHeld                  BlockReason = "held"
	ReasonHalted                BlockReason = "halted"
	ReasonInternal              BlockReason = "internal"
)

// Reasons lists all of them.
func Reasons() []BlockReason {
	return []BlockReason{
		ReasonUserNotFound, ReasonUserNotReady, ReasonUserAmbiguous, ReasonUserDisabled, ReasonUserExternal, ReasonUserPrivileged,
		ReasonPolicyDisabled, ReasonLifetimeOutsidePolicy, ReasonMultiUseNotAllowed, ReasonOutOfScope, ReasonForeignPass,
		ReasonPassHeldElsewhere, ReasonNoRecipient, ReasonMessageRefused, ReasonChannelUnavailable, ReasonPermissionMissing,
		ReasonGraphUnavailable, ReasonAuditUnavailable, ReasonUnknownRefusal, ReasonPassLost,
		ReasonContactHeld, ReasonVanished,
		ReasonUndeliverable, ReasonPickupLocked, ReasonRepudiated, ReasonReissueCap,
		ReasonProfileMissing, ReasonProfileAmbiguous, ReasonFactsContradict, ReasonLateHire, ReasonUserReplaced,
		ReasonUsedUp, ReasonUsedByLeaver, ReasonRemovalDenied, ReasonHeld, ReasonHalted, ReasonInternal,
	}
}

// HoldBlock returns the Block that a hold amounts to; nil for none.
func HoldBlock(h Hold) *Block {
	switch h {
	case HoldContact:
		return Blocked(ReasonContactHeld, "")
	case HoldVanished:
		return Blocked(ReasonVanished, "")
	case HoldContradiction:
		return Blocked(ReasonFactsContradict, "")
	}
	return nil
}

// Block tells why a journey stands still and what to do about it. Nothing in it
// is personal.
type Block struct {
	Reason BlockReason `json:"reason"`
	Detail string      `json:"detail,omitempty"` // status, code, request-id, limits
	Advice string      `json:"advice"`           // what an operator does next
}

// Blocked returns the Block for reason, with its advice.
func Blocked(reason BlockReason, detail string) *Block {
	return &Block{Reason: reason, Detail: detail, Advice: advice(reason)}
}

// String gives the reason and its detail.
func (b Block) String() string {
	if b.Detail == "" {
		return string(b.Reason)
	}
	return string(b.Reason) + " (" + b.Detail + ")"
}

// NeedsSomebody reports whether trying again by itself would do harm: only news
// from HR or an operator's word ends such a block.
func (r BlockReason) NeedsSomebody() bool {
	switch r {
	case ReasonContactHeld, ReasonVanished, ReasonUndeliverable, ReasonPickupLocked, ReasonRepudiated, ReasonReissueCap,
		ReasonFactsContradict, ReasonLateHire:
		return true
	}
	return false
}

// Passes reports whether what stands in the way goes away without anybody at
// this journey: by itself, or for all at once.
func (r BlockReason) Passes() bool {
	switch r {
	case ReasonUserNotReady, ReasonChannelUnavailable, ReasonGraphUnavailable, ReasonAuditUnavailable, ReasonUserReplaced,
		ReasonPassLost, ReasonHalted, ReasonInternal:
		return true
	}
	return false
}

// advice returns the sentence an operator acts on. Unless the reason needs
// somebody, the journey goes on by itself: it is looked at again.
func advice(r BlockReason) string {
	switch r {
	case ReasonUserNotFound:
		return "No Entra user carries this employee id yet. Create the account, or set its employeeId (or the attribute the source matches by); Firstpass goes on by itself."
	case ReasonUserNotReady:
		return "The user is new and Entra's authentication service does not know it yet. Nothing to do: this passes within minutes."
	case ReasonUserAmbiguous:
		return "More than one Entra user carries this employee id. Clear it from the wrong ones."
	case ReasonUserDisabled:
		return "The Entra account is disabled. Enable it before the start."
	case ReasonUserExternal:
		return "The user is a guest from another tenant; Entra gives those no pass. Correct the match, or cancel this journey."
	case ReasonUserPrivileged:
		return "The user holds a directory role or a role-assignable group. This profile makes no pass for privileged people (privileged: true lets it, once somebody approves): help this person by hand, then cancel this journey; or remove the role."
	case ReasonPolicyDisabled:
		return "The tenant's Temporary Access Pass policy is off. Enable it under Entra, Authentication methods, Policies."
	case ReasonLifetimeOutsidePolicy:
		return "The profile's lifetime lies outside the tenant's policy. Change the policy, or change the profile, cancel this journey and start it anew."
	case ReasonMultiUseNotAllowed:
		return "The tenant allows one-time passes only. Change the policy, or set one_time on the profile, cancel this journey and start it anew."
	case ReasonOutOfScope:
		return "The tenant's Temporary Access Pass policy does not take in this user. Add the user to an included group, or take it out of the excluded one."
	case ReasonForeignPass:
		return "The user has a live pass that Firstpass did not make; somebody may hold its code. Delete it in Entra, or let it expire."
	case ReasonPassHeldElsewhere:
		return "Another journey holds the pass of this user. Find it with firstpass list; cancel the one that is wrong."
	case ReasonNoRecipient:
		return "HR gave no usable address for this profile's recipient. Add it in the HR system; Firstpass goes on when HR sends it."
	case ReasonMessageRefused:
		return "The channel refuses the message. Correct the address in HR, or the channel's sender and key; see firstpass check."
	case ReasonChannelUnavailable:
		return "The channel does not answer or is throttled. Nothing to do unless it lasts: see firstpass check."
	case ReasonPermissionMissing:
		return "Graph denies the call. Run firstpass check: it names the permission that is missing. For a user in a restricted administrative unit, grant the role there."
	case ReasonGraphUnavailable:
		return "Microsoft Graph does not answer or is throttled. Nothing to do unless it lasts."
	case ReasonAuditUnavailable:
		return "The ledger takes no rows, and without a row there is no pass. See that its disk has room, or that PostgreSQL answers: firstpass check."
	case ReasonContactHeld:
		return "HR changed the private address or number shortly before the hand-over. Ask the employee by a way you know of old, then: firstpass held approve REF, or firstpass held reject REF to use the address from before."
	case ReasonVanished:
		return "The last full feed of the HR system lacks this employee. Nothing to do if the hire was rescinded: the joiner ends after some more feeds. Else have HR restore the record; Firstpass goes on when it is there again."
	case ReasonUndeliverable:
		return "A message came back, and there is no other way to send it. Correct the address in HR; Firstpass goes on when HR sends it. Or, if the fault was the channel's: firstpass reissue REF."
	case ReasonPickupLocked:
		return "Somebody who had the link typed a wrong code, or gave a wrong proof, too often. Speak to the employee by a way you know of old, then: firstpass reissue REF."
	case ReasonRepudiated:
		return "The employee says that somebody else collected or asked for the pass; it has been revoked. Treat it as an incident: look at the sign-ins of this user, speak to the employee by a way you know of old, then firstpass reissue REF or firstpass cancel."
	case ReasonReissueCap:
		return "This employee has had as many passes as the profile allows. Find out why they don't help, then: firstpass cancel, and start anew."
	case ReasonProfileMissing:
		return "No profile's rule is true for this employee, and the source names none. Add a rule, or a profile to the source; Firstpass asks the rules again by itself."
	case ReasonProfileAmbiguous:
		return "The rules of more than one profile are true for this employee. Make them exclude each other; Firstpass asks the rules again by itself."
	case ReasonFactsContradict:
		return "Two sources say different things of one employee. Correct one of them in HR; Firstpass goes on when they agree. Or, for the journey of the wrong source: firstpass cancel."
	case ReasonLateHire:
		return "HR told of this employee after the start, and the profile makes no pass then (late: block). Have HR correct the start, or cancel."
	case ReasonUserReplaced:
		return "The Entra user is another object than before: the account was deleted and made anew. The old pass is gone with it. Nothing to do: Firstpass goes on with the new one."
	case ReasonUsedUp:
		return "The pass was used, and nothing was registered within the time that Entra gives. Speak to the employee, then: firstpass reissue REF."
	case ReasonUsedByLeaver:
		return "The hire was called off or the employee left after the pass had been used: somebody signed in with it. Look at the sign-ins and methods of this user, and disable the account if it is not."
	case ReasonRemovalDenied:
		return "Entra does not let Firstpass remove a method. Grant the permission that firstpass check names, or remove it by hand; Firstpass goes on by itself."
	case ReasonHeld:
		return "An operator holds this journey: nothing is issued. When the reason for it is gone: firstpass resume REF."
	case ReasonHalted:
		return "Nobody gets a new pass: the kill switch is on. firstpass halt --status tells who threw it and why; firstpass halt --lift lets everybody go on."
	case ReasonPassLost:
		return "The workflow that owned the pass ended before it was done; the pass has been revoked. Nothing to do: a new one is issued."
	case ReasonUnknownRefusal:
		return "Graph refuses the pass for a reason we do not know. Look the request-id up in Entra's audit log, and report it to us."
	default:
		return "An unforeseen error. The workers' log has it under this reference; Firstpass tries again by itself."
	}
}
