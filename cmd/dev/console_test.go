package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/workflows"
)

// colleague is somebody, or a machine, at the console and the API of a world.
type colleague struct {
	w      *testWorld
	upn    string // empty: the machine
	client *http.Client
	bearer string
}

// opsAnswer is an answer of the console or the API.
type opsAnswer struct {
	status int
	header http.Header
	raw    []byte
}

func (r opsAnswer) String() string { return fmt.Sprintf("%d %.500s", r.status, r.raw) }

// read decodes the answer.
func (r opsAnswer) read(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(r.raw, into); err != nil {
		t.Fatalf("%s: %v", r, err)
	}
}

// opsClient trusts the console and the tenant, keeps cookies and follows no
// redirect.
func (w *testWorld) opsClient() *http.Client {
	w.t.Helper()
	pool := x509.NewCertPool()
	trusted, err := os.ReadFile(w.opsCA)
	w.must(nil, err)
	pool.AppendCertsFromPEM(trusted)
	pool.AppendCertsFromPEM(w.Tenant.CAPEM())
	jar, err := cookiejar.New(nil)
	w.must(nil, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 4}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// As signs somebody in at the tenant, as a browser does.
func (w *testWorld) As(upn string) *colleague {
	w.t.Helper()
	c := &colleague{w: w, upn: upn, client: w.opsClient()}
	if back := c.signIn(); back.status != http.StatusSeeOther || back.header.Get("Location") != "/" {
		w.t.Fatalf("%s can't sign in: %s", upn, back)
	}
	return c
}

// signIn is the way to the tenant and back; it returns what our end of it
// answers.
func (c *colleague) signIn() opsAnswer {
	c.w.t.Helper()
	there := c.Get("/sign-in?to=/").header.Get("Location")
	at, err := url.Parse(there)
	if err != nil || !strings.HasPrefix(there, c.w.Tenant.URL()) {
		c.w.t.Fatalf("sign-in leads to %q", there)
	}
	q := at.Query()
	q.Set("login_hint", c.upn) // chosen on the tenant's page
	at.RawQuery = q.Encode()
	return c.Get(c.Get(at.String()).header.Get("Location"))
}

// Machine is a program with a token of its own.
func (w *testWorld) Machine() *colleague {
	w.t.Helper()
	c := &colleague{w: w, client: w.opsClient()}
	answer := c.do(http.MethodPost, w.Tenant.URL()+"/"+w.Tenant.TenantID()+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {robotClient}, "client_secret": {w.Keys.Robot}, "scope": {"api://" + opsClient + "/.default"},
	}.Encode(), nil)
	var token struct {
		Access string `json:"access_token"`
	}
	answer.read(w.t, &token)
	c.bearer = token.Access
	return c
}

// In is c in a subtest, whose helpers fail it alone.
func (c *colleague) In(w *testWorld) *colleague {
	in := *c
	in.w = w
	return &in
}

// Get asks for a page or, below /v1/, for what the API tells.
func (c *colleague) Get(path string) opsAnswer { return c.do(http.MethodGet, path, "", "", nil) }

// Submit sends a form of the console, filled in.
func (c *colleague) Submit(path string, form url.Values) opsAnswer {
	return c.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), nil)
}

// Send is a request to the API.
func (c *colleague) Send(method, path string, body any, header http.Header) opsAnswer {
	c.w.t.Helper()
	raw, err := json.Marshal(body)
	c.w.must(nil, err)
	return c.do(method, path, "application/json", string(raw), header)
}

func (c *colleague) do(method, path, kind, body string, header http.Header) opsAnswer {
	c.w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = c.w.OpsURL() + path
	}
	req, err := http.NewRequestWithContext(c.w.t.Context(), method, path, bytes.NewBufferString(body))
	c.w.must(nil, err)
	for name, values := range header {
		req.Header[name] = values
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	res, err := c.client.Do(req)
	c.w.must(nil, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	c.w.must(nil, err)
	return opsAnswer{res.StatusCode, res.Header, raw}
}

// act is what somebody wants done with a journey, by the names of the API.
type act map[string]string

// Try asks the API to do something with a journey.
func (c *colleague) Try(id string, a act) opsAnswer {
	c.w.t.Helper()
	return c.Send(http.MethodPost, "/v1/journeys/"+id+"/actions", a, nil)
}

// may waits until somebody may do something with a journey, as things stand.
func (c *colleague) may(id, verb string) {
	c.w.t.Helper()
	c.w.Eventually(20*time.Second, "may "+verb, func() error {
		r := c.Get("/v1/journeys/" + id)
		if r.status != http.StatusOK {
			return fmt.Errorf("%s", r)
		}
		var j struct {
			Can    []string
			Cannot map[string]string
		}
		r.read(c.w.t, &j)
		if !slices.Contains(j.Can, verb) {
			return errors.New(j.Cannot[verb])
		}
		return nil
	})
}

// Act does something with a journey by the API.
func (c *colleague) Act(id string, a act) {
	c.w.t.Helper()
	c.may(id, a["verb"])
	if r := c.Try(id, a); r.status != http.StatusOK {
		c.w.t.Fatalf("%s %s: %s", a["verb"], id, r)
	}
}

// Click does something with a journey at the console: it opens the page, sends
// its form and, where it asks once more, says yes.
func (c *colleague) Click(id, verb string, fields url.Values) {
	c.w.t.Helper()
	c.may(id, verb)
	at := "/journeys/" + id + "/" + verb
	c.w.Eventually(20*time.Second, at, func() error {
		page := c.Get(at)
		if page.status != http.StatusOK {
			return giveUp{fmt.Errorf("%s", page)}
		}
		for _, name := range []string{"version", "was", "since"} {
			fields.Set(name, hiddenIn(page.raw, name))
		}
		answer := c.Submit(at, fields)
		if answer.status == http.StatusOK && hiddenIn(answer.raw, "sure") == "yes" {
			fields.Set("sure", "yes")
			answer = c.Submit(at, fields)
		}
		switch answer.status {
		case http.StatusSeeOther:
			return nil
		case http.StatusConflict, http.StatusPreconditionFailed: // it is doing something just now
			return errors.New(alertIn(answer.raw))
		}
		return giveUp{fmt.Errorf("%s: %s", answer, alertIn(answer.raw))}
	})
}

// alertIn is what a page says went wrong.
func alertIn(page []byte) string {
	_, rest, _ := strings.Cut(string(page), `role="alert">`)
	text, _, _ := strings.Cut(rest, "</div>")
	return text
}

// hiddenIn is the value of a hidden field of a page.
func hiddenIn(page []byte, name string) string {
	_, rest, _ := strings.Cut(string(page), `type="hidden" name="`+name+`" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// told are the rows of the ledger as the auditor has them from the API.
type told struct {
	Seq                                                       uint64
	Time                                                      time.Time
	Event, Ref, Outcome, Reason, Actor, Detail, Request, Hash string
}

// Told waits for a row that an operator caused.
func (c *colleague) Told(actor, event, ref string, about ...string) {
	c.w.t.Helper()
	query := url.Values{"event": {event}, "actor": {actor}, "limit": {"500"}}
	if ref != "" {
		query.Set("ref", ref)
	}
	c.w.Eventually(10*time.Second, "row "+event+" by "+actor, func() error {
		var page struct{ Items []told }
		r := c.Get("/v1/ledger/rows?" + query.Encode())
		if r.status != http.StatusOK {
			return fmt.Errorf("%s", r)
		}
		r.read(c.w.t, &page)
		for _, row := range page.Items {
			text := row.Reason + " " + row.Detail + " " + row.Outcome
			all := true
			for _, word := range about {
				all = all && strings.Contains(text, word)
			}
			if all {
				return nil
			}
		}
		return fmt.Errorf("not among %d rows: %s", len(page.Items), r)
	})
}

// Shows waits until the timeline of a journey names an actor and a reason.
func (c *colleague) Shows(id, actor, reason string) {
	c.w.t.Helper()
	c.w.Eventually(10*time.Second, "timeline of "+workflows.RefOf(id), func() error {
		var page struct {
			Items []struct{ Who, Reason, What string }
		}
		r := c.Get("/v1/journeys/" + id + "/timeline")
		if r.status != http.StatusOK {
			return fmt.Errorf("%s", r)
		}
		r.read(c.w.t, &page)
		for _, m := range page.Items {
			if m.Who == actor && m.Reason == reason {
				return nil
			}
		}
		return fmt.Errorf("%s by %s is not in %s", reason, actor, r)
	})
}
