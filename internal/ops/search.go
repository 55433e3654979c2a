package ops

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

// Found is an employee, or a journey, that somebody looked for.
type Found struct {
	Source, Ref string
	Name        string   // personal; empty if found by reference
	Starts      jml.Date // by HR's word; zero if found by reference
	// Journeys are theirs, those that run first.
	Journeys []board.Row
}

const (
	maxFound = 50
	// minTerm and maxTerm bound what is looked for, in characters.
	minTerm = 2
	maxTerm = 100
)

// Search finds by a reference, by KIND/SOURCE/REF, or, for the roles operator
// and desk, by employee id or a part of the name. The latter is a row of the
// ledger, without what was looked for.
func (s *Service) Search(ctx context.Context, query string) ([]Found, error) {
	who, err := s.need(ctx, "search", "", append(seers(), access.Desk)...)
	if err != nil {
		return nil, err
	}
	if query, err = words("what to look for", query, minTerm, maxTerm); err != nil {
		return nil, err
	}
	if found := s.byRef(query); len(found) > 0 {
		return found, nil
	}
	if isJourneyID(query) {
		return []Found{}, nil
	}
	if !who.Has(finders()...) {
		// Most who come here have mistyped a reference: that is no attempt at
		// anything, and no name was looked up.
		return nil, &Refusal{Kind: RefusedForbidden, What: "no journey has this reference; to find an employee by name or id, the role operator or desk is needed"}
	}
	if s.cfg.Desk == nil {
		return []Found{}, nil
	}
	if err := s.record(ctx, audit.Entry{Event: audit.EventAccessSearched, Actor: who.Name}); err != nil {
		return nil, err
	}
	people, err := s.cfg.Desk.Employee(ctx, "", query)
	if err != nil {
		return nil, s.deskFault(err)
	}
	if len(people) == 0 {
		if people, err = s.named(ctx, query); err != nil {
			return nil, err
		}
	}
	return s.withJourneys(people), nil
}

// byRef finds journeys on the board.
func (s *Service) byRef(query string) []Found {
	var out []Found
	ref, whole := query, isJourneyID(query)
	s.cfg.Board.Each(board.Filter{Closed: true}, func(r *board.Row) bool {
		if whole && r.WorkflowID == ref || !whole && r.Ref == ref {
			out = put(out, *r)
		}
		return true
	})
	return out
}

func put(list []Found, r board.Row) []Found {
	i := slices.IndexFunc(list, func(f Found) bool { return f.Source == r.Source && f.Ref == r.Ref })
	if i < 0 {
		return append(list, Found{Source: r.Source, Ref: r.Ref, Journeys: []board.Row{r}})
	}
	list[i].Journeys = append(list[i].Journeys, r)
	return list
}

func (s *Service) withJourneys(people []intake.Employee) []Found {
	out := make([]Found, 0, len(people))
	for _, e := range people {
		f := Found{Source: e.Source, Ref: e.Ref, Name: fullName(e.Snapshot), Starts: e.Snapshot.StartDate}
		for _, id := range e.Journeys() {
			if r, ok := s.cfg.Board.Row(id); ok {
				f.Journeys = append(f.Journeys, r)
			}
		}
		slices.SortStableFunc(f.Journeys, func(a, b board.Row) int { return cmp.Compare(over(a), over(b)) })
		out = append(out, f)
	}
	return out
}

func over(r board.Row) int {
	if r.Closed.IsZero() {
		return 0
	}
	return 1
}

// named finds employees by what their name holds: every word of the term begins
// one of the name's.
func (s *Service) named(ctx context.Context, term string) ([]intake.Employee, error) {
	list, err := s.names.open(ctx, s)
	if err != nil {
		return nil, err
	}
	wanted := strings.Fields(fold(term))
	var out []intake.Employee
	for i := range list {
		if !matches(list[i].folded, wanted) {
			continue
		}
		if out = append(out, list[i].Employee); len(out) == maxFound {
			break
		}
	}
	return out, nil
}

func matches(folded string, wanted []string) bool {
	for _, w := range wanted {
		if !strings.Contains(folded, " "+w) {
			return false
		}
	}
	return len(wanted) > 0
}

// fold makes names that people type differently alike: case, accents and
// hyphens do not count.
func fold(s string) string {
	if !utf8.ValidString(s) {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return ' '
	}, norm.NFKD.String(s))
}
