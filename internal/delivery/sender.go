package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// channel is one way to a person. A message may hold a passcode; it is gone
// when post returns.
type channel interface {
	// post sends m, or with dry asks the service to check it and send nothing.
	post(ctx context.Context, op string, m message, dry bool) (jml.Receipt, error)
	// self is an address of our own, to try the channel with.
	self() string
}

// Sender renders messages and sends them. It is safe for concurrent use.
type Sender struct {
	organisation Organisation
	letters      map[string]letter
	channels     map[string]channel
}

// New parses the templates, reads the key files and returns a Sender. It makes
// no network call.
func New(cfg Config) (*Sender, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Sender{organisation: cfg.Organisation, channels: map[string]channel{}}
	var err error
	if s.letters, err = loadLetters(files, locales()); err != nil {
		return nil, err
	}
	for _, ch := range cfg.Channels {
		if s.channels[ch.Name], err = newSendGrid(ch); err != nil {
			return nil, fmt.Errorf("delivery: channel %q: %w", ch.Name, err)
		}
	}
	return s, nil
}

// Format prints no field: among them are the API keys.
func (*Sender) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("delivery.Sender")) }

// Channels returns the names of the configured channels, sorted.
func (s *Sender) Channels() []string {
	names := make([]string, 0, len(s.channels))
	for n := range s.channels {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Check finds what can be known to stand in the way before there is a passcode:
// a pass that can't be delivered is worse than none. From and Until may still be
// zero. It makes no network call. Its Faults are refused, with reason
// noRecipient or messageRefused.
func (s *Sender) Check(_ context.Context, n jml.Notice) error {
	const op = "check message"
	if _, err := s.channel(op, n.Channel); err != nil {
		return err
	}
	_, err := s.render(op, withTimes(n), placeholder())
	return err
}

// Probe asks the channel's service to check a message and send none, so that a
// channel that is down, or a key that is revoked, is noticed before another
// pass is minted. The message is that of n, without a passcode; with n nil it is
// addressed to the channel's own sender. n.Channel is not looked at.
//
// It proves that the service answers, takes the key and accepts the sender and
// the form of the message. SendGrid's sandbox does not look whether the
// recipient exists or is on a suppression list.
func (s *Sender) Probe(ctx context.Context, name string, n *jml.Notice) error {
	const op = "probe channel"
	ch, err := s.channel(op, name)
	if err != nil {
		return err
	}
	if n == nil {
		n = &jml.Notice{Recipient: ch.self(), SignInName: ch.self(), Zone: "UTC"}
	}
	m, err := s.render(op, withTimes(*n), placeholder())
	if err != nil {
		return err
	}
	_, err = ch.post(ctx, op, m, true)
	return err
}

// Send sends the message of n with the passcode. From and Until must be set. A
// nil error means that the service took the message, not that anybody got it.
//
// After an unavailable Fault the message may have gone out all the same: mail
// services know no idempotency key. Sending again with the same passcode is
// harmless; sending another passcode is not, unless the first pass is gone.
func (s *Sender) Send(ctx context.Context, n jml.Notice, code secret.Passcode) (jml.Receipt, error) {
	const op = "send message"
	ch, err := s.channel(op, n.Channel)
	if err != nil {
		return jml.Receipt{}, err
	}
	if code.Empty() {
		return jml.Receipt{}, refuse(op, "noPasscode", jml.ReasonMessageRefused)
	}
	if n.From.IsZero() || !n.Until.After(n.From) {
		return jml.Receipt{}, refuse(op, "badTimes", jml.ReasonMessageRefused)
	}
	m, err := s.render(op, n, code)
	if err != nil {
		return jml.Receipt{}, err
	}
	r, err := ch.post(ctx, op, m, false)
	withhold(&r, err, code)
	return r, err
}

func (s *Sender) channel(op, name string) (channel, error) {
	ch, ok := s.channels[name]
	if !ok {
		return nil, refuse(op, "noSuchChannel", jml.ReasonMessageRefused)
	}
	return ch, nil
}

// withhold drops words of the service that hold the passcode. It has got it
// from us and may echo it; what a Receipt or a Fault says is written down.
func withhold(r *jml.Receipt, err error, code secret.Passcode) {
	words := []*string{&r.MessageID}
	if f := faultOf(err); f != nil {
		words = append(words, &f.Code, &f.RequestID)
	}
	for _, w := range words {
		if strings.Contains(*w, code.Reveal()) {
			*w = ""
		}
	}
}

func faultOf(err error) *jml.Fault {
	var f *jml.Fault
	_ = errors.As(err, &f)
	return f
}

// placeholder stands for a passcode where none may be.
func placeholder() secret.Passcode { return secret.NewPasscode("EXAMPLE-NOT-A-PASS") }

// withTimes fills in times that the tenant has not decided yet.
func withTimes(n jml.Notice) jml.Notice {
	if n.From.IsZero() {
		n.From = time.Unix(0, 0)
	}
	if n.Until.IsZero() {
		n.Until = n.From.Add(time.Hour)
	}
	return n
}
