package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// Bounds of what profiles decide. Nobody counts on a passkey a month after the
// working days before a start; an approver who needs longer is the wrong one.
const (
	maxLeadDays = 20
	maxDevices  = 5
	minApproval = time.Hour
	maxApproval = 30 * 24 * time.Hour
	maxCount    = 100
	maxPer      = 366 * 24 * time.Hour
)

var (
	// aaguidForm is a GUID as Graph writes an AAGUID.
	aaguidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	// countryForm is ISO 3166-1 alpha-2.
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
	// wordForm is that of a way to verify a caller, which operators type.
	wordForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
)

// isFor reports whether pr is for journeys of this kind.
func (pr ProfileKey) isFor(kind jml.Kind) bool { return slices.Contains(pr.For, kind) }

// asks names the keys of pr by which a journey may need somebody's yes.
func (pr ProfileKey) asks() []string {
	var out []string
	for _, k := range []struct {
		text string
		set  bool
	}{
		{"approve: true", pr.Approve}, {"privileged: true", pr.Privileged},
		{"late: ask", pr.Late == jml.LateAsk}, {"for: [staging]", pr.isFor(jml.KindStaging)},
	} {
		if k.set {
			out = append(out, k.text)
		}
	}
	return out
}

// journeys checks for which journeys a profile is, and what it decides of them.
func (p *problems) journeys(c *Config, at string, pr ProfileKey) {
	if len(pr.For) == 0 {
		p.add(at+".for", "empty; want some of "+strings.Join(words(jml.Kinds()), ", "))
	}
	for i, k := range pr.For {
		item := fmt.Sprintf("%s.for[%d]", at, i)
		if !slices.Contains(jml.Kinds(), k) {
			p.oneOf(item, string(k), words(jml.Kinds())...)
		} else if slices.Contains(pr.For[:i], k) {
			p.add(item, "is there twice")
		}
	}
	p.effect(at, pr)
	p.lead(c, at, pr)
	if pr.Late != "" {
		p.oneOf(at+".late", string(pr.Late), "now", "ask", "block")
	}
	if pr.Unfinished != "" {
		p.oneOf(at+".unfinished", string(pr.Unfinished), "wait", "offer", "reissue")
	}
	if pr.Unfinished == jml.UnfinishedReissue && pr.Reissues == 0 {
		p.addIf(at+".reissues", at+".unfinished", "reissue counts as one of reissues, which is 0")
	}
	p.approval(c, at, pr)
	p.remove(at+".remove", pr)
	p.cap(at+".cap", pr)
	p.routes(c, at+".change_to", pr.ChangeTo, jml.MessageMoved)
	p.routes(c, at+".missed_to", pr.MissedTo, jml.MessageMissed)
	if pr.isFor(jml.KindStaging) {
		p.staging(c, at, pr)
	} else {
		p.noTechnician(at, pr)
	}
}

// effect complains of keys that none of the journeys of pr does anything with.
func (p *problems) effect(at string, pr ProfileKey) {
	joiner, mover, recovery, staging := jml.KindJoiner, jml.KindMover, jml.KindRecovery, jml.KindStaging
	for _, k := range []struct {
		key   string
		set   bool
		kinds []jml.Kind
	}{
		{"late", pr.Late != "", []jml.Kind{joiner}},
		{"lead_time", pr.LeadTime != 0, []jml.Kind{joiner, mover}},
		{"lead_days", pr.LeadDays != 0, []jml.Kind{joiner, mover}},
		{"start_hour", pr.StartHour != jml.Clock{}, []jml.Kind{joiner, mover}},
		{"unfinished", pr.Unfinished != "", []jml.Kind{joiner, mover, recovery}},
		{"change_to", len(pr.ChangeTo) > 0, []jml.Kind{joiner, mover, recovery}},
		{"cap", pr.Cap != CapKey{}, []jml.Kind{recovery, staging}},
	} {
		if k.set && len(pr.For) > 0 && !slices.ContainsFunc(k.kinds, pr.isFor) {
			p.addIf(at+".for", at+"."+k.key, "has no effect unless the profile is for "+strings.Join(words(k.kinds), " or "))
		}
	}
}

func (p *problems) lead(c *Config, at string, pr ProfileKey) {
	if pr.LeadTime < 0 {
		p.add(at+".lead_time", "must not be negative")
	}
	switch {
	case pr.LeadDays < 0 || pr.LeadDays > maxLeadDays:
		p.add(at+".lead_days", fmt.Sprintf("want 0 to %d working days", maxLeadDays))
	case pr.LeadDays > 0 && pr.LeadTime != 0:
		p.add(at+".lead_days", "want either lead_days or lead_time")
	case pr.LeadDays > 0 && len(c.Calendars) == 0:
		p.addIf("calendars", at+".lead_days", "needs calendars: without one every day is a working day, and lead_time says the same")
	}
}

func (p *problems) approval(c *Config, at string, pr ProfileKey) {
	why := pr.asks()
	switch {
	case len(why) == 0:
		if pr.Approval.Within != 0 || len(pr.Approval.To) > 0 {
			p.add(at+".approval", "has no effect: nothing in this profile asks for approval; set approve, privileged or late: ask")
		}
		return
	case pr.Approval.Within == 0:
		p.addIf(at+".approval", at+".approval.within", strings.Join(why, " and ")+" needs it: how long somebody has to approve, such as 2d")
	default:
		p.between(at+".approval.within", pr.Approval.Within, minApproval, maxApproval)
	}
	p.routes(c, at+".approval.to", pr.Approval.To, jml.MessageApproval)
}

// remove checks that every kind of journey of pr knows what it is to remove.
func (p *problems) remove(at string, pr ProfileKey) {
	takes := map[jml.RemoveRule][]jml.Kind{
		jml.RemoveOlder: {jml.KindJoiner, jml.KindMover}, jml.RemoveLost: {jml.KindRecovery}, jml.RemoveRegistered: {jml.KindStaging},
	}
	kinds, ok := takes[pr.Remove]
	switch {
	case pr.Remove == "none" && pr.isFor(jml.KindStaging):
		p.add(at, "want registered: the technician must not keep what he registered in the employee's name")
	case pr.Remove == "none":
	case !ok:
		p.oneOf(at, string(pr.Remove), "none", "older", "lost", "registered")
	default:
		for _, k := range pr.For {
			if slices.Contains(jml.Kinds(), k) && !slices.Contains(kinds, k) {
				p.addIf(at[:strings.LastIndex(at, ".")]+".for", at, fmt.Sprintf("%s is for %s, not for %s", pr.Remove, strings.Join(words(kinds), " or "), k))
			}
		}
	}
}

// cap checks the bounds of what somebody asks for.
func (p *problems) cap(at string, pr ProfileKey) {
	if !pr.isFor(jml.KindRecovery) && (!pr.isFor(jml.KindStaging) || pr.Cap == CapKey{}) {
		return
	}
	if pr.Cap.Count < 1 || pr.Cap.Count > maxCount {
		p.add(at+".count", fmt.Sprintf("want 1 to %d", maxCount))
	}
	p.between(at+".per", pr.Cap.Per, time.Hour, maxPer)
	if pr.Cap.Rest <= 0 || pr.Cap.Rest > pr.Cap.Per {
		p.addIf(at+".per", at+".rest", "want more than 0, and no more than per")
	}
}

// requirement checks what completes a journey.
func (p *problems) requirement(at string, pr ProfileKey) {
	if len(pr.CompleteOn) == 0 && !slices.Equal(pr.For, []jml.Kind{jml.KindStaging}) {
		p.addIf(at+".for", at+".complete_on", "missing; nothing could ever complete a journey")
	}
	for i, k := range pr.CompleteOn {
		if !slices.Contains(jml.StrongMethods(), k) {
			p.oneOf(fmt.Sprintf("%s.complete_on[%d]", at, i), string(k), words(jml.StrongMethods())...)
		}
	}
	if len(pr.AAGUIDs) > 0 && !slices.Contains(pr.CompleteOn, jml.MethodFIDO2) {
		p.addIf(at+".complete_on", at+".aaguids", "has no effect without fido2 in complete_on: only passkeys have an AAGUID")
	}
	for i, a := range pr.AAGUIDs {
		item := fmt.Sprintf("%s.aaguids[%d]", at, i)
		if !aaguidForm.MatchString(a) {
			p.add(item, "want an AAGUID in lower case, 00000000-0000-0000-0000-000000000000")
		} else if slices.Contains(pr.AAGUIDs[:i], a) {
			p.add(item, "is there twice")
		}
	}
	if pr.Devices < 1 || pr.Devices > maxDevices {
		p.add(at+".devices", fmt.Sprintf("want 1 to %d", maxDevices))
	}
}

// staging checks a profile by which a technician gets a pass in an employee's
// name.
func (p *problems) staging(c *Config, at string, pr ProfileKey) {
	if len(pr.For) > 1 {
		p.add(at+".for", "staging wants a profile of its own: its pass goes to a technician, not to the employee")
	}
	if pr.OneTime {
		p.add(at+".one_time", "want false: Autopilot restarts the device and asks again, and a one-time pass is used up by then")
	}
	if pr.Lifetime < pr.Timeout {
		p.addIf(at+".timeout", at+".lifetime", fmt.Sprintf("want %s or more, the longest window (timeout): Autopilot asks again after a restart", Short(pr.Timeout)))
	}
	p.handed(at, "link_to", pr.LinkTo, false)
	p.handed(at, "pass_to", pr.PassTo, false)
	p.handed(at, "code_to", pr.CodeTo, true)
	p.handed(at, "rest_to", pr.RestTo, true)
	for i, name := range pr.Proofs {
		if proof, ok := c.Proofs[name]; ok && proof.Kind != jml.ProofDesk {
			p.add(fmt.Sprintf("%s.proofs[%d]", at, i), fmt.Sprintf("kind %s is about the employee, and a technician is at the page; want none, or kind desk", proof.Kind))
		}
	}
}

// handed checks that a part of a staging's pass goes to the technician, or where
// desk is true, to a desk that hands it to him.
func (p *problems) handed(at, key string, list []Route, desk bool) {
	for i, r := range list {
		item := fmt.Sprintf("%s.%s[%d].recipient", at, key, i)
		switch {
		case r.Recipient == jml.RecipientTechnician || !slices.Contains(jml.Recipients(), r.Recipient):
		case desk && r.Recipient != jml.RecipientDesk:
			p.add(item, "want technician, by another way than the first part, or desk")
		case !desk:
			p.add(item, "want technician: the pass is for who sets up the device")
		}
	}
}

// noTechnician refuses routes to a technician where there is none.
func (p *problems) noTechnician(at string, pr ProfileKey) {
	lists := []struct {
		key  string
		list []Route
	}{
		{"pass_to", pr.PassTo}, {"rest_to", pr.RestTo}, {"link_to", pr.LinkTo}, {"code_to", pr.CodeTo},
		{"notice_to", pr.NoticeTo}, {"alert_to", pr.AlertTo},
	}
	for i, r := range pr.Reminders {
		lists = append(lists, struct {
			key  string
			list []Route
		}{fmt.Sprintf("reminders[%d].to", i), r.To})
	}
	for _, l := range lists {
		for i, r := range l.list {
			if r.Recipient == jml.RecipientTechnician {
				p.addIf(at+".for", fmt.Sprintf("%s.%s[%d].recipient", at, l.key, i), "only a profile for staging has a technician")
			}
		}
	}
}

// fallback checks the profile that a source's joiners get when no rule is true.
func (p *problems) fallback(c *Config, at, name string) {
	pr, ok := c.Profiles[name]
	switch {
	case name == "":
		rules := slices.ContainsFunc(sorted(c.Profiles), func(n string) bool {
			return c.Profiles[n].When != "" && c.Profiles[n].isFor(jml.KindJoiner)
		})
		if !rules {
			p.addIf("profiles", at, "missing; no profile for joiners has a rule (when), so nobody would get one")
		}
	case !ok:
		p.addIf("profiles", at, fmt.Sprintf("there is no profile %q; profiles: %s", name, names(sorted(c.Profiles))))
	case !pr.isFor(jml.KindJoiner):
		p.addIf("profiles."+name+".for", at, fmt.Sprintf("profile %q is not for joiners, which is what a source begins", name))
	}
}

// fallbacks checks that a mover, a recovery and a staging have one profile at
// most that no rule chooses: it is for everybody whom no rule is for.
func (p *problems) fallbacks(c *Config) {
	for _, kind := range jml.Kinds() {
		if kind == jml.KindJoiner {
			continue // the source names it
		}
		var without []string
		for _, name := range sorted(c.Profiles) {
			if pr := c.Profiles[name]; pr.When == "" && pr.isFor(kind) {
				without = append(without, name)
			}
		}
		if len(without) > 1 {
			p.add("profiles."+without[1]+".when", fmt.Sprintf("missing; %s are all for %s without a rule, and only one may be", names(without), kind))
		}
	}
}

func (p *problems) calendars(list []Calendar) {
	seen, sites, countries := map[string]bool{}, map[string]string{}, map[string]string{}
	once := func(at, value, name string, taken map[string]string) {
		if other, ok := taken[value]; ok {
			p.add(at, fmt.Sprintf("is in calendar %q already", other))
		}
		taken[value] = name
	}
	for i, cal := range list {
		at := fmt.Sprintf("calendars[%d]", i)
		p.name(at+".name", cal.Name, seen)
		if len(cal.Sites)+len(cal.Countries) == 0 {
			p.add(at+".sites", "missing; a calendar needs sites or countries, or nobody works by it")
		}
		for j, s := range cal.Sites {
			item := fmt.Sprintf("%s.sites[%d]", at, j)
			p.required(item, s)
			once(item, s, cal.Name, sites)
		}
		for j, s := range cal.Countries {
			item := fmt.Sprintf("%s.countries[%d]", at, j)
			if !countryForm.MatchString(s) {
				p.add(item, "want a code of ISO 3166-1 in capitals, such as DE")
			}
			once(item, s, cal.Name, countries)
		}
		days := map[time.Weekday]bool{}
		for j, name := range cal.Weekend {
			item := fmt.Sprintf("%s.weekend[%d]", at, j)
			day, ok := Weekday(name)
			if !ok {
				p.add(item, "want the English name of a day in lower case, such as friday")
				continue
			}
			if days[day] {
				p.add(item, "is there twice")
			}
			days[day] = true
		}
		if len(days) == 7 {
			p.add(at+".weekend", "leaves no working day")
		}
		for j, d := range cal.Holidays {
			item := fmt.Sprintf("%s.holidays[%d]", at, j)
			if d.IsZero() {
				p.add(item, "missing")
			} else if slices.Contains(cal.Holidays[:j], d) {
				p.add(item, "is there twice")
			}
		}
	}
}

// Weekday returns the day that a calendar calls name.
func Weekday(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.ToLower(d.String()) == name {
			return d, true
		}
	}
	return 0, false
}

func (p *problems) verifications(list []string) {
	if len(list) == 0 {
		p.add("verifications", "empty; without one nobody could ask for a recovery")
	}
	for i, w := range list {
		at := fmt.Sprintf("verifications[%d]", i)
		if !wordForm.MatchString(w) {
			p.add(at, "want a short word in lower case, such as in_person")
		} else if slices.Contains(list[:i], w) {
			p.add(at, "is there twice")
		}
	}
}
