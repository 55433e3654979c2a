package pickup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/workflows"
)

// failures are all the ways in which link and code may not open a visit.
func failures() map[string]func(*world) (token, reference, code string) {
	return map[string]func(w *world) (token, reference, code string){
		"wrong code":        func(w *world) (string, string, string) { return w.token, "", "000000" },
		"unknown token":     func(w *world) (string, string, string) { return strings.Repeat("A", 22), "", w.code },
		"absurd token":      func(w *world) (string, string, string) { return "<script>", "", w.code },
		"link of a manager": func(w *world) (string, string, string) { return w.attest, "", w.code },
		"link of not me":    func(w *world) (string, string, string) { return w.notMe, "", w.code },
		"wrong code, typed": func(w *world) (string, string, string) { return "", w.reference, "000000" },
		"unknown reference": func(w *world) (string, string, string) { return "", "0000-0000-0000", w.code },
		"used up":           func(w *world) (string, string, string) { w.pass.ended = true; return w.token, "", w.code },
		"locked":            func(w *world) (string, string, string) { w.pass.wrong = 5; return w.token, "", w.code },
		"lapsed": func(w *world) (string, string, string) {
			clear(w.store.links)
			return w.token, "", w.code
		},
		"refused": func(w *world) (string, string, string) {
			w.pass.update = func(context.Context, call) (any, error) { return nil, ErrNothing }
			return w.token, "", w.code
		},
		"slow": func(w *world) (string, string, string) {
			w.pass.update = func(context.Context, call) (any, error) {
				time.Sleep(700 * time.Millisecond) // the bubble's clock
				return workflows.VisitView{}, nil
			}
			return w.token, "", w.code
		},
	}
}

// Whatever is wrong, the answer is the same: status, headers, bytes, instant.
func TestFailuresAreAlike(t *testing.T) {
	type seen struct {
		Status int
		Header http.Header
		Body   string
		After  time.Duration
	}
	var first *seen
	for name, set := range failures() {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.cfg.Floor = time.Second })
			token, reference, code := set(w)
			before := time.Now()
			a := w.browser().post("/p", "token", token, "reference", reference, "code", code)
			got := seen{a.StatusCode, a.Header, a.body, time.Since(before)}
			if got.Status != http.StatusUnprocessableEntity || got.After != time.Second || len(a.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s: status %d after %v, cookies %d", name, got.Status, got.After, len(a.Header.Values("Set-Cookie")))
			}
			if !strings.Contains(a.body, "<title>Error: ") {
				t.Errorf("%s: the title does not say that something is wrong", name)
			}
			if first == nil {
				first = &got
			} else if d := cmp.Diff(*first, got); d != "" {
				t.Errorf("%s is told from the others:\n%s", name, d)
			}
			if calls := w.pass.updates(); name != "lapsed" && len(calls) != 1 {
				t.Errorf("%s: %d updates, want the same one for all", name, len(calls))
			}
		})
	}
}

// What takes longer than the floor is answered at the next multiple of it.
func TestFailuresAfterTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) { w.cfg.Floor = time.Second })
		w.pass.update = func(context.Context, call) (any, error) { time.Sleep(1300 * time.Millisecond); return nil, ErrNothing }
		before := time.Now()
		w.browser().post("/p", "token", w.token, "code", w.code)
		if d := time.Since(before); d != 2*time.Second {
			t.Errorf("answered after %v", d)
		}
	})
}

// If Temporal or the ledger is away, that is said of known and unknown alike.
func TestAwayIsAlike(t *testing.T) {
	var bodies []string
	for _, token := range []string{"", strings.Repeat("A", 22)} {
		for _, what := range []string{"temporal", "ledger"} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(w *world) { w.cfg.Floor = time.Second })
				if token == "" {
					token = w.token
				}
				if what == "temporal" {
					w.pass.update = func(context.Context, call) (any, error) { return nil, errors.New("connection refused") }
				} else {
					w.store.fail = errors.New("disk full")
				}
				before := time.Now()
				a := w.browser().post("/p", "token", token, "code", w.code)
				a.want(t, 503, "This does not work at the moment")
				if d := time.Since(before); d != time.Second || len(a.Cookies()) > 0 {
					t.Errorf("%s: after %v, %d cookies", what, d, len(a.Cookies()))
				}
				bodies = append(bodies, a.body)
			})
		}
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Error("known and unknown are told from each other")
		}
	}
}

// A form that is not filled in is not a try: it says what is missing, and asks
// nobody.
func TestUnfilledFormsAskNobody(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, tc := range []struct {
		path string
		form []string
		want []string
	}{
		{"/p", nil, []string{"Enter your reference", "Enter your code"}},
		{"/p", []string{"token", w.token}, []string{"Enter your code"}},
		{"/p", []string{"token", w.token, "code", "12345"}, []string{"Enter the code as 6 digits"}},
		{"/p", []string{"token", w.token, "code", "12345a"}, []string{"Enter the code as 6 digits"}},
		{"/p", []string{"reference", "0000-0000-0001", "code", w.code}, []string{"Look at the reference once more"}},
		{"/p/again", []string{"token", w.token}, []string{"Enter your code"}},
		{"/not-me", []string{"token", w.notMe}, []string{"Enter the last 4 characters"}},
		{"/vouch", []string{"token", w.attest}, []string{"Enter the number they read", "Choose how you are in touch", "Choose whether"}},
		{"/vouch", []string{"token", w.attest, "how", "video", "is", "no"}, []string{"Enter the number they read"}},
		{"/vouch", []string{"token", w.attest, "how", "telepathy", "is", "maybe", "number", "4711"}, []string{"Choose how you are in touch", "Choose whether"}},
	} {
		a := b.post(tc.path, tc.form...)
		if a.StatusCode != 422 {
			t.Errorf("%s %v: %d", tc.path, tc.form, a.StatusCode)
		}
		for _, want := range tc.want {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s %v: does not say %q", tc.path, tc.form, want)
			}
		}
		if strings.Contains(a.body, w.code) || strings.Contains(a.body, w.token) {
			t.Errorf("%s %v: what was typed comes back", tc.path, tc.form)
		}
	}
	if calls := w.pass.updates(); len(calls) > 0 {
		t.Errorf("%d updates, the first %s", len(calls), calls[0].Update)
	}
}

func paths() []string {
	return []string{"/", "/p", "/p/again", "/p/next", "/p/state", "/p/fact", "/p/desk", "/p/eid", "/p/eid/return", "/p/eid/finish",
		"/p/reveal", "/p/pass", "/p/close", "/p/closed", "/not-me", "/vouch", "/livez", "/readyz", "/nowhere", "/favicon.ico"}
}

// A scanner that opens every link, with the token wherever it may end up, and
// submits every form with what it finds in it, changes nothing: neither before
// a visit, nor with the links of manager and repudiation.
func TestScanner(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofManager))
	tokens := []string{w.token, w.attest, w.notMe}
	b, n := w.browser(), 0
	for _, path := range paths() {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST"} {
			for _, token := range tokens {
				for _, form := range []url.Values{
					nil, {"token": {token}}, {"token": {token}, "code": {""}, "last": {""}, "number": {""}, "how": {"video"}, "is": {"no"}},
					{"token": {token}, "code": {"test"}, "last": {"test"}, "number": {"test"}, "how": {"in_person"}, "is": {"yes"}},
					{"token": {token}, "code": {token}, "last": {token}, "number": {token}, "how": {"video"}, "is": {"no"}, "reference": {token}},
				} {
					b.remote = fmt.Sprintf("192.0.2.%d:1", n%250) // not stopped by the limit
					n++
					b.do(method, path+"?token="+token+"&code=", form)
				}
			}
		}
	}
	if len(b.cookie) > 0 {
		t.Error("the scanner got a visit")
	}
	for _, c := range w.pass.updates() {
		t.Errorf("the scanner called %s", c.Update)
	}
}

// The same, with a scanner that makes up codes of the right form: it may use up
// the tries of a link, but gets nothing, repudiates nothing and vouches for
// nobody.
func TestScannerThatGuesses(t *testing.T) {
	w := newWorld(t)
	b, n := w.browser(), 0
	for _, path := range []string{"/p", "/not-me", "/vouch"} {
		for _, token := range []string{w.token, w.attest, w.notMe} {
			for i, how := range workflows.AttestWays() {
				b.remote = fmt.Sprintf("192.0.2.%d:1", n) // not stopped by the limit
				n++
				b.post(path, "token", token, "code", "123456", "last", "1234", "number", "1234", "how", how, "is", []string{"yes", "no"}[i%2])
			}
		}
	}
	if len(b.cookie) > 0 || w.pass.ended || w.pass.refused || w.pass.proven > 0 {
		t.Error("a guess had an effect")
	}
	for _, c := range w.pass.updates() {
		if c.Update == workflows.UpdateRepudiate {
			t.Error("repudiated without the reference")
		}
	}
}

// GET and HEAD are the same for everybody, with a visit in the browser too.
func TestReadingChangesNothing(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter()
	calls, cookie := len(w.pass.updates()), b.cookie["__Host-firstpass-visit"]
	for _, path := range paths() {
		for _, method := range []string{"GET", "HEAD"} {
			a := b.do(method, path, nil)
			if len(a.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s %s sets a cookie", method, path)
			}
		}
	}
	if len(w.pass.updates()) != calls || b.cookie["__Host-firstpass-visit"] != cookie {
		t.Error("reading changed something")
	}
	for _, path := range []string{"/p", "/p/again", "/not-me", "/vouch"} {
		if d := cmp.Diff(b.get(path).body, w.browser().get(path).body); d != "" {
			t.Errorf("%s is not the same for everybody:\n%s", path, d)
		}
	}
}

func TestForeignPagesMayNotPost(t *testing.T) {
	for _, tc := range []struct {
		name string
		head http.Header
		ok   bool
	}{
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"another host of the domain", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://evil.example.com"}}, false},
		{"old browser, another site", http.Header{"Origin": {"https://evil.example.org"}}, false},
		{"old browser, sandboxed frame", http.Header{"Origin": {"null"}}, false},
		{"old browser, ours", http.Header{"Origin": {"https://start.example.com"}}, true},
		{"ours", http.Header{"Sec-Fetch-Site": {"same-origin"}}, true},
		{"no browser", http.Header{}, true},
	} {
		for _, path := range []string{"/p", "/p/again", "/p/reveal", "/p/close", "/not-me", "/vouch"} {
			w := newWorld(t)
			b := w.browser()
			b.enter()
			calls := len(w.pass.updates())
			b.head = tc.head
			a := b.post(path, "token", w.token, "code", w.code, "last", "4f7a", "number", "4711", "how", "video", "is", "yes")
			if refused := a.StatusCode == http.StatusForbidden; refused == tc.ok {
				t.Errorf("%s, %s: %d", tc.name, path, a.StatusCode)
			}
			if !tc.ok && (len(w.pass.updates()) != calls || len(b.cookie) != 1) {
				t.Errorf("%s, %s: had an effect", tc.name, path)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enter()
	answers := map[string]answer{"403": func() answer {
		c := w.browser()
		c.head = http.Header{"Sec-Fetch-Site": {"cross-site"}}
		return c.post("/p")
	}()}
	for _, path := range append(paths(), "/assets/p.js", "/assets/p.css", "/assets/brand.css") {
		answers["GET "+path] = b.get(path)
		answers["POST "+path] = b.post(path)
	}
	for name, a := range answers {
		for key, want := range map[string]string{
			"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"X-Robots-Tag": "noindex, nofollow, noarchive", "Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.Header.Get(key); got != want {
				t.Errorf("%s: %s is %q", name, key, got)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", name, csp)
		}
		if html := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html"); html && (a.Header.Get("Cache-Control") != "no-store" || csp != policy) {
			t.Errorf("%s: a page may be kept, or its policy is another", name)
		}
		// Nothing inline, nothing of anybody else's.
		for _, bad := range []string{"<style", "style=\"", "<script>", "onclick", "javascript:", "http://"} {
			if strings.Contains(a.body, bad) && strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
				t.Errorf("%s holds %s", name, bad)
			}
		}
	}
}

func TestCookie(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofFact))
	b := w.browser()
	raw := b.post("/p", "token", w.token, "code", w.code).Header.Get("Set-Cookie")
	name, rest, _ := strings.Cut(raw, "=")
	value, flags, _ := strings.Cut(rest, ";")
	if name != "__Host-firstpass-visit" || flags != " Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("%s: %q", name, flags)
	}
	if len(value) > maxCookie || strings.Contains(value, "Kari") {
		t.Errorf("%d bytes, or in clear", len(value))
	}
	v := b.visit()
	if v.Employee == nil || v.Employee.EmployeeID != "E-1042" {
		t.Error("nothing to compare a fact with")
	}
	b.post("/p/fact", "day", "27", "month", "3", "year", "2001", "employee_id", "E-1042")
	if b.visit().Employee != nil {
		t.Error("facts stay in the browser after the proof")
	}
}

func TestCookieOnLoopback(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.URL = "http://127.0.0.1:8090" })
	b := w.browser()
	raw := b.post("/p", "token", w.token, "code", w.code).Header.Get("Set-Cookie")
	if !strings.HasPrefix(raw, "firstpass-visit=") || strings.Contains(raw, "Secure") {
		t.Errorf("%q", raw[:40])
	}
	if b.get("/p").Header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS over http")
	}
}

func TestCookiesThatAreNoVisit(t *testing.T) {
	const name = "__Host-firstpass-visit"
	w := newWorld(t)
	victim := w.browser()
	victim.reveal()
	good := victim.cookie[name]
	other := newWorld(t).browser() // another keyring
	other.enter()
	stranger := w.browser() // a visit of his own, by link and code
	stranger.enter()
	mixed := victim.visit()
	mixed.Key = stranger.visit().Key
	sealed, err := (&handler{cfg: w.cfg}).sealVisit(mixed)
	if err != nil {
		t.Fatal(err)
	}
	for what, value := range map[string]string{
		"none": "", "junk": "junk", "cut": good[:len(good)-4], "bent": good[:20] + "A" + good[21:],
		"other keyring": other.cookie[name], "other visit": stranger.cookie[name], "other label": "", "other key": sealed,
	} {
		if what == "other label" {
			value = "AAAA"
		}
		b := w.browser()
		b.cookie[name] = value
		if a := b.get("/p/pass"); strings.Contains(plainText(a.body), canary) || a.StatusCode == 200 && what != "other visit" {
			t.Errorf("%s: %d", what, a.StatusCode)
		}
	}
	r := httptest.NewRequest("GET", "/p/pass", nil)
	r.Header.Set("Cookie", name+"="+good+"; "+name+"="+good)
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	if rec.Code != 404 {
		t.Errorf("two cookies of one name: %d", rec.Code)
	}
}

// A visit that was planted has no part in the one that link and code open.
func TestFixation(t *testing.T) {
	w := newWorld(t)
	attacker := w.browser()
	attacker.enter()
	planted := attacker.visit()
	victim := w.browser()
	victim.cookie = map[string]string{"__Host-firstpass-visit": attacker.cookie["__Host-firstpass-visit"]}
	victim.reveal().want(t, 200, "Your pass")
	if v := victim.visit(); v.ID == planted.ID || string(v.Key) == string(planted.Key) {
		t.Error("the planted visit was taken over")
	}
	if a := attacker.follow(attacker.get("/p/pass")); strings.Contains(plainText(a.body), canary) {
		t.Error("who planted it sees the pass")
	}
}

func TestTwoTabs(t *testing.T) {
	w := newWorld(t)
	b := w.browser() // one browser has one cookie for both
	b.enter()
	b.enter()
	b.follow(b.post("/p/reveal")).want(t, 200, "Your pass") // in the older tab
	b.follow(b.get("/p/next")).want(t, 200, "Your pass")
}

func TestForwardedToASecondDevice(t *testing.T) {
	w := newWorld(t)
	first := w.browser()
	first.reveal()
	second := w.browser()
	for _, path := range []string{"/p/pass", "/p/next"} {
		second.get(path).want(t, 404, "There is nothing to see here")
	}
	second.post("/p/reveal").want(t, 404, "There is nothing to see here")
	if a := second.follow(second.post("/p", "token", w.token, "code", w.code)); strings.Contains(plainText(a.body), canary) {
		t.Error("link and code alone show what the first device was shown")
	}
}

func TestTooManyTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) { w.cfg.TriesPerMinute, w.cfg.Floor = 3, time.Second })
		b := w.browser()
		wrong := func() answer { return b.post("/p", "token", strings.Repeat("A", 22), "code", "123456") }
		var got []int
		for range 5 {
			got = append(got, wrong().StatusCode)
		}
		if d := cmp.Diff([]int{422, 422, 422, 429, 429}, got); d != "" {
			t.Error(d)
		}
		calls := len(w.pass.updates())
		before := time.Now()
		a := b.post("/p", "token", w.token, "code", w.code)
		a.want(t, 429, "Too many wrong entries")
		if time.Since(before) != time.Second || len(w.pass.updates()) != calls {
			t.Error("the right code is tried, or told by its time")
		}
		other := w.browser()
		other.remote = "198.51.100.7:99"
		other.enter()
		time.Sleep(20 * time.Second)
		b.enter()
	})
}

// An office behind one address collects at once; nobody's right code counts.
func TestManyAtOnceFromOneAddress(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.TriesPerMinute = 2 })
	done := make(chan int)
	for range 50 {
		go func() { done <- w.browser().post("/p", "token", w.token, "code", w.code).StatusCode }()
	}
	for range 50 {
		if got := <-done; got != http.StatusSeeOther {
			t.Errorf("status %d", got)
		}
	}
}

// Tries that are sent together can't run past the limit by more than a few.
func TestBurstOfWrongTries(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.TriesPerMinute = 5; w.cfg.Floor = time.Millisecond })
	w.pass.update = func(context.Context, call) (any, error) { time.Sleep(20 * time.Millisecond); return nil, ErrNothing }
	done := make(chan int)
	for range 200 {
		go func() { done <- w.browser().post("/p", "token", w.token, "code", "000000").StatusCode }()
	}
	for range 200 {
		<-done
	}
	if n := len(w.pass.updates()); n > 5+atOnce {
		t.Errorf("%d tries came through", n)
	}
}

// Who hangs up before the answer has had his try, and it counts.
func TestHangingUpIsATry(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.TriesPerMinute = 1 })
	w.pass.update = func(ctx context.Context, _ call) (any, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, ErrNothing
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("POST", "https://start.example.com/p", strings.NewReader("token="+w.token+"&code=000000")).WithContext(ctx)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w.h.ServeHTTP(httptest.NewRecorder(), r)
	b := w.browser()
	b.post("/p", "token", w.token, "code", "000000").want(t, 429, "Too many wrong entries")
	if n := len(w.pass.updates()); n != 1 {
		t.Errorf("%d tries", n)
	}
}

// Not even a workflow that says yes to everything opens a link nobody made.
func TestUnknownLinkOpensNothing(t *testing.T) {
	w := newWorld(t)
	w.pass.update = func(context.Context, call) (any, error) { return workflows.VisitView{Open: true}, nil }
	b := w.browser()
	b.post("/p", "token", strings.Repeat("A", 22), "code", w.code).want(t, 422, "Collect your access pass")
	if len(b.cookie) > 0 {
		t.Error("a visit")
	}
}

func TestClientAddress(t *testing.T) {
	for _, tc := range []struct {
		remote, header string
		values         []string
		want           string
	}{
		{"192.0.2.1:5", "", nil, "192.0.2.1"},
		{"192.0.2.1:5", "", []string{"203.0.113.9"}, "192.0.2.1"},
		{"192.0.2.1:5", "X-Forwarded-For", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"192.0.2.1:5", "X-Forwarded-For", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"192.0.2.1:5", "X-Forwarded-For", []string{"203.0.113.9:123"}, "203.0.113.9"},
		{"192.0.2.1:5", "X-Forwarded-For", []string{"nonsense"}, "192.0.2.1"},
		{"192.0.2.1:5", "X-Forwarded-For", nil, "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:5", "", nil, "2001:db8:1:2::/64"},
		{"192.0.2.1:5", "X-Forwarded-For", []string{"2001:db8:1:2:ffff::1"}, "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:5", "", nil, "fe80::/64"},
		{"[::ffff:192.0.2.1]:5", "", nil, "192.0.2.1"},
		{"@", "", nil, "unknown"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tc.remote
		if tc.values != nil {
			r.Header["X-Forwarded-For"] = tc.values
		}
		if got := clientAddress(r, tc.header); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

// Names are text, wherever they are from.
func TestHTMLInNames(t *testing.T) {
	const evil = `"><script src=//evil.example.org></script><b>x`
	w := newWorld(t, func(w *world) {
		w.cfg.Organisation.Name, w.cfg.Organisation.Help = evil, evil
		w.pass.update = func(ctx context.Context, c call) (any, error) {
			out, err := w.pass.serve(ctx, c)
			return out, err
		}
	})
	b := w.browser()
	b.reveal()
	w.pass.mu.Lock()
	for _, r := range w.pass.shown {
		r.SignInName, r.Ref = evil, evil
	}
	w.pass.mu.Unlock()
	for _, a := range []answer{b.get("/p/pass"), b.get("/p"), b.post("/p", "reference", evil, "code", "1"), b.get("/p?lang=" + url.QueryEscape(evil)), b.get("/" + url.PathEscape(evil))} {
		if strings.Contains(a.body, "<script src=//evil") || strings.Contains(a.body, "<b>x") {
			t.Errorf("%d: markup of a name is in the page", a.StatusCode)
		}
	}
}

func TestNothingLeadsElsewhere(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{"lang=//evil.example.org", "next=https://evil.example.org", "lang=de%0d%0aSet-Cookie:x=y", "lang=https://evil.example.org", "return=//evil.example.org"} {
		b := w.browser()
		a := b.post("/p?"+query, "token", w.token, "code", w.code)
		if got := a.Header.Get("Location"); got != "/p/next#top" {
			t.Errorf("%s: %q", query, got)
		}
		if a := b.get("/p/closed?" + query); strings.Contains(a.body, "evil.example.org") {
			t.Errorf("%s is on the page", query)
		}
	}
	b := w.browser()
	if got := b.post("/p?lang=de", "token", w.token, "code", w.code).Header.Get("Location"); got != "/p/next?lang=de#top" {
		t.Errorf("language is lost: %q", got)
	}
	b.get("/p/next?lang=de").want(t, 200, "Gleich sehen Sie Ihren Zugriffspass")
}

func TestBodyIsBounded(t *testing.T) {
	w := newWorld(t)
	w.browser().post("/p", "token", w.token, "code", w.code, "more", strings.Repeat("x", maxBody)).want(t, 400, "We could not read that")
	if len(w.pass.updates()) > 0 {
		t.Error("it was read all the same")
	}
}

func TestProviderDoesNotReachTheLog(t *testing.T) {
	w := newWorld(t, proofs(jml.ProofOIDC))
	w.identity.finish = func(identity.Flow, url.Values, jml.Snapshot) (identity.Result, error) {
		return identity.Result{Passed: false, Reason: identity.ReasonMismatch, Identifier: "27039912345"}, nil
	}
	b := w.browser()
	b.enter()
	b.post("/p/eid")
	b.get("/p/eid/return?code=c0de-secret&state=s-1")
	b.post("/p/eid/finish", "code", "c0de-secret", "state", "s-1")
	for _, bad := range []string{"c0de-secret", "27039912345", "s-1", "Kari", "2001-03-27"} {
		if strings.Contains(w.logs.String(), bad) {
			t.Errorf("the log holds %s", bad)
		}
	}
}

// Whatever is posted, pages answer and nothing but right words has an effect.
func FuzzForms(f *testing.F) {
	w := newWorld(f, func(w *world) { w.cfg.Floor = time.Microsecond; w.cfg.TriesPerMinute = 1 << 20 }, proofs(jml.ProofFact))
	f.Add("/p", "token=x&code=123456", "lang=de")
	f.Add("/p/fact", "day=1&month=2&year=2000&employee_id=%00", "")
	f.Add("/vouch", "how=video&is=no&number=1234&reference=0000-0000-0000", "lang=%ff")
	f.Add("/p/eid/finish", "code=%zz", "x;y")
	f.Fuzz(func(t *testing.T, path, form, query string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#%\x00\r\n\t") {
			path = "/p"
		}
		u := &url.URL{Scheme: "https", Host: "start.example.com", Path: path, RawQuery: strings.Map(func(r rune) rune {
			if r < '!' || r > '~' || r == '#' {
				return -1
			}
			return r
		}, query)}
		here := *w
		here.t = t
		b := here.browser()
		b.enter()
		calls := len(w.pass.updates())
		r, err := http.NewRequest("POST", u.String(), strings.NewReader(form))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = "192.0.2.9:1"
		for k, v := range b.cookie {
			r.AddCookie(&http.Cookie{Name: k, Value: v})
		}
		rec := httptest.NewRecorder()
		w.h.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("%d", rec.Code)
		}
		if strings.Contains(rec.Body.String(), canary) {
			t.Error("the pass")
		}
		for _, c := range w.pass.updates()[calls:] {
			switch c.Update {
			case workflows.UpdateRepudiate:
				t.Error("repudiated")
			case workflows.UpdateProve:
				if c.Request.(workflows.ProveRequest).Passed {
					t.Error("proved")
				}
			}
		}
		w.pass.mu.Lock()
		w.pass.calls, w.pass.bad, w.pass.wrong = nil, 0, 0
		w.pass.mu.Unlock()
	})
}
