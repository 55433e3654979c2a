// Package phone plays Twilio to Firstpass, and the new employees' phones to
// whoever tries it.
package phone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/codec"
)

// Config says how to start. Dir, AccountSID and AuthToken are required.
type Config struct {
	// Dir holds the certificate and, with Keys, the texts.
	Dir string
	// AccountSID and AuthToken are what senders must show. AuthToken signs the
	// status callbacks too.
	AccountSID, AuthToken string
	// Service is the SID of the account's messaging service; empty for none.
	Service string
	// APIAddr is where the Twilio side listens (TLS), PageAddr where people read
	// (plain http). Loopback; a free port each when empty.
	APIAddr, PageAddr string
	// Keys seal what is kept over restarts. Nil keeps texts in memory.
	Keys *codec.Keyring
	// CallbackClient posts status callbacks; by default one that trusts what the
	// system does.
	CallbackClient *http.Client
	// Pace is the time from one status of a text to the next; by default 200 ms.
	Pace time.Duration
}

// Phones takes what is sent through Twilio's API and shows it. All its methods
// may be called from several goroutines.
type Phones struct {
	*local.Service
	cfg    Config
	faults fault.Queue
	texts  *local.Inbox[Text]
}

// Text is one text message as Twilio took it.
type Text struct {
	SID      string    `json:"sid"`
	Received time.Time `json:"received"`
	To       string    `json:"to"`
	From     string    `json:"from"`              // the number or name the phone shows
	Service  string    `json:"service,omitempty"` // the messaging service that chose From
	Body     string    `json:"body"`
	Segments int       `json:"segments"`
	Unicode  bool      `json:"unicode"` // a character is not in GSM-7, so segments are short
	Callback string    `json:"callback,omitempty"`
	// Status is Twilio's last word. Code goes with undelivered and failed.
	Status string `json:"status"`
	Code   int    `json:"code,omitempty"`
	// Lost says, in Twilio's words, why nobody got it; empty if it arrived.
	Lost string `json:"lost,omitempty"`
}

// Start returns when both sides accept connections.
func Start(cfg Config) (*Phones, error) {
	if cfg.Dir == "" || cfg.AccountSID == "" || cfg.AuthToken == "" {
		return nil, errors.New("phone: Dir, AccountSID and AuthToken are required")
	}
	if cfg.CallbackClient == nil {
		// Twilio waits 15 s for an answer.
		cfg.CallbackClient = &http.Client{Timeout: 15 * time.Second}
	}
	if cfg.Pace == 0 {
		cfg.Pace = 200 * time.Millisecond
	}
	p := &Phones{cfg: cfg}
	var err error
	p.texts, err = local.OpenInbox[Text](local.Sealed{Path: filepath.Join(cfg.Dir, "phone.sealed"), Label: "dev/phone", Keys: cfg.Keys})
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	p.Service, err = local.NewService(local.ServiceConfig{Name: "phone", Dir: cfg.Dir, APIAddr: cfg.APIAddr, PageAddr: cfg.PageAddr})
	if err != nil {
		return nil, err
	}
	p.faults.Closing = p.Context().Done()
	p.Serve(p.apiHandler(), p.pageHandler())
	return p, nil
}

// Inject makes trouble for sends to come.
func (p *Phones) Inject(f fault.Fault) *fault.Handle { return p.faults.Inject(f) }

// Texts returns what Twilio took, oldest first.
func (p *Phones) Texts() []Text { return p.texts.All() }

// TextsTo returns the texts that came to one number, oldest first.
func (p *Phones) TextsTo(number string) []Text { return cameTo(number)(p.Texts()) }

func cameTo(number string) func([]Text) []Text {
	return func(list []Text) []Text {
		return slices.DeleteFunc(list, func(t Text) bool { return t.Lost != "" || t.To != number })
	}
}

// WaitFor returns the n-th text (from 1) to a number, waiting until it comes or
// ctx ends.
func (p *Phones) WaitFor(ctx context.Context, number string, n int) (Text, error) {
	t, err := p.texts.WaitFor(ctx, p.Context(), n, cameTo(number))
	if err != nil {
		err = fmt.Errorf("text %d to %s did not come (%d texts in all): %w", n, number, len(p.Texts()), err)
	}
	return t, err
}

func is(sid string) func(Text) bool { return func(t Text) bool { return t.SID == sid } }
