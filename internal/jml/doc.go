// Package jml holds what Firstpass knows and decides about joiners, movers and
// leavers, as values and pure functions: no I/O, no clock, no randomness.
//
// Workflows import it, so everything here must give the same answer whenever a
// history is replayed. A decision that may change with a release (what blocks a
// joiner, which method is strong) is taken by an activity, which records the
// answer in the history; only arithmetic on dates is done inside workflows.
package jml
