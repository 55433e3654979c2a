package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

type listCmd struct {
	Stage  string `help:"Only journeys in this stage: scheduled, approval, blocked, pass; completed, skipped, timedOut, cancelled, revoked, refused, lapsed. With approval, shows until when each waits." placeholder:"STAGE"`
	Kind   string `help:"Only journeys of this kind: joiner, mover, recovery or staging." enum:",joiner,mover,recovery,staging" default:"" placeholder:"KIND"`
	Source string `help:"Only journeys of this HR source." placeholder:"NAME"`
	All    bool   `help:"Closed journeys too, as long as Temporal keeps them." short:"a"`
	Names  bool   `help:"Show names. Asks every journey, so it is slow for many; Temporal's search holds no personal data."`
	Limit  int    `help:"Stop after so many." default:"1000" placeholder:"N"`
}

// listed is one line of the list.
type listed struct {
	Kind   jml.Kind        `json:"kind"`
	Ref    string          `json:"ref"`
	Source string          `json:"source"`
	Stage  jml.Stage       `json:"stage"`
	Reason jml.BlockReason `json:"reason,omitempty"`
	Starts *time.Time      `json:"starts,omitempty"`
	Name   string          `json:"name,omitempty"`
	// Until is when a request lapses that nobody has decided.
	Until *time.Time `json:"until,omitempty"`
	// WorkflowID is what Temporal's own tools know it by.
	WorkflowID string `json:"workflow_id"`
}

// Run implements the command.
func (l *listCmd) Run(ctx context.Context, env *environment) error {
	_, c, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	query, err := l.query()
	if err != nil {
		return err
	}
	rows, err := l.read(ctx, c, query)
	if err != nil {
		return err
	}
	return env.print(rows, func(w io.Writer) { l.table(w, rows) })
}

func (l *listCmd) query() (string, error) {
	parts := []string{"WorkflowType IN (" + quotedTypes() + ")"}
	if l.Kind != "" {
		parts[0] = "WorkflowType = '" + workflows.Type(jml.Kind(l.Kind)) + "'"
	}
	if l.Stage != "" {
		if err := quotable("--stage", l.Stage); err != nil {
			return "", err
		}
		parts = append(parts, workflows.AttributeStage+" = '"+l.Stage+"'")
	}
	if l.Source != "" {
		if err := quotable("--source", l.Source); err != nil {
			return "", err
		}
		parts = append(parts, workflows.AttributeSource+" = '"+l.Source+"'")
	}
	if !l.All && !jml.Stage(l.Stage).Closed() {
		parts = append(parts, "ExecutionStatus = 'Running'")
	}
	return strings.Join(parts, " AND "), nil
}

// quotedTypes lists the workflow types of journeys for a query.
func quotedTypes() string {
	var types []string
	for _, k := range jml.Kinds() {
		types = append(types, "'"+workflows.Type(k)+"'")
	}
	return strings.Join(types, ", ")
}

// quotable refuses what would end the quotation in a query.
func quotable(flag, s string) error {
	if strings.ContainsAny(s, `'"\`) {
		return usageError{fmt.Errorf("%s: letters, digits and - only", flag)}
	}
	return nil
}

func (l *listCmd) read(ctx context.Context, c client.Client, query string) ([]listed, error) {
	rows := []listed{}
	err := journeys(ctx, c, query, func(row listed) bool {
		if l.Names || row.Stage == jml.StageApproval {
			l.detail(ctx, c, &row)
		}
		rows = append(rows, row)
		return len(rows) != l.Limit
	})
	return rows, err
}

// detail fills in what only the journey itself knows. One that does not answer
// is listed without.
func (l *listCmd) detail(ctx context.Context, c client.Client, row *listed) {
	v, err := ask(ctx, c, row.WorkflowID)
	if err != nil {
		return
	}
	if l.Names {
		row.Name = strings.TrimSpace(v.Facts.GivenName + " " + v.Facts.FamilyName)
	}
	if v.Approval != nil && v.Approval.Decided.IsZero() {
		row.Until = &v.Approval.Until
	}
}

// journeys calls yield with each journey that a query finds, until it returns
// false.
func journeys(ctx context.Context, c client.Client, query string, yield func(listed) bool) error {
	var page []byte
	for {
		resp, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 200, NextPageToken: page})
		if err != nil {
			return temporalError("list workflows", err)
		}
		for _, e := range resp.GetExecutions() {
			id := e.GetExecution().GetWorkflowId()
			row := listed{Kind: workflows.KindOf(id), Ref: workflows.RefOf(id), WorkflowID: id}
			fields := e.GetSearchAttributes().GetIndexedFields()
			attribute(fields, workflows.AttributeSource, &row.Source)
			attribute(fields, workflows.AttributeStage, &row.Stage)
			attribute(fields, workflows.AttributeReason, &row.Reason)
			var starts time.Time
			if attribute(fields, workflows.AttributeStarts, &starts) {
				row.Starts = &starts
			}
			if !yield(row) {
				return nil
			}
		}
		if page = resp.GetNextPageToken(); len(page) == 0 {
			return nil
		}
	}
}

// attribute decodes a search attribute, which is stored in clear and so does
// not go through the codec.
func attribute(fields map[string]*commonpb.Payload, name string, into any) bool {
	p := fields[name]
	return p != nil && converter.GetDefaultDataConverter().FromPayload(p, into) == nil
}

func (l *listCmd) table(w io.Writer, rows []listed) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no journeys; firstpass list --all shows closed ones too")
		return
	}
	waits := slices.ContainsFunc(rows, func(r listed) bool { return r.Until != nil })
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	head := "KIND\tREF\tSOURCE\tSTARTS (UTC)\tSTAGE\tREASON"
	if waits {
		head += "\tDECIDE BY (UTC)"
	}
	if l.Names {
		head += "\tNAME"
	}
	fmt.Fprintln(tw, head)
	for _, r := range rows {
		line := strings.Join([]string{string(r.Kind), r.Ref, r.Source, minute(r.Starts), string(r.Stage), string(r.Reason)}, "\t")
		if waits {
			line += "\t" + minute(r.Until)
		}
		if l.Names {
			line += "\t" + r.Name
		}
		fmt.Fprintln(tw, line)
	}
	_ = tw.Flush()
}

func minute(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}
