package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// hall is a Temporal server whose journeys stand still: they answer queries with
// what a test gave them, and updates by a function of the test. Payloads are
// encrypted as by a worker.
type hall struct {
	engine
	operatorservice.UnimplementedOperatorServiceServer
	data     converter.DataConverter
	failures converter.FailureConverter

	mu       sync.Mutex
	journeys map[string]*standing
	signals  []string // name and workflow
}

// standing is a journey in the hall.
type standing struct {
	view   workflows.JourneyView
	pass   *workflows.PassView // of the workflow view.PassID
	result *workflows.JourneyResult
	silent bool // no worker answers for it
	// channel is the one by which the pass went.
	channel string
	// on answers an update.
	on func(s *standing, update string, in func(any)) (any, error)
}

// hallRun is the run of every journey in the hall.
const hallRun = "0c0ffee0-0000-4000-8000-000000000001"

func newHall(t *testing.T, ring *codec.Keyring) *hall {
	t.Helper()
	c, err := codec.New(codec.Config{Keyring: ring, Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	return &hall{data: codec.DataConverter(c), failures: codec.FailureConverter(c), journeys: map[string]*standing{}}
}

func (h *hall) put(s *standing) *standing {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.journeys[workflows.JourneyID(s.view.Kind, s.view.Source, s.view.Ref)] = s
	return s
}

func notFound() error {
	return serviceerror.ToStatus(serviceerror.NewNotFound("no such workflow")).Err()
}

func (h *hall) get(id string) (*standing, error) {
	if s := h.journeys[id]; s != nil {
		return s, nil
	}
	return nil, notFound()
}

func (s *standing) info(id string) *workflowpb.WorkflowExecutionInfo {
	attribute := func(v any) *commonpb.Payload {
		p, _ := converter.GetDefaultDataConverter().ToPayload(v) // strings and times
		return p
	}
	out := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: hallRun}, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		Type: &commonpb.WorkflowType{Name: workflows.Type(s.view.Kind)},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			workflows.AttributeSource: attribute(s.view.Source), workflows.AttributeStage: attribute(string(s.view.Stage)),
			workflows.AttributeStarts: attribute(s.view.Start), workflows.AttributeSite: attribute(s.view.Facts.Site),
		}},
	}
	if s.view.Block != nil {
		out.SearchAttributes.IndexedFields[workflows.AttributeReason] = attribute(string(s.view.Block.Reason))
	}
	if s.result != nil {
		out.Status, out.CloseTime = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, timestamppb.New(s.view.Deadline)
	}
	return out
}

func (h *hall) DescribeWorkflowExecution(_ context.Context, r *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.get(r.GetExecution().GetWorkflowId())
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: s.info(r.GetExecution().GetWorkflowId())}, nil
}

func (h *hall) QueryWorkflow(_ context.Context, r *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := r.GetExecution().GetWorkflowId()
	if r.GetQuery().GetQueryType() == workflows.QueryPass {
		for _, s := range h.journeys {
			if s.pass != nil && s.view.PassID == id {
				return h.answer(s.pass)
			}
		}
		return nil, notFound()
	}
	s, err := h.get(id)
	if err != nil {
		return nil, err
	}
	if s.silent {
		return nil, serviceerror.ToStatus(serviceerror.NewDeadlineExceeded("no worker")).Err()
	}
	return h.answer(s.view)
}

func (h *hall) answer(v any) (*workflowservice.QueryWorkflowResponse, error) {
	p, err := h.data.ToPayloads(v)
	return &workflowservice.QueryWorkflowResponse{QueryResult: p}, err
}

func (h *hall) UpdateWorkflowExecution(_ context.Context, r *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.get(r.GetWorkflowExecution().GetWorkflowId())
	if err != nil {
		return nil, err
	}
	out := &workflowservice.UpdateWorkflowExecutionResponse{
		UpdateRef: &updatepb.UpdateRef{WorkflowExecution: r.GetWorkflowExecution(), UpdateId: r.GetRequest().GetMeta().GetUpdateId()},
		Stage:     enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED,
	}
	in := r.GetRequest().GetInput()
	if s.on == nil {
		return nil, errors.New("this test's journey takes no updates")
	}
	answer, refusal := s.on(s, in.GetName(), func(into any) { _ = h.data.FromPayloads(in.GetArgs(), into) })
	if refusal != nil {
		f := h.failures.ErrorToFailure(temporal.NewApplicationError(refusal.Error(), "refused"))
		out.Outcome = &updatepb.Outcome{Value: &updatepb.Outcome_Failure{Failure: f}}
		return out, nil
	}
	p, err := h.data.ToPayloads(answer)
	out.Outcome = &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: p}}
	return out, err
}

// StartWorkflowExecution begins a journey that stands still.
func (h *hall) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.journeys[r.GetWorkflowId()]; s != nil && s.result == nil {
		return nil, serviceerror.ToStatus(serviceerror.NewWorkflowExecutionAlreadyStarted("it runs", "", hallRun)).Err()
	}
	var in workflows.JourneyInput
	if err := h.data.FromPayloads(r.GetInput(), &in); err != nil {
		return nil, err
	}
	s := &standing{view: workflows.JourneyView{Kind: workflows.KindOf(r.GetWorkflowId()), Ref: in.Ref, Source: in.Source, Profile: in.Profile.Name, Stage: jml.StageScheduled, Request: in.Request}}
	if in.Facts != nil {
		s.view.Facts = *in.Facts
	}
	h.journeys[r.GetWorkflowId()] = s
	return &workflowservice.StartWorkflowExecutionResponse{RunId: hallRun}, nil
}

// ListWorkflowExecutions knows as much of Temporal's queries as firstpass uses.
func (h *hall) ListWorkflowExecutions(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := &workflowservice.ListWorkflowExecutionsResponse{}
	for id, s := range h.journeys {
		if s.meets(r.GetQuery()) {
			out.Executions = append(out.Executions, s.info(id))
			if s.pass != nil {
				out.Executions = append(out.Executions, s.passInfo(id))
			}
		}
	}
	return out, nil
}

// passInfo is the run of the pass of a journey.
func (s *standing) passInfo(journey string) *workflowpb.WorkflowExecutionInfo {
	attribute := func(v any) *commonpb.Payload {
		p, _ := converter.GetDefaultDataConverter().ToPayload(v) // strings
		return p
	}
	return &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: s.view.PassID, RunId: hallRun}, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		Type: &commonpb.WorkflowType{Name: workflows.TypePass}, ParentExecution: &commonpb.WorkflowExecution{WorkflowId: journey, RunId: hallRun},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			workflows.AttributeStage: attribute(string(s.pass.Stage)), workflows.AttributeChannel: attribute(s.channel),
		}},
	}
}

func (h *hall) CountWorkflowExecutions(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := &workflowservice.CountWorkflowExecutionsResponse{}
	for _, s := range h.journeys {
		if s.meets(r.GetQuery()) {
			out.Count++
		}
	}
	return out, nil
}

func (s *standing) meets(query string) bool {
	for clause := range strings.SplitSeq(query, " AND ") {
		if strings.HasPrefix(clause, "(") {
			continue // times, or closed lately: all here are
		}
		attribute, rest, _ := strings.Cut(clause, " ")
		has := map[string]string{
			"WorkflowType": workflows.Type(s.view.Kind), "ExecutionStatus": "Running",
			workflows.AttributeStage: string(s.view.Stage), workflows.AttributeSource: s.view.Source,
		}[attribute]
		if s.result != nil && attribute == "ExecutionStatus" {
			has = "Completed"
		}
		if has == "" || !strings.Contains(rest, "'"+has+"'") {
			return false
		}
	}
	return true
}

func (h *hall) GetWorkflowExecutionHistory(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.get(r.GetExecution().GetWorkflowId())
	if err != nil {
		return nil, err
	}
	p, err := h.data.ToPayloads(s.result)
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: []*historypb.HistoryEvent{{
		EventId: 1, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{Result: p},
		},
	}}}}, err
}

func (h *hall) SignalWorkflowExecution(_ context.Context, r *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signals = append(h.signals, r.GetSignalName()+" "+r.GetWorkflowExecution().GetWorkflowId())
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}

// DescribeTaskQueue answers as if a worker polled.
func (*hall) DescribeTaskQueue(context.Context, *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueuepb.PollerInfo{{Identity: "worker"}}}, nil
}

func (*hall) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: workflows.Attributes()}, nil
}

// decides takes decisions as workflows.Staging does.
func decides(s *standing, _ string, in func(any)) (any, error) {
	var d workflows.Decision
	in(&d)
	a, now := s.view.Approval, time.Now()
	switch {
	case !a.Decided.IsZero():
		return nil, errors.New("this was decided already, at " + a.Decided.Format(time.RFC3339))
	case now.After(a.Until):
		return nil, errors.New("the request lapsed at " + a.Until.Format(time.RFC3339) + "; ask anew")
	case s.view.Request != nil && strings.EqualFold(s.view.Request.Actor, d.Actor):
		return nil, errors.New("who asks for a pass, or gets it, can't approve it: have somebody else decide")
	}
	a.Decided, a.By, a.Reason, a.Approved = now, d.Actor, d.Reason, d.Approve
	return workflows.Answer{Done: true}, nil
}

// steered takes what operators say as a joiner does.
func steered(s *standing, update string, in func(any)) (any, error) {
	switch update {
	case workflows.UpdateHold:
		var r workflows.HoldRequest
		in(&r)
		if r.Hold == (s.view.Held != nil) {
			return nil, errors.New("nobody holds it")
		}
		if s.view.Held = nil; r.Hold {
			s.view.Held = &r.Word
		}
	case workflows.UpdateMove:
		var r workflows.MoveRequest
		in(&r)
		s.view.Override = &r
	case workflows.UpdateLink:
		var r workflows.LinkRequest
		in(&r)
		s.view.Linked = r.UserID
	case workflows.UpdateStop:
		var r jml.Stop
		in(&r)
		s.result = &workflows.JourneyResult{Outcome: r.Outcome, Facts: s.view.Facts}
		return *s.result, nil
	}
	s.view.Version++
	return workflows.Answer{Done: true, Version: s.view.Version}, nil
}

// done ends a staging as workflows.Staging does.
func done(removed ...jml.Method) func(*standing, string, func(any)) (any, error) {
	return func(s *standing, _ string, in func(any)) (any, error) {
		var stop jml.Stop
		in(&stop)
		if stop.Outcome != jml.StageCompleted || stop.Reason == "" {
			return nil, errors.New("the outcome must be completed")
		}
		s.result = &workflows.JourneyResult{Outcome: stop.Outcome, Facts: s.view.Facts, Removed: removed,
			Pass: &workflows.PassResult{End: jml.EndCancelled, Revoked: &workflows.RevokeResult{GoneAt: s.view.Start}}}
		return *s.result, nil
	}
}
