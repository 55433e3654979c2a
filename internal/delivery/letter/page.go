package letter

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

//go:embed letter.html
var letterHTML string

// page sets letters in HTML.
type page struct{ t *template.Template }

func newPage() (page, error) {
	t, err := template.New("letter.html").Option("missingkey=error").Parse(letterHTML)
	return page{t}, err
}

func (p page) render(s sheet) ([]byte, error) {
	var b bytes.Buffer
	err := p.t.Execute(&b, s)
	return b.Bytes(), err
}

// quiet is the white border that readers of QR codes need, in modules (ISO/IEC
// 18004).
const quiet = 4

// bar is a run of black modules in a row of a QR code.
type bar struct{ x, y, n int }

func bars(c *qr.Code) []bar {
	var out []bar
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			n := 0
			for c.Black(x+n, y) {
				n++
			}
			if n > 0 {
				out = append(out, bar{x, y, n})
				x += n
			}
		}
	}
	return out
}

// QRSize is the width of the square code with its border, in modules.
func (p panel) QRSize() int { return p.QR.Size + 2*quiet }

// QRPath draws the black modules, for SVG.
func (p panel) QRPath() string {
	var b strings.Builder
	for _, r := range bars(p.QR) {
		fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", r.x+quiet, r.y+quiet, r.n, r.n)
	}
	return b.String()
}

// Shown reports whether there is anything to show.
func (p panel) Shown() bool { return p.QR != nil || p.Code != "" }
