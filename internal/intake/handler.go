package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// Deliverer hands snapshots to Temporal; *Starter is one.
type Deliverer interface {
	Deliver(ctx context.Context, source string, profile jml.Profile, snap jml.Snapshot) (Outcome, error)
}

// Keeper keeps what can't be read; *Quarantine is one. It returns once the
// record is on disk.
type Keeper interface {
	Keep(source, reason string, body []byte) (id string, err error)
}

// Config is what intake needs. All of it but Timeout is required.
type Config struct {
	Sources    []config.Source
	Profile    func(name string) jml.Profile
	Starter    Deliverer
	Quarantine Keeper
	Ready      func(context.Context) error // whether Temporal answers
	MaxBody    int64                       // bytes
	Now        func() time.Time
	Logger     *slog.Logger
	Timeout    time.Duration // for one delivery to Temporal; default 10s
}

// retryAfter is what a 503 asks for, in seconds.
const retryAfter = "30"

// Handler serves
//
//	POST /v1/intake/{source}       what HR systems call
//	GET  /schemas/snapshot.v1.json the published form of a snapshot
//	GET  /healthz                  the process runs
//	GET  /readyz                   and Temporal answers
//
// The server around it has to bound the time for headers and body: a signature
// is checked only once the whole body is there.
type Handler struct {
	cfg     Config
	sources map[string]*source
	mux     *http.ServeMux
}

// New reads the keys and compiles the expressions of all sources. Its error
// joins a *config.Error for everything that is wrong.
func New(cfg Config) (*Handler, error) {
	if cfg.Profile == nil || cfg.Starter == nil || cfg.Quarantine == nil || cfg.Ready == nil ||
		cfg.MaxBody <= 0 || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("intake: incomplete Config")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	x, err := newExpressions(cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	sch, err := newSchema()
	if err != nil {
		return nil, err
	}
	h := &Handler{cfg: cfg, sources: map[string]*source{}, mux: http.NewServeMux()}
	var errs []error
	for i, c := range cfg.Sources {
		s, err := compileSource(fmt.Sprintf("sources[%d]", i), c, cfg.Profile(c.Profile), x, sch)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		h.sources[c.Name] = s
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h.mux.HandleFunc("POST /v1/intake/{source}", h.intake)
	h.mux.HandleFunc("GET /schemas/snapshot.v1.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/schema+json")
		_, _ = w.Write(schemaJSON)
	})
	h.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	h.mux.HandleFunc("GET /readyz", h.ready)
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := h.cfg.Ready(ctx); err != nil {
		h.cfg.Logger.Warn("not ready", "error", err)
		answer(w, http.StatusServiceUnavailable, "Temporal does not answer")
		return
	}
	answer(w, http.StatusOK, "ok")
}

func (h *Handler) intake(w http.ResponseWriter, r *http.Request) {
	s, ok := h.sources[r.PathValue("source")]
	if !ok {
		answer(w, http.StatusNotFound, "no such source")
		return
	}
	log := h.cfg.Logger.With("source", s.name)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			log.Warn("intake refused a request", "why", "larger than intake.max_body")
			answer(w, http.StatusRequestEntityTooLarge, "the body is too large")
			return
		}
		answer(w, http.StatusBadRequest, "the body did not arrive whole")
		return
	}
	now := h.cfg.Now()
	signed, err := s.verify(r.Header, body, now)
	if err != nil {
		// The reason is for the log: told to the caller, it would help to guess.
		log.Warn("intake refused a request", "why", err.Error())
		answer(w, http.StatusUnauthorized, "the signature is not accepted")
		return
	}
	// HR systems hang up after seconds and some never repeat: what came in is
	// brought to its end all the same.
	ctx := context.WithoutCancel(r.Context())
	delivered, kept, err := h.take(ctx, log, s, s.read(ctx, r.Header, body, signed, now))
	if err != nil {
		log.Error("intake could not take a request; it has to come again", "error", err)
		w.Header().Set("Retry-After", retryAfter)
		answer(w, http.StatusServiceUnavailable, "not taken; please repeat")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"accepted": delivered, "quarantined": kept})
}

// take brings every record to Temporal or to the quarantine. The quarantine
// comes first: it is a local disk, and a record there is kept even if Temporal
// is away and the HR system gives up.
func (h *Handler) take(ctx context.Context, log *slog.Logger, s *source, records []record) (delivered, kept int, err error) {
	for _, r := range records {
		if r.err == nil {
			continue
		}
		id, err := h.cfg.Quarantine.Keep(s.name, r.err.Error(), r.raw)
		if err != nil {
			return delivered, kept, err
		}
		kept++
		log.Warn("intake quarantined a record", "id", id, "why", r.err.Error())
	}
	for _, r := range records {
		if r.err != nil {
			continue
		}
		out, err := h.deliver(ctx, s, r.snapshot)
		if err != nil {
			return delivered, kept, err
		}
		delivered++
		log.Info("intake", "ref", out.Ref, "outcome", string(out.Kind), "why", out.Why)
	}
	return delivered, kept, nil
}

// deliver gives each record its own time: a body of many must not run out of it
// at the same place each time it is repeated.
func (h *Handler) deliver(ctx context.Context, s *source, snap jml.Snapshot) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	return h.cfg.Starter.Deliver(ctx, s.name, s.profile, snap)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
