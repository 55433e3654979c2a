package intake

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/grpc"

	"firstpass.internal/workflows"
)

type lister func() (map[string]enumspb.IndexedValueType, error)

func (l lister) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	there, err := l()
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: there}, err
}

// TestShown: asked until all are there, not more than once a minute, and never
// forgotten.
func TestShown(t *testing.T) {
	now := noon
	first := map[string]enumspb.IndexedValueType{}
	for _, name := range []string{workflows.AttributeStage, workflows.AttributeSource, workflows.AttributeReason, workflows.AttributeStarts} {
		first[name] = workflows.Attributes()[name]
	}
	var (
		there map[string]enumspb.IndexedValueType
		fail  error
		asked int
	)
	s := NewShown(ShownConfig{
		Lister:    lister(func() (map[string]enumspb.IndexedValueType, error) { asked++; return there, fail }),
		Namespace: "default", Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	})
	for _, step := range []struct {
		name  string
		wait  time.Duration
		there map[string]enumspb.IndexedValueType
		fail  error
		want  workflows.Shows
		asked int
	}{
		{"away", 0, nil, errors.New("away"), workflows.ShowsFirst, 1},
		{"still in the first minute", 59 * time.Second, nil, nil, workflows.ShowsFirst, 1},
		{"none", time.Minute, nil, nil, workflows.ShowsNone, 2},
		{"the first four", time.Minute, first, nil, workflows.ShowsFirst, 3},
		{"away again", time.Minute, nil, errors.New("away"), workflows.ShowsFirst, 4},
		{"all", time.Minute, workflows.Attributes(), nil, workflows.ShowsAll, 5},
		{"for good", time.Hour, nil, nil, workflows.ShowsAll, 5},
	} {
		now, there, fail = now.Add(step.wait), step.there, step.fail
		if got := s.Shows(t.Context()); got != step.want || asked != step.asked {
			t.Errorf("%s: %d after %d questions, want %d after %d", step.name, got, asked, step.want, step.asked)
		}
	}
}
