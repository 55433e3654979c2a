package ops

import (
	"context"
	"strings"
	"sync"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
)

const (
	// maxScan bounds whose names are opened: those who still have a journey
	// before them come first.
	maxScan = 20000
	// namesValid is how long names count as fresh: somebody who types on looks
	// several times. Names at which nobody has looked for so long are forgotten.
	namesValid = time.Minute
	// namesShare bounds what keeping names fresh costs while somebody looks: to
	// open them takes this share of the time at the most. 20,000 take 2 s.
	namesShare = 100
	// namesWithin bounds one opening in the background.
	namesWithin = time.Minute
)

// namebook keeps the names of employees open while somebody looks at them.
type namebook struct {
	turn sync.Mutex // one opening at a time; held while the ledger is read

	mu      sync.Mutex // of what follows; never held for long
	list    []named    // nil: shut
	byKey   map[string]string
	at      time.Time     // when they were opened
	took    time.Duration // how long that took
	tried   time.Time     // when the last opening in the background began
	opening bool          // in the background
	looked  time.Time     // by time.Now: so that forget, which runs by it, can tell
	forget  *time.Timer
}

type named struct {
	folded string
	intake.Employee
}

// Names returns the given and family names of the employees whose journeys have
// the given workflow IDs: to operators, approvers and desks, who speak with
// people. Others, and everybody while the names are not open or the ledger is
// away, get none, which is no error: a page does without. It never waits. If
// names are not open or no longer fresh, they are opened in the background for
// whoever asks next.
func (s *Service) Names(ctx context.Context, ids []string) map[string]string {
	out := map[string]string{}
	who, ok := access.From(ctx)
	if !ok || who.Name == "" || !who.Has(access.Operator, access.Approver, access.Desk) || s.cfg.Desk == nil {
		return out
	}
	if s.names.tell(ids, out, s.cfg.Now()) && s.life.Err() == nil {
		s.work.Go(s.reopen)
	}
	return out
}

// tell puts the names of journeys into out. It returns true once somebody should
// open them anew.
func (n *namebook) tell(ids []string, out map[string]string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		if _, key, ok := strings.Cut(id, "/"); ok && n.byKey[key] != "" {
			out[id] = n.byKey[key]
		}
	}
	n.seen()
	age, rested := now.Sub(n.at).Abs(), now.Sub(n.tried).Abs()
	if n.opening || rested < namesValid || n.list != nil && age < max(namesValid, n.took*namesShare) {
		return false
	}
	n.opening, n.tried = true, now
	return true
}

// reopen opens the names behind a page.
func (s *Service) reopen() {
	ctx, cancel := context.WithTimeout(s.life, namesWithin)
	defer cancel()
	if _, err := s.names.open(ctx, s); err != nil {
		s.names.shut() // what can't be read again is not shown on
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	s.names.opening = false
}

// open returns all names, opening them if they are not fresh.
func (n *namebook) open(ctx context.Context, s *Service) ([]named, error) {
	n.turn.Lock()
	defer n.turn.Unlock()
	now := s.cfg.Now()
	n.mu.Lock()
	list, age := n.list, now.Sub(n.at).Abs()
	n.mu.Unlock()
	if list != nil && age < namesValid {
		return list, nil
	}
	began := time.Now()
	people, err := s.cfg.Desk.Everybody(ctx, maxScan)
	if err != nil {
		return nil, s.unread("employees", err)
	}
	list, byKey := make([]named, 0, len(people)), make(map[string]string, len(people))
	for _, e := range people {
		// Only what is shown of them stays open.
		e.Snapshot = jml.Snapshot{GivenName: e.Snapshot.GivenName, FamilyName: e.Snapshot.FamilyName, StartDate: e.Snapshot.StartDate}
		name := fullName(e.Snapshot)
		list = append(list, named{" " + fold(name), e})
		byKey[e.Source+"/"+e.Ref] = name
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list, n.byKey, n.at, n.took = list, byKey, now, time.Since(began)
	if n.forget == nil {
		n.forget = time.AfterFunc(namesValid, n.unseen)
	}
	n.seen()
	return list, nil
}

// seen puts off forgetting. n.mu is held.
func (n *namebook) seen() {
	n.looked = time.Now()
	if n.forget != nil {
		n.forget.Reset(namesValid)
	}
}

// unseen forgets the names, unless somebody looked while it was on its way.
func (n *namebook) unseen() {
	n.mu.Lock()
	since := time.Since(n.looked)
	n.mu.Unlock()
	if since >= namesValid {
		n.shut()
	}
}

// shut forgets the names.
func (n *namebook) shut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list, n.byKey, n.at = nil, nil, time.Time{}
}

func fullName(s jml.Snapshot) string { return strings.TrimSpace(s.GivenName + " " + s.FamilyName) }
