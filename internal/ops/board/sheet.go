package board

import (
	"maps"
	"slices"
	"time"
)

// sheet is all that was read, as one goroutine keeps it. Those who look get a
// page of it.
type sheet struct {
	journeys map[string]*Row   // by workflow ID; rows are never changed, only replaced
	passes   map[string]seen   // that run, by workflow ID
	holders  map[string]string // workflow ID of a pass by that of its journey
	bare     map[string]Row    // journeys as visibility tells of them, without their passes
}

func newSheet() *sheet {
	return &sheet{journeys: map[string]*Row{}, passes: map[string]seen{}, holders: map[string]string{}, bare: map[string]Row{}}
}

// add takes in a run and returns the workflow ID of the journey that it may have
// changed; empty for none.
func (s *sheet) add(v seen) string {
	if v.pass {
		return s.addPass(v)
	}
	id := v.row.WorkflowID
	if old, ok := s.bare[id]; ok && !supersedes(v.row, old) {
		return ""
	}
	if v.goesOn {
		// The next run takes its place once it is listed.
		v.row.Closed = time.Time{}
	}
	s.bare[id] = v.row
	return id
}

// supersedes reports whether a tells of the same run as b, or of a later one. A
// page that was read before may still call a run running that has ended.
func supersedes(a, b Row) bool {
	if a.RunID != b.RunID {
		return !a.Began.Before(b.Began)
	}
	return b.Closed.IsZero() || !a.Closed.IsZero()
}

func (s *sheet) addPass(v seen) string {
	id := v.row.WorkflowID
	old, ok := s.passes[id]
	if ok && !supersedes(v.row, old.row) {
		return ""
	}
	if v.parent == "" {
		v.parent = old.parent
	}
	if ok && old.parent != v.parent && s.holders[old.parent] == id {
		delete(s.holders, old.parent)
	}
	if !v.row.Closed.IsZero() {
		// Kept, so that an older page does not bring it back; tidied by the next
		// full listing.
		if s.holders[v.parent] == id {
			delete(s.holders, v.parent)
		}
		s.passes[id] = v
		return v.parent
	}
	s.passes[id] = v
	if v.parent != "" {
		s.holders[v.parent] = id
	}
	return v.parent
}

// joined is a journey with its pass.
func (s *sheet) joined(id string) (Row, bool) {
	r, ok := s.bare[id]
	if !ok {
		return r, false
	}
	p, held := s.passes[s.holders[id]]
	if !held || !r.Closed.IsZero() {
		r.Expires = time.Time{}
		return r, true
	}
	r.PassID, r.Pass = p.row.WorkflowID, p.row.Stage
	if !p.row.Expires.IsZero() {
		r.Expires = p.row.Expires
	}
	if p.row.Channel != "" {
		r.Channel = p.row.Channel
	}
	if p.row.Changed.After(r.Changed) {
		r.Changed = p.row.Changed
	}
	return r, true
}

// renew joins the named journeys anew and returns those that differ from
// before.
func (s *sheet) renew(ids map[string]bool) map[string]bool {
	changed := map[string]bool{}
	for id := range ids {
		r, ok := s.joined(id)
		if !ok {
			continue
		}
		if old := s.journeys[id]; old != nil && *old == r {
			continue
		}
		s.journeys[id] = &r
		changed[id] = true
	}
	return changed
}

// page is what those who look get; it never changes.
type page struct {
	rows  []*Row // in order
	byID  map[string]*Row
	state State
}

// next is the page after p, on which some journeys differ.
func (s *sheet) next(p *page, changed map[string]bool) *page {
	out := &page{byID: maps.Clone(s.journeys), rows: make([]*Row, 0, len(s.journeys))}
	fresh := make([]*Row, 0, len(changed))
	for id := range changed {
		if r := s.journeys[id]; r != nil {
			fresh = append(fresh, r)
		}
	}
	slices.SortFunc(fresh, compare)
	for _, r := range p.rows {
		if s.journeys[r.WorkflowID] != r {
			continue // changed, or gone
		}
		for len(fresh) > 0 && compare(fresh[0], r) < 0 {
			out.rows, fresh = append(out.rows, fresh[0]), fresh[1:]
		}
		out.rows = append(out.rows, r)
	}
	out.rows = append(out.rows, fresh...)
	return out
}

// drop forgets closed journeys that ended before a time, and returns whether
// there were any.
func (s *sheet) drop(before time.Time) bool {
	n := len(s.journeys)
	for id, r := range s.journeys {
		if !r.Closed.IsZero() && r.Closed.Before(before) {
			delete(s.journeys, id)
			delete(s.bare, id)
		}
	}
	return len(s.journeys) != n
}
