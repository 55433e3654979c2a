package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/workflows"
)

// Whom names an employee: by reference, KIND/SOURCE/REF, or employee id. Source
// tells employees of several sources apart.
type Whom struct {
	Name   string
	Source string
}

// Recovery is a wish for another method instead of a lost one.
type Recovery struct {
	Whom
	Loss         jml.LossReason
	Verified     string        // how the caller was verified, as the configuration names it
	Ticket       string        // of the service desk
	For          jml.Requester // empty: operator
	Methods      []string      // ids of what was lost
	EndSessions  bool
	KeepSessions bool // although something was stolen
	Note         string
}

// Staging is a wish for a pass for who sets up the employee's device.
type Staging struct {
	Whom
	Technician string // UPN
	Device     string // serial number or name
	Window     time.Duration
	Ticket     string
	Note       string
}

// Started is a journey that has begun.
type Started struct {
	WorkflowID string
	Ref        string
	Profile    string
	Approval   bool // somebody else has to approve first
}

// Recover begins a recovery, or says why not, as a *Refusal.
func (s *Service) Recover(ctx context.Context, r Recovery) (Started, error) {
	who, err := s.mayAsk(ctx, "recover")
	if err != nil {
		return Started{}, err
	}
	r.For = cmp.Or(r.For, jml.RequesterOperator)
	switch {
	case !slices.Contains(jml.LossReasons(), r.Loss):
		return Started{}, invalid("say what happened to the method: lost, stolen, broken or replaced")
	case !slices.Contains(s.cfg.Verifications, r.Verified):
		return Started{}, &Refusal{Kind: RefusedInvalid, What: "say how you verified the caller, in one of these words: " + strings.Join(s.cfg.Verifications, ", "), Do: "verifications in the configuration lists them"}
	case r.For != jml.RequesterOperator && r.For != jml.RequesterManager:
		return Started{}, invalid("a recovery is asked for by an operator or for a manager")
	case r.EndSessions && r.KeepSessions:
		return Started{}, invalid("sessions are ended or kept, not both")
	}
	if r.Ticket, err = words("the ticket", r.Ticket, 1, maxTerm); err != nil {
		return Started{}, err
	}
	if r.Note, err = words("the note", r.Note, 0, maxReason); err != nil {
		return Started{}, err
	}
	e, err := s.employee(ctx, r.Whom)
	if err != nil {
		return Started{}, err
	}
	p, err := s.chosen(jml.KindRecovery, e)
	if err != nil {
		return Started{}, err
	}
	if len(r.Methods) > 0 {
		if p.Remove != jml.RemoveLost {
			return Started{}, &Refusal{Kind: RefusedInvalid, What: "profile " + p.Name + " removes no methods", Do: "set remove: lost on the profile; or name no method, and remove by hand what was lost"}
		}
		if err := s.lost(ctx, e, r.Methods); err != nil {
			return Started{}, err
		}
	}
	return s.begin(ctx, jml.KindRecovery, e, p, jml.Request{
		Actor: who.Name, For: r.For, Ticket: r.Ticket, Verified: r.Verified, Note: r.Note,
		Loss: r.Loss, Methods: r.Methods, EndSessions: r.EndSessions || r.Loss == jml.LossStolen && !r.KeepSessions,
	})
}

// StageDevice begins a staging, or says why not, as a *Refusal.
func (s *Service) StageDevice(ctx context.Context, r Staging) (Started, error) {
	who, err := s.mayAsk(ctx, "stage a device")
	if err != nil {
		return Started{}, err
	}
	for _, t := range []struct {
		what string
		text *string
		n    int
	}{{"the device", &r.Device, 1}, {"the ticket", &r.Ticket, 1}, {"the note", &r.Note, 0}, {"the technician's sign-in name", &r.Technician, 3}} {
		if *t.text, err = words(t.what, *t.text, t.n, maxReason); err != nil {
			return Started{}, err
		}
	}
	if !strings.Contains(r.Technician, "@") {
		return Started{}, invalid("give the technician's sign-in name, such as sam@example.com")
	}
	if r.Window <= 0 {
		return Started{}, invalid("say how long the technician has")
	}
	e, err := s.employee(ctx, r.Whom)
	if err != nil {
		return Started{}, err
	}
	p, err := s.chosen(jml.KindStaging, e)
	if err != nil {
		return Started{}, err
	}
	technician, err := s.technician(ctx, e, r.Technician)
	if err != nil {
		return Started{}, err
	}
	return s.begin(ctx, jml.KindStaging, e, p, jml.Request{
		Actor: who.Name, For: jml.RequesterOperator, Ticket: r.Ticket, Note: r.Note,
		Technician: technician, Device: r.Device, Until: s.cfg.Now().UTC().Add(r.Window),
	})
}

// Methods lists what an employee has registered, for choosing what was lost.
// Passwords and passes are left out.
func (s *Service) Methods(ctx context.Context, w Whom) ([]jml.Method, error) {
	if _, err := s.mayAsk(ctx, "list methods"); err != nil {
		return nil, err
	}
	e, err := s.employee(ctx, w)
	if err != nil {
		return nil, err
	}
	all, err := s.methods(ctx, e)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(m jml.Method) bool { return m.Kind == jml.MethodPass || m.Kind == "password" }), nil
}

func (s *Service) mayAsk(ctx context.Context, what string) (access.Identity, error) {
	who, err := s.need(ctx, what, "", access.Operator)
	if err != nil {
		return who, err
	}
	if s.cfg.Desk == nil || s.cfg.Directory == nil || s.cfg.Profiles == nil {
		return who, noDesk()
	}
	return who, nil
}

// employee finds whom w names, among those of whom HR has told.
func (s *Service) employee(ctx context.Context, w Whom) (intake.Employee, error) {
	source, name := w.Source, w.Name
	if isJourneyID(name) {
		source, name = strings.Split(name, "/")[1], workflows.RefOf(name)
	}
	name, err := words("the employee, by reference or id,", name, 1, maxTerm)
	if err != nil {
		return intake.Employee{}, err
	}
	found, err := s.cfg.Desk.Employee(ctx, source, name)
	switch {
	case err != nil:
		return intake.Employee{}, s.deskFault(err)
	case len(found) == 0:
		return intake.Employee{}, &Refusal{Kind: RefusedMissing, What: "HR has told of no such employee", Do: "look for them by name; firstpass import reads somebody in from a file"}
	case len(found) > 1:
		var sources []string
		for _, e := range found {
			sources = append(sources, e.Source)
		}
		return intake.Employee{}, &Refusal{Kind: RefusedInvalid, What: "several sources know this employee: " + strings.Join(sources, ", "), Do: "say which source"}
	}
	return found[0], nil
}

// chosen returns the profile by which the journey will go, as far as HR's facts
// tell.
func (s *Service) chosen(kind jml.Kind, e intake.Employee) (jml.Profile, error) {
	c := s.cfg.Profiles.Choose(kind, e.Source, e.Snapshot, nil)
	if b := c.Block; b != nil {
		return jml.Profile{}, &Refusal{Kind: RefusedState, What: fmt.Sprintf("no %s for this employee: %s", kind, b), Do: b.Advice}
	}
	return c.Profile, nil
}

func (s *Service) user(ctx context.Context, e intake.Employee) (jml.User, error) {
	found, err := s.cfg.Directory.FindUsers(ctx, e.Snapshot.UserMatch())
	if err != nil {
		return jml.User{}, directoryFault(err)
	}
	if b := jml.CheckUser(found); b != nil && b.Reason != jml.ReasonUserDisabled {
		return jml.User{}, &Refusal{Kind: RefusedState, What: b.String(), Do: b.Advice}
	}
	return found[0], nil
}

func directoryFault(err error) error {
	var fault *jml.Fault
	if errors.As(err, &fault) {
		return &Refusal{Kind: RefusedAway, What: "Entra could not be asked: " + fault.Block().String(), Do: fault.Block().Advice}
	}
	return &Refusal{Kind: RefusedAway, What: "Entra could not be asked", Do: "try again; firstpass check tells more"}
}

func (s *Service) methods(ctx context.Context, e intake.Employee) ([]jml.Method, error) {
	user, err := s.user(ctx, e)
	if err != nil {
		return nil, err
	}
	all, err := s.cfg.Directory.Methods(ctx, user.ID)
	if err != nil {
		return nil, directoryFault(err)
	}
	return all, nil
}

// lost checks that all of the methods are the user's: a slip of the hand would
// otherwise leave the stolen key in place.
func (s *Service) lost(ctx context.Context, e intake.Employee, ids []string) error {
	all, err := s.methods(ctx, e)
	if err != nil {
		return err
	}
	for n, id := range ids {
		i := slices.IndexFunc(all, func(m jml.Method) bool { return m.ID == id })
		switch {
		case i < 0:
			return &Refusal{Kind: RefusedInvalid, What: fmt.Sprintf("the employee has no such method (number %d of those named)", n+1), Do: "list the employee's methods"}
		case !slices.Contains(jml.Removable(), all[i].Kind):
			return invalid(all[i].Kind.Label() + " is no method that Firstpass removes")
		}
	}
	return nil
}

// technician finds who sets up the device. The employee himself gets a pass of
// his own: a staging is about somebody else's hands.
func (s *Service) technician(ctx context.Context, e intake.Employee, upn string) (jml.User, error) {
	found, err := s.cfg.Directory.FindUsers(ctx, jml.Match{Attribute: "userPrincipalName", Value: upn})
	if err != nil {
		return jml.User{}, directoryFault(err)
	}
	if b := jml.CheckUser(found); b != nil {
		switch b.Reason {
		case jml.ReasonUserDisabled:
			return jml.User{}, invalid("the technician's account is disabled")
		case jml.ReasonUserExternal:
			return jml.User{}, invalid("the technician is a guest from another tenant")
		}
		return jml.User{}, &Refusal{Kind: RefusedInvalid, What: "no user of the tenant has the technician's sign-in name", Do: "give the user principal name, as Entra has it"}
	}
	user, err := s.user(ctx, e)
	if err != nil {
		return jml.User{}, err
	}
	if found[0].ID == user.ID {
		return jml.User{}, &Refusal{Kind: RefusedInvalid, What: "the technician is the employee", Do: "name who sets up the device; the employee gets a pass of their own later"}
	}
	return found[0], nil
}

// begin asks intake for the journey. The journey itself writes down who asked,
// and why.
func (s *Service) begin(ctx context.Context, kind jml.Kind, e intake.Employee, p jml.Profile, r jml.Request) (Started, error) {
	// Before the cap is asked, whose answer would hide that there is one: what
	// decides is intake, which begins no second one.
	id := workflows.JourneyID(kind, e.Source, e.Ref)
	switch row, refused := s.describe(ctx, id); {
	case refused == nil && row.Closed.IsZero():
		return Started{}, &Refusal{Kind: RefusedState, What: "a " + string(kind) + " of this employee is under way: " + id, Do: "see how far it is; cancel it if it is the wrong one"}
	case refused != nil && refused.Kind != RefusedMissing:
		return Started{}, refused
	}
	out, err := s.cfg.Desk.Ask(ctx, kind, e.Source, e.Ref, r)
	if err != nil {
		return Started{}, s.deskFault(err)
	}
	return Started{WorkflowID: out.WorkflowID, Ref: out.Ref, Profile: p.Name, Approval: kind == jml.KindStaging || p.Approve}, nil
}
