package main

import (
	"errors"
	"regexp"
	"strings"
)

// passcodeLine is a line of a mail with nothing on it but one indented word.
var passcodeLine = regexp.MustCompile(`(?m)^[ \t]{2,}(\S{8,48})[ \t]*$`)

// passcodeIn finds the passcode in a mail as its reader does: it is the word
// that stands alone and is neither an address nor a link.
func passcodeIn(m mail) (string, error) {
	for _, found := range passcodeLine.FindAllStringSubmatch(m.Text, -1) {
		if word := found[1]; !strings.Contains(word, "://") && !strings.Contains(word, "@") {
			return word, nil
		}
	}
	return "", errors.New("no passcode stands on a line of its own in the text part of the mail")
}

// masked shows that a passcode is there without giving it away.
func masked(code string) string { return code[:2] + "•••" }
