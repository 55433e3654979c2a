package channel

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// Kind names a provider's protocol. It is also the System of its Faults.
type Kind string

// The kinds.
const (
	KindSendGrid Kind = "sendgrid" // mail, by SendGrid's v3 API
	KindSMTP     Kind = "smtp"     // mail, by a relay with TLS
	KindGraph    Kind = "graph"    // mail, from a mailbox of the tenant
	KindTwilio   Kind = "twilio"   // text messages
	KindWebhook  Kind = "webhook"  // signed POST (Standard Webhooks)
	KindTeams    Kind = "teams"    // a Microsoft Teams channel; nothing secret
	KindSlack    Kind = "slack"    // a Slack channel; nothing secret
)

// Config is one way out. Each kind reads the fields named for it.
type Config struct {
	Name string // what profiles call it
	Kind Kind
	// Endpoint is the service root of sendgrid and twilio; default the service's
	// own. For a SendGrid EU subuser it is https://api.eu.sendgrid.com. Plain
	// http only on loopback.
	Endpoint string
	CAFile   string // authorities in PEM to trust beside the system's
	AtOnce   int    // posts under way at a time; default 20, of graph at most 4

	From     string // sendgrid, smtp, graph: mail address. twilio: E.164 number, short code or sender name
	FromName string // sendgrid, smtp
	ReplyTo  string // sendgrid, smtp, graph

	// APIKeyFile holds SendGrid's key; one trailing line break is dropped. A key
	// that may only send mail is enough.
	APIKeyFile string
	// Sandbox makes SendGrid check messages and send none.
	Sandbox bool
	// Templates are SendGrid's dynamic templates (d-…) by message. They are
	// filled from Message.Fields.
	Templates map[string]string

	// Server of smtp is host:port.
	Server string
	// ImplicitTLS begins with TLS, as port 465 wants; else STARTTLS, and nothing
	// is sent to a server that does not offer it.
	ImplicitTLS  bool
	Username     string // of smtp; empty: no AUTH
	PasswordFile string

	AccountSID       string // twilio: AC…
	AuthTokenFile    string
	MessagingService string // twilio: MG…, instead of From
	// Segments bounds a text message, 1 to 10; default 2.
	Segments int
	// StatusCallback is the URL that Twilio reports to, without a query; empty:
	// none. The handle of a message goes along as h.
	StatusCallback string

	URL     string // webhook
	KeyFile string // webhook: whsec_ and base64 of 24 to 64 bytes
	URLFile string // teams, slack: the webhook's URL, which is its secret
}

const (
	defaultSendGrid = "https://api.sendgrid.com"
	defaultTwilio   = "https://api.twilio.com"
	defaultAtOnce   = 20
	defaultSegments = 2
	mailboxAtOnce   = 4  // Exchange throttles an app that asks more of one mailbox
	maxSegments     = 10 // Twilio refuses more than 1,600 characters
)

func (c Config) withDefaults() Config {
	c.AtOnce = cmp.Or(c.AtOnce, defaultAtOnce)
	switch c.Kind {
	case KindGraph:
		c.AtOnce = min(c.AtOnce, mailboxAtOnce)
	case KindSendGrid:
		c.Endpoint = cmp.Or(c.Endpoint, defaultSendGrid)
	case KindTwilio:
		c.Endpoint = cmp.Or(c.Endpoint, defaultTwilio)
		c.Segments = cmp.Or(c.Segments, defaultSegments)
	}
	c.Endpoint = strings.TrimSuffix(c.Endpoint, "/")
	return c
}

var (
	templateID       = regexp.MustCompile(`^d-[0-9a-zA-Z]{1,64}$`)
	accountSID       = regexp.MustCompile(`^AC[0-9a-zA-Z]{32}$`)
	messagingService = regexp.MustCompile(`^MG[0-9a-zA-Z]{32}$`)
	shortCode        = regexp.MustCompile(`^[0-9]{3,8}$`)
	// At most eleven characters, not digits alone.
	senderName = regexp.MustCompile(`^[0-9 ]*[A-Za-z][A-Za-z0-9 ]*$`)
)

// check reports everything that is wrong at once. No error quotes a value but
// the channel's name and kind.
func (c Config) check() error {
	var errs []error
	at := fmt.Sprintf("channel %q", c.Name)
	if c.Name == "" || !oneLine(c.Name) {
		at = "channel"
		errs = append(errs, errors.New("channel: name: missing, or not one line of text"))
	}
	bad := func(field, what string) { errs = append(errs, fmt.Errorf("%s: %s: %s", at, field, what)) }
	need := func(field, value string) {
		if value == "" {
			bad(field, "missing")
		}
	}
	if c.AtOnce < 1 {
		bad("at_once", "want 1 or more")
	}
	switch c.Kind {
	case KindSendGrid:
		c.checkMail(bad)
		c.checkEndpoint(bad)
		need("api_key_file", c.APIKeyFile)
		for _, name := range slices.Sorted(maps.Keys(c.Templates)) {
			if !slices.Contains(jml.Messages(), jml.Message(name)) {
				bad("templates", "there is no message of one of these names")
			} else if !templateID.MatchString(c.Templates[name]) {
				bad("templates."+name, "want the id of a dynamic template, which begins with d-")
			}
		}
	case KindSMTP:
		c.checkMail(bad)
		if !ascii(c.From) {
			bad("from", "want ASCII: not every mail server takes other letters")
		}
		host, port, err := net.SplitHostPort(c.Server)
		if n, numErr := strconv.ParseUint(port, 10, 16); err != nil || numErr != nil || n == 0 || host == "" || !oneLine(host) || strings.ContainsAny(host, " /@") {
			bad("server", "want host:port")
		}
		if (c.Username == "") != (c.PasswordFile == "") {
			bad("username", "username and password_file go together")
		}
		if !oneLine(c.Username) {
			bad("username", "not one line of text")
		}
	case KindGraph:
		c.checkMail(bad)
	case KindTwilio:
		c.checkTwilio(bad)
		need("auth_token_file", c.AuthTokenFile)
	case KindWebhook:
		if err := checkURL(c.URL); err != nil {
			bad("url", err.Error())
		}
		need("key_file", c.KeyFile)
	case KindTeams, KindSlack:
		need("url_file", c.URLFile)
	default:
		bad("kind", "there is no such kind")
	}
	return errors.Join(errs...)
}

func (c Config) checkMail(bad func(field, what string)) {
	if !bareAddress(c.From) {
		bad("from", "not a mail address")
	}
	if !oneLine(c.FromName) {
		bad("from_name", "not one line of text")
	}
	if c.ReplyTo != "" && !bareAddress(c.ReplyTo) {
		bad("reply_to", "not a mail address")
	}
}

func (c Config) checkEndpoint(bad func(field, what string)) {
	if err := outbound.CheckRoot(c.Endpoint); err != nil {
		bad("endpoint", err.Error())
	}
}

func (c Config) checkTwilio(bad func(field, what string)) {
	c.checkEndpoint(bad)
	if !accountSID.MatchString(c.AccountSID) {
		bad("account_sid", "want AC and 32 more characters")
	}
	switch {
	case (c.From == "") == (c.MessagingService == ""):
		bad("from", "want either from or messaging_service")
	case c.MessagingService != "" && !messagingService.MatchString(c.MessagingService):
		bad("messaging_service", "want MG and 32 more characters")
	case c.From != "" && !phoneNumber(c.From) && !shortCode.MatchString(c.From) && (len(c.From) > 11 || !senderName.MatchString(c.From)):
		bad("from", "want a number such as +4930123456, a short code, or a sender name of at most 11 letters and digits")
	}
	if c.Segments < 1 || c.Segments > maxSegments {
		bad("segments", "want 1 to 10")
	}
	if c.StatusCallback != "" {
		if err := checkURL(c.StatusCallback); err != nil {
			bad("status_callback", err.Error())
		} else if strings.Contains(c.StatusCallback, "?") {
			bad("status_callback", "must not have a query")
		}
	}
}

// checkURL accepts https URLs, and on loopback http ones too. Its errors don't
// quote the URL: it may be a secret.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || !oneLine(raw) {
		return errors.New("not of the form https://host/path")
	}
	root := url.URL{Scheme: u.Scheme, Host: u.Host}
	return outbound.CheckRoot(root.String())
}
