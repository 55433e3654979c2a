package tracking

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// The world of the tests: two SendGrid channels and two Twilio ones, each with
// a key of its own, and a clock that stands.
type world struct {
	t       *testing.T
	now     time.Time
	keys    map[string]*ecdsa.PrivateKey
	told    []string
	fail    func(invitation.Handle) error
	log     bytes.Buffer
	handler http.Handler
}

const (
	token       = "token-canary-1"
	otherToken  = "token-canary-2"
	publicURL   = "https://hooks.example.org/v1/delivery/text"
	address     = "robin.canary@example.org"
	phone       = "+4915155501234"
	goodHandle  = "h-joiner-1"
	otherHandle = "h-joiner-2"
)

type handles struct{}

func (handles) OpenHandle(s string) (invitation.Handle, error) {
	if !strings.HasPrefix(s, "h-") {
		return invitation.Handle{}, errors.New("not a handle of ours")
	}
	return invitation.Handle{WorkflowID: strings.TrimPrefix(s, "h-")}, nil
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), keys: map[string]*ecdsa.PrivateKey{}}
	w.fail = func(invitation.Handle) error { return nil }
	cfg := w.config()
	h, err := NewHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	t.Cleanup(func() {
		for _, canary := range []string{"canary", "h-joiner", phone, "5551234", "User unknown"} {
			if strings.Contains(w.log.String(), canary) {
				t.Errorf("%q stands in the log: %s", canary, w.log.String())
			}
		}
	})
	return w
}

func (w *world) config() Config {
	cfg := Config{
		Handles: handles{},
		Now:     func() time.Time { return w.now },
		Logger:  slog.New(slog.NewTextHandler(&w.log, nil)),
		Tell: func(_ context.Context, h invitation.Handle, n News) error {
			if err := w.fail(h); err != nil {
				return err
			}
			w.told = append(w.told, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", h.WorkflowID, n.Status, n.At.Format("15:04:05"), n.Detail)))
			return nil
		},
	}
	for _, name := range []string{"mail", "mail-eu"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		w.keys[name] = key
		cfg.Channels = append(cfg.Channels, Channel{Name: name, Kind: SendGrid, EventKey: public(w.t, &key.PublicKey)})
	}
	cfg.Channels = append(cfg.Channels,
		Channel{Name: "text", Kind: Twilio, AuthToken: secret.NewPasscode(token), URL: publicURL},
		Channel{Name: "text-2", Kind: Twilio, AuthToken: secret.NewPasscode(otherToken), URL: publicURL + "-2"})
	return cfg
}

func public(t testing.TB, key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// events makes a report as SendGrid signs it.
func (w *world) events(channel, body string) *http.Request {
	return w.signedAt(channel, body, strconv.FormatInt(w.now.Unix(), 10))
}

func (w *world) signedAt(channel, body, stamp string) *http.Request {
	sum := sha256.Sum256([]byte(stamp + body))
	sig, err := ecdsa.SignASN1(rand.Reader, w.keys[channel], sum[:])
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/delivery/"+channel, strings.NewReader(body))
	r.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(sig))
	return r
}

// callback makes a status callback as Twilio signs it.
func callback(token, signedURL, query string, form url.Values) *http.Request {
	mac := hmac.New(sha1.New, []byte(token))
	fmt.Fprint(mac, signedURL+"?"+query)
	for _, k := range slices.Sorted(maps.Keys(form)) {
		fmt.Fprint(mac, k+form.Get(k))
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/delivery/text?"+query, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

func status(s, code string) url.Values {
	v := url.Values{"AccountSid": {"AC0"}, "MessageSid": {"SM0"}, "MessageStatus": {s}, "To": {phone}, "From": {"+15555550100"}}
	if code != "" {
		v.Set("ErrorCode", code)
	}
	return v
}

func event1(fields string) string {
	return `[{"email":"` + address + `","timestamp":1772441990,"handle":"` + goodHandle + `",` + fields + `}]`
}

func TestSendGridEvents(t *testing.T) {
	for name, tt := range map[string]struct{ fields, want string }{
		"processed":            {`"event":"processed"`, "joiner-1 accepted 08:59:50"},
		"deferred":             {`"event":"deferred","response":"451 4.7.1 <` + address + `> greylisted","attempt":"2"`, "joiner-1 deferred 08:59:50 4.7.1"},
		"deferred plainly":     {`"event":"deferred","response":"400 try again later"`, "joiner-1 deferred 08:59:50 400"},
		"delivered":            {`"event":"delivered","response":"250 OK"`, "joiner-1 delivered 08:59:50"},
		"open":                 {`"event":"open","ip":"192.0.2.1","useragent":"canary"`, "joiner-1 opened 08:59:50"},
		"bounce":               {`"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 5.1.1 User unknown","bounce_classification":"Invalid Address"`, "joiner-1 bounced 08:59:50 5.1.1 invalidAddress"},
		"code from the reason": {`"event":"bounce","type":"bounce","reason":"550-5.1.10 RESOLVER.ADR.RecipientNotFound ` + address + `"`, "joiner-1 bounced 08:59:50 5.1.10"},
		"no type":              {`"event":"bounce","status":"5.0.0"`, "joiner-1 bounced 08:59:50 5.0.0"},
		"blocked":              {`"event":"bounce","type":"blocked","bounce_classification":"Unclassified","reason":"unable to get mx info: ` + address + `"`, "joiner-1 blocked 08:59:50"},
		"blocked by content":   {`"event":"bounce","type":"blocked","status":"5.7.1","bounce_classification":"Content"`, "joiner-1 blocked 08:59:50 5.7.1 content"},
		"address in the code":  {`"event":"bounce","type":"bounce","status":"` + address + `","reason":"5.6.7.8 said no"`, "joiner-1 bounced 08:59:50"},
		"class is an address":  {`"event":"bounce","type":"bounce","bounce_classification":"` + address + `"`, "joiner-1 bounced 08:59:50"},
		"dropped":              {`"event":"dropped","reason":"Bounced Address"`, "joiner-1 blocked 08:59:50 suppressedBounce"},
		"dropped otherwise":    {`"event":"dropped","reason":"` + address + `"`, "joiner-1 blocked 08:59:50 dropped"},
		"marked as spam":       {`"event":"spamreport"`, ""},
		"unsubscribed":         {`"event":"group_unsubscribe"`, ""},
		"unknown":              {`"event":"canary"`, ""},
		"no event":             {`"x":1`, ""},
		"event is a number":    {`"event":7`, ""},
		"capital letters":      {`"Event":"delivered"`, ""},
		"last of two counts":   {`"event":"delivered","event":"bounce"`, "joiner-1 bounced 08:59:50"},
		"two handles":          {`"event":"delivered","handle":"` + otherHandle + `"`, "joiner-2 delivered 08:59:50"},
		"no handle of ours":    {`"event":"delivered","handle":"forged"`, ""},
		"handle is a list":     {`"event":"delivered","handle":["` + goodHandle + `"]`, ""},
		"time ahead":           {`"event":"delivered","timestamp":1772449999`, "joiner-1 delivered 09:00:00"},
		"time is huge":         {`"event":"delivered","timestamp":1e400`, "joiner-1 delivered 09:00:00"},
		"time is a fraction":   {`"event":"delivered","timestamp":1772441990.5`, "joiner-1 delivered 09:00:00"},
		"time below nothing":   {`"event":"delivered","timestamp":-9223372036854775808`, "joiner-1 delivered 09:00:00"},
	} {
		w := newWorld(t)
		if rec := w.do(w.events("mail", event1(tt.fields))); rec.Code != http.StatusOK {
			t.Errorf("%s: status %d", name, rec.Code)
		}
		if got := strings.Join(w.told, "; "); got != tt.want {
			t.Errorf("%s: told %q, want %q", name, got, tt.want)
		}
	}
}

// Order is kept; what says nothing new within one request is left out; what
// can't be read holds up nobody.
func TestSendGridBatch(t *testing.T) {
	w := newWorld(t)
	e := func(handle, event string) string {
		return fmt.Sprintf(`{"event":%q,"handle":%q,"timestamp":1772441990}`, event, handle)
	}
	body := "[" + strings.Join([]string{
		e(goodHandle, "processed"), e(otherHandle, "processed"), `"a text"`, `null`, `{}`, e(goodHandle, "delivered"),
		e(goodHandle, "processed"), e(goodHandle, "delivered"), e("forged", "bounce"), e(otherHandle, "deferred"), e(otherHandle, "deferred"), e(goodHandle, "bounce"),
	}, ",") + "]\r\n"
	if rec := w.do(w.events("mail", body)); rec.Code != http.StatusOK || rec.Body.Len() != 0 {
		t.Errorf("status %d", rec.Code)
	}
	want := []string{"joiner-1 accepted 08:59:50", "joiner-2 accepted 08:59:50", "joiner-1 delivered 08:59:50", "joiner-2 deferred 08:59:50", "joiner-1 bounced 08:59:50"}
	if diff := cmp.Diff(want, w.told); diff != "" {
		t.Error(diff)
	}
}

// One journey that can't be told is no reason to leave the others untold, and
// the provider has to come again.
func TestNotPassedOn(t *testing.T) {
	w := newWorld(t)
	w.fail = func(h invitation.Handle) error {
		if h.WorkflowID == "joiner-1" {
			return errors.New("engine away, " + address)
		}
		return nil
	}
	body := `[{"event":"delivered","handle":"h-joiner-1"},{"event":"delivered","handle":"h-joiner-2"}]`
	rec := w.do(w.events("mail", body))
	checkProblem(t, "failed", rec, http.StatusServiceUnavailable)
	if diff := cmp.Diff([]string{"joiner-2 delivered 09:00:00"}, w.told); diff != "" {
		t.Error(diff)
	}
	rec = w.do(callback(token, publicURL, "h="+goodHandle, status("sent", "")))
	checkProblem(t, "failed callback", rec, http.StatusServiceUnavailable)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.told, w.fail = nil, func(invitation.Handle) error { return nil }
	if rec := w.do(w.events("mail", body).WithContext(ctx)); rec.Code != http.StatusServiceUnavailable || w.told != nil {
		t.Errorf("after the provider hung up: %d, %v", rec.Code, w.told)
	}
}

func TestTwilioStatuses(t *testing.T) {
	for name, tt := range map[string]struct{ status, code, want string }{
		"queued":                {"queued", "", "accepted 09:00:00"},
		"sending":               {"sending", "", "accepted 09:00:00"},
		"sent":                  {"sent", "", "accepted 09:00:00"},
		"sent with a code":      {"sent", "30005", "accepted 09:00:00"},
		"delivered":             {"delivered", "", "delivered 09:00:00"},
		"read":                  {"read", "", "opened 09:00:00"},
		"unreachable":           {"undelivered", "30003", "bounced 09:00:00 30003"},
		"unknown number":        {"undelivered", "30005", "bounced 09:00:00 30005"},
		"landline":              {"undelivered", "30006", "bounced 09:00:00 30006"},
		"failed as no mobile":   {"failed", "21614", "bounced 09:00:00 21614"},
		"filtered":              {"undelivered", "30007", "blocked 09:00:00 30007"},
		"unknown error":         {"undelivered", "30008", "blocked 09:00:00 30008"},
		"no code":               {"failed", "", "blocked 09:00:00"},
		"code is a text":        {"failed", phone, "blocked 09:00:00"},
		"canceled":              {"canceled", "", "blocked 09:00:00 canceled"},
		"a message that got in": {"received", "", ""},
		"unknown":               {"canary", "", ""},
		"none":                  {"", "", ""},
	} {
		w := newWorld(t)
		if rec := w.do(callback(token, publicURL, "h="+goodHandle, status(tt.status, tt.code))); rec.Code != http.StatusOK {
			t.Errorf("%s: status %d", name, rec.Code)
		}
		if tt.want != "" {
			tt.want = "joiner-1 " + tt.want
		}
		if got := strings.Join(w.told, "; "); got != tt.want {
			t.Errorf("%s: told %q, want %q", name, got, tt.want)
		}
	}
}

// Twilio's servers sign the URL with or without the port.
func TestTwilioPort(t *testing.T) {
	for public, signed := range map[string]string{
		"https://hooks.example.org/v1/delivery/text":      "https://hooks.example.org:443/v1/delivery/text",
		"http://127.0.0.1/v1/delivery/text":               "http://127.0.0.1:80/v1/delivery/text",
		"https://hooks.example.org:8443/v1/delivery/text": "https://hooks.example.org/v1/delivery/text",
		"https://[2001:db8::1]:8443/v1/delivery/text":     "https://[2001:db8::1]/v1/delivery/text",
	} {
		w := newWorld(t)
		cfg := w.config()
		cfg.Channels[2].URL = public
		h, err := NewHandler(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.handler = h
		for _, u := range []string{public, signed} {
			if rec := w.do(callback(token, u, "h="+goodHandle, status("sent", ""))); rec.Code != http.StatusOK {
				t.Errorf("%s signed as %s: %d", public, u, rec.Code)
			}
		}
	}
}

// The example that Twilio's documentation of webhook security computes.
func TestTwilioVector(t *testing.T) {
	tw, err := newTwilio(secret.NewPasscode("12345"), "https://mycompany.com/myapp.php")
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+12349013030"}, "Digits": {"1234"}, "From": {"+12349013030"}, "To": {"+18005551212"}}
	given, err := base64.StdEncoding.DecodeString("0/KCTR6DLpKmkAf8muzZqo1nDgQ=")
	if err != nil || !tw.signed("foo=1&bar=2", form, given) {
		t.Error("not signed")
	}
	form.Set("Digits", "1235")
	if tw.signed("foo=1&bar=2", form, given) {
		t.Error("signed with another digit")
	}
}

// A name that comes twice: each different value once, in order, as in Twilio's
// own libraries.
func TestTwilioRepeatedNames(t *testing.T) {
	w := newWorld(t)
	form := status("delivered", "")
	form["Tag"] = []string{"b", "a", "b"}
	mac := hmac.New(sha1.New, []byte(token))
	fmt.Fprint(mac, publicURL+"?h="+goodHandle+"AccountSidAC0From+15555550100MessageSidSM0MessageStatusdeliveredTagaTagbTo"+phone)
	r := httptest.NewRequest(http.MethodPost, "/v1/delivery/text?h="+goodHandle, strings.NewReader(form.Encode()))
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	if rec := w.do(r); rec.Code != http.StatusOK || len(w.told) != 1 {
		t.Errorf("%d, %v", rec.Code, w.told)
	}
}

// Whatever is wrong with a signature, the answer is the same, and nobody is
// told anything.
func TestUnsigned(t *testing.T) {
	good := event1(`"event":"bounce"`)
	stamp := func(w *world, d time.Duration) string { return strconv.FormatInt(w.now.Add(d).Unix(), 10) }
	mail := func(change func(*http.Request)) func(*world) *http.Request {
		return func(w *world) *http.Request {
			r := w.events("mail", good)
			change(r)
			return r
		}
	}
	text := func(change func(*http.Request)) func(*world) *http.Request {
		return func(*world) *http.Request {
			r := callback(token, publicURL, "h="+goodHandle, status("failed", "30005"))
			change(r)
			return r
		}
	}
	const sigHeader, stampHeader = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			fresh := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(s))
			r.Body, r.ContentLength = fresh.Body, fresh.ContentLength
		}
	}
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "&a%d=", i)
	}
	var constant string
	for name, make := range map[string]func(*world) *http.Request{
		"no signature":             mail(func(r *http.Request) { r.Header.Del(sigHeader) }),
		"no time":                  mail(func(r *http.Request) { r.Header.Del(stampHeader) }),
		"no base64":                mail(func(r *http.Request) { r.Header.Set(sigHeader, "%%%") }),
		"no ASN.1":                 mail(func(r *http.Request) { r.Header.Set(sigHeader, "AAAA") }),
		"zeroes":                   mail(func(r *http.Request) { r.Header.Set(sigHeader, "MAYCAQACAQA=") }),
		"another body":             mail(body(strings.Replace(good, goodHandle, otherHandle, 1))),
		"another time":             mail(func(r *http.Request) { r.Header.Set(stampHeader, "1772441999") }),
		"time moved into the body": mail(func(r *http.Request) { r.Header.Set(stampHeader, "177244200"); body("0" + good)(r) }),
		"old":                      func(w *world) *http.Request { return w.signedAt("mail", good, stamp(w, -25*time.Hour-time.Second)) },
		"ahead":                    func(w *world) *http.Request { return w.signedAt("mail", good, stamp(w, 10*time.Minute+time.Second)) },
		"time is no number":        func(w *world) *http.Request { return w.signedAt("mail", good, "2026-03-02T09:00:00Z") },
		"time is huge":             func(w *world) *http.Request { return w.signedAt("mail", good, "9223372036854775807") },
		"the other channel's key": func(w *world) *http.Request {
			r := w.events("mail-eu", good)
			r.URL.Path = "/v1/delivery/mail"
			return r
		},
		"mail's report as text's": mail(func(r *http.Request) { r.URL.Path = "/v1/delivery/text" }),
		"text unsigned":           text(func(r *http.Request) { r.Header.Del("X-Twilio-Signature") }),
		"text no base64":          text(func(r *http.Request) { r.Header.Set("X-Twilio-Signature", "%") }),
		"text cut short":          text(func(r *http.Request) { r.Header.Set("X-Twilio-Signature", "AAAA") }),
		"text another status":     text(body("AccountSid=AC0&From=%2B15555550100&MessageSid=SM0&MessageStatus=delivered&To=%2B4915155501234")),
		"text another handle":     text(func(r *http.Request) { r.URL.RawQuery = "h=" + otherHandle }),
		"text more query":         text(func(r *http.Request) { r.URL.RawQuery += "&h=" + otherHandle }),
		"text no query":           text(func(r *http.Request) { r.URL.RawQuery = "" }),
		"text bad form":           text(body("%zz")),
		"text many names":         text(body(many.String()[1:60_000])),
		"text other token": func(*world) *http.Request {
			return callback(otherToken, publicURL, "h="+goodHandle, status("sent", ""))
		},
		"text for another URL": func(*world) *http.Request {
			return callback(token, publicURL+"-2", "h="+goodHandle, status("sent", ""))
		},
		"text's other channel": text(func(r *http.Request) {
			r.URL.Path = "/v1/delivery/text-2"
		}),
	} {
		w := newWorld(t)
		rec := w.do(make(w))
		checkProblem(t, name, rec, http.StatusUnauthorized)
		if w.told != nil {
			t.Errorf("%s: told %v", name, w.told)
		}
		if w.log.Len() == 0 {
			t.Errorf("%s: nothing in the log", name)
		}
		rec.Header().Del("Date")
		answer := fmt.Sprint(rec.Code, rec.Header(), rec.Body)
		if constant == "" {
			constant = answer
		}
		if answer != constant {
			t.Errorf("%s: answers %s, others %s", name, answer, constant)
		}
	}
	// The limits themselves are fresh.
	w := newWorld(t)
	for _, d := range []time.Duration{-25 * time.Hour, 10 * time.Minute} {
		if rec := w.do(w.signedAt("mail", good, stamp(w, d))); rec.Code != http.StatusOK {
			t.Errorf("signed %v from now: %d", d, rec.Code)
		}
	}
}

// A captured request within its 10 minutes, and any callback, can be sent
// again: it tells what was told already.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.do(w.events("mail", event1(`"event":"delivered"`)))
		w.do(callback(token, publicURL, "h="+goodHandle, status("sent", "")))
	}
	if len(w.told) != 4 || w.told[0] != w.told[2] || jml.DeliveryAccepted.Follows(jml.DeliveryAccepted) {
		t.Error(w.told)
	}
}

func TestForgedHandleInCallback(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{"h=forged", "h=", "x=" + goodHandle} {
		if rec := w.do(callback(token, publicURL, query, status("failed", "30005"))); rec.Code != http.StatusOK || w.told != nil {
			t.Errorf("%s: %d, %v", query, rec.Code, w.told)
		}
	}
}

func TestHostileBodies(t *testing.T) {
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"empty":           {"", 400},
		"no array":        {`{"event":"bounce"}`, 400},
		"null":            {`null`, 200},
		"cut off":         {`[{"event":"bounce"`, 400},
		"two values":      {`[][]`, 400},
		"deep":            {strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), 400},
		"deep in a field": {event1(`"event":"delivered","x":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)), 400},
		"huge number":     {event1(`"event":7e` + strings.Repeat("9", 1000)), 200},
		"long number":     {event1(`"event":` + strings.Repeat("9", 1_000_000)), 200},
		"not UTF-8":       {event1("\"event\":\"\xff\xfe\""), 200},
		"many empties":    {"[" + strings.Repeat("{},", 500_000) + "{}]", 200},
		"largest":         {"[" + strings.Repeat(" ", 4<<20-2) + "]", 200},
		"too large":       {"[" + strings.Repeat(" ", 4<<20-1) + "]", 413},
	} {
		w := newWorld(t)
		rec := w.do(w.events("mail", tt.body))
		if tt.status == 200 && rec.Code != 200 {
			t.Errorf("%s: %d", name, rec.Code)
		}
		if tt.status != 200 {
			checkProblem(t, name, rec, tt.status)
		}
		if w.told != nil {
			t.Errorf("%s: told %v", name, w.told)
		}
	}
	w := newWorld(t)
	form := status("sent", "")
	form.Set("X", strings.Repeat("x", 64<<10))
	checkProblem(t, "large form", w.do(callback(token, publicURL, "h="+goodHandle, form)), 413)
}

func TestRouting(t *testing.T) {
	for name, tt := range map[string]struct {
		method, path string
		status       int
	}{
		"unknown channel":     {"POST", "/v1/delivery/fax", 404},
		"no channel":          {"POST", "/v1/delivery/", 404},
		"deeper":              {"POST", "/v1/delivery/mail/x", 404},
		"elsewhere":           {"POST", "/", 404},
		"GET":                 {"GET", "/v1/delivery/mail", 405},
		"HEAD":                {"HEAD", "/v1/delivery/text", 405},
		"PUT":                 {"PUT", "/v1/delivery/text", 405},
		"GET unknown channel": {"GET", "/v1/delivery/fax", 404},
	} {
		w := newWorld(t)
		rec := w.do(httptest.NewRequest(tt.method, tt.path, strings.NewReader("[]")))
		checkProblem(t, name, rec, tt.status)
		if tt.status == 405 && rec.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", name, rec.Header().Get("Allow"))
		}
	}
}

func checkProblem(t *testing.T, name string, rec *httptest.ResponseRecorder, status int) {
	t.Helper()
	var p struct {
		Title  string
		Status int
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != status || p.Status != status || p.Title == "" || rec.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d %s, want %d", name, rec.Code, rec.Body, status)
	}
	if strings.Contains(rec.Body.String(), "canary") {
		t.Errorf("%s: the answer quotes: %s", name, rec.Body)
	}
}

func TestConfig(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"right":          {func(*Config) {}, ""},
		"no channels":    {func(c *Config) { c.Channels = nil }, ""},
		"no handles":     {func(c *Config) { c.Handles = nil }, "required"},
		"no tell":        {func(c *Config) { c.Tell = nil }, "required"},
		"no clock":       {func(c *Config) { c.Now = nil }, "required"},
		"no logger":      {func(c *Config) { c.Logger = nil }, "required"},
		"no name":        {func(c *Config) { c.Channels[0].Name = "" }, "name"},
		"name of a path": {func(c *Config) { c.Channels[0].Name = "a/b" }, "name"},
		"two of a name":  {func(c *Config) { c.Channels[1].Name = "mail" }, "two of this name"},
		"unknown kind":   {func(c *Config) { c.Channels[0].Kind = "fax" }, "kind"},
		"no key":         {func(c *Config) { c.Channels[0].EventKey = "" }, "event key"},
		"key in PEM":     {func(c *Config) { c.Channels[0].EventKey = "-----BEGIN PUBLIC KEY-----" }, "event key"},
		"key of RSA":     {func(c *Config) { c.Channels[0].EventKey = public(t, &rsaKey.PublicKey) }, "event key"},
		"key with blank": {func(c *Config) { c.Channels[0].EventKey += "\n" }, ""},
		"no token":       {func(c *Config) { c.Channels[2].AuthToken = secret.Passcode{} }, "auth token"},
		"no URL":         {func(c *Config) { c.Channels[2].URL = "" }, "status callback"},
		"URL with query": {func(c *Config) { c.Channels[2].URL += "?h=1" }, "status callback"},
		"URL with a user": {func(c *Config) { c.Channels[2].URL = "https://u:p@hooks.example.org/" },
			"status callback"},
	} {
		cfg := newWorld(t).config()
		tt.change(&cfg)
		_, err := NewHandler(cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v does not speak of %q", name, err, tt.want)
		}
	}
	cfg := newWorld(t).config()
	cfg.Channels[0].EventKey, cfg.Channels[2].URL = "", ""
	if _, err := NewHandler(cfg); err == nil || !strings.Contains(err.Error(), `"mail"`) || !strings.Contains(err.Error(), `"text"`) {
		t.Errorf("not all at once: %v", err)
	}
}

// Whatever an event holds, no word of it comes out but the handle.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{"", "[]", event1(`"event":"bounce","status":"5.1.1","bounce_classification":"Content"`), `[{"handle":"h","event":"deferred","response":"451 4.7.1 x"}]`,
		`[{"handle":"h","event":"dropped","reason":"Invalid SMTPAPI header"}]`, `[{"event":"open","event":1e999}]`, `[[[]]]`} {
		f.Add([]byte(s))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	s, err := newSendGrid(public(f, &key.PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := s.parse(body, now)
		if err != nil && got != nil {
			t.Error("an error and reports")
		}
		for _, r := range got {
			checkNews(t, r, now)
		}
	})
}

func FuzzCallback(f *testing.F) {
	f.Add("h="+goodHandle, "MessageStatus=failed&ErrorCode=30005")
	f.Add("h=a&h=b;c", "MessageStatus=%zz&ErrorCode=30005&ErrorCode=1")
	f.Add("", "")
	tw, err := newTwilio(secret.NewPasscode(token), publicURL)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, query, body string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/delivery/text", nil)
		r.URL.RawQuery = query
		if got, err := tw.read(r, []byte(body), now); got != nil || !errors.Is(err, errUnsigned) {
			t.Fatal("unsigned, and read")
		}
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		mac := hmac.New(sha1.New, []byte(token))
		if query != "" {
			query = "?" + query
		}
		fmt.Fprint(mac, publicURL+query)
		for _, k := range slices.Sorted(maps.Keys(form)) {
			for _, v := range slices.Compact(slices.Sorted(slices.Values(form[k]))) {
				fmt.Fprint(mac, k, v)
			}
		}
		r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		got, err := tw.read(r, []byte(body), now)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range got {
			checkNews(t, n, now)
		}
	})
}

func checkNews(t *testing.T, r report, now time.Time) {
	t.Helper()
	if r.handle == "" || !r.news.Status.Follows("") || r.news.At.After(now) {
		t.Errorf("%+v", r)
	}
	for _, c := range strings.Fields(r.news.Detail) {
		known := []string{"invalidAddress", "technical", "content", "reputation", "volume", "mailboxUnavailable", "suppressedBounce", "suppressedSpamReport",
			"suppressedUnsubscribe", "invalid", "spamContent", "quota", "dropped", "canceled"}
		if strings.Trim(c, "0123456789.") != "" && !slices.Contains(known, c) || len(c) > 24 {
			t.Errorf("detail %q", r.news.Detail)
		}
	}
}
