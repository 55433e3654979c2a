package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/api"
)

// news answers as the API does: a list that changes, and a summary.
type bulletin struct {
	mu    sync.Mutex
	rows  []api.JourneyRow
	n     int
	fault int // so many replies are 503
	asked chan struct{}
}

func (b *bulletin) put(rows ...api.JourneyRow) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows, b.n = rows, b.n+1
}

// ServeHTTP answers a watcher at once: 304 while nothing is new.
func (b *bulletin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/summary") {
		_ = json.NewEncoder(w).Encode(api.Summary{Stages: map[string]int{}, Board: api.Board{Rows: len(b.rows)}})
		return
	}
	if b.fault > 0 {
		b.fault--
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(503)
		_ = json.NewEncoder(w).Encode(api.Problem{Detail: "Temporal does not answer", Status: 503})
		return
	}
	tag := fmt.Sprintf(`"%d"`, b.n)
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		if b.asked != nil {
			select {
			case b.asked <- struct{}{}:
			default:
			}
		}
		w.WriteHeader(304)
		return
	}
	_ = json.NewEncoder(w).Encode(api.JourneyPage{Items: b.rows, Total: len(b.rows)})
}

func (b *bulletin) client(t *testing.T) *api.ClientWithResponses {
	t.Helper()
	c, err := api.NewClientWithResponses("http://local", api.WithHTTPClient(caller{http: &http.Client{Transport: direct{b}}}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// direct hands requests to a handler.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &reply{header: http.Header{}, status: 200}
	d.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

func row(ref string, stage jml.Stage) api.JourneyRow {
	return api.JourneyRow{WorkflowID: "joiner/hr/" + ref, Kind: jml.KindJoiner, Source: "hr", Ref: ref, Stage: stage, Starts: time.Date(2031, 3, 10, 8, 0, 0, 0, time.UTC)}
}

func pass(ref string, stage jml.Stage) api.JourneyRow {
	r := row(ref, jml.StagePass)
	r.PassStage = stage
	return r
}

func TestChanges(t *testing.T) {
	known := map[string]api.JourneyRow{}
	steps := []struct {
		rows []api.JourneyRow
		want []string
	}{
		{[]api.JourneyRow{row("a", "scheduled")}, []string{"new joiner/hr/a scheduled "}},
		{[]api.JourneyRow{row("a", "scheduled")}, nil},
		{[]api.JourneyRow{pass("a", "invited"), row("b", "blocked")}, []string{"changed joiner/hr/a invited scheduled", "new joiner/hr/b blocked "}},
		{[]api.JourneyRow{pass("a", "waiting")}, []string{"changed joiner/hr/a waiting invited", "gone joiner/hr/b blocked "}},
		{nil, []string{"gone joiner/hr/a waiting "}},
	}
	for i, s := range steps {
		var got []string
		for _, ch := range changes(known, s.rows, time.Time{}) {
			got = append(got, fmt.Sprint(ch.What, " ", ch.Journey.WorkflowID, " ", stageOf(ch.Journey), " ", ch.Was))
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("step %d (-want +got)\n%s", i, diff)
		}
	}
}

// outputs is an output of which each line can be waited for.
type outputs struct{ c chan string }

func (l outputs) Write(b []byte) (int, error) {
	l.c <- string(b)
	return len(b), nil
}

// TestWatch: what there is comes first, then each change as a line of its own;
// an outage is told on the side, once, and ends.
func TestListWatch(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		b := &bulletin{asked: make(chan struct{}, 1)}
		b.put(row("a", "scheduled"))
		out, says := outputs{make(chan string, 9)}, outputs{make(chan string, 9)}
		env := &environment{json: asJSON, term: terminal{out: out, err: says}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- (&listCmd{}).watch(ctx, env, b.client(t), b.rows, `"1"`) }()
		first := <-out.c
		<-b.asked
		b.put(pass("a", "invited"))
		second := <-out.c
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if asJSON {
			var ch change
			if err := json.Unmarshal([]byte(second), &ch); err != nil || ch.What != "changed" || ch.Was != "scheduled" || ch.Journey.PassStage != "invited" || strings.Count(second, "\n") != 1 {
				t.Errorf("%v %s", err, second)
			}
			continue
		}
		if !strings.Contains(first, "listed   joiner/hr/a  scheduled  starts 2031-03-10 08:00\n") || !strings.Contains(second, "changed  joiner/hr/a  scheduled -> invited") {
			t.Errorf("%s%s", first, second)
		}
	}
}

func TestWatchRefused(t *testing.T) {
	c, err := api.NewClientWithResponses("http://local", api.WithHTTPClient(caller{http: &http.Client{Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(403)
		_ = json.NewEncoder(w).Encode(api.Problem{Detail: "this needs the role viewer"})
	})}}}))
	if err != nil {
		t.Fatal(err)
	}
	err = news(t.Context(), &environment{}, c, api.ListJourneysParams{}, `"1"`, func(*api.JourneyPage) {})
	if code := report(io.Discard, err); code != exitRefused {
		t.Errorf("%d %v", code, err)
	}
}

// TestLiveBoard: the board is drawn at once, again on news and on a new size, and
// q ends it.
func TestLiveBoard(t *testing.T) {
	b := &bulletin{asked: make(chan struct{}, 1)}
	b.put(row("a", "scheduled"))
	keys, hand := io.Pipe()
	out, resized := outputs{make(chan string, 9)}, make(chan os.Signal)
	var size sync.Mutex
	width := 60
	s := screen{in: keys, out: out, resized: resized, size: func() (int, int) {
		size.Lock()
		defer size.Unlock()
		return width, 20
	}}
	done := make(chan error, 1)
	go func() {
		done <- (&boardCmd{Days: 36500}).live(t.Context(), b.client(t), s, outlook{Journeys: api.JourneyPage{Items: b.rows}}, `"1"`)
	}()
	if first := <-out.c; !strings.Contains(first, "scheduled") || !strings.HasPrefix(first, "\x1b[H") || strings.Count(first, "\n") != 19 {
		t.Errorf("%q", first)
	}
	<-b.asked
	needs := row("a", jml.StageBlocked)
	needs.Reason, needs.NeedsAction = jml.ReasonNoRecipient, true
	b.put(needs)
	if news := <-out.c; !strings.Contains(news, "NEEDS SOMEBODY (1)") || !strings.Contains(news, "! 10.03. 08:00  blocked") {
		t.Errorf("%q", news)
	}
	size.Lock()
	width = 24
	size.Unlock()
	resized <- os.Interrupt
	for line := range strings.Lines(strings.ReplaceAll(<-out.c, "\x1b[K", "")) {
		if n := utf8.RuneCountInString(strings.TrimRight(strings.TrimPrefix(line, "\x1b[H"), "\r\n")); n > 24+len("\x1b[J") {
			t.Errorf("%d characters: %q", n, line)
		}
	}
	if _, err := hand.Write([]byte("xq")); err != nil && err != io.ErrClosedPipe {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDraw: what needs somebody comes first with the next step, then what is
// blocked, then by day; colour says nothing that words do not.
func TestDraw(t *testing.T) {
	now := time.Date(2031, 3, 9, 8, 15, 0, 0, time.UTC)
	approval, blocked, far := row("b", jml.StageApproval), row("c", jml.StageBlocked), row("z", jml.StageScheduled)
	approval.NeedsAction, approval.Kind = true, jml.KindStaging
	blocked.Reason, far.Starts = jml.ReasonGraphUnavailable, now.AddDate(0, 1, 0)
	evil := pass("d", jml.StageInvited)
	evil.Site, evil.Channel, evil.Expires = "Ly\x1b[2Jon\u202e", "sms", now.Add(8*time.Hour)
	o := outlook{
		Summary:  api.Summary{Board: api.Board{Rows: 4}, NeedsAction: 1, Stages: map[string]int{"blocked": 1}, Halt: api.Halt{On: true, Actor: "noor", Reason: "a break-in", Since: now}, Feeds: 2, TroubledFeeds: []string{"payroll"}},
		Journeys: api.JourneyPage{Items: []api.JourneyRow{approval, blocked, evil, far}, Board: api.Board{Read: now}},
		fault:    "Temporal does not answer",
	}
	b := &boardCmd{Days: 14}
	want := []string{
		"Firstpass, Sun 9 Mar 2031 08:15 UTC",
		"NO NEW PASSES since 2031-03-09 08:15:00 UTC, by noor: a break-in",
		"as of 2031-03-09 08:15:00 UTC: Temporal does not answer",
		"4 journeys: 1 need somebody, 1 blocked, 0 with a live pass, 0 lost",
		"start within 24 h: 0, 0 ready, 0 at risk; within 7 days: 0, 0 ready, 0 at risk",
		"2 feeds, in trouble: payroll; 0 records in quarantine, 0 held changes",
		"",
		"NEEDS SOMEBODY (1)",
		"! 10.03. 08:00  approval    staging   b  Approve or refuse it.",
		"",
		"BLOCKED, goes on by itself (1)",
		"x 10.03. 08:00  blocked     joiner    c  graphUnavailable  " + jml.Blocked(jml.ReasonGraphUnavailable, "").Advice,
		"",
		"Mon 10 Mar 2031",
		"  10.03. 08:00  invited     joiner    d  Ly?[2Jon?  by sms  pass until 09.03. 16:15",
	}
	if diff := cmp.Diff(want, b.draw(o, now, 0, 0, false)); diff != "" {
		t.Errorf("(-want +drawn)\n%s", diff)
	}
	for _, size := range [][2]int{{80, 24}, {40, 10}, {20, 4}} {
		for _, colour := range []bool{false, true} {
			got := b.draw(o, now, size[0], size[1], colour)
			if len(got) != size[1] {
				t.Errorf("%v: %d lines", size, len(got))
			}
			for _, line := range got {
				bare := line
				for _, code := range []string{"\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"} {
					bare = strings.ReplaceAll(bare, code, "")
				}
				if n := utf8.RuneCountInString(bare); n > size[0] || strings.Contains(bare, "\x1b") {
					t.Errorf("%v: %q", size, line)
				}
			}
		}
	}
}
