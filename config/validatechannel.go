package config

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"firstpass.internal/internal/jml"
)

// mailChannels lists the kinds that send mail.
func mailChannels() []ChannelKind {
	return []ChannelKind{ChannelSendGrid, ChannelSMTP, ChannelGraph}
}

// chatChannels lists the kinds whose messages a whole room reads.
func chatChannels() []ChannelKind { return []ChannelKind{ChannelTeams, ChannelSlack} }

func channelKinds() []ChannelKind {
	return append(mailChannels(), ChannelTwilio, ChannelWebhook, ChannelTeams, ChannelSlack, ChannelLetter)
}

// address is what a channel of this kind needs to know of a recipient.
func (k ChannelKind) address() jml.AddressKind {
	switch {
	case slices.Contains(mailChannels(), k):
		return jml.AddressMail
	case k == ChannelTwilio:
		return jml.AddressPhone
	}
	return jml.AddressNone
}

// kindKey is a key that only some kinds of a thing take.
type kindKey[K ~string] struct {
	key   string
	set   bool
	kinds []K // that take it
	needs bool
}

// belong complains of the keys that kind does not take, and of those it lacks.
// what is the key that names the kind.
func belong[K ~string](p *problems, at, what string, kind K, keys []kindKey[K]) {
	for _, k := range keys {
		takes := slices.Contains(k.kinds, kind)
		switch {
		case k.set && !takes:
			p.add(at+"."+k.key, fmt.Sprintf("belongs to %s %s, not to %s", what, strings.Join(words(k.kinds), " or "), kind))
		case !k.set && takes && k.needs:
			p.add(at+"."+k.key, fmt.Sprintf("missing; %s %s needs it", what, kind))
		}
	}
}

func (p *problems) channels(list []Channel) {
	if len(list) == 0 {
		p.add("channels", "missing; messages need a channel to be sent by")
	}
	seen := map[string]bool{}
	for i, c := range list {
		at := fmt.Sprintf("channels[%d]", i)
		p.name(at+".name", c.Name, seen)
		if !slices.Contains(channelKinds(), c.Kind) {
			p.oneOf(at+".kind", string(c.Kind), words(channelKinds())...)
			continue
		}
		if c.AtOnce < 1 || c.AtOnce > 1000 {
			p.add(at+".at_once", "want 1 to 1000")
		}
		belong(p, at, "kind", c.Kind, channelKeys(c))
		p.channel(at, c)
	}
}

// channelKeys are the keys of a channel that not every kind takes.
func channelKeys(c Channel) []kindKey[ChannelKind] {
	mails := mailChannels()
	named := []ChannelKind{ChannelSendGrid, ChannelSMTP}
	sendgrid, smtp := []ChannelKind{ChannelSendGrid}, []ChannelKind{ChannelSMTP}
	twilio, webhook := []ChannelKind{ChannelTwilio}, []ChannelKind{ChannelWebhook}
	letter := []ChannelKind{ChannelLetter}
	own := append([]ChannelKind{ChannelSendGrid, ChannelSMTP, ChannelTwilio, ChannelWebhook}, chatChannels()...)
	return []kindKey[ChannelKind]{
		{"endpoint", c.Endpoint != "", []ChannelKind{ChannelSendGrid, ChannelTwilio}, true},
		// Graph's root certificates are those of graph.ca_file.
		{"ca_file", c.CAFile != "", own, false},
		{"from", c.From != "", append(mails, ChannelTwilio), c.Kind != ChannelTwilio},
		// Graph takes the name from the mailbox.
		{"from_name", c.FromName != "", named, false},
		{"reply_to", c.ReplyTo != "", mails, false},
		{"api_key_file", c.APIKeyFile != "", sendgrid, true},
		{"sandbox", c.Sandbox, sendgrid, false},
		{"templates", c.Templates != nil, sendgrid, false},
		{"event_key_file", c.EventKeyFile != "", sendgrid, false},
		{"server", c.Server != "", smtp, true},
		{"implicit_tls", c.ImplicitTLS, smtp, false},
		{"username", c.Username != "", smtp, false},
		{"password_file", c.PasswordFile != "", smtp, false},
		{"account_sid", c.AccountSID != "", twilio, true},
		{"auth_token_file", c.AuthTokenFile != "", twilio, true},
		{"messaging_service", c.MessagingService != "", twilio, false},
		{"segments", c.Segments != 0, twilio, false},
		{"url", c.URL != "", webhook, true},
		{"key_file", c.KeyFile != "", webhook, true},
		{"url_file", c.URLFile != "", chatChannels(), true},
		{"folder", c.Folder != "", letter, true},
		{"format", len(c.Format) > 0, letter, true},
		{"return_address", c.Return != "", letter, false},
	}
}

// channel checks the values of the keys that the kind of c takes.
func (p *problems) channel(at string, c Channel) {
	if c.Kind.address() == jml.AddressMail {
		p.address(at+".from", c.From)
		p.address(at+".reply_to", c.ReplyTo)
	}
	switch c.Kind {
	case ChannelSendGrid:
		if c.Endpoint != "" {
			p.root(at+".endpoint", c.Endpoint)
		}
		p.dynamicTemplates(at+".templates", c.Templates)
	case ChannelSMTP:
		p.smtp(at, c)
	case ChannelTwilio:
		if c.Endpoint != "" {
			p.root(at+".endpoint", c.Endpoint)
		}
		p.twilio(at, c)
	case ChannelWebhook:
		if c.URL != "" {
			p.https(at+".url", c.URL)
		}
	case ChannelLetter:
		// As with the folders of sources: whoever reads the configuration sees
		// where personal data lies.
		if c.Folder != "" && !filepath.IsAbs(c.Folder) {
			p.add(at+".folder", "want an absolute path")
		}
		for i, f := range c.Format {
			p.oneOf(fmt.Sprintf("%s.format[%d]", at, i), string(f), string(LetterHTML), string(LetterPDF))
			if slices.Contains(c.Format[:i], f) {
				p.add(fmt.Sprintf("%s.format[%d]", at, i), "is there twice")
			}
		}
	}
}

// templateForm is that of the ids of SendGrid's dynamic templates. Those of the
// legacy ones have no d- and take no data.
var templateForm = regexp.MustCompile(`^d-[0-9A-Za-z]+$`)

func (p *problems) dynamicTemplates(at string, ids map[string]string) {
	for _, message := range sorted(ids) {
		if !slices.Contains(jml.Messages(), jml.Message(message)) {
			p.add(at+"."+message, "there is no such message; messages: "+strings.Join(words(jml.Messages()), ", "))
		}
		if !templateForm.MatchString(ids[message]) {
			p.add(at+"."+message, "want the id of a dynamic template, d-…")
		}
	}
}

func (p *problems) smtp(at string, c Channel) {
	if c.Server != "" {
		p.hostPort(at+".server", c.Server)
		if host, _, err := net.SplitHostPort(c.Server); err == nil && host == "" {
			p.add(at+".server", "want host:port")
		}
	}
	if c.Username != "" && c.PasswordFile == "" {
		p.add(at+".password_file", "missing; username needs it")
	}
	if c.Username == "" && c.PasswordFile != "" {
		p.add(at+".username", "missing; password_file needs it")
	}
}

// Twilio's ids: two letters that name the resource, and 32 hexadecimal digits.
var (
	accountForm = regexp.MustCompile(`^AC[0-9a-f]{32}$`)
	serviceForm = regexp.MustCompile(`^MG[0-9a-f]{32}$`)
)

func (p *problems) twilio(at string, c Channel) {
	if c.AccountSID != "" && !accountForm.MatchString(c.AccountSID) {
		p.add(at+".account_sid", "want AC and 32 hexadecimal digits in lower case")
	}
	switch {
	case (c.From == "") == (c.MessagingService == ""):
		p.add(at+".from", "want either from or messaging_service")
	case c.From != "":
		p.phone(at+".from", c.From)
	case !serviceForm.MatchString(c.MessagingService):
		p.add(at+".messaging_service", "want MG and 32 hexadecimal digits in lower case")
	}
	if c.Segments < 1 || c.Segments > 10 {
		p.add(at+".segments", "want 1 to 10")
	}
}

func (p *problems) desks(list []Desk) {
	seen := map[string]bool{}
	for i, d := range list {
		at := fmt.Sprintf("desks[%d]", i)
		p.name(at+".name", d.Name, seen)
		if d.Mail == "" && d.Phone == "" {
			p.add(at+".mail", "missing; a desk needs mail or phone")
		}
		p.address(at+".mail", d.Mail)
		p.phone(at+".phone", d.Phone)
		p.locale(at+".locale", d.Locale)
		if d.Zone != "" {
			if _, err := jml.LoadZone(d.Zone); err != nil {
				p.add(at+".zone", "want an IANA time zone such as Europe/Berlin")
			}
		}
	}
}

// phoneForm is E.164: at most 15 digits, the first of a country code is no 0.
var phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func (p *problems) phone(at, value string) {
	if value != "" && !phoneForm.MatchString(value) {
		p.add(at, "want a number in E.164, + and digits alone, such as +493055501000")
	}
}

func (p *problems) locale(at, value string) {
	if value == "" {
		return
	}
	if _, err := language.Parse(value); err != nil {
		p.add(at, "want a BCP 47 tag such as en or de-AT")
	}
}
