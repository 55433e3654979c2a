// Package pickup is the page where people collect their pass, and where they,
// or their manager, say that something is wrong or right.
//
// It keeps nothing. Links are found by invitation.Book, what is true stands in
// the pass's workflow, and the visitor's cookie holds the key that opens the
// pass for this browser alone.
//
// What may not happen is that a link alone does anything: mail scanners open
// links, run scripts, press buttons and submit forms. Everything that changes
// something asks for words that the message with the link does not hold, or
// that a machine does not know to type.
package pickup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/workflows"
)

// Limits of the page. They are part of the promise and so not configurable.
const (
	// visitLife is how long a visit's cookie opens anything. Revealing begins
	// it anew, so that the pass can be shown for its whole window.
	visitLife = time.Hour
	// patience bounds what a page waits for: an update, a query, a provider.
	patience = 10 * time.Second
	// revealPatience bounds the making of a pass. Whoever waits longer is shown
	// that it is being made.
	revealPatience = 25 * time.Second
	// maxBody bounds a form, in bytes.
	maxBody = 16 << 10
	// warmUp is how long after its creation Entra may refuse a pass.
	warmUp = 10 * time.Second
)

// Book knows links and codes again; invitation.Book is one.
type Book interface {
	// Find returns false if there is no such link of this kind.
	Find(ctx context.Context, k invitation.Kind, typed string) (invitation.Link, bool, error)
	HashCode(linkHash, typed string) string
	Number(visit string) string
	HashNumber(linkHash, typed string) string
	HashDeskCode(ref, typed string) string
	HashEvidence(proof, identifier string) string
}

// Passes talks to the workflows of passes; NewPasses makes one.
type Passes interface {
	// Update sends an update and waits for its answer. id makes it idempotent.
	// It fails with ErrNothing, ErrLate, or whatever keeps Temporal from
	// answering.
	Update(ctx context.Context, workflowID, update, id string, request, answer any) error
	// Visit asks where a visit stands. It fails like Update.
	Visit(ctx context.Context, workflowID, visit string) (workflows.VisitView, error)
}

// Identity checks what a visitor shows of himself; identity.Verifier is one.
type Identity interface {
	// Ready fails if HR lacks what the proof compares.
	Ready(name string, e jml.Snapshot) error
	CheckFact(name string, got identity.Fact, e jml.Snapshot) bool
	Begin(ctx context.Context, name, locale string) (string, identity.Flow, error)
	Finish(ctx context.Context, name string, flow identity.Flow, query url.Values, e jml.Snapshot) (identity.Result, error)
}

// Sealer encrypts the visitor's cookie; codec.Keyring is one.
type Sealer interface {
	Seal(plain []byte, label string) []byte
	Open(sealed []byte, label string) ([]byte, error)
}

// Organisation is what the pages say of the employer.
type Organisation struct {
	Name      string
	Help      string // whom to call, in words
	SignInURL string // https; where passes are used
	Colour    string // #rrggbb, of header and buttons; empty for the default
	Logo      []byte
	LogoType  string // image/svg+xml or image/png
}

// Config is what the page needs.
type Config struct {
	Book     Book
	Passes   Passes
	Identity Identity // may be nil if no profile has a fact or a provider as proof
	// Asks says, by a proof's name, which facts it asks for: birth_date,
	// employee_id.
	Asks         map[string][]string
	Sealer       Sealer
	Locales      *locale.Set
	Organisation Organisation
	// Locale is the BCP 47 tag for whoever asks for none that there are words in.
	Locale string
	// Words overlays the built-in words: files <tag>.yaml; nil for none.
	Words fs.FS
	// URL is the page's public root, https://host. Only for http, which is for
	// loopback, the cookie goes without Secure.
	URL string
	// ClientIPHeader names the header in which a proxy tells the visitor's
	// address; empty: who connects is the visitor. Its last entry counts.
	ClientIPHeader string
	TriesPerMinute int // wrong entries from one address; default 10
	// Floor is the instant after its arrival at which a wrong entry is
	// answered, or a multiple of it; default 1 s.
	Floor time.Duration
	// Ready says whether the page can serve; nil: always.
	Ready func(context.Context) error
	// Observe, if set, is told what came of each try at something that only the
	// right person knows: right, wrong, limited or away. It must be quick.
	Observe func(result string)
	Now     func() time.Time
	Logger  *slog.Logger
}

// handler is the page.
type handler struct {
	cfg     Config
	https   bool
	words   *wording
	pages   pages
	assets  assets
	guesses *limits // of codes and facts
	short   *limits // of what managers type, and of "not me"
}

// shortTries bounds wrong entries per minute and address on /not-me and /vouch:
// four characters and four digits are soon tried out.
const shortTries = 5

// NewHandler returns the page. Its errors name what is wrong with cfg, or with
// the words.
func NewHandler(cfg Config) (http.Handler, error) {
	if cfg.Book == nil || cfg.Passes == nil || cfg.Sealer == nil || cfg.Locales == nil || cfg.Logger == nil {
		return nil, errors.New("pickup: book, passes, sealer, locales and logger are required")
	}
	root, err := url.Parse(cfg.URL)
	if err != nil || root.Host == "" || root.Scheme != "https" && root.Scheme != "http" || strings.Trim(root.Path, "/") != "" {
		return nil, errors.New("pickup: URL: want https://host, without a path")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TriesPerMinute <= 0 {
		cfg.TriesPerMinute = 10
	}
	if cfg.Floor <= 0 {
		cfg.Floor = time.Second
	}
	h := &handler{cfg: cfg, https: root.Scheme == "https"}
	if h.guesses, err = newLimits(cfg.TriesPerMinute); err != nil {
		return nil, err
	}
	if h.short, err = newLimits(shortTries); err != nil {
		return nil, err
	}
	if h.words, err = loadWords(cfg.Words, cfg.Locales); err != nil {
		return nil, err
	}
	if h.pages, err = loadPages(h.words); err != nil {
		return nil, err
	}
	if h.assets, err = loadAssets(cfg.Organisation); err != nil {
		return nil, err
	}
	crossOrigin := http.NewCrossOriginProtection()
	// A proxy may change the Host header; the browser names the public origin.
	if err := crossOrigin.AddTrustedOrigin(root.Scheme + "://" + root.Host); err != nil {
		return nil, fmt.Errorf("pickup: URL: %w", err)
	}
	crossOrigin.SetDenyHandler(h.page(func(x *exchange) { x.show(http.StatusForbidden, "foreign", nil) }))
	return h.harden(crossOrigin.Handler(h.routes())), nil
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*exchange){
		"GET /{$}": (*exchange).home,

		"GET /p":       (*exchange).start,
		"POST /p":      (*exchange).openVisit,
		"GET /p/again": (*exchange).again,

		"POST /p/again":      (*exchange).askAgain,
		"GET /p/next":        (*exchange).next,
		"GET /p/state":       (*exchange).state,
		"POST /p/fact":       (*exchange).proveFact,
		"POST /p/desk":       (*exchange).proveDesk,
		"POST /p/eid":        (*exchange).beginEID,
		"GET /p/eid/return":  (*exchange).returnEID,
		"POST /p/eid/finish": (*exchange).finishEID,
		"POST /p/reveal":     (*exchange).reveal,
		"GET /p/pass":        (*exchange).pass,
		"POST /p/close":      (*exchange).close,
		"GET /p/closed":      (*exchange).closed,

		"GET /not-me":  (*exchange).notMe,
		"POST /not-me": (*exchange).repudiate,
		"GET /vouch":   (*exchange).vouch,
		"POST /vouch":  (*exchange).attest,

		"/": func(x *exchange) { x.show(http.StatusNotFound, "missing", nil) },
	} {
		mux.Handle(pattern, h.page(serve))
	}
	h.assets.routes(mux)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if h.cfg.Ready != nil {
			ctx, cancel := context.WithTimeout(r.Context(), patience)
			defer cancel()
			if err := h.cfg.Ready(ctx); err != nil {
				plain(w, http.StatusServiceUnavailable, "not ready")
				return
			}
		}
		plain(w, http.StatusOK, "ok")
	})
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// harden sets what every answer carries.
func (h *handler) harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Frame-Options", "DENY")
		head.Set("Cache-Control", "no-store")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
		head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		if h.https {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// policy allows our own files and forms and nothing else. form-action names no
// identity provider: browsers apply it to every redirect that follows a form,
// and a broker's next hop can't be known. The way to the provider is a link.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
