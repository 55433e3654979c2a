package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// Rules are the configured profiles and when each is for somebody. They may be
// used by many goroutines.
type Rules struct {
	profiles  map[string]jml.Profile
	ruled     map[jml.Kind][]candidate // in order of their names
	fallback  map[jml.Kind]string      // by name; joiner: by the source, see bySource
	bySource  map[string]string
	calendars *calendars
	compiler  *compiler
	now       func() time.Time

	mu     sync.Mutex
	failed map[string]error // rules that could not be told, by profile
}

// candidate is a profile with its rule.
type candidate struct {
	profile jml.Profile
	rule    *rule
}

// New compiles the rules of cfg, which is valid, and reads its calendars. The
// error joins a *config.Error for every rule and every calendar that is wrong.
func New(cfg *config.Config, now func() time.Time) (*Rules, error) {
	c, err := newCompiler()
	if err != nil {
		return nil, err
	}
	out := &Rules{
		profiles: map[string]jml.Profile{}, ruled: map[jml.Kind][]candidate{},
		fallback: map[jml.Kind]string{}, bySource: map[string]string{},
		compiler: c, now: now, failed: map[string]error{},
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(cfg.Profiles)) {
		key, p := cfg.Profiles[name], cfg.Profile(name)
		out.profiles[name] = p
		var when *rule
		if key.When != "" {
			if when, err = c.compile(key.When); err != nil {
				errs = append(errs, &config.Error{Path: "profiles." + name + ".when", Problem: err.Error()})
				continue
			}
		}
		for _, kind := range key.For {
			switch {
			case when != nil:
				out.ruled[kind] = append(out.ruled[kind], candidate{p, when})
			case kind != jml.KindJoiner:
				out.fallback[kind] = name
			}
		}
	}
	for _, s := range cfg.Sources {
		out.bySource[s.Name] = s.Profile
	}
	if out.calendars, err = readCalendars(cfg.Calendars); err != nil {
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// Choose returns the profile for a journey of an employee, with the calendar he
// works by. user is nil while nobody knows him. source may be empty for what
// somebody asked for.
//
// A Block names profiles and the source, nobody's data.
func (r *Rules) Choose(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) jml.Choice {
	certain, maybe := r.ask(kind, source, s, user)
	fallback, ok := r.profiles[r.fallbackOf(kind, source)]
	switch {
	case len(certain) > 1:
		return jml.Choice{Block: jml.Blocked(jml.ReasonProfileAmbiguous, names(certain))}
	case len(maybe) > 0:
		all := append(certain, maybe...)
		if len(certain) == 0 && ok {
			all = append(all, fallback)
		}
		return jml.Choice{Profile: r.first(kind, all, s), Open: true}
	case len(certain) == 1:
		return jml.Choice{Profile: r.dated(certain[0], s)}
	case ok:
		return jml.Choice{Profile: r.dated(fallback, s)}
	}
	if source == "" {
		source = "no source"
	}
	return jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, string(kind)+", "+source)}
}

// Named returns the profile called name with the calendar that the employee works
// by: what an operator chooses instead of the rules.
func (r *Rules) Named(name string, s jml.Snapshot) (jml.Profile, bool) {
	p, ok := r.profiles[name]
	return r.dated(p, s), ok
}

// For reports whether any profile is for journeys of this kind.
func (r *Rules) For(kind jml.Kind) bool {
	if kind == jml.KindJoiner {
		return len(r.bySource) > 0 || len(r.ruled[kind]) > 0
	}
	return r.fallback[kind] != "" || len(r.ruled[kind]) > 0
}

// ask returns the profiles whose rule is true, and those whose rule needs a user.
func (r *Rules) ask(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) (certain, maybe []jml.Profile) {
	if len(r.ruled[kind]) == 0 {
		return nil, nil
	}
	known := values(kind, source, s, user)
	// Without a user, what rules ask of him is unknown, not missing. There is an
	// error for other types than such a map alone.
	partial, err := cel.PartialVars(known, r.compiler.ofUser...)
	for _, c := range r.ruled[kind] {
		var vars any = known
		if c.rule.user && user == nil && err == nil {
			vars = partial
		}
		said, err := c.rule.ask(vars)
		if err != nil {
			r.note(c.profile.Name, err)
		}
		switch said {
		case yes:
			certain = append(certain, c.profile)
		case open:
			maybe = append(maybe, c.profile)
		}
	}
	return certain, maybe
}

func (r *Rules) fallbackOf(kind jml.Kind, source string) string {
	if kind == jml.KindJoiner {
		return r.bySource[source]
	}
	return r.fallback[kind]
}

// note remembers that a rule could not be told, for Check.
func (r *Rules) note(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[name] = err
}

// Check reports the rules that could not be told for somebody: for those who were
// asked about since the process began, and for an employee of whom HR and Entra
// say nothing but that he exists. Such a rule counts as false. And it reports the
// calendars whose holidays have all gone by.
func (r *Rules) Check() []Finding {
	for kind := range r.ruled {
		r.ask(kind, "", jml.Snapshot{}, &jml.User{})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Finding
	for _, name := range slices.Sorted(maps.Keys(r.failed)) {
		out = append(out, Finding{
			Profile: name, Severity: SeverityWarning,
			What: fmt.Sprintf("its rule fails for some people, and counts as false for them: %s", r.failed[name]),
			Do:   fmt.Sprintf("make profiles.%s.when hold for empty texts as well, as in size(employee.site) > 3 && employee.site.substring(0, 3) == \"BER\"", name),
		})
	}
	for _, name := range r.calendars.runOut(today(r.now())) {
		out = append(out, Finding{
			Severity: SeverityWarning,
			What:     fmt.Sprintf("calendar %s has no holiday from today on", name),
			Do:       "Add those of the coming year to its holidays, or have a newer iCalendar file, and restart.",
		})
	}
	return out
}

// dated returns p with the calendar that the employee works by.
func (r *Rules) dated(p jml.Profile, s jml.Snapshot) jml.Profile {
	p.Calendar = r.calendars.of(s.Site, s.Country, r.now())
	return p
}

// first returns the profile of list that has to begin first.
func (r *Rules) first(kind jml.Kind, list []jml.Profile, s jml.Snapshot) jml.Profile {
	var out jml.Profile
	var at time.Time
	for i, p := range list {
		p = r.dated(p, s)
		if begins := begins(kind, p, s); i == 0 || begins.Before(at) {
			out, at = p, begins
		}
	}
	return out
}

// begins returns when a journey of profile p has something to do: ask somebody to
// approve, or make the pass. What somebody asked for begins at once.
func begins(kind jml.Kind, p jml.Profile, s jml.Snapshot) time.Time {
	var at time.Time
	if !kind.Asked() {
		if kind == jml.KindMover && !s.EffectiveDate.IsZero() {
			s.StartDate, s.StartTime = s.EffectiveDate, nil
		}
		start, err := s.Start(p.StartHour)
		if err != nil {
			// As a journey does with a zone that it does not know.
			start = jml.Instant(s.StartDate, p.StartHour, time.UTC)
		}
		at = p.IssueAt(start, s.Zone)
	}
	if p.Approve && p.Approval != nil {
		at = at.Add(-p.Approval.Within)
	}
	return at
}

func names(list []jml.Profile) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.Name
	}
	return strings.Join(out, ", ")
}
