package main

import (
	"errors"
	"html"
	"regexp"
	"strings"

	"firstpass.internal/cmd/dev/mailbox"
	"firstpass.internal/cmd/dev/phone"
)

// What messages carry is read as their readers do it.
var (
	// passcodeLine is a line of a mail with nothing on it but one indented word.
	passcodeLine = regexp.MustCompile(`(?m)^[ \t]{2,}(\S{8,48})[ \t]*$`)
	// mailSecret is a secret in the HTML part, where each has a kind.
	mailSecret = regexp.MustCompile(`<p class="secret (passcode|code|reference)"[^>]*>([^<]*)</p>`)
	// pageLink is a link to a page of ours, with its token.
	pageLink = regexp.MustCompile(`https?://[^\s"<>]+/(p|not-me|vouch)#([A-Za-z0-9_-]{22})`)
	codeText = regexp.MustCompile(`your code (?:for [^\n]* )?is (\d{6})`)
	// letterReference is the reference in a letter, whose link is a picture.
	letterReference = regexp.MustCompile(`<dd class="secret"[^>]*>([0-9A-Z-]{14})</dd>`)
	halfText        = regexp.MustCompile(`half of your pass [^:]*:\s+(\S+)\s`)
)

// Kinds of links, by the last part of their paths.
const (
	linkCollect = "p"
	linkNotMe   = "not-me"
	linkVouch   = "vouch"
)

// passcodeIn finds the passcode in a mail as its reader does: it is the word
// that stands alone and is neither an address nor a link. A mail with a link to
// a page of ours has none.
func passcodeIn(m mailbox.Mail) (string, error) {
	if pageLink.MatchString(m.Text) {
		return "", errors.New("the mail holds a link to a page, and no passcode")
	}
	for _, found := range passcodeLine.FindAllStringSubmatch(m.Text, -1) {
		if word := found[1]; !strings.Contains(word, "://") && !strings.Contains(word, "@") {
			return word, nil
		}
	}
	return "", errors.New("no passcode stands on a line of its own in the text part of the mail")
}

// masked shows that a passcode is there without giving it away.
func masked(code string) string { return code[:2] + "•••" }

// secrets are what messages and letters carried and what pages showed.
type secrets struct {
	Passcodes  []string // whole, or halves
	Tokens     []string // of links
	References []string // of links, to type
	Codes      []string // that go with links
}

// secretIn returns the secret of one kind in a mail: passcode (or its half),
// code or reference. It is empty if there is none.
func secretIn(m mailbox.Mail, kind string) string {
	for _, found := range mailSecret.FindAllStringSubmatch(m.HTML, -1) {
		if found[1] == kind {
			return html.UnescapeString(found[2])
		}
	}
	return ""
}

// linkIn returns the token of the first link of a kind; empty if there is none.
func linkIn(text, kind string) string {
	for _, found := range pageLink.FindAllStringSubmatch(text, -1) {
		if found[1] == kind {
			return found[2]
		}
	}
	return ""
}

// firstIn returns the first group of a pattern's first match.
func firstIn(text string, pattern *regexp.Regexp) string {
	if found := pattern.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// fromMail takes up what a mail carries.
func (s *secrets) fromMail(m mailbox.Mail) {
	s.add(&s.Passcodes, secretIn(m, "passcode"))
	s.add(&s.Codes, secretIn(m, "code"))
	s.add(&s.References, secretIn(m, "reference"))
	s.links(m.Text + "\n" + m.HTML)
}

func (s *secrets) fromText(t phone.Text) {
	s.add(&s.Passcodes, firstIn(t.Body+"\n", halfText))
	s.add(&s.Codes, firstIn(t.Body, codeText))
	s.links(t.Body)
}

func (s *secrets) fromLetter(page string) {
	s.add(&s.References, firstIn(page, letterReference))
	s.links(html.UnescapeString(page))
}

func (s *secrets) links(text string) {
	for _, found := range pageLink.FindAllStringSubmatch(text, -1) {
		s.add(&s.Tokens, found[2])
	}
}

func (*secrets) add(to *[]string, word string) {
	for _, known := range *to {
		if known == word {
			return
		}
	}
	if word != "" {
		*to = append(*to, word)
	}
}
