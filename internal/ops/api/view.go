package api

import (
	"strings"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

// What the API tells is named here field by field: what workflows know more of,
// such as a sealed passcode, gets out only by somebody's writing it down.

// all returns an empty list rather than nil, which would be null.
func all[A, B any](list []A, f func(A) B) []B {
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = f(a)
	}
	return out
}

func row(r board.Row) JourneyRow {
	return JourneyRow{
		WorkflowID: r.WorkflowID, RunID: r.RunID, Kind: r.Kind, Source: r.Source, Ref: r.Ref, Site: r.Site, Stage: r.Stage, PassStage: r.Pass,
		Channel: r.Channel, Reason: r.Reason, NeedsAction: r.NeedsAction, Starts: r.Starts, Expires: r.Expires, PassID: r.PassID,
		Began: r.Began, Changed: r.Changed, Closed: r.Closed, Lost: r.Lost,
	}
}

func freshness(s board.State) Board { return Board{Read: s.Read, Fault: s.Fault, Rows: s.Rows} }

func journey(j ops.Journey) Journey {
	out := Journey{Row: row(j.Row), Version: j.Version, Stale: j.Stale, Gaps: j.Gaps, Can: j.Can, Cannot: map[string]string{}}
	if out.Can == nil {
		out.Can = []ToldVerb{}
	}
	for v, why := range j.Cannot {
		out.Cannot[string(v)] = why
	}
	if j.Stale {
		return out
	}
	v := j.View
	out.Profile, out.Start, out.IssueAt, out.Deadline, out.FirstSeen = v.Profile, v.Start, v.IssueAt, v.Deadline, v.FirstSeen
	out.Employee, out.Block, out.Recheck = employee(v.Facts), block(v.Block), v.Recheck
	if u := v.User; u != nil {
		out.User = &User{ID: u.ID, Upn: u.UPN, Enabled: u.Enabled, External: u.External}
	}
	out.Pass, out.LastPass = livePass(j.Pass), endedPass(v.Pass)
	out.Request, out.Approval = request(v.Request), approval(v.Approval)
	if s := v.Stopping; s != nil {
		out.Stopping = &Stopping{Outcome: s.Outcome, Actor: s.Actor, Reason: s.Reason}
	}
	if h := v.Held; h != nil {
		out.Held = &Said{Actor: h.Actor, Reason: h.Reason}
	}
	if o := v.Override; o != nil {
		out.Override = &Override{Date: o.Date, Until: o.Until, Actor: o.Actor, Reason: o.Reason}
		if o.Hour != (jml.Clock{}) {
			out.Override.Hour = o.Hour.String()
		}
	}
	out.Linked, out.Reissues, out.Outdated = v.Linked, v.Reissues, v.Outdated
	out.Removed, out.Weaker, out.Deliveries = methods(v.Removed), methods(v.Weaker), deliveries(v.Deliveries)
	return out
}

func employee(f jml.Snapshot) *Employee {
	if f.EmployeeID == "" {
		return nil // nothing heard of yet
	}
	e := &Employee{
		EmployeeID: f.EmployeeID, Status: string(f.Status), StartDate: f.StartDate, Zone: f.Zone, ZoneRule: string(f.ZoneRule),
		GivenName: f.GivenName, FamilyName: f.FamilyName, Upn: f.UPN, PersonalMail: f.PersonalMail, Phone: f.Phone, ManagerID: f.ManagerID,
		Locale: f.Locale, Department: f.Department, EmployeeType: f.EmployeeType, JobTitle: f.JobTitle, Device: f.Device,
		EffectiveDate: f.EffectiveDate, PreviousID: f.PreviousID, Rehire: f.Rehire, Site: f.Site, Country: f.Country,
		ObservedAt: f.ObservedAt, Hold: string(f.Hold),
	}
	if f.StartTime != nil {
		e.StartTime = f.StartTime.String()
	}
	return e
}

func block(b *jml.Block) *Block {
	if b == nil {
		return nil
	}
	return &Block{Reason: b.Reason, Detail: b.Detail, Advice: b.Advice}
}

func livePass(p *workflows.PassView) *Pass {
	if p == nil {
		return nil
	}
	out := Pass{
		Stage: p.Stage, Use: string(p.Use), NextLook: p.NextLook, Looks: p.Looks, Registered: method(p.Registered),
		Deliveries: deliveries(p.Deliveries), Pickup: pickup(p.Pickup),
	}
	out.issued(p.Issued)
	return &out
}

func endedPass(p *workflows.PassResult) *Pass {
	if p == nil {
		return nil
	}
	out := Pass{
		End: string(p.End), Block: block(p.Block), Invited: p.Invited, Use: string(p.Use), Registered: method(p.Registered), Methods: methods(p.Methods),
		Deliveries: deliveries(p.Deliveries), Pickup: pickup(p.Pickup),
	}
	out.issued(p.Issued)
	if r := p.Revoked; r != nil {
		out.Revoked, out.Gone = r.MethodIDs, r.GoneAt
	}
	return &out
}

func (p *Pass) issued(i *workflows.IssueResult) {
	if i == nil {
		return
	}
	p.MethodID, p.Created, p.OneTime, p.RequestID = i.Pass.MethodID, i.Pass.CreatedAt, i.Pass.OneTime, i.Pass.RequestID
	p.UsableFrom, p.Expires, p.HandedOver = i.Pass.UsableFrom(), i.Pass.EndsAt(), i.HandedOverAt
}

func pickup(p *workflows.PickupView) *Pickup {
	if p == nil {
		return nil
	}
	return &Pickup{
		LinkUntil: p.LinkUntil, WrongCodes: p.WrongCodes, WrongProofs: p.WrongProofs, Locked: p.Locked, Visits: p.Visits, Collected: p.CollectedAt,
		Proofs: all(p.Proofs, func(p workflows.Proven) Proven { return Proven{Proof: p.Proof, Kind: string(p.Kind), At: p.At} }),
	}
}

func method(m *jml.Method) *Method {
	if m == nil {
		return nil
	}
	return &Method{ID: m.ID, Kind: string(m.Kind), Label: m.Kind.Label(), Aaguid: m.AAGUID, Created: m.CreatedAt}
}

func methods(list []jml.Method) []Method {
	return all(list, func(m jml.Method) Method { return *method(&m) })
}

func deliveries(list []workflows.Delivery) []Delivery {
	return all(list, func(d workflows.Delivery) Delivery {
		return Delivery{
			N: d.N, Message: string(d.Message), Channel: d.Channel, To: string(d.To), Status: string(d.Status), At: d.At,
			Detail: d.Detail, MessageID: d.MessageID,
		}
	})
}

func request(r *jml.Request) *Request {
	if r == nil {
		return nil
	}
	return &Request{
		ID: r.ID, Actor: r.Actor, For: string(r.For), At: r.At, Ticket: r.Ticket, Verified: r.Verified, Note: r.Note, Loss: string(r.Loss),
		Methods: r.Methods, EndSessions: r.EndSessions, Technician: r.Technician.UPN, Device: r.Device, Until: r.Until,
	}
}

func approval(a *jml.Approval) *Approval {
	if a == nil {
		return nil
	}
	return &Approval{AskedAt: a.AskedAt, Until: a.Until, Decided: a.Decided, Approved: a.Approved, By: a.By, Reason: a.Reason}
}

func moment(m ops.Moment) Moment {
	return Moment{
		At: m.At, What: m.What, Who: m.Who, Event: string(m.Event), Outcome: m.Outcome, Reason: m.Reason, Detail: m.Detail,
		RequestID: m.RequestID, Seq: m.Seq, Ahead: m.Ahead,
	}
}

func done(d ops.Done) Done {
	out := Done{What: d.What, Pending: d.Pending, Version: d.Version}
	if r := d.Result; r != nil {
		out.Outcome, out.Removed = r.Outcome, methods(r.Removed)
		if r.Pass != nil && r.Pass.Revoked != nil {
			out.GoneAt = r.Pass.Revoked.GoneAt
		}
	}
	if r := d.Replay; r != nil {
		out.Taken, out.Still = len(r.Taken), r.Still
	}
	return out
}

func begun(s ops.Started) BegunJSONResponse {
	kind, rest, _ := strings.Cut(s.WorkflowID, "/")
	source, _, _ := strings.Cut(rest, "/")
	return BegunJSONResponse{
		Body:    Begun{WorkflowID: s.WorkflowID, Kind: jml.Kind(kind), Source: source, Ref: s.Ref, Profile: s.Profile, Approval: s.Approval},
		Headers: BegunResponseHeaders{Location: "/v1/journeys/" + s.WorkflowID},
	}
}

func feed(f ops.Feed) Feed {
	out := Feed{
		Source: f.Source, Kind: string(f.Kind), LastSeen: f.LastSeen, LastGood: f.LastGood, NextRead: f.NextRead, Fault: f.Fault, Braked: f.Braked,
		LagSeconds: f.Lag, Counts: f.Counts, ErrorRate: f.ErrorRate, Known: f.Known, PreHires: f.PreHires, Quarantined: f.Waiting, Silent: f.Silent,
		Health: string(f.Health), Do: f.Do,
	}
	if p := f.Paused; p != nil {
		out.Paused = &Paused{Actor: p.Actor, Reason: p.Reason, Since: p.Since}
	}
	return out
}

func quarantined(q intake.Quarantined) Quarantined {
	return Quarantined{ID: q.ID, Source: q.Source, Reason: q.Reason, At: q.At, Size: q.Size}
}

func held(h intake.Held) Held {
	return Held{Kind: string(h.Kind), Source: h.Source, Ref: h.Ref, Since: h.Since}
}

func halt(s ops.Switch) Halt {
	return Halt{On: s.On, Actor: s.Actor, Reason: s.Reason, Since: s.Since}
}

func found(f ops.Found) Found {
	return Found{Source: f.Source, Ref: f.Ref, Name: f.Name, Starts: f.Starts, Journeys: all(f.Journeys, row)}
}

func summary(s ops.Summary) Summary {
	return Summary{
		Board: freshness(s.State), Stages: counts(s.Stages), Reasons: counts(s.Reasons), NeedsAction: s.Needs, LivePasses: s.Live, Lost: s.Lost,
		Day: starting(s.Day), Week: starting(s.Week), Feeds: s.Feeds, TroubledFeeds: all(s.Silent, strings.Clone), PausedFeeds: all(s.Paused, strings.Clone),
		Quarantined: s.Quarantine, HeldChanges: s.Held, Halt: halt(s.Switch), Gaps: s.Gaps,
	}
}

func counts[K ~string](m map[K]int) map[string]int {
	out := make(map[string]int, len(m))
	for k, n := range m {
		out[string(k)] = n
	}
	return out
}

func starting(s ops.Starting) Starting {
	return Starting{Total: s.Total, Ready: s.Ready, AtRisk: s.AtRisk}
}
