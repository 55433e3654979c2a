package letter

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
	"rsc.io/qr"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
)

// sheet is what a letter says, however it is printed. Empty parts are left out.
// It holds a link or a code in clear.
type sheet struct {
	Lang, Dir  string // of the text
	LabelsLang string // of our own words, if they are in another language; those run left to right
	At         time.Time

	Organisation string
	Return       string
	To           []string // name, organisation, site
	Subject      string
	Text         []string // paragraphs
	Steps        []string
	Panel        panel
	Closing      []string // paragraphs below the panel
	Words        words
	Date         string
	Case         string
}

// panel is what the addressee needs at hand at the pick-up page.
type panel struct {
	QR        *qr.Code // of the whole link
	Page      string   // where the reference is typed
	Reference string
	Code      string
	Until     string
}

// Format keeps secrets out of whatever prints a letter by mistake.
func (sheet) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[letter]")) }

// Format does the same.
func (panel) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[letter]")) }

// maxName bounds a name or a site, in runes.
const maxName = 120

// compose words the letter for m.
func (c *Channel) compose(op string, m channel.Message) (sheet, error) {
	n := m.Notice
	if !c.Carries(n.Message) || !m.Contents.Passcode.Empty() {
		return sheet{}, refuse(op, "notCarried", jml.ReasonMessageRefused)
	}
	name := line(n.GivenName + " " + n.FamilyName)
	if name == "" {
		return sheet{}, refuse(op, "noName", jml.ReasonNoRecipient)
	}
	if n.To == jml.RecipientTechnician {
		return sheet{}, refuse(op, "notToTheEmployee", jml.ReasonMessageRefused)
	}
	zone, err := jml.LoadZone(n.Zone)
	if err != nil {
		return sheet{}, refuse(op, "zone", jml.ReasonMessageRefused)
	}
	now := c.cfg.Now().In(zone)
	lang := language(m.Locale)
	w, own := wordsFor(lang)
	organisation := norm.NFC.String(c.cfg.Organisation)
	s := sheet{
		Lang: lang, Dir: m.Dir, At: now, Organisation: organisation, Return: norm.NFC.String(c.cfg.ReturnAddress),
		To: []string{name, organisation}, Subject: line(m.Subject), Words: w.in(organisation, n.Journey), Date: now.Format(time.DateOnly), Case: n.Reference,
	}
	if site := line(n.Site); site != "" {
		s.To = append(s.To, site)
	}
	if s.Dir != "rtl" {
		s.Dir = "ltr"
	}
	if !own {
		s.LabelsLang = w.Lang
	}
	if s.Panel, err = panelOf(op, m, zone); err != nil {
		return sheet{}, err
	}
	// The message's own text is for mail ("open this link"). It stands in a
	// letter that has no better: a reminder, or a language that is not ours.
	if m.Text != "" && (!own || n.Message != jml.MessageLink && n.Message != jml.MessageCode) {
		s.Text = paragraphs(m.Text)
		return s, nil
	}
	if !own {
		s.Lang, s.Dir, s.LabelsLang = w.Lang, "ltr", ""
	}
	s.Text = []string{s.Words.greet(line(n.GivenName)), s.Words.linkIntro}
	s.Steps = s.Words.linkSteps
	if n.Message == jml.MessageCode {
		s.Text[1], s.Steps = s.Words.codeIntro, s.Words.codeSteps
	}
	help := norm.NFC.String(c.cfg.Help)
	if help == "" {
		help = s.Words.help
	}
	s.Closing = []string{s.Words.keep, help}
	return s, nil
}

// panelOf takes what m is about from its contents, and sees that a letter with
// one secret does not get the other too.
func panelOf(op string, m channel.Message, zone *time.Location) (panel, error) {
	c := m.Contents
	var p panel
	switch m.Notice.Message {
	case jml.MessageLink:
		if c.Link.Empty() || c.PickupReference.Empty() {
			return p, refuse(op, "noLink", jml.ReasonMessageRefused)
		}
		if !c.Code.Empty() {
			return p, refuse(op, "linkWithCode", jml.ReasonMessageRefused)
		}
		code, err := qr.Encode(c.Link.Reveal(), qr.M)
		if err != nil {
			return p, refuse(op, "linkTooLong", jml.ReasonMessageRefused)
		}
		p.QR, p.Reference = code, c.PickupReference.Reveal()
		p.Page, _, _ = strings.Cut(c.Link.Reveal(), "#")
		if page := line(m.Fields["pickup_page"]); page != "" {
			p.Page = page
		}
	case jml.MessageCode:
		if c.Code.Empty() {
			return p, refuse(op, "noCode", jml.ReasonMessageRefused)
		}
		if !c.Link.Empty() || !c.PickupReference.Empty() {
			return p, refuse(op, "linkWithCode", jml.ReasonMessageRefused)
		}
		p.Code = c.Code.Reveal()
	default:
		return p, nil
	}
	if p.Until = line(m.Fields["until_text"]); p.Until == "" && !m.Notice.Until.IsZero() {
		p.Until = m.Notice.Until.In(zone).Truncate(time.Minute).Format("2006-01-02, 15:04 ") + "(" + zone.String() + ")"
	}
	return p, nil
}

// line makes one line of s, of bounded length. Composed characters are found in
// fonts that have not their parts.
func line(s string) string {
	r := []rune(norm.NFC.String(oneLine(s)))
	if len(r) > maxName {
		r = append(r[:maxName-1], '…')
	}
	return string(r)
}

// language returns tag as HTML and PDF want it; empty, for an unknown one, if it
// is no BCP 47 tag at all.
func language(tag string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	tag = strings.ReplaceAll(tag, "_", "-")
	if strings.Trim(tag, plain) != "" {
		return ""
	}
	return tag
}

// paragraphs cuts a plain text at its blank lines. Lines within a paragraph
// stay: they are lists, or a secret on a line of its own.
func paragraphs(text string) []string {
	var out []string
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		var lines []string
		for l := range strings.SplitSeq(p, "\n") {
			if l = norm.NFC.String(oneLine(l)); l != "" {
				lines = append(lines, l)
			}
		}
		if len(lines) > 0 {
			out = append(out, strings.Join(lines, "\n"))
		}
	}
	return out
}
