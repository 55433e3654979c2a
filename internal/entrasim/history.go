package entrasim

import (
	"slices"
	"sync"
	"time"
)

// RequestKind tells apart what a request was for.
type RequestKind string

const (
	KindGraphRequest    RequestKind = "graph"
	KindTokenRequest    RequestKind = "token"
	KindBatch           RequestKind = "batch"    // what holds several Graph requests
	KindMetadataRequest RequestKind = "metadata" // openid configuration, instance discovery
)

// Request is one line of the history: never a body, a header value other than
// the two request ids, or a query value.
type Request struct {
	Time            time.Time     `json:"time"` // tenant clock
	Kind            RequestKind   `json:"kind"`
	Operation       string        `json:"operation"`
	Method          string        `json:"method"`
	Path            string        `json:"path"`
	Template        string        `json:"template,omitempty"` // empty when nothing is at Path
	Query           []string      `json:"query,omitempty"`    // names only
	Status          int           `json:"status"`             // what the client saw; 0: no answer
	WorkStatus      int           `json:"workStatus"`         // what the work came to; 0: not done
	RequestID       string        `json:"requestId"`
	ClientRequestID string        `json:"clientRequestId"`
	Duration        time.Duration `json:"durationNanos"` // wall clock
	Fault           string        `json:"fault,omitempty"`
}

// Counts sums the history up; ByPath keys are "METHOD template".
type Counts struct {
	Graph    int            `json:"graph"`
	Token    int            `json:"token"`
	Metadata int            `json:"metadata"`
	ByPath   map[string]int `json:"byPath"`
}

// historyLimit bounds memory in a long demo; counts go on beyond it.
const historyLimit = 20000

type history struct {
	mu         sync.Mutex
	lines      []Request
	counts     Counts
	violations []Violation
}

func newHistory() *history {
	h := &history{}
	h.reset()
	return h
}

func (h *history) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines, h.counts = nil, Counts{ByPath: map[string]int{}}
}

func (h *history) add(r Request) {
	slices.Sort(r.Query)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.lines) >= historyLimit {
		h.lines = slices.Delete(h.lines, 0, historyLimit/2)
	}
	h.lines = append(h.lines, r)
	switch r.Kind {
	case KindGraphRequest:
		h.counts.Graph++
	case KindTokenRequest:
		h.counts.Token++
	case KindBatch: // its parts count
	default:
		h.counts.Metadata++
	}
	path := r.Template
	if path == "" {
		path = "(unknown)"
	}
	h.counts.ByPath[r.Method+" "+path]++
}

// Requests returns the history, oldest first. A request is in it before its
// client sees the answer.
func (t *Tenant) Requests() []Request {
	t.history.mu.Lock()
	defer t.history.mu.Unlock()
	return slices.Clone(t.history.lines)
}

// Counts returns how many requests came since the start or ResetRequests.
func (t *Tenant) Counts() Counts {
	t.history.mu.Lock()
	defer t.history.mu.Unlock()
	c := t.history.counts
	c.ByPath = make(map[string]int, len(t.history.counts.ByPath))
	for k, v := range t.history.counts.ByPath {
		c.ByPath[k] = v
	}
	return c
}

// ResetRequests forgets history and counts.
func (t *Tenant) ResetRequests() { t.history.reset() }
