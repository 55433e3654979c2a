package entrasim_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestFaultAnswers(t *testing.T) {
	cases := map[string]struct {
		fault      entrasim.Fault
		retryAfter string
		code       string
		raw        string
	}{
		"throttled":                  {fault: entrasim.Fault{Status: 429}, retryAfter: "10", code: "TooManyRequests"},
		"throttled, told when":       {fault: entrasim.Fault{Status: 429, RetryAfter: "Wed, 04 Mar 2026 08:00:00 GMT"}, retryAfter: "Wed, 04 Mar 2026 08:00:00 GMT", code: "TooManyRequests"},
		"throttled, not told":        {fault: entrasim.Fault{Status: 429, NoRetryAfter: true}, code: "TooManyRequests"},
		"unavailable":                {fault: entrasim.Fault{Status: 503}, retryAfter: "10", code: "serviceNotAvailable"},
		"own code":                   {fault: entrasim.Fault{Status: 409, Code: "Directory_ConcurrencyViolation", Message: "twice"}, code: "Directory_ConcurrencyViolation"},
		"a page of a gateway":        {fault: entrasim.Fault{Status: 502, Body: "<html>", ContentType: "text/html"}, raw: "<html>"},
		"success that is not JSON":   {fault: entrasim.Fault{Status: 201, Body: "{"}, raw: "{"},
		"empty success":              {fault: entrasim.Fault{Status: 204}},
		"work done, answer replaced": {fault: entrasim.Fault{Status: 504, After: true}, code: "gatewayTimeout"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			tc.fault.Match.Operation = entrasim.OpCreatePass
			h := r.tenant.MustInject(tc.fault)
			r.do(200, "GET", r.passes, "") // not matched
			a := r.do(tc.fault.Status, "POST", r.passes, `{}`)
			if a.header.Get("Retry-After") != tc.retryAfter || a.text("error", "code") != tc.code || tc.raw != "" && string(a.raw) != tc.raw {
				t.Errorf("%v %s", a.header, a.raw)
			}
			if a.header.Get("request-id") == "" {
				t.Error("no request-id")
			}
			want := 0
			if tc.fault.After {
				want = 1
			}
			if got := r.tenant.PassLive(r.user.ID); got != want {
				t.Errorf("%d live passes, want %d", got, want)
			}
			<-h.Arrived()
			r.do(201, "POST", r.passes, `{}`) // spent
			if h.Played() != 1 || len(r.tenant.PlayedFaults()) != 1 {
				t.Errorf("played %d, log %v", h.Played(), r.tenant.PlayedFaults())
			}
		})
	}
}

func TestDroppedConnection(t *testing.T) {
	for name, after := range map[string]bool{"before the work": false, "after the work": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Method: "POST", Path: "temporaryAccessPassMethods$"}, Drop: true, After: after})
			if _, err := r.request("POST", r.passes, `{}`); err == nil {
				t.Fatal("there was an answer")
			}
			want := 0
			if after {
				want = 1
			}
			if got := r.tenant.PassLive(r.user.ID); got != want {
				t.Errorf("%d live passes, want %d", got, want)
			}
			h := r.tenant.Requests()
			last := h[len(h)-1]
			if last.Status != 0 || (last.WorkStatus == 201) != after || last.Fault == "" {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestAfterAloneLosesTheAnswer(t *testing.T) {
	r := newRig(t)
	r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeletePass}, After: true})
	id, _ := r.mint(`{}`)
	if _, err := r.request("DELETE", r.passes+"/"+id, ""); err == nil {
		t.Fatal("there was an answer")
	}
	r.do(404, "DELETE", r.passes+"/"+id, "")
}

func TestSkipTimesRemove(t *testing.T) {
	r := newRig(t)
	r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpListPasses}, Skip: 1, Times: 2, Status: 500})
	for _, want := range []int{200, 500, 500, 200} {
		r.do(want, "GET", r.passes, "")
	}
	h := r.tenant.MustInject(entrasim.Fault{Status: 500, Times: -1})
	for range 3 {
		r.do(500, "GET", r.passes, "")
	}
	h.Remove()
	r.do(200, "GET", r.passes, "")
}

func TestHold(t *testing.T) {
	for _, when := range []entrasim.Hold{entrasim.HoldBefore, entrasim.HoldAfter} {
		t.Run(string(when), func(t *testing.T) {
			r := newRig(t)
			h := r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Hold: when})
			answered := make(chan int, 1)
			go func() {
				a, err := r.request("POST", r.passes, `{}`)
				if err != nil {
					a.status = -1
				}
				answered <- a.status
			}()
			<-h.Arrived()
			want := 0
			if when == entrasim.HoldAfter {
				want = 1
			}
			if got := r.tenant.PassLive(r.user.ID); got != want {
				t.Errorf("while held: %d live", got)
			}
			select {
			case s := <-answered:
				t.Errorf("answered %d while held", s)
			default:
			}
			h.Release()
			if s := <-answered; s != 201 || r.tenant.PassLive(r.user.ID) != 1 {
				t.Errorf("status %d after the release", s)
			}
		})
	}
}

// A request may reach the service long after its client has given up.
func TestHeldWorkIsDoneAfterTheClientLeft(t *testing.T) {
	r := newRig(t)
	h := r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Hold: entrasim.HoldBefore})
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, "POST", r.tenant.URL()+r.passes, strings.NewReader("{}"))
		if err == nil {
			req.Header.Set("Authorization", r.bearer)
			req.Header.Set("Content-Type", "application/json")
			_, err = r.http.Do(req)
		}
		left <- err
	}()
	<-h.Arrived()
	leave()
	if err := <-left; err == nil {
		t.Fatal("there was an answer")
	}
	h.Release()
	r.must(r.tenant.Close()) // waits for the handler
	if got := r.tenant.PassLive(r.user.ID); got != 1 {
		t.Errorf("%d live passes, want 1", got)
	}
}

func TestCloseLetsHeldRequestsGo(t *testing.T) {
	r := newRig(t)
	h := r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Hold: entrasim.HoldBefore})
	failed := make(chan error, 1)
	go func() {
		_, err := r.request("POST", r.passes, `{}`)
		failed <- err
	}()
	<-h.Arrived()
	r.must(r.tenant.Close())
	if err := <-failed; err == nil {
		t.Error("an answer from a closed tenant")
	}
	if r.tenant.PassLive(r.user.ID) != 0 {
		t.Error("the work was done")
	}
}

func TestFaultsStrikeTheTokenEndpointToo(t *testing.T) {
	r := newRig(t)
	r.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 503, Times: 1})
	if a := r.form(r.tenant.TenantID(), nil); a.status != 503 {
		t.Errorf("%d", a.status)
	}
}

func TestDelay(t *testing.T) {
	r := newRig(t)
	r.tenant.MustInject(entrasim.Fault{Delay: 20 * time.Millisecond})
	r.do(200, "GET", r.passes, "")
	h := r.tenant.Requests()
	if last := h[len(h)-1]; last.Duration < 20*time.Millisecond {
		t.Errorf("took %v", last.Duration)
	}
}

func TestRandomFaultsRepeatWithTheSeed(t *testing.T) {
	run := func() []string {
		r := newRig(t, func(c *entrasim.Config) {
			c.Seed = 42
			c.RandomFaults = entrasim.RandomFaults{Throttle: 0.2, Unavailable: 0.2, LostReply: 0.2}
		})
		var got []string
		for range 60 {
			if a, err := r.request("GET", r.passes, ""); err != nil {
				got = append(got, "lost")
			} else {
				got = append(got, a.header.Get("Retry-After")+http.StatusText(a.status))
			}
		}
		if len(r.tenant.PlayedFaults()) < 10 {
			t.Errorf("only %d faults", len(r.tenant.PlayedFaults()))
		}
		return got
	}
	first := run()
	if !slices.Equal(first, run()) {
		t.Error("the same seed played other faults")
	}
	for _, want := range []string{"lost", "1Too Many Requests", "Too Many Requests", "1Service Unavailable", "Service Unavailable", "OK"} {
		if !slices.Contains(first, want) {
			t.Errorf("no %q in 60 requests", want)
		}
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	tenant := entrasimtest.Start(t)
	for _, f := range []entrasim.Fault{{Match: entrasim.Match{Path: "("}, Status: 500}, {Status: 99}, {Body: "x"}, {Hold: "middle"}, {Skip: -1, Status: 500}, {Delay: -1}} {
		if _, err := tenant.Inject(f); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}
