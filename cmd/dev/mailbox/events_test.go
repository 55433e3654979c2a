package mailbox

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/internal/codec"
)

// post is one request to the event webhook.
type post struct {
	header http.Header
	body   []byte
}

// eventSink takes posts; the first refusals answers are 503.
func eventSink(t *testing.T, refusals int) (url string, posts <-chan post) {
	t.Helper()
	out := make(chan post, 64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		out <- post{r.Header, raw}
		if refusals > 0 {
			refusals--
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, out
}

func next(t *testing.T, posts <-chan post) post {
	t.Helper()
	select {
	case p := <-posts:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("no post came")
		return post{}
	}
}

func mailWithEvents(t *testing.T, url string) *Mailbox {
	t.Helper()
	return newMailbox(t, func(c *Config) { c.EventURL, c.Pace = url, time.Millisecond })
}

// verified checks a post as SendGrid tells its customers to.
func verified(t *testing.T, key string, p post) bool {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(p.header.Get("X-Twilio-Email-Event-Webhook-Signature"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(p.header.Get("X-Twilio-Email-Event-Webhook-Timestamp") + string(p.body)))
	return ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature)
}

func TestEventsAreSigned(t *testing.T) {
	t.Parallel()
	url, posts := eventSink(t, 0)
	b := mailWithEvents(t, url)
	body := goodMail(func(m map[string]any) {
		m["custom_args"] = map[string]any{"handle": "h-1", "event": "mine"}
		m["categories"] = []any{"firstpass"}
	})
	if _, _, err := send(t, b, body, nil); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(b.EventKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ids := map[any]bool{}
	for range 2 {
		p := next(t, posts)
		if !verified(t, string(raw), p) {
			t.Error("the signature does not verify")
		}
		changed := p
		changed.body = append([]byte(" "), p.body...)
		if verified(t, string(raw), changed) {
			t.Error("a changed body verifies")
		}
		var batch []map[string]any
		if err := json.Unmarshal(p.body, &batch); err != nil || len(batch) != 1 {
			t.Fatalf("want a list of one event: %s, %v", p.body, err)
		}
		e := batch[0]
		names = append(names, e["event"].(string))
		ids[e["sg_event_id"]] = true
		if e["handle"] != "h-1" || e["email"] != "signe@example.org" || !strings.HasPrefix(e["sg_message_id"].(string), b.Mails()[0].ID) {
			t.Errorf("got %v", e)
		}
	}
	if !slices.Equal(names, []string{"processed", "delivered"}) || len(ids) != 2 {
		t.Errorf("got events %q with %d ids", names, len(ids))
	}
}

func TestEventsOfFaults(t *testing.T) {
	t.Parallel()
	type seen struct{ Event, Type string }
	for name, c := range map[string]struct {
		becomes []string
		want    []seen
		lost    string
	}{
		"deferred, then there": {[]string{EventProcessed, EventDeferred, EventDelivered}, []seen{{"processed", ""}, {"deferred", ""}, {"delivered", ""}}, ""},
		"no such address":      {[]string{EventProcessed, EventBounce}, []seen{{"processed", ""}, {"bounce", "bounce"}}, EventBounce},
		"refused":              {[]string{EventProcessed, EventBlocked}, []seen{{"processed", ""}, {"bounce", "blocked"}}, EventBlocked},
		"not even tried":       {[]string{EventDropped}, []seen{{"dropped", ""}}, EventDropped},
		"taken, then returned": {[]string{EventDelivered, EventBounce}, []seen{{"delivered", ""}, {"bounce", "bounce"}}, EventBounce},
		"a word of tomorrow":   {[]string{"teleported"}, []seen{{"teleported", ""}}, ""},
		"silence":              {[]string{}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, posts := eventSink(t, 0)
			b := mailWithEvents(t, url)
			b.Inject(fault.Fault{Becomes: c.becomes})
			if res, _, err := send(t, b, goodMail(nil), nil); err != nil || res.StatusCode != http.StatusAccepted {
				t.Fatalf("a mail that bounces is accepted first: %v %v", res, err)
			}
			var got []seen
			for range c.want {
				var batch []struct{ Event, Type string }
				if err := json.Unmarshal(next(t, posts).body, &batch); err != nil || len(batch) != 1 {
					t.Fatal(err)
				}
				got = append(got, seen(batch[0]))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("events: got %v, want %v", got, c.want)
			}
			if m := b.Mails()[0]; m.Lost != c.lost {
				t.Errorf("lost: got %q, want %q", m.Lost, c.lost)
			}
			if came := len(b.MailsTo("signe@example.org")) == 1; came != (c.lost == "") {
				t.Errorf("came: got %v", came)
			}
		})
	}
}

// What the receiver refuses comes again, with a signature of its own.
func TestEventsComeAgain(t *testing.T) {
	t.Parallel()
	url, posts := eventSink(t, 2)
	b := mailWithEvents(t, url)
	b.Inject(fault.Fault{Becomes: []string{EventDelivered}})
	if _, _, err := send(t, b, goodMail(nil), nil); err != nil {
		t.Fatal(err)
	}
	first, second, third := next(t, posts), next(t, posts), next(t, posts)
	if string(first.body) != string(second.body) || string(first.body) != string(third.body) {
		t.Error("the event changed from one try to the next")
	}
	select {
	case <-posts:
		t.Error("what was taken came again")
	case <-time.After(50 * time.Millisecond):
	}
}

func TestEventKeyIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, err := codec.NewKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got [2]string
	for i := range got {
		b, err := Start(Config{Dir: dir, Key: testMailKey, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if got[i], err = b.EventKey(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if got[0] != got[1] || got[0] == "" {
		t.Errorf("the key changed: %q", got)
	}
}

func TestDynamicTemplates(t *testing.T) {
	t.Parallel()
	b := newMailbox(t, nil)
	body := goodMail(func(m map[string]any) {
		delete(m, "content")
		delete(m, "subject")
		m["template_id"] = "d-0123"
		m["personalizations"] = []any{map[string]any{
			"to":                    []any{map[string]any{"email": "signe@example.org"}},
			"dynamic_template_data": map[string]any{"reference": "R-1", "link": "https://example.com/p#t"},
		}}
	})
	if res, raw, err := send(t, b, body, nil); err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("got %v %s %v", res, raw, err)
	}
	m := b.Mails()[0]
	if m.TemplateID != "d-0123" || !strings.Contains(string(m.TemplateData), "R-1") {
		t.Errorf("got %+v", m)
	}
	if _, page := get(t, b.PageURL()+"/mail/"+m.ID, nil); !strings.Contains(page, "d-0123") || !strings.Contains(page, "R-1") {
		t.Error("the page does not show what the template was given")
	}
}
