package graph

import (
	"context"
	"net/url"
)

// page is a collection of the SDK.
type page[T any] interface {
	GetValue() []T
	GetOdataNextLink() *string
}

// pageLimit ends a chain of links that leads round in a circle; at 100 objects
// a page it is far beyond what one user is a member of.
const pageLimit = 100

// all reads a collection to its end. get is called with an empty link first,
// then with each nextLink; links to another host are refused, since a token
// would go there.
//
// A reply without a value is an error, not an empty collection: "no roles" and
// "no pass left" must be said, not concluded.
func all[P page[T], T any](ctx context.Context, root *url.URL, get func(ctx context.Context, link string) (P, error)) ([]T, error) {
	out := []T{}
	link := ""
	for range pageLimit {
		p, err := get(ctx, link)
		if err != nil {
			return nil, err
		}
		if any(p) == nil {
			return nil, bad("emptyReply")
		}
		v := p.GetValue()
		if v == nil {
			return nil, bad("emptyReply")
		}
		out = append(out, v...)
		link = deref(p.GetOdataNextLink())
		if link == "" {
			return out, nil
		}
		if u, err := url.Parse(link); err != nil || u.Scheme != root.Scheme || u.Host != root.Host {
			return nil, bad("foreignLink")
		}
	}
	return nil, bad("endlessPages")
}
