package delivery

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"strings"
	texttemplate "text/template"

	"go.yaml.in/yaml/v3"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// template is one message in one locale.
type template struct {
	message  jml.Message
	lang     string // tag
	dir      string
	subject  *texttemplate.Template
	sms      *texttemplate.Template
	body     *texttemplate.Template
	layout   *htmltemplate.Template
	markdown markdown
}

// front is what stands before the body of a template.
type front struct {
	Subject string `yaml:"subject"`
	SMS     string `yaml:"sms"`
}

// parseTemplate reads a template file. Errors name the file and, where there is
// one, the line.
func parseTemplate(name string, raw []byte) (*template, error) {
	f, body, err := split(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t := &template{}
	for part, dest := range map[string]struct {
		text string
		out  **texttemplate.Template
	}{
		name + " subject": {f.Subject, &t.subject}, name + " sms": {f.SMS, &t.sms}, name: {body, &t.body},
	} {
		if strings.ContainsFunc(dest.text, privateUse) {
			return nil, fmt.Errorf("%s: holds a character of private use", part)
		}
		parsed, err := texttemplate.New(part).Option("missingkey=error").Parse(dest.text)
		if err != nil {
			return nil, err // names part and line
		}
		*dest.out = parsed
	}
	return t, t.checkNames()
}

func privateUse(r rune) bool { return r >= 0xe000 && r <= 0xf8ff }

// split takes a file apart. The body keeps its line numbers.
func split(raw []byte) (f front, body string, err error) {
	text := strings.ReplaceAll(strings.TrimPrefix(string(raw), "\ufeff"), "\r\n", "\n")
	rest, ok := strings.CutPrefix(text, "---\n")
	head, body, closed := strings.Cut(rest, "\n---\n")
	if !ok || !closed {
		return f, "", errors.New("want subject and sms between two lines of ---, then the body")
	}
	dec := yaml.NewDecoder(strings.NewReader("\n" + head)) // the blank line stands for the first ---
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, "", err
	}
	if strings.TrimSpace(f.Subject) == "" || strings.TrimSpace(f.SMS) == "" {
		return f, "", errors.New("subject or sms is missing")
	}
	if strings.TrimSpace(body) == "" {
		return f, "", errors.New("the body is missing")
	}
	return f, strings.Repeat("\n", strings.Count(head, "\n")+3) + body, nil
}

// filled is a template carried out: marks stand for secrets.
type filled struct{ subject, sms, text, html string }

// fill carries the template out. Its errors quote the template, and can't quote
// a secret.
func (t *template) fill(v view) (filled, error) {
	words, err := t.execute(v)
	if err != nil {
		return filled{}, err
	}
	return t.set(words)
}

// words are the parts of a template carried out, as their files wrap them.
type words struct{ subject, sms, body string }

func (t *template) execute(v view) (words, error) {
	run := func(tmpl *texttemplate.Template, v view) (string, error) {
		var b bytes.Buffer
		err := tmpl.Execute(&b, v)
		return b.String(), err
	}
	subject, err1 := run(t.subject, v)
	sms, err2 := run(t.sms, v)
	body, err3 := run(t.body, v.escaped())
	return words{subject, sms, body}, errors.Join(err1, err2, err3)
}

// set makes a message of w.
func (t *template) set(w words) (filled, error) {
	var out filled
	// However the file wraps them. A text message may have several lines.
	out.subject = strings.Join(strings.Fields(w.subject), " ")
	for line := range strings.Lines(w.sms) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			out.sms = strings.TrimPrefix(out.sms+"\n"+line, "\n")
		}
	}
	if strings.ContainsFunc(out.subject, privateUse) {
		return out, fmt.Errorf("%s: holds a secret or a link", t.subject.Name())
	}
	if out.subject == "" || !oneLine(out.subject) {
		return out, fmt.Errorf("%s: comes out empty, or not as one line of text", t.subject.Name())
	}
	if out.sms == "" {
		return out, fmt.Errorf("%s: comes out empty", t.sms.Name())
	}
	page, text, err := t.markdown.render(w.body)
	if err != nil {
		return out, fmt.Errorf("%s: %w", t.body.Name(), err)
	}
	out.text = text
	var b bytes.Buffer
	if err := t.layout.Execute(&b, sheet{Lang: t.lang, Dir: t.dir, Subject: out.subject, Body: htmltemplate.HTML(page)}); err != nil {
		return out, err
	}
	out.html = b.String()
	return out, nil
}

// sheet is all that the layout may use.
type sheet struct {
	Lang, Dir, Subject string
	Body               htmltemplate.HTML
}

// holds checks that the message holds what it must and nothing that it may not.
// c is what there is to hold.
func (t *template) holds(f filled, c secret.Contents, reference string) error {
	linked := !c.Link.Empty()
	body, sms := bounds(t.message, linked)
	var errs []error
	count := func(part, in string, allowed map[string]bound, alone bool) {
		for name, mark := range secretMarks() {
			b := allowed[mark]
			if n := strings.Count(in, mark); n < b.least || n > b.most {
				errs = append(errs, fmt.Errorf("%s: {{.%s}} stands there %d times; want %d to %d", part, name, n, b.least, b.most))
			}
			if alone && strings.Count(in, paragraph(mark)) != strings.Count(in, mark) {
				errs = append(errs, fmt.Errorf("%s: {{.%s}} needs a paragraph of its own", part, name))
			}
		}
	}
	count(t.sms.Name(), f.sms, sms, false)
	count(t.body.Name(), f.html, body, true)
	count(t.body.Name()+" as text", f.text, body, false)
	// The page behind "not me" asks for characters of the reference: a scanner
	// that follows links has none to type.
	if disownable(t.message) && linked {
		for part, s := range map[string]string{t.sms.Name(): f.sms, t.body.Name(): f.text} {
			if strings.Contains(s, markLink) && (reference == "" || !strings.Contains(s, reference)) {
				errs = append(errs, fmt.Errorf("%s: {{.Reference}} is missing", part))
			}
		}
	}
	return errors.Join(errs...)
}
