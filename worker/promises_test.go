package worker_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// soon is how long a journey may take to do what has to be done at once: a
// revocation is tried again for minutes where Graph denies or throttles it.
const soon = time.Hour

// ours reports the passes of ours that are live on either user.
func (w *world) ours() (out []entrasim.PassInfo) {
	for _, id := range []string{w.user.ID, w.twin.ID} {
		for _, p := range w.tenant.Passes(id) {
			if p.Live && !w.foreign[p.ID] {
				out = append(out, p)
			}
		}
	}
	return out
}

// startAt is the first moment at which a pass may work, after what HR said.
func (w *world) startAt(s jml.Snapshot) time.Time {
	d := s.StartDate
	switch {
	case w.request != nil:
		return w.request.At
	case w.life.Kind == jml.KindMover:
		d, s.StartTime = s.EffectiveDate, nil
	}
	hour := jml.Clock{Hour: 9}
	if s.StartTime != nil {
		hour = *s.StartTime
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		w.problem("zone: %v", err)
	}
	return time.Date(d.Year, d.Month, d.Day, hour.Hour, hour.Minute, 0, 0, zone).UTC()
}

// check judges what must hold at any moment.
func (w *world) check() {
	now, live := w.now(), w.ours()
	if len(live) > 1 {
		w.problem("%d live passes", len(live))
	}
	h := w.told[len(w.told)-1]
	if len(live) == 0 || now.Before(h.at.Add(soon)) || now.Before(w.faulty) {
		return
	}
	if h.s.Status != jml.StatusScheduled {
		w.problem("a live pass %s after HR said %s", now.Sub(h.at), h.s.Status)
	}
	if p := live[0]; p.Start.Before(w.startAt(h.s)) {
		w.problem("a pass works from %s, the start is %s", p.Start, w.startAt(h.s))
	}
}

// judge says what came of the life.
func (w *world) judge() ended {
	out := ended{seen: map[string]int{}}
	var r workflows.JourneyResult
	switch {
	case !w.env.IsWorkflowCompleted():
		w.problem("the journey did not end")
	case w.env.GetWorkflowError() != nil:
		w.problem("the journey failed: %v", w.env.GetWorkflowError())
	default:
		if err := w.env.GetWorkflowResult(&r); err != nil {
			w.problem("result: %v", err)
		}
		w.closing(r)
		w.passes()
		w.removals(r)
		w.secrecy()
		w.handOvers()
	}
	for _, v := range w.tenant.ContractViolations() {
		w.problem("contract: %s %s %s: %s", v.Side, v.Method, v.Path, v.Problem)
	}
	for _, l := range w.post.all {
		out.seen["message "+string(l.n.Message)]++
	}
	for _, l := range w.audit.lines {
		out.seen["audit "+string(l.Event)]++
	}
	out.account = w.account(r)
	out.counts = w.counts
	out.requests = w.tenant.Counts().Graph
	for _, m := range w.tenant.Methods(w.user.ID) {
		out.kept = append(out.kept, m.Kind)
	}
	known := map[[2]jml.Stage]bool{}
	for _, t := range jml.Transitions(w.life.Kind) {
		known[[2]jml.Stage{t.From, t.To}] = true
	}
	from := jml.Stage("")
	for _, s := range append([]jml.Stage{jml.StageScheduled}, w.steps...) {
		if move := [2]jml.Stage{from, s}; from != s {
			if from.Closed() && s == jml.StageScheduled {
				move[0] = "" // of another journey, for what HR said while this one closed
			}
			out.moves = append(out.moves, move)
			if !known[move] {
				w.problem("the stage table of a %s knows no way from %s to %s", w.life.Kind, from, s)
			}
		}
		from = s
	}
	out.outcome, out.problems = r.Outcome, w.problems
	return out
}

// closing judges how the journey ended.
func (w *world) closing(r workflows.JourneyResult) {
	if !r.Outcome.Closed() {
		w.problem("ended as %q", r.Outcome)
	}
	if live := w.ours(); len(live) > 0 {
		w.problem("%d passes are live after the end (%s)", len(live), r.Outcome)
	}
	if n := len(w.steps); n == 0 || w.steps[n-1] != r.Outcome {
		w.problem("the stages %v do not end in %s", w.steps, r.Outcome)
	}
	ends := 0
	for _, s := range w.steps {
		if s.Closed() {
			ends++
		}
	}
	if ends != len(w.begun)+1 {
		w.problem("%d ends of %d journeys: %v", ends, len(w.begun)+1, w.steps)
	}
	var since time.Time
	switch r.Outcome {
	case jml.StageCompleted:
		if w.life.Kind == jml.KindStaging && (r.Pass == nil || r.Pass.Registered == nil) {
			return // by somebody's word
		}
		if r.Pass == nil || r.Pass.Issued == nil || r.Pass.Require == nil {
			w.problem("completed without a pass: %+v", r.Pass)
			return
		}
		w.met(*r.Pass.Require, r.Pass.Issued.Pass.UsableFrom(), r)
		open := w.life.Open && w.request != nil || w.ruleless() // then what counts is the position at the first look, or when the rules were asked again
		if !open && w.wanted().Raises(*r.Pass.Require) && w.facts().Status == jml.StatusScheduled {
			w.problem("completed with %+v, but the position asks for %+v", *r.Pass.Require, w.wanted())
		}
	case jml.StageSkipped:
		if w.ruleless() && w.life.Kind == jml.KindMover {
			return // nothing more is asked of that position
		}
		require := w.wanted()
		if r.Pass != nil && r.Pass.Require != nil {
			require = *r.Pass.Require
		}
		if w.request != nil {
			since = begin
		}
		w.met(require, since, r)
	}
}

// ruleless reports whether no rule was for the last position: then the rules are
// asked again, and a mover has nothing more to do.
func (w *world) ruleless() bool {
	n := len(w.choices)
	return n > 0 && w.choices[n-1].c.Block != nil && w.request == nil
}

// wanted is what the profile that counts asks for.
func (w *world) wanted() jml.Requirement {
	p := w.life.Profile
	if w.life.Open {
		p = w.life.profileFor(w.told[0].s.Department)
	}
	if len(w.begun) > 0 {
		p = w.life.profileFor(w.facts().Department) // the rules are asked again
	}
	for _, c := range w.choices {
		if c.c.Block == nil && w.request == nil {
			p = c.c.Profile
		}
	}
	if w.ruleless() && w.life.Kind == jml.KindJoiner {
		p = w.life.profileFor(w.facts().Department)
	}
	return p.Requirement()
}

func (w *world) met(r jml.Requirement, since time.Time, res workflows.JourneyResult) {
	users := map[string]bool{} // of accounts that are gone, too
	for _, m := range w.methods {
		users[m.user] = true
	}
	for user := range users {
		var all []jml.Method
		for _, m := range w.methods {
			if m.user == user {
				all = append(all, jml.Method{ID: m.ID, Kind: jml.MethodKind(m.Kind), CreatedAt: m.at, AAGUID: m.AAGUID})
			}
		}
		if _, enough := r.Met(all, since); enough {
			return
		}
	}
	w.problem("%s, but %+v is not met by what was registered since %s: %+v", res.Outcome, r, since, w.methods)
}

// passes judges each pass that was made.
func (w *world) passes() {
	type made struct {
		id, user string
	}
	live := map[string]made{}
	for i, e := range w.tenant.PassEvents() {
		if w.foreign[e.MethodID] {
			continue
		}
		switch e.Kind {
		case entrasim.PassCreated:
			w.mayHave(e)
			w.cleared(e, i)
			if !w.announced(audit.EventPassIssue, "", i) {
				w.problem("a pass was made at %s without a line before it", e.Time)
			}
			for _, o := range live {
				if o.user == e.UserID {
					w.problem("a second pass at %s", e.Time)
				}
			}
			live[e.MethodID] = made{id: e.MethodID, user: e.UserID}
		case entrasim.PassDeleted, entrasim.PassReplaced:
			delete(live, e.MethodID)
			if e.Kind == entrasim.PassDeleted && !w.announced(audit.EventPassRevoke, e.MethodID, i) {
				w.problem("a pass was deleted at %s without a line before it", e.Time)
			}
		}
	}
}

// announced reports whether there was such a line before the event of that
// number.
func (w *world) announced(event audit.Event, method string, number int) bool {
	return slices.ContainsFunc(w.audit.lines, func(l line) bool {
		return l.Event == event && l.events <= number && (method == "" || l.MethodID == method)
	})
}

// lag is how long before a pass is made its owner was looked at, at most: the
// tries of one activity.
const lag = 10 * time.Minute

// mayHave judges whether this user might have had a pass then.
func (w *world) mayHave(e entrasim.PassEvent) {
	approved := slices.ContainsFunc(w.approvals, func(d decision) bool {
		return d.approve && !d.at.After(e.Time) && w.journey(d.at).Equal(w.journey(e.Time))
	})
	for i, s := range w.states {
		until := w.now()
		if i+1 < len(w.states) {
			until = w.states[i+1].at
		}
		if e.UserID != w.user.ID || s.at.Add(lag).After(e.Time) || !until.After(e.Time) {
			continue
		}
		if s.disabled || s.external {
			w.problem("a pass at %s for a user that is disabled (%t) or external (%t)", e.Time, s.disabled, s.external)
		}
		if s.inRoles && (!approved || !w.life.Profile.Privileged && !w.life.Other.Privileged) {
			w.problem("a pass at %s for a privileged user, approved: %t", e.Time, approved)
		}
	}
	needs := w.life.Kind == jml.KindStaging || w.life.Profile.Approve && w.life.Other.Approve ||
		w.life.Profile.Approve && len(w.choices) == 0 || w.life.Late && w.life.Profile.Late == jml.LateAsk && len(w.told) == 1
	if needs && !approved {
		w.problem("a pass at %s without approval", e.Time)
	}
	for _, d := range w.approvals {
		if d.approve && w.request != nil && (strings.EqualFold(d.actor, requester) || w.life.Kind == jml.KindStaging && d.actor == technician) {
			w.problem("approved by %s", d.actor)
		}
	}
	var h heard
	for _, t := range w.told {
		if !t.at.Add(lag).After(e.Time) || h.at.IsZero() {
			h = t
		}
	}
	if h.s.Status != jml.StatusScheduled && !h.at.Add(lag).After(e.Time) {
		w.problem("a pass at %s after HR said %s", e.Time, h.s.Status)
	}
}

// journey returns when the journey of that time began.
func (w *world) journey(at time.Time) time.Time {
	since := begin
	for _, b := range w.begun {
		if b.Before(at) {
			since = b
		}
	}
	return since
}

// removals judges which methods we deleted.
func (w *world) removals(r workflows.JourneyResult) {
	there := map[string]bool{}
	for _, id := range []string{w.user.ID, w.twin.ID} {
		for _, m := range w.tenant.Methods(id) {
			there[m.ID] = true
		}
	}
	w.leftovers(there)
	for _, m := range w.methods {
		gone := !there[m.ID] && !m.removed
		if !gone {
			continue
		}
		if !w.announced(audit.EventMethodRemove, m.ID, 1<<30) {
			w.problem("a method went without a line before it: %+v", m)
		}
		why := false
		switch w.life.Kind {
		case jml.KindRecovery:
			why = w.life.Profile.Remove == jml.RemoveLost && slices.Contains(w.request.Methods, m.ID)
		case jml.KindJoiner:
			why = w.life.Profile.Remove == jml.RemoveOlder && m.at.Before(w.journey(w.now())) && slices.ContainsFunc(w.told, func(h heard) bool { return h.s.Rehire })
		case jml.KindMover:
			why = w.life.Profile.Remove == jml.RemoveOlder && m.at.Before(w.journey(w.now())) && r.Outcome.Reached() &&
				!w.wanted().Allows(jml.Method{Kind: jml.MethodKind(m.Kind), AAGUID: m.AAGUID})
		case jml.KindStaging:
			why = w.life.Profile.Remove == jml.RemoveRegistered && !m.at.Before(begin.Truncate(time.Second))
		}
		if !why {
			w.problem("this method must not have been removed: %+v", m)
		}
	}
}

// secrecy: no passcode where anybody but its owner reads.
func (w *world) secrecy() {
	codes := slices.Clone(w.codes)
	for _, l := range w.post.all {
		if l.code != "" {
			codes = append(codes, l.code)
		}
		if l.link != "" {
			codes = append(codes, l.link)
		}
	}
	for _, c := range codes {
		if w.wires.holds(c) {
			w.problem("a secret stands in the history")
		}
		if w.logs.holds(c) {
			w.problem("a secret stands in the log")
		}
	}
}

// cleared judges whether what was lost was gone when a pass was made.
func (w *world) cleared(e entrasim.PassEvent, number int) {
	if w.life.Kind != jml.KindRecovery || e.UserID != w.user.ID || slices.ContainsFunc(w.states, func(s state) bool { return s.account > 0 }) {
		return
	}
	if w.request.EndSessions && !w.announced(audit.EventSessionsEnd, "", number) {
		w.problem("a pass at %s with the old sessions still good", e.Time)
	}
	for _, m := range w.methods {
		lost := w.life.Profile.Remove == jml.RemoveLost && slices.Contains(w.request.Methods, m.ID)
		if lost && !m.removed && !w.announced(audit.EventMethodRemove, m.ID, number) {
			w.problem("a pass at %s with the lost %s still there", e.Time, m.Kind)
		}
	}
}

// leftovers: a technician keeps nothing. Of a pass that the channel refused he
// had nothing, and what is registered when it is deleted is the employee's: that
// ends the sessions made with it.
func (w *world) leftovers(there map[string]bool) {
	if w.life.Kind != jml.KindStaging || w.life.Profile.Remove != jml.RemoveRegistered || w.warned(jml.ReasonRemovalDenied) {
		return
	}
	events := w.tenant.PassEvents()
	for i, e := range events {
		if e.Kind != entrasim.PassCreated || w.foreign[e.MethodID] {
			continue
		}
		made := func(o entrasim.PassEvent) bool { return o.Kind == entrasim.PassCreated }
		if !slices.ContainsFunc(w.post.out, func(n int) bool { return n > i && !slices.ContainsFunc(events[i+1:n], made) }) {
			continue
		}
		until := w.now()
		for _, o := range events[i:] {
			if o.MethodID == e.MethodID && o.Kind == entrasim.PassDeleted {
				until = o.Time
			}
		}
		for _, m := range w.methods {
			if m.user == e.UserID && !m.at.Before(e.Time) && !m.at.After(until) && there[m.ID] {
				w.problem("a technician keeps %s %s", m.Kind, m.ID)
			}
		}
	}
}

func (w *world) warned(reason jml.BlockReason) bool {
	return slices.ContainsFunc(w.post.all, func(l letter) bool { return l.n.Reason == reason })
}

func (w *world) lined(event audit.Event, method string) bool {
	return w.announced(event, method, 1<<30)
}

// handOvers: whoever holds a code that no longer works is told, where the
// profile names a way.
func (w *world) handOvers() {
	var earlier *letter
	for i, l := range w.post.all {
		switch l.n.Message {
		case jml.MessagePass, jml.MessageLink:
			again := earlier != nil && l.link != "" && l.link == earlier.link // the same, sent twice
			if earlier != nil && !again && !l.n.Replaces && l.n.Half != 2 {
				w.problem("a second %s at %s does not say that an earlier one is dead", l.n.Message, l.at)
			}
			earlier = &w.post.all[i]
		}
	}
	end := w.audit.lines[len(w.audit.lines)-1].Time
	for _, l := range w.audit.lines {
		moved := slices.IndexFunc(w.told, func(h heard) bool { return h.moved && !h.at.After(l.Time) && l.Time.Sub(h.at) < time.Minute })
		if l.Event != audit.EventPassRevoke || l.Reason != string(jml.EndCancelled) || !w.lined(audit.EventPassHandedOver, l.MethodID) || moved < 0 || end.Sub(l.Time) < soon {
			continue
		}
		gone := slices.IndexFunc(w.audit.lines, func(o line) bool { return o.Event == audit.EventPassGone && o.MethodID == l.MethodID })
		if gone < 0 {
			continue
		}
		until := w.audit.lines[gone].Time.Add(soon)
		if !slices.ContainsFunc(w.post.all, func(m letter) bool {
			return m.n.To.Employee() && !m.at.Before(l.Time) && m.at.Before(until) &&
				(m.n.Message == jml.MessageMoved || m.n.Replaces && (m.n.Message == jml.MessagePass || m.n.Message == jml.MessageLink))
		}) && w.reachable(l.Time) {
			w.problem("the start moved at %s and nobody told who held the code", l.Time)
		}
	}
}

// reachable reports whether the employee could be told anything then.
func (w *world) reachable(at time.Time) bool {
	for _, h := range w.told {
		if h.s.PersonalMail == "" {
			return false
		}
	}
	return !slices.ContainsFunc(w.life.Events, func(e event) bool { return strings.HasPrefix(e.What, "channel") })
}

// account tells a life for whoever looks into it.
func (w *world) account(r workflows.JourneyResult) string {
	var b strings.Builder
	if r.Pass != nil && r.Pass.Issued != nil {
		issued := *r.Pass.Issued
		issued.Sealed, issued.Pass.RequestID = nil, "" // made by chance
		r.Pass.Issued = &issued
	}
	result, _ := json.Marshal(r) // %+v would name addresses of memory
	fmt.Fprintf(&b, "stages %v\nresult %s\n", w.steps, result)
	for _, l := range w.audit.lines {
		fmt.Fprintf(&b, "%s audit %s %s %s %s %s %s\n", l.Time.Format("01-02 15:04:05"), l.Event, l.MethodID, l.Outcome, l.Reason, l.Actor, l.Detail)
	}
	for _, e := range w.tenant.PassEvents() {
		fmt.Fprintf(&b, "%s pass %s %s %s live %t ours %t\n", e.Time.Format("01-02 15:04:05"), e.Kind, e.MethodID, e.UserID, e.Live, !w.foreign[e.MethodID])
	}
	for _, l := range w.post.all {
		fmt.Fprintf(&b, "%s mail %s to %s, replaces %t, reason %s\n", l.at.Format("01-02 15:04:05"), l.n.Message, l.n.To, l.n.Replaces, l.n.Reason)
	}
	for _, m := range w.methods {
		fmt.Fprintf(&b, "%s method %s %s of %s, removed %t\n", m.at.Format("01-02 15:04:05"), m.Kind, m.ID, m.user, m.removed)
	}
	fmt.Fprintf(&b, "users %s %s\n%s", w.user.ID, w.twin.ID, w.logs.b.String())
	return b.String()
}
