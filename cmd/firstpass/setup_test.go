package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/grpc"

	"firstpass.internal/workflows"
)

// namespace is one whose search attributes show after so many questions.
type namespace struct {
	has   map[string]enums.IndexedValueType
	later map[string]enums.IndexedValueType
	lag   int
	deny  error
	added int
}

func (n *namespace) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	if n.lag--; n.lag < 0 {
		maps.Copy(n.has, n.later)
	}
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: maps.Clone(n.has)}, nil
}

func (n *namespace) AddSearchAttributes(_ context.Context, in *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	if n.deny != nil {
		return nil, n.deny
	}
	n.added++
	n.later = in.GetSearchAttributes()
	return nil, nil
}

func TestSetup(t *testing.T) {
	const all = 10
	without := func(names ...string) map[string]enums.IndexedValueType {
		out := workflows.Attributes()
		for _, name := range names {
			delete(out, name)
		}
		return out
	}
	wrong := workflows.Attributes()
	wrong[workflows.AttributeNeeds] = enums.INDEXED_VALUE_TYPE_KEYWORD
	for name, tt := range map[string]struct {
		n                            namespace
		there, added, missing, wrong int
		says                         string
	}{
		"new":          {namespace{has: map[string]enums.IndexedValueType{}, lag: 3}, 0, all, 0, 0, "Done."},
		"older":        {namespace{has: without(workflows.AttributeKind, workflows.AttributeChanged)}, all - 2, 2, 0, 0, "added    FirstpassKind (Keyword)"},
		"all there":    {namespace{has: workflows.Attributes()}, all, 0, 0, 0, "Nothing to do."},
		"another type": {namespace{has: wrong}, all - 1, 0, 0, 1, "FirstpassNeedsAction is not of type Bool"},
		"denied":       {namespace{has: map[string]enums.IndexedValueType{}, deny: errors.New("not here")}, 0, 0, all, 0, "Temporal Cloud"},
		"never shows":  {namespace{has: map[string]enums.IndexedValueType{}, lag: 1000}, 0, 0, all, 0, "in a minute"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := register(t.Context(), &tt.n, "default", func(context.Context, time.Duration) {})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.There) != tt.there || len(got.Added) != tt.added || len(got.Missing) != tt.missing || len(got.Wrong) != tt.wrong {
				t.Errorf("%+v", got)
			}
			var text bytes.Buffer
			if got.text(&text); !strings.Contains(text.String(), tt.says) {
				t.Errorf("says:\n%s", text.String())
			}
			before := tt.n.added
			tt.n.lag, tt.n.deny = 0, nil
			if again, err := register(t.Context(), &tt.n, "default", func(context.Context, time.Duration) {}); err != nil || len(again.Wrong) != tt.wrong || before > 0 && name != "never shows" && tt.n.added != before {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}
