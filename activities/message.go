package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// patience is how many tries a channel gets that does not answer, before the
// next route does.
const patience = 3

// grace is how long links can be found after what they are about: a pass can be
// said to be somebody else's work after it has expired, and another one be asked
// for with a link that has lapsed. The workflow decides what they are good for.
const grace = 7 * 24 * time.Hour

// SendMessage implements workflows.Activities.
//
// Crash: link and code derive from what the message is about, so a try that
// can't know whether an earlier one went out sends the same words again. The
// link is stored before the message goes: nobody gets one that leads nowhere.
func (a *Activities) SendMessage(ctx context.Context, in workflows.MessageInput) (workflows.MessageResult, error) {
	result, err := a.sendMessage(ctx, in)
	if err != nil {
		a.log.Warn("a message could not be sent", "ref", in.Ref, "message", in.Notice.Message, "error", err)
		return workflows.MessageResult{}, toTemporal(err)
	}
	return result, nil
}

func (a *Activities) sendMessage(ctx context.Context, in workflows.MessageInput) (workflows.MessageResult, error) {
	var result workflows.MessageResult
	contents, err := a.contents(ctx, in, &result)
	if err != nil {
		return result, err
	}
	r := router{a: a, userID: in.UserID, technician: in.Technician, contact: in.Contact}
	err = noRoute()
	for i, route := range in.Routes {
		var n jml.Notice
		if n, err = r.address(ctx, in.Notice, route); err != nil {
			return result, err
		}
		a.name(&n, in.WorkflowID, in.Invitation, in.N)
		if err = a.send.Check(ctx, n); err != nil {
			continue
		}
		if err := a.record(ctx, audit.Entry{Event: audit.EventMessageSend, Ref: in.Ref, UserID: in.UserID, Detail: string(n.Message) + " by " + n.Channel}); err != nil {
			return result, err
		}
		if result.Receipt, err = a.send.Send(ctx, n, contents); err == nil {
			result.Route = i
			return result, nil
		}
		if !refused(err) && attempt(ctx) < patience {
			return result, err
		}
	}
	return result, err
}

// contents makes the secrets that the message carries, and their hashes.
func (a *Activities) contents(ctx context.Context, in workflows.MessageInput, result *workflows.MessageResult) (secret.Contents, error) {
	var c secret.Contents
	link := func(kind invitation.Kind, until time.Time) error {
		made, err := a.inv.Link(ctx, invitation.Spec{
			Kind: kind, WorkflowID: in.WorkflowID, Invitation: in.Invitation, Visit: in.Visit, Ref: in.Ref, Until: until,
		})
		if err != nil {
			a.log.Warn("a link could not be stored", "ref", in.Ref, "error", err)
			return &jml.Fault{System: "ledger", Op: "store a link", Kind: jml.FaultUnavailable, Reason: jml.ReasonInternal}
		}
		c.Link, result.Hash = made.Link, made.Hash
		if kind == invitation.Collect {
			c.PickupReference = made.Reference
		}
		return nil
	}
	var err error
	switch in.Notice.Message {
	case jml.MessageLink:
		err = link(invitation.Collect, in.Notice.Until.Add(grace))
	case jml.MessageCode:
		c.Code, result.Hash = a.inv.Code(in.WorkflowID, in.Invitation, in.LinkHash)
	case jml.MessageAttest:
		if err = link(invitation.Attest, in.Notice.Until); err == nil {
			result.NumberHash = a.inv.HashNumber(result.Hash, a.inv.Number(in.Visit))
		}
	case jml.MessageIssued, jml.MessageCollected, jml.MessageReminder:
		// Without a pick-up page there is nowhere to say "not me": the message
		// says whom to call instead.
		if a.inv.Links() {
			err = link(invitation.Repudiate, in.Notice.Until.Add(grace))
		}
	}
	return c, err
}

// name gives n what it is known by: to its receiver and in its provider's events.
func (a *Activities) name(n *jml.Notice, workflowID, inv string, number int) {
	h := invitation.Handle{WorkflowID: workflowID, Invitation: inv, N: number}
	n.ID, n.Handle = a.inv.MessageID(h), a.inv.Handle(h)
}

// router finds the addresses of one employee's routes. The tenant is asked once,
// and only if a route needs it.
type router struct {
	a          *Activities
	userID     string // empty: nobody in the tenant can be found by it
	technician string
	contact    jml.Snapshot
	around     *jml.Addressees
	sponsor    bool // around has the sponsor, which costs a request of its own
}

// address completes n for a route. An address that is not there is left empty:
// Check tells.
func (r *router) address(ctx context.Context, n jml.Notice, route jml.Route) (jml.Notice, error) {
	sponsor := route.Recipient == jml.RecipientSponsor
	n.Channel, n.To = route.Channel, route.Recipient
	if n.Message == jml.MessageReminder && !route.Recipient.Employee() {
		n.Message = jml.MessageEscalation
	}
	if route.Recipient == jml.RecipientTechnician {
		return r.toTechnician(ctx, n)
	}
	if route.Recipient.InTenant() && r.userID == "" {
		return n, nil
	}
	if route.Recipient.InTenant() && (r.around == nil || sponsor && !r.sponsor) {
		around, err := r.a.dir.Addressees(ctx, r.userID, sponsor)
		if err != nil {
			return n, err
		}
		r.around, r.sponsor = &around, sponsor
	}
	kind, _ := r.a.send.Address(route.Channel)
	var to jml.Addressee
	switch route.Recipient {
	case jml.RecipientWorkMail:
		n.Recipient = r.around.WorkMail
	case jml.RecipientManager:
		to = r.around.Manager
	case jml.RecipientSponsor:
		to = r.around.Sponsor
	case jml.RecipientDesk:
		to = r.a.desks[route.Desk]
	default:
		n.Recipient = r.contact.Recipient(route.Recipient)
	}
	if route.Recipient.Employee() {
		n.Addressee = n.GivenName
		return n, nil
	}
	n.Addressee = to.GivenName
	switch kind {
	case jml.AddressMail:
		n.Recipient = to.Mail
	case jml.AddressPhone:
		n.Recipient = to.Phone
	}
	// Whatever the message is about, it is read by somebody else.
	if to.Locale != "" {
		n.Locale = to.Locale
	}
	if to.Zone != "" {
		n.Zone = to.Zone
	}
	return n, nil
}

// toTechnician completes n for who sets up the device: his own mailbox.
func (r *router) toTechnician(ctx context.Context, n jml.Notice) (jml.Notice, error) {
	if r.technician == "" {
		return n, nil
	}
	own, err := r.a.dir.Addressees(ctx, r.technician, false)
	if err != nil {
		return n, err
	}
	n.Recipient, n.Addressee = own.WorkMail, ""
	if kind, _ := r.a.send.Address(n.Channel); kind == jml.AddressPhone {
		n.Recipient = own.WorkPhone
	}
	return n, nil
}

// pick returns the message of the first route that can take it.
func (r *router) pick(ctx context.Context, n jml.Notice, routes []jml.Route) (jml.Notice, int, error) {
	err := noRoute()
	for i, route := range routes {
		var to jml.Notice
		if to, err = r.address(ctx, n, route); err != nil {
			return n, 0, err
		}
		if err = r.a.send.Check(ctx, to); err == nil {
			return to, i, nil
		}
	}
	return n, 0, err
}

func noRoute() error {
	return &blocked{jml.Blocked(jml.ReasonNoRecipient, "no route is left")}
}

// refused reports whether the channel certainly took nothing.
func refused(err error) bool {
	var f *jml.Fault
	return errors.As(err, &f) && (f.Kind == jml.FaultRefused || f.Kind == jml.FaultDenied)
}

func attempt(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}

// RecordStep implements workflows.Activities.
//
// Crash: the line may stand twice in the audit.
func (a *Activities) RecordStep(ctx context.Context, in workflows.StepInput) (workflows.StepResult, error) {
	return workflows.StepResult{}, toTemporal(a.record(ctx, audit.Entry{
		Event: audit.Event(in.Event), Ref: in.Ref, UserID: in.UserID, Actor: in.Actor, Reason: in.Reason, Detail: in.Detail,
	}))
}
