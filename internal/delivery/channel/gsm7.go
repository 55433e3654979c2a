package channel

import (
	"strings"
	"unicode/utf16"
)

// A text message is cut into segments of 140 octets. If every character is in
// the GSM 7-bit alphabet (3GPP TS 23.038, 6.2.1) that is 160 septets, else 70
// UTF-16 units; a message of more than one segment loses six octets of each to
// the header that joins them (TS 23.040, 9.2.3.24.1).
const (
	septetsAlone = 160
	septetsEach  = 153
	unitsAlone   = 70
	unitsEach    = 67
)

// The basic alphabet, one septet each, and its extension, two.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// segments returns how many segments a text takes: 0 for an empty one.
func segments(s string) int {
	var sizes []int
	for _, r := range s {
		n := septets(r)
		if n == 0 {
			return cut(utf16Sizes(s), unitsAlone, unitsEach)
		}
		sizes = append(sizes, n)
	}
	return cut(sizes, septetsAlone, septetsEach)
}

// septets returns how many septets a character takes; 0 if the alphabet lacks
// it.
func septets(r rune) int {
	switch {
	case strings.ContainsRune(gsmBasic, r):
		return 1
	case strings.ContainsRune(gsmExtension, r):
		return 2
	}
	return 0
}

func utf16Sizes(s string) []int {
	var sizes []int
	for _, r := range s {
		sizes = append(sizes, utf16.RuneLen(r))
	}
	return sizes
}

// cut counts segments. A character of two units does not straddle two of them.
func cut(sizes []int, alone, each int) int {
	total := 0
	for _, n := range sizes {
		total += n
	}
	switch {
	case total == 0:
		return 0
	case total <= alone:
		return 1
	}
	count, left := 1, each
	for _, n := range sizes {
		if n > left {
			count, left = count+1, each
		}
		left -= n
	}
	return count
}

// foldGSM returns s in the GSM alphabet, if nothing but typographic signs keeps
// it out: one curly quote would more than halve what fits into a segment. Else
// it returns s as it is. No letter is ever changed.
func foldGSM(s string) string {
	folded := typography().Replace(s)
	for _, r := range folded {
		if septets(r) == 0 {
			return s
		}
	}
	return folded
}

func typography() *strings.Replacer {
	return strings.NewReplacer(
		"‘", "'", "’", "'", "‚", "'", "‛", "'", "′", "'", "‹", "'", "›", "'",
		"“", `"`, "”", `"`, "„", `"`, "‟", `"`, "″", `"`, "«", `"`, "»", `"`,
		"‐", "-", "\u2011", "-", "‒", "-", "–", "-", "—", "-", "―", "-", "−", "-",
		"…", "...", "•", "-",
		"\u00a0", " ", "\u2002", " ", "\u2003", " ", "\u2007", " ", "\u2009", " ", "\u202f", " ", "\t", " ",
	)
}
