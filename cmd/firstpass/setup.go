package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"

	"firstpass.internal/workflows"
)

type setupCmd struct{}

// Run implements the command. It adds what is missing and changes nothing that
// is there; doing it again does nothing.
func (*setupCmd) Run(ctx context.Context, env *environment) error {
	cfg, temporal, err := env.connect(ctx)
	if err != nil {
		return err
	}
	defer temporal.Close()
	report, err := register(ctx, temporal.OperatorService(), cfg.Temporal.Namespace, pause)
	if err != nil {
		return err
	}
	if err := env.print(report, report.text); err != nil {
		return err
	}
	if n := len(report.Missing) + len(report.Wrong); n > 0 {
		return fmt.Errorf("%d of %d search attributes are not as they have to be", n, len(workflows.Attributes()))
	}
	return nil
}

// registrar is the part of Temporal's operator service that setup needs.
type registrar interface {
	ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error)
	AddSearchAttributes(context.Context, *operatorservice.AddSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error)
}

// setupReport says what there was, what was done and what is left to do.
type setupReport struct {
	Namespace string   `json:"namespace"`
	There     []string `json:"there"`             // before
	Added     []string `json:"added"`             // now
	Missing   []string `json:"missing,omitempty"` // still
	Wrong     []string `json:"wrong,omitempty"`   // of another type than they have to be
	Why       string   `json:"why,omitempty"`     // what is missing could not be added
}

// The namespace is asked settleTries times whether it knows what was added,
// settlePause apart: its caches take some seconds.
const (
	settleTries = 15
	settlePause = time.Second
)

func register(ctx context.Context, r registrar, namespace string, wait func(context.Context, time.Duration)) (setupReport, error) {
	out := setupReport{Namespace: namespace, There: []string{}, Added: []string{}}
	wanted := workflows.Attributes()
	there, err := attributesOf(ctx, r, namespace)
	if err != nil {
		return out, hinted{fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err), "see that the namespace exists, and that our key may list its search attributes; firstpass check tells more"}
	}
	missing := map[string]enums.IndexedValueType{}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		switch kind, is := there[name]; {
		case !is:
			missing[name] = wanted[name]
		case kind != wanted[name]:
			out.Wrong = append(out.Wrong, name)
		default:
			out.There = append(out.There, name)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	_, err = r.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	var exists *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &exists) { // somebody else does the same
		out.Missing, out.Why = slices.Sorted(maps.Keys(missing)), err.Error()
		return out, nil
	}
	for range settleTries {
		if there, err = attributesOf(ctx, r, namespace); err == nil && workflows.ShowsOf(there) == workflows.ShowsAll {
			break
		}
		wait(ctx, settlePause)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	if err != nil {
		return out, fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err)
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		if there[name] == wanted[name] {
			out.Added = append(out.Added, name)
		} else {
			out.Missing = append(out.Missing, name)
		}
	}
	if len(out.Missing) > 0 {
		out.Why = "Temporal took them, and does not list them yet; run firstpass setup again in a minute"
	}
	return out, nil
}

func attributesOf(ctx context.Context, r registrar, namespace string) (map[string]enums.IndexedValueType, error) {
	reply, err := r.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	return reply.GetCustomAttributes(), err
}

func (r setupReport) text(w io.Writer) {
	wanted := workflows.Attributes()
	for _, name := range r.There {
		fmt.Fprintf(w, "there    %s (%s)\n", name, wanted[name])
	}
	for _, name := range r.Added {
		fmt.Fprintf(w, "added    %s (%s)\n", name, wanted[name])
	}
	for _, name := range r.Wrong {
		fmt.Fprintf(w, "WRONG    %s is not of type %s\n", name, wanted[name])
		fmt.Fprintf(w, "         → temporal operator search-attribute remove --namespace %s --name %s, then firstpass setup\n", r.Namespace, name)
	}
	for _, name := range r.Missing {
		fmt.Fprintf(w, "MISSING  %s (%s)\n", name, wanted[name])
	}
	if r.Why != "" {
		fmt.Fprintf(w, "         %s\n", r.Why)
		fmt.Fprintf(w, "         → Temporal Cloud does not let clients add them: add them there under Namespace, Search Attributes\n")
	}
	switch {
	case len(r.Missing)+len(r.Wrong) > 0:
		fmt.Fprintln(w, "Journeys go on without; those that begin before all are there show less, as long as they run.")
	case len(r.Added) == 0:
		fmt.Fprintln(w, "Nothing to do.")
	default:
		fmt.Fprintln(w, "Done. Journeys that begin from now on show all; those that run show what they did.")
	}
}
