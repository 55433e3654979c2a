package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/jml"
)

// Poll reads a REST interface page by page.
type Poll struct {
	at       string
	name     string
	settings map[string]string
	page     config.Page
	caller   *Caller
	split    *mapping.Expr // nil for none
	next     *mapping.Expr // of next_link
}

// NewPoll compiles what p and split say; both have passed config's validation.
// at is the path of the source, as in sources[0]. Errors are *config.Error, all
// at once.
func NewPoll(at, name string, settings map[string]string, p config.Poll, split string, c *mapping.Compiler) (*Poll, error) {
	var bad problems
	poll := &Poll{at: at, name: name, settings: settings, page: p.Page}
	var err error
	if poll.caller, err = NewCaller(at+".poll.request", p.Request, c, mapping.ScopeRequest); err != nil {
		bad = append(bad, err)
	}
	if split != "" {
		poll.split, err = c.List(mapping.ScopeBody, split)
		bad.addIf(at+".split", err)
	}
	switch p.Page.Kind {
	case config.PageNone:
		poll.page.Most = 1
	case config.PageNextLink:
		poll.next, err = c.Text(mapping.ScopeBody, p.Page.Next)
		bad.addIf(at+".poll.page.next", err)
	case config.PageOData:
		// OData 4.01 part 2, 5.1.1.7; V2 calls them the same.
		poll.page.Parameter = cmp.Or(p.Page.Parameter, "$skip")
		poll.page.SizeParameter = cmp.Or(p.Page.SizeParameter, "$top")
	}
	if err := bad.join(); err != nil {
		return nil, err
	}
	return poll, nil
}

// Each reads all pages and yields their items. A zero since asks for everybody.
// It stops at the first error, that of yield included; the items before it are
// not the whole feed then. No item at all is no error: nothing may have changed.
//
// Pages that are counted end at an empty one, or at one shorter than page.size. A
// first page that is shorter may also mean that the HR system gives no more at
// once than that, and those behind it would never be seen. So Each asks once
// more, and a second page with items is a fault.
func (p *Poll) Each(ctx context.Context, since, now time.Time, yield func(Item) error) error {
	vars := mapping.Vars{Source: p.name, Settings: p.settings, Since: instant(since), Now: instant(now)}
	start, body, err := p.caller.target(ctx, vars)
	if err != nil {
		return err
	}
	if start, err = p.sized(start); err != nil {
		return err
	}
	w := walk{Poll: p, start: start, body: body, yield: yield, links: map[string]bool{}}
	u := start
	if p.counts() {
		u = w.counted()
	}
	for u != nil {
		if w.pages == p.page.Most {
			return w.fault("there are more pages than page.most")
		}
		w.pages++
		if u, err = w.step(ctx, u); err != nil {
			return fmt.Errorf("page %d: %w", w.pages, err)
		}
	}
	return nil
}

func (p *Poll) counts() bool {
	return p.page.Kind != config.PageNone && p.page.Kind != config.PageNextLink
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// walk is one way through the pages.
type walk struct {
	*Poll
	start  *url.URL
	body   string
	yield  func(Item) error
	pages  int             // that were asked for
	items  int             // so far
	before []any           // items of the page before
	links  map[string]bool // that were followed
}

func (w *walk) fault(text string) error { return refused(w.caller.op, codePages, text) }

// step reads the page at u. It returns where the next one is, nil for nowhere.
func (w *walk) step(ctx context.Context, u *url.URL) (*url.URL, error) {
	reply, items, err := w.read(ctx, u)
	if err != nil {
		return nil, err
	}
	if len(items) > 0 && reflect.DeepEqual(items, w.before) {
		return nil, w.fault("is the page before again; page.parameter, page.first or page.next is wrong")
	}
	for i, v := range items {
		if err := w.yield(Item{Where: fmt.Sprintf("page %d, item %d", w.pages, i+1), Body: reply.Tree, Value: v}); err != nil {
			return nil, err
		}
	}
	w.before, w.items = items, w.items+len(items)
	switch {
	case w.page.Kind == config.PageNone:
		return nil, nil
	case w.page.Kind == config.PageNextLink:
		return w.follow(ctx, u, reply)
	case len(items) == 0:
		return nil, nil
	case len(items) >= w.page.Size: // always, if it is not set
		return w.counted(), nil
	case w.pages == 1:
		return nil, w.short(ctx)
	}
	return nil, nil
}

func (w *walk) read(ctx context.Context, u *url.URL) (Reply, []any, error) {
	reply, err := w.caller.send(ctx, u, w.body)
	if err != nil {
		return Reply{}, nil, err
	}
	items, err := w.unpack(ctx, reply)
	return reply, items, err
}

// unpack returns the items of a page. Where split is empty they are those of a
// list, or the page itself.
func (w *walk) unpack(ctx context.Context, r Reply) ([]any, error) {
	if r.Tree == nil { // status 204
		return nil, nil
	}
	if w.split != nil {
		items, err := w.split.List(ctx, w.vars(r))
		if err != nil {
			return nil, w.unreadable(ctx, "split", err)
		}
		return items, nil
	}
	if list, ok := r.Tree.([]any); ok {
		return list, nil
	}
	if !w.counts() {
		return []any{r.Tree}, nil
	}
	return nil, w.fault("split is missing: the page is no list, and its items have to be counted")
}

// unreadable is the fault of a page that an expression does not fit. The mapping's own
// errors quote nothing.
func (w *walk) unreadable(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // an expression that was cut off says nothing about the page
	}
	return w.fault(key + ": " + err.Error())
}

func (w *walk) vars(r Reply) mapping.Vars {
	return mapping.Vars{Source: w.name, Settings: w.settings, Header: r.Header, Body: r.Tree}
}

// short looks behind a first page that is shorter than page.size.
func (w *walk) short(ctx context.Context) error {
	u := w.counted()
	w.pages++
	_, items, err := w.read(ctx, u)
	var f *jml.Fault
	switch {
	case errors.As(err, &f) && f.Status >= 400 && (f.Kind == jml.FaultNotFound || f.Kind == jml.FaultRefused):
		return nil // some answer so behind the last page
	case err != nil:
		return err
	case len(items) == 0, reflect.DeepEqual(items, w.before):
		return nil
	}
	return w.fault("follows a page shorter than page.size; set page.size to what the HR system gives at most")
}

// follow returns where the page after the one at u is.
func (w *walk) follow(ctx context.Context, u *url.URL, r Reply) (*url.URL, error) {
	if r.Tree == nil {
		return nil, nil
	}
	link, err := w.next.Text(ctx, w.vars(r))
	if err != nil {
		return nil, w.unreadable(ctx, "page.next", err)
	}
	if link == "" {
		return nil, nil
	}
	to, err := w.caller.parse(u, link)
	if err != nil {
		return nil, fmt.Errorf("next link: %w", err)
	}
	w.links[u.String()] = true
	if w.links[to.String()] {
		return nil, w.fault("its next link leads back to a page that was read")
	}
	return to, nil
}

// sized asks for pages of a size. A parameter that we add may not be there yet:
// servers differ in which of two they take.
func (p *Poll) sized(u *url.URL) (*url.URL, error) {
	if !p.counts() {
		return u, nil
	}
	if has := u.Query(); has.Has(p.page.Parameter) || p.page.SizeParameter != "" && has.Has(p.page.SizeParameter) {
		return nil, fmt.Errorf("%s.poll.request.url: holds a parameter that page adds; leave it out", p.at)
	}
	if p.page.SizeParameter == "" {
		return u, nil
	}
	return with(u, p.page.SizeParameter, p.page.Size), nil
}

// counted returns the URL of the page behind those that were read.
func (w *walk) counted() *url.URL {
	n := w.page.First + w.items
	if w.page.Kind == config.PageNumber {
		n = w.page.First + w.pages
	}
	return with(w.start, w.page.Parameter, n)
}

// with adds a parameter behind those that are there, and leaves them as they
// are. $ stays, as OData's own examples have it.
func with(u *url.URL, name string, value int) *url.URL {
	out := *u
	if out.RawQuery != "" {
		out.RawQuery += "&"
	}
	out.RawQuery += strings.ReplaceAll(url.QueryEscape(name), "%24", "$") + "=" + strconv.Itoa(value)
	return &out
}
