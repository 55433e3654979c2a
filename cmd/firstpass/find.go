package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/api"
	"firstpass.internal/workflows"
)

// person names one employee, on the command line of several commands.
type person struct {
	Ref        string `arg:"" optional:"" help:"Reference as in firstpass list, or a whole KIND/SOURCE/REF."`
	EmployeeID string `help:"Employee id in the HR system, instead of a reference." placeholder:"ID"`
	Source     string `help:"HR source of the employee; needed with --employee-id where there are several." placeholder:"NAME"`
}

// name returns what to look for.
func (p *person) name() (string, error) {
	if (p.Ref == "") == (p.EmployeeID == "") {
		return "", usageError{errors.New("give a reference or --employee-id, one of them")}
	}
	return p.Ref + p.EmployeeID, nil
}

// target names one journey of an employee.
type target struct {
	person
	Kind string `help:"Which of the employee's journeys: joiner, mover, recovery or staging. The one that runs, if not given." enum:",joiner,mover,recovery,staging" default:"" placeholder:"KIND"`
}

// place is a journey that a target may mean, as the API has just told of it.
type place struct {
	api.Journey
	tag  string // its ETag
	body []byte
}

func (p place) id() string    { return p.Row.WorkflowID }
func (p place) running() bool { return p.Row.Closed.IsZero() }

// find returns the journey that t means: the one that runs, else the one that
// ended last. Of several that run, somebody has to say which.
func (t *target) find(ctx context.Context, c *api.ClientWithResponses) (place, error) {
	places, err := t.places(ctx, c)
	if err != nil {
		return place{}, err
	}
	switch running := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return !p.running() }); len(running) {
	case 0:
		return slices.MaxFunc(places, func(a, b place) int { return a.Row.Closed.Compare(b.Row.Closed) }), nil
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
		ids = append(ids, p.id())
	}
	return usageError{hinted{fmt.Errorf("several journeys under this reference %s:\n%s", do, strings.Join(ids, "\n")),
		"say which with --kind, or by the whole name"}}
}

// places returns all journeys under the name that t gives; at least one.
func (t *target) places(ctx context.Context, c *api.ClientWithResponses) ([]place, error) {
	who, err := t.name()
	if err != nil {
		return nil, err
	}
	var out []place
	if strings.Contains(t.Ref, "/") {
		kind, source, ref, err := whole(t.Ref)
		if err != nil {
			return nil, err
		}
		if t.Kind != "" && t.Kind != string(kind) {
			return nil, usageError{errors.New("--kind and the reference name two kinds of journeys")}
		}
		return get(ctx, c, out, kind, source, ref)
	}
	people, err := t.people(ctx, c, who)
	if err != nil {
		return nil, err
	}
	for _, f := range people {
		// The board is seconds behind: what was begun just now is asked for by name.
		for _, kind := range jml.Kinds() {
			if t.Kind != "" && t.Kind != string(kind) {
				continue
			}
			more, err := get(ctx, c, out, kind, f.Source, f.Ref)
			if err != nil && !answered(err, http.StatusNotFound) {
				return nil, err
			}
			out = more
		}
	}
	if len(out) == 0 {
		return nil, unseen(ctx, c)
	}
	return out, nil
}

// unseen returns why nothing was found: the board may know of nothing.
func unseen(ctx context.Context, c *api.ClientWithResponses) error {
	one := 1
	r, err := c.ListJourneysWithResponse(ctx, &api.ListJourneysParams{Limit: &one})
	if err == nil && r.JSON200.Board.Fault != "" {
		return awayError{errors.New(r.JSON200.Board.Fault)}
	}
	return noJourney()
}

func noJourney() error {
	return hinted{errors.New("no such journey"), "firstpass list --all shows every reference; firstpass find looks for a name"}
}

// people returns whom a reference or an employee id means.
func (t *target) people(ctx context.Context, c *api.ClientWithResponses, who string) ([]api.Found, error) {
	r, err := c.SearchWithResponse(ctx, api.SearchRequest{Q: who})
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(r.JSON200.Items, func(f api.Found) bool {
		return t.Source != "" && f.Source != t.Source || t.Ref != "" && f.Ref != t.Ref
	})
	// A search takes names too. Where nobody has this employee id, somebody may
	// be called so, and that is not whom the command means.
	if t.EmployeeID != "" && !strings.ContainsAny(t.EmployeeID, "0123456789") {
		found = slices.DeleteFunc(found, func(f api.Found) bool { return f.Name != "" })
	}
	if len(found) == 0 && t.Source != "" {
		return nil, t.unknownSource(ctx, c)
	}
	return found, nil
}

// unknownSource returns an error if there is no such source.
func (t *target) unknownSource(ctx context.Context, c *api.ClientWithResponses) error {
	r, err := c.ListFeedsWithResponse(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range r.JSON200.Items {
		names = append(names, f.Source)
	}
	if slices.Contains(names, t.Source) {
		return nil
	}
	return usageError{fmt.Errorf("no source is called %q; there are %s", t.Source, orNothing(strings.Join(names, ", ")))}
}

// get asks for one journey and adds it to list.
func get(ctx context.Context, c *api.ClientWithResponses, list []place, kind jml.Kind, source, ref string) ([]place, error) {
	r, err := c.GetJourneyWithResponse(ctx, kind, source, ref, nil)
	if answered(err, http.StatusNotFound) {
		return list, errors.Join(noJourney(), err)
	}
	if err != nil {
		return list, err
	}
	return append(list, place{*r.JSON200, r.HTTPResponse.Header.Get("ETag"), r.Body}), nil
}

// again asks for a journey once more.
func (p place) again(ctx context.Context, c *api.ClientWithResponses) (place, error) {
	list, err := get(ctx, c, nil, p.Row.Kind, p.Row.Source, p.Row.Ref)
	if err != nil {
		return p, err
	}
	return list[0], nil
}

// whole takes apart a whole reference.
func whole(id string) (kind jml.Kind, source, ref string, err error) {
	parts := strings.Split(id, "/")
	if len(parts) != 3 || workflows.KindOf(id) == "" {
		return "", "", "", usageError{errors.New("a whole reference is KIND/SOURCE/REF, such as joiner/hr/abc")}
	}
	return workflows.KindOf(id), parts[1], parts[2], nil
}

// silent returns an error if the journey itself did not answer, and all there is
// of it is what the board knew last.
func (p place) silent() error {
	if !p.Stale {
		return nil
	}
	return awayError{hinted{errors.New(strings.Join(p.Gaps, "; ")), "what the board knows of it: firstpass list"}}
}

func endedAlready(id string) error {
	return refusedError{hinted{fmt.Errorf("refused: %s has ended already", id), "firstpass show " + id + " tells how"}}
}

// verbs as one word for people.
func verbs(list []ops.Verb) string {
	var out []string
	for _, v := range list {
		out = append(out, commandOf(v))
	}
	return strings.Join(out, ", ")
}

// commandOf returns the command that does v.
func commandOf(v ops.Verb) string {
	if v == ops.VerbDeviceDone {
		return "device-done"
	}
	return string(v)
}

type findCmd struct {
	Words []string `arg:"" help:"A reference, an employee id, or the beginning of each word of a name."`
}

// Run implements the command.
func (f *findCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		r, err := c.SearchWithResponse(ctx, api.SearchRequest{Q: strings.Join(f.Words, " ")})
		if err != nil {
			return err
		}
		return env.printReply(r.Body, func(w io.Writer) { foundTable(w, r.JSON200.Items) })
	})
}

func foundTable(w io.Writer, list []api.Found) {
	if len(list) == 0 {
		fmt.Fprintln(w, "nobody")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tSOURCE\tREF\tSTARTS\tJOURNEYS")
	for _, f := range list {
		var journeys []string
		for _, j := range f.Journeys {
			journeys = append(journeys, string(j.Kind)+" "+string(stageOf(j)))
		}
		starts := ""
		if !f.Starts.IsZero() {
			starts = f.Starts.String()
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", f.Name, f.Source, f.Ref, starts, strings.Join(journeys, ", "))
	}
	_ = tw.Flush()
}

// stageOf is where a journey stands, or its pass if it has one.
func stageOf(j api.JourneyRow) jml.Stage {
	switch {
	case j.Lost:
		return "lost"
	case j.Stage == jml.StagePass && j.PassStage != "":
		return j.PassStage
	}
	return j.Stage
}

func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
