package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"firstpass.internal/internal/outbound"
)

// KindSendGrid is the mail service at sendgrid.com, by its v3 API.
const KindSendGrid = "sendgrid"

// Config says in whose name messages go out, and by which channels.
type Config struct {
	Organisation Organisation
	Channels     []ChannelConfig
}

// Organisation is what a message says of the sender.
type Organisation struct {
	Name string
	// SignInURL is where the person registers a method; default
	// https://aka.ms/mysecurityinfo, Microsoft's own short link to the page
	// https://mysignins.microsoft.com/security-info.
	SignInURL string
	// Help says whom to ask, in one sentence; empty: the person's contact.
	Help string
}

// ChannelConfig is one way out.
type ChannelConfig struct {
	Name string // what profiles call it
	Kind string // KindSendGrid
	// Endpoint is the service root: default https://api.sendgrid.com. For an EU
	// subuser it is https://api.eu.sendgrid.com. Plain http only on loopback.
	Endpoint string
	// APIKeyFile holds the key; one trailing line break is dropped. A key that
	// may only send mail is enough.
	APIKeyFile     string
	From, FromName string // From is a verified sender
	ReplyTo        string // optional
	CAFile         string // authorities in PEM to trust beside the system's
	// Sandbox makes the service check messages and send none.
	Sandbox bool
}

const (
	defaultSignInURL        = "https://aka.ms/mysecurityinfo"
	defaultSendGridEndpoint = "https://api.sendgrid.com"
)

func (c Config) withDefaults() Config {
	c.Organisation.SignInURL = cmp.Or(c.Organisation.SignInURL, defaultSignInURL)
	list := make([]ChannelConfig, len(c.Channels))
	for i, ch := range c.Channels {
		ch.Endpoint = strings.TrimSuffix(cmp.Or(ch.Endpoint, defaultSendGridEndpoint), "/")
		list[i] = ch
	}
	c.Channels = list
	return c
}

// check reports everything that is wrong at once.
func (c Config) check() error {
	var errs []error
	bad := func(field, what string) { errs = append(errs, fmt.Errorf("delivery: %s: %s", field, what)) }
	if c.Organisation.Name == "" || !oneLine(c.Organisation.Name) {
		bad("organisation name", "missing, or not one line of text")
	}
	if !oneLine(c.Organisation.Help) {
		bad("organisation help", "not one line of text")
	}
	if u, err := url.Parse(c.Organisation.SignInURL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		bad("organisation sign-in URL", "not an https URL")
	}
	if len(c.Channels) == 0 {
		bad("channels", "none")
	}
	seen := map[string]bool{}
	for i, ch := range c.Channels {
		at := fmt.Sprintf("channel %q", ch.Name)
		if ch.Name == "" || !oneLine(ch.Name) {
			at = fmt.Sprintf("channel %d", i+1)
			bad(at, "no name")
		}
		if seen[ch.Name] {
			bad(at, "there are two of this name")
		}
		seen[ch.Name] = true
		if ch.Kind != KindSendGrid {
			bad(at, "kind is not "+KindSendGrid)
		}
		if err := outbound.CheckRoot(ch.Endpoint); err != nil {
			bad(at+" endpoint", err.Error())
		}
		if ch.APIKeyFile == "" {
			bad(at, "no API key file")
		}
		if !bareAddress(ch.From) {
			bad(at+" from", "not a mail address")
		}
		if !oneLine(ch.FromName) {
			bad(at+" from name", "not one line of text")
		}
		if ch.ReplyTo != "" && !bareAddress(ch.ReplyTo) {
			bad(at+" reply to", "not a mail address")
		}
	}
	return errors.Join(errs...)
}
