package entrasim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Match chooses requests; all given fields must agree. Operation is one of the
// Op constants, Path a regular expression searched in the path as sent (without
// query). The zero value matches every request, token requests included.
type Match struct {
	Operation string `json:"operation,omitempty"`
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"`
}

// Hold says when a request is held until FaultHandle.Release.
type Hold string

const (
	HoldBefore Hold = "before" // nothing is done yet; done on release even if the client has given up
	HoldAfter  Hold = "after"  // the work is done, the answer is not sent
)

// Fault is something that goes wrong for the requests it matches. Faults are
// kept in order; a request plays the first that is due.
type Fault struct {
	Match Match `json:"match"`
	Skip  int   `json:"skip,omitempty"`  // let so many matching requests pass first
	Times int   `json:"times,omitempty"` // 0: once; negative: until removed

	// Status, Code and Message make an error answer. 429 and 503 carry
	// "Retry-After: 10" unless RetryAfter (sent as it is) or NoRetryAfter says
	// otherwise.
	Status       int    `json:"status,omitempty"`
	Code         string `json:"code,omitempty"`
	Message      string `json:"message,omitempty"`
	RetryAfter   string `json:"retryAfter,omitempty"`
	NoRetryAfter bool   `json:"noRetryAfter,omitempty"`
	// Body replaces the JSON error, byte for byte; with a 2xx Status a success
	// can be forged or spoilt. ContentType defaults to application/json.
	Body        string `json:"body,omitempty"`
	ContentType string `json:"contentType,omitempty"`

	Drop bool `json:"drop,omitempty"` // close the connection without an answer
	// After does the work first and lets the fault strike its answer. With
	// nothing else said the answer is dropped.
	After bool          `json:"after,omitempty"`
	Delay time.Duration `json:"-"` // wall clock
	Hold  Hold          `json:"hold,omitempty"`
	Note  string        `json:"note,omitempty"` // shown in the history
}

func (f Fault) check() error {
	if _, err := regexp.Compile(f.Match.Path); err != nil {
		return fmt.Errorf("entrasim: fault path: %w", err)
	}
	switch {
	case f.Hold != "" && f.Hold != HoldBefore && f.Hold != HoldAfter:
		return fmt.Errorf("entrasim: fault hold %q", f.Hold)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("entrasim: fault status %d", f.Status)
	case f.Status == 0 && (f.Body != "" || f.Code != ""):
		return errors.New("entrasim: a fault with a body or code needs a status")
	case f.Delay < 0 || f.Skip < 0:
		return errors.New("entrasim: a fault's delay and skip cannot be negative")
	}
	return nil
}

// String says in a few words what the fault does.
func (f Fault) String() string {
	var w []string
	if f.Note != "" {
		w = append(w, f.Note+":")
	}
	if f.Hold != "" {
		w = append(w, "held "+string(f.Hold))
	}
	if f.Delay > 0 {
		w = append(w, "delayed "+f.Delay.String())
	}
	if f.After {
		w = append(w, "after the work")
	}
	if f.Drop {
		w = append(w, "connection dropped")
	} else if f.Status != 0 {
		w = append(w, "status "+strconv.Itoa(f.Status))
		if ra := f.retryAfter(); ra != "" {
			w = append(w, "Retry-After "+ra)
		}
	}
	return strings.Join(w, " ")
}

func (f Fault) retryAfter() string {
	if f.RetryAfter == "" && !f.NoRetryAfter && (f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable) {
		return "10"
	}
	return f.RetryAfter
}

// RandomFaults are probabilities (0 to 1) per Graph request, drawn from the
// seed. Half of the 429 and 503 answers come without Retry-After.
type RandomFaults struct {
	Throttle    float64 `json:"throttle,omitempty"`    // 429
	Unavailable float64 `json:"unavailable,omitempty"` // 503
	LostReply   float64 `json:"lostReply,omitempty"`   // the work is done, the connection dropped
	RetryAfter  string  `json:"retryAfter,omitempty"`  // default "1"
}

// PlayedFault is a line of the fault log.
type PlayedFault struct {
	Time      time.Time `json:"time"` // tenant clock
	FaultID   string    `json:"faultId"`
	Operation string    `json:"operation"`
	RequestID string    `json:"requestId"`
	What      string    `json:"what"`
}

// FaultHandle is an injected fault.
type FaultHandle struct {
	ID    string
	Fault Fault

	all      *faults
	path     *regexp.Regexp
	seen     int // guarded by all.mu, as played is
	played   int
	arrived  chan struct{}
	released chan struct{}
	once     sync.Once
}

// Arrived yields one value per request that reached the point where the fault
// holds, or, without Hold, per request it was played on. Up to 256 wait there.
func (h *FaultHandle) Arrived() <-chan struct{} { return h.arrived }

// Release lets go what is held and holds nothing from now on.
func (h *FaultHandle) Release() { h.once.Do(func() { close(h.released) }) }

// Played counts the requests the fault was played on.
func (h *FaultHandle) Played() int {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return h.played
}

// Remove takes the fault out of the queue and releases what it holds.
func (h *FaultHandle) Remove() {
	h.all.remove(h.ID)
	h.Release()
}

func (h *FaultHandle) signal() {
	select {
	case h.arrived <- struct{}{}:
	default: // nobody has looked for a long time
	}
}

func (h *FaultHandle) spent() bool {
	return h.Fault.Times >= 0 && h.played >= max(1, h.Fault.Times)
}

type faults struct {
	mu      sync.Mutex
	queue   []*FaultHandle // spent ones stay, so that they can be looked at and released
	log     []PlayedFault
	random  RandomFaults
	rng     *rand.Rand
	last    int
	closing chan struct{}
}

func newFaults(seed uint64, random RandomFaults, closing chan struct{}) *faults {
	return &faults{random: random, rng: rand.New(rand.NewPCG(seed, 0x6661756c7473)), closing: closing}
}

func (fs *faults) remove(id string) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := len(fs.queue)
	fs.queue = slices.DeleteFunc(fs.queue, func(h *FaultHandle) bool { return h.ID == id })
	return len(fs.queue) < n
}

func (fs *faults) inject(f Fault) (*FaultHandle, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.After && !f.Drop && f.Status == 0 && f.Delay == 0 && f.Hold == "" {
		f.Drop = true
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.last++
	h := &FaultHandle{ID: "fault-" + strconv.Itoa(fs.last), Fault: f, all: fs, path: regexp.MustCompile(f.Match.Path),
		arrived: make(chan struct{}, 256), released: make(chan struct{})}
	fs.queue = append(fs.queue, h)
	return h, nil
}

// take chooses the fault for a request and enters it in the log; nil is none.
func (fs *faults) take(r Request) *FaultHandle {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var h *FaultHandle
	for _, q := range fs.queue {
		m := q.Fault.Match
		if q.spent() || m.Operation != "" && m.Operation != r.Operation || m.Method != "" && !strings.EqualFold(m.Method, r.Method) || !q.path.MatchString(r.Path) {
			continue
		}
		if q.seen++; q.seen > q.Fault.Skip {
			h = q
			break
		}
	}
	if h == nil && r.Kind == KindGraphRequest {
		h = fs.drawRandom()
	}
	if h == nil {
		return nil
	}
	h.played++
	fs.log = append(fs.log, PlayedFault{Time: r.Time, FaultID: h.ID, Operation: r.Operation, RequestID: r.RequestID, What: h.Fault.String()})
	return h
}

func (fs *faults) drawRandom() *FaultHandle {
	if fs.random == (RandomFaults{RetryAfter: fs.random.RetryAfter}) {
		return nil
	}
	f := Fault{Note: "random", RetryAfter: "1"}
	if fs.random.RetryAfter != "" {
		f.RetryAfter = fs.random.RetryAfter
	}
	x, silent := fs.rng.Float64(), fs.rng.IntN(2) == 0
	if silent {
		f.RetryAfter, f.NoRetryAfter = "", true
	}
	switch p := fs.random; {
	case x < p.Throttle:
		f.Status = http.StatusTooManyRequests
	case x < p.Throttle+p.Unavailable:
		f.Status = http.StatusServiceUnavailable
	case x < p.Throttle+p.Unavailable+p.LostReply:
		f = Fault{Note: "random", After: true, Drop: true}
	default:
		return nil
	}
	return &FaultHandle{ID: "random", Fault: f, all: fs, arrived: make(chan struct{}, 1), released: make(chan struct{})}
}

// The methods below accept a nil handle: no fault.

// pause delays and holds at the given point; true means the tenant is closing.
func (h *FaultHandle) pause(closing <-chan struct{}, after bool) bool {
	if h == nil {
		return false
	}
	if h.Fault.Delay > 0 && h.Fault.After == after {
		timer := time.NewTimer(h.Fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-closing:
			return true
		}
	}
	if h.Fault.Hold == HoldBefore && !after || h.Fault.Hold == HoldAfter && after {
		h.signal()
		select {
		case <-h.released:
		case <-closing:
			select {
			case <-h.released: // released before the close, so it counts
			default:
				return true
			}
		}
	}
	return false
}

// replaces: an answer, or none, of the fault's own stands in for the real one.
// A dropped request without After is not worked on either.
func (h *FaultHandle) replaces(after bool) bool {
	return h != nil && h.Fault.After == after && (h.Fault.Status != 0 || h.Fault.Drop)
}

func (h *FaultHandle) drops() bool { return h != nil && h.Fault.Drop }

func (h *FaultHandle) done() {
	if h != nil && h.Fault.Hold == "" {
		h.signal()
	}
}

// String names the fault for the history; empty for none.
func (h *FaultHandle) String() string {
	if h == nil {
		return ""
	}
	return h.ID + ": " + h.Fault.String()
}

// reply renders the fault's answer in the words of the service it strikes.
func (h *FaultHandle) reply(c *call) reply {
	f := h.Fault
	if f.Drop {
		return reply{}
	}
	code, message := f.Code, f.Message
	if code == "" {
		code = map[int]string{429: "TooManyRequests", 503: "serviceNotAvailable", 504: "gatewayTimeout", 500: "internalServerError", 409: "conflict"}[f.Status]
	}
	if code == "" {
		code = "simulatedFault"
	}
	if message == "" {
		message = "The simulator was told to answer like this."
	}
	rep := refusal(c.service(), f.Status, code, message)
	rep.header = http.Header{}
	if f.Body != "" {
		rep.raw, rep.fail = []byte(f.Body), nil
		rep.header.Set("Content-Type", "application/json")
	} else if f.Status < 300 {
		rep.fail = nil
	}
	if f.ContentType != "" {
		rep.header.Set("Content-Type", f.ContentType)
	}
	if ra := f.retryAfter(); ra != "" {
		rep.header.Set("Retry-After", ra)
	}
	return rep
}

// Inject queues a fault.
func (t *Tenant) Inject(f Fault) (*FaultHandle, error) { return t.faults.inject(f) }

// MustInject is Inject for a fault written down in a test; it panics on one
// that makes no sense.
func (t *Tenant) MustInject(f Fault) *FaultHandle {
	h, err := t.Inject(f)
	if err != nil {
		panic(err)
	}
	return h
}

// Faults returns what is queued, spent faults included.
func (t *Tenant) Faults() []*FaultHandle {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	return slices.Clone(t.faults.queue)
}

// ClearFaults removes all queued faults, releases what they hold and switches
// the random ones off.
func (t *Tenant) ClearFaults() {
	for _, h := range t.Faults() {
		h.Remove()
	}
	t.SetRandomFaults(RandomFaults{})
}

// SetRandomFaults replaces the probabilities.
func (t *Tenant) SetRandomFaults(r RandomFaults) {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	t.faults.random = r
}

// PlayedFaults returns every fault that struck, oldest first.
func (t *Tenant) PlayedFaults() []PlayedFault {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	return slices.Clone(t.faults.log)
}
