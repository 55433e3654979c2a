package jml

import "slices"

// Transition is a change of stage that a journey can make.
type Transition struct {
	From, To Stage  // From is empty where the journey begins
	On       string // what brings it about, in words for people; of several causes, the usual ones
}

// Transitions returns every change of stage that journeys of a kind can make. It
// says what Decide does, in another way: a test holds the one against the other.
func Transitions(kind Kind) []Transition {
	out := []Transition{{To: StageScheduled, On: begins(kind)}}
	for _, from := range []Stage{StageScheduled, StageApproval, StageBlocked, StagePass} {
		for _, to := range append([]Stage{StageScheduled, StageApproval, StageBlocked, StagePass}, Outcomes()...) {
			if from != to && changes(kind, from, to) {
				out = append(out, Transition{From: from, To: to, On: brings(kind, from, to)})
			}
		}
	}
	return out
}

// changes reports whether a journey of a kind can go from a stage to another.
func changes(kind Kind, from, to Stage) bool {
	switch {
	case to == StageRevoked:
		return from == StagePass
	case !kind.Asked():
		return true // HR may move the start to any day, whatever the stage
	case to == StageScheduled:
		return false // somebody asked for it now
	case to == StageCompleted:
		return true // an operator's word
	case from == StageScheduled: // only until the first look
		return slices.Contains([]Stage{StageApproval, StageBlocked, StageCancelled}, to) ||
			kind == KindRecovery && (to == StagePass || to == StageSkipped)
	case kind == KindRecovery:
		return true
	case from == StageApproval: // of a pass already, where HR named another user since
		return slices.Contains([]Stage{StageBlocked, StagePass, StageCompleted, StageSkipped, StageCancelled, StageRefused, StageLapsed}, to)
	case from == StagePass: // approved, unless HR names another user
		return !slices.Contains([]Stage{StageRefused, StageLapsed}, to)
	}
	return true
}

func begins(kind Kind) string {
	switch kind {
	case KindMover:
		return "HR: another position asks for more"
	case KindRecovery:
		return "operator: a method is lost or broken"
	case KindStaging:
		return "operator: a technician sets up a device"
	}
	return "HR: somebody starts"
}

// brings says what brings a change about.
func brings(kind Kind, from, to Stage) string {
	switch to {
	case StageScheduled:
		return "HR moves the date"
	case StageApproval:
		return "somebody has to approve"
	case StageBlocked:
		return "something stands in the way"
	case StagePass:
		if from == StageApproval {
			return "approved"
		}
		return "nothing stands in the way and it is time"
	case StageCompleted:
		switch {
		case from != StagePass:
			return "operator: registered, proved by hand; or what the last pass reached is enough again"
		case kind == KindStaging:
			return "operator: the device is done"
		}
		return "registered, pass revoked"
	case StageSkipped:
		return "registered without our pass"
	case StageTimedOut:
		if kind == KindStaging {
			return "the window is over"
		}
		return "nothing registered in time"
	case StageCancelled:
		return "HR: left or rescinded; operator cancels"
	case StageRevoked:
		return "operator revokes"
	case StageRefused:
		return "an approver says no"
	case StageLapsed:
		return "nobody approved in time"
	}
	return ""
}
