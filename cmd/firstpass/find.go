package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// person names one employee, on the command line of several commands.
type person struct {
	Ref        string `arg:"" optional:"" help:"Reference as in firstpass list, or a whole KIND/SOURCE/REF."`
	EmployeeID string `help:"Employee id in the HR system, instead of a reference." placeholder:"ID"`
	Source     string `help:"HR source of the employee; needed with --employee-id where there are several." placeholder:"NAME"`
}

// target names one journey of an employee.
type target struct {
	person
	Kind string `help:"Which of the employee's journeys: joiner, mover, recovery or staging. The one that runs, if not given." enum:",joiner,mover,recovery,staging" default:"" placeholder:"KIND"`
}

// name is a reference and the source whose employee it means.
type name struct{ source, ref string }

// place is a journey that a target may mean, as its last run stands.
type place struct {
	id     string
	status enums.WorkflowExecutionStatus
	closed time.Time
}

func (p place) running() bool { return p.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING }

// open connects and finds the journey that t means. The caller closes the client.
func (t *target) open(ctx context.Context, env *environment) (client.Client, place, error) {
	cfg, c, err := env.connect(ctx)
	if err != nil {
		return nil, place{}, err
	}
	p, err := t.find(ctx, env, c, cfg)
	if err != nil {
		c.Close()
		return nil, place{}, err
	}
	return c, p, nil
}

// openRunning is open for what only a journey that runs can be asked.
func (t *target) openRunning(ctx context.Context, env *environment) (client.Client, string, error) {
	c, p, err := t.open(ctx, env)
	if err != nil {
		return nil, "", err
	}
	if !p.running() {
		c.Close()
		return nil, "", endedAlready(p.id)
	}
	return c, p.id, nil
}

// find returns the journey that t means: the one that runs, else the one that
// ended last. Of several that run, somebody has to say which.
func (t *target) find(ctx context.Context, env *environment, c client.Client, cfg *config.Config) (place, error) {
	places, err := t.places(ctx, env, c, cfg)
	if err != nil {
		return place{}, err
	}
	switch running := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return !p.running() }); len(running) {
	case 0:
		return slices.MaxFunc(places, func(a, b place) int { return a.closed.Compare(b.closed) }), nil
	case 1:
		return running[0], nil
	default:
		return place{}, several("run", running)
	}
}

// several lists the journeys that a reference may mean.
func several(do string, places []place) error {
	ids := make([]string, 0, len(places))
	for _, p := range places {
		ids = append(ids, p.id)
	}
	return usageError{hinted{fmt.Errorf("several journeys under this reference %s:\n%s", do, strings.Join(ids, "\n")),
		"say which with --kind, or by the whole name"}}
}

// places returns all journeys under the name that t gives; at least one.
func (t *target) places(ctx context.Context, env *environment, c client.Client, cfg *config.Config) ([]place, error) {
	ids, err := t.candidates(cfg)
	if err != nil {
		return nil, err
	}
	out, err := lookUp(ctx, c, ids)
	if err == nil && len(out) == 0 && t.EmployeeID != "" {
		// HR may have given another id; the reference stays.
		err = env.withDesk(ctx, cfg, c, func(d *intake.Desk) error {
			known, err := d.Employee(ctx, t.Source, t.EmployeeID)
			if err != nil {
				return err
			}
			for _, e := range known {
				more, err := lookUp(ctx, c, e.Journeys())
				if err != nil {
					return err
				}
				out = append(out, more...)
			}
			return nil
		})
		out = slices.DeleteFunc(out, func(p place) bool { return t.Kind != "" && t.Kind != string(workflows.KindOf(p.id)) })
	}
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, hinted{errors.New("no such journey"), "firstpass list --all shows every reference"}
	}
	return out, nil
}

// lookUp returns those of the journeys that there are.
func lookUp(ctx context.Context, c client.Client, ids []string) ([]place, error) {
	var out []place
	for _, id := range ids {
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, temporalError("look up "+id, err)
		}
		info := d.GetWorkflowExecutionInfo()
		out = append(out, place{id, info.GetStatus(), info.GetCloseTime().AsTime()})
	}
	return out, nil
}

// candidates returns the workflow IDs that t may mean.
func (t *target) candidates(cfg *config.Config) ([]string, error) {
	if strings.Contains(t.Ref, "/") {
		if _, err := whole(t.Ref); err != nil {
			return nil, err
		}
		if t.Kind != "" && t.Kind != string(workflows.KindOf(t.Ref)) {
			return nil, usageError{errors.New("--kind and the reference name two kinds of journeys")}
		}
		return []string{t.Ref}, nil
	}
	names, err := t.names(cfg)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, n := range names {
		for _, k := range jml.Kinds() {
			if t.Kind == "" || t.Kind == string(k) {
				ids = append(ids, workflows.JourneyID(k, n.source, n.ref))
			}
		}
	}
	return ids, nil
}

// whole takes apart a whole reference.
func whole(ref string) (name, error) {
	parts := strings.Split(ref, "/")
	if len(parts) != 3 || workflows.KindOf(ref) == "" {
		return name{}, usageError{errors.New("a whole reference is KIND/SOURCE/REF, such as joiner/hr/abc")}
	}
	return name{parts[1], parts[2]}, nil
}

// names returns whom p may mean: the same reference under each source that has
// employees of its own.
func (p *person) names(cfg *config.Config) ([]name, error) {
	if (p.Ref == "") == (p.EmployeeID == "") {
		return nil, usageError{errors.New("give a reference or --employee-id, one of them")}
	}
	var names []name
	for _, s := range cfg.Sources {
		if p.Source != "" && s.Name != p.Source {
			continue
		}
		n := name{cmp.Or(s.EmployeesOf, s.Name), p.Ref}
		if p.EmployeeID != "" {
			refs, err := newRefs(cfg)
			if err != nil {
				return nil, err
			}
			n.ref = refs.Ref(n.source, p.EmployeeID)
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return nil, usageError{fmt.Errorf("no source is called %q in the configuration", p.Source)}
	}
	return names, nil
}
