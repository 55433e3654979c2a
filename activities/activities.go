// Package activities does the I/O the workflows ask for: reading the tenant,
// making a pass and handing it over, ending it, writing the audit.
package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// Directory is the tenant. Its errors are *jml.Fault.
type Directory interface {
	FindUsers(context.Context, jml.Match) ([]jml.User, error)
	PassPolicy(context.Context) (jml.PassPolicy, error)
	MemberOf(ctx context.Context, userID string, groupIDs []string) ([]string, error)
	Privilege(ctx context.Context, userID string) (jml.Privilege, error)
	Methods(ctx context.Context, userID string) ([]jml.Method, error)
	Passes(ctx context.Context, userID string) ([]jml.Pass, error)
	// CreatePass makes a pass and returns its passcode, the only time anybody
	// is told it.
	CreatePass(ctx context.Context, userID string, r jml.PassRequest, now time.Time) (jml.Pass, secret.Passcode, error)
	// Addressees returns the user's own mailbox and his manager, and, if asked
	// for, his first sponsor.
	Addressees(ctx context.Context, userID string, sponsor bool) (jml.Addressees, error)
	// DeletePass returns nil if the pass is not there.
	DeletePass(ctx context.Context, userID, methodID string) error
	// DeleteMethod deletes a method of a kind that jml.Removable lists. It
	// returns nil if the method is not there.
	DeleteMethod(ctx context.Context, userID string, m jml.Method) error
	// EndSessions signs the user out everywhere.
	EndSessions(ctx context.Context, userID string) error
}

// Profiles chooses a profile by the configured rules. user is nil while nobody
// knows him.
type Profiles interface {
	Choose(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) jml.Choice
}

// Sender brings messages out of band. Its errors are *jml.Fault.
type Sender interface {
	// Check finds what can be known to be wrong without asking the provider.
	Check(context.Context, jml.Notice) error
	// Probe has the provider validate a message, and sends nothing.
	Probe(ctx context.Context, channel string, n *jml.Notice) error
	Send(context.Context, jml.Notice, secret.Contents) (jml.Receipt, error)
	// Address is what a channel needs to know of a recipient.
	Address(channel string) (jml.AddressKind, bool)
}

// Invitations makes links, codes and the handles of messages.
type Invitations interface {
	// Links reports whether there is a pick-up page.
	Links() bool
	// Link returns once the link is stored.
	Link(context.Context, invitation.Spec) (invitation.Made, error)
	Code(workflowID, invitation, linkHash string) (code secret.Passcode, hash string)
	Number(visit string) string
	HashNumber(linkHash, typed string) string
	Handle(invitation.Handle) string
	MessageID(invitation.Handle) string
}

// Auditor writes a line and returns once it is on disk.
type Auditor interface {
	Append(context.Context, audit.Entry) error
}

// Halts tells whether the kill switch is on: nobody gets a pass.
type Halts interface {
	Halted(context.Context) (bool, error)
}

// Checkpoint is what one try of IssuePass leaves to the next.
type Checkpoint struct {
	// Minting is set before the pass is asked for: one may exist from then on.
	Minting bool `json:"minting,omitempty"`
	// MethodID is set before the passcode is handed over: somebody may know it
	// from then on.
	MethodID string `json:"method_id,omitempty"`
}

// Checkpoints keeps the checkpoint of the running activity where the next try
// of it finds it, whatever happens to this process.
type Checkpoints interface {
	// Load returns what the last try saved; zero at the first.
	Load(context.Context) (Checkpoint, error)
	// Save returns once the checkpoint is durable. It fails if this try is no
	// longer the current one.
	Save(context.Context, Checkpoint) error
	// Keep beats until the returned function is called, so that a worker that
	// dies is noticed.
	Keep(context.Context) (stop func())
}

// Config is what Activities needs. All fields but Desks and Halts are required.
type Config struct {
	Directory   Directory
	Sender      Sender
	Invitations Invitations
	Profiles    Profiles
	// Desks are the addresses of the configured desks, by name. May be empty.
	Desks       map[string]jml.Addressee
	Audit       Auditor
	Checkpoints Checkpoints
	Halts       Halts // nil: there is no switch, so it is never on
	Now         func() time.Time
	// Pause waits for d or until ctx ends. Tests pass one that does not wait.
	Pause  func(ctx context.Context, d time.Duration)
	Logger *slog.Logger
}

// Activities implements workflows.Activities.
type Activities struct {
	dir      Directory
	send     Sender
	inv      Invitations
	profiles Profiles
	desks    map[string]jml.Addressee
	audit    Auditor
	marks    Checkpoints
	halts    Halts
	now      func() time.Time
	pause    func(context.Context, time.Duration)
	log      *slog.Logger
}

var _ workflows.Activities = (*Activities)(nil)

// New checks cfg and returns the activities.
func New(cfg Config) (*Activities, error) {
	if cfg.Directory == nil || cfg.Sender == nil || cfg.Invitations == nil || cfg.Profiles == nil || cfg.Audit == nil || cfg.Checkpoints == nil ||
		cfg.Now == nil || cfg.Pause == nil || cfg.Logger == nil {
		return nil, errors.New("activities: every field of Config but Desks and Halts is required; without an audit there is no pass")
	}
	return &Activities{
		dir: cfg.Directory, send: cfg.Sender, inv: cfg.Invitations, profiles: cfg.Profiles, desks: cfg.Desks, audit: cfg.Audit, marks: cfg.Checkpoints, halts: cfg.Halts,
		now: cfg.Now, pause: cfg.Pause, log: cfg.Logger,
	}, nil
}

// halted returns an error while nobody is to get a pass: a block if the switch is
// on, a fault that is tried again if it can't be read. Without knowing, nothing
// is issued.
func (a *Activities) halted(ctx context.Context) error {
	if a.halts == nil {
		return nil
	}
	on, err := a.halts.Halted(ctx)
	switch {
	case err != nil:
		a.log.Error("the kill switch can't be read, so nothing is issued", "error", err)
		return &jml.Fault{System: "ledger", Op: "read the kill switch", Kind: jml.FaultUnavailable, Reason: jml.ReasonAuditUnavailable}
	case on:
		return &blocked{jml.Blocked(jml.ReasonHalted, "")}
	}
	return nil
}

// record writes to the audit. Callers record before they act and give up if it
// fails.
func (a *Activities) record(ctx context.Context, e audit.Entry) error {
	e.Time = a.now().UTC()
	if err := a.audit.Append(ctx, e); err != nil {
		a.log.Error("the audit can't be written, so nothing is done", "event", e.Event, "ref", e.Ref, "error", err)
		return &jml.Fault{System: "audit", Op: "append", Kind: jml.FaultUnavailable, Reason: jml.ReasonAuditUnavailable}
	}
	return nil
}
