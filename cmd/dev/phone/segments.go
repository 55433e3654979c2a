package phone

import (
	"strings"
	"unicode/utf16"
)

// The alphabet of text messages and the characters that cost two places in it.
//
// Source: 3GPP TS 23.038, sections 6.2.1 and 6.2.1.1.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmMore  = "\f^{}\\[~]|€"
)

// segments counts the parts that a text is sent in. One character outside the
// alphabet makes each part 70 long in place of 160.
func segments(body string) (n int, unicode bool) {
	places := 0
	for _, r := range body {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			places++
		case strings.ContainsRune(gsmMore, r):
			places += 2
		default:
			return parts(len(utf16.Encode([]rune(body))), 70, 67), true
		}
	}
	return parts(places, 160, 153), false
}

func parts(places, alone, joined int) int {
	if places <= alone {
		return 1
	}
	return (places + joined - 1) / joined
}
