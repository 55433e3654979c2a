package local

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

//go:embed page.css
var style string

//go:embed live.js
var live string

// LivePolicy lets a page use GET /page.css and GET /live.js.
const LivePolicy = "style-src 'self'; connect-src 'self'; script-src 'self'"

// Guard serves pages that people read on this machine. It answers nobody who
// came by a name from elsewhere that was made to point here (DNS rebinding),
// and adds what pages share: GET /page.css, their look, and GET /live.js, which
// keeps the element with the id live up to date while GET /api/version answers
// another version than its data-version.
func Guard(pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	for name, text := range map[string]string{"page.css": style, "live.js": live} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, name, time.Time{}, strings.NewReader(text))
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !loopbackName(r.Host) {
			http.Error(w, "Ask for a loopback name.", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func loopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Render writes a page that may load nothing but what csp adds.
func Render(w http.ResponseWriter, pages *template.Template, name, csp string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+csp)
	_ = pages.ExecuteTemplate(w, name, data) // the reader may be gone
}

// Functions are what templates of such pages may call.
func Functions() template.FuncMap {
	return template.FuncMap{
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"when":   func(t time.Time) string { return t.Local().Format("Mon 2 Jan 15:04:05") },
		"linked": linked,
	}
}

// linked is text in which each web address can be clicked. It opens in a tab of
// its own, as a mail program does it.
func linked(text string) template.HTML {
	var out strings.Builder
	rest := 0
	for _, at := range webAddress().FindAllStringIndex(text, -1) {
		address := template.HTMLEscapeString(text[at[0]:at[1]])
		out.WriteString(template.HTMLEscapeString(text[rest:at[0]]))
		fmt.Fprintf(&out, `<a href="%s" target="_blank" rel="noopener noreferrer">%[1]s</a>`, address)
		rest = at[1]
	}
	out.WriteString(template.HTMLEscapeString(text[rest:]))
	return template.HTML(out.String()) // every part was escaped
}

// webAddress finds addresses; the full stop after one ends the sentence.
func webAddress() *regexp.Regexp {
	return regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)\]]`)
}

// AnswerJSON writes v for people and programs alike.
func AnswerJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, fmt.Sprint("can't be written as JSON: ", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n')) // the client may be gone
}
