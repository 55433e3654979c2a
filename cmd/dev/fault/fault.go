// Package fault is the trouble that a simulated message service can be told to
// make: refusals, silence, answers that are lost, and messages that nobody gets.
package fault

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with sends. A send meets the first fault
// in the queue that is due.
type Fault struct {
	To     string // only messages to this address
	Times  int    // 0: once; negative: until removed
	Probes bool   // strikes requests that send nothing too

	Status int           // an error answer
	Code   int           // the provider's own code in that answer, or in its events
	Reset  time.Duration // for 429: when to come again
	Drop   bool          // close the connection without an answer
	After  bool          // keep the message first; with nothing else said, drop the answer
	Hold   bool          // wait there until Release, even if the sender is gone

	// Becomes are the events that follow an accepted message, in the provider's
	// words. Nil: it arrives. Any order and any word is let through.
	Becomes []string
}

// Handle is a fault in a queue.
type Handle struct {
	Fault    Fault
	queue    *Queue
	played   int
	removed  bool
	arrived  chan struct{}
	released chan struct{}
	once     sync.Once
}

// Queue holds the faults of one service. Its zero value is empty.
type Queue struct {
	// Closing ends what is held; the service closes it.
	Closing <-chan struct{}

	mu   sync.Mutex
	list []*Handle
}

// Inject puts a fault at the end of the queue.
func (q *Queue) Inject(f Fault) *Handle {
	h := &Handle{Fault: f, queue: q, arrived: make(chan struct{}, 256), released: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, h)
	return h
}

// Take returns the fault that a send to these addresses meets, nil for none. A
// probe sends nothing.
func (q *Queue) Take(probe bool, to ...string) *Handle {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range q.list {
		spent := h.removed || h.Fault.Times >= 0 && h.played >= max(1, h.Fault.Times)
		meant := h.Fault.To == "" || slices.ContainsFunc(to, func(a string) bool { return strings.EqualFold(a, h.Fault.To) })
		if spent || !meant || probe && !h.Fault.Probes {
			continue
		}
		h.played++
		return h
	}
	return nil
}

// Arrived yields a value for each send that met the fault, at the point where
// it holds.
func (h *Handle) Arrived() <-chan struct{} { return h.arrived }

// Release lets go what is held, and holds nothing from now on.
func (h *Handle) Release() { h.once.Do(func() { close(h.released) }) }

// Played counts the sends that met the fault.
func (h *Handle) Played() int {
	h.queue.mu.Lock()
	defer h.queue.mu.Unlock()
	return h.played
}

// Remove ends the fault and releases what it holds.
func (h *Handle) Remove() {
	h.queue.mu.Lock()
	h.removed = true
	h.queue.mu.Unlock()
	h.Release()
}

// Strike waits as the fault wants, before or after the message is kept. It
// returns true if the connection is to be closed without an answer. A nil
// handle does nothing.
func (h *Handle) Strike(after bool) (drop bool) {
	if h == nil || h.Fault.After != after {
		return false
	}
	select {
	case h.arrived <- struct{}{}:
	default: // nobody has looked for a long time
	}
	if h.Fault.Hold {
		select {
		case <-h.released:
		case <-h.queue.Closing:
			return true
		}
	}
	return h.Fault.Drop || after && h.Fault.Status == 0 && !h.Fault.Hold
}

// Answers reports whether the fault answers there instead of the service.
func (h *Handle) Answers(after bool) bool {
	return h != nil && h.Fault.After == after && h.Fault.Status != 0
}

// Events are what becomes of an accepted message.
func (h *Handle) Events(otherwise ...string) []string {
	if h == nil || h.Fault.Becomes == nil {
		return otherwise
	}
	return h.Fault.Becomes
}
