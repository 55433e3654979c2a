package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/api"
	"firstpass.internal/workflows"
)

type showCmd struct {
	target
}

// Run implements the command.
func (s *showCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		p, err := s.find(ctx, c)
		if err != nil {
			return err
		}
		if err := env.printReply(p.body, func(w io.Writer) { showText(w, p.Journey) }); err != nil {
			return err
		}
		return p.silent()
	})
}

// field is one line of text output.
type field struct{ name, value string }

func showText(w io.Writer, j api.Journey) {
	row := j.Row
	fields := []field{
		{"Journey", string(row.Kind)},
		{"Reference", row.Ref},
		{"Workflow", row.WorkflowID},
		{"Profile", j.Profile},
		{"Stage", string(row.Stage)},
	}
	if row.Lost {
		fields = append(fields, field{"Lost", "the run ended without an outcome; whether its pass is gone is not known"})
	}
	fields = append(fields, heldFields(j)...)
	fields = append(fields, employeeFields(j)...)
	fields = append(fields, field{"Gives up", stamp(j.Deadline)})
	if row.Stage == jml.StageScheduled {
		fields = append(fields, field{"Issues at", stamp(j.IssueAt)})
	}
	fields = append(fields, requestFields(j.Request)...)
	fields = append(fields, approvalFields(j.Approval)...)
	if u := j.User; u != nil {
		fields = append(fields, field{"Entra user", u.Upn + " (" + u.ID + ")"})
	}
	fields = append(fields, field{"Linked by hand to", j.Linked})
	if b := j.Block; b != nil {
		fields = append(fields, field{"Blocked by", blockWords(*b)}, field{"What to do", b.Advice}, field{"Next try", stamp(j.Recheck)})
	}
	if p := j.Pass; p != nil {
		fields = append(fields, field{"Pass stage", string(p.Stage)}, field{"Next look", stamp(p.NextLook)})
		fields = append(fields, passFields(*p)...)
	} else if p := j.LastPass; p != nil {
		fields = append(fields, field{"Pass ended", p.End})
		fields = append(fields, passFields(*p)...)
	}
	fields = append(fields, methodFields("Removed", j.Removed)...)
	fields = append(fields, methodFields("No longer enough", j.Weaker)...)
	for _, d := range j.Deliveries {
		fields = append(fields, field{"Message of the journey", deliveryWords(d)})
	}
	if s := j.Stopping; s != nil {
		fields = append(fields, field{"Ending", "as " + string(s.Outcome) + ", by " + s.Actor + ": " + s.Reason})
	}
	fields = append(fields, field{"You can", verbs(j.Can)})
	for _, gap := range j.Gaps {
		fields = append(fields, field{"Not known", gap})
	}
	writeFields(w, fields)
}

func writeFields(w io.Writer, fields []field) {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(tw, "%s\t%s\n", f.name, f.value)
		}
	}
	_ = tw.Flush()
}

func blockWords(b api.Block) string {
	if b.Detail == "" {
		return string(b.Reason)
	}
	return string(b.Reason) + " (" + b.Detail + ")"
}

// heldFields tells how operators steer it.
func heldFields(j api.Journey) []field {
	var out []field
	if h := j.Held; h != nil {
		out = append(out, field{"Held", "by " + h.Actor + ": " + h.Reason})
	}
	if o := j.Override; o != nil {
		start := strings.TrimSpace(o.Date.String() + " " + o.Hour)
		if !o.Until.IsZero() {
			start += ", until " + stamp(o.Until)
		}
		out = append(out, field{"Start moved", "to " + start + ", by " + o.Actor + ": " + o.Reason})
	}
	return out
}

func employeeFields(j api.Journey) []field {
	e := j.Employee
	if e == nil {
		return []field{{"Start", stamp(j.Row.Starts)}, {"Site", j.Row.Site}}
	}
	return []field{
		{"Employee", strings.TrimSpace(e.GivenName + " " + e.FamilyName)},
		{"Employee id", e.EmployeeID},
		{"Mail", e.PersonalMail},
		{"Phone", e.Phone},
		{"Start", startWords(j.Start, *e)},
		{"Zone by", e.ZoneRule},
		{"Site", strings.TrimSpace(e.Site + " " + e.Country)},
		{"Department", e.Department},
	}
}

func passFields(p api.Pass) []field {
	var out []field
	if p.MethodID != "" {
		out = append(out, field{"Pass", p.MethodID},
			field{"Usable", stamp(p.UsableFrom) + " to " + stamp(p.Expires)},
			field{"Handed over", stamp(p.HandedOver)})
	}
	if m := p.Registered; m != nil {
		out = append(out, field{"Registered", m.Label + ", " + stamp(m.Created)})
	}
	out = append(out, field{"Confirmed gone", stamp(p.Gone)}, field{"Use of the pass", useWords(p.Use)})
	return append(out, pickupFields(p.Pickup, p.Deliveries)...)
}

// pickupFields tells how far the pick-up is, and what became of each message.
func pickupFields(p *api.Pickup, deliveries []api.Delivery) []field {
	var out []field
	if p != nil {
		out = append(out, field{"Link valid until", stamp(p.LinkUntil)}, field{"Visits", fmt.Sprint(p.Visits)})
		if p.WrongCodes+p.WrongProofs > 0 {
			out = append(out, field{"Wrong tries", fmt.Sprintf("%d codes of %d, %d proofs of %d", p.WrongCodes, workflows.WrongCodes, p.WrongProofs, workflows.WrongProofs)})
		}
		if p.Locked {
			out = append(out, field{"Link", "locked"})
		}
		for _, proof := range p.Proofs {
			out = append(out, field{"Proof " + proof.Proof, stamp(proof.At)})
		}
	}
	for _, d := range deliveries {
		out = append(out, field{"Message " + fmt.Sprint(d.N), deliveryWords(d)})
	}
	return out
}

func deliveryWords(d api.Delivery) string {
	words := fmt.Sprintf("%s to %s by %s: %s %s", d.Message, d.To, d.Channel, d.Status, stamp(d.At))
	if d.Detail != "" {
		words += " (" + d.Detail + ")"
	}
	return words
}

// requestFields tells why somebody asked for a recovery or a staging.
func requestFields(r *api.Request) []field {
	if r == nil {
		return nil
	}
	out := []field{
		{"Asked by", r.Actor + ", for the " + r.For + ", " + stamp(r.At)},
		{"Ticket", r.Ticket},
		{"Verified by", r.Verified},
		{"Note", r.Note},
		{"Loss", r.Loss},
		{"To be removed", strings.Join(r.Methods, ", ")},
		{"Technician", r.Technician},
		{"Device", r.Device},
		{"Window ends", stamp(r.Until)},
	}
	if r.For == string(jml.RequesterOperator) {
		out[0].value = r.Actor + ", " + stamp(r.At)
	}
	if r.EndSessions {
		out = append(out, field{"Sessions", "ended before there is a pass"})
	}
	return out
}

func approvalFields(a *api.Approval) []field {
	if a == nil {
		return nil
	}
	asked := field{"Approval", "asked for " + stamp(a.AskedAt) + ", lapses " + stamp(a.Until)}
	if a.Decided.IsZero() {
		return []field{asked}
	}
	word := "refused"
	if a.Approved {
		word = "approved"
	}
	return []field{asked, {"Decided", word + " by " + a.By + ", " + stamp(a.Decided)}, {"Decided because", a.Reason}}
}

func useWords(use string) string {
	switch jml.Use(use) {
	case jml.UseYes:
		return "somebody signed in with it"
	case jml.UseNone:
		return "nobody signed in with it"
	}
	return ""
}

func methodFields(what string, methods []api.Method) []field {
	var out []field
	for _, m := range methods {
		words := m.Label
		if !m.Created.IsZero() {
			words += ", registered " + stamp(m.Created)
		}
		out = append(out, field{what, words})
	}
	return out
}

// startWords tells the start as the person will see it, and in UTC.
func startWords(start time.Time, e api.Employee) string {
	if e.StartDate.IsZero() {
		return stamp(start)
	}
	loc, err := jml.LoadZone(e.Zone)
	if err != nil || start.IsZero() {
		return e.StartDate.String() + " " + e.Zone
	}
	return start.In(loc).Format("Mon 2006-01-02 15:04") + " " + e.Zone + " = " + stamp(start)
}

type timelineCmd struct {
	target
}

// Run implements the command.
func (t *timelineCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		p, err := t.find(ctx, c)
		if err != nil {
			return err
		}
		r, err := c.GetTimelineWithResponse(ctx, p.Row.Kind, p.Row.Source, p.Row.Ref)
		if err != nil {
			return err
		}
		if err := env.printReply(r.Body, func(w io.Writer) { timelineTable(w, r.JSON200.Items) }); err != nil {
			return err
		}
		return p.silent()
	})
}

// timelineTable marks what has not happened yet.
func timelineTable(w io.Writer, list []api.Moment) {
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing is known yet")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "WHEN (UTC)\tWHAT\tWHO\tMORE")
	for _, m := range list {
		at := m.At.UTC().Format("2006-01-02 15:04:05")
		if m.Ahead {
			at += " ahead"
		}
		var more []string
		for _, s := range []string{m.Outcome, m.Reason, m.Detail} {
			if s != "" {
				more = append(more, s)
			}
		}
		if m.RequestID != "" {
			more = append(more, "request "+m.RequestID)
		}
		who := m.Who
		if who == "" && !m.Ahead {
			who = "Firstpass"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", at, m.What, who, strings.Join(more, "; "))
	}
	_ = tw.Flush()
}
