package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"firstpass.internal/internal/codec"
)

// The steps that look for secrets where none may be, at the end of every story.

// readHistories takes the account, too: what comes after it looks on only.
func (d *demo) readHistories(ctx context.Context) error {
	counts := d.world.Tenant.Counts()
	kinds := d.world.Temporal.ActionsByKind("default")
	d.spent = figures{graph: counts.Graph, tokens: counts.Token, actions: d.world.Temporal.Actions("default") - d.actions}
	for kind, n := range kinds {
		if isQuery(kind) {
			d.spent.queries += n
		}
	}
	payloads, err := codec.New(codec.Config{Keyring: d.world.Keys.Payloads, Namespace: "default"})
	if err != nil {
		return err
	}
	expected := fmt.Sprintf("%d histories (%s) that can be decrypted and hold no passcode, link or code", len(d.leaves), strings.Join(d.leaves, ", "))
	return d.expect(ctx, 15*time.Second, "No secret in Temporal's history", expected, func() (string, error) {
		runs, err := d.runs(ctx)
		if err != nil {
			return "", err
		}
		d.spent.histories = nil
		var kinds []string
		for _, r := range runs {
			id, run := r.GetExecution().GetWorkflowId(), r.GetExecution().GetRunId()
			if r.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return "", errors.New(id + " has not closed")
			}
			kind, _, _ := strings.Cut(id, "/")
			kinds = append(kinds, kind)
			events, err := d.canaries().Run(ctx, d.client, payloads, id, run)
			if err != nil {
				return "", giveUp{err}
			}
			d.spent.histories = append(d.spent.histories, history{kind, events})
		}
		if !slices.Equal(kinds, d.leaves) {
			return "", errors.New("workflows of these kinds: " + strings.Join(kinds, ", "))
		}
		return fmt.Sprintf("%d events read, decrypted", d.spent.events()), nil
	})
}

// runs lists what the story left in Temporal, in order of their starts.
func (d *demo) runs(ctx context.Context) ([]*workflowpb.WorkflowExecutionInfo, error) {
	res, err := d.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100})
	runs := res.GetExecutions()
	slices.SortFunc(runs, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return cmp.Or(a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime()), strings.Compare(a.GetExecution().GetWorkflowId(), b.GetExecution().GetWorkflowId()))
	})
	return runs, err
}

// canaries look for everything secret in the story.
func (d *demo) canaries() canaries {
	var s secrets
	for _, m := range d.world.Mailbox.Mails() {
		s.fromMail(m)
	}
	for _, t := range d.world.Phones.Texts() {
		s.fromText(t)
	}
	return canaries{
		newCanary(slices.Concat(s.Passcodes, d.shown, s.Tokens, s.References, plainReferences(s.References))...),
		newDigitCanary(s.Codes...),
	}
}

// readMessages looks for passcodes where they were not to be sent. In mode send
// one stands in a mail.
func (d *demo) readMessages(ctx context.Context) error {
	if len(d.shown) == 0 {
		return nil
	}
	what, which := "No passcode in any message", "the passcode"
	if len(d.shown) > 1 {
		which = "any of the passcodes"
	}
	return d.expect(ctx, time.Second, what, "neither mailbox nor phone holds "+which, func() (string, error) {
		mails, texts := d.world.Mailbox.Mails(), d.world.Phones.Texts()
		raw, err := json.Marshal([]any{mails, texts})
		if err != nil || newCanary(d.shown...).In(raw) {
			return "", giveUp{errors.Join(err, errors.New("a passcode stands in a message"))}
		}
		return fmt.Sprintf("mails read as their reader sees them: %d, texts: %d", len(mails), len(texts)), nil
	})
}

// scanFiles runs after everything has stopped, so that nothing waits in memory
// to be written.
func (d *demo) scanFiles() error {
	found, files, size, err := d.canaries().Files(d.dir)
	if err != nil {
		return err
	}
	const what, expected = "No secret in any file", "no file in the state folder holds passcode, link or code"
	if len(found) > 0 {
		return &failure{what, expected, strings.Join(found, ", ")}
	}
	if files < 10 {
		return &failure{what, "at least ten files to look into", fmt.Sprint(files)}
	}
	d.story.tell(what, fmt.Sprintf("%d files, %.1f MB: database, logs, audit, configuration, state", files, float64(size)/1e6))
	return nil
}
