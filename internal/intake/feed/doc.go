// Package feed reads items from HR systems that we call and from files that they
// write. An item is a tree as package tree makes them. What it means is decided
// elsewhere.
//
// A feed is read to its end or not at all: an error after some items means that
// the caller has to forget those, too.
//
// Failures of the other side are a *jml.Fault with the system "hr", and a few
// words of what to do. They quote no URL, no file name and nothing that the other
// side sent.
package feed

import (
	"errors"

	"firstpass.internal/config"
)

// Item is one thing that an HR system says.
type Item struct {
	Where string // for a person who looks for it: "page 3, item 12", "line 17"
	Body  any    // the page or JSON file the item is from; nil where items are read one by one
	Value any
}

// problems collects what is wrong with a configuration.
type problems []error

func (p *problems) add(path, problem string) {
	*p = append(*p, &config.Error{Path: path, Problem: problem})
}

func (p *problems) addIf(path string, err error) {
	if err != nil {
		p.add(path, err.Error())
	}
}

func (p *problems) join() error { return errors.Join(*p...) }
