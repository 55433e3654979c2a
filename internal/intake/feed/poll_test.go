package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/jml"
)

func noon() time.Time { return time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC) }

func newPoll(t testing.TB, a *api, path, split string, page config.Page) *feed.Poll {
	t.Helper()
	if page.Most == 0 {
		page.Most = 100
	}
	p, err := feed.NewPoll("sources[0]", "acme", nil, config.Poll{Request: a.request(path), Page: page}, split, compiler(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// all reads p to its end, or to an error.
func all(t testing.TB, p *feed.Poll) (where []string, ids []int64, err error) {
	t.Helper()
	err = p.Each(t.Context(), time.Time{}, noon(), func(i feed.Item) error {
		where = append(where, i.Where)
		id, ok := i.Value.(map[string]any)["id"].(int64)
		if !ok || i.Body == nil {
			t.Errorf("got %+v", i)
		}
		ids = append(ids, id)
		return nil
	})
	return where, ids, err
}

// staff answers with people from..to of n, as a list.
func staff(from, size, n int) string {
	var out []string
	for id := max(from, 0); id < min(from+size, n); id++ {
		out = append(out, fmt.Sprintf(`{"id":%d}`, id))
	}
	return "[" + strings.Join(out, ",") + "]"
}

func param(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return n
}

func TestPages(t *testing.T) {
	offset := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			reply(w, `{"staff":`+staff(param(r, "offset", 0), param(r, "limit", 3), n)+`}`)
		}
	}
	byOffset := config.Page{Kind: config.PageOffset, Parameter: "offset", SizeParameter: "limit", Size: 3}
	number := func(first, n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			reply(w, staff((param(r, "page", first)-first)*3, 3, n))
		}
	}
	odata := func(w http.ResponseWriter, r *http.Request) {
		reply(w, `{"staff":`+staff(param(r, "$skip", 0), param(r, "$top", 2), 5)+`}`)
	}
	link := func(next func(at int) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			at := param(r, "at", 0)
			reply(w, `{"staff":`+staff(at, 2, 5)+`,"next":`+next(at)+`}`)
		}
	}
	byLink := config.Page{Kind: config.PageNextLink, Next: "body.next"}
	tests := map[string]struct {
		server  http.HandlerFunc
		path    string
		split   string
		page    config.Page
		ids     int
		queries []string
	}{
		"none":                  {offset(2), "/?a=b", "body.staff", config.Page{Kind: config.PageNone}, 2, []string{"a=b"}},
		"offset":                {offset(7), "/?f=a%20b&x", "body.staff", byOffset, 7, []string{"f=a%20b&x&limit=3&offset=0", "f=a%20b&x&limit=3&offset=3", "f=a%20b&x&limit=3&offset=6"}},
		"offset, full last":     {offset(6), "/", "body.staff", byOffset, 6, []string{"limit=3&offset=0", "limit=3&offset=3", "limit=3&offset=6"}},
		"offset, one short":     {offset(2), "/", "body.staff", byOffset, 2, []string{"limit=3&offset=0", "limit=3&offset=2"}},
		"offset, empty":         {offset(0), "/", "body.staff", byOffset, 0, []string{"limit=3&offset=0"}},
		"offset, larger pages":  {offset(7), "/?limit=4", "body.staff", config.Page{Kind: config.PageOffset, Parameter: "offset", Size: 2}, 7, []string{"limit=4&offset=0", "limit=4&offset=4", "limit=4&offset=7"}},
		"page from 1":           {number(1, 7), "/", "", config.Page{Kind: config.PageNumber, Parameter: "page", First: 1, Size: 3}, 7, []string{"page=1", "page=2", "page=3"}},
		"page from 0, no size":  {number(0, 4), "/", "body", config.Page{Kind: config.PageNumber, Parameter: "page"}, 4, []string{"page=0", "page=1", "page=2"}},
		"page, one short":       {number(1, 1), "/", "", config.Page{Kind: config.PageNumber, Parameter: "page", First: 1, Size: 3}, 1, []string{"page=1", "page=2"}},
		"odata":                 {odata, "/Staff?$format=json", "body.staff", config.Page{Kind: config.PageOData, Size: 2}, 5, []string{"$format=json&$top=2&$skip=0", "$format=json&$top=2&$skip=2", "$format=json&$top=2&$skip=4"}},
		"odd name":              {offset(0), "/", "body.staff", config.Page{Kind: config.PageOffset, Parameter: "page[offset]", Size: 1}, 0, nil},
		"next link, relative":   {link(func(at int) string { return []string{`"/?at=2"`, "", `"?at=4"`, "", "null"}[at] }), "/", "body.staff", byLink, 5, []string{"", "at=2", "at=4"}},
		"next link, empty ends": {link(func(int) string { return `""` }), "/", "body.staff", byLink, 2, []string{""}},
		"next link, spaces":     {link(func(at int) string { return []string{`"/?at=2&f=a b"`, "", `""`}[at] }), "/", "body.staff", byLink, 4, []string{"", "at=2&f=a%20b"}},
		"next link, empty page": {link(func(at int) string { return map[int]string{0: `"/?at=9"`, 9: `"/?at=4"`, 4: "null"}[at] }), "/", "body.staff", byLink, 3, []string{"", "at=9", "at=4"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, tt.server)
			where, ids, err := all(t, newPoll(t, a, tt.path, tt.split, tt.page))
			if err != nil {
				t.Fatal(err)
			}
			if len(ids) != tt.ids {
				t.Errorf("got ids %v at %v", ids, where)
			}
			var queries []string
			for _, r := range a.requests() {
				queries = append(queries, r.URL.RawQuery)
			}
			if tt.queries != nil {
				if d := cmp.Diff(tt.queries, queries); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

func TestWhere(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) { reply(w, staff(param(r, "o", 0), 2, 3)) })
	where, ids, err := all(t, newPoll(t, a, "/", "", config.Page{Kind: config.PageOffset, Parameter: "o", Size: 2}))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"page 1, item 1", "page 1, item 2", "page 2, item 1"}, where); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{0, 1, 2}, ids); d != "" {
		t.Error(d)
	}
}

func TestSince(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	r := a.request("/")
	r.URL = `settings.url + (since == "" ? "?all" : "?since=" + since) + "&now=" + now + "&by=" + source`
	p, err := feed.NewPoll("sources[0]", "acme", map[string]string{"url": a.URL + "/"},
		config.Poll{Request: r, Page: config.Page{Kind: config.PageNone}}, "body.items", compiler(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, since := range []time.Time{{}, noon().Add(-time.Hour).In(time.FixedZone("", 3600))} {
		// No content is no item, and no error.
		if err := p.Each(t.Context(), since, noon(), func(feed.Item) error { return errors.New("an item") }); err != nil {
			t.Error(err)
		}
	}
	seen := a.requests()
	if got := seen[0].URL.RawQuery; got != "all&now=2027-03-01T12:00:00Z&by=acme" {
		t.Errorf("got %q", got)
	}
	if got := seen[1].URL.RawQuery; got != "since=2027-03-01T11:00:00Z&now=2027-03-01T12:00:00Z&by=acme" {
		t.Errorf("got %q", got)
	}
}

func TestPollFaults(t *testing.T) {
	offset := config.Page{Kind: config.PageOffset, Parameter: "o", Size: 2}
	link := config.Page{Kind: config.PageNextLink, Next: "body.next"}
	tests := map[string]struct {
		server func(w http.ResponseWriter, r *http.Request, foreign string)
		page   config.Page
		items  int
		texts  []string
	}{
		"parameter ignored": {func(w http.ResponseWriter, _ *http.Request, _ string) { reply(w, `{"s":[{"id":1},{"id":2}]}`) },
			offset, 2, []string{"page 2", "is the page before again"}},
		"too many pages": {func(w http.ResponseWriter, r *http.Request, _ string) {
			reply(w, `{"s":`+staff(param(r, "o", 0), 2, 1000)+`}`)
		}, config.Page{Kind: config.PageOffset, Parameter: "o", Size: 2, Most: 3}, 6, []string{"more pages than page.most"}},
		// The server gives two at once, whatever is asked for.
		"capped": {func(w http.ResponseWriter, r *http.Request, _ string) {
			reply(w, `{"s":`+staff(param(r, "o", 0), 2, 1000)+`}`)
		}, config.Page{Kind: config.PageOffset, Parameter: "o", Size: 500}, 2, []string{"page 2", "set page.size"}},
		"error on page 2": {func(w http.ResponseWriter, r *http.Request, _ string) {
			if param(r, "o", 0) > 0 {
				w.WriteHeader(500)
			}
			reply(w, `{"s":[{"id":1},{"id":2}]}`)
		}, offset, 2, []string{"page 2", "500"}},
		"denied behind a short page": {func(w http.ResponseWriter, r *http.Request, _ string) {
			if param(r, "o", 0) > 0 {
				w.WriteHeader(403)
			}
			reply(w, `{"s":[{"id":1}]}`)
		}, offset, 1, []string{"page 2", "403"}},
		"links in a circle": {func(w http.ResponseWriter, r *http.Request, _ string) {
			at := param(r, "at", 0)
			reply(w, fmt.Sprintf(`{"s":%s,"next":"/?at=%d"}`, staff(at, 1, 9), (at+1)%3))
		}, link, 4, []string{"leads back"}},
		"link to itself": {func(w http.ResponseWriter, r *http.Request, _ string) {
			reply(w, `{"s":[{"id":1}],"next":"`+r.URL.RequestURI()+`"}`)
		}, link, 1, []string{"page 1", "leads back"}},
		"foreign link": {func(w http.ResponseWriter, _ *http.Request, foreign string) {
			reply(w, `{"s":[{"id":1}],"next":"`+foreign+`/?at=1"}`)
		}, link, 1, []string{"page 1", "next link", "not in allow_hosts"}},
		"foreign link without scheme": {func(w http.ResponseWriter, _ *http.Request, foreign string) {
			reply(w, `{"s":[{"id":1}],"next":"`+strings.TrimPrefix(foreign, "https:")+`"}`)
		}, link, 1, []string{"next link", "not in allow_hosts"}},
		"link down to http": {func(w http.ResponseWriter, _ *http.Request, _ string) {
			reply(w, `{"s":[{"id":1}],"next":"http://hr.example.org/"}`)
		}, link, 1, []string{"next link", "not https"}},
		"link is a number of pages": {func(w http.ResponseWriter, _ *http.Request, _ string) {
			reply(w, `{"s":[{"id":1}],"next":[2]}`)
		}, link, 1, []string{"page.next: "}},
		"no items": {func(w http.ResponseWriter, _ *http.Request, _ string) { reply(w, `{"other":1}`) }, link, 0, []string{"split: "}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			foreign := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, `{"s":[]}`) })
			a := newAPI(t, func(w http.ResponseWriter, r *http.Request) { tt.server(w, r, foreign.URL) })
			if tt.page.Most == 0 {
				tt.page.Most = 50
			}
			r := a.request("/")
			r.Auth = config.Auth{Kind: config.AuthBearer, SecretFile: write(t, t.TempDir(), "key", "k-123")}
			p, err := feed.NewPoll("sources[0]", "acme", nil, config.Poll{Request: r, Page: tt.page}, "body.s", compiler(t))
			if err != nil {
				t.Fatal(err)
			}
			_, ids, err := all(t, p)
			if err == nil {
				t.Fatal("no error")
			}
			for _, text := range tt.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q misses %q", err, text)
				}
			}
			var f *jml.Fault
			if errors.As(err, &f) {
				fault(t, err)
			}
			if len(ids) != tt.items {
				t.Errorf("got %d items, want %d", len(ids), tt.items)
			}
			if n := len(foreign.requests()); n != 0 {
				t.Errorf("%d requests went to another host, with %v", n, foreign.requests()[0].Header)
			}
		})
	}
}

func TestPollStops(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) { reply(w, staff(param(r, "o", 0), 2, 100)) })
	p := newPoll(t, a, "/", "", config.Page{Kind: config.PageOffset, Parameter: "o", Size: 2})
	stop, n := errors.New("stop"), 0
	err := p.Each(t.Context(), time.Time{}, noon(), func(feed.Item) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 3 || len(a.requests()) != 2 {
		t.Errorf("got %v after %d items and %d requests", err, n, len(a.requests()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = p.Each(ctx, time.Time{}, noon(), func(feed.Item) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The page after a short first one may not exist at all.
func TestShortFirstPage(t *testing.T) {
	for _, status := range []int{400, 404, 416, 422} {
		a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
			if param(r, "page", 1) > 1 {
				w.WriteHeader(status)
				return
			}
			reply(w, `[{"id":1}]`)
		})
		_, ids, err := all(t, newPoll(t, a, "/", "", config.Page{Kind: config.PageNumber, Parameter: "page", First: 1, Size: 10}))
		if err != nil || len(ids) != 1 {
			t.Errorf("%d: got %v, %v", status, ids, err)
		}
	}
}

func TestPollBody(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "full=true" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			w.WriteHeader(400)
			return
		}
		w.Header().Set("Content-Type", "application/atom+xml")
		_, _ = io.WriteString(w, `<feed><entry><id>7</id></entry><entry><id>8</id></entry></feed>`)
	})
	r := a.request("/")
	r.Method, r.Body = "POST", `"full=true"`
	r.Headers = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	p, err := feed.NewPoll("sources[0]", "acme", nil, config.Poll{Request: r, Page: config.Page{Kind: config.PageNone}}, "body.feed.entry", compiler(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []any
	if err := p.Each(t.Context(), time.Time{}, noon(), func(i feed.Item) error { got = append(got, i.Value); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{map[string]any{"id": "7"}, map[string]any{"id": "8"}}, got); d != "" {
		t.Error(d)
	}
}

func TestNewPollTellsAll(t *testing.T) {
	r := config.Request{URL: "item.id", Auth: config.Auth{Kind: config.AuthNone}}
	_, err := feed.NewPoll("sources[2]", "acme", nil, config.Poll{Request: r, Page: config.Page{Kind: config.PageNextLink, Next: "1 +"}}, "item", compiler(t))
	var got []string
	for _, e := range config.Errors(err) {
		got = append(got, e.Path)
	}
	want := []string{"sources[2].poll.request.url", "sources[2].split", "sources[2].poll.page.next"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParameterTwice(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, "[]") })
	_, _, err := all(t, newPoll(t, a, "/?o=0", "", config.Page{Kind: config.PageOffset, Parameter: "o", Size: 1}))
	if err == nil || !strings.Contains(err.Error(), "sources[0].poll.request.url: holds a parameter") {
		t.Errorf("got %v", err)
	}
}
