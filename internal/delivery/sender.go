package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/secret"
)

// Sender words messages and sends them. It is safe for concurrent use.
type Sender struct {
	organisation Organisation
	locale       string
	locales      *locale.Set
	books        map[string]book // by tag
	pickupURL    string
	channels     map[string]channel.Channel
	direct       []string // names of channels
	now          func() time.Time
}

// New reads the templates, tries them out and returns a Sender. It makes no
// network call. Its errors tell everything that is wrong, with files and lines.
func New(cfg Config) (*Sender, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	set, books, err := load(cfg.Overlay)
	if err != nil {
		return nil, err
	}
	if _, ok := set.Find(cfg.Locale); !ok && cfg.Locale != "" {
		return nil, errors.New("delivery: locale: there are no templates in the default one")
	}
	return &Sender{
		organisation: cfg.Organisation, locale: cfg.Locale, locales: set, books: books,
		pickupURL: cfg.PickupURL, channels: cfg.Channels, direct: cfg.Direct, now: cfg.Now,
	}, nil
}

// Format prints no field: channels hold keys.
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

// Address returns what a channel needs to know of a recipient, and whether
// there is such a channel.
func (s *Sender) Address(name string) (jml.AddressKind, bool) {
	ch, ok := s.channels[name]
	if !ok {
		return "", false
	}
	return ch.Address(), true
}

// Check finds what can be known to stand in the way before there is anything to
// send: a pass that can't be delivered is worse than none. From and Until may
// still be zero. It makes no network call. Its Faults are refused, with reason
// noRecipient or messageRefused.
func (s *Sender) Check(_ context.Context, n jml.Notice) error {
	const op = "check message"
	ch, err := s.channel(op, n.Channel)
	if err != nil {
		return err
	}
	if err := reachable(op, ch, n.Recipient); err != nil {
		return err
	}
	_, err = s.word(op, ch, presentable(n), sampleContents())
	return err
}

// Probe asks the channel's service to check a message and send none, so that a
// channel that is down, or a key that is revoked, is noticed before another
// pass is minted. The message is that of n, with samples for secrets; n.Channel
// is not looked at. With n nil it is one that the channel carries, about somebody
// invented who starts tomorrow: a letter needs a name. It is addressed to the
// channel's own sender, or to nobody if that has no address: a text message may
// come from a name.
//
// It proves that the service answers, takes the key and accepts the sender and
// the form of the message, as far as the service can tell without sending.
func (s *Sender) Probe(ctx context.Context, name string, n *jml.Notice) error {
	const op = "probe channel"
	ch, err := s.channel(op, name)
	if err != nil {
		return err
	}
	address := ch.Self()
	if n != nil {
		address = n.Recipient
	}
	if n != nil || address != "" {
		if err := reachable(op, ch, address); err != nil {
			return err
		}
	}
	if n == nil {
		carried := slices.DeleteFunc(jml.Messages(), func(m jml.Message) bool { return !ch.Carries(m) })
		if len(carried) == 0 {
			return refuse(op, "notByThisChannel", jml.ReasonMessageRefused)
		}
		sample := sampleNotice(carried[0], s.now().Add(24*time.Hour))
		sample.Recipient, sample.Zone, sample.Reference = address, "UTC", "sample"
		n = &sample
	}
	asked := presentable(*n)
	asked.Channel = name
	m, err := s.word(op, ch, asked, sampleContents())
	if err != nil {
		return err
	}
	_, err = ch.Post(ctx, op, m, true)
	withhold(nil, err, m)
	return err
}

// Send sends the message of n with its secrets. A nil error means that the
// service took the message, not that anybody got it.
//
// After an unavailable Fault the message may have gone out all the same: mail
// services know no idempotency key. Sending again with the same contents is
// harmless; sending another passcode is not, unless the first pass is gone.
func (s *Sender) Send(ctx context.Context, n jml.Notice, c secret.Contents) (jml.Receipt, error) {
	const op = "send message"
	ch, err := s.channel(op, n.Channel)
	if err != nil {
		return jml.Receipt{}, err
	}
	if n.Message == "" {
		n.Message = jml.MessagePass
	}
	if brings(n.Message) && n.Until.IsZero() || n.Message == jml.MessagePass && (n.From.IsZero() || !n.Until.After(n.From)) {
		return jml.Receipt{}, refuse(op, "badTimes", jml.ReasonMessageRefused)
	}
	if err := reachable(op, ch, n.Recipient); err != nil {
		return jml.Receipt{}, err
	}
	m, err := s.word(op, ch, n, c)
	if err != nil {
		return jml.Receipt{}, err
	}
	r, err := ch.Post(ctx, op, m, false)
	withhold(&r, err, m)
	return r, err
}

func (s *Sender) channel(op, name string) (channel.Channel, error) {
	ch, ok := s.channels[name]
	if !ok {
		return nil, refuse(op, "noSuchChannel", jml.ReasonMessageRefused)
	}
	return ch, nil
}

// withhold drops words of the service that hold a secret or the address. It has
// got them from us and may echo them; what a Receipt or a Fault says is written
// down.
func withhold(r *jml.Receipt, err error, m channel.Message) {
	var words []*string
	if r != nil {
		words = append(words, &r.MessageID)
	}
	if f := faultOf(err); f != nil {
		words = append(words, &f.Code, &f.RequestID, &f.Text)
	}
	_, token, _ := strings.Cut(m.Contents.Link.Reveal(), "#")
	reference := m.Contents.PickupReference.Reveal()
	for _, held := range []string{
		m.Contents.Passcode.Reveal(), m.Contents.Link.Reveal(), token, reference, strings.ReplaceAll(reference, "-", ""),
		m.Contents.Code.Reveal(), m.To, m.Notice.Recipient,
	} {
		for _, w := range words {
			if held != "" && strings.Contains(strings.ToLower(*w), strings.ToLower(held)) {
				*w = ""
			}
		}
	}
}

// sampleContents stands for secrets where none may be.
func sampleContents() secret.Contents {
	return secret.Contents{
		Passcode:        secret.NewPasscode("EXAMPLE-NOT-A-PASS"),
		Link:            secret.NewPasscode("https://pickup.example.com/p#EXAMPLE-NOT-A-LINK-000"),
		PickupReference: secret.NewPasscode("EXAM-P1EN-0REF"),
		Code:            secret.NewPasscode("000000"),
	}
}

// presentable fills in times that are not decided yet.
func presentable(n jml.Notice) jml.Notice {
	if n.From.IsZero() {
		n.From = time.Unix(0, 0)
	}
	if n.Until.IsZero() {
		n.Until = n.From.Add(time.Hour)
	}
	return n
}
