package workflows

import (
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// What Temporal shows of a workflow without asking it. Search attributes cost an
// action each time they are set, details cost nothing.

// Shows says which search attributes a workflow sets: those that the namespace
// had when it began. A workflow that sets one the server does not know gets no
// further until somebody registers it
// (https://github.com/temporalio/temporal/issues/6647), so who starts it looks
// first.
//
// At replay the SDK compares that there is an upsert, not what is in it
// (isCommandMatchEvent, SDK 1.50). So journeys from before there were more than
// four attributes make the same upserts as ever.
type Shows int

// The levels.
const (
	ShowsNone  Shows = -1 // none is registered
	ShowsFirst Shows = 0  // Stage, Source, Reason and Starts, of journeys alone
	ShowsAll   Shows = 1
)

// Attributes returns the search attributes that a namespace is to have, by name.
func Attributes() map[string]enums.IndexedValueType {
	return map[string]enums.IndexedValueType{
		AttributeStage:   enums.INDEXED_VALUE_TYPE_KEYWORD,
		AttributeSource:  enums.INDEXED_VALUE_TYPE_KEYWORD,
		AttributeReason:  enums.INDEXED_VALUE_TYPE_KEYWORD,
		AttributeStarts:  enums.INDEXED_VALUE_TYPE_DATETIME,
		AttributeKind:    enums.INDEXED_VALUE_TYPE_KEYWORD,
		AttributeSite:    enums.INDEXED_VALUE_TYPE_KEYWORD,
		AttributeChannel: enums.INDEXED_VALUE_TYPE_KEYWORD,
		AttributeExpires: enums.INDEXED_VALUE_TYPE_DATETIME,
		AttributeNeeds:   enums.INDEXED_VALUE_TYPE_BOOL,
		AttributeChanged: enums.INDEXED_VALUE_TYPE_DATETIME,
	}
}

// ShowsOf returns what a namespace with these search attributes can show.
func ShowsOf(there map[string]enums.IndexedValueType) Shows {
	all, first := true, true
	for name, kind := range Attributes() { //workflowcheck:ignore not called by a workflow
		if there[name] == kind {
			continue
		}
		all = false
		switch name {
		case AttributeStage, AttributeSource, AttributeReason, AttributeStarts:
			first = false
		}
	}
	switch {
	case all:
		return ShowsAll
	case first:
		return ShowsFirst
	}
	return ShowsNone
}

// StartAttributes returns the search attributes that a journey begins with. site
// is as HR calls the place.
func StartAttributes(shows Shows, kind jml.Kind, source, site string, starts, now time.Time) temporal.SearchAttributes {
	if shows < ShowsFirst {
		return temporal.NewSearchAttributes()
	}
	updates := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttributeStage).ValueSet(string(jml.StageScheduled)),
		temporal.NewSearchAttributeKeyKeyword(AttributeSource).ValueSet(source),
		temporal.NewSearchAttributeKeyTime(AttributeStarts).ValueSet(starts),
	}
	if shows >= ShowsAll {
		updates = append(updates,
			temporal.NewSearchAttributeKeyKeyword(AttributeKind).ValueSet(string(kind)),
			temporal.NewSearchAttributeKeyKeyword(AttributeSite).ValueSet(OpenSite(site)),
			temporal.NewSearchAttributeKeyTime(AttributeChanged).ValueSet(now),
		)
	}
	return temporal.NewSearchAttributes(updates...)
}

// passAttributes are those that a pass begins with.
func (j *journey) passAttributes(ctx workflow.Context) temporal.SearchAttributes {
	if j.in.Shows < ShowsFirst {
		return temporal.NewSearchAttributes()
	}
	updates := []temporal.SearchAttributeUpdate{temporal.NewSearchAttributeKeyKeyword(AttributeSource).ValueSet(j.in.Source)}
	if j.in.Shows >= ShowsAll {
		updates = append(updates,
			temporal.NewSearchAttributeKeyKeyword(AttributeStage).ValueSet(string(jml.StageIssuing)),
			temporal.NewSearchAttributeKeyTime(AttributeChanged).ValueSet(workflow.Now(ctx)),
		)
	}
	return temporal.NewSearchAttributes(updates...)
}

// siteLimit bounds what is shown of a site, in bytes. Temporal takes 255
// characters of a keyword.
const siteLimit = 64

// OpenSite returns a site as it may be shown in clear; empty if it may not be. A
// place has no "@": that would be a mailbox, mapped to the wrong field.
func OpenSite(site string) string {
	site = strings.TrimSpace(site)
	if len(site) > siteLimit || strings.ContainsAny(site, "@\r\n\t") {
		return ""
	}
	return site
}

// needsAction reports whether nothing happens until somebody does something.
func needsAction(s jml.Stage, b *jml.Block) bool {
	return s == jml.StageApproval || s == jml.StageBlocked && b != nil && !b.Reason.Passes()
}

// enter changes the stage, where it can be searched and read in Temporal's own
// UI too. Each upsert is an action that costs, so an unchanged stage makes none.
func (j *journey) enter(ctx workflow.Context, s jml.Stage, b *jml.Block) {
	reason, was := "", ""
	if b != nil {
		reason = string(b.Reason)
	}
	if j.block != nil {
		was = string(j.block.Reason)
	}
	changed := s != j.stage || reason != was
	j.stage, j.block = s, b
	if !changed {
		j.explain(ctx)
		return
	}
	j.version++
	j.since = workflow.Now(ctx)
	updates := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttributeStage).ValueSet(string(s)),
	}
	if reason != was {
		updates = append(updates, temporal.NewSearchAttributeKeyKeyword(AttributeReason).ValueSet(reason))
	}
	if j.in.Shows >= ShowsAll {
		updates = append(updates,
			temporal.NewSearchAttributeKeyBool(AttributeNeeds).ValueSet(needsAction(s, b)),
			temporal.NewSearchAttributeKeyTime(AttributeChanged).ValueSet(j.since),
		)
	}
	if j.in.Shows >= ShowsFirst {
		_ = workflow.UpsertTypedSearchAttributes(ctx, updates...)
	}
	j.explain(ctx)
}

// showStart keeps the start instant in the search attributes true. Intake set
// it when it started the workflow.
func (j *journey) showStart(ctx workflow.Context) {
	start := j.s.Start()
	if !j.shown.IsZero() && !j.shown.Equal(start) && j.in.Shows >= ShowsFirst {
		updates := []temporal.SearchAttributeUpdate{temporal.NewSearchAttributeKeyTime(AttributeStarts).ValueSet(start)}
		if j.in.Shows >= ShowsAll {
			// Who reads what has changed since would not hear of the start else.
			updates = append(updates, temporal.NewSearchAttributeKeyTime(AttributeChanged).ValueSet(workflow.Now(ctx)))
		}
		_ = workflow.UpsertTypedSearchAttributes(ctx, updates...)
	}
	j.shown = start
}

// explain writes down where the journey stands, for who looks at it in
// Temporal's UI: a reference, times and advice; nothing personal.
func (j *journey) explain(ctx workflow.Context) {
	var d details
	d.line("**" + title(j.stage) + "** since " + d.time(j.since))
	switch {
	case j.stage == jml.StageBlocked && j.block != nil:
		d.line("`" + j.block.String() + "`: " + j.block.Advice)
		if j.s.Recheck.After(workflow.Now(ctx)) {
			d.point("next try", d.time(j.s.Recheck))
		}
	case j.stage == jml.StageScheduled:
		d.line("Waits for its time. Nothing to do.")
	case j.stage == jml.StageApproval:
		d.line("Waits for a yes or a no, until " + d.time(j.s.Approval.Until) + ": `firstpass approve " + j.in.Ref + "`, or the console.")
	case j.stage == jml.StagePass && j.pass != nil:
		d.line("A pass is under way: see the workflow `" + j.pass.id + "`.")
	case j.stage.Closed():
		d.line("This journey has ended.")
	}
	if j.informed && !j.stage.Closed() && (j.s.Kind != jml.KindJoiner || !j.s.Facts.StartDate.IsZero()) {
		d.point("start", d.time(j.s.Start()))
		if j.stage == jml.StageScheduled || j.stage == jml.StageBlocked {
			d.point("pass due from", d.time(j.s.IssueAt()))
		}
		d.point("gives up", d.time(j.s.Deadline()))
	}
	if j.s.Overridden() {
		d.point("start", "moved by an operator")
	}
	if j.s.Linked != "" {
		d.point("user", "linked by an operator")
	}
	d.point("more", "`firstpass show "+j.in.Ref+"`")
	workflow.SetCurrentDetails(ctx, d.String())
}

// enter changes the stage of a pass. Shown is what promises are made of: that
// link and code are out, that somebody may hold a pass and until when, and that
// one is being ended, which may take long while the tenant is away. Issuing was
// shown at the start, settling is a matter of minutes, and what is gone has
// ended.
func (p *pass) enter(ctx workflow.Context, s jml.Stage) {
	if s != p.stage {
		p.state.Version++
		p.stage, p.since = s, workflow.Now(ctx)
	}
	p.explain(ctx)
	switch s {
	case jml.StageInvited, jml.StageWaiting, jml.StageRevoking:
	default:
		return
	}
	if p.in.Shows < ShowsAll || s == p.state.Shown {
		return
	}
	p.state.Shown = s
	updates := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttributeStage).ValueSet(string(s)),
		temporal.NewSearchAttributeKeyTime(AttributeChanged).ValueSet(workflow.Now(ctx)),
	}
	if c := p.state.channel(); s != jml.StageRevoking && c != "" {
		updates = append(updates, temporal.NewSearchAttributeKeyKeyword(AttributeChannel).ValueSet(c))
	}
	if i := p.state.Issued; i != nil && s == jml.StageWaiting {
		updates = append(updates, temporal.NewSearchAttributeKeyTime(AttributeExpires).ValueSet(i.Pass.EndsAt()))
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, updates...)
}

// channel is by which the last link or passcode went.
func (o *outbox) channel() (name string) {
	for _, s := range o.Sent {
		if s.Message == jml.MessagePass || s.Message == jml.MessageLink {
			name = s.Channel
		}
	}
	return name
}

// explain does for a pass what it does for a journey.
func (p *pass) explain(ctx workflow.Context) {
	var d details
	d.line("**" + title(p.stage) + "** since " + d.time(p.since))
	switch p.stage {
	case jml.StageIssuing:
		d.line("The pass is being made, or the invitation sent.")
	case jml.StageInvited:
		d.line("Link and code are out; nobody has collected the pass yet.")
		d.point("invitation ends", d.time(p.state.Pickup.LinkUntil))
	case jml.StageWaiting:
		d.line("Handed over. Waits until a method is registered.")
	case jml.StageSettling:
		d.line("Registered. The sessions made with the pass are let finish, then it is revoked.")
	case jml.StageRevoking:
		d.line("Is being deleted, and read back until the tenant no longer lists it. If this lasts, Microsoft Graph does not answer: see the activity's last failure.")
	case jml.StageGone:
		d.line("The tenant no longer lists it.")
	}
	if p.state.Held && p.state.Issued == nil {
		d.line("An operator holds the journey: nothing is issued until it is resumed.")
	}
	if i := p.state.Issued; i != nil {
		d.point("usable", d.time(p.usable())+" to "+d.time(i.Pass.EndsAt()))
	}
	if c := p.state.channel(); c != "" {
		d.point("sent by", "`"+c+"`")
	}
	if p.nextLook.After(workflow.Now(ctx)) && p.stage == jml.StageWaiting {
		d.point("next look", d.time(p.nextLook))
	}
	d.point("gives up", d.time(p.in.Until))
	d.point("more", "`firstpass show "+p.in.Ref+"`")
	workflow.SetCurrentDetails(ctx, d.String())
}

// details is a short text in Markdown, as Temporal's UI shows it.
type details struct{ lines, points []string }

func (d *details) line(text string)        { d.lines = append(d.lines, text) }
func (d *details) point(what, is string)   { d.points = append(d.points, "- "+what+": "+is) }
func (d *details) time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (d *details) String() string {
	return strings.Join(append(d.lines, strings.Join(d.points, "\n")), "\n\n")
}

// title is a stage as a heading.
func title(s jml.Stage) string {
	switch s {
	case "":
		return "Under way"
	case jml.StageTimedOut:
		return "Timed out"
	}
	return strings.ToUpper(string(s[:1])) + string(s[1:])
}
