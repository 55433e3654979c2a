package phone

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/internal/codec"
)

const (
	testAccount = "AC00000000000000000000000000000001"
	testToken   = "token-of-the-test"
	testService = "MG00000000000000000000000000000002"
	signe       = "+4555500101"
)

func newPhones(t *testing.T, change func(*Config)) *Phones {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), AccountSID: testAccount, AuthToken: testToken, Service: testService, Pace: time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// call asks the Twilio side as a client that trusts it and nothing else.
func call(t *testing.T, p *Phones, method, path string, form url.Values, change func(*http.Request)) (*http.Response, map[string]any, error) {
	t.Helper()
	raw, err := os.ReadFile(p.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(testAccount, testToken)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if change != nil {
		change(req)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return res, body, nil
}

const messages = "/2010-04-01/Accounts/" + testAccount + "/Messages.json"

// goodText is a form that is accepted, as changed.
func goodText(pairs ...string) url.Values {
	f := url.Values{"To": {signe}, "From": {"+4555500900"}, "Body": {"Your code is 482 913."}}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			f.Del(pairs[i])
			continue
		}
		f.Set(pairs[i], pairs[i+1])
	}
	return f
}

func TestPhonesSpeakTwilio(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form   url.Values
		path   string
		change func(*http.Request)
		status int
		code   float64
	}{
		"good":                  {form: goodText(), status: 201},
		"good, by a service":    {form: goodText("From", "", "MessagingServiceSid", testService), status: 201},
		"good, from a name":     {form: goodText("From", "Example IT"), status: 201},
		"wrong token":           {form: goodText(), change: func(r *http.Request) { r.SetBasicAuth(testAccount, "other") }, status: 401, code: 20003},
		"wrong account":         {form: goodText(), change: func(r *http.Request) { r.SetBasicAuth("AC1", testToken) }, status: 401, code: 20003},
		"nobody":                {form: goodText(), change: func(r *http.Request) { r.Header.Del("Authorization") }, status: 401, code: 20003},
		"another account":       {form: goodText(), path: "/2010-04-01/Accounts/AC1/Messages.json", status: 404, code: 20404},
		"no to":                 {form: goodText("To", ""), status: 400, code: 21604},
		"to in national form":   {form: goodText("To", "5550 0101"), status: 400, code: 21211},
		"to is from":            {form: goodText("To", "+4555500900"), status: 400, code: 21211},
		"no from":               {form: goodText("From", ""), status: 400, code: 21603},
		"bad from":              {form: goodText("From", "a name that is too long"), status: 400, code: 21212},
		"unknown service":       {form: goodText("MessagingServiceSid", "MG1"), status: 400, code: 21701},
		"no body":               {form: goodText("Body", ""), status: 400, code: 21602},
		"body too long":         {form: goodText("Body", strings.Repeat("é", bodyLimit+1)), status: 400, code: 21617},
		"longest body":          {form: goodText("Body", strings.Repeat("é", bodyLimit)), status: 201},
		"bad callback":          {form: goodText("StatusCallback", "example.com"), status: 400, code: 21609},
		"name of no parameter":  {form: goodText("Bodi", "x"), status: 400, code: 20001},
		"JSON in place of form": {form: goodText(), change: func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, status: 400, code: 21604},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPhones(t, nil)
			path := messages
			if c.path != "" {
				path = c.path
			}
			res, body, err := call(t, p, http.MethodPost, path, c.form, c.change)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status {
				t.Fatalf("status: got %d, want %d; %v", res.StatusCode, c.status, body)
			}
			if c.status != http.StatusCreated {
				info, _ := body["more_info"].(string)
				if body["code"] != c.code || body["status"] != float64(c.status) || body["message"] == "" || !strings.HasSuffix(info, strconv.Itoa(int(c.code))) {
					t.Errorf("not Twilio's error: %v", body)
				}
				if n := len(p.Texts()); n != 0 {
					t.Errorf("%d texts were kept", n)
				}
				return
			}
			sid, _ := body["sid"].(string)
			if !regexp.MustCompile(`^SM[0-9a-f]{32}$`).MatchString(sid) || body["to"] != signe || body["body"] != c.form.Get("Body") || body["direction"] != "outbound-api" {
				t.Errorf("not Twilio's message: %v", body)
			}
			if got := p.TextsTo(signe); len(got) != 1 || got[0].SID != sid {
				t.Errorf("kept: %+v", got)
			}
			if res, body, err := call(t, p, http.MethodGet, "/2010-04-01/Accounts/"+testAccount+"/Messages/"+sid+".json", nil, nil); err != nil || res.StatusCode != 200 || body["sid"] != sid {
				t.Errorf("read again: %v %v", body, err)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	p := newPhones(t, nil)
	path := "/2010-04-01/Accounts/" + testAccount + ".json"
	if res, body, err := call(t, p, http.MethodGet, path, nil, nil); err != nil || res.StatusCode != 200 || body["sid"] != testAccount || body["status"] != "active" {
		t.Errorf("got %v %v", body, err)
	}
	p.Inject(fault.Fault{Status: 503})
	if res, _, err := call(t, p, http.MethodGet, path, nil, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("a fault of texts struck a probe: %v", err)
	}
	p.Inject(fault.Fault{Status: 503, Probes: true, Times: 1})
	if res, _, err := call(t, p, http.MethodGet, path, nil, nil); err != nil || res.StatusCode != 503 {
		t.Errorf("a probe that was meant: %v", err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("429", func(t *testing.T) {
		t.Parallel()
		p := newPhones(t, nil)
		p.Inject(fault.Fault{Status: 429, Reset: 7 * time.Second})
		res, body, err := call(t, p, http.MethodPost, messages, goodText(), nil)
		if err != nil || res.StatusCode != 429 || body["code"] != 20429.0 || res.Header.Get("Retry-After") != "7" {
			t.Errorf("got %v %v %v", res, body, err)
		}
	})
	t.Run("500 for one number only", func(t *testing.T) {
		t.Parallel()
		p := newPhones(t, nil)
		p.Inject(fault.Fault{Status: 500, To: "+4555500102"})
		if res, _, err := call(t, p, http.MethodPost, messages, goodText(), nil); err != nil || res.StatusCode != 201 {
			t.Errorf("another number: %v %v", res, err)
		}
		if res, body, err := call(t, p, http.MethodPost, messages, goodText("To", "+4555500102"), nil); err != nil || res.StatusCode != 500 || body["code"] != 20500.0 {
			t.Errorf("got %v %v", body, err)
		}
	})
	t.Run("a code of its own", func(t *testing.T) {
		t.Parallel()
		p := newPhones(t, nil)
		p.Inject(fault.Fault{Status: 400, Code: 21610})
		if _, body, err := call(t, p, http.MethodPost, messages, goodText(), nil); err != nil || body["code"] != 21610.0 {
			t.Errorf("got %v %v", body, err)
		}
	})
	t.Run("accepted, answer lost", func(t *testing.T) {
		t.Parallel()
		p := newPhones(t, nil)
		p.Inject(fault.Fault{After: true})
		if _, _, err := call(t, p, http.MethodPost, messages, goodText(), nil); err == nil || len(p.Texts()) != 1 {
			t.Errorf("got %v and %d texts", err, len(p.Texts()))
		}
	})
	t.Run("hangs until let go", func(t *testing.T) {
		t.Parallel()
		p := newPhones(t, nil)
		h := p.Inject(fault.Fault{Hold: true})
		done := make(chan error, 1)
		go func() {
			_, _, err := call(t, p, http.MethodPost, messages, goodText(), nil)
			done <- err
		}()
		<-h.Arrived()
		if len(p.Texts()) != 0 {
			t.Error("kept while held")
		}
		h.Release()
		if err := <-done; err != nil || len(p.Texts()) != 1 {
			t.Errorf("after release: %v, %d texts", err, len(p.Texts()))
		}
	})
	t.Run("hangs until the phones close", func(t *testing.T) {
		t.Parallel()
		p := newPhones(t, nil)
		h := p.Inject(fault.Fault{Hold: true})
		done := make(chan error, 1)
		go func() {
			_, _, err := call(t, p, http.MethodPost, messages, goodText(), nil)
			done <- err
		}()
		<-h.Arrived()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err == nil {
			t.Error("there was an answer")
		}
	})
}

// Twilio's own example, from the page on security.
func TestSignatureOfTheManual(t *testing.T) {
	t.Parallel()
	got := sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+12349013030"}, "Digits": {"1234"}, "From": {"+12349013030"}, "To": {"+18005551212"},
	})
	if want := "0/KCTR6DLpKmkAf8muzZqo1nDgQ="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStatusCallbacks(t *testing.T) {
	t.Parallel()
	type seen struct{ status, code string }
	for name, c := range map[string]struct {
		fault *fault.Fault
		want  []seen
		lost  string
	}{
		"delivered":      {nil, []seen{{"queued", ""}, {"sent", ""}, {"delivered", ""}}, ""},
		"switched off":   {&fault.Fault{Becomes: []string{"sent", "undelivered"}}, []seen{{"sent", ""}, {"undelivered", "30003"}}, "undelivered"},
		"no such number": {&fault.Fault{Becomes: []string{"failed"}, Code: 30005}, []seen{{"failed", "30005"}}, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			type callback struct {
				url, signature string
				form           url.Values
			}
			calls := make(chan callback, 16)
			var root string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err != nil {
					t.Error(err)
				}
				calls <- callback{root + r.RequestURI, r.Header.Get("X-Twilio-Signature"), r.PostForm}
				w.WriteHeader(http.StatusServiceUnavailable) // Twilio does not mind
			}))
			t.Cleanup(s.Close)
			root = s.URL
			p := newPhones(t, nil)
			if c.fault != nil {
				p.Inject(*c.fault)
			}
			res, body, err := call(t, p, http.MethodPost, messages, goodText("StatusCallback", s.URL+"/v1/events?h=abc"), nil)
			if err != nil || res.StatusCode != 201 {
				t.Fatalf("a text that is lost is accepted first: %v %v", body, err)
			}
			var got []seen
			for range c.want {
				select {
				case k := <-calls:
					got = append(got, seen{k.form.Get("MessageStatus"), k.form.Get("ErrorCode")})
					if k.form.Get("MessageSid") != body["sid"] || k.form.Get("To") != signe || k.form.Get("AccountSid") != testAccount || !strings.HasSuffix(k.url, "?h=abc") {
						t.Errorf("got %v at %s", k.form, k.url)
					}
					if k.signature != sign(testToken, k.url, k.form) || k.signature == sign("other", k.url, k.form) {
						t.Error("the signature does not hold")
					}
				case <-time.After(10 * time.Second):
					t.Fatal("no callback came")
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			select {
			case <-calls:
				t.Error("a status came twice")
			case <-time.After(30 * time.Millisecond):
			}
			last := c.want[len(c.want)-1]
			if text := p.Texts()[0]; text.Lost != c.lost || text.Status != last.status {
				t.Errorf("got %+v", text)
			}
			if came := len(p.TextsTo(signe)) == 1; came != (c.lost == "") {
				t.Errorf("came: %v", came)
			}
		})
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body    string
		n       int
		unicode bool
	}{
		{"", 1, false},
		{strings.Repeat("a", 160), 1, false},
		{strings.Repeat("a", 161), 2, false},
		{strings.Repeat("a", 306), 2, false},
		{strings.Repeat("a", 307), 3, false},
		{strings.Repeat("€", 80), 1, false},
		{strings.Repeat("€", 81), 2, false},
		{"Grüße, ¿qué? Ørsted", 1, false},
		{strings.Repeat("ș", 70), 1, true},
		{strings.Repeat("ș", 71), 2, true},
		{strings.Repeat("🙂", 35), 1, true},
		{strings.Repeat("🙂", 36), 2, true},
	} {
		if n, unicode := segments(c.body); n != c.n || unicode != c.unicode {
			t.Errorf("%.20q…: got %d %v, want %d %v", c.body, n, unicode, c.n, c.unicode)
		}
	}
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	p := newPhones(t, nil)
	came := make(chan Text, 1)
	go func() {
		text, err := p.WaitFor(t.Context(), signe, 2)
		if err != nil {
			t.Error(err)
		}
		came <- text
	}()
	for _, body := range []string{"first", "second"} {
		if _, _, err := call(t, p, http.MethodPost, messages, goodText("Body", body), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-came; got.Body != "second" {
		t.Errorf("got %q", got.Body)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.WaitFor(short, "+4555500199", 1); err == nil {
		t.Error("waited for a text that does not come, and got one")
	}
}

func TestPhonesSealWhatTheyKeep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, err := codec.NewKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	open := func(k *codec.Keyring) (*Phones, error) {
		return Start(Config{Dir: dir, AccountSID: testAccount, AuthToken: testToken, Keys: k, Pace: time.Millisecond})
	}
	p, err := open(keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := call(t, p, http.MethodPost, messages, goodText(), nil); err != nil {
		t.Fatal(err)
	}
	want := p.Texts()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 3 { // the certificate, its key, the texts
		t.Errorf("files: got %v, %v", names, err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil || bytes.Contains(raw, []byte(signe)) || bytes.Contains(raw, []byte("482 913")) {
			t.Errorf("a number or a code stands in %s in clear (%v)", filepath.Base(name), err)
		}
	}
	again, err := open(keys)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Texts(); len(got) != 1 || got[0].SID != want[0].SID || got[0].Body != want[0].Body {
		t.Errorf("after a restart: got %+v, want %+v", got, want)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := codec.NewKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := open(other); err == nil {
		_ = p.Close()
		t.Error("opened with another key")
	}
}

func TestPhonesRefuseOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:0", "example.com:80", "nonsense"} {
		if p, err := Start(Config{Dir: t.TempDir(), AccountSID: testAccount, AuthToken: testToken, APIAddr: addr}); err == nil {
			_ = p.Close()
			t.Errorf("%s: it listens there", addr)
		}
	}
}

func get(t *testing.T, url string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}

func TestPhonePages(t *testing.T) {
	t.Parallel()
	p := newPhones(t, nil)
	if _, page := get(t, p.PageURL(), nil); !strings.Contains(page, "No text yet") {
		t.Error("phones without texts do not say so")
	}
	hostile := `<script>alert(1)</script> https://example.com/p#a"b<i> javascript:alert(2). See https://example.com/q.`
	if _, _, err := call(t, p, http.MethodPost, messages, goodText("Body", hostile), nil); err != nil {
		t.Fatal(err)
	}
	p.Inject(fault.Fault{Becomes: []string{"undelivered"}})
	if _, _, err := call(t, p, http.MethodPost, messages, goodText("Body", "gone"), nil); err != nil {
		t.Fatal(err)
	}
	res, list := get(t, p.PageURL(), nil)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %s", csp)
	}
	if !strings.Contains(list, `href="/to/&#43;4555500101#end"`) && !strings.Contains(list, `href="/to/+4555500101#end"`) {
		t.Errorf("no link to the number:\n%s", list)
	}
	_, page := get(t, p.PageURL()+"/to/"+signe, nil)
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "<i>") {
		t.Errorf("the text is markup:\n%s", page)
	}
	links := regexp.MustCompile(`href="(http[^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) != 2 || links[0][1] != "https://example.com/p#a" || links[1][1] != "https://example.com/q" {
		t.Errorf("links: %q", links)
	}
	if !strings.Contains(page, "Did not arrive") {
		t.Error("a text that nobody got looks like one that came")
	}
	for path, want := range map[string]int{"/to/+4555500199": 404, "/phone.css": 200, "/page.css": 200, "/live.js": 200, "/api/wait?n=0&to=1": 400} {
		if res, _ := get(t, p.PageURL()+path, nil); res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, res.StatusCode, want)
		}
	}
	if res, _ := get(t, p.PageURL(), func(r *http.Request) { r.Host = "phone.example.com" }); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host name: got %d", res.StatusCode)
	}
	if _, one := get(t, p.PageURL()+"/api/wait?to=%2B4555500101", nil); !strings.Contains(one, `"sid": "SM`) {
		t.Errorf("a wait for a text that is there: %s", one)
	}
	if _, all := get(t, p.PageURL()+"/api/texts", nil); strings.Count(all, `"sid"`) != 2 {
		t.Errorf("all texts: %s", all)
	}
}
