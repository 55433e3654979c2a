package pickup

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"firstpass.internal/internal/invitation"
	"firstpass.internal/workflows"
)

// lastOfRef is how many characters of the reference "not me" asks for. The
// message shows them, and a scanner that presses every button does not know
// that they belong into the field.
const lastOfRef = 4

// numberDigits is how many digits a visitor reads out to the manager.
const numberDigits = 4

// notMe asks whether it was the visitor who asked for the pass.
func (x *exchange) notMe() { x.show(http.StatusOK, "notme", entry{}) }

// repudiate has the pass revoked.
func (x *exchange) repudiate() {
	if !x.readable() {
		return
	}
	typed, problems := x.linkField()
	last := strings.ToLower(x.field("last"))
	if last == "" {
		problems = append(problems, x.problem("last", "problem.last.missing"))
	}
	if len(problems) > 0 {
		x.show(http.StatusUnprocessableEntity, "notme", entry{Reference: x.field("reference")}, problems...)
		return
	}
	wrong := func() {
		x.show(http.StatusUnprocessableEntity, "notme", entry{}, x.problem("last", "problem.notme"))
	}
	x.guess(x.h.short, revealPatience, wrong, func(ctx context.Context) (func(), error) {
		link, known, err := x.find(ctx, invitation.Repudiate, typed)
		if err != nil {
			return nil, err
		}
		right := subtle.ConstantTimeCompare([]byte(last), []byte(endOf(link.Ref))) == 1
		if !known || !right {
			return nil, ErrNothing
		}
		x.ref = link.Ref
		var answer workflows.Answer
		err = x.h.cfg.Passes.Update(ctx, link.WorkflowID, workflows.UpdateRepudiate, "repudiate-"+random(),
			workflows.RepudiateRequest{LinkHash: link.LinkHash}, &answer)
		switch {
		case err == nil && !answer.Done:
			return nil, ErrNothing
		case err != nil && !errors.Is(err, ErrLate):
			return nil, err
		}
		return func() { x.show(http.StatusOK, "revoked", answer.Done) }, nil
	})
}

// endOf returns the last characters of a reference, as they are compared.
func endOf(ref string) string { return strings.ToLower(ref[max(0, len(ref)-lastOfRef):]) }

// vouch asks the manager for his word about who is at the page.
func (x *exchange) vouch() { x.show(http.StatusOK, "vouch", newVouching(entry{}, "", "")) }

// vouching is the manager's form.
type vouching struct {
	entry
	Ways []way
	Is   string // yes, no, or empty
}

// way is how a manager may be in touch with who is waiting.
type way struct {
	Name    string
	Key     string // of its words
	Checked bool
}

func newVouching(e entry, how, is string) vouching {
	v := vouching{entry: e, Is: is}
	for _, name := range workflows.AttestWays() {
		v.Ways = append(v.Ways, way{Name: name, Key: "vouch.how." + name, Checked: name == how})
	}
	return v
}

// attest passes on the manager's word. A no needs the number as well: else a
// scanner that submits every form would say it.
func (x *exchange) attest() {
	if !x.readable() {
		return
	}
	typed, problems := x.linkField()
	number, more := x.codeField("number", numberDigits, numberDigits, "problem.number.missing", "problem.number.form")
	problems = append(problems, more...)
	how, is := x.field("how"), x.field("is")
	if !slices.Contains(workflows.AttestWays(), how) {
		problems = append(problems, x.problem("how", "problem.how.missing"))
	}
	if is != "yes" && is != "no" {
		problems = append(problems, x.problem("is", "problem.is.missing"))
	}
	if len(problems) > 0 {
		x.show(http.StatusUnprocessableEntity, "vouch", newVouching(entry{Reference: x.field("reference")}, how, is), problems...)
		return
	}
	wrong := func() {
		x.show(http.StatusUnprocessableEntity, "vouch", newVouching(entry{}, "", ""), x.problem("number", "problem.vouch"))
	}
	x.guess(x.h.short, patience, wrong, func(ctx context.Context) (func(), error) {
		link, known, err := x.find(ctx, invitation.Attest, typed)
		if err != nil {
			return nil, err
		}
		request := workflows.AttestRequest{
			LinkHash: link.LinkHash, NumberHash: x.h.cfg.Book.HashNumber(link.LinkHash, number), Vouches: is == "yes", How: how,
		}
		var answer workflows.Answer
		err = x.h.cfg.Passes.Update(ctx, link.WorkflowID, workflows.UpdateAttest, "attest-"+random(), request, &answer)
		if err != nil {
			return nil, err
		}
		if !known || !answer.Done {
			return nil, ErrNothing
		}
		x.ref = link.Ref
		return func() { x.show(http.StatusOK, "vouched", request.Vouches) }, nil
	})
}
