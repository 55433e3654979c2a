package scim

import (
	"hash/maphash"
	"sync"
)

// locks lets the writes to one resource take turns. Two resources may share a
// lock, which costs waiting and nothing else.
type locks struct {
	seed maphash.Seed
	all  [64]sync.Mutex
}

// lock waits for its turn with name and returns what ends it.
func (l *locks) lock(name string) (unlock func()) {
	m := &l.all[maphash.String(l.seed, name)%uint64(len(l.all))]
	m.Lock()
	return m.Unlock
}
