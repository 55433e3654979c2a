package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

// pageRows is how many rows one page of the board has.
const pageRows = 200

// The views of the board: what of it an operator looks at.
const (
	showAll     = ""
	showWeek    = "week"
	showRisk    = "risk"
	showAct     = "act"
	showBlocked = "blocked"
	showLive    = "live"
	showFailed  = "failed"
	showLost    = "lost"
)

// week is how far ahead "this week" goes, as the summary counts it.
const week = 7 * 24 * time.Hour

// days that the board may look ahead, the first by default; 0 is all.
func horizons() []int { return []int{14, 1, 7, 30, 0} }

// wish is what an operator wants to see of the board, as its address says.
type wish struct {
	Show   string
	Days   int
	Site   string
	Source string
	Kind   jml.Kind
	Stage  jml.Stage
	Reason jml.BlockReason
	Page   int // from 1
}

// wishOf reads an address. What makes no sense counts as not said.
func wishOf(q url.Values) wish {
	w := wish{Days: horizons()[0], Page: 1}
	word := func(name string) string {
		s := strings.TrimSpace(q.Get(name))
		if len(s) > 200 {
			return ""
		}
		return s
	}
	if s := word("show"); slices.Contains([]string{showWeek, showRisk, showAct, showBlocked, showLive, showFailed, showLost}, s) {
		w.Show = s
	}
	if d, err := strconv.Atoi(word("days")); err == nil && slices.Contains(horizons(), d) {
		w.Days = d
	}
	if n, err := strconv.Atoi(word("page")); err == nil && n > 0 && n < 1e6 {
		w.Page = n
	}
	w.Site, w.Source = word("site"), word("source")
	if k := jml.Kind(word("kind")); slices.Contains(jml.Kinds(), k) {
		w.Kind = k
	}
	if s := jml.Stage(word("stage")); slices.Contains(stages(), s) {
		w.Stage = s
	}
	if r := jml.BlockReason(word("reason")); slices.Contains(jml.Reasons(), r) {
		w.Reason = r
	}
	return w
}

// query writes w as wishOf reads it.
func (w wish) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("show", w.Show)
	if w.Days != horizons()[0] {
		q.Set("days", strconv.Itoa(w.Days))
	}
	set("site", w.Site)
	set("source", w.Source)
	set("kind", string(w.Kind))
	set("stage", string(w.Stage))
	set("reason", string(w.Reason))
	if w.Page > 1 {
		q.Set("page", strconv.Itoa(w.Page))
	}
	return q
}

// at is the address of a page that shows w.
func (w wish) at(path string) string {
	if q := w.query().Encode(); q != "" {
		return path + "?" + q
	}
	return path
}

func (w wish) filter() board.Filter {
	f := board.Filter{Site: w.Site, Source: w.Source, Live: w.Show == showLive, NeedsAction: w.Show == showAct, Lost: w.Show == showLost}
	if w.Kind != "" {
		f.Kinds = []jml.Kind{w.Kind}
	}
	if w.Show == showBlocked {
		f.Stages = []jml.Stage{jml.StageBlocked}
	}
	if w.Stage != "" {
		f.Stages = []jml.Stage{w.Stage}
	}
	// Who was given up before the start is at risk too.
	f.Closed = w.Stage.Closed() || w.Show == showFailed || w.Show == showRisk
	if w.Reason != "" {
		f.Reasons = []jml.BlockReason{w.Reason}
	}
	return f
}

// narrowed reports whether w leaves out more than what starts later.
func (w wish) narrowed() bool {
	return w.Site != "" || w.Source != "" || w.Kind != "" || w.Stage != "" || w.Reason != "" || w.Show != showAll
}

// keeps reports whether a row is among those that w asks for, beyond what the
// filter says. What is blocked or needs somebody shows whenever it starts, and
// so does what has no start.
func (w wish) keeps(r *board.Row, now, today time.Time) bool {
	switch w.Show {
	case showWeek:
		return !r.Starts.Before(today) && r.Starts.Before(today.AddDate(0, 0, 7))
	case showRisk:
		return ops.AtRisk(r, now, week)
	case showFailed:
		return ops.Failed(r, now)
	case showAll:
		return w.Days == 0 || r.NeedsAction || r.Stage == jml.StageBlocked || !r.Closed.IsZero() || r.Starts.Before(today.AddDate(0, 0, w.Days))
	}
	return true
}

// rowView is a journey as a row.
type rowView struct {
	Ref, Path              string
	Name                   string // personal; empty: not known, or not for these eyes
	Kind                   jml.Kind
	Site, Source, Channel  string
	Stage                  jml.Stage
	Cause, Advice, Runbook string
	Starts, Expires        stamp
	When, Until            string // beside the two: how far off
	Since                  string
}

func (x *exchange) row(v view, r *board.Row, day bool) rowView {
	out := rowView{
		Ref: r.Ref, Path: journeyPath(r.Kind, r.Source, r.Ref), Kind: r.Kind, Site: r.Site, Source: r.Source, Channel: r.Channel,
		Stage: shownStage(*r), Expires: v.Short(r.Expires), Until: v.Rel(r.Expires), Since: v.For(r.Changed),
	}
	out.Starts, out.When = v.Short(r.Starts), v.Rel(r.Starts)
	if day {
		out.Starts = v.Clock(r.Starts)
	}
	out.Cause, out.Advice = x.because(*r)
	out.Advice = x.advice.Replace(out.Advice)
	if r.Reason != "" {
		out.Runbook = x.runbooks.blocked(r.Reason)
	}
	return out
}

// advising says in the words of this console what advice says in commands.
func advising() *strings.Replacer {
	var pairs []string
	for command, verb := range map[string]ops.Verb{
		"firstpass reissue REF": ops.VerbReissue, "firstpass resume REF": ops.VerbResume, "firstpass cancel": ops.VerbCancel,
		"firstpass held approve REF": ops.VerbHeldApprove, "firstpass held reject REF": ops.VerbHeldReject,
	} {
		pairs = append(pairs, command, "“"+verbWord(verb)+"”")
	}
	return strings.NewReplacer(append(pairs, "with firstpass list", "on the board",
		"firstpass halt --status tells who threw it and why; firstpass halt --lift lets everybody go on", "The page “Kill switch” tells who threw it and why, and lifts it")...)
}

// shownStage is that of the pass while there is one.
func shownStage(r board.Row) jml.Stage {
	if r.Stage == jml.StagePass && r.Pass != "" {
		return r.Pass
	}
	return r.Stage
}

// waitsForSomebody is the cause where nothing more is known of it.
const waitsForSomebody = "Waits for somebody"

// because says what stands in the way of a journey, and what to do about it.
func because(r board.Row) (what, next string) {
	switch {
	case r.Lost:
		return "The workflow ended without an outcome", "Somebody ended it in Temporal, or it failed. Look at it there, and see in Entra whether a pass is left."
	case r.Reason != "":
		return cause(r.Reason), jml.Blocked(r.Reason, "").Advice
	case r.Stage == jml.StageTimedOut:
		return "Nothing was registered in time", "Speak to the employee. If they still can't sign in, start a recovery (under Search)."
	case r.Stage == jml.StageApproval && r.Closed.IsZero():
		return "Waits for a yes or a no", "An approver who did not ask for it decides: approve or refuse."
	case r.NeedsAction:
		return waitsForSomebody, "Open it: the page says what can be done."
	}
	return "", ""
}

// because adds what depends on the hour.
func (x *exchange) because(r board.Row) (what, next string) {
	if r.Closed.IsZero() && r.Reason == "" && shownStage(r) == jml.StageInvited && !r.Starts.IsZero() && r.Starts.Before(x.now) {
		return "Started " + span(x.now.Sub(r.Starts)) + " ago, not collected", "Call, or send the invitation again."
	}
	return because(r)
}

// group is rows under one heading.
type group struct {
	ID, Title, Hint string
	Day             bool // all rows start on one day
	Count           int  // on all pages
	Rows            []rowView
}

// tile is a number at the head of the board, and the way to what it counts.
type tile struct {
	Count   int
	Label   string
	Href    string
	Tone    string
	Current bool
}

// livePage is the part of the board that updates itself.
type livePage struct {
	view
	State      board.State
	Stale      bool
	Switch     ops.Switch
	Fault      string // why it is stale
	Tiles      []tile
	Gaps       []string // what could not be read
	Groups     []group
	Total      int
	From, To   int
	Prev, Next string
	Narrowed   bool
	Status     string

	counts map[string]int // by group, on all pages
}

// staleAfter is when a board that was not read again counts as old, even if
// nobody said why.
const staleAfter = 2 * time.Minute

// boardPage is the board with the form around it.
type boardPage struct {
	view
	Wish           wish
	Shows          []option
	Horizons       []option
	Quick          []quick
	Open           bool // the filter says more than a quick one
	Finder         bool // may look for names
	Sites, Sources []string
	Kinds          []jml.Kind
	Stages         []jml.Stage
	Reasons        []jml.BlockReason
	Saying         string // the filter in words
	Live           template.HTML
	LivePath       string
	Tag            string
}

type option struct{ Value, Text string }

// quick is a filter that is one click away.
type quick struct {
	Text, Href string
	Current    bool
}

func quicks(w wish) []quick {
	w.Page = 1
	now, all := w.at("/"), horizons()[0]
	var out []quick
	for _, q := range []struct {
		text string
		wish
	}{
		{"Everything", wish{Days: all}},
		{"Needs somebody", wish{Show: showAct, Days: all}},
		{"At risk this week", wish{Show: showRisk, Days: all}},
		{"Invited, not collected", wish{Stage: jml.StageInvited}},
		{"Live passes", wish{Show: showLive, Days: all}},
	} {
		href := q.at("/")
		out = append(out, quick{q.text, href, href == now})
	}
	return out
}

func (x *exchange) board() {
	if x.who.Has(access.Desk) && len(x.who.Roles) == 1 {
		x.redirect("/search") // the board is not for desks
		return
	}
	w := wishOf(x.r.URL.Query())
	live, err := x.shown(w)
	if err != nil {
		x.refuse(err)
		return
	}
	sites, sources, err := x.places()
	if err != nil {
		x.refuse(err)
		return
	}
	p := boardPage{
		view: x.view("board", "Board"), Wish: w, Sites: sites, Sources: sources,
		Kinds: jml.Kinds(), Stages: stages(), Reasons: jml.Reasons(),
		Live: template.HTML(live.body), LivePath: w.at("/board"), Tag: live.tag, // made by our own template
	}
	p.Note = x.note()
	for _, d := range horizons() {
		text := "all that is known"
		if d > 0 {
			text = "next " + many(d, "day")
		}
		p.Horizons = append(p.Horizons, option{strconv.Itoa(d), text})
	}
	p.Shows = []option{{showAll, "everything"}, {showWeek, "starts within 7 days"}, {showRisk, "at risk, starts within 7 days"}, {showAct, "somebody has to act"}, {showBlocked, "blocked"}, {showLive, "with a live pass"}, {showFailed, "failed in the last 24 hours"}, {showLost, "ended without an outcome"}}
	p.Quick, p.Finder = quicks(w), x.who.Has(access.Operator, access.Desk)
	p.Open = w.Site+w.Source+string(w.Kind)+string(w.Stage)+string(w.Reason) != "" && !slices.ContainsFunc(p.Quick, func(q quick) bool { return q.Current })
	p.Saying = w.saying(p.Shows, p.Horizons)
	x.show(http.StatusOK, "board", p)
}

// saying is w in words.
func (w wish) saying(shows, horizons []option) string {
	var out []string
	for _, o := range shows {
		if o.Value == w.Show {
			out = append(out, o.Text)
		}
	}
	for _, o := range horizons {
		if w.Show == showAll && o.Value == strconv.Itoa(w.Days) {
			out = append(out, o.Text)
		}
	}
	for _, s := range []string{w.Site, w.Source, wordOf(w.Kind, kindWord), wordOf(w.Stage, stageWord), wordOf(w.Reason, cause)} {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

func wordOf[T ~string](s T, word func(T) string) string {
	if s == "" {
		return ""
	}
	return word(s)
}

func (x *exchange) liveBoard() {
	live, err := x.shown(wishOf(x.r.URL.Query()))
	if err != nil {
		x.refuse(err)
		return
	}
	x.part(live.body, live.tag)
}

// shown is the part of the board that updates itself, made at most every other
// second for all who look at the same.
func (x *exchange) shown(w wish) (fragment, error) {
	return x.boards.get(x.ctx(), x.key(w.at("")), freshFor, func(ctx context.Context) (string, func() ([]byte, error), error) {
		rows, state, err := x.Service.Board(ctx, w.filter())
		if err != nil {
			return "", nil, err
		}
		p := livePage{view: x.view("board", ""), State: state, Narrowed: w.narrowed()}
		p.Stale = state.Fault != "" || x.now.Sub(state.Read) > staleAfter
		sum, err := x.Service.Summary(ctx)
		if err != nil {
			return "", nil, err
		}
		p.Switch, p.Gaps, p.Tiles, p.Fault = sum.Switch, sum.Gaps, tiles(sum, w), sentence(state.Fault)
		shown := x.choose(&p, rows, w)
		names := x.names(ctx, shown)
		// On a big board something changes all the time, but mostly elsewhere.
		digest := fmt.Sprint(p.Fault, p.Stale, p.Switch, p.Gaps, p.Tiles, p.Status, x.now.Unix()/60, digestOf(shown, names))
		return digest, func() ([]byte, error) {
			x.fill(&p, shown, names)
			var out bytes.Buffer
			err := x.pages.execute(&out, "board", "live", p)
			return out.Bytes(), err
		}, nil
	})
}

// names are those of the people in rows, for who may see them. The service
// decides that by the roles of whoever asks, which every key of what is kept
// holds: what was made with names is never given to other roles, and as the tag
// is made from the body, no tag of theirs fits it either.
func (x *exchange) names(ctx context.Context, rows []*board.Row) map[string]string {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.WorkflowID)
	}
	return x.Service.Names(ctx, ids)
}

// key tells apart those who may see different things, or see times differently.
func (x *exchange) key(what string) string {
	var roles []string
	for _, r := range x.who.Roles {
		roles = append(roles, string(r))
	}
	slices.Sort(roles)
	return strings.Join(roles, ",") + "\n" + x.zone.String() + "\n" + what
}

// choose finds the rows of one page, and says how many there are of which group
// on all of them.
func (x *exchange) choose(p *livePage, rows []board.Row, w wish) []*board.Row {
	today := x.today()
	p.counts = map[string]int{}
	all := make([]*board.Row, 0, min(len(rows), 1<<12))
	for i := range rows {
		if r := &rows[i]; w.keeps(r, x.now, today) {
			all = append(all, r)
			p.counts[groupID(r, today)]++
		}
	}
	if w.Show == showFailed || w.Show == showRisk {
		// Among what has ended, two groups would take turns.
		slices.SortStableFunc(all, func(a, b *board.Row) int { return cmp.Compare(endRank(a), endRank(b)) })
	}
	p.Total = len(all)
	last := max(1, (len(all)+pageRows-1)/pageRows)
	n := min(w.Page, last)
	from, to := (n-1)*pageRows, min(n*pageRows, len(all))
	p.From, p.To = from+1, to
	if n > 1 {
		p.Prev = w.page(n - 1)
	}
	if n < last {
		p.Next = w.page(n + 1)
	}
	p.Status = fmt.Sprintf("%s, %d need somebody, %d blocked", many(p.Total, "journey"), p.counts["act"], p.counts["blocked"])
	return all[from:to]
}

func endRank(r *board.Row) int {
	switch {
	case r.Closed.IsZero() && !r.Lost:
		return 0
	case r.Lost:
		return 1
	}
	return 2
}

// today is the beginning of the operator's day: days of the board are theirs,
// not those of the sites.
func (x *exchange) today() time.Time {
	now := x.now.In(x.zone)
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, x.zone)
}

// digestOf tells pages of rows apart.
func digestOf(rows []*board.Row, names map[string]string) string {
	sum := sha256.New()
	for _, r := range rows {
		_, _ = fmt.Fprintln(sum, *r, names[r.WorkflowID]) // a hash takes everything
	}
	return string(sum.Sum(nil))
}

// fill puts rows into groups.
func (x *exchange) fill(p *livePage, rows []*board.Row, names map[string]string) {
	today := x.today()
	for _, r := range rows {
		id := groupID(r, today)
		if n := len(p.Groups); n == 0 || p.Groups[n-1].ID != id {
			g := groupOf(id, r, today)
			g.Count = p.counts[id]
			p.Groups = append(p.Groups, g)
		}
		g := &p.Groups[len(p.Groups)-1]
		row := x.row(p.view, r, g.Day)
		row.Name = names[r.WorkflowID]
		g.Rows = append(g.Rows, row)
	}
}

func (w wish) page(n int) string {
	w.Page = n
	return w.at("/")
}

// groupID is where a row stands. Rows come in the order of the groups.
func groupID(r *board.Row, today time.Time) string {
	switch {
	case r.Lost:
		return "lost"
	case !r.Closed.IsZero():
		return "closed"
	case r.NeedsAction:
		return "act"
	case r.Stage == jml.StageBlocked:
		return "blocked"
	case r.Starts.IsZero():
		return "never"
	case r.Starts.Before(today):
		return "started"
	}
	return "d" + r.Starts.In(today.Location()).Format("20060102")
}

// groupOf is the group called id, of which r is one.
func groupOf(id string, r *board.Row, today time.Time) group {
	switch id {
	case "lost":
		return group{ID: id, Title: "Ended without an outcome", Hint: "Their workflows were ended from outside or failed."}
	case "closed":
		return group{ID: id, Title: "Ended"}
	case "act":
		return group{ID: id, Title: "Somebody has to act", Hint: "Nothing happens here until somebody does what the row says."}
	case "blocked":
		return group{ID: id, Title: "Blocked, and looked at again", Hint: "These go on by themselves once the cause is gone."}
	case "never":
		return group{ID: id, Title: "Without a start"}
	case "started":
		return group{ID: id, Title: "Started before today, not finished"}
	}
	start := r.Starts.In(today.Location())
	title := start.Format("Monday 2 January")
	switch {
	case id == "d"+today.Format("20060102"):
		title = "Today, " + title
	case id == "d"+today.AddDate(0, 0, 1).Format("20060102"):
		title = "Tomorrow, " + title
	case start.Year() != today.Year():
		title = start.Format("Monday 2 January 2006")
	}
	return group{ID: id, Title: title, Day: true}
}

// tiles are the numbers at the head.
func tiles(s ops.Summary, w wish) []tile {
	alarm := func(n int, tone string) string {
		if n == 0 {
			return "calm"
		}
		return tone
	}
	view := func(show string) string { return wish{Show: show, Days: horizons()[0]}.at("/") }
	blocked := s.Stages[jml.StageBlocked]
	list := []tile{
		{Count: s.Needs, Label: "need somebody", Href: view(showAct), Tone: alarm(s.Needs, "bad"), Current: w.Show == showAct},
		{Count: blocked, Label: "blocked", Href: view(showBlocked), Tone: alarm(blocked, "bad"), Current: w.Show == showBlocked},
		{Count: s.Week.AtRisk, Label: fmt.Sprintf("at risk, of %d who start within 7 days", s.Week.Total), Href: view(showRisk), Tone: alarm(s.Week.AtRisk, "warn"), Current: w.Show == showRisk},
		{Count: s.Live, Label: "live passes", Href: "/passes", Tone: alarm(s.Live, "live")},
		{Count: s.Failed, Label: "failed in the last 24 hours", Href: view(showFailed), Tone: alarm(s.Failed, "bad"), Current: w.Show == showFailed},
		{Count: len(s.Silent), Label: "feeds in trouble" + named(s.Silent), Href: "/feeds", Tone: alarm(len(s.Silent), "bad")},
		{Count: s.Quarantine, Label: "in quarantine", Href: "/quarantine", Tone: alarm(s.Quarantine, "warn")},
		{Count: s.Held, Label: "held changes", Href: "/held", Tone: alarm(s.Held, "warn")},
	}
	if len(s.Paused) > 0 {
		list = append(list, tile{Count: len(s.Paused), Label: "feeds paused" + named(s.Paused), Href: "/feeds", Tone: "warn"})
	}
	return list
}

// named lists a few names after a colon.
func named(names []string) string {
	switch {
	case len(names) == 0:
		return ""
	case len(names) > 2:
		return fmt.Sprintf(": %s, %s and %d more", names[0], names[1], len(names)-2)
	}
	return ": " + strings.Join(names, ", ")
}

// places are the sites and sources to choose from.
func (x *exchange) places() (sites, sources []string, err error) {
	found, err := x.boards.get(x.ctx(), x.key("places"), placesFor, func(ctx context.Context) (string, func() ([]byte, error), error) {
		rows, state, err := x.Service.Board(ctx, board.Filter{})
		return fmt.Sprint(state.Version, state.Rows), func() ([]byte, error) {
			seen := map[string]bool{}
			for _, r := range rows {
				if r.Site != "" {
					seen["site\n"+r.Site] = true
				}
				if r.Source != "" {
					seen["source\n"+r.Source] = true
				}
			}
			var out []string
			for s := range seen {
				out = append(out, s)
			}
			slices.SortFunc(out, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
			return []byte(strings.Join(out, "\x00")), nil
		}, err
	})
	for s := range strings.SplitSeq(string(found.body), "\x00") {
		if site, ok := strings.CutPrefix(s, "site\n"); ok {
			sites = append(sites, site)
		} else if source, ok := strings.CutPrefix(s, "source\n"); ok {
			sources = append(sources, source)
		}
	}
	return sites, sources, err
}
