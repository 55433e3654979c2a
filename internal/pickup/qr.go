package pickup

import (
	"errors"
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

// qrCode draws text as SVG markup: a style sheet or data: image would need a
// wider content security policy. It is dark on white in every colour scheme,
// with the quiet zone of four modules that ISO/IEC 18004 asks for.
func qrCode(text string) (template.HTML, error) {
	if text == "" {
		return "", errors.New("pickup: nothing to draw")
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("pickup: QR code: %w", err)
	}
	const quiet = 4
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > start {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", start+quiet, y+quiet, x-start, x-start)
			}
		}
	}
	side := code.Size + 2*quiet
	// Numbers only: nothing of text is in the markup.
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %d" shape-rendering="crispEdges" aria-hidden="true" focusable="false">`+
		`<rect width="%d" height="%d" fill="#fff"/><path d="%s" fill="#000"/></svg>`, side, side, side, side, path.String())), nil
}
