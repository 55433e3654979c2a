package pickup

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/invitation"
)

// trapped are the forms that stand open to everybody, filled in rightly.
func trapped(w *world) map[string][]string {
	return map[string][]string{
		"/p":       {"token", w.token, "code", w.code},
		"/p/again": {"token", w.token, "code", w.code},
		"/not-me":  {"token", w.notMe, "last", "4f7a"},
		"/vouch":   {"token", w.attest, "number", "4711", "how", "video", "is", "no"},
	}
}

// Who fills in the field that people don't see is answered as whoever enters
// something wrong, to the byte and to the instant, and nobody is asked.
func TestTrap(t *testing.T) {
	type seen struct {
		Status int
		Header http.Header
		Body   string
		After  time.Duration
	}
	for path := range trapped(newWorld(t)) {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			w := newWorld(t, func(w *world) {
				w.cfg.Floor = time.Second
				w.cfg.Book = &watchedBook{w.book, &asked}
			})
			post := func(remarks string, form ...string) seen {
				before := time.Now()
				a := w.browser().post(path, append(form, "remarks", remarks)...)
				return seen{a.StatusCode, a.Header, a.body, time.Since(before)}
			}
			got := post("Scanner", trapped(w)[path]...)
			if len(asked) > 0 || len(w.pass.updates()) > 0 {
				t.Errorf("%s: %d links looked up, %d updates", path, len(asked), len(w.pass.updates()))
			}
			if got.After != time.Second || got.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s: after %v, with cookie %t", path, got.After, got.Header.Get("Set-Cookie") != "")
			}
			wrong := append(trapped(w)[path], "token", strings.Repeat("A", 22))
			if d := cmp.Diff(post("", wrong...), got); d != "" {
				t.Errorf("%s: told from a wrong entry:\n%s", path, d)
			}
			if len(asked) == 0 {
				t.Errorf("%s: a wrong entry asks nobody, so the test tells nothing", path)
			}
			// Blanks are what a phone's keyboard leaves behind.
			if right := post(" ", trapped(w)[path]...); right.Status == got.Status && right.Body == got.Body && path != "/p/again" {
				t.Errorf("%s: the right entry is refused", path)
			}
		})
	}
}

// It counts against the address, as any wrong entry does.
func TestTrapIsLimited(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.TriesPerMinute = 3 })
	b := w.browser()
	for i := range 4 {
		want := http.StatusUnprocessableEntity
		if i == 3 {
			want = http.StatusTooManyRequests
		}
		if a := b.post("/p", "token", w.token, "code", "000000", "remarks", "x"); a.StatusCode != want {
			t.Errorf("try %d: %d, want %d", i+1, a.StatusCode, want)
		}
	}
	if len(w.pass.updates()) > 0 {
		t.Error("a try was counted against the link")
	}
}

// Every form that a link leads to has it, out of the way of people.
func TestTrapIsSet(t *testing.T) {
	w := newWorld(t)
	for path := range trapped(w) {
		if body := w.browser().get(path).body; strings.Count(body, `<div class="trap" aria-hidden="true">`) != 1 ||
			strings.Count(body, ` name="`+trap+`" tabindex="-1" autocomplete="off"`) != 1 {
			t.Errorf("%s: no trap", path)
		}
	}
}

// watchedBook notes which links are looked for.
type watchedBook struct {
	*invitation.Book
	asked *[]string
}

func (b *watchedBook) Find(ctx context.Context, k invitation.Kind, typed string) (invitation.Link, bool, error) {
	*b.asked = append(*b.asked, typed)
	return b.Book.Find(ctx, k, typed)
}
