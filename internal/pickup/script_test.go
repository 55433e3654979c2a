package pickup

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// In a real browser: the token goes from the fragment into the form and out of
// the address bar, survives a wrong code, and is not carried along when the
// right one leads on.
func TestScriptInChromium(t *testing.T) {
	if os.Getenv("PICKUP_SHOTS") == "" {
		t.Skip("PICKUP_SHOTS is not set")
	}
	w := newWorld(t, func(w *world) { w.cfg.URL = "http://127.0.0.1:8090" })
	var mu sync.Mutex
	var seen []string
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/drive.js":
			rw.Header().Set("Content-Type", "text/javascript")
			// First a wrong code, then the right one; then tell where we are.
			_, _ = rw.Write([]byte(`addEventListener("load", () => {
  const f = document.querySelector("form[data-link]");
  const tell = fetch("/tell?at=" + encodeURIComponent(location.href) + "&token=" + (f ? f.elements.token.value : "none") +
    "&hidden=" + (f ? document.querySelector("[data-reference]").hidden : "none") + "&focus=" + document.activeElement.className);
  if (!f) return;
  f.elements.code.value = document.querySelector(".problems") ? "` + w.code + `" : "000000";
  tell.then(() => f.requestSubmit());
});`))
			return
		case "/tell":
			mu.Lock()
			seen = append(seen, r.URL.Query().Get("at")+" token="+r.URL.Query().Get("token")+" hidden="+r.URL.Query().Get("hidden")+" focus="+r.URL.Query().Get("focus"))
			mu.Unlock()
			return
		}
		rec := httptest.NewRecorder()
		w.h.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write([]byte(strings.Replace(rec.Body.String(), "</head>", `<script src="/drive.js" defer></script></head>`, 1)))
	}))
	defer srv.Close()
	out, err := exec.Command("/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=8000", "--dump-dom", srv.URL+"/p#"+w.token).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		srv.URL + "/p token=" + w.token + " hidden=true focus=",
		srv.URL + "/p token=" + w.token + " hidden=true focus=problems",
		srv.URL + "/p/next#top token=none hidden=none focus=",
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("saw\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(string(out), "You are about to see your pass") {
		t.Errorf("ended at %.300s", out)
	}
}
