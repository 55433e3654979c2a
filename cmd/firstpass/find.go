package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// open connects and finds the joiner that t means. The caller closes the client.
func (t *target) open(ctx context.Context, env *environment) (client.Client, string, enums.WorkflowExecutionStatus, error) {
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return nil, "", 0, err
	}
	id, status, err := t.find(ctx, c, cfg)
	if err != nil {
		c.Close()
		return nil, "", 0, err
	}
	return c, id, status, nil
}

// find returns the workflow ID that t means and how its last run stands.
func (t *target) find(ctx context.Context, c client.Client, cfg *config.Config) (string, enums.WorkflowExecutionStatus, error) {
	ids, err := t.candidates(cfg)
	if err != nil {
		return "", 0, err
	}
	for _, id := range ids {
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return "", 0, temporalError("look up "+id, err)
		}
		return id, d.GetWorkflowExecutionInfo().GetStatus(), nil
	}
	return "", 0, hinted{errors.New("no such joiner"), "firstpass list --all shows every reference"}
}

// candidates returns the workflow IDs that t may mean.
func (t *target) candidates(cfg *config.Config) ([]string, error) {
	ref := t.Ref
	if (ref == "") == (t.EmployeeID == "") {
		return nil, usageError{errors.New("give a reference or --employee-id, one of them")}
	}
	if strings.Contains(ref, "/") {
		return []string{ref}, nil
	}
	var ids []string
	for _, s := range cfg.Sources {
		if t.Source != "" && s.Name != t.Source {
			continue
		}
		r := ref
		if t.EmployeeID != "" {
			refs, err := newRefs(cfg)
			if err != nil {
				return nil, err
			}
			r = refs.Ref(s.Name, t.EmployeeID)
		}
		ids = append(ids, workflows.JourneyID(jml.KindJoiner, s.Name, r))
	}
	if len(ids) == 0 {
		return nil, usageError{fmt.Errorf("no source is called %q in the configuration", t.Source)}
	}
	return ids, nil
}
