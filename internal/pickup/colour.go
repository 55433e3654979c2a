package pickup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// colour is one of sRGB.
type colour struct{ r, g, b uint8 }

func parseColour(s string) (colour, error) {
	if len(s) == 7 && s[0] == '#' {
		if b, err := hex.DecodeString(s[1:]); err == nil {
			return colour{b[0], b[1], b[2]}, nil
		}
	}
	return colour{}, errors.New("want #rrggbb")
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is WCAG 2.2's relative luminance.
func (c colour) luminance() float64 {
	part := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c.r) + 0.7152*part(c.g) + 0.0722*part(c.b)
}

// contrast is WCAG 2.2's contrast ratio, from 1 to 21.
func contrast(a, b colour) float64 {
	high, low := a.luminance(), b.luminance()
	if high < low {
		high, low = low, high
	}
	return (high + 0.05) / (low + 0.05)
}

// ink returns black or white, whichever is read better on c. The better one has
// a contrast of 4.58 or more on any colour; AA asks for 4.5.
func (c colour) ink() colour {
	black, white := colour{}, colour{255, 255, 255}
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}

// brandCSS sets what the stylesheet leaves to the organisation. Links and
// borders don't take its colour: on the page's ground it may not be seen.
func brandCSS(c colour) []byte {
	return fmt.Appendf(nil, ":root{--brand:%s;--on-brand:%s}\n", c, c.ink())
}
