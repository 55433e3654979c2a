// Package channel gives ready messages to the services that carry them: mail,
// text messages, signed webhooks, chat. It words nothing and chooses nothing.
//
// A message may hold a passcode, a link or a code in clear. It is gone when Post
// returns; no error, receipt or print of a value of this package holds any of
// it, nor an address, nor a word of the service's reply.
package channel

import (
	"context"
	"fmt"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// Channel is one way to somebody. Its errors are *jml.Fault. Nothing here tries
// again; Temporal alone does.
type Channel interface {
	// Post sends m, or with dry asks the service to check it and send nothing,
	// as far as the service can. A nil error means that the service took the
	// message, not that anybody got it.
	Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error)
	// Address is what the channel needs to know of a recipient.
	Address() jml.AddressKind
	// Carries reports whether the channel is safe enough for such a message.
	Carries(jml.Message) bool
	// Self is an address of our own, to try the channel with; empty if it needs
	// none.
	Self() string
}

// Message is ready to be sent.
type Message struct {
	To      string // mail address or E.164 number; empty if the channel is an address itself
	Subject string // holds nothing secret
	Text    string
	HTML    string
	SMS     string // short; nothing but text
	Locale  string // BCP 47, of the words above
	Dir     string // ltr or rtl
	// Fields are what a receiving program may want, by name: the names stand in
	// docs/delivery.md. Secrets are among them under passcode, link, code and
	// pickup_reference.
	Fields map[string]string
	// Notice is what the message was worded from.
	Notice jml.Notice
	// Contents are its secrets, for channels that set them in a way of their
	// own.
	Contents secret.Contents
}

// Format keeps secrets out of whatever prints a message by mistake.
func (Message) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[message]")) }
