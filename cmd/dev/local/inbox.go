package local

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// keptMessages bounds the inbox of a world that runs for months.
const keptMessages = 500

// Inbox keeps what a simulated service took, oldest first. Its methods may be
// called from several goroutines.
type Inbox[T any] struct {
	file Sealed

	mu      sync.Mutex
	list    []T
	arrival chan struct{} // closed and replaced whenever a message is kept
}

// OpenInbox returns an inbox with what file holds.
func OpenInbox[T any](file Sealed) (*Inbox[T], error) {
	b := &Inbox[T]{file: file, arrival: make(chan struct{})}
	return b, file.Load(&b.list)
}

// All returns the messages, oldest first.
func (b *Inbox[T]) All() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

// Find returns the first message that is the one.
func (b *Inbox[T]) Find(is func(T) bool) (found T, ok bool) {
	list := b.All()
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	return found, false
}

// Add keeps a message and returns once it would survive a crash.
func (b *Inbox[T]) Add(m T) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := append(b.list[:len(b.list):len(b.list)], m)
	if len(list) > keptMessages {
		list = list[len(list)-keptMessages:]
	}
	if err := b.file.Save(list); err != nil {
		return err
	}
	b.list = list
	close(b.arrival)
	b.arrival = make(chan struct{})
	return nil
}

// Change edits the first message that is the one. The change need not survive a
// crash.
func (b *Inbox[T]) Change(is func(T) bool, edit func(*T)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.list, is); i >= 0 {
		list := slices.Clone(b.list) // who reads the old ones goes on
		edit(&list[i])
		b.list = list
	}
}

// errClosing ends a wait because the service does.
var errClosing = errors.New("the service is closing")

// WaitFor returns the n-th message (from 1) that some picks, waiting until it
// comes, ctx ends or closing does.
func (b *Inbox[T]) WaitFor(ctx, closing context.Context, n int, some func([]T) []T) (none T, err error) {
	for {
		b.mu.Lock()
		arrival := b.arrival
		b.mu.Unlock()
		if got := some(b.All()); len(got) >= n {
			return got[n-1], nil
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case <-closing.Done():
			return none, errClosing
		}
	}
}
