package channel

import (
	"context"
	"errors"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// graph sends from a mailbox of the tenant.
type graph struct {
	mailer        GraphMailer
	from, replyTo string
}

func (*graph) Address() jml.AddressKind { return jml.AddressMail }
func (*graph) Carries(jml.Message) bool { return true }
func (g *graph) Self() string           { return g.from }

// Post with dry only looks at the message: Graph has nothing to ask. That the
// permission is there, firstpass check finds out.
func (g *graph) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	if f := mailable(KindGraph, op, m); f != nil {
		return jml.Receipt{}, f
	}
	if dry {
		return jml.Receipt{}, nil
	}
	bounded, stop := context.WithTimeout(ctx, postTimeout)
	defer stop()
	// Graph takes only headers of our own, so Auto-Submitted can't go along.
	err := g.mailer.SendMail(bounded, g.from, m.To, g.replyTo, m.Subject, m.Text, m.HTML, map[string]string{suppress: "All"})
	if err == nil {
		return jml.Receipt{}, nil // Graph names no message
	}
	return jml.Receipt{}, outbound.Told(ctx, graphFault(op, m, err))
}

// graphFault retells a Fault of Graph in the words of a channel: it speaks of
// passes and users otherwise.
func graphFault(op string, m Message, err error) *jml.Fault {
	var theirs *jml.Fault
	if !errors.As(err, &theirs) {
		return unavailable(KindGraph, op, outbound.NoAnswer(err))
	}
	f := *theirs
	f.System, f.Op, f.Text = string(KindGraph), op, ""
	f.Code, f.RequestID = said(m, f.Code), said(m, f.RequestID)
	switch {
	case f.Kind == jml.FaultThrottled || f.Kind == jml.FaultUnavailable || f.Kind == jml.FaultConflict:
		f.Reason = jml.ReasonChannelUnavailable
	case f.Kind == jml.FaultDenied:
		f.Reason = jml.ReasonPermissionMissing
	case f.Reason != jml.ReasonNoRecipient:
		f.Reason = jml.ReasonMessageRefused
	}
	if f.Kind == jml.FaultNotFound {
		f.Kind = jml.FaultRefused // no such mailbox to send from: a person must act
	}
	return &f
}
