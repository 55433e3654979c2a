package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// asks is a webhook that brings ids and asks a for the rest.
func asks(t *testing.T, a *api, edit ...func(*config.Source)) config.Source {
	t.Helper()
	return hook(t, "hr", append([]func(*config.Source){func(c *config.Source) {
		c.Split, c.When = "body.events", `item.event != "ping"`
		c.DefaultZone = "Europe/Berlin"
		c.Map = map[string]string{
			"employee_id": "string(item.id)", "status": `item.event == "deleted" ? "cancelled" : "scheduled"`,
			"start_date": `item.event == "deleted" ? "" : localDate(fetched.start)`,
		}
		c.Fetch = config.Fetch{Request: a.request(`"/employees/" + string(item.id)`), When: `item.event != "deleted"`}
	}}, edit...)...)
}

func event(id int64, name string) string { return fmt.Sprintf(`{"id":%d,"event":"%s"}`, id, name) }

func events(list ...string) string { return `{"events":[` + strings.Join(list, ",") + `]}` }

func (w *world) fetch(t *testing.T, n Notice) (workflows.FetchResult, error) {
	t.Helper()
	return w.desk.FetchEmployee(t.Context(), workflows.FetchInput{Source: "hr", Notice: &n})
}

func TestNotices(t *testing.T) {
	a := newAPI(t, func(http.ResponseWriter, *http.Request) { t.Error("asked before its time") })
	byBody := func(c *config.Source) {
		r := a.request(`"/search"`)
		r.Method, r.Body = "POST", `'{"id":' + string(item.id) + '}'`
		c.Fetch.Request = r
	}
	for _, edit := range []func(*config.Source){func(*config.Source) {}, byBody} {
		w := newWorld(t, []config.Source{asks(t, a, edit)})
		got := w.do(call("hr", events(event(1, "created"), event(2, "created"), event(3, "ping")))).Body.String()
		if got != `{"accepted":2,"quarantined":0,"passed_over":1}`+"\n" {
			t.Errorf("answered %s", got)
		}
		w.do(call("hr", events(event(1, "updated"))))
		if len(w.at) != 3 || w.at[0] == w.at[1] || w.at[0] != w.at[2] || len(w.delivered) != 0 {
			t.Errorf("keys %v", w.at)
		}
		if n := w.notices[1]; n.Item != 1 || !n.ReceivedAt.Equal(noon) || n.Header["authorization"] != "" {
			t.Errorf("%+v", n)
		}
		w.do(call("hr", events(event(1, "deleted"))))
		if s := w.last(t); s.Status != jml.StatusCancelled || len(w.at) != 3 {
			t.Errorf("told %+v", s)
		}
	}
}

// TestNoticeWithoutAddress: an item that does not tell whom to ask for is kept,
// and the others are asked for.
func TestNoticeWithoutAddress(t *testing.T) {
	a := newAPI(t, func(http.ResponseWriter, *http.Request) { t.Error("asked before its time") })
	for _, bad := range []string{`{"event":"created"}`, `{"id":"1?x=y#z","event":"created"}`} {
		w := newWorld(t, []config.Source{asks(t, a)})
		rec := w.do(call("hr", events(bad, event(2, "created"))))
		if got := rec.Body.String(); rec.Code != 200 || got != `{"accepted":1,"quarantined":1}`+"\n" || len(w.notices) != 1 || w.notices[0].Item != 1 {
			t.Errorf("%d %s", rec.Code, got)
		}
		if q := w.only(t); !strings.HasPrefix(q.Reason, "item 1: fetch.request.url: ") {
			t.Errorf("%+v", q)
		}
		if out := w.replay(t, w.only(t).ID); len(out.Still) != 1 {
			t.Errorf("%+v", out)
		}
	}
}

func TestFetchEmployee(t *testing.T) {
	const big = 9007199254740993
	for _, tc := range []struct {
		name    string
		status  int
		body    string
		outcome string // empty: an error, to be tried again
		reason  string // of the quarantine
	}{
		{"there", 200, `{"start":"2026-04-01"}`, "taken", ""},
		{"unknown", 404, `{}`, "quarantined", "does not know the employee"},
		{"away", 503, `{}`, "", ""},
		{"not allowed", 403, `{}`, "", ""},
		{"no date", 200, `{"start":"soon","id":9007199254740993}`, "quarantined", "start_date: "},
		{"nothing", 204, ``, "quarantined", "answered with nothing"},
		{"null", 200, `null`, "quarantined", "answered with nothing"},
		{"a sign-in page", 200, `<html></html>`, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := tc.status, tc.body
			a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/employees/"+strconv.Itoa(big) {
					t.Errorf("asked for %s", r.URL.Path)
				}
				reply(w, status, body)
			})
			w := newWorld(t, []config.Source{asks(t, a)})
			w.do(call("hr", events(event(7, "ping"), event(big, "created"))))
			w.now = noon.Add(time.Minute)
			got, err := w.fetch(t, w.notices[0])
			if (err == nil) != (tc.outcome != "") || got.Outcome != tc.outcome {
				t.Errorf("%+v, %v", got, err)
			}
			var fault *jml.Fault
			if err != nil && !errors.As(err, &fault) {
				t.Errorf("no fault: %v", err)
			}
			if told := len(w.delivered); (told == 1) != (tc.outcome == "taken") {
				t.Errorf("told %d", told)
			}
			if tc.outcome == "taken" && !w.delivered[0].ObservedAt.Equal(w.now) {
				t.Errorf("told as of %v", w.delivered[0].ObservedAt)
			}
			if tc.reason == "" {
				if list := w.quarantined(t); len(list) != 0 {
					t.Errorf("quarantined %v", list)
				}
				return
			}
			q := w.only(t)
			if !strings.Contains(q.Reason, tc.reason) {
				t.Errorf("reason %q", q.Reason)
			}
			// Read again, once the map or HR is mended.
			w.restart(t, []config.Source{asks(t, a, func(c *config.Source) {
				c.Map["start_date"] = `fetched.start == "soon" ? "2026-04-02" : localDate(fetched.start)`
				c.Map["employee_id"] = `string(fetched.?id.orValue(item.id))`
			})})
			status, body = 200, `{"start":"2026-04-01"}`
			w.notices, w.at = nil, nil
			out := w.replay(t, q.ID)
			if tc.name == "no date" {
				if s := w.last(t); s.StartDate.Day != 2 || s.EmployeeID != strconv.Itoa(big) || out.Fetched != 0 || !s.ObservedAt.Equal(noon.Add(time.Minute)) {
					t.Errorf("%+v, told %+v", out, s)
				}
				return
			}
			// The whole delivery is read: the event of the notice asks again.
			if out.Fetched != 1 || len(w.notices) != 1 || len(w.quarantined(t)) != 0 {
				t.Errorf("%+v", out)
			}
			if got, err := w.fetch(t, w.notices[0]); err != nil || got.Outcome != "taken" || w.last(t).StartDate.Day != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestHintIsNotBelieved: where only the sender is proved, nothing of what the
// request says reaches a snapshot.
func TestHintIsNotBelieved(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"id":5,"start":"2026-04-01","mail":"a@example.org"}`)
	})
	c := asks(t, a, func(c *config.Source) {
		c.Verify = config.Verify{Kind: config.VerifyURLSecret, KeyFiles: c.Verify.KeyFiles}
		c.Split, c.When, c.Fetch.When = "", "", ""
		c.Map = map[string]string{"employee_id": "string(fetched.id)", "status": `"scheduled"`, "start_date": "localDate(fetched.start)", "personal_mail": "fetched.mail"}
	})
	w := newWorld(t, []config.Source{c})
	for path, want := range map[string]int{"hr": 401, "hr/wrong": 401, "hr/" + hookToken: 200} {
		r := httptest.NewRequest("POST", "/v1/intake/"+path, strings.NewReader(`{"id":5,"mail":"thief@example.org"}`))
		if rec := w.do(r); rec.Code != want {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	if len(w.notices) != 1 {
		t.Fatalf("%d notices", len(w.notices))
	}
	if _, err := w.fetch(t, w.notices[0]); err != nil || w.last(t).PersonalMail != "a@example.org" {
		t.Error(err)
	}
	c.Map["personal_mail"] = "item.mail"
	if _, err := NewReader("sources[0]", c, compilerOf(t)); err == nil {
		t.Error("a map may believe a hint")
	}
}

// TestDeletionAfterFetch: HR's clock shows whole seconds. A deletion in the
// second of a fetch is later than what was fetched.
func TestDeletionAfterFetch(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{"start":"2026-04-01"}`) })
	w := newWorld(t, []config.Source{asks(t, a, func(c *config.Source) {
		c.Verify = config.Verify{Kind: config.VerifyHMAC, Algorithm: "sha256", Encoding: "hex", KeyEncoding: "text", Message: "{body}{header:X-Time}", SignatureHeader: "X-Signature",
			TimestampHeader: "X-Time", Tolerance: 5 * time.Minute, KeyFiles: []string{file(t, hookToken)}}
	})})
	send := func(body string) {
		r, stamp := post("hr", body), strconv.FormatInt(noon.Unix(), 10)
		r.Header.Set("X-Time", stamp)
		r.Header.Set("X-Signature", hexMAC(hookToken, body+stamp))
		if rec := w.do(r); rec.Code != 200 {
			t.Fatal(rec.Code, rec.Body)
		}
	}
	w.now = noon.Add(200 * time.Millisecond)
	send(events(event(1, "created")))
	w.now = noon.Add(500 * time.Millisecond)
	if _, err := w.fetch(t, w.notices[0]); err != nil || w.last(t).Status != jml.StatusScheduled {
		t.Fatal(err)
	}
	w.now = noon.Add(900 * time.Millisecond)
	send(events(event(1, "deleted")))
	if s := w.last(t); s.Status != jml.StatusCancelled {
		t.Errorf("told %+v", s)
	}
}

func TestNothingToFetch(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	if got, err := w.fetch(t, Notice{}); err != nil || got.Outcome != "nothing to fetch" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.desk.FetchEmployee(t.Context(), workflows.FetchInput{Source: "gone"}); !errors.Is(err, ErrNoSource) {
		t.Error(err)
	}
}

// noticeBoard is a Temporal that takes notices.
type noticeBoard struct {
	TemporalClient
	ids  []string
	fail error
}

func (b *noticeBoard) SignalWithStartWorkflow(_ context.Context, id, signal string, arg any, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	n, ok := arg.(Notice)
	if !ok || n.Item != 3 || signal != workflows.SignalNotice || workflow != workflows.TypeFetch || args[0] != (workflows.FetchInput{Source: "hr"}) || o.TaskQueue != "firstpass" ||
		o.WorkflowIDReusePolicy != enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE {
		return nil, errors.New("not what a fetch is started with")
	}
	b.ids = append(b.ids, id)
	return nil, b.fail
}

func TestNotify(t *testing.T) {
	b := &noticeBoard{}
	s, err := NewStarter(StarterConfig{Client: b, Refs: refs(t), TaskQueue: "firstpass", Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Notify(t.Context(), "hr", "key", Notice{Item: 3}); err != nil || len(b.ids) != 1 || b.ids[0] != "fetch/hr/key" {
		t.Errorf("%v, %v", b.ids, err)
	}
	b.fail = errors.New("away")
	if err := s.Notify(t.Context(), "hr", "key", Notice{Item: 3}); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
