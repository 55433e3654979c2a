package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed web
var web embed.FS

// longestWait bounds a wait over HTTP.
const longestWait = 10 * time.Minute

type listPage struct {
	Mails   []mail
	Version string
	Nonce   string
	Tenant  string
}

type mailPage struct {
	Mail   mail
	Tenant string
}

// pageHandler is the mailbox as people see it, and a JSON view for tests and
// for `firstpass-dev person`.
func (b *mailbox) pageHandler() http.Handler {
	pages := template.Must(template.New("").Funcs(template.FuncMap{
		"iso":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"when": func(t time.Time) string { return t.Local().Format("Mon 2 Jan 15:04:05") },
		"join": joinAddresses,
	}).ParseFS(web, "web/*.html"))
	mux := http.NewServeMux()
	render := func(w http.ResponseWriter, name, csp string, data any) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+csp)
		_ = pages.ExecuteTemplate(w, name, data) // the reader may be gone
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		mails := b.Mails()
		slices.Reverse(mails)
		nonce := pageNonce()
		render(w, "list.html", "style-src 'self'; connect-src 'self'; script-src 'nonce-"+nonce+"'",
			listPage{Mails: mails, Version: version(mails), Nonce: nonce, Tenant: b.cfg.Tenant})
	})
	mux.HandleFunc("GET /mail/{id}", func(w http.ResponseWriter, r *http.Request) {
		m, ok := b.find(r.PathValue("id"))
		if !ok {
			http.Error(w, "There is no such mail. The list is at /.", http.StatusNotFound)
			return
		}
		// The frame inherits this policy, and mail is styled in its elements.
		render(w, "mail.html", "style-src 'self' 'unsafe-inline'", mailPage{Mail: m, Tenant: b.cfg.Tenant})
	})
	mux.HandleFunc("GET /page.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, web, "web/page.css")
	})
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		mails := b.Mails()
		slices.Reverse(mails)
		answerJSON(w, http.StatusOK, map[string]string{"version": version(mails)})
	})
	mux.HandleFunc("GET /api/mails", func(w http.ResponseWriter, r *http.Request) {
		mails := b.Mails()
		if to := r.URL.Query().Get("to"); to != "" {
			mails = b.MailsTo(to)
		}
		answerJSON(w, http.StatusOK, map[string][]mail{"mails": mails})
	})
	mux.HandleFunc("GET /api/wait", b.waitHTTP)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !loopbackName(r.Host) {
			// A name elsewhere that was made to point here (DNS rebinding).
			http.Error(w, "Ask for a loopback name.", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// waitHTTP answers the n-th mail (default: the first) to an address once it is
// there.
func (b *mailbox) waitHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, err := 1, error(nil)
	if s := q.Get("n"); s != "" {
		n, err = strconv.Atoi(s)
	}
	if err != nil || n < 1 || q.Get("to") == "" {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": "want to=ADDRESS and, if not 1, n=NUMBER"})
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), longestWait, errors.New("waited long enough"))
	defer cancel()
	m, err := b.WaitFor(ctx, q.Get("to"), n)
	if err != nil {
		answerJSON(w, http.StatusRequestTimeout, map[string]string{"error": err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, m)
}

func (b *mailbox) find(id string) (mail, bool) {
	mails := b.Mails()
	i := slices.IndexFunc(mails, func(m mail) bool { return m.ID == id })
	if i < 0 {
		return mail{}, false
	}
	return mails[i], true
}

// version changes with every mail.
func version(newestFirst []mail) string {
	if len(newestFirst) == 0 {
		return "empty"
	}
	return newestFirst[0].ID
}

func joinAddresses(list []address) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func pageNonce() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func loopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, fmt.Sprint("can't be written as JSON: ", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n')) // the client may be gone
}
