package channel

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/secret"
)

// relay sends mail by a server of the organisation's (RFC 5321). Nothing but
// EHLO and STARTTLS goes out before TLS stands.
//
// Of go-mail the message and the protocol are used, not its Client: that one
// tells a mail that was taken from one that was not only by the text of errors,
// and leaves the connection open when a step fails.
type relay struct {
	server   string
	tls      *tls.Config
	implicit bool
	username string
	password secret.Passcode
	from     netmail.Address
	replyTo  string
	now      func() time.Time
}

func newSMTP(cfg Config, now func() time.Time) (*relay, error) {
	transport, err := outbound.Transport(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, errors.New("server: want host:port")
	}
	s := &relay{
		server: cfg.Server, tls: transport.TLSClientConfig, implicit: cfg.ImplicitTLS, username: cfg.Username,
		from: netmail.Address{Name: cfg.FromName, Address: cfg.From}, replyTo: cfg.ReplyTo, now: now,
	}
	s.tls.ServerName = host
	if cfg.PasswordFile != "" {
		if s.password, err = readKey(cfg.PasswordFile); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (*relay) Address() jml.AddressKind { return jml.AddressMail }
func (*relay) Carries(jml.Message) bool { return true }
func (s *relay) Self() string           { return s.from.Address }

// Post with dry goes as far as the recipient and takes it back: the server has
// agreed to sender and recipient, and got no message.
func (s *relay) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	if f := mailable(KindSMTP, op, m); f != nil {
		return jml.Receipt{}, f
	}
	id := rand.Text() + "@" + s.domain()
	msg, err := s.message(m, id)
	if err != nil {
		return jml.Receipt{}, refuse(KindSMTP, op, "encoding", jml.ReasonMessageRefused)
	}
	if failed := s.talk(ctx, m.To, msg, dry); failed != nil {
		return jml.Receipt{}, outbound.Told(ctx, failed.fault(op))
	}
	if dry {
		return jml.Receipt{}, nil
	}
	return jml.Receipt{MessageID: id}, nil
}

func (s *relay) domain() string {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	return domain
}

func (s *relay) message(m Message, id string) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	if s.replyTo != "" {
		if err := msg.ReplyTo(s.replyTo); err != nil {
			return nil, err
		}
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(id)
	msg.SetDateWithValue(s.now())
	for name, value := range automatic() {
		msg.SetGenHeader(mail.Header(name), value)
	}
	if word.MatchString(m.Locale) {
		msg.SetGenHeader(mail.HeaderContentLang, m.Locale)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	return msg, nil
}

// talk has one conversation with the server. A mail is sent once it returns nil:
// what happens after the server has taken it is no failure.
func (s *relay) talk(ctx context.Context, to string, msg *mail.Msg, dry bool) *smtpFailure {
	dialing, stop := context.WithTimeout(ctx, postTimeout)
	defer stop()
	raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", s.server)
	if err != nil {
		return failed("connect", err)
	}
	defer func() { _ = raw.Close() }()
	// go-mail's protocol knows no context; a deadline that is past wakes it.
	defer context.AfterFunc(dialing, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	line := &leash{Conn: raw, left: transcript}
	c, failure := s.secured(dialing, line)
	if failure != nil {
		return failure
	}
	if failure := s.authenticate(c); failure != nil {
		return failure
	}
	if !ascii(to) {
		if ok, _ := c.Extension("SMTPUTF8"); !ok {
			return failed("rcpt", errForeignLetters)
		}
	}
	// A mail that asks for SMTPUTF8 bounces at the first hop that lacks it.
	c.SkipSMTPUTF8(ascii(to))
	if err := c.Mail("<" + s.from.Address + ">"); err != nil {
		return failed("from", err)
	}
	if err := c.Rcpt("<" + to + ">"); err != nil {
		return failed("rcpt", err)
	}
	if dry {
		if err := c.Reset(); err != nil {
			return failed("reset", err)
		}
	} else if failure := write(c, msg); failure != nil {
		return failure
	}
	// The mail is taken. A server that is slow to say goodbye is not waited for.
	_ = raw.SetDeadline(time.Now().Add(time.Second))
	_ = c.Quit()
	return nil
}

func write(c *smtp.Client, msg *mail.Msg) *smtpFailure {
	w, err := c.Data()
	if err != nil {
		return failed("data", err)
	}
	if _, err := msg.WriteTo(w); err != nil {
		return failed("body", err) // without the last dot no server takes it
	}
	if err := w.Close(); err != nil {
		return failed("body", err)
	}
	return nil
}

// secured returns a client behind TLS.
func (s *relay) secured(ctx context.Context, line net.Conn) (*smtp.Client, *smtpFailure) {
	host := s.tls.ServerName
	if s.implicit {
		conn := tls.Client(line, s.tls)
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, failed("tls", err)
		}
		line = conn
	}
	c, err := smtp.NewClient(line, host)
	if err != nil {
		return nil, failed("greeting", err)
	}
	if err := c.Hello(s.domain()); err != nil {
		return nil, failed("hello", err)
	}
	if s.implicit {
		return c, nil
	}
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return nil, failed("tls", errNoTLS)
	}
	if err := c.StartTLS(s.tls); err != nil {
		return nil, failed("tls", err)
	}
	return c, nil
}

func (s *relay) authenticate(c *smtp.Client) *smtpFailure {
	if s.username == "" {
		return nil
	}
	// What the server offers now, behind TLS: what stood in front of it may be
	// anybody's word.
	_, offered := c.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	host, user, password := s.tls.ServerName, s.username, s.password.Reveal()
	for _, try := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, password)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(user, password)},
		{"PLAIN", smtp.PlainAuth("", user, password, host, false)},
		{"LOGIN", smtp.LoginAuth(user, password, host, false)},
	} {
		if slices.Contains(mechanisms, try.name) {
			if err := c.Auth(try.auth); err != nil {
				return failed("auth", err)
			}
			return nil
		}
	}
	return failed("auth", errNoAuth)
}

var (
	errNoTLS          = errors.New("the server offers no STARTTLS")
	errNoAuth         = errors.New("the server offers no way to sign in that we take")
	errForeignLetters = errors.New("the server takes ASCII addresses only")
)

// smtpFailure is where a conversation ended, and why. Its cause quotes the
// server, which quotes addresses.
type smtpFailure struct {
	step  string
	cause error
}

func failed(step string, cause error) *smtpFailure { return &smtpFailure{step, cause} }

// fault sorts a failure by reply code (RFC 5321, 4.2) and enhanced status code
// (RFC 3463).
func (f *smtpFailure) fault(op string) *jml.Fault {
	switch {
	case errors.Is(f.cause, errNoTLS):
		return refuse(KindSMTP, op, "noSTARTTLS", jml.ReasonMessageRefused)
	case errors.Is(f.cause, errForeignLetters):
		return refuse(KindSMTP, op, "noSMTPUTF8", jml.ReasonNoRecipient)
	case errors.Is(f.cause, errNoAuth):
		out := refuse(KindSMTP, op, "noAuthMechanism", jml.ReasonMessageRefused)
		out.Kind = jml.FaultDenied
		return out
	}
	var reply *textproto.Error
	if !errors.As(f.cause, &reply) {
		return unavailable(KindSMTP, op, f.step+":"+outbound.NoAnswer(f.cause))
	}
	enhanced := enhancedCode.FindString(reply.Msg)
	out := unavailable(KindSMTP, op, strings.TrimSuffix(fmt.Sprintf("%s:%d:%s", f.step, reply.Code, enhanced), ":"))
	switch {
	case reply.Code < 500 || reply.Code > 599:
		return out // 4xx is for now; anything else is no SMTP
	case f.step == "auth", slices.Contains([]int{530, 534, 535, 538}, reply.Code):
		out.Kind, out.Reason = jml.FaultDenied, jml.ReasonMessageRefused
	case f.step == "rcpt" && slices.Contains(badMailboxes(), enhanced):
		out.Kind, out.Reason = jml.FaultRefused, jml.ReasonNoRecipient
	default:
		out.Kind, out.Reason = jml.FaultRefused, jml.ReasonMessageRefused
	}
	return out
}

var enhancedCode = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)

// badMailboxes lists the enhanced codes that say that there is no such address:
// mailbox, system, syntax, moved, null MX (RFC 3463, 3.2; RFC 7505).
func badMailboxes() []string { return []string{"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"} }

// transcript bounds what a server may say, in bytes: certificates and a few
// short lines. textproto would read a line of any length.
const transcript = 256 << 10

// leash ends a connection that brings more than a server has to say.
type leash struct {
	net.Conn
	left int
}

func (l *leash) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
