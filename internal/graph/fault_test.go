package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

const personal = "Robin Vale robin.vale@example.com"

// replies are the bodies an error comes with: Graph's own, and what the things
// between it and us put in its place.
func replies() map[string]func(http.ResponseWriter, int) {
	typed := func(contentType, body string) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, status int) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	return map[string]func(http.ResponseWriter, int){
		"proper":          typed("application/json", `{"error":{"code":"badRequest","message":"`+personal+`","innerError":{"date":"2026-03-02T07:00:00","request-id":"r-1","client-request-id":"c-1"}}}`),
		"no message":      typed("application/json", `{"error":{"code":"badRequest"}}`),
		"no error":        typed("application/json", `{"message":"`+personal+`"}`),
		"error is a text": typed("application/json", `{"error":"`+personal+`"}`),
		"list":            typed("application/json", `[]`),
		"broken":          typed("application/json", `{"error":{"code":"badRequest","message":"`+personal),
		"problem":         typed("application/problem+json", `{"title":"`+personal+`"}`),
		"html":            typed("text/html", `<h1>`+personal+`</h1>`),
		"huge html":       typed("text/html", `<p>`+strings.Repeat(personal, 100_000/len(personal))),
		"huge json":       typed("application/json", `{"error":{"message":"`+strings.Repeat(personal, 100_000/len(personal))+`"}}`),
		"bad date":        typed("application/json", `{"error":{"code":"badRequest","message":"m","innerError":{"date":"yesterday","request-id":7}}}`),
		"code is a text":  typed("application/json", `{"error":{"code":"`+personal+`","message":"m"}}`),
		"empty":           func(w http.ResponseWriter, status int) { w.WriteHeader(status) },
		"mislabelled gzip": func(w http.ResponseWriter, status int) {
			w.Header().Set("Content-Encoding", "gzip")
			typed("application/json", personal)(w, status)
		},
	}
}

func wantKind(status int) jml.FaultKind {
	switch {
	case status == 429:
		return jml.FaultThrottled
	case status == 401, status == 403:
		return jml.FaultDenied
	case status == 404:
		return jml.FaultNotFound
	case status == 409:
		return jml.FaultConflict
	case status == 408, status >= 500:
		return jml.FaultUnavailable
	}
	return jml.FaultRefused
}

func TestEveryStatusIsAFault(t *testing.T) {
	statuses := []int{400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 415, 416, 422, 423, 429, 431, 451, 499,
		500, 501, 502, 503, 504, 507, 509, 511, 599}
	var answer func(http.ResponseWriter)
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	c := newClient(t, srv.config(t))
	calls := 0
	for name, body := range replies() {
		for _, status := range statuses {
			answer = func(w http.ResponseWriter) {
				w.Header().Set("request-id", "req-77")
				w.Header().Set("Retry-After", "17")
				body(w, status)
			}
			for _, op := range operations() {
				at := fmt.Sprintf("%s: %d %s", op.name, status, name)
				err := op.call(t.Context(), c)
				calls++
				if strings.HasPrefix(op.name, "delete ") && status == 404 {
					if err != nil {
						t.Errorf("%s: %v, want no error", at, err)
					}
					continue
				}
				var f *jml.Fault
				if !errors.As(err, &f) {
					t.Fatalf("%s: %v is no Fault", at, err)
				}
				got := jml.Fault{System: f.System, Op: f.Op, Kind: f.Kind, Status: f.Status, RequestID: f.RequestID, RetryAfter: f.RetryAfter}
				want := jml.Fault{System: "graph", Op: op.name, Kind: wantKind(status), Status: status, RequestID: "req-77", RetryAfter: 17 * time.Second}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", at, diff)
				}
				if name == "proper" && f.Code != "badRequest" {
					t.Errorf("%s: code %q", at, f.Code)
				}
				if all := fmt.Sprintf("%v %+v %#v", err, err, f); strings.Contains(all, "Robin") || strings.Contains(all, "127.0.0.1") {
					t.Errorf("%s: %s", at, all)
				}
			}
		}
	}
	if n := len(srv.requests()); n != calls {
		t.Errorf("%d requests for %d calls: something is tried again", n, calls)
	}
}

func TestReasonOfARefusedPass(t *testing.T) {
	for _, tt := range []struct {
		status  int
		message string
		want    jml.BlockReason
		after   jml.BlockReason // what Fault.Block makes of it
	}{
		{400, "Invalid LifetimeInMinutes specified. The valid range between 60 and 480.", jml.ReasonLifetimeOutsidePolicy, jml.ReasonLifetimeOutsidePolicy},
		{400, "Invalid IsUsableOnce specified.", jml.ReasonMultiUseNotAllowed, jml.ReasonMultiUseNotAllowed},
		{400, "Converged UserCredentialPolicy does not allow this.", jml.ReasonOutOfScope, jml.ReasonOutOfScope},
		{403, "UserCredentialPolicy", jml.ReasonPermissionMissing, jml.ReasonPermissionMissing},
		{400, "cannot be added to an EXTERNAL GUEST user", jml.ReasonUserExternal, jml.ReasonUserExternal},
		{400, "something new", jml.ReasonUnknownRefusal, jml.ReasonUnknownRefusal},
		{422, "", jml.ReasonUnknownRefusal, jml.ReasonUnknownRefusal},
		{405, "", jml.ReasonOutOfScope, jml.ReasonOutOfScope},
		{404, "UserCredentialPolicy", "", jml.ReasonUserNotReady},
		{401, "", jml.ReasonPermissionMissing, jml.ReasonPermissionMissing},
		{409, "", "", jml.ReasonGraphUnavailable},
		{503, "LifetimeInMinutes", "", jml.ReasonGraphUnavailable},
	} {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, tt.status, fmt.Sprintf(`{"error":{"code":"badRequest","message":%q}}`, tt.message))
		})
		_, _, err := newClient(t, srv.config(t)).CreatePass(t.Context(), userID, request, now)
		var f *jml.Fault
		if !errors.As(err, &f) {
			t.Fatal(err)
		}
		if f.Reason != tt.want || f.Block().Reason != tt.after {
			t.Errorf("%d %q: reason %q, block %q; want %q, %q", tt.status, tt.message, f.Reason, f.Block().Reason, tt.want, tt.after)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                              0,
		"10":                            10 * time.Second,
		"0.5":                           500 * time.Millisecond,
		"-3":                            0,
		"0":                             0,
		"soon":                          0,
		"NaN":                           0,
		"99999999999":                   24 * time.Hour,
		"Inf":                           24 * time.Hour,
		"Mon, 02 Mar 2020 07:00:00 GMT": 0,
	} {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			writeJSON(w, 429, `{"error":{"code":"TooManyRequests","message":"m"}}`)
		})
		_, err := newClient(t, srv.config(t)).Passes(t.Context(), userID)
		var f *jml.Fault
		if !errors.As(err, &f) || f.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, want %v", header, f.RetryAfter, want)
		}
	}
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(503)
	})
	_, err := newClient(t, srv.config(t)).Passes(t.Context(), userID)
	var f *jml.Fault
	if !errors.As(err, &f) || f.RetryAfter < 59*time.Minute || f.RetryAfter > time.Hour {
		t.Errorf("an HTTP date in an hour is read as %v", f.RetryAfter)
	}
}

// What is not an error to the SDK must not be a success to us.
func TestRepliesThatSayNothing(t *testing.T) {
	for name, reply := range map[string]func(http.ResponseWriter){
		"204":             func(w http.ResponseWriter) { w.WriteHeader(204) },
		"empty 200":       func(w http.ResponseWriter) { w.WriteHeader(200) },
		"{}":              func(w http.ResponseWriter) { writeJSON(w, 200, `{}`) },
		"null value":      func(w http.ResponseWriter) { writeJSON(w, 200, `{"value":null}`) },
		"null":            func(w http.ResponseWriter) { writeJSON(w, 200, `null`) },
		"cut":             func(w http.ResponseWriter) { writeJSON(w, 200, `{"value":[{"id":"`) },
		"list of nothing": func(w http.ResponseWriter) { writeJSON(w, 200, `{"value":[null]}`) },
		"html": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<p>"))
		},
		"redirect":     func(w http.ResponseWriter) { w.Header().Set("Location", "https://example.com/"); w.WriteHeader(302) },
		"not modified": func(w http.ResponseWriter) { w.WriteHeader(304) },
	} {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) { reply(w) })
		c := newClient(t, srv.config(t))
		for _, op := range operations() {
			if strings.HasPrefix(op.name, "delete ") && name != "redirect" && name != "not modified" {
				continue // its replies have no body
			}
			if op.name == "send mail" && name == "204" {
				continue // means that it is sent
			}
			if op.name == "check groups" && name == "list of nothing" {
				continue // no group of ours
			}
			err := op.call(t.Context(), c)
			var f *jml.Fault
			if !errors.As(err, &f) || f.Kind != jml.FaultUnavailable || f.Op != op.name {
				t.Errorf("%s, %s: %v, want an unavailable Fault", op.name, name, err)
			}
		}
	}
}

func TestNoAnswer(t *testing.T) {
	t.Run("connection dropped", func(t *testing.T) {
		srv := newServer(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		c := newClient(t, srv.config(t))
		for _, op := range operations() {
			var f *jml.Fault
			err := op.call(t.Context(), c)
			if !errors.As(err, &f) || f.Kind != jml.FaultUnavailable || f.Status != 0 || f.Code != "connectionBroken" {
				t.Errorf("%s: %v", op.name, err)
			}
			if strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("%s: the error shows the URL: %v", op.name, err)
			}
		}
		posts := slices.DeleteFunc(srv.requests(), func(r *http.Request) bool {
			return r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/temporaryAccessPassMethods")
		})
		if len(posts) != 1 {
			t.Errorf("%d POSTs of the pass, want 1", len(posts))
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, `{"value":[]}`) })
		c := newClient(t, srv.config(t))
		if _, err := c.Passes(t.Context(), userID); err != nil { // for the token
			t.Fatal(err)
		}
		srv.Close()
		_, err := c.Passes(t.Context(), userID)
		var f *jml.Fault
		if !errors.As(err, &f) || f.Code != "notReachable" {
			t.Errorf("%v", err)
		}
	})
	t.Run("certificate of somebody else", func(t *testing.T) {
		srv, other := newServer(t, nil), httptest.NewTLSServer(nil)
		t.Cleanup(other.Close)
		cfg := srv.config(t)
		cfg.CAFile = ""
		_, err := newClient(t, cfg).Passes(t.Context(), userID)
		var f *jml.Fault
		if !errors.As(err, &f) || f.System != "entra" || f.Kind != jml.FaultUnavailable {
			t.Errorf("%v", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		gone := make(chan struct{})
		srv := newServer(t, func(_ http.ResponseWriter, r *http.Request) { <-gone })
		defer close(gone)
		cfg := srv.config(t)
		cfg.Timeout = 300 * time.Millisecond
		_, err := newClient(t, cfg).Passes(t.Context(), userID)
		var f *jml.Fault
		if !errors.As(err, &f) || f.Code != "timeout" || f.Kind != jml.FaultUnavailable {
			t.Errorf("%v", err)
		}
	})
}

func TestCallerStopsWaiting(t *testing.T) {
	for _, op := range operations() {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		srv := newServer(t, func(http.ResponseWriter, *http.Request) { cancel(); <-gone })
		err := op.call(ctx, newClient(t, srv.config(t)))
		close(gone)
		var f *jml.Fault
		if !errors.Is(err, context.Canceled) || !errors.As(err, &f) || f.Kind != jml.FaultUnavailable {
			t.Errorf("%s: %v, want a Fault that is context.Canceled", op.name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	srv := newServer(t, nil)
	if err := newClient(t, srv.config(t)).DeletePass(ctx, userID, passID); !errors.Is(err, context.Canceled) {
		t.Errorf("before the token: %v", err)
	}
}

func TestTokenRefused(t *testing.T) {
	const text = `AADSTS7000215: Invalid client secret provided for app 'Payroll of ` + personal + `'.`
	for _, tt := range []struct {
		status int
		body   string
		want   jml.Fault
	}{
		{401, `{"error":"invalid_client","error_description":"` + text + `","error_codes":[7000215]}`,
			jml.Fault{Kind: jml.FaultDenied, Status: 401, Code: "AADSTS7000215", Reason: jml.ReasonPermissionMissing}},
		{400, `{"error":"unauthorized_client","error_description":"x","error_codes":[700016]}`,
			jml.Fault{Kind: jml.FaultDenied, Status: 400, Code: "AADSTS700016", Reason: jml.ReasonPermissionMissing}},
		{400, text, jml.Fault{Kind: jml.FaultDenied, Status: 400, Reason: jml.ReasonPermissionMissing}},
		{429, `{}`, jml.Fault{Kind: jml.FaultThrottled, Status: 429, RetryAfter: 9 * time.Second}},
		{503, text, jml.Fault{Kind: jml.FaultUnavailable, Status: 503, RetryAfter: 9 * time.Second}},
		{500, ``, jml.Fault{Kind: jml.FaultUnavailable, Status: 500}},
	} {
		srv := newServer(t, nil)
		asked := 0
		srv.token = func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("x-ms-request-id", "entra-1")
			if tt.want.RetryAfter > 0 {
				w.Header().Set("Retry-After", "9")
			}
			writeJSON(w, tt.status, tt.body)
		}
		_, err := newClient(t, srv.config(t)).Passes(t.Context(), userID)
		var f *jml.Fault
		if !errors.As(err, &f) {
			t.Fatalf("%d: %v", tt.status, err)
		}
		tt.want.System, tt.want.Op, tt.want.RequestID = "entra", "list passes", "entra-1"
		if diff := cmp.Diff(tt.want, *f); diff != "" {
			t.Errorf("%d %s (-want +got)\n%s", tt.status, tt.body, diff)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "Robin") || asked != 1 {
			t.Errorf("asked %d times: %+v", asked, err)
		}
	}
}

func TestSDKPanicIsAFault(t *testing.T) {
	// kiota-http 1.5.6 takes the claims apart with a regular expression and
	// uses the match without looking whether there is one.
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer claims=unquoted`)
		writeJSON(w, 401, `{}`)
	})
	_, err := newClient(t, srv.config(t)).Passes(t.Context(), userID)
	var f *jml.Fault
	if !errors.As(err, &f) || f.Code != "sdkPanic" || f.Status != 401 {
		t.Errorf("%v", err)
	}
}

func TestRevokedTokenIsRenewedOnce(t *testing.T) {
	srv := newServer(t, nil)
	tokens, posts := 0, 0
	srv.token = func(w http.ResponseWriter, r *http.Request) {
		tokens++
		if tokens == 2 && !strings.Contains(r.FormValue("claims"), "nbf") {
			t.Errorf("the claims of the challenge are not asked for: %q", r.FormValue("claims"))
		}
		writeJSON(w, 200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":"h.e30.%d"}`, tokens))
	}
	srv.graph = func(w http.ResponseWriter, r *http.Request) {
		posts++
		if r.Header.Get("Authorization") == "Bearer h.e30.1" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="`)
			writeJSON(w, 401, `{"error":{"code":"InvalidAuthenticationToken","message":"m"}}`)
			return
		}
		w.Header().Set("request-id", "second")
		writeJSON(w, 201, `{"id":"`+passID+`","temporaryAccessPass":"abcd"}`)
	}
	p, code, err := newClient(t, srv.config(t)).CreatePass(t.Context(), userID, request, now)
	if err != nil || code.Reveal() != "abcd" || p.RequestID != "second" || tokens != 2 || posts != 2 {
		t.Errorf("%+v, %v; %d tokens, %d posts", p, err, tokens, posts)
	}
}

func TestBadIDsAreNotSent(t *testing.T) {
	srv := newServer(t, nil)
	c := newClient(t, srv.config(t))
	ctx := t.Context()
	for _, id := range []string{"", "..", "robin@example.com", userID + "/..", "../" + userID, userID + "\n", "somebody"} {
		_, methods := c.Methods(ctx, id)
		_, passes := c.Passes(ctx, id)
		_, member := c.MemberOf(ctx, id, []string{groupID})
		_, group := c.MemberOf(ctx, userID, []string{groupID, id})
		_, privilege := c.Privilege(ctx, id)
		_, _, create := c.CreatePass(ctx, id, request, now)
		_, addressees := c.Addressees(ctx, id, true)
		key := jml.Method{ID: passID, Kind: jml.MethodFIDO2}
		for i, err := range []error{methods, passes, member, group, privilege, create, addressees, c.DeletePass(ctx, id, passID),
			c.DeleteMethod(ctx, id, key), c.EndSessions(ctx, id)} {
			var f *jml.Fault
			if !errors.As(err, &f) || f.Kind != jml.FaultRefused || id != "" && strings.Contains(err.Error(), id) {
				t.Errorf("%d with id %q: %v", i, id, err)
			}
		}
	}
	for _, id := range []string{"", "..", "a/b", "a?b", "a b"} {
		if err := c.DeletePass(ctx, userID, id); err == nil {
			t.Errorf("pass %q is deleted", id)
		}
		if err := c.DeleteMethod(ctx, userID, jml.Method{ID: id, Kind: jml.MethodFIDO2}); err == nil {
			t.Errorf("method %q is deleted", id)
		}
	}
	for _, k := range []jml.MethodKind{"", "password", jml.MethodPass, "email", "external", "qrCodePin"} {
		if err := c.DeleteMethod(ctx, userID, jml.Method{ID: passID, Kind: k}); err == nil {
			t.Errorf("a method of kind %q is deleted", k)
		}
	}
	for _, m := range []jml.Match{{}, {Attribute: "employeeId"}, {Attribute: "displayName", Value: "Robin"}, {Attribute: jml.MatchObjectID, Value: "robin@firstpass.example"}, {Attribute: jml.MatchObjectID, Value: ".."}} {
		if _, err := c.FindUsers(ctx, m); err == nil {
			t.Errorf("%+v is asked for", m)
		}
	}
	for _, life := range []time.Duration{0, -time.Hour, 90 * time.Second, 31 * 24 * time.Hour} {
		r := request
		r.Lifetime = life
		_, _, err := c.CreatePass(ctx, userID, r, now)
		if f, _ := err.(*jml.Fault); f == nil || f.Reason != jml.ReasonLifetimeOutsidePolicy {
			t.Errorf("lifetime %v: %v", life, err)
		}
	}
	if n := len(srv.requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}
