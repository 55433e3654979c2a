package pickup

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// codeDigits is how many digits a code has.
const codeDigits = 6

// home says what this is.
func (x *exchange) home() { x.show(http.StatusOK, "home", nil) }

// start asks for link and code. It is the same for everybody: the token stands
// in the fragment, which browsers keep to themselves.
func (x *exchange) start() { x.show(http.StatusOK, "start", entry{}) }

// again asks the same, for new messages.
func (x *exchange) again() { x.show(http.StatusOK, "again", entry{}) }

// entry is what a form with a link shows once more.
type entry struct {
	// Reference is as it was typed. It is shown again only where the answer
	// does not depend on whether it is right.
	Reference string
}

// linkField is the token that the script took from the fragment, else the
// reference that was typed.
func (x *exchange) linkField() (typed string, problems []problem) {
	if token := x.field("token"); token != "" {
		return token, nil
	}
	typed = x.field("reference")
	switch {
	case typed == "":
		return "", []problem{x.problem("reference", "problem.reference.missing")}
	case !invitation.Reference(typed):
		return typed, []problem{x.problem("reference", "problem.reference.form")}
	}
	return typed, nil
}

// codeField is what was typed as a code of digits.
func (x *exchange) codeField(name string, least, most int, missing, form string) (typed string, problems []problem) {
	typed = x.field(name)
	switch n, ok := digits(typed); {
	case typed == "":
		return typed, []problem{x.problem(name, missing)}
	case !ok || n < least || n > most:
		return typed, []problem{x.problem(name, form)}
	}
	return typed, nil
}

// digits counts the digits in what somebody typed. Blanks and hyphens don't
// count, anything else is a mistake.
func digits(typed string) (int, bool) {
	n := 0
	for _, r := range typed {
		switch {
		case r >= '0' && r <= '9':
			n++
		case unicode.IsSpace(r), strings.ContainsRune("-\u2010\u2011\u2013", r):
		default:
			return 0, false
		}
	}
	return n, true
}

// linkAndCode reads the form of start and again. It answers itself if the form
// is not filled in: that says nothing of whether what is there is right.
func (x *exchange) linkAndCode(page string) (typed, code string, ok bool) {
	if !x.readable() {
		return "", "", false
	}
	typed, problems := x.linkField()
	code, more := x.codeField("code", codeDigits, codeDigits, "problem.code.missing", "problem.code.form")
	if problems = append(problems, more...); len(problems) > 0 {
		x.show(http.StatusUnprocessableEntity, page, entry{Reference: x.field("reference")}, problems...)
		return "", "", false
	}
	return typed, code, true
}

// find returns the link that was typed. An unknown one becomes a link to a pass
// that there is not, so that the same work is done for it, and fails alike.
func (x *exchange) find(ctx context.Context, k invitation.Kind, typed string) (invitation.Link, bool, error) {
	link, known, err := x.h.cfg.Book.Find(ctx, k, typed)
	if err != nil || known {
		return link, known, err
	}
	return invitation.Link{LinkHash: random(), Ref: random(), WorkflowID: workflows.PassID(random())}, false, nil
}

// openVisit opens a visit with link and code.
func (x *exchange) openVisit() {
	typed, code, ok := x.linkAndCode("start")
	if !ok {
		return
	}
	wrong := func() {
		x.show(http.StatusUnprocessableEntity, "start", entry{}, x.problem("code", "problem.start"))
	}
	x.guess(x.h.guesses, patience, wrong, func(ctx context.Context) (func(), error) {
		// Always a new one: nothing that was in the browser before has a part
		// in it.
		v := visit{ID: random(), Created: x.h.cfg.Now()}
		key, err := secret.NewVisitKey()
		if err != nil {
			return nil, err
		}
		if v.Key, err = key.Bytes(); err != nil {
			return nil, err
		}
		link, known, err := x.find(ctx, invitation.Collect, typed)
		if err != nil {
			return nil, err
		}
		v.Workflow, v.Link, v.Ref = link.WorkflowID, link.LinkHash, link.Ref
		var answer workflows.VisitView
		err = x.h.cfg.Passes.Update(ctx, v.Workflow, workflows.UpdateVisit, "visit-"+v.ID, workflows.VisitRequest{
			Visit: v.ID, LinkHash: v.Link, CodeHash: x.h.cfg.Book.HashCode(v.Link, code), PublicKey: key.Public(),
		}, &answer)
		if err != nil {
			return nil, err
		}
		if !known || !answer.Open {
			return nil, ErrNothing
		}
		x.ref = v.Ref
		v.learn(answer)
		if err := x.keep(v); err != nil {
			return nil, err
		}
		return func() { x.moveTo("/p/next") }, nil
	})
}

// askAgain asks for new messages. Its answer is the same for right and wrong.
func (x *exchange) askAgain() {
	typed, code, ok := x.linkAndCode("again")
	if !ok {
		return
	}
	answered := func() { x.show(http.StatusOK, "asked", nil) }
	x.guess(x.h.guesses, patience, answered, func(ctx context.Context) (func(), error) {
		link, _, err := x.find(ctx, invitation.Collect, typed)
		if err != nil {
			return nil, err
		}
		var answer workflows.Answer
		err = x.h.cfg.Passes.Update(ctx, link.WorkflowID, workflows.UpdateAgain, "again-"+random(), workflows.AgainRequest{
			LinkHash: link.LinkHash, CodeHash: x.h.cfg.Book.HashCode(link.LinkHash, code),
		}, &answer)
		if err != nil {
			return nil, err
		}
		return func() { x.settle(); answered() }, nil
	})
}
