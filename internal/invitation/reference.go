package invitation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode"
)

// A reference is typed from paper: 11 characters of Crockford's base32 and a
// check character, in three groups. The alphabet has no I, L, O and U; whoever
// reads I or L for 1, or O for 0, is understood.
// https://www.crockford.com/base32.html
const (
	alphabet       = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	referenceLen   = 12
	referenceGroup = 4
)

// encodeReference takes 55 of the random bits.
func encodeReference(random []byte) string {
	n := binary.BigEndian.Uint64(random) >> 9
	out := make([]byte, referenceLen-1, referenceLen)
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = alphabet[n&31]
		n >>= 5
	}
	return string(append(out, check(string(out))))
}

// check returns a character that shows every single mistyped one, every two that
// changed places, and every twin mistyped alike (33 for 88); of other mistakes it
// shows 31 of 32. It is the check character of Damm's scheme over GF(32): the
// weights are powers of x, no two alike. Crockford's own, modulo 37, would need
// five signs more, which nobody can read out.
// H. M. Damm, Total anti-symmetrische Quasigruppen, Marburg 2004
func check(s string) byte {
	sum := 0
	for i := range len(s) {
		sum = timesX(sum ^ strings.IndexByte(alphabet, s[i]))
	}
	return alphabet[sum]
}

// timesX multiplies in GF(32), modulo the primitive polynomial x^5 + x^2 + 1.
func timesX(n int) int {
	n <<= 1
	if n > 31 {
		n ^= 0b100101
	}
	return n
}

// parseReference reads what somebody typed.
func parseReference(typed string) (string, error) {
	s := strings.Map(func(r rune) rune {
		switch {
		case between(r):
			return -1
		case r == 'I', r == 'L':
			return '1'
		case r == 'O':
			return '0'
		}
		return r
	}, strings.ToUpper(typed))
	if len(s) != referenceLen || strings.Trim(s, alphabet) != "" || s[referenceLen-1] != check(s[:referenceLen-1]) {
		return "", errors.New("not a reference")
	}
	return s, nil
}

// Reference reports whether typed can be a reference: the right characters,
// and as many. It says nothing of whether there is such a link.
func Reference(typed string) bool {
	_, err := parseReference(typed)
	return err == nil
}

func group(reference string) string {
	var out []string
	for i := 0; i < len(reference); i += referenceGroup {
		out = append(out, reference[i:i+referenceGroup])
	}
	return strings.Join(out, "-")
}

// digits turns random bytes into n digits. 64 bits leave no bias worth naming.
func digits(random []byte, n int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v := new(big.Int).Mod(new(big.Int).SetBytes(random), limit)
	return fmt.Sprintf("%0*d", n, v.Int64())
}

// plainDigits drops what stands between digits.
func plainDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if between(r) {
			return -1
		}
		return r
	}, s)
}

// between reports whether r is what people, keyboards and mail programs put
// between characters: blanks, hyphens and dashes, and what can't be seen.
func between(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf)
}
