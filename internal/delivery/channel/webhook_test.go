package channel

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

func TestWebhook(t *testing.T) {
	srv := newService(t, status(204))
	m := sample()
	m.To = "" // the channel is an address itself; whom it is for is told all the same
	receipt, err := opened(t, configOf(t, KindWebhook, srv), Deps{Now: time.Now}).Post(t.Context(), "send message", m, false)
	if err != nil {
		t.Fatal(err)
	}
	g := srv.only(t)
	if g.method != "POST" || g.path != "/hook" || g.query != "tenant=1" || g.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %s %v", g.method, g.path, g.query, g.header)
	}
	oracle, err := standardwebhooks.NewWebhook(hookKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := oracle.Verify([]byte(g.body), g.header); err != nil {
		t.Errorf("the scheme's own library says %v", err)
	}
	if id := g.header.Get("webhook-id"); id == "" || id != receipt.MessageID {
		t.Errorf("id %q, receipt %q", id, receipt.MessageID)
	}
	var body struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	if err := json.Unmarshal([]byte(g.body), &body); err != nil {
		t.Fatal(err)
	}
	if strconv.FormatInt(body.Timestamp.Unix(), 10) != g.header.Get("webhook-timestamp") || body.Type != "firstpass.message" {
		t.Errorf("%s at %s, %s", body.Type, body.Timestamp, g.header.Get("webhook-timestamp"))
	}
	want := map[string]any{
		"to":     map[string]any{"kind": "personal_mail", "address": "robin.vale@example.org"},
		"locale": "en", "dir": "ltr", "subject": m.Subject, "text": m.Text, "sms": m.SMS,
		"fields": map[string]any{"given_name": "Robin", "passcode": canary, "link": m.Fields["link"]},
	}
	if diff := cmp.Diff(want, body.Data); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWebhookIDs(t *testing.T) {
	srv := newService(t, status(200))
	cfg := configOf(t, KindWebhook, srv)
	at := noon
	ch := opened(t, cfg, Deps{Now: func() time.Time { at = at.Add(time.Minute); return at }})
	id := func(ch Channel, bend func(*Message)) string {
		m := sample()
		bend(&m)
		if _, err := ch.Post(t.Context(), "send message", m, false); err != nil {
			t.Fatal(err)
		}
		list := srv.got()
		return list[len(list)-1].header.Get("webhook-id")
	}
	same := func(*Message) {}
	first := id(ch, same)
	// The handle is sealed anew each time, and words may tell the time of day.
	if again := id(ch, func(m *Message) { m.Notice.Handle, m.Text = "other", "other" }); again != first {
		t.Errorf("sent again, the id is %q and not %q", again, first)
	}
	seen := map[string]string{first: "first"}
	cfg.KeyFile = file(t, "other", "whsec_"+base64.StdEncoding.EncodeToString([]byte("another-key-of-32-bytes-for-test")))
	for name, got := range map[string]string{
		"another message":  id(ch, func(m *Message) { m.Notice.ID = "other" }),
		"another passcode": id(ch, func(m *Message) { m.Contents.Passcode = secret.NewPasscode("other") }),
		"another code":     id(ch, func(m *Message) { m.Contents.Code = secret.NewPasscode("other") }),
		"another link":     id(ch, func(m *Message) { m.Contents.Link = secret.NewPasscode("other") }),
		"no name":          id(ch, func(m *Message) { m.Notice.ID = "" }),
		"no name, again":   id(ch, func(m *Message) { m.Notice.ID = "" }),
		"another key":      id(opened(t, cfg, Deps{}), same),
	} {
		if was, ok := seen[got]; ok {
			t.Errorf("%s has the id of %s", name, was)
		}
		seen[got] = name
	}
}

func TestWebhookDry(t *testing.T) {
	srv := newService(t, status(200))
	ch := opened(t, configOf(t, KindWebhook, srv), Deps{Now: time.Now})
	for range 2 {
		if r, err := ch.Post(t.Context(), "probe channel", sample(), true); err != nil || r != (jml.Receipt{}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	list := srv.got()
	oracle, _ := standardwebhooks.NewWebhook(hookKey)
	for _, g := range list {
		if err := oracle.Verify([]byte(g.body), g.header); err != nil {
			t.Error(err)
		}
		var body map[string]any
		if err := json.Unmarshal([]byte(g.body), &body); err != nil || len(body) != 3 || body["type"] != "firstpass.check" || len(body["data"].(map[string]any)) != 0 {
			t.Errorf("%s, %v", g.body, err)
		}
	}
	if list[0].header.Get("webhook-id") == list[1].header.Get("webhook-id") {
		t.Error("two checks have one id")
	}
	srv2 := newService(t, func(w http.ResponseWriter, _ got) { w.WriteHeader(401) })
	_, err := opened(t, configOf(t, KindWebhook, srv2), Deps{}).Post(t.Context(), "probe channel", sample(), true)
	if f := faultOf(t, err); f.Kind != jml.FaultDenied {
		t.Errorf("%v", f)
	}
}
