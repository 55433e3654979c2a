package delivery

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
)

// oneLine reports whether s can stand in a header or a line: nothing in it ends
// a line, or turns the direction of what follows.
func oneLine(s string) bool { return !strings.ContainsFunc(s, unsafeRune) }

// unsafeRune takes in format characters (Cf): a right-to-left override makes an
// address look like another one.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar
}

// maxName bounds a name, in runes, so that nobody's name is a message.
const maxName = 60

// plainName makes a name one short line. It comes from an HR system, where
// people type their own.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unsafeRune(r):
			return -1
		}
		return r
	}, s)
	words := []rune(strings.Join(strings.Fields(s), " "))
	return strings.TrimSpace(string(words[:min(len(words), maxName)]))
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

var word = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)

// wordOrNothing passes identifiers on and drops text: what a Fault or a Receipt
// carries goes to logs and to Temporal.
func wordOrNothing(s string) string {
	if !word.MatchString(s) {
		return ""
	}
	return s
}
