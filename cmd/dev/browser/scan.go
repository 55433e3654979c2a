package browser

import (
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

//go:embed scan.js
var hands string

// Scan is a bot such as a mail gateway runs over the links in a mail, but more
// thorough than any we know of. It opens a link, runs the scripts, waits, and
// presses every button and every link of the same origin; before each press it
// fills every field with something plausible and ticks one choice of every
// group after the other. It also submits every form past the page's scripts,
// and asks for everything again without a browser: HEAD, GET and POST.
//
// What it can't do is read another message: it types nothing that it does not
// find on the page.
type Scan struct {
	// URL is the link, with its fragment.
	URL string
	// Depth is how many presses in a row it tries; 3 when 0.
	Depth int
	// Presses bounds them all; 150 when 0.
	Presses int
	// Linger is how long it lets the first page run; a second when 0.
	Linger time.Duration
	// LeaveEmpty makes it type nothing, as most scanners do.
	LeaveEmpty bool
	// Wary makes it leave alone what people can't see, as one does that expects
	// traps.
	Wary bool
}

// Report is what a scan did and saw.
type Report struct {
	Pages   []string // addresses of the different pages, in the order found
	Texts   []string // what a reader sees of each page, after every press
	Sources []string // the markup of the same
	Presses int      // buttons, links and forms
	Plain   int      // requests without a browser
	Posts   int      // POST requests of the browser and without one
	Cut     bool     // it stopped at Presses, before it was through
}

// Saw reports whether any page held s, be it hidden.
func (r Report) Saw(s string) bool {
	for _, source := range r.Sources {
		if strings.Contains(source, s) {
			return true
		}
	}
	return false
}

// press is one thing to do on a page.
type press struct {
	Kind   string `json:"kind"` // press or submit
	N      int    `json:"n"`    // of the buttons and links, or of the forms
	Choice int    `json:"choice"`
	Empty  bool   `json:"empty"`
	Wary   bool   `json:"wary"`
}

// inventory is what can be done on a page.
type inventory struct {
	Signature string `json:"signature"` // alike for pages that are alike
	Source    string `json:"source"`
	Text      string `json:"text"`
	URL       string `json:"url"`
	Presses   int    `json:"presses"`
	Choices   int    `json:"choices"`
	Forms     []struct {
		Action string            `json:"action"`
		Fields map[string]string `json:"fields"`
	} `json:"forms"`
}

// found is a page and the way to it: its address or, if it answers a POST, the
// page before and what to press there.
type found struct {
	inventory
	depth  int
	before *found
	by     press
}

// Scan runs over a link. An error means that the scan itself went wrong, not
// that it was refused something.
func (b *Browser) Scan(ctx context.Context, s Scan) (Report, error) {
	if s.Depth == 0 {
		s.Depth = 3
	}
	if s.Presses == 0 {
		s.Presses = 150
	}
	if s.Linger == 0 {
		s.Linger = time.Second
	}
	tab, stop, err := b.tab(Desktop())
	if err != nil {
		return Report{}, err
	}
	defer stop()
	r := &scanner{Scan: s, tab: tab, seen: map[string]bool{}, asked: map[string]bool{}}
	err = r.run(ctx)
	for _, q := range tab.Requests() {
		if q.Method == http.MethodPost {
			r.report.Posts++
		}
	}
	return r.report, err
}

type scanner struct {
	Scan
	tab    *Tab
	report Report
	seen   map[string]bool // signatures
	asked  map[string]bool // addresses, without a browser
}

func (s *scanner) run(ctx context.Context) error {
	if err := s.plain(ctx, s.URL, nil); err != nil {
		return err
	}
	if err := s.tab.Open(ctx, s.URL); err != nil {
		return err
	}
	select {
	case <-time.After(s.Linger):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	first, err := s.look(ctx, nil, press{})
	if err != nil {
		return err
	}
	for queue := []*found{first}; len(queue) > 0; queue = queue[1:] {
		more, err := s.through(ctx, queue[0])
		if err != nil {
			return err
		}
		queue = append(queue, more...)
	}
	return nil
}

// through presses everything on a page and returns the new pages that this led
// to.
func (s *scanner) through(ctx context.Context, at *found) (more []*found, err error) {
	for _, f := range at.Forms {
		if err := s.plain(ctx, f.Action, f.Fields); err != nil {
			return nil, err
		}
	}
	if at.depth >= s.Depth {
		return nil, nil
	}
	var todo []press
	for choice := range max(1, at.Choices) {
		for n := range at.Presses {
			todo = append(todo, press{"press", n, choice, s.LeaveEmpty, s.Wary})
		}
		for n := range at.Forms {
			todo = append(todo, press{"submit", n, choice, s.LeaveEmpty, s.Wary})
		}
	}
	for _, p := range todo {
		if s.report.Presses >= s.Presses {
			s.report.Cut = true
			return more, nil
		}
		if err := s.goTo(ctx, at); err != nil {
			return nil, err
		}
		if err := s.press(ctx, p); err != nil {
			return nil, err
		}
		s.report.Presses++
		next, err := s.look(ctx, at, p)
		if err != nil {
			return nil, err
		}
		if next != nil {
			more = append(more, next)
		}
	}
	return more, nil
}

// goTo comes to a page again, by the way that led there.
func (s *scanner) goTo(ctx context.Context, at *found) error {
	if at.before == nil {
		// A fragment alone would not load the page again.
		if err := s.tab.Open(ctx, "about:blank"); err != nil {
			return err
		}
		if err := s.tab.Open(ctx, s.URL); err != nil {
			return err
		}
		return s.tab.Settle(ctx)
	}
	if err := s.goTo(ctx, at.before); err != nil {
		return err
	}
	return s.press(ctx, at.by)
}

func (s *scanner) press(ctx context.Context, p press) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	// The page may be gone before the script has ended: that is success.
	_, err = ask(ctx, s.tab, "press", chromedp.Evaluate[bool](hands+"; hands.press("+string(raw)+")"))
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	if err != nil {
		return err
	}
	return s.tab.Settle(ctx)
}

// look takes down the page that is there; nil if one like it was seen before.
func (s *scanner) look(ctx context.Context, before *found, by press) (*found, error) {
	if err := s.tab.Settle(ctx); err != nil {
		return nil, err
	}
	inv, err := Eval[inventory](ctx, s.tab, hands+"; hands.look()")
	if err != nil {
		return nil, err
	}
	s.report.Texts = append(s.report.Texts, inv.Text)
	s.report.Sources = append(s.report.Sources, inv.Source)
	if s.seen[inv.Signature] {
		return nil, nil
	}
	s.seen[inv.Signature] = true
	s.report.Pages = append(s.report.Pages, inv.URL)
	at := &found{inventory: inv, before: before, by: by}
	if before != nil {
		at.depth = before.depth + 1
	}
	return at, nil
}

// plain asks for an address without a browser, once.
func (s *scanner) plain(ctx context.Context, address string, fields map[string]string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("a form leads nowhere: %w", err)
	}
	u.Fragment = ""
	if s.asked[u.String()] || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	s.asked[u.String()] = true
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		// As Chromium does here.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodPost} {
		body := ""
		if method == http.MethodPost {
			body = form.Encode()
			s.report.Posts++
		}
		req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
		if err != nil {
			return err
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("%s without a browser: %w", method, err)
		}
		raw, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
		_ = res.Body.Close()
		if err != nil {
			return fmt.Errorf("%s without a browser: %w", method, err)
		}
		s.report.Plain++
		s.report.Sources = append(s.report.Sources, string(raw))
	}
	return nil
}
