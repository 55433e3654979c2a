package delivery

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// brings reports whether m brings a pass, or what a pass is collected with. Such
// a message can't be sent without the span of time in which that works.
func brings(m jml.Message) bool {
	return m == jml.MessagePass || m == jml.MessageLink || m == jml.MessageCode
}

// mayHandOn reports whether m has words of its own for whoever gets it in the
// employee's place: to hand it on or, where it tells what became of a pass, to
// ask the employee whether that is right.
func mayHandOn(m jml.Message) bool {
	return brings(m) || m == jml.MessageIssued || m == jml.MessageCollected
}

// handOn reports whether the message of n speaks to somebody in the employee's
// place. Who n.To is was not always said; it was the employee then.
func (s *Sender) handOn(n jml.Notice) bool {
	return mayHandOn(n.Message) && n.To != "" && !n.To.Employee() && (n.To == jml.RecipientTechnician || !slices.Contains(s.direct, n.Channel))
}

// word writes the message of n for channel ch. It does not look at the address.
func (s *Sender) word(op string, ch channel.Channel, n jml.Notice, c secret.Contents) (channel.Message, error) {
	n.Message = cmp.Or(n.Message, jml.MessagePass)
	zone, err := check(op, ch, n)
	if err != nil {
		return channel.Message{}, err
	}
	c = only(n.Message, c)
	if !printable(c) {
		return channel.Message{}, refuse(op, "badContents", jml.ReasonMessageRefused)
	}
	l := s.locales.Match(n.Locale, s.locale)
	t := s.books[l.Tag].templates[n.Message]
	page := s.page(n.Message)
	v := viewOf(n, c, s.organisation, page, l, zone, s.now())
	v.HandOn, v.Technician = s.handOn(n), s.technician(n)
	f, err := t.fill(v)
	if err != nil {
		return channel.Message{}, refuse(op, "template", jml.ReasonMessageRefused)
	}
	if err := t.holds(f, c, n.Reference); err != nil {
		return channel.Message{}, refuse(op, "contents", jml.ReasonMessageRefused)
	}
	f = f.unmarked(s.organisation.SignInURL, page, c)
	m := channel.Message{
		To: n.Recipient, Subject: f.subject, Text: f.text, HTML: f.html, SMS: f.sms,
		Locale: l.Tag, Dir: l.Dir, Notice: n, Contents: c,
		Fields: s.fields(n, v, c, page, zone),
	}
	if ch.Address() == jml.AddressNone {
		m.To = ""
	}
	return m, nil
}

// technician reports whether the message of n goes to who sets up a device with
// it. Other words speak to him: he uses the pass himself.
func (s *Sender) technician(n jml.Notice) bool {
	return s.handOn(n) && n.Journey == jml.KindStaging && brings(n.Message)
}

// reachable finds what is wrong with an address of the kind that ch takes.
func reachable(op string, ch channel.Channel, address string) error {
	switch ch.Address() {
	case jml.AddressMail:
		if !bareAddress(address) {
			return refuse(op, "badAddress", jml.ReasonNoRecipient)
		}
	case jml.AddressPhone:
		if !phoneNumber(address) {
			return refuse(op, "badNumber", jml.ReasonNoRecipient)
		}
	}
	return nil
}

// check finds what is wrong with n on its way to ch, but for its address.
func check(op string, ch channel.Channel, n jml.Notice) (*time.Location, error) {
	if !slices.Contains(jml.Messages(), n.Message) {
		return nil, refuse(op, "noSuchMessage", jml.ReasonMessageRefused)
	}
	if !ch.Carries(n.Message) {
		return nil, refuse(op, "notByThisChannel", jml.ReasonMessageRefused)
	}
	zone, err := jml.LoadZone(n.Zone)
	if err != nil {
		return nil, refuse(op, "badZone", jml.ReasonMessageRefused)
	}
	if n.SignInName == "" && n.Message == jml.MessagePass || !plainSignInName(n.SignInName) {
		return nil, refuse(op, "badSignInName", jml.ReasonMessageRefused)
	}
	if !plainWord(n.Reference) {
		return nil, refuse(op, "badReference", jml.ReasonMessageRefused)
	}
	if n.Journey != "" && !slices.Contains(jml.Kinds(), n.Journey) {
		return nil, refuse(op, "noSuchJourney", jml.ReasonMessageRefused)
	}
	if n.Half < 0 || n.Half > 2 {
		return nil, refuse(op, "badHalf", jml.ReasonMessageRefused)
	}
	return zone, nil
}

// printable reports whether secrets can be shown as they are: one line each, and
// a link that is one.
func printable(c secret.Contents) bool {
	for _, p := range []secret.Passcode{c.Passcode, c.PickupReference, c.Code} {
		if strings.ContainsFunc(p.Reveal(), func(r rune) bool { return unsafeRune(r) || r != ' ' && unicode.IsSpace(r) }) {
			return false
		}
	}
	return c.Link.Empty() || webAddress(c.Link.Reveal())
}

// page is where the reference of m's link is typed, or that of another's: who is
// told that his pass is of no use asks for another with what he has. Empty if
// there is none.
func (s *Sender) page(m jml.Message) string {
	if s.pickupURL == "" {
		return ""
	}
	kind := invitation.Collect
	switch m {
	case jml.MessageIssued, jml.MessageCollected, jml.MessageReminder:
		kind = invitation.Repudiate
	case jml.MessageAttest:
		kind = invitation.Attest
	case jml.MessageUnfinished:
		return s.pickupURL + kind.Path() + "/again"
	}
	return s.pickupURL + kind.Path()
}

// fields are what Message.Fields holds, each unless it is empty:
//
//	message, locale, organisation, help, sign_in_url, pickup_page
//	addressee, given_name, family_name, site, sign_in_name
//	from, until, start, collected_at            RFC 3339, in the notice's zone
//	from_text, until_text, start_text, collected_at_text
//	methods, reference, reason, half (1 or 2), one_time, replaces, collected (true)
//	journey (joiner, mover, recovery, staging), device, devices (how many methods, if more than one)
//	requester, expired (true)                   approval; unfinished
//	hand_on (true)                              it speaks to the addressee, in the employee's place
//	passcode, link, pickup_reference, code      secrets, those of the message
func (s *Sender) fields(n jml.Notice, v view, c secret.Contents, page string, zone *time.Location) map[string]string {
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(zone).Format(time.RFC3339)
	}
	flag := func(b bool) string {
		if b {
			return "true"
		}
		return ""
	}
	half := ""
	if n.Half > 0 {
		half = strconv.Itoa(n.Half)
	}
	devices := ""
	if n.Devices > 1 {
		devices = strconv.Itoa(n.Devices)
	}
	out := map[string]string{
		"journey": string(cmp.Or(n.Journey, jml.KindJoiner)), "device": v.Device, "devices": devices, "requester": v.Requester, "expired": flag(v.Expired),
		"message": string(n.Message), "locale": v.Locale, "organisation": v.Organisation, "help": v.Help, "sign_in_url": s.organisation.SignInURL,
		"pickup_page": page, "addressee": v.Addressee, "given_name": v.GivenName, "family_name": v.FamilyName,
		"site": v.Site, "sign_in_name": v.SignInName,
		"from": stamp(ceilMinute(n.From)), "until": stamp(n.Until.Truncate(time.Minute)), "start": stamp(n.Start), "collected_at": stamp(n.CollectedAt),
		"from_text": v.From, "until_text": v.Until, "start_text": v.Start, "collected_at_text": v.CollectedAt,
		"methods": v.Methods, "reference": v.Reference, "reason": v.Reason, "half": half,
		"one_time": flag(v.OneTime), "replaces": flag(v.Replaces), "collected": flag(v.Collected), "hand_on": flag(v.HandOn),
		"passcode": c.Passcode.Reveal(), "link": c.Link.Reveal(), "pickup_reference": c.PickupReference.Reveal(), "code": c.Code.Reveal(),
	}
	for k, text := range out {
		if text == "" {
			delete(out, k)
		}
	}
	return out
}
