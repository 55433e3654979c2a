// Package delivery words messages and gives them to channels.
//
// A message is a template per locale: a subject, a text message, and a body in
// Markdown of which the text and the HTML part are made. Those in the folder
// templates are part of the binary; an overlay replaces them or adds others.
// All are tried when they are loaded.
//
// Secrets are in clear in one place, the message, from here to the channel's
// request; nothing of them is kept, and no error, receipt or print of a value of
// this package holds any. While a template is carried out and its Markdown read,
// a mark stands in for each secret: neither can alter it.
//
// Every method that sends answers with a *jml.Fault (use errors.As). If the
// caller's context ended, errors.Is finds context.Canceled or
// context.DeadlineExceeded in the error too. Nothing here tries again; Temporal
// alone does.
package delivery
