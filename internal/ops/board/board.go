// Package board knows where every journey stands, from Temporal's visibility
// store: one process asks Temporal, however many operators look. While Temporal
// is away it tells what it knew last, and since when.
package board

import (
	"cmp"
	"slices"
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
	Changed     time.Time // when Stage, Pass, Reason or Starts became what they are
	Closed      time.Time // zero: runs
	// Lost says that the run ended without an outcome: somebody terminated it,
	// or it failed. Whether its pass is gone is not known from here.
	Lost bool
}

// Live reports whether there is a pass that somebody may hold. Where the stage
// of the pass is not known, as with workers from before it was told, there may
// be one.
func (r Row) Live() bool {
	if r.PassID == "" {
		return false
	}
	switch r.Pass {
	case jml.StageInvited, jml.StageGone:
		return false
	case jml.StageIssuing:
		return !r.Expires.IsZero()
	}
	return true
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
	Lost        bool      // only those that ended without an outcome
	From, Until time.Time // by start: From <= start < Until
}

// Takes reports whether f chooses r.
func (f Filter) Takes(r Row) bool { return f.takes(&r) }

// takes reports whether f chooses r.
func (f *Filter) takes(r *Row) bool {
	switch {
	case !f.Closed && !f.Lost && !r.Closed.IsZero(),
		f.Lost && !r.Lost,
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, r.Kind),
		len(f.Stages) > 0 && !slices.Contains(f.Stages, r.Stage) && (r.Pass == "" || !slices.Contains(f.Stages, r.Pass)),
		len(f.Reasons) > 0 && !slices.Contains(f.Reasons, r.Reason),
		f.Source != "" && f.Source != r.Source,
		f.Site != "" && f.Site != r.Site,
		f.Channel != "" && f.Channel != r.Channel,
		f.NeedsAction && !r.NeedsAction,
		f.Live && !r.Live(),
		!f.From.IsZero() && (r.Starts.IsZero() || r.Starts.Before(f.From)),
		!f.Until.IsZero() && (r.Starts.IsZero() || !r.Starts.Before(f.Until)):
		return false
	}
	return true
}

// State is how fresh the board is.
type State struct {
	Read  time.Time // when Temporal was last asked with success; zero: never
	Fault string    // why the last try failed, in words without foreign text; empty: it did not
	Rows  int
	// Version grows when rows or Fault change, and not when they are merely
	// read again.
	Version uint64
}

// compare orders rows for people: what needs somebody, then what is blocked,
// then by start, those without one last.
func compare(a, b *Row) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	if a.Starts.IsZero() != b.Starts.IsZero() {
		if a.Starts.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.Starts.Compare(b.Starts), cmp.Compare(a.WorkflowID, b.WorkflowID))
}

func rank(r *Row) int {
	switch {
	case !r.Closed.IsZero():
		return 3
	case r.NeedsAction:
		return 0
	case r.Stage == jml.StageBlocked:
		return 1
	}
	return 2
}
