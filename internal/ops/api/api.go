// Package api is the operations service over HTTP, as openapi.yaml describes
// it. Rules about who may do what stand in package ops; here requests are held
// against the description, and refusals become problems (RFC 9457).
package api

import (
	"context"
	_ "embed" // the description
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

//go:generate go run -modfile ../../../tools/go.mod github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config generate.yaml -o api.gen.go openapi.yaml

//go:embed openapi.yaml
var description []byte

// Service is what the API shows and asks for: ops.Service. It takes who asks
// from the context, and answers with an *ops.Refusal what it refuses.
type Service interface {
	Board(ctx context.Context, f board.Filter) ([]board.Row, board.State, error)
	// Wait returns once the board's version is another than version, or ctx
	// ends, with what it is then.
	Wait(ctx context.Context, version uint64) (uint64, error)
	Journey(ctx context.Context, id string) (ops.Journey, error)
	Act(ctx context.Context, a ops.Action) (ops.Done, error)
	Recover(ctx context.Context, r ops.Recovery) (ops.Started, error)
	StageDevice(ctx context.Context, r ops.Staging) (ops.Started, error)
	Passes(ctx context.Context) ([]board.Row, board.State, error)
	Feeds(ctx context.Context) ([]ops.Feed, error)
	Quarantine(ctx context.Context) ([]intake.Quarantined, error)
	Held(ctx context.Context) ([]intake.Held, error)
	Search(ctx context.Context, query string) ([]ops.Found, error)
	Ledger(ctx context.Context, f ledger.RowFilter) ([]audit.Row, error)
	Switch(ctx context.Context) (ops.Switch, error)
	Summary(ctx context.Context) (ops.Summary, error)
}

// Config is what the API needs. All of it is required.
type Config struct {
	Service Service
	Logger  *slog.Logger
}

// server answers what the description promises.
type server struct {
	service Service
}

// New returns a handler for everything under /v1/. It wants the identity of who
// asks in the context of each request, see access.With, and answers 401 without.
func New(cfg Config) (http.Handler, error) {
	if cfg.Service == nil || cfg.Logger == nil {
		return nil, errors.New("api: Service and Logger are required")
	}
	doc, err := readSpec(description)
	if err != nil {
		return nil, fmt.Errorf("api: read the description: %w", err)
	}
	f := &front{logger: cfg.Logger}
	strict := NewStrictHandlerWithOptions(&server{service: cfg.Service}, nil, StrictHTTPServerOptions{
		// What the checks let through and the generated code does not take.
		RequestErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, _ error) {
			f.fail(w, r, unfit(wrong{"request", "it can't be read"}))
		},
		ResponseErrorHandlerFunc: f.fail,
	})
	mux := &checked{ServeMux: http.NewServeMux(), doc: doc, fail: f.fail}
	HandlerWithOptions(strict, StdHTTPServerOptions{
		BaseRouter: mux,
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, _ error) {
			f.fail(w, r, unfit(wrong{"request", "it can't be read"}))
		},
	})
	if mux.err != nil {
		return nil, mux.err
	}
	f.mux = mux.ServeMux
	return f, nil
}

// checked is a router of which each route first holds a request against its
// operation in the description.
type checked struct {
	*http.ServeMux
	doc  *spec
	fail func(http.ResponseWriter, *http.Request, error)
	err  error
}

// HandleFunc implements ServeMux.
func (c *checked) HandleFunc(pattern string, next func(http.ResponseWriter, *http.Request)) {
	method, at, _ := strings.Cut(pattern, " ")
	check, err := c.doc.operation(method, at)
	if err != nil {
		c.err = errors.Join(c.err, fmt.Errorf("api: %s: %w", pattern, err))
		return
	}
	c.ServeMux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := check.request(w, r); err != nil {
			c.fail(w, r, err)
			return
		}
		next(w, r)
	})
}

// front is what every request goes through: it names the request, bears panics,
// and says what the router says in our words.
type front struct {
	mux    *http.ServeMux
	logger *slog.Logger
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	began := time.Now()
	id := requestID(r)
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
	w := &watched{ResponseWriter: rw}
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	pattern := ""
	defer func() {
		if p := recover(); p != nil {
			// What was panicked with may be anybody's data; the type is ours.
			f.logger.ErrorContext(r.Context(), "api: panic", "request_id", id, "operation", pattern, "type", fmt.Sprintf("%T", p), "at", where())
			if w.status != 0 {
				panic(http.ErrAbortHandler) // half a reply must not look whole
			}
			f.fail(w, r, errors.New("panic"))
		}
		f.logger.DebugContext(r.Context(), "api: answered", "request_id", id, "operation", pattern, "status", w.status, "took", time.Since(began))
	}()
	if r.URL.Path != path.Clean(r.URL.Path) {
		// The router would redirect, and a POST would lose its body.
		f.fail(w, r, noPath())
		return
	}
	var said http.Handler
	if said, pattern = f.mux.Handler(r); pattern == "" {
		f.fail(w, r, unrouted(said, r))
		return
	}
	if _, ok := access.From(r.Context()); !ok {
		f.fail(w, r, &ops.Refusal{Kind: ops.RefusedSignIn, What: "nobody has signed in", Do: "send an access token: Authorization: Bearer"})
		return
	}
	f.mux.ServeHTTP(w, r)
}

// unrouted returns the problem that the router has with a request.
func unrouted(said http.Handler, r *http.Request) error {
	w := deaf{header: http.Header{}}
	said.ServeHTTP(&w, r)
	if w.status == http.StatusMethodNotAllowed {
		return &problem{kind: kindMethod, detail: "this path does not take this method", allow: w.header.Get("Allow")}
	}
	return noPath()
}

func noPath() *problem {
	return &problem{kind: kindMissing, detail: "there is no such path", do: "GET /v1/openapi.yaml lists the paths"}
}

// deaf takes a reply without its body.
type deaf struct {
	header http.Header
	status int
}

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) WriteHeader(status int)      { d.status = status }
func (d *deaf) Write(b []byte) (int, error) { return len(b), nil }

// watched knows whether a reply has begun.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
