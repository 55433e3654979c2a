package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// invitation is what somebody has in hand who goes to the pick-up page. Token
// or Reference is enough.
type invitation struct {
	Token, Reference string // of the link
	Code             string
}

// papers are how somebody shows who he is. What a profile does not ask for may
// be missing.
type papers struct {
	Born    jml.Date
	Persona string // at the simulated eID
	// Manager is told the number that the page shows, and vouches.
	Manager func(ctx context.Context, number string) error
	// Desk looks at a document and gives a code.
	Desk func(ctx context.Context) (code string, err error)
}

// visitor is somebody with a browser at the pick-up page, by plain HTTP: it
// keeps cookies, follows redirects, says what browsers say of where a request
// comes from, and runs no script.
type visitor struct {
	root   string // of the page: scheme, host
	client *http.Client
	from   *url.URL // what is shown; nil: nothing yet

	status int
	body   string
}

// newVisitor returns a browser that trusts what the system does, and the
// simulated eID.
func newVisitor(root string, eidCA []byte) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(eidCA)
	v := &visitor{root: root}
	v.client = &http.Client{Jar: jar, Timeout: 40 * time.Second, Transport: browserHeaders{v, &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}}
	return v, nil
}

// Visitor returns a new browser.
func (w *world) Visitor() (*visitor, error) { return newVisitor(w.PickupURL(), w.EID.CAPEM()) }

// browserHeaders adds what browsers say of a request that scripts can't.
//
// Source: www.w3.org/TR/fetch-metadata
type browserHeaders struct {
	v    *visitor
	next http.RoundTripper
}

func (b browserHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	site := "none" // typed, or out of a mail program
	if from := b.v.from; from != nil {
		site = "same-site" // another port of the same host
		if from.Host == r.URL.Host {
			site = "same-origin"
		}
		if r.Method == http.MethodPost {
			r.Header.Set("Origin", from.Scheme+"://"+from.Host)
		}
	}
	for name, value := range map[string]string{"Site": site, "Mode": "navigate", "Dest": "document", "User": "?1"} {
		r.Header.Set("Sec-Fetch-"+name, value)
	}
	r.Header.Set("Accept-Language", "en")
	return b.next.RoundTrip(r)
}

// Open goes to a path that was typed or stood in a message. The fragment stays
// in the browser.
func (v *visitor) Open(ctx context.Context, path string) error {
	v.from = nil
	return v.do(ctx, http.MethodGet, v.root+path, nil)
}

// Submit fills in the form with an action and sends it. What a form hides is
// sent along.
func (v *visitor) Submit(ctx context.Context, action string, typed url.Values) error {
	form, ok := v.form(action)
	if !ok {
		return v.unexpected("a form for " + action)
	}
	fields := url.Values{}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		fields.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	for name := range typed {
		fields.Set(name, typed.Get(name))
	}
	to, err := v.from.Parse(action)
	if err != nil {
		return err
	}
	return v.do(ctx, http.MethodPost, to.String(), fields)
}

func (v *visitor) do(ctx context.Context, method, to string, form url.Values) error {
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	v.from, v.status, v.body = res.Request.URL, res.StatusCode, string(raw)
	return nil
}

func (v *visitor) form(action string) (string, bool) {
	for _, form := range regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`).FindAllStringSubmatch(v.body, -1) {
		if html.UnescapeString(form[1]) == action {
			return form[0], true
		}
	}
	return "", false
}

func (v *visitor) has(action string) bool {
	_, ok := v.form(action)
	return ok
}

// Title is the page's heading.
func (v *visitor) Title() string {
	return html.UnescapeString(firstIn(v.body, regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)))
}

// Problem is what the page says is wrong; empty if nothing is.
func (v *visitor) Problem() string {
	return html.UnescapeString(firstIn(v.body, regexp.MustCompile(`(?s)<div class="problems".*?<li><a [^>]*>(.*?)</a>`)))
}

// unexpected is the error that a page is not the one that was looked for.
func (v *visitor) unexpected(wanted string) error {
	return fmt.Errorf("the page does not show %s but %d %q %s", wanted, v.status, v.Title(), v.Problem())
}

// Enter types link and code into the first page.
func (v *visitor) Enter(ctx context.Context, i invitation) error {
	if err := v.Open(ctx, "/p"); err != nil {
		return err
	}
	return v.enter(ctx, "/p", i)
}

// EnterRight is Enter with what was just received. The workflow hears that a
// code is out only once it has come, and nobody but us types that fast; so there
// is another try, which is not counted: before that no code is.
func (v *visitor) EnterRight(ctx context.Context, i invitation) error {
	err := v.Enter(ctx, i)
	if err == nil && v.Problem() != "" {
		err = v.Enter(ctx, i)
	}
	return err
}

// Again asks for new messages.
func (v *visitor) Again(ctx context.Context, i invitation) error {
	if err := v.Open(ctx, "/p/again"); err != nil {
		return err
	}
	return v.enter(ctx, "/p/again", i)
}

func (v *visitor) enter(ctx context.Context, action string, i invitation) error {
	typed := url.Values{"code": {i.Code}}
	if i.Token != "" {
		typed.Set("token", i.Token) // the page's script takes it from the fragment
	} else {
		typed.Set("reference", i.Reference)
	}
	return v.Submit(ctx, action, typed)
}

// Prove gives every proof that is asked for, until the button is there that
// makes the pass.
func (v *visitor) Prove(ctx context.Context, p papers) error {
	for {
		shown := v.body
		var err error
		switch {
		case v.has("/p/reveal"):
			return nil
		case v.has("/p/fact"):
			err = v.Submit(ctx, "/p/fact", url.Values{
				"day": {strconv.Itoa(p.Born.Day)}, "month": {strconv.Itoa(int(p.Born.Month))}, "year": {strconv.Itoa(p.Born.Year)},
			})
		case v.has("/p/eid"):
			err = v.signInAtEID(ctx, p.Persona)
		case v.has("/p/desk") && p.Desk != nil:
			var code string
			if code, err = p.Desk(ctx); err == nil {
				err = v.Submit(ctx, "/p/desk", url.Values{"desk": {code}})
			}
		case v.number() != "" && p.Manager != nil:
			if err = p.Manager(ctx, v.number()); err == nil {
				err = v.waitFor(ctx, "/p/next", func() bool { return v.number() == "" })
			}
		default:
			return v.unexpected("a proof that can be given")
		}
		if err != nil {
			return err
		}
		if v.Problem() != "" || v.body == shown {
			return v.unexpected("that the proof was taken")
		}
	}
}

// number is what the page says to read out to the manager.
func (v *visitor) number() string {
	return firstIn(v.body, regexp.MustCompile(`class="secret number".*?<span class="big">(\d{4})</span>`))
}

// signInAtEID leaves for the simulated eID and comes back.
func (v *visitor) signInAtEID(ctx context.Context, persona string) error {
	if err := v.Submit(ctx, "/p/eid", nil); err != nil {
		return err
	}
	leave := firstIn(v.body, regexp.MustCompile(`<a class="button" href="([^"]*)" rel="noreferrer">`))
	if leave == "" {
		return v.unexpected("the way to the eID")
	}
	if err := v.do(ctx, http.MethodGet, html.UnescapeString(leave), nil); err != nil {
		return err
	}
	if err := v.Submit(ctx, "/authorise", url.Values{"persona": {persona}, "do": {"sign-in"}}); err != nil {
		return err
	}
	return v.Submit(ctx, "/p/eid/finish", nil)
}

// waitFor opens a path again and again until what it shows is right, as the
// page's script does it.
func (v *visitor) waitFor(ctx context.Context, path string, right func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("waited a minute"))
	defer cancel()
	return poll(ctx, 200*time.Millisecond, func() error {
		to, err := v.from.Parse(path)
		if err != nil {
			return giveUp{err}
		}
		if err := v.do(ctx, http.MethodGet, to.String(), nil); err != nil {
			return err
		}
		if !right() {
			return v.unexpected("something else")
		}
		return nil
	})
}

// Reveal presses the button that makes the pass, and reads it.
func (v *visitor) Reveal(ctx context.Context) (code string, err error) {
	if err := v.Submit(ctx, "/p/reveal", nil); err != nil {
		return "", err
	}
	if v.making() {
		if err := v.waitFor(ctx, "/p/pass", func() bool { return !v.making() }); err != nil {
			return "", err
		}
	}
	return v.Passcode()
}

// Insist is what somebody does whose page broke off: he loads it again, presses
// the button where there is one, and goes on until the pass is there.
func (v *visitor) Insist(ctx context.Context) (code string, err error) {
	err = poll(ctx, 500*time.Millisecond, func() (err error) {
		if err := v.Open(ctx, "/p/next"); err != nil {
			return err
		}
		if v.has("/p/reveal") {
			code, err = v.Reveal(ctx)
			return err
		}
		code, err = v.Passcode()
		return err
	})
	return code, err
}

func (v *visitor) making() bool {
	return strings.Contains(v.body, "data-poll=") && strings.Contains(v.body, `href="/p/pass"`)
}

// Passcode reads the pass that is shown.
func (v *visitor) Passcode() (string, error) {
	shown := firstIn(v.body, regexp.MustCompile(`(?s)id="passcode"[^>]*>(.*?)</p>`))
	if shown == "" {
		return "", v.unexpected("a pass")
	}
	var code strings.Builder
	for _, group := range regexp.MustCompile(`<span>([^<]*)</span>`).FindAllStringSubmatch(shown, -1) {
		code.WriteString(html.UnescapeString(group[1]))
	}
	return code.String(), nil
}

// Collect is the whole way, from link and code to the pass.
func (v *visitor) Collect(ctx context.Context, i invitation, p papers) (code string, err error) {
	if err := v.EnterRight(ctx, i); err != nil {
		return "", err
	}
	if err := v.Prove(ctx, p); err != nil {
		return "", err
	}
	return v.Reveal(ctx)
}

// Vouch is a manager's word: the number that he was told, to the link he was
// sent, and yes or no. As with EnterRight there is another try.
func (v *visitor) Vouch(ctx context.Context, token, number, word string) error {
	for range 2 {
		if err := v.Open(ctx, "/vouch"); err != nil {
			return err
		}
		err := v.Submit(ctx, "/vouch", url.Values{"token": {token}, "number": {number}, "how": {"video"}, "is": {word}})
		if err != nil || v.Problem() == "" {
			return err
		}
	}
	return v.unexpected("thanks to the manager")
}

// NotMe says that it was somebody else. last is the end of the reference that
// the message shows.
func (v *visitor) NotMe(ctx context.Context, token, last string) error {
	if err := v.Open(ctx, "/not-me"); err != nil {
		return err
	}
	return v.Submit(ctx, "/not-me", url.Values{"token": {token}, "last": {last}})
}

// wrongCode returns the n-th wrong code, from 1: one that was typed before does
// not count again.
func wrongCode(right string, n int) string {
	code, err := strconv.Atoi(right)
	if err != nil {
		return "000000"
	}
	return fmt.Sprintf("%06d", (code+n)%1_000_000)
}
