// Package phone plays Twilio to Firstpass, and the new employees' phones to
// whoever tries it.
package phone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/codec"
)

// keptTexts bounds the phones of a world that runs for months.
const keptTexts = 500

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
	cfg    Config
	faults fault.Queue
	trust  string
	kept   local.Sealed

	mu      sync.Mutex
	texts   []Text
	arrival chan struct{} // closed and replaced whenever a text is kept

	api, page         *http.Server
	apiAddr, pageAddr string
	ctx               context.Context // ends with the phones
	cancel            context.CancelFunc
	closeOnce         sync.Once
	closeErr          error
	serving           sync.WaitGroup
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
	p := &Phones{cfg: cfg, arrival: make(chan struct{}),
		kept: local.Sealed{Path: filepath.Join(cfg.Dir, "phone.sealed"), Label: "dev/phone", Keys: cfg.Keys}}
	cert, trust, err := local.Certificate(cfg.Dir, "phone")
	if err != nil {
		return nil, err
	}
	p.trust = trust
	if err := p.kept.Load(&p.texts); err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	api, err := local.Listen(cfg.APIAddr)
	if err != nil {
		return nil, fmt.Errorf("phone, Twilio side: %w", err)
	}
	page, err := local.Listen(cfg.PageAddr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("phone, page: %w", err), api.Close())
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.faults.Closing = p.ctx.Done()
	p.apiAddr, p.pageAddr = api.Addr().String(), page.Addr().String()
	// What net/http complains of is mostly a client that was killed.
	silent := log.New(io.Discard, "", 0)
	p.api = &http.Server{
		Handler:           p.apiHandler(),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent,
	}
	p.page = &http.Server{Handler: p.pageHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: silent}
	p.serving.Go(func() { _ = p.api.ServeTLS(api, "", "") }) // ends with ErrServerClosed
	p.serving.Go(func() { _ = p.page.Serve(page) })
	return p, nil
}

// URL is the service root for channels[].endpoint.
func (p *Phones) URL() string { return "https://" + p.apiAddr }

// PageURL is where people read.
func (p *Phones) PageURL() string { return "http://" + p.pageAddr }

// CAFile is the certificate that a sender must trust.
func (p *Phones) CAFile() string { return p.trust }

// Inject makes trouble for sends to come.
func (p *Phones) Inject(f fault.Fault) *fault.Handle { return p.faults.Inject(f) }

// Texts returns what Twilio took, oldest first.
func (p *Phones) Texts() []Text {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.texts)
}

// TextsTo returns the texts that came to one number, oldest first.
func (p *Phones) TextsTo(number string) []Text {
	return slices.DeleteFunc(p.Texts(), func(t Text) bool { return t.Lost != "" || t.To != number })
}

// WaitFor returns the n-th text (from 1) to a number, waiting until it comes or
// ctx ends.
func (p *Phones) WaitFor(ctx context.Context, number string, n int) (Text, error) {
	for {
		p.mu.Lock()
		arrival := p.arrival
		p.mu.Unlock()
		if got := p.TextsTo(number); len(got) >= n {
			return got[n-1], nil
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return Text{}, fmt.Errorf("text %d to %s did not come (%d texts in all): %w", n, number, len(p.Texts()), context.Cause(ctx))
		case <-p.ctx.Done():
			return Text{}, errors.New("the phones are closing")
		}
	}
}

// Close stops both sides; held requests go unanswered.
func (p *Phones) Close() error {
	p.closeOnce.Do(func() {
		p.cancel()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		// Shutdown waits for what is being kept; Close cuts off who will not go.
		for _, s := range []*http.Server{p.api, p.page} {
			if s.Shutdown(ctx) != nil {
				p.closeErr = errors.Join(p.closeErr, s.Close())
			}
		}
		p.serving.Wait()
	})
	return p.closeErr
}

// accept keeps a text and returns once it would survive a crash.
func (p *Phones) accept(t Text) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	texts := append(p.texts[:len(p.texts):len(p.texts)], t)
	if len(texts) > keptTexts {
		texts = texts[len(texts)-keptTexts:]
	}
	if err := p.kept.Save(texts); err != nil {
		return err
	}
	p.texts = texts
	close(p.arrival)
	p.arrival = make(chan struct{})
	return nil
}

// becomes notes a new status. It need not survive a crash: Twilio's word is in
// the callback.
func (p *Phones) becomes(sid, status string, code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.texts {
		if p.texts[i].SID == sid {
			texts := slices.Clone(p.texts) // who reads the old ones goes on
			texts[i].Status, texts[i].Code = status, code
			p.texts = texts
			return
		}
	}
}

func (p *Phones) find(sid string) (Text, bool) {
	texts := p.Texts()
	i := slices.IndexFunc(texts, func(t Text) bool { return t.SID == sid })
	if i < 0 {
		return Text{}, false
	}
	return texts[i], true
}
