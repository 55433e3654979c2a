package delivery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// Preview is a message with sample data.
type Preview struct {
	Locale  string // of the template
	Subject string
	Text    string
	HTML    string
	SMS     string
}

// Locales returns the tags of the locales there are templates in, sorted.
func (s *Sender) Locales() []string {
	var out []string
	for _, l := range s.locales.Locales() {
		out = append(out, l.Tag)
	}
	return out
}

// Preview words a message of a journey of kind k with sample data. An empty tag
// means the default locale, an empty kind a joiner. What brings a pass speaks to
// the technician in a staging.
func (s *Sender) Preview(m jml.Message, k jml.Kind, tag string) (Preview, error) {
	if !slices.Contains(jml.Messages(), m) {
		return Preview{}, fmt.Errorf("delivery: no such message; want one of %v", jml.Messages())
	}
	if k != "" && !slices.Contains(jml.Kinds(), k) {
		return Preview{}, fmt.Errorf("delivery: no such journey; want one of %v", jml.Kinds())
	}
	l, ok := s.locales.Find(tag)
	if tag == "" {
		l, ok = s.locales.Match(s.locale), true
	}
	if !ok {
		return Preview{}, fmt.Errorf("delivery: no templates in that locale; want one of %s", strings.Join(s.Locales(), ", "))
	}
	zone, err := jml.LoadZone("Europe/Berlin")
	if err != nil {
		return Preview{}, fmt.Errorf("delivery: %w", err)
	}
	// Somebody who starts at nine on a Monday.
	n, c, page := sampleNotice(m, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)), only(m, sampleContents()), s.page(m)
	if page == "" {
		page = "https://pickup.example.com/p"
	}
	n.Journey = k
	if k == jml.KindStaging {
		n.Device, n.OneTime = "LT-20871", false
		if brings(m) {
			n.To, n.Addressee = jml.RecipientTechnician, ""
		}
	}
	v := viewOf(n, c, s.organisation, page, l, zone, n.From)
	v.HandOn, v.Technician = s.handOn(n), s.technician(n)
	f, err := s.books[l.Tag].templates[m].fill(v)
	if err != nil {
		return Preview{}, fmt.Errorf("delivery: %w", err)
	}
	f = f.unmarked(s.organisation.SignInURL, page, c)
	return Preview{Locale: l.Tag, Subject: f.subject, Text: f.text, HTML: f.html, SMS: f.sms}, nil
}

// sampleNotice is about somebody who starts at that time.
func sampleNotice(m jml.Message, at time.Time) jml.Notice {
	n := jml.Notice{
		Message: m, GivenName: "Robin", FamilyName: "Vale", Addressee: "Kim", SignInName: "robin.vale@example.com",
		Start: at, From: at, Until: at.Add(8 * time.Hour), CollectedAt: at.Add(5 * time.Minute),
		OneTime: true, Register: jml.StrongMethods(), Reference: "q7k2m9w4",
	}
	if m.ToEmployee() {
		n.Addressee = n.GivenName
	}
	switch m {
	case jml.MessageAlert:
		n.Reason = jml.ReasonPickupLocked
	case jml.MessageApproval:
		n.Requester = "desk-07"
	}
	return n
}
