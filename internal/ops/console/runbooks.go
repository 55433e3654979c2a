package console

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"firstpass.internal/internal/jml"
)

// runbooks are docs/operations.md as a page.
type runbooks struct {
	html    template.HTML
	anchors map[string]bool
	parts   []chapter
}

// chapter is one that the list at the head of the page leads to.
type chapter struct{ ID, Title string }

// render makes a page of markdown. Its raw HTML is left out, but for anchors.
func render(markdown string) (runbooks, error) {
	out := runbooks{anchors: map[string]bool{}}
	if markdown == "" {
		return out, nil
	}
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithParserOptions(parser.WithAutoHeadingID(), parser.WithAttribute()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(anchors{}, 1))),
	)
	source := []byte(markdown)
	doc := md.Parser().Parse(text.NewReader(source))
	keep(doc)
	// The page has a title already.
	if h, ok := doc.FirstChild().(*ast.Heading); ok && h.Level == 1 {
		doc.RemoveChild(doc, h)
	}
	level := 1
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			continue
		}
		// Who hears the page finds their way by levels that skip none.
		h.Level = max(2, min(h.Level, level+1))
		level = h.Level
		if id, ok := h.AttributeString("id"); ok && h.Level == 2 {
			if raw, ok := id.([]byte); ok {
				out.parts = append(out.parts, chapter{string(raw), string(words(h, source))})
			}
		}
	}
	var page bytes.Buffer
	if err := md.Renderer().Render(&page, source, doc); err != nil {
		return out, fmt.Errorf("console: runbooks: %w", err)
	}
	for _, m := range regexp.MustCompile(`\bid="([^"]+)"`).FindAllStringSubmatch(page.String(), -1) {
		out.anchors[m[1]] = true
	}
	// Goldmark escapes everything but what anchors lets through. A head of a
	// column without words is none.
	out.html = template.HTML(strings.ReplaceAll(page.String(), "<th></th>", "<td></td>"))
	return out, nil
}

// words is the text under n.
func words(n ast.Node, source []byte) []byte {
	var out []byte
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			out = append(out, t.Segment.Value(source)...)
			continue
		}
		out = append(out, words(c, source)...)
	}
	return out
}

// keep takes away links to other documents, which the console does not have,
// and keeps their text.
func keep(doc ast.Node) {
	var gone []*ast.Link
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker never fails
		if l, ok := n.(*ast.Link); ok && entering && !bytes.HasPrefix(l.Destination, []byte("#")) && !bytes.HasPrefix(l.Destination, []byte("https://")) {
			gone = append(gone, l)
		}
		return ast.WalkContinue, nil
	})
	for _, l := range gone {
		parent := l.Parent()
		for c := l.FirstChild(); c != nil; {
			next := c.NextSibling()
			parent.InsertBefore(parent, l, c)
			c = next
		}
		parent.RemoveChild(parent, l)
	}
}

// anchors renders raw HTML: <a id="name"></a> and nothing else.
type anchors struct{}

func (anchors) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if raw, ok := n.(*ast.RawHTML); ok && entering {
			for i := range raw.Segments.Len() {
				s := raw.Segments.At(i)
				anchor(w, s.Value(source))
			}
		}
		return ast.WalkSkipChildren, nil
	})
	reg.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			for i := range n.Lines().Len() {
				s := n.Lines().At(i)
				anchor(w, s.Value(source))
			}
		}
		return ast.WalkContinue, nil
	})
}

func anchor(w util.BufWriter, raw []byte) {
	for _, m := range regexp.MustCompile(`<a (?:id|name)="([A-Za-z0-9._-]+)"\s*/?>`).FindAllSubmatch(raw, -1) {
		_, _ = fmt.Fprintf(w, `<span id="%s"></span>`, m[1]) // the buffer keeps its error for the end
	}
}

// link is the address of a runbook: its own anchor, or else the page's head.
func (r runbooks) link(anchor string) string {
	if r.html == "" {
		return ""
	}
	// GitHub writes anchors of headings in lower case.
	for _, a := range []string{anchor, strings.ToLower(anchor)} {
		if r.anchors[a] {
			return "/runbooks#" + a
		}
	}
	return "/runbooks"
}

func (r runbooks) blocked(reason jml.BlockReason) string {
	if reason == "" {
		return ""
	}
	return r.link("blocked-" + string(reason))
}

type runbookPage struct {
	view
	HTML     template.HTML
	Chapters []chapter
}

func (x *exchange) runbook() {
	x.show(200, "runbooks", runbookPage{x.view("runbooks", "Runbooks"), x.runbooks.html, x.runbooks.parts})
}
