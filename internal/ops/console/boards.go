package console

import (
	"context"
	"sync"
	"time"
)

// fragment is a part of a page that many look at.
type fragment struct {
	body []byte
	tag  string
}

// boards keeps fragments, so that fifty operators cost what one does.
type boards struct {
	now  func() time.Time
	mu   sync.Mutex
	kept map[string]*kept
}

type kept struct {
	mu     sync.Mutex
	asked  time.Time
	digest string // of what it was made from
	fragment
}

const (
	// freshFor is how long nobody asks the service again, placesFor that for the
	// sites and sources to choose from.
	freshFor  = 2 * time.Second
	placesFor = time.Minute
	// keptMost bounds the fragments; each is about 130 kB at the most.
	keptMost = 256
)

func newBoards(now func() time.Time) *boards {
	return &boards{now: now, kept: map[string]*kept{}}
}

// get returns the fragment called key. If it is older than fresh, look finds out what
// it is made from, and names that; it is made anew only if the name has changed.
func (b *boards) get(ctx context.Context, key string, fresh time.Duration, look func(ctx context.Context) (digest string, make func() ([]byte, error), err error)) (fragment, error) {
	k := b.entry(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := b.now()
	if !k.asked.IsZero() && now.Sub(k.asked).Abs() < fresh {
		return k.fragment, nil
	}
	digest, render, err := look(ctx)
	if err != nil {
		return fragment{}, err
	}
	if digest != k.digest || k.body == nil {
		body, err := render()
		if err != nil {
			return fragment{}, err
		}
		k.digest, k.fragment = digest, fragment{body, tagOf(body)}
	}
	k.asked = now
	return k.fragment, nil
}

func (b *boards) entry(key string) *kept {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, ok := b.kept[key]
	if !ok {
		if len(b.kept) >= keptMost {
			// Filters that nobody looks at any more, for the most part.
			clear(b.kept)
		}
		k = &kept{}
		b.kept[key] = k
	}
	return k
}
