package channel

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestAlphabet(t *testing.T) {
	if n := utf8.RuneCountInString(gsmBasic); n != 127 { // and the escape
		t.Errorf("%d basic characters", n)
	}
	if n := utf8.RuneCountInString(gsmExtension); n != 10 {
		t.Errorf("%d characters of the extension", n)
	}
	seen := map[rune]bool{}
	for _, r := range gsmBasic + gsmExtension {
		if seen[r] {
			t.Errorf("%q twice", r)
		}
		seen[r] = true
	}
	for r, want := range map[rune]int{'a': 1, '@': 1, 'Ç': 1, 'ç': 0, 'é': 1, 'á': 0, '€': 2, '[': 2, '`': 0, 'Ω': 1, 'ω': 0, 'å': 1, 'Å': 1, '\n': 1, '\t': 0, '\x1b': 0, '’': 0, '😀': 0, utf8.RuneError: 0} {
		if got := septets(r); got != want {
			t.Errorf("%q: %d", r, got)
		}
	}
}

func TestSegments(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want int
	}{
		"empty":                      {"", 0},
		"one":                        {"a", 1},
		"160":                        {strings.Repeat("a", 160), 1},
		"161":                        {strings.Repeat("a", 161), 2},
		"306":                        {strings.Repeat("a", 306), 2},
		"307":                        {strings.Repeat("a", 307), 3},
		"80 euros":                   {strings.Repeat("€", 80), 1},
		"81 euros":                   {strings.Repeat("€", 81), 2},
		"escape at the edge":         {strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3},
		"no escape at the edge":      {strings.Repeat("a", 151) + "€" + strings.Repeat("a", 153), 2},
		"70 of UCS-2":                {strings.Repeat("á", 70), 1},
		"71 of UCS-2":                {strings.Repeat("á", 71), 2},
		"134 of UCS-2":               {strings.Repeat("á", 134), 2},
		"135 of UCS-2":               {strings.Repeat("á", 135), 3},
		"one letter spoils it":       {strings.Repeat("a", 100) + "á", 2},
		"35 emoji":                   {strings.Repeat("😀", 35), 1},
		"36 emoji":                   {strings.Repeat("😀", 36), 2},
		"a pair does not straddle":   {strings.Repeat("😀", 67), 3},
		"basic in UCS-2 counts once": {"á" + strings.Repeat("€", 69), 1},
	} {
		if got := segments(tt.text); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain":                  "plain",
		"it’s “here” – now…":     `it's "here" - now...`,
		"« à 8 h »":              `" à 8 h "`,
		"it’s á":                 "it’s á", // UCS-2 anyway: nothing to gain
		"ç’":                     "ç’",
		"tab\tand 5−3":           "tab and 5-3",
		"😀–":                     "😀–",
		"[pass]{word}~^|\\€ æøå": "[pass]{word}~^|\\€ æøå",
	} {
		if got := foldGSM(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// slowSegments fills segments octet by octet, as a phone would read them.
func slowSegments(s string) int {
	gsm := true
	for _, r := range s {
		gsm = gsm && (strings.ContainsRune(gsmBasic, r) || strings.ContainsRune(gsmExtension, r))
	}
	var letters [][]uint16
	for _, r := range s {
		switch {
		case !gsm:
			letters = append(letters, utf16.Encode([]rune{r}))
		case strings.ContainsRune(gsmExtension, r):
			letters = append(letters, []uint16{0x1b, uint16(r)})
		default:
			letters = append(letters, []uint16{uint16(r)})
		}
	}
	fits := func(bitsEach int, header int) [][]uint16 {
		segments := [][]uint16{nil}
		for _, l := range letters {
			last := len(segments) - 1
			if (len(segments[last])+len(l))*bitsEach > (140-header)*8 {
				segments, last = append(segments, nil), last+1
			}
			segments[last] = append(segments[last], l...)
		}
		return segments
	}
	bits := 16
	if gsm {
		bits = 7
	}
	switch alone := fits(bits, 0); {
	case len(letters) == 0:
		return 0
	case len(alone) == 1:
		return 1
	}
	return len(fits(bits, 6))
}

func FuzzSegments(f *testing.F) {
	for _, s := range []string{"", "a", "€", strings.Repeat("a", 161), strings.Repeat("€", 81), strings.Repeat("a", 152) + "€" + strings.Repeat("b", 9), strings.Repeat("😀", 67), "it’s", "\xff\xfe", "á" + strings.Repeat("x", 133)} {
		f.Add(s, 1)
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, times int) {
		s = strings.Repeat(s, max(1, min(times, 200)))
		if len(s) > 4000 {
			s = s[:4000]
		}
		if got, want := segments(s), slowSegments(s); got != want {
			t.Errorf("%q: %d, the oracle says %d", s, got, want)
		}
		folded := foldGSM(s)
		if again := foldGSM(folded); again != folded {
			t.Errorf("%q folds to %q and to %q", s, folded, again)
		}
		letters := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < utf8.RuneSelf && (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') || strings.ContainsRune("‘’‚‛′‹›“”„‟″«»‐\u2011‒–—―−…•\u00a0\u2002\u2003\u2007\u2009\u202f", r) {
					return -1
				}
				return r
			}, s)
		}
		if folded != s && letters(folded) != letters(s) {
			t.Errorf("%q folds to %q: a letter changed", s, folded)
		}
	})
}
