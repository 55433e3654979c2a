package pickup

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/workflows"
)

// beginEID sends the visitor to the identity provider, by a page that leads
// there by itself: browsers apply form-action to redirects that follow a form.
func (x *exchange) beginEID() {
	v, at, ok := x.proving(jml.ProofOIDC)
	if !ok {
		return
	}
	if err := x.comparable(v, *at.Needed); err != nil {
		x.showProof(http.StatusOK, v, at)
		return
	}
	ctx, cancel := x.within(patience)
	defer cancel()
	target, flow, err := x.h.cfg.Identity.Begin(ctx, at.Needed.Name, x.words.tag)
	if err != nil {
		x.providerAway(v, at, err)
		return
	}
	if u, err := url.Parse(target); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		x.providerAway(v, at, errors.New("the provider's address is no URL"))
		return
	}
	v.Flow = &flow
	if err := x.keep(v); err != nil {
		x.away(err)
		return
	}
	x.w.Header().Set("Refresh", "0; url="+target)
	x.show(http.StatusOK, "leaving", target)
}

// providerAway says that the provider does not answer. Its errors quote nothing
// of the provider's, by identity's promise.
func (x *exchange) providerAway(v visit, at workflows.VisitView, err error) {
	x.h.cfg.Logger.WarnContext(x.r.Context(), "pick-up page: the identity provider can't be used", "ref", v.Ref, "proof", at.Needed.Name, "error", err)
	x.showProof(http.StatusServiceUnavailable, v, at, x.problem("begin", "problem.eid.away"))
}

// returned is what a provider may say on the way back, by name.
type returned struct{ Name, Value string }

// maxReturned bounds each of its values, in bytes.
const maxReturned = 4 << 10

// returnEID is where the provider sends the visitor back to. It asks for one
// more press of a button: a GET changes nothing, whoever makes it.
func (x *exchange) returnEID() {
	v, ok := x.visit()
	if !ok || v.Flow == nil {
		x.nothing()
		return
	}
	var back []returned
	query := x.r.URL.Query()
	for _, name := range returnNames() {
		if s := query.Get(name); s != "" && len(s) <= maxReturned {
			back = append(back, returned{name, s})
		}
	}
	x.show(http.StatusOK, "returned", back)
}

// returnNames are the parameters of an authorization response: RFC 6749, 4.1.2,
// and RFC 9207. The provider's own words for an error are left out.
func returnNames() []string { return []string{"code", "state", "iss", "error"} }

// finishEID has the provider's answer checked.
func (x *exchange) finishEID() {
	v, at, ok := x.proving(jml.ProofOIDC)
	if !ok {
		return
	}
	if v.Flow == nil || v.Flow.Proof != at.Needed.Name || v.Employee == nil || x.h.cfg.Identity == nil {
		x.showProof(http.StatusUnprocessableEntity, v, at, x.problem("begin", "problem.eid.again"))
		return
	}
	query := url.Values{}
	for _, name := range returnNames() {
		if s := x.r.PostFormValue(name); s != "" {
			query.Set(name, s)
		}
	}
	flow := *v.Flow
	v.Flow = nil // it is good for one answer, whichever that is
	if err := x.keep(v); err != nil {
		x.away(err)
		return
	}
	ctx, cancel := x.within(patience)
	defer cancel()
	result, err := x.h.cfg.Identity.Finish(ctx, at.Needed.Name, flow, query, *v.Employee)
	switch {
	case errors.Is(err, identity.ErrUnavailable):
		x.providerAway(v, at, err)
		return
	case err != nil:
		x.h.cfg.Logger.WarnContext(x.r.Context(), "pick-up page: a sign-in was refused", "ref", v.Ref, "proof", at.Needed.Name, "error", err)
		x.showProof(http.StatusUnprocessableEntity, v, at, x.problem("begin", "problem.eid.again"))
		return
	case result.Reason == identity.ReasonNotReady:
		x.show(http.StatusOK, "cannot", blocked{Ref: v.Ref})
		return
	case result.Reason == identity.ReasonRule:
		// The fault is the rule's or the provider's: nobody was somebody else.
		x.h.cfg.Logger.WarnContext(x.r.Context(), "pick-up page: a rule can't be evaluated", "ref", v.Ref, "proof", at.Needed.Name, "detail", result.Detail)
		x.show(http.StatusOK, "cannot", blocked{Ref: v.Ref})
		return
	case result.Reason == identity.ReasonLevel:
		x.h.cfg.Logger.InfoContext(x.r.Context(), "pick-up page: a sign-in was of another level", "ref", v.Ref, "proof", at.Needed.Name)
		x.showProof(http.StatusUnprocessableEntity, v, at, x.problem("begin", "problem.eid"))
		return
	case result.Reason == identity.ReasonDeclined:
		// Nobody claimed to be anybody: it does not count.
		x.showProof(http.StatusUnprocessableEntity, v, at, x.problem("begin", "problem.eid.declined"))
		return
	}
	request := workflows.ProveRequest{Passed: result.Passed}
	if result.Passed {
		request.Evidence = x.evidence(at.Needed.Name, result)
	} else {
		x.h.cfg.Logger.InfoContext(x.r.Context(), "pick-up page: a sign-in was not the employee's", "ref", v.Ref, "proof", at.Needed.Name, "reason", result.Reason)
	}
	x.prove(v, at, request, func() {
		x.showProof(http.StatusUnprocessableEntity, v, at, x.problem("begin", "problem.eid"))
	})
}

// evidence is what is kept: who it was as a keyed hash, and how sure the
// provider is.
func (x *exchange) evidence(proof string, r identity.Result) string {
	out := x.h.cfg.Book.HashEvidence(proof, r.Identifier)
	if acr := strings.Join(strings.Fields(r.ACR), ""); acr != "" {
		out += " acr=" + acr
	}
	return out
}
