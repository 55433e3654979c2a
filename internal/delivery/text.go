package delivery

import (
	"net/mail"
	"net/url"
	"strings"
	"unicode"
)

// oneLine reports whether s can stand in a header or a line: nothing in it ends
// a line, or turns the direction of what follows.
func oneLine(s string) bool { return !strings.ContainsFunc(s, unsafeRune) }

// unsafeRune takes in format characters (Cf): a right-to-left override makes an
// address look like another one. And those of private use (Co): marks are such,
// and no reader's font has them.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar
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

// maxSignInName is the longest userPrincipalName Entra takes, in characters.
// https://learn.microsoft.com/graph/api/resources/user
const maxSignInName = 113

// plainSignInName reports whether s can be shown as a sign-in name.
func plainSignInName(s string) bool {
	return oneLine(s) && !strings.ContainsFunc(s, unicode.IsSpace) && len([]rune(s)) <= maxSignInName
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

// phoneNumber reports whether s is a whole number as ITU-T E.164 writes it.
func phoneNumber(s string) bool {
	digits, plus := strings.CutPrefix(s, "+")
	return plus && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// webAddress reports whether s can be linked to: absolute, http or https.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		oneLine(s) && !strings.ContainsFunc(s, unicode.IsSpace)
}

// plainWord reports whether s is an identifier, or empty: no text.
func plainWord(s string) bool {
	return len(s) <= 80 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
	})
}
