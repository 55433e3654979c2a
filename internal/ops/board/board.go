// Package board knows where every journey stands, from Temporal's visibility
// store: one process asks Temporal, however many operators look. While Temporal
// is away it tells what it knew last, and since when.
package board

import (
	"time"

	"firstpass.internal/internal/jml"
)

// Row is one journey, or rather its last run. Nothing in it is personal: that
// is all that visibility stores.
type Row struct {
	WorkflowID string
	RunID      string
	Kind       jml.Kind
	Source     string
	Ref        string
	Site       string
	// Stage is the journey's; Pass is that of its pass while Stage is
	// jml.StagePass, so that invited and handed over are told apart.
	Stage   jml.Stage
	Pass    jml.Stage
	Channel string          // by which the pass or its link went last
	Reason  jml.BlockReason // while blocked
	// NeedsAction says that nothing happens until somebody does something.
	NeedsAction bool
	Starts      time.Time // zero: not known
	Expires     time.Time // of the live pass
	PassID      string    // workflow ID of the pass, if one runs
	Began       time.Time // of this run
	Changed     time.Time // when Stage, Pass or Reason became what they are
	Closed      time.Time // zero: runs
}

// Filter chooses rows. Empty fields choose all.
type Filter struct {
	Kinds       []jml.Kind
	Stages      []jml.Stage // a stage of a journey or of a pass
	Reasons     []jml.BlockReason
	Source      string
	Site        string
	Channel     string
	NeedsAction bool
	Live        bool      // with a pass that somebody may hold
	Closed      bool      // closed ones too
	From, Until time.Time // by start: From <= start < Until
}

// State is how fresh the board is.
type State struct {
	Read  time.Time // when Temporal was last asked with success; zero: never
	Fault string    // why the last try failed, in words without foreign text; empty: it did not
	Rows  int
}
