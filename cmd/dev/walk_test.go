package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// traces keep what a collector is pushed.
type traces struct {
	mu  sync.Mutex
	all []byte
}

func (c *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, raw...)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *traces) seen() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// TestNobodyReadsASecret: during a journey, no page, whoever asks, no reply of
// the API, no metric and no trace holds a passcode, a link or a code. Files, the
// ledger and its export are looked through when the world ends.
func TestNobodyReadsASecret(t *testing.T) {
	t.Parallel()
	collector := &traces{}
	server := httptest.NewServer(collector)
	defer server.Close()
	w := newWorld(t, worldOptions{Cohort: cohortPickup, Settings: func(yaml string) string {
		head, rest, _ := strings.Cut(yaml, "\ntelemetry:\n")
		return head + "\ntelemetry:\n  otlp:\n    endpoint: " + server.URL + "\n" + rest
	}})
	var everybody []*colleague
	for _, upn := range []string{opsOperator, opsApprover, opsViewer, opsAuditor, opsDesk} {
		everybody = append(everybody, w.As(upn))
	}
	everybody = append(everybody, w.Machine())
	var read []byte
	pages := 0
	look := func(id string) {
		ref := workflows.RefOf(id)
		for _, c := range everybody {
			paths := []string{
				"/v1/summary", "/v1/journeys?closed=true", "/v1/journeys/" + id, "/v1/journeys/" + id + "/timeline", "/v1/passes", "/v1/feeds",
				"/v1/quarantine", "/v1/held", "/v1/halt", "/v1/me", "/v1/ledger/rows?ref=" + ref,
			}
			if c.bearer == "" {
				paths = append(paths, "/", "/board", "/journeys/"+id, "/journeys/"+id+"/live", "/journeys/"+id+"/resend", "/journeys/"+id+"/reissue",
					"/passes", "/feeds", "/quarantine", "/held", "/ledger?ref="+ref, "/halt", "/search", "/me", "/runbooks")
			}
			for _, path := range paths {
				r := c.Get(path)
				read = append(read, r.raw...)
				read = append(read, fmt.Sprint(r.header)...)
				pages++
			}
		}
		for _, path := range []string{"/metrics", "/statusz", "/readyz"} {
			read = append(read, w.monitored(path)...)
		}
	}
	id := w.Post(w.Joiner(w.Person, 8*time.Second))
	i := w.Invitation(w.Person, 1)
	look(id)
	code, _ := w.Collect(w.Person, id, i)
	look(id)
	w.Use(w.Person, code)
	w.Completes(id)
	look(id)
	w.must(nil, w.StopFirstpass()) // the last traces are pushed
	secret := w.Secrets()
	all := canaries{newCanary(secret.Passcodes...), newCanary(slices.Concat(secret.Tokens, secret.References, plainReferences(secret.References))...), newDigitCanary(secret.Codes...)}
	if len(secret.Passcodes) == 0 || len(secret.Tokens) == 0 || len(secret.Codes) == 0 {
		t.Errorf("the search would prove nothing: %d passcodes, %d links, %d codes", len(secret.Passcodes), len(secret.Tokens), len(secret.Codes))
	}
	told := collector.seen()
	t.Logf("%d answers with %d kB, %d kB of metrics and traces pushed", pages, len(read)>>10, len(told)>>10)
	if len(told) == 0 {
		t.Error("nothing was pushed")
	}
	w.Run()
	for _, c := range all {
		if c.In(read) {
			t.Error("a page, a reply or a metric holds a secret")
		}
		if c.In(told) {
			t.Error("a trace holds a secret")
		}
	}
}

// TestWalk: an operator at a real browser signs in, finds who needs something,
// does it, sees it in the timeline, and looks at the rest. SHOTS names a folder
// for pictures.
func TestWalk(t *testing.T) {
	people := []employee{}
	for i, name := range []string{"Alma Dahl", "Bror Eng", "Celia Foss", "Daan Gram"} {
		given, family, _ := strings.Cut(name, " ")
		people = append(people, invented(fmt.Sprint(6101+i), given, family))
	}
	b := browser.Start(t)
	w := newWorld(t, worldOptions{Cohort: cohortPickup, People: people})
	stranger := invented("6200", "Elin", "Unmatched")
	blocked := w.Post(w.Joiner(stranger, 26*time.Hour))
	w.Blocked(blocked, jml.ReasonUserNotFound)
	id := w.Post(w.Joiner(people[0], 50*time.Minute))
	for i, e := range people[1:] {
		w.Post(w.Joiner(e, time.Duration(i+1)*20*time.Hour))
	}
	w.Collect(people[0], id, w.Invitation(people[0], 1))
	if _, answer, err := w.HR().Post(t.Context(), sourceBambooHR, w.Joiner(people[1], 20*time.Hour), time.Now()); err != nil {
		t.Fatal(answer)
	}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tab := b.Tab(t, browser.Desktop())
	h1 := func(want string) {
		t.Helper()
		got, err := browser.Eval[string](ctx, tab, `document.querySelector("h1").innerText`)
		if must(err); !strings.Contains(got, want) {
			text, _ := tab.Text(ctx)
			t.Fatalf("the page is %q, not %q: %.600s", got, want, text)
		}
	}
	folder := os.Getenv("SHOTS")
	look := func(name string) {
		t.Helper()
		for _, v := range []browser.View{browser.Desktop(), browser.Desktop().InDark(), browser.Phone(), browser.Phone().InDark()} {
			must(tab.Look(ctx, v))
			found, err := tab.Axe(ctx)
			must(err)
			for _, f := range found {
				t.Errorf("%s, %s: %s", name, v, f)
			}
			if over, err := tab.Overflow(ctx); err != nil || over > 0 {
				t.Errorf("%s, %s: %d pixels wider than the window, %v", name, v, over, err)
			}
			if folder != "" {
				must(tab.Shot(ctx, folder, "console-"+name))
			}
		}
		must(tab.Look(ctx, browser.Desktop()))
	}
	// Sign-in at the tenant, by choosing a name.
	must(tab.Open(ctx, w.OpsURL()+"/"))
	must(tab.Follow(ctx, `a[href*="ines.duarte"]`))
	h1("Board")
	w.Eventually(20*time.Second, "the board has all", func() error {
		must(tab.Open(ctx, w.OpsURL()+"/"))
		text, err := tab.Text(ctx)
		if err == nil && !strings.Contains(text, workflows.RefOf(blocked)) {
			err = fmt.Errorf("%.300s", text)
		}
		return err
	})
	look("board")
	// Who is blocked, why, and what to do.
	must(tab.Follow(ctx, `a[href*="`+workflows.RefOf(blocked)+`"]`))
	h1("Elin")
	look("person-blocked")
	must(tab.Open(ctx, w.OpsURL()+"/journeys/"+blocked+"/hold"))
	h1("Hold")
	// By the keyboard alone.
	tabTo := func(selector string) {
		t.Helper()
		for range 60 {
			must(tab.Press(ctx, "\t"))
			there, err := browser.Eval[bool](ctx, tab, `document.activeElement.matches("`+selector+`")`)
			if must(err); there {
				return
			}
		}
		t.Fatalf("the keyboard does not get to %s", selector)
	}
	tabTo("#f-reason")
	must(tab.Press(ctx, "the laptop comes a day late"))
	tabTo("form.task button")
	must(tab.Press(ctx, "\r"))
	w.Eventually(20*time.Second, "held", func() error {
		v, err := w.View(blocked)
		if err == nil && v.Held == nil {
			err = fmt.Errorf("stage %s", v.Stage)
		}
		return err
	})
	// The journey holds before the browser has the answer.
	w.Eventually(20*time.Second, "the page after the form", func() error {
		arrived, err := browser.Eval[bool](ctx, tab, `document.readyState === "complete" && !location.pathname.endsWith("/hold")`)
		if err == nil && !arrived {
			err = errors.New("still at the form")
		}
		return err
	})
	must(tab.Open(ctx, w.OpsURL()+"/journeys/"+blocked))
	if text, err := tab.Text(ctx); err != nil || !strings.Contains(text, "the laptop comes a day late") {
		t.Errorf("the timeline does not have it: %v", err)
	}
	look("person-held")
	must(tab.Open(ctx, w.OpsURL()+"/journeys/"+id))
	h1("Alma")
	look("person-live")
	for _, page := range []string{"passes", "feeds", "halt", "search", "me"} {
		must(tab.Open(ctx, w.OpsURL()+"/"+page))
		look(page)
	}
	for _, trouble := range tab.Trouble() {
		if !strings.Contains(trouble, "status of 4") {
			t.Errorf("the browser minds: %s", trouble)
		}
	}
	// The auditor has the ledger.
	auditor := b.Tab(t, browser.Desktop())
	must(auditor.Open(ctx, w.OpsURL()+"/ledger?ref="+workflows.RefOf(blocked)))
	must(auditor.Follow(ctx, `a[href*="aksel.moe"]`))
	tab = auditor
	h1("Ledger")
	look("ledger")
}
