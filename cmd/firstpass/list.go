package main

import (
	"context"
	"fmt"
	"io"
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
	Stage  string `help:"Only joiners in this stage: scheduled, blocked, pass; completed, skipped, timedOut, cancelled, revoked." placeholder:"STAGE"`
	Source string `help:"Only joiners of this HR source." placeholder:"NAME"`
	All    bool   `help:"Closed joiners too, as long as Temporal keeps them." short:"a"`
	Names  bool   `help:"Show names. Asks every joiner, so it is slow for many; Temporal's search holds no personal data."`
	Limit  int    `help:"Stop after so many." default:"1000" placeholder:"N"`
}

// listed is one line of the list.
type listed struct {
	Ref    string          `json:"ref"`
	Source string          `json:"source"`
	Stage  jml.Stage `json:"stage"`
	Reason jml.BlockReason `json:"reason,omitempty"`
	Starts *time.Time      `json:"starts,omitempty"`
	Name   string          `json:"name,omitempty"`
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
	parts := []string{"WorkflowType = '" + workflows.TypeJoiner + "'"}
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

// quotable refuses what would end the quotation in a query.
func quotable(flag, s string) error {
	if strings.ContainsAny(s, `'"\`) {
		return usageError{fmt.Errorf("%s: letters, digits and - only", flag)}
	}
	return nil
}

func (l *listCmd) read(ctx context.Context, c client.Client, query string) ([]listed, error) {
	rows := []listed{}
	var page []byte
	for {
		resp, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 200, NextPageToken: page})
		if err != nil {
			return nil, temporalError("list workflows", err)
		}
		for _, e := range resp.GetExecutions() {
			id := e.GetExecution().GetWorkflowId()
			row := listed{Ref: workflows.RefOf(id), WorkflowID: id}
			fields := e.GetSearchAttributes().GetIndexedFields()
			attribute(fields, workflows.AttributeSource, &row.Source)
			attribute(fields, workflows.AttributeStage, &row.Stage)
			attribute(fields, workflows.AttributeReason, &row.Reason)
			var starts time.Time
			if attribute(fields, workflows.AttributeStarts, &starts) {
				row.Starts = &starts
			}
			if l.Names {
				if v, err := ask(ctx, c, id); err == nil {
					row.Name = strings.TrimSpace(v.Facts.GivenName + " " + v.Facts.FamilyName)
				}
			}
			rows = append(rows, row)
			if len(rows) == l.Limit {
				return rows, nil
			}
		}
		if page = resp.GetNextPageToken(); len(page) == 0 {
			return rows, nil
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
		fmt.Fprintln(w, "no joiners; firstpass list --all shows closed ones too")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	head := "REF\tSOURCE\tSTARTS (UTC)\tSTAGE\tREASON"
	if l.Names {
		head += "\tNAME"
	}
	fmt.Fprintln(tw, head)
	for _, r := range rows {
		starts := ""
		if r.Starts != nil {
			starts = r.Starts.UTC().Format("2006-01-02 15:04")
		}
		line := strings.Join([]string{r.Ref, r.Source, starts, string(r.Stage), string(r.Reason)}, "\t")
		if l.Names {
			line += "\t" + r.Name
		}
		fmt.Fprintln(tw, line)
	}
	_ = tw.Flush()
}
