package eidsim

import (
	"net/http"
	"net/url"
)

// pageText is the page on which a person picks who he is. It says that it is a
// simulation wherever somebody may look: in the title, on top and at the end.
const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simulated eID: who are you?</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 34rem; padding: 1rem; font: 1.1rem/1.5 system-ui, sans-serif; color: light-dark(#1a1a1a, #f0f0f0); background: light-dark(#fff, #16181c); }
h1 { font-size: 1.6rem; line-height: 1.25; }
.note { border-left: .4rem solid light-dark(#8a5a00, #ffcf70); background: light-dark(#fff5e0, #2c2413); padding: .6rem 1rem; margin: 0; }
fieldset { border: 0; padding: 0; margin: 1.5rem 0; }
legend { font-weight: 600; padding: 0; }
.who { display: flex; gap: .8rem; align-items: flex-start; min-height: 44px; padding: .5rem 0; }
.who input { width: 1.5rem; height: 1.5rem; margin: .15rem 0 0; flex: none; }
.soft { display: block; font-size: .95rem; color: light-dark(#4d4d4d, #c4c4c4); overflow-wrap: anywhere; }
button { font: inherit; min-height: 44px; padding: .5rem 1.2rem; margin: 0 .5rem .5rem 0; border: 2px solid light-dark(#0b4f8a, #8cc4ff); border-radius: .3rem; background: light-dark(#0b4f8a, #8cc4ff); color: light-dark(#fff, #101317); cursor: pointer; }
button.second { background: transparent; color: light-dark(#0b4f8a, #8cc4ff); }
:focus-visible { outline: 3px solid light-dark(#b35900, #ffcf70); outline-offset: 2px; }
</style>
</head>
<body>
<header><p class="note">This is a simulation of an electronic identity. Nobody is identified here.</p></header>
<main>
<h1>Simulated eID: who are you?</h1>
<form method="post" action="/authorise">
<input type="hidden" name="request" value="{{.Request}}">
<fieldset>
<legend>Sign in as</legend>
{{range $i, $p := .Personas}}<div class="who"><input type="radio" name="persona" id="persona-{{$i}}" value="{{$p.Key}}" required aria-describedby="about-{{$i}}"><div><label for="persona-{{$i}}">{{$p.GivenName}} {{$p.FamilyName}}</label><span class="soft" id="about-{{$i}}">born {{$p.Birthdate}}, level {{$p.ACR}}</span></div></div>
{{end}}</fieldset>
{{with .ACR}}<p class="soft">Level asked for: {{.}}</p>{{end}}
<button name="do" value="sign-in">Sign in</button>
<button class="second" name="do" value="cancel" formnovalidate>Cancel</button>
</form>
</main>
<footer><p class="soft">Simulated eID broker at {{.URL}}.</p></footer>
</body>
</html>
`

// show asks the person. The request stays here; the form carries a random name
// for it.
func (p *Provider) show(w http.ResponseWriter, req request) {
	p.mu.Lock()
	id := p.draw("request")
	p.waiting[id] = req
	p.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// Chromium applies form-action to the redirect as well.
	to, _ := url.Parse(p.cfg.RedirectURL) // Start parsed it
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+to.Scheme+"://"+to.Host)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	err := p.page.Execute(w, struct {
		Request, ACR, URL string
		Personas          []Persona
	}{id, req.acr, p.url, p.cfg.Personas})
	if err != nil {
		p.cfg.Logger.Error("page", "error", err)
	}
}

// picked is the person's answer. It works once.
func (p *Provider) picked(w http.ResponseWriter, r *http.Request, f Faults) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "simulation: not a form", http.StatusBadRequest)
		return
	}
	id := r.PostForm.Get("request")
	p.mu.Lock()
	req, known := p.waiting[id]
	delete(p.waiting, id)
	p.mu.Unlock()
	if !known {
		http.Error(w, "simulation: this page was answered already; go back to where you came from and start again", http.StatusBadRequest)
		return
	}
	who, ok := p.persona(r.PostForm.Get("persona"))
	switch {
	case r.PostForm.Get("do") == "cancel":
		p.back(w, r, req, f, url.Values{"error": {"access_denied"}, "error_description": {"the person cancelled"}})
	case ok:
		p.signedIn(w, r, req, f, who)
	default:
		http.Error(w, "simulation: pick somebody", http.StatusBadRequest)
	}
}
