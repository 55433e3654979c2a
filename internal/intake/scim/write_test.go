package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"firstpass.internal/internal/ledger"
)

var errAway = errors.New("away")

// The writes that a crash may cut short, each with what it leaves to tell and
// to keep.
func writes(id string) map[string]func(w *world) answer {
	return map[string]func(w *world) answer{
		"POST": func(w *world) answer { return w.do("POST", "/Users", `{"externalId": "E-1", "title": "new"}`) },
		"PUT": func(w *world) answer {
			return w.do("PUT", "/Users/"+id, `{"externalId": "E-4711", "title": "new"}`)
		},
		"PATCH": func(w *world) answer {
			return w.do("PATCH", "/Users/"+id, patchOf(`[{"op": "replace", "path": "title", "value": "new"}]`))
		},
		"DELETE": func(w *world) answer { return w.do("DELETE", "/Users/"+id, "") },
		"Bulk": func(w *world) answer {
			return w.do("POST", "/bulkUpload", `{"Operations": [{"method": "POST", "path": "/users", "data": {"externalId": "E-4711", "title": "new"}}]}`)
		},
	}
}

func TestKillPoints(t *testing.T) {
	for name := range writes("") {
		for _, point := range []string{"sink fails", "store fails after the sink", "store has written and fails"} {
			t.Run(name+"/"+point, func(t *testing.T) {
				w := newWorld(t)
				id := w.created(ottilie).id()
				write := writes(id)[name]
				before := w.sink.count()
				switch point {
				case "sink fails":
					w.sink.take = func(map[string]any, bool) error { return errAway }
				case "store fails after the sink":
					w.store.put = func(ledger.Resource, int) error { return errAway }
					w.store.drop = func() error { return errAway }
				case "store has written and fails":
					w.store.put = func(r ledger.Resource, expect int) error {
						return errors.Join(w.store.Ledger.PutResource(t.Context(), r, expect), errAway)
					}
					w.store.drop = func() error {
						return errors.Join(w.store.Ledger.DropResource(t.Context(), "hr", id), errAway)
					}
				}
				a := write(w).want(t, 503, "")
				if a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				if got := w.sink.count() - before; got != 0 && point == "sink fails" || got != 1 && point != "sink fails" {
					t.Errorf("the sink got %d", got)
				}
				if point != "store has written and fails" {
					b := w.do("GET", "/Users/"+id, "").want(t, 200, "")
					if b.body["title"] != nil {
						t.Errorf("the store holds what was not acknowledged: %v", b.body)
					}
				}
				// The client repeats.
				w.sink.take, w.store.put, w.store.drop = nil, nil, nil
				a = write(w)
				done := a.status < 300
				switch {
				case point != "store has written and fails":
				case name == "POST":
					done = a.status == 409
				case name == "DELETE":
					done = a.status == 404
				}
				if !done {
					t.Fatalf("the repetition is answered %d %v", a.status, a.body)
				}
				got := w.sink.last(t)
				if got.deleted != (name == "DELETE") || name != "DELETE" && got.resource["title"] != "new" {
					t.Errorf("the sink last got %v", got)
				}
				list := w.do("GET", "/Users", "").body
				if want := map[string]float64{"POST": 2, "DELETE": 0}[name]; list["totalResults"] != want && (name == "POST" || name == "DELETE") {
					t.Errorf("%v resources, want %v", list["totalResults"], want)
				}
			})
		}
	}
}

func TestUnprocessableIsAnsweredAsSuccess(t *testing.T) {
	w := newWorld(t)
	w.sink.take = func(map[string]any, bool) error { return fmt.Errorf("no start date: %w", ErrUnprocessable) }
	a := w.created(ottilie)
	w.do("PATCH", "/Users/"+a.id(), patchOf(`[{"op": "replace", "path": "title", "value": "x"}]`)).want(t, 200, "")
	w.do("GET", "/Users/"+a.id(), "").want(t, 200, "")
	w.do("DELETE", "/Users/"+a.id(), "").want(t, 204, "")
	if !strings.Contains(w.logs.String(), "kept aside") {
		t.Error("the operator is not told")
	}
}

// A Sink or Store that answers with the ledger's own errors is away like any
// other, not in conflict.
func TestSinkWithLedgerErrors(t *testing.T) {
	for _, err := range []error{ledger.ErrConflict, ledger.ErrNotFound} {
		w := newWorld(t)
		a := w.created(ottilie)
		calls := 0
		w.sink.take = func(map[string]any, bool) error { calls++; return err }
		w.do("PUT", "/Users/"+a.id(), ottilie).want(t, 503, "")
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	}
}

func TestBrokenBodyIsNotRepeated(t *testing.T) {
	w := newWorld(t)
	a := w.created(ottilie)
	r, err := w.store.Resource(t.Context(), "hr", a.id())
	if err != nil {
		t.Fatal(err)
	}
	r.Version, r.Body = 2, []byte(`["Ottilie"]`)
	if err := w.store.Ledger.PutResource(t.Context(), r, 1); err != nil {
		t.Fatal(err)
	}
	if b := w.do("GET", "/Users/"+a.id(), "").want(t, 500, ""); b.header.Get("Retry-After") != "" {
		t.Error("the client is asked to repeat")
	}
}

// Clients that PATCH at once, through two processes, each see their change
// survive, and the Sink's last word is the Store's.
func TestPatchAtOnce(t *testing.T) {
	w := newWorld(t)
	a := w.created(`{"externalId": "E-1"}`)
	at := "/Users/" + a.id()
	const clients = 8
	handlers := []*Handler{w.h, w.handler()}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			body := patchOf(fmt.Sprintf(`[{"op": "add", "path": "roles", "value": [{"value": "r%d"}]}]`, i))
			for {
				a := w.ask(handlers[i%2], "PATCH", at, body)
				if a.status == 200 {
					return
				}
				if a.status != 409 {
					t.Errorf("status %d %v", a.status, a.body)
					return
				}
			}
		})
	}
	wg.Wait()
	b := w.do("GET", at, "").want(t, 200, "")
	roles, _ := b.body["roles"].([]any)
	if len(roles) != clients {
		t.Errorf("%d roles, want %d: %v", len(roles), clients, roles)
	}
	if got := b.header.Get("ETag"); got != etag(clients+1) {
		t.Errorf("ETag %s", got)
	}
}

func TestPatchAtOnceInOneProcessIsInOrder(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(`{"externalId": "E-1"}`).id()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			w.do("PATCH", at, patchOf(fmt.Sprintf(`[{"op": "add", "path": "roles", "value": [{"value": "r%d"}]}]`, i))).want(t, 200, "")
		})
	}
	wg.Wait()
	for i, told := range w.sink.all {
		roles, _ := told.resource["roles"].([]any)
		if len(roles) != i {
			t.Errorf("the sink was told %d roles after %d", len(roles), i)
		}
	}
}

// meanwhile has another process write after this one has read and before it
// tells the Sink, as often as n says: the worst moment, since the Sink then hears
// of the older state last.
func meanwhile(w *world, n int, write func(other *Handler)) {
	other := w.handler()
	inside := false
	w.sink.take = func(map[string]any, bool) error {
		if n > 0 && !inside {
			n--
			inside = true
			write(other)
			inside = false
		}
		return nil
	}
}

func TestConflict(t *testing.T) {
	patch := func(value string) string {
		return patchOf(`[{"op": "add", "path": "roles", "value": [{"value": "` + value + `"}]}]`)
	}
	for _, c := range []struct {
		name   string
		times  int
		head   []string
		status int
		want   string
	}{
		{"once: starts over", 1, nil, 200, `[{"value":"o0"},{"value":"mine"}]`},
		{"twice: starts over", 2, nil, 200, `[{"value":"o0"},{"value":"o1"},{"value":"mine"}]`},
		{"for ever: gives up", 3, nil, 409, `[{"value":"o0"},{"value":"o1"},{"value":"o2"}]`},
		{"with a version: is refused", 1, []string{"If-Match", `W/"1"`}, 412, `[{"value":"o0"}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			at := "/Users/" + w.created(`{"externalId": "E-1"}`).id()
			n := 0
			meanwhile(w, c.times, func(other *Handler) {
				w.ask(other, "PATCH", at, patch(fmt.Sprintf("o%d", n))).want(t, 200, "")
				n++
			})
			w.do("PATCH", at, patch("mine"), c.head...).want(t, c.status, "")
			if got := jsonOf(t, w.do("GET", at, "").body["roles"]); got != c.want {
				t.Errorf("the store has %s, want %s", got, c.want)
			}
			if got := jsonOf(t, w.sink.last(t).resource["roles"]); got != c.want {
				t.Errorf("the sink was last told %s, want %s", got, c.want)
			}
		})
	}
}

func TestConflictWithDelete(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(ottilie).id()
	meanwhile(w, 1, func(other *Handler) { w.ask(other, "DELETE", at, "").want(t, 204, "") })
	w.do("PATCH", at, patchOf(`[{"op": "replace", "path": "title", "value": "x"}]`)).want(t, 404, "")
	if !w.sink.last(t).deleted {
		t.Error("the sink believes in a resource that is gone")
	}
}

func TestConflictOfCreates(t *testing.T) {
	for _, c := range []struct {
		name, mine, others string
		want               string // what the sink was last told, by externalId or userName
		ended              string // and of whom that they are gone
	}{
		{"same externalId", `{"externalId": "E-1", "title": "mine"}`, `{"externalId": "E-1"}`, "E-1", ""},
		{"same userName alone", `{"userName": "o@example.com", "title": "mine"}`, `{"userName": "O@example.com"}`, "O@example.com", ""},
		{"same userName, another externalId", `{"externalId": "E-2", "userName": "o@example.com"}`, `{"externalId": "E-1", "userName": "O@example.com"}`, "E-1", "E-2o@example.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			meanwhile(w, 1, func(other *Handler) { w.ask(other, http.MethodPost, "/Users", c.others).want(t, 201, "") })
			w.do("POST", "/Users", c.mine).want(t, 409, "uniqueness")
			who := func(r map[string]any) string { return text(r, "externalId") + text(r, "userName") }
			last := w.sink.last(t)
			if !strings.HasPrefix(who(last.resource), c.want) || last.deleted || last.resource["title"] != nil {
				t.Errorf("the sink was last told %v", last)
			}
			ended := ""
			for _, told := range w.sink.all {
				if told.deleted {
					ended += who(told.resource)
				}
			}
			if ended != c.ended {
				t.Errorf("ended %q, want %q", ended, c.ended)
			}
		})
	}
}

func TestWhatFailsInConflictIsRepeated(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(ottilie).id()
	meanwhile(w, 1, func(other *Handler) {
		w.ask(other, "PATCH", at, patchOf(`[{"op": "replace", "path": "title", "value": "theirs"}]`)).want(t, 200, "")
		w.sink.take = func(r map[string]any, _ bool) error {
			if r["title"] == "theirs" { // the Sink can't be told of it once more
				return errAway
			}
			return nil
		}
	})
	w.do("PUT", at, ottilie, "If-Match", `W/"1"`).want(t, 503, "")
}

func TestConflictWithWhatChangesNothing(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(ottilie).id()
	meanwhile(w, 1, func(other *Handler) {
		w.ask(other, "PATCH", at, patchOf(`[{"op": "replace", "path": "title", "value": "theirs"}]`)).want(t, 200, "")
	})
	w.do("PATCH", at, patchOf(`[{"op": "replace", "path": "active", "value": true}]`)).want(t, 200, "")
	if got := w.sink.last(t).resource["title"]; got != "theirs" {
		t.Errorf("the sink was last told title %v", got)
	}
}

func TestClientThatHangsUp(t *testing.T) {
	w := newWorld(t)
	ctx, hangUp := context.WithCancel(t.Context())
	w.sink.take = func(map[string]any, bool) error { hangUp(); return nil }
	r := httptest.NewRequestWithContext(ctx, "POST", "/Users", strings.NewReader(ottilie))
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	if rec.Code != 201 {
		t.Errorf("status %d: what was begun was not ended", rec.Code)
	}
}

func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(ottilie).id()
	told := w.sink.count()
	w.store.away = errAway
	for _, c := range []struct{ method, path, body string }{
		{"GET", at, ""}, {"GET", "/Users", ""}, {"GET", "/Users?filter=externalId%20eq%20%22E-1%22", ""},
		{"POST", "/Users", ottilie}, {"PUT", at, ottilie}, {"DELETE", at, ""},
	} {
		w.do(c.method, c.path, c.body).want(t, 503, "")
	}
	if w.sink.count() != told {
		t.Error("the sink was told though nothing can be kept")
	}
}

func TestPatchCannotGrowAResourceForEver(t *testing.T) {
	w := newWorld(t)
	at := "/Users/" + w.created(ottilie).id()
	for i := range 4 {
		a := w.do("PATCH", at, patchOf(fmt.Sprintf(`[{"op": "add", "path": "a%d", "value": %q}]`, i, strings.Repeat("x", 100<<10))))
		if want := []int{200, 200, 413, 413}[i]; a.status != want {
			t.Errorf("status %d, want %d", a.status, want)
		}
	}
}

// Two POSTs of one employee at once make one resource, and the Sink hears of
// one only.
func TestCreateAtOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 8 {
		wg.Go(func() {
			if a := w.do("POST", "/Users", ottilie); a.status == 201 {
				mu.Lock()
				made++
				mu.Unlock()
			} else if a.status != 409 {
				t.Errorf("status %d", a.status)
			}
		})
	}
	wg.Wait()
	if made != 1 || w.sink.count() != 1 {
		t.Errorf("%d made, the sink got %d", made, w.sink.count())
	}
}
