package mailbox

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/cmd/dev/local"
)

//go:embed web
var web embed.FS

// longestWait bounds a wait over HTTP.
const longestWait = 10 * time.Minute

type listPage struct {
	Mails   []Mail
	Version string
}

type mailPage struct {
	Mail   Mail
	Tenant string
}

// pageHandler is the mailbox as people see it, and a JSON view for tests and
// for `firstpass-dev person`.
func (b *Mailbox) pageHandler() http.Handler {
	pages := template.Must(template.New("").Funcs(local.Functions()).Funcs(template.FuncMap{
		"join":  joinAddresses,
		"frame": framed,
	}).ParseFS(web, "web/*.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		mails := b.Mails()
		slices.Reverse(mails)
		local.Render(w, pages, "list.html", local.LivePolicy, listPage{Mails: mails, Version: version(mails)})
	})
	mux.HandleFunc("GET /mail/{id}", func(w http.ResponseWriter, r *http.Request) {
		m, ok := b.find(r.PathValue("id"))
		if !ok {
			http.Error(w, "There is no such mail. The list is at /.", http.StatusNotFound)
			return
		}
		// The frame inherits this policy, and mail is styled in its elements.
		local.Render(w, pages, "mail.html", "style-src 'self' 'unsafe-inline'", mailPage{Mail: m, Tenant: b.cfg.Tenant})
	})
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		mails := b.Mails()
		slices.Reverse(mails)
		local.AnswerJSON(w, http.StatusOK, map[string]string{"version": version(mails)})
	})
	mux.HandleFunc("GET /api/mails", func(w http.ResponseWriter, r *http.Request) {
		mails := b.Mails()
		if to := r.URL.Query().Get("to"); to != "" {
			mails = b.MailsTo(to)
		}
		local.AnswerJSON(w, http.StatusOK, map[string][]Mail{"mails": mails})
	})
	mux.HandleFunc("GET /api/wait", b.waitHTTP)
	return local.Guard(mux)
}

// waitHTTP answers the n-th mail (default: the first) to an address once it is
// there.
func (b *Mailbox) waitHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, err := 1, error(nil)
	if s := q.Get("n"); s != "" {
		n, err = strconv.Atoi(s)
	}
	if err != nil || n < 1 || q.Get("to") == "" {
		local.AnswerJSON(w, http.StatusBadRequest, map[string]string{"error": "want to=ADDRESS and, if not 1, n=NUMBER"})
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), longestWait, errors.New("waited long enough"))
	defer cancel()
	m, err := b.WaitFor(ctx, q.Get("to"), n)
	if err != nil {
		local.AnswerJSON(w, http.StatusRequestTimeout, map[string]string{"error": err.Error()})
		return
	}
	local.AnswerJSON(w, http.StatusOK, m)
}

func (b *Mailbox) find(id string) (Mail, bool) {
	mails := b.Mails()
	i := slices.IndexFunc(mails, func(m Mail) bool { return m.ID == id })
	if i < 0 {
		return Mail{}, false
	}
	return mails[i], true
}

// version changes with every mail.
func version(newestFirst []Mail) string {
	if len(newestFirst) == 0 {
		return "empty"
	}
	return newestFirst[0].ID
}

func joinAddresses(list []Address) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// framed is a mail for its frame: what it links to opens in a tab of its own,
// because no page of worth lets itself be shown in a frame.
func framed(html string) string { return `<base target="_blank">` + html }

func addresses(list []Address) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Email)
	}
	return out
}
