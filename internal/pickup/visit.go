package pickup

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// visit is what the visitor's browser keeps for us, sealed. It goes with the
// browser's session, and opens nothing after visitLife.
type visit struct {
	Workflow string    `json:"w"`
	ID       string    `json:"v"`
	Link     string    `json:"l"` // keyed hash of the link
	Key      []byte    `json:"k"` // opens the pass; nobody else has it
	Ref      string    `json:"r"`
	Created  time.Time `json:"c"`
	// Employee is what a proof compares with, while there is one to be given.
	Employee *jml.Snapshot `json:"e,omitempty"`
	// Flow is a sign-in under way at a provider.
	Flow *identity.Flow `json:"f,omitempty"`
}

const visitLabel = "pick-up visit"

// maxCookie bounds the cookie's value, in bytes. RFC 6265, section 6.1: a
// browser keeps 4096 of name, value and attributes together.
const maxCookie = 3800

// cookieName. The prefix keeps other hosts of the domain, and plain http, from
// planting one (RFC 6265bis, section 4.1.3.2).
func (h *handler) cookieName() string {
	if h.https {
		return "__Host-firstpass-visit"
	}
	return "firstpass-visit"
}

func (h *handler) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: h.cookieName(), Value: value, Path: "/", HttpOnly: true, Secure: h.https, SameSite: http.SameSiteLaxMode}
}

// keep puts v into the browser.
func (x *exchange) keep(v visit) error {
	value, err := x.h.sealVisit(v)
	if err == nil && len(value) > maxCookie {
		// An employee whose facts are this long can't be compared here; the
		// page says whom to call.
		v.Employee = nil
		value, err = x.h.sealVisit(v)
	}
	if err == nil && len(value) > maxCookie {
		err = errors.New("pickup: a visit is too long for a cookie")
	}
	if err != nil {
		return err
	}
	x.w.Header().Del("Set-Cookie") // there is no other, and the last one counts
	http.SetCookie(x.w, x.h.cookie(value))
	return nil
}

func (h *handler) sealVisit(v visit) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("pickup: visit: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(h.cfg.Sealer.Seal(raw, visitLabel)), nil
}

// forget takes the visit out of the browser.
func (x *exchange) forget() {
	c := x.h.cookie("")
	c.MaxAge = -1
	http.SetCookie(x.w, c)
}

// visit returns the browser's visit. Whatever is wrong with it, there is none.
func (x *exchange) visit() (visit, bool) {
	// Two of one name: somebody planted the other. Neither can be told apart.
	found := x.r.CookiesNamed(x.h.cookieName())
	if len(found) != 1 {
		return visit{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(found[0].Value)
	if err != nil {
		return visit{}, false
	}
	raw, err := x.h.cfg.Sealer.Open(sealed, visitLabel)
	if err != nil {
		return visit{}, false
	}
	var v visit
	if err := json.Unmarshal(raw, &v); err != nil {
		return visit{}, false
	}
	age := x.h.cfg.Now().Sub(v.Created)
	if age < -time.Minute || age >= visitLife { // clocks of two machines differ
		return visit{}, false
	}
	x.ref = v.Ref
	return v, true
}

// learn takes from an answer what the next proof compares with, and no more of
// the employee than that.
func (v *visit) learn(answer workflows.VisitView) {
	v.Employee, v.Flow = nil, nil
	e := answer.Employee
	if e == nil || answer.Needed == nil {
		return
	}
	switch answer.Needed.Kind {
	case jml.ProofFact, jml.ProofOIDC:
		v.Employee = &jml.Snapshot{
			EmployeeID: e.EmployeeID, GivenName: e.GivenName, FamilyName: e.FamilyName, BirthDate: e.BirthDate,
			UPN: e.UPN, PersonalMail: e.PersonalMail, Phone: e.Phone, Country: e.Country,
		}
	}
}

// open unseals a pass for this visit.
func (v visit) open(sealed []byte) (secret.Passcode, error) {
	key, err := secret.ParseVisitKey(v.Key)
	if err != nil {
		return secret.Passcode{}, errors.New("pickup: no key in the visit")
	}
	return key.Open(sealed, v.ID)
}

// where asks the workflow where the visit stands, and answers itself if there
// is no such visit, or nobody answers.
func (x *exchange) where(v visit) (workflows.VisitView, bool) {
	ctx, cancel := x.within(patience)
	defer cancel()
	answer, err := x.h.cfg.Passes.Visit(ctx, v.Workflow, v.ID)
	switch {
	case errors.Is(err, ErrNothing), err == nil && !answer.Open:
		x.nothing()
		return answer, false
	case err != nil:
		x.away(err)
		return answer, false
	}
	return answer, true
}

// current is the visit of the browser and where it stands. It answers itself
// if there is none.
func (x *exchange) current() (visit, workflows.VisitView, bool) {
	v, ok := x.visit()
	if !ok {
		x.nothing()
		return v, workflows.VisitView{}, false
	}
	answer, ok := x.where(v)
	return v, answer, ok
}
