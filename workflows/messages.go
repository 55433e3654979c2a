package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// sent is a message and the ways it could go.
type sent struct {
	Delivery
	Routes []jml.Route     `json:"routes"`
	Route  int             `json:"route"`
	Reason jml.BlockReason `json:"reason,omitempty"` // of a journey's alert
}

// about returns the block that the message told of; nil for none.
func (s *sent) about() *jml.Block {
	if s.Reason == "" {
		return nil
	}
	return jml.Blocked(s.Reason, "")
}

// outbox keeps the messages of one workflow and what became of them.
type outbox struct {
	Messages int    `json:"messages,omitempty"` // numbers given out
	Sent     []sent `json:"sent,omitempty"`
}

// number gives the next message its number.
func (o *outbox) number() int {
	o.Messages++
	return o.Messages
}

// sent takes note of a message that a channel accepted.
func (o *outbox) sent(ctx workflow.Context, m jml.Message, n int, routes []jml.Route, route int, r jml.Receipt) {
	if route >= len(routes) {
		return // of a journey that began before there were routes
	}
	o.Sent = append(o.Sent, sent{
		Delivery: Delivery{N: n, Message: m, Channel: routes[route].Channel, To: routes[route].Recipient,
			Status: jml.DeliveryAccepted, At: workflow.Now(ctx), MessageID: r.MessageID},
		Routes: routes, Route: route,
	})
}

// because keeps why message n was sent, for when it has to go another way.
func (o *outbox) because(n int, reason jml.BlockReason) {
	if i := slices.IndexFunc(o.Sent, func(s sent) bool { return s.N == n }); i >= 0 {
		o.Sent[i].Reason = reason
	}
}

// learn takes in what a provider says of a message, and returns the message if
// that was news.
func (o *outbox) learn(d DeliveryNews, invitation string) *sent {
	if d.Invitation != invitation {
		return nil
	}
	i := slices.IndexFunc(o.Sent, func(s sent) bool { return s.N == d.N })
	if i < 0 || !d.Status.Follows(o.Sent[i].Status) {
		return nil
	}
	s := &o.Sent[i]
	s.Status, s.At, s.Detail = d.Status, d.At, d.Detail
	return s
}

func (o *outbox) deliveries() []Delivery {
	var out []Delivery
	for _, s := range o.Sent {
		out = append(out, s.Delivery)
	}
	return out
}

// send sends a message by the first of routes that takes it.
func (p *pass) send(ctx workflow.Context, m jml.Message, routes []jml.Route, v *visit) (MessageResult, error) {
	in := MessageInput{
		Ref: p.in.Ref, UserID: p.in.UserID, WorkflowID: p.id, Invitation: p.invitation, N: p.state.number(),
		Notice: p.notice(m), Routes: routes, Contact: p.in.Facts, Technician: p.technician(), LinkHash: p.state.Pickup.LinkHash,
	}
	if v != nil {
		in.Visit = v.ID
	}
	r, err := call(message(ctx, m), "SendMessage", Activities.SendMessage, in)
	if err != nil {
		return r, err
	}
	p.state.sent(ctx, m, in.N, routes, r.Route, r.Receipt)
	switch m {
	case jml.MessageIssued, jml.MessageCollected, jml.MessageReminder:
		p.state.Repudiate = r.Hash
	}
	return r, nil
}

// tell sends a message that nothing waits for, in a context of its own: it goes
// out though the journey ends. That it could not be sent stands in the workers'
// log.
func (p *pass) tell(ctx workflow.Context, m jml.Message, routes []jml.Route) {
	if len(routes) == 0 {
		return
	}
	p.telling++
	free, cancel := workflow.NewDisconnectedContext(ctx)
	workflow.Go(free, func(ctx workflow.Context) {
		defer cancel()
		_, _ = p.send(ctx, m, routes, nil)
		p.telling--
	})
}

// learn takes in what a provider says of a message.
func (p *pass) learn(d DeliveryNews) {
	if s := p.state.learn(d, p.invitation); s != nil && s.Status.Failed() {
		p.failed = append(p.failed, d.N)
		p.wake()
	}
}

// redirect sends what will not arrive by the next route. A link and its code
// say the same when they are sent again; a passcode that went astray is revoked,
// and the journey starts over with the routes that are left.
func (p *pass) redirect(ctx workflow.Context, n int) jml.PassEnd {
	i := slices.IndexFunc(p.state.Sent, func(s sent) bool { return s.N == n })
	if i < 0 {
		return ""
	}
	s := p.state.Sent[i]
	_, _ = callLocal(record(ctx), "RecordStep", Activities.RecordStep, StepInput{
		Ref: p.in.Ref, UserID: p.in.UserID, Event: StepBounced, Reason: string(s.Status), Detail: string(s.Message) + " by " + s.Channel,
	})
	if (s.Message == jml.MessageLink || s.Message == jml.MessageCode) && p.resent(s) {
		return "" // it was sent again since, by an operator, and that may arrive
	}
	left := s.Routes[s.Route+1:]
	switch s.Message {
	case jml.MessagePass:
		p.nextRoute = p.in.Skip + s.Route + 1
		routes := len(p.in.Profile.PassRoutes())
		if len(p.in.Profile.RestTo) > 0 {
			p.nextRoute = routes // halves are not told apart
		}
		if p.nextRoute < routes {
			// Nothing to look into: it goes another way.
			p.block = jml.Blocked(jml.ReasonUndeliverable, "")
			return jml.EndBlocked
		}
		return p.bar(ctx, jml.ReasonUndeliverable)
	case jml.MessageLink, jml.MessageCode:
		if p.state.Issued != nil {
			return "" // collected all the same
		}
		if len(left) > 0 {
			if _, err := p.send(ctx, s.Message, left, nil); err == nil {
				return ""
			}
		}
		return p.bar(ctx, jml.ReasonUndeliverable)
	case jml.MessageAttest:
		return "" // the visitor sees that nobody answers, and the desk can help
	}
	p.tell(ctx, s.Message, left)
	return ""
}

// resent reports whether the same message went out later, and has not failed.
func (p *pass) resent(s sent) bool {
	return slices.ContainsFunc(p.state.Sent, func(o sent) bool {
		return o.Message == s.Message && o.N > s.N && !o.Status.Failed()
	})
}

// nextReminder returns the next reminder and when it is due; -1 for none. What
// was due before the employee heard of us at all is passed over.
func (p *pass) nextReminder(ctx workflow.Context) (due time.Time, reminder int) {
	reminder = -1
	if len(p.in.Profile.Reminders) == 0 {
		return due, reminder
	}
	zone, err := jml.LoadZone(p.in.Facts.Zone)
	if err != nil {
		zone = time.UTC
	}
	expiry := p.in.Until
	if p.state.Issued != nil {
		expiry = p.state.Issued.Pass.EndsAt()
	}
	for i, t := range p.in.Profile.ReminderTimes(p.in.StartAt, expiry, zone) {
		if p.state.Reminded&(1<<i) != 0 || !t.After(p.state.Began) {
			continue
		}
		if reminder < 0 || t.Before(due) {
			due, reminder = t, i
		}
	}
	if now := workflow.Now(ctx); reminder >= 0 && due.Before(now) {
		due = now
	}
	return due, reminder
}

func (p *pass) remind(ctx workflow.Context, i int) {
	p.state.Reminded |= 1 << i
	p.tell(ctx, jml.MessageReminder, p.in.Profile.Reminders[i].To)
}

// notice returns what a message says, but for what only the tenant knows.
func (p *pass) notice(m jml.Message) jml.Notice {
	n := jml.Notice{
		Message:    m,
		GivenName:  p.in.Facts.GivenName,
		FamilyName: p.in.Facts.FamilyName,
		Site:       p.in.Facts.Site,
		Locale:     p.in.Facts.Locale,
		SignInName: p.in.UPN,
		Zone:       p.in.Facts.Zone,
		Start:      p.in.StartAt,
		OneTime:    p.in.Profile.OneTime,
		Register:   p.in.Profile.CompleteOn,
		Replaces:   p.in.Round > 0,
		Reference:  p.in.Ref,
		Journey:    p.in.Kind,
		Devices:    p.in.Profile.Devices,
	}
	if p.in.Request != nil {
		n.Device = p.in.Request.Device
	}
	switch m {
	case jml.MessageLink, jml.MessageCode, jml.MessageAttest:
		n.Until = p.state.Pickup.LinkUntil
	case jml.MessageAlert:
		n.Reason = jml.ReasonUsedUp
		if p.block != nil {
			n.Reason = p.block.Reason
		}
	case jml.MessageUnfinished:
		n.Expired = p.state.UsedAt.IsZero()
	case jml.MessageReminder:
		n.Until, n.Collected = p.in.Until, p.state.Issued != nil
	}
	if p.state.Issued != nil && m != jml.MessagePass {
		n.From, n.Until, n.CollectedAt = p.usable(), p.state.Issued.Pass.EndsAt(), p.state.Issued.HandedOverAt
	}
	return n
}
