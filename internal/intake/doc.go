// Package intake takes what HR systems say and hands it to Temporal.
//
// A request is verified, split into employees, mapped to snapshots and
// delivered, each to the joiner of its employee. It is answered 200 only when
// Temporal, or the quarantine, has everything that was in it; a repeat does no
// harm at any step. What is wrong with a record is told in words that name
// fields and never values: they reach logs.
package intake
