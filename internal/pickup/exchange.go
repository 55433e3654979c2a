package pickup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// exchange is one request and its answer.
type exchange struct {
	h       *handler
	w       http.ResponseWriter
	r       *http.Request
	arrived time.Time // by the machine's clock, which may not be set back
	words   *catalogue
	asked   string // the language chosen by ?lang=, empty if none
	status  int
	ref     string // of the journey; logged once link and code were right
}

// page makes a handler of a method. It logs what was answered: the pattern and
// never the path or query, which may hold what somebody pasted.
func (h *handler) page(serve func(*exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{h: h, w: w, r: r, arrived: time.Now()}
		x.chooseWords()
		serve(x)
		attrs := []slog.Attr{
			slog.String("pattern", r.Pattern), slog.Int("status", x.status),
			slog.Duration("duration", time.Since(x.arrived)),
		}
		if x.ref != "" {
			attrs = append(attrs, slog.String("ref", x.ref))
		}
		h.cfg.Logger.LogAttrs(r.Context(), slog.LevelInfo, "pick-up page", attrs...)
	})
}

// chooseWords takes the language that the visitor chose, else the first that
// his browser asks for, else the organisation's.
func (x *exchange) chooseWords() {
	if tag := x.r.URL.Query().Get("lang"); tag != "" {
		if c, ok := x.h.words.exact(tag); ok {
			x.words, x.asked = c, tag
			return
		}
	}
	x.words = x.h.words.match(x.r.Header.Get("Accept-Language"), x.h.cfg.Locale)
}

// url returns one of our paths, in the chosen language.
func (x *exchange) url(path string) string {
	if x.asked == "" {
		return path
	}
	return path + "?lang=" + url.QueryEscape(x.asked)
}

// problem is something the visitor has to mend.
type problem struct {
	Field string // the id of its input
	Text  string
}

// problem words a problem by its key.
func (x *exchange) problem(field, key string) problem {
	return problem{Field: field, Text: x.words.text[key]}
}

// show answers with a page.
func (x *exchange) show(status int, name string, data any, problems ...problem) {
	body, err := x.render(name, data, problems)
	if err != nil {
		x.h.cfg.Logger.ErrorContext(x.r.Context(), "pick-up page: a page can't be rendered", "page", name, "error", err)
		x.status = http.StatusInternalServerError
		plain(x.w, x.status, "internal error")
		return
	}
	x.write(status, body)
}

func (x *exchange) render(name string, data any, problems []problem) ([]byte, error) {
	var out bytes.Buffer
	err := x.h.pages.execute(&out, name, x.view(name, data, problems))
	return out.Bytes(), err
}

func (x *exchange) write(status int, body []byte) {
	x.status = status
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.Header().Set("Content-Language", x.words.tag)
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
}

// moveTo sends the browser to one of our pages. The fragment keeps it from
// carrying along the one that the form was sent to, which may be a token
// (Fetch, HTTP-redirect fetch). "top" is the top of any document (HTML, 7.4.6.4).
func (x *exchange) moveTo(path string) {
	x.status = http.StatusSeeOther
	x.w.Header().Set("Location", x.url(path)+"#top")
	x.w.WriteHeader(x.status)
}

// settle waits until a multiple of the floor after the request's arrival: when
// a wrong entry is answered tells nothing of why it is wrong.
func (x *exchange) settle() {
	floor := x.h.cfg.Floor
	spent := time.Since(x.arrived)
	timer := time.NewTimer((spent/floor+1)*floor - spent)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.r.Context().Done():
	}
}

// within bounds what a page waits for. The visitor's going away ends nothing:
// a try that is under way counts.
func (x *exchange) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(x.r.Context()), d)
}

// guess runs a try at something that only the right person knows. Wrong ones
// are counted by address, and answered at an instant that tells nothing.
//
// try returns how to go on, or ErrNothing. It is not run for who fell into the
// trap: he is answered as for a wrong entry, and no link has a try less.
func (x *exchange) guess(l *limits, d time.Duration, wrong func(), try func(context.Context) (func(), error)) {
	ctx, cancel := x.within(d)
	defer cancel()
	gate := l.of(clientAddress(x.r, x.h.cfg.ClientIPHeader))
	if !gate.enter(ctx) {
		x.h.observe("limited")
		x.settle()
		x.show(http.StatusTooManyRequests, "slow", nil)
		return
	}
	answer, err := func() {}, ErrNothing
	if x.field(trap) == "" {
		answer, err = try(ctx)
	}
	gate.leave(errors.Is(err, ErrNothing))
	switch {
	case err == nil:
		x.h.observe("right")
		answer()
	case errors.Is(err, ErrNothing):
		x.h.observe("wrong")
		x.settle()
		wrong()
	default:
		x.h.observe("away")
		x.settle()
		x.away(err)
	}
}

func (h *handler) observe(result string) {
	if h.cfg.Observe != nil {
		h.cfg.Observe(result)
	}
}

// away says that something of ours does not answer. The log gets what it is;
// errors of Temporal and of the ledger hold nothing that visitors typed.
func (x *exchange) away(err error) {
	x.h.cfg.Logger.WarnContext(x.r.Context(), "pick-up page: can't serve; see whether Temporal, its workers and the ledger answer", "pattern", x.r.Pattern, "error", err)
	x.w.Header().Set("Retry-After", "120")
	x.show(http.StatusServiceUnavailable, "away", nil)
}

// nothing is the answer to everybody who has no open visit, for whatever
// reason.
func (x *exchange) nothing() { x.show(http.StatusNotFound, "nothing", nil) }

// field returns what was typed into a form's field, on one line and not longer
// than any right answer.
func (x *exchange) field(name string) string {
	s := strings.TrimSpace(x.r.PostFormValue(name))
	if len(s) > maxField {
		s = s[:maxField]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}

// trap is a field that people don't see, and that machines which fill in
// whatever they find fill in too. Made-up codes of six digits would lock a link
// before its owner has come, and not every scanner of mail only looks.
const trap = "remarks"

// maxField bounds a field, in bytes.
const maxField = 200

// readable reports whether the form could be read, and answers if not.
func (x *exchange) readable() bool {
	err := x.r.ParseForm()
	if err == nil {
		return true
	}
	x.show(http.StatusBadRequest, "unreadable", nil)
	return false
}

// random returns 128 random bits.
func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// view is what a page is made of.
type view struct {
	x         *exchange
	Name      string
	Title     string
	Lang, Dir string
	Org       Organisation
	Logo      bool
	Languages []choice
	Problems  []problem
	D         any // of this page alone
}

// choice is a link to the same page in another language.
type choice struct {
	Tag, Dir, Name, URL string
	Current             bool
}

func (x *exchange) view(name string, data any, problems []problem) view {
	v := view{
		x: x, Name: name, Title: x.words.text[name+".title"], Lang: x.words.tag, Dir: x.words.locale.Dir,
		Org: x.h.cfg.Organisation, Logo: len(x.h.cfg.Organisation.Logo) > 0, Problems: problems, D: data,
	}
	for _, c := range x.h.words.all {
		v.Languages = append(v.Languages, choice{
			Tag: c.tag, Dir: c.locale.Dir, Name: c.text["language"], Current: c == x.words,
			URL: getPath(x.r) + "?lang=" + url.QueryEscape(c.tag),
		})
	}
	return v
}

// getPath returns the path that shows the page again. Forms within a visit are
// answered at paths that can't be asked for.
func getPath(r *http.Request) string {
	switch r.URL.Path {
	case "/", "/p", "/p/again", "/p/next", "/p/pass", "/p/closed", "/not-me", "/vouch":
		return r.URL.Path
	}
	if strings.HasPrefix(r.URL.Path, "/p/") {
		return "/p/next"
	}
	return "/"
}

// T words key. The pairs fill the words in braces: name, value, name, value.
func (v view) T(key string, pairs ...string) (string, error) { return v.x.words.say(key, pairs...) }

// URL returns one of our paths, in the visitor's language.
func (v view) URL(path string) string { return v.x.url(path) }

// Wrong returns the problem of a field; empty if there is none.
func (v view) Wrong(field string) string {
	for _, p := range v.Problems {
		if p.Field == field {
			return p.Text
		}
	}
	return ""
}

// Try names one showing of a form, so that a button pressed twice asks once.
func (view) Try() string { return random() }

// Asset returns the address of one of our files.
func (v view) Asset(name string) string { return v.x.h.assets.url(name) }
