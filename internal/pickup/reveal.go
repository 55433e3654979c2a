package pickup

import (
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// purpose says what the pass is for.
type purpose struct {
	Journey jml.Kind // empty: somebody starts
	Device  string   // staging: what is set up; empty: it has no name
	Owner   string   // staging: whose it is
}

func purposeOf(at workflows.VisitView) purpose {
	return purpose{Journey: at.Journey, Device: at.Device, Owner: at.Owner}
}

// beginning says from when the pass will work.
type beginning struct {
	From string // empty: at once
	purpose
}

func (x *exchange) beginning(at workflows.VisitView) beginning {
	b := beginning{purpose: purposeOf(at)}
	if at.Start.After(x.h.cfg.Now()) {
		b.From = x.moment(at.Start, at.Zone)
	}
	return b
}

// moment tells a time in the employee's zone. Without one it is told in UTC,
// which it says.
func (x *exchange) moment(t time.Time, zone string) string {
	loc, err := jml.LoadZone(zone)
	if err != nil {
		loc = time.UTC
	}
	return x.words.locale.Moment(t, loc)
}

// reveal has the pass made and sealed for this browser.
func (x *exchange) reveal() {
	if !x.readable() {
		return
	}
	v, ok := x.visit()
	if !ok {
		x.nothing()
		return
	}
	ctx, cancel := x.within(revealPatience)
	defer cancel()
	var at workflows.VisitView
	err := x.h.cfg.Passes.Update(ctx, v.Workflow, workflows.UpdateReveal, x.once("reveal", v), workflows.RevealRequest{Visit: v.ID}, &at)
	switch {
	case errors.Is(err, ErrLate):
		x.moveTo("/p/pass") // it says that the pass is being made
	case errors.Is(err, ErrNothing), err == nil && !at.Open:
		x.nothing()
	case err != nil:
		x.away(err)
	case at.Revealed == nil && !at.Minting:
		x.moveTo("/p/next") // a proof is missing, or the pass can't be made
	default:
		v.Created = x.h.cfg.Now()
		v.learn(at)
		if err := x.keep(v); err != nil {
			x.away(err)
			return
		}
		x.moveTo("/p/pass")
	}
}

// shown is the page with the pass.
type shown struct {
	Groups     []string // of the passcode: joined, they are it
	SignInName string
	From       string // empty: it works now
	Until      string
	Minutes    string // how long the page shows it
	Left       int    // seconds, for the script
	OneTime    bool
	Either     string // what to register, and how many
	Makes      bool   // not any make of passkey will do
	Microsoft  locale.SignInPage
	QR         template.HTML
	Ref        string
	purpose
}

// pass shows the pass for as long as its window is open.
func (x *exchange) pass() {
	v, at, ok := x.current()
	if !ok {
		return
	}
	if at.Revealed == nil {
		if at.Minting {
			x.show(http.StatusOK, "making", waiting{State: stateOf(at)})
			return
		}
		x.moveTo("/p/next")
		return
	}
	now := x.h.cfg.Now()
	left := at.Revealed.Closes.Sub(now)
	if left <= 0 {
		x.nothing()
		return
	}
	code, err := v.open(at.Revealed.Sealed)
	if err != nil || code.Empty() {
		x.nothing()
		return
	}
	qr, err := qrCode(x.h.cfg.Organisation.SignInURL)
	if err != nil {
		qr = "" // the address is written beside it
	}
	r := at.Revealed
	d := shown{
		Groups:     groups(code),
		SignInName: r.SignInName,
		Until:      x.moment(r.Pass.EndsAt().Truncate(time.Minute), at.Zone),
		Minutes:    strconv.Itoa(int((left + time.Minute - 1) / time.Minute)),
		Left:       int(left/time.Second) + 1,
		OneTime:    r.Pass.OneTime,
		Either:     x.words.locale.Several(r.Register, r.Devices),
		Makes:      r.Makes,
		purpose:    purposeOf(at),
		Microsoft:  x.words.locale.SignInPage(),
		QR:         qr,
		Ref:        r.Ref,
	}
	if from := worksFrom(r.Pass); from.After(now) {
		d.From = x.moment(from, at.Zone)
	}
	x.show(http.StatusOK, "pass", d)
}

// worksFrom is the first whole minute in which the pass can be relied on.
func worksFrom(p jml.Pass) time.Time {
	from := p.StartAt
	if warm := p.CreatedAt.Add(warmUp); warm.After(from) {
		from = warm
	}
	if whole := from.Truncate(time.Minute); whole.Before(from) {
		return whole.Add(time.Minute)
	}
	return from
}

// groups cuts a passcode in fours, to be read. What is between them is space on
// the screen and no character.
func groups(code secret.Passcode) []string {
	const size = 4
	var out []string
	runes := []rune(code.Reveal())
	for len(runes) > size {
		out, runes = append(out, string(runes[:size])), runes[size:]
	}
	return append(out, string(runes))
}

// close takes the visit out of the browser.
func (x *exchange) close() {
	x.forget()
	x.moveTo("/p/closed")
}

func (x *exchange) closed() { x.show(http.StatusOK, "closed", nil) }
