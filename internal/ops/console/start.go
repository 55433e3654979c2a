package console

import (
	"errors"
	"net/http"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
)

// startPage is the form that starts a journey which somebody asks for.
type startPage struct {
	view
	Lead    string
	Path    string
	Name    string
	Button  string
	Fields  []field
	Problem string
	Do      string
}

func (x *exchange) recovery() startPage {
	p := startPage{
		view: x.view("search", "Start a recovery"), Name: "Start a recovery", Path: "/recover", Button: "Start the recovery",
		Lead: "For an employee who lost a method or whose method broke. Verify the caller first. What is to be removed, firstpass recover takes by name.",
	}
	verified := []option{{"", "choose"}}
	for _, v := range x.Verifications {
		verified = append(verified, option{v, v})
	}
	loss := []option{{"", "choose"}}
	for _, l := range jml.LossReasons() {
		loss = append(loss, option{string(l), string(l)})
	}
	p.Fields = []field{
		whom(), sourceField(),
		{Name: "loss", Label: "What happened to the method", Options: loss, Required: true},
		{Name: "verified", Label: "How you verified the caller", Options: verified, Required: true},
		{Name: "for", Label: "Who asks", Options: []option{{string(jml.RequesterOperator), "the employee"}, {string(jml.RequesterManager), "the employee's manager"}}},
		{Name: "sessions", Label: "Sessions of the user", Options: []option{{"", "as is right for what happened: ended if stolen"}, {"end", "end them all"}, {"keep", "keep them"}}},
		ticketField(), noteField(),
	}
	return p
}

func (x *exchange) staging() startPage {
	return startPage{
		view: x.view("search", "Stage a device"), Name: "Stage a device", Path: "/stage-device", Button: "Ask for the staging",
		Lead: "A technician gets a pass of the employee for some hours, to set up the employee's device. Somebody else has to approve it.",
		Fields: []field{
			whom(), sourceField(),
			{Name: "technician", Label: "Sign-in name of the technician", Hint: "Such as sam@example.com.", Required: true, Max: 200},
			{Name: "device", Label: "Device", Hint: "Its serial number or name.", Required: true, Max: 100},
			{Name: "window", Label: "How long the technician has", Options: []option{{"1h", "1 hour"}, {"2h", "2 hours"}, {"4h", "4 hours"}, {"8h", "8 hours"}}},
			ticketField(), noteField(),
		},
	}
}

func whom() field {
	return field{Name: "employee", Label: "Employee", Hint: "By reference or employee id.", Required: true, Max: 100, Mono: true}
}

func sourceField() field {
	return field{Name: "source", Label: "Source (may be left empty)", Hint: "Needed only if several know the employee id.", Max: 64}
}

func ticketField() field {
	return field{Name: "ticket", Label: "Ticket", Hint: "Of the service desk; goes to the ledger.", Required: true, Max: 100}
}

func noteField() field {
	return field{Name: "note", Label: "Note (may be left empty)", Hint: "Goes to the ledger under your name. No personal data, no codes.", Type: "textarea", Max: maxReason}
}

// operator answers with a refusal whoever is none.
func (x *exchange) operator() bool {
	if x.who.Has(access.Operator) {
		return true
	}
	x.refuse(&ops.Refusal{Kind: ops.RefusedForbidden, What: "this needs the role operator", Do: "ask whoever assigns the application's roles"})
	return false
}

func (x *exchange) askStart(p startPage) {
	if x.operator() {
		// From somebody's page the form knows whom it is for.
		p.Fields[0].Value, p.Fields[1].Value = x.r.URL.Query().Get("ref"), x.r.URL.Query().Get("source")
		x.show(http.StatusOK, "start", p)
	}
}

func (x *exchange) askRecover() { x.askStart(x.recovery()) }
func (x *exchange) askStaging() { x.askStart(x.staging()) }

func (x *exchange) actRecover() {
	x.start(x.recovery(), func(get func(string) string) (ops.Started, error) {
		return x.Service.Recover(x.ctx(), ops.Recovery{
			Whom: ops.Whom{Name: get("employee"), Source: get("source")}, Loss: jml.LossReason(get("loss")), Verified: get("verified"),
			Ticket: get("ticket"), For: jml.Requester(get("for")), EndSessions: get("sessions") == "end", KeepSessions: get("sessions") == "keep", Note: get("note"),
		})
	})
}

func (x *exchange) actStaging() {
	x.start(x.staging(), func(get func(string) string) (ops.Started, error) {
		window, _ := time.ParseDuration(get("window")) // read has seen that it is one of ours
		return x.Service.StageDevice(x.ctx(), ops.Staging{
			Whom: ops.Whom{Name: get("employee"), Source: get("source")}, Technician: get("technician"), Device: get("device"),
			Window: window, Ticket: get("ticket"), Note: get("note"),
		})
	})
}

// start takes the form and starts the journey.
func (x *exchange) start(p startPage, begin func(get func(string) string) (ops.Started, error)) {
	if !x.operator() {
		return
	}
	if err := x.r.ParseForm(); err != nil {
		x.problem(http.StatusBadRequest, "We could not read that", "the form was too long or broken", "go back and fill it in again")
		return
	}
	values := map[string]string{}
	wrong := false
	for i := range p.Fields {
		p.Fields[i].fill(x.r.PostForm)
		values[p.Fields[i].Name] = p.Fields[i].Value
		wrong = wrong || p.Fields[i].Error != ""
	}
	if wrong {
		p.Problem, p.Title = "Nothing was started: the form needs a second look.", "Error: "+p.Title
		x.show(http.StatusUnprocessableEntity, "start", p)
		return
	}
	started, err := begin(func(name string) string { return values[name] })
	var no *ops.Refusal
	switch {
	case errors.As(err, &no) && no.Kind != ops.RefusedSignIn && no.Kind != ops.RefusedForbidden:
		p.Problem, p.Do, p.Title = sentence(no.What), sentence(no.Do), "Error: "+p.Title
		x.show(status(no.Kind), "start", p)
		return
	case err != nil:
		x.refuse(err)
		return
	}
	note := "It has begun, with the profile " + started.Profile + "."
	if started.Approval {
		note += " Somebody else has to approve it now."
	}
	x.leave(note)
	x.redirect(pathOf(started.WorkflowID))
}
