package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

type showCmd struct {
	target
}

// shown is all there is to show of a journey.
type shown struct {
	WorkflowID string                   `json:"workflow_id"`
	Status     string                   `json:"status"` // Temporal's word for the run
	Journey    workflows.JourneyView    `json:"journey"`
	Pass       *workflows.PassView      `json:"pass,omitempty"`
	Result     *workflows.JourneyResult `json:"result,omitempty"`
}

// Run implements the command.
func (s *showCmd) Run(ctx context.Context, env *environment) error {
	c, at, err := s.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	id := at.id
	out := shown{WorkflowID: id, Status: at.status.String()}
	if at.status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		// The result needs no worker.
		var result workflows.JourneyResult
		if err := c.GetWorkflow(ctx, id, "").Get(ctx, &result); err != nil {
			return temporalError("read the result of "+id, err)
		}
		out.Result = &result
		out.Journey = workflows.JourneyView{
			Kind: workflows.KindOf(id), Ref: workflows.RefOf(id), Stage: result.Outcome, Facts: result.Facts, Block: result.Block, Pass: result.Pass,
			Removed: result.Removed, Weaker: result.Weaker,
		}
	} else if out.Journey, err = ask(ctx, c, id); err != nil {
		return err
	}
	if out.Journey.PassID != "" {
		var v workflows.PassView
		if answer, err := c.QueryWorkflow(ctx, out.Journey.PassID, "", workflows.QueryPass); err == nil && answer.Get(&v) == nil {
			out.Pass = &v
		}
	}
	return env.print(out, out.text)
}

// ask queries a journey. Only this way are names and addresses shown: they rest
// encrypted, and a worker with the key must answer.
func ask(ctx context.Context, c client.Client, id string) (workflows.JourneyView, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var v workflows.JourneyView
	answer, err := c.QueryWorkflow(ctx, id, "", workflows.QueryJourney)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return v, hinted{errors.New("no worker answered for " + id), "is firstpass serve running?"}
		}
		return v, temporalError("ask "+id, err)
	}
	if err := answer.Get(&v); err != nil {
		return v, hinted{errors.New("the answer of " + id + " can't be decrypted"), "temporal.keyring_file must hold the key that firstpass serve uses"}
	}
	return v, nil
}

// field is one line of text output.
type field struct{ name, value string }

func (s shown) text(w io.Writer) {
	j := s.Journey
	fields := []field{
		{"Journey", string(j.Kind)},
		{"Reference", j.Ref},
		{"Workflow", s.WorkflowID},
		{"Profile", j.Profile},
		{"Stage", string(j.Stage)},
		{"Employee", strings.TrimSpace(j.Facts.GivenName + " " + j.Facts.FamilyName)},
		{"Employee id", j.Facts.EmployeeID},
		{"Mail", j.Facts.PersonalMail},
		{"Phone", j.Facts.Phone},
		{"Start", s.start()},
		{"Zone by", string(j.Facts.ZoneRule)},
		{"Site", strings.TrimSpace(j.Facts.Site + " " + j.Facts.Country)},
		{"Department", j.Facts.Department},
		{"Gives up", stamp(j.Deadline)},
	}
	if j.Stage == jml.StageScheduled {
		fields = append(fields, field{"Issues at", stamp(j.IssueAt)})
	}
	fields = append(fields, requestFields(j.Request)...)
	fields = append(fields, approvalFields(j.Approval)...)
	if j.User != nil {
		fields = append(fields, field{"Entra user", j.User.UPN + " (" + j.User.ID + ")"})
	}
	if j.Block != nil {
		fields = append(fields, field{"Blocked by", j.Block.String()}, field{"What to do", j.Block.Advice}, field{"Next try", stamp(j.Recheck)})
	}
	if p := s.Pass; p != nil {
		fields = append(fields, field{"Pass stage", string(p.Stage)}, field{"Next look", stamp(p.NextLook)})
		fields = append(fields, passFields(p.Issued, p.Registered, nil)...)
		fields = append(fields, field{"Use of the pass", useWords(p.Use)})
		fields = append(fields, pickupFields(p.Pickup, p.Deliveries)...)
	} else if p := j.Pass; p != nil {
		fields = append(fields, field{"Pass ended", string(p.End)})
		fields = append(fields, passFields(p.Issued, p.Registered, p.Revoked)...)
		fields = append(fields, field{"Use of the pass", useWords(p.Use)})
		fields = append(fields, pickupFields(p.Pickup, p.Deliveries)...)
	}
	fields = append(fields, methodFields("Removed", j.Removed)...)
	fields = append(fields, methodFields("No longer enough", j.Weaker)...)
	for _, d := range j.Deliveries {
		fields = append(fields, field{"Message of the journey", deliveryWords(d)})
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(tw, "%s\t%s\n", f.name, f.value)
		}
	}
	_ = tw.Flush()
}

func passFields(issued *workflows.IssueResult, registered *jml.Method, gone *workflows.RevokeResult) []field {
	var out []field
	if issued != nil {
		p := issued.Pass
		out = append(out, field{"Pass", p.MethodID},
			field{"Usable", stamp(p.UsableFrom()) + " to " + stamp(p.EndsAt())},
			field{"Handed over", stamp(issued.HandedOverAt)})
	}
	if registered != nil {
		out = append(out, field{"Registered", registered.Kind.Label() + ", " + stamp(registered.CreatedAt)})
	}
	if gone != nil {
		out = append(out, field{"Confirmed gone", stamp(gone.GoneAt)})
	}
	return out
}

// pickupFields tells how far the pick-up is, and what became of each message.
func pickupFields(p *workflows.PickupView, deliveries []workflows.Delivery) []field {
	var out []field
	if p != nil {
		out = append(out, field{"Link valid until", stamp(p.LinkUntil)}, field{"Visits", fmt.Sprint(p.Visits)})
		if p.WrongCodes+p.WrongProofs > 0 {
			out = append(out, field{"Wrong tries", fmt.Sprintf("%d codes of %d, %d proofs of %d", p.WrongCodes, workflows.WrongCodes, p.WrongProofs, workflows.WrongProofs)})
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

func deliveryWords(d workflows.Delivery) string {
	words := fmt.Sprintf("%s to %s by %s: %s %s", d.Message, d.To, d.Channel, d.Status, stamp(d.At))
	if d.Detail != "" {
		words += " (" + d.Detail + ")"
	}
	return words
}

// requestFields tells why somebody asked for a recovery or a staging.
func requestFields(r *jml.Request) []field {
	if r == nil {
		return nil
	}
	out := []field{
		{"Asked by", r.Actor + ", for the " + string(r.For) + ", " + stamp(r.At)},
		{"Ticket", r.Ticket},
		{"Verified by", r.Verified},
		{"Note", r.Note},
		{"Loss", string(r.Loss)},
		{"To be removed", strings.Join(r.Methods, ", ")},
		{"Technician", r.Technician.UPN},
		{"Device", r.Device},
		{"Window ends", stamp(r.Until)},
	}
	if r.For == jml.RequesterOperator {
		out[0].value = r.Actor + ", " + stamp(r.At)
	}
	if r.EndSessions {
		out = append(out, field{"Sessions", "ended before there is a pass"})
	}
	return out
}

func approvalFields(a *jml.Approval) []field {
	if a == nil {
		return nil
	}
	asked := field{"Approval", "asked for " + stamp(a.AskedAt) + ", lapses " + stamp(a.Until)}
	if a.Decided.IsZero() {
		return []field{asked}
	}
	return []field{asked, {"Decided", decisionWords(*a)}, {"Decided because", a.Reason}}
}

// decisionWords tells what was decided, by whom and when.
func decisionWords(a jml.Approval) string {
	word := "refused"
	if a.Approved {
		word = "approved"
	}
	return word + " by " + a.By + ", " + stamp(a.Decided)
}

func useWords(u jml.Use) string {
	switch u {
	case jml.UseYes:
		return "somebody signed in with it"
	case jml.UseNone:
		return "nobody signed in with it"
	}
	return ""
}

func methodFields(what string, methods []jml.Method) []field {
	var out []field
	for _, m := range methods {
		words := m.Kind.Label()
		if !m.CreatedAt.IsZero() {
			words += ", registered " + stamp(m.CreatedAt)
		}
		out = append(out, field{what, words})
	}
	return out
}

// start tells the start as the person will see it, and in UTC.
func (s shown) start() string {
	f := s.Journey.Facts
	if f.StartDate.IsZero() {
		return ""
	}
	loc, err := jml.LoadZone(f.Zone)
	if err != nil || s.Journey.Start.IsZero() {
		return f.StartDate.String() + " " + f.Zone
	}
	return s.Journey.Start.In(loc).Format("Mon 2006-01-02 15:04") + " " + f.Zone + " = " + stamp(s.Journey.Start)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
