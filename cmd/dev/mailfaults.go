package main

import (
	"sync"
	"time"
)

// mailFault is something that goes wrong with sends. Faults are kept in order;
// a send meets the first that is due.
type mailFault struct {
	To     string // only mails to this address
	Times  int    // 0: once; negative: until removed
	Probes bool   // strikes sandbox requests too

	Status int           // an error answer instead of 202
	Reset  time.Duration // for 429: X-RateLimit-Reset is so far ahead
	Drop   bool          // close the connection without an answer
	After  bool          // keep the mail first; with nothing else said, drop the answer
	Hold   bool          // wait there until Release, even if the sender is gone
}

// mailFaultHandle is a fault in the queue.
type mailFaultHandle struct {
	fault    mailFault
	all      *mailFaults
	played   int
	arrived  chan struct{}
	released chan struct{}
	once     sync.Once
}

type mailFaults struct {
	closing chan struct{}
	mu      sync.Mutex
	queue   []*mailFaultHandle
}

// Inject puts a fault at the end of the queue.
func (b *mailbox) Inject(f mailFault) *mailFaultHandle {
	h := &mailFaultHandle{fault: f, all: &b.faults, arrived: make(chan struct{}, 256), released: make(chan struct{})}
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	b.faults.queue = append(b.faults.queue, h)
	return h
}

// Arrived yields a value for each send that met the fault, at the point where
// it holds.
func (h *mailFaultHandle) Arrived() <-chan struct{} { return h.arrived }

// Release lets go what is held, and holds nothing from now on.
func (h *mailFaultHandle) Release() { h.once.Do(func() { close(h.released) }) }

// Played counts the sends that met the fault.
func (h *mailFaultHandle) Played() int {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return h.played
}

// Remove ends the fault and releases what it holds.
func (h *mailFaultHandle) Remove() {
	h.all.mu.Lock()
	h.fault.Times, h.played = 0, max(1, h.played)
	h.all.mu.Unlock()
	h.Release()
}

func (f *mailFaults) take(m mail, probe bool) *mailFaultHandle {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.queue {
		spent := h.fault.Times >= 0 && h.played >= max(1, h.fault.Times)
		meant := h.fault.To == "" || m.addressedTo(h.fault.To)
		if spent || !meant || probe && !h.fault.Probes {
			continue
		}
		h.played++
		return h
	}
	return nil
}

// strike waits as the fault wants. It returns true if the connection is to be
// closed without an answer.
func (h *mailFaultHandle) strike(after bool) (drop bool) {
	if h == nil || h.fault.After != after {
		return false
	}
	select {
	case h.arrived <- struct{}{}:
	default: // nobody has looked for a long time
	}
	if h.fault.Hold {
		select {
		case <-h.released:
		case <-h.all.closing:
			return true
		}
	}
	return h.fault.Drop || after && h.fault.Status == 0 && !h.fault.Hold
}

// answers reports whether the fault answers instead of SendGrid.
func (h *mailFaultHandle) answers(after bool) bool {
	return h != nil && h.fault.After == after && h.fault.Status != 0
}
