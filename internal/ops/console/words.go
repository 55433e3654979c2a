package console

import (
	"fmt"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
)

// cause says in a few words what stands in the way. What to do about it is the
// reason's advice.
func cause(r jml.BlockReason) string {
	switch r {
	case jml.ReasonUserNotFound:
		return "No Entra account yet"
	case jml.ReasonUserNotReady:
		return "Entra does not know the new account everywhere yet"
	case jml.ReasonUserAmbiguous:
		return "Several Entra accounts have this employee id"
	case jml.ReasonUserDisabled:
		return "The Entra account is disabled"
	case jml.ReasonUserExternal:
		return "The account is a guest of another tenant"
	case jml.ReasonUserPrivileged:
		return "The account holds a directory role"
	case jml.ReasonPolicyDisabled:
		return "The tenant's pass policy is off"
	case jml.ReasonLifetimeOutsidePolicy:
		return "The tenant's policy does not allow this lifetime"
	case jml.ReasonMultiUseNotAllowed:
		return "The tenant allows one-time passes only"
	case jml.ReasonOutOfScope:
		return "The tenant's pass policy leaves this account out"
	case jml.ReasonForeignPass:
		return "The account has a pass that Firstpass did not make"
	case jml.ReasonPassHeldElsewhere:
		return "Another journey holds the pass of this account"
	case jml.ReasonNoRecipient:
		return "HR gave no address to send to"
	case jml.ReasonMessageRefused:
		return "The channel refuses the message"
	case jml.ReasonChannelUnavailable:
		return "The channel does not answer"
	case jml.ReasonPermissionMissing:
		return "Graph denies a call: a permission is missing"
	case jml.ReasonGraphUnavailable:
		return "Microsoft Graph does not answer"
	case jml.ReasonAuditUnavailable:
		return "The ledger can't be written"
	case jml.ReasonUnknownRefusal:
		return "Graph refuses for a reason that nobody knows"
	case jml.ReasonPassLost:
		return "The pass's workflow was ended from outside"
	case jml.ReasonContactHeld:
		return "HR changed the private address late"
	case jml.ReasonVanished:
		return "HR's last full feed lacks this employee"
	case jml.ReasonUndeliverable:
		return "The message came back"
	case jml.ReasonPickupLocked:
		return "Too many wrong codes or proofs"
	case jml.ReasonRepudiated:
		return "The employee said: that was not me"
	case jml.ReasonReissueCap:
		return "As many passes as the profile allows"
	case jml.ReasonProfileMissing:
		return "No profile is for this employee"
	case jml.ReasonProfileAmbiguous:
		return "More than one profile is for this employee"
	case jml.ReasonFactsContradict:
		return "Two sources contradict each other"
	case jml.ReasonLateHire:
		return "HR told after the start"
	case jml.ReasonUserReplaced:
		return "The account was deleted and made anew"
	case jml.ReasonUsedUp:
		return "The pass was used, and nothing was registered"
	case jml.ReasonUsedByLeaver:
		return "The pass was used, and the hire was called off"
	case jml.ReasonRemovalDenied:
		return "Entra does not let Firstpass remove a method"
	case jml.ReasonHeld:
		return "An operator holds this journey"
	case jml.ReasonHalted:
		return "The kill switch is on"
	case jml.ReasonInternal:
		return "An unforeseen error"
	}
	return plain(string(r))
}

// stages lists those that a filter offers, in the order in which they come.
func stages() []jml.Stage {
	return append([]jml.Stage{jml.StageScheduled, jml.StageApproval, jml.StageBlocked, jml.StageIssuing, jml.StageInvited,
		jml.StageWaiting, jml.StageSettling, jml.StageRevoking}, jml.Outcomes()...)
}

func stageWord(s jml.Stage) string {
	switch s {
	case jml.StageScheduled:
		return "Scheduled"
	case jml.StageApproval:
		return "Waits for approval"
	case jml.StageBlocked:
		return "Blocked"
	case jml.StagePass:
		return "Pass under way"
	case jml.StageIssuing:
		return "Making the pass"
	case jml.StageInvited:
		return "Invited"
	case jml.StageWaiting:
		return "Pass handed over"
	case jml.StageSettling:
		return "Registered"
	case jml.StageRevoking:
		return "Revoking"
	case jml.StageGone:
		return "Pass gone"
	case jml.StageCompleted:
		return "Completed"
	case jml.StageSkipped:
		return "Had it already"
	case jml.StageTimedOut:
		return "Timed out"
	case jml.StageCancelled:
		return "Cancelled"
	case jml.StageRevoked:
		return "Revoked"
	case jml.StageRefused:
		return "Refused"
	case jml.StageLapsed:
		return "Lapsed"
	}
	return plain(string(s))
}

// tone is the class of a stage's colour. The word says it as well.
func tone(s jml.Stage) string {
	switch s {
	case jml.StageBlocked, jml.StageTimedOut, jml.StageLapsed:
		return "bad"
	case jml.StageApproval, jml.StageRevoking, jml.StageRevoked, jml.StageRefused:
		return "warn"
	case jml.StageInvited, jml.StageWaiting, jml.StageIssuing, jml.StagePass:
		return "live"
	case jml.StageCompleted, jml.StageSkipped, jml.StageSettling:
		return "good"
	}
	return "calm"
}

func kindWord(k jml.Kind) string {
	switch k {
	case jml.KindJoiner:
		return "Joiner"
	case jml.KindMover:
		return "Mover"
	case jml.KindRecovery:
		return "Recovery"
	case jml.KindStaging:
		return "Staging"
	}
	return plain(string(k))
}

func verbWord(v ops.Verb) string {
	switch v {
	case ops.VerbHold:
		return "Hold"
	case ops.VerbResume:
		return "Resume"
	case ops.VerbMove:
		return "Move the start"
	case ops.VerbResend:
		return "Send the invitation again"
	case ops.VerbReissue:
		return "Issue another pass"
	case ops.VerbRevoke:
		return "Revoke the pass now"
	case ops.VerbCancel:
		return "Cancel the journey"
	case ops.VerbLink:
		return "Link to an Entra user"
	case ops.VerbRegistered:
		return "Mark as registered"
	case ops.VerbApprove:
		return "Approve"
	case ops.VerbRefuse:
		return "Refuse"
	case ops.VerbNudge:
		return "Look now"
	case ops.VerbDeviceDone:
		return "The device is done"
	case ops.VerbReplay:
		return "Replay"
	case ops.VerbDrop:
		return "Drop"
	case ops.VerbPause:
		return "Pause"
	case ops.VerbUnpause:
		return "Let it go on"
	case ops.VerbRelease:
		return "Release the brake"
	case ops.VerbHeldApprove:
		return "Take HR's last word"
	case ops.VerbHeldReject:
		return "Keep what was before"
	case ops.VerbHalt:
		return "Stop all new passes"
	case ops.VerbLift:
		return "Let passes go out again"
	}
	return plain(string(v))
}

// plain makes words of a name such as timedOut.
func plain(s string) string {
	var out strings.Builder
	for i, r := range s {
		switch {
		case r >= 'A' && r <= 'Z' && i > 0:
			out.WriteByte(' ')
			out.WriteRune(r + 'a' - 'A')
		case r >= 'a' && r <= 'z' && i == 0:
			out.WriteRune(r + 'A' - 'a')
		case r == '_' || r == '.':
			out.WriteByte(' ')
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// span is d in words, as coarse as people say it. The page's own script has the
// same words by the second.
func span(d time.Duration) string {
	d = d.Abs().Truncate(time.Minute)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days >= 14:
		return fmt.Sprintf("%d days", days)
	case days > 0 && hours > 0:
		return fmt.Sprintf("%s %d h", many(days, "day"), hours)
	case days > 0:
		return many(days, "day")
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h", hours)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	}
	return "less than a minute"
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
