// Package mailbox plays SendGrid to Firstpass, and the new employees' private
// mailboxes to whoever tries it.
package mailbox

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/codec"
)

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
	*local.Service
	cfg      Config
	faults   fault.Queue
	mails    *local.Inbox[Mail]
	eventKey *ecdsa.PrivateKey
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
	b := &Mailbox{cfg: cfg}
	var err error
	b.mails, err = local.OpenInbox[Mail](local.Sealed{Path: filepath.Join(cfg.Dir, "mailbox.sealed"), Label: "dev/mailbox", Keys: cfg.Keys})
	if err != nil {
		return nil, fmt.Errorf("mailbox: %w", err)
	}
	b.Service, err = local.NewService(local.ServiceConfig{Name: "mailbox", Dir: cfg.Dir, APIAddr: cfg.APIAddr, PageAddr: cfg.PageAddr})
	if err != nil {
		return nil, err
	}
	if b.eventKey, err = keptEventKey(cfg.Dir); err == nil {
		err = b.writeEventKey()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mailbox, key of events: %w", err), b.Close())
	}
	b.faults.Closing = b.Context().Done()
	b.Serve(b.apiHandler(), b.pageHandler())
	return b, nil
}

// Inject makes trouble for sends to come.
func (b *Mailbox) Inject(f fault.Fault) *fault.Handle { return b.faults.Inject(f) }

// Mails returns what SendGrid took, oldest first.
func (b *Mailbox) Mails() []Mail { return b.mails.All() }

// MailsTo returns the mails that came to one address, oldest first.
func (b *Mailbox) MailsTo(email string) []Mail { return cameTo(email)(b.Mails()) }

func cameTo(email string) func([]Mail) []Mail {
	return func(list []Mail) []Mail {
		return slices.DeleteFunc(list, func(m Mail) bool { return m.Lost != "" || !m.addressedTo(email) })
	}
}

// WaitFor returns the n-th mail (from 1) to an address, waiting until it comes
// or ctx ends.
func (b *Mailbox) WaitFor(ctx context.Context, email string, n int) (Mail, error) {
	m, err := b.mails.WaitFor(ctx, b.Context(), n, cameTo(email))
	if err != nil {
		err = fmt.Errorf("mail %d to %s did not come (%d mails in all): %w", n, email, len(b.Mails()), err)
	}
	return m, err
}

// Title is the subject, or what stands for it: a dynamic template has its own.
func (m Mail) Title() string {
	if m.Subject == "" && m.TemplateID != "" {
		return "Template " + m.TemplateID
	}
	return m.Subject
}
