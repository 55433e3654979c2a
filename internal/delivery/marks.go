package delivery

import (
	"html"
	"strings"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// A mark stands in a template's output for a secret or an address of ours until
// everything else is ready. Marks are single runes of private use: Markdown
// leaves them alone, and no name, sign-in name or configured word holds one.
const (
	markPasscode  = "\ue000"
	markLink      = "\ue001"
	markReference = "\ue002" // of the link
	markCode      = "\ue003"
	markSignIn    = "\ue004" // Organisation.SignInURL
	markPage      = "\ue005" // where a link's reference is typed
)

// secretMarks lists the marks of secrets, by the names templates have for them.
func secretMarks() map[string]string {
	return map[string]string{"Passcode": markPasscode, "Link": markLink, "PickupReference": markReference, "Code": markCode}
}

// bound says how often a mark stands in each part of a message.
type bound struct{ least, most int }

// bounds says what a message must hold, and what it may. What is not named it
// must not hold. linked says whether there is a link for it: those that
// mayLackLink names may have none.
func bounds(m jml.Message, linked bool) (body, sms map[string]bound) {
	once, maybe := bound{1, 1}, bound{0, 1}
	switch m {
	case jml.MessagePass:
		body = map[string]bound{markPasscode: once}
		return body, body
	case jml.MessageLink:
		return map[string]bound{markLink: once, markReference: once}, map[string]bound{markLink: once, markReference: maybe}
	case jml.MessageCode:
		body = map[string]bound{markCode: once}
		return body, body
	case jml.MessageIssued, jml.MessageCollected, jml.MessageAttest:
		if linked {
			body = map[string]bound{markLink: once, markReference: maybe}
		}
		return body, body
	case jml.MessageReminder:
		// In a text message there may be no room beside what to do.
		if linked {
			return map[string]bound{markLink: once, markReference: maybe}, map[string]bound{markLink: maybe, markReference: maybe}
		}
	}
	return nil, nil
}

// mayLackLink reports whether m goes out without a link too.
func mayLackLink(m jml.Message) bool { return m == jml.MessageAttest || disownable(m) }

// disownable reports whether m has a link to say "not me", if there is a page
// for that.
func disownable(m jml.Message) bool {
	return m == jml.MessageIssued || m == jml.MessageCollected || m == jml.MessageReminder
}

// only drops the contents that m has no business with: channels that pass
// fields on would pass those on too.
func only(m jml.Message, c secret.Contents) secret.Contents {
	var out secret.Contents
	switch m {
	case jml.MessagePass:
		out.Passcode = c.Passcode
	case jml.MessageCode:
		out.Code = c.Code
	case jml.MessageLink, jml.MessageIssued, jml.MessageCollected, jml.MessageReminder, jml.MessageAttest:
		out.Link, out.PickupReference = c.Link, c.PickupReference
	}
	return out
}

// unmarked puts what they stand for in place of marks. In HTML each secret
// stands in a paragraph of its own, large, and is selected whole by a click.
func (f filled) unmarked(signIn, page string, c secret.Contents) filled {
	text := strings.NewReplacer(
		markPasscode, c.Passcode.Reveal(), markLink, c.Link.Reveal(), markReference, c.PickupReference.Reveal(),
		markCode, c.Code.Reveal(), markSignIn, signIn, markPage, page,
	)
	block := func(class string, p secret.Passcode) string {
		return `<p class="secret ` + class + `" dir="ltr" style="` + secretStyle + `">` + html.EscapeString(p.Reveal()) + `</p>`
	}
	anchor := func(address string) string {
		address = html.EscapeString(address)
		return `<a href="` + address + `" dir="ltr" style="word-wrap:break-word; overflow-wrap:anywhere;">` + address + `</a>`
	}
	return filled{
		subject: f.subject, sms: text.Replace(f.sms), text: text.Replace(f.text),
		html: strings.NewReplacer(
			paragraph(markPasscode), block("passcode", c.Passcode),
			paragraph(markCode), block("code", c.Code),
			paragraph(markReference), block("reference", c.PickupReference),
			paragraph(markLink), `<p class="secret link" style="`+linkStyle+`">`+anchor(c.Link.Reveal())+`</p>`,
			markSignIn, anchor(signIn),
			markPage, anchor(page),
		).Replace(f.html),
	}
}

// The styles are inline: some mail programs drop style sheets.
const (
	monospace   = "margin:0 0 12px; font-family:Consolas,Menlo,'DejaVu Sans Mono','Courier New',monospace; font-variant-ligatures:none; "
	secretStyle = monospace + "font-size:28px; line-height:1.35; letter-spacing:2px; white-space:pre-wrap; word-break:break-all; " +
		"-webkit-user-select:all; user-select:all;"
	linkStyle = monospace + "font-size:18px; line-height:1.45; font-weight:600;"
)

func paragraph(mark string) string { return "<p>" + mark + "</p>" }
