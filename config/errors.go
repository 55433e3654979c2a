package config

import (
	"errors"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a configuration.
type Error struct {
	Path    string // of the key, as in sources[0].verify.key_files[1]; empty for the file as a whole
	Problem string // what is wrong and what would be right
}

// Error implements error.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Problem
	}
	return e.Path + ": " + e.Problem
}

// Errors returns the problems that err, as returned by this package, joins.
func Errors(err error) []*Error {
	var out []*Error
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, Errors(e)...)
		}
		return out
	}
	var one *Error
	if errors.As(err, &one) {
		out = append(out, one)
	}
	return out
}

// problems collects errors.
type problems []problem

type problem struct {
	*Error
	// needs is the key whose value the problem was found with, if that is
	// another: where that one has a problem itself, this one may be none.
	needs string
}

func (p *problems) add(path, text string) { p.addIf("", path, text) }

func (p *problems) addIf(needs, path, text string) {
	*p = append(*p, problem{&Error{path, text}, needs})
}

// join returns all problems in the order of their paths, or nil. The order is
// fixed because maps are walked on the way.
func (p problems) join() error {
	slices.SortStableFunc(p, func(a, b problem) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Problem, b.Problem)
	})
	errs := make([]error, len(p))
	for i, e := range p {
		errs[i] = e.Error
	}
	return errors.Join(errs...)
}
