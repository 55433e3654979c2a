package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// Bounds of a pick-up. A link that lives longer than people look for mail only
// helps whoever finds it later; what the page shows again is for a reload, not
// for another day.
const (
	minLinkValid = 10 * time.Minute
	maxLinkValid = 60 * 24 * time.Hour
	minWindow    = time.Minute
	maxWindow    = time.Hour
	maxReissues  = 10
	maxReminder  = 60 * 24 * time.Hour
)

var (
	colourForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	headerForm = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

func (p *problems) organisation(o Organisation) {
	p.required("organisation.name", o.Name)
	p.required("organisation.help", o.Help)
	u, err := url.Parse(o.SignInURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		p.add("organisation.sign_in_url", "want an https address")
	}
	if !colourForm.MatchString(o.Colour) {
		p.add("organisation.colour", "want #rrggbb, such as #1f4e79")
	}
	if ext := strings.ToLower(filepath.Ext(o.LogoFile)); o.LogoFile != "" && ext != ".svg" && ext != ".png" {
		p.add("organisation.logo_file", "want a .svg or .png file")
	}
}

func (p *problems) messages(m Messages) {
	p.required("messages.locale", m.Locale)
	p.locale("messages.locale", m.Locale)
	if m.Folder != "" && !filepath.IsAbs(m.Folder) {
		p.add("messages.folder", "want an absolute path")
	}
}

// pickup checks the page. Without url there is none, and nothing that belongs to
// it has an effect.
func (p *problems) pickup(c *Config) {
	var wanted []string
	for _, name := range sorted(c.Profiles) {
		if c.Profiles[name].Mode == jml.ModePickup {
			wanted = append(wanted, name)
		}
	}
	u := c.Pickup
	switch {
	case u.URL != "":
		p.site("pickup.url", u.URL)
		p.required("pickup.key_file", u.KeyFile)
		p.hostPort("pickup.listen", u.Listen)
		p.pair("pickup.tls", u.TLS.CertificateFile, u.TLS.KeyFile)
		if u.TriesPerMinute < 1 || u.TriesPerMinute > 1000 {
			p.add("pickup.tries_per_minute", "want 1 to 1000")
		}
		if u.ClientIPHeader != "" && !headerForm.MatchString(u.ClientIPHeader) {
			p.add("pickup.client_ip_header", "want the name of a header, such as X-Forwarded-For")
		}
	case len(wanted) > 0:
		p.addIf("profiles", "pickup.url", "missing; there people with these profiles collect their pass: "+names(wanted)+" (a profile that names no mode has mode pickup)")
		p.required("pickup.key_file", u.KeyFile)
	default:
		for _, k := range []struct {
			key string
			set bool
		}{
			{"listen", u.Listen != ""}, {"key_file", u.KeyFile != ""}, {"client_ip_header", u.ClientIPHeader != ""},
			{"tls.certificate_file", u.TLS.CertificateFile != ""}, {"tls.key_file", u.TLS.KeyFile != ""},
			{"tries_per_minute", u.TriesPerMinute != 0},
		} {
			if k.set {
				p.addIf("pickup.url", "pickup."+k.key, "has no effect without pickup.url")
			}
		}
	}
}

func proofKinds() []jml.ProofKind {
	return []jml.ProofKind{jml.ProofFact, jml.ProofOIDC, jml.ProofManager, jml.ProofDesk}
}

func (p *problems) proofs(c *Config) {
	for _, name := range sorted(c.Proofs) {
		at, pr := "proofs."+name, c.Proofs[name]
		p.name(at, name, nil)
		if !slices.Contains(proofKinds(), pr.Kind) {
			p.oneOf(at+".kind", string(pr.Kind), words(proofKinds())...)
			continue
		}
		belong(p, at, "kind", pr.Kind, proofKeys(pr))
		for i, a := range pr.Ask {
			item := fmt.Sprintf("%s.ask[%d]", at, i)
			p.oneOf(item, a, "birth_date", "employee_id")
			if slices.Contains(pr.Ask[:i], a) {
				p.add(item, "is there twice")
			}
		}
		if pr.Issuer != "" {
			p.https(at+".issuer", pr.Issuer)
		}
		if pr.Kind == jml.ProofOIDC && len(pr.Scopes) > 0 && !slices.Contains(pr.Scopes, "openid") {
			p.add(at+".scopes", "want openid among them: without it the provider says nothing of who signed in")
		}
		p.routes(c, at+".to", pr.To, jml.MessageAttest)
	}
}

// proofKeys are the keys of a proof that not every kind takes.
func proofKeys(pr Proof) []kindKey[jml.ProofKind] {
	fact, oidc, manager := []jml.ProofKind{jml.ProofFact}, []jml.ProofKind{jml.ProofOIDC}, []jml.ProofKind{jml.ProofManager}
	return []kindKey[jml.ProofKind]{
		{"ask", len(pr.Ask) > 0, fact, true},
		{"issuer", pr.Issuer != "", oidc, true},
		{"client_id", pr.ClientID != "", oidc, true},
		{"client_secret_file", pr.ClientSecretFile != "", oidc, true},
		{"scopes", len(pr.Scopes) > 0, oidc, true},
		{"acr_values", len(pr.ACRValues) > 0, oidc, false},
		{"userinfo", pr.UserInfo, oidc, false},
		{"match", pr.Match != "", oidc, true},
		{"subject", pr.Subject != "", oidc, false},
		{"ca_file", pr.CAFile != "", oidc, false},
		{"to", len(pr.To) > 0, manager, true},
	}
}

// routes checks a list of ways to send message by.
func (p *problems) routes(c *Config, at string, list []Route, message jml.Message) {
	for i, r := range list {
		p.route(c, fmt.Sprintf("%s[%d]", at, i), r, message)
	}
}

func (p *problems) route(c *Config, at string, r Route, message jml.Message) {
	if r.Recipient != jml.RecipientDesk && r.Desk != "" {
		p.addIf(at+".recipient", at+".desk", "belongs to recipient desk, and to no other")
	}
	known := slices.Contains(jml.Recipients(), r.Recipient)
	switch {
	case !known:
		p.oneOf(at+".recipient", string(r.Recipient), words(jml.Recipients())...)
	case message == jml.MessageAttest && r.Recipient != jml.RecipientManager && r.Recipient != jml.RecipientSponsor:
		p.add(at+".recipient", "want manager or sponsor: nobody vouches for himself, and a desk has a proof of its own")
	case message == jml.MessageApproval && r.Recipient != jml.RecipientDesk:
		p.add(at+".recipient", "want desk: a second person approves, not who stands near the employee")
	case message == jml.MessageMoved && !r.Recipient.Employee():
		p.add(at+".recipient", "want personal_mail, personal_phone or work_mail: it speaks to the employee")
	case message == jml.MessageMissed && r.Recipient != jml.RecipientManager && r.Recipient != jml.RecipientSponsor && r.Recipient != jml.RecipientDesk:
		p.add(at+".recipient", "want manager, sponsor or desk: the employee was reminded already")
	case message == jml.MessageAlert && r.Recipient.Employee():
		p.add(at+".recipient", "want desk, manager or sponsor: an alert is for who can act, and the employee's own address may be what is wrong")
	}
	i := slices.IndexFunc(c.Channels, func(ch Channel) bool { return ch.Name == r.Channel })
	switch {
	case r.Channel == "":
		p.required(at+".channel", "")
		return
	case i < 0:
		all := make([]string, 0, len(c.Channels))
		for _, ch := range c.Channels {
			all = append(all, ch.Name)
		}
		p.addIf("channels", at+".channel", fmt.Sprintf("there is no channel %q; channels: %s", r.Channel, names(all)))
		return
	case !slices.Contains(channelKinds(), c.Channels[i].Kind):
		return
	}
	ch := c.Channels[i]
	if why := refuses(ch.Kind, message); why != "" {
		p.add(at+".channel", why)
	} else if known {
		p.reaches(c, at, r, ch)
	}
}

// refuses tells why a channel of this kind can't carry message; empty if it can.
func refuses(kind ChannelKind, message jml.Message) string {
	switch {
	case slices.Contains(chatChannels(), kind) && message.Secret():
		return fmt.Sprintf("kind %s is read by a whole room; it takes alerts, requests for approval and reminders to a desk only", kind)
	case kind == ChannelLetter && message != jml.MessageLink && message != jml.MessageCode:
		return "kind letter takes link_to and code_to only"
	}
	return ""
}

// reaches checks that the channel can find the recipient.
func (p *problems) reaches(c *Config, at string, r Route, ch Channel) {
	mails, address := strings.Join(words(mailChannels()), ", "), ch.Kind.address()
	takesAnybody := ch.Kind == ChannelWebhook || ch.Kind == ChannelLetter
	bad := func(needs string) {
		p.add(at+".recipient", fmt.Sprintf("%s needs a channel of kind %s; %q is of kind %s", r.Recipient, needs, ch.Name, ch.Kind))
	}
	switch r.Recipient {
	case jml.RecipientPersonalMail, jml.RecipientWorkMail:
		if address != jml.AddressMail && !takesAnybody {
			bad(mails + ", webhook or letter")
		}
	case jml.RecipientPersonalPhone:
		if address != jml.AddressPhone && !takesAnybody {
			bad("twilio, webhook or letter")
		}
	case jml.RecipientManager, jml.RecipientSponsor, jml.RecipientTechnician:
		if address == jml.AddressNone {
			bad(mails + " or twilio")
		}
	case jml.RecipientDesk:
		p.desk(c, at+".desk", r.Desk, ch)
	}
}

// desk checks that the desk has the address that the channel sends to.
func (p *problems) desk(c *Config, at, name string, ch Channel) {
	if ch.Kind.address() == jml.AddressNone {
		if name != "" {
			p.add(at, fmt.Sprintf("has no effect: channel %q is of kind %s and so a desk itself", ch.Name, ch.Kind))
		}
		return
	}
	all := make([]string, 0, len(c.Desks))
	for _, d := range c.Desks {
		all = append(all, d.Name)
	}
	i := slices.Index(all, name)
	switch {
	case name == "":
		p.add(at, "missing; name one of the desks: "+names(all))
	case i < 0:
		p.addIf("desks", at, fmt.Sprintf("there is no desk %q; desks: %s", name, names(all)))
	case ch.Kind.address() == jml.AddressMail && c.Desks[i].Mail == "":
		p.addIf(fmt.Sprintf("desks[%d].mail", i), at, fmt.Sprintf("desk %q has no mail, which channel %q sends to", name, ch.Name))
	case ch.Kind.address() == jml.AddressPhone && c.Desks[i].Phone == "":
		p.addIf(fmt.Sprintf("desks[%d].phone", i), at, fmt.Sprintf("desk %q has no phone, which channel %q sends to", name, ch.Name))
	}
}

// person names whom a route ends at. Two desks are two, and so are two channels
// that are desks themselves. A technician's mailbox and his phone are two as
// well: he sets up the device, and who gets at one of them has not the pass.
func (c *Config) person(r Route) string {
	switch {
	case r.Recipient == jml.RecipientTechnician:
		if c.texts(r) {
			return "technician by phone"
		}
		return "technician by mail"
	case r.Recipient != jml.RecipientDesk:
		return string(r.Recipient)
	case r.Desk != "":
		return "desk " + r.Desk
	}
	return "channel " + r.Channel
}

func (c *Config) texts(r Route) bool {
	return slices.ContainsFunc(c.Channels, func(ch Channel) bool { return ch.Name == r.Channel && ch.Kind.address() == jml.AddressPhone })
}

// shared returns the index in list of a route that ends where r does, or -1.
func (c *Config) shared(r Route, list []Route) int {
	return slices.IndexFunc(list, func(o Route) bool { return r.Recipient != "" && c.person(o) == c.person(r) })
}

// apart checks that nobody gets what both lists send.
func (p *problems) apart(c *Config, at, key string, list []Route, otherKey string, other []Route, why string) {
	for i, r := range list {
		if j := c.shared(r, other); j >= 0 {
			p.add(fmt.Sprintf("%s.%s[%d]", at, key, i), fmt.Sprintf("%s is in %s[%d] too; %s", c.person(r), otherKey, j, why))
		}
	}
}

// delivery checks the part of a profile that says how the pass gets to the
// person.
func (p *problems) delivery(c *Config, at string, pr ProfileKey) {
	if pr.Reissues < 0 || pr.Reissues > maxReissues {
		p.add(at+".reissues", fmt.Sprintf("want 0 to %d", maxReissues))
	}
	p.routes(c, at+".alert_to", pr.AlertTo, jml.MessageAlert)
	p.reminders(c, at, pr.Reminders)
	if q := pr.QuietHours; q.From == q.Until && q.From != (jml.Clock{}) {
		p.add(at+".quiet_hours.until", "want another time than from; leave quiet_hours out if there are none")
	}
	modes := []jml.Mode{jml.ModePickup, jml.ModeSend}
	if !slices.Contains(modes, pr.Mode) {
		p.oneOf(at+".mode", string(pr.Mode), words(modes)...)
		return
	}
	belong(p, at, "mode", pr.Mode, modeKeys(pr))
	if pr.Mode == jml.ModeSend {
		p.routes(c, at+".pass_to", pr.PassTo, jml.MessagePass)
		p.routes(c, at+".rest_to", pr.RestTo, jml.MessagePass)
		p.routes(c, at+".notice_to", pr.NoticeTo, jml.MessageIssued)
		p.apart(c, at, "rest_to", pr.RestTo, "pass_to", pr.PassTo, "who gets both halves has the whole passcode, which a split is to prevent")
		return
	}
	p.routes(c, at+".link_to", pr.LinkTo, jml.MessageLink)
	p.routes(c, at+".code_to", pr.CodeTo, jml.MessageCode)
	p.routes(c, at+".notice_to", pr.NoticeTo, jml.MessageCollected)
	p.apart(c, at, "code_to", pr.CodeTo, "link_to", pr.LinkTo, "who holds both, or gets at that one mailbox, has the pass; link and code must go to different recipients")
	if pr.LinkValid != 0 {
		p.between(at+".link_valid", pr.LinkValid, minLinkValid, maxLinkValid)
	}
	if pr.Window != 0 {
		p.between(at+".window", pr.Window, minWindow, maxWindow)
	}
	if len(pr.CodeTo) > 0 && len(pr.NoticeTo) == 0 && len(noticeTo(c, pr.CodeTo)) == 0 {
		p.addIf("channels", at+".notice_to", "missing; a letter is too slow to tell of a collection, so name somebody else")
	}
	p.profileProofs(c, at, pr)
}

// modeKeys are the keys of a profile that only one mode takes.
func modeKeys(pr ProfileKey) []kindKey[jml.Mode] {
	send, pickup := []jml.Mode{jml.ModeSend}, []jml.Mode{jml.ModePickup}
	return []kindKey[jml.Mode]{
		{"pass_to", len(pr.PassTo) > 0, send, true},
		{"rest_to", len(pr.RestTo) > 0, send, false},
		{"link_to", len(pr.LinkTo) > 0, pickup, true},
		{"code_to", len(pr.CodeTo) > 0, pickup, true},
		{"link_valid", pr.LinkValid != 0, pickup, true},
		{"window", pr.Window != 0, pickup, true},
		{"proofs", len(pr.Proofs) > 0, pickup, false},
	}
}

func (p *problems) profileProofs(c *Config, at string, pr ProfileKey) {
	for i, name := range pr.Proofs {
		item := fmt.Sprintf("%s.proofs[%d]", at, i)
		proof, ok := c.Proofs[name]
		switch {
		case !ok:
			p.addIf("proofs", item, fmt.Sprintf("there is no proof %q; proofs: %s", name, names(sorted(c.Proofs))))
		case slices.Contains(pr.Proofs[:i], name):
			p.add(item, "is there twice")
		case proof.Kind == jml.ProofManager:
			p.voucher(c, item, proof.To, "link_to", pr.LinkTo)
			p.voucher(c, item, proof.To, "code_to", pr.CodeTo)
		}
	}
}

// voucher refuses that whoever vouches holds link or code himself.
func (p *problems) voucher(c *Config, at string, asked []Route, key string, list []Route) {
	for i, r := range list {
		if c.shared(r, asked) >= 0 {
			p.add(at, fmt.Sprintf("%s is in %s[%d] too; who holds a part and vouches is one person where there should be two", c.person(r), key, i))
		}
	}
}

func (p *problems) reminders(c *Config, at string, list []ReminderKey) {
	for i, r := range list {
		item := fmt.Sprintf("%s.reminders[%d]", at, i)
		key, d := "before", r.Before
		if r.After != 0 {
			key, d = "after", r.After
		}
		switch {
		case r.Before != 0 && r.After != 0:
			p.add(item+".before", "want either before or after")
		case r.Before == 0 && r.After == 0:
			p.addIf(item+".after", item+".before", "want either before or after, such as after: 4h")
		case d < 0 || d > maxReminder:
			p.add(item+"."+key, "want more than 0 and at most "+Short(maxReminder))
		}
		p.oneOf(item+".of", string(r.Of), string(jml.AnchorStart), string(jml.AnchorExpiry))
		if len(r.To) == 0 {
			p.add(item+".to", "missing; nobody would be reminded")
		}
		for j, route := range r.To {
			message := jml.MessageEscalation
			if route.Recipient.Employee() {
				message = jml.MessageReminder
			}
			p.route(c, fmt.Sprintf("%s.to[%d]", item, j), route, message)
		}
	}
}
