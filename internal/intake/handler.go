package intake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/proof"
)

// HandlerConfig is what a Handler needs. All of it but Patience and Concurrent
// is required.
type HandlerConfig struct {
	Desk    *Desk
	Ready   func(context.Context) error // whether this process can take work
	MaxBody int64                       // bytes
	Now     func() time.Time
	Logger  *slog.Logger
	// Patience is how long a request may take: the strictest HR system hangs up
	// after 3 s (Personio), of which the way here takes some when many come at
	// once. What is not taken by then is answered 503; default 2 s.
	Patience time.Duration
	// Concurrent is how many requests are worked on at once; others wait their
	// turn for a third of Patience. Default 24: more only wait for each other in
	// the engine's database (64 took a fifth less a second, measured on SQLite).
	Concurrent int
}

// retryAfter is what a 503 asks for, in seconds.
const retryAfter = "30"

// Handler serves
//
//	POST /v1/intake/{source}          what HR systems call
//	POST /v1/intake/{source}/{secret} the same, for sources of kind url_secret
//	     /v1/scim/{source}/...        SCIM 2.0, for sources of kind scim
//	GET  /schemas/snapshot.v1.json    the published form of a snapshot
//	GET  /healthz                     the process runs
//	GET  /readyz                      and can take work
//
// The server around it has to bound the time for headers and body: a signature
// is checked only once the whole body is there.
type Handler struct {
	cfg    HandlerConfig
	desk   *Desk
	mux    *http.ServeMux
	inside atomic.Int64 // webhooks being answered
	turn   chan struct{}
	busy   rate.Sometimes // tells the log of a crowd, not of each one in it
}

// NewHandler returns a Handler.
func NewHandler(cfg HandlerConfig) (*Handler, error) {
	if cfg.Desk == nil || cfg.Ready == nil || cfg.MaxBody <= 0 || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("intake: incomplete HandlerConfig")
	}
	if cfg.Patience == 0 {
		cfg.Patience = 2 * time.Second
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 24
	}
	h := &Handler{
		cfg: cfg, desk: cfg.Desk, mux: http.NewServeMux(),
		turn: make(chan struct{}, cfg.Concurrent), busy: rate.Sometimes{Interval: time.Second},
	}
	h.mux.HandleFunc("POST /v1/intake/{source}", h.webhook)
	h.mux.HandleFunc("POST /v1/intake/{source}/{secret}", h.webhook)
	for _, s := range cfg.Desk.sources {
		if s.cfg.Kind == config.SourceSCIM {
			if err := h.serveSCIM(s); err != nil {
				return nil, err
			}
		}
	}
	h.mux.HandleFunc("GET /schemas/snapshot.v1.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/schema+json")
		_, _ = w.Write(mapping.SchemaJSON())
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
		answer(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	answer(w, http.StatusOK, "ok")
}

// mayWait takes a turn, or tells when too many requests are under way. It waits
// for a third of the patience only: turns go to whoever has waited longest, and
// one who has no time left to use it would keep it from others for nothing.
func (h *Handler) mayWait(ctx context.Context) (done func(), ok bool) {
	wait := time.NewTimer(h.cfg.Patience / 3)
	defer wait.Stop()
	select {
	case h.turn <- struct{}{}:
		return func() { <-h.turn }, true
	case <-wait.C:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
}

func (h *Handler) webhook(w http.ResponseWriter, r *http.Request) {
	s, err := h.desk.source(r.PathValue("source"))
	if err != nil || s.cfg.Kind != config.SourceWebhook {
		answer(w, http.StatusNotFound, "no such source")
		return
	}
	log := h.cfg.Logger.With("source", s.name)
	// Whoever could not get a turn in time is sent away at once: reading and
	// checking thousands of requests would take the time of those that can.
	defer h.inside.Add(-1)
	if h.inside.Add(1) > int64(perTurn*h.cfg.Concurrent) {
		h.later(w, log, s, errBusy)
		return
	}
	body, ok := h.body(w, r, log)
	if !ok {
		return
	}
	now := h.cfg.Now()
	// HR systems hang up after seconds and some never repeat: what came in is
	// brought to its end all the same, within our own patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.cfg.Patience)
	defer cancel()
	if s.hand.unsigned && !s.verifier.Ready() && h.handshake(ctx, w, log, s, NewDelivery(r.Header, body, time.Time{}, now)) {
		return
	}
	signed, ok := h.proves(ctx, w, r, log, s, body, now)
	if !ok {
		return
	}
	h.desk.counts.saw(s.name, now)
	d := NewDelivery(r.Header, body, signed, now)
	if h.handshake(ctx, w, log, s, d) {
		return
	}
	done, ok := h.mayWait(ctx)
	if !ok {
		h.later(w, log, s, errBusy)
		return
	}
	defer done()
	got, err := h.desk.Receive(ctx, s, d)
	if err != nil {
		h.later(w, log, s, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(got)
}

// perTurn is how many requests may be inside for each that is worked on.
const perTurn = 4

var errBusy = errors.New("too many requests at once")

// later asks the HR system to come again: nothing of the request is sure to
// have been taken.
func (h *Handler) later(w http.ResponseWriter, log *slog.Logger, s *Source, err error) {
	tell := func() { log.Error("intake could not take a request; it has to come again", "error", err) }
	if errors.Is(err, errBusy) {
		h.busy.Do(tell)
	} else {
		tell()
	}
	h.desk.counts.add(s.name, countFailed, 1)
	w.Header().Set("Retry-After", retryAfter)
	answer(w, http.StatusServiceUnavailable, "not taken; please repeat")
}

func (h *Handler) body(w http.ResponseWriter, r *http.Request, log *slog.Logger) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		log.Warn("intake refused a request", "why", "larger than intake.max_body")
		answer(w, http.StatusRequestEntityTooLarge, "the body is too large")
	case err != nil:
		answer(w, http.StatusBadRequest, "the body did not arrive whole")
	}
	return body, err == nil
}

// proves checks where a request comes from and answers it if that is not
// proved. The reason is for the log: told to the caller, it would help to guess.
func (h *Handler) proves(ctx context.Context, w http.ResponseWriter, r *http.Request, log *slog.Logger, s *Source, body []byte, now time.Time) (time.Time, bool) {
	if !s.verifier.Ready() {
		log.Error("intake refused a request", "why", "the source has no key yet; see firstpass source handshake "+s.name)
		h.desk.counts.add(s.name, countFailed, 1)
		w.Header().Set("Retry-After", retryAfter)
		answer(w, http.StatusServiceUnavailable, "not taken; please repeat")
		return time.Time{}, false
	}
	signed, err := s.verifier.Verify(ctx, proof.Request{Header: r.Header, Body: body, URLSecret: r.PathValue("secret")}, now)
	switch {
	case errors.Is(err, proof.ErrUnavailable):
		h.later(w, log, s, err)
		return time.Time{}, false
	case err != nil:
		log.Warn("intake refused a request", "why", err.Error())
		h.desk.counts.add(s.name, countRefused, 1)
		answer(w, http.StatusUnauthorized, "the signature is not accepted")
		return time.Time{}, false
	}
	return signed, true
}

// maxShow bounds what of a handshake is kept for the operator, in bytes.
const maxShow = 1 << 10

// handshake answers a request that is no more than a trial.
func (h *Handler) handshake(ctx context.Context, w http.ResponseWriter, log *slog.Logger, s *Source, d Delivery) bool {
	is, text, show := s.Handshake(ctx, d)
	if !is {
		return false
	}
	if show != "" && len(show) <= maxShow {
		if err := h.desk.cfg.Ledger.PutHandshake(ctx, s.name, []byte(show), d.ReceivedAt); err != nil {
			h.later(w, log, s, err)
			return true
		}
		log.Info("a handshake brought a value; firstpass source handshake " + s.name + " shows it")
	}
	h.desk.counts.add(s.name, countHandshake, 1)
	log.Info("intake answered a handshake")
	if text == "" {
		text = "ok"
	}
	answer(w, http.StatusOK, text)
	return true
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
