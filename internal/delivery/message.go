package delivery

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"strings"
	texttemplate "text/template"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

//go:embed templates
var files embed.FS

// message is what a channel sends. It holds the passcode in clear.
type message struct {
	to, subject, text, html, reference string
}

// Format keeps the passcode out of whatever prints a message by mistake.
func (message) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[message]")) }

// view is all that the templates may use.
type view struct {
	Organisation Organisation
	Lang         string
	GivenName    string
	SignInName   string
	From, Until  string
	OneTime      bool
	Replaces     bool
	Methods      string
	Reference    string
	Passcode     secret.Passcode
}

// letter is the templates of one locale.
type letter struct {
	locale
	text *texttemplate.Template // defines "subject" too
	html *htmltemplate.Template
}

// loadLetters parses the templates of all locales and tries each out, so that a
// template that is wrong stops the process at its start and not a joiner.
func loadLetters(dir fs.FS, known map[string]locale) (map[string]letter, error) {
	out := map[string]letter{}
	for key, l := range known {
		t := letter{locale: l}
		var err error
		name := "templates/" + key
		if t.text, err = texttemplate.New(key+".txt").Option("missingkey=error").ParseFS(dir, name+".txt"); err != nil {
			return nil, fmt.Errorf("delivery: template: %w", err)
		}
		if t.html, err = htmltemplate.New(key+".html").Option("missingkey=error").ParseFS(dir, name+".html"); err != nil {
			return nil, fmt.Errorf("delivery: template: %w", err)
		}
		if err := t.try(); err != nil {
			return nil, fmt.Errorf("delivery: template %s: %w", name, err)
		}
		out[key] = t
	}
	return out, nil
}

// try renders all branches and counts the passcode: once in each part, never in
// the subject, which shows on lock screens and in logs of mail servers.
func (l letter) try() error {
	const sample = "SampleOfAPasscode"
	for i := range 8 {
		v := view{Organisation: Organisation{Name: "O", SignInURL: defaultSignInURL}, Lang: l.lang, SignInName: "n", From: "f", Until: "u",
			Methods: "m", Reference: "r", OneTime: i&1 > 0, Replaces: i&2 > 0, Passcode: secret.NewPasscode(sample)}
		if i&4 > 0 {
			v.GivenName, v.Organisation.Help = "g", "h"
		}
		m, err := l.fill(v)
		if err != nil {
			return err
		}
		if strings.Count(m.text, sample) != 1 || strings.Count(m.html, sample) != 1 || strings.Contains(m.subject, sample) {
			return errors.New("the passcode must stand in the text once, in the HTML once, and not in the subject")
		}
	}
	return nil
}

// fill executes the templates. An error of theirs can't hold the passcode: it
// quotes the template, not the data.
func (l letter) fill(v view) (message, error) {
	var subject, text, html bytes.Buffer
	if err := errors.Join(
		l.text.ExecuteTemplate(&subject, "subject", v),
		l.text.Execute(&text, v),
		l.html.Execute(&html, v),
	); err != nil {
		return message{}, err
	}
	m := message{subject: subject.String(), text: text.String(), html: html.String(), reference: v.Reference}
	if m.subject == "" || !oneLine(m.subject) {
		return message{}, errors.New("the subject is not one line")
	}
	return m, nil
}

// render writes the message of n. n.From and n.Until must be set.
func (s *Sender) render(op string, n jml.Notice, code secret.Passcode) (message, error) {
	if !bareAddress(n.Recipient) {
		return message{}, refuse(op, "badAddress", jml.ReasonNoRecipient)
	}
	zone, err := jml.LoadZone(n.Zone)
	if err != nil {
		return message{}, refuse(op, "badZone", jml.ReasonMessageRefused)
	}
	if n.SignInName == "" || !oneLine(n.SignInName) {
		return message{}, refuse(op, "badSignInName", jml.ReasonMessageRefused)
	}
	if wordOrNothing(n.Reference) != n.Reference {
		return message{}, refuse(op, "badReference", jml.ReasonMessageRefused)
	}
	l := choose(s.letters, n.Locale)
	m, err := l.fill(view{
		Organisation: s.organisation, Lang: l.lang,
		GivenName: plainName(n.GivenName), SignInName: n.SignInName,
		// Told in minutes, and never wider than the truth: who comes at the
		// first minute named must not be too early.
		From:    l.moment(n.From.Add(time.Minute - 1).Truncate(time.Minute).In(zone)),
		Until:   l.moment(n.Until.Truncate(time.Minute).In(zone)),
		OneTime: n.OneTime, Replaces: n.Replaces, Methods: l.either(n.Register),
		Reference: n.Reference, Passcode: code,
	})
	if err != nil {
		return message{}, refuse(op, "template", jml.ReasonMessageRefused)
	}
	m.to = n.Recipient
	return m, nil
}
