package pages

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// links are all that a message may lead to, and what somebody may make of them.
func (w *world) links() []string {
	w.t.Helper()
	var asked string
	w.pass.is(func(p *pass) { asked = p.asked[len(p.asked)-1] })
	return []string{"/p#" + w.token, "/p/again#" + w.token, "/not-me#" + w.notMe, "/vouch#" + asked}
}

// forms counts what was sent, and what of it was a well-formed guess at a code
// or number.
func (w *world) forms() (all, guesses int, typed map[string]int) {
	typed = map[string]int{}
	for _, q := range w.requests() {
		if q.method != "POST" {
			continue
		}
		all++
		form, err := url.ParseQuery(q.body)
		if err != nil {
			continue
		}
		if code := form.Get("code"); regexp.MustCompile(`^\d{6}$`).MatchString(code) && form.Get("token") != "" {
			guesses++
			typed[code]++
		}
	}
	return all, guesses, typed
}

// A bot that opens the links, runs their scripts, presses everything, and fills
// in and submits every form, changes nothing, whether it types or not: no try
// is used up, nobody is vouched for or turned away, and nothing is stopped.
// Afterwards the employee collects the pass as if nothing had been.
func TestScannerBurnsNothing(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, scan := range []browser.Scan{{Presses: 60}, {Presses: 25, LeaveEmpty: true}} {
		t.Run(map[bool]string{false: "types", true: "leaves empty"}[scan.LeaveEmpty], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, b, proofs(jml.ProofManager))
			waiting := w.device(browser.Phone()).enter() // so that there is somebody to vouch for
			before := len(w.pass.calls)
			for _, link := range w.links() {
				path, _, _ := strings.Cut(link, "#")
				scan.URL, scan.Linger = w.url+link, 200*time.Millisecond
				if path != "/p" {
					scan.Presses = 12
				}
				report, err := b.Scan(t.Context(), scan)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %d pages, %d presses, %d posts, %d requests without a browser, cut short %t", path, len(report.Pages), report.Presses, report.Posts, report.Plain, report.Cut)
				if report.Posts < 5 {
					t.Errorf("%s: the bot sent %d forms only", path, report.Posts)
				}
				for what, s := range w.secrets() {
					if what != "token" && !strings.HasPrefix(what, "token of") && report.Saw(s) {
						t.Errorf("%s: the bot saw the %s", path, what)
					}
				}
			}
			all, guesses, typed := w.forms()
			t.Logf("%d forms, %d with a token and six digits: %v", all, guesses, typed)
			if !scan.LeaveEmpty && guesses < workflows.WrongCodes {
				t.Errorf("the bot typed %d codes; it proves nothing", guesses)
			}
			w.pass.is(func(p *pass) {
				if got := p.calls[before:]; len(got) > 0 {
					t.Errorf("the bot reached the pass: %v", got)
				}
				if p.wrongCodes+p.wrongProofs+p.mints > 0 || p.denied || p.over || p.again {
					t.Errorf("the bot changed something: %d wrong codes, %d wrong proofs, %d passes", p.wrongCodes, p.wrongProofs, p.mints)
				}
			})
			waiting.vouch(w.device(browser.Desktop()), "#is")
			if waiting.want("You are about to see your pass").send().want("Your pass"); !waiting.shows() {
				t.Error("the pass can't be collected any more")
			}
		})
	}
}

// A bot that leaves alone what people don't see types codes that count. It gets
// nothing and stops nothing all the same; what it can do is to lock the link,
// which somebody is told of.
func TestWaryScanner(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	w := newWorld(t, b, proofs(jml.ProofManager))
	w.device(browser.Phone()).enter()
	for _, link := range w.links() {
		report, err := b.Scan(t.Context(), browser.Scan{URL: w.url + link, Wary: true, Linger: 200 * time.Millisecond, Presses: 15})
		if err != nil {
			t.Fatal(err)
		}
		if report.Saw(passcode) {
			t.Error("the bot saw the pass")
		}
	}
	all, guesses, typed := w.forms()
	t.Logf("%d forms, %d with a token and six digits: %v", all, guesses, typed)
	w.pass.is(func(p *pass) {
		t.Logf("%d wrong codes, %d wrong proofs, locked %t", p.wrongCodes, p.wrongProofs, p.locked())
		if p.mints > 0 || p.denied || p.over || p.again || p.visits[0].proven > 0 {
			t.Error("the bot collected, stopped or vouched")
		}
		if p.wrongCodes > workflows.WrongCodes {
			t.Errorf("%d wrong codes were counted", p.wrongCodes)
		}
	})
}

// Whoever guesses is held up by address, the right entry included, and sees no
// difference between a link that there is and one that there is not.
func TestGuessing(t *testing.T) {
	b := browser.Start(t)
	w := newWorld(t, b, func(w *world) { w.cfg.TriesPerMinute = 4 })
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`).MatchString(w.token) { // 128 bits
		t.Errorf("a token of %d characters", len(w.token))
	}
	if !regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}$`).MatchString(w.reference) { // 55 bits and a check
		t.Errorf("a reference of %d characters", len(w.reference))
	}
	d := w.device(browser.Desktop())
	var texts []string
	for i := range 4 {
		token := w.token
		if i%2 == 1 {
			token = strings.Repeat("A", 21) + fmt.Sprint(i)
		}
		d.open("/p#"+token).fill("#code", "000000").send().want("Collect your access pass")
		text, _ := d.Text(t.Context())
		texts = append(texts, text)
	}
	if texts[0] != texts[1] || !strings.Contains(texts[0], "Link and code don't open a pass") {
		t.Error("a known link is told from an unknown one")
	}
	d.open("/p#"+w.token).fill("#code", w.code).send().want("Too many wrong entries")
	if len(w.pass.visits) > 0 {
		t.Error("the right entry went through")
	}
}

// In somebody else's frame the page does not show. That it is the page that
// prevents it is shown by the same page without its headers: there the click
// meant for the lure makes the pass.
func TestFraming(t *testing.T) {
	b := browser.Start(t)
	for _, naked := range []bool{false, true} {
		w := newWorld(t, b)
		d := w.device(browser.Desktop()).enter().want("You are about to see your pass")
		at := eval[struct{ X, Y float64 }](d, `(r => ({X: r.left + r.width / 2, Y: r.top + r.height / 2}))(document.querySelector("main form button").getBoundingClientRect())`)
		w.mu.Lock()
		w.naked = naked
		w.mu.Unlock()
		lure := w.with(d.Another(t))
		lure.refused = !naked
		lure.visitForeign(`<iframe src="` + w.url + `/p/next"></iframe>`)
		lure.must(lure.ClickAt(t.Context(), at.X, at.Y))
		lure.must(lure.Settle(t.Context()))
		deadline := time.Now().Add(10 * time.Second)
		for naked && w.minted() == 0 && time.Now().Before(deadline) {
			lure.must(lure.Settle(t.Context()))
		}
		if got := w.minted() == 1; got != naked {
			t.Errorf("naked %t: the click made the pass: %t", naked, got)
		}
	}
}

func (w *world) minted() (n int) {
	w.pass.is(func(p *pass) { n = p.mints })
	return n
}

// Another page of the same host has the visitor's cookie sent along with what
// it submits. Nothing that changes anything takes it.
func TestForeignForms(t *testing.T) {
	b := browser.Start(t)
	w := newWorld(t, b)
	d := w.device(browser.Desktop()).enter()
	lure := w.with(d.Another(t))
	for path, fields := range map[string]string{
		"/p/reveal": "", "/p/close": "",
		"/p":      `<input name="token" value="` + w.token + `"><input name="code" value="` + w.code + `">`,
		"/not-me": `<input name="token" value="` + w.notMe + `"><input name="last" value="4f7a">`,
	} {
		lure.visitForeign(`<form method="post" action="` + w.url + path + `">` + fields + `</form><script>document.forms[0].submit()</script>`)
		lure.want("This came from another page")
	}
	cookie := false
	w.pass.is(func(p *pass) {
		if p.mints > 0 || p.over || len(p.visits) != 1 {
			t.Errorf("%d passes, stopped %t, %d visits", p.mints, p.over, len(p.visits))
		}
	})
	got, err := d.Cookies(t.Context())
	d.must(err)
	for _, c := range got {
		cookie = cookie || c.Name == "__Host-firstpass-visit"
	}
	if !cookie {
		t.Error("the visit was closed")
	}
	d.send().want("Your pass")
}

// Names and addresses with markup and marks of direction are text, and turn
// nothing round beside them.
func TestNamesWithMarkup(t *testing.T) {
	const (
		name = `Fjord <img src=x onerror="document.title='owned'"> & "Sons" ` + "\u202egnorw\u2066"
		upn  = "\u202e<b>astrid</b>\u202d\"'>@example.com"
		help = `</p><script>document.title="owned"</script> call ` + "\u202e22 00"
		code = `<i>&amp;'"` + "`+-"
	)
	b := browser.Start(t)
	w := newWorld(t, b, func(w *world) {
		w.cfg.Organisation.Name, w.cfg.Organisation.Help = name, help
		w.pass.upn, w.pass.code = upn, secret.NewPasscode(code)
		w.pass.facts.GivenName = name
	})
	d := w.device(browser.Phone())
	d.must(d.AllowClipboard(t.Context()))
	d.collect()
	for selector, want := range map[string]string{".top span": name, "#name": upn, "#passcode": code, "footer span": help} {
		got := eval[struct{ Text, Bidi string }](d, fmt.Sprintf(`(e => ({Text: e.textContent, Bidi: getComputedStyle(e).unicodeBidi}))(document.querySelector(%q))`, selector))
		if got.Text != want || got.Bidi != "isolate" {
			t.Errorf("%s: %q, %s", selector, got.Text, got.Bidi)
		}
	}
	d.must(d.Click(t.Context(), "[data-copy=passcode]"))
	d.clipboard(code)
	if title := eval[string](d, "document.title"); title == "owned" || eval[int](d, `document.querySelectorAll("main b, main i, img, body script").length`) != 0 {
		t.Errorf("markup became part of the page: %q", title)
	}
	if over, err := d.Overflow(t.Context()); err != nil || over > 0 {
		t.Errorf("%d pixels wider than the window, %v", over, err)
	}
	// What stands in a link's fragment becomes text, too.
	for _, fragment := range []string{`%3Cimg%20src=x%20onerror=document.title='owned'%3E`, `"><script>document.title='owned'</script>`, "%E2%80%AEabc", "%", "__proto__", "main"} {
		d.open("/p#" + fragment)
		if eval[string](d, "document.title") == "owned" || eval[int](d, `document.querySelectorAll("main img, main script").length`) != 0 {
			t.Errorf("%s became part of the page", fragment)
		}
	}
}
