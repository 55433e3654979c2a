// Package console is what operators see in a browser: pages made on the server
// that need no script. With it they update themselves: htmx fetches a part of
// the page every few seconds and merges it in.
//
// It decides nothing. Who may see and do what, and why not, is ops.Service's to
// say; who asks, the gate around this handler has found out.
package console

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config is what a console needs. Everything but Service may be zero.
type Config struct {
	Service      Service
	Organisation string
	// TemporalUI is where Temporal's own UI is: https://host, with a path if it
	// has one. Empty: no links there.
	TemporalUI string
	Namespace  string // Temporal's; default "default"
	// Runbooks is docs/operations.md.
	Runbooks string
	// Zone is that of operators who have chosen none; default UTC.
	Zone *time.Location
	// Channels names those of a profile, to choose from; nil: they are typed.
	Channels func(profile string) []string
	// Verifications are the ways in which a caller may be verified, as the
	// configuration names them; none: no recovery can be started here.
	Verifications []string
	Version       string
	Now           func() time.Time
	Logger        *slog.Logger
}

type handler struct {
	Config
	pages    pages
	runbooks runbooks
	boards   *boards
	advice   *strings.Replacer
	temporal string
	assets   assets
}

// maxBody bounds a form, in bytes.
const maxBody = 64 << 10

// policy allows our own files and forms and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// New returns the console. Requests must carry an access.Identity: without one
// every page answers that nobody has signed in.
func New(cfg Config) (http.Handler, error) {
	if cfg.Service == nil {
		return nil, errors.New("console: no service")
	}
	if cfg.Namespace == "" {
		cfg.Namespace = "default"
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &handler{Config: cfg, boards: newBoards(cfg.Now), advice: advising()}
	if cfg.TemporalUI != "" {
		u, err := url.Parse(cfg.TemporalUI)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("console: TemporalUI is no address of the form https://host")
		}
		h.temporal = strings.TrimRight(u.String(), "/")
	}
	var err error
	if h.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if h.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if h.runbooks, err = render(cfg.Runbooks); err != nil {
		return nil, err
	}
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(h.page((*exchange).foreign))
	return harden(crossOrigin.Handler(h.routes())), nil
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	const journey = "/journeys/{kind}/{source}/{ref}"
	for pattern, serve := range map[string]func(*exchange){
		"GET /{$}":       (*exchange).board,
		"GET /board":     (*exchange).liveBoard,
		"GET /journeys":  func(x *exchange) { x.redirect("/") },
		"GET " + journey: (*exchange).journey,

		"GET " + journey + "/live":    (*exchange).liveJourney,
		"GET " + journey + "/{verb}":  (*exchange).askJourney,
		"POST " + journey + "/{verb}": (*exchange).actJourney,

		"GET /passes": (*exchange).passes,
		"GET /feeds":  (*exchange).feeds,

		"GET /feeds/{object}/{verb}":       (*exchange).askFeed,
		"POST /feeds/{object}/{verb}":      (*exchange).actFeed,
		"GET /quarantine":                  (*exchange).quarantine,
		"GET /quarantine/{object}/{verb}":  (*exchange).askQuarantine,
		"POST /quarantine/{object}/{verb}": (*exchange).actQuarantine,
		"GET /held":                        (*exchange).held,
		"GET /held/{object}/{verb}":        (*exchange).askHeld,
		"POST /held/{object}/{verb}":       (*exchange).actHeld,
		"GET /ledger":                      (*exchange).ledger,
		"POST /ledger":                     (*exchange).ledger,
		"GET /halt":                        (*exchange).askHalt,
		"POST /halt":                       (*exchange).actHalt,
		"GET /search":                      (*exchange).search,
		"POST /search":                     (*exchange).search,
		"GET /recover":                     (*exchange).askRecover,
		"POST /recover":                    (*exchange).actRecover,
		"GET /stage-device":                (*exchange).askStaging,
		"POST /stage-device":               (*exchange).actStaging,
		"GET /runbooks":                    (*exchange).runbook,
		"GET /me":                          (*exchange).me,
		"POST /zone":                       (*exchange).setZone,
		"/":                                (*exchange).missing,
	} {
		mux.Handle(pattern, h.page(serve))
	}
	mux.Handle("GET "+h.assets.prefix+"{name}", h.assets)
	return mux
}

// harden sets what every answer carries.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Frame-Options", "DENY")
		head.Set("Cache-Control", "no-store")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}
