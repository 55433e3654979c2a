// Package delivery hands a passcode over to the person it belongs to: it
// renders the message and gives it to a channel.
//
// The passcode is in clear in one place, the rendered message, from the
// template to the channel's request; nothing of it is kept, and no error,
// receipt or print of a value of this package holds it.
//
// Every method answers with a *jml.Fault (use errors.As). If the caller's
// context ended, errors.Is finds context.Canceled or context.DeadlineExceeded
// in the error too. Nothing here tries again; Temporal alone does.
package delivery
