package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"firstpass.internal/internal/ops/access"
)

func get(t *testing.T, ctx context.Context, c *http.Client, method, url, body string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(r)
}

// A handler sees what a server would show it, and who asks.
func TestLocal(t *testing.T) {
	c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := access.From(r.Context())
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %s %s", id.Name, r.Method, r.RequestURI, r.Host, body))
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "is not sent")
		_, _ = io.WriteString(w, "short and stout")
	}), noor)
	for method, want := range map[string]string{"POST": "short and stout", "HEAD": ""} {
		r, err := get(t, t.Context(), c, method, "http://local/v1/x?y=1", "hello")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || string(body) != want || r.StatusCode != http.StatusTeapot || r.Header.Get("X-Late") != "" {
			t.Errorf("%s: %d %q %v %v", method, r.StatusCode, body, r.Header, err)
		}
		if got := r.Header.Get("X-Seen"); got != "noor@example.com "+method+" /v1/x?y=1 local hello" {
			t.Errorf("seen: %s", got)
		}
	}
}

// A reply can be read while it is written.
func TestLocalStreams(t *testing.T) {
	step := make(chan struct{})
	c := Local(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		for i := range 3 {
			fmt.Fprintln(w, i)
			<-step
		}
	}), noor)
	r, err := get(t, t.Context(), c, "GET", "http://local/", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatalf("line %d: %q %v", i, lines.Text(), lines.Err())
		}
		step <- struct{}{}
	}
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("after the end: %q %v", lines.Text(), lines.Err())
	}
}

// The handler stops when its caller goes away, in each of the ways to go.
func TestLocalEnds(t *testing.T) {
	type seen struct{ err error }
	for name, leave := range map[string]func(t *testing.T, c *http.Client) error{
		"cancelled before the reply": func(t *testing.T, c *http.Client) error {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, err := get(t, ctx, c, "GET", "http://local/silent", "")
			return err
		},
		"timed out before the reply": func(t *testing.T, c *http.Client) error {
			c.Timeout = time.Second
			_, err := get(t, t.Context(), c, "GET", "http://local/silent", "")
			return err
		},
		"cancelled while reading": func(t *testing.T, c *http.Client) error {
			ctx, cancel := context.WithCancel(t.Context())
			r, err := get(t, ctx, c, "GET", "http://local/begun", "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			time.AfterFunc(time.Second, cancel)
			_, err = io.ReadAll(r.Body)
			return err
		},
		"closed": func(t *testing.T, c *http.Client) error {
			r, err := get(t, t.Context(), c, "GET", "http://local/begun", "")
			if err != nil {
				t.Fatal(err)
			}
			return errors.Join(context.Canceled, r.Body.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan seen, 1)
				c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/begun" {
						w.WriteHeader(200)
					}
					<-r.Context().Done()
					ended <- seen{r.Context().Err()}
				}), noor)
				err := leave(t, c)
				if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller sees %v", err)
				}
				synctest.Wait()
				select {
				case <-ended:
				default:
					t.Error("the handler goes on")
				}
			})
		})
	}
}

// A handler that breaks off gives no reply that looks whole, and takes no
// process with it.
func TestLocalBreaks(t *testing.T) {
	for path, begun := range map[string]bool{"/before": false, "/after": true} {
		c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if begun {
				_, _ = io.WriteString(w, "half")
			}
			panic(http.ErrAbortHandler)
		}), noor)
		r, err := get(t, t.Context(), c, "GET", "http://local"+path, "")
		if begun && err == nil {
			_, err = io.ReadAll(r.Body)
			r.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

// The generated client takes a problem apart.
func TestClient(t *testing.T) {
	w := newWorld(t, willing())
	c, err := NewClientWithResponses("http://local", WithHTTPClient(Local(w.handler, noor)))
	if err != nil {
		t.Fatal(err)
	}
	me, err := c.GetMeWithResponse(t.Context())
	if err != nil || me.JSON200 == nil || me.JSON200.Name != noor.Name || len(me.JSON200.Verbs) == 0 {
		t.Fatalf("%v %s", err, me.Body)
	}
	bad, err := c.SearchWithResponse(t.Context(), SearchRequest{Q: "x"})
	if err != nil || bad.ApplicationProblemJSONDefault == nil || bad.ApplicationProblemJSONDefault.Errors[0].Path != "body.q" {
		t.Fatalf("%v %s", err, bad.Body)
	}
	j, err := c.GetJourneyWithResponse(t.Context(), "joiner", "hr", "abc", nil)
	if err != nil || j.JSON200 == nil || j.JSON200.Employee.GivenName != "Mila" || j.JSON200.Override.Hour != "09:00:00" {
		t.Fatalf("%v %s", err, j.Body)
	}
}
