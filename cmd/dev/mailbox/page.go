package mailbox

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"firstpass.internal/cmd/dev/local"
)

//go:embed web
var web embed.FS

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
		m, ok := b.mails.Find(func(m Mail) bool { return m.ID == r.PathValue("id") })
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
	mux.HandleFunc("GET /api/wait", func(w http.ResponseWriter, r *http.Request) { local.AnswerWait(w, r, "ADDRESS", b.WaitFor) })
	return local.Guard(mux)
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
