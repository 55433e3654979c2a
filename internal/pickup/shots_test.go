package pickup

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
)

// scenes are all pages, by name.
func scenes(t *testing.T, lang string) (*world, []string, map[string]string) {
	w := newWorld(t)
	var names []string
	out := map[string]string{}
	head := http.Header{"Sec-Fetch-Site": {"same-origin"}, "Accept-Language": {lang}}
	add := func(name string, act func(b *browser) answer, change ...func(*world)) {
		b := newWorld(t, change...).browser()
		b.head = head
		names = append(names, name)
		out[name] = act(b).body
	}
	get := func(path string) func(*browser) answer {
		return func(b *browser) answer { return b.get(path) }
	}
	within := func(path string) func(*browser) answer {
		return func(b *browser) answer { b.enter(); return b.follow(b.get(path)) }
	}
	state := func(f func(*fakePass)) func(b *browser) answer {
		return func(b *browser) answer { b.enter(); f(b.w.pass); return b.follow(b.get("/p/next")) }
	}
	add("home", get("/"))
	add("start", get("/p"))
	add("start-empty", func(b *browser) answer { return b.post("/p", "reference", "abc", "code", "12") })
	add("start-wrong", func(b *browser) answer { return b.post("/p", "token", b.w.token, "code", "000000") })
	add("again", get("/p/again"))
	add("asked", func(b *browser) answer { return b.post("/p/again", "token", b.w.token, "code", b.w.code) })
	add("fact", within("/p/next"), proofs(jml.ProofFact))
	add("fact-wrong", func(b *browser) answer {
		b.enter()
		return b.post("/p/fact", "day", "31", "month", "2", "year", "2001")
	}, proofs(jml.ProofFact))
	add("eid", within("/p/next"), proofs(jml.ProofOIDC))
	add("leaving", func(b *browser) answer { b.enter(); return b.post("/p/eid") }, proofs(jml.ProofOIDC))
	add("returned", func(b *browser) answer {
		b.enter()
		b.post("/p/eid")
		return b.get("/p/eid/return?code=c&state=s-1")
	}, proofs(jml.ProofOIDC))
	add("manager", within("/p/next"), proofs(jml.ProofManager))
	add("refused", state(func(f *fakePass) { f.refused = true }), proofs(jml.ProofManager))
	add("desk", within("/p/next"), proofs(jml.ProofDesk))
	add("cannot", within("/p/next"), proofs(jml.ProofFact), func(w *world) {
		w.identity.ready = func(string) error { return identity.ErrUnknown }
	})
	add("ready", within("/p/next"))
	add("making", state(func(f *fakePass) { f.minting = true }))
	add("blocked", state(func(f *fakePass) { f.block = jml.Blocked(jml.ReasonGraphUnavailable, "") }))
	add("pass", func(b *browser) answer { return b.reveal() })
	add("closed", get("/p/closed"))
	add("nothing", get("/p/pass"))
	add("notme", get("/not-me"))
	add("revoked", func(b *browser) answer { return b.post("/not-me", "token", b.w.notMe, "last", "4F7A") })
	add("vouch", get("/vouch"))
	add("vouch-wrong", func(b *browser) answer { return b.post("/vouch", "token", b.w.attest, "number", "47") })
	add("vouched", func(b *browser) answer {
		return b.post("/vouch", "token", b.w.attest, "number", "4711", "how", "video", "is", "yes")
	})
	add("away", func(b *browser) answer {
		b.w.store.fail = fmt.Errorf("the ledger does not answer")
		return b.post("/p", "token", b.w.token, "code", b.w.code)
	})
	add("missing", get("/nowhere"))
	return w, names, out
}

// TestShots takes screenshots of every page in Chromium, into the folder that
// PICKUP_SHOTS names.
func TestShots(t *testing.T) {
	folder := os.Getenv("PICKUP_SHOTS")
	if folder == "" {
		t.Skip("PICKUP_SHOTS names no folder")
	}
	lang := os.Getenv("PICKUP_LANG")
	w, names, pages := scenes(t, lang)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if body, ok := pages[filepath.Base(r.URL.Path)]; ok {
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
			rw.Header().Set("Content-Security-Policy", "style-src 'self'; script-src 'self'; img-src 'self'")
			_, _ = rw.Write([]byte(body))
			return
		}
		if r.URL.Path == "/sheet" {
			rw.Header().Set("Content-Type", "text/html")
			fmt.Fprint(rw, `<style>body{margin:0;background:#888;display:flex;flex-wrap:wrap;gap:10px}iframe{border:0;background:#fff}</style>`)
			for _, n := range r.URL.Query()["n"] {
				fmt.Fprintf(rw, `<iframe src="/scene/%s" width="%s" height="%s"></iframe>`, html.EscapeString(n), html.EscapeString(r.URL.Query().Get("w")), html.EscapeString(r.URL.Query().Get("h")))
			}
			return
		}
		w.h.ServeHTTP(rw, r)
	}))
	defer srv.Close()
	shoot := func(file, scheme, width, height string, columns, rows int, list []string) {
		q := "?w=" + width + "&h=" + height
		for _, n := range list {
			q += "&n=" + n
		}
		var wide, high int
		fmt.Sscan(width, &wide)
		fmt.Sscan(height, &high)
		out, err := exec.Command("/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
			"--user-data-dir="+t.TempDir(), "--blink-settings=preferredColorScheme="+scheme, "--virtual-time-budget=2000",
			fmt.Sprintf("--window-size=%d,%d", columns*(wide+10), rows*(high+10)), "--screenshot="+filepath.Join(folder, file), srv.URL+"/sheet"+q).CombinedOutput()
		if err != nil {
			t.Errorf("chromium: %v: %s", err, out)
		}
	}
	if only := os.Getenv("PICKUP_ONLY"); only != "" {
		shoot(only+"-phone.png", "1", "390", "1900", 1, 1, []string{only})
		shoot(only+"-dark.png", "0", "1280", "1500", 1, 1, []string{only})
		return
	}
	for i := 0; i < len(names); i += 5 {
		list := names[i:min(i+5, len(names))]
		shoot(fmt.Sprintf("phone-%s%d.png", lang, i/5), "1", "390", "950", 5, 1, list)
	}
	if lang == "en" {
		shoot("dark.png", "0", "390", "950", 5, 1, []string{"start-wrong", "manager", "ready", "pass", "vouch-wrong"})
		shoot("desktop.png", "1", "1280", "900", 2, 2, []string{"start", "fact-wrong", "pass", "vouch"})
		shoot("narrow.png", "1", "320", "950", 5, 1, []string{"start-wrong", "fact-wrong", "manager", "pass", "vouch"})
	}
}
