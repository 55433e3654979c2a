package console

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/workflows"
)

// journeyPath is where a journey's page is.
func journeyPath(kind jml.Kind, source, ref string) string {
	return "/journeys/" + url.PathEscape(string(kind)) + "/" + url.PathEscape(source) + "/" + url.PathEscape(ref)
}

// pathOf is where the page of the journey with a workflow ID is; empty if it is
// none.
func pathOf(id string) string {
	parts := strings.Split(id, "/")
	if len(parts) != 3 || workflows.KindOf(id) == "" {
		return ""
	}
	return journeyPath(jml.Kind(parts[0]), parts[1], parts[2])
}

// named is the journey that the address names.
func (x *exchange) named() (id, path string) {
	kind, source, ref := jml.Kind(x.r.PathValue("kind")), x.r.PathValue("source"), x.r.PathValue("ref")
	return workflows.JourneyID(kind, source, ref), journeyPath(kind, source, ref)
}

// fact is a line of what is known of somebody.
type fact struct {
	Name, Value string
	Mono        bool
}

// moment is an instant with how far off it is, in the person's zone and the
// operator's.
type moment struct {
	Name     string
	Theirs   string // empty: their zone is not known, or is the operator's
	Yours    stamp
	Distance string
	Tick     bool // the page's script counts
}

// delivery is a message and what became of it.
type delivery struct {
	What, Channel, To, Status, Tone, Detail, ID string
	At                                          stamp
}

// deed is an action as the page offers it.
type deed struct {
	Verb   ops.Verb
	Label  string
	Path   string // empty: it can't be done
	Why    string
	Danger bool
}

// journeyPage is all there is to see of somebody's journey.
type journeyPage struct {
	view
	J           ops.Journey
	Path        string
	Name        string // empty: not known, or not for these eyes
	Stage       jml.Stage
	Cause       string
	Advice      string
	Steps       []link // Advice in pieces; those with an address lead to what they name
	Detail      string
	Runbook     string
	Recheck     stamp
	RecheckRel  string
	TheirZone   string
	Moments     []moment
	Facts       []fact
	Request     []fact
	Past, Ahead []happening
	Deliveries  []delivery
	Deeds, Not  []deed // what can be done, and what can't now
	Temporal    []link
	Tag         string
}

type link struct{ Text, Href string }

// happening is one line of the timeline.
type happening struct {
	At                         stamp
	Rel                        string
	What, Who, Outcome, Reason string
	Detail, RequestID, Event   string
	Seq                        uint64
}

func (x *exchange) journey() {
	p, err := x.journeyPage()
	if err != nil {
		x.refuse(err)
		return
	}
	p.Note = x.note()
	live, err := x.liveOf(p)
	if err != nil {
		x.refuse(err)
		return
	}
	p.Tag = tagOf(live)
	x.show(http.StatusOK, "journey", p)
}

func (x *exchange) liveJourney() {
	p, err := x.journeyPage()
	if err != nil {
		x.refuse(err)
		return
	}
	body, err := x.liveOf(p)
	if err != nil {
		x.refuse(err)
		return
	}
	x.part(body, tagOf(body))
}

func (x *exchange) liveOf(p journeyPage) ([]byte, error) {
	var out bytes.Buffer
	err := x.pages.execute(&out, "journey", "live", p)
	return out.Bytes(), err
}

func (x *exchange) journeyPage() (journeyPage, error) {
	id, path := x.named()
	j, err := x.Service.Journey(x.ctx(), id)
	if err != nil {
		return journeyPage{}, err
	}
	v, r := j.View, j.Row
	p := journeyPage{J: j, Path: path, Name: fullName(v.Facts), Stage: shownStage(r)}
	p.view = x.view("board", cmp.Or(p.Name, r.Ref))
	p.Cause, p.Advice = x.because(r)
	if p.Cause == waitsForSomebody && !j.Stale {
		// The board is a moment behind: somebody has just done something.
		p.Cause, p.Advice = "", "Being made; this page refreshes by itself."
	}
	p.Runbook = x.runbooks.blocked(r.Reason)
	if b := v.Block; b != nil {
		p.Cause, p.Detail = cause(b.Reason), b.Detail
		p.Advice = cmp.Or(b.Advice, p.Advice)
		p.Runbook = x.runbooks.blocked(b.Reason)
		if r.Closed.IsZero() {
			p.Recheck, p.RecheckRel = p.Short(v.Recheck), p.Rel(v.Recheck)
		}
	}
	p.Advice = x.advice.Replace(p.Advice)
	theirs, zone := x.theirs(v.Facts.Zone)
	if zone != nil {
		p.TheirZone = zoneName(zone, x.now)
	}
	p.Moments = x.moments(p.view, j, theirs)
	p.Facts, p.Request = facts(j), request(v)
	for _, m := range j.Timeline {
		h := happening{
			At: p.Short(m.At), Rel: p.Rel(m.At), What: m.What, Who: m.Who, Outcome: m.Outcome, Reason: m.Reason, Detail: m.Detail,
			RequestID: m.RequestID, Event: string(m.Event), Seq: m.Seq,
		}
		if m.Ahead {
			p.Ahead = append(p.Ahead, h)
		} else {
			p.Past = append(p.Past, h)
		}
	}
	// What happened last is what people come for.
	slices.Reverse(p.Past)
	list := v.Deliveries
	if j.Pass != nil {
		list = append(slices.Clip(list), j.Pass.Deliveries...)
	} else if v.Pass != nil {
		list = append(slices.Clip(list), v.Pass.Deliveries...)
	}
	for _, d := range list {
		p.Deliveries = append(p.Deliveries, delivery{
			What: plain(string(d.Message)), Channel: d.Channel, To: plain(string(d.To)), Status: string(d.Status), Tone: arrival(d.Status),
			Detail: d.Detail, ID: d.MessageID, At: p.Short(d.At),
		})
	}
	p.Deeds, p.Not = deeds(j, path)
	p.Steps = x.steps(p)
	p.Temporal = x.temporalLinks(j)
	return p, nil
}

// steps cuts the advice up, so that the deeds it names are links for those who
// may do them.
func (x *exchange) steps(p journeyPage) []link {
	to := map[string]string{}
	for _, d := range p.Deeds {
		to[d.Label] = d.Path
	}
	if p.J.Row.Closed.IsZero() && !p.J.Stale {
		for _, v := range []ops.Verb{ops.VerbHeldApprove, ops.VerbHeldReject} {
			if x.who.Has(v.Allowed()...) {
				to[verbWord(v)] = "/held/" + url.PathEscape(p.J.Row.Ref) + "/" + string(v)
			}
		}
	}
	var out []link
	rest := p.Advice
	for {
		before, quoted, opened := strings.Cut(rest, "“")
		name, after, closed := strings.Cut(quoted, "”")
		if !opened || !closed {
			return append(out, link{Text: rest})
		}
		out, rest = append(out, link{Text: before}), after
		if href := to[name]; href != "" {
			out = append(out, link{name, href})
		} else {
			out = append(out, link{Text: "“" + name + "”"})
		}
	}
}

func fullName(s jml.Snapshot) string { return strings.TrimSpace(s.GivenName + " " + s.FamilyName) }

// theirs loads the zone of a person; nil if it is not known.
func (x *exchange) theirs(name string) (*time.Location, *time.Location) {
	if name == "" {
		return nil, nil
	}
	loc, err := jml.LoadZone(name)
	if err != nil {
		return nil, nil
	}
	if loc.String() == x.zone.String() {
		return nil, loc
	}
	return loc, loc
}

func (x *exchange) moments(v view, j ops.Journey, theirs *time.Location) []moment {
	var out []moment
	add := func(name string, t time.Time, tick bool) {
		if t.IsZero() {
			return
		}
		m := moment{Name: name, Yours: v.Short(t), Distance: v.Rel(t), Tick: tick && t.After(v.Now)}
		if theirs != nil {
			m.Theirs = short(t, v.Now, theirs)
		}
		out = append(out, m)
	}
	open := j.Row.Closed.IsZero()
	start := j.Row.Starts
	if !j.View.Start.IsZero() {
		start = j.View.Start
	}
	add("Start", start, open)
	if open {
		if j.Row.Expires.IsZero() {
			add("Pass due", j.View.IssueAt, true)
		}
		if !j.Row.Expires.IsZero() {
			add("Pass expires", j.Row.Expires, true)
		}
		if j.Pass != nil && j.Pass.Pickup != nil && j.Pass.Issued == nil {
			add("Link works until", j.Pass.Pickup.LinkUntil, true)
		}
		add("Gives up", j.View.Deadline, false)
	}
	add("Ended", j.Row.Closed, false)
	return out
}

func facts(j ops.Journey) []fact {
	v, f, r := j.View, j.View.Facts, j.Row
	var out []fact
	add := func(name, value string, mono bool) {
		if value != "" {
			out = append(out, fact{name, value, mono})
		}
	}
	add("Employee id", f.EmployeeID, true)
	if v.User != nil {
		add("Entra user", v.User.UPN, false)
		add("Object id", v.User.ID, true)
		if !v.User.Enabled {
			add("Account", "disabled", false)
		}
	} else {
		add("UPN, says HR", f.UPN, false)
	}
	if v.Linked != "" {
		add("Linked by hand to", v.Linked, true)
	}
	add("Manager", f.ManagerID, true)
	add("Job", f.JobTitle, false)
	add("Department", f.Department, false)
	add("Site", cmp.Or(f.Site, r.Site), false)
	add("Country", f.Country, false)
	add("Private mail", f.PersonalMail, false)
	add("Private phone", f.Phone, false)
	add("Language", f.Locale, false)
	if f.Status != "" && f.Status != jml.StatusScheduled {
		add("Status in HR", string(f.Status), false)
	}
	add("Profile", v.Profile, false)
	add("Channel", r.Channel, false)
	add("Source", r.Source, false)
	add("Reference", r.Ref, true)
	if v.Override != nil {
		add("Start moved by", v.Override.Actor+": "+v.Override.Reason, false)
	}
	if v.Held != nil {
		add("Held by", v.Held.Actor+": "+v.Held.Reason, false)
	}
	if v.Reissues > 0 {
		add("Passes beyond the first", many(v.Reissues, "time"), false)
	}
	if p := pickup(j); p != nil {
		add("Visits of the pick-up page", many(p.Visits, "visit"), false)
		if p.WrongCodes+p.WrongProofs > 0 || p.Locked {
			text := many(p.WrongCodes, "wrong code") + ", " + many(p.WrongProofs, "wrong proof")
			if p.Locked {
				text += ", locked"
			}
			add("Tries", text, false)
		}
	}
	if j.Pass != nil && j.Pass.Registered != nil {
		add("Registered", j.Pass.Registered.Kind.Label(), false)
	}
	return out
}

func pickup(j ops.Journey) *workflows.PickupView {
	switch {
	case j.Pass != nil:
		return j.Pass.Pickup
	case j.View.Pass != nil:
		return j.View.Pass.Pickup
	}
	return nil
}

func request(v workflows.JourneyView) []fact {
	q := v.Request
	if q == nil {
		return nil
	}
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{Name: name, Value: value})
		}
	}
	add("Asked for by", q.Actor)
	add("Ticket", q.Ticket)
	add("Caller verified by", q.Verified)
	add("What happened", string(q.Loss))
	add("Note", q.Note)
	add("Device", q.Device)
	add("Technician", q.Technician.UPN)
	if a := v.Approval; a != nil {
		switch {
		case a.Decided.IsZero():
			add("Approval", "asked for")
		case a.Approved:
			add("Approved by", a.By)
		default:
			add("Refused by", a.By)
		}
		add("Approver's reason", a.Reason)
	}
	return out
}

// arrival is the tone of a delivery's status.
func arrival(s jml.DeliveryStatus) string {
	switch s {
	case jml.DeliveryBlocked, jml.DeliveryBounced:
		return "bad"
	case jml.DeliveryDeferred:
		return "warn"
	case jml.DeliveryDelivered, jml.DeliveryOpened:
		return "good"
	}
	return "calm"
}

// verbs lists those on journeys, in the order in which they are offered: what
// helps first, what ends it last.
func verbs() []ops.Verb {
	return []ops.Verb{
		ops.VerbApprove, ops.VerbRefuse, ops.VerbNudge, ops.VerbResend, ops.VerbReissue, ops.VerbLink, ops.VerbMove,
		ops.VerbHold, ops.VerbResume, ops.VerbDeviceDone, ops.VerbRegistered, ops.VerbRevoke, ops.VerbCancel,
	}
}

// dangerous verbs can't be taken back.
func dangerous(v ops.Verb) bool {
	return v == ops.VerbRevoke || v == ops.VerbCancel || v == ops.VerbDrop
}

func deeds(j ops.Journey, path string) (can, not []deed) {
	for _, v := range verbs() {
		d := deed{Verb: v, Label: verbWord(v), Danger: dangerous(v)}
		if slices.Contains(j.Can, v) {
			d.Path = path + "/" + string(v)
			can = append(can, d)
		} else if why, ok := j.Cannot[v]; ok {
			d.Why = sentence(why)
			not = append(not, d)
		}
	}
	return can, not
}

func (x *exchange) temporalLinks(j ops.Journey) []link {
	if x.temporal == "" {
		return nil
	}
	to := func(id, run string) string {
		out := x.temporal + "/namespaces/" + url.PathEscape(x.Namespace) + "/workflows/" + url.PathEscape(id)
		if run != "" {
			out += "/" + url.PathEscape(run) + "/history"
		}
		return out
	}
	out := []link{{"The journey in Temporal", to(j.Row.WorkflowID, j.Row.RunID)}}
	if j.Row.PassID != "" {
		out = append(out, link{"Its pass in Temporal", to(j.Row.PassID, "")})
	}
	return out
}
