package access_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/ops/access"
)

func newLog(to *logs) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	a := b.get("/journeys/joiner/hr/abc?zone=UTC")
	if a.status != 303 || a.location() != "/sign-in?to=%2Fjourneys%2Fjoiner%2Fhr%2Fabc%3Fzone%3DUTC" {
		t.Fatalf("%d %q", a.status, a.location())
	}
	at, err := url.Parse(b.get(a.location()).location())
	w.must(err)
	q := at.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("response_type") != "code" ||
		q.Get("redirect_uri") != w.server.URL+"/sign-in/callback" || q.Get("scope") != "openid profile offline_access" {
		t.Errorf("%s", at)
	}
	back := b.pick(at, "noor@example.com")
	a = b.get(back)
	if a.status != 303 || a.location() != "/journeys/joiner/hr/abc?zone=UTC" {
		t.Fatalf("%d %q %s", a.status, a.location(), a.text)
	}
	set := ""
	for _, c := range a.header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-firstpass=") {
			_, set, _ = strings.Cut(c, "; ")
		}
	}
	if set != "Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("the cookie is set with %q", set)
	}
	who := b.who()
	if d := cmp.Diff(map[string]any{"path": "/", "known": true, "name": "noor@example.com", "subject": w.tenant.Operators()[0].ID, "roles": []any{"viewer", "operator"}, "machine": false}, who); d != "" {
		t.Error(d)
	}
	u, err := url.Parse(w.server.URL)
	w.must(err)
	if left := b.jar.Cookies(u); len(left) != 1 {
		t.Errorf("%d cookies are left", len(left))
	}
	got := w.ledger.take()
	if len(got) != 1 || got[0].Event != access.EventSignedIn || got[0].Actor != "noor@example.com" || got[0].UserID != w.tenant.Operators()[0].ID || got[0].Detail != "viewer operator" || got[0].Time.IsZero() {
		t.Errorf("%+v", got)
	}
	for what, secret := range map[string]string{"code": q.Get("state"), "session": b.cookie("__Host-firstpass").Value, "client secret": "console-secret"} {
		if strings.Contains(w.logs.String(), secret) {
			t.Errorf("the log holds the %s", what)
		}
	}
}

func TestRolesByGroupAndNone(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("amal@example.com")
	if who := b.who(); !slices.Equal(who["roles"].([]any), []any{"approver"}) {
		t.Errorf("%v", who)
	}
	for upn, says := range map[string]string{"guest@example.com": "none of the roles", "many@example.com": "more groups than a token can name"} {
		w.ledger.take()
		b := w.browser()
		a := b.signIn(upn, "/")
		for _, want := range []string{says, upn, "<dt>approver</dt>", "the service desk", "Example Works"} {
			if !strings.Contains(a.text, want) {
				t.Errorf("%s: the page lacks %q", upn, want)
			}
		}
		if a.status != 403 || b.cookie("__Host-firstpass") != nil || b.get("/").status != 303 {
			t.Errorf("%s: %d", upn, a.status)
		}
		if got := events(w.ledger.take()); got != "access.refused "+upn+" noRole" {
			t.Errorf("%s", got)
		}
	}
}

func TestNames(t *testing.T) {
	for name, tc := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"upn":     {map[string]any{"preferred_username": nil, "upn": "u@example.com"}, "u@example.com"},
		"name":    {map[string]any{"preferred_username": nil}, "Noor Sample"},
		"hostile": {map[string]any{"preferred_username": "a\u202eb\r\nc"}, "abc"},
		"empty":   {map[string]any{"preferred_username": " ", "name": ""}, "the-oid"},
		"long":    {map[string]any{"preferred_username": strings.Repeat("ä", 500)}, strings.Repeat("ä", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.claims["oid"] = "the-oid"
			w.tenant.SetClaims(tc.claims)
			b := w.browser()
			b.in("noor@example.com")
			if who := b.who(); who["name"] != tc.want || who["subject"] != "the-oid" {
				t.Errorf("%v", who)
			}
		})
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	id := b.cookie("__Host-firstpass").Value
	w.ledger.take()
	a := b.do("POST", "/sign-out", "Sec-Fetch-Site", "same-origin")
	if a.status != 303 || a.location() != "/sign-in/out" || b.cookie("__Host-firstpass") != nil {
		t.Errorf("%d %q", a.status, a.location())
	}
	if page := b.get(a.location()); page.status != 200 || !strings.Contains(page.text, "/oauth2/v2.0/logout") {
		t.Errorf("%d %s", page.status, page.text)
	}
	if got := events(w.ledger.take()); got != "access.signedOut noor@example.com " {
		t.Errorf("%s", got)
	}
	// The cookie that somebody kept opens nothing.
	if a := b.get("/", "Cookie", "__Host-firstpass="+id); a.status != 303 {
		t.Errorf("the session goes on: %d", a.status)
	}
	if n, _ := w.store.count(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if a := b.do("GET", "/sign-out"); a.status == 200 {
		t.Errorf("%d", a.status)
	}
}

func TestSessionEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		turns []time.Duration
		in    bool
	}{
		"used":            {[]time.Duration{14 * time.Minute, 14 * time.Minute, 14 * time.Minute}, true},
		"idle":            {[]time.Duration{30 * time.Minute}, false},
		"longest":         {slices.Repeat([]time.Duration{29 * time.Minute}, 25), false},
		"a little back":   {[]time.Duration{-4 * time.Minute}, true},
		"back while used": {[]time.Duration{20 * time.Minute, -10 * time.Minute}, false},
		"the clock jumps": {[]time.Duration{-time.Hour}, false},
		"and far ahead":   {[]time.Duration{1000 * time.Hour}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			// The tokens that roles are read from go by the wall clock.
			b := w.browser()
			b.in("noor@example.com")
			var last answer
			for _, d := range tc.turns {
				w.clock.turn(d)
				w.tenant.SetClaims(map[string]any{"iat": w.clock.now().Unix(), "nbf": w.clock.now().Unix(), "exp": w.clock.now().Add(time.Hour).Unix()})
				last = b.get("/")
			}
			if in := last.status == 200; in != tc.in {
				t.Errorf("%d", last.status)
			}
			if n, _ := w.store.count(); !tc.in && n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}

func TestBoardThatUpdatesItselfIsNotUse(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	_, before := w.store.count()
	for range 2 {
		w.clock.turn(14 * time.Minute)
		if a := b.get("/board", "HX-Request", "true"); a.status != 200 {
			t.Fatalf("%d", a.status)
		}
	}
	if _, after := w.store.count(); after != before {
		// Roles were not due yet at 14 minutes; at 28 they were.
		if after != before+1 {
			t.Errorf("%d writes", after-before)
		}
	}
	w.clock.turn(3 * time.Minute)
	a := b.get("/board", "HX-Request", "true", "HX-Current-URL", w.server.URL+"/?site=berlin")
	if a.status != 401 || a.header.Get("HX-Redirect") != "/sign-in?to=%2F%3Fsite%3Dberlin" || a.location() != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestSessionIsWrittenRarely(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	_, before := w.store.count()
	for range 20 {
		b.who()
	}
	if _, after := w.store.count(); after != before {
		t.Errorf("%d writes within a minute", after-before)
	}
	w.clock.turn(time.Minute)
	b.who()
	b.who()
	if _, after := w.store.count(); after != before+1 {
		t.Errorf("%d writes after a minute", after-before)
	}
}

func TestRolesAreReadAgain(t *testing.T) {
	later := func(w *world) {
		w.clock.turn(16 * time.Minute)
	}
	t.Run("other roles", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		_, err := w.tenant.SetOperator(entrasim.Operator{UPN: "noor@example.com", Roles: []string{"auditor"}})
		w.must(err)
		if who := b.who(); !slices.Equal(who["roles"].([]any), []any{"viewer", "operator"}) {
			t.Errorf("at once: %v", who)
		}
		later(w)
		if who := b.who(); !slices.Equal(who["roles"].([]any), []any{"auditor"}) {
			t.Errorf("%v", who)
		}
	})
	t.Run("no role", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		_, err := w.tenant.SetOperator(entrasim.Operator{UPN: "noor@example.com"})
		w.must(err)
		w.ledger.take()
		later(w)
		if a := b.get("/"); a.status != 403 || !strings.Contains(a.text, "You have no role here") {
			t.Errorf("%d", a.status)
		}
		if got := events(w.ledger.take()); got != "access.refused noor@example.com noRole" {
			t.Errorf("%s", got)
		}
		if n, _ := w.store.count(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
	t.Run("disabled", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		_, err := w.tenant.SetOperator(entrasim.Operator{UPN: "noor@example.com", Roles: []string{"operator"}, Disabled: true})
		w.must(err)
		later(w)
		if a := b.get("/"); a.status != 303 || b.get("/").status != 303 {
			t.Errorf("%d", a.status)
		}
	})
	t.Run("somebody else", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		w.tenant.SetClaims(map[string]any{"oid": "another"})
		later(w)
		if a := b.get("/"); a.status != 403 {
			t.Errorf("%d", a.status)
		}
	})
	t.Run("a token for somebody else", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		w.tenant.SetClaims(map[string]any{"aud": robotApp})
		later(w)
		if a := b.get("/"); a.status != 403 {
			t.Errorf("%d", a.status)
		}
		if n, _ := w.store.count(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
	t.Run("once for a page of many requests", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		later(w)
		w.tenant.ResetRequests()
		held := w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpToken}, Hold: entrasim.HoldBefore})
		first := make(chan int)
		go func() {
			a, err := b.client.Get(w.server.URL + "/")
			if err != nil {
				first <- -1
				return
			}
			a.Body.Close()
			first <- a.StatusCode
		}()
		<-held.Arrived()
		if who := b.who(); who["known"] != true { // does not wait
			t.Errorf("%v", who)
		}
		held.Release()
		if status := <-first; status != 200 || w.tenant.Counts().Token != 1 {
			t.Errorf("%d, asked %d times", status, w.tenant.Counts().Token)
		}
	})
	t.Run("provider away", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.in("noor@example.com")
		later(w)
		w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 503, Times: -1})
		w.tenant.ResetRequests()
		for range 3 {
			if who := b.who(); !slices.Equal(who["roles"].([]any), []any{"viewer", "operator"}) {
				t.Errorf("%v", who)
			}
		}
		if n := w.tenant.Counts().Token; n != 1 {
			t.Errorf("asked %d times", n)
		}
		// It is asked again, and what it says then counts.
		w.tenant.ClearFaults()
		w.must(w.tenant.RemoveOperator("noor@example.com"))
		w.clock.turn(time.Minute)
		if a := b.get("/"); a.status != 303 {
			t.Errorf("%d", a.status)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("noor@example.com")
	if got := b.get("/stream", "Accept", "text/event-stream").json(t); got["has"] != true || got["left"].(float64) > 300 || got["left"].(float64) < 200 {
		t.Errorf("%v", got)
	}
	if got := b.get("/stream").json(t); got["has"] != false {
		t.Errorf("%v", got)
	}
}

func TestTabsDoNotEndEachOther(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first, second := b.toProvider("/one"), b.toProvider("/two")
	if a := b.get(b.pick(first, "noor@example.com")); a.location() != "/one" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := b.get(b.pick(second, "noor@example.com")); a.location() != "/two" {
		t.Errorf("%d %s", a.status, a.text)
	}
	for range 20 {
		b.toProvider("/")
	}
	u, err := url.Parse(w.server.URL)
	w.must(err)
	if n := len(b.jar.Cookies(u)); n > 10 {
		t.Errorf("%d cookies", n)
	}
}

func TestTwoProcesses(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	at := b.toProvider("/x")
	// The answer, and what comes later, reach another process.
	w.server.Config.Handler = w.newGate().Handler(http.HandlerFunc(whoAsks))
	if a := b.get(b.pick(at, "noor@example.com")); a.location() != "/x" {
		t.Fatalf("%d %s", a.status, a.text)
	}
	w.server.Config.Handler = w.gate.Handler(http.HandlerFunc(whoAsks))
	if b.who()["name"] != "noor@example.com" {
		t.Error("not known")
	}
}

func TestPublicPaths(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for path, status := range map[string]int{
		"/assets/abc/console.css": 200, "/sign-in/page.css": 200, "/sign-in/out": 200, "/sign-in/cli": 200,
		"/healthz": 303, "/livez": 303, "/metrics": 303, "/": 303, "/asset": 303, "/favicon.ico": 303, "/sign-in/other": 303,
		"/v1/me": 401, "/v1": 401, "/assets": 307,
	} {
		if a := b.get(path); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if c := b.get("/sign-in/cli").json(t); c["issuer"] != w.issuer() || c["client_id"] != consoleApp || c["audience"] != consoleApp || len(c) != 3 {
		t.Errorf("%v", c)
	}
	if a := b.get("/v1/me"); a.header.Get("WWW-Authenticate") != `Bearer realm="firstpass"` || a.header.Get("Content-Type") != "application/problem+json" || a.json(t)["status"] != 401.0 {
		t.Errorf("%v", a.header)
	}
	if a := b.do("POST", "/halt", "Sec-Fetch-Site", "same-origin"); a.status != 401 || !strings.Contains(a.text, "was not done") {
		t.Errorf("%d %s", a.status, a.text)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, path := range []string{"/", "/v1/me", "/sign-in/out", "/assets/x.css"} {
		h := b.get(path).header
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security":  "max-age=63072000",
		} {
			if h.Get(name) != want {
				t.Errorf("%s %s: %q", path, name, h.Get(name))
			}
		}
		if got := h.Get("Cache-Control"); (got == "no-store") == strings.HasPrefix(path, "/assets/") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := access.Config{URL: "https://ops.example.org", Issuer: "https://login.microsoftonline.com/" + consoleApp + "/v2.0", ClientID: "c", ClientSecret: "s", Sessions: &memory{}, Audit: &rows{}}
	for name, change := range map[string]func(*access.Config){
		"URL":           func(c *access.Config) { c.URL = "http://ops.example.org" },
		"URL with path": func(c *access.Config) { c.URL = "https://ops.example.org/x" },
		"common":        func(c *access.Config) { c.Issuer = "https://login.microsoftonline.com/common/v2.0" },
		"organizations": func(c *access.Config) { c.Issuer = "https://login.microsoftonline.com/Organizations/v2.0" },
		"placeholder":   func(c *access.Config) { c.Issuer = "https://login.microsoftonline.com/{tenantid}/v2.0" },
		"plain issuer":  func(c *access.Config) { c.Issuer = "http://login.example.org" },
		"client":        func(c *access.Config) { c.ClientID = "" },
		"secret":        func(c *access.Config) { c.ClientSecret = "" },
		"store":         func(c *access.Config) { c.Sessions = nil },
		"audit":         func(c *access.Config) { c.Audit = nil },
		"role":          func(c *access.Config) { c.Groups = map[string][]string{"admin": {"x"}} },
		"times":         func(c *access.Config) { c.Idle, c.Longest = time.Hour, time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			change(&cfg)
			if _, err := access.New(cfg); err == nil {
				t.Error("taken")
			}
		})
	}
	if _, err := access.New(good); err != nil {
		t.Error(err)
	}
}
