package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"firstpass.internal/internal/audit"
)

// What the gate writes into the ledger.
const (
	EventSignedIn  audit.Event = "access.signedIn"  // somebody is about to be let in, by a browser
	EventRefused   audit.Event = "access.refused"   // somebody was not let in
	EventSignedOut audit.Event = "access.signedOut" // a session is about to be ended
)

// Recorder takes the rows: the ledger does.
type Recorder interface {
	Append(ctx context.Context, e audit.Entry) error
}

// Config says who is let in.
type Config struct {
	// URL is what browsers call us: https://host, no path. Its callback,
	// URL/sign-in/callback, is registered with the identity provider.
	URL string
	// Issuer is that of one tenant, as it writes it itself, letter for letter:
	// https://login.microsoftonline.com/TENANT/v2.0.
	Issuer       string
	ClientID     string
	ClientSecret string
	Audience     string // of access tokens; default ClientID
	CAFile       string // authorities in PEM to trust beside the system's
	// Groups gives roles to members of groups, by object id, besides app roles.
	Groups map[string][]string
	// Idle ends a session that nobody uses, Longest any; defaults 30 minutes
	// and 12 hours.
	Idle, Longest time.Duration
	// API lists the paths that programs ask for, each with a slash at its end;
	// default /v1/. They are answered 401 instead of being led to sign in.
	API []string
	// Organisation and Help are shown to whom is not let in: who we are, and
	// whom to ask.
	Organisation, Help string
	Sessions           Store
	Audit              Recorder
	Now                func() time.Time // default time.Now
	Log                *slog.Logger     // default: discards
}

// rolesEvery is how often the roles of a session are read again at the identity
// provider: a role that was taken away ends that soon.
const rolesEvery = 15 * time.Minute

// streamLimit ends answers that never end by themselves, so that whoever watches
// comes back and is looked at anew.
const streamLimit = 5 * time.Minute

// Gate lets people and machines in.
type Gate struct {
	cfg      Config
	groups   map[Role][]string
	provider *provider
	sessions *sessions
	attempts *attempts
	page     *template.Template
	https    bool
	cross    *http.CrossOriginProtection

	// refusals bounds the rows that strangers can make us write.
	refusals *rate.Limiter
	skipped  struct {
		sync.Mutex
		count int
	}
	reading sync.Map // ids of sessions whose roles are being read
}

// New checks the configuration and does nothing on the network: an identity
// provider that is down keeps nobody from starting.
func New(cfg Config) (*Gate, error) {
	if cfg.Audience == "" {
		cfg.Audience = cfg.ClientID
	}
	if cfg.Idle == 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.Longest == 0 {
		cfg.Longest = defaultLongest
	}
	if cfg.API == nil {
		cfg.API = []string{"/v1/"}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	u, err := url.Parse(cfg.URL)
	var found []error
	add := func(bad bool, text string) {
		if bad {
			found = append(found, errors.New("access: "+text))
		}
	}
	add(err != nil || !secure(cfg.URL) || u.Path != "" || u.RawQuery != "", "URL is not of the form https://host")
	add(!secure(cfg.Issuer), "the issuer is not of the form https://host/path")
	add(ManyTenants(cfg.Issuer), "the issuer is that of many tenants; write your own tenant's id into it")
	add(cfg.ClientID == "", "the client id is missing")
	add(cfg.ClientSecret == "", "the client secret is missing")
	add(cfg.Sessions == nil || cfg.Audit == nil, "a session store and an auditor are needed")
	add(cfg.Idle < 0 || cfg.Longest < cfg.Idle, "Idle must be positive and Longest no shorter")
	groups := map[Role][]string{}
	for name, ids := range cfg.Groups {
		add(!slices.Contains(Roles(), Role(name)), fmt.Sprintf("groups: there is no role %q", name))
		groups[Role(name)] = ids
	}
	if err := errors.Join(found...); err != nil {
		return nil, err
	}
	client, err := newClient(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	g := &Gate{cfg: cfg, groups: groups, https: u.Scheme == "https", refusals: rate.NewLimiter(rate.Every(time.Second), 60)}
	g.provider = &provider{issuer: cfg.Issuer, clientID: cfg.ClientID, clientSecret: cfg.ClientSecret, audience: cfg.Audience,
		redirectURL: cfg.URL + "/sign-in/callback", now: cfg.Now, client: client, busy: make(chan struct{}, 1)}
	g.sessions = newSessions(cfg.Sessions, cfg.Idle, cfg.Longest, cfg.Now)
	if g.attempts, err = newAttempts(cfg.ClientSecret, cfg.Now); err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	if g.page, err = loadPage(); err != nil {
		return nil, err
	}
	g.cross = http.NewCrossOriginProtection()
	// A proxy may give us another Host than browsers see.
	if err := g.cross.AddTrustedOrigin(cfg.URL); err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	g.cross.SetDenyHandler(http.HandlerFunc(g.foreign))
	return g, nil
}

// ManyTenants reports whether an issuer of Entra's stands for more than one
// tenant: anybody's employees could sign in.
//
// Source: learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
func ManyTenants(issuer string) bool {
	low := strings.ToLower(issuer)
	return slices.ContainsFunc([]string{"/common", "/organizations", "/consumers", "{", "%7b"}, func(s string) bool { return strings.Contains(low, s) })
}

// Handler lets in who may pass to next, with the Identity in the context. It
// answers /sign-in, what is under it, and /sign-out itself; of next, /assets/ is
// open to everybody and nothing else is.
func (g *Gate) Handler(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sign-in", g.begin)
	mux.HandleFunc("GET /sign-in/callback", g.callback)
	mux.HandleFunc("GET /sign-in/out", g.wentOut)
	mux.HandleFunc("GET /sign-in/cli", g.forPrograms)
	mux.HandleFunc("GET /sign-in/page.css", style)
	mux.HandleFunc("POST /sign-out", g.signOut)
	mux.HandleFunc("GET /assets/", func(w http.ResponseWriter, r *http.Request) {
		// An escaped slash may still lead out of the folder.
		if p := r.URL.Path; p != path.Clean(p) || strings.Contains(p, "\\") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	mux.Handle("/", g.guard(next))
	protected := g.cross.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.harden(w, r)
		protected.ServeHTTP(w, r)
	})
}

// harden sets what every answer carries. There is no inline script or style
// anywhere, and nothing of other hosts.
func (g *Gate) harden(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: browsers would then send "Origin: null" with our own
	// forms (Fetch, 3.1.1), which the protection against other sites refuses.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if g.https {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
	if !strings.HasPrefix(r.URL.Path, "/assets/") {
		h.Set("Cache-Control", "no-store")
	}
}

// guard finds out who asks.
func (g *Gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		var (
			who  Identity
			ends time.Time
			err  error
		)
		if g.api(r) && r.Header["Authorization"] != nil {
			who, err = g.fromToken(ctx, r)
		} else {
			who, ends, err = g.fromSession(ctx, w, r)
		}
		if err != nil {
			g.stop(w, r, who, err)
			return
		}
		ctx = With(ctx, who)
		if !ends.IsZero() && strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, min(ends.Sub(g.cfg.Now()), streamLimit))
			defer cancel()
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (g *Gate) api(r *http.Request) bool {
	return slices.ContainsFunc(g.cfg.API, func(p string) bool {
		return strings.HasPrefix(r.URL.Path, p) || r.URL.Path == strings.TrimSuffix(p, "/")
	})
}

// fromToken knows programs by their access token (RFC 6750). What stands beside
// it, a cookie or a proxy's headers, counts for nothing.
func (g *Gate) fromToken(ctx context.Context, r *http.Request) (Identity, error) {
	all := r.Header["Authorization"]
	scheme, token, ok := strings.Cut(all[0], " ")
	if len(all) != 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Identity{}, &denial{"badToken", "want one Authorization header: Bearer and an access token"}
	}
	m, err := g.provider.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	c, err := g.provider.bearer(ctx, m, token)
	if err != nil {
		return Identity{}, err
	}
	who := c.identity(g.groups)
	if len(who.Roles) == 0 {
		return who, g.noRole(c)
	}
	return who, nil
}

// fromSession knows people by the session of their browser.
func (g *Gate) fromSession(ctx context.Context, w http.ResponseWriter, r *http.Request) (Identity, time.Time, error) {
	s, err := g.sessions.load(ctx, g.sessions.id(r))
	if err != nil {
		if errors.Is(err, errNobody) && len(r.CookiesNamed(sessionCookie)) > 0 {
			g.sessions.forget(w)
		}
		return Identity{}, time.Time{}, err
	}
	if s, err = g.readRoles(ctx, s); err != nil {
		if !errors.Is(err, errAway) {
			g.sessions.forget(w)
		}
		return s.identity(), time.Time{}, err
	}
	if now := g.cfg.Now(); used(r) && now.Sub(s.Seen) >= seenEvery {
		s.Seen = now
		if err := g.sessions.put(ctx, s); err != nil {
			return Identity{}, time.Time{}, err
		}
	}
	return s.identity(), s.ends, nil
}

// used tells what a person does from what a page does by itself: a board that
// updates itself for days is not used.
func used(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	byItself := r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-Boosted") != "true" ||
		strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	return !reads || !byItself
}

// readRoles asks the identity provider for the roles again when it is time. A
// person without roles, or whom it does not vouch for any more, is out. While it
// does not answer, what it said last goes on: operators need the console most
// when Entra is in trouble, and the session ends by itself.
func (g *Gate) readRoles(ctx context.Context, s session) (session, error) {
	now := g.cfg.Now()
	if now.Sub(s.Checked) < rolesEvery && now.Sub(s.Checked) > -backwards {
		return s, nil
	}
	if s.Refresh == "" {
		return s, g.out(ctx, s, errNobody)
	}
	if _, busy := g.reading.LoadOrStore(s.id, true); busy {
		return s, nil // another request of the same page does it
	}
	defer g.reading.Delete(s.id)
	c, refresh, err := g.renewed(ctx, s.Refresh)
	var no *denial
	switch {
	case errors.Is(err, errAway), ctx.Err() != nil:
		s.Checked = now.Add(time.Minute - rolesEvery) // again in a minute
		g.cfg.Log.Warn("roles not read again: the identity provider does not answer")
		return s, g.sessions.put(ctx, s)
	case errors.Is(err, errGrant):
		return s, g.out(ctx, s, errNobody)
	case errors.As(err, &no):
		return s, g.out(ctx, s, no)
	case err != nil:
		return s, err
	}
	who := c.identity(g.groups)
	if who.Subject != s.Subject {
		return s, g.out(ctx, s, &denial{"badToken", "the identity provider spoke of somebody else; sign in again"})
	}
	if len(who.Roles) == 0 {
		return s, g.out(ctx, s, g.noRole(c))
	}
	s.Roles, s.Checked = who.Roles, now
	if refresh != "" {
		s.Refresh = refresh
	}
	return s, g.sessions.put(ctx, s)
}

func (g *Gate) renewed(ctx context.Context, refresh string) (claims, string, error) {
	m, err := g.provider.discover(ctx)
	if err != nil {
		return claims{}, "", err
	}
	got, err := renew(ctx, g.provider.client, m.oauth, refresh)
	if err != nil {
		return claims{}, "", err
	}
	c, err := g.provider.signedIn(ctx, m, got.ID, "")
	return c, got.Refresh, err
}

// out ends the session and returns why.
func (g *Gate) out(ctx context.Context, s session, why error) error {
	if err := g.sessions.end(ctx, s.id); err != nil {
		return err
	}
	return why
}

// noRole says that somebody who is known has no role, and what to do.
func (g *Gate) noRole(c claims) *denial {
	if c.manyGroups && len(g.groups) > 0 {
		return &denial{"noRole", "they are in more groups than a token can name (200): give them an app role, or have Entra put only groups assigned to the application into tokens"}
	}
	return &denial{"noRole", "they have none of the roles of this application"}
}

// stop answers whom is not let in.
func (g *Gate) stop(w http.ResponseWriter, r *http.Request, who Identity, err error) {
	var no *denial
	switch {
	case errors.As(err, &no):
		g.refused(r.Context(), who, no)
		if g.api(r) {
			g.problemFor(w, no)
			return
		}
		g.show(w, g.noticeFor(no, who))
	case errors.Is(err, errNobody):
		g.invite(w, r)
	default:
		g.cfg.Log.Warn("nobody is let in", "error", err)
		if g.api(r) {
			problem(w, http.StatusServiceUnavailable, "Sign-in can't be checked now", "The identity provider or the session store does not answer. Try again in a moment.")
			return
		}
		g.show(w, away())
	}
}

// invite answers who has not signed in: pages lead to sign-in, and back.
func (g *Gate) invite(w http.ResponseWriter, r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	to := "/"
	if reads {
		to = ownPath(r.URL.RequestURI())
	}
	switch {
	case g.api(r):
		w.Header().Set("WWW-Authenticate", `Bearer realm="firstpass"`)
		problem(w, http.StatusUnauthorized, "Nobody has signed in", "Send an access token: Authorization: Bearer. docs/access.md tells how to get one.")
	case r.Header.Get("HX-Request") == "true":
		// A script can't follow a redirect to another host; htmx goes where
		// this header says, as a whole page.
		if at, err := url.Parse(r.Header.Get("HX-Current-URL")); err == nil {
			to = ownPath(at.RequestURI())
		}
		w.Header().Set("HX-Redirect", signInPath(to))
		w.WriteHeader(http.StatusUnauthorized)
	case reads:
		http.Redirect(w, r, signInPath(to), http.StatusSeeOther)
	default:
		// Not a redirect: form-action keeps browsers from following one to the
		// identity provider, and what was sent would be lost anyway.
		g.show(w, notice{status: http.StatusUnauthorized, Title: "Your session has ended",
			Says: []string{"What you sent was not done. Sign in, look again, and send it once more."}, Link: "Sign in", LinkTo: "/sign-in"})
	}
}

func signInPath(to string) string {
	if to == "/" {
		return "/sign-in"
	}
	return "/sign-in?to=" + url.QueryEscape(to)
}

// refused writes a refusal into the ledger. Strangers can cause any number of
// them, so only so many become rows, and the next row says how many did not.
func (g *Gate) refused(ctx context.Context, who Identity, no *denial) {
	g.skipped.Lock()
	if !g.refusals.AllowN(g.cfg.Now(), 1) {
		g.skipped.count++
		g.skipped.Unlock()
		return
	}
	missed := g.skipped.count
	g.skipped.count = 0
	g.skipped.Unlock()
	e := audit.Entry{Time: g.cfg.Now(), Event: EventRefused, Outcome: "refused", Reason: no.reason, Actor: who.Name, UserID: who.Subject}
	if missed > 0 {
		e.Detail = fmt.Sprintf("and %d more before it", missed)
	}
	if err := g.cfg.Audit.Append(ctx, e); err != nil {
		// They are not let in whether there is a row or not.
		g.cfg.Log.Error("a refusal is not in the ledger", "reason", no.reason, "error", err)
	}
}

// foreign answers requests that another site made a browser send.
func (g *Gate) foreign(w http.ResponseWriter, r *http.Request) {
	no := &denial{"foreignSite", "another site made your browser send this; nothing was done"}
	g.refused(r.Context(), Identity{}, no)
	if g.api(r) {
		problem(w, http.StatusForbidden, "Not from another site", "A browser was made to send this by another site. Nothing was done.")
		return
	}
	g.show(w, g.noticeFor(no, Identity{}))
}

// forPrograms tells the command line where to sign in. Nothing in it is secret.
func (g *Gate) forPrograms(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(DeviceConfig{Issuer: g.cfg.Issuer, ClientID: g.cfg.ClientID, Audience: g.cfg.Audience}) // the program may be gone
}
