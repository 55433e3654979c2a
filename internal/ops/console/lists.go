package console

import (
	"cmp"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

type passesPage struct {
	view
	Rows  []rowView
	State board.State
	Stale bool
	Fault string
	More  int // live passes beyond those shown
}

// passes are those that somebody may hold, what ends first before the rest.
func (x *exchange) passes() {
	rows, state, err := x.Service.Passes(x.ctx())
	if err != nil {
		x.refuse(err)
		return
	}
	p := passesPage{view: x.view("passes", "Live passes"), State: state, Fault: sentence(state.Fault)}
	p.Stale = state.Fault != "" || x.now.Sub(state.Read) > staleAfter
	const most = 1000
	p.More = max(0, len(rows)-most)
	var shown []*board.Row
	for i := range rows[:min(len(rows), most)] {
		shown = append(shown, &rows[i])
	}
	names := x.names(x.ctx(), shown)
	for _, r := range shown {
		row := x.row(p.view, r, false)
		row.Name = names[r.WorkflowID]
		p.Rows = append(p.Rows, row)
	}
	x.show(http.StatusOK, "passes", p)
}

// feedView is a source as a row.
type feedView struct {
	ops.Feed
	Tone      string
	Good      stamp
	GoodRel   string
	Seen      stamp
	SeenRel   string
	Lag       string
	Errors    string
	Counts    []count
	Next      string
	PausedFor string
	Path      string
}

type count struct {
	Name string
	N    int
}

type feedsPage struct {
	view
	Feeds []feedView
	May   bool
}

func (x *exchange) feeds() {
	list, err := x.Service.Feeds(x.ctx())
	if err != nil {
		x.refuse(err)
		return
	}
	p := feedsPage{view: x.view("feeds", "Feeds"), May: x.who.Has(access.Operator)}
	p.Note = x.note()
	for _, f := range list {
		v := feedView{
			Feed: f, Good: p.Short(f.LastGood), GoodRel: p.Rel(f.LastGood), Seen: p.Short(f.LastSeen), SeenRel: p.Rel(f.LastSeen),
			Next: p.Rel(f.NextRead), Path: "/feeds/" + url.PathEscape(f.Source),
		}
		switch f.Health {
		case ops.HealthOK:
			v.Tone = "good"
		case ops.HealthPaused, ops.HealthWaiting:
			v.Tone = "warn"
		default:
			v.Tone = "bad"
		}
		if f.Lag > 0 {
			v.Lag = span(time.Duration(f.Lag * float64(time.Second)))
		}
		if f.ErrorRate > 0 {
			v.Errors = strconv.FormatFloat(f.ErrorRate*100, 'f', 1, 64) + " %"
		}
		for _, name := range slices.Sorted(maps.Keys(f.Counts)) {
			if n := f.Counts[name]; n > 0 {
				v.Counts = append(v.Counts, count{plain(name), n})
			}
		}
		if f.Paused != nil {
			v.PausedFor = p.For(f.Paused.Since)
		}
		p.Feeds = append(p.Feeds, v)
	}
	slices.SortStableFunc(p.Feeds, func(a, b feedView) int { return cmp.Compare(toneRank(a.Tone), toneRank(b.Tone)) })
	x.show(http.StatusOK, "feeds", p)
}

func toneRank(tone string) int { return slices.Index([]string{"bad", "warn", "calm", "good"}, tone) }

// objectTask is a task on something that is no journey.
func (x *exchange) objectTask(of, back string, verbs ...ops.Verb) (task, bool) {
	verb, object := ops.Verb(x.r.PathValue("verb")), x.r.PathValue("object")
	if !slices.Contains(verbs, verb) {
		x.missing()
		return task{}, false
	}
	return task{
		Verb: verb, Object: object, Of: of + object, Path: back + "/" + url.PathEscape(object) + "/" + string(verb), Back: back,
		Lead: lead(verb), Button: verbWord(verb), Since: x.now, Fields: []field{reasonField()},
	}, true
}

// may answers with a refusal those whose roles do not allow a verb. It saves
// them filling in a form; the service says it again.
func (x *exchange) may(t task) bool {
	if x.who.Has(t.Verb.Allowed()...) {
		return true
	}
	var roles []string
	for _, r := range t.Verb.Allowed() {
		roles = append(roles, string(r))
	}
	x.refuse(&ops.Refusal{Kind: ops.RefusedForbidden, What: "this needs the role " + strings.Join(roles, " or "), Do: "ask whoever assigns the application's roles"})
	return false
}

func (x *exchange) ask(t task, ok bool) {
	if ok && x.may(t) {
		x.show(http.StatusOK, "task", x.taskPage(t))
	}
}

func (x *exchange) do(t task, ok bool) {
	if ok && x.may(t) {
		x.act(t)
	}
}

func (x *exchange) feedTask() (task, bool) {
	return x.objectTask("source ", "/feeds", ops.VerbPause, ops.VerbUnpause, ops.VerbRelease)
}
func (x *exchange) askFeed() { x.ask(x.feedTask()) }
func (x *exchange) actFeed() { x.do(x.feedTask()) }

func (x *exchange) quarantineTask() (task, bool) {
	return x.objectTask("record ", "/quarantine", ops.VerbReplay, ops.VerbDrop)
}
func (x *exchange) askQuarantine() { x.ask(x.quarantineTask()) }
func (x *exchange) actQuarantine() { x.do(x.quarantineTask()) }

func (x *exchange) heldTask() (task, bool) {
	return x.objectTask("employee ", "/held", ops.VerbHeldApprove, ops.VerbHeldReject)
}
func (x *exchange) askHeld() {
	if t, ok := x.heldTask(); ok && x.compare(&t) {
		x.ask(t, ok)
	}
}

func (x *exchange) actHeld() {
	if t, ok := x.heldTask(); ok && x.compare(&t) {
		x.do(t, ok)
	}
}

// compare puts into a task what is to be decided on. Nobody decides unseen: if
// it can't be read, it answers and returns false.
func (x *exchange) compare(t *task) bool {
	if !x.may(*t) {
		return false
	}
	c, err := x.Service.HeldChange(x.ctx(), t.Object)
	if err != nil {
		x.refuse(err)
		return false
	}
	t.Of, t.Version, t.Compare, t.Differs = cmp.Or(c.Name, t.Of), c.Version, true, c.Differs
	if c.Kind == jml.HoldContact && len(c.Differs) > 0 {
		t.Lead = contactLead(t.Verb, c.Differs)
	}
	return true
}

// contactLead says where the link goes by a decision.
func contactLead(v ops.Verb, list []ops.Difference) string {
	var before, after []string
	for _, d := range list {
		if d.InForce != "" {
			before = append(before, d.InForce)
		}
		if d.Waiting != "" {
			after = append(after, d.Waiting)
		}
	}
	to := func(list []string) string { return cmp.Or(strings.Join(list, " and "), "no such address") }
	if v == ops.VerbHeldApprove {
		return "The link goes to " + to(after) + " instead of " + to(before) + ". Confirm that the employee said so, on a number from before the change."
	}
	return "The link goes to " + to(before) + " as before, and not to " + to(after) + ". If the employee wants the new one after all, HR has to say it again."
}

type quarantinePage struct {
	view
	Rows []quarantined
	May  bool
}

type quarantined struct {
	intake.Quarantined
	At   stamp
	Rel  string
	Path string
}

func (x *exchange) quarantine() {
	list, err := x.Service.Quarantine(x.ctx())
	if err != nil {
		x.refuse(err)
		return
	}
	p := quarantinePage{view: x.view("quarantine", "Quarantine"), May: x.who.Has(access.Operator)}
	p.Note = x.note()
	for _, q := range list {
		p.Rows = append(p.Rows, quarantined{q, p.Short(q.At), p.Rel(q.At), "/quarantine/" + url.PathEscape(q.ID)})
	}
	x.show(http.StatusOK, "quarantine", p)
}

type heldPage struct {
	view
	Rows []held
	May  bool
}

type held struct {
	Ref, Source, What string
	Name              string // as on the board
	Journey, Path     string
	Since             stamp
	Rel, Runbook      string
	Differs           []ops.Difference // the values only for operators
}

// mostCompared is how many changes the page of held ones opens: each is read
// from the ledger. The others show when somebody decides.
const mostCompared = 50

func (x *exchange) held() {
	list, err := x.Service.Held(x.ctx())
	if err != nil {
		x.refuse(err)
		return
	}
	p := heldPage{view: x.view("held", "Held changes"), May: x.who.Has(access.Operator)}
	p.Note = x.note()
	var ids []string
	for _, h := range list {
		ids = append(ids, workflows.JourneyID(jml.KindJoiner, h.Source, h.Ref))
	}
	names := x.Service.Names(x.ctx(), ids)
	for i, h := range list {
		v := held{
			Name: names[ids[i]],
			Ref:  h.Ref, Source: h.Source, Since: p.Short(h.Since), Rel: p.Rel(h.Since), Path: "/held/" + url.PathEscape(h.Ref),
			Journey: journeyPath(jml.KindJoiner, h.Source, h.Ref),
		}
		if b := jml.HoldBlock(h.Kind); b != nil {
			v.What, v.Runbook = cause(b.Reason), x.runbooks.blocked(b.Reason)
		}
		if i < mostCompared {
			// Without it the row still says that something waits.
			if c, err := x.Service.HeldChange(x.ctx(), h.Ref); err == nil && c.Kind == h.Kind && c.Source == h.Source {
				v.Differs = c.Differs
			}
		}
		p.Rows = append(p.Rows, v)
	}
	x.show(http.StatusOK, "held", p)
}

// ledgerRows is how many one page of the ledger has.
const ledgerRows = 200

// sameInstant is how many rows of one instant a page may meet again.
const sameInstant = 100

type ledgerPage struct {
	view
	Ref, Actor, From, Until string
	Event                   audit.Event
	Oldest                  bool
	Problem                 string
	Rows                    []ledgerRow
	// More and its neighbours are the way to the next page.
	More    bool
	After   uint64
	LastAt  int64 // nanoseconds since 1970
	Asked   bool
	Auditor bool
}

type ledgerRow struct {
	audit.Row
	At   stamp
	Hash string
}

// ledger is for auditors; others see the rows of one reference. Who asks for an
// actor does it by POST: their names stand in no address.
func (x *exchange) ledger() {
	if err := x.r.ParseForm(); err != nil {
		x.problem(http.StatusBadRequest, "We could not read that", "the form was too long or broken", "go back and fill it in again")
		return
	}
	get := func(name string) string {
		s := strings.TrimSpace(x.r.Form.Get(name))
		if len(s) > 200 {
			return ""
		}
		return s
	}
	p := ledgerPage{view: x.view("ledger", "Ledger"), Ref: get("ref"), From: get("from"), Until: get("until"), Event: audit.Event(get("event")),
		Oldest: get("order") == "oldest", Auditor: x.who.Has(access.Auditor)}
	if x.r.Method == http.MethodPost {
		p.Actor = get("actor")
	}
	f := ledger.RowFilter{Ref: p.Ref, Actor: p.Actor, Newest: !p.Oldest, Limit: ledgerRows + 1 + sameInstant}
	if p.Event != "" {
		f.Events = []audit.Event{p.Event}
	}
	for _, d := range []struct {
		text string
		into *time.Time
		days int
	}{{p.From, &f.From, 0}, {p.Until, &f.Until, 1}} {
		if d.text == "" {
			continue
		}
		day, err := time.ParseInLocation(time.DateOnly, d.text, x.zone)
		if err != nil {
			p.Problem = "A day has the form 2031-03-09."
			x.show(http.StatusUnprocessableEntity, "ledger", p)
			return
		}
		*d.into = day.AddDate(0, 0, d.days)
	}
	if !p.Auditor && p.Ref == "" {
		// Nothing to refuse yet: the form says what is needed.
		x.show(http.StatusOK, "ledger", p)
		return
	}
	p.Asked = true
	after, _ := strconv.ParseUint(get("after"), 10, 64) // 0 is the first page
	lastAt, _ := strconv.ParseInt(get("at"), 10, 64)
	if after > 0 && p.Oldest {
		f.After = after
	} else if after > 0 {
		// Rows of the same instant come once more, and are left out below.
		f.Until = time.Unix(0, lastAt+1)
	}
	rows, err := x.Service.Ledger(x.ctx(), f)
	if err != nil {
		x.refuse(err)
		return
	}
	if after > 0 && !p.Oldest {
		rows = slices.DeleteFunc(rows, func(r audit.Row) bool { return r.Seq >= after })
	}
	if p.More = len(rows) > ledgerRows; p.More {
		rows = rows[:ledgerRows]
		last := rows[len(rows)-1]
		p.After, p.LastAt = last.Seq, last.Time.UnixNano()
	}
	for _, r := range rows {
		hash := hex.EncodeToString(r.Hash)
		p.Rows = append(p.Rows, ledgerRow{r, p.second(r.Time), hash[:min(len(hash), 12)]})
	}
	x.show(http.StatusOK, "ledger", p)
}

// second is t with its seconds.
func (v view) second(t time.Time) stamp {
	s := at(t, v.Zone)
	if s.ISO != "" {
		s.Text = t.In(v.Zone).Format("2006-01-02 15:04:05")
	}
	return s
}

type haltPage struct {
	taskPage
	Switch ops.Switch
	Since  stamp
	Ago    string
	May    bool
	Ask    string // before it is lifted
}

func (x *exchange) haltTask() (haltPage, error) {
	s, err := x.Service.Switch(x.ctx())
	if err != nil {
		return haltPage{}, err
	}
	verb := ops.VerbHalt
	if s.On {
		verb = ops.VerbLift
	}
	t := task{Verb: verb, Path: "/halt", Back: "/halt", Lead: lead(verb), Button: verbWord(verb), Since: x.now, Fields: []field{reasonField()}}
	p := haltPage{taskPage: x.taskPage(t), Switch: s, May: x.who.Has(verb.Allowed()...)}
	p.Title, p.Section, p.Since, p.Ago = "Kill switch", "halt", p.At(s.Since), p.Rel(s.Since)
	if !s.On || !p.May {
		return p, nil
	}
	p.Ask = "Ask " + s.Actor + " whether the cause is gone before you lift it."
	if s.Actor == x.who.Name {
		p.Ask = "You threw it: make sure that the cause is gone before you lift it."
	}
	// The switch can be lifted without the number.
	if sum, err := x.Service.Summary(x.ctx()); err == nil {
		p.Task.Lead = "It holds " + many(sum.Reasons[jml.ReasonHalted], "journey") + " now. " + p.Task.Lead
	}
	return p, nil
}

func (x *exchange) askHalt() {
	p, err := x.haltTask()
	if err != nil {
		x.refuse(err)
		return
	}
	p.Note = x.note()
	x.show(http.StatusOK, "halt", p)
}

func (x *exchange) actHalt() {
	p, err := x.haltTask()
	if err != nil {
		x.refuse(err)
		return
	}
	if err := x.r.ParseForm(); err != nil {
		x.problem(http.StatusBadRequest, "We could not read that", "the form was too long or broken", "go back and fill it in again")
		return
	}
	// The form was for the switch as it stood then.
	if asked := ops.Verb(x.r.PostFormValue("verb")); asked != p.Task.Verb {
		x.leave("Somebody was quicker: the switch stands already as you wanted it.")
		x.redirect("/halt")
		return
	}
	x.do(p.Task, true)
}

type searchPage struct {
	view
	Query   string
	Asked   bool
	Found   []found
	Problem string
	// Operator sees the way to what somebody asks for.
	Operator bool
}

type found struct {
	ops.Found
	Starts   string
	Journeys []foundJourney
}

type foundJourney struct {
	Kind  jml.Kind
	Stage jml.Stage
	Path  string
	Over  bool
}

// search takes names by POST only: they stand in no address and no log.
func (x *exchange) search() {
	p := searchPage{view: x.view("search", "Search"), Operator: x.who.Has(access.Operator)}
	if x.r.Method == http.MethodGet {
		x.show(http.StatusOK, "search", p)
		return
	}
	p.Query = strings.TrimSpace(x.r.PostFormValue("q"))
	if n := len([]rune(p.Query)); n < 2 || n > 100 {
		p.Problem = "Type between 2 and 100 characters."
		x.show(http.StatusUnprocessableEntity, "search", p)
		return
	}
	list, err := x.Service.Search(x.ctx(), p.Query)
	if err != nil {
		x.refuse(err)
		return
	}
	if len(list) == 1 && list[0].Name == "" && len(list[0].Journeys) == 1 {
		// It was looked for by its reference, and there is one: that is the answer.
		r := list[0].Journeys[0]
		x.redirect(journeyPath(r.Kind, r.Source, r.Ref))
		return
	}
	p.Asked = true
	for _, f := range list {
		v := found{Found: f}
		if !f.Starts.IsZero() {
			v.Starts = f.Starts.String()
		}
		for _, r := range f.Journeys {
			v.Journeys = append(v.Journeys, foundJourney{r.Kind, shownStage(r), journeyPath(r.Kind, r.Source, r.Ref), !r.Closed.IsZero()})
		}
		p.Found = append(p.Found, v)
	}
	x.show(http.StatusOK, "search", p)
}

type mePage struct {
	view
	Zones []string
	Can   []string
}

func (x *exchange) me() {
	p := mePage{view: x.view("me", "You"), Zones: zones()}
	p.Note = x.note()
	for _, v := range ops.Verbs() {
		if x.who.Has(v.Allowed()...) {
			p.Can = append(p.Can, verbWord(v))
		}
	}
	if name := x.zone.String(); !slices.Contains(p.Zones, name) {
		p.Zones = append([]string{name}, p.Zones...)
	}
	x.show(http.StatusOK, "me", p)
}

// zones are those that the form suggests; any other can be typed.
func zones() []string {
	return []string{
		"UTC", "America/Anchorage", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Mexico_City", "America/New_York",
		"America/Sao_Paulo", "America/Toronto", "Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi", "Asia/Bangkok",
		"Asia/Dubai", "Asia/Hong_Kong", "Asia/Jakarta", "Asia/Karachi", "Asia/Kolkata", "Asia/Manila", "Asia/Seoul", "Asia/Shanghai",
		"Asia/Singapore", "Asia/Tokyo", "Australia/Perth", "Australia/Sydney", "Europe/Amsterdam", "Europe/Athens", "Europe/Berlin",
		"Europe/Copenhagen", "Europe/Dublin", "Europe/Helsinki", "Europe/Istanbul", "Europe/Lisbon", "Europe/London", "Europe/Madrid",
		"Europe/Oslo", "Europe/Paris", "Europe/Rome", "Europe/Stockholm", "Europe/Warsaw", "Europe/Zurich", "Pacific/Auckland",
	}
}

// setZone keeps the operator's zone in a cookie, and goes back.
func (x *exchange) setZone() {
	name := strings.TrimSpace(x.r.PostFormValue("zone"))
	if _, err := jml.LoadZone(name); err != nil || len(name) > 64 {
		x.problem(http.StatusUnprocessableEntity, "There is no such time zone", "a zone has a name such as Europe/Oslo or UTC", "go back and choose one")
		return
	}
	x.cookie(cookieZone, url.QueryEscape(name), 365*24*time.Hour)
	back := x.r.PostFormValue("back")
	if !local(back) {
		back = "/me"
	}
	x.redirect(back)
}
