package eidsim

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"firstpass.internal/internal/simulated"
)

// Provider is a running OpenID provider. It may be used by many goroutines.
type Provider struct {
	cfg     Config
	url     string
	ca      *simulated.Authority
	server  *http.Server
	page    *template.Template
	closing chan struct{}
	once    sync.Once

	mu      sync.Mutex
	key     *signingKey
	answer  Answer
	faults  Faults
	calls   map[Endpoint]int
	grants  map[string]*grant  // by code
	access  map[string]Persona // by access token
	waiting map[string]request // by the id in the page's form
	draws   uint64
}

// Start starts a provider. It fails on an address that is not loopback, a
// missing redirect URL, or a certificate directory it can't use.
func Start(cfg Config) (*Provider, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		cfg.Seed = binary.LittleEndian.Uint64(b[:])
	}
	p := &Provider{
		cfg: cfg, closing: make(chan struct{}), calls: map[Endpoint]int{},
		grants: map[string]*grant{}, access: map[string]Persona{}, waiting: map[string]request{},
	}
	if p.page, err = template.New("page").Parse(pageText); err != nil {
		return nil, err
	}
	if p.key, err = newSigningKey(); err != nil {
		return nil, err
	}
	if p.ca, err = simulated.OpenAuthority(cfg.CertDir, "eidsim"); err != nil {
		return nil, err
	}
	leaf, err := p.ca.Leaf()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("eidsim: %w", err)
	}
	p.url = "https://" + listener.Addr().String()
	p.server = &http.Server{
		Handler:           p.routes(),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(logWriter{cfg.Logger}, "", 0),
	}
	go func() {
		if err := p.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("simulated eID broker stopped", "error", err)
		}
	}()
	cfg.Logger.Info("simulated eID broker is up", "issuer", p.url, "seed", cfg.Seed)
	return p, nil
}

// URL is the issuer: https://host:port, no path.
func (p *Provider) URL() string { return p.url }

// CAPEM is the certificate authority to trust, in PEM.
func (p *Provider) CAPEM() []byte { return p.ca.PEM() }

// Close ends all connections at once.
func (p *Provider) Close() error {
	p.once.Do(func() { close(p.closing) })
	return p.server.Close()
}

// SetAnswer decides what the authorisation endpoint does from now on.
func (p *Provider) SetAnswer(a Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = a
}

// SetFaults replaces all faults.
func (p *Provider) SetFaults(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// RotateKey replaces the signing key; the old one is published no more.
func (p *Provider) RotateKey() error {
	k, err := newSigningKey()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = k
	return nil
}

// Calls counts the requests to an endpoint, those that failed included.
func (p *Provider) Calls(e Endpoint) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[e]
}

// draw returns a code or a token; p.mu must be held.
func (p *Provider) draw(purpose string) string {
	p.draws++
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], p.cfg.Seed)
	binary.LittleEndian.PutUint64(b[8:], p.draws)
	sum := sha256.Sum256(append(b[:], purpose...))
	return b64(sum[:])
}

// persona finds one by key.
func (p *Provider) persona(key string) (Persona, bool) {
	for _, one := range p.cfg.Personas {
		if one.Key == key {
			return one, true
		}
	}
	return Persona{}, false
}

// logWriter turns net/http's complaints into log lines.
type logWriter struct {
	to interface{ Debug(string, ...any) }
}

func (w logWriter) Write(b []byte) (int, error) {
	w.to.Debug("http", "complaint", string(b))
	return len(b), nil
}
