package main

import (
	"context"
	"fmt"
	"io"

	"firstpass.internal/internal/jml"
)

type templateCmd struct {
	Preview templatePreviewCmd `cmd:"" help:"Show a message with invented data, or all of them."`
}

type templatePreviewCmd struct {
	Message string `arg:"" optional:"" help:"pass, link, code, issued, collected, reminder, escalation, attest, alert, approval, moved, unfinished or missed; default all."`
	Journey string `help:"joiner, mover, recovery or staging." default:"joiner" placeholder:"KIND"`
	Locale  string `help:"BCP 47 tag; default messages.locale." placeholder:"TAG"`
	HTML    bool   `help:"Show the HTML part instead of the text." name:"html"`
}

// Run implements the command. Templates that are wrong are told with their file.
func (t *templatePreviewCmd) Run(_ context.Context, env *environment) error {
	cfg, err := env.load()
	if err != nil {
		return err
	}
	directory, err := newGraph(cfg)
	if err != nil {
		return err
	}
	sender, err := newSender(cfg, directory)
	if err != nil {
		return usageError{err}
	}
	if t.Locale == "" {
		t.Locale = cfg.Messages.Locale
	}
	messages := jml.Messages()
	if t.Message != "" {
		messages = []jml.Message{jml.Message(t.Message)}
	}
	type shownMessage struct {
		Message jml.Message `json:"message"`
		Locale  string      `json:"locale"`
		Subject string      `json:"subject"`
		Text    string      `json:"text"`
		HTML    string      `json:"html"`
		SMS     string      `json:"sms,omitempty"`
	}
	var out []shownMessage
	for _, m := range messages {
		p, err := sender.Preview(m, jml.Kind(t.Journey), t.Locale)
		if err != nil {
			return usageError{hinted{err, "firstpass template preview --help lists the messages and journeys"}}
		}
		out = append(out, shownMessage{m, p.Locale, p.Subject, p.Text, p.HTML, p.SMS})
	}
	return env.print(out, func(w io.Writer) {
		for i, m := range out {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "== %s (%s)\nSubject: %s\n\n", m.Message, m.Locale, m.Subject)
			if t.HTML {
				fmt.Fprintln(w, m.HTML)
				continue
			}
			fmt.Fprintln(w, m.Text)
			if m.SMS != "" {
				fmt.Fprintf(w, "Text message: %s\n", m.SMS)
			}
		}
	})
}
