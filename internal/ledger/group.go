package ledger

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// groupCalls bounds how many calls share a transaction.
	groupCalls = 512
	// groupQueue lets calls gather while a transaction commits.
	groupQueue = 1024
	// groupTime bounds a transaction on a database that hangs. It is longer
	// than SQLite waits for another process.
	groupTime = 30 * time.Second
)

// employeeKey, deliveryKey and countKey are primary keys.
type (
	employeeKey struct{ source, ref string }
	deliveryKey struct{ source, hash string }
	countKey    struct {
		source string
		hour   int64
		name   string
	}
)

// change is what small calls write; changes can be joined.
type change struct {
	employees  map[employeeKey]sealedEmployee
	deliveries map[deliveryKey]int64
	counts     map[countKey]int64
}

func newChange() change {
	return change{map[employeeKey]sealedEmployee{}, map[deliveryKey]int64{}, map[countKey]int64{}}
}

// add joins other to c, with the same result as if other were written after c.
func (c change) add(other change) {
	for k, e := range other.employees {
		if old, ok := c.employees[k]; !ok || old.observed <= e.observed {
			c.employees[k] = e
		}
	}
	for k, at := range other.deliveries {
		if _, ok := c.deliveries[k]; !ok {
			c.deliveries[k] = at
		}
	}
	for k, n := range other.counts {
		c.counts[k] += n
	}
}

// joined is all changes written one after the other.
func joined(list []change) change {
	all := newChange()
	for _, c := range list {
		all.add(c)
	}
	return all
}

// call is a change that somebody waits for.
type call[T any] struct {
	ctx    context.Context
	change T
	done   chan error
}

// group commits the changes of many callers in few transactions: while one
// commits, the next calls gather.
type group[T any] struct {
	join   func([]T) T
	commit func(context.Context, T) error
	queue  chan *call[T]
	ended  chan struct{}

	mu     sync.RWMutex
	closed bool

	transactions atomic.Int64 // begun so far; tests look at it
}

func newGroup[T any](join func([]T) T, commit func(context.Context, T) error) *group[T] {
	g := &group[T]{join: join, commit: commit, queue: make(chan *call[T], groupQueue), ended: make(chan struct{})}
	go g.run()
	return g
}

// write returns once c is committed, or with ctx's error if that is done first;
// c may then be written or not.
func (g *group[T]) write(ctx context.Context, c T) error {
	call := &call[T]{ctx, c, make(chan error, 1)}
	if err := g.enqueue(call); err != nil {
		return err
	}
	select {
	case err := <-call.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *group[T]) enqueue(c *call[T]) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return ErrClosed
	}
	select {
	case g.queue <- c:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// close returns once everything that was queued is answered.
func (g *group[T]) close() {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.queue)
	}
	g.mu.Unlock()
	<-g.ended
}

func (g *group[T]) run() {
	defer close(g.ended)
	for first := range g.queue {
		g.serve(append([]*call[T]{first}, g.waiting()...))
	}
}

// waiting takes the calls that have come meanwhile.
func (g *group[T]) waiting() []*call[T] {
	var calls []*call[T]
	for len(calls) < groupCalls-1 {
		select {
		case c, ok := <-g.queue:
			if !ok {
				return calls
			}
			calls = append(calls, c)
		default:
			return calls
		}
	}
	return calls
}

// serve commits calls together. If the database refuses a row, each call is
// tried alone, so that one bad row fails one caller; a database that is away
// or busy is away for all.
func (g *group[T]) serve(calls []*call[T]) {
	calls = slices.DeleteFunc(calls, func(c *call[T]) bool { return c.ctx.Err() != nil })
	if len(calls) == 0 {
		return
	}
	all := make([]T, len(calls))
	for i, c := range calls {
		all[i] = c.change
	}
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	g.transactions.Add(1)
	err := g.commit(ctx, g.join(all))
	for _, c := range calls {
		if len(calls) > 1 && errors.Is(err, errRefused) {
			g.transactions.Add(1)
			c.done <- g.commit(ctx, c.change)
			continue
		}
		c.done <- err
	}
}

// errRefused marks an error of a statement, unlike one of the transaction.
var errRefused = errors.New("the database refused a row")

type refused struct{ error }

func (r refused) Unwrap() error        { return r.error }
func (r refused) Is(target error) bool { return target == errRefused }

// commit writes c in one transaction.
func (l *Ledger) commit(ctx context.Context, c change) error {
	return l.fast.run(ctx, func(tx *sql.Tx) error {
		err := writeEmployees(ctx, tx, c.employees)
		if err == nil {
			err = writeDeliveries(ctx, tx, c.deliveries)
		}
		if err == nil {
			err = writeCounts(ctx, tx, c.counts)
		}
		if err != nil {
			return refused{err}
		}
		return nil
	})
}
