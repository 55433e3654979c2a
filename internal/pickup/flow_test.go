package pickup

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/jml"
)

func TestLinkAndCodeShowThePass(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter().want(t, 200, "You are about to see your pass")
	a := b.follow(b.post("/p/reveal", "try", random()))
	a.want(t, 200, "Your pass")
	if !strings.Contains(plainText(a.body), canary) {
		t.Error("the passcode, as the clipboard gets it, is not on the page")
	}
	for _, want := range []string{"kari.lund@example.com", "Monday 3 March 2031, 13:01 CET", "Monday 3 March 2031, 20:59 CET",
		"a passkey or the Microsoft Authenticator app", "<svg class=\"qr\"", "Enter Temporary Access Pass", "as often as you need"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for name, a := range map[string]answer{"reload": b.get("/p/pass"), "back": b.follow(b.get("/p/next")), "second press": b.follow(b.post("/p/reveal"))} {
		if a.want(t, 200, "Your pass"); !strings.Contains(plainText(a.body), canary) {
			t.Errorf("%s: the passcode is not there", name)
		}
	}
	if logs := w.logs.String(); strings.Contains(logs, canary) || strings.Contains(logs, w.token) || strings.Contains(logs, w.code) ||
		strings.Contains(logs, "kari") || !strings.Contains(logs, "ref="+journey) {
		t.Errorf("the log holds what it may not, or lacks the reference:\n%s", logs)
	}
}

func TestReferenceIsAsGood(t *testing.T) {
	for _, typed := range []string{"", "lower", "blanks"} {
		w := newWorld(t)
		reference := w.reference
		switch typed {
		case "lower":
			reference = strings.ToLower(reference)
		case "blanks":
			reference = " " + strings.ReplaceAll(reference, "-", " ") + " "
		}
		b := w.browser()
		code := w.code[:3] + " " + w.code[3:]
		b.follow(b.post("/p", "token", "", "reference", reference, "code", code)).want(t, 200, "You are about to see your pass")
	}
}

func TestWindow(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.reveal()
	w.clock = w.clock.Add(15*time.Minute - time.Second)
	b.get("/p/pass").want(t, 200, "Your pass")
	w.clock = w.clock.Add(time.Second)
	b.get("/p/pass").want(t, 404, "There is nothing to see here")
}

// A pass that is collected at the end of a visit is shown for its whole window.
func TestRevealProlongsTheVisit(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter()
	w.clock = w.clock.Add(visitLife - time.Minute)
	b.follow(b.post("/p/reveal")).want(t, 200, "Your pass")
	w.clock = w.clock.Add(10 * time.Minute)
	b.get("/p/pass").want(t, 200, "Your pass")
}

func TestVisitDies(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter()
	w.clock = w.clock.Add(visitLife)
	b.get("/p/next").want(t, 404, "There is nothing to see here")
	b.post("/p/reveal").want(t, 404, "There is nothing to see here")
	for _, c := range w.pass.updates()[1:] {
		t.Errorf("a dead visit called %s", c.Update)
	}
}

func TestWhenItWorks(t *testing.T) {
	at := func(h, m, s int) time.Time { return time.Date(2031, 3, 3, h, m, s, 0, time.UTC) }
	for _, tc := range []struct {
		name           string
		start, created time.Time
		want           time.Time
	}{
		{"started long ago", at(9, 0, 0), at(12, 0, 5), at(12, 1, 0)},
		{"within the warm-up of a minute's end", at(9, 0, 0), at(12, 0, 55), at(12, 2, 0)},
		{"exactly", at(9, 0, 0), at(12, 0, 50), at(12, 1, 0)},
		{"ahead", at(14, 0, 0), at(12, 0, 5), at(14, 0, 0)},
		{"ahead, with seconds", at(14, 0, 1), at(12, 0, 5), at(14, 1, 0)},
	} {
		if got := worksFrom(jml.Pass{StartAt: tc.start, CreatedAt: tc.created}); !got.Equal(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestCloseForgets(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.reveal()
	b.follow(b.post("/p/close")).want(t, 200, "Closed")
	if len(b.cookie) != 0 {
		t.Error("the cookie is still there")
	}
	b.get("/p/pass").want(t, 404, "There is nothing to see here")
}

func TestStates(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*fakePass)
		path   string
		status int
		h1     string
		state  string
	}{
		{"ready", func(*fakePass) {}, "/p/next", 200, "You are about to see your pass", "ready"},
		{"ahead", func(f *fakePass) { f.start = noon().Add(48 * time.Hour) }, "/p/next", 200, "You are about to see your pass", "ready"},
		{"minting", func(f *fakePass) { f.minting = true }, "/p/next", 200, "Your pass is being made", "minting"},
		{"blocked", func(f *fakePass) { f.block = jml.Blocked(jml.ReasonGraphUnavailable, "") }, "/p/pass", 200, "Your pass can&#39;t be made now", "blocked"},
		{"final", func(f *fakePass) { f.block, f.final = jml.Blocked(jml.ReasonUserPrivileged, ""), true }, "/p/next", 200, "Your pass can&#39;t be made now", "blocked"},
		{"ended", func(f *fakePass) { f.ended = true }, "/p/next", 404, "There is nothing to see here", "nothing"},
		{"asking", func(f *fakePass) { f.proofs = []jml.Proof{{Name: "m", Kind: jml.ProofManager}} }, "/p/next", 200, "Your manager has to confirm that it is you", "asking"},
		{"asked", func(f *fakePass) {
			f.proofs, f.asks = []jml.Proof{{Name: "m", Kind: jml.ProofManager}}, noon()
		}, "/p/next", 200, "Your manager has to confirm that it is you", "asked"},
		{"refused", func(f *fakePass) {
			f.proofs, f.refused = []jml.Proof{{Name: "m", Kind: jml.ProofManager}}, true
		}, "/p/next", 200, "Your manager could not confirm that it is you", "refused"},
		{"unknown proof", func(f *fakePass) { f.proofs = []jml.Proof{{Name: "m", Kind: "newer"}} }, "/p/next", 200, "We can&#39;t check who you are here", "asking"},
		{"pass too early", func(*fakePass) {}, "/p/pass", 200, "You are about to see your pass", "ready"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			b.enter()
			tc.change(w.pass)
			a := b.follow(b.get(tc.path))
			a.want(t, tc.status, tc.h1)
			if got := strings.TrimSpace(b.get("/p/state").body); got != tc.state {
				t.Errorf("state %q, want %q", got, tc.state)
			}
			switch tc.name {
			case "ahead":
				if !strings.Contains(a.body, "Wednesday 5 March 2031, 13:00 CET") {
					t.Error("it does not say from when the pass will work")
				}
			case "blocked", "final":
				if !strings.Contains(a.body, journey) || strings.Contains(a.body, "<form") == w.pass.final {
					t.Error("no reference, or a button that is no use, or none that would be")
				}
			}
		})
	}
}

func TestRevealThatTakesLong(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter()
	w.pass.minting = true
	b.follow(b.post("/p/reveal")).want(t, 200, "Your pass is being made")
	w.pass.minting = false
	b.follow(b.post("/p/reveal")).want(t, 200, "Your pass")
}

// A button pressed twice asks once, a form shown anew asks anew.
func TestOneTryIsOneUpdate(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter()
	try := random()
	for range 2 {
		b.post("/p/reveal", "try", try)
	}
	b.post("/p/reveal", "try", random())
	b.post("/p/reveal", "try", strings.Repeat("x", 500))
	var ids []string
	for _, c := range w.pass.updates()[1:] {
		ids = append(ids, c.ID)
		if len(c.ID) > 100 {
			t.Errorf("an update id of %d bytes", len(c.ID))
		}
	}
	if ids[0] != ids[1] || ids[1] == ids[2] || ids[2] == ids[3] {
		t.Errorf("update ids: %q", ids)
	}
}

func TestAgain(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	right := b.post("/p/again", "token", w.token, "code", w.code)
	right.want(t, http.StatusOK, "We have your request")
	wrong := b.post("/p/again", "token", w.token, "code", "000000")
	unknown := b.post("/p/again", "token", strings.Repeat("A", 22), "code", w.code)
	if right.body != wrong.body || right.body != unknown.body {
		t.Error("the answers differ")
	}
	calls := w.pass.updates()
	if len(calls) != 3 || calls[0].Workflow != workflow || calls[2].Workflow == workflow {
		t.Errorf("calls: %+v", calls)
	}
}
