package eidsim

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Values used when Config leaves the field empty. They are no secrets: they
// open nothing but a simulator on loopback.
const (
	DefaultClientID     = "firstpass-pickup"
	DefaultClientSecret = "eidsim-client-secret"
)

// Levels of assurance of the personas, as eIDAS writes them (Regulation (EU)
// 2015/1502); brokers each have their own names.
const (
	ACRLow  = "urn:eidsim:loa:low"
	ACRHigh = "urn:eidsim:loa:high"
)

// Config says how to start a provider.
type Config struct {
	// Addr is where it listens, by TLS; default 127.0.0.1:0. Anything but a
	// loopback address is refused by Start.
	Addr string
	// ClientID and ClientSecret are the one client there is.
	ClientID, ClientSecret string
	// RedirectURL is the client's registered one; required.
	RedirectURL string
	// Personas are who can sign in; default DefaultPersonas.
	Personas []Persona
	// CertDir keeps the certificate authority over restarts, so that a client
	// set up once goes on trusting it. Empty: it is thrown away at Close.
	CertDir string
	// Now is the provider's clock; default time.Now. Certificates follow the
	// wall clock.
	Now func() time.Time
	// Seed feeds codes and access tokens; 0 draws one. Keys are always random.
	Seed   uint64
	Logger *slog.Logger // default: discards
}

// Persona is somebody who can sign in.
type Persona struct {
	Key        string // names the persona in the page and in Answer
	Sub        string
	GivenName  string
	FamilyName string
	Birthdate  string         // YYYY-MM-DD
	ACR        string         // the level of every sign-in of this persona
	Extra      map[string]any // further claims; they win over the ones above
}

// DefaultPersonas returns invented people: one with two namesakes, who differ
// from her in the date of birth and in the level of assurance.
func DefaultPersonas() []Persona {
	return []Persona{
		{Key: "astrid", Sub: "eid-1001", GivenName: "Astrid Marie", FamilyName: "Solbakken", Birthdate: "1994-03-17", ACR: ACRHigh},
		{Key: "astrid-namesake", Sub: "eid-1002", GivenName: "Astrid Marie", FamilyName: "Solbakken", Birthdate: "1971-11-02", ACR: ACRHigh},
		{Key: "astrid-low", Sub: "eid-1003", GivenName: "Astrid Marie", FamilyName: "Solbakken", Birthdate: "1994-03-17", ACR: ACRLow},
		{Key: "jonas", Sub: "eid-1004", GivenName: "Jonas", FamilyName: "Öberg", Birthdate: "1988-07-30", ACR: ACRHigh},
	}
}

func (p Persona) claims() map[string]any {
	out := map[string]any{
		"sub":         p.Sub,
		"name":        p.GivenName + " " + p.FamilyName,
		"given_name":  p.GivenName,
		"family_name": p.FamilyName,
		"birthdate":   p.Birthdate,
	}
	maps.Copy(out, p.Extra)
	return out
}

func (c Config) withDefaults() (Config, error) {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	set(&c.Addr, "127.0.0.1:0")
	set(&c.ClientID, DefaultClientID)
	set(&c.ClientSecret, DefaultClientSecret)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Personas == nil {
		c.Personas = DefaultPersonas()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := loopbackOnly(c.Addr); err != nil {
		return c, err
	}
	if u, err := url.Parse(c.RedirectURL); err != nil || u.Host == "" || u.Fragment != "" {
		return c, errors.New("eidsim: RedirectURL must be an absolute URL without fragment")
	}
	seen := map[string]bool{}
	for _, p := range c.Personas {
		if p.Key == "" || p.Sub == "" || seen[p.Key] {
			return c, errors.New("eidsim: every persona needs a key of its own and a sub")
		}
		seen[p.Key] = true
	}
	return c, nil
}

// loopbackOnly takes addresses only: a name may resolve to anything.
func loopbackOnly(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("eidsim: Addr: %w", err)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return errors.New("eidsim: Addr is not a loopback address; the simulator listens nowhere else")
	}
	return nil
}
