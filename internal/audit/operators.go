package audit

// Events of what operators do that no workflow writes down. They are written
// before the act.
const (
	EventAccessDenied       Event = "access.denied"       // somebody asked for what their roles do not allow; Detail says what
	EventAccessSearched     Event = "access.searched"     // somebody looked for an employee by name or id; the term is not written down
	EventHaltOn             Event = "halt.on"             // no new passes from now on
	EventHaltOff            Event = "halt.off"            //
	EventSourcePaused       Event = "source.paused"       // what it sends is kept and not acted on
	EventSourceResumed      Event = "source.resumed"      //
	EventQuarantineReplayed Event = "quarantine.replayed" // a record is about to be read again
	EventJourneyNudged      Event = "journey.nudged"      // a journey is about to be told to look now
)
