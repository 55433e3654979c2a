package phone

import (
	"embed"
	"html/template"
	"net/http"
	"slices"

	"firstpass.internal/cmd/dev/local"
)

//go:embed web
var web embed.FS

// view is the page: all numbers and, if one is chosen, what it got.
type view struct {
	Phones  []summary
	Number  string
	Texts   []Text
	Version string
	Latest  string
}

// summary is a number in the list.
type summary struct {
	Number string
	Last   Text
	Texts  int
}

// pageHandler is the phones as people see them, and a JSON view for tests.
func (p *Phones) pageHandler() http.Handler {
	pages := template.Must(template.New("").Funcs(local.Functions()).ParseFS(web, "web/*.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		local.Render(w, pages, "phone.html", local.LivePolicy, p.view(""))
	})
	mux.HandleFunc("GET /to/{number}", func(w http.ResponseWriter, r *http.Request) {
		v := p.view(r.PathValue("number"))
		if len(v.Texts) == 0 {
			http.Error(w, "No text went to that number. The list is at /.", http.StatusNotFound)
			return
		}
		local.Render(w, pages, "phone.html", local.LivePolicy, v)
	})
	mux.HandleFunc("GET /phone.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, web, "web/phone.css")
	})
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		local.AnswerJSON(w, http.StatusOK, map[string]string{"version": p.view("").Version})
	})
	mux.HandleFunc("GET /api/texts", func(w http.ResponseWriter, r *http.Request) {
		texts := p.Texts()
		if to := r.URL.Query().Get("to"); to != "" {
			texts = p.TextsTo(to)
		}
		local.AnswerJSON(w, http.StatusOK, map[string][]Text{"texts": texts})
	})
	mux.HandleFunc("GET /api/wait", func(w http.ResponseWriter, r *http.Request) {
		local.AnswerWait(w, r, "NUMBER (its + as %2B)", p.WaitFor)
	})
	return local.Guard(mux)
}

func (p *Phones) view(number string) view {
	v := view{Number: number, Version: "empty"}
	texts := p.Texts()
	for _, t := range slices.Backward(texts) { // who got the last text stands first
		i := slices.IndexFunc(v.Phones, func(s summary) bool { return s.Number == t.To })
		if i < 0 {
			v.Phones = append(v.Phones, summary{Number: t.To, Last: t, Texts: 1})
			continue
		}
		v.Phones[i].Texts++
	}
	if len(texts) > 0 {
		last := texts[len(texts)-1]
		v.Version, v.Latest = last.SID, "New text to "+last.To+": "+last.Body
	}
	for _, t := range texts {
		if t.To == number {
			v.Texts = append(v.Texts, t)
		}
	}
	return v
}

// Sender is what the phone shows above a text.
func (t Text) Sender() string {
	if t.From != "" {
		return t.From
	}
	return "Messaging service"
}
