package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// State is how a part does.
type State string

// The states.
const (
	StateOK       State = "ok"
	StateDegraded State = "degraded" // does not answer; work goes on, or waits by itself
	StateDown     State = "down"     // does not answer, and without it no work is taken
	StateUnknown  State = "unknown"  // not heard of yet
	StateStarting State = "starting" // of the whole
	StateDraining State = "draining" // of the whole
)

// Part is something that Firstpass leans on.
type Part struct {
	Part   string    `json:"part"` // temporal, ledger, graph, otlp, or "channel NAME"
	Needed bool      `json:"needed"`
	State  State     `json:"state"`
	Since  time.Time `json:"since"` // when State became what it is
	Why    string    `json:"why,omitempty"`
}

// Health tells whether this process can take work. What it needs (Temporal, the
// ledger) is asked; what it can do without for a while (Graph, channels, a
// collector) is judged by how the last calls went. A part that is not needed
// never makes a process unready: restarting it or sending its work elsewhere
// would help nobody, and would turn one outage into two.
type Health struct {
	cfg Config

	mu       sync.Mutex
	started  bool
	draining bool
	needed   map[string]func(context.Context) error
	all      map[string]*heard
}

// heard is what is known of a part.
type heard struct {
	Part
	misses int       // failures in a row
	first  time.Time // of them
}

// missesToDegrade is how many calls in a row have to fail: one is an accident.
const missesToDegrade = 3

func newHealth(cfg Config) *Health {
	return &Health{cfg: cfg, needed: map[string]func(context.Context) error{}, all: map[string]*heard{}}
}

// Need names a part without which this process takes no work, and how to ask
// whether it answers. To be called before Start.
func (h *Health) Need(part string, ask func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.needed[part] = ask
	h.all[part] = &heard{Part: Part{Part: part, Needed: true, State: StateUnknown, Since: h.cfg.Now()}}
}

// Start says that configuration and rules are compiled and the ledger is brought
// up to date.
func (h *Health) Start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = true
}

// Drain says that the process is about to end and takes nothing new.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// heard notes how a call to a part that is not needed went; why is empty if
// well. Nothing in why is foreign.
func (h *Health) heard(part, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.all[part]
	now := h.cfg.Now()
	if p == nil {
		p = &heard{Part: Part{Part: part, State: StateOK, Since: now}}
		h.all[part] = p
	}
	if why == "" {
		p.misses = 0
		p.become(StateOK, "", now)
		return
	}
	if p.misses++; p.misses == 1 {
		p.first = now
	}
	if p.misses >= missesToDegrade {
		p.become(StateDegraded, why, p.first)
	}
}

func (p *heard) become(s State, why string, since time.Time) {
	if p.State != s {
		p.State, p.Since = s, since
	}
	p.Why = why
}

// Unready says why a process takes no work. Its text quotes nothing.
type Unready struct{ Why string }

func (u *Unready) Error() string { return u.Why }

// patience bounds the look at all parts.
const patience = 2 * time.Second

// Ready asks every needed part and returns an *Unready if the process should get
// no work: one rule for every listener.
func (h *Health) Ready(ctx context.Context) error {
	h.mu.Lock()
	started, draining := h.started, h.draining
	h.mu.Unlock()
	switch {
	case draining:
		return &Unready{"draining"}
	case !started:
		return &Unready{"starting"}
	}
	return h.look(ctx)
}

// look asks the needed parts, all at once.
func (h *Health) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type answer struct {
		part string
		err  error
	}
	h.mu.Lock()
	needed := maps.Clone(h.needed)
	h.mu.Unlock()
	answers := make(chan answer, len(needed))
	for name, ask := range needed {
		go func() { answers <- answer{name, ask(ctx)} }()
	}
	var down []string
	for len(needed) > 0 {
		select {
		case a := <-answers:
			delete(needed, a.part)
			h.asked(a.part, a.err)
			if a.err != nil {
				down = append(down, a.part)
			}
			continue
		case <-ctx.Done():
		}
		for part := range needed {
			h.asked(part, ctx.Err())
			down = append(down, part)
		}
		break
	}
	if len(down) == 0 {
		return nil
	}
	slices.Sort(down)
	return &Unready{down[0] + " does not answer"}
}

func (h *Health) asked(part string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, now := h.all[part], h.cfg.Now()
	if err == nil {
		p.become(StateOK, "", now)
		return
	}
	if p.State != StateDown {
		// The state and its log line are for people; errors of drivers may name
		// hosts, which the log may and a page may not.
		h.cfg.Logger.Warn("a needed part does not answer", "part", part, "error", err)
	}
	p.become(StateDown, "does not answer", now)
}

// parts returns all that is known, by name.
func (h *Health) parts() []Part {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Part
	for _, p := range h.all {
		out = append(out, p.Part)
	}
	slices.SortFunc(out, func(a, b Part) int { return cmp.Compare(a.Part, b.Part) })
	return out
}

// Status is the whole.
type Status struct {
	State   State  `json:"state"`
	Version string `json:"version"`
	Role    string `json:"role,omitempty"`
	Parts   []Part `json:"parts"`
}

// Status tells what was known last, and asks nobody.
func (h *Health) Status() Status {
	out := Status{State: StateOK, Version: h.cfg.Version, Role: h.cfg.Role, Parts: h.parts()}
	for _, p := range out.Parts {
		switch {
		case p.State == StateDown:
			out.State = StateDown
		case p.State == StateDegraded && out.State == StateOK:
			out.State = StateDegraded
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		out.State = StateDraining
	case !h.started:
		out.State = StateStarting
	}
	return out
}

// lookEvery is how often needed parts are asked when nobody probes.
const lookEvery = 10 * time.Second

// Run keeps what is known of the needed parts fresh, until ctx ends.
func (h *Health) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		_ = h.look(ctx) // it notes what it finds
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (h *Health) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, nil) })
	mux.HandleFunc("GET /startupz", func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.started {
			say(w, &Unready{"starting"})
			return
		}
		say(w, nil)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { say(w, h.Ready(r.Context())) })
	mux.HandleFunc("GET /statusz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(h.Status()) // who asked has hung up
	})
}

func say(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		text = "not ready"
		if u := new(Unready); errors.As(err, &u) {
			text = u.Why
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintln(w, text)
}
