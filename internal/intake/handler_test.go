package intake

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestRequests(t *testing.T) {
	body := employees(good("1"))
	without := func(header string) *http.Request {
		r := bamboo(body, noon, bambooKey)
		r.Header.Del(header)
		return r
	}
	twice := func(header string) *http.Request {
		r := bamboo(body, noon, bambooKey)
		r.Header.Add(header, r.Header.Get(header))
		return r
	}
	changed := bamboo(body, noon, bambooKey)
	changed.Body = post("bamboohr", strings.Replace(body, "2026-04-01", "2026-04-02", 1)).Body
	later := bamboo(body, noon, bambooKey)
	later.Header.Set("X-BambooHR-Timestamp", "1772452801")
	odd := bamboo(body, noon, bambooKey)
	odd.Header.Set("X-BambooHR-Signature", "no hex")
	for _, tc := range []struct {
		name string
		req  *http.Request
		want int
	}{
		{"good", bamboo(body, noon, bambooKey), 200},
		{"signed by the key before rotation", bamboo(body, noon, oldKey), 200},
		{"just fresh", bamboo(body, noon.Add(-5*time.Minute), bambooKey), 200},
		{"unknown source", post("workday", body), 404},
		{"another path", post("", body), 404},
		{"GET", func() *http.Request { r := post("bamboohr", ""); r.Method = "GET"; return r }(), 405},
		{"too large", post("bamboohr", strings.Repeat(" ", 64<<10+1)), 413},
		{"unsigned", post("bamboohr", body), 401},
		{"no timestamp", without("X-BambooHR-Timestamp"), 401},
		{"no signature", without("X-BambooHR-Signature"), 401},
		{"two signatures", twice("X-BambooHR-Signature"), 401},
		{"two timestamps", twice("X-BambooHR-Timestamp"), 401},
		{"odd signature", odd, 401},
		{"another key", bamboo(body, noon, "another-key-of-some-length"), 401},
		{"changed body", changed, 401},
		{"changed time", later, 401},
		{"old", bamboo(body, noon.Add(-5*time.Minute-time.Second), bambooKey), 401},
		{"ahead", bamboo(body, noon.Add(5*time.Minute+time.Second), bambooKey), 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, exampleSources(t))
			rec := w.do(tc.req)
			if rec.Code != tc.want {
				t.Errorf("status %d, want %d: %s", rec.Code, tc.want, rec.Body)
			}
			if want := tc.want == 200; want != (len(w.delivered) == 1) {
				t.Errorf("delivered %d", len(w.delivered))
			}
			if list := w.quarantined(t); len(list) != 0 {
				t.Errorf("quarantined: %v", list)
			}
		})
	}
}

func TestReplies(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	unknown, unsigned := w.do(post("x", "{}")), w.do(post("bamboohr", "{}"))
	if unknown.Body.String() != "no such source\n" || unsigned.Body.String() != "the signature is not accepted\n" {
		t.Errorf("%q, %q", unknown.Body, unsigned.Body)
	}
	ok := w.do(bamboo(employees(good("1"), good("2"), `{"fields":{}}`), noon, bambooKey))
	if got := ok.Body.String(); got != `{"accepted":2,"quarantined":1}`+"\n" {
		t.Errorf("reply %s", got)
	}
}

func TestUnavailable(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	w.fail = ErrUnavailable
	body := employees(bambooEmployee("1", "Employee #", "1"), good("2"))
	for range 2 {
		rec := w.do(bamboo(body, noon, bambooKey))
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("status %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
		}
	}
	w.fail = nil
	if rec := w.do(bamboo(body, noon, bambooKey)); rec.Code != 200 || len(w.delivered) != 1 {
		t.Errorf("after the outage: %d, delivered %d", rec.Code, len(w.delivered))
	}
	if list := w.quarantined(t); len(list) != 1 {
		t.Errorf("three tries left %d records in the quarantine", len(list))
	}
}

func TestLedgerUnavailable(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	if err := w.book.Close(); err != nil {
		t.Fatal(err)
	}
	rec := w.do(bamboo(employees("{}", good("2")), noon, bambooKey))
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("status %d", rec.Code)
	}
}

func TestHungUpCaller(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if rec := w.do(bamboo(employees(good("1")), noon, bambooKey).WithContext(gone)); rec.Code != 200 || len(w.taken()) != 1 {
		t.Errorf("status %d: %s", rec.Code, w.log.String())
	}
}

// TestImpatience: a Temporal that hangs must not keep HR waiting beyond its own
// limit.
func TestImpatience(t *testing.T) {
	w := newWorld(t, exampleSources(t), func(c *HandlerConfig) { c.Patience, c.Concurrent = 50*time.Millisecond, 1 })
	release := make(chan struct{})
	w.hang = release
	answers := make(chan int, 2)
	for _, id := range []string{"1", "2"} { // one at work, one that waits for its turn
		go func() { answers <- w.do(bamboo(employees(good(id)), noon, bambooKey)).Code }()
	}
	for range 2 {
		if code := <-answers; code != 503 {
			t.Errorf("status %d", code)
		}
	}
	close(release)
	if rec := w.do(bamboo(employees(good("1"), good("2")), noon, bambooKey)); rec.Code != 200 || len(w.taken()) != 2 {
		t.Errorf("afterwards %d, %d taken", rec.Code, len(w.taken()))
	}
}

func TestBadItems(t *testing.T) {
	const ok = "Employee #\x00" + canary + "\x00Hire Date\x002026-04-01\x00Location\x00Berlin"
	with := func(kv ...string) string {
		return bambooEmployee("1", append(strings.Split(ok, "\x00"), kv...)...)
	}
	for _, tc := range []struct{ name, body, want string }{
		{"not JSON", canary, "not JSON"},
		{"empty", "", "the body is empty"},
		{"two values", `{"employees":[]} {"` + canary + `":1}`, "not JSON: wrong from byte 18 on"},
		{"no employees", `{"` + canary + `":[]}`, "split: could not be evaluated: missing key"},
		{"employees is no list", `{"employees":"` + canary + `"}`, "split: is not a list"},
		{"bare string", `"` + canary + `"`, "split: could not be evaluated: missing key"},
		{"one key twice", `{"employees":[{"fields":{},"fields":{}}]}`, "an object has a key twice"},
		{"no date", employees(bambooEmployee("1", "Employee #", canary, "Location", "Berlin")), "start_date: could not be evaluated: missing key"},
		{"null date", `{"employees":[{"fields":{"Employee #":{"value":"` + canary + `"},"Hire Date":{"value":null},"Location":{"value":"Berlin"}}}]}`, "start_date: missing"},
		{"empty date", employees(with("Hire Date", "")), "start_date: missing"},
		{"impossible date", employees(with("Hire Date", "2026-02-30")), "start_date: no such day"},
		{"BambooHR's zero date", employees(with("Hire Date", "0000-00-00")), "start_date: no such day"},
		{"another form of date", employees(with("Hire Date", "01.04.2026")), "start_date: not a date of a known form"},
		{"open date", employees(with("Hire Date", "4712-12-31")), "start_date: missing"},
		{"unknown office", employees(with("Location", canary)), "zone: unknown"},
		{"no id", employees(bambooEmployee("1", "Hire Date", "2026-04-01", "Location", "Berlin")), "employee_id: could not be evaluated: missing key"},
		{"empty id", employees(bambooEmployee("1", "Employee #", "", "Hire Date", "2026-04-01", "Location", "Berlin")), "employee_id: missing"},
		{"odd time", employees(with("Start Time", canary)), "start_time: not of the right form"},
		{"line end in an address", employees(with("Home Email", "a@example.org\nBcc: "+canary)), "personal_mail: holds control characters"},
		{"endless name", employees(with("First name", strings.Repeat(canary, 50))), "given_name: longer than 256 characters"},
		{"number for a text", `{"employees":[{"fields":{"Employee #":{"value":true},"Hire Date":{"value":2026},"Location":{"value":"Berlin"}}}]}`, "employee_id: is not a text; start_date: not a date of a known form"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, exampleSources(t))
			rec := w.do(bamboo(tc.body, noon, bambooKey))
			if rec.Code != 200 {
				t.Errorf("status %d", rec.Code)
			}
			list := w.quarantined(t)
			if len(list) != 1 || len(w.delivered) != 0 {
				t.Fatalf("quarantine = %v; delivered %d", list, len(w.delivered))
			}
			if !strings.Contains(list[0].Reason, tc.want) {
				t.Errorf("reason %q, want %q", list[0].Reason, tc.want)
			}
			rec0, body, err := w.desk.QuarantineShow(t.Context(), list[0].ID)
			if err != nil || rec0.Source != "bamboohr" || !rec0.At.Equal(noon) {
				t.Errorf("show = %+v, %v", rec0, err)
			}
			if strings.Contains(tc.body, canary) && !strings.Contains(string(body), canary) {
				t.Errorf("body = %s", body)
			}
			w.noCanary(t, rec.Body.String())
		})
	}
}

// noCanary looks in every place that is not encrypted.
func (w *world) noCanary(t *testing.T, reply string) {
	t.Helper()
	places := map[string]string{"log": w.log.String(), "reply": reply}
	for _, name := range []string{w.path, w.path + "-wal"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		places[name] = string(raw)
	}
	for place, text := range places {
		if strings.Contains(text, canary) {
			t.Errorf("the %s holds a value: %s", place, text)
		}
	}
}

func TestGoodItemsGoOnBesideBadOnes(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	bad := bambooEmployee("2", "Employee #", canary, "Hire Date", canary, "Location", "Berlin")
	rec := w.do(bamboo(employees(good("1"), bad, good("3")), noon, bambooKey))
	if rec.Code != 200 || len(w.delivered) != 2 {
		t.Errorf("status %d, delivered %d", rec.Code, len(w.delivered))
	}
	list := w.quarantined(t)
	if len(list) != 1 || !strings.HasPrefix(list[0].Reason, "item 2: ") {
		t.Fatalf("quarantine = %v", list)
	}
	_, body, err := w.desk.QuarantineShow(t.Context(), list[0].ID)
	if err != nil || !strings.Contains(string(body), canary) || !strings.Contains(string(body), `"1"`) {
		t.Errorf("keeps %s, %v; want the whole request, to be read again", body, err)
	}
	w.noCanary(t, rec.Body.String())
}

func TestLogNamesReferencesOnly(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	w.do(bamboo(employees(bambooEmployee("1", "Employee #", canary, "Hire Date", "2026-04-01", "Location", "Berlin",
		"First name", canary, "Home Email", canary+"@example.org")), noon, bambooKey))
	if len(w.delivered) != 1 || !strings.Contains(w.log.String(), refs(t).Ref("bamboohr", canary)) {
		t.Errorf("log = %s", w.log.String())
	}
	w.noCanary(t, "")
}

func TestProbes(t *testing.T) {
	var down error
	w := newWorld(t, nil, func(c *HandlerConfig) { c.Ready = func(context.Context) error { return down } })
	get := func(path string) int {
		r := post("", "")
		r.Method, r.URL.Path = "GET", path
		return w.do(r).Code
	}
	if get("/healthz") != 200 || get("/readyz") != 200 || get("/schemas/snapshot.v1.json") != 200 {
		t.Error("not all well")
	}
	down = errors.New("away")
	if get("/healthz") != 200 || get("/readyz") != 503 {
		t.Error("readyz does not follow Temporal")
	}
}
