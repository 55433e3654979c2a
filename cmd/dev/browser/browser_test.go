package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sheet is a small page that is in order.
func sheet(title, body string) string {
	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>` +
		title + `</title><style>:root{color-scheme:light dark}a,button,input{min-height:44px;font-size:1rem}</style></head><body><main><h1>` + title + `</h1>` + body + `</main></body></html>`
}

// site serves pages by path, with a policy as strict as ours.
func site(t *testing.T, pages map[string]string, more func(*http.ServeMux)) string {
	t.Helper()
	mux := http.NewServeMux()
	for path, text := range pages {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	if more != nil {
		more(mux)
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; form-action 'self'; base-uri 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAxeFindsWhatIsWrong(t *testing.T) {
	b := Start(t)
	url := site(t, map[string]string{
		"/good": sheet("Good", `<p>Some text.</p><form><label for="a">Name</label> <input id="a"><button>Go on</button></form>`),
		"/bad":  sheet("Bad", `<img src="data:," ><input id="a"><p style="color:#999;background:#fff">Hard to read</p>`),
	}, nil)
	for _, v := range append(Views(), Phone().WithoutScript()) {
		t.Run(v.String(), func(t *testing.T) {
			tab := b.Tab(t, v)
			for path, want := range map[string][]string{"/good": nil, "/bad": {"color-contrast", "image-alt", "label"}} {
				if err := tab.Open(t.Context(), url+path); err != nil {
					t.Fatal(err)
				}
				found, err := tab.Axe(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range found {
					got = append(got, f.Rule)
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: got %v, want %v\n%v", path, got, want, found)
				}
			}
		})
	}
}

func TestViews(t *testing.T) {
	b := Start(t)
	url := site(t, map[string]string{"/": sheet("Views", `<p id="script">off</p><script src="/on.js"></script>`)}, func(m *http.ServeMux) {
		m.HandleFunc("GET /on.js", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `document.getElementById("script").textContent = "on"`)
		})
	})
	for _, v := range append(Views(), Narrow(), Desktop().WithoutScript(), View{Width: 500, Height: 500, Zone: "Asia/Singapore"}) {
		tab := b.Tab(t, v)
		if err := tab.Open(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		got, err := Eval[struct {
			Width int
			Dark  bool
			Zone  string
		}](t.Context(), tab, `({Width: innerWidth, Dark: matchMedia("(prefers-color-scheme: dark)").matches, Zone: Intl.DateTimeFormat().resolvedOptions().timeZone})`)
		if err != nil {
			t.Fatal(err)
		}
		if got.Width != v.Width || got.Dark != v.Dark || v.Zone != "" && got.Zone != v.Zone {
			t.Errorf("%s: got %+v", v, got)
		}
		want := "on"
		if v.NoScript {
			want = "off"
		}
		if text, err := tab.Text(t.Context()); err != nil || !strings.HasSuffix(strings.TrimSpace(text), want) {
			t.Errorf("%s: scripts: got %q, want %s; %v", v, text, want, err)
		}
	}
}

// A form works by pointer, by keyboard, and without scripts; a tab is a device.
func TestTab(t *testing.T) {
	b := Start(t)
	url := site(t, map[string]string{
		"/form": sheet("Form", `<form method="post" action="/hello"><label for="name">Name</label> <input id="name" name="name"> <button id="go">Go on</button></form><p><a href="/form#x">Help</a></p>`),
		"/wide": sheet("Wide", `<div style="width:900px">wide</div>`),
		"/red":  sheet("Red", `<script>throw 1</script>`),
	}, func(m *http.ServeMux) {
		m.HandleFunc("POST /hello", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "name", Value: r.FormValue("name")})
			http.Redirect(w, r, "/hello", http.StatusSeeOther)
		})
		m.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
			name := "stranger"
			if c, err := r.Cookie("name"); err == nil {
				name = c.Value
			}
			fmt.Fprint(w, sheet("Hello", `<p id="who">`+name+`</p>`))
		})
	})
	ctx := t.Context()
	who := func(tab *Tab) string {
		t.Helper()
		if err := tab.WaitFor(ctx, "#who"); err != nil {
			t.Fatal(err)
		}
		text, err := tab.Text(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, v := range []View{Phone(), Desktop().WithoutScript()} {
		tab := b.Tab(t, v)
		if err := tab.Open(ctx, url+"/form"); err != nil {
			t.Fatal(err)
		}
		stops, err := tab.TabWalk(ctx, 10)
		if err != nil || len(stops) != 3 || fmt.Sprint(stops) != "[input Name button Go on a Help]" {
			t.Errorf("%s: focus stops at %v, %v", v, stops, err)
		}
		for _, s := range stops {
			if !s.Seen {
				t.Errorf("%s: nothing shows that the focus is on %s", v, s)
			}
		}
		if err := tab.Type(ctx, "#name", "Signe"); err != nil {
			t.Fatal(err)
		}
		if err := tab.Follow(ctx, "#go"); err != nil {
			t.Fatal(err)
		}
		if got := who(tab); !strings.Contains(got, "Signe") {
			t.Errorf("%s: got %q", v, got)
		}
		if err := tab.Reload(ctx); err != nil || !strings.Contains(who(tab), "Signe") {
			t.Errorf("%s: after a reload: %v", v, err)
		}
		if err := tab.Back(ctx); err != nil {
			t.Error(err)
		}
		if at, err := tab.Location(ctx); err != nil || at != url+"/form" {
			t.Errorf("%s: back leads to %s, %v", v, at, err)
		}
		var posts int
		for _, q := range tab.Requests() {
			if q.Method == http.MethodPost {
				posts++
			}
		}
		if posts != 1 || len(tab.Trouble()) > 1 { // Chromium asks for a favicon
			t.Errorf("%s: %d posts, trouble %v", v, posts, tab.Trouble())
		}
	}
	tab := b.Tab(t, Phone())
	if err := tab.Open(ctx, url+"/hello"); err != nil || !strings.Contains(who(tab), "stranger") {
		t.Errorf("another device knows the first: %v", err)
	}
	if err := tab.Open(ctx, url+"/form"); err != nil {
		t.Fatal(err)
	}
	if err := tab.Press(ctx, "\tBo\r"); err != nil || !strings.Contains(who(tab), "Bo") {
		t.Errorf("by keyboard: %v", err)
	}
	if err := tab.Open(ctx, url+"/wide"); err != nil {
		t.Fatal(err)
	}
	if over, err := tab.Overflow(ctx); err != nil || over < 500 {
		t.Errorf("a wide page overflows by %d, %v", over, err)
	}
	if err := tab.Open(ctx, url+"/red"); err != nil {
		t.Fatal(err)
	}
	if red := strings.Join(tab.Trouble(), "\n"); !strings.Contains(red, "Content Security Policy") {
		t.Errorf("a blocked script goes unnoticed: %q", red)
	}
	folder := t.TempDir()
	if err := tab.Shot(ctx, folder, "red"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, "red-390-light.png")); err != nil || info.Size() < 500 {
		t.Errorf("picture: %v %v", info, err)
	}
}

// Tabs of one device share its cookies, and those of another do not; the
// clipboard, the history and the way pages look can be asked for and changed.
func TestDevice(t *testing.T) {
	b, ctx := Start(t), t.Context()
	url := site(t, map[string]string{
		"/copy": sheet("Copy", `<button id="copy">Copy</button><script src="/copy.js"></script>`),
	}, func(m *http.ServeMux) {
		m.HandleFunc("GET /copy.js", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `document.getElementById("copy").onclick = () => navigator.clipboard.writeText("k9+Qq-7z")`)
		})
		m.HandleFunc("GET /set", func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "visit", Value: "1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		})
	})
	tab := b.Tab(t, Phone())
	for _, path := range []string{"/set", "/copy"} {
		if err := tab.Open(ctx, url+path); err != nil {
			t.Fatal(err)
		}
	}
	want := Cookie{Name: "visit", Value: "1", Domain: "127.0.0.1", Path: "/", HTTPOnly: true, Secure: true, Session: true, SameSite: "Lax"}
	for who, n := range map[*Tab]int{tab: 1, tab.Another(t): 1, b.Tab(t, Phone()): 0} {
		if err := who.Open(ctx, url+"/copy"); err != nil {
			t.Fatal(err)
		}
		got, err := who.Cookies(ctx)
		if err != nil || len(got) != n || n == 1 && got[0] != want {
			t.Errorf("got %+v, %v, want %d", got, err, n)
		}
	}
	if at, err := tab.History(ctx); err != nil || !slices.Contains(at, url+"/set") {
		t.Errorf("history %v, %v", at, err)
	}
	if err := tab.AllowClipboard(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tab.Click(ctx, "#copy"); err != nil {
		t.Fatal(err)
	}
	if got, err := tab.Clipboard(ctx); err != nil || got != "k9+Qq-7z" {
		t.Errorf("clipboard %q, %v", got, err)
	}
	if err := tab.Look(ctx, Desktop().InDark()); err != nil {
		t.Fatal(err)
	}
	if wide, err := Eval[int](ctx, tab, "innerWidth"); err != nil || wide != 1280 {
		t.Errorf("%d pixels wide, %v", wide, err)
	}
}

// Enter on a link that moves the focus into a form does not send the form: the
// key types into what had the focus when it went down.
func TestPressAsAKeyboard(t *testing.T) {
	b, ctx := Start(t), t.Context()
	url := site(t, map[string]string{
		"/":     sheet("Mend", `<a id="to" href="#name">Name</a><form action="/sent"><label for="name">Name</label><input id="name"><button>Go</button></form><script src="/f.js"></script>`),
		"/sent": sheet("Sent", ""),
	}, func(m *http.ServeMux) {
		m.HandleFunc("GET /f.js", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `document.getElementById("to").onclick = e => { e.preventDefault(); document.getElementById("name").focus() }`)
		})
	})
	tab := b.Tab(t, Desktop())
	if err := tab.Open(ctx, url+"/"); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []string{"\t\r", "Bo"} {
		if err := tab.Press(ctx, keys); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := Eval[string](ctx, tab, `document.title + " " + document.activeElement.value`); err != nil || got != "Mend Bo" {
		t.Errorf("got %q, %v", got, err)
	}
}

// burnable is a site whose link is used up, in the way of path, by whoever does
// what that way asks for.
type burnable struct {
	mu    sync.Mutex
	burnt map[string]bool
}

func (s *burnable) burn(way string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.burnt[way] = true
}

func newBurnable(t *testing.T) (*burnable, string) {
	s := &burnable{burnt: map[string]bool{}}
	secret := func(w http.ResponseWriter) { fmt.Fprint(w, sheet("Your pass", `<p>k9+Qq-7z</p>`)) }
	button := func(action string) string {
		return sheet("Collect", `<form method="post" action="`+action+`"><button>Show it</button></form>`)
	}
	url := site(t, map[string]string{
		"/button":  button("/burn/button"),
		"/script":  sheet("Wait", `<script src="/auto.js"></script>`),
		"/nojs":    button("/burn/nojs") + `<script src="/stop.js"></script>`,
		"/third":   sheet("One", `<a href="/third/2">Next</a>`),
		"/third/2": sheet("Two", `<form action="/third/3"><button>Next</button></form>`),
		"/third/3": button("/burn/third"),
		"/choice": sheet("Who", `<form method="post" action="/burn/choice"><fieldset><legend>Who</legend>
			<label><input type="radio" name="who" value="a"> A</label><label><input type="radio" name="who" value="b"> B</label>
			<label><input type="radio" name="who" value="yes"> Me</label></fieldset><label><input type="checkbox" name="sure"> Sure</label><button>Go</button></form>`),
		"/junk": sheet("Name", `<form method="post" action="/burn/junk"><label>Mail <input type="email" name="mail" required></label><button>Go</button></form>`),
		"/trap": sheet("Code", `<form method="post" action="/burn/trap"><div aria-hidden="true"><label>Empty <input name="trap" tabindex="-1"></label></div>
			<label>Code <input name="code" inputmode="numeric"></label><button>Go</button></form>`),
		"/code": sheet("Code", `<form method="post" action="/burn/code"><label>Code <input name="code" inputmode="numeric" maxlength="6" autocomplete="one-time-code"></label><button>Go</button></form>`),
	}, func(m *http.ServeMux) {
		for path, text := range map[string]string{
			"/auto.js": `const f = document.createElement("form"); f.method = "post"; f.action = "/burn/script"; document.body.append(f); f.submit();`,
			"/stop.js": `document.forms[0].addEventListener("submit", e => e.preventDefault());`,
		} {
			m.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/javascript")
				fmt.Fprint(w, text)
			})
		}
		m.HandleFunc("POST /burn/{way}", func(w http.ResponseWriter, r *http.Request) {
			switch way := r.PathValue("way"); {
			case way == "choice" && (r.FormValue("who") != "yes" || r.FormValue("sure") == ""),
				way == "junk" && !strings.Contains(r.FormValue("mail"), "@"),
				way == "trap" && (r.FormValue("trap") != "" || r.FormValue("code") == ""),
				way == "code" && r.FormValue("code") != "482913":
				fmt.Fprint(w, sheet("Try again", `<p>That was not right.</p>`))
			default:
				s.burn(way)
				secret(w)
			}
		})
	})
	return s, url
}

// The scanner must be able to press: a proof that it can't burn a link is worth
// nothing otherwise.
func TestScannerBurnsWhatCanBeBurnt(t *testing.T) {
	b := Start(t)
	for way, burns := range map[string]bool{
		"button": true, "script": true, "nojs": true, "third": true, "choice": true, "junk": true,
		"code": false, // what the message does not hold, it can't type
	} {
		t.Run(way, func(t *testing.T) {
			s, url := newBurnable(t)
			report, err := b.Scan(t.Context(), Scan{URL: url + "/" + way + "#token", Linger: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if s.burnt[way] != burns || report.Saw("k9+Qq-7z") != burns {
				t.Errorf("burnt %v, seen %v, want %v; %d presses, %d posts, pages %v", s.burnt[way], report.Saw("k9+Qq-7z"), burns, report.Presses, report.Posts, report.Pages)
			}
			if report.Cut || report.Plain < 3 || report.Posts == 0 {
				t.Errorf("got %d plain requests, %d posts, cut %v", report.Plain, report.Posts, report.Cut)
			}
		})
	}
}

func TestScannerKnowsItsLimits(t *testing.T) {
	b := Start(t)
	s, url := newBurnable(t)
	report, err := b.Scan(t.Context(), Scan{URL: url + "/third", Presses: 1, Linger: time.Millisecond})
	if err != nil || !report.Cut || report.Presses != 1 || s.burnt["third"] {
		t.Errorf("got %+v, %v", report.Presses, err)
	}
	for _, wary := range []bool{false, true} {
		if _, err := b.Scan(t.Context(), Scan{URL: url + "/trap", Wary: wary, Linger: time.Millisecond}); err != nil || s.burnt["trap"] != wary {
			t.Errorf("wary %t: burnt %t, %v", wary, s.burnt["trap"], err)
		}
	}
	if _, err := b.Scan(t.Context(), Scan{URL: url + "/junk", LeaveEmpty: true, Linger: time.Millisecond}); err != nil || s.burnt["junk"] {
		t.Errorf("it typed although it was told not to: %v", err)
	}
}
