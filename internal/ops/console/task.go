package console

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
)

// A reason has so many characters. The ledger cuts longer ones.
const (
	minReason = 5
	maxReason = 400
)

// field is one that a form has.
type field struct {
	Name, Label, Hint, Type string
	Value, Error            string
	Required                bool
	Min, Max                int      // characters
	Options                 []option // a select, if there are any
	Mono                    bool
}

// ID is what the label and the hints point to.
func (f field) ID() string { return "f-" + f.Name }

// DescribedBy names what describes the field.
func (f field) DescribedBy() string {
	var out []string
	if f.Hint != "" {
		out = append(out, f.ID()+"-hint")
	}
	if f.Error != "" {
		out = append(out, f.ID()+"-error")
	}
	return strings.Join(out, " ")
}

// task is something that somebody is about to do: a form with a reason.
type task struct {
	Verb   ops.Verb
	Object string
	Of     string // whose journey, which source
	Path   string // where the form goes
	Back   string
	Lead   string // what will happen
	Button string
	Fields []field
	// Compare says that the task is to decide between what Differs lists.
	Compare bool
	Differs []ops.Difference
	// Version is what the operator sees of the object, Was the stage then, and
	// Since when that was.
	Version string
	Was     jml.Stage
	Since   time.Time
	TheirTZ *time.Location // of the dates in the form; nil: the operator's
}

func (t task) Danger() bool { return dangerous(t.Verb) }

// SinceMillis is Since as the form carries it.
func (t task) SinceMillis() int64 { return t.Since.UnixMilli() }

type taskPage struct {
	view
	Task    task
	Problem string // what is wrong with the whole
	Do      string
	Sure    bool // ask once more
	// Conflict is set when somebody was quicker.
	Conflict *conflict
}

// conflict is what has changed since the form was opened.
type conflict struct {
	Was, Is jml.Stage
	News    []happening
}

func reasonField() field {
	return field{
		Name: "reason", Label: "Reason", Hint: "Goes to the ledger under your name. No personal data, no codes.", Type: "textarea",
		Required: true, Min: minReason, Max: maxReason,
	}
}

// lead says what a verb does.
func lead(v ops.Verb) string {
	switch v {
	case ops.VerbHold:
		return "Nothing is issued until somebody resumes it. A pass that is out already stays: revoke it if it must go."
	case ops.VerbResume:
		return "The journey goes on from where it stands."
	case ops.VerbMove:
		return "Another start than HR's counts, until HR says another one or the override ends."
	case ops.VerbResend:
		return "The invitation goes out again. A code that was shown is never sent again."
	case ops.VerbReissue:
		return "The present pass is deleted, then another one is made and goes out."
	case ops.VerbRevoke:
		return "The live pass is deleted at once, and the journey ends. Whoever holds the code can't sign in with it any more."
	case ops.VerbCancel:
		return "The journey ends, and its pass, if there is one, is deleted. The employee gets no pass from it."
	case ops.VerbLink:
		return "The journey takes this Entra user, whatever the matching rule says."
	case ops.VerbRegistered:
		return "The journey ends as completed, on the proof that you name."
	case ops.VerbApprove:
		return "The journey goes on, and a pass is made when its time comes."
	case ops.VerbRefuse:
		return "The journey ends, and no pass is made. Whoever asked sees your reason."
	case ops.VerbNudge:
		return "The journey looks at once whether it can go on, instead of at its next time."
	case ops.VerbDeviceDone:
		return "The staging ends and the technician's pass is deleted."
	case ops.VerbReplay:
		return "The record is read once more, by the configuration as it is now."
	case ops.VerbDrop:
		return "The record is forgotten. What HR said in it is not acted on."
	case ops.VerbPause:
		return "What this source sends is kept and not acted on until somebody lets it go on."
	case ops.VerbUnpause:
		return "What was kept meanwhile is acted on."
	case ops.VerbRelease:
		return "What the brake stopped goes through, once."
	case ops.VerbHeldApprove:
		return "What HR said last counts from now on."
	case ops.VerbHeldReject:
		return "What was in force before goes on to count."
	case ops.VerbHalt:
		return "No new pass is made anywhere, for anybody, within seconds. Passes that are out stay. It holds through restarts until somebody lifts it."
	case ops.VerbLift:
		return "Journeys that waited are looked at again by themselves; some may then show another cause."
	}
	return ""
}

// reissueLead says what becomes of what there is.
func reissueLead(j ops.Journey) string {
	switch {
	case j.View.PassID == "":
		return "There is no pass now. Another one is made and goes out."
	case j.Pass != nil && j.Pass.Issued == nil && j.Pass.Pickup != nil:
		return "The link that is out stops working, then another one goes out. The pass is made when somebody uses it."
	case j.Pass != nil && j.Pass.Issued == nil:
		return "What is being made now is ended, then another pass is made and goes out."
	}
	return lead(ops.VerbReissue)
}

// userID is the form of an Entra object id.
func userID(s string) bool {
	return regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(s)
}

func (x *exchange) journeyTask() (task, *ops.Journey, error) {
	verb := ops.Verb(x.r.PathValue("verb"))
	if !slices.Contains(verbs(), verb) {
		return task{}, nil, &ops.Refusal{Kind: ops.RefusedMissing, What: "there is no such action"}
	}
	id, path := x.named()
	j, err := x.Service.Journey(x.ctx(), id)
	if err != nil {
		return task{}, nil, err
	}
	t := task{
		Verb: verb, Object: id, Path: path + "/" + string(verb), Back: path, Lead: lead(verb), Button: verbWord(verb),
		Version: j.Version, Was: shownStage(j.Row), Since: x.now,
	}
	t.Of = fullName(j.View.Facts)
	if t.Of == "" {
		t.Of = kindWord(j.Row.Kind) + " " + j.Row.Ref
	}
	t.TheirTZ, _ = x.theirs(j.View.Facts.Zone)
	switch verb {
	case ops.VerbMove:
		zone := x.zone
		if t.TheirTZ != nil {
			zone = t.TheirTZ
		}
		where := "In the employee's zone, " + zoneName(zone, x.now) + "."
		t.Fields = append(t.Fields,
			field{Name: "start", Label: "New start", Hint: where, Type: "date", Required: true},
			field{Name: "hour", Label: "Hour (may be left empty)", Hint: "Empty: the profile's hour.", Type: "time"},
			field{Name: "until", Label: "HR's start counts again from (may be left empty)", Hint: where + " Empty: when HR says another start.", Type: "datetime-local"},
		)
	case ops.VerbLink:
		t.Fields = append(t.Fields, field{Name: "user_id", Label: "Object id of the Entra user", Hint: "As Entra shows it on the user's page, such as 3f1c0d2e-….", Required: true, Max: 36, Mono: true})
	case ops.VerbResend, ops.VerbReissue:
		if verb == ops.VerbReissue {
			t.Lead = reissueLead(j)
		}
		f := field{Name: "channel", Label: "Channel", Hint: "Another one than the profile's first, if that does not reach the employee."}
		f.Options = append(f.Options, option{"", "The profile's first"})
		for _, c := range x.channels(j) {
			f.Options = append(f.Options, option{c, c})
		}
		if x.Channels == nil {
			f.Options, f.Label, f.Max = nil, "Channel (may be left empty)", 64
			f.Hint = "By its name in the configuration. Empty: the profile's first."
		}
		t.Fields = append(t.Fields, f)
	case ops.VerbRegistered:
		t.Fields = append(t.Fields, field{Name: "proof", Label: "What you looked at", Hint: "Such as: the methods of the user in Entra, together with the employee.", Required: true, Min: minReason, Max: maxReason})
	}
	t.Fields = append(t.Fields, reasonField())
	return t, &j, nil
}

func (x *exchange) channels(j ops.Journey) []string {
	if x.Channels == nil {
		return nil
	}
	return x.Channels(j.View.Profile)
}

func (x *exchange) askJourney() {
	t, j, err := x.journeyTask()
	if err != nil {
		x.refuse(err)
		return
	}
	p := x.taskPage(t)
	if !slices.Contains(j.Can, t.Verb) {
		why := j.Cannot[t.Verb]
		if why == "" {
			why = "your roles do not allow this"
		}
		x.problem(http.StatusConflict, "Not as things stand", why, "go back to the journey: it says what can be done")
		return
	}
	x.show(http.StatusOK, "task", p)
}

func (x *exchange) taskPage(t task) taskPage {
	title := t.Button
	if t.Of != "" {
		title += ": " + t.Of
	}
	p := taskPage{view: x.view("", title), Task: t}
	return p
}

func (x *exchange) actJourney() {
	t, _, err := x.journeyTask()
	if err != nil {
		x.refuse(err)
		return
	}
	x.act(t)
}

// act takes the form of a task and does it.
func (x *exchange) act(t task) {
	if err := x.r.ParseForm(); err != nil {
		x.problem(http.StatusBadRequest, "We could not read that", "the form was too long or broken", "go back and fill it in again")
		return
	}
	fresh := t.Version
	form := x.r.PostForm
	t.Version, t.Was = form.Get("version"), jml.Stage(form.Get("was"))
	if ms, err := strconv.ParseInt(form.Get("since"), 10, 64); err == nil {
		t.Since = time.UnixMilli(ms)
	}
	a := ops.Action{Verb: t.Verb, Object: t.Object, Version: t.Version}
	wrong := x.read(&t, &a)
	p := x.taskPage(t)
	switch {
	case wrong:
		p.Problem = "Nothing was done: the form needs a second look."
		p.Title = "Error: " + p.Title
		x.show(http.StatusUnprocessableEntity, "task", p)
		return
	case t.Danger() && form.Get("sure") != "yes":
		p.Sure = true
		x.show(http.StatusOK, "task", p)
		return
	}
	done, err := x.Service.Act(x.ctx(), a)
	if err != nil {
		x.undone(p, fresh, err)
		return
	}
	x.leave(sentence(done.What))
	x.redirect(t.Back)
}

// read takes the fields of a form; true if one of them is wrong.
func (x *exchange) read(t *task, a *ops.Action) (wrong bool) {
	zone := x.zone
	if t.TheirTZ != nil {
		zone = t.TheirTZ
	}
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.fill(x.r.PostForm); f.Error == "" && f.Value != "" {
			take(f, a, zone)
		}
		wrong = wrong || f.Error != ""
	}
	return wrong
}

// fill takes the field's value from a form, and says what is wrong with it.
func (f *field) fill(form url.Values) {
	// A row of the ledger is one line.
	f.Value = strings.Join(strings.Fields(form.Get(f.Name)), " ")
	n := len([]rune(f.Value))
	switch {
	case f.Options != nil && !slices.ContainsFunc(f.Options, func(o option) bool { return o.Value == f.Value }):
		f.Error = "Choose one of the list."
	case n == 0 && f.Required && f.Options != nil:
		f.Error = "Choose one."
	case n == 0 && f.Required:
		f.Error = "Needed."
	case n > 0 && n < f.Min:
		f.Error = "Too short: at least " + strconv.Itoa(f.Min) + " characters."
	case f.Max > 0 && n > f.Max:
		f.Error = "Too long: at most " + strconv.Itoa(f.Max) + " characters."
	}
}

// take puts a field that has a value into the action.
func take(f *field, a *ops.Action, zone *time.Location) {
	var err error
	switch f.Name {
	case "reason":
		a.Reason = f.Value
	case "proof":
		a.Proof = f.Value
	case "channel":
		a.Channel = f.Value
	case "user_id":
		if a.UserID = f.Value; !userID(f.Value) {
			f.Error = "This is no object id. It has 32 hexadecimal digits in five groups."
		}
	case "start":
		if a.Start, err = jml.ParseDate(f.Value); err != nil {
			f.Error = "This is no date of the form 2031-03-09."
		}
	case "hour":
		if a.Hour, err = jml.ParseClock(f.Value); err != nil {
			f.Error = "This is no time of the form 09:00."
		}
	case "until":
		if a.Until, err = time.ParseInLocation("2006-01-02T15:04", f.Value, zone); err != nil {
			f.Error = "This is no date and time of the form 2031-03-09T09:00."
		}
	}
}

// undone says why something was not done, with the form to do it again where
// that helps.
func (x *exchange) undone(p taskPage, fresh string, err error) {
	var no *ops.Refusal
	if !errors.As(err, &no) {
		x.refuse(err)
		return
	}
	switch no.Kind {
	case ops.RefusedInvalid, ops.RefusedState, ops.RefusedAway:
		p.Problem, p.Do = sentence(no.What), sentence(no.Do)
		p.Title = "Error: " + p.Title
		x.show(status(no.Kind), "task", p)
	case ops.RefusedVersion:
		p.Problem, p.Do = "Somebody was quicker, so nothing was done.", "Look at what has changed. If it is still right, do it."
		p.Title = "Somebody was quicker: " + p.Title
		p.Conflict = x.conflict(p, &fresh)
		p.Task.Version, p.Task.Since = fresh, x.now
		if p.Conflict != nil {
			p.Task.Was = p.Conflict.Is
		}
		x.show(http.StatusPreconditionFailed, "task", p)
	default:
		x.refuse(err)
	}
}

// conflict finds out what has changed; nil if that can't be known.
func (x *exchange) conflict(p taskPage, fresh *string) *conflict {
	if pathOf(p.Task.Object) == "" {
		return nil
	}
	j, err := x.Service.Journey(x.ctx(), p.Task.Object)
	if err != nil {
		return nil
	}
	*fresh = j.Version
	c := &conflict{Was: p.Task.Was, Is: shownStage(j.Row)}
	for _, m := range j.Timeline {
		// A clock may be a little ahead of another one.
		if !m.Ahead && m.At.After(p.Task.Since.Add(-2*time.Second)) {
			c.News = append(c.News, happening{At: p.Clock(m.At), What: m.What, Who: m.Who, Reason: m.Reason})
		}
	}
	return c
}
