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

// target names one joiner, on the command line of several commands.
type target struct {
	Ref        string `arg:"" optional:"" help:"Reference as in firstpass list, or a whole workflow ID."`
	EmployeeID string `help:"Employee id in the HR system, instead of a reference." placeholder:"ID"`
	Source     string `help:"HR source of the employee; needed with --employee-id where there are several." placeholder:"NAME"`
}

type showCmd struct {
	target
}

// shown is all there is to show of a joiner.
type shown struct {
	WorkflowID string                  `json:"workflow_id"`
	Status     string                  `json:"status"` // Temporal's word for the run
	Joiner     workflows.JourneyView    `json:"joiner"`
	Pass       *workflows.PassView     `json:"pass,omitempty"`
	Result     *workflows.JourneyResult `json:"result,omitempty"`
}

// Run implements the command.
func (s *showCmd) Run(ctx context.Context, env *environment) error {
	c, id, status, err := s.open(ctx, env)
	if err != nil {
		return err
	}
	defer c.Close()
	out := shown{WorkflowID: id, Status: status.String()}
	if status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		// The result needs no worker.
		var result workflows.JourneyResult
		if err := c.GetWorkflow(ctx, id, "").Get(ctx, &result); err != nil {
			return temporalError("read the result of "+id, err)
		}
		out.Result = &result
		out.Joiner = workflows.JourneyView{Ref: workflows.RefOf(id), Stage: result.Outcome, Facts: result.Facts, Block: result.Block, Pass: result.Pass}
	} else if out.Joiner, err = ask(ctx, c, id); err != nil {
		return err
	}
	if out.Joiner.PassID != "" {
		var v workflows.PassView
		if answer, err := c.QueryWorkflow(ctx, out.Joiner.PassID, "", workflows.QueryPass); err == nil && answer.Get(&v) == nil {
			out.Pass = &v
		}
	}
	return env.print(out, out.text)
}

// ask queries a joiner. Only this way are names and addresses shown: they rest
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
	j := s.Joiner
	fields := []field{
		{"Reference", j.Ref},
		{"Workflow", s.WorkflowID},
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
	if j.User != nil {
		fields = append(fields, field{"Entra user", j.User.UPN + " (" + j.User.ID + ")"})
	}
	if j.Block != nil {
		fields = append(fields, field{"Blocked by", j.Block.String()}, field{"What to do", j.Block.Advice}, field{"Next try", stamp(j.Recheck)})
	}
	if p := s.Pass; p != nil {
		fields = append(fields, field{"Pass stage", string(p.Stage)}, field{"Next look", stamp(p.NextLook)})
		fields = append(fields, passFields(p.Issued, p.Registered, nil)...)
		fields = append(fields, pickupFields(p.Pickup, p.Deliveries)...)
	} else if p := j.Pass; p != nil {
		fields = append(fields, field{"Pass ended", string(p.End)})
		fields = append(fields, passFields(p.Issued, p.Registered, p.Revoked)...)
		fields = append(fields, pickupFields(p.Pickup, p.Deliveries)...)
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
		state := fmt.Sprintf("%s to %s by %s: %s %s", d.Message, d.To, d.Channel, d.Status, stamp(d.At))
		if d.Detail != "" {
			state += " (" + d.Detail + ")"
		}
		out = append(out, field{"Message " + fmt.Sprint(d.N), state})
	}
	return out
}

// start tells the start as the person will see it, and in UTC.
func (s shown) start() string {
	f := s.Joiner.Facts
	if f.StartDate.IsZero() {
		return ""
	}
	loc, err := jml.LoadZone(f.Zone)
	if err != nil || s.Joiner.Start.IsZero() {
		return f.StartDate.String() + " " + f.Zone
	}
	return s.Joiner.Start.In(loc).Format("Mon 2006-01-02 15:04") + " " + f.Zone + " = " + stamp(s.Joiner.Start)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
