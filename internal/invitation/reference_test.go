package invitation

import (
	"encoding/binary"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// referenceOf is the reference of a number; those of small ones begin with 0.
func referenceOf(n uint64) string {
	return encodeReference(binary.BigEndian.AppendUint64(nil, n<<9))
}

func drawReference(t *rapid.T) string {
	return referenceOf(rapid.Uint64().Draw(t, "n"))
}

func TestReferenceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 1<<55-1).Draw(t, "n")
		r := referenceOf(n)
		if len(r) != 12 || strings.Trim(r, alphabet) != "" {
			t.Fatalf("%q is no reference", r)
		}
		var back uint64
		for _, c := range r[:11] {
			back = back<<5 | uint64(strings.IndexRune(alphabet, c))
		}
		if back != n {
			t.Fatalf("%d comes back as %d", n, back)
		}
		for _, typed := range []string{r, group(r), strings.ToLower(group(r)), " " + group(r) + "\n"} {
			if got, err := parseReference(typed); got != r || err != nil || !Reference(typed) {
				t.Fatalf("%q is read as %q, %v", typed, got, err)
			}
		}
		if g := group(r); len(g) != 14 || g[4] != '-' || g[9] != '-' {
			t.Fatalf("grouped as %q", g)
		}
	})
}

// Whatever somebody types that looks alike, in whatever case, with whatever in
// between, is the same reference.
func TestReferenceAsPeopleTypeIt(t *testing.T) {
	alike := map[rune][]string{'0': {"0", "O", "o"}, '1': {"1", "I", "i", "L", "l"}}
	between := []string{"", "", "", "-", " ", "  ", "\t", "\r\n", "\u00a0", "\u202f", "\u2010", "\u2011", "\u2013", "\u2014", "\u200b", "\u00ad", "\u200f"}
	rapid.Check(t, func(t *rapid.T) {
		r := drawReference(t)
		var typed strings.Builder
		for _, c := range r {
			typed.WriteString(rapid.SampledFrom(between).Draw(t, "between"))
			as := alike[c]
			if as == nil {
				as = []string{string(c), strings.ToLower(string(c))}
			}
			typed.WriteString(rapid.SampledFrom(as).Draw(t, "as"))
		}
		if got, err := parseReference(typed.String()); got != r || err != nil {
			t.Fatalf("%q is read as %q, not %q", typed.String(), got, r)
		}
	})
}

func TestReferenceThatIsNone(t *testing.T) {
	good := referenceOf(1 << 40)
	for name, typed := range map[string]string{
		"nothing": "", "blanks": " - - ", "one too few": good[:11], "one too many": good + "0", "U": strings.Repeat("U", 12),
		"no check": good[:11] + "*", "other script": strings.Repeat("\uff10", 12), "a token": "AAAAAAAAAAAAAAAAAAAAAA",
		"underscore": good[:4] + "_" + good[4:8] + "_" + good[8:], "within": good[:6] + "?" + good[7:], "twice": good + good,
		"long s": strings.Replace(good, good[:1], "\u017f\u017f", 1),
	} {
		if got, err := parseReference(typed); err == nil || got != "" || Reference(typed) {
			t.Errorf("%s: %q is read as %q", name, typed, got)
		}
	}
}

// TestCheckFindsMistakes counts, over references of all kinds, how many mistakes
// of each sort the check character shows.
func TestCheckFindsMistakes(t *testing.T) {
	var references []string
	for i := range uint64(200) {
		references = append(references, referenceOf(i*0x9e3779b97f4a7c15>>9))
	}
	references = append(references, referenceOf(0), referenceOf(1<<55-1))
	swap := func(r string, i, j int) string {
		b := []byte(r)
		b[i], b[j] = b[j], b[i]
		return string(b)
	}
	sorts := map[string]func(r string, try func(string)){
		"one mistyped": func(r string, try func(string)) {
			for i := range r {
				for _, c := range alphabet {
					try(r[:i] + string(c) + r[i+1:])
				}
			}
		},
		"neighbours swapped": func(r string, try func(string)) {
			for i := range len(r) - 1 {
				try(swap(r, i, i+1))
			}
		},
		"any two swapped": func(r string, try func(string)) {
			for i := range r {
				for j := range i {
					try(swap(r, i, j))
				}
			}
		},
		"twins": func(r string, try func(string)) {
			for i := range len(r) - 1 {
				if r[i] != r[i+1] {
					continue
				}
				for _, c := range alphabet {
					try(r[:i] + string(c) + string(c) + r[i+2:])
				}
			}
		},
		"groups swapped": func(r string, try func(string)) {
			try(r[4:8] + r[:4] + r[8:])
			try(r[:4] + r[8:] + r[4:8])
			try(r[8:] + r[4:8] + r[:4])
		},
	}
	for name, each := range sorts {
		made, found := 0, 0
		for _, r := range references {
			each(r, func(wrong string) {
				if wrong == r {
					return
				}
				made++
				if _, err := parseReference(wrong); err != nil {
					found++
				}
			})
		}
		t.Logf("%s: %d of %d found", name, found, made)
		if made == 0 || name != "groups swapped" && found != made {
			t.Errorf("%s: %d of %d found", name, found, made)
		}
	}
	// Every pair of characters at every pair of places, whatever stands around.
	for i := range 11 {
		for j := range i {
			for a := range 32 {
				for b := range a {
					r := []byte("00000000000")
					r[i], r[j] = alphabet[a], alphabet[b]
					whole := string(append(r, check(string(r))))
					if _, err := parseReference(swap(whole, i, j)); err == nil {
						t.Fatalf("%c and %c may change places %d and %d", alphabet[a], alphabet[b], i, j)
					}
				}
			}
		}
	}
}

// x^5 + x^2 + 1 is primitive: the powers of x are all 31 that there are.
func TestTimesX(t *testing.T) {
	seen, n := map[int]bool{}, 1
	for !seen[n] {
		seen[n] = true
		n = timesX(n)
	}
	if len(seen) != 31 || n != 1 || timesX(0) != 0 {
		t.Errorf("%d powers, then %d", len(seen), n)
	}
}

// FuzzParseReference wants nothing, or a reference that is read as itself.
func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"", group(referenceOf(0)), strings.ToLower(referenceOf(1 << 54)), "oooo-iiii-llll", "\u017f", "\xff\xfe", strings.Repeat("0", 13)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, err := parseReference(typed)
		if (err != nil) != (got == "") || Reference(typed) != (err == nil) {
			t.Fatalf("%q: %q, %v", typed, got, err)
		}
		if err != nil {
			if len(typed) > 3 && strings.Contains(err.Error(), typed) {
				t.Errorf("the error quotes %q", typed)
			}
			return
		}
		if len(got) != 12 || strings.Trim(got, alphabet) != "" || check(got[:11]) != got[11] {
			t.Errorf("%q is read as %q", typed, got)
		}
		if again, err := parseReference(group(got)); again != got || err != nil {
			t.Errorf("%q is not read as itself: %q", got, again)
		}
	})
}
