// Package mailbox plays SendGrid to Firstpass, and the new employees' private
// mailboxes to whoever tries it.
package mailbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/codec"
)

// keptMails bounds the mailbox of a world that runs for months.
const keptMails = 500

// Config says how to start a mailbox. Dir and Key are required.
type Config struct {
	// Dir holds the certificate, the key that events are signed with and, with
	// Keys, the mails.
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
	// EventURL is where delivery events are posted; empty for nowhere.
	EventURL string
	// EventClient posts them; by default one that trusts what the system does.
	EventClient *http.Client
	// Pace is the time from one event of a mail to the next; by default 200 ms.
	Pace time.Duration
}

// Mailbox takes what is sent through SendGrid's API and shows it. All its
// methods may be called from several goroutines.
type Mailbox struct {
	cfg      Config
	faults   fault.Queue
	trust    string
	kept     local.Sealed
	eventKey *ecdsa.PrivateKey

	mu      sync.Mutex
	mails   []Mail
	arrival chan struct{} // closed and replaced whenever a mail is kept

	api, page         *http.Server
	apiAddr, pageAddr string
	ctx               context.Context // ends with the mailbox
	cancel            context.CancelFunc
	closeOnce         sync.Once
	closeErr          error
	serving           sync.WaitGroup
}

// Address is a mail address with an optional name.
type Address struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// String formats a for people.
func (a Address) String() string {
	if a.Name == "" {
		return a.Email
	}
	return a.Name + " <" + a.Email + ">"
}

// Mail is one message to one set of recipients, as SendGrid took it.
type Mail struct {
	ID         string            `json:"id"`
	Received   time.Time         `json:"received"`
	From       Address           `json:"from"`
	ReplyTo    *Address          `json:"reply_to,omitempty"`
	To         []Address         `json:"to"`
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
	// Lost says, in SendGrid's words, why nobody got it; empty if it arrived.
	Lost string `json:"lost,omitempty"`
	// TemplateID and TemplateData stand for a text that SendGrid would have made
	// of a dynamic template.
	TemplateID   string          `json:"template_id,omitempty"`
	TemplateData json.RawMessage `json:"template_data,omitempty"`
}

func (m Mail) addressedTo(email string) bool {
	return slices.ContainsFunc(m.To, func(a Address) bool { return strings.EqualFold(a.Email, email) })
}

// Start returns when both sides accept connections.
func Start(cfg Config) (*Mailbox, error) {
	if cfg.Dir == "" || cfg.Key == "" {
		return nil, errors.New("mailbox: Dir and Key are required")
	}
	if cfg.EventClient == nil {
		cfg.EventClient = &http.Client{Timeout: 10 * time.Second}
	}
	if cfg.Pace == 0 {
		cfg.Pace = 200 * time.Millisecond
	}
	b := &Mailbox{cfg: cfg, arrival: make(chan struct{}),
		kept: local.Sealed{Path: filepath.Join(cfg.Dir, "mailbox.sealed"), Label: "dev/mailbox", Keys: cfg.Keys}}
	cert, trust, err := local.Certificate(cfg.Dir, "mailbox")
	if err != nil {
		return nil, err
	}
	b.trust = trust
	if b.eventKey, err = keptEventKey(cfg.Dir); err != nil {
		return nil, fmt.Errorf("mailbox, key of events: %w", err)
	}
	if err := b.writeEventKey(); err != nil {
		return nil, fmt.Errorf("mailbox, key of events: %w", err)
	}
	if err := b.kept.Load(&b.mails); err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	api, err := local.Listen(cfg.APIAddr)
	if err != nil {
		return nil, fmt.Errorf("mailbox, SendGrid side: %w", err)
	}
	page, err := local.Listen(cfg.PageAddr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mailbox, page: %w", err), api.Close())
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.faults.Closing = b.ctx.Done()
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

// URL is the service root for channels[].endpoint.
func (b *Mailbox) URL() string { return "https://" + b.apiAddr }

// PageURL is where people read.
func (b *Mailbox) PageURL() string { return "http://" + b.pageAddr }

// CAFile is the certificate that a sender must trust.
func (b *Mailbox) CAFile() string { return b.trust }

// Inject makes trouble for sends to come.
func (b *Mailbox) Inject(f fault.Fault) *fault.Handle { return b.faults.Inject(f) }

// Mails returns what SendGrid took, oldest first.
func (b *Mailbox) Mails() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// MailsTo returns the mails that came to one address, oldest first.
func (b *Mailbox) MailsTo(email string) []Mail {
	return slices.DeleteFunc(b.Mails(), func(m Mail) bool { return m.Lost != "" || !m.addressedTo(email) })
}

// WaitFor returns the n-th mail (from 1) to an address, waiting until it comes
// or ctx ends.
func (b *Mailbox) WaitFor(ctx context.Context, email string, n int) (Mail, error) {
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
			return Mail{}, fmt.Errorf("mail %d to %s did not come (%d mails in all): %w", n, email, len(b.Mails()), context.Cause(ctx))
		case <-b.ctx.Done():
			return Mail{}, errors.New("the mailbox is closing")
		}
	}
}

// Close stops both sides; held requests go unanswered.
func (b *Mailbox) Close() error {
	b.closeOnce.Do(func() {
		b.cancel()
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
func (b *Mailbox) accept(m Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	mails := append(b.mails[:len(b.mails):len(b.mails)], m)
	if len(mails) > keptMails {
		mails = mails[len(mails)-keptMails:]
	}
	if err := b.kept.Save(mails); err != nil {
		return err
	}
	b.mails = mails
	close(b.arrival)
	b.arrival = make(chan struct{})
	return nil
}

// Title is the subject, or what stands for it: a dynamic template has its own.
func (m Mail) Title() string {
	if m.Subject == "" && m.TemplateID != "" {
		return "Template " + m.TemplateID
	}
	return m.Subject
}
