package delivery

import (
	"bufio"
	"bytes"
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	htmlrenderer "github.com/yuin/goldmark/renderer/html"
	gmtext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// escape makes a value mean itself in Markdown: a backslash before every ASCII
// punctuation character (CommonMark 0.31, 2.4).
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 && util.IsPunct(byte(r)) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// markdown turns a body into the HTML and the text part. Both are made of one
// reading of it, so that both say the same.
type markdown struct {
	parser   goldmark.Markdown
	language string
}

func newMarkdown(tag string) markdown {
	return markdown{
		parser: goldmark.New(goldmark.WithRendererOptions(
			renderer.WithNodeRenderers(util.Prioritized(panel{}, 100)))),
		language: tag,
	}
}

func (m markdown) render(source string) (htmlPart, textPart string, err error) {
	src := []byte(source)
	doc := m.parser.Parser().Parse(gmtext.NewReader(src))
	if err := known(doc, src); err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	if err := m.parser.Renderer().Render(&out, src, doc); err != nil {
		return "", "", err
	}
	p := plain{src: src, upper: cases.Upper(language.Make(m.language))}
	return out.String(), p.blocks(doc, "\n\n") + "\n", nil
}

// known reports the first thing a message can't have, with its line: raw HTML,
// which values could not be told from; links and images, since the only links
// are those that Firstpass makes; code, in which escapes mean nothing.
func known(doc ast.Node, src []byte) error {
	line := 1
	return ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			line = 1 + bytes.Count(src[:n.Lines().At(0).Start], []byte("\n"))
		}
		switch n.Kind() {
		case ast.KindDocument, ast.KindHeading, ast.KindParagraph, ast.KindTextBlock, ast.KindList, ast.KindListItem,
			ast.KindBlockquote, ast.KindThematicBreak, ast.KindText, ast.KindString, ast.KindEmphasis:
			return ast.WalkContinue, nil
		}
		what := "this"
		switch n.Kind() {
		case ast.KindHTMLBlock, ast.KindRawHTML:
			what = "HTML"
		case ast.KindLink, ast.KindAutoLink, ast.KindImage:
			what = "a link or image of your own (write {{.SignInURL}}, {{.Page}} or {{.Link}})"
		case ast.KindCodeBlock, ast.KindFencedCodeBlock, ast.KindCodeSpan:
			what = "code, or a line indented by four or more spaces"
		}
		return ast.WalkStop, fmt.Errorf("line %d: a message can't have %s", line, what)
	})
}

// panel renders a quotation as the box that a secret stands in.
type panel struct{}

func (panel) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindBlockquote, func(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
		s := "</div>\n"
		if entering {
			s = `<div class="panel" style="margin:24px 0; padding:16px 20px 4px; border:1px solid #aeb9c9; border-radius:8px;">` + "\n"
		}
		_, err := w.WriteString(s)
		return ast.WalkContinue, err
	})
}

// plain writes a document as text. Line ends are the author's.
type plain struct {
	src   []byte
	upper cases.Caser
}

func (p plain) blocks(parent ast.Node, between string) string {
	var out []string
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if s := p.block(n); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, between)
}

func (p plain) block(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Heading:
		return p.upper.String(p.inline(n))
	case *ast.List:
		between := "\n\n"
		if n.IsTight {
			between = "\n"
		}
		var items []string
		number := n.Start
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			bullet := "- "
			if n.IsOrdered() {
				bullet = strconv.Itoa(number) + ". "
				number++
			}
			indent := "\n" + strings.Repeat(" ", len(bullet))
			items = append(items, bullet+strings.ReplaceAll(p.blocks(item, between), "\n", indent))
		}
		return strings.Join(items, between)
	case *ast.Blockquote:
		return p.blocks(n, "\n\n")
	case *ast.ThematicBreak:
		return "---"
	}
	s := p.inline(n)
	for _, mark := range secretMarks() {
		if s == mark {
			return "    " + s
		}
	}
	return s
}

func (p plain) inline(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.WriteString(literal(n.Segment.Value(p.src)))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(n.Value)
		default:
			b.WriteString(p.inline(n))
		}
	}
	return b.String()
}

// literal undoes escapes and entities by way of HTML, where goldmark does it:
// the two parts can't come to differ.
func literal(source []byte) string {
	var b bytes.Buffer
	w := bufio.NewWriterSize(&b, 256)
	htmlrenderer.DefaultWriter.Write(w, source)
	_ = w.Flush() // a bytes.Buffer takes everything
	return html.UnescapeString(b.String())
}
