package entrasim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strings"
)

// draw returns 32 bytes that depend on the seed, the purpose and how many draws
// the directory has made so far. The count is part of the state, so a restarted
// tenant never hands out an id twice. t.mu must be held.
func (t *Tenant) draw(purpose string) [32]byte {
	t.st.Draws++
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], t.seed)
	binary.LittleEndian.PutUint64(b[8:], t.st.Draws)
	return sha256.Sum256(append(b[:], purpose...))
}

func (t *Tenant) newID(purpose string) string {
	sum := t.draw(purpose)
	return guid(sum[:16])
}

func guid(b []byte) string {
	var g [16]byte
	copy(g[:], b)
	g[6], g[8] = g[6]&0x0f|0x40, g[8]&0x3f|0x80
	h := hex.EncodeToString(g[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// traceID is for request ids, which nobody needs to repeat.
func traceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return guid(b[:])
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
				return false
			}
		}
	}
	return true
}

// Characters of a passcode. Graph's documented sample holds a plus sign, so
// codes are not alphanumeric; the others here are those that an unescaped URL,
// HTML page, CSV cell or shell line would spoil.
const (
	plainChars   = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	specialChars = "+&=%#/?<>!*"
)

// newPasscode makes a code of n characters, at least one of them special and
// often the plus sign, so that an escaping mistake shows in the first run.
func (t *Tenant) newPasscode(n int) string {
	code := make([]byte, 0, n)
	for len(code) < n {
		sum := t.draw("passcode")
		x := new(big.Int).SetBytes(sum[:])
		all := plainChars + specialChars
		for range 16 {
			if len(code) == n {
				break
			}
			code = append(code, all[pick(x, len(all))])
		}
	}
	if !strings.ContainsAny(string(code), specialChars) {
		sum := t.draw("special")
		x := new(big.Int).SetBytes(sum[:])
		code[pick(x, n)] = specialChars[pick(x, len(specialChars))]
	}
	return string(code)
}

// pick takes a number below n out of x.
func pick(x *big.Int, n int) int {
	var rest big.Int
	x.QuoRem(x, big.NewInt(int64(n)), &rest)
	return int(rest.Int64())
}
