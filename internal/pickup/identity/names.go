package identity

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxName bounds a name, in bytes. ICAO Doc 9303 has 39 letters.
const maxName = 300

// sameName reports whether a and b are the same name as registers write it.
//
// It disregards case, diacritics, hyphens, blanks, apostrophes and full stops,
// and the order of the parts: "Nilsen, Frode Beckmann" is "Frode Beckmann Nilsen",
// and "Anne-Marie" is "Anne Marie" and "Annemarie". Letters that passports write
// as two are the same as those two, or as the plain letter, all through a name:
// "Müller" is "Mueller" and "Muller", but "Mueller" is not "Muller".
//
// It does not guess: a missing middle name, a short form, a married name or
// another script is another name. Empty names are never the same, nor are names
// of more than 300 bytes. A name never identifies anybody on its own.
func sameName(a, b string) bool {
	if len(a) > maxName || len(b) > maxName {
		return false
	}
	return plainName(a).is(plainName(b)) || passportName(a).is(passportName(b))
}

// name is one in a form that can be compared.
type name struct {
	whole  string // letters in order, nothing between them
	sorted string // its parts in alphabetical order
}

func (n name) is(o name) bool {
	return n.whole != "" && (n.whole == o.whole || n.sorted == o.sorted)
}

// plainName writes ü as u.
func plainName(s string) name { return split(folded(s)) }

// passportName writes ü as ue, as ICAO Doc 9303, part 3, section 6 does.
func passportName(s string) name {
	return split(strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "å", "aa", "ø", "oe", "ǿ", "oe").Replace(folded(s)))
}

// folded is without case, in letters put together.
func folded(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}

// split takes a folded name apart. Diacritics go first: ǽ is an æ with one.
func split(s string) name {
	var out strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case diacritic(r), unicode.Is(unicode.Cf, r), apostrophe(r):
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r):
			out.WriteString(single(r))
		default:
			out.WriteByte(' ')
		}
	}
	parts := strings.Fields(out.String())
	whole := strings.Join(parts, "")
	slices.Sort(parts)
	return name{whole, strings.Join(parts, " ")}
}

// single writes letters that Unicode does not take apart as plain ones.
func single(r rune) string {
	switch r {
	case 'ø':
		return "o"
	case 'æ':
		return "ae"
	case 'œ':
		return "oe"
	case 'þ':
		return "th"
	case 'ð', 'đ':
		return "d"
	case 'ł':
		return "l"
	case 'ħ':
		return "h"
	case 'ı':
		return "i"
	}
	return string(r)
}

// diacritic reports whether r is one of those of Latin, Greek and Cyrillic. The
// marks of other scripts are letters in all but name: without them other names
// would be left.
func diacritic(r rune) bool { return r >= 0x300 && r <= 0x36f }

func apostrophe(r rune) bool { return strings.ContainsRune("'’‘ʼʻ`´", r) }
