package intake

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// mapped has a map that reads one employee of whatever form.
func mapped(c *config.Source) {
	c.DefaultZone = "Europe/Berlin"
	c.Split = "has(body.employee) ? [body.employee] : has(body.list) ? body.list : [body]"
	c.Map = map[string]string{
		"employee_id": "string(item.id)", "status": `"scheduled"`, "start_date": "localDate(item.start)",
		"department": `item.?department.orValue("")`,
	}
}

func TestReplayedRequest(t *testing.T) {
	w := newWorld(t, exampleSources(t))
	send := func(at time.Duration, id, employee string) (int, string) {
		w.now = noon.Add(at)
		r := bamboo(employees(good(employee)), noon, bambooKey)
		if id != "" {
			r.Header.Set("X-Request-Id", id)
		}
		rec := w.do(r)
		return rec.Code, strings.TrimSpace(rec.Body.String())
	}
	const taken, again = `{"accepted":1,"quarantined":0}`, `{"accepted":0,"quarantined":0,"duplicate":true}`
	for i, tc := range []struct {
		at           time.Duration
		id, employee string
		code         int
		want         string
	}{
		{0, "a", "1", 200, taken},
		{time.Minute, "a", "1", 200, again},
		{4 * time.Minute, "b", "1", 200, taken}, // another delivery, of which nothing is new
		{4 * time.Minute, "", "2", 200, taken},  // an empty id is none
		{4 * time.Minute, "", "3", 200, taken},
		{6 * time.Minute, "a", "1", 401, "the signature is not accepted"},
		{6 * time.Minute, "c", "1", 401, "the signature is not accepted"},
	} {
		if code, got := send(tc.at, tc.id, tc.employee); code != tc.code || got != tc.want {
			t.Errorf("%d: %d %s", i+1, code, got)
		}
	}
	if len(w.delivered) != 3 {
		t.Errorf("told %d", len(w.delivered))
	}
}

// TestDuplicateAfterFailure: an id counts only once all of its delivery was taken.
func TestDuplicateAfterFailure(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped, func(c *config.Source) { c.Dedupe = "string(body.delivery)" })})
	body := `{"delivery":1,"list":[{"id":1,"start":"2026-04-01"},{"id":2,"start":"2026-04-01"}]}`
	w.onDeliver = func(s jml.Snapshot) error {
		if s.EmployeeID == "2" {
			return ErrUnavailable
		}
		return nil
	}
	if rec := w.do(call("hr", body)); rec.Code != 503 {
		t.Fatal(rec.Code)
	}
	w.onDeliver = nil
	if rec := w.do(call("hr", body)); rec.Code != 200 || len(w.delivered) != 2 || w.delivered[1].EmployeeID != "2" {
		t.Errorf("%d, told %v", rec.Code, w.delivered)
	}
}

func TestHostileBodies(t *testing.T) {
	for _, tc := range []struct {
		name, body, kind string
		code             int
		reason           string
	}{
		{"ten megabytes", strings.Repeat(" ", 10<<20), "", 413, ""},
		{"nested lists", strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000), "", 200, "levels"},
		{"nested objects", strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000), "", 200, "levels"},
		{"nested elements", strings.Repeat("<a>", 4_000) + strings.Repeat("</a>", 4_000), "application/xml", 200, "levels"},
		{"XML entities", `<!DOCTYPE a [<!ENTITY x "` + canary + `">]><employee><id>&x;</id></employee>`, "application/xml", 200, ""},
		{"not UTF-8", `{"id":"` + canary + "\xff\xfe" + `","start":"2026-04-01"}`, "", 200, "UTF-8"},
		{"half a surrogate", `{"id":"` + canary + `\ud800","start":"2026-04-01"}`, "", 200, ""},
		{"a NUL", `{"id":"` + canary + `\u0000","start":"2026-04-01"}`, "", 200, "employee_id: holds control characters"},
		{"HTML", `<html>` + canary + `</html>`, "text/html", 200, ""},
		{"an odd type", `{"id":1}`, "a/b; c", 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{hook(t, "hr", mapped)})
			r := call("hr", tc.body)
			r.Header.Set("Content-Type", tc.kind)
			began := time.Now()
			rec := w.do(r)
			if rec.Code != tc.code || time.Since(began) > 2*time.Second {
				t.Errorf("status %d after %v", rec.Code, time.Since(began))
			}
			list := w.quarantined(t)
			if tc.code != 200 {
				if len(list) != 0 {
					t.Errorf("quarantined %v", list)
				}
				return
			}
			if len(w.delivered) != 0 || len(list) != 1 || !strings.Contains(list[0].Reason, tc.reason) {
				t.Errorf("told %d, quarantined %v; want %q", len(w.delivered), list, tc.reason)
			}
			w.noCanary(t, rec.Body.String())
		})
	}
}

// TestForms: one employee is the same in whatever form the body is written.
func TestForms(t *testing.T) {
	var want *jml.Snapshot
	for _, tc := range []struct{ kind, body string }{
		{"application/json", `{"id":7,"start":"2026-04-01","department":"Mines"}`},
		{"", `{"id":"7","start":"2026-04-01","department":"Mines"}`},
		{"application/x-www-form-urlencoded", "id=7&start=2026-04-01&department=Mines"},
		{"application/xml", `<?xml version="1.0"?><employee><id>7</id><start>2026-04-01</start><department> Mines </department></employee>`},
		{"text/xml; charset=ISO-8859-1", `<employee><id>7</id><start>2026-04-01</start><department>Mines</department></employee>`},
	} {
		w := newWorld(t, []config.Source{hook(t, "hr", mapped)})
		r := call("hr", tc.body)
		r.Header.Set("Content-Type", tc.kind)
		w.do(r)
		if len(w.delivered) != 1 {
			t.Errorf("%s: told %d, quarantined %v", tc.kind, len(w.delivered), w.quarantined(t))
			continue
		}
		if want == nil {
			want = &w.delivered[0]
		}
		if d := cmp.Diff(*want, w.delivered[0]); d != "" {
			t.Errorf("%s:\n%s", tc.kind, d)
		}
	}
}

func TestIDChangesType(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped)})
	for _, id := range []string{"7", `"7"`, "7.0", "9007199254740993", `"9007199254740993"`, "9223372036854775808", `"9223372036854775808"`} {
		if rec := w.do(call("hr", `{"id":`+id+`,"start":"2026-04-01"}`)); rec.Code != 200 {
			t.Errorf("%s: %d", id, rec.Code)
		}
	}
	var got []string
	for _, s := range w.delivered {
		got = append(got, s.EmployeeID)
	}
	if d := cmp.Diff([]string{"7", "9007199254740993", "9223372036854775808"}, got); d != "" {
		t.Error(d)
	}
}

// TestTwinsInADelivery: a delivery is a row of states. The last of two with one
// id stays, in the ledger and in Temporal.
func TestTwinsInADelivery(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped)})
	w.do(call("hr", `{"list":[{"id":7,"start":"2026-04-01"},{"id":7,"start":"2026-05-01"}]}`))
	if _, k := w.known(t, "hr", "7"); len(w.delivered) != 2 || w.delivered[1].StartDate.Month != 5 || !k.Told.SameContent(w.delivered[1]) {
		t.Errorf("told %v, ledger %+v", w.delivered, k)
	}
}

// TestCostLimit: neither a hostile body nor a hostile expression holds intake up.
func TestCostLimit(t *testing.T) {
	const loop = `body.xs.all(a, body.xs.all(b, body.xs.all(c, body.xs.all(d, a + b + c + d >= 0))))`
	xs := "[" + strings.TrimSuffix(strings.Repeat("1,", 2000), ",") + "]"
	body := `{"id":1,"start":"2026-04-01","xs":` + xs + `}`
	for _, tc := range []struct {
		name   string
		edit   func(*config.Source)
		reason string
	}{
		{"map", func(c *config.Source) { c.Map["department"] = loop + ` ? "a" : "b"` }, "department: could not be evaluated: takes too long"},
		{"when", func(c *config.Source) { c.When = strings.ReplaceAll(loop, "body", "item") }, "when: could not be evaluated: takes too long"},
		{"split", func(c *config.Source) { c.Split = loop + " ? [body] : []" }, "split: could not be evaluated: takes too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{hook(t, "hr", mapped, tc.edit)})
			began := time.Now()
			rec := w.do(call("hr", body))
			if took := time.Since(began); rec.Code != 200 || took > 2500*time.Millisecond {
				t.Errorf("status %d after %v", rec.Code, took)
			}
			if q := w.only(t); !strings.Contains(q.Reason, tc.reason) || len(w.delivered) != 0 {
				t.Errorf("reason %q", q.Reason)
			}
		})
	}
}

func TestHandshake(t *testing.T) {
	source := func(keys ...string) config.Source {
		c := hook(t, "hr", mapped)
		c.Verify = config.Verify{Kind: config.VerifyHMAC, Algorithm: "sha256", Encoding: "hex", KeyEncoding: "text", Message: "{body}", SignatureHeader: "X-Signature", KeyFiles: keys}
		c.Handshake = config.Handshake{When: "has(body.verification_token)", Unsigned: true, Show: "body.verification_token", Answer: `"welcome"`}
		return c
	}
	const token, employee = "invented-token-of-some-length", `{"id":7,"start":"2026-04-01"}`
	hand := func() *http.Request { return post("hr", `{"verification_token":"`+token+`"}`) }
	w := newWorld(t, []config.Source{source()})
	if rec := w.do(hand()); rec.Code != 200 || rec.Body.String() != "welcome\n" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := w.do(post("hr", `{"verification_token":"`+strings.Repeat("x", 2<<10)+`"}`)); rec.Code != 200 {
		t.Error(rec.Code)
	}
	list, err := w.desk.Handshakes(t.Context(), "hr")
	if err != nil || len(list) != 1 || list[0].Value != token {
		t.Fatalf("%v, %v", list, err)
	}
	if strings.Contains(w.log.String(), token) {
		t.Error("the log holds the token")
	}
	if rec := w.do(post("hr", employee)); rec.Code != 503 || rec.Header().Get("Retry-After") == "" || len(w.delivered) != 0 {
		t.Errorf("before there is a key: %d", rec.Code)
	}

	w.restart(t, []config.Source{source(file(t, token))})
	if rec := w.do(hand()); rec.Code != 401 {
		t.Errorf("unsigned, with a key: %d", rec.Code)
	}
	signed := func(body string) *http.Request {
		r := post("hr", body)
		r.Header.Set("X-Signature", hexMAC(token, body))
		return r
	}
	if rec := w.do(signed(`{"verification_token":"another"}`)); rec.Code != 200 || rec.Body.String() != "welcome\n" {
		t.Errorf("signed: %d", rec.Code)
	}
	if rec := w.do(signed(employee)); rec.Code != 200 || len(w.delivered) != 1 {
		t.Errorf("%d, told %d", rec.Code, len(w.delivered))
	}
}

func TestHandshakeAnswers(t *testing.T) {
	for _, tc := range []struct{ when, answer, body, want string }{
		{`type(body) == string`, "body", `"invented-ping"`, "invented-ping\n"}, // a bare string, sent back
		{`body == "ping"`, "", `"ping"`, "ok\n"},
		{`has(body.challenge)`, "body.challenge", `{"challenge":"abc"}`, "abc\n"},
		{`has(body.challenge)`, "body.challenge", `{"challenge":{}}`, "ok\n"}, // a trial all the same
		{`header[?"x-event"].orValue("") == "ping"`, "", `{}`, "ok\n"},
	} {
		w := newWorld(t, []config.Source{hook(t, "hr", mapped, func(c *config.Source) {
			c.Handshake = config.Handshake{When: tc.when, Answer: tc.answer}
		})})
		r := call("hr", tc.body)
		r.Header.Set("X-Event", "ping")
		if rec := w.do(r); rec.Code != 200 || rec.Body.String() != tc.want || len(w.quarantined(t)) != 0 {
			t.Errorf("%s: %d %q, want %q", tc.when, rec.Code, rec.Body, tc.want)
		}
		if rec := w.do(post("hr", tc.body)); rec.Code != 401 {
			t.Errorf("%s: unsigned %d", tc.when, rec.Code)
		}
	}
}

// TestCrowdWhileTemporalHangs: each of many is told in time to come again,
// whether it works, waits for its turn or waits for its employee.
func TestCrowdWhileTemporalHangs(t *testing.T) {
	const patience = 300 * time.Millisecond
	w := newWorld(t, []config.Source{hook(t, "hr", mapped)}, func(c *HandlerConfig) { c.Patience, c.Concurrent = patience, 16 })
	w.hang = make(chan struct{})
	var wg sync.WaitGroup
	began := time.Now()
	for i := range 64 {
		wg.Go(func() {
			// Some of one employee.
			rec := w.do(call("hr", fmt.Sprintf(`{"id":%d,"start":"2026-04-01"}`, i%8)))
			if took := time.Since(began); rec.Code != 503 || rec.Header().Get("Retry-After") == "" || took > 3*patience {
				t.Errorf("%d: %d after %v", i, rec.Code, took)
			}
		})
	}
	wg.Wait()
	close(w.hang)
	for i := range 8 {
		if rec := w.do(call("hr", fmt.Sprintf(`{"id":%d,"start":"2026-04-01"}`, i))); rec.Code != 200 {
			t.Errorf("afterwards %d", rec.Code)
		}
	}
	if n := len(w.taken()); n != 8 {
		t.Errorf("told %d", n)
	}
}

// TestPatienceBesideAFeed: a feed that waits for Temporal holds an employee for
// as long as it takes. A webhook of the employee does not wait so long.
func TestPatienceBesideAFeed(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr", mapped)}, func(c *HandlerConfig) { c.Patience = 100 * time.Millisecond })
	unlock, err := w.desk.lock(context.Background(), "hr", refs(t).Ref("hr", "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	began := time.Now()
	rec := w.do(call("hr", `{"id":7,"start":"2026-04-01"}`))
	if took := time.Since(began); rec.Code != 503 || took > 2*time.Second {
		t.Errorf("%d after %v", rec.Code, took)
	}
}

// FuzzWebhook: no body and no header breaks intake, and nothing is told that is
// not proved.
func FuzzWebhook(f *testing.F) {
	f.Add(true, "application/json", "", "", []byte(`{"id":7,"start":"2026-04-01"}`))
	f.Add(true, "application/xml", "x", "1772452800", []byte(`<employee><id>7</id></employee>`))
	f.Add(true, "application/x-www-form-urlencoded", "", "", []byte(`id=7&start=2026-04-01`))
	f.Add(false, "", "00", "1772452800", []byte(`{"verification_token":"x"}`))
	f.Add(false, "text/xml; charset=utf-16", hexMAC(hookToken, `{}1772452800`), "1772452800", []byte(`{}`))
	f.Add(true, "application/json", "", "", []byte(`{"list":[{"id":1,"start":"2026-04-01"},null,[],{"id":{}}]}`))
	c := hook(f, "hr", mapped)
	c.Verify = config.Verify{Kind: config.VerifyHMAC, Algorithm: "sha256", Encoding: "hex", KeyEncoding: "text", Message: "{body}{header:X-Time}", SignatureHeader: "X-Signature",
		TimestampHeader: "X-Time", Tolerance: 5 * time.Minute, KeyFiles: []string{file(f, bambooKey)}}
	c.Handshake = config.Handshake{When: "has(body.verification_token)", Show: "body.verification_token", Answer: "body.verification_token"}
	c.Dedupe = `header[?"x-request-id"].orValue("")`
	w := newWorld(f, []config.Source{c})
	f.Fuzz(func(t *testing.T, sign bool, kind, signature, stamp string, body []byte) {
		r := httptest.NewRequest("POST", "/v1/intake/hr", strings.NewReader(string(body)))
		if sign {
			stamp = strconv.FormatInt(noon.Unix(), 10)
			signature = hexMAC(bambooKey, string(body)+stamp)
		}
		for name, v := range map[string]string{"Content-Type": kind, "X-Signature": signature, "X-Time": stamp, "X-Request-Id": kind} {
			r.Header[http.CanonicalHeaderKey(name)] = []string{v}
		}
		w.log.Reset()
		w.delivered = nil
		code := w.do(r).Code
		switch {
		case sign && code != 200 && len(body) <= 64<<10:
			t.Errorf("signed, and answered %d", code)
		case !sign && (code == 200 || len(w.delivered) > 0) && signature != hexMAC(bambooKey, string(body)+stamp):
			t.Errorf("not signed: answered %d, told %d", code, len(w.delivered))
		}
		for _, s := range w.delivered {
			if err := s.Validate(); err != nil {
				t.Errorf("told what is no snapshot: %v", err)
			}
		}
	})
}
