package access

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed web/page.html web/page.css
var web embed.FS

// notice is a page of few words: the gate shows no other.
type notice struct {
	status  int
	Title   string
	Says    []string // sentences, one paragraph each
	Roles   []roleNote
	Link    string // what to do next; empty: nothing
	LinkTo  string
	Second  string
	Other   string // its address
	Company string
}

type roleNote struct{ Name, May string }

// roleNotes says what each role may do, in the words of docs/access.md.
func roleNotes() []roleNote {
	return []roleNote{
		{string(Viewer), "sees journeys, passes and feeds"},
		{string(Operator), "sees and steers: holds, resends, reissues, revokes, stops"},
		{string(Approver), "sees, and approves or refuses what others asked for"},
		{string(Auditor), "sees, reads and exports the ledger, erases personal data"},
		{string(Desk), "vouches for employees in front of them, finds them by name"},
	}
}

func loadPage() (*template.Template, error) {
	t, err := template.ParseFS(web, "web/page.html")
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	return t, nil
}

// show answers with the page.
func (g *Gate) show(w http.ResponseWriter, n notice) {
	n.Company = g.cfg.Organisation
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if n.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(n.status)
	if err := g.page.Execute(w, n); err != nil {
		g.cfg.Log.Debug("sign-in page not written", "error", err) // the browser may be gone
	}
}

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, web, "web/page.css")
}
