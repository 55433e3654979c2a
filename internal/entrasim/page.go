package entrasim

import (
	"embed"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"slices"
	"time"
)

//go:embed web
var web embed.FS

// said maps the short name a redirect carries to the sentence shown, so that no
// text travels in an address.
func said(code string) string {
	return map[string]string{
		"signed-in":                 "Signed in. Now register a method in this session.",
		"registered":                "The method is registered.",
		string(RefusedUnknownUser):  "There is no such user.",
		string(RefusedDisabled):     "The user is disabled.",
		string(RefusedWrongCode):    "That is not the user's passcode.",
		string(RefusedNotYetValid):  "The pass is not valid yet.",
		string(RefusedNotReady):     "The pass is too new; try again in a moment.",
		string(RefusedExpired):      "The pass has expired.",
		string(RefusedUsed):         "The pass worked once and has been used.",
		string(RefusedDeleted):      "The pass was deleted.",
		string(RefusedByPolicy):     "The policy blocks this pass.",
		string(RefusedNoSession):    "There is no such session.",
		string(RefusedSessionEnded): "The session has ended.",
		string(RefusedTooLate):      "Too late: a one-time pass gives ten minutes.",
		"failed":                    "That did not work; see the log.",
	}[code]
}

type pageData struct {
	TenantID, URL, Said string
	OK                  bool
	Now                 time.Time
	Users               []userView
	Sessions            []pageSession
	Requests            []Request
	Counts              Counts
	Kinds               []MethodKind
}

type pageSession struct {
	Session
	UPN string
}

func (t *Tenant) pageRoutes(mux *http.ServeMux) {
	page := template.Must(template.New("page.html").Funcs(template.FuncMap{
		"at": func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") },
	}).ParseFS(web, "web/page.html"))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Execute(w, t.pageData(r.URL.Query().Get("said"))); err != nil {
			t.cfg.Logger.Error("management page", "error", err)
		}
	})
	mux.HandleFunc("GET /sim/page.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, web, "web/page.css")
	})
}

func (t *Tenant) pageData(code string) pageData {
	d := pageData{TenantID: t.cfg.TenantID, URL: t.URL(), Said: said(code), OK: code == "signed-in" || code == "registered",
		Users: t.userViews(), Counts: t.Counts(),
		Kinds: []MethodKind{KindFIDO2, KindWindowsHello, KindAuthenticator, KindPlatform, KindPhone, KindSoftwareOath, KindEmail, KindExternal, KindQRCodePin}}
	d.Requests = t.Requests()
	d.Requests = d.Requests[max(0, len(d.Requests)-25):]
	slices.Reverse(d.Requests)
	t.mu.Lock()
	defer t.mu.Unlock()
	d.Now = t.now()
	for _, s := range slices.Backward(t.st.Sessions) {
		if u := t.st.user(s.UserID); u != nil && s.Ended.IsZero() && d.Now.Before(s.Expires) {
			d.Sessions = append(d.Sessions, pageSession{*s, u.UPN})
		}
	}
	return d
}

func isForm(r *http.Request) bool {
	mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return mt == "application/x-www-form-urlencoded"
}

func (t *Tenant) signInForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, requestLimit)
	_, err := t.SignIn(r.PostFormValue("userPrincipalName"), r.PostFormValue("passcode"))
	seeOther(w, r, "signed-in", err)
}

func (t *Tenant) registerForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, requestLimit)
	_, err := t.Register(Session{ID: r.PostFormValue("sessionId")}, Method{Kind: MethodKind(r.PostFormValue("kind")),
		AAGUID: r.PostFormValue("aaguid"), DisplayName: r.PostFormValue("displayName"), PhoneNumber: r.PostFormValue("phoneNumber")})
	seeOther(w, r, "registered", err)
}

// seeOther goes back to the page, so that a reload does not post again.
func seeOther(w http.ResponseWriter, r *http.Request, code string, err error) {
	if why := SignInRefusal(""); errors.As(err, &why) {
		code = string(why)
	} else if err != nil {
		code = "failed"
	}
	http.Redirect(w, r, "/?said="+code, http.StatusSeeOther)
}
