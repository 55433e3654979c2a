// Package plan foresees what will come of people who start: who gets a pass,
// when and by which channel, who will not and why, and what it asks of Graph.
// It decides nothing itself: it steps jml.Decide through a journey's time and
// has the activities' own Preflight and Reach look at the tenant, which has been
// read ahead. So it can differ from what will happen only by what changes
// meanwhile. It writes nothing anywhere.
package plan

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"firstpass.internal/activities"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Person is somebody who is to start: a row of a file, or an employee whom HR
// has told of.
type Person struct {
	Where  string // "line 7"; empty: of no file
	Ref    string
	Source string
	Facts  jml.Snapshot
	// Problem says why the row can't be read, or starts nobody; Cause what it
	// counts as. Facts is not looked at then.
	Problem string
	Cause   Cause
	Running *Running // the joiner that runs already; nil: none
}

// Running is where a journey stands that has begun.
type Running struct {
	Since  time.Time
	Stage  jml.Stage
	Reason jml.BlockReason
}

// Chooser chooses profiles; *profile.Rules is one.
type Chooser interface {
	Choose(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) jml.Choice
}

// Look is how a journey looks at the tenant; *activities.Activities is it.
type Look interface {
	Preflight(context.Context, workflows.PreflightInput) (jml.Verdict, error)
	Reach(context.Context, activities.ReachInput) (jml.Route, *jml.Block, error)
}

// Config is what a plan needs. All of it but Names, Share, Running and Progress
// is required.
type Config struct {
	People []Person
	Rules  Chooser
	Tenant Tenant
	// Look returns what looks at a directory.
	Look func(activities.Directory) (Look, error)
	Now  time.Time
	// Names puts names and employee ids into the plan. Without, there are
	// references and lines of the file.
	Names bool
	// Share is how much of Graph's budget waves may use: above 0 to 1; 0: 0.5.
	Share float64
	// Progress, if set, is told how many people are through what is being done,
	// never by two at once.
	Progress func(what string, done, total int)
}

// Result is what will come of somebody, in one word.
type Result string

// The results, as they are sorted: what somebody has to do something about
// comes first.
const (
	ResultBlocked  Result = "blocked"  // gets none, and Reason says why
	ResultUnknown  Result = "unknown"  // could not be looked at
	ResultHeld     Result = "held"     // waits for somebody's word
	ResultApproval Result = "approval" // gets one, once somebody approves
	ResultIssue    Result = "issue"    // gets a pass, or link and code
	ResultPass     Result = "pass"     // has a pass under way already
	ResultNone     Result = "none"     // needs none
)

// Results lists all of them, in order.
func Results() []Result {
	return []Result{ResultBlocked, ResultUnknown, ResultHeld, ResultApproval, ResultIssue, ResultPass, ResultNone}
}

// Cause is why somebody is blocked, held or not looked at: a jml.BlockReason, or
// one of those that no journey can have.
type Cause string

// The causes that no journey has.
const (
	CauseUnreadable Cause = "unreadableRow"
	CauseDuplicate  Cause = "duplicateRow"
	CauseTooLate    Cause = "startTooFarBack"
	CauseTenant     Cause = "tenantAway"
)

// Route is one message that goes out, and how.
type Route struct {
	Message   jml.Message       `json:"message"`
	Channel   string            `json:"channel"`
	Recipient jml.RecipientKind `json:"recipient"`
}

// Outcome is what will come of one person. Name and EmployeeID are personal and
// only there if asked for.
type Outcome struct {
	Where      string    `json:"where,omitempty"`
	Ref        string    `json:"ref,omitempty"`
	Source     string    `json:"source"`
	EmployeeID string    `json:"employee_id,omitempty"`
	Name       string    `json:"name,omitempty"`
	Result     Result    `json:"result"`
	Cause      Cause     `json:"cause,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	Advice     string    `json:"advice,omitempty"`
	Profile    string    `json:"profile,omitempty"`
	Mode       jml.Mode  `json:"mode,omitempty"`
	Zone       string    `json:"zone,omitempty"`
	Start      time.Time `json:"start,omitzero"`
	StartLocal string    `json:"start_local,omitempty"`
	IssueAt    time.Time `json:"issue_at,omitzero"` // pass, or link and code; of who is blocked, when it shows
	IssueLocal string    `json:"issue_local,omitempty"`
	Until      time.Time `json:"until,omitzero"`     // end of the pass; of link and code, in mode pickup
	AskAt      time.Time `json:"ask_at,omitzero"`    // approval is asked for
	DecideBy   time.Time `json:"decide_by,omitzero"` // and lapses
	Late       bool      `json:"late,omitempty"`     // it is issued after the start
	Routes     []Route   `json:"routes,omitempty"`
	Running    bool      `json:"running,omitempty"` // a journey runs already
	userID     string    // not for output
	upn        string
	now        time.Time
	facts      jml.Snapshot
	reach      []hop
	note       jml.Notice
}

// Reason is a cause, how many it is the cause of, and what to do.
type Reason struct {
	Result Result `json:"result"`
	Cause  Cause  `json:"cause"`
	Count  int    `json:"count"`
	Advice string `json:"advice"`
}

// Day is what one day of starts looks like, as people's own calendars have it.
type Day struct {
	Date    string `json:"date"`
	Starts  int    `json:"starts"`
	Trouble int    `json:"trouble"` // of them blocked, unknown or held
}

// Reading is what the plan itself asked of Graph.
type Reading struct {
	Requests  int     `json:"requests"`  // as Graph counts them: each part of a batch
	Exchanges int     `json:"exchanges"` // HTTP
	Alone     int     `json:"alone"`     // what looking at each person alone would have taken
	Seconds   float64 `json:"seconds"`
}

// Plan is everything that was foreseen.
type Plan struct {
	At      time.Time      `json:"at"`
	Counts  map[Result]int `json:"counts"`
	Reasons []Reason       `json:"reasons"`
	Days    []Day          `json:"days"`
	Budget  Budget         `json:"budget"`
	Reading Reading        `json:"reading"`
	Notes   []string       `json:"notes,omitempty"`
	People  []Outcome      `json:"people"`
}

// Make foresees. People who can't be looked at are told as such; the error is
// for what no plan can be made without, and of ctx.
func Make(ctx context.Context, cfg Config) (*Plan, error) {
	if cfg.Rules == nil || cfg.Tenant == nil || cfg.Look == nil || cfg.Now.IsZero() {
		return nil, errors.New("plan: incomplete Config")
	}
	began := time.Now()
	cfg.Share = cmp.Or(cfg.Share, 0.5)
	cfg.Now = cfg.Now.UTC()
	dir := newAhead(cfg.Tenant, cfg.progress)
	look, err := cfg.Look(dir)
	if err != nil {
		return nil, err
	}
	people := make([]Outcome, len(cfg.People))
	twins := duplicates(cfg.People)
	var matches []jml.Match
	for i, p := range cfg.People {
		people[i] = cfg.outcome(p)
		switch {
		case p.Problem != "":
			people[i].fail(ResultBlocked, cmp.Or(p.Cause, CauseUnreadable), p.Problem, "")
		case twins[i] != "":
			people[i].fail(ResultBlocked, CauseDuplicate, twins[i], "")
		default:
			matches = append(matches, p.Facts.UserMatch())
		}
	}
	if err := dir.readUsers(ctx, matches); err != nil {
		return nil, err
	}
	if err := cfg.all(ctx, "decided", people, func(i int) {
		if people[i].Result == "" {
			cfg.live(ctx, look, &people[i], cfg.People[i])
		}
	}); err != nil {
		return nil, err
	}
	held := map[string]bool{}
	for i := range people { // one pass a user: Temporal lets no second begin
		o := &people[i]
		if o.userID == "" || o.Result != ResultIssue && o.Result != ResultApproval {
			continue
		}
		if held[o.userID] {
			o.block(ResultBlocked, jml.Blocked(jml.ReasonPassHeldElsewhere, "another row finds the same user"))
		}
		held[o.userID] = true
	}
	// Most are reached at an address that HR gave. Whom to ask the tenant about is
	// known once the first try says so.
	for _, what := range []string{"routes checked", "addresses in the tenant checked"} {
		if err := cfg.all(ctx, what, people, func(i int) {
			if people[i].Routes == nil && (people[i].Result == ResultIssue || people[i].Result == ResultApproval) {
				reach(ctx, look, &people[i])
			}
		}); err != nil {
			return nil, err
		}
		if err := dir.readAddressees(ctx); err != nil {
			return nil, err
		}
		if len(dir.around) == 0 {
			break
		}
	}
	out := &Plan{At: cfg.Now, People: people, Notes: dir.notes()}
	out.Budget = foresee(people, load{groups: dir.named()}, cfg.Share)
	out.sum()
	out.Reading = Reading{Requests: cfg.Tenant.Requests() + dir.apart, Exchanges: cfg.Tenant.Exchanges() + dir.apart, Alone: dir.alone, Seconds: time.Since(began).Seconds()}
	return out, nil
}

func (c Config) progress(what string, done, total int) {
	if c.Progress != nil {
		c.Progress(what, done, total)
	}
}

// deciders is how many people are decided about at a time; it is work for
// processors, as nothing is waited for.
const deciders = 4

// all calls do for everybody, some at a time.
func (c Config) all(ctx context.Context, what string, people []Outcome, do func(int)) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	next, done := 0, 0
	for range deciders {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(people) {
					return
				}
				do(i)
				mu.Lock()
				done++
				c.progress(what, done, len(people))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// duplicates names, for each person whose employee id a row before or after says
// otherwise of, that row. Of rows that say the same the first counts; the others
// are left out of trouble and out of the plan by the caller.
func duplicates(people []Person) []string {
	out := make([]string, len(people))
	first := map[[2]string]int{}
	for i, p := range people {
		if p.Problem != "" || p.Facts.EmployeeID == "" {
			continue
		}
		key := [2]string{p.Source, p.Facts.EmployeeID}
		j, twice := first[key]
		if !twice {
			first[key] = i
			continue
		}
		out[i] = "the same employee id as " + people[j].Where
		if out[j] == "" {
			out[j] = "the same employee id as " + p.Where
		}
	}
	return out
}

func (c Config) outcome(p Person) Outcome {
	o := Outcome{Where: p.Where, Ref: p.Ref, Source: p.Source, Running: p.Running != nil, facts: p.Facts, Zone: p.Facts.Zone, now: c.Now}
	if c.Names {
		o.EmployeeID, o.Name = p.Facts.EmployeeID, strings.TrimSpace(p.Facts.GivenName+" "+p.Facts.FamilyName)
	}
	return o
}

func (o *Outcome) fail(r Result, c Cause, detail, advice string) {
	o.Result, o.Cause, o.Detail, o.Advice = r, c, detail, cmp.Or(advice, c.advice())
	o.Routes = nil
}

func (o *Outcome) block(r Result, b *jml.Block) { o.fail(r, Cause(b.Reason), b.Detail, b.Advice) }

func (c Cause) advice() string {
	switch c {
	case CauseUnreadable:
		return "Mend the row in the file or in HR; docs/sources.md explains the source's expressions."
	case CauseDuplicate:
		return "One employee id stands for one person: take out the wrong row, or correct its id in HR."
	case CauseTooLate:
		return "The start lies further back than intake.late_limit, so no journey begins. To begin one all the same: firstpass start --again."
	case CauseTenant:
		return "Graph could not be asked about this person. Make the plan again."
	}
	return ""
}

// trouble reports whether somebody has to do something.
func (r Result) trouble() bool {
	return r == ResultBlocked || r == ResultUnknown || r == ResultHeld
}

// sum sorts people and counts them.
func (p *Plan) sum() {
	p.Counts = map[Result]int{}
	for _, r := range Results() {
		p.Counts[r] = 0
	}
	reasons, days := map[[2]string]*Reason{}, map[string]*Day{}
	for _, o := range p.People {
		p.Counts[o.Result]++
		if o.Cause != "" {
			key := [2]string{string(o.Result), string(o.Cause)}
			if reasons[key] == nil {
				reasons[key] = &Reason{Result: o.Result, Cause: o.Cause, Advice: o.Advice}
			}
			reasons[key].Count++
		}
		if len(o.StartLocal) < len(time.DateOnly) {
			continue
		}
		date := o.StartLocal[:len(time.DateOnly)]
		if days[date] == nil {
			days[date] = &Day{Date: date}
		}
		days[date].Starts++
		if o.Result.trouble() {
			days[date].Trouble++
		}
	}
	p.Reasons, p.Days = []Reason{}, []Day{}
	for _, r := range reasons {
		p.Reasons = append(p.Reasons, *r)
	}
	for _, d := range days {
		p.Days = append(p.Days, *d)
	}
	slices.SortFunc(p.Days, func(a, b Day) int { return strings.Compare(a.Date, b.Date) })
	slices.SortFunc(p.Reasons, func(a, b Reason) int {
		return cmp.Or(a.Result.rank()-b.Result.rank(), b.Count-a.Count, strings.Compare(string(a.Cause), string(b.Cause)))
	})
	count := map[Cause]int{}
	for _, r := range p.Reasons {
		count[r.Cause] += r.Count
	}
	slices.SortStableFunc(p.People, func(a, b Outcome) int {
		return cmp.Or(a.Result.rank()-b.Result.rank(), count[b.Cause]-count[a.Cause], strings.Compare(string(a.Cause), string(b.Cause)), a.IssueAt.Compare(b.IssueAt))
	})
}

func (r Result) rank() int { return slices.Index(Results(), r) }

func sortByIssue(list []Outcome) {
	slices.SortStableFunc(list, func(a, b Outcome) int { return a.IssueAt.Compare(b.IssueAt) })
}

// Unreadable returns how many rows can't be read.
func (p *Plan) Unreadable() int {
	n := 0
	for _, r := range p.Reasons {
		if r.Cause == CauseUnreadable {
			n += r.Count
		}
	}
	return n
}
