package pickup

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/workflows"
)

// next shows what comes next: a proof, the button that makes the pass, or the
// pass. It changes nothing.
func (x *exchange) next() {
	v, at, ok := x.current()
	if !ok {
		return
	}
	switch {
	case at.Revealed != nil, at.Minting:
		x.moveTo("/p/pass")
	case at.Block != nil:
		x.show(http.StatusOK, "blocked", blocked{Final: at.Final, Ref: v.Ref})
	case at.Needed != nil:
		x.showProof(http.StatusOK, v, at)
	default:
		x.show(http.StatusOK, "ready", x.beginning(at))
	}
}

// blocked says that the pass could not be made.
type blocked struct {
	Final bool
	Ref   string
}

// showProof shows the page of the next proof.
func (x *exchange) showProof(status int, v visit, at workflows.VisitView, problems ...problem) {
	proof := *at.Needed
	switch proof.Kind {
	case jml.ProofFact:
		if err := x.comparable(v, proof); err != nil {
			x.show(http.StatusOK, "cannot", blocked{Ref: v.Ref})
			return
		}
		x.show(status, "fact", x.facts(proof.Name, len(problems) > 0), problems...)
	case jml.ProofOIDC:
		if err := x.comparable(v, proof); err != nil {
			x.show(http.StatusOK, "cannot", blocked{Ref: v.Ref})
			return
		}
		x.show(status, "eid", nil, problems...)
	case jml.ProofManager:
		if at.Refused {
			x.show(http.StatusOK, "refused", blocked{Ref: v.Ref})
			return
		}
		x.show(status, "manager", waiting{Number: x.h.cfg.Book.Number(v.ID), Asked: !at.Asked.IsZero(), State: stateOf(at)})
	case jml.ProofDesk:
		x.show(status, "desk", nil, problems...)
	default:
		x.show(http.StatusOK, "cannot", blocked{Ref: v.Ref})
	}
}

// waiting is a page that waits for something to change.
type waiting struct {
	Number string
	Asked  bool
	State  string
}

// state tells in a word where the visit stands, for pages that wait.
func (x *exchange) state() {
	word := "nothing"
	if v, ok := x.visit(); ok {
		ctx, cancel := x.within(patience)
		defer cancel()
		at, err := x.h.cfg.Passes.Visit(ctx, v.Workflow, v.ID)
		switch {
		case err == nil:
			word = stateOf(at)
		case !errors.Is(err, ErrNothing):
			x.status = http.StatusServiceUnavailable
			plain(x.w, x.status, "away")
			return
		}
	}
	x.status = http.StatusOK
	plain(x.w, x.status, word)
}

func stateOf(at workflows.VisitView) string {
	switch {
	case !at.Open:
		return "nothing"
	case at.Revealed != nil:
		return "revealed"
	case at.Minting:
		return "minting"
	case at.Block != nil:
		return "blocked"
	case at.Needed == nil:
		return "ready"
	case at.Refused:
		return "refused"
	case at.Asked.IsZero():
		return "asking"
	}
	return "asked"
}

// comparable fails if a proof can't be checked: HR lacks a fact.
func (x *exchange) comparable(v visit, proof jml.Proof) error {
	if v.Employee == nil || x.h.cfg.Identity == nil {
		return errors.New("pickup: nothing to compare a proof with")
	}
	err := x.h.cfg.Identity.Ready(proof.Name, *v.Employee)
	if err != nil {
		x.h.cfg.Logger.WarnContext(x.r.Context(), "pick-up page: a proof can't be checked", "ref", v.Ref, "proof", proof.Name, "error", err)
	}
	return err
}

// facts is the form of a fact.
type facts struct {
	BirthDate, EmployeeID   bool
	Day, Month, Year, Typed string // shown again if a field was not filled in
}

func (x *exchange) facts(proof string, again bool) facts {
	asks := x.h.cfg.Asks[proof]
	f := facts{BirthDate: slices.Contains(asks, "birth_date"), EmployeeID: slices.Contains(asks, "employee_id")}
	if again {
		f.Day, f.Month, f.Year, f.Typed = x.field("day"), x.field("month"), x.field("year"), x.field("employee_id")
	}
	return f
}

// read turns the form into a fact.
func (f facts) read(x *exchange) (got identity.Fact, problems []problem) {
	if f.BirthDate {
		switch date, err := birthDate(f.Day, f.Month, f.Year, x.h.cfg.Now()); {
		case f.Day == "" && f.Month == "" && f.Year == "":
			problems = append(problems, x.problem("day", "problem.birth.missing"))
		case err != nil:
			problems = append(problems, x.problem("day", "problem.birth.form"))
		default:
			got.BirthDate = date
		}
	}
	if f.EmployeeID {
		if f.Typed == "" {
			problems = append(problems, x.problem("employee_id", "problem.employee.missing"))
		}
		got.EmployeeID = f.Typed
	}
	return got, problems
}

// birthDate reads three fields of digits. Years have four: 01 may be either.
func birthDate(day, month, year string, now time.Time) (jml.Date, error) {
	var n [3]int
	for i, s := range []string{day, month, year} {
		v, err := strconv.ParseUint(s, 10, 16)
		if err != nil || strings.HasPrefix(s, "+") {
			return jml.Date{}, errors.New("not a number")
		}
		n[i] = int(v)
	}
	t := time.Date(n[2], time.Month(n[1]), n[0], 0, 0, 0, 0, time.UTC)
	if t.Day() != n[0] || int(t.Month()) != n[1] || n[2] < 1900 || t.After(now) {
		return jml.Date{}, errors.New("not a day of birth")
	}
	return jml.Date{Year: n[2], Month: t.Month(), Day: n[0]}, nil
}

// proving is the visit, if kind is the proof that comes next. It answers itself
// if not.
func (x *exchange) proving(kind jml.ProofKind) (visit, workflows.VisitView, bool) {
	if !x.readable() {
		return visit{}, workflows.VisitView{}, false
	}
	v, at, ok := x.current()
	if !ok {
		return v, at, false
	}
	if at.Needed == nil || at.Needed.Kind != kind || at.Block != nil || at.Revealed != nil || at.Minting {
		x.moveTo("/p/next") // an old tab, or the back button
		return v, at, false
	}
	return v, at, true
}

// proveFact compares what was typed with what HR says.
func (x *exchange) proveFact() {
	v, at, ok := x.proving(jml.ProofFact)
	if !ok {
		return
	}
	if err := x.comparable(v, *at.Needed); err != nil {
		x.showProof(http.StatusOK, v, at)
		return
	}
	got, problems := x.facts(at.Needed.Name, true).read(x)
	if len(problems) > 0 {
		x.showProof(http.StatusUnprocessableEntity, v, at, problems...)
		return
	}
	x.prove(v, at, workflows.ProveRequest{
		Passed: x.h.cfg.Identity.CheckFact(at.Needed.Name, got, *v.Employee),
	}, func() {
		f := x.facts(at.Needed.Name, false)
		first := "day"
		if !f.BirthDate {
			first = "employee_id"
		}
		x.show(http.StatusUnprocessableEntity, "fact", f, x.problem(first, "problem.fact"))
	})
}

// proveDesk passes on the code that an officer gave.
func (x *exchange) proveDesk() {
	v, at, ok := x.proving(jml.ProofDesk)
	if !ok {
		return
	}
	typed, problems := x.codeField("desk", 4, 12, "problem.desk.missing", "problem.desk.form")
	if len(problems) > 0 {
		x.showProof(http.StatusUnprocessableEntity, v, at, problems...)
		return
	}
	x.prove(v, at, workflows.ProveRequest{CodeHash: x.h.cfg.Book.HashDeskCode(v.Ref, typed)}, func() {
		x.showProof(http.StatusUnprocessableEntity, v, at, x.problem("desk", "problem.desk"))
	})
}

// prove tells the workflow what came of a proof. wrong answers if it did not
// pass and there may be another try.
func (x *exchange) prove(v visit, at workflows.VisitView, request workflows.ProveRequest, wrong func()) {
	request.Visit, request.Proof = v.ID, at.Needed.Name
	locked := false
	x.guess(x.h.guesses, patience, func() {
		if locked {
			x.nothing()
			return
		}
		wrong()
	}, func(ctx context.Context) (func(), error) {
		var now workflows.VisitView
		err := x.h.cfg.Passes.Update(ctx, v.Workflow, workflows.UpdateProve, x.once("prove", v), request, &now)
		if err == nil && !now.Open {
			err = ErrNothing
		}
		if err != nil {
			locked = true
			return nil, err
		}
		if now.Needed != nil && now.Needed.Name == request.Proof {
			return nil, ErrNothing
		}
		v.learn(now)
		if err := x.keep(v); err != nil {
			return nil, err
		}
		return func() { x.moveTo("/p/next") }, nil
	})
}

// once names an update by the showing of the form that asked for it: a button
// pressed twice asks once. What the browser says it is bounded, not believed:
// to repeat a name only brings the same answer.
func (x *exchange) once(what string, v visit) string {
	try := x.field("try")
	if len(try) != len(random()) {
		try = random()
	}
	return what + "-" + v.ID + "-" + try
}
