package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/secret"
)

// room is the way of one chat service.
type room interface {
	kind() Kind
	// body is what is posted; nil if the message is too long.
	body(m Message) any
	// probe is what can be posted so that nothing shows up; nil if nothing can.
	probe() any
	// alive reports whether the answer to the probe shows that the webhook
	// works.
	alive(reply) bool
	// code says in one word what was wrong; empty if that can't be told.
	code(reply) string
}

// chat posts into a room by an incoming webhook. Everybody in the room reads it,
// so it carries nothing secret, whoever asks for it.
type chat struct {
	room
	url    secret.Passcode // whoever knows it may post
	client *http.Client
	now    func() time.Time
}

func newChat(cfg Config, now func() time.Time, r room) (*chat, error) {
	url, err := readKey(cfg.URLFile)
	if err != nil {
		return nil, err
	}
	if err := checkURL(url.Reveal()); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.URLFile, err)
	}
	hc, err := newHTTPClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &chat{room: r, url: url, client: hc, now: now}, nil
}

func (*chat) Address() jml.AddressKind   { return jml.AddressNone }
func (*chat) Carries(m jml.Message) bool { return m != "" && !m.Secret() }
func (*chat) Self() string               { return "" }

func (c *chat) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	content := c.probe()
	if !dry {
		if !c.Carries(m.Notice.Message) || holdsSecrets(m) {
			return jml.Receipt{}, refuse(c.kind(), op, "secretMessage", jml.ReasonMessageRefused)
		}
		if content = c.body(m); content == nil {
			return jml.Receipt{}, refuse(c.kind(), op, "tooLong", jml.ReasonMessageRefused)
		}
	}
	if content == nil {
		return jml.Receipt{}, nil
	}
	raw, err := json.Marshal(content)
	if err != nil {
		return jml.Receipt{}, refuse(c.kind(), op, "encoding", jml.ReasonMessageRefused)
	}
	r, err := call(ctx, c.client, http.MethodPost, c.url.Reveal(), raw, map[string]string{"Content-Type": jsonType})
	if err != nil {
		return jml.Receipt{}, outbound.Told(ctx, unavailable(c.kind(), op, outbound.NoAnswer(err)))
	}
	if r.ok() || dry && c.alive(r) {
		return jml.Receipt{}, nil // neither service names its messages
	}
	f := httpFault(c.kind(), op, r.status)
	f.Code = c.code(r)
	if f.Retryable() {
		f.RetryAfter = retryAfter(r.header, c.now())
	}
	return jml.Receipt{}, f
}

func holdsSecrets(m Message) bool {
	c := m.Contents
	return !c.Passcode.Empty() || !c.Link.Empty() || !c.PickupReference.Empty() || !c.Code.Empty()
}

// lines returns the lines of a text, without the empty ones.
func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}
