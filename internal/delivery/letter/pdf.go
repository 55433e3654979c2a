package letter

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
)

// errScript says that the fonts lack a character: they have Latin, Greek and
// Cyrillic, and write left to right.
var errScript = errors.New("letter: text in a script that the fonts lack")

// Fonts of the PDF, by the names fpdf knows them by.
const (
	regular = "go"
	bold    = "gobold"
	mono    = "gomono"
)

// typesetter sets letters in PDF, on A4. Nothing lies below 270 mm or right of
// 190 mm, so that it may be printed on Letter too, without scaling.
type typesetter struct {
	fonts map[string]font
}

type font struct {
	ttf   []byte
	glyph *sfnt.Font
}

func newTypesetter() (typesetter, error) {
	t := typesetter{map[string]font{}}
	for name, ttf := range map[string][]byte{regular: goregular.TTF, bold: gobold.TTF, mono: gomonobold.TTF} {
		f, err := sfnt.Parse(ttf)
		if err != nil {
			return t, err
		}
		t.fonts[name] = font{ttf, f}
	}
	return t, nil
}

// Millimetres on the page, by DIN 5008 form B.
const (
	left       = 25.0
	width      = 165.0
	top        = 20.0
	bottom     = 270.0
	windowWide = 75.0
	returnAt   = 49.0
	personalAt = 59.0
	addressAt  = 66.0 // first base line
	addressGap = 4.55
	factsLeft  = 135.0
	bodyAt     = 100.0
	foldOne    = 105.0
	holes      = 148.5
	foldTwo    = 210.0
	qrWide     = 42.0
	point      = 25.4 / 72
)

// writer is a letter being set.
type writer struct {
	*fpdf.Fpdf
	fonts   map[string]font
	buf     sfnt.Buffer
	size    float64 // points
	name    string
	y       float64
	missing bool
}

// render returns errScript if it can't set the letter. The same letter gives
// the same bytes.
func (t typesetter) render(s sheet) ([]byte, error) {
	w, err := t.set(s)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := w.Output(&b); err != nil {
		return nil, fmt.Errorf("letter: PDF: %w", err)
	}
	return b.Bytes(), nil
}

func (t typesetter) set(s sheet) (*writer, error) {
	if s.Dir == "rtl" {
		return nil, errScript
	}
	w := &writer{Fpdf: fpdf.New("P", "mm", "A4", ""), fonts: t.fonts}
	w.SetCatalogSort(true)
	w.SetCreationDate(s.At)
	w.SetModificationDate(s.At)
	w.SetAutoPageBreak(false, 0)
	w.SetLang(s.Lang)
	w.SetTitle(s.Subject, true)
	w.SetAuthor(s.Organisation, true)
	w.SetProducer("Firstpass", false)
	for _, name := range []string{regular, bold, mono} {
		// A copy: fpdf writes into the bytes of monospaced fonts (getMetrics, as
		// of v0.11.1), and letters are set side by side.
		w.AddUTF8FontFromBytes(name, "", bytes.Clone(t.fonts[name].ttf))
	}
	w.AddPage()
	w.head(s)
	w.body(s)
	if w.missing {
		return nil, errScript
	}
	return w, w.Error()
}

func (w *writer) head(s sheet) {
	w.use(bold, 14)
	for i, l := range w.wrap(s.Organisation, 120, 2) {
		w.put(left+width-w.GetStringWidth(l), top+float64(i)*6, l)
	}
	w.SetLineWidth(0.1)
	for _, y := range []float64{foldOne, holes, foldTwo} {
		w.Line(4, y, 8, y)
	}
	if s.Return != "" {
		w.use(regular, 7)
		w.put(left, returnAt, w.wrap(s.Return, windowWide, 1)[0])
		w.Line(left, returnAt+1, left+windowWide, returnAt+1)
	}
	w.use(bold, 9)
	w.put(left, personalAt, s.Words.Personal)
	w.use(regular, 10.5)
	y := addressAt
	for _, part := range s.To {
		for _, l := range w.wrap(part, windowWide, 2) {
			w.put(left, y, l)
			y += addressGap
		}
	}
	y = returnAt + 4
	for _, f := range [][2]string{{s.Words.Date, s.Date}, {s.Words.Case, s.Case}} {
		if f[1] == "" {
			continue
		}
		w.use(regular, 8)
		w.put(factsLeft, y, f[0])
		w.use(regular, 10)
		for _, l := range w.wrap(f[1], left+width-factsLeft, 2) {
			y += 4.5
			w.put(factsLeft, y, l)
		}
		y += 6
	}
	w.y = bodyAt
}

func (w *writer) body(s sheet) {
	if s.Subject != "" {
		w.use(bold, 13)
		w.paragraph(left, width, s.Subject)
		w.y += 2
	}
	w.use(regular, 10.5)
	for _, p := range s.Text {
		w.paragraph(left, width, p)
	}
	for i, step := range s.Steps {
		w.room(w.leading())
		w.put(left, w.y, strconv.Itoa(i+1)+".")
		w.paragraph(left+7, width-7, step)
	}
	if s.Panel.Shown() {
		w.panel(s)
	}
	w.use(regular, 10.5)
	for _, p := range s.Closing {
		w.paragraph(left, width, p)
	}
}

// panel frames what has to be at hand.
func (w *writer) panel(s sheet) {
	const inner = 4.0
	p, x, wide := s.Panel, left+inner, width-2*inner
	if p.QR != nil {
		x, wide = x+qrWide+inner, wide-qrWide-inner
	}
	lines, text := w.rows(s, wide)
	high := text
	if p.QR != nil {
		high = max(high, qrWide)
	}
	w.y -= 2
	w.room(high + 2*inner + 4)
	from := w.y
	w.SetLineWidth(0.4)
	w.RoundedRect(left, from, width, high+2*inner, 2, "1234", "D")
	if p.QR != nil {
		w.SetFillColor(0, 0, 0)
		module := qrWide / float64(p.QRSize())
		for _, b := range bars(p.QR) {
			// A hair more than a module: viewers show seams between rows.
			w.Rect(left+inner+float64(b.x+quiet)*module, from+inner+(high-qrWide)/2+float64(b.y+quiet)*module, float64(b.n)*module, module+0.01, "F")
		}
	}
	for _, l := range lines {
		w.use(l.font, l.size)
		w.put(x, from+inner+(high-text)/2+l.y, l.text)
	}
	w.y = from + high + 2*inner + 8
}

// placed is a line below the top of the panel's text.
type placed struct {
	y    float64
	font string
	size float64
	text string
}

// rows returns the panel's labels and values, and how high they are together.
func (w *writer) rows(s sheet, wide float64) ([]placed, float64) {
	const gap = 2.5
	var out []placed
	y := 0.0
	for _, r := range []struct {
		label, text, font string
		size              float64
	}{
		{s.Words.Page, s.Panel.Page, bold, 10.5},
		{s.Words.Reference, s.Panel.Reference, mono, 19},
		{s.Words.Code, s.Panel.Code, mono, 28},
		{s.Words.Until, s.Panel.Until, regular, 10.5},
	} {
		if r.text == "" {
			continue
		}
		w.use(regular, 8.5)
		y += w.leading()
		out = append(out, placed{y, regular, 8.5, r.label})
		w.use(r.font, r.size)
		y -= 0.2 * r.size * point // closer to its label than lines are
		for _, l := range w.wrap(r.text, wide, 4) {
			y += w.leading()
			out = append(out, placed{y, r.font, r.size, l})
		}
		y += gap
	}
	return out, y - gap
}

// use chooses the font for what follows; size is in points.
func (w *writer) use(name string, size float64) {
	w.name, w.size = name, size
	w.SetFont(name, "", size)
}

// leading is the distance of lines, in millimetres.
func (w *writer) leading() float64 { return w.size * point * 1.35 }

// room starts a page if there is less left than high.
func (w *writer) room(high float64) {
	if w.y+high-w.leading() > bottom {
		w.AddPage()
		w.y = top + w.leading()
	}
}

// put writes one line with its base line at y.
func (w *writer) put(x, y float64, s string) {
	if w.has(s) {
		w.Text(x, y, s)
	}
}

// paragraph writes the lines of s below each other, and some space.
func (w *writer) paragraph(x, wide float64, s string) {
	for given := range strings.SplitSeq(s, "\n") {
		for _, l := range w.wrap(given, wide, 0) {
			w.room(w.leading())
			w.put(x, w.y, l)
			w.y += w.leading()
		}
	}
	w.y += 2.2
}

// has reports whether the font has all of s. fpdf must see nothing else: it
// would leave boxes, and fail beyond the basic plane.
func (w *writer) has(s string) bool {
	for _, r := range s {
		i, err := w.fonts[w.name].glyph.GlyphIndex(&w.buf, r)
		if err != nil || i == 0 {
			w.missing = true
			return false
		}
	}
	return true
}

// wrap breaks s into lines of at most wide millimetres, at blanks if it can. Of
// more than limit lines (0: any number) the last one kept ends in an ellipsis.
// It returns one line at least.
func (w *writer) wrap(s string, wide float64, limit int) []string {
	if !w.has(s) {
		return []string{""}
	}
	fits := func(s string) bool { return w.GetStringWidth(s) <= wide }
	var lines []string
	for rest := s; ; {
		if fits(rest) {
			lines = append(lines, rest)
			break
		}
		if limit > 0 && len(lines) == limit-1 {
			cut := []rune(rest)
			for len(cut) > 0 && !fits(string(cut)+"…") {
				cut = cut[:len(cut)-1]
			}
			lines = append(lines, strings.TrimRight(string(cut), " ")+"…")
			break
		}
		end, blank := 0, 0
		for i, r := range rest {
			if !fits(rest[:i] + string(r)) {
				break
			}
			end = i + len(string(r))
			if r == ' ' {
				blank = i
			}
		}
		if blank > 0 {
			end = blank
		}
		end = max(end, len(string([]rune(rest)[:1])))
		lines = append(lines, rest[:end])
		rest = strings.TrimLeft(rest[end:], " ")
	}
	return lines
}
