package pickup

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/workflows"
)

func TestFact(t *testing.T) {
	right := []string{"day", "27", "month", "03", "year", "2001", "employee_id", " E-1042 "}
	w := newWorld(t, proofs(jml.ProofFact))
	b := w.browser()
	b.enter().want(t, 200, "Confirm who you are")
	b.post("/p/reveal") // too early: the workflow refuses, and the page asks on
	b.follow(b.get("/p/pass")).want(t, 200, "Confirm who you are")
	b.follow(b.post("/p/fact", right...)).want(t, 200, "You are about to see your pass")
	// The same form again, by the back button.
	b.follow(b.post("/p/fact", right...)).want(t, 200, "You are about to see your pass")
	last := w.pass.updates()
	r := last[len(last)-1].Request.(workflows.ProveRequest)
	if r.Proof != "facts" || !r.Passed || r.Evidence != "" {
		t.Errorf("told %+v", r)
	}
}

func TestFactThatIsNotFilledIn(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofFact))
	b := w.browser()
	b.enter()
	for _, tc := range []struct{ day, month, year, id, want string }{
		{"", "", "", "E-1", "Enter your date of birth"},
		{"31", "2", "2001", "E-1", "as day, month and a year"},
		{"27", "3", "01", "E-1", "as day, month and a year"},
		{"27", "13", "2001", "E-1", "as day, month and a year"},
		{"+7", "3", "2001", "E-1", "as day, month and a year"},
		{"1", "1", "2300", "E-1", "as day, month and a year"},
		{"x", "3", "2001", "E-1", "as day, month and a year"},
		{"99999", "3", "2001", "E-1", "as day, month and a year"},
		{"27", "3", "2001", "", "Enter your employee number"},
	} {
		a := b.post("/p/fact", "day", tc.day, "month", tc.month, "year", tc.year, "employee_id", tc.id)
		if a.StatusCode != 422 || !strings.Contains(a.body, tc.want) || !strings.Contains(a.body, `value="`+tc.year+`"`) {
			t.Errorf("%+v: %d", tc, a.StatusCode)
		}
	}
	if n := len(w.pass.updates()); n != 1 {
		t.Errorf("%d updates: a mistake in the form counts as a try", n)
	}
}

// Wrong facts are counted by the workflow, answered late and alike, and lock.
func TestWrongFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, proofs(jml.ProofFact), func(w *world) { w.cfg.Floor = time.Second })
		b := w.browser()
		b.enter()
		var bodies []string
		for _, form := range [][]string{
			{"day", "28", "month", "3", "year", "2001", "employee_id", "E-1042"},
			{"day", "27", "month", "3", "year", "2001", "employee_id", "E-9"},
		} {
			before := time.Now()
			a := b.post("/p/fact", form...)
			a.want(t, 422, "Confirm who you are")
			if time.Since(before) != time.Second || !strings.Contains(a.body, "This is not what we have") {
				t.Error("the answer tells by its time, or lacks the reason")
			}
			bodies = append(bodies, tryField.ReplaceAllString(a.body, ""))
		}
		if bodies[0] != bodies[1] {
			t.Error("it tells which fact is wrong")
		}
		before := time.Now()
		b.post("/p/fact", "day", "1", "month", "1", "year", "2001", "employee_id", "E-9").want(t, 404, "There is nothing to see here")
		if time.Since(before) != time.Second {
			t.Error("locking tells by its time")
		}
		b.post("/p/fact", "day", "27", "month", "3", "year", "2001", "employee_id", "E-1042").want(t, 404, "There is nothing to see here")
	})
}

func TestFactThatHRLacks(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofFact))
	w.identity.ready = func(string) error { return errors.New("HR has no birth_date") }
	b := w.browser()
	a := b.enter()
	a.want(t, 200, "We can&#39;t check who you are here")
	if !strings.Contains(a.body, journey) {
		t.Error("no reference")
	}
	b.post("/p/fact", "day", "27", "month", "3", "year", "2001", "employee_id", "E-1042").want(t, 200, "We can&#39;t check who you are here")
	if len(w.pass.updates()) != 1 {
		t.Error("it counts as a try")
	}
}

// Facts that are too long for a cookie end at a page that says whom to call.
func TestFactsTooLongForACookie(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofFact), func(w *world) { w.pass.facts.GivenName = strings.Repeat("x", 5000) })
	w.browser().enter().want(t, 200, "We can&#39;t check who you are here")
}

func TestDesk(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofDesk))
	b := w.browser()
	b.enter().want(t, 200, "Show an identity document")
	b.post("/p/desk", "desk", "").want(t, 422, "Show an identity document")
	b.post("/p/desk", "desk", "abc").want(t, 422, "Show an identity document")
	if len(w.pass.updates()) != 1 {
		t.Error("a mistake in the form counts as a try")
	}
	a := b.post("/p/desk", "desk", "111111")
	a.want(t, 422, "Show an identity document")
	if !strings.Contains(a.body, "This code does not work") {
		t.Error("it does not say what is wrong")
	}
	b.follow(b.post("/p/desk", "desk", "987 654")).want(t, 200, "You are about to see your pass")
}

func TestManager(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofManager))
	b := w.browser()
	a := b.enter()
	a.want(t, 200, "Your manager has to confirm that it is you")
	number := w.book.Number(b.visit().ID)
	if !strings.Contains(a.body, ">"+number+"<") {
		t.Error("the number is not on the page")
	}
	if strings.Contains(a.body, `http-equiv="refresh"`) || !strings.Contains(a.body, `href="/p/next">Check again`) {
		t.Error("the page reloads under a screen reader, or there is no button that does")
	}
	w.pass.number = w.book.HashNumber(w.pass.vouch, number)
	manager := w.browser()
	manager.remote = "198.51.100.20:1"
	manager.get("/vouch").want(t, 200, "Is it really them?")
	manager.post("/vouch", "token", w.attest, "number", "0000", "how", "video", "is", "yes").want(t, 422, "Is it really them?")
	manager.post("/vouch", "token", w.token, "number", number, "how", "video", "is", "yes").want(t, 422, "Is it really them?")
	manager.post("/vouch", "token", w.attest, "number", number, "how", "call_back", "is", "yes").want(t, 200, "Thank you")
	calls := w.pass.updates()
	if r := calls[len(calls)-1].Request.(workflows.AttestRequest); r.How != "call_back" || !r.Vouches {
		t.Errorf("told %+v", r)
	}
	b.follow(b.get("/p/next")).want(t, 200, "You are about to see your pass")
}

func TestManagerSaysNo(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofManager))
	b := w.browser()
	b.enter()
	a := w.browser().post("/vouch", "token", w.attest, "number", "4711", "how", "video", "is", "no")
	a.want(t, 200, "Thank you")
	if !strings.Contains(a.body, "it is not them") {
		t.Error("thanks for the wrong word")
	}
	calls := w.pass.updates()
	if r := calls[len(calls)-1].Request.(workflows.AttestRequest); r.How != "video" || r.Vouches {
		t.Errorf("told %+v", r)
	}
	b.get("/p/next").want(t, 200, "Your manager could not confirm that it is you")
}

func TestNotMe(t *testing.T) {
	w := newWorld(t)
	visitor := w.browser()
	visitor.reveal()
	b := w.browser()
	b.remote = "198.51.100.21:1"
	b.get("/not-me").want(t, 200, "Tell us that it was not you")
	wrong := b.post("/not-me", "token", w.notMe, "last", "0000")
	wrong.want(t, 422, "Tell us that it was not you")
	if unknown := b.post("/not-me", "token", strings.Repeat("A", 22), "last", "4f7a"); unknown.body != wrong.body {
		t.Error("a wrong link is told from wrong characters")
	}
	b.post("/not-me", "token", w.token, "last", "4f7a").want(t, 422, "Tell us that it was not you")
	b.post("/not-me", "token", w.notMe, "last", "f7a").want(t, 422, "Tell us that it was not you")
	a := b.post("/not-me", "token", w.notMe, "last", " 4F7A ")
	a.want(t, 200, "The pass is stopped")
	visitor.get("/p/pass").want(t, 404, "There is nothing to see here")
	b.post("/not-me", "token", w.notMe, "last", "1111").want(t, 422, "Tell us that it was not you")
	b.post("/not-me", "token", w.notMe, "last", "4f7a").want(t, 429, "Too many wrong entries")
}

func TestEID(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofOIDC))
	b := w.browser()
	b.enter().want(t, 200, "Confirm who you are")
	b.get("/p/eid/return?code=c&state=s-1").want(t, 404, "There is nothing to see here") // nothing was begun
	a := b.post("/p/eid")
	a.want(t, 200, "We are taking you to the sign-in")
	if a.Header.Get("Refresh") != "0; url=https://eid.example.org/authorize?state=s-1&nonce=n" || !strings.Contains(a.body, `href="https://eid.example.org/authorize?state=s-1&amp;nonce=n"`) {
		t.Errorf("leads to %q", a.Header.Get("Refresh"))
	}
	calls := len(w.pass.updates())
	b.head.Set("Sec-Fetch-Site", "cross-site") // the provider's redirect
	back := b.get(`/p/eid/return?code=c%22%3E&state=s-1&error_description=ring+555&iss=https%3A%2F%2Feid.example.org`)
	back.want(t, 200, "You are back from the sign-in")
	if strings.Contains(back.body, "555") || !strings.Contains(back.body, `name="code" value="c&#34;&gt;"`) || len(w.pass.updates()) != calls {
		t.Error("the provider's words are on the page, or a GET did something")
	}
	b.head.Set("Sec-Fetch-Site", "same-origin")
	b.follow(b.post("/p/eid/finish", "code", "c", "state", "s-1")).want(t, 200, "You are about to see your pass")
	all := w.pass.updates()
	r := all[len(all)-1].Request.(workflows.ProveRequest)
	if !r.Passed || r.Evidence != w.book.HashEvidence("eid", "person-1")+" acr=urn:example:high" || b.visit().Flow != nil {
		t.Errorf("told %+v", r)
	}
}

func TestEIDThatFails(t *testing.T) {
	for _, tc := range []struct {
		name   string
		finish func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error)
		status int
		says   string
		told   int
	}{
		{"somebody else", func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error) {
			return identity.Result{Reason: identity.ReasonMismatch}, nil
		}, 422, "does not match", 1},
		{"declined", func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error) {
			return identity.Result{Reason: identity.ReasonDeclined}, nil
		}, 422, "You left the sign-in", 0},
		{"refused", func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error) {
			return identity.Result{}, identity.ErrRefused
		}, 422, "did not come through", 0},
		{"away", func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error) {
			return identity.Result{}, identity.ErrUnavailable
		}, 503, "does not answer at the moment", 0},
		{"HR lacks it", func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error) {
			return identity.Result{Reason: identity.ReasonNotReady}, nil
		}, 200, "Something is missing on our side", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, proofs(jml.ProofOIDC))
			w.identity.finish = tc.finish
			b := w.browser()
			b.enter()
			b.post("/p/eid")
			calls := len(w.pass.updates())
			a := b.post("/p/eid/finish", "code", "c", "state", "s-1")
			if a.StatusCode != tc.status || !strings.Contains(a.body, tc.says) || len(w.pass.updates())-calls != tc.told {
				t.Errorf("%d %q, %d updates", a.StatusCode, a.h1(), len(w.pass.updates())-calls)
			}
			if b.visit().Flow != nil {
				t.Error("the answer can be played again")
			}
		})
	}
}

func TestEIDThatLeadsAstray(t *testing.T) {
	for _, target := range []string{"javascript:alert(1)", "//eid.example.org/x", "", "https://", "data:text/html,x"} {
		w := newWorld(t, proofs(jml.ProofOIDC))
		w.identity.begin = func(name, _ string) (string, identity.Flow, error) {
			return target, identity.Flow{Proof: name}, nil
		}
		b := w.browser()
		b.enter()
		if a := b.post("/p/eid"); a.StatusCode != 503 || a.Header.Get("Refresh") != "" {
			t.Errorf("%q: %d", target, a.StatusCode)
		}
	}
}

// One proof after the other, each with facts of its own in the cookie.
func TestProofsInARow(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofDesk, jml.ProofOIDC, jml.ProofFact))
	b := w.browser()
	b.enter().want(t, 200, "Show an identity document")
	if b.visit().Employee != nil {
		t.Error("facts in the browser before they are needed")
	}
	b.follow(b.post("/p/desk", "desk", "987654"))
	b.post("/p/eid")
	b.follow(b.post("/p/eid/finish", "code", "c", "state", "s-1")).want(t, 200, "Confirm who you are")
	b.follow(b.post("/p/fact", "day", "27", "month", "3", "year", "2001", "employee_id", "E-1042")).want(t, 200, "You are about to see your pass")
}

// A wrong fact that is sent twice by one press counts once, and another counts
// anew.
func TestOnePressIsOneProof(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofFact))
	b := w.browser()
	b.enter()
	try := tryField.FindString(b.get("/p/next").body)[len(`<input type="hidden" name="try" value="`):][:32]
	form := []string{"day", "1", "month", "1", "year", "2001", "employee_id", "E-9", "try"}
	b.post("/p/fact", append(form, try)...)
	b.post("/p/fact", append(form, try)...)
	calls := w.pass.updates()
	if len(calls) != 3 || calls[1].ID != calls[2].ID || !strings.Contains(calls[1].ID, try) {
		t.Errorf("%+v", calls)
	}
	w.pass.bad = 0
	if again := b.post("/p/fact", append(form, random())...); !tryField.MatchString(again.body) || strings.Contains(again.body, try) {
		t.Error("the form shown again would not be a new try")
	}
	if calls = w.pass.updates(); calls[2].ID == calls[3].ID {
		t.Error("two tries have one name")
	}
}
