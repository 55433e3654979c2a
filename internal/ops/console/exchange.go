package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages are the templates by name: each has the layout around it, and those
// that update themselves a part called live.
type pages map[string]*template.Template

func loadPages() (pages, error) {
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("console: pages: %w", err)
	}
	words := template.FuncMap{
		"stage": stageWord, "tone": tone, "kind": kindWord, "verb": verbWord, "plain": plain, "many": many,
		"cause": cause,
	}
	out := pages{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := template.New("layout.html").Funcs(words).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html", file)
		if err != nil {
			return nil, fmt.Errorf("console: pages: %w", err)
		}
		out[name] = t
	}
	return out, nil
}

func (p pages) execute(w io.Writer, name, part string, data any) error {
	t, ok := p[name]
	if !ok {
		return fmt.Errorf("console: no page %s", name)
	}
	return t.ExecuteTemplate(w, part, data)
}

// The cookies. Their prefix binds them to this host: no neighbour can set them.
const (
	cookieZone = "__Host-firstpass-zone"
	cookieNote = "__Host-firstpass-note"
)

// maxNote bounds the sentence that goes with a redirect, in bytes.
const maxNote = 1 << 10

// exchange is one request and its answer.
type exchange struct {
	*handler
	w    http.ResponseWriter
	r    *http.Request
	who  access.Identity
	zone *time.Location
	now  time.Time
}

func (x *exchange) ctx() context.Context { return x.r.Context() }

// page makes a handler of serve. Nobody who has not signed in gets further.
func (h *handler) page(serve func(*exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{handler: h, w: w, r: r, zone: h.Zone, now: h.Now()}
		if c, err := r.Cookie(cookieZone); err == nil {
			if name, err := url.QueryUnescape(c.Value); err == nil {
				if loc, err := jml.LoadZone(name); err == nil {
					x.zone = loc
				}
			}
		}
		var ok bool
		if x.who, ok = access.From(r.Context()); !ok {
			x.refuse(&ops.Refusal{Kind: ops.RefusedSignIn, What: "you are not signed in", Do: "sign in, then open this page again"})
			return
		}
		serve(x)
	})
}

// view is what every page has.
type view struct {
	Title, Section string
	Organisation   string
	Version        string
	Assets         string
	Who            access.Identity
	Zone           *time.Location
	Now            time.Time
	Note           string // what was just done
	Runbooks       bool
}

func (x *exchange) view(section, title string) view {
	return view{
		Title: title, Section: section, Organisation: x.Organisation, Version: x.Version, Assets: x.assets.prefix,
		Who: x.who, Zone: x.zone, Now: x.now, Runbooks: x.runbooks.html != "",
	}
}

// stamp is a moment as a page shows it.
type stamp struct{ ISO, Text string }

// At is t in the operator's zone.
func (v view) At(t time.Time) stamp { return at(t, v.Zone) }

// Clock is the time of day of t in the operator's zone.
func (v view) Clock(t time.Time) stamp {
	s := at(t, v.Zone)
	if s.ISO != "" {
		s.Text = t.In(v.Zone).Format("15:04")
	}
	return s
}

func at(t time.Time, zone *time.Location) stamp {
	if t.IsZero() {
		return stamp{}
	}
	return stamp{ISO: t.UTC().Format(time.RFC3339), Text: t.In(zone).Format("Mon 2 Jan 2006, 15:04")}
}

// Rel says how far t is from now.
func (v view) Rel(t time.Time) string {
	switch d := t.Sub(v.Now); {
	case t.IsZero():
		return ""
	case d > 0:
		return "in " + span(d)
	default:
		return span(d) + " ago"
	}
}

// For says how long t has lasted.
func (v view) For(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return span(v.Now.Sub(t))
}

// ZoneName is the operator's zone with its offset now.
func (v view) ZoneName() string { return zoneName(v.Zone, v.Now) }

func zoneName(zone *time.Location, now time.Time) string {
	if zone == time.UTC || zone.String() == "UTC" {
		return "UTC"
	}
	return zone.String() + " (UTC" + now.In(zone).Format("-07:00") + ")"
}

// show answers with a page.
func (x *exchange) show(status int, name string, data any) {
	x.answer(status, name, "layout.html", data)
}

func (x *exchange) answer(status int, name, part string, data any) {
	var out bytes.Buffer
	if err := x.pages.execute(&out, name, part, data); err != nil {
		x.Logger.Error("console: a page could not be made", "page", name, "error", err)
		http.Error(x.w, "This page could not be made. The log says why.", http.StatusInternalServerError)
		return
	}
	x.send(status, out.Bytes())
}

func (x *exchange) send(status int, body []byte) {
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a browser that went away has nobody to tell
}

// part answers with a part of a page, or says that it is as it was.
func (x *exchange) part(body []byte, tag string) {
	x.w.Header().Set("ETag", tag)
	if slices.Contains(strings.Split(x.r.Header.Get("If-None-Match"), ", "), tag) {
		x.w.WriteHeader(http.StatusNotModified)
		return
	}
	x.send(http.StatusOK, body)
}

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// redirect goes on to a path of our own.
func (x *exchange) redirect(to string) { http.Redirect(x.w, x.r, to, http.StatusSeeOther) }

// local reports whether to is a path of this host: browsers read "//host" and
// "/\host" as others.
func local(to string) bool {
	u, err := url.Parse(to)
	return err == nil && strings.HasPrefix(to, "/") && u.Scheme == "" && u.Host == "" && u.User == nil &&
		!strings.HasPrefix(to, "//") && !strings.ContainsFunc(to, func(r rune) bool { return r == '\\' || r < ' ' })
}

// leave puts a sentence into a cookie for the page that comes next.
func (x *exchange) leave(note string) {
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "")
	}
	x.cookie(cookieNote, base64.RawURLEncoding.EncodeToString([]byte(note)), time.Minute)
}

// note takes that sentence.
func (x *exchange) note() string {
	c, err := x.r.Cookie(cookieNote)
	if err != nil {
		return ""
	}
	x.cookie(cookieNote, "", -1)
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(raw) > maxNote {
		return ""
	}
	return strings.ToValidUTF8(string(raw), "")
}

func (x *exchange) cookie(name, value string, age time.Duration) {
	seconds := int(age.Seconds())
	if age < 0 {
		seconds = -1
	}
	http.SetCookie(x.w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// refuse answers with the page of a refusal, and of anything else that went
// wrong.
func (x *exchange) refuse(err error) {
	var no *ops.Refusal
	if !errors.As(err, &no) {
		if x.ctx().Err() == nil {
			x.Logger.Error("console: a request failed", "page", x.r.Pattern, "error", err)
		}
		x.problem(http.StatusInternalServerError, "This did not work", "something unforeseen went wrong", "try again; if it stays so, the log of the operations service says why")
		return
	}
	x.problem(status(no.Kind), heading(no.Kind), no.What, no.Do)
}

// problemPage says why there is nothing else to see.
type problemPage struct {
	view
	What, Do string
	SignIn   bool
}

func (x *exchange) problem(code int, title, what, do string) {
	p := problemPage{view: x.view("", title), What: sentence(what), Do: sentence(do), SignIn: code == http.StatusUnauthorized}
	x.show(code, "problem", p)
}

// sentence begins s with a capital and ends it with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if c := s[0]; c >= 'a' && c <= 'z' && !strings.HasPrefix(s, "firstpass ") {
		s = string(c-'a'+'A') + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") && !strings.HasSuffix(s, "!") {
		s += "."
	}
	return s
}

func status(k ops.RefusalKind) int {
	switch k {
	case ops.RefusedSignIn:
		return http.StatusUnauthorized
	case ops.RefusedForbidden:
		return http.StatusForbidden
	case ops.RefusedInvalid:
		return http.StatusBadRequest
	case ops.RefusedMissing:
		return http.StatusNotFound
	case ops.RefusedState:
		return http.StatusConflict
	case ops.RefusedVersion:
		return http.StatusPreconditionFailed
	case ops.RefusedAway:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func heading(k ops.RefusalKind) string {
	switch k {
	case ops.RefusedSignIn:
		return "You are not signed in"
	case ops.RefusedForbidden:
		return "Your roles do not allow this"
	case ops.RefusedInvalid:
		return "Something is missing"
	case ops.RefusedMissing:
		return "There is no such thing"
	case ops.RefusedState:
		return "Not as things stand"
	case ops.RefusedVersion:
		return "Somebody was quicker"
	case ops.RefusedAway:
		return "Not at the moment"
	}
	return "This did not work"
}

func (x *exchange) missing() {
	x.problem(http.StatusNotFound, "There is no such page", "nothing is at this address", "")
}

func (x *exchange) foreign() {
	x.problem(http.StatusForbidden, "This came from another page", "nothing was done: the form was not one of this console", "open the page here and do it again")
}

// Short is t in the operator's zone, without the year if it is this one.
func (v view) Short(t time.Time) stamp {
	s := at(t, v.Zone)
	if s.ISO != "" {
		s.Text = short(t, v.Now, v.Zone)
	}
	return s
}

func short(t, now time.Time, zone *time.Location) string {
	if t = t.In(zone); t.Year() == now.In(zone).Year() {
		return t.Format("Mon 2 Jan, 15:04")
	}
	return t.Format("Mon 2 Jan 2006, 15:04")
}
