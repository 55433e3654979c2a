package board

import (
	"strings"
	"time"
	"unicode"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// seen is one run as visibility tells of it.
type seen struct {
	row    Row
	parent string // of a pass: workflow ID of its journey
	pass   bool
	// goesOn says that the run ended and another one of the same workflow
	// follows.
	goesOn bool
}

// Decode reads a run as visibility, or a description, tells of it; false if it
// is no journey.
func Decode(info *workflowpb.WorkflowExecutionInfo) (Row, bool) {
	s, ok := decode(info)
	return s.row, ok && !s.pass
}

func decode(info *workflowpb.WorkflowExecutionInfo) (seen, bool) {
	id := info.GetExecution().GetWorkflowId()
	s := seen{row: Row{WorkflowID: id, RunID: info.GetExecution().GetRunId()}, pass: info.GetType().GetName() == workflows.TypePass}
	if id == "" || s.row.RunID == "" {
		return s, false
	}
	r := &s.row
	if s.pass {
		s.parent = info.GetParentExecution().GetWorkflowId()
	} else {
		r.Kind, r.Ref = workflows.KindOf(id), workflows.RefOf(id)
		parts := strings.Split(id, "/")
		if r.Kind == "" || len(parts) != 3 {
			return s, false
		}
		r.Source = parts[1]
	}
	fields := info.GetSearchAttributes().GetIndexedFields()
	r.Stage = jml.Stage(word(fields, workflows.AttributeStage))
	r.Reason = jml.BlockReason(word(fields, workflows.AttributeReason))
	r.Site, r.Channel = text(fields, workflows.AttributeSite), text(fields, workflows.AttributeChannel)
	r.Starts, r.Expires, r.Changed = moment(fields, workflows.AttributeStarts), moment(fields, workflows.AttributeExpires), moment(fields, workflows.AttributeChanged)
	said := attribute(fields, workflows.AttributeNeeds, &r.NeedsAction)
	if t := info.GetStartTime(); t != nil {
		r.Began = t.AsTime()
	}
	switch info.GetStatus() {
	case enums.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_PAUSED:
	case enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		s.goesOn = true
	default:
		r.Closed, r.NeedsAction = info.GetCloseTime().AsTime(), false
		r.Lost = !r.Stage.Closed()
	}
	if r.Stage != jml.StageBlocked {
		r.Reason = "" // an old worker leaves the last one
	}
	if !said && !s.pass && r.Closed.IsZero() { // an old worker
		r.NeedsAction = r.Stage == jml.StageApproval || r.Stage == jml.StageBlocked && !r.Reason.Passes()
	}
	return s, true
}

// attribute decodes a search attribute, which is stored in clear and so does
// not go through the codec. One of another type is as good as none.
func attribute(fields map[string]*commonpb.Payload, name string, into any) bool {
	p := fields[name]
	return p != nil && converter.GetDefaultDataConverter().FromPayload(p, into) == nil
}

// maxText bounds what of a text is kept, in bytes.
const maxText = 100

// text is a keyword that may hold anything that HR calls a place.
func text(fields map[string]*commonpb.Payload, name string) string {
	var s string
	if !attribute(fields, name, &s) {
		return ""
	}
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// word is a keyword of our own vocabulary. Whoever may write to Temporal could
// have put anything there; a newer worker may know words that we don't.
func word(fields map[string]*commonpb.Payload, name string) string {
	s := text(fields, name)
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return "unknown"
		}
	}
	return s
}

func moment(fields map[string]*commonpb.Payload, name string) time.Time {
	var t time.Time
	_ = attribute(fields, name, &t)
	return t.UTC()
}
