package phone

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/cmd/dev/fault"
)

// The pages as people see them. Pictures go to the folder that SHOTS names.
func TestLook(t *testing.T) {
	b := browser.Start(t)
	p := newPhones(t, nil)
	text := func(to, body string, f *fault.Fault) {
		t.Helper()
		if f != nil {
			p.Inject(*f)
		}
		if _, _, err := call(t, p, http.MethodPost, messages, goodText("To", to, "From", "Example IT", "Body", body), nil); err != nil {
			t.Fatal(err)
		}
	}
	text(signe, "Your code for Example Works is 482 913. The link comes by mail. Nobody will ever ask you for this code.", nil)
	text("+4555500102", "Hei Åse! Start på: https://127.0.0.1:20443/p#AbCdEfGhIjKlMnOpQrStUvWxYz0123456789 og skriv koden.", nil)
	text("+4555500103", "Gone", &fault.Fault{Becomes: []string{StatusUndelivered}})
	text(signe, "Your pass was collected on Monday 24 November at 09:12 (CET). Not you? Open https://127.0.0.1:20443/not-me#Zz", nil)
	text(signe, "Naïve “quotes” make it Unicode.", &fault.Fault{Becomes: []string{StatusSent, StatusUndelivered}})
	if _, err := p.WaitFor(t.Context(), signe, 2); err != nil {
		t.Fatal(err)
	}
	empty := newPhones(t, nil)
	for _, v := range append(browser.Views(), browser.Narrow()) {
		tab := b.Tab(t, v)
		for name, url := range map[string]string{"empty": empty.PageURL(), "list": p.PageURL(), "conversation": p.PageURL() + "/to/" + signe + "#end"} {
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
				if err := tab.Shot(t.Context(), folder, "phone-"+name); err != nil {
					t.Error(err)
				}
			}
		}
		if red := tab.Trouble(); len(red) > 0 {
			t.Errorf("%s: %q", v, red)
		}
	}
}

// A text that comes in while somebody reads is shown and told, and does not
// take the focus away.
func TestPageUpdatesItself(t *testing.T) {
	b := browser.Start(t)
	p := newPhones(t, nil)
	if _, _, err := call(t, p, http.MethodPost, messages, goodText("Body", "first https://example.com/p#1"), nil); err != nil {
		t.Fatal(err)
	}
	tab := b.Tab(t, browser.Phone())
	if err := tab.Open(t.Context(), p.PageURL()+"/to/"+signe); err != nil {
		t.Fatal(err)
	}
	stops, err := tab.TabWalk(t.Context(), 10)
	if err != nil || len(stops) != 2 || stops[1].Text != "https://example.com/p#1" {
		t.Fatalf("focus stops: %v, %v", stops, err)
	}
	for _, s := range stops {
		if !s.Seen {
			t.Errorf("nothing shows that the focus is on %s", s)
		}
	}
	if err := tab.Press(t.Context(), "\t\t"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := call(t, p, http.MethodPost, messages, goodText("Body", "second"), nil); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		news, err := browser.Eval[string](t.Context(), tab, `document.getElementById("news").textContent`)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(news, "second") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the page does not tell of a new text")
		}
		if err := tab.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	focus, err := browser.Eval[string](t.Context(), tab, `document.activeElement.getAttribute("href") ?? ""`)
	if err != nil || focus != "https://example.com/p#1" {
		t.Errorf("the focus went to %q, %v", focus, err)
	}
	if bubbles, err := browser.Eval[int](t.Context(), tab, `document.querySelectorAll(".bubble").length`); err != nil || bubbles != 2 {
		t.Errorf("%d texts are shown, %v", bubbles, err)
	}
}
