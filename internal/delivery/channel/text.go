package channel

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"

	"firstpass.internal/internal/jml"
)

// oneLine reports whether s can stand in a header or a line: nothing in it ends
// a line, or turns the direction of what follows.
func oneLine(s string) bool { return !strings.ContainsFunc(s, unsafeRune) }

// unsafeRune takes in format characters (Cf): a right-to-left override makes an
// address look like another one.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// bareAddress reports whether s is exactly one addr-spec: no display name, no
// comment, no second address, no space around it, and a domain with a dot in
// it. Quoted local parts fall out too: mail services refuse them.
func bareAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > 254 || !oneLine(s) {
		return false
	}
	_, domain, _ := strings.Cut(s, "@")
	return strings.Contains(domain, ".") && !strings.ContainsAny(domain, "[]")
}

var phone = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// phoneNumber reports whether s is an E.164 number.
func phoneNumber(s string) bool { return phone.MatchString(s) }

var word = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)

// maxSubject bounds a subject, in bytes.
const maxSubject = 500

// mailable looks at what goes into headers. Who words messages has looked at it
// too; here it is the last time.
func mailable(kind Kind, op string, m Message) *jml.Fault {
	switch {
	case !bareAddress(m.To):
		return refuse(kind, op, "badAddress", jml.ReasonNoRecipient)
	case m.Subject == "" || len(m.Subject) > maxSubject || !oneLine(m.Subject):
		return refuse(kind, op, "badSubject", jml.ReasonMessageRefused)
	case m.Text == "" || m.HTML == "":
		return refuse(kind, op, "noText", jml.ReasonMessageRefused)
	}
	return nil
}

// message returns what m is about. A Notice that does not say is a pass.
func message(m Message) jml.Message {
	if m.Notice.Message == "" {
		return jml.MessagePass
	}
	return m.Notice.Message
}
