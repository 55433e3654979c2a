package mailbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/cmd/dev/fault"
)

// The pages as people see them. Pictures go to the folder that SHOTS names.
func TestLook(t *testing.T) {
	b := browser.Start(t)
	box := newMailbox(t, func(c *Config) { c.Tenant = "http://127.0.0.1:1/" })
	for range 2 {
		if _, _, err := send(t, box, goodMail(nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	box.Inject(fault.Fault{Becomes: []string{EventProcessed, EventBounce}})
	linked := goodMail(func(m map[string]any) {
		m["subject"] = "Your way into Example Works"
		m["content"] = []any{
			map[string]any{"type": "text/plain", "value": "Open https://127.0.0.1:2/p#token and type the code."},
			map[string]any{"type": "text/html", "value": `<!doctype html><p>Open <a href="https://127.0.0.1:2/p#token">this page</a>`},
		}
	})
	if _, _, err := send(t, box, linked, nil); err != nil {
		t.Fatal(err)
	}
	mails := box.Mails()
	last := mails[len(mails)-1]
	if last.Lost == "" {
		t.Fatal("the last mail was to bounce")
	}
	empty := newMailbox(t, nil)
	for _, v := range append(browser.Views(), browser.Narrow()) {
		tab := b.Tab(t, v)
		for name, url := range map[string]string{"empty": empty.PageURL(), "list": box.PageURL(), "mail": box.PageURL() + "/mail/" + last.ID} {
			if err := tab.Open(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			found, err := tab.Axe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Errorf("%s, %s: %s", v, name, f)
			}
			if over, err := tab.Overflow(t.Context()); err != nil || over > 0 {
				t.Errorf("%s, %s: %d pixels wider than the window, %v", v, name, over, err)
			}
			if folder := os.Getenv("SHOTS"); folder != "" {
				if err := tab.Shot(t.Context(), folder, "mailbox-"+name); err != nil {
					t.Error(err)
				}
			}
		}
		if red := tab.Trouble(); len(red) > 0 {
			t.Errorf("%s: %q", v, red)
		}
	}
}

// A link in a mail opens as in a mail program, even to a page that lets nobody
// frame it; a script in a mail does not run.
func TestLinksInMailWork(t *testing.T) {
	b := browser.Start(t)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
		fmt.Fprint(w, "<title>There</title>")
	}))
	t.Cleanup(target.Close)
	box := newMailbox(t, nil)
	link := target.URL + "/p#token"
	body := goodMail(func(m map[string]any) {
		m["content"] = []any{map[string]any{"type": "text/html", "value": `<script>location = "` + target.URL + `/script"</script>` +
			`<a href="` + link + `" style="display:block;height:200px">this page</a>`}}
	})
	if _, _, err := send(t, box, body, nil); err != nil {
		t.Fatal(err)
	}
	tab := b.Tab(t, browser.Desktop())
	if err := tab.Open(t.Context(), box.PageURL()+"/mail/"+box.Mails()[0].ID); err != nil {
		t.Fatal(err)
	}
	at, err := browser.Eval[struct{ X, Y float64 }](t.Context(), tab, `(r => ({X: r.x + 40, Y: r.y + 60}))(document.querySelector("iframe").getBoundingClientRect())`)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		// The frame loads after the page: the first click may come too early.
		if err := tab.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := tab.ClickAt(t.Context(), at.X, at.Y); err != nil {
			t.Fatal(err)
		}
		if err := tab.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		pages, err := b.Pages()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(pages, link) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no tab shows the link: %q; %q", pages, tab.Trouble())
		}
	}
	for _, q := range tab.Requests() {
		if q.URL == target.URL+"/script" {
			t.Error("a script in a mail ran")
		}
	}
}
