package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"firstpass.internal/internal/codec"
)

// mailboxConfig says how to start a mailbox. Dir and Key are required.
type mailboxConfig struct {
	// Dir holds the certificate and, with Keys, the mails.
	Dir string
	// Key is the SendGrid API key that senders must show.
	Key string
	// APIAddr is where the SendGrid side listens (TLS), PageAddr where people
	// read (plain http). Loopback; a free port each when empty.
	APIAddr, PageAddr string
	// Keys seal what is kept over restarts. Nil keeps mails in memory.
	Keys *codec.Keyring
	// Tenant is where people sign in, shown beside a mail: the link in the mail
	// leads to the real service.
	Tenant string
}

// mailbox plays SendGrid to Firstpass, and the new employees' private mailboxes
// to whoever tries it. All its methods may be called from several goroutines.
type mailbox struct {
	cfg    mailboxConfig
	faults mailFaults
	trust  string

	mu      sync.Mutex
	mails   []mail
	arrival chan struct{} // closed and replaced whenever a mail is kept

	api, page         *http.Server
	apiAddr, pageAddr string
	closing           chan struct{}
	closeOnce         sync.Once
	closeErr          error
	serving           sync.WaitGroup
}

// address is a mail address with an optional name.
type address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// String formats a for people.
func (a address) String() string {
	if a.Name == "" {
		return a.Email
	}
	return a.Name + " <" + a.Email + ">"
}

// mail is one message to one set of recipients, as SendGrid took it.
type mail struct {
	ID         string            `json:"id"`
	Received   time.Time         `json:"received"`
	From       address           `json:"from"`
	ReplyTo    *address          `json:"reply_to,omitempty"`
	To         []address         `json:"to"`
	Subject    string            `json:"subject"`
	Text       string            `json:"text,omitempty"`
	HTML       string            `json:"html,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Categories []string          `json:"categories,omitempty"`
	CustomArgs map[string]string `json:"custom_args,omitempty"`
	// ClickTracking and OpenTracking hold unless the request turned them off,
	// as in a new SendGrid account.
	ClickTracking bool `json:"click_tracking"`
	OpenTracking  bool `json:"open_tracking"`
}

func (m mail) addressedTo(email string) bool {
	return slices.ContainsFunc(m.To, func(a address) bool { return strings.EqualFold(a.Email, email) })
}

// startMailbox returns when both sides accept connections.
func startMailbox(cfg mailboxConfig) (*mailbox, error) {
	if cfg.Dir == "" || cfg.Key == "" {
		return nil, errors.New("mailbox: Dir and Key are required")
	}
	b := &mailbox{cfg: cfg, arrival: make(chan struct{}), closing: make(chan struct{})}
	b.faults.closing = b.closing
	cert, trust, err := keptCertificate(cfg.Dir, "mailbox")
	if err != nil {
		return nil, err
	}
	b.trust = trust
	if err := b.load(); err != nil {
		return nil, err
	}
	api, err := listenLoopback(cfg.APIAddr)
	if err != nil {
		return nil, fmt.Errorf("mailbox, SendGrid side: %w", err)
	}
	page, err := listenLoopback(cfg.PageAddr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mailbox, page: %w", err), api.Close())
	}
	b.apiAddr, b.pageAddr = api.Addr().String(), page.Addr().String()
	// What net/http complains of is mostly a client that was killed.
	silent := log.New(io.Discard, "", 0)
	b.api = &http.Server{
		Handler:           b.apiHandler(),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent,
	}
	b.page = &http.Server{Handler: b.pageHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent}
	b.serving.Go(func() { _ = b.api.ServeTLS(api, "", "") }) // ends with ErrServerClosed
	b.serving.Go(func() { _ = b.page.Serve(page) })
	return b, nil
}

// URL is the service root for channels[].endpoint; PageURL is for people.
func (b *mailbox) URL() string     { return "https://" + b.apiAddr }
func (b *mailbox) PageURL() string { return "http://" + b.pageAddr }

// CAFile is the certificate that a sender must trust.
func (b *mailbox) CAFile() string { return b.trust }

// Mails returns what was kept, oldest first.
func (b *mailbox) Mails() []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// MailsTo returns the mails to one address, oldest first.
func (b *mailbox) MailsTo(email string) []mail {
	return slices.DeleteFunc(b.Mails(), func(m mail) bool { return !m.addressedTo(email) })
}

// WaitFor returns the n-th mail (from 1) to an address, waiting until it comes
// or ctx ends.
func (b *mailbox) WaitFor(ctx context.Context, email string, n int) (mail, error) {
	for {
		b.mu.Lock()
		arrival := b.arrival
		b.mu.Unlock()
		if got := b.MailsTo(email); len(got) >= n {
			return got[n-1], nil
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return mail{}, fmt.Errorf("mail %d to %s did not come (%d mails in all): %w", n, email, len(b.Mails()), context.Cause(ctx))
		case <-b.closing:
			return mail{}, errors.New("the mailbox is closing")
		}
	}
}

// Close stops both sides; held requests go unanswered.
func (b *mailbox) Close() error {
	b.closeOnce.Do(func() {
		close(b.closing)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		// Shutdown waits for what is being kept; Close cuts off who will not go.
		for _, s := range []*http.Server{b.api, b.page} {
			if s.Shutdown(ctx) != nil {
				b.closeErr = errors.Join(b.closeErr, s.Close())
			}
		}
		b.serving.Wait()
	})
	return b.closeErr
}

// accept keeps a mail and returns once it would survive a crash.
func (b *mailbox) accept(m mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	mails := append(b.mails[:len(b.mails):len(b.mails)], m)
	if len(mails) > keptMails {
		mails = mails[len(mails)-keptMails:]
	}
	if err := b.save(mails); err != nil {
		return err
	}
	b.mails = mails
	close(b.arrival)
	b.arrival = make(chan struct{})
	return nil
}

func messageID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// listenLoopback listens on addr, or on a free port if it is empty.
func listenLoopback(addr string) (net.Listener, error) {
	if addr == "" {
		addr = loopback(0)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	return net.Listen("tcp", addr)
}
