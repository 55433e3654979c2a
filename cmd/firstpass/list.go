package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/api"
)

type listCmd struct {
	Stage       []jml.Stage       `help:"Only these stages, of a journey: scheduled, approval, blocked, pass; completed, skipped, timedOut, cancelled, revoked, refused, lapsed; or of its pass: issuing, invited, waiting, settling, revoking, gone. With approval, shows until when each waits." placeholder:"STAGE"`
	Kind        string            `help:"Only journeys of this kind: joiner, mover, recovery or staging." enum:",joiner,mover,recovery,staging" default:"" placeholder:"KIND"`
	Source      string            `help:"Only journeys of this HR source." placeholder:"NAME"`
	Site        string            `help:"Only journeys of this site, as HR calls it." placeholder:"NAME"`
	Channel     string            `help:"Only journeys whose pass or link went by this channel last." placeholder:"NAME"`
	Reason      []jml.BlockReason `help:"Only journeys blocked for one of these reasons, such as noRecipient." placeholder:"REASON"`
	NeedsAction bool              `help:"Only journeys in which nothing happens until somebody does something."`
	Live        bool              `help:"Only journeys with a pass that somebody may hold."`
	Lost        bool              `help:"Only journeys that ended without an outcome."`
	From        instant           `help:"Only journeys that start then or later: a day, a time, or 8h or 14d for how far ahead." placeholder:"WHEN"`
	Until       instant           `help:"Only journeys that start before then." placeholder:"WHEN"`
	All         bool              `help:"Closed journeys too, of the last two weeks." short:"a"`
	Names       bool              `help:"Show names. Asks every journey, so it is slow for many; Temporal's search holds no personal data."`
	Limit       int               `help:"Stop after so many." default:"1000" placeholder:"N"`
	Watch       bool              `help:"Go on with what changes, a line each, until Ctrl-C." short:"w"`
}

// listed is one line of the list: what the API says, and what was asked for
// beside it.
type listed struct {
	api.JourneyRow
	Name string `json:"name,omitempty"`
	// Until is when a request lapses that nobody has decided.
	Until *time.Time `json:"until,omitempty"`
}

// Run implements the command.
func (l *listCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		page, tag, err := listing(ctx, c, l.params(), l.Limit)
		if err != nil {
			return err
		}
		if err := env.stale(page.Board); err != nil {
			return err
		}
		if l.Watch {
			return l.watch(ctx, env, c, page.Items, tag)
		}
		rows, err := l.detail(ctx, c, page.Items)
		if err != nil {
			return err
		}
		return env.print(rows, func(w io.Writer) { l.table(w, rows) })
	})
}

func (l *listCmd) params() api.ListJourneysParams {
	p := api.ListJourneysParams{
		Stage: l.Stage, Reason: l.Reason,
		Source: optional(l.Source), Site: optional(l.Site), Channel: optional(l.Channel), NeedsAction: optional(l.NeedsAction), Live: optional(l.Live), Lost: optional(l.Lost),
		Closed: optional(l.All || slices.ContainsFunc(l.Stage, jml.Stage.Closed)),
	}
	if l.Kind != "" {
		p.Kind = []jml.Kind{jml.Kind(l.Kind)}
	}
	if !l.From.IsZero() {
		p.From = &l.From.Time
	}
	if !l.Until.IsZero() {
		p.Until = &l.Until.Time
	}
	return p
}

// optional is a parameter that is left out if it is zero.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// pageSize is how many journeys are asked for at a time: as many as the API
// gives.
const pageSize = 2000

// listing reads up to limit journeys, 0 for all, and the ETag of the first page.
// With If-None-Match in p it returns no page while that holds.
func listing(ctx context.Context, c *api.ClientWithResponses, p api.ListJourneysParams, limit int) (*api.JourneyPage, string, error) {
	size := pageSize
	if limit > 0 {
		size = min(limit, pageSize)
	}
	p.Limit = &size
	r, err := c.ListJourneysWithResponse(ctx, &p)
	if err != nil {
		return nil, "", err
	}
	if r.StatusCode() == http.StatusNotModified {
		return nil, r.HTTPResponse.Header.Get("ETag"), nil
	}
	out, tag := r.JSON200, r.HTTPResponse.Header.Get("ETag")
	for next := out.Next; next != "" && (limit == 0 || len(out.Items) < limit); {
		p.Cursor, p.Wait, p.IfNoneMatch = &next, nil, nil
		if r, err = c.ListJourneysWithResponse(ctx, &p); err != nil {
			return nil, "", err
		}
		out.Items = append(out.Items, r.JSON200.Items...)
		next = r.JSON200.Next
	}
	if limit > 0 && len(out.Items) > limit {
		out.Items = out.Items[:limit]
	}
	return out, tag, nil
}

// detail asks the journeys for what the board does not know.
func (l *listCmd) detail(ctx context.Context, c *api.ClientWithResponses, list []api.JourneyRow) ([]listed, error) {
	out := make([]listed, len(list))
	var (
		mu    sync.Mutex
		fault error
	)
	each(ctx, len(list), func(i int) {
		row := list[i]
		out[i].JourneyRow = row
		if !l.Names && row.Stage != jml.StageApproval {
			return
		}
		r, err := c.GetJourneyWithResponse(ctx, row.Kind, row.Source, row.Ref, nil)
		if answered(err, http.StatusNotFound) {
			return // it has gone meanwhile
		}
		if err != nil {
			mu.Lock()
			fault = err
			mu.Unlock()
			return
		}
		j := r.JSON200
		if e := j.Employee; e != nil && l.Names {
			out[i].Name = strings.TrimSpace(e.GivenName + " " + e.FamilyName)
		}
		if a := j.Approval; a != nil && a.Decided.IsZero() {
			out[i].Until = &a.Until
		}
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, fault
}

func (l *listCmd) table(w io.Writer, rows []listed) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no journeys; firstpass list --all shows closed ones too")
		return
	}
	any := func(has func(listed) bool) bool { return slices.ContainsFunc(rows, has) }
	columns := []struct {
		head string
		show bool
		cell func(listed) string
	}{
		{"KIND", true, func(r listed) string { return string(r.Kind) }},
		{"REF", true, func(r listed) string { return r.Ref }},
		{"SOURCE", true, func(r listed) string { return r.Source }},
		{"SITE", any(func(r listed) bool { return r.Site != "" }), func(r listed) string { return r.Site }},
		{"STARTS (UTC)", true, func(r listed) string { return minute(r.Starts) }},
		{"STAGE", true, func(r listed) string { return string(stageOf(r.JourneyRow)) }},
		{"REASON", true, func(r listed) string { return string(r.Reason) }},
		{"CHANNEL", any(func(r listed) bool { return r.Channel != "" }), func(r listed) string { return r.Channel }},
		{"PASS ENDS (UTC)", any(func(r listed) bool { return !r.Expires.IsZero() }), func(r listed) string { return minute(r.Expires) }},
		{"DECIDE BY (UTC)", any(func(r listed) bool { return r.Until != nil }), func(r listed) string { return minute(orZero(r.Until)) }},
		{"NAME", l.Names, func(r listed) string { return r.Name }},
		{"NEEDS", any(func(r listed) bool { return r.NeedsAction }), func(r listed) string { return needsWord(r.JourneyRow) }},
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(cell func(i int) string) {
		var cells []string
		for i, c := range columns {
			if c.show {
				cells = append(cells, cell(i))
			}
		}
		fmt.Fprintln(tw, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	line(func(i int) string { return columns[i].head })
	for _, r := range rows {
		line(func(i int) string { return columns[i].cell(r) })
	}
	_ = tw.Flush()
}

func needsWord(r api.JourneyRow) string {
	if r.NeedsAction {
		return "somebody"
	}
	return ""
}

func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// How long a watcher waits for news at a time, and how long after a fault it
// asks again.
const (
	newsWithin = "55s"
	newsAgain  = 5 * time.Second
)

// change is one line of list --watch with --json.
type change struct {
	At      time.Time      `json:"at"`
	What    string         `json:"what"` // listed, new, changed or gone
	Journey api.JourneyRow `json:"journey"`
	// Was is where the journey stood before.
	Was string `json:"was,omitempty"`
}

// watch prints what there is, and then what changes, until ctx ends.
func (l *listCmd) watch(ctx context.Context, env *environment, c *api.ClientWithResponses, rows []api.JourneyRow, tag string) error {
	known := map[string]api.JourneyRow{}
	for _, r := range rows {
		known[r.WorkflowID] = r
		env.tell(change{At: time.Now().UTC(), What: "listed", Journey: r})
	}
	return news(ctx, env, c, l.params(), tag, func(page *api.JourneyPage) {
		for _, ch := range changes(known, page.Items, time.Now().UTC()) {
			env.tell(ch)
		}
	})
}

// news calls tell with the whole list whenever it is another one, until ctx
// ends. What fails is told on the side and tried again.
func news(ctx context.Context, env *environment, c *api.ClientWithResponses, p api.ListJourneysParams, tag string, tell func(*api.JourneyPage)) error {
	wait, fault := newsWithin, ""
	for ctx.Err() == nil {
		p.Wait, p.IfNoneMatch = &wait, &tag
		page, newer, err := listing(ctx, c, p, 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.As(err, new(awayError)):
			return err
		case err != nil:
			if fault != err.Error() {
				fault = err.Error()
				env.progress("%s; trying again", fault)
			}
			pause(ctx, newsAgain)
			continue
		case page == nil:
			continue
		}
		if page.Board.Fault != fault {
			if fault = page.Board.Fault; fault != "" {
				env.progress("what was known at %s stays: %s", stamp(page.Board.Read), fault)
			} else {
				env.progress("the board is read again")
			}
		}
		tag = newer
		tell(page)
	}
	return nil
}

// changes compares a list with what was known, and makes it what is known.
func changes(known map[string]api.JourneyRow, rows []api.JourneyRow, now time.Time) []change {
	var out []change
	there := map[string]bool{}
	for _, r := range rows {
		there[r.WorkflowID] = true
		was, ok := known[r.WorkflowID]
		known[r.WorkflowID] = r
		switch {
		case !ok:
			out = append(out, change{At: now, What: "new", Journey: r})
		case was != r:
			out = append(out, change{At: now, What: "changed", Journey: r, Was: string(stageOf(was))})
		}
	}
	for id, was := range known {
		if !there[id] {
			delete(known, id)
			out = append(out, change{At: now, What: "gone", Journey: was})
		}
	}
	return out
}

// tell writes one line.
func (e *environment) tell(ch change) {
	if e.json {
		_ = json.NewEncoder(e.term.out).Encode(ch) // who closed the pipe reads no more
		return
	}
	r := ch.Journey
	words := []string{ch.At.Format("15:04:05"), fmt.Sprintf("%-7s", ch.What), r.WorkflowID}
	stage := string(stageOf(r))
	if ch.Was != "" && ch.Was != stage {
		stage = ch.Was + " -> " + stage
	}
	words = append(words, stage)
	for _, s := range []string{string(r.Reason), r.Site} {
		if s != "" {
			words = append(words, s)
		}
	}
	if !r.Starts.IsZero() {
		words = append(words, "starts "+minute(r.Starts))
	}
	if r.NeedsAction {
		words = append(words, "needs somebody")
	}
	fmt.Fprintln(e.term.out, plain(strings.Join(words, "  ")))
}

type passesCmd struct{}

// Run implements the command.
func (*passesCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		r, err := c.ListPassesWithResponse(ctx)
		if err != nil {
			return err
		}
		if err := env.stale(r.JSON200.Board); err != nil {
			return err
		}
		return env.printReply(r.Body, func(w io.Writer) {
			var rows []listed
			for _, j := range r.JSON200.Items {
				rows = append(rows, listed{JourneyRow: j})
			}
			if len(rows) == 0 {
				fmt.Fprintln(w, "nobody holds a pass")
				return
			}
			(&listCmd{}).table(w, rows)
		})
	})
}
