package pages

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/pickup"
)

// scene is a page and the way there.
type scene struct {
	h1     string
	change []func(*world)
	act    func(*device)
}

func startsLater(w *world) { w.pass.startAt = noon().Add(40 * time.Hour) }

func blocks(r jml.BlockReason) func(*world) {
	return func(w *world) { w.pass.block = jml.Blocked(r, "") }
}

func staging(w *world) {
	w.pass.journey, w.pass.device, w.pass.owner = jml.KindStaging, "SN-20417", "Signe Holm"
}

// twoKeys is a recovery that asks for two passkeys of certain makes.
func twoKeys(w *world) {
	w.pass.journey, w.pass.devices, w.pass.makes = jml.KindRecovery, 2, true
}

// vouch fills in the manager's form with the number that d shows.
func (d *device) vouch(manager *device, is string) {
	d.t.Helper()
	number := eval[string](d, `document.querySelector(".number").innerText.trim()`)
	var token string
	d.w.pass.is(func(p *pass) { token = p.asked[len(p.asked)-1] })
	manager.open("/vouch#"+token).fill("#number", number)
	manager.must(manager.Click(manager.t.Context(), "#how-video"))
	manager.must(manager.Click(manager.t.Context(), is))
	manager.send()
}

func scenes() map[string]scene {
	open := func(path string) func(*device) { return func(d *device) { d.open(path) } }
	enter := func(d *device) { d.enter() }
	fact := []func(*world){proofs(jml.ProofFact)}
	manager := []func(*world){proofs(jml.ProofManager)}
	desk := []func(*world){proofs(jml.ProofDesk)}
	eid := []func(*world){proofs(jml.ProofOIDC)}
	return map[string]scene{
		"home":        {"Collect your access pass", nil, open("/")},
		"start":       {"Collect your access pass", nil, func(d *device) { d.open("/p#" + d.w.token) }},
		"start-typed": {"Collect your access pass", nil, open("/p")},
		"start-empty": {"Collect your access pass", nil, func(d *device) { d.open("/p").fill("#reference", "abc").send() }},
		"start-wrong": {"Collect your access pass", nil, func(d *device) { d.open("/p#"+d.w.token).fill("#code", "000000").send() }},
		"again":       {"Ask for new messages", nil, open("/p/again")},
		"again-empty": {"Ask for new messages", nil, func(d *device) { d.open("/p/again").send() }},
		"asked":       {"We have your request", nil, func(d *device) { d.open("/p/again#"+d.w.token).fill("#code", "000000").send() }},
		"fact":        {"Confirm who you are", fact, enter},
		"fact-empty":  {"Confirm who you are", fact, func(d *device) { d.enter().fill("#day", "31", "#month", "2").send() }},
		"fact-wrong": {"Confirm who you are", fact, func(d *device) {
			d.enter().fill("#day", "1", "#month", "2", "#year", "1990", "#employee_id", "E-1").send()
		}},
		"eid": {"Confirm who you are", eid, enter},
		"eid-declined": {"Confirm who you are", eid, func(d *device) {
			d.enter().send().follow("button[value=cancel]").want("You are back from the sign-in").send()
		}},
		"returned": {"You are back from the sign-in", eid, func(d *device) {
			d.enter().send().want("Simulated eID: who are you?").must(d.Click(d.t.Context(), "#persona-0"))
			d.follow("button[value=sign-in]")
		}},
		"manager": {"Your manager has to confirm that it is you", manager, enter},
		"refused": {"Your manager could not confirm that it is you", manager, func(d *device) {
			d.enter().vouch(d.w.device(browser.Desktop()), "#is-no")
			d.want("Your manager could not confirm that it is you")
		}},
		"desk":        {"Show an identity document", desk, enter},
		"desk-wrong":  {"Show an identity document", desk, func(d *device) { d.enter().fill("#desk", "123456").send() }},
		"cannot":      {"We can't check who you are here", []func(*world){fact[0], func(w *world) { w.pass.facts.EmployeeID = "" }}, enter},
		"ready":       {"You are about to see your pass", nil, enter},
		"ready-later": {"You are about to see your pass", []func(*world){startsLater}, enter},
		"making": {"Your pass is being made", nil, func(d *device) {
			d.enter().w.pass.is(func(p *pass) { p.visits[0].minting = true })
			d.must(d.Reload(d.t.Context()))
		}},
		"blocked":       {"Your pass can't be made now", []func(*world){blocks(jml.ReasonGraphUnavailable)}, func(d *device) { d.enter().send() }},
		"blocked-final": {"Your pass can't be made now", []func(*world){blocks(jml.ReasonUserDisabled)}, func(d *device) { d.enter().send() }},
		"pass":          {"Your pass", nil, func(d *device) { d.enter().send() }},
		"pass-later":    {"Your pass", []func(*world){startsLater}, func(d *device) { d.enter().send() }},
		"staging-ready": {"You are about to see your pass", []func(*world){staging}, enter},
		"staging-pass":  {"Your pass", []func(*world){staging}, func(d *device) { d.enter().send() }},
		"recovery-pass": {"Your pass", []func(*world){twoKeys}, func(d *device) { d.enter().send() }},
		"mover-ready":   {"You are about to see your pass", []func(*world){func(w *world) { w.pass.journey = jml.KindMover }}, enter},
		"closed":        {"Closed", nil, func(d *device) { d.collect().send() }},
		"nothing":       {"There is nothing to see here", nil, open("/p/pass")},
		"notme":         {"Tell us that it was not you", nil, func(d *device) { d.open("/not-me#" + d.w.notMe) }},
		"notme-wrong":   {"Tell us that it was not you", nil, func(d *device) { d.open("/not-me#"+d.w.notMe).fill("#last", "0000").send() }},
		"revoked":       {"The pass is stopped", nil, func(d *device) { d.open("/not-me#"+d.w.notMe).fill("#last", "4F7A").send() }},
		"vouch":         {"Is it really them?", nil, open("/vouch#" + strings.Repeat("A", 22))},
		"vouch-empty":   {"Is it really them?", nil, func(d *device) { d.open("/vouch").send() }},
		"vouched": {"Thank you", manager, func(d *device) {
			d.w.device(browser.Phone()).enter().vouch(d, "#is")
		}},
		"vouched-no": {"Thank you", manager, func(d *device) {
			d.w.device(browser.Phone()).enter().vouch(d, "#is-no")
		}},
		"away": {"This does not work at the moment", []func(*world){func(w *world) { w.cfg.Passes = brokenPasses{} }}, func(d *device) {
			d.open("/p#"+d.w.token).fill("#code", d.w.code).send()
		}},
		"slow": {"Too many wrong entries", []func(*world){func(w *world) { w.cfg.TriesPerMinute = 1 }}, func(d *device) {
			d.open("/p#"+d.w.token).fill("#code", "000000").send().fill("#code", "000000").send()
		}},
		"missing": {"There is no such page", nil, open("/nowhere")},
		"foreign": {"This came from another page", nil, func(d *device) {
			d.visitForeign(`<form method="post" action="` + d.w.url + `/p"><button>Go</button></form>`).follow("button")
		}},
		"unreadable": {"We could not read that", nil, func(d *device) {
			d.open("/p")
			eval[bool](d, `document.querySelector("#reference").removeAttribute("maxlength"), document.querySelector("#reference").value = "a".repeat(20000), true`)
			d.send()
		}},
	}
}

// brokenPasses do not answer.
type brokenPasses struct{ pickup.Passes }

func (brokenPasses) Update(context.Context, string, string, string, any, any) error {
	return context.DeadlineExceeded
}

// large and spaced are how people with weak eyes or reading aids see
// pages: WCAG 2.2, 1.4.4 and 1.4.12. Narrow pages are 1.4.10.
const (
	large  = `document.documentElement.style.fontSize = "200%", true`
	spaced = `(() => {
		const s = new CSSStyleSheet();
		s.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }");
		document.adoptedStyleSheets = [s];
		return true;
	})()`
)

// Every page, as a phone and a desktop show it, in light and dark: nothing that
// axe-core minds, and nowhere to scroll sideways, at 320 pixels, with letters
// of double size, or with wide spacing either.
func TestPages(t *testing.T) {
	b := browser.Start(t)
	folder := os.Getenv("SHOTS")
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, b, s.change...)
			d := w.device(browser.Phone())
			s.act(d)
			d.want(s.h1)
			ctx := t.Context()
			fits := func(how string) {
				t.Helper()
				if over, err := d.Overflow(ctx); err != nil || over > 0 {
					t.Errorf("%s: %d pixels wider than the window, %v", how, over, err)
				}
			}
			for _, v := range browser.Views() {
				d.must(d.Look(ctx, v))
				found, err := d.Axe(ctx)
				d.must(err)
				for _, f := range found {
					t.Errorf("%s: %s", v, f)
				}
				fits(v.String())
				if folder != "" {
					d.must(d.Shot(ctx, folder, "pickup-"+name))
				}
			}
			d.must(d.Look(ctx, browser.Narrow()))
			fits("at 320 pixels")
			eval[bool](d, spaced)
			fits("at 320 pixels, spaced")
			d.must(d.Look(ctx, browser.Phone()))
			eval[bool](d, large)
			fits("with large letters")
			if d.h1() != s.h1 {
				t.Errorf("the page went to %q meanwhile", d.h1())
			}
		})
	}
}

// From right to left, with the words that an overlay brings: the page turns
// round, and what is typed or read off letter by letter does not.
func TestRightToLeft(t *testing.T) {
	words, err := os.ReadFile("../../../internal/pickup/words/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := os.ReadFile("../../../internal/locale/catalogues/en.yaml")
	if err != nil {
		t.Fatal(err)
	}
	overlay := fstest.MapFS{
		"ar/" + locale.File: {Data: []byte(strings.Replace(string(catalogue), "name: English", "name: العربية", 1))},
		"ar/" + pickup.WordsFile: {Data: []byte(strings.NewReplacer("language: English", "language: العربية",
			"pass.title: Your pass", "pass.title: تصريح الدخول", "pass.now: now", "pass.now: الآن").Replace(string(words)))},
	}
	b := browser.Start(t)
	w := newWorld(t, b, proofs(jml.ProofFact), func(w *world) {
		if w.cfg.Locales, err = locale.Load(overlay); err != nil {
			t.Fatal(err)
		}
		w.cfg.Words = overlay
	})
	d, ctx := w.device(browser.Phone()), t.Context()
	check := func(page string) {
		t.Helper()
		if dir := eval[string](d, `getComputedStyle(document.body).direction`); dir != "rtl" {
			t.Errorf("%s runs %s", page, dir)
		}
		for _, v := range []browser.View{browser.Phone(), browser.Desktop().InDark()} {
			d.must(d.Look(ctx, v))
			found, err := d.Axe(ctx)
			d.must(err)
			for _, f := range found {
				t.Errorf("%s, %s: %s", page, v, f)
			}
			if folder := os.Getenv("SHOTS"); folder != "" {
				d.must(d.Shot(ctx, folder, "pickup-rtl-"+page))
			}
		}
		for _, v := range append(browser.Views(), browser.Narrow()) {
			d.must(d.Look(ctx, v))
			if over, err := d.Overflow(ctx); err != nil || over > 0 {
				t.Errorf("%s, %s: %d pixels wider than the window, %v", page, v, over, err)
			}
		}
		d.must(d.Look(ctx, browser.Phone()))
		if left := eval[float64](d, `Math.min(...[...document.querySelectorAll(".trap, .skip")].map(e => e.getBoundingClientRect().left), 1e6)`); left < 390 {
			t.Errorf("%s: what nobody should see stands at %v", page, left)
		}
	}
	d.open("/p?lang=ar#" + w.token)
	check("start")
	d.fill("#code", "000000").send()
	check("start-wrong")
	d.fill("#code", w.code).send()
	check("fact")
	if dir := eval[string](d, `getComputedStyle(document.querySelector("#employee_id")).direction`); dir != "ltr" {
		t.Errorf("the employee number is typed %s", dir)
	}
	d.fill("#day", "17", "#month", "3", "#year", "1994", "#employee_id", "E-1042").send()
	check("ready")
	d.send().want("تصريح الدخول")
	check("pass")
	ordered := eval[bool](d, `(() => {
		const x = [...document.querySelectorAll("#passcode span")].map(e => e.getBoundingClientRect());
		return x.length === 3 && x.every((r, i) => i === 0 || r.left > x[i - 1].right || r.top >= x[i - 1].bottom);
	})()`)
	if !ordered || !d.shows() {
		t.Error("the passcode's groups are not in the order in which they are typed")
	}
}
