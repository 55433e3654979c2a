package graph

import (
	"regexp"
	"time"
)

// deref gives the value of a getter; all getters of the SDK may answer nil.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// utc is deref for times. The SDK reads a time without a zone as local; there
// is none in Graph's replies.
func utc(p *time.Time) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.UTC()
}

func minutes(p *int32) time.Duration { return time.Duration(deref(p)) * time.Minute }

var (
	guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	// methodID is wider than a GUID, since no page promises that it is one, but
	// takes nothing that a path could be changed with.
	methodID = regexp.MustCompile(`^[0-9A-Za-z_=-]{1,256}$`)
)
